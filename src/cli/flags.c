#include "cli/flags.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void help(const struct pl_flag_set *set)
{
    printf("usage: %s\n\n%s\n", set->usage, set->about);
    if (set->n > 0)
        printf("\n");
    for (size_t i = 0; i < set->n; i++) {
        const struct pl_flag *f = &set->flags[i];
        char left[64];

        snprintf(left, sizeof left, "%c%c%s%s%s%s", f->letter != 0 ? '-' : ' ', f->letter != 0 ? f->letter : ' ',
                 f->letter != 0 ? ", " : "  ", f->name, f->value != NULL ? " " : "", f->value != NULL ? f->value : "");
        printf("  %-26s %s", left, f->text);
        if (f->kind == PL_FLAG_TEXT && *(const char **)f->at != NULL)
            printf(" (%s)", *(const char **)f->at);
        if (f->kind == PL_FLAG_U32)
            printf(" (%" PRIu32 ")", *(uint32_t *)f->at);
        if (f->kind == PL_FLAG_SECONDS)
            printf(" (%" PRId64 "s)", *(int64_t *)f->at);
        printf("\n");
    }
}

static const struct pl_flag *find(const struct pl_flag_set *set, const char *word, size_t len)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct pl_flag *f = &set->flags[i];

        if (strlen(f->name) == len && memcmp(f->name, word, len) == 0)
            return f;
        if (f->letter != 0 && len == 2 && word[0] == '-' && word[1] == f->letter)
            return f;
    }
    return NULL;
}

static bool take_number(const char *text, int64_t *ret, const char **ret_rest)
{
    char *end;

    errno = 0;
    *ret = strtoll(text, &end, 10);
    *ret_rest = end;
    return end != text && errno == 0;
}

static bool set_number(const struct pl_flag *f, const char *text)
{
    const char *rest;
    int64_t v, unit = 1;

    if (!take_number(text, &v, &rest))
        return false;
    if (f->kind == PL_FLAG_SECONDS && *rest != 0 && v > 0) {
        unit = *rest == 's' ? 1 : *rest == 'm' ? 60 : *rest == 'h' ? 3600 : *rest == 'd' ? 86400 : 0;
        rest++;
    }
    if (*rest != 0 || unit == 0 || __builtin_mul_overflow(v, unit, &v) || v < f->min || v > f->max)
        return false;
    if (f->kind == PL_FLAG_U32)
        *(uint32_t *)f->at = (uint32_t)v;
    else
        *(int64_t *)f->at = v;
    return true;
}

static enum pl_flags_outcome bad(const struct pl_flag_set *set, const char *what, const char *word)
{
    fprintf(stderr, "peal: %s: %s\nusage: %s (--help tells more)\n", what, word, set->usage);
    return PL_FLAGS_BAD;
}

enum pl_flags_outcome pl_flags_parse(const struct pl_flag_set *set, int argc, char **argv, int *ret_n)
{
    int n = 0;
    bool is_over = false;

    for (int i = 1; i < argc; i++) {
        char *word = argv[i], *value = NULL;
        const struct pl_flag *f;
        size_t len = strcspn(word, "=");

        if (is_over || word[0] != '-' || word[1] == 0) {
            argv[++n] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            is_over = true;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            help(set);
            return PL_FLAGS_HELP;
        }
        f = find(set, word, len);
        if (f == NULL)
            return bad(set, "unknown flag", word);
        if (f->kind == PL_FLAG_BOOL) {
            if (word[len] == '=')
                return bad(set, "this flag takes no value", word);
            *(bool *)f->at = true;
            continue;
        }
        value = word[len] == '=' ? word + len + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (value == NULL)
            return bad(set, "value missing after", word);
        if (f->kind == PL_FLAG_TEXT) {
            *(const char **)f->at = value;
        } else if (!set_number(f, value)) {
            fprintf(stderr, "peal: %s %s: a whole number from %" PRId64 " to %" PRId64 " is wanted\n", f->name, value, f->min, f->max);
            return PL_FLAGS_BAD;
        }
    }
    *ret_n = n;
    return PL_FLAGS_OK;
}
