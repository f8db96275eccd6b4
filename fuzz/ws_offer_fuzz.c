/* Headers of a handshake, one per line "name: value", into ws_hand; and the whole input as an extension offer. What is
 * answered must be understood by our own client. */
#include "base/check.h"
#include "codec/ws_hand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_offer(struct pl_slice offer)
{
    struct pl_ws_deflate d, back;
    char answer[PL_WS_EXT_MAX];
    enum pl_err err;

    for (int policy = PL_WS_DEFLATE_SHARED; policy <= PL_WS_DEFLATE_FULL; policy++) {
        pl_ws_ext_choose(offer, (enum pl_ws_deflate_policy)policy, &d);
        if (!d.is_on)
            continue;
        err = pl_ws_ext_accept(pl_slice(answer, pl_ws_ext_answer(&d, answer)), &back);
        PL_ASSERT(err == PL_OK && back.server_takeover == d.server_takeover && back.client_takeover == d.client_takeover);
        PL_ASSERT(back.client_bits == d.client_bits);
        PL_ASSERT(policy != PL_WS_DEFLATE_FULL || back.server_bits == d.server_bits);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pl_slice known[] = { PL_LIT_INIT("centrifuge-json"), PL_LIT_INIT("centrifuge-protobuf") };
    static const struct pl_ws_hand_opts opts = { known, 2, PL_WS_DEFLATE_SHARED };
    struct pl_slice rest = pl_slice(data, size), line;
    struct pl_buf out = pl_buf_init(4096);
    const uint8_t *end, *colon;
    enum pl_ws_refusal why;
    struct pl_ws_hand h;

    check_offer(rest);
    pl_ws_hand_init(&h, &opts);
    while (rest.len > 0) {
        end = memchr(rest.p, '\n', rest.len);
        line = pl_slice(rest.p, end != NULL ? (size_t)(end - rest.p) : rest.len);
        rest = pl_slice_from(rest, end != NULL ? line.len + 1 : line.len);
        colon = memchr(line.p, ':', line.len);
        if (colon == NULL || line.p + line.len - colon < 2)
            continue;
        pl_ws_hand_header(&h, pl_slice(line.p, (size_t)(colon - line.p)), pl_slice_from(line, (size_t)(colon - line.p) + 2));
    }
    why = pl_ws_hand_check(&h, true, true);
    if (why == PL_WS_HAND_OK) {
        pl_ws_hand_answer(&h, PL_LIT(""), &out);
        PL_ASSERT(pl_buf_ok(&out));
    } else {
        PL_ASSERT(pl_ws_refusal_row(why)->status >= 400);
    }
    pl_buf_fini(&out);
    return 0;
}
