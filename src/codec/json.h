/* codec/json.h - JSON (RFC 8259) read in place.
 *
 * A cursor walks the text once; every byte it passes is checked (strict grammar, UTF-8 in strings, depth), nothing is
 * copied but strings that have escapes (into the caller's scratch). What it hands out borrows the text or the scratch.
 * Errors stick: after the first one every call fails and `err` says why, so callers may check once per object.
 *
 * The usual way in is a shape: a table of names, kinds and places, from which pl_json_fill() fills a struct as Go's
 * encoding/json does, which Centrifugo's clients rely on: names match in any letter case and with escapes in them, unknown
 * members are ignored (but checked), null leaves a field as it is, a wrong type or a number out of range fails, of two
 * equal members the last wins. Pure functions, any thread. */
#ifndef PL_CODEC_JSON_H
#define PL_CODEC_JSON_H

#include "base/err.h"
#include "base/slice.h"
#include "codec/scratch.h"
#include "codec/walk.h"

enum {
    PL_JSON_DEPTH = 512,      /* containers inside each other in a value that is only passed over */
    PL_JSON_SHAPE_DEPTH = 64, /* the same in what is read by shape */
    PL_JSON_NAME_MAX = 40,    /* longest member name a shape may have, bytes */
};

struct pl_json {
    const uint8_t *p, *end;
    struct pl_scratch *scratch; /* borrowed; NULL: a kept string with escapes fails with PL_ETOOBIG */
    enum pl_err err;            /* PL_OK, PL_EPROTO, PL_ETOOBIG (scratch full) */
    unsigned depth;             /* open containers */
    bool is_exact;              /* names match exactly, and a known name twice fails (tokens) */
};

static inline struct pl_json pl_json_init(struct pl_slice text, struct pl_scratch *scratch)
{
    if (text.len == 0)
        text = PL_LIT(""); /* no arithmetic on NULL */
    return (struct pl_json){ text.p, text.p + text.len, scratch, PL_OK, 0, false };
}

/* Text of a string without its quotes, as it stands in the input. */
struct pl_json_text {
    struct pl_slice raw;
    bool has_escape;
};

/* A member's name while walking an object; start with {0}. */
struct pl_json_key {
    struct pl_json_text name;
    size_t n; /* members seen so far, this one included */
};

/* The byte that starts the next value ('{' '[' '"' 't' 'f' 'n' '-' or a digit), 0 at the end or after an error. */
int pl_json_peek(struct pl_json *r);
/* Takes `opener` ('{' or '['); fails if the next value is anything else. */
bool pl_json_open(struct pl_json *r, char opener);
/* The next member's name; the caller then takes exactly one value. False: the object ended (closed) or r->err. */
bool pl_json_member(struct pl_json *r, struct pl_json_key *key);
/* The same for an array; *n counts, start with 0. */
bool pl_json_element(struct pl_json *r, size_t *n);
/* Takes null if that is next. */
bool pl_json_null(struct pl_json *r);

/* Each takes one value; false: r->err. `ret` may be NULL (checked only) and is set on true alone. None takes null. */
bool pl_json_bool(struct pl_json *r, bool *ret);
bool pl_json_u64(struct pl_json *r, uint64_t max, uint64_t *ret);
bool pl_json_i64(struct pl_json *r, int64_t min, int64_t max, int64_t *ret);
bool pl_json_text(struct pl_json *r, struct pl_json_text *ret);
bool pl_json_str(struct pl_json *r, struct pl_slice *ret); /* unescaped; lone surrogates become U+FFFD */
bool pl_json_raw(struct pl_json *r, struct pl_slice *ret); /* any value, exactly as it stands */
/* Unescapes a text taken before; PL_ETOOBIG when the scratch is full. */
enum pl_err pl_json_unescape(struct pl_json_text t, struct pl_scratch *scratch, struct pl_slice *ret);
/* Stops with this error, unless there is one already; gives false. */
bool pl_json_fail(struct pl_json *r, enum pl_err err);
/* Only whitespace is left? Else PL_EPROTO (sticks). */
enum pl_err pl_json_end(struct pl_json *r);

