#include "base/slab.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_IS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_IS_MALLOC 1
#endif
#endif
#ifndef SLAB_IS_MALLOC
#define SLAB_IS_MALLOC 0
#endif

enum { POISON = 0xdb };

struct page {
    struct pl_list link;   /* of slab->partial; to itself while full */
    void *free;            /* first freed object; each holds the next */
    uint32_t n_used;
    uint32_t n_fresh;      /* objects from here on were never handed out */
    uint8_t objects[];
};

void pl_slab_init(struct pl_slab *s, size_t obj_size)
{
    PL_ASSERT(obj_size >= sizeof(void *) && obj_size <= PL_SLAB_PAGE / 8);
    pl_list_init(&s->partial);
    s->spare = NULL;
    s->obj_size = (uint32_t)((obj_size + 7) / 8 * 8);
    s->per_page = (PL_SLAB_PAGE - (uint32_t)sizeof(struct page)) / s->obj_size;
    s->n_used = s->n_pages = 0;
}

/* A page is found from its object by its alignment: map twice as much and give back what sticks out. */
static struct page *page_map(void)
{
    uint8_t *p = mmap(NULL, 2 * PL_SLAB_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (p == MAP_FAILED)
        return NULL;
    before = (PL_SLAB_PAGE - (uintptr_t)p % PL_SLAB_PAGE) % PL_SLAB_PAGE;
    if (before > 0)
        (void)munmap(p, before); /* fails only when the process has too many mappings: then the piece stays */
    (void)munmap(p + before + PL_SLAB_PAGE, PL_SLAB_PAGE - before);
    return (struct page *)(void *)(p + before);
}

static void page_unmap(struct pl_slab *s, struct page *page)
{
    (void)munmap(page, PL_SLAB_PAGE); /* same */
    s->n_pages--;
}

void pl_slab_fini(struct pl_slab *s)
{
    PL_ASSERT(s->n_used == 0);
    if (s->spare != NULL)
        page_unmap(s, s->spare);
    s->spare = NULL;
    PL_ASSERT(s->n_pages == 0);
}

static struct page *page_with_room(struct pl_slab *s)
{
    struct page *page;

    if (!pl_list_is_empty(&s->partial))
        return PL_OF(s->partial.next, struct page, link);
    page = s->spare;
    s->spare = NULL;
    if (page == NULL) {
        page = page_map();
        if (page == NULL)
            return NULL;
        s->n_pages++;
        page->free = NULL;
        page->n_used = page->n_fresh = 0;
    }
    pl_list_push_back(&s->partial, &page->link);
    return page;
}

void *pl_slab_alloc(struct pl_slab *s)
{
    struct page *page;
    void *obj;

    if (SLAB_IS_MALLOC) {
        obj = malloc(s->obj_size);
        s->n_used += obj != NULL;
        return obj;
    }
    page = page_with_room(s);
    if (page == NULL)
        return NULL;
    obj = page->free;
    if (obj != NULL)
        memcpy(&page->free, obj, sizeof page->free);
    else
        obj = page->objects + (size_t)page->n_fresh++ * s->obj_size;
    if (++page->n_used == s->per_page)
        pl_list_remove(&page->link);
    s->n_used++;
    return obj;
}

void pl_slab_free(struct pl_slab *s, void *obj)
{
    struct page *page;

    if (obj == NULL)
        return;
    PL_ASSERT(s->n_used > 0);
    s->n_used--;
    if (SLAB_IS_MALLOC) {
        free(obj);
        return;
    }
    page = (struct page *)(void *)((uintptr_t)obj & ~(uintptr_t)(PL_SLAB_PAGE - 1));
    PL_DEBUG_ASSERT(((size_t)((uint8_t *)obj - page->objects)) % s->obj_size == 0);
#ifdef PL_DEBUG
    memset(obj, POISON, s->obj_size);
#endif
    memcpy(obj, &page->free, sizeof page->free);
    page->free = obj;
    if (page->n_used-- == s->per_page) { /* was full: it is filled up first, so that others can become empty */
        page->link.next = s->partial.next;
        page->link.prev = &s->partial;
        s->partial.next->prev = &page->link;
        s->partial.next = &page->link;
    }
    if (page->n_used > 0)
        return;
    pl_list_remove(&page->link);
    if (s->spare == NULL)
        s->spare = page;
    else
        page_unmap(s, page);
}
