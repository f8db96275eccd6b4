/* shard/tour.h - a tour: one small object visits every shard in turn and comes home. For the cold questions that concern all
 * shards: presence, info, channels, disconnect a user. Takes no lock; a tour sees each shard at its own moment. */
#ifndef PL_SHARD_TOUR_H
#define PL_SHARD_TOUR_H

#include "shard/shard.h"

struct pl_tour {
    struct pl_mail mail;
    void (*visit)(struct pl_shard *s, struct pl_tour *t);  /* on each shard once, the origin's own included */
    void (*done)(struct pl_shard *origin, struct pl_tour *t); /* on the origin, after all visits; owns t */
    uint16_t origin, n_left;
};

/* PL_OK: only one shard, all visits were made, done was NOT called (results are in t, still yours).
 * PL_WAIT: done comes later, exactly once. PL_EBUSY: too many under way (bound: PL_TOURS_MAX per shard), t stays yours. */
enum { PL_TOURS_MAX = 256 };
enum pl_err pl_tour_start(struct pl_shard *s, struct pl_tour *t) PL_MUST_CHECK;

#endif
