/* config/file.c - the JSON file: its keys onto the table, and the line on which a key stands. */
#include "config/loader.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 64, SUGGEST_MAX = 8 };

/* Path of `key` inside `path`; false: too long to be one of ours. */
static bool join(const char *path, const char *key, char out[PL_PATH_MAX])
{
    return snprintf(out, PL_PATH_MAX, "%s%s%s", path, path[0] != 0 ? "." : "", key) < PL_PATH_MAX;
}

/* "a[3].b" to "a.b" */
static void drop_indices(const char *path, char out[PL_PATH_MAX])
{
    size_t n = 0;

    for (; *path != 0 && n < PL_PATH_MAX - 1; path++) {
        if (*path == '[')
            while (*path != 0 && *path != ']')
                path++;
        else
            out[n++] = *path;
        if (*path == 0)
            break;
    }
    out[n] = 0;
}

static void unknown(struct pl_loader *l, const char *path, const json_t *value)
{
    char near[PL_PATH_MAX] = "", plain[PL_PATH_MAX], what[400] = "", *dump;

    drop_indices(path, plain);
    if (l->n_suggested++ < SUGGEST_MAX) /* each is a search through a thousand keys */
        pl_suggest(plain, near);
    if (value != NULL && !pl_looks_secret(path) && !pl_looks_secret(near) && !json_is_object(value) && !json_is_array(value)) {
        char text[300];

        if (json_is_string(value)) {
            pl_quote(pl_slice(json_string_value(value), json_string_length(value)), text);
        } else {
            dump = json_dumps(value, JSON_ENCODE_ANY);
            snprintf(text, sizeof text, "%s", dump != NULL ? dump : "?");
            free(dump);
        }
        snprintf(what, sizeof what, " (value %s)", text);
    }
    if (near[0] != 0)
        pl_loader_error(l, path, "no such option%s; did you mean %s?", what, near);
    else
        pl_loader_error(l, path, "no such option%s", what);
}

/* A key that may be Centrifugo's alone: warns, or refuses what neither has. */
static void foreign(struct pl_loader *l, const char *path, const json_t *value, int depth)
{
    char plain[PL_PATH_MAX], below[PL_PATH_MAX];
    const char *why, *key;
    json_t *child;
    size_t i;

    drop_indices(path, plain);
    switch (pl_foreign_find(plain, &why)) {
    case PL_FOREIGN_KEY:
        pl_loader_warn(l, path, "ignored, Centrifugo's: %s", why);
        return;
    case PL_FOREIGN_NO:
        unknown(l, path, value);
        return;
    case PL_FOREIGN_SECTION:
        break;
    }
    if (depth > DEPTH_MAX) {
        pl_loader_error(l, path, "nested too deeply");
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, child) {
            if (join(path, key, below))
                foreign(l, below, child, depth + 1);
            else
                pl_loader_error(l, path, "holds a key that is too long");
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, child) {
            if (snprintf(below, sizeof below, "%s[%zu]", path, i) < (int)sizeof below)
                foreign(l, below, child, depth + 1);
        }
    } else if (!json_is_null(value)) {
        pl_loader_error(l, path, "not an object");
    }
}

/* `rel` is the part of the path that table's keys are compared with. */
static void walk(struct pl_loader *l, const struct pl_opt *table, void *base, const char *path, const char *rel, const json_t *object,
                 int depth)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        char full[PL_PATH_MAX], name[PL_PATH_MAX], shown[300];
        struct pl_opt_at at;

        if (strpbrk(key, ".[]") != NULL || key[0] == 0 || !join(path, key, full) || !join(rel, key, name)) {
            pl_quote(pl_slice_str(key), shown);
            pl_loader_error(l, path[0] != 0 ? path : NULL, "no such key: %s (keys with a dot are written nested: {\"a\": {\"b\": 1}})", shown);
        } else if (pl_opt_find(table, base, pl_slice_str(name), &at)) {
            pl_value_set(l, at.opt, at.base, full, value, pl_slice(NULL, 0));
        } else if (depth < DEPTH_MAX && pl_opt_is_section(table, pl_slice_str(name))) {
            if (json_is_object(value))
                walk(l, table, base, full, name, value, depth + 1);
            else if (!json_is_null(value)) /* what an empty section of YAML becomes */
                pl_loader_error(l, full, "not an object");
        } else {
            foreign(l, full, value, 0);
        }
    }
}

