/* http/record.c - an HTTP connection written down between two turns, and going on from it. */
#include <stdlib.h>

#include "base/check.h"
#include "http/room.h"

/* Tags are never reused; see base/record.h. */
enum {
    R_STATE = 100, R_FLAGS, R_N_REQUESTS, R_HOLD, R_HOLD_HEAD, R_BODY_LEFT, R_CHUNK_LEFT, R_CHUNK_BODY, R_CHUNK_EXTRA,
    R_CHUNK_STATE, R_CHUNK_DIGITS, R_OUT, R_ROUTE, R_CORS, R_STREAM_LIMIT, R_DEADLINE, R_DEADLINE_MS, R_WATCH,
};

enum {
    F_KEEP_ALIVE = 1 << 0, F_IS_HEAD = 1 << 1, F_IS_1_0 = 1 << 2, F_BODY_CHUNKED = 1 << 3, F_STREAM_CHUNKED = 1 << 4,
    F_IS_PAUSED = 1 << 5, F_IS_EOF = 1 << 6,
};

static unsigned flags_of(const struct pl_http *h)
{
    return (h->keep_alive ? F_KEEP_ALIVE : 0u) | (h->is_head ? F_IS_HEAD : 0u) | (h->is_1_0 ? F_IS_1_0 : 0u) |
           (h->body_chunked ? F_BODY_CHUNKED : 0u) | (h->stream_chunked ? F_STREAM_CHUNKED : 0u) |
           (h->is_paused ? F_IS_PAUSED : 0u) | (h->is_eof ? F_IS_EOF : 0u);
}

static void flags_to(struct pl_http *h, uint64_t f)
{
    h->keep_alive = (f & F_KEEP_ALIVE) != 0;
    h->is_head = (f & F_IS_HEAD) != 0;
    h->is_1_0 = (f & F_IS_1_0) != 0;
    h->body_chunked = (f & F_BODY_CHUNKED) != 0;
    h->stream_chunked = (f & F_STREAM_CHUNKED) != 0;
    h->is_paused = (f & F_IS_PAUSED) != 0;
    h->is_eof = (f & F_IS_EOF) != 0;
}

void http_save(struct pl_conn *c, struct pl_rec_out *r)
{
    const struct pl_http *h = c->user;

    PL_ASSERT(h->state != H_RUN && h->state != H_GONE); /* between turns */
    pl_rec_u64(r, R_STATE, h->state);
    pl_rec_u64(r, R_FLAGS, flags_of(h));
    pl_rec_u64(r, R_N_REQUESTS, h->n_requests);
    if (!PL_SABOTAGE(http_record_drops_output))
        pl_rec_bytes(r, R_OUT, pl_slice_from(pl_buf_slice(&h->out), h->out_at));
    if (h->state == H_BODY) {
        pl_rec_bytes(r, R_HOLD, pl_buf_slice(&h->hold));
        pl_rec_u64(r, R_HOLD_HEAD, h->hold_head);
        pl_rec_u64(r, R_BODY_LEFT, h->body_left);
        pl_rec_u64(r, R_CHUNK_LEFT, h->chunk.left);
        pl_rec_u64(r, R_CHUNK_BODY, h->chunk.n_body);
        pl_rec_u64(r, R_CHUNK_EXTRA, h->chunk.n_extra);
        pl_rec_u64(r, R_CHUNK_STATE, h->chunk.state);
        pl_rec_u64(r, R_CHUNK_DIGITS, h->chunk.n_digits);
    }
    if (h->state == H_WAIT || h->state == H_STREAM) {
        pl_rec_bytes(r, R_ROUTE, pl_slice_str(h->route->path));
        pl_rec_bytes(r, R_CORS, h->cors);
        pl_rec_u64(r, R_STREAM_LIMIT, h->stream_limit);
        if (h->watch != NULL && h->watch->save != NULL) {
            size_t mark = pl_rec_begin(r, R_WATCH);

            h->watch->save((struct pl_http *)(uintptr_t)h, h->watch_user, r);
            pl_rec_end(r, mark);
        }
    }
    if (h->deadline != T_NONE && pl_timer_is_on(&c->timer)) {
        pl_rec_u64(r, R_DEADLINE, h->deadline);
        pl_rec_u64(r, R_DEADLINE_MS, c->timer.due_ms > c->shard->now_ms ? c->timer.due_ms - c->shard->now_ms : 0);
    }
}

/* What is read before it can be judged. */
struct loaded {
    uint64_t state, deadline, deadline_ms;
    struct pl_slice route, cors;
    struct pl_rec_in watch;
    bool has_watch;
};

static enum pl_err fields_read(struct pl_http *h, struct pl_rec_in in, struct loaded *l)
{
    struct pl_rec_field f;
    enum pl_err err;

