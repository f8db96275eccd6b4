/* shard/priv.h - what shard.c and tour.c share about the inside of a shard. */
#ifndef PL_SHARD_PRIV_H
#define PL_SHARD_PRIV_H

#include <pthread.h>

#include "shard/handles.h"
#include "shard/ring.h"
#include "shard/wheel.h"

struct pl_task_queue {
    struct pl_task *first, *last;
};

struct pl_shard_priv {
    struct pl_wheel wheel;
    struct pl_handles handles;
    struct pl_task_queue tasks[PL_N_PHASES];
    struct pl_deferred *deferred, *deferred_last;
    struct pl_ring *in[PL_SHARDS_MAX];   /* from each shard, the own one included; owned by the receiver */
    uint64_t dirty;                      /* bit per shard that got mail in this turn */
    unsigned tours;                      /* under way, started here */
    bool is_stopping;
    bool has_owner;
    pthread_t owner;

    _Alignas(64) _Atomic(struct pl_mail *) control; /* mailbox: newest first; any thread pushes */
    atomic_bool is_asleep;               /* mailbox; only ever changed by exchange: see going_to_sleep in shard.c */

    /* counter */
    _Atomic uint64_t n_turns, n_slow, max_turn_ns, n_in, n_busy, n_wakes, n_handles;
};

/* Onto the control lane of `to` from a turn of s: the wake is written at the turn's end. */
void pl_shard_control_push(struct pl_shard *s, unsigned to, struct pl_mail *m);

#endif
