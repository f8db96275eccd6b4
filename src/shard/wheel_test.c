#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/check.h"
#include "shard/wheel.h"

enum { TIMERS = 400 };

struct probe {
    struct pl_timer timer;
    uint64_t want_ms;  /* 0: off */
    uint64_t order;    /* of starting, for those due at the same time */
    unsigned fired;
    int restart_in_ms; /* -1: no */
};

struct bench {
    struct pl_wheel *wheel;
    struct probe probes[TIMERS];
    uint64_t now_ms, order, last_due, last_order;
    size_t n_fired;
};

static uint64_t rnd(uint64_t *seed) /* splitmix64 (Steele, Lea, Flood 2014) */
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void start(struct bench *b, struct probe *p, uint64_t due)
{
    p->want_ms = due;
    p->order = ++b->order;
    pl_wheel_start(b->wheel, &p->timer, due);
}

/* The bench comes in place of the shard: the wheel only hands it through. */
static void on_fire(struct pl_shard *s, struct pl_timer *t)
{
    struct bench *b = (struct bench *)(void *)s;
    struct probe *p = PL_OF(t, struct probe, timer);

    assert_false(pl_timer_is_on(t));
    assert_true(p->want_ms != 0 && p->want_ms <= b->now_ms);
    p->fired++;
    b->n_fired++;
    p->want_ms = 0;
    if (p->restart_in_ms >= 0)
        start(b, p, b->now_ms + (uint64_t)p->restart_in_ms);
    p->restart_in_ms = -1;
}

static struct bench *bench_new(uint64_t now_ms)
{
    struct bench *b = calloc(1, sizeof *b);

    b->wheel = malloc(sizeof *b->wheel);
    b->now_ms = now_ms;
    pl_wheel_init(b->wheel, now_ms);
    for (int i = 0; i < TIMERS; i++) {
        b->probes[i].timer.fire = on_fire;
        b->probes[i].restart_in_ms = -1;
    }
    return b;
}

static void bench_free(struct bench *b)
{
    free(b->wheel);
    free(b);
}

static void random_timers_fire_exactly_when_a_sorted_list_says(void **state)
{
    static const uint64_t spans[] = { 3, 50, 256, 300, 5000, 25000, 70000, 20000000, 1ull << 33 };
    const uint64_t begins[] = { 0, 255, 65535, 1ull << 32, (1ull << 40) - 3 };

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t r = seed;
        struct bench *b = bench_new(begins[seed % 5]);

        for (int step = 0; step < 3000; step++) {
            struct probe *p = &b->probes[rnd(&r) % TIMERS];
            uint64_t span = spans[rnd(&r) % 9], next, least = UINT64_MAX;
            size_t n_due = 0, before;

            switch (rnd(&r) % 4) {
            case 0:
            case 1:
                start(b, p, b->now_ms + rnd(&r) % span + 1);
                p->restart_in_ms = rnd(&r) % 8 == 0 ? (int)(rnd(&r) % 300) : -1;
                break;
            case 2:
                pl_wheel_stop(&p->timer);
                p->want_ms = 0;
                break;
            case 3:
                next = pl_wheel_next(b->wheel);
                for (int i = 0; i < TIMERS; i++)
                    if (b->probes[i].want_ms != 0 && b->probes[i].want_ms < least)
                        least = b->probes[i].want_ms;
                assert_true(next <= least && (least == UINT64_MAX || next >= b->now_ms));
                b->now_ms += rnd(&r) % span;
                for (int i = 0; i < TIMERS; i++)
                    n_due += b->probes[i].want_ms != 0 && b->probes[i].want_ms <= b->now_ms;
                before = b->n_fired;
                assert_int_equal(pl_wheel_advance(b->wheel, (struct pl_shard *)(void *)b, b->now_ms), n_due);
                assert_int_equal(b->n_fired - before, n_due);
                break;
            }
        }
        bench_free(b);
    }
}

static void on_ordered(struct pl_shard *s, struct pl_timer *t)
{
    struct bench *b = (struct bench *)(void *)s;
    struct probe *p = PL_OF(t, struct probe, timer);

    assert_true(p->want_ms > b->last_due || (p->want_ms == b->last_due && p->order > b->last_order));
    b->last_due = p->want_ms;
    b->last_order = p->order;
    b->n_fired++;
}

static void timers_fire_by_due_time_then_by_order_of_starting(void **state)
{
    struct bench *b = bench_new(1000);
    uint64_t r = 7;

    (void)state;
    for (int i = 0; i < TIMERS; i++) {
        b->probes[i].timer.fire = on_ordered;
        start(b, &b->probes[i], 1001 + rnd(&r) % 600);
    }
    b->now_ms = 100000;
    pl_wheel_advance(b->wheel, (struct pl_shard *)(void *)b, b->now_ms);
    assert_int_equal(b->n_fired, TIMERS);
    assert_true(pl_wheel_next(b->wheel) == UINT64_MAX);
    bench_free(b);
}

static void a_timer_that_restarts_itself_in_the_past_waits_for_the_next_turn(void **state)
{
    struct bench *b = bench_new(5000);
    struct probe *p = &b->probes[0];

    (void)state;
    p->restart_in_ms = 0;
    start(b, p, 10);
    assert_int_equal(pl_wheel_advance(b->wheel, (struct pl_shard *)(void *)b, 5000), 1);
    assert_true(pl_wheel_next(b->wheel) == 5000);
    assert_int_equal(pl_wheel_advance(b->wheel, (struct pl_shard *)(void *)b, 5000), 1);
    assert_int_equal(pl_wheel_advance(b->wheel, (struct pl_shard *)(void *)b, 5000), 0);
    start(b, p, UINT64_MAX); /* for ever, or 8,900 years */
    assert_int_equal(pl_wheel_advance(b->wheel, (struct pl_shard *)(void *)b, 1ull << 47), 0);
    pl_wheel_stop(&p->timer);
    pl_wheel_stop(&p->timer);
    bench_free(b);
}

static struct probe *victim;

static void on_fire_stop_other(struct pl_shard *s, struct pl_timer *t)
{
    (void)t;
    ((struct bench *)(void *)s)->n_fired++;
    pl_wheel_stop(&victim->timer);
}

static void a_timer_may_stop_another_one_of_the_same_moment(void **state)
{
    struct bench *b = bench_new(0);

    (void)state;
    b->probes[0].timer.fire = on_fire_stop_other;
    victim = &b->probes[1];
    start(b, &b->probes[0], 300);
    start(b, victim, 300);
    assert_int_equal(pl_wheel_advance(b->wheel, (struct pl_shard *)(void *)b, 400), 1);
    assert_int_equal(victim->fired, 0);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_timers_fire_exactly_when_a_sorted_list_says),
        cmocka_unit_test(timers_fire_by_due_time_then_by_order_of_starting),
        cmocka_unit_test(a_timer_that_restarts_itself_in_the_past_waits_for_the_next_turn),
        cmocka_unit_test(a_timer_may_stop_another_one_of_the_same_moment),
    };

    return cmocka_run_group_tests_name("shard/wheel", tests, NULL, NULL);
}
