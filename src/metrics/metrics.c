#include "metrics/metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum kind { COUNTER, GAUGE, SECONDS, NUMBERS };

/* Buckets of durations, nanoseconds; 100 us is below what a loop turn costs, 10 s above every timeout of a command. */
static const uint64_t seconds_bounds[PL_MT_SECONDS_BOUNDS] = {
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000, 100000000, 250000000, 500000000,
    1000000000, 2500000000, 5000000000, 10000000000,
};
static const char *const seconds_text[PL_MT_SECONDS_BOUNDS] = { "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025",
                                                                "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10" };
static const uint64_t numbers_bounds[PL_MT_NUMBERS_BOUNDS] = { 0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000 };

struct label {
    const char *name; /* NULL: no label */
    const char *const *values;
    int n;
};

#define TEXT(label, id, text) text,
#define LABEL(id) static const char *const values_##id[] = { PL_LABEL_##id(TEXT, id) };
LABEL(NONE) LABEL(TRANSPORT) LABEL(COMMAND) LABEL(API) LABEL(REPLY) LABEL(CODE) LABEL(UNSUBSCRIBE) LABEL(STATUS) LABEL(YES)
LABEL(ACCEPT) LABEL(ADMIT) LABEL(TOKEN)

static const struct label label_NONE = { NULL, values_NONE, 1 };
#define NAMED(id, name) static const struct label label_##id = { name, values_##id, PL_MV_##id##_N };
NAMED(TRANSPORT, "transport")
NAMED(COMMAND, "method")
NAMED(API, "method")
NAMED(REPLY, "code")
NAMED(CODE, "code")
NAMED(UNSUBSCRIBE, "code")
NAMED(STATUS, "status")
NAMED(YES, "recovered")
NAMED(ACCEPT, "limit")
NAMED(ADMIT, "limit")
NAMED(TOKEN, "reason")

static const struct row {
    enum kind kind;
    int cell, cells; /* first; per combination of labels */
    const struct label *a, *b;
    const char *name, *help;
} rows[] = {
#define PL_M(id, kind, a, b, name, help) { kind, PL_M_##id, PL_MT_##kind##_CELLS, &label_##a, &label_##b, name, help },
#include "metrics/metric.def"
#undef PL_M
};

enum { SPARSE = 16 }; /* rows with more combinations than this leave out zeros */

struct pl_metrics {
    unsigned n;
    struct pl_metric_cells *blocks; /* n */
};

/* Codes stand in ascending order, "other" is last. */
static int find(const struct label *l, unsigned code)
{
    for (int i = 0; i < l->n - 1; i++)
        if ((unsigned)atoi(l->values[i]) == code)
            return i;
    return l->n - 1;
}

int pl_metric_reply(unsigned code) { return find(&label_REPLY, code); }
int pl_metric_code(unsigned code) { return find(&label_CODE, code); }
int pl_metric_unsubscribe(unsigned code) { return find(&label_UNSUBSCRIBE, code); }
int pl_metric_status(unsigned status) { return find(&label_STATUS, status); }

static void observe(struct pl_metric_cells *c, int m, const uint64_t *bounds, int n, uint64_t v)
{
    int i = 0;

    while (i < n && v > bounds[i])
        i++;
    pl_metric_add(c, m + i, 1);
    pl_metric_add(c, m + n + 1, (int64_t)v);
}

void pl_metric_observe_ns(struct pl_metric_cells *c, int m, uint64_t ns)
{
    observe(c, m, seconds_bounds, PL_MT_SECONDS_BOUNDS, ns);
}

void pl_metric_observe_n(struct pl_metric_cells *c, int m, uint64_t n)
{
    observe(c, m, numbers_bounds, PL_MT_NUMBERS_BOUNDS, n);
}

struct pl_metrics *pl_metrics_new(unsigned n_shards)
{
    struct pl_metrics *m = calloc(1, sizeof *m);

    if (m == NULL)
        return NULL;
    m->n = n_shards + 1;
    m->blocks = aligned_alloc(64, m->n * sizeof *m->blocks);
    if (m->blocks == NULL) {
        free(m);
        return NULL;
    }
    for (unsigned i = 0; i < m->n; i++)
        for (int cell = 0; cell < PL_M_CELLS; cell++)
            atomic_init(&m->blocks[i].v[cell], 0);
    return m;
}

