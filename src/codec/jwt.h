/* codec/jwt.h - JSON Web Tokens in compact form (RFC 7515, 7519) with Centrifugo's claims (wire-protocol.md 8).
 *
 * pl_jwt_parse() takes a token apart without believing it; pl_jwt_claims() reads what it says; a key verifies it. The key
 * decides which algorithms it may be used with (RFC 8725 3.1): `none`, unknown and foreign algorithms never reach a key. Whoever uses
 * claims of a token that was not verified says so by not calling the verification. Strict where tolerance has been a hole: three
 * parts, one spelling of base64url, no member twice, no `crit`, no unencoded payload (RFC 7797), a printable `kid` of at most 128
 * bytes, at most 16 KiB. What a header offers as key or where to fetch one (jwk, jku, x5c, x5u) is not looked at.
 * All results borrow the token or the scratch. No clock: time is an argument. */
#ifndef PL_CODEC_JWT_H
#define PL_CODEC_JWT_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/override.h"
#include "codec/scratch.h"

enum { PL_JWT_MAX = 16 * 1024, PL_JWT_KID_MAX = 128 }; /* bytes of a token, of its key's name */

/* In threes, by digest: 256, 384, 512. */
enum pl_jwt_alg {
    PL_JWT_HS256, PL_JWT_HS384, PL_JWT_HS512,
    PL_JWT_RS256, PL_JWT_RS384, PL_JWT_RS512,
    PL_JWT_PS256, PL_JWT_PS384, PL_JWT_PS512,
    PL_JWT_ES256, PL_JWT_ES384, PL_JWT_ES512,
    PL_JWT_EDDSA, PL_JWT_N_ALGS
};

struct pl_jwt {
    enum pl_jwt_alg alg;
    struct pl_slice kid;       /* len 0: none */
    struct pl_slice signed_text; /* header '.' payload, as sent */
    struct pl_slice signature; /* decoded */
    struct pl_slice payload;   /* decoded: a JSON object, checked */
};

/* PL_EINVAL: not a token. PL_EUNSUP: of an algorithm that Peal does not take. PL_ETOOBIG: scratch full (16 KiB suffice). */
PL_MUST_CHECK enum pl_err pl_jwt_parse(struct pl_slice token, struct pl_scratch *scratch, struct pl_jwt *ret);

/* What connection tokens (8.2) and subscription tokens (8.3) may say. Slices: len 0 absent. */
struct pl_jwt_claims {
    struct pl_slice user;      /* `sub`, or the configured claim; empty: anonymous */
    struct pl_slice iss;
    struct pl_slice aud;       /* raw: string or list of strings, checked; pl_jwt_audience() */
    bool has_exp, has_nbf, has_iat, has_expire_at, has_channel;
    int64_t exp, nbf, iat, expire_at; /* unix seconds, fractions cut off; exp, nbf, iat within 2^53 */
    struct pl_slice channel;
    struct pl_slice client;
    struct pl_slice info;      /* raw JSON, or the bytes of b64info, which wins */
    struct pl_slice data;      /* the same of data, b64data */
    struct pl_slice channels;  /* list of strings: pl_json_walk_str */
    struct pl_slice subs;      /* pl_jwt_walk_subs */
    struct pl_slice meta;      /* raw */
    struct pl_override override;
};

/* user_claim: name of the claim that is the user id instead of `sub` (then not looked at); len 0: `sub`. A number there becomes its
 * text. PL_EINVAL: a claim of a wrong type, twice, or not decodable. */
PL_MUST_CHECK enum pl_err pl_jwt_claims(const struct pl_jwt *t, struct pl_slice user_claim, struct pl_scratch *scratch,
                                        struct pl_jwt_claims *ret);
/* PL_EEXPIRED: exp has come or nbf has not. No leeway. */
PL_MUST_CHECK enum pl_err pl_jwt_check_time(const struct pl_jwt_claims *c, int64_t now_s);
/* When the connection or subscription ends: expire_at if there (0 or below: never), else exp. 0: never. */
int64_t pl_jwt_expires_at(const struct pl_jwt_claims *c);
/* Calls is_wanted with each audience until it says true; false if none. */
bool pl_jwt_audience(const struct pl_jwt_claims *c, struct pl_scratch *scratch, bool (*is_wanted)(struct pl_slice aud, void *arg), void *arg);

struct pl_jwt_sub {
    struct pl_slice info, data; /* as in pl_jwt_claims */
    struct pl_override override;
};
/* Over claims.subs. PL_OK, PL_ENOENT (none left), PL_EINVAL (base64), PL_ETOOBIG. */
PL_MUST_CHECK enum pl_err pl_jwt_walk_subs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel,
                                           struct pl_jwt_sub *ret);

/* --- secrets; public keys: codec/jwt_key.h --- */

/* A secret with prepared contexts (a verification costs 0.3 us instead of 1). Not thread-safe: one per shard. */
struct pl_jwt_hmac;
/* Secret copied. NULL: empty secret, memory out. */
struct pl_jwt_hmac *pl_jwt_hmac_new(struct pl_slice secret);
void pl_jwt_hmac_free(struct pl_jwt_hmac **take_key);
/* PL_EINVAL: another signature, or not an HS algorithm. Constant time in the signature. */
PL_MUST_CHECK enum pl_err pl_jwt_hmac_verify(struct pl_jwt_hmac *key, const struct pl_jwt *t);
/* Appends a token with these claims (a JSON object), alg one of HS256, HS384, HS512. PL_EIO: OpenSSL refused. */
PL_MUST_CHECK enum pl_err pl_jwt_hmac_sign(struct pl_jwt_hmac *key, enum pl_jwt_alg alg, struct pl_slice claims, struct pl_buf *out);

#endif
