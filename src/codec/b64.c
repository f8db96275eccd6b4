#include "codec/b64.h"

/* Value of a character, -1 if foreign. */
static int value_of(enum pl_b64 kind, uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (kind == PL_B64_URL ? '-' : '+'))
        return 62;
    if (c == (kind == PL_B64_URL ? '_' : '/'))
        return 63;
    return -1;
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
