/* session/room.h - what the session room's files share; not for other rooms. */
#ifndef PL_SESSION_ROOM_H
#define PL_SESSION_ROOM_H

#include "base/slab.h"
#include "config/channel.h"
#include "metrics/metrics.h"
#include "session/sess.h"

struct sess_user {
    struct pl_tnode node;
    struct pl_list sessions;
    struct pl_str *name;         /* ref */
};

/* A connect that waits for its server-side subscriptions. */
struct connect_wait {
    uint32_t id;
    uint32_t n_left;             /* answers still to come */
    bool has_failed;
    struct pl_outcome why;
    struct pl_buf entries;       /* encoded sub results */
    struct pl_op *after;         /* owned array: join events to publish behind the reply */
    size_t n_after, cap_after;
};

/* The session id of an emulated or unidirectional client, by which requests beside its connection find it. */
struct sess_ticket {
    struct pl_tnode node;        /* in room->tickets */
    struct pl_sess *sess;
    uint8_t id[16];              /* UUID v4 */
    bool is_moved;               /* lives on another shard than its id says: noted for the node */
};

/* What few sessions have, or only for a while. */
struct pl_rare {
    struct sess_ticket *ticket;  /* owned */
    struct pl_buf rest;          /* of a message whose parsing waits for an operation */
    struct connect_wait *connect;
    struct pl_str *meta;
    struct pl_str *header_user;
    struct pl_str *name, *version;
    uint32_t close_code;         /* DRAINING: what to say then */
    uint8_t close_len;
    uint8_t close_text[123];
};

struct sess_room {
    struct pl_slab slab;         /* of sessions */
    struct pl_table users;
    struct pl_table tickets;
    struct pl_list all;
    size_t n_live;
    struct pl_sess *dirty;
    struct pl_task flush;
    struct pl_buf message;       /* one encoded message */
    struct pl_buf framed;        /* its frame */
    struct pl_buf bye, bye_framed; /* a disconnect push; apart, since ends happen while the two above are in use */
    struct pl_scratch scratch;   /* tokens */
    /* How to encode and frame for a render class, noted when its first session comes. */
    const struct pl_dialect_ops *dialects[8]; /* by class & 7 */
    void (*frames[8])(struct pl_shard *s, unsigned render_class, struct pl_slice message, struct pl_buf *out); /* by framing */
    int command;                 /* metric label of the command that is being run */
    uint64_t ping_phase;         /* of the next client's first ping: timers.c */
    uint64_t random;             /* xorshift state for spreading timers; not for secrets */
};

static inline struct sess_room *room_of(const struct pl_shard *s) { return s->rooms[PL_ROOM_SESSION]; }
static inline const struct pl_config *cfg_of(const struct pl_sess *s) { return s->shard->node->config; }
static inline bool is_anonymous(const struct pl_sess *s) { return s->user == NULL; }
static inline int64_t unix_now(const struct pl_shard *s) { return s->wall_ms / 1000; }
/* Ends are capped at a year ahead (wire-protocol.md 3.4). at: unix seconds, above 0. */
static inline int64_t capped_end(const struct pl_shard *s, int64_t at)
{
    int64_t most = unix_now(s) + 365 * 86400;

    return at < most ? at : most;
}
static inline struct pl_outcome because(enum pl_reason r) { return (struct pl_outcome){ r, 0, NULL }; }
static inline bool is_over(const struct pl_sess *s) { return s->state == PL_SESS_DEAD || s->state == PL_SESS_DRAINING; }

/* sess.c */
void sess_move(struct pl_sess *s, enum pl_sess_state next);
struct pl_rare *sess_rare(struct pl_sess *s);                    /* NULL: no memory */
void sess_rare_drop(struct pl_sess *s);                          /* frees it if nothing in it is in use */
void sess_user_link(struct pl_sess *s);
void sess_user_unlink(struct pl_sess *s);
void sess_op_begin(struct pl_sess *s);                           /* an operation is in flight: input waits */
void sess_op_end(struct pl_sess *s);                             /* input goes on from the loop */
struct pl_client_info sess_info(const struct pl_sess *s, struct pl_str *chan_info); /* borrowed */
uint64_t sess_random(struct pl_shard *s, uint64_t below);

/* out.c */
struct pl_buf *sess_message(struct pl_sess *s);                  /* cleared; then sess_send() */
void sess_send(struct pl_sess *s);                               /* frames and queues what stands in sess_message() */
void sess_send_first(struct pl_sess *s);                         /* the same, in front of everything queued (connect reply) */
void sess_dirty(struct pl_sess *s);                              /* flush at this turn's end */
void sess_flush(struct pl_sess *s);
void sess_out_drop(struct pl_sess *s, bool keep_started);
void sess_unhold(struct pl_sess *s);                             /* no connect reply will come: nor what was to stand behind it */
void sess_flush_run(struct pl_shard *shard, struct pl_task *t);
enum pl_err sess_render(struct pl_shard *shard, unsigned render_class, struct pl_slice channel, const struct pl_msg *base,
                        struct pl_msg *const *events, size_t n, struct pl_buf *out) PL_MUST_CHECK;
void sess_deliver(struct pl_sub *sub, struct pl_blob *blob, unsigned n_events);

/* timers.c */
void sess_timers_new(struct pl_sess *s);
void sess_timers_live(struct pl_sess *s);
void sess_timer_set(struct pl_sess *s);
void sess_timer_fire(struct pl_shard *shard, struct pl_timer *t);
void sess_tick_wanted(struct pl_sess *s);

