/* base/hash.h - SipHash-1-3 (Aumasson, Bernstein), keyed per process, for every table whose keys come from outside. */
#ifndef PL_BASE_HASH_H
#define PL_BASE_HASH_H

#include "base/slice.h"

struct pl_hash_key {
    uint64_t k0, k1;
};

uint64_t pl_hash(struct pl_hash_key key, struct pl_slice s);

#endif
