/* The echo endpoint over the real HTTP room, on connections that the test plays (http/fake_net_test.h). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "codec/ws_in.h"
#include "http/fake_net_test.h"
#include "metrics/metrics.h"
#include "transport/echo.h"
#include "transport/ws_conn.h"

static struct {
    struct pl_node *node;
    struct pl_metrics *metrics;
    struct pl_router *router;
    struct pl_http_opts http;
    struct peer *peer;
} t;

static int start(void **state)
{
    const struct pl_route route = { .path = "/", .methods = 0xffff, .listeners = PL_LISTEN_EXTERNAL, .ops = &pl_echo_route_ops };

    (void)state;
    t.node = fake_node_new();
    t.metrics = pl_metrics_new(1);
    assert_non_null(t.metrics);
    t.node->shards[0]->cells = pl_metrics_cells(t.metrics, 0);
    t.router = pl_router_new();
    assert_int_equal(pl_router_add(t.router, &route), PL_OK);
    t.http = (struct pl_http_opts){ .router = t.router, .max_head_bytes = 8192, .head_timeout_ms = 1000, .body_timeout_ms = 1000,
                                    .idle_timeout_ms = 1000 };
    pl_http_init(t.node, &t.http);
    t.peer = peer_new(t.node, "127.0.0.1", PL_LISTEN_EXTERNAL);
    pl_http_on_accept(&t.peer->c);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    peer_leave(t.peer);
    peer_settle(t.peer);
    fake_pass(t.node, 1);
    pl_transport_fini(t.node->shards[0]);
    peer_free(&t.peer);
    pl_http_fini(t.node);
    pl_router_free(&t.router);
    fake_node_free(&t.node);
    pl_metrics_free(&t.metrics);
    return 0;
}

#define HELLO "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define BARE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define MASKED_HELLO "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"

static bool has_text(struct pl_slice s, const char *what)
{
    return s.len > 0 && memmem(s.p, s.len, what, strlen(what)) != NULL;
}

/* Takes the handshake's answer off what the peer received. */
static void skip_answer(void)
{
    const uint8_t *end = memmem(t.peer->out.p, t.peer->out.len, "\r\n\r\n", 4);

    assert_non_null(end);
    assert_true(has_text(pl_buf_slice(&t.peer->out), "HTTP/1.1 101 "));
    assert_true(has_text(pl_buf_slice(&t.peer->out), BARE));
    pl_buf_consume(&t.peer->out, (size_t)(end + 4 - t.peer->out.p));
}

static void frames_sent_together_with_the_handshake_come_back(void **state)
{
    (void)state;
    peer_send(t.peer, PL_LIT(HELLO "\r\n" MASKED_HELLO "\x89\x80\0\0\0\0"));
    peer_settle(t.peer);
    skip_answer();
    assert_true(pl_slice_eq(pl_buf_slice(&t.peer->out), PL_LIT("\x81\x05Hello\x8a\x00")));
}

static void bytes_one_by_one_come_back_just_as_well(void **state)
{
    static const uint8_t all[] = HELLO "\r\n" MASKED_HELLO;

    (void)state;
    for (size_t i = 0; i < sizeof all - 1; i++) {
        peer_send(t.peer, pl_slice(all + i, 1));
        peer_settle(t.peer);
    }
    skip_answer();
    assert_true(pl_slice_eq(pl_buf_slice(&t.peer->out), PL_LIT("\x81\x05Hello")));
}

