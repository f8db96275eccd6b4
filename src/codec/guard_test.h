/* codec/guard_test.h - test helper: bytes that end at a page nobody may touch, so that reading one too many crashes. */
#ifndef PL_CODEC_GUARD_TEST_H
#define PL_CODEC_GUARD_TEST_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/slice.h"

struct guard {
    uint8_t *map, *end; /* owned mapping; first byte of the forbidden page */
    size_t size;
};

static inline struct guard guard_init(size_t max)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (max / page + 1) * page;
    struct guard g = { mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), NULL, room };

    PL_ASSERT(g.map != MAP_FAILED && mprotect(g.map + room, page, PROT_NONE) == 0);
    g.end = g.map + room;
    return g;
}

static inline void guard_fini(struct guard *g)
{
    (void)munmap(g->map, g->size + (size_t)sysconf(_SC_PAGESIZE)); /* the test ends anyway */
}

/* Copy of the bytes at the very end of the map; the previous one is gone. */
static inline uint8_t *guard_put(struct guard *g, const void *p, size_t len)
{
    PL_ASSERT(len <= g->size);
    if (len > 0)
        memcpy(g->end - len, p, len);
    return g->end - len;
}

#endif
