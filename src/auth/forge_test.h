/* auth/forge_test.h - tests only: keys and tokens made by OpenSSL, right and wrong in every way we could think of. */
#ifndef PL_AUTH_FORGE_TEST_H
#define PL_AUTH_FORGE_TEST_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "codec/jwt.h"

enum key { K_NONE, K_RSA, K_RSA_OTHER, K_P256, K_P256_OTHER, K_P384, K_P521, K_K1, K_ED, K_ED_OTHER, K_N,
           K_SECRET, K_PEM_RSA, K_PEM_EC, K_PEM_ED, K_DER_RSA, K_EMPTY }; /* the last six: of an HMAC */

/* What is wrong with the signature. */
enum flaw { F_NONE, F_EMPTY, F_CUT, F_EXTENDED, F_LEADING_ZERO, F_FLIPPED, F_ZERO, F_DER, F_R_ZERO, F_S_ZERO, F_R_ORDER, F_S_ORDER, F_S_MIRRORED,
            F_SWAPPED, F_SALT_20, F_SALT_0, F_MGF1_SHA1, F_PADDED, F_SPACE, F_NEWLINE, F_SPARE_BITS, F_TWO_PARTS, F_FOUR_PARTS };

#define FORGE_SECRET "0123456789abcdef0123456789abcdef"

struct forge {
    EVP_PKEY *keys[K_N];   /* owned */
    struct pl_buf pem[K_N]; /* of the public halves */
};

void forge_init(struct forge *f); /* fails the test if OpenSSL does */
void forge_fini(struct forge *f);
/* Appends header '.' claims '.' signature: signed by `key` as `alg` would be, whatever the header says. */
void forge_token(const struct forge *f, const char *header, const char *claims, enum key key, enum pl_jwt_alg alg, enum flaw flaw,
                 struct pl_buf *out);
/* Appends text as the inside of a JSON string. */
void forge_json(struct pl_slice text, struct pl_buf *out);

#endif
