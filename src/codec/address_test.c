/* Networks, the PROXY protocol and URLs: the small codecs about where a request comes from and goes to. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/guard_test.h"
#include "codec/proxyproto.h"
#include "codec/url.h"

static struct pl_addr ip(const char *text)
{
    struct pl_addr a = { 0 };

    if (strcmp(text, "unix") == 0)
        a.family = 1;
    else
        assert_true(text[0] == 0 || pl_ip_parse(pl_slice_str(text), &a) == PL_OK);
    return a;
}

static void networks_match_their_addresses(void **state)
{
    static const struct {
        const char *net, *addr;
        bool has;
    } cases[] = {
        { "10.0.0.0/8", "10.255.0.1", true },        { "10.0.0.0/8", "11.0.0.1", false },
        { "10.0.0.0/8", "::ffff:10.1.2.3", true },   { "192.168.1.128/25", "192.168.1.200", true },
        { "192.168.1.128/25", "192.168.1.127", false }, { "0.0.0.0/0", "255.1.2.3", true },
        { "0.0.0.0/0", "::1", false },               { "::/0", "2001:db8::1", true },
        { "::/0", "1.2.3.4", false },                { "::/0", "::ffff:1.2.3.4", false },
        { "2001:db8::/33", "2001:db8:7fff::1", true }, { "2001:db8::/33", "2001:db8:8000::", false },
        { "127.0.0.1", "127.0.0.1", true },          { "127.0.0.1", "127.0.0.2", false },
        { "::1", "::1", true },                      { "::1/128", "::2", false },
        { "::ffff:10.0.0.0/104", "10.9.9.9", true }, { "::ffff:10.0.0.0/104", "11.9.9.9", false },
        { "unix", "unix", true },                        { "unix", "127.0.0.1", false },
        { "0.0.0.0/0", "", false },                  { "0.0.0.0/0", "unix", false },
        { "unix", "", false },                       { "::/0", "", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_addr peer = ip(cases[i].addr);
        struct pl_cidr c;

        assert_int_equal(pl_cidr_parse(pl_slice_str(cases[i].net), &c), PL_OK);
        if (pl_cidr_match(&(struct pl_cidr_list){ &c, 1 }, &peer) != cases[i].has)
            fail_msg("%s and %s", cases[i].net, cases[i].addr);
    }
}

static void bad_networks_are_refused(void **state)
{
    static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/+8",
                                       "10.0.0.1/8", "10.0.0/8", "10.0.0.0/8/8", "::1/129", "::1/64", "::ffff:1.2.3.4/95", "::ffff:10.0.0.0/95",
                                       "01.2.3.4", "1.2.3.4 ", "fe80::1%eth0", "[::1]", "localhost", "1.2.3.4:80", "UNIX",
                                       "10.0.0.0/1000" };
    struct pl_cidr c;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pl_cidr_parse(pl_slice_str(bad[i]), &c) != PL_EINVAL)
            fail_msg("'%s' was taken", bad[i]);
    assert_int_equal(pl_cidr_parse(PL_LIT("1.2.3.4\0"), &c), PL_EINVAL);
}

static void deny_wins_and_an_empty_allow_list_allows(void **state)
{
    struct pl_cidr all, one;
    struct pl_addr in = ip("10.0.0.1"), out = ip("10.0.0.2");
    struct pl_access a = { 0 };

    (void)state;
    assert_int_equal(pl_cidr_parse(PL_LIT("10.0.0.0/8"), &all), PL_OK);
    assert_int_equal(pl_cidr_parse(PL_LIT("10.0.0.1"), &one), PL_OK);
    assert_true(pl_access_ok(&a, &in));
    a.allow = (struct pl_cidr_list){ &one, 1 };
    assert_true(pl_access_ok(&a, &in) && !pl_access_ok(&a, &out));
    a.allow = (struct pl_cidr_list){ &all, 1 };
    a.deny = (struct pl_cidr_list){ &one, 1 };
    assert_true(!pl_access_ok(&a, &in) && pl_access_ok(&a, &out));
}

#define R(raw, err, src, port, rest) { raw, sizeof(raw) - 1, err, src, port, rest }
#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x50\x01\xbb"

static const struct {
    const char *raw;
    size_t len;
    enum pl_err want;
    const char *src;
    uint16_t src_port;
    size_t rest;
} proxy_rows[] = {
    R("PROXY TCP4 1.2.3.4 5.6.7.8 56324 443\r\n", PL_OK, "1.2.3.4", 56324, 0),
    R("PROXY TCP4 1.2.3.4 5.6.7.8 0 65535\r\nGET /", PL_OK, "1.2.3.4", 0, 5),
    R("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", PL_OK, "2001:db8::1", 1, 0),
    R("PROXY UNKNOWN\r\n", PL_OK, "", 0, 0),
    R("PROXY UNKNOWN ffff:f...f:ffff whatever\r\n", PL_OK, "", 0, 0),
    R("PROXY TCP4 1.2.3.4 5.6.7.8 65536 443\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY TCP4 1.2.3.4 5.6.7.8 01 443\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY TCP4 1.2.3.4 5.6.7.8 1 443 \r\n", PL_EPROTO, "", 0, 0),
    R("PROXY TCP4  1.2.3.4 5.6.7.8 1 443\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY TCP4 ::1 ::1 1 2\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY UNKNOWNX\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", PL_EPROTO, "", 0, 0),
    R("PROXY\r\n", PL_EPROTO, "", 0, 0),
    R("proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", PL_EPROTO, "", 0, 0),
    R("GET / HTTP/1.1\r\n\r\n", PL_EPROTO, "", 0, 0),
    R("PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123\r\n",
      PL_EPROTO, "", 0, 0), /* 108 bytes */
    R(SIG "\x21\x11\x00\x0c" V4, PL_OK, "1.2.3.4", 80, 0),
    R(SIG "\x21\x11\x00\x0c" V4 "GET /", PL_OK, "1.2.3.4", 80, 5),
    R(SIG "\x21\x11\x00\x10" V4 "\x04\x00\x01\x00", PL_OK, "1.2.3.4", 80, 0), /* NOOP of one byte */
    R(SIG "\x21\x21\x00\x24" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01" "\x00\x50\x01\xbb",
      PL_OK, "2001:db8::1", 80, 0),
    R(SIG "\x20\x00\x00\x00", PL_OK, "", 0, 0),
    R(SIG "\x20\x11\x00\x0c" V4, PL_OK, "", 0, 0), /* LOCAL: addresses are to be ignored */
    R(SIG "\x20\x12\x00\x02" "ab", PL_OK, "", 0, 0),
    R(SIG "\x21\x00\x00\x03" "abc", PL_OK, "", 0, 0),
    R(SIG "\x21\x11\x00\x0b", PL_EPROTO, "", 0, 0), /* shorter than the addresses */
    R(SIG "\x21\x12\x00\x0c" V4, PL_EPROTO, "", 0, 0), /* UDP */
    R(SIG "\x21\x41\x00\x0c" V4, PL_EPROTO, "", 0, 0),
    R(SIG "\x22\x11\x00\x0c" V4, PL_EPROTO, "", 0, 0),
    R(SIG "\x11\x11\x00\x0c" V4, PL_EPROTO, "", 0, 0),
    R(SIG "\x21\x11\x00\x0e" V4 "\x04\x00", PL_EPROTO, "", 0, 0),
    R(SIG "\x21\x11\x00\x0f" V4 "\x04\x00\x01", PL_EPROTO, "", 0, 0),
    R(SIG "\x21\x11\x00\x13" V4 "\x03\x00\x04\x00\x00\x00\x00", PL_EPROTO, "", 0, 0), /* wrong CRC32c */
    R(SIG "\x21\x11\x00\x13" V4 "\x03\x00\x04\x5c\x04\x43\xc9", PL_OK, "1.2.3.4", 80, 0),
    R(SIG "\x21\x11\x10\x00", PL_ETOOBIG, "", 0, 0),
    R("\r\n\r\n\0\r\nQUIX", PL_EPROTO, "", 0, 0),
};

