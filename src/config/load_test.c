/* Good configurations: what fields get, which source wins, what is only warned of. */
#include "config/load.h"

#include "config/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct loaded {
    struct pl_config *cfg;
    struct pl_config_report report;
    enum pl_err err;
};

static struct loaded load(const char *json, const char *const *env, const char *const *args)
{
    struct pl_config_input in = { .file = json != NULL ? "t.json" : NULL, .text = pl_slice_str(json), .env = env, .args = args };
    struct loaded l = { NULL, { NULL }, PL_OK };

    while (args != NULL && args[in.n_args] != NULL)
        in.n_args++;
    l.err = pl_config_load(&in, &l.cfg, &l.report);
    return l;
}

static void done(struct loaded *l)
{
    pl_config_free(&l->cfg);
    pl_config_report_fini(&l->report);
}

static void show(const struct loaded *l)
{
    for (size_t i = 0; i < l->report.n; i++)
        print_error("    %s %s\n", l->report.v[i].is_error ? "error" : "warning", l->report.v[i].text);
}

static void is_ok(const struct loaded *l)
{
    if (l->err != PL_OK) {
        show(l);
        fail_msg("%s", pl_err_text(l->err));
    }
}

static void says(const struct loaded *l, bool is_error, const char *want)
{
    for (size_t i = 0; i < l->report.n; i++)
        if (l->report.v[i].is_error == is_error && strstr(l->report.v[i].text, want) != NULL)
            return;
    show(l);
    fail_msg("nobody says: %s", want);
}

static void without_a_file_it_is_safe_and_on_loopback(void **state)
{
    struct loaded l = load(NULL, NULL, NULL);

    (void)state;
    is_ok(&l);
    assert_int_equal(l.report.n, 0);
    assert_string_equal(l.cfg->http_server.address, "127.0.0.1");
    assert_int_equal(l.cfg->http_server.port, 8000);
    assert_int_equal(l.cfg->client.allowed_origins.n, 0);
    assert_false(l.cfg->channel.without_namespace.allow_subscribe_for_client);
    assert_false(l.cfg->channel.without_namespace.allow_publish_for_client);
    assert_false(l.cfg->client.allow_anonymous_connect_without_token);
    assert_false(pl_secret_is_set(l.cfg->http_api.key));
    assert_true(l.cfg->websocket.at.enabled);
    assert_true(l.cfg->http_api.at.enabled);
    assert_false(l.cfg->prometheus.at.enabled);
    assert_false(l.cfg->admin.at.enabled);
    assert_string_equal(l.cfg->file, "");
    done(&l);
}

static void a_file_without_an_address_listens_where_centrifugo_would(void **state)
{
    struct loaded l = load("{}", NULL, NULL);

    (void)state;
    is_ok(&l);
    assert_string_equal(l.cfg->http_server.address, "");
    assert_string_equal(l.cfg->file, "t.json");
    done(&l);
}

static void defaults_are_centrifugos(void **state)
{
    struct loaded l = load("{}", NULL, NULL);
    const struct pl_config *c = l.cfg;

    (void)state;
    is_ok(&l);
    assert_int_equal(c->client.ping_interval_ms, 25000);
    assert_int_equal(c->client.pong_timeout_ms, 8000);
    assert_int_equal(c->client.stale_close_delay_ms, 10000);
    assert_int_equal(c->client.expired_close_delay_ms, 25000);
    assert_int_equal(c->client.presence_update_interval_ms, 27000);
    assert_int_equal(c->client.channel_position_check_delay_ms, 40000);
    assert_int_equal(c->client.channel_limit, 128);
    assert_int_equal(c->client.queue_max_size, 1048576);
    assert_int_equal(c->client.history_max_publication_limit, 300);
    assert_int_equal(c->channel.history_meta_ttl_ms, 720LL * 3600 * 1000);
    assert_int_equal(c->channel.without_namespace.history_meta_ttl_ms, 720LL * 3600 * 1000);
    assert_int_equal(c->channel.max_length, 255);
    assert_string_equal(c->channel.private_prefix, "$");
    assert_string_equal(c->channel.namespace_boundary, ":");
    assert_string_equal(c->channel.user_boundary, "#");
    assert_string_equal(c->channel.user_separator, ",");
    assert_string_equal(c->websocket.at.handler_prefix, "/connection/websocket");
    assert_int_equal(c->websocket.message_size_limit, 65536);
    assert_int_equal(c->websocket.decompressed_message_size_limit, 655360);
    assert_int_equal(c->websocket.compression_level, 1);
    assert_int_equal(c->websocket.write_timeout_ms, 1000);
    assert_string_equal(c->http_api.at.handler_prefix, "/api");
    assert_string_equal(c->emulation.at.handler_prefix, "/emulation");
    assert_string_equal(c->sse.at.handler_prefix, "/connection/sse");
    assert_string_equal(c->health.handler_prefix, "/health");
    assert_string_equal(c->prometheus.at.handler_prefix, "/metrics");
    assert_string_equal(c->init.handler_prefix, "/connection/init");
    assert_string_equal(c->rpc.ping.method, "ping");
    assert_int_equal(c->shutdown.timeout_ms, 30000);
    assert_int_equal(c->log.level, PL_LOG_OPT_INFO);
    assert_string_equal(c->channel.without_namespace.subscribe_proxy_name, "default");
    done(&l);
}

