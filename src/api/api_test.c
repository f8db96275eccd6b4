/* The API from request bytes to answer bytes, on one shard and on three, where answers come later. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "api/api.h"
#include "auth/auth.h"
#include "codec/glob.h"
#include "config/load.h"
#include "engine/engine.h"
#include "http/fake_net_test.h"
#include "http/http.h"
#include "hub/hub.h"
#include "metrics/metrics.h"
#include "session/sess.h"

#define CONFIG(more) \
    "{\"http_api\":{" more "},\"channel\":{\"namespaces\":[{\"name\":\"hist\",\"history_size\":10,\"history_ttl\":\"300s\"}," \
    "{\"name\":\"jl\",\"presence\":true},{\"name\":\"obj\",\"publication_data_format\":\"json_object\"}," \
    "{\"name\":\"bin\",\"publication_data_format\":\"binary\",\"history_size\":10,\"history_ttl\":\"300s\"}]}}"
#define WITH_KEY CONFIG("\"key\":\"apikey\"")

struct fixture {
    struct pl_config *cfg;
    struct pl_node *clock; /* only its world is used */
    struct pl_node *node;
    struct pl_router *router;
    struct pl_buf request;
};

static struct fixture *set_up(const char *config, unsigned n_shards)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct pl_config_input in = { .file = "test.json", .text = pl_slice_str(config) };
    struct pl_config_report report = { 0 };
    struct pl_http_opts http = { .max_head_bytes = 8192, .head_timeout_ms = 10000, .body_timeout_ms = 30000, .idle_timeout_ms = 60000 };
    struct pl_node *n;

    assert_non_null(f);
    if (pl_config_load(&in, &f->cfg, &report) != PL_OK)
        fail_msg("%s", report.v[0].text);
    pl_config_report_fini(&report);
    f->clock = fake_node_new();
    n = f->node = pl_node_new(f->clock->world, n_shards);
    n->config = f->cfg;
    n->metrics = pl_metrics_new(n_shards);
    pl_engine_choose(n, &pl_engine_memory);
    pl_sess_node_init(n);
    for (unsigned i = 0; i < n_shards; i++) {
        struct pl_shard *s = n->shards[i];

        s->cells = pl_metrics_cells(n->metrics, i);
        pl_engine(n)->init(s, pl_hub_feed());
        pl_auth_init(s);
        pl_hub_init(s, &pl_sess_sink);
        pl_sess_init(s);
        pl_api_init(s);
    }
    f->router = pl_router_new();
    http.router = f->router;
    assert_int_equal(pl_api_add_routes(f->router, f->cfg, 1), PL_OK);
    pl_http_init(n, &http);
    f->request = pl_buf_init(1 << 20);
    return f;
}

static void tear_down(struct fixture *f)
{
    for (unsigned i = 0; i < f->node->n_shards; i++) {
        struct pl_shard *s = f->node->shards[i];

        pl_api_fini(s);
        pl_sess_fini(s);
        pl_hub_fini(s);
        pl_auth_fini(s);
        pl_engine(f->node)->fini(s);
    }
    pl_sess_node_fini(f->node);
    pl_http_fini(f->node);
    pl_router_free(&f->router);
    pl_metrics_free(&f->node->metrics);
    pl_node_free(&f->node);
    fake_node_free(&f->clock);
    pl_config_free(&f->cfg);
    pl_buf_fini(&f->request);
    free(f);
}

static void turns(struct fixture *f)
{
    for (unsigned round = 0; round < 60; round++)
        for (unsigned i = 0; i < f->node->n_shards; i++)
            (void)pl_shard_turn(f->node->shards[i], 0); /* whether anything was done is no matter */
}

