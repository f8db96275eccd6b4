/* config/regex.h - patterns from the configuration (channel_regex, audience_regex, issuer_regex), in RE2's syntax.
 *
 * Compiled and run by PCRE2's DFA matcher, which does not backtrack: time is bounded by pattern length x text length
 * squared, texts are at most a few hundred bytes. What RE2 lacks is refused: back references, look-around, atomic and
 * conditional groups, possessive repeats, callouts, verbs, recursion. '$' means the end of the text only. */
#ifndef PL_CONFIG_REGEX_H
#define PL_CONFIG_REGEX_H

#include "base/err.h"
#include "base/slice.h"

struct pl_regex;

/* PL_EINVAL: *ret_why (static or in why_buf) says what is wrong and where. */
PL_MUST_CHECK enum pl_err pl_regex_new(struct pl_slice pattern, char *why_buf, size_t why_cap, struct pl_regex **ret_re);
void pl_regex_free(struct pl_regex **take_re);

/* Unanchored search. Any thread. Text that is not UTF-8, or exceeds the matcher's bounds, does not match. */
bool pl_regex_match(const struct pl_regex *re, struct pl_slice text);

#endif
