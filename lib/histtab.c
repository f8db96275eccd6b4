#include "lib/histtab.h"

#include <stdlib.h>
#include <string.h>

enum pl_err pl_hist_grow(void *p, size_t n, size_t each)
{
    void *old, *wider;

    if (n != 0 && (n & (n - 1)) != 0)
        return PL_OK;
    memcpy(&old, p, sizeof old);
    wider = realloc(old, (n == 0 ? 1 : n * 2) * each);
    if (wider == NULL)
        return PL_ENOMEM;
    memcpy(p, &wider, sizeof wider);
    return PL_OK;
}

uint64_t pl_hist_mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

uint32_t *pl_histtab_probe(const struct pl_histtab *t, uint64_t *at)
{
    return &t->slots[(*at)++ & (t->n_slots - 1)];
}

enum pl_err pl_histtab_reserve(struct pl_histtab *t, uint64_t (*rehash)(const void *arg, uint32_t i), const void *arg)
{
    struct pl_histtab wider;

    if (t->n_slots != 0 && t->n_used < t->n_slots / 4 * 3)
        return PL_OK;
    wider = (struct pl_histtab){ NULL, t->n_slots == 0 ? 1024 : t->n_slots * 2, t->n_used };
    wider.slots = calloc(wider.n_slots, sizeof *wider.slots);
    if (wider.slots == NULL)
        return PL_ENOMEM;
    for (size_t i = 0; i < t->n_slots; i++) {
        uint64_t at;
        uint32_t *slot;

        if (t->slots[i] == 0)
            continue;
        at = rehash(arg, t->slots[i] - 1);
        do
            slot = pl_histtab_probe(&wider, &at);
        while (*slot != 0);
        *slot = t->slots[i];
    }
    free(t->slots);
    *t = wider;
    return PL_OK;
}
