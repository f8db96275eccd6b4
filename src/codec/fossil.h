/* codec/fossil.h - patches in Fossil's delta format (wire-protocol.md 4.6): how one text becomes another by copies and insertions.
 *
 * Time is linear in both lengths, memory about the source's length from the scratch. Pure functions, any thread. */
#ifndef PL_CODEC_FOSSIL_H
#define PL_CODEC_FOSSIL_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/scratch.h"

enum { PL_FOSSIL_MAX = 16 << 20 }; /* bytes of either text */

/* Appends the patch that makes `target` of `source`. False, and nothing appended: none that is shorter than the target was found, or
 * there is no room for looking. is_text: the target is UTF-8 and no character of it is cut, so that the patch is UTF-8 too. */
bool pl_fossil_encode(struct pl_slice source, struct pl_slice target, bool is_text, struct pl_scratch *scratch, struct pl_buf *out);
/* Appends what the patch makes of `source`. PL_EPROTO: it is malformed, does not fit the source, or its checksum says so. PL_ETOOBIG: the
 * result would pass `limit` bytes. PL_ENOMEM: out's own limit. On error *out may hold a part. */
enum pl_err pl_fossil_decode(struct pl_slice source, struct pl_slice patch, size_t limit, struct pl_buf *out) PL_MUST_CHECK;

#endif
