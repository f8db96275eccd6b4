/* Connect: who is it, may they, and which subscriptions they have from the start (wire-protocol.md 3.2). */
#include <stdlib.h>

#include "base/check.h"
#include "session/room.h"

enum { WISHES_MAX = 4096, CHANNEL_NAME_MAX = 1024, REFUSED_MS = 5000 };

/* The server-side subscriptions of one connect, by channel, in the order in which they were decided. */
struct wishes {
    struct sub_wish *v;
    size_t n, cap;
};

static void wait_free(struct connect_wait *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_after; i++)
        pl_op_fini(&c->after[i]);
    free(c->after);
    pl_buf_fini(&c->entries);
    free(c);
}

void sess_connect_wait_free(struct pl_sess *s)
{
    if (s->rare == NULL)
        return;
    wait_free(s->rare->connect);
    s->rare->connect = NULL;
}

/* Who only listens gets no replies: an HTTP status where that is configured, else a disconnect (wire-protocol.md 6.5). */
static enum pl_err refuse_uni(struct pl_sess *s, enum pl_reason why)
{
    const struct pl_config *cfg = cfg_of(s);
    const struct pl_reason_row *row = pl_reason_row(why);
    struct pl_outcome outcome = because(PL_R_INTERNAL);

    if (s->pipe != NULL && s->pipe->ops->refuse != NULL && s->pipe->ops->refuse(s->pipe, row->reply, pl_slice_str(row->text))) {
        outcome = because(PL_R_NONE);
    } else if (why == PL_R_TOKEN_EXPIRED || why == PL_R_EXPIRED || why == PL_R_TOO_MANY || why == PL_R_DENIED) {
        outcome = because(why);
    }
    if (outcome.reason != PL_R_NONE && cfg->client.connect_code_to_unidirectional_disconnect_enabled) {
        for (size_t i = 0; i < cfg->client.n_connect_code_transforms; i++) {
            const struct pl_cfg_code_to_disconnect *t = &cfg->client.connect_code_transforms[i];

            if (t->code != row->reply)
                continue;
            outcome.code = (uint32_t)t->to_code;
            outcome.text = t->to_reason;
            break;
        }
    }
    pl_sess_end(s, &outcome);
    return PL_ECLOSED;
}

/* An error reply: the connection stays for a moment but is of no more use (wire-protocol.md 3.1 no. 4). */
static enum pl_err refuse(struct pl_sess *s, uint32_t id, enum pl_reason why)
{
    enum pl_err err;

    sess_unhold(s);
    sess_subs_drop_all(s);
    sess_user_limit_give(s);
    if (is_uni(s))
        return refuse_uni(s, why);
    err = sess_error(s, id, why);
    if (err != PL_OK)
        return err;
    sess_move(s, PL_SESS_REFUSED);
    if (is_on_websocket(s)) /* others stay until they are stale (wire-protocol.md 17) */
        s->tick_due = s->shard->now_ms + REFUSED_MS;
    sess_timer_set(s);
    return PL_OK;
}

static struct sub_wish *wish_find(struct wishes *w, struct pl_slice channel)
{
    for (size_t i = 0; i < w->n; i++)
        if (pl_slice_eq(w->v[i].channel, channel))
            return &w->v[i];
    return NULL;
}

static struct sub_wish *wish_add(struct wishes *w, struct pl_slice channel, const struct pl_channel_options *opts)
{
    struct sub_wish *at = wish_find(w, channel);

    if (at != NULL)
        return at;
    if (w->n == w->cap) {
        size_t cap = w->cap == 0 ? 4 : w->cap * 2;
        struct sub_wish *v = w->n < WISHES_MAX ? realloc(w->v, cap * sizeof *v) : NULL;

        if (v == NULL)
            return NULL;
        w->v = v;
        w->cap = cap;
    }
    at = &w->v[w->n++];
    *at = (struct sub_wish){ .channel = channel, .opts = opts, .server_side = true };
    return at;
}

