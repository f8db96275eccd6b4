/* codec/scratch.h - memory for what a parser cannot borrow from its input: strings that had escapes, decoded base64.
 *
 * Owned by the caller and reused: it allocates on first need (most inputs never need it), pieces never move, and all go
 * at once. Bounded by `limit`: unescaped text is never longer than its source, so a message's own size limit is the
 * natural one. Not thread-safe: one owner. */
#ifndef PL_CODEC_SCRATCH_H
#define PL_CODEC_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

struct pl_scratch_block;

struct pl_scratch {
    struct pl_scratch_block *blocks; /* owned, newest first */
    size_t n_bytes;                  /* handed out since the last reset */
    size_t limit;
};

static inline struct pl_scratch pl_scratch_init(size_t limit)
{
    return (struct pl_scratch){ NULL, 0, limit };
}

/* n bytes, not aligned for anything but bytes; valid until reset or fini. NULL: over the limit or out of memory. */
uint8_t *pl_scratch_bytes(struct pl_scratch *s, size_t n);
/* The same, aligned for any struct, not zeroed. */
void *pl_scratch_alloc(struct pl_scratch *s, size_t n);
/* Forgets everything handed out; keeps at most one small block. */
void pl_scratch_reset(struct pl_scratch *s);
/* Frees all; empty and usable again. */
void pl_scratch_fini(struct pl_scratch *s);

#endif
