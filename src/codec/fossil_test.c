#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "codec/fossil.h"

static uint32_t seed = 11;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* The patch's length, 0 if there is none; what it makes must be the target. */
static size_t round_trip(struct pl_slice source, struct pl_slice target, bool is_text)
{
    struct pl_buf patch = pl_buf_init(1 << 24), made = pl_buf_init(1 << 24);
    struct pl_scratch scratch = pl_scratch_init(1 << 24);
    size_t n = 0;

    if (pl_fossil_encode(source, target, is_text, &scratch, &patch)) {
        n = patch.len;
        assert_true(n > 0 && n < target.len);
        assert_int_equal(pl_fossil_decode(source, pl_buf_slice(&patch), target.len, &made), PL_OK);
        assert_true(pl_slice_eq(pl_buf_slice(&made), target));
        if (is_text)
            assert_true(pl_utf8_is_valid(pl_buf_slice(&patch)));
    } else {
        assert_int_equal(patch.len, 0);
    }
    pl_buf_fini(&patch);
    pl_buf_fini(&made);
    pl_scratch_fini(&scratch);
    return n;
}

static enum pl_err decode(const char *source, const char *patch, const char *want)
{
    struct pl_buf made = pl_buf_init(1000);
    enum pl_err err = pl_fossil_decode(pl_slice_str(source), pl_slice_str(patch), 500, &made);

    if (err == PL_OK)
        assert_true(pl_slice_eq(pl_buf_slice(&made), pl_slice_str(want)));
    pl_buf_fini(&made);
    return err;
}

/* Recorded from Centrifugo (wire-protocol.md 4.6 and the transcript delta/fossil_protobuf). */
static void recorded_patches_are_understood(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"name\":\"a rather long text that does not change at all\",\"n\":1}", "~\ny@0,2:2}1szz~j;",
                            "{\"name\":\"a rather long text that does not change at all\",\"n\":2}"), PL_OK);
    assert_int_equal(decode("", "0\n0;", ""), PL_OK);
    assert_int_equal(decode("", "1\n1:a1X40000;", "a"), PL_EPROTO); /* the checksum of another text */
}

static const char *const hostile[] = {
    "", "\n", "3", "3\n", "3\n3", "3\n3@", "3\n3@0", "3\n3@0,", "3\n3@0,0;", "3\n4@0,0;", "3\n3@A,0;", "3\n~~~~~@0,0;", "3\n3@~~~~~,0;",
    "~~~~~\n0;", "3\n3:ab", "3\n9:abc0;", "3\n!", "1\n1:a0;x", "0\n0;0;", "0\n@0,0;", "3\n1@~~~~~~~~~~~~~~~~,0;", "2\n1@0,0;", "zz\n0;",
};

static void hostile_patches_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++)
        if (decode("abcdef", hostile[i], "") == PL_OK)
            fail_msg("taken: %s", hostile[i]);
}

static void every_prefix_of_a_patch_is_refused(void **state)
{
    const char *source = "the quick brown fox jumps over the lazy dog", *target = "the quick brown cat jumps over the lazy dog!";
    struct pl_buf patch = pl_buf_init(1000), made = pl_buf_init(1000);
    struct pl_scratch scratch = pl_scratch_init(4096);

    (void)state;
    assert_true(pl_fossil_encode(pl_slice_str(source), pl_slice_str(target), true, &scratch, &patch));
    for (size_t n = 0; n < patch.len; n++) {
        uint8_t *cut = malloc(n + 1);

        memcpy(cut, patch.p, n);
        pl_buf_clear(&made);
        assert_int_not_equal(pl_fossil_decode(pl_slice_str(source), pl_slice(cut, n), 500, &made), PL_OK);
        free(cut);
    }
    pl_buf_fini(&patch);
    pl_buf_fini(&made);
    pl_scratch_fini(&scratch);
}

