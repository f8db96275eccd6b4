/* codec/json_scan.h - the byte loops under codec/json.c: each passes over one lexical thing and checks it. Pure. */
#ifndef PL_CODEC_JSON_SCAN_H
#define PL_CODEC_JSON_SCAN_H

#include "base/slice.h"

static inline const uint8_t *pl_json_scan_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* First byte in [p, end) that a string writer or reader must look at: '"', '\\', below 0x20 or from 0x80 on; else end. */
const uint8_t *pl_json_scan_plain(const uint8_t *p, const uint8_t *end);
/* p stands behind the opening quote; gives the closing one, NULL if the string is not valid (RFC 8259 7, UTF-8). */
const uint8_t *pl_json_scan_string(const uint8_t *p, const uint8_t *end, bool *ret_has_escape);
/* p stands at a value's first byte; gives the byte behind it, NULL if not valid or deeper than PL_JSON_DEPTH - depth. */
const uint8_t *pl_json_scan_value(const uint8_t *p, const uint8_t *end, unsigned depth);
/* Length of the UTF-8 sequence at p (first byte from 0x80 on): 2, 3, 4; 0 if not valid or cut (RFC 3629). */
size_t pl_json_scan_utf8(const uint8_t *p, const uint8_t *end);
/* Unescapes a valid string's inside into out (at least raw.len bytes); gives the length. */
size_t pl_json_scan_unescape(struct pl_slice raw, uint8_t *out);

#endif
