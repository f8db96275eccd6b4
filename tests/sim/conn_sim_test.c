/* Random schedules over the connection room: whatever the kernel splits, refuses and delays, an echo user gives back exactly the bytes
 * that came, and its end is told exactly once. PL_SIM_SEED=n runs one seed; PL_SIM_SEEDS=n as many, from a fresh start. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "net/conn.h"
#include "tests/sim/world_sim.h"

enum { CLIENTS = 12, SHARDS = 3 };

struct tally {
    unsigned n_accepted, n_closed, n_live;
    struct sim *sim;
};
static struct tally tally;

/* The server's side of one connection: echoes, from a queue, with whims. */
struct echo {
    struct pl_conn *c;
    struct pl_buf queue;
    bool got_eof, is_closed;
    bool second;  /* the user after a hand-over */
};

static const struct pl_conn_ops echo_ops, echo_ops2;

static void flush(struct echo *e)
{
    size_t n;
    enum pl_err err = PL_OK;

    while (e->queue.len > 0 && err == PL_OK) {
        err = pl_conn_send(e->c, e->queue.p, e->queue.len, &n);
        assert_true(err != PL_OK || n == e->queue.len);
        pl_buf_consume(&e->queue, n);
    }
    if (e->queue.len == 0 && e->got_eof)
        pl_conn_close(e->c, PL_CLOSE_LINGER);
}

static size_t on_bytes(struct pl_conn *c, uint8_t *p, size_t n)
{
    struct echo *e = c->user;
    size_t take = n;

    assert_false(e->is_closed);
    assert_false(e->got_eof);
    if (sim_rnd(tally.sim, 3) == 0)
        take = (size_t)sim_rnd(tally.sim, n + 1);
    pl_buf_put(&e->queue, p, take);
    memset(p, 0xdd, take);
    flush(e);
    if (pl_conn_is_closing(c))
        return take;
    if (take < n || sim_rnd(tally.sim, 4) == 0) { /* busy for a while: the rest waits */
        pl_conn_pause(c);
        pl_conn_timer(c, c->shard->now_ms + 1 + sim_rnd(tally.sim, 20));
    }
    if (sim_rnd(tally.sim, 20) == 0)
        pl_conn_set_user(c, e->second ? &echo_ops : &echo_ops2, e);
    if (sim_rnd(tally.sim, 10) == 0)
        pl_conn_resume(c);
    return take;
}

static bool on_eof(struct pl_conn *c)
{
    struct echo *e = c->user;

    e->got_eof = true;
    flush(e);
    return true;
}

static void on_overflow(struct pl_conn *c)
{
    (void)c;
    fail();
}

static void on_writable(struct pl_conn *c)
{
    flush(c->user);
}

static void on_timer(struct pl_conn *c)
{
    pl_conn_resume(c);
}

static void on_closed(struct pl_conn *c, enum pl_conn_end why)
{
    struct echo *e = c->user;

    (void)why;
    assert_false(e->is_closed);
    e->is_closed = true;
    tally.n_closed++;
    tally.n_live--;
    pl_buf_fini(&e->queue);
    free(e);
    c->user = NULL;
}

static const struct pl_conn_ops echo_ops = {
    .name = "echo", .on_bytes = on_bytes, .on_overflow = on_overflow, .on_eof = on_eof, .on_writable = on_writable,
    .on_timer = on_timer, .on_closed = on_closed,
};
static const struct pl_conn_ops echo_ops2 = {
    .name = "echo again", .on_bytes = on_bytes, .on_overflow = on_overflow, .on_eof = on_eof, .on_writable = on_writable,
    .on_timer = on_timer, .on_closed = on_closed,
};

static void on_accept(struct pl_conn *c)
{
    struct echo *e = calloc(1, sizeof *e);

    e->c = c;
    e->queue = pl_buf_init(64 << 20);
    tally.n_accepted++;
    tally.n_live++;
    pl_conn_set_user(c, &echo_ops, e);
}

struct client {
    int sock;          /* -1: none */
    uint64_t n_out, n_in;
    uint8_t salt;
    bool sent_eof;
};

