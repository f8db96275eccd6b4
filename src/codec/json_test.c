#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "codec/json.h"
#include "codec/json_scan.h"
#include "codec/json_write.h"

/* A copy at the end of its own allocation, so that ASan sees a read beyond it. */
static struct pl_slice tight(struct pl_slice s)
{
    uint8_t *p = malloc(s.len != 0 ? s.len : 1);

    assert_non_null(p);
    memcpy(p, s.p, s.len);
    return pl_slice(p, s.len);
}

static enum pl_err check(struct pl_slice s)
{
    struct pl_slice t = tight(s);
    enum pl_err err = pl_json_check(t);

    free((void *)(uintptr_t)t.p);
    return err;
}

static const struct { const char *text; bool ok; } values[] = {
    { "{}", true }, { "[]", true }, { " { } ", true }, { "[ ]\n", true }, { "\"\"", true }, { "null", true }, { "true", true },
    { "false", true }, { "0", true }, { "-0", true }, { "12", true }, { "-1.5e+3", true }, { "1E9", true }, { "0.5", true },
    { "{\"a\":[1,{\"b\":null}],\"c\":\"\\u00e9\\n\"}", true }, { "[[],{},[{}]]", true }, { "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", true },
    { "\"\\ud800\"", true }, { "\"\\/\"", true }, { "\t\r\n1 ", true },
    { "", false }, { " ", false }, { "{", false }, { "[", false }, { "{]", false }, { "[}", false }, { "[1,]", false }, { "{,}", false },
    { "{\"a\"}", false }, { "{\"a\":}", false }, { "{\"a\":1,}", false }, { "{a:1}", false }, { "{1:1}", false }, { "[1 2]", false },
    { "01", false }, { "-", false }, { "+1", false }, { ".5", false }, { "1.", false }, { "1e", false }, { "1e+", false }, { "-a", false },
    { "NaN", false }, { "Infinity", false }, { "nul", false }, { "nulll", false }, { "True", false }, { "'a'", false }, { "\"", false },
    { "\"\\\"", false }, { "\"\\x\"", false }, { "\"\\u12\"", false }, { "\"\\u12g4\"", false }, { "\"\n\"", false }, { "\"\x01\"", false },
    { "\"\x80\"", false }, { "\"\xc0\xaf\"", false }, { "\"\xe2\x82\"", false }, { "\"\xed\xa0\x80\"", false }, { "\"\xf5\x80\x80\x80\"", false },
    { "\"\xf0\x80\x80\x80\"", false }, { "\"\xe0\x80\x80\"", false }, { "\"\xf4\x90\x80\x80\"", false }, { "{}{}", false }, { "1 2", false },
    { "[1", false }, { "{\"a\":1", false }, { "//a\n1", false }, { "\xef\xbb\xbf{}", false }, { "{\"a\":1 \"b\":2}", false }, { "]", false },
};

static void exactly_valid_json_passes_the_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if ((check(pl_slice_str(values[i].text)) == PL_OK) != values[i].ok)
            fail_msg("%s", values[i].text);
    assert_int_equal(check(PL_LIT("1\0")), PL_EPROTO);
}

static void no_proper_prefix_of_an_object_is_valid(void **state)
{
    static const char text[] = "{\"a\":[1,-2.5e3,{\"b\":null,\"\\u0063\":true}],\"d\":\"\\ud83d\\ude00 \xc3\xa9\",\"e\":{},\"f\":[]}";

    (void)state;
    assert_int_equal(check(PL_LIT("{}")), PL_OK);
    for (size_t n = 0; n < sizeof text - 1; n++)
        assert_int_equal(check(pl_slice(text, n)), PL_EPROTO);
    assert_int_equal(check(pl_slice(text, sizeof text - 1)), PL_OK);
}

static void depth_is_bounded(void **state)
{
    char deep[2 * (PL_JSON_DEPTH + 1)];

    (void)state;
    for (unsigned n = PL_JSON_DEPTH; n <= PL_JSON_DEPTH + 1; n++) {
        memset(deep, '[', n);
        memset(deep + n, ']', n);
        assert_int_equal(check(pl_slice(deep, 2 * n)), n == PL_JSON_DEPTH ? PL_OK : PL_EPROTO);
    }
}

