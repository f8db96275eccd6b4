/* codec/http1_head.h - the head of one HTTP/1.x request (RFC 9112 3-6, 9110), parsed in place and judged strictly.
 * Pure, no allocation; every slice in the result is borrowed from the input; any thread. */
#ifndef PL_CODEC_HTTP1_HEAD_H
#define PL_CODEC_HTTP1_HEAD_H

#include "codec/http1_field.h"

/* Single bits, so that a route can hold a mask of the methods it serves. */
enum pl_http_method {
    PL_HTTP_GET = 1 << 0,
    PL_HTTP_HEAD = 1 << 1,
    PL_HTTP_POST = 1 << 2,
    PL_HTTP_PUT = 1 << 3,
    PL_HTTP_DELETE = 1 << 4,
    PL_HTTP_OPTIONS = 1 << 5,
    PL_HTTP_PATCH = 1 << 6,
    PL_HTTP_TRACE = 1 << 7,
    PL_HTTP_OTHER = 1 << 8, /* any other token; CONNECT is refused by the parser */
};

struct pl_http1_limits {
    uint32_t head_bytes;   /* 0: PL_HTTP1_HEAD_BYTES */
    uint32_t target_bytes; /* 0: PL_HTTP1_TARGET_BYTES */
};

struct pl_http1_head {
    enum pl_http_method method;
    struct pl_slice method_name;
    struct pl_slice target;  /* as sent */
    struct pl_slice path;    /* begins with '/', or is "*" with OPTIONS; percent-encoded, well-formed */
    struct pl_slice query;   /* without the '?'; empty when absent; its encoding is not checked */
    struct pl_slice host;    /* authority of the target, else the Host field; empty only where HTTP/1.0 sent none */
    struct pl_slice upgrade; /* value of Upgrade when Connection names it and the version is 1.1; else empty */
    uint64_t content_length; /* when has_length */
    uint8_t minor;           /* 0 or 1 */
    bool has_length;
    bool is_chunked;         /* never together with has_length */
    bool keep_alive;         /* what the peer wants; the answer may still close */
    bool expects_continue;   /* only with a body and HTTP/1.1 */
    size_t len;              /* bytes of the head, consumed */
    size_t n_fields;
    struct pl_http1_field fields[PL_HTTP1_FIELDS_MAX];
};

/* Parse the head at the start of `in` (all bytes so far, borrowed). limits may be NULL: defaults.
 * ret_refusal (NULL allowed) is set on PL_EPROTO and PL_ETOOBIG: the status to answer; then the connection is closed.
 * PL_MORE: nothing consumed, call again with more and the same scan. PL_EPROTO: 400, 417, 501 or 505. PL_ETOOBIG: 414
 * or 431. *ret is scratch until PL_OK. A head is refused as soon as its first byte or its size shows that it must be. */
enum pl_err pl_http1_head_parse(struct pl_slice in, const struct pl_http1_limits *limits, struct pl_http1_scan *scan,
                                struct pl_http1_head *ret, struct pl_http1_refusal *ret_refusal) PL_MUST_CHECK;

/* Value of the first field with that name (without case), empty when absent. */
struct pl_slice pl_http1_head_get(const struct pl_http1_head *h, struct pl_slice name);
/* How many fields have that name: what must be single is checked by whoever uses it. */
size_t pl_http1_head_count(const struct pl_http1_head *h, struct pl_slice name);

#endif
