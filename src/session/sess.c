#include "session/sess.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/utf8.h"
#include "session/room.h"

#define TO(s) (1u << (s))

static const struct {
    const char *name;
    unsigned next;
} sess_states[] = {
    [PL_SESS_NEW]        = { "new", TO(PL_SESS_CONNECTING) | TO(PL_SESS_DRAINING) | TO(PL_SESS_DEAD) },
    [PL_SESS_CONNECTING] = { "connecting", TO(PL_SESS_LIVE) | TO(PL_SESS_REFUSED) | TO(PL_SESS_DRAINING) | TO(PL_SESS_DEAD) },
    [PL_SESS_LIVE]       = { "live", TO(PL_SESS_DRAINING) | TO(PL_SESS_DEAD) },
    [PL_SESS_DRAINING]   = { "draining", TO(PL_SESS_DEAD) },
    [PL_SESS_REFUSED]    = { "refused", TO(PL_SESS_DRAINING) | TO(PL_SESS_DEAD) },
    [PL_SESS_DEAD]       = { "dead", 0 },
};

static const char sess_kind;

enum { DRAIN_MS = 5000, MESSAGE_MAX = 256 << 20, SCRATCH_MAX = 1 << 20, INPUT_MAX = 1 << 20 };

void sess_move(struct pl_sess *s, enum pl_sess_state next)
{
    PL_ASSERT((sess_states[s->state].next & TO(next)) != 0);
    s->state = (uint8_t)next;
}

struct pl_rare *sess_rare(struct pl_sess *s)
{
    if (s->rare == NULL) {
        s->rare = calloc(1, sizeof *s->rare);
        if (s->rare != NULL)
            s->rare->rest = pl_buf_init(MESSAGE_MAX);
    }
    return s->rare;
}

static void rare_free(struct pl_sess *s)
{
    struct pl_rare *r = s->rare;

    if (r == NULL)
        return;
    sess_connect_wait_free(s);
    sess_ticket_free(s);
    pl_buf_fini(&r->rest);
    pl_str_unref(&r->meta);
    pl_str_unref(&r->header_user);
    pl_str_unref(&r->name);
    pl_str_unref(&r->version);
    free(r);
    s->rare = NULL;
}

void sess_rare_drop(struct pl_sess *s)
{
    const struct pl_rare *r = s->rare;

    if (r != NULL && r->ticket == NULL && r->connect == NULL && r->rest.len == 0 && r->meta == NULL && r->header_user == NULL && r->name == NULL
        && r->version == NULL && s->state != PL_SESS_DRAINING)
        rare_free(s);
}

/* xorshift64*: spreads timers, protects nothing. */
uint64_t sess_random(struct pl_shard *shard, uint64_t below)
{
    uint64_t x = room_of(shard)->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    room_of(shard)->random = x;
    return below == 0 ? 0 : (x * 2685821657736338717u >> 11) % below;
}

struct pl_client_info sess_info(const struct pl_sess *s, struct pl_str *chan_info)
{
    struct pl_client_info info = { .user = s->user, .conn_info = s->conn_info, .chan_info = chan_info };

    memcpy(info.client, s->id, sizeof info.client);
    return info;
}

/* ---- users ---- */

static struct sess_user *user_find(struct sess_room *room, uint64_t hash, struct pl_slice name)
{
    for (struct pl_tnode *n = pl_table_find(&room->users, hash); n != NULL; n = pl_table_same(n))
        if (pl_slice_eq(pl_str_slice(PL_OF(n, struct sess_user, node)->name), name))
            return PL_OF(n, struct sess_user, node);
    return NULL;
}

void sess_user_link(struct pl_sess *s)
{
    struct sess_room *room = room_of(s->shard);
    struct sess_user *u;
    uint64_t hash;

    if (is_anonymous(s))
        return;
    hash = pl_hash(s->shard->node->hash_key, pl_str_slice(s->user));
    u = user_find(room, hash, pl_str_slice(s->user));
    if (u == NULL) {
        u = calloc(1, sizeof *u);
        if (u == NULL || !pl_table_insert(&room->users, &u->node, hash)) {
            free(u); /* the API cannot reach this one by its user until it reconnects */
            pl_metric_add(s->shard->cells, PL_M_OUT_OF_MEMORY, 1);
            return;
        }
        u->name = pl_str_ref(s->user);
        pl_list_init(&u->sessions);
        pl_metric_add(s->shard->cells, PL_M_USERS, 1);
    } else {
        /* one string for all of a user's connections */
        pl_str_unref(&s->user);
        s->user = pl_str_ref(u->name);
    }
    pl_list_push_back(&u->sessions, &s->of_user);
}

