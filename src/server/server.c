#include "server/server.h"

#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "auth/auth.h"
#include "base/check.h"
#include "dialect/centrifugo.h"
#include "engine/engine.h"
#include "hub/hub.h"
#include "server/room.h"
#include "session/sess.h"
#include "transport/ws_conn.h"

enum { DRAIN_LOOK_MS = 20, TRIM_LOOK_MS = 5000, TRIM_MIN = 256 };

struct pl_node *pl_server_node(struct pl_server *s)
{
    return s->node;
}

static bool admit(struct pl_shard *s, const struct pl_http_req *req)
{
    (void)req;
    return pl_sess_admit(s);
}

/* After a storm has gone, what malloc keeps of it goes back to the system: slabs do so by themselves, small blocks do not. */
static void trim_look(struct pl_shard *shard, struct pl_timer *t)
{
    struct pl_server *s = PL_OF(t, struct pl_server, trim);
    int64_t n = pl_metrics_sum(s->node->metrics, PL_M_CONNECTIONS);

    if (s->peak_connections > TRIM_MIN && n < s->peak_connections / 2) {
        (void)malloc_trim(0); /* whether there was anything to give back does not matter */
        s->peak_connections = n;
    }
    if (n > s->peak_connections)
        s->peak_connections = n;
    pl_timer_start(shard, t, shard->now_ms + TRIM_LOOK_MS);
}

static void init_shard(struct pl_shard *shard)
{
    pl_net_init(shard);
    pl_engine(shard->node)->init(shard, pl_hub_feed());
    pl_auth_init(shard);
    pl_hub_init(shard, &pl_sess_sink);
    pl_sess_init(shard);
    pl_api_init(shard);
}

/* In reverse; connections first, since closing them ends sessions, which leave channels. */
static void fini_shard(struct pl_shard *shard)
{
    pl_net_fini(shard);
    pl_api_fini(shard);
    pl_sess_fini(shard);
    pl_transport_fini(shard);
    pl_hub_fini(shard);
    pl_auth_fini(shard);
    pl_engine(shard->node)->fini(shard);
}

static void set_up_http(struct pl_server *s)
{
    const struct pl_config *cfg = s->opts.config;
    struct pl_http_opts http = {
        .router = s->router,
        .allowed_origins = cfg->client.allowed_origins.v,
        .n_allowed_origins = cfg->client.allowed_origins.n,
        .trusted_proxies = &cfg->http_server.trusted_proxies,
        .max_head_bytes = cfg->http_server.max_header_bytes,
        .head_timeout_ms = (uint32_t)cfg->http_server.read_header_timeout_ms,
        .body_timeout_ms = (uint32_t)cfg->http_server.read_timeout_ms,
        .idle_timeout_ms = (uint32_t)cfg->http_server.keepalive_timeout_ms,
        .admit = admit,
    };

    pl_http_init(s->node, &http);
}

enum pl_err pl_server_new(const struct pl_server_opts *opts, struct pl_server **ret, struct pl_buf *err_text)
{
    struct pl_server *s = calloc(1, sizeof *s);
    struct pl_node *n;
    enum pl_err err;

    PL_ASSERT(s != NULL && opts->n_shards >= 1 && opts->n_shards <= PL_SHARDS_MAX);
    s->opts = *opts;
    s->ws = (struct pl_ws_endpoint){ .json = &pl_dialect_centrifugo_json, .protobuf = &pl_dialect_centrifugo_protobuf,
                                      .uni = &pl_dialect_centrifugo_uni };
    n = s->node = pl_node_new(opts->world, opts->n_shards);
    n->config = opts->config;
    n->log = opts->log;
    n->rooms[PL_ROOM_SERVER] = s;
    n->metrics = pl_metrics_new(opts->n_shards);
    PL_ASSERT(n->metrics != NULL);
    pl_engine_choose(n, &pl_engine_memory);
    pl_sess_node_init(n);
    for (unsigned i = 0; i < n->n_shards; i++) {
        n->shards[i]->cells = pl_metrics_cells(n->metrics, i);
        init_shard(n->shards[i]);
    }
    s->trim.fire = trim_look;
    pl_timer_start(n->shards[0], &s->trim, n->shards[0]->now_ms + TRIM_LOOK_MS);
    pl_metric_set(n->shards[0]->cells, PL_M_NODES, 1);
    err = pl_auth_node_init(n, err_text);
    if (err == PL_OK)
        err = server_routes(s, err_text);
    if (err == PL_OK) {
        set_up_http(s);
        if (!opts->no_listeners)
            err = server_listen(s, err_text);
    }
    if (err != PL_OK) {
        pl_server_free(&s);
        return err;
    }
    *ret = s;
    return PL_OK;
}

