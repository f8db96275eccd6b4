#include "config/channel.h"

#include "config/load.h"
#include "config/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct pl_config *load(const char *json)
{
    struct pl_config_input in = { .file = "t.json", .text = pl_slice_str(json) };
    struct pl_config_report report = { NULL };
    struct pl_config *cfg = NULL;

    if (pl_config_load(&in, &cfg, &report) != PL_OK)
        fail_msg("%s", report.n != 0 ? report.v[0].text : "?");
    pl_config_report_fini(&report);
    return cfg;
}

static void a_name_leads_to_its_namespace(void **state)
{
    static const struct { const char *channel, *ns, *rest; bool is_private; } rows[] = {
        { "news", "", "news", false },
        { "chat:1", "chat", "1", false },
        { "chat:", "chat", "", false },
        { "chat:a:b", "chat", "a:b", false },
        { ":x", "", ":x", false },
        { "", "", "", false },
        { "$chat:1", "chat", "1", true },
        { "$news", "", "$news", true },
        { "$$chat:1", NULL, NULL, true },
        { "$", "", "$", true },
        { "a.b-c_D9:x", "a.b-c_D9", "x", false },
        { "Chat:1", NULL, NULL, false },
        { "chat2:1", NULL, NULL, false },
        { "cha:1", NULL, NULL, false },
        { "chat", "", "chat", false },
        { "chat :1", NULL, NULL, false },
    };
    struct pl_config *cfg = load("{\"channel\": {\"namespaces\": [{\"name\": \"chat\"}, {\"name\": \"a.b-c_D9\"}]}}");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_channel_ref ref = { NULL };
        enum pl_err err = pl_channel_resolve(cfg, pl_slice_str(rows[i].channel), &ref);

        if (rows[i].ns == NULL) {
            assert_int_equal(err, PL_ENOENT);
            assert_null(ref.opts);
            continue;
        }
        assert_int_equal(err, PL_OK);
        assert_string_equal(ref.ns == 0 ? "" : cfg->channel.namespaces[ref.ns - 1].name, rows[i].ns);
        assert_ptr_equal(ref.opts, ref.ns == 0 ? &cfg->channel.without_namespace : &cfg->channel.namespaces[ref.ns - 1]);
        if (!pl_slice_eq(ref.rest, pl_slice_str(rows[i].rest)))
            fail_msg("%s: rest %.*s", rows[i].channel, PL_FMT(ref.rest));
        assert_int_equal(ref.is_private, rows[i].is_private);
    }
    pl_config_free(&cfg);
}

static void thousands_of_namespaces_are_told_apart(void **state)
{
    struct pl_buf b = pl_buf_init(1 << 20);
    struct pl_config *cfg;
    char name[40];

    (void)state;
    pl_buf_printf(&b, "{\"channel\": {\"namespaces\": [");
    for (int i = 0; i < 3000; i++)
        pl_buf_printf(&b, "%s{\"name\": \"ns%d\", \"history_size\": %d, \"history_ttl\": \"1s\"}", i == 0 ? "" : ",", i, i + 1);
    pl_buf_printf(&b, "]}}");
    pl_buf_byte(&b, 0);
    cfg = load((const char *)b.p);
    for (int i = 0; i < 3000; i++) {
        struct pl_channel_ref ref;

        snprintf(name, sizeof name, "ns%d:x", i);
        assert_int_equal(pl_channel_resolve(cfg, pl_slice_str(name), &ref), PL_OK);
        assert_int_equal(ref.opts->history_size, i + 1);
        snprintf(name, sizeof name, "ns%d:x", i + 3000);
        assert_int_equal(pl_channel_resolve(cfg, pl_slice_str(name), &ref), PL_ENOENT);
    }
    pl_config_free(&cfg);
    pl_buf_fini(&b);
}

static void boundaries_can_be_changed_and_switched_off(void **state)
{
    struct pl_config *cfg = load("{\"channel\": {\"private_prefix\": \"\", \"namespace_boundary\": \"::\", \"user_boundary\": \"@@\", \"user_separator\": \"\","
                                 "\"namespaces\": [{\"name\": \"chat\", \"allow_user_limited_channels\": true}]}}");
    struct pl_channel_ref ref;

    (void)state;
    assert_int_equal(pl_channel_resolve(cfg, PL_LIT("chat::$1"), &ref), PL_OK);
    assert_int_equal(ref.ns, 1);
    assert_false(ref.is_private);
    assert_false(ref.is_user_limited);
    assert_int_equal(pl_channel_resolve(cfg, PL_LIT("$chat:1"), &ref), PL_OK);
    assert_int_equal(ref.ns, 0);
    assert_false(ref.is_private);
    assert_int_equal(pl_channel_resolve(cfg, PL_LIT("chat::x@@42,43"), &ref), PL_OK);
    assert_true(ref.is_user_limited);
    assert_true(pl_channel_user_ok(cfg, PL_LIT("chat::x@@42,43"), PL_LIT("42,43"))); /* no separator: one user */
    assert_false(pl_channel_user_ok(cfg, PL_LIT("chat::x@@42,43"), PL_LIT("42")));
    pl_config_free(&cfg);
    cfg = load("{\"channel\": {\"namespace_boundary\": \"\", \"user_boundary\": \"\", \"namespaces\": [{\"name\": \"chat\"}]}}");
    assert_int_equal(pl_channel_resolve(cfg, PL_LIT("chat:1"), &ref), PL_OK);
    assert_int_equal(ref.ns, 0);
    assert_true(pl_channel_user_ok(cfg, PL_LIT("x#1"), PL_LIT("2")));
    pl_config_free(&cfg);
}

