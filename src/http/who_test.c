#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/app_test.h"
#include "http/files.h"
#include "http/origin.h"

/* Who asks: CORS, origins, forwarded addresses. And what everybody gets: files. */

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
        { "http://localhost:*", "http://localhost:", true },          { "http://localhost:*", "http://localhost:8a", false },
        { "http://localhost:*", "http://localhost:123456", false },   { "http://localhost:*", "http://localhost:80/", false },
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
        cmocka_unit_test(preflights_are_answered_by_the_room),
        cmocka_unit_test(origins_are_matched_as_a_whole),
        cmocka_unit_test(handlers_see_the_verdict_on_the_origin),
        cmocka_unit_test(forwarded_addresses_count_from_listed_proxies_only),
        cmocka_unit_test(files_have_a_type_and_a_tag),
    };

    return cmocka_run_group_tests_name("http/who", tests, NULL, NULL);
}
