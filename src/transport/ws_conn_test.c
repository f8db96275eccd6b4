/* A WebSocket over a connection that the test plays itself: the kernel takes as many bytes as the test says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "metrics/metrics.h"
#include "transport/ws_conn.h"

/* ---- the connection ---- */

static struct {
    struct pl_shard shard;
    struct pl_conn conn;
    struct pl_buf wire;     /* what the peer has got */
    size_t room;            /* bytes the kernel takes before it refuses */
    size_t tls_offered;     /* TLS: bytes that must be offered again first */
    bool is_tls, is_paused, is_closed;
    enum pl_close how;
    uint64_t due_ms;
} net;

enum pl_err pl_conn_send(struct pl_conn *c, const void *p, size_t n, size_t *ret_n)
{
    size_t take = n < net.room ? n : net.room;

    assert_ptr_equal(c, &net.conn);
    if (net.is_closed)
        return PL_ECLOSED;
    if (net.is_tls)
        assert_true(n >= net.tls_offered);
    pl_buf_put(&net.wire, p, take);
    net.room -= take;
    net.tls_offered = n - take;
    *ret_n = take;
    return take == n ? PL_OK : PL_EAGAIN;
}

void pl_conn_close(struct pl_conn *c, enum pl_close how)
{
    (void)c;
    assert_false(net.is_closed);
    net.is_closed = true;
    net.how = how;
}

void pl_conn_timer(struct pl_conn *c, uint64_t due_ms)
{
    (void)c;
    net.due_ms = due_ms;
}

void pl_conn_pause(struct pl_conn *c)
{
    (void)c;
    net.is_paused = true;
}

void pl_conn_resume(struct pl_conn *c)
{
    (void)c;
    net.is_paused = false;
}

void pl_conn_set_user(struct pl_conn *c, const struct pl_conn_ops *ops, void *user)
{
    c->ops = ops;
    c->user = user;
}

bool pl_conn_is_tls(const struct pl_conn *c)
{
    (void)c;
    return net.is_tls;
}

/* ---- the owner ---- */

static struct {
    struct pl_wsc w;
    struct pl_buf got;      /* messages, each behind a space */
    unsigned n_writable, n_end, n_free, n_pong;
    bool is_clean, pauses;
} owner;

static void on_message(struct pl_wsc *w, uint8_t opcode, uint8_t *p, size_t n)
{
    (void)opcode;
    pl_buf_byte(&owner.got, ' ');
    pl_buf_put(&owner.got, p, n);
    if (owner.pauses)
        pl_wsc_pause(w);
}

static void on_pong(struct pl_wsc *w)
{
    (void)w;
    owner.n_pong++;
}

static void on_writable(struct pl_wsc *w)
{
    (void)w;
    owner.n_writable++;
}

static void on_end(struct pl_wsc *w, bool is_clean)
{
    (void)w;
    owner.n_end++;
    owner.is_clean = is_clean;
}

static void on_free(struct pl_wsc *w)
{
    owner.n_free++;
    pl_wsc_fini(w);
}

static const struct pl_wsc_ops ops = { .on_message = on_message, .on_pong = on_pong, .on_writable = on_writable,
                                       .on_end = on_end, .on_free = on_free };
static const struct pl_ws_in_opts in_opts = { .role = PL_WS_CLIENT, .limit = 1000 }; /* client: frames need no mask */

static struct pl_metrics *metrics;

static void start(bool is_tls)
{
    memset(&net, 0, sizeof net);
    memset(&owner, 0, sizeof owner);
    net.shard.cells = pl_metrics_cells(metrics, 0);
    net.shard.now_ms = 1000;
    net.conn.shard = &net.shard;
    net.wire = pl_buf_init(100000);
    net.room = SIZE_MAX;
    net.is_tls = is_tls;
    owner.got = pl_buf_init(100000);
    pl_wsc_init(&owner.w, &ops, &net.conn, &in_opts, PL_LIT("101;"));
}

static void end(void)
{
    if (owner.n_free == 0)
        net.conn.ops->on_closed(&net.conn, PL_END_LOCAL);
    assert_int_equal(owner.n_free, 1);
    pl_transport_fini(&net.shard);
    pl_buf_fini(&net.wire);
    pl_buf_fini(&owner.got);
}

