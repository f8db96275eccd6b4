/* tests/sim/simwire.c - a whole server on virtual time, driven line by line, and scripts played with cuts.
 *
 *   simwire --interactive CONFIG [--seed N]      the conversation that tests/wire/resolve.py describes
 *   simwire [--mode whole|split|record|bytes] [--slice I/N] [--seed N] FILE.sim ...
 *       whole   each script as it is, compared with its own expect lines
 *       split   once for each byte of each send, with that send cut in two there (the default)
 *       record  the same, and at the cut the node is written down and a fresh one goes on
 *       bytes   two runs a script: all sends byte by byte; and again with a record after every byte
 *   A cut run's output, connection by connection, must be that of the whole run. --slice plays cut k only if k % N == I. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "config/load.h"
#include "server/server.h"
#include "tests/sim/world_sim.h"

enum { MAX_CONNS = 64, MAX_STEPS = 4096, OUT_LIMIT = 64 << 20 };

/* ---- a server on the simulator, and its clients ---- */

struct client {
    char name[64];
    int sock;
    struct pl_buf out; /* all that came, ever */
    size_t n_told;     /* of it, shown by recv already */
    bool is_open;
};

struct player {
    struct sim *sim;
    const struct pl_config *cfg;
    struct pl_server *server;
    struct client clients[MAX_CONNS];
    size_t n_clients;
    uint64_t first_entropy; /* what the first node was made of */
    char error[512];
};

static bool wrong(struct player *p, const char *what, const char *detail)
{
    snprintf(p->error, sizeof p->error, "%s%s%s", what, detail[0] != '\0' ? ": " : "", detail);
    return false;
}

static bool server_start(struct player *p)
{
    struct pl_server_opts opts = { .world = sim_world(p->sim), .config = p->cfg, .n_shards = 1 };
    struct pl_buf why = pl_buf_init(2000);
    bool ok = pl_server_new(&opts, &p->server, &why) == PL_OK;

    if (ok) {
        sim_add(p->sim, pl_server_node(p->server));
    } else {
        pl_buf_byte(&why, 0);
        wrong(p, "the server does not start", why.p != NULL ? (const char *)why.p : "");
    }
    pl_buf_fini(&why);
    return ok;
}

static void server_stop(struct player *p)
{
    if (p->server == NULL)
        return;
    sim_remove(p->sim, pl_server_node(p->server));
    pl_server_free(&p->server);
}

static bool player_init(struct player *p, const struct pl_config *cfg, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    p->sim = sim_new((struct sim_opts){ .seed = seed });
    p->cfg = cfg;
    p->first_entropy = sim_entropy(p->sim);
    if (!server_start(p))
        return false;
    sim_run(p->sim);
    return true;
}

static void player_fini(struct player *p)
{
    server_stop(p);
    for (size_t i = 0; i < p->n_clients; i++)
        pl_buf_fini(&p->clients[i].out);
    sim_free(&p->sim);
}

static int same_sock(void *arg, int sock)
{
    (void)arg;
    return sock; /* the world keeps its sockets, whichever node has them */
}

/* Freezes the node and goes on in a fresh one. What is random about a node (keys, the spreading of pings) is the same again, and the
 * entropy stream goes on where it was, or every id would differ from those of a run without. */
static bool player_save(struct player *p)
{
    struct pl_buf rec = pl_buf_init(OUT_LIMIT);
    uint64_t entropy = sim_entropy(p->sim);
    bool ok = false;

    if (pl_server_save(p->server, &rec) != PL_OK) {
        wrong(p, "the node could not be written down", "");
    } else {
        server_stop(p);
        sim_entropy_set(p->sim, p->first_entropy);
        if (server_start(p)) {
            enum pl_err err = pl_server_load(p->server, pl_buf_slice(&rec), same_sock, NULL);

            ok = err == PL_OK || wrong(p, "the record was refused", pl_err_text(err));
        }
    }
    pl_buf_fini(&rec);
    sim_entropy_set(p->sim, entropy);
    if (ok)
        sim_run(p->sim);
    return ok;
}

