/* shard/wheel.h - the timer wheel: levels of 256 slots, 1 ms ticks.
 *
 * A timer stands on the level of the highest byte in which its due time differs from the wheel's now: so a level holds only what
 * comes after everything on the levels below, no slot index wraps round, and one scan of bitmaps finds the next thing to do. When
 * now enters a slot of an upper level its timers move down: at most once per level in a timer's life, and of 20,000 timers
 * spread over 25 s about 200 at a time. Timers of the same millisecond fire in the order in which they were started. */
#ifndef PL_SHARD_WHEEL_H
#define PL_SHARD_WHEEL_H

#include "shard/shard.h"

enum { PL_WHEEL_LEVELS = 6, PL_WHEEL_SLOTS = 256 }; /* 2^48 ms: 8,900 years */

struct pl_wheel {
    uint64_t now_ms;                                     /* all due times <= now_ms are in `late` or fired */
    struct pl_timer late;                                /* list head: started when already due */
    uint64_t bits[PL_WHEEL_LEVELS][PL_WHEEL_SLOTS / 64]; /* slot may be occupied; cleared lazily */
    struct pl_timer slots[PL_WHEEL_LEVELS][PL_WHEEL_SLOTS]; /* list heads */
};

void pl_wheel_init(struct pl_wheel *w, uint64_t now_ms);
void pl_wheel_start(struct pl_wheel *w, struct pl_timer *t, uint64_t due_ms);
void pl_wheel_stop(struct pl_timer *t);
/* Moves the wheel to now_ms (never back) and fires what is due, in order. Timers started by callbacks for a time already past wait
 * for the next call; so the call ends. Returns how many fired. */
size_t pl_wheel_advance(struct pl_wheel *w, struct pl_shard *s, uint64_t now_ms);
/* When the next call of advance has something to do (a timer, or a slot to sort): an absolute time; UINT64_MAX: never. */
uint64_t pl_wheel_next(struct pl_wheel *w);

#endif