/* One request on a connection of its own; the answer must be `status` and match the glob `want`. */
static void call(struct fixture *f, const char *verb, const char *path, const char *headers, const char *body, unsigned status, const char *want)
{
    struct peer *p = peer_new(f->node, "1.2.3.4", 1);
    struct pl_slice answer;
    unsigned got = 0;
    const char *end;

    pl_http_on_accept(&p->c);
    pl_buf_clear(&f->request);
    pl_buf_printf(&f->request, "%s %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n%s", verb, path, headers, strlen(body), body);
    peer_send(p, pl_buf_slice(&f->request));
    turns(f);
    peer_settle(p);
    pl_buf_byte(&p->out, '\0');
    end = strstr((const char *)p->out.p, "\r\n\r\n");
    if (end == NULL || sscanf((const char *)p->out.p, "HTTP/1.1 %u", &got) != 1)
        fail_msg("%s %s %s: no answer: %s", verb, path, body, (const char *)p->out.p);
    answer = pl_slice_str(end + 4);
    if (got != status || !pl_glob_match(pl_slice_str(want), answer))
        fail_msg("%s %s %s:\n  got %u %.*s\n  not %u %s", verb, path, body, got, PL_FMT(answer), status, want);
    peer_leave(p);
    peer_free(&p);
}

#define KEY "X-API-Key: apikey\r\n"
#define TRANSPORT KEY "X-Centrifugo-Error-Mode: transport\r\n"
#define E(code, text) "{\"error\":{\"code\":" code ",\"message\":\"" text "\"}}"