static struct client *client_named(struct player *p, const char *name)
{
    for (size_t i = 0; i < p->n_clients; i++)
        if (strcmp(p->clients[i].name, name) == 0)
            return &p->clients[i];
    return NULL;
}

static void drain_all(struct player *p)
{
    for (size_t i = 0; i < p->n_clients; i++)
        if (p->clients[i].is_open)
            p->clients[i].is_open = sim_recv(p->sim, p->clients[i].sock, &p->clients[i].out);
}

/* Until nothing moves: what the client takes makes room for what the server still has. */
static void settle(struct player *p)
{
    size_t before, after = 0;

    do {
        before = after;
        sim_run(p->sim);
        drain_all(p);
        after = 0;
        for (size_t i = 0; i < p->n_clients; i++)
            after += p->clients[i].out.len;
    } while (after != before);
}

static bool player_open(struct player *p, const char *name, bool internal)
{
    char at[PL_ADDR_TEXT];
    struct client *c;

    pl_server_address(p->server, internal, at);
    if (at[0] == '\0')
        return wrong(p, "there is no such listener", internal ? "INT" : "EXT");
    if (p->n_clients == MAX_CONNS || client_named(p, name) != NULL)
        return wrong(p, "too many connections, or the name is taken", name);
    c = &p->clients[p->n_clients];
    c->sock = sim_connect(p->sim, at, NULL);
    if (c->sock < 0)
        return wrong(p, "nobody listens on", at);
    p->n_clients++;
    snprintf(c->name, sizeof c->name, "%s", name);
    c->out = pl_buf_init(OUT_LIMIT);
    c->is_open = true;
    settle(p);
    return true;
}

static void player_send(struct player *p, struct client *c, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        size_t sent = sim_send(p->sim, c->sock, bytes, n);

        settle(p);
        if (sent == 0 && (sent = sim_send(p->sim, c->sock, bytes, n)) == 0)
            return; /* gone, or it does not read any more */
        bytes += sent;
        n -= sent;
    }
    settle(p);
}

static void player_advance(struct player *p, uint64_t ms)
{
    sim_advance(p->sim, ms);
    settle(p);
}

/* ---- steps ---- */

enum verb { V_OPEN, V_SEND, V_EOF, V_ADVANCE, V_SAVE, V_EXPECT };

