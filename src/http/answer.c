/* http/answer.c - writing answers: whole ones, streamed ones, and the room's own. */
#include <stdlib.h>

#include "base/check.h"
#include "codec/http1_resp.h"
#include "http/room.h"

enum { SPARE_MAX = 128 * 1024 }; /* a larger buffer goes back to the allocator */

static void out_release(struct pl_http *h)
{
    struct http_shard *room = http_shard(h);

    h->out_at = 0;
    pl_buf_clear(&h->out);
    if (h->out.p == NULL)
        return;
    if (room->spare.p == NULL && h->out.cap <= SPARE_MAX) {
        room->spare = h->out;
        h->out = pl_buf_init(HTTP_OUT_LIMIT);
    } else {
        pl_buf_fini(&h->out);
    }
}

/* What was sent leaves the front only when it is the larger half, so that a long answer is not moved over and over. */
static void out_sent(struct pl_http *h, size_t n)
{
    h->out_at += n;
    if (h->out_at > h->out.len / 2) {
        pl_buf_consume(&h->out, h->out_at);
        h->out_at = 0;
    }
}

/* Hands out to the kernel. Gives whether nothing is left. */
static bool out_send(struct pl_http *h)
{
    size_t n = 0;
    enum pl_err err;

    if (http_pending(h) == 0)
        return true;
    err = pl_conn_send(h->conn, h->out.p + h->out_at, http_pending(h), &n);
    if (err == PL_OK) {
        out_release(h);
        return true;
    }
    if (err == PL_ECLOSED) { /* on_closed comes from the loop; until then nothing more is said */
        out_release(h);
        if (h->state != H_RUN && h->state != H_WAIT && h->state != H_STREAM)
            http_move(h, H_CLOSING);
        return true;
    }
    if (n > 0 || h->deadline != T_WRITE)
        http_deadline_set(h, T_WRITE, HTTP_WRITE_STALL_MS);
    out_sent(h, n);
    return false;
}

void http_flush(struct pl_http *h)
{
    if (!pl_buf_ok(&h->out)) { /* out of memory, or beyond any sensible size: what was promised cannot be kept */
        http_count(h, PL_M_HTTP_STREAM_FULL);
        if (h->state != H_CLOSING)
            http_move(h, H_CLOSING);
        pl_conn_close(h->conn, PL_CLOSE_ABORT);
        return;
    }
    if (!out_send(h)) {
        if (h->state == H_IDLE || h->state == H_HEAD)
            http_pause(h); /* a peer that doesn't read its answers gets no further ones */
        return;
    }
    out_release(h);
    if (h->state == H_CLOSING && !pl_conn_is_closing(h->conn))
        pl_conn_close(h->conn, PL_CLOSE_LINGER);
}

bool http_cork_has_room(struct pl_http *h)
{
    if (http_pending(h) < HTTP_CORK_BYTES)
        return true;
    if (!pl_buf_ok(&h->out) || !out_send(h)) {
        http_pause(h);
        return false;
    }
    return true;
}

bool http_out_is_clear(struct pl_http *h)
{
    if (pl_buf_ok(&h->out) && out_send(h))
        return true;
    http_pause(h);
    return false;
}

static void date_put(struct pl_http *h)
{
    struct http_shard *room = http_shard(h);
    int64_t now_s = h->conn->shard->wall_ms / 1000;

    if (now_s != room->date_s) {
        struct pl_buf b = pl_buf_init(sizeof room->date);

        pl_http1_resp_date(&b, now_s);
        PL_ASSERT(pl_buf_ok(&b) && b.len < sizeof room->date);
        memcpy(room->date, b.p, b.len);
        room->date[b.len] = 0;
        room->date_s = now_s;
        pl_buf_fini(&b);
    }
    pl_buf_put(&h->out, room->date, strlen(room->date));
}

/* Everything of a head but the framing lines and the end. */
static void head_put(struct pl_http *h, unsigned status, const char *content_type, const char *extra)
{
    if (http_shard(h)->is_draining || h->state == H_CLOSING)
        h->keep_alive = false;
    http_count(h, PL_M_HTTP_REQUESTS + pl_metric_status(status));
    pl_http1_resp_start(&h->out, status);
    date_put(h);
    if (content_type != NULL)
        pl_http1_resp_header(&h->out, PL_LIT("Content-Type"), pl_slice_str(content_type));
    pl_buf_slice_put(&h->out, h->cors);
    if (extra != NULL)
        pl_buf_put(&h->out, extra, strlen(extra));
}

static void connection_put(struct pl_http *h)
{
    if (!h->keep_alive)
        PL_BUF_LIT(&h->out, "Connection: close\r\n");
    else if (h->is_1_0)
        PL_BUF_LIT(&h->out, "Connection: keep-alive\r\n");
}

/* The current answer is complete. Inside a turn of on_bytes its end goes on from here, otherwise we do. */
static void answer_end(struct pl_http *h)
{
    http_request_forget(h);
    http_move(h, h->keep_alive ? H_IDLE : H_CLOSING);
    if (h->in_turn)
        return;
    http_eof_check(h);
    http_flush(h);
    if (h->state != H_IDLE || pl_conn_is_closing(h->conn) || http_pending(h) > 0)
        return;
    http_deadline_set(h, T_IDLE, http_opts(h->conn->shard)->idle_timeout_ms);
    http_resume(h);
}

