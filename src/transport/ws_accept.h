/* transport/ws_accept.h - what every WebSocket endpoint does with a request: judge the handshake, refuse with a sentence. */
#ifndef PL_TRANSPORT_WS_ACCEPT_H
#define PL_TRANSPORT_WS_ACCEPT_H

#include "codec/ws_hand.h"
#include "http/http.h"

/* Judges the request's handshake into *ret (borrows the request and opts). False: it was refused, and that is answered. */
bool pl_ws_accept_check(struct pl_http *h, const struct pl_http_req *req, const struct pl_ws_hand_opts *opts,
                        struct pl_ws_hand *ret);

/* Answers with a text for the person who reads it and closes the connection, so that no proxy keeps a tunnel open to us
 * (reliability.md D5). header: further lines "Name: value\r\n", or NULL. */
void pl_ws_refuse(struct pl_http *h, unsigned status, const char *text, const char *header);

#endif
