#include "codec/jwt.h"

#include <stdlib.h>

#include "base/check.h"
#include "codec/b64.h"

static const char *const alg_names[PL_JWT_N_ALGS] = {
    [PL_JWT_HS256] = "HS256", [PL_JWT_HS384] = "HS384", [PL_JWT_HS512] = "HS512",
    [PL_JWT_RS256] = "RS256", [PL_JWT_RS384] = "RS384", [PL_JWT_RS512] = "RS512",
    [PL_JWT_PS256] = "PS256", [PL_JWT_PS384] = "PS384", [PL_JWT_PS512] = "PS512",
    [PL_JWT_ES256] = "ES256", [PL_JWT_ES384] = "ES384", [PL_JWT_ES512] = "ES512",
    [PL_JWT_EDDSA] = "EdDSA",
};

struct header {
    struct pl_slice alg, kid, crit, b64;
};

static const struct pl_json_field header_fields[] = {
    PL_JSON_FIELD(struct header, alg, PL_J_STR),
    PL_JSON_FIELD(struct header, kid, PL_J_STR),
    PL_JSON_FIELD(struct header, crit, PL_J_RAW),
    PL_JSON_FIELD(struct header, b64, PL_J_RAW),
};
static const struct pl_json_shape header_shape = PL_JSON_SHAPE(header_fields);

static enum pl_err decode(enum pl_b64 kind, struct pl_slice text, struct pl_scratch *scratch, struct pl_slice *ret)
{
    uint8_t *out = pl_scratch_bytes(scratch, pl_b64_decoded_max(text.len));
    enum pl_err err;
    size_t n;

    if (out == NULL)
        return PL_ETOOBIG;
    err = pl_b64_decode(kind, text, out, &n);
    if (err == PL_OK)
        *ret = pl_slice(out, n);
    return err;
}

/* A wrong document is an invalid token; only a full scratch is something else. */
static enum pl_err as_token_error(enum pl_err err)
{
    return err == PL_OK || err == PL_ETOOBIG ? err : PL_EINVAL;
}

/* A key's name is only ever compared, but it may come to stand in a log. */
static bool is_kid(struct pl_slice kid)
{
    for (size_t i = 0; i < kid.len; i++)
        if (kid.p[i] < 0x20 || kid.p[i] > 0x7e)
            return false;
    return kid.len <= PL_JWT_KID_MAX;
}

static enum pl_err parse_header(struct pl_slice text, struct pl_scratch *scratch, struct pl_jwt *ret)
{
    struct pl_json r = pl_json_init(text, scratch);
    struct header h = { 0 };
    enum pl_err err;

    r.is_exact = true;
    pl_json_fill(&r, &header_shape, &h, NULL); /* the outcome is r.err */
    err = pl_json_end(&r);
    if (err != PL_OK)
        return as_token_error(err);
    if (h.crit.len != 0) /* RFC 7515 4.1.11: we know no extension that must be understood */
        return PL_EINVAL;
    if (h.b64.len != 0 && !pl_slice_eq(h.b64, PL_LIT("true")) && !PL_SABOTAGE(jwt_unencoded)) /* RFC 7797 3: what was signed is another text */
        return PL_EINVAL;
    if (!is_kid(h.kid))
        return PL_EINVAL;
    ret->kid = h.kid;
    for (unsigned i = 0; i < PL_JWT_N_ALGS; i++) {
        if (pl_slice_eq(h.alg, pl_slice_str(alg_names[i]))) {
            ret->alg = (enum pl_jwt_alg)i;
            return PL_OK;
        }
    }
    return PL_EUNSUP;
}

enum pl_err pl_jwt_parse(struct pl_slice token, struct pl_scratch *scratch, struct pl_jwt *ret)
{
    const uint8_t *end = token.p + token.len, *dot1, *dot2;
    struct pl_slice header, payload;
    enum pl_err err;

    if (token.len == 0 || token.len > PL_JWT_MAX)
        return PL_EINVAL;
    dot1 = memchr(token.p, '.', token.len);
    dot2 = dot1 != NULL ? memchr(dot1 + 1, '.', (size_t)(end - dot1 - 1)) : NULL;
    if (dot2 == NULL || memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1)) != NULL)
        return PL_EINVAL;
    ret->signed_text = pl_slice(token.p, (size_t)(dot2 - token.p));
    header = pl_slice(token.p, (size_t)(dot1 - token.p));
    payload = pl_slice(dot1 + 1, (size_t)(dot2 - dot1 - 1));

    err = decode(PL_B64_URL, header, scratch, &header);
    if (err == PL_OK)
        err = parse_header(header, scratch, ret);
    if (err == PL_OK)
        err = decode(PL_B64_URL, payload, scratch, &ret->payload);
    if (err == PL_OK)
        err = decode(PL_B64_URL, pl_slice(dot2 + 1, (size_t)(end - dot2 - 1)), scratch, &ret->signature);
    if (err != PL_OK)
        return err;
    return pl_json_check(ret->payload) == PL_OK && pl_json_is_object(ret->payload) ? PL_OK : PL_EINVAL;
}

