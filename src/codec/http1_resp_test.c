#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/guard_test.h"
#include "codec/http1_resp.h"
#include "codec/http1_resp_parse.h"

static void a_response_is_written_as_it_is_read(void **state)
{
    static struct pl_http1_resp r;
    struct pl_http1_scan scan = { 0 };
    struct pl_buf b = pl_buf_init(1024);
    struct guard g = guard_init(1024);
    size_t len;

    (void)state;
    pl_http1_resp_start(&b, 503);
    pl_http1_resp_header(&b, PL_LIT("Content-Type"), PL_LIT("text/plain"));
    pl_http1_resp_header(&b, PL_LIT("Empty"), PL_LIT(""));
    pl_http1_resp_length(&b, 5);
    pl_http1_resp_date(&b, 784111777);
    pl_http1_resp_end(&b);
    assert_true(pl_buf_ok(&b));
    assert_true(pl_slice_eq(pl_buf_slice(&b),
                            PL_LIT("HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nEmpty: \r\n"
                                   "Content-Length: 5\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n")));
    len = b.len;
    for (size_t n = 0; n < len; n++)
        assert_int_equal(pl_http1_resp_parse(pl_slice(guard_put(&g, b.p, n), n), false, &scan, &r, NULL), PL_MORE);
    PL_BUF_LIT(&b, "hello");
    assert_int_equal(pl_http1_resp_parse(pl_buf_slice(&b), false, &scan, &r, NULL), PL_OK);
    assert_int_equal(r.status, 503);
    assert_int_equal(r.len, len);
    assert_true(r.framing == PL_HTTP1_LENGTH && r.content_length == 5 && r.keep_alive);
    assert_true(pl_slice_eq(r.reason, PL_LIT("Service Unavailable")));
    guard_fini(&g);
    pl_buf_fini(&b);
}

static void a_header_value_cannot_split_the_response(void **state)
{
    struct pl_buf b = pl_buf_init(1024);

    (void)state;
    pl_http1_resp_header(&b, PL_LIT("X"), PL_LIT("a\r\nSet-Cookie: b\0c\td\x7f"));
    assert_true(pl_slice_eq(pl_buf_slice(&b), PL_LIT("X: a  Set-Cookie: b c\td \r\n")));
    pl_buf_fini(&b);
}

static void dates_are_right_around_leap_days(void **state)
{
    static const struct {
        int64_t unix_s;
        const char *text;
    } cases[] = {
        { 0, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" },
        { 951782400, "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n" },
        { 951868799, "Date: Tue, 29 Feb 2000 23:59:59 GMT\r\n" },
        { 951868800, "Date: Wed, 01 Mar 2000 00:00:00 GMT\r\n" },
        { 1735689599, "Date: Tue, 31 Dec 2024 23:59:59 GMT\r\n" },
        { 4107542400, "Date: Mon, 01 Mar 2100 00:00:00 GMT\r\n" },
        { 253402300799, "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_buf b = pl_buf_init(100);

        pl_http1_resp_date(&b, cases[i].unix_s);
        if (!pl_slice_eq(pl_buf_slice(&b), pl_slice_str(cases[i].text)))
            fail_msg("%lld: %.*s", (long long)cases[i].unix_s, PL_FMT(pl_buf_slice(&b)));
        pl_buf_fini(&b);
    }
}

static void chunks_are_framed(void **state)
{
    struct pl_buf b = pl_buf_init(100);

    (void)state;
    pl_http1_resp_chunk(&b, PL_LIT("0123456789abcdef"));
    pl_http1_resp_last_chunk(&b);
    assert_true(pl_slice_eq(pl_buf_slice(&b), PL_LIT("10\r\n0123456789abcdef\r\n0\r\n\r\n")));
    pl_buf_fini(&b);
}

static void the_framing_of_a_response_is_judged(void **state)
{
#define S "HTTP/1.1 200 OK\r\n"
    static const struct {
        const char *raw;
        bool to_head;
        enum pl_err want;
        enum pl_http1_framing framing;
        bool keep_alive;
    } cases[] = {
        { S "Content-Length: 3\r\n\r\n", false, PL_OK, PL_HTTP1_LENGTH, true },
        { S "Content-Length: 3\r\n\r\n", true, PL_OK, PL_HTTP1_NO_BODY, true },
        { S "Content-Length: 0\r\n\r\n", false, PL_OK, PL_HTTP1_NO_BODY, true },
        { S "Transfer-Encoding: chunked\r\n\r\n", false, PL_OK, PL_HTTP1_CHUNKED, true },
        { S "\r\n", false, PL_OK, PL_HTTP1_UNTIL_CLOSE, false },
        { S "Content-Length: 3\r\nConnection: close\r\n\r\n", false, PL_OK, PL_HTTP1_LENGTH, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", false, PL_OK, PL_HTTP1_LENGTH, false },
        { "HTTP/1.1 204 No Content\r\n\r\n", false, PL_OK, PL_HTTP1_NO_BODY, true },
        { "HTTP/1.1 304\r\n\r\n", false, PL_OK, PL_HTTP1_NO_BODY, true },
        { "HTTP/1.1 101 \r\n\r\n", false, PL_OK, PL_HTTP1_NO_BODY, true },
        { S "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", false, PL_EPROTO, 0, false },
        { S "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", false, PL_EPROTO, 0, false },
        { S "Transfer-Encoding: gzip\r\n\r\n", false, PL_EPROTO, 0, false },
        { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, PL_EPROTO, 0, false },
        { "HTTP/2.0 200 OK\r\n\r\n", false, PL_EPROTO, 0, false },
        { "HTTP/1.1 20 OK\r\n\r\n", false, PL_EPROTO, 0, false },
        { "HTTP/1.1 2000 OK\r\n\r\n", false, PL_EPROTO, 0, false },
        { "HTTP/1.1 600 OK\r\n\r\n", false, PL_EPROTO, 0, false },
        { "HTTP/1.1  200 OK\r\n\r\n", false, PL_EPROTO, 0, false },
        { "HTTP/1.1 200 O\x01K\r\n\r\n", false, PL_EPROTO, 0, false },
        { "\r\nHTTP/1.1 200 OK\r\n\r\n", false, PL_EPROTO, 0, false },
        { "HTTP/1.1 200 OK\n\n", false, PL_EPROTO, 0, false },
        { S "X : y\r\n\r\n", false, PL_EPROTO, 0, false },
        { "SSH-2.0-x", false, PL_EPROTO, 0, false },
    };
#undef S

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct pl_http1_resp r;
        struct pl_http1_scan scan = { 0 };
        const char *why = NULL;
        enum pl_err err = pl_http1_resp_parse(pl_slice_str(cases[i].raw), cases[i].to_head, &scan, &r, &why);

        if (err != cases[i].want || (err == PL_OK && (r.framing != cases[i].framing || r.keep_alive != cases[i].keep_alive)))
            fail_msg("case %zu: %s", i, pl_err_text(err));
        assert_true(err == PL_OK || why != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_is_written_as_it_is_read),
        cmocka_unit_test(a_header_value_cannot_split_the_response),
        cmocka_unit_test(dates_are_right_around_leap_days),
        cmocka_unit_test(chunks_are_framed),
        cmocka_unit_test(the_framing_of_a_response_is_judged),
    };

    return cmocka_run_group_tests_name("codec/http1_resp", tests, NULL, NULL);
}
