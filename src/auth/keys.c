/* Keys of tokens out of the configuration, with a sentence for each that nobody should trust. */
#include "auth/keys.h"

#include <stdlib.h>

#include "base/check.h"
#include "net/tls.h"

enum { PEM_MAX = 1 << 20, WEAK_BYTES = 32 }; /* RFC 7518 3.2: a secret as long as HS256's digest */

static const char *const section_names[AUTH_N_SECTIONS] = {
    [AUTH_CONNECTION] = "client.token", [AUTH_SUBSCRIPTION] = "client.subscription_token",
};

const struct pl_cfg_token *auth_section_of(const struct pl_config *cfg, enum auth_section which)
{
    return which == AUTH_SUBSCRIPTION && cfg->client.subscription_token_enabled ? &cfg->client.subscription_token : &cfg->client.token;
}

static enum pl_err load_key(struct pl_world *w, const char *section, const char *name, const char *value, enum pl_jwt_kind kind,
                            struct pl_jwt_key **ret, struct pl_buf *err_text)
{
    struct pl_buf pem = pl_buf_init(PEM_MAX), why = pl_buf_init(1024);
    enum pl_err err;

    if (value[0] == '\0')
        return PL_OK;
    err = pl_tls_pem(w, pl_slice_str(value), &pem, &why);
    if (err == PL_OK)
        err = pl_jwt_key_new(pl_buf_slice(&pem), kind, ret, &why);
    if (err != PL_OK)
        pl_buf_printf(err_text, "%s.%s: %.*s", section, name, PL_FMT(why.len != 0 ? pl_buf_slice(&why) : pl_slice_str(pl_err_text(err))));
    pl_buf_fini(&pem);
    pl_buf_fini(&why);
    return err;
}

/* A public key in a secret's place lets everybody sign: the other half of RS/HS confusion. A short one is told of, not refused:
 * Centrifugo's own examples and test suites use them. */
static enum pl_err check_secret(const char *section, const char *name, struct pl_secret secret, struct pl_log *log, struct pl_buf *err_text)
{
    if (pl_jwt_is_public(pl_secret_slice(secret)) && !PL_SABOTAGE(auth_public_secret)) {
        pl_buf_printf(err_text, "%s.%s: holds a public key, with which anybody could sign tokens; it belongs in rsa_public_key, "
                      "ecdsa_public_key or eddsa_public_key", section, name);
        return PL_EINVAL;
    }
    if (pl_secret_is_set(secret) && secret.len < WEAK_BYTES)
        pl_log(log, PL_LOG_WARN, "auth.weak_secret", PL_F_STR("section", section), PL_F_STR("key", name), PL_F_UINT("bytes", secret.len),
               PL_F_INT("wanted", WEAK_BYTES));
    return PL_OK;
}

static enum pl_err load_section(struct pl_world *w, const struct pl_cfg_token *opts, const char *section, struct pl_log *log,
                                struct pl_jwt_key **ret, struct pl_buf *err_text)
{
    enum pl_err err = check_secret(section, "hmac_secret_key", opts->hmac_secret_key, log, err_text);

    if (err == PL_OK)
        err = check_secret(section, "hmac_previous_secret_key", opts->hmac_previous_secret_key, log, err_text);
    if (err == PL_OK)
        err = load_key(w, section, "rsa_public_key", opts->rsa_public_key, PL_JWT_RSA, &ret[PL_JWT_RSA], err_text);
    if (err == PL_OK)
        err = load_key(w, section, "ecdsa_public_key", opts->ecdsa_public_key, PL_JWT_EC, &ret[PL_JWT_EC], err_text);
    if (err == PL_OK)
        err = load_key(w, section, "eddsa_public_key", opts->eddsa_public_key, PL_JWT_ED25519, &ret[PL_JWT_ED25519], err_text);
    return err;
}

enum pl_err auth_keys_load(struct pl_world *w, const struct pl_config *cfg, struct pl_log *log, struct auth_keys **ret,
                           struct pl_buf *err_text)
{
    unsigned n = cfg->client.subscription_token_enabled ? AUTH_N_SECTIONS : AUTH_SUBSCRIPTION; /* else connections' keys serve both */
    struct auth_keys *keys = calloc(1, sizeof *keys);
    enum pl_err err = PL_OK;

    if (keys == NULL)
        return PL_ENOMEM;
    keys->cfg = cfg;
    for (unsigned i = 0; i < n && err == PL_OK; i++)
        err = load_section(w, auth_section_of(cfg, (enum auth_section)i), section_names[i], log, keys->v[i], err_text);
    if (err != PL_OK) {
        auth_keys_free(&keys);
        return err;
    }
    *ret = keys;
    return PL_OK;
}

void auth_keys_free(struct auth_keys **take_keys)
{
    struct auth_keys *keys = *take_keys;

    *take_keys = NULL;
    if (keys == NULL)
        return;
    for (unsigned i = 0; i < AUTH_N_SECTIONS; i++)
        for (unsigned kind = 0; kind < PL_JWT_N_KINDS; kind++)
            pl_jwt_key_free(&keys->v[i][kind]);
    free(keys);
}
