#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "codec/ws_hand.h"
#include "lib/core.h"

/* A client, what it told (trace), and a server made of frames. */
struct fixture {
    struct pl_client_setup setup;
    struct pl_client c;
    struct pl_client_sub sub;
    struct pl_buf trace;
    struct pl_buf server; /* bytes that the server will send */
    uint64_t now_ms;
    size_t piece;         /* the server's bytes come in pieces of this size; 0: whole */
};

static struct fixture *of(struct pl_client *c)
{
    return c->user;
}

static void on_connected(struct pl_client *c, struct pl_slice id)
{
    pl_buf_printf(&of(c)->trace, "connected %.*s|", PL_FMT(id));
}

static void on_disconnected(struct pl_client *c, uint32_t code, struct pl_slice reason)
{
    pl_buf_printf(&of(c)->trace, "disconnected %u %.*s%s|", code, PL_FMT(reason), c->state == PL_CLIENT_ENDED ? " final" : "");
}

static void on_subscribed(struct pl_client *c, struct pl_client_sub *s, const struct pl_client_subscribed *how)
{
    pl_buf_printf(&of(c)->trace, "subscribed@%llu%s%s", (unsigned long long)s->offset, how->was_recovering ? " was" : "",
                  how->recovered ? " recovered" : "");
    if (how->missed_from != 0)
        pl_buf_printf(&of(c)->trace, " missed %llu-%llu", (unsigned long long)how->missed_from, (unsigned long long)how->missed_to);
    PL_BUF_LIT(&of(c)->trace, "|");
}

static void on_unsubscribed(struct pl_client *c, struct pl_client_sub *s, uint32_t code, struct pl_slice reason)
{
    pl_buf_printf(&of(c)->trace, "unsubscribed %u %.*s%s|", code, PL_FMT(reason), s->state == PL_CLIENT_SUB_OFF ? " off" : "");
}

static void on_publication(struct pl_client *c, struct pl_client_sub *s, const struct pl_reply_pub *p)
{
    (void)s;
    pl_buf_printf(&of(c)->trace, "pub %.*s@%llu|", PL_FMT(p->data), (unsigned long long)p->offset);
}

static const struct pl_client_ops ops = { on_connected, on_disconnected, on_subscribed, on_unsubscribed, on_publication };

static struct fixture *fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->setup = pl_client_setup_default(&ops);
    f->trace = f->server = pl_buf_init(1 << 20);
    f->now_ms = 1000;
    pl_client_init(&f->c, &f->setup, PL_LIT("tok"), (struct pl_hash_key){ 1, 2 });
    f->c.user = f;
    f->sub = (struct pl_client_sub){ .channel = PL_LIT("news"), .is_recoverable = true };
    return f;
}

static void fixture_free(struct fixture *f)
{
    pl_client_fini(&f->c);
    pl_buf_fini(&f->trace);
    pl_buf_fini(&f->server);
    free(f);
}

static void expect_trace(struct fixture *f, const char *want)
{
    pl_buf_byte(&f->trace, 0);
    assert_string_equal((const char *)f->trace.p, want);
    pl_buf_clear(&f->trace);
}

/* Text of all frames that the client has put out, joined by '|'; control frames as "close" and "pong". */
static void expect_sent(struct fixture *f, const char *want)
{
    struct pl_ws_in in;
    struct pl_ws_feed feed = { f->c.out.p, f->c.out.len };
    struct pl_ws_event ev;
    struct pl_buf got = pl_buf_init(65536);

    pl_ws_in_init(&in, &(struct pl_ws_in_opts){ .role = PL_WS_SERVER, .limit = 65536 });
    while (pl_ws_in_next(&in, NULL, &feed, &ev) != PL_WS_EV_MORE) {
        assert_int_not_equal(ev.kind, PL_WS_EV_BAD);
        if (ev.kind == PL_WS_EV_CLOSE)
            pl_buf_printf(&got, "close %u|", ev.code);
        else
            pl_buf_printf(&got, "%s%.*s|", ev.kind == PL_WS_EV_PONG ? "pong " : "", PL_FMT(ev.data));
    }
    pl_ws_in_fini(&in);
    pl_buf_byte(&got, 0);
    assert_string_equal((const char *)got.p, want);
    pl_buf_fini(&got);
    pl_buf_clear(&f->c.out);
}

