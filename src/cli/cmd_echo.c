/* peal echo --port N - a WebSocket endpoint at / that sends every message back (the Autobahn suite's counterpart). */
#include <signal.h>
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/flags.h"
#include "metrics/metrics.h"
#include "transport/echo.h"
#include "transport/ws_conn.h"

enum { ECHO_HEAD_MS = 10000, ECHO_IDLE_MS = 75000, ECHO_METHODS = 0xffff };

/* Signals end the process; nothing is worth saving here. */
static int run(const char *host, uint32_t port)
{
    struct pl_world *world = pl_world_linux();
    struct pl_node *node = pl_node_new(world, 1);
    struct pl_shard *shard = node->shards[0];
    struct pl_buf why = pl_buf_init(1024);
    struct pl_router *router = pl_router_new();
    const struct pl_route route = { .path = "/", .methods = ECHO_METHODS, .listeners = PL_LISTEN_EXTERNAL,
                                    .ops = &pl_echo_route_ops };
    const struct pl_http_opts http = { .router = router, .max_head_bytes = 16384, .head_timeout_ms = ECHO_HEAD_MS,
                                       .body_timeout_ms = ECHO_HEAD_MS, .idle_timeout_ms = ECHO_IDLE_MS };
    struct pl_listen_opts listen = { .name = "echo", .mask = PL_LISTEN_EXTERNAL, .on_accept = pl_http_on_accept };
    struct pl_listener *listener = NULL;
    char at[128], shown[PL_ADDR_TEXT];
    enum pl_err err;

    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail for a signal that exists */
    node->metrics = pl_metrics_new(1);
    if (node->metrics == NULL)
        return PL_EXIT_FAILED;
    shard->cells = pl_metrics_cells(node->metrics, 0);
    pl_net_init(shard);
    err = pl_router_add(router, &route);
    if (err == PL_OK) {
        pl_http_init(node, &http);
        (void)snprintf(at, sizeof at, "%s:%u", host, port); /* too long a host fails to listen */
        listen.at = at;
        err = pl_net_listen(node, &listen, &listener, &why);
    }
    if (err != PL_OK) {
        fprintf(stderr, "peal echo: %.*s\n", PL_FMT(pl_buf_slice(&why)));
        return PL_EXIT_FAILED;
    }
    pl_addr_text(&listener->addr, true, shown);
    printf("peal echo: ws://%s/\n", shown);
    (void)fflush(stdout); /* whoever started us may be gone; we serve anyway */
    pl_shard_run(shard);
    return PL_EXIT_OK;
}

int pl_cmd_echo(int argc, char **argv)
{
    const char *host = "127.0.0.1";
    uint32_t port = 9001;
    const struct pl_flag flags[] = {
        { "--port", 'p', PL_FLAG_U32, &port, 0, 65535, "N", "port to listen on; 0: a free one" },
        { "--host", 0, PL_FLAG_TEXT, &host, 0, 0, "ADDRESS", "address to listen on" },
    };
    const struct pl_flag_set set = { "peal echo [flags]", "A WebSocket endpoint at / that sends every message back, up to 16 MiB.",
                                     flags, sizeof flags / sizeof flags[0] };
    int n = 0;

    switch (pl_flags_parse(&set, argc, argv, &n)) {
    case PL_FLAGS_HELP:
        return PL_EXIT_OK;
    case PL_FLAGS_BAD:
        return PL_EXIT_USAGE;
    case PL_FLAGS_OK:
        break;
    }
    if (n > 0) {
        fprintf(stderr, "peal echo: unexpected word \"%s\"\n", argv[1]);
        return PL_EXIT_USAGE;
    }
    return run(host, port);
}
