/* codec/ws_mask.h - the XOR mask of client frames (RFC 6455 section 5.3), in place; the same call masks and unmasks. */
#ifndef PL_CODEC_WS_MASK_H
#define PL_CODEC_WS_MASK_H

#include <stddef.h>
#include <stdint.h>

/* XOR the n bytes at p, which stand `at` bytes into the frame's payload. p needs no alignment. Any thread. */
void pl_ws_mask(uint8_t *p, size_t n, const uint8_t mask[4], uint64_t at);

#endif
