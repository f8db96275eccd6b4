#include "shard/ring.h"

#include <stdlib.h>

#include "base/check.h"

void pl_ring_init(struct pl_ring *r, uint32_t cap)
{
    PL_ASSERT(cap >= 2 && (cap & (cap - 1)) == 0);
    memset(r, 0, sizeof *r);
    r->cap = cap;
    r->slots = calloc(cap, sizeof(struct pl_mail *));
    PL_ASSERT(r->slots != NULL);
}

void pl_ring_fini(struct pl_ring *r)
{
    free(r->slots);
    r->slots = NULL;
}

static void push(struct pl_ring *r, struct pl_mail *m)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed); /* our own */

    /* acquire: pairs with the release in pl_ring_take; the slot's old entry was read before we write it */
    PL_ASSERT(head - atomic_load_explicit(&r->tail, memory_order_acquire) < r->cap);
    r->slots[head & (r->cap - 1)] = m;
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

static bool has_room(const struct pl_ring *r)
{
    /* acquire: pairs with the release in pl_ring_take, so that push sees at least as many free slots; stale is only stricter */
    uint32_t there = r->n_put - atomic_load_explicit(&r->n_taken, memory_order_acquire);

    return there < r->cap / 2;
}

enum pl_err pl_ring_put(struct pl_ring *r, struct pl_mail *m)
{
    if (!has_room(r))
        return PL_EBUSY;
    r->n_put++;
    m->is_reply = false;
    push(r, m);
    return PL_OK;
}

enum pl_err pl_ring_ask(struct pl_ring *r, struct pl_mail *m)
{
    enum pl_err err;

    if (r->open_asks >= r->cap / 2 && !PL_SABOTAGE(ring_forget_reservation))
        return PL_EBUSY;
    err = pl_ring_put(r, m);
    if (err == PL_OK)
        r->open_asks++;
    return err;
}

void pl_ring_reply(struct pl_ring *r, struct pl_mail *m)
{
    m->is_reply = true;
    push(r, m);
}

struct pl_mail *pl_ring_take(struct pl_ring *r)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed); /* our own */
    struct pl_mail *m = r->slots[tail & (r->cap - 1)];

    atomic_store_explicit(&r->tail, tail + 1, memory_order_release); /* pairs with the acquire in push */
    if (!m->is_reply) /* after tail: who sees the post as taken sees its slot as free */
        atomic_store_explicit(&r->n_taken, atomic_load_explicit(&r->n_taken, memory_order_relaxed) + 1, memory_order_release);
    return m;
}
