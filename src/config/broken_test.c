/* Configurations that must be refused, and what the message must name: file, line, key, value, bound, nearest key. */
#include "config/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct { const char *name, *json, *want; } rows[] = {
    /* not JSON */
    { "an empty file", "", "t.json:1:0: not JSON" },
    { "a brace is missing", "{\"log\": {\"level\": \"info\"}", "t.json:1:" },
    { "a comma too many", "{\n\"threads\": 1,\n}", "t.json:3:" },
    { "a word without quotation marks", "{\"threads\": one}", "not JSON" },
    { "not an object", "[1, 2]", "t.json: not a JSON object" },
    { "bytes that are not UTF-8", "{\"pid_file\": \"\xff\"}", "not JSON" },
    { "something behind the object", "{} {}", "not JSON" },
    { "a comment", "{\n// hello\n}", "t.json:2:" },
    { "the same key twice", "{\"threads\": 1,\n\"threads\": 2}", "t.json:2:9: not JSON: duplicate object key near '\"threads\"'" },
    { "the same section twice", "{\"log\": {},\n\"log\": {}}", "duplicate object key" },

    /* unknown keys */
    { "an unknown key", "{\"colour\": \"red\"}", "t.json:1: colour: no such option (value \"red\")" },
    { "a slip of the pen", "{\n \"client\": {\n  \"chanel_limit\": 5\n }\n}",
      "t.json:3: client.chanel_limit: no such option (value 5); did you mean client.channel_limit?" },
    { "letters swapped", "{\"http_server\": {\"prot\": 9000}}", "http_server.prot: no such option (value 9000); did you mean http_server.port?" },
    { "a key of another section", "{\"allowed_origins\": [\"*\"]}", "allowed_origins: no such option; did you mean client.allowed_origins?" },
    { "a name of an older version", "{\"token_hmac_secret_key\": \"hunter2\"}", "did you mean client.token.hmac_secret_key?" },
    { "an unknown section", "{\"servre\": {\"port\": 1}}", "servre: no such option" },
    { "an unknown key in a namespace", "{\"channel\": {\"namespaces\": [{\"name\": \"aa\"},\n{\"name\": \"bb\",\n\"histroy_size\": 5}]}}",
      "t.json:3: channel.namespaces[1].histroy_size: no such option (value 5); did you mean channel.namespaces.history_size?" },
    { "a name in without_namespace", "{\"channel\": {\"without_namespace\": {\"name\": \"aa\"}}}", "channel.without_namespace.name: no such option" },
    { "a key written with a dot", "{\"http_server.port\": 9000}", "\"http_server.port\" (keys with a dot are written nested" },
    { "a key with an index", "{\"channel\": {\"namespaces[0]\": {}}}", "keys with a dot are written nested" },
    { "an empty key", "{\"\": 1}", "no such key" },
    { "a slip in a key that Centrifugo alone has", "{\"engine\": {\"redis\": {\"adress\": \"x\"}}}", "engine.redis.adress: no such option" },
    { "a slip in a named proxy", "{\"proxies\": [{\"name\": \"aa\", \"endpont\": \"x\"}]}", "proxies[0].endpont: no such option" },
    { "a slip in PRO's own keys", "{\"sentri\": {\"dsn\": \"https://key@host\"}}", "sentri: no such option" },
    { "letter case", "{\"Client\": {}}", "Client: no such option; did you mean client" },

    /* types */
    { "a number that is text", "{\"threads\": \"4\"}", "t.json:1: threads: \"4\" is not a whole number" },
    { "a number with a fraction", "{\"threads\": 1.5}", "threads: 1.5 is not a whole number" },
    { "a bool that is text", "{\"websocket\": {\"compression\": \"true\"}}", "websocket.compression: \"true\" is not true or false" },
    { "a bool that is a number", "{\"health\": {\"enabled\": 1}}", "health.enabled: 1 is not true or false" },
    { "text that is a number", "{\"log\": {\"file\": 5}}", "log.file: 5 is not text" },
    { "text that is null", "{\"log\": {\"file\": null}}", "log.file: null is not text" },
    { "an array for text", "{\"pid_file\": []}", "pid_file: an array is not text" },
    { "a list that is text", "{\"client\": {\"allowed_origins\": \"*\"}}", "client.allowed_origins: \"*\" is not an array of strings" },
    { "a list of numbers", "{\"client\": {\"allowed_origins\": [\"*\", 1]}}", "client.allowed_origins: item 1 of the array is not a string" },
    { "a section that is text", "{\"client\": \"x\"}", "client: not an object" },
    { "a section that is a list", "{\"channel\": {\"without_namespace\": []}}", "channel.without_namespace: not an object" },
    { "namespaces that are an object", "{\"channel\": {\"namespaces\": {\"aa\": {}}}}", "channel.namespaces: an object is not an array of objects" },
    { "a namespace that is text", "{\"channel\": {\"namespaces\": [\"aa\"]}}", "channel.namespaces[0]: not an object" },
    { "a section of Centrifugo's that is text", "{\"engine\": {\"redis\": \"x\"}}", "engine.redis: not an object" },
    { "a duration without a unit", "{\"client\": {\"ping_interval\": \"25\"}}", "client.ping_interval: \"25\" is not a duration such as \"25s\"" },
    { "a duration that is a number", "{\"client\": {\"ping_interval\": 25}}", "client.ping_interval: 25 is not a duration" },
    { "a duration with a foreign unit", "{\"shutdown\": {\"timeout\": \"1d\"}}", "shutdown.timeout: \"1d\" is not a duration" },
    { "an empty duration", "{\"shutdown\": {\"timeout\": \"\"}}", "shutdown.timeout: \"\" is not a duration" },
    { "a size that is no number", "{\"client\": {\"queue_max_size\": \"big\"}}", "client.queue_max_size: \"big\" is not a number of bytes" },
    { "a word that is none of the words", "{\"log\": {\"level\": \"verbose\"}}",
      "log.level: \"verbose\" is not one of: none, trace, debug, info, warn, error, fatal" },
    { "an engine that is not built", "{\"engine\": {\"type\": \"redis\"}}", "engine.type: \"redis\" is not one of: memory" },
    { "a word that is a number", "{\"log\": {\"level\": 1}}", "log.level: 1 is not text" },
    { "an unknown delta type", "{\"channel\": {\"without_namespace\": {\"allowed_delta_types\": [\"xdelta\"]}}}", "\"xdelta\" is not one of: fossil" },
    { "a secret that is a number", "{\"http_api\": {\"key\": 12345}}", "http_api.key: this secret must be text" },

    /* bounds */
    { "a port over the top", "{\n\"http_server\": {\"port\": 70000}}", "t.json:2: http_server.port: 70000 is above the highest value, 65535" },
    { "a port below zero", "{\"http_server\": {\"port\": -1}}", "http_server.port: -1 is below the lowest value, 0" },
    { "too many threads", "{\"threads\": 257}", "threads: 257 is above the highest value, 256" },
    { "a number over 64 bits", "{\"threads\": 99999999999999999999}", "not JSON" },
    { "a compression level of zero", "{\"websocket\": {\"compression_level\": 0}}", "0 is below the lowest value, 1" },
    { "a message limit of zero", "{\"websocket\": {\"message_size_limit\": 0}}", "websocket.message_size_limit: 0 is below the lowest value, 1" },
    { "a queue that holds nothing", "{\"client\": {\"queue_max_size\": 10}}", "client.queue_max_size: 10 is below the lowest value, 1024" },
    { "a duration over the top", "{\"shutdown\": {\"timeout\": \"61m\"}}", "shutdown.timeout: 1h1m is above the highest value, 1h" },
    { "a duration below zero", "{\"client\": {\"stale_close_delay\": \"-1s\"}}", "-1s is below the lowest value, 0s" },
    { "half seconds of history", "{\"channel\": {\"without_namespace\": {\"history_ttl\": \"1.5s\"}}}",
      "channel.without_namespace.history_ttl: \"1.5s\" is not a duration in whole seconds" },
    { "a name that is too long", "{\"prometheus\": {\"prefix\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}}",
      "prometheus.prefix: 65 bytes are more than the longest value, 64 bytes" },
    { "a path with a space", "{\"health\": {\"handler_prefix\": \"/a b\"}}", "health.handler_prefix: \"/a b\" is not a URL path" },
    { "a path without its slash", "{\"http_api\": {\"handler_prefix\": \"api\"}}", "http_api.handler_prefix: \"api\" is not a URL path: it begins with /" },
    { "two endpoints on one path", "{\"http_api\": {\"handler_prefix\": \"/x\"}, \"health\": {\"enabled\": true, \"handler_prefix\": \"/x/\"}}",
      "health.handler_prefix: /x is already the path of http_api.handler_prefix" },
    { "pages over the demo", "{\"admin\": {\"enabled\": true}, \"demo\": {\"dir\": \"x\"}}", "demo.dir: / is already the path of admin.handler_prefix" },
    { "a path with a query", "{\"http_api\": {\"handler_prefix\": \"/api?x\"}}", "is not a URL path" },
    { "an address that is none", "{\"http_api\": {\"allow\": [\"localhost\"]}}", "http_api.allow: \"localhost\" is not an address" },
    { "a network with a host in it", "{\"http_server\": {\"trusted_proxies\": [\"10.0.0.1/8\"]}}", "\"10.0.0.1/8\" is not an address" },
    { "a network that is too wide", "{\"http_server\": {\"proxy_protocol\": [\"10.0.0.0/33\"]}}", "is not an address" },

    /* rules between options */
    { "history without a time", "{\"channel\": {\"namespaces\": [{\"name\": \"aa\",\n\"history_size\": 5}]}}",
      "t.json:2: channel.namespaces[0].history_size: needs history_ttl" },
    { "history without a size", "{\"channel\": {\"without_namespace\": {\"history_ttl\": \"5s\"}}}", "history_ttl: needs history_size" },
    { "offsets forgotten before history", "{\"channel\": {\"history_meta_ttl\": \"60s\", \"without_namespace\": {\"history_size\": 1, \"history_ttl\": \"61s\"}}}",
      "history_ttl: is longer than history_meta_ttl (60s)" },
    { "recovery without history", "{\"channel\": {\"without_namespace\": {\"force_recovery\": true}}}", "force_recovery: needs history_size and history_ttl" },
    { "cache recovery without its mode",
      "{\"channel\": {\"without_namespace\": {\"history_size\": 1, \"history_ttl\": \"1s\", \"force_recovery\": true, \"auto_cache_recover\": true}}}",
      "auto_cache_recover: needs force_recovery and force_recovery_mode cache" },
    { "a namespace without a name", "{\"channel\": {\"namespaces\": [{\"presence\": true}]}}", "channel.namespaces[0].name: is missing" },
    { "a namespace with a bad name", "{\"channel\": {\"namespaces\": [{\"name\": \"a b\"}]}}", "\"a b\" is not a name" },
    { "a namespace with a short name", "{\"channel\": {\"namespaces\": [{\"name\": \"a\"}]}}", "\"a\" is not a name: at least two" },
    { "two namespaces of one name", "{\"channel\": {\"namespaces\": [{\"name\": \"aa\"}, {\"name\": \"bb\"},\n{\"name\": \"aa\"}]}}",
      "t.json:2: channel.namespaces[2].name: \"aa\" stands twice (namespace aa)" },
    { "two namespaces of methods of one name", "{\"rpc\": {\"namespaces\": [{\"name\": \"aa\"}, {\"name\": \"aa\"}]}}", "rpc.namespaces[1].name: stands twice" },
    { "a namespace of methods with a bad name", "{\"rpc\": {\"namespaces\": [{\"name\": \"\"}]}}", "rpc.namespaces[0].name: not a name" },
    { "pings faster than pongs", "{\"client\": {\"ping_interval\": \"8s\"}}", "client.ping_interval: must be longer than client.pong_timeout (8000 ms)" },
    { "audience twice", "{\"client\": {\"token\": {\"audience\": \"a\", \"audience_regex\": \"b\"}}}", "client.token.audience_regex: excludes audience" },
    { "issuer twice", "{\"client\": {\"subscription_token\": {\"issuer\": \"a\", \"issuer_regex\": \"b\"}}}",
      "client.subscription_token.issuer_regex: excludes issuer" },
    { "a claim with a digit", "{\"client\": {\"token\": {\"user_id_claim\": \"u1\"}}}", "client.token.user_id_claim: only letters and _" },
    { "a personal namespace that is none",
      "{\"client\": {\"subscribe_to_user_personal_channel\": {\"enabled\": true, \"personal_channel_namespace\": \"user\"}}}", "no such namespace" },
    { "a single connection without presence", "{\"client\": {\"subscribe_to_user_personal_channel\": {\"enabled\": true, \"single_connection\": true}}}",
      "single_connection: needs presence" },
    { "TLS without a key", "{\"http_server\": {\"tls\": {\"enabled\": true, \"cert_pem\": \"x.pem\"}}}", "http_server.tls.key_pem: is needed" },
    { "TLS without a certificate", "{\"http_server\": {\"internal_tls\": {\"enabled\": true, \"key_pem\": \"x.pem\"}}}",
      "http_server.internal_tls.cert_pem: is needed" },
    { "HTTP/2 without a second listener", "{\"http_server\": {\"h2c_external\": true}}", "h2c_external: needs an http_server.internal_port" },
    { "a metric's name with a dash", "{\"prometheus\": {\"prefix\": \"my-app\"}}", "prometheus.prefix: only letters" },
    { "a disconnect without a code",
      "{\"client\": {\"connect_code_to_unidirectional_disconnect\": {\"enabled\": true, \"transforms\": [{\"code\": 109}]}}}", "needs code and to.code" },
    { "a reason that is not ASCII",
      "{\"client\": {\"connect_code_to_unidirectional_disconnect\": {\"transforms\": [{\"code\": 1, \"to\": {\"code\": 4000, \"reason\": \"\xc3\xa4\"}}]}}}",
      "to.reason must be ASCII" },
    { "an HTTP status of zero", "{\"uni_sse\": {\"connect_code_to_http_response\": {\"transforms\": [{\"code\": 109}]}}}", "needs code and to.status_code" },
    { "a map without a mode", "{\"channel\": {\"without_namespace\": {\"subscription_type\": \"map\"}}}", "map.mode: is needed" },
    { "a map whose keys live for ever", "{\"channel\": {\"without_namespace\": {\"subscription_type\": \"map\", \"map\": {\"mode\": \"ephemeral\"}}}}",
      "map.key_ttl: is needed" },
    { "a persistent map that expires",
      "{\"channel\": {\"without_namespace\": {\"subscription_type\": \"map\", \"map\": {\"mode\": \"persistent\", \"key_ttl\": \"1s\"}}}}", "map.key_ttl: has no meaning" },
    { "presence that persists", "{\"channel\": {\"without_namespace\": {\"subscription_type\": \"map_users\", \"map\": {\"mode\": \"persistent\"}}}}",
      "persistent is not possible for presence" },
    { "presence that leads nowhere", "{\"channel\": {\"without_namespace\": {\"map_users_presence_channel_prefix\": \"pp:\"}}}", "leads to no namespace" },
    { "shared poll without a key", "{\"channel\": {\"without_namespace\": {\"subscription_type\": \"shared_poll\"}}}", "needs shared_poll.hmac_secret_key" },
    { "two kinds of proxies", "{\"channel\": {\"without_namespace\": {\"subscribe_stream_proxy_enabled\": true, \"publish_proxy_enabled\": true}}}",
      "subscribe_stream_proxy_enabled: excludes" },

    /* patterns */
    { "a pattern with an open group", "{\"channel\": {\"without_namespace\": {\"channel_regex\": \"(a\"}}}", "channel_regex: not a pattern" },
    { "a pattern that looks back", "{\"channel\": {\"without_namespace\": {\"channel_regex\": \"(?<=a)b\"}}}", "look-behind is not supported (at byte" },
    { "a pattern that refers to itself", "{\"channel\": {\"without_namespace\": {\"channel_regex\": \"(a)\\\\1\"}}}", "back references are not supported" },
    { "a pattern for tokens", "{\"client\": {\"token\": {\"issuer_regex\": \"[\"}}}", "client.token.issuer_regex: not a pattern" },
};

