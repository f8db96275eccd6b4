/* The hub on three shards in one thread: random subscribes, publishes and unsubscribes from everywhere, turns in random order. Every
 * subscriber must see each publication after its position once, in order, and hear of nobody's join or leave that did not happen. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/check.h"
#include "engine/engine.h"
#include "hub/hub.h"
#include "metrics/metrics.h"

enum { SHARDS = 3, CLIENTS = 60, MANY = 1200, CHANNELS = 4, KEEP = 100000 };

/* Stands for a session: one subscription at a time. Opaque to the hub. */
struct pl_sess {
    struct pl_shard *shard;
    struct pl_sub *sub;
    uint64_t last;        /* newest offset seen */
    uint64_t n_seen;
    int channel;
    bool is_pending;
    bool lost;
    int64_t n_joined;     /* joins minus leaves seen */
    uint8_t id;
};

static struct {
    struct pl_node *node;
    struct pl_metrics *metrics;
    struct pl_sess clients[MANY]; /* the random schedule takes the first CLIENTS */
    uint32_t seed;
    uint32_t keep;
    bool is_silent;       /* who comes is not told */
} t;

static uint32_t rnd(uint32_t below)
{
    t.seed = t.seed * 1664525 + 1013904223;
    return (t.seed >> 8) % below;
}

static const char *const channel_names[CHANNELS] = { "a", "bb", "ccc", "dddd" };

/* Blobs carry the events as (kind, offset, client) triples. */
static enum pl_err render(struct pl_shard *s, unsigned render_class, struct pl_slice channel, const struct pl_msg *base,
                          struct pl_msg *const *events, size_t n, struct pl_buf *out)
{
    (void)base;
    (void)s;
    (void)render_class;
    for (size_t i = 0; i < n; i++) {
        uint64_t triple[3] = { events[i]->kind, events[i]->offset, events[i]->has_info ? events[i]->info.client[0] : 0 };

        assert_true(pl_slice_eq(channel, pl_msg_channel(events[i])));
        pl_buf_put(out, triple, sizeof triple);
    }
    return PL_OK;
}

static void deliver(struct pl_sub *sub, struct pl_blob *blob, unsigned n_events)
{
    struct pl_sess *c = sub->sess;

    assert_ptr_equal(c->sub, sub);
    assert_false(c->is_pending);
    assert_int_equal(blob->len, n_events * 24);
    for (unsigned i = 0; i < n_events; i++) {
        uint64_t triple[3];

        memcpy(triple, blob->bytes + i * 24, sizeof triple);
        if (triple[0] == PL_MSG_PUB) {
            assert_int_equal(triple[1], c->last + 1);
            c->last = triple[1];
            c->n_seen++;
        } else {
            c->n_joined += triple[0] == PL_MSG_JOIN ? 1 : -1;
        }
    }
}

static void on_unfit(struct pl_sub *sub)
{
    (void)sub;
    fail();
}

static void on_lost(struct pl_sub *sub)
{
    sub->sess->lost = true;
}

static void on_subscribed(struct pl_sub *sub, struct pl_op *op)
{
    struct pl_sess *c = sub->sess;

    assert_int_equal(op->err, PL_OK);
    c->is_pending = false;
    c->last = op->offset;
}

static void info_of(const struct pl_sub *sub, struct pl_client_info *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->client[0] = sub->sess->id;
}

static void on_abandoned(struct pl_shard *s, const struct pl_op *op)
{
    (void)s;
    (void)op; /* no command waits here */
}

static const struct pl_sink_ops sink = { .render = render, .deliver = deliver, .on_unfit = on_unfit, .on_position_lost = on_lost,
                                         .on_subscribed = on_subscribed, .on_abandoned = on_abandoned, .info = info_of };

static void set_up(void)
{
    memset(&t, 0, sizeof t);
    t.keep = KEEP;
    t.node = pl_node_new(pl_world_linux(), SHARDS);
    t.metrics = pl_metrics_new(SHARDS);
    pl_engine_choose(t.node, &pl_engine_memory);
    for (unsigned i = 0; i < SHARDS; i++) {
        t.node->shards[i]->cells = pl_metrics_cells(t.metrics, i);
        pl_engine_memory.init(t.node->shards[i], pl_hub_feed());
        pl_hub_init(t.node->shards[i], &sink);
    }
    for (unsigned i = 0; i < MANY; i++) {
        t.clients[i].id = (uint8_t)(i + 1);
        t.clients[i].shard = t.node->shards[i % SHARDS];
    }
}

