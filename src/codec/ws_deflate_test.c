#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "codec/ws_deflate.h"

enum { MIB = 1024 * 1024 };

/* Text that compresses, with long-distance repeats; the same for the same seed. */
static void fill(uint8_t *p, size_t n, uint32_t seed)
{
    static const char words[] = "{\"id\":1,\"price\":100.25,\"symbol\":\"EURUSD\",\"time\":1700000000}\n";

    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        p[i] = seed >> 28 == 0 ? (uint8_t)(seed >> 16) : (uint8_t)words[i % (sizeof words - 1)];
    }
}

static void check_inflates(struct pl_ws_inflater *f, struct pl_slice packed, struct pl_slice want)
{
    struct pl_buf out = pl_buf_init(want.len);

    assert_int_equal(pl_ws_inflate(f, packed, want.len, &out), PL_OK);
    assert_true(pl_slice_eq(pl_buf_slice(&out), want));
    pl_buf_fini(&out);
}

static void examples_of_rfc_7692_inflate(void **state)
{
    static const struct {
        const char *name;
        struct pl_slice packed;
    } rows[] = {
        { "7.2.3.1 one block", PL_LIT_INIT("\xf2\x48\xcd\xc9\xc9\x07\x00") },
        { "7.2.3.3 no compression", PL_LIT_INIT("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00") },
        { "7.2.3.4 a final block", PL_LIT_INIT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00") },
        { "7.2.3.5 two blocks", PL_LIT_INIT("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00") },
        { "a final block, nothing behind it", PL_LIT_INIT("\xf3\x48\xcd\xc9\xc9\x07\x00") },
    };
    struct pl_ws_inflater *f = NULL;

    (void)state;
    assert_int_equal(pl_ws_inflater_new(15, &f), PL_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].name);
        check_inflates(f, rows[i].packed, PL_LIT("Hello"));
    }
    check_inflates(f, PL_LIT("\x00"), PL_LIT("")); /* 7.2.3.6 */
    pl_ws_inflater_reset(f);
    check_inflates(f, PL_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00"), PL_LIT("Hello"));
    check_inflates(f, PL_LIT("\xf2\x00\x11\x00\x00"), PL_LIT("Hello")); /* 7.2.3.2: from the window */
    pl_ws_inflater_free(&f);
}

static void the_window_goes_on_behind_a_final_block(void **state)
{
    struct pl_ws_inflater *f = NULL;

    (void)state;
    assert_int_equal(pl_ws_inflater_new(15, &f), PL_OK);
    check_inflates(f, PL_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), PL_LIT("Hello"));
    check_inflates(f, PL_LIT("\xf2\x00\x11\x00\x00"), PL_LIT("Hello"));
    check_inflates(f, PL_LIT("\xf3\x48\xcd\xc9\xc9\x07\x00"), PL_LIT("Hello"));
    check_inflates(f, PL_LIT("\xf2\x00\x11\x00\x00"), PL_LIT("Hello"));
    pl_ws_inflater_free(&f);
}

static void a_flush_block_marked_final_does_not_end_the_conversation(void **state)
{
    struct pl_buf out = pl_buf_init(100);
    struct pl_ws_inflater *f = NULL;

    (void)state;
    assert_int_equal(pl_ws_inflater_new(15, &f), PL_OK);
    check_inflates(f, PL_LIT("\xf2\x48\xcd\xc9\xc9\x07\x04"), PL_LIT("Hello"));
    assert_int_equal(pl_ws_inflate(f, PL_LIT(""), 100, &out), PL_EPROTO);
    pl_ws_inflater_free(&f);
    assert_int_equal(pl_ws_inflater_new(15, &f), PL_OK);
    check_inflates(f, PL_LIT("\xf2\x48\xcd\xc9\xc9\x07\x04"), PL_LIT("Hello"));
    check_inflates(f, PL_LIT("\xf2\x00\x11\x00\x00"), PL_LIT("Hello"));
    pl_ws_inflater_free(&f);
    pl_buf_fini(&out);
}

static void what_is_not_deflated_or_cut_short_is_refused(void **state)
{
    static const struct pl_slice rows[] = {
        PL_LIT_INIT(""),                         /* no block at all */
        PL_LIT_INIT("\xff\xff\xff"),             /* block type 3 */
        PL_LIT_INIT("\x00\x05\x00\xff\xff"),     /* stored length and its complement disagree */
        PL_LIT_INIT("\x00\x07\x00\xf8\xff\x48"), /* stored block cut short */
        PL_LIT_INIT("\xf2\x48\xcd\xc9\xc9\x07"), /* without the header of the flush block */
        PL_LIT_INIT("\xf2\x48\xcd"),             /* codes cut short */
        PL_LIT_INIT("\xf2\x00\x11\x00\x00"),     /* a distance before the beginning */
        PL_LIT_INIT("\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00"
                    "\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00"), /* 20 final blocks */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_buf out = pl_buf_init(1000);
        struct pl_ws_inflater *f = NULL;

        assert_int_equal(pl_ws_inflater_new(15, &f), PL_OK);
        if (pl_ws_inflate(f, rows[i], 1000, &out) != PL_EPROTO)
            fail_msg("row %zu", i);
        pl_ws_inflater_reset(f);
        pl_buf_clear(&out);
        assert_int_equal(pl_ws_inflate(f, PL_LIT("\xf2\x48\xcd\xc9\xc9\x07\x00"), 5, &out), PL_OK);
        pl_ws_inflater_free(&f);
        pl_buf_fini(&out);
    }
}

