/* Sessions as their peers see them: short scripts over simulated WebSockets, played on 1 and on 3 shards with many orders of turns. What
 * golden transcripts cannot show stands here: things that happen while an operation is on its way to another shard, limits, expiry,
 * ends inside ends. A line that sends does not let the server work, a line that expects does; so what stands between two
 * expectations races. `*` in a pattern stands for anything, ` | ` in what is sent for a newline, @cN for the id of client N,
 * @T(claims)T for a signed token. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/b64.h"
#include "config/load.h"
#include "metrics/metrics.h"
#include "server/server.h"
#include "session/sess.h"
#include "tests/sim/world_sim.h"

enum { CLIENTS = 4, SEEDS = 40, TEXT = 64 * 1024 };

#define ANYBODY "\"allow_anonymous_connect_without_token\":true"
#define OPEN "\"allow_subscribe_for_client\":true,\"allow_subscribe_for_anonymous\":true,\"allow_history_for_subscriber\":true," \
             "\"allow_history_for_anonymous\":true,\"allow_presence_for_subscriber\":true,\"allow_presence_for_anonymous\":true," \
             "\"allow_publish_for_subscriber\":true,\"allow_publish_for_anonymous\":true,\"presence\":true,"

static const char config_form[] =
    "{\"http_server\":{\"address\":\"127.0.0.1\",\"port\":8000},\"http_api\":{\"key\":\"k\"},"
    "\"client\":{\"token\":{\"hmac_secret_key\":\"secret\"},%s},"
    "\"channel\":{\"namespaces\":["
    "{\"name\":\"rec\"," OPEN "\"history_size\":40,\"history_ttl\":\"600s\",\"force_recovery\":true,\"join_leave\":true,"
    "\"force_push_join_leave\":true},"
    "{\"name\":\"quiet\"," OPEN "\"history_size\":40,\"history_ttl\":\"600s\",\"force_recovery\":true},"
    "{\"name\":\"pl\"," OPEN "\"join_leave\":false}]}}";

struct row {
    const char *name, *client; /* client: the configuration's client options */
    const char *script;
};

struct far {
    int sock;                 /* -1: none */
    bool is_upgraded, has_ended;
    struct pl_buf in;
    char id[37];
    int joined;               /* joins minus leaves seen, by `balance` */
};

static struct {
    const struct row *row;
    int line;
    unsigned n_shards;
    uint64_t seed;
    struct sim *sim;
    struct pl_config *config;
    struct pl_server *server;
    struct far clients[CLIENTS + 1]; /* by number; 0 is the backend */
} t;

static void wrong(const char *what, struct pl_slice got)
{
    fprintf(stderr, "%s: line %d, %u shards, seed %" PRIu64 ": %s: %.*s\n", t.row->name, t.line, t.n_shards, t.seed, what, PL_FMT(got));
    fail();
}

static bool fits(const char *pattern, struct pl_slice s)
{
    if (*pattern == '\0')
        return s.len == 0;
    if (*pattern != '*')
        return s.len != 0 && (char)s.p[0] == *pattern && fits(pattern + 1, pl_slice_from(s, 1));
    for (size_t i = 0; i <= s.len; i++)
        if (fits(pattern + 1, pl_slice_from(s, i)))
            return true;
    return false;
}

/* ---- what is sent ---- */

