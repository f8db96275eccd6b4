#include "net/tls.h"

#include <limits.h>
#include <stdlib.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "net/tls_ctx.h"

enum { PEM_LIMIT = 1 << 20, ALPN_ROOM = 256 };

struct pl_tls_ctx {
    SSL_CTX **certs;          /* owned; one per certificate, the first is the default */
    size_t n_certs;
    uint8_t alpn[ALPN_ROOM];  /* wire form (RFC 7301 3.1): length byte, name, ... */
    unsigned alpn_len;
};

SSL_CTX *pl_tls_ctx_default(struct pl_tls_ctx *ctx)
{
    return ctx->certs[0];
}

/* ---- errors ---- */

static void say(struct pl_buf *err_text, const char *key, const char *what)
{
    unsigned long e = ERR_peek_error();
    const char *why = e != 0 ? ERR_reason_error_string(e) : NULL;

    pl_buf_printf(err_text, "%s: %s%s%s", key, what, why != NULL ? ": " : "", why != NULL ? why : "");
    ERR_clear_error();
}

/* ---- callbacks of OpenSSL ---- */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
    struct pl_tls_ctx *ctx = arg;
    unsigned char *chosen;

    (void)ssl;
    /* RFC 7301 3.2: nothing in common is fatal; our order decides. */
    if (SSL_select_next_proto(&chosen, out_len, ctx->alpn, ctx->alpn_len, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    struct pl_tls_ctx *ctx = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    if (name == NULL || ctx->n_certs == 1)
        return SSL_TLSEXT_ERR_OK;
    for (size_t i = 0; i < ctx->n_certs; i++) {
        if (X509_check_host(SSL_CTX_get0_certificate(ctx->certs[i]), name, 0, 0, NULL) == 1) {
            (void)SSL_set_SSL_CTX(ssl, ctx->certs[i]); /* fails only without memory: then the default's certificate */
            break;
        }
    }
    return SSL_TLSEXT_ERR_OK; /* an unknown name gets the default: clients by address or an alias decide themselves */
}

/* ---- loading ---- */

static BIO *bio_of(struct pl_slice pem)
{
    return pem.len <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.len) : NULL;
}

/* A key with a passphrase must not make the server ask the terminal for it. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static enum pl_err load_chain(SSL_CTX *c, struct pl_slice pem, struct pl_buf *err_text)
{
    BIO *bio = bio_of(pem);
    X509 *cert = bio != NULL ? PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL) : NULL;
    enum pl_err err = PL_EINVAL;

    if (cert == NULL || SSL_CTX_use_certificate(c, cert) != 1) {
        say(err_text, "cert_pem", "no usable certificate");
        goto out;
    }
    X509_free(cert);
    while ((cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(c, cert) != 1) {
            say(err_text, "cert_pem", "unusable intermediate certificate");
            goto out;
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) { /* that is just the end */
        say(err_text, "cert_pem", "damaged intermediate certificate");
        goto out;
    }
    ERR_clear_error();
    err = PL_OK;
out:
    X509_free(cert);
    BIO_free(bio);
    return err;
}

static enum pl_err load_key(SSL_CTX *c, struct pl_slice pem, struct pl_buf *err_text)
{
    BIO *bio = bio_of(pem);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    enum pl_err err = PL_OK;

    if (key == NULL || SSL_CTX_use_PrivateKey(c, key) != 1) {
        say(err_text, "key_pem", "no usable private key");
        err = PL_EINVAL;
    } else if (SSL_CTX_check_private_key(c) != 1) {
        say(err_text, "key_pem", "the key does not belong to the certificate");
        err = PL_EINVAL;
    }
    EVP_PKEY_free(key);
    BIO_free(bio);
    return err;
}

static enum pl_err load_client_ca(SSL_CTX *c, struct pl_slice pem, struct pl_buf *err_text)
{
    BIO *bio = bio_of(pem);
    X509_STORE *store = SSL_CTX_get_cert_store(c);
    X509 *ca;
    size_t n = 0;

    while (bio != NULL && (ca = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (X509_STORE_add_cert(store, ca) == 1 && SSL_CTX_add_client_CA(c, ca) == 1)
            n++;
        X509_free(ca);
    }
    BIO_free(bio);
    if (n == 0) {
        say(err_text, "client_ca_pem", "no usable certificate of an authority");
        return PL_EINVAL;
    }
    ERR_clear_error();
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return PL_OK;
}

static enum pl_err alpn_parse(struct pl_tls_ctx *ctx, const char *list, struct pl_buf *err_text)
{
    const char *at = list;
    size_t n;

    while (at != NULL && *at != '\0') {
        n = strcspn(at, ",");
        if (n == 0 || n > 255 || ctx->alpn_len + n + 1 > ALPN_ROOM) {
            say(err_text, "alpn", "not a list of protocol names");
            return PL_EINVAL;
        }
        ctx->alpn[ctx->alpn_len++] = (uint8_t)n;
        memcpy(ctx->alpn + ctx->alpn_len, at, n);
        ctx->alpn_len += (unsigned)n;
        at += n + (at[n] == ',');
    }
    return PL_OK;
}

static enum pl_err one_new(struct pl_tls_ctx *ctx, const struct pl_tls_opts *opts, const struct pl_tls_cert *cert, SSL_CTX **ret,
                           struct pl_buf *err_text)
{
    /* Forward secrecy and authenticated encryption only; TLS 1.3 has its own list, which is all of that kind. */
    static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
    static const unsigned char id[] = "peal";
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    enum pl_err err;

