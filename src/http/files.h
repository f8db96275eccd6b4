/* http/files.h - a small fixed set of files served from memory (the demo page), read once at start. */
#ifndef PL_HTTP_FILES_H
#define PL_HTTP_FILES_H

#include "http/http.h"

struct pl_files;

/* Reads dir/name for each of names[0..n) and adds a GET route for it: "/name", and "/" for index.html. Content types go by the
 * suffix; an ETag by the content. mask: PL_LISTEN_ bits. The files live as long as *ret, which must outlive the router.
 * PL_ENOENT, PL_EPERM, PL_ETOOBIG (4 MiB a file), PL_EIO: of the first file that cannot be read, whose path is appended to err_text;
 * PL_EEXIST: a route is taken; then *ret is set too, since earlier routes refer to it. Boot-time. */
enum pl_err pl_files_load(struct pl_world *w, struct pl_router *r, const char *dir, const char *const *names, size_t n, unsigned mask,
                          struct pl_files **ret, struct pl_buf *err_text) PL_MUST_CHECK;
void pl_files_free(struct pl_files **take_f);

#endif