static void a_whole_file_fills_its_fields(void **state)
{
    static const char json[] =
        "\xef\xbb\xbf{\"threads\": 3, \"log\": {\"level\": \"debug\", \"file\": \"/var/log/peal\"},\n"
        " \"http_server\": {\"address\": \"::\", \"port\": 9000, \"internal_port\": \"9001\", \"tls\": {\"enabled\": true, \"cert_pem\": \"c\", \"key_pem\": \"k\"},\n"
        "   \"proxy_protocol\": [\"10.0.0.0/8\", \"unix\"], \"max_header_bytes\": \"32KiB\"},\n"
        " \"client\": {\"allowed_origins\": [\"https://a.example\", \"*\"], \"token\": {\"hmac_secret_key\": \"s\"}, \"ping_interval\": \"1m30s\",\n"
        "   \"pong_timeout\": \"-1s\", \"subscription_token\": {\"enabled\": true, \"hmac_secret_key\": \"t\"}, \"channel_position_max_time_lag\": 0},\n"
        " \"channel\": {\"publication_data_format\": \"json\", \"without_namespace\": {\"presence\": true},\n"
        "   \"namespaces\": [{\"name\": \"chat\", \"history_size\": 10, \"history_ttl\": \"300s\", \"force_recovery\": true, \"force_recovery_mode\": \"cache\",\n"
        "     \"allowed_delta_types\": [\"fossil\"], \"channel_regex\": \"^[a-z]+$\"},\n"
        "    {\"name\": \"bin\", \"publication_data_format\": \"binary\", \"history_meta_ttl\": \"1h\", \"map\": {\"stream_size\": 5}}]},\n"
        " \"http_api\": {\"disabled\": true, \"handler_prefix\": \"/backend/api/\", \"key\": \"k\", \"deny\": [\"0.0.0.0/0\"], \"error_mode\": \"transport\"},\n"
        " \"websocket\": {\"message_size_limit\": 100, \"compression\": true}, \"health\": {\"enabled\": true, \"handler_prefix\": \"\"},\n"
        " \"rpc\": {\"namespaces\": [{\"name\": \"math\"}]}, \"uni_sse\": {\"connect_code_to_http_response\": {\"enabled\": true,\n"
        "   \"transforms\": [{\"code\": 109, \"to\": {\"status_code\": 401, \"body\": \"no\"}}]}}}";
    struct loaded l = load(json, NULL, NULL);
    const struct pl_config *c = l.cfg;

    (void)state;
    is_ok(&l);
    assert_int_equal(l.report.n, 0);
    assert_int_equal(c->threads, 3);
    assert_int_equal(c->log.level, PL_LOG_OPT_DEBUG);
    assert_string_equal(c->log.file, "/var/log/peal");
    assert_string_equal(c->http_server.address, "::");
    assert_int_equal(c->http_server.port, 9000);
    assert_int_equal(c->http_server.internal_port, 9001);
    assert_true(c->http_server.tls.enabled);
    assert_true(pl_slice_eq(pl_secret_slice(c->http_server.tls.key_pem), PL_LIT("k")));
    assert_int_equal(c->http_server.proxy_protocol.n, 2);
    assert_int_equal(c->http_server.proxy_protocol.v[0].bits, 104);
    assert_true(c->http_server.proxy_protocol.v[1].is_unix);
    assert_int_equal(c->http_server.max_header_bytes, 32768);
    assert_int_equal(c->client.allowed_origins.n, 2);
    assert_string_equal(c->client.allowed_origins.v[0], "https://a.example");
    assert_true(pl_secret_eq(c->client.token.hmac_secret_key, PL_LIT("s")));
    assert_true(c->client.subscription_token_enabled);
    assert_true(pl_secret_eq(c->client.subscription_token.hmac_secret_key, PL_LIT("t")));
    assert_int_equal(c->client.ping_interval_ms, 90000);
    assert_int_equal(c->client.pong_timeout_ms, -1000);
    assert_true(c->channel.without_namespace.presence);
    assert_int_equal(c->channel.without_namespace.publication_data_format, PL_DATA_JSON);
    assert_int_equal(c->channel.n_namespaces, 2);
    assert_string_equal(c->channel.namespaces[0].name, "chat");
    assert_int_equal(c->channel.namespaces[0].history_size, 10);
    assert_int_equal(c->channel.namespaces[0].history_ttl_ms, 300000);
    assert_int_equal(c->channel.namespaces[0].force_recovery_mode, PL_RECOVERY_CACHE);
    assert_int_equal(c->channel.namespaces[0].allowed_delta_types, PL_DELTA_FOSSIL);
    assert_int_equal(c->channel.namespaces[0].publication_data_format, PL_DATA_JSON);
    assert_non_null(c->channel.namespaces[0].regex);
    assert_int_equal(c->channel.namespaces[1].publication_data_format, PL_DATA_BINARY);
    assert_int_equal(c->channel.namespaces[1].history_meta_ttl_ms, 3600000);
    assert_int_equal(c->channel.namespaces[1].map.stream_size, 5);
    assert_null(c->channel.namespaces[1].regex);
    assert_false(c->http_api.at.enabled);
    assert_string_equal(c->http_api.at.handler_prefix, "/backend/api");
    assert_int_equal(c->http_api.at.access.deny.n, 1);
    assert_int_equal(c->http_api.error_mode, PL_ERROR_MODE_TRANSPORT);
    assert_int_equal(c->websocket.decompressed_message_size_limit, 1000);
    assert_true(c->health.enabled);
    assert_string_equal(c->health.handler_prefix, "/");
    assert_int_equal(c->rpc.n_namespaces, 1);
    assert_int_equal(c->uni_sse.n_connect_code_transforms, 1);
    assert_int_equal(c->uni_sse.connect_code_transforms[0].to_status_code, 401);
    assert_string_equal(c->uni_sse.connect_code_transforms[0].to_body, "no");
    done(&l);
}

