#include "cli/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/list.h"
#include "codec/jwt.h"

enum { TOKEN_TTL_S = 7 * 86400, POSTS_UNDER_WAY = 1024 };

/* ---- what comes ---- */

static bool take_hex(const uint8_t *p, uint64_t *ret)
{
    uint64_t v = 0;

    for (int i = 0; i < 16; i++) {
        uint8_t c = p[i];

        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret = v;
    return true;
}

/* {"i":"<16 hex>","t":"<16 digits>"... */
static bool take_data(struct pl_slice data, uint64_t *ret_id, uint64_t *ret_us)
{
    uint64_t us = 0;

    if (data.len < BENCH_DATA_MIN || memcmp(data.p, "{\"i\":\"", 6) != 0 || !take_hex(data.p + 6, ret_id))
        return false;
    for (int i = 0; i < 16; i++)
        us = us * 10 + (uint64_t)(data.p[29 + i] - '0');
    *ret_us = us;
    return true;
}

static struct bench_client *client_of(struct pl_client *core)
{
    return PL_OF(core, struct bench_client, conn.core);
}

/* The log's number of a channel's epoch; a channel has one at a time, so remembering the last suffices. */
static uint32_t hist_epoch(struct bench *b, struct bench_channel *ch, struct pl_slice epoch)
{
    if (epoch.len == 0)
        return 0;
    if (ch->hist_epoch == 0 || !pl_slice_eq(pl_slice_str(ch->epoch), epoch)) {
        snprintf(ch->epoch, sizeof ch->epoch, "%.*s", PL_FMT(epoch)); /* one that is cut is declared again each time */
        ch->hist_epoch = pl_hist_name(&b->log, epoch);
    }
    return ch->hist_epoch;
}

static void on_publication(struct pl_client *core, struct pl_client_sub *s, const struct pl_reply_pub *p)
{
    struct bench_client *c = client_of(core);
    struct bench *b = c->bench;
    uint64_t id, sent_us, now_us, count;

    b->n_delivered++;
    if (!take_data(p->data, &id, &sent_us)) {
        b->n_unchecked++;
        return;
    }
    now_us = pl_load_clock_us(&b->load);
    bench_hist_add(&b->latency, now_us > sent_us ? now_us - sent_us : 0);
    count = id & UINT32_MAX;
    if (b->n_posts == 1) {
        /* One publisher takes the channels in turn, so the next of this channel is n_channels further. */
        if (c->expected != 0 && count != c->expected)
            b->n_wrong++;
        c->expected = count + b->n_channels;
    }
    if (b->log.file != NULL)
        pl_hist_put(&b->log, &(struct pl_hist_record){
            .kind = PL_HIST_DELIVER, .a = c->hist_sub, .b = id, .c = p->offset, .t_us = now_us,
            .epoch = p->offset != 0 ? hist_epoch(b, &b->channels[c->channel], pl_str_slice(s->epoch)) : 0 });
}

static void log_state(struct bench_client *c, enum pl_hist_state state)
{
    struct bench *b = c->bench;

    if (b->log.file == NULL)
        return;
    pl_hist_put(&b->log, &(struct pl_hist_record){
        .kind = PL_HIST_STATE, .a = c->hist_sub, .b = (uint64_t)state, .c = c->sub.offset, .t_us = pl_load_clock_us(&b->load),
        .epoch = hist_epoch(b, &b->channels[c->channel], pl_str_slice(c->sub.epoch)) });
}

static void on_connected(struct pl_client *core, struct pl_slice client_id)
{
    (void)client_id;
    client_of(core)->bench->n_connected++;
}

static void on_subscribed(struct pl_client *core, struct pl_client_sub *s, const struct pl_client_subscribed *how)
{
    struct bench_client *c = client_of(core);
    struct bench *b = c->bench;

    if (!c->is_subscribed)
        b->n_subscribed++;
    c->is_subscribed = true;
    c->back_us = pl_load_clock_us(&b->load);
    b->n_recovered += how->was_recovering && how->recovered;
    b->n_not_recovered += how->was_recovering && !how->recovered;
    if (how->was_recovering && !how->recovered) {
        c->expected = 0;
        if (b->log.file != NULL)
            pl_hist_put(&b->log, &(struct pl_hist_record){
                .kind = PL_HIST_GAP, .a = c->hist_sub, .b = how->missed_from, .c = s->offset, .t_us = c->back_us,
                .epoch = hist_epoch(b, &b->channels[c->channel], pl_str_slice(s->epoch)) });
    }
    log_state(c, PL_HIST_SUBSCRIBED);
}

static void gone(struct bench_client *c)
{
    if (!c->is_subscribed)
        return;
    c->is_subscribed = false;
    c->bench->n_subscribed--;
    if (c->sub.epoch == NULL)
        c->expected = 0; /* nothing is recovered */
    log_state(c, PL_HIST_LOST);
}

static void on_disconnected(struct pl_client *core, uint32_t code, struct pl_slice reason)
{
    struct bench_client *c = client_of(core);

    c->bench->n_disconnected++;
    snprintf(c->bench->last_error, sizeof c->bench->last_error, "disconnected: %" PRIu32 " %.*s", code, PL_FMT(reason));
    gone(c);
}

static void on_unsubscribed(struct pl_client *core, struct pl_client_sub *s, uint32_t code, struct pl_slice reason)
{
    struct bench_client *c = client_of(core);

    (void)s;
    snprintf(c->bench->last_error, sizeof c->bench->last_error, "subscribe: %" PRIu32 " %.*s", code, PL_FMT(reason));
    gone(c);
}

static const struct pl_client_ops bench_client_ops = { on_connected, on_disconnected, on_subscribed, on_unsubscribed,
                                                       on_publication };

/* tag: publisher, count; as in the message's id. */
static void on_answer(struct pl_post *p, uint64_t tag, unsigned status, struct pl_slice body)
{
    struct bench *b = p->user;
    struct pl_scratch scratch = pl_scratch_init(4096);
    struct pl_post_result r;
    uint64_t now_us = pl_load_clock_us(&b->load);
    uint32_t post = (uint32_t)(tag >> 32) - 1;

    b->n_answered++;
    bench_hist_add(&b->answer_time, now_us - b->asked_us[post * POSTS_UNDER_WAY + (tag & UINT32_MAX) % POSTS_UNDER_WAY]);
    if (status != 200 || pl_post_result_parse(body, &scratch, &r) != PL_OK || r.code != 0) {
        b->n_refused++;
        snprintf(b->last_error, sizeof b->last_error, "publish: HTTP %u %.*s", status, (int)(body.len < 100 ? body.len : 100),
                 (const char *)body.p);
    } else if (b->log.file != NULL) {
        struct bench_channel *ch = &b->channels[((tag & UINT32_MAX) - 1) % b->n_channels];

        pl_hist_put(&b->log, &(struct pl_hist_record){ .kind = PL_HIST_ACK, .b = tag, .c = r.offset, .t_us = now_us,
                                                       .epoch = r.offset != 0 ? hist_epoch(b, ch, r.epoch) : 0 });
    }
    pl_scratch_fini(&scratch);
}

/* ---- start and end ---- */

static bool make_tokens(struct bench *b)
{
    struct pl_jwt_hmac *key = pl_jwt_hmac_new(pl_slice_str(b->o->secret));
    struct pl_buf claims = pl_buf_init(256), token = pl_buf_init(4096);
    bool is_ok = key != NULL;

    for (uint32_t i = 0; i < b->o->clients && is_ok; i++) {
        pl_buf_clear(&claims);
        pl_buf_clear(&token);
        pl_buf_printf(&claims, "{\"sub\":\"bench-%" PRIu32 "\",\"exp\":%lld}", i, (long long)time(NULL) + TOKEN_TTL_S);
        is_ok = pl_jwt_hmac_sign(key, PL_JWT_HS256, pl_buf_slice(&claims), &token) == PL_OK;
        pl_buf_byte(&token, 0);
        b->clients[i].token = is_ok ? strdup((const char *)token.p) : NULL;
        is_ok = b->clients[i].token != NULL;
    }
    pl_buf_fini(&claims);
    pl_buf_fini(&token);
    pl_jwt_hmac_free(&key);
    if (!is_ok)
        fprintf(stderr, "peal: no tokens can be made from --secret\n");
    return is_ok;
}

static bool take_urls(struct bench *b)
{
    const struct bench_opts *o = b->o;
    char api[PL_TARGET_HOST + 32];
    const char *why;

    if (pl_target_parse(o->url, "ws", "/connection/websocket", &b->ws, &why) != PL_OK) {
        fprintf(stderr, "peal: --url %s: %s (ws://host:port/connection/websocket is wanted)\n", o->url, why);
        return false;
    }
    snprintf(api, sizeof api, "http://%s/api", b->ws.host); /* fits: host is bounded */
    if (pl_target_parse(o->api_url != NULL ? o->api_url : api, "http", "/api", &b->api, &why) != PL_OK) {
        fprintf(stderr, "peal: --api-url %s: %s (http://host:port/api is wanted)\n", o->api_url, why);
        return false;
    }
    if (b->ws.is_tls || b->api.is_tls) {
        fprintf(stderr, "peal: TLS is not measured yet: use ws:// and http://\n");
        return false;
    }
    return true;
}

static bool raise_descriptors(uint32_t wanted)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
        return true;
    lim.rlim_cur = lim.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &lim); /* then the old limit stays, and counts */
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < wanted + 32) {
        fprintf(stderr, "peal: %" PRIu32 " clients need more descriptors than `ulimit -n` %llu\n", wanted,
                (unsigned long long)lim.rlim_cur);
        return false;
    }
    return true;
}

