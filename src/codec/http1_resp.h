/* codec/http1_resp.h - writing HTTP/1.1 response heads into a pl_buf. Pure but for the buffer's memory; any thread.
 * Order: start, any headers, end; then the body. Whether it fitted is asked once: pl_buf_ok(). */
#ifndef PL_CODEC_HTTP1_RESP_H
#define PL_CODEC_HTTP1_RESP_H

#include "base/buf.h"

/* Reason phrase of a status; "Unknown" for one without a row. Static. */
const char *pl_http_reason(unsigned status);

/* "HTTP/1.1 200 OK\r\n". status: 100..599. A peer that spoke 1.0 gets the same line (RFC 9112 2.3). */
void pl_http1_resp_start(struct pl_buf *out, unsigned status);
/* One header line. name: ours, a token. value: control bytes in it become spaces, so nobody can split the response. */
void pl_http1_resp_header(struct pl_buf *out, struct pl_slice name, struct pl_slice value);
void pl_http1_resp_length(struct pl_buf *out, uint64_t n_body);
/* "Date: ..." (RFC 9110 5.6.7) for a Unix time in seconds. */
void pl_http1_resp_date(struct pl_buf *out, int64_t unix_s);
void pl_http1_resp_end(struct pl_buf *out);

/* One chunk of a chunked body around `data` (not empty: that would be the end), and the end. */
void pl_http1_resp_chunk(struct pl_buf *out, struct pl_slice data);
void pl_http1_resp_last_chunk(struct pl_buf *out);

/* Whether a response with this status never has a body (RFC 9110 6.4.1), apart from the method. */
static inline bool pl_http_status_has_no_body(unsigned status)
{
    return status < 200 || status == 204 || status == 304;
}

#endif
