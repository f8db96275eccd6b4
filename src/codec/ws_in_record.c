/* A pl_ws_in in a record: hot upgrade and the cut-anywhere test (design.md 9). */
#include "base/check.h"
#include "base/utf8.h"
#include "codec/ws_in.h"
#include "codec/ws_side.h"

/* Tags, never reused. Numbers are u64. */
enum {
    TAG_OVER = 1,
    TAG_OPCODE = 2,       /* of the message midway; with it the next three */
    TAG_PACKED = 3,
    TAG_UTF8 = 4,
    TAG_MESSAGE = 5,
    TAG_HEAD = 6,         /* bytes of an unfinished head */
    TAG_FRAME_OPCODE = 7, /* + 1, so that a continuation is not the default; with it the next six */
    TAG_FRAME_FIN = 8,
    TAG_FRAME_LEN = 9,
    TAG_FRAME_LEFT = 10,
    TAG_FRAME_MASK = 11,
    TAG_CONTROL = 12,
    TAG_WINDOW = 13       /* the peer's compression window */
};

void pl_ws_in_save(const struct pl_ws_in *in, struct pl_rec_out *r)
{
    uint8_t window[PL_WS_WINDOW_MAX];
    const struct ws_side *side = in->side;

    pl_rec_u64(r, TAG_OVER, in->is_over);
    if (side == NULL || in->is_over)
        return;
    if (side->opcode != 0) {
        pl_rec_u64(r, TAG_OPCODE, side->opcode);
        pl_rec_u64(r, TAG_PACKED, side->is_packed);
        pl_rec_u64(r, TAG_UTF8, side->utf8);
        pl_rec_bytes(r, TAG_MESSAGE, pl_buf_slice(&side->message));
    }
    pl_rec_bytes(r, TAG_HEAD, pl_slice(side->head_bytes, side->n_head));
    if (side->is_in_frame) {
        pl_rec_u64(r, TAG_FRAME_OPCODE, side->head.opcode + 1u);
        pl_rec_u64(r, TAG_FRAME_FIN, side->head.is_fin);
        pl_rec_u64(r, TAG_FRAME_LEN, side->head.payload_len);
        pl_rec_u64(r, TAG_FRAME_LEFT, side->left);
        if (side->head.is_masked)
            pl_rec_bytes(r, TAG_FRAME_MASK, pl_slice(side->head.mask, sizeof side->head.mask));
        pl_rec_bytes(r, TAG_CONTROL, pl_slice(side->control, side->n_control));
    }
    if (side->inflater != NULL)
        pl_rec_bytes(r, TAG_WINDOW, pl_slice(window, pl_ws_inflater_window(side->inflater, window)));
}

/* One field into the side block. False: impossible value. */
static bool load_field(struct ws_side *side, const struct pl_rec_field *f)
{
    uint64_t v = pl_rec_get_u64(f);

    switch (f->tag) {
    case TAG_OPCODE:
        side->opcode = (uint8_t)v;
        return v == PL_WS_TEXT || v == PL_WS_BINARY;
    case TAG_PACKED:
        side->is_packed = v != 0;
        return true;
    case TAG_UTF8:
        side->utf8 = (uint8_t)v;
        return pl_utf8_is_state(v);
    case TAG_MESSAGE:
        pl_buf_put(&side->message, f->value.p, f->value.len);
        return pl_buf_ok(&side->message);
    case TAG_HEAD:
        if (f->value.len >= PL_WS_HEAD_MAX)
            return false;
        memcpy(side->head_bytes, f->value.p, f->value.len);
        side->n_head = (uint8_t)f->value.len;
        return true;
    case TAG_FRAME_OPCODE:
        if (v == 0 || v > PL_WS_PONG + 1)
            return false;
        side->head.opcode = (uint8_t)(v - 1);
        side->is_in_frame = true;
        return true;
    case TAG_FRAME_FIN:
        side->head.is_fin = v != 0;
        return true;
    case TAG_FRAME_LEN:
        side->head.payload_len = v;
        return true;
    case TAG_FRAME_LEFT:
        side->left = v;
        return true;
    case TAG_FRAME_MASK:
        if (f->value.len != sizeof side->head.mask)
            return false;
        memcpy(side->head.mask, f->value.p, sizeof side->head.mask);
        side->head.is_masked = true;
        return true;
    case TAG_CONTROL:
        if (f->value.len > PL_WS_CONTROL_MAX)
            return false;
        memcpy(side->control, f->value.p, f->value.len);
        side->n_control = (uint8_t)f->value.len;
        return true;
    default: /* of a newer binary: skipped */
        return true;
    }
}

/* What the reader itself would never have come to, a record may not claim. */
static bool is_possible(const struct pl_ws_in *in, const struct ws_side *side)
{
    const struct pl_ws_head *h = &side->head;
    struct pl_ws_head whole;

    if (side->n_head > 0 && pl_ws_head_parse(pl_slice(side->head_bytes, side->n_head), (enum pl_ws_role)in->role,
                                             (in->deflate & WS_IN_DEFLATE) != 0, UINT64_MAX, &whole) != PL_MORE)
        return false;
    if (side->message.len > 0 && side->opcode == 0)
        return false;
    if (side->is_packed && (in->deflate & WS_IN_DEFLATE) == 0)
        return false;
    if (!side->is_in_frame)
        return side->n_control == 0;
    if (side->n_head != 0 || side->left == 0 || side->left > h->payload_len)
        return false;
    if (h->is_masked != (in->role == PL_WS_SERVER))
        return false;
    if (pl_ws_is_control(h->opcode))
        return h->is_fin && h->payload_len <= PL_WS_CONTROL_MAX && side->n_control == h->payload_len - side->left;
    return h->opcode <= PL_WS_BINARY && side->opcode != 0 && side->n_control == 0 &&
           side->left <= in->limit - side->message.len;
}

enum pl_err pl_ws_in_load(struct pl_ws_in *in, const struct pl_ws_in_opts *opts, struct pl_rec_in r)
{
    struct pl_rec_field f;
    struct ws_side *side;
    enum pl_err err;

    pl_ws_in_init(in, opts);
    for (;;) {
        err = pl_rec_next(&r, &f);
        if (err == PL_ENOENT)
            break;
        if (err != PL_OK)
            goto damaged;
        if (f.tag == TAG_OVER) {
            in->is_over = pl_rec_get_u64(&f) != 0;
            continue;
        }
        side = ws_side_get(in);
        if (side == NULL) {
            err = PL_ENOMEM;
            goto damaged;
        }
        err = PL_EPROTO;
        if (f.tag == TAG_WINDOW) {
            if ((in->deflate & WS_IN_TAKEOVER) == 0 || side->inflater != NULL)
                goto damaged;
            err = pl_ws_inflater_new(in->window_bits, &side->inflater);
            if (err == PL_OK)
                err = pl_ws_inflater_set_window(side->inflater, f.value);
            if (err != PL_OK)
                goto damaged;
        } else if (!load_field(side, &f)) {
            goto damaged;
        }
    }
    if (in->side != NULL && !is_possible(in, in->side)) {
        err = PL_EPROTO;
        goto damaged;
    }
    return PL_OK;

damaged:
    ws_side_free(in);
    return err;
}
