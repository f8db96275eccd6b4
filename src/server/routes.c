/* Which path leads where, on which listener (wire-protocol.md 1.1). */
#include <stdio.h>

#include "api/api.h"
#include "server/room.h"
#include "transport/emulation.h"
#include "transport/stream.h"

enum { SMALL_BODY = 64 * 1024 }; /* nobody here reads one, but a wrong request deserves its own answer rather than 413 */
enum { ALL_METHODS = PL_HTTP_GET | PL_HTTP_HEAD | PL_HTTP_POST | PL_HTTP_OPTIONS | PL_HTTP_PUT | PL_HTTP_DELETE | PL_HTTP_OTHER };

/* With an internal listener, operators' and backends' endpoints live there; else everything is on one. */
static unsigned listeners_of(const struct pl_server *s, bool is_client, bool is_external)
{
    const struct pl_config *cfg = s->opts.config;
    bool has_internal = cfg->http_server.internal_port != 0 || cfg->http_server.internal_address[0] != '\0';

    if (is_client || !has_internal)
        return PL_LISTEN_EXTERNAL;
    return PL_LISTEN_INTERNAL | (is_external ? PL_LISTEN_EXTERNAL : 0);
}

static enum pl_err add(struct pl_server *s, const struct pl_cfg_endpoint *at, unsigned methods, unsigned listeners, unsigned flags,
                       const struct pl_route_ops *ops, void *arg, struct pl_buf *err_text)
{
    struct pl_route r = { .path = at->handler_prefix, .methods = methods, .listeners = listeners, .flags = flags, .allow = &at->access.allow,
                          .deny = &at->access.deny, .body_limit = SMALL_BODY, .ops = ops, .arg = arg };
    enum pl_err err;

    if (!at->enabled)
        return PL_OK;
    err = pl_router_add(s->router, &r);
    if (err == PL_EEXIST)
        pl_buf_printf(err_text, "two endpoints want the path %s", at->handler_prefix);
    return err;
}

static enum pl_err add_stream(struct pl_server *s, const struct pl_cfg_stream *cfg, unsigned methods, unsigned flags,
                              const struct pl_route_ops *ops, struct pl_buf *err_text)
{
    struct pl_route r = { .path = cfg->at.handler_prefix, .methods = methods, .listeners = listeners_of(s, true, true),
                          .flags = PL_ROUTE_CORS | flags, .allow = &cfg->at.access.allow, .deny = &cfg->at.access.deny,
                          .body_limit = cfg->max_request_body_size, .ops = ops, .arg = &s->ws };
    enum pl_err err;

    if (!cfg->at.enabled)
        return PL_OK;
    err = pl_router_add(s->router, &r);
    if (err == PL_EEXIST)
        pl_buf_printf(err_text, "two endpoints want the path %s", cfg->at.handler_prefix);
    return err;
}

/* Clients without a WebSocket both ways (wire-protocol.md 1.1). */
static enum pl_err add_streams(struct pl_server *s, struct pl_buf *err_text)
{
    const struct pl_config *cfg = s->opts.config;
    const unsigned get_post = PL_HTTP_GET | PL_HTTP_POST, post = PL_HTTP_POST;
    enum pl_err err = add_stream(s, &cfg->http_stream, post, PL_ROUTE_CLIENT | PL_ROUTE_PREFLIGHT, &pl_http_stream_route_ops, err_text);

    if (err == PL_OK)
        err = add_stream(s, &cfg->sse, get_post, PL_ROUTE_CLIENT, &pl_sse_route_ops, err_text);
    if (err == PL_OK)
        err = add_stream(s, &cfg->emulation, post, PL_ROUTE_PREFLIGHT, &pl_emulation_route_ops, err_text);
    if (err == PL_OK)
        err = add_stream(s, &cfg->uni_http_stream, post, PL_ROUTE_CLIENT | PL_ROUTE_PREFLIGHT, &pl_uni_http_stream_route_ops, err_text);
    if (err == PL_OK)
        err = add_stream(s, &cfg->uni_sse, get_post, PL_ROUTE_CLIENT, &pl_uni_sse_route_ops, err_text);
    return err;
}

static enum pl_err add_demo(struct pl_server *s, struct pl_buf *err_text)
{
    static const char *const names[] = { "index.html", "peal-demo.js", "demo.css", "demo.js", "bell.svg" };
    const char *dir = s->opts.config->demo.dir;

    if (dir[0] == '\0')
        return PL_OK;
    return pl_files_load(s->opts.world, s->router, dir, names, sizeof names / sizeof names[0], PL_LISTEN_EXTERNAL, &s->files, err_text);
}

enum pl_err server_routes(struct pl_server *s, struct pl_buf *err_text)
{
    const struct pl_config *cfg = s->opts.config;
    enum pl_err err;

    s->router = pl_router_new();
    err = add(s, &cfg->websocket.at, PL_HTTP_GET, listeners_of(s, true, true), PL_ROUTE_CLIENT, &pl_ws_route_ops, &s->ws, err_text);
    if (err == PL_OK)
        err = add(s, &cfg->uni_websocket.at, PL_HTTP_GET, listeners_of(s, true, true), PL_ROUTE_CLIENT, &pl_uni_ws_route_ops, &s->ws,
                  err_text);
    if (err == PL_OK)
        err = add_streams(s, err_text);
    if (err == PL_OK)
        err = add(s, &cfg->health, ALL_METHODS, listeners_of(s, false, false), 0, &server_health_ops, s, err_text);
    if (err == PL_OK)
        err = add(s, &cfg->prometheus.at, PL_HTTP_GET | PL_HTTP_HEAD, listeners_of(s, false, false), 0, &server_metrics_ops, s, err_text);
    if (err == PL_OK)
        err = add(s, &cfg->init, PL_HTTP_GET | PL_HTTP_HEAD, listeners_of(s, true, true), PL_ROUTE_CORS, &server_init_ops, s, err_text);
    if (err == PL_OK && cfg->http_api.at.enabled) {
        err = pl_api_add_routes(s->router, cfg, listeners_of(s, false, cfg->http_api.external));
        if (err == PL_EEXIST)
            pl_buf_printf(err_text, "the paths below http_api.handler_prefix %s are taken by another endpoint",
                          cfg->http_api.at.handler_prefix);
    }
    return err == PL_OK ? add_demo(s, err_text) : err;
}