static void sign(struct pl_buf *out, struct pl_slice claims)
{
    uint8_t mac[32];
    unsigned n = sizeof mac;
    size_t at = out->len;

    pl_b64_encode(out, PL_B64_URL, PL_LIT("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
    pl_buf_byte(out, '.');
    pl_b64_encode(out, PL_B64_URL, claims);
    assert_non_null(HMAC(EVP_sha256(), "secret", 6, out->p + at, out->len - at, mac, &n));
    pl_buf_byte(out, '.');
    pl_b64_encode(out, PL_B64_URL, pl_slice(mac, n));
}

/* Fills in newlines, ids and tokens. */
static void expand(struct pl_buf *out, const char *text)
{
    while (*text != '\0') {
        if (strncmp(text, " | ", 3) == 0) {
            pl_buf_byte(out, '\n');
            text += 3;
        } else if (strncmp(text, "@c", 2) == 0) {
            pl_buf_slice_put(out, pl_slice_str(t.clients[text[2] - '0'].id));
            text += 3;
        } else if (strncmp(text, "@T(", 3) == 0) {
            const char *end = strstr(text, ")T");

            sign(out, pl_slice((const uint8_t *)text + 3, (size_t)(end - text - 3)));
            text = end + 2;
        } else {
            pl_buf_byte(out, (uint8_t)*text++);
        }
    }
}

static void send_all(struct far *f, struct pl_slice bytes)
{
    while (bytes.len != 0) {
        size_t n = sim_send(t.sim, f->sock, bytes.p, bytes.len);

        bytes = pl_slice_from(bytes, n);
        if (bytes.len != 0)
            sim_run(t.sim);
    }
}

static void send_frame(struct far *f, const char *text)
{
    struct pl_buf message = pl_buf_init(TEXT), frame = pl_buf_init(TEXT);

    expand(&message, text);
    pl_buf_byte(&frame, 0x81);
    if (message.len < 126) {
        pl_buf_byte(&frame, (uint8_t)(0x80 | message.len));
    } else {
        pl_buf_byte(&frame, 0x80 | 126);
        pl_buf_byte(&frame, (uint8_t)(message.len >> 8));
        pl_buf_byte(&frame, (uint8_t)message.len);
    }
    pl_buf_put(&frame, "\0\0\0\0", 4); /* a mask that changes nothing */
    pl_buf_slice_put(&frame, pl_buf_slice(&message));
    send_all(f, pl_buf_slice(&frame));
    pl_buf_fini(&message);
    pl_buf_fini(&frame);
}

static void call(const char *method, const char *text)
{
    struct pl_buf body = pl_buf_init(TEXT), req = pl_buf_init(2 * TEXT);

    if (t.clients[0].sock >= 0 && !sim_recv(t.sim, t.clients[0].sock, &t.clients[0].in)) { /* idle for too long */
        sim_close(t.sim, t.clients[0].sock);
        t.clients[0].sock = -1;
    }
    if (t.clients[0].sock < 0)
        t.clients[0].sock = sim_connect(t.sim, "127.0.0.1:8000", NULL);
    expand(&body, text);
    pl_buf_printf(&req, "POST /api/%s HTTP/1.1\r\nHost: sim\r\nX-API-Key: k\r\nContent-Length: %zu\r\n\r\n", method, body.len);
    pl_buf_slice_put(&req, pl_buf_slice(&body));
    send_all(&t.clients[0], pl_buf_slice(&req));
    pl_buf_fini(&body);
    pl_buf_fini(&req);
}

/* ---- what comes ---- */

static void work(struct far *f)
{
    for (size_t had = SIZE_MAX; had != f->in.len;) {
        had = f->in.len;
        sim_run(t.sim);
        if (f->sock >= 0 && !sim_recv(t.sim, f->sock, &f->in))
            f->has_ended = true;
    }
}

/* Takes an HTTP head and returns its body; consumed by the caller. */
static bool take_http(struct far *f, struct pl_slice *body, size_t *whole)
{
    const char *text, *end, *length;

    pl_buf_byte(&f->in, 0);
    f->in.len--;
    text = (const char *)f->in.p;
    end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return false;
    length = strstr(text, "Content-Length: ");
    *body = pl_slice((const uint8_t *)end + 4, length != NULL && length < end ? strtoul(length + 16, NULL, 10) : 0);
    *whole = (size_t)(end + 4 - text) + body->len;
    return f->in.len >= *whole;
}

enum what { NOTHING, MESSAGE, CLOSE };

/* The next message of the stream: one line of a text frame, or a close frame's payload. Copied into out. */
static enum what next_message(struct far *f, struct pl_buf *out)
{
    size_t head = 2, len, line;
    struct pl_slice frame;
    enum what what;

    pl_buf_clear(out);
    work(f);
    if (f->in.len < 2)
        return NOTHING;
    len = f->in.p[1] & 0x7f;
    if (len == 126) {
        len = (size_t)f->in.p[2] << 8 | f->in.p[3];
        head = 4;
    } else if (len == 127) {
        len = (size_t)f->in.p[6] << 24 | (size_t)f->in.p[7] << 16 | (size_t)f->in.p[8] << 8 | f->in.p[9];
        head = 10;
    }
    if (f->in.len < head + len)
        return NOTHING;
    frame = pl_slice(f->in.p + head, len);
    what = (f->in.p[0] & 0x0f) == 8 ? CLOSE : MESSAGE;
    for (line = 0; line < len && (what == CLOSE || frame.p[line] != '\n'); line++)
        ;
    pl_buf_put(out, frame.p, line);
    if (line == len) {
        pl_buf_consume(&f->in, head + len);
    } else { /* the rest of the frame is a frame again, in place */
        size_t left = len - line - 1;

        pl_buf_consume(&f->in, head + line + 1);
        pl_buf_byte(out, 0);
        out->len--;
        {
            struct pl_buf again = pl_buf_init(SIZE_MAX / 2);
            uint8_t h[10] = { 0x81, 127, 0, 0, 0, 0, (uint8_t)(left >> 24), (uint8_t)(left >> 16), (uint8_t)(left >> 8), (uint8_t)left };

            pl_buf_put(&again, h, sizeof h);
            pl_buf_slice_put(&again, pl_buf_slice(&f->in));
            pl_buf_fini(&f->in);
            f->in = again;
        }
    }
    if (what == MESSAGE && out->len > 0) {
        const char *id;

        pl_buf_byte(out, 0);
        out->len--;
        id = strstr((const char *)out->p, "\"connect\":{\"client\":\"");
        if (id != NULL) {
            memcpy(f->id, id + 21, 36);
            f->id[36] = '\0';
        }
    }
    return what;
}

static void expect(struct far *f, const char *form, bool may_skip)
{
    struct pl_buf got = pl_buf_init(SIZE_MAX / 2), filled = pl_buf_init(TEXT);
    const char *pattern;
    enum what what;

    expand(&filled, form);
    pl_buf_byte(&filled, 0);
    pattern = (const char *)filled.p;

    do {
        what = next_message(f, &got);
        if (what == CLOSE) {
            char text[160];

            (void)snprintf(text, sizeof text, "closed %d %.*s", got.p[0] << 8 | got.p[1], PL_FMT(pl_slice_from(pl_buf_slice(&got), 2)));
            pl_buf_clear(&got);
            pl_buf_slice_put(&got, pl_slice_str(text));
        } else if (what == NOTHING) {
            pl_buf_clear(&got);
            pl_buf_slice_put(&got, f->has_ended ? PL_LIT("gone") : PL_LIT("nothing"));
        }
    } while (what != NOTHING && may_skip && !fits(pattern, pl_buf_slice(&got)));
    if (!fits(pattern, pl_buf_slice(&got)))
        wrong(pattern, pl_buf_slice(&got));
    pl_buf_fini(&got);
    pl_buf_fini(&filled);
}

/* Lets up to a minute pass until something comes. */
static void wait_for(struct far *f, const char *pattern)
{
    for (int i = 0; i < 120; i++) {
        work(f);
        if (f->in.len != 0 || f->has_ended)
            break;
        sim_advance(t.sim, 500);
    }
    expect(f, pattern, false);
}

/* Joins and leaves of others, up to now: nobody leaves who has not come. */
static void balance(struct far *f, int want)
{
    struct pl_buf got = pl_buf_init(SIZE_MAX / 2);

    while (next_message(f, &got) == MESSAGE) {
        f->joined += fits("*\"join\":*", pl_buf_slice(&got));
        f->joined -= fits("*\"leave\":*", pl_buf_slice(&got));
        if (f->joined < 0)
            wrong("a leave without its join", pl_buf_slice(&got));
    }
    if (f->joined != want)
        wrong("joins minus leaves", pl_slice_str(f->joined < want ? "too few" : "too many"));
    pl_buf_fini(&got);
}

static void expect_answer(const char *pattern)
{
    struct far *f = &t.clients[0];
    struct pl_slice body = { 0 };
    size_t whole = 0;

    work(f);
    if (!take_http(f, &body, &whole))
        wrong("no answer", pl_buf_slice(&f->in));
    if (!fits(pattern, body))
        wrong(pattern, body);
    pl_buf_consume(&f->in, whole);
}

/* ---- the rest of the world ---- */

static void open_client(struct far *f, const char *user)
{
    struct pl_buf req = pl_buf_init(TEXT);
    struct pl_slice body;
    size_t whole;

    f->sock = sim_connect(t.sim, "127.0.0.1:8000", NULL);
    f->has_ended = false;
    f->joined = 0;
    pl_buf_clear(&f->in);
    pl_buf_printf(&req, "GET /connection/websocket HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s%s%s\r\n",
                  user[0] != '\0' ? "X-User: " : "", user, user[0] != '\0' ? "\r\n" : "");
    send_all(f, pl_buf_slice(&req));
    pl_buf_fini(&req);
    work(f);
    if (!take_http(f, &body, &whole))
        wrong("no upgrade", pl_buf_slice(&f->in));
    pl_buf_consume(&f->in, whole);
}

static struct pl_server *server_new(unsigned n_shards)
{
    struct pl_server_opts opts = { .world = sim_world(t.sim), .config = t.config, .n_shards = n_shards };
    struct pl_buf err_text = pl_buf_init(4096);
    struct pl_server *s = NULL;

    if (pl_server_new(&opts, &s, &err_text) != PL_OK)
        wrong("the server does not start", pl_buf_slice(&err_text));
    pl_buf_fini(&err_text);
    return s;
}

static int same_sock(void *arg, int sock)
{
    (void)arg;
    return sock;
}

static void move_node(void)
{
    struct pl_buf record = pl_buf_init(64 << 20);

    sim_run(t.sim);
    assert_int_equal(pl_server_save(t.server, &record), PL_OK);
    sim_remove(t.sim, pl_server_node(t.server));
    pl_server_free(&t.server);
    t.server = server_new(1 + (unsigned)sim_rnd(t.sim, 3));
    assert_int_equal(pl_server_load(t.server, pl_buf_slice(&record), same_sock, NULL), PL_OK);
    sim_add(t.sim, pl_server_node(t.server));
    pl_buf_fini(&record);
}

static void shut_down(void)
{
    struct pl_node *n = pl_server_node(t.server);

    for (unsigned i = 0; i < n->n_shards; i++) {
        pl_hub_walk_all(n->shards[i]);
        pl_sess_shutdown(n->shards[i]);
    }
}

/* `channel n size`: n publications, none acknowledged in between. */
static void publish_many(const char *args)
{
    char channel[64], *text = calloc(1, TEXT);
    unsigned n, size;

    assert_int_equal(sscanf(args, "%63s %u %u", channel, &n, &size), 3);
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(text, TEXT, "{\"channel\":\"%s\",\"data\":\"%0*u\"}", channel, (int)size, i);
        call("publish", text);
        expect_answer("*\"result\":*");
    }
    free(text);
}

static void play_client(struct far *f, const char *s)
{
    if (strncmp(s, "open", 4) == 0)
        open_client(f, s[4] == ' ' ? s + 5 : "");
    else if (strncmp(s, "> ", 2) == 0)
        send_frame(f, s + 2);
    else if (strncmp(s, "< ", 2) == 0)
        expect(f, s + 2, false);
    else if (strncmp(s, "~ ", 2) == 0)
        expect(f, s + 2, true);
    else if (strncmp(s, "wait ", 5) == 0)
        wait_for(f, s + 5);
    else if (strncmp(s, "balance ", 8) == 0)
        balance(f, atoi(s + 8));
    else if (strcmp(s, "shut") == 0)
        sim_close(t.sim, f->sock), f->sock = -1;
    else
        wrong("no such line", pl_slice_str(s));
}

static void play_line(const char *s)
{
    if (s[0] == 'c' && s[1] >= '1' && s[1] < '1' + CLIENTS)
        play_client(&t.clients[s[1] - '0'], s + 3);
    else if (strncmp(s, "api < ", 6) == 0)
        expect_answer(s + 6);
    else if (strncmp(s, "api ", 4) == 0) {
        char method[32] = "";
        const char *body = strchr(s + 4, ' ');

        memcpy(method, s + 4, (size_t)(body - s - 4));
        call(method, body + 1);
    } else if (strncmp(s, "pub ", 4) == 0)
        publish_many(s + 4);
    else if (strncmp(s, "pass ", 5) == 0)
        sim_advance(t.sim, strtoull(s + 5, NULL, 10));
    else if (strcmp(s, "move") == 0)
        move_node();
    else if (strcmp(s, "stop") == 0)
        shut_down();
    else
        wrong("no such line", pl_slice_str(s));
}

static void play(const struct row *row, unsigned n_shards, uint64_t seed)
{
    struct sim_opts opts = { .seed = seed, .split = seed % 2 != 0, .buffer = 2048 };
    struct pl_config_report report = { 0 };
    struct pl_config_input in = { .file = "sim.json" };
    char *text = calloc(1, TEXT), *line, *rest;

    memset(&t, 0, sizeof t);
    t.row = row;
    t.n_shards = n_shards;
    t.seed = seed;
    for (int i = 0; i <= CLIENTS; i++) {
        t.clients[i].sock = -1;
        t.clients[i].in = pl_buf_init(SIZE_MAX / 2);
    }
    t.sim = sim_new(opts);
    (void)snprintf(text, TEXT, config_form, row->client);
    in.text = pl_slice_str(text);
    if (pl_config_load(&in, &t.config, &report) != PL_OK)
        wrong("the configuration is refused", pl_slice_str(report.n != 0 ? report.v[0].text : ""));
    pl_config_report_fini(&report);
    t.server = server_new(n_shards);
    sim_add(t.sim, pl_server_node(t.server));
    (void)snprintf(text, TEXT, "%s", row->script);
    for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        t.line++;
        play_line(line);
    }
    for (int i = 0; i <= CLIENTS; i++) {
        if (t.clients[i].sock >= 0)
            sim_close(t.sim, t.clients[i].sock);
        pl_buf_fini(&t.clients[i].in);
    }
    sim_advance(t.sim, 10000);
    assert_int_equal(pl_metrics_sum(pl_server_node(t.server)->metrics, PL_M_CLIENTS), 0);
    assert_int_equal(pl_metrics_sum(pl_server_node(t.server)->metrics, PL_M_SUBSCRIPTIONS), 0);
    assert_int_equal(pl_metrics_sum(pl_server_node(t.server)->metrics, PL_M_CHANNELS), 0);
    sim_remove(t.sim, pl_server_node(t.server));
    pl_server_free(&t.server);
    assert_int_equal(sim_open_socks(t.sim), 0);
    pl_config_free(&t.config);
    sim_free(&t.sim);
    free(text);
}

#define HELLO(n) n " open\n" n " > {\"id\":1,\"connect\":{}}\n" n " < {\"id\":1,\"connect\":*}\n"
#define ON(n, channel) n " > {\"id\":2,\"subscribe\":{\"channel\":\"" channel "\"}}\n" n " ~ {\"id\":2,\"subscribe\":*}\n"

#include "tests/sim/sess_rows.h"

static void play_all(void **state)
{
    const struct row *row = *state;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        play(row, 1, seed);
        play(row, 3, seed);
    }
}

int main(void)
{
    struct CMUnitTest tests[sizeof rows / sizeof rows[0]];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = play_all, .initial_state = (void *)(uintptr_t)&rows[i] };
    return cmocka_run_group_tests_name("sim/sess", tests, NULL, NULL);
}