bool bench_init(struct bench *b, const struct bench_opts *o)
{
    *b = (struct bench){ .o = o, .n_channels = o->channels, .has_pid = o->pid != 0, .report = pl_buf_init(1 << 20) };
    if (!take_urls(b) || !raise_descriptors(o->clients + o->connections))
        return false;
    b->setup = pl_client_setup_default(&bench_client_ops);
    b->setup.host = pl_slice_str(b->ws.host);
    b->setup.target = pl_slice_str(b->ws.path);
    b->setup.name = PL_LIT("peal-bench");
    b->setup.is_raw = true;
    b->setup.answer_ms = o->timeout_s * 1000;
    b->post_setup = (struct pl_post_setup){ pl_slice_str(b->api.host), pl_slice_str(o->key), pl_slice_str(b->api.path) };
    b->clients = calloc(o->clients, sizeof *b->clients);
    b->channels = calloc(o->channels, sizeof *b->channels);
    b->posts = calloc(o->connections, sizeof *b->posts);
    b->counts = calloc(o->connections, sizeof *b->counts);
    b->asked_us = calloc((size_t)o->connections * POSTS_UNDER_WAY, sizeof *b->asked_us);
    if (b->clients == NULL || b->channels == NULL || b->posts == NULL || b->counts == NULL || b->asked_us == NULL
        || pl_load_init(&b->load, pl_world_linux(), b->ws.at, b->api.at) != PL_OK) {
        fprintf(stderr, "peal: out of memory\n");
        return false;
    }
    if (o->log != NULL && pl_hist_create(o->log, &b->log) != PL_OK) {
        perror(o->log);
        return false;
    }
    for (uint32_t i = 0; i < o->channels; i++) {
        struct bench_channel *ch = &b->channels[i];

        if (o->channels == 1)
            snprintf(ch->name, sizeof ch->name, "%s", o->channel); /* longer names are no use to any server */
        else
            snprintf(ch->name, sizeof ch->name, "%.240s-%" PRIu32, o->channel, i);
        if (b->log.file != NULL)
            ch->hist_name = pl_hist_name(&b->log, pl_slice_str(ch->name));
    }
    return o->secret == NULL || make_tokens(b);
}

