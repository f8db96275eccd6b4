/* net/conn.h - one accepted (or dialled) connection: bytes come in and go out here, plain or TLS.
 *
 * Input: the socket is read into the shard's lent buffer and handed to ops->on_bytes, which says how much it took; the
 * unfinished tail is kept (one heap block, only while there is one) and comes back in front of the next bytes. An idle
 * connection owns no buffer.
 * Output: pl_conn_send() hands bytes to the kernel (or TLS) now and says how many went; what was refused stays with the
 * caller, and ops->on_writable comes when there is room again. No output queue lives here.
 * End: ops->on_closed is called exactly once, whoever ends the connection; after it the conn is freed between turns.
 * Any callback may send, pause and close; none is called re-entrantly from pl_conn_ functions, but from loop turns. */
#ifndef PL_NET_CONN_H
#define PL_NET_CONN_H

#include "base/record.h"
#include "shard/shard.h"

struct pl_conn;
struct pl_listener;

enum pl_conn_end {
    PL_END_LOCAL,      /* we closed */
    PL_END_EOF,        /* peer sent FIN (and the user did not keep it half-open) */
    PL_END_RESET,      /* RST or another socket error */
    PL_END_TLS,        /* handshake or record failure */
    PL_END_TIMEOUT,    /* handshake deadline */
    PL_END_MOVED,      /* pl_conn_detach: its socket lives on elsewhere, tell nobody */
};

struct pl_conn_ops {
    const char *name;
    /* Bytes in order, n > 0, mutable until return. Returns how many were taken (<= n); the rest is kept and comes again
     * together with more bytes (or at pl_conn_resume). The tail may not grow beyond in_limit: then on_overflow is called. */
    size_t (*on_bytes)(struct pl_conn *c, uint8_t *p, size_t n);
    void (*on_overflow)(struct pl_conn *c);      /* tail would exceed conn->in_limit; must close */
    /* The peer will send no more. Return true to keep the connection for output; false, or NULL here, closes it (PL_END_EOF). */
    bool (*on_eof)(struct pl_conn *c);
    void (*on_writable)(struct pl_conn *c);      /* after PL_EAGAIN; and once when a dialled connection stands */
    void (*on_timer)(struct pl_conn *c);         /* conn->timer fired */
    void (*on_closed)(struct pl_conn *c, enum pl_conn_end why);
    /* Record of the user's own state (tags from 100 up); NULL where a kind cannot move. */
    void (*save)(struct pl_conn *c, struct pl_rec_out *r);
};

struct pl_conn {
    struct pl_watch watch;         /* first: the poller's data */
    const struct pl_conn_ops *ops; /* frozen; replaced by pl_conn_set_user */
    void *user;                    /* owned by the user */
    struct pl_shard *shard;
    struct pl_tls *tls;            /* owned; NULL when plain */
    uint8_t *tail;                 /* owned; unfinished input, NULL if none */
    uint32_t tail_len;
    uint32_t in_limit;             /* bytes the tail may grow to; default 64 KiB */
    struct pl_timer timer;         /* for the user; pl_conn_timer */
    struct pl_list link;           /* all connections of the shard */
    struct pl_deferred deferred;   /* its next also links connections that need a look in this turn */
    const struct pl_listener *listener; /* borrowed; NULL for dialled ones */
    int sock;
    uint8_t state;                 /* net/conn.c */
    uint8_t flags;                 /* same */
    uint8_t armed;                 /* PL_POLL_ bits the poller has */
    uint8_t end;                   /* enum pl_conn_end, once it ended */
    struct pl_addr peer;           /* as accepted, or as told by the PROXY protocol from a listed proxy */
};
_Static_assert(sizeof(struct pl_conn) <= 168, "a connection is cheap: design.md 5; growing it is a decision");

/* Hands the connection to another user (HTTP to WebSocket). Unread tail bytes are delivered to the new one from the loop. */
void pl_conn_set_user(struct pl_conn *c, const struct pl_conn_ops *ops, void *user);
/* Sends now. PL_OK: *ret_n == n, all went. PL_EAGAIN: *ret_n < n went (maybe 0), on_writable follows. PL_ECLOSED: nothing will go
 * any more; on_closed follows from the loop. With TLS, after PL_EAGAIN the next call must offer the same remaining bytes first. */
enum pl_err pl_conn_send(struct pl_conn *c, const void *p, size_t n, size_t *ret_n) PL_MUST_CHECK;
void pl_conn_pause(struct pl_conn *c);    /* no on_bytes until resume; the kernel's buffer pushes back */
void pl_conn_resume(struct pl_conn *c);   /* kept tail is delivered from the loop */
void pl_conn_timer(struct pl_conn *c, uint64_t due_ms); /* restart; 0 stops */
/* Ends it; no further callback but on_closed, which comes from the loop in every case. LINGER: FIN after what was sent, then input
 * is discarded (by the connection alone, its user is gone by then) until the peer closes, 64 KiB or 2 s, so that the peer
 * can read the last answer. NOW: close at once. ABORT: RST. Closing again is harmless; ABORT and NOW cut a linger short. */
