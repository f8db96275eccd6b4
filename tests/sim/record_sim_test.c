/* Damaged records: a node that loads one refuses it or goes on, but never falls. The records are a real node's, in the middle of
 * several conversations; what is changed is sealed again, so that the checksum does not stand before the loaders.
 * PL_SIM_SEEDS=n tries n times as many damages, PL_SIM_SEED=n only that one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/record.h"
#include "config/load.h"
#include "server/server.h"
#include "tests/sim/world_sim.h"

enum { TRIES = 1500, MAX_SOCKS = 64 };

static const char config_text[] =
    "{\"client\":{\"insecure\":true},\"http_api\":{\"key\":\"k\"},\"channel\":{\"without_namespace\":{\"presence\":true,"
    "\"history_size\":10,\"history_ttl\":\"60s\",\"force_recovery\":true,\"allow_subscribe_for_client\":true,"
    "\"allow_publish_for_client\":true,\"join_leave\":true,\"force_push_join_leave\":true}}}";

static struct pl_config *config_new(void)
{
    struct pl_config_input in = { .world = pl_world_linux(), .file = "test", .text = pl_slice_str(config_text) };
    struct pl_config_report report = { NULL };
    struct pl_config *cfg = NULL;

    assert_int_equal(pl_config_load(&in, &cfg, &report), PL_OK);
    pl_config_report_fini(&report);
    return cfg;
}

static struct pl_server *server_new(struct sim *sim, const struct pl_config *cfg)
{
    struct pl_server_opts opts = { .world = sim_world(sim), .config = cfg, .n_shards = 2 };
    struct pl_buf why = pl_buf_init(1000);
    struct pl_server *s = NULL;

    assert_int_equal(pl_server_new(&opts, &s, &why), PL_OK);
    pl_buf_fini(&why);
    sim_add(sim, pl_server_node(s));
    return s;
}

static void server_free(struct sim *sim, struct pl_server **take_s)
{
    sim_remove(sim, pl_server_node(*take_s));
    pl_server_free(take_s);
}

static void say(struct sim *sim, int sock, const char *text)
{
    assert_int_equal(sim_send(sim, sock, text, strlen(text)), strlen(text));
    sim_run(sim);
}

static void say_frame(struct sim *sim, int sock, const char *text)
{
    uint8_t head[8] = { 0x81, (uint8_t)(0x80 | strlen(text)), 0, 0, 0, 0 }; /* RFC 6455 5.2, masked by zeros */

    assert_true(strlen(text) < 126);
    assert_int_equal(sim_send(sim, sock, head, 6), 6);
    say(sim, sock, text);
}

/* A node with a history, sessions that are subscribed, a session that says nothing, half a frame, half a head, a request on keep-alive. */
static void conversations(struct sim *sim, const char *at)
{
    static const char upgrade[] = "GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    int sock[6];

    for (int i = 0; i < 6; i++) {
        sock[i] = sim_connect(sim, at, NULL);
        assert_true(sock[i] >= 0);
    }
    for (int i = 0; i < 4; i++)
        say(sim, sock[i], upgrade);
    for (int i = 0; i < 3; i++) {
        say_frame(sim, sock[i], "{\"id\":1,\"connect\":{}}");
        say_frame(sim, sock[i], "{\"id\":2,\"subscribe\":{\"channel\":\"news\"}}");
    }
    for (int i = 0; i < 5; i++)
        say_frame(sim, sock[0], "{\"id\":3,\"publish\":{\"channel\":\"news\",\"data\":{\"n\":1}}}");
    assert_int_equal(sim_send(sim, sock[1], "\x81\xa0\0\0\0\0{\"id\":", 12), 12);
    say(sim, sock[4], "GET /health HTTP/1.1\r\nHo");
    say(sim, sock[5], "POST /api/info HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nContent-Length: 2\r\n\r\n{}");
    sim_run(sim);
}

static int fresh_sock(void *arg, int sock)
{
    struct sim *sim = arg;
    int far, near;
    struct pl_addr peer, addr;
    struct pl_buf why = pl_buf_init(100);
    int l;

    (void)sock;
    assert_int_equal(sim_world(sim)->ops->listen(sim_world(sim), "127.0.0.1:0", 0, &l, &addr, &why), PL_OK);
    {
        char at[PL_ADDR_TEXT];

        pl_addr_text(&addr, true, at);
        far = sim_connect(sim, at, NULL);
    }
    assert_true(far >= 0 && sim_world(sim)->ops->accept(sim_world(sim), l, &near, &peer) == PL_OK);
    sim_world(sim)->ops->close(sim_world(sim), l);
    pl_buf_fini(&why);
    return near;
}

