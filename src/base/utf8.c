#include "base/utf8.h"

#include "base/check.h"

/* What the next byte must be. The names say which continuation bytes are still to come; the four special ones narrow
 * the range of the next (RFC 3629 section 4). */
enum utf8_state {
    U_START = PL_UTF8_START,
    U_ONE,   /* one more of 80..BF */
    U_TWO,   /* two more */
    U_THREE, /* three more */
    U_E0,    /* A0..BF, then one: shorter forms are overlong */
    U_ED,    /* 80..9F, then one: above are surrogates */
    U_F0,    /* 90..BF, then two: overlong below */
    U_F4,    /* 80..8F, then two: above is beyond 10FFFF */
    U_N
};

static const struct {
    uint8_t lo, hi, next;
} rules[U_N] = {
    [U_START] = { 0x00, 0x7f, U_START },
    [U_ONE]   = { 0x80, 0xbf, U_START },
    [U_TWO]   = { 0x80, 0xbf, U_ONE },
    [U_THREE] = { 0x80, 0xbf, U_TWO },
    [U_E0]    = { 0xa0, 0xbf, U_ONE },
    [U_ED]    = { 0x80, 0x9f, U_ONE },
    [U_F0]    = { 0x90, 0xbf, U_TWO },
    [U_F4]    = { 0x80, 0x8f, U_TWO },
};

/* State after a lead byte >= 80; U_START if it cannot lead. */
static uint8_t lead(uint8_t c)
{
    if (c >= 0xc2 && c <= 0xdf)
        return U_ONE;
    if (c == 0xe0)
        return U_E0;
    if (c == 0xed)
        return U_ED;
    if (c >= 0xe1 && c <= 0xef)
        return U_TWO;
    if (c == 0xf0)
        return U_F0;
    if (c >= 0xf1 && c <= 0xf3)
        return U_THREE;
    if (c == 0xf4)
        return U_F4;
    return U_START;
}

bool pl_utf8_feed(uint8_t *state, struct pl_slice piece)
{
    const uint8_t *p = piece.p, *end;
    uint8_t s = *state;
    uint64_t eight;

    PL_ASSERT(s < U_N);
    if (piece.len == 0) /* its pointer may be NULL, to which C lets nobody add even 0 */
        return true;
    end = p + piece.len;
    while (p != end) {
        if (s == U_START) {
            while (end - p >= 8) { /* nearly all text is long runs of ASCII */
                memcpy(&eight, p, 8);
                if ((eight & UINT64_C(0x8080808080808080)) != 0)
                    break;
                p += 8;
            }
            while (p != end && *p < 0x80)
                p++;
            if (p == end)
                break;
            s = lead(*p++);
            if (s == U_START)
                return false;
            continue;
        }
        if (*p < rules[s].lo || *p > rules[s].hi)
            return false;
        s = rules[s].next;
        p++;
    }
    *state = s;
    return true;
}

bool pl_utf8_is_state(uint64_t v)
{
    return v < U_N;
}

bool pl_utf8_is_valid(struct pl_slice text)
{
    uint8_t s = PL_UTF8_START;

    return pl_utf8_feed(&s, text) && pl_utf8_is_whole(s);
}

struct pl_slice pl_utf8_cut(struct pl_slice text, size_t max)
{
    size_t n = max;

    if (text.len <= max)
        return text;
    while (n > 0 && (text.p[n] & 0xc0) == 0x80)
        n--;
    return pl_slice(text.p, n);
}
