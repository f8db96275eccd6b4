/* config/loader.h - what the files of the loader share; not for other rooms.
 *
 * A loader lives for one pl_config_load(): it applies sources from the weakest to the strongest onto cfg and remembers
 * where each value came from, so that a fault found at the end still names file and line, variable or flag. */
#ifndef PL_CONFIG_LOADER_H
#define PL_CONFIG_LOADER_H

#include <jansson.h>

#include "base/hash.h"
#include "config/load.h"
#include "config/option.h"
#include "config/regex.h"

enum { PL_PATH_MAX = 512, PL_NOTES_MAX = 200 };

/* Everything a config points to. Freed and wiped as a whole. */
struct pl_config_own {
    struct pl_chunk *chunks;
    struct pl_regex **regexes;
    size_t n_regexes;
    uint32_t *ns_slots; /* open addressing: 1 + index into namespaces, 0 empty; a power of two, at most half full */
    uint32_t ns_mask;
    struct pl_hash_key ns_key;
};

enum pl_source_kind { PL_FROM_DEFAULT, PL_FROM_FILE, PL_FROM_ENV, PL_FROM_FLAG };

struct pl_source {
    enum pl_source_kind kind;
    const char *name; /* variable or flag */
};

struct pl_origin {
    const char *path;
    struct pl_source source;
};

struct pl_loader {
    struct pl_config *cfg;
    struct pl_config_report *report;
    const char *file;
    struct pl_slice text;    /* of the file */
    struct pl_source source; /* being applied */
    struct pl_origin *origins;
    size_t n_origins, cap_origins, n_suggested;
    bool no_memory;
};

/* Zeroed memory that lives as long as the config; NULL sets l->no_memory. */
void *pl_loader_alloc(struct pl_loader *l, size_t n);
const char *pl_loader_text(struct pl_loader *l, struct pl_slice s); /* copy with a NUL; "" when out of memory */

/* Reports one line about `path` (may be NULL), led by where its value came from: "config.json:7: ", "PEAL_X: ", "--x: ". */
void pl_loader_error(struct pl_loader *l, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void pl_loader_warn(struct pl_loader *l, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Ends the report's buffer: at most PL_NOTES_MAX lines. */
void pl_report_add(struct pl_config_report *r, bool is_error, const char *text);

/* Remembers that path was set by l->source; files need no memory, their lines are found again. */
void pl_loader_origin(struct pl_loader *l, const char *path);
bool pl_loader_is_set(const struct pl_loader *l, const char *path); /* by anything but the default */

/* value.c: sets one row of the table, path is only for messages. json wins over text when not NULL. */
void pl_value_set(struct pl_loader *l, const struct pl_opt *o, void *base, const char *path, const json_t *json,
                  struct pl_slice text);
void pl_value_defaults(struct pl_loader *l, const struct pl_opt *table, void *base);
/* number.c. False: not in that notation. Booleans as Centrifugo: true false t f 1 0 in any case. */
bool pl_bool_parse(struct pl_slice s, bool *ret);
bool pl_i64_parse(struct pl_slice s, int64_t *ret);
bool pl_size_parse(struct pl_slice s, int64_t *ret); /* also "64KiB" */
/* Go's notation: "1h30m", "300ms", "-1s", "0". PL_EINVAL. Parts of a millisecond round away from zero. */
PL_MUST_CHECK enum pl_err pl_duration_parse(struct pl_slice s, int64_t *ret_ms);
void pl_duration_print(int64_t ms, struct pl_buf *out);
/* At most 64 bytes of s in quotes, everything unprintable as \xNN. */
void pl_quote(struct pl_slice s, char out[300]);

/* file.c: JSON text onto the config; the line of a key path in it, 0 if it is not there. */
void pl_file_apply(struct pl_loader *l);
void pl_file_object(struct pl_loader *l, const struct pl_opt *table, void *base, const char *path, const json_t *object);
int pl_file_line(struct pl_slice text, const char *path);

/* env.c, flags.c */
void pl_env_apply(struct pl_loader *l, const char *const *env);
void pl_flags_apply(struct pl_loader *l, const struct pl_config_input *in);
const char *pl_flags_file(const struct pl_config_input *in); /* -c, --config; else in->file */

/* foreign.c: keys that only Centrifugo has. `path` without list indices; *ret_why: what follows from ignoring it. */
enum pl_foreign { PL_FOREIGN_NO, PL_FOREIGN_SECTION, PL_FOREIGN_KEY };
enum pl_foreign pl_foreign_find(const char *path, const char **ret_why);
bool pl_foreign_env(const char *name, const char **ret_why); /* name behind the prefix, upper case */
void pl_foreign_each(void (*fn)(void *arg, const char *key), void *arg);

/* suggest.c: the nearest known key; "" when nothing is near. */
void pl_suggest(const char *path, char out[PL_PATH_MAX]);
bool pl_looks_secret(const char *path);

/* validate.c: rules between options, derived values, compiled patterns, the namespace index. */
void pl_config_finish(struct pl_loader *l);

#endif
