/* Connections over real sockets, both ends in one shard that the test turns by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/cidr.h"
#include "net/net.h"

/* One end. What comes in is compared with what the other end sent, byte by byte, by position. */
struct end {
    struct pl_conn *c;
    uint64_t in_n, out_n, out_want; /* bytes got, sent, to be sent */
    unsigned n_closed, n_eof, n_timer, n_writable;
    enum pl_conn_end why;
    bool echo;           /* sends back what it gets, from a queue */
    bool stay_on_eof;
    bool take_lines;     /* takes only whole lines */
    unsigned n_lines;
    bool pause_each;     /* pauses after each delivery, resumed by the test */
    struct pl_buf queue;
    struct pl_addr peer;
};

static struct end server;
static const struct pl_conn_ops end_ops;

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 131 + (i >> 8));
}

static void pump(struct end *e)
{
    uint8_t chunk[5000];
    size_t n;

    while (e->out_n < e->out_want && e->c != NULL) {
        size_t want = e->out_want - e->out_n < sizeof chunk ? (size_t)(e->out_want - e->out_n) : sizeof chunk;

        for (size_t i = 0; i < want; i++)
            chunk[i] = byte_at(e->out_n + i);
        if (pl_conn_send(e->c, chunk, want, &n) != PL_OK) {
            e->out_n += n;
            return;
        }
        e->out_n += n;
    }
    while (e->queue.len > 0 && e->c != NULL) {
        enum pl_err err = pl_conn_send(e->c, e->queue.p, e->queue.len, &n);

        pl_buf_consume(&e->queue, n);
        if (err != PL_OK)
            return;
    }
}

static size_t on_bytes(struct pl_conn *c, uint8_t *p, size_t n)
{
    struct end *e = c->user;

    assert_true(n > 0 && e->n_closed == 0);
    if (e->take_lines) {
        size_t taken = 0;

        for (size_t i = 0; i < n; i++)
            if (p[i] == '\n') {
                e->n_lines++;
                taken = i + 1;
            }
        return taken;
    }
    if (e->echo)
        pl_buf_put(&e->queue, p, n);
    else
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], byte_at(e->in_n + i));
    e->in_n += n;
    memset(p, 0xee, n); /* lent and mutable */
    pump(e);
    if (e->pause_each)
        pl_conn_pause(c);
    return n;
}

static void on_overflow(struct pl_conn *c)
{
    pl_conn_close(c, PL_CLOSE_NOW);
}

static bool on_eof(struct pl_conn *c)
{
    struct end *e = c->user;

    e->n_eof++;
    return e->stay_on_eof;
}

static void on_writable(struct pl_conn *c)
{
    struct end *e = c->user;

    e->n_writable++;
    pump(e);
}

static void on_timer(struct pl_conn *c)
{
    ((struct end *)c->user)->n_timer++;
}

static void on_closed(struct pl_conn *c, enum pl_conn_end why)
{
    struct end *e = c->user;

    e->n_closed++;
    e->why = why;
    e->c = NULL;
}

static void end_save(struct pl_conn *c, struct pl_rec_out *r)
{
    pl_rec_u64(r, 100, ((struct end *)c->user)->in_n);
}

static const struct pl_conn_ops end_ops = {
    .name = "test", .on_bytes = on_bytes, .on_overflow = on_overflow, .on_eof = on_eof, .on_writable = on_writable,
    .on_timer = on_timer, .on_closed = on_closed, .save = end_save,
};

static void on_accept(struct pl_conn *c)
{
    assert_null(server.c);
    server.c = c;
    server.peer = c->peer;
    pl_conn_set_user(c, &end_ops, &server);
}

struct house {
    struct pl_node *n;
    struct pl_shard *s;
    struct pl_listener *l;
    char at[PL_ADDR_TEXT];
};

static struct house house_new(struct pl_listen_opts opts)
{
    struct house h = { .n = pl_node_new(pl_world_linux(), 1) };
    struct pl_buf why = pl_buf_init(1000);

