#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "codec/b64.h"
#include "codec/jwt.h"

/* Made with Python's hmac module: key "secret", {"sub":"42","exp":1900000000}. */
#define SIGNED "eyJzdWIiOiI0MiIsImV4cCI6MTkwMDAwMDAwMH0"
#define HS256 "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." SIGNED ".HqH86KS2kVBy_FrFqMTQUOeQBOH6i7TGTH_htz2F-T4"
#define HS384 "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9." SIGNED ".95rU-quNVEVPvhcNxcA7KWYfqtSggMac-X04ppFaKnxSPB0cOwZAeyL7mqUSA8Xm"
#define HS512 "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9." SIGNED ".QNJzBNr4Oa6-p7IAh8SU_8uHBitiTw-2lPNVVS6deZbKIv9CBsS4ykaJsZOZv_OnEzxyg2q3IjSDyaW-MHevwA"

/* The example of RFC 7515 A.1. */
#define RFC_KEY "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
#define RFC_TOKEN "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." \
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

struct fixture {
    struct pl_scratch scratch;
    struct pl_jwt_hmac *key;
    struct pl_buf out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->scratch = pl_scratch_init(32 * 1024);
    f->key = pl_jwt_hmac_new(PL_LIT("secret"));
    f->out = pl_buf_init(64 * 1024);
    assert_non_null(f->key);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pl_buf_fini(&f->out);
    pl_jwt_hmac_free(&f->key);
    pl_scratch_fini(&f->scratch);
    free(f);
    return 0;
}

static enum pl_err verify(struct fixture *f, struct pl_slice token, struct pl_jwt *ret)
{
    enum pl_err err = pl_jwt_parse(token, &f->scratch, ret);

    return err == PL_OK ? pl_jwt_hmac_verify(f->key, ret) : err;
}

static void tokens_of_other_makers_verify(void **state)
{
    static const char *const tokens[] = { HS256, HS384, HS512 };
    struct fixture *f = *state;
    uint8_t secret[64];
    struct pl_jwt_claims c;
    struct pl_jwt t;
    size_t n;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(verify(f, pl_slice_str(tokens[i]), &t), PL_OK);
        assert_int_equal(pl_jwt_claims(&t, pl_slice(NULL, 0), &f->scratch, &c), PL_OK);
        assert_true(pl_slice_eq(c.user, PL_LIT("42")) && c.has_exp && c.exp == 1900000000);
    }
    assert_int_equal(pl_b64_decode(PL_B64_URL, PL_LIT(RFC_KEY), secret, &n), PL_OK);
    pl_jwt_hmac_free(&f->key);
    f->key = pl_jwt_hmac_new(pl_slice(secret, n));
    assert_int_equal(verify(f, PL_LIT(RFC_TOKEN), &t), PL_OK);
}

static void every_changed_character_and_every_prefix_is_refused(void **state)
{
    struct fixture *f = *state;
    char token[] = HS256;
    struct pl_jwt t;

    for (size_t i = 0; i < sizeof token - 1; i++) {
        char was = token[i];

        token[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify(f, pl_slice(token, sizeof token - 1), &t), PL_OK);
        token[i] = was;
        assert_int_equal(verify(f, pl_slice(token, i), &t), PL_EINVAL);
        pl_scratch_reset(&f->scratch);
    }
    assert_int_equal(verify(f, pl_slice(token, sizeof token - 1), &t), PL_OK);
}

/* header '.' claims '.' and 32 bytes that are no signature of it. */
static struct pl_slice forge(struct fixture *f, const char *header, const char *claims)
{
    pl_buf_clear(&f->out);
    pl_b64_encode(&f->out, PL_B64_URL, pl_slice_str(header));
    pl_buf_byte(&f->out, '.');
    pl_b64_encode(&f->out, PL_B64_URL, pl_slice_str(claims));
    pl_buf_byte(&f->out, '.');
    pl_b64_encode(&f->out, PL_B64_URL, PL_LIT("0123456789abcdef0123456789abcdef"));
    return pl_buf_slice(&f->out);
}

