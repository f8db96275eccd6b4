#include "transport/ws_conn.h"

#include <stdlib.h>

#include "base/check.h"
#include "metrics/metrics.h"

enum {
    CLOSE_WAIT_MS = 5000,   /* for the peer's close frame, wire-protocol.md 3.6 */
    URGENT_KEEP_PONGS = 512 /* pongs held for a peer that reads nothing; RFC 6455 5.5.3 lets us leave some out */
};

enum wsc_state {
    WSC_OPEN,    /* 0: pl_wsc_is_open */
    WSC_CLOSING, /* our close frame is out, the peer's has not come */
    WSC_ENDING,  /* nothing is read any more; urgent bytes are flushed, then TCP is closed */
    WSC_CLOSED   /* TCP is being closed, on_closed follows */
};
#define TO(s) (1u << (s))
static const unsigned wsc_next[] = {
    [WSC_OPEN] = TO(WSC_CLOSING) | TO(WSC_ENDING) | TO(WSC_CLOSED),
    [WSC_CLOSING] = TO(WSC_ENDING) | TO(WSC_CLOSED),
    [WSC_ENDING] = TO(WSC_CLOSED),
    [WSC_CLOSED] = 0,
};

struct wsc_urgent {
    uint16_t len, at; /* bytes in all, bytes gone */
    uint8_t bytes[PL_WSC_URGENT];
};

static void wsc_move(struct pl_wsc *w, enum wsc_state next)
{
    PL_ASSERT(wsc_next[w->state] & TO(next));
    w->state = (uint8_t)next;
}

static void end_tcp(struct pl_wsc *w, enum pl_close how)
{
    if (w->state == WSC_CLOSED)
        return;
    wsc_move(w, WSC_CLOSED);
    pl_conn_close(w->conn, how);
}

/* ---- out: control frames ---- */

static bool has_urgent(const struct pl_wsc *w)
{
    return w->urgent != NULL;
}

static void flush_urgent(struct pl_wsc *w)
{
    struct wsc_urgent *u = w->urgent;
    size_t n = 0;

    if (u == NULL || w->frame_left > 0)
        return;
    switch (pl_conn_send(w->conn, u->bytes + u->at, (size_t)(u->len - u->at), &n)) {
    case PL_OK:
        free(u);
        w->urgent = NULL;
        return;
    case PL_EAGAIN:
        u->at = (uint16_t)(u->at + n);
        return;
    default: /* gone: on_closed follows */
        return;
    }
}

/* Whole control frames (or the 101). False: no room for what the kernel does not take. */
static bool send_urgent(struct pl_wsc *w, const uint8_t *p, size_t n)
{
    struct wsc_urgent *u = w->urgent;
    size_t m = 0;

    if (u == NULL) {
        if (w->frame_left == 0 && pl_conn_send(w->conn, p, n, &m) != PL_EAGAIN)
            return true; /* all is out, or the connection is gone and on_closed follows */
        p += m;
        n -= m;
        u = malloc(sizeof *u);
        if (u == NULL) {
            if (m > 0)
                end_tcp(w, PL_CLOSE_ABORT); /* half a frame is out: nothing can follow it */
            return false;
        }
        u->len = u->at = 0;
        w->urgent = u;
    }
    if (u->at > 0 && n > sizeof u->bytes - u->len) {
        memmove(u->bytes, u->bytes + u->at, (size_t)(u->len - u->at));
        u->len = (uint16_t)(u->len - u->at);
        u->at = 0;
    }
    if (n > sizeof u->bytes - u->len)
        return false;
    memcpy(u->bytes + u->len, p, n);
    u->len = (uint16_t)(u->len + n);
    flush_urgent(w);
    return true;
}

static bool send_control(struct pl_wsc *w, uint8_t opcode, struct pl_slice payload)
{
    uint8_t frame[PL_WS_HEAD_MAX + PL_WS_CONTROL_MAX];
    size_t n = pl_ws_head_encode(frame, opcode, true, false, payload.len);

    if (payload.len > 0)
        memcpy(frame + n, payload.p, payload.len);
    return send_urgent(w, frame, n + payload.len);
}

static bool send_close(struct pl_wsc *w, unsigned code, struct pl_slice reason)
{
    uint8_t payload[PL_WS_CONTROL_MAX];

    pl_metric_add2(w->conn->shard->cells, TRANSPORT_CLOSES, PL_MV_TRANSPORT_WEBSOCKET, pl_metric_code(code), 1);
    return send_control(w, PL_WS_CLOSE, pl_slice(payload, pl_ws_close_encode(payload, code, reason)));
}

