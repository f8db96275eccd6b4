/* lib/backoff.h - how long to wait before the n-th attempt: min(base * 2^n, cap) plus 0..jitter percent. Pure. */
#ifndef PL_LIB_BACKOFF_H
#define PL_LIB_BACKOFF_H

#include <stdint.h>

struct pl_backoff {
    uint32_t base_ms, cap_ms, jitter_percent;
};

/* n counts from 0; random is any number. With base 1000, cap 30000, jitter 30: 1, 2, 4, 8, 16, 30, 30 ... s, each up to 30 % longer. */
static inline uint64_t pl_backoff_ms(const struct pl_backoff *b, unsigned n, uint64_t random)
{
    uint64_t ms = n < 32 ? (uint64_t)b->base_ms << n : b->cap_ms;
    uint64_t spread;

    ms = ms < b->cap_ms ? ms : b->cap_ms;
    spread = ms * b->jitter_percent / 100;
    return ms + (spread != 0 ? random % (spread + 1) : 0);
}

#endif