static uint8_t byte_at(const struct client *c, uint64_t i)
{
    return (uint8_t)(i * 131 + (i >> 8) + c->salt);
}

static void client_read(struct sim *sim, struct client *c)
{
    struct pl_buf b = pl_buf_init(SIZE_MAX / 2);
    bool is_open = sim_recv(sim, c->sock, &b);

    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(b.p[i], byte_at(c, c->n_in + i));
    c->n_in += b.len;
    assert_true(c->n_in <= c->n_out);
    pl_buf_fini(&b);
    if (is_open)
        return;
    /* It ends only because we ended first, and then all has come back. */
    assert_true(c->sent_eof && !sim_was_reset(sim, c->sock));
    assert_true(c->n_in == c->n_out);
    sim_close(sim, c->sock);
    c->sock = -1;
}

static void client_step(struct sim *sim, struct client *c, const char *at)
{
    uint8_t chunk[3000];
    size_t n;

    if (c->sock < 0) {
        *c = (struct client){ .sock = sim_connect(sim, at, NULL), .salt = (uint8_t)sim_rnd(sim, 256) };
        assert_true(c->sock >= 0);
        return;
    }
    switch (sim_rnd(sim, 12)) {
    case 0:
        if (sim_rnd(sim, 6) == 0 && !c->sent_eof) {
            sim_eof(sim, c->sock);
            c->sent_eof = true;
        }
        return;
    case 1:
        if (sim_rnd(sim, 10) == 0) {
            if (sim_rnd(sim, 2) == 0)
                sim_reset(sim, c->sock);
            else
                sim_close(sim, c->sock);
            c->sock = -1;
        }
        return;
    case 2:
    case 3:
    case 4:
    case 5:
        client_read(sim, c);
        return;
    default:
        n = 1 + (size_t)sim_rnd(sim, sim_rnd(sim, 2) == 0 ? 20 : sizeof chunk);
        for (size_t i = 0; i < n; i++)
            chunk[i] = byte_at(c, c->n_out + i);
        if (!c->sent_eof)
            c->n_out += sim_send(sim, c->sock, chunk, n);
        return;
    }
}

static void one_run(uint64_t seed)
{
    struct sim *sim = sim_new((struct sim_opts){ .seed = seed, .buffer = 1 + seed * 37 % 9000, .split = seed % 3 != 0 });
    struct pl_node *n = pl_node_new(sim_world(sim), SHARDS);
    struct pl_listen_opts opts = { .at = "127.0.0.1:0", .on_accept = on_accept };
    struct client clients[CLIENTS];
    struct pl_listener *l;
    struct pl_buf why = pl_buf_init(100);
    char at[PL_ADDR_TEXT];
    size_t most = 0, least = SIZE_MAX;

    tally = (struct tally){ .sim = sim };
    for (int i = 0; i < SHARDS; i++)
        pl_net_init(n->shards[i]);
    assert_int_equal(pl_net_listen(n, &opts, &l, &why), PL_OK);
    pl_addr_text(&l->addr, true, at);
    sim_add(sim, n);
    for (int i = 0; i < CLIENTS; i++)
        clients[i].sock = -1;
    for (int step = 0; step < 1500; step++) {
        client_step(sim, &clients[sim_rnd(sim, CLIENTS)], at);
        if (sim_rnd(sim, 3) == 0)
            sim_run(sim);
        if (sim_rnd(sim, 6) == 0)
            sim_advance(sim, sim_rnd(sim, 30));
    }
    /* All say goodbye and read to the end: every byte is back, every end was told once. */
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].sock >= 0 && !clients[i].sent_eof) {
            sim_eof(sim, clients[i].sock);
            clients[i].sent_eof = true;
        }
    for (int round = 0; round < 100000; round++) {
        bool any = false;

        sim_advance(sim, 25);
        for (int i = 0; i < CLIENTS; i++)
            if (clients[i].sock >= 0) {
                client_read(sim, &clients[i]);
                any = true;
            }
        if (!any)
            break;
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(clients[i].sock, -1);
    sim_advance(sim, 3000); /* lingers end */
    assert_int_equal(tally.n_accepted, tally.n_closed);
    for (int i = 0; i < SHARDS; i++)
        assert_int_equal(pl_net_count(n->shards[i]), 0);

    /* And fresh ones spread evenly. */
    for (int i = 0; i < 30; i++)
        assert_true(sim_connect(sim, at, NULL) >= 0);
    sim_run(sim);
    for (int i = 0; i < SHARDS; i++) {
        size_t k = pl_net_count(n->shards[i]);
        most = k > most ? k : most;
        least = k < least ? k : least;
    }
    assert_true(most - least <= 2);
    for (int i = 0; i < SHARDS; i++)
        pl_net_fini(n->shards[i]);
    assert_int_equal(tally.n_live, 0);
    sim_remove(sim, n);
    pl_node_free(&n);
    assert_int_equal(sim_open_socks(sim), 30); /* the far ends */
    sim_free(&sim);
    pl_buf_fini(&why);
}

