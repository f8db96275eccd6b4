#include "transport/stream.h"

#include <stdlib.h>

#include "base/check.h"
#include "metrics/metrics.h"
#include "transport/room.h"

enum { DATA_MAX = 64 * 1024, /* bytes that the HTTP connection may hold back; the rest stays in the session's bounded queue */
       PIECE_MAX = 16 * 1024, BYE_ROOM = 8 * 1024 };

static const char no_cache[] = "X-Accel-Buffering: no\r\n"
                               "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0\r\n"
                               "Pragma: no-cache\r\n"
                               "Expire: 0\r\n"; /* sic: wire-protocol.md 6.2 */

/* One of the four endpoints. */
struct kind {
    const struct pl_pipe_ops *pipe;
    unsigned framing;
    bool is_uni;
    const struct pl_cfg_stream *(*cfg)(const struct pl_config *c);
};

/* An HTTP answer that carries a session. */
struct stream {
    struct pl_pipe pipe;
    struct pl_http *http;
    const struct kind *kind;
    struct pl_deferred deferred;
    bool is_started;  /* the head is out; not yet where a failed connect becomes an HTTP status */
    bool is_partial;  /* the session has still to give the rest of what it began */
    bool is_protobuf;
};

static struct stream *of_pipe(struct pl_pipe *p)
{
    return PL_OF(p, struct stream, pipe);
}

static const struct pl_cfg_stream *cfg_of(const struct stream *st)
{
    return st->kind->cfg(pl_http_shard(st->http)->node->config);
}

static void stream_free(struct pl_shard *s, struct pl_deferred *d)
{
    (void)s;
    free(PL_OF(d, struct stream, deferred));
}

/* Its HTTP answer is over, or its client gone. Callers up the stack may still look at it in this turn. */
static void stream_end(struct stream *st, struct pl_shard *s)
{
    st->http = NULL;
    st->deferred.free = stream_free;
    pl_shard_defer(s, &st->deferred);
}

static void start(struct stream *st)
{
    bool is_sse = st->kind->framing == PL_FRAMING_SSE;

    st->is_started = true;
    pl_http_stream_start(st->http, 200,
                         is_sse ? "text/event-stream; charset=utf-8" : st->is_protobuf ? "application/octet-stream" : "application/json",
                         no_cache, DATA_MAX + BYE_ROOM);
    if (is_sse && pl_http_stream_send(st->http, PL_LIT("\r\n")) != PL_OK)
        PL_UNREACHABLE(); /* the first bytes of an empty stream: they fit */
}

/* ---- from the session ---- */

static enum pl_err pipe_send(struct pl_pipe *p, const void *bytes, size_t n, size_t *ret_n)
{
    struct stream *st = of_pipe(p);
    struct pl_slice rest = pl_slice(bytes, n);

    if (!st->is_started)
        start(st);
    *ret_n = 0;
    while (rest.len > 0) {
        struct pl_slice piece = pl_slice(rest.p, rest.len < PIECE_MAX ? rest.len : PIECE_MAX);

        if (pl_http_stream_pending(st->http) + piece.len > DATA_MAX)
            pl_http_stream_flush(st->http);
        if (pl_http_stream_pending(st->http) + piece.len > DATA_MAX || pl_http_stream_send(st->http, piece) != PL_OK) {
            st->is_partial |= *ret_n > 0;
            return PL_EAGAIN; /* the kernel refused the rest: on_drained follows */
        }
        *ret_n += piece.len;
        rest = pl_slice_from(rest, piece.len);
    }
    st->is_partial = false;
    return PL_OK;
}

static void frame_stream(struct pl_shard *s, unsigned render_class, struct pl_slice message, struct pl_buf *out)
{
    (void)s;
    pl_buf_slice_put(out, message);
    if ((render_class & PL_CLASS_PROTOBUF) == 0) /* whose messages carry their length */
        pl_buf_byte(out, '\n');
}

