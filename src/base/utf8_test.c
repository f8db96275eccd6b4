#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"

static const struct {
    const char *name, *text;
    bool is_valid;
    size_t bad_at; /* bytes after which the feed must have failed; 0: valid, or only cut short at its end */
} rows[] = {
    { "empty", "", true, 0 },
    { "ASCII", "hello, a somewhat longer line of plain text", true, 0 },
    { "two, three and four bytes", "\xce\xba \xe1\xbd\xb9 \xf0\x90\x80\x80", true, 0 },
    { "first and last of two", "\xc2\x80\xdf\xbf", true, 0 },
    { "first and last of three", "\xe0\xa0\x80\xef\xbf\xbf", true, 0 },
    { "first and last of four", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true, 0 },
    { "around the surrogates", "\xed\x9f\xbf\xee\x80\x80", true, 0 },
    { "noncharacters are characters", "\xef\xbf\xbe\xef\xbf\xbf\xf0\x9f\xbf\xbe", true, 0 },
    { "lone continuation", "a\x80", false, 2 },
    { "overlong slash in two", "\xc0\xaf", false, 1 },
    { "overlong in two, C1", "\xc1\xbf", false, 1 },
    { "overlong in three", "\xe0\x80\xaf", false, 2 },
    { "overlong in four", "\xf0\x80\x80\xaf", false, 2 },
    { "overlong in five", "\xf8\x80\x80\x80\xaf", false, 1 },
    { "overlong in six", "\xfc\x80\x80\x80\x80\xaf", false, 1 },
    { "first surrogate", "\xed\xa0\x80", false, 2 },
    { "last surrogate", "\xed\xbf\xbf", false, 2 },
    { "above 10FFFF", "\xf4\x90\x80\x80", false, 2 },
    { "F5", "\xf5", false, 1 },
    { "FE", "abcdefgh\xfe", false, 9 },
    { "FF", "\xff", false, 1 },
    { "cut after one of two", "\xce", false, 0 },
    { "cut after two of three", "\xe1\xbd", false, 0 },
    { "cut after three of four", "\xf0\x90\x80", false, 0 },
    { "ASCII where a continuation belongs", "\xe1\xbdz", false, 3 },
    { "lead where a continuation belongs", "\xe1\xe1\xbd\xb9", false, 2 },
};

static void valid_text_and_every_kind_of_mistake_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (pl_utf8_is_valid(pl_slice_str(rows[i].text)) != rows[i].is_valid)
            fail_msg("%s", rows[i].name);
    }
}

static void any_cut_gives_the_same_verdict_and_fails_at_the_first_impossible_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_slice all = pl_slice_str(rows[i].text);

        for (size_t cut = 0; cut <= all.len; cut++) {
            uint8_t s = PL_UTF8_START;
            bool ok = pl_utf8_feed(&s, pl_slice(all.p, cut));

            if (ok != (rows[i].bad_at == 0 || cut < rows[i].bad_at))
                fail_msg("%s: prefix of %zu", rows[i].name, cut);
            ok = ok && pl_utf8_feed(&s, pl_slice_from(all, cut)) && pl_utf8_is_whole(s);
            if (ok != rows[i].is_valid)
                fail_msg("%s: cut at %zu", rows[i].name, cut);
        }
    }
}

/* The referee: decode by arithmetic, one sequence. */
static bool decodes(const uint8_t *p, size_t n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t v;

    if (n == 1)
        return p[0] < 0x80;
    v = n == 2 ? p[0] & 0x1fu : n == 3 ? p[0] & 0x0fu : p[0] & 0x07u;
    if ((n == 2 && p[0] >> 5 != 6) || (n == 3 && p[0] >> 4 != 14) || (n == 4 && p[0] >> 3 != 30))
        return false;
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return false;
        v = v << 6 | (p[i] & 0x3fu);
    }
    return v >= least[n] && v <= 0x10ffff && (v < 0xd800 || v > 0xdfff);
}

static void all_sequences_of_one_character_agree_with_the_definition(void **state)
{
    static const uint8_t tails[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff };
    enum { N_TAILS = sizeof tails };
    uint8_t p[4];

    (void)state;
    for (unsigned lead = 0; lead < 256; lead++) {
        size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

        for (unsigned t = 0; t < N_TAILS * N_TAILS * N_TAILS; t++) {
            p[0] = (uint8_t)lead;
            p[1] = tails[t % N_TAILS];
            p[2] = tails[t / N_TAILS % N_TAILS];
            p[3] = tails[t / N_TAILS / N_TAILS];
            assert_int_equal(pl_utf8_is_valid(pl_slice(p, n)), decodes(p, n));
        }
    }
}

static void a_cut_never_splits_a_character(void **state)
{
    struct pl_slice text = pl_slice_str("ab\xe1\xbd\xb9z");

    (void)state;
    assert_int_equal(pl_utf8_cut(text, 6).len, 6);
    assert_int_equal(pl_utf8_cut(text, 5).len, 5);
    assert_int_equal(pl_utf8_cut(text, 4).len, 2);
    assert_int_equal(pl_utf8_cut(text, 3).len, 2);
    assert_int_equal(pl_utf8_cut(text, 0).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_text_and_every_kind_of_mistake_are_told_apart),
        cmocka_unit_test(any_cut_gives_the_same_verdict_and_fails_at_the_first_impossible_byte),
        cmocka_unit_test(all_sequences_of_one_character_agree_with_the_definition),
        cmocka_unit_test(a_cut_never_splits_a_character),
    };

    return cmocka_run_group_tests_name("base/utf8", tests, NULL, NULL);
}