static void the_stronger_source_wins(void **state)
{
    static const char json[] = "{\"http_server\": {\"port\": 1}}";
    static const char *const centrifugo[] = { "CENTRIFUGO_HTTP_SERVER_PORT=2", NULL };
    static const char *const both[] = { "PEAL_HTTP_SERVER_PORT=3", "CENTRIFUGO_HTTP_SERVER_PORT=2", NULL };
    static const char *const flag[] = { "--http_server.port=4", NULL };
    const struct { const char *json; const char *const *env, *const *args; int want; } rows[] = {
        { NULL, NULL, NULL, 8000 }, { json, NULL, NULL, 1 }, { json, centrifugo, NULL, 2 }, { json, both, NULL, 3 },
        { json, both, flag, 4 }, { NULL, both, NULL, 3 }, { json, NULL, flag, 4 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct loaded l = load(rows[i].json, rows[i].env, rows[i].args);

        is_ok(&l);
        assert_int_equal(l.cfg->http_server.port, rows[i].want);
        done(&l);
    }
}

static void the_environment_names_every_kind_of_option(void **state)
{
    static const char *const env[] = {
        "PATH=/bin", "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS=https://a.example  http://b.example", "CENTRIFUGO_HTTP_API_KEY=k",
        "CENTRIFUGO_CLIENT_INSECURE=t", "CENTRIFUGO_HEALTH_ENABLED=1", "CENTRIFUGO_CLIENT_PING_INTERVAL=60s", "PEAL_THREADS=2",
        "CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOWED_DELTA_TYPES=fossil", "PEAL_HTTP_API_ALLOW=[\"127.0.0.1\", \"::1\"]",
        "PEAL_HTTP_SERVER_TLS_SERVER_NAME=x", "CENTRIFUGO_CLIENT_SUBSCRIBE_TO_USER_PERSONAL_CHANNEL_ENABLED=TRUE", "PEAL_WEBSOCKET_DISABLED=true",
        "PEAL_CLIENT_QUEUE_MAX_SIZE=2MiB", "PEAL_LOG_LEVEL=warn", NULL,
    };
    struct loaded l = load(NULL, env, NULL);

    (void)state;
    is_ok(&l);
    assert_int_equal(l.cfg->client.allowed_origins.n, 2);
    assert_string_equal(l.cfg->client.allowed_origins.v[1], "http://b.example");
    assert_true(pl_secret_eq(l.cfg->http_api.key, PL_LIT("k")));
    assert_true(l.cfg->client.insecure);
    assert_true(l.cfg->health.enabled);
    assert_int_equal(l.cfg->client.ping_interval_ms, 60000);
    assert_int_equal(l.cfg->threads, 2);
    assert_int_equal(l.cfg->channel.without_namespace.allowed_delta_types, PL_DELTA_FOSSIL);
    assert_int_equal(l.cfg->http_api.at.access.allow.n, 2);
    assert_string_equal(l.cfg->http_server.tls.server_name, "x");
    assert_true(l.cfg->client.subscribe_to_user_personal_channel.enabled);
    assert_false(l.cfg->websocket.at.enabled);
    assert_int_equal(l.cfg->client.queue_max_size, 2 << 20);
    assert_int_equal(l.cfg->log.level, PL_LOG_OPT_WARN);
    done(&l);
}

static void namespaces_come_from_the_environment_as_json_or_by_name(void **state)
{
    /* The order in the environment is nobody's business: values may stand before the list. */
    static const char *const names[] = { "CENTRIFUGO_CHANNEL_NAMESPACES_SMALL_HISTORY_HISTORY_SIZE=2", "CENTRIFUGO_CHANNEL_NAMESPACES_SMALL_HISTORY_HISTORY_TTL=300s",
                                         "PEAL_CHANNEL_NAMESPACES_A_B_PRESENCE=true", "CENTRIFUGO_CHANNEL_NAMESPACES=small-history a.b",
                                         "CENTRIFUGO_CHANNEL_NAMESPACES_A_B_MAP_STREAM_SIZE=7", NULL };
    static const char *const json[] = { "PEAL_CHANNEL_NAMESPACES=[{\"name\": \"aa\", \"presence\": true}]", "PEAL_CHANNEL_NAMESPACES_AA_JOIN_LEAVE=1", NULL };
    static const char *const broken[] = { "PEAL_CHANNEL_NAMESPACES=[{\"name\": \"aa\", \"presense\": true}]", NULL };
    struct loaded l = load(NULL, names, NULL);

    (void)state;
    is_ok(&l);
    assert_int_equal(l.cfg->channel.n_namespaces, 2);
    assert_string_equal(l.cfg->channel.namespaces[0].name, "small-history");
    assert_int_equal(l.cfg->channel.namespaces[0].history_size, 2);
    assert_int_equal(l.cfg->channel.namespaces[0].history_ttl_ms, 300000);
    assert_true(l.cfg->channel.namespaces[1].presence);
    assert_int_equal(l.cfg->channel.namespaces[1].map.stream_size, 7);
    done(&l);

    l = load("{\"channel\": {\"namespaces\": [{\"name\": \"zz\"}]}}", json, NULL);
    is_ok(&l);
    assert_int_equal(l.cfg->channel.n_namespaces, 1);
    assert_true(l.cfg->channel.namespaces[0].presence);
    assert_true(l.cfg->channel.namespaces[0].join_leave);
    done(&l);

    l = load(NULL, broken, NULL);
    assert_int_equal(l.err, PL_EINVAL);
    says(&l, true, "PEAL_CHANNEL_NAMESPACES: channel.namespaces[0].presense: no such option");
    done(&l);
}

static void variables_of_a_file_namespace_change_only_that_namespace(void **state)
{
    static const char *const env[] = { "PEAL_CHANNEL_NAMESPACES_CHAT_PRESENCE=true", NULL };
    struct loaded l = load("{\"channel\": {\"namespaces\": [{\"name\": \"chat\", \"join_leave\": true}, {\"name\": \"news\"}]}}", env, NULL);

    (void)state;
    is_ok(&l);
    assert_true(l.cfg->channel.namespaces[0].presence);
    assert_true(l.cfg->channel.namespaces[0].join_leave);
    assert_false(l.cfg->channel.namespaces[1].presence);
    done(&l);
}

static void unknown_variables_are_refused_or_named(void **state)
{
    static const char *const peal[] = { "PEAL_HTTP_SERVER_PROT=1", NULL };
    static const char *const cent[] = { "CENTRIFUGO_HTTP_SERVER_PROT=1", "CENTRIFUGO_ENGINE_REDIS_ADDRESS=x", "CENTRIFUGO_PROXIES_MY_ENDPOINT=y",
                                        "CENTRIFUGO_THREADS=4", "CENTRIFUGO_VAR_X=1", "CENTRIFUGO_CLIENT_RATE_LIMIT_X=1", NULL };
    static const char *const kubernetes[] = { "PEAL_SERVICE_HOST=10.0.0.1", "PEAL_SERVICE_PORT=8000", "PEAL_PORT=tcp://10.0.0.1:8000",
                                              "PEAL_PORT_8000_TCP_ADDR=10.0.0.1", NULL };
    static const char *const tools[] = { "PEAL_SEED=5", NULL };
    static const char *const wrong[] = { "PEAL_HTTP_SERVER_PORT=many", "CENTRIFUGO_HEALTH_ENABLED=yes", NULL };
    struct loaded l = load(NULL, peal, NULL);

    (void)state;
    assert_int_equal(l.err, PL_EINVAL);
    says(&l, true, "PEAL_HTTP_SERVER_PROT: no such option; did you mean PEAL_HTTP_SERVER_PORT?");
    done(&l);

    l = load(NULL, cent, NULL);
    is_ok(&l);
    says(&l, false, "CENTRIFUGO_HTTP_SERVER_PROT is ignored: no such option");
    says(&l, false, "CENTRIFUGO_ENGINE_REDIS_ADDRESS: ignored, Centrifugo's: the Redis engine is not built yet");
    says(&l, false, "CENTRIFUGO_PROXIES_MY_ENDPOINT: ignored");
    says(&l, false, "CENTRIFUGO_CLIENT_RATE_LIMIT_X: ignored");
    says(&l, false, "CENTRIFUGO_THREADS is ignored");
    assert_int_equal(l.report.n, 5);
    assert_int_equal(l.cfg->threads, 0);
    done(&l);

    l = load(NULL, kubernetes, NULL);
    is_ok(&l);
    assert_int_equal(l.report.n, 0);
    done(&l);

    l = load(NULL, tools, NULL);
    is_ok(&l);
    says(&l, false, "PEAL_SEED is ignored: no such option");
    done(&l);

    l = load("{\"http_server\": {\"port\": 5}}", wrong, NULL);
    assert_int_equal(l.err, PL_EINVAL);
    says(&l, true, "PEAL_HTTP_SERVER_PORT: http_server.port: \"many\" is not a whole number");
    says(&l, true, "CENTRIFUGO_HEALTH_ENABLED: health.enabled: \"yes\" is not true or false");
    done(&l);
}

static void flags_are_written_in_several_ways(void **state)
{
    static const char *const args[] = { "--http_server.port", "9000", "--client.insecure", "-a", "::1", "--log.level=debug", "--health.enabled=false",
                                        "--client.allowed_origins=a b", "--channel.namespaces=aa bb", "--channel.namespaces[1].presence", NULL };
    static const struct { const char *args[4]; const char *want; } broken[] = {
        { { "--http_server.prot=1" }, "--http_server.prot: no such flag; did you mean --http_server.port?" },
        { { "--http_server.port" }, "--http_server.port: needs a value" },
        { { "--http_server.port", "--client.insecure" }, "--http_server.port: needs a value" },
        { { "--http_server.port=x" }, "--http_server.port: http_server.port: \"x\" is not a whole number" },
        { { "-p", "70000" }, "-p: http_server.port: 70000 is above the highest value, 65535" },
        { { "serve" }, "serve: not a flag" },
        { { "--client.insecure=maybe" }, "--client.insecure: client.insecure: \"maybe\" is not true or false" },
        { { "-c" }, "-c: needs a file name" },
        { { "--" }, "--: not a flag" },
        { { "--channel.namespaces[0].presence" }, "no such flag" },
        { { "--channel.without_namespace.history_size=5" }, "--channel.without_namespace.history_size: channel.without_namespace.history_size: needs history_ttl" },
    };
    struct loaded l = load("{}", NULL, args);

    (void)state;
    is_ok(&l);
    assert_int_equal(l.cfg->http_server.port, 9000);
    assert_string_equal(l.cfg->http_server.address, "::1");
    assert_true(l.cfg->client.insecure);
    assert_int_equal(l.cfg->log.level, PL_LOG_OPT_DEBUG);
    assert_int_equal(l.cfg->client.allowed_origins.n, 2);
    assert_int_equal(l.cfg->channel.n_namespaces, 2);
    assert_true(l.cfg->channel.namespaces[1].presence);
    done(&l);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        l = load("{}", NULL, broken[i].args);
        assert_int_equal(l.err, PL_EINVAL);
        says(&l, true, broken[i].want);
        done(&l);
    }
}

