#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "auth/auth.h"
#include "codec/jwt.h"
#include "config/load.h"

#define NOW INT64_C(1000000)

struct fixture {
    struct pl_config *cfg;
    struct pl_node node;
    struct pl_shard shard;
    struct pl_scratch scratch;
    struct pl_buf token;
};

static void configure(struct fixture *f, const char *json)
{
    struct pl_config_report report = { 0 };
    struct pl_config_input in = { .file = "test.json", .text = pl_slice_str(json) };
    struct pl_config *cfg;

    if (pl_config_load(&in, &cfg, &report) != PL_OK)
        fail_msg("%s", report.n > 0 ? report.v[0].text : "config");
    pl_config_report_fini(&report);
    f->node.config = cfg;
    pl_config_free(&f->cfg);
    f->cfg = cfg;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->shard.node = &f->node;
    f->shard.wall_ms = NOW * 1000 + 500;
    f->scratch = pl_scratch_init(PL_AUTH_SCRATCH);
    f->token = pl_buf_init(PL_JWT_MAX * 2);
    pl_auth_init(&f->shard);
    configure(f, "{\"client\":{\"token\":{\"hmac_secret_key\":\"secret\"}}}");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pl_auth_fini(&f->shard);
    pl_config_free(&f->cfg);
    pl_scratch_fini(&f->scratch);
    pl_buf_fini(&f->token);
    free(f);
    return 0;
}

static struct pl_slice sign(struct fixture *f, const char *key, const char *claims)
{
    struct pl_jwt_hmac *h = pl_jwt_hmac_new(pl_slice_str(key));

    pl_scratch_reset(&f->scratch);
    pl_buf_clear(&f->token);
    assert_non_null(h);
    assert_int_equal(pl_jwt_hmac_sign(h, PL_JWT_HS256, pl_slice_str(claims), &f->token), PL_OK);
    pl_jwt_hmac_free(&h);
    return pl_buf_slice(&f->token);
}

static enum pl_err connection(struct fixture *f, const char *key, const char *claims, struct pl_credentials *ret)
{
    return pl_auth_connection(&f->shard, sign(f, key, claims), &f->scratch, ret);
}

static enum pl_err subscription(struct fixture *f, const char *key, const char *claims, struct pl_credentials *ret)
{
    return pl_auth_subscription(&f->shard, sign(f, key, claims), &f->scratch, ret);
}

static void a_valid_token_says_who_and_what(void **state)
{
    struct fixture *f = *state;
    struct pl_credentials c;

    assert_int_equal(connection(f, "secret", "{\"sub\":\"42\",\"exp\":1000060,\"info\":{\"a\":1},\"meta\":{\"m\":1},\"channels\":[\"x\",\"y\"]}", &c), PL_OK);
    assert_true(pl_slice_eq(c.user, PL_LIT("42")) && c.expire_at == 1000060 && pl_slice_eq(c.info, PL_LIT("{\"a\":1}")) && c.meta.len == 7);
    assert_int_equal(c.n_subs, 2);
    assert_true(pl_slice_eq(c.subs[0].channel, PL_LIT("x")) && pl_slice_eq(c.subs[1].channel, PL_LIT("y")));
    assert_int_equal(connection(f, "secret", "{\"subs\":{\"s\":{\"info\":1,\"data\":2,\"override\":{\"presence\":{\"value\":true}}}},\"channels\":[\"x\"]}", &c),
                     PL_OK);
    assert_true(c.user.len == 0 && c.expire_at == 0 && c.n_subs == 1 && pl_slice_eq(c.subs[0].channel, PL_LIT("s")) && c.subs[0].info.len == 1 &&
                c.subs[0].data.len == 1 && c.subs[0].override.presence.is_set);
    assert_int_equal(connection(f, "secret", "{\"subs\":{},\"channels\":[\"x\"]}", &c), PL_OK);
    assert_int_equal(c.n_subs, 1);
    assert_int_equal(connection(f, "secret", "{}", &c), PL_OK);
    assert_true(c.n_subs == 0 && c.subs == NULL);
}

static void bad_is_invalid_before_it_is_expired(void **state)
{
    struct fixture *f = *state;
    struct pl_credentials c;

    assert_int_equal(connection(f, "other", "{\"sub\":\"42\"}", &c), PL_EINVAL);
    assert_int_equal(connection(f, "other", "{\"sub\":\"42\",\"exp\":999999}", &c), PL_EINVAL);
    assert_int_equal(connection(f, "secret", "{\"sub\":\"42\",\"exp\":999999}", &c), PL_EEXPIRED);
    assert_int_equal(connection(f, "secret", "{\"sub\":\"42\",\"nbf\":1000060}", &c), PL_EEXPIRED);
    assert_int_equal(connection(f, "secret", "{\"sub\":\"42\",\"channel\":\"c\"}", &c), PL_EINVAL);
    assert_int_equal(subscription(f, "secret", "{\"sub\":\"42\"}", &c), PL_EINVAL);
    assert_int_equal(subscription(f, "secret", "{\"sub\":\"42\",\"channel\":\"c\",\"client\":\"cl\",\"data\":1,\"exp\":1000009}", &c), PL_OK);
    assert_true(pl_slice_eq(c.channel, PL_LIT("c")) && pl_slice_eq(c.client, PL_LIT("cl")) && c.data.len == 1 && c.expire_at == 1000009);
    assert_int_equal(connection(f, "secret", "{\"sub\":42}", &c), PL_EINVAL);
    configure(f, "{\"client\":{}}");
    assert_int_equal(connection(f, "secret", "{\"sub\":\"42\"}", &c), PL_EINVAL);
}

