/* hub/hub.h - channels: who is subscribed on this shard, what the home of a channel decides, and the fan-out walk.
 *
 * Two halves. *Local*: a struct pl_chan holds this shard's subscribers of one channel and a short log of events not yet walked to all of
 * them (hub/chan.c, hub/walk.c). *Home*: for the channels whose home is this shard, which shards want publications, and all calls to the
 * engine (hub/home.c). hub/route.c carries operations between the two. Everything on the calling shard's thread.
 *
 * Order: events of a channel reach every shard in home order, and every subscriber in that order; the subscribe result reaches the
 * session before the first event, with neither gap nor overlap (design.md 4). */
#ifndef PL_HUB_HUB_H
#define PL_HUB_HUB_H

#include "engine/op.h"
#include "msg/blob.h"
#include "shard/tour.h"

struct pl_chan;
struct pl_filter;
struct pl_sess;
struct pl_sub;

enum pl_sub_state {
    PL_SUB_PENDING,     /* the home has not answered yet */
    PL_SUB_LIVE,
    PL_SUB_ABANDONED,   /* the session gave up while pending; the hub frees it when the answer comes */
};
enum { PL_HUB_PATCHES = 0x100 }; /* beside the render class of a rendering: patches where they can be made */
enum {
    PL_SUB_POSITIONED = 1,    /* offsets are checked */
    PL_SUB_RECOVERABLE = 2,
    PL_SUB_JOIN_LEAVE = 4,    /* gets join and leave pushes */
    PL_SUB_PRESENCE = 8,      /* shown in presence */
    PL_SUB_EMIT = 16,         /* its coming and going is told to others */
    PL_SUB_SERVER_SIDE = 32,
    PL_SUB_EXPIRES = 64,      /* expire_s counts */
    PL_SUB_FILTERED = 256,    /* has a filter on tags; set by pl_sub_new_filtered alone */
    PL_SUB_DELTA = 512,       /* gets patches where they can be made; render_class tells the class of those who do */
    PL_SUB_DELTA_READY = 1024, /* hub: it has the publication before */
    PL_SUB_DOOMED = 128,      /* the backend ended it while it was pending: ends as soon as it is live */
};

/* One subscription. Owned by the session, linked into its list; slots and states belong to the hub. */
struct pl_sub {
    struct pl_chan *chan;        /* hub */
    union {
        struct pl_sess *sess;    /* the subscriber; only the sink looks inside */
        struct pl_msg *leave;    /* abandoned: what to tell if the home says yes; ref */
    };
    struct pl_sub *next;         /* the session's list */
    struct pl_str *epoch;        /* ref; of the position */
    struct pl_str *chan_info;    /* ref */
    uint64_t offset;             /* last publication seen, if positioned */
    uint32_t slot;               /* index in the channel's array, while live */
    uint32_t seq;                /* first event of the channel's log that it has not seen */
    uint32_t expire_s;           /* unix seconds */
    uint16_t flags;              /* PL_SUB_ */
    uint8_t render_class;        /* session/pipe.h PL_CLASS_; subscribers of one class share encoded blobs */
    uint8_t state;               /* enum pl_sub_state */
};
_Static_assert(sizeof(struct pl_sub) == 64, "a subscription costs 64 bytes (design.md 5)");

/* The way up, filled by session/. */
struct pl_sink_ops {
    /* Encodes and frames events for one class, appended to out. base: the publication that all of this class got before the first event, NULL if
     * they do not share one. PL_EUNSUP: this class cannot be told (binary payload, JSON client). */
    enum pl_err (*render)(struct pl_shard *s, unsigned render_class, struct pl_slice channel, const struct pl_msg *base,
                          struct pl_msg *const *events, size_t n, struct pl_buf *out);
    /* Borrowed blob of n_events; may end the session and so remove subscriptions. */
    void (*deliver)(struct pl_sub *sub, struct pl_blob *blob, unsigned n_events);
    void (*on_unfit)(struct pl_sub *sub);           /* render said PL_EUNSUP */
    void (*on_position_lost)(struct pl_sub *sub);   /* a gap that history does not cover */
    void (*on_subscribed)(struct pl_sub *sub, struct pl_op *op); /* the answer to a pl_hub_subscribe that said PL_WAIT */
    /* The answer to a subscribe that was given up while pending: the subscription is gone, its command may still wait. */
    void (*on_abandoned)(struct pl_shard *s, const struct pl_op *op);
    void (*info)(const struct pl_sub *sub, struct pl_client_info *ret_borrowed);
};

/* For the engine's init. */
const struct pl_feed_ops *pl_hub_feed(void);
void pl_hub_init(struct pl_shard *s, const struct pl_sink_ops *sink);
void pl_hub_fini(struct pl_shard *s);

/* Runs an op at its channel's home. PL_OK: results are in *op, which stays the caller's. PL_WAIT: *op moved away (zeroed); op->done gets
 * a heap op later, to be ended with pl_op_end(). PL_EBUSY: no mailbox slot. Other errors: from the engine, *op stays. */
