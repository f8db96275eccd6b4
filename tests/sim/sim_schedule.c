/* tests/sim/sim_schedule.c - the first simulation: a whole server and real clients (lib/core) on virtual time, over a random
 * schedule from a seed. Clients connect, subscribe, lose their connections in every way and come back; backends publish; now and then
 * the node is written down and goes on as a fresh one with another number of shards. Every subscriber must see each publication once and
 * in order, or be told that it cannot; when the trouble ends, everybody is caught up within the sum of their timeouts.
 *
 *   sim_schedule [--seed N] [--runs N] [--steps N]      prints the seed of a run that fails */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/load.h"
#include "lib/core.h"
#include "metrics/metrics.h"
#include "server/server.h"
#include "tests/sim/world_sim.h"

enum { CLIENTS = 24, CHANNELS = 3, AT_PORT = 8000 };

static const char config_text[] =
    "{\"http_server\":{\"address\":\"127.0.0.1\",\"port\":8000},"
    "\"client\":{\"allow_anonymous_connect_without_token\":true},"
    "\"http_api\":{\"key\":\"simkey\"},"
    "\"channel\":{\"namespaces\":[{\"name\":\"rec\",\"history_size\":40,\"history_ttl\":\"600s\",\"force_recovery\":true,"
    "\"presence\":true,\"join_leave\":true,\"force_push_join_leave\":true,"
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true}]}}";

static const char *const channel_names[CHANNELS] = { "rec:a", "rec:bb", "rec:ccc" };

struct run;

struct seat {
    struct run *run;
    struct pl_client client;
    struct pl_client_sub sub;
    uint64_t last;            /* newest offset seen */
    bool has_position;
    int channel;
    int sock;                 /* -1: none */
    uint64_t n_seen, n_told;
};

struct run {
    uint64_t seed;
    struct sim *sim;
    struct pl_config *config;
    struct pl_server *server;
    struct seat seats[CLIENTS];
    uint64_t top[CHANNELS];
    int api;                  /* the backend's connection; -1 none */
    uint64_t n_cuts, n_moves, n_publishes;
};

static void failed(const struct run *r, const char *what, uint64_t a, uint64_t b)
{
    fprintf(stderr, "sim_schedule: seed %" PRIu64 ": %s (%" PRIu64 ", %" PRIu64 ")\n", r->seed, what, a, b);
    exit(1);
}

static uint64_t now_of(struct run *r)
{
    struct pl_world *w = sim_world(r->sim);

    return w->ops->mono_ns(w) / 1000000;
}

/* ---- the oracle ---- */

static void on_subscribed(struct pl_client *c, struct pl_client_sub *s, const struct pl_client_subscribed *how)
{
    struct seat *seat = c->user;

    if (!how->is_positioned)
        failed(seat->run, "a channel with history gave no position", 0, 0);
    if (how->recovered && seat->has_position)
        return; /* what was missed comes as publications */
    if (how->was_recovering && seat->has_position)
        seat->n_told++;
    seat->last = s->offset;
    seat->has_position = true;
}

static void on_publication(struct pl_client *c, struct pl_client_sub *s, const struct pl_reply_pub *p)
{
    struct seat *seat = c->user;

    (void)p;
    if (!seat->has_position)
        failed(seat->run, "a publication before the subscribe reply", s->offset, 0);
    if (s->offset != seat->last + 1)
        failed(seat->run, "lost, doubled or reordered: offset after offset", s->offset, seat->last);
    seat->last = s->offset;
    seat->n_seen++;
}

static void on_unsubscribed(struct pl_client *c, struct pl_client_sub *s, uint32_t code, struct pl_slice reason)
{
    (void)s;
    (void)reason;
    if (code == PL_CLIENT_GAP_SEEN)
        failed(((struct seat *)c->user)->run, "the client saw a gap of which nobody told", s->offset, 0);
}

static const struct pl_client_ops client_ops = { .subscribed = on_subscribed, .unsubscribed = on_unsubscribed,
                                                 .publication = on_publication };

/* ---- clients on simulated sockets ---- */

static void hang_up(struct seat *s)
{
    if (s->sock >= 0)
        sim_close(s->run->sim, s->sock);
    s->sock = -1;
    pl_client_lost(&s->client, now_of(s->run));
}

