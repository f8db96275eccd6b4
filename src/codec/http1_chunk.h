/* codec/http1_chunk.h - incremental decoder of a chunked body (RFC 9112 7.1), in place. Pure; any thread.
 *
 * Takes bytes as they come, any cut; body bytes are moved together at the front of the caller's buffer. Strict: sizes are
 * 1-16 hex digits, every line ends with CRLF, extensions and trailers are limited, checked and dropped. */
#ifndef PL_CODEC_HTTP1_CHUNK_H
#define PL_CODEC_HTTP1_CHUNK_H

#include "base/err.h"
#include "base/slice.h"

enum {
    PL_CHUNK_EXTRA_BYTES = 4096, /* extensions of all chunks and the trailer section, together */
};

/* Zero it for a new body. Plain numbers, so that a connection's record can hold them. */
struct pl_http1_chunk {
    uint64_t left;    /* of the current chunk's size line, then of its data */
    uint64_t n_body;  /* body bytes promised so far by size lines */
    uint32_t n_extra; /* extension and trailer bytes so far */
    uint8_t state;    /* enum chunk_state in http1_chunk.c */
    uint8_t n_digits;
};

/* Decode p[0..len). limit: body bytes the whole body may have; checked when a size is announced, before any storage.
 * ret_body: body bytes now standing at p. ret_used: input bytes taken, all of them unless PL_OK; what follows belongs
 * to the next request. Both set on PL_MORE and PL_OK.
 * PL_MORE: the body goes on. PL_OK: it has ended. PL_EPROTO: 400. PL_ETOOBIG: 413, or 431 for too much beside the body;
 * after an error the state is unusable. */
enum pl_err pl_http1_chunk_decode(struct pl_http1_chunk *c, uint8_t *p, size_t len, uint64_t limit, size_t *ret_body,
                                  size_t *ret_used) PL_MUST_CHECK;

/* Whether the numbers could have come from a decoder (for records read back). */
bool pl_http1_chunk_is_sane(const struct pl_http1_chunk *c);

#endif
