/* http/request.c - from bytes to a request: head, verdict, body, handler. */
#include <stdlib.h>

#include "base/check.h"
#include "codec/url.h"
#include "http/origin.h"
#include "http/room.h"

struct pl_slice pl_http_header(const struct pl_http_req *req, const char *name)
{
    return pl_http1_head_get(req->head, pl_slice_str(name));
}

enum pl_err pl_http_query(const struct pl_http_req *req, const char *key, struct pl_buf *arena, struct pl_slice *ret)
{
    struct pl_slice raw;
    uint8_t *room;
    size_t len;
    enum pl_err err;

    if (!pl_query_find(req->query, pl_slice_str(key), &raw))
        return PL_ENOENT;
    room = pl_buf_room(arena, raw.len + 1); /* + 1: an empty value has an address too */
    if (room == NULL)
        return PL_ETOOBIG;
    err = pl_url_decode(raw, PL_URL_PLUS_IS_SPACE, room, raw.len, &len);
    if (err != PL_OK)
        return err;
    arena->len += len;
    *ret = pl_slice(room, len);
    return PL_OK;
}

static unsigned listener_mask(const struct pl_http *h)
{
    const struct pl_listener *l = h->conn->listener;

    return l != NULL ? l->opts.mask : PL_LISTEN_EXTERNAL | PL_LISTEN_INTERNAL;
}

static struct pl_http_req req_of(const struct pl_http *h, const struct pl_http1_head *head, struct pl_slice body)
{
    const struct pl_http_opts *o = http_opts(h->conn->shard);

    return (struct pl_http_req){
        .method = head->method,
        .path = head->path,
        .query = head->query,
        .body = body,
        .client = pl_client_addr(head, &h->conn->peer, o->trusted_proxies),
        .is_tls = pl_conn_is_tls(h->conn),
        .origin_ok = pl_origin_ok(head, o->allowed_origins, o->n_allowed_origins),
        .head = head,
    };
}

/* The CORS lines of this request, in the shard's scratch; kept when the answer comes later. */
static void cors_prepare(struct pl_http *h, const struct pl_http_req *req)
{
    struct http_shard *room = http_shard(h);

    if ((h->route->flags & PL_ROUTE_CORS) == 0)
        return;
    pl_buf_clear(&room->cors);
    if (req->origin_ok)
        pl_cors_put(&room->cors, req->head);
    PL_BUF_LIT(&room->cors, "Vary: Origin\r\n");
    if (pl_buf_ok(&room->cors))
        h->cors = pl_buf_slice(&room->cors);
}

static enum pl_err cors_keep(struct pl_http *h)
{
    uint8_t *copy;

    if (h->cors.len == 0)
        return PL_OK;
    copy = malloc(h->cors.len);
    if (copy == NULL)
        return PL_ENOMEM;
    memcpy(copy, h->cors.p, h->cors.len);
    h->cors.p = copy;
    h->cors_owned = true;
    return PL_OK;
}

/* Runs the handler of h->route with a whole request. */
static void run(struct pl_http *h, const struct pl_http_req *req)
{
    enum pl_err err;

    http_move(h, H_RUN);
    if (!req->origin_ok)
        http_count(h, PL_M_ORIGIN_REFUSED);
    cors_prepare(h, req);
    err = h->route->ops->on_request(h, req, h->route->arg);
    if (h->state == H_GONE)
        return;
    if (err == PL_OK) {
        PL_ASSERT(h->state != H_RUN && h->state != H_WAIT); /* a handler that says "answered" has answered */
    } else if (err == PL_WAIT) {
        PL_ASSERT(h->state == H_RUN);
        http_move(h, H_WAIT);
        if (cors_keep(h) != PL_OK)
            h->cors = (struct pl_slice){ NULL, 0 };
    } else if (h->state == H_RUN) {
        http_say(h, 500, "internal server error", true, NULL);
    } else if (h->state == H_STREAM) { /* begun, but cannot be completed: cut, so that the client sees it */
        http_request_forget(h);
        http_move(h, H_CLOSING);
    }
    if (h->state == H_STREAM) /* its head is written */
        h->cors = (struct pl_slice){ NULL, 0 };
}

