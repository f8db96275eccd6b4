/* The fan-out walk: one resumable round over a channel's subscribers brings each everything since its own position.
 *
 * Events that come while a walk is under way join the same round, so load coalesces by itself. Subscribers of one render class that start at
 * the same event share one blob. */
#include <stdlib.h>

#include "base/check.h"
#include "hub/room.h"
#include "metrics/metrics.h"

enum {
    WALK_SENDS = 256,            /* then the turn goes on and the walk continues in the next one */
    EVENTS_MAX = 4096,           /* per channel: then the walk runs to its end at once */
    EVENTS_BYTES_MAX = 4 << 20,
    KEY_JOIN_LEAVE = 0x80,       /* beside the render class in a cache key */
    KEY_READY = 0x100,           /* delta: has the publication before */
    KEY_PATCHES = 0x200,         /* delta: may get patches at all */
};

/* The publication before event index `from`: of the log, else the one before it. */
static struct pl_msg *base_of(const struct pl_chan *c, uint32_t from)
{
    for (uint32_t i = from; i-- > 0;)
        if (c->events->ev[i]->kind == PL_MSG_PUB)
            return c->events->ev[i];
    return c->base;
}

static void cache_clear(struct hub_events *e)
{
    for (uint32_t i = 0; i < e->n_cache; i++)
        pl_blob_unref(&e->cache[i].blob);
    e->n_cache = 0;
}

void hub_walk_end(struct pl_chan *c)
{
    struct hub_events *e = c->events;

    if (e != NULL) {
        cache_clear(e);
        if (c->n_delta != 0) {
            struct pl_msg *base = base_of(c, e->n);

            base = base != NULL ? pl_msg_ref(base) : NULL;
            pl_msg_unref(&c->base);
            c->base = base;
        }
        for (uint32_t i = 0; i < e->n; i++)
            pl_msg_unref(&e->ev[i]);
        free(e->ev);
        free(e);
        c->events = NULL;
    }
    if (c->has_tombstones) {
        uint32_t to = 0;

        for (uint32_t i = 0; i < c->n_slots; i++) {
            if (c->subs[i] == NULL)
                continue;
            c->subs[to] = c->subs[i];
            c->subs[to]->slot = to;
            to++;
        }
        c->n_slots = to;
        c->has_tombstones = false;
    }
    c->left = 0;
}

/* Where the events of `sub` begin, or that it has lost its place. Moves its position to the end of the log. */
static bool follow_position(struct pl_sub *sub, const struct hub_events *e, uint32_t *from)
{
    for (uint32_t i = *from; i < e->n; i++) {
        const struct pl_msg *m = e->ev[i];

        if (m->kind != PL_MSG_PUB || m->offset == 0)
            continue;
        if (!pl_str_eq(m->epoch, sub->epoch))
            return false;
        if (m->offset <= sub->offset) { /* a refill and the live stream overlapped */
            *from = i + 1;
            continue;
        }
        if (m->offset != sub->offset + 1 && !PL_SABOTAGE(gap_check_skipped))
            return false;
        sub->offset = m->offset;
    }
    return true;
}

struct rendered {
    struct pl_blob *blob; /* borrowed from the cache, or NULL */
    uint32_t n_events;
    enum pl_err err;
};

/* Which events of the log one class gets. */
struct wish {
    uint32_t from;            /* index in the log */
    uint16_t key;             /* render class and KEY_ */
    struct pl_filter *filter; /* NULL: no further question */
    uint64_t picks;           /* with a filter and at most 64 events: bit per event; else 0 */
};

static bool is_wished(const struct hub_events *e, const struct wish *w, uint32_t i)
{
    if (e->ev[i]->kind != PL_MSG_PUB)
        return (w->key & KEY_JOIN_LEAVE) != 0;
    return w->filter == NULL || PL_SABOTAGE(filter_not_asked) || hub_filter_passes(w->filter, e, i);
}

/* Puts the filter's verdicts in the wish's picks, so that filters of one mind share a blob; one that lets all pass is left out.
 * False: nothing passes. */
static bool apply_filter(const struct hub_events *e, struct wish *w)
{
    bool is_all = true;

    if (e->n - w->from > 64)
        return true;
    for (uint32_t i = w->from; i < e->n; i++) {
        if (is_wished(e, w, i))
            w->picks |= (uint64_t)1 << (i - w->from);
        else if (e->ev[i]->kind == PL_MSG_PUB)
            is_all = false;
    }
    if (w->picks == 0)
        return false;
    if (is_all) {
        w->filter = NULL;
        w->picks = 0;
    }
    return true;
}

