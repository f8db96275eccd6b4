/* tests/sim/sim_ping.c - 10,000 clients connect at once on virtual time; the pings of each later second of an interval must be even:
 * max over mean below 1.2. Prints the figure. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/load.h"
#include "server/server.h"
#include "tests/sim/world_sim.h"

enum { CLIENTS = 10000, INTERVAL_S = 25, ROUNDS = 3, LEAD_S = 5 };

static const char config_text[] = "{\"http_server\":{\"address\":\"127.0.0.1\",\"port\":8000},"
                                  "\"client\":{\"allow_anonymous_connect_without_token\":true,\"pong_timeout\":\"8s\"}}";
static const char hello[] = "GET /connection/websocket HTTP/1.1\r\nHost: sim\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                            "\x81\x95\0\0\0\0{\"id\":1,\"connect\":{}}";
static const char pong[] = "\x81\x82\0\0\0\0{}";

static int socks[CLIENTS];

/* Counts pings (an unmasked text frame of "{}") and answers each. */
static unsigned collect(struct sim *sim)
{
    unsigned n = 0;

    for (int i = 0; i < CLIENTS; i++) {
        struct pl_buf in = pl_buf_init(65536);

        if (!sim_recv(sim, socks[i], &in)) {
            fprintf(stderr, "sim_ping: client %d was closed\n", i);
            exit(1);
        }
        if (in.len >= 4 && memcmp(in.p + in.len - 4, "\x81\x02{}", 4) == 0) {
            n++;
            PL_ASSERT(sim_send(sim, socks[i], pong, sizeof pong - 1) == sizeof pong - 1);
        }
        pl_buf_fini(&in);
    }
    return n;
}

int main(int argc, char **argv)
{
    struct sim_opts opts = { .seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1 };
    struct pl_config_input in = { .text = pl_slice_str(config_text), .file = "sim.json" };
    struct pl_config_report report = { 0 };
    struct pl_buf err_text = pl_buf_init(4096);
    struct sim *sim = sim_new(opts);
    struct pl_server_opts server_opts = { .world = sim_world(sim), .n_shards = 2 };
    struct pl_config *config;
    struct pl_server *server;
    double worst = 0;

    PL_ASSERT(pl_config_load(&in, &config, &report) == PL_OK);
    pl_config_report_fini(&report);
    server_opts.config = config;
    PL_ASSERT(pl_server_new(&server_opts, &server, &err_text) == PL_OK);
    sim_add(sim, pl_server_node(server));
    for (int i = 0; i < CLIENTS; i++) {
        socks[i] = sim_connect(sim, "127.0.0.1:8000", NULL);
        PL_ASSERT(socks[i] >= 0 && sim_send(sim, socks[i], hello, sizeof hello - 1) == sizeof hello - 1);
        if (i % 100 == 99)
            sim_run(sim);
    }
    PL_ASSERT(collect(sim) == 0); /* the replies to connect, and no ping yet */
    for (int s = 0; s < LEAD_S; s++)
        sim_advance(sim, 1000);
    (void)collect(sim);
    for (int round = 0; round < ROUNDS; round++) {
        unsigned max = 0, sum = 0;

        for (int s = 0; s < INTERVAL_S; s++) {
            unsigned n;

            sim_advance(sim, 1000);
            n = collect(sim);
            sum += n;
            max = n > max ? n : max;
        }
        if ((double)max * INTERVAL_S / sum > worst)
            worst = (double)max * INTERVAL_S / sum;
    }
    printf("sim_ping: %d clients, %d s interval: max/mean of pings a second %.3f\n", CLIENTS, INTERVAL_S, worst);
    for (int i = 0; i < CLIENTS; i++)
        sim_close(sim, socks[i]);
    sim_run(sim);
    sim_remove(sim, pl_server_node(server));
    pl_server_free(&server);
    pl_config_free(&config);
    pl_buf_fini(&err_text);
    sim_free(&sim);
    return worst < 1.2 ? 0 : 1;
}