static void arrive(struct pl_slice s)
{
    uint8_t copy[1000];

    memcpy(copy, s.p, s.len);
    assert_int_equal(net.conn.ops->on_bytes(&net.conn, copy, s.len), s.len);
}

static void take_all(void)
{
    net.room = SIZE_MAX;
    net.conn.ops->on_writable(&net.conn);
}

static void check_wire(const char *what, struct pl_slice want)
{
    if (!pl_slice_eq(pl_buf_slice(&net.wire), want)) {
        for (size_t i = 0; i < net.wire.len; i++)
            print_error("%02x ", net.wire.p[i]);
        fail_msg("%s: %zu bytes", what, net.wire.len);
    }
}

#define PING PL_LIT("\x89\x01p")
#define PONG "\x8a\x01p"

/* ---- tests ---- */

static void a_pong_goes_out_at_once_when_nothing_is_in_the_way(void **state)
{
    (void)state;
    start(false);
    arrive(PING);
    check_wire("pong", PL_LIT("101;" PONG));
    arrive(PL_LIT("\x8a\x00"));
    assert_int_equal(owner.n_pong, 1);
    assert_null(owner.w.urgent);
    end();
}

static void a_refused_handshake_answer_goes_before_everything_else(void **state)
{
    size_t n;

    (void)state;
    for (size_t room = 0; room < 4; room++) {
        memset(&net, 0, sizeof net);
        start(false);
        pl_buf_clear(&net.wire);
        net.room = room;
        pl_wsc_fini(&owner.w);
        pl_wsc_init(&owner.w, &ops, &net.conn, &in_opts, PL_LIT("101;"));
        assert_int_equal(pl_wsc_send(&owner.w, "\x81\x01x", 3, &n), PL_EAGAIN);
        assert_int_equal(n, 0);
        take_all();
        assert_int_equal(owner.n_writable, 1);
        assert_int_equal(pl_wsc_send(&owner.w, "\x81\x01x", 3, &n), PL_OK);
        check_wire("101 first", PL_LIT("101;\x81\x01x"));
        end();
    }
}

/* Three frames of the owner; after each number of bytes taken a ping comes. The pong must stand between two frames, and
 * nothing may be lost or doubled. */
static void a_pong_stands_between_frames_wherever_the_kernel_stopped(void **state)
{
    static const uint8_t frames[] = "\x81\x03one\x82\x7e\x00\x7e"
                                    "012345678901234567890123456789012345678901234567890123456789012"
                                    "012345678901234567890123456789012345678901234567890123456789012"
                                    "\xc1\x05three";
    enum { LEN = sizeof frames - 1, END1 = 5, END2 = 5 + 4 + 126 };
    const struct pl_slice all = { frames, LEN };

    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        for (size_t taken = 0; taken <= LEN; taken++) {
            for (size_t later = 0; later < 8; later++) { /* room when it goes on */
                struct pl_buf want = pl_buf_init(1000);
                size_t done, n, boundary;
                enum pl_err err;

                start(tls == 1);
                pl_buf_clear(&net.wire);
                net.room = taken;
                err = pl_wsc_send(&owner.w, frames, LEN, &done);
                assert_int_equal(err, taken == LEN ? PL_OK : PL_EAGAIN);
                assert_int_equal(done, taken);
                if (taken == LEN)
                    net.room = SIZE_MAX;
                arrive(PING);
                net.room = later;
                net.conn.ops->on_writable(&net.conn);
                while (done < LEN) {
                    err = pl_wsc_send(&owner.w, frames + done, LEN - done, &n);
                    done += n;
                    if (err == PL_EAGAIN)
                        take_all();
                }
                take_all();
                assert_null(owner.w.urgent);

                boundary = taken == 0 ? 0 : taken <= END1 ? END1 : taken <= END2 ? END2 : LEN;
                if (tls == 1 && taken < LEN)
                    boundary = LEN;
                pl_buf_slice_put(&want, pl_slice(all.p, boundary));
                PL_BUF_LIT(&want, PONG);
                pl_buf_slice_put(&want, pl_slice_from(all, boundary));
                check_wire("pong", pl_buf_slice(&want));
                pl_buf_fini(&want);
                end();
            }
        }
    }
}

