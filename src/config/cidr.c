#include "config/cidr.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const uint8_t v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool bits_past_are_zero(const struct pl_cidr *c)
{
    for (unsigned i = c->bits; i < 128; i++)
        if ((c->addr[i / 8] & (0x80u >> (i % 8))) != 0)
            return false;
    return true;
}

enum pl_err pl_cidr_parse(struct pl_slice text, struct pl_cidr *ret)
{
    char buf[INET6_ADDRSTRLEN + 1];
    struct pl_cidr c = { .bits = 0 };
    const uint8_t *slash = text.len == 0 ? NULL : memchr(text.p, '/', text.len);
    size_t addr_len = slash == NULL ? text.len : (size_t)(slash - text.p);
    unsigned width = 128, bits = 0;

    if (pl_slice_eq(text, PL_LIT("unix"))) {
        c.is_unix = true;
        *ret = c;
        return PL_OK;
    }
    if (addr_len == 0 || addr_len >= sizeof buf || memchr(text.p, 0, addr_len) != NULL)
        return PL_EINVAL;
    memcpy(buf, text.p, addr_len);
    buf[addr_len] = 0;
    if (inet_pton(AF_INET, buf, c.addr + 12) == 1) {
        memcpy(c.addr, v4_prefix, sizeof v4_prefix);
        width = 32;
    } else if (inet_pton(AF_INET6, buf, c.addr) != 1) {
        return PL_EINVAL;
    }
    bits = width;
    if (slash != NULL) {
        struct pl_slice digits = pl_slice_from(text, addr_len + 1);

        if (digits.len == 0 || digits.len > 3)
            return PL_EINVAL;
        bits = 0;
        for (size_t i = 0; i < digits.len; i++) {
            if (digits.p[i] < '0' || digits.p[i] > '9')
                return PL_EINVAL;
            bits = bits * 10 + (unsigned)(digits.p[i] - '0');
        }
        if (bits > width)
            return PL_EINVAL;
    }
    c.bits = (uint8_t)(128 - width + bits);
    if (!bits_past_are_zero(&c)) /* 10.0.0.1/8 is more often a slip than meant */
        return PL_EINVAL;
    *ret = c;
    return PL_OK;
}

static bool addr_matches(const struct pl_cidr *c, const uint8_t addr[16])
{
    unsigned whole = c->bits / 8, rest = c->bits % 8;

    if (memcmp(c->addr, addr, whole) != 0)
        return false;
    return rest == 0 || ((c->addr[whole] ^ addr[whole]) >> (8 - rest)) == 0;
}

bool pl_cidr_match(const struct pl_cidr_list *l, const struct sockaddr *peer)
{
    uint8_t addr[16];

    if (peer->sa_family == AF_INET) {
        memcpy(addr, v4_prefix, sizeof v4_prefix);
        memcpy(addr + 12, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
    } else if (peer->sa_family == AF_INET6) {
        memcpy(addr, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 16);
    }
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].is_unix ? peer->sa_family == AF_UNIX
                            : (peer->sa_family == AF_INET || peer->sa_family == AF_INET6) && addr_matches(&l->v[i], addr))
            return true;
    }
    return false;
}

bool pl_access_ok(const struct pl_access *a, const struct sockaddr *peer)
{
    if (PL_SABOTAGE(access_deny_ignored) == 0 && pl_cidr_match(&a->deny, peer))
        return false;
    return a->allow.n == 0 || pl_cidr_match(&a->allow, peer);
}