void bench_end_log(struct bench *b)
{
    for (uint32_t i = 0; i < b->o->clients && b->log.file != NULL; i++)
        if (b->clients[i].hist_sub != 0)
            log_state(&b->clients[i], PL_HIST_ENDED);
    if (pl_hist_close(&b->log) != PL_OK)
        perror(b->o->log);
}

void bench_fini(struct bench *b)
{
    pl_load_fini(&b->load);
    for (uint32_t i = 0; b->clients != NULL && i < b->o->clients; i++)
        free(b->clients[i].token);
    if (pl_hist_close(&b->log) != PL_OK) /* closed before by whoever has run a scenario */
        perror(b->o->log);
    free(b->clients);
    free(b->channels);
    free(b->posts);
    free(b->counts);
    free(b->asked_us);
    pl_buf_fini(&b->report);
}

/* ---- doing ---- */

bool bench_wait(struct bench *b, const uint64_t *counter, uint64_t goal)
{
    uint64_t until_us = pl_load_clock_us(&b->load) + (uint64_t)b->o->timeout_s * 1000000;

    while (*counter < goal && b->load.now_us < until_us)
        pl_load_step(&b->load, 100);
    return *counter >= goal;
}

void bench_pause(struct bench *b, uint64_t ms)
{
    uint64_t until_us = pl_load_clock_us(&b->load) + ms * 1000;

    while (b->load.now_us < until_us)
        pl_load_step(&b->load, (int)((until_us - b->load.now_us) / 1000 + 1));
}