/* connect.c */
enum pl_err sess_connect(struct pl_sess *s, uint32_t id, const struct pl_connect_req *r) PL_MUST_CHECK;
void sess_connect_sub_done(struct pl_sess *s, const struct pl_sub_result *r); /* r->op->err tells */
void sess_connect_wait_free(struct pl_sess *s);

/* subs.c */
struct sub_wish {
    struct pl_slice channel;
    const struct pl_channel_options *opts;
    struct pl_slice chan_info, data;
    int64_t expire_at;
    struct pl_override override;
    bool server_side;
    bool wants_position, wants_recovery, wants_join_leave, wants_delta;
    bool recover, must_recover;
    uint64_t offset;
    struct pl_slice epoch;
    struct pl_filter *filter;    /* ref, taken by sess_sub_begin; NULL none */
};
/* What the session must remember until the home's answer is told; travels as the op's note. */
struct sub_wait {
    uint32_t id;                 /* command; 0: server-side */
    uint8_t kind;                /* enum sub_wait_kind */
    bool was_recovering;
    uint64_t offset;
    int64_t expire_at;
};
enum sub_wait_kind { WAIT_COMMAND, WAIT_CONNECT, WAIT_PUSH };
/* Begins a subscription. PL_OK: live; *op holds the results and join event; the caller tells the client, then sess_join_tell() and
 * pl_op_fini(). PL_WAIT: sess_subscribed() comes. Else an error: nothing happened. */
enum pl_err sess_sub_begin(struct pl_sess *s, struct sub_wish *w, enum sub_wait_kind kind, uint32_t id, struct pl_op *op,
                           struct pl_sub **ret_sub) PL_MUST_CHECK;
/* The join event of a PL_OK, behind the reply; from here on the leave is owed. Nothing if the session has ended meanwhile. */
void sess_join_tell(struct pl_sess *s, struct pl_op *op);
void sess_sub_result(struct pl_sess *s, const struct pl_sub *sub, const struct pl_op *op, bool was_recovering, uint64_t offset,
                     struct pl_slice data, int64_t expire_at, struct pl_sub_result *ret);
enum pl_err sess_subscribe(struct pl_sess *s, uint32_t id, const struct pl_subscribe_req *r) PL_MUST_CHECK;
enum pl_err sess_unsubscribe(struct pl_sess *s, uint32_t id, struct pl_slice channel) PL_MUST_CHECK;
void sess_sub_drop(struct pl_sess *s, struct pl_sub *sub);       /* unlinks, tells leave, frees */
void sess_sub_end(struct pl_sess *s, struct pl_sub *sub, enum pl_reason why); /* and tells the client, or ends the session if server-side */
void sess_subs_drop_all(struct pl_sess *s);
struct pl_sub *sess_sub_of(struct pl_sess *s, struct pl_slice channel);
bool sess_may(const struct pl_sess *s, bool for_client, bool for_subscriber, bool for_anonymous, bool is_subscriber);
enum pl_reason sess_reason_of(enum pl_err err);                  /* of a failed hub call */
void sess_subscribe_push(struct pl_sess *s, struct sub_wish *w); /* by the API */

/* ops.c */
enum pl_err sess_publish(struct pl_sess *s, uint32_t id, const struct pl_publish_req *r) PL_MUST_CHECK;
enum pl_err sess_history(struct pl_sess *s, uint32_t id, const struct pl_history_req *r) PL_MUST_CHECK;
enum pl_err sess_presence(struct pl_sess *s, uint32_t id, struct pl_slice channel, bool stats_only) PL_MUST_CHECK;
enum pl_err sess_rpc(struct pl_sess *s, uint32_t id, const struct pl_rpc_req *r) PL_MUST_CHECK;
enum pl_err sess_refresh(struct pl_sess *s, uint32_t id, struct pl_slice token) PL_MUST_CHECK;
enum pl_err sess_sub_refresh(struct pl_sess *s, uint32_t id, const struct pl_sub_refresh_req *r) PL_MUST_CHECK;
enum pl_err sess_error(struct pl_sess *s, uint32_t id, enum pl_reason why);  /* error reply; PL_OK */
enum pl_err sess_bad(struct pl_sess *s, enum pl_reason why);                 /* disconnect; PL_ECLOSED */

/* ticket.c */
enum pl_err sess_ticket_new(struct pl_sess *s, const uint8_t *id) PL_MUST_CHECK; /* id NULL: a fresh one */
void sess_ticket_free(struct pl_sess *s);
static inline const uint8_t *sess_ticket_id(const struct pl_sess *s)
{
    return s->rare != NULL && s->rare->ticket != NULL ? s->rare->ticket->id : NULL;
}
static inline bool is_uni(const struct pl_sess *s) { return (s->render_class & PL_CLASS_UNI) != 0; }
static inline bool is_on_websocket(const struct pl_sess *s) { return (s->render_class & PL_CLASS_FRAMING) == PL_FRAMING_WS; }

/* limits.c */
/* Sessions that came in a record and live on a shard that their id does not lead to. */
bool sess_moved_note(struct pl_shard *s, const uint8_t id[16]);  /* false: no memory */
void sess_moved_forget(struct pl_node *n, const uint8_t id[16]);
bool sess_moved_find(struct pl_node *n, const uint8_t id[16], unsigned *ret_shard);
bool sess_user_limit_take(struct pl_sess *s);                    /* false: client.user_connection_limit reached */
void sess_user_limit_give(struct pl_sess *s);
void sess_count_live(struct pl_shard *s, int change);
void sess_count_unauthenticated(struct pl_shard *s, int change);

#endif
