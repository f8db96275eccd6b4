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

/* State after a lead byte C0..FF; U_START where it cannot lead. */
static const uint8_t leads[64] = {
    0,     0,     U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, /* C */
    U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, U_ONE, /* D */
    U_E0,  U_TWO, U_TWO, U_TWO, U_TWO, U_TWO, U_TWO, U_TWO, U_TWO, U_TWO, U_TWO, U_TWO, U_TWO, U_ED,  U_TWO, U_TWO, /* E */
    U_F0,  U_THREE, U_THREE, U_THREE, U_F4, /* F; beyond it nothing */
};

/* State after a byte >= 80 that begins a character; U_START if it cannot. */
static uint8_t lead(uint8_t c)
{
    return c < 0xc0 ? (uint8_t)U_START : leads[c - 0xc0];
}

static bool is_cont(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* Whole characters from p on while at least 4 bytes are left: the bulk of any text. False: an impossible byte. */
static bool feed_whole(const uint8_t **p_io, const uint8_t *end)
{
    const uint8_t *p = *p_io;
    uint64_t eight;
    uint8_t s;

    while (end - p >= 4) {
        if (p[0] < 0x80) {
            p++;
            while (end - p >= 8) { /* nearly all text is long runs of ASCII */
                memcpy(&eight, p, 8);
                if ((eight & UINT64_C(0x8080808080808080)) != 0)
                    break;
                p += 8;
            }
            continue;
        }
        s = lead(p[0]);
        if (s == U_START || p[1] < rules[s].lo || p[1] > rules[s].hi)
            return false;
        s = rules[s].next;
        p += 2;
        if (s == U_START)
            continue;
        if (!is_cont(*p++))
            return false;
        if (s == U_TWO && !is_cont(*p++))
            return false;
    }
    *p_io = p;
    return true;
}

bool pl_utf8_feed(uint8_t *state, struct pl_slice piece)
{
    const uint8_t *p = piece.p, *end;
    uint8_t s = *state;

    PL_ASSERT(s < U_N);
    if (piece.len == 0) /* its pointer may be NULL, to which C lets nobody add even 0 */
        return true;
    end = p + piece.len;
    while (p != end) {
        if (s == U_START) {
            if (!feed_whole(&p, end))
                return false;
            if (p == end)
                break;
            if (*p >= 0x80 && (s = lead(*p)) == U_START)
                return false;
            p++;
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
