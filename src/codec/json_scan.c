#include "codec/json_scan.h"

#include "codec/json.h"

#define EACH_BYTE(x) (UINT64_C(0x0101010101010101) * (x))

/* Eight bytes at a time: the subtractions set a byte's top bit where it is zero, or below 0x20; a borrow can only disturb
 * bytes above the first true one, and only the first one is used. */
const uint8_t *pl_json_scan_plain_tail(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        uint64_t w, quote, slash, hit;

        memcpy(&w, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        w = __builtin_bswap64(w);
#endif
        quote = w ^ EACH_BYTE('"');
        slash = w ^ EACH_BYTE('\\');
        hit = ((quote - EACH_BYTE(1)) & ~quote) | ((slash - EACH_BYTE(1)) & ~slash) | ((w - EACH_BYTE(0x20)) & ~w) | w;
        hit &= EACH_BYTE(0x80);
        if (hit != 0)
            return p + __builtin_ctzll(hit) / 8;
        p += 8;
    }
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20 && *p < 0x80)
        p++;
    return p;
}

static bool is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

size_t pl_json_scan_utf8(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);

    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return left >= 2 && is_tail(p[1]) ? 2 : 0;
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        if (left < 3 || !is_tail(p[1]) || !is_tail(p[2]))
            return 0;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) /* too long a form; surrogates */
            return 0;
        return 3;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        if (left < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
            return 0;
        if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) /* too long a form; above U+10FFFF */
            return 0;
        return 4;
    }
    return 0;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of the escape at p (which stands at the backslash), 0 if not valid. */
static size_t escape_len(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 2)
        return 0;
    switch (p[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return 2;
    case 'u':
        if (end - p < 6)
            return 0;
        for (int i = 2; i < 6; i++)
            if (hex_digit(p[i]) < 0)
                return 0;
        return 6;
    default:
        return 0;
    }
}

/* From the first byte that is not plain. */
const uint8_t *pl_json_scan_string_rest(const uint8_t *p, const uint8_t *end, bool *ret_has_escape)
{
    for (;;) {
        size_t n;

        p = pl_json_scan_plain(p, end);
        if (p == end)
            return NULL;
        if (*p == '"')
            return p;
        if (*p == '\\') {
            *ret_has_escape = true;
            n = escape_len(p, end);
        } else {
            n = *p >= 0x80 ? pl_json_scan_utf8(p, end) : 0;
        }
        if (n == 0)
            return NULL;
        p += n;
    }
}

static const uint8_t *scan_digits(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *start = p;

    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p > start ? p : NULL;
}

static const uint8_t *scan_number(const uint8_t *p, const uint8_t *end)
{
    if (*p == '-')
        p++;
    if (p == end)
        return NULL;
    p = *p == '0' ? p + 1 : scan_digits(p, end);
    if (p != NULL && p < end && *p == '.')
        p = scan_digits(p + 1, end);
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = scan_digits(p, end);
    }
    return p;
}

static const uint8_t *scan_word(const uint8_t *p, const uint8_t *end, const char *word, size_t len)
{
    return (size_t)(end - p) >= len && memcmp(p, word, len) == 0 ? p + len : NULL;
}

/* A value that is no container. */
static const uint8_t *scan_scalar(const uint8_t *p, const uint8_t *end)
{
    bool has_escape;

    switch (*p) {
    case '"':
        p = pl_json_scan_string(p + 1, end, &has_escape);
        return p != NULL ? p + 1 : NULL;
    case 't':
        return scan_word(p, end, "true", 4);
    case 'f':
        return scan_word(p, end, "false", 5);
    case 'n':
        return scan_word(p, end, "null", 4);
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return scan_number(p, end);
    default:
        return NULL;
    }
}

/* `"name" :` and the space behind it. */
static const uint8_t *scan_name(const uint8_t *p, const uint8_t *end)
{
    bool has_escape;

    if (p == end || *p != '"')
        return NULL;
    p = pl_json_scan_string(p + 1, end, &has_escape);
    if (p == NULL)
        return NULL;
    p = pl_json_scan_space(p + 1, end);
    return p < end && *p == ':' ? pl_json_scan_space(p + 1, end) : NULL;
}

/* No recursion: one bit a level says whether the open container is an object, so depth costs 64 bytes in all. */
const uint8_t *pl_json_scan_value(const uint8_t *p, const uint8_t *end, unsigned depth)
{
    uint64_t is_object[PL_JSON_DEPTH / 64] = { 0 };
    unsigned base = depth;

    while (p != NULL && p < end) {
        if (*p == '{' || *p == '[') {
            bool object = *p == '{';
            uint64_t bit = (uint64_t)1 << depth % 64;

            if (depth >= PL_JSON_DEPTH)
                return NULL;
            if (object)
                is_object[depth / 64] |= bit;
            else
                is_object[depth / 64] &= ~bit;
            depth++;
            p = pl_json_scan_space(p + 1, end);
            if (p == end)
                return NULL;
            if (*p != (object ? '}' : ']')) {
                if (object)
                    p = scan_name(p, end);
                continue;
            }
        } else {
            p = scan_scalar(p, end);
            if (p == NULL || depth == base)
                return p;
            p = pl_json_scan_space(p, end);
        }
        /* behind a value, or at the closer of an empty container: close as many as end here */
        for (;;) {
            bool object = (is_object[(depth - 1) / 64] >> (depth - 1) % 64 & 1) != 0;

            if (p == end)
                return NULL;
            if (*p == ',') {
                p = pl_json_scan_space(p + 1, end);
                if (object)
                    p = scan_name(p, end);
                break;
            }
            if (*p != (object ? '}' : ']'))
                return NULL;
            p++;
            if (--depth == base)
                return p;
            p = pl_json_scan_space(p, end);
        }
    }
    return NULL;
}

static uint32_t read_hex4(const uint8_t *p)
{
    return (uint32_t)(hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 | hex_digit(p[2]) << 4 | hex_digit(p[3]));
}

static size_t put_utf8(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* p stands at `\uXXXX`; gives how many bytes of input it took (6, or 12 for a surrogate pair). */
static size_t unescape_u(const uint8_t *p, const uint8_t *end, uint32_t *ret)
{
    uint32_t c = read_hex4(p + 2), low;

    *ret = c;
    if (c < 0xd800 || c > 0xdfff)
        return 6;
    *ret = 0xfffd; /* RFC 8259 8.2 leaves a lone surrogate open; Go puts U+FFFD */
    if (c > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u')
        return 6;
    low = read_hex4(p + 8);
    if (low < 0xdc00 || low > 0xdfff)
        return 6;
    *ret = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

size_t pl_json_scan_unescape(struct pl_slice raw, uint8_t *out)
{
    const uint8_t *p = raw.p, *end = raw.p + raw.len;
    uint8_t *to = out;

    while (p < end) {
        const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
        size_t n = (size_t)((slash != NULL ? slash : end) - p);
        uint32_t c;

        memcpy(to, p, n);
        to += n;
        p += n;
        if (slash == NULL)
            break;
        switch (p[1]) {
        case 'b': *to++ = '\b'; p += 2; break;
        case 'f': *to++ = '\f'; p += 2; break;
        case 'n': *to++ = '\n'; p += 2; break;
        case 'r': *to++ = '\r'; p += 2; break;
        case 't': *to++ = '\t'; p += 2; break;
        case 'u':
            p += unescape_u(p, end, &c);
            to += put_utf8(to, c);
            break;
        default: *to++ = p[1]; p += 2; break; /* '"', '\\', '/' */
        }
    }
    return (size_t)(to - out);
}