static void server_frame(struct fixture *f, uint8_t opcode, struct pl_slice payload)
{
    uint8_t head[PL_WS_HEAD_MAX];

    pl_buf_put(&f->server, head, pl_ws_head_encode(head, opcode, true, false, payload.len));
    pl_buf_slice_put(&f->server, payload);
}

static void server_says(struct fixture *f, const char *text)
{
    server_frame(f, PL_WS_TEXT, pl_slice_str(text));
}

static void deliver(struct fixture *f)
{
    size_t at = 0;

    while (at < f->server.len) {
        size_t n = f->piece != 0 && f->piece < f->server.len - at ? f->piece : f->server.len - at;
        uint8_t *piece = malloc(n); /* its own block, so that a sanitizer sees reading beyond */

        assert_non_null(piece);
        memcpy(piece, f->server.p + at, n);
        pl_client_input(&f->c, f->now_ms, piece, n);
        free(piece);
        at += n;
    }
    pl_buf_clear(&f->server);
}

/* Up to the socket being open and the upgrade request sent; the answer to it is put, not delivered. */
static void dial(struct fixture *f)
{
    char accept[PL_WS_ACCEPT_LEN + 1];

    f->now_ms = pl_client_deadline(&f->c) > f->now_ms ? pl_client_deadline(&f->c) : f->now_ms;
    assert_int_equal(pl_client_tick(&f->c, f->now_ms), PL_CLIENT_WANTS_DIAL);
    pl_client_opened(&f->c, f->now_ms);
    assert_true(pl_slice_starts(pl_buf_slice(&f->c.out), PL_LIT("GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\n")));
    pl_buf_clear(&f->c.out);
    pl_ws_hand_accept(pl_slice(f->c.key, sizeof f->c.key), accept);
    pl_buf_printf(&f->server, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
}

static void connect_client(struct fixture *f)
{
    dial(f);
    deliver(f);
    expect_sent(f, "{\"id\":1,\"connect\":{\"token\":\"tok\"}}|");
    server_says(f, "{\"id\":1,\"connect\":{\"client\":\"c1\",\"version\":\"x\",\"ping\":25,\"pong\":true}}");
    deliver(f);
}

/* Connected, subscribed at offset 4 of epoch "e". */
static struct fixture *fixture_live(void)
{
    struct fixture *f = fixture_new();

    pl_client_subscribe(&f->c, &f->sub, f->now_ms);
    pl_client_start(&f->c, f->now_ms);
    connect_client(f);
    pl_buf_clear(&f->c.out);
    server_says(f, "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"e\",\"offset\":4}}");
    deliver(f);
    expect_trace(f, "connected c1|subscribed@4|");
    return f;
}

static void a_session_reads_the_same_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 130; piece++) {
        struct fixture *f = fixture_new();

        f->piece = piece;
        pl_client_subscribe(&f->c, &f->sub, f->now_ms);
        pl_client_start(&f->c, f->now_ms);
        connect_client(f);
        expect_sent(f, "{\"id\":2,\"subscribe\":{\"channel\":\"news\",\"positioned\":true,\"recoverable\":true}}|");
        server_says(f, "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"epoch\":\"e\",\"offset\":4}}\n"
                       "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":{\"n\":5},\"offset\":5}}}");
        server_frame(f, PL_WS_PING, PL_LIT("hello"));
        server_says(f, "{}\n{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":[],\"offset\":6}}}");
        deliver(f);
        expect_sent(f, "pong hello|{}|");
        expect_trace(f, "connected c1|subscribed@4|pub {\"n\":5}@5|pub []@6|");
        fixture_free(f);
    }
}

