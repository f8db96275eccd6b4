/* Public keys out of PEM, and which of them may be trusted. */
#include "codec/jwt_key_priv.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/check.h"

#define BIT(alg) (1u << (alg))

static const char *const kind_names[PL_JWT_N_KINDS] = { [PL_JWT_RSA] = "an RSA", [PL_JWT_EC] = "an EC", [PL_JWT_ED25519] = "an Ed25519" };

/* RFC 7518 3.4: each ES algorithm has one curve. */
static const struct { const char *group; enum pl_jwt_alg alg; size_t len; } curves[] = {
    { "prime256v1", PL_JWT_ES256, 32 },
    { "secp384r1", PL_JWT_ES384, 48 },
    { "secp521r1", PL_JWT_ES512, 66 },
};

/* ---- PEM ---- */

/* The public key of one DER document, which must fill its block. */
static EVP_PKEY *key_of_block(const char *name, const uint8_t *der, long len, struct pl_buf *why)
{
    const uint8_t *at = der;
    EVP_PKEY *key = NULL;

    if (strcmp(name, PEM_STRING_PUBLIC) == 0) {
        key = d2i_PUBKEY(NULL, &at, len);
    } else if (strcmp(name, PEM_STRING_RSA_PUBLIC) == 0) {
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, len);
    } else if (strcmp(name, PEM_STRING_X509) == 0) {
        X509 *cert = d2i_X509(NULL, &at, len);

        key = cert != NULL ? X509_get_pubkey(cert) : NULL;
        X509_free(cert);
    } else {
        pl_buf_printf(why, "holds %s%.40s: give the public key or its certificate", strstr(name, "PRIVATE") != NULL ? "a " : "", name);
        return NULL;
    }
    if (key == NULL || at != der + len) {
        pl_buf_printf(why, "holds a damaged %.40s", name);
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static EVP_PKEY *key_of_pem(struct pl_slice pem, struct pl_buf *why)
{
    BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.len) : NULL;
    char *name = NULL, *header = NULL;
    EVP_PKEY *key = NULL;
    uint8_t *der = NULL;
    long len = 0;

    if (bio == NULL || PEM_read_bio(bio, &name, &header, &der, &len) != 1)
        pl_buf_printf(why, "is no readable PEM");
    else
        key = key_of_block(name, der, len, why);
    if (der != NULL)
        OPENSSL_cleanse(der, (size_t)len); /* it may have been a private key */
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    return key;
}

/* ---- trust ---- */

static enum pl_err check_rsa(struct pl_jwt_key *key, struct pl_buf *why)
{
    int bits = EVP_PKEY_get_bits(key->pkey), max = PL_JWT_RSA_BITS_MAX;
    BIGNUM *e = NULL, *n = NULL;
    bool is_e, is_n;

    if ((bits < PL_JWT_RSA_BITS_MIN && !PL_SABOTAGE(jwt_small_rsa)) || bits > max) {
        pl_buf_printf(why, "is an RSA key of %d bits; from %d to %d are taken", bits, PL_JWT_RSA_BITS_MIN, max);
        return PL_EINVAL;
    }
    is_e = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) == 1 && !BN_is_one(e);
    is_n = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 && BN_is_odd(n) == 1;
    BN_free(e);
    BN_free(n);
    if (!is_e || !is_n) {
        pl_buf_printf(why, "is an RSA key whose %s is even%s", is_n ? "exponent" : "modulus", is_n ? " or below 3" : "");
        return PL_EINVAL;
    }
    key->algs = BIT(PL_JWT_RS256) | BIT(PL_JWT_RS384) | BIT(PL_JWT_RS512) | BIT(PL_JWT_PS256) | BIT(PL_JWT_PS384) | BIT(PL_JWT_PS512);
    key->signature_len = (size_t)EVP_PKEY_get_size(key->pkey);
    return PL_OK;
}

static enum pl_err check_ec(struct pl_jwt_key *key, struct pl_buf *why)
{
    char group[64] = "";
    BIGNUM *order = NULL;
    int is_explicit = 0;
    bool is_ok;