void sess_user_unlink(struct pl_sess *s)
{
    struct pl_list *rest = s->of_user.next;
    struct sess_user *u;

    if (pl_list_is_empty(&s->of_user))
        return;
    pl_list_remove(&s->of_user);
    if (!pl_list_is_empty(rest))
        return;
    u = PL_OF(rest, struct sess_user, sessions); /* only the head was left */
    pl_table_remove(&room_of(s->shard)->users, &u->node);
    pl_str_unref(&u->name);
    free(u);
    pl_metric_add(s->shard->cells, PL_M_USERS, -1);
}

/* ---- life ---- */

struct pl_sess *pl_sess_by_handle(struct pl_shard *shard, struct pl_handle h)
{
    return pl_handle_get(shard, h, &sess_kind);
}

static void sess_free(struct pl_shard *shard, struct pl_deferred *d)
{
    pl_slab_free(&room_of(shard)->slab, PL_OF(d, struct pl_sess, deferred));
}

/* Gives up everything but the memory itself. The pipe is no longer ours. */
static void sess_die(struct pl_sess *s)
{
    struct sess_room *room = room_of(s->shard);

    PL_ASSERT(s->subs == NULL);
    sess_move(s, PL_SESS_DEAD);
    pl_timer_stop(s->shard, &s->timer);
    sess_out_drop(s, false);
    pl_handle_free(s->shard, s->handle);
    sess_user_unlink(s);
    sess_user_limit_give(s);
    if ((s->flags & PL_SESS_COUNTED) != 0)
        sess_count_live(s->shard, -1);
    else
        sess_count_unauthenticated(s->shard, -1);
    rare_free(s);
    pl_list_remove(&s->all);
    pl_str_unref(&s->user);
    pl_str_unref(&s->conn_info);
    (void)room;
    s->deferred.free = sess_free;
    if ((s->flags & PL_SESS_DIRTY) != 0)
        s->flags |= PL_SESS_FREE_AT_FLUSH; /* the flush list still points here */
    else
        pl_shard_defer(s->shard, &s->deferred);
}

enum pl_err pl_sess_new(struct pl_shard *shard, const struct pl_sess_opts *opts, struct pl_sess **ret)
{
    struct sess_room *room = room_of(shard);
    struct pl_sess *s = pl_slab_alloc(&room->slab);
    enum pl_err err;
    bool ok = true;

    if (s == NULL)
        return PL_ENOMEM;
    memset(s, 0, sizeof *s);
    err = pl_handle_new(shard, &sess_kind, s, &s->handle);
    if (err != PL_OK) {
        pl_slab_free(&room->slab, s);
        return err;
    }
    s->shard = shard;
    s->pipe = opts->pipe;
    s->dialect = opts->dialect;
    s->render_class = (uint8_t)opts->render_class;
    s->flags = (uint16_t)((opts->wants_pong ? PL_SESS_WANTS_PONG : 0) | (opts->frame_ping ? PL_SESS_FRAME_PING : 0));
    s->timer.fire = sess_timer_fire;
    pl_list_init(&s->of_user);
    shard->world->ops->entropy(shard->world, s->id, sizeof s->id);
    s->id[6] = (uint8_t)((s->id[6] & 0x0f) | 0x40); /* RFC 4122 4.4: version 4 */
    s->id[8] = (uint8_t)((s->id[8] & 0x3f) | 0x80);
    if (opts->header_user.len != 0 || opts->has_ticket) {
        struct pl_rare *r = sess_rare(s);

        if (r != NULL)
            r->header_user = pl_str_new(opts->header_user, &ok);
        if (r == NULL || !ok || (opts->has_ticket && sess_ticket_new(s, NULL) != PL_OK)) {
            rare_free(s);
            pl_handle_free(shard, s->handle);
            pl_slab_free(&room->slab, s);
            return PL_ENOMEM;
        }
    }
    room->dialects[opts->render_class & 7] = opts->dialect;
    room->frames[(opts->render_class & PL_CLASS_FRAMING) >> 4] = opts->pipe->ops->frame;
    pl_list_push_back(&room->all, &s->all);
    opts->pipe->sess = s;
    sess_count_unauthenticated(shard, 1);
    sess_timers_new(s);
    *ret = s;
    return PL_OK;
}

