/* config/value.c - one value into one field, from JSON or from text. */
#include "base/check.h"
#include "config/loader.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

void pl_quote(struct pl_slice s, char out[300])
{
    size_t at = 0, n = s.len > 64 ? 64 : s.len;

    out[at++] = '"';
    for (size_t i = 0; i < n; i++) {
        uint8_t c = s.p[i];

        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            out[at++] = (char)c;
        else
            at += (size_t)snprintf(out + at, 5, "\\x%02x", c);
    }
    snprintf(out + at, 300 - at, s.len > n ? "...\"" : "\"");
}

/* What was given, for a message: never for secrets. */
static void shown(const json_t *json, struct pl_slice text, char out[300])
{
    char *dump;

    if (json == NULL) {
        pl_quote(text, out);
        return;
    }
    if (json_is_string(json)) {
        pl_quote(pl_slice(json_string_value(json), json_string_length(json)), out);
        return;
    }
    if (json_is_object(json) || json_is_array(json)) {
        snprintf(out, 300, json_is_object(json) ? "an object" : "an array");
        return;
    }
    dump = json_dumps(json, JSON_ENCODE_ANY);
    snprintf(out, 300, "%s", dump != NULL ? dump : "?");
    free(dump);
}

struct given {
    struct pl_loader *l;
    const struct pl_opt *o;
    const char *path;
    const json_t *json;   /* NULL: text */
    struct pl_slice text; /* of a JSON string, too */
    bool is_text;         /* from environment, flag, default, or a JSON string */
};

static void refuse(const struct given *g, const char *want)
{
    char what[300];

    if (g->o->kind == PL_OPT_SECRET)
        pl_loader_error(g->l, g->path, "this secret must be %s", want);
    else {
        shown(g->json, g->text, what);
        pl_loader_error(g->l, g->path, "%s is not %s", what, want);
    }
}

static void number_text(const struct pl_opt *o, int64_t v, char out[64])
{
    struct pl_buf b = pl_buf_init(63);

    if (o->kind == PL_OPT_DURATION)
        pl_duration_print(v, &b);
    else
        pl_buf_i64(&b, v);
    snprintf(out, 64, "%.*s", PL_FMT(pl_buf_slice(&b)));
    pl_buf_fini(&b);
}

/* Checks bounds; false: reported. */
static bool in_bounds(const struct given *g, int64_t v)
{
    char given[64], bound[64];

    if (v >= g->o->min && v <= g->o->max)
        return true;
    number_text(g->o, v, given);
    number_text(g->o, v < g->o->min ? g->o->min : g->o->max, bound);
    if (v < g->o->min)
        pl_loader_error(g->l, g->path, "%s is below the lowest value, %s", given, bound);
    else
        pl_loader_error(g->l, g->path, "%s is above the highest value, %s", given, bound);
    return false;
}

static bool get_number(const struct given *g, int64_t *ret)
{
    const struct pl_opt *o = g->o;

    if (o->kind == PL_OPT_DURATION) {
        bool is_zero = !g->is_text && json_is_integer(g->json) && json_integer_value(g->json) == 0;

        *ret = 0;
        if (!is_zero && (!g->is_text || pl_duration_parse(g->text, ret) != PL_OK)) {
            refuse(g, "a duration such as \"25s\" or \"1m30s\"");
            return false;
        }
        if ((o->flags & PL_OPT_SECONDS) != 0 && *ret % 1000 != 0) {
            refuse(g, "a duration in whole seconds");
            return false;
        }
        return in_bounds(g, *ret);
    }
    if (g->json != NULL && json_is_integer(g->json)) {
        *ret = json_integer_value(g->json);
        return in_bounds(g, *ret);
    }
    if (o->kind == PL_OPT_SIZE) {
        if (g->is_text && pl_size_parse(g->text, ret))
            return in_bounds(g, *ret);
        refuse(g, "a number of bytes (or text such as \"64KiB\")");
        return false;
    }
    if (g->is_text && (g->json == NULL || (o->flags & PL_OPT_TEXT_INT) != 0)) {
        if (g->text.len == 0 && (o->flags & PL_OPT_TEXT_INT) != 0) { /* internal_port: "" is how Centrifugo says none */
            *ret = 0;
            return in_bounds(g, 0);
        }
        if (pl_i64_parse(g->text, ret))
            return in_bounds(g, *ret);
    }
    refuse(g, "a whole number");
    return false;
}