/* Nothing more to read: close TCP as soon as the urgent bytes are out. A frame of the owner's that is partly out will never
 * be whole, so nothing can follow it. */
static void finish(struct pl_wsc *w)
{
    if (!has_urgent(w) || w->frame_left > 0)
        end_tcp(w, PL_CLOSE_LINGER);
    else
        pl_conn_timer(w->conn, w->conn->shard->now_ms + CLOSE_WAIT_MS);
}

static void on_pinged(struct pl_wsc *w, struct pl_slice payload)
{
    if (has_urgent(w) && w->urgent->len - w->urgent->at > URGENT_KEEP_PONGS)
        return;
    (void)send_control(w, PL_WS_PONG, payload); /* no room: one more pong left out */
}

void pl_wsc_ping(struct pl_wsc *w)
{
    if (w->state == WSC_OPEN)
        (void)send_control(w, PL_WS_PING, pl_slice(NULL, 0)); /* no room: the peer reads nothing, the missing pong will tell */
}

/* ---- out: the owner's frames ---- */

/* Bytes [from, to) of p were taken of [from, len): how much must follow before the next boundary between frames? */
static uint32_t left_of_frame(const struct pl_wsc *w, const uint8_t *p, size_t from, size_t to, size_t len)
{
    size_t end = from + w->frame_left; /* of the frame that stands at `from` */
    struct pl_ws_head h;
    enum pl_err err;

    /* TLS has sealed what it was offered: the same bytes must come first (net/conn.h). */
    if (pl_conn_is_tls(w->conn) && !PL_SABOTAGE(ws_control_inside_frame))
        return (uint32_t)(len - to);
    while (end < to) {
        err = pl_ws_head_parse(pl_slice(p + end, len - end), PL_WS_CLIENT, true, UINT64_MAX, &h);
        PL_ASSERT(err == PL_OK); /* the owner gives whole frames */
        end += h.head_len + (size_t)h.payload_len;
    }
    return PL_SABOTAGE(ws_control_inside_frame) ? 0 : (uint32_t)(end - to);
}

enum pl_err pl_wsc_send(struct pl_wsc *w, const void *bytes, size_t n, size_t *ret_n)
{
    const uint8_t *p = bytes;
    size_t done = 0, part, m;
    enum pl_err err;

    *ret_n = 0;
    if (w->state != WSC_OPEN)
        return PL_ECLOSED;
    PL_ASSERT(n <= UINT32_MAX);
    if (n < w->frame_left) /* frames that had not begun were dropped by the owner */
        w->frame_left = (uint32_t)n;
    while (done < n) {
        part = n - done;
        if (has_urgent(w)) {
            flush_urgent(w);
            if (has_urgent(w) && w->frame_left == 0)
                return PL_EAGAIN;
            if (has_urgent(w))
                part = w->frame_left;
        }
        m = 0;
        err = pl_conn_send(w->conn, p + done, part, &m);
        if (err == PL_ECLOSED)
            return err;
        if (err == PL_OK && part == n - done)
            w->frame_left = 0;
        else if (err == PL_OK)
            w->frame_left -= (uint32_t)part;
        else
            w->frame_left = left_of_frame(w, p, done, done + m, has_urgent(w) ? done + part : n);
        done += m;
        *ret_n = done;
        if (err != PL_OK)
            return err;
    }
    flush_urgent(w); /* what waited for the end of a frame; the rest goes with on_writable */
    return PL_OK;
}

/* ---- in ---- */

static void count_bad(const struct pl_wsc *w, const struct pl_ws_event *ev)
{
    struct pl_metric_cells *cells = w->conn->shard->cells;

    if (ev->code == PL_WS_C_TOO_BIG)
        pl_metric_add(cells, PL_M_MESSAGE_TOO_BIG + PL_MV_TRANSPORT_WEBSOCKET, 1);
    else
        pl_metric_add(cells, PL_M_BAD_FRAMES + PL_MV_TRANSPORT_WEBSOCKET, 1);
}

