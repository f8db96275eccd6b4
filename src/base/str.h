/* base/str.h - an immutable counted string: user ids, epochs, connection info, channel names.
 *
 * Shared by reference between threads; the count is atomic and touched only when an object is made or dropped, never per
 * delivery. NULL stands for the empty string everywhere. */
#ifndef PL_BASE_STR_H
#define PL_BASE_STR_H

#include <stdatomic.h>

#include "base/slice.h"

struct pl_str {
    atomic_uint refs;
    uint32_t len;
    uint8_t bytes[]; /* len bytes and a NUL for the debugger's sake */
};

/* A copy of `s` with one reference; NULL for an empty slice, and when memory is out (*ret_ok says which if not NULL). */
struct pl_str *pl_str_new(struct pl_slice s, bool *ret_ok);
static inline struct pl_str *pl_str_ref(struct pl_str *s)
{
    if (s != NULL)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}
void pl_str_unref(struct pl_str **take_s); /* NULL is fine; sets it to NULL */
static inline struct pl_slice pl_str_slice(const struct pl_str *s)
{
    return s != NULL ? pl_slice(s->bytes, s->len) : pl_slice("", 0);
}
static inline bool pl_str_eq(const struct pl_str *a, const struct pl_str *b)
{
    return a == b || pl_slice_eq(pl_str_slice(a), pl_str_slice(b));
}

#endif
