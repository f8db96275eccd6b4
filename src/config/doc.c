#include "config/doc.h"

#include "config/loader.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* The section a key belongs to: what stands before its first dot, "" for keys without one. */
static struct pl_slice section_of(const char *key)
{
    const char *dot = strchr(key, '.');

    return dot == NULL ? PL_LIT("") : pl_slice(key, (size_t)(dot - key));
}

static const char *type_of(const struct pl_opt *o)
{
    switch (o->kind) {
    case PL_OPT_STRING: return (o->flags & PL_OPT_PREFIX) != 0 ? "path" : "text";
    case PL_OPT_SECRET: return "secret";
    case PL_OPT_BOOL: return "bool";
    case PL_OPT_INT:
    case PL_OPT_INT64: return "number";
    case PL_OPT_DURATION: return "duration";
    case PL_OPT_SIZE: return "bytes";
    case PL_OPT_ENUM: return "word";
    case PL_OPT_FLAGS: return "words";
    case PL_OPT_STRINGS: return "list";
    case PL_OPT_CIDRS: return "addresses";
    case PL_OPT_LIST: return "list of objects";
    case PL_OPT_BLOCK: return "section";
    }
    return "";
}

static void put_number(const struct pl_opt *o, int64_t v, struct pl_buf *out)
{
    if (o->kind == PL_OPT_DURATION)
        pl_duration_print(v, out);
    else
        pl_buf_i64(out, v);
}

static void put_range(const struct pl_opt *o, struct pl_buf *out)
{
    const char *sep = "";

    switch (o->kind) {
    case PL_OPT_INT:
    case PL_OPT_INT64:
    case PL_OPT_DURATION:
    case PL_OPT_SIZE:
        if (o->min == 0 && o->max >= INT32_MAX) /* "not negative" needs no words */
            break;
        put_number(o, o->min, out);
        PL_BUF_LIT(out, " to ");
        put_number(o, o->max, out);
        break;
    case PL_OPT_ENUM:
    case PL_OPT_FLAGS:
        for (size_t i = 0; o->words[i] != NULL; i++) {
            if (o->words[i][0] == 0)
                continue;
            pl_buf_printf(out, "%s`%s`", sep, o->words[i]);
            sep = ", ";
        }
        break;
    default:
        break;
    }
}

static void put_default(const struct pl_opt *o, struct pl_buf *out)
{
    if (o->def != NULL)
        pl_buf_printf(out, "`%s`", o->def);
    else if (o->kind == PL_OPT_BOOL)
        PL_BUF_LIT(out, "`false`");
    else if (o->kind == PL_OPT_INT || o->kind == PL_OPT_INT64 || o->kind == PL_OPT_SIZE || o->kind == PL_OPT_DURATION)
        PL_BUF_LIT(out, "`0`");
    else if (o->kind == PL_OPT_ENUM && o->words[0][0] != 0)
        pl_buf_printf(out, "`%s`", o->words[0]);
}

/* '|' ends a cell. */
static void put_cell(const char *text, struct pl_buf *out)
{
    for (; *text != 0; text++) {
        if (*text == '|')
            pl_buf_byte(out, '\\');
        pl_buf_byte(out, (uint8_t)*text);
    }
}

static void put_row(const char *key, const struct pl_opt *o, bool is_peal, struct pl_buf *out)
{
    pl_buf_printf(out, "| `%s` | %s | ", key, type_of(o));
    put_default(o, out);
    PL_BUF_LIT(out, " | ");
    put_range(o, out);
    PL_BUF_LIT(out, " | ");
    put_cell(o->text, out);
    if (is_peal)
        PL_BUF_LIT(out, " (Peal only)");
    if ((o->flags & PL_OPT_LIVE) != 0)
        PL_BUF_LIT(out, " (live)");
    if (o->unbuilt != NULL) {
        PL_BUF_LIT(out, "; ");
        put_cell(o->unbuilt, out);
    }
    PL_BUF_LIT(out, " |\n");
}

/* Rows of table below prefix, blocks unfolded; channel options get a section of their own. */
static void put_rows(const struct pl_opt *table, const char *prefix, struct pl_slice section, bool is_root, struct pl_buf *out)
{
    for (const struct pl_opt *o = table; o->key != NULL; o++) {
        char key[PL_PATH_MAX];

        if (is_root && !pl_slice_eq(section_of(o->key), section))
            continue;
        snprintf(key, sizeof key, "%s%s", prefix, o->key);
        if (o->kind == PL_OPT_BLOCK && strcmp(o->key, "channel.without_namespace") == 0) {
            pl_buf_printf(out, "| `%s` | section | | | options of channels without a namespace, see below |\n", key);
        } else if (o->kind == PL_OPT_BLOCK) {
            strncat(key, ".", sizeof key - strlen(key) - 1);
            put_rows(o->table, key, section, false, out);
        } else {
            put_row(key, o, (o->flags & PL_OPT_PEAL) != 0, out);
            if (o->kind == PL_OPT_LIST && strcmp(o->key, "channel.namespaces") != 0) {
                strncat(key, "[].", sizeof key - strlen(key) - 1);
                put_rows(o->table, key, section, false, out);
            }
        }
    }
}

