/* The scenarios that measure delivery and memory; bench_life.c has those about coming and going. */
#include "cli/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static double per(uint64_t ns, uint64_t n)
{
    return n == 0 ? 0 : (double)ns / 1000 / (double)n;
}

/* N clients connect, subscribe, and do nothing: what one costs in memory, and to take in. */
bool bench_idle(struct bench *b)
{
    struct pl_procstat start = bench_server(b), full, later;
    uint64_t t0_us = pl_load_clock_us(&b->load), t1_us;
    uint32_t n = b->o->clients;

    if (!bench_connect(b, 0, n))
        return false;
    t1_us = b->load.now_us;
    full = bench_server(b);
    bench_pause(b, (uint64_t)b->o->seconds * 1000);
    later = bench_server(b);
    bench_say(b, "clients", n, "");
    bench_say(b, "connects_per_s", (double)n / ((double)(t1_us - t0_us) / 1e6), "handshake + connect + subscribe");
    if (b->has_pid) {
        bench_say(b, "connect_cpu_us", per(full.cpu_ns - start.cpu_ns, n), "us of server CPU per new client");
        bench_say(b, "idle_bytes_per_client", ((double)later.anon_bytes - (double)start.anon_bytes) / n, "bytes of user memory");
        bench_say(b, "server_anon_bytes", (double)later.anon_bytes, "bytes");
        if (b->o->seconds > 0)
            bench_say(b, "idle_cpu_percent", (double)(later.cpu_ns - full.cpu_ns) / 1e7 / (double)b->o->seconds,
                      "% of a core while nothing happens");
    }
    bench_say(b, "disconnected", (double)b->n_disconnected, "times");
    return b->n_disconnected == 0;
}

/* Publishes `burst` messages at once and waits until all of them are delivered and answered. */
static bool fan_round(struct bench *b, uint64_t *owed)
{
    uint64_t answers = b->n_answered;

    for (uint32_t i = 0; i < b->o->burst; i++)
        if (!bench_publish(b, 0, owed))
            return false;
    bench_flush(b, 0);
    if (bench_wait(b, &b->n_delivered, *owed) && bench_wait(b, &b->n_answered, answers + b->o->burst))
        return true;
    fprintf(stderr, "peal: %" PRIu64 " of %" PRIu64 " deliveries after %" PRIu32 " s; last: %s\n", b->n_delivered, *owed,
            b->o->timeout_s, b->last_error);
    return false;
}

/* Messages one at a time (or in bursts) to N subscribers: CPU per delivery. */
bool bench_fanout(struct bench *b)
{
    struct pl_procstat start, end;
    uint64_t owed = 0, measured, t0_us, t1_us;

    if (!bench_connect(b, 0, b->o->clients) || !bench_open_posts(b, 1))
        return false;
    for (uint32_t i = 0; i < b->o->warmup; i += b->o->burst)
        if (!fan_round(b, &owed))
            return false;
    b->latency = (struct bench_hist){ 0 };
    measured = owed;
    start = bench_server(b);
    t0_us = pl_load_clock_us(&b->load);
    for (uint32_t i = 0; i < b->o->messages; i += b->o->burst)
        if (!fan_round(b, &owed))
            return false;
    t1_us = b->load.now_us;
    end = bench_server(b);
    measured = owed - measured;
    bench_say(b, "clients", b->o->clients, "");
    bench_say(b, "burst", b->o->burst, "messages at once");
    bench_say(b, "deliveries_per_s", (double)measured / ((double)(t1_us - t0_us) / 1e6), "");
    if (b->has_pid)
        bench_say(b, "delivery_cpu_us", per(end.cpu_ns - start.cpu_ns, measured), "us of server CPU per delivery");
    bench_say_times(b, "latency", &b->latency);
    bench_say_delivery(b, owed);
    return b->n_wrong == 0 && b->n_refused == 0 && b->n_delivered == owed && b->n_disconnected == 0;
}

