/* transport/emulation.h - POST /emulation: what clients of SSE and HTTP streams say (wire-protocol.md 6.4).
 *
 * The request may land on any shard; the session id tells whose it is (session/ticket.c). 204 comes when that shard has taken the
 * commands, so that one POST after the other is served in that order wherever they land. */
#ifndef PL_TRANSPORT_EMULATION_H
#define PL_TRANSPORT_EMULATION_H

#include "http/http.h"

/* Route handler for POST; pl_route.arg is not used. The route sets PL_ROUTE_CORS and PL_ROUTE_PREFLIGHT. */
extern const struct pl_route_ops pl_emulation_route_ops;

#endif
