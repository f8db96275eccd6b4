#include "auth/auth.h"

#include <stdlib.h>

#include "auth/keys.h"
#include "base/check.h"
#include "config/regex.h"

/* One token section of the configuration, prepared. */
struct verifier {
    const struct pl_cfg_token *opts; /* borrowed from cfg */
    struct pl_jwt_hmac *key;         /* owned; NULL: HS tokens are refused */
    struct pl_jwt_hmac *previous;    /* owned; NULL: no rotation under way */
    struct pl_jwt_verifier *keys[PL_JWT_N_KINDS]; /* owned; NULL: tokens of that family are refused */
    struct pl_regex *audience;       /* owned; NULL: not asked for */
    struct pl_regex *issuer;         /* owned */
};

struct auth {
    const struct pl_config *cfg; /* what the verifiers were made from; a reload replaces it */
    uint64_t generation;         /* of the node's keys they were made from; 0 none */
    struct verifier connection, subscription;
};

static void verifier_fini(struct verifier *v)
{
    pl_jwt_hmac_free(&v->key);
    pl_jwt_hmac_free(&v->previous);
    for (unsigned i = 0; i < PL_JWT_N_KINDS; i++)
        pl_jwt_verifier_free(&v->keys[i]);
    pl_regex_free(&v->audience);
    pl_regex_free(&v->issuer);
}

static struct pl_regex *regex_of(const char *pattern)
{
    struct pl_regex *re = NULL;
    char why[128];

    if (*pattern == '\0')
        return NULL;
    if (pl_regex_new(pl_slice_str(pattern), why, sizeof why, &re) != PL_OK)
        return NULL; /* the loader has refused such a file; verify() refuses every token without it */
    return re;
}

/* keys: by kind, NULL for none of any. */
static void verifier_init(struct verifier *v, const struct pl_cfg_token *opts, struct pl_jwt_key *const *keys)
{
    for (unsigned i = 0; i < PL_JWT_N_KINDS && keys != NULL; i++)
        v->keys[i] = keys[i] != NULL ? pl_jwt_verifier_new(keys[i]) : NULL; /* out of memory: that family is refused */
    v->opts = opts;
    v->key = pl_jwt_hmac_new(pl_secret_slice(opts->hmac_secret_key));
    v->previous = pl_jwt_hmac_new(pl_secret_slice(opts->hmac_previous_secret_key));
    v->audience = regex_of(opts->audience_regex);
    v->issuer = regex_of(opts->issuer_regex);
}

static void auth_drop(struct auth *a)
{
    verifier_fini(&a->connection);
    verifier_fini(&a->subscription);
    a->cfg = NULL;
}

/* Prepared for the configuration of now. */
static struct auth *auth_of(struct pl_shard *s)
{
    struct auth *a = s->rooms[PL_ROOM_AUTH];
    const struct pl_config *cfg = s->node->config;
    const struct auth_keys *keys = s->node->rooms[PL_ROOM_AUTH];
    enum auth_section own = cfg->client.subscription_token_enabled ? AUTH_SUBSCRIPTION : AUTH_CONNECTION;
    uint64_t generation = keys != NULL ? keys->generation : 0;

    if (a->cfg == cfg && a->generation == generation)
        return a;
    auth_drop(a);
    a->cfg = cfg;
    a->generation = generation;
    if (keys != NULL && keys->cfg != cfg)
        keys = NULL; /* of another configuration: nothing of it counts any more */
    verifier_init(&a->connection, auth_section_of(cfg, AUTH_CONNECTION), keys != NULL ? keys->v[AUTH_CONNECTION] : NULL);
    verifier_init(&a->subscription, auth_section_of(cfg, AUTH_SUBSCRIPTION), keys != NULL ? keys->v[own] : NULL);
    return a;
}

enum pl_err pl_auth_node_init(struct pl_node *n, struct pl_buf *err_text)
{
    const struct auth_keys *old = n->rooms[PL_ROOM_AUTH];
    struct auth_keys *keys = NULL;
    enum pl_err err = auth_keys_load(n->world, n->config, n->log, &keys, err_text);

    if (err != PL_OK)
        return err;
    keys->generation = old != NULL ? old->generation + 1 : 1;
    pl_auth_node_fini(n);
    n->rooms[PL_ROOM_AUTH] = keys;
    return PL_OK;
}

void pl_auth_node_fini(struct pl_node *n)
{
    struct auth_keys *keys = n->rooms[PL_ROOM_AUTH];

    auth_keys_free(&keys);
    n->rooms[PL_ROOM_AUTH] = NULL;
}

enum pl_err pl_auth_check_config(struct pl_world *w, const struct pl_config *cfg, struct pl_buf *err_text)
{
    struct auth_keys *keys = NULL;
    enum pl_err err = auth_keys_load(w, cfg, NULL, &keys, err_text);

    auth_keys_free(&keys);
    return err;
}

void pl_auth_init(struct pl_shard *s)
{
    struct auth *a = calloc(1, sizeof *a);

    PL_ASSERT(a != NULL);
    s->rooms[PL_ROOM_AUTH] = a;
}

void pl_auth_fini(struct pl_shard *s)
{
    struct auth *a = s->rooms[PL_ROOM_AUTH];

    if (a == NULL)
        return;
    auth_drop(a);
    free(a);
    s->rooms[PL_ROOM_AUTH] = NULL;
}

/* Each key refuses what is not of its algorithms before it computes anything. */
static enum pl_err check_signature(const struct verifier *v, const struct pl_jwt *t, int64_t now_s)
{
    int64_t until = v->opts->hmac_previous_secret_key_valid_until;

