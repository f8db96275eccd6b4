#include "transport/ws.h"

#include "base/check.h"
#include "metrics/metrics.h"
#include "transport/room.h"
#include "transport/ws_accept.h"
#include "transport/ws_conn.h"

static const struct pl_pipe_ops pl_uni_ws_pipe_ops;

/* A WebSocket that carries a session. */
struct ws {
    struct pl_wsc w;     /* first: the connection's user */
    struct pl_pipe pipe; /* pipe.sess NULL once the session is detached */
};
_Static_assert(sizeof(struct ws) <= 72, "part of every client's connection");

static struct ws *of_wsc(struct pl_wsc *w)
{
    return (struct ws *)(void *)w;
}

static struct ws *of_pipe(struct pl_pipe *p)
{
    return PL_OF(p, struct ws, pipe);
}

/* Zeroed; NULL: no memory. */
static struct ws *ws_new(struct pl_shard *s)
{
    struct transport_room *room = transport_room(s);
    struct ws *ws;

    if (room == NULL)
        return NULL;
    if (room->ws_slab.obj_size == 0)
        pl_slab_init(&room->ws_slab, sizeof(struct ws));
    ws = pl_slab_alloc(&room->ws_slab);
    if (ws != NULL)
        memset(ws, 0, sizeof *ws);
    return ws;
}

static void ws_free(struct pl_shard *s, struct ws *ws)
{
    if (ws != NULL)
        pl_slab_free(&transport_room(s)->ws_slab, ws);
}

static const struct pl_cfg_websocket *cfg_of(const struct pl_shard *s, bool is_uni)
{
    return is_uni ? &s->node->config->uni_websocket : &s->node->config->websocket;
}

static bool is_uni(const struct ws *ws)
{
    return ws->pipe.ops == &pl_uni_ws_pipe_ops;
}

/* ---- from the peer ---- */

/* The one thing a unidirectional client says; if that is not even a connect request, the close frame is all it gets. */
static void uni_message(struct ws *ws, uint8_t *p, size_t n)
{
    const struct pl_reason_row *why = pl_reason_row(PL_R_BAD_REQUEST);

    if (ws->pipe.sess->state == PL_SESS_NEW && !transport_is_connect(pl_slice(p, n))) {
        pl_sess_on_gone(ws->pipe.sess, false);
        pl_wsc_close(&ws->w, why->close, pl_slice_str(why->bye));
        return;
    }
    pl_sess_message(ws->pipe.sess, p, n);
}

static void on_message(struct pl_wsc *w, uint8_t opcode, uint8_t *p, size_t n)
{
    struct pl_metric_cells *cells = w->conn->shard->cells;
    int transport = of_wsc(w)->pipe.ops->metric;

    (void)opcode; /* of JSON it is not looked at (wire-protocol.md 1.3) */
    pl_metric_add(cells, PL_M_TRANSPORT_RECEIVED + transport, 1);
    pl_metric_add(cells, PL_M_TRANSPORT_RECEIVED_BYTES + transport, (int64_t)n);
    if (is_uni(of_wsc(w)))
        uni_message(of_wsc(w), p, n);
    else
        pl_sess_message(of_wsc(w)->pipe.sess, p, n);
}

static void on_pong(struct pl_wsc *w)
{
    struct pl_sess *s = of_wsc(w)->pipe.sess;

    if ((s->flags & PL_SESS_FRAME_PING) != 0 || is_uni(of_wsc(w)))
        pl_sess_pong(s);
}

static void on_writable(struct pl_wsc *w)
{
    pl_sess_on_writable(of_wsc(w)->pipe.sess);
}

static void on_end(struct pl_wsc *w, bool is_clean)
{
    struct ws *ws = of_wsc(w);

    if (ws->pipe.sess != NULL)
        pl_sess_on_gone(ws->pipe.sess, is_clean);
    ws->pipe.sess = NULL;
}

static void on_free(struct pl_wsc *w)
{
    on_end(w, false); /* a connection that failed in the moment it was taken over */
    pl_wsc_fini(w);
    ws_free(w->conn->shard, of_wsc(w));
}

/* ---- from the session ---- */

static enum pl_err pipe_send(struct pl_pipe *p, const void *bytes, size_t n, size_t *ret_n)
{
    return pl_wsc_send(&of_pipe(p)->w, bytes, n, ret_n);
}

