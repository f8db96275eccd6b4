/* HS256, HS384, HS512 (RFC 7518 3.2). */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/b64.h"
#include "codec/jwt.h"

#define HMAC_KINDS 3u /* the first of enum pl_jwt_alg */

struct pl_jwt_hmac {
    EVP_MAC_CTX *ctx[HMAC_KINDS]; /* owned, keyed; EVP_MAC_init without a key starts over with the same */
};

static EVP_MAC_CTX *keyed_ctx(EVP_MAC *mac, const char *digest, struct pl_slice secret)
{
    char name[8];
    OSSL_PARAM params[2];
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

    (void)strcpy(name, digest); /* OpenSSL's parameter wants char *, not const; digest is one of three literals below */
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
    params[1] = OSSL_PARAM_construct_end();
    if (ctx != NULL && EVP_MAC_init(ctx, secret.p, secret.len, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

struct pl_jwt_hmac *pl_jwt_hmac_new(struct pl_slice secret)
{
    static const char *const digests[HMAC_KINDS] = { "SHA256", "SHA384", "SHA512" };
    struct pl_jwt_hmac *key;
    EVP_MAC *mac;

    if (secret.len == 0)
        return NULL;
    key = calloc(1, sizeof *key);
    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    for (unsigned i = 0; i < HMAC_KINDS && key != NULL; i++) {
        key->ctx[i] = mac != NULL ? keyed_ctx(mac, digests[i], secret) : NULL;
        if (key->ctx[i] == NULL)
            pl_jwt_hmac_free(&key);
    }
    EVP_MAC_free(mac);
    return key;
}

void pl_jwt_hmac_free(struct pl_jwt_hmac **take_key)
{
    struct pl_jwt_hmac *key = *take_key;

    *take_key = NULL;
    if (key == NULL)
        return;
    for (unsigned i = 0; i < HMAC_KINDS; i++)
        EVP_MAC_CTX_free(key->ctx[i]); /* wipes the secret */
    free(key);
}

static bool compute(struct pl_jwt_hmac *key, enum pl_jwt_alg alg, struct pl_slice text, uint8_t out[EVP_MAX_MD_SIZE], size_t *ret_len)
{
    EVP_MAC_CTX *ctx = key->ctx[alg];

    return EVP_MAC_init(ctx, NULL, 0, NULL) == 1 && EVP_MAC_update(ctx, text.p, text.len) == 1 &&
           EVP_MAC_final(ctx, out, ret_len, EVP_MAX_MD_SIZE) == 1;
}

enum pl_err pl_jwt_hmac_verify(struct pl_jwt_hmac *key, const struct pl_jwt *t)
{
    uint8_t want[EVP_MAX_MD_SIZE];
    size_t len;

    if (t->alg >= HMAC_KINDS || !compute(key, t->alg, t->signed_text, want, &len))
        return PL_EINVAL;
    if (PL_SABOTAGE(jwt_short_signature))
        len = t->signature.len;
    return t->signature.len == len && CRYPTO_memcmp(t->signature.p, want, len) == 0 ? PL_OK : PL_EINVAL;
}

enum pl_err pl_jwt_hmac_sign(struct pl_jwt_hmac *key, enum pl_jwt_alg alg, struct pl_slice claims, struct pl_buf *out)
{
    static const char *const headers[HMAC_KINDS] = {
        "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", "{\"alg\":\"HS384\",\"typ\":\"JWT\"}", "{\"alg\":\"HS512\",\"typ\":\"JWT\"}",
    };
    uint8_t mac[EVP_MAX_MD_SIZE];
    size_t from = out->len, len;

    PL_ASSERT(alg < HMAC_KINDS);
    pl_b64_encode(out, PL_B64_URL, pl_slice_str(headers[alg]));
    pl_buf_byte(out, '.');
    pl_b64_encode(out, PL_B64_URL, claims);
    if (!pl_buf_ok(out))
        return PL_ETOOBIG;
    if (!compute(key, alg, pl_slice(out->p + from, out->len - from), mac, &len))
        return PL_EIO;
    pl_buf_byte(out, '.');
    pl_b64_encode(out, PL_B64_URL, pl_slice(mac, len));
    return pl_buf_ok(out) ? PL_OK : PL_ETOOBIG;
}
