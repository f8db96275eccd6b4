#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/backoff.h"
#include "lib/post.h"
#include "lib/target.h"

static struct pl_buf seen;

static void on_answer(struct pl_post *p, uint64_t tag, unsigned status, struct pl_slice body)
{
    (void)p;
    pl_buf_printf(&seen, "%llu:%u:%.*s|", (unsigned long long)tag, status, PL_FMT(body));
}

static const struct pl_post_setup setup = { PL_LIT_INIT("h:1"), PL_LIT_INIT("k"), PL_LIT_INIT("/api") };

static void a_publish_is_one_whole_request(void **state)
{
    struct pl_post p;

    (void)state;
    pl_post_init(&p, &setup, on_answer);
    assert_int_equal(pl_post_publish(&p, PL_LIT("a\"b"), PL_LIT("{\"n\":1}"), 7), PL_OK);
    assert_true(pl_slice_eq(pl_buf_slice(&p.out), PL_LIT(
        "POST /api/publish HTTP/1.1\r\nHost: h:1\r\nX-API-Key: k\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n"
        "{\"channel\":\"a\\\"b\",\"data\":{\"n\":1}}")));
    pl_post_fini(&p);
}

static void answers_come_in_order_however_they_are_cut(void **state)
{
    static const char two[] = "HTTP/1.1 100 Continue\r\n\r\n"
                              "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"result\":{}}"
                              "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";

    (void)state;
    for (size_t cut = 0; cut < sizeof two; cut++) {
        struct pl_post p;

        seen = pl_buf_init(1000);
        pl_post_init(&p, &setup, on_answer);
        for (uint64_t tag = 1; tag <= 3; tag++)
            assert_int_equal(pl_post_put(&p, "info", PL_LIT("{}"), tag), PL_OK);
        assert_int_equal(pl_post_input(&p, pl_slice(two, cut)), PL_OK);
        assert_int_equal(pl_post_input(&p, pl_slice(two + cut, sizeof two - 1 - cut)), PL_OK);
        assert_int_equal(pl_post_under_way(&p), 1);
        pl_post_lost(&p);
        assert_true(pl_slice_eq(pl_buf_slice(&seen), PL_LIT("1:200:{\"result\":{}}|2:401:|3:0:|")));
        pl_post_fini(&p);
        pl_buf_fini(&seen);
    }
}

