/* auth/auth.h - who may: connection and subscription tokens against the node's configuration, and API keys.
 *
 * Public keys are loaded once per node, when it starts. Per shard it keeps prepared contexts of them and of the secrets; a new
 * configuration snapshot is noticed at the next token. Results borrow. Codes: wire-protocol.md 8. */
#ifndef PL_AUTH_AUTH_H
#define PL_AUTH_AUTH_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/override.h"
#include "codec/scratch.h"
#include "config/config.h"
#include "shard/shard.h"

/* A server-side subscription that a token (or proxy, or the API) decides. Slices are borrowed from token and scratch. */
struct pl_sub_grant {
    struct pl_slice channel;
    struct pl_slice info;      /* raw JSON or bytes; becomes chan_info */
    struct pl_slice data;      /* raw; goes to the client in the subscribe result */
    int64_t expire_at;         /* unix seconds; 0 never */
    struct pl_override override;
};

/* What a valid token says. Everything is borrowed from the token text's decoded form in `scratch`. */
struct pl_credentials {
    struct pl_slice user;      /* "" anonymous */
    struct pl_slice info;      /* conn_info, or chan_info of a subscription token; decoded if it came as b64info */
    struct pl_slice meta;      /* raw JSON */
    struct pl_slice data;      /* subscription tokens: data for the client */
    int64_t expire_at;         /* unix seconds; 0 never */
    struct pl_sub_grant *subs; /* connection tokens: server-side subscriptions, in scratch; at most channel_limit + 1 */
    size_t n_subs;
    struct pl_slice channel;   /* subscription tokens */
    struct pl_slice client;    /* subscription tokens: "" any */
    struct pl_override override; /* subscription tokens */
};

/* A scratch limit with which no token that fits PL_JWT_MAX fails for want of room, at a channel_limit up to 500. */
enum { PL_AUTH_SCRATCH = 128 * 1024 };

/* Before the first token: loads the public keys that n->config names (files are read through n->world) and warns of short secrets in
 * n->log. PL_EINVAL: a key is not there or not to be trusted; err_text is a sentence that begins with its option. PL_ENOMEM. Called again for
 * another configuration, it replaces what was there; without it HS tokens alone are taken. Main thread, shards not running. */
enum pl_err pl_auth_node_init(struct pl_node *n, struct pl_buf *err_text) PL_MUST_CHECK;
void pl_auth_node_fini(struct pl_node *n);
/* The same questions without a node, for `peal check config`. */
enum pl_err pl_auth_check_config(struct pl_world *w, const struct pl_config *cfg, struct pl_buf *err_text) PL_MUST_CHECK;

void pl_auth_init(struct pl_shard *s);
void pl_auth_fini(struct pl_shard *s);
/* now: s->wall_ms. PL_OK; PL_EEXPIRED (error 109); PL_EINVAL: anything else wrong with it (disconnect 3500). `scratch` must live as long as
 * *ret is used. */
enum pl_err pl_auth_connection(struct pl_shard *s, struct pl_slice token, struct pl_scratch *scratch, struct pl_credentials *ret)
    PL_MUST_CHECK;
/* Uses client.subscription_token's keys if enabled, else client.token's. The caller compares channel, user and client. */
enum pl_err pl_auth_subscription(struct pl_shard *s, struct pl_slice token, struct pl_scratch *scratch, struct pl_credentials *ret)
    PL_MUST_CHECK;

#endif
