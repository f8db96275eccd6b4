/* The client endpoint over the real HTTP room; connections and sessions are played by the test. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "codec/ws_in.h"
#include "http/fake_net_test.h"
#include "metrics/metrics.h"
#include "transport/room.h"
#include "transport/ws.h"
#include "transport/ws_conn.h"

static struct {
    struct pl_node *node;
    struct pl_metrics *metrics;
    struct pl_router *router;
    struct pl_http_opts http;
    struct pl_config config;
    struct peer *peer;
    struct pl_ws_endpoint endpoint;
    const char *origins[1];
} t;

/* ---- the session ---- */

static struct {
    struct pl_sess sess;
    struct pl_pipe *pipe;
    struct pl_buf got;     /* messages, each behind a space */
    enum pl_err new_err;
    unsigned n_new, n_gone, n_writable, n_pong;
    unsigned render_class;
    bool frame_ping, is_clean;
    char header_user[32];
} s;

enum pl_err pl_sess_new(struct pl_shard *shard, const struct pl_sess_opts *opts, struct pl_sess **ret)
{
    assert_ptr_equal(shard, t.node->shards[0]);
    s.n_new++;
    if (s.new_err != PL_OK)
        return s.new_err;
    s.render_class = opts->render_class;
    s.frame_ping = opts->frame_ping;
    s.pipe = opts->pipe;
    s.sess.flags = opts->frame_ping ? PL_SESS_FRAME_PING : 0;
    s.sess.render_class = (uint8_t)opts->render_class;
    assert_true(opts->wants_pong && opts->header_user.len < sizeof s.header_user);
    if (opts->header_user.len > 0)
        memcpy(s.header_user, opts->header_user.p, opts->header_user.len);
    opts->pipe->sess = &s.sess;
    *ret = &s.sess;
    return PL_OK;
}

void pl_sess_message(struct pl_sess *sess, uint8_t *p, size_t n)
{
    assert_ptr_equal(sess, &s.sess);
    pl_buf_byte(&s.got, ' ');
    pl_buf_put(&s.got, p, n);
}

void pl_sess_pong(struct pl_sess *sess)
{
    (void)sess;
    s.n_pong++;
}

void pl_sess_on_writable(struct pl_sess *sess)
{
    (void)sess;
    s.n_writable++;
}

void pl_sess_on_gone(struct pl_sess *sess, bool is_clean)
{
    assert_ptr_equal(sess, &s.sess);
    s.pipe->sess = NULL;
    s.n_gone++;
    s.is_clean = is_clean;
}

void pl_sess_save(struct pl_sess *sess, struct pl_rec_out *r)
{
    (void)sess;
    pl_rec_bytes(r, 1, PL_LIT("session"));
}

enum pl_err pl_sess_load(struct pl_shard *shard, struct pl_rec_in rec, struct pl_pipe *pipe, const struct pl_dialect_ops *dialect,
                         struct pl_sess **ret)
{
    struct pl_rec_field f;

    (void)shard;
    assert_ptr_equal(dialect, t.endpoint.json);
    if (pl_rec_next(&rec, &f) != PL_OK || !pl_slice_eq(f.value, PL_LIT("session")))
        return PL_EPROTO;
    s.pipe = pipe;
    pipe->sess = &s.sess;
    *ret = &s.sess;
    return PL_OK;
}

/* ---- set-up ---- */

