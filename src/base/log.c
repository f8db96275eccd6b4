#include "base/log.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { N_EVENTS = 256 }; /* a power of two; more events than that share the last slot tried */

struct event {
    const char *name; /* static, as given */
    int64_t second;
    unsigned n;       /* lines in that second */
    uint64_t left_out;
};

struct pl_log {
    struct pl_world *world;
    _Atomic int level;         /* relaxed: a change may be seen a little later */
    pthread_mutex_t lock;      /* "log", the last rank: guards everything below */
    struct pl_log_conf conf;
    char *file;                /* owned; NULL: standard error */
    int fd;                    /* -1: sink */
    bool owns_fd, is_human, must_poll;
    bool was_cut;              /* the last write stopped inside a line */
    struct pl_hash_key key;    /* of secrets' tags */
    uint64_t dropped, dropped_told;
    struct event events[N_EVENTS];
};

static const char *const level_names[] = { "trace", "debug", "info", "warn", "error", "fatal" };
static const char *const level_marks[] = { "TRACE", "DEBUG", "INFO ", "WARN ", "ERROR", "FATAL" };

/* ---- text --------------------------------------------------------------------------------------------------------- */

struct line {
    char p[PL_LOG_LINE_MAX];
    size_t len;
    bool is_full;
};

static void line_init(struct line *l)
{
    l->len = 0;
    l->is_full = false;
}

static void put(struct line *l, const char *p, size_t n)
{
    /* Room is kept for the end of the line: quotation mark, "cut", brace, newline. */
    if (l->is_full || n > sizeof l->p - 32 - l->len) {
        l->is_full = true;
        return;
    }
    memcpy(l->p + l->len, p, n);
    l->len += n;
}

static void put_str(struct line *l, const char *s) { put(l, s, strlen(s)); }

static void __attribute__((format(printf, 2, 3))) put_f(struct line *l, const char *fmt, ...)
{
    char text[64];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put(l, text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* Length of a UTF-8 sequence that may stand in a log as it is; 0: it is invalid, a control character, or could turn the
 * reading direction or the line of a terminal. */
static size_t plain_utf8(const uint8_t *p, size_t n)
{
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    uint32_t c;

    if (p[0] < 0xc2 || n < len || !pl_utf8_is_valid(pl_slice(p, len)))
        return 0;
    c = p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (p[i] & 0x3f);
    if (c < 0xa0 || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff)
        return 0;
    return len;
}

/* A quoted string, at most PL_LOG_FIELD_MAX bytes of it. Bytes that may not stand for themselves become \xNN, in JSON with
 * the backslash escaped, so that no reader mistakes them for anything else. */
static void put_quoted(struct line *l, struct pl_slice s, bool is_json)
{
    size_t n = s.len > PL_LOG_FIELD_MAX ? PL_LOG_FIELD_MAX : s.len;

    put_str(l, "\"");
    for (size_t i = 0; i < n && !l->is_full;) {
        uint8_t c = s.p[i];
        size_t len = c < 0x80 ? 1 : plain_utf8(s.p + i, n - i);

        if (c == '"' || c == '\\') {
            put_f(l, "\\%c", c);
            i++;
        } else if (len > 1 || (len == 1 && c >= 0x20 && c != 0x7f)) {
            put(l, (const char *)s.p + i, len);
            i += len;
        } else {
            put_f(l, is_json ? "\\\\x%02x" : "\\x%02x", c);
            i++;
        }
    }
    if (s.len > n)
        put_f(l, "...(%zu bytes more)", s.len - n);
    l->p[l->len++] = '"'; /* from the room that is kept */
}

static bool is_bare(struct pl_slice s)
{
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= 'A' && s.p[i] <= 'Z') &&
            memchr("-_.:/", s.p[i], 5) == NULL)
            return false;
    return true;
}

static void put_field(const struct pl_log *log, struct line *l, const struct pl_log_field *f)
{
    size_t before = l->len;
    char secret[48];
    struct pl_slice s = f->s;

    put_f(l, log->is_human ? " %.50s=" : ",\"%.50s\":", f->key);
    switch (f->kind) {
    case PL_FIELD_INT:
        put_f(l, "%lld", (long long)f->i);
        break;
    case PL_FIELD_UINT:
        put_f(l, "%llu", (unsigned long long)f->i);
        break;
    case PL_FIELD_BOOL:
        put_str(l, f->i != 0 ? "true" : "false");
        break;
    case PL_FIELD_SECRET:
        snprintf(secret, sizeof secret, "<%zu bytes #%04x>", s.len, (unsigned)(pl_hash(log->key, s) & 0xffff));
        if (!PL_SABOTAGE(log_secret_shown))
            s = pl_slice_str(secret);
        /* fall through */
    case PL_FIELD_STR:
        if (log->is_human && is_bare(s) && s.len <= PL_LOG_FIELD_MAX)
            put(l, (const char *)s.p, s.len);
        else
            put_quoted(l, s, !log->is_human);
        break;
    }
    if (l->is_full && f->kind != PL_FIELD_STR)
        l->len = before; /* half a number would be a wrong one */
}