enum pl_close { PL_CLOSE_LINGER, PL_CLOSE_NOW, PL_CLOSE_ABORT };
void pl_conn_close(struct pl_conn *c, enum pl_close how);
bool pl_conn_is_closing(const struct pl_conn *c);
bool pl_conn_is_tls(const struct pl_conn *c);

/* Connects to a numeric address (pl_addr_parse). ops->on_writable tells that it stands, on_closed (PL_END_RESET) that it failed.
 * Errors: PL_EINVAL, PL_ECLOSED refused at once, PL_EBUSY out of descriptors, PL_ENOMEM. */
enum pl_err pl_conn_dial(struct pl_shard *s, const char *at, const struct pl_conn_ops *ops, void *user, struct pl_conn **ret)
    PL_MUST_CHECK;

/* Whether it can be written down: plain, open, with a user that has ops->save. */
bool pl_conn_can_save(const struct pl_conn *c);
/* Record of the connection itself (tags below 100) plus ops->save, between turns or in a task. The socket goes over beside it: its
 * number here stands in the record, and whoever moves it gives the new number to pl_conn_load. */
void pl_conn_save(struct pl_conn *c, struct pl_rec_out *r);
int pl_conn_saved_sock(struct pl_rec_in rec); /* -1: not a connection's record */
/* Gives up the socket without closing it; on_closed(PL_END_MOVED) follows. Returns the socket. */
int pl_conn_detach(struct pl_conn *c);
/* An adopted connection on shard s. The caller reads its own fields (tags >= 100) from the same record and then calls pl_conn_set_user
 * before the next turn; unread input comes from the loop. PL_EPROTO damaged, PL_ENOMEM; sock is then still the caller's. */
enum pl_err pl_conn_load(struct pl_shard *s, const struct pl_listener *l, struct pl_rec_in rec, int sock, struct pl_conn **ret)
    PL_MUST_CHECK;

/* ---- listeners ---- */
struct pl_listen_opts {
    const char *at;                 /* see pl_world_ops.listen */
    const char *name;               /* "external", "internal", for logs and metrics */
    unsigned mask;                  /* which routes it serves: PL_LISTEN_EXTERNAL | PL_LISTEN_INTERNAL */
    struct pl_tls_ctx *tls;         /* NULL plain; borrowed */
    const struct pl_cidr_list *proxy_protocol; /* peers that must speak the PROXY protocol; NULL none; borrowed */
    size_t sndbuf, notsent_lowat;   /* bytes; 0 leaves the system's (pl_world_ops.tune) */
    /* A fresh connection (after PROXY head and TLS handshake): sets ops and user. */
    void (*on_accept)(struct pl_conn *c);
};
enum { PL_LISTEN_EXTERNAL = 1, PL_LISTEN_INTERNAL = 2 };
struct pl_listener {
    struct pl_listen_opts opts;
    struct pl_addr addr;            /* with the real port */
};
/* Opens the address on every shard of the node (SO_REUSEPORT; unix sockets on shard 0, handing fresh sockets round). Before the
 * shards run. err_text gets a sentence that names address and cause. */
enum pl_err pl_net_listen(struct pl_node *n, const struct pl_listen_opts *opts, struct pl_listener **ret, struct pl_buf *err_text)
    PL_MUST_CHECK;
/* Limits of the client listeners, node-wide; 0: none. After the first pl_net_init and before pl_net_listen. What is over one is closed at
 * once and counted (ACCEPT_REFUSED). The address is the client's where a PROXY header tells it. */
struct pl_net_limits {
    unsigned connections, per_address, rate; /* open; open of one address or IPv6 /64; new ones a second */
};
void pl_net_limit(struct pl_node *n, const struct pl_net_limits *limits);
void pl_net_stop_accepting(struct pl_shard *s);                    /* graceful stop, shard by shard; closes its listeners */
/* Calls fn for each connection of the shard; fn may close it. */
void pl_net_each(struct pl_shard *s, void (*fn)(struct pl_conn *c, void *arg), void *arg);
size_t pl_net_count(const struct pl_shard *s); /* sockets open, also those that linger or shake hands */
/* Room set-up for each shard, called by server/ before pl_net_listen and after the last turn. fini closes what is still open (NOW)
 * and calls on_closed; listeners of the node die with its last shard. */
void pl_net_init(struct pl_shard *s);
void pl_net_fini(struct pl_shard *s);

#endif