static unsigned class_of(unsigned key)
{
    return (key & 0x7f) | ((key & KEY_PATCHES) != 0 ? PL_HUB_PATCHES : 0);
}

/* The blob for one class from event index `from` to the end; made once per log state. */
static struct rendered render(struct pl_chan *c, const struct wish *w)
{
    struct hub *hub = hub_of(c->shard);
    struct hub_events *e = c->events;
    uint64_t whose = w->picks == 0 && w->filter != NULL ? w->filter->id : 0;
    uint32_t from = w->from, slot, n_wished = 0;
    struct pl_msg **list = e->ev + from, **picked = NULL;
    struct rendered r = { NULL, e->n - from, PL_OK };

    for (uint32_t i = 0; i < e->n_cache; i++)
        if (e->cache[i].key == w->key && e->cache[i].from == e->base + from && e->cache[i].picks == w->picks && e->cache[i].filter_id == whose)
            return (struct rendered){ e->cache[i].blob, e->cache[i].n_events, (enum pl_err)e->cache[i].err };
    for (uint32_t i = from; i < e->n; i++)
        n_wished += is_wished(e, w, i);
    if (n_wished != r.n_events) {
        picked = malloc((n_wished + 1) * sizeof(struct pl_msg *));
        if (picked == NULL)
            return (struct rendered){ NULL, 0, PL_ENOMEM };
        r.n_events = 0;
        for (uint32_t i = from; i < e->n; i++)
            if (is_wished(e, w, i))
                picked[r.n_events++] = e->ev[i];
        list = picked;
    }
    if (r.n_events != 0) {
        pl_buf_clear(&hub->scratch);
        r.err = hub->sink->render(c->shard, class_of(w->key), pl_str_slice(c->name), (w->key & KEY_READY) != 0 ? base_of(c, from) : NULL, list, r.n_events, &hub->scratch);
        if (r.err == PL_OK && !pl_buf_ok(&hub->scratch))
            r.err = PL_ENOMEM;
        if (r.err == PL_OK) {
            r.blob = pl_blob_new(pl_buf_slice(&hub->scratch));
            if (r.blob == NULL)
                r.err = PL_ENOMEM;
        }
        if (hub->scratch.cap > 1 << 20)
            pl_buf_fini(&hub->scratch); /* one large publication must not stay with us */
    }
    free(picked);
    if (e->n_cache == HUB_CACHE) {
        pl_blob_unref(&e->cache[0].blob);
        e->cache[0] = e->cache[--e->n_cache];
    }
    slot = e->n_cache++;
    e->cache[slot].blob = r.blob;
    e->cache[slot].from = e->base + from;
    e->cache[slot].n_events = r.n_events;
    e->cache[slot].picks = w->picks;
    e->cache[slot].filter_id = whose;
    e->cache[slot].key = w->key;
    e->cache[slot].err = (uint8_t)r.err;
    return r;
}

/* Who keeps a position misses nothing unnoticed: what came before it has, and a patch of it fits. Others get everything in full. */
static void delta_key(struct pl_sub *sub, const struct hub_events *e, struct wish *w)
{
    if ((sub->flags & PL_SUB_POSITIONED) == 0)
        return;
    w->key |= KEY_PATCHES;
    if ((sub->flags & PL_SUB_DELTA_READY) != 0 || PL_SABOTAGE(delta_first_is_patch))
        w->key |= KEY_READY;
    for (uint32_t i = w->from; i < e->n; i++)
        if (e->ev[i]->kind == PL_MSG_PUB)
            sub->flags |= PL_SUB_DELTA_READY;
}

/* Brings one subscriber everything it has not seen. May end its session and so remove it. Returns true if something was sent. */
static bool bring(struct pl_chan *c, struct pl_sub *sub)
{
    struct hub *hub = hub_of(c->shard);
    struct hub_events *e = c->events;
    struct wish w = { .from = sub->seq - e->base, .key = sub->render_class };
    struct rendered r;

    PL_ASSERT(w.from <= e->n);
    sub->seq = c->next_seq;
    if ((sub->flags & PL_SUB_POSITIONED) != 0 && !follow_position(sub, e, &w.from)) {
        hub->sink->on_position_lost(sub);
        return true;
    }
    if (w.from == e->n)
        return false;
    if ((sub->flags & PL_SUB_JOIN_LEAVE) != 0)
        w.key |= KEY_JOIN_LEAVE;
    if ((sub->flags & PL_SUB_FILTERED) != 0) {
        w.filter = hub_sub_filter(sub);
        if (!apply_filter(e, &w))
            return false;
    }
    if ((sub->flags & PL_SUB_DELTA) != 0)
        delta_key(sub, e, &w);
    r = render(c, &w);
    if (r.err == PL_EUNSUP) {
        hub->sink->on_unfit(sub);
        return true;
    }
    if (r.err != PL_OK) { /* out of memory: this subscriber has lost its place, and hears so if it keeps one */
        pl_metric_add(c->shard->cells, PL_M_RENDER_FAILED, 1);
        if ((sub->flags & PL_SUB_POSITIONED) != 0)
            hub->sink->on_position_lost(sub);
        return true;
    }
    if (r.blob == NULL)
        return false;
    hub->sink->deliver(sub, r.blob, r.n_events);
    return true;
}

