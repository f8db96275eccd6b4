/* transport/echo.h - a WebSocket endpoint that sends every message back: `peal echo`, for the Autobahn suite and for trying
 * out networks. The same code as clients' connections below the message; compression is answered in full (context takeover
 * and window sizes as the client wishes), which clients' connections do not do. */
#ifndef PL_TRANSPORT_ECHO_H
#define PL_TRANSPORT_ECHO_H

#include "http/http.h"

enum { PL_ECHO_MESSAGE_MAX = 16 * 1024 * 1024 }; /* bytes, as sent and inflated */

/* Route handler; pl_route.arg is not used. */
extern const struct pl_route_ops pl_echo_route_ops;

#endif
