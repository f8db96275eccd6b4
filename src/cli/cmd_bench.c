/* peal bench SCENARIO - load on a running server, and what it cost there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/cmd.h"
#include "cli/flags.h"

static const struct scenario {
    const char *name;
    bool (*run)(struct bench *b);
    uint32_t clients, connections;
    bool is_recoverable;
    const char *text;
} scenarios[] = {
    { "idle",    bench_idle,       1000, 1, false, "clients connect, subscribe and wait: memory and CPU per client" },
    { "fanout",  bench_fanout,     1000, 1, false, "messages to all subscribers, --burst at a time: CPU per delivery" },
    { "storm",   bench_storm,      1000, 1, true,  "all are cut off, --missed messages pass, all return and recover" },
    { "publish", bench_publishing, 0,    4, false, "HTTP API: --connections, --depth requests under way: CPU per publish" },
    { "latency", bench_latency,    100,  1, false, "--rate publishes/s for --seconds: P50, P95, P99 to receipt" },
    { "churn",   bench_churn,      500,  1, false, "connect, subscribe, leave, --cycles times: memory must come back" },
};

static const char about[] =
    "Scenarios:\n"
    "  idle      clients connect, subscribe and wait: memory and CPU per client (1000 clients)\n"
    "  fanout    messages to all subscribers, --burst at a time: CPU per delivery (1000)\n"
    "  storm     all are cut off, --missed messages pass, all return and recover (1000; --recoverable is on)\n"
    "  publish   HTTP API, --connections (4) with --depth requests under way: CPU per publish (0)\n"
    "  latency   --rate publishes/s for --seconds: P50, P95, P99 from publish to receipt (100)\n"
    "  churn     connect, subscribe, leave, --cycles times: memory must come back (500)\n\n"
    "The server's CPU and memory are read from /proc when --pid is given. Deliveries are counted and their order checked;\n"
    "with --log a history is written for `peal check history`. Exit code 0: everything arrived; 1: not; 2: usage.";

int pl_cmd_bench(int argc, char **argv)
{
    struct bench_opts o = { .url = "ws://127.0.0.1:8000/connection/websocket", .channel = "bench", .channels = 1,
                            .messages = 200, .size = 128, .burst = 1, .depth = 16, .rate = 100, .cycles = 100000, .missed = 10,
                            .warmup = 16, .timeout_s = 15, .seconds = 3, .clients = UINT32_MAX, .connections = UINT32_MAX };
    const struct pl_flag flags[] = {
        { "--url", 'u', PL_FLAG_TEXT, &o.url, 0, 0, "URL", "WebSocket endpoint" },
        { "--api-url", 0, PL_FLAG_TEXT, &o.api_url, 0, 0, "URL", "HTTP API, default http://HOST/api" },
        { "--key", 'k', PL_FLAG_TEXT, &o.key, 0, 0, "KEY", "API key" },
        { "--secret", 0, PL_FLAG_TEXT, &o.secret, 0, 0, "S", "HS256 secret: each client gets its own token; else anonymous" },
        { "--pid", 'p', PL_FLAG_U32, &o.pid, 1, INT32_MAX, "PID", "the server's process, for its CPU and memory" },
        { "--clients", 'c', PL_FLAG_U32, &o.clients, 0, 1000000, "N", "" },
        { "--channel", 0, PL_FLAG_TEXT, &o.channel, 0, 0, "NAME", "" },
        { "--channels", 0, PL_FLAG_U32, &o.channels, 1, 1000000, "N", "clients take NAME-0 .. NAME-<N-1> in turn" },
        { "--messages", 'n', PL_FLAG_U32, &o.messages, 1, 100000000, "N", "measured publishes" },
        { "--warmup", 0, PL_FLAG_U32, &o.warmup, 0, 1000000, "N", "publishes before measuring" },
        { "--size", 's', PL_FLAG_U32, &o.size, BENCH_DATA_MIN, BENCH_DATA_MAX, "B", "bytes of data in a message" },
        { "--burst", 0, PL_FLAG_U32, &o.burst, 1, 1000, "N", "fanout: messages published at once" },
        { "--connections", 0, PL_FLAG_U32, &o.connections, 1, 1000, "N", "publish: connections to the API" },
        { "--depth", 0, PL_FLAG_U32, &o.depth, 1, 1000, "N", "publish: requests under way on each connection" },
        { "--rate", 'r', PL_FLAG_U32, &o.rate, 1, 1000000, "N", "latency: publishes/s; storm: ms of first backoff" },
        { "--seconds", 0, PL_FLAG_SECONDS, &o.seconds, 0, 86400, "S", "latency: duration; idle: how long to stay" },
        { "--missed", 0, PL_FLAG_U32, &o.missed, 0, 100000, "N", "storm: messages published while all are away" },
        { "--cycles", 0, PL_FLAG_U32, &o.cycles, 1, 100000000, "N", "churn: how often" },
        { "--recoverable", 0, PL_FLAG_BOOL, &o.is_recoverable, 0, 0, NULL, "ask for positions and recovery" },
        { "--timeout", 0, PL_FLAG_U32, &o.timeout_s, 1, 3600, "S", "without progress" },
        { "--log", 0, PL_FLAG_TEXT, &o.log, 0, 0, "FILE", "history log for `peal check history`" },
        { "--json", 0, PL_FLAG_BOOL, &o.is_json, 0, 0, NULL, "one JSON object instead of text" },
    };
    const struct pl_flag_set set = { "peal bench SCENARIO [flags]", about, flags, sizeof flags / sizeof flags[0] };
    const struct scenario *s = NULL;
    struct bench *b;
    bool is_ok;
    int n;

    switch (pl_flags_parse(&set, argc, argv, &n)) {
    case PL_FLAGS_HELP: return PL_EXIT_OK;
    case PL_FLAGS_BAD: return PL_EXIT_USAGE;
    case PL_FLAGS_OK: break;
    }
    for (size_t i = 0; n == 1 && i < sizeof scenarios / sizeof scenarios[0]; i++)
        if (strcmp(argv[1], scenarios[i].name) == 0)
            s = &scenarios[i];
    if (s == NULL) {
        fprintf(stderr, "peal: which scenario? idle, fanout, storm, publish, latency or churn (--help tells more)\n");
        return PL_EXIT_USAGE;
    }
    o.clients = o.clients == UINT32_MAX ? s->clients : o.clients;
    o.connections = o.connections == UINT32_MAX ? s->connections : o.connections;
    o.is_recoverable = o.is_recoverable || s->is_recoverable;
    b = malloc(sizeof *b);
    if (b == NULL)
        return PL_EXIT_FAILED;
    is_ok = bench_init(b, &o) && s->run(b);
    bench_end_log(b);
    if (o.is_json)
        printf("{\"scenario\":\"%s\",\"ok\":%s%s%.*s}\n", s->name, is_ok ? "true" : "false", b->has_fields ? "," : "",
               (int)b->report.len, (const char *)b->report.p);
    else
        printf("%s: %s\n%.*s", s->name, is_ok ? "ok" : "FAILED", (int)b->report.len, (const char *)b->report.p);
    bench_fini(b);
    free(b);
    return is_ok ? PL_EXIT_OK : PL_EXIT_FAILED;
}