struct step {
    enum verb verb;
    char name[64];
    bool flag;          /* open: internal; expect: closed */
    uint64_t ms;
    uint8_t *bytes;     /* owned; send, expect */
    size_t n;
};

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool from_hex(const char *hex, uint8_t **ret, size_t *ret_n)
{
    size_t n = strcmp(hex, "-") == 0 ? 0 : strlen(hex);
    uint8_t *p;

    if (n % 2 != 0)
        return false;
    p = malloc(n / 2 + 1);
    PL_ASSERT(p != NULL);
    for (size_t i = 0; i < n; i += 2) {
        int hi = nibble(hex[i]), lo = nibble(hex[i + 1]);

        if (hi < 0 || lo < 0) {
            free(p);
            return false;
        }
        p[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    *ret = p;
    *ret_n = n / 2;
    return true;
}

/* `line` is cut into words in place. false: no step. */
static bool step_parse(char *line, struct step *st)
{
    char *words[5] = { NULL }, *rest = NULL;
    size_t n = 0;

    memset(st, 0, sizeof *st);
    for (char *w = strtok_r(line, " \r\n", &rest); w != NULL && n < 5; w = strtok_r(NULL, " \r\n", &rest))
        words[n++] = w;
    if (n > 1)
        snprintf(st->name, sizeof st->name, "%s", words[1]);
    if (n == 3 && strcmp(words[0], "open") == 0) {
        st->verb = V_OPEN;
        st->flag = strcmp(words[2], "INT") == 0;
        return true;
    }
    if (n == 3 && strcmp(words[0], "send") == 0) {
        st->verb = V_SEND;
        return from_hex(words[2], &st->bytes, &st->n);
    }
    if (n == 2 && strcmp(words[0], "eof") == 0) {
        st->verb = V_EOF;
        return true;
    }
    if (n == 2 && strcmp(words[0], "advance") == 0) {
        st->verb = V_ADVANCE;
        st->ms = strtoull(words[1], NULL, 10);
        return true;
    }
    if (n == 1 && strcmp(words[0], "save") == 0) {
        st->verb = V_SAVE;
        return true;
    }
    if (n == 4 && strcmp(words[0], "expect") == 0) {
        st->verb = V_EXPECT;
        st->flag = strcmp(words[3], "closed") == 0;
        return from_hex(words[2], &st->bytes, &st->n);
    }
    return false;
}

/* Where a send is cut: after `at` bytes of send number `send`; every: after each byte. */
struct cut {
    size_t send, at;
    bool any, every, record;
};

static bool cut_here(struct player *p, const struct cut *cut)
{
    return !cut->record || player_save(p);
}

static bool do_send(struct player *p, const struct step *st, size_t number, const struct cut *cut)
{
    struct client *c = client_named(p, st->name);

    if (c == NULL)
        return wrong(p, "no such connection", st->name);
    if (cut->every) {
        for (size_t i = 0; i < st->n; i++) {
            player_send(p, c, st->bytes + i, 1);
            if (!cut_here(p, cut))
                return false;
        }
        return true;
    }
    if (!cut->any || cut->send != number) {
        player_send(p, c, st->bytes, st->n);
        return true;
    }
    player_send(p, c, st->bytes, cut->at);
    if (!cut_here(p, cut))
        return false;
    player_send(p, c, st->bytes + cut->at, st->n - cut->at);
    return true;
}

/* expect is the caller's. */
static bool do_step(struct player *p, const struct step *st, size_t send_number, const struct cut *cut)
{
    struct client *c;

    switch (st->verb) {
    case V_OPEN:
        return player_open(p, st->name, st->flag);
    case V_SEND:
        return do_send(p, st, send_number, cut);
    case V_EOF:
        c = client_named(p, st->name);
        if (c == NULL)
            return wrong(p, "no such connection", st->name);
        sim_eof(p->sim, c->sock);
        settle(p);
        return true;
    case V_ADVANCE:
        player_advance(p, st->ms);
        return true;
    case V_SAVE:
        return player_save(p);
    case V_EXPECT:
        return true;
    }
    PL_UNREACHABLE();
}

/* ---- configuration ---- */

static struct pl_config *config_of(const char *path)
{
    struct pl_config_report report = { NULL };
    struct pl_config_input in = { .world = pl_world_linux(), .file = path };
    struct pl_config *cfg = NULL;

    if (pl_config_load(&in, &cfg, &report) != PL_OK) {
        for (size_t i = 0; i < report.n; i++)
            fprintf(stderr, "%s\n", report.v[i].text);
        cfg = NULL;
    }
    pl_config_report_fini(&report);
    return cfg;
}

/* ---- interactive ---- */

static void tell(struct player *p, const char *name)
{
    struct client *c = client_named(p, name);

    if (c == NULL) {
        printf("error no connection %s\n", name);
        return;
    }
    printf("data ");
    if (c->out.len == c->n_told)
        putchar('-');
    for (; c->n_told < c->out.len; c->n_told++)
        printf("%02x", c->out.p[c->n_told]);
    printf(" %s\n", c->is_open ? "open" : "closed");
}

static int interactive(const char *config, uint64_t seed)
{
    static const struct cut none;
    struct pl_config *cfg = config_of(config);
    struct player p;
    char *line = NULL;
    size_t room = 0;

    if (cfg == NULL)
        return 1;
    if (!player_init(&p, cfg, seed)) {
        fprintf(stderr, "simwire: %s\n", p.error);
        return 1;
    }
    printf("time %.3f\n", (double)sim_world(p.sim)->ops->wall_ms(sim_world(p.sim)) / 1000);
    fflush(stdout);
    while (getline(&line, &room, stdin) > 0 && strncmp(line, "quit", 4) != 0) {
        struct step st;

        if (strncmp(line, "recv ", 5) == 0) {
            line[strcspn(line, "\r\n")] = '\0';
            tell(&p, line + 5);
        } else if (!step_parse(line, &st)) {
            printf("error not understood\n");
        } else {
            printf("%s%s\n", do_step(&p, &st, 0, &none) ? "ok" : "error ", p.error);
            p.error[0] = '\0';
            free(st.bytes);
        }
        fflush(stdout);
    }
    free(line);
    player_fini(&p);
    pl_config_free(&cfg);
    return 0;
}

/* ---- scripts ---- */

struct script {
    const char *file;
    struct pl_config *cfg;
    struct step *steps; /* owned */
    size_t n_steps;
    /* of the whole run, by order of opening */
    struct { struct pl_buf out; bool is_open; } want[MAX_CONNS];
    size_t n_want;
};

static bool script_read(const char *file, struct script *s)
{
    FILE *f = fopen(file, "r");
    char *line = NULL;
    size_t room = 0;
    bool ok = f != NULL;

    memset(s, 0, sizeof *s);
    s->file = file;
    s->steps = calloc(MAX_STEPS, sizeof *s->steps);
    while (ok && getline(&line, &room, f) > 0) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (strncmp(line, "config ", 7) == 0) {
            line[strcspn(line, "\r\n")] = '\0';
            s->cfg = config_of(line + 7);
            ok = s->cfg != NULL;
            continue;
        }
        ok = s->n_steps < MAX_STEPS && step_parse(line, &s->steps[s->n_steps]);
        s->n_steps++;
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return ok && s->cfg != NULL;
}

static void script_free(struct script *s)
{
    for (size_t i = 0; i < s->n_steps; i++)
        free(s->steps[i].bytes);
    free(s->steps);
    for (size_t i = 0; i < s->n_want; i++)
        pl_buf_fini(&s->want[i].out);
    pl_config_free(&s->cfg);
}

static void show_difference(const struct client *c, struct pl_slice want, bool want_open)
{
    struct pl_slice got = pl_buf_slice(&c->out);
    size_t i = 0;

    while (i < got.len && i < want.len && got.p[i] == want.p[i])
        i++;
    printf("  %s: differs at byte %zu (%zu bytes wanted, %s; %zu came, %s)\n", c->name, i, want.len, want_open ? "open" : "closed", got.len,
           c->is_open ? "open" : "closed");
    i = i > 40 ? i - 40 : 0;
    printf("    wanted ...%.*s\n    came   ...%.*s\n", (int)(want.len - i < 160 ? want.len - i : 160), (const char *)want.p + i,
           (int)(got.len - i < 160 ? got.len - i : 160), got.len > 0 ? (const char *)got.p + i : "");
}

/* The script's own expectations; only in the whole run. */
static bool expect_holds(struct player *p, const struct step *st)
{
    struct client *c = client_named(p, st->name);
    struct pl_slice got;

    if (c == NULL)
        return wrong(p, "no such connection", st->name);
    got = pl_slice_from(pl_buf_slice(&c->out), c->n_told);
    c->n_told = c->out.len;
    if (pl_slice_eq(got, pl_slice(st->bytes, st->n)) && c->is_open == !st->flag)
        return true;
    show_difference(c, pl_slice(st->bytes, st->n), !st->flag);
    return wrong(p, "not what the script expects", st->name);
}

static bool script_play(struct script *s, uint64_t seed, const struct cut *cut, bool is_whole)
{
    struct player p;
    size_t send = 0;
    bool ok = player_init(&p, s->cfg, seed);

    for (size_t i = 0; ok && i < s->n_steps; i++) {
        ok = do_step(&p, &s->steps[i], send, cut);
        send += s->steps[i].verb == V_SEND;
        if (ok && is_whole && s->steps[i].verb == V_EXPECT)
            ok = expect_holds(&p, &s->steps[i]);
    }
    if (ok && is_whole) {
        for (size_t i = 0; i < p.n_clients; i++) {
            s->want[i].out = p.clients[i].out;
            p.clients[i].out = pl_buf_init(OUT_LIMIT);
            s->want[i].is_open = p.clients[i].is_open;
        }
        s->n_want = p.n_clients;
    } else if (ok) {
        for (size_t i = 0; i < s->n_want; i++) {
            struct pl_slice want = pl_buf_slice(&s->want[i].out);

            if (pl_slice_eq(pl_buf_slice(&p.clients[i].out), want) && p.clients[i].is_open == s->want[i].is_open)
                continue;
            ok = wrong(&p, "other output than without the cut", p.clients[i].name);
            show_difference(&p.clients[i], want, s->want[i].is_open);
            break;
        }
    }
    if (!ok)
        printf("FAILED %s send %zu byte %zu%s: %s\n", s->file, cut->send, cut->at, cut->record ? " recorded" : "", p.error);
    player_fini(&p);
    return ok;
}

struct mode {
    bool split, record, bytes;
    uint64_t slice, n_slices, seed;
};

static bool script_cuts(struct script *s, const struct mode *m, uint64_t *n_runs, uint64_t *n_cuts)
{
    size_t send = 0;

    for (size_t i = 0; i < s->n_steps; i++) {
        if (s->steps[i].verb != V_SEND)
            continue;
        /* split: inside only; record: also before the first byte and after the last */
        for (size_t at = m->record ? 0 : 1; at + !m->record <= s->steps[i].n; at++) {
            struct cut cut = { .send = send, .at = at, .any = true, .record = m->record };

            if ((*n_cuts)++ % m->n_slices != m->slice)
                continue;
            ++*n_runs;
            if (!script_play(s, m->seed, &cut, false))
                return false;
        }
        send++;
    }
    return true;
}

static bool script_test(const char *file, const struct mode *m, uint64_t *n_runs, uint64_t *n_cuts)
{
    static const struct cut none, bytes = { .every = true }, bytes_record = { .every = true, .record = true };
    struct script s;
    bool ok = script_read(file, &s);

    if (!ok)
        printf("FAILED %s: not a script, or its configuration is refused\n", file);
    if (ok) {
        ++*n_runs;
        ok = script_play(&s, m->seed, &none, true);
    }
    if (ok && m->bytes) {
        *n_runs += 2;
        ok = script_play(&s, m->seed, &bytes, false) && script_play(&s, m->seed, &bytes_record, false);
    }
    if (ok && (m->split || m->record))
        ok = script_cuts(&s, m, n_runs, n_cuts);
    script_free(&s);
    fflush(stdout);
    return ok;
}

int main(int argc, char **argv)
{
    struct mode m = { .split = true, .n_slices = 1, .seed = 1 };
    uint64_t n_runs = 0, n_cuts = 0;
    unsigned passed = 0, failed = 0;
    const char *config = NULL;
    int i;

    for (i = 1; i < argc && argv[i][0] == '-'; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--interactive") == 0 || strcmp(argv[i], "--config") == 0) {
            config = value;
        } else if (strcmp(argv[i], "--seed") == 0) {
            m.seed = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--mode") == 0) {
            m.split = strcmp(value, "split") == 0;
            m.record = strcmp(value, "record") == 0;
            m.bytes = strcmp(value, "bytes") == 0;
        } else if (strcmp(argv[i], "--slice") == 0) {
            char *rest;

            m.slice = strtoull(value, &rest, 10);
            m.n_slices = *rest == '/' ? strtoull(rest + 1, NULL, 10) : 0;
        } else {
            fprintf(stderr, "simwire: what is %s\n", argv[i]);
            return 2;
        }
    }
    if (config != NULL)
        return interactive(config, m.seed);
    if (i >= argc || m.n_slices == 0) {
        fprintf(stderr, "usage: simwire --interactive CONFIG | simwire [--mode whole|split|record|bytes] [--slice I/N] FILE.sim ...\n");
        return 2;
    }
    for (; i < argc; i++)
        *(script_test(argv[i], &m, &n_runs, &n_cuts) ? &passed : &failed) += 1;
    printf("%llu runs\nSUITE simwire: %u passed, %u failed, 0 skipped\n", (unsigned long long)n_runs, passed, failed);
    return failed > 0;
}
