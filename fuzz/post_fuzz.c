/* Whatever an HTTP server answers: each request is answered exactly once, in order, and never more than were asked. */
#include <stdlib.h>

#include "base/check.h"
#include "lib/post.h"

enum { ASKED = 5 };

static void on_answer(struct pl_post *p, uint64_t tag, unsigned status, struct pl_slice body)
{
    uint64_t *next = p->user;
    struct pl_scratch scratch = pl_scratch_init(4096);
    struct pl_post_result r;

    PL_ASSERT(tag == (*next)++);
    PL_ASSERT(status == 0 || (status >= 200 && status <= 599));
    if (pl_post_result_parse(body, &scratch, &r) == PL_OK)
        PL_ASSERT(r.message.len <= body.len && r.epoch.len <= body.len);
    pl_scratch_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pl_post_setup setup = { PL_LIT_INIT("h"), PL_LIT_INIT("k"), PL_LIT_INIT("/api") };
    size_t piece = size > 0 && data[0] != 0 ? data[0] : SIZE_MAX;
    struct pl_post p;
    uint64_t next = 0;
    enum pl_err err = PL_OK;

    pl_post_init(&p, &setup, on_answer);
    p.user = &next;
    for (uint64_t i = 0; i < ASKED; i++)
        PL_ASSERT(pl_post_put(&p, "info", PL_LIT("{}"), i) == PL_OK);
    for (size_t at = size > 0 ? 1 : 0; at < size && err == PL_OK;) {
        size_t n = size - at < piece ? size - at : piece;
        uint8_t *copy = malloc(n);

        PL_ASSERT(copy != NULL);
        memcpy(copy, data + at, n);
        err = pl_post_input(&p, pl_slice(copy, n));
        free(copy);
        at += n;
    }
    pl_post_lost(&p);
    PL_ASSERT(next == ASKED && pl_post_under_way(&p) == 0);
    pl_post_fini(&p);
    return 0;
}
