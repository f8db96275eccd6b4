#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/b64.h"
#include "codec/glob.h"

static const struct { enum pl_b64 kind; const char *text, *bytes; } good[] = {
    { PL_B64_STD, "", "" }, { PL_B64_STD, "Zg==", "f" }, { PL_B64_STD, "Zm8=", "fo" }, { PL_B64_STD, "Zm9v", "foo" }, /* RFC 4648 10 */
    { PL_B64_STD, "Zm9vYmFy", "foobar" }, { PL_B64_STD, "+/+/", "\xfb\xff\xbf" },
    { PL_B64_URL, "", "" }, { PL_B64_URL, "Zg", "f" }, { PL_B64_URL, "Zm8", "fo" }, { PL_B64_URL, "-_-_", "\xfb\xff\xbf" },
};
static const struct { enum pl_b64 kind; const char *text; } bad[] = {
    { PL_B64_STD, "***" }, { PL_B64_STD, "Zg" }, { PL_B64_STD, "Zg=" }, { PL_B64_STD, "Zg===" }, { PL_B64_STD, "====" }, { PL_B64_STD, "Z===" },
    { PL_B64_STD, "Zh==" }, { PL_B64_STD, "Zm9=" }, { PL_B64_STD, "Zg==Zg==" }, { PL_B64_STD, "Zm9v\n" }, { PL_B64_STD, "-_-_" },
    { PL_B64_STD, "=" }, { PL_B64_URL, "Z" }, { PL_B64_URL, "Zh" }, { PL_B64_URL, "Zg==" }, { PL_B64_URL, "+/+/" }, { PL_B64_URL, "Zm9vZ" },
};

static void base64_has_one_spelling(void **state)
{
    struct pl_buf b = pl_buf_init(100);
    uint8_t out[32];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(pl_b64_decode(good[i].kind, pl_slice_str(good[i].text), out, &n), PL_OK);
        assert_true(pl_slice_eq(pl_slice(out, n), pl_slice_str(good[i].bytes)));
        pl_buf_clear(&b);
        pl_b64_encode(&b, good[i].kind, pl_slice_str(good[i].bytes));
        assert_true(pl_slice_eq(pl_buf_slice(&b), pl_slice_str(good[i].text)));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pl_b64_decode(bad[i].kind, pl_slice_str(bad[i].text), out, &n) != PL_EINVAL)
            fail_msg("%s", bad[i].text);
    pl_buf_fini(&b);
}

static const struct { const char *pattern, *text; bool match; } globs[] = {
    { "", "", true }, { "", "a", false }, { "*", "", true }, { "*", "abc", true }, { "a", "a", true }, { "a", "ab", false }, { "a*", "a", true },
    { "a*", "ba", false }, { "*a", "bba", true }, { "*a", "bab", false }, { "a*b*c", "aXbYc", true }, { "a*b*c", "abcb", false }, { "**", "x", true },
    { "a*a*a*b", "aaaaaaaaaaaaaaaa", false }, { "https://*.example.com", "https://a.b.example.com", true },
    { "https://*.example.com", "https://example.com", false }, { "https://*.example.com", "https://x.example.com.evil.org", false },
    { "?", "a", true }, { "?", "", false }, { "a?c*", "abcd", true }, { "\\*", "*", true }, { "\\*", "a", false }, { "\\", "\\", true }, { "[a]", "a", false }, { "a.c", "abc", false },
};

static void a_star_stands_for_any_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof globs / sizeof globs[0]; i++)
        if (pl_glob_match(pl_slice_str(globs[i].pattern), pl_slice_str(globs[i].text)) != globs[i].match)
            fail_msg("%s %s", globs[i].pattern, globs[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_has_one_spelling),
        cmocka_unit_test(a_star_stands_for_any_bytes),
    };

    return cmocka_run_group_tests_name("codec/b64", tests, NULL, NULL);
}
