/* base/buf.h - a growing byte buffer with a hard limit, for building output.
 *
 * Appending never fails loudly: over the limit or out of memory the buffer becomes `failed`, keeps what it had, and
 * every later append is ignored; the builder asks pl_buf_ok() once at its end. The memory belongs to the buffer until
 * pl_buf_fini() or pl_buf_take(). Not thread-safe: one owner. */
#ifndef PL_BASE_BUF_H
#define PL_BASE_BUF_H

#include "base/err.h"
#include "base/slice.h"

struct pl_buf {
    uint8_t *p;   /* owned */
    size_t len;
    size_t cap;
    size_t limit; /* never grows beyond, bytes */
    bool failed;
};

/* An empty buffer that owns nothing; limit in bytes. */
static inline struct pl_buf pl_buf_init(size_t limit)
{
    return (struct pl_buf){ NULL, 0, 0, limit, false };
}

void pl_buf_fini(struct pl_buf *b);                            /* frees; the buffer is empty and usable again */
static inline void pl_buf_clear(struct pl_buf *b) { b->len = 0; b->failed = false; } /* keeps the memory */
static inline bool pl_buf_ok(const struct pl_buf *b) { return !b->failed; }
static inline struct pl_slice pl_buf_slice(const struct pl_buf *b) { return pl_slice(b->p, b->len); }

/* Room for n more bytes: a pointer to write them at (then add to b->len), NULL if that would pass the limit. */
uint8_t *pl_buf_room(struct pl_buf *b, size_t n);
void pl_buf_put(struct pl_buf *b, const void *p, size_t n);
void pl_buf_u64(struct pl_buf *b, uint64_t v);                 /* decimal */
void pl_buf_i64(struct pl_buf *b, int64_t v);                  /* decimal */
void pl_buf_printf(struct pl_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* cold paths */

static inline void pl_buf_slice_put(struct pl_buf *b, struct pl_slice s) { pl_buf_put(b, s.p, s.len); }
static inline void pl_buf_byte(struct pl_buf *b, uint8_t c) { pl_buf_put(b, &c, 1); }
#define PL_BUF_LIT(b, s) pl_buf_put((b), "" s, sizeof(s) - 1)

/* Drops n (<= len) bytes from the front. */
void pl_buf_consume(struct pl_buf *b, size_t n);
/* Frees spare capacity; an empty buffer then owns nothing. */
void pl_buf_shrink(struct pl_buf *b);

#endif
