/* codec/cidr.h - address text, lists of networks ("10.0.0.0/8", "::1", "unix") and the allow/deny rule of endpoints.
 * Pure; any thread.
 *
 * An IPv4 address that came as IPv4-mapped IPv6 (::ffff:1.2.3.4, as a dual-stack listener sees it) is the IPv4 address: a
 * rule for 10.0.0.0/8 holds on either listener, and ::/0 says nothing about IPv4. */
#ifndef PL_CODEC_CIDR_H
#define PL_CODEC_CIDR_H

#include "base/err.h"
#include "base/slice.h"
#include "base/world.h"

struct pl_cidr {
    uint8_t addr[16]; /* network byte order, IPv4 as mapped IPv6; bits past `bits` are zero */
    uint8_t bits;     /* 0..128; IPv4 prefixes are 96 + n */
    bool is_unix;     /* the word "unix": any unix-socket peer */
};

struct pl_cidr_list {
    struct pl_cidr *v;
    size_t n;
};

struct pl_access {
    struct pl_cidr_list allow, deny;
};

/* The address of 4 or 16 bytes in network order, port 0; a mapped one becomes family 4. */
struct pl_addr pl_ip_v4(const uint8_t b[4]);
struct pl_addr pl_ip_v6(const uint8_t b[16]);
/* "1.2.3.4" or "::1" and nothing else: no brackets, port, zone or leading zeros. Port 0. PL_EINVAL. */
enum pl_err pl_ip_parse(struct pl_slice text, struct pl_addr *ret) PL_MUST_CHECK;
/* Same address, whatever the port. */
bool pl_ip_eq(const struct pl_addr *a, const struct pl_addr *b);

/* One entry: address, address/prefix or "unix". PL_EINVAL otherwise, also when bits after the prefix are set: 10.0.0.1/8 is
 * more often a slip than meant. */
enum pl_err pl_cidr_parse(struct pl_slice text, struct pl_cidr *ret) PL_MUST_CHECK;

/* A peer of family 0 matches nothing. */
bool pl_cidr_match(const struct pl_cidr_list *l, const struct pl_addr *peer);

/* Deny wins; an empty allow list allows everyone who is not denied. */
bool pl_access_ok(const struct pl_access *a, const struct pl_addr *peer);

#endif
