#include "cli/bench.h"

#include <inttypes.h>
#include <stdio.h>

void bench_hist_add(struct bench_hist *h, uint64_t us)
{
    unsigned top = us < 32 ? 0 : 63 - (unsigned)__builtin_clzll(us) - 4; /* cell width 2^(top-1) beyond the first 32 */
    uint64_t at = us < 32 ? us : (uint64_t)top * 32 + ((us >> (top - 1)) & 31);

    h->n++;
    h->max = us > h->max ? us : h->max;
    h->cells[at < BENCH_HIST ? at : BENCH_HIST - 1]++;
}

double bench_hist_at(const struct bench_hist *h, double share)
{
    uint64_t goal = (uint64_t)((double)h->n * share), sum = 0;

    for (uint64_t i = 0; i < BENCH_HIST; i++) {
        sum += h->cells[i];
        if (sum > goal || sum == h->n) {
            uint64_t top = i / 32, upper = i < 32 ? i + 1 : (32 + i % 32 + 1) << (top - 1);

            return (double)(upper < h->max ? upper : h->max);
        }
    }
    return 0;
}

void bench_say(struct bench *b, const char *name, double value, const char *unit)
{
    char number[64];

    snprintf(number, sizeof number, "%.*f", value == (double)(int64_t)value ? 0 : 3, value);
    if (b->o->is_json) {
        pl_buf_printf(&b->report, "%s\"%s\":%s", b->has_fields ? "," : "", name, number);
        b->has_fields = true;
    } else {
        pl_buf_printf(&b->report, "  %-34s %14s %s\n", name, number, unit);
    }
}

void bench_say_times(struct bench *b, const char *name, const struct bench_hist *h)
{
    static const struct { const char *suffix; double share; } rows[] = { { "p50_us", 0.5 }, { "p95_us", 0.95 }, { "p99_us", 0.99 } };
    char full[64];

    if (h->n == 0)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(full, sizeof full, "%s_%s", name, rows[i].suffix);
        bench_say(b, full, bench_hist_at(h, rows[i].share), "us");
    }
    snprintf(full, sizeof full, "%s_max_us", name);
    bench_say(b, full, (double)h->max, "us");
}

void bench_say_delivery(struct bench *b, uint64_t owed)
{
    bench_say(b, "owed", (double)owed, "deliveries");
    bench_say(b, "delivered", (double)b->n_delivered, "deliveries");
    bench_say(b, "unchecked", (double)b->n_unchecked, "deliveries without id (limit program)");
    bench_say(b, "out_of_order_or_doubled", (double)b->n_wrong, "deliveries");
    bench_say(b, "publishes_refused", (double)b->n_refused, "");
    bench_say(b, "disconnected", (double)b->n_disconnected, "times");
}
