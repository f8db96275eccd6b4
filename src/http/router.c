#include <stdlib.h>

#include "base/check.h"
#include "http/room.h"

/* A few dozen rows: comparing lengths first, a walk is as fast as hashing the path. */
struct pl_router {
    struct row {
        struct pl_route route;
        struct pl_slice path; /* owned; route.path points to it */
    } *rows;                  /* owned */
    size_t n;
};

struct pl_router *pl_router_new(void)
{
    struct pl_router *r = calloc(1, sizeof *r);

    PL_ASSERT(r != NULL); /* boot-time */
    return r;
}

enum pl_err pl_router_add(struct pl_router *r, const struct pl_route *route)
{
    struct pl_slice path = pl_slice_str(route->path);
    struct row *rows;
    char *copy;

    PL_ASSERT(path.len > 0 && path.p[0] == '/' && route->methods != 0 && route->ops->on_request != NULL);
    for (size_t i = 0; i < r->n; i++)
        if (pl_slice_eq(r->rows[i].path, path) && (r->rows[i].route.listeners & route->listeners) != 0)
            return PL_EEXIST;
    rows = realloc(r->rows, (r->n + 1) * sizeof *rows);
    copy = strdup(route->path);
    PL_ASSERT(rows != NULL && copy != NULL); /* boot-time */
    r->rows = rows;
    r->rows[r->n] = (struct row){ *route, pl_slice(copy, path.len) };
    r->rows[r->n].route.path = copy;
    r->n++;
    return PL_OK;
}

void pl_router_free(struct pl_router **take_r)
{
    struct pl_router *r = *take_r;

    *take_r = NULL;
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++)
        free((void *)(uintptr_t)r->rows[i].path.p);
    free(r->rows);
    free(r);
}

const struct pl_route *http_route_find(const struct pl_router *r, unsigned listener, struct pl_slice path)
{
    for (size_t i = 0; i < r->n; i++)
        if (pl_slice_eq(r->rows[i].path, path) && (r->rows[i].route.listeners & listener) != 0)
            return &r->rows[i].route;
    return NULL;
}

void http_allow_put(struct pl_buf *out, unsigned methods)
{
    static const struct {
        enum pl_http_method bit;
        const char *name;
    } names[] = {
        { PL_HTTP_GET, "GET" },       { PL_HTTP_HEAD, "HEAD" },   { PL_HTTP_POST, "POST" },  { PL_HTTP_PUT, "PUT" },
        { PL_HTTP_DELETE, "DELETE" }, { PL_HTTP_PATCH, "PATCH" }, { PL_HTTP_OPTIONS, "OPTIONS" },
    };
    const char *gap = "Allow: ";

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((methods & names[i].bit) == 0)
            continue;
        pl_buf_put(out, gap, strlen(gap));
        pl_buf_put(out, names[i].name, strlen(names[i].name));
        gap = ", ";
    }
    PL_BUF_LIT(out, "\r\n");
}
