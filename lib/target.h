/* lib/target.h - where to connect: "ws://host:port/path" and "http://host:port" taken apart. */
#ifndef PL_LIB_TARGET_H
#define PL_LIB_TARGET_H

#include "base/err.h"
#include "base/slice.h"

enum { PL_TARGET_HOST = 256, PL_TARGET_PATH = 2048, PL_TARGET_AT = 80 };

struct pl_target {
    char host[PL_TARGET_HOST + 8]; /* as the Host header wants it: name or address, with the port if it is not the default */
    char path[PL_TARGET_PATH];     /* begins with '/', query included, fragment dropped */
    char at[PL_TARGET_AT];         /* numeric "1.2.3.4:80" or "[::1]:80", for the world's connect */
    bool is_tls;
};

/* scheme: "ws" or "http"; the same with an s behind it is TLS. A missing path becomes `path`. Looks the name up (blocking,
 * any thread). ret_why: static text of what is wrong.
 * PL_EINVAL: not such a URL, PL_ETOOBIG, PL_ENOENT: the name has no address. */
enum pl_err pl_target_parse(const char *url, const char *scheme, const char *path, struct pl_target *ret,
                            const char **ret_why) PL_MUST_CHECK;

#endif