/* Every alignment and distance of the interesting byte, since eight are looked at together. */
static void the_string_scan_stops_at_the_first_special_byte(void **state)
{
    static const uint8_t specials[] = { '"', '\\', 0x00, 0x1f, 0x80, 0xff };
    uint8_t text[40];

    (void)state;
    for (size_t at = 0; at < sizeof text; at++) {
        for (size_t s = 0; s < sizeof specials; s++) {
            for (size_t after = 0; after < sizeof specials; after++) {
                memset(text, s % 2 ? 0x7f : 0x23, sizeof text);
                text[at] = specials[s];
                if (at + 1 < sizeof text)
                    text[at + 1] = specials[after];
                assert_ptr_equal(pl_json_scan_plain(text, text + sizeof text), text + at);
            }
        }
    }
    memset(text, ' ', sizeof text);
    assert_ptr_equal(pl_json_scan_plain(text, text + sizeof text), text + sizeof text);
}

static const struct { const char *in, *out; } strings[] = {
    { "\"plain\"", "plain" },
    { "\"\"", "" },
    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
    { "\"\\u0061\\u00e9\\u20ac\"", "a\xc3\xa9\xe2\x82\xac" },
    { "\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!" },
    { "\"\\ud83d\"", "\xef\xbf\xbd" },
    { "\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd" },
    { "\"\\ud83d\\u0041\"", "\xef\xbf\xbd" "A" },
    { "\"x\\ud83d\\n\"", "x\xef\xbf\xbd\n" },
};

static void strings_are_unescaped(void **state)
{
    struct pl_scratch scratch = pl_scratch_init(1000);

    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        struct pl_json r = pl_json_init(pl_slice_str(strings[i].in), &scratch);
        struct pl_slice s;

        assert_true(pl_json_str(&r, &s));
        assert_int_equal(pl_json_end(&r), PL_OK);
        if (!pl_slice_eq(s, pl_slice_str(strings[i].out)))
            fail_msg("%s", strings[i].in);
    }
    pl_scratch_fini(&scratch);
}

static void a_full_scratch_is_an_error_and_a_plain_string_needs_none(void **state)
{
    struct pl_scratch scratch = pl_scratch_init(3);
    struct pl_json r = pl_json_init(PL_LIT("[\"plain text\",\"\\n\",\"\\t\"]"), &scratch);
    struct pl_slice s;
    size_t n = 0;

    (void)state;
    assert_true(pl_json_open(&r, '['));
    assert_true(pl_json_element(&r, &n) && pl_json_str(&r, &s) && s.len == 10);
    assert_true(pl_json_element(&r, &n) && pl_json_str(&r, &s) && s.len == 1);
    assert_true(pl_json_element(&r, &n));
    assert_false(pl_json_str(&r, &s));
    assert_int_equal(r.err, PL_ETOOBIG);
    assert_false(pl_json_element(&r, &n));
    pl_scratch_fini(&scratch);
}

struct sample {
    bool is_set;
    bool flag;
    uint32_t u32;
    int32_t i32;
    uint64_t u64;
    int64_t i64;
    struct pl_slice str, raw, strs, pairs;
    struct { bool is_set; uint64_t n; } inner;
};
static const struct pl_json_field inner_fields[] = {
    { "n", 1, PL_J_U64, 8, NULL },
};
static const struct pl_json_shape inner_shape = PL_JSON_SHAPE(inner_fields);
static const struct pl_json_field sample_fields[] = {
    PL_JSON_FIELD(struct sample, flag, PL_J_BOOL), PL_JSON_FIELD(struct sample, u32, PL_J_U32), PL_JSON_FIELD(struct sample, i32, PL_J_I32),
    PL_JSON_FIELD(struct sample, u64, PL_J_U64), PL_JSON_FIELD(struct sample, i64, PL_J_I64), PL_JSON_FIELD(struct sample, str, PL_J_STR),
    PL_JSON_FIELD(struct sample, raw, PL_J_RAW), PL_JSON_FIELD(struct sample, strs, PL_J_STRS), PL_JSON_FIELD(struct sample, pairs, PL_J_STR_MAP),
    PL_JSON_FIELD_OF(struct sample, inner, PL_J_OBJ, &inner_shape),
};
static const struct pl_json_shape sample_shape = PL_JSON_SHAPE(sample_fields);

