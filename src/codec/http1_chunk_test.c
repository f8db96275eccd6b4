#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "codec/guard_test.h"
#include "codec/http1_chunk.h"

#define R(name, raw, err, body, rest) { name, raw, sizeof(raw) - 1, err, body, rest }

enum { LIMIT = 64 };

static const struct row {
    const char *name, *raw;
    size_t len;
    enum pl_err want;
    const char *body;
    size_t rest; /* bytes that belong to the next request */
} rows[] = {
    R("empty body", "0\r\n\r\n", PL_OK, "", 0),
    R("one chunk", "5\r\nhello\r\n0\r\n\r\n", PL_OK, "hello", 0),
    R("two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", PL_OK, "hello world", 0),
    R("a request behind it", "1\r\na\r\n0\r\n\r\nGET /", PL_OK, "a", 5),
    R("hex in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", PL_OK, "01234567890123456789", 0),
    R("leading zeros", "0005\r\nhello\r\n000\r\n\r\n", PL_OK, "hello", 0),
    R("extension", "5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n", PL_OK, "hello", 0),
    R("trailers are dropped", "1\r\na\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n", PL_OK, "a", 0),
    R("CRLF in the data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", PL_OK, "\r\n\r\n", 0),
    R("body as large as the limit", "20\r\n01234567890123456789012345678901\r\n20\r\n01234567890123456789012345678901\r\n0\r\n\r\n",
      PL_OK, "0123456789012345678901234567890101234567890123456789012345678901", 0),
    R("body over the limit", "20\r\n01234567890123456789012345678901\r\n21\r\n", PL_ETOOBIG, "", 0),
    R("one chunk over the limit", "41\r\n", PL_ETOOBIG, "", 0),
    R("size of 16 digits", "ffffffffffffffff\r\n", PL_ETOOBIG, "", 0),
    R("size of 17 digits", "10000000000000005\r\n", PL_EPROTO, "", 0),
    R("size of 17 zeros", "00000000000000000\r\n", PL_EPROTO, "", 0),
    R("sums that wrap around", "1\r\na\r\nffffffffffffffff\r\n", PL_ETOOBIG, "", 0),
    R("empty size", "\r\n", PL_EPROTO, "", 0),
    R("extension without size", ";a\r\n", PL_EPROTO, "", 0),
    R("size with sign", "+5\r\nhello\r\n", PL_EPROTO, "", 0),
    R("negative size", "-1\r\n", PL_EPROTO, "", 0),
    R("size with prefix", "0x5\r\nhello\r\n", PL_EPROTO, "", 0),
    R("size with a space in front", " 5\r\nhello\r\n", PL_EPROTO, "", 0),
    R("size with a space behind", "5 \r\nhello\r\n", PL_EPROTO, "", 0),
    R("size with a tab behind", "5\t;a\r\nhello\r\n", PL_EPROTO, "", 0),
    R("size with underscore", "1_0\r\n", PL_EPROTO, "", 0),
    R("size with a letter", "5g\r\n", PL_EPROTO, "", 0),
    R("size ends with LF", "5\nhello\r\n", PL_EPROTO, "", 0),
    R("size ends with CR", "5\rhello\r\n", PL_EPROTO, "", 0),
    R("extension ends with LF", "5;a\nhello\r\n", PL_EPROTO, "", 0),
    R("extension with CR inside", "5;a\rb\r\nhello\r\n", PL_EPROTO, "", 0),
    R("extension with NUL", "5;\0\r\nhello\r\n", PL_EPROTO, "", 0),
    R("data ends with LF", "5\r\nhello\n0\r\n\r\n", PL_EPROTO, "", 0),
    R("data longer than its size", "5\r\nhello!\r\n0\r\n\r\n", PL_EPROTO, "", 0),
    R("data shorter than its size", "6\r\nhello\r\n0\r\n\r\n", PL_EPROTO, "", 0),
    R("data ends with CR and a byte", "5\r\nhello\rX", PL_EPROTO, "", 0),
    R("last chunk ends with LF", "0\n\r\n", PL_EPROTO, "", 0),
    R("end is LF", "0\r\n\n", PL_EPROTO, "", 0),
    R("end is CR and a byte", "0\r\n\rX", PL_EPROTO, "", 0),
    R("trailer without colon", "0\r\nX\r\n\r\n", PL_EPROTO, "", 0),
    R("trailer with a space before the colon", "0\r\nX : y\r\n\r\n", PL_EPROTO, "", 0),
    R("trailer without name", "0\r\n: y\r\n\r\n", PL_EPROTO, "", 0),
    R("folded trailer", "0\r\nX: y\r\n z\r\n\r\n", PL_EPROTO, "", 0),
    R("trailer with LF", "0\r\nX: y\n\r\n", PL_EPROTO, "", 0),
    R("trailer with NUL", "0\r\nX: \0\r\n\r\n", PL_EPROTO, "", 0),
};

