#include "codec/scratch.h"

#include <stdlib.h>

enum { SCRATCH_BLOCK = 1024, SCRATCH_KEEP = 4096, SCRATCH_ALIGN = 16 };

struct pl_scratch_block {
    struct pl_scratch_block *next;
    size_t used, cap;
    uint8_t bytes[];
};

uint8_t *pl_scratch_bytes(struct pl_scratch *s, size_t n)
{
    struct pl_scratch_block *b = s->blocks;
    uint8_t *p;

    if (n > s->limit - s->n_bytes)
        return NULL;
    if (b == NULL || n > b->cap - b->used) {
        size_t cap = n > SCRATCH_BLOCK ? n : SCRATCH_BLOCK;

        b = malloc(sizeof *b + cap);
        if (b == NULL)
            return NULL;
        b->next = s->blocks;
        b->used = 0;
        b->cap = cap;
        s->blocks = b;
    }
    p = b->bytes + b->used;
    b->used += n;
    s->n_bytes += n;
    return p;
}

void *pl_scratch_alloc(struct pl_scratch *s, size_t n)
{
    uint8_t *p = n <= SIZE_MAX - SCRATCH_ALIGN ? pl_scratch_bytes(s, n + SCRATCH_ALIGN - 1) : NULL;

    return p != NULL ? p + (SCRATCH_ALIGN - (uintptr_t)p % SCRATCH_ALIGN) % SCRATCH_ALIGN : NULL;
}

void pl_scratch_reset(struct pl_scratch *s)
{
    struct pl_scratch_block *keep = NULL;

    while (s->blocks != NULL) {
        struct pl_scratch_block *b = s->blocks;

        s->blocks = b->next;
        if (keep == NULL && b->cap <= SCRATCH_KEEP)
            keep = b;
        else
            free(b);
    }
    if (keep != NULL) {
        keep->next = NULL;
        keep->used = 0;
    }
    s->blocks = keep;
    s->n_bytes = 0;
}

void pl_scratch_fini(struct pl_scratch *s)
{
    while (s->blocks != NULL) {
        struct pl_scratch_block *b = s->blocks;

        s->blocks = b->next;
        free(b);
    }
    s->n_bytes = 0;
}
