/* Tokens: the input as a token, and as the claims of one. Whatever verifies was spelled as we would spell it. */
#include "base/check.h"
#include "codec/b64.h"
#include "codec/jwt.h"

static bool never(struct pl_slice aud, void *arg)
{
    (void)aud;
    (void)arg;
    return false;
}

static void read_claims(const struct pl_jwt *t, struct pl_slice user_claim, struct pl_scratch *scratch)
{
    struct pl_jwt_claims c;
    struct pl_slice channel;
    struct pl_jwt_sub sub;
    enum pl_err err = pl_jwt_claims(t, user_claim, scratch, &c);
    struct pl_walk w;

    PL_ASSERT(err == PL_OK || err == PL_EINVAL || err == PL_ETOOBIG);
    if (err != PL_OK)
        return;
    PL_ASSERT(!pl_jwt_audience(&c, scratch, never, NULL));
    PL_ASSERT(pl_jwt_expires_at(&c) >= 0);
    for (w = pl_walk(c.subs); err == PL_OK;)
        err = pl_jwt_walk_subs(&w, scratch, &channel, &sub);
    PL_ASSERT(err == PL_ENOENT || err == PL_EINVAL || err == PL_ETOOBIG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_scratch scratch = pl_scratch_init(64 * 1024);
    struct pl_jwt_hmac *key = pl_jwt_hmac_new(PL_LIT("secret"));
    struct pl_buf again = pl_buf_init(64 * 1024);
    struct pl_slice in = pl_slice(data, size);
    struct pl_jwt t;

    PL_ASSERT(key != NULL);
    if (pl_jwt_parse(in, &scratch, &t) == PL_OK) {
        read_claims(&t, pl_slice(NULL, 0), &scratch);
        if (pl_jwt_hmac_verify(key, &t) == PL_OK) {
            pl_buf_slice_put(&again, t.signed_text);
            pl_buf_byte(&again, '.');
            pl_b64_encode(&again, PL_B64_URL, t.signature);
            PL_ASSERT(pl_slice_eq(in, pl_buf_slice(&again)));
        }
    }
    pl_scratch_reset(&scratch);
    t = (struct pl_jwt){ .payload = in };
    read_claims(&t, pl_slice(NULL, 0), &scratch);
    read_claims(&t, PL_LIT("uid"), &scratch);
    pl_jwt_hmac_free(&key);
    pl_buf_fini(&again);
    pl_scratch_fini(&scratch);
    return 0;
}
