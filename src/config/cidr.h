/* config/cidr.h - lists of address ranges ("10.0.0.0/8", "::1", "unix") and the allow/deny rule of endpoints.
 * IPv4 is kept as IPv4-mapped IPv6, so both ways a peer may be reported match the same entry. Pure; any thread. */
#ifndef PL_CONFIG_CIDR_H
#define PL_CONFIG_CIDR_H

#include "base/err.h"
#include "base/slice.h"

#include <sys/socket.h>

struct pl_cidr {
    uint8_t addr[16]; /* network byte order, bits past `bits` are zero */
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

/* One entry: address, address/prefix or "unix". PL_EINVAL otherwise, also when bits past the prefix are set. */
PL_MUST_CHECK enum pl_err pl_cidr_parse(struct pl_slice text, struct pl_cidr *ret);

/* Any other family than AF_INET, AF_INET6 and AF_UNIX matches nothing. */
bool pl_cidr_match(const struct pl_cidr_list *l, const struct sockaddr *peer);

/* Deny wins; an empty allow list allows everyone who is not denied. */
bool pl_access_ok(const struct pl_access *a, const struct sockaddr *peer);

#endif