static void pipe_close(struct pl_sess *s, uint32_t code, struct pl_slice text)
{
    struct sess_room *room = room_of(s->shard);
    struct pl_pipe *p = s->pipe;

    s->pipe = NULL;
    if (p == NULL)
        return;
    p->sess = NULL;
    if (code != 0 && p->ops->bye != NULL) {
        pl_buf_clear(&room->bye);
        pl_buf_clear(&room->bye_framed);
        s->dialect->push_disconnect(s->render_class, code, text, &room->bye);
        p->ops->frame(s->shard, s->render_class, pl_buf_slice(&room->bye), &room->bye_framed);
        if (pl_buf_ok(&room->bye) && pl_buf_ok(&room->bye_framed))
            p->ops->bye(p, pl_buf_slice(&room->bye_framed));
    }
    p->ops->close(p, code, text);
}

static void close_facts(const struct pl_outcome *why, uint32_t *ret_code, struct pl_slice *ret_text)
{
    const struct pl_reason_row *row = pl_reason_row(why->reason);

    *ret_code = why->code != 0 ? why->code : row->close;
    *ret_text = pl_slice_str(why->text != NULL ? why->text : row->bye);
    *ret_text = pl_utf8_cut(*ret_text, 123); /* RFC 6455 5.5: a control frame carries 125 bytes */
}

void pl_sess_end(struct pl_sess *s, const struct pl_outcome *why)
{
    struct pl_slice text = { 0 };
    uint32_t code = 0;

    if (s->state == PL_SESS_DEAD)
        return;
    if (s->state == PL_SESS_DRAINING) {
        if (why != NULL)
            return; /* it has its reason already */
        text = pl_slice(s->rare->close_text, s->rare->close_len);
        code = s->rare->close_code;
        pipe_close(s, code, text);
        sess_die(s);
        return;
    }
    close_facts(why, &code, &text);
    if (code != 0)
        pl_metric_add(s->shard->cells, PL_M_DISCONNECTS + pl_metric_code(code), 1);
    sess_subs_drop_all(s);
    sess_unhold(s);
    s->flags &= (uint16_t)~PL_SESS_BUSY; /* whose operation is still under way finds it over */
    if (s->rare != NULL)
        pl_buf_fini(&s->rare->rest);
    if (why->reason == PL_R_SLOW)
        sess_out_drop(s, true);
    sess_flush(s);
    /* What was promised before the end goes out first, if the peer takes it in time. */
    if (s->out_head != NULL && s->pipe != NULL && !PL_SABOTAGE(drain_skipped) && sess_rare(s) != NULL) {
        s->rare->close_code = code;
        s->rare->close_len = (uint8_t)text.len;
        memcpy(s->rare->close_text, text.p, text.len);
        sess_move(s, PL_SESS_DRAINING);
        s->pipe->ops->pause(s->pipe);
        pl_timer_start(s->shard, &s->timer, s->shard->now_ms + DRAIN_MS);
        return;
    }
    pipe_close(s, code, text);
    sess_die(s);
}

void pl_sess_close(struct pl_sess *s, enum pl_reason why)
{
    struct pl_outcome outcome = because(why);

    pl_sess_end(s, &outcome);
}

void pl_sess_on_gone(struct pl_sess *s, bool is_clean)
{
    (void)is_clean; /* a difference for presence grace, in a later issue */
    if (s->state == PL_SESS_DEAD)
        return;
    if (s->pipe != NULL)
        s->pipe->sess = NULL;
    s->pipe = NULL;
    if (s->state != PL_SESS_DRAINING)
        sess_subs_drop_all(s);
    sess_die(s);
}

/* ---- input ---- */

void pl_sess_message(struct pl_sess *s, uint8_t *p, size_t n)
{
    if (is_over(s))
        return;
    s->dialect->on_message(s, p, n);
}

enum pl_err pl_sess_keep(struct pl_sess *s, const uint8_t *p, size_t n)
{
    struct pl_rare *r = sess_rare(s);

    if (r == NULL)
        return PL_ENOMEM;
    PL_ASSERT(r->rest.len == 0);
    pl_buf_put(&r->rest, p, n);
    return pl_buf_ok(&r->rest) ? PL_OK : PL_ENOMEM;
}

