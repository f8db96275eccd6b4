/* The memory engine against a model that keeps everything in plain arrays. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/check.h"
#include "engine/engine.h"
#include "metrics/metrics.h"

struct bench {
    struct pl_node *node;
    struct pl_shard *s;
    struct pl_metrics *metrics;
};

static struct bench bench_new(void)
{
    struct bench b;

    b.node = pl_node_new(pl_world_linux(), 1);
    b.s = b.node->shards[0];
    b.metrics = pl_metrics_new(1);
    b.s->cells = pl_metrics_cells(b.metrics, 0);
    b.s->now_ms = 1000; /* the test moves it by hand; timers are fired late on purpose */
    pl_engine_memory.init(b.s, NULL);
    return b;
}

static void bench_free(struct bench *b)
{
    pl_engine_memory.fini(b->s);
    assert_int_equal(pl_metrics_sum(b->metrics, PL_M_HISTORY_BYTES), 0);
    assert_int_equal(pl_metrics_sum(b->metrics, PL_M_STREAMS), 0);
    pl_node_free(&b->node);
    pl_metrics_free(&b->metrics);
}

static struct pl_op op_new(enum pl_op_kind kind, const char *channel, uint32_t size, uint32_t ttl_s)
{
    struct pl_op op;

    assert_int_equal(pl_op_init(&op, kind, pl_slice_str(channel)), PL_OK);
    op.keep = (struct pl_keep){ size, ttl_s, 100 };
    return op;
}

/* Publishes data; returns the offset. */
static uint64_t publish(struct bench *b, const char *channel, const char *data, uint32_t size, uint32_t ttl_s, const char *key, uint64_t version,
                        enum pl_err want)
{
    struct pl_op op = op_new(PL_OP_PUBLISH, channel, size, ttl_s);
    uint64_t offset;

    assert_int_equal(pl_msg_new(PL_MSG_PUB, pl_slice_str(channel), pl_slice_str(data), NULL, NULL, &op.msg), PL_OK);
    op.version = version;
    if (key != NULL)
        assert_int_equal(pl_op_set(&op.idempotency_key, pl_slice_str(key)), PL_OK);
    assert_int_equal(pl_engine_memory.publish(b->s, &op), want);
    offset = op.offset;
    pl_op_fini(&op);
    return offset;
}

static struct pl_op recover(struct bench *b, const char *channel, uint64_t since, struct pl_str *epoch, int32_t limit)
{
    struct pl_op op = op_new(PL_OP_SUBSCRIBE, channel, 5, 60);

    op.recover = PL_RECOVER_STREAM;
    op.want_position = op.has_since = true;
    op.since_offset = since;
    op.since_epoch = pl_str_ref(epoch);
    op.limit = limit;
    assert_int_equal(pl_engine_memory.read(b->s, &op), PL_OK);
    return op;
}

