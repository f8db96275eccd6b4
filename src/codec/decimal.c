/* Decimal texts compared as they stand: no conversion, so nothing is rounded and nothing grows with an exponent. */
#include "codec/tagfilter.h"

enum { EXPONENT_MAX = 1000 * 1000 * 1000 };

/* A number is sign * 0.d1d2d3... * 10^magnitude with d1 != 0. */
struct decimal {
    struct pl_slice digits; /* from the first one that counts; may hold a point */
    int64_t magnitude;
    int sign;               /* 0: zero */
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static enum pl_err parse_exponent(struct pl_slice s, int64_t *ret)
{
    bool is_negative = s.len > 0 && s.p[0] == '-';
    int64_t v = 0;

    if (s.len > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = pl_slice_from(s, 1);
    if (s.len == 0)
        return PL_EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.p[i]))
            return PL_EINVAL;
        v = v * 10 + (s.p[i] - '0');
        if (v > EXPONENT_MAX)
            return PL_EINVAL;
    }
    *ret = is_negative ? -v : v;
    return PL_OK;
}

static enum pl_err parse(struct pl_slice s, struct decimal *ret)
{
    size_t n_digits = 0, n_whole = 0, first = 0, end = 0;
    bool has_point = false, has_first = false;
    int64_t exponent = 0, before_first = 0;

    *ret = (struct decimal){ .sign = s.len > 0 && s.p[0] == '-' ? -1 : 1 };
    if (s.len > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = pl_slice_from(s, 1);
    for (; end < s.len && (is_digit(s.p[end]) || (s.p[end] == '.' && !has_point)); end++) {
        if (s.p[end] == '.') {
            has_point = true;
            continue;
        }
        if (!has_first && s.p[end] != '0') {
            has_first = true;
            first = end;
            before_first = (int64_t)n_digits;
        }
        n_digits++;
        n_whole += !has_point;
    }
    if (n_digits == 0)
        return PL_EINVAL;
    if (end < s.len) {
        if ((s.p[end] != 'e' && s.p[end] != 'E') || parse_exponent(pl_slice_from(s, end + 1), &exponent) != PL_OK)
            return PL_EINVAL;
    }
    if (!has_first) {
        ret->sign = 0;
        return PL_OK;
    }
    ret->digits = pl_slice(s.p + first, end - first);
    ret->magnitude = (int64_t)n_whole - before_first + exponent;
    return PL_OK;
}

/* The next digit, '0' behind the end. */
static uint8_t next_digit(struct pl_slice *rest)
{
    uint8_t c;

    if (rest->len > 0 && rest->p[0] == '.')
        *rest = pl_slice_from(*rest, 1);
    if (rest->len == 0)
        return '0';
    c = rest->p[0];
    *rest = pl_slice_from(*rest, 1);
    return c;
}

static int compare_digits(struct pl_slice a, struct pl_slice b)
{
    while (a.len > 0 || b.len > 0) {
        uint8_t x = next_digit(&a), y = next_digit(&b);

        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

enum pl_err pl_decimal_compare(struct pl_slice a, struct pl_slice b, int *ret)
{
    struct decimal x, y;

    if (parse(a, &x) != PL_OK || parse(b, &y) != PL_OK)
        return PL_EINVAL;
    if (x.sign != y.sign)
        *ret = x.sign < y.sign ? -1 : 1;
    else if (x.sign == 0)
        *ret = 0;
    else if (x.magnitude != y.magnitude)
        *ret = x.magnitude < y.magnitude ? -x.sign : x.sign;
    else
        *ret = x.sign * compare_digits(x.digits, y.digits);
    return PL_OK;
}
