#include "codec/cidr.h"

#include <arpa/inet.h>

#include "base/check.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

struct pl_addr pl_ip_v4(const uint8_t b[4])
{
    struct pl_addr a = { .family = 4 };

    memcpy(a.ip, b, 4);
    return a;
}

struct pl_addr pl_ip_v6(const uint8_t b[16])
{
    struct pl_addr a = { .family = 6 };

    if (memcmp(b, mapped, sizeof mapped) == 0)
        return pl_ip_v4(b + 12);
    memcpy(a.ip, b, 16);
    return a;
}

enum pl_err pl_ip_parse(struct pl_slice text, struct pl_addr *ret)
{
    char s[INET6_ADDRSTRLEN];
    uint8_t b[16];

    if (text.len == 0 || text.len >= sizeof s || memchr(text.p, 0, text.len) != NULL)
        return PL_EINVAL;
    memcpy(s, text.p, text.len);
    s[text.len] = 0;
    if (inet_pton(AF_INET, s, b) == 1)
        *ret = pl_ip_v4(b);
    else if (inet_pton(AF_INET6, s, b) == 1)
        *ret = pl_ip_v6(b);
    else
        return PL_EINVAL;
    return PL_OK;
}

bool pl_ip_eq(const struct pl_addr *a, const struct pl_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* 0..128 in decimal without sign or leading zero; -1 otherwise. */
static int bits_parse(struct pl_slice s)
{
    int n = 0;

    if (s.len == 0 || s.len > 3 || (s.len > 1 && s.p[0] == '0'))
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        n = n * 10 + (s.p[i] - '0');
    }
    return n <= 128 ? n : -1;
}

/* The 16 bytes that rules are compared in. */
static void widen(const struct pl_addr *a, uint8_t ret[16])
{
    if (a->family == 4) {
        memcpy(ret, mapped, sizeof mapped);
        memcpy(ret + 12, a->ip, 4);
    } else {
        memcpy(ret, a->ip, 16);
    }
}

static bool is_v4_rule(const struct pl_cidr *c)
{
    return c->bits >= 96 && memcmp(c->addr, mapped, sizeof mapped) == 0;
}

enum pl_err pl_cidr_parse(struct pl_slice text, struct pl_cidr *ret)
{
    const uint8_t *slash = text.len > 0 ? memchr(text.p, '/', text.len) : NULL;
    struct pl_slice host = slash != NULL ? pl_slice(text.p, (size_t)(slash - text.p)) : text;
    struct pl_cidr c = { .bits = 128 };
    struct pl_addr a;
    enum pl_err err;

    if (pl_slice_eq(text, PL_LIT("unix"))) {
        *ret = (struct pl_cidr){ .is_unix = true };
        return PL_OK;
    }
    err = pl_ip_parse(host, &a);
    if (err != PL_OK)
        return err;
    widen(&a, c.addr);
    if (slash != NULL) {
        int bits = bits_parse(pl_slice_from(text, host.len + 1));

        if (bits >= 0 && memchr(host.p, ':', host.len) == NULL)
            bits += 96;
        if (bits < 0 || bits > 128)
            return PL_EINVAL;
        c.bits = (uint8_t)bits;
    }
    for (unsigned i = c.bits; i < 128; i++)
        if ((c.addr[i / 8] >> (7 - i % 8) & 1) != 0)
            return PL_EINVAL;
    *ret = c;
    return PL_OK;
}

static bool rule_has(const struct pl_cidr *c, const uint8_t addr[16], bool is_v4)
{
    unsigned whole = c->bits / 8, rest = c->bits % 8;

    if (is_v4 != is_v4_rule(c) || memcmp(c->addr, addr, whole) != 0)
        return false;
    return rest == 0 || (c->addr[whole] ^ addr[whole]) >> (8 - rest) == 0;
}

bool pl_cidr_match(const struct pl_cidr_list *l, const struct pl_addr *peer)
{
    bool is_ip = peer->family == 4 || peer->family == 6;
    uint8_t addr[16];

    if (l->n == 0)
        return false;
    widen(peer, addr);
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].is_unix ? peer->family == 1 : is_ip && rule_has(&l->v[i], addr, peer->family == 4))
            return true;
    return false;
}

bool pl_access_ok(const struct pl_access *a, const struct pl_addr *peer)
{
    if (!PL_SABOTAGE(access_deny_ignored) && pl_cidr_match(&a->deny, peer))
        return false;
    return a->allow.n == 0 || pl_cidr_match(&a->allow, peer);
}
