/* codec/ws_deflate.h - message payloads through permessage-deflate (RFC 7692 section 7.2), both ways.
 *
 * Without context takeover nothing is kept per connection: one pl_ws_zip per shard serves all. With takeover a
 * connection owns an inflater (up to 40 KiB) and a deflater (up to 256 KiB). Each object: one thread at a time. */
#ifndef PL_CODEC_WS_DEFLATE_H
#define PL_CODEC_WS_DEFLATE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum { PL_WS_WINDOW_MAX = 32768 };

/* ---- inflate ---- */

struct pl_ws_inflater;
/* bits: the sender's window, 8..15. */
enum pl_err pl_ws_inflater_new(unsigned bits, struct pl_ws_inflater **ret) PL_MUST_CHECK;
void pl_ws_inflater_free(struct pl_ws_inflater **take_f); /* NULL is fine */
void pl_ws_inflater_reset(struct pl_ws_inflater *f);      /* forget earlier messages */

/* Inflate one whole message (all its fragments joined), appending to `out`. The window goes on from the last message
 * unless reset. limit: bytes this message may have inflated, checked every 16 KiB of output; `out` must take that much.
 * PL_EPROTO: not a deflated message. PL_ETOOBIG: over limit. PL_ENOMEM. After an error: reset or free. */
enum pl_err pl_ws_inflate(struct pl_ws_inflater *f, struct pl_slice payload, size_t limit, struct pl_buf *out)
    PL_MUST_CHECK;

/* The window as it stands between messages, for records: up to PL_WS_WINDOW_MAX bytes; returns their number. */
size_t pl_ws_inflater_window(struct pl_ws_inflater *f, uint8_t out[PL_WS_WINDOW_MAX]);
/* Into a new or reset inflater. PL_EPROTO: longer than its window can be. */
enum pl_err pl_ws_inflater_set_window(struct pl_ws_inflater *f, struct pl_slice window) PL_MUST_CHECK;

/* ---- deflate with context takeover ---- */

struct pl_ws_deflater;
/* bits: our window, 8..15. level 1..9. */
enum pl_err pl_ws_deflater_new(unsigned bits, int level, struct pl_ws_deflater **ret) PL_MUST_CHECK;
void pl_ws_deflater_free(struct pl_ws_deflater **take_d); /* NULL is fine */
/* Append the payload of one compressed message (RSV1) to `out`. Once made it must be sent: the window counts on it. */
enum pl_err pl_ws_deflate(struct pl_ws_deflater *d, struct pl_slice message, struct pl_buf *out) PL_MUST_CHECK;
size_t pl_ws_deflater_window(struct pl_ws_deflater *d, uint8_t out[PL_WS_WINDOW_MAX]);
enum pl_err pl_ws_deflater_set_window(struct pl_ws_deflater *d, struct pl_slice window) PL_MUST_CHECK;

/* ---- one per shard ---- */

struct pl_ws_zip;
/* level: of one-shot messages, 1..9 (Centrifugo's default 1). */
enum pl_err pl_ws_zip_new(int level, struct pl_ws_zip **ret) PL_MUST_CHECK;
void pl_ws_zip_free(struct pl_ws_zip **take_z); /* NULL is fine */
void pl_ws_zip_set_level(struct pl_ws_zip *z, int level); /* from the next message on */

/* Append the payload of one compressed message made from an empty window, for receivers with server_no_context_takeover
 * and a window of `bits`: any number of them may get the same bytes. Over 1 KiB it ends with a final block and a zero byte
 * (RFC 7692 7.2.3.4), which needs a receiver that starts afresh with each message. PL_ENOMEM, PL_ETOOBIG (out's limit). Not smaller than the message? The caller may send that instead. */
enum pl_err pl_ws_zip_message(struct pl_ws_zip *z, struct pl_slice message, unsigned bits, struct pl_buf *out)
    PL_MUST_CHECK;

/* The shared inflater (window 15), reset: fit for any message of a peer without context takeover. NULL: no memory. */
struct pl_ws_inflater *pl_ws_zip_inflater(struct pl_ws_zip *z);
/* Scratch for inflated messages, emptied; the next caller gets the same. Memory over 64 KiB is given back. */
struct pl_buf *pl_ws_zip_scratch(struct pl_ws_zip *z, size_t limit);

#endif
