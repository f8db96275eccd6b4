/* net/tls_conn.c - TLS on one connection. OpenSSL reads and writes the socket through one BIO that all connections of a shard
 * share: it is pointed at a connection before each call, so an idle connection owns no BIO, and with released buffers only
 * OpenSSL's own state. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/check.h"
#include "net/net.h"
#include "net/tls_ctx.h"

/* struct pl_tls is OpenSSL's SSL: a layer between them would only cost memory. */
static SSL *ssl_of(const struct pl_conn *c)
{
    return (SSL *)(void *)c->tls;
}

/* ---- the BIO ---- */

static int bio_read(BIO *b, char *p, size_t n, size_t *ret_n)
{
    struct pl_net *net = BIO_get_data(b);
    struct pl_conn *c = net->bio_conn;
    enum pl_err err;

    BIO_clear_retry_flags(b);
    if (c->state == PL_CONN_TLS && c->tail_len > 0) { /* read together with the PROXY header */
        size_t some = c->tail_len < n ? c->tail_len : n;

        memcpy(p, c->tail, some);
        c->tail_len -= (uint32_t)some;
        memmove(c->tail, c->tail + some, c->tail_len);
        *ret_n = some;
        return 1;
    }
    err = c->shard->world->ops->recv(c->shard->world, c->sock, p, n, ret_n);
    if (err == PL_OK)
        return 1;
    if (err == PL_EAGAIN)
        BIO_set_retry_read(b);
    net->bio_eof = err == PL_ECLOSED;
    return 0;
}

static int bio_write(BIO *b, const char *p, size_t n, size_t *ret_n)
{
    struct pl_net *net = BIO_get_data(b);
    struct pl_conn *c = net->bio_conn;
    enum pl_err err;

    BIO_clear_retry_flags(b);
    err = c->shard->world->ops->send(c->shard->world, c->sock, p, n, ret_n);
    if (err == PL_OK)
        return 1;
    if (err == PL_EAGAIN)
        BIO_set_retry_write(b);
    return 0;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    struct pl_net *net = BIO_get_data(b);

    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return net->bio_eof;
    }
    return 0;
}

static BIO *bio_new(struct pl_net *net)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "peal");
    BIO *b = NULL;

    if (method == NULL)
        return NULL;
    if (BIO_meth_set_read_ex(method, bio_read) == 1 && BIO_meth_set_write_ex(method, bio_write) == 1 &&
        BIO_meth_set_ctrl(method, bio_ctrl) == 1)
        b = BIO_new(method);
    if (b == NULL) {
        BIO_meth_free(method);
        return NULL;
    }
    BIO_set_data(b, net);
    BIO_set_init(b, 1);
    net->bio = b;
    net->bio_method = method;
    return b;
}

void pl_tls_net_fini(struct pl_net *net)
{
    if (net->bio == NULL)
        return;
    BIO_free(net->bio);
    BIO_meth_free(net->bio_method);
    net->bio = NULL;
}

/* ---- a connection ---- */

enum pl_err pl_tls_begin(struct pl_conn *c, struct pl_tls_ctx *ctx)
{
    struct pl_net *net = pl_net_of(c->shard);
    BIO *bio = net->bio != NULL ? net->bio : bio_new(net);
    SSL *ssl;

    if (bio == NULL)
        return PL_ENOMEM;
    ssl = SSL_new(pl_tls_ctx_default(ctx));
    if (ssl == NULL) {
        ERR_clear_error();
        return PL_ENOMEM;
    }
    if (BIO_up_ref(bio) == 1)
        SSL_set0_rbio(ssl, bio);
    if (BIO_up_ref(bio) == 1)
        SSL_set0_wbio(ssl, bio);
    SSL_set_accept_state(ssl);
    c->tls = (struct pl_tls *)(void *)ssl;
    return PL_OK;
}

/* Before each call into OpenSSL: whose socket the BIO is, and no error of another connection left in the thread's queue. */
static SSL *enter(struct pl_conn *c)
{
    struct pl_net *net = pl_net_of(c->shard);

    net->bio_conn = c;
    net->bio_eof = false;
    ERR_clear_error();
    return ssl_of(c);
}

/* What a call that did not succeed means. WANT_WRITE is told to the poller here. */
static enum pl_err outcome(struct pl_conn *c, int r)
{
    struct pl_net *net = pl_net_of(c->shard);

    switch (SSL_get_error(ssl_of(c), r)) {
    case SSL_ERROR_WANT_READ:
        return PL_EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        pl_conn_arm(c, c->armed | PL_POLL_OUT);
        return PL_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return PL_ECLOSED;
    case SSL_ERROR_SYSCALL:
        return net->bio_eof ? PL_ECLOSED : PL_EIO;
    }
    return PL_EPROTO;
}

enum pl_err pl_tls_handshake(struct pl_conn *c)
{
    SSL *ssl = enter(c);
    int r = SSL_do_handshake(ssl);
    enum pl_err err;

    if (r == 1)
        return PL_OK;
    err = outcome(c, r);
    if (err == PL_EAGAIN) {
        /* While output is stuck, input that lies there would only wake us in vain. */
        pl_conn_arm(c, SSL_want_write(ssl) ? PL_POLL_OUT : PL_POLL_IN);
        return PL_EAGAIN;
    }
    return err == PL_ECLOSED ? PL_EIO : err; /* gone before it was there */
}

enum pl_err pl_tls_recv(struct pl_conn *c, void *p, size_t n, size_t *ret_n)
{
    SSL *ssl = enter(c);
    size_t got = 0, step;
    int r = 0;

    /* A record at a time, as long as bytes are at hand: the last one asks the socket only if part of a record is there. */
    do {
        r = SSL_read_ex(ssl, (uint8_t *)p + got, n - got, &step);
        if (r == 1)
            got += step;
    } while (r == 1 && got < n && SSL_has_pending(ssl));
    *ret_n = got;
    return got > 0 ? PL_OK : outcome(c, r); /* an end behind these bytes shows again at the next call */
}

enum pl_err pl_tls_send(struct pl_conn *c, const void *p, size_t n, size_t *ret_n)
{
    SSL *ssl = enter(c);
    int r = SSL_write_ex(ssl, p, n, ret_n);
    enum pl_err err;

    if (r == 1)
        return PL_OK;
    *ret_n = 0;
    err = outcome(c, r);
    /* Writing never waits for input: there is no renegotiation. */
    PL_ASSERT(err != PL_EAGAIN || SSL_want_write(ssl));
    return err == PL_ECLOSED ? PL_EIO : err;
}

bool pl_tls_has_pending(const struct pl_conn *c)
{
    return SSL_has_pending(ssl_of(c)) == 1;
}

void pl_tls_bye(struct pl_conn *c)
{
    SSL *ssl = enter(c);

    if (SSL_in_init(ssl) == 0)
        (void)SSL_shutdown(ssl); /* a courtesy: if it cannot go at once, the FIN says the same */
    ERR_clear_error();
}

void pl_tls_end(struct pl_conn *c)
{
    SSL *ssl = enter(c);

    c->tls = NULL;
    SSL_free(ssl);
}
