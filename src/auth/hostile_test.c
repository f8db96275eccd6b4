/* Tokens made to get in (reliability.md 4.5 E1 to E4, E9 to E11), beside the honest ones they are made from. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "auth/auth.h"
#include "auth/forge_test.h"
#include "config/load.h"

#define NOW INT64_C(1000000)
#define ME "{\"sub\":\"42\"}"
#define ALG(a) "{\"alg\":\"" a "\",\"typ\":\"JWT\"}"

struct fixture {
    struct forge forge;
    struct pl_config *cfg;
    struct pl_node node;
    struct pl_shard shard;
    struct pl_scratch scratch;
    struct pl_buf token;
};

/* Honest tokens, and everything that makes one of them a lie: one difference a row. Each key is configured. */
static const struct row { const char *name, *header, *claims; enum key key; enum pl_jwt_alg alg; enum flaw flaw; enum pl_err want; } rows[] = {
    { "RS256", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_OK },
    { "RS384", ALG("RS384"), ME, K_RSA, PL_JWT_RS384, F_NONE, PL_OK },
    { "RS512", ALG("RS512"), ME, K_RSA, PL_JWT_RS512, F_NONE, PL_OK },
    { "PS256", ALG("PS256"), ME, K_RSA, PL_JWT_PS256, F_NONE, PL_OK },
    { "PS384", ALG("PS384"), ME, K_RSA, PL_JWT_PS384, F_NONE, PL_OK },
    { "PS512", ALG("PS512"), ME, K_RSA, PL_JWT_PS512, F_NONE, PL_OK },
    { "ES256", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_NONE, PL_OK },
    { "EdDSA", ALG("EdDSA"), ME, K_ED, PL_JWT_EDDSA, F_NONE, PL_OK },
    { "HS256", ALG("HS256"), ME, K_SECRET, PL_JWT_HS256, F_NONE, PL_OK },
    { "a kid is not asked for", "{\"alg\":\"RS256\",\"kid\":\"2026-11/a\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_OK },
    { "b64 true is the normal form", "{\"alg\":\"RS256\",\"b64\":true}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_OK },
    { "the mirror of s is a signature, too", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_S_MIRRORED, PL_OK },
    /* E1: no signature */
    { "none", ALG("none"), ME, K_NONE, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "None", ALG("None"), ME, K_NONE, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "NONE", ALG("NONE"), ME, K_NONE, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "nOnE", ALG("nOnE"), ME, K_NONE, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "none with a good signature", ALG("none"), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "none in escapes", "{\"alg\":\"n\\u006fne\"}", ME, K_NONE, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "none in two parts", ALG("none"), ME, K_NONE, PL_JWT_HS256, F_TWO_PARTS, PL_EINVAL },
    { "no alg", "{\"typ\":\"JWT\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an empty alg", ALG(""), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "a list of algs", "{\"alg\":[\"RS256\"]}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "two algs", "{\"alg\":\"none\",\"alg\":\"RS256\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "two algs, one in escapes", "{\"alg\":\"RS256\",\"\\u0061lg\":\"none\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an algorithm in small letters", ALG("rs256"), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an algorithm with a space", ALG("RS256 "), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an algorithm with a NUL", "{\"alg\":\"RS256\\u0000\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an unknown algorithm", ALG("RS1"), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an encryption algorithm", ALG("RSA-OAEP"), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "RS256 in two parts", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_TWO_PARTS, PL_EINVAL },
    { "HS256 without signature", ALG("HS256"), ME, K_SECRET, PL_JWT_HS256, F_EMPTY, PL_EINVAL },
    { "RS256 without signature", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_EMPTY, PL_EINVAL },
    { "ES256 without signature", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_EMPTY, PL_EINVAL },
    { "EdDSA without signature", ALG("EdDSA"), ME, K_ED, PL_JWT_EDDSA, F_EMPTY, PL_EINVAL },
    /* E2: confusion */
    { "RSA PEM as HS256 secret", ALG("HS256"), ME, K_PEM_RSA, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "RSA PEM as HS512 secret", ALG("HS512"), ME, K_PEM_RSA, PL_JWT_HS512, F_NONE, PL_EINVAL },
    { "RSA DER as HS256 secret", ALG("HS256"), ME, K_DER_RSA, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "EC PEM as HS256 secret", ALG("HS256"), ME, K_PEM_EC, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "Ed25519 PEM as HS256 secret", ALG("HS256"), ME, K_PEM_ED, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "empty HS256 secret", ALG("HS256"), ME, K_EMPTY, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "an HMAC that says RS256", ALG("RS256"), ME, K_SECRET, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "an HMAC that says ES256", ALG("ES256"), ME, K_SECRET, PL_JWT_HS512, F_NONE, PL_EINVAL },
    { "an HMAC that says EdDSA", ALG("EdDSA"), ME, K_SECRET, PL_JWT_HS512, F_NONE, PL_EINVAL },
    { "RS256 that says HS256", ALG("HS256"), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "RS256 that says PS256", ALG("PS256"), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "PS256 that says RS256", ALG("RS256"), ME, K_RSA, PL_JWT_PS256, F_NONE, PL_EINVAL },
    { "RS256 that says RS384", ALG("RS384"), ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "ES256 that says EdDSA", ALG("EdDSA"), ME, K_P256, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "EdDSA that says ES256", ALG("ES256"), ME, K_ED, PL_JWT_EDDSA, F_NONE, PL_EINVAL },
    { "P-256 that says ES384", ALG("ES384"), ME, K_P256, PL_JWT_ES384, F_NONE, PL_EINVAL },
    { "P-256 that says ES512", ALG("ES512"), ME, K_P256, PL_JWT_ES512, F_NONE, PL_EINVAL },
    { "P-384 that says ES256", ALG("ES256"), ME, K_P384, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "P-521 that says ES256", ALG("ES256"), ME, K_P521, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "secp256k1 that says ES256", ALG("ES256"), ME, K_K1, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "another RSA key", ALG("RS256"), ME, K_RSA_OTHER, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "another EC key", ALG("ES256"), ME, K_P256_OTHER, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "another Ed25519 key", ALG("EdDSA"), ME, K_ED_OTHER, PL_JWT_EDDSA, F_NONE, PL_EINVAL },
    /* E3: names of keys */
    { "a path as kid does not help", "{\"alg\":\"HS256\",\"kid\":\"../../../dev/null\"}", ME, K_EMPTY, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "SQL as kid does not help", "{\"alg\":\"HS256\",\"kid\":\"x' UNION SELECT '' -- \"}", ME, K_EMPTY, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "a URL as kid does not help", "{\"alg\":\"RS256\",\"kid\":\"http://127.0.0.1:1/k\"}", ME, K_RSA_OTHER, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "a NUL in kid", "{\"alg\":\"RS256\",\"kid\":\"a\\u0000b\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "a line break in kid", "{\"alg\":\"RS256\",\"kid\":\"a\\nb\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an unprintable kid", "{\"alg\":\"RS256\",\"kid\":\"\\u202e\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "two kids", "{\"alg\":\"RS256\",\"kid\":\"a\",\"kid\":\"b\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "a number as kid", "{\"alg\":\"RS256\",\"kid\":1}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    /* E4: keys that the token brings along, and extensions */
    { "jku is not followed", "{\"alg\":\"RS256\",\"jku\":\"http://127.0.0.1:1/\"}", ME, K_RSA_OTHER, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "x5u is not followed", "{\"alg\":\"RS256\",\"x5u\":\"http://127.0.0.1:1/\"}", ME, K_RSA_OTHER, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "a jwk is not believed", "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"\"}}", ME, K_EMPTY, PL_JWT_HS256, F_NONE, PL_EINVAL },
    { "an x5c is not believed", "{\"alg\":\"RS256\",\"x5c\":[\"MIIB\"]}", ME, K_RSA_OTHER, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "jku beside a good signature is nothing", "{\"alg\":\"RS256\",\"jku\":\"http://127.0.0.1:1/\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_OK },
    { "crit", "{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an empty crit", "{\"alg\":\"RS256\",\"crit\":[]}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an unencoded payload", "{\"alg\":\"RS256\",\"b64\":false}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "an unencoded payload with crit", "{\"alg\":\"RS256\",\"b64\":false,\"crit\":[\"b64\"]}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "b64 of a wrong type", "{\"alg\":\"RS256\",\"b64\":\"false\"}", ME, K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    /* E9: forms of signatures */
    { "RS256 cut", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_CUT, PL_EINVAL },
    { "RS256 extended", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_EXTENDED, PL_EINVAL },
    { "RS256 with a zero before it", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_LEADING_ZERO, PL_EINVAL },
    { "RS256 of zeros", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_ZERO, PL_EINVAL },
    { "RS256 with a bit flipped", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_FLIPPED, PL_EINVAL },
    { "PS256 with a short salt", ALG("PS256"), ME, K_RSA, PL_JWT_PS256, F_SALT_20, PL_EINVAL },
    { "PS256 without salt", ALG("PS256"), ME, K_RSA, PL_JWT_PS256, F_SALT_0, PL_EINVAL },
    { "PS256 with another mask", ALG("PS256"), ME, K_RSA, PL_JWT_PS256, F_MGF1_SHA1, PL_EINVAL },
    { "ES256 of zeros", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_ZERO, PL_EINVAL },
    { "ES256 in DER", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_DER, PL_EINVAL },
    { "ES256 with r = 0", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_R_ZERO, PL_EINVAL },
    { "ES256 with s = 0", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_S_ZERO, PL_EINVAL },
    { "ES256 with r = order", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_R_ORDER, PL_EINVAL },
    { "ES256 with s = order", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_S_ORDER, PL_EINVAL },
    { "ES256 with s before r", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_SWAPPED, PL_EINVAL },
    { "ES256 cut", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_CUT, PL_EINVAL },
    { "ES256 extended", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_EXTENDED, PL_EINVAL },
    { "ES256 with a bit flipped", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_FLIPPED, PL_EINVAL },
    { "EdDSA of zeros", ALG("EdDSA"), ME, K_ED, PL_JWT_EDDSA, F_ZERO, PL_EINVAL },
    { "EdDSA cut", ALG("EdDSA"), ME, K_ED, PL_JWT_EDDSA, F_CUT, PL_EINVAL },
    { "EdDSA extended", ALG("EdDSA"), ME, K_ED, PL_JWT_EDDSA, F_EXTENDED, PL_EINVAL },
    { "HS256 cut", ALG("HS256"), ME, K_SECRET, PL_JWT_HS256, F_CUT, PL_EINVAL },
    { "HS256 extended", ALG("HS256"), ME, K_SECRET, PL_JWT_HS256, F_EXTENDED, PL_EINVAL },
    { "a signature with padding", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_PADDED, PL_EINVAL },
    { "a space behind", ALG("EdDSA"), ME, K_ED, PL_JWT_EDDSA, F_SPACE, PL_EINVAL },
    { "a line break behind", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_NEWLINE, PL_EINVAL },
    { "spare bits that are not zero", ALG("EdDSA"), ME, K_ED, PL_JWT_EDDSA, F_SPARE_BITS, PL_EINVAL },
    { "four parts", ALG("RS256"), ME, K_RSA, PL_JWT_RS256, F_FOUR_PARTS, PL_EINVAL },
    /* E10, E11: times and types; signed rightly, so they alone decide */
    { "exp to come", ALG("ES256"), "{\"exp\":1000060}", K_P256, PL_JWT_ES256, F_NONE, PL_OK },
    { "exp now", ALG("ES256"), "{\"exp\":1000000}", K_P256, PL_JWT_ES256, F_NONE, PL_EEXPIRED },
    { "exp below zero", ALG("ES256"), "{\"exp\":-1}", K_P256, PL_JWT_ES256, F_NONE, PL_EEXPIRED },
    { "exp as text", ALG("ES256"), "{\"exp\":\"1000060\"}", K_P256, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "exp of 2^53", ALG("ES256"), "{\"exp\":9007199254740992}", K_P256, PL_JWT_ES256, F_NONE, PL_OK },
    { "exp over 2^53", ALG("ES256"), "{\"exp\":9007199254740993}", K_P256, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "exp of 2^63", ALG("ES256"), "{\"exp\":9223372036854775808}", K_P256, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "exp of 2^64 + 1000060", ALG("ES256"), "{\"exp\":18446744073710551676}", K_P256, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "exp without end", ALG("ES256"), "{\"exp\":1e400}", K_P256, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "two exps", ALG("ES256"), "{\"exp\":1,\"exp\":1000060}", K_P256, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "nbf to come", ALG("ES256"), "{\"nbf\":1000060}", K_P256, PL_JWT_ES256, F_NONE, PL_EEXPIRED },
    { "nbf as text", ALG("ES256"), "{\"nbf\":\"0\"}", K_P256, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "iat as list", ALG("ES256"), "{\"iat\":[1]}", K_P256, PL_JWT_ES256, F_NONE, PL_EINVAL },
    { "iat to come is Centrifugo's business, not ours", ALG("ES256"), "{\"iat\":1000060}", K_P256, PL_JWT_ES256, F_NONE, PL_OK },
    { "two subs", ALG("EdDSA"), "{\"sub\":\"42\",\"sub\":\"1\"}", K_ED, PL_JWT_EDDSA, F_NONE, PL_EINVAL },
    { "two subs, one in escapes", ALG("EdDSA"), "{\"sub\":\"42\",\"s\\u0075b\":\"1\"}", K_ED, PL_JWT_EDDSA, F_NONE, PL_EINVAL },
    { "sub as number", ALG("EdDSA"), "{\"sub\":42}", K_ED, PL_JWT_EDDSA, F_NONE, PL_EINVAL },
    { "sub as list", ALG("EdDSA"), "{\"sub\":[\"42\"]}", K_ED, PL_JWT_EDDSA, F_NONE, PL_EINVAL },
    { "two channels", ALG("EdDSA"), "{\"channel\":\"\",\"channel\":\"a\"}", K_ED, PL_JWT_EDDSA, F_NONE, PL_EINVAL },
    { "a subscription token to connect with", ALG("EdDSA"), "{\"channel\":\"a\"}", K_ED, PL_JWT_EDDSA, F_NONE, PL_EINVAL },
    { "claims that are a list", ALG("RS256"), "[\"sub\"]", K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "claims and more", ALG("RS256"), "{\"sub\":\"42\"}{}", K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
    { "claims with a comma too many", ALG("RS256"), "{\"sub\":\"42\",}", K_RSA, PL_JWT_RS256, F_NONE, PL_EINVAL },
};

static void configure(struct fixture *f, const char *token)
{
    struct pl_config_report report = { 0 };
    struct pl_config_input in = { .file = "test.json", .text = pl_slice_str(token) };
    struct pl_buf why = pl_buf_init(1024);
    struct pl_config *cfg;

    if (pl_config_load(&in, &cfg, &report) != PL_OK)
        fail_msg("%s", report.n > 0 ? report.v[0].text : "config");
    pl_config_report_fini(&report);
    f->node.config = cfg;
    if (pl_auth_node_init(&f->node, &why) != PL_OK)
        fail_msg("%.*s", PL_FMT(pl_buf_slice(&why)));
    pl_buf_fini(&why);
    pl_config_free(&f->cfg);
    f->cfg = cfg;
}

static void put_key(struct fixture *f, struct pl_buf *out, const char *name, enum key key)
{
    pl_buf_printf(out, "%s\"%s\":\"", out->p[out->len - 1] == '{' ? "" : ",", name);
    forge_json(pl_buf_slice(&f->forge.pem[key]), out);
    pl_buf_byte(out, '"');
}

/* Public keys, each K_NONE for none; a secret when has_secret. */
static void configure_keys(struct fixture *f, bool has_secret, enum key rsa, enum key ec, enum key ed)
{
    struct pl_buf text = pl_buf_init(16384);

    pl_buf_printf(&text, "{\"client\":{\"token\":{");
    if (has_secret)
        pl_buf_printf(&text, "\"hmac_secret_key\":\"" FORGE_SECRET "\"");
    if (rsa != K_NONE)
        put_key(f, &text, "rsa_public_key", rsa);
    if (ec != K_NONE)
        put_key(f, &text, "ecdsa_public_key", ec);
    if (ed != K_NONE)
        put_key(f, &text, "eddsa_public_key", ed);
    pl_buf_printf(&text, "}}}");
    pl_buf_byte(&text, '\0');
    assert_true(pl_buf_ok(&text));
    configure(f, (const char *)text.p);
    pl_buf_fini(&text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    forge_init(&f->forge);
    f->shard.node = &f->node;
    f->shard.wall_ms = NOW * 1000;
    f->scratch = pl_scratch_init(PL_AUTH_SCRATCH);
    f->token = pl_buf_init(PL_JWT_MAX * 2);
    pl_auth_init(&f->shard);
    *state = f;
    return 0;
}

static int all_keys(void **state)
{
    configure_keys(*state, true, K_RSA, K_P256, K_ED);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pl_auth_fini(&f->shard);
    pl_auth_node_fini(&f->node);
    pl_config_free(&f->cfg);
    pl_scratch_fini(&f->scratch);
    pl_buf_fini(&f->token);
    forge_fini(&f->forge);
    free(f);
    return 0;
}

static enum pl_err ask(struct fixture *f, const struct row *r)
{
    struct pl_credentials c;

    pl_scratch_reset(&f->scratch);
    pl_buf_clear(&f->token);
    forge_token(&f->forge, r->header, r->claims, r->key, r->alg, r->flaw, &f->token);
    return pl_auth_connection(&f->shard, pl_buf_slice(&f->token), &f->scratch, &c);
}

static void every_lie_is_refused_and_nothing_else(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int twice = 0; twice < 2; twice++) { /* a refusal leaves nothing behind in the prepared contexts */
            enum pl_err got = ask(*state, &rows[i]);

            if (got != rows[i].want)
                fail_msg("%s: %s", rows[i].name, pl_err_text(got));
        }
}

static void without_signatures_checked_the_rest_still_is(void **state)
{
    struct fixture *f = *state;

    configure(f, "{\"client\":{\"insecure_skip_token_signature_verify\":true}}");
    assert_int_equal(ask(f, &(struct row){ "", ALG("RS256"), ME, K_NONE, PL_JWT_RS256, F_NONE, PL_OK }), PL_OK);
    assert_int_equal(ask(f, &(struct row){ "", ALG("none"), ME, K_NONE, PL_JWT_RS256, F_NONE, PL_OK }), PL_EINVAL);
    assert_int_equal(ask(f, &(struct row){ "", ALG("ES256"), "{\"exp\":5}", K_NONE, PL_JWT_ES256, F_NONE, PL_OK }), PL_EEXPIRED);
}

static void a_family_without_key_is_refused(void **state)
{
    struct fixture *f = *state;

    for (unsigned with = 0; with < 4; with++) {
        configure_keys(f, with == 0, with == 1 ? K_RSA : K_NONE, with == 2 ? K_P256 : K_NONE, with == 3 ? K_ED : K_NONE);
        assert_int_equal(ask(f, &(struct row){ "", ALG("HS256"), ME, K_SECRET, PL_JWT_HS256, F_NONE, PL_OK }), with == 0 ? PL_OK : PL_EINVAL);
        assert_int_equal(ask(f, &(struct row){ "", ALG("PS512"), ME, K_RSA, PL_JWT_PS512, F_NONE, PL_OK }), with == 1 ? PL_OK : PL_EINVAL);
        assert_int_equal(ask(f, &(struct row){ "", ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_NONE, PL_OK }), with == 2 ? PL_OK : PL_EINVAL);
        assert_int_equal(ask(f, &(struct row){ "", ALG("EdDSA"), ME, K_ED, PL_JWT_EDDSA, F_NONE, PL_OK }), with == 3 ? PL_OK : PL_EINVAL);
        for (enum key key = K_PEM_RSA; key <= K_EMPTY; key++)
            assert_int_equal(ask(f, &(struct row){ "", ALG("HS256"), ME, key, PL_JWT_HS256, F_NONE, PL_OK }), PL_EINVAL);
    }
}

static void each_curve_has_its_one_algorithm(void **state)
{
    static const struct { enum key key; enum pl_jwt_alg alg; } curves[] = { { K_P256, PL_JWT_ES256 }, { K_P384, PL_JWT_ES384 }, { K_P521, PL_JWT_ES512 } };
    static const char *const headers[] = { ALG("ES256"), ALG("ES384"), ALG("ES512") };
    struct fixture *f = *state;

    for (size_t i = 0; i < 3; i++) {
        configure_keys(f, false, K_NONE, curves[i].key, K_NONE);
        for (size_t j = 0; j < 3; j++)
            for (int n = 0; n < 20; n++) /* short numbers come by chance */
                assert_int_equal(ask(f, &(struct row){ "", headers[j], ME, curves[i].key, curves[j].alg, F_NONE, PL_OK }), i == j ? PL_OK : PL_EINVAL);
        assert_int_equal(ask(f, &(struct row){ "", headers[i], ME, curves[i].key, curves[i].alg, F_R_ORDER, PL_OK }), PL_EINVAL);
        assert_int_equal(ask(f, &(struct row){ "", headers[i], ME, curves[i].key, curves[i].alg, F_DER, PL_OK }), PL_EINVAL);
    }
}

static void every_prefix_of_a_token_is_refused(void **state)
{
    struct fixture *f = *state;
    struct pl_credentials c;

    pl_buf_clear(&f->token);
    forge_token(&f->forge, ALG("ES256"), ME, K_P256, PL_JWT_ES256, F_NONE, &f->token);
    for (size_t n = 0; n <= f->token.len; n++) {
        pl_scratch_reset(&f->scratch);
        assert_int_equal(pl_auth_connection(&f->shard, pl_slice(f->token.p, n), &f->scratch, &c), n == f->token.len ? PL_OK : PL_EINVAL);
    }
}

static void long_names_of_keys_are_refused(void **state)
{
    struct fixture *f = *state;
    char header[400];

    for (int n = PL_JWT_KID_MAX; n <= PL_JWT_KID_MAX + 1; n++) {
        (void)snprintf(header, sizeof header, "{\"alg\":\"RS256\",\"kid\":\"%0*d\"}", n, 7); /* fits: n is 129 at most */
        assert_int_equal(ask(f, &(struct row){ "", header, ME, K_RSA, PL_JWT_RS256, F_NONE, PL_OK }), n == PL_JWT_KID_MAX ? PL_OK : PL_EINVAL);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, all_keys)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_lie_is_refused_and_nothing_else),
        TEST(without_signatures_checked_the_rest_still_is),
        TEST(a_family_without_key_is_refused),
        TEST(each_curve_has_its_one_algorithm),
        TEST(every_prefix_of_a_token_is_refused),
        TEST(long_names_of_keys_are_refused),
    };

    return cmocka_run_group_tests_name("auth/hostile", tests, setup, teardown); /* keys are made once: that takes longest */
}