    h.s = h.n->shards[0];
    pl_net_init(h.s);
    opts.at = opts.at != NULL ? opts.at : "127.0.0.1:0";
    opts.on_accept = on_accept;
    assert_int_equal(pl_net_listen(h.n, &opts, &h.l, &why), PL_OK);
    pl_addr_text(&h.l->addr, true, h.at);
    memset(&server, 0, sizeof server);
    server.queue = pl_buf_init(64 << 20);
    return h;
}

static void house_free(struct house *h)
{
    pl_net_fini(h->s);
    assert_true(server.n_closed <= 1 && server.c == NULL);
    pl_buf_fini(&server.queue);
    pl_node_free(&h->n);
}

static struct end *dial(struct house *h)
{
    struct end *e = calloc(1, sizeof *e);

    e->queue = pl_buf_init(64 << 20);
    assert_int_equal(pl_conn_dial(h->s, h->at, &end_ops, e, &e->c), PL_OK);
    return e;
}

#define TURN_UNTIL(h, cond) \
    do { \
        uint64_t until = (h).s->now_ms + 20000; \
        while (!(cond)) { \
            (void)pl_shard_turn((h).s, 100); \
            assert_true((h).s->now_ms < until); \
        } \
    } while (0)

static void bytes_come_back_in_order_whatever_the_kernel_takes(void **state)
{
    struct house h = house_new((struct pl_listen_opts){ .sndbuf = 8192 });
    struct end *e = dial(&h);

    (void)state;
    server.echo = true;
    e->out_want = 5000000;
    pump(e);
    TURN_UNTIL(h, e->in_n == e->out_want);
    assert_true(server.n_writable > 0 && e->n_writable > 1);
    assert_int_equal(pl_net_count(h.s), 2);
    pl_conn_close(e->c, PL_CLOSE_LINGER);
    assert_int_equal(e->n_closed, 0); /* never from within a call */
    TURN_UNTIL(h, server.n_closed == 1 && e->n_closed == 1 && pl_net_count(h.s) == 0);
    assert_true(server.n_eof == 1 && server.why == PL_END_EOF && e->why == PL_END_LOCAL);
    pl_buf_fini(&e->queue);
    free(e);
    house_free(&h);
}

static void an_unfinished_line_is_kept_and_comes_again(void **state)
{
    struct house h = house_new((struct pl_listen_opts){ 0 });
    struct end *e = dial(&h);
    size_t n;

    (void)state;
    server.take_lines = true;
    TURN_UNTIL(h, server.c != NULL && e->n_writable == 1);
    assert_int_equal(pl_conn_send(e->c, "one\ntw", 6, &n), PL_OK);
    TURN_UNTIL(h, server.c->tail_len == 2);
    assert_int_equal(server.n_lines, 1);
    assert_int_equal(pl_conn_send(e->c, "o\n", 2, &n), PL_OK);
    TURN_UNTIL(h, server.n_lines == 2);
    assert_null(server.c->tail); /* an idle connection owns no buffer */
    /* a line over the limit: the user is told, and closes */
    server.c->in_limit = 1000;
    for (int i = 0; i < 101; i++)
        assert_int_equal(pl_conn_send(e->c, "0123456789", 10, &n), PL_OK);
    TURN_UNTIL(h, server.n_closed == 1 && e->n_closed == 1);
    assert_int_equal(server.why, PL_END_LOCAL);
    pl_buf_fini(&e->queue);
    free(e);
    house_free(&h);
}

static void a_new_user_gets_what_the_old_one_left(void **state)
{
    struct house h = house_new((struct pl_listen_opts){ 0 });
    struct end *e = dial(&h), second = { .take_lines = true };
    size_t n;

    (void)state;
    server.take_lines = true;
    TURN_UNTIL(h, server.c != NULL && e->n_writable == 1);
    assert_int_equal(pl_conn_send(e->c, "upgrade\nrest", 12, &n), PL_OK);
    TURN_UNTIL(h, server.c->tail_len == 4);
    second.c = server.c;
    server.c = NULL;
    pl_conn_set_user(second.c, &end_ops, &second);
    assert_int_equal(pl_conn_send(e->c, "\n", 1, &n), PL_OK);
    TURN_UNTIL(h, second.n_lines == 1);
    assert_int_equal(server.n_lines, 1);
    pl_conn_close(second.c, PL_CLOSE_ABORT);
    pl_conn_close(second.c, PL_CLOSE_NOW); /* harmless */
    TURN_UNTIL(h, second.n_closed == 1 && e->n_closed == 1);
    assert_int_equal(e->why, PL_END_RESET);
    pl_buf_fini(&e->queue);
    free(e);
    house_free(&h);
}

