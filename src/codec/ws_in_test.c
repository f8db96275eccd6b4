#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/ws_in.h"
#include "codec/ws_mask.h"

/* The little language of this table. Frames, separated by spaces: an optional `z` (RSV1), a letter - T text, B binary,
 * C continuation, X close, P ping, O pong, `3` opcode 3; small letter: not FIN - and the payload, 'text' or <hex>, or
 * nothing. `#hex` puts raw bytes. Events: the same letters for messages (T, B) and control frames (P, O, X with the code
 * in decimal), `!code` for a broken rule with its reason. */
static const struct {
    const char *name, *frames, *want;
} rows[] = {
    /* whole messages, and their order */
    { "text", "T'Hello'", "T'Hello'" },
    { "empty text", "T", "T''" },
    { "binary", "B<00ff80>", "B<00ff80>" },
    { "two messages", "T'a' B<01>", "T'a' B<01>" },
    { "200 bytes, the 16-bit form",
      "T'0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789'",
      "T'0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789'" },
    /* control frames, Autobahn 2 */
    { "ping with and without payload", "P P'x' P<00ff>", "P'' P'x' P<00ff>" },
    { "unsolicited pongs", "O O'x' P'y'", "O'' O'x' P'y'" },
    { "a ping of 125 bytes",
      "P'01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      "012345678901234'",
      "P'01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      "012345678901234'" },
    { "a ping of 126 bytes", "T'a' #89fe007e00000000", "T'a' !1002" },
    /* reserved bits and opcodes, Autobahn 3 and 4 */
    { "RSV1 without extension", "T'a' zT'b' P'c'", "T'a' !1002" },
    { "opcode 3", "P 3'x' P", "P'' !1002:bad opcode 3" },
    { "opcode 11", "#8b80", "!1002:bad opcode 11" },
    { "unmasked", "#8100", "!1002" },
    /* fragments, Autobahn 5 */
    { "ping in two fragments", "p'a' C'b'", "!1002" },
    { "text in two fragments", "t'ab' C'cd'", "T'abcd'" },
    { "text in three, one empty", "t'ab' c C'cd'", "T'abcd'" },
    { "all fragments empty", "t c C", "T''" },
    { "binary in fragments", "b<ff> c<00> C<80>", "B<ff0080>" },
    { "a ping between fragments", "t'ab' P'x' C'cd'", "P'x' T'abcd'" },
    { "pings and pongs between fragments", "t'a' P'1' O'2' c'b' P'3' C'c' T'd'", "P'1' O'2' P'3' T'abc' T'd'" },
    { "continuation of nothing, FIN", "C'a' T'b'", "!1002" },
    { "continuation of nothing", "c'a' T'b'", "!1002" },
    { "continuation after a whole message", "T'a' C'b'", "T'a' !1002" },
    { "continuation after a fragmented message", "t'a' C'b' C'c'", "T'ab' !1002" },
    { "text inside a fragmented text", "t'a' T'b'", "!1002" },
    { "binary inside a fragmented text", "t'a' b'b'", "!1002" },
    { "close between fragments", "t'a' X<03e8> C'b'", "X1000''" },
    /* UTF-8, Autobahn 6 */
    { "kosme", "T<cebae1bdb9cf83cebcceb5>", "T<cebae1bdb9cf83cebcceb5>" },
    { "kosme cut inside characters", "t<cebae1bd> c<b9cf83cebc> C<ceb5>", "T<cebae1bdb9cf83cebcceb5>" },
    { "kosme byte by byte", "t<ce> c<ba> c<e1> c<bd> c<b9> P C", "P'' T<cebae1bdb9>" },
    { "surrogates", "T<cebaeda080656469746564>", "!1007" },
    { "surrogates in a fragment", "t'a' C<cebaeda080656469746564>", "!1007" },
    { "beyond 10FFFF", "T<f4908080>", "!1007" },
    { "cut at the end", "T<cebae1bd>", "!1007" },
    { "cut at the end of fragments", "t<ceba> C<e1bd>", "!1007" },
    { "a character may not span messages", "T'a' T<ce> T<ba>", "T'a' !1007" },
    { "not checked in binary", "B<ff> b<fe> C<ce>", "B<ff> B<fece>" },
    { "a ping does not disturb half a character", "t<ce> P<ff> C<ba>", "P<ff> T<ceba>" },
    { "not checked in a ping", "P<fffe>", "P<fffe>" },
    /* close, Autobahn 7 */
    { "close without code", "X T'a'", "X1005''" },
    { "close of one byte", "X<03>", "!1002" },
    { "close with code", "X<03e8>", "X1000''" },
    { "close with reason", "X<03e848656c6c6f>", "X1000'Hello'" },
    { "close with a reason of 123 bytes",
      "X<03e8"
      "313233343536373839303132333435363738393031323334353637383930313233343536373839303132333435363738393031323334353637383930"
      "313233343536373839303132333435363738393031323334353637383930313233343536373839303132333435363738393031323334353637383930"
      "313233>",
      "X1000'"
      "123456789012345678901234567890123456789012345678901234567890"
      "123456789012345678901234567890123456789012345678901234567890"
      "123'" },
    { "close with a reason of bad UTF-8", "X<03e8cebaeda080>", "!1007" },
    { "nothing after close", "X<03e8> P X<03e8> T'a' #ffff", "X1000''" },
    { "codes that may come", "X<03e9>", "X1001''" },
    { "3000", "X<0bb8>", "X3000''" },
    { "4999", "X<1387>", "X4999''" },
    { "code 0", "X<0000>", "!1002:bad close code 0" },
    { "code 999", "X<03e7>", "!1002:bad close code 999" },
    { "code 1004", "X<03ec>", "!1002:bad close code 1004" },
    { "code 1005", "X<03ed>", "!1002:bad close code 1005" },
    { "code 1006", "X<03ee>", "!1002:bad close code 1006" },
    { "code 1015", "X<03f7>", "!1002:bad close code 1015" },
    { "code 1016", "X<03f8>", "!1002:bad close code 1016" },
    { "code 2999", "X<0bb7>", "!1002:bad close code 2999" },
    { "code 5000", "X<1388>", "!1002:bad close code 5000" },
    { "code 65535", "X<ffff>", "!1002:bad close code 65535" },
    { "nothing after a broken rule", "3 T'a' X", "!1002:bad opcode 3" },
}, deflate_rows[] = {
    { "Hello, RFC 7692 7.2.3.1", "zT<f248cdc9c90700>", "T'Hello'" },
    { "Hello in two fragments", "zt<f248cd> C<c9c90700>", "T'Hello'" },
    { "a ping between compressed fragments", "zt<f248cd> P'x' C<c9c90700>", "P'x' T'Hello'" },
    { "all in the last fragment", "zt c C<f248cdc9c90700>", "T'Hello'" },
    { "an uncompressed message between", "zT<f248cdc9c90700> T'a' zT<f248cdc9c90700>", "T'Hello' T'a' T'Hello'" },
    { "empty", "zB<00>", "B''" },
    { "a final block", "zT<f348cdc9c9070000>", "T'Hello'" },
    { "bad UTF-8 inside", "zT<000100feffff00>", "!1007" },
    { "not checked in binary", "zB<000100feffff00>", "B<ff>" },
    { "garbage", "zT<ffffff>", "!1007:invalid compressed data" },
    { "empty compressed payload", "zT", "!1007:invalid compressed data" },
    { "RSV1 on a continuation", "t'a' zC'b'", "!1002" },
    { "RSV1 on a control frame", "zP", "!1002" },
    { "RSV2", "#a180", "!1002" },
}, takeover_rows[] = {
    { "Hello from the window, RFC 7692 7.2.3.2", "zT<f248cdc9c90700> T'a' zT<f200110000>", "T'Hello' T'a' T'Hello'" },
    { "the window goes on behind a final block", "zT<f348cdc9c9070000> zt<f2> P'x' C<00110000>", "T'Hello' P'x' T'Hello'" },
}, no_takeover_rows[] = {
    { "nothing stays from the last message", "zT<f248cdc9c90700> zT<f200110000>", "T'Hello' !1007:invalid compressed data" },
};

struct setup {
    bool is_client, has_deflate, has_takeover;
};

static unsigned nibble(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* Frames of the little language as bytes, masked if for a server. */
static size_t compile(const char *s, bool is_masked, uint8_t *out)
{
    static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
    static const char letters[] = "CTB345..XPO";
    uint8_t payload[1000], head[PL_WS_HEAD_MAX];
    size_t n = 0, len, head_len;

    while (*s != '\0') {
        bool is_raw = *s == '#', has_rsv1 = *s == 'z', is_fin;
        char letter;
        uint8_t opcode;

        s += is_raw || has_rsv1;
        letter = is_raw ? '#' : *s++;
        len = 0;
        if (*s == '\'') {
            for (s++; *s != '\''; s++)
                payload[len++] = (uint8_t)*s;
            s++;
        } else if (*s == '<' || is_raw) {
            for (s += !is_raw; *s != '>' && *s != ' ' && *s != '\0'; s += 2)
                payload[len++] = (uint8_t)(nibble(s[0]) << 4 | nibble(s[1]));
            s += *s == '>';
        }
        s += *s == ' ';
        if (is_raw) {
            memcpy(out + n, payload, len);
            n += len;
            continue;
        }
        is_fin = letter < 'a';
        opcode = (uint8_t)(strchr(letters, letter & ~(is_fin ? 0 : 0x20)) - letters);
        head[0] = (uint8_t)(opcode | (is_fin ? 0x80 : 0) | (has_rsv1 ? 0x40 : 0));
        head[1] = (uint8_t)(len < 126 ? len : 126);
        head_len = 2;
        if (len >= 126) {
            head[2] = (uint8_t)(len >> 8);
            head[3] = (uint8_t)len;
            head_len = 4;
        }
        if (is_masked) {
            head[1] |= 0x80;
            memcpy(head + head_len, mask, 4);
            head_len += 4;
            pl_ws_mask(payload, len, mask, 0);
        }
        memcpy(out + n, head, head_len);
        memcpy(out + n + head_len, payload, len);
        n += head_len + len;
    }
    return n;
}

static void write_payload(struct pl_buf *out, struct pl_slice s)
{
    bool is_text = true;

    for (size_t i = 0; i < s.len; i++)
        is_text = is_text && s.p[i] >= 0x20 && s.p[i] < 0x7f;
    if (is_text) {
        pl_buf_printf(out, "'%.*s'", PL_FMT(s));
        return;
    }
    PL_BUF_LIT(out, "<");
    for (size_t i = 0; i < s.len; i++)
        pl_buf_printf(out, "%02x", s.p[i]);
    PL_BUF_LIT(out, ">");
}

static void write_event(struct pl_buf *out, const struct pl_ws_event *ev)
{
    if (out->len > 0)
        PL_BUF_LIT(out, " ");
    switch (ev->kind) {
    case PL_WS_EV_MORE:
        fail();
    case PL_WS_EV_MESSAGE:
        pl_buf_byte(out, ev->opcode == PL_WS_TEXT ? 'T' : 'B');
        break;
    case PL_WS_EV_PING:
        pl_buf_byte(out, 'P');
        break;
    case PL_WS_EV_PONG:
        pl_buf_byte(out, 'O');
        break;
    case PL_WS_EV_CLOSE:
        pl_buf_printf(out, "X%u", ev->code);
        break;
    case PL_WS_EV_BAD:
        pl_buf_printf(out, "!%u:%.*s", ev->code, PL_FMT(ev->data));
        return;
    }
    write_payload(out, ev->data);
}

static struct pl_ws_in_opts opts_of(struct setup setup)
{
    return (struct pl_ws_in_opts){ .role = setup.is_client ? PL_WS_CLIENT : PL_WS_SERVER, .limit = 65536,
                                   .inflated_limit = 65536, .has_deflate = setup.has_deflate,
                                   .has_takeover = setup.has_takeover, .window_bits = 15 };
}

/* Feed a copy of the bytes, in a block of its own so that reading past it is seen. */
static void feed(struct pl_ws_in *in, struct pl_ws_zip *zip, const uint8_t *p, size_t n, struct pl_buf *events)
{
    uint8_t *copy = test_malloc(n + 1);
    struct pl_ws_feed f = { copy, n };
    struct pl_ws_event ev;

    memcpy(copy, p, n);
    while (pl_ws_in_next(in, zip, &f, &ev) != PL_WS_EV_MORE)
        write_event(events, &ev);
    assert_int_equal(f.len, 0);
    test_free(copy);
}

/* Write down, forget, go on from the record. */
static void move(struct pl_ws_in *in, const struct pl_ws_in_opts *opts)
{
    struct pl_buf b = pl_buf_init(200000);
    struct pl_rec_out out = { &b };

    pl_ws_in_save(in, &out);
    assert_true(pl_buf_ok(&b));
    pl_ws_in_fini(in);
    memset(in, 0xff, sizeof *in);
    assert_int_equal(pl_ws_in_load(in, opts, (struct pl_rec_in){ pl_buf_slice(&b) }), PL_OK);
    pl_buf_fini(&b);
}

/* Reasons are compared only where the row names one. */
static void check(const char *name, const char *how, const char *want, struct pl_buf *events)
{
    size_t n;

    pl_buf_byte(events, 0);
    n = strlen(want);
    if (strchr(want, '!') != NULL && strchr(want, ':') == NULL) {
        if (strncmp((const char *)events->p, want, n) == 0 && events->p[n] == ':')
            n = 0;
    } else if (strcmp((const char *)events->p, want) == 0) {
        n = 0;
    }
    if (n != 0)
        fail_msg("%s, %s: got %s", name, how, (const char *)events->p);
    pl_buf_clear(events);
}

static void run(const char *name, const char *frames, const char *want, struct setup setup)
{
    struct pl_buf events = pl_buf_init(100000);
    const struct pl_ws_in_opts opts = opts_of(setup);
    struct pl_ws_zip *zip = NULL;
    struct pl_ws_in in;
    uint8_t bytes[4000];
    size_t n = compile(frames, !setup.is_client, bytes);

    assert_int_equal(pl_ws_zip_new(1, &zip), PL_OK);
    pl_ws_in_init(&in, &opts);
    feed(&in, zip, bytes, n, &events);
    if (!setup.has_takeover)
        assert_true(pl_ws_in_is_midway(&in) || in.side == NULL);
    pl_ws_in_fini(&in);
    check(name, "whole", want, &events);

    for (size_t cut = 1; cut < n; cut++) {
        char how[32];

        pl_ws_in_init(&in, &opts);
        feed(&in, zip, bytes, cut, &events);
        feed(&in, zip, bytes + cut, n - cut, &events);
        pl_ws_in_fini(&in);
        (void)snprintf(how, sizeof how, "cut at %zu", cut);
        check(name, how, want, &events);

        pl_ws_in_init(&in, &opts);
        feed(&in, zip, bytes, cut, &events);
        move(&in, &opts);
        feed(&in, zip, bytes + cut, n - cut, &events);
        pl_ws_in_fini(&in);
        (void)snprintf(how, sizeof how, "moved at %zu", cut);
        check(name, how, want, &events);
    }

    pl_ws_in_init(&in, &opts);
    for (size_t i = 0; i < n; i++)
        feed(&in, zip, bytes + i, 1, &events);
    pl_ws_in_fini(&in);
    check(name, "byte by byte", want, &events);
    pl_ws_zip_free(&zip);
    pl_buf_fini(&events);
}

#define RUN_ROWS(table, ...) \
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) \
        run(table[i].name, table[i].frames, table[i].want, (struct setup){ __VA_ARGS__ })

static void a_server_keeps_every_rule_at_any_cut_of_the_bytes_and_over_a_move(void **state)
{
    (void)state;
    RUN_ROWS(rows, .is_client = false);
}

static void a_client_keeps_the_same_rules_without_masks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strchr(rows[i].frames, '#') == NULL)
            run(rows[i].name, rows[i].frames, rows[i].want, (struct setup){ .is_client = true });
    }
    run("a masked frame", "#818137fa213d00", "!1002", (struct setup){ .is_client = true });
}

