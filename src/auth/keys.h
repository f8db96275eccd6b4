/* auth/keys.h - the public keys of one configuration, loaded when a server starts: frozen, shared by its shards.
 *
 * This is where key sets from elsewhere (JWKS) join: whatever brings keys makes struct pl_jwt_key of them here or beside it, and
 * auth.c makes a verifier of each per shard. */
#ifndef PL_AUTH_KEYS_H
#define PL_AUTH_KEYS_H

#include "base/buf.h"
#include "base/log.h"
#include "codec/jwt_key.h"
#include "config/config.h"

enum auth_section { AUTH_CONNECTION, AUTH_SUBSCRIPTION, AUTH_N_SECTIONS };

struct auth_keys {
    const struct pl_config *cfg; /* what they were loaded from */
    uint64_t generation;         /* 1, 2, ... of a node's: another configuration may come to stand at an old one's address */
    struct pl_jwt_key *v[AUTH_N_SECTIONS][PL_JWT_N_KINDS]; /* owned; NULL: no such tokens */
};

/* The options that count for a kind of tokens, borrowed from cfg. */
const struct pl_cfg_token *auth_section_of(const struct pl_config *cfg, enum auth_section which);
/* PL_EINVAL: err_text names the option and what is wrong. Files are read through w. log, may be NULL: gets weak secrets. */
PL_MUST_CHECK enum pl_err auth_keys_load(struct pl_world *w, const struct pl_config *cfg, struct pl_log *log, struct auth_keys **ret,
                                         struct pl_buf *err_text);
void auth_keys_free(struct auth_keys **take_keys); /* NULL is fine */

#endif
