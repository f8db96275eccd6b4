/* session/sess.h - one client's life: connect, subscriptions, limits, timers, output queue. Drawing: docs/session-states.md.
 *
 * A transport makes a session with a pipe and hands it messages through its dialect (pl_sess_message). The dialect turns them into
 * struct pl_command and calls pl_sess_command(); the session decides and answers through the dialect's ops, which encode. Pushes
 * come from the hub as shared blobs. What leaves in one turn leaves in one call (pl_sess_flush_all at the turn's end).
 *
 * While an operation of a session is in flight elsewhere (PL_WAIT) its input is paused; rest of a message is kept and goes on
 * afterwards. Only on the session's shard. */
#ifndef PL_SESSION_SESS_H
#define PL_SESSION_SESS_H

#include "base/table.h"
#include "auth/auth.h"
#include "codec/cproto.h"
#include "config/config.h"
#include "hub/hub.h"
#include "session/pipe.h"
#include "session/reason.h"

enum pl_sess_state {
    PL_SESS_NEW,         /* carried by a pipe; nobody has said who it is */
    PL_SESS_CONNECTING,  /* connect is being decided (server-side subscriptions are on their way) */
    PL_SESS_LIVE,
    PL_SESS_DRAINING,    /* ended; what is queued goes out first, then the close */
    PL_SESS_REFUSED,     /* connect failed with an error reply: commands are ignored until the pipe is closed (wire-protocol.md 3.1) */
    PL_SESS_DEAD,        /* ended; freed between turns */
};

/* Output that the kernel has not taken yet: a reference to a shared blob, or bytes of its own. */
struct pl_out {
    struct pl_out *next;
    struct pl_blob *blob;     /* ref; NULL: own bytes follow */
    uint32_t len, cap, at;    /* at: sent so far */
    uint8_t bytes[];
};

/* Results that a dialect encodes. Borrowed for the call. */
struct pl_sub_result {
    const struct pl_sub *sub;
    const struct pl_op *op;            /* position, recovered publications */
    struct pl_slice data;
    bool was_recovering, expires;
    uint32_t ttl_s;
    uint64_t request_offset;           /* shown instead of the top when recovered (wire-protocol.md 4.4) */
};

struct pl_dialect_ops {
    const char *name;
    unsigned render_class;                   /* dialect's share of the class bits */
    const struct pl_cproto_ops *codec;       /* how its commands' maps and lists are walked */
    /* One whole message from the pipe; mutable until return. Parses and calls pl_sess_command() for each command; stops when that says
     * PL_WAIT (then pl_sess_keep() the rest) or PL_ECLOSED. */
    void (*on_message)(struct pl_sess *s, uint8_t *p, size_t n);
    /* Encodes n events of one channel for a render class as one message (unframed), appended to out. Has no session: shared.
     * base: the publication that they all got before (with PL_HUB_PATCHES), or NULL. */
    enum pl_err (*events)(unsigned render_class, struct pl_slice channel, const struct pl_msg *base, struct pl_msg *const *events, size_t n,
                          struct pl_buf *out);
    /* Answers to the command `id`; each appends one message. */
    void (*reply_error)(struct pl_sess *s, uint32_t id, const struct pl_outcome *why, struct pl_buf *out);
    void (*reply_connect)(struct pl_sess *s, uint32_t id, const struct pl_connect_result *r, struct pl_buf *out);
    void (*connect_sub)(struct pl_buf *entries, const struct pl_sub_result *r);
    void (*reply_subscribe)(struct pl_sess *s, uint32_t id, const struct pl_sub_result *r, struct pl_buf *out);
    void (*reply_empty)(struct pl_sess *s, uint32_t id, enum pl_cmd_kind kind, struct pl_buf *out);
    void (*reply_history)(struct pl_sess *s, uint32_t id, const struct pl_op *op, struct pl_buf *out);
    void (*reply_presence)(struct pl_sess *s, uint32_t id, const struct pl_presence *p, struct pl_buf *out);
    void (*reply_presence_stats)(struct pl_sess *s, uint32_t id, const struct pl_presence *p, struct pl_buf *out);
    void (*reply_rpc)(struct pl_sess *s, uint32_t id, struct pl_slice data, struct pl_buf *out);
    void (*reply_refresh)(struct pl_sess *s, uint32_t id, enum pl_cmd_kind kind, bool expires, uint32_t ttl_s, struct pl_buf *out);
    void (*ping)(struct pl_sess *s, struct pl_buf *out);
    void (*push_unsubscribe)(struct pl_sess *s, struct pl_slice channel, const struct pl_outcome *why, struct pl_buf *out);
    void (*push_subscribe)(struct pl_sess *s, const struct pl_sub_result *r, struct pl_buf *out);
    void (*push_refresh)(struct pl_sess *s, bool expires, uint32_t ttl_s, struct pl_buf *out);
    /* The goodbye of transports without a close frame. */
    void (*push_disconnect)(unsigned render_class, unsigned code, struct pl_slice reason, struct pl_buf *out);
};

