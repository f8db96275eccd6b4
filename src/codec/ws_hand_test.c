#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/ws_hand.h"

static void accept_values_of_the_texts_come_out(void **state)
{
    static const char *const rows[][2] = {
        { "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" }, /* RFC 6455 1.3 */
        { "Iv8io/9s+lYFgZWcXczP8Q==", "hsBlbuDTkk24srzEOTBUlZAlC2g=" },
    };
    char accept[PL_WS_ACCEPT_LEN + 1];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pl_ws_hand_accept(pl_slice_str(rows[i][0]), accept);
        assert_string_equal(accept, rows[i][1]);
    }
}

/* Header lines "Name: value", each ended by \n. */
static void feed(struct pl_ws_hand *h, const char *lines)
{
    while (*lines != '\0') {
        const char *colon = strchr(lines, ':'), *end = strchr(lines, '\n');

        pl_ws_hand_header(h, pl_slice(lines, (size_t)(colon - lines)), pl_slice(colon + 2, (size_t)(end - colon - 2)));
        lines = end + 1;
    }
}

#define UP "Upgrade: websocket\n"
#define CO "Connection: Upgrade\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
#define V13 "Sec-WebSocket-Version: 13\n"

static const struct {
    const char *lines;
    bool is_get, is_http11;
    enum pl_ws_refusal want;
    unsigned status;
    const char *hint; /* must stand in the body */
} rows[] = {
    { UP CO KEY V13, 1, 1, PL_WS_HAND_OK, 101, "" },
    { "upgrade: WebSocket\nCONNECTION: keep-alive, upgrade\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n"
      "SEC-WEBSOCKET-VERSION: 13\n", 1, 1, PL_WS_HAND_OK, 101, "" },
    { "Upgrade: h2c, websocket\nConnection: keep-alive\n" CO KEY V13, 1, 1, PL_WS_HAND_OK, 101, "" },
    { UP CO KEY V13, 0, 1, PL_WS_HAND_METHOD, 405, "GET" },
    { UP CO KEY V13, 1, 0, PL_WS_HAND_HTTP10, 400, "proxy_http_version 1.1" },
    { "Host: x\n", 1, 1, PL_WS_HAND_NO_HEADERS, 400, "WebSocket client" },
    { "Connection: close\n" KEY V13, 1, 1, PL_WS_HAND_NO_UPGRADE, 400, "proxy_set_header Upgrade" },
    { CO KEY V13, 1, 1, PL_WS_HAND_NO_UPGRADE, 400, "proxy_set_header Upgrade" },
    { "Upgrade: websockets\n" CO KEY V13, 1, 1, PL_WS_HAND_BAD_UPGRADE, 400, "does not name" },
    { UP KEY V13, 1, 1, PL_WS_HAND_NO_CONNECTION, 400, "Connection: Upgrade" },
    { UP "Connection: close\n" KEY V13, 1, 1, PL_WS_HAND_BAD_CONNECTION, 400, "proxy_set_header Connection" },
    { UP CO V13, 1, 1, PL_WS_HAND_NO_KEY, 400, "Sec-WebSocket-Key" },
    { UP CO KEY KEY V13, 1, 1, PL_WS_HAND_TWO_KEYS, 400, "more than once" },
    { UP CO V13 "Sec-WebSocket-Key: \n", 1, 1, PL_WS_HAND_BAD_KEY, 400, "24 characters" },
    { UP CO V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\n", 1, 1, PL_WS_HAND_BAD_KEY, 400, "24" },
    { UP CO V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSEh\n", 1, 1, PL_WS_HAND_BAD_KEY, 400, "24" },
    { UP CO V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2*jZQ==\n", 1, 1, PL_WS_HAND_BAD_KEY, 400, "24" },
    { UP CO KEY, 1, 1, PL_WS_HAND_NO_VERSION, 400, "version 13" },
    { UP CO KEY "Sec-WebSocket-Version: 12\n", 1, 1, PL_WS_HAND_BAD_VERSION, 426, "version 13" },
    { UP CO KEY "Sec-WebSocket-Version: \n", 1, 1, PL_WS_HAND_BAD_VERSION, 426, "version 13" },
    { UP CO KEY "Sec-WebSocket-Version: 13, 8\n", 1, 1, PL_WS_HAND_BAD_VERSION, 426, "version 13" },
    { UP CO KEY "Sec-WebSocket-Version: 013\n", 1, 1, PL_WS_HAND_BAD_VERSION, 426, "version 13" },
    { UP CO KEY V13 V13, 1, 1, PL_WS_HAND_BAD_VERSION, 426, "version 13" },
};

static void every_mistake_of_a_handshake_has_its_status_and_a_helpful_text(void **state)
{
    static const struct pl_ws_hand_opts opts = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct pl_ws_refusal_row *row;
        struct pl_ws_hand h;
        enum pl_ws_refusal got;

        pl_ws_hand_init(&h, &opts);
        feed(&h, rows[i].lines);
        got = pl_ws_hand_check(&h, rows[i].is_get, rows[i].is_http11);
        if (got != rows[i].want)
            fail_msg("row %zu: %s", i, pl_ws_refusal_row(got)->label);
        row = pl_ws_refusal_row(got);
        assert_int_equal(row->status, rows[i].status);
        if (strstr(row->text, rows[i].hint) == NULL)
            fail_msg("row %zu: no hint in \"%s\"", i, row->text);
    }
    assert_string_equal(pl_ws_refusal_row(PL_WS_HAND_BAD_VERSION)->header,
                        "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n");
}

static void the_first_known_subprotocol_of_the_client_is_answered(void **state)
{
    static const struct pl_slice known[] = { PL_LIT_INIT("centrifuge-json"), PL_LIT_INIT("centrifuge-protobuf") };
    static const struct pl_ws_hand_opts opts = { known, 2, PL_WS_DEFLATE_SHARED };
    static const char *const offers[][2] = {
        { "Sec-WebSocket-Protocol: centrifuge-json\n", "centrifuge-json" },
        { "Sec-WebSocket-Protocol: foo,centrifuge-protobuf , centrifuge-json\n", "centrifuge-protobuf" },
        { "Sec-WebSocket-Protocol: foo\nSec-WebSocket-Protocol: centrifuge-json\n", "centrifuge-json" },
        { "Sec-WebSocket-Protocol: foo\n", "" },
        { "Sec-WebSocket-Protocol: Centrifuge-JSON\n", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        struct pl_ws_hand h;

        pl_ws_hand_init(&h, &opts);
        feed(&h, offers[i][0]);
        assert_true(pl_slice_eq(h.protocol, pl_slice_str(offers[i][1])));
    }
}

static void the_answer_is_a_whole_101(void **state)
{
    static const struct pl_slice known[] = { PL_LIT_INIT("centrifuge-json") };
    static const struct pl_ws_hand_opts opts = { known, 1, PL_WS_DEFLATE_SHARED };
    struct pl_buf out = pl_buf_init(4096);
    struct pl_ws_hand h;

    (void)state;
    pl_ws_hand_init(&h, &opts);
    feed(&h, UP CO KEY V13 "Sec-WebSocket-Protocol: centrifuge-json\n"
                           "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\n");
    assert_int_equal(pl_ws_hand_check(&h, true, true), PL_WS_HAND_OK);
    pl_ws_hand_answer(&h, PL_LIT("X-One: 1\r\n"), &out);
    assert_true(pl_slice_eq(pl_buf_slice(&out), PL_LIT(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: centrifuge-json\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
        "X-One: 1\r\n\r\n")));
    pl_buf_fini(&out);
}

/* ---- permessage-deflate offers ---- */

#define PD "permessage-deflate"
#define NO_TAKEOVER "; server_no_context_takeover; client_no_context_takeover"

static const struct {
    const char *offer, *shared, *full; /* answers; NULL: declined */
} offers[] = {
    { "", NULL, NULL },
    { PD, PD NO_TAKEOVER, PD },
    { "Permessage-Deflate", PD NO_TAKEOVER, PD },
    { PD "; client_max_window_bits", PD NO_TAKEOVER, PD }, /* Chromium */
    { PD ";client_max_window_bits=10", PD NO_TAKEOVER, PD "; client_max_window_bits=10" },
    { PD "; client_max_window_bits=\"10\"", PD NO_TAKEOVER, PD "; client_max_window_bits=10" },
    { PD "; client_max_window_bits=\"1\\0\"", PD NO_TAKEOVER, PD "; client_max_window_bits=10" },
    { PD "; server_no_context_takeover", PD NO_TAKEOVER, PD "; server_no_context_takeover" },
    { PD "; client_no_context_takeover", PD NO_TAKEOVER, PD "; client_no_context_takeover" },
    { PD NO_TAKEOVER, PD NO_TAKEOVER, PD NO_TAKEOVER },
    { PD "; server_max_window_bits=15", PD NO_TAKEOVER, PD "; server_max_window_bits=15" },
    { PD "; server_max_window_bits=8", PD NO_TAKEOVER, PD "; server_max_window_bits=8" },
    { PD " ; server_max_window_bits = 9 ; client_max_window_bits", PD NO_TAKEOVER,
      PD "; server_max_window_bits=9" },
    { PD "; server_max_window_bits=9; client_max_window_bits=12" NO_TAKEOVER,
      PD NO_TAKEOVER,
      PD NO_TAKEOVER "; server_max_window_bits=9; client_max_window_bits=12" },
    { PD "; server_max_window_bits", NULL, NULL },
    { PD "; server_max_window_bits=7", NULL, NULL },
    { PD "; server_max_window_bits=16", NULL, NULL },
    { PD "; server_max_window_bits=09", NULL, NULL },
    { PD "; server_max_window_bits=+9", NULL, NULL },
    { PD "; server_max_window_bits=100", NULL, NULL },
    { PD "; server_max_window_bits=\"\"", NULL, NULL },
    { PD "; server_max_window_bits=\"9", NULL, NULL },
    { PD "; server_max_window_bits=\"9 \"", NULL, NULL },
    { PD "; client_max_window_bits=7", NULL, NULL },
    { PD "; client_max_window_bits=", NULL, NULL },
    { PD "; server_no_context_takeover=1", NULL, NULL },
    { PD "; client_no_context_takeover=true", NULL, NULL },
    { PD "; server_no_context_takeover; server_no_context_takeover", NULL, NULL },
    { PD "; client_max_window_bits; client_max_window_bits=9", NULL, NULL },
    { PD "; server_max_window_bits=9; server_max_window_bits=9", NULL, NULL },
    { PD "; unknown", NULL, NULL },
    { PD "; unknown=\"a b\"", NULL, NULL },
    { PD ";", NULL, NULL },
    { PD "; ;", NULL, NULL },
    { PD " x", NULL, NULL },
    { "x-webkit-deflate-frame", NULL, NULL },
    { "x-webkit-deflate-frame; a=\"b\", " PD, PD NO_TAKEOVER, PD },
    { PD "; unknown, " PD "; server_no_context_takeover", PD NO_TAKEOVER, PD "; server_no_context_takeover" },
    { PD "; server_max_window_bits=10, " PD, PD NO_TAKEOVER,
      PD "; server_max_window_bits=10" },
    { ", ," PD " , foo", PD NO_TAKEOVER, PD },
    { "(broken), " PD, NULL, NULL },
};

static void each_offer_gets_the_right_answer_under_both_policies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        for (int full = 0; full < 2; full++) {
            const char *want = full ? offers[i].full : offers[i].shared;
            char answer[PL_WS_EXT_MAX] = "(none)";
            struct pl_ws_deflate d;

            pl_ws_ext_choose(pl_slice_str(offers[i].offer), full ? PL_WS_DEFLATE_FULL : PL_WS_DEFLATE_SHARED, &d);
            if (d.is_on) {
                size_t n = pl_ws_ext_answer(&d, answer);

                assert_int_equal(n, strlen(answer));
            }
            if (strcmp(answer, want != NULL ? want : "(none)") != 0)
                fail_msg("\"%s\" was answered \"%s\"", offers[i].offer, answer);
        }
    }
}

static void every_prefix_of_an_offer_is_read_without_going_past_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        for (size_t n = 0; n <= strlen(offers[i].offer); n++) {
            char *copy = test_malloc(n + 1); /* cmocka puts a guard behind it */
            struct pl_ws_deflate d;

            memcpy(copy, offers[i].offer, n);
            pl_ws_ext_choose(pl_slice(copy, n), PL_WS_DEFLATE_FULL, &d);
            pl_ws_ext_choose(pl_slice(copy, n), PL_WS_DEFLATE_OFF, &d);
            assert_false(d.is_on);
            test_free(copy);
        }
    }
}

