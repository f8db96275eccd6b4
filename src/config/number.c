/* config/number.c - the notations of single values: true, 42, 1m30s, 64KiB. Pure. */
#include "config/loader.h"

bool pl_bool_parse(struct pl_slice s, bool *ret)
{
    static const struct { const char *word; bool v; } words[] = {
        { "true", true }, { "t", true }, { "1", true }, { "false", false }, { "f", false }, { "0", false },
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (pl_slice_eq_nocase(s, pl_slice_str(words[i].word))) {
            *ret = words[i].v;
            return true;
        }
    return false;
}

bool pl_i64_parse(struct pl_slice s, int64_t *ret)
{
    bool neg = s.len > 0 && s.p[0] == '-';
    int64_t v = 0;

    if (s.len == (neg ? 1u : 0u) || s.len > 20)
        return false;
    for (size_t i = neg ? 1 : 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, s.p[i] - '0', &v))
            return false;
    }
    if (!neg && v == INT64_MIN)
        return false;
    *ret = neg ? v : -v; /* gathered below zero, where there is one more */
    return true;
}

enum pl_err pl_duration_parse(struct pl_slice s, int64_t *ret_ms)
{
    static const struct { const char *unit; double ms; } units[] = {
        { "ms", 1 }, { "us", 1e-3 }, { "\xc2\xb5s", 1e-3 }, { "\xce\xbcs", 1e-3 }, { "ns", 1e-6 }, { "s", 1e3 }, { "m", 6e4 }, { "h", 3.6e6 },
    };
    double total = 0;
    bool neg = false;

    if (s.len > 0 && (s.p[0] == '-' || s.p[0] == '+')) {
        neg = s.p[0] == '-';
        s = pl_slice_from(s, 1);
    }
    if (pl_slice_eq(s, PL_LIT("0"))) {
        *ret_ms = 0;
        return PL_OK;
    }
    if (s.len == 0 || s.len > 64)
        return PL_EINVAL;
    while (s.len > 0) {
        double v = 0, scale = 1;
        size_t at = 0, digits = 0, u;

        for (; at < s.len && s.p[at] >= '0' && s.p[at] <= '9'; at++, digits++)
            v = v * 10 + (s.p[at] - '0');
        if (at < s.len && s.p[at] == '.')
            for (at++; at < s.len && s.p[at] >= '0' && s.p[at] <= '9'; at++, digits++) {
                scale /= 10;
                v += (s.p[at] - '0') * scale;
            }
        if (digits == 0)
            return PL_EINVAL;
        s = pl_slice_from(s, at);
        for (u = 0; u < sizeof units / sizeof units[0]; u++)
            if (pl_slice_starts(s, pl_slice_str(units[u].unit)))
                break;
        if (u == sizeof units / sizeof units[0])
            return PL_EINVAL;
        total += v * units[u].ms;
        s = pl_slice_from(s, strlen(units[u].unit));
    }
    if (total > 9e15) /* Go's own limit is 292 years, 9.2e12 ms; bounds of the row do the rest */
        return PL_EINVAL;
    *ret_ms = (int64_t)total;
    if (total - (double)*ret_ms > 5e-7 + total * 1e-12) /* 1.5ms waits 2 ms, 1ns is not "off"; less is rounding of the double */
        *ret_ms += 1;
    if (neg)
        *ret_ms = -*ret_ms;
    return PL_OK;
}

void pl_duration_print(int64_t ms, struct pl_buf *out)
{
    int64_t rest = ms < 0 ? -ms : ms;

    if (ms == 0) {
        pl_buf_printf(out, "0s");
        return;
    }
    if (ms < 0)
        pl_buf_byte(out, '-');
    if (rest >= 3600000)
        pl_buf_printf(out, "%lldh", (long long)(rest / 3600000));
    if (rest % 3600000 >= 60000)
        pl_buf_printf(out, "%lldm", (long long)(rest % 3600000 / 60000));
    if (rest % 60000 >= 1000)
        pl_buf_printf(out, "%llds", (long long)(rest % 60000 / 1000));
    if (rest % 1000 != 0)
        pl_buf_printf(out, "%lldms", (long long)(rest % 1000));
}

bool pl_size_parse(struct pl_slice s, int64_t *ret)
{
    static const struct { const char *unit; int64_t n; } units[] = { { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 } };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t n = strlen(units[i].unit);

        if (s.len > n && memcmp(s.p + s.len - n, units[i].unit, n) == 0)
            return pl_i64_parse(pl_slice(s.p, s.len - n), ret) && !__builtin_mul_overflow(*ret, units[i].n, ret);
    }
    return pl_i64_parse(s, ret);
}