/* What the room answers itself, before any body is read: status 0 if the route's handler is to be asked. */
struct verdict {
    unsigned status;
    const char *text;  /* NULL: empty body */
    const char *extra;
};

static struct verdict judge(struct pl_http *h, const struct pl_http_req *req, struct pl_buf *lines)
{
    const struct pl_http_opts *o = http_opts(h->conn->shard);
    const struct pl_route *r = h->route;
    unsigned methods;

    if (r == NULL)
        return (struct verdict){ 404, "404 page not found", NULL };
    if ((r->deny != NULL && pl_cidr_match(r->deny, &req->client)) ||
        (r->allow != NULL && r->allow->n > 0 && !pl_cidr_match(r->allow, &req->client))) {
        http_count(h, PL_M_HTTP_DENIED);
        return (struct verdict){ 403, "forbidden for this address", NULL };
    }
    methods = r->methods | ((r->methods & PL_HTTP_GET) != 0 ? PL_HTTP_HEAD : 0);
    if (req->method == PL_HTTP_OPTIONS && (r->flags & PL_ROUTE_PREFLIGHT) != 0)
        return (struct verdict){ 204, NULL, "Access-Control-Max-Age: 300\r\nAccess-Control-Allow-Methods: POST, OPTIONS\r\n" };
    if ((methods & req->method) == 0) {
        http_allow_put(lines, methods);
        pl_buf_byte(lines, 0);
        return (struct verdict){ 405, NULL, pl_buf_ok(lines) ? (const char *)lines->p : NULL };
    }
    if ((r->flags & PL_ROUTE_CLIENT) != 0 && o->admit != NULL && !o->admit(h->conn->shard, req))
        return (struct verdict){ 503, NULL, "Retry-After: 1\r\n" };
    return (struct verdict){ 0, NULL, NULL };
}

static void refuse_head(struct pl_http *h, const struct pl_http1_refusal *why)
{
    struct pl_buf text = pl_buf_init(512);

    if (why->field.len > 0)
        pl_buf_printf(&text, "%s (%.*s)", why->why, (int)(why->field.len < 64 ? why->field.len : 64), (const char *)why->field.p);
    else
        pl_buf_printf(&text, "%s", why->why);
    pl_buf_byte(&text, 0);
    h->is_head = false;
    h->is_1_0 = false;
    http_count(h, why->status == 431 ? PL_M_HEADS_TOO_LARGE : PL_M_HTTP_MALFORMED);
    http_say(h, why->status, pl_buf_ok(&text) ? (const char *)text.p : NULL, true, NULL);
    pl_buf_fini(&text);
}

/* Facts of the request that the answer needs, and the route. */
static void request_begin(struct pl_http *h, const struct pl_http1_head *head)
{
    const struct pl_http_opts *o = http_opts(h->conn->shard);

    h->scan = (struct pl_http1_scan){ 0 };
    h->deadline = T_NONE; /* the next one is chosen anew at the end of the turn */
    h->n_requests++;
    h->is_head = head->method == PL_HTTP_HEAD;
    h->is_1_0 = head->minor == 0;
    h->keep_alive = head->keep_alive && (o->max_requests == 0 || h->n_requests < o->max_requests);
    h->route = http_route_find(o->router, listener_mask(h), head->path);
}

/* The rest of the body did not come with the head: keep what is there, ask for the rest. */
static enum pl_err body_hold(struct pl_http *h, const struct pl_http1_head *head, const uint8_t *p, const uint8_t *body, size_t n_body)
{
    h->hold_head = (uint32_t)head->len;
    pl_buf_put(&h->hold, p, head->len);
    pl_buf_put(&h->hold, body, n_body);
    if (!pl_buf_ok(&h->hold))
        return PL_ENOMEM;
    if (head->expects_continue && n_body == 0)
        http_continue(h);
    h->cors = (struct pl_slice){ NULL, 0 }; /* made anew when the body is there */
    http_move(h, H_BODY);
    return PL_OK;
}