static void only_listed_users_may_use_a_limited_channel(void **state)
{
    static const struct { const char *channel, *user; bool ok; } rows[] = {
        { "dialog#41,42", "41", true }, { "dialog#41,42", "42", true }, { "dialog#41,42", "4", false }, { "dialog#41,42", "421", false },
        { "dialog#41,42", "41,42", false }, { "dialog#41,42", "", false }, { "#42", "42", true }, { "#", "", true }, { "#", "1", false },
        { "a#1#2", "2", true }, { "a#1#2", "1", false }, { "a#1,", "", true }, { "a#,1", "1", true }, { "a", "anybody", true },
        { "a#1", "1 ", false },
    };
    struct pl_config *cfg = load("{\"channel\": {\"without_namespace\": {\"allow_user_limited_channels\": true}, \"namespaces\": [{\"name\": \"no\"}]}}");
    struct pl_channel_ref ref;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (pl_channel_user_ok(cfg, pl_slice_str(rows[i].channel), pl_slice_str(rows[i].user)) != rows[i].ok)
            fail_msg("%s for %s", rows[i].channel, rows[i].user);
    assert_int_equal(pl_channel_resolve(cfg, PL_LIT("x#1"), &ref), PL_OK);
    assert_true(ref.is_user_limited);
    assert_int_equal(pl_channel_resolve(cfg, PL_LIT("no:x#1"), &ref), PL_OK);
    assert_false(ref.is_user_limited); /* an ordinary character where the namespace does not allow it */
    pl_config_free(&cfg);
}

static void names_are_ascii_unless_a_pattern_says_otherwise(void **state)
{
    static const struct { const char *channel; bool ok; } rows[] = {
        { "plain", true }, { "with space!", true }, { "gr\xc3\xbcn", false }, { "low:abc9", true }, { "low:Abc", false }, { "low:", false },
        { "low:abc\n", false }, { "cyr:\xd0\xb0\xd1\x8f", true }, { "cyr:abc", false }, { "cyr:\xd0", false }, { "part:xxABxx", true }, { "part:xx", false },
    };
    struct pl_config *cfg = load("{\"channel\": {\"namespaces\": [{\"name\": \"low\", \"channel_regex\": \"^[a-z0-9]+$\"},"
                                 "{\"name\": \"cyr\", \"channel_regex\": \"^[\\u0430-\\u044f]+$\"}, {\"name\": \"part\", \"channel_regex\": \"AB\"}]}}");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_channel_ref ref;

        assert_int_equal(pl_channel_resolve(cfg, pl_slice_str(rows[i].channel), &ref), PL_OK);
        if (pl_channel_name_ok(&ref, pl_slice_str(rows[i].channel)) != rows[i].ok)
            fail_msg("%s", rows[i].channel);
    }
    pl_config_free(&cfg);
}

static void a_personal_channel_has_the_users_name(void **state)
{
    struct pl_config *cfg = load("{\"channel\": {\"namespaces\": [{\"name\": \"my\"}]}, \"client\": {\"subscribe_to_user_personal_channel\":"
                                 "{\"enabled\": true, \"personal_channel_namespace\": \"my\"}}}");
    uint8_t out[8];
    size_t len = 0;

    (void)state;
    assert_int_equal(pl_channel_personal(cfg, PL_LIT("4242"), out, sizeof out, &len), PL_OK);
    assert_true(pl_slice_eq(pl_slice(out, len), PL_LIT("my:#4242")));
    assert_int_equal(pl_channel_personal(cfg, PL_LIT("42424"), out, sizeof out, &len), PL_ETOOBIG);
    pl_config_free(&cfg);
    cfg = load("{}");
    assert_int_equal(pl_channel_personal(cfg, PL_LIT("7"), out, sizeof out, &len), PL_OK);
    assert_true(pl_slice_eq(pl_slice(out, len), PL_LIT("#7")));
    pl_config_free(&cfg);
}