static bool get_text(const struct given *g, struct pl_slice *ret)
{
    if (!g->is_text) {
        refuse(g, "text");
        return false;
    }
    if (g->text.len != 0 && memchr(g->text.p, 0, g->text.len) != NULL) {
        refuse(g, "text without NUL bytes");
        return false;
    }
    if ((int64_t)g->text.len > g->o->max) {
        pl_loader_error(g->l, g->path, "%zu bytes are more than the longest value, %lld bytes", g->text.len, (long long)g->o->max);
        return false;
    }
    *ret = g->text;
    return true;
}

/* A URL path: begins with '/' and loses one at its end, as Centrifugo's; "" is "/". */
static const char *prefix_path(const struct given *g, struct pl_slice s)
{
    char *p;

    for (size_t i = 0; i < s.len; i++)
        if (s.p[0] != '/' || s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '?' || s.p[i] == '#') {
            refuse(g, "a URL path: it begins with /, without spaces, ? and #");
            return "/";
        }
    while (s.len > 0 && s.p[s.len - 1] == '/')
        s.len--;
    p = s.len == 0 ? NULL : pl_loader_alloc(g->l, s.len + 1);
    if (p == NULL)
        return "/";
    memcpy(p, s.p, s.len);
    return p;
}

static int word_index(const struct pl_opt *o, struct pl_slice s)
{
    if (s.len == 0)
        return o->kind == PL_OPT_ENUM ? 0 : -1;
    for (int i = 0; o->words[i] != NULL; i++)
        if (pl_slice_eq(s, pl_slice_str(o->words[i])))
            return i;
    return -1;
}

static void refuse_word(const struct given *g, struct pl_slice word)
{
    char what[300];
    struct pl_buf b = pl_buf_init(1024);

    for (int i = 0; g->o->words[i] != NULL; i++)
        if (g->o->words[i][0] != 0)
            pl_buf_printf(&b, "%s%s", b.len == 0 ? "" : ", ", g->o->words[i]);
    pl_quote(word, what);
    pl_loader_error(g->l, g->path, "%s is not one of: %.*s", what, PL_FMT(pl_buf_slice(&b)));
    pl_buf_fini(&b);
}

/* The words of a list: a JSON array of strings, or text separated by spaces. Calls fn for each; false: reported. */
static bool each_word(const struct given *g, bool (*fn)(const struct given *g, void *arg, struct pl_slice word), void *arg)
{
    struct pl_slice s = g->text;
    int64_t n = 0;

    if (g->json != NULL) {
        size_t i;
        const json_t *item;

        if (!json_is_array(g->json)) {
            refuse(g, "an array of strings");
            return false;
        }
        json_array_foreach(g->json, i, item) {
            if (!json_is_string(item)) {
                pl_loader_error(g->l, g->path, "item %zu of the array is not a string", i);
                return false;
            }
            if ((int64_t)i >= g->o->max && g->o->kind != PL_OPT_FLAGS) {
                pl_loader_error(g->l, g->path, "more than %lld items", (long long)g->o->max);
                return false;
            }
            if (!fn(g, arg, pl_slice(json_string_value(item), json_string_length(item))))
                return false;
        }
        return true;
    }
    while (s.len > 0) {
        size_t len = 0;

        while (len < s.len && !isspace(s.p[len]))
            len++;
        if (len > 0 && (++n > g->o->max && g->o->kind != PL_OPT_FLAGS)) {
            pl_loader_error(g->l, g->path, "more than %lld items", (long long)g->o->max);
            return false;
        }
        if (len > 0 && !fn(g, arg, pl_slice(s.p, len)))
            return false;
        s = pl_slice_from(s, len < s.len ? len + 1 : len);
    }
    return true;
}

static size_t count_words(const struct given *g)
{
    size_t n = 0;

    if (g->json != NULL)
        return json_array_size(g->json);
    for (size_t i = 0; i < g->text.len; i++)
        if (!isspace(g->text.p[i]) && (i == 0 || isspace(g->text.p[i - 1])))
            n++;
    return n;
}

static bool add_flag(const struct given *g, void *arg, struct pl_slice word)
{
    int i = word_index(g->o, word);

    if (i < 0) {
        refuse_word(g, word);
        return false;
    }
    *(unsigned *)arg |= 1u << i;
    return true;
}

static bool add_string(const struct given *g, void *arg, struct pl_slice word)
{
    struct pl_strlist *list = arg;

    if (memchr(word.len != 0 ? (const char *)word.p : "x", 0, word.len) != NULL) {
        pl_loader_error(g->l, g->path, "an item has a NUL byte");
        return false;
    }
    list->v[list->n++] = pl_loader_text(g->l, word);
    return true;
}