/* One slice of the round; true when it is complete. */
static bool walk_some(struct pl_chan *c, uint32_t budget)
{
    while (c->left > 0 && c->n_slots > 0) {
        struct pl_sub *sub;

        if (c->cursor >= c->n_slots)
            c->cursor = 0;
        sub = c->subs[c->cursor++];
        c->left--;
        if (sub == NULL || sub->seq == c->next_seq)
            continue;
        if (bring(c, sub) && --budget == 0)
            break;
    }
    return c->left == 0 || c->n_slots == 0;
}

void hub_walk_run(struct pl_shard *s, struct pl_task *t)
{
    struct pl_chan *c = PL_OF(t, struct pl_chan, walk);

    if (c->events != NULL) {
        if (!walk_some(c, WALK_SENDS)) {
            pl_metric_add(s->cells, PL_M_WALKS_YIELDED, 1);
            pl_shard_task(s, PL_PHASE_WALK, t);
            return;
        }
        hub_walk_end(c);
    }
    hub_chan_drop_if_idle(c);
}

static bool events_push(struct pl_chan *c, struct pl_msg *m)
{
    struct hub_events *e = c->events;

    if (e == NULL) {
        e = calloc(1, sizeof *e);
        if (e == NULL)
            return false;
        e->base = c->next_seq;
        e->id = ++hub_of(c->shard)->n_ids;
        c->events = e;
        c->cursor = 0;
    }
    if (e->n == e->cap) {
        uint32_t cap = e->cap == 0 ? HUB_EVENTS_FIRST : e->cap * 2;
        struct pl_msg **ev = realloc(e->ev, cap * sizeof(struct pl_msg *));

        if (ev == NULL)
            return false;
        e->ev = ev;
        e->cap = cap;
    }
    cache_clear(e);
    e->ev[e->n++] = pl_msg_ref(m);
    e->bytes += pl_msg_cost(m);
    c->next_seq++;
    return true;
}

static void chan_event(struct pl_chan *c, struct pl_msg *m)
{
    if (m->offset != 0)
        c->last_offset = m->offset;
    if (c->n_subs == 0)
        return;
    if (c->events != NULL && (c->events->n >= EVENTS_MAX || c->events->bytes >= EVENTS_BYTES_MAX)) {
        pl_metric_add(c->shard->cells, PL_M_WALKS_FORCED, 1);
        (void)walk_some(c, UINT32_MAX);
        hub_walk_end(c);
    }
    if (!events_push(c, m)) {
        pl_metric_add(c->shard->cells, PL_M_EVENTS_LOST, 1); /* positioned subscribers see the gap at the next event */
        if (c->events != NULL)
            pl_shard_task(c->shard, PL_PHASE_WALK, &c->walk); /* who ends an empty log */
        return;
    }
    c->left = c->n_slots;
    pl_shard_task(c->shard, PL_PHASE_WALK, &c->walk);
}

void hub_event(struct pl_shard *s, struct pl_msg *m)
{
    struct pl_chan *c = hub_chan_find(s, pl_msg_channel(m));

    if (c == NULL)
        return; /* the last subscriber left while it was under way */
    if (c->is_refilling && m->offset != 0)
        return; /* the history read that is under way will bring it */
    chan_event(c, m);
}

void pl_hub_catch_up(struct pl_sub *sub)
{
    struct pl_chan *c = sub->chan;

    if (sub->state == PL_SUB_LIVE && c->events != NULL && sub->seq != c->next_seq)
        (void)bring(c, sub);
}

/* ---- everything at once ---- */

struct walk_all {
    struct pl_chan **v;          /* owned; each pinned */
    size_t n, cap;
};

static void pin_busy(struct pl_tnode *n, void *arg)
{
    struct pl_chan *c = PL_OF(n, struct pl_chan, node);
    struct walk_all *all = arg;

    if (c->events == NULL || all->n == all->cap)
        return;
    c->n_pending++;
    all->v[all->n++] = c;
}