void pl_file_object(struct pl_loader *l, const struct pl_opt *table, void *base, const char *path, const json_t *object)
{
    walk(l, table, base, path, "", object, 0);
}

void pl_file_apply(struct pl_loader *l)
{
    json_error_t err;
    struct pl_slice text = l->text;
    json_t *root;

    if (pl_slice_starts(text, PL_LIT("\xef\xbb\xbf"))) /* a byte order mark, as some editors leave */
        text = pl_slice_from(text, 3);
    root = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &err);
    if (root == NULL) {
        char note[400];

        /* jansson quotes the file, so perhaps a secret; the name of a key that stands twice is none. */
        if (json_error_code(&err) != json_error_duplicate_key)
            err.text[strcspn(err.text, "'\"")] = 0;
        snprintf(note, sizeof note, "%s:%d:%d: not JSON: %s", l->file, err.line, err.column, err.text);
        pl_report_add(l->report, true, note);
        return;
    }
    if (json_is_object(root))
        pl_file_object(l, pl_options, l->cfg, "", root);
    else
        pl_loader_error(l, NULL, "not a JSON object");
    json_decref(root);
}

/* ---- lines: a walk over text that jansson has accepted, so it is valid JSON --------------------------------------- */

struct scan {
    const uint8_t *p, *end;
    int line;
};

static void skip_space(struct scan *s)
{
    for (; s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n'); s->p++)
        s->line += *s->p == '\n';
}

static struct pl_slice skip_string(struct scan *s)
{
    const uint8_t *from = ++s->p;

    while (s->p < s->end && *s->p != '"')
        s->p += *s->p == '\\' && s->p + 1 < s->end ? 2 : 1;
    if (s->p < s->end)
        s->p++;
    return pl_slice(from, s->p == from ? 0 : (size_t)(s->p - from - 1));
}

/* Behind one value, whatever it is. */
static void skip_value(struct scan *s)
{
    int depth = 0;

    do {
        skip_space(s);
        if (s->p >= s->end)
            return;
        if (*s->p == '"') {
            skip_string(s);
        } else if (*s->p == '{' || *s->p == '[') {
            depth++;
            s->p++;
        } else if (*s->p == '}' || *s->p == ']') {
            depth--;
            s->p++;
        } else if (*s->p == ',' || *s->p == ':') {
            s->p++;
        } else {
            while (s->p < s->end && strchr(",:]}\" \t\r\n", *s->p) == NULL)
                s->p++;
        }
    } while (depth > 0);
}

/* Moves to the member `key` of the object at s; the line of its key, 0 when there is none. */
static int enter_key(struct scan *s, struct pl_slice key)
{
    skip_space(s);
    if (s->p >= s->end || *s->p != '{')
        return 0;
    s->p++;
    for (;;) {
        struct pl_slice name;
        int line;

        skip_space(s);
        if (s->p >= s->end || *s->p != '"')
            return 0;
        line = s->line;
        name = skip_string(s);
        skip_space(s);
        if (s->p < s->end)
            s->p++; /* ':' */
        if (pl_slice_eq(name, key))
            return line;
        skip_value(s);
        skip_space(s);
        if (s->p < s->end && *s->p == ',')
            s->p++;
    }
}

static int enter_index(struct scan *s, size_t index)
{
    skip_space(s);
    if (s->p >= s->end || *s->p != '[')
        return 0;
    s->p++;
    for (; index > 0; index--) {
        skip_value(s);
        skip_space(s);
        if (s->p >= s->end || *s->p != ',')
            return 0;
        s->p++;
    }
    skip_space(s);
    return s->p < s->end && *s->p != ']' ? s->line : 0;
}

int pl_file_line(struct pl_slice text, const char *path)
{
    struct scan s = { text.p, text.p + text.len, 1 };
    int line = 0;

    if (pl_slice_starts(text, PL_LIT("\xef\xbb\xbf")))
        s.p += 3;
    while (*path != 0) {
        size_t n = strcspn(path, ".[");

        if (n > 0)
            line = enter_key(&s, pl_slice(path, n));
        path += n;
        if (line == 0)
            return 0;
        if (*path == '[') {
            size_t index = (size_t)strtoul(path + 1, NULL, 10);

            line = enter_index(&s, index);
            path += strcspn(path, "]");
            path += *path == ']';
            if (line == 0)
                return 0;
        }
        path += *path == '.';
    }
    return line;
}
