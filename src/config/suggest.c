/* config/suggest.c - "did you mean": the known key nearest to an unknown one. Only for messages. */
#include "config/suggest.h"

#include "config/loader.h"

#include <stdio.h>

enum { LEN = 128 };

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

unsigned pl_edit_distance(const char *a, const char *b, unsigned most)
{
    unsigned row[3][LEN + 1];
    size_t n = strlen(a), m = strlen(b);

    if (n > LEN || m > LEN || (n > m ? n - m : m - n) > most)
        return most + 1;
    for (size_t j = 0; j <= m; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *cur = row[i % 3], *up = row[(i - 1) % 3], *up2 = row[(i + 1) % 3], least = (unsigned)i;

        cur[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = up[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));

            best = up[j] + 1 < best ? up[j] + 1 : best;
            best = cur[j - 1] + 1 < best ? cur[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            cur[j] = best;
            least = best < least ? best : least;
        }
        if (least > most + 1) /* a swap may still save one */
            return most + 1;
    }
    return row[n % 3][m];
}

struct search {
    const char *path;
    char flat[PL_PATH_MAX]; /* with '_' for '.', as older versions of Centrifugo named keys */
    unsigned best;
    char key[PL_PATH_MAX];
};

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot != NULL ? dot + 1 : path;
}

static void flatten(const char *path, char out[PL_PATH_MAX])
{
    size_t n = 0;

    for (; path[n] != 0 && n < PL_PATH_MAX - 1; n++)
        out[n] = path[n] == '.' ? '_' : path[n];
    out[n] = 0;
}

static void consider(void *arg, const char *key)
{
    struct search *s = arg;
    char flat[PL_PATH_MAX];
    size_t n = strlen(key), m = strlen(s->flat);
    unsigned d;

    if (s->best == 0)
        return;
    for (const char *dot = strchr(key, '.'); dot != NULL; dot = strchr(dot + 1, '.')) { /* the sections around it */
        char section[PL_PATH_MAX];
        size_t len = (size_t)(dot - key), want = strlen(s->path);

        if ((len > want ? len - want : want - len) >= s->best)
            continue;
        memcpy(section, key, len);
        section[len] = 0;
        d = pl_edit_distance(s->path, section, s->best - 1);
        if (d < s->best) {
            s->best = d;
            memcpy(s->key, section, sizeof section);
        }
    }
    if (s->best == 0)
        return;
    flatten(key, flat);
    d = pl_edit_distance(s->path, key, s->best - 1);
    if (strchr(s->path, '.') == NULL && d > 1) {
        unsigned flat_d = pl_edit_distance(s->flat, flat, d - 1);

        d = flat_d < d ? flat_d : d;
    }
    /* The same name in another section, or the flat name of an older version. */
    if (d > 1 && m >= 4 && n > m && strcmp(flat + n - m, s->flat) == 0 && (flat[n - m - 1] == '_' || key[n - m - 1] == '.'))
        d = 1;
    else if (d > 2 && strcmp(last_part(s->path), last_part(key)) == 0 && strlen(last_part(key)) >= 6)
        d = 2;
    if (d < s->best) {
        s->best = d;
        snprintf(s->key, sizeof s->key, "%s", key);
    }
}

static void each_row(const struct pl_opt *table, const char *prefix, struct search *s)
{
    for (const struct pl_opt *o = table; o->key != NULL; o++) {
        char path[PL_PATH_MAX];

        if (snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] != 0 ? "." : "", o->key) >= (int)sizeof path)
            continue;
        if (o->kind != PL_OPT_BLOCK)
            consider(s, path);
        if (o->table != NULL)
            each_row(o->table, path, s);
    }
}

void pl_suggest(const char *path, char out[PL_PATH_MAX])
{
    struct search s = { .path = path, .best = 3 + (unsigned)(strlen(path) / 10) };

    flatten(path, s.flat);
    each_row(pl_options, "", &s);
    pl_foreign_each(consider, &s);
    memcpy(out, s.key, sizeof s.key);
}

bool pl_looks_secret(const char *path)
{
    static const char *const words[] = { "secret", "password", "key", "token", "dsn", "license", "credential", "pem" };
    const char *part = last_part(path);

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(part, words[i]) != NULL)
            return true;
    return false;
}