/* k connections, d requests under way on each: CPU per publish. With --clients they also receive. */
bool bench_publishing(struct bench *b)
{
    const struct bench_opts *o = b->o;
    struct pl_procstat start = { 0 }, end;
    uint64_t owed = 0, put = 0, t0_us = 0, t1_us, total = (uint64_t)o->messages + o->warmup, last_us;
    bool is_warm = o->warmup == 0;

    if (!bench_connect(b, 0, o->clients) || !bench_open_posts(b, o->connections))
        return false;
    if (is_warm)
        start = bench_server(b);
    t0_us = last_us = pl_load_clock_us(&b->load);
    while (b->n_answered < total) {
        uint64_t had = b->n_answered;

        for (uint32_t i = 0; i < o->connections; i++) {
            uint32_t under_way = pl_post_under_way(&b->posts[i].core);

            if (under_way > o->depth / 2) /* refill in batches, as a pipelining backend does */
                continue;
            for (; under_way < o->depth && put < total; under_way++, put++)
                if (!bench_publish(b, i, &owed))
                    return false;
            bench_flush(b, i);
        }
        pl_load_step(&b->load, 100);
        if (b->n_answered != had)
            last_us = b->load.now_us;
        if (b->load.now_us - last_us > (uint64_t)o->timeout_s * 1000000) {
            fprintf(stderr, "peal: %" PRIu64 " of %" PRIu64 " publishes answered; last: %s\n", b->n_answered, total, b->last_error);
            return false;
        }
        if (!is_warm && b->n_answered >= o->warmup) {
            is_warm = true;
            start = bench_server(b);
            t0_us = b->load.now_us;
            total = b->n_answered + o->messages; /* what is under way now is part of the measured ones */
            b->answer_time = (struct bench_hist){ 0 };
        }
    }
    t1_us = b->load.now_us;
    end = bench_server(b);
    if (!bench_wait(b, &b->n_delivered, owed))
        fprintf(stderr, "peal: %" PRIu64 " of %" PRIu64 " deliveries\n", b->n_delivered, owed);
    bench_say(b, "connections", o->connections, "");
    bench_say(b, "depth", o->depth, "requests under way on each");
    bench_say(b, "publishes_per_s", o->messages / ((double)(t1_us - t0_us) / 1e6), "");
    if (b->has_pid)
        bench_say(b, "publish_cpu_us", per(end.cpu_ns - start.cpu_ns, o->messages), "us of server CPU per publish");
    bench_say_times(b, "answer", &b->answer_time);
    bench_say_delivery(b, owed);
    return b->n_refused == 0 && b->n_delivered == owed && b->n_wrong == 0;
}

/* A steady rate for some seconds: how late messages come. */
bool bench_latency(struct bench *b)
{
    const struct bench_opts *o = b->o;
    struct pl_procstat start, end;
    uint64_t owed = 0, n = (uint64_t)o->rate * (uint64_t)o->seconds, t0_us;

    if (!bench_connect(b, 0, o->clients) || !bench_open_posts(b, 1))
        return false;
    start = bench_server(b);
    t0_us = pl_load_clock_us(&b->load);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t due_us = t0_us + i * 1000000 / o->rate;

        while (pl_load_clock_us(&b->load) < due_us) /* the last millisecond is polled: sleeping would be too coarse */
            pl_load_step(&b->load, due_us - b->load.now_us > 1500 ? (int)((due_us - b->load.now_us) / 1000 - 1) : 0);
        if (!bench_publish(b, 0, &owed))
            return false;
        bench_flush(b, 0);
    }
    if (!bench_wait(b, &b->n_delivered, owed))
        fprintf(stderr, "peal: %" PRIu64 " of %" PRIu64 " deliveries; last: %s\n", b->n_delivered, owed, b->last_error);
    end = bench_server(b);
    bench_say(b, "clients", o->clients, "");
    bench_say(b, "rate", o->rate, "publishes/s");
    bench_say(b, "late_s", (double)(b->load.now_us - t0_us) / 1e6 - (double)o->seconds, "s after the last publish was due");
    bench_say_times(b, "latency", &b->latency);
    if (b->has_pid)
        bench_say(b, "delivery_cpu_us", per(end.cpu_ns - start.cpu_ns, owed), "us of server CPU per delivery");
    bench_say_delivery(b, owed);
    return b->n_wrong == 0 && b->n_refused == 0 && b->n_delivered == owed && b->n_disconnected == 0;
}
