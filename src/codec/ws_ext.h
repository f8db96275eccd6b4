/* codec/ws_ext.h - permessage-deflate: what a client offers, what we answer (RFC 7692 section 7.1).
 *
 * Pure, any thread. One acceptable offer wins, the first in the client's order; an offer with an unknown, repeated or
 * ill-valued parameter is declined, and without an acceptable one the connection goes on uncompressed. */
#ifndef PL_CODEC_WS_EXT_H
#define PL_CODEC_WS_EXT_H

#include "base/err.h"
#include "base/slice.h"

enum pl_ws_deflate_policy {
    PL_WS_DEFLATE_OFF,    /* decline everything */
    /* Frames are shared between connections: always `server_no_context_takeover; client_no_context_takeover`, as
     * Centrifugo answers whatever was offered. A limit that the client set for our window is kept (server_bits), not told. */
    PL_WS_DEFLATE_SHARED,
    PL_WS_DEFLATE_FULL    /* context takeover and window sizes as the client wishes */
};

/* What both sides agreed on. All zero: no compression. */
struct pl_ws_deflate {
    bool is_on;
    bool server_takeover;     /* the server's compressor keeps its window from message to message */
    bool client_takeover;
    uint8_t server_bits;      /* LZ77 window of what the server sends, 8..15 */
    uint8_t client_bits;
    bool answers_server_bits; /* the answer names server_max_window_bits */
    bool answers_client_bits;
};

/* The client's offers: one Sec-WebSocket-Extensions value (several header lines: call again while !ret->is_on). */
void pl_ws_ext_choose(struct pl_slice offers, enum pl_ws_deflate_policy policy, struct pl_ws_deflate *ret);

/* The header value that answers d (d->is_on), NUL-terminated; returns its length. */
enum { PL_WS_EXT_MAX = 144 };
size_t pl_ws_ext_answer(const struct pl_ws_deflate *d, char out[PL_WS_EXT_MAX]);

/* Client role: what we offer, and what the server's answer to it means. PL_EPROTO: not an answer to our offer, fail the
 * connection (RFC 7692 7.1). An empty answer is PL_OK without compression. */
#define PL_WS_EXT_OFFER "permessage-deflate; client_max_window_bits"
enum pl_err pl_ws_ext_accept(struct pl_slice answer, struct pl_ws_deflate *ret) __attribute__((warn_unused_result));

#endif