void pl_hub_walk_all(struct pl_shard *s)
{
    enum { ROUNDS = 4 }; /* a walk may end sessions, whose leaves are events again */
    struct hub *hub = hub_of(s);

    for (int round = 0; round < ROUNDS && hub->chans.n != 0; round++) {
        struct walk_all all = { .cap = hub->chans.n };

        all.v = malloc(all.cap * sizeof *all.v);
        PL_ASSERT(all.v != NULL); /* as pl_table_each itself */
        pl_table_each(&hub->chans, pin_busy, &all);
        for (size_t i = 0; i < all.n; i++) {
            struct pl_chan *c = all.v[i];

            if (c->events != NULL) {
                (void)walk_some(c, UINT32_MAX);
                hub_walk_end(c);
            }
            c->n_pending--;
            hub_chan_drop_if_idle(c);
        }
        free(all.v);
        if (all.n == 0)
            return;
    }
}

/* ---- a gap between home and here: refilled from history, and only where that fails the clients are told ---- */

/* Positioned subscribers that stand before `top` will not hear what lies between. */
static void tell_lost(struct pl_chan *c, uint64_t top)
{
    if (c->events == NULL) { /* an empty log: slots stand still, and the walk ends it */
        c->events = calloc(1, sizeof *c->events);
        if (c->events == NULL)
            return; /* they see it at the next publication */
        c->events->base = c->next_seq;
        c->events->id = ++hub_of(c->shard)->n_ids;
        c->cursor = 0;
    }
    pl_shard_task(c->shard, PL_PHASE_WALK, &c->walk);
    for (uint32_t i = 0; i < c->n_slots; i++) {
        struct pl_sub *sub = c->subs[i];

        if (sub != NULL && (sub->flags & PL_SUB_POSITIONED) != 0 && sub->offset < top)
            hub_of(c->shard)->sink->on_position_lost(sub);
    }
}

static void refill_done(struct pl_shard *s, struct pl_op *op)
{
    struct pl_chan *c = hub_chan_find(s, pl_str_slice(op->channel));

    if (c != NULL && c->is_refilling && !c->wants_refill) {
        c->is_refilling = false;
        if (op->err == PL_OK) {
            for (uint32_t i = 0; i < op->n_msgs; i++)
                if (op->msgs[i]->offset > c->last_offset)
                    chan_event(c, op->msgs[i]);
            pl_metric_add(s->cells, PL_M_GAPS_REFILLED, 1);
        } else {
            pl_metric_add(s->cells, PL_M_GAPS_LOST, 1); /* the next publication shows it to positioned subscribers */
        }
        if (op->err == PL_OK && op->offset > c->last_offset) {
            c->last_offset = op->offset; /* the list has expired or was removed meanwhile */
            pl_metric_add(s->cells, PL_M_GAPS_LOST, 1);
            tell_lost(c, op->offset);
        }
    }
    pl_op_end(&op);
}

/* True: asked, the answer comes. */
static bool refill_ask(struct pl_chan *c)
{
    struct pl_op op;
    enum pl_err err = pl_op_init(&op, PL_OP_HISTORY, pl_str_slice(c->name));

    if (err == PL_OK) {
        op.has_since = true;
        op.since_offset = c->last_offset;
        op.limit = -1;
        op.done = refill_done;
        err = pl_hub_run(c->shard, &op);
    }
    if (err == PL_WAIT)
        return true;
    pl_op_fini(&op);
    return false;
}

static void retry_refill(struct pl_tnode *n, void *arg)
{
    struct pl_chan *c = PL_OF(n, struct pl_chan, node);

    if (!c->wants_refill || !refill_ask(c))
        return;
    c->wants_refill = false;
    ((struct hub *)arg)->n_refills--;
}

void hub_retry_refills(struct pl_shard *s)
{
    if (hub_of(s)->n_refills != 0)
        pl_table_each(&hub_of(s)->chans, retry_refill, hub_of(s));
}

void hub_gap(struct pl_shard *s, struct pl_slice name)
{
    struct pl_chan *c = hub_chan_find(s, name);

    if (c == NULL || c->is_refilling)
        return;
    if (!c->has_stream && c->last_offset == 0) { /* no history in this channel: what was dropped is gone */
        pl_metric_add(s->cells, PL_M_GAPS_LOST, 1);
        return;
    }
    c->is_refilling = true;
    if (refill_ask(c))
        return;
    c->wants_refill = true;
    hub_of(s)->n_refills++;
    pl_shard_task(s, PL_PHASE_REPLY, &hub_of(s)->retry);
}
