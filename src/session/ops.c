/* The other commands: publish, history, presence, rpc, refresh. Each answers at once or, when the channel's home is another shard,
 * when its op comes back. */
#include <stdlib.h>

#include "base/check.h"
#include "codec/json.h"
#include "session/room.h"

static struct pl_keep keep_of(const struct pl_channel_options *o)
{
    return (struct pl_keep){ (uint32_t)o->history_size, (uint32_t)(o->history_ttl_ms / 1000), (uint32_t)(o->history_meta_ttl_ms / 1000) };
}

static enum pl_err sent(const struct pl_sess *s)
{
    return is_over(s) ? PL_ECLOSED : PL_OK;
}

/* Namespace and name, for commands that may concern channels without a subscription (wire-protocol.md 4.2). */
static enum pl_reason resolve(struct pl_sess *s, struct pl_slice channel, struct pl_channel_ref *ret)
{
    if (pl_channel_resolve(cfg_of(s), channel, ret) != PL_OK)
        return PL_R_UNKNOWN_CHANNEL;
    if (channel.len > cfg_of(s)->channel.max_length || !pl_channel_name_ok(ret, channel))
        return PL_R_BAD_REQUEST;
    return PL_R_NONE;
}

static bool is_subscribed(struct pl_sess *s, struct pl_slice channel)
{
    const struct pl_sub *sub = sess_sub_of(s, channel);

    return sub != NULL && sub->state == PL_SUB_LIVE;
}

/* ---- publish ---- */

/* A publisher that is subscribed has its own copy before the reply (design.md 4). */
static enum pl_err reply_published(struct pl_sess *s, uint32_t id, struct pl_slice channel)
{
    struct pl_sub *sub = sess_sub_of(s, channel);

    if (sub != NULL)
        pl_hub_catch_up(sub);
    if (is_over(s))
        return PL_ECLOSED;
    s->dialect->reply_empty(s, id, PL_CMD_PUBLISH, sess_message(s));
    sess_send(s);
    return sent(s);
}

static void publish_done(struct pl_shard *shard, struct pl_op *op)
{
    struct pl_sess *s = pl_sess_by_handle(shard, op->owner);

    if (s != NULL) {
        if (op->err == PL_OK)
            (void)reply_published(s, (uint32_t)op->tag, pl_str_slice(op->channel)); /* sess_op_end sees an end */
        else if (!is_over(s))
            (void)sess_error(s, (uint32_t)op->tag, sess_reason_of(op->err));
        sess_op_end(s);
    }
    pl_op_end(&op);
}

bool pl_sess_data_ok(enum pl_data_format format, struct pl_slice data)
{
    switch (format) {
    case PL_DATA_DEFAULT:     return data.len != 0;
    case PL_DATA_BINARY:      return true;
    case PL_DATA_JSON:        return data.len != 0 && pl_json_check(data) == PL_OK;
    case PL_DATA_JSON_OBJECT: return data.len != 0 && pl_json_check(data) == PL_OK && pl_json_is_object(data);
    }
    PL_UNREACHABLE();
}

enum pl_err sess_publish(struct pl_sess *s, uint32_t id, const struct pl_publish_req *r)
{
    const struct pl_channel_options *o;
    struct pl_client_info info = sess_info(s, NULL);
    struct pl_channel_ref ref;
    struct pl_sub *sub;
    struct pl_op op;
    enum pl_reason why = resolve(s, r->channel, &ref);
    enum pl_err err;

    if (why == PL_R_NONE && (r->type != 0 || ref.opts->subscription_type != PL_SUB_STREAM))
        why = PL_R_NOT_AVAILABLE;
    if (why == PL_R_NONE && !pl_sess_data_ok(ref.opts->publication_data_format, r->data))
        why = PL_R_BAD_REQUEST;
    if (why != PL_R_NONE)
        return sess_error(s, id, why);
    o = ref.opts;
    if (!sess_may(s, o->allow_publish_for_client, o->allow_publish_for_subscriber, o->allow_publish_for_anonymous,
                  is_subscribed(s, r->channel)))
        return sess_error(s, id, PL_R_DENIED);
    sub = sess_sub_of(s, r->channel);
    if (sub != NULL)
        info.chan_info = sub->chan_info;
    err = pl_op_init(&op, PL_OP_PUBLISH, r->channel);
    if (err == PL_OK)
        err = pl_msg_new(PL_MSG_PUB, r->channel, r->data, &info, NULL, &op.msg);
    if (err == PL_OK) {
        op.keep = keep_of(o);
        op.msg->is_delta_wanted = o->delta_publish;
        op.msg->is_json = (s->render_class & PL_CLASS_PROTOBUF) == 0; /* its parser has seen to that */
        op.owner = s->handle;
        op.tag = id;
        op.done = publish_done;
        err = pl_hub_run(s->shard, &op);
    }
    if (err == PL_WAIT) {
        sess_op_begin(s);
        return PL_WAIT;
    }
    pl_op_fini(&op);
    return err == PL_OK ? reply_published(s, id, r->channel) : sess_error(s, id, sess_reason_of(err));
}

