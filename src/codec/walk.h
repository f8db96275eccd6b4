/* codec/walk.h - a place in a list or map that a parser left encoded: rest.len 0 at the end. A plain value; may be kept. */
#ifndef PL_CODEC_WALK_H
#define PL_CODEC_WALK_H

#include "base/slice.h"

struct pl_walk {
    struct pl_slice rest; /* borrowed */
    bool is_open;
};

static inline struct pl_walk pl_walk(struct pl_slice field)
{
    return (struct pl_walk){ field, false };
}

#endif