static void offsets_count_from_one_and_the_list_is_trimmed(void **state)
{
    struct bench b = bench_new();
    struct pl_op op;

    (void)state;
    for (uint64_t i = 1; i <= 7; i++)
        assert_int_equal(publish(&b, "a", "1", 5, 60, NULL, 0, PL_OK), i);
    op = op_new(PL_OP_HISTORY, "a", 5, 60);
    op.limit = -1;
    assert_int_equal(pl_engine_memory.read(b.s, &op), PL_OK);
    assert_int_equal(op.n_msgs, 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(op.msgs[i]->offset, 3 + i);
    assert_int_equal(op.offset, 7);
    pl_op_fini(&op);
    bench_free(&b);
}

static void recovery_brings_all_that_was_missed_or_says_that_it_cannot(void **state)
{
    struct bench b = bench_new();
    struct pl_op op = op_new(PL_OP_HISTORY, "a", 5, 60);
    struct pl_str *epoch;
    bool ok;
    struct pl_str *other = pl_str_new(PL_LIT("zzz"), &ok);

    (void)state;
    for (uint64_t i = 1; i <= 7; i++)
        (void)publish(&b, "a", "1", 5, 60, NULL, 0, PL_OK);
    assert_int_equal(pl_engine_memory.read(b.s, &op), PL_OK);
    epoch = pl_str_ref(op.epoch);
    pl_op_fini(&op);
    for (uint64_t since = 0; since <= 9; since++) {
        bool covered = since >= 2 && since <= 7; /* 3..7 are kept */

        op = recover(&b, "a", since, epoch, -1);
        assert_int_equal(op.is_recovered, covered);
        assert_int_equal(op.n_msgs, covered ? 7 - since : 0);
        for (uint32_t i = 0; i < op.n_msgs; i++)
            assert_int_equal(op.msgs[i]->offset, since + 1 + i);
        assert_int_equal(op.offset, 7);
        pl_op_fini(&op);
        op = recover(&b, "a", since, other, -1); /* another epoch is never recovered */
        assert_false(op.is_recovered);
        pl_op_fini(&op);
        op = recover(&b, "a", since, epoch, 3); /* nor is more than the limit */
        assert_int_equal(op.is_recovered, since >= 4 && since <= 7);
        pl_op_fini(&op);
    }
    pl_str_unref(&epoch);
    pl_str_unref(&other);
    bench_free(&b);
}

static void a_list_expires_but_keeps_its_position_and_a_stream_expires_with_it(void **state)
{
    struct bench b = bench_new();
    struct pl_op op;
    struct pl_str *epoch;

    (void)state;
    (void)publish(&b, "a", "1", 5, 10, NULL, 0, PL_OK);
    b.s->now_ms += 10 * 1000; /* the list's time is over, though its timer has not fired */
    op = op_new(PL_OP_HISTORY, "a", 5, 10);
    op.limit = -1;
    assert_int_equal(pl_engine_memory.read(b.s, &op), PL_OK);
    assert_int_equal(op.n_msgs, 0);
    assert_int_equal(op.offset, 1);
    epoch = pl_str_ref(op.epoch);
    pl_op_fini(&op);
    assert_int_equal(publish(&b, "a", "2", 5, 10, NULL, 0, PL_OK), 2);
    b.s->now_ms += 100 * 1000; /* meta ttl */
    op = op_new(PL_OP_HISTORY, "a", 5, 10);
    assert_int_equal(pl_engine_memory.read(b.s, &op), PL_OK);
    assert_int_equal(op.offset, 0);
    assert_false(pl_str_eq(op.epoch, epoch)); /* a position once given out is never reused */
    pl_op_fini(&op);
    pl_str_unref(&epoch);
    bench_free(&b);
}

static void an_idempotency_key_publishes_once_in_five_minutes(void **state)
{
    struct bench b = bench_new();

    (void)state;
    assert_int_equal(publish(&b, "a", "1", 5, 600, "k", 0, PL_OK), 1);
    assert_int_equal(publish(&b, "a", "1", 5, 600, "k", 0, PL_EEXIST), 1);
    assert_int_equal(publish(&b, "b", "1", 5, 600, "k", 0, PL_OK), 1); /* per channel */
    assert_int_equal(publish(&b, "a", "1", 5, 600, "k2", 0, PL_OK), 2);
    b.s->now_ms += 5 * 60 * 1000;
    assert_int_equal(publish(&b, "a", "1", 5, 600, "k", 0, PL_OK), 1); /* published: in a new stream, since meta ttl is 100 s */
    bench_free(&b);
}

static void an_old_version_is_suppressed_and_each_publication_sets_the_last_one(void **state)
{
    struct bench b = bench_new();

    (void)state;
    assert_int_equal(publish(&b, "a", "1", 5, 60, NULL, 5, PL_OK), 1);
    assert_int_equal(publish(&b, "a", "1", 5, 60, NULL, 5, PL_EEXIST), 1);
    assert_int_equal(publish(&b, "a", "1", 5, 60, NULL, 4, PL_EEXIST), 1);
    assert_int_equal(publish(&b, "a", "1", 5, 60, NULL, 6, PL_OK), 2);
    assert_int_equal(publish(&b, "a", "1", 5, 60, NULL, 0, PL_OK), 3);
    assert_int_equal(publish(&b, "a", "1", 5, 60, NULL, 1, PL_OK), 4);
    bench_free(&b);
}

/* Random publishes, reads and removals; the model is an array of everything ever published. */
static void history_reads_agree_with_a_plain_array(void **state)
{
    enum { SIZE = 6, STEPS = 4000 };
    struct bench b = bench_new();
    uint32_t seed = 4711;
    uint64_t top = 0, first = 1; /* kept offsets are first..top */

    (void)state;
    for (int step = 0; step < STEPS; step++) {
        struct pl_op op;
        uint64_t want[SIZE], n = 0;
        bool all_but_limit;

        seed = seed * 1664525 + 1013904223;
        switch (seed >> 16 & 7) {
        case 0: case 1: case 2:
            assert_int_equal(publish(&b, "m", "x", SIZE, 60, NULL, 0, PL_OK), ++top);
            if (top - first + 1 > SIZE)
                first = top - SIZE + 1;
            break;
        case 3:
            if ((seed >> 20 & 15) == 0) {
                op = op_new(PL_OP_HISTORY_REMOVE, "m", SIZE, 60);
                assert_int_equal(pl_engine_memory.remove(b.s, &op), PL_OK);
                pl_op_fini(&op);
                first = top + 1;
            }
            break;
        default:
            op = op_new(PL_OP_HISTORY, "m", SIZE, 60);
            op.is_reverse = (seed >> 20 & 1) != 0;
            op.has_since = (seed >> 21 & 1) != 0;
            op.since_offset = top + 3 > 12 ? top - 8 + (seed >> 22 & 15) : (seed >> 22) % (top + 3);
            if (op.is_reverse && op.since_offset == 0)
                op.since_offset = 1;
            op.limit = (int32_t)(seed >> 26 & 7) - 1;
            all_but_limit = op.limit < 0;
            for (uint64_t i = 0; i < SIZE; i++) {
                uint64_t o = op.is_reverse ? top - i : first + i;

                if (o < first || o > top || o == 0 || (op.has_since && (op.is_reverse ? o >= op.since_offset : o <= op.since_offset)))
                    continue;
                if (all_but_limit || n < (uint64_t)op.limit)
                    want[n++] = o;
            }
            assert_int_equal(pl_engine_memory.read(b.s, &op), PL_OK);
            assert_int_equal(op.n_msgs, n);
            for (uint64_t i = 0; i < n; i++)
                assert_int_equal(op.msgs[i]->offset, want[i]);
            assert_int_equal(op.offset, top);
            pl_op_fini(&op);
        }
    }
    bench_free(&b);
}

static void a_record_of_the_engine_gives_the_same_engine(void **state)
{
    struct bench a = bench_new(), b = bench_new();
    struct pl_buf buf = pl_buf_init(1 << 20);
    struct pl_rec_out out = { &buf };
    struct pl_op x, y;

    (void)state;
    for (int i = 0; i < 7; i++)
        (void)publish(&a, "a", "data", 5, 60, i == 3 ? "key" : NULL, (uint64_t)i, PL_OK);
    (void)publish(&a, "b", "1", 5, 60, NULL, 0, PL_OK);
    pl_engine_memory.save(a.s, &out);
    assert_int_equal(pl_engine_memory.load(b.s, (struct pl_rec_in){ pl_buf_slice(&buf) }), PL_OK);
    x = op_new(PL_OP_HISTORY, "a", 5, 60);
    y = op_new(PL_OP_HISTORY, "a", 5, 60);
    x.limit = y.limit = -1;
    assert_int_equal(pl_engine_memory.read(a.s, &x), PL_OK);
    assert_int_equal(pl_engine_memory.read(b.s, &y), PL_OK);
    assert_true(x.offset == y.offset && x.n_msgs == y.n_msgs && pl_str_eq(x.epoch, y.epoch));
    for (uint32_t i = 0; i < x.n_msgs; i++)
        assert_true(x.msgs[i]->offset == y.msgs[i]->offset && pl_slice_eq(pl_msg_data(x.msgs[i]), pl_msg_data(y.msgs[i])));
    pl_op_fini(&x);
    pl_op_fini(&y);
    assert_int_equal(publish(&b, "a", "1", 5, 60, "key", 0, PL_EEXIST), 4); /* the key went over */
    assert_int_equal(publish(&b, "a", "1", 5, 60, NULL, 6, PL_EEXIST), 7);  /* and the last version */
    /* A damaged record is refused, never half believed: cut anywhere it is either an error or a shorter list of whole streams. */
    for (size_t n = 0; n < buf.len; n++) {
        struct bench c = bench_new();

        if (pl_engine_memory.load(c.s, (struct pl_rec_in){ pl_slice(buf.p, n) }) == PL_OK) {
            x = op_new(PL_OP_HISTORY, "b", 5, 60);
            assert_int_equal(pl_engine_memory.read(c.s, &x), PL_OK);
            assert_true(x.offset <= 1);
            pl_op_fini(&x);
        }
        bench_free(&c);
    }
    pl_buf_fini(&buf);
    bench_free(&a);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_count_from_one_and_the_list_is_trimmed),
        cmocka_unit_test(recovery_brings_all_that_was_missed_or_says_that_it_cannot),
        cmocka_unit_test(a_list_expires_but_keeps_its_position_and_a_stream_expires_with_it),
        cmocka_unit_test(an_idempotency_key_publishes_once_in_five_minutes),
        cmocka_unit_test(an_old_version_is_suppressed_and_each_publication_sets_the_last_one),
        cmocka_unit_test(history_reads_agree_with_a_plain_array),
        cmocka_unit_test(a_record_of_the_engine_gives_the_same_engine),
    };

    return cmocka_run_group_tests_name("engine/memory", tests, NULL, NULL);
}
