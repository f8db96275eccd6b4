/* lib/core.h - one client of a Peal or Centrifugo server over WebSocket, as a machine without I/O: bytes and the clock go
 * in; bytes, a deadline and calls of `ops` come out (client-library.md 6). The drivers are lib/load.h, which holds very many
 * in one thread, and the simulator.
 *
 *     waiting --due--> dialing --opened--> upgrading --101--> connecting --reply--> connected
 *        ^                |____________________|___________________|___________________|
 *        |___ lost: min(2^n, cap) + jitter ____|        final code, or stop --> ended
 *
 * The driver: when pl_client_tick() says DIAL, open a socket; then pl_client_opened(); feed what comes to
 * pl_client_input(); after every call send c->out and, if pl_client_is_over(), close the socket; whenever a socket is gone or
 * could not be opened, pl_client_lost(). Calls of ops may call subscribe, unsubscribe, stop; nothing frees the client.
 * One owner; no global state. Protocol: wire-protocol.md 1-4, JSON. */
#ifndef PL_LIB_CORE_H
#define PL_LIB_CORE_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/str.h"
#include "codec/cproto_client.h"
#include "codec/ws_in.h"
#include "lib/backoff.h"

struct pl_client;
struct pl_client_sub;

enum pl_client_state {
    PL_CLIENT_ENDED,      /* not started, stopped, or ended by a final code */
    PL_CLIENT_WAITING,    /* for the next attempt */
    PL_CLIENT_DIALING,
    PL_CLIENT_UPGRADING,
    PL_CLIENT_CONNECTING, /* `connect` is sent */
    PL_CLIENT_CONNECTED,
};

enum pl_client_sub_state { PL_CLIENT_SUB_OFF, PL_CLIENT_SUB_ASKING, PL_CLIENT_SUB_ON };

/* Codes the client makes itself (client-library.md 6.1); others are the server's. */
enum {
    PL_CLIENT_TRANSPORT_CLOSED = 1,
    PL_CLIENT_NO_PING = 2,
    PL_CLIENT_TIMEOUT = 3,      /* dial, upgrade, connect or subscribe took too long */
    PL_CLIENT_BAD_PROTOCOL = 4, /* bytes that no server may send, or an answer other than 101 */
    PL_CLIENT_GAP_SEEN = 1100,
};

/* How a subscription came about. */
struct pl_client_subscribed {
    bool was_recovering, recovered; /* asked for what was missed; got all of it */
    bool is_positioned;
    uint64_t missed_from, missed_to; /* not recovered: first offset that will not come, last one (0: unknown, new epoch) */
};

/* Slices are borrowed for the call. Any may be NULL. */
struct pl_client_ops {
    void (*connected)(struct pl_client *c, struct pl_slice client_id);
    /* The connection is gone or was never made; state is WAITING, or ENDED when the code is final. */
    void (*disconnected)(struct pl_client *c, uint32_t code, struct pl_slice reason);
    void (*subscribed)(struct pl_client *c, struct pl_client_sub *s, const struct pl_client_subscribed *how);
    /* OFF for good with the server's code; or (>= 2500, GAP_SEEN, connection gone) it will be asked for again: state ASKING. */
    void (*unsubscribed)(struct pl_client *c, struct pl_client_sub *s, uint32_t code, struct pl_slice reason);
    /* s->offset and s->epoch are already this publication's, if it has a position. */
    void (*publication)(struct pl_client *c, struct pl_client_sub *s, const struct pl_reply_pub *p);
};

/* Shared by many clients; borrowed, outlives them, not changed while they live. */
struct pl_client_setup {
    const struct pl_client_ops *ops;
    struct pl_slice host, target;  /* of the upgrade request */
    struct pl_slice name;          /* told to the server; may be empty */
    struct pl_backoff backoff;
    uint32_t message_limit;        /* bytes of one incoming WebSocket message */
    uint32_t answer_ms;            /* for dial and upgrade and connect together, and for each subscribe */
    bool is_raw;                   /* deliver doubles and jumps as they come: for tools that judge the server */
};

