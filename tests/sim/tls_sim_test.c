/* TLS connections on simulated sockets, small buffers and random cuts included: a client of OpenSSL's over memory talks to a TLS
 * listener of ours, whose user echoes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "codec/cidr.h"
#include "net/conn.h"
#include "net/tls.h"
#include "tests/sim/world_sim.h"

/* ---- certificates, made on the spot ---- */

struct cert {
    EVP_PKEY *key;
    X509 *x509;
    struct pl_buf cert_pem, key_pem;
};

static void bio_to_buf(BIO *b, struct pl_buf *to)
{
    char *p;
    long n = BIO_get_mem_data(b, &p);

    pl_buf_put(to, p, (size_t)n);
    BIO_free(b);
}

static struct cert cert_new(const char *name, const struct cert *issuer)
{
    struct cert c = { .key = EVP_EC_gen("P-256"), .x509 = X509_new(), .cert_pem = pl_buf_init(10000), .key_pem = pl_buf_init(10000) };
    char san[200];
    X509_EXTENSION *ext;
    X509_NAME *subject = X509_get_subject_name(c.x509);
    BIO *b;

    snprintf(san, sizeof san, "DNS:%s", name);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), (long)strlen(name));
    X509_set_version(c.x509, 2);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), 3600);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(c.x509, issuer != NULL ? X509_get_subject_name(issuer->x509) : subject);
    X509_set_pubkey(c.x509, c.key);
    ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(c.x509, ext, -1);
    X509_EXTENSION_free(ext);
    ext = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, issuer != NULL ? "CA:FALSE" : "critical,CA:TRUE");
    X509_add_ext(c.x509, ext, -1);
    X509_EXTENSION_free(ext);
    assert_true(X509_sign(c.x509, issuer != NULL ? issuer->key : c.key, EVP_sha256()) > 0);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, c.x509);
    bio_to_buf(b, &c.cert_pem);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, c.key, NULL, NULL, 0, NULL, NULL);
    bio_to_buf(b, &c.key_pem);
    return c;
}

static void cert_free(struct cert *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
    pl_buf_fini(&c->cert_pem);
    pl_buf_fini(&c->key_pem);
}

static struct pl_tls_cert cert_opt(const struct cert *c)
{
    return (struct pl_tls_cert){ pl_buf_slice(&c->cert_pem), pl_buf_slice(&c->key_pem) };
}

/* ---- the server's user ---- */

static struct {
    unsigned n_accepted, n_closed;
    enum pl_conn_end why;
    struct pl_conn *c;
    struct pl_buf queue;
    struct pl_addr peer;
    bool linger_at_eof;
} srv;

static void flush(struct pl_conn *c)
{
    size_t n;
    enum pl_err err = PL_OK;

    while (srv.queue.len > 0 && err == PL_OK) {
        err = pl_conn_send(c, srv.queue.p, srv.queue.len, &n);
        pl_buf_consume(&srv.queue, n);
    }
}

static size_t on_bytes(struct pl_conn *c, uint8_t *p, size_t n)
{
    pl_buf_put(&srv.queue, p, n);
    flush(c);
    return n;
}

static bool on_eof(struct pl_conn *c)
{
    (void)c;
    return false;
}

static void on_closed(struct pl_conn *c, enum pl_conn_end why)
{
    (void)c;
    srv.n_closed++;
    srv.why = why;
    srv.c = NULL;
}

static const struct pl_conn_ops echo_ops = {
    .name = "echo", .on_bytes = on_bytes, .on_eof = on_eof, .on_writable = flush, .on_closed = on_closed,
};

static void on_accept(struct pl_conn *c)
{
    srv.n_accepted++;
    srv.c = c;
    srv.peer = c->peer;
    assert_true(pl_conn_is_tls(c));
    pl_conn_set_user(c, &echo_ops, NULL);
}

struct house {
    struct sim *sim;
    struct pl_node *n;
    struct pl_tls_ctx *tls;
};

static const char at[] = "127.0.0.1:443";

static struct house house_new(struct sim_opts sim_opts, const struct pl_tls_opts *tls, const struct pl_cidr_list *proxies)
{
    struct house h = { .sim = sim_new(sim_opts) };
    struct pl_listen_opts opts = { .at = at, .on_accept = on_accept, .proxy_protocol = proxies };
    struct pl_buf why = pl_buf_init(1000);
    struct pl_listener *l;