static bool report_has(const struct pl_config_report *r, const char *want)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].is_error && strstr(r->v[i].text, want) != NULL)
            return true;
    return false;
}

static void broken_configurations_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_config_input in = { .file = "t.json", .text = pl_slice_str(rows[i].json) };
        struct pl_config_report report = { NULL };
        struct pl_config *cfg = NULL;
        enum pl_err err = pl_config_load(&in, &cfg, &report);

        if (err != PL_EINVAL || !report_has(&report, rows[i].want)) {
            print_error("%s: wanted %s, got %s\n", rows[i].name, rows[i].want, pl_err_text(err));
            for (size_t j = 0; j < report.n; j++)
                print_error("    %s\n", report.v[j].text);
            fail();
        }
        assert_null(cfg);
        pl_config_report_fini(&report);
    }
}

/* Wherever a secret stands, right or wrong, no message shows it. */
static void messages_never_show_a_secret(void **state)
{
    static const char *const files[] = {
        "{\"client\": {\"token\": {\"hmac_secret_key\": \"hunter2\", \"hmac_secret_kye\": \"hunter2\"}}}",
        "{\"token_hmac_secret_key\": \"hunter2\"}",
        "{\"http_api\": {\"key\": [\"hunter2\"]}}",
        "{\"http_api\": {\"keey\": \"hunter2\"}}",
        "{\"admin\": {\"passwrd\": \"hunter2\"}}",
        "{\"engine\": {\"redis\": {\"password\": \"hunter2\", \"pasword\": \"hunter2\"}}}",
        "{\"http_api\": {\"key\": \"hunter2\" \"x\": 1}}",
        "{\"http_api\": {\"key\": hunter2}}",
        "{\"broker\": {\"postgres\": {\"dsn\": \"hunter2\"}}, \"threads\": \"x\"}",
    };
    static const char *const env[] = { "PEAL_HTTP_API_KEEY=hunter2", "PEAL_ADMIN_PASSWORD=hunter2", "PEAL_THREADS=x", NULL };
    static const char *const args[] = { "--http_api.kye=hunter2", "--http_api.key=hunter2", "--threads=x" };

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct pl_config_input in = { .file = "t.json", .text = pl_slice_str(files[i]), .env = env, .args = args, .n_args = 3 };
        struct pl_config_report report = { NULL };
        struct pl_config *cfg = NULL;

        assert_int_equal(pl_config_load(&in, &cfg, &report), PL_EINVAL);
        for (size_t j = 0; j < report.n; j++)
            if (strstr(report.v[j].text, "hunter2") != NULL)
                fail_msg("%s", report.v[j].text);
        pl_config_report_fini(&report);
    }
}

