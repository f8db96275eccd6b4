/* config/env.c - PEAL_* and CENTRIFUGO_* variables (wire-protocol.md 12.1): the key path in capitals, everything but
 * letters and digits as '_'. PEAL_ wins over CENTRIFUGO_. */
#include "base/check.h"
#include "config/loader.h"

#include <ctype.h>
#include <stdio.h>

/* Does var begin with key in the environment's spelling? Length used, or 0. */
static size_t spelled(const char *var, const char *key)
{
    size_t n = 0;

    for (; key[n] != 0; n++) {
        int c = isalnum((unsigned char)key[n]) ? toupper((unsigned char)key[n]) : '_';

        if (var[n] != c)
            return 0;
    }
    return n;
}

struct found {
    const struct pl_opt *opt;
    void *base;
    bool is_peal;
    char path[PL_PATH_MAX];
};

/* `var` is what is left of the name, path what it stood for so far. */
static bool find(const struct pl_opt *table, void *base, const char *var, const char *path, struct found *ret)
{
    for (const struct pl_opt *o = table; o->key != NULL; o++) {
        size_t n = spelled(var, o->key);
        char *at = (char *)base + o->offset;
        char below[PL_PATH_MAX];

        if (n == 0 || snprintf(below, sizeof below, "%s%s%s", path, path[0] != 0 ? "." : "", o->key) >= (int)sizeof below)
            continue;
        if (o->kind == PL_OPT_BLOCK) {
            if (var[n] == '_' && find(o->table, at, var + n + 1, below, ret))
                return true;
            continue;
        }
        if (var[n] == 0) {
            ret->opt = o;
            ret->base = base;
            ret->is_peal = (o->flags & PL_OPT_PEAL) != 0;
            memcpy(ret->path, below, sizeof below);
            return true;
        }
        if (o->kind == PL_OPT_LIST && var[n] == '_' && strcmp(o->table[0].key, "name") == 0) {
            size_t count = *(size_t *)((char *)base + o->count_offset);

            for (size_t i = 0; i < count; i++) {
                char *elem = *(char **)at + i * o->elem_size;
                size_t m = spelled(var + n + 1, *(const char **)(elem + o->table[0].offset));
                char item[PL_PATH_MAX];

                if (m != 0 && var[n + 1 + m] == '_' && snprintf(item, sizeof item, "%s[%zu]", below, i) < (int)sizeof item &&
                    find(o->table, elem, var + n + 1 + m + 1, item, ret))
                    return true;
            }
        }
    }
    return false;
}

/* Variables that others set in our name: Kubernetes describes a service called "peal" by PEAL_SERVICE_HOST, PEAL_PORT,
 * PEAL_PORT_8000_TCP..., Centrifugo has its own references to variables. */
static bool is_not_ours(const char *name)
{
    return strncmp(name, "SERVICE_", 8) == 0 || strcmp(name, "PORT") == 0 || strncmp(name, "PORT_", 5) == 0 ||
           strncmp(name, "VAR_", 4) == 0;
}

/* Does the name begin with one of our sections? Then it was meant for us. */
static bool is_in_section(const char *name)
{
    for (const struct pl_opt *o = pl_options; o->key != NULL; o++) {
        char section[PL_PATH_MAX];
        size_t n;

        snprintf(section, sizeof section, "%.*s", (int)strcspn(o->key, "."), o->key);
        n = spelled(name, section);
        if (n != 0 && name[n] == '_')
            return true;
    }
    return false;
}

static void refuse(struct pl_loader *l, const char *name)
{
    char flat[PL_PATH_MAX], near[PL_PATH_MAX];

    snprintf(flat, sizeof flat, "%s", name);
    for (char *c = flat; *c != 0; c++)
        *c = (char)tolower((unsigned char)*c);
    pl_suggest(flat, near);
    for (char *c = near; *c != 0; c++)
        *c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
    if (near[0] != 0)
        pl_loader_error(l, NULL, "no such option; did you mean PEAL_%s?", near);
    else
        pl_loader_error(l, NULL, "no such option (a variable is the key in capitals, '.' as '_': PEAL_HTTP_SERVER_PORT)");
}

/* PEAL_ also leads variables of tools and tests (PEAL_SEED), so only what was meant for an option is refused. */
static void unknown(struct pl_loader *l, const char *var, const char *name, bool is_peal)
{
    const char *why;

    if (is_not_ours(name))
        return;
    if (pl_foreign_env(name, &why))
        pl_loader_warn(l, NULL, "ignored, Centrifugo's: %s", why);
    else if (is_peal && is_in_section(name))
        refuse(l, name);
    else
        pl_loader_warn(l, NULL, "%s is ignored: no such option", var);
}

enum pass { LISTS, VALUES };

static void apply(struct pl_loader *l, const char *const *env, struct pl_slice prefix, bool is_peal, enum pass pass)
{
    for (size_t i = 0; env[i] != NULL; i++) {
        const char *eq = strchr(env[i], '=');
        struct found f;
        char var[PL_PATH_MAX];

        if (eq == NULL || !pl_slice_starts(pl_slice_str(env[i]), prefix) || (size_t)(eq - env[i]) >= sizeof var)
            continue;
        memcpy(var, env[i], (size_t)(eq - env[i]));
        var[eq - env[i]] = 0;
        l->source = (struct pl_source){ PL_FROM_ENV, pl_loader_text(l, pl_slice_str(var)) };
        if (find(pl_options, l->cfg, var + prefix.len, "", &f) && (is_peal || !f.is_peal)) {
            if ((f.opt->kind == PL_OPT_LIST) == (pass == LISTS))
                pl_value_set(l, f.opt, f.base, f.path, NULL, pl_slice_str(eq + 1));
        } else if (pass == VALUES) {
            unknown(l, var, var + prefix.len, is_peal);
        }
    }
}

void pl_env_apply(struct pl_loader *l, const char *const *env)
{
    if (PL_SABOTAGE(env_order))
        apply(l, env, PL_LIT("PEAL_"), true, VALUES);
    /* Lists first: they decide which elements the other variables can name. */
    apply(l, env, PL_LIT("CENTRIFUGO_"), false, LISTS);
    apply(l, env, PL_LIT("CENTRIFUGO_"), false, VALUES);
    apply(l, env, PL_LIT("PEAL_"), true, LISTS);
    if (!PL_SABOTAGE(env_order))
        apply(l, env, PL_LIT("PEAL_"), true, VALUES);
}