static void an_echo_gives_back_every_byte_over_random_schedules(void **state)
{
    const char *one = getenv("PL_SIM_SEED"), *many = getenv("PL_SIM_SEEDS");
    uint64_t n = many != NULL ? strtoull(many, NULL, 10) : 60;

    (void)state;
    if (one != NULL) {
        one_run(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= n; seed++) {
        printf("seed %llu\r", (unsigned long long)seed); /* what a failure leaves on the screen */
        fflush(stdout);
        one_run(seed);
    }
}

static void close_gently(struct pl_conn *c, void *arg)
{
    (void)arg;
    pl_conn_close(c, PL_CLOSE_LINGER);
}

static void a_lingering_connection_ends_by_itself(void **state)
{
    struct sim *sim = sim_new((struct sim_opts){ .seed = 1 });
    struct pl_node *n = pl_node_new(sim_world(sim), 1);
    struct pl_listen_opts opts = { .at = "127.0.0.1:7", .on_accept = on_accept };
    struct pl_listener *l;
    struct pl_buf why = pl_buf_init(100), got = pl_buf_init(100);
    int sock;

    (void)state;
    tally = (struct tally){ .sim = sim };
    pl_net_init(n->shards[0]);
    assert_int_equal(pl_net_listen(n, &opts, &l, &why), PL_OK);
    sim_add(sim, n);
    sock = sim_connect(sim, "127.0.0.1:7", "192.0.2.9:99");
    sim_run(sim);
    assert_int_equal(tally.n_live, 1);
    pl_net_each(n->shards[0], close_gently, NULL);
    sim_run(sim);
    assert_int_equal(tally.n_closed, 1);             /* the user is told at once */
    assert_int_equal(pl_net_count(n->shards[0]), 1); /* the socket stays a little */
    assert_false(sim_recv(sim, sock, &got));
    assert_int_equal(sim_send(sim, sock, "still talking", 13), 13);
    sim_advance(sim, 1999);
    assert_int_equal(pl_net_count(n->shards[0]), 1);
    sim_advance(sim, 1);
    assert_int_equal(pl_net_count(n->shards[0]), 0);
    assert_int_equal(tally.n_closed, 1);
    sim_close(sim, sock);
    pl_net_fini(n->shards[0]);
    sim_remove(sim, n);
    pl_node_free(&n);
    assert_int_equal(sim_open_socks(sim), 0);
    sim_free(&sim);
    pl_buf_fini(&why);
    pl_buf_fini(&got);
}

static void the_same_seed_gives_the_same_ids_and_another_gives_others(void **state)
{
    uint8_t id[3][16];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct sim *sim = sim_new((struct sim_opts){ .seed = i == 2 ? 8 : 7 });
        struct pl_node *n = pl_node_new(sim_world(sim), 1 + (unsigned)i % 2);

        memcpy(id[i], n->id, 16);
        pl_node_free(&n);
        sim_free(&sim);
    }
    assert_memory_equal(id[0], id[1], 16);
    assert_memory_not_equal(id[0], id[2], 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_echo_gives_back_every_byte_over_random_schedules),
        cmocka_unit_test(a_lingering_connection_ends_by_itself),
        cmocka_unit_test(the_same_seed_gives_the_same_ids_and_another_gives_others),
    };

    return cmocka_run_group_tests_name("sim/conn", tests, NULL, NULL);
}
