/* Tokens: the input as a token, as the claims of one, and as a public key. Whatever verifies was spelled as we would spell it. */
#include "base/check.h"
#include "codec/b64.h"
#include "codec/jwt_key.h"

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

static const char rsa_pem[] = "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyxcZYWv0E2r8wf8zKuqb\n"
    "6i61Tdp3WwGKvAE9Zv/JqQlxd8mLgeVzHkkZWCJ67vPaWcGbgBuGL+QpBk3gFoNX\n"
    "coQjQY0p3Z0lwnSulNPy3IeVlrmYWhzw+BlJP8wzNFMTwHBF7XypbQgn/HILwiGT\n"
    "Ud0J1eewpfzOzCLnbU/Wof9DJ42bTQTYm3chqERxdkqcNF8CoPFKwl08n3EYUM9+\n"
    "U83znmRazqb1iXamec9kOcS6bh2tYyj23Vl/N4rbqpG2EU5KW3W2vT0Zf59bpRdn\n"
    "tUtjBSMXeNav0v9rFaGeVQs1TEzknnksTkHgbUzx2xYUxsrQfXRIsstpRPA8qYe+\n"
    "xwIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
static const char ec_pem[] = "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvLv56mukIm3eBIcS5qvrNOELazfG\n"
    "uwjxqPFyl9d7USUGeUdZ7ofK9djNNSvIyBEEHngDGc/3zk+B5jb+CXEBrw==\n"
    "-----END PUBLIC KEY-----\n";
static const char ed_pem[] = "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAwMl8iPfkbbpZ8czVWPKEqUpUfN1v9FpZMuJ5j0lgvmI=\n"
    "-----END PUBLIC KEY-----\n";

/* Keys whose private halves are not here: nothing verifies. Any text may be tried as one. */
static void try_keys(struct pl_slice in, const struct pl_jwt *t)
{
    static const char *const pems[PL_JWT_N_KINDS] = { rsa_pem, ec_pem, ed_pem };

    for (unsigned kind = 0; kind < PL_JWT_N_KINDS; kind++) {
        struct pl_buf why = pl_buf_init(1024);
        struct pl_jwt_key *key = NULL;
        enum pl_err err = pl_jwt_key_new(t != NULL ? pl_slice_str(pems[kind]) : in, (enum pl_jwt_kind)kind, &key, &why);

        PL_ASSERT(err == PL_OK || (t == NULL && err == PL_EINVAL && why.len != 0));
        if (t != NULL) {
            struct pl_jwt_verifier *v = pl_jwt_verifier_new(key);

            PL_ASSERT(v != NULL && pl_jwt_verify(v, t) == PL_EINVAL);
            pl_jwt_verifier_free(&v);
        }
        pl_jwt_key_free(&key);
        pl_buf_fini(&why);
    }
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
        try_keys(in, &t);
        if (pl_jwt_hmac_verify(key, &t) == PL_OK) {
            pl_buf_slice_put(&again, t.signed_text);
            pl_buf_byte(&again, '.');
            pl_b64_encode(&again, PL_B64_URL, t.signature);
            PL_ASSERT(pl_slice_eq(in, pl_buf_slice(&again)));
        }
    }
    try_keys(in, NULL);
    pl_scratch_reset(&scratch);
    t = (struct pl_jwt){ .payload = in };
    read_claims(&t, pl_slice(NULL, 0), &scratch);
    read_claims(&t, PL_LIT("uid"), &scratch);
    pl_jwt_hmac_free(&key);
    pl_buf_fini(&again);
    pl_scratch_fini(&scratch);
    return 0;
}
