/* Subscribers with filters beside plain ones, on one shard: each gets what its filter lets pass, in order, and holds its position over
 * what it does not; and equal wishes cost one encoding. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/check.h"
#include "engine/engine.h"
#include "hub/room.h"
#include "metrics/metrics.h"

enum { CLIENTS = 120, COLOURS = 4, KEEP = 1000, EVENTS = 400 };

/* Stands for a session. wants: bit per colour; 0: no filter. */
struct pl_sess {
    struct pl_sub *sub;
    unsigned wants;
    uint64_t got[EVENTS];
    size_t n;
};

static struct {
    struct pl_node *node;
    struct pl_shard *shard;
    struct pl_metrics *metrics;
    struct pl_sess clients[CLIENTS];
    uint8_t colour[EVENTS + 1]; /* of the publication with that offset; COLOURS: no tag */
    uint64_t top;
    size_t n_renders;
    uint32_t seed;
} t;

static const char *const colours[COLOURS] = { "red", "green", "blue", "grey" };

static uint32_t rnd(uint32_t below)
{
    t.seed = t.seed * 1664525 + 1013904223;
    return (t.seed >> 8) % below;
}

static enum pl_err render(struct pl_shard *s, unsigned render_class, struct pl_slice channel, const struct pl_msg *base,
                          struct pl_msg *const *events, size_t n, struct pl_buf *out)
{
    (void)base;
    (void)s;
    (void)render_class;
    (void)channel;
    t.n_renders++;
    for (size_t i = 0; i < n; i++)
        pl_buf_put(out, &events[i]->offset, sizeof events[i]->offset);
    return PL_OK;
}

static void deliver(struct pl_sub *sub, struct pl_blob *blob, unsigned n_events)
{
    struct pl_sess *c = sub->sess;

    assert_int_equal(blob->len, n_events * sizeof(uint64_t));
    assert_in_range(n_events, 1, EVENTS - c->n);
    memcpy(c->got + c->n, blob->bytes, blob->len);
    c->n += n_events;
}

static void unexpected(struct pl_sub *sub)
{
    (void)sub;
    fail();
}

static void info_of(const struct pl_sub *sub, struct pl_client_info *ret)
{
    (void)sub;
    memset(ret, 0, sizeof *ret);
}

static const struct pl_sink_ops sink = { .render = render, .deliver = deliver, .on_unfit = unexpected, .on_position_lost = unexpected,
                                         .info = info_of };

static void set_up(uint32_t seed)
{
    memset(&t, 0, sizeof t);
    t.seed = seed;
    t.node = pl_node_new(pl_world_linux(), 1);
    t.shard = t.node->shards[0];
    t.metrics = pl_metrics_new(1);
    t.shard->cells = pl_metrics_cells(t.metrics, 0);
    pl_engine_choose(t.node, &pl_engine_memory);
    pl_engine_memory.init(t.shard, pl_hub_feed());
    pl_hub_init(t.shard, &sink);
}

static void tear_down(void)
{
    for (size_t i = 0; i < CLIENTS; i++)
        if (t.clients[i].sub != NULL)
            pl_hub_unsubscribe(t.shard, &t.clients[i].sub, NULL);
    while (pl_shard_turn(t.shard, 0))
        ;
    assert_int_equal(hub_of(t.shard)->filters.n, 0);
    pl_hub_fini(t.shard);
    pl_engine_memory.fini(t.shard);
    pl_node_free(&t.node);
    pl_metrics_free(&t.metrics);
}

static struct pl_filter *filter_of(unsigned wants)
{
    struct pl_buf json = pl_buf_init(500), text = pl_buf_init(500);
    struct pl_scratch scratch = pl_scratch_init(500);
    struct pl_filter *f = NULL;

    PL_BUF_LIT(&json, "{\"key\":\"c\",\"cmp\":\"in\",\"vals\":[\"none\"");
    for (unsigned i = 0; i < COLOURS; i++)
        if ((wants >> i & 1) != 0)
            pl_buf_printf(&json, ",\"%s\"", colours[i]);
    PL_BUF_LIT(&json, "]}");
    assert_int_equal(pl_tagfilter_json(pl_buf_slice(&json), &scratch, &text), PL_OK);
    assert_int_equal(pl_filter_get(t.shard, pl_buf_slice(&text), &f), PL_OK);
    pl_buf_fini(&json);
    pl_buf_fini(&text);
    pl_scratch_fini(&scratch);
    return f;
}

