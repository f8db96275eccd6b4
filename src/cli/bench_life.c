/* The scenarios about coming and going. */
#include "cli/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool publish_some(struct bench *b, uint32_t n, uint64_t *owed)
{
    uint64_t answers = b->n_answered;

    for (uint32_t i = 0; i < n; i++) {
        if (!bench_publish(b, 0, owed))
            return false;
        if (i % 32 == 31)
            bench_flush(b, 0);
    }
    bench_flush(b, 0);
    if (bench_wait(b, &b->n_answered, answers + n))
        return true;
    fprintf(stderr, "peal: publishing stopped; last: %s\n", b->last_error);
    return false;
}

/* All connections are cut at once, `missed` messages are published meanwhile, all come back and recover. */
bool bench_storm(struct bench *b)
{
    const struct bench_opts *o = b->o;
    struct pl_procstat start, end;
    struct bench_hist *back = calloc(1, sizeof *back);
    uint64_t owed = 0, cut_us, until_us, disconnected;

    if (back == NULL)
        return false;
    b->setup.backoff = (struct pl_backoff){ .base_ms = o->rate, .cap_ms = 30000, .jitter_percent = 100 };
    if (!bench_connect(b, 0, o->clients) || !bench_open_posts(b, 1) || !publish_some(b, o->warmup, &owed)
        || !bench_wait(b, &b->n_delivered, owed)) {
        free(back);
        return false;
    }
    disconnected = b->n_disconnected;
    start = bench_server(b);
    cut_us = pl_load_clock_us(&b->load);
    for (uint32_t i = 0; i < o->clients; i++)
        pl_load_cut(&b->load, &b->clients[i].conn, true);
    if (!publish_some(b, o->missed, &owed)) {
        free(back);
        return false;
    }
    until_us = cut_us + (uint64_t)o->timeout_s * 1000000;
    while (b->n_subscribed < o->clients && pl_load_clock_us(&b->load) < until_us)
        pl_load_step(&b->load, 100);
    if (o->is_recoverable)
        (void)bench_wait(b, &b->n_delivered, owed); /* what is missing shows below */
    end = bench_server(b);
    for (uint32_t i = 0; i < o->clients; i++)
        if (b->clients[i].back_us >= cut_us)
            bench_hist_add(back, b->clients[i].back_us - cut_us);
    bench_say(b, "clients", o->clients, "");
    bench_say(b, "missed", o->missed, "messages while away");
    bench_say(b, "back", (double)b->n_subscribed, "clients");
    bench_say_times(b, "back", back);
    if (b->has_pid)
        bench_say(b, "return_cpu_us", (double)(end.cpu_ns - start.cpu_ns) / 1000 / o->clients, "us of server CPU per returning client");
    bench_say(b, "recovered", (double)b->n_recovered, "clients");
    bench_say(b, "not_recovered", (double)b->n_not_recovered, "clients");
    bench_say(b, "cut", (double)(b->n_disconnected - disconnected), "times");
    bench_say_delivery(b, owed);
    free(back);
    return b->n_subscribed == o->clients && b->n_wrong == 0
           && (!o->is_recoverable || (b->n_delivered == owed && b->n_not_recovered == 0));
}

/* ---- churn ---- */

enum { SETTLE_MS = 11000 }; /* the server looks every 5 s whether a storm has gone, then gives memory back */

static bool come(struct bench *b, struct bench_client *c)
{
    if (pl_load_add(&b->load, &c->conn, &b->setup, pl_slice_str(c->token)) != PL_OK)
        return false;
    c->sub = (struct pl_client_sub){ .channel = c->sub.channel, .is_recoverable = c->sub.is_recoverable };
    pl_client_subscribe(&c->conn.core, &c->sub, 0);
    return true;
}

static void leave(struct bench *b, struct bench_client *c, bool is_rude)
{
    pl_load_remove(&b->load, &c->conn, is_rude);
    b->n_subscribed -= c->is_subscribed;
    c->is_subscribed = false;
}

/* n clients come, subscribe and leave, o->clients at a time, every other one rudely; at the end nobody is there. */
static bool turn_over(struct bench *b, uint64_t n)
{
    uint64_t come_n = 0, left = 0, last_us = pl_load_clock_us(&b->load);
    uint32_t places = n < b->o->clients ? (uint32_t)n : b->o->clients;

    for (uint32_t i = 0; i < places; i++, come_n++)
        if (!come(b, &b->clients[i]))
            return false;
    for (uint32_t i = 0; i < places; i++)
        b->clients[i].is_done = false;
    while (left < n) {
        uint64_t had = left;

        pl_load_step(&b->load, 100);
        for (uint32_t i = 0; i < places; i++) {
            struct bench_client *c = &b->clients[i];

            if (!c->is_subscribed || c->is_done)
                continue;
            leave(b, c, left++ % 2 == 0);
            c->is_done = come_n >= n;
            if (!c->is_done && !come(b, c))
                return false;
            come_n += !c->is_done;
        }
        last_us = left != had ? b->load.now_us : last_us;
        if (b->load.now_us - last_us > (uint64_t)b->o->timeout_s * 1000000) {
            fprintf(stderr, "peal: %" PRIu64 " of %" PRIu64 " cycles; last: %s\n", left, n, b->last_error);
            return false;
        }
    }
    return true;
}

/* Connect, subscribe, leave, `cycles` times; the server's memory must come back. As many cycles go before the measured ones: glibc's
 * per-thread caches fill by chance with up to 230 KB of freed blocks of all sizes, and only then stand still. */
bool bench_churn(struct bench *b)
{
    const struct bench_opts *o = b->o;
    struct pl_procstat fresh = bench_server(b), start, end;
    uint64_t t0_us, t1_us;
    double growth;

    if (!bench_connect(b, 0, o->clients)) /* once, to declare them */
        return false;
    for (uint32_t i = 0; i < o->clients; i++)
        leave(b, &b->clients[i], false);
    if (!turn_over(b, o->cycles))
        return false;
    bench_pause(b, SETTLE_MS);
    start = bench_server(b);
    t0_us = pl_load_clock_us(&b->load);
    if (!turn_over(b, o->cycles))
        return false;
    t1_us = b->load.now_us;
    bench_pause(b, SETTLE_MS);
    end = bench_server(b);
    growth = start.anon_bytes == 0 ? 0 : ((double)end.anon_bytes - (double)start.anon_bytes) / (double)start.anon_bytes * 100;
    bench_say(b, "cycles", o->cycles, "connect, subscribe, leave");
    bench_say(b, "cycles_per_s", (double)o->cycles / ((double)(t1_us - t0_us) / 1e6), "");
    if (b->has_pid) {
        bench_say(b, "cycle_cpu_us", (double)(end.cpu_ns - start.cpu_ns) / 1000 / o->cycles, "us of server CPU");
        bench_say(b, "fresh_anon_bytes", (double)fresh.anon_bytes, "before the first client");
        bench_say(b, "start_anon_bytes", (double)start.anon_bytes, "after as many cycles as are measured");
        bench_say(b, "end_anon_bytes", (double)end.anon_bytes, "");
        bench_say(b, "growth_percent", growth, "% (at most 2)");
    }
    return growth <= 2;
}
