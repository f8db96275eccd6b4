#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/check.h"
#include "http/fake_net_test.h"
#include "http/files.h"
#include "http/origin.h"
#include "http/room.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"
#define OK_HEAD(n) "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: " n "\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n"

/* ---- routes of the test ---- */

struct app {
    struct pl_handle waiting;
    unsigned n_requests, n_closed, n_drained;
    struct pl_addr client;
    bool origin_ok, admits;
    struct pl_buf taken; /* bytes that came after an upgrade */
};

static enum pl_err on_echo(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct app *app = arg;

    app->n_requests++;
    app->client = req->client;
    app->origin_ok = req->origin_ok;
    pl_http_answer(h, 200, "text/plain", req->method == PL_HTTP_POST ? req->body : req->query, NULL);
    return PL_OK;
}

static void watch_closed(struct pl_http *h, void *user)
{
    (void)h;
    ((struct app *)user)->n_closed++;
}

static void watch_drained(struct pl_http *h, void *user)
{
    (void)h;
    ((struct app *)user)->n_drained++;
}

static void watch_save(struct pl_http *h, void *user, struct pl_rec_out *r)
{
    (void)h;
    (void)user;
    pl_rec_u64(r, 1, 42);
}

static const struct pl_http_watch_ops watch_ops = { watch_closed, watch_drained, watch_save };

static enum pl_err on_later(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct app *app = arg;

    (void)req;
    app->n_requests++;
    app->waiting = pl_http_handle(h);
    pl_http_watch(h, &watch_ops, app);
    return PL_WAIT;
}

static enum pl_err on_later_restore(struct pl_http *h, struct pl_rec_in fields, void *arg)
{
    struct pl_rec_field f;

    if (pl_rec_next(&fields, &f) != PL_OK || f.tag != 1 || pl_rec_get_u64(&f) != 42)
        return PL_EPROTO;
    return on_later(h, NULL, arg);
}

static enum pl_err on_stream(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct app *app = arg;

    (void)req;
    app->waiting = pl_http_handle(h);
    pl_http_watch(h, &watch_ops, app);
    pl_http_stream_start(h, 200, "text/event-stream", "X-Extra: 1\r\n", 32);
    return pl_http_stream_send(h, PL_LIT("hello"));
}

static enum pl_err on_fail(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    (void)h;
    (void)req;
    (void)arg;
    return PL_EIO;
}

static size_t up_bytes(struct pl_conn *c, uint8_t *p, size_t n)
{
    pl_buf_put(&((struct app *)c->user)->taken, p, n);
    return n;
}

static void up_closed(struct pl_conn *c, enum pl_conn_end why)
{
    (void)c;
    (void)why;
}

static const struct pl_conn_ops up_ops = { .name = "up", .on_bytes = up_bytes, .on_closed = up_closed };

static enum pl_err on_upgrade(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct pl_conn *c;
    size_t n;

    if (req->head->upgrade.len == 0) {
        pl_http_refuse(h, 426, NULL, pl_slice(NULL, 0), "Upgrade: websocket\r\n");
        return PL_OK;
    }
    c = pl_http_take(h);
    assert_int_equal(pl_conn_send(c, "101!", 4, &n), PL_OK);
    pl_conn_set_user(c, &up_ops, arg);
    assert_true(pl_slice_eq(req->path, PL_LIT("/up"))); /* still readable */
    return PL_OK;
}

static bool admit(struct pl_shard *s, const struct pl_http_req *req);

static const struct pl_route_ops echo_ops = { .on_request = on_echo }, fail_ops = { .on_request = on_fail },
                                 later_ops = { .on_request = on_later, .on_restore = on_later_restore },
                                 stream_ops = { .on_request = on_stream }, up_route_ops = { .on_request = on_upgrade };

struct fixture {
    struct pl_node *node;
    struct pl_router *router;
    struct app app;
    struct pl_cidr nets[2];
    struct pl_cidr_list allow, proxies;
};

static const char *const origins[] = { "https://app.example", "https://*.shop.example" };
static struct app *admitting;

