/* codec/json_scan.h - the byte loops under codec/json.c: each passes over one lexical thing and checks it. Pure. */
#ifndef PL_CODEC_JSON_SCAN_H
#define PL_CODEC_JSON_SCAN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/slice.h"

static inline const uint8_t *pl_json_scan_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

const uint8_t *pl_json_scan_plain_tail(const uint8_t *p, const uint8_t *end);
const uint8_t *pl_json_scan_string_rest(const uint8_t *p, const uint8_t *end, bool *ret_has_escape);

/* First byte in [p, end) that a string writer or reader must look at: '"', '\\', below 0x20 or from 0x80 on; else end. */
static inline const uint8_t *pl_json_scan_plain(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);

    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* signed: bytes from 0x80 on are below zero, so one comparison finds them and the controls */
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)), _mm_cmplt_epi8(v, space));
        int mask = _mm_movemask_epi8(hit);

        if (mask != 0)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    return pl_json_scan_plain_tail(p, end);
}

/* p stands behind the opening quote; gives the closing one, NULL if the string is not valid (RFC 8259 7, UTF-8). */
static inline const uint8_t *pl_json_scan_string(const uint8_t *p, const uint8_t *end, bool *ret_has_escape)
{
    *ret_has_escape = false;
    p = pl_json_scan_plain(p, end);
    return p < end && *p == '"' ? p : pl_json_scan_string_rest(p, end, ret_has_escape);
}

/* p stands at a value's first byte; gives the byte behind it, NULL if not valid or deeper than PL_JSON_DEPTH - depth. */
const uint8_t *pl_json_scan_value(const uint8_t *p, const uint8_t *end, unsigned depth);
/* Length of the UTF-8 sequence at p (first byte from 0x80 on): 2, 3, 4; 0 if not valid or cut (RFC 3629). */
size_t pl_json_scan_utf8(const uint8_t *p, const uint8_t *end);
/* Unescapes a valid string's inside into out (at least raw.len bytes); gives the length. */
size_t pl_json_scan_unescape(struct pl_slice raw, uint8_t *out);

#endif
