/* tests/sim/sim_schedule.c - the first simulation: a whole server and real clients (lib/core) on virtual time, over a random
 * schedule from a seed. Clients connect, subscribe to several channels, leave and come back to them, publish, read slowly, lose their
 * connections in every way; backends publish, subscribe, unsubscribe and disconnect; now and then the node is written down and goes
 * on as a fresh one with another number of shards. Every subscriber must see each publication once and in order, or be told that it
 * cannot; when the trouble ends, everybody is caught up within the sum of their timeouts. A watcher in each channel books joins and
 * leaves: nobody comes twice or leaves uncome, and in the end those booked are those whom presence counts.
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
#include "tests/sim/watcher.h"
#include "tests/sim/world_sim.h"

enum { CLIENTS = 24, CHANNELS = 3, AT_PORT = 8000 };

static const char config_text[] =
    "{\"http_server\":{\"address\":\"127.0.0.1\",\"port\":8000},"
    "\"client\":{\"allow_anonymous_connect_without_token\":true,\"queue_max_size\":12288},"
    "\"http_api\":{\"key\":\"simkey\"},"
    "\"channel\":{\"namespaces\":[{\"name\":\"rec\",\"history_size\":40,\"history_ttl\":\"600s\",\"force_recovery\":true,"
    "\"presence\":true,\"join_leave\":true,"
    "\"allow_presence_for_subscriber\":true,\"allow_presence_for_anonymous\":true,"
    "\"allow_publish_for_subscriber\":true,\"allow_publish_for_anonymous\":true,"
    "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true}]}}";

static const char *const channel_names[CHANNELS] = { "rec:a", "rec:bb", "rec:ccc" };

struct run;

/* One client's subscription to one channel, and what it has seen there. */
struct place {
    struct pl_client_sub sub;
    uint64_t last;            /* newest offset seen */
    bool has_position;
};

struct seat {
    struct run *run;
    struct pl_client client;
    struct place places[CHANNELS];
    uint64_t slow_until_ms;   /* reads nothing before */
    uint64_t n_seen, n_told;
    int sock;                 /* -1: none */
};