static void a_bomb_stops_at_the_limit_exactly(void **state)
{
    struct pl_buf packed = pl_buf_init(MIB);
    struct pl_ws_inflater *f = NULL;
    struct pl_ws_zip *z = NULL;
    uint8_t *zeros = calloc(1, 16 * MIB);

    (void)state;
    assert_non_null(zeros);
    assert_int_equal(pl_ws_inflater_new(15, &f), PL_OK);
    assert_int_equal(pl_ws_zip_new(6, &z), PL_OK);
    packed.limit = 17 * MIB;
    for (size_t n = 1; n <= 16 * MIB; n = n * 4 + 3) {
        struct pl_buf out = pl_buf_init(n);

        pl_buf_clear(&packed);
        assert_int_equal(pl_ws_zip_message(z, pl_slice(zeros, n), 15, &packed), PL_OK);
        assert_int_equal(pl_ws_inflate(f, pl_buf_slice(&packed), n, &out), PL_OK);
        assert_int_equal(out.len, n);
        pl_buf_fini(&out);
        out.limit = n - 1;
        assert_int_equal(pl_ws_inflate(f, pl_buf_slice(&packed), n - 1, &out), PL_ETOOBIG);
        assert_true(out.cap <= (n > 256 ? n : 256));
        pl_ws_inflater_reset(f);
        pl_buf_fini(&out);
    }
    pl_ws_zip_free(&z);
    pl_ws_inflater_free(&f);
    pl_buf_fini(&packed);
    free(zeros);
}

static const size_t sizes[] = { 0, 1, 2, 100, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 4000, 16384, 32768, 40000, 200000 };
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static void shared_messages_of_any_size_fit_every_window_of_a_fresh_or_a_kept_inflater(void **state)
{
    uint8_t *text = malloc(200000);
    struct pl_ws_zip *z = NULL;

    (void)state;
    assert_non_null(text);
    assert_int_equal(pl_ws_zip_new(1, &z), PL_OK);
    for (unsigned bits = 8; bits <= 15; bits++) {
        struct pl_ws_inflater *kept = NULL;

        assert_int_equal(pl_ws_inflater_new(bits, &kept), PL_OK);
        for (size_t i = 0; i < N_SIZES; i++) {
            struct pl_buf packed = pl_buf_init(MIB);
            struct pl_ws_inflater *fresh = NULL;

            fill(text, sizes[i], (uint32_t)i);
            assert_int_equal(pl_ws_zip_message(z, pl_slice(text, sizes[i]), bits, &packed), PL_OK);
            if (sizes[i] >= 4000 && bits > 8)
                assert_true(packed.len < sizes[i] / 2);
            assert_int_equal(pl_ws_inflater_new(bits, &fresh), PL_OK);
            check_inflates(fresh, pl_buf_slice(&packed), pl_slice(text, sizes[i]));
            check_inflates(kept, pl_buf_slice(&packed), pl_slice(text, sizes[i]));
            check_inflates(pl_ws_zip_inflater(z), pl_buf_slice(&packed), pl_slice(text, sizes[i]));
            pl_ws_inflater_free(&fresh);
            pl_buf_fini(&packed);
        }
        pl_ws_inflater_free(&kept);
    }
    pl_ws_zip_free(&z);
    free(text);
}

/* A conversation with takeover; at message `move` both ends are written down and made anew from their windows. */
static void converse(unsigned bits, size_t move)
{
    uint8_t *text = malloc(200000), window[PL_WS_WINDOW_MAX];
    struct pl_ws_deflater *d = NULL;
    struct pl_ws_inflater *f = NULL;
    size_t n;

    assert_non_null(text);
    assert_int_equal(pl_ws_deflater_new(bits, 1, &d), PL_OK);
    assert_int_equal(pl_ws_inflater_new(bits, &f), PL_OK);
    for (size_t i = 0; i < 2 * N_SIZES; i++) {
        struct pl_buf packed = pl_buf_init(MIB);

        if (i == move) {
            n = pl_ws_deflater_window(d, window);
            pl_ws_deflater_free(&d);
            assert_int_equal(pl_ws_deflater_new(bits, 1, &d), PL_OK);
            assert_int_equal(pl_ws_deflater_set_window(d, pl_slice(window, n)), PL_OK);
            n = pl_ws_inflater_window(f, window);
            pl_ws_inflater_free(&f);
            assert_int_equal(pl_ws_inflater_new(bits, &f), PL_OK);
            assert_int_equal(pl_ws_inflater_set_window(f, pl_slice(window, n)), PL_OK);
        }
        fill(text, sizes[i % N_SIZES], 7);
        assert_int_equal(pl_ws_deflate(d, pl_slice(text, sizes[i % N_SIZES]), &packed), PL_OK);
        check_inflates(f, pl_buf_slice(&packed), pl_slice(text, sizes[i % N_SIZES]));
        pl_buf_fini(&packed);
    }
    pl_ws_deflater_free(&d);
    pl_ws_inflater_free(&f);
    free(text);
}

