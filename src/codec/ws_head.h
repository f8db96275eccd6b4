/* codec/ws_head.h - the head of one WebSocket frame (RFC 6455 section 5.2): parse, encode, and the close payload.
 *
 * Pure: no allocation, any thread. A frame's place among fragments is ws_in.h's business. */
#ifndef PL_CODEC_WS_HEAD_H
#define PL_CODEC_WS_HEAD_H

#include "base/err.h"
#include "base/slice.h"

enum { PL_WS_CONT = 0, PL_WS_TEXT = 1, PL_WS_BINARY = 2, PL_WS_CLOSE = 8, PL_WS_PING = 9, PL_WS_PONG = 10 };

enum {
    PL_WS_HEAD_MAX = 14,    /* 2, +8 for a long length, +4 for the mask */
    PL_WS_CONTROL_MAX = 125 /* payload of a control frame, 5.5 */
};

/* Which side reads: a server wants masked frames, a client unmasked ones (5.1). */
enum pl_ws_role { PL_WS_SERVER, PL_WS_CLIENT };

/* Close codes we send or treat specially (7.4.1). NONE stands for a close frame without code, never on the wire. */
enum pl_ws_code {
    PL_WS_C_NORMAL = 1000,
    PL_WS_C_PROTOCOL = 1002,
    PL_WS_C_NONE = 1005,
    PL_WS_C_DATA = 1007,
    PL_WS_C_POLICY = 1008,
    PL_WS_C_TOO_BIG = 1009,
    PL_WS_C_INTERNAL = 1011
};

struct pl_ws_head {
    uint64_t payload_len;
    const char *fault; /* set with PL_EPROTO: static words for the close reason */
    uint8_t mask[4];   /* zero when not masked */
    uint8_t opcode;
    uint8_t head_len;  /* bytes consumed, 2..14 */
    bool is_fin;
    bool is_masked;
    bool has_rsv1;
};

static inline bool pl_ws_is_control(uint8_t opcode) { return opcode >= PL_WS_CLOSE; }

/* Parse the head of one frame that `role` received.
 * in        bytes so far, borrowed.
 * has_rsv1  permessage-deflate was negotiated: RSV1 may be set, on the first frame of a message only (RFC 7692 6).
 * limit     payload bytes this message may still take; control frames are exempt.
 * PL_OK: *ret is set, ret->head_len bytes are consumed.  PL_MORE: nothing consumed, *ret untouched.
 * PL_EPROTO: close 1002, ret->fault says why.  PL_ETOOBIG: close 1009; nothing of the payload need have come. */
enum pl_err pl_ws_head_parse(struct pl_slice in, enum pl_ws_role role, bool has_rsv1, uint64_t limit,
                             struct pl_ws_head *ret) __attribute__((warn_unused_result));

/* Write the shortest head of an unmasked frame, 2, 4 or 10 bytes; returns their number. */
size_t pl_ws_head_encode(uint8_t out[PL_WS_HEAD_MAX], uint8_t opcode, bool is_fin, bool has_rsv1, uint64_t len);
/* The same with a mask (client to server): 6, 8 or 14 bytes. The caller masks the payload with ws_mask.h. */
size_t pl_ws_head_encode_masked(uint8_t out[PL_WS_HEAD_MAX], uint8_t opcode, bool is_fin, bool has_rsv1, uint64_t len,
                                const uint8_t mask[4]);

/* May a peer send this close code (7.4, and the registry: 1012-1014; 3000-4999 belong to applications)? */
bool pl_ws_code_is_sendable(unsigned code);

/* Write a close payload: code, then `reason` (UTF-8) cut at a character so that all fits in 125 bytes.
 * PL_WS_C_NONE writes an empty one. Returns the length. */
size_t pl_ws_close_encode(uint8_t out[PL_WS_CONTROL_MAX], unsigned code, struct pl_slice reason);

#endif