static void put_heading(const char *name, struct pl_buf *out)
{
    pl_buf_printf(out, "\n## %s\n\n| key | type | default | range | |\n| --- | --- | --- | --- | --- |\n", name);
}

static void put_foreign(void *arg, const char *key)
{
    pl_buf_printf(arg, "`%s` ", key);
}

void pl_config_doc(struct pl_buf *out)
{
    struct pl_opt_at ns;

    PL_BUF_LIT(out,
               "# Options\n\nMade by `peal config doc` from the table of options. A key is a path: `http_server.port` stands in the file as\n"
               "`{\"http_server\": {\"port\": 8000}}`, is `PEAL_HTTP_SERVER_PORT` in the environment and `--http_server.port=8000` on the command line.\n"
               "Flags win over `PEAL_*`, these over `CENTRIFUGO_*`, these over the file. Durations are written `300ms`, `1m30s`, `720h`; bytes as a\n"
               "number or `64KiB`, `1MiB`; lists in the environment are separated by spaces. Options marked *live* can change without a restart,\n"
               "where the server supports it; *Peal only* means that Centrifugo has no such key.\n");
    put_heading("general", out);
    put_rows(pl_options, "", PL_LIT(""), true, out);
    for (const struct pl_opt *o = pl_options; o->key != NULL; o++) {
        struct pl_slice section = section_of(o->key);
        bool is_new = section.len != 0;
        char name[PL_PATH_MAX];

        for (const struct pl_opt *before = pl_options; before != o; before++)
            if (pl_slice_eq(section_of(before->key), section))
                is_new = false;
        if (!is_new)
            continue;
        snprintf(name, sizeof name, "%.*s", PL_FMT(section));
        put_heading(name, out);
        put_rows(pl_options, "", section, true, out);
    }
    if (pl_opt_find(pl_options, NULL, PL_LIT("channel.namespaces"), &ns)) {
        put_heading("options of a namespace", out);
        put_rows(ns.opt->table, "", PL_LIT(""), false, out);
    }
    PL_BUF_LIT(out, "\n## keys that only Centrifugo has\n\nThey are ignored with a warning that says what follows. Every other unknown key is refused.\n\n");
    pl_foreign_each(put_foreign, out);
    pl_buf_byte(out, '\n');
}

static json_t *default_of(const struct pl_opt *o)
{
    int64_t n = 0;

    switch (o->kind) {
    case PL_OPT_STRING:
    case PL_OPT_SECRET: return json_string(o->def != NULL ? o->def : "");
    case PL_OPT_DURATION: return json_string(o->def != NULL ? o->def : "0s");
    case PL_OPT_BOOL: return json_boolean(o->def != NULL && strcmp(o->def, "true") == 0);
    case PL_OPT_INT:
    case PL_OPT_INT64:
    case PL_OPT_SIZE:
        if (o->def != NULL && !pl_i64_parse(pl_slice_str(o->def), &n))
            return NULL;
        return json_integer(n);
    case PL_OPT_ENUM: return json_string(o->def != NULL ? o->def : o->words[0]);
    case PL_OPT_FLAGS:
    case PL_OPT_STRINGS:
    case PL_OPT_CIDRS:
    case PL_OPT_LIST: return json_array();
    case PL_OPT_BLOCK: break;
    }
    return NULL;
}

/* Sets a.b.c below root, making the sections. False: out of memory. */
static bool set_path(json_t *root, const char *path, json_t *take_value)
{
    char part[PL_PATH_MAX];

    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        json_t *child;

        snprintf(part, sizeof part, "%.*s", (int)(dot - path), path);
        child = json_object_get(root, part);
        if (child == NULL) {
            child = json_object();
            if (json_object_set_new(root, part, child) != 0) {
                json_decref(take_value);
                return false;
            }
        }
        root = child;
    }
    return json_object_set_new(root, path, take_value) == 0;
}

static bool put_defaults(const struct pl_opt *table, const char *prefix, json_t *root)
{
    for (const struct pl_opt *o = table; o->key != NULL; o++) {
        char key[PL_PATH_MAX];

        snprintf(key, sizeof key, "%s%s", prefix, o->key);
        if (o->kind == PL_OPT_BLOCK) {
            strncat(key, ".", sizeof key - strlen(key) - 1);
            if (!put_defaults(o->table, key, root))
                return false;
        } else if (!set_path(root, key, default_of(o))) {
            return false;
        }
    }
    return true;
}

enum pl_err pl_config_defaults(struct pl_buf *out)
{
    json_t *root = json_object();
    char *text = root != NULL && put_defaults(pl_options, "", root) ? json_dumps(root, JSON_INDENT(2)) : NULL;

    json_decref(root);
    if (text == NULL)
        return PL_ENOMEM;
    pl_buf_printf(out, "%s\n", text);
    free(text);
    return pl_buf_ok(out) ? PL_OK : PL_ENOMEM;
}
