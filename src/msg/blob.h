/* msg/blob.h - encoded bytes ready for the wire, shared by the sessions of one shard. Plain count: never leaves its shard. */
#ifndef PL_MSG_BLOB_H
#define PL_MSG_BLOB_H

#include "base/buf.h"

struct pl_blob {
    uint32_t refs;
    uint32_t len;
    uint8_t bytes[];
};

/* A copy with one reference; NULL when memory is out. */
struct pl_blob *pl_blob_new(struct pl_slice bytes);
static inline struct pl_blob *pl_blob_ref(struct pl_blob *b) { b->refs++; return b; }
void pl_blob_unref(struct pl_blob **take_b);

#endif