static bool add_cidr(const struct given *g, void *arg, struct pl_slice word)
{
    struct pl_cidr_list *list = arg;
    char what[300];

    if (pl_cidr_parse(word, &list->v[list->n]) != PL_OK) {
        pl_quote(word, what);
        pl_loader_error(g->l, g->path, "%s is not an address, an address range such as 10.0.0.0/8, or unix", what);
        return false;
    }
    list->n++;
    return true;
}

/* Elements of a list of objects. Text: names, or a JSON array. */
static void set_list(const struct given *g, void *base)
{
    const struct pl_opt *o = g->o;
    char **ret_v = (char **)((char *)base + o->offset);
    size_t *ret_n = (size_t *)((char *)base + o->count_offset);
    json_t *parsed = NULL;
    const json_t *array = g->json;
    bool has_name = strcmp(o->table[0].key, "name") == 0;
    size_t n;

    if (array == NULL && g->text.len > 0 && g->text.p[0] == '[') {
        json_error_t err;

        parsed = json_loadb((const char *)g->text.p, g->text.len, JSON_REJECT_DUPLICATES, &err);
        if (parsed == NULL) {
            pl_loader_error(g->l, g->path, "not JSON: %s", err.text);
            return;
        }
        array = parsed;
    }
    if (array != NULL && !json_is_array(array)) {
        refuse(g, "an array of objects");
        json_decref(parsed);
        return;
    }
    if (array == NULL && !has_name) {
        refuse(g, "a JSON array of objects");
        return;
    }
    n = array != NULL ? json_array_size(array) : count_words(g);
    if ((int64_t)n > o->max) {
        pl_loader_error(g->l, g->path, "more than %lld items", (long long)o->max);
        json_decref(parsed);
        return;
    }
    *ret_v = n == 0 ? NULL : pl_loader_alloc(g->l, n * o->elem_size);
    *ret_n = *ret_v == NULL ? 0 : n;
    for (size_t i = 0; i < *ret_n; i++)
        pl_value_defaults(g->l, o->table, *ret_v + i * o->elem_size);
    if (array != NULL) {
        for (size_t i = 0; i < *ret_n; i++) {
            const json_t *item = json_array_get(array, i);
            char path[PL_PATH_MAX];

            snprintf(path, sizeof path, "%s[%zu]", g->path, i);
            if (json_is_object(item))
                pl_file_object(g->l, o->table, *ret_v + i * o->elem_size, path, item);
            else
                pl_loader_error(g->l, path, "not an object");
        }
    } else {
        struct pl_strlist names = { *ret_n == 0 ? NULL : pl_loader_alloc(g->l, *ret_n * sizeof *names.v), 0 };

        if (names.v != NULL && each_word(g, add_string, &names))
            for (size_t i = 0; i < names.n; i++)
                *(const char **)(*ret_v + i * o->elem_size + o->table[0].offset) = names.v[i];
    }
    json_decref(parsed);
}

/* Does the field hold something else than its default? */
static bool is_used(const struct pl_opt *o, const void *at)
{
    struct pl_slice def = pl_slice_str(o->def);
    int64_t n = 0;

    switch (o->kind) {
    case PL_OPT_STRING: return strcmp(*(const char *const *)at, o->def != NULL ? o->def : "") != 0;
    case PL_OPT_SECRET: return pl_secret_is_set(*(const struct pl_secret *)at);
    case PL_OPT_BOOL: return *(const bool *)at != ((o->flags & PL_OPT_INVERT) != 0);
    case PL_OPT_INT: return def.len == 0 || !pl_i64_parse(def, &n) ? *(const int *)at != 0 : *(const int *)at != n;
    case PL_OPT_INT64: return *(const int64_t *)at != 0;
    case PL_OPT_DURATION: return *(const int64_t *)at != (pl_duration_parse(def, &n) == PL_OK ? n : 0);
    case PL_OPT_SIZE: return *(const size_t *)at != (size_t)(pl_size_parse(def, &n) ? n : 0);
    case PL_OPT_ENUM:
    case PL_OPT_FLAGS: return *(const unsigned *)at != 0;
    case PL_OPT_STRINGS: return ((const struct pl_strlist *)at)->n != 0;
    case PL_OPT_CIDRS: return ((const struct pl_cidr_list *)at)->n != 0;
    case PL_OPT_LIST: return true;
    case PL_OPT_BLOCK: break;
    }
    return false;
}

