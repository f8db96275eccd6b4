/* Subscriptions of a session: the client's own, those that a token or the backend decides, and how they end. */
#include "base/check.h"
#include "codec/tagfilter.h"
#include "session/room.h"

static struct pl_slice borrow(const struct pl_str *s) { return pl_str_slice(s); }

bool sess_may(const struct pl_sess *s, bool for_client, bool for_subscriber, bool for_anonymous, bool is_subscriber)
{
    if (cfg_of(s)->client.insecure)
        return true;
    if (is_anonymous(s) && !for_anonymous)
        return false;
    return for_client || (for_subscriber && is_subscriber);
}

enum pl_reason sess_reason_of(enum pl_err err)
{
    switch (err) {
    case PL_EBUSY:  return PL_R_TOO_MANY;
    case PL_ENOENT: return PL_R_UNRECOVERABLE;
    default:        return PL_R_INTERNAL;
    }
}

struct pl_sub *sess_sub_of(struct pl_sess *s, struct pl_slice channel)
{
    return pl_hub_find(s->shard, s->subs, channel);
}

/* ---- beginning ---- */

static bool is_on(struct pl_override_bool o, bool option)
{
    return o.is_set ? o.value : option;
}

static uint16_t flags_of(const struct pl_sess *s, const struct sub_wish *w)
{
    const struct pl_channel_options *o = w->opts;
    bool may_history = sess_may(s, o->allow_history_for_client, o->allow_history_for_subscriber, o->allow_history_for_anonymous, true);
    bool may_presence = o->presence && sess_may(s, o->allow_presence_for_client, o->allow_presence_for_subscriber,
                                                o->allow_presence_for_anonymous, true);
    bool join_leave = is_on(w->override.join_leave, o->join_leave);
    unsigned f = 0;

    if (is_on(w->override.force_positioning, o->force_positioning) || (w->wants_position && (o->allow_positioning || may_history)))
        f |= PL_SUB_POSITIONED;
    if (is_on(w->override.force_recovery, o->force_recovery) || (w->wants_recovery && (o->allow_recovery || may_history)))
        f |= PL_SUB_POSITIONED | PL_SUB_RECOVERABLE;
    if (is_on(w->override.force_push_join_leave, o->force_push_join_leave) || (w->wants_join_leave && join_leave && may_presence))
        f |= PL_SUB_JOIN_LEAVE;
    if (join_leave)
        f |= PL_SUB_EMIT;
    if (is_on(w->override.presence, o->presence))
        f |= PL_SUB_PRESENCE;
    if (w->wants_delta && (o->allowed_delta_types & PL_DELTA_FOSSIL) != 0)
        f |= PL_SUB_DELTA;
    if (w->server_side)
        f |= PL_SUB_SERVER_SIDE;
    if (w->expire_at > 0)
        f |= PL_SUB_EXPIRES;
    return (uint16_t)f;
}

static struct pl_keep keep_of(const struct pl_channel_options *o)
{
    return (struct pl_keep){ (uint32_t)o->history_size, (uint32_t)(o->history_ttl_ms / 1000), (uint32_t)(o->history_meta_ttl_ms / 1000) };
}

static void sub_link(struct pl_sess *s, struct pl_sub *sub)
{
    sub->next = s->subs;
    s->subs = sub;
    s->n_subs++;
}

