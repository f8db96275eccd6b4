/* transport/ws.h - WebSocket as a way to hold a client: the endpoint's route, and sessions on WebSocket connections.
 *
 * Limits and compression come from the node's configuration (`websocket.*`) as it is when a client connects. */
#ifndef PL_TRANSPORT_WS_H
#define PL_TRANSPORT_WS_H

#include "http/http.h"
#include "session/sess.h"

/* What endpoints speak (stream.h's too); frozen, outlives the node's connections. */
struct pl_ws_endpoint {
    const struct pl_dialect_ops *json;
    const struct pl_dialect_ops *protobuf; /* NULL: not built; clients that ask for it are refused with a sentence */
    const struct pl_dialect_ops *uni;      /* of unidirectional endpoints */
};

/* Route handler for GET; pl_route.arg is a const struct pl_ws_endpoint *. The route sets PL_ROUTE_CLIENT. */
extern const struct pl_route_ops pl_ws_route_ops;
/* The same for the unidirectional endpoint: the connect request is `cf_connect` of the query or the first message. */
extern const struct pl_route_ops pl_uni_ws_route_ops;
/* The pipe of WebSocket sessions, for code that frames shared messages without one. */
extern const struct pl_pipe_ops pl_ws_pipe_ops;

/* Rebuilds a WebSocket with its session from the user's fields of a connection record (net/conn.h). PL_EPROTO, PL_ENOMEM: the
 * connection is still the caller's. */
enum pl_err pl_ws_load(struct pl_conn *c, const struct pl_ws_endpoint *e, struct pl_rec_in fields) PL_MUST_CHECK;

#endif
