/* codec/jwt_key_priv.h - what jwt_verify.c needs of a key (jwt_key.c). */
#ifndef PL_CODEC_JWT_KEY_PRIV_H
#define PL_CODEC_JWT_KEY_PRIV_H

#include <openssl/types.h>

#include "codec/jwt_key.h"

enum { JWT_EC_MAX = 66 }; /* bytes of a number of P-521 */

struct pl_jwt_key {
    EVP_PKEY *pkey;            /* ref */
    enum pl_jwt_kind kind;
    unsigned algs;             /* bits 1u << enum pl_jwt_alg */
    size_t signature_len;      /* of every signature by it */
    uint8_t order[JWT_EC_MAX]; /* EC: of the group, big-endian, signature_len / 2 bytes */
};

#endif