static void frame_sse(struct pl_shard *s, unsigned render_class, struct pl_slice message, struct pl_buf *out)
{
    struct pl_slice one;

    (void)s;
    (void)render_class;
    while (transport_line_take(&message, &one)) {
        PL_BUF_LIT(out, "data: ");
        pl_buf_slice_put(out, one);
        PL_BUF_LIT(out, "\n\n");
    }
}

/* A connect that failed before anything was said, where statuses are configured for that. No match: 500 (wire-protocol.md 6.5). */
static void answer_code(struct stream *st, unsigned code, struct pl_slice text)
{
    const struct pl_cfg_stream *cfg = cfg_of(st);
    struct pl_http *h = st->http;

    stream_end(st, pl_http_shard(h));
    pl_http_watch(h, NULL, NULL);
    for (size_t i = 0; i < cfg->n_connect_code_transforms; i++) {
        const struct pl_cfg_code_to_http *t = &cfg->connect_code_transforms[i];

        if (t->code != (int)code)
            continue;
        if (t->to_body != NULL && t->to_body[0] != '\0')
            text = pl_slice_str(t->to_body);
        pl_http_answer(h, (unsigned)t->to_status_code, "text/plain; charset=utf-8", text, "X-Content-Type-Options: nosniff\r\n");
        return;
    }
    pl_http_answer(h, 500, "text/plain; charset=utf-8", PL_LIT("Internal Server Error\n"), "X-Content-Type-Options: nosniff\r\n");
}

static bool maps_codes(const struct stream *st)
{
    return !st->is_started && st->kind->is_uni && cfg_of(st)->connect_code_to_http_response_enabled;
}

static bool pipe_refuse(struct pl_pipe *p, unsigned code, struct pl_slice text)
{
    struct stream *st = of_pipe(p);

    if (!maps_codes(st))
        return false;
    answer_code(st, code, text);
    return true;
}

static void pipe_bye(struct pl_pipe *p, struct pl_slice framed)
{
    struct stream *st = of_pipe(p);

    if (st->http == NULL || st->is_partial || maps_codes(st))
        return; /* close tells it otherwise, or cannot */
    if (!st->is_started)
        start(st);
    if (pl_http_stream_send(st->http, framed) != PL_OK)
        st->is_partial = true; /* cannot be: there is room kept for it */
}

static void pipe_close(struct pl_pipe *p, unsigned code, struct pl_slice reason)
{
    struct stream *st = of_pipe(p);
    struct pl_http *h = st->http;

    if (h == NULL)
        return; /* answered by pipe_refuse */
    if (code != 0)
        pl_metric_add2(pl_http_shard(h)->cells, TRANSPORT_CLOSES, p->ops->metric, pl_metric_code(code), 1);
    if (maps_codes(st)) {
        answer_code(st, code, reason);
        return;
    }
    if (!st->is_started)
        start(st);
    stream_end(st, pl_http_shard(h));
    pl_http_watch(h, NULL, NULL);
    if (st->is_partial)
        pl_http_stream_cut(h);
    else
        pl_http_stream_end(h);
}

/* Nothing comes in here: what waits behind an operation is kept by pl_sess_input. */
static void pipe_idle(struct pl_pipe *p)
{
    (void)p;
}

#define PIPE(name_, metric_, frame_) \
    { .name = name_, .metric = metric_, .send = pipe_send, .frame = frame_, .bye = pipe_bye, .close = pipe_close, .pause = pipe_idle, \
      .resume = pipe_idle, .refuse = pipe_refuse }

static const struct pl_pipe_ops http_stream_pipe = PIPE("http_stream", PL_MV_TRANSPORT_HTTP_STREAM, frame_stream);
static const struct pl_pipe_ops sse_pipe = PIPE("sse", PL_MV_TRANSPORT_SSE, frame_sse);
static const struct pl_pipe_ops uni_http_stream_pipe = PIPE("uni_http_stream", PL_MV_TRANSPORT_UNI_HTTP_STREAM, frame_stream);
static const struct pl_pipe_ops uni_sse_pipe = PIPE("uni_sse", PL_MV_TRANSPORT_UNI_SSE, frame_sse);