static enum pl_err fill(const char *text, bool is_exact, struct sample *ret, uint64_t *seen)
{
    static uint8_t room[4096];
    struct pl_scratch scratch = pl_scratch_init(sizeof room);
    struct pl_json r = pl_json_init(pl_slice_str(text), &scratch);
    enum pl_err err;

    r.is_exact = is_exact;
    memset(ret, 0, sizeof *ret);
    err = pl_json_fill(&r, &sample_shape, ret, seen);
    if (err == PL_OK && ret->str.len != 0) { /* outlive the scratch */
        assert_true(ret->str.len <= sizeof room);
        memcpy(room, ret->str.p, ret->str.len);
        ret->str.p = room;
    }
    pl_scratch_fini(&scratch);
    return err;
}

static void a_shape_fills_every_kind(void **state)
{
    struct sample s;
    uint64_t seen;

    (void)state;
    assert_int_equal(fill("{\"flag\":true,\"u32\":4294967295,\"i32\":-2147483648,\"u64\":18446744073709551615,\"i64\":-9223372036854775808,"
                          "\"str\":\"a\\u0062\",\"raw\": {\"x\" : 1} ,\"strs\":[\"a\",null],\"pairs\":{\"k\":\"v\"},\"inner\":{\"n\":7},\"no\":[{}]}",
                          false, &s, &seen), PL_OK);
    assert_true(s.flag && s.u32 == UINT32_MAX && s.i32 == INT32_MIN && s.u64 == UINT64_MAX && s.i64 == INT64_MIN);
    assert_true(pl_slice_eq(s.str, PL_LIT("ab")) && pl_slice_eq(s.raw, PL_LIT("{\"x\" : 1}")));
    assert_true(pl_slice_eq(s.strs, PL_LIT("[\"a\",null]")) && pl_slice_eq(s.pairs, PL_LIT("{\"k\":\"v\"}")));
    assert_true(s.inner.is_set && s.inner.n == 7);
    assert_int_equal(seen, 0x3ff);
}

static void null_leaves_a_field_alone_but_raw_keeps_it(void **state)
{
    struct sample s;
    uint64_t seen;

    (void)state;
    assert_int_equal(fill("{\"flag\":null,\"u32\":null,\"str\":null,\"raw\":null,\"strs\":null,\"pairs\":null,\"inner\":null}", false, &s, &seen),
                     PL_OK);
    assert_true(!s.flag && s.u32 == 0 && s.str.len == 0 && s.strs.len == 0 && !s.inner.is_set);
    assert_true(pl_slice_eq(s.raw, PL_LIT("null")));
    assert_int_equal(seen, 1 << 6);
}

static void names_match_in_any_case_and_with_escapes_unless_exact(void **state)
{
    struct sample s;

    (void)state;
    assert_int_equal(fill("{\"U32\":1,\"FlaG\":true,\"\\u0069\\u00332\":2}", false, &s, NULL), PL_OK);
    assert_true(s.u32 == 1 && s.flag && s.i32 == 2);
    assert_int_equal(fill("{\"U32\":1,\"\\u0069\\u00332\":2}", true, &s, NULL), PL_OK);
    assert_true(s.u32 == 0 && s.i32 == 2);
    assert_int_equal(fill("{\"u32\":1,\"u32\":2}", false, &s, NULL), PL_OK);
    assert_int_equal(s.u32, 2);
    assert_int_equal(fill("{\"u32\":1,\"u32\":2}", true, &s, NULL), PL_EPROTO);
    assert_int_equal(fill("{\"u32\":null,\"\\u00753\\u0032\":2}", true, &s, NULL), PL_EPROTO);
}

static void wrong_types_and_ranges_are_refused(void **state)
{
    static const char *const bad[] = {
        "{\"flag\":1}", "{\"flag\":\"true\"}", "{\"u32\":-1}", "{\"u32\":-0.0}", "{\"u32\":4294967296}", "{\"u32\":1.0}", "{\"u32\":1e0}",
        "{\"u32\":\"1\"}", "{\"u32\":01}", "{\"i32\":2147483648}", "{\"u64\":18446744073709551616}", "{\"i64\":9223372036854775808}",
        "{\"i64\":-9223372036854775809}", "{\"str\":1}", "{\"str\":{}}", "{\"strs\":{}}", "{\"strs\":[1]}", "{\"strs\":\"a\"}", "{\"pairs\":[]}",
        "{\"pairs\":{\"a\":1}}", "{\"inner\":[]}", "{\"inner\":{\"n\":\"x\"}}", "{\"raw\":}", "{\"raw\":nul}", "{\"no\":tru}", "[]", "null", "1", "",
        "{\"u32\":1", "{\"u32\":1,", "{\"u32\"", "{\"u32\":", "{,\"u32\":1}", "{\"u32\" 1}",
    };
    struct sample s;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (fill(bad[i], false, &s, NULL) != PL_EPROTO)
            fail_msg("%s", bad[i]);
}