static const struct { const char *path, *headers, *body; unsigned status; const char *answer; } rows[] = {
    { "publish", KEY, "{\"channel\":\"a\",\"data\":{\"a\":1}}", 200, "{\"result\":{}}" },
    { "publish", KEY, "{\"channel\":\"hist:p\",\"data\":1}", 200, "{\"result\":{\"offset\":1,\"epoch\":\"????*\"}}" },
    { "publish", KEY, "{\"CHANNEL\":\"hist:p\",\"data\":null,\"tags\":{\"a\" : \"b\",\"c\":null}}", 200, "{\"result\":{\"offset\":2,\"epoch\":\"????*\"}}" },
    { "publish", KEY, "{\"channel\":\"hist:p\",\"data\":1,\"skip_history\":true}", 200, "{\"result\":{}}" },
    { "publish", KEY, "{\"channel\":\"hist:p\",\"b64data\":\"eyJiIjoyfQ==\",\"data\":1}", 200, "{\"result\":{\"offset\":3,\"epoch\":\"????*\"}}" },
    { "history", KEY, "{\"channel\":\"hist:p\",\"limit\":-1}", 200,
      "{\"result\":{\"publications\":[{\"data\":1,\"offset\":1},{\"data\":null,\"offset\":2,\"tags\":{\"a\":\"b\",\"c\":\"\"}},{\"data\":{\"b\":2},\"offset\":3}],"
      "\"epoch\":\"????*\",\"offset\":3}}" },
    { "history", KEY, "{\"channel\":\"hist:p\"}", 200, "{\"result\":{\"publications\":[],\"epoch\":\"????*\",\"offset\":3}}" },
    { "history", KEY, "{\"channel\":\"hist:p\",\"limit\":1,\"reverse\":true}", 200, "{\"result\":{\"publications\":[{\"data\":{\"b\":2},\"offset\":3}],*" },
    { "history", KEY, "{\"channel\":\"hist:p\",\"limit\":1,\"since\":{\"offset\":1,\"epoch\":\"zz\"}}", 200, E("112", "unrecoverable position") },
    { "history", KEY, "{\"channel\":\"hist:p\",\"limit\":1,\"since\":{\"offset\":1}}", 200, "{\"result\":{\"publications\":[{*\"offset\":2,*}],*" },
    { "history", KEY, "{\"channel\":\"a\",\"limit\":1}", 200, E("108", "not available") },
    { "history", KEY, "{\"channel\":\"no:a\"}", 200, E("102", "unknown channel") },
    { "history", KEY, "{}", 200, E("107", "bad request") },
    { "publish", KEY, "{\"channel\":\"bin:b\",\"b64data\":\"AP8Q\"}", 200, "{\"result\":{\"offset\":1,*" },
    { "history", KEY, "{\"channel\":\"bin:b\",\"limit\":1}", 200, "{\"result\":{\"publications\":[{\"b64data\":\"AP8Q\",\"offset\":1}],*" },
    { "publish", KEY, "{\"channel\":\"hist:i\",\"data\":1,\"idempotency_key\":\"k\"}", 200, "{\"result\":{\"offset\":1,*" },
    { "publish", KEY, "{\"channel\":\"hist:i\",\"data\":2,\"idempotency_key\":\"k\"}", 200, "{\"result\":{\"offset\":1,*" },
    { "publish", KEY, "{\"channel\":\"hist:v\",\"data\":1,\"version\":5}", 200, "{\"result\":{\"offset\":1,*" },
    { "publish", KEY, "{\"channel\":\"hist:v\",\"data\":2,\"version\":4}", 200, "{\"result\":{\"offset\":1,*" },
    { "publish", KEY, "{\"channel\":\"hist:v\",\"data\":2,\"version\":1,\"version_epoch\":\"e\"}", 200, "{\"result\":{\"offset\":2,*" },
    { "publish", KEY, "{\"channel\":\"no:a\",\"data\":1}", 200, E("102", "unknown channel") },
    { "publish", KEY, "{\"data\":1}", 200, E("107", "bad request") },
    { "publish", KEY, "{\"channel\":\"a\"}", 200, E("107", "bad request") },
    { "publish", KEY, "{\"channel\":\"obj:a\",\"data\":1}", 200, E("107", "bad request") },
    { "publish", KEY, "{\"channel\":\"a\",\"b64data\":\"***\"}", 200, E("107", "bad request") },
    { "publish", KEY, "{\"channel\":\"$a\",\"data\":1,\"nosuch\":[1]}", 200, "{\"result\":{}}" },
    { "publish", KEY, "", 400, "Bad Request\n" },
    { "publish", KEY, "{", 400, "Bad Request\n" },
    { "publish", KEY, "{} x", 400, "Bad Request\n" },
    { "publish", KEY, "{\"channel\":1}", 400, "Bad Request\n" },
    { "publish", KEY, "{\"channel\":\"a\",\"data\":1,\"tags\":{\"a\":1}}", 400, "Bad Request\n" },
    { "history_remove", KEY, "{\"channel\":\"hist:p\"}", 200, "{\"result\":{}}" },
    { "history", KEY, "{\"channel\":\"hist:p\",\"limit\":-1}", 200, "{\"result\":{\"publications\":[],\"epoch\":\"????*\",\"offset\":3}}" },
    { "history_remove", KEY, "{\"channel\":\"a\"}", 200, E("108", "not available") },
    { "broadcast", KEY, "{\"channels\":[\"a\",\"hist:b\",\"no:c\",\"\",\"hist:\\u0062\"],\"data\":1}", 200,
      "{\"result\":{\"responses\":[{\"result\":{}},{\"result\":{\"offset\":1,\"epoch\":\"????*\"}},{\"error\":{\"code\":102,\"message\":\"unknown channel\"}},"
      "{\"error\":{\"code\":107,\"message\":\"bad request\"}},{\"result\":{\"offset\":2,\"epoch\":\"????*\"}}]}}" },
    { "broadcast", KEY, "{\"channels\":[],\"data\":1}", 200, E("107", "bad request") },
    { "broadcast", KEY, "{\"data\":1}", 200, E("107", "bad request") },
    { "broadcast", KEY, "{\"channels\":[\"a\"]}", 200, "{\"result\":{\"responses\":[{\"error\":{\"code\":107,\"message\":\"bad request\"}}]}}" },
    { "presence", KEY, "{\"channel\":\"jl:a\"}", 200, "{\"result\":{\"presence\":{}}}" },
    { "presence", KEY, "{\"channel\":\"a\"}", 200, E("108", "not available") },
    { "presence", KEY, "{}", 200, E("107", "bad request") },
    { "presence_stats", KEY, "{\"channel\":\"jl:a\"}", 200, "{\"result\":{\"num_clients\":0,\"num_users\":0}}" },
    { "presence_stats", KEY, "{\"channel\":\"no:a\"}", 200, E("102", "unknown channel") },
    { "channels", KEY, "{}", 200, "{\"result\":{\"channels\":{}}}" },
    { "info", KEY, "{}", 200, "{\"result\":{\"nodes\":[{\"uid\":\"*\",\"name\":\"*_8000\",\"version\":\"*\",\"num_clients\":0,\"num_users\":0,\"num_channels\":0,"
      "*\"num_subs\":0}]}}" },
    { "info", KEY, "", 400, "Bad Request\n" },
    { "rpc", KEY, "{\"method\":\"x\",\"params\":{}}", 200, E("104", "not found") },
    { "rpc", KEY, "{}", 200, E("107", "bad request") },
    { "subscribe", KEY, "{\"user\":\"u\",\"channel\":\"a\",\"override\":{\"presence\":{\"value\":true}},\"recover_since\":{\"offset\":1}}", 200, "{\"result\":{}}" },
    { "subscribe", KEY, "{\"user\":\"u\"}", 200, E("107", "bad request") },
    { "subscribe", KEY, "{\"user\":\"u\",\"channel\":\"no:a\"}", 200, E("102", "unknown channel") },
    { "subscribe", KEY, "{\"user\":\"u\",\"channel\":\"a\",\"b64info\":\"*\"}", 200, E("107", "bad request") },
    { "unsubscribe", KEY, "{\"user\":\"u\",\"channel\":\"no:a\"}", 200, E("102", "unknown channel") },
    { "unsubscribe", KEY, "{\"user\":\"u\"}", 200, "{\"result\":{}}" },
    { "disconnect", KEY, "{\"user\":\"u\",\"disconnect\":{\"code\":4321,\"reason\":\"x\"},\"whitelist\":[\"no id\"]}", 200, "{\"result\":{}}" },
    { "disconnect", KEY, "{\"user\":\"u\",\"client\":\"no id\"}", 200, "{\"result\":{}}" },
    { "disconnect", KEY, "{\"user\":\"u\",\"disconnect\":{\"code\":1006}}", 200, E("107", "bad request") },
    { "refresh", KEY, "{\"user\":\"u\",\"expire_at\":1,\"info\":{}}", 200, "{\"result\":{}}" },
    { "refresh", KEY, "{\"user\":\"u\",\"expired\":1}", 400, "Bad Request\n" },
    { "batch", KEY, "{\"commands\":[{\"publish\":{\"channel\":\"hist:batch\",\"data\":1}},{\"history\":{\"channel\":\"hist:batch\",\"limit\":1}},"
      "{\"publish\":{\"channel\":\"no:a\",\"data\":1}},{\"presence_stats\":{\"channel\":\"jl:a\"}},{},{\"broadcast\":{\"channels\":[\"a\",\"b\",\"c\"],\"data\":2}}],"
      "\"parallel\":true}", 200,
      "{\"replies\":[{\"publish\":{\"offset\":1,\"epoch\":\"????*\"}},{\"history\":{\"publications\":[{\"data\":1,\"offset\":1}],\"epoch\":\"????*\",\"offset\":1}},"
      "{\"error\":{\"code\":102,\"message\":\"unknown channel\"}},{\"presence_stats\":{\"num_clients\":0,\"num_users\":0}},"
      "{\"error\":{\"code\":104,\"message\":\"not found\"}},{\"broadcast\":{\"responses\":[{\"result\":{}},{\"result\":{}},{\"result\":{}}]}}]}" },
    { "batch", KEY, "{}", 200, "{}" },
    { "batch", KEY, "{\"commands\":[ ]}", 200, "{}" },
    { "batch", KEY, "{\"commands\":[{\"publish\":{\"channel\":\"hist:never\",\"data\":1}},{\"publish\":{\"channel\":5}}]}", 400, "Bad Request\n" },
    { "history", KEY, "{\"channel\":\"hist:never\"}", 200, "*\"offset\":0}}" },
    { "batch", TRANSPORT, "{\"commands\":[{\"publish\":{\"channel\":\"no:a\",\"data\":1}}]}", 200, "{\"replies\":[{\"error\":{\"code\":102,*}}]}" },
    { "publish", TRANSPORT, "{\"channel\":\"no:a\",\"data\":1}", 404, "{\"code\":102,\"message\":\"unknown channel\"}" },
    { "publish", TRANSPORT, "{\"data\":1}", 400, "{\"code\":107,\"message\":\"bad request\"}" },
    { "history", TRANSPORT, "{\"channel\":\"a\"}", 400, "{\"code\":108,\"message\":\"not available\"}" },
    { "history", TRANSPORT, "{\"channel\":\"hist:p\",\"limit\":1,\"since\":{\"offset\":1,\"epoch\":\"zz\"}}", 416, "{\"code\":112,*" },
    { "rpc", TRANSPORT, "{\"method\":\"x\"}", 404, "{\"code\":104,*" },
    { "publish", TRANSPORT, "{\"channel\":\"a\",\"data\":1}", 200, "{\"result\":{}}" },
};

