/* base/table.h - a hash table that grows and shrinks one bucket at a time (linear hashing, Litwin 1980): no turn ever pays for a
 * rehash of everything. Intrusive: the object embeds struct pl_tnode (16 bytes). Keys are hashed by the caller (base/hash.h). */
#ifndef PL_BASE_TABLE_H
#define PL_BASE_TABLE_H

#include "base/slice.h"

struct pl_tnode {
    struct pl_tnode *next;
    uint64_t hash;
};

enum { PL_TABLE_SEGS = 29, PL_TABLE_MIN = 16 };

struct pl_table {
    struct pl_tnode **seg[PL_TABLE_SEGS]; /* segment 0: 16 buckets; segment k: 8 << k buckets */
    uint32_t n_buckets;
    size_t n;
};

void pl_table_init(struct pl_table *t);   /* owns nothing until the first insert */
void pl_table_fini(struct pl_table *t);   /* frees the buckets, not the objects */
/* First node of that hash, then pl_table_same() for the next; the caller compares keys. NULL: none. */
struct pl_tnode *pl_table_find(const struct pl_table *t, uint64_t hash);
static inline struct pl_tnode *pl_table_same(const struct pl_tnode *n)
{
    uint64_t hash = n->hash;

    for (n = n->next; n != NULL && n->hash != hash; n = n->next)
        ;
    return (struct pl_tnode *)(uintptr_t)n;
}
bool pl_table_insert(struct pl_table *t, struct pl_tnode *n, uint64_t hash); /* false: no memory */
void pl_table_remove(struct pl_table *t, struct pl_tnode *n);
/* Calls fn for each; fn may remove (and free) the node it was given, nothing else. */
void pl_table_each(struct pl_table *t, void (*fn)(struct pl_tnode *n, void *arg), void *arg);

#endif
