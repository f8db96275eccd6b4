#include "tests/sim/world_sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/sim/sim_priv.h"

/* ---- chance: splitmix64 (Steele, Lea, Flood 2014), twice ---- */

static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t sim_rnd(struct sim *sim, uint64_t n)
{
    return draw(&sim->chance) % n;
}

uint64_t sim_entropy(const struct sim *sim)
{
    return sim->entropy;
}

void sim_entropy_set(struct sim *sim, uint64_t state)
{
    sim->entropy = state;
}

static void entropy(struct pl_world *w, void *p, size_t n)
{
    uint8_t *at = p;

    while (n > 0) {
        uint64_t v = draw(&sim_of(w)->entropy);
        size_t step = n < sizeof v ? n : sizeof v;

        memcpy(at, &v, step);
        at += step;
        n -= step;
    }
}

/* ---- the rest of the world ---- */

static uint64_t mono_ns(struct pl_world *w)
{
    return sim_of(w)->mono_ns;
}

static int64_t wall_ms(struct pl_world *w)
{
    return sim_of(w)->wall_ms;
}

static void tune(struct pl_world *w, int sock, size_t sndbuf, size_t notsent_lowat)
{
    (void)w; /* the simulated kernel's buffers are the test's choice */
    (void)sock;
    (void)sndbuf;
    (void)notsent_lowat;
}

static void poller_wake(struct pl_world *w, struct pl_poller *p)
{
    (void)w; /* nobody sleeps */
    (void)p;
}

static enum pl_err thread_start(struct pl_world *w, void (*fn)(void *arg), void *arg, int cpu, const char *name,
                                struct pl_thread **ret_thread)
{
    (void)w;
    (void)fn;
    (void)arg;
    (void)cpu;
    (void)name;
    (void)ret_thread;
    return PL_EUNSUP;
}

static void thread_join(struct pl_world *w, struct pl_thread **take_thread)
{
    (void)w;
    (void)take_thread;
    PL_UNREACHABLE();
}

static unsigned cpus(struct pl_world *w, int *ret_ids, unsigned max)
{
    (void)w;
    if (max > 0)
        ret_ids[0] = -1;
    return max > 0;
}

static enum pl_err file_read(struct pl_world *w, const char *path, size_t limit, struct pl_buf *ret)
{
    struct sim *sim = sim_of(w);

    for (size_t i = 0; i < sim->n_files; i++) {
        if (strcmp(sim->files[i].path, path) != 0)
            continue;
        if (sim->files[i].bytes.len > limit)
            return PL_ETOOBIG;
        pl_buf_slice_put(ret, pl_buf_slice(&sim->files[i].bytes));
        return pl_buf_ok(ret) ? PL_OK : PL_ETOOBIG;
    }
    return PL_ENOENT;
}

void sim_file(struct sim *sim, const char *path, struct pl_slice bytes)
{
    struct sim_file *f = NULL;

    for (size_t i = 0; i < sim->n_files; i++)
        if (strcmp(sim->files[i].path, path) == 0)
            f = &sim->files[i];
    if (f == NULL) {
        sim->files = realloc(sim->files, (sim->n_files + 1) * sizeof *sim->files);
        PL_ASSERT(sim->files != NULL && strlen(path) < sizeof f->path);
        f = &sim->files[sim->n_files++];
        memset(f, 0, sizeof *f);
        strcpy(f->path, path);
        f->bytes = pl_buf_init(SIZE_MAX / 2);
    }
    pl_buf_clear(&f->bytes);
    pl_buf_slice_put(&f->bytes, bytes);
}