void pl_sess_input(struct pl_sess *s, uint8_t *p, size_t n)
{
    struct pl_slice separator = s->dialect->codec->separator;
    struct pl_rare *r;

    if ((s->flags & PL_SESS_BUSY) == 0 || is_over(s) || n == 0) {
        pl_sess_message(s, p, n);
        return;
    }
    r = sess_rare(s);
    if (r != NULL && r->rest.len + n > INPUT_MAX) {
        pl_sess_close(s, PL_R_TOO_MANY);
        return;
    }
    if (r != NULL && r->rest.len != 0 && (separator.len == 0 || r->rest.p[r->rest.len - 1] != separator.p[0]))
        pl_buf_slice_put(&r->rest, separator);
    if (r != NULL)
        pl_buf_put(&r->rest, p, n);
    if (r == NULL || !pl_buf_ok(&r->rest))
        pl_sess_close(s, PL_R_INTERNAL);
}

void sess_op_begin(struct pl_sess *s)
{
    PL_ASSERT((s->flags & PL_SESS_BUSY) == 0);
    s->flags |= PL_SESS_BUSY;
    s->pipe->ops->pause(s->pipe);
}

void sess_op_end(struct pl_sess *s)
{
    struct pl_buf rest;

    s->flags &= (uint16_t)~PL_SESS_BUSY;
    if (is_over(s))
        return;
    if (s->rare != NULL && s->rare->rest.len != 0) {
        rest = s->rare->rest;
        s->rare->rest = pl_buf_init(MESSAGE_MAX);
        s->dialect->on_message(s, rest.p, rest.len);
        pl_buf_fini(&rest);
        if (is_over(s) || (s->flags & PL_SESS_BUSY) != 0)
            return;
    }
    if (s->pipe != NULL)
        s->pipe->ops->resume(s->pipe);
}

enum pl_err sess_bad(struct pl_sess *s, enum pl_reason why)
{
    pl_sess_close(s, why);
    return PL_ECLOSED;
}

enum pl_err sess_error(struct pl_sess *s, uint32_t id, enum pl_reason why)
{
    struct pl_outcome outcome = because(why);

    pl_metric_add2(s->shard->cells, REPLY_ERRORS, room_of(s->shard)->command, pl_metric_reply(pl_reason_row(why)->reply), 1);
    s->dialect->reply_error(s, id, &outcome, sess_message(s));
    sess_send(s);
    return is_over(s) ? PL_ECLOSED : PL_OK;
}

static enum pl_err run_live(struct pl_sess *s, const struct pl_command *c)
{
    switch (c->kind) {
    case PL_CMD_NONE:
    case PL_CMD_CONNECT:
    case PL_CMD_PING:           return sess_bad(s, PL_R_BAD_REQUEST);
    case PL_CMD_SEND:           return sess_bad(s, PL_R_NOT_AVAILABLE);
    case PL_CMD_SUBSCRIBE:      return sess_subscribe(s, c->id, &c->subscribe);
    case PL_CMD_UNSUBSCRIBE:    return sess_unsubscribe(s, c->id, c->unsubscribe.channel);
    case PL_CMD_PUBLISH:        return sess_publish(s, c->id, &c->publish);
    case PL_CMD_PRESENCE:       return sess_presence(s, c->id, c->presence.channel, false);
    case PL_CMD_PRESENCE_STATS: return sess_presence(s, c->id, c->presence_stats.channel, true);
    case PL_CMD_HISTORY:        return sess_history(s, c->id, &c->history);
    case PL_CMD_RPC:            return sess_rpc(s, c->id, &c->rpc);
    case PL_CMD_REFRESH:        return sess_refresh(s, c->id, c->refresh.token);
    case PL_CMD_SUB_REFRESH:    return sess_sub_refresh(s, c->id, &c->sub_refresh);
    case PL_N_CMDS:             break;
    }
    PL_UNREACHABLE();
}

