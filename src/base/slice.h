/* base/slice.h - borrowed bytes: a pointer and a length. Never owned, not NUL-terminated; valid as the lender says. */
#ifndef PL_BASE_SLICE_H
#define PL_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pl_slice {
    const uint8_t *p;
    size_t len;
};

/* A string literal as a slice; PL_LIT_INIT for static initialisers. printf: "%.*s" with PL_FMT(s). */
#define PL_LIT(s) ((struct pl_slice){ (const uint8_t *)("" s), sizeof(s) - 1 })
#define PL_LIT_INIT(s) { (const uint8_t *)("" s), sizeof(s) - 1 }
#define PL_FMT(s) (int)(s).len, (const char *)(s).p

static inline struct pl_slice pl_slice(const void *p, size_t len)
{
    return (struct pl_slice){ (const uint8_t *)p, len };
}

/* NULL gives an empty slice. */
static inline struct pl_slice pl_slice_str(const char *s)
{
    return (struct pl_slice){ (const uint8_t *)s, s != NULL ? strlen(s) : 0 };
}

static inline bool pl_slice_eq(struct pl_slice a, struct pl_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* ASCII case folded; bytes >= 0x80 compare exactly. */
static inline bool pl_slice_eq_nocase(struct pl_slice a, struct pl_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        uint8_t x = a.p[i], y = b.p[i];
        x = (uint8_t)(x >= 'A' && x <= 'Z' ? x | 0x20 : x);
        y = (uint8_t)(y >= 'A' && y <= 'Z' ? y | 0x20 : y);
        if (x != y)
            return false;
    }
    return true;
}

static inline bool pl_slice_starts(struct pl_slice s, struct pl_slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

/* Bytes from `at` (<= len) on. */
static inline struct pl_slice pl_slice_from(struct pl_slice s, size_t at)
{
    return (struct pl_slice){ at > 0 ? s.p + at : s.p, s.len - at }; /* NULL + 0 is undefined in C */
}

static inline bool pl_add_overflow(size_t a, size_t b, size_t *ret_sum)
{
    return __builtin_add_overflow(a, b, ret_sum);
}

#endif