static void compressed_messages_are_inflated_at_any_cut_of_the_bytes(void **state)
{
    (void)state;
    RUN_ROWS(deflate_rows, .has_deflate = true);
    RUN_ROWS(no_takeover_rows, .has_deflate = true);
    RUN_ROWS(deflate_rows, .has_deflate = true, .has_takeover = true);
    RUN_ROWS(takeover_rows, .has_deflate = true, .has_takeover = true);
    RUN_ROWS(deflate_rows, .has_deflate = true, .is_client = true);
}

static void invalid_text_fails_at_its_first_impossible_byte(void **state)
{
    static const uint8_t text[] = "\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80\x65\x64";
    struct pl_ws_in_opts opts = opts_of((struct setup){ .is_client = true });
    struct pl_buf events = pl_buf_init(1000);
    struct pl_ws_in in;

    (void)state;
    for (int fragmented = 0; fragmented < 2; fragmented++) {
        pl_ws_in_init(&in, &opts);
        if (!fragmented)
            feed(&in, NULL, (const uint8_t *)"\x81\x0b", 2, &events);
        for (size_t i = 0; i < sizeof text - 1; i++) {
            if (fragmented)
                feed(&in, NULL, (const uint8_t *)(i == 0 ? "\x01\x01" : "\x00\x01"), 2, &events);
            feed(&in, NULL, text + i, 1, &events);
            assert_int_equal(events.len != 0, i >= 6);
        }
        pl_ws_in_fini(&in);
        check("fail fast", "", "!1007", &events);
    }
    pl_buf_fini(&events);
}