static void tear_down(void)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        pl_hub_fini(t.node->shards[i]);
        pl_engine_memory.fini(t.node->shards[i]);
    }
    pl_node_free(&t.node);
    pl_metrics_free(&t.metrics);
}

static void turn_all(void)
{
    for (int quiet = 0; quiet < 2;) {
        bool any = false;

        for (unsigned i = 0; i < SHARDS; i++)
            any = pl_shard_turn(t.node->shards[i], 0) || any;
        quiet = any ? 0 : quiet + 1;
    }
}

static struct pl_msg *event_of(const struct pl_sess *c, enum pl_msg_kind kind)
{
    struct pl_client_info info = { .client = { c->id } };
    struct pl_msg *m;

    assert_int_equal(pl_msg_new(kind, pl_slice_str(channel_names[c->channel]), PL_LIT(""), &info, NULL, &m), PL_OK);
    return m;
}

static void subscribe(struct pl_sess *c, int channel)
{
    struct pl_sub *sub = pl_sub_new(c->shard);
    struct pl_op op;
    enum pl_err err;

    c->channel = channel;
    c->n_joined = 0;
    sub->sess = c;
    sub->flags = PL_SUB_POSITIONED | PL_SUB_JOIN_LEAVE | PL_SUB_EMIT | PL_SUB_PRESENCE;
    assert_int_equal(pl_op_init(&op, PL_OP_SUBSCRIBE, pl_slice_str(channel_names[channel])), PL_OK);
    op.keep = (struct pl_keep){ t.keep, 600, 0 };
    op.want_position = true;
    if (!t.is_silent)
        op.event = event_of(c, PL_MSG_JOIN);
    c->sub = sub;
    c->is_pending = true;
    err = pl_hub_subscribe(c->shard, sub, &op);
    if (err == PL_OK) {
        on_subscribed(sub, &op);
        pl_hub_subscribed_after(c->shard, &op);
        pl_op_fini(&op);
    } else {
        assert_int_equal(err, PL_WAIT);
    }
}

static void unsubscribe(struct pl_sess *c)
{
    struct pl_msg *leave = event_of(c, PL_MSG_LEAVE);

    pl_hub_unsubscribe(c->shard, &c->sub, &leave);
    c->is_pending = false;
}

static void published(struct pl_shard *s, struct pl_op *op)
{
    (void)s;
    assert_int_equal(op->err, PL_OK);
    pl_op_end(&op);
}

static enum pl_err publish(struct pl_shard *s, int channel)
{
    struct pl_op op;
    enum pl_err err;

    assert_int_equal(pl_op_init(&op, PL_OP_PUBLISH, pl_slice_str(channel_names[channel])), PL_OK);
    assert_int_equal(pl_msg_new(PL_MSG_PUB, pl_slice_str(channel_names[channel]), PL_LIT("x"), NULL, NULL, &op.msg), PL_OK);
    op.keep = (struct pl_keep){ t.keep, 600, 0 };
    op.done = published;
    err = pl_hub_run(s, &op);
    if (err != PL_WAIT)
        pl_op_fini(&op);
    return err;
}

/* Where every live subscriber must stand when all is quiet. */
static void check_quiet(const uint64_t *top)
{
    int64_t n_live[CHANNELS] = { 0 };

    for (unsigned i = 0; i < CLIENTS; i++)
        if (t.clients[i].sub != NULL)
            n_live[t.clients[i].channel]++;
    for (unsigned i = 0; i < CLIENTS; i++) {
        const struct pl_sess *c = &t.clients[i];

        if (c->sub == NULL)
            continue;
        assert_false(c->is_pending);
        assert_false(c->lost);
        assert_int_equal(c->last, top[c->channel]);
        /* it saw its own join and everybody's who came later, and each leave: never more comers than there are */
        assert_true(c->n_joined <= n_live[c->channel]);
    }
}

