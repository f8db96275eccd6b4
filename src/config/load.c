#include "config/load.h"

#include "base/check.h"
#include "config/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 16 << 20 };

struct pl_chunk {
    struct pl_chunk *next;
    size_t size;
    _Alignas(16) uint8_t bytes[];
};

void *pl_loader_alloc(struct pl_loader *l, size_t n)
{
    struct pl_chunk *c = calloc(1, sizeof *c + n);

    if (c == NULL) {
        l->no_memory = true;
        return NULL;
    }
    c->size = n;
    c->next = l->cfg->own->chunks;
    l->cfg->own->chunks = c;
    return c->bytes;
}

const char *pl_loader_text(struct pl_loader *l, struct pl_slice s)
{
    char *p = s.len == 0 ? NULL : pl_loader_alloc(l, s.len + 1);

    if (p == NULL)
        return "";
    memcpy(p, s.p, s.len);
    return p;
}

/* A copy in which everything that is not printable ASCII is \xNN: keys and file names come from outside, too. */
static char *printable(const char *text)
{
    char *copy = malloc(4 * strlen(text) + 1), *to = copy;

    for (; copy != NULL && *text != 0; text++) {
        if (*text >= 0x20 && *text < 0x7f)
            *to++ = *text;
        else
            to += sprintf(to, "\\x%02x", (unsigned char)*text);
    }
    if (copy != NULL)
        *to = 0;
    return copy;
}

void pl_report_add(struct pl_config_report *r, bool is_error, const char *text)
{
    char *copy;

    *(is_error ? &r->n_errors : &r->n_warnings) += 1;
    if (r->n > PL_NOTES_MAX)
        return;
    if (r->n == PL_NOTES_MAX)
        text = "more of the same is not shown";
    if (r->n == r->cap) {
        size_t cap = r->cap == 0 ? 8 : r->cap * 2;
        struct pl_config_note *v = realloc(r->v, cap * sizeof *v);

        if (v == NULL)
            return; /* the counts above still tell that something was wrong */
        r->v = v;
        r->cap = cap;
    }
    copy = printable(text);
    if (copy != NULL)
        r->v[r->n++] = (struct pl_config_note){ is_error, copy };
}

void pl_config_report_fini(struct pl_config_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->v[i].text);
    free(r->v);
    *r = (struct pl_config_report){ NULL, 0, 0, 0, 0 };
}

static const struct pl_origin *origin_of(const struct pl_loader *l, const char *path)
{
    for (size_t i = l->n_origins; i > 0; i--)
        if (strcmp(l->origins[i - 1].path, path) == 0)
            return &l->origins[i - 1];
    return NULL;
}

void pl_loader_origin(struct pl_loader *l, const char *path)
{
    if (l->source.kind != PL_FROM_ENV && l->source.kind != PL_FROM_FLAG)
        return;
    if (l->n_origins == l->cap_origins) {
        size_t cap = l->cap_origins == 0 ? 16 : l->cap_origins * 2;
        struct pl_origin *v = realloc(l->origins, cap * sizeof *v);

        if (v == NULL) {
            l->no_memory = true;
            return;
        }
        l->origins = v;
        l->cap_origins = cap;
    }
    l->origins[l->n_origins++] = (struct pl_origin){ pl_loader_text(l, pl_slice_str(path)), l->source };
}

bool pl_loader_is_set(const struct pl_loader *l, const char *path)
{
    return origin_of(l, path) != NULL || (l->text.p != NULL && pl_file_line(l->text, path) != 0);
}

/* "config.json:7: ", for a path that is not in the file the line of the section around it. */
static void put_where(const struct pl_loader *l, const char *path, struct pl_buf *out)
{
    char part[PL_PATH_MAX];
    const struct pl_origin *o = path == NULL ? NULL : origin_of(l, path);
    struct pl_source s = o != NULL ? o->source : l->source;
    int line = 0;

    if (s.kind == PL_FROM_ENV || s.kind == PL_FROM_FLAG) {
        pl_buf_printf(out, "%s: ", s.name);
        return;
    }
    if (l->text.p == NULL)
        return;
    snprintf(part, sizeof part, "%s", path == NULL ? "" : path);
    while (part[0] != 0 && (line = pl_file_line(l->text, part)) == 0) {
        char *dot = strrchr(part, '.'), *index = strrchr(part, '[');
        char *cut = dot == NULL || (index != NULL && index > dot) ? index : dot;

        if (cut == NULL)
            break;
        *cut = 0;
    }
    if (line != 0)
        pl_buf_printf(out, "%s:%d: ", l->file, line);
    else
        pl_buf_printf(out, "%s: ", l->file);
}

/* An index says little in a long file: the namespace's name, too. */
static void put_namespace(const struct pl_loader *l, const char *path, struct pl_buf *out)
{
    static const char list[] = "channel.namespaces[";
    size_t i;
    const char *name;

    if (path == NULL || strncmp(path, list, sizeof list - 1) != 0)
        return;
    i = (size_t)strtoul(path + sizeof list - 1, NULL, 10);
    name = i < l->cfg->channel.n_namespaces ? l->cfg->channel.namespaces[i].name : "";
    if (name[0] != 0)
        pl_buf_printf(out, " (namespace %s)", name);
}