static void the_limit_counts_all_fragments_and_bites_before_anything_is_stored(void **state)
{
    struct pl_ws_in_opts opts = opts_of((struct setup){ .is_client = true });
    struct pl_buf events = pl_buf_init(1000);
    struct pl_ws_in in;

    (void)state;
    opts.limit = 10;
    pl_ws_in_init(&in, &opts);
    feed(&in, NULL, (const uint8_t *)"\x82\x0a" "0123456789" "\x82\x0b", 14, &events);
    assert_null(in.side);
    pl_ws_in_fini(&in);
    check("one frame", "", "B'0123456789' !1009:", &events);

    pl_ws_in_init(&in, &opts);
    feed(&in, NULL, (const uint8_t *)"\x02\x06" "012345" "\x00\x04" "6789" "\x89\x01" "p" "\x80\x00", 19, &events);
    check("fragments", "", "P'p' B'0123456789'", &events);
    feed(&in, NULL, (const uint8_t *)"\x02\x06" "012345" "\x80\x05", 10, &events);
    pl_ws_in_fini(&in);
    check("fragments over", "", "!1009:", &events);

    pl_ws_in_init(&in, &opts);
    feed(&in, NULL, (const uint8_t *)"\x82\x7f\x40\0\0\0\0\0\0\0", 10, &events);
    assert_null(in.side);
    pl_ws_in_fini(&in);
    check("2^62", "", "!1009:", &events);
    pl_buf_fini(&events);
}

