/* http/server.c - one HTTP/1.1 server connection: its states, deadlines and ends. Bytes are understood in request.c, answers
 * are written in answer.c. */
#include <stdlib.h>

#include "base/check.h"
#include "http/room.h"

#define TO(s) (1u << (s))

static const struct {
    const char *name;
    unsigned next;
} states[] = {
    [H_IDLE]    = { "idle",    TO(H_HEAD) | TO(H_BODY) | TO(H_RUN) | TO(H_CLOSING) | TO(H_GONE) | TO(H_IDLE) }, /* answered by the room */
    [H_HEAD]    = { "head",    TO(H_IDLE) | TO(H_BODY) | TO(H_RUN) | TO(H_CLOSING) | TO(H_GONE) },
    [H_BODY]    = { "body",    TO(H_RUN) | TO(H_CLOSING) | TO(H_GONE) },
    [H_RUN]     = { "run",     TO(H_IDLE) | TO(H_WAIT) | TO(H_STREAM) | TO(H_CLOSING) | TO(H_GONE) },
    [H_WAIT]    = { "wait",    TO(H_IDLE) | TO(H_STREAM) | TO(H_CLOSING) | TO(H_GONE) },
    [H_STREAM]  = { "stream",  TO(H_IDLE) | TO(H_CLOSING) | TO(H_GONE) },
    [H_CLOSING] = { "closing", TO(H_CLOSING) | TO(H_GONE) },
    [H_GONE]    = { "gone",    0 },
};

void http_move(struct pl_http *h, enum http_state next)
{
    PL_ASSERT(states[h->state].next & TO(next));
    h->state = (uint8_t)next;
}

void http_deadline_set(struct pl_http *h, enum http_deadline what, uint64_t in_ms)
{
    h->deadline = (uint8_t)what;
    pl_conn_timer(h->conn, what != T_NONE ? h->conn->shard->now_ms + in_ms : 0);
}

void http_pause(struct pl_http *h)
{
    if (h->is_paused)
        return;
    h->is_paused = true;
    pl_conn_pause(h->conn);
}

void http_resume(struct pl_http *h)
{
    if (!h->is_paused)
        return;
    h->is_paused = false;
    pl_conn_resume(h->conn);
}

void http_request_forget(struct pl_http *h)
{
    if (h->handle.v != 0)
        pl_handle_free(h->conn->shard, h->handle);
    h->handle = (struct pl_handle){ 0 };
    if (h->cors_owned)
        free((void *)(uintptr_t)h->cors.p);
    h->cors = (struct pl_slice){ NULL, 0 };
    h->cors_owned = false;
    h->watch = NULL;
    h->watch_user = NULL;
}

static void http_free(struct pl_shard *s, struct pl_deferred *d)
{
    struct pl_http *h = PL_OF(d, struct pl_http, deferred);

    (void)s; /* nothing of the shard's is held any more */
    pl_buf_fini(&h->hold); /* a handler that took the connection could still read it */
    free(h);
}

/* Lets go of everything but the bytes a handler may still be reading. The connection itself lives on. */
static void http_end(struct pl_http *h)
{
    struct pl_shard *s = h->conn->shard;

    http_request_forget(h);
    http_move(h, H_GONE);
    http_shard(h)->n_conns--;
    pl_buf_fini(&h->out);
    h->out_at = 0;
    h->conn = NULL;
    pl_shard_defer(s, &h->deferred);
}

struct pl_http *http_new(struct pl_conn *c)
{
    struct pl_http *h = calloc(1, sizeof *h);

    if (h == NULL)
        return NULL;
    h->conn = c;
    h->out = pl_buf_init(HTTP_OUT_LIMIT);
    h->hold = pl_buf_init(SIZE_MAX / 2); /* bounded by head and route limits */
    h->deferred.free = http_free;
    http_shard(h)->n_conns++;
    if (c->in_limit < http_opts(c->shard)->max_head_bytes) /* a head stays in the tail until it is whole */
        c->in_limit = (uint32_t)http_opts(c->shard)->max_head_bytes;
    return h;
}

void pl_http_on_accept(struct pl_conn *c)
{
    struct pl_http *h = http_new(c);

    if (h == NULL) {
        pl_conn_close(c, PL_CLOSE_ABORT);
        return;
    }
    pl_conn_set_user(c, &http_conn_ops, h);
    http_deadline_set(h, T_IDLE, http_opts(c->shard)->head_timeout_ms); /* idle, but a new peer has less time than a known one */
}

