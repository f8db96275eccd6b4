#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/record.h"
#include "base/str.h"

static struct pl_buf sample(void)
{
    struct pl_buf b = pl_buf_init(1 << 20);
    struct pl_rec_out r = { &b };
    size_t mark, inner;

    pl_rec_u64(&r, 1, 42);
    pl_rec_u64(&r, 2, 0);
    pl_rec_i64(&r, 3, -7);
    mark = pl_rec_begin(&r, 4);
    pl_rec_bytes(&r, 1, PL_LIT("inside"));
    inner = pl_rec_begin(&r, 2);
    pl_rec_end(&r, inner);
    pl_rec_end(&r, mark);
    pl_rec_bytes(&r, 5, PL_LIT("after"));
    pl_rec_seal(&b, 0, 9);
    return b;
}

static void a_record_gives_back_what_was_written(void **state)
{
    struct pl_buf b = sample();
    struct pl_rec_in in, nested;
    struct pl_rec_field f;
    uint32_t version = 0;

    (void)state;
    assert_true(pl_buf_ok(&b));
    assert_int_equal(pl_rec_open(pl_buf_slice(&b), &version, &in), PL_OK);
    assert_int_equal(version, 9);
    assert_int_equal(pl_rec_next(&in, &f), PL_OK);
    assert_true(f.tag == 1 && pl_rec_get_u64(&f) == 42);
    assert_int_equal(pl_rec_next(&in, &f), PL_OK);
    assert_true(f.tag == 3 && pl_rec_get_i64(&f) == -7);
    assert_int_equal(pl_rec_next(&in, &f), PL_OK);
    assert_int_equal(f.tag, 4);
    nested = pl_rec_nested(&f);
    assert_int_equal(pl_rec_next(&nested, &f), PL_OK);
    assert_true(f.tag == 1 && pl_slice_eq(f.value, PL_LIT("inside")));
    assert_int_equal(pl_rec_get_u64(&f), 0);
    assert_int_equal(pl_rec_next(&nested, &f), PL_OK);
    assert_true(f.tag == 2 && f.value.len == 0);
    assert_int_equal(pl_rec_next(&nested, &f), PL_ENOENT);
    assert_int_equal(pl_rec_next(&in, &f), PL_OK);
    assert_true(f.tag == 5 && pl_slice_eq(f.value, PL_LIT("after")));
    assert_int_equal(pl_rec_next(&in, &f), PL_ENOENT);
    pl_buf_fini(&b);
}

static void every_proper_prefix_of_a_sealed_record_is_incomplete(void **state)
{
    struct pl_buf b = sample();
    struct pl_rec_in in;
    uint32_t version;

    (void)state;
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *exact = malloc(n + 1); /* the sanitizer guards its end */

        memcpy(exact, b.p, n);
        assert_int_equal(pl_rec_open(pl_slice(exact, n), &version, &in), PL_MORE);
        free(exact);
    }
    pl_buf_byte(&b, 0);
    assert_int_equal(pl_rec_open(pl_buf_slice(&b), &version, &in), PL_EPROTO);
    pl_buf_fini(&b);
}

static void any_flipped_bit_is_noticed(void **state)
{
    struct pl_buf b = sample();
    struct pl_rec_in in;
    uint32_t version;

    (void)state;
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(pl_rec_open(pl_buf_slice(&b), &version, &in), PL_OK);
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    pl_buf_fini(&b);
}

static void a_field_longer_than_its_record_is_damage(void **state)
{
    static const uint8_t rows[][8] = {
        { 1, 0, 3, 0, 0, 0, 'a', 'b' },
        { 1, 0, 0xff, 0xff, 0xff, 0xff, 'a', 'b' },
    };
    struct pl_rec_field f;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_rec_in in = { pl_slice(rows[i], sizeof rows[i]) };
        assert_int_equal(pl_rec_next(&in, &f), PL_EPROTO);
    }
    for (size_t n = 1; n < 6; n++) {
        struct pl_rec_in in = { pl_slice(rows[0], n) };
        assert_int_equal(pl_rec_next(&in, &f), PL_EPROTO);
    }
}

static void a_record_over_the_buffers_limit_fails_as_a_whole(void **state)
{
    struct pl_buf b = pl_buf_init(20);
    struct pl_rec_out r = { &b };
    size_t mark;

    (void)state;
    mark = pl_rec_begin(&r, 1);
    pl_rec_u64(&r, 1, 1);
    pl_rec_u64(&r, 2, 2);
    pl_rec_end(&r, mark);
    pl_rec_seal(&b, 0, 1);
    assert_false(pl_buf_ok(&b));
    pl_buf_fini(&b);
}

static void strings_are_counted_and_empty_ones_cost_nothing(void **state)
{
    bool ok = false;
    struct pl_str *s = pl_str_new(PL_LIT("user-42"), &ok), *t = pl_str_ref(s), *none = NULL;

    (void)state;
    assert_true(ok && s != NULL && pl_str_eq(s, t));
    pl_str_unref(&s);
    assert_null(s);
    assert_true(pl_slice_eq(pl_str_slice(t), PL_LIT("user-42")));
    assert_false(pl_str_eq(t, none));
    pl_str_unref(&t);
    none = pl_str_new(PL_LIT(""), &ok);
    assert_true(ok && none == NULL && pl_str_slice(none).len == 0);
    pl_str_unref(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_gives_back_what_was_written),
        cmocka_unit_test(every_proper_prefix_of_a_sealed_record_is_incomplete),
        cmocka_unit_test(any_flipped_bit_is_noticed),
        cmocka_unit_test(a_field_longer_than_its_record_is_damage),
        cmocka_unit_test(a_record_over_the_buffers_limit_fails_as_a_whole),
        cmocka_unit_test(strings_are_counted_and_empty_ones_cost_nothing),
    };

    return cmocka_run_group_tests_name("base/record", tests, NULL, NULL);
}
