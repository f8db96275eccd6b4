/* base/slab.h - objects of one size from 64 KiB pages; an empty page goes back to the system (one is kept as a spare).
 *
 * For what exists once per connection or subscription: no header per object, no fragmentation between kinds, and memory falls
 * again after a storm. Under AddressSanitizer each object is a malloc of its own, so that use after free is caught; debug builds
 * fill freed objects. One owner (a shard), no locks. */
#ifndef PL_BASE_SLAB_H
#define PL_BASE_SLAB_H

#include "base/list.h"
#include "base/slice.h"

enum { PL_SLAB_PAGE = 65536 };

struct pl_slab {
    struct pl_list partial;  /* pages with free objects, the emptiest ones last */
    void *spare;             /* owned; one empty page, or NULL */
    uint32_t obj_size;       /* rounded up to 8 */
    uint32_t per_page;
    size_t n_used, n_pages;  /* objects and pages (the spare included) held now */
};

/* 8 <= obj_size <= PL_SLAB_PAGE / 8 bytes; objects are aligned to 8. */
void pl_slab_init(struct pl_slab *s, size_t obj_size);
void pl_slab_fini(struct pl_slab *s);            /* no object may be in use */
void *pl_slab_alloc(struct pl_slab *s);          /* not zeroed; NULL when memory is out */
void pl_slab_free(struct pl_slab *s, void *obj); /* NULL is fine */

#endif
