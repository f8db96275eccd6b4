/* A channel as this shard sees it: its subscribers here. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/engine.h"
#include "hub/room.h"
#include "metrics/metrics.h"

struct pl_slice pl_sub_channel(const struct pl_sub *sub)
{
    return pl_str_slice(sub->chan->name);
}

struct pl_chan *hub_chan_find(struct pl_shard *s, struct pl_slice name)
{
    uint64_t hash = pl_hash(s->node->hash_key, name);

    for (struct pl_tnode *n = pl_table_find(&hub_of(s)->chans, hash); n != NULL; n = pl_table_same(n)) {
        struct pl_chan *c = PL_OF(n, struct pl_chan, node);

        if (pl_slice_eq(pl_str_slice(c->name), name))
            return c;
    }
    return NULL;
}

struct pl_chan *hub_chan_get(struct pl_shard *s, struct pl_slice name)
{
    struct pl_chan *c = hub_chan_find(s, name);
    bool ok;

    if (c != NULL)
        return c;
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->shard = s;
    c->walk.run = hub_walk_run;
    c->name = pl_str_new(name, &ok);
    if (!ok || !pl_table_insert(&hub_of(s)->chans, &c->node, pl_hash(s->node->hash_key, name))) {
        pl_str_unref(&c->name);
        free(c);
        return NULL;
    }
    pl_metric_add(s->cells, PL_M_CHANNELS, 1);
    return c;
}

static void chan_free(struct pl_chan *c)
{
    pl_table_remove(&hub_of(c->shard)->chans, &c->node);
    pl_metric_add(c->shard->cells, PL_M_CHANNELS, -1);
    hub_walk_end(c);
    if (c->wants_refill)
        hub_of(c->shard)->n_refills--;
    pl_msg_unref(&c->base);
    pl_str_unref(&c->name);
    free(c->subs);
    free(c);
}

/* Tells the home that nobody is left here. */
static void lose_interest(struct pl_chan *c)
{
    struct pl_op op = { .kind = PL_OP_UNSUBSCRIBE, .want_interest = true, .channel = pl_str_ref(c->name) };

    c->has_interest = false;
    hub_send_unsubscribe(c->shard, &op);
}

void hub_chan_drop_if_idle(struct pl_chan *c)
{
    /* A walk that is queued or under way still uses it and drops it at its end. A refill's answer finds the channel by name. */
    if (c->n_subs != 0 || c->n_pending != 0 || c->events != NULL || c->walk.is_queued)
        return;
    if (c->has_interest)
        lose_interest(c);
    chan_free(c);
}

enum pl_err hub_chan_attach(struct pl_chan *c, struct pl_sub *sub)
{
    if (c->n_slots == c->cap) {
        uint32_t cap = c->cap == 0 ? 1 : c->cap < 8 ? c->cap * 2 : c->cap + c->cap / 2;
        struct pl_sub **subs = realloc(c->subs, cap * sizeof(struct pl_sub *));

        if (subs == NULL)
            return PL_ENOMEM;
        c->subs = subs;
        c->cap = cap;
    }
    sub->slot = c->n_slots;
    sub->seq = c->next_seq; /* what is in the log was counted into its position by the home */
    sub->state = PL_SUB_LIVE;
    c->subs[c->n_slots++] = sub;
    /* A round that is under way goes by slots left to visit and wraps: one more slot on its way is one more visit. */
    if (c->left != 0 && !PL_SABOTAGE(walk_round_too_short))
        c->left++;
    c->n_subs++;
    c->n_delta += (sub->flags & PL_SUB_DELTA) != 0;
    hub_of(c->shard)->n_subs++;
    pl_metric_add(c->shard->cells, PL_M_SUBSCRIPTIONS, 1);
    return PL_OK;
}

void hub_chan_detach(struct pl_sub *sub)
{
    struct pl_chan *c = sub->chan;

    PL_ASSERT(c->subs[sub->slot] == sub);
    if (c->events != NULL) { /* a walk may be in the middle: its cursor must stay true */
        c->subs[sub->slot] = NULL;
        c->has_tombstones = true;
    } else {
        c->subs[sub->slot] = c->subs[--c->n_slots];
        c->subs[sub->slot]->slot = sub->slot;
    }
    c->n_subs--;
    if ((sub->flags & PL_SUB_DELTA) != 0 && --c->n_delta == 0)
        pl_msg_unref(&c->base);
    hub_of(c->shard)->n_subs--;
    pl_metric_add(c->shard->cells, PL_M_SUBSCRIPTIONS, -1);
    if (c->n_slots < c->cap / 4) {
        uint32_t cap = c->cap / 2;
        struct pl_sub **subs = realloc(c->subs, cap * sizeof(struct pl_sub *));

        if (subs != NULL) {
            c->subs = subs;
            c->cap = cap;
        }
    }
}

struct pl_sub *pl_sub_new(struct pl_shard *s)
{
    struct pl_sub *sub = pl_slab_alloc(&hub_of(s)->sub_slab);

    if (sub != NULL)
        memset(sub, 0, sizeof *sub);
    return sub;
}

