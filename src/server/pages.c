/* The small pages: health, metrics, connection warm-up. */
#include <stdlib.h>

#include "api/api.h"
#include "server/room.h"

enum { PAGE_MAX = 4 << 20, PROC_MAX = 64 << 10 };

static enum pl_err on_health(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct pl_server *s = arg;

    (void)req;
    /* relaxed: only this one fact is read */
    if (atomic_load_explicit(&s->is_stopping, memory_order_relaxed))
        pl_http_answer(h, 503, "application/json", PL_LIT("{\"status\":\"stopping\"}"), NULL);
    else
        pl_http_answer(h, 200, "application/json", PL_LIT("{}"), NULL);
    return PL_OK;
}

static enum pl_err on_init(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    (void)req;
    (void)arg;
    pl_http_answer(h, 200, "application/json; charset=utf-8", PL_LIT("{}"), NULL);
    return PL_OK;
}

/* One number of a /proc file's line "Key:   123 kB". */
static uint64_t proc_number(struct pl_slice text, const char *key)
{
    const char *at = text.len != 0 ? memmem(text.p, text.len, key, strlen(key)) : NULL;

    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* What every Prometheus client library tells of its process, under the names that dashboards know. */
static void write_process(struct pl_shard *s, struct pl_buf *out)
{
    struct pl_buf status = pl_buf_init(PROC_MAX);
    struct pl_world *w = s->world;

    if (w->ops->file_read(w, "/proc/self/status", PROC_MAX - 1, &status) == PL_OK) {
        pl_buf_byte(&status, 0);
        pl_buf_printf(out, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n",
                      (unsigned long long)proc_number(pl_buf_slice(&status), "VmRSS:") * 1024);
        pl_buf_printf(out, "# TYPE process_anonymous_memory_bytes gauge\nprocess_anonymous_memory_bytes %llu\n",
                      (unsigned long long)proc_number(pl_buf_slice(&status), "RssAnon:") * 1024);
    }
    pl_buf_fini(&status);
    pl_buf_printf(out, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %.3f\n",
                  (double)s->node->started_wall_ms / 1000.0);
}

/* What shards count for themselves; the block behind theirs belongs to scrapes. */
static void gather_shards(struct pl_node *n)
{
    struct pl_metric_cells *c = pl_metrics_cells(n->metrics, n->n_shards);
    struct pl_shard_stats sum = { 0 };

    for (unsigned i = 0; i < n->n_shards; i++) {
        struct pl_shard_stats st;

        pl_shard_stats(n->shards[i], &st);
        sum.turns += st.turns;
        sum.slow_turns += st.slow_turns;
        sum.mails_in += st.mails_in;
        sum.mails_busy += st.mails_busy;
        sum.wakes += st.wakes;
        sum.max_turn_ns = st.max_turn_ns > sum.max_turn_ns ? st.max_turn_ns : sum.max_turn_ns;
    }
    pl_metric_set(c, PL_M_TURNS, (int64_t)sum.turns);
    pl_metric_set(c, PL_M_TURNS_SLOW, (int64_t)sum.slow_turns);
    pl_metric_set(c, PL_M_TURN_MAX_NS, (int64_t)sum.max_turn_ns);
    pl_metric_set(c, PL_M_MAILS, (int64_t)sum.mails_in);
    pl_metric_set(c, PL_M_MAIL_FULL, (int64_t)sum.mails_busy);
    pl_metric_set(c, PL_M_WAKES, (int64_t)sum.wakes);
    if (n->log != NULL)
        pl_metric_set(c, PL_M_LOG_DROPPED, (int64_t)pl_log_dropped(n->log));
}

static enum pl_err on_metrics(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct pl_server *server = arg;
    struct pl_shard *s = pl_http_shard(h);
    struct pl_node *n = server->node;
    const char *prefix = n->config->prometheus.prefix;
    struct pl_buf out = pl_buf_init(PAGE_MAX);

    (void)req;
    gather_shards(n);
    pl_metrics_write(n->metrics, prefix, &out);
    write_process(s, &out);
    if (pl_buf_ok(&out))
        pl_http_answer(h, 200, "text/plain; version=0.0.4; charset=utf-8", pl_buf_slice(&out), NULL);
    else
        pl_http_answer(h, 500, "text/plain", PL_LIT("out of memory\n"), NULL);
    pl_buf_fini(&out);
    return PL_OK;
}

const struct pl_route_ops server_health_ops = { .on_request = on_health };
const struct pl_route_ops server_init_ops = { .on_request = on_init };
const struct pl_route_ops server_metrics_ops = { .on_request = on_metrics };