/* Deflated, behind room for the head. False: it does not pay, or there is no memory; out is as it was. */
static bool frame_deflated(struct pl_shard *s, int level, uint8_t opcode, struct pl_slice message, struct pl_buf *out)
{
    struct pl_ws_zip *zip = pl_wsc_zip(s, level);
    uint8_t head[PL_WS_HEAD_MAX];
    struct pl_buf before = *out;
    size_t gap = message.len <= UINT16_MAX ? 4 : 10, head_len, n, at = out->len;

    if (zip == NULL || pl_buf_room(out, gap) == NULL)
        goto undo;
    out->len += gap;
    if (pl_ws_zip_message(zip, message, 15, out) != PL_OK)
        goto undo;
    n = out->len - at - gap;
    if (n >= message.len)
        goto undo;
    head_len = pl_ws_head_encode(head, opcode, true, true, n);
    memmove(out->p + at + head_len, out->p + at + gap, n);
    memcpy(out->p + at, head, head_len);
    out->len = at + head_len + n;
    return true;

undo:
    out->len = at;
    out->failed = before.failed;
    return false;
}

static void frame_one(struct pl_shard *s, unsigned render_class, struct pl_slice message, struct pl_buf *out)
{
    const struct pl_cfg_websocket *cfg = cfg_of(s, (render_class & PL_CLASS_UNI) != 0);
    uint8_t opcode = (render_class & PL_CLASS_PROTOBUF) != 0 ? PL_WS_BINARY : PL_WS_TEXT;
    uint8_t head[PL_WS_HEAD_MAX];

    if ((render_class & PL_CLASS_DEFLATE) != 0 && message.len > cfg->compression_min_size &&
        frame_deflated(s, cfg->compression_level, opcode, message, out))
        return;
    pl_buf_put(out, head, pl_ws_head_encode(head, opcode, true, false, message.len));
    pl_buf_slice_put(out, message);
}

static void pipe_frame(struct pl_shard *s, unsigned render_class, struct pl_slice message, struct pl_buf *out)
{
    struct pl_slice one;

    if ((render_class & PL_CLASS_UNI) == 0 || cfg_of(s, true)->join_push_messages) {
        frame_one(s, render_class, message, out);
        return;
    }
    while (transport_line_take(&message, &one))
        frame_one(s, render_class, one, out);
}

static void pipe_close(struct pl_pipe *p, unsigned code, struct pl_slice reason)
{
    p->sess = NULL;
    pl_wsc_close(&of_pipe(p)->w, code, reason);
}

/* Unidirectional clients get both goodbyes, the push and the close frame (wire-protocol.md 3.6). */
static void pipe_bye(struct pl_pipe *p, struct pl_slice framed)
{
    struct ws *ws = of_pipe(p);
    size_t n;

    if (cfg_of(ws->w.conn->shard, true)->disable_disconnect_push)
        return;
    if (pl_wsc_send(&ws->w, framed.p, framed.len, &n) != PL_OK)
        return; /* where it does not fit, the close frame says the same */
}

static void pipe_pause(struct pl_pipe *p)
{
    pl_wsc_pause(&of_pipe(p)->w);
}

static void pipe_resume(struct pl_pipe *p)
{
    pl_wsc_resume(&of_pipe(p)->w);
}

static void pipe_ping(struct pl_pipe *p)
{
    pl_wsc_ping(&of_pipe(p)->w);
}

const struct pl_pipe_ops pl_ws_pipe_ops = {
    .name = "websocket",
    .send = pipe_send,
    .frame = pipe_frame,
    .close = pipe_close,
    .pause = pipe_pause,
    .resume = pipe_resume,
    .ping = pipe_ping,
};

static const struct pl_pipe_ops pl_uni_ws_pipe_ops = {
    .name = "uni_websocket",
    .metric = PL_MV_TRANSPORT_UNI_WEBSOCKET,
    .send = pipe_send,
    .frame = pipe_frame,
    .bye = pipe_bye,
    .close = pipe_close,
    .pause = pipe_pause,
    .resume = pipe_resume,
    .ping = pipe_ping,
};

/* ---- records ---- */

enum { TAG_SESSION = 200, TAG_PROTOBUF = 201, TAG_UNI = 202 };

static void save(struct pl_wsc *w, struct pl_rec_out *r)
{
    const struct ws *ws = of_wsc(w);
    size_t mark;

    pl_rec_u64(r, TAG_PROTOBUF, (ws->pipe.sess->render_class & PL_CLASS_PROTOBUF) != 0);
    pl_rec_u64(r, TAG_UNI, is_uni(ws));
    mark = pl_rec_begin(r, TAG_SESSION);
    pl_sess_save(ws->pipe.sess, r);
    pl_rec_end(r, mark);
}

