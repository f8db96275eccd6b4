/* Subscribers that take patches, come and go at random between publications with and without an offset: whoever is shown a patch has the
 * publication that it starts from, as the last thing it got. */
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

enum { CLIENTS = 20, KEEP = 30, NOTHING = 0xffff };

/* Stands for a session. */
struct pl_sess {
    struct pl_sub *sub;
    uint64_t last;       /* offset of the last publication it got; NOTHING none yet */
    bool wants_delta;
};

struct piece {
    uint64_t offset, base; /* base 0: whole */
};

static struct {
    struct pl_node *node;
    struct pl_shard *shard;
    struct pl_metrics *metrics;
    struct pl_sess clients[CLIENTS];
    size_t n_patches, n_whole;
    uint32_t seed;
} t;

static uint32_t rnd(uint32_t below)
{
    t.seed = t.seed * 1664525 + 1013904223;
    return (t.seed >> 8) % below;
}

static enum pl_err render(struct pl_shard *s, unsigned render_class, struct pl_slice channel, const struct pl_msg *base,
                          struct pl_msg *const *events, size_t n, struct pl_buf *out)
{
    (void)s;
    (void)channel;
    for (size_t i = 0; i < n; i++) {
        struct piece p = { events[i]->offset, 0 };

        if ((render_class & PL_HUB_PATCHES) != 0 && base != NULL && base->offset != 0 && base->offset + 1 == events[i]->offset)
            p.base = base->offset;
        pl_buf_put(out, &p, sizeof p);
        base = events[i];
    }
    return PL_OK;
}

static void deliver(struct pl_sub *sub, struct pl_blob *blob, unsigned n_events)
{
    struct pl_sess *c = sub->sess;

    assert_int_equal(blob->len, n_events * sizeof(struct piece));
    for (unsigned i = 0; i < n_events; i++) {
        struct piece p;

        memcpy(&p, blob->bytes + i * sizeof p, sizeof p);
        if (p.base != 0) {
            assert_true(c->wants_delta);
            assert_int_equal(p.base, c->last);
            t.n_patches++;
        } else {
            t.n_whole += c->wants_delta;
        }
        c->last = p.offset;
    }
}

static void unexpected(struct pl_sub *sub)
{
    (void)sub;
    fail();
}

static const struct pl_sink_ops sink = { .render = render, .deliver = deliver, .on_unfit = unexpected, .on_position_lost = unexpected };

static void subscribe(struct pl_sess *c)
{
    bool recovers = rnd(2) != 0 && c->last != NOTHING && c->last != 0;
    struct pl_op op;

    c->wants_delta = rnd(3) != 0;
    c->sub = pl_sub_new(t.shard);
    assert_non_null(c->sub);
    c->sub->sess = c;
    c->sub->flags = (uint16_t)(PL_SUB_POSITIONED | (c->wants_delta ? PL_SUB_DELTA : 0));
    c->sub->render_class = c->wants_delta ? 8 : 0;
    assert_int_equal(pl_op_init(&op, PL_OP_SUBSCRIBE, PL_LIT("ch")), PL_OK);
    op.keep = (struct pl_keep){ KEEP, 600, 0 };
    op.want_position = true;
    op.recover = recovers ? PL_RECOVER_STREAM : PL_RECOVER_NO;
    op.has_since = recovers;
    op.since_offset = recovers ? c->last : 0;
    op.limit = -1;
    assert_int_equal(pl_hub_subscribe(t.shard, c->sub, &op), PL_OK);
    c->last = op.n_msgs != 0 ? op.msgs[op.n_msgs - 1]->offset : NOTHING; /* a new subscription starts from nothing */
    pl_op_fini(&op);
}

static void publish(void)
{
    struct pl_op op;

    assert_int_equal(pl_op_init(&op, PL_OP_PUBLISH, PL_LIT("ch")), PL_OK);
    assert_int_equal(pl_msg_new(PL_MSG_PUB, PL_LIT("ch"), PL_LIT("1"), NULL, NULL, &op.msg), PL_OK);
    op.keep = (struct pl_keep){ KEEP, 600, 0 };
    op.skip_history = rnd(6) == 0;
    assert_int_equal(pl_hub_run(t.shard, &op), PL_OK);
    pl_op_fini(&op);
}

static void a_patch_starts_from_what_its_reader_has(void **state)
{
    size_t n_patches = 0, n_whole = 0;

    (void)state;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        memset(&t, 0, sizeof t);
        t.seed = seed;
        t.node = pl_node_new(pl_world_linux(), 1);
        t.shard = t.node->shards[0];
        t.metrics = pl_metrics_new(1);
        t.shard->cells = pl_metrics_cells(t.metrics, 0);
        pl_engine_choose(t.node, &pl_engine_memory);
        pl_engine_memory.init(t.shard, pl_hub_feed());
        pl_hub_init(t.shard, &sink);
        for (int step = 0; step < 400; step++) {
            struct pl_sess *c = &t.clients[rnd(CLIENTS)];

            if (rnd(2) == 0)
                publish();
            else if (c->sub == NULL)
                subscribe(c);
            else if (rnd(2) == 0)
                pl_hub_unsubscribe(t.shard, &c->sub, NULL);
            if (rnd(3) == 0)
                while (pl_shard_turn(t.shard, 0))
                    ;
        }
        for (size_t i = 0; i < CLIENTS; i++)
            if (t.clients[i].sub != NULL)
                pl_hub_unsubscribe(t.shard, &t.clients[i].sub, NULL);
        while (pl_shard_turn(t.shard, 0))
            ;
        n_patches += t.n_patches;
        n_whole += t.n_whole;
        pl_hub_fini(t.shard);
        pl_engine_memory.fini(t.shard);
        pl_node_free(&t.node);
        pl_metrics_free(&t.metrics);
    }
    assert_true(n_patches > 2 * n_whole); /* and most are patches */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_patch_starts_from_what_its_reader_has) };

    return cmocka_run_group_tests_name("hub/delta", tests, NULL, NULL);
}
