/* config/option.h - the one table of options. Parsing, bounds, environment names, `peal check config`, `peal config doc`
 * and `peal config default` all read it; nothing else knows a key's name.
 *
 * A row's key is a path ("http_server.port"); a row of kind BLOCK or LIST continues in a table of its own, whose keys
 * and offsets are relative (a TLS block, the options of a namespace). Static data, any thread. */
#ifndef PL_CONFIG_OPTION_H
#define PL_CONFIG_OPTION_H

#include "base/slice.h"
#include "config/config.h"

enum pl_opt_kind {
    PL_OPT_STRING,   /* const char * */
    PL_OPT_SECRET,   /* struct pl_secret; never printed */
    PL_OPT_BOOL,     /* bool */
    PL_OPT_INT,      /* int */
    PL_OPT_INT64,    /* int64_t */
    PL_OPT_DURATION, /* int64_t milliseconds, written "1m30s" */
    PL_OPT_SIZE,     /* size_t bytes: a number, or text with KiB, MiB, GiB */
    PL_OPT_ENUM,     /* int-sized enum; words in `words` */
    PL_OPT_FLAGS,    /* unsigned: bit i is words[i]; written as a list of words */
    PL_OPT_STRINGS,  /* struct pl_strlist */
    PL_OPT_CIDRS,    /* struct pl_cidr_list */
    PL_OPT_BLOCK,    /* struct, see table */
    PL_OPT_LIST      /* pointer to structs, count at count_offset */
};

enum {
    PL_OPT_PEAL = 1,      /* Centrifugo has no such key */
    PL_OPT_LIVE = 2,      /* a reload may change it */
    PL_OPT_INVERT = 4,    /* BOOL: the field holds the opposite ("disabled" fills at.enabled) */
    PL_OPT_PREFIX = 8,    /* STRING: a URL path; begins with '/', loses a trailing one */
    PL_OPT_SECONDS = 16,  /* DURATION: whole seconds only */
    PL_OPT_NO_EFFECT = 32, /* accepted, does nothing here; text tells why */
    PL_OPT_TEXT_INT = 64  /* INT: also as a string of digits, as Centrifugo's internal_port */
};

struct pl_opt {
    const char *key;
    enum pl_opt_kind kind;
    unsigned flags;
    size_t offset;
    const char *def;          /* as in the environment; NULL: zero */
    int64_t min, max;         /* numbers, in the field's unit; strings and lists: of the length */
    const char *const *words; /* ENUM and FLAGS, NULL-terminated; for an ENUM "" and words[0] are both 0 */
    const struct pl_opt *table; /* BLOCK, LIST; its last row has a NULL key */
    size_t elem_size, count_offset; /* LIST */
    const char *text;         /* one line for the reference */
    const char *unbuilt;      /* not NULL: turning it on warns; what follows while the feature is not built */
};

/* The root table; ends with a NULL key. */
extern const struct pl_opt pl_options[];

/* A key path resolved against the table. `base` is where the row's offset counts from (NULL when cfg was NULL). */
struct pl_opt_at {
    const struct pl_opt *opt;
    void *base;
    bool is_peal; /* the row or a block around it is Peal's own */
};

/* Finds the row of `path` below `table`; list elements are written name[3]. With base NULL indices are not checked
 * against the list's length. False: no such option (it may still be a section, see pl_opt_is_section). */
bool pl_opt_find(const struct pl_opt *table, void *base, struct pl_slice path, struct pl_opt_at *ret);

/* True if some option's key begins with path + ".". */
bool pl_opt_is_section(const struct pl_opt *table, struct pl_slice path);


#endif