static void on_event(struct pl_wsc *w, const struct pl_ws_event *ev)
{
    bool is_open = w->state == WSC_OPEN;

    switch (ev->kind) {
    case PL_WS_EV_MORE:
        return;
    case PL_WS_EV_MESSAGE: /* after our close frame they are dropped, 5.5.1 */
        if (is_open)       /* lent by ws_in from bytes that are mutable */
            w->ops->on_message(w, ev->opcode, (uint8_t *)(uintptr_t)ev->data.p, ev->data.len);
        return;
    case PL_WS_EV_PING:
        if (is_open)
            on_pinged(w, ev->data);
        return;
    case PL_WS_EV_PONG:
        if (is_open && w->ops->on_pong != NULL)
            w->ops->on_pong(w);
        return;
    case PL_WS_EV_CLOSE:
        if (is_open)
            (void)send_close(w, ev->code, pl_slice(NULL, 0)); /* no room: TCP's end must do */
        break;
    case PL_WS_EV_BAD:
        count_bad(w, ev);
        if (is_open)
            (void)send_close(w, ev->code, ev->data); /* likewise */
        break;
    }
    if (w->state != WSC_CLOSED) {
        wsc_move(w, WSC_ENDING);
        finish(w);
    }
    if (is_open)
        w->ops->on_end(w, ev->kind == PL_WS_EV_CLOSE);
}

static size_t on_bytes(struct pl_conn *c, uint8_t *p, size_t n)
{
    struct pl_wsc *w = c->user;
    struct pl_ws_feed feed = { p, n };
    struct pl_ws_zip *zip = w->in.deflate != 0 ? pl_wsc_zip(c->shard, 0) : NULL;
    struct pl_ws_event ev;

    while (w->state < WSC_ENDING && !w->is_paused) {
        if (pl_ws_in_next(&w->in, zip, &feed, &ev) == PL_WS_EV_MORE)
            break;
        on_event(w, &ev);
    }
    return w->state < WSC_ENDING ? n - feed.len : n;
}

static void on_overflow(struct pl_conn *c)
{
    struct pl_wsc *w = c->user;
    bool is_open = w->state == WSC_OPEN;

    /* Paused input is at most one read, which in_limit admits. */
    end_tcp(w, PL_CLOSE_ABORT);
    if (is_open)
        w->ops->on_end(w, false);
}

static bool on_eof(struct pl_conn *c)
{
    (void)c; /* a WebSocket has no half-open state: without a close frame this is the end */
    return false;
}

static void on_writable(struct pl_conn *c)
{
    struct pl_wsc *w = c->user;

    flush_urgent(w);
    if (has_urgent(w) && w->frame_left == 0)
        return;
    if (w->state == WSC_ENDING)
        end_tcp(w, PL_CLOSE_LINGER);
    else if (w->state == WSC_OPEN)
        w->ops->on_writable(w);
}

static void on_timer(struct pl_conn *c)
{
    struct pl_wsc *w = c->user;

    if (w->state == WSC_CLOSING) /* no answer to our close frame */
        end_tcp(w, PL_CLOSE_LINGER);
    else if (w->state == WSC_ENDING) /* it does not even take our close frame */
        end_tcp(w, PL_CLOSE_ABORT);
}

static void on_closed(struct pl_conn *c, enum pl_conn_end why)
{
    struct pl_wsc *w = c->user;

    (void)why; /* counted by net */
    if (w->state == WSC_OPEN) {
        wsc_move(w, WSC_CLOSED);
        w->ops->on_end(w, false);
    }
    w->ops->on_free(w);
}

void pl_wsc_pause(struct pl_wsc *w)
{
    if (w->is_paused || w->state != WSC_OPEN)
        return;
    w->is_paused = true;
    pl_conn_pause(w->conn);
}

void pl_wsc_resume(struct pl_wsc *w)
{
    if (!w->is_paused)
        return;
    w->is_paused = false;
    pl_conn_resume(w->conn);
}

void pl_wsc_close(struct pl_wsc *w, unsigned code, struct pl_slice reason)
{
    if (w->state != WSC_OPEN)
        return;
    if (code == 0 || w->frame_left > 0 || !send_close(w, code, reason)) {
        end_tcp(w, code == 0 ? PL_CLOSE_NOW : PL_CLOSE_LINGER);
        return;
    }
    wsc_move(w, WSC_CLOSING);
    pl_wsc_resume(w); /* the peer's close frame must get through */
    pl_conn_timer(w->conn, w->conn->shard->now_ms + CLOSE_WAIT_MS);
}

/* ---- life ---- */

enum { TAG_KIND = 100, TAG_IN = 110, TAG_STATE = 111, TAG_URGENT = 112, TAG_FRAME_LEFT = 113, TAG_PAUSED = 114,
       TAG_DEFLATE = 115 };