/* The inside of the record of a node in conversation. */
static struct pl_buf record_new(const struct pl_config *cfg)
{
    struct sim *sim = sim_new((struct sim_opts){ .seed = 5 });
    struct pl_server *s = server_new(sim, cfg);
    struct pl_buf rec = pl_buf_init(1 << 24), inside = pl_buf_init(1 << 24);
    char at[PL_ADDR_TEXT];
    struct pl_rec_in in;
    uint32_t version;

    pl_server_address(s, false, at);
    conversations(sim, at);
    assert_int_equal(pl_server_save(s, &rec), PL_OK);
    assert_int_equal(pl_rec_open(pl_buf_slice(&rec), &version, &in), PL_OK);
    pl_buf_slice_put(&inside, in.rest);
    server_free(sim, &s);
    sim_free(&sim);
    pl_buf_fini(&rec);
    return inside;
}

static void damage(struct sim *sim, struct pl_buf *b)
{
    static const uint8_t words[] = { 0x00, 0xff, 0x7f, 0x80, 0x01 };
    size_t at = (size_t)sim_rnd(sim, b->len), n;

    switch (sim_rnd(sim, 6)) {
    case 0:
        b->p[at] ^= (uint8_t)(1u << sim_rnd(sim, 8));
        return;
    case 1:
        b->p[at] = words[sim_rnd(sim, sizeof words)];
        return;
    case 2: /* a piece is missing */
        n = 1 + (size_t)sim_rnd(sim, b->len - at < 30 ? b->len - at : 30);
        memmove(b->p + at, b->p + at + n, b->len - at - n);
        b->len -= n;
        return;
    case 3: /* cut off */
        b->len = at + 1;
        return;
    case 4: /* a piece of elsewhere */
        n = 1 + (size_t)sim_rnd(sim, b->len - at < 60 ? b->len - at : 60);
        memmove(b->p + at, b->p + (size_t)sim_rnd(sim, b->len - n + 1), n);
        return;
    default:
        for (n = 0; n < 8 && at + n < b->len; n++)
            b->p[at + n] = words[sim_rnd(sim, sizeof words)];
        return;
    }
}

/* Loads, lives for a while, ends. Returns what load said. */
static enum pl_err live_on(const struct pl_config *cfg, struct pl_slice inside, uint64_t seed)
{
    struct sim *sim = sim_new((struct sim_opts){ .seed = seed });
    struct pl_server *s = server_new(sim, cfg);
    struct pl_buf rec = pl_buf_init(1 << 24);
    char at[PL_ADDR_TEXT];
    enum pl_err err;
    int sock;

    pl_buf_slice_put(&rec, inside);
    pl_rec_seal(&rec, 0, 1);
    err = pl_server_load(s, pl_buf_slice(&rec), fresh_sock, sim);
    if (err == PL_OK) {
        sim_advance(sim, 100);
        pl_server_address(s, false, at);
        sock = sim_connect(sim, at, NULL);
        assert_true(sock >= 0);
        say(sim, sock, "POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nContent-Length: 28\r\n\r\n{\"channel\":\"news\",\"data\":{}}");
        sim_advance(sim, 40000);
    }
    server_free(sim, &s);
    sim_free(&sim);
    pl_buf_fini(&rec);
    return err;
}

static void a_damaged_record_is_refused_or_survived(void **state)
{
    const char *many = getenv("PL_SIM_SEEDS"), *one = getenv("PL_SIM_SEED");
    uint64_t tries = (uint64_t)TRIES * (many != NULL ? strtoull(many, NULL, 10) : 1), n_ok = 0;
    struct pl_config *cfg = config_new();
    struct pl_buf whole = record_new(cfg);

    (void)state;
    assert_true(whole.len > 1000);
    assert_int_equal(live_on(cfg, pl_buf_slice(&whole), 1), PL_OK);
    for (uint64_t seed = one != NULL ? strtoull(one, NULL, 10) : 1; seed <= tries; seed++) {
        struct sim *dice = sim_new((struct sim_opts){ .seed = seed });
        struct pl_buf b = pl_buf_init(1 << 24);

        pl_buf_slice_put(&b, pl_buf_slice(&whole));
        for (uint64_t k = 1 + sim_rnd(dice, 3); k > 0; k--)
            damage(dice, &b);
        printf("seed %llu\r", (unsigned long long)seed); /* what a failure leaves on the screen */
        fflush(stdout);
        n_ok += live_on(cfg, pl_buf_slice(&b), seed) == PL_OK;
        pl_buf_fini(&b);
        sim_free(&dice);
        if (one != NULL)
            break;
    }
    assert_true(one != NULL || (n_ok > tries / 20 && n_ok < tries)); /* both ways were gone */
    pl_buf_fini(&whole);
    pl_config_free(&cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_damaged_record_is_refused_or_survived) };

    return cmocka_run_group_tests_name("sim/record", tests, NULL, NULL);
}
