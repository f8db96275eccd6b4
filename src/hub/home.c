/* The home of a channel: the one place that decides about it. Calls the engine and sends events to the shards that want them. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/engine.h"
#include "hub/room.h"
#include "metrics/metrics.h"

static struct hub_home *home_find(struct pl_shard *s, struct pl_slice name)
{
    uint64_t hash = pl_hash(s->node->hash_key, name);

    for (struct pl_tnode *n = pl_table_find(&hub_of(s)->homes, hash); n != NULL; n = pl_table_same(n)) {
        struct hub_home *h = PL_OF(n, struct hub_home, node);

        if (pl_slice_eq(pl_str_slice(h->name), name))
            return h;
    }
    return NULL;
}

static void home_drop(struct pl_shard *s, struct hub_home *h)
{
    pl_table_remove(&hub_of(s)->homes, &h->node);
    if (h->gapped != 0)
        hub_of(s)->n_gapped--;
    pl_str_unref(&h->name);
    free(h);
}

enum pl_err hub_home_interest(struct pl_shard *s, struct pl_slice name, unsigned shard, bool is_on)
{
    struct hub_home *h = home_find(s, name);
    uint64_t bit = (uint64_t)1 << shard;
    enum pl_err err;
    bool ok;

    if (h == NULL) {
        if (!is_on)
            return PL_OK;
        err = pl_engine(s->node)->interest(s, name, true);
        if (err != PL_OK)
            return err;
        h = calloc(1, sizeof *h);
        if (h == NULL)
            return PL_ENOMEM;
        h->name = pl_str_new(name, &ok);
        if (!ok || !pl_table_insert(&hub_of(s)->homes, &h->node, pl_hash(s->node->hash_key, name))) {
            pl_str_unref(&h->name);
            free(h);
            return PL_ENOMEM;
        }
    }
    if (is_on) {
        h->interest |= bit;
        return PL_OK;
    }
    h->interest &= ~bit;
    if ((h->gapped & bit) != 0 && (h->gapped &= ~bit) == 0)
        hub_of(s)->n_gapped--;
    if (h->interest == 0) {
        err = pl_engine(s->node)->interest(s, name, false);
        home_drop(s, h);
        return err;
    }
    return PL_OK;
}

/* Sends an event to every shard that wants it, this one included. Borrowed. */
static void home_fan_out(struct pl_shard *s, struct pl_msg *m)
{
    struct hub_home *h = home_find(s, pl_msg_channel(m));

    if (h == NULL)
        return;
    for (uint64_t left = h->interest; left != 0; left &= left - 1) {
        unsigned to = (unsigned)__builtin_ctzll(left);
        uint64_t bit = (uint64_t)1 << to;
        bool is_gapped = (h->gapped & bit) != 0;

        if (to == s->index) {
            hub_event(s, m);
            continue;
        }
        /* Behind a gap nothing may overtake the notice of it; the target reads all from history. */
        if (!is_gapped)
            hub_send_event(s, to, m, &is_gapped);
        if (is_gapped) {
            pl_metric_add(s->cells, PL_M_EVENTS_GAPPED, 1);
            if ((h->gapped & bit) == 0) {
                if (h->gapped == 0)
                    hub_of(s)->n_gapped++;
                h->gapped |= bit;
                pl_shard_task(s, PL_PHASE_REPLY, &hub_of(s)->retry);
            }
        }
    }
}

struct gap_ctx {
    struct pl_shard *s;
};

static void retry_gap(struct pl_tnode *n, void *arg)
{
    struct gap_ctx *c = arg;
    struct hub_home *h = PL_OF(n, struct hub_home, node);
    uint64_t before = h->gapped;

    for (uint64_t left = h->gapped; left != 0; left &= left - 1) {
        unsigned to = (unsigned)__builtin_ctzll(left);

        if (hub_send_gap(c->s, to, h->name))
            h->gapped &= ~((uint64_t)1 << to);
    }
    if (before != 0 && h->gapped == 0)
        hub_of(c->s)->n_gapped--;
}

bool hub_home_retry_gaps(struct pl_shard *s)
{
    struct gap_ctx c = { s };

    if (hub_of(s)->n_gapped != 0)
        pl_table_each(&hub_of(s)->homes, retry_gap, &c);
    return hub_of(s)->n_gapped != 0;
}

void hub_home_on_message(struct pl_shard *s, struct pl_msg *m)
{
    home_fan_out(s, m);
}

/* What follows from the engine's answer to a publish, at once or late. */
static enum pl_err publish_done(struct pl_shard *s, struct pl_op *op, enum pl_err err)
{
    if (err == PL_EEXIST) {
        pl_metric_add(s->cells, PL_M_PUBLISH_SUPPRESSED, 1);
        return PL_OK; /* the first one's result stands in op */
    }
    if (err == PL_OK && !pl_engine(s->node)->is_heard)
        home_fan_out(s, op->msg);
    return err;
}

static enum pl_err subscribe_done(struct pl_shard *s, struct pl_op *op, enum pl_err err)
{
    if (err == PL_OK && op->must_recover && !op->is_recovered)
        return PL_ENOENT;
    if (err == PL_OK && op->want_interest)
        err = hub_home_interest(s, pl_str_slice(op->channel), op->origin, true);
    return err;
}

static enum pl_err run_subscribe(struct pl_shard *s, struct pl_op *op)
{
    enum pl_err err = PL_OK;

    if (op->want_position || op->recover != PL_RECOVER_NO)
        err = pl_engine(s->node)->read(s, op);
    return err == PL_WAIT ? err : subscribe_done(s, op, err);
}

enum pl_err hub_home_done(struct pl_shard *s, struct pl_op *op)
{
    switch ((enum pl_op_kind)op->kind) {
    case PL_OP_PUBLISH:        return publish_done(s, op, op->err);
    case PL_OP_SUBSCRIBE:      return subscribe_done(s, op, op->err);
    case PL_OP_UNSUBSCRIBE:
    case PL_OP_HISTORY:
    case PL_OP_HISTORY_REMOVE: return op->err;
    }
    PL_UNREACHABLE();
}

enum pl_err hub_home_run(struct pl_shard *s, struct pl_op *op)
{
    switch ((enum pl_op_kind)op->kind) {
    case PL_OP_PUBLISH: {
        enum pl_err err = pl_engine(s->node)->publish(s, op);

        return err == PL_WAIT ? err : publish_done(s, op, err);
    }
    case PL_OP_SUBSCRIBE:      return run_subscribe(s, op);
    case PL_OP_UNSUBSCRIBE:
        if (op->want_interest)
            return hub_home_interest(s, pl_str_slice(op->channel), op->origin, false);
        return PL_OK;
    case PL_OP_HISTORY:        return pl_engine(s->node)->read(s, op);
    case PL_OP_HISTORY_REMOVE: return pl_engine(s->node)->remove(s, op);
    }
    PL_UNREACHABLE();
}

void hub_home_after(struct pl_shard *s, struct pl_op *op)
{
    struct pl_msg *m = op->event;

    op->event = NULL;
    if (m != NULL) {
        m->time_ms = s->wall_ms;
        home_fan_out(s, m);
        if (PL_SABOTAGE(join_told_twice) && m->kind == PL_MSG_JOIN)
            home_fan_out(s, m);
    }
    pl_msg_unref(&m);
}

static void fini_home(struct pl_tnode *n, void *arg)
{
    home_drop(arg, PL_OF(n, struct hub_home, node));
}

void hub_home_fini(struct pl_shard *s)
{
    pl_table_each(&hub_of(s)->homes, fini_home, s);
    pl_table_fini(&hub_of(s)->homes);
}