/* Lets a client do what it can; true if anything happened. */
static bool pump(struct seat *s)
{
    struct pl_buf in = pl_buf_init(1 << 22);
    uint64_t now = now_of(s->run);
    bool any = false, open = true;

    if (pl_client_deadline(&s->client) <= now && pl_client_tick(&s->client, now) == PL_CLIENT_WANTS_DIAL) {
        any = true;
        s->sock = sim_connect(s->run->sim, "127.0.0.1:8000", NULL);
        if (s->sock < 0)
            pl_client_lost(&s->client, now);
        else
            pl_client_opened(&s->client, now);
    }
    if (s->sock >= 0) {
        open = sim_recv(s->run->sim, s->sock, &in);
        if (in.len != 0) {
            pl_client_input(&s->client, now, in.p, in.len);
            any = true;
        }
    }
    pl_buf_fini(&in);
    if (s->sock >= 0 && s->client.out.len != 0) {
        size_t n = sim_send(s->run->sim, s->sock, s->client.out.p, s->client.out.len);

        pl_buf_consume(&s->client.out, n);
        any = any || n != 0;
    }
    if (s->sock >= 0 && (!open || pl_client_is_over(&s->client))) {
        hang_up(s);
        any = true;
    }
    return any;
}

static void settle(struct run *r)
{
    for (bool any = true; any;) {
        any = false;
        sim_run(r->sim);
        for (int i = 0; i < CLIENTS; i++)
            any = pump(&r->seats[i]) || any;
    }
}

static void pass(struct run *r, uint64_t ms)
{
    uint64_t end = now_of(r) + ms;

    /* In steps, so that clients act near their deadlines. */
    while (now_of(r) < end) {
        uint64_t left = end - now_of(r);

        sim_advance(r->sim, left < 50 ? left : 50);
        settle(r);
    }
}

/* ---- the backend ---- */

static void publish(struct run *r)
{
    int channel = (int)sim_rnd(r->sim, CHANNELS);
    struct pl_buf req = pl_buf_init(4096), body = pl_buf_init(1024), answer = pl_buf_init(65536);

    if (r->api < 0)
        r->api = sim_connect(r->sim, "127.0.0.1:8000", NULL);
    pl_buf_printf(&body, "{\"channel\":\"%s\",\"data\":{\"n\":%" PRIu64 "}}", channel_names[channel], r->n_publishes);
    pl_buf_printf(&req, "POST /api/publish HTTP/1.1\r\nHost: sim\r\nX-API-Key: simkey\r\nContent-Length: %zu\r\n\r\n%.*s", body.len,
                  PL_FMT(pl_buf_slice(&body)));
    for (size_t at = 0; at < req.len; sim_run(r->sim))
        at += sim_send(r->sim, r->api, req.p + at, req.len - at);
    sim_run(r->sim);
    (void)sim_recv(r->sim, r->api, &answer); /* an end shows as a missing answer */
    pl_buf_byte(&answer, 0);
    if (strstr((const char *)answer.p, "200 OK") == NULL || strstr((const char *)answer.p, "\"offset\":") == NULL) {
        fprintf(stderr, "%s\n", (const char *)answer.p);
        failed(r, "a publish was not acknowledged", r->n_publishes, 0);
    }
    r->top[channel]++;
    r->n_publishes++;
    if (strtoull(strstr((const char *)answer.p, "\"offset\":") + 9, NULL, 10) != r->top[channel])
        failed(r, "a publish got another offset than the next", r->top[channel], 0);
    pl_buf_fini(&req);
    pl_buf_fini(&body);
    pl_buf_fini(&answer);
}

/* ---- the server, and its successor ---- */

static struct pl_server *server_new(struct run *r)
{
    struct pl_server_opts opts = { .world = sim_world(r->sim), .config = r->config, .n_shards = 1 + (unsigned)sim_rnd(r->sim, 3) };
    struct pl_buf err_text = pl_buf_init(4096);
    struct pl_server *s = NULL;

    if (pl_server_new(&opts, &s, &err_text) != PL_OK) {
        fprintf(stderr, "%.*s\n", PL_FMT(pl_buf_slice(&err_text)));
        failed(r, "the server does not start", 0, 0);
    }
    pl_buf_fini(&err_text);
    return s;
}

static int same_sock(void *arg, int sock)
{
    (void)arg;
    return sock;
}

static void move_node(struct run *r)
{
    struct pl_buf record = pl_buf_init(64 << 20);
    struct pl_server *old = r->server;

    sim_run(r->sim);
    if (pl_server_save(old, &record) != PL_OK)
        failed(r, "the node cannot be written down", 0, 0);
    sim_remove(r->sim, pl_server_node(old));
    pl_server_free(&old);
    r->server = server_new(r);
    if (pl_server_load(r->server, pl_buf_slice(&record), same_sock, NULL) != PL_OK)
        failed(r, "a fresh node does not take the record", record.len, 0);
    sim_add(r->sim, pl_server_node(r->server));
    pl_buf_fini(&record);
    r->n_moves++;
}

static void cut(struct run *r, struct seat *s)
{
    if (s->sock < 0)
        return;
    r->n_cuts++;
    switch (sim_rnd(r->sim, 3)) {
    case 0:
        sim_reset(r->sim, s->sock);
        s->sock = -1;
        break;
    case 1: sim_eof(r->sim, s->sock); return; /* the server answers by closing */
    default: break;
    }
    hang_up(s);
}

