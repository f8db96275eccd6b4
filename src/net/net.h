/* net/net.h - the inside of the room: what conn.c, listen.c and tls_conn.c share. */
#ifndef PL_NET_NET_H
#define PL_NET_NET_H

#include "base/slab.h"
#include "metrics/metrics.h"
#include "net/admit.h"
#include "net/conn.h"

/*   DIAL -> OPEN        PROXY -> TLS -> OPEN      any -> CLOSED -> DEAD      OPEN -> LINGER -> CLOSED */
enum pl_conn_state {
    PL_CONN_DIAL,   /* connecting */
    PL_CONN_PROXY,  /* PROXY header due; no user yet */
    PL_CONN_TLS,    /* handshake; no user yet */
    PL_CONN_OPEN,
    PL_CONN_LINGER, /* we sent FIN; input is discarded, in_limit counts down */
    PL_CONN_CLOSED, /* the socket is gone */
    PL_CONN_DEAD,   /* freed at the turn's end */
};
enum {
    PL_CONN_F_PAUSED = 1,
    PL_CONN_F_EOF = 2,      /* the peer's FIN was seen */
    PL_CONN_F_BLOCKED = 4,  /* a send was refused: on_writable is owed */
    PL_CONN_F_KICK = 8,     /* kept input (or TLS's) is to be delivered from the loop */
    PL_CONN_F_NOTIFY = 16,  /* on_closed is owed */
    PL_CONN_F_PENDING = 32, /* stands in net->pending */
    PL_CONN_F_COUNTED = 64, /* has a place in net->admit */
};
enum {
    PL_CONN_IN_LIMIT = 65536,
    PL_CONN_HANDSHAKE_MS = 10000,
    PL_CONN_LINGER_MS = 2000,
    PL_CONN_LINGER_BYTES = 65536,
    PL_ACCEPT_BUDGET = 64,     /* sockets per listener and turn */
    PL_HANDSHAKE_BUDGET = 8,   /* TLS handshake steps per shard and turn: one may take a millisecond (RSA 2048) */
    PL_READ_BUDGET = 1 << 20,  /* bytes read per shard and turn; what waits is reported again by the poller */
    PL_ACCEPT_PAUSE_MS = 100,  /* after running out of descriptors or memory */
};

struct bio_st;
struct bio_method_st;

/* The room's part of a shard: shard->rooms[PL_ROOM_NET]. */
struct pl_net {
    struct pl_shard *shard;
    struct pl_list conns;
    size_t n_conns;
    struct pl_slab slab;
    struct pl_task kick;
    uint32_t turn_handshakes, turn_bytes;       /* since the last kick */
    struct pl_deferred *pending, *pending_last; /* connections that need a look, linked by deferred.next */
    struct pl_list accepters;                   /* listen.c */
    atomic_uint load;                           /* counter: connections, also those handed over that have not arrived */
    struct bio_st *bio;                         /* tls_conn.c: the one BIO of all TLS connections */
    struct bio_method_st *bio_method;
    struct pl_conn *bio_conn;                   /* whose turn it is */
    bool bio_eof;
    struct pl_admit *admit;                     /* the node's; NULL: no limits */
};

static inline struct pl_net *pl_net_of(const struct pl_shard *s)
{
    return s->rooms[PL_ROOM_NET];
}

static inline void pl_net_metric(const struct pl_shard *s, int m, int64_t n)
{
    if (s->cells != NULL)
        pl_metric_add(s->cells, m, n);
}

/* conn.c */
struct pl_conn *pl_conn_alloc(struct pl_shard *s, int sock);    /* NULL: no memory, or the poller refused; sock stays the caller's */
void pl_conn_fail(struct pl_conn *c, enum pl_conn_end why);     /* closes the socket now, owes on_closed */
void pl_conn_arm(struct pl_conn *c, uint32_t want);             /* tells the poller if it does not know yet; may fail the conn */
void pl_conn_look(struct pl_conn *c);                           /* puts it into net->pending */
void pl_conn_kicks_init(struct pl_net *net);
/* Makes the n bytes at p the tail. `old` (owned, may be NULL) is the block they lie in (is_inside), or just the former tail.
 * false: no memory. */
bool pl_conn_keep(struct pl_conn *c, uint8_t *old, const uint8_t *p, size_t n, bool is_inside) PL_MUST_CHECK;

/* conn_open.c */
/* Takes a fresh socket, already counted in net->load: on_accept comes now, or after PROXY header and handshake. */
void pl_conn_accepted(struct pl_shard *s, const struct pl_listener *l, int sock, const struct pl_addr *peer);
void pl_conn_opening(struct pl_conn *c);                        /* an event in state PROXY or TLS */
void pl_conn_dialled(struct pl_conn *c, uint32_t events);       /* an event in state DIAL */

/* tls_conn.c; results as of pl_world_ops.recv and send, and PL_EPROTO: the TLS layer failed */
enum pl_err pl_tls_begin(struct pl_conn *c, struct pl_tls_ctx *ctx) PL_MUST_CHECK;
enum pl_err pl_tls_handshake(struct pl_conn *c) PL_MUST_CHECK;  /* PL_OK done; PL_EAGAIN: armed, call again */
enum pl_err pl_tls_recv(struct pl_conn *c, void *p, size_t n, size_t *ret_n) PL_MUST_CHECK;
enum pl_err pl_tls_send(struct pl_conn *c, const void *p, size_t n, size_t *ret_n) PL_MUST_CHECK;
bool pl_tls_has_pending(const struct pl_conn *c);               /* input that the poller does not know of */
void pl_tls_bye(struct pl_conn *c);                             /* close_notify, if it goes at once */
void pl_tls_end(struct pl_conn *c);                             /* frees c->tls */
void pl_tls_net_fini(struct pl_net *net);

#endif
