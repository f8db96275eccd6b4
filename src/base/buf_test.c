#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/hash.h"

static void a_buffer_stops_at_its_limit_and_keeps_what_it_had(void **state)
{
    struct pl_buf b = pl_buf_init(8);

    (void)state;
    pl_buf_put(&b, "12345678", 8);
    assert_true(pl_buf_ok(&b));
    pl_buf_byte(&b, '9');
    assert_false(pl_buf_ok(&b));
    assert_int_equal(b.len, 8);
    pl_buf_clear(&b);
    PL_BUF_LIT(&b, "ok");
    assert_true(pl_buf_ok(&b) && pl_slice_eq(pl_buf_slice(&b), PL_LIT("ok")));
    pl_buf_fini(&b);
}

static void numbers_are_written_in_decimal(void **state)
{
    struct pl_buf b = pl_buf_init(100);

    (void)state;
    pl_buf_u64(&b, UINT64_MAX);
    pl_buf_byte(&b, ' ');
    pl_buf_i64(&b, INT64_MIN);
    assert_true(pl_slice_eq(pl_buf_slice(&b), PL_LIT("18446744073709551615 -9223372036854775808")));
    pl_buf_consume(&b, 21);
    assert_true(pl_slice_eq(pl_buf_slice(&b), PL_LIT("-9223372036854775808")));
    pl_buf_fini(&b);
}

static void equal_bytes_hash_equally_and_the_key_matters(void **state)
{
    struct pl_hash_key k = { 1, 2 }, other = { 1, 3 };

    (void)state;
    assert_true(pl_hash(k, PL_LIT("channel:1")) == pl_hash(k, PL_LIT("channel:1")));
    assert_true(pl_hash(k, PL_LIT("channel:1")) != pl_hash(other, PL_LIT("channel:1")));
    assert_true(pl_hash(k, PL_LIT("")) != pl_hash(k, PL_LIT("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_stops_at_its_limit_and_keeps_what_it_had),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(equal_bytes_hash_equally_and_the_key_matters),
    };

    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
