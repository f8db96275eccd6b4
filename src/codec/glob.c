#include "codec/glob.h"

/* Bytes of pattern that match one byte of text at p, 0 if they don't. */
static size_t match_one(struct pl_slice pattern, size_t p, uint8_t c)
{
    if (p == pattern.len)
        return 0;
    if (pattern.p[p] == '?')
        return 1;
    if (pattern.p[p] == '\\' && p + 1 < pattern.len)
        return pattern.p[p + 1] == c ? 2 : 0;
    return pattern.p[p] == c ? 1 : 0;
}

bool pl_glob_match(struct pl_slice pattern, struct pl_slice text)
{
    size_t p = 0, t = 0, star = 0, resume = 0;
    bool has_star = false;

    while (t < text.len) {
        size_t used;

        if (p < pattern.len && pattern.p[p] == '*') {
            has_star = true; /* only the last star ever needs another try */
            star = ++p;
            resume = t;
            continue;
        }
        used = match_one(pattern, p, text.p[t]);
        if (used != 0) {
            p += used;
            t++;
        } else if (has_star) {
            p = star;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.p[p] == '*')
        p++;
    return p == pattern.len;
}
