/* Four shards on four threads accept, hand over and echo; the test is their client. Meant for ThreadSanitizer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "net/conn.h"

enum { SHARDS = 4, CLIENTS = 24, ROUNDS = 12, BYTES = 3000 };

static struct tally {
    _Alignas(64) unsigned n_accepted, n_closed; /* shard: each its own cell */
} tallies[SHARDS];

static size_t on_bytes(struct pl_conn *c, uint8_t *p, size_t n)
{
    size_t sent;

    pl_shard_assert_own(c->shard);
    return pl_conn_send(c, p, n, &sent) == PL_ECLOSED ? n : sent; /* what did not go comes again with more */
}

static void on_closed(struct pl_conn *c, enum pl_conn_end why)
{
    (void)why;
    pl_shard_assert_own(c->shard);
    tallies[c->shard->index].n_closed++;
}

static const struct pl_conn_ops echo_ops = { .name = "echo", .on_bytes = on_bytes, .on_closed = on_closed };

static void on_accept(struct pl_conn *c)
{
    pl_shard_assert_own(c->shard);
    tallies[c->shard->index].n_accepted++;
    pl_conn_set_user(c, &echo_ops, NULL);
}

static void shard_main(void *arg)
{
    pl_shard_run(arg);
}

static void on_stop(struct pl_shard *s, struct pl_mail *m)
{
    (void)m;
    pl_net_stop_accepting(s);
    pl_shard_stop(s);
}

struct client {
    int sock;
    size_t n_out, n_in;
};

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 7 + (i >> 8));
}

/* Sends and reads what it can. true: all came back. */
static bool client_step(struct pl_world *w, struct client *c)
{
    uint8_t chunk[512];
    size_t n, want;
    enum pl_err err;

    while (c->n_out < BYTES) {
        want = BYTES - c->n_out < sizeof chunk ? BYTES - c->n_out : sizeof chunk;
        for (size_t i = 0; i < want; i++)
            chunk[i] = byte_at(c->n_out + i);
        if (w->ops->send(w, c->sock, chunk, want, &n) != PL_OK)
            break;
        c->n_out += n;
    }
    while ((err = w->ops->recv(w, c->sock, chunk, sizeof chunk, &n)) == PL_OK) {
        for (size_t i = 0; i < n; i++)
            assert_int_equal(chunk[i], byte_at(c->n_in + i));
        c->n_in += n;
    }
    assert_int_equal(err, PL_EAGAIN);
    return c->n_in == BYTES;
}

static void one_round(struct pl_world *w, struct pl_poller *p, const char *at)
{
    struct client clients[CLIENTS] = { 0 };
    struct pl_poll_event evs[CLIENTS];
    unsigned n_done = 0;

    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(w->ops->connect(w, at, &clients[i].sock), PL_OK);
        assert_int_equal(w->ops->poller_set(w, p, clients[i].sock, PL_POLL_IN | PL_POLL_OUT | PL_POLL_NEW, &clients[i]), PL_OK);
    }
    while (n_done < CLIENTS) {
        int n = w->ops->poller_wait(w, p, evs, CLIENTS, 20000);

        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
            struct client *c = evs[i].data;
            bool all = client_step(w, c);

            if (c->n_out == BYTES)
                (void)w->ops->poller_set(w, p, c->sock, all ? 0 : PL_POLL_IN, c); /* a failure shows as a stuck test */
            n_done += all;
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 3 == 0)
            w->ops->close_reset(w, clients[i].sock);
        else
            w->ops->close(w, clients[i].sock);
    }
}

static void shards_on_threads_share_the_clients_and_lose_none(void **state)
{
    struct pl_world *w = pl_world_linux();
    struct pl_node *n = pl_node_new(w, SHARDS);
    struct pl_listen_opts opts = { .at = "127.0.0.1:0", .on_accept = on_accept };
    struct pl_poller *p = w->ops->poller_new(w);
    struct pl_buf why = pl_buf_init(1000);
    struct pl_thread *threads[SHARDS];
    struct pl_mail stops[SHARDS] = { 0 };
    struct pl_listener *l;
    char at[PL_ADDR_TEXT];
    unsigned accepted = 0, closed = 0, busy = 0;

    (void)state;
    for (int i = 0; i < SHARDS; i++)
        pl_net_init(n->shards[i]);
    assert_int_equal(pl_net_listen(n, &opts, &l, &why), PL_OK);
    pl_addr_text(&l->addr, true, at);
    for (int i = 0; i < SHARDS; i++)
        assert_int_equal(w->ops->thread_start(w, shard_main, n->shards[i], -1, "shard", &threads[i]), PL_OK);
    for (int round = 0; round < ROUNDS; round++)
        one_round(w, p, at);
    for (unsigned i = 0; i < SHARDS; i++) {
        stops[i].arrive = on_stop;
        pl_mail_control(n, i, &stops[i]);
    }
    for (int i = 0; i < SHARDS; i++)
        w->ops->thread_join(w, &threads[i]);
    for (int i = 0; i < 2 * SHARDS; i++) /* sockets handed over just before the end */
        (void)pl_shard_turn(n->shards[i % SHARDS], 0);
    for (int i = 0; i < SHARDS; i++)
        pl_net_fini(n->shards[i]);
    for (int i = 0; i < SHARDS; i++) {
        accepted += tallies[i].n_accepted;
        closed += tallies[i].n_closed;
        busy += tallies[i].n_accepted > 0;
    }
    assert_int_equal(accepted, CLIENTS * ROUNDS);
    assert_int_equal(closed, CLIENTS * ROUNDS);
    assert_int_equal(busy, SHARDS);
    w->ops->poller_free(w, p);
    pl_node_free(&n);
    pl_buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(shards_on_threads_share_the_clients_and_lose_none) };

    return cmocka_run_group_tests_name("net/threads", tests, NULL, NULL);
}