    memset(&srv, 0, sizeof srv);
    srv.queue = pl_buf_init(64 << 20);
    assert_int_equal(pl_tls_ctx_new(tls, &h.tls, &why), PL_OK);
    h.n = pl_node_new(sim_world(h.sim), 1);
    pl_net_init(h.n->shards[0]);
    opts.tls = h.tls;
    assert_int_equal(pl_net_listen(h.n, &opts, &l, &why), PL_OK);
    sim_add(h.sim, h.n);
    pl_buf_fini(&why);
    return h;
}

static void house_free(struct house *h)
{
    pl_net_fini(h->n->shards[0]);
    sim_remove(h->sim, h->n);
    pl_node_free(&h->n);
    pl_tls_ctx_free(&h->tls);
    sim_free(&h->sim);
    pl_buf_fini(&srv.queue);
}

/* ---- the client ---- */

struct client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;   /* borrowed from ssl */
    struct pl_buf wire; /* on its way to the server */
    int sock;
    bool is_open;    /* the server did not end it */
    bool failed;     /* TLS did */
};

static struct client client_new(struct house *h, const char *name, const char *alpn)
{
    struct client c = { .ctx = SSL_CTX_new(TLS_client_method()), .wire = pl_buf_init(64 << 20), .is_open = true };

    c.sock = sim_connect(h->sim, at, NULL);
    assert_true(c.sock >= 0);
    c.ssl = SSL_new(c.ctx);
    c.in = BIO_new(BIO_s_mem());
    c.out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(c.in, -1);
    SSL_set_bio(c.ssl, c.in, c.out);
    SSL_set_connect_state(c.ssl);
    if (name != NULL)
        SSL_set_tlsext_host_name(c.ssl, name);
    if (alpn != NULL)
        SSL_set_alpn_protos(c.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    return c;
}

static void client_free(struct house *h, struct client *c)
{
    sim_close(h->sim, c->sock);
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    pl_buf_fini(&c->wire);
}

/* Moves bytes both ways once. */
static void shuttle(struct house *h, struct client *c)
{
    struct pl_buf got = pl_buf_init(64 << 20);
    uint8_t chunk[4096];
    int n;

    while ((n = BIO_read(c->out, chunk, sizeof chunk)) > 0)
        pl_buf_put(&c->wire, chunk, (size_t)n);
    if (c->is_open)
        pl_buf_consume(&c->wire, sim_send(h->sim, c->sock, c->wire.p, c->wire.len));
    sim_advance(h->sim, 1);
    c->is_open = sim_recv(h->sim, c->sock, &got);
    if (got.len > 0)
        assert_int_equal(BIO_write(c->in, got.p, (int)got.len), (int)got.len);
    pl_buf_fini(&got);
}

static bool shake_hands(struct house *h, struct client *c)
{
    for (int i = 0; i < 20000 && c->is_open; i++) {
        int r = SSL_do_handshake(c->ssl);

        if (r != 1 && SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ)
            c->failed = true;
        shuttle(h, c);
        if (r == 1)
            return true;
        if (c->failed)
            return false;
    }
    return false;
}

static void echo_through(struct house *h, struct client *c, size_t total)
{
    size_t out = 0, in = 0, n;
    uint8_t chunk[7000];

    for (int i = 0; in < total; i++) {
        assert_true(i < 500000 && c->is_open);
        if (out < total && c->wire.len < 100000) {
            size_t want = 1 + (size_t)sim_rnd(h->sim, sizeof chunk);

            want = want < total - out ? want : total - out;
            for (size_t k = 0; k < want; k++)
                chunk[k] = (uint8_t)((out + k) * 7 + ((out + k) >> 9));
            assert_int_equal(SSL_write_ex(c->ssl, chunk, want, &n), 1);
            out += n;
        }
        while (SSL_read_ex(c->ssl, chunk, sizeof chunk, &n) == 1) {
            for (size_t k = 0; k < n; k++)
                assert_int_equal(chunk[k], (uint8_t)((in + k) * 7 + ((in + k) >> 9)));
            in += n;
        }
        shuttle(h, c);
    }
}

static void bytes_come_back_over_tls_whatever_the_network_cuts(void **state)
{
    struct cert cert = cert_new("peal.test", NULL);
    struct pl_tls_cert opt = cert_opt(&cert);
    struct pl_tls_opts opts = { .certs = &opt, .n_certs = 1, .alpn = "http/1.1" };
    static const struct { size_t buffer; bool split; size_t total; } rows[] = {
        { 0, false, 300000 }, { 0, true, 50000 }, { 700, false, 50000 }, { 64, true, 8000 }, { 1, true, 300 }, { 17000, true, 300000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            struct house h = house_new((struct sim_opts){ .seed = i + 1, .buffer = rows[i].buffer, .split = rows[i].split }, &opts, NULL);
            struct client c = client_new(&h, "peal.test", "\x08http/1.1");
            const unsigned char *alpn = NULL;
            unsigned alpn_len = 0;

            SSL_set_max_proto_version(c.ssl, version);
            assert_true(shake_hands(&h, &c));
            assert_int_equal(SSL_version(c.ssl), version);
            SSL_get0_alpn_selected(c.ssl, &alpn, &alpn_len);
            assert_true(alpn_len == 8 && memcmp(alpn, "http/1.1", 8) == 0);
            echo_through(&h, &c, rows[i].total);
            assert_int_equal(srv.n_accepted, 1);
            pl_conn_close(srv.c, PL_CLOSE_LINGER);
            for (int k = 0; k < 200; k++) {
                uint8_t byte;
                size_t n;
                int r = SSL_read_ex(c.ssl, &byte, 1, &n);

                if (r == 0 && SSL_get_error(c.ssl, r) == SSL_ERROR_ZERO_RETURN)
                    break; /* close_notify came before the end of the stream */
                shuttle(&h, &c);
            }
            if (rows[i].buffer == 0)
                assert_true((SSL_get_shutdown(c.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
            sim_advance(h.sim, 2001);
            assert_true(srv.n_closed == 1 && srv.why == PL_END_LOCAL);
            client_free(&h, &c);
            house_free(&h);
        }
    cert_free(&cert);
}

static void the_certificate_is_chosen_by_name(void **state)
{
    struct cert a = cert_new("a.test", NULL), b = cert_new("*.b.test", NULL);
    struct pl_tls_cert certs[2] = { cert_opt(&a), cert_opt(&b) };
    struct pl_tls_opts opts = { .certs = certs, .n_certs = 2 };
    static const struct { const char *name; int want; } rows[] = {
        { "a.test", 0 }, { "x.b.test", 1 }, { "x.y.b.test", 0 }, { "other.test", 0 }, { NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct house h = house_new((struct sim_opts){ .seed = 1 }, &opts, NULL);
        struct client c = client_new(&h, rows[i].name, NULL);
        X509 *got;

        assert_true(shake_hands(&h, &c));
        got = SSL_get1_peer_certificate(c.ssl);
        assert_int_equal(X509_cmp(got, rows[i].want == 0 ? a.x509 : b.x509), 0);
        X509_free(got);
        client_free(&h, &c);
        house_free(&h);
    }
    cert_free(&a);
    cert_free(&b);
}

static void a_client_without_the_wanted_certificate_stays_out(void **state)
{
    struct cert ca = cert_new("ca.test", NULL), cert = cert_new("peal.test", NULL), mine = cert_new("me.test", &ca);
    struct pl_tls_cert opt = cert_opt(&cert);
    struct pl_tls_opts opts = { .certs = &opt, .n_certs = 1, .client_ca_pem = pl_buf_slice(&ca.cert_pem) };

    (void)state;
    for (int has = 0; has < 2; has++) {
        struct house h = house_new((struct sim_opts){ .seed = 1 }, &opts, NULL);
        struct client c = client_new(&h, NULL, NULL);

        if (has) {
            assert_int_equal(SSL_use_certificate(c.ssl, mine.x509), 1);
            assert_int_equal(SSL_use_PrivateKey(c.ssl, mine.key), 1);
        }
        (void)shake_hands(&h, &c); /* with TLS 1.3 the client learns of a refusal only afterwards */
        sim_advance(h.sim, 10);
        assert_int_equal(srv.n_accepted, (unsigned)has);
        assert_int_equal(pl_net_count(h.n->shards[0]), (size_t)has);
        client_free(&h, &c);
        house_free(&h);
    }
    cert_free(&ca);
    cert_free(&cert);
    cert_free(&mine);
}

static void what_is_no_tls_or_too_old_or_too_slow_is_closed(void **state)
{
    struct cert cert = cert_new("peal.test", NULL);
    struct pl_tls_cert opt = cert_opt(&cert);
    struct pl_tls_opts opts = { .certs = &opt, .n_certs = 1, .alpn = "http/1.1" };
    struct house h = house_new((struct sim_opts){ .seed = 1 }, &opts, NULL);
    struct client c;
    struct pl_buf got = pl_buf_init(10000);
    int sock = sim_connect(h.sim, at, NULL), slow = sim_connect(h.sim, at, NULL);

    (void)state;
    sim_send(h.sim, sock, "GET / HTTP/1.1\r\n\r\n", 18);
    sim_run(h.sim);
    assert_false(sim_recv(h.sim, sock, &got));
    c = client_new(&h, NULL, NULL);
    SSL_set_cipher_list(c.ssl, "ALL:@SECLEVEL=0");
    SSL_set_min_proto_version(c.ssl, TLS1_1_VERSION);
    SSL_set_max_proto_version(c.ssl, TLS1_1_VERSION);
    assert_false(shake_hands(&h, &c));
    client_free(&h, &c);
    c = client_new(&h, NULL, "\x02h2"); /* nothing in common: RFC 7301 3.2 */
    assert_false(shake_hands(&h, &c));
    client_free(&h, &c);
    assert_true(sim_recv(h.sim, slow, &got));
    sim_advance(h.sim, 10000);
    assert_false(sim_recv(h.sim, slow, &got));
    assert_int_equal(srv.n_accepted, 0);
    assert_int_equal(pl_net_count(h.n->shards[0]), 0);
    pl_buf_fini(&got);
    house_free(&h);
    cert_free(&cert);
}

static void a_storm_of_handshakes_is_spread_over_turns(void **state)
{
    enum { N = 40 };
    struct cert cert = cert_new("peal.test", NULL);
    struct pl_tls_cert opt = cert_opt(&cert);
    struct pl_tls_opts opts = { .certs = &opt, .n_certs = 1 };
    struct house h = house_new((struct sim_opts){ .seed = 1 }, &opts, NULL);
    struct client c[N];
    unsigned answered = 0, last = 0, turns = 0;

    (void)state;
    for (int i = 0; i < N; i++)
        c[i] = client_new(&h, NULL, NULL);
    sim_run(h.sim); /* all are accepted */
    for (int i = 0; i < N; i++) {
        uint8_t hello[4096];
        int n;

        (void)SSL_do_handshake(c[i].ssl);
        n = BIO_read(c[i].out, hello, sizeof hello);
        assert_true(n > 0 && sim_send(h.sim, c[i].sock, hello, (size_t)n) == (size_t)n);
    }
    for (; answered < N; turns++) {
        struct pl_buf got = pl_buf_init(1 << 20);

        assert_true(turns < N);
        (void)pl_shard_turn(h.n->shards[0], 0);
        for (int i = 0; i < N; i++) {
            pl_buf_clear(&got);
            (void)sim_recv(h.sim, c[i].sock, &got);
            answered += got.len > 0;
        }
        assert_true(answered - last <= 8);
        last = answered;
        pl_buf_fini(&got);
    }
    for (int i = 0; i < N; i++)
        client_free(&h, &c[i]);
    house_free(&h);
    cert_free(&cert);
}

static void a_proxy_header_comes_before_the_handshake(void **state)
{
    struct cert cert = cert_new("peal.test", NULL);
    struct pl_tls_cert opt = cert_opt(&cert);
    struct pl_tls_opts opts = { .certs = &opt, .n_certs = 1 };
    struct pl_cidr all;
    struct pl_cidr_list proxies = { &all, 1 };
    char peer[PL_ADDR_TEXT];

    (void)state;
    assert_int_equal(pl_cidr_parse(PL_LIT("127.0.0.0/8"), &all), PL_OK);
    for (int split = 0; split < 2; split++) {
        struct house h = house_new((struct sim_opts){ .seed = 3, .split = split }, &opts, &proxies);
        struct client c = client_new(&h, NULL, NULL);

        PL_BUF_LIT(&c.wire, "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n");
        assert_true(shake_hands(&h, &c));
        echo_through(&h, &c, 10000);
        pl_addr_text(&srv.peer, true, peer);
        assert_string_equal(peer, "192.0.2.7:4711");
        client_free(&h, &c);
        house_free(&h);
    }
    cert_free(&cert);
}

static void wrong_certificates_are_refused_with_a_sentence(void **state)
{
    struct cert a = cert_new("a.test", NULL), b = cert_new("b.test", NULL);
    struct pl_buf why = pl_buf_init(1000);
    struct pl_tls_ctx *ctx = NULL;
    struct pl_tls_cert rows[] = {
        { pl_buf_slice(&a.cert_pem), pl_buf_slice(&b.key_pem) },
        { PL_LIT("nonsense"), pl_buf_slice(&a.key_pem) },
        { pl_buf_slice(&a.cert_pem), PL_LIT("") },
    };
    struct pl_tls_cert good = cert_opt(&a);
    struct pl_tls_opts no_ca = { .certs = &good, .n_certs = 1, .client_ca_pem = PL_LIT("-----BEGIN nothing") };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_tls_opts opts = { .certs = &rows[i], .n_certs = 1 };

        pl_buf_clear(&why);
        assert_int_equal(pl_tls_ctx_new(&opts, &ctx, &why), PL_EINVAL);
        assert_true(why.len > 10 && memmem(why.p, why.len, "_pem: ", 6) != NULL);
    }
    assert_int_equal(pl_tls_ctx_new(&no_ca, &ctx, &why), PL_EINVAL);
    assert_null(ctx);
    pl_buf_fini(&why);
    cert_free(&a);
    cert_free(&b);
}

static void a_pem_value_is_text_or_base64_or_a_path(void **state)
{
    struct sim *sim = sim_new((struct sim_opts){ .seed = 1 });
    struct pl_world *w = sim_world(sim);
    struct pl_buf got = pl_buf_init(100000), why = pl_buf_init(1000);
    struct cert a = cert_new("a.test", NULL);
    uint8_t b64[10000];
    int n;

    (void)state;
    assert_int_equal(pl_tls_pem(w, pl_buf_slice(&a.cert_pem), &got, &why), PL_OK);
    assert_true(pl_slice_eq(pl_buf_slice(&got), pl_buf_slice(&a.cert_pem)));
    pl_buf_clear(&got);
    n = EVP_EncodeBlock(b64, a.cert_pem.p, (int)a.cert_pem.len);
    assert_int_equal(pl_tls_pem(w, pl_slice(b64, (size_t)n), &got, &why), PL_OK);
    assert_true(pl_slice_eq(pl_buf_slice(&got), pl_buf_slice(&a.cert_pem)));
    pl_buf_clear(&got);
    sim_file(sim, "/etc/cert.pem", pl_buf_slice(&a.cert_pem));
    sim_file(sim, "/etc/passwd", PL_LIT("root:x:0:0"));
    assert_int_equal(pl_tls_pem(w, PL_LIT("/etc/cert.pem"), &got, &why), PL_OK);
    assert_true(pl_slice_eq(pl_buf_slice(&got), pl_buf_slice(&a.cert_pem)));
    pl_buf_clear(&got);
    assert_int_equal(why.len, 0);
    assert_int_equal(pl_tls_pem(w, PL_LIT("/etc/passwd"), &got, &why), PL_EINVAL);
    pl_buf_clear(&got);
    assert_int_equal(pl_tls_pem(w, PL_LIT("/nowhere"), &got, &why), PL_ENOENT);
    assert_int_equal(pl_tls_pem(w, PL_LIT(""), &got, &why), PL_EINVAL);
    pl_buf_fini(&got);
    pl_buf_fini(&why);
    cert_free(&a);
    sim_free(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back_over_tls_whatever_the_network_cuts),
        cmocka_unit_test(the_certificate_is_chosen_by_name),
        cmocka_unit_test(a_client_without_the_wanted_certificate_stays_out),
        cmocka_unit_test(what_is_no_tls_or_too_old_or_too_slow_is_closed),
        cmocka_unit_test(a_storm_of_handshakes_is_spread_over_turns),
        cmocka_unit_test(a_proxy_header_comes_before_the_handshake),
        cmocka_unit_test(wrong_certificates_are_refused_with_a_sentence),
        cmocka_unit_test(a_pem_value_is_text_or_base64_or_a_path),
    };

    return cmocka_run_group_tests_name("sim/tls", tests, NULL, NULL);
}
