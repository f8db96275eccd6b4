#include "base/table.h"

#include <stdlib.h>

#include "base/check.h"

void pl_table_init(struct pl_table *t)
{
    memset(t, 0, sizeof *t);
}

void pl_table_fini(struct pl_table *t)
{
    for (size_t i = 0; i < PL_TABLE_SEGS; i++)
        free(t->seg[i]);
    pl_table_init(t);
}

static inline unsigned log2_floor(uint32_t x)
{
    return 31u - (unsigned)__builtin_clz(x);
}

static inline struct pl_tnode **bucket_at(const struct pl_table *t, uint32_t i)
{
    unsigned k;

    if (i < PL_TABLE_MIN)
        return &t->seg[0][i];
    k = log2_floor(i) - 3;
    return &t->seg[k][i - (8u << k)];
}

/* Linear hashing: buckets 0..n_buckets-1 exist; those not yet split still hold what belongs to their later twin. */
static inline struct pl_tnode **bucket_of(const struct pl_table *t, uint64_t hash)
{
    uint32_t low = 1u << log2_floor(t->n_buckets);
    uint32_t i = (uint32_t)hash & (2 * low - 1);

    return bucket_at(t, i < t->n_buckets ? i : i & (low - 1));
}

struct pl_tnode *pl_table_find(const struct pl_table *t, uint64_t hash)
{
    struct pl_tnode *n;

    if (t->n == 0)
        return NULL;
    for (n = *bucket_of(t, hash); n != NULL && n->hash != hash; n = n->next)
        ;
    return n;
}

static bool split_one(struct pl_table *t)
{
    uint32_t add = t->n_buckets, low = 1u << log2_floor(add), from = add - low;
    struct pl_tnode **src, **dst, *n, *next;

    if (add == low) { /* a new segment begins */
        unsigned k = log2_floor(add) - 3;

        if (k >= PL_TABLE_SEGS)
            return false;
        t->seg[k] = calloc(8u << k, sizeof *t->seg[k]);
        if (t->seg[k] == NULL)
            return false;
    }
    t->n_buckets++;
    src = bucket_at(t, from);
    dst = bucket_at(t, add);
    n = *src;
    *src = NULL;
    for (; n != NULL; n = next) {
        struct pl_tnode **to = ((uint32_t)n->hash & low) != 0 ? dst : src;

        next = n->next;
        n->next = *to;
        *to = n;
    }
    return true;
}

static void merge_one(struct pl_table *t)
{
    uint32_t last = t->n_buckets - 1, low = 1u << log2_floor(last);
    struct pl_tnode **src = bucket_at(t, last), **dst = bucket_at(t, last - low);

    while (*dst != NULL)
        dst = &(*dst)->next;
    *dst = *src;
    *src = NULL;
    t->n_buckets--;
    if (last == low) {
        unsigned k = log2_floor(last) - 3;

        free(t->seg[k]);
        t->seg[k] = NULL;
    }
}

bool pl_table_insert(struct pl_table *t, struct pl_tnode *n, uint64_t hash)
{
    struct pl_tnode **b;

    if (t->n_buckets == 0) {
        t->seg[0] = calloc(PL_TABLE_MIN, sizeof *t->seg[0]);
        if (t->seg[0] == NULL)
            return false;
        t->n_buckets = PL_TABLE_MIN;
    }
    if (t->n >= t->n_buckets)
        (void)split_one(t); /* without memory the chains only get longer */
    b = bucket_of(t, hash);
    n->hash = hash;
    n->next = *b;
    *b = n;
    t->n++;
    return true;
}

void pl_table_remove(struct pl_table *t, struct pl_tnode *n)
{
    struct pl_tnode **at = bucket_of(t, n->hash);

    while (*at != n) {
        PL_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = n->next;
    n->next = NULL;
    t->n--;
    if (t->n_buckets > PL_TABLE_MIN && t->n < t->n_buckets / 2)
        merge_one(t);
}

void pl_table_each(struct pl_table *t, void (*fn)(struct pl_tnode *n, void *arg), void *arg)
{
    /* A snapshot, since a removal may merge buckets under the loop. */
    struct pl_tnode **all;
    size_t n = 0;

    if (t->n == 0)
        return;
    all = malloc(t->n * sizeof(struct pl_tnode *));
    PL_ASSERT(all != NULL);
    for (uint32_t i = 0; i < t->n_buckets; i++)
        for (struct pl_tnode *x = *bucket_at(t, i); x != NULL; x = x->next)
            all[n++] = x;
    PL_ASSERT(n == t->n);
    for (size_t i = 0; i < n; i++)
        fn(all[i], arg);
    free(all);
}
