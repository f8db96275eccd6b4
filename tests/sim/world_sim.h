/* tests/sim/world_sim.h - a whole world in one thread: virtual time, a seed, simulated sockets, files in memory.
 *
 * The same seed gives the same run. Two streams of chance: one is the world's entropy (ids, keys), the other decides schedules (order of
 * shards and of ready sockets, sizes of reads and writes), so that a changed schedule does not change ids. Sockets are plain numbers
 * of the world and outlive a node: a record can hand them to the next one. Nothing happens unless the test says so: sim_run
 * lets all nodes work until there is nothing to do, sim_advance also lets time pass. Both ends of a connection are sockets of the
 * same kind; the test speaks for the far end with sim_send, sim_recv and friends. */
#ifndef PL_TESTS_SIM_WORLD_SIM_H
#define PL_TESTS_SIM_WORLD_SIM_H

#include "shard/shard.h"

struct sim;

struct sim_opts {
    uint64_t seed;
    size_t buffer;      /* bytes a socket's receive side holds; 0: 65536 */
    bool split;         /* reads and writes take random parts of what they could */
    int64_t wall_ms;    /* 0: 2026-01-01T00:00:00Z */
};

struct sim *sim_new(struct sim_opts opts);
void sim_free(struct sim **take_sim);           /* all nodes removed before; sockets and pollers may be left */
struct pl_world *sim_world(struct sim *sim);

/* ---- time and work ---- */
void sim_add(struct sim *sim, struct pl_node *n);    /* its shards get turns from now on */
void sim_remove(struct sim *sim, struct pl_node *n);
void sim_run(struct sim *sim);                       /* turns in random order until nobody has anything to do; time stands */
void sim_advance(struct sim *sim, uint64_t ms);      /* sim_run, and time goes on from timer to timer */
uint64_t sim_rnd(struct sim *sim, uint64_t n);       /* 0..n-1 from the schedule's stream */
/* The entropy stream's state: a run that makes a fresh node on the way puts it back afterwards, to get the same ids as one without. */
uint64_t sim_entropy(const struct sim *sim);
void sim_entropy_set(struct sim *sim, uint64_t state);

/* ---- the far ends ---- */
/* Connects to a listener as `from` ("192.0.2.1:1234"; NULL: 127.0.0.1 and a fresh port). -1: nobody listens there. */
int sim_connect(struct sim *sim, const char *at, const char *from);
size_t sim_send(struct sim *sim, int sock, const void *p, size_t n); /* what fitted; 0 also when the connection is gone */
/* Appends what is there. Returns false once the stream has ended (FIN or reset) and all was read. */
bool sim_recv(struct sim *sim, int sock, struct pl_buf *to);
bool sim_was_reset(struct sim *sim, int sock);
void sim_eof(struct sim *sim, int sock);             /* FIN; the other direction stays */
void sim_close(struct sim *sim, int sock);
void sim_reset(struct sim *sim, int sock);
size_t sim_open_socks(const struct sim *sim);        /* listeners included: leaks show here */

void sim_file(struct sim *sim, const char *path, struct pl_slice bytes); /* new or replaced; bytes are copied */

#endif
