#include "codec/ws_in.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/utf8.h"
#include "codec/ws_mask.h"
#include "codec/ws_side.h"

enum step { STEP_AGAIN, STEP_EVENT };

void pl_ws_in_init(struct pl_ws_in *in, const struct pl_ws_in_opts *opts)
{
    PL_ASSERT(!opts->has_deflate || (opts->window_bits >= 8 && opts->window_bits <= 15));
    *in = (struct pl_ws_in){
        .limit = opts->limit,
        .inflated_limit = opts->inflated_limit,
        .role = (uint8_t)opts->role,
        .deflate = (uint8_t)(opts->has_deflate ? WS_IN_DEFLATE | (opts->has_takeover ? WS_IN_TAKEOVER : 0) : 0),
        .window_bits = opts->window_bits,
    };
}

void pl_ws_in_fini(struct pl_ws_in *in)
{
    ws_side_free(in);
}

struct ws_side *ws_side_get(struct pl_ws_in *in)
{
    if (in->side != NULL)
        return in->side;
    in->side = calloc(1, sizeof *in->side);
    if (in->side != NULL)
        in->side->message = pl_buf_init(in->limit);
    return in->side;
}

void ws_side_free(struct pl_ws_in *in)
{
    if (in->side == NULL)
        return;
    pl_buf_fini(&in->side->message);
    pl_ws_inflater_free(&in->side->inflater);
    free(in->side);
    in->side = NULL;
}

/* What the last event lent is done with; nothing unfinished, no memory. */
static void settle(struct pl_ws_in *in)
{
    struct ws_side *side = in->side;

    if (side == NULL)
        return;
    if (side->is_lent) {
        pl_buf_fini(&side->message);
        side->is_lent = false;
    }
    if (in->is_over ||
        (side->opcode == 0 && !side->is_in_frame && side->n_head == 0 && side->inflater == NULL))
        ws_side_free(in);
}

static enum step event(struct pl_ws_event *ev, enum pl_ws_event_kind kind, struct pl_slice data)
{
    ev->kind = kind;
    ev->data = data;
    return STEP_EVENT;
}

/* The connection is lost: close with this code and reason. */
static enum step bad(struct pl_ws_in *in, struct pl_ws_event *ev, enum pl_ws_code code, const char *why)
{
    in->is_over = true;
    ev->code = (uint16_t)code;
    return event(ev, PL_WS_EV_BAD, pl_slice_str(why));
}

static enum step no_memory(struct pl_ws_in *in, struct pl_ws_event *ev)
{
    return bad(in, ev, PL_WS_C_INTERNAL, "out of memory");
}

static enum step on_close_frame(struct pl_ws_in *in, struct pl_slice payload, struct pl_ws_event *ev)
{
    unsigned code;
    int n;

    if (payload.len == 1)
        return bad(in, ev, PL_WS_C_PROTOCOL, "close payload of one byte");
    if (payload.len == 0) {
        in->is_over = true;
        ev->code = PL_WS_C_NONE;
        return event(ev, PL_WS_EV_CLOSE, payload);
    }
    code = pl_be16(payload.p);
    if (!pl_ws_code_is_sendable(code)) {
        n = snprintf(ev->words, sizeof ev->words, "bad close code %u", code); /* Centrifugo's words */
        PL_ASSERT(n > 0 && (size_t)n < sizeof ev->words);
        return bad(in, ev, PL_WS_C_PROTOCOL, ev->words);
    }
    payload = pl_slice_from(payload, 2);
    if (!pl_utf8_is_valid(payload))
        return bad(in, ev, PL_WS_C_DATA, "invalid UTF-8 in close reason");
    in->is_over = true;
    ev->code = (uint16_t)code;
    return event(ev, PL_WS_EV_CLOSE, payload);
}

static enum step on_control(struct pl_ws_in *in, uint8_t opcode, struct pl_slice payload, struct pl_ws_event *ev)
{
    if (PL_SABOTAGE(ws_control_ends_message) && in->side != NULL)
        in->side->utf8 = PL_UTF8_START;
    switch (opcode) {
    case PL_WS_PING:
        return event(ev, PL_WS_EV_PING, payload);
    case PL_WS_PONG:
        return event(ev, PL_WS_EV_PONG, payload);
    default:
        PL_ASSERT(opcode == PL_WS_CLOSE);
        return on_close_frame(in, payload, ev);
    }
}

/* Inflate a whole message into the shard's scratch. False: *ev says why not. */
static bool unpack(struct pl_ws_in *in, struct pl_ws_zip *zip, struct pl_slice packed, struct pl_slice *ret,
                   struct pl_ws_event *ev)
{
    struct pl_ws_inflater *f;
    struct pl_buf *out;
    struct ws_side *side;
    enum pl_err err = PL_ENOMEM;