static const struct pl_world_ops sim_ops = {
    .mono_ns = mono_ns,
    .wall_ms = wall_ms,
    .entropy = entropy,
    .listen = sim_w_listen,
    .accept = sim_w_accept,
    .connect = sim_w_connect,
    .recv = sim_w_recv,
    .send = sim_w_send,
    .shutdown_write = sim_w_shutdown_write,
    .close = sim_w_close,
    .close_reset = sim_w_close_reset,
    .tune = tune,
    .poller_new = sim_w_poller_new,
    .poller_free = sim_w_poller_free,
    .poller_set = sim_w_poller_set,
    .poller_wait = sim_w_poller_wait,
    .poller_wake = poller_wake,
    .thread_start = thread_start,
    .thread_join = thread_join,
    .cpus = cpus,
    .file_read = file_read,
};

struct sim *sim_new(struct sim_opts opts)
{
    struct sim *sim = calloc(1, sizeof *sim);

    PL_ASSERT(sim != NULL);
    sim->world.ops = &sim_ops;
    sim->opts = opts;
    if (sim->opts.buffer == 0)
        sim->opts.buffer = 65536;
    sim->chance = opts.seed;
    sim->entropy = opts.seed ^ 0x5045414cu; /* another stream: ids do not depend on the schedule */
    sim->mono_ns = 1000ull * 1000000000;
    sim->wall_ms = opts.wall_ms != 0 ? opts.wall_ms : 1767225600000; /* 2026-01-01T00:00:00Z */
    sim->next_port = 20000;
    return sim;
}

void sim_free(struct sim **take_sim)
{
    struct sim *sim = *take_sim;

    *take_sim = NULL;
    if (sim == NULL)
        return;
    PL_ASSERT(sim->n_nodes == 0);
    sim_socks_fini(sim);
    for (size_t i = 0; i < sim->n_files; i++)
        pl_buf_fini(&sim->files[i].bytes);
    free(sim->files);
    free(sim);
}

struct pl_world *sim_world(struct sim *sim)
{
    return &sim->world;
}

/* ---- time and work ---- */

void sim_add(struct sim *sim, struct pl_node *n)
{
    PL_ASSERT(sim->n_nodes < SIM_NODES);
    sim->nodes[sim->n_nodes++] = n;
}

void sim_remove(struct sim *sim, struct pl_node *n)
{
    for (size_t i = 0; i < sim->n_nodes; i++)
        if (sim->nodes[i] == n) {
            sim->nodes[i] = sim->nodes[--sim->n_nodes];
            return;
        }
    PL_UNREACHABLE();
}

/* One turn for each shard of each node, in an order of chance. */
static bool round_of_turns(struct sim *sim)
{
    struct pl_shard *all[SIM_NODES * PL_SHARDS_MAX];
    size_t n = 0;
    bool any = false;

    for (size_t i = 0; i < sim->n_nodes; i++)
        for (unsigned k = 0; k < sim->nodes[i]->n_shards; k++)
            all[n++] = sim->nodes[i]->shards[k];
    while (n > 0) {
        size_t k = (size_t)sim_rnd(sim, n);

        any |= pl_shard_turn(all[k], 0);
        all[k] = all[--n];
    }
    return any;
}

static uint64_t next_ms(struct sim *sim)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < sim->n_nodes; i++)
        for (unsigned k = 0; k < sim->nodes[i]->n_shards; k++) {
            uint64_t ms = pl_shard_next_ms(sim->nodes[i]->shards[k]);
            least = ms < least ? ms : least;
        }
    return least;
}

void sim_run(struct sim *sim)
{
    enum { LIVELOCK = 1000000 };

    for (int rounds = 0; round_of_turns(sim) || next_ms(sim) == 0; rounds++)
        PL_ASSERT(rounds < LIVELOCK); /* somebody is busy for ever without time passing */
}

void sim_advance(struct sim *sim, uint64_t ms)
{
    uint64_t until_ns = sim->mono_ns + ms * 1000000;

    for (;;) {
        uint64_t next, left_ms;

        sim_run(sim);
        if (sim->mono_ns >= until_ns)
            return;
        next = next_ms(sim);
        left_ms = (until_ns - sim->mono_ns) / 1000000;
        next = next < left_ms ? next : left_ms;
        sim->mono_ns += next * 1000000;
        sim->wall_ms += (int64_t)next;
    }
}