enum {
    PL_SESS_PONG = 1 << 0,          /* a ping is out, its pong has not come */
    PL_SESS_WANTS_PONG = 1 << 1,    /* this pipe can answer pings */
    PL_SESS_FRAME_PING = 1 << 2,    /* pings by WebSocket control frames (cf_ws_frame_ping_pong) */
    PL_SESS_DIRTY = 1 << 3,         /* queued for this turn's flush */
    PL_SESS_BLOCKED = 1 << 4,       /* the kernel refused; on_writable follows */
    PL_SESS_BUSY = 1 << 5,          /* an operation is in flight */
    PL_SESS_EXPIRES = 1 << 6,
    PL_SESS_COUNTED = 1 << 7,       /* completed connect: counts against connection limits */
    PL_SESS_IN_MESSAGE = 1 << 8,    /* the dialect is on the stack */
    PL_SESS_HOLD = 1 << 9,          /* output waits until the connect reply stands in front of it */
    PL_SESS_FREE_AT_FLUSH = 1 << 10, /* dead, but still in the flush list */
    PL_SESS_USER_COUNTED = 1 << 11, /* counts against client.user_connection_limit */
};

struct pl_sess {
    struct pl_shard *shard;
    struct pl_pipe *pipe;                   /* NULL when the peer has left */
    const struct pl_dialect_ops *dialect;
    struct pl_sub *subs;                    /* owned list */
    struct pl_out *out_head, *out_tail;     /* owned queue */
    struct pl_sess *dirty_next;
    struct pl_str *user;                    /* ref; NULL anonymous */
    struct pl_str *conn_info;               /* ref */
    struct pl_rare *rare;                   /* owned; what few sessions have (session/room.h); NULL */
    struct pl_list all;                     /* every session of the shard */
    struct pl_list of_user;                 /* the sessions of one user; linked to itself if anonymous */
    union {
        struct pl_timer timer;              /* earliest of the deadlines below */
        struct pl_deferred deferred;        /* when dead */
    };
    struct pl_handle handle;
    uint64_t ping_due;                      /* shard ms; 0 off. With PL_SESS_PONG: when the pong is overdue (session/timers.c) */
    uint64_t tick_due;                      /* shard ms; 0 off: stale deadline, then the presence tick */
    uint32_t expire_s;                      /* unix seconds; valid with PL_SESS_EXPIRES */
    uint32_t out_bytes;
    uint16_t n_subs;                        /* pending ones included */
    uint16_t flags;                         /* PL_SESS_ */
    uint8_t state;                          /* enum pl_sess_state */
    uint8_t render_class;
    uint8_t id[16];                         /* client id, binary UUID v4 */
};

