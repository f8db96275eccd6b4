/* A filter in Protobuf, a newline, tags: any filter is taken or refused, and what is taken matches or not without reading elsewhere. */
#include "base/check.h"
#include "codec/json.h"
#include "codec/tagfilter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = size != 0 ? memchr(data, '\n', size) : NULL;
    struct pl_slice filter = pl_slice(data, cut != NULL ? (size_t)(cut - data) : size);
    struct pl_slice tags = cut != NULL ? pl_slice(cut + 1, size - filter.len - 1) : PL_LIT("{\"a\":\"1\"}");
    struct pl_tagfilter_node nodes[PL_TAGFILTER_NODES_MAX];
    struct pl_scratch scratch = pl_scratch_init(65536);
    struct pl_buf text = pl_buf_init(65536);
    size_t n;

    if (pl_tagfilter_parse(filter, nodes, &n) == PL_OK) {
        PL_ASSERT(n > 0 && n <= PL_TAGFILTER_NODES_MAX && nodes[0].end == n);
        (void)pl_tagfilter_match(nodes, n, tags);
    }
    if (pl_json_check(tags) == PL_OK && pl_tagfilter_json(tags, &scratch, &text) == PL_OK &&
        pl_tagfilter_parse(pl_buf_slice(&text), nodes, &n) == PL_OK)
        (void)pl_tagfilter_match(nodes, n, tags);
    pl_buf_fini(&text);
    pl_scratch_fini(&scratch);
    return 0;
}
