#include "codec/pb.h"

#include "base/utf8.h"

enum { GROUP_START = 3, GROUP_END = 4 };

enum pl_err pl_pb_varint(struct pl_slice *rest, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t i = 0; i < rest->len; i++) {
        uint8_t c = rest->p[i];

        if (i == 9 && c > 1) /* 64 bits are full, or an eleventh byte would follow */
            return PL_EPROTO;
        v |= (uint64_t)(c & 0x7f) << (7 * i);
        if (c < 0x80) {
            *rest = pl_slice_from(*rest, i + 1);
            *ret = v;
            return PL_OK;
        }
    }
    return PL_MORE;
}

static enum pl_err take(struct pl_slice *rest, uint64_t n, struct pl_slice *ret)
{
    if (n > rest->len)
        return PL_EPROTO;
    *ret = pl_slice(rest->p, (size_t)n);
    *rest = pl_slice_from(*rest, (size_t)n);
    return PL_OK;
}

enum pl_err pl_pb_next(struct pl_slice *rest, struct pl_pb_field *ret)
{
    uint64_t tag, n;

    if (rest->len == 0)
        return PL_ENOENT;
    if (pl_pb_varint(rest, &tag) != PL_OK || tag >> 32 != 0 || tag >> 3 == 0)
        return PL_EPROTO;
    *ret = (struct pl_pb_field){ .number = (uint32_t)(tag >> 3), .type = (uint32_t)(tag & 7) };
    switch (ret->type) {
    case PL_PB_VARINT: return pl_pb_varint(rest, &ret->v) == PL_OK ? PL_OK : PL_EPROTO;
    case PL_PB_I64:    return take(rest, 8, &ret->bytes);
    case PL_PB_I32:    return take(rest, 4, &ret->bytes);
    case PL_PB_LEN:    return pl_pb_varint(rest, &n) == PL_OK ? take(rest, n, &ret->bytes) : PL_EPROTO;
    case GROUP_START:
    case GROUP_END:
    default:           return PL_EPROTO;
    }
}

enum pl_err pl_pb_str(const struct pl_pb_field *f, struct pl_slice *ret)
{
    if (f->type != PL_PB_LEN || !pl_utf8_is_valid(f->bytes))
        return PL_EPROTO;
    *ret = f->bytes;
    return PL_OK;
}

size_t pl_pb_varint_len(uint64_t v)
{
    size_t n = 1;

    for (; v > 0x7f; v >>= 7)
        n++;
    return n;
}

void pl_pb_put_varint(struct pl_buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;

    for (; v > 0x7f; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    pl_buf_put(b, bytes, n);
}

void pl_pb_put_u64(struct pl_buf *b, uint32_t number, uint64_t v)
{
    if (v == 0)
        return;
    pl_pb_put_varint(b, (uint64_t)number << 3 | PL_PB_VARINT);
    pl_pb_put_varint(b, v);
}

void pl_pb_put_some(struct pl_buf *b, uint32_t number, struct pl_slice v)
{
    pl_pb_put_varint(b, (uint64_t)number << 3 | PL_PB_LEN);
    pl_pb_put_varint(b, v.len);
    pl_buf_slice_put(b, v);
}

void pl_pb_put_bytes(struct pl_buf *b, uint32_t number, struct pl_slice v)
{
    if (v.len != 0)
        pl_pb_put_some(b, number, v);
}

size_t pl_pb_open(struct pl_buf *b, uint32_t number)
{
    if (number != 0)
        pl_pb_put_varint(b, (uint64_t)number << 3 | PL_PB_LEN);
    return b->len;
}

void pl_pb_close(struct pl_buf *b, size_t mark)
{
    size_t len = b->len - mark, n = pl_pb_varint_len(len);

    if (pl_buf_room(b, n) == NULL)
        return;
    memmove(b->p + mark + n, b->p + mark, len);
    b->len = mark;
    pl_pb_put_varint(b, len);
    b->len += len;
}