static void small_changes_make_small_patches(void **state)
{
    static const struct { const char *source, *target; size_t at_most; } rows[] = {
        { "{\"name\":\"a rather long text that does not change at all\",\"n\":1}", "{\"name\":\"a rather long text that does not change at all\",\"n\":2}", 17 },
        { "{\"bids\":[100.5,100.4,100.3],\"asks\":[100.6,100.7,100.8],\"symbol\":\"BTCUSD\"}",
          "{\"bids\":[100.5,100.4,100.2],\"asks\":[100.6,100.7,100.9],\"symbol\":\"BTCUSD\"}", 50 },
        { "0123456789abcdefghijklmnopqrstuvwxyz", "XX0123456789abcdefghijklmnopqrstuvwxyz", 20 },
        { "first part of it; second part of it;", "second part of it;first part of it; ", 32 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = round_trip(pl_slice_str(rows[i].source), pl_slice_str(rows[i].target), true);

        if (n == 0 || n > rows[i].at_most)
            fail_msg("row %zu: %zu bytes", i, n);
    }
}

static void what_does_not_pay_is_not_made(void **state)
{
    (void)state;
    assert_int_equal(round_trip(PL_LIT("{\"a\":1}"), PL_LIT("{\"b\":2}"), true), 0);
    assert_int_equal(round_trip(PL_LIT(""), PL_LIT("something that is quite new"), true), 0);
    assert_int_equal(round_trip(PL_LIT("one thing that was there"), PL_LIT(""), true), 0);
    assert_int_equal(round_trip(PL_LIT("abcdefghijklmnopqrst"), PL_LIT("ZYXWVUTSRQPONMLKJIHG"), true), 0);
}

/* Random edits of random texts over small and large alphabets, characters of several bytes among them. */
static void what_is_made_of_the_source_is_the_target(void **state)
{
    static const char *const words[] = { "a", "bc", "{\"k\":", "\xd0\xb4\xd0\xbb\xd0\xb8", "\xf0\x9f\x98\x80", "\xe2\x82\xac", "0123456789", "  " };
    size_t n_patches = 0;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct pl_buf s = pl_buf_init(1 << 20), t = pl_buf_init(1 << 20);
        unsigned n_words = rnd(200), n_kinds = 1 + rnd(8);

        for (unsigned i = 0; i < n_words; i++) {
            const char *w = words[rnd(n_kinds)];
            unsigned what = rnd(20);

            if (what != 0)
                pl_buf_slice_put(&s, pl_slice_str(w));
            if (what != 1)
                pl_buf_slice_put(&t, pl_slice_str(what == 2 ? words[rnd(8)] : w));
        }
        n_patches += round_trip(pl_buf_slice(&s), pl_buf_slice(&t), true) != 0;
        for (size_t i = 0; i < t.len; i++)
            if (rnd(30) == 0)
                t.p[i] = (uint8_t)rnd(256);
        n_patches += round_trip(pl_buf_slice(&s), pl_buf_slice(&t), false) != 0;
        pl_buf_fini(&s);
        pl_buf_fini(&t);
    }
    assert_true(n_patches > 2000);
}

/* Texts in which every window has the same hash, or every other: still linear. */
static void repetitive_texts_take_linear_time(void **state)
{
    size_t n = 1 << 20;
    uint8_t *a = malloc(n), *b = malloc(n);

    (void)state;
    memset(a, 'x', n);
    memset(b, 'x', n);
    b[n / 2] = 'y';
    assert_true(round_trip(pl_slice(a, n), pl_slice(b, n), true) != 0);
    for (size_t i = 0; i < n; i++)
        b[i] = i % 9 == 8 ? 'y' : 'x';
    (void)round_trip(pl_slice(a, n), pl_slice(b, n), true);
    for (size_t i = 0; i < n; i++)
        a[i] = (uint8_t)rnd(256);
    memcpy(b, a + n / 2, n / 2);
    memcpy(b + n / 2, a, n / 2);
    assert_true(round_trip(pl_slice(a, n), pl_slice(b, n), false) < 100);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_patches_are_understood),
        cmocka_unit_test(hostile_patches_are_refused),
        cmocka_unit_test(every_prefix_of_a_patch_is_refused),
        cmocka_unit_test(small_changes_make_small_patches),
        cmocka_unit_test(what_does_not_pay_is_not_made),
        cmocka_unit_test(what_is_made_of_the_source_is_the_target),
        cmocka_unit_test(repetitive_texts_take_linear_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
