/* Two texts with a zero byte between them: what the encoder makes of them decodes to the second; and the second as a patch of the first is
 * taken or refused within its bounds. */
#include "base/check.h"
#include "codec/fossil.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = size != 0 ? memchr(data, 0, size) : NULL;
    struct pl_slice a = pl_slice(data, cut != NULL ? (size_t)(cut - data) : size);
    struct pl_slice b = cut != NULL ? pl_slice(cut + 1, size - a.len - 1) : a;
    struct pl_buf patch = pl_buf_init(1 << 20), made = pl_buf_init(1 << 20);
    struct pl_scratch scratch = pl_scratch_init(1 << 20);

    if (pl_fossil_decode(a, b, 4096, &made) == PL_OK)
        PL_ASSERT(made.len <= 4096);
    pl_buf_clear(&made);
    if (pl_fossil_encode(a, b, false, &scratch, &patch)) {
        PL_ASSERT(patch.len < b.len && pl_fossil_decode(a, pl_buf_slice(&patch), b.len, &made) == PL_OK);
        PL_ASSERT(pl_slice_eq(pl_buf_slice(&made), b));
    }
    pl_buf_fini(&patch);
    pl_buf_fini(&made);
    pl_scratch_fini(&scratch);
    return 0;
}
