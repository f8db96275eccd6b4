/* Request and response heads: byte by byte gives the same verdict as at once, and what is accepted keeps its promises. */
#include "base/check.h"
#include "codec/http1_head.h"
#include "codec/http1_resp_parse.h"

static void request(struct pl_slice in)
{
    static struct pl_http1_head whole, step;
    struct pl_http1_refusal why_whole = { 0 }, why = { 0 };
    struct pl_http1_scan scan = { 0 };
    enum pl_err err = pl_http1_head_parse(in, NULL, &scan, &whole, &why_whole), err_step = PL_MORE;

    scan = (struct pl_http1_scan){ 0 };
    for (size_t n = 0; n <= in.len && err_step == PL_MORE; n++)
        err_step = pl_http1_head_parse(pl_slice(in.p, n), NULL, &scan, &step, &why);
    PL_ASSERT(err == err_step && why.status == why_whole.status);
    if (err != PL_OK)
        return;
    PL_ASSERT(whole.len == step.len && whole.len <= in.len && whole.len <= PL_HTTP1_HEAD_BYTES);
    PL_ASSERT(whole.path.len > 0 && (whole.path.p[0] == '/' || whole.path.len == 1));
    PL_ASSERT(!(whole.has_length && whole.is_chunked));
    PL_ASSERT(pl_http1_head_count(&whole, PL_LIT("host")) == 1 || whole.minor == 0);
    PL_ASSERT(pl_http1_head_count(&whole, PL_LIT("content-length")) == (whole.has_length ? 1 : 0));
    PL_ASSERT(pl_http1_head_count(&whole, PL_LIT("transfer-encoding")) == (whole.is_chunked ? 1 : 0));
    for (size_t i = 0; i < whole.n_fields; i++) {
        PL_ASSERT(pl_http1_is_token(whole.fields[i].name));
        for (size_t k = 0; k < whole.fields[i].value.len; k++)
            PL_ASSERT(whole.fields[i].value.p[k] >= ' ' || whole.fields[i].value.p[k] == '\t');
    }
}

static void response(struct pl_slice in)
{
    static struct pl_http1_resp r;
    struct pl_http1_scan scan = { 0 };
    enum pl_err err = pl_http1_resp_parse(in, false, &scan, &r, NULL), err_step = PL_MORE;

    scan = (struct pl_http1_scan){ 0 };
    for (size_t n = 0; n <= in.len && err_step == PL_MORE; n++)
        err_step = pl_http1_resp_parse(pl_slice(in.p, n), false, &scan, &r, NULL);
    PL_ASSERT(err == err_step);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    request(pl_slice(p, len));
    response(pl_slice(p, len));
    return 0;
}