static void every_method_answers_as_the_table_says(void **state)
{
    (void)state;
    for (unsigned n_shards = 1; n_shards <= 3; n_shards += 2) {
        struct fixture *f = set_up(WITH_KEY, n_shards);

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            char path[64];

            snprintf(path, sizeof path, "/api/%s", rows[i].path);
            call(f, "POST", path, rows[i].headers, rows[i].body, rows[i].status, rows[i].answer);
        }
        call(f, "POST", "/api/nosuch", KEY, "{}", 404, "404 page not found\n");
        call(f, "GET", "/api/publish", KEY, "", 405, "");
        tear_down(f);
    }
}

static void the_old_endpoint_takes_lines_of_commands(void **state)
{
    (void)state;
    for (unsigned n_shards = 1; n_shards <= 3; n_shards += 2) {
        struct fixture *f = set_up(WITH_KEY, n_shards);

        call(f, "POST", "/api", KEY,
             "{\"id\":1,\"method\":\"publish\",\"params\":{\"channel\":\"a\",\"data\":1}}\n{\"id\":2,\"method\":\"PRESENCE_STATS\",\"params\":{\"channel\":\"jl:a\"}}\n",
             200, "{\"id\":1,\"result\":{}}\n{\"id\":2,\"result\":{\"num_clients\":0,\"num_users\":0}}");
        call(f, "POST", "/api", KEY, "{\"method\":6,\"params\":{\"channel\":\"a\"}}", 200, E("108", "not available"));
        call(f, "POST", "/api", KEY, "{\"method\":\"rpc\"}", 200, E("107", "bad request"));
        call(f, "POST", "/api", KEY, "{\"params\":{\"channel\":\"a\",\"data\":1}}", 200, "{\"result\":{}}");
        call(f, "POST", "/api", KEY, "{\"method\":\"publish\",\"params\":{\"channel\":5}}", 200, E("107", "bad request"));
        call(f, "POST", "/api", KEY, "{\"method\":\"nosuch\"}", 400, "Bad Request\n");
        call(f, "POST", "/api", KEY, "{\"method\":77}", 400, "Bad Request\n");
        call(f, "POST", "/api", KEY, "", 400, "Bad Request\n");
        call(f, "POST", "/api", KEY, "{}\n\n{}", 400, "Bad Request\n");
        tear_down(f);
    }
}