static void lists_and_maps_are_walked_entry_by_entry(void **state)
{
    struct pl_scratch scratch = pl_scratch_init(100);
    struct pl_walk w = pl_walk(PL_LIT("[ \"a\" , null,\"\\u0062\" ]"));
    struct pl_slice name, value;

    (void)state;
    assert_int_equal(pl_json_walk_str(&w, &scratch, &value), PL_OK);
    assert_true(pl_slice_eq(value, PL_LIT("a")));
    assert_int_equal(pl_json_walk_str(&w, &scratch, &value), PL_OK);
    assert_int_equal(value.len, 0);
    assert_int_equal(pl_json_walk_str(&w, &scratch, &value), PL_OK);
    assert_true(pl_slice_eq(value, PL_LIT("b")));
    assert_int_equal(pl_json_walk_str(&w, &scratch, &value), PL_ENOENT);
    assert_int_equal(pl_json_walk_str(&w, &scratch, &value), PL_ENOENT);

    w = pl_walk(PL_LIT("{\"k\":\"v\",\"\\n\":\"\"}"));
    assert_int_equal(pl_json_walk_pair(&w, &scratch, &name, &value), PL_OK);
    assert_true(pl_slice_eq(name, PL_LIT("k")) && pl_slice_eq(value, PL_LIT("v")));
    assert_int_equal(pl_json_walk_pair(&w, &scratch, &name, &value), PL_OK);
    assert_true(pl_slice_eq(name, PL_LIT("\n")) && value.len == 0);
    assert_int_equal(pl_json_walk_pair(&w, &scratch, &name, &value), PL_ENOENT);

    w = pl_walk(pl_slice(NULL, 0));
    assert_int_equal(pl_json_walk_pair(&w, &scratch, &name, &value), PL_ENOENT);
    w = pl_walk(PL_LIT("{}"));
    assert_int_equal(pl_json_walk_pair(&w, &scratch, &name, &value), PL_ENOENT);
    pl_scratch_fini(&scratch);
}

static void written_strings_are_escaped_and_repaired(void **state)
{
    struct pl_buf b = pl_buf_init(1000);

    (void)state;
    pl_json_put_str(&b, PL_LIT("a\"\\\n\r\t\x01/\x7f\xc3\xa9\xff\xe2\x82" "z"));
    assert_true(pl_slice_eq(pl_buf_slice(&b), PL_LIT("\"a\\\"\\\\\\n\\r\\t\\u0001/\x7f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"")));
    assert_int_equal(pl_json_check(pl_buf_slice(&b)), PL_OK);
    pl_buf_clear(&b);
    pl_json_put_raw(&b, PL_LIT("{\n\"a\":\n\n1}\n"));
    assert_true(pl_slice_eq(pl_buf_slice(&b), PL_LIT("{\"a\":1}")));
    pl_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_valid_json_passes_the_check),
        cmocka_unit_test(no_proper_prefix_of_an_object_is_valid),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(the_string_scan_stops_at_the_first_special_byte),
        cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(a_full_scratch_is_an_error_and_a_plain_string_needs_none),
        cmocka_unit_test(a_shape_fills_every_kind),
        cmocka_unit_test(null_leaves_a_field_alone_but_raw_keeps_it),
        cmocka_unit_test(names_match_in_any_case_and_with_escapes_unless_exact),
        cmocka_unit_test(wrong_types_and_ranges_are_refused),
        cmocka_unit_test(lists_and_maps_are_walked_entry_by_entry),
        cmocka_unit_test(written_strings_are_escaped_and_repaired),
    };

    return cmocka_run_group_tests_name("codec/json", tests, NULL, NULL);
}
