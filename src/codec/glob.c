#include "codec/glob.h"

bool pl_glob_match(struct pl_slice pattern, struct pl_slice text)
{
    size_t p = 0, t = 0, star = 0, resume = 0;
    bool has_star = false;

    while (t < text.len) {
        if (p < pattern.len && pattern.p[p] == '*') {
            has_star = true; /* only the last star ever needs another try */
            star = ++p;
            resume = t;
        } else if (p < pattern.len && pattern.p[p] == text.p[t]) {
            p++;
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
