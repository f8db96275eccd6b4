#include "metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PING "peal_client_ping_pong_duration_seconds"

static char *scrape(const struct pl_metrics *m, const char *prefix)
{
    struct pl_buf b = pl_buf_init(1 << 20);

    pl_metrics_write(m, prefix, &b);
    pl_buf_byte(&b, 0);
    assert_true(pl_buf_ok(&b));
    return (char *)b.p;
}

static void has(const char *text, const char *want)
{
    assert_non_null(text);
    if (strstr(text, want) == NULL) {
        print_error("missing:\n%s\nin:\n%s\n", want, text);
        fail();
    }
}

static void cells_of_all_shards_are_summed(void **state)
{
    struct pl_metrics *m = pl_metrics_new(3);
    char *text;

    (void)state;
    pl_metric_add(pl_metrics_cells(m, 0), PL_M_CLIENTS, 5);
    pl_metric_add(pl_metrics_cells(m, 1), PL_M_CLIENTS, 7);
    pl_metric_add(pl_metrics_cells(m, 2), PL_M_CLIENTS, -1);
    pl_metric_set(pl_metrics_cells(m, 3), PL_M_NODES, 1);
    assert_null(pl_metrics_cells(m, 4));
    assert_int_equal(pl_metrics_sum(m, PL_M_CLIENTS), 11);
    text = scrape(m, "peal");
    has(text, "# HELP peal_node_num_clients Connected clients.\n# TYPE peal_node_num_clients gauge\npeal_node_num_clients 11\n");
    has(text, "\npeal_node_num_nodes 1\n");
    has(text, "peal_node_build{version=\"");
    free(text);
    text = scrape(m, "centrifugo");
    has(text, "\ncentrifugo_node_num_clients 11\n");
    free(text);
    pl_metrics_free(&m);
    assert_null(m);
}

static void labels_make_series_of_their_own(void **state)
{
    struct pl_metrics *m = pl_metrics_new(1);
    struct pl_metric_cells *c = pl_metrics_cells(m, 0);
    char *text;

    (void)state;
    pl_metric_add(c, PL_M_DISCONNECTS + pl_metric_code(3008), 2);
    pl_metric_add(c, PL_M_DISCONNECTS + pl_metric_code(4999), 1);
    pl_metric_add2(c, REPLY_ERRORS, PL_MV_COMMAND_PUBLISH, pl_metric_reply(103), 4);
    pl_metric_add2(c, REPLY_ERRORS, PL_MV_COMMAND_OTHER, PL_MV_REPLY_OTHER, 1);
    pl_metric_add2(c, TRANSPORT_CLOSES, PL_MV_TRANSPORT_OTHER, PL_MV_CODE_OTHER, 9);
    pl_metric_add(c, PL_M_HTTP_REQUESTS + pl_metric_status(431), 3);
    pl_metric_add(c, PL_M_UNSUBSCRIBES + pl_metric_unsubscribe(2501), 1);
    pl_gauge_move(c, PL_M_CONNECTS, -1, PL_MV_TRANSPORT_SSE);
    pl_gauge_move(c, PL_M_CONNECTS, PL_MV_TRANSPORT_SSE, PL_MV_TRANSPORT_WEBSOCKET);
    text = scrape(m, "peal");
    has(text, "peal_client_num_server_disconnects{code=\"3008\"} 2\n");
    has(text, "peal_client_num_server_disconnects{code=\"other\"} 1\n");
    has(text, "peal_client_num_reply_errors{method=\"publish\",code=\"103\"} 4\n");
    has(text, "peal_client_num_reply_errors{method=\"other\",code=\"other\"} 1\n");
    has(text, "peal_transport_outgoing_close_count{transport=\"other\",code=\"other\"} 9\n");
    has(text, "peal_http_requests{status=\"431\"} 3\n");
    has(text, "peal_client_num_server_unsubscribes{code=\"2501\"} 1\n");
    has(text, "peal_client_connections_accepted{transport=\"sse\"} 0\n");
    has(text, "peal_client_connections_accepted{transport=\"websocket\"} 1\n");
    assert_null(strstr(text, "code=\"3500\"")); /* long rows leave out zeros */
    free(text);
    pl_metrics_free(&m);
}