#define BODY "{\"channel\":\"a\",\"data\":1}"

static void nobody_comes_in_without_the_key(void **state)
{
    struct fixture *f = set_up(WITH_KEY, 1);

    (void)state;
    call(f, "POST", "/api/publish", "", BODY, 401, "");
    call(f, "POST", "/api/publish", "X-API-Key: no\r\n", BODY, 401, "");
    call(f, "POST", "/api/publish", "X-API-Key: apike\r\n", BODY, 401, "");
    call(f, "POST", "/api/publish", "X-API-Key: apikeyx\r\n", BODY, 401, "");
    call(f, "POST", "/api/publish", "Authorization: apikey no\r\n", BODY, 401, "");
    call(f, "POST", "/api/publish", "Authorization: Bearer apikey\r\n", BODY, 401, "");
    call(f, "POST", "/api/publish", "X-API-Key: no\r\nAuthorization: apikey apikey\r\n", BODY, 401, "");
    call(f, "POST", "/api/publish?api_key=no", "", BODY, 401, "");
    call(f, "POST", "/api", "", "{}", 401, "");
    call(f, "POST", "/api/batch", "", "{}", 401, "");
    call(f, "POST", "/api/publish", "x-api-key: apikey\r\n", BODY, 200, "{\"result\":{}}");
    call(f, "POST", "/api/publish", "Authorization: APIKey apikey\r\n", BODY, 200, "{\"result\":{}}");
    call(f, "POST", "/api/publish?x=1&api_key=%61pikey", "", BODY, 200, "{\"result\":{}}");
    tear_down(f);

    f = set_up(CONFIG(""), 1); /* no key is configured */
    call(f, "POST", "/api/publish", "X-API-Key: \r\n", BODY, 401, "");
    call(f, "POST", "/api/publish", "", BODY, 401, "");
    tear_down(f);
    f = set_up(CONFIG("\"insecure\":true"), 1);
    call(f, "POST", "/api/publish", "", BODY, 200, "{\"result\":{}}");
    tear_down(f);
}