static void step(struct run *r)
{
    struct seat *s = &r->seats[sim_rnd(r->sim, CLIENTS)];

    switch (sim_rnd(r->sim, 12)) {
    case 0: case 1: cut(r, s); break;
    case 2:
        if (sim_rnd(r->sim, 4) == 0)
            move_node(r);
        break;
    case 3: pass(r, 1 + sim_rnd(r->sim, 4000)); break;
    case 4: case 5: (void)pump(s); break;
    case 6: settle(r); break;
    case 7: /* a burst longer than the history: some clients must be told */
        for (uint64_t n = sim_rnd(r->sim, 60); n > 0; n--)
            publish(r);
        break;
    default: publish(r); break;
    }
}

static void one_run(uint64_t seed, int steps, uint64_t *sums)
{
    struct pl_client_setup setup = pl_client_setup_default(&client_ops);
    struct sim_opts opts = { .seed = seed, .split = true, .buffer = 4096 };
    struct pl_config_report report = { 0 };
    struct pl_config_input in = { .text = pl_slice_str(config_text), .file = "sim.json" };
    struct run *r = calloc(1, sizeof *r);

    r->seed = seed;
    r->api = -1;
    r->sim = sim_new(opts);
    if (pl_config_load(&in, &r->config, &report) != PL_OK)
        failed(r, "the configuration is refused", 0, 0);
    pl_config_report_fini(&report);
    r->server = server_new(r);
    sim_add(r->sim, pl_server_node(r->server));
    setup.host = PL_LIT("sim");
    setup.target = PL_LIT("/connection/websocket");
    setup.is_raw = true;
    for (int i = 0; i < CLIENTS; i++) {
        struct seat *s = &r->seats[i];

        s->run = r;
        s->sock = -1;
        s->channel = i % CHANNELS;
        pl_client_init(&s->client, &setup, pl_slice("", 0), (struct pl_hash_key){ seed, (uint64_t)i });
        s->client.user = s;
        s->sub.channel = pl_slice_str(channel_names[s->channel]);
        s->sub.is_recoverable = true;
        pl_client_subscribe(&s->client, &s->sub, now_of(r));
        pl_client_start(&s->client, now_of(r));
    }
    for (int i = 0; i < steps; i++)
        step(r);
    pass(r, 120000); /* more than any backoff, ping and timeout together */
    for (int i = 0; i < CLIENTS; i++) {
        struct seat *s = &r->seats[i];

        if (s->client.state != PL_CLIENT_CONNECTED || s->sub.state != PL_CLIENT_SUB_ON)
            failed(r, "a client did not come back", (uint64_t)i, s->client.state);
        if (s->last != r->top[s->channel])
            failed(r, "a client is not caught up", s->last, r->top[s->channel]);
        sums[3] += s->n_seen;
        sums[4] += s->n_told;
    }
    sums[0] += r->n_publishes;
    sums[1] += r->n_cuts;
    sums[2] += r->n_moves;
    for (int i = 0; i < CLIENTS; i++) {
        pl_client_fini(&r->seats[i].client);
        if (r->seats[i].sock >= 0)
            sim_close(r->sim, r->seats[i].sock);
        pl_str_unref(&r->seats[i].sub.epoch);
    }
    if (r->api >= 0)
        sim_close(r->sim, r->api);
    sim_run(r->sim);
    if (pl_metrics_sum(pl_server_node(r->server)->metrics, PL_M_CLIENTS) != 0 ||
        pl_metrics_sum(pl_server_node(r->server)->metrics, PL_M_SUBSCRIPTIONS) != 0)
        failed(r, "sessions are left when all have gone", 0, 0);
    sim_remove(r->sim, pl_server_node(r->server));
    pl_server_free(&r->server);
    if (sim_open_socks(r->sim) != 0)
        failed(r, "sockets are left open", sim_open_socks(r->sim), 0);
    pl_config_free(&r->config);
    sim_free(&r->sim);
    free(r);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, runs = 20, sums[5] = { 0 };
    int steps = 300;

    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t v = strtoull(argv[i + 1], NULL, 10);

        if (strcmp(argv[i], "--seed") == 0)
            seed = v;
        else if (strcmp(argv[i], "--runs") == 0)
            runs = v;
        else if (strcmp(argv[i], "--steps") == 0)
            steps = (int)v;
    }
    for (uint64_t i = 0; i < runs; i++)
        one_run(seed + i, steps, sums);
    printf("sim_schedule: %" PRIu64 " runs from seed %" PRIu64 ": %" PRIu64 " publications, %" PRIu64 " cuts, %" PRIu64
           " moves to a fresh node, %" PRIu64 " deliveries, %" PRIu64 " times told of a gap, nothing lost\n",
           runs, seed, sums[0], sums[1], sums[2], sums[3], sums[4]);
    return 0;
}
