/* engine/op.h - one operation on a channel. It is made where the wish arises, runs at the channel's home shard, and carries its
 * result back. On one shard it never leaves the caller's stack; else a heap copy travels (hub/route.c).
 *
 * Ownership: strings and messages in an op are references that the op holds; pl_op_fini() drops them all. */
#ifndef PL_ENGINE_OP_H
#define PL_ENGINE_OP_H

#include "msg/msg.h"
#include "shard/shard.h"

enum pl_op_kind { PL_OP_PUBLISH, PL_OP_SUBSCRIBE, PL_OP_UNSUBSCRIBE, PL_OP_HISTORY, PL_OP_HISTORY_REMOVE };

/* How much of a channel is kept; size 0: nothing. Frozen copies of the namespace's options, so that a reload between asking and doing
 * is harmless. */
struct pl_keep {
    uint32_t size;
    uint32_t ttl_s;          /* of the list, sliding */
    uint32_t meta_ttl_s;     /* of offset and epoch after the last access; 0 for ever */
};

enum pl_recover { PL_RECOVER_NO, PL_RECOVER_STREAM, PL_RECOVER_CACHE };

struct pl_op {
    struct pl_mail mail;
    uint8_t kind;                    /* enum pl_op_kind */
    uint16_t origin;                 /* shard that asked */
    enum pl_err err;                 /* result: PL_OK, PL_ENOENT (epoch differs), PL_EEXIST (suppressed), PL_EBUSY, PL_ENOMEM, PL_EIO */
    void (*done)(struct pl_shard *s, struct pl_op *op); /* on the origin, exactly once, only if the call said PL_WAIT; owns op */
    struct pl_handle owner;          /* the caller's: session or request */
    uint64_t tag;                    /* the caller's */
    void *ctx;                       /* the caller's, must outlive the op */
    struct pl_str *note;             /* ref; the caller's own bytes */
    struct pl_str *channel;
    struct pl_keep keep;

    /* PUBLISH */
    struct pl_msg *msg;              /* in: unsealed; sealed by the home */
    struct pl_str *idempotency_key;
    struct pl_str *version_epoch;
    uint64_t version;
    bool skip_history;

    /* SUBSCRIBE: interest, position and recovery, join, in one go. UNSUBSCRIBE: leave and loss of interest. */
    bool want_interest;              /* SUBSCRIBE: this shard wants publications from now on; UNSUBSCRIBE: no more */
    bool want_position;
    uint8_t recover;                 /* enum pl_recover */
    bool must_recover;               /* not recovered is PL_ENOENT and no subscription */
    struct pl_msg *event;            /* join or leave to publish after the reply; NULL none */

    /* HISTORY and recovery: where to read */
    bool has_since;
    bool is_reverse;
    int32_t limit;                   /* publications at most; -1 all, 0 only the position */
    uint64_t since_offset;
    struct pl_str *since_epoch;      /* NULL: any */

    /* Results */
    bool is_recovered;
    uint64_t offset;                 /* publish: of this publication; others: top of the stream */
    struct pl_str *epoch;
    struct pl_msg **msgs;            /* owned array of references, in reading order */
    uint32_t n_msgs;
};

/* A zeroed op of that kind for a channel (copied). PL_ENOMEM. */
enum pl_err pl_op_init(struct pl_op *op, enum pl_op_kind kind, struct pl_slice channel) PL_MUST_CHECK;
void pl_op_fini(struct pl_op *op);   /* drops everything it holds; not the op itself */
/* Fields a caller sets often: takes a copy of the bytes. */
enum pl_err pl_op_set(struct pl_str **field, struct pl_slice s) PL_MUST_CHECK;

#endif
