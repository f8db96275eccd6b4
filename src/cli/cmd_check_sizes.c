/* peal check --sizes - what the objects of one connection cost (budgets: design.md 5). */
#include <stdio.h>

#include "cli/cmd.h"
#include "hub/hub.h"
#include "net/conn.h"
#include "session/sess.h"
#include "transport/ws_conn.h"

#define ROW(type, text) { #type, sizeof(struct type), text }

int pl_cmd_check_sizes(int argc, char **argv)
{
    static const struct { const char *name; size_t bytes; const char *text; } rows[] = {
        ROW(pl_conn, "a connection: socket, poller, timer, unread tail"),
        ROW(pl_wsc, "its WebSocket: frames, deflate, close handshake"),
        ROW(pl_sess, "its session: client, user, limits, output queue"),
        ROW(pl_sub, "one subscription of a session"),
    };

    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "peal check --sizes: takes no arguments\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        printf("%-8s %5zu bytes  %s\n", rows[i].name, rows[i].bytes, rows[i].text);
    printf("together %zu bytes without the subscription\n", sizeof(struct pl_conn) + sizeof(struct pl_wsc) + sizeof(struct pl_sess));
    return 0;
}
