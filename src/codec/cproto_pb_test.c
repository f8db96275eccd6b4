#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "codec/cproto_pb.h"

static struct pl_slice unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;

    for (; hex[0] != '\0'; hex += hex[0] == ' ' ? 1 : 2) {
        unsigned v;

        if (hex[0] == ' ')
            continue;
        assert_int_equal(sscanf(hex, "%2x", &v), 1);
        out[n++] = (uint8_t)v;
    }
    return pl_slice(out, n);
}

/* Bytes as recorded from Centrifugo's own clients and server (wire-protocol.md 2.5). */
static void recorded_commands_are_understood(void **state)
{
    struct pl_scratch scratch = pl_scratch_init(4096);
    struct pl_slice rest, one;
    struct pl_command c;
    uint8_t bytes[256];

    (void)state;
    rest = unhex("04 08012200  08 08022a040a027062  00", bytes); /* connect, subscribe to "pb", a pong: one frame */
    assert_int_equal(pl_cproto_protobuf.split(&rest, &one), PL_OK);
    assert_int_equal(pl_cproto_protobuf.command(one, &scratch, &c), PL_OK);
    assert_true(c.id == 1 && c.kind == PL_CMD_CONNECT && c.connect.token.len == 0);
    assert_int_equal(pl_cproto_protobuf.split(&rest, &one), PL_OK);
    assert_int_equal(pl_cproto_protobuf.command(one, &scratch, &c), PL_OK);
    assert_true(c.id == 2 && c.kind == PL_CMD_SUBSCRIBE && pl_slice_eq(c.subscribe.channel, PL_LIT("pb")));
    assert_int_equal(pl_cproto_protobuf.split(&rest, &one), PL_OK);
    assert_int_equal(pl_cproto_protobuf.command(one, &scratch, &c), PL_OK);
    assert_true(pl_command_is_pong(&c) && rest.len == 0);
    pl_scratch_fini(&scratch);
}

static void malformed_commands_are_refused(void **state)
{
    static const struct { const char *name, *hex; enum pl_err want; } rows[] = {
        { "id as a string",                 "0a0131", PL_EPROTO },
        { "a group",                        "0b0c", PL_EPROTO },
        { "field number 0",                 "0001", PL_EPROTO },
        { "a varint of eleven bytes",       "08ffffffffffffffffffff01", PL_EPROTO },
        { "a length beyond the message",    "0801 2205 00", PL_EPROTO },
        { "connect as a number",            "0801 2001", PL_EPROTO },
        { "channel that is no UTF-8",       "0801 2a03 0a01ff", PL_EPROTO },
        { "token as a number",              "0801 2202 0801", PL_EPROTO },
        { "unknown fields are skipped",     "0801 a80601 b20603414243 2200 bd0601020304 b9060102030405060708", PL_OK },
        { "the last of two counts",         "0801 2a030a0161 2a030a0162", PL_OK },
        { "a map entry that is a number",   "0801 2202 1801", PL_EPROTO },
        { "filters nested too deep",        "0801 2a26 6a24 3222 3220 321e 321c 321a 3218 3216 3214 3212 3210 320e 320c 320a 3208 3206 3204 3202 3200", PL_EPROTO },
    };
    struct pl_scratch scratch = pl_scratch_init(4096);
    struct pl_command c;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[256];
        struct pl_slice all = unhex(rows[i].hex, bytes);
        uint8_t *exact = malloc(all.len);
        enum pl_err err;

        assert_non_null(exact);
        memcpy(exact, all.p, all.len); /* a heap block of its own, so that a sanitizer sees a read beyond it */
        err = pl_cproto_protobuf.command(pl_slice(exact, all.len), &scratch, &c);
        if (err != rows[i].want)
            fail_msg("%s: %d", rows[i].name, err);
        free(exact);
        for (size_t n = 0; n < all.len; n++) { /* no prefix may crash; what it says is free, since fields are optional */
            exact = malloc(n + 1);
            memcpy(exact, all.p, n);
            err = pl_cproto_protobuf.command(pl_slice(exact, n), &scratch, &c);
            assert_true(err == PL_OK || err == PL_EPROTO);
            free(exact);
        }
    }
    pl_scratch_fini(&scratch);
}

