#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "codec/guard_test.h"
#include "codec/http1_head.h"

#define R(name, status, raw) { name, raw, sizeof(raw) - 1, status }
#define H "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" H
#define POST "POST / HTTP/1.1\r\n" H
#define E "\r\n"

/* status 0: must be accepted (and every proper prefix wants more). */
static const struct row {
    const char *name, *raw;
    size_t len;
    unsigned status;
} rows[] = {
    /* accepted */
    R("plain GET", 0, GET E),
    R("POST with length", 0, POST "Content-Length: 5\r\n" E),
    R("POST with length 0", 0, POST "Content-Length: 0\r\n" E),
    R("length with leading zeros", 0, POST "Content-Length: 0005\r\n" E),
    R("POST chunked", 0, POST "Transfer-Encoding: chunked\r\n" E),
    R("chunked in another letter case", 0, POST "transfer-encoding: ChunKed\r\n" E),
    R("chunked with white space around", 0, POST "Transfer-Encoding: \t chunked \t\r\n" E),
    R("HTTP/1.0 without Host", 0, "GET / HTTP/1.0\r\n" E),
    R("HTTP/1.0 with Host", 0, "GET / HTTP/1.0\r\n" H E),
    R("one empty line in front", 0, "\r\n" GET E),
    R("absolute-form with equal Host", 0, "GET http://a/x?y HTTP/1.1\r\n" H E),
    R("absolute-form, scheme in capitals", 0, "GET HTTP://A/x HTTP/1.1\r\n" H E),
    R("absolute-form, https", 0, "GET https://a HTTP/1.1\r\n" H E),
    R("absolute-form, no path but a query", 0, "GET http://a?y=1 HTTP/1.1\r\n" H E),
    R("OPTIONS *", 0, "OPTIONS * HTTP/1.1\r\n" H E),
    R("unknown method", 0, "PURGE / HTTP/1.1\r\n" H E),
    R("method in small letters is another method", 0, "get / HTTP/1.1\r\n" H E),
    R("empty Host", 0, "GET / HTTP/1.1\r\nHost:\r\n" E),
    R("Host with port", 0, "GET / HTTP/1.1\r\nHost: a.example:8000\r\n" E),
    R("Host is an IPv6 literal", 0, "GET / HTTP/1.1\r\nHost: [::1]:80\r\n" E),
    R("no space after the colon", 0, "GET / HTTP/1.1\r\nHost:a\r\n" E),
    R("empty header value", 0, GET "X-Empty:\r\n" E),
    R("header value of white space", 0, GET "X-Empty:  \t \r\n" E),
    R("tab inside a value", 0, GET "X: a\tb\r\n" E),
    R("obs-text in a value", 0, GET "X: caf\xc3\xa9\r\n" E),
    R("every tchar in a name", 0, GET "!#$%&'*+-.^_`|~09azAZ: 1\r\n" E),
    R("percent-encoded path", 0, "GET /a%20b%2F HTTP/1.1\r\n" H E),
    R("raw JSON in the query", 0, "GET /?x={\"id\":1} HTTP/1.1\r\n" H E),
    R("bad escape in the query is the reader's business", 0, "GET /?x=%zz HTTP/1.1\r\n" H E),
    R("expect 100-continue", 0, POST "Content-Length: 5\r\nExpect: 100-continue\r\n" E),
    R("unknown expectation in 1.0 is ignored", 0, "POST / HTTP/1.0\r\nExpect: tea\r\n" E),
    R("WebSocket upgrade", 0, GET "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" E),
    R("empty elements in Connection", 0, GET "Connection: , ,close,\r\n" E),
    R("largest length", 0, POST "Content-Length: 18446744073709551615\r\n" E),
    R("TE is another header", 0, GET "TE: trailers\r\n" E),
    R("two fields of an ordinary name", 0, GET "Accept: a\r\nAccept: b\r\n" E),

    /* request line */
    R("HTTP/0.9", 400, "GET /\r\n" E),
    R("no target", 400, "GET HTTP/1.1\r\n" H E),
    R("two spaces before the target", 400, "GET  / HTTP/1.1\r\n" H E),
    R("two spaces before the version", 400, "GET /  HTTP/1.1\r\n" H E),
    R("tab before the target", 400, "GET\t/ HTTP/1.1\r\n" H E),
    R("tab before the version", 400, "GET /\tHTTP/1.1\r\n" H E),
    R("space in front", 400, " GET / HTTP/1.1\r\n" H E),
    R("space after the version", 400, "GET / HTTP/1.1 \r\n" H E),
    R("space in the target", 400, "GET /a b HTTP/1.1\r\n" H E),
    R("vertical tab in the target", 400, "GET /\x0b HTTP/1.1\r\n" H E),
    R("NUL in the target", 400, "GET /\0 HTTP/1.1\r\n" H E),
    R("DEL in the target", 400, "GET /\x7f HTTP/1.1\r\n" H E),
    R("raw UTF-8 in the target", 400, "GET /\xc3\xa9 HTTP/1.1\r\n" H E),
    R("CR in the target", 400, "GET /\ra HTTP/1.1\r\n" H E),
    R("fragment in the target", 400, "GET /#x HTTP/1.1\r\n" H E),
    R("backslash in the path", 400, "GET /a\\b HTTP/1.1\r\n" H E),
    R("target without a slash", 400, "GET a HTTP/1.1\r\n" H E),
    R("target is a query", 400, "GET ?a HTTP/1.1\r\n" H E),
    R("star with GET", 400, "GET * HTTP/1.1\r\n" H E),
    R("percent at the end", 400, "GET /a% HTTP/1.1\r\n" H E),
    R("one digit after percent", 400, "GET /a%1 HTTP/1.1\r\n" H E),
    R("bad digits after percent", 400, "GET /%g0 HTTP/1.1\r\n" H E),
    R("bad second digit after percent", 400, "GET /%0g HTTP/1.1\r\n" H E),
    R("percent NUL in the path", 400, "GET /a%00.txt HTTP/1.1\r\n" H E),
    R("absolute-form, other Host", 400, "GET http://b/ HTTP/1.1\r\n" H E),
    R("absolute-form, no Host", 400, "GET http://a/ HTTP/1.1\r\n" E),
    R("absolute-form, no authority", 400, "GET http:///x HTTP/1.1\r\n" H E),
    R("absolute-form, userinfo", 400, "GET http://u@a/ HTTP/1.1\r\n" H E),
    R("absolute-form, other scheme", 400, "GET ftp://a/ HTTP/1.1\r\n" H E),
    R("authority-form without CONNECT", 400, "GET a:80 HTTP/1.1\r\n" H E),
    R("CONNECT", 501, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n" E),
    R("method with a colon", 400, "GE:T / HTTP/1.1\r\n" H E),
    R("method with obs-text", 400, "G\xc3T / HTTP/1.1\r\n" H E),
    R("empty method", 400, " / HTTP/1.1\r\n" H E),
    R("version in small letters", 400, "GET / http/1.1\r\n" H E),
    R("version with two digits", 400, "GET / HTTP/1.10\r\n" H E),
    R("version without minor", 400, "GET / HTTP/1\r\n" H E),
    R("version without dot", 400, "GET / HTTP/11\r\n" H E),
    R("version with a letter", 400, "GET / HTTP/1.x\r\n" H E),
    R("other protocol name", 400, "GET / HTCPCP/1.0\r\n" H E),
    R("version 2.0", 505, "GET / HTTP/2.0\r\n" H E),
    R("HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    R("version 0.9 spelled out", 505, "GET / HTTP/0.9\r\n" H E),
    R("version 1.2", 505, "GET / HTTP/1.2\r\n" H E),
    R("version 3.0", 505, "GET / HTTP/3.0\r\n" H E),
    R("TLS client hello", 400, "\x16\x03\x01\x02\x00\x01\x00"),
    R("leading NUL", 400, "\0GET / HTTP/1.1\r\n" H E),
    R("bare CR in front", 400, "\rGET / HTTP/1.1\r\n" H E),
    R("bare LF in front", 400, "\nGET / HTTP/1.1\r\n" H E),
    R("two empty lines in front", 400, "\r\n\r\n" GET E),
    R("UTF-8 byte order mark", 400, "\xef\xbb\xbf" GET E),

    /* line ends */
    R("request line ends with LF", 400, "GET / HTTP/1.1\n" H E),
    R("header ends with LF", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    R("head ends with LF LF", 400, "GET / HTTP/1.1\r\nHost: a\n\n"),
    R("head ends with CRLF LF", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    R("all lines end with LF", 400, "GET / HTTP/1.1\nHost: a\n\n"),
    R("CR CR LF ends a header", 400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    R("CR CR LF ends the request line", 400, "GET / HTTP/1.1\r\r\n" H E),
    R("bare CR in a value", 400, GET "X: a\rb\r\n" E),
    R("bare CR hides a header", 400, GET "X: a\rContent-Length: 5\r\n" E),
    R("bare LF hides a header", 400, GET "X: a\nContent-Length: 5\r\n" E),
    R("bare CR in a name", 400, GET "X\rY: a\r\n" E),
    R("line of one CR", 400, GET "\r\r\n" E),

    /* field lines */
    R("folded by space", 400, GET "X: a\r\n b\r\n" E),
    R("folded by tab", 400, GET "X: a\r\n\tb\r\n" E),
    R("folded first header", 400, "GET / HTTP/1.1\r\n X: a\r\n" H E),
    R("folded transfer coding", 400, POST "Transfer-Encoding:\r\n chunked\r\n" E),
    R("line of spaces", 400, GET "  \r\n" E),
    R("space before the colon", 400, GET "X : a\r\n" E),
    R("tab before the colon", 400, GET "X\t: a\r\n" E),
    R("space before the colon of a length", 400, POST "Content-Length : 5\r\n" E),
    R("space before the colon of a coding", 400, POST "Transfer-Encoding : chunked\r\n" E),
    R("space inside a name", 400, GET "X Y: a\r\n" E),
    R("empty name", 400, GET ": a\r\n" E),
    R("no colon", 400, GET "XY\r\n" E),
    R("NUL in a name", 400, GET "X\0Y: a\r\n" E),
    R("DEL in a name", 400, GET "X\x7f: a\r\n" E),
    R("slash in a name", 400, GET "X/Y: a\r\n" E),
    R("bracket in a name", 400, GET "X[0]: a\r\n" E),
    R("quote in a name", 400, GET "\"X\": a\r\n" E),
    R("at sign in a name", 400, GET "X@: a\r\n" E),
    R("obs-text in a name", 400, GET "X\xe9: a\r\n" E),
    R("Kelvin sign for k", 400, POST "Transfer-Encoding\xe2\x84\xaa: chunked\r\n" E),
    R("NUL in a value", 400, GET "X: a\0b\r\n" E),
    R("NUL ends a value", 400, GET "X: a\0\r\n" E),
    R("BEL in a value", 400, GET "X: \a\r\n" E),
    R("escape in a value", 400, GET "X: \x1b[0m\r\n" E),
    R("DEL in a value", 400, GET "X: \x7f\r\n" E),
    R("vertical tab around a value", 400, POST "Transfer-Encoding: \x0b" "chunked\r\n" E),
    R("form feed around a value", 400, POST "Content-Length: 5\f\r\n" E),

    /* Host */
    R("Host is missing", 400, "GET / HTTP/1.1\r\n" E),
    R("two equal Hosts", 400, GET "Host: a\r\n" E),
    R("two different Hosts", 400, GET "Host: b\r\n" E),
    R("two Hosts in 1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n" E),
    R("Host is a list", 400, "GET / HTTP/1.1\r\nHost: a, b\r\n" E),
    R("Host is a list without space", 400, "GET / HTTP/1.1\r\nHost: a,b\r\n" E),
    R("Host with userinfo", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n" E),
    R("Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n" E),
    R("Host with a query", 400, "GET / HTTP/1.1\r\nHost: a?b\r\n" E),
    R("Host with a backslash", 400, "GET / HTTP/1.1\r\nHost: a\\b\r\n" E),
    R("Host with obs-text", 400, "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n" E),

    /* Content-Length */
    R("length with plus", 400, POST "Content-Length: +5\r\n" E),
    R("length with minus", 400, POST "Content-Length: -5\r\n" E),
    R("negative zero", 400, POST "Content-Length: -0\r\n" E),
    R("length in hex", 400, POST "Content-Length: 0x5\r\n" E),
    R("length with a dot", 400, POST "Content-Length: 5.0\r\n" E),
    R("length with exponent", 400, POST "Content-Length: 5e0\r\n" E),
    R("length with underscore", 400, POST "Content-Length: 1_0\r\n" E),
    R("length with a space inside", 400, POST "Content-Length: 1 0\r\n" E),
    R("length in quotes", 400, POST "Content-Length: \"5\"\r\n" E),
    R("empty length", 400, POST "Content-Length:\r\n" E),
    R("length is a list of equals", 400, POST "Content-Length: 5, 5\r\n" E),
    R("length is a list", 400, POST "Content-Length: 5, 6\r\n" E),
    R("length with trailing comma", 400, POST "Content-Length: 5,\r\n" E),
    R("length with parameters", 400, POST "Content-Length: 5;a\r\n" E),
    R("length overflows", 400, POST "Content-Length: 18446744073709551616\r\n" E),
    R("length overflows far", 400, POST "Content-Length: 99999999999999999999999999\r\n" E),
    R("two equal lengths", 400, POST "Content-Length: 5\r\nContent-Length: 5\r\n" E),
    R("two different lengths", 400, POST "Content-Length: 5\r\nContent-Length: 6\r\n" E),
    R("two lengths, letter case", 400, POST "Content-Length: 5\r\ncontent-length: 6\r\n" E),
    R("bad length in a GET", 400, GET "Content-Length: x\r\n" E),
    R("length in Arabic digits", 400, POST "Content-Length: \xd9\xa5\r\n" E),

    /* Transfer-Encoding */
    R("length and coding", 400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" E),
    R("coding and length", 400, POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" E),
    R("coding and length 0", 400, POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n" E),
    R("coding in HTTP/1.0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" E),
    R("coding twice", 400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" E),
    R("identity and chunked on two lines", 400, POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n" E),
    R("chunked, chunked", 400, POST "Transfer-Encoding: chunked, chunked\r\n" E),
    R("chunked, identity", 400, POST "Transfer-Encoding: chunked, identity\r\n" E),
    R("chunked, gzip", 400, POST "Transfer-Encoding: chunked, gzip\r\n" E),
    R("gzip, chunked", 501, POST "Transfer-Encoding: gzip, chunked\r\n" E),
    R("gzip", 400, POST "Transfer-Encoding: gzip\r\n" E),
    R("identity", 400, POST "Transfer-Encoding: identity\r\n" E),
    R("identity, chunked", 501, POST "Transfer-Encoding: identity, chunked\r\n" E),
    R("xchunked", 400, POST "Transfer-Encoding: xchunked\r\n" E),
    R("chunkedx", 400, POST "Transfer-Encoding: chunkedx\r\n" E),
    R("chunked in quotes", 400, POST "Transfer-Encoding: \"chunked\"\r\n" E),
    R("chunked with parameter", 400, POST "Transfer-Encoding: chunked;q=1\r\n" E),
    R("chunked with comma behind", 400, POST "Transfer-Encoding: chunked,\r\n" E),
    R("chunked with comma in front", 400, POST "Transfer-Encoding: ,chunked\r\n" E),
    R("empty coding", 400, POST "Transfer-Encoding:\r\n" E),
    R("chunked and a word", 400, POST "Transfer-Encoding: chunked foo\r\n" E),
    R("chunked with NUL", 400, POST "Transfer-Encoding: chunked\0\r\n" E),
    R("coding in a GET with length", 400, GET "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n" E),

    /* Expect */
    R("unknown expectation", 417, POST "Content-Length: 5\r\nExpect: tea\r\n" E),
    R("expectation twice", 417, POST "Content-Length: 5\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n" E),
    R("expectation list", 417, POST "Content-Length: 5\r\nExpect: 100-continue, tea\r\n" E),
};

enum { N_ROWS = sizeof rows / sizeof rows[0] };

static unsigned status_of(struct pl_slice in, struct pl_http1_scan *scan, struct pl_http1_head *h, enum pl_err *ret_err)
{
    struct pl_http1_refusal why = { 0 };

    *ret_err = pl_http1_head_parse(in, NULL, scan, h, &why);
    if (*ret_err != PL_EPROTO && *ret_err != PL_ETOOBIG)
        return 0;
    assert_non_null(why.why);
    assert_true(why.status >= 400 && why.status < 600);
    return why.status;
}

static void every_row_gets_its_verdict_at_once_and_byte_by_byte(void **state)
{
    static struct pl_http1_head h;
    struct guard g = guard_init(1024);

    (void)state;
    assert_true(N_ROWS >= 120);
    for (size_t i = 0; i < N_ROWS; i++) {
        struct pl_http1_scan scan = { 0 };
        enum pl_err err;
        unsigned status = status_of(pl_slice(guard_put(&g, rows[i].raw, rows[i].len), rows[i].len), &scan, &h, &err);

        if (status != rows[i].status || (status == 0) != (err == PL_OK))
            fail_msg("%s: status %u, wanted %u (%s)", rows[i].name, status, rows[i].status, pl_err_text(err));
        if (err == PL_OK && h.len != rows[i].len)
            fail_msg("%s: took %zu of %zu bytes", rows[i].name, h.len, rows[i].len);

        scan = (struct pl_http1_scan){ 0 };
        for (size_t n = 0; n <= rows[i].len; n++) {
            status = status_of(pl_slice(guard_put(&g, rows[i].raw, n), n), &scan, &h, &err);
            if (err == PL_MORE && n < rows[i].len)
                continue;
            if (status != rows[i].status || (rows[i].status == 0 && n < rows[i].len) || err == PL_MORE)
                fail_msg("%s: after %zu bytes status %u, wanted %u", rows[i].name, n, status, rows[i].status);
            break;
        }
    }
    guard_fini(&g);
}

static void what_follows_a_head_is_left_alone(void **state)
{
    static struct pl_http1_head h;
    struct pl_http1_scan scan = { 0 };
    const struct pl_slice in = PL_LIT(GET "\r\nGET /next HTTP/1.1\r\n");

    (void)state;
    assert_int_equal(pl_http1_head_parse(in, NULL, &scan, &h, NULL), PL_OK);
    assert_int_equal(h.len, sizeof(GET "\r\n") - 1);
}

static void a_head_is_taken_apart(void **state)
{
    static struct pl_http1_head h;
    struct pl_http1_scan scan = { 0 };
    const struct pl_slice in = PL_LIT("POST http://ex.org:80/a/b?x=1?&y HTTP/1.1\r\nHOST: EX.org:80\r\nX-One:  1 2 \r\n"
                                      "Content-Length: 007\r\nExpect: 100-Continue\r\nConnection: Upgrade\r\n"
                                      "Upgrade: websocket\r\nx-one: b\r\n\r\n");

    (void)state;
    assert_int_equal(pl_http1_head_parse(in, NULL, &scan, &h, NULL), PL_OK);
    assert_int_equal(h.method, PL_HTTP_POST);
    assert_true(pl_slice_eq(h.path, PL_LIT("/a/b")));
    assert_true(pl_slice_eq(h.query, PL_LIT("x=1?&y")));
    assert_true(pl_slice_eq(h.host, PL_LIT("ex.org:80")));
    assert_true(pl_slice_eq(h.upgrade, PL_LIT("websocket")));
    assert_true(h.has_length && h.content_length == 7 && !h.is_chunked && h.expects_continue && h.keep_alive);
    assert_true(pl_slice_eq(pl_http1_head_get(&h, PL_LIT("x-ONE")), PL_LIT("1 2")));
    assert_int_equal(pl_http1_head_count(&h, PL_LIT("X-One")), 2);
    assert_int_equal(pl_http1_head_get(&h, PL_LIT("absent")).len, 0);
}

static void the_version_and_connection_decide_whether_it_stays_open(void **state)
{
    static const struct {
        const char *raw;
        bool keep_alive, upgrade;
    } cases[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, CLOSE\r\n\r\n", false, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false, false },
        { "GET / HTTP/1.0\r\n\r\n", false, false },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", true, true },
        { "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", true, false },
        { "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct pl_http1_head h;
        struct pl_http1_scan scan = { 0 };

        assert_int_equal(pl_http1_head_parse(pl_slice_str(cases[i].raw), NULL, &scan, &h, NULL), PL_OK);
        assert_int_equal(h.keep_alive, cases[i].keep_alive);
        assert_int_equal(h.upgrade.len > 0, cases[i].upgrade);
    }
}

/* "GET /aaa... HTTP/1.1" with a target of n bytes and a padding field, so that the head has `total` bytes. */
static void head_build(struct pl_buf *b, size_t n_target, size_t total)
{
    pl_buf_clear(b);
    PL_BUF_LIT(b, "GET /");
    for (size_t i = 1; i < n_target; i++)
        pl_buf_byte(b, 'a');
    PL_BUF_LIT(b, " HTTP/1.1\r\nHost: a\r\nX: ");
    while (b->len < total - 4)
        pl_buf_byte(b, 'x');
    PL_BUF_LIT(b, "\r\n\r\n");
}

static void limits_hold_to_the_byte(void **state)
{
    static struct pl_http1_head h;
    const struct pl_http1_limits limits = { .head_bytes = 1000, .target_bytes = 200 };
    static const struct {
        size_t n_target, total;
        unsigned status;
    } cases[] = { { 200, 1000, 0 }, { 201, 1000, 414 }, { 300, 900, 414 }, { 999, 2000, 414 }, { 200, 1001, 431 }, { 1, 4000, 431 } };
    struct pl_buf b = pl_buf_init(8192);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_http1_scan scan = { 0 };
        struct pl_http1_refusal why = { 0 };
        enum pl_err err;

        head_build(&b, cases[i].n_target, cases[i].total);
        err = pl_http1_head_parse(pl_buf_slice(&b), &limits, &scan, &h, &why);
        assert_int_equal(why.status, cases[i].status);
        assert_int_equal(err, cases[i].status == 0 ? PL_OK : PL_ETOOBIG);
    }
    pl_buf_fini(&b);
}

static void an_endless_head_is_refused_when_it_reaches_the_limit(void **state)
{
    static struct pl_http1_head h;
    static uint8_t in[PL_HTTP1_HEAD_BYTES];
    struct pl_http1_scan scan = { 0 };
    struct pl_http1_refusal why = { 0 };

    (void)state;
    memset(in, 'a', sizeof in);
    memcpy(in, "GET / HTTP/1.1\r\nX:", 18);
    for (size_t n = 0; n < sizeof in; n++) {
        assert_int_equal(pl_http1_head_parse(pl_slice(in, n), NULL, &scan, &h, &why), PL_MORE);
        assert_int_equal(scan.at, n); /* nothing is looked at twice */
    }
    assert_int_equal(pl_http1_head_parse(pl_slice(in, sizeof in), NULL, &scan, &h, &why), PL_ETOOBIG);
    assert_int_equal(why.status, 431);
}

static void a_hundred_fields_pass_and_one_more_does_not(void **state)
{
    static struct pl_http1_head h;
    struct pl_buf b = pl_buf_init(8192);

    (void)state;
    for (size_t n = PL_HTTP1_FIELDS_MAX; n <= PL_HTTP1_FIELDS_MAX + 1; n++) {
        struct pl_http1_scan scan = { 0 };
        struct pl_http1_refusal why = { 0 };
        enum pl_err err;

        pl_buf_clear(&b);
        PL_BUF_LIT(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (size_t i = 1; i < n; i++)
            PL_BUF_LIT(&b, "X: y\r\n");
        PL_BUF_LIT(&b, "\r\n");
        err = pl_http1_head_parse(pl_buf_slice(&b), NULL, &scan, &h, &why);
        assert_int_equal(err, n > PL_HTTP1_FIELDS_MAX ? PL_ETOOBIG : PL_OK);
        assert_int_equal(why.status, n > PL_HTTP1_FIELDS_MAX ? 431 : 0);
    }
    pl_buf_fini(&b);
}

static void a_refusal_names_the_offending_field(void **state)
{
    static struct pl_http1_head h;
    struct pl_http1_scan scan = { 0 };
    struct pl_http1_refusal why = { 0 };

    (void)state;
    assert_int_equal(pl_http1_head_parse(PL_LIT(GET "X-Bad: \x01\r\n\r\n"), NULL, &scan, &h, &why), PL_EPROTO);
    assert_true(pl_slice_eq(why.field, PL_LIT("X-Bad")));
    scan = (struct pl_http1_scan){ 0 };
    assert_int_equal(pl_http1_head_parse(PL_LIT(POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), NULL, &scan, &h, &why), PL_EPROTO);
    assert_true(pl_slice_eq(why.field, PL_LIT("Content-Length")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_gets_its_verdict_at_once_and_byte_by_byte),
        cmocka_unit_test(what_follows_a_head_is_left_alone),
        cmocka_unit_test(a_head_is_taken_apart),
        cmocka_unit_test(the_version_and_connection_decide_whether_it_stays_open),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(an_endless_head_is_refused_when_it_reaches_the_limit),
        cmocka_unit_test(a_hundred_fields_pass_and_one_more_does_not),
        cmocka_unit_test(a_refusal_names_the_offending_field),
    };

    return cmocka_run_group_tests_name("codec/http1_head", tests, NULL, NULL);
}