/* Feeds in two pieces cut at `cut`; the body so far is gathered in b. */
static enum pl_err feed(const struct row *r, size_t cut, struct guard *g, struct pl_buf *b, size_t *ret_used)
{
    struct pl_http1_chunk c = { 0 };
    size_t at = 0;
    enum pl_err err = PL_MORE;

    pl_buf_clear(b);
    for (int piece = 0; piece < 2 && err == PL_MORE; piece++) {
        size_t len = piece == 0 ? cut : r->len - cut, n_body, used;
        uint8_t *p = guard_put(g, r->raw + at, len);

        err = pl_http1_chunk_decode(&c, p, len, LIMIT, &n_body, &used);
        assert_true(pl_http1_chunk_is_sane(&c) || (err != PL_OK && err != PL_MORE));
        if (err != PL_OK && err != PL_MORE)
            return err;
        assert_true(n_body <= used && used <= len && (err == PL_OK || used == len));
        pl_buf_put(b, p, n_body);
        at += used;
    }
    *ret_used = at;
    return err;
}

static void every_row_gets_its_verdict_at_every_cut(void **state)
{
    struct guard g = guard_init(1024);
    struct pl_buf b = pl_buf_init(1024);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t cut = 0; cut <= rows[i].len; cut++) {
            size_t used = 0;
            enum pl_err err = feed(&rows[i], cut, &g, &b, &used);

            if (err != rows[i].want)
                fail_msg("%s, cut at %zu: %s", rows[i].name, cut, pl_err_text(err));
            if (err != PL_OK)
                continue;
            if (used + rows[i].rest != rows[i].len || !pl_slice_eq(pl_buf_slice(&b), pl_slice_str(rows[i].body)))
                fail_msg("%s, cut at %zu: took %zu, body of %zu", rows[i].name, cut, used, b.len);
        }
    }
    pl_buf_fini(&b);
    guard_fini(&g);
}

static void a_proper_prefix_wants_more(void **state)
{
    struct guard g = guard_init(1024);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && rows[i].want == PL_OK; i++) {
        for (size_t n = 0; n < rows[i].len - rows[i].rest; n++) {
            struct pl_http1_chunk c = { 0 };
            size_t n_body, used;

            assert_int_equal(pl_http1_chunk_decode(&c, guard_put(&g, rows[i].raw, n), n, LIMIT, &n_body, &used), PL_MORE);
        }
    }
    guard_fini(&g);
}

static void extensions_and_trailers_share_one_budget(void **state)
{
    static const char *const openings[] = { "1;", "0\r\nX: " };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pl_http1_chunk c = { 0 };
        uint8_t head[16], byte = 'x';
        size_t n_body, used, n = 0;
        enum pl_err err;

        memcpy(head, openings[i], strlen(openings[i]));
        err = pl_http1_chunk_decode(&c, head, strlen(openings[i]), LIMIT, &n_body, &used);
        for (; err == PL_MORE && n < 2 * PL_CHUNK_EXTRA_BYTES; n++)
            err = pl_http1_chunk_decode(&c, &byte, 1, LIMIT, &n_body, &used);
        assert_int_equal(err, PL_ETOOBIG);
        assert_true(n <= PL_CHUNK_EXTRA_BYTES + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_gets_its_verdict_at_every_cut),
        cmocka_unit_test(a_proper_prefix_wants_more),
        cmocka_unit_test(extensions_and_trailers_share_one_budget),
    };

    return cmocka_run_group_tests_name("codec/http1_chunk", tests, NULL, NULL);
}
