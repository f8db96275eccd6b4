#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/slab.h"

static void objects_never_overlap_and_empty_pages_go_back(void **state)
{
    enum { N = 5000, SIZE = 176 };
    struct pl_slab s;
    uint8_t **objs = calloc(N, sizeof *objs);
    uint32_t r = 1;

    (void)state;
    pl_slab_init(&s, SIZE);
    for (int step = 0; step < 40000; step++) {
        uint32_t i = (r = r * 1664525u + 1013904223u) >> 8; /* Numerical Recipes' generator: any order will do */

        i %= N;
        if (objs[i] == NULL) {
            objs[i] = pl_slab_alloc(&s);
            assert_non_null(objs[i]);
            assert_int_equal((uintptr_t)objs[i] % 8, 0);
            memset(objs[i], (int)(i % 251), SIZE);
        } else {
            for (int b = 0; b < SIZE; b++)
                assert_int_equal(objs[i][b], i % 251);
            pl_slab_free(&s, objs[i]);
            objs[i] = NULL;
        }
    }
    for (int i = 0; i < N; i++)
        pl_slab_free(&s, objs[i]);
    assert_int_equal(s.n_used, 0);
    assert_true(s.n_pages <= 1); /* the spare */
    pl_slab_fini(&s);
    assert_int_equal(s.n_pages, 0);
    free(objs);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(objects_never_overlap_and_empty_pages_go_back) };

    return cmocka_run_group_tests_name("base/slab", tests, NULL, NULL);
}