static void frames_without_whole_messages_are_refused(void **state)
{
    uint8_t bytes[8];
    struct pl_slice rest = pl_slice("", 0), one;

    (void)state;
    assert_int_equal(pl_cproto_protobuf.split(&rest, &one), PL_EPROTO);
    rest = unhex("050801", bytes);
    assert_int_equal(pl_cproto_protobuf.split(&rest, &one), PL_EPROTO);
    rest = unhex("80", bytes);
    assert_int_equal(pl_cproto_protobuf.split(&rest, &one), PL_EPROTO);
}

static void subs_and_headers_of_a_connect_are_walked(void **state)
{
    /* connect{subs{"a":{recover:true,offset:5}}, headers{"k":"v"}, subs{"b":{}}} */
    uint8_t bytes[128];
    struct pl_slice one = unhex("0801 221a 1a09 0a0161 1204 1801 3805 3206 0a016b 120176 1a05 0a0162 1200", bytes), name, value;
    struct pl_scratch scratch = pl_scratch_init(4096);
    struct pl_subscribe_req sub;
    struct pl_command c;
    struct pl_walk w;

    (void)state;
    assert_int_equal(pl_cproto_protobuf.command(one, &scratch, &c), PL_OK);
    w = pl_walk(c.connect.subs);
    assert_int_equal(pl_cproto_protobuf.walk_subs(&w, &scratch, &name, &sub), PL_OK);
    assert_true(pl_slice_eq(name, PL_LIT("a")) && sub.recover && sub.offset == 5);
    assert_int_equal(pl_cproto_protobuf.walk_subs(&w, &scratch, &name, &sub), PL_OK);
    assert_true(pl_slice_eq(name, PL_LIT("b")) && !sub.recover);
    assert_int_equal(pl_cproto_protobuf.walk_subs(&w, &scratch, &name, &sub), PL_ENOENT);
    w = pl_walk(c.connect.headers);
    assert_int_equal(pl_cproto_protobuf.walk_pairs(&w, &scratch, &name, &value), PL_OK);
    assert_true(pl_slice_eq(name, PL_LIT("k")) && pl_slice_eq(value, PL_LIT("v")));
    assert_int_equal(pl_cproto_protobuf.walk_pairs(&w, &scratch, &name, &value), PL_ENOENT);
    pl_scratch_fini(&scratch);
}

static void a_push_in_pieces_is_the_push_in_one(void **state)
{
    (void)state;
    for (size_t len = 0; len < 40000; len = len * 3 + 1) {
        for (int is_uni = 0; is_uni < 2; is_uni++) {
            struct pl_buf whole = pl_buf_init(1 << 20), pieces = pl_buf_init(1 << 20);
            uint8_t *object = calloc(1, len + 1);
            struct pl_slice rest, one, push;
            struct pl_pb_field f;

            pl_cproto_protobuf.push_pub(&whole, is_uni, PL_LIT("news"), pl_slice(object, len));
            pl_cproto_protobuf.push_pub_head(&pieces, is_uni, PL_LIT("news"), len);
            pl_buf_put(&pieces, object, len);
            pl_cproto_protobuf.push_pub_tail(&pieces, is_uni);
            assert_true(pl_slice_eq(pl_buf_slice(&whole), pl_buf_slice(&pieces)));
            rest = pl_buf_slice(&whole); /* all lengths fit into one another */
            assert_int_equal(pl_cproto_protobuf.split(&rest, &one), PL_OK);
            assert_int_equal(rest.len, 0);
            push = one;
            if (!is_uni) {
                assert_int_equal(pl_pb_next(&one, &f), PL_OK);
                assert_true(f.number == 4 && one.len == 0);
                push = f.bytes;
            }
            assert_int_equal(pl_pb_next(&push, &f), PL_OK);
            assert_true(f.number == 2 && pl_slice_eq(f.bytes, PL_LIT("news")));
            assert_int_equal(pl_pb_next(&push, &f), PL_OK);
            assert_true(f.number == 4 && f.bytes.len == len && push.len == 0);
            free(object);
            pl_buf_fini(&whole);
            pl_buf_fini(&pieces);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_commands_are_understood),
        cmocka_unit_test(malformed_commands_are_refused),
        cmocka_unit_test(frames_without_whole_messages_are_refused),
        cmocka_unit_test(subs_and_headers_of_a_connect_are_walked),
        cmocka_unit_test(a_push_in_pieces_is_the_push_in_one),
    };

    return cmocka_run_group_tests_name("codec/cproto_pb", tests, NULL, NULL);
}