    *ret = packed;
    if (zip == NULL) {
        (void)no_memory(in, ev); /* its step is known: an event */
        return false;
    }
    out = pl_ws_zip_scratch(zip, in->inflated_limit);
    if ((in->deflate & WS_IN_TAKEOVER) != 0) {
        side = ws_side_get(in);
        f = NULL;
        if (side != NULL && (side->inflater != NULL || pl_ws_inflater_new(in->window_bits, &side->inflater) == PL_OK))
            f = side->inflater;
    } else {
        f = pl_ws_zip_inflater(zip);
    }
    if (f != NULL)
        err = pl_ws_inflate(f, packed, in->inflated_limit, out);
    *ret = pl_buf_slice(out);
    if (err == PL_OK)
        return true;
    if (err == PL_ETOOBIG)
        (void)bad(in, ev, PL_WS_C_TOO_BIG, NULL);
    else if (err == PL_EPROTO)
        (void)bad(in, ev, PL_WS_C_DATA, "invalid compressed data");
    else
        (void)no_memory(in, ev);
    return false;
}

/* A message is complete, `data` is unmasked. is_checked: uncompressed text that came in pieces, checked as it came. */
static enum step on_message(struct pl_ws_in *in, struct pl_ws_zip *zip, uint8_t opcode, bool is_packed, bool is_checked,
                            struct pl_slice data, struct pl_ws_event *ev)
{
    if (is_packed && !unpack(in, zip, data, &data, ev))
        return STEP_EVENT;
    if (opcode == PL_WS_TEXT && !is_checked && !pl_utf8_is_valid(data))
        return bad(in, ev, PL_WS_C_DATA, "invalid UTF-8");
    ev->opcode = opcode;
    return event(ev, PL_WS_EV_MESSAGE, data);
}

/* Fragments of one message must follow each other (RFC 6455 5.4). */
static const char *order_fault(const struct pl_ws_in *in, const struct pl_ws_head *h)
{
    bool is_midway = in->side != NULL && in->side->opcode != 0;

    if (h->opcode == PL_WS_CONT)
        return is_midway ? NULL : "continuation without a message";
    if (!pl_ws_is_control(h->opcode) && is_midway)
        return "new message inside a fragmented one";
    return NULL;
}

/* Take a head from the feed, or from what was kept of it and the feed. STEP_AGAIN: *ret is set. */
static enum step take_head(struct pl_ws_in *in, struct pl_ws_feed *feed, struct pl_ws_head *ret, struct pl_ws_event *ev)
{
    struct ws_side *side = in->side;
    size_t had = side != NULL ? side->n_head : 0, add = 0, have = side != NULL ? side->message.len : 0;
    struct pl_slice bytes = pl_slice(feed->p, feed->len);
    const char *fault;
    enum pl_err err;

    if (had > 0) {
        add = sizeof side->head_bytes - had < feed->len ? sizeof side->head_bytes - had : feed->len;
        if (add > 0)
            memcpy(side->head_bytes + had, feed->p, add);
        bytes = pl_slice(side->head_bytes, had + add);
    }
    PL_ASSERT(have <= in->limit);
    err = pl_ws_head_parse(bytes, in->role, (in->deflate & WS_IN_DEFLATE) != 0,
                           PL_SABOTAGE(ws_limit_per_frame) ? in->limit : in->limit - have, ret);
    switch (err) {
    case PL_OK:
        feed->p += ret->head_len - had;
        feed->len -= ret->head_len - had;
        if (had > 0)
            side->n_head = 0;
        fault = order_fault(in, ret);
        return fault == NULL ? STEP_AGAIN : bad(in, ev, PL_WS_C_PROTOCOL, fault);
    case PL_MORE: /* keep the beginning; 14 bytes would have been enough */
        if (feed->len > 0) {
            side = ws_side_get(in);
            if (side == NULL)
                return no_memory(in, ev);
            if (had == 0) {
                PL_ASSERT(feed->len < sizeof side->head_bytes);
                add = feed->len;
                memcpy(side->head_bytes, feed->p, add);
            }
            side->n_head = (uint8_t)(had + add);
            feed->p += add;
            feed->len -= add;
        }
        return event(ev, PL_WS_EV_MORE, pl_slice(NULL, 0));
    case PL_ETOOBIG:
        return bad(in, ev, PL_WS_C_TOO_BIG, NULL);
    default:
        PL_ASSERT(err == PL_EPROTO);
        return bad(in, ev, PL_WS_C_PROTOCOL, ret->fault);
    }
}

/* Payload bytes of a data frame, unmasked, into the side block. */
static enum step store(struct pl_ws_in *in, struct pl_slice piece, struct pl_ws_event *ev)
{
    struct ws_side *side = in->side;

    if (side->opcode == PL_WS_TEXT && !side->is_packed && !pl_utf8_feed(&side->utf8, piece))
        return bad(in, ev, PL_WS_C_DATA, "invalid UTF-8");
    pl_buf_put(&side->message, piece.p, piece.len);
    return pl_buf_ok(&side->message) ? STEP_AGAIN : no_memory(in, ev);
}