static void answer_put(struct pl_http *h, unsigned status, const char *content_type, struct pl_slice body, const char *extra)
{
    bool has_body = !pl_http_status_has_no_body(status);

    head_put(h, status, content_type, extra);
    if (has_body)
        pl_http1_resp_length(&h->out, body.len);
    connection_put(h);
    pl_http1_resp_end(&h->out);
    if (has_body && !h->is_head)
        pl_buf_slice_put(&h->out, body);
}

void pl_http_answer(struct pl_http *h, unsigned status, const char *content_type, struct pl_slice body, const char *extra)
{
    PL_ASSERT(h->state == H_RUN || h->state == H_WAIT);
    PL_ASSERT(status >= 200);
    answer_put(h, status, content_type, body, extra);
    answer_end(h);
}

void pl_http_refuse(struct pl_http *h, unsigned status, const char *content_type, struct pl_slice body, const char *extra)
{
    h->keep_alive = false;
    pl_http_answer(h, status, content_type, body, extra);
}

void http_say(struct pl_http *h, unsigned status, const char *text, bool closes, const char *extra)
{
    struct pl_buf body = pl_buf_init(1024), lines = pl_buf_init(2048);
    const char *content_type = NULL;

    if (closes)
        h->keep_alive = false;
    if (extra != NULL)
        pl_buf_put(&lines, extra, strlen(extra));
    if (text != NULL) {
        pl_buf_put(&body, text, strlen(text));
        pl_buf_byte(&body, '\n');
        content_type = "text/plain; charset=utf-8";
        PL_BUF_LIT(&lines, "X-Content-Type-Options: nosniff\r\n"); /* part of the text may be the peer's */
    }
    pl_buf_byte(&lines, 0);
    answer_put(h, status, content_type, pl_buf_slice(&body), pl_buf_ok(&lines) ? (const char *)lines.p : NULL);
    http_request_forget(h);
    http_move(h, h->keep_alive ? H_IDLE : H_CLOSING);
    pl_buf_fini(&body);
    pl_buf_fini(&lines);
}

void http_continue(struct pl_http *h)
{
    PL_BUF_LIT(&h->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

void pl_http_stream_start(struct pl_http *h, unsigned status, const char *content_type, const char *extra, size_t limit)
{
    PL_ASSERT(h->state == H_RUN || h->state == H_WAIT);
    PL_ASSERT(!pl_http_status_has_no_body(status));
    h->stream_limit = limit;
    h->stream_chunked = !h->is_1_0;
    if (!h->stream_chunked)
        h->keep_alive = false; /* RFC 9112 6.3: the end of the connection ends the body */
    head_put(h, status, content_type, extra);
    if (h->stream_chunked)
        PL_BUF_LIT(&h->out, "Transfer-Encoding: chunked\r\n");
    connection_put(h);
    pl_http1_resp_end(&h->out);
    http_move(h, H_STREAM);
    if (!h->in_turn) {
        http_deadline_set(h, T_NONE, 0);
        http_flush(h);
    }
}

enum pl_err pl_http_stream_send(struct pl_http *h, struct pl_slice piece)
{
    PL_ASSERT(h->state == H_STREAM);
    if (piece.len == 0 || h->is_head)
        return PL_OK;
    if (piece.len > h->stream_limit)
        return PL_ETOOBIG;
    if (http_pending(h) > h->stream_limit - piece.len && pl_buf_ok(&h->out))
        (void)out_send(h); /* what matters is what the kernel refuses, not what this turn gathered */
    if (http_pending(h) > h->stream_limit - piece.len) {
        http_count(h, PL_M_HTTP_STREAM_FULL);
        return PL_ETOOBIG;
    }
    if (h->stream_chunked)
        pl_http1_resp_chunk(&h->out, piece);
    else
        pl_buf_slice_put(&h->out, piece);
    if (!h->in_turn)
        http_flush(h);
    return PL_OK;
}

void pl_http_stream_flush(struct pl_http *h)
{
    PL_ASSERT(h->state == H_STREAM);
    if (pl_buf_ok(&h->out))
        (void)out_send(h); /* what is left, pl_http_stream_pending tells */
}

void pl_http_stream_cut(struct pl_http *h)
{
    PL_ASSERT(h->state == H_STREAM);
    http_request_forget(h);
    http_move(h, H_CLOSING);
    pl_conn_close(h->conn, PL_CLOSE_ABORT);
}

void pl_http_stream_end(struct pl_http *h)
{
    PL_ASSERT(h->state == H_STREAM);
    if (h->stream_chunked && !h->is_head)
        pl_http1_resp_last_chunk(&h->out);
    answer_end(h);
}

size_t pl_http_stream_pending(const struct pl_http *h)
{
    return http_pending(h);
}

void pl_http_watch(struct pl_http *h, const struct pl_http_watch_ops *ops, void *user)
{
    PL_ASSERT(h->state == H_RUN || h->state == H_WAIT || h->state == H_STREAM);
    h->watch = ops;
    h->watch_user = user;
}

struct pl_handle pl_http_handle(struct pl_http *h)
{
    PL_ASSERT(h->state == H_RUN || h->state == H_WAIT || h->state == H_STREAM);
    if (h->handle.v == 0 && pl_handle_new(h->conn->shard, &http_conn_ops, h, &h->handle) != PL_OK)
        h->handle = (struct pl_handle){ 0 };
    return h->handle;
}

struct pl_http *pl_http_by_handle(struct pl_shard *s, struct pl_handle handle)
{
    return pl_handle_get(s, handle, &http_conn_ops);
}

struct pl_shard *pl_http_shard(const struct pl_http *h)
{
    return h->conn->shard;
}

const struct pl_conn *pl_http_conn(const struct pl_http *h)
{
    return h->conn;
}