static const char *const bad_headers[] = {
    "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"\"}", "{}", "{\"alg\":null}", "{\"alg\":\"XX256\"}", "{\"alg\":\"hs256\"}", "{\"ALG\":\"HS256\"}",
    "{\"alg\":\"RS1\"}", "{\"alg\":\"EDDSA\"}", "{\"alg\":\"HS256\",\"b64\":false}", "{\"alg\":\"HS256\",\"kid\":\"\\t\"}",
    "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{\"alg\":\"HS256\",\"crit\":null}",
    "{\"alg\":[\"HS256\"]}", "[]", "", "{\"alg\":\"HS256\"}x", "{\"alg\":\"HS256\",\"kid\":1}",
};

static void bad_headers_are_refused_before_any_key(void **state)
{
    struct fixture *f = *state;
    struct pl_jwt t;

    for (size_t i = 0; i < sizeof bad_headers / sizeof bad_headers[0]; i++) {
        enum pl_err err = pl_jwt_parse(forge(f, bad_headers[i], "{}"), &f->scratch, &t);

        if (err != PL_EINVAL && err != PL_EUNSUP)
            fail_msg("%s", bad_headers[i]);
    }
    assert_int_equal(pl_jwt_parse(forge(f, "{\"alg\":\"none\"}", "{}"), &f->scratch, &t), PL_EUNSUP);
    assert_int_equal(pl_jwt_parse(forge(f, "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"JWT\"}", "{}"), &f->scratch, &t), PL_OK);
    assert_true(pl_slice_eq(t.kid, PL_LIT("k1")));
    assert_int_equal(pl_jwt_hmac_verify(f->key, &t), PL_EINVAL);
}

static void misshapen_tokens_are_refused(void **state)
{
    static const char *const bad[] = {
        "", ".", "..", "...", "abc", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." SIGNED, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." SIGNED ".",
        HS256 ".", HS256 "=", HS256 "A", " " HS256, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9..HqH86KS2kVBy_FrFqMTQUOeQBOH6i7TGTH_htz2F-T4",
        /* the last character has two spare bits: this one differs in them alone */
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." SIGNED ".HqH86KS2kVBy_FrFqMTQUOeQBOH6i7TGTH_htz2F-T5",
    };
    struct fixture *f = *state;
    struct pl_jwt t;
    char *big = malloc(PL_JWT_MAX + 1);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (verify(f, pl_slice_str(bad[i]), &t) != PL_EINVAL)
            fail_msg("%s", bad[i]);
    assert_int_equal(pl_jwt_parse(forge(f, "{\"alg\":\"HS256\"}", "[]"), &f->scratch, &t), PL_EINVAL);
    assert_int_equal(pl_jwt_parse(forge(f, "{\"alg\":\"HS256\"}", "{} {}"), &f->scratch, &t), PL_EINVAL);
    memset(big, 'A', PL_JWT_MAX + 1);
    assert_int_equal(pl_jwt_parse(pl_slice(big, PL_JWT_MAX + 1), &f->scratch, &t), PL_EINVAL);
    free(big);
}

static enum pl_err claims_of(struct fixture *f, const char *json, const char *user_claim, struct pl_jwt_claims *ret)
{
    struct pl_jwt t = { .payload = pl_slice_str(json) };

    return pl_jwt_claims(&t, pl_slice_str(user_claim), &f->scratch, ret);
}

