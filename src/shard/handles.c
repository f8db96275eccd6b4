#include "shard/handles.h"

#include <stdlib.h>

#include "base/check.h"

enum { GEN_MASK = (1 << PL_HANDLE_GEN_BITS) - 1, SLOT_MASK = (1 << PL_HANDLE_SLOT_BITS) - 1 };

void pl_handles_init(struct pl_handles *h, uint32_t max_slots)
{
    memset(h, 0, sizeof *h);
    h->free_head = h->free_tail = UINT32_MAX;
    h->max_slots = max_slots;
}

void pl_handles_fini(struct pl_handles *h)
{
    for (uint32_t i = 0; i < h->n_chunks; i++)
        free(h->chunks[i]);
    free(h->chunks);
    pl_handles_init(h, h->max_slots);
}

static struct pl_handle_slot *slot_at(const struct pl_handles *h, uint32_t i)
{
    return &h->chunks[i / PL_HANDLE_CHUNK][i % PL_HANDLE_CHUNK];
}

static uint16_t kind_of(struct pl_handles *h, const void *kind)
{
    unsigned i;

    for (i = 0; i < h->n_kinds; i++)
        if (h->kinds[i] == kind)
            return (uint16_t)(i + 1);
    PL_ASSERT(i < PL_HANDLE_KINDS); /* a kind is one of our types, not data */
    h->kinds[h->n_kinds++] = kind;
    return (uint16_t)(i + 1);
}

static enum pl_err slot_take(struct pl_handles *h, uint32_t *ret)
{
    struct pl_handle_slot *chunk, **chunks;
    uint32_t i = h->free_head;

    if (i != UINT32_MAX) {
        h->free_head = slot_at(h, i)->next_free;
        if (h->free_head == UINT32_MAX)
            h->free_tail = UINT32_MAX;
        *ret = i;
        return PL_OK;
    }
    if (h->n_slots >= h->max_slots)
        return PL_ENOMEM;
    if (h->n_slots == h->n_chunks * PL_HANDLE_CHUNK) {
        if (h->n_chunks == h->cap_chunks) {
            uint32_t cap = h->cap_chunks != 0 ? h->cap_chunks * 2 : 8;

            chunks = realloc(h->chunks, cap * sizeof *chunks);
            if (chunks == NULL)
                return PL_ENOMEM;
            h->chunks = chunks;
            h->cap_chunks = cap;
        }
        chunk = calloc(PL_HANDLE_CHUNK, sizeof *chunk);
        if (chunk == NULL)
            return PL_ENOMEM;
        h->chunks[h->n_chunks++] = chunk;
    }
    *ret = h->n_slots++;
    slot_at(h, *ret)->gen = 1;
    return PL_OK;
}

enum pl_err pl_handles_new(struct pl_handles *h, unsigned shard, const void *kind, void *obj, struct pl_handle *ret)
{
    struct pl_handle_slot *slot;
    enum pl_err err;
    uint32_t i;

    err = slot_take(h, &i);
    if (err != PL_OK)
        return err;
    slot = slot_at(h, i);
    slot->obj = obj;
    slot->kind = kind_of(h, kind);
    h->n_live++;
    ret->v = (uint64_t)shard << 52 | (uint64_t)slot->gen << PL_HANDLE_SLOT_BITS | i;
    return PL_OK;
}

static struct pl_handle_slot *slot_of(const struct pl_handles *h, unsigned shard, struct pl_handle hd)
{
    uint32_t i = (uint32_t)(hd.v & SLOT_MASK);
    struct pl_handle_slot *slot;

    if (hd.v == 0 || pl_handle_shard(hd) != shard || i >= h->n_slots)
        return NULL;
    slot = slot_at(h, i);
    if (slot->kind == 0)
        return NULL;
    if (slot->gen != ((hd.v >> PL_HANDLE_SLOT_BITS) & GEN_MASK) && !PL_SABOTAGE(handle_skip_generation))
        return NULL;
    return slot;
}

void *pl_handles_get(const struct pl_handles *h, unsigned shard, struct pl_handle hd, const void *kind)
{
    struct pl_handle_slot *slot = slot_of(h, shard, hd);

    return slot != NULL && h->kinds[slot->kind - 1] == kind ? slot->obj : NULL;
}

void pl_handles_free(struct pl_handles *h, unsigned shard, struct pl_handle hd)
{
    struct pl_handle_slot *slot = slot_of(h, shard, hd);
    uint32_t i = (uint32_t)(hd.v & SLOT_MASK);

    if (slot == NULL)
        return;
    slot->kind = 0;
    slot->gen = slot->gen == GEN_MASK ? 1 : slot->gen + 1; /* 0 is no generation: a handle is never 0 */
    slot->next_free = UINT32_MAX;
    if (h->free_tail != UINT32_MAX)
        slot_at(h, h->free_tail)->next_free = i;
    else
        h->free_head = i;
    h->free_tail = i;
    h->n_live--;
}
