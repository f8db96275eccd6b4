/* http/room.h - what the files of this room share: the connection's struct and its moves. Not for other rooms. */
#ifndef PL_HTTP_ROOM_H
#define PL_HTTP_ROOM_H

#include "codec/http1_chunk.h"
#include "http/http.h"
#include "metrics/metrics.h"

enum http_state {
    H_IDLE,    /* between requests, nothing of the next one seen */
    H_HEAD,    /* part of a head is in the connection's tail */
    H_BODY,    /* head and the first part of a body are in `hold` */
    H_RUN,     /* inside on_request */
    H_WAIT,    /* the handler answers later */
    H_STREAM,  /* an answer of unknown length is under way */
    H_CLOSING, /* nothing is parsed any more; closes when `out` is empty */
    H_GONE,    /* handed over or closed; freed between turns */
};

/* What the connection's one timer stands for. */
enum http_deadline { T_NONE, T_HEAD, T_BODY, T_IDLE, T_WRITE, T_GO_ON };

enum {
    HTTP_CORK_BYTES = 64 * 1024,          /* answers of pipelined requests are gathered up to here, then sent */
    HTTP_OUT_LIMIT = 256 * 1024 * 1024,   /* one answer may not be larger */
    HTTP_WRITE_STALL_MS = 10000,          /* a peer that takes nothing for so long is dropped */
};

struct pl_http {
    struct pl_conn *conn;                 /* borrowed; NULL when gone */
    const struct pl_route *route;         /* of the current request; borrowed from the frozen router */
    struct pl_buf out;                    /* owned; answers from out_at on are still to be sent */
    size_t out_at;
    struct pl_buf hold;                   /* owned; head (hold_head bytes) and decoded body so far */
    uint32_t hold_head;
    uint32_t n_requests;
    struct pl_slice cors;                 /* Access-Control-* lines of the current request; owned if cors_owned */
    const struct pl_http_watch_ops *watch; /* of the one who answers later; NULL none */
    void *watch_user;
    struct pl_handle handle;              /* of the current request, made when asked for */
    uint64_t body_left;                   /* of a body with Content-Length */
    struct pl_http1_chunk chunk;          /* of a chunked one */
    size_t stream_limit;                  /* bytes `out` may hold back in H_STREAM */
    struct pl_http1_scan scan;
    struct pl_deferred deferred;
    uint8_t state;                        /* enum http_state */
    uint8_t deadline;                     /* enum http_deadline */
    bool in_turn;                         /* inside on_bytes: sending and closing wait for its end */
    bool keep_alive;                      /* of the current request */
    bool is_head;                         /* HEAD: no body is sent */
    bool is_1_0;
    bool body_chunked;
    bool stream_chunked;
    bool cors_owned;
    bool is_paused;
    bool is_eof;                          /* the peer sends no more */
};

/* Per shard, in shard->rooms[PL_ROOM_HTTP]. */
struct http_shard {
    struct pl_buf spare;   /* an output buffer with memory, lent to whoever is in a turn */
    struct pl_buf cors;    /* scratch of the request being dispatched */
    char date[48];         /* the Date line of second date_s */
    int64_t date_s;
    size_t n_conns;
    bool is_draining;
};

/* Per node, in node->rooms[PL_ROOM_HTTP]. */
struct http_node {
    struct pl_http_opts opts;
};

static inline struct http_shard *http_shard(const struct pl_http *h)
{
    return h->conn->shard->rooms[PL_ROOM_HTTP];
}

static inline const struct pl_http_opts *http_opts(const struct pl_shard *s)
{
    return &((const struct http_node *)s->node->rooms[PL_ROOM_HTTP])->opts;
}

static inline size_t http_pending(const struct pl_http *h)
{
    return h->out.len - h->out_at;
}

/* One more of a row in metric.def; m may be a row plus a label value. */
static inline void http_count(const struct pl_http *h, int m)
{
    if (h->conn->shard->cells != NULL)
        pl_metric_add(h->conn->shard->cells, m, 1);
}

/* server.c */
void http_move(struct pl_http *h, enum http_state next); /* the only writer of h->state */
void http_deadline_set(struct pl_http *h, enum http_deadline what, uint64_t in_ms);
struct pl_http *http_new(struct pl_conn *c);             /* NULL: out of memory */
void http_request_forget(struct pl_http *h);             /* the current request's leftovers: handle, CORS lines, watch */
void http_eof_check(struct pl_http *h);
void http_pause(struct pl_http *h);
void http_resume(struct pl_http *h);
extern const struct pl_conn_ops http_conn_ops;

/* answer.c */
void http_flush(struct pl_http *h);                      /* outside a turn of on_bytes: sends, closes when told to */
/* Inside a turn: whether a further request may be answered; sends first where much is gathered. False: paused. */
bool http_cork_has_room(struct pl_http *h);
bool http_out_is_clear(struct pl_http *h);               /* the same, to the last byte */
/* An answer of the room itself; text NULL: empty body. closes: whatever the request wanted. */
void http_say(struct pl_http *h, unsigned status, const char *text, bool closes, const char *extra);
void http_continue(struct pl_http *h);                   /* the interim 100 */

/* request.c */
/* Takes what it can of p[0..n) in state H_IDLE, H_HEAD or H_BODY; gives the bytes taken, 0: needs more or room. */
size_t http_head_take(struct pl_http *h, uint8_t *p, size_t n);
size_t http_body_take(struct pl_http *h, uint8_t *p, size_t n);

/* router.c */
const struct pl_route *http_route_find(const struct pl_router *r, unsigned listener, struct pl_slice path);
void http_allow_put(struct pl_buf *out, unsigned methods); /* "Allow: GET, POST\r\n" */

/* record.c */
void http_save(struct pl_conn *c, struct pl_rec_out *r);

#endif
