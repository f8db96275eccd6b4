/* engine/memory/stream.h - one channel's stream in memory: offset, epoch and the newest publications.
 *
 * Time is the shard's monotonic milliseconds. The list empties `ttl_s` after the last publication; offset and epoch go
 * `meta_ttl_s` after the last access (wire-protocol.md 4.3). A position once given out is never reused: a stream that is made
 * anew gets a new epoch. */
#ifndef PL_ENGINE_MEMORY_STREAM_H
#define PL_ENGINE_MEMORY_STREAM_H

#include "base/table.h"
#include "engine/op.h"

struct pl_stream {
    struct pl_tnode node;
    struct pl_timer timer;       /* the earlier of list and meta expiry, late rather than early */
    struct pl_str *name;         /* ref */
    struct pl_str *epoch;        /* ref */
    struct pl_str *version_epoch;/* ref */
    struct pl_msg **ring;        /* owned; cap entries, newest at (head + n - 1) % cap */
    uint64_t top;                /* offset of the newest publication ever; 0 none yet */
    uint64_t version;            /* of the newest publication */
    uint64_t list_due_ms;        /* 0: list is empty */
    uint64_t meta_due_ms;        /* 0: never */
    uint32_t cap, head, n;
};

/* A fresh stream with a random epoch; NULL when memory is out. */
struct pl_stream *pl_stream_new(struct pl_shard *s, struct pl_slice name);
void pl_stream_free(struct pl_stream **take_st);

/* Seals m as the next publication and keeps a reference; trims to keep->size. Returns bytes of history gained minus given up
 * in *ret_cost_change. PL_ENOMEM leaves everything as it was. */
enum pl_err pl_stream_append(struct pl_shard *s, struct pl_stream *st, struct pl_msg *m, const struct pl_keep *keep,
                             int64_t *ret_cost_change) PL_MUST_CHECK;
/* Empties the list; returns the bytes given up. */
int64_t pl_stream_clear(struct pl_stream *st);
/* Notes an access: moves the meta expiry. */
void pl_stream_touch(struct pl_shard *s, struct pl_stream *st, const struct pl_keep *keep);
/* The list as of now is over? (late timers must not show expired publications) */
static inline bool pl_stream_list_is_over(const struct pl_shard *s, const struct pl_stream *st)
{
    return st->n != 0 && st->list_due_ms <= s->now_ms;
}
/* The i-th publication of the list, 0 the oldest; borrowed. */
static inline struct pl_msg *pl_stream_at(const struct pl_stream *st, uint32_t i)
{
    return st->ring[(st->head + i) % st->cap];
}

/* Reads as the op asks (engine.h `read`), filling offset, epoch, msgs, is_recovered. */
enum pl_err pl_stream_read(const struct pl_stream *st, struct pl_op *op) PL_MUST_CHECK;

void pl_stream_save(const struct pl_shard *s, const struct pl_stream *st, struct pl_rec_out *r);
enum pl_err pl_stream_load(struct pl_shard *s, struct pl_rec_in rec, struct pl_stream **ret, int64_t *ret_cost) PL_MUST_CHECK;

#endif
