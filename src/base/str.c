#include "base/str.h"

#include <stdlib.h>

struct pl_str *pl_str_new(struct pl_slice s, bool *ret_ok)
{
    struct pl_str *str = NULL;

    if (s.len > 0 && s.len <= UINT32_MAX - sizeof *str - 1) {
        str = malloc(sizeof *str + s.len + 1);
        if (str != NULL) {
            atomic_init(&str->refs, 1);
            str->len = (uint32_t)s.len;
            memcpy(str->bytes, s.p, s.len);
            str->bytes[s.len] = 0;
        }
    }
    if (ret_ok != NULL)
        *ret_ok = s.len == 0 || str != NULL;
    return str;
}

void pl_str_unref(struct pl_str **take_s)
{
    struct pl_str *s = *take_s;

    *take_s = NULL;
    if (s == NULL)
        return;
    /* acq_rel: what other holders did with it comes before the free */
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        free(s);
}