static void ten_thousand_fragments_of_one_byte_cost_no_more_than_the_limit(void **state)
{
    struct pl_ws_in_opts opts = opts_of((struct setup){ .is_client = true });
    struct pl_buf events = pl_buf_init(20000);
    struct pl_ws_in in;

    (void)state;
    opts.limit = 10000;
    pl_ws_in_init(&in, &opts);
    feed(&in, NULL, (const uint8_t *)"\x01\x01x", 3, &events);
    for (int i = 0; i < 9999; i++) {
        feed(&in, NULL, (const uint8_t *)"\x00\x01x", 3, &events);
        assert_true(pl_ws_in_held(&in) <= 10000 + 400);
    }
    assert_true(pl_ws_in_is_midway(&in));
    feed(&in, NULL, (const uint8_t *)"\x80\x00", 2, &events);
    assert_int_equal(events.len, 10003);
    assert_int_equal(pl_ws_in_held(&in), 0);
    pl_ws_in_fini(&in);
    pl_buf_fini(&events);
}

static void inflating_stops_at_its_own_limit(void **state)
{
    struct pl_ws_in_opts opts = opts_of((struct setup){ .is_client = true, .has_deflate = true });
    struct pl_buf events = pl_buf_init(1000), packed = pl_buf_init(100000);
    struct pl_ws_zip *zip = NULL;
    uint8_t *zeros = calloc(1, 65537), head[PL_WS_HEAD_MAX];
    struct pl_ws_in in;

    (void)state;
    assert_non_null(zeros);
    assert_int_equal(pl_ws_zip_new(6, &zip), PL_OK);
    assert_int_equal(pl_ws_zip_message(zip, pl_slice(zeros, 65537), 15, &packed), PL_OK);
    pl_ws_in_init(&in, &opts);
    feed(&in, zip, head, pl_ws_head_encode(head, PL_WS_BINARY, true, true, packed.len), &events);
    feed(&in, zip, packed.p, packed.len, &events);
    pl_ws_in_fini(&in);
    check("one byte over", "", "!1009:", &events);
    pl_ws_zip_free(&zip);
    pl_buf_fini(&events);
    pl_buf_fini(&packed);
    free(zeros);
}

