#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "shard/handles.h"
#include "shard/shard.h"
#include "shard/tour.h"

/* ---- handles ---- */

static const int kind_a, kind_b;

static void a_stale_or_foreign_handle_finds_nothing(void **state)
{
    struct pl_handles h;
    struct pl_handle first, second = { 0 }, alien;
    int obj1, obj2;

    (void)state;
    pl_handles_init(&h, 3);
    assert_null(pl_handles_get(&h, 5, second, &kind_a));
    assert_int_equal(pl_handles_new(&h, 5, &kind_a, &obj1, &first), PL_OK);
    assert_int_equal(pl_handle_shard(first), 5);
    assert_ptr_equal(pl_handles_get(&h, 5, first, &kind_a), &obj1);
    assert_null(pl_handles_get(&h, 5, first, &kind_b));
    assert_null(pl_handles_get(&h, 4, first, &kind_a));
    pl_handles_free(&h, 5, first);
    pl_handles_free(&h, 5, first);
    assert_null(pl_handles_get(&h, 5, first, &kind_a));
    assert_int_equal(pl_handles_new(&h, 5, &kind_a, &obj2, &second), PL_OK); /* the same slot again */
    assert_int_equal(first.v & 0xfffffff, second.v & 0xfffffff);
    assert_null(pl_handles_get(&h, 5, first, &kind_a));
    assert_ptr_equal(pl_handles_get(&h, 5, second, &kind_a), &obj2);
    alien.v = second.v + 1;
    assert_null(pl_handles_get(&h, 5, alien, &kind_a));
    alien.v = UINT64_MAX;
    assert_null(pl_handles_get(&h, 5, alien, &kind_a));
    assert_int_equal(pl_handles_new(&h, 5, &kind_b, &obj2, &alien), PL_OK);
    assert_int_equal(pl_handles_new(&h, 5, &kind_b, &obj2, &alien), PL_OK);
    assert_int_equal(pl_handles_new(&h, 5, &kind_b, &obj2, &alien), PL_ENOMEM);
    pl_handles_fini(&h);
}

static void handles_grow_without_moving_anything(void **state)
{
    enum { N = 3 * PL_HANDLE_CHUNK + 5 };
    struct pl_handles h;
    struct pl_handle *hd = calloc(N, sizeof *hd);
    int *objs = calloc(N, sizeof *objs);

    (void)state;
    pl_handles_init(&h, 1 << PL_HANDLE_SLOT_BITS);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++)
            assert_int_equal(pl_handles_new(&h, 0, &kind_a, &objs[i], &hd[i]), PL_OK);
        for (int i = 0; i < N; i++)
            assert_ptr_equal(pl_handles_get(&h, 0, hd[i], &kind_a), &objs[i]);
        assert_int_equal(h.n_slots, N);
        for (int i = 0; i < N; i++)
            pl_handles_free(&h, 0, hd[i]);
    }
    assert_int_equal(h.n_live, 0);
    pl_handles_fini(&h);
    free(objs);
    free(hd);
}

/* ---- turns, driven by hand in one thread ---- */

static char trail[64];
static size_t trail_len;

struct step {
    struct pl_task task;
    struct pl_deferred deferred;
    struct pl_timer timer;
    struct pl_mail mail;
    char name;
    int again;
};

static void mark(char c)
{
    if (trail_len < sizeof trail - 1)
        trail[trail_len++] = c;
    trail[trail_len] = '\0';
}

static void step_run(struct pl_shard *s, struct pl_task *t)
{
    struct step *st = PL_OF(t, struct step, task);

    mark(st->name);
    if (st->again-- > 0)
        pl_shard_task(s, PL_PHASE_WALK, t);
}

static void step_free(struct pl_shard *s, struct pl_deferred *d)
{
    (void)s;
    mark(PL_OF(d, struct step, deferred)->name);
}

static void step_fire(struct pl_shard *s, struct pl_timer *t)
{
    (void)s;
    mark(PL_OF(t, struct step, timer)->name);
}

static void step_arrive(struct pl_shard *s, struct pl_mail *m)
{
    struct step *st = PL_OF(m, struct step, mail);

    mark(st->name);
    if (st->again-- > 0)
        assert_int_equal(pl_mail_post(s, s->index, m), PL_OK);
}

static void trail_is(const char *want)
{
    assert_string_equal(trail, want);
    trail_len = 0;
    trail[0] = '\0';
}