static void put_time(struct line *l, int64_t wall_ms, bool is_human)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL)
        memset(&tm, 0, sizeof tm);
    if (is_human)
        put_f(l, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000));
    else
        put_f(l, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
              (int)(wall_ms % 1000));
}

static void put_head(const struct pl_log *log, struct line *l, enum pl_log_level level, const char *event, int64_t wall_ms)
{
    if (log->is_human) {
        put_time(l, wall_ms, true);
        put_f(l, " %s %s", level_marks[level], event);
    } else {
        put_f(l, "{\"level\":\"%s\",\"time\":\"", level_names[level]);
        put_time(l, wall_ms, false);
        put_f(l, "\",\"ev\":\"%.40s\"", event);
    }
}

/* ---- output: under the lock --------------------------------------------------------------------------------------- */

static void emit(struct pl_log *log, struct line *l)
{
    struct pollfd p = { .fd = log->fd, .events = POLLOUT };
    ssize_t n;

    if (l->is_full) {
        const char *cut = log->is_human ? " ..." : ",\"cut\":true";

        memcpy(l->p + l->len, cut, strlen(cut));
        l->len += strlen(cut);
    }
    if (!log->is_human)
        l->p[l->len++] = '}';
    l->p[l->len++] = '\n';
    if (log->conf.sink != NULL) {
        log->conf.sink(log->conf.sink_arg, pl_slice(l->p, l->len));
        return;
    }
    if (log->must_poll && poll(&p, 1, 0) <= 0) {
        log->dropped++;
        return;
    }
    if (log->was_cut) {
        n = write(log->fd, "\n", 1);
        log->was_cut = n != 1;
    }
    n = write(log->fd, l->p, l->len);
    if (n != (ssize_t)l->len) {
        log->dropped++;
        log->was_cut = n > 0;
    }
}

static void emit_count(struct pl_log *log, const char *event, const char *of, uint64_t count, int64_t wall_ms)
{
    struct line l;
    struct pl_log_field fields[] = { PL_F_STR("of", of), PL_F_UINT("lines", count) };

    line_init(&l);
    put_head(log, &l, PL_LOG_WARN, event, wall_ms);
    if (of != NULL)
        put_field(log, &l, &fields[0]);
    put_field(log, &l, &fields[1]);
    emit(log, &l);
}

/* Counts the line; false: over the limit of its event. */
static bool admit(struct pl_log *log, const char *event, int64_t wall_ms)
{
    int64_t second = wall_ms / 1000;
    size_t at = (size_t)(pl_hash(log->key, pl_slice_str(event)) % N_EVENTS);
    struct event *e = &log->events[at];

    if (log->conf.rate == 0)
        return true;
    for (size_t i = 0; i < 8 && e->name != NULL && strcmp(e->name, event) != 0; i++)
        e = &log->events[(at + i) % N_EVENTS];
    if (e->name == NULL)
        e->name = event;
    if (e->second != second) {
        uint64_t left_out = e->left_out;

        e->second = second;
        e->n = 0;
        e->left_out = 0;
        if (left_out != 0)
            emit_count(log, "log.limited", e->name, left_out, wall_ms);
    }
    if (e->n >= log->conf.rate) {
        e->left_out++;
        log->dropped++;
        log->dropped_told++; /* told by its own line */
        return false;
    }
    e->n++;
    return true;
}

static void tell_dropped(struct pl_log *log, int64_t wall_ms)
{
    uint64_t n = log->dropped - log->dropped_told, before = log->dropped;

    if (n == 0)
        return;
    emit_count(log, "log.dropped", NULL, n, wall_ms);
    if (log->dropped == before) /* it went out */
        log->dropped_told = log->dropped;
    else
        log->dropped = before;
}

