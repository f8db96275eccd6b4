/* Listeners and their TLS contexts, out of http_server.*. */
#include <stdio.h>

#include "server/room.h"

enum { PEM_MAX = 1 << 20, AT_MAX = 512 };

static enum pl_err load_pem(struct pl_server *s, struct pl_slice value, const char *key, struct pl_buf *ret, struct pl_buf *err_text)
{
    struct pl_buf why = pl_buf_init(1024);
    enum pl_err err;

    *ret = pl_buf_init(PEM_MAX);
    if (value.len == 0)
        return PL_OK;
    err = pl_tls_pem(s->opts.world, value, ret, &why);
    if (err != PL_OK)
        pl_buf_printf(err_text, "%s: %.*s", key, PL_FMT(pl_buf_slice(&why)));
    pl_buf_fini(&why);
    return err;
}

static enum pl_err make_tls(struct pl_server *s, const struct pl_cfg_tls *cfg, const char *section, struct pl_tls_ctx **ret,
                            struct pl_buf *err_text)
{
    struct pl_buf cert, key, ca, why = pl_buf_init(1024);
    char name[64];
    enum pl_err err;

    (void)snprintf(name, sizeof name, "%s.cert_pem", section); /* our own short words */
    err = load_pem(s, pl_slice_str(cfg->cert_pem), name, &cert, err_text);
    (void)snprintf(name, sizeof name, "%s.key_pem", section);
    key = ca = pl_buf_init(PEM_MAX);
    if (err == PL_OK)
        err = load_pem(s, pl_secret_slice(cfg->key_pem), name, &key, err_text);
    (void)snprintf(name, sizeof name, "%s.client_ca_pem", section);
    if (err == PL_OK)
        err = load_pem(s, pl_slice_str(cfg->client_ca_pem), name, &ca, err_text);
    if (err == PL_OK) {
        struct pl_tls_cert certs[PL_TLS_CERTS_MAX];
        struct pl_tls_opts opts = { .certs = certs, .client_ca_pem = pl_buf_slice(&ca), .alpn = "http/1.1" };

        opts.n_certs = pl_tls_split(pl_buf_slice(&cert), pl_buf_slice(&key), certs, PL_TLS_CERTS_MAX);
        if (opts.n_certs == 0) {
            pl_buf_printf(&why, "each key in key_pem needs its certificate in cert_pem");
            err = PL_EINVAL;
        } else {
            err = pl_tls_ctx_new(&opts, ret, &why);
        }
        if (err != PL_OK)
            pl_buf_printf(err_text, "%s: %.*s", section, PL_FMT(pl_buf_slice(&why)));
    }
    if (key.p != NULL)
        explicit_bzero(key.p, key.cap);
    pl_buf_fini(&cert);
    pl_buf_fini(&key);
    pl_buf_fini(&ca);
    pl_buf_fini(&why);
    return err;
}

static enum pl_err open_one(struct pl_server *s, const char *address, int port, unsigned mask, struct pl_tls_ctx *tls,
                            struct pl_listener **ret, struct pl_buf *err_text)
{
    const struct pl_config *cfg = s->opts.config;
    struct pl_listen_opts opts = {
        .name = (mask & PL_LISTEN_EXTERNAL) != 0 ? "external" : "internal",
        .mask = mask,
        .tls = tls,
        .proxy_protocol = (mask & PL_LISTEN_EXTERNAL) != 0 && cfg->http_server.proxy_protocol.n != 0 ? &cfg->http_server.proxy_protocol : NULL,
        .on_accept = pl_http_on_accept,
        .sndbuf = cfg->http_server.send_buffer > 0 ? (size_t)cfg->http_server.send_buffer : 0,
    };
    bool is_v6 = strchr(address, ':') != NULL && address[0] != '[';
    char at[AT_MAX];

    if (strncmp(address, "unix:", 5) == 0)
        (void)snprintf(at, sizeof at, "%s", address); /* a path that does not fit is refused by listen */
    else
        (void)snprintf(at, sizeof at, is_v6 ? "[%s]:%d" : "%s:%d", address, port);
    opts.at = at;
    return pl_net_listen(s->node, &opts, ret, err_text);
}

enum pl_err server_listen(struct pl_server *s, struct pl_buf *err_text)
{
    const struct pl_config *cfg = s->opts.config;
    const struct pl_net_limits limits = { (unsigned)cfg->http_server.max_connections, (unsigned)cfg->http_server.max_connections_per_address,
                                          (unsigned)cfg->http_server.accept_rate };
    bool has_internal = cfg->http_server.internal_port != 0 || cfg->http_server.internal_address[0] != '\0';
    struct pl_tls_ctx *internal_tls = NULL;
    enum pl_err err = PL_OK;

    pl_net_limit(s->node, &limits);
    if (cfg->http_server.tls.enabled)
        err = make_tls(s, &cfg->http_server.tls, "http_server.tls", &s->tls, err_text);
    if (err == PL_OK && cfg->http_server.internal_tls.enabled)
        err = make_tls(s, &cfg->http_server.internal_tls, "http_server.internal_tls", &s->internal_tls, err_text);
    if (err != PL_OK)
        return err;
    err = open_one(s, cfg->http_server.address, cfg->http_server.port, PL_LISTEN_EXTERNAL, s->tls, &s->external, err_text);
    if (err != PL_OK || !has_internal)
        return err;
    /* http_server.tls covers both listeners unless tls_external says otherwise; internal_tls overrides it. */
    internal_tls = s->internal_tls != NULL ? s->internal_tls : cfg->http_server.tls_external ? NULL : s->tls;
    return open_one(s, cfg->http_server.internal_address[0] != '\0' ? cfg->http_server.internal_address : cfg->http_server.address,
                    cfg->http_server.internal_port, PL_LISTEN_INTERNAL, internal_tls, &s->internal, err_text);
}
