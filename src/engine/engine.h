/* engine/engine.h - where messages and positions live. Every engine answers the same calls, at the channel's home shard.
 *
 * A call returns PL_OK (the op's results are set), PL_WAIT (the engine calls feed->on_done with the op later, exactly once) or an error.
 * Engines that hear of publications from elsewhere (Redis, NATS: later issues) give them to feed->on_message; the memory engine's publish
 * is heard by nobody else, so the hub fans out what it published itself. */
#ifndef PL_ENGINE_ENGINE_H
#define PL_ENGINE_ENGINE_H

#include "engine/op.h"

/* The way up, filled by the hub. */
struct pl_feed_ops {
    void (*on_message)(struct pl_shard *home, struct pl_msg *m);
    void (*on_done)(struct pl_shard *home, struct pl_op *op);
};

struct pl_engine_ops {
    const char *name;
    bool is_heard;       /* publications come back through feed->on_message; the hub must not fan out its own */
    enum pl_err (*publish)(struct pl_shard *home, struct pl_op *op);          /* seals op->msg */
    /* Position and, by op's reading fields, publications: HISTORY and the reading part of SUBSCRIBE. Creates the stream if absent.
     * PL_ENOENT: since_epoch differs from the stream's. */
    enum pl_err (*read)(struct pl_shard *home, struct pl_op *op);
    enum pl_err (*remove)(struct pl_shard *home, struct pl_op *op);           /* empties the list, keeps the position */
    enum pl_err (*interest)(struct pl_shard *home, struct pl_slice channel, bool is_on);
    /* Record of everything this shard is home of. */
    void (*save)(struct pl_shard *home, struct pl_rec_out *r);
    enum pl_err (*load)(struct pl_shard *home, struct pl_rec_in rec);
    void (*init)(struct pl_shard *s, const struct pl_feed_ops *feed);
    void (*fini)(struct pl_shard *s);
};

extern const struct pl_engine_ops pl_engine_memory;

/* The engine chosen for a node, set by server/ before the shards run. */
const struct pl_engine_ops *pl_engine(const struct pl_node *n);
void pl_engine_choose(struct pl_node *n, const struct pl_engine_ops *ops);

#endif