static int start(void **state)
{
    static const struct pl_dialect_ops json = { .name = "json", .render_class = 0 };
    const struct pl_route route = { .path = "/ws", .methods = 0xffff, .listeners = PL_LISTEN_EXTERNAL, .ops = &pl_ws_route_ops,
                                    .arg = &t.endpoint };

    (void)state;
    memset(&s, 0, sizeof s);
    memset(&t, 0, sizeof t);
    s.got = pl_buf_init(100000);
    t.endpoint.json = &json;
    t.config.websocket.message_size_limit = 1000;
    t.config.websocket.decompressed_message_size_limit = 10000;
    t.config.websocket.compression_level = 1;
    t.config.client.user_id_http_header = "";
    t.node = fake_node_new();
    t.node->config = &t.config;
    t.metrics = pl_metrics_new(1);
    assert_non_null(t.metrics);
    t.node->shards[0]->cells = pl_metrics_cells(t.metrics, 0);
    t.router = pl_router_new();
    assert_int_equal(pl_router_add(t.router, &route), PL_OK);
    t.origins[0] = "https://app.example";
    t.http = (struct pl_http_opts){ .router = t.router, .max_head_bytes = 8192, .head_timeout_ms = 1000, .body_timeout_ms = 1000,
                                    .idle_timeout_ms = 1000, .allowed_origins = t.origins, .n_allowed_origins = 1 };
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
    pl_buf_fini(&s.got);
    return 0;
}

#define HELLO(target) "GET " target " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define MASKED_HELLO "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"

static bool answer_has(const char *what)
{
    return t.peer->out.len > 0 && memmem(t.peer->out.p, t.peer->out.len, what, strlen(what)) != NULL;
}

static void send_all(struct pl_slice bytes)
{
    peer_send(t.peer, bytes);
    peer_settle(t.peer);
}