/* What the token grants. */
static enum pl_reason wish_grants(struct pl_sess *s, const struct pl_credentials *cred, struct wishes *w)
{
    for (size_t i = 0; i < cred->n_subs; i++) {
        const struct pl_sub_grant *g = &cred->subs[i];
        struct pl_channel_ref ref;
        struct sub_wish *at;

        if (pl_channel_resolve(cfg_of(s), g->channel, &ref) != PL_OK)
            return PL_R_UNKNOWN_CHANNEL;
        at = wish_add(w, g->channel, ref.opts);
        if (at == NULL)
            return PL_R_INTERNAL;
        at->chan_info = g->info;
        at->data = g->data;
        at->expire_at = g->expire_at;
        at->override = g->override;
    }
    return PL_R_NONE;
}

static enum pl_reason wish_personal(struct pl_sess *s, struct wishes *w, uint8_t name[CHANNEL_NAME_MAX])
{
    const struct pl_config *cfg = cfg_of(s);
    struct pl_channel_ref ref;
    size_t len;

    if (!cfg->client.subscribe_to_user_personal_channel.enabled || is_anonymous(s))
        return PL_R_NONE;
    if (pl_channel_personal(cfg, pl_str_slice(s->user), name, CHANNEL_NAME_MAX, &len) != PL_OK)
        return PL_R_INTERNAL;
    if (pl_channel_resolve(cfg, pl_slice(name, len), &ref) != PL_OK)
        return PL_R_UNKNOWN_CHANNEL;
    return wish_add(w, pl_slice(name, len), ref.opts) != NULL ? PL_R_NONE : PL_R_INTERNAL;
}

/* Would a plain subscribe of this client without a token be allowed? */
static bool may_ask(struct pl_sess *s, struct pl_slice channel, const struct pl_channel_ref *ref)
{
    const struct pl_config *cfg = cfg_of(s);

    if (channel.len == 0 || channel.len > cfg->channel.max_length || !pl_channel_name_ok(ref, channel) || ref->is_private ||
        ref->opts->subscription_type != PL_SUB_STREAM || ref->opts->subscribe_proxy_enabled)
        return false;
    if (ref->is_user_limited)
        return (!is_anonymous(s) && pl_channel_user_ok(cfg, channel, pl_str_slice(s->user))) || cfg->client.insecure;
    return (ref->opts->allow_subscribe_for_client && (!is_anonymous(s) || ref->opts->allow_subscribe_for_anonymous)) ||
           cfg->client.insecure;
}

/* The `subs` of the request: positions for what was decided elsewhere, and channels that the client may have anyway. */
static enum pl_reason wish_requested(struct pl_sess *s, const struct pl_connect_req *r, const struct pl_cproto_ops *codec,
                                     struct wishes *w)
{
    struct pl_walk walk = pl_walk(r->subs);
    struct pl_subscribe_req req;
    struct pl_slice channel;
    enum pl_err err;

    while ((err = codec->walk_subs(&walk, &room_of(s->shard)->scratch, &channel, &req)) == PL_OK) {
        struct sub_wish *at = wish_find(w, channel);
        struct pl_channel_ref ref;

        if (at == NULL) {
            if (pl_channel_resolve(cfg_of(s), channel, &ref) != PL_OK)
                return PL_R_BAD_REQUEST;
            if (!may_ask(s, channel, &ref))
                continue;
            at = wish_add(w, channel, ref.opts);
            if (at == NULL)
                return PL_R_INTERNAL;
        }
        at->recover = req.recover;
        at->offset = req.offset;
        at->epoch = req.epoch;
        at->wants_position = req.positioned;
        at->wants_recovery = req.recoverable;
        at->wants_join_leave = req.join_leave;
        at->wants_delta = pl_slice_eq(req.delta, PL_LIT("fossil"));
    }
    return err == PL_ENOENT ? PL_R_NONE : PL_R_BAD_REQUEST;
}

/* Everything is answered: the reply goes out in front of what was pushed meanwhile. */
static enum pl_err finish(struct pl_sess *s)
{
    struct connect_wait *c = s->rare->connect;
    const struct pl_config *cfg = cfg_of(s);
    struct pl_connect_result r = { .client = s->id, .version = PL_LIT(PEAL_VERSION " Peal"), .subs = pl_buf_slice(&c->entries) };

