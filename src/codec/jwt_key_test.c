#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "codec/jwt_key.h"

#define BITS(from, to) (((2u << (to)) - 1) & ~((1u << (from)) - 1))

enum shape { PUB, PKCS1, CERT, PRIVATE, PUB_EXPLICIT };

static struct pl_buf pem_of(EVP_PKEY *key, enum shape shape)
{
    struct pl_buf out = pl_buf_init(65536);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    assert_non_null(key);
    if (shape == PRIVATE) {
        assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    } else if (shape == CERT) {
        X509 *cert = X509_new();

        assert_int_equal(X509_set_pubkey(cert, key), 1);
        assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
        assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 60));
        assert_true(X509_sign(cert, key, EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0);
        assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
        X509_free(cert);
    } else if (shape == PKCS1) {
        uint8_t *der = NULL;
        int len = i2d_PublicKey(key, &der);

        assert_true(len > 0);
        assert_true(PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, len) > 0);
        OPENSSL_free(der);
    } else {
        if (shape == PUB_EXPLICIT)
            assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"), 1);
        assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    }
    n = BIO_get_mem_data(bio, &text);
    pl_buf_put(&out, text, (size_t)n);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return out;
}

/* A public RSA key of `bits` that nobody has the private half of. */
static EVP_PKEY *rsa_of(int bits, unsigned long e)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    uint8_t n_bytes[2048], e_bytes[8];
    BIGNUM *n = BN_new(), *en = BN_new();
    EVP_PKEY *key = NULL;
    OSSL_PARAM params[3];

    assert_int_equal(BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
    while (BN_mod_word(n, 3) == 0 || BN_mod_word(n, 5) == 0 || BN_mod_word(n, 7) == 0)
        assert_int_equal(BN_add_word(n, 2), 1);
    assert_int_equal(BN_set_word(en, e), 1);
    assert_true(BN_bn2nativepad(n, n_bytes, (bits + 7) / 8) > 0 && BN_bn2nativepad(en, e_bytes, sizeof e_bytes) > 0);
    params[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n_bytes, (size_t)(bits + 7) / 8);
    params[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e_bytes, sizeof e_bytes);
    params[2] = OSSL_PARAM_construct_end();
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(ctx);
    BN_free(n);
    BN_free(en);
    return key;
}

/* A key that says itself that it is for PSS. */
static EVP_PKEY *rsa_pss(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    EVP_PKEY *key = NULL;

    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 1024), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* ret_why may be NULL. */
static unsigned load(struct pl_buf pem, enum pl_jwt_kind kind, char *ret_why, size_t size)
{
    struct pl_buf why = pl_buf_init(1024);
    struct pl_jwt_key *key = NULL;
    enum pl_err err = pl_jwt_key_new(pl_buf_slice(&pem), kind, &key, &why);
    unsigned algs = 0;

    assert_true(err == PL_OK || err == PL_EINVAL);
    assert_int_equal(ERR_peek_error(), 0);
    if (err == PL_OK) {
        struct pl_jwt_verifier *v = pl_jwt_verifier_new(key);

        assert_non_null(v);
        assert_int_equal(why.len, 0);
        algs = pl_jwt_key_algs(key);
        pl_jwt_verifier_free(&v);
    } else {
        assert_true(why.len != 0);
    }
    if (ret_why != NULL)
        (void)snprintf(ret_why, size, "%.*s", PL_FMT(pl_buf_slice(&why))); /* cut is fine */
    pl_jwt_key_free(&key);
    pl_buf_fini(&why);
    pl_buf_fini(&pem);
    return algs;
}

static void keys_come_as_public_key_or_certificate(void **state)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048);

    (void)state;
    assert_true(EVP_PKEY_up_ref(rsa) == 1 && EVP_PKEY_up_ref(rsa) == 1); /* pem_of() takes one each */
    assert_int_equal(load(pem_of(rsa, PUB), PL_JWT_RSA, NULL, 0), BITS(PL_JWT_RS256, PL_JWT_PS512));
    assert_int_equal(load(pem_of(rsa, PKCS1), PL_JWT_RSA, NULL, 0), BITS(PL_JWT_RS256, PL_JWT_PS512));
    assert_int_equal(load(pem_of(rsa, CERT), PL_JWT_RSA, NULL, 0), BITS(PL_JWT_RS256, PL_JWT_PS512));
    assert_int_equal(load(pem_of(EVP_EC_gen("P-256"), PUB), PL_JWT_EC, NULL, 0), BITS(PL_JWT_ES256, PL_JWT_ES256));
    assert_int_equal(load(pem_of(EVP_EC_gen("P-384"), CERT), PL_JWT_EC, NULL, 0), BITS(PL_JWT_ES384, PL_JWT_ES384));
    assert_int_equal(load(pem_of(EVP_EC_gen("P-521"), PUB), PL_JWT_EC, NULL, 0), BITS(PL_JWT_ES512, PL_JWT_ES512));
    assert_int_equal(load(pem_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), PUB), PL_JWT_ED25519, NULL, 0), BITS(PL_JWT_EDDSA, PL_JWT_EDDSA));
    assert_int_equal(load(pem_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), CERT), PL_JWT_ED25519, NULL, 0), BITS(PL_JWT_EDDSA, PL_JWT_EDDSA));
}