/* The last byte of a frame whose payload was stored. */
static enum step end_frame(struct pl_ws_in *in, struct pl_ws_zip *zip, const struct pl_ws_head *h, struct pl_ws_event *ev)
{
    struct ws_side *side = in->side;
    uint8_t opcode = side->opcode;

    if (!h->is_fin)
        return STEP_AGAIN;
    side->opcode = 0;
    side->is_lent = true;
    if (opcode == PL_WS_TEXT && !side->is_packed && !pl_utf8_is_whole(side->utf8))
        return bad(in, ev, PL_WS_C_DATA, "invalid UTF-8");
    return on_message(in, zip, opcode, side->is_packed, !side->is_packed, pl_buf_slice(&side->message), ev);
}

/* A head was read: its payload is taken whole from the feed, or the frame is begun. */
static enum step begin_frame(struct pl_ws_in *in, struct pl_ws_zip *zip, struct pl_ws_feed *feed,
                             const struct pl_ws_head *h, struct pl_ws_event *ev)
{
    bool is_control = pl_ws_is_control(h->opcode), is_whole = h->payload_len <= feed->len;
    struct pl_slice payload = pl_slice(feed->p, is_whole ? (size_t)h->payload_len : 0);
    struct ws_side *side;

    if (is_whole) {
        if (h->is_masked)
            pl_ws_mask(feed->p, payload.len, h->mask, 0);
        feed->p += payload.len;
        feed->len -= payload.len;
        if (is_control)
            return on_control(in, h->opcode, payload, ev);
        if (h->is_fin && h->opcode != PL_WS_CONT)
            return on_message(in, zip, h->opcode, h->has_rsv1, false, payload, ev);
    }
    side = ws_side_get(in);
    if (side == NULL)
        return no_memory(in, ev);
    if (!is_control && h->opcode != PL_WS_CONT) {
        side->opcode = h->opcode;
        side->is_packed = h->has_rsv1;
        side->utf8 = PL_UTF8_START;
    }
    if (!is_whole) {
        side->head = *h;
        side->left = h->payload_len;
        side->n_control = 0;
        side->is_in_frame = true;
        return STEP_AGAIN;
    }
    if (store(in, payload, ev) == STEP_EVENT)
        return STEP_EVENT;
    return end_frame(in, zip, h, ev);
}

/* More payload of the frame begun. */
static enum step go_on(struct pl_ws_in *in, struct pl_ws_zip *zip, struct pl_ws_feed *feed, struct pl_ws_event *ev)
{
    struct ws_side *side = in->side;
    size_t n = side->left < feed->len ? (size_t)side->left : feed->len;
    struct pl_slice piece = pl_slice(feed->p, n);
    bool is_control = pl_ws_is_control(side->head.opcode);

    if (n == 0)
        return event(ev, PL_WS_EV_MORE, piece);
    if (side->head.is_masked)
        pl_ws_mask(feed->p, n, side->head.mask, side->head.payload_len - side->left);
    feed->p += n;
    feed->len -= n;
    side->left -= n;
    if (is_control) {
        memcpy(side->control + side->n_control, piece.p, n);
        side->n_control = (uint8_t)(side->n_control + n);
    } else if (store(in, piece, ev) == STEP_EVENT) {
        return STEP_EVENT;
    }
    if (side->left > 0)
        return STEP_AGAIN;
    side->is_in_frame = false;
    if (is_control)
        return on_control(in, side->head.opcode, pl_slice(side->control, side->n_control), ev);
    return end_frame(in, zip, &side->head, ev);
}

enum pl_ws_event_kind pl_ws_in_next(struct pl_ws_in *in, struct pl_ws_zip *zip, struct pl_ws_feed *feed,
                                    struct pl_ws_event *ret)
{
    struct pl_ws_head h;
    enum step step;

    settle(in);
    do {
        if (in->is_over) {
            feed->p += feed->len;
            feed->len = 0;
            step = event(ret, PL_WS_EV_MORE, pl_slice(NULL, 0));
        } else if (in->side != NULL && in->side->is_in_frame) {
            step = go_on(in, zip, feed, ret);
        } else {
            step = take_head(in, feed, &h, ret);
            if (step == STEP_AGAIN)
                step = begin_frame(in, zip, feed, &h, ret);
        }
    } while (step == STEP_AGAIN);
    return ret->kind;
}

bool pl_ws_in_is_midway(const struct pl_ws_in *in)
{
    return !in->is_over && in->side != NULL &&
           (in->side->opcode != 0 || in->side->is_in_frame || in->side->n_head > 0);
}

size_t pl_ws_in_held(const struct pl_ws_in *in)
{
    return in->side != NULL ? sizeof *in->side + in->side->message.cap : 0;
}