static void every_subscriber_sees_each_publication_once_and_in_order(void **state)
{
    uint64_t top[CHANNELS] = { 0 };

    (void)state;
    for (uint32_t seed = 1; seed <= 30; seed++) {
        set_up();
        memset(top, 0, sizeof top);
        t.seed = seed;
        for (int step = 0; step < 1500; step++) {
            struct pl_sess *c = &t.clients[rnd(CLIENTS)];
            int channel = (int)rnd(CHANNELS);

            switch (rnd(8)) {
            case 0: case 1:
                if (c->sub == NULL)
                    subscribe(c, channel);
                break;
            case 2:
                if (c->sub != NULL)
                    unsubscribe(c); /* also while pending */
                break;
            case 3: case 4: case 5: {
                enum pl_err err = publish(c->shard, channel);

                assert_true(err == PL_OK || err == PL_WAIT);
                top[channel]++;
                break;
            }
            default:
                (void)pl_shard_turn(t.node->shards[rnd(SHARDS)], 0);
            }
        }
        turn_all();
        check_quiet(top);
        for (unsigned i = 0; i < CLIENTS; i++)
            if (t.clients[i].sub != NULL)
                unsubscribe(&t.clients[i]);
        turn_all();
        for (unsigned i = 0; i < SHARDS; i++)
            assert_int_equal(pl_hub_n_channels(t.node->shards[i]), 0);
        assert_int_equal(pl_metrics_sum(t.metrics, PL_M_SUBSCRIPTIONS), 0);
        tear_down();
    }
}

static void a_full_mailbox_is_a_gap_that_history_closes(void **state)
{
    unsigned home;
    struct pl_sess *c = NULL;
    uint64_t n = 0;

    (void)state;
    set_up();
    home = pl_home_of(t.node, pl_slice_str(channel_names[0]));
    for (unsigned i = 0; i < CLIENTS && c == NULL; i++)
        if (t.clients[i].shard->index != home)
            c = &t.clients[i];
    subscribe(c, 0);
    turn_all();
    c->n_joined = 0;
    for (; n < 20000; n++) /* far more than a mailbox holds, and its shard does not turn */
        assert_int_equal(publish(t.node->shards[home], 0), PL_OK);
    assert_true(pl_metrics_sum(t.metrics, PL_M_EVENTS_GAPPED) > 0);
    turn_all();
    assert_false(c->lost);
    assert_int_equal(c->last, n);
    assert_true(pl_metrics_sum(t.metrics, PL_M_GAPS_REFILLED) > 0);
    unsubscribe(c);
    turn_all();
    tear_down();
}

static void a_gap_that_history_does_not_cover_is_told(void **state)
{
    unsigned home;
    struct pl_sess *c = NULL;

    (void)state;
    set_up();
    t.keep = 10;
    home = pl_home_of(t.node, pl_slice_str(channel_names[0]));
    for (unsigned i = 0; i < CLIENTS && c == NULL; i++)
        if (t.clients[i].shard->index != home)
            c = &t.clients[i];
    subscribe(c, 0);
    turn_all();
    for (unsigned n = 0; n < 20000; n++)
        assert_int_equal(publish(t.node->shards[home], 0), PL_OK);
    turn_all();
    assert_true(c->lost); /* never a silent jump: deliver() would have refused it */
    unsubscribe(c);
    turn_all();
    tear_down();
}

/* The next free client of that shard. */
static struct pl_sess *client_on(unsigned shard)
{
    for (unsigned i = 0; i < MANY; i++)
        if (t.clients[i].shard->index == shard && t.clients[i].sub == NULL)
            return &t.clients[i];
    fail();
    return NULL;
}

static unsigned home_of(int channel)
{
    return pl_home_of(t.node, pl_slice_str(channel_names[channel]));
}

static void unsubscribe_all(void)
{
    for (unsigned i = 0; i < MANY; i++)
        if (t.clients[i].sub != NULL)
            unsubscribe(&t.clients[i]);
    turn_all();
}

/* Fills the mailbox from the home to another shard until publications are left out. */
static uint64_t publish_into_a_gap(unsigned home)
{
    uint64_t n = 0;

    for (; pl_metrics_sum(t.metrics, PL_M_EVENTS_GAPPED) < 10; n++)
        assert_int_equal(publish(t.node->shards[home], 0), PL_OK);
    return n;
}

static void a_round_of_the_walk_misses_nobody_when_somebody_joins_it(void **state)
{
    unsigned home;

    (void)state;
    set_up();
    home = home_of(0);
    for (unsigned i = 0; i < 300; i++)
        subscribe(client_on(home), 0);
    turn_all();
    assert_int_equal(publish(t.node->shards[home], 0), PL_OK);
    (void)pl_shard_turn(t.node->shards[home], 0); /* a slice of the round */
    assert_true(pl_metrics_sum(t.metrics, PL_M_WALKS_YIELDED) > 0);
    assert_int_equal(publish(t.node->shards[home], 0), PL_OK);
    t.is_silent = true; /* a join would be an event, which begins a whole new round */
    subscribe(client_on(home), 0);
    turn_all();
    for (unsigned i = 0; i < MANY; i++)
        if (t.clients[i].sub != NULL)
            assert_int_equal(t.clients[i].last, 2);
    unsubscribe_all();
    tear_down();
}