static void a_paused_connection_reads_nothing_until_resumed(void **state)
{
    struct house h = house_new((struct pl_listen_opts){ 0 });
    struct end *e = dial(&h);
    uint64_t got;

    (void)state;
    server.pause_each = true;
    e->out_want = 300000;
    pump(e);
    TURN_UNTIL(h, server.in_n > 0);
    got = server.in_n;
    for (int i = 0; i < 5; i++)
        (void)pl_shard_turn(h.s, 2);
    assert_int_equal(server.in_n, got);
    assert_int_equal(server.c->armed & PL_POLL_IN, 0); /* or the poller would spin */
    while (server.in_n < e->out_want) {
        pl_conn_resume(server.c);
        (void)pl_shard_turn(h.s, 10);
    }
    /* paused, and the peer is reset: noticed although nobody reads */
    pl_conn_pause(server.c);
    pl_conn_close(e->c, PL_CLOSE_ABORT);
    TURN_UNTIL(h, server.n_closed == 1);
    assert_int_equal(server.why, PL_END_RESET);
    pl_buf_fini(&e->queue);
    free(e);
    house_free(&h);
}

static void a_half_closed_peer_still_gets_its_answer(void **state)
{
    struct house h = house_new((struct pl_listen_opts){ 0 });
    struct end *e = dial(&h);

    (void)state;
    server.stay_on_eof = true;
    TURN_UNTIL(h, server.c != NULL && e->n_writable == 1);
    h.s->world->ops->shutdown_write(h.s->world, e->c->sock);
    TURN_UNTIL(h, server.n_eof == 1);
    server.out_want = 100000;
    pump(&server);
    TURN_UNTIL(h, e->in_n == 100000);
    assert_int_equal(server.n_closed, 0);
    pl_conn_timer(server.c, h.s->now_ms + 5);
    TURN_UNTIL(h, server.n_timer == 1);
    pl_conn_close(server.c, PL_CLOSE_LINGER);
    TURN_UNTIL(h, server.n_closed == 1 && e->n_closed == 1 && pl_net_count(h.s) == 0);
    assert_int_equal(server.n_eof, 1);
    pl_buf_fini(&e->queue);
    free(e);
    house_free(&h);
}

static void a_refused_dial_is_told_once(void **state)
{
    struct house h = house_new((struct pl_listen_opts){ 0 });
    struct end *e = calloc(1, sizeof *e);
    enum pl_err err;

    (void)state;
    pl_net_stop_accepting(h.s);
    err = pl_conn_dial(h.s, h.at, &end_ops, e, &e->c);
    if (err == PL_OK) {
        TURN_UNTIL(h, e->n_closed == 1);
        assert_true(e->why == PL_END_RESET && e->n_writable == 0);
    } else {
        assert_int_equal(err, PL_ECLOSED);
    }
    assert_int_equal(pl_conn_dial(h.s, "nowhere", &end_ops, e, &e->c), PL_EINVAL);
    free(e);
    house_free(&h);
}

