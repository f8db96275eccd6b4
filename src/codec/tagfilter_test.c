#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "codec/tagfilter.h"

/* The Protobuf text of a filter, or the reason that there is none. */
static enum pl_err parse(const char *json, struct pl_buf *text, struct pl_tagfilter_node *nodes, size_t *n)
{
    struct pl_scratch scratch = pl_scratch_init(65536);
    enum pl_err err = pl_tagfilter_json(pl_slice_str(json), &scratch, text);

    pl_scratch_fini(&scratch);
    return err == PL_OK ? pl_tagfilter_parse(pl_buf_slice(text), nodes, n) : err;
}

static bool match(const char *json, const char *tags)
{
    struct pl_tagfilter_node nodes[PL_TAGFILTER_NODES_MAX];
    struct pl_buf text = pl_buf_init(PL_TAGFILTER_BYTES_MAX);
    size_t n = 0;
    bool is_match;

    if (parse(json, &text, nodes, &n) != PL_OK)
        fail_msg("%s is no filter", json);
    is_match = pl_tagfilter_match(nodes, n, pl_slice_str(tags));
    pl_buf_fini(&text);
    return is_match;
}

static const struct { const char *cmp, *rest, *pass, *drop; } comparisons[] = {
    { "eq", "\"val\":\"red\"", "{\"c\":\"red\"}", "{\"c\":\"reds\"}" },
    { "eq", "\"val\":\"red\"", "{\"c\":\"blue\",\"c\":\"red\"}", "{\"d\":\"red\"}" },
    { "eq", "\"val\":\"a\\\"b\"", "{\"c\":\"a\\\"b\"}", "" },
    { "neq", "\"val\":\"red\"", "{\"c\":\"blue\"}", "{\"c\":\"red\"}" },
    { "in", "\"vals\":[\"a\",\"b\"]", "{\"c\":\"b\"}", "{\"c\":\"c\"}" },
    { "in", "\"vals\":[\"a\",\"\"]", "", "{\"c\":\"c\"}" },
    { "nin", "\"vals\":[\"a\",\"b\"]", "{\"c\":\"c\"}", "{\"c\":\"a\"}" },
    { "nin", "\"vals\":[\"a\",\"\"]", "{\"c\":\"c\"}", "" },
    { "ex", "\"val\":\"\"", "{\"c\":\"\"}", "{\"cc\":\"x\"}" },
    { "nex", "\"vals\":[]", "{\"C\":\"x\"}", "{\"c\":\"\"}" },
    { "sw", "\"val\":\"re\"", "{\"c\":\"red\"}", "{\"c\":\"r\"}" },
    { "ew", "\"val\":\"ed\"", "{\"c\":\"red\"}", "{\"c\":\"d\"}" },
    { "ct", "\"val\":\"e\"", "{\"c\":\"red\"}", "{\"c\":\"\"}" },
    { "lt", "\"val\":\"10\"", "{\"c\":\"9.99999999999999999999999999999\"}", "{\"c\":\"10.0\"}" },
    { "lte", "\"val\":\"10\"", "{\"c\":\"1e1\"}", "{\"c\":\"10.00000000000000000000000000001\"}" },
    { "gt", "\"val\":\"-1\"", "{\"c\":\"0\"}", "{\"c\":\"-1.5\"}" },
    { "gte", "\"val\":\"9007199254740993\"", "{\"c\":\"9007199254740993\"}", "{\"c\":\"9007199254740992\"}" },
    { "gte", "\"val\":\"1\"", "{\"c\":\"1\"}", "{\"c\":\"one\"}" },
};

static void each_comparison_passes_and_drops(void **state)
{
    char json[200];

    (void)state;
    for (size_t i = 0; i < sizeof comparisons / sizeof comparisons[0]; i++) {
        snprintf(json, sizeof json, "{\"key\":\"c\",\"cmp\":\"%s\",%s}", comparisons[i].cmp, comparisons[i].rest);
        if (!match(json, comparisons[i].pass) || match(json, comparisons[i].drop))
            fail_msg("row %zu: %s", i, json);
    }
}