enum pl_err pl_hub_run(struct pl_shard *s, struct pl_op *op) PL_MUST_CHECK;
void pl_op_end(struct pl_op **take_op);  /* fini and free of a heap op */

/* A zeroed subscription from the shard's slab; NULL when memory is out. free: one that is not (or no longer) with the hub. */
struct pl_sub *pl_sub_new(struct pl_shard *s);
void pl_sub_free(struct pl_shard *s, struct pl_sub **take_sub);
/* The shard's filter of that text (Protobuf FilterNode, codec/tagfilter.h), shared by all who have the same. PL_EINVAL: it breaks a rule.
 * PL_ENOMEM. */
enum pl_err pl_filter_get(struct pl_shard *s, struct pl_slice text, struct pl_filter **ret) PL_MUST_CHECK;
void pl_filter_unref(struct pl_shard *s, struct pl_filter **take_f);
/* As pl_sub_new, for one who gets only what passes: live and recovered; its position moves all the same. */
struct pl_sub *pl_sub_new_filtered(struct pl_shard *s, struct pl_filter **take_f);
struct pl_slice pl_sub_filter_text(const struct pl_sub *sub); /* borrowed; "" none */
/* Subscribes. sub: from pl_sub_new and filled (sess, flags, render_class, chan_info) by the caller; op: kind SUBSCRIBE with position wishes, recovery and
 * the join event. PL_OK: live, results in op. PL_WAIT: sink->on_subscribed comes (op->err tells). Errors: nothing happened, sub stays. */
enum pl_err pl_hub_subscribe(struct pl_shard *s, struct pl_sub *sub, struct pl_op *op) PL_MUST_CHECK;
/* After a PL_OK of pl_hub_subscribe, when the reply stands in the session's queue: publishes the join event. */
void pl_hub_subscribed_after(struct pl_shard *s, struct pl_op *op);
/* Ends and frees a subscription in any state. leave: event to publish, taken; NULL none. */
void pl_hub_unsubscribe(struct pl_shard *s, struct pl_sub **take_sub, struct pl_msg **take_leave);
/* Takes up a subscription from a record: live at once, nothing is published or read. Boot-time: before the shards run. */
enum pl_err pl_hub_adopt(struct pl_shard *s, struct pl_sub *sub, struct pl_slice channel) PL_MUST_CHECK;

/* The subscription's channel name (borrowed from the channel). */
struct pl_slice pl_sub_channel(const struct pl_sub *sub);
/* The subscription of sess's list `first` to that channel, NULL if none. */
struct pl_sub *pl_hub_find(struct pl_shard *s, struct pl_sub *first, struct pl_slice channel);
/* Gives this subscriber now what the walk has not brought yet (a publisher's own copy comes before its reply). */
void pl_hub_catch_up(struct pl_sub *sub);
/* Walks everything that is queued, without yielding: before records are written and at a graceful stop. */
void pl_hub_walk_all(struct pl_shard *s);
size_t pl_hub_n_channels(const struct pl_shard *s);
size_t pl_hub_n_subs(const struct pl_shard *s);

/* ---- presence and channel lists over all shards (tours) ---- */
struct pl_presence {
    struct pl_tour tour;
    struct pl_handle owner;                 /* the caller's */
    uint64_t tag;                           /* the caller's */
    struct pl_str *channel;                 /* ref; set by the caller */
    bool stats_only;
    struct pl_client_info *entries;         /* owned; not with stats_only */
    size_t n_entries, cap;
    uint32_t n_clients, n_users;            /* final when done */
    struct pl_str **users;                  /* with stats_only: one per client until counted */
    bool is_cut;                            /* over PL_PRESENCE_MAX: the rest is not listed */
};
enum { PL_PRESENCE_MAX = 1000 * 1000 };
/* tour.done set by the caller; PL_OK / PL_WAIT / PL_EBUSY as pl_tour_start. At PL_OK and in done: pl_presence_count() first. */
enum pl_err pl_hub_presence(struct pl_shard *s, struct pl_presence *p) PL_MUST_CHECK;
void pl_presence_count(struct pl_presence *p);
void pl_presence_fini(struct pl_presence *p);

struct pl_channel_list {
    struct pl_tour tour;
    struct pl_handle owner;
    uint64_t tag;
    struct pl_str *pattern;                 /* ref; glob; NULL all */
    struct { struct pl_str *name; uint32_t n_clients; } *items; /* owned; sorted by name, unique, after pl_channel_list_merge */
    size_t n_items, cap;
    bool no_memory;
};
enum pl_err pl_hub_channels(struct pl_shard *s, struct pl_channel_list *l) PL_MUST_CHECK;
void pl_hub_channels_here(struct pl_shard *s, struct pl_channel_list *l); /* adds this shard's only */
void pl_channel_list_merge(struct pl_channel_list *l);
void pl_channel_list_fini(struct pl_channel_list *l);

#endif