static bool admit(struct pl_shard *s, const struct pl_http_req *req)
{
    (void)s;
    (void)req;
    return admitting->admits;
}

static struct fixture *set_up(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct pl_route routes[] = {
        { .path = "/echo", .methods = PL_HTTP_GET | PL_HTTP_POST, .listeners = 3, .body_limit = 16, .ops = &echo_ops, .arg = &f->app },
        { .path = "/later", .methods = PL_HTTP_GET | PL_HTTP_POST, .listeners = 3, .body_limit = 16, .flags = PL_ROUTE_CORS, .ops = &later_ops, .arg = &f->app },
        { .path = "/stream", .methods = PL_HTTP_GET, .listeners = 3, .ops = &stream_ops, .arg = &f->app },
        { .path = "/fail", .methods = PL_HTTP_GET, .listeners = 3, .ops = &fail_ops, .arg = &f->app },
        { .path = "/up", .methods = PL_HTTP_GET, .listeners = 3, .ops = &up_route_ops, .arg = &f->app },
        { .path = "/inner", .methods = PL_HTTP_GET, .listeners = PL_LISTEN_INTERNAL, .ops = &echo_ops, .arg = &f->app },
        { .path = "/cors", .methods = PL_HTTP_POST, .listeners = 3, .flags = PL_ROUTE_CORS | PL_ROUTE_PREFLIGHT | PL_ROUTE_CLIENT, .body_limit = 16,
          .ops = &echo_ops, .arg = &f->app },
        { .path = "/private", .methods = PL_HTTP_GET, .listeners = 3, .allow = &f->allow, .ops = &echo_ops, .arg = &f->app },
    };
    struct pl_http_opts opts;

    assert_non_null(f);
    f->node = fake_node_new();
    f->router = pl_router_new();
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        assert_int_equal(pl_router_add(f->router, &routes[i]), PL_OK);
    assert_int_equal(pl_router_add(f->router, &routes[5]), PL_EEXIST);
    assert_int_equal(pl_cidr_parse(PL_LIT("10.0.0.0/8"), &f->nets[0]), PL_OK);
    assert_int_equal(pl_cidr_parse(PL_LIT("192.168.0.1"), &f->nets[1]), PL_OK);
    f->allow = (struct pl_cidr_list){ &f->nets[0], 1 };
    f->proxies = (struct pl_cidr_list){ &f->nets[1], 1 };
    f->app.admits = true;
    f->app.taken = pl_buf_init(1000);
    admitting = &f->app;
    opts = (struct pl_http_opts){
        .router = f->router, .allowed_origins = origins, .n_allowed_origins = 2, .trusted_proxies = &f->proxies,
        .max_head_bytes = 1024, .head_timeout_ms = 10000, .body_timeout_ms = 30000, .idle_timeout_ms = 75000, .max_requests = 100,
        .admit = admit,
    };
    pl_http_init(f->node, &opts);
    return f;
}

static void tear_down(struct fixture *f)
{
    fake_pass(f->node, 0);
    pl_http_fini(f->node);
    pl_router_free(&f->router);
    fake_node_free(&f->node);
    pl_buf_fini(&f->app.taken);
    free(f);
}

static struct peer *dial(struct fixture *f, const char *ip)
{
    struct peer *p = peer_new(f->node, ip, PL_LISTEN_EXTERNAL);

    pl_http_on_accept(&p->c);
    return p;
}

#define assert_out(p, text) assert_out_((p), PL_LIT(text), __LINE__)
static void assert_out_(struct peer *p, struct pl_slice want, int line)
{
    if (!pl_slice_eq(pl_buf_slice(&p->out), want))
        fail_msg("line %d: got\n%.*s\nwanted\n%.*s", line, PL_FMT(pl_buf_slice(&p->out)), PL_FMT(want));
    pl_buf_clear(&p->out);
}

static unsigned status_of(struct peer *p)
{
    return p->out.len > 12 ? (unsigned)atoi((const char *)p->out.p + 9) : 0;
}

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

/* ---- who asks ---- */