static void __attribute__((format(printf, 4, 0))) note(struct pl_loader *l, bool is_error, const char *path, const char *fmt, va_list args)
{
    struct pl_buf b = pl_buf_init(4096);
    char text[2048];

    if (l->report->n > PL_NOTES_MAX) { /* only counted */
        pl_report_add(l->report, is_error, "");
        return;
    }
    vsnprintf(text, sizeof text, fmt, args);
    put_where(l, path, &b);
    if (path != NULL)
        pl_buf_printf(&b, "%s: ", path);
    pl_buf_printf(&b, "%s", text);
    put_namespace(l, path, &b);
    pl_buf_byte(&b, 0);
    if (pl_buf_ok(&b))
        pl_report_add(l->report, is_error, (const char *)b.p);
    else
        pl_report_add(l->report, is_error, text);
    pl_buf_fini(&b);
}

void pl_loader_error(struct pl_loader *l, const char *path, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    note(l, true, path, fmt, args);
    va_end(args);
}

void pl_loader_warn(struct pl_loader *l, const char *path, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    note(l, false, path, fmt, args);
    va_end(args);
}

void pl_config_free(struct pl_config **take_cfg)
{
    struct pl_config *cfg = *take_cfg;

    if (cfg == NULL)
        return;
    for (size_t i = 0; i < cfg->own->n_regexes; i++)
        pl_regex_free(&cfg->own->regexes[i]);
    free(cfg->own->regexes);
    while (cfg->own->chunks != NULL) {
        struct pl_chunk *c = cfg->own->chunks;

        cfg->own->chunks = c->next;
        explicit_bzero(c->bytes, c->size); /* keys and passwords are among them */
        free(c);
    }
    free(cfg->own);
    explicit_bzero(cfg, sizeof *cfg);
    free(cfg);
    *take_cfg = NULL;
}

static struct pl_config *config_new(void)
{
    struct pl_config *cfg = calloc(1, sizeof *cfg);

    if (cfg == NULL)
        return NULL;
    cfg->own = calloc(1, sizeof *cfg->own);
    if (cfg->own == NULL) {
        free(cfg);
        return NULL;
    }
    return cfg;
}

/* Reads the file into *buf; a fault is reported. */
static void read_file(struct pl_loader *l, const struct pl_config_input *in, struct pl_buf *buf)
{
    enum pl_err err;
    const char *dot = strrchr(l->file, '.');

    if (dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".toml") == 0)) {
        pl_loader_error(l, NULL, "%s: YAML and TOML are not read yet, write the same keys as JSON", l->file);
        return;
    }
    if (in->text.p != NULL) {
        l->text = in->text;
        return;
    }
    PL_ASSERT(in->world != NULL);
    err = in->world->ops->file_read(in->world, l->file, FILE_MAX, buf);
    if (err == PL_ETOOBIG)
        pl_loader_error(l, NULL, "%s: longer than %d bytes", l->file, FILE_MAX);
    else if (err != PL_OK)
        pl_loader_error(l, NULL, "%s: cannot be read: %s", l->file, pl_err_text(err));
    else
        l->text = pl_slice(buf->p != NULL ? buf->p : (const uint8_t *)"", buf->len);
}

enum pl_err pl_config_load(const struct pl_config_input *in, struct pl_config **ret_cfg, struct pl_config_report *report)
{
    struct pl_loader l = { .report = report, .file = pl_flags_file(in) };
    struct pl_buf buf = pl_buf_init(FILE_MAX);
    enum pl_err err = PL_OK;

    l.cfg = config_new();
    if (l.cfg == NULL)
        return PL_ENOMEM;
    pl_value_defaults(&l, pl_options, l.cfg);
    l.cfg->file = "";
    if (l.file != NULL) {
        l.cfg->file = pl_loader_text(&l, pl_slice_str(l.file));
        read_file(&l, in, &buf);
        l.source = (struct pl_source){ PL_FROM_FILE, NULL };
        if (l.text.p != NULL)
            pl_file_apply(&l);
    } else {
        l.cfg->http_server.address = "127.0.0.1";
    }
    if (in->env != NULL)
        pl_env_apply(&l, in->env);
    pl_flags_apply(&l, in);
    l.source = (struct pl_source){ l.file != NULL ? PL_FROM_FILE : PL_FROM_DEFAULT, NULL };
    if (report->n_errors == 0) /* rules between options make no sense over values that were refused */
        pl_config_finish(&l);
    if (buf.p != NULL)
        explicit_bzero(buf.p, buf.len);
    pl_buf_fini(&buf);
    free(l.origins);
    if (report->n_errors != 0)
        err = PL_EINVAL;
    else if (l.no_memory)
        err = PL_ENOMEM;
    if (err == PL_OK)
        *ret_cfg = l.cfg;
    else
        pl_config_free(&l.cfg);
    return err;
}
