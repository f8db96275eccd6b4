/* shard/ring.h - one mailbox ring: from one shard to one other, FIFO, bounded.
 *
 * Capacity cap = 2 * half. Posts and requests together never hold more than `half` entries (the producer knows how many it put, the
 * consumer publishes how many it took). Replies never hold more than `half` because the asking side, which is this ring's
 * consumer, has at most `half` requests open (open_asks, kept on the ring of the opposite direction, of which it is the producer). So a
 * reply always finds a slot. */
#ifndef PL_SHARD_RING_H
#define PL_SHARD_RING_H

#include "shard/shard.h"

struct pl_ring {
    struct pl_mail **slots;                 /* owned; cap entries */
    uint32_t cap;                           /* frozen; power of 2 */
    _Alignas(64) _Atomic uint32_t head;     /* mailbox: producer writes (release), consumer reads (acquire) */
    uint32_t n_put;                         /* shard: producer's; posts and requests ever put */
    uint32_t open_asks;                     /* shard: producer's; requests put whose reply did not come yet */
    _Alignas(64) _Atomic uint32_t tail;     /* mailbox: consumer writes (release), producer reads (acquire) */
    _Atomic uint32_t n_taken;               /* same; posts and requests ever taken */
};

void pl_ring_init(struct pl_ring *r, uint32_t cap); /* boot time: aborts when out of memory */
void pl_ring_fini(struct pl_ring *r);
/* Producer. PL_EBUSY: half of the slots hold posts and requests already. */
enum pl_err pl_ring_put(struct pl_ring *r, struct pl_mail *m) PL_MUST_CHECK;
/* Producer: also counts an open request, PL_EBUSY too when `half` are open. */
enum pl_err pl_ring_ask(struct pl_ring *r, struct pl_mail *m) PL_MUST_CHECK;
/* Producer: a reply; there is a slot. */
void pl_ring_reply(struct pl_ring *r, struct pl_mail *m);
/* Consumer: what is there now; take exactly so many, or fewer. */
static inline uint32_t pl_ring_len(const struct pl_ring *r)
{
    /* acquire: pairs with the release in push, so the mail's bytes are seen */
    return atomic_load_explicit(&r->head, memory_order_acquire) - atomic_load_explicit(&r->tail, memory_order_relaxed);
}
struct pl_mail *pl_ring_take(struct pl_ring *r);

#endif