/* PL_OK if `text` is one valid value with nothing but whitespace around it, else PL_EPROTO. */
enum pl_err pl_json_check(struct pl_slice text);
/* True if a valid value is an object. */
bool pl_json_is_object(struct pl_slice value);

/* --- shapes --- */

enum pl_json_kind {
    PL_J_BOOL,    /* bool */
    PL_J_U32,     /* uint32_t */
    PL_J_I32,     /* int32_t */
    PL_J_U64,     /* uint64_t */
    PL_J_I64,     /* int64_t */
    PL_J_STR,     /* struct pl_slice, unescaped */
    PL_J_RAW,     /* struct pl_slice, any value as it stands; null is the four bytes */
    PL_J_OBJ,     /* a struct of `shape` whose first member is `bool is_set` */
    PL_J_STRS,    /* struct pl_slice of a checked array of strings; walk with pl_json_walk_str */
    PL_J_STR_MAP, /* struct pl_slice of a checked object of strings */
    PL_J_OBJS,    /* struct pl_slice of a checked array of `shape` */
    PL_J_OBJ_MAP, /* struct pl_slice of a checked object whose values are of `shape` */
    PL_J_CHECKED, /* struct pl_slice of one checked object of `shape` */
};

struct pl_json_shape;

struct pl_json_field {
    const char *name; /* lower case */
    uint8_t len;
    uint8_t kind;     /* enum pl_json_kind */
    uint16_t at;      /* offset in the struct */
    const struct pl_json_shape *shape;
};

struct pl_json_shape {
    const struct pl_json_field *fields;
    unsigned n; /* at most 64 */
};

#define PL_JSON_FIELD(type, member, kind) { #member, sizeof(#member) - 1, (kind), offsetof(type, member), NULL }
#define PL_JSON_FIELD_AS(name, type, member, kind) { name, sizeof(name) - 1, (kind), offsetof(type, member), NULL }
#define PL_JSON_FIELD_OF(type, member, kind, shape) { #member, sizeof(#member) - 1, (kind), offsetof(type, member), (shape) }
#define PL_JSON_SHAPE(fields) { (fields), sizeof(fields) / sizeof(fields)[0] }

/* Takes one object and fills *ret, which the caller has zeroed (NULL: checks only). ret_seen, if not NULL, gets bit i for each
 * field i that stood there and was not null. PL_EPROTO, PL_ETOOBIG (also r->err); *ret is then half filled. */
enum pl_err pl_json_fill(struct pl_json *r, const struct pl_json_shape *shape, void *ret, uint64_t *ret_seen);

/* The field of that name, -1 if none. */
int pl_json_find(const struct pl_json_shape *shape, struct pl_json_text name, bool is_exact);

/* --- walking the slices of PL_J_STRS, PL_J_STR_MAP, PL_J_OBJS, PL_J_OBJ_MAP --- */

/* Each gives the next entry; null is an empty one. *ret of the shape walks is zeroed by the caller before each call.
 * PL_ENOENT: none left (an absent field has none). PL_ETOOBIG: scratch full. PL_EPROTO: not a checked slice. */
PL_MUST_CHECK enum pl_err pl_json_walk_str(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret);
PL_MUST_CHECK enum pl_err pl_json_walk_pair(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_name,
                                            struct pl_slice *ret_value);
PL_MUST_CHECK enum pl_err pl_json_walk_obj(struct pl_walk *w, struct pl_scratch *scratch, const struct pl_json_shape *shape, void *ret);
PL_MUST_CHECK enum pl_err pl_json_walk_named(struct pl_walk *w, struct pl_scratch *scratch, const struct pl_json_shape *shape,
                                             struct pl_slice *ret_name, void *ret);

#endif
