/* base/secret.h - bytes that must never be printed: keys, tokens, passwords. The type keeps them away from "%s"
 * (-Werror=format) and from logs, which take only PL_F_SECRET (length and a keyed tag). */
#ifndef PL_BASE_SECRET_H
#define PL_BASE_SECRET_H

#include "base/slice.h"

struct pl_secret {
    const uint8_t *p; /* owned by whoever owns the struct around it; that owner wipes it */
    size_t len;
};

static inline bool pl_secret_is_set(struct pl_secret s) { return s.len != 0; }
static inline struct pl_slice pl_secret_slice(struct pl_secret s) { return pl_slice(s.p, s.len); } /* for crypto calls */

/* Equal content; an unset secret equals nothing. Time depends on the lengths only. */
static inline bool pl_secret_eq(struct pl_secret s, struct pl_slice given)
{
    unsigned diff = 0;

    if (s.len == 0 || s.len != given.len)
        return false;
    for (size_t i = 0; i < s.len; i++)
        diff |= (unsigned)(s.p[i] ^ given.p[i]);
    __asm__ volatile("" : "+r"(diff)); /* keeps the compiler from leaving the loop early */
    return diff == 0;
}

#endif