void pl_value_set(struct pl_loader *l, const struct pl_opt *o, void *base, const char *path, const json_t *json, struct pl_slice text)
{
    struct given g = { l, o, path, json, text, json == NULL || json_is_string(json) };
    char *at = (char *)base + o->offset;
    json_t *parsed = NULL;
    int64_t n = 0;

    if (json != NULL && json_is_string(json))
        g.text = pl_slice(json_string_value(json), json_string_length(json));
    /* A list of plain words may come as a JSON array in the environment, too. */
    if (json == NULL && text.len > 0 && text.p[0] == '[' &&
        (o->kind == PL_OPT_STRINGS || o->kind == PL_OPT_CIDRS || o->kind == PL_OPT_FLAGS)) {
        parsed = json_loadb((const char *)text.p, text.len, 0, NULL);
        g.json = parsed; /* NULL: then "[" is part of a word */
    }
    pl_loader_origin(l, path);
    switch (o->kind) {
    case PL_OPT_STRING:
        if (get_text(&g, &g.text))
            *(const char **)at = (o->flags & PL_OPT_PREFIX) != 0 ? prefix_path(&g, g.text) : pl_loader_text(l, g.text);
        break;
    case PL_OPT_SECRET:
        if (get_text(&g, &g.text))
            *(struct pl_secret *)at = (struct pl_secret){ (const uint8_t *)pl_loader_text(l, g.text), g.text.len };
        break;
    case PL_OPT_BOOL: {
        bool v = json != NULL && json_is_true(json);

        if (json == NULL ? !pl_bool_parse(g.text, &v) : !json_is_boolean(json)) {
            refuse(&g, "true or false");
            break;
        }
        *(bool *)at = (o->flags & PL_OPT_INVERT) != 0 ? !v : v;
        break;
    }
    case PL_OPT_INT:
        if (get_number(&g, &n))
            *(int *)at = (int)n;
        break;
    case PL_OPT_INT64:
    case PL_OPT_DURATION:
        if (get_number(&g, &n))
            *(int64_t *)at = n;
        break;
    case PL_OPT_SIZE:
        if (get_number(&g, &n))
            *(size_t *)at = (size_t)n;
        break;
    case PL_OPT_ENUM:
        if (!g.is_text)
            refuse(&g, "text");
        else if ((n = word_index(o, g.text)) < 0)
            refuse_word(&g, g.text);
        else
            *(int *)at = (int)n;
        break;
    case PL_OPT_FLAGS: {
        unsigned bits = 0;

        if (each_word(&g, add_flag, &bits))
            *(unsigned *)at = bits;
        break;
    }
    case PL_OPT_STRINGS: {
        size_t room = count_words(&g);
        struct pl_strlist list = { room == 0 ? NULL : pl_loader_alloc(l, room * sizeof *list.v), 0 };

        if ((room == 0 || list.v != NULL) && each_word(&g, add_string, &list))
            *(struct pl_strlist *)at = list;
        break;
    }
    case PL_OPT_CIDRS: {
        size_t room = count_words(&g);
        struct pl_cidr_list list = { room == 0 ? NULL : pl_loader_alloc(l, room * sizeof *list.v), 0 };

        if ((room == 0 || list.v != NULL) && each_word(&g, add_cidr, &list))
            *(struct pl_cidr_list *)at = list;
        break;
    }
    case PL_OPT_LIST:
        set_list(&g, base);
        break;
    case PL_OPT_BLOCK:
        PL_UNREACHABLE(); /* pl_opt_find gives leaves only */
    }
    json_decref(parsed);
    if (o->unbuilt != NULL && l->source.kind != PL_FROM_DEFAULT && is_used(o, at))
        pl_loader_warn(l, path, "%s", o->unbuilt);
}

void pl_value_defaults(struct pl_loader *l, const struct pl_opt *table, void *base)
{
    for (const struct pl_opt *o = table; o->key != NULL; o++) {
        char *at = (char *)base + o->offset;

        if (o->kind == PL_OPT_BLOCK)
            pl_value_defaults(l, o->table, at);
        else if (o->def != NULL)
            pl_value_set(l, o, base, o->key, NULL, pl_slice_str(o->def));
        else if (o->kind == PL_OPT_STRING)
            *(const char **)at = "";
        else if (o->kind == PL_OPT_BOOL)
            *(bool *)at = (o->flags & PL_OPT_INVERT) != 0;
    }
}