static void a_newcomer_does_not_hide_a_gap_from_those_before_it(void **state)
{
    struct pl_sess *old;
    unsigned home;
    uint64_t n;

    (void)state;
    set_up();
    home = home_of(0);
    old = client_on((home + 1) % SHARDS);
    subscribe(old, 0);
    turn_all();
    n = publish_into_a_gap(home);
    subscribe(client_on((home + 1) % SHARDS), 0); /* its answer stands behind the gap, before the notice of it */
    turn_all();
    assert_false(old->lost);
    assert_int_equal(old->last, n);
    unsubscribe_all();
    tear_down();
}

static void a_refill_that_finds_no_slot_is_asked_again(void **state)
{
    struct pl_sess *old;
    struct pl_shard *there;
    unsigned home;
    uint64_t n;

    (void)state;
    set_up();
    home = home_of(0);
    there = t.node->shards[(home + 1) % SHARDS];
    old = client_on(there->index);
    subscribe(old, 0);
    turn_all();
    n = publish_into_a_gap(home);
    (void)pl_shard_turn(there, 0); /* takes what is there */
    (void)pl_shard_turn(t.node->shards[home], 0); /* sends the notice */
    while (publish(there, 0) == PL_WAIT)
        n++;
    (void)pl_shard_turn(there, 0); /* hears of the gap and cannot ask */
    turn_all();
    assert_false(old->lost);
    assert_int_equal(old->last, n);
    unsubscribe_all();
    tear_down();
}

static void a_gap_whose_history_was_removed_is_told_at_once(void **state)
{
    struct pl_sess *old;
    struct pl_op op;
    unsigned home;

    (void)state;
    set_up();
    home = home_of(0);
    old = client_on((home + 1) % SHARDS);
    subscribe(old, 0);
    turn_all();
    (void)publish_into_a_gap(home);
    assert_int_equal(pl_op_init(&op, PL_OP_HISTORY_REMOVE, pl_slice_str(channel_names[0])), PL_OK);
    assert_int_equal(pl_hub_run(t.node->shards[home], &op), PL_OK);
    pl_op_fini(&op);
    turn_all();
    assert_true(old->lost); /* though nothing is published any more */
    unsubscribe_all();
    tear_down();
}

static struct pl_presence *toured;

static void presence_done(struct pl_shard *s, struct pl_tour *tour)
{
    (void)s;
    toured = PL_OF(tour, struct pl_presence, tour);
}

static void presence_is_gathered_from_all_shards(void **state)
{
    struct pl_presence p = { .stats_only = false };
    bool ok, seen[CLIENTS] = { false };

    (void)state;
    set_up();
    for (unsigned i = 0; i < 10; i++)
        subscribe(&t.clients[i], 1);
    turn_all();
    p.channel = pl_str_new(pl_slice_str(channel_names[1]), &ok);
    p.tour.done = presence_done;
    assert_int_equal(pl_hub_presence(t.node->shards[1], &p), PL_WAIT);
    turn_all();
    assert_ptr_equal(toured, &p);
    pl_presence_count(&p);
    assert_int_equal(p.n_clients, 10);
    assert_int_equal(p.n_users, 1); /* all of them anonymous */
    for (size_t i = 0; i < p.n_entries; i++) {
        assert_in_range(p.entries[i].client[0], 1, 10);
        assert_false(seen[p.entries[i].client[0]]);
        seen[p.entries[i].client[0]] = true;
    }
    pl_presence_fini(&p);
    for (unsigned i = 0; i < 10; i++)
        unsubscribe(&t.clients[i]);
    turn_all();
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_subscriber_sees_each_publication_once_and_in_order),
        cmocka_unit_test(a_full_mailbox_is_a_gap_that_history_closes),
        cmocka_unit_test(a_gap_that_history_does_not_cover_is_told),
        cmocka_unit_test(a_round_of_the_walk_misses_nobody_when_somebody_joins_it),
        cmocka_unit_test(a_newcomer_does_not_hide_a_gap_from_those_before_it),
        cmocka_unit_test(a_refill_that_finds_no_slot_is_asked_again),
        cmocka_unit_test(a_gap_whose_history_was_removed_is_told_at_once),
        cmocka_unit_test(presence_is_gathered_from_all_shards),
    };

    return cmocka_run_group_tests_name("hub/hub", tests, NULL, NULL);
}