static void what_only_centrifugo_has_is_named_with_its_consequence(void **state)
{
    struct loaded l = load("{\n\"engine\": {\"redis\": {\n\"address\": [\"redis://x\"], \"tls\": {\"enabled\": true}}},\n"
                           "\"proxies\": [{\"name\": \"pp\", \"endpoint\": \"http://x\", \"http\": {\"static_headers\": {\"X-Any\": \"v\"}}}],\n"
                           "\"channel\": {\"namespaces\": [{\"name\": \"aa\", \"client_publish_debounce_interval\": \"1s\"}]},\n"
                           "\"client\": {\"rate_limit\": {\"client_command\": {\"enabled\": true}}}, \"license\": \"hunter2\",\n"
                           "\"sse\": {\"enabled\": true}, \"swagger\": {\"enabled\": true}, \"usage_stats\": {\"disabled\": true}}", NULL, NULL);

    (void)state;
    is_ok(&l);
    says(&l, false, "t.json:3: engine.redis.address: ignored, Centrifugo's: the Redis engine is not built yet");
    says(&l, false, "engine.redis.tls.enabled: ignored");
    says(&l, false, "t.json:4: proxies[0].http.static_headers: ignored");
    says(&l, false, "t.json:5: channel.namespaces[0].client_publish_debounce_interval: ignored, Centrifugo's: a PRO feature");
    says(&l, false, "t.json:6: client.rate_limit: ignored, Centrifugo's: a PRO feature that Peal does not have; this limit is not enforced");
    says(&l, false, "license: ignored");
    says(&l, false, "t.json:7: swagger.enabled: not built yet");
    assert_true(l.cfg->emulation.at.enabled);
    done(&l);
    l = load("{\"client\": {\"concurrency\": 8, \"channel_position_check_delay\": \"40s\", \"token\": {\"jwks_public_endpoint\": \"http://x\"}}}", NULL, NULL);
    is_ok(&l);
    says(&l, false, "client.concurrency: not built yet: commands of a connection run strictly in order");
    says(&l, false, "client.token.jwks_public_endpoint: not built yet");
    assert_int_equal(l.report.n, 2); /* the default may be written down */
    done(&l);
}