static void an_upgrade_with_frames_behind_it_loses_none(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 200; piece++) {
        struct fixture *f = fixture_new();

        f->piece = piece;
        pl_client_start(&f->c, f->now_ms);
        dial(f);
        server_says(f, "{\"id\":1,\"connect\":{\"client\":\"c1\"}}");
        deliver(f);
        expect_trace(f, "connected c1|");
        assert_true(pl_client_deadline(&f->c) == UINT64_MAX); /* this server does not ping */
        fixture_free(f);
    }
}

static void doubles_are_dropped_and_a_gap_is_recovered(void **state)
{
    struct fixture *f = fixture_live();

    (void)state;
    server_says(f, "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":4,\"offset\":4}}}");
    server_says(f, "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":5,\"offset\":5}}}");
    server_says(f, "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":7,\"offset\":7}}}");
    server_says(f, "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":8,\"offset\":8}}}");
    deliver(f);
    expect_trace(f, "pub 5@5|unsubscribed 1100 gap seen by client|");
    expect_sent(f, "{\"id\":3,\"unsubscribe\":{\"channel\":\"news\"}}|{\"id\":4,\"subscribe\":{\"channel\":\"news\",\"recover\":true,"
                   "\"epoch\":\"e\",\"offset\":5,\"positioned\":true,\"recoverable\":true}}|");
    server_says(f, "{\"id\":3,\"unsubscribe\":{}}");
    server_says(f, "{\"id\":4,\"subscribe\":{\"recoverable\":true,\"epoch\":\"e\",\"offset\":5,\"was_recovering\":true,\"recovered\":true,"
                   "\"publications\":[{\"data\":6,\"offset\":6},{\"data\":7,\"offset\":7},{\"data\":8,\"offset\":8}]}}");
    deliver(f);
    expect_trace(f, "subscribed@5 was recovered|pub 6@6|pub 7@7|pub 8@8|");
    fixture_free(f);
}

static void a_raw_client_shows_doubles_and_gaps(void **state)
{
    struct fixture *f = fixture_live();

    (void)state;
    f->setup.is_raw = true;
    server_says(f, "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":4,\"offset\":4}}}");
    server_says(f, "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":7,\"offset\":7}}}");
    deliver(f);
    expect_trace(f, "pub 4@4|pub 7@7|");
    fixture_free(f);
}

static void coming_back_asks_from_the_last_position(void **state)
{
    struct fixture *f = fixture_live();

    (void)state;
    pl_client_lost(&f->c, f->now_ms);
    expect_trace(f, "disconnected 1 transport closed|");
    connect_client(f);
    expect_sent(f, "{\"id\":2,\"subscribe\":{\"channel\":\"news\",\"recover\":true,\"epoch\":\"e\",\"offset\":4,\"positioned\":true,"
                   "\"recoverable\":true}}|");
    server_says(f, "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"epoch\":\"e\",\"offset\":9,\"was_recovering\":true}}");
    deliver(f);
    expect_trace(f, "connected c1|subscribed@9 was missed 5-9|");
    pl_client_lost(&f->c, f->now_ms);
    connect_client(f);
    server_says(f, "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"epoch\":\"other\",\"offset\":1,\"was_recovering\":true}}");
    deliver(f);
    expect_trace(f, "disconnected 1 transport closed|connected c1|subscribed@1 was missed 10-0|");
    fixture_free(f);
}

static void waiting_doubles_up_to_the_cap_with_jitter(void **state)
{
    static const uint64_t base[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };
    struct fixture *f = fixture_new();

    (void)state;
    pl_client_start(&f->c, f->now_ms);
    for (size_t i = 0; i < sizeof base / sizeof base[0]; i++) {
        uint64_t wait;

        assert_int_equal(pl_client_tick(&f->c, f->now_ms), PL_CLIENT_WANTS_DIAL);
        pl_client_lost(&f->c, f->now_ms);
        wait = pl_client_deadline(&f->c) - f->now_ms;
        assert_in_range(wait, base[i], base[i] * 13 / 10);
        f->now_ms += wait;
    }
    pl_buf_clear(&f->trace);
    connect_client(f); /* success starts the count anew */
    pl_client_lost(&f->c, f->now_ms);
    assert_in_range(pl_client_deadline(&f->c) - f->now_ms, 1000, 1300);
    fixture_free(f);
}

