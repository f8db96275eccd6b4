/* codec/http1_field.h - what request and response heads of HTTP/1.1 share: finding the end of a head, field lines,
 * lists and lengths (RFC 9112 2-6). Pure; everything is borrowed from the caller's bytes; any thread.
 *
 * Strict on purpose: whatever two programs on the way could read differently (bare LF, space before a colon, folded
 * lines, two lengths) is refused, so nothing can be smuggled past a proxy in front of us. */
#ifndef PL_CODEC_HTTP1_FIELD_H
#define PL_CODEC_HTTP1_FIELD_H

#include "base/err.h"
#include "base/slice.h"

enum {
    PL_HTTP1_HEAD_BYTES = 16384,  /* default limit of a whole head: 431 beyond */
    PL_HTTP1_TARGET_BYTES = 8192, /* default limit of a request target: 414 beyond */
    PL_HTTP1_FIELDS_MAX = 100,    /* field lines in a head: 431 beyond */
};

struct pl_http1_field {
    struct pl_slice name;  /* a token, as sent; compare without case */
    struct pl_slice value; /* white space around it removed; no control character but HTAB */
};

/* Why a head was refused. `status` is what to answer, `why` a static text for the error body, `field` the name of the
 * offending field line (borrowed from the input) or empty. */
struct pl_http1_refusal {
    uint16_t status;
    const char *why;
    struct pl_slice field;
};

/* How far a head was looked through, so that a peer sending byte by byte costs linear time. Zero it for a new head; the
 * bytes may move in memory between two calls but must begin with the same ones. */
struct pl_http1_scan {
    uint32_t at;   /* no line end before this position is unseen */
    uint32_t line; /* start of the line that is not complete */
};

/* Fills *ret (NULL allowed) and gives `err`, so that a parser can `return pl_http1_refuse(...)`. */
enum pl_err pl_http1_refuse(struct pl_http1_refusal *ret, enum pl_err err, uint16_t status, const char *why,
                            struct pl_slice field);

/* Length of the head at the start of `in`, with its empty line. One empty line before it is skipped over (RFC 9112
 * 2.2) and counted. line_limit: bytes of the first line (414 beyond); limit: bytes of all (431 beyond).
 * PL_MORE: no end yet. PL_EPROTO: an LF without CR, or two empty lines in front. PL_ETOOBIG. */
enum pl_err pl_http1_scan_head(struct pl_http1_scan *scan, struct pl_slice in, size_t line_limit, size_t limit,
                               size_t *ret_len, struct pl_http1_refusal *ret_refusal) PL_MUST_CHECK;

/* Splits field lines. block: whole lines, each with its CRLF, without the empty one. fields: room for `max` of them.
 * PL_EPROTO: bad name, space before the colon, folding, control characters, bare CR. PL_ETOOBIG: more than max. */
enum pl_err pl_http1_fields_parse(struct pl_slice block, struct pl_http1_field *fields, size_t max, size_t *ret_n,
                                  struct pl_http1_refusal *ret_refusal) PL_MUST_CHECK;

/* First field of that name (compared without case); NULL when absent. */
const struct pl_http1_field *pl_http1_field_find(const struct pl_http1_field *fields, size_t n, struct pl_slice name);

/* Takes the next element off a comma-separated list (RFC 9110 5.6.1), white space removed, empty ones left out. */
bool pl_http1_list_next(struct pl_slice *list, struct pl_slice *ret_item);

/* Whether a comma-separated list has this token, compared without case. */
bool pl_http1_list_has(struct pl_slice list, struct pl_slice token);

/* Content-Length (RFC 9112 6.3): digits only, no sign, list or white space inside; overflow is PL_EPROTO. */
enum pl_err pl_http1_length_parse(struct pl_slice value, uint64_t *ret) PL_MUST_CHECK;

bool pl_http1_is_token(struct pl_slice s); /* RFC 9110 5.6.2; an empty slice is none */
bool pl_http1_is_tchar(uint8_t c);
int pl_http1_hex_digit(uint8_t c);         /* 0..15, or -1 */

#endif
