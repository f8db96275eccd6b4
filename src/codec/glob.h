/* codec/glob.h - patterns: '*' any bytes, none included; '?' one byte; '\' quotes the next; everything else stands for itself.
 * Origins (both sides lower-cased by the caller) and channel patterns. Time is at most pattern length times text length. Pure, any
 * thread. */
#ifndef PL_CODEC_GLOB_H
#define PL_CODEC_GLOB_H

#include "base/slice.h"

bool pl_glob_match(struct pl_slice pattern, struct pl_slice text);

#endif
