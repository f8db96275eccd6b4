#include "codec/proxyproto.h"

#include "base/bytes.h"

enum { V2_HEAD = 16, V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_UNIX = 0x31 };
enum { V2_TLV_CRC32C = 0x03 };

static const uint8_t v2_sign[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

/* Up to the next space; false when there is none or the word is empty. */
static bool word_next(struct pl_slice *line, struct pl_slice *ret)
{
    const uint8_t *sp = line->len > 0 ? memchr(line->p, ' ', line->len) : NULL;

    if (sp == NULL || sp == line->p)
        return false;
    *ret = pl_slice(line->p, (size_t)(sp - line->p));
    *line = pl_slice_from(*line, ret->len + 1);
    return true;
}

static bool port_parse(struct pl_slice s, uint16_t *ret)
{
    unsigned n = 0;

    if (s.len == 0 || s.len > 5 || (s.len > 1 && s.p[0] == '0'))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        n = n * 10 + (unsigned)(s.p[i] - '0');
    }
    *ret = (uint16_t)n;
    return n <= UINT16_MAX;
}

/* line: after "PROXY ", without the CRLF. */
static enum pl_err v1_line(struct pl_slice line, struct pl_proxy_head *h)
{
    struct pl_slice kind, src, dst, port;
    bool is_v6;

    if (pl_slice_eq(line, PL_LIT("UNKNOWN")) || pl_slice_starts(line, PL_LIT("UNKNOWN ")))
        return PL_OK; /* 2.1: the rest of the line is to be ignored */
    if (!word_next(&line, &kind) || !word_next(&line, &src) || !word_next(&line, &dst) || !word_next(&line, &port))
        return PL_EPROTO;
    is_v6 = pl_slice_eq(kind, PL_LIT("TCP6"));
    if (!is_v6 && !pl_slice_eq(kind, PL_LIT("TCP4")))
        return PL_EPROTO;
    if ((memchr(src.p, ':', src.len) != NULL) != is_v6 || (memchr(dst.p, ':', dst.len) != NULL) != is_v6)
        return PL_EPROTO;
    if (pl_ip_parse(src, &h->src) != PL_OK || pl_ip_parse(dst, &h->dst) != PL_OK)
        return PL_EPROTO;
    return port_parse(port, &h->src.port) && port_parse(line, &h->dst.port) ? PL_OK : PL_EPROTO;
}

static enum pl_err v1_parse(struct pl_slice in, struct pl_proxy_head *h)
{
    static const char word[] = "PROXY ";
    size_t n = in.len < 6 ? in.len : 6, have = in.len < PL_PROXY_V1_MAX ? in.len : PL_PROXY_V1_MAX;
    const uint8_t *lf;

    if (memcmp(in.p, word, n) != 0)
        return PL_EPROTO;
    lf = memchr(in.p, '\n', have);
    if (lf == NULL)
        return have == PL_PROXY_V1_MAX ? PL_EPROTO : PL_MORE;
    h->len = (size_t)(lf - in.p) + 1;
    if (h->len < 8 || lf[-1] != '\r')
        return PL_EPROTO;
    return v1_line(pl_slice(in.p + 6, h->len - 8), h);
}

/* CRC-32C (Castagnoli), bit by bit: once a connection, a few dozen bytes. at: where the stored sum is, taken as zero. */
static uint32_t crc32c(const uint8_t *p, size_t len, size_t at)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= i >= at && i < at + 4 ? 0 : p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* The type-length-value fields after the addresses must fill the header exactly (2.2.1..). */
static enum pl_err tlvs_check(const uint8_t *p, size_t at, size_t len)
{
    while (at < len) {
        size_t n;

        if (len - at < 3)
            return PL_EPROTO;
        n = pl_be16(p + at + 1);
        if (n > len - at - 3)
            return PL_EPROTO;
        if (p[at] == V2_TLV_CRC32C && (n != 4 || crc32c(p, len, at + 3) != pl_be32(p + at + 3)))
            return PL_EPROTO;
        at += 3 + n;
    }
    return PL_OK;
}

static enum pl_err v2_parse(struct pl_slice in, struct pl_proxy_head *h)
{
    size_t n = in.len < sizeof v2_sign ? in.len : sizeof v2_sign, addr_len;
    const uint8_t *a;

    if (memcmp(in.p, v2_sign, n) != 0)
        return PL_EPROTO;
    if (in.len > 12 && in.p[12] != V2_LOCAL && in.p[12] != V2_PROXY)
        return PL_EPROTO;
    if (in.len < V2_HEAD)
        return PL_MORE;
    h->len = (size_t)V2_HEAD + pl_be16(in.p + 14);
    switch (in.p[13]) {
    case V2_TCP4:
        addr_len = 12;
        break;
    case V2_TCP6:
        addr_len = 36;
        break;
    case V2_UNIX:
        addr_len = 216;
        break;
    case V2_UNSPEC:
        addr_len = 0;
        break;
    default:
        if (in.p[12] == V2_PROXY) /* datagrams, or a family we don't know, on a stream socket */
            return PL_EPROTO;
        addr_len = 0;
    }
    if (in.p[12] == V2_PROXY && h->len < V2_HEAD + addr_len)
        return PL_EPROTO;
    if (h->len > PL_PROXY_V2_MAX)
        return PL_ETOOBIG;
    if (in.len < h->len)
        return PL_MORE;
    if (in.p[12] == V2_LOCAL || in.p[13] == V2_UNSPEC)
        return PL_OK; /* 2.2: whatever else it holds is skipped, by its length */
    a = in.p + V2_HEAD;
    if (in.p[13] == V2_TCP4) {
        h->src = pl_ip_v4(a);
        h->dst = pl_ip_v4(a + 4);
    } else if (in.p[13] == V2_TCP6) {
        h->src = pl_ip_v6(a);
        h->dst = pl_ip_v6(a + 16);
    }
    if (in.p[13] != V2_UNIX) {
        h->src.port = pl_be16(a + addr_len - 4);
        h->dst.port = pl_be16(a + addr_len - 2);
    }
    return tlvs_check(in.p, V2_HEAD + addr_len, h->len);
}

enum pl_err pl_proxyproto_parse(struct pl_slice in, struct pl_proxy_head *ret)
{
    struct pl_proxy_head h = { 0 };
    enum pl_err err;

    if (in.len == 0)
        return PL_MORE;
    err = in.p[0] == v2_sign[0] ? v2_parse(in, &h) : v1_parse(in, &h);
    if (err == PL_OK)
        *ret = h;
    return err;
}