void pl_metrics_free(struct pl_metrics **take_m)
{
    if (*take_m == NULL)
        return;
    free((*take_m)->blocks);
    free(*take_m);
    *take_m = NULL;
}

struct pl_metric_cells *pl_metrics_cells(struct pl_metrics *m, unsigned shard)
{
    return shard < m->n ? &m->blocks[shard] : NULL;
}

int64_t pl_metrics_sum(const struct pl_metrics *m, int cell)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < m->n; i++)
        sum += pl_metric_get(&m->blocks[i], cell);
    return sum;
}

/* {a="x",b="y",le="z"}, whatever of these there is. */
static void put_labels(const struct row *r, int a, int b, const char *le, struct pl_buf *out)
{
    const char *sep = "{";

    if (r->a->name != NULL) {
        pl_buf_printf(out, "%s%s=\"%s\"", sep, r->a->name, r->a->values[a]);
        sep = ",";
    }
    if (r->b->name != NULL) {
        pl_buf_printf(out, "%s%s=\"%s\"", sep, r->b->name, r->b->values[b]);
        sep = ",";
    }
    if (le != NULL) {
        pl_buf_printf(out, "%sle=\"%s\"", sep, le);
        sep = ",";
    }
    if (sep[0] == ',')
        pl_buf_byte(out, '}');
}

static void put_number(int64_t v, struct pl_buf *out)
{
    pl_buf_byte(out, ' ');
    pl_buf_i64(out, v);
    pl_buf_byte(out, '\n');
}

static void put_histogram(const struct pl_metrics *m, const char *prefix, const struct row *r, int a, int b, int cell, struct pl_buf *out)
{
    bool is_seconds = r->kind == SECONDS;
    int n = is_seconds ? PL_MT_SECONDS_BOUNDS : PL_MT_NUMBERS_BOUNDS;
    int64_t total = 0, sum = pl_metrics_sum(m, cell + n + 1);

    for (int i = 0; i <= n; i++) {
        char number[24];
        const char *le = "+Inf";

        total += pl_metrics_sum(m, cell + i);
        if (i < n && is_seconds)
            le = seconds_text[i];
        else if (i < n)
            le = (snprintf(number, sizeof number, "%llu", (unsigned long long)numbers_bounds[i]), number);
        pl_buf_printf(out, "%s_%s_bucket", prefix, r->name);
        put_labels(r, a, b, le, out);
        put_number(total, out);
    }
    pl_buf_printf(out, "%s_%s_sum", prefix, r->name);
    put_labels(r, a, b, NULL, out);
    if (is_seconds)
        pl_buf_printf(out, " %lld.%09lld\n", (long long)(sum / 1000000000), (long long)(sum % 1000000000));
    else
        put_number(sum, out);
    pl_buf_printf(out, "%s_%s_count", prefix, r->name);
    put_labels(r, a, b, NULL, out);
    put_number(total, out);
}

static bool is_empty(const struct pl_metrics *m, const struct row *r, int cell)
{
    for (int i = 0; i < r->cells; i++)
        if (pl_metrics_sum(m, cell + i) != 0)
            return false;
    return true;
}

void pl_metrics_write(const struct pl_metrics *m, const char *prefix, struct pl_buf *out)
{
    static const char *const kinds[] = { [COUNTER] = "counter", [GAUGE] = "gauge", [SECONDS] = "histogram", [NUMBERS] = "histogram" };

    pl_buf_printf(out, "# HELP %s_node_build Version of this program.\n# TYPE %s_node_build gauge\n%s_node_build{version=\"%s\"} 1\n", prefix,
                  prefix, prefix, PEAL_VERSION);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        bool is_sparse = r->a->n * r->b->n > SPARSE || (r->kind >= SECONDS && r->a->n > 1);

        pl_buf_printf(out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n", prefix, r->name, r->help, prefix, r->name, kinds[r->kind]);
        for (int a = 0; a < r->a->n; a++)
            for (int b = 0; b < r->b->n; b++) {
                int cell = r->cell + (a * r->b->n + b) * r->cells;

                if (is_sparse && is_empty(m, r, cell))
                    continue;
                if (r->kind >= SECONDS) {
                    put_histogram(m, prefix, r, a, b, cell, out);
                    continue;
                }
                pl_buf_printf(out, "%s_%s", prefix, r->name);
                put_labels(r, a, b, NULL, out);
                put_number(pl_metrics_sum(m, cell), out);
            }
    }
}
