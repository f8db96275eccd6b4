#include "codec/b64.h"

/* Value of each character plus one, 0 for what is in no alphabet; the two that differ are sorted out below. */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11,
    ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22,
    ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33,
    ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55,
    ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64, ['-'] = 63, ['_'] = 64,
};

/* Value of a character, -1 if foreign. */
static inline int value_of(enum pl_b64 kind, uint8_t c)
{
    bool is_other = kind == PL_B64_URL ? c == '+' || c == '/' : c == '-' || c == '_';

    return is_other ? -1 : values[c] - 1;
}

enum pl_err pl_b64_decode(enum pl_b64 kind, struct pl_slice text, uint8_t *out, size_t *ret_len)
{
    size_t n = text.len, len = 0;
    uint32_t bits = 0;
    unsigned n_bits = 0;

    if (kind == PL_B64_STD) {
        if (n % 4 != 0)
            return PL_EINVAL;
        if (n != 0 && text.p[n - 1] == '=')
            n -= text.p[n - 2] == '=' ? 2 : 1;
    }
    if (n % 4 == 1) /* six bits are no byte */
        return PL_EINVAL;
    for (size_t i = 0; i < n; i++) {
        int v = value_of(kind, text.p[i]);

        if (v < 0)
            return PL_EINVAL;
        bits = bits << 6 | (uint32_t)v;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[len++] = (uint8_t)(bits >> n_bits);
        }
    }
    if ((bits & ((1u << n_bits) - 1)) != 0) /* RFC 4648 3.5: a second spelling of the same bytes */
        return PL_EINVAL;
    *ret_len = len;
    return PL_OK;
}

void pl_b64_encode(struct pl_buf *b, enum pl_b64 kind, struct pl_slice bytes)
{
    static const char std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *alphabet = kind == PL_B64_URL ? url : std;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t v = (uint32_t)bytes.p[i] << 16 | (left > 1 ? (uint32_t)bytes.p[i + 1] << 8 : 0) | (left > 2 ? bytes.p[i + 2] : 0u);
        char out[4] = { alphabet[v >> 18], alphabet[v >> 12 & 63], left > 1 ? alphabet[v >> 6 & 63] : '=', left > 2 ? alphabet[v & 63] : '=' };

        pl_buf_put(b, out, kind == PL_B64_STD || left > 2 ? 4 : left + 1);
    }
}
