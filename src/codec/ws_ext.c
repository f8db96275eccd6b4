#include "codec/ws_ext.h"

#include <stdio.h>

#include "base/check.h"

/* One extension with its parameters, as sent. bits: 0 absent. */
struct offer {
    bool is_deflate;     /* named permessage-deflate */
    bool is_acceptable;  /* all parameters known, once each, with legal values */
    bool server_no_takeover, client_no_takeover;
    uint8_t server_bits;
    bool has_client_bits;
    uint8_t client_bits; /* 0 with has_client_bits: no value given */
};

static bool is_token_char(uint8_t c) /* RFC 9110 5.6.2 */
{
    return c > 0x20 && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

static void skip_space(struct pl_slice *s)
{
    while (s->len > 0 && (s->p[0] == ' ' || s->p[0] == '\t'))
        *s = pl_slice_from(*s, 1);
}

static bool eat(struct pl_slice *s, uint8_t c)
{
    skip_space(s);
    if (s->len == 0 || s->p[0] != c)
        return false;
    *s = pl_slice_from(*s, 1);
    skip_space(s);
    return true;
}

static bool take_token(struct pl_slice *s, struct pl_slice *ret)
{
    size_t n = 0;

    while (n < s->len && is_token_char(s->p[n]))
        n++;
    *ret = pl_slice(s->p, n);
    *s = pl_slice_from(*s, n);
    return n > 0;
}

/* A token, or a quoted string whose text is a token (RFC 6455 9.1); no parameter of ours is longer than 2 characters. */
static bool take_value(struct pl_slice *s, char out[3], size_t *ret_len)
{
    size_t n = 0;
    bool is_quoted = s->len > 0 && s->p[0] == '"';

    if (is_quoted)
        *s = pl_slice_from(*s, 1);
    while (s->len > 0 && (!is_quoted || s->p[0] != '"')) {
        if (is_quoted && s->p[0] == '\\' && s->len > 1)
            *s = pl_slice_from(*s, 1);
        if (!is_token_char(s->p[0])) {
            if (is_quoted)
                return false;
            break;
        }
        if (n < 3)
            out[n] = (char)s->p[0];
        n++;
        *s = pl_slice_from(*s, 1);
    }
    if (is_quoted && !eat(s, '"'))
        return false;
    *ret_len = n;
    return n > 0;
}

/* "8".."15" without leading zero; 0 otherwise. */
static uint8_t window_bits(const char *v, size_t len)
{
    if (len == 1 && (v[0] == '8' || v[0] == '9'))
        return (uint8_t)(v[0] - '0');
    if (len == 2 && v[0] == '1' && v[1] >= '0' && v[1] <= '5')
        return (uint8_t)(10 + v[1] - '0');
    return 0;
}

/* False: unknown, a second time, or a bad value. */
static bool apply(struct offer *o, struct pl_slice name, const char *value, size_t value_len, bool has_value)
{
    uint8_t bits = has_value ? window_bits(value, value_len) : 0;

    if (pl_slice_eq_nocase(name, PL_LIT("server_no_context_takeover"))) {
        if (o->server_no_takeover || has_value)
            return false;
        o->server_no_takeover = true;
        return true;
    }
    if (pl_slice_eq_nocase(name, PL_LIT("client_no_context_takeover"))) {
        if (o->client_no_takeover || has_value)
            return false;
        o->client_no_takeover = true;
        return true;
    }
    if (pl_slice_eq_nocase(name, PL_LIT("server_max_window_bits"))) {
        if (o->server_bits != 0 || bits == 0)
            return false;
        o->server_bits = bits;
        return true;
    }
    if (pl_slice_eq_nocase(name, PL_LIT("client_max_window_bits"))) {
        if (o->has_client_bits || (has_value && bits == 0))
            return false;
        o->has_client_bits = true;
        o->client_bits = bits;
        return true;
    }
    return false;
}

/* Reads one extension off the front of *s. False: the header is broken from here on. */
static bool take_offer(struct pl_slice *s, struct offer *ret)
{
    struct offer o = { .is_acceptable = true };
    struct pl_slice name;
    char value[3];
    size_t value_len;
    bool has_value;

    if (!take_token(s, &name))
        return false;
    o.is_deflate = pl_slice_eq_nocase(name, PL_LIT("permessage-deflate"));
    while (eat(s, ';')) {
        if (!take_token(s, &name))
            return false;
        value_len = 0;
        has_value = eat(s, '=');
        if (has_value && !take_value(s, value, &value_len))
            return false;
        if (o.is_deflate && !apply(&o, name, value, value_len, has_value))
            o.is_acceptable = false; /* 7.1: decline this offer, look at the next */
    }
    skip_space(s);
    if (s->len != 0 && s->p[0] != ',')
        return false;
    *ret = o;
    return true;
}

static void agree(const struct offer *o, enum pl_ws_deflate_policy policy, struct pl_ws_deflate *d)
{
    bool is_full = policy == PL_WS_DEFLATE_FULL;

    d->is_on = true;
    d->server_takeover = is_full && !o->server_no_takeover;
    d->client_takeover = is_full && !o->client_no_takeover;
    d->server_bits = o->server_bits != 0 ? o->server_bits : 15;
    d->answers_server_bits = is_full && o->server_bits != 0;
    /* A hint worth taking: a smaller window here makes our inflater smaller. Without takeover it is shared anyway. */
    d->answers_client_bits = is_full && o->client_bits != 0;
    d->client_bits = d->answers_client_bits ? o->client_bits : 15;
}

void pl_ws_ext_choose(struct pl_slice offers, enum pl_ws_deflate_policy policy, struct pl_ws_deflate *ret)
{
    struct offer o;

    *ret = (struct pl_ws_deflate){ 0 };
    if (policy == PL_WS_DEFLATE_OFF)
        return;
    skip_space(&offers);
    while (offers.len > 0) {
        if (eat(&offers, ',')) /* RFC 9110 5.6.1: empty list members are skipped */
            continue;
        if (!take_offer(&offers, &o))
            return;
        if (o.is_deflate && o.is_acceptable) {
            agree(&o, policy, ret);
            return;
        }
    }
}

size_t pl_ws_ext_answer(const struct pl_ws_deflate *d, char out[PL_WS_EXT_MAX])
{
    char server_bits[32] = "", client_bits[32] = "";
    int n;

    PL_ASSERT(d->is_on);
    if (d->answers_server_bits)
        (void)snprintf(server_bits, sizeof server_bits, "; server_max_window_bits=%u", d->server_bits); /* fits */
    if (d->answers_client_bits)
        (void)snprintf(client_bits, sizeof client_bits, "; client_max_window_bits=%u", d->client_bits); /* fits */
    n = snprintf(out, PL_WS_EXT_MAX, "permessage-deflate%s%s%s%s",
                 d->server_takeover ? "" : "; server_no_context_takeover",
                 d->client_takeover ? "" : "; client_no_context_takeover", server_bits, client_bits);
    PL_ASSERT(n > 0 && n < PL_WS_EXT_MAX);
    return (size_t)n;
}

enum pl_err pl_ws_ext_accept(struct pl_slice answer, struct pl_ws_deflate *ret)
{
    struct pl_ws_deflate d = { 0 };
    struct offer o;

    skip_space(&answer);
    if (answer.len == 0) {
        *ret = d;
        return PL_OK;
    }
    if (!take_offer(&answer, &o) || answer.len != 0 || !o.is_deflate || !o.is_acceptable)
        return PL_EPROTO;
    if (o.has_client_bits && o.client_bits == 0) /* 7.1.2.2: in an answer the value is required */
        return PL_EPROTO;
    d.is_on = true;
    d.server_takeover = !o.server_no_takeover;
    d.client_takeover = !o.client_no_takeover;
    d.server_bits = o.server_bits != 0 ? o.server_bits : 15;
    d.client_bits = o.client_bits != 0 ? o.client_bits : 15;
    *ret = d;
    return PL_OK;
}
