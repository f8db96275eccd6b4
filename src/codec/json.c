#include "codec/json.h"

#include "codec/json_scan.h"

bool pl_json_fail(struct pl_json *r, enum pl_err err)
{
    if (r->err == PL_OK)
        r->err = err;
    r->p = r->end; /* nothing more is read */
    return false;
}

static inline void skip_space(struct pl_json *r)
{
    r->p = pl_json_scan_space(r->p, r->end);
}

int pl_json_peek(struct pl_json *r)
{
    skip_space(r);
    return r->p < r->end ? *r->p : 0;
}

bool pl_json_open(struct pl_json *r, char opener)
{
    if (pl_json_peek(r) != opener || r->depth >= PL_JSON_SHAPE_DEPTH)
        return pl_json_fail(r, PL_EPROTO);
    r->p++;
    r->depth++;
    return true;
}

/* True: another entry follows. False: the container was closed, or r->err. */
static inline bool next_entry(struct pl_json *r, size_t n, char closer)
{
    int c = pl_json_peek(r);

    if (c == closer) {
        r->p++;
        r->depth--;
        return false;
    }
    if (n == 0)
        return c != 0 ? true : pl_json_fail(r, PL_EPROTO);
    if (c != ',')
        return pl_json_fail(r, PL_EPROTO);
    r->p++;
    return true;
}

bool pl_json_member(struct pl_json *r, struct pl_json_key *key)
{
    if (!next_entry(r, key->n, '}') || !pl_json_text(r, &key->name))
        return false;
    if (pl_json_peek(r) != ':')
        return pl_json_fail(r, PL_EPROTO);
    r->p++;
    key->n++;
    return true;
}

bool pl_json_element(struct pl_json *r, size_t *n)
{
    if (!next_entry(r, *n, ']'))
        return false;
    ++*n;
    return true;
}

static bool take_word(struct pl_json *r, const char *word, size_t len)
{
    skip_space(r);
    if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
        return false;
    r->p += len;
    return true;
}

bool pl_json_null(struct pl_json *r)
{
    return take_word(r, "null", 4);
}

bool pl_json_bool(struct pl_json *r, bool *ret)
{
    bool is_true = take_word(r, "true", 4);

    if (!is_true && !take_word(r, "false", 5))
        return pl_json_fail(r, PL_EPROTO);
    if (ret != NULL)
        *ret = is_true;
    return true;
}

/* An integer: no fraction, no exponent, as Go wants it for integer fields. */
static bool take_integer(struct pl_json *r, bool *ret_negative, uint64_t *ret)
{
    const uint8_t *p, *digits;
    uint64_t v = 0;
    bool negative = false;

    skip_space(r);
    p = r->p;
    if (p < r->end && *p == '-') {
        negative = true;
        p++;
    }
    digits = p;
    for (; p < r->end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return pl_json_fail(r, PL_EPROTO);
    if (p == digits || (*digits == '0' && p - digits > 1))
        return pl_json_fail(r, PL_EPROTO);
    if (p < r->end && (*p == '.' || *p == 'e' || *p == 'E'))
        return pl_json_fail(r, PL_EPROTO);
    r->p = p;
    *ret_negative = negative;
    *ret = v;
    return true;
}

bool pl_json_u64(struct pl_json *r, uint64_t max, uint64_t *ret)
{
    uint64_t v;
    bool negative;

    if (!take_integer(r, &negative, &v))
        return false;
    if (negative || v > max)
        return pl_json_fail(r, PL_EPROTO);
    if (ret != NULL)
        *ret = v;
    return true;
}

bool pl_json_i64(struct pl_json *r, int64_t min, int64_t max, int64_t *ret)
{
    uint64_t v;
    int64_t s;
    bool negative;

    if (!take_integer(r, &negative, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + negative)
        return pl_json_fail(r, PL_EPROTO);
    s = negative ? (int64_t)(0 - v) : (int64_t)v;
    if (s < min || s > max)
        return pl_json_fail(r, PL_EPROTO);
    if (ret != NULL)
        *ret = s;
    return true;
}

bool pl_json_text(struct pl_json *r, struct pl_json_text *ret)
{
    const uint8_t *start, *quote;
    bool has_escape;

    if (pl_json_peek(r) != '"')
        return pl_json_fail(r, PL_EPROTO);
    start = r->p + 1;
    quote = pl_json_scan_string(start, r->end, &has_escape);
    if (quote == NULL)
        return pl_json_fail(r, PL_EPROTO);
    r->p = quote + 1;
    if (ret != NULL)
        *ret = (struct pl_json_text){ pl_slice(start, (size_t)(quote - start)), has_escape };
    return true;
}

bool pl_json_str(struct pl_json *r, struct pl_slice *ret)
{
    struct pl_json_text t;
    enum pl_err err;

    if (!pl_json_text(r, &t))
        return false;
    if (ret == NULL)
        return true;
    err = pl_json_unescape(t, r->scratch, ret);
    return err == PL_OK ? true : pl_json_fail(r, err);
}

bool pl_json_raw(struct pl_json *r, struct pl_slice *ret)
{
    const uint8_t *start, *end;

    skip_space(r);
    start = r->p;
    end = pl_json_scan_value(start, r->end, r->depth);
    if (end == NULL)
        return pl_json_fail(r, PL_EPROTO);
    r->p = end;
    if (ret != NULL)
        *ret = pl_slice(start, (size_t)(end - start));
    return true;
}

enum pl_err pl_json_unescape(struct pl_json_text t, struct pl_scratch *scratch, struct pl_slice *ret)
{
    uint8_t *out;

    if (!t.has_escape) {
        *ret = t.raw;
        return PL_OK;
    }
    out = scratch != NULL ? pl_scratch_bytes(scratch, t.raw.len) : NULL; /* never longer than its source */
    if (out == NULL)
        return PL_ETOOBIG;
    *ret = pl_slice(out, pl_json_scan_unescape(t.raw, out));
    return PL_OK;
}

enum pl_err pl_json_end(struct pl_json *r)
{
    if (r->err == PL_OK && pl_json_peek(r) != 0)
        (void)pl_json_fail(r, PL_EPROTO); /* the reason stands in r->err */
    if (r->err == PL_OK && r->p != r->end)
        (void)pl_json_fail(r, PL_EPROTO); /* a NUL byte */
    return r->err;
}

enum pl_err pl_json_check(struct pl_slice text)
{
    const uint8_t *p, *end;

    if (text.len == 0)
        return PL_EPROTO;
    end = text.p + text.len;
    p = pl_json_scan_value(pl_json_scan_space(text.p, end), end, 0);
    return p != NULL && pl_json_scan_space(p, end) == end ? PL_OK : PL_EPROTO;
}

bool pl_json_is_object(struct pl_slice value)
{
    struct pl_json r = pl_json_init(value, NULL);

    return pl_json_peek(&r) == '{';
}
