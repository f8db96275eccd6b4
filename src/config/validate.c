/* config/validate.c - rules between options (wire-protocol.md 12.2, end) and what is derived from them. */
#include "base/check.h"
#include "config/channel.h"
#include "config/loader.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { REASON_MAX = 123 }; /* RFC 6455 5.5: what a close frame has room for */

static bool is_name(const char *s)
{
    size_t n = 0;

    for (; s[n] != 0; n++)
        if (!isalnum((unsigned char)s[n]) && strchr("-_.", s[n]) == NULL)
            return false;
    return n >= 2;
}

static bool is_ascii(const char *s)
{
    for (; *s != 0; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

/* "<path>.<key>" in a small ring, so that a few can stand in one call. */
struct paths {
    char buf[4][PL_PATH_MAX];
    unsigned next;
};

static const char *sub(struct paths *p, const char *path, const char *key)
{
    char *out = p->buf[p->next++ % 4];

    snprintf(out, PL_PATH_MAX, "%s.%s", path, key);
    return out;
}

static const struct pl_regex *compile(struct pl_loader *l, const char *path, const char *pattern)
{
    struct pl_config_own *own = l->cfg->own;
    struct pl_regex *re, **more;
    char why[200];

    if (pattern[0] == 0)
        return NULL;
    switch (pl_regex_new(pl_slice_str(pattern), why, sizeof why, &re)) {
    case PL_OK:
        break;
    case PL_ENOMEM:
        l->no_memory = true;
        return NULL;
    default:
        pl_loader_error(l, path, "not a pattern: %s", why);
        return NULL;
    }
    more = realloc(own->regexes, (own->n_regexes + 1) * sizeof *more);
    if (more == NULL) {
        pl_regex_free(&re);
        l->no_memory = true;
        return NULL;
    }
    own->regexes = more;
    own->regexes[own->n_regexes++] = re;
    return re;
}

static void check_history(struct pl_loader *l, const char *path, const struct pl_channel_options *o)
{
    struct paths p = { .next = 0 };

    if (o->history_size != 0 && o->history_ttl_ms == 0)
        pl_loader_error(l, sub(&p, path, "history_size"), "needs history_ttl, too: history has both or neither");
    if (o->history_size == 0 && o->history_ttl_ms != 0)
        pl_loader_error(l, sub(&p, path, "history_ttl"), "needs history_size, too: history has both or neither");
    if (o->history_meta_ttl_ms < o->history_ttl_ms)
        pl_loader_error(l, sub(&p, path, "history_ttl"), "is longer than history_meta_ttl (%llds): offsets would be forgotten before history",
                        (long long)(o->history_meta_ttl_ms / 1000));
    if (o->force_recovery && (o->history_size == 0 || o->history_ttl_ms == 0))
        pl_loader_error(l, sub(&p, path, "force_recovery"), "needs history_size and history_ttl");
    if (o->auto_cache_recover && (!o->force_recovery || o->force_recovery_mode != PL_RECOVERY_CACHE))
        pl_loader_error(l, sub(&p, path, "auto_cache_recover"), "needs force_recovery and force_recovery_mode cache");
}

static bool is_map(enum pl_sub_type t)
{
    return t == PL_SUB_MAP || t == PL_SUB_MAP_CLIENTS || t == PL_SUB_MAP_USERS;
}

static void check_map(struct pl_loader *l, const char *path, const struct pl_channel_options *o)
{
    struct paths p = { .next = 0 };
    int64_t stream_ttl = o->map.stream_ttl_ms == 0 ? 60000 : o->map.stream_ttl_ms;

    if (is_map(o->subscription_type) && o->map.mode == PL_MAP_UNSET)
        pl_loader_error(l, sub(&p, path, "map.mode"), "is needed by this subscription_type: ephemeral, recoverable or persistent");
    if ((o->map.mode == PL_MAP_EPHEMERAL || o->map.mode == PL_MAP_RECOVERABLE) && o->map.key_ttl_ms == 0)
        pl_loader_error(l, sub(&p, path, "map.key_ttl"), "is needed unless map.mode is persistent");
    if (o->map.mode == PL_MAP_PERSISTENT && o->map.key_ttl_ms != 0)
        pl_loader_error(l, sub(&p, path, "map.key_ttl"), "has no meaning with map.mode persistent: keys do not expire");
    if (o->map.mode == PL_MAP_PERSISTENT && (o->subscription_type == PL_SUB_MAP_CLIENTS || o->subscription_type == PL_SUB_MAP_USERS))
        pl_loader_error(l, sub(&p, path, "map.mode"), "persistent is not possible for presence, whose keys must expire");
    if (o->map.mode == PL_MAP_EPHEMERAL && o->map.stream_size != 0)
        pl_loader_error(l, sub(&p, path, "map.stream_size"), "has no meaning with map.mode ephemeral");
    if (o->map.mode == PL_MAP_EPHEMERAL && o->map.stream_ttl_ms != 0)
        pl_loader_error(l, sub(&p, path, "map.stream_ttl"), "has no meaning with map.mode ephemeral");
    if (o->map.mode == PL_MAP_EPHEMERAL && o->map.meta_ttl_ms != 0)
        pl_loader_error(l, sub(&p, path, "map.meta_ttl"), "has no meaning with map.mode ephemeral");
    if (o->map.meta_ttl_ms != 0 && o->map.meta_ttl_ms < stream_ttl)
        pl_loader_error(l, sub(&p, path, "map.meta_ttl"), "is shorter than map.stream_ttl");
    if (o->map.remove_client_on_unsubscribe && !is_map(o->subscription_type))
        pl_loader_error(l, sub(&p, path, "map.remove_client_on_unsubscribe"), "needs a map subscription_type");
    if (o->map.client_key != PL_MAP_KEY_ANY && (o->map.publish_proxy_enabled || o->map.remove_proxy_enabled))
        pl_loader_error(l, sub(&p, path, "map.client_key"), "excludes map proxies, which choose the key themselves");
    if (o->map.min_page_size != 0 && o->map.max_page_size != 0 && o->map.min_page_size > o->map.max_page_size)
        pl_loader_error(l, sub(&p, path, "map.min_page_size"), "is above map.max_page_size");
    if (o->map.default_page_size != 0 && o->map.max_page_size != 0 && o->map.default_page_size > o->map.max_page_size)
        pl_loader_error(l, sub(&p, path, "map.default_page_size"), "is above map.max_page_size");
    if (o->map.default_page_size != 0 && o->map.default_page_size < o->map.min_page_size)
        pl_loader_error(l, sub(&p, path, "map.default_page_size"), "is below map.min_page_size");
}

/* The prefix must lead to a namespace of the wanted type. */
static void check_presence_prefix(struct pl_loader *l, const char *path, const char *key, const char *prefix, enum pl_sub_type want)
{
    struct paths p = { .next = 0 };
    struct pl_channel_ref ref;
    char shown[300];

    if (prefix[0] == 0)
        return;
    pl_quote(pl_slice_str(prefix), shown);
    if (pl_channel_resolve(l->cfg, pl_slice_str(prefix), &ref) != PL_OK)
        pl_loader_error(l, sub(&p, path, key), "%s leads to no namespace", shown);
    else if (ref.opts->subscription_type != want)
        pl_loader_error(l, sub(&p, path, key), "%s leads to a namespace whose subscription_type is not %s", shown,
                        want == PL_SUB_MAP_CLIENTS ? "map_clients" : "map_users");
}

/* Until proxies are built, what they would decide is refused: never allowed by the flags beside them. */
static void close_proxied(struct pl_channel_options *o)
{
    if (PL_SABOTAGE(proxied_open))
        return;
    if (o->subscribe_proxy_enabled || o->subscribe_stream_proxy_enabled)
        o->allow_subscribe_for_client = false;
    if (o->publish_proxy_enabled)
        o->allow_publish_for_client = o->allow_publish_for_subscriber = false;
    if (o->map.publish_proxy_enabled)
        o->map.allow_publish_for_client = o->map.allow_publish_for_subscriber = false;
    if (o->map.remove_proxy_enabled)
        o->map.allow_remove_for_client = o->map.allow_remove_for_subscriber = false;
}

static void finish_options(struct pl_loader *l, const char *path, struct pl_channel_options *o)
{
    struct paths p = { .next = 0 };
    const struct pl_config *cfg = l->cfg;

    if (o->publication_data_format == PL_DATA_DEFAULT)
        o->publication_data_format = cfg->channel.publication_data_format;
    if (o->history_meta_ttl_ms == 0)
        o->history_meta_ttl_ms = cfg->channel.history_meta_ttl_ms;
    o->regex = compile(l, sub(&p, path, "channel_regex"), o->channel_regex);
    check_history(l, path, o);
    check_map(l, path, o);
    check_presence_prefix(l, path, "map_clients_presence_channel_prefix", o->map_clients_presence_channel_prefix, PL_SUB_MAP_CLIENTS);
    check_presence_prefix(l, path, "map_users_presence_channel_prefix", o->map_users_presence_channel_prefix, PL_SUB_MAP_USERS);
    if (o->subscribe_stream_proxy_enabled && (o->subscribe_proxy_enabled || o->publish_proxy_enabled || o->sub_refresh_proxy_enabled))
        pl_loader_error(l, sub(&p, path, "subscribe_stream_proxy_enabled"), "excludes the subscribe, publish and sub_refresh proxies");
    if (o->subscription_type == PL_SUB_SHARED_POLL && !pl_secret_is_set(cfg->shared_poll.hmac_secret_key))
        pl_loader_error(l, sub(&p, path, "subscription_type"), "shared_poll needs shared_poll.hmac_secret_key");
    if (o->shared_poll.publish_enabled && o->shared_poll.mode == PL_POLL_VERSIONLESS)
        pl_loader_error(l, sub(&p, path, "shared_poll.publish_enabled"), "needs shared_poll.mode versioned");
    if (is_map(o->subscription_type) || o->subscription_type == PL_SUB_SHARED_POLL)
        pl_loader_warn(l, sub(&p, path, "subscription_type"), "not built yet: subscribing to such a channel gets error 108 (not available)");
    close_proxied(o);
}

/* Channels are looked up by namespace on every command: a table of open addressing over the names. */
static void index_namespaces(struct pl_loader *l)
{
    struct pl_config *cfg = l->cfg;
    struct pl_config_own *own = cfg->own;
    size_t slots = 2;

    while (slots < 2 * cfg->channel.n_namespaces + 2)
        slots *= 2;
    own->ns_slots = pl_loader_alloc(l, slots * sizeof *own->ns_slots);
    if (own->ns_slots == NULL)
        return;
    own->ns_mask = (uint32_t)(slots - 1);
    for (size_t i = 0; i < cfg->channel.n_namespaces; i++) {
        struct pl_slice name = pl_slice_str(cfg->channel.namespaces[i].name);
        uint32_t at = (uint32_t)pl_hash(own->ns_key, name) & own->ns_mask;
        char path[PL_PATH_MAX], shown[300];

        snprintf(path, sizeof path, "channel.namespaces[%zu].name", i);
        pl_quote(name, shown);
        if (name.len == 0)
            pl_loader_error(l, path, "is missing");
        else if (!is_name(cfg->channel.namespaces[i].name))
            pl_loader_error(l, path, "%s is not a name: at least two of a-z A-Z 0-9 - _ .", shown);
        for (; own->ns_slots[at] != 0; at = (at + 1) & own->ns_mask)
            if (pl_slice_eq(name, pl_slice_str(cfg->channel.namespaces[own->ns_slots[at] - 1].name)) && name.len != 0)
                pl_loader_error(l, path, "%s stands twice", shown);
        own->ns_slots[at] = (uint32_t)i + 1;
    }
}

static void check_token(struct pl_loader *l, const char *path, const struct pl_cfg_token *t)
{
    struct paths p = { .next = 0 };

    if (t->audience[0] != 0 && t->audience_regex[0] != 0)
        pl_loader_error(l, sub(&p, path, "audience_regex"), "excludes audience");
    if (t->issuer[0] != 0 && t->issuer_regex[0] != 0)
        pl_loader_error(l, sub(&p, path, "issuer_regex"), "excludes issuer");
    (void)compile(l, sub(&p, path, "audience_regex"), t->audience_regex); /* auth compiles its own; here it is only checked */
    (void)compile(l, sub(&p, path, "issuer_regex"), t->issuer_regex);
    for (const char *c = t->user_id_claim; *c != 0; c++)
        if (!isalpha((unsigned char)*c) && *c != '_') {
            pl_loader_error(l, sub(&p, path, "user_id_claim"), "only letters and _ are possible");
            break;
        }
}

static void check_client(struct pl_loader *l)
{
    const struct pl_config *cfg = l->cfg;
    const char *ns = cfg->client.subscribe_to_user_personal_channel.personal_channel_namespace;
    const struct pl_channel_options *personal = &cfg->channel.without_namespace;
    char path[PL_PATH_MAX];

    if (cfg->client.ping_interval_ms > 0 && cfg->client.pong_timeout_ms > 0 && cfg->client.ping_interval_ms <= cfg->client.pong_timeout_ms)
        pl_loader_error(l, "client.ping_interval", "must be longer than client.pong_timeout (%lld ms)", (long long)cfg->client.pong_timeout_ms);
    check_token(l, "client.token", &cfg->client.token);
    check_token(l, "client.subscription_token", &cfg->client.subscription_token);
    if (cfg->client.subscribe_to_user_personal_channel.enabled && ns[0] != 0) {
        personal = NULL;
        for (size_t i = 0; i < cfg->channel.n_namespaces; i++)
            if (strcmp(cfg->channel.namespaces[i].name, ns) == 0)
                personal = &cfg->channel.namespaces[i];
        if (personal == NULL)
            pl_loader_error(l, "client.subscribe_to_user_personal_channel.personal_channel_namespace", "no such namespace: %s", ns);
    }
    if (cfg->client.subscribe_to_user_personal_channel.enabled && cfg->client.subscribe_to_user_personal_channel.single_connection &&
        personal != NULL && !personal->presence)
        pl_loader_error(l, "client.subscribe_to_user_personal_channel.single_connection", "needs presence in the namespace of that channel");
    for (size_t i = 0; i < cfg->client.n_connect_code_transforms; i++) {
        const struct pl_cfg_code_to_disconnect *t = &cfg->client.connect_code_transforms[i];

        snprintf(path, sizeof path, "client.connect_code_to_unidirectional_disconnect.transforms[%zu]", i);
        if (t->code == 0 || t->to_code == 0)
            pl_loader_error(l, path, "needs code and to.code");
        if (!is_ascii(t->to_reason))
            pl_loader_error(l, path, "to.reason must be ASCII, at most %d bytes", REASON_MAX);
    }
    if (cfg->client.insecure)
        pl_loader_warn(l, "client.insecure", "everybody may connect, subscribe and publish. For tests only");
    if (cfg->client.insecure_skip_token_signature_verify)
        pl_loader_warn(l, "client.insecure_skip_token_signature_verify", "every token is believed. For tests only");
}

static void check_stream(struct pl_loader *l, const char *path, const struct pl_cfg_stream *s)
{
    for (size_t i = 0; i < s->n_connect_code_transforms; i++) {
        const struct pl_cfg_code_to_http *t = &s->connect_code_transforms[i];
        char item[PL_PATH_MAX];

        snprintf(item, sizeof item, "%s.connect_code_to_http_response.transforms[%zu]", path, i);
        if (t->code == 0 || t->to_status_code < 200)
            pl_loader_error(l, item, "needs code and to.status_code (200 to 599)");
    }
}

static void check_tls(struct pl_loader *l, const char *path, const struct pl_cfg_tls *t)
{
    struct paths p = { .next = 0 };

    if (t->enabled && t->cert_pem[0] == 0)
        pl_loader_error(l, sub(&p, path, "cert_pem"), "is needed to serve TLS");
    if (t->enabled && !pl_secret_is_set(t->key_pem))
        pl_loader_error(l, sub(&p, path, "key_pem"), "is needed to serve TLS");
}

/* Two endpoints on one path of one listener: one of them could never be reached. */
static void check_paths(struct pl_loader *l)
{
    const struct pl_config *cfg = l->cfg;
    bool has_internal = cfg->http_server.internal_port != 0 || cfg->http_server.internal_address[0] != 0;
    const struct { const char *key; const struct pl_cfg_endpoint *at; bool is_internal; } rows[] = {
        { "http_api.handler_prefix", &cfg->http_api.at, has_internal && !cfg->http_api.external },
        { "admin.handler_prefix", &cfg->admin.at, has_internal && !cfg->admin.external },
        { "prometheus.handler_prefix", &cfg->prometheus.at, has_internal },
        { "health.handler_prefix", &cfg->health, has_internal },
        { "swagger.handler_prefix", &cfg->swagger, has_internal },
        { "debug.handler_prefix", &cfg->debug, has_internal },
        { "websocket.handler_prefix", &cfg->websocket.at, false },
        { "uni_websocket.handler_prefix", &cfg->uni_websocket.at, false },
        { "sse.handler_prefix", &cfg->sse.at, false },
        { "http_stream.handler_prefix", &cfg->http_stream.at, false },
        { "uni_sse.handler_prefix", &cfg->uni_sse.at, false },
        { "uni_http_stream.handler_prefix", &cfg->uni_http_stream.at, false },
        { "emulation.handler_prefix", &cfg->emulation.at, false },
        { "init.handler_prefix", &cfg->init, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t j = 0; j < i; j++)
            if (rows[i].at->enabled && rows[j].at->enabled && rows[i].is_internal == rows[j].is_internal &&
                strcmp(rows[i].at->handler_prefix, rows[j].at->handler_prefix) == 0)
                pl_loader_error(l, rows[i].key, "%s is already the path of %s", rows[i].at->handler_prefix, rows[j].key);
    if (cfg->admin.at.enabled && cfg->demo.dir[0] != 0 && strcmp(cfg->admin.at.handler_prefix, "/") == 0)
        pl_loader_error(l, "demo.dir", "/ is already the path of admin.handler_prefix");
}

static void check_server(struct pl_loader *l)
{
    const struct pl_config *cfg = l->cfg;

    check_tls(l, "http_server.tls", &cfg->http_server.tls);
    check_tls(l, "http_server.internal_tls", &cfg->http_server.internal_tls);
    if (cfg->http_server.h2c_external && (cfg->http_server.internal_port == 0 || cfg->http_server.internal_port == cfg->http_server.port))
        pl_loader_error(l, "http_server.h2c_external", "needs an http_server.internal_port of its own");
    if (cfg->http_server.h2c_external && cfg->http_server.tls.enabled)
        pl_loader_error(l, "http_server.h2c_external", "excludes http_server.tls");
    if (cfg->http_api.insecure)
        pl_loader_warn(l, "http_api.insecure", "everybody who reaches the API may use it");
    if (cfg->admin.insecure && cfg->admin.at.enabled)
        pl_loader_warn(l, "admin.insecure", "everybody who reaches the pages may use them");
    for (const char *c = cfg->prometheus.prefix; *c != 0; c++)
        if (!isalnum((unsigned char)*c) && *c != '_') {
            pl_loader_error(l, "prometheus.prefix", "only letters, digits and _ are possible");
            break;
        }
}

static void check_rpc(struct pl_loader *l)
{
    const struct pl_config *cfg = l->cfg;

    for (size_t i = 0; i < cfg->rpc.n_namespaces; i++) {
        char path[PL_PATH_MAX];

        snprintf(path, sizeof path, "rpc.namespaces[%zu].name", i);
        if (!is_name(cfg->rpc.namespaces[i].name))
            pl_loader_error(l, path, "not a name: at least two of a-z A-Z 0-9 - _ .");
        for (size_t j = 0; j < i; j++)
            if (strcmp(cfg->rpc.namespaces[i].name, cfg->rpc.namespaces[j].name) == 0)
                pl_loader_error(l, path, "stands twice");
    }
}

static void finish_websocket(struct pl_cfg_websocket *w)
{
    if (w->decompressed_message_size_limit == 0)
        w->decompressed_message_size_limit = 10 * w->message_size_limit;
}

void pl_config_finish(struct pl_loader *l)
{
    struct pl_config *cfg = l->cfg;

    index_namespaces(l);
    if (cfg->own->ns_slots == NULL || l->report->n_errors != 0)
        return;
    finish_options(l, "channel.without_namespace", &cfg->channel.without_namespace);
    for (size_t i = 0; i < cfg->channel.n_namespaces; i++) {
        char path[PL_PATH_MAX];

        snprintf(path, sizeof path, "channel.namespaces[%zu]", i);
        finish_options(l, path, &cfg->channel.namespaces[i]);
    }
    check_client(l);
    check_server(l);
    check_rpc(l);
    check_stream(l, "uni_sse", &cfg->uni_sse);
    check_stream(l, "uni_http_stream", &cfg->uni_http_stream);
    finish_websocket(&cfg->websocket);
    finish_websocket(&cfg->uni_websocket);
    cfg->emulation.at.enabled = cfg->sse.at.enabled || cfg->http_stream.at.enabled;
    check_paths(l);
}
