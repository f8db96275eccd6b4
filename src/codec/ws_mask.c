#include "codec/ws_mask.h"

#include <string.h>

#include "base/check.h"

void pl_ws_mask(uint8_t *p, size_t n, const uint8_t mask[4], uint64_t at)
{
    uint8_t turned[8];
    uint64_t m, eight;
    size_t i;

    for (i = 0; i < sizeof turned; i++)
        turned[i] = mask[(at + i) & 3];
    memcpy(&m, turned, sizeof m);
    for (; n >= sizeof m; p += sizeof m, n -= sizeof m) {
        memcpy(&eight, p, sizeof eight);
        eight ^= m;
        memcpy(p, &eight, sizeof eight);
    }
    if (PL_SABOTAGE(ws_mask_tail) && n > 0)
        n--;
    for (i = 0; i < n; i++)
        p[i] ^= turned[i];
}
