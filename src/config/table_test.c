/* The table of options itself: whatever a row says must be possible. */
#include "config/doc.h"
#include "config/loader.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS_MAX = 2000 };

struct keys {
    char *v[KEYS_MAX];
    const struct pl_opt *rows[KEYS_MAX];
    size_t n;
};

static void gather(const struct pl_opt *table, const char *prefix, struct keys *keys)
{
    for (const struct pl_opt *o = table; o->key != NULL; o++) {
        char path[PL_PATH_MAX];

        assert_true(snprintf(path, sizeof path, "%s%s", prefix, o->key) < (int)sizeof path);
        if (o->kind != PL_OPT_BLOCK) {
            assert_true(keys->n < KEYS_MAX);
            keys->rows[keys->n] = o;
            keys->v[keys->n++] = strdup(path);
        }
        if (o->kind == PL_OPT_BLOCK || o->kind == PL_OPT_LIST) {
            strcat(path, o->kind == PL_OPT_LIST ? "[0]." : ".");
            gather(o->table, path, keys);
        }
    }
}

static void drop(struct keys *keys)
{
    for (size_t i = 0; i < keys->n; i++)
        free(keys->v[i]);
}

static void every_row_is_whole_and_found_by_its_key(void **state)
{
    struct keys keys = { .n = 0 };

    (void)state;
    gather(pl_options, "", &keys);
    assert_true(keys.n > 300);
    for (size_t i = 0; i < keys.n; i++) {
        const struct pl_opt *o = keys.rows[i];
        struct pl_opt_at at;

        if (!pl_opt_find(pl_options, NULL, pl_slice_str(keys.v[i]), &at) || at.opt != o)
            fail_msg("%s is not found", keys.v[i]);
        if (o->text == NULL || o->text[0] == 0 || o->min > o->max || strchr(o->text, '\n') != NULL)
            fail_msg("%s: text or bounds", keys.v[i]);
        if ((o->kind == PL_OPT_ENUM || o->kind == PL_OPT_FLAGS) && (o->words == NULL || o->words[0] == NULL))
            fail_msg("%s: no words", keys.v[i]);
        for (const char *c = o->key; *c != 0; c++)
            if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_' && *c != '.')
                fail_msg("%s: not a key", keys.v[i]);
    }
    drop(&keys);
}

static void spell(const char *key, char out[PL_PATH_MAX])
{
    size_t n = 0;

    for (; key[n] != 0; n++)
        out[n] = (char)(isalnum((unsigned char)key[n]) ? toupper((unsigned char)key[n]) : '_');
    out[n] = 0;
}

/* Two keys must not share a variable: the second could never be set. */
static void no_two_keys_have_one_name_or_one_variable(void **state)
{
    struct keys keys = { .n = 0 };
    char a[PL_PATH_MAX], b[PL_PATH_MAX];

    (void)state;
    gather(pl_options, "", &keys);
    for (size_t i = 0; i < keys.n; i++) {
        spell(keys.v[i], a);
        for (size_t j = i + 1; j < keys.n; j++) {
            spell(keys.v[j], b);
            if (strcmp(a, b) == 0)
                fail_msg("%s and %s", keys.v[i], keys.v[j]);
        }
    }
    drop(&keys);
}

static void no_key_is_peals_and_only_centrifugos(void **state)
{
    struct keys keys = { .n = 0 };
    const char *why;

    (void)state;
    gather(pl_options, "", &keys);
    for (size_t i = 0; i < keys.n; i++) {
        char plain[PL_PATH_MAX], *index;

        snprintf(plain, sizeof plain, "%s", keys.v[i]);
        while ((index = strstr(plain, "[0]")) != NULL)
            memmove(index, index + 3, strlen(index + 3) + 1);
        if (pl_foreign_find(plain, &why) == PL_FOREIGN_KEY)
            fail_msg("%s", keys.v[i]);
    }
    drop(&keys);
}

static struct pl_config *load(const char *json, size_t *ret_warnings)
{
    struct pl_config_input in = { .file = "t.json", .text = pl_slice_str(json) };
    struct pl_config_report report = { NULL };
    struct pl_config *cfg = NULL;
    enum pl_err err = pl_config_load(&in, &cfg, &report);

    if (err != PL_OK)
        fail_msg("%s", report.n != 0 ? report.v[0].text : "?");
    *ret_warnings = report.n_warnings;
    pl_config_report_fini(&report);
    return cfg;
}

/* Compares two configurations row by row. */
static void same(const struct pl_opt *table, const char *a, const char *b)
{
    for (const struct pl_opt *o = table; o->key != NULL; o++) {
        const char *x = a + o->offset, *y = b + o->offset;
        size_t n = o->kind == PL_OPT_BOOL ? sizeof(bool)
                 : o->kind == PL_OPT_INT || o->kind == PL_OPT_ENUM || o->kind == PL_OPT_FLAGS ? sizeof(int)
                 : o->kind == PL_OPT_INT64 || o->kind == PL_OPT_DURATION || o->kind == PL_OPT_SIZE ? 8 : 0;

        if (o->kind == PL_OPT_BLOCK)
            same(o->table, x, y);
        else if (n != 0 && memcmp(x, y, n) != 0)
            fail_msg("%s", o->key);
        else if (o->kind == PL_OPT_STRING && strcmp(*(const char *const *)(const void *)x, *(const char *const *)(const void *)y) != 0)
            fail_msg("%s", o->key);
    }
}

static void the_printed_defaults_are_the_defaults(void **state)
{
    struct pl_buf b = pl_buf_init(1 << 20);
    struct pl_config *empty, *full;
    size_t warnings;

    (void)state;
    assert_int_equal(pl_config_defaults(&b), PL_OK);
    pl_buf_byte(&b, 0);
    empty = load("{}", &warnings);
    full = load((const char *)b.p, &warnings);
    assert_int_equal(warnings, 0);
    same(pl_options, (const char *)empty, (const char *)full);
    pl_config_free(&empty);
    pl_config_free(&full);
    pl_buf_fini(&b);
}

static void the_reference_names_every_key(void **state)
{
    struct keys keys = { .n = 0 };
    struct pl_buf b = pl_buf_init(1 << 20);

    (void)state;
    gather(pl_options, "", &keys);
    pl_config_doc(&b);
    pl_buf_byte(&b, 0);
    assert_true(pl_buf_ok(&b));
    for (size_t i = 0; i < keys.n; i++) {
        char want[PL_PATH_MAX], *index;
        const char *key = keys.v[i];

        if (strncmp(key, "channel.namespaces[0].", 22) == 0)
            key += 22;
        else if (strncmp(key, "channel.without_namespace.", 26) == 0)
            key += 26;
        snprintf(want, sizeof want, "| `%s` |", key);
        while ((index = strstr(want, "[0]")) != NULL)
            memmove(index + 1, index + 2, strlen(index + 2) + 1);
        if (strstr((const char *)b.p, want) == NULL)
            fail_msg("%s", want);
    }
    drop(&keys);
    pl_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole_and_found_by_its_key),
        cmocka_unit_test(no_two_keys_have_one_name_or_one_variable),
        cmocka_unit_test(no_key_is_peals_and_only_centrifugos),
        cmocka_unit_test(the_printed_defaults_are_the_defaults),
        cmocka_unit_test(the_reference_names_every_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
