#include "codec/http1_field.h"

#include "base/check.h"

enum { C_TCHAR = 1, C_VALUE = 2 };

/* What each byte may be: C_TCHAR in a token (RFC 9110 5.6.2), C_VALUE in a field value (5.5, with obs-text). */
static const uint8_t char_class[256] = {
    ['\t'] = C_VALUE, [' '] = C_VALUE,
    ['!'] = 3, ['"'] = C_VALUE, ['#' ... '\''] = 3, ['(' ... ')'] = C_VALUE, ['*' ... '+'] = 3, [','] = C_VALUE,
    ['-' ... '.'] = 3, ['/'] = C_VALUE, ['0' ... '9'] = 3, [':' ... '@'] = C_VALUE, ['A' ... 'Z'] = 3,
    ['[' ... ']'] = C_VALUE, ['^' ... 'z'] = 3, ['{'] = C_VALUE, ['|'] = 3, ['}'] = C_VALUE, ['~'] = 3,
    [0x80 ... 0xff] = C_VALUE,
};

enum pl_err pl_http1_refuse(struct pl_http1_refusal *ret, enum pl_err err, uint16_t status, const char *why,
                            struct pl_slice field)
{
    if (ret != NULL)
        *ret = (struct pl_http1_refusal){ status, why, field };
    return err;
}

static enum pl_err refuse(struct pl_http1_refusal *ret, const char *why, struct pl_slice field)
{
    return pl_http1_refuse(ret, PL_EPROTO, 400, why, field);
}

enum pl_err pl_http1_scan_head(struct pl_http1_scan *scan, struct pl_slice in, size_t line_limit, size_t limit,
                               size_t *ret_len, struct pl_http1_refusal *ret_refusal)
{
    const struct pl_slice none = { NULL, 0 };
    /* what lies beyond the limit is never looked at: it cannot make the head acceptable */
    size_t have = in.len <= limit ? in.len : limit;
    size_t first = in.len >= 2 && in.p[0] == '\r' && in.p[1] == '\n' ? 2 : 0;

    PL_ASSERT(limit <= UINT32_MAX);
    while (scan->at < have) {
        const uint8_t *lf = memchr(in.p + scan->at, '\n', have - scan->at);
        size_t end = lf != NULL ? (size_t)(lf - in.p) : have;

        if (scan->line == first && end - first > line_limit)
            return pl_http1_refuse(ret_refusal, PL_ETOOBIG, 414, "request target too long", none);
        if (lf == NULL) {
            scan->at = (uint32_t)have;
            break;
        }
        if (!PL_SABOTAGE(http1_bare_lf) && (end == scan->line || in.p[end - 1] != '\r'))
            return refuse(ret_refusal, "line ends with LF instead of CRLF", none);
        if (end - scan->line <= 1 && scan->line != 0) {
            if (scan->line == first)
                return refuse(ret_refusal, "empty lines before the request", none);
            *ret_len = end + 1;
            return PL_OK;
        }
        scan->at = scan->line = (uint32_t)end + 1;
    }
    if (in.len >= limit)
        return pl_http1_refuse(ret_refusal, PL_ETOOBIG, 431, "header fields too large", none);
    return PL_MORE;
}

static struct pl_slice trim(struct pl_slice s)
{
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = pl_slice_from(s, 1);
    while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* One line without its CRLF. */
static enum pl_err field_parse(struct pl_slice line, struct pl_http1_field *ret, struct pl_http1_refusal *ret_refusal)
{
    const struct pl_slice none = { NULL, 0 };
    size_t at = 0;

    while (at < line.len && (char_class[line.p[at]] & C_TCHAR) != 0)
        at++;
    ret->name = pl_slice(line.p, at);
    if (at == line.len)
        return refuse(ret_refusal, "header line without a colon", none);
    if (line.p[at] != ':') {
        if (at == 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
            return refuse(ret_refusal, "folded header line", none); /* RFC 9112 5.2 */
        if (line.p[at] == ' ' || line.p[at] == '\t')
            return refuse(ret_refusal, "white space in or after a header name", ret->name); /* 5.1 */
        return refuse(ret_refusal, "invalid character in a header name", ret->name);
    }
    if (at == 0)
        return refuse(ret_refusal, "empty header name", none);
    for (size_t i = at + 1; i < line.len; i++)
        if ((char_class[line.p[i]] & C_VALUE) == 0)
            return refuse(ret_refusal, "control character in a header value", ret->name);
    ret->value = trim(pl_slice_from(line, at + 1));
    return PL_OK;
}

enum pl_err pl_http1_fields_parse(struct pl_slice block, struct pl_http1_field *fields, size_t max, size_t *ret_n,
                                  struct pl_http1_refusal *ret_refusal)
{
    size_t n = 0;

    while (block.len > 0) {
        const uint8_t *lf = memchr(block.p, '\n', block.len);
        size_t len;
        enum pl_err err;

        PL_ASSERT(lf != NULL && lf > block.p); /* the scan has seen every CRLF */
        len = (size_t)(lf - block.p);
        if (n == max)
            return pl_http1_refuse(ret_refusal, PL_ETOOBIG, 431, "too many header fields", (struct pl_slice){ NULL, 0 });
        err = field_parse(pl_slice(block.p, len - 1), &fields[n], ret_refusal);
        if (err != PL_OK)
            return err;
        n++;
        block = pl_slice_from(block, len + 1);
    }
    *ret_n = n;
    return PL_OK;
}

const struct pl_http1_field *pl_http1_field_find(const struct pl_http1_field *fields, size_t n, struct pl_slice name)
{
    for (size_t i = 0; i < n; i++)
        if (pl_slice_eq_nocase(fields[i].name, name))
            return &fields[i];
    return NULL;
}

bool pl_http1_list_next(struct pl_slice *list, struct pl_slice *ret_item)
{
    while (list->len > 0) {
        const uint8_t *comma = memchr(list->p, ',', list->len);
        size_t len = comma != NULL ? (size_t)(comma - list->p) : list->len;

        *ret_item = trim(pl_slice(list->p, len));
        *list = pl_slice_from(*list, comma != NULL ? len + 1 : len);
        if (ret_item->len > 0)
            return true;
    }
    return false;
}

bool pl_http1_list_has(struct pl_slice list, struct pl_slice token)
{
    struct pl_slice item;

    while (pl_http1_list_next(&list, &item))
        if (pl_slice_eq_nocase(item, token))
            return true;
    return false;
}

enum pl_err pl_http1_length_parse(struct pl_slice value, uint64_t *ret)
{
    uint64_t n = 0;

    if (value.len == 0)
        return PL_EPROTO;
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return PL_EPROTO;
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) || __builtin_add_overflow(n, (uint64_t)(value.p[i] - '0'), &n))
            return PL_EPROTO;
    }
    *ret = n;
    return PL_OK;
}

bool pl_http1_is_tchar(uint8_t c)
{
    return (char_class[c] & C_TCHAR) != 0;
}

bool pl_http1_is_token(struct pl_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!pl_http1_is_tchar(s.p[i]))
            return false;
    return s.len > 0;
}

int pl_http1_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
