/* codec/http1_resp_parse.h - the head of one HTTP/1.1 response, for clients (libpeal, tests). As strict as
 * http1_head.h; every slice is borrowed from the input; pure; any thread. */
#ifndef PL_CODEC_HTTP1_RESP_PARSE_H
#define PL_CODEC_HTTP1_RESP_PARSE_H

#include "codec/http1_field.h"

/* How the body ends (RFC 9112 6.3). */
enum pl_http1_framing {
    PL_HTTP1_NO_BODY,
    PL_HTTP1_LENGTH,
    PL_HTTP1_CHUNKED,
    PL_HTTP1_UNTIL_CLOSE,
};

struct pl_http1_resp {
    uint16_t status;      /* 100..599 */
    uint8_t minor;        /* 0 or 1 */
    bool keep_alive;
    enum pl_http1_framing framing;
    uint64_t content_length; /* with PL_HTTP1_LENGTH */
    struct pl_slice reason;  /* may be empty */
    size_t len;              /* bytes of the head, consumed */
    size_t n_fields;
    struct pl_http1_field fields[PL_HTTP1_FIELDS_MAX];
};

/* to_head: the request was HEAD, so no body follows whatever the fields say. A 101 has no body: what follows the head
 * is the new protocol's. ret_why (NULL allowed): a static text on error.
 * PL_MORE: call again with more and the same scan. PL_EPROTO, PL_ETOOBIG (16 KiB, 100 fields): drop the connection. */
enum pl_err pl_http1_resp_parse(struct pl_slice in, bool to_head, struct pl_http1_scan *scan, struct pl_http1_resp *ret,
                                const char **ret_why) PL_MUST_CHECK;

#endif
