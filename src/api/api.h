/* api/api.h - the backend's door: POST /api/<method> and the old-style POST /api (wire-protocol.md 10). */
#ifndef PL_API_API_H
#define PL_API_API_H

#include "http/http.h"

/* Adds the routes of http_api to the table, on these listeners (PL_LISTEN_ bits). The node's configuration decides at each request about key,
 * insecure and error mode. PL_EEXIST: a path is taken. */
enum pl_err pl_api_add_routes(struct pl_router *r, const struct pl_config *cfg, unsigned listeners) PL_MUST_CHECK;
void pl_api_init(struct pl_shard *s);
void pl_api_fini(struct pl_shard *s);

#endif