static void save(struct pl_conn *c, struct pl_rec_out *r)
{
    struct pl_wsc *w = c->user;
    size_t mark;

    pl_rec_bytes(r, TAG_KIND, PL_LIT("websocket"));
    mark = pl_rec_begin(r, TAG_IN);
    pl_ws_in_save(&w->in, r);
    pl_rec_end(r, mark);
    pl_rec_u64(r, TAG_STATE, w->state);
    if (has_urgent(w))
        pl_rec_bytes(r, TAG_URGENT, pl_slice(w->urgent->bytes + w->urgent->at, (size_t)(w->urgent->len - w->urgent->at)));
    pl_rec_u64(r, TAG_FRAME_LEFT, w->frame_left);
    pl_rec_u64(r, TAG_PAUSED, w->is_paused);
    pl_rec_u64(r, TAG_DEFLATE, w->in.deflate);
    if (w->ops->save != NULL && w->state == WSC_OPEN)
        w->ops->save(w, r);
}

static const struct pl_conn_ops wsc_conn_ops = {
    .name = "websocket",
    .on_bytes = on_bytes,
    .on_overflow = on_overflow,
    .on_eof = on_eof,
    .on_writable = on_writable,
    .on_timer = on_timer,
    .on_closed = on_closed,
    .save = save,
};

static void attach(struct pl_wsc *w, struct pl_conn *c)
{
    c->in_limit = PL_RBUF;
    pl_conn_timer(c, 0);
    pl_conn_set_user(c, &wsc_conn_ops, w);
}

void pl_wsc_init(struct pl_wsc *w, const struct pl_wsc_ops *ops, struct pl_conn *c, const struct pl_ws_in_opts *in,
                 struct pl_slice first)
{
    PL_ASSERT(first.len <= PL_WSC_URGENT);
    *w = (struct pl_wsc){ .ops = ops, .conn = c, .state = WSC_OPEN };
    pl_ws_in_init(&w->in, in);
    attach(w, c);
    if (!send_urgent(w, first.p, first.len)) { /* no memory for 2 KiB: the handshake fails by TCP's end */
        end_tcp(w, PL_CLOSE_ABORT);
        w->ops->on_end(w, false);
    }
}

void pl_wsc_fini(struct pl_wsc *w)
{
    pl_ws_in_fini(&w->in);
    free(w->urgent);
    w->urgent = NULL;
}

enum pl_err pl_wsc_load(struct pl_wsc *w, const struct pl_wsc_ops *ops, struct pl_conn *c, const struct pl_ws_in_opts *in,
                        struct pl_rec_in r)
{
    struct pl_slice urgent = pl_slice(NULL, 0);
    struct pl_rec_field f;
    bool has_in = false, is_paused = false;
    enum pl_err err;

    *w = (struct pl_wsc){ .ops = ops, .conn = c, .state = WSC_OPEN };
    while ((err = pl_rec_next(&r, &f)) == PL_OK) {
        switch (f.tag) {
        case TAG_IN:
            if (has_in)
                goto damaged;
            err = pl_ws_in_load(&w->in, in, pl_rec_nested(&f));
            if (err != PL_OK)
                return err;
            has_in = true;
            break;
        case TAG_STATE:
            w->state = (uint8_t)pl_rec_get_u64(&f);
            if (pl_rec_get_u64(&f) >= WSC_CLOSED)
                goto damaged;
            break;
        case TAG_URGENT:
            urgent = f.value;
            break;
        case TAG_FRAME_LEFT:
            w->frame_left = (uint32_t)pl_rec_get_u64(&f);
            break;
        case TAG_PAUSED:
            is_paused = pl_rec_get_u64(&f) != 0;
            break;
        default: /* owner's, or of a newer binary */
            break;
        }
    }
    if (err != PL_ENOENT || !has_in || urgent.len > PL_WSC_URGENT)
        goto damaged;
    attach(w, c);
    if (w->state != WSC_OPEN)
        pl_conn_timer(c, c->shard->now_ms + CLOSE_WAIT_MS);
    if (is_paused)
        pl_wsc_pause(w);
    if (urgent.len > 0 && !send_urgent(w, urgent.p, urgent.len)) {
        pl_wsc_fini(w);
        return PL_ENOMEM;
    }
    return PL_OK;

damaged:
    if (has_in)
        pl_ws_in_fini(&w->in);
    return PL_EPROTO;
}

bool pl_wsc_record_has_deflate(struct pl_rec_in r)
{
    struct pl_rec_field f;

    while (pl_rec_next(&r, &f) == PL_OK) {
        if (f.tag == TAG_DEFLATE)
            return pl_rec_get_u64(&f) != 0;
    }
    return false;
}
