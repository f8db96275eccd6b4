/* http/http.h - the HTTP server side as the rooms above see it: routes, requests, answers, hand-over of the connection.
 *
 * struct pl_http is one HTTP/1.1 server connection; it exists while the connection speaks HTTP and is freed at an upgrade. One request
 * at a time: the next pipelined one is parsed when the answer of this one is complete. All calls on the connection's shard. */
#ifndef PL_HTTP_HTTP_H
#define PL_HTTP_HTTP_H

#include "codec/cidr.h"
#include "codec/http1_head.h"
#include "net/conn.h"

struct pl_http;

/* A request, whole. Everything is borrowed and valid until the handler returns. */
struct pl_http_req {
    enum pl_http_method method;
    struct pl_slice path;          /* as sent, no query */
    struct pl_slice query;         /* without '?' */
    struct pl_slice body;          /* de-chunked; at most the route's body_limit */
    struct pl_addr client;         /* the peer, or what a listed proxy says of it */
    bool is_tls;
    bool origin_ok;                /* no Origin, or one that the allowed list matches */
    const struct pl_http1_head *head; /* all headers: pl_http_header() */
};

/* First header of that name (case-insensitive); empty slice (p NULL) if absent. */
struct pl_slice pl_http_header(const struct pl_http_req *req, const char *name);
/* Percent-decoded query value of `key`, appended to arena; *ret lies in it, so it is valid until the arena is appended to. PL_ENOENT
 * absent, PL_EPROTO bad escape, PL_ETOOBIG over the arena's limit. */
enum pl_err pl_http_query(const struct pl_http_req *req, const char *key, struct pl_buf *arena, struct pl_slice *ret) PL_MUST_CHECK;

struct pl_route_ops {
    /* Called with the whole request. PL_OK: answered by pl_http_answer() (or handed over by pl_http_take()). PL_WAIT: the answer comes
     * later through the handle of pl_http_handle(). An error: the room answers 500 and closes. */
    enum pl_err (*on_request)(struct pl_http *h, const struct pl_http_req *req, void *arg);
    /* A request that was WAITing or streaming goes on from its record in a new process: fields is what watch->save wrote. The handler
     * watches and goes on answering (streams are started already). NULL: waiting requests are answered 503, streams are cut. */
    enum pl_err (*on_restore)(struct pl_http *h, struct pl_rec_in fields, void *arg);
};

enum { PL_ROUTE_CORS = 1 /* Access-Control-* as wire-protocol.md 1.2 */, PL_ROUTE_PREFLIGHT = 2 /* OPTIONS answered 204 by the room */,
       PL_ROUTE_CLIENT = 4 /* client endpoint: connection limit and rate apply (session/admit) */ };

/* HEAD is served wherever GET is (the body is left out); OPTIONS only where the mask or PREFLIGHT says so. */
struct pl_route {
    const char *path;              /* exact match; owned by the route table's copy */
    unsigned methods;              /* others: 405, empty body */
    unsigned listeners;            /* PL_LISTEN_ bits; on others the path does not exist (404) */
    unsigned flags;                /* PL_ROUTE_ */
    size_t body_limit;             /* over: 413 */
    const struct pl_cidr_list *allow, *deny; /* NULL: no rule; deny wins; refused: 403 */
    const struct pl_route_ops *ops;
    void *arg;
};

/* The frozen route table of a node. Boot-time; duplicate paths on one listener are refused (PL_EEXIST). */
struct pl_router;
struct pl_router *pl_router_new(void);
enum pl_err pl_router_add(struct pl_router *r, const struct pl_route *route) PL_MUST_CHECK;
void pl_router_free(struct pl_router **take_r);