enum pl_err pl_sess_command(struct pl_sess *s, const struct pl_command *c)
{
    switch ((enum pl_sess_state)s->state) {
    case PL_SESS_REFUSED:
        return PL_OK;
    case PL_SESS_DRAINING:
    case PL_SESS_DEAD:
        return PL_ECLOSED;
    case PL_SESS_CONNECTING:
        PL_UNREACHABLE(); /* input waits while an operation runs */
    case PL_SESS_NEW:
    case PL_SESS_LIVE:
        break;
    }
    if (pl_command_is_pong(c)) {
        if ((s->flags & PL_SESS_PONG) == 0 && !PL_SABOTAGE(pong_unasked))
            return sess_bad(s, PL_R_BAD_REQUEST);
        pl_sess_pong(s);
        return PL_OK;
    }
    room_of(s->shard)->command = c->kind == PL_CMD_NONE || c->kind > PL_CMD_SUB_REFRESH ? PL_MV_COMMAND_OTHER : (int)c->kind - 1;
    pl_metric_add(s->shard->cells, PL_M_ACTIONS + room_of(s->shard)->command, 1);
    if (s->state == PL_SESS_NEW)
        return c->kind == PL_CMD_CONNECT ? sess_connect(s, c->id, &c->connect) : sess_bad(s, PL_R_BAD_REQUEST);
    if (pl_command_channel(c).len == 0 && (c->kind == PL_CMD_SUBSCRIBE || c->kind == PL_CMD_UNSUBSCRIBE || c->kind == PL_CMD_PUBLISH ||
                                           c->kind == PL_CMD_PRESENCE || c->kind == PL_CMD_PRESENCE_STATS ||
                                           c->kind == PL_CMD_HISTORY || c->kind == PL_CMD_SUB_REFRESH))
        return sess_bad(s, PL_R_BAD_REQUEST);
    return run_live(s, c);
}

/* ---- room ---- */

size_t pl_sess_count(const struct pl_shard *s) { return room_of(s)->n_live; }
size_t pl_sess_n_users(const struct pl_shard *s) { return room_of(s)->users.n; }

void pl_sess_shutdown(struct pl_shard *shard)
{
    struct pl_list *all = &room_of(shard)->all, todo;

    /* By way of a second list, since the end of one session may end others (their queues take its leave). */
    pl_list_init(&todo);
    while (!pl_list_is_empty(all)) {
        struct pl_list *it = all->next;

        pl_list_remove(it);
        pl_list_push_back(&todo, it);
    }
    while (!pl_list_is_empty(&todo)) {
        struct pl_sess *s = PL_OF(todo.next, struct pl_sess, all);

        pl_list_remove(&s->all);
        pl_list_push_back(all, &s->all);
        if (!is_over(s))
            pl_sess_close(s, PL_R_SHUTDOWN);
    }
}

void pl_sess_init(struct pl_shard *shard)
{
    struct sess_room *room = calloc(1, sizeof *room);

    PL_ASSERT(room != NULL);
    pl_table_init(&room->users);
    pl_table_init(&room->tickets);
    pl_slab_init(&room->slab, sizeof(struct pl_sess));
    pl_list_init(&room->all);
    room->flush.run = sess_flush_run;
    room->message = pl_buf_init(MESSAGE_MAX);
    room->framed = pl_buf_init(MESSAGE_MAX);
    room->bye = pl_buf_init(4096);
    room->bye_framed = pl_buf_init(8192);
    room->scratch = pl_scratch_init(SCRATCH_MAX);
    shard->world->ops->entropy(shard->world, &room->random, sizeof room->random);
    room->random |= 1;
    shard->world->ops->entropy(shard->world, &room->ping_phase, sizeof room->ping_phase);
    shard->rooms[PL_ROOM_SESSION] = room;
}

void pl_sess_fini(struct pl_shard *shard)
{
    struct sess_room *room = room_of(shard);

    if (room == NULL)
        return;
    while (!pl_list_is_empty(&room->all))
        pl_sess_on_gone(PL_OF(room->all.next, struct pl_sess, all), false);
    while (room->dirty != NULL) {
        struct pl_sess *s = room->dirty;

        room->dirty = s->dirty_next;
        pl_slab_free(&room->slab, s); /* all of them are dead */
    }
    pl_shard_free_deferred(shard); /* those that have just died */
    pl_table_fini(&room->users);
    pl_table_fini(&room->tickets);
    pl_slab_fini(&room->slab);
    pl_buf_fini(&room->message);
    pl_buf_fini(&room->framed);
    pl_buf_fini(&room->bye);
    pl_buf_fini(&room->bye_framed);
    pl_scratch_fini(&room->scratch);
    free(room);
    shard->rooms[PL_ROOM_SESSION] = NULL;
}
