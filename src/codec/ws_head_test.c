#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "codec/ws_head.h"
#include "codec/ws_mask.h"

enum { S = PL_WS_SERVER, C = PL_WS_CLIENT };

static const struct {
    const char *name, *hex;
    int role;
    bool has_rsv1;
    uint64_t limit;
    enum pl_err want;
    uint64_t len;
} rows[] = {
    { "masked text of 5", "8185 37fa213d", S, 0, 65536, PL_OK, 5 }, /* RFC 6455 5.7 */
    { "unmasked text of 5 to a client", "8105", C, 0, 65536, PL_OK, 5 },
    { "server refuses unmasked", "8105", S, 0, 65536, PL_EPROTO, 0 },
    { "client refuses masked", "8185 37fa213d", C, 0, 65536, PL_EPROTO, 0 },
    { "empty binary", "8280 00000000", S, 0, 0, PL_OK, 0 },
    { "first fragment", "0181 00000000", S, 0, 1, PL_OK, 1 },
    { "continuation", "0081 00000000", S, 0, 1, PL_OK, 1 },
    { "126 in 16 bits", "82fe 007e 01020304", S, 0, 65536, PL_OK, 126 },
    { "65535 in 16 bits", "82fe ffff 01020304", S, 0, 65536, PL_OK, 65535 },
    { "65536 in 64 bits", "82ff 0000000000010000 01020304", S, 0, 65536, PL_OK, 65536 },
    { "65536 in 64 bits to a client", "827f 0000000000010000", C, 0, 65536, PL_OK, 65536 },
    { "2^63 - 1, unlimited", "82ff 7fffffffffffffff 01020304", S, 0, UINT64_MAX, PL_OK, INT64_MAX },
    { "125 in 16 bits", "81fe 007d 00000000", S, 0, 65536, PL_EPROTO, 0 },
    { "0 in 16 bits", "81fe 0000 00000000", S, 0, 65536, PL_EPROTO, 0 },
    { "65535 in 64 bits", "82ff 000000000000ffff 01020304", S, 0, 65536, PL_EPROTO, 0 },
    { "top bit of 64 set", "82ff 8000000000000000 01020304", S, 0, UINT64_MAX, PL_EPROTO, 0 },
    { "all bits of 64 set", "82ff ffffffffffffffff 01020304", S, 0, UINT64_MAX, PL_EPROTO, 0 },
    { "limit bites before the mask", "82ff 0000000000010000", S, 0, 65535, PL_ETOOBIG, 0 },
    { "limit bites at 126", "82fe 007e", S, 0, 125, PL_ETOOBIG, 0 },
    { "limit bites at the short form", "8281", S, 0, 0, PL_ETOOBIG, 0 },
    { "limit bites for continuations", "8085", S, 0, 4, PL_ETOOBIG, 0 },
    { "ping of 125", "89fd 00000000", S, 0, 0, PL_OK, 125 },
    { "ping over 125", "89fe", S, 0, 65536, PL_EPROTO, 0 },
    { "close in the 64-bit form", "88ff", S, 0, 65536, PL_EPROTO, 0 },
    { "ping passes a spent limit", "8985 00000000", S, 0, 0, PL_OK, 5 },
    { "fragmented ping", "0980", S, 0, 65536, PL_EPROTO, 0 },
    { "fragmented close", "0880", S, 0, 65536, PL_EPROTO, 0 },
    { "opcode 3", "8380", S, 0, 65536, PL_EPROTO, 0 },
    { "opcode 7", "8780", S, 0, 65536, PL_EPROTO, 0 },
    { "opcode 11", "8b80", S, 0, 65536, PL_EPROTO, 0 },
    { "opcode 15", "8f80", S, 0, 65536, PL_EPROTO, 0 },
    { "RSV1 without extension", "c180", S, 0, 65536, PL_EPROTO, 0 },
    { "RSV1 on text", "c180 00000000", S, 1, 65536, PL_OK, 0 },
    { "RSV1 on a first fragment", "4281 00000000", S, 1, 65536, PL_OK, 1 },
    { "RSV1 on a continuation", "c080", S, 1, 65536, PL_EPROTO, 0 },
    { "RSV1 on a ping", "c980", S, 1, 65536, PL_EPROTO, 0 },
    { "RSV2", "a180", S, 1, 65536, PL_EPROTO, 0 },
    { "RSV3", "9180", S, 1, 65536, PL_EPROTO, 0 },
};

/* Bytes end where the page ends: one read too far is a crash. */
static uint8_t *guard_end;

static int make_guard(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    if (p == MAP_FAILED || mprotect(p + page, page, PROT_NONE) != 0)
        return -1;
    guard_end = p + page;
    return 0;
}

static struct pl_slice guarded(const uint8_t *p, size_t n)
{
    memcpy(guard_end - n, p, n);
    return pl_slice(guard_end - n, n);
}

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned v;

    for (; *hex != '\0'; hex += hex[0] == ' ' ? 1 : 2) {
        if (*hex != ' ' && sscanf(hex, "%2x", &v) == 1)
            out[n++] = (uint8_t)v;
    }
    return n;
}