    if (c == NULL || SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1 || SSL_CTX_set_cipher_list(c, ciphers) != 1 ||
        SSL_CTX_set_session_id_context(c, id, sizeof id - 1) != 1 || SSL_CTX_set_num_tickets(c, 1) != 1) {
        say(err_text, "tls", "cannot set up OpenSSL");
        SSL_CTX_free(c);
        return PL_ENOMEM;
    }
    (void)SSL_CTX_set_options(c, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF); /* tickets hold the state, the client keeps it */
    SSL_CTX_set_read_ahead(c, 1);                                /* one recv for a whole record */
    if (SSL_CTX_set_tlsext_servername_callback(c, on_server_name) != 1 || SSL_CTX_set_tlsext_servername_arg(c, ctx) != 1) {
        SSL_CTX_free(c);
        return PL_ENOMEM;
    }
    if (ctx->alpn_len > 0)
        SSL_CTX_set_alpn_select_cb(c, on_alpn, ctx);
    err = load_chain(c, cert->cert_pem, err_text);
    if (err == PL_OK)
        err = load_key(c, cert->key_pem, err_text);
    if (err == PL_OK && opts->client_ca_pem.len > 0)
        err = load_client_ca(c, opts->client_ca_pem, err_text);
    if (err != PL_OK) {
        SSL_CTX_free(c);
        return err;
    }
    *ret = c;
    return PL_OK;
}

enum pl_err pl_tls_ctx_new(const struct pl_tls_opts *opts, struct pl_tls_ctx **ret, struct pl_buf *err_text)
{
    struct pl_tls_ctx *ctx;
    enum pl_err err;

    if (opts->n_certs == 0) {
        say(err_text, "tls", "cert_pem and key_pem are needed");
        return PL_EINVAL;
    }
    ctx = calloc(1, sizeof *ctx);
    if (ctx == NULL)
        return PL_ENOMEM;
    ctx->certs = calloc(opts->n_certs, sizeof(SSL_CTX *));
    err = ctx->certs != NULL ? alpn_parse(ctx, opts->alpn, err_text) : PL_ENOMEM;
    for (size_t i = 0; err == PL_OK && i < opts->n_certs; i++) {
        err = one_new(ctx, opts, &opts->certs[i], &ctx->certs[i], err_text);
        ctx->n_certs += err == PL_OK;
    }
    if (err != PL_OK) {
        pl_tls_ctx_free(&ctx);
        return err;
    }
    *ret = ctx;
    return PL_OK;
}

void pl_tls_ctx_free(struct pl_tls_ctx **take_ctx)
{
    struct pl_tls_ctx *ctx = *take_ctx;

    *take_ctx = NULL;
    if (ctx == NULL)
        return;
    for (size_t i = 0; i < ctx->n_certs; i++)
        SSL_CTX_free(ctx->certs[i]);
    free(ctx->certs);
    free(ctx);
}

/* ---- values of the configuration ---- */

static bool is_pem(struct pl_slice s)
{
    return s.len > 0 && memmem(s.p, s.len, "-----BEGIN ", 11) != NULL;
}

/* Base64 with line breaks; true if PEM came out (appended to ret). */
static bool from_base64(struct pl_slice value, struct pl_buf *ret)
{
    EVP_ENCODE_CTX *e = EVP_ENCODE_CTX_new();
    size_t room = value.len / 4 * 3 + 64;
    uint8_t *out = e != NULL && value.len < PEM_LIMIT ? malloc(room) : NULL;
    int n = 0, tail = 0;
    bool ok = false;

    if (out != NULL) {
        EVP_DecodeInit(e);
        ok = EVP_DecodeUpdate(e, out, &n, value.p, (int)value.len) >= 0 && EVP_DecodeFinal(e, out + n, &tail) == 1 &&
             is_pem(pl_slice(out, (size_t)(n + tail)));
        if (ok)
            pl_buf_put(ret, out, (size_t)(n + tail));
        OPENSSL_cleanse(out, room);
    }
    free(out);
    EVP_ENCODE_CTX_free(e);
    ERR_clear_error();
    return ok;
}

enum pl_err pl_tls_pem(struct pl_world *w, struct pl_slice value, struct pl_buf *ret, struct pl_buf *err_text)
{
    char path[4096];
    enum pl_err err;

    if (is_pem(value)) {
        pl_buf_slice_put(ret, value);
        return pl_buf_ok(ret) ? PL_OK : PL_ETOOBIG;
    }
    if (from_base64(value, ret))
        return pl_buf_ok(ret) ? PL_OK : PL_ETOOBIG;
    if (value.len == 0 || value.len >= sizeof path || memchr(value.p, '\0', value.len) != NULL) {
        pl_buf_printf(err_text, "neither PEM, nor base64 of PEM, nor a file's path");
        return PL_EINVAL;
    }
    memcpy(path, value.p, value.len);
    path[value.len] = '\0';
    err = w->ops->file_read(w, path, PEM_LIMIT, ret);
    if (err == PL_OK && !is_pem(pl_buf_slice(ret)))
        err = PL_EINVAL;
    if (err == PL_EINVAL)
        pl_buf_printf(err_text, "file %s holds no PEM", path);
    else if (err != PL_OK)
        /* a long "path" may be a key with a slip in it: show no more than its beginning */
        pl_buf_printf(err_text, "file %.100s%s: %s", path, value.len > 100 ? "..." : "", pl_err_text(err));
    return err;
}