static void globs_match_whole_texts(void **state)
{
    static const struct { const char *pattern, *text; bool ok; } rows[] = {
        { "*", "", true }, { "*", "abc", true }, { "", "", true }, { "", "a", false }, { "a*c", "abc", true }, { "a*c", "ac", true },
        { "a*c", "abcd", false }, { "a?c", "abc", true }, { "a?c", "ac", false }, { "https://*.shop.example", "https://a.shop.example", true },
        { "https://*.shop.example", "https://shop.example", false }, { "https://*.shop.example", "https://a.shop.example.evil", false },
        { "**a**", "bab", true }, { "\\*", "*", true }, { "\\*", "a", false }, { "a\\", "a\\", true }, { "*b*b*b", "abababab", true },
    };
    char text[3000], pattern[100] = "";

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (pl_glob_match(pl_slice_str(rows[i].pattern), pl_slice_str(rows[i].text)) != rows[i].ok)
            fail_msg("%s against %s", rows[i].pattern, rows[i].text);
    memset(text, 'a', sizeof text - 1); /* many stars against a text that almost matches: must not explode */
    text[sizeof text - 1] = 0;
    for (int i = 0; i < 30; i++)
        strcat(pattern, "*a");
    strcat(pattern, "*b");
    assert_false(pl_glob_match(pl_slice_str(pattern), pl_slice_str(text)));
}

static void patterns_are_those_of_re2(void **state)
{
    static const struct { const char *pattern, *text; bool ok; } good[] = {
        { "^a+$", "aaa", true }, { "a$", "a\n", false }, { "^(?P<tenant>[a-z]+)-(?<x>\\d+)$", "acme-7", true }, { "(?i)ABC", "xabcx", true },
        { "^(a|b)*$", "abab", true }, { "^[^:]{2,3}$", "ab", true }, { "^[^:]{2,3}$", "abcd", false }, { "^\\pL+$", "\xc3\xa4", true },
        { "^.$", "\xe2\x82\xac", true }, { "^[]a]+$", "]a", true }, { "^a+?$", "aa", true }, { "^(?:x(?:y)?)$", "xy", true }, { "", "anything", true },
        { "^\\Qa.b\\E$", "a.b", true }, { "^\\Qa.b\\E$", "axb", false }, { "\\bword\\b", "a word", true }, { "^[[:alpha:]]+$", "abc", true },
        { "^\\x41$", "A", true }, { "^a{2}$", "aa", true },
    };
    static const struct { const char *pattern, *why; } bad[] = {
        { "(?=a)", "look-ahead" }, { "(?!a)", "look-ahead" }, { "(?<!a)", "look-behind" }, { "(a)\\1", "back references" }, { "(?P=x)", "back references" },
        { "(?>a)", "group" }, { "(?R)", "group" }, { "(?1)", "group" }, { "(?C1)", "group" }, { "(?#x)", "group" }, { "(*FAIL)", "verbs" }, { "a++", "repeat" },
        { "a*+", "repeat" }, { "\\Ka", "escape" }, { "\\R", "escape" }, { "a**", "repeat" }, { "[a", "" }, { "(", "" }, { "a)", "" }, { "\\", "" }, { "[b-a]", "" },
        { "\xff", "" }, { "x{2,1}", "" },
    };
    char why[200], big[5000];
    struct pl_regex *re = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (pl_regex_new(pl_slice_str(good[i].pattern), why, sizeof why, &re) != PL_OK)
            fail_msg("%s: %s", good[i].pattern, why);
        if (pl_regex_match(re, pl_slice_str(good[i].text)) != good[i].ok)
            fail_msg("%s against %s", good[i].pattern, good[i].text);
        pl_regex_free(&re);
        assert_null(re);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (pl_regex_new(pl_slice_str(bad[i].pattern), why, sizeof why, &re) != PL_EINVAL)
            fail_msg("%s was taken", bad[i].pattern);
        if (strstr(why, bad[i].why) == NULL)
            fail_msg("%s: %s", bad[i].pattern, why);
    }
    memset(big, 'a', sizeof big);
    assert_int_equal(pl_regex_new(pl_slice(big, sizeof big), why, sizeof why, &re), PL_EINVAL);
}

/* What kills a backtracking matcher takes microseconds here. */
static void no_pattern_takes_exponential_time(void **state)
{
    static const char *const patterns[] = { "^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(.*a){20}$", "(x+x+)+y", "^([a-z]+)*-$" };
    char text[256], why[200];

    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '!';
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct pl_regex *re = NULL;

        assert_int_equal(pl_regex_new(pl_slice_str(patterns[i]), why, sizeof why, &re), PL_OK);
        assert_false(pl_regex_match(re, pl_slice(text, sizeof text)));
        pl_regex_free(&re);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_leads_to_its_namespace),
        cmocka_unit_test(thousands_of_namespaces_are_told_apart),
        cmocka_unit_test(boundaries_can_be_changed_and_switched_off),
        cmocka_unit_test(only_listed_users_may_use_a_limited_channel),
        cmocka_unit_test(names_are_ascii_unless_a_pattern_says_otherwise),
        cmocka_unit_test(a_personal_channel_has_the_users_name),
        cmocka_unit_test(globs_match_whole_texts),
        cmocka_unit_test(patterns_are_those_of_re2),
        cmocka_unit_test(no_pattern_takes_exponential_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