static void proxy_headers_are_read_strictly(void **state)
{
    struct guard g = guard_init(1024);

    (void)state;
    for (size_t i = 0; i < sizeof proxy_rows / sizeof proxy_rows[0]; i++) {
        const char *raw = proxy_rows[i].raw;
        struct pl_proxy_head h = { 0 };
        struct pl_addr want;
        enum pl_err err = pl_proxyproto_parse(pl_slice(guard_put(&g, raw, proxy_rows[i].len), proxy_rows[i].len), &h);

        if (err != proxy_rows[i].want)
            fail_msg("row %zu: %s", i, pl_err_text(err));
        for (size_t n = 0; n < proxy_rows[i].len - proxy_rows[i].rest; n++) {
            enum pl_err part = pl_proxyproto_parse(pl_slice(guard_put(&g, raw, n), n), &h);

            if (part != PL_MORE && (err == PL_OK || part != err))
                fail_msg("row %zu, %zu bytes: %s", i, n, pl_err_text(part));
        }
        if (err != PL_OK)
            continue;
        assert_int_equal(h.len, proxy_rows[i].len - proxy_rows[i].rest);
        want = ip(proxy_rows[i].src);
        assert_true(pl_ip_eq(&h.src, &want));
        assert_int_equal(h.src.port, proxy_rows[i].src_port);
    }
    guard_fini(&g);
}

