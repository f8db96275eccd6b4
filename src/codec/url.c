#include "codec/url.h"

#include "codec/http1_field.h"

/* Takes one decoded byte (0..255) off *in, which is not empty; -1 on a bad escape. */
static int byte_next(struct pl_slice *in, enum pl_url_plus plus)
{
    uint8_t c = in->p[0];
    int hi, lo;

    if (c != '%') {
        *in = pl_slice_from(*in, 1);
        return c == '+' && plus == PL_URL_PLUS_IS_SPACE ? ' ' : c;
    }
    if (in->len < 3)
        return -1;
    hi = pl_http1_hex_digit(in->p[1]);
    lo = pl_http1_hex_digit(in->p[2]);
    *in = pl_slice_from(*in, 3);
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

enum pl_err pl_url_decode(struct pl_slice in, enum pl_url_plus plus, uint8_t *out, size_t cap, size_t *ret_len)
{
    size_t n = 0;

    while (in.len > 0) {
        int c = byte_next(&in, plus);

        if (c < 0)
            return PL_EPROTO;
        if (n == cap)
            return PL_ETOOBIG;
        out[n++] = (uint8_t)c;
    }
    *ret_len = n;
    return PL_OK;
}

/* Whether `in` decodes to exactly `want`. */
static bool decodes_to(struct pl_slice in, struct pl_slice want)
{
    size_t n = 0;

    while (in.len > 0) {
        int c = byte_next(&in, PL_URL_PLUS_IS_SPACE);

        if (c < 0 || n == want.len || want.p[n] != (uint8_t)c)
            return false;
        n++;
    }
    return n == want.len;
}

bool pl_query_next(struct pl_slice *query, struct pl_slice *ret_name, struct pl_slice *ret_value)
{
    while (query->len > 0) {
        const uint8_t *amp = memchr(query->p, '&', query->len);
        struct pl_slice pair = pl_slice(query->p, amp != NULL ? (size_t)(amp - query->p) : query->len);
        const uint8_t *eq;

        *query = pl_slice_from(*query, amp != NULL ? pair.len + 1 : pair.len);
        if (pair.len == 0)
            continue;
        eq = memchr(pair.p, '=', pair.len);
        *ret_name = pl_slice(pair.p, eq != NULL ? (size_t)(eq - pair.p) : pair.len);
        *ret_value = eq != NULL ? pl_slice_from(pair, ret_name->len + 1) : pl_slice(NULL, 0);
        return true;
    }
    return false;
}

bool pl_query_find(struct pl_slice query, struct pl_slice name, struct pl_slice *ret_value)
{
    struct pl_slice n;

    while (pl_query_next(&query, &n, ret_value))
        if (decodes_to(n, name))
            return true;
    return false;
}

enum pl_err pl_query_get(struct pl_slice query, struct pl_slice name, uint8_t *out, size_t cap, size_t *ret_len)
{
    struct pl_slice value;

    if (!pl_query_find(query, name, &value))
        return PL_ENOENT;
    return pl_url_decode(value, PL_URL_PLUS_IS_SPACE, out, cap, ret_len);
}

bool pl_query_is(struct pl_slice query, struct pl_slice name, struct pl_slice value)
{
    struct pl_slice v;

    return pl_query_find(query, name, &v) && decodes_to(v, value);
}