static void preflights_are_answered_by_the_room(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");
#define TAIL "Access-Control-Max-Age: 300\r\nAccess-Control-Allow-Methods: POST, OPTIONS\r\n\r\n"

    (void)state;
    peer_send(p, PL_LIT("OPTIONS /cors HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nAccess-Control-Request-Headers: x-a\r\n\r\n"));
    assert_out(p, "HTTP/1.1 204 No Content\r\n" DATE "Access-Control-Allow-Origin: https://app.example\r\nAccess-Control-Allow-Credentials: true\r\n"
                  "Access-Control-Allow-Headers: x-a\r\nVary: Origin\r\n" TAIL);
    peer_send(p, PL_LIT("OPTIONS /cors HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n"));
    assert_out(p, "HTTP/1.1 204 No Content\r\n" DATE "Vary: Origin\r\n" TAIL);
    f->app.admits = false;
    peer_send(p, PL_LIT("POST /cors HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_out(p, "HTTP/1.1 503 Service Unavailable\r\n" DATE "Access-Control-Allow-Origin: \r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n"
                  "Retry-After: 1\r\nContent-Length: 0\r\n\r\n");
    f->app.admits = true;
    peer_send(p, PL_LIT("POST /cors HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n"));
    assert_int_equal(status_of(p), 413);
    pl_buf_byte(&p->out, 0);
    assert_non_null(strstr((const char *)p->out.p, "Access-Control-Allow-Origin: "));
    peer_free(&p);
    tear_down(f);
#undef TAIL
}

static void origins_are_matched_as_a_whole(void **state)
{
    static const struct {
        const char *pattern, *origin;
        bool ok;
    } cases[] = {
        { "https://app.example", "https://app.example", true },       { "https://app.example", "HTTPS://APP.example", true },
        { "https://app.example", "https://app.example.", false },     { "https://app.example", "https://app.example:443", false },
        { "https://app.example", "http://app.example", false },       { "https://app.example", "https://app.example.evil.com", false },
        { "https://app.example", "https://evil.com/https://app.example", false }, { "https://app.example", "https://u@app.example", false },
        { "https://*.shop.example", "https://a.shop.example", true }, { "https://*.shop.example", "https://a.b.shop.example", true },
        { "https://*.shop.example", "https://shop.example", false },  { "https://*.shop.example", "https://evil.com/.shop.example", false },
        { "https://*.shop.example", "https://evil.com?.shop.example", false }, { "https://*.shop.example", "https://evil.com#.shop.example", false },
        { "https://*.shop.example", "https://u:p@a.shop.example", false }, { "https://*.shop.example", "https://a.shop.example:8443", false },
        { "https://*.shop.example", "https://evil.com:1.shop.example", false }, { "https://*.shop.example", "https://evil.com\\.shop.example", false },
        { "https://*:8443", "https://a:8443", true },                 { "http*://app.example", "http://app.example", true },
        { "https://app?.example", "https://app1.example", true },     { "https://app?.example", "https://app.example", false },
        { "*", "null", true },                                        { "*", "anything at all", true },
        { "*://*", "null", false },                                   { "*l*", "null", false },
        { "null", "null", true },                                     { "https://app.example", "null", false },
        { "*://*", "", false },                                       { "*://*", "https://", false },
        { "*://*", "https://[::1]:80", true },                        { "*://*", "https://[::1", false },
        { "*://*", "file://", false },                                { "capacitor://localhost", "capacitor://localhost", true },
        { "**************************b", "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (pl_origin_matches(pl_slice_str(cases[i].origin), &cases[i].pattern, 1) != cases[i].ok)
            fail_msg("%s and %s", cases[i].pattern, cases[i].origin);
    assert_false(pl_origin_matches(PL_LIT("https://app.example"), NULL, 0));
}

static void handlers_see_the_verdict_on_the_origin(void **state)
{
    static const struct {
        const char *raw;
        bool ok;
    } cases[] = {
        { GET("/echo") "\r\n", true },
        { GET("/echo") "Origin: https://a.shop.example\r\n\r\n", true },
        { GET("/echo") "Origin: https://evil.example\r\n\r\n", false },
        { GET("/echo") "Origin: https://app.example\r\nOrigin: https://app.example\r\n\r\n", false },
    };
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        peer_send(p, pl_slice_str(cases[i].raw));
        assert_int_equal(f->app.origin_ok, cases[i].ok);
    }
    peer_free(&p);
    tear_down(f);
}

static void forwarded_addresses_count_from_listed_proxies_only(void **state)
{
    static const struct {
        const char *peer, *raw;
        uint8_t last; /* of 10.0.0.x, or of the peer */
    } cases[] = {
        { "192.168.0.1", GET("/echo") "\r\n", 1 },
        { "192.168.0.1", GET("/echo") "X-Forwarded-For: 10.0.0.7\r\n\r\n", 7 },
        { "192.168.0.2", GET("/echo") "X-Forwarded-For: 10.0.0.7\r\n\r\n", 2 },
        { "192.168.0.1", GET("/echo") "X-Forwarded-For: 10.0.0.6, 10.0.0.7\r\n\r\n", 7 },
        { "192.168.0.1", GET("/echo") "X-Forwarded-For: 10.0.0.6\r\nX-Forwarded-For: 10.0.0.7\r\n\r\n", 7 },
        { "192.168.0.1", GET("/echo") "X-Forwarded-For: 10.0.0.6, 192.168.0.1\r\n\r\n", 6 },
        { "192.168.0.1", GET("/echo") "X-Forwarded-For: 10.0.0.6, x, 192.168.0.1\r\n\r\n", 1 },
        { "192.168.0.1", GET("/echo") "X-Forwarded-For: 10.0.0.7:1234\r\n\r\n", 7 },
        { "192.168.0.1", GET("/echo") "X-Forwarded-For: [::ffff:10.0.0.7]:1234\r\n\r\n", 7 },
        { "192.168.0.1", GET("/echo") "X-Forwarded-For: nonsense\r\n\r\n", 1 },
        { "192.168.0.1", GET("/echo") "X-Forwarded-For:\r\n\r\n", 1 },
        { "192.168.0.1", GET("/private") "X-Forwarded-For: 10.0.0.9\r\n\r\n", 9 },
    };
    struct fixture *f = set_up();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer *p = dial(f, cases[i].peer);

        peer_send(p, pl_slice_str(cases[i].raw));
        if (status_of(p) != 200 || f->app.client.ip[3] != cases[i].last || f->app.client.family != 4)
            fail_msg("%s", cases[i].raw);
        peer_free(&p);
    }
    tear_down(f);
}

/* ---- records ---- */

/* The connection goes over to another one of the same node. */
static struct peer *move(struct fixture *f, struct peer *p)
{
    struct pl_buf b = pl_buf_init(1 << 20), copy = pl_buf_init(1 << 20);
    struct pl_rec_out r = { &b };
    struct peer *q = peer_new(f->node, "1.2.3.4", PL_LISTEN_EXTERNAL);

    p->c.ops->save(&p->c, &r);
    assert_true(pl_buf_ok(&b));
    q->is_paused = p->is_paused;
    q->room = p->room;
    pl_buf_slice_put(&q->in, pl_buf_slice(&p->in));
    pl_buf_slice_put(&q->out, pl_buf_slice(&p->out));
    q->c.tail_len = (uint32_t)q->in.len;
    assert_int_equal(pl_http_load(&q->c, (struct pl_rec_in){ pl_buf_slice(&b) }), PL_OK);
    assert_int_equal(q->out.len, p->out.len); /* nothing is sent before the loop runs */

    /* what was written is what is read */
    q->c.ops->save(&q->c, &(struct pl_rec_out){ &copy });
    q->must_deliver = true;
    peer_free(&p);
    fake_pass(f->node, 1);
    peer_settle(q);
    pl_buf_fini(&b);
    pl_buf_fini(&copy);
    return q;
}

static void a_conversation_moved_at_any_byte_goes_on_the_same(void **state)
{
    static const struct pl_slice talk = PL_LIT_INIT(
        GET("/echo?1") "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nthree\r\nPOST /echo HTTP/1.1\r\nHost: a\r\n"
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nfo\r\n2\r\nur\r\n0\r\nX: y\r\n\r\n" GET("/nothing") "\r\n"
        GET("/echo?last") "Connection: close\r\n\r\n");
    struct pl_buf want = pl_buf_init(65536);
    struct fixture *f = set_up();

    (void)state;
    for (size_t cut = 0; cut <= talk.len; cut++) {
        struct peer *p = dial(f, "1.2.3.4");
        bool is_last = cut == talk.len;

        /* byte by byte up to the cut: the 100 is sent in any case, since its body never comes with the head */
        for (size_t i = 0; i < cut; i++)
            peer_send(p, pl_slice(talk.p + i, 1));
        if (!p->is_closed)
            p = move(f, p);
        for (size_t i = cut; i < talk.len; i++)
            peer_send(p, pl_slice(talk.p + i, 1));
        assert_true(p->is_closed);
        if (cut == 0)
            pl_buf_slice_put(&want, pl_buf_slice(&p->out));
        else if (!pl_slice_eq(pl_buf_slice(&want), pl_buf_slice(&p->out)) && !is_last)
            fail_msg("cut at %zu:\n%.*s", cut, PL_FMT(pl_buf_slice(&p->out)));
        peer_free(&p);
        fake_pass(f->node, 0);
    }
    assert_true(want.len > 500);
    pl_buf_fini(&want);
    tear_down(f);
}

static void unsent_answers_move_too(void **state)
{
    struct fixture *f = set_up();

    (void)state;
    for (size_t room = 0; room < 130; room += 7) {
        struct peer *p = dial(f, "1.2.3.4");

        p->room = room;
        peer_send(p, PL_LIT(GET("/echo?1") "\r\n"));
        p = move(f, p);
        peer_make_room(p, SIZE_MAX - 1000);
        peer_send(p, PL_LIT(GET("/echo?2") "\r\n"));
        assert_out(p, OK_HEAD("1") "\r\n1" OK_HEAD("1") "\r\n2");
        peer_free(&p);
        fake_pass(f->node, 0);
    }
    tear_down(f);
}

static void a_waiting_request_is_taken_up_by_its_route(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT(GET("/later") "Origin: https://app.example\r\n\r\n" GET("/echo?2") "\r\n"));
    p = move(f, p);
    assert_int_equal(f->app.n_closed, 1); /* the old half */
    pl_http_answer(pl_http_by_handle(f->node->shards[0], f->app.waiting), 200, "text/plain", PL_LIT("1"), NULL);
    peer_settle(p);
    assert_out(p, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nAccess-Control-Allow-Origin: https://app.example\r\n"
                  "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\nContent-Length: 1\r\n\r\n1" OK_HEAD("1") "\r\n2");
    peer_free(&p);

    /* a stream that nobody takes up is cut, so that the client sees it is not complete */
    p = dial(f, "1.2.3.4");
    peer_send(p, PL_LIT(GET("/stream") "\r\n"));
    p = move(f, p);
    assert_true(p->is_closed);
    peer_free(&p);
    tear_down(f);
}

