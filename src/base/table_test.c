#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/table.h"

struct item {
    struct pl_tnode node;
    uint32_t key;
    bool is_in;
};

static uint64_t key_hash(uint32_t key)
{
    struct pl_hash_key k = { 7, 9 };

    return key % 5 == 0 ? 42 : pl_hash(k, pl_slice(&key, sizeof key)); /* every fifth key collides entirely */
}

static struct item *item_find(struct pl_table *t, uint32_t key)
{
    for (struct pl_tnode *n = pl_table_find(t, key_hash(key)); n != NULL; n = pl_table_same(n))
        if (PL_OF(n, struct item, node)->key == key)
            return PL_OF(n, struct item, node);
    return NULL;
}

static void item_drop_odd(struct pl_tnode *n, void *arg)
{
    struct item *it = PL_OF(n, struct item, node);

    if (it->key % 2 == 1) {
        pl_table_remove(arg, n);
        it->is_in = false;
    }
}

static void a_table_holds_what_a_plain_array_says_it_holds(void **state)
{
    enum { N = 3000 };
    struct item *items = calloc(N, sizeof *items);
    struct pl_table t;
    uint32_t seed = 12345;
    size_t n_in = 0;

    (void)state;
    pl_table_init(&t);
    for (uint32_t i = 0; i < N; i++)
        items[i].key = i;
    for (int step = 0; step < 60000; step++) {
        struct item *it;

        seed = seed * 1664525 + 1013904223;
        it = &items[(seed >> 8) % N];
        /* mostly inserts first, mostly removals later, so that it grows and shrinks */
        if (!it->is_in && (step < 30000 || (seed & 3) == 0)) {
            assert_true(pl_table_insert(&t, &it->node, key_hash(it->key)));
            it->is_in = true;
            n_in++;
        } else if (it->is_in && (step >= 30000 || (seed & 3) == 0)) {
            pl_table_remove(&t, &it->node);
            it->is_in = false;
            n_in--;
        }
        assert_int_equal(t.n, n_in);
        it = &items[seed % N];
        assert_ptr_equal(item_find(&t, it->key), it->is_in ? it : NULL);
    }
    for (uint32_t i = 0; i < N; i++)
        assert_ptr_equal(item_find(&t, i), items[i].is_in ? &items[i] : NULL);
    pl_table_each(&t, item_drop_odd, &t);
    for (uint32_t i = 0; i < N; i++)
        assert_ptr_equal(item_find(&t, i), items[i].is_in ? &items[i] : NULL);
    pl_table_fini(&t);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_table_holds_what_a_plain_array_says_it_holds) };

    return cmocka_run_group_tests_name("base/table", tests, NULL, NULL);
}
