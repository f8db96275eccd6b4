/* PROXY protocol headers: what is accepted lies inside the input, and its proper prefixes want more. */
#include "base/check.h"
#include "codec/proxyproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct pl_proxy_head h, part;
    enum pl_err err = pl_proxyproto_parse(pl_slice(p, len), &h);

    if (err != PL_OK)
        return 0;
    PL_ASSERT(h.len <= len && h.len <= PL_PROXY_V2_MAX);
    PL_ASSERT(h.src.family == h.dst.family || h.src.family == 6 || h.dst.family == 6); /* mapped addresses differ */
    for (size_t n = 0; n < h.len; n++)
        PL_ASSERT(pl_proxyproto_parse(pl_slice(p, n), &part) == PL_MORE);
    return 0;
}