static void all_claims_are_read(void **state)
{
    struct fixture *f = *state;
    struct pl_slice channel;
    struct pl_jwt_claims c;
    struct pl_jwt_sub sub;
    struct pl_walk w;

    assert_int_equal(claims_of(f, "{\"sub\":\"u\",\"exp\":5,\"nbf\":4,\"iat\":3.9,\"expire_at\":-1,\"jti\":\"x\",\"iss\":\"i\",\"aud\":\"a\",\"channel\":\"c\","
                               "\"client\":\"cl\",\"info\":{\"a\":1},\"b64data\":\"eyJiIjoyfQ==\",\"data\":1,\"channels\":[\"x\"],\"meta\":{\"m\":1},"
                               "\"subs\":{\"s\":{\"b64info\":\"MQ==\",\"data\":{\"d\":1},\"override\":{\"presence\":{\"value\":false},\"force_recovery\":"
                               "{\"value\":true}}}},\"override\":{\"join_leave\":{\"value\":true}},\"other\":[1]}", "", &c), PL_OK);
    assert_true(pl_slice_eq(c.user, PL_LIT("u")) && c.exp == 5 && c.nbf == 4 && c.iat == 3 && c.has_expire_at && c.expire_at == -1);
    assert_true(c.has_channel && pl_slice_eq(c.channel, PL_LIT("c")) && pl_slice_eq(c.client, PL_LIT("cl")) && pl_slice_eq(c.info, PL_LIT("{\"a\":1}")));
    assert_true(pl_slice_eq(c.data, PL_LIT("{\"b\":2}")) && pl_slice_eq(c.channels, PL_LIT("[\"x\"]")) && c.meta.len == 7);
    assert_true(c.override.is_set && c.override.join_leave.is_set && c.override.join_leave.value && !c.override.presence.is_set);
    w = pl_walk(c.subs);
    assert_int_equal(pl_jwt_walk_subs(&w, &f->scratch, &channel, &sub), PL_OK);
    assert_true(pl_slice_eq(channel, PL_LIT("s")) && pl_slice_eq(sub.info, PL_LIT("1")) && pl_slice_eq(sub.data, PL_LIT("{\"d\":1}")));
    assert_true(sub.override.presence.is_set && !sub.override.presence.value && sub.override.force_recovery.value);
    assert_int_equal(pl_jwt_walk_subs(&w, &f->scratch, &channel, &sub), PL_ENOENT);
}

static const char *const bad_claims[] = {
    "{\"sub\":42}", "{\"exp\":\"5\"}", "{\"exp\":true}", "{\"exp\":1e300}", "{\"exp\":{}}", "{\"nbf\":[]}", "{\"expire_at\":1.5}", "{\"channels\":\"x\"}",
    "{\"channels\":[1]}", "{\"subs\":[]}", "{\"subs\":{\"a\":1}}", "{\"subs\":{\"a\":{\"override\":{\"presence\":true}}}}", "{\"aud\":5}", "{\"aud\":[5]}",
    "{\"aud\":{}}", "{\"channel\":1}", "{\"b64info\":\"***\"}", "{\"b64info\":1}", "{\"sub\":\"a\",\"sub\":\"b\"}", "{\"exp\":1,\"exp\":2}",
    "{\"exp\":null,\"\\u0065xp\":2}",
};

static void claims_of_wrong_types_are_refused(void **state)
{
    struct fixture *f = *state;
    struct pl_jwt_claims c;

    for (size_t i = 0; i < sizeof bad_claims / sizeof bad_claims[0]; i++)
        if (claims_of(f, bad_claims[i], "", &c) != PL_EINVAL)
            fail_msg("%s", bad_claims[i]);
}

static void another_claim_can_be_the_user(void **state)
{
    struct fixture *f = *state;
    struct pl_jwt_claims c;

    assert_int_equal(claims_of(f, "{\"sub\":7,\"uid\":\"u\"}", "uid", &c), PL_OK);
    assert_true(pl_slice_eq(c.user, PL_LIT("u")));
    assert_int_equal(claims_of(f, "{\"sub\":\"x\",\"u\\u0069d\":-12,\"exp\":9,\"expire_at\":8}", "uid", &c), PL_OK);
    assert_true(pl_slice_eq(c.user, PL_LIT("-12")) && c.has_exp && c.exp == 9 && c.has_expire_at && c.expire_at == 8);
    assert_int_equal(claims_of(f, "{\"sub\":\"x\"}", "uid", &c), PL_OK);
    assert_int_equal(c.user.len, 0);
    assert_int_equal(claims_of(f, "{\"uid\":null}", "uid", &c), PL_OK);
    assert_int_equal(claims_of(f, "{\"uid\":true}", "uid", &c), PL_EINVAL);
    assert_int_equal(claims_of(f, "{\"uid\":\"a\",\"uid\":\"b\"}", "uid", &c), PL_EINVAL);
}