/* What the room needs to know of the configuration; frozen, per node. */
struct pl_http_opts {
    const struct pl_router *router;
    const char *const *allowed_origins; /* globs, lower-case */
    size_t n_allowed_origins;
    const struct pl_cidr_list *trusted_proxies; /* whose X-Forwarded-For counts */
    size_t max_head_bytes;         /* 431 */
    uint32_t head_timeout_ms;      /* 408 */
    uint32_t body_timeout_ms;      /* 408 */
    uint32_t idle_timeout_ms;      /* keep-alive */
    uint32_t max_requests;         /* per connection, 0 no limit */
    /* Asked before a PL_ROUTE_CLIENT handler runs; false: 503 with Retry-After. NULL: always. */
    bool (*admit)(struct pl_shard *s, const struct pl_http_req *req);
};
void pl_http_init(struct pl_node *n, const struct pl_http_opts *opts); /* copies the struct, borrows what it points to */
void pl_http_fini(struct pl_node *n);
/* pl_listen_opts.on_accept of every HTTP listener. */
void pl_http_on_accept(struct pl_conn *c);
/* Graceful stop: closes idle connections, others after their current answer. And the number that speak HTTP on this shard. */
void pl_http_drain(struct pl_shard *s);
size_t pl_http_count(const struct pl_shard *s);

/* What every answer gets by itself: Date, Content-Length or chunking, Connection where it is not the version's default, and the CORS lines of
 * PL_ROUTE_CORS routes. */
/* A complete answer. content_type NULL: none. extra: further header lines, each "Name: value\r\n", or NULL. Keep-alive as the request wants. */
void pl_http_answer(struct pl_http *h, unsigned status, const char *content_type, struct pl_slice body, const char *extra);
/* As above but the connection is closed after it (with linger). */
void pl_http_refuse(struct pl_http *h, unsigned status, const char *content_type, struct pl_slice body, const char *extra);
/* An answer of unknown length: head now, then pieces (chunked on HTTP/1.1), then the end. Pieces go out at once; what the kernel refuses is
 * kept up to `limit` bytes. */
void pl_http_stream_start(struct pl_http *h, unsigned status, const char *content_type, const char *extra, size_t limit);
enum pl_err pl_http_stream_send(struct pl_http *h, struct pl_slice piece) PL_MUST_CHECK; /* PL_ETOOBIG: over limit */
/* Hands what was gathered in this turn to the kernel now; what then still is pending, the kernel has refused (on_drained follows). */
void pl_http_stream_flush(struct pl_http *h);
void pl_http_stream_end(struct pl_http *h);
/* Ends the connection in the midst of the answer, so that the peer sees that something is missing. */
void pl_http_stream_cut(struct pl_http *h);

/* For answers that come later: stands for the current request and goes stale with its answer or its client. {0}: the shard's table is
 * full; answer 503 then. */
struct pl_handle pl_http_handle(struct pl_http *h);
struct pl_http *pl_http_by_handle(struct pl_shard *s, struct pl_handle handle); /* NULL: the client left */

/* News about a request that is not answered yet (PL_WAIT or streaming). Any member may be NULL. */
struct pl_http_watch_ops {
    void (*on_closed)(struct pl_http *h, void *user);  /* the client left; exactly once if no answer came before; h is dead after it */
    void (*on_drained)(struct pl_http *h, void *user); /* a stream that held back bytes has room again */
    void (*save)(struct pl_http *h, void *user, struct pl_rec_out *r);
};
/* ops NULL stops watching; the end of the answer does so by itself. */
void pl_http_watch(struct pl_http *h, const struct pl_http_watch_ops *ops, void *user);
/* Bytes of a stream that the peer has not taken yet. */
size_t pl_http_stream_pending(const struct pl_http *h);
struct pl_shard *pl_http_shard(const struct pl_http *h);
const struct pl_conn *pl_http_conn(const struct pl_http *h);

/* Takes the connection out of HTTP: all earlier answers have gone out, so the caller's 101 is next. h is dead after it, unread bytes follow to
 * the new user through pl_conn_set_user, which the caller does next. Only inside on_request, of a request that asks for an upgrade
 * (req->head->upgrade is not empty; such a request has no body). The request stays readable until on_request returns PL_OK. */
struct pl_conn *pl_http_take(struct pl_http *h);

/* Rebuilds an HTTP connection from its record (pl_conn_ops.save wrote it). */
enum pl_err pl_http_load(struct pl_conn *c, struct pl_rec_in user_fields) PL_MUST_CHECK;

#endif
