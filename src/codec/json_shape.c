/* Tables of members (struct pl_json_shape) and walks over what they kept. */
#include "codec/json.h"

#include "base/check.h"
#include "codec/json_scan.h"

static int find_exact(const struct pl_json_shape *shape, struct pl_slice name)
{
    if (name.len == 0)
        return -1;
    for (unsigned i = 0; i < shape->n; i++) {
        const struct pl_json_field *f = &shape->fields[i];

        if (f->len == name.len && f->name[0] == (char)name.p[0] && memcmp(f->name, name.p, name.len) == 0)
            return (int)i;
    }
    return -1;
}

/* Upper case and escapes in names are legal but rare, so they are looked at only when the plain comparison fails. */
static int find_folded(const struct pl_json_shape *shape, struct pl_json_text name, bool is_exact)
{
    uint8_t folded[PL_JSON_NAME_MAX * 6]; /* \u0069 is six bytes for one */
    size_t len = name.raw.len;

    if (len > sizeof folded || (is_exact && !name.has_escape))
        return -1;
    if (name.has_escape)
        len = pl_json_scan_unescape(name.raw, folded);
    else
        memcpy(folded, name.raw.p, len);
    for (size_t i = 0; i < len && !is_exact; i++)
        if (folded[i] >= 'A' && folded[i] <= 'Z')
            folded[i] |= 0x20;
    return find_exact(shape, pl_slice(folded, len));
}

int pl_json_find(const struct pl_json_shape *shape, struct pl_json_text name, bool is_exact)
{
    int at = find_exact(shape, name.raw);

    return at >= 0 ? at : find_folded(shape, name, is_exact);
}

static void take_strings(struct pl_json *r, bool is_map)
{
    struct pl_json_key key = { 0 };
    size_t n = 0;

    if (!pl_json_open(r, is_map ? '{' : '['))
        return;
    while (is_map ? pl_json_member(r, &key) : pl_json_element(r, &n))
        if (!pl_json_null(r) && !pl_json_str(r, NULL))
            return;
}

static void take_objects(struct pl_json *r, const struct pl_json_shape *shape, bool is_map)
{
    struct pl_json_key key = { 0 };
    size_t n = 0;

    if (!pl_json_open(r, is_map ? '{' : '['))
        return;
    while (is_map ? pl_json_member(r, &key) : pl_json_element(r, &n))
        if (!pl_json_null(r) && pl_json_fill(r, shape, NULL, NULL) != PL_OK)
            return;
}

/* Lists, maps and objects that are kept as text: walked once now for their types, again by who needs them. */
static void take_checked(struct pl_json *r, const struct pl_json_field *f, struct pl_slice *ret)
{
    const uint8_t *start;

    (void)pl_json_peek(r); /* steps over the space */
    start = r->p;
    switch ((enum pl_json_kind)f->kind) {
    case PL_J_STRS: take_strings(r, false); break;
    case PL_J_STR_MAP: take_strings(r, true); break;
    case PL_J_OBJS: take_objects(r, f->shape, false); break;
    case PL_J_OBJ_MAP: take_objects(r, f->shape, true); break;
    case PL_J_CHECKED: pl_json_fill(r, f->shape, NULL, NULL); break; /* the outcome is r->err */
    case PL_J_BOOL: case PL_J_U32: case PL_J_I32: case PL_J_U64: case PL_J_I64: case PL_J_STR: case PL_J_RAW: case PL_J_OBJ:
        PL_UNREACHABLE();
    }
    if (r->err == PL_OK && ret != NULL)
        *ret = pl_slice(start, (size_t)(r->p - start));
}

static void take_field(struct pl_json *r, const struct pl_json_field *f, void *at)
{
    uint64_t u;
    int64_t s;

    switch ((enum pl_json_kind)f->kind) {
    case PL_J_BOOL:
        (void)pl_json_bool(r, at); /* here and below: the outcome is r->err */
        return;
    case PL_J_U32:
        if (pl_json_u64(r, UINT32_MAX, &u) && at != NULL)
            *(uint32_t *)at = (uint32_t)u;
        return;
    case PL_J_I32:
        if (pl_json_i64(r, INT32_MIN, INT32_MAX, &s) && at != NULL)
            *(int32_t *)at = (int32_t)s;
        return;
    case PL_J_U64:
        (void)pl_json_u64(r, UINT64_MAX, at);
        return;
    case PL_J_I64:
        (void)pl_json_i64(r, INT64_MIN, INT64_MAX, at);
        return;
    case PL_J_STR:
        (void)pl_json_str(r, at);
        return;
    case PL_J_RAW:
        (void)pl_json_raw(r, at);
        return;
    case PL_J_OBJ:
        if (pl_json_fill(r, f->shape, at, NULL) == PL_OK && at != NULL)
            *(bool *)at = true;
        return;
    case PL_J_STRS:
    case PL_J_STR_MAP:
    case PL_J_OBJS:
    case PL_J_OBJ_MAP:
    case PL_J_CHECKED:
        take_checked(r, f, at);
        return;
    }
    PL_UNREACHABLE();
}

