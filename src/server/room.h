/* server/room.h - what the server room's files share; not for other rooms. */
#ifndef PL_SERVER_ROOM_H
#define PL_SERVER_ROOM_H

#include "base/log.h"
#include "http/files.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "net/tls.h"
#include "server/server.h"
#include "transport/ws.h"

struct drain {
    struct pl_timer timer;
    struct pl_server *server;
    uint64_t deadline_ms;
    bool is_on;
};

struct pl_server {
    struct pl_server_opts opts;
    struct pl_node *node;
    struct pl_router *router;
    struct pl_files *files;          /* demo page; NULL */
    struct pl_tls_ctx *tls, *internal_tls;
    struct pl_listener *external, *internal;
    struct pl_ws_endpoint ws;        /* of all clients' endpoints */
    struct pl_timer trim;            /* on shard 0 */
    int64_t peak_connections;        /* since the last trim */
    struct drain drains[PL_SHARDS_MAX];
    struct pl_mail stop_mails[PL_SHARDS_MAX]; /* control lane: first, then forced stop */
    struct pl_mail kill_mails[PL_SHARDS_MAX];
    atomic_uint n_running;           /* shard threads that have not ended */
    atomic_bool is_stopping;         /* health says so; set by the main thread, read by the pages */
};

static inline struct pl_server *server_of(const struct pl_node *n) { return n->rooms[PL_ROOM_SERVER]; }

/* routes.c */
enum pl_err server_routes(struct pl_server *s, struct pl_buf *err_text) PL_MUST_CHECK;
/* listen.c */
enum pl_err server_listen(struct pl_server *s, struct pl_buf *err_text) PL_MUST_CHECK;
/* pages.c */
extern const struct pl_route_ops server_health_ops, server_metrics_ops, server_init_ops;

#endif