static const struct { const char *claims; int64_t now; enum pl_err want; int64_t expires_at; } times[] = {
    { "{}", 100, PL_OK, 0 },
    { "{\"exp\":101}", 100, PL_OK, 101 },
    { "{\"exp\":100}", 100, PL_EEXPIRED, 100 },
    { "{\"exp\":0}", 100, PL_EEXPIRED, 0 },
    { "{\"exp\":-5}", 100, PL_EEXPIRED, 0 },
    { "{\"exp\":100.9}", 100, PL_EEXPIRED, 100 },
    { "{\"exp\":1.01e2}", 100, PL_OK, 101 },
    { "{\"exp\":null}", 100, PL_OK, 0 },
    { "{\"nbf\":100}", 100, PL_OK, 0 },
    { "{\"nbf\":101}", 100, PL_EEXPIRED, 0 },
    { "{\"iat\":700}", 100, PL_OK, 0 },
    { "{\"exp\":160,\"expire_at\":600}", 100, PL_OK, 600 },
    { "{\"exp\":160,\"expire_at\":0}", 100, PL_OK, 0 },
    { "{\"exp\":160,\"expire_at\":-1}", 100, PL_OK, 0 },
    { "{\"exp\":99,\"expire_at\":600}", 100, PL_EEXPIRED, 600 },
    { "{\"exp\":160,\"expire_at\":null}", 100, PL_OK, 160 },
};

static void time_claims_decide_without_leeway(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct pl_jwt_claims c;

        assert_int_equal(claims_of(f, times[i].claims, "", &c), PL_OK);
        if (pl_jwt_check_time(&c, times[i].now) != times[i].want || pl_jwt_expires_at(&c) != times[i].expires_at)
            fail_msg("%s", times[i].claims);
    }
}

static bool is_app(struct pl_slice aud, void *arg)
{
    ++*(int *)arg;
    return pl_slice_eq(aud, PL_LIT("app"));
}

static void an_audience_is_a_string_or_one_of_a_list(void **state)
{
    struct fixture *f = *state;
    struct pl_jwt_claims c;
    int n = 0;

    assert_int_equal(claims_of(f, "{\"aud\":\"\\u0061pp\"}", "", &c), PL_OK);
    assert_true(pl_jwt_audience(&c, &f->scratch, is_app, &n));
    assert_int_equal(claims_of(f, "{\"aud\":[\"x\",\"app\"]}", "", &c), PL_OK);
    assert_true(pl_jwt_audience(&c, &f->scratch, is_app, &n));
    assert_int_equal(claims_of(f, "{\"aud\":[\"x\"]}", "", &c), PL_OK);
    assert_false(pl_jwt_audience(&c, &f->scratch, is_app, &n));
    assert_int_equal(n, 4);
    assert_int_equal(claims_of(f, "{}", "", &c), PL_OK);
    assert_false(pl_jwt_audience(&c, &f->scratch, is_app, &n));
    assert_int_equal(n, 4);
}

static void what_we_sign_verifies(void **state)
{
    struct fixture *f = *state;
    struct pl_jwt t;

    for (unsigned alg = PL_JWT_HS256; alg <= PL_JWT_HS512; alg++) {
        pl_buf_clear(&f->out);
        assert_int_equal(pl_jwt_hmac_sign(f->key, (enum pl_jwt_alg)alg, PL_LIT("{\"sub\":\"42\",\"exp\":1900000000}"), &f->out), PL_OK);
        assert_int_equal(verify(f, pl_buf_slice(&f->out), &t), PL_OK);
    }
    pl_buf_clear(&f->out);
    assert_int_equal(pl_jwt_hmac_sign(f->key, PL_JWT_HS256, PL_LIT("{\"sub\":\"42\",\"exp\":1900000000}"), &f->out), PL_OK);
    assert_true(pl_slice_eq(pl_buf_slice(&f->out), PL_LIT(HS256)));
    assert_null(pl_jwt_hmac_new(PL_LIT("")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tokens_of_other_makers_verify),
        TEST(every_changed_character_and_every_prefix_is_refused),
        TEST(bad_headers_are_refused_before_any_key),
        TEST(misshapen_tokens_are_refused),
        TEST(all_claims_are_read),
        TEST(claims_of_wrong_types_are_refused),
        TEST(another_claim_can_be_the_user),
        TEST(time_claims_decide_without_leeway),
        TEST(an_audience_is_a_string_or_one_of_a_list),
        TEST(what_we_sign_verifies),
    };

    return cmocka_run_group_tests_name("codec/jwt", tests, NULL, NULL);
}