static void histograms_count_cumulatively(void **state)
{
    struct pl_metrics *m = pl_metrics_new(1);
    struct pl_metric_cells *c = pl_metrics_cells(m, 0);
    char *text;

    (void)state;
    pl_metric_observe_ns(c, PL_M_PING_PONG_SECONDS, 100000); /* a bound belongs to its bucket */
    pl_metric_observe_ns(c, PL_M_PING_PONG_SECONDS, 100001);
    pl_metric_observe_ns(c, PL_M_PING_PONG_SECONDS, 60000000000);
    pl_metric_observe_ns_at(c, PL_M_API_SECONDS, PL_MV_API_RPC, 2000000);
    pl_metric_observe_n(c, PL_M_RECOVERED_PUBLICATIONS, 0);
    pl_metric_observe_n(c, PL_M_RECOVERED_PUBLICATIONS, 3);
    text = scrape(m, "peal");
    has(text, PING "_bucket{transport=\"websocket\",le=\"0.0001\"} 1\n" PING "_bucket{transport=\"websocket\",le=\"0.00025\"} 2\n");
    has(text, PING "_bucket{transport=\"websocket\",le=\"10\"} 2\n" PING "_bucket{transport=\"websocket\",le=\"+Inf\"} 3\n"
              PING "_sum{transport=\"websocket\"} 60.000200001\n" PING "_count{transport=\"websocket\"} 3\n");
    has(text, "peal_client_recovered_publications_bucket{le=\"0\"} 1\n");
    has(text, "peal_client_recovered_publications_bucket{le=\"5\"} 2\n");
    has(text, "peal_client_recovered_publications_sum 3\n");
    has(text, "peal_api_command_duration_seconds_histogram_count{method=\"rpc\"} 1\n");
    assert_null(strstr(text, "histogram_count{method=\"publish\"}"));
    free(text);
    pl_metrics_free(&m);
}

/* What Prometheus would stumble over: names, labels and one TYPE per name. */
static void every_line_of_a_scrape_is_well_formed(void **state)
{
    struct pl_metrics *m = pl_metrics_new(2);
    char *text, *line, *save = NULL, *seen[200];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < PL_M_CELLS; i++)
        pl_metric_set(pl_metrics_cells(m, 0), i, 1);
    text = scrape(m, "peal");
    for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            for (size_t i = 0; i < n; i++)
                assert_string_not_equal(seen[i], line);
            assert_true(n < 200);
            seen[n++] = line;
        } else if (line[0] != '#') {
            size_t len = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
            const char *value = strrchr(line, ' ');

            assert_int_equal(strncmp(line, "peal_", 5), 0);
            assert_true(line[len] == ' ' || (line[len] == '{' && value[-1] == '}'));
            assert_int_equal(value[1 + strspn(value + 1, "0123456789.")], 0);
        }
    }
    assert_true(n > 50);
    free(text);
    pl_metrics_free(&m);
}

static void a_scrape_that_does_not_fit_fails_as_a_whole(void **state)
{
    struct pl_metrics *m = pl_metrics_new(1);
    struct pl_buf b = pl_buf_init(1000);

    (void)state;
    pl_metrics_write(m, "peal", &b);
    assert_false(pl_buf_ok(&b));
    pl_buf_fini(&b);
    pl_metrics_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_of_all_shards_are_summed),
        cmocka_unit_test(labels_make_series_of_their_own),
        cmocka_unit_test(histograms_count_cumulatively),
        cmocka_unit_test(every_line_of_a_scrape_is_well_formed),
        cmocka_unit_test(a_scrape_that_does_not_fit_fails_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