void pl_sub_free(struct pl_shard *s, struct pl_sub **take_sub)
{
    struct pl_sub *sub = *take_sub;

    *take_sub = NULL;
    if (sub == NULL)
        return;
    pl_str_unref(&sub->epoch);
    pl_str_unref(&sub->chan_info);
    if ((sub->flags & PL_SUB_FILTERED) != 0) {
        struct hub_wide_sub *w = (struct hub_wide_sub *)sub;

        pl_filter_unref(s, &w->filter);
        free(w);
        return;
    }
    pl_slab_free(&hub_of(s)->sub_slab, sub);
}

/* The subscriber has got `newest`, the last publication before what it will see. */
static void delta_begin(struct pl_sub *sub, struct pl_msg *newest)
{
    struct pl_chan *c = sub->chan;

    if ((sub->flags & PL_SUB_DELTA) == 0 || (sub->flags & PL_SUB_POSITIONED) == 0)
        return;
    sub->flags |= PL_SUB_DELTA_READY;
    if (c->base == NULL)
        c->base = pl_msg_ref(newest);
}

/* The home said yes: from here on the subscriber gets every event. */
static enum pl_err go_live(struct pl_sub *sub, struct pl_op *op)
{
    struct pl_chan *c = sub->chan;
    enum pl_err err;

    c->n_pending--;
    c->has_interest = true;
    if ((sub->flags & PL_SUB_FILTERED) != 0)
        hub_filter_recovered(hub_sub_filter(sub), op);
    if (c->n_subs == 0) { /* nobody is left for whom a refill was meant; its answer, if one comes, is not looked at */
        hub_of(c->shard)->n_refills -= c->wants_refill;
        c->is_refilling = c->wants_refill = false;
    }
    if (op->epoch != NULL && (sub->flags & PL_SUB_POSITIONED) != 0) {
        sub->offset = op->offset;
        pl_str_unref(&sub->epoch);
        sub->epoch = pl_str_ref(op->epoch);
    }
    /* What has arrived here is told by events only: with others present the newcomer's position must not hide a gap of theirs. */
    if (op->epoch != NULL && (c->n_subs == 0 || !c->has_stream || PL_SABOTAGE(gap_hidden_by_newcomer))) {
        c->last_offset = op->offset;
        c->has_stream = true;
    }
    err = hub_chan_attach(c, sub);
    if (err == PL_OK && op->n_msgs != 0)
        delta_begin(sub, op->msgs[op->n_msgs - 1]);
    return err;
}

static void subscribe_done(struct pl_shard *s, struct pl_op *op)
{
    struct pl_sub *sub = op->ctx;
    struct pl_chan *c = sub->chan;
    bool has_joined = (sub->flags & PL_SUB_EMIT) != 0 && op->err == PL_OK;

    if (op->err == PL_OK && sub->state != PL_SUB_ABANDONED) {
        op->err = go_live(sub, op);
    } else {
        c->n_pending--;
        if (op->err == PL_OK)
            c->has_interest = true; /* the home counts us in; dropping the channel takes it back */
    }
    if (sub->state == PL_SUB_ABANDONED) {
        /* Its join was told, so its leave must be. */
        struct pl_op leave = { .kind = PL_OP_UNSUBSCRIBE, .channel = pl_str_ref(c->name) };

        if (has_joined)
            leave.event = sub->leave;
        else
            pl_msg_unref(&sub->leave);
        if (leave.event != NULL)
            hub_send_unsubscribe(s, &leave);
        else
            pl_op_fini(&leave);
        hub_of(s)->sink->on_abandoned(s, op);
        pl_sub_free(s, &sub);
        hub_chan_drop_if_idle(c);
        pl_op_end(&op);
        return;
    }
    if (op->err != PL_OK) {
        sub->chan = NULL;
        c->n_pending++; /* ours: the session goes on inside and may ask for the same channel again */
        hub_of(s)->sink->on_subscribed(sub, op); /* the session frees the sub */
        c->n_pending--;
        hub_chan_drop_if_idle(c);
    } else {
        hub_of(s)->sink->on_subscribed(sub, op);
    }
    pl_op_end(&op);
}

enum pl_err pl_hub_subscribe(struct pl_shard *s, struct pl_sub *sub, struct pl_op *op)
{
    struct pl_chan *c = hub_chan_get(s, pl_str_slice(op->channel));
    enum pl_err err;

    if (c == NULL)
        return PL_ENOMEM;
    PL_ASSERT(op->kind == PL_OP_SUBSCRIBE);
    sub->chan = c;
    sub->state = PL_SUB_PENDING;
    op->want_interest = true;
    op->done = subscribe_done;
    op->ctx = sub;
    c->n_pending++;
    err = pl_hub_run(s, op);
    if (err == PL_WAIT)
        return err;
    if (err == PL_OK)
        err = go_live(sub, op);
    else
        c->n_pending--;
    if (err != PL_OK) {
        sub->chan = NULL;
        hub_chan_drop_if_idle(c);
    }
    return err;
}

