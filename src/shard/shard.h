/* shard/shard.h - one thread, one loop. A shard owns everything it touches: connections, sessions, channels, timers, memory.
 *
 * pl_shard_turn() is the heartbeat: wait and read events, mailboxes, timers, tasks of each phase (walks, then replies,
 * then flush), wakes to other shards, deferred frees. Nothing in a turn blocks. The simulator calls turns by hand.
 * All functions: only the shard's own thread, unless said otherwise. */
#ifndef PL_SHARD_SHARD_H
#define PL_SHARD_SHARD_H

#include <stdatomic.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/world.h"

struct pl_config;
struct pl_log;
struct pl_metrics;
struct pl_metric_cells;
struct pl_node;
struct pl_shard;

/* Where rooms keep what they own per shard and per node: shard->rooms[PL_ROOM_HUB] and so on. */
enum pl_room { PL_ROOM_NET, PL_ROOM_HTTP, PL_ROOM_ENGINE, PL_ROOM_AUTH, PL_ROOM_HUB, PL_ROOM_SESSION, PL_ROOM_DIALECT,
               PL_ROOM_TRANSPORT, PL_ROOM_API, PL_ROOM_SERVER, PL_N_ROOMS };

/* ---- sockets: whoever polls one embeds a watch and gives it to poller_set as data ---- */
struct pl_watch {
    /* events: PL_POLL_ bits. May come once more in the turn in which the socket was removed or closed: the watch must live to the
     * end of the turn (pl_shard_defer) and ignore it. */
    void (*on_ready)(struct pl_shard *s, struct pl_watch *w, uint32_t events);
};

/* ---- timers: hierarchical wheel, 1 ms ticks, any number, O(1) start and stop ---- */
struct pl_timer {
    struct pl_timer *next, *prev;             /* NULL when stopped */
    uint64_t due_ms;                          /* in pl_shard.now_ms time */
    void (*fire)(struct pl_shard *s, struct pl_timer *t);
};
static inline bool pl_timer_is_on(const struct pl_timer *t) { return t->next != NULL; }
/* (Re)starts: fires once in the first turn with now_ms >= due_ms (at once in the next turn if already past). */
void pl_timer_start(struct pl_shard *s, struct pl_timer *t, uint64_t due_ms);
void pl_timer_stop(struct pl_shard *s, struct pl_timer *t);   /* fine when stopped */

/* ---- tasks: work for later in this turn ---- */
enum pl_phase { PL_PHASE_WALK, PL_PHASE_REPLY, PL_PHASE_FLUSH, PL_N_PHASES };
struct pl_task {
    struct pl_task *next;
    void (*run)(struct pl_shard *s, struct pl_task *t); /* may queue itself again: it then runs in the next turn */
    bool is_queued;
};
void pl_shard_task(struct pl_shard *s, enum pl_phase phase, struct pl_task *t); /* no-op if queued */

/* ---- handles: how anything asynchronous names an object without a pointer ---- */
struct pl_handle { uint64_t v; };             /* shard (12 bits), generation (24), slot (28); 0 is none */
/* `kind` is any address that stands for the type (e.g. of its ops table). PL_ENOMEM when the table is full. */
enum pl_err pl_handle_new(struct pl_shard *s, const void *kind, void *obj, struct pl_handle *ret) PL_MUST_CHECK;
void pl_handle_free(struct pl_shard *s, struct pl_handle h);
/* NULL if stale, of another shard or of another kind: that is normal. */
void *pl_handle_get(struct pl_shard *s, struct pl_handle h, const void *kind);
static inline unsigned pl_handle_shard(struct pl_handle h) { return (unsigned)(h.v >> 52); }

/* ---- mailboxes: bounded single-producer rings per ordered pair of shards, FIFO, entries by reference ---- */
struct pl_mail {
    void (*arrive)(struct pl_shard *to, struct pl_mail *m); /* runs on the receiving shard, which then owns m */
    struct pl_mail *next;                     /* of the control lane */
    uint16_t from;                            /* filled by post */
    bool is_reply;                            /* filled by post */
};
/* One-way. PL_EBUSY: no slot (m stays yours; counted). Posting to oneself is allowed and arrives in this or the next turn. */
enum pl_err pl_mail_post(struct pl_shard *s, unsigned to, struct pl_mail *m) PL_MUST_CHECK;
/* A request: also reserves the slot for one reply from `to`. PL_EBUSY as above. */
enum pl_err pl_mail_ask(struct pl_shard *s, unsigned to, struct pl_mail *m) PL_MUST_CHECK;
/* The one reply to a request from `to`; cannot fail. Same FIFO as posts. m may be the request itself. */
void pl_mail_reply(struct pl_shard *s, unsigned to, struct pl_mail *m);
/* Control lane (stop, reload): cannot fill; any thread; at most one outstanding mail per mail object. */
void pl_mail_control(struct pl_node *n, unsigned to, struct pl_mail *m);

