/* config/load.h - makes a frozen struct pl_config out of file, environment and flags.
 *
 * Precedence: flag, PEAL_* variable, CENTRIFUGO_* variable, file, default. Everything that is wrong is reported, not
 * only the first fault: as "file:line: key: what (bound, nearest known key)". Values of secrets are never printed.
 * No logging, no exit: the caller prints the report. Not thread-safe while loading; the result is frozen. */
#ifndef PL_CONFIG_LOAD_H
#define PL_CONFIG_LOAD_H

#include "base/err.h"
#include "base/world.h"
#include "config/config.h"

struct pl_config_note {
    bool is_error; /* else a warning */
    char *text;    /* owned; one line, printable */
};

/* Zero-initialise; holds at most 200 notes, then one that says so. */
struct pl_config_report {
    struct pl_config_note *v;
    size_t n, n_errors, n_warnings, cap;
};

void pl_config_report_fini(struct pl_config_report *r);

struct pl_config_input {
    struct pl_world *world; /* reads the file; may be NULL when text is given or there is no file */
    const char *file;      /* JSON file to read; NULL: none, then the server listens on loopback only */
    struct pl_slice text;  /* not NULL: its content, then `file` is only a name */
    const char *const *env; /* "NAME=value" words, NULL-terminated; NULL: none. Only PEAL_* and CENTRIFUGO_* are looked at */
    const char *const *args; /* "--key=value", "--key value", "--flag"; -a ADDRESS, -p PORT; -c/--config FILE wins over file */
    size_t n_args;
};

/* PL_OK: *ret_cfg is yours (warnings may be in report). PL_EINVAL: the report has at least one error. PL_ENOMEM. */
PL_MUST_CHECK enum pl_err pl_config_load(const struct pl_config_input *in, struct pl_config **ret_cfg,
                                         struct pl_config_report *report);

/* Wipes and frees everything a config owns; *take_cfg becomes NULL. NULL is fine. */
void pl_config_free(struct pl_config **take_cfg);

#endif
