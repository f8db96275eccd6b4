/* Several certificates in one PEM text: which key is whose, and where each chain ends. */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "net/tls.h"

struct key_block {
    struct pl_slice pem;
    EVP_PKEY *key; /* owned */
};

/* Takes the next "-----BEGIN x-----" to "-----END x-----" off *left. */
static bool next_block(struct pl_slice *left, struct pl_slice *ret)
{
    static const char begin[] = "-----BEGIN ", end[] = "-----END ", dashes[] = "-----";
    const uint8_t *at = left->len != 0 ? memmem(left->p, left->len, begin, sizeof begin - 1) : NULL;
    const uint8_t *stop = left->p + left->len, *last;

    if (at == NULL)
        return false;
    last = memmem(at, (size_t)(stop - at), end, sizeof end - 1);
    if (last != NULL) {
        last += sizeof end - 1;
        last = memmem(last, (size_t)(stop - last), dashes, sizeof dashes - 1);
    }
    if (last == NULL)
        return false;
    last += sizeof dashes - 1;
    *ret = (struct pl_slice){ at, (size_t)(last - at) };
    *left = (struct pl_slice){ last, (size_t)(stop - last) };
    return true;
}

static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static EVP_PKEY *key_of(struct pl_slice pem)
{
    BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.len) : NULL;
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free(bio);
    return key;
}

/* Whose certificate it is: index into keys, n_keys for an intermediate one. */
static size_t owner_of(struct pl_slice pem, const struct key_block *keys, size_t n_keys)
{
    BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.len) : NULL;
    X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    size_t i = n_keys;

    if (cert != NULL)
        for (i = 0; i < n_keys && X509_check_private_key(cert, keys[i].key) != 1;)
            i++;
    X509_free(cert);
    BIO_free(bio);
    return i;
}

size_t pl_tls_split(struct pl_slice certs_pem, struct pl_slice keys_pem, struct pl_tls_cert *ret, size_t max)
{
    struct key_block keys[PL_TLS_CERTS_MAX];
    struct pl_slice left = keys_pem, block;
    size_t n_keys = 0, n = 0;
    bool ok = true;

    while (next_block(&left, &block)) {
        EVP_PKEY *key = key_of(block);

        if (key == NULL)
            continue; /* parameters of a curve, or damaged: then its certificate finds no key */
        if (n_keys == PL_TLS_CERTS_MAX) {
            EVP_PKEY_free(key);
            ok = false;
            break;
        }
        keys[n_keys++] = (struct key_block){ block, key };
    }
    if (n_keys <= 1) { /* the ordinary case; whatever is wrong with it, pl_tls_ctx_new() says */
        ret[0] = (struct pl_tls_cert){ certs_pem, keys_pem };
        n = 1;
    }
    left = certs_pem;
    while (ok && n_keys > 1 && next_block(&left, &block)) {
        size_t owner = owner_of(block, keys, n_keys);

        if (owner == n_keys) {
            if (n != 0) /* belongs to the chain of the leaf before it */
                ret[n - 1].cert_pem.len = (size_t)(block.p + block.len - ret[n - 1].cert_pem.p);
            continue;
        }
        if (n == max) {
            ok = false;
            break;
        }
        ret[n++] = (struct pl_tls_cert){ block, keys[owner].pem };
    }
    ok = ok && (n_keys <= 1 || n == n_keys);
    for (size_t i = 0; i < n_keys; i++)
        EVP_PKEY_free(keys[i].key);
    ERR_clear_error();
    return ok ? n : 0;
}