static void a_listed_proxy_tells_the_peers_address(void **state)
{
    static const char head[] = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nhello\n";
    struct pl_cidr all = { 0 };
    struct pl_cidr_list proxies = { &all, 1 };
    struct house h;
    char peer[PL_ADDR_TEXT];

    (void)state;
    assert_int_equal(pl_cidr_parse(PL_LIT("127.0.0.0/8"), &all), PL_OK);
    for (size_t cut = 0; cut < sizeof head - 1; cut += 3) {
        struct end *e;
        size_t n;

        h = house_new((struct pl_listen_opts){ .proxy_protocol = &proxies });
        server.take_lines = true;
        e = dial(&h);
        TURN_UNTIL(h, e->n_writable == 1);
        if (cut > 0)
            assert_int_equal(pl_conn_send(e->c, head, cut, &n), PL_OK);
        for (int i = 0; i < 3; i++)
            (void)pl_shard_turn(h.s, 1);
        assert_int_equal(pl_conn_send(e->c, head + cut, sizeof head - 1 - cut, &n), PL_OK);
        TURN_UNTIL(h, server.n_lines == 1);
        pl_addr_text(&server.peer, true, peer);
        assert_string_equal(peer, "192.0.2.7:4711");
        pl_conn_close(e->c, PL_CLOSE_NOW);
        TURN_UNTIL(h, pl_net_count(h.s) == 0);
        pl_buf_fini(&e->queue);
        free(e);
        house_free(&h);
    }
    h = house_new((struct pl_listen_opts){ .proxy_protocol = &proxies });
    {
        struct end *e = dial(&h);
        size_t n;

        TURN_UNTIL(h, e->n_writable == 1);
        assert_int_equal(pl_conn_send(e->c, "GET / HTTP/1.1\r\n", 16, &n), PL_OK); /* no header: not let in */
        TURN_UNTIL(h, e->n_closed == 1);
        assert_null(server.c);
        pl_buf_fini(&e->queue);
        free(e);
    }
    house_free(&h);
}

static void a_connection_goes_on_from_its_record_in_another_node(void **state)
{
    struct house h = house_new((struct pl_listen_opts){ 0 });
    struct pl_node *n2 = pl_node_new(pl_world_linux(), 1);
    struct end *e = dial(&h), heir = { .take_lines = true };
    struct pl_buf rec = pl_buf_init(1 << 20);
    struct pl_rec_out out = { &rec };
    struct pl_rec_in in;
    uint32_t version;
    size_t n;
    int sock;

    (void)state;
    pl_net_init(n2->shards[0]);
    server.take_lines = true;
    TURN_UNTIL(h, server.c != NULL && e->n_writable == 1);
    assert_int_equal(pl_conn_send(e->c, "a\nhalf a li", 11, &n), PL_OK);
    TURN_UNTIL(h, server.c->tail_len == 9);
    pl_conn_timer(server.c, h.s->now_ms + 50);
    assert_true(pl_conn_can_save(server.c));
    pl_conn_save(server.c, &out);
    pl_rec_seal(&rec, 0, 1);
    sock = pl_conn_detach(server.c);
    TURN_UNTIL(h, server.n_closed == 1);
    assert_int_equal(server.why, PL_END_MOVED);

    assert_int_equal(pl_rec_open(pl_buf_slice(&rec), &version, &in), PL_OK);
    assert_int_equal(pl_conn_saved_sock(in), sock);
    assert_int_equal(pl_conn_load(n2->shards[0], h.l, in, sock, &heir.c), PL_OK);
    assert_int_equal(heir.c->peer.port, server.peer.port);
    pl_conn_set_user(heir.c, &end_ops, &heir);
    assert_int_equal(pl_conn_send(e->c, "ne\n", 3, &n), PL_OK);
    while (heir.n_lines < 1 || heir.n_timer < 1)
        (void)pl_shard_turn(n2->shards[0], 100);
    pl_net_fini(n2->shards[0]);
    assert_int_equal(heir.n_closed, 1);
    TURN_UNTIL(h, e->n_closed == 1);
    pl_node_free(&n2);
    pl_buf_fini(&rec);
    pl_buf_fini(&e->queue);
    free(e);
    house_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_in_order_whatever_the_kernel_takes),
        cmocka_unit_test(an_unfinished_line_is_kept_and_comes_again),
        cmocka_unit_test(a_new_user_gets_what_the_old_one_left),
        cmocka_unit_test(a_paused_connection_reads_nothing_until_resumed),
        cmocka_unit_test(a_half_closed_peer_still_gets_its_answer),
        cmocka_unit_test(a_refused_dial_is_told_once),
        cmocka_unit_test(a_listed_proxy_tells_the_peers_address),
        cmocka_unit_test(a_connection_goes_on_from_its_record_in_another_node),
    };

    return cmocka_run_group_tests_name("net/conn", tests, NULL, NULL);
}