static void percent_encoding_is_undone(void **state)
{
    static const struct {
        const char *in, *out;
        enum pl_url_plus plus;
    } cases[] = {
        { "a%20b+c", "a b+c", PL_URL_PLUS_KEPT }, { "a%20b+c", "a b c", PL_URL_PLUS_IS_SPACE }, { "%41%6a%6A", "Ajj", 0 },
        { "", "", 0 }, { "%", NULL, 0 }, { "%4", NULL, 0 }, { "%4g", NULL, 0 }, { "a%%41", NULL, 0 }, { "% 1", NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t out[32];
        size_t len;
        enum pl_err err = pl_url_decode(pl_slice_str(cases[i].in), cases[i].plus, out, sizeof out, &len);

        assert_int_equal(err, cases[i].out != NULL ? PL_OK : PL_EPROTO);
        assert_true(err != PL_OK || pl_slice_eq(pl_slice(out, len), pl_slice_str(cases[i].out)));
    }
}

static void a_query_is_walked_pair_by_pair(void **state)
{
    struct pl_slice q = PL_LIT("a=1&&b&=x&c%3D=2=3&a=4&"), name, value;
    uint8_t out[4];
    size_t len;

    (void)state;
    assert_true(pl_query_next(&q, &name, &value) && pl_slice_eq(name, PL_LIT("a")) && pl_slice_eq(value, PL_LIT("1")));
    assert_true(pl_query_next(&q, &name, &value) && pl_slice_eq(name, PL_LIT("b")) && value.len == 0);
    assert_true(pl_query_next(&q, &name, &value) && name.len == 0 && pl_slice_eq(value, PL_LIT("x")));
    assert_true(pl_query_next(&q, &name, &value) && pl_slice_eq(name, PL_LIT("c%3D")) && pl_slice_eq(value, PL_LIT("2=3")));
    assert_true(pl_query_next(&q, &name, &value) && !pl_query_next(&q, &name, &value));

    q = PL_LIT("f%6Frmat=proto%62uf&bad=%&long=12345&plus=a+b");
    assert_true(pl_query_is(q, PL_LIT("format"), PL_LIT("protobuf")));
    assert_false(pl_query_is(q, PL_LIT("format"), PL_LIT("proto")));
    assert_false(pl_query_is(q, PL_LIT("bad"), PL_LIT("%")));
    assert_int_equal(pl_query_get(q, PL_LIT("bad"), out, sizeof out, &len), PL_EPROTO);
    assert_int_equal(pl_query_get(q, PL_LIT("long"), out, sizeof out, &len), PL_ETOOBIG);
    assert_int_equal(pl_query_get(q, PL_LIT("form"), out, sizeof out, &len), PL_ENOENT);
    assert_int_equal(pl_query_get(q, PL_LIT("plus"), out, sizeof out, &len), PL_OK);
    assert_true(pl_slice_eq(pl_slice(out, len), PL_LIT("a b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_match_their_addresses),
        cmocka_unit_test(bad_networks_are_refused),
        cmocka_unit_test(deny_wins_and_an_empty_allow_list_allows),
        cmocka_unit_test(proxy_headers_are_read_strictly),
        cmocka_unit_test(percent_encoding_is_undone),
        cmocka_unit_test(a_query_is_walked_pair_by_pair),
    };

    return cmocka_run_group_tests_name("codec/address", tests, NULL, NULL);
}
