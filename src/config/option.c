#include "config/option.h"

static bool row_is(const struct pl_opt *o, struct pl_slice path)
{
    return pl_slice_eq(pl_slice_str(o->key), path);
}

/* "namespaces[3].presence" against key "namespaces": length of "namespaces[3]", 0 if it does not match. */
static size_t list_prefix(const struct pl_opt *o, struct pl_slice path, size_t *ret_index)
{
    struct pl_slice key = pl_slice_str(o->key);
    size_t at = key.len, index = 0;

    if (!pl_slice_starts(path, key) || at >= path.len || path.p[at] != '[')
        return 0;
    for (at++; at < path.len && path.p[at] >= '0' && path.p[at] <= '9' && index < 100000; at++)
        index = index * 10 + (size_t)(path.p[at] - '0');
    if (at + 1 >= path.len || path.p[at] != ']' || path.p[at + 1] != '.')
        return 0;
    *ret_index = index;
    return at + 2;
}

static void *field(void *base, size_t offset)
{
    return base == NULL ? NULL : (char *)base + offset;
}

bool pl_opt_find(const struct pl_opt *table, void *base, struct pl_slice path, struct pl_opt_at *ret)
{
    for (const struct pl_opt *o = table; o->key != NULL; o++) {
        struct pl_slice key = pl_slice_str(o->key);

        if (o->kind == PL_OPT_BLOCK) {
            if (path.len > key.len && pl_slice_starts(path, key) && path.p[key.len] == '.' &&
                pl_opt_find(o->table, field(base, o->offset), pl_slice_from(path, key.len + 1), ret)) {
                ret->is_peal |= (o->flags & PL_OPT_PEAL) != 0;
                return true;
            }
            continue;
        }
        if (row_is(o, path)) {
            *ret = (struct pl_opt_at){ o, base, (o->flags & PL_OPT_PEAL) != 0 };
            return true;
        }
        if (o->kind == PL_OPT_LIST) {
            size_t index = 0, used = list_prefix(o, path, &index);
            void *elem = NULL;

            if (used == 0)
                continue;
            if (base != NULL) {
                if (index >= *(size_t *)field(base, o->count_offset))
                    return false;
                elem = *(char **)field(base, o->offset) + index * o->elem_size;
            }
            return pl_opt_find(o->table, elem, pl_slice_from(path, used), ret);
        }
    }
    return false;
}

bool pl_opt_is_section(const struct pl_opt *table, struct pl_slice path)
{
    for (const struct pl_opt *o = table; o->key != NULL; o++) {
        struct pl_slice key = pl_slice_str(o->key);

        if (key.len > path.len && pl_slice_starts(key, path) && key.p[path.len] == '.')
            return true;
        if (o->kind == PL_OPT_BLOCK && pl_slice_starts(path, key)) {
            if (path.len == key.len)
                return true;
            if (path.p[key.len] == '.' && pl_opt_is_section(o->table, pl_slice_from(path, key.len + 1)))
                return true;
        }
        if (o->kind == PL_OPT_LIST) {
            size_t index, used = list_prefix(o, path, &index);

            if (used != 0 && pl_opt_is_section(o->table, pl_slice_from(path, used)))
                return true;
        }
    }
    return false;
}
