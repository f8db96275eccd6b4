/* server/server.h - the composition root: makes a node out of a configuration, runs it, stops it, writes it down.
 *
 * The only place that knows every room. pl_server_new() works in any world, so a test can have whole servers on virtual time; threads and
 * signals are pl_server_run()'s business alone. */
#ifndef PL_SERVER_SERVER_H
#define PL_SERVER_SERVER_H

#include "config/config.h"
#include "shard/shard.h"

struct pl_server;

struct pl_server_opts {
    struct pl_world *world;
    const struct pl_config *config; /* borrowed, outlives the server */
    struct pl_log *log;             /* borrowed; NULL: none */
    unsigned n_shards;              /* 1..PL_SHARDS_MAX */
    bool no_listeners;              /* an echo server or a test opens its own */
};

/* Everything set up, listeners open, nothing running. On an error err_text gets a sentence that names key, value and cause. */
enum pl_err pl_server_new(const struct pl_server_opts *opts, struct pl_server **ret, struct pl_buf *err_text) PL_MUST_CHECK;
/* After the shards have stopped (or never ran). */
void pl_server_free(struct pl_server **take_s);
struct pl_node *pl_server_node(struct pl_server *s);

/* The addresses that it listens on, as "127.0.0.1:8000"; "" if there is no such listener. */
void pl_server_address(const struct pl_server *s, bool internal, char out[PL_ADDR_TEXT]);

/* Graceful stop of one shard, on its thread: no more accepting, clients get 3001, and when all have gone (or timeout_ms has passed) the
 * shard stops. */
void pl_server_drain_shard(struct pl_server *s, struct pl_shard *shard, uint64_t timeout_ms);

/* The whole node as one sealed record: streams, sessions, connections (plain ones; TLS is left out). Between turns, nothing in flight.
 * Afterwards the connections of this server have given up their sockets, which live on in the world by their numbers. */
enum pl_err pl_server_save(struct pl_server *s, struct pl_buf *out) PL_MUST_CHECK;
/* Into a fresh server of the same world that has not run a turn. map gives the socket for a number of the record. PL_EPROTO: damaged. */
enum pl_err pl_server_load(struct pl_server *s, struct pl_slice sealed, int (*map)(void *arg, int sock), void *arg) PL_MUST_CHECK;

/* Production: threads, signals (SIGTERM and SIGINT stop gracefully, a second one at once), until stopped. Returns the process's exit
 * status. Prints where it listens to `out` once it does, if not NULL. */
int pl_server_run(struct pl_server *s);

/* How many shards a configuration asks for: threads, or the affinity mask and cgroup quota of this process (never the machine). */
unsigned pl_server_n_shards(const struct pl_config *cfg);

#endif
