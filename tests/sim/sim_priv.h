/* tests/sim/sim_priv.h - what world_sim.c and sock_sim.c share. */
#ifndef PL_TESTS_SIM_PRIV_H
#define PL_TESTS_SIM_PRIV_H

#include "base/list.h"
#include "tests/sim/world_sim.h"

enum sim_kind { SIM_FREE, SIM_LISTENER, SIM_STREAM };

struct sim_sock {
    enum sim_kind kind;
    int number;
    /* stream */
    int peer;               /* -1: the other end was closed */
    struct pl_buf rx;       /* what the peer sent and we did not read */
    bool got_fin;           /* the peer will send no more */
    bool sent_fin;
    bool is_reset;
    struct pl_addr far;     /* the peer's address */
    /* listener */
    char at[128];
    struct pl_addr addr;
    int *waiting;           /* owned; accepted in order */
    size_t n_waiting;
    /* interest */
    struct pl_poller *poller;
    uint32_t events;
    void *data;
    struct pl_list ready;   /* of the poller, while it may have something to report */
};

struct pl_poller {
    struct sim *sim;
    struct pl_list ready;
};

struct sim_file {
    char path[256];
    struct pl_buf bytes;
};

enum { SIM_NODES = 8 };

struct sim {
    struct pl_world world;
    struct sim_opts opts;
    uint64_t mono_ns;
    int64_t wall_ms;
    uint64_t chance, entropy;  /* states of the two streams */
    struct sim_sock **socks;   /* by number; owned */
    size_t n_socks;
    uint16_t next_port;
    struct pl_node *nodes[SIM_NODES];
    size_t n_nodes;
    struct sim_file *files;    /* owned */
    size_t n_files;
};

static inline struct sim *sim_of(struct pl_world *w)
{
    return PL_OF(w, struct sim, world);
}

/* sock_sim.c */
enum pl_err sim_w_listen(struct pl_world *w, const char *at, unsigned flags, int *ret_sock, struct pl_addr *ret_addr,
                         struct pl_buf *err_text);
enum pl_err sim_w_accept(struct pl_world *w, int listener, int *ret_sock, struct pl_addr *ret_peer);
enum pl_err sim_w_connect(struct pl_world *w, const char *at, int *ret_sock);
enum pl_err sim_w_recv(struct pl_world *w, int sock, void *p, size_t n, size_t *ret_n);
enum pl_err sim_w_send(struct pl_world *w, int sock, const void *p, size_t n, size_t *ret_n);
void sim_w_shutdown_write(struct pl_world *w, int sock);
void sim_w_close(struct pl_world *w, int sock);
void sim_w_close_reset(struct pl_world *w, int sock);
struct pl_poller *sim_w_poller_new(struct pl_world *w);
void sim_w_poller_free(struct pl_world *w, struct pl_poller *p);
enum pl_err sim_w_poller_set(struct pl_world *w, struct pl_poller *p, int sock, uint32_t events, void *data);
int sim_w_poller_wait(struct pl_world *w, struct pl_poller *p, struct pl_poll_event *ret_events, int max, int timeout_ms);
void sim_socks_fini(struct sim *sim);

#endif