static void pongs_for_a_peer_that_reads_nothing_are_bounded(void **state)
{
    (void)state;
    start(false);
    net.room = 1;
    for (int i = 0; i < 10000; i++)
        arrive(PING);
    net.room = SIZE_MAX;
    take_all();
    assert_true(net.wire.len < 1000);
    assert_int_equal((net.wire.len - 4) % 3, 0); /* whole pongs */
    end();
}

static void the_peers_close_is_echoed_and_ends_the_connection(void **state)
{
    static const struct {
        struct pl_slice in, out;
    } rows[] = {
        { PL_LIT_INIT("\x88\x00"), PL_LIT_INIT("101;\x88\x00") },
        { PL_LIT_INIT("\x88\x02\x03\xe8"), PL_LIT_INIT("101;\x88\x02\x03\xe8") },
        { PL_LIT_INIT("\x88\x05\x0b\xb8" "bye\x81\x01x"), PL_LIT_INIT("101;\x88\x02\x0b\xb8") },
    };
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(false);
        arrive(rows[i].in);
        check_wire("close", rows[i].out);
        assert_true(owner.n_end == 1 && owner.is_clean && net.is_closed && net.how == PL_CLOSE_LINGER);
        assert_int_equal(pl_wsc_send(&owner.w, "\x81\x00", 2, &n), PL_ECLOSED);
        assert_int_equal(owner.got.len, 0);
        end();
        assert_int_equal(owner.n_end, 1);
    }
}

static void a_broken_rule_is_told_and_ends_the_connection(void **state)
{
    (void)state;
    start(false);
    arrive(PL_LIT("\x83\x00"));
    check_wire("close", PL_LIT("101;\x88\x0e\x03\xea" "bad opcode 3"));
    assert_true(owner.n_end == 1 && !owner.is_clean && net.is_closed);
    end();

    start(false);
    arrive(PL_LIT("\x82\x7e\x03\xe9"));
    check_wire("1009 without words", PL_LIT("101;\x88\x02\x03\xf1"));
    end();
}

static void our_close_waits_for_the_peers_and_drops_messages_meanwhile(void **state)
{
    (void)state;
    start(false);
    pl_wsc_close(&owner.w, 3001, PL_LIT("shutdown"));
    check_wire("close", PL_LIT("101;\x88\x0a\x0b\xb9shutdown"));
    assert_false(net.is_closed);
    assert_int_equal(net.due_ms, 6000);
    arrive(PL_LIT("\x81\x01x\x89\x00"));
    assert_int_equal(owner.got.len, 0);
    arrive(PL_LIT("\x88\x02\x0b\xb9"));
    check_wire("no second close", PL_LIT("101;\x88\x0a\x0b\xb9shutdown"));
    assert_true(net.is_closed && net.how == PL_CLOSE_LINGER);
    assert_int_equal(owner.n_end, 0);
    end();
    assert_int_equal(owner.n_end, 0);
}

static void a_peer_that_does_not_answer_our_close_is_left(void **state)
{
    (void)state;
    start(false);
    pl_wsc_close(&owner.w, 1000, PL_LIT(""));
    net.conn.ops->on_timer(&net.conn);
    assert_true(net.is_closed && net.how == PL_CLOSE_LINGER);
    end();
}

static void a_close_that_the_kernel_refuses_is_finished_before_tcp_ends(void **state)
{
    (void)state;
    start(false);
    net.room = 1;
    arrive(PL_LIT("\x88\x00"));
    assert_false(net.is_closed);
    take_all();
    assert_true(net.is_closed && net.how == PL_CLOSE_LINGER);
    check_wire("close", PL_LIT("101;\x88\x00"));
    end();

    start(false);
    net.room = 0;
    arrive(PL_LIT("\x88\x00"));
    net.conn.ops->on_timer(&net.conn);
    assert_true(net.is_closed && net.how == PL_CLOSE_ABORT);
    end();
}