static void every_fault_is_named_not_only_the_first(void **state)
{
    struct pl_config_input in = { .file = "t.json", .text = pl_slice_str("{\"threads\": -1,\n\"colour\": 1,\n\"log\": {\"level\": 5},\n\"client\": 3}") };
    struct pl_config_report report = { NULL };
    struct pl_config *cfg = NULL;

    (void)state;
    assert_int_equal(pl_config_load(&in, &cfg, &report), PL_EINVAL);
    assert_int_equal(report.n_errors, 4);
    assert_true(report_has(&report, "t.json:1: threads"));
    assert_true(report_has(&report, "t.json:2: colour"));
    assert_true(report_has(&report, "t.json:3: log.level"));
    assert_true(report_has(&report, "t.json:4: client"));
    pl_config_report_fini(&report);
}

/* Any prefix of a good file is refused or (never, for an object) accepted; nothing is lost on the way. */
static void every_prefix_of_a_file_is_refused(void **state)
{
    static const char text[] = "{\"client\":{\"allowed_origins\":[\"*\"],\"token\":{\"hmac_secret_key\":\"s\"}},\"channel\":{\"namespaces\":[{\"name\":\"aa\"}]}}";

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        struct pl_config_input in = { .file = "t.json", .text = pl_slice(text, n) };
        struct pl_config_report report = { NULL };
        struct pl_config *cfg = NULL;

        assert_int_equal(pl_config_load(&in, &cfg, &report), n == sizeof text - 1 ? PL_OK : PL_EINVAL);
        pl_config_free(&cfg);
        pl_config_report_fini(&report);
    }
}

static void a_flood_of_faults_is_cut(void **state)
{
    struct pl_config_report report = { NULL };
    struct pl_config *cfg = NULL;
    struct pl_buf b = pl_buf_init(1 << 20);
    struct pl_config_input in = { .file = "t.json" };

    (void)state;
    for (int i = 0; i < 1000; i++)
        pl_buf_printf(&b, "%s\"k%d\": 1", i == 0 ? "{" : ",", i);
    pl_buf_byte(&b, '}');
    in.text = pl_buf_slice(&b);
    assert_int_equal(pl_config_load(&in, &cfg, &report), PL_EINVAL);
    assert_int_equal(report.n_errors, 1000);
    assert_int_equal(report.n, 201);
    pl_config_report_fini(&report);
    pl_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_configurations_are_refused_by_name),
        cmocka_unit_test(messages_never_show_a_secret),
        cmocka_unit_test(every_fault_is_named_not_only_the_first),
        cmocka_unit_test(every_prefix_of_a_file_is_refused),
        cmocka_unit_test(a_flood_of_faults_is_cut),
    };

    print_message("%zu broken configurations\n", sizeof rows / sizeof rows[0]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
