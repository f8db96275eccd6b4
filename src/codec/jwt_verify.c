/* Signatures by public keys: RS (RFC 7518 3.3), ES (3.4), PS (3.5), EdDSA (RFC 8037 3.1). */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/jwt_key_priv.h"

enum { DIGESTS = 3, DER_MAX = 2 * (JWT_EC_MAX + 3) + 3 };

static const char *const digest_names[DIGESTS] = { "SHA256", "SHA384", "SHA512" };

struct pl_jwt_verifier {
    struct pl_jwt_key key;             /* a copy, with a reference of its own */
    EVP_MD *digests[DIGESTS];          /* owned; fetched once */
    EVP_PKEY_CTX *ctx[PL_JWT_N_ALGS];  /* owned; one for each algorithm of the key but EdDSA, which OpenSSL has no such context for */
    EVP_MD_CTX *md;                    /* owned */
};

/* The algorithms stand in threes: 256, 384, 512. */
static unsigned digest_of(unsigned alg)
{
    return alg % DIGESTS;
}

static bool is_pss(unsigned alg)
{
    return alg >= PL_JWT_PS256 && alg <= PL_JWT_PS512;
}

static EVP_PKEY_CTX *ctx_new(const struct pl_jwt_verifier *v, unsigned alg)
{
    const EVP_MD *digest = v->digests[digest_of(alg)];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, v->key.pkey, NULL);
    bool is_ok = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 && EVP_PKEY_CTX_set_signature_md(ctx, digest) == 1;

    if (is_ok && v->key.kind == PL_JWT_RSA)
        is_ok = EVP_PKEY_CTX_set_rsa_padding(ctx, is_pss(alg) ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1;
    if (is_ok && is_pss(alg))
        is_ok = EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, digest) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, PL_SABOTAGE(jwt_any_salt) ? RSA_PSS_SALTLEN_AUTO : RSA_PSS_SALTLEN_DIGEST) == 1;
    if (!is_ok) {
        EVP_PKEY_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

struct pl_jwt_verifier *pl_jwt_verifier_new(const struct pl_jwt_key *key)
{
    struct pl_jwt_verifier *v = calloc(1, sizeof *v);
    bool is_ok;

    if (v == NULL)
        return NULL;
    is_ok = EVP_PKEY_up_ref(key->pkey) == 1;
    if (is_ok)
        v->key = *key;
    v->md = EVP_MD_CTX_new();
    is_ok = is_ok && v->md != NULL;
    for (unsigned alg = 0; alg < PL_JWT_EDDSA && is_ok; alg++) {
        EVP_MD **digest = &v->digests[digest_of(alg)];

        if ((key->algs >> alg & 1) == 0)
            continue;
        if (*digest == NULL)
            *digest = EVP_MD_fetch(NULL, digest_names[digest_of(alg)], NULL);
        v->ctx[alg] = *digest != NULL ? ctx_new(v, alg) : NULL;
        is_ok = v->ctx[alg] != NULL;
    }
    if (!is_ok)
        pl_jwt_verifier_free(&v);
    ERR_clear_error();
    return v;
}

void pl_jwt_verifier_free(struct pl_jwt_verifier **take_v)
{
    struct pl_jwt_verifier *v = *take_v;

    *take_v = NULL;
    if (v == NULL)
        return;
    for (unsigned i = 0; i < PL_JWT_N_ALGS; i++)
        EVP_PKEY_CTX_free(v->ctx[i]);
    for (unsigned i = 0; i < DIGESTS; i++)
        EVP_MD_free(v->digests[i]);
    EVP_MD_CTX_free(v->md);
    EVP_PKEY_free(v->key.pkey);
    free(v);
}

/* One number of an ES signature as a DER INTEGER; false unless in 1..order-1. */
static bool put_number(const struct pl_jwt_key *key, const uint8_t *n, uint8_t *out, size_t *len)
{
    size_t size = key->signature_len / 2, skip = 0, pad;

    while (skip < size && n[skip] == 0)
        skip++;
    if (skip == size || memcmp(n, key->order, size) >= 0)
        return false;
    pad = n[skip] >> 7; /* DER numbers have a sign */
    out[(*len)++] = 0x02;
    out[(*len)++] = (uint8_t)(size - skip + pad);
    if (pad != 0)
        out[(*len)++] = 0;
    memcpy(out + *len, n + skip, size - skip);
    *len += size - skip;
    return true;
}

/* r and s as OpenSSL wants them: SEQUENCE { INTEGER, INTEGER } (RFC 3279 2.2.3). */
static bool to_der(const struct pl_jwt_key *key, const uint8_t *raw, uint8_t out[DER_MAX], size_t *ret_len)
{
    uint8_t body[DER_MAX];
    size_t len = 0, at = 0;

    if (!put_number(key, raw, body, &len) || !put_number(key, raw + key->signature_len / 2, body, &len))
        return false;
    out[at++] = 0x30;
    if (len > 127)
        out[at++] = 0x81;
    out[at++] = (uint8_t)len; /* at most 138 */
    memcpy(out + at, body, len);
    *ret_len = at + len;
    return true;
}

static bool verify_eddsa(struct pl_jwt_verifier *v, const struct pl_jwt *t)
{
    return EVP_MD_CTX_reset(v->md) == 1 && EVP_DigestVerifyInit(v->md, NULL, NULL, NULL, v->key.pkey) == 1 &&
           EVP_DigestVerify(v->md, t->signature.p, t->signature.len, t->signed_text.p, t->signed_text.len) == 1;
}

static bool verify_digest(struct pl_jwt_verifier *v, const struct pl_jwt *t)
{
    uint8_t digest[EVP_MAX_MD_SIZE], der[DER_MAX];
    struct pl_slice signature = t->signature;
    unsigned n;
    size_t len;

    if (v->key.kind == PL_JWT_EC && signature.len == v->key.signature_len) {
        if (!to_der(&v->key, signature.p, der, &len))
            return false;
        signature = pl_slice(der, len);
    }
    return EVP_DigestInit_ex2(v->md, v->digests[digest_of(t->alg)], NULL) == 1 &&
           EVP_DigestUpdate(v->md, t->signed_text.p, t->signed_text.len) == 1 && EVP_DigestFinal_ex(v->md, digest, &n) == 1 &&
           EVP_PKEY_verify(v->ctx[t->alg], signature.p, signature.len, digest, n) == 1;
}

enum pl_err pl_jwt_verify(struct pl_jwt_verifier *v, const struct pl_jwt *t)
{
    bool is_ok;

    if ((v->key.algs >> t->alg & 1) == 0)
        return PL_EINVAL;
    if (t->signature.len != v->key.signature_len && !(PL_SABOTAGE(jwt_der_signature) && v->key.kind == PL_JWT_EC))
        return PL_EINVAL;
    is_ok = t->alg == PL_JWT_EDDSA ? verify_eddsa(v, t) : verify_digest(v, t);
    if (!is_ok)
        ERR_clear_error(); /* the thread's next TLS call must not find our failures */
    return is_ok ? PL_OK : PL_EINVAL;
}