static void a_refusal_tells_what_is_wrong_and_closes(void **state)
{
    (void)state;
    peer_send(t.peer, PL_LIT("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    peer_settle(t.peer);
    assert_true(has_text(pl_buf_slice(&t.peer->out), "HTTP/1.1 400 "));
    assert_true(has_text(pl_buf_slice(&t.peer->out), "proxy_set_header Upgrade"));
    assert_true(t.peer->is_closing || t.peer->is_closed);
}

/* A client of the codec's own: sends messages compressed as agreed on, checks that they come back. */
static void converse(const char *offer, unsigned bits, bool server_takeover, bool client_takeover)
{
    struct pl_buf hello = pl_buf_init(4096), packed = pl_buf_init(1 << 20);
    const struct pl_ws_in_opts opts = { .role = PL_WS_CLIENT, .limit = 1 << 20, .inflated_limit = 1 << 20, .has_deflate = true,
                                        .has_takeover = server_takeover, .window_bits = (uint8_t)bits };
    struct pl_ws_deflater *d = NULL;
    struct pl_ws_zip *zip = NULL;
    uint8_t message[3000], head[PL_WS_HEAD_MAX];
    struct pl_ws_event ev;
    struct pl_ws_in in;

    pl_buf_printf(&hello, "%sSec-WebSocket-Extensions: %s\r\n\r\n", HELLO, offer);
    peer_send(t.peer, pl_buf_slice(&hello));
    peer_settle(t.peer);
    assert_true(has_text(pl_buf_slice(&t.peer->out), "permessage-deflate"));
    skip_answer();
    assert_int_equal(pl_ws_zip_new(1, &zip), PL_OK);
    assert_int_equal(pl_ws_deflater_new(15, 1, &d), PL_OK);
    pl_ws_in_init(&in, &opts);
    for (size_t i = 0; i < 10; i++) {
        struct pl_ws_feed feed;

        for (size_t k = 0; k < sizeof message; k++)
            message[k] = (uint8_t)('a' + k * k / 7 % 26);
        pl_buf_clear(&packed);
        if (client_takeover)
            assert_int_equal(pl_ws_deflate(d, pl_slice(message, i * 300), &packed), PL_OK);
        else
            assert_int_equal(pl_ws_zip_message(zip, pl_slice(message, i * 300), 15, &packed), PL_OK);
        peer_send(t.peer, pl_slice(head, pl_ws_head_encode_masked(head, PL_WS_TEXT, true, true, packed.len, (const uint8_t *)"\0\0\0\0")));
        peer_send(t.peer, pl_buf_slice(&packed));
        peer_settle(t.peer);
        feed = (struct pl_ws_feed){ t.peer->out.p, t.peer->out.len };
        assert_int_equal(pl_ws_in_next(&in, zip, &feed, &ev), PL_WS_EV_MESSAGE);
        assert_true(pl_slice_eq(ev.data, pl_slice(message, i * 300)));
        assert_int_equal(pl_ws_in_next(&in, zip, &feed, &ev), PL_WS_EV_MORE);
        pl_buf_clear(&t.peer->out);
    }
    pl_ws_in_fini(&in);
    pl_ws_deflater_free(&d);
    pl_ws_zip_free(&zip);
    pl_buf_fini(&packed);
    pl_buf_fini(&hello);
}

static void compression_with_context_takeover_both_ways(void **state)
{
    (void)state;
    converse("permessage-deflate", 15, true, true);
}

static void compression_without_context_takeover(void **state)
{
    (void)state;
    converse("permessage-deflate; server_no_context_takeover; client_no_context_takeover", 15, false, false);
}

static void compression_in_a_window_of_512_bytes(void **state)
{
    (void)state;
    converse("permessage-deflate; server_max_window_bits=9", 9, true, true);
}

static void compression_in_a_small_window_without_takeover(void **state)
{
    (void)state;
    converse("permessage-deflate; server_no_context_takeover; server_max_window_bits=8", 8, false, true);
}

static void a_peer_that_does_not_read_stops_being_read(void **state)
{
    struct pl_buf want = pl_buf_init(10000);

    (void)state;
    peer_send(t.peer, PL_LIT(HELLO "\r\n"));
    peer_settle(t.peer);
    skip_answer();
    t.peer->room = 3;
    for (int i = 0; i < 100; i++) {
        peer_send(t.peer, PL_LIT(MASKED_HELLO));
        peer_settle(t.peer);
        PL_BUF_LIT(&want, "\x81\x05Hello");
    }
    assert_true(t.peer->is_paused);
    assert_true(t.peer->in.len >= 99 * 11);
    for (int i = 0; i < 1000 && t.peer->out.len < want.len; i++) {
        peer_make_room(t.peer, 5);
        peer_settle(t.peer);
    }
    assert_true(pl_slice_eq(pl_buf_slice(&t.peer->out), pl_buf_slice(&want)));
    pl_buf_fini(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_sent_together_with_the_handshake_come_back, start, stop),
        cmocka_unit_test_setup_teardown(bytes_one_by_one_come_back_just_as_well, start, stop),
        cmocka_unit_test_setup_teardown(a_refusal_tells_what_is_wrong_and_closes, start, stop),
        cmocka_unit_test_setup_teardown(compression_with_context_takeover_both_ways, start, stop),
        cmocka_unit_test_setup_teardown(compression_without_context_takeover, start, stop),
        cmocka_unit_test_setup_teardown(compression_in_a_window_of_512_bytes, start, stop),
        cmocka_unit_test_setup_teardown(compression_in_a_small_window_without_takeover, start, stop),
        cmocka_unit_test_setup_teardown(a_peer_that_does_not_read_stops_being_read, start, stop),
    };

    return cmocka_run_group_tests_name("transport/echo", tests, NULL, NULL);
}
