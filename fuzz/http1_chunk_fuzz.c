/* Chunked bodies: cut anywhere, the decoder gives the same body and verdict. The first byte chooses the cut. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "codec/http1_chunk.h"

enum { LIMIT = 1 << 20 };

static enum pl_err decode(const uint8_t *p, size_t len, size_t step, struct pl_buf *out, size_t *ret_used)
{
    struct pl_http1_chunk c = { 0 };
    enum pl_err err = PL_MORE;
    size_t at = 0;

    while (at < len && err == PL_MORE) {
        size_t n = len - at < step ? len - at : step, n_body, used;
        uint8_t *piece = malloc(n);

        PL_ASSERT(piece != NULL);
        memcpy(piece, p + at, n);
        err = pl_http1_chunk_decode(&c, piece, n, LIMIT, &n_body, &used);
        if (err == PL_OK || err == PL_MORE) {
            PL_ASSERT(n_body <= used && used <= n && pl_http1_chunk_is_sane(&c));
            pl_buf_put(out, piece, n_body);
            at += used;
        }
        free(piece);
    }
    *ret_used = at;
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct pl_buf a = pl_buf_init(SIZE_MAX / 2), b = pl_buf_init(SIZE_MAX / 2);
    size_t used_a, used_b;
    enum pl_err err_a, err_b;

    if (len < 2)
        return 0;
    err_a = decode(p + 1, len - 1, len, &a, &used_a);
    err_b = decode(p + 1, len - 1, (size_t)p[0] % 16 + 1, &b, &used_b);
    PL_ASSERT(err_a == err_b);
    if (err_a == PL_OK || err_a == PL_MORE)
        PL_ASSERT(used_a == used_b && pl_slice_eq(pl_buf_slice(&a), pl_buf_slice(&b)));
    pl_buf_fini(&a);
    pl_buf_fini(&b);
    return 0;
}
