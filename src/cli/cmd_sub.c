/* peal sub - prints what is published into channels, one JSON object a line; reconnects and recovers. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/list.h"
#include "cli/cmd.h"
#include "cli/flags.h"
#include "codec/json_write.h"
#include "lib/load.h"
#include "lib/target.h"

enum { CHANNELS_MAX = 128 }; /* a server's default limit */

struct sub_opts {
    const char *url, *token;
    uint32_t count;
    bool is_quiet, no_recover;
};

struct printer {
    const struct sub_opts *o;
    struct pl_load_client client;
    struct pl_client_sub subs[CHANNELS_MAX];
    struct pl_buf line;
    uint64_t n_printed;
    uint32_t n_off, n_subs;
    bool is_failed;
};

static struct printer *of(struct pl_client *c)
{
    return PL_OF(c, struct printer, client.core);
}

__attribute__((format(printf, 2, 3)))
static void note(struct printer *p, const char *fmt, ...)
{
    va_list ap;

    if (p->o->is_quiet)
        return;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
}

static void on_connected(struct pl_client *c, struct pl_slice client_id)
{
    note(of(c), "connected as %.*s\n", PL_FMT(client_id));
}

static void on_disconnected(struct pl_client *c, uint32_t code, struct pl_slice reason)
{
    struct printer *p = of(c);

    note(p, "disconnected: %" PRIu32 " %.*s\n", code, PL_FMT(reason));
    if (c->state == PL_CLIENT_ENDED) {
        fprintf(stderr, "peal: the server does not want this client: %" PRIu32 " %.*s\n", code, PL_FMT(reason));
        p->is_failed = true;
    }
}

static void on_subscribed(struct pl_client *c, struct pl_client_sub *s, const struct pl_client_subscribed *how)
{
    struct printer *p = of(c);

    note(p, "subscribed to %.*s%s\n", PL_FMT(s->channel), how->was_recovering && how->recovered ? ", nothing missed" : "");
    if (how->was_recovering && !how->recovered)
        fprintf(stderr, "peal: %.*s: messages from offset %" PRIu64 " on may be missing\n", PL_FMT(s->channel), how->missed_from);
}

static void on_unsubscribed(struct pl_client *c, struct pl_client_sub *s, uint32_t code, struct pl_slice reason)
{
    struct printer *p = of(c);

    if (s->state != PL_CLIENT_SUB_OFF) {
        note(p, "%.*s: asking again after %" PRIu32 " %.*s\n", PL_FMT(s->channel), code, PL_FMT(reason));
        return;
    }
    fprintf(stderr, "peal: %.*s: %" PRIu32 " %.*s\n", PL_FMT(s->channel), code, PL_FMT(reason));
    p->n_off++;
    p->is_failed = p->n_off == p->n_subs;
}

static void on_publication(struct pl_client *c, struct pl_client_sub *s, const struct pl_reply_pub *pub)
{
    struct printer *p = of(c);

    if (p->o->count != 0 && p->n_printed >= p->o->count)
        return;
    pl_buf_clear(&p->line);
    PL_BUF_LIT(&p->line, "{\"channel\":");
    pl_json_put_str(&p->line, s->channel);
    if (pub->offset != 0) {
        PL_BUF_LIT(&p->line, ",\"offset\":");
        pl_buf_u64(&p->line, pub->offset);
    }
    PL_BUF_LIT(&p->line, ",\"data\":");
    if (pub->data.len > 0)
        pl_json_put_raw(&p->line, pub->data);
    else
        PL_BUF_LIT(&p->line, "null");
    PL_BUF_LIT(&p->line, "}\n");
    if (fwrite(p->line.p, p->line.len, 1, stdout) != 1 || fflush(stdout) != 0)
        p->is_failed = true; /* the reader has gone */
    p->n_printed++;
}

static const struct pl_client_ops sub_ops = { on_connected, on_disconnected, on_subscribed, on_unsubscribed, on_publication };

static bool was_interrupted(const sigset_t *set)
{
    return sigtimedwait(set, NULL, &(struct timespec){ 0, 0 }) > 0;
}

