#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/forge_test.h"
#include "auth/keys.h"
#include "config/load.h"

struct fixture {
    struct forge forge;
    struct pl_buf text, why;
    char lines[4096]; /* of the log */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    forge_init(&f->forge);
    f->text = pl_buf_init(65536);
    f->why = pl_buf_init(4096);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    forge_fini(&f->forge);
    pl_buf_fini(&f->text);
    pl_buf_fini(&f->why);
    free(f);
    return 0;
}

static void on_line(void *arg, struct pl_slice line)
{
    struct fixture *f = arg;
    size_t at = strlen(f->lines);

    (void)snprintf(f->lines + at, sizeof f->lines - at, "%.*s", PL_FMT(line)); /* cut is fine */
}

/* Loads the keys of a configuration and counts them. */
static enum pl_err load(struct fixture *f, struct pl_slice json, unsigned *ret_n)
{
    struct pl_log_conf conf = { .level = PL_LOG_INFO, .sink = on_line, .sink_arg = f };
    struct pl_config_input in = { .file = "test.json", .text = json };
    struct pl_config_report report = { 0 };
    struct auth_keys *keys = NULL;
    struct pl_config *cfg;
    struct pl_log *log;
    enum pl_err err;

    f->lines[0] = '\0';
    pl_buf_clear(&f->why);
    assert_int_equal(pl_log_new(pl_world_linux(), &conf, &log), PL_OK);
    assert_int_equal(pl_config_load(&in, &cfg, &report), PL_OK);
    err = auth_keys_load(pl_world_linux(), cfg, log, &keys, &f->why);
    *ret_n = 0;
    for (unsigned i = 0; keys != NULL && i < AUTH_N_SECTIONS; i++)
        for (unsigned kind = 0; kind < PL_JWT_N_KINDS; kind++)
            *ret_n += keys->v[i][kind] != NULL;
    auth_keys_free(&keys);
    pl_config_free(&cfg);
    pl_config_report_fini(&report);
    pl_log_free(&log);
    return err;
}

/* {"client":{SECTION:{"NAME":"VALUE"}}} */
static struct pl_slice one_key(struct fixture *f, const char *section, const char *name, struct pl_slice value)
{
    pl_buf_clear(&f->text);
    pl_buf_printf(&f->text, "{\"client\":{\"%s\":{%s\"%s\":\"", section, strcmp(section, "token") != 0 ? "\"enabled\":true," : "", name);
    forge_json(value, &f->text);
    pl_buf_printf(&f->text, "\"}}}");
    assert_true(pl_buf_ok(&f->text));
    return pl_buf_slice(&f->text);
}

static void a_key_is_text_or_a_file_or_base64(void **state)
{
    struct fixture *f = *state;
    struct pl_slice pem = pl_buf_slice(&f->forge.pem[K_ED]);
    char path[] = "/tmp/peal-keys-XXXXXX", base64[512];
    int fd = mkstemp(path);
    unsigned n;

    assert_int_equal(load(f, one_key(f, "token", "eddsa_public_key", pem), &n), PL_OK);
    assert_int_equal(n, 1);
    assert_true(fd >= 0 && write(fd, pem.p, pem.len) == (ssize_t)pem.len && close(fd) == 0);
    assert_int_equal(load(f, one_key(f, "token", "eddsa_public_key", pl_slice_str(path)), &n), PL_OK);
    assert_int_equal(n, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(load(f, one_key(f, "token", "eddsa_public_key", pl_slice_str(path)), &n), PL_ENOENT);
    assert_non_null(memmem(f->why.p, f->why.len, path, strlen(path)));
    (void)EVP_EncodeBlock((uint8_t *)base64, pem.p, (int)pem.len); /* 4 bytes for 3, fits */
    assert_int_equal(load(f, one_key(f, "token", "eddsa_public_key", pl_slice_str(base64)), &n), PL_OK);
    assert_int_equal(n, 1);
}

static const struct { const char *section, *name; enum key key; const char *want; } bad[] = {
    { "token", "rsa_public_key", K_P256, "client.token.rsa_public_key: is of the type EC, not an RSA key" },
    { "token", "ecdsa_public_key", K_K1, "client.token.ecdsa_public_key: is an EC key of the curve secp256k1" },
    { "token", "eddsa_public_key", K_RSA, "client.token.eddsa_public_key: is of the type RSA, not an Ed25519 key" },
    { "subscription_token", "ecdsa_public_key", K_ED, "client.subscription_token.ecdsa_public_key: is of the type ED25519" },
    { "token", "hmac_secret_key", K_RSA, "client.token.hmac_secret_key: holds a public key, with which anybody could sign tokens" },
    { "token", "hmac_previous_secret_key", K_P256, "client.token.hmac_previous_secret_key: holds a public key" },
    { "subscription_token", "hmac_secret_key", K_ED, "client.subscription_token.hmac_secret_key: holds a public key" },
};

static void a_bad_key_is_told_with_its_option(void **state)
{
    struct fixture *f = *state;
    unsigned n;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(load(f, one_key(f, bad[i].section, bad[i].name, pl_buf_slice(&f->forge.pem[bad[i].key])), &n), PL_EINVAL);
        if (memmem(f->why.p, f->why.len, bad[i].want, strlen(bad[i].want)) != f->why.p)
            fail_msg("%.*s", PL_FMT(pl_buf_slice(&f->why)));
    }
}

static void keys_of_subscriptions_count_only_when_they_are_enabled(void **state)
{
    struct fixture *f = *state;
    unsigned n;

    assert_int_equal(load(f, PL_LIT("{\"client\":{\"subscription_token\":{\"rsa_public_key\":\"/nowhere\"}}}"), &n), PL_OK);
    assert_int_equal(n, 0);
    assert_int_equal(load(f, PL_LIT("{\"client\":{\"subscription_token\":{\"enabled\":true,\"rsa_public_key\":\"/nowhere\"}}}"), &n), PL_ENOENT);
}

static void short_secrets_are_told_once_and_never_shown(void **state)
{
    struct fixture *f = *state;
    unsigned n;

    assert_int_equal(load(f, PL_LIT("{\"client\":{\"token\":{\"hmac_secret_key\":\"hunter2\"}}}"), &n), PL_OK);
    assert_non_null(strstr(f->lines, "auth.weak_secret"));
    assert_non_null(strstr(f->lines, "\"bytes\":7"));
    assert_ptr_equal(strchr(f->lines, '\n'), f->lines + strlen(f->lines) - 1);
    assert_null(strstr(f->lines, "hunter2"));
    assert_int_equal(load(f, PL_LIT("{\"client\":{\"token\":{\"hmac_secret_key\":\"" FORGE_SECRET "\"}}}"), &n), PL_OK);
    assert_null(strstr(f->lines, "auth.weak_secret"));
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_text_or_a_file_or_base64),
        TEST(a_bad_key_is_told_with_its_option),
        TEST(keys_of_subscriptions_count_only_when_they_are_enabled),
        TEST(short_secrets_are_told_once_and_never_shown),
    };

    return cmocka_run_group_tests_name("auth/keys", tests, setup, teardown); /* keys are made once: that takes longest */
}
