/* peal token - an HS256 connection token, or a subscription token with --channel (wire-protocol.md 8). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/flags.h"
#include "codec/json.h"
#include "codec/json_write.h"
#include "codec/jwt.h"
#include "config/load.h"

struct token_opts {
    const char *user, *secret, *config, *channel, *info;
    int64_t ttl_s;
};

/* The key that a server with this file would verify with. */
static bool key_from_config(const struct token_opts *o, struct pl_buf *ret)
{
    struct pl_config_report report = { 0 };
    struct pl_config *cfg = NULL;
    struct pl_config_input in = { .world = pl_world_linux(), .file = o->config, .env = (const char *const *)environ };
    enum pl_err err = pl_config_load(&in, &cfg, &report);
    const struct pl_cfg_token *token;

    for (size_t i = 0; i < report.n && err != PL_OK; i++)
        if (report.v[i].is_error)
            fprintf(stderr, "peal: %s\n", report.v[i].text);
    if (err == PL_OK) {
        token = o->channel != NULL && cfg->client.subscription_token_enabled ? &cfg->client.subscription_token : &cfg->client.token;
        if (!pl_secret_is_set(token->hmac_secret_key)) {
            fprintf(stderr, "peal: %s has no client.%s.hmac_secret_key\n", o->config,
                    token == &cfg->client.token ? "token" : "subscription_token");
            err = PL_ENOENT;
        }
        pl_buf_slice_put(ret, pl_secret_slice(token->hmac_secret_key));
    }
    pl_config_report_fini(&report);
    pl_config_free(&cfg);
    return err == PL_OK;
}

static void put_claims(const struct token_opts *o, struct pl_buf *claims)
{
    int64_t now_s = (int64_t)time(NULL);

    PL_BUF_LIT(claims, "{\"sub\":");
    pl_json_put_str(claims, pl_slice_str(o->user));
    if (o->ttl_s >= 0) {
        PL_BUF_LIT(claims, ",\"exp\":");
        pl_buf_i64(claims, now_s + o->ttl_s);
    }
    PL_BUF_LIT(claims, ",\"iat\":");
    pl_buf_i64(claims, now_s);
    if (o->channel != NULL) {
        PL_BUF_LIT(claims, ",\"channel\":");
        pl_json_put_str(claims, pl_slice_str(o->channel));
    }
    if (o->info != NULL) {
        PL_BUF_LIT(claims, ",\"info\":");
        pl_json_put_raw(claims, pl_slice_str(o->info));
    }
    PL_BUF_LIT(claims, "}");
}

static int make(const struct token_opts *o)
{
    struct pl_buf key = pl_buf_init(1 << 16), claims = pl_buf_init(1 << 16), token = pl_buf_init(1 << 17);
    struct pl_jwt_hmac *hmac = NULL;
    int code = PL_EXIT_FAILED;

    if (o->secret != NULL)
        pl_buf_slice_put(&key, pl_slice_str(o->secret));
    if (o->secret == NULL && !key_from_config(o, &key))
        goto out;
    put_claims(o, &claims);
    hmac = pl_jwt_hmac_new(pl_buf_slice(&key));
    if (hmac == NULL || !pl_buf_ok(&claims) || pl_jwt_hmac_sign(hmac, PL_JWT_HS256, pl_buf_slice(&claims), &token) != PL_OK
        || !pl_buf_ok(&token)) {
        fprintf(stderr, "peal: no token can be made: the secret is empty or the claims are too long\n");
        goto out;
    }
    if (token.len > PL_JWT_MAX) {
        fprintf(stderr, "peal: the token has %zu bytes; servers take at most %d\n", token.len, PL_JWT_MAX);
        goto out;
    }
    printf("%.*s\n", (int)token.len, (const char *)token.p);
    code = fflush(stdout) == 0 ? PL_EXIT_OK : PL_EXIT_FAILED;
out:
    if (key.p != NULL)
        explicit_bzero(key.p, key.cap);
    pl_jwt_hmac_free(&hmac);
    pl_buf_fini(&key);
    pl_buf_fini(&claims);
    pl_buf_fini(&token);
    return code;
}

int pl_cmd_token(int argc, char **argv)
{
    struct token_opts o = { .ttl_s = 7 * 86400 };
    const struct pl_flag flags[] = {
        { "--user", 'u', PL_FLAG_TEXT, &o.user, 0, 0, "USER", "user id; \"\" for an anonymous user" },
        { "--secret", 0, PL_FLAG_TEXT, &o.secret, 0, 0, "S", "HMAC secret (seen by others in `ps`: prefer --config)" },
        { "--config", 'c', PL_FLAG_TEXT, &o.config, 0, 0, "FILE", "take the secret of this configuration" },
        { "--ttl", 't', PL_FLAG_SECONDS, &o.ttl_s, -1, INT64_C(3153600000), "S", "valid for so long: 90s, 15m, 7d; -1 for ever" },
        { "--channel", 0, PL_FLAG_TEXT, &o.channel, 0, 0, "CH", "make a subscription token for this channel" },
        { "--info", 0, PL_FLAG_TEXT, &o.info, 0, 0, "JSON", "shown to others in presence and join" },
    };
    const struct pl_flag_set set = { "peal token -u USER (--secret S | --config FILE) [flags]",
        "Prints an HS256 token: for the connection, or with --channel for one subscription.\n"
        "Exit code 0: printed; 1: cannot be made; 2: usage.", flags, sizeof flags / sizeof flags[0] };
    int n;

    switch (pl_flags_parse(&set, argc, argv, &n)) {
    case PL_FLAGS_HELP: return PL_EXIT_OK;
    case PL_FLAGS_BAD: return PL_EXIT_USAGE;
    case PL_FLAGS_OK: break;
    }
    if (n != 0 || o.user == NULL || (o.secret == NULL) == (o.config == NULL)) {
        fprintf(stderr, "peal: %s\nusage: %s\n", n != 0 ? "no further words are taken" : o.user == NULL ? "--user is missing" :
                "one of --secret and --config is wanted", set.usage);
        return PL_EXIT_USAGE;
    }
    if (o.info != NULL && pl_json_check(pl_slice_str(o.info)) != PL_OK) {
        fprintf(stderr, "peal: --info is not JSON: %s\n", o.info);
        return PL_EXIT_USAGE;
    }
    return make(&o);
}