static void deadlines_move_with_their_remaining_time(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT("GET /ec"));
    fake_pass(f->node, 8000);
    p = move(f, p);
    fake_pass(f->node, 1900);
    assert_false(p->is_closing);
    fake_pass(f->node, 200);
    assert_true(p->is_closing);
    peer_free(&p);
    tear_down(f);
}

static void damaged_records_are_refused(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");
    struct pl_buf b = pl_buf_init(1 << 20);
    struct pl_rec_out r = { &b };

    (void)state;
    peer_send(p, PL_LIT("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nth"));
    p->c.ops->save(&p->c, &r);
    for (size_t i = 0; i < b.len * 8; i++) { /* any one bit: refused, or a state that can be used and freed */
        struct peer *q = peer_new(f->node, "1.2.3.4", PL_LISTEN_EXTERNAL);

        b.p[i / 8] = (uint8_t)(b.p[i / 8] ^ 1u << i % 8);
        if (pl_http_load(&q->c, (struct pl_rec_in){ pl_buf_slice(&b) }) == PL_OK) {
            fake_pass(f->node, 1);
            peer_send(q, PL_LIT("ree" GET("/echo") "\r\n"));
            peer_free(&q);
        } else {
            q->is_closed = true;
            peer_free(&q);
        }
        fake_pass(f->node, 0);
        b.p[i / 8] = (uint8_t)(b.p[i / 8] ^ 1u << i % 8);
    }
    pl_buf_fini(&b);
    peer_free(&p);
    tear_down(f);
}