static const struct pl_wsc_ops ws_ops = {
    .on_message = on_message,
    .on_pong = on_pong,
    .on_writable = on_writable,
    .on_end = on_end,
    .on_free = on_free,
    .save = save,
};

static struct pl_ws_in_opts in_opts(const struct pl_cfg_websocket *cfg, bool has_deflate)
{
    struct pl_ws_in_opts o = { .role = PL_WS_SERVER, .has_deflate = has_deflate, .window_bits = 15 };

    o.limit = cfg->message_size_limit < UINT32_MAX ? (uint32_t)cfg->message_size_limit : UINT32_MAX;
    o.inflated_limit = cfg->decompressed_message_size_limit < UINT32_MAX
                           ? (uint32_t)cfg->decompressed_message_size_limit : UINT32_MAX;
    return o;
}

enum pl_err pl_ws_load(struct pl_conn *c, const struct pl_ws_endpoint *e, struct pl_rec_in fields)
{
    const struct pl_dialect_ops *dialect = e->json;
    struct pl_rec_in session = { 0 }, r = fields;
    struct pl_ws_in_opts o;
    struct pl_rec_field f;
    enum pl_err err;
    bool uni = false;
    struct ws *ws;

    while ((err = pl_rec_next(&r, &f)) == PL_OK) {
        if (f.tag == TAG_SESSION)
            session = pl_rec_nested(&f);
        else if (f.tag == TAG_PROTOBUF && pl_rec_get_u64(&f) != 0)
            dialect = e->protobuf;
        else if (f.tag == TAG_UNI)
            uni = pl_rec_get_u64(&f) != 0;
    }
    if (uni)
        dialect = e->uni;
    if (err != PL_ENOENT || dialect == NULL)
        return PL_EPROTO;
    ws = ws_new(c->shard);
    if (ws == NULL)
        return PL_ENOMEM;
    ws->pipe.ops = uni ? &pl_uni_ws_pipe_ops : &pl_ws_pipe_ops;
    o = in_opts(cfg_of(c->shard, uni), pl_wsc_record_has_deflate(fields));
    if (session.rest.p != NULL) {
        err = pl_sess_load(c->shard, session, &ws->pipe, dialect, &ws->pipe.sess);
        if (err != PL_OK) {
            ws_free(c->shard, ws);
            return err;
        }
    }
    err = pl_wsc_load(&ws->w, &ws_ops, c, &o, fields);
    if (err == PL_OK && ws->pipe.sess == NULL && pl_wsc_is_open(&ws->w)) {
        pl_wsc_fini(&ws->w);
        err = PL_EPROTO;
    }
    if (err != PL_OK) {
        if (ws->pipe.sess != NULL)
            pl_sess_on_gone(ws->pipe.sess, false);
        ws_free(c->shard, ws);
    }
    return err;
}

/* ---- the endpoint ---- */

static bool query_is(const struct pl_http_req *req, const char *key, struct pl_slice want)
{
    struct pl_buf arena = pl_buf_init(4096);
    struct pl_slice value;
    bool is = pl_http_query(req, key, &arena, &value) == PL_OK && pl_slice_eq(value, want);

    pl_buf_fini(&arena);
    return is;
}

static struct pl_slice header_user(const struct pl_http_req *req, const struct pl_shard *s)
{
    const char *name = s->node->config->client.user_id_http_header;

    return name != NULL && name[0] != '\0' ? pl_http_header(req, name) : pl_slice(NULL, 0);
}

