/* codec/url.h - percent-decoding and walking a query string (RFC 3986 2.1; '+' as in HTML forms). Pure; any thread. */
#ifndef PL_CODEC_URL_H
#define PL_CODEC_URL_H

#include "base/err.h"
#include "base/slice.h"

enum pl_url_plus {
    PL_URL_PLUS_KEPT,     /* paths: '+' is itself */
    PL_URL_PLUS_IS_SPACE, /* queries */
};

/* Decode `in` to out (room for in.len bytes is always enough; out may be in's own bytes). *ret_len is set on PL_OK.
 * PL_EPROTO: '%' without two hex digits. PL_ETOOBIG: does not fit cap. */
enum pl_err pl_url_decode(struct pl_slice in, enum pl_url_plus plus, uint8_t *out, size_t cap, size_t *ret_len) PL_MUST_CHECK;

/* Takes the next name=value off a query; both still encoded. Pairs are separated by '&' only (WHATWG URL 5.1); empty ones
 * are skipped, a pair without '=' has an empty value. false at the end. */
bool pl_query_next(struct pl_slice *query, struct pl_slice *ret_name, struct pl_slice *ret_value);

/* First pair whose decoded name is `name`: its value, still encoded. false when absent. */
bool pl_query_find(struct pl_slice query, struct pl_slice name, struct pl_slice *ret_value);

/* The same, and the value decoded into out. PL_ENOENT, PL_EPROTO, PL_ETOOBIG. */
enum pl_err pl_query_get(struct pl_slice query, struct pl_slice name, uint8_t *out, size_t cap, size_t *ret_len) PL_MUST_CHECK;

/* Whether the pair is there and its value, decoded, is `value`. */
bool pl_query_is(struct pl_slice query, struct pl_slice name, struct pl_slice value);

#endif