static void subscribe(struct pl_sess *c, unsigned wants, bool recover, struct pl_op *op)
{
    struct pl_filter *f = wants != 0 ? filter_of(wants) : NULL;

    c->wants = wants;
    c->sub = f != NULL ? pl_sub_new_filtered(t.shard, &f) : pl_sub_new(t.shard);
    c->sub->sess = c;
    c->sub->flags |= PL_SUB_POSITIONED;
    assert_int_equal(pl_op_init(op, PL_OP_SUBSCRIBE, PL_LIT("ch")), PL_OK);
    op->keep = (struct pl_keep){ KEEP, 600, 0 };
    op->want_position = true;
    op->recover = recover ? PL_RECOVER_STREAM : PL_RECOVER_NO;
    op->has_since = recover;
    op->limit = -1;
    assert_int_equal(pl_hub_subscribe(t.shard, c->sub, op), PL_OK);
}

static void publish(void)
{
    unsigned colour = rnd(COLOURS + 1);
    struct pl_buf tags = pl_buf_init(100);
    struct pl_str *tag_str;
    struct pl_op op;
    bool ok;

    if (colour < COLOURS)
        pl_buf_printf(&tags, "{\"c\":\"%s\"}", colours[colour]);
    tag_str = pl_str_new(pl_buf_slice(&tags), &ok);
    assert_true(ok);
    assert_int_equal(pl_op_init(&op, PL_OP_PUBLISH, PL_LIT("ch")), PL_OK);
    assert_int_equal(pl_msg_new(PL_MSG_PUB, PL_LIT("ch"), PL_LIT("1"), NULL, tag_str, &op.msg), PL_OK);
    op.keep = (struct pl_keep){ KEEP, 600, 0 };
    t.colour[++t.top] = (uint8_t)colour;
    assert_int_equal(pl_hub_run(t.shard, &op), PL_OK);
    pl_op_fini(&op);
    pl_str_unref(&tag_str);
    pl_buf_fini(&tags);
}

static bool is_wanted(const struct pl_sess *c, uint64_t offset)
{
    return c->wants == 0 || (t.colour[offset] < COLOURS && (c->wants >> t.colour[offset] & 1) != 0);
}

static void check(const struct pl_sess *c)
{
    size_t n = 0;

    for (uint64_t o = 1; o <= t.top; o++) {
        if (!is_wanted(c, o))
            continue;
        assert_true(n < c->n);
        assert_int_equal(c->got[n++], o);
    }
    assert_int_equal(n, c->n);
    assert_int_equal(c->sub->offset, t.top);
}

/* Bursts of one, of some, and of more than a verdict's 64 bits. */
static void each_gets_what_its_filter_lets_pass_and_keeps_its_position(void **state)
{
    static const unsigned bursts[] = { 1, 3, 1, 70, 64, 65, 2, 130 };

    (void)state;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        set_up(seed);
        for (unsigned i = 0; i < CLIENTS; i++) {
            struct pl_op op;

            subscribe(&t.clients[i], i % 17, false, &op);
            pl_op_fini(&op);
        }
        for (size_t b = 0; b < sizeof bursts / sizeof bursts[0]; b++) {
            for (unsigned i = 0; i < bursts[b]; i++)
                publish();
            while (pl_shard_turn(t.shard, 0))
                ;
            for (size_t i = 0; i < CLIENTS; i++)
                check(&t.clients[i]);
        }
        tear_down();
    }
}

static void one_publication_is_encoded_once_for_all_filters(void **state)
{
    (void)state;
    set_up(7);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct pl_op op;

        subscribe(&t.clients[i], i % 16, false, &op);
        pl_op_fini(&op);
    }
    assert_int_equal(hub_of(t.shard)->filters.n, 15); /* shared by text */
    for (unsigned i = 0; i < 50; i++) {
        publish();
        while (pl_shard_turn(t.shard, 0))
            ;
    }
    assert_int_equal(t.n_renders, 50);
    tear_down();
}

static void recovery_leaves_out_what_does_not_pass(void **state)
{
    struct pl_sess *c = &t.clients[0];
    struct pl_op op;
    uint32_t n = 0;

    (void)state;
    set_up(9);
    for (unsigned i = 0; i < 40; i++)
        publish();
    subscribe(c, 3, true, &op);
    assert_true(op.is_recovered);
    assert_int_equal(c->sub->offset, 40);
    for (uint64_t o = 1; o <= 40; o++)
        if (is_wanted(c, o))
            assert_int_equal(op.msgs[n++]->offset, o);
    assert_int_equal(op.n_msgs, n);
    pl_op_fini(&op);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gets_what_its_filter_lets_pass_and_keeps_its_position),
        cmocka_unit_test(one_publication_is_encoded_once_for_all_filters),
        cmocka_unit_test(recovery_leaves_out_what_does_not_pass),
    };

    return cmocka_run_group_tests_name("hub/filter", tests, NULL, NULL);
}
