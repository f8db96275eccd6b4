/* hub/room.h - what the hub's files share; not for other rooms. */
#ifndef PL_HUB_ROOM_H
#define PL_HUB_ROOM_H

#include "base/slab.h"
#include "base/table.h"
#include "codec/tagfilter.h"
#include "hub/hub.h"

enum { HUB_CACHE = 6, HUB_EVENTS_FIRST = 8 };

/* Events of one channel that some subscriber has not seen yet; exists only while there are any. */
struct hub_events {
    struct pl_msg **ev;          /* owned references */
    uint32_t n, cap;
    uint32_t base;               /* seq of ev[0] */
    size_t bytes;
    uint64_t id;                 /* never used twice on this shard */
    uint32_t n_cache;
    struct {
        struct pl_blob *blob;    /* ref; NULL: nothing to tell this class */
        uint32_t from;           /* seq it starts at; always to the end */
        uint32_t n_events;
        uint64_t picks;          /* filtered: bit per event from `from` on that is in it; 0 all of the key's kind */
        uint64_t filter_id;      /* beyond 64 events: whose picks; else 0 */
        uint16_t key;            /* render class and hub/walk.c KEY_ */
        uint8_t err;             /* enum pl_err of the rendering */
    } cache[HUB_CACHE];
};

/* A filter on tags that subscribers of this shard share. Its verdicts are kept for the newest log that it met. */
struct pl_filter {
    struct pl_tnode node;
    struct pl_str *text;         /* ref; Protobuf, what the nodes borrow */
    uint64_t id;                 /* never used twice on this shard */
    uint64_t log_id;             /* of the log that the bits below are of */
    uint64_t known, passed;      /* bit per event of that log */
    uint32_t refs;               /* subscriptions */
    size_t n;
    struct pl_tagfilter_node nodes[];
};

/* A subscription with PL_SUB_FILTERED. */
struct hub_wide_sub {
    struct pl_sub sub;
    struct pl_filter *filter;    /* ref */
};

struct pl_chan {
    struct pl_tnode node;
    struct pl_shard *shard;
    struct pl_str *name;         /* ref */
    struct pl_sub **subs;        /* owned; dense but for tombstones (NULL) while walking */
    uint32_t n_slots, cap;
    uint32_t n_subs;             /* live ones */
    uint32_t n_delta;            /* of them with PL_SUB_DELTA */
    uint32_t n_pending;          /* subscribes on their way to the home */
    struct pl_task walk;
    struct hub_events *events;   /* owned; NULL when idle */
    uint32_t next_seq;           /* of the next event */
    uint32_t cursor, left;       /* the walk: next slot, slots still to visit */
    struct pl_msg *base;         /* ref; with delta subscribers: the newest publication before the log; NULL unknown */
    uint64_t last_offset;        /* newest publication that arrived here; for the refill */
    bool has_interest;           /* the home sends us publications */
    bool is_refilling;           /* a gap is being read from history; live publications with offsets wait in it */
    bool wants_refill;           /* ... as soon as the home's mailbox has room again */
    bool has_stream;             /* last_offset is a position: some subscriber got one */
    bool has_tombstones;
};

/* The home's view of a channel: who wants it. */
struct hub_home {
    struct pl_tnode node;
    struct pl_str *name;         /* ref */
    uint64_t interest;           /* bit per shard */
    uint64_t gapped;             /* shards that missed a publication for want of a mailbox slot */
};

struct hub {
    const struct pl_sink_ops *sink;
    struct pl_table chans;
    struct pl_table homes;
    struct pl_table filters;
    uint64_t n_ids;              /* of logs and filters, ever given */
    struct pl_slab sub_slab;
    size_t n_subs;
    /* One-way mails that found no slot, oldest first, per target; they keep their order before later asks. */
    struct pl_list unsent[PL_SHARDS_MAX];
    size_t n_unsent;
    size_t n_gapped;             /* homes with gapped bits */
    size_t n_refills;            /* channels that want one */
    struct pl_task retry;
    struct pl_buf scratch;       /* rendering */
};

static inline struct hub *hub_of(struct pl_shard *s)
{
    return s->rooms[PL_ROOM_HUB];
}

/* chan.c */
struct pl_chan *hub_chan_find(struct pl_shard *s, struct pl_slice name);
struct pl_chan *hub_chan_get(struct pl_shard *s, struct pl_slice name);   /* NULL: no memory */
void hub_chan_drop_if_idle(struct pl_chan *c);
enum pl_err hub_chan_attach(struct pl_chan *c, struct pl_sub *sub) PL_MUST_CHECK;
void hub_chan_detach(struct pl_sub *sub);

/* filter.c */
static inline struct pl_filter *hub_sub_filter(const struct pl_sub *sub)
{
    return (sub->flags & PL_SUB_FILTERED) != 0 ? ((const struct hub_wide_sub *)sub)->filter : NULL;
}
bool hub_filter_passes(struct pl_filter *f, const struct hub_events *e, uint32_t i); /* event i, a publication */
void hub_filter_recovered(const struct pl_filter *f, struct pl_op *op); /* drops from op->msgs what does not pass */

/* walk.c */
void hub_event(struct pl_shard *s, struct pl_msg *m);    /* borrowed: an event arrived from the home */
void hub_walk_run(struct pl_shard *s, struct pl_task *t);
void hub_walk_end(struct pl_chan *c);                    /* frees the log */
void hub_gap(struct pl_shard *s, struct pl_slice name);  /* the home had no slot for us */
void hub_retry_refills(struct pl_shard *s);

/* home.c */
enum pl_err hub_home_run(struct pl_shard *home, struct pl_op *op) PL_MUST_CHECK;
enum pl_err hub_home_done(struct pl_shard *home, struct pl_op *op) PL_MUST_CHECK; /* the engine's late answer */
void hub_home_after(struct pl_shard *home, struct pl_op *op); /* the event of a subscribe or unsubscribe, after its answer */
void hub_home_on_message(struct pl_shard *home, struct pl_msg *m);
enum pl_err hub_home_interest(struct pl_shard *home, struct pl_slice name, unsigned shard, bool is_on) PL_MUST_CHECK;
void hub_home_fini(struct pl_shard *s);
bool hub_home_retry_gaps(struct pl_shard *home);          /* true: some are left */

/* route.c */
void hub_send_event(struct pl_shard *home, unsigned to, struct pl_msg *m, bool *ret_is_gapped);
void hub_send_unsubscribe(struct pl_shard *s, struct pl_op *op); /* takes what op holds; cannot fail */
bool hub_send_gap(struct pl_shard *home, unsigned to, struct pl_str *name);
void hub_retry_run(struct pl_shard *s, struct pl_task *t);
void hub_route_fini(struct pl_shard *s);

#endif