/* ---- deferred free: memory dies between turns, never under a caller ---- */
struct pl_deferred {
    struct pl_deferred *next;
    void (*free)(struct pl_shard *s, struct pl_deferred *d);
};
void pl_shard_defer(struct pl_shard *s, struct pl_deferred *d);
void pl_shard_free_deferred(struct pl_shard *s); /* at once; for a room's fini, never within a turn */

struct pl_shard {
    struct pl_node *node;
    struct pl_world *world;
    unsigned index;
    uint64_t now_ms;             /* monotonic, set once per turn */
    int64_t wall_ms;             /* wall clock, set once per turn */
    struct pl_poller *poller;
    struct pl_metric_cells *cells;
    /* Lent to whoever reads in this turn; never kept. PL_RBUF bytes. */
    uint8_t *rbuf;
    /* Lent scratch for gathering output; never kept. PL_WBUF bytes. */
    uint8_t *wbuf;
    void *rooms[PL_N_ROOMS];
    struct pl_shard_priv *priv;
};
enum { PL_RBUF = 128 * 1024, PL_WBUF = 64 * 1024, PL_SHARDS_MAX = 64 };

struct pl_node {
    struct pl_world *world;
    const struct pl_config *config;   /* frozen; replaced as a whole */
    struct pl_log *log;
    struct pl_metrics *metrics;
    struct pl_hash_key hash_key;      /* of every table keyed by remote input */
    uint8_t id[16];                   /* node UUID */
    unsigned n_shards;
    struct pl_shard *shards[PL_SHARDS_MAX];
    void *rooms[PL_N_ROOMS];
    int64_t started_wall_ms;
};

/* A node with n shards (1..PL_SHARDS_MAX), not yet running. Config, log and metrics are borrowed and may be set later.
 * Boot-time: aborts when out of memory. */
struct pl_node *pl_node_new(struct pl_world *w, unsigned n_shards);
void pl_node_free(struct pl_node **take_node);

/* One turn; waits at most max_wait_ms for events (less if a timer is due; 0 not at all, -1 until something happens).
 * Returns true if anything was done. */
bool pl_shard_turn(struct pl_shard *s, int max_wait_ms);
/* Milliseconds until the next turn is worth while: 0 if work is queued, UINT64_MAX if there is none. Never later than the next
 * timer, but may be earlier (the wheel sorts far timers step by step). Sockets are not looked at. */
uint64_t pl_shard_next_ms(struct pl_shard *s);
/* Production: runs turns until pl_shard_stop() is called from within a turn (or by control mail). */
void pl_shard_run(struct pl_shard *s);
void pl_shard_stop(struct pl_shard *s);
struct pl_shard_stats {
    uint64_t turns, slow_turns;  /* slow: over PL_SLOW_TURN_MS, waiting not counted */
    uint64_t max_turn_ns;
    uint64_t mails_in, mails_busy; /* arrived here; refused for want of a slot when sent from here */
    uint64_t wakes;              /* written to other shards */
    uint64_t handles;            /* in use now */
};
enum { PL_SLOW_TURN_MS = 5 };
/* Counted with relaxed atomics: any thread may look. */
void pl_shard_stats(const struct pl_shard *s, struct pl_shard_stats *ret);
/* Aborts if not on the shard's thread (debug builds; the simulator is one thread). */
void pl_shard_assert_own(const struct pl_shard *s);

/* The shard that is home of a channel or namespace: keyed hash, same on every shard. */
static inline unsigned pl_home_of(const struct pl_node *n, struct pl_slice home_key)
{
    return n->n_shards == 1 ? 0 : (unsigned)(pl_hash(n->hash_key, home_key) % n->n_shards);
}

#endif
