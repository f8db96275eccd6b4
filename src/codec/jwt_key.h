/* codec/jwt_key.h - public keys that verify tokens: RSA for RS and PS, EC for ES, Ed25519 for EdDSA (RFC 7518, 8037).
 *
 * A key says which algorithms it takes when it is loaded, out of its type and curve alone; a token's header can only choose among
 * these (RFC 8725 3.1). Whoever knows more (the `alg` of a JWK) narrows them. Keys are frozen; a verifier holds what OpenSSL
 * prepares of one and belongs to one shard. HMAC secrets: codec/jwt.h. */
#ifndef PL_CODEC_JWT_KEY_H
#define PL_CODEC_JWT_KEY_H

#include "codec/jwt.h"

enum pl_jwt_kind { PL_JWT_RSA, PL_JWT_EC, PL_JWT_ED25519, PL_JWT_N_KINDS };
enum { PL_JWT_RSA_BITS_MIN = 2048, PL_JWT_RSA_BITS_MAX = 8192 };

struct pl_jwt_key; /* frozen: any thread */

/* From PEM text, of which the first block counts: PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE. `why` gets the rest of a sentence that
 * begins with the option's name. PL_EINVAL: no such block, another kind of key, or one that nobody should trust (RSA outside
 * 2048 to 8192 bits or with an even or too small exponent, a curve that no algorithm names or that is not named, a point off its
 * curve). PL_ENOMEM. */
PL_MUST_CHECK enum pl_err pl_jwt_key_new(struct pl_slice pem, enum pl_jwt_kind want, struct pl_jwt_key **ret, struct pl_buf *why);
void pl_jwt_key_free(struct pl_jwt_key **take_key); /* NULL is fine */
unsigned pl_jwt_key_algs(const struct pl_jwt_key *key); /* bits 1u << enum pl_jwt_alg */
/* True if text holds a public key or a certificate: never a secret, whatever option it stands in. */
bool pl_jwt_is_public(struct pl_slice text);

struct pl_jwt_verifier; /* not thread-safe: one per shard */

/* Takes its own reference of what it needs; `key` may go. NULL: memory out. */
struct pl_jwt_verifier *pl_jwt_verifier_new(const struct pl_jwt_key *key);
void pl_jwt_verifier_free(struct pl_jwt_verifier **take_v); /* NULL is fine */
/* PL_EINVAL: another signature, or not an algorithm of this key. ES: r and s as two numbers of the curve's size (RFC 7518 3.4), each in
 * 1..order-1. PS: a salt as long as the digest. */
PL_MUST_CHECK enum pl_err pl_jwt_verify(struct pl_jwt_verifier *v, const struct pl_jwt *t);

#endif
