/* lib/load.h - the driver for very many clients in one thread: one poller, one receive buffer, deadlines by a walk over
 * all. 19,000 clients of lib/core.h fit one process; lib/post.h connections publish beside them. Everything goes through
 * struct pl_world, so it also runs on virtual time. One thread; several loads may live in several threads. */
#ifndef PL_LIB_LOAD_H
#define PL_LIB_LOAD_H

#include "base/world.h"
#include "lib/core.h"
#include "lib/post.h"

struct pl_load;

/* What a socket belongs to; first member of both kinds. */
struct pl_load_end {
    struct pl_load *load; /* borrowed */
    int sock;             /* -1: none */
    uint8_t kind, interest;
};

/* A client and its socket; the memory is the user's. `core.user` is the user's, too. */
struct pl_load_client {
    struct pl_load_end end;
    uint32_t at; /* in the load's list */
    struct pl_client core;
};

struct pl_load_post {
    struct pl_load_end end;
    struct pl_load_post *next;
    bool is_open; /* connected */
    struct pl_post core;
};

struct pl_load {
    struct pl_world *world;
    struct pl_poller *poller;      /* owned */
    const char *ws_at, *post_at;   /* borrowed: numeric addresses */
    struct pl_load_client **clients; /* owned array of borrowed */
    uint32_t n_clients, cap_clients;
    struct pl_load_post *posts;
    uint32_t n_dialing, max_dialing; /* handshakes under way; not more than max at once */
    uint32_t n_posts_lost;           /* connections of posts that broke */
    uint64_t now_us, scan_us;        /* monotonic; when deadlines are looked at next */
    uint8_t *input;                  /* owned */
    struct pl_hash_key key;          /* clients' seeds derive from it */
};

/* ws_at and post_at: numeric "1.2.3.4:80", borrowed; post_at may be NULL. PL_ENOMEM. */
enum pl_err pl_load_init(struct pl_load *l, struct pl_world *world, const char *ws_at, const char *post_at) PL_MUST_CHECK;
/* Closes every socket without goodbye; the clients' memory stays the user's. */
void pl_load_fini(struct pl_load *l);

/* Initialises and starts a client. PL_ENOMEM. */
enum pl_err pl_load_add(struct pl_load *l, struct pl_load_client *c, const struct pl_client_setup *setup,
                        struct pl_slice token) PL_MUST_CHECK;
/* Closes its socket (is_rude: with a reset, else after a close frame) and forgets it; the memory may be freed.
 * Between two steps only. */
void pl_load_remove(struct pl_load *l, struct pl_load_client *c, bool is_rude);
/* Cuts the connection as the network would; the client reconnects by its own rules. is_rude: by a reset. */
void pl_load_cut(struct pl_load *l, struct pl_load_client *c, bool is_rude);
/* Sends what calls from outside have put into the client's or connection's output. */
void pl_load_flush(struct pl_load *l, struct pl_load_client *c);

/* Initialises a publisher and opens its connection; usable at once, requests wait in `out`. */
enum pl_err pl_load_add_post(struct pl_load *l, struct pl_load_post *p, const struct pl_post_setup *setup,
                             pl_post_answer_fn *on_answer) PL_MUST_CHECK;
void pl_load_flush_post(struct pl_load *l, struct pl_load_post *p);

/* One turn: waits for events at most timeout_ms, handles them and what is due. */
void pl_load_step(struct pl_load *l, int timeout_ms);
static inline uint64_t pl_load_now_ms(const struct pl_load *l) { return l->now_us / 1000; }
/* Reads the clock anew. */
uint64_t pl_load_clock_us(struct pl_load *l);

#endif