/* The output buffer of a turn is the shard's spare one, so that an ordinary request allocates nothing. */
static void spare_borrow(struct pl_http *h)
{
    struct http_shard *room = http_shard(h);

    if (h->out.p != NULL || room->spare.p == NULL)
        return;
    h->out = room->spare;
    h->out.limit = HTTP_OUT_LIMIT;
    room->spare = pl_buf_init(0);
}

/* Which deadline the state asks for. A head's runs from its first byte and a body's from its head, so these are not put off by
 * more bytes; request.c stops the old one when a request begins to be served. */
static void deadline_choose(struct pl_http *h)
{
    const struct pl_http_opts *o = http_opts(h->conn->shard);

    if (http_pending(h) > 0)
        return; /* http_flush() has set T_WRITE */
    switch ((enum http_state)h->state) {
    case H_IDLE:
        if (h->deadline != T_IDLE || h->n_requests > 0)
            http_deadline_set(h, T_IDLE, o->idle_timeout_ms);
        return;
    case H_HEAD:
        if (h->deadline != T_HEAD)
            http_deadline_set(h, T_HEAD, o->head_timeout_ms);
        return;
    case H_BODY:
        if (h->deadline != T_BODY)
            http_deadline_set(h, T_BODY, o->body_timeout_ms);
        return;
    case H_WAIT: case H_STREAM:
        http_deadline_set(h, T_NONE, 0); /* the handler has its own */
        return;
    case H_CLOSING: case H_GONE:
        return;
    case H_RUN:
        break;
    }
    PL_UNREACHABLE();
}

/* Requests one after the other, as long as each is answered at once and there is room for answers. */
static size_t bytes_take(struct pl_http *h, uint8_t *p, size_t n)
{
    size_t at = 0, used = 1;

    while (at < n && used > 0) {
        used = 0;
        switch ((enum http_state)h->state) {
        case H_IDLE: case H_HEAD:
            used = http_head_take(h, p + at, n - at);
            break;
        case H_BODY:
            used = http_body_take(h, p + at, n - at);
            break;
        case H_WAIT: case H_STREAM:
            http_pause(h);
            break;
        case H_CLOSING:
            used = n - at;
            break;
        case H_GONE:
            return at;
        case H_RUN:
            PL_UNREACHABLE();
        }
        at += used;
    }
    return at;
}

/* The peer has sent its last byte: when nothing unread is left either, no further request can become whole. */
void http_eof_check(struct pl_http *h)
{
    if (h->is_eof && !h->is_paused && (h->state == H_IDLE || h->state == H_HEAD || h->state == H_BODY))
        http_move(h, H_CLOSING);
}

static size_t on_bytes(struct pl_conn *c, uint8_t *p, size_t n)
{
    struct pl_http *h = c->user;
    size_t at;

    spare_borrow(h);
    h->in_turn = true;
    at = bytes_take(h, p, n);
    if (h->state == H_GONE)
        return at; /* the connection has another user now */
    h->in_turn = false;
    http_eof_check(h);
    http_flush(h);
    if (h->state != H_GONE && !pl_conn_is_closing(c))
        deadline_choose(h);
    return at;
}

static void on_overflow(struct pl_conn *c)
{
    struct pl_http *h = c->user;

    /* Cannot come: a head over its limit is refused, a body is taken at once, and otherwise reading is paused. */
    http_move(h, H_CLOSING);
    pl_conn_close(c, PL_CLOSE_ABORT);
}

static bool on_eof(struct pl_conn *c)
{
    struct pl_http *h = c->user;

    h->is_eof = true;
    switch ((enum http_state)h->state) {
    case H_IDLE: case H_HEAD: case H_BODY:
        if (http_pending(h) == 0)
            return false;
        if (c->tail_len == 0 || h->state != H_IDLE)
            http_move(h, H_CLOSING);
        return true;
    case H_WAIT:
        return true;  /* a client that half-closes still wants its answer */
    case H_STREAM:
        return false; /* an event source that stops listening closes, it does not half-close */
    case H_CLOSING:
        return http_pending(h) > 0;
    case H_RUN: case H_GONE:
        break;
    }
    PL_UNREACHABLE();
}

/* Room again: the rest of the answers, then the requests that waited behind them. */
static void go_on(struct pl_http *h)
{
    const struct pl_http_watch_ops *watch;

    http_flush(h);
    if (h->state == H_GONE || pl_conn_is_closing(h->conn) || http_pending(h) > 0)
        return;
    deadline_choose(h);
    watch = h->watch;
    if (h->state == H_STREAM && watch != NULL && watch->on_drained != NULL)
        watch->on_drained(h, h->watch_user);
    else if (h->state == H_IDLE || h->state == H_HEAD || h->state == H_BODY)
        http_resume(h);
}