/* After the 101, what the peer received from here on. */
static void open_with(struct pl_slice hello)
{
    send_all(hello);
    assert_true(answer_has("HTTP/1.1 101 Switching Protocols\r\n"));
    assert_true(answer_has("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
}

static void check_out(struct pl_slice want)
{
    if (!pl_slice_eq(pl_buf_slice(&t.peer->out), want))
        fail_msg("got %zu bytes: %.*s", t.peer->out.len, PL_FMT(pl_buf_slice(&t.peer->out)));
    pl_buf_clear(&t.peer->out);
}

/* ---- tests ---- */

static void a_handshake_makes_a_session_and_messages_reach_it(void **state)
{
    (void)state;
    open_with(PL_LIT(HELLO("/ws") "\r\n" MASKED_HELLO));
    assert_false(answer_has("Sec-WebSocket-Extensions"));
    assert_false(answer_has("Sec-WebSocket-Protocol"));
    assert_int_equal(s.n_new, 1);
    assert_int_equal(s.render_class, PL_FRAMING_WS);
    send_all(PL_LIT(MASKED_HELLO));
    assert_true(pl_slice_eq(pl_buf_slice(&s.got), PL_LIT(" Hello Hello")));
}

static void refusals_make_no_session(void **state)
{
    (void)state;
    send_all(PL_LIT(HELLO("/ws") "Origin: https://evil.example\r\n\r\n"));
    assert_true(answer_has("HTTP/1.1 403 ") && answer_has("\r\n\r\nForbidden\n"));
    assert_int_equal(s.n_new, 0);
}

static void an_allowed_origin_passes(void **state)
{
    (void)state;
    open_with(PL_LIT(HELLO("/ws") "Origin: https://app.example\r\n\r\n"));
}

static void a_wrong_version_is_426(void **state)
{
    (void)state;
    send_all(PL_LIT("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    assert_true(answer_has("HTTP/1.1 426 ") && answer_has("Sec-WebSocket-Version: 13\r\n"));
}

static void protobuf_that_is_not_built_is_refused_with_a_sentence(void **state)
{
    (void)state;
    send_all(PL_LIT(HELLO("/ws?format=protobuf") "\r\n"));
    assert_true(answer_has("HTTP/1.1 400 ") && answer_has("Protobuf"));
    assert_int_equal(s.n_new, 0);
}

static void the_json_subprotocol_is_answered(void **state)
{
    (void)state;
    open_with(PL_LIT(HELLO("/ws") "Sec-WebSocket-Protocol: foo, centrifuge-protobuf, centrifuge-json\r\n\r\n"));
    assert_true(answer_has("Sec-WebSocket-Protocol: centrifuge-json\r\n"));
}

static void no_room_for_a_session_is_503(void **state)
{
    (void)state;
    s.new_err = PL_EBUSY;
    send_all(PL_LIT(HELLO("/ws") "\r\n"));
    assert_true(answer_has("HTTP/1.1 503 ") && answer_has("Retry-After: 1\r\n"));
}

static void the_user_comes_from_the_configured_header(void **state)
{
    (void)state;
    t.config.client.user_id_http_header = "X-User";
    open_with(PL_LIT(HELLO("/ws") "x-user: 42\r\n\r\n"));
    assert_string_equal(s.header_user, "42");
}

static void frame_pings_are_asked_for_in_the_query(void **state)
{
    (void)state;
    open_with(PL_LIT(HELLO("/ws?cf_ws_frame_ping_pong=true") "\r\n"));
    assert_true(s.frame_ping);
    pl_buf_clear(&t.peer->out);
    s.pipe->ops->ping(s.pipe);
    check_out(PL_LIT("\x89\x00"));
    send_all(PL_LIT("\x8a\x80\0\0\0\0"));
    assert_int_equal(s.n_pong, 1);
}

static void unasked_pongs_do_not_count_as_the_sessions(void **state)
{
    (void)state;
    open_with(PL_LIT(HELLO("/ws") "\r\n"));
    send_all(PL_LIT("\x8a\x80\0\0\0\0"));
    assert_int_equal(s.n_pong, 0);
}

static void a_disconnect_is_a_close_frame_and_the_peers_answer_ends_it(void **state)
{
    (void)state;
    open_with(PL_LIT(HELLO("/ws") "\r\n"));
    pl_buf_clear(&t.peer->out);
    s.pipe->ops->close(s.pipe, 3501, PL_LIT("bad request"));
    check_out(PL_LIT("\x88\x0d\x0d\xad" "bad request"));
    send_all(PL_LIT("\x88\x82\0\0\0\0\x0d\xad"));
    assert_true(t.peer->is_closing || t.peer->is_closed);
    assert_int_equal(s.n_gone, 0);
}

static void a_close_by_the_peer_ends_the_session_cleanly(void **state)
{
    (void)state;
    open_with(PL_LIT(HELLO("/ws") "\r\n"));
    pl_buf_clear(&t.peer->out);
    send_all(PL_LIT("\x88\x82\0\0\0\0\x03\xe8"));
    check_out(PL_LIT("\x88\x02\x03\xe8"));
    assert_true(s.n_gone == 1 && s.is_clean);
}

static void a_message_over_the_limit_is_1009_without_words(void **state)
{
    (void)state;
    open_with(PL_LIT(HELLO("/ws") "\r\n"));
    pl_buf_clear(&t.peer->out);
    send_all(PL_LIT("\x81\xfe\x03\xe9"));
    check_out(PL_LIT("\x88\x02\x03\xf1"));
    assert_true(s.n_gone == 1 && !s.is_clean);
    assert_int_equal(pl_metrics_sum(t.metrics, PL_M_MESSAGE_TOO_BIG + PL_MV_TRANSPORT_WEBSOCKET), 1);
}

static void compressed_sessions_share_frames_that_any_inflater_reads(void **state)
{
    static const char text[] = "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":\"abcabcabcabcabcabcabcabcabcabcabc\"}}}";
    struct pl_ws_in_opts opts = { .role = PL_WS_CLIENT, .limit = 1000, .inflated_limit = 1000, .has_deflate = true, .window_bits = 15 };
    struct pl_buf out = pl_buf_init(10000);
    struct pl_ws_event ev;
    struct pl_ws_feed feed;
    struct pl_ws_in in;

    (void)state;
    t.config.websocket.compression = true;
    open_with(PL_LIT(HELLO("/ws") "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"));
    assert_true(answer_has("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"));
    assert_int_equal(s.render_class, PL_FRAMING_WS | PL_CLASS_DEFLATE);
    PL_BUF_LIT(&out, "before");
    pl_ws_pipe_ops.frame(t.node->shards[0], s.render_class, pl_slice_str(text), &out);
    pl_ws_pipe_ops.frame(t.node->shards[0], s.render_class, PL_LIT("x"), &out); /* does not pay: plain */
    assert_true(out.len < 6 + 2 + sizeof text - 1);
    assert_int_equal(out.p[6], 0xc1);
    pl_ws_in_init(&in, &opts);
    feed = (struct pl_ws_feed){ out.p + 6, out.len - 6 };
    assert_int_equal(pl_ws_in_next(&in, pl_wsc_zip(t.node->shards[0], 0), &feed, &ev), PL_WS_EV_MESSAGE);
    assert_true(pl_slice_eq(ev.data, pl_slice_str(text)));
    assert_true(pl_slice_eq(pl_slice(feed.p, feed.len), PL_LIT("\x81\x01x")));
    pl_ws_in_fini(&in);

    send_all(PL_LIT("\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00"));
    assert_true(pl_slice_eq(pl_buf_slice(&s.got), PL_LIT(" Hello")));
    t.config.websocket.compression_min_size = sizeof text;
    pl_buf_clear(&out);
    pl_ws_pipe_ops.frame(t.node->shards[0], s.render_class, pl_slice_str(text), &out);
    assert_int_equal(out.p[0], 0x81);
    pl_buf_fini(&out);
}

static void a_client_with_a_small_window_gets_plain_frames(void **state)
{
    (void)state;
    t.config.websocket.compression = true;
    open_with(PL_LIT(HELLO("/ws") "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n"));
    assert_int_equal(s.render_class, PL_FRAMING_WS);
}

static void a_session_goes_on_from_its_record_at_any_byte_of_a_message(void **state)
{
    static const uint8_t hello[] = MASKED_HELLO;

    (void)state;
    open_with(PL_LIT(HELLO("/ws") "\r\n"));
    for (size_t cut = 0; cut < sizeof hello - 1; cut++) {
        struct pl_buf b = pl_buf_init(10000);
        struct pl_rec_out out = { &b };
        struct pl_conn *c = &t.peer->c;
        void *before = c->user;

        pl_buf_clear(&s.got);
        send_all(pl_slice(hello, cut));
        c->ops->save(c, &out);
        assert_int_equal(pl_ws_load(c, &t.endpoint, (struct pl_rec_in){ pl_buf_slice(&b) }), PL_OK);
        assert_true(c->user != before);
        send_all(pl_slice(hello + cut, sizeof hello - 1 - cut));
        assert_true(pl_slice_eq(pl_buf_slice(&s.got), PL_LIT(" Hello")));

        /* The old one's memory, as the process that handed over would give it up. */
        pl_wsc_fini(before);
        pl_slab_free(&transport_room(t.node->shards[0])->ws_slab, before);
        pl_buf_fini(&b);
    }
    assert_int_equal(s.n_gone, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_handshake_makes_a_session_and_messages_reach_it),
        T(refusals_make_no_session),
        T(an_allowed_origin_passes),
        T(a_wrong_version_is_426),
        T(protobuf_that_is_not_built_is_refused_with_a_sentence),
        T(the_json_subprotocol_is_answered),
        T(no_room_for_a_session_is_503),
        T(the_user_comes_from_the_configured_header),
        T(frame_pings_are_asked_for_in_the_query),
        T(unasked_pongs_do_not_count_as_the_sessions),
        T(a_disconnect_is_a_close_frame_and_the_peers_answer_ends_it),
        T(a_close_by_the_peer_ends_the_session_cleanly),
        T(a_message_over_the_limit_is_1009_without_words),
        T(compressed_sessions_share_frames_that_any_inflater_reads),
        T(a_client_with_a_small_window_gets_plain_frames),
        T(a_session_goes_on_from_its_record_at_any_byte_of_a_message),
    };

    return cmocka_run_group_tests_name("transport/ws", tests, NULL, NULL);
}