/* A handshake that passed: from here on the connection is a WebSocket with a session. */
static enum pl_err accept_client(struct pl_http *h, const struct pl_http_req *req, const struct pl_ws_hand *hand,
                                 const struct pl_dialect_ops *dialect, struct ws **ret)
{
    struct pl_shard *s = pl_http_shard(h);
    bool uni = (dialect->render_class & PL_CLASS_UNI) != 0;
    struct pl_buf answer = pl_buf_init(PL_WSC_URGENT);
    struct pl_sess_opts opts = {
        .dialect = dialect,
        .render_class = PL_FRAMING_WS | dialect->render_class |
                        /* Shared frames need the whole window; a client that limits it gets plain ones. */
                        (hand->deflate.is_on && hand->deflate.server_bits == 15 ? (unsigned)PL_CLASS_DEFLATE : 0u),
        .wants_pong = true,
        .frame_ping = !uni && query_is(req, "cf_ws_frame_ping_pong", PL_LIT("true")),
        .has_ticket = uni,
        .header_user = header_user(req, s),
        .peer = &req->client,
    };
    struct pl_ws_in_opts in = in_opts(cfg_of(s, uni), hand->deflate.is_on);
    struct ws *ws = ws_new(s);
    enum pl_err err = PL_ENOMEM;

    pl_ws_hand_answer(hand, pl_slice(NULL, 0), &answer);
    if (ws != NULL && pl_buf_ok(&answer)) {
        ws->pipe.ops = uni ? &pl_uni_ws_pipe_ops : &pl_ws_pipe_ops;
        opts.pipe = &ws->pipe;
        err = pl_sess_new(s, &opts, &ws->pipe.sess);
    }
    if (err == PL_OK) {
        pl_wsc_init(&ws->w, &ws_ops, pl_http_take(h), &in, pl_buf_slice(&answer));
        *ret = ws;
    } else {
        ws_free(s, ws);
        pl_ws_refuse(h, 503, "The server is at its limit of connections. Try again later.\n", "Retry-After: 1\r\n");
    }
    pl_buf_fini(&answer);
    return PL_OK;
}

static enum pl_err on_request(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    static const struct pl_slice protocols[] = { PL_LIT_INIT("centrifuge-json"), PL_LIT_INIT("centrifuge-protobuf") };
    const struct pl_ws_endpoint *e = arg;
    const struct pl_cfg_websocket *cfg = cfg_of(pl_http_shard(h), false);
    const struct pl_ws_hand_opts opts = { protocols, e->protobuf != NULL ? 2 : 1,
                                          cfg->compression ? PL_WS_DEFLATE_SHARED : PL_WS_DEFLATE_OFF };
    const struct pl_dialect_ops *dialect = e->json;
    struct pl_ws_hand hand;
    struct ws *ws;

    if (!pl_ws_accept_check(h, req, &opts, &hand))
        return PL_OK;
    if (!req->origin_ok) {
        pl_metric_add(pl_http_shard(h)->cells, PL_M_CLIENTS_REFUSED + PL_MV_ADMIT_ORIGIN, 1);
        pl_ws_refuse(h, 403, "Forbidden\n", NULL);
        return PL_OK;
    }
    if (pl_slice_eq(hand.protocol, protocols[1]) || query_is(req, "format", PL_LIT("protobuf")) ||
        query_is(req, "cf_protocol", PL_LIT("protobuf")))
        dialect = e->protobuf;
    if (dialect == NULL) {
        pl_ws_refuse(h, 400, "This server speaks the JSON protocol only, not Protobuf: connect without format=protobuf.\n", NULL);
        return PL_OK;
    }
    return accept_client(h, req, &hand, dialect, &ws);
}

static enum pl_err on_uni_request(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    const struct pl_ws_endpoint *e = arg;
    const struct pl_cfg_websocket *cfg = cfg_of(pl_http_shard(h), true);
    const struct pl_ws_hand_opts opts = { NULL, 0, cfg->compression ? PL_WS_DEFLATE_SHARED : PL_WS_DEFLATE_OFF };
    struct pl_buf arena = pl_buf_init(req->query.len + 1);
    struct pl_slice connect;
    struct ws *ws = NULL;
    struct pl_ws_hand hand;
    enum pl_err err = PL_OK, has;

    if (!pl_ws_accept_check(h, req, &opts, &hand))
        return PL_OK;
    if (!req->origin_ok) {
        pl_metric_add(pl_http_shard(h)->cells, PL_M_CLIENTS_REFUSED + PL_MV_ADMIT_ORIGIN, 1);
        pl_ws_refuse(h, 403, "Forbidden\n", NULL);
        return PL_OK;
    }
    has = pl_http_query(req, "cf_connect", &arena, &connect);
    if (has == PL_OK || has == PL_ENOENT)
        err = accept_client(h, req, &hand, e->uni, &ws);
    else
        pl_ws_refuse(h, 400, "cf_connect is not percent-encoded text.\n", NULL);
    if (ws != NULL && has == PL_OK)
        uni_message(ws, arena.p, connect.len);
    pl_buf_fini(&arena);
    return err;
}

const struct pl_route_ops pl_ws_route_ops = { .on_request = on_request };
const struct pl_route_ops pl_uni_ws_route_ops = { .on_request = on_uni_request };