static size_t refuse_body(struct pl_http *h, enum pl_err err, size_t n)
{
    pl_buf_fini(&h->hold);
    if (err != PL_ENOMEM)
        http_count(h, err == PL_ETOOBIG ? PL_M_BODIES_TOO_LARGE : PL_M_HTTP_MALFORMED);
    if (err == PL_ETOOBIG)
        http_say(h, 413, (h->route->flags & PL_ROUTE_CORS) != 0 ? NULL : "request body too large", true, NULL); /* clients' endpoints: no text */
    else if (err == PL_ENOMEM)
        http_say(h, 503, "out of memory", true, NULL);
    else
        http_say(h, 400, "malformed chunked body", true, NULL);
    return n;
}

/* A body of known length behind its head. Gives the bytes taken. */
static size_t length_begin(struct pl_http *h, struct pl_http_req *req, const uint8_t *p, size_t n)
{
    const struct pl_http1_head *head = req->head;
    size_t have = n - head->len;
    enum pl_err err;

    if (head->content_length > h->route->body_limit)
        return refuse_body(h, PL_ETOOBIG, n);
    if (have >= head->content_length) {
        req->body = pl_slice(p + head->len, (size_t)head->content_length);
        run(h, req);
        return head->len + (size_t)head->content_length;
    }
    h->body_chunked = false;
    h->body_left = head->content_length - have;
    err = body_hold(h, head, p, p + head->len, have);
    return err == PL_OK ? n : refuse_body(h, err, n);
}

static size_t chunked_begin(struct pl_http *h, struct pl_http_req *req, uint8_t *p, size_t n)
{
    size_t at = req->head->len, n_body, used;
    enum pl_err err;

    h->body_chunked = true;
    h->chunk = (struct pl_http1_chunk){ 0 };
    err = pl_http1_chunk_decode(&h->chunk, p + at, n - at, h->route->body_limit, &n_body, &used);
    if (err == PL_OK) {
        req->body = pl_slice(p + at, n_body);
        run(h, req);
        return at + used;
    }
    if (err == PL_MORE)
        err = body_hold(h, req->head, p, p + at, n_body);
    return err == PL_OK ? n : refuse_body(h, err, n);
}

/* Answered without the handler. With a body on its way the connection ends: waiting for what nobody wants would only be generous to
 * attackers, and skipping it only where it happens to be here already would make the answer depend on the cut of the packets. */
static size_t answer_at_once(struct pl_http *h, const struct pl_http_req *req, const struct verdict *v, bool has_body, size_t n)
{
    http_move(h, H_RUN);
    if (h->route != NULL)
        cors_prepare(h, req);
    http_say(h, v->status, v->text, has_body, v->extra);
    return has_body ? n : req->head->len;
}

/* In any Upgrade field, whatever Connection says of it: a proxy may have seen fewer or more of them. */
static bool names_websocket(const struct pl_http1_head *head)
{
    for (size_t i = 0; i < head->n_fields; i++)
        if (pl_slice_eq_nocase(head->fields[i].name, PL_LIT("Upgrade")) && pl_http1_list_has(head->fields[i].value, PL_LIT("websocket")))
            return true;
    return false;
}

static size_t request_take(struct pl_http *h, struct pl_http_req *req, uint8_t *p, size_t n)
{
    const struct pl_http1_head *head = req->head;
    bool has_body = head->is_chunked || (head->has_length && head->content_length > 0);
    struct pl_buf lines = pl_buf_init(256);
    struct verdict v = judge(h, req, &lines);
    size_t used;

    if (v.status != 0) {
        used = answer_at_once(h, req, &v, has_body, n);
    } else if (has_body && names_websocket(head)) {
        /* whose first frame or whose body the next bytes are, two programs could see differently */
        http_say(h, 400, "an upgrade request must not have a body", true, NULL);
        used = n;
    } else if (!has_body) {
        run(h, req);
        used = head->len;
    } else {
        cors_prepare(h, req); /* a browser shall see a 413 as such */
        used = head->is_chunked ? chunked_begin(h, req, p, n) : length_begin(h, req, p, n);
    }
    pl_buf_fini(&lines);
    return used;
}