struct run {
    uint64_t seed;
    struct sim *sim;
    struct pl_config *config;
    struct pl_server *server;
    struct seat seats[CLIENTS];
    struct watcher watchers[CHANNELS];        /* make_peace() names three */
    uint64_t top[CHANNELS];
    int api;                  /* the backend's connection; -1 none */
    uint64_t n_cuts, n_moves, n_publishes, n_orders, n_slow;
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

static struct place *place_of(struct pl_client_sub *s)
{
    return PL_OF(s, struct place, sub);
}

static void on_subscribed(struct pl_client *c, struct pl_client_sub *s, const struct pl_client_subscribed *how)
{
    struct seat *seat = c->user;
    struct place *p = place_of(s);

    if (!how->is_positioned)
        failed(seat->run, "a channel with history gave no position", 0, 0);
    if (how->recovered && p->has_position)
        return; /* what was missed comes as publications */
    if (how->was_recovering && p->has_position)
        seat->n_told++;
    p->last = s->offset;
    p->has_position = true;
}

static void on_publication(struct pl_client *c, struct pl_client_sub *s, const struct pl_reply_pub *pub)
{
    struct seat *seat = c->user;
    struct place *p = place_of(s);

    (void)pub;
    if (!p->has_position)
        failed(seat->run, "a publication before the subscribe reply", s->offset, 0);
    if (s->offset != p->last + 1)
        failed(seat->run, "lost, doubled or reordered: offset after offset", s->offset, p->last);
    p->last = s->offset;
    seat->n_seen++;
}

static void on_unsubscribed(struct pl_client *c, struct pl_client_sub *s, uint32_t code, struct pl_slice reason)
{
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
    if (s->sock >= 0 && now >= s->slow_until_ms) {
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
        for (int i = 0; i < CHANNELS; i++) {
            any = watcher_pump(&r->watchers[i]) || any;
            if (r->watchers[i].wrong != NULL)
                failed(r, r->watchers[i].wrong, (uint64_t)i, r->watchers[i].n);
        }
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

/* One call of the API; the answer's text, owned by the caller. */
static struct pl_buf call(struct run *r, const char *method, struct pl_slice body)
{
    struct pl_buf req = pl_buf_init(4096), answer = pl_buf_init(65536);

    if (r->api >= 0 && !sim_recv(r->sim, r->api, &answer)) { /* idle for too long */
        sim_close(r->sim, r->api);
        r->api = -1;
    }
    if (r->api < 0)
        r->api = sim_connect(r->sim, "127.0.0.1:8000", NULL);
    pl_buf_printf(&req, "POST /api/%s HTTP/1.1\r\nHost: sim\r\nX-API-Key: simkey\r\nContent-Length: %zu\r\n\r\n%.*s", method,
                  body.len, PL_FMT(body));
    for (size_t at = 0; at < req.len; sim_run(r->sim))
        at += sim_send(r->sim, r->api, req.p + at, req.len - at);
    sim_run(r->sim);
    (void)sim_recv(r->sim, r->api, &answer); /* an end shows as a missing answer */
    pl_buf_byte(&answer, 0);
    if (strstr((const char *)answer.p, "200 OK") == NULL || strstr((const char *)answer.p, "\"result\":") == NULL) {
        fprintf(stderr, "%s\n", (const char *)answer.p);
        failed(r, "the backend got no result", r->n_publishes, 0);
    }
    pl_buf_fini(&req);
    return answer;
}

static uint64_t number_in(struct run *r, const struct pl_buf *answer, const char *name)
{
    const char *at = strstr((const char *)answer->p, name);

    if (at == NULL)
        failed(r, "a number is missing in an answer", 0, 0);
    return strtoull(at + strlen(name), NULL, 10);
}

static uint64_t ask_number(struct run *r, const char *method, int channel, const char *name)
{
    struct pl_buf body = pl_buf_init(256), answer;
    uint64_t n;

    pl_buf_printf(&body, "{\"channel\":\"%s\",\"limit\":0}", channel_names[channel]);
    answer = call(r, method, pl_buf_slice(&body));
    n = number_in(r, &answer, name);
    pl_buf_fini(&body);
    pl_buf_fini(&answer);
    return n;
}

static void publish(struct run *r)
{
    int channel = (int)sim_rnd(r->sim, CHANNELS);
    struct pl_buf body = pl_buf_init(1024), answer;
    uint64_t offset;

    pl_buf_printf(&body, "{\"channel\":\"%s\",\"data\":{\"n\":%" PRIu64 "}}", channel_names[channel], r->n_publishes++);
    answer = call(r, "publish", pl_buf_slice(&body));
    offset = number_in(r, &answer, "\"offset\":");
    if (offset <= r->top[channel]) /* clients publish too, so it may be more than the next */
        failed(r, "a publish got an offset that was there before", offset, r->top[channel]);
    r->top[channel] = offset;
    pl_buf_fini(&body);
    pl_buf_fini(&answer);
}

/* The backend orders something about a channel, or all connections: the clients are all anonymous. */
static void order(struct run *r)
{
    static const char *const orders[][2] = {
        { "unsubscribe", "{\"user\":\"\",\"channel\":\"%s\",\"client\":\"%s\"}" },
        /* a channel of its own: in one where the client is itself, it would be told another position and then be refused */
        { "subscribe", "{\"user\":\"\",\"channel\":\"rec:srv%.0s\",\"client\":\"%s\"}" },
        { "disconnect", "{\"user\":\"\",\"session\":\"\",\"disconnect\":{\"code\":4000,\"reason\":\"%.0sgo\"},\"client\":\"%s\"}" },
        { "disconnect", "{\"user\":\"\",\"disconnect\":{\"code\":3503,\"reason\":\"%.0sbye\"},\"client\":\"%s\"}" },
        { "presence", "{\"channel\":\"%s\",\"x\":\"%s\"}" },
        { "broadcast", "{\"channels\":[\"%s\",\"rec:bb\"],\"data\":\"%s\"}" },
    };
    const char *const *o = orders[sim_rnd(r->sim, sizeof orders / sizeof orders[0])];
    unsigned channel = (unsigned)sim_rnd(r->sim, CHANNELS);
    const struct watcher *w = &r->watchers[channel];
    struct pl_buf body = pl_buf_init(1024), answer;

    if (w->n < 2)
        return;
    /* one of those booked, but never the watcher itself, who was there first and stays in front */
    pl_buf_printf(&body, o[1], channel_names[channel], w->there[1 + sim_rnd(r->sim, w->n - 1)]);
    answer = call(r, o[0], pl_buf_slice(&body));
    r->n_orders++;
    pl_buf_fini(&body);
    pl_buf_fini(&answer);
}

/* ---- the server, and its successor ---- */

static struct pl_server *server_new(struct run *r)
{
    struct pl_server_opts opts = { .world = sim_world(r->sim), .config = r->config, .n_shards = 1 + (unsigned)sim_rnd(r->sim, 4) };
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
    r->n_slow += (uint64_t)pl_metrics_sum(pl_server_node(old)->metrics, PL_M_QUEUE_FULL);
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

/* ---- what clients do ---- */

/* Leaves a channel or comes back to it, with its position or as a stranger. */
static void come_or_go(struct run *r, struct seat *s)
{
    struct place *p = &s->places[sim_rnd(r->sim, CHANNELS)];

    if (p->sub.state != PL_CLIENT_SUB_OFF) {
        pl_client_unsubscribe(&s->client, &p->sub);
        if (sim_rnd(r->sim, 3) != 0)
            return; /* back later; else at once, in the same breath */
    }
    pl_client_unsubscribe(&s->client, &p->sub); /* one that the server ended is registered still */
    if (sim_rnd(r->sim, 4) == 0) {
        pl_client_sub_fini(&p->sub);
        p->sub.epoch = NULL;
        p->sub.offset = 0;
        p->has_position = false;
    }
    pl_client_subscribe(&s->client, &p->sub, now_of(r));
}

static void client_publishes(struct run *r, struct seat *s)
{
    char text[160];

    if (s->client.state != PL_CLIENT_CONNECTED || pl_client_is_over(&s->client))
        return;
    (void)snprintf(text, sizeof text, "{\"id\":4000000000,\"publish\":{\"channel\":\"%s\",\"data\":\"mine\"}}",
                   channel_names[sim_rnd(r->sim, CHANNELS)]);
    watcher_frame(&s->client.out, pl_slice_str(text));
}

static void step(struct run *r)
{
    struct seat *s = &r->seats[sim_rnd(r->sim, CLIENTS)];

    switch (sim_rnd(r->sim, 20)) {
    case 0: case 1: cut(r, s); break;
    case 2:
        if (sim_rnd(r->sim, 4) == 0) {
            settle(r); /* a fresh node's presence and the watchers' books begin alike */
            move_node(r);
        }
        break;
    case 3: pass(r, 1 + sim_rnd(r->sim, 4000)); break;
    case 4: case 5: (void)pump(s); break;
    case 6: settle(r); break;
    case 7: /* a burst longer than the history: some clients must be told */
        for (uint64_t n = sim_rnd(r->sim, 60); n > 0; n--)
            publish(r);
        break;
    case 8: case 9: case 10: come_or_go(r, s); break;
    case 11: case 12: client_publishes(r, s); break;
    case 13: order(r); break;
    case 14: s->slow_until_ms = now_of(r) + sim_rnd(r->sim, 20000); break;
    case 15:
        if (s->client.state == PL_CLIENT_ENDED) /* by a final code */
            pl_client_start(&s->client, now_of(r));
        break;
    default: publish(r); break;
    }
}

/* Everybody comes back to every channel and has time for it. All connections begin anew: a client that heard "unsubscribe" while its next
 * subscribe was on its way holds itself for unsubscribed, and the server does not (the protocol cannot tell the two apart). */
static void make_peace(struct run *r)
{
    struct pl_buf body = pl_buf_init(1024), answer;

    for (int i = 0; i < CLIENTS; i++)
        r->seats[i].slow_until_ms = 0;
    settle(r); /* what was said to them they have heard */
    pl_buf_printf(&body, "{\"user\":\"\",\"disconnect\":{\"code\":4000,\"reason\":\"peace\"},\"whitelist\":[\"%s\",\"%s\",\"%s\"]}",
                  r->watchers[0].there[0], r->watchers[1].there[0], r->watchers[2].there[0]);
    answer = call(r, "disconnect", pl_buf_slice(&body));
    pl_buf_fini(&body);
    pl_buf_fini(&answer);
    settle(r);
    for (int i = 0; i < CLIENTS; i++) {
        struct seat *s = &r->seats[i];

        for (int k = 0; k < CHANNELS; k++) {
            if (s->places[k].sub.state != PL_CLIENT_SUB_OFF)
                continue;
            pl_client_unsubscribe(&s->client, &s->places[k].sub);
            pl_client_subscribe(&s->client, &s->places[k].sub, now_of(r));
        }
        if (s->client.state == PL_CLIENT_ENDED)
            pl_client_start(&s->client, now_of(r));
    }
}

static void check_quiet(struct run *r)
{
    for (int k = 0; k < CHANNELS; k++) {
        uint64_t top = ask_number(r, "history", k, "\"offset\":"), there = ask_number(r, "presence_stats", k, "\"num_clients\":");

        if (r->watchers[k].n != there || there != CLIENTS + 1)
            failed(r, "joins and leaves and presence do not agree", r->watchers[k].n, there);
        for (int i = 0; i < CLIENTS; i++) {
            const struct seat *s = &r->seats[i];

            if (s->client.state != PL_CLIENT_CONNECTED || s->places[k].sub.state != PL_CLIENT_SUB_ON)
                failed(r, "a client did not come back", (uint64_t)i, s->client.state);
            if (s->places[k].last != top)
                failed(r, "a client is not caught up", s->places[k].last, top);
        }
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
    for (int i = 0; i < CHANNELS; i++)
        watcher_open(&r->watchers[i], r->sim, channel_names[i]);
    for (int i = 0; i < CLIENTS; i++) {
        struct seat *s = &r->seats[i];

        s->run = r;
        s->sock = -1;
        pl_client_init(&s->client, &setup, pl_slice("", 0), (struct pl_hash_key){ seed, (uint64_t)i });
        s->client.user = s;
        for (int k = 0; k < CHANNELS; k++) {
            s->places[k].sub.channel = pl_slice_str(channel_names[k]);
            s->places[k].sub.is_recoverable = true;
            if (k == i % CHANNELS)
                pl_client_subscribe(&s->client, &s->places[k].sub, now_of(r));
        }
        pl_client_start(&s->client, now_of(r));
    }
    for (int i = 0; i < steps; i++)
        step(r);
    make_peace(r);
    pass(r, 120000); /* more than any backoff, ping and timeout together */
    check_quiet(r);
    for (int i = 0; i < CLIENTS; i++) {
        sums[3] += r->seats[i].n_seen;
        sums[4] += r->seats[i].n_told;
    }
    sums[0] += r->n_publishes;
    sums[1] += r->n_cuts;
    sums[2] += r->n_moves;
    sums[5] += r->n_orders;
    sums[6] += r->n_slow + (uint64_t)pl_metrics_sum(pl_server_node(r->server)->metrics, PL_M_QUEUE_FULL);
    for (int i = 0; i < CLIENTS; i++) {
        pl_client_fini(&r->seats[i].client);
        if (r->seats[i].sock >= 0)
            sim_close(r->sim, r->seats[i].sock);
        for (int k = 0; k < CHANNELS; k++)
            pl_str_unref(&r->seats[i].places[k].sub.epoch);
    }
    if (r->api >= 0)
        sim_close(r->sim, r->api);
    sim_run(r->sim);
    for (int k = 0; k < CHANNELS; k++) {
        (void)watcher_pump(&r->watchers[k]);
        if (r->watchers[k].wrong != NULL || r->watchers[k].n != 1)
            failed(r, "somebody who has gone did not leave", (uint64_t)k, r->watchers[k].n);
        watcher_close(&r->watchers[k]);
    }
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
    uint64_t seed = 1, runs = 20, sums[7] = { 0 };
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
           " moves to a fresh node, %" PRIu64 " orders by the backend, %" PRIu64 " too slow, %" PRIu64 " deliveries, %" PRIu64
           " times told of a gap, nothing lost\n", runs, seed, sums[0], sums[1], sums[2], sums[5], sums[6], sums[3], sums[4]);
    return 0;
}