/* --- claims --- */

struct raw_claims {
    struct pl_jwt_claims c;
    struct pl_slice b64info, b64data;
    struct pl_slice exp, nbf, iat; /* numbers as they stand */
};

struct raw_sub {
    struct pl_jwt_sub s;
    struct pl_slice b64info, b64data;
};

static const struct pl_json_field sub_fields[] = {
    PL_JSON_FIELD(struct raw_sub, b64info, PL_J_STR),
    PL_JSON_FIELD(struct raw_sub, b64data, PL_J_STR),
    PL_JSON_FIELD_AS("info", struct raw_sub, s.info, PL_J_RAW),
    PL_JSON_FIELD_AS("data", struct raw_sub, s.data, PL_J_RAW),
    { "override", 8, PL_J_OBJ, offsetof(struct raw_sub, s.override), &pl_override_shape },
};
static const struct pl_json_shape sub_shape = PL_JSON_SHAPE(sub_fields);

#define CLAIM(name, kind) PL_JSON_FIELD_AS(#name, struct raw_claims, c.name, kind)

enum { CLAIM_SUB, CLAIM_EXPIRE_AT };

static const struct pl_json_field claim_fields[] = {
    [CLAIM_SUB] = PL_JSON_FIELD_AS("sub", struct raw_claims, c.user, PL_J_STR),
    [CLAIM_EXPIRE_AT] = CLAIM(expire_at, PL_J_I64),
    PL_JSON_FIELD(struct raw_claims, exp, PL_J_RAW),
    PL_JSON_FIELD(struct raw_claims, nbf, PL_J_RAW),
    PL_JSON_FIELD(struct raw_claims, iat, PL_J_RAW),
    CLAIM(channel, PL_J_STR),
    CLAIM(iss, PL_J_STR),
    CLAIM(aud, PL_J_RAW),
    CLAIM(client, PL_J_STR),
    CLAIM(info, PL_J_RAW),
    CLAIM(data, PL_J_RAW),
    CLAIM(channels, PL_J_STRS),
    { "subs", 4, PL_J_OBJ_MAP, offsetof(struct raw_claims, c.subs), &sub_shape },
    CLAIM(meta, PL_J_RAW),
    { "override", 8, PL_J_OBJ, offsetof(struct raw_claims, c.override), &pl_override_shape },
    PL_JSON_FIELD(struct raw_claims, b64info, PL_J_STR),
    PL_JSON_FIELD(struct raw_claims, b64data, PL_J_STR),
};
static const struct pl_json_shape claim_shape = PL_JSON_SHAPE(claim_fields);
/* The same without `sub`, for configurations that read the user elsewhere. */
static const struct pl_json_shape claim_shape_no_sub = {
    claim_fields + 1, sizeof claim_fields / sizeof claim_fields[0] - 1,
};

static enum pl_err decode_over(struct pl_slice b64, struct pl_scratch *scratch, struct pl_slice *ret)
{
    return b64.len != 0 ? decode(PL_B64_STD, b64, scratch, ret) : PL_OK;
}

#define DATE_MAX (INT64_C(1) << 53) /* beyond, a double has no seconds any more */

/* RFC 7519 2: a NumericDate may have a fraction (Python's time.time() has), which is cut off here. Absent: *ret_has stays false. */
static enum pl_err read_date(struct pl_slice number, bool *ret_has, int64_t *ret)
{
    struct pl_json r = pl_json_init(number, NULL);
    char text[40];
    double d;

    if (number.len == 0 || pl_json_null(&r))
        return PL_OK;
    *ret_has = true;
    if (pl_json_i64(&r, -DATE_MAX, DATE_MAX, ret))
        return PL_OK;
    if ((number.p[0] != '-' && (number.p[0] < '0' || number.p[0] > '9')) || number.len >= sizeof text)
        return PL_EINVAL;
    memcpy(text, number.p, number.len);
    text[number.len] = '\0';
    d = strtod(text, NULL); /* a checked JSON number */
    if (!(d > -(double)DATE_MAX && d < (double)DATE_MAX))
        return PL_EINVAL;
    *ret = (int64_t)d;
    return PL_OK;
}

/* The user claim: a string, or a number as it is written. */
static enum pl_err find_user(struct pl_slice payload, struct pl_slice name, struct pl_scratch *scratch, struct pl_slice *ret)
{
    struct pl_json r = pl_json_init(payload, scratch);
    struct pl_json_key key = { 0 };
    bool is_found = false;

