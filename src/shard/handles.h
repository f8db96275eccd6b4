/* shard/handles.h - the slot table behind pl_handle. Grows by chunks, so no turn copies it; a freed slot goes to the end of the free
 * queue, so that a generation (24 bits) comes round as late as possible. */
#ifndef PL_SHARD_HANDLES_H
#define PL_SHARD_HANDLES_H

#include "shard/shard.h"

enum { PL_HANDLE_KINDS = 64, PL_HANDLE_CHUNK = 4096, PL_HANDLE_SLOT_BITS = 28, PL_HANDLE_GEN_BITS = 24 };

struct pl_handle_slot {
    union {
        void *obj;          /* in use */
        uint32_t next_free; /* free: slot index, UINT32_MAX at the end */
    };
    uint32_t gen;           /* 1..2^24-1 */
    uint16_t kind;          /* index + 1 into kinds; 0 free */
    uint16_t spare;
};

struct pl_handles {
    struct pl_handle_slot **chunks; /* owned */
    uint32_t n_chunks, cap_chunks;
    uint32_t n_slots;               /* ever used */
    uint32_t n_live;
    uint32_t free_head, free_tail;  /* UINT32_MAX: none */
    uint32_t max_slots;
    const void *kinds[PL_HANDLE_KINDS];
    unsigned n_kinds;
};

void pl_handles_init(struct pl_handles *h, uint32_t max_slots); /* max_slots <= 2^28 */
void pl_handles_fini(struct pl_handles *h);
enum pl_err pl_handles_new(struct pl_handles *h, unsigned shard, const void *kind, void *obj, struct pl_handle *ret) PL_MUST_CHECK;
void *pl_handles_get(const struct pl_handles *h, unsigned shard, struct pl_handle hd, const void *kind);
void pl_handles_free(struct pl_handles *h, unsigned shard, struct pl_handle hd);

#endif
