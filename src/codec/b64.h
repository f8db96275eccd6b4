/* codec/b64.h - base64 (RFC 4648), strict: no line breaks, no foreign characters, no stray bits in the last character, padding
 * exactly where the alphabet has it. One text per byte string, so a signature has one spelling. Pure, any thread. */
#ifndef PL_CODEC_B64_H
#define PL_CODEC_B64_H

#include "base/buf.h"
#include "base/err.h"

enum pl_b64 {
    PL_B64_STD, /* '+' '/', padded: API and claims */
    PL_B64_URL, /* '-' '_', not padded: tokens (RFC 7515 2) */
};

/* Room that n characters need at most when decoded. */
static inline size_t pl_b64_decoded_max(size_t n)
{
    return n / 4 * 3 + 3;
}

/* Decodes into out (pl_b64_decoded_max bytes). PL_EINVAL; *ret_len is set on PL_OK. */
PL_MUST_CHECK enum pl_err pl_b64_decode(enum pl_b64 kind, struct pl_slice text, uint8_t *out, size_t *ret_len);
void pl_b64_encode(struct pl_buf *b, enum pl_b64 kind, struct pl_slice bytes);

#endif