static void the_close_code_decides_about_coming_back(void **state)
{
    static const struct { unsigned code; bool is_final; } rows[] = {
        { 1000, false }, { 1001, false }, { 1009, true }, { 1011, false }, { 3000, false }, { 3001, false }, { 3012, false },
        { 3499, false }, { 3500, true }, { 3999, true }, { 4000, false }, { 4499, false }, { 4500, true }, { 4999, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture *f = fixture_live();
        uint8_t payload[PL_WS_CONTROL_MAX];
        char want[64];

        server_frame(f, PL_WS_CLOSE, pl_slice(payload, pl_ws_close_encode(payload, rows[i].code, PL_LIT("why"))));
        deliver(f);
        snprintf(want, sizeof want, "disconnected %u why%s|", rows[i].code, rows[i].is_final ? " final" : "");
        expect_trace(f, want);
        assert_true(pl_client_is_over(&f->c));
        pl_client_lost(&f->c, f->now_ms); /* the driver's own report changes nothing */
        expect_trace(f, "");
        fixture_free(f);
    }
}

static void an_answer_other_than_101_is_told(void **state)
{
    static const struct { const char *head, *want; } rows[] = {
        { "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "disconnected 4 HTTP status 403 instead of 101 final|" },
        { "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "disconnected 4 HTTP status 503 instead of 101|" },
        { "HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n", "disconnected 4 HTTP status 429 instead of 101|" },
        { "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
          "disconnected 4 wrong Sec-WebSocket-Accept|" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture *f = fixture_new();

        pl_client_start(&f->c, f->now_ms);
        dial(f);
        pl_buf_clear(&f->server);
        pl_buf_slice_put(&f->server, pl_slice_str(rows[i].head));
        deliver(f);
        expect_trace(f, rows[i].want);
        fixture_free(f);
    }
}

static void silence_is_noticed_in_every_state(void **state)
{
    struct fixture *f = fixture_live();

    (void)state;
    assert_int_equal(pl_client_deadline(&f->c), f->now_ms + 35000);
    f->now_ms += 20000;
    server_says(f, "{}");
    deliver(f);
    assert_int_equal(pl_client_deadline(&f->c), f->now_ms + 35000);
    f->now_ms += 35000;
    assert_int_equal(pl_client_tick(&f->c, f->now_ms), PL_CLIENT_WANTS_NOTHING);
    expect_trace(f, "disconnected 2 no ping|");
    connect_client(f); /* and no answer to subscribe */
    pl_buf_clear(&f->trace);
    assert_int_equal(pl_client_deadline(&f->c), f->now_ms + 5000);
    f->now_ms += 5000;
    assert_int_equal(pl_client_tick(&f->c, f->now_ms), PL_CLIENT_WANTS_NOTHING);
    expect_trace(f, "disconnected 3 no answer to subscribe|");
    f->now_ms = pl_client_deadline(&f->c);
    assert_int_equal(pl_client_tick(&f->c, f->now_ms), PL_CLIENT_WANTS_DIAL); /* and no answer to connect */
    f->now_ms += 5000;
    assert_int_equal(pl_client_tick(&f->c, f->now_ms), PL_CLIENT_WANTS_NOTHING);
    expect_trace(f, "disconnected 3 no answer to connect|");
    fixture_free(f);
}

static void refusals_end_or_retry_a_subscription(void **state)
{
    struct fixture *f = fixture_new();
    uint64_t wait;

    (void)state;
    pl_client_subscribe(&f->c, &f->sub, f->now_ms);
    pl_client_start(&f->c, f->now_ms);
    connect_client(f);
    pl_buf_clear(&f->c.out);
    server_says(f, "{\"id\":2,\"error\":{\"code\":111,\"message\":\"too many requests\",\"temporary\":true}}");
    deliver(f);
    expect_trace(f, "connected c1|unsubscribed 111 too many requests|");
    wait = pl_client_deadline(&f->c) - f->now_ms;
    assert_in_range(wait, 500, 1000);
    f->now_ms += wait;
    assert_int_equal(pl_client_tick(&f->c, f->now_ms), PL_CLIENT_WANTS_NOTHING);
    expect_sent(f, "{\"id\":3,\"subscribe\":{\"channel\":\"news\",\"positioned\":true,\"recoverable\":true}}|");
    server_says(f, "{\"id\":3,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    deliver(f);
    expect_trace(f, "unsubscribed 103 permission denied off|");
    fixture_free(f);
}

static void the_server_may_end_or_restart_a_subscription(void **state)
{
    struct fixture *f = fixture_live();

    (void)state;
    server_says(f, "{\"push\":{\"channel\":\"news\",\"unsubscribe\":{\"code\":2500,\"reason\":\"insufficient state\"}}}");
    deliver(f);
    expect_sent(f, "{\"id\":3,\"subscribe\":{\"channel\":\"news\",\"recover\":true,\"epoch\":\"e\",\"offset\":4,\"positioned\":true,"
                   "\"recoverable\":true}}|");
    server_says(f, "{\"id\":3,\"subscribe\":{}}");
    server_says(f, "{\"push\":{\"channel\":\"news\",\"unsubscribe\":{\"code\":2000,\"reason\":\"server unsubscribe\"}}}");
    server_says(f, "{\"push\":{\"channel\":\"news\",\"pub\":{\"data\":1}}}");
    deliver(f);
    expect_trace(f, "unsubscribed 2500 insufficient state|subscribed@0|unsubscribed 2000 server unsubscribe off|");
    fixture_free(f);
}

static void malformed_messages_end_the_connection(void **state)
{
    static const char *const rows[] = { "", "\n", "{", "[]", "{\"id\":\"x\"}", "{}\n\n{}", "{\"push\":[]}" };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture *f = fixture_live();

        server_says(f, rows[i]);
        deliver(f);
        assert_int_equal(f->c.state, PL_CLIENT_WAITING);
        assert_true(pl_client_is_over(&f->c));
        fixture_free(f);
    }
}

static void stopping_says_goodbye_and_is_final(void **state)
{
    struct fixture *f = fixture_live();

    (void)state;
    pl_client_stop(&f->c);
    expect_sent(f, "close 1000|");
    assert_true(pl_client_is_over(&f->c) && pl_client_deadline(&f->c) == UINT64_MAX);
    pl_client_lost(&f->c, f->now_ms);
    expect_trace(f, "");
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_reads_the_same_in_pieces_of_any_size),
        cmocka_unit_test(an_upgrade_with_frames_behind_it_loses_none),
        cmocka_unit_test(doubles_are_dropped_and_a_gap_is_recovered),
        cmocka_unit_test(a_raw_client_shows_doubles_and_gaps),
        cmocka_unit_test(coming_back_asks_from_the_last_position),
        cmocka_unit_test(waiting_doubles_up_to_the_cap_with_jitter),
        cmocka_unit_test(the_close_code_decides_about_coming_back),
        cmocka_unit_test(an_answer_other_than_101_is_told),
        cmocka_unit_test(silence_is_noticed_in_every_state),
        cmocka_unit_test(refusals_end_or_retry_a_subscription),
        cmocka_unit_test(the_server_may_end_or_restart_a_subscription),
        cmocka_unit_test(malformed_messages_end_the_connection),
        cmocka_unit_test(stopping_says_goodbye_and_is_final),
    };

    return cmocka_run_group_tests_name("lib/core", tests, NULL, NULL);
}