/* ---- history ---- */

static enum pl_err reply_history(struct pl_sess *s, uint32_t id, const struct pl_op *op, enum pl_err err)
{
    if (err != PL_OK)
        return sess_error(s, id, sess_reason_of(err));
    s->dialect->reply_history(s, id, op, sess_message(s));
    sess_send(s);
    return sent(s);
}

static void history_done(struct pl_shard *shard, struct pl_op *op)
{
    struct pl_sess *s = pl_sess_by_handle(shard, op->owner);

    if (s != NULL) {
        if (!is_over(s))
            (void)reply_history(s, (uint32_t)op->tag, op, op->err); /* sess_op_end sees an end */
        sess_op_end(s);
    }
    pl_op_end(&op);
}

enum pl_err sess_history(struct pl_sess *s, uint32_t id, const struct pl_history_req *r)
{
    int max = cfg_of(s)->client.history_max_publication_limit;
    struct pl_channel_ref ref;
    struct pl_op op;
    enum pl_reason why = resolve(s, r->channel, &ref);
    enum pl_err err;

    if (why == PL_R_NONE && (ref.opts->history_size <= 0 || ref.opts->history_ttl_ms <= 0))
        why = PL_R_NOT_AVAILABLE;
    if (why == PL_R_NONE && !sess_may(s, ref.opts->allow_history_for_client, ref.opts->allow_history_for_subscriber,
                                      ref.opts->allow_history_for_anonymous, is_subscribed(s, r->channel)))
        why = PL_R_DENIED;
    if (why == PL_R_NONE && r->reverse && r->since.is_set && r->since.offset == 0)
        why = PL_R_BAD_REQUEST;
    if (why != PL_R_NONE)
        return sess_error(s, id, why);
    err = pl_op_init(&op, PL_OP_HISTORY, r->channel);
    if (err == PL_OK && r->since.is_set) {
        op.has_since = true;
        op.since_offset = r->since.offset;
        err = pl_op_set(&op.since_epoch, r->since.epoch);
    }
    if (err == PL_OK) {
        op.keep = keep_of(ref.opts);
        op.is_reverse = r->reverse;
        op.limit = r->limit < 0 || (max > 0 && r->limit > max) ? (max > 0 ? max : -1) : r->limit;
        op.owner = s->handle;
        op.tag = id;
        op.done = history_done;
        err = pl_hub_run(s->shard, &op);
    }
    if (err == PL_WAIT) {
        sess_op_begin(s);
        return PL_WAIT;
    }
    err = reply_history(s, id, &op, err);
    pl_op_fini(&op);
    return err;
}

/* ---- presence ---- */

static enum pl_err reply_presence(struct pl_sess *s, uint32_t id, struct pl_presence *p)
{
    pl_presence_count(p);
    if (p->stats_only)
        s->dialect->reply_presence_stats(s, id, p, sess_message(s));
    else
        s->dialect->reply_presence(s, id, p, sess_message(s));
    sess_send(s);
    return sent(s);
}

static void presence_done(struct pl_shard *shard, struct pl_tour *t)
{
    struct pl_presence *p = PL_OF(t, struct pl_presence, tour);
    struct pl_sess *s = pl_sess_by_handle(shard, p->owner);

    if (s != NULL) {
        if (!is_over(s))
            (void)reply_presence(s, (uint32_t)p->tag, p); /* sess_op_end sees an end */
        sess_op_end(s);
    }
    pl_presence_fini(p);
    free(p);
}

enum pl_err sess_presence(struct pl_sess *s, uint32_t id, struct pl_slice channel, bool stats_only)
{
    struct pl_channel_ref ref;
    struct pl_presence *p;
    enum pl_reason why = resolve(s, channel, &ref);
    enum pl_err err;
    bool ok;

    if (why == PL_R_NONE && !ref.opts->presence)
        why = PL_R_NOT_AVAILABLE;
    if (why == PL_R_NONE && !sess_may(s, ref.opts->allow_presence_for_client, ref.opts->allow_presence_for_subscriber,
                                      ref.opts->allow_presence_for_anonymous, is_subscribed(s, channel)))
        why = PL_R_DENIED;
    if (why != PL_R_NONE)
        return sess_error(s, id, why);
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return sess_error(s, id, PL_R_INTERNAL);
    p->stats_only = stats_only;
    p->owner = s->handle;
    p->tag = id;
    p->tour.done = presence_done;
    p->channel = pl_str_new(channel, &ok);
    err = ok ? pl_hub_presence(s->shard, p) : PL_ENOMEM;
    if (err == PL_WAIT) {
        sess_op_begin(s);
        return PL_WAIT;
    }
    err = err == PL_OK ? reply_presence(s, id, p) : sess_error(s, id, sess_reason_of(err));
    pl_presence_fini(p);
    free(p);
    return err;
}

