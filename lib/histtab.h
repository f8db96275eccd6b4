/* lib/histtab.h - a hash table of indices into an array, and arrays that grow: what the history checker keeps its
 * publications and names in.
 *
 * Open addressing, linear probing; a slot holds index + 1, and 0 is free. Nothing is ever removed. One owner. */
#ifndef PL_LIB_HISTTAB_H
#define PL_LIB_HISTTAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pl_histtab {
    uint32_t *slots; /* owned: free() it */
    size_t n_slots, n_used;
};

/* Grows *p, an array of n elements of `each` bytes, for one more when n reaches a power of two. PL_ENOMEM: unchanged. */
PL_MUST_CHECK enum pl_err pl_hist_grow(void *p, size_t n, size_t each);

/* Spreads the bits of a number that peers may choose in sequence. */
uint64_t pl_hist_mix(uint64_t x);

/* The slot where the search for a hash goes on after *at; start with *at = hash. */
uint32_t *pl_histtab_probe(const struct pl_histtab *t, uint64_t *at);

/* Room for one more; rehash(arg, i) tells element i's hash. PL_ENOMEM: the table is as it was. */
PL_MUST_CHECK enum pl_err pl_histtab_reserve(struct pl_histtab *t, uint64_t (*rehash)(const void *arg, uint32_t i),
                                             const void *arg);

#endif