static void a_client_understands_answers_and_refuses_what_it_did_not_ask_for(void **state)
{
    struct pl_ws_deflate d;

    (void)state;
    assert_int_equal(pl_ws_ext_accept(PL_LIT(""), &d), PL_OK);
    assert_false(d.is_on);
    assert_int_equal(pl_ws_ext_accept(PL_LIT(PD NO_TAKEOVER), &d), PL_OK);
    assert_true(d.is_on && !d.server_takeover && !d.client_takeover && d.server_bits == 15 && d.client_bits == 15);
    assert_int_equal(pl_ws_ext_accept(PL_LIT(PD "; server_max_window_bits=9; client_max_window_bits=10"), &d), PL_OK);
    assert_true(d.is_on && d.server_takeover && d.client_takeover && d.server_bits == 9 && d.client_bits == 10);
    assert_int_equal(pl_ws_ext_accept(PL_LIT(PD "; client_max_window_bits"), &d), PL_EPROTO);
    assert_int_equal(pl_ws_ext_accept(PL_LIT(PD ", " PD), &d), PL_EPROTO);
    assert_int_equal(pl_ws_ext_accept(PL_LIT(PD "; x"), &d), PL_EPROTO);
    assert_int_equal(pl_ws_ext_accept(PL_LIT("other"), &d), PL_EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_values_of_the_texts_come_out),
        cmocka_unit_test(every_mistake_of_a_handshake_has_its_status_and_a_helpful_text),
        cmocka_unit_test(the_first_known_subprotocol_of_the_client_is_answered),
        cmocka_unit_test(the_answer_is_a_whole_101),
        cmocka_unit_test(each_offer_gets_the_right_answer_under_both_policies),
        cmocka_unit_test(every_prefix_of_an_offer_is_read_without_going_past_it),
        cmocka_unit_test(a_client_understands_answers_and_refuses_what_it_did_not_ask_for),
    };

    return cmocka_run_group_tests_name("codec/ws_hand", tests, NULL, NULL);
}
