/* codec/ws_in.h - a WebSocket's incoming half: bytes as they arrive in, whole messages and control frames out.
 *
 * Serves all three readers: server, echo and client (role). Checks everything of RFC 6455 sections 5 to 8 and RFC 7692
 * that concerns receiving: masks, opcodes, order of fragments, control frames between them, lengths, UTF-8 (at the first
 * impossible byte), close payloads, and limits over the sum of a message's fragments before anything is stored.
 *
 * A frame that lies whole in the given bytes and is a whole message is unmasked in place and lent without a copy. Anything
 * unfinished goes to a side block on the heap that exists only while something is unfinished (with context takeover: from
 * the first compressed message on). No thread of its own: one owner at a time. */
#ifndef PL_CODEC_WS_IN_H
#define PL_CODEC_WS_IN_H

#include "base/record.h"
#include "codec/ws_deflate.h"
#include "codec/ws_head.h"

struct ws_side;

/* Part of every WebSocket connection, so small. 24 bytes; members are private. */
struct pl_ws_in {
    struct ws_side *side;    /* owned; NULL while nothing is unfinished */
    uint32_t limit;          /* payload bytes of one message, as sent */
    uint32_t inflated_limit; /* of one compressed message, inflated */
    uint8_t role;            /* enum pl_ws_role */
    uint8_t deflate;         /* ws_in.c */
    uint8_t window_bits;     /* of the peer's compressor */
    bool is_over;            /* closed or failed: whatever comes is swallowed */
};
_Static_assert(sizeof(struct pl_ws_in) <= 24, "part of every connection");

struct pl_ws_in_opts {
    enum pl_ws_role role;
    uint32_t limit;          /* bytes of one message as sent, all fragments together: over it, close 1009 */
    uint32_t inflated_limit; /* the same after inflating */
    bool has_deflate;        /* permessage-deflate is agreed on */
    bool has_takeover;       /* the peer keeps its window from message to message */
    uint8_t window_bits;     /* the peer's window, 8..15, if has_deflate */
};

/* Unread bytes; advanced as they are taken. */
struct pl_ws_feed {
    uint8_t *p; /* borrowed, mutable: frames are unmasked in place */
    size_t len;
};

enum pl_ws_event_kind {
    PL_WS_EV_MORE,    /* all bytes are taken: come again with more */
    PL_WS_EV_MESSAGE, /* opcode, data */
    PL_WS_EV_PING,    /* data: to be echoed */
    PL_WS_EV_PONG,    /* data */
    PL_WS_EV_CLOSE,   /* code (PL_WS_C_NONE: it had none), data: reason, valid UTF-8. Nothing comes after it */
    PL_WS_EV_BAD      /* the peer broke a rule: close with code, data: reason (may be empty). Nothing comes after it */
};

struct pl_ws_event {
    enum pl_ws_event_kind kind;
    uint8_t opcode;       /* PL_WS_TEXT or PL_WS_BINARY */
    uint16_t code;
    struct pl_slice data; /* borrowed: until the next call on this or any pl_ws_in with the same zip, or the feed's end */
    char words[24];       /* private: where a reason with a number is written */
};

void pl_ws_in_init(struct pl_ws_in *in, const struct pl_ws_in_opts *opts);
void pl_ws_in_fini(struct pl_ws_in *in);

/* The next event from the bytes in `feed`; call until MORE. May be left off at any event: the rest of feed is untouched
 * and must be given again. zip: the shard's; NULL if no deflate was agreed on,
 * else a compressed message ends in code 1011. */
enum pl_ws_event_kind pl_ws_in_next(struct pl_ws_in *in, struct pl_ws_zip *zip, struct pl_ws_feed *feed,
                                    struct pl_ws_event *ret);

/* Is a message half received (so that the peer owes bytes)? */
bool pl_ws_in_is_midway(const struct pl_ws_in *in);
/* Heap bytes held now, without zlib's own. */
size_t pl_ws_in_held(const struct pl_ws_in *in);

/* Write everything down / go on from it (base/record.h). Between two calls of next, with the last lent event done with. Load takes an
 * uninitialised struct; limits come from `opts`, as on init. PL_EPROTO: damaged (nothing to fini), PL_ENOMEM. */
void pl_ws_in_save(const struct pl_ws_in *in, struct pl_rec_out *r);
enum pl_err pl_ws_in_load(struct pl_ws_in *in, const struct pl_ws_in_opts *opts, struct pl_rec_in r) PL_MUST_CHECK;

#endif