/* ---- for transports ---- */
struct pl_sess_opts {
    const struct pl_dialect_ops *dialect;
    struct pl_pipe *pipe;              /* sess is set in it */
    unsigned render_class;             /* framing, encoding, compression */
    bool wants_pong;                   /* pings are answered */
    bool has_ticket;                   /* gets a session id: emulated and unidirectional transports */
    bool frame_ping;
    struct pl_slice header_user;       /* value of client.user_id_http_header, "" none */
    const struct pl_addr *peer;        /* for logs; copied */
};
/* A session in state NEW whose stale deadline runs. PL_ENOMEM, PL_EBUSY (limit of unauthenticated connections). */
enum pl_err pl_sess_new(struct pl_shard *s, const struct pl_sess_opts *opts, struct pl_sess **ret) PL_MUST_CHECK;
/* A whole message arrived. The session may be ended and the pipe closed inside; check pipe->sess afterwards. */
void pl_sess_message(struct pl_sess *s, uint8_t *p, size_t n);
void pl_sess_pong(struct pl_sess *s);          /* a WebSocket control pong in frame-ping mode */
void pl_sess_on_writable(struct pl_sess *s);
/* The peer has left (clean: it said goodbye by a close frame). The session ends; pipe is forgotten. */
void pl_sess_on_gone(struct pl_sess *s, bool is_clean);
/* Input that came beside the session's own connection: a message that waits behind an operation, if one runs. */
void pl_sess_input(struct pl_sess *s, uint8_t *p, size_t n);
/* A protocol error below the dialect, or any other end decided by the transport with a reason of the table. */
void pl_sess_close(struct pl_sess *s, enum pl_reason why);

/* ---- for dialects ---- */
/* PL_OK: done, answered. PL_WAIT: stop parsing, keep the rest. PL_ECLOSED: the session has ended, touch nothing. */
enum pl_err pl_sess_command(struct pl_sess *s, const struct pl_command *c) PL_MUST_CHECK;
enum pl_err pl_sess_keep(struct pl_sess *s, const uint8_t *p, size_t n) PL_MUST_CHECK; /* rest of a message, copied */

/* ---- session ids (session/ticket.c) ---- */
/* The shard of the session of that id, if there is one. Any shard may ask. */
unsigned pl_sess_ticket_shard(struct pl_shard *s, const uint8_t id[16]);
/* That session; NULL: none here. */
struct pl_sess *pl_sess_by_ticket(struct pl_shard *s, const uint8_t id[16]);

/* ---- inside the room and for control ---- */
struct pl_sess *pl_sess_by_handle(struct pl_shard *s, struct pl_handle h);
void pl_sess_end(struct pl_sess *s, const struct pl_outcome *why);      /* close with a code */
size_t pl_sess_count(const struct pl_shard *s);                         /* live ones */
size_t pl_sess_n_users(const struct pl_shard *s);                       /* distinct, this shard */

/* Whether data may be published under that format (wire-protocol.md 9.4). */
bool pl_sess_data_ok(enum pl_data_format format, struct pl_slice data);

void pl_sess_init(struct pl_shard *s);
void pl_sess_fini(struct pl_shard *s);
/* Per node: connection counters. init before the shards', fini after. */
void pl_sess_node_init(struct pl_node *n);
void pl_sess_node_fini(struct pl_node *n);
/* Whether a new client connection may come in: connection_limit and connection_rate_limit of the node; counted when not. */
bool pl_sess_admit(struct pl_shard *s);
/* The node's bucket of the connection rate, for its record: milliseconds until it is full again. */
uint64_t pl_sess_rate_save(struct pl_shard *s);
void pl_sess_rate_load(struct pl_shard *s, uint64_t left_ms);
extern const struct pl_sink_ops pl_sess_sink;

/* Ends every session of the shard with SHUTDOWN (3001). */
void pl_sess_shutdown(struct pl_shard *s);
/* The whole session as a record; needs an idle one (no PL_SESS_BUSY). load makes it anew on a fresh shard, not yet with a pipe. */
void pl_sess_save(struct pl_sess *s, struct pl_rec_out *r);
enum pl_err pl_sess_load(struct pl_shard *s, struct pl_rec_in rec, struct pl_pipe *pipe, const struct pl_dialect_ops *dialect,
                         struct pl_sess **ret) PL_MUST_CHECK;

#endif