/* An empty line between requests, and nothing behind it yet (RFC 9112 2.2). */
static bool is_blank(const uint8_t *p, size_t n)
{
    return (n == 1 && p[0] == '\r') || (n == 2 && p[0] == '\r' && p[1] == '\n');
}

size_t http_head_take(struct pl_http *h, uint8_t *p, size_t n)
{
    struct pl_http1_head head;
    struct pl_http1_limits limits = { .head_bytes = (uint32_t)http_opts(h->conn->shard)->max_head_bytes };
    struct pl_http1_refusal why;
    struct pl_http_req req;
    enum pl_err err;

    if (!http_cork_has_room(h))
        return 0;
    if (h->state == H_CLOSING) /* sending showed that the peer is gone */
        return n;
    err = pl_http1_head_parse(pl_slice(p, n), &limits, &h->scan, &head, &why);
    if (err == PL_MORE) {
        if (h->state == H_IDLE && !is_blank(p, n))
            http_move(h, H_HEAD);
        return 0;
    }
    if (err != PL_OK) {
        refuse_head(h, &why);
        return n;
    }
    if (pl_http1_head_get(&head, PL_LIT("Upgrade")).p != NULL && !http_out_is_clear(h)) { /* the 101 must not overtake earlier answers */
        h->scan = (struct pl_http1_scan){ 0 };
        if (h->state == H_HEAD)
            http_move(h, H_IDLE);
        return 0;
    }
    if (h->state == H_CLOSING)
        return n;
    request_begin(h, &head);
    req = req_of(h, &head, pl_slice(NULL, 0));
    return request_take(h, &req, p, n);
}

/* The request whose head was kept with the first part of its body. */
static struct pl_http_req held_req(const struct pl_http *h, const struct pl_buf *hold, struct pl_http1_head *head)
{
    struct pl_http1_limits limits = { .head_bytes = h->hold_head, .target_bytes = h->hold_head };
    struct pl_http1_scan scan = { 0 };

    if (pl_http1_head_parse(pl_slice(hold->p, h->hold_head), &limits, &scan, head, NULL) != PL_OK)
        PL_UNREACHABLE(); /* it was read before; a record's is checked when it is loaded */
    return req_of(h, head, pl_slice_from(pl_buf_slice(hold), h->hold_head));
}

static void held_run(struct pl_http *h)
{
    struct pl_buf hold = h->hold; /* ours now: the next request may begin before we return */
    struct pl_http1_head head;
    struct pl_http_req req = held_req(h, &hold, &head);

    h->hold = pl_buf_init(hold.limit);
    run(h, &req);
    pl_buf_fini(&hold);
}

static size_t held_refuse(struct pl_http *h, enum pl_err err, size_t n)
{
    struct pl_http1_head head;
    struct pl_http_req req = held_req(h, &h->hold, &head);

    cors_prepare(h, &req);
    return refuse_body(h, err, n);
}

size_t http_body_take(struct pl_http *h, uint8_t *p, size_t n)
{
    size_t used, n_body;
    enum pl_err err;

    if (h->body_chunked) {
        err = pl_http1_chunk_decode(&h->chunk, p, n, h->route->body_limit, &n_body, &used);
    } else {
        used = n_body = n < h->body_left ? n : (size_t)h->body_left;
        h->body_left -= used;
        err = h->body_left == 0 ? PL_OK : PL_MORE;
    }
    if (err == PL_OK || err == PL_MORE) {
        pl_buf_put(&h->hold, p, n_body);
        if (!pl_buf_ok(&h->hold))
            err = PL_ENOMEM;
    }
    if (err == PL_OK)
        held_run(h);
    else if (err != PL_MORE)
        return held_refuse(h, err, n);
    return used;
}
