#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum { BUF_FIRST = 256 };

void pl_buf_fini(struct pl_buf *b)
{
    free(b->p);
    *b = pl_buf_init(b->limit);
}

uint8_t *pl_buf_room(struct pl_buf *b, size_t n)
{
    size_t need, cap;
    uint8_t *p;

    if (b->failed)
        return NULL;
    if (pl_add_overflow(b->len, n, &need) || need > b->limit) {
        b->failed = true;
        return NULL;
    }
    if (need > b->cap) {
        cap = b->cap != 0 ? b->cap : BUF_FIRST;
        while (cap < need)
            cap = cap > b->limit / 2 ? b->limit : cap * 2;
        p = realloc(b->p, cap);
        if (p == NULL) {
            b->failed = true;
            return NULL;
        }
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->len;
}

void pl_buf_put(struct pl_buf *b, const void *p, size_t n)
{
    uint8_t *at;

    if (n == 0)
        return;
    at = pl_buf_room(b, n);
    if (at == NULL)
        return;
    memcpy(at, p, n);
    b->len += n;
}

void pl_buf_u64(struct pl_buf *b, uint64_t v)
{
    uint8_t digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (uint8_t)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    pl_buf_put(b, digits + at, sizeof digits - at);
}

void pl_buf_i64(struct pl_buf *b, int64_t v)
{
    if (v < 0) {
        pl_buf_byte(b, '-');
        pl_buf_u64(b, (uint64_t)0 - (uint64_t)v);
    } else {
        pl_buf_u64(b, (uint64_t)v);
    }
}

void pl_buf_printf(struct pl_buf *b, const char *fmt, ...)
{
    va_list ap;
    uint8_t *at;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    PL_ASSERT(n >= 0);
    at = pl_buf_room(b, (size_t)n + 1);
    if (at == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf((char *)at, (size_t)n + 1, fmt, ap); /* length is known from the first pass */
    va_end(ap);
    b->len += (size_t)n;
}

void pl_buf_consume(struct pl_buf *b, size_t n)
{
    PL_ASSERT(n <= b->len);
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->p, b->p + n, b->len);
}

void pl_buf_shrink(struct pl_buf *b)
{
    uint8_t *p;

    if (b->len == 0) {
        free(b->p);
        b->p = NULL;
        b->cap = 0;
        return;
    }
    p = realloc(b->p, b->len);
    if (p != NULL) {
        b->p = p;
        b->cap = b->len;
    }
}