static void every_head_is_judged_and_each_prefix_of_a_good_one_asks_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[PL_WS_HEAD_MAX];
        size_t n = from_hex(rows[i].hex, bytes);
        struct pl_ws_head h = { 0 };
        enum pl_err err = pl_ws_head_parse(guarded(bytes, n), (enum pl_ws_role)rows[i].role, rows[i].has_rsv1,
                                           rows[i].limit, &h);

        if (err != rows[i].want)
            fail_msg("%s: %s", rows[i].name, pl_err_text(err));
        if (err == PL_EPROTO && h.fault == NULL)
            fail_msg("%s: no words", rows[i].name);
        if (err == PL_OK && (h.payload_len != rows[i].len || h.head_len != n))
            fail_msg("%s: payload %ju, head %u", rows[i].name, (uintmax_t)h.payload_len, h.head_len);
        for (size_t cut = 0; err == PL_OK && cut < n; cut++) {
            if (pl_ws_head_parse(guarded(bytes, cut), (enum pl_ws_role)rows[i].role, rows[i].has_rsv1, rows[i].limit,
                                 &h) != PL_MORE)
                fail_msg("%s: prefix of %zu", rows[i].name, cut);
        }
    }
}

static void lengths_around_every_power_of_two_survive_encoding_and_parsing(void **state)
{
    static const uint8_t mask[4] = { 1, 2, 3, 4 };
    uint8_t bytes[PL_WS_HEAD_MAX];

    (void)state;
    for (unsigned k = 0; k < 63; k++) {
        for (int d = -1; d <= 1; d++) {
            uint64_t len = (UINT64_C(1) << k) + (uint64_t)(int64_t)d;
            struct pl_ws_head h;
            size_t n = pl_ws_head_encode_masked(bytes, PL_WS_BINARY, true, false, len, mask);

            assert_int_equal(n, len < 126 ? 6 : len < 65536 ? 8 : 14);
            assert_int_equal(pl_ws_head_parse(pl_slice(bytes, n), PL_WS_SERVER, false, UINT64_MAX, &h), PL_OK);
            assert_true(h.payload_len == len && h.head_len == n && h.is_fin && h.is_masked && !h.has_rsv1);
            assert_memory_equal(h.mask, mask, 4);
            if (len > 0)
                assert_int_equal(pl_ws_head_parse(pl_slice(bytes, n), PL_WS_SERVER, false, len - 1, &h), PL_ETOOBIG);
            n = pl_ws_head_encode(bytes, PL_WS_TEXT, false, true, len);
            assert_int_equal(pl_ws_head_parse(pl_slice(bytes, n), PL_WS_CLIENT, true, len, &h), PL_OK);
            assert_true(h.payload_len == len && h.head_len == n && !h.is_fin && !h.is_masked && h.has_rsv1);
        }
    }
}

static void a_bad_opcode_is_named_in_centrifugos_words(void **state)
{
    struct pl_ws_head h;

    (void)state;
    assert_int_equal(pl_ws_head_parse(pl_slice("\x83\x80", 2), PL_WS_SERVER, false, 10, &h), PL_EPROTO);
    assert_string_equal(h.fault, "bad opcode 3");
}

static void masking_twice_at_any_offset_and_length_gives_the_bytes_back(void **state)
{
    static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
    uint8_t hello[5] = { 0x7f, 0x9f, 0x4d, 0x51, 0x58 }, bytes[64], want[64];

    (void)state;
    pl_ws_mask(hello, 5, mask, 0); /* RFC 6455 5.7 */
    assert_memory_equal(hello, "Hello", 5);
    for (size_t n = 0; n <= 40; n++) {
        for (size_t at = 0; at < 9; at++) {
            for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = want[i] = (uint8_t)(i * 7);
            for (size_t i = 0; i < n; i++)
                want[3 + i] ^= mask[(at + i) % 4];
            pl_ws_mask(bytes + 3, n, mask, at);
            assert_memory_equal(bytes, want, sizeof bytes);
        }
    }
}

static void close_codes_are_those_a_peer_may_send(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 65536; code++) {
        bool want = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);

        assert_int_equal(pl_ws_code_is_sendable(code), want);
    }
}

static void a_long_close_reason_is_cut_between_characters(void **state)
{
    uint8_t out[PL_WS_CONTROL_MAX];
    char reason[200];

    (void)state;
    assert_int_equal(pl_ws_close_encode(out, PL_WS_C_NONE, PL_LIT("x")), 0);
    assert_int_equal(pl_ws_close_encode(out, 3001, PL_LIT("shutdown")), 10);
    assert_memory_equal(out, "\x0b\xb9shutdown", 10);
    memset(reason, 'a', sizeof reason);
    assert_int_equal(pl_ws_close_encode(out, 1000, pl_slice(reason, sizeof reason)), 125);
    memcpy(reason + 122, "\xc3\xa4", 2);
    assert_int_equal(pl_ws_close_encode(out, 1000, pl_slice(reason, sizeof reason)), 124);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_head_is_judged_and_each_prefix_of_a_good_one_asks_for_more),
        cmocka_unit_test(lengths_around_every_power_of_two_survive_encoding_and_parsing),
        cmocka_unit_test(a_bad_opcode_is_named_in_centrifugos_words),
        cmocka_unit_test(masking_twice_at_any_offset_and_length_gives_the_bytes_back),
        cmocka_unit_test(close_codes_are_those_a_peer_may_send),
        cmocka_unit_test(a_long_close_reason_is_cut_between_characters),
    };

    return cmocka_run_group_tests_name("codec/ws_head", tests, make_guard, NULL);
}