static void a_missing_tag_differs_and_is_absent_and_nothing_else(void **state)
{
    static const char *const with_val[] = { "eq", "sw", "ew", "ct", "lt", "lte", "gt", "gte" };
    char json[200];

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        snprintf(json, sizeof json, "{\"key\":\"c\",\"cmp\":\"%s\",\"val\":\"0\"}", with_val[i]);
        assert_false(match(json, ""));
    }
    assert_true(match("{\"key\":\"c\",\"cmp\":\"neq\",\"val\":\"0\"}", ""));
    assert_true(match("{\"key\":\"c\",\"cmp\":\"nex\"}", ""));
    assert_false(match("{\"key\":\"c\",\"cmp\":\"ex\"}", ""));
}

static void inner_nodes_combine(void **state)
{
    const char *f = "{\"op\":\"and\",\"nodes\":[{\"op\":\"or\",\"nodes\":[{\"key\":\"a\",\"cmp\":\"eq\",\"val\":\"1\"},"
                    "{\"key\":\"a\",\"cmp\":\"eq\",\"val\":\"2\"}]},{\"op\":\"not\",\"nodes\":[{\"key\":\"b\",\"cmp\":\"ex\"}]}]}";

    (void)state;
    assert_true(match(f, "{\"a\":\"1\"}"));
    assert_true(match(f, "{\"a\":\"2\"}"));
    assert_false(match(f, "{\"a\":\"3\"}"));
    assert_false(match(f, "{\"a\":\"1\",\"b\":\"\"}"));
}

static const char *const invalid[] = {
    "{}", "null", "{\"key\":\"c\",\"cmp\":\"zz\",\"val\":\"x\"}", "{\"cmp\":\"eq\",\"val\":\"x\"}", "{\"key\":\"c\",\"cmp\":\"eq\"}",
    "{\"key\":\"c\",\"cmp\":\"eq\",\"val\":\"x\",\"vals\":[\"y\"]}", "{\"key\":\"c\",\"cmp\":\"in\"}",
    "{\"key\":\"c\",\"cmp\":\"in\",\"vals\":[\"y\"],\"val\":\"x\"}", "{\"key\":\"c\",\"cmp\":\"ex\",\"val\":\"x\"}",
    "{\"key\":\"c\",\"cmp\":\"nex\",\"vals\":[\"x\"]}", "{\"op\":\"not\",\"nodes\":[]}", "{\"op\":\"and\"}", "{\"op\":\"xor\",\"nodes\":[]}",
    "{\"op\":\"not\",\"nodes\":[{\"key\":\"c\",\"cmp\":\"ex\"},{\"key\":\"c\",\"cmp\":\"ex\"}]}",
    "{\"op\":\"or\",\"nodes\":[{\"key\":\"c\",\"cmp\":\"ex\"},{}]}", "{\"key\":\"\",\"cmp\":\"ex\"}",
};

static void what_breaks_a_rule_is_refused(void **state)
{
    struct pl_tagfilter_node nodes[PL_TAGFILTER_NODES_MAX];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        struct pl_buf text = pl_buf_init(PL_TAGFILTER_BYTES_MAX);

        if (parse(invalid[i], &text, nodes, &n) != PL_EINVAL)
            fail_msg("taken: %s", invalid[i]);
        pl_buf_fini(&text);
    }
}

/* `depth` nots around a leaf; or an or of `width` leaves. */
static enum pl_err sized(unsigned depth, unsigned width)
{
    struct pl_tagfilter_node nodes[PL_TAGFILTER_NODES_MAX];
    struct pl_buf json = pl_buf_init(65536), text = pl_buf_init(PL_TAGFILTER_BYTES_MAX);
    enum pl_err err;
    size_t n;

    for (unsigned i = 0; i < depth; i++)
        PL_BUF_LIT(&json, "{\"op\":\"not\",\"nodes\":[");
    PL_BUF_LIT(&json, "{\"op\":\"or\",\"nodes\":[");
    for (unsigned i = 0; i < width; i++)
        pl_buf_printf(&json, "%s{\"key\":\"k\",\"cmp\":\"ex\"}", i == 0 ? "" : ",");
    PL_BUF_LIT(&json, "]}");
    for (unsigned i = 0; i < depth; i++)
        PL_BUF_LIT(&json, "]}");
    pl_buf_byte(&json, 0);
    err = parse((const char *)json.p, &text, nodes, &n);
    pl_buf_fini(&json);
    pl_buf_fini(&text);
    return err;
}