static void a_turn_runs_mail_timers_phases_and_frees_in_this_order(void **state)
{
    struct pl_node *n = pl_node_new(pl_world_linux(), 1);
    struct pl_shard *s = n->shards[0];
    struct step walk = { .task = { .run = step_run }, .name = 'w', .again = 1 }, reply = { .task = { .run = step_run }, .name = 'r' };
    struct step flush = { .task = { .run = step_run }, .name = 'f' }, dead = { .deferred = { .free = step_free }, .name = 'd' };
    struct step late = { .timer = { .fire = step_fire }, .name = 't' }, mail = { .mail = { .arrive = step_arrive }, .name = 'm' };

    (void)state;
    trail_is("");
    assert_true(pl_shard_next_ms(s) == UINT64_MAX);
    pl_shard_defer(s, &dead.deferred);
    pl_shard_task(s, PL_PHASE_FLUSH, &flush.task);
    pl_shard_task(s, PL_PHASE_FLUSH, &flush.task); /* once is enough */
    pl_shard_task(s, PL_PHASE_REPLY, &reply.task);
    pl_shard_task(s, PL_PHASE_WALK, &walk.task);
    pl_timer_start(s, &late.timer, 0);
    assert_int_equal(pl_mail_post(s, 0, &mail.mail), PL_OK);
    assert_int_equal(pl_shard_next_ms(s), 0);
    assert_true(pl_shard_turn(s, -1));
    trail_is("mtwrfd");
    assert_true(pl_shard_turn(s, -1)); /* does not sleep: the walk queued itself again */
    trail_is("w");
    assert_false(pl_shard_turn(s, 0));
    mail.again = 1;
    assert_int_equal(pl_mail_post(s, 0, &mail.mail), PL_OK);
    assert_true(pl_shard_turn(s, -1));
    trail_is("m"); /* the mail to itself arrives in the next turn */
    assert_true(pl_shard_turn(s, -1));
    trail_is("m");
    pl_timer_start(s, &late.timer, s->now_ms + 2);
    assert_in_range(pl_shard_next_ms(s), 0, 2);
    while (!pl_shard_turn(s, -1))
        ;
    trail_is("t");
    pl_node_free(&n);
    assert_null(n);
}

static size_t n_replies;

static void ask_arrive(struct pl_shard *s, struct pl_mail *m)
{
    if (m->is_reply)
        n_replies++;
    else
        pl_mail_reply(s, m->from, m);
}

static void sink_arrive(struct pl_shard *s, struct pl_mail *m)
{
    (void)s;
    (void)m;
}

static void a_full_mailbox_says_busy_and_replies_always_find_their_slot(void **state)
{
    struct pl_node *n = pl_node_new(pl_world_linux(), 2);
    struct pl_shard *a = n->shards[0], *b = n->shards[1];
    enum { N = 3000 };
    struct pl_mail *asks = calloc(N, sizeof *asks), *posts = calloc(N, sizeof *posts);
    size_t n_asked = 0, n_posted = 0;
    struct pl_shard_stats st;

    (void)state;
    n_replies = 0;
    for (int i = 0; i < N; i++) {
        asks[i].arrive = ask_arrive;
        posts[i].arrive = sink_arrive;
    }
    for (int round = 0; round < 3; round++) {
        /* a asks as much as it may, then b, before it answers, posts to a as much as it may */
        for (n_asked = 0; n_asked < N && pl_mail_ask(a, 1, &asks[n_asked]) == PL_OK; n_asked++)
            ;
        assert_int_equal(n_asked, 2048);
        for (n_posted = 0; n_posted < N && pl_mail_post(b, 0, &posts[n_posted]) == PL_OK; n_posted++)
            ;
        assert_int_equal(n_posted, 2048);
        assert_true(pl_shard_turn(b, 0));
        /* all answers are on their way now; further requests find no room for their answers */
        assert_int_equal(pl_mail_ask(a, 1, &asks[N - 1]), PL_EBUSY);
        assert_true(pl_shard_turn(a, 0));
        assert_int_equal(n_replies, n_asked * (size_t)(round + 1));
    }
    pl_shard_stats(a, &st);
    assert_true(st.mails_busy >= 6 && st.mails_in == 3 * (n_asked + n_posted));
    free(asks);
    free(posts);
    pl_node_free(&n);
}

/* ---- threads ---- */

enum { SHARDS = 4, BALLS = 50, BOUNCES = 2000, TOURS = 200 };

struct ball {
    struct pl_mail mail;
    unsigned left;
};

struct court {
    struct {
        _Alignas(64) unsigned n_done, tours_done;
        struct pl_task kick;
        struct pl_mail stop;
    } per[SHARDS];
};

static struct court *court;

static void question_arrive(struct pl_shard *s, struct pl_mail *m)
{
    pl_shard_assert_own(s);
    if (m->is_reply)
        free(m);
    else
        pl_mail_reply(s, m->from, m);
}

static void ball_arrive(struct pl_shard *s, struct pl_mail *m)
{
    struct ball *b = PL_OF(m, struct ball, mail);

    pl_shard_assert_own(s);
    if (b->left == 0) {
        free(b);
        court->per[s->index].n_done++;
        return;
    }
    b->left--;
    if (b->left % 7 == 0) { /* and now and then a question that is answered */
        struct pl_mail *q = calloc(1, sizeof *q);

        q->arrive = question_arrive;
        if (pl_mail_ask(s, (s->index + 1) % SHARDS, q) != PL_OK)
            free(q);
    }
    if (pl_mail_post(s, (s->index + 1 + b->left % 3) % SHARDS, m) != PL_OK) {
        free(b);
        court->per[s->index].n_done++;
    }
}