/* ---- rpc ---- */

enum pl_err sess_rpc(struct pl_sess *s, uint32_t id, const struct pl_rpc_req *r)
{
    const struct pl_config *cfg = cfg_of(s);

    if (cfg->rpc.ping.enabled && pl_slice_eq(r->method, pl_slice_str(cfg->rpc.ping.method))) {
        s->dialect->reply_rpc(s, id, pl_slice("", 0), sess_message(s));
        sess_send(s);
        return sent(s);
    }
    return sess_error(s, id, cfg->rpc.ping.enabled ? PL_R_NO_METHOD : PL_R_NOT_AVAILABLE);
}

/* ---- refresh ---- */

/* Whether a token's server-side channels are those of the connection (personal and requested ones do not count). */
static bool same_channels(struct pl_sess *s, const struct pl_credentials *cred)
{
    for (size_t i = 0; i < cred->n_subs; i++) {
        const struct pl_sub *sub = sess_sub_of(s, cred->subs[i].channel);

        if (sub == NULL || (sub->flags & PL_SUB_SERVER_SIDE) == 0)
            return false;
    }
    return true;
}

enum pl_err sess_refresh(struct pl_sess *s, uint32_t id, struct pl_slice token)
{
    struct pl_credentials cred;
    uint32_t ttl = 0;
    enum pl_err err;
    bool expires;

    if (token.len == 0)
        return sess_bad(s, PL_R_BAD_REQUEST);
    pl_scratch_reset(&room_of(s->shard)->scratch);
    err = pl_auth_connection(s->shard, token, &room_of(s->shard)->scratch, &cred);
    if (err == PL_EEXPIRED)
        return sess_bad(s, PL_R_EXPIRED);
    if (err != PL_OK || !pl_slice_eq(cred.user, pl_str_slice(s->user)))
        return sess_bad(s, PL_R_INVALID_TOKEN);
    if (!same_channels(s, &cred))
        return sess_bad(s, PL_R_UNRECOVERABLE);
    expires = cred.expire_at > 0 && !cfg_of(s)->client.insecure;
    if (expires) {
        int64_t left = capped_end(s->shard, cred.expire_at) - unix_now(s->shard);

        if (left <= 0)
            return sess_bad(s, PL_R_EXPIRED);
        ttl = (uint32_t)left;
        s->flags |= PL_SESS_EXPIRES;
        s->expire_s = (uint32_t)capped_end(s->shard, cred.expire_at);
    } else {
        s->flags &= (uint16_t)~PL_SESS_EXPIRES; /* unlike Centrifugo, which lets the old timer kill it (wire-protocol.md 17) */
    }
    sess_timer_set(s);
    s->dialect->reply_refresh(s, id, PL_CMD_REFRESH, expires, ttl, sess_message(s));
    sess_send(s);
    return sent(s);
}

enum pl_err sess_sub_refresh(struct pl_sess *s, uint32_t id, const struct pl_sub_refresh_req *r)
{
    struct pl_sub *sub = sess_sub_of(s, r->channel);
    struct pl_credentials cred;
    int64_t left;
    char client[36];
    enum pl_err err;

    if (r->type != 0)
        return sess_error(s, id, PL_R_NOT_AVAILABLE);
    if (sub == NULL)
        return sess_error(s, id, PL_R_DENIED);
    if (r->token.len == 0)
        return sess_error(s, id, PL_R_BAD_REQUEST);
    pl_scratch_reset(&room_of(s->shard)->scratch);
    err = pl_auth_subscription(s->shard, r->token, &room_of(s->shard)->scratch, &cred);
    if (err == PL_EEXPIRED)
        return sess_error(s, id, PL_R_TOKEN_EXPIRED);
    pl_uuid_text(s->id, client);
    if (err != PL_OK || !pl_slice_eq(cred.channel, r->channel) || !pl_slice_eq(cred.user, pl_str_slice(s->user)) ||
        (cred.client.len != 0 && !pl_slice_eq(cred.client, pl_slice(client, sizeof client))))
        return sess_bad(s, PL_R_INVALID_TOKEN);
    left = cred.expire_at > 0 ? capped_end(s->shard, cred.expire_at) - unix_now(s->shard) : 0;
    if (cred.expire_at > 0 && left <= 0)
        return sess_error(s, id, PL_R_TOKEN_EXPIRED);
    if (cred.expire_at > 0) {
        sub->flags |= PL_SUB_EXPIRES;
        sub->expire_s = (uint32_t)capped_end(s->shard, cred.expire_at);
    } else {
        sub->flags &= (uint16_t)~PL_SUB_EXPIRES;
    }
    sess_tick_wanted(s);
    s->dialect->reply_refresh(s, id, PL_CMD_SUB_REFRESH, cred.expire_at > 0, (uint32_t)left, sess_message(s));
    sess_send(s);
    return sent(s);
}