static void no_close_frame_stands_inside_a_frame_that_is_partly_out(void **state)
{
    size_t n;

    (void)state;
    start(false);
    net.room = 3;
    assert_int_equal(pl_wsc_send(&owner.w, "\x81\x03one", 5, &n), PL_EAGAIN);
    net.room = SIZE_MAX;
    pl_wsc_close(&owner.w, 3008, PL_LIT("slow"));
    check_wire("cut frame", PL_LIT("101;\x81\x03o"));
    assert_true(net.is_closed);
    end();
}

static void a_paused_owner_gets_nothing_and_leaves_the_rest_unread(void **state)
{
    uint8_t bytes[] = "\x81\x01" "a\x81\x01" "b";

    (void)state;
    start(false);
    owner.pauses = true;
    assert_int_equal(net.conn.ops->on_bytes(&net.conn, bytes, 6), 3);
    assert_true(net.is_paused);
    pl_wsc_resume(&owner.w);
    assert_false(net.is_paused);
    assert_int_equal(net.conn.ops->on_bytes(&net.conn, bytes + 3, 3), 3);
    assert_true(pl_slice_eq(pl_buf_slice(&owner.got), PL_LIT(" a b")));
    end();
}

static void a_vanished_peer_ends_the_owner_once(void **state)
{
    (void)state;
    start(false);
    assert_false(net.conn.ops->on_eof(&net.conn));
    end();
    assert_true(owner.n_end == 1 && !owner.is_clean);
}

static void a_connection_goes_on_from_its_record(void **state)
{
    struct pl_buf b = pl_buf_init(10000);
    struct pl_rec_out out = { &b };
    size_t n;

    (void)state;
    start(false);
    net.room = 4;
    assert_int_equal(pl_wsc_send(&owner.w, "\x81\x03one", 5, &n), PL_EAGAIN); /* a frame partly out */
    arrive(PL_LIT("\x89\x01p\x01\x02Hel"));                                   /* a pong to come, a message half in */
    net.conn.ops->save(&net.conn, &out);
    pl_wsc_fini(&owner.w);
    net.room = SIZE_MAX;
    assert_int_equal(pl_wsc_load(&owner.w, &ops, &net.conn, &in_opts, (struct pl_rec_in){ pl_buf_slice(&b) }), PL_OK);
    assert_int_equal(pl_wsc_send(&owner.w, "e", 1, &n), PL_OK);
    check_wire("pong behind the frame", PL_LIT("101;\x81\x03one" PONG));
    end();
    for (size_t cut = 0; cut < b.len; cut++) {
        struct pl_wsc w;

        if (pl_wsc_load(&w, &ops, &net.conn, &in_opts, (struct pl_rec_in){ pl_slice(b.p, cut) }) == PL_OK)
            pl_wsc_fini(&w);
    }
    pl_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pong_goes_out_at_once_when_nothing_is_in_the_way),
        cmocka_unit_test(a_refused_handshake_answer_goes_before_everything_else),
        cmocka_unit_test(a_pong_stands_between_frames_wherever_the_kernel_stopped),
        cmocka_unit_test(pongs_for_a_peer_that_reads_nothing_are_bounded),
        cmocka_unit_test(the_peers_close_is_echoed_and_ends_the_connection),
        cmocka_unit_test(a_broken_rule_is_told_and_ends_the_connection),
        cmocka_unit_test(our_close_waits_for_the_peers_and_drops_messages_meanwhile),
        cmocka_unit_test(a_peer_that_does_not_answer_our_close_is_left),
        cmocka_unit_test(a_close_that_the_kernel_refuses_is_finished_before_tcp_ends),
        cmocka_unit_test(no_close_frame_stands_inside_a_frame_that_is_partly_out),
        cmocka_unit_test(a_paused_owner_gets_nothing_and_leaves_the_rest_unread),
        cmocka_unit_test(a_vanished_peer_ends_the_owner_once),
        cmocka_unit_test(a_connection_goes_on_from_its_record),
    };
    int rc;

    metrics = pl_metrics_new(1);
    if (metrics == NULL)
        return 1;
    rc = cmocka_run_group_tests_name("transport/ws_conn", tests, NULL, NULL);
    pl_metrics_free(&metrics);
    return rc;
}
