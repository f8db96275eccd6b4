#include "auth/forge_test.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "codec/b64.h"

enum { SIG_MAX = 1024 };

static void public_pem(EVP_PKEY *key, struct pl_buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    n = BIO_get_mem_data(bio, &text);
    pl_buf_put(out, text, (size_t)n);
    BIO_free(bio);
}

void forge_init(struct forge *f)
{
    *f = (struct forge){ .keys = { [K_RSA] = EVP_RSA_gen(2048), [K_RSA_OTHER] = EVP_RSA_gen(2048), [K_P256] = EVP_EC_gen("P-256"),
                                   [K_P256_OTHER] = EVP_EC_gen("P-256"), [K_P384] = EVP_EC_gen("P-384"), [K_P521] = EVP_EC_gen("P-521"),
                                   [K_K1] = EVP_EC_gen("secp256k1"), [K_ED] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
                                   [K_ED_OTHER] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") } };
    for (unsigned i = K_NONE + 1; i < K_N; i++) {
        assert_non_null(f->keys[i]);
        f->pem[i] = pl_buf_init(4096);
        public_pem(f->keys[i], &f->pem[i]);
    }
}

void forge_fini(struct forge *f)
{
    for (unsigned i = 0; i < K_N; i++) {
        EVP_PKEY_free(f->keys[i]);
        pl_buf_fini(&f->pem[i]);
    }
}

static size_t hmac_of(const struct forge *f, enum key key, const EVP_MD *md, struct pl_slice text, uint8_t *out)
{
    struct pl_slice secret = PL_LIT(FORGE_SECRET);
    uint8_t der[1024], *at = der;
    unsigned n;

    if (key == K_PEM_RSA || key == K_PEM_EC || key == K_PEM_ED)
        secret = pl_buf_slice(&f->pem[key == K_PEM_RSA ? K_RSA : key == K_PEM_EC ? K_P256 : K_ED]);
    else if (key == K_DER_RSA)
        secret = pl_slice(der, (size_t)i2d_PUBKEY(f->keys[K_RSA], &at));
    else if (key == K_EMPTY)
        secret = PL_LIT("");
    assert_non_null(HMAC(md, secret.p, (int)secret.len, text.p, text.len, out, &n));
    return n;
}

/* What OpenSSL makes: of EC keys in DER. */
static size_t raw_sign(EVP_PKEY *key, enum pl_jwt_alg alg, const EVP_MD *md, enum flaw flaw, struct pl_slice text, uint8_t *out)
{
    bool is_pss = alg >= PL_JWT_PS256 && alg <= PL_JWT_PS512;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *p = NULL;
    size_t n = SIG_MAX;

    assert_int_equal(EVP_DigestSignInit(ctx, &p, md, NULL, key), 1);
    if (is_pss) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(p, flaw == F_SALT_20 ? 20 : flaw == F_SALT_0 ? 0 : RSA_PSS_SALTLEN_DIGEST), 1);
        if (flaw == F_MGF1_SHA1)
            assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md(p, EVP_sha1()), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, out, &n, text.p, text.len), 1);
    EVP_MD_CTX_free(ctx);
    return n;
}

/* The two numbers side by side, with what is wrong about them. */
static size_t raw_of_der(EVP_PKEY *key, enum flaw flaw, uint8_t *sig, size_t n)
{
    int size = (EVP_PKEY_get_bits(key) + 7) / 8;
    const uint8_t *at = sig;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &at, (long)n);
    BIGNUM *order = NULL, *a, *b;

    assert_non_null(s);
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_ORDER, &order), 1);
    a = BN_dup(flaw == F_SWAPPED ? ECDSA_SIG_get0_s(s) : ECDSA_SIG_get0_r(s));
    b = BN_dup(flaw == F_SWAPPED ? ECDSA_SIG_get0_r(s) : ECDSA_SIG_get0_s(s));
    if (flaw == F_R_ZERO)
        BN_zero(a);
    if (flaw == F_S_ZERO)
        BN_zero(b);
    if (flaw == F_R_ORDER)
        BN_copy(a, order);
    if (flaw == F_S_ORDER)
        BN_copy(b, order);
    if (flaw == F_S_MIRRORED) /* verifies, too: RFC 7518 asks for no lower half */
        BN_sub(b, order, b);
    assert_int_equal(BN_bn2binpad(a, sig, size), size);
    assert_int_equal(BN_bn2binpad(b, sig + size, size), size);
    BN_free(a);
    BN_free(b);
    BN_free(order);
    ECDSA_SIG_free(s);
    return 2 * (size_t)size;
}

static size_t signature(const struct forge *f, enum key key, enum pl_jwt_alg alg, enum flaw flaw, struct pl_slice text, uint8_t *sig)
{
    const EVP_MD *md = alg == PL_JWT_EDDSA ? NULL : alg % 3 == 0 ? EVP_sha256() : alg % 3 == 1 ? EVP_sha384() : EVP_sha512();
    size_t n;

    if (key == K_NONE)
        return 0;
    if (key > K_N)
        return hmac_of(f, key, md, text, sig);
    n = raw_sign(f->keys[key], alg, md, flaw, text, sig);
    return EVP_PKEY_get_base_id(f->keys[key]) == EVP_PKEY_EC && flaw != F_DER ? raw_of_der(f->keys[key], flaw, sig, n) : n;
}

void forge_token(const struct forge *f, const char *header, const char *claims, enum key key, enum pl_jwt_alg alg, enum flaw flaw,
                 struct pl_buf *out)
{
    uint8_t sig[SIG_MAX + 1];
    size_t n, from = out->len;

    pl_b64_encode(out, PL_B64_URL, pl_slice_str(header));
    pl_buf_byte(out, '.');
    pl_b64_encode(out, PL_B64_URL, pl_slice_str(claims));
    n = signature(f, key, alg, flaw, pl_slice(out->p + from, out->len - from), sig);
    if (flaw == F_TWO_PARTS)
        return;
    pl_buf_byte(out, '.');
    if (flaw == F_EMPTY)
        n = 0;
    if (flaw == F_CUT)
        n--;
    if (flaw == F_EXTENDED)
        sig[n++] = 0;
    if (flaw == F_LEADING_ZERO) {
        memmove(sig + 1, sig, n++);
        sig[0] = 0;
    }
    if (flaw == F_FLIPPED)
        sig[n / 2] ^= 1;
    if (flaw == F_ZERO)
        memset(sig, 0, n);
    pl_b64_encode(out, PL_B64_URL, pl_slice(sig, n));
    if (flaw == F_PADDED)
        PL_BUF_LIT(out, "==");
    if (flaw == F_SPACE)
        pl_buf_byte(out, ' ');
    if (flaw == F_NEWLINE)
        pl_buf_byte(out, '\n');
    if (flaw == F_SPARE_BITS) /* of the last character, of which 64 or 256 bytes use two bits: AEIM... become BFJN... */
        out->p[out->len - 1]++;
    if (flaw == F_FOUR_PARTS)
        PL_BUF_LIT(out, ".AAAA");
    assert_true(pl_buf_ok(out));
}

void forge_json(struct pl_slice text, struct pl_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '\n')
            PL_BUF_LIT(out, "\\n");
        else
            pl_buf_byte(out, text.p[i]);
    }
}