static void an_answer_nobody_asked_for_is_refused(void **state)
{
    struct pl_post p;

    (void)state;
    pl_post_init(&p, &setup, on_answer);
    assert_int_equal(pl_post_input(&p, PL_LIT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")), PL_EPROTO);
    assert_int_equal(pl_post_input(&p, PL_LIT("nonsense\r\n\r\n")), PL_EPROTO);
    pl_post_fini(&p);
}

static void many_under_way_keep_their_order(void **state)
{
    struct pl_post p;

    (void)state;
    seen = pl_buf_init(100000);
    pl_post_init(&p, &setup, on_answer);
    for (uint64_t tag = 0; tag < 10; tag++)
        assert_int_equal(pl_post_put(&p, "info", PL_LIT("{}"), tag), PL_OK);
    for (uint64_t tag = 10; tag < 40; tag++) {
        assert_int_equal(pl_post_input(&p, PL_LIT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")), PL_OK);
        assert_int_equal(pl_post_put(&p, "info", PL_LIT("{}"), tag), PL_OK);
        assert_int_equal(pl_post_put(&p, "info", PL_LIT("{}"), 100 + tag), PL_OK);
    }
    assert_true(pl_slice_starts(pl_buf_slice(&seen), PL_LIT("0:200:|1:200:|2:200:|3:200:|4:200:|5:200:|6:200:|7:200:|8:200:|9:200:|"
                                                            "10:200:|110:200:|11:200:|111:200:|")));
    pl_post_fini(&p);
    pl_buf_fini(&seen);
}

static void results_and_errors_are_told_apart(void **state)
{
    static const struct { const char *body; enum pl_err err; uint32_t code; uint64_t offset; } rows[] = {
        { "{\"result\":{\"offset\":5,\"epoch\":\"e\"}}", PL_OK, 0, 5 }, { "{\"result\":{}}", PL_OK, 0, 0 },
        { "{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}", PL_OK, 102, 0 }, { "{\"error\":{}}", PL_OK, 100, 0 },
        { "{}", PL_EPROTO, 0, 0 }, { "", PL_EPROTO, 0, 0 }, { "[]", PL_EPROTO, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_scratch scratch = pl_scratch_init(1000);
        struct pl_post_result r = { 0 };

        assert_int_equal(pl_post_result_parse(pl_slice_str(rows[i].body), &scratch, &r), rows[i].err);
        assert_int_equal(r.code, rows[i].code);
        assert_int_equal(r.offset, rows[i].offset);
        pl_scratch_fini(&scratch);
    }
}

static void urls_are_taken_apart_or_refused(void **state)
{
    static const struct { const char *url; enum pl_err err; const char *host, *path, *at; } rows[] = {
        { "ws://127.0.0.1:8000/connection/websocket", PL_OK, "127.0.0.1:8000", "/connection/websocket", "127.0.0.1:8000" },
        { "ws://127.0.0.1", PL_OK, "127.0.0.1", "/default", "127.0.0.1:80" },
        { "wss://127.0.0.1?a=b#c", PL_OK, "127.0.0.1", "/?a=b", "127.0.0.1:443" },
        { "WS://[::1]:9/x", PL_OK, "[::1]:9", "/x", "[::1]:9" },
        { "http://127.0.0.1/", PL_EINVAL, NULL, NULL, NULL }, { "ws:/127.0.0.1/", PL_EINVAL, NULL, NULL, NULL },
        { "ws:///x", PL_EINVAL, NULL, NULL, NULL },           { "ws://127.0.0.1:0/", PL_EINVAL, NULL, NULL, NULL },
        { "ws://127.0.0.1:70000/", PL_EINVAL, NULL, NULL, NULL }, { "ws://127.0.0.1:x/", PL_EINVAL, NULL, NULL, NULL },
        { "ws://u@127.0.0.1/", PL_EINVAL, NULL, NULL, NULL }, { "ws://[::1/", PL_EINVAL, NULL, NULL, NULL },
        { "ws://127.0.0.1/a b", PL_EINVAL, NULL, NULL, NULL }, { "ws://127.0.0.1/a\r\nX: y", PL_EINVAL, NULL, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_target t;
        const char *why;
        enum pl_err err = pl_target_parse(rows[i].url, "ws", "/default", &t, &why);

        if (err != rows[i].err)
            fail_msg("%s: %s", rows[i].url, pl_err_text(err));
        assert_true((why == NULL) == (err == PL_OK));
        if (err != PL_OK)
            continue;
        assert_string_equal(t.host, rows[i].host);
        assert_string_equal(t.path, rows[i].path);
        assert_string_equal(t.at, rows[i].at);
    }
}

static void jitter_is_even_over_its_span(void **state)
{
    const struct pl_backoff b = { 1000, 30000, 30 };
    double sum = 0;
    uint64_t x = 1;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        uint64_t ms;

        x = x * 6364136223846793005u + 1442695040888963407u;
        ms = pl_backoff_ms(&b, 3, x >> 16);
        assert_in_range(ms, 8000, 10400);
        sum += (double)ms;
    }
    assert_in_range((uint64_t)(sum / 10000), 9200 - 92, 9200 + 92);
    assert_in_range(pl_backoff_ms(&b, 200, x), 30000, 39000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publish_is_one_whole_request),
        cmocka_unit_test(answers_come_in_order_however_they_are_cut),
        cmocka_unit_test(an_answer_nobody_asked_for_is_refused),
        cmocka_unit_test(many_under_way_keep_their_order),
        cmocka_unit_test(results_and_errors_are_told_apart),
        cmocka_unit_test(urls_are_taken_apart_or_refused),
        cmocka_unit_test(jitter_is_even_over_its_span),
    };

    return cmocka_run_group_tests_name("lib/post", tests, NULL, NULL);
}