struct journey {
    struct pl_tour tour;
    unsigned seen[SHARDS];
};

static void journey_visit(struct pl_shard *s, struct pl_tour *t)
{
    pl_shard_assert_own(s);
    PL_OF(t, struct journey, tour)->seen[s->index]++;
}

static void journey_start(struct pl_shard *s);

static void journey_done(struct pl_shard *s, struct pl_tour *t)
{
    struct journey *j = PL_OF(t, struct journey, tour);

    for (int i = 0; i < SHARDS; i++)
        PL_ASSERT(j->seen[i] == 1);
    free(j);
    court->per[s->index].tours_done++;
    if (court->per[s->index].tours_done + 8 <= TOURS)
        journey_start(s);
}

static void journey_start(struct pl_shard *s)
{
    struct journey *j = calloc(1, sizeof *j);

    j->tour.visit = journey_visit;
    j->tour.done = journey_done;
    PL_ASSERT(pl_tour_start(s, &j->tour) == PL_WAIT);
}

static void on_stop(struct pl_shard *s, struct pl_mail *m)
{
    (void)m;
    pl_shard_stop(s);
}

static void kick(struct pl_shard *s, struct pl_task *t)
{
    (void)t;
    for (unsigned i = 0; i < BALLS; i++) {
        struct ball *b = malloc(sizeof *b);

        *b = (struct ball){ .mail = { .arrive = ball_arrive }, .left = BOUNCES };
        PL_ASSERT(pl_mail_post(s, (s->index + i) % SHARDS, &b->mail) == PL_OK);
    }
    for (int i = 0; i < 8; i++)
        journey_start(s);
}

static void shard_main(void *arg)
{
    pl_shard_run(arg);
}

static unsigned total(bool of_tours)
{
    unsigned n = 0;

    for (int i = 0; i < SHARDS; i++)
        n += of_tours ? court->per[i].tours_done : court->per[i].n_done;
    return n;
}

/* Counts are read through a tour, as any question to all shards is asked: no data race. */
struct census {
    struct pl_tour tour;
    unsigned balls, tours;
};
static struct pl_timer census_timer;
static bool census_under_way;

static void census_visit(struct pl_shard *s, struct pl_tour *t)
{
    struct census *c = PL_OF(t, struct census, tour);

    c->balls += court->per[s->index].n_done;
    c->tours += court->per[s->index].tours_done;
}

static void census_done(struct pl_shard *s, struct pl_tour *t)
{
    struct census *c = PL_OF(t, struct census, tour);
    bool all = c->balls == SHARDS * BALLS && c->tours == SHARDS * TOURS;

    free(c);
    census_under_way = false;
    if (!all) {
        pl_timer_start(s, &census_timer, s->now_ms + 5);
        return;
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        court->per[i].stop.arrive = on_stop;
        pl_mail_control(s->node, i, &court->per[i].stop);
    }
}

static void census_start(struct pl_shard *s, struct pl_timer *t)
{
    struct census *c = calloc(1, sizeof *c);

    (void)t;
    c->tour.visit = census_visit;
    c->tour.done = census_done;
    census_under_way = true;
    PL_ASSERT(pl_tour_start(s, &c->tour) == PL_WAIT);
}

static void four_shards_pass_mail_and_tours_until_all_is_done(void **state)
{
    struct pl_world *w = pl_world_linux();
    struct pl_node *n = pl_node_new(w, SHARDS);
    struct pl_thread *threads[SHARDS];

    (void)state;
    court = aligned_alloc(64, sizeof *court);
    memset(court, 0, sizeof *court);
    census_timer = (struct pl_timer){ .fire = census_start };
    pl_timer_start(n->shards[0], &census_timer, n->shards[0]->now_ms + 5);
    for (unsigned i = 0; i < SHARDS; i++) {
        char name[16];

        court->per[i].kick.run = kick;
        pl_shard_task(n->shards[i], PL_PHASE_WALK, &court->per[i].kick);
        snprintf(name, sizeof name, "shard-%u", i);
        assert_int_equal(w->ops->thread_start(w, shard_main, n->shards[i], -1, name, &threads[i]), PL_OK);
    }
    for (int i = 0; i < SHARDS; i++)
        w->ops->thread_join(w, &threads[i]);
    for (int i = 0; i < 2 * SHARDS; i++) /* questions that were still on their way */
        (void)pl_shard_turn(n->shards[i % SHARDS], 0);
    assert_false(census_under_way);
    assert_int_equal(total(false), SHARDS * BALLS);
    assert_int_equal(total(true), SHARDS * TOURS);
    pl_node_free(&n);
    free(court);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_or_foreign_handle_finds_nothing),
        cmocka_unit_test(handles_grow_without_moving_anything),
        cmocka_unit_test(a_turn_runs_mail_timers_phases_and_frees_in_this_order),
        cmocka_unit_test(a_full_mailbox_says_busy_and_replies_always_find_their_slot),
        cmocka_unit_test(four_shards_pass_mail_and_tours_until_all_is_done),
    };

    return cmocka_run_group_tests_name("shard/shard", tests, NULL, NULL);
}