    if (!pl_buf_ok(&c->entries))
        c->has_failed = true, c->why = because(PL_R_INTERNAL);
    if (c->has_failed) {
        uint32_t id = c->id;
        enum pl_reason why = c->why.reason;

        sess_connect_wait_free(s);
        return refuse(s, id, why);
    }
    s->rare->connect = NULL; /* ours now: the reply may end the session */
    if ((s->flags & PL_SESS_EXPIRES) != 0) {
        int64_t left = (int64_t)s->expire_s - unix_now(s->shard);

        r.expires = true;
        r.ttl = left > 0 ? (uint32_t)left : 0;
    }
    if ((s->flags & PL_SESS_FRAME_PING) == 0 && cfg->client.ping_interval_ms > 0) {
        r.ping = (uint32_t)(cfg->client.ping_interval_ms / 1000);
        r.pong = (s->flags & PL_SESS_WANTS_PONG) != 0 && !is_uni(s) && cfg->client.pong_timeout_ms > 0;
    }
    r.session = sess_ticket_id(s);
    if (r.session != NULL && !is_uni(s))
        r.node = s->shard->node->id; /* where requests beside this connection must go */
    if (cfg->client.connect_include_server_time)
        r.time_ms = s->shard->wall_ms;
    sess_move(s, PL_SESS_LIVE);
    s->flags = (uint16_t)((s->flags & ~PL_SESS_HOLD) | PL_SESS_COUNTED);
    sess_count_unauthenticated(s->shard, -1);
    sess_count_live(s->shard, 1);
    pl_metric_add(s->shard->cells, PL_M_CONNECTS + s->pipe->ops->metric, 1);
    s->dialect->reply_connect(s, c->id, &r, sess_message(s));
    sess_send_first(s);
    for (size_t i = 0; i < c->n_after; i++)
        sess_join_tell(s, &c->after[i]);
    wait_free(c);
    sess_rare_drop(s); /* 208 bytes less for as long as the client stays */
    if (is_over(s))
        return PL_ECLOSED;
    sess_timers_live(s);
    return PL_OK;
}

void sess_connect_sub_done(struct pl_sess *s, const struct pl_sub_result *r)
{
    struct connect_wait *c = s->rare->connect;

    if (r->op->err != PL_OK && !c->has_failed) {
        c->has_failed = true;
        c->why = because(sess_reason_of(r->op->err));
    } else if (r->op->err == PL_OK) {
        s->dialect->connect_sub(&c->entries, r);
    }
    if (--c->n_left != 0)
        return;
    (void)finish(s); /* whether the session goes on, sess_op_end sees itself */
    sess_op_end(s);
}

static bool after_push(struct connect_wait *c, struct pl_op *op)
{
    if (op->event == NULL) {
        pl_op_fini(op);
        return true;
    }
    if (c->n_after == c->cap_after) {
        size_t cap = c->cap_after == 0 ? 2 : c->cap_after * 2;
        struct pl_op *v = realloc(c->after, cap * sizeof *v);

        if (v == NULL)
            return false;
        c->after = v;
        c->cap_after = cap;
    }
    c->after[c->n_after++] = *op;
    memset(op, 0, sizeof *op);
    return true;
}

static enum pl_err subscribe_all(struct pl_sess *s, uint32_t id, const struct wishes *w)
{
    struct pl_rare *rare = sess_rare(s);
    struct connect_wait *c = calloc(1, sizeof *c);

