/* Bytes of a stranger as a record: every field lies inside, and what was read and written again reads the same. */
#include "base/check.h"
#include "base/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEPTH = 8 };

static void walk(struct pl_rec_in in, const uint8_t *end, int depth, struct pl_rec_out *copy)
{
    struct pl_rec_field f;

    while (pl_rec_next(&in, &f) == PL_OK) {
        PL_ASSERT(f.value.p + f.value.len <= end);
        (void)pl_rec_get_u64(&f);
        if (copy != NULL)
            pl_rec_bytes(copy, f.tag, f.value);
        if (depth > 0)
            walk(pl_rec_nested(&f), f.value.p + f.value.len, depth - 1, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_rec_in in, again, copied;
    struct pl_buf b = pl_buf_init(SIZE_MAX / 2);
    struct pl_rec_out out = { &b };
    struct pl_rec_field f, g;
    uint32_t version;

    if (pl_rec_open(pl_slice(data, size), &version, &in) == PL_OK)
        PL_ASSERT(in.rest.p + in.rest.len == data + size);
    in.rest = pl_slice(data, size); /* as the inside, too */
    walk(in, data + size, DEPTH, &out);
    pl_rec_seal(&b, 0, 7);
    PL_ASSERT(pl_rec_open(pl_buf_slice(&b), &version, &copied) == PL_OK && version == 7);
    again = in;
    while (pl_rec_next(&again, &f) == PL_OK) {
        if (f.value.len == 0)
            continue; /* left out when written */
        PL_ASSERT(pl_rec_next(&copied, &g) == PL_OK && g.tag == f.tag && pl_slice_eq(g.value, f.value));
    }
    PL_ASSERT(pl_rec_next(&copied, &g) == PL_ENOENT);
    pl_buf_fini(&b);
    return 0;
}
