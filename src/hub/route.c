/* Between a shard and the home of a channel: operations there and back, events out, and what is kept when a mailbox is full. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/engine.h"
#include "hub/room.h"
#include "metrics/metrics.h"

/* A one-way mail of the hub: an event for a shard, a gap notice, or an unsubscribe for a home. */
struct hub_mail {
    struct pl_mail mail;
    struct pl_list unsent;       /* in hub.unsent while it waits for a slot */
    struct pl_msg *msg;          /* event */
    struct pl_str *name;         /* gap */
    struct pl_op op;             /* unsubscribe */
};

static void mail_free(struct hub_mail *m)
{
    pl_msg_unref(&m->msg);
    pl_str_unref(&m->name);
    pl_op_fini(&m->op);
    free(m);
}

/* ---- operations ---- */

void pl_op_end(struct pl_op **take_op)
{
    struct pl_op *op = *take_op;

    *take_op = NULL;
    if (op == NULL)
        return;
    pl_op_fini(op);
    free(op);
}

static void op_arrives_back(struct pl_shard *s, struct pl_mail *m)
{
    struct pl_op *op = PL_OF(m, struct pl_op, mail);

    op->done(s, op);
}

static void op_answer(struct pl_shard *home, struct pl_op *op, enum pl_err err)
{
    struct pl_op after = { .event = op->event };
    unsigned origin = op->origin;

    op->err = err;
    op->event = NULL;
    op->mail.arrive = op_arrives_back;
    if (origin == home->index) {
        op->done(home, op);
    } else {
        pl_mail_reply(home, origin, &op->mail);
    }
    if (err == PL_OK)
        hub_home_after(home, &after); /* the same FIFO: it comes behind the answer */
    else
        pl_msg_unref(&after.event);
}

static void op_arrives_home(struct pl_shard *home, struct pl_mail *m)
{
    struct pl_op *op = PL_OF(m, struct pl_op, mail);
    enum pl_err err = hub_home_run(home, op);

    if (err != PL_WAIT)
        op_answer(home, op, err);
}

static void feed_on_done(struct pl_shard *home, struct pl_op *op)
{
    op_answer(home, op, hub_home_done(home, op));
}

static const struct pl_feed_ops hub_feed = { .on_message = hub_home_on_message, .on_done = feed_on_done };

const struct pl_feed_ops *pl_hub_feed(void)
{
    return &hub_feed;
}

enum pl_err pl_hub_run(struct pl_shard *s, struct pl_op *op)
{
    unsigned home = pl_home_of(s->node, pl_str_slice(op->channel));
    struct pl_op *heap;
    enum pl_err err;

    op->origin = (uint16_t)s->index;
    if (home == s->index) {
        op->err = hub_home_run(s, op);
        return op->err;
    }
    if (!pl_list_is_empty(&hub_of(s)->unsent[home]))
        return PL_EBUSY; /* nothing overtakes what is waiting */
    heap = malloc(sizeof *heap);
    if (heap == NULL)
        return PL_ENOMEM;
    *heap = *op;
    heap->mail.arrive = op_arrives_home;
    err = pl_mail_ask(s, home, &heap->mail);
    if (err != PL_OK) {
        free(heap);
        return err;
    }
    memset(op, 0, sizeof *op);
    return PL_WAIT;
}

/* ---- one-way mails ---- */

static void event_arrives(struct pl_shard *s, struct pl_mail *mail)
{
    struct hub_mail *m = PL_OF(mail, struct hub_mail, mail);

    hub_event(s, m->msg);
    mail_free(m);
}

void hub_send_event(struct pl_shard *home, unsigned to, struct pl_msg *msg, bool *ret_is_gapped)
{
    struct hub_mail *m = calloc(1, sizeof *m);

    *ret_is_gapped = true;
    if (m == NULL)
        return;
    m->mail.arrive = event_arrives;
    m->msg = pl_msg_ref(msg);
    if (pl_mail_post(home, to, &m->mail) == PL_OK)
        *ret_is_gapped = false;
    else
        mail_free(m);
}

static void gap_arrives(struct pl_shard *s, struct pl_mail *mail)
{
    struct hub_mail *m = PL_OF(mail, struct hub_mail, mail);

    hub_gap(s, pl_str_slice(m->name));
    mail_free(m);
}

bool hub_send_gap(struct pl_shard *home, unsigned to, struct pl_str *name)
{
    struct hub_mail *m = calloc(1, sizeof *m);

    if (m == NULL)
        return false;
    m->mail.arrive = gap_arrives;
    m->name = pl_str_ref(name);
    if (pl_mail_post(home, to, &m->mail) == PL_OK)
        return true;
    mail_free(m);
    return false;
}

static void unsubscribe_arrives(struct pl_shard *home, struct pl_mail *mail)
{
    struct hub_mail *m = PL_OF(mail, struct hub_mail, mail);

    if (hub_home_run(home, &m->op) != PL_OK)
        pl_metric_add(home->cells, PL_M_ENGINE_ERRORS, 1);
    hub_home_after(home, &m->op);
    mail_free(m);
}

void hub_send_unsubscribe(struct pl_shard *s, struct pl_op *op)
{
    unsigned home = pl_home_of(s->node, pl_str_slice(op->channel));
    struct hub *hub = hub_of(s);
    struct hub_mail *m;

    op->origin = (uint16_t)s->index;
    if (home == s->index) {
        if (hub_home_run(s, op) != PL_OK)
            pl_metric_add(s->cells, PL_M_ENGINE_ERRORS, 1);
        hub_home_after(s, op);
        pl_op_fini(op);
        return;
    }
    m = calloc(1, sizeof *m);
    PL_ASSERT(m != NULL); /* without it the home would send to us for ever */
    m->op = *op;
    memset(op, 0, sizeof *op);
    m->mail.arrive = unsubscribe_arrives;
    if (pl_list_is_empty(&hub->unsent[home]) && pl_mail_post(s, home, &m->mail) == PL_OK)
        return;
    /* Bounded by the subscriptions that existed: one mail each. */
    pl_list_push_back(&hub->unsent[home], &m->unsent);
    hub->n_unsent++;
    pl_metric_add(s->cells, PL_M_MAIL_DELAYED, 1);
    pl_shard_task(s, PL_PHASE_REPLY, &hub->retry);
}

void hub_retry_run(struct pl_shard *s, struct pl_task *t)
{
    struct hub *hub = hub_of(s);
    bool more;

    for (unsigned to = 0; to < s->node->n_shards && hub->n_unsent != 0; to++) {
        while (!pl_list_is_empty(&hub->unsent[to])) {
            struct hub_mail *m = PL_OF(hub->unsent[to].next, struct hub_mail, unsent);

            /* Unlinked first: once posted, the other thread may already have freed it. */
            pl_list_remove(&m->unsent);
            if (pl_mail_post(s, to, &m->mail) != PL_OK) {
                pl_list_push_front(&hub->unsent[to], &m->unsent);
                break;
            }
            hub->n_unsent--;
        }
    }
    hub_retry_refills(s);
    more = hub_home_retry_gaps(s) || hub->n_refills != 0;
    if (more || hub->n_unsent != 0)
        pl_shard_task(s, PL_PHASE_REPLY, t);
}

void hub_route_fini(struct pl_shard *s)
{
    struct hub *hub = hub_of(s);

    for (unsigned to = 0; to < PL_SHARDS_MAX; to++) {
        PL_LIST_EACH_SAFE(it, &hub->unsent[to]) {
            pl_list_remove(it);
            mail_free(PL_OF(it, struct hub_mail, unsent));
        }
    }
}