/* The defaults: 1 s * 2^n up to 30 s + 0-30 %, 1 MiB, 5 s. */
struct pl_client_setup pl_client_setup_default(const struct pl_client_ops *ops);

/* One subscription; the memory is the user's and lives until unsubscribed or the client's fini. Zero it, set the first group. */
struct pl_client_sub {
    struct pl_slice channel, token;  /* borrowed as long as the subscription */
    bool is_recoverable;             /* ask for positions and recovery, where the server permits */
    void *user;

    struct pl_client_sub *next;
    struct pl_str *epoch;            /* ref; NULL: no position */
    uint64_t offset;                 /* of the last publication handed over */
    uint64_t deadline_ms;            /* of the answer, or of the next try; 0 none */
    uint32_t command_id;             /* of the subscribe under way */
    uint8_t state;                   /* enum pl_client_sub_state */
    uint8_t attempt;
    bool is_positioned;              /* the server said so */
};

struct pl_client {
    const struct pl_client_setup *setup;
    struct pl_slice token;           /* borrowed; empty: none */
    void *user;
    struct pl_client_sub *subs;
    struct pl_buf out;               /* to send; the driver consumes it */
    struct pl_buf head;              /* of the upgrade's answer, while unfinished */
    struct pl_ws_in ws;
    struct pl_hash_key seed;         /* of masks, keys and jitter */
    uint64_t n_drawn;
    uint64_t deadline_ms;            /* earliest of everything; UINT64_MAX none */
    uint64_t due_ms;                 /* of the state: next attempt, answer, or ping */
    uint32_t next_id, ping_ms;       /* ping interval + slack; 0: the server does not ping */
    uint8_t state;                   /* enum pl_client_state */
    uint8_t attempt;
    bool has_pong, is_over;
    uint8_t key[24];                 /* Sec-WebSocket-Key of this attempt */
};

/* seed: unpredictable, distinct for each client. token is borrowed. */
void pl_client_init(struct pl_client *c, const struct pl_client_setup *setup, struct pl_slice token,
                    struct pl_hash_key seed);
void pl_client_fini(struct pl_client *c); /* frees; calls nothing */

void pl_client_start(struct pl_client *c, uint64_t now_ms); /* ENDED -> WAITING, due at once */
/* Says goodbye (close 1000) if there is a connection; ENDED. Subscriptions stay registered and keep their positions. */
void pl_client_stop(struct pl_client *c);

enum pl_client_want { PL_CLIENT_WANTS_NOTHING, PL_CLIENT_WANTS_DIAL };
/* To be called when pl_client_deadline() has passed. DIAL: state is DIALING, the driver opens a socket. */
enum pl_client_want pl_client_tick(struct pl_client *c, uint64_t now_ms) PL_MUST_CHECK;
static inline uint64_t pl_client_deadline(const struct pl_client *c) { return c->deadline_ms; }

void pl_client_opened(struct pl_client *c, uint64_t now_ms);
/* Bytes are changed in place. May be given in any pieces. */
void pl_client_input(struct pl_client *c, uint64_t now_ms, uint8_t *p, size_t n);
/* The socket is gone. Harmless when the client knows already. */
void pl_client_lost(struct pl_client *c, uint64_t now_ms);
/* The socket is of no use any more: send what is in `out`, then close it, then pl_client_lost(). */
static inline bool pl_client_is_over(const struct pl_client *c) { return c->is_over; }

/* Registers; asks the server now if connected, else as soon as that is so. Not twice for one sub. */
void pl_client_subscribe(struct pl_client *c, struct pl_client_sub *s, uint64_t now_ms);
/* Unregisters and tells the server; s may be freed. No call of ops. */
void pl_client_unsubscribe(struct pl_client *c, struct pl_client_sub *s);
/* Frees what a sub owns (its epoch); it must not be registered. */
void pl_client_sub_fini(struct pl_client_sub *s);

#endif