static void on_writable(struct pl_conn *c)
{
    go_on(c->user);
}

static void on_timer(struct pl_conn *c)
{
    struct pl_http *h = c->user;
    enum http_deadline what = h->deadline;

    h->deadline = T_NONE;
    switch (what) {
    case T_GO_ON:
        go_on(h);
        return;
    case T_HEAD: case T_BODY:
        if (h->state == H_HEAD || h->state == H_BODY) {
            http_count(h, h->state == H_HEAD ? PL_M_HEADS_SLOW : PL_M_BODIES_SLOW);
            http_say(h, 408, "request did not arrive in time", true, NULL);
            http_flush(h);
            return;
        }
        break; /* nothing was ever sent: nothing is answered */
    case T_WRITE:
        http_count(h, PL_M_WRITE_TIMEOUTS);
        pl_conn_close(c, PL_CLOSE_ABORT);
        return;
    case T_IDLE: case T_NONE:
        break;
    }
    pl_conn_close(c, PL_CLOSE_LINGER);
}

static void on_closed(struct pl_conn *c, enum pl_conn_end why)
{
    struct pl_http *h = c->user;
    const struct pl_http_watch_ops *watch = h->watch;
    void *user = h->watch_user;

    (void)why; /* net counts the kinds */
    h->watch = NULL;
    if (watch != NULL && watch->on_closed != NULL)
        watch->on_closed(h, user);
    http_end(h);
}

const struct pl_conn_ops http_conn_ops = {
    .name = "http",
    .on_bytes = on_bytes,
    .on_overflow = on_overflow,
    .on_eof = on_eof,
    .on_writable = on_writable,
    .on_timer = on_timer,
    .on_closed = on_closed,
    .save = http_save,
};

struct pl_conn *pl_http_take(struct pl_http *h)
{
    struct pl_conn *c = h->conn;

    PL_ASSERT(h->state == H_RUN);
    if (!http_out_is_clear(h)) /* request.c has seen to that for every request with an Upgrade field; another cannot be served */
        pl_conn_close(c, PL_CLOSE_ABORT);
    pl_conn_timer(c, 0);
    http_count(h, PL_M_HTTP_REQUESTS + PL_MV_STATUS_101);
    http_end(h);
    return c;
}

void pl_http_init(struct pl_node *n, const struct pl_http_opts *opts)
{
    struct http_node *room = calloc(1, sizeof *room);

    PL_ASSERT(room != NULL && n->rooms[PL_ROOM_HTTP] == NULL); /* boot-time */
    room->opts = *opts;
    n->rooms[PL_ROOM_HTTP] = room;
    for (unsigned i = 0; i < n->n_shards; i++) {
        struct http_shard *s = calloc(1, sizeof *s);

        PL_ASSERT(s != NULL);
        s->spare = pl_buf_init(0);
        s->cors = pl_buf_init(PL_HTTP1_HEAD_BYTES * 2);
        s->date_s = -1;
        n->shards[i]->rooms[PL_ROOM_HTTP] = s;
    }
}

void pl_http_fini(struct pl_node *n)
{
    for (unsigned i = 0; i < n->n_shards; i++) {
        struct http_shard *s = n->shards[i]->rooms[PL_ROOM_HTTP];

        if (s == NULL)
            continue;
        PL_ASSERT(s->n_conns == 0);
        pl_buf_fini(&s->spare);
        pl_buf_fini(&s->cors);
        free(s);
        n->shards[i]->rooms[PL_ROOM_HTTP] = NULL;
    }
    free(n->rooms[PL_ROOM_HTTP]);
    n->rooms[PL_ROOM_HTTP] = NULL;
}

static void drain_one(struct pl_conn *c, void *arg)
{
    struct pl_http *h = c->user;

    (void)arg;
    if (c->ops == &http_conn_ops && h->state == H_IDLE && http_pending(h) == 0)
        pl_conn_close(c, PL_CLOSE_LINGER);
}

void pl_http_drain(struct pl_shard *s)
{
    ((struct http_shard *)s->rooms[PL_ROOM_HTTP])->is_draining = true;
    pl_net_each(s, drain_one, NULL);
}

size_t pl_http_count(const struct pl_shard *s)
{
    return ((const struct http_shard *)s->rooms[PL_ROOM_HTTP])->n_conns;
}