static void context_takeover_holds_over_many_messages_and_over_a_move(void **state)
{
    (void)state;
    for (unsigned bits = 8; bits <= 15; bits++) {
        for (size_t move = 0; move <= 2 * N_SIZES; move += 5)
            converse(bits, move);
    }
}

static void takeover_makes_a_repeated_message_small(void **state)
{
    struct pl_buf packed = pl_buf_init(MIB);
    struct pl_ws_deflater *d = NULL;
    uint8_t text[2000];
    size_t first;

    (void)state;
    fill(text, sizeof text, 3);
    assert_int_equal(pl_ws_deflater_new(15, 6, &d), PL_OK);
    assert_int_equal(pl_ws_deflate(d, pl_slice(text, sizeof text), &packed), PL_OK);
    first = packed.len;
    pl_buf_clear(&packed);
    assert_int_equal(pl_ws_deflate(d, pl_slice(text, sizeof text), &packed), PL_OK);
    assert_true(packed.len * 5 < first);
    pl_ws_deflater_free(&d);
    pl_buf_fini(&packed);
}

static void a_window_too_long_for_its_size_is_refused(void **state)
{
    static const uint8_t window[PL_WS_WINDOW_MAX];
    struct pl_ws_inflater *f = NULL;

    (void)state;
    assert_int_equal(pl_ws_inflater_new(9, &f), PL_OK);
    assert_int_equal(pl_ws_inflater_set_window(f, pl_slice(window, 513)), PL_EPROTO);
    assert_int_equal(pl_ws_inflater_set_window(f, pl_slice(window, 512)), PL_OK);
    pl_ws_inflater_free(&f);
}

static void another_level_counts_from_the_next_message_on(void **state)
{
    struct pl_buf fast = pl_buf_init(MIB), small = pl_buf_init(MIB);
    struct pl_ws_zip *z = NULL;
    uint8_t *text = malloc(100000);

    (void)state;
    assert_non_null(text);
    fill(text, 100000, 5);
    assert_int_equal(pl_ws_zip_new(1, &z), PL_OK);
    for (size_t n = 1000; n <= 100000; n *= 100) {
        pl_buf_clear(&fast);
        pl_buf_clear(&small);
        pl_ws_zip_set_level(z, 1);
        assert_int_equal(pl_ws_zip_message(z, pl_slice(text, n), 15, &fast), PL_OK);
        pl_ws_zip_set_level(z, 9);
        assert_int_equal(pl_ws_zip_message(z, pl_slice(text, n), 15, &small), PL_OK);
        assert_true(small.len < fast.len);
        check_inflates(pl_ws_zip_inflater(z), pl_buf_slice(&small), pl_slice(text, n));
    }
    pl_ws_zip_free(&z);
    pl_buf_fini(&fast);
    pl_buf_fini(&small);
    free(text);
}

static void scratch_gives_large_memory_back(void **state)
{
    struct pl_ws_zip *z = NULL;
    struct pl_buf *b;

    (void)state;
    assert_int_equal(pl_ws_zip_new(1, &z), PL_OK);
    b = pl_ws_zip_scratch(z, MIB);
    assert_non_null(pl_buf_room(b, MIB));
    b = pl_ws_zip_scratch(z, 100);
    assert_int_equal(b->cap, 0);
    assert_non_null(pl_buf_room(b, 100));
    assert_null(pl_buf_room(b, 101));
    pl_ws_zip_free(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_rfc_7692_inflate),
        cmocka_unit_test(the_window_goes_on_behind_a_final_block),
        cmocka_unit_test(a_flush_block_marked_final_does_not_end_the_conversation),
        cmocka_unit_test(what_is_not_deflated_or_cut_short_is_refused),
        cmocka_unit_test(a_bomb_stops_at_the_limit_exactly),
        cmocka_unit_test(shared_messages_of_any_size_fit_every_window_of_a_fresh_or_a_kept_inflater),
        cmocka_unit_test(context_takeover_holds_over_many_messages_and_over_a_move),
        cmocka_unit_test(takeover_makes_a_repeated_message_small),
        cmocka_unit_test(a_window_too_long_for_its_size_is_refused),
        cmocka_unit_test(another_level_counts_from_the_next_message_on),
        cmocka_unit_test(scratch_gives_large_memory_back),
    };

    return cmocka_run_group_tests_name("codec/ws_deflate", tests, NULL, NULL);
}