/* ---- files ---- */

static enum pl_err file_read(struct pl_world *w, const char *path, size_t limit, struct pl_buf *ret)
{
    (void)w;
    (void)limit;
    if (strcmp(path, "/web/index.html") != 0 && strcmp(path, "/web/app.js") != 0)
        return PL_ENOENT;
    pl_buf_put(ret, path, strlen(path));
    return PL_OK;
}

static void files_have_a_type_and_a_tag(void **state)
{
    static const struct pl_world_ops ops = { .file_read = file_read };
    static const char *const names[] = { "index.html", "app.js", "gone.css" };
    struct pl_world w = { &ops };
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");
    struct pl_buf why = pl_buf_init(1000), ask = pl_buf_init(1000);
    struct pl_files *files = NULL;
    const char *etag;

    (void)state;
    assert_int_equal(pl_files_load(&w, f->router, "/web", names, 3, PL_LISTEN_EXTERNAL, &files, &why), PL_ENOENT);
    assert_true(pl_slice_eq(pl_buf_slice(&why), PL_LIT("/web/gone.css")));
    assert_int_equal(pl_files_load(&w, f->router, "/web", names, 2, PL_LISTEN_EXTERNAL, &files, &why), PL_OK);
    peer_send(p, PL_LIT(GET("/app.js") "\r\n"));
    pl_buf_byte(&p->out, 0);
    assert_non_null(strstr((const char *)p->out.p, "Content-Type: text/javascript; charset=utf-8\r\n"));
    assert_non_null(strstr((const char *)p->out.p, "\r\n\r\n/web/app.js"));
    etag = strstr((const char *)p->out.p, "ETag: ");
    assert_non_null(etag);
    pl_buf_printf(&ask, GET("/app.js") "If-None-Match: \"x\", W/%.18s\r\n\r\n", etag + 6);
    pl_buf_clear(&p->out);
    peer_send(p, pl_buf_slice(&ask));
    assert_int_equal(status_of(p), 304);
    pl_buf_clear(&p->out);
    peer_send(p, PL_LIT(GET("/") "\r\n"));
    assert_int_equal(status_of(p), 200);
    pl_buf_fini(&why);
    pl_buf_fini(&ask);
    peer_free(&p);
    pl_files_free(&files);
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
        cmocka_unit_test(nothing_is_parsed_until_a_late_answer_is_given),
        cmocka_unit_test(a_client_that_half_closes_still_gets_its_answers),
        cmocka_unit_test(a_stream_is_chunked_and_bounded),
        cmocka_unit_test(a_listener_that_leaves_ends_its_stream),
        cmocka_unit_test(an_upgrade_takes_the_connection_and_its_bytes),
        cmocka_unit_test(draining_closes_after_the_current_answer),
        cmocka_unit_test(preflights_are_answered_by_the_room),
        cmocka_unit_test(origins_are_matched_as_a_whole),
        cmocka_unit_test(handlers_see_the_verdict_on_the_origin),
        cmocka_unit_test(forwarded_addresses_count_from_listed_proxies_only),
        cmocka_unit_test(a_conversation_moved_at_any_byte_goes_on_the_same),
        cmocka_unit_test(unsent_answers_move_too),
        cmocka_unit_test(a_waiting_request_is_taken_up_by_its_route),
        cmocka_unit_test(deadlines_move_with_their_remaining_time),
        cmocka_unit_test(damaged_records_are_refused),
        cmocka_unit_test(files_have_a_type_and_a_tag),
    };

    return cmocka_run_group_tests_name("http/http", tests, NULL, NULL);
}