static void sub_unlink(struct pl_sess *s, struct pl_sub *sub)
{
    struct pl_sub **at = &s->subs;

    while (*at != sub) {
        PL_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = sub->next;
    s->n_subs--;
}

static enum pl_err op_fill(struct pl_sess *s, struct pl_sub *sub, const struct sub_wish *w, struct pl_op *op)
{
    const struct pl_config *cfg = cfg_of(s);
    bool cache = w->opts->force_recovery_mode == PL_RECOVERY_CACHE;
    enum pl_err err = PL_OK;

    op->keep = keep_of(w->opts);
    op->want_position = (sub->flags & PL_SUB_POSITIONED) != 0;
    op->limit = cfg->client.recovery_max_publication_limit > 0 ? cfg->client.recovery_max_publication_limit : -1;
    if ((sub->flags & PL_SUB_RECOVERABLE) != 0 && (w->recover || w->opts->auto_cache_recover)) {
        op->recover = cache ? PL_RECOVER_CACHE : PL_RECOVER_STREAM;
        op->must_recover = w->must_recover;
        op->has_since = true;
        op->since_offset = w->offset;
        err = pl_op_set(&op->since_epoch, w->epoch);
    }
    if (err == PL_OK && (sub->flags & PL_SUB_EMIT) != 0) {
        struct pl_client_info info = sess_info(s, sub->chan_info);

        err = pl_msg_new(PL_MSG_JOIN, w->channel, pl_slice("", 0), &info, NULL, &op->event);
    }
    return err;
}

/* What must outlive the way to the home goes along as the op's note: struct sub_wait, then data. */
static enum pl_err note_set(struct pl_op *op, const struct sub_wish *w, enum sub_wait_kind kind, uint32_t id)
{
    struct sub_wait wait = { .id = id, .kind = (uint8_t)kind, .was_recovering = w->recover || w->opts->auto_cache_recover,
                             .offset = w->offset, .expire_at = w->expire_at };
    struct pl_buf b = pl_buf_init(sizeof wait + w->data.len);
    enum pl_err err = PL_ENOMEM;

    pl_buf_put(&b, &wait, sizeof wait);
    pl_buf_slice_put(&b, w->data);
    if (pl_buf_ok(&b))
        err = pl_op_set(&op->note, pl_buf_slice(&b));
    pl_buf_fini(&b);
    return err;
}

enum pl_err sess_sub_begin(struct pl_sess *s, struct sub_wish *w, enum sub_wait_kind kind, uint32_t id, struct pl_op *op,
                           struct pl_sub **ret_sub)
{
    bool is_local = pl_home_of(s->shard->node, w->channel) == s->shard->index;
    uint16_t flags = flags_of(s, w);
    struct pl_sub *sub;
    enum pl_err err;
    bool ok;

    memset(op, 0, sizeof *op);
    if ((flags & PL_SUB_DELTA) != 0) /* gets also what its filter would drop: each publication is the next one's base */
        pl_filter_unref(s->shard, &w->filter);
    sub = w->filter != NULL ? pl_sub_new_filtered(s->shard, &w->filter) : pl_sub_new(s->shard);
    if (sub == NULL)
        return PL_ENOMEM;
    sub->sess = s;
    sub->render_class = s->render_class | ((flags & PL_SUB_DELTA) != 0 ? PL_CLASS_DELTA : 0);
    sub->flags |= flags;
    sub->expire_s = w->expire_at > 0 ? (uint32_t)capped_end(s->shard, w->expire_at) : 0;
    sub->chan_info = pl_str_new(w->chan_info, &ok);
    err = ok ? pl_op_init(op, PL_OP_SUBSCRIBE, w->channel) : PL_ENOMEM;
    if (err == PL_OK)
        err = op_fill(s, sub, w, op);
    if (err == PL_OK && !is_local)
        err = note_set(op, w, kind, id);
    if (err == PL_OK) {
        op->owner = s->handle;
        sub_link(s, sub);
        err = pl_hub_subscribe(s->shard, sub, op);
    } else {
        pl_op_fini(op);
        pl_sub_free(s->shard, &sub);
        return err;
    }
    if (err == PL_WAIT)
        return err;
    if (err != PL_OK) {
        pl_op_fini(op);
        sub_unlink(s, sub);
        pl_sub_free(s->shard, &sub);
        return err;
    }
    *ret_sub = sub;
    op->ctx = sub;
    if (op->event != NULL && !PL_SABOTAGE(leave_without_join))
        sub->flags &= (uint16_t)~PL_SUB_EMIT; /* no leave before the join is told */
    sess_tick_wanted(s);
    return PL_OK;
}

void sess_join_tell(struct pl_sess *s, struct pl_op *op)
{
    if (op->event == NULL || is_over(s))
        return;
    ((struct pl_sub *)op->ctx)->flags |= PL_SUB_EMIT; /* still there: what ends it alone ends it in later turns */
    pl_hub_subscribed_after(s->shard, op);
}

void sess_sub_result(struct pl_sess *s, const struct pl_sub *sub, const struct pl_op *op, bool was_recovering, uint64_t offset,
                     struct pl_slice data, int64_t expire_at, struct pl_sub_result *ret)
{
    int64_t left = capped_end(s->shard, expire_at) - unix_now(s->shard);

    *ret = (struct pl_sub_result){ .sub = sub, .op = op, .data = data, .was_recovering = was_recovering, .request_offset = offset };
    if (expire_at > 0) {
        ret->expires = true;
        ret->ttl_s = left > 0 ? (uint32_t)left : 0;
    }
}

/* ---- the client's own ---- */

static enum pl_err reply_subscribed(struct pl_sess *s, uint32_t id, const struct pl_sub_result *r)
{
    pl_metric_add(s->shard->cells, PL_M_SUBSCRIBES, 1);
    if (r->was_recovering)
        pl_metric_add(s->shard->cells, PL_M_RECOVERS + (r->op->is_recovered ? PL_MV_YES_YES : PL_MV_YES_NO), 1);
    if (r->was_recovering && r->op->is_recovered && cfg_of(s)->prometheus.recovered_publications_histogram)
        pl_metric_observe_n(s->shard->cells, PL_M_RECOVERED_PUBLICATIONS, r->op->n_msgs);
    s->dialect->reply_subscribe(s, id, r, sess_message(s));
    sess_send(s);
    return is_over(s) ? PL_ECLOSED : PL_OK;
}

/* The order of the questions is the protocol's (wire-protocol.md 4.1). NONE: allowed. */
static enum pl_reason may_subscribe(struct pl_sess *s, const struct pl_subscribe_req *r, const struct pl_channel_ref *ref,
                                    struct pl_credentials *cred, bool *ret_must_close)
{
    const struct pl_config *cfg = cfg_of(s);
    const struct pl_channel_options *o = ref->opts;

    *ret_must_close = false;
    if (ref->is_private && r->token.len == 0)
        return PL_R_DENIED;
    if (r->token.len != 0) {
        enum pl_err err = pl_auth_subscription(s->shard, r->token, &room_of(s->shard)->scratch, cred);
        char id[36];

        if (err == PL_EEXPIRED)
            return PL_R_TOKEN_EXPIRED;
        if (err != PL_OK)
            return PL_R_DENIED;
        pl_uuid_text(s->id, id);
        if (!pl_slice_eq(cred->channel, r->channel) || !pl_slice_eq(cred->user, borrow(s->user)) ||
            (cred->client.len != 0 && !pl_slice_eq(cred->client, pl_slice(id, sizeof id)))) {
            *ret_must_close = true;
            return PL_R_INVALID_TOKEN;
        }
        if (cred->expire_at > 0 && cred->expire_at < unix_now(s->shard))
            return PL_R_EXPIRED;
        return PL_R_NONE;
    }
    if (ref->is_user_limited) {
        if (!is_anonymous(s) && pl_channel_user_ok(cfg, r->channel, borrow(s->user)))
            return PL_R_NONE;
    } else if (o->allow_subscribe_for_client && (!is_anonymous(s) || o->allow_subscribe_for_anonymous)) {
        return PL_R_NONE;
    }
    return cfg->client.insecure ? PL_R_NONE : PL_R_DENIED;
}

static enum pl_reason check_channel(struct pl_sess *s, const struct pl_subscribe_req *r, struct pl_channel_ref *ret)
{
    const struct pl_config *cfg = cfg_of(s);

    if (r->channel.len > cfg->channel.max_length)
        return PL_R_BAD_REQUEST;
    if (sess_sub_of(s, r->channel) != NULL)
        return PL_R_ALREADY_SUBSCRIBED;
    if (cfg->client.channel_limit > 0 && s->n_subs >= cfg->client.channel_limit) {
        pl_metric_add(s->shard->cells, PL_M_CHANNEL_LIMIT_HIT, 1);
        return PL_R_LIMIT;
    }
    if (pl_channel_resolve(cfg, r->channel, ret) != PL_OK)
        return PL_R_UNKNOWN_CHANNEL;
    if (!pl_channel_name_ok(ret, r->channel))
        return PL_R_BAD_REQUEST;
    if (r->type != (int32_t)ret->opts->subscription_type) {
        if (r->type == PL_SUB_SHARED_POLL)
            return PL_R_NOT_AVAILABLE;
        return ret->opts->subscription_type == PL_SUB_SHARED_POLL ? PL_R_BAD_REQUEST : PL_R_DENIED;
    }
    if (r->type != PL_SUB_STREAM)
        return PL_R_NOT_AVAILABLE; /* map and shared-poll subscriptions are not served */
    if (r->tf.len != 0 && !ret->opts->allow_tags_filter)
        return PL_R_BAD_REQUEST;
    return PL_R_NONE;
}

static enum pl_reason filter_of(struct pl_sess *s, struct pl_slice tf, struct pl_filter **ret)
{
    struct pl_scratch scratch = pl_scratch_init(tf.len + 1);
    struct pl_buf text = pl_buf_init(2 * PL_TAGFILTER_BYTES_MAX);
    enum pl_err err = PL_OK;

    if (!s->dialect->codec->is_binary) {
        err = pl_tagfilter_json(tf, &scratch, &text);
        tf = pl_buf_slice(&text);
    }
    if (err == PL_OK)
        err = pl_filter_get(s->shard, tf, ret);
    pl_buf_fini(&text);
    pl_scratch_fini(&scratch);
    return err == PL_OK ? PL_R_NONE : err == PL_EINVAL ? PL_R_BAD_REQUEST : PL_R_INTERNAL;
}

enum pl_err sess_subscribe(struct pl_sess *s, uint32_t id, const struct pl_subscribe_req *r)
{
    struct pl_credentials cred = { 0 };
    struct pl_channel_ref ref;
    struct pl_filter *filter = NULL;
    struct pl_sub_result result;
    struct sub_wish w;
    struct pl_sub *sub;
    struct pl_op op;
    enum pl_reason why;
    enum pl_err err;
    bool must_close;

    if (r->delta.len != 0 && !pl_slice_eq(r->delta, PL_LIT("fossil")))
        return sess_bad(s, PL_R_BAD_REQUEST);
    why = check_channel(s, r, &ref);
    if (why != PL_R_NONE)
        return sess_error(s, id, why);
    pl_scratch_reset(&room_of(s->shard)->scratch);
    why = may_subscribe(s, r, &ref, &cred, &must_close);
    if (must_close)
        return sess_bad(s, why);
    if (why == PL_R_NONE && r->tf.len != 0)
        why = filter_of(s, r->tf, &filter);
    if (why != PL_R_NONE)
        return sess_error(s, id, why);
    w = (struct sub_wish){
        .channel = r->channel, .opts = ref.opts, .chan_info = cred.info, .data = cred.data, .expire_at = cred.expire_at,
        .override = cred.override, .wants_position = r->positioned, .wants_recovery = r->recoverable, .wants_join_leave = r->join_leave,
        .recover = r->recover, .must_recover = r->recover && (r->flag & PL_SUB_FLAG_REJECT_UNRECOVERED) != 0, .offset = r->offset,
        .epoch = r->epoch, .wants_delta = r->delta.len != 0, .filter = filter,
    };
    err = sess_sub_begin(s, &w, WAIT_COMMAND, id, &op, &sub);
    if (err == PL_WAIT) {
        sess_op_begin(s);
        return PL_WAIT;
    }
    if (err != PL_OK)
        return sess_error(s, id, sess_reason_of(err));
    sess_sub_result(s, sub, &op, r->recover || ref.opts->auto_cache_recover, r->offset, cred.data, cred.expire_at, &result);
    err = reply_subscribed(s, id, &result);
    sess_join_tell(s, &op);
    pl_op_fini(&op);
    return err == PL_OK && is_over(s) ? PL_ECLOSED : err;
}

/* A subscription by the backend is there, or is not: then the client, which may have had one before, starts anew. */
static void pushed(struct pl_sess *s, struct pl_sub *sub, enum pl_err err, const struct pl_sub_result *r)
{
    if (err != PL_OK) {
        pl_metric_add(s->shard->cells, PL_M_ENGINE_ERRORS, 1);
        pl_sess_close(s, err == PL_EBUSY ? PL_R_TOO_MANY : PL_R_INTERNAL);
        return;
    }
    s->dialect->push_subscribe(s, r, sess_message(s));
    sess_send(s);
    if (!is_over(s) && (sub->flags & PL_SUB_DOOMED) != 0)
        sess_sub_end(s, sub, PL_R_SERVER_UNSUBSCRIBE);
}

/* The home's late answer to a subscription of any kind. */
static void sess_subscribed(struct pl_sub *sub, struct pl_op *op)
{
    struct pl_sess *s = sub->sess;
    struct pl_slice note = pl_str_slice(op->note);
    struct pl_sub_result r;
    struct sub_wait w;

    PL_ASSERT(note.len >= sizeof w);
    memcpy(&w, note.p, sizeof w);
    if (op->err == PL_OK)
        sess_tick_wanted(s);
    sess_sub_result(s, sub, op, w.was_recovering, w.offset, pl_slice_from(note, sizeof w), w.expire_at, &r);
    if (op->err != PL_OK) {
        sub_unlink(s, sub);
        pl_sub_free(s->shard, &sub);
        r.sub = NULL;
    }
    switch ((enum sub_wait_kind)w.kind) {
    case WAIT_CONNECT:
        sess_connect_sub_done(s, &r);
        return;
    case WAIT_COMMAND:
        if (op->err != PL_OK)
            (void)sess_error(s, w.id, sess_reason_of(op->err));
        else if (reply_subscribed(s, w.id, &r) == PL_OK && (sub->flags & PL_SUB_DOOMED) != 0)
            sess_sub_end(s, sub, PL_R_SERVER_UNSUBSCRIBE);
        sess_op_end(s); /* it sees itself whether the session goes on */
        return;
    case WAIT_PUSH:
        pushed(s, sub, op->err, &r);
        return;
    }
    PL_UNREACHABLE();
}

/* A pending subscription was given up; only its command is left to be answered. */
static void sink_abandoned(struct pl_shard *shard, const struct pl_op *op)
{
    struct pl_sess *s = pl_sess_by_handle(shard, op->owner);
    struct pl_slice note = pl_str_slice(op->note);
    struct sub_wait w;

    PL_ASSERT(note.len >= sizeof w);
    memcpy(&w, note.p, sizeof w);
    if (s == NULL || is_over(s) || w.kind != WAIT_COMMAND)
        return;
    /* While it was on its way the backend subscribed the connection itself. */
    (void)sess_error(s, w.id, PL_R_ALREADY_SUBSCRIBED); /* sess_op_end sees an end */
    sess_op_end(s);
}

/* ---- by the backend ---- */

void sess_subscribe_push(struct pl_sess *s, struct sub_wish *w)
{
    struct pl_sub *old = sess_sub_of(s, w->channel);
    struct pl_sub_result r;
    struct pl_sub *sub;
    struct pl_op op;
    enum pl_err err;

    /* A second call applies anew and is told again (wire-protocol.md 10.3). */
    if (old != NULL)
        sess_sub_drop(s, old);
    if (cfg_of(s)->client.channel_limit > 0 && s->n_subs >= cfg_of(s)->client.channel_limit) {
        pl_metric_add(s->shard->cells, PL_M_CHANNEL_LIMIT_HIT, 1);
        pl_sess_close(s, PL_R_CHANNEL_LIMIT);
        return;
    }
    err = sess_sub_begin(s, w, WAIT_PUSH, 0, &op, &sub);
    if (err == PL_WAIT)
        return;
    if (err != PL_OK) {
        pushed(s, NULL, err, NULL);
        return;
    }
    sess_sub_result(s, sub, &op, false, w->offset, w->data, 0, &r);
    pushed(s, sub, PL_OK, &r);
    sess_join_tell(s, &op);
    pl_op_fini(&op);
}

/* ---- ending ---- */

void sess_sub_drop(struct pl_sess *s, struct pl_sub *sub)
{
    struct pl_msg *leave = NULL;

    sub_unlink(s, sub);
    if ((sub->flags & PL_SUB_EMIT) != 0 && !PL_SABOTAGE(leave_forgotten)) {
        struct pl_client_info info = sess_info(s, sub->chan_info);

        if (pl_msg_new(PL_MSG_LEAVE, pl_sub_channel(sub), pl_slice("", 0), &info, NULL, &leave) != PL_OK)
            pl_metric_add(s->shard->cells, PL_M_OUT_OF_MEMORY, 1);
    }
    pl_hub_unsubscribe(s->shard, &sub, &leave);
}

void sess_subs_drop_all(struct pl_sess *s)
{
    while (s->subs != NULL)
        sess_sub_drop(s, s->subs);
}

void sess_sub_end(struct pl_sess *s, struct pl_sub *sub, enum pl_reason why)
{
    struct pl_outcome outcome = because(why);

    if ((sub->flags & PL_SUB_SERVER_SIDE) != 0 && pl_reason_row(why)->close != 0) {
        pl_sess_end(s, &outcome);
        return;
    }
    if (sub->state == PL_SUB_PENDING && !PL_SABOTAGE(pending_unanswered)) { /* its command must still be answered */
        sub->flags |= PL_SUB_DOOMED;
        return;
    }
    outcome.code = pl_reason_row(why)->unsub;
    pl_metric_add(s->shard->cells, PL_M_UNSUBSCRIBES + pl_metric_unsubscribe(outcome.code), 1);
    s->dialect->push_unsubscribe(s, pl_sub_channel(sub), &outcome, sess_message(s));
    sess_send(s); /* first: telling others of the leave may encode for them in the same buffer */
    if (!is_over(s))
        sess_sub_drop(s, sub);
}

enum pl_err sess_unsubscribe(struct pl_sess *s, uint32_t id, struct pl_slice channel)
{
    struct pl_sub *sub = sess_sub_of(s, channel);

    if (sub != NULL)
        sess_sub_drop(s, sub);
    s->dialect->reply_empty(s, id, PL_CMD_UNSUBSCRIBE, sess_message(s));
    sess_send(s);
    return is_over(s) ? PL_ECLOSED : PL_OK;
}

/* ---- what the hub tells ---- */

static void sink_unfit(struct pl_sub *sub)
{
    pl_sess_close(sub->sess, PL_R_INAPPROPRIATE);
}

static void sink_position_lost(struct pl_sub *sub)
{
    if (!is_over(sub->sess))
        sess_sub_end(sub->sess, sub, PL_R_UNRECOVERABLE);
}

static void sink_info(const struct pl_sub *sub, struct pl_client_info *ret_borrowed)
{
    *ret_borrowed = sess_info(sub->sess, sub->chan_info);
}

const struct pl_sink_ops pl_sess_sink = {
    .render = sess_render,
    .deliver = sess_deliver,
    .on_unfit = sink_unfit,
    .on_position_lost = sink_position_lost,
    .on_subscribed = sess_subscribed,
    .on_abandoned = sink_abandoned,
    .info = sink_info,
};