    (void)EVP_PKEY_get_group_name(key->pkey, group, sizeof group, NULL); /* without a name: refused below */
    (void)EVP_PKEY_get_int_param(key->pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit); /* unknown: named */
    for (size_t i = 0; i < sizeof curves / sizeof curves[0] && is_explicit == 0; i++) {
        if (strcmp(group, curves[i].group) != 0)
            continue;
        is_ok = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_ORDER, &order) == 1 &&
                BN_bn2binpad(order, key->order, (int)curves[i].len) == (int)curves[i].len;
        BN_free(order);
        key->algs = BIT(curves[i].alg);
        key->signature_len = 2 * curves[i].len;
        return is_ok ? PL_OK : PL_ENOMEM;
    }
    if (is_explicit != 0)
        pl_buf_printf(why, "is an EC key that spells its curve out instead of naming it");
    else
        pl_buf_printf(why, "is an EC key of the curve %s; P-256, P-384 and P-521 are taken", group[0] != '\0' ? group : "without a name");
    return PL_EINVAL;
}

static enum pl_err check_key(struct pl_jwt_key *key, struct pl_buf *why)
{
    static const int types[PL_JWT_N_KINDS] = { [PL_JWT_RSA] = EVP_PKEY_RSA, [PL_JWT_EC] = EVP_PKEY_EC, [PL_JWT_ED25519] = EVP_PKEY_ED25519 };
    enum pl_err err = PL_OK;
    EVP_PKEY_CTX *ctx;

    if (EVP_PKEY_get_base_id(key->pkey) != types[key->kind]) {
        const char *type = EVP_PKEY_get0_type_name(key->pkey);

        pl_buf_printf(why, "is of the type %s, not %s key", type != NULL ? type : "unknown", kind_names[key->kind]);
        return PL_EINVAL;
    }
    switch (key->kind) {
    case PL_JWT_RSA: err = check_rsa(key, why); break;
    case PL_JWT_EC: err = check_ec(key, why); break;
    case PL_JWT_ED25519:
        key->algs = BIT(PL_JWT_EDDSA);
        key->signature_len = 64; /* RFC 8032 5.1.6 */
        break;
    case PL_JWT_N_KINDS: PL_UNREACHABLE();
    }
    /* OpenSSL's check of an RSA key searches its modulus for primes, some 10 ms each time; whoever could put a weak one there could put any. */
    if (err != PL_OK || key->kind == PL_JWT_RSA)
        return err;
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (ctx == NULL)
        return PL_ENOMEM;
    if (EVP_PKEY_public_check(ctx) != 1) { /* a point off its curve */
        pl_buf_printf(why, "is %s key that fails its own checks", kind_names[key->kind]);
        err = PL_EINVAL;
    }
    EVP_PKEY_CTX_free(ctx);
    return err;
}

enum pl_err pl_jwt_key_new(struct pl_slice pem, enum pl_jwt_kind want, struct pl_jwt_key **ret, struct pl_buf *why)
{
    struct pl_jwt_key *key = calloc(1, sizeof *key);
    enum pl_err err = PL_EINVAL;

    if (key == NULL)
        return PL_ENOMEM;
    key->kind = want;
    key->pkey = key_of_pem(pem, why);
    if (key->pkey != NULL)
        err = check_key(key, why);
    ERR_clear_error(); /* the thread's next TLS call must not find our failures */
    if (err != PL_OK) {
        pl_jwt_key_free(&key);
        return err;
    }
    *ret = key;
    return PL_OK;
}

void pl_jwt_key_free(struct pl_jwt_key **take_key)
{
    struct pl_jwt_key *key = *take_key;

    *take_key = NULL;
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

unsigned pl_jwt_key_algs(const struct pl_jwt_key *key)
{
    return key->algs;
}

bool pl_jwt_is_public(struct pl_slice text)
{
    static const char *const heads[] = { "-----BEGIN PUBLIC KEY", "-----BEGIN RSA PUBLIC KEY", "-----BEGIN CERTIFICATE" };

    for (size_t i = 0; i < sizeof heads / sizeof heads[0] && text.len != 0; i++)
        if (memmem(text.p, text.len, heads[i], strlen(heads[i])) != NULL)
            return true;
    return false;
}