bool bench_connect(struct bench *b, uint32_t from, uint32_t to)
{
    uint64_t last_us, limit_us = (uint64_t)b->o->timeout_s * 1000000;
    uint32_t had;

    for (uint32_t i = from; i < to; i++) {
        struct bench_client *c = &b->clients[i];

        c->bench = b;
        c->channel = i % b->n_channels;
        if (b->log.file != NULL)
            c->hist_sub = pl_hist_sub(&b->log, b->channels[c->channel].hist_name, i);
        if (pl_load_add(&b->load, &c->conn, &b->setup, pl_slice_str(c->token)) != PL_OK) {
            fprintf(stderr, "peal: out of memory\n");
            return false;
        }
        c->sub.channel = pl_slice_str(b->channels[c->channel].name);
        c->sub.is_recoverable = b->o->is_recoverable;
        b->channels[c->channel].n_subs++;
        pl_client_subscribe(&c->conn.core, &c->sub, 0);
    }
    had = b->n_subscribed;
    last_us = pl_load_clock_us(&b->load);
    while (b->n_subscribed < to) {
        pl_load_step(&b->load, 100);
        if (b->n_subscribed != had)
            last_us = b->load.now_us;
        had = b->n_subscribed;
        if (b->load.now_us - last_us > limit_us) { /* no progress for so long */
            fprintf(stderr, "peal: %" PRIu32 " of %" PRIu32 " clients subscribed; last: %s\n", b->n_subscribed, to, b->last_error);
            return false;
        }
    }
    return true;
}

bool bench_open_posts(struct bench *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (pl_load_add_post(&b->load, &b->posts[i], &b->post_setup, on_answer) != PL_OK) {
            fprintf(stderr, "peal: no connection to %s\n", b->api.at);
            return false;
        }
        b->posts[i].core.user = b;
    }
    b->n_posts = n;
    return true;
}

bool bench_publish(struct bench *b, uint32_t post, uint64_t *ret_owed)
{
    char data[BENCH_DATA_MAX];
    struct bench_channel *ch = &b->channels[b->counts[post] % b->n_channels];
    uint64_t id = ((uint64_t)post + 1) << 32 | (uint32_t)++b->counts[post];
    uint64_t now_us = pl_load_clock_us(&b->load);
    int n = snprintf(data, sizeof data, "{\"i\":\"%016" PRIx64 "\",\"t\":\"%016" PRIu64 "\",\"p\":\"", id, now_us);

    memset(data + n, 'x', b->o->size - (size_t)n - 2);
    memcpy(data + b->o->size - 2, "\"}", 2);
    if (b->log.file != NULL)
        pl_hist_put(&b->log, &(struct pl_hist_record){ .kind = PL_HIST_PUBLISH, .a = ch->hist_name, .b = id, .t_us = now_us });
    b->asked_us[post * POSTS_UNDER_WAY + (id & UINT32_MAX) % POSTS_UNDER_WAY] = now_us;
    if (ret_owed != NULL)
        *ret_owed += ch->n_subs;
    if (pl_post_publish(&b->posts[post].core, pl_slice_str(ch->name), pl_slice(data, b->o->size), id) == PL_OK)
        return true;
    fprintf(stderr, "peal: out of memory\n");
    return false;
}

void bench_flush(struct bench *b, uint32_t post)
{
    pl_load_flush_post(&b->load, &b->posts[post]);
}

struct pl_procstat bench_server(struct bench *b)
{
    struct pl_procstat s = { 0 };

    if (b->has_pid && pl_procstat_read((int)b->o->pid, &s) != PL_OK) {
        fprintf(stderr, "peal: process %" PRIu32 " cannot be read any more\n", b->o->pid);
        b->has_pid = false;
    }
    return s;
}
