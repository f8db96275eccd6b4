/* codec/ws_hand.h - the opening handshake (RFC 6455 section 4) over headers that are already parsed.
 *
 * Server: init, then every header of the request through pl_ws_hand_header (others are ignored), then pl_ws_hand_check.
 * A refusal is a row: HTTP status and a text for the person who reads the answer, which says what is wrong and what
 * usually causes it. Pure; borrows what it is given. Any thread. */
#ifndef PL_CODEC_WS_HAND_H
#define PL_CODEC_WS_HAND_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "codec/ws_ext.h"

enum { PL_WS_KEY_LEN = 24, PL_WS_ACCEPT_LEN = 28 };

/* The value of Sec-WebSocket-Accept for a key, NUL-terminated (4.2.2 no. 5.4). A client compares the server's with it. */
void pl_ws_hand_accept(struct pl_slice key, char out[PL_WS_ACCEPT_LEN + 1]);

struct pl_ws_hand_opts {
    const struct pl_slice *protocols; /* subprotocols the endpoint speaks; borrowed, outlives the handshake */
    size_t n_protocols;
    enum pl_ws_deflate_policy deflate;
};

/* Outcomes, one row each in ws_hand.c. */
enum pl_ws_refusal {
    PL_WS_HAND_OK,
    PL_WS_HAND_METHOD,        /* 405 */
    PL_WS_HAND_HTTP10,        /* 400 */
    PL_WS_HAND_NO_UPGRADE,    /* 400 from here on */
    PL_WS_HAND_BAD_UPGRADE,
    PL_WS_HAND_NO_CONNECTION,
    PL_WS_HAND_BAD_CONNECTION,
    PL_WS_HAND_NO_HEADERS,    /* neither Upgrade nor Connection: upgrade: not a WebSocket request at all, or both stripped */
    PL_WS_HAND_NO_KEY,
    PL_WS_HAND_BAD_KEY,
    PL_WS_HAND_TWO_KEYS,
    PL_WS_HAND_NO_VERSION,
    PL_WS_HAND_BAD_VERSION,   /* 426 */
    PL_WS_N_HAND
};

struct pl_ws_hand {
    const struct pl_ws_hand_opts *opts; /* borrowed */
    struct pl_slice key, version;       /* borrowed from the request */
    struct pl_slice protocol;           /* chosen; empty if none. Borrowed from opts */
    struct pl_ws_deflate deflate;       /* agreed on */
    uint8_t n_keys;
    bool has_upgrade, is_upgrade_ok, has_connection, is_connection_ok;
    bool has_websocket_headers;         /* any Sec-WebSocket-*: someone meant it */
};

void pl_ws_hand_init(struct pl_ws_hand *h, const struct pl_ws_hand_opts *opts);
/* One header of the request, in order; values without outer space. */
void pl_ws_hand_header(struct pl_ws_hand *h, struct pl_slice name, struct pl_slice value);
/* The verdict once all headers are in. */
enum pl_ws_refusal pl_ws_hand_check(const struct pl_ws_hand *h, bool is_get, bool is_http11_or_later);

struct pl_ws_refusal_row {
    unsigned status;
    const char *label;  /* for metrics */
    const char *header; /* further answer header lines, NULL none */
    const char *text;   /* body, ends with a newline */
};
const struct pl_ws_refusal_row *pl_ws_refusal_row(enum pl_ws_refusal r);

/* Append the whole 101 answer (status line, headers, empty line) for a handshake that passed. extra: further header
 * lines, each "Name: value\r\n", or empty. */
void pl_ws_hand_answer(const struct pl_ws_hand *h, struct pl_slice extra, struct pl_buf *out);

#endif