void pl_log_write(struct pl_log *log, enum pl_log_level level, const char *event, const struct pl_log_field *fields, size_t n)
{
    struct line l;
    int64_t wall_ms;

    if (!pl_log_on(log, level))
        return;
    wall_ms = log->world->ops->wall_ms(log->world);
    pthread_mutex_lock(&log->lock);
    if (admit(log, event, wall_ms)) {
        tell_dropped(log, wall_ms);
        line_init(&l);
        put_head(log, &l, level, event, wall_ms);
        for (size_t i = 0; i < n && !l.is_full; i++)
            put_field(log, &l, &fields[i]);
        emit(log, &l);
    }
    pthread_mutex_unlock(&log->lock);
}

void pl_log_tick(struct pl_log *log)
{
    int64_t wall_ms;

    if (log == NULL)
        return;
    wall_ms = log->world->ops->wall_ms(log->world);
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < N_EVENTS; i++) {
        struct event *e = &log->events[i];

        if (e->left_out != 0 && e->second != wall_ms / 1000) {
            uint64_t left_out = e->left_out;

            e->left_out = 0;
            emit_count(log, "log.limited", e->name, left_out, wall_ms);
        }
    }
    tell_dropped(log, wall_ms);
    pthread_mutex_unlock(&log->lock);
}

uint64_t pl_log_dropped(struct pl_log *log)
{
    uint64_t n;

    if (log == NULL)
        return 0;
    pthread_mutex_lock(&log->lock);
    n = log->dropped;
    pthread_mutex_unlock(&log->lock);
    return n;
}

bool pl_log_on(const struct pl_log *log, enum pl_log_level level)
{
    return log != NULL && (int)level < PL_LOG_NONE &&
           (int)level >= atomic_load_explicit(&((struct pl_log *)(uintptr_t)log)->level, memory_order_relaxed);
}

void pl_log_set_level(struct pl_log *log, enum pl_log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* Standard error is shared with whoever started us, so it is not made non-blocking itself: opened anew through /proc it is a
 * description of our own. Where that is refused (a socket, no /proc), poll tells whether a write may block. */
static void open_stderr(struct pl_log *log)
{
    int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    log->fd = fd >= 0 ? fd : STDERR_FILENO;
    log->owns_fd = fd >= 0;
    log->must_poll = fd < 0;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
}

enum pl_err pl_log_new(struct pl_world *w, const struct pl_log_conf *conf, struct pl_log **ret_log)
{
    struct pl_log *log = calloc(1, sizeof *log);
    bool has_file = conf->file != NULL && conf->file[0] != 0;

    if (log == NULL)
        return PL_ENOMEM;
    log->world = w;
    log->conf = *conf;
    log->conf.file = NULL;
    log->fd = -1;
    atomic_init(&log->level, (int)conf->level);
    w->ops->entropy(w, &log->key, sizeof log->key);
    if (conf->sink == NULL && has_file) {
        log->file = strdup(conf->file);
        log->fd = open_file(conf->file);
        log->owns_fd = true;
        if (log->file == NULL || log->fd < 0) {
            enum pl_err err = log->file == NULL ? PL_ENOMEM : PL_EIO;
            int saved = errno;

            if (log->fd >= 0)
                close(log->fd);
            free(log->file);
            free(log);
            errno = saved;
            return err;
        }
    } else if (conf->sink == NULL) {
        open_stderr(log);
    }
    log->is_human = conf->format == 2 || (conf->format == 0 && log->fd >= 0 && isatty(log->fd) == 1);
    PL_ASSERT(pthread_mutex_init(&log->lock, NULL) == 0);
    *ret_log = log;
    return PL_OK;
}

enum pl_err pl_log_reopen(struct pl_log *log)
{
    int fd;

    if (log->file == NULL)
        return PL_OK;
    fd = open_file(log->file);
    if (fd < 0)
        return PL_EIO;
    pthread_mutex_lock(&log->lock);
    close(log->fd);
    log->fd = fd;
    log->was_cut = false;
    pthread_mutex_unlock(&log->lock);
    return PL_OK;
}

void pl_log_free(struct pl_log **take_log)
{
    struct pl_log *log = *take_log;

    if (log == NULL)
        return;
    for (size_t i = 0; i < N_EVENTS; i++)
        log->events[i].second = -1; /* the second is over for us */
    pl_log_tick(log);
    if (log->owns_fd)
        close(log->fd);
    pthread_mutex_destroy(&log->lock);
    explicit_bzero(&log->key, sizeof log->key);
    free(log->file);
    free(log);
    *take_log = NULL;
}
