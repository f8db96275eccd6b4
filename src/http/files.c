#include "http/files.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "codec/http1_field.h"

enum { FILE_MAX = 4 << 20, ETAG_TEXT = 24 };

struct file {
    struct pl_buf content;    /* owned */
    const char *content_type; /* static */
    char etag[ETAG_TEXT];     /* with its quotes */
};

struct pl_files {
    size_t n;
    struct file v[];
};

static const char *content_type_of(const char *name)
{
    static const struct {
        const char *suffix, *type;
    } rows[] = {
        { ".html", "text/html; charset=utf-8" },       { ".js", "text/javascript; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" },         { ".json", "application/json" },
        { ".svg", "image/svg+xml" },                   { ".png", "image/png" },
        { ".ico", "image/x-icon" },                    { ".txt", "text/plain; charset=utf-8" },
        { ".map", "application/json" },                { ".woff2", "font/woff2" },
    };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot != NULL && i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(dot, rows[i].suffix) == 0)
            return rows[i].type;
    return "application/octet-stream";
}

/* RFC 9110 13.1.2: weak comparison over the list, or '*'. */
static bool etag_listed(struct pl_slice list, const char *etag)
{
    struct pl_slice item;

    while (pl_http1_list_next(&list, &item)) {
        if (pl_slice_starts(item, PL_LIT("W/")))
            item = pl_slice_from(item, 2);
        if (pl_slice_eq(item, PL_LIT("*")) || pl_slice_eq(item, pl_slice_str(etag)))
            return true;
    }
    return false;
}

static enum pl_err on_request(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    const struct file *f = arg;
    char lines[128];

    snprintf(lines, sizeof lines, "ETag: %s\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n", f->etag);
    if (etag_listed(pl_http_header(req, "If-None-Match"), f->etag))
        pl_http_answer(h, 304, NULL, pl_slice(NULL, 0), lines);
    else
        pl_http_answer(h, 200, f->content_type, pl_buf_slice(&f->content), lines);
    return PL_OK;
}

static const struct pl_route_ops file_ops = { .on_request = on_request };

static enum pl_err file_load(struct pl_world *w, struct file *f, const char *dir, const char *name, struct pl_buf *err_text)
{
    const struct pl_hash_key key = { 0x5045414c, 0x66696c65 }; /* fixed: the tag must be the same on every node */
    char path[4096];
    enum pl_err err;

    f->content = pl_buf_init(FILE_MAX);
    f->content_type = content_type_of(name);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return PL_ETOOBIG;
    err = w->ops->file_read(w, path, FILE_MAX, &f->content);
    if (err != PL_OK) {
        pl_buf_put(err_text, path, strlen(path));
        return err;
    }
    snprintf(f->etag, sizeof f->etag, "\"%016llx\"", (unsigned long long)pl_hash(key, pl_buf_slice(&f->content)));
    return PL_OK;
}

static enum pl_err file_route(struct pl_router *r, const char *name, unsigned mask, struct file *f)
{
    struct pl_route route = { .methods = PL_HTTP_GET, .listeners = mask, .ops = &file_ops, .arg = f };
    char path[256];

    if ((size_t)snprintf(path, sizeof path, "/%s", name) >= sizeof path)
        return PL_ETOOBIG;
    route.path = strcmp(name, "index.html") == 0 ? "/" : path;
    return pl_router_add(r, &route);
}

enum pl_err pl_files_load(struct pl_world *w, struct pl_router *r, const char *dir, const char *const *names, size_t n, unsigned mask,
                          struct pl_files **ret, struct pl_buf *err_text)
{
    struct pl_files *files = calloc(1, sizeof *files + n * sizeof files->v[0]);
    enum pl_err err = PL_OK;

    PL_ASSERT(files != NULL); /* boot-time */
    /* all are read before the first route is added: on failure the router refers to nothing of ours */
    for (; files->n < n && err == PL_OK; files->n++)
        err = file_load(w, &files->v[files->n], dir, names[files->n], err_text);
    if (err != PL_OK) {
        pl_files_free(&files);
        return err;
    }
    *ret = files;
    for (size_t i = 0; i < n && err == PL_OK; i++)
        err = file_route(r, names[i], mask, &files->v[i]);
    return err;
}

void pl_files_free(struct pl_files **take_f)
{
    struct pl_files *files = *take_f;

    *take_f = NULL;
    if (files == NULL)
        return;
    for (size_t i = 0; i < files->n; i++)
        pl_buf_fini(&files->v[i].content);
    free(files);
}