static void the_previous_secret_counts_until_its_end(void **state)
{
    struct fixture *f = *state;
    struct pl_credentials c;

    configure(f, "{\"client\":{\"token\":{\"hmac_secret_key\":\"new\",\"hmac_previous_secret_key\":\"old\",\"hmac_previous_secret_key_valid_until\":1000000}}}");
    assert_int_equal(connection(f, "new", "{}", &c), PL_OK);
    assert_int_equal(connection(f, "old", "{}", &c), PL_OK);
    f->shard.wall_ms = (NOW + 1) * 1000;
    assert_int_equal(connection(f, "old", "{}", &c), PL_EINVAL);
    assert_int_equal(connection(f, "new", "{}", &c), PL_OK);
}

static void audience_and_issuer_must_fit(void **state)
{
    struct fixture *f = *state;
    struct pl_credentials c;

    configure(f, "{\"client\":{\"token\":{\"hmac_secret_key\":\"secret\",\"audience\":\"app\",\"issuer\":\"me\"}}}");
    assert_int_equal(connection(f, "secret", "{\"aud\":[\"x\",\"app\"],\"iss\":\"me\"}", &c), PL_OK);
    assert_int_equal(connection(f, "secret", "{\"aud\":\"app\",\"iss\":\"me\"}", &c), PL_OK);
    assert_int_equal(connection(f, "secret", "{\"aud\":\"app\"}", &c), PL_EINVAL);
    assert_int_equal(connection(f, "secret", "{\"iss\":\"me\"}", &c), PL_EINVAL);
    assert_int_equal(connection(f, "secret", "{\"aud\":\"apps\",\"iss\":\"me\"}", &c), PL_EINVAL);
    configure(f, "{\"client\":{\"token\":{\"hmac_secret_key\":\"secret\",\"audience_regex\":\"^app-[a-z]+$\",\"issuer_regex\":\"^https://(?P<t>[a-z]+)\\\\.id$\"}}}");
    assert_int_equal(connection(f, "secret", "{\"aud\":[\"x\",\"app-web\"],\"iss\":\"https://eu.id\"}", &c), PL_OK);
    assert_int_equal(connection(f, "secret", "{\"aud\":\"app-7\",\"iss\":\"https://eu.id\"}", &c), PL_EINVAL);
    assert_int_equal(connection(f, "secret", "{\"aud\":\"app-web\",\"iss\":\"https://EU.id\"}", &c), PL_EINVAL);
    assert_int_equal(connection(f, "secret", "{\"iss\":\"https://eu.id\"}", &c), PL_EINVAL);
}

static void subscription_tokens_can_have_keys_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct pl_credentials c;

    configure(f, "{\"client\":{\"token\":{\"hmac_secret_key\":\"secret\"},\"subscription_token\":{\"enabled\":true,\"hmac_secret_key\":\"sub\"}}}");
    assert_int_equal(subscription(f, "sub", "{\"channel\":\"c\"}", &c), PL_OK);
    assert_int_equal(subscription(f, "secret", "{\"channel\":\"c\"}", &c), PL_EINVAL);
    assert_int_equal(connection(f, "sub", "{}", &c), PL_EINVAL);
}

static void signatures_can_be_left_to_a_gateway_but_time_counts(void **state)
{
    struct fixture *f = *state;
    struct pl_credentials c;

    configure(f, "{\"client\":{\"insecure_skip_token_signature_verify\":true}}");
    assert_int_equal(connection(f, "any", "{\"sub\":\"42\"}", &c), PL_OK);
    assert_int_equal(connection(f, "any", "{\"sub\":\"42\",\"exp\":5}", &c), PL_EEXPIRED);
    assert_int_equal(pl_auth_connection(&f->shard, PL_LIT("a.b"), &f->scratch, &c), PL_EINVAL);
}

static void too_many_channels_are_cut_behind_the_limit(void **state)
{
    struct fixture *f = *state;
    struct pl_credentials c;

    configure(f, "{\"client\":{\"channel_limit\":3,\"token\":{\"hmac_secret_key\":\"secret\"}}}");
    assert_int_equal(connection(f, "secret", "{\"channels\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]}", &c), PL_OK);
    assert_int_equal(c.n_subs, 4);
    assert_int_equal(connection(f, "secret", "{\"subs\":{\"a\":{},\"b\":{},\"c\":{},\"d\":{},\"e\":{}}}", &c), PL_OK);
    assert_int_equal(c.n_subs, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_valid_token_says_who_and_what),
        TEST(bad_is_invalid_before_it_is_expired),
        TEST(the_previous_secret_counts_until_its_end),
        TEST(audience_and_issuer_must_fit),
        TEST(subscription_tokens_can_have_keys_of_their_own),
        TEST(signatures_can_be_left_to_a_gateway_but_time_counts),
        TEST(too_many_channels_are_cut_behind_the_limit),
    };

    return cmocka_run_group_tests_name("auth/auth", tests, NULL, NULL);
}