enum pl_err pl_json_fill(struct pl_json *r, const struct pl_json_shape *shape, void *ret, uint64_t *ret_seen)
{
    struct pl_json_key key = { 0 };
    uint64_t present = 0, seen = 0;

    PL_DEBUG_ASSERT(shape->n <= 64);
    if (!pl_json_open(r, '{'))
        return r->err;
    while (pl_json_member(r, &key)) {
        int at = pl_json_find(shape, key.name, r->is_exact);
        const struct pl_json_field *f;
        uint64_t bit;

        if (at < 0) {
            (void)pl_json_raw(r, NULL); /* the outcome is r->err */
            continue;
        }
        f = &shape->fields[at];
        bit = (uint64_t)1 << at;
        if (r->is_exact && (present & bit) != 0)
            (void)pl_json_fail(r, PL_EPROTO);
        present |= bit;
        if (f->kind != PL_J_RAW && pl_json_null(r))
            continue;
        seen |= bit;
        take_field(r, f, ret != NULL ? (uint8_t *)ret + f->at : NULL);
    }
    if (ret_seen != NULL)
        *ret_seen = seen;
    return r->err;
}

/* --- walking: the state is a text position; the reader is rebuilt around it for each entry --- */

static bool walk_enter(const struct pl_walk *w, struct pl_scratch *scratch, char opener, struct pl_json *ret)
{
    *ret = pl_json_init(w->rest, scratch);
    ret->depth = w->is_open ? 1 : 0;
    return w->rest.len > 0 && (w->is_open || pl_json_open(ret, opener));
}

static bool walk_member(struct pl_walk *w, struct pl_json *r, struct pl_slice *ret_name)
{
    struct pl_json_key key = { .n = w->is_open ? 1 : 0 };
    enum pl_err err;

    if (!pl_json_member(r, &key))
        return false;
    w->is_open = true;
    err = pl_json_unescape(key.name, r->scratch, ret_name);
    return err == PL_OK ? true : pl_json_fail(r, err);
}

static bool walk_element(struct pl_walk *w, struct pl_json *r)
{
    size_t n = w->is_open ? 1 : 0;

    if (!pl_json_element(r, &n))
        return false;
    w->is_open = true;
    return true;
}

static enum pl_err walk_leave(struct pl_walk *w, const struct pl_json *r, bool got_one)
{
    w->rest = got_one && r->err == PL_OK ? pl_slice(r->p, (size_t)(r->end - r->p)) : pl_slice(NULL, 0);
    if (r->err != PL_OK)
        return r->err;
    return got_one ? PL_OK : PL_ENOENT;
}

static bool value_str(struct pl_json *r, struct pl_slice *ret)
{
    *ret = pl_slice("", 0);
    return pl_json_null(r) || pl_json_str(r, ret);
}

static bool value_obj(struct pl_json *r, const struct pl_json_shape *shape, void *ret)
{
    return pl_json_null(r) || pl_json_fill(r, shape, ret, NULL) == PL_OK;
}

enum pl_err pl_json_walk_str(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret)
{
    struct pl_json r;
    bool got = walk_enter(w, scratch, '[', &r) && walk_element(w, &r) && value_str(&r, ret);

    return walk_leave(w, &r, got);
}

enum pl_err pl_json_walk_pair(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_name, struct pl_slice *ret_value)
{
    struct pl_json r;
    bool got = walk_enter(w, scratch, '{', &r) && walk_member(w, &r, ret_name) && value_str(&r, ret_value);

    return walk_leave(w, &r, got);
}

enum pl_err pl_json_walk_obj(struct pl_walk *w, struct pl_scratch *scratch, const struct pl_json_shape *shape, void *ret)
{
    struct pl_json r;
    bool got = walk_enter(w, scratch, '[', &r) && walk_element(w, &r) && value_obj(&r, shape, ret);

    return walk_leave(w, &r, got);
}

enum pl_err pl_json_walk_named(struct pl_walk *w, struct pl_scratch *scratch, const struct pl_json_shape *shape,
                               struct pl_slice *ret_name, void *ret)
{
    struct pl_json r;
    bool got = walk_enter(w, scratch, '{', &r) && walk_member(w, &r, ret_name) && value_obj(&r, shape, ret);

    return walk_leave(w, &r, got);
}
