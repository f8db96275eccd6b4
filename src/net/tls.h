/* net/tls.h - TLS by OpenSSL 3: contexts made from configuration. Connections use it through net/conn.h only.
 *
 * TLS 1.2 and 1.3, ECDHE suites, server preference, ALPN (the caller's list), several certificates chosen by SNI, session
 * tickets, client certificates where a client CA is configured. Errors are sentences that name key, file and cause; key material
 * is wiped from buffers and never printed. */
#ifndef PL_NET_TLS_H
#define PL_NET_TLS_H

#include "base/world.h"

struct pl_tls_cert {
    struct pl_slice cert_pem, key_pem; /* PEM text; the loader of a config value (path, text or base64) is in tls_pem */
};
struct pl_tls_opts {
    const struct pl_tls_cert *certs;   /* the first is the default; others by the names inside */
    size_t n_certs;
    struct pl_slice client_ca_pem;     /* non-empty: clients must show a certificate */
    const char *alpn;                  /* comma list, e.g. "http/1.1"; NULL none */
};
enum { PL_TLS_CERTS_MAX = 64 };
/* Cuts two PEM texts into pairs for pl_tls_opts: as many as there are keys, in the order of their certificates, each with the
 * intermediate ones that follow it. Slices borrow from the texts. One key or none: one pair, both texts whole. Returns the number of
 * pairs in ret, 0: over max (at most PL_TLS_CERTS_MAX), or a key whose certificate is not there. */
size_t pl_tls_split(struct pl_slice certs_pem, struct pl_slice keys_pem, struct pl_tls_cert *ret, size_t max) PL_MUST_CHECK;

struct pl_tls_ctx;                     /* frozen; shared by shards */
enum pl_err pl_tls_ctx_new(const struct pl_tls_opts *opts, struct pl_tls_ctx **ret, struct pl_buf *err_text) PL_MUST_CHECK;
void pl_tls_ctx_free(struct pl_tls_ctx **take_ctx);
/* Resolves a Centrifugo PEM value: file path, PEM text, or base64 of PEM (wire-protocol.md 12.1). */
enum pl_err pl_tls_pem(struct pl_world *w, struct pl_slice value, struct pl_buf *ret, struct pl_buf *err_text) PL_MUST_CHECK;

#endif