static const struct pl_cfg_stream *http_stream_cfg(const struct pl_config *c) { return &c->http_stream; }
static const struct pl_cfg_stream *sse_cfg(const struct pl_config *c) { return &c->sse; }
static const struct pl_cfg_stream *uni_http_stream_cfg(const struct pl_config *c) { return &c->uni_http_stream; }
static const struct pl_cfg_stream *uni_sse_cfg(const struct pl_config *c) { return &c->uni_sse; }

static const struct kind http_stream_kind = { &http_stream_pipe, PL_FRAMING_STREAM, false, http_stream_cfg };
static const struct kind sse_kind = { &sse_pipe, PL_FRAMING_SSE, false, sse_cfg };
static const struct kind uni_http_stream_kind = { &uni_http_stream_pipe, PL_FRAMING_STREAM, true, uni_http_stream_cfg };
static const struct kind uni_sse_kind = { &uni_sse_pipe, PL_FRAMING_SSE, true, uni_sse_cfg };

/* ---- from HTTP ---- */

enum { TAG_SESSION = 1, TAG_STARTED, TAG_PARTIAL, TAG_PROTOBUF };

static void on_closed(struct pl_http *h, void *user)
{
    struct stream *st = user;

    if (st->pipe.sess != NULL)
        pl_sess_on_gone(st->pipe.sess, false);
    st->pipe.sess = NULL;
    stream_end(st, pl_http_shard(h));
}

static void on_drained(struct pl_http *h, void *user)
{
    const struct stream *st = user;

    (void)h;
    pl_sess_on_writable(st->pipe.sess);
}

static void save(struct pl_http *h, void *user, struct pl_rec_out *r)
{
    const struct stream *st = user;
    size_t mark;

    (void)h;
    pl_rec_u64(r, TAG_STARTED, st->is_started);
    pl_rec_u64(r, TAG_PARTIAL, st->is_partial);
    pl_rec_u64(r, TAG_PROTOBUF, st->is_protobuf);
    mark = pl_rec_begin(r, TAG_SESSION);
    pl_sess_save(st->pipe.sess, r);
    pl_rec_end(r, mark);
}

static const struct pl_http_watch_ops watch_ops = { .on_closed = on_closed, .on_drained = on_drained, .save = save };

static const struct pl_dialect_ops *dialect_of(const struct pl_ws_endpoint *e, const struct stream *st)
{
    return st->kind->is_uni ? e->uni : st->is_protobuf ? e->protobuf : e->json;
}

static struct stream *stream_new(struct pl_http *h, const struct kind *kind)
{
    struct stream *st = calloc(1, sizeof *st);

    if (st == NULL)
        return NULL;
    st->pipe.ops = kind->pipe;
    st->http = h;
    st->kind = kind;
    return st;
}

static enum pl_err restore(struct pl_http *h, struct pl_rec_in fields, const struct pl_ws_endpoint *e, const struct kind *kind)
{
    struct stream *st = stream_new(h, kind);
    struct pl_rec_in session = { 0 };
    struct pl_rec_field f;
    enum pl_err err;

    if (st == NULL)
        return PL_ENOMEM;
    while ((err = pl_rec_next(&fields, &f)) == PL_OK) {
        switch (f.tag) {
        case TAG_SESSION:  session = pl_rec_nested(&f); break;
        case TAG_STARTED:  st->is_started = pl_rec_get_u64(&f) != 0; break;
        case TAG_PARTIAL:  st->is_partial = pl_rec_get_u64(&f) != 0; break;
        case TAG_PROTOBUF: st->is_protobuf = pl_rec_get_u64(&f) != 0; break;
        default:           break;
        }
    }
    if (err == PL_ENOENT)
        err = session.rest.p != NULL ? pl_sess_load(pl_http_shard(h), session, &st->pipe, dialect_of(e, st), &st->pipe.sess) : PL_EPROTO;
    if (err != PL_OK) {
        free(st);
        return err;
    }
    pl_http_watch(h, &watch_ops, st);
    return PL_OK;
}

