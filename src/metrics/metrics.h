/* metrics/metrics.h - counters, gauges and histograms: one row each in metric.def, one block of cells per shard, summed
 * when somebody scrapes.
 *
 * A row's identifier is the index of its first cell, so counting is one add into the shard's own memory: no lock, no
 * shared cache line. A block has one writer (its shard; the last one belongs to whoever scrapes); readers load relaxed
 * and may see the parts of one event apart. Labels are fixed enumerations (label.h): nothing a peer sends can make a
 * new series. */
#ifndef PL_METRICS_METRICS_H
#define PL_METRICS_METRICS_H

#include <stdatomic.h>

#include "base/buf.h"
#include "metrics/label.h"

enum { /* cells a row takes, per combination of labels */
    PL_MT_COUNTER_CELLS = 1,
    PL_MT_GAUGE_CELLS = 1,
    PL_MT_SECONDS_BOUNDS = 16, /* upper bounds of a histogram of durations, values in nanoseconds */
    PL_MT_SECONDS_CELLS = PL_MT_SECONDS_BOUNDS + 2, /* and +Inf, and the sum */
    PL_MT_NUMBERS_BOUNDS = 11, /* of small numbers */
    PL_MT_NUMBERS_CELLS = PL_MT_NUMBERS_BOUNDS + 2
};

#define PL_LABEL_ENUM(label, id, text) PL_MV_##label##_##id,
enum { PL_LABEL_NONE(PL_LABEL_ENUM, NONE) PL_MV_NONE_N };
enum { PL_LABEL_TRANSPORT(PL_LABEL_ENUM, TRANSPORT) PL_MV_TRANSPORT_N };
enum { PL_LABEL_COMMAND(PL_LABEL_ENUM, COMMAND) PL_MV_COMMAND_N };
enum { PL_LABEL_API(PL_LABEL_ENUM, API) PL_MV_API_N };
enum { PL_LABEL_REPLY(PL_LABEL_ENUM, REPLY) PL_MV_REPLY_N };
enum { PL_LABEL_CODE(PL_LABEL_ENUM, CODE) PL_MV_CODE_N };
enum { PL_LABEL_UNSUBSCRIBE(PL_LABEL_ENUM, UNSUBSCRIBE) PL_MV_UNSUBSCRIBE_N };
enum { PL_LABEL_STATUS(PL_LABEL_ENUM, STATUS) PL_MV_STATUS_N };
enum { PL_LABEL_YES(PL_LABEL_ENUM, YES) PL_MV_YES_N };
enum { PL_LABEL_ACCEPT(PL_LABEL_ENUM, ACCEPT) PL_MV_ACCEPT_N };
enum { PL_LABEL_ADMIT(PL_LABEL_ENUM, ADMIT) PL_MV_ADMIT_N };
enum { PL_LABEL_TOKEN(PL_LABEL_ENUM, TOKEN) PL_MV_TOKEN_N };

/* Index of each row's first cell. PL_MB_: values of its second label. */
enum pl_metric {
#define PL_M(id, kind, a, b, name, help) \
    PL_M_##id, PL_M_##id##_LAST = PL_M_##id + PL_MT_##kind##_CELLS * (int)PL_MV_##a##_N * (int)PL_MV_##b##_N - 1,
#include "metrics/metric.def"
#undef PL_M
    PL_M_CELLS
};
enum {
#define PL_M(id, kind, a, b, name, help) PL_MB_##id = PL_MV_##b##_N,
#include "metrics/metric.def"
#undef PL_M
};

struct pl_metric_cells {
    _Alignas(64) _Atomic int64_t v[PL_M_CELLS]; /* counter: one writer */
};

/* Adds n (gauges: also negative) to a row without labels, or to one cell of a row: m + label value. */
static inline void pl_metric_add(struct pl_metric_cells *c, int m, int64_t n)
{
    /* One writer, so load and store suffice: no locked instruction. Relaxed: a scrape needs no order between cells. */
    atomic_store_explicit(&c->v[m], atomic_load_explicit(&c->v[m], memory_order_relaxed) + n, memory_order_relaxed);
}
static inline void pl_metric_set(struct pl_metric_cells *c, int m, int64_t n)
{
    atomic_store_explicit(&c->v[m], n, memory_order_relaxed);
}
static inline int64_t pl_metric_get(const struct pl_metric_cells *c, int m)
{
    return atomic_load_explicit(&((struct pl_metric_cells *)(uintptr_t)c)->v[m], memory_order_relaxed);
}
/* A gauge over states: one fewer in `from`, one more in `to` (label values; negative: none). */
static inline void pl_gauge_move(struct pl_metric_cells *c, int m, int from, int to)
{
    if (from >= 0)
        pl_metric_add(c, m + from, -1);
    if (to >= 0)
        pl_metric_add(c, m + to, 1);
}
/* Rows with two labels, by the bare identifier: pl_metric_add2(cells, REPLY_ERRORS, PL_MV_COMMAND_PUBLISH, pl_metric_reply(103), 1) */
#define pl_metric_add2(cells, id, a, b, n) pl_metric_add((cells), (int)PL_M_##id + (int)(a) * (int)PL_MB_##id + (int)(b), (n))

/* Label values of codes; what has no value of its own is "other". Any thread. */
int pl_metric_reply(unsigned code);       /* REPLY: 100... */
int pl_metric_code(unsigned code);        /* CODE: 1000..., 3000... */
int pl_metric_unsubscribe(unsigned code); /* UNSUBSCRIBE: 2000... */
int pl_metric_status(unsigned status);    /* STATUS: 200... */

/* One value into a histogram; _at: of one with a label. */
void pl_metric_observe_ns(struct pl_metric_cells *c, int m, uint64_t ns);  /* SECONDS */
void pl_metric_observe_n(struct pl_metric_cells *c, int m, uint64_t n);    /* NUMBERS */
static inline void pl_metric_observe_ns_at(struct pl_metric_cells *c, int m, int label, uint64_t ns)
{
    pl_metric_observe_ns(c, m + label * PL_MT_SECONDS_CELLS, ns);
}

/* ---- the blocks of a node ---- */
struct pl_metrics;

/* n_shards blocks and one more. NULL: out of memory (boot time). */
struct pl_metrics *pl_metrics_new(unsigned n_shards);
void pl_metrics_free(struct pl_metrics **take_m);
/* Block of a shard; n_shards gives the one of whoever scrapes. */
struct pl_metric_cells *pl_metrics_cells(struct pl_metrics *m, unsigned shard);
/* Sum over the blocks of one cell. Any thread. */
int64_t pl_metrics_sum(const struct pl_metrics *m, int cell);
/* Prometheus text format (0.0.4), every name beginning with prefix and '_'. Rows with many label values leave out zeros.
 * Appends about 20 KiB to out; its limit decides. Any thread. */
void pl_metrics_write(const struct pl_metrics *m, const char *prefix, struct pl_buf *out);

#endif