static void depth_and_number_of_nodes_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(sized(PL_TAGFILTER_DEPTH_MAX - 2, 1), PL_OK);
    assert_int_equal(sized(PL_TAGFILTER_DEPTH_MAX - 1, 1), PL_EINVAL);
    assert_int_equal(sized(0, PL_TAGFILTER_NODES_MAX - 1), PL_OK);
    assert_int_equal(sized(0, PL_TAGFILTER_NODES_MAX), PL_EINVAL);
}

static void every_prefix_of_a_filter_is_refused_or_a_filter(void **state)
{
    struct pl_tagfilter_node nodes[PL_TAGFILTER_NODES_MAX];
    struct pl_buf text = pl_buf_init(PL_TAGFILTER_BYTES_MAX);
    size_t n, n_taken = 0;

    (void)state;
    assert_int_equal(parse("{\"op\":\"or\",\"nodes\":[{\"key\":\"a\",\"cmp\":\"in\",\"vals\":[\"x\",\"y\"]},{\"key\":\"b\",\"cmp\":\"ex\"}]}",
                           &text, nodes, &n), PL_OK);
    assert_int_equal(n, 3);
    for (size_t len = 0; len < text.len; len++) {
        uint8_t *cut = malloc(len + 1); /* of its own, so that a read beyond it is seen */

        memcpy(cut, text.p, len);
        if (pl_tagfilter_parse(pl_slice(cut, len), nodes, &n) == PL_OK) {
            (void)pl_tagfilter_match(nodes, n, PL_LIT("{\"a\":\"x\"}"));
            n_taken++;
        }
        free(cut);
    }
    assert_int_equal(n_taken, 1); /* where only the first child stands */
    pl_buf_fini(&text);
}

static const struct { const char *a, *b; int order; } decimals[] = {
    { "0", "-0.000", 0 }, { "1", "01.0", 0 }, { "1e2", "100", 0 }, { ".5", "0.50", 0 }, { "5.", "5", 0 }, { "+3", "3", 0 },
    { "1", "2", -1 }, { "-1", "1", -1 }, { "-2", "-1", -1 }, { "0.1", "0.10000000000000000000000000001", -1 }, { "99", "100", -1 },
    { "0.009", "0.01", -1 }, { "1e-1000000", "0", 1 }, { "1e1000000000", "9e999999999", 1 }, { "-1e9", "-1e8", -1 }, { "0", "0.001", -1 },
    { "123456789012345678901234567890", "123456789012345678901234567891", -1 }, { "1.10", "1.1", 0 }, { "10.01", "10.1", -1 },
};

static void decimals_compare_exactly(void **state)
{
    static const char *const bad[] = { "", "-", ".", "1e", "1e+", "0x1", "1 ", " 1", "NaN", "1_0", "--1", "1.2.3", "1e1.5", "1e1000000001", "+" };
    int order;

    (void)state;
    for (size_t i = 0; i < sizeof decimals / sizeof decimals[0]; i++) {
        assert_int_equal(pl_decimal_compare(pl_slice_str(decimals[i].a), pl_slice_str(decimals[i].b), &order), PL_OK);
        if (order != decimals[i].order)
            fail_msg("%s against %s gave %d", decimals[i].a, decimals[i].b, order);
        assert_int_equal(pl_decimal_compare(pl_slice_str(decimals[i].b), pl_slice_str(decimals[i].a), &order), PL_OK);
        assert_int_equal(order, -decimals[i].order);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(pl_decimal_compare(pl_slice_str(bad[i]), PL_LIT("1"), &order), PL_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_comparison_passes_and_drops),
        cmocka_unit_test(a_missing_tag_differs_and_is_absent_and_nothing_else),
        cmocka_unit_test(inner_nodes_combine),
        cmocka_unit_test(what_breaks_a_rule_is_refused),
        cmocka_unit_test(depth_and_number_of_nodes_are_bounded),
        cmocka_unit_test(every_prefix_of_a_filter_is_refused_or_a_filter),
        cmocka_unit_test(decimals_compare_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
