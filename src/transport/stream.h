/* transport/stream.h - sessions on the body of an HTTP answer that goes on: Server-Sent Events and HTTP streams, bidirectional (what the
 * client says comes by POST /emulation, emulation.h) and unidirectional (wire-protocol.md 6.2, 6.3, 6.5).
 *
 * The route's arg is a const struct pl_ws_endpoint * (ws.h); its routes set PL_ROUTE_CLIENT and PL_ROUTE_CORS. Streams go on from their
 * records by on_restore. */
#ifndef PL_TRANSPORT_STREAM_H
#define PL_TRANSPORT_STREAM_H

#include "transport/ws.h"

extern const struct pl_route_ops pl_http_stream_route_ops; /* POST */
extern const struct pl_route_ops pl_sse_route_ops;         /* GET, POST */
extern const struct pl_route_ops pl_uni_sse_route_ops;     /* GET, POST */
extern const struct pl_route_ops pl_uni_http_stream_route_ops; /* POST */

#endif
