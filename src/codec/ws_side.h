/* codec/ws_side.h - private to ws_in*.c: what a pl_ws_in keeps while a frame or message is unfinished. */
#ifndef PL_CODEC_WS_SIDE_H
#define PL_CODEC_WS_SIDE_H

#include "codec/ws_in.h"

enum { WS_IN_DEFLATE = 1, WS_IN_TAKEOVER = 2 }; /* pl_ws_in.deflate */

struct ws_side {
    struct pl_buf message;           /* owned: payload of the message so far, unmasked; compressed if is_packed */
    struct pl_ws_inflater *inflater; /* owned; with context takeover only, from the first compressed message on */
    struct pl_ws_head head;          /* of the frame being read, while is_in_frame */
    uint64_t left;                   /* payload bytes of that frame that have not come yet */
    uint8_t opcode;                  /* of the message being read, 0 none */
    uint8_t utf8;                    /* base/utf8.h state of `message`, uncompressed text only */
    uint8_t n_head, n_control;       /* bytes in the two arrays below */
    bool is_packed;
    bool is_in_frame;
    bool is_lent;                    /* `message` was handed out: emptied at the next call */
    uint8_t head_bytes[PL_WS_HEAD_MAX]; /* of a head cut short */
    uint8_t control[PL_WS_CONTROL_MAX]; /* payload of a control frame cut short */
};

/* The side block, made if absent; NULL: no memory. */
struct ws_side *ws_side_get(struct pl_ws_in *in);
void ws_side_free(struct pl_ws_in *in);

#endif
