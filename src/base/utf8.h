/* base/utf8.h - is it UTF-8? Incremental, so that a message that comes in pieces fails at its first impossible byte.
 *
 * Accepted: RFC 3629 (no overlong forms, no surrogates D800-DFFF, nothing above 10FFFF). The state is one byte, 0 at
 * the start and at every boundary between characters; it may be stored and taken up elsewhere. Any thread. */
#ifndef PL_BASE_UTF8_H
#define PL_BASE_UTF8_H

#include "base/slice.h"

enum { PL_UTF8_START = 0 };

/* Take the next piece. False: its bytes cannot continue to valid text, whatever follows (*state is then undefined). */
bool pl_utf8_feed(uint8_t *state, struct pl_slice piece);

/* May the text end here, that is, is no character half read? */
static inline bool pl_utf8_is_whole(uint8_t state) { return state == PL_UTF8_START; }

/* Is v a state that pl_utf8_feed() could have left (for what comes from a record)? */
bool pl_utf8_is_state(uint64_t v);

bool pl_utf8_is_valid(struct pl_slice text);

/* The longest prefix of valid UTF-8 `text` that has at most `max` bytes and cuts no character. */
struct pl_slice pl_utf8_cut(struct pl_slice text, size_t max);

#endif