static void a_whole_message_is_lent_from_the_given_bytes_without_a_copy(void **state)
{
    struct pl_ws_in_opts opts = opts_of((struct setup){ .is_client = false });
    uint8_t bytes[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" "\x82\x80\0\0\0\0";
    struct pl_ws_feed f = { bytes, sizeof bytes - 1 };
    struct pl_ws_event ev;
    struct pl_ws_in in;

    (void)state;
    pl_ws_in_init(&in, &opts);
    assert_int_equal(pl_ws_in_next(&in, NULL, &f, &ev), PL_WS_EV_MESSAGE);
    assert_ptr_equal(ev.data.p, bytes + 6);
    assert_int_equal(f.len, 6); /* left off here: the next frame is untouched */
    assert_null(in.side);
    assert_int_equal(pl_ws_in_next(&in, NULL, &f, &ev), PL_WS_EV_MESSAGE);
    assert_int_equal(pl_ws_in_next(&in, NULL, &f, &ev), PL_WS_EV_MORE);
    pl_ws_in_fini(&in);
}

static void a_record_that_no_reader_could_have_written_is_refused(void **state)
{
    static const struct {
        const char *name;
        struct { uint16_t tag; uint64_t v; const char *bytes; } fields[4];
    } records[] = {
        { "message without opcode", { { 5, 0, "abc" } } },
        { "control opcode for a message", { { 2, 9, NULL } } },
        { "UTF-8 state out of range", { { 2, 1, NULL }, { 4, 99, NULL } } },
        { "a head that is already whole", { { 6, 0, "\x81\x85\x01\x01\x01\x01" } } },
        { "a head that is already wrong", { { 6, 0, "\x83\x85" } } },
        { "frame with more left than it has", { { 2, 1, NULL }, { 7, 2, NULL }, { 9, 5, NULL }, { 10, 6, NULL } } },
        { "frame without mask", { { 2, 1, NULL }, { 7, 2, NULL }, { 9, 5, NULL }, { 10, 5, NULL } } },
        { "unknown opcode", { { 7, 12, NULL } } },
        { "mask of 5 bytes", { { 11, 0, "12345" } } },
        { "window without takeover", { { 13, 0, "abc" } } },
    };
    const struct pl_ws_in_opts opts = opts_of((struct setup){ .is_client = false });

    (void)state;
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        struct pl_buf b = pl_buf_init(1000);
        struct pl_rec_out out = { &b };
        struct pl_ws_in in;

        for (size_t k = 0; k < 4 && records[i].fields[k].tag != 0; k++) {
            if (records[i].fields[k].bytes != NULL)
                pl_rec_bytes(&out, records[i].fields[k].tag, pl_slice_str(records[i].fields[k].bytes));
            else
                pl_rec_u64(&out, records[i].fields[k].tag, records[i].fields[k].v);
        }
        if (pl_ws_in_load(&in, &opts, (struct pl_rec_in){ pl_buf_slice(&b) }) != PL_EPROTO)
            fail_msg("%s", records[i].name);
        assert_null(in.side);
        pl_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_keeps_every_rule_at_any_cut_of_the_bytes_and_over_a_move),
        cmocka_unit_test(a_client_keeps_the_same_rules_without_masks),
        cmocka_unit_test(compressed_messages_are_inflated_at_any_cut_of_the_bytes),
        cmocka_unit_test(invalid_text_fails_at_its_first_impossible_byte),
        cmocka_unit_test(the_limit_counts_all_fragments_and_bites_before_anything_is_stored),
        cmocka_unit_test(ten_thousand_fragments_of_one_byte_cost_no_more_than_the_limit),
        cmocka_unit_test(inflating_stops_at_its_own_limit),
        cmocka_unit_test(a_whole_message_is_lent_from_the_given_bytes_without_a_copy),
        cmocka_unit_test(a_record_that_no_reader_could_have_written_is_refused),
    };

    return cmocka_run_group_tests_name("codec/ws_in", tests, NULL, NULL);
}