static void refused(EVP_PKEY *key, enum shape shape, enum pl_jwt_kind kind, const char *want)
{
    char why[256];

    assert_int_equal(load(pem_of(key, shape), kind, why, sizeof why), 0);
    if (strstr(why, want) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, want);
}

static void keys_nobody_should_trust_are_refused_with_a_reason(void **state)
{
    (void)state;
    refused(EVP_RSA_gen(1024), PUB, PL_JWT_RSA, "RSA key of 1024 bits; from 2048 to 8192");
    refused(rsa_of(2047, 65537), PUB, PL_JWT_RSA, "of 2047 bits");
    refused(rsa_of(8193, 65537), PUB, PL_JWT_RSA, "of 8193 bits");
    refused(rsa_of(16000, 3), PUB, PL_JWT_RSA, "of 16000 bits");
    refused(rsa_of(2048, 1), PUB, PL_JWT_RSA, "even or below 3");
    refused(rsa_of(2048, 65536), PUB, PL_JWT_RSA, "even or below 3");
    refused(rsa_pss(), PUB, PL_JWT_RSA, "not an RSA key");
    refused(EVP_EC_gen("secp256k1"), PUB, PL_JWT_EC, "curve secp256k1");
    refused(EVP_EC_gen("P-224"), PUB, PL_JWT_EC, "P-256, P-384 and P-521");
    refused(EVP_EC_gen("P-256"), PUB_EXPLICIT, PL_JWT_EC, "spells its curve out");
    refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), PUB, PL_JWT_ED25519, "ED448, not an Ed25519 key");
    refused(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), PUB, PL_JWT_ED25519, "not an Ed25519 key");
    refused(EVP_EC_gen("P-256"), PUB, PL_JWT_RSA, "EC, not an RSA key");
    refused(rsa_of(2048, 65537), PUB, PL_JWT_EC, "RSA, not an EC key");
    refused(EVP_RSA_gen(1024), CERT, PL_JWT_ED25519, "RSA, not an Ed25519 key");
    refused(EVP_EC_gen("P-256"), PRIVATE, PL_JWT_EC, "PRIVATE KEY: give the public key");
}

static void damaged_pem_is_refused_wherever_it_breaks(void **state)
{
    struct pl_buf whole = pem_of(EVP_EC_gen("P-256"), PUB);

    (void)state;
    for (size_t n = 0; n + 1 < whole.len; n++) { /* the last line break may be missing */
        struct pl_buf part = pl_buf_init(4096);

        pl_buf_put(&part, whole.p, n);
        assert_int_equal(load(part, PL_JWT_EC, NULL, 0), 0);
    }
    for (size_t i = 0; i < whole.len; i++) {
        struct pl_buf other = pl_buf_init(4096);

        pl_buf_put(&other, whole.p, whole.len);
        other.p[i] ^= 0x02; /* letters stay letters, mostly */
        (void)load(other, PL_JWT_EC, NULL, 0); /* some are other good keys; load() checks what must hold anyway */
    }
    pl_buf_fini(&whole);
}

static void public_texts_are_no_secrets(void **state)
{
    struct pl_buf pem = pem_of(EVP_EC_gen("P-256"), PUB), cert = pem_of(EVP_EC_gen("P-256"), CERT), pkcs1 = pem_of(rsa_of(2048, 65537), PKCS1);

    (void)state;
    assert_true(pl_jwt_is_public(pl_buf_slice(&pem)) && pl_jwt_is_public(pl_buf_slice(&cert)) && pl_jwt_is_public(pl_buf_slice(&pkcs1)));
    assert_false(pl_jwt_is_public(PL_LIT("secret")));
    assert_false(pl_jwt_is_public(pl_slice(NULL, 0)));
    pl_buf_fini(&pem);
    pl_buf_fini(&cert);
    pl_buf_fini(&pkcs1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_as_public_key_or_certificate),
        cmocka_unit_test(keys_nobody_should_trust_are_refused_with_a_reason),
        cmocka_unit_test(damaged_pem_is_refused_wherever_it_breaks),
        cmocka_unit_test(public_texts_are_no_secrets),
    };

    return cmocka_run_group_tests_name("codec/jwt_key", tests, NULL, NULL);
}