    if (rare == NULL || c == NULL) {
        free(c);
        return refuse(s, id, PL_R_INTERNAL);
    }
    rare->connect = c;
    c->id = id;
    c->n_left = 1; /* ours, until all are asked */
    c->entries = pl_buf_init((size_t)64 << 20);
    s->flags |= PL_SESS_HOLD;
    for (size_t i = 0; i < w->n && !c->has_failed; i++) {
        struct sub_wish *wish = &w->v[i];
        struct pl_sub_result r;
        struct pl_sub *sub;
        struct pl_op op;
        enum pl_err err = sess_sub_begin(s, wish, WAIT_CONNECT, id, &op, &sub);

        if (err == PL_WAIT) {
            c->n_left++;
        } else if (err != PL_OK) {
            c->has_failed = true;
            c->why = because(sess_reason_of(err));
        } else {
            sess_sub_result(s, sub, &op, wish->recover || wish->opts->auto_cache_recover, wish->offset, wish->data, wish->expire_at, &r);
            s->dialect->connect_sub(&c->entries, &r);
            if (!after_push(c, &op)) {
                pl_op_fini(&op);
                c->has_failed = true;
                c->why = because(PL_R_INTERNAL);
            }
        }
    }
    if (--c->n_left == 0)
        return finish(s);
    sess_op_begin(s);
    return PL_WAIT;
}

static enum pl_err connect_as(struct pl_sess *s, uint32_t id, const struct pl_connect_req *r, const struct pl_credentials *cred,
                              bool has_personal)
{
    const struct pl_config *cfg = cfg_of(s);
    uint8_t personal[CHANNEL_NAME_MAX];
    struct wishes w = { 0 };
    enum pl_reason why;
    enum pl_err err;
    bool ok;

    s->user = pl_str_new(cred->user, &ok);
    if (ok)
        s->conn_info = pl_str_new(cred->info, &ok);
    if (ok && cred->meta.len != 0 && sess_rare(s) != NULL)
        s->rare->meta = pl_str_new(cred->meta, &ok);
    if (!ok)
        return refuse(s, id, PL_R_INTERNAL);
    if (!sess_user_limit_take(s))
        return sess_bad(s, PL_R_CONNECTION_LIMIT);
    if (cred->expire_at > 0 && !cfg->client.insecure) {
        if (cred->expire_at <= unix_now(s->shard))
            return refuse(s, id, PL_R_EXPIRED);
        s->flags |= PL_SESS_EXPIRES;
        s->expire_s = (uint32_t)capped_end(s->shard, cred->expire_at);
    }
    sess_user_link(s);
    why = wish_grants(s, cred, &w);
    if (why == PL_R_NONE && has_personal)
        why = wish_personal(s, &w, personal);
    if (why != PL_R_NONE) {
        free(w.v);
        return refuse(s, id, why);
    }
    why = wish_requested(s, r, s->dialect->codec, &w);
    if (why == PL_R_NONE && cfg->client.channel_limit > 0 && w.n > (size_t)cfg->client.channel_limit)
        why = PL_R_CHANNEL_LIMIT;
    pl_metric_add(s->shard->cells, PL_M_CHANNEL_LIMIT_HIT, why == PL_R_CHANNEL_LIMIT);
    err = why != PL_R_NONE ? sess_bad(s, why) : subscribe_all(s, id, &w);
    free(w.v);
    return err;
}

enum pl_err sess_connect(struct pl_sess *s, uint32_t id, const struct pl_connect_req *r)
{
    const struct pl_config *cfg = cfg_of(s);
    struct pl_credentials cred = { 0 };
    bool has_personal = true;

    sess_move(s, PL_SESS_CONNECTING);
    pl_scratch_reset(&room_of(s->shard)->scratch);
    if (r->token.len != 0) {
        enum pl_err err = pl_auth_connection(s->shard, r->token, &room_of(s->shard)->scratch, &cred);

        if (err == PL_EEXPIRED)
            return refuse(s, id, PL_R_TOKEN_EXPIRED);
        if (err != PL_OK)
            return sess_bad(s, PL_R_INVALID_TOKEN);
        if (cred.user.len == 0 && cfg->client.disallow_anonymous_connection_tokens)
            return sess_bad(s, PL_R_DENIED);
    } else if (!cfg->client.allow_anonymous_connect_without_token && !cfg->client.insecure) {
        if (s->rare == NULL || s->rare->header_user == NULL)
            return sess_bad(s, PL_R_BAD_REQUEST);
        cred.user = pl_str_slice(s->rare->header_user);
        has_personal = false; /* as Centrifugo does it */
    }
    return connect_as(s, id, r, &cred, has_personal);
}
