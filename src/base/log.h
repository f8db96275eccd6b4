/* base/log.h - one line per event: a stable name, then typed fields (style.md 10).
 *
 *   pl_log(node->log, PL_LOG_INFO, "session.refused", PL_F_ERR("why", err), PL_F_STR("user", user), PL_F_SECRET("token", token));
 *   {"level":"info","time":"2026-11-21T14:00:00.123Z","ev":"session.refused","why":"expired","user":"42","token":"<212 bytes #9f3a>"}
 *
 * Any thread; one lock inside ("log", taken last of all, off the message path). Never blocks: what a full pipe does not take
 * is dropped and counted. Each event has a limit a second; what was left out is told in a line of its own. Bytes
 * from outside are escaped, a field holds at most 1 KiB, a line 4 KiB. A log line per message is a bug. */
#ifndef PL_BASE_LOG_H
#define PL_BASE_LOG_H

#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "base/world.h"

enum pl_log_level { PL_LOG_TRACE, PL_LOG_DEBUG, PL_LOG_INFO, PL_LOG_WARN, PL_LOG_ERROR, PL_LOG_FATAL, PL_LOG_NONE };
enum { PL_LOG_FIELD_MAX = 1024, PL_LOG_LINE_MAX = 4096 };

struct pl_log_field {
    const char *key; /* our own word: never from outside */
    enum { PL_FIELD_STR, PL_FIELD_INT, PL_FIELD_UINT, PL_FIELD_BOOL, PL_FIELD_SECRET } kind;
    struct pl_slice s;
    int64_t i;
};

#define PL_F_SLICE(k, v) { .key = (k), .kind = PL_FIELD_STR, .s = (v) }
#define PL_F_STR(k, v) { .key = (k), .kind = PL_FIELD_STR, .s = pl_slice_str(v) }
#define PL_F_INT(k, v) { .key = (k), .kind = PL_FIELD_INT, .i = (int64_t)(v) }
#define PL_F_UINT(k, v) { .key = (k), .kind = PL_FIELD_UINT, .i = (int64_t)(uint64_t)(v) }
#define PL_F_BOOL(k, v) { .key = (k), .kind = PL_FIELD_BOOL, .i = (v) }
#define PL_F_ERR(k, v) { .key = (k), .kind = PL_FIELD_STR, .s = pl_slice_str(pl_err_text(v)) }
/* Length and a 16-bit tag under a key that is new at each start: tells two secrets apart, gives nothing away. */
#define PL_F_SECRET(k, v) { .key = (k), .kind = PL_FIELD_SECRET, .s = (v) }

struct pl_log;

struct pl_log_conf {
    enum pl_log_level level;   /* lines below it are not written; PL_LOG_NONE: none at all */
    const char *file;          /* appended to, made with mode 0640; NULL or "": standard error */
    int format;                /* 0: JSON lines, but readable text on a terminal; 1: JSON; 2: readable */
    unsigned rate;             /* lines a second of one event, 0: no limit */
    /* Tests and the simulator: takes whole lines instead of a descriptor. */
    void (*sink)(void *arg, struct pl_slice line);
    void *sink_arg;
};

/* PL_EIO: the file cannot be opened; errno says why. PL_ENOMEM. The conf is copied. */
PL_MUST_CHECK enum pl_err pl_log_new(struct pl_world *w, const struct pl_log_conf *conf, struct pl_log **ret_log);
void pl_log_free(struct pl_log **take_log); /* tells what was left out, closes the file; NULL is fine */

void pl_log_set_level(struct pl_log *log, enum pl_log_level level);
/* Opens the file anew (after rotation). The old one stays when that fails. */
PL_MUST_CHECK enum pl_err pl_log_reopen(struct pl_log *log);
/* Tells what was left out so far; call about once a second, so that a burst's count does not wait for its next line. */
void pl_log_tick(struct pl_log *log);
/* Lines not written so far: over the event's limit, or the output was full. */
uint64_t pl_log_dropped(struct pl_log *log);

bool pl_log_on(const struct pl_log *log, enum pl_log_level level); /* false for NULL */
void pl_log_write(struct pl_log *log, enum pl_log_level level, const char *event, const struct pl_log_field *fields, size_t n);

/* A field without a key stands first, so that the list is never empty. Fields are not evaluated below the level. */
#define pl_log(log, level, event, ...)                                                                               \
    do {                                                                                                             \
        if (pl_log_on((log), (level))) {                                                                             \
            const struct pl_log_field pl_log_fields[] = { { .key = NULL }, ##__VA_ARGS__ };                          \
            pl_log_write((log), (level), (event), pl_log_fields + 1, sizeof pl_log_fields / sizeof pl_log_fields[0] - 1); \
        }                                                                                                            \
    } while (0)

#endif