static void the_prefix_and_the_error_mode_are_configured(void **state)
{
    struct fixture *f = set_up(CONFIG("\"key\":\"apikey\",\"handler_prefix\":\"/deep/door\",\"error_mode\":\"transport\""), 1);

    (void)state;
    call(f, "POST", "/deep/door/publish", KEY, "{\"channel\":\"no:x\",\"data\":1}", 404, "{\"code\":102,*");
    call(f, "POST", "/api/publish", KEY, BODY, 404, "404 page not found\n");
    call(f, "POST", "/deep/door", KEY, "{\"method\":\"info\"}", 200, "{\"result\":{\"nodes\":*");
    tear_down(f);
    f = set_up(CONFIG("\"disabled\":true"), 1);
    call(f, "POST", "/api/publish", KEY, BODY, 404, "404 page not found\n");
    tear_down(f);
}

static void a_wide_broadcast_is_answered_in_request_order(void **state)
{
    struct pl_buf body = pl_buf_init(1 << 20), want = pl_buf_init(1 << 20);
    struct fixture *f = set_up(WITH_KEY, 3);

    (void)state;
    PL_BUF_LIT(&body, "{\"data\":1,\"channels\":[");
    PL_BUF_LIT(&want, "{\"result\":{\"responses\":[");
    for (int i = 0; i < 2000; i++) {
        pl_buf_printf(&body, "%s\"%s:%d\"", i == 0 ? "" : ",", i % 3 == 0 ? "no" : "jl", i);
        pl_buf_printf(&want, "%s%s", i == 0 ? "" : ",", i % 3 == 0 ? "{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}" : "{\"result\":{}}");
    }
    pl_buf_put(&body, "]}", 3);
    pl_buf_put(&want, "]}}", 4);
    call(f, "POST", "/api/broadcast", KEY, (const char *)body.p, 200, (const char *)want.p);
    pl_buf_fini(&body);
    pl_buf_fini(&want);
    tear_down(f);
}

static void a_backend_that_leaves_early_harms_nobody(void **state)
{
    struct fixture *f = set_up(WITH_KEY, 3);

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct peer *p = peer_new(f->node, "1.2.3.4", 1);

        pl_http_on_accept(&p->c);
        pl_buf_clear(&f->request);
        pl_buf_printf(&f->request, "POST /api HTTP/1.1\r\nHost: a\r\n" KEY "Content-Length: 143\r\n\r\n");
        for (int k = 0; k < 2; k++)
            pl_buf_printf(&f->request, "{\"id\":1,\"method\":\"publish\",\"params\":{\"channel\":\"hist:leave%d\",\"data\":%d}}%s", i, k, k == 0 ? "\n" : "");
        peer_send(p, pl_buf_slice(&f->request));
        peer_leave(p);
        turns(f);
        peer_free(&p);
    }
    call(f, "POST", "/api/history", KEY, "{\"channel\":\"hist:leave7\",\"limit\":-1}", 200, "*\"offset\":2}}");
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_answers_as_the_table_says),
        cmocka_unit_test(the_old_endpoint_takes_lines_of_commands),
        cmocka_unit_test(nobody_comes_in_without_the_key),
        cmocka_unit_test(the_prefix_and_the_error_mode_are_configured),
        cmocka_unit_test(a_wide_broadcast_is_answered_in_request_order),
        cmocka_unit_test(a_backend_that_leaves_early_harms_nobody),
    };

    return cmocka_run_group_tests_name("api/api", tests, NULL, NULL);
}
