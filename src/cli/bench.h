/* cli/bench.h - what the scenarios of `peal bench` share: the clients, the publishers, the counting and the report.
 *
 * A message's data is {"i":"<16 hex>","t":"<16 digits>","p":"xxx"}: id (publisher, count) and the monotonic microsecond of
 * its publishing. Every client checks that what it gets belongs to its channel, once and in order; data of another shape (the
 * limit program sends a constant) is counted as unchecked. */
#ifndef PL_CLI_BENCH_H
#define PL_CLI_BENCH_H

#include "lib/histlog.h"
#include "lib/load.h"
#include "lib/procstat.h"
#include "lib/target.h"

enum { BENCH_DATA_MIN = 54, BENCH_DATA_MAX = 60000 };

struct bench_opts {
    const char *url, *api_url, *key, *secret, *channel, *log;
    uint32_t clients, channels, messages, size, burst, connections, depth, rate, cycles, missed, warmup, timeout_s, pid;
    int64_t seconds;
    bool is_json, is_recoverable;
};

/* Times in microseconds by powers of two, each in 32 steps: 3 % wide. */
enum { BENCH_HIST = 40 * 32 };
struct bench_hist {
    uint64_t n, max;
    uint64_t cells[BENCH_HIST];
};
void bench_hist_add(struct bench_hist *h, uint64_t us);
double bench_hist_at(const struct bench_hist *h, double share); /* upper end of the cell where the share lies, us */

struct bench;

struct bench_client {
    struct pl_load_client conn;
    struct pl_client_sub sub;
    struct bench *bench;
    char *token;               /* owned; NULL: none */
    uint64_t expected;         /* next count of publisher 1, 0: any */
    uint64_t back_us;          /* storm: when it was subscribed again */
    uint32_t channel, hist_sub;
    bool is_subscribed, is_done;
};

struct bench_channel {
    char name[256];
    uint32_t n_subs, hist_name, hist_epoch;
    char epoch[64];            /* of hist_epoch */
};

struct bench {
    const struct bench_opts *o;
    struct pl_target ws, api;
    struct pl_client_setup setup;
    struct pl_post_setup post_setup;
    struct pl_load load;
    struct pl_hash_key epoch_key;
    struct bench_client *clients;      /* owned, o->clients */
    struct bench_channel *channels;    /* owned, n_channels */
    struct pl_load_post *posts;        /* owned, o->connections */
    uint32_t n_channels, n_posts;
    struct pl_hist_writer log;
    struct pl_procstat before;
    bool has_pid;

    uint32_t n_subscribed, n_connected;
    uint64_t n_delivered, n_unchecked, n_answered, n_refused, n_disconnected, n_recovered, n_not_recovered;
    uint64_t n_wrong;                  /* doubled, out of order, foreign: what order alone tells */
    uint64_t *counts;                  /* owned, per publisher: messages so far */
    struct bench_hist latency, answer_time;
    uint64_t *asked_us;                /* owned ring per publisher: when each publish under way was put */
    char last_error[160];
    struct pl_buf report;
    bool has_fields;
};

/* Takes the URLs apart, raises the limit of descriptors, makes tokens. False: told on stderr. */
bool bench_init(struct bench *b, const struct bench_opts *o);
void bench_fini(struct bench *b);

/* Starts clients [from, to) and waits until all are subscribed. False: told on stderr. */
bool bench_connect(struct bench *b, uint32_t from, uint32_t to);
bool bench_open_posts(struct bench *b, uint32_t n);
/* Puts one publish into connection `post`, which takes the channels in turn; flush sends. *ret_owed (NULL allowed) grows by
 * the channel's subscribers. False: told on stderr. */
bool bench_publish(struct bench *b, uint32_t post, uint64_t *ret_owed);
void bench_flush(struct bench *b, uint32_t post);
/* Steps until *counter reaches goal; false after o->timeout_s. */
bool bench_wait(struct bench *b, const uint64_t *counter, uint64_t goal);
void bench_pause(struct bench *b, uint64_t ms);
/* The server's /proc figures; zeros without --pid. */
struct pl_procstat bench_server(struct bench *b);
void bench_end_log(struct bench *b);

/* Lines of the report, told at the end: "name value unit", or members of one JSON object. */
void bench_say(struct bench *b, const char *name, double value, const char *unit);
void bench_say_delivery(struct bench *b, uint64_t owed);
void bench_say_times(struct bench *b, const char *name, const struct bench_hist *h);

bool bench_idle(struct bench *b);
bool bench_fanout(struct bench *b);
bool bench_storm(struct bench *b);
bool bench_publishing(struct bench *b);
bool bench_latency(struct bench *b);
bool bench_churn(struct bench *b);

#endif
