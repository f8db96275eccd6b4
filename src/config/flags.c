/* config/flags.c - the command line: every key of the table is a flag. */
#include "config/loader.h"

#include <stdio.h>

struct flag {
    struct pl_slice key;
    const char *value; /* NULL: none given */
    char name[PL_PATH_MAX];
};

/* "--key=value", "--key value", "-p 8000", "--flag". Takes one or two words; false: not a flag, *ret->name is the word. */
static bool next_flag(const struct pl_config_input *in, size_t *at, struct flag *ret)
{
    const char *word = in->args[(*at)++], *eq;
    static const struct { const char *name, *key; } shorts[] = {
        { "-c", "config" }, { "-a", "http_server.address" }, { "-p", "http_server.port" },
    };
    struct pl_opt_at opt;

    *ret = (struct flag){ .value = NULL };
    snprintf(ret->name, sizeof ret->name, "%s", word);
    for (size_t i = 0; i < sizeof shorts / sizeof shorts[0]; i++) {
        if (strncmp(word, shorts[i].name, 2) != 0)
            continue;
        ret->key = pl_slice_str(shorts[i].key);
        ret->name[2] = 0;
        if (word[2] != 0) /* -p8000, -p=8000 */
            ret->value = word + 2 + (word[2] == '=');
        else if (*at < in->n_args)
            ret->value = in->args[(*at)++];
        return true;
    }
    if (strncmp(word, "--", 2) != 0 || word[2] == 0)
        return false;
    eq = strchr(word, '=');
    ret->key = pl_slice(word + 2, eq != NULL ? (size_t)(eq - word - 2) : strlen(word + 2));
    if (ret->key.len + 2 < sizeof ret->name)
        ret->name[ret->key.len + 2] = 0; /* values of secrets stay out of messages */
    if (eq != NULL) {
        ret->value = eq + 1;
        return true;
    }
    /* A boolean flag stands alone; anything else takes the next word. */
    if (pl_opt_find(pl_options, NULL, ret->key, &opt) && opt.opt->kind == PL_OPT_BOOL)
        ret->value = "true";
    else if (*at < in->n_args && strncmp(in->args[*at], "--", 2) != 0)
        ret->value = in->args[(*at)++];
    return true;
}

const char *pl_flags_file(const struct pl_config_input *in)
{
    const char *file = in->file;
    struct flag f;

    for (size_t i = 0; i < in->n_args;)
        if (next_flag(in, &i, &f) && f.value != NULL && pl_slice_eq(f.key, PL_LIT("config")))
            file = f.value;
    return file;
}

static void apply(struct pl_loader *l, const struct flag *f)
{
    char path[PL_PATH_MAX], near[PL_PATH_MAX];
    struct pl_opt_at at;
    const char *why;

    if (pl_slice_eq(f->key, PL_LIT("config"))) {
        if (f->value == NULL)
            pl_loader_error(l, NULL, "needs a file name");
        return;
    }
    if (f->key.len >= sizeof path) {
        pl_loader_error(l, NULL, "no such flag");
        return;
    }
    memcpy(path, f->key.p, f->key.len);
    path[f->key.len] = 0;
    if (!pl_opt_find(pl_options, l->cfg, f->key, &at)) {
        pl_suggest(path, near);
        if (pl_foreign_find(path, &why) == PL_FOREIGN_KEY)
            pl_loader_warn(l, NULL, "ignored, Centrifugo's: %s", why);
        else if (near[0] != 0)
            pl_loader_error(l, NULL, "no such flag; did you mean --%s?", near);
        else
            pl_loader_error(l, NULL, "no such flag");
    } else if (f->value == NULL) {
        pl_loader_error(l, NULL, "needs a value");
    } else {
        pl_value_set(l, at.opt, at.base, path, NULL, pl_slice_str(f->value));
    }
}

void pl_flags_apply(struct pl_loader *l, const struct pl_config_input *in)
{
    struct flag f;

    for (size_t i = 0; i < in->n_args;) {
        bool is_flag = next_flag(in, &i, &f);

        l->source = (struct pl_source){ PL_FROM_FLAG, pl_loader_text(l, pl_slice_str(f.name)) };
        if (is_flag)
            apply(l, &f);
        else
            pl_loader_error(l, NULL, "not a flag; options are written --http_server.port=9000");
    }
}