static void close_now(struct pl_conn *c, void *arg)
{
    (void)arg;
    pl_conn_close(c, PL_CLOSE_NOW);
}

/* The threads have ended: what is still open is closed here, and what the shards then have to tell each other (leaves, above all)
 * arrives while all of them are there to take it. */
static void settle(struct pl_node *n)
{
    enum { ROUNDS = 1000 }; /* lingering sockets must not hold up the end */
    bool any = true;

    for (unsigned i = 0; i < n->n_shards; i++) {
        pl_net_stop_accepting(n->shards[i]);
        pl_net_each(n->shards[i], close_now, NULL);
    }
    for (int round = 0; any && round < ROUNDS; round++) {
        any = false;
        for (unsigned i = 0; i < n->n_shards; i++)
            any |= pl_shard_turn(n->shards[i], 0);
    }
}

void pl_server_free(struct pl_server **take_s)
{
    struct pl_server *s = *take_s;

    *take_s = NULL;
    if (s == NULL)
        return;
    pl_timer_stop(s->node->shards[0], &s->trim);
    for (unsigned i = 0; i < s->node->n_shards; i++)
        pl_timer_stop(s->node->shards[i], &s->drains[i].timer);
    settle(s->node);
    for (unsigned i = 0; i < s->node->n_shards; i++)
        fini_shard(s->node->shards[i]);
    pl_auth_node_fini(s->node);
    pl_sess_node_fini(s->node);
    pl_http_fini(s->node);
    pl_router_free(&s->router);
    pl_files_free(&s->files);
    pl_tls_ctx_free(&s->tls);
    pl_tls_ctx_free(&s->internal_tls);
    {
        struct pl_metrics *m = s->node->metrics;

        pl_node_free(&s->node);
        pl_metrics_free(&m);
    }
    free(s);
}

void pl_server_address(const struct pl_server *s, bool internal, char out[PL_ADDR_TEXT])
{
    const struct pl_listener *l = internal ? s->internal : s->external;

    out[0] = '\0';
    if (l != NULL)
        pl_addr_text(&l->addr, true, out);
}

/* ---- graceful stop of a shard ---- */

static void drain_look(struct pl_shard *shard, struct pl_timer *t)
{
    struct drain *d = PL_OF(t, struct drain, timer);

    if (pl_net_count(shard) == 0 || shard->now_ms >= d->deadline_ms) {
        pl_shard_stop(shard);
        return;
    }
    pl_timer_start(shard, t, shard->now_ms + DRAIN_LOOK_MS);
}

void pl_server_drain_shard(struct pl_server *s, struct pl_shard *shard, uint64_t timeout_ms)
{
    struct drain *d = &s->drains[shard->index];

    if (d->is_on)
        return;
    d->is_on = true;
    d->server = s;
    d->timer.fire = drain_look;
    d->deadline_ms = shard->now_ms + timeout_ms;
    pl_net_stop_accepting(shard);
    pl_hub_walk_all(shard); /* what was acknowledged reaches the subscribers before the goodbye */
    pl_sess_shutdown(shard);
    pl_http_drain(shard);
    pl_timer_start(shard, &d->timer, shard->now_ms + 1);
}

unsigned pl_server_n_shards(const struct pl_config *cfg)
{
    unsigned n = (unsigned)cfg->threads;
    long quota = -1, period = 0;
    cpu_set_t set;
    FILE *f;

    if (n == 0) {
        n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
        f = fopen("/sys/fs/cgroup/cpu.max", "re");
        if (f != NULL) {
            if (fscanf(f, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0 && (unsigned)((quota + period - 1) / period) < n)
                n = (unsigned)((quota + period - 1) / period);
            (void)fclose(f); /* only read */
        }
    }
    return n == 0 ? 1 : n > PL_SHARDS_MAX ? PL_SHARDS_MAX : n;
}
