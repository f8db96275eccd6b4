#include "net/admit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/cidr.h"
#include "metrics/metrics.h"

static struct pl_addr ip(const char *text)
{
    struct pl_addr a = { .family = 0 };

    assert_int_equal(pl_ip_parse(pl_slice_str(text), &a), PL_OK);
    return a;
}

static enum pl_err take(struct pl_admit *a, const char *text, uint64_t now_ms, int *ret_limit)
{
    struct pl_addr peer = ip(text);

    *ret_limit = -1;
    return pl_admit_take(a, &peer, now_ms, ret_limit);
}

static void give(struct pl_admit *a, const char *text)
{
    struct pl_addr peer = ip(text);

    pl_admit_give(a, &peer);
}

static struct pl_admit *admit_new(unsigned connections, unsigned per_address, unsigned rate)
{
    struct pl_net_limits limits = { connections, per_address, rate };

    return pl_admit_new(&limits, (struct pl_hash_key){ 1, 2 });
}

static void without_limits_nothing_is_counted(void **state)
{
    (void)state;
    assert_null(admit_new(0, 0, 0));
}

static void the_number_of_connections_is_bounded(void **state)
{
    struct pl_admit *a = admit_new(3, 0, 0);
    struct pl_addr local = { .family = 1 }, peer = ip("10.0.0.9");
    int limit;

    (void)state;
    assert_int_equal(take(a, "10.0.0.1", 0, &limit), PL_OK);
    assert_int_equal(take(a, "::1", 0, &limit), PL_OK);
    assert_int_equal(pl_admit_take(a, &local, 0, &limit), PL_OK);
    assert_int_equal(take(a, "10.0.0.1", 0, &limit), PL_EBUSY);
    assert_int_equal(limit, PL_MV_ACCEPT_CONNECTIONS);
    give(a, "10.0.0.1");
    pl_admit_force(a, &peer); /* taken over from a predecessor */
    pl_admit_force(a, &peer);
    assert_int_equal(take(a, "10.0.0.1", 0, &limit), PL_EBUSY);
    give(a, "10.0.0.9");
    give(a, "10.0.0.9");
    assert_int_equal(take(a, "10.0.0.1", 0, &limit), PL_OK);
    pl_admit_free(&a);
    assert_null(a);
}

static void each_address_has_its_own_number(void **state)
{
    struct pl_admit *a = admit_new(0, 2, 0);
    struct pl_addr local = { .family = 1 };
    int limit;

    (void)state;
    assert_int_equal(take(a, "10.0.0.1", 0, &limit), PL_OK);
    assert_int_equal(take(a, "10.0.0.1", 0, &limit), PL_OK);
    assert_int_equal(take(a, "10.0.0.1", 0, &limit), PL_EBUSY);
    assert_int_equal(limit, PL_MV_ACCEPT_ADDRESS);
    assert_int_equal(take(a, "10.0.0.2", 0, &limit), PL_OK);
    give(a, "10.0.0.1");
    assert_int_equal(take(a, "10.0.0.1", 0, &limit), PL_OK);
    /* an IPv6 client has its whole /64 */
    assert_int_equal(take(a, "2001:db8::1", 0, &limit), PL_OK);
    assert_int_equal(take(a, "2001:db8::ffff:2", 0, &limit), PL_OK);
    assert_int_equal(take(a, "2001:db8::3", 0, &limit), PL_EBUSY);
    assert_int_equal(take(a, "2001:db8:0:1::1", 0, &limit), PL_OK);
    for (int i = 0; i < 10; i++) /* local sockets have no address */
        assert_int_equal(pl_admit_take(a, &local, 0, &limit), PL_OK);
    pl_admit_free(&a);
}

static void new_ones_come_at_most_at_the_rate(void **state)
{
    struct pl_admit *a = admit_new(0, 0, 10);
    int limit, n = 0;

    (void)state;
    for (int i = 0; i < 50; i++)
        n += take(a, "10.0.0.1", 5000, &limit) == PL_OK;
    assert_int_equal(n, 10);
    assert_int_equal(limit, PL_MV_ACCEPT_RATE);
    for (uint64_t t = 5001; t <= 8000; t++) /* three seconds, tried every millisecond */
        n += take(a, "10.0.0.1", t, &limit) == PL_OK;
    assert_int_equal(n, 40);
    pl_admit_free(&a);
}

static void many_addresses_come_and_go_without_a_trace(void **state)
{
    struct pl_admit *a = admit_new(100000, 1, 0);
    int limit;

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            struct pl_addr peer = { .family = 4, .ip = { 10, (uint8_t)(i >> 8), (uint8_t)i, 1 } };

            assert_int_equal(pl_admit_take(a, &peer, 0, &limit), PL_OK);
            assert_int_equal(pl_admit_take(a, &peer, 0, &limit), PL_EBUSY);
        }
        for (uint32_t i = 0; i < 5000; i++) {
            struct pl_addr peer = { .family = 4, .ip = { 10, (uint8_t)(i >> 8), (uint8_t)i, 1 } };

            pl_admit_give(a, &peer);
        }
    }
    pl_admit_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_nothing_is_counted),
        cmocka_unit_test(the_number_of_connections_is_bounded),
        cmocka_unit_test(each_address_has_its_own_number),
        cmocka_unit_test(new_ones_come_at_most_at_the_rate),
        cmocka_unit_test(many_addresses_come_and_go_without_a_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