/* A namespace whose backend would decide must not be open just because the proxy is not built. */
static void what_a_proxy_would_decide_is_refused_meanwhile(void **state)
{
    struct loaded l = load("{\"channel\": {\"without_namespace\": {\"subscribe_proxy_enabled\": true, \"allow_subscribe_for_client\": true,\n"
                           "\"allow_publish_for_client\": true},\n"
                           "\"namespaces\": [{\"name\": \"aa\", \"publish_proxy_enabled\": true, \"allow_publish_for_client\": true,\n"
                           "\"allow_publish_for_subscriber\": true, \"allow_subscribe_for_client\": true}]}}", NULL, NULL);

    (void)state;
    is_ok(&l);
    assert_int_equal(l.report.n_warnings, 2);
    assert_false(l.cfg->channel.without_namespace.allow_subscribe_for_client);
    assert_true(l.cfg->channel.without_namespace.allow_publish_for_client);
    assert_false(l.cfg->channel.namespaces[0].allow_publish_for_client);
    assert_false(l.cfg->channel.namespaces[0].allow_publish_for_subscriber);
    assert_true(l.cfg->channel.namespaces[0].allow_subscribe_for_client);
    done(&l);
}

static void durations_are_gos(void **state)
{
    static const struct { const char *text; bool ok; int64_t ms; } rows[] = {
        { "0", true, 0 }, { "0s", true, 0 }, { "1s", true, 1000 }, { "-1s", true, -1000 }, { "+1s", true, 1000 }, { "1m30s", true, 90000 },
        { "1.5s", true, 1500 }, { ".5s", true, 500 }, { "1.s", true, 1000 }, { "720h", true, 2592000000 }, { "300ms", true, 300 },
        { "1h1m1s1ms", true, 3661001 }, { "100us", true, 1 }, { "100\xc2\xb5s", true, 1 }, { "1ns", true, 1 }, { "-1ns", true, -1 },
        { "1500us", true, 2 }, { "0.1s", true, 100 }, { "0.001s", true, 1 }, { "1.1s", true, 1100 }, { "3.3s", true, 3300 },
        { "", false, 0 }, { "1", false, 0 }, { "s", false, 0 }, { "1 s", false, 0 }, { "1d", false, 0 }, { "1S", false, 0 }, { "--1s", false, 0 },
        { ".s", false, 0 }, { "1s1", false, 0 }, { "1e3s", false, 0 }, { "-", false, 0 }, { "99999999999999999999h", false, 0 }, { "1,5s", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = 77;
        enum pl_err err = pl_duration_parse(pl_slice_str(rows[i].text), &ms);

        if (err != (rows[i].ok ? PL_OK : PL_EINVAL) || (rows[i].ok && ms != rows[i].ms))
            fail_msg("%s: %s %lld", rows[i].text, pl_err_text(err), (long long)ms);
    }
}

static void the_line_of_a_key_is_found_through_any_text(void **state)
{
    struct pl_slice text = PL_LIT("{\n \"a\": \"}\\\"{\",\n \"b\": [1, {\"c\": [], \"x\": {}}\n, {\"c\":\n 5}],\n\"d\"\n:\n{\"a\": null,\n\"b\": -1e5 ,\"e\":{}}}");
    static const struct { const char *path; int line; } rows[] = {
        { "a", 2 }, { "b", 3 }, { "b[0]", 3 }, { "b[1]", 3 }, { "b[1].c", 3 }, { "b[2]", 4 }, { "b[2].c", 4 }, { "b[3]", 0 }, { "b[1].z", 0 },
        { "d", 6 }, { "d.a", 8 }, { "d.b", 9 }, { "d.e", 9 }, { "d.z", 0 }, { "z", 0 }, { "a.z", 0 }, { "a[0]", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(pl_file_line(text, rows[i].path), rows[i].line);
    for (size_t n = 0; n < text.len; n++) /* never beyond the text, whatever it is */
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            (void)pl_file_line(pl_slice(text.p, n), rows[i].path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_it_is_safe_and_on_loopback),
        cmocka_unit_test(a_file_without_an_address_listens_where_centrifugo_would),
        cmocka_unit_test(defaults_are_centrifugos),
        cmocka_unit_test(a_whole_file_fills_its_fields),
        cmocka_unit_test(the_stronger_source_wins),
        cmocka_unit_test(the_environment_names_every_kind_of_option),
        cmocka_unit_test(namespaces_come_from_the_environment_as_json_or_by_name),
        cmocka_unit_test(variables_of_a_file_namespace_change_only_that_namespace),
        cmocka_unit_test(unknown_variables_are_refused_or_named),
        cmocka_unit_test(flags_are_written_in_several_ways),
        cmocka_unit_test(what_only_centrifugo_has_is_named_with_its_consequence),
        cmocka_unit_test(what_a_proxy_would_decide_is_refused_meanwhile),
        cmocka_unit_test(durations_are_gos),
        cmocka_unit_test(the_line_of_a_key_is_found_through_any_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