static int listen_on(struct printer *p, const struct pl_target *t)
{
    struct pl_client_setup setup = pl_client_setup_default(&sub_ops);
    struct pl_load load;
    sigset_t set;

    setup.host = pl_slice_str(t->host);
    setup.target = pl_slice_str(t->path);
    setup.name = PL_LIT("peal-sub");
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (pl_load_init(&load, pl_world_linux(), t->at, NULL) != PL_OK
        || pl_load_add(&load, &p->client, &setup, pl_slice_str(p->o->token)) != PL_OK) {
        fprintf(stderr, "peal: out of memory\n");
        return PL_EXIT_FAILED;
    }
    for (uint32_t i = 0; i < p->n_subs; i++)
        pl_client_subscribe(&p->client.core, &p->subs[i], pl_load_now_ms(&load));
    while (!p->is_failed && (p->o->count == 0 || p->n_printed < p->o->count) && !was_interrupted(&set))
        pl_load_step(&load, 100);
    pl_load_remove(&load, &p->client, false);
    pl_load_fini(&load);
    return p->is_failed ? PL_EXIT_FAILED : PL_EXIT_OK;
}

int pl_cmd_sub(int argc, char **argv)
{
    struct sub_opts o = { .url = "ws://127.0.0.1:8000/connection/websocket", .token = getenv("PEAL_TOKEN") };
    const struct pl_flag flags[] = {
        { "--url", 'u', PL_FLAG_TEXT, &o.url, 0, 0, "URL", "WebSocket endpoint" },
        { "--token", 't', PL_FLAG_TEXT, &o.token, 0, 0, "T", "connection token; better in the environment as PEAL_TOKEN" },
        { "--count", 'n', PL_FLAG_U32, &o.count, 0, UINT32_MAX, "N", "leave after so many messages; 0: never" },
        { "--no-recover", 0, PL_FLAG_BOOL, &o.no_recover, 0, 0, NULL, "do not ask for what was missed while away" },
        { "--quiet", 'q', PL_FLAG_BOOL, &o.is_quiet, 0, 0, NULL, "no notes about the connection on stderr" },
    };
    const struct pl_flag_set set = { "peal sub [flags] CHANNEL...",
        "Prints what is published, one JSON object a line: channel, offset (where there is history), data. Reconnects after\n"
        "min(2^n, 30) s + 0..30 % and recovers what was missed; what cannot be recovered is told on stderr.\n"
        "Exit code 0: --count reached, or interrupted; 1: refused by the server; 2: usage.", flags, sizeof flags / sizeof flags[0] };
    struct printer *p;
    struct pl_target t;
    const char *why;
    int n, code;

    switch (pl_flags_parse(&set, argc, argv, &n)) {
    case PL_FLAGS_HELP: return PL_EXIT_OK;
    case PL_FLAGS_BAD: return PL_EXIT_USAGE;
    case PL_FLAGS_OK: break;
    }
    if (n < 1 || n > CHANNELS_MAX) {
        fprintf(stderr, "peal: 1 to %d channels are wanted\nusage: %s\n", CHANNELS_MAX, set.usage);
        return PL_EXIT_USAGE;
    }
    for (int i = 1; i <= n; i++)
        for (int j = i + 1; j <= n; j++)
            if (strcmp(argv[i], argv[j]) == 0) {
                fprintf(stderr, "peal: channel given twice: %s\n", argv[i]);
                return PL_EXIT_USAGE;
            }
    if (pl_target_parse(o.url, "ws", "/connection/websocket", &t, &why) != PL_OK || t.is_tls) {
        fprintf(stderr, "peal: --url %s: %s\n", o.url, why != NULL ? why : "TLS is not supported here yet, use ws://");
        return PL_EXIT_USAGE;
    }
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return PL_EXIT_FAILED;
    p->o = &o;
    p->n_subs = (uint32_t)n;
    p->line = pl_buf_init(4 << 20);
    for (int i = 0; i < n; i++)
        p->subs[i] = (struct pl_client_sub){ .channel = pl_slice_str(argv[i + 1]), .is_recoverable = !o.no_recover };
    code = listen_on(p, &t);
    pl_buf_fini(&p->line);
    free(p);
    return code;
}
