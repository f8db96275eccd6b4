/* http/origin.h - which web pages may talk to us, and who a request comes from. Pure; any thread. */
#ifndef PL_HTTP_ORIGIN_H
#define PL_HTTP_ORIGIN_H

#include "base/buf.h"
#include "codec/cidr.h"
#include "codec/http1_head.h"

/* Whether a request is allowed by its Origin: it has none, or exactly one that a pattern matches. Patterns are lower-case
 * globs, '*' any bytes and '?' one; Origin is lower-cased first. The single pattern "*" allows everything; otherwise an
 * Origin must look like scheme://host[:port], so that a wildcard cannot reach into a path or user name; "null" needs the
 * pattern "null". Source: wire-protocol.md 1.2. */
bool pl_origin_ok(const struct pl_http1_head *head, const char *const *patterns, size_t n_patterns);
bool pl_origin_matches(struct pl_slice origin, const char *const *patterns, size_t n_patterns);

/* The Access-Control-* lines of an allowed request, appended; to be given only when pl_origin_ok(). */
void pl_cors_put(struct pl_buf *out, const struct pl_http1_head *head);

/* The client's address: the peer's, but if that is a trusted proxy, the right-most X-Forwarded-For entry that is none
 * itself. An entry that is no address ends the walk: what stands left of it is anybody's text. */
struct pl_addr pl_client_addr(const struct pl_http1_head *head, const struct pl_addr *peer, const struct pl_cidr_list *trusted);

#endif