    for (unsigned i = 0; i < PL_JWT_N_KINDS; i++)
        if (v->keys[i] != NULL && pl_jwt_verify(v->keys[i], t) == PL_OK)
            return PL_OK;
    if (v->key != NULL && pl_jwt_hmac_verify(v->key, t) == PL_OK)
        return PL_OK;
    if (v->previous != NULL && (until == 0 || now_s <= until))
        return pl_jwt_hmac_verify(v->previous, t);
    return PL_EINVAL;
}

static bool audience_matches(struct pl_slice aud, void *arg)
{
    return pl_regex_match(arg, aud);
}

static bool audience_is(struct pl_slice aud, void *arg)
{
    return pl_slice_eq(aud, *(struct pl_slice *)arg);
}

static bool patterns_fit(const struct verifier *v, const struct pl_jwt_claims *c, struct pl_scratch *scratch)
{
    if (*v->opts->issuer_regex != '\0' && (v->issuer == NULL || !pl_regex_match(v->issuer, c->iss)))
        return false;
    if (*v->opts->audience_regex != '\0')
        return v->audience != NULL && pl_jwt_audience(c, scratch, audience_matches, v->audience);
    return true;
}

static bool names_fit(const struct verifier *v, const struct pl_jwt_claims *c, struct pl_scratch *scratch)
{
    struct pl_slice audience = pl_slice_str(v->opts->audience), issuer = pl_slice_str(v->opts->issuer);

    if (audience.len != 0 && !pl_jwt_audience(c, scratch, audience_is, &audience))
        return false;
    return issuer.len == 0 || pl_slice_eq(c->iss, issuer);
}

/* The order of wire-protocol.md 8.1: what is wrong in more than one way is invalid before it is expired. */
static enum pl_err verify(struct pl_shard *s, const struct verifier *v, struct pl_slice token, bool is_subscription,
                          struct pl_scratch *scratch, struct pl_jwt_claims *ret)
{
    int64_t now_s = s->wall_ms / 1000;
    struct pl_jwt t;

    if (pl_jwt_parse(token, scratch, &t) != PL_OK)
        return PL_EINVAL;
    if (pl_jwt_claims(&t, pl_slice_str(v->opts->user_id_claim), scratch, ret) != PL_OK)
        return PL_EINVAL;
    if (!patterns_fit(v, ret, scratch))
        return PL_EINVAL;
    if (!s->node->config->client.insecure_skip_token_signature_verify && check_signature(v, &t, now_s) != PL_OK &&
        !PL_SABOTAGE(auth_any_signature))
        return PL_EINVAL;
    if (!names_fit(v, ret, scratch) || ret->has_channel != is_subscription)
        return PL_EINVAL;
    return pl_jwt_check_time(ret, now_s);
}

/* Server-side subscriptions: `subs`, or without any there `channels`. One more than the limit is enough to see that there are too many. */
static enum pl_err take_subs(struct pl_shard *s, const struct pl_jwt_claims *c, struct pl_scratch *scratch, struct pl_credentials *ret)
{
    size_t max = (size_t)s->node->config->client.channel_limit + 1, n = 0;
    struct pl_sub_grant *grants = NULL;
    enum pl_err err = PL_OK;
    struct pl_walk w;

    for (unsigned pass = 0; pass < 2 && err == PL_OK; pass++) {
        n = 0;
        for (w = pl_walk(c->subs); n < max; n++) {
            struct pl_jwt_sub sub;
            struct pl_slice channel;

            err = pl_jwt_walk_subs(&w, scratch, &channel, &sub);
            if (err != PL_OK)
                break;
            if (grants != NULL)
                grants[n] = (struct pl_sub_grant){ channel, sub.info, sub.data, 0, sub.override };
        }
        for (w = pl_walk(n == 0 ? c->channels : pl_slice(NULL, 0)); n < max && err == PL_ENOENT; n++) {
            struct pl_slice channel;

            err = pl_json_walk_str(&w, scratch, &channel);
            if (err != PL_OK)
                break;
            if (grants != NULL)
                grants[n] = (struct pl_sub_grant){ .channel = channel };
            err = PL_ENOENT; /* go on */
        }
        err = err == PL_ENOENT ? PL_OK : err;
        if (grants == NULL && n != 0 && err == PL_OK) {
            grants = pl_scratch_alloc(scratch, n * sizeof *grants);
            if (grants == NULL)
                return PL_EINVAL;
        }
    }
    ret->subs = grants;
    ret->n_subs = n;
    return err == PL_OK ? PL_OK : PL_EINVAL;
}

static void fill(const struct pl_jwt_claims *c, struct pl_credentials *ret)
{
    *ret = (struct pl_credentials){ .user = c->user, .info = c->info, .meta = c->meta, .data = c->data, .expire_at = pl_jwt_expires_at(c),
                                    .channel = c->channel, .client = c->client, .override = c->override };
}

enum pl_err pl_auth_connection(struct pl_shard *s, struct pl_slice token, struct pl_scratch *scratch, struct pl_credentials *ret)
{
    struct pl_jwt_claims c;
    enum pl_err err = verify(s, &auth_of(s)->connection, token, false, scratch, &c);

    if (err != PL_OK)
        return err;
    fill(&c, ret);
    return take_subs(s, &c, scratch, ret);
}

enum pl_err pl_auth_subscription(struct pl_shard *s, struct pl_slice token, struct pl_scratch *scratch, struct pl_credentials *ret)
{
    struct pl_jwt_claims c;
    enum pl_err err = verify(s, &auth_of(s)->subscription, token, true, scratch, &c);

    if (err == PL_OK)
        fill(&c, ret);
    return err;
}
