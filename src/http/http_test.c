#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "http/app_test.h"

/* ---- ordinary requests ---- */

static void requests_are_answered_in_order_and_the_connection_stays(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT(GET("/echo?one") "\r\n"));
    assert_out(p, OK_HEAD("3") "\r\none");
    peer_send(p, PL_LIT(GET("/echo?two") "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nthree"
                        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfo\r\n2\r\nur\r\n0\r\n\r\n\r\n" GET("/echo?5") "\r\n"));
    assert_int_equal(p->n_sends, 2); /* all answers of a turn go out together */
    assert_out(p, OK_HEAD("3") "\r\ntwo" OK_HEAD("5") "\r\nthree" OK_HEAD("4") "\r\nfour" OK_HEAD("1") "\r\n5");
    assert_false(p->is_closing);
    peer_free(&p);
    tear_down(f);
}

static void an_idle_connection_owns_no_buffers(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");
    struct pl_http *h = p->c.user;

    (void)state;
    peer_send(p, PL_LIT("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nth"));
    assert_non_null(h->hold.p);
    peer_send(p, PL_LIT("ree"));
    assert_null(h->hold.p);
    assert_null(h->out.p);
    assert_int_equal(p->in.len, 0);
    peer_free(&p);
    tear_down(f);
}

static void a_head_request_gets_the_head_only(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT("HEAD /echo?12345 HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_out(p, OK_HEAD("5") "\r\n");
    peer_free(&p);
    tear_down(f);
}

static void http_1_0_closes_unless_it_asks_to_stay(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_out(p, OK_HEAD("0") "Connection: keep-alive\r\n\r\n");
    peer_send(p, PL_LIT("GET /echo HTTP/1.0\r\n\r\n"));
    assert_out(p, OK_HEAD("0") "Connection: close\r\n\r\n");
    assert_true(p->is_closed && p->how == PL_CLOSE_LINGER);
    peer_free(&p);
    tear_down(f);
}

static void the_room_refuses_what_no_handler_should_see(void **state)
{
#define B "POST /echo HTTP/1.1\r\nHost: a\r\n"
    static const struct {
        const char *name, *raw;
        unsigned status;
        bool closes;
        const char *has; /* somewhere in the answer */
    } cases[] = {
        { "unknown path", GET("/nothing") "\r\n", 404, false, "404 page not found\n" },
        { "trailing slash", GET("/echo/") "\r\n", 404, false, "404 page not found\n" },
        { "path of the other listener", GET("/inner") "\r\n", 404, false, "" },
        { "wrong method", "DELETE /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405, false, "Allow: GET, HEAD, POST\r\nContent-Length: 0\r\n\r\n" },
        { "unknown method", "BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n", 405, false, "Content-Length: 0\r\n\r\n" },
        { "unknown path with a body", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 404, true, "Connection: close\r\n" },
        { "unknown path with an empty body", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 404, false, "" },
        { "unknown path with a chunked body", "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 404, true, "" },
        { "address not allowed", GET("/private") "\r\n", 403, false, "" },
        { "body over the limit", B "Content-Length: 17\r\n\r\n", 413, true, "Connection: close\r\n" },
        { "body of 2^64-1", B "Content-Length: 18446744073709551615\r\n\r\n", 413, true, "" },
        { "chunked body over the limit", B "Transfer-Encoding: chunked\r\n\r\n9\r\n012345678\r\n8\r\n", 413, true, "" },
        { "bad chunk", B "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400, true, "malformed chunked body\n" },
        { "bad chunk later", B "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nx\r\n", 400, true, "" },
        { "smuggling", B "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, true, "both Content-Length and Transfer-Encoding (Transfer-Encoding)\n" },
        { "garbage", "\x16\x03\x01", 400, true, "not TLS" },
        { "version", "GET / HTTP/3.0\r\n\r\n", 505, true, "Connection: close\r\n" },
        { "body beside an upgrade", "GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx", 400, true, "" },
        { "body beside two upgrades", "GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nUpgrade: x, websocket\r\nContent-Length: 1\r\n\r\nx", 400, true, "" },
        { "handler fails", GET("/fail") "\r\n", 500, true, "internal server error\n" },
        { "expectation", B "Expect: tea\r\n\r\n", 417, true, "" },
    };
#undef B
    struct fixture *f = set_up();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer *p = dial(f, "1.2.3.4");

        peer_send(p, pl_slice_str(cases[i].raw));
        if (status_of(p) != cases[i].status || p->is_closed != cases[i].closes)
            fail_msg("%s: %.*s", cases[i].name, PL_FMT(pl_buf_slice(&p->out)));
        pl_buf_byte(&p->out, 0);
        if (strstr((const char *)p->out.p, cases[i].has) == NULL)
            fail_msg("%s: no '%s' in %s", cases[i].name, cases[i].has, (const char *)p->out.p);
        peer_free(&p);
    }
    assert_int_equal(f->app.n_requests, 0);
    tear_down(f);
}

static void an_oversize_head_is_431_and_a_long_target_414(void **state)
{
    struct fixture *f = set_up();
    struct pl_buf b = pl_buf_init(65536);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct peer *p = dial(f, "1.2.3.4");

        pl_buf_clear(&b);
        if (i == 0)
            PL_BUF_LIT(&b, GET("/") "X: ");
        else
            PL_BUF_LIT(&b, "GET /");
        for (int n = 0; n < 9000; n++)
            pl_buf_byte(&b, 'a');
        peer_send(p, pl_buf_slice(&b));
        assert_int_equal(status_of(p), 431); /* the head's limit is the smaller one here */
        assert_true(p->is_closed);
        peer_free(&p);
    }
    pl_buf_fini(&b);
    tear_down(f);
}

static void the_last_allowed_request_says_close(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    for (int i = 0; i < 120 && !p->is_closing; i++)
        peer_send(p, PL_LIT(GET("/echo") "\r\n"));
    assert_int_equal(f->app.n_requests, 100);
    assert_true(p->is_closed);
    peer_free(&p);
    tear_down(f);
}

static void expect_is_answered_before_the_body_only_when_it_is_wanted(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    assert_out(p, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_send(p, PL_LIT("ab"));
    assert_out(p, OK_HEAD("2") "\r\nab");
    peer_send(p, PL_LIT("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab"));
    assert_out(p, OK_HEAD("2") "\r\nab");
    peer_send(p, PL_LIT("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n"));
    assert_int_equal(status_of(p), 413);
    peer_free(&p);
    tear_down(f);
}

/* ---- deadlines ---- */

static void slow_peers_are_told_or_dropped(void **state)
{
    struct fixture *f = set_up();
    struct peer *silent = dial(f, "1.2.3.4"), *head = dial(f, "1.2.3.4"), *body = dial(f, "1.2.3.4"), *idle = dial(f, "1.2.3.4");

    (void)state;
    peer_send(idle, PL_LIT(GET("/echo") "\r\n"));
    peer_send(body, PL_LIT("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"));
    fake_pass(f->node, 5000);
    peer_send(head, PL_LIT("GET /ec"));
    fake_pass(f->node, 4900);
    peer_send(head, PL_LIT("h"));
    peer_send(idle, PL_LIT("\r\n")); /* an empty line between requests is no request */
    assert_false(silent->is_closing);
    fake_pass(f->node, 200);
    peer_settle(silent);
    assert_true(silent->is_closed && silent->out.len == 0);
    assert_false(head->is_closing);
    fake_pass(f->node, 5000); /* 10 s since its first byte, whatever came in between */
    peer_settle(head);
    assert_true(head->is_closed && status_of(head) == 408);
    fake_pass(f->node, 14700);
    assert_false(body->is_closing);
    peer_send(body, PL_LIT("1"));
    fake_pass(f->node, 300);
    peer_settle(body);
    assert_true(body->is_closed && status_of(body) == 408);
    fake_pass(f->node, 44000);
    assert_false(idle->is_closing);
    pl_buf_clear(&idle->out);
    fake_pass(f->node, 11000);
    peer_settle(idle);
    assert_true(idle->is_closed && idle->out.len == 0);
    peer_free(&silent);
    peer_free(&head);
    peer_free(&body);
    peer_free(&idle);
    tear_down(f);
}

static void a_peer_that_reads_nothing_stops_being_served(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    p->room = 50;
    for (int i = 0; i < 3; i++)
        peer_send(p, PL_LIT(GET("/echo?x") "\r\n"));
    assert_int_equal(f->app.n_requests, 1);
    assert_true(p->is_paused);
    peer_make_room(p, 100);
    assert_int_equal(f->app.n_requests, 3); /* those had arrived together */
    assert_false(p->is_closing);
    peer_make_room(p, 1000);
    assert_out(p, OK_HEAD("1") "\r\nx" OK_HEAD("1") "\r\nx" OK_HEAD("1") "\r\nx");
    assert_false(p->is_paused);

    p->room = 0;
    peer_send(p, PL_LIT(GET("/echo?x") "\r\n"));
    fake_pass(f->node, HTTP_WRITE_STALL_MS - 1);
    assert_false(p->is_closing);
    fake_pass(f->node, 2);
    assert_true(p->is_closing && p->how == PL_CLOSE_ABORT);
    peer_free(&p);
    tear_down(f);
}

static void what_a_bound_refuses_is_counted(void **state)
{
    static const struct {
        const char *raw;
        uint64_t wait_ms;
        int cell;
    } cases[] = {
        { GET("/echo") "\r\n", 0, PL_M_HTTP_REQUESTS + PL_MV_STATUS_200 },
        { GET("/nothing") "\r\n", 0, PL_M_HTTP_REQUESTS + PL_MV_STATUS_404 },
        { GET("/up") "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 0, PL_M_HTTP_REQUESTS + PL_MV_STATUS_101 },
        { "GET / HTTP/1.1\r\n\r\n", 0, PL_M_HTTP_MALFORMED },
        { "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx", 0, PL_M_HTTP_MALFORMED },
        { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n", 0, PL_M_BODIES_TOO_LARGE },
        { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 30001, PL_M_BODIES_SLOW },
        { "GET /", 10001, PL_M_HEADS_SLOW },
        { GET("/private") "\r\n", 0, PL_M_HTTP_DENIED },
        { GET("/echo") "Origin: https://evil.example\r\n\r\n", 0, PL_M_ORIGIN_REFUSED },
    };
    struct fixture *f = set_up();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer *p = dial(f, "1.2.3.4");
        int64_t before = pl_metrics_sum(f->metrics, cases[i].cell);

        peer_send(p, pl_slice_str(cases[i].raw));
        fake_pass(f->node, cases[i].wait_ms);
        if (pl_metrics_sum(f->metrics, cases[i].cell) != before + 1)
            fail_msg("%s", cases[i].raw);
        peer_free(&p);
    }
    tear_down(f);
}

/* ---- answers that come later ---- */

static void nothing_is_parsed_until_a_late_answer_is_given(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");
    struct pl_shard *s = f->node->shards[0];
    struct pl_http *h;
    struct pl_handle first;

    (void)state;
    peer_send(p, PL_LIT("POST /later HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nContent-Length: 1\r\n\r\nx" GET("/echo?2") "\r\n"));
    peer_send(p, PL_LIT(GET("/later") "\r\n"));
    assert_int_equal(f->app.n_requests, 1);
    fake_pass(f->node, 100000); /* the handler has its own deadline */
    assert_false(p->is_closing);
    first = f->app.waiting;
    h = pl_http_by_handle(s, first);
    assert_non_null(h);
    pl_http_answer(h, 202, NULL, PL_LIT("late"), NULL);
    peer_settle(p);
    assert_int_equal(f->app.n_requests, 3);
    assert_null(pl_http_by_handle(s, first)); /* it stood for the first request */
    assert_non_null(pl_http_by_handle(s, f->app.waiting));
    assert_out(p, "HTTP/1.1 202 Accepted\r\nDate: Sun, 06 Nov 1994 08:51:18 GMT\r\nAccess-Control-Allow-Origin: https://app.example\r\nAccess-Control-Allow-Credentials: true\r\n"
                  "Vary: Origin\r\nContent-Length: 4\r\n\r\nlate" "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:51:18 GMT\r\n"
                  "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n2");
    peer_leave(p);
    assert_int_equal(f->app.n_closed, 1);
    assert_null(pl_http_by_handle(s, f->app.waiting));
    peer_free(&p);
    tear_down(f);
}

static void a_client_that_half_closes_still_gets_its_answers(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT(GET("/later") "\r\n" GET("/echo?2") "\r\nGET /cut"));
    peer_fin(p);
    assert_false(p->is_closing);
    pl_http_answer(pl_http_by_handle(f->node->shards[0], f->app.waiting), 200, NULL, PL_LIT("1"), NULL);
    peer_settle(p);
    assert_int_equal(f->app.n_requests, 2);
    assert_true(p->is_closed && p->how == PL_CLOSE_LINGER);
    peer_free(&p);
    tear_down(f);
}

static void a_stream_is_chunked_and_bounded(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");
    struct pl_http *h;

    (void)state;
    peer_send(p, PL_LIT(GET("/stream") "\r\n"));
    assert_out(p, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/event-stream\r\nX-Extra: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    h = pl_http_by_handle(f->node->shards[0], f->app.waiting);
    p->room = 4;
    assert_int_equal(pl_http_stream_send(h, PL_LIT("0123456789")), PL_OK);
    assert_int_equal(pl_http_stream_pending(h), 11);
    assert_int_equal(pl_http_stream_send(h, PL_LIT("0123456789012345678901")), PL_ETOOBIG);
    peer_make_room(p, 100);
    assert_int_equal(f->app.n_drained, 1);
    assert_int_equal(pl_http_stream_send(h, PL_LIT("0123456789012345678901")), PL_OK);
    pl_http_stream_end(h);
    p->room = SIZE_MAX;
    assert_out(p, "a\r\n0123456789\r\n16\r\n0123456789012345678901\r\n0\r\n\r\n");
    peer_send(p, PL_LIT(GET("/echo") "\r\n"));
    assert_out(p, OK_HEAD("0") "\r\n");
    peer_send(p, PL_LIT("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    assert_out(p, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/event-stream\r\nX-Extra: 1\r\nConnection: close\r\n\r\nhello");
    pl_http_stream_end(pl_http_by_handle(f->node->shards[0], f->app.waiting));
    peer_settle(p);
    assert_true(p->is_closed);
    peer_free(&p);
    tear_down(f);
}

static void a_listener_that_leaves_ends_its_stream(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT(GET("/stream") "\r\n"));
    peer_fin(p);
    assert_true(p->is_closed);
    assert_int_equal(f->app.n_closed, 1);
    peer_free(&p);
    tear_down(f);
}

static void an_upgrade_takes_the_connection_and_its_bytes(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT(GET("/echo?1") "\r\n" GET("/up") "Connection: upgrade\r\nUpgrade: websocket\r\n\r\nframes"));
    assert_out(p, OK_HEAD("1") "\r\n1" "101!");
    assert_true(pl_slice_eq(pl_buf_slice(&f->app.taken), PL_LIT("frames")));
    assert_int_equal(pl_http_count(f->node->shards[0]), 0);
    peer_free(&p);

    /* the 101 waits until earlier answers are gone */
    p = dial(f, "1.2.3.4");
    p->room = 10;
    peer_send(p, PL_LIT(GET("/echo?1") "\r\n" GET("/up") "Connection: upgrade\r\nUpgrade: websocket\r\n\r\nframes"));
    assert_ptr_not_equal(p->c.ops, &up_ops);
    peer_make_room(p, 1000);
    assert_ptr_equal(p->c.ops, &up_ops);
    assert_out(p, OK_HEAD("1") "\r\n1" "101!");
    peer_free(&p);
    tear_down(f);
}

static void draining_closes_after_the_current_answer(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT(GET("/later") "\r\n"));
    pl_http_drain(f->node->shards[0]);
    pl_http_answer(pl_http_by_handle(f->node->shards[0], f->app.waiting), 204, NULL, pl_slice(NULL, 0), NULL);
    peer_settle(p);
    assert_out(p, "HTTP/1.1 204 No Content\r\n" DATE "Access-Control-Allow-Origin: \r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
                  "Connection: close\r\n\r\n");
    assert_true(p->is_closed);
    peer_free(&p);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered_in_order_and_the_connection_stays),
        cmocka_unit_test(an_idle_connection_owns_no_buffers),
        cmocka_unit_test(a_head_request_gets_the_head_only),
        cmocka_unit_test(http_1_0_closes_unless_it_asks_to_stay),
        cmocka_unit_test(the_room_refuses_what_no_handler_should_see),
        cmocka_unit_test(an_oversize_head_is_431_and_a_long_target_414),
        cmocka_unit_test(the_last_allowed_request_says_close),
        cmocka_unit_test(expect_is_answered_before_the_body_only_when_it_is_wanted),
        cmocka_unit_test(slow_peers_are_told_or_dropped),
        cmocka_unit_test(a_peer_that_reads_nothing_stops_being_served),
        cmocka_unit_test(what_a_bound_refuses_is_counted),
        cmocka_unit_test(nothing_is_parsed_until_a_late_answer_is_given),
        cmocka_unit_test(a_client_that_half_closes_still_gets_its_answers),
        cmocka_unit_test(a_stream_is_chunked_and_bounded),
        cmocka_unit_test(a_listener_that_leaves_ends_its_stream),
        cmocka_unit_test(an_upgrade_takes_the_connection_and_its_bytes),
        cmocka_unit_test(draining_closes_after_the_current_answer),
    };

    return cmocka_run_group_tests_name("http/http", tests, NULL, NULL);
}