    if (!pl_json_open(&r, '{'))
        return r.err;
    while (pl_json_member(&r, &key)) {
        struct pl_slice member;
        int c = pl_json_peek(&r);

        if (key.name.raw.len > 6 * name.len || pl_json_unescape(key.name, scratch, &member) != PL_OK || !pl_slice_eq(member, name)) {
            (void)pl_json_raw(&r, NULL); /* the outcome is r.err */
            continue;
        }
        if (is_found)
            return PL_EINVAL;
        is_found = true;
        if (c == '"')
            (void)pl_json_str(&r, ret); /* the same */
        else if (c == '-' || (c >= '0' && c <= '9'))
            (void)pl_json_raw(&r, ret); /* the same */
        else if (!pl_json_null(&r))
            return PL_EINVAL;
    }
    return r.err;
}

/* A string or a list of strings. */
static enum pl_err check_audience(struct pl_slice aud)
{
    struct pl_json r = pl_json_init(aud, NULL);
    size_t n = 0;

    if (aud.len == 0 || pl_json_null(&r) || pl_json_peek(&r) == '"')
        return PL_OK;
    if (!pl_json_open(&r, '['))
        return PL_EINVAL;
    while (pl_json_element(&r, &n))
        if (!pl_json_text(&r, NULL))
            break;
    return r.err == PL_OK ? PL_OK : PL_EINVAL;
}

enum pl_err pl_jwt_claims(const struct pl_jwt *t, struct pl_slice user_claim, struct pl_scratch *scratch, struct pl_jwt_claims *ret)
{
    bool has_own = user_claim.len != 0;
    struct pl_json r = pl_json_init(t->payload, scratch);
    struct raw_claims raw = { 0 };
    uint64_t seen;
    enum pl_err err;

    r.is_exact = true;
    err = pl_json_fill(&r, has_own ? &claim_shape_no_sub : &claim_shape, &raw, &seen);
    if (has_own)
        seen <<= 1;
    if (err == PL_OK && has_own)
        err = find_user(t->payload, user_claim, scratch, &raw.c.user);
    if (err == PL_OK)
        err = check_audience(raw.c.aud);
    if (err == PL_OK)
        err = decode_over(raw.b64info, scratch, &raw.c.info);
    if (err == PL_OK)
        err = decode_over(raw.b64data, scratch, &raw.c.data);
    if (err == PL_OK)
        err = read_date(raw.exp, &raw.c.has_exp, &raw.c.exp);
    if (err == PL_OK)
        err = read_date(raw.nbf, &raw.c.has_nbf, &raw.c.nbf);
    if (err == PL_OK)
        err = read_date(raw.iat, &raw.c.has_iat, &raw.c.iat);
    if (err != PL_OK)
        return as_token_error(err);
    raw.c.has_expire_at = (seen >> CLAIM_EXPIRE_AT & 1) != 0;
    raw.c.has_channel = raw.c.channel.len != 0;
    *ret = raw.c;
    return PL_OK;
}

enum pl_err pl_jwt_check_time(const struct pl_jwt_claims *c, int64_t now_s)
{
    if (c->has_exp && now_s >= c->exp && !PL_SABOTAGE(jwt_no_expiry))
        return PL_EEXPIRED;
    if (c->has_nbf && now_s < c->nbf)
        return PL_EEXPIRED;
    return PL_OK;
}

int64_t pl_jwt_expires_at(const struct pl_jwt_claims *c)
{
    if (c->has_expire_at)
        return c->expire_at > 0 ? c->expire_at : 0;
    return c->has_exp && c->exp > 0 ? c->exp : 0;
}

bool pl_jwt_audience(const struct pl_jwt_claims *c, struct pl_scratch *scratch, bool (*is_wanted)(struct pl_slice aud, void *arg), void *arg)
{
    struct pl_json r = pl_json_init(c->aud, scratch);
    struct pl_walk w = pl_walk(c->aud);
    struct pl_slice aud;

    if (pl_json_peek(&r) == '"')
        return pl_json_str(&r, &aud) && is_wanted(aud, arg);
    if (pl_json_peek(&r) != '[')
        return false;
    while (pl_json_walk_str(&w, scratch, &aud) == PL_OK)
        if (is_wanted(aud, arg))
            return true;
    return false;
}

enum pl_err pl_jwt_walk_subs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel, struct pl_jwt_sub *ret)
{
    struct raw_sub raw = { 0 };
    enum pl_err err = pl_json_walk_named(w, scratch, &sub_shape, ret_channel, &raw);

    if (err == PL_ENOENT)
        return err;
    if (err == PL_OK)
        err = decode_over(raw.b64info, scratch, &raw.s.info);
    if (err == PL_OK)
        err = decode_over(raw.b64data, scratch, &raw.s.data);
    if (err == PL_OK)
        *ret = raw.s;
    return as_token_error(err);
}