void pl_hub_subscribed_after(struct pl_shard *s, struct pl_op *op)
{
    hub_home_after(s, op);
}

void pl_hub_unsubscribe(struct pl_shard *s, struct pl_sub **take_sub, struct pl_msg **take_leave)
{
    struct pl_sub *sub = *take_sub;
    struct pl_chan *c = sub->chan;

    *take_sub = NULL;
    if (sub->state == PL_SUB_PENDING) {
        /* The answer is under way and will find the sub; the leave waits with it. */
        sub->state = PL_SUB_ABANDONED;
        sub->leave = take_leave != NULL ? *take_leave : NULL;
        if (take_leave != NULL)
            *take_leave = NULL;
        return;
    }
    hub_chan_detach(sub);
    if (take_leave != NULL && *take_leave != NULL) {
        struct pl_op op = { .kind = PL_OP_UNSUBSCRIBE, .channel = pl_str_ref(c->name), .event = *take_leave };

        *take_leave = NULL;
        hub_send_unsubscribe(s, &op);
    }
    pl_sub_free(s, &sub);
    hub_chan_drop_if_idle(c);
}

/* The publication that the subscriber had last, if history still has it; else the next one is told in full. */
static void adopt_base(struct pl_shard *home, struct pl_sub *sub)
{
    struct pl_op op;

    if (sub->offset == 0 || pl_op_init(&op, PL_OP_HISTORY, pl_sub_channel(sub)) != PL_OK)
        return;
    op.has_since = true;
    op.since_offset = sub->offset - 1;
    op.since_epoch = pl_str_ref(sub->epoch);
    op.limit = 1;
    if (pl_engine(home->node)->read(home, &op) == PL_OK && op.n_msgs == 1 && op.msgs[0]->offset == sub->offset)
        delta_begin(sub, op.msgs[0]);
    pl_op_fini(&op);
}

enum pl_err pl_hub_adopt(struct pl_shard *s, struct pl_sub *sub, struct pl_slice channel)
{
    struct pl_chan *c = hub_chan_get(s, channel);
    struct pl_shard *home = s->node->shards[pl_home_of(s->node, channel)];
    enum pl_err err;

    if (c == NULL)
        return PL_ENOMEM;
    err = hub_home_interest(home, channel, s->index, true);
    if (err == PL_OK) {
        c->has_interest = true;
        sub->chan = c;
        err = hub_chan_attach(c, sub);
    }
    if (err == PL_OK && (sub->flags & PL_SUB_DELTA_READY) != 0 && c->base == NULL)
        adopt_base(home, sub);
    if (err == PL_OK && (sub->flags & PL_SUB_POSITIONED) != 0) {
        c->has_stream = true;
        if (sub->offset > c->last_offset)
            c->last_offset = sub->offset;
    }
    if (err != PL_OK)
        hub_chan_drop_if_idle(c);
    return err;
}

struct pl_sub *pl_hub_find(struct pl_shard *s, struct pl_sub *first, struct pl_slice channel)
{
    struct pl_chan *c;

    if (first == NULL)
        return NULL;
    c = hub_chan_find(s, channel);
    if (c == NULL)
        return NULL;
    for (; first != NULL && first->chan != c; first = first->next)
        ;
    return first;
}

size_t pl_hub_n_channels(const struct pl_shard *s)
{
    const struct hub *hub = s->rooms[PL_ROOM_HUB];

    return hub->chans.n;
}

size_t pl_hub_n_subs(const struct pl_shard *s)
{
    const struct hub *hub = s->rooms[PL_ROOM_HUB];

    return hub->n_subs;
}

void pl_hub_init(struct pl_shard *s, const struct pl_sink_ops *sink)
{
    struct hub *hub = calloc(1, sizeof *hub);

    PL_ASSERT(hub != NULL);
    hub->sink = sink;
    pl_slab_init(&hub->sub_slab, sizeof(struct pl_sub));
    pl_table_init(&hub->chans);
    pl_table_init(&hub->homes);
    pl_table_init(&hub->filters);
    for (size_t i = 0; i < PL_SHARDS_MAX; i++)
        pl_list_init(&hub->unsent[i]);
    hub->retry.run = hub_retry_run;
    hub->scratch = pl_buf_init((size_t)256 << 20);
    s->rooms[PL_ROOM_HUB] = hub;
}

static void fini_chan(struct pl_tnode *n, void *arg)
{
    (void)arg;
    chan_free(PL_OF(n, struct pl_chan, node));
}

void pl_hub_fini(struct pl_shard *s)
{
    struct hub *hub = hub_of(s);

    if (hub == NULL)
        return;
    hub_route_fini(s);
    pl_table_each(&hub->chans, fini_chan, NULL);
    pl_table_fini(&hub->chans);
    hub_home_fini(s);
    pl_table_fini(&hub->filters); /* their subscriptions are gone before us */
    pl_buf_fini(&hub->scratch);
    pl_slab_fini(&hub->sub_slab);
    free(hub);
    s->rooms[PL_ROOM_HUB] = NULL;
}