/* The commands, or the connect request, that the request came with. False: they are missing. */
static bool first_message(const struct pl_http_req *req, const struct kind *kind, struct pl_buf *arena, struct pl_slice *ret)
{
    enum pl_err err;

    if (req->method == PL_HTTP_POST) {
        *ret = req->body;
        return true;
    }
    err = pl_http_query(req, "cf_connect", arena, ret);
    if (err == PL_ENOENT && kind->is_uni) {
        *ret = PL_LIT("{}");
        return true;
    }
    return err == PL_OK && ret->len > 0;
}

static enum pl_err open_session(struct pl_http *h, const struct pl_http_req *req, const struct pl_ws_endpoint *e, const struct kind *kind,
                                struct pl_slice first)
{
    struct pl_shard *s = pl_http_shard(h);
    const char *user_header = s->node->config->client.user_id_http_header;
    struct stream *st = stream_new(h, kind);
    struct pl_sess_opts opts = { .wants_pong = !kind->is_uni, .has_ticket = true, .peer = &req->client };
    struct pl_buf copy = pl_buf_init(SIZE_MAX / 2);
    struct pl_sess *sess = NULL;
    enum pl_err err = PL_ENOMEM;

    pl_buf_slice_put(&copy, first); /* parsers may write into messages */
    if (st != NULL && pl_buf_ok(&copy)) {
        st->is_protobuf = kind == &http_stream_kind && pl_slice_eq(pl_http_header(req, "Content-Type"), PL_LIT("application/octet-stream"));
        opts.dialect = dialect_of(e, st);
        opts.render_class = kind->framing | opts.dialect->render_class;
        opts.pipe = &st->pipe;
        if (user_header != NULL && user_header[0] != '\0')
            opts.header_user = pl_http_header(req, user_header);
        err = pl_sess_new(s, &opts, &sess);
    }
    if (err != PL_OK) {
        pl_buf_fini(&copy);
        free(st);
        pl_http_answer(h, 503, NULL, pl_slice(NULL, 0), "Retry-After: 1\r\n");
        return PL_OK;
    }
    pl_http_watch(h, &watch_ops, st);
    if (!maps_codes(st))
        start(st);
    pl_metric_add(s->cells, PL_M_TRANSPORT_RECEIVED + kind->pipe->metric, 1);
    pl_metric_add(s->cells, PL_M_TRANSPORT_RECEIVED_BYTES + kind->pipe->metric, (int64_t)copy.len);
    pl_sess_message(sess, copy.p != NULL ? copy.p : (uint8_t[1]){ 0 }, copy.len);
    pl_buf_fini(&copy);
    return st->http != NULL && !st->is_started ? PL_WAIT : PL_OK; /* st lives to the turn's end, whatever happened */
}

static enum pl_err request(struct pl_http *h, const struct pl_http_req *req, const struct pl_ws_endpoint *e, const struct kind *kind)
{
    struct pl_buf arena = pl_buf_init(req->query.len + 1);
    struct pl_slice first;
    enum pl_err err = PL_OK;

    if (req->method == PL_HTTP_HEAD)
        pl_http_answer(h, 405, NULL, pl_slice(NULL, 0), "Allow: GET, POST\r\n"); /* a stream without a body would be no use */
    else if (!first_message(req, kind, &arena, &first) || (kind->is_uni && !transport_is_connect(first)))
        pl_http_answer(h, 400, NULL, pl_slice(NULL, 0), NULL);
    else
        err = open_session(h, req, e, kind, first);
    pl_buf_fini(&arena);
    return err;
}

#define ROUTE(name) \
    static enum pl_err name##_request(struct pl_http *h, const struct pl_http_req *req, void *arg) \
    { \
        return request(h, req, arg, &name##_kind); \
    } \
    static enum pl_err name##_restore(struct pl_http *h, struct pl_rec_in fields, void *arg) \
    { \
        return restore(h, fields, arg, &name##_kind); \
    } \
    const struct pl_route_ops pl_##name##_route_ops = { .on_request = name##_request, .on_restore = name##_restore }

ROUTE(http_stream);
ROUTE(sse);
ROUTE(uni_http_stream);
ROUTE(uni_sse);