    while ((err = pl_rec_next(&in, &f)) == PL_OK) {
        switch (f.tag) {
        case R_STATE: l->state = pl_rec_get_u64(&f); break;
        case R_FLAGS: flags_to(h, pl_rec_get_u64(&f)); break;
        case R_N_REQUESTS: h->n_requests = (uint32_t)pl_rec_get_u64(&f); break;
        case R_HOLD: pl_buf_slice_put(&h->hold, f.value); break;
        case R_HOLD_HEAD: h->hold_head = (uint32_t)pl_rec_get_u64(&f); break;
        case R_BODY_LEFT: h->body_left = pl_rec_get_u64(&f); break;
        case R_CHUNK_LEFT: h->chunk.left = pl_rec_get_u64(&f); break;
        case R_CHUNK_BODY: h->chunk.n_body = pl_rec_get_u64(&f); break;
        case R_CHUNK_EXTRA: h->chunk.n_extra = (uint32_t)pl_rec_get_u64(&f); break;
        case R_CHUNK_STATE: h->chunk.state = (uint8_t)pl_rec_get_u64(&f); break;
        case R_CHUNK_DIGITS: h->chunk.n_digits = (uint8_t)pl_rec_get_u64(&f); break;
        case R_OUT: pl_buf_slice_put(&h->out, f.value); break;
        case R_ROUTE: l->route = f.value; break;
        case R_CORS: l->cors = f.value; break;
        case R_STREAM_LIMIT: h->stream_limit = (size_t)pl_rec_get_u64(&f); break;
        case R_DEADLINE: l->deadline = pl_rec_get_u64(&f); break;
        case R_DEADLINE_MS: l->deadline_ms = pl_rec_get_u64(&f); break;
        case R_WATCH: l->watch = pl_rec_nested(&f); l->has_watch = true; break;
        default: break; /* of a newer binary */
        }
    }
    if (err != PL_ENOENT)
        return err;
    return pl_buf_ok(&h->hold) && pl_buf_ok(&h->out) ? PL_OK : PL_ENOMEM;
}

/* A body goes on only under a head that this binary accepts, on a route that it has, within its limits. */
static enum pl_err body_check(struct pl_http *h)
{
    struct pl_http1_limits limits = { .head_bytes = h->hold_head, .target_bytes = h->hold_head };
    const struct pl_listener *listener = h->conn->listener;
    struct pl_http1_scan scan = { 0 };
    struct pl_http1_head head;
    size_t n_body;

    if (h->hold_head == 0 || h->hold_head > h->hold.len || h->hold_head > 1 << 20)
        return PL_EPROTO;
    if (pl_http1_head_parse(pl_slice(h->hold.p, h->hold_head), &limits, &scan, &head, NULL) != PL_OK || head.len != h->hold_head)
        return PL_EPROTO;
    n_body = h->hold.len - h->hold_head;
    h->route = http_route_find(http_opts(h->conn->shard)->router,
                               listener != NULL ? listener->opts.mask : PL_LISTEN_EXTERNAL | PL_LISTEN_INTERNAL, head.path);
    if (h->route == NULL || n_body > h->route->body_limit || head.is_chunked != h->body_chunked)
        return PL_EPROTO;
    if (h->body_chunked)
        return pl_http1_chunk_is_sane(&h->chunk) && h->chunk.n_body >= n_body ? PL_OK : PL_EPROTO;
    return h->body_left > 0 && n_body + h->body_left == head.content_length ? PL_OK : PL_EPROTO;
}

/* Hands a waiting or streaming request back to its route; what nobody takes up is ended honestly. */
static enum pl_err answer_restore(struct pl_http *h, const struct loaded *l)
{
    const struct pl_listener *listener = h->conn->listener;
    enum pl_err err = PL_ENOENT;

    h->route = http_route_find(http_opts(h->conn->shard)->router,
                               listener != NULL ? listener->opts.mask : PL_LISTEN_EXTERNAL | PL_LISTEN_INTERNAL, l->route);
    if (l->cors.len > 0) {
        uint8_t *copy = malloc(l->cors.len);

        if (copy == NULL)
            return PL_ENOMEM;
        memcpy(copy, l->cors.p, l->cors.len);
        h->cors = pl_slice(copy, l->cors.len);
        h->cors_owned = true;
    }
    if (h->route != NULL && h->route->ops->on_restore != NULL && l->has_watch)
        err = h->route->ops->on_restore(h, l->watch, h->route->arg);
    if (err == PL_OK || err == PL_WAIT)
        return PL_OK;
    if (h->state == H_WAIT) {
        http_say(h, 503, "the server was replaced while this request was served", true, "Retry-After: 1\r\n");
    } else {
        http_request_forget(h);
        http_move(h, H_CLOSING);
    }
    return PL_OK;
}

static enum pl_err state_load(struct pl_http *h, const struct loaded *l)
{
    switch (l->state) {
    case H_IDLE: case H_HEAD: case H_CLOSING:
        h->state = (uint8_t)l->state;
        return PL_OK;
    case H_BODY:
        h->state = H_BODY;
        return body_check(h);
    case H_WAIT: case H_STREAM:
        h->state = (uint8_t)l->state;
        return answer_restore(h, l);
    default:
        return PL_EPROTO;
    }
}

enum pl_err pl_http_load(struct pl_conn *c, struct pl_rec_in user_fields)
{
    struct pl_http *h = http_new(c);
    struct loaded l = { 0 };
    enum pl_err err;

    if (h == NULL)
        return PL_ENOMEM;
    h->in_turn = true; /* nothing is sent before the loop runs: until then the old process may still go on instead */
    err = fields_read(h, user_fields, &l);
    if (err == PL_OK)
        err = state_load(h, &l);
    h->in_turn = false;
    if (err != PL_OK) {
        http_shard(h)->n_conns--;
        http_request_forget(h);
        pl_buf_fini(&h->out);
        pl_buf_fini(&h->hold);
        free(h);
        return err;
    }
    pl_conn_set_user(c, &http_conn_ops, h);
    if (http_pending(h) > 0 || h->is_paused || h->state == H_CLOSING || l.deadline > T_IDLE)
        http_deadline_set(h, T_GO_ON, 0);
    else if (l.deadline != T_NONE)
        http_deadline_set(h, (enum http_deadline)l.deadline, l.deadline_ms);
    return PL_OK;
}
