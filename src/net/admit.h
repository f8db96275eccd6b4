/* net/admit.h - how many connections a node takes: all, of one address, new ones a second. Not for other rooms; the limits come by
 * pl_net_limit() (conn.h).
 *
 * Node-wide, so its table stands under a lock ("admit", taken at accept and close only, nothing is taken under it). With all limits
 * off nothing is counted. An IPv6 client is its /64: whoever has one address there has them all. */
#ifndef PL_NET_ADMIT_H
#define PL_NET_ADMIT_H

#include "net/conn.h"

struct pl_admit;

struct pl_admit *pl_admit_new(const struct pl_net_limits *limits, struct pl_hash_key key);
void pl_admit_free(struct pl_admit **take_a); /* NULL is fine */

/* Counts a new connection of `peer`. PL_EBUSY: over a limit, *ret_limit is its label (PL_MV_ACCEPT_); nothing is counted then. */
enum pl_err pl_admit_take(struct pl_admit *a, const struct pl_addr *peer, uint64_t now_ms, int *ret_limit) PL_MUST_CHECK;
/* Counts one that is there already, over any limit. */
void pl_admit_force(struct pl_admit *a, const struct pl_addr *peer);
/* The end of a counted one. */
void pl_admit_give(struct pl_admit *a, const struct pl_addr *peer);

#endif
