#include "base/record.h"

#include <zlib.h>

#include "base/check.h"

/* A field: tag 2, length 4, value. A seal: magic 4, version 4, length 4, CRC32 of version, length and inside 4, inside. */
enum { FIELD_HEAD = 6, SEAL_HEAD = 16 };
static const uint8_t seal_magic[4] = { 'P', 'L', 'r', '1' };

static void put_le(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static void field_head(struct pl_rec_out *r, uint16_t tag, size_t len)
{
    uint8_t head[FIELD_HEAD];

    if (len > UINT32_MAX) { /* beyond every limit of ours; the caller's pl_buf_ok tells */
        r->buf->failed = true;
        return;
    }
    put_le(head, tag, 2);
    put_le(head + 2, len, 4);
    pl_buf_put(r->buf, head, sizeof head);
}

void pl_rec_u64(struct pl_rec_out *r, uint16_t tag, uint64_t v)
{
    uint8_t le[8];

    if (v == 0)
        return;
    put_le(le, v, sizeof le);
    field_head(r, tag, sizeof le);
    pl_buf_put(r->buf, le, sizeof le);
}

void pl_rec_i64(struct pl_rec_out *r, uint16_t tag, int64_t v)
{
    pl_rec_u64(r, tag, (uint64_t)v);
}

void pl_rec_bytes(struct pl_rec_out *r, uint16_t tag, struct pl_slice v)
{
    if (v.len == 0)
        return;
    field_head(r, tag, v.len);
    pl_buf_slice_put(r->buf, v);
}

size_t pl_rec_begin(struct pl_rec_out *r, uint16_t tag)
{
    size_t mark = r->buf->len;

    field_head(r, tag, 0);
    return mark;
}

void pl_rec_end(struct pl_rec_out *r, size_t mark)
{
    if (r->buf->failed) /* nobody will read it */
        return;
    PL_ASSERT(mark + FIELD_HEAD <= r->buf->len);
    put_le(r->buf->p + mark + 2, r->buf->len - mark - FIELD_HEAD, 4);
}

enum pl_err pl_rec_next(struct pl_rec_in *r, struct pl_rec_field *ret)
{
    uint64_t len;

    if (r->rest.len == 0)
        return PL_ENOENT;
    if (r->rest.len < FIELD_HEAD)
        return PL_EPROTO;
    len = get_le(r->rest.p + 2, 4);
    if (len > r->rest.len - FIELD_HEAD)
        return PL_EPROTO;
    ret->tag = (uint16_t)get_le(r->rest.p, 2);
    ret->value = pl_slice(r->rest.p + FIELD_HEAD, (size_t)len);
    r->rest = pl_slice_from(r->rest, FIELD_HEAD + (size_t)len);
    return PL_OK;
}

uint64_t pl_rec_get_u64(const struct pl_rec_field *f)
{
    return f->value.len == 8 ? get_le(f->value.p, 8) : 0;
}

int64_t pl_rec_get_i64(const struct pl_rec_field *f)
{
    return (int64_t)pl_rec_get_u64(f);
}

static uint32_t seal_crc(const uint8_t *head, struct pl_slice inside)
{
    uLong crc = crc32_z(0, head + 4, 8);

    return (uint32_t)crc32_z(crc, inside.p, inside.len);
}

void pl_rec_seal(struct pl_buf *buf, size_t from, uint32_t version)
{
    size_t len;
    uint8_t *p;

    PL_ASSERT(from <= buf->len);
    len = buf->len - from;
    if (len > UINT32_MAX) {
        buf->failed = true;
        return;
    }
    if (pl_buf_room(buf, SEAL_HEAD) == NULL)
        return;
    p = buf->p + from;
    if (len > 0)
        memmove(p + SEAL_HEAD, p, len);
    buf->len += SEAL_HEAD;
    memcpy(p, seal_magic, 4);
    put_le(p + 4, version, 4);
    put_le(p + 8, len, 4);
    put_le(p + 12, seal_crc(p, pl_slice(p + SEAL_HEAD, len)), 4);
}

enum pl_err pl_rec_open(struct pl_slice sealed, uint32_t *ret_version, struct pl_rec_in *ret)
{
    struct pl_slice inside;
    uint64_t len;

    if (sealed.len < sizeof seal_magic)
        return sealed.len == 0 || memcmp(sealed.p, seal_magic, sealed.len) == 0 ? PL_MORE : PL_EPROTO;
    if (memcmp(sealed.p, seal_magic, sizeof seal_magic) != 0)
        return PL_EPROTO;
    if (sealed.len < SEAL_HEAD)
        return PL_MORE;
    len = get_le(sealed.p + 8, 4);
    if (len > sealed.len - SEAL_HEAD)
        return PL_MORE;
    if (len < sealed.len - SEAL_HEAD) /* what follows would be lost silently */
        return PL_EPROTO;
    inside = pl_slice(sealed.p + SEAL_HEAD, (size_t)len);
    if (get_le(sealed.p + 12, 4) != seal_crc(sealed.p, inside) && !PL_SABOTAGE(record_skip_crc))
        return PL_EPROTO;
    *ret_version = (uint32_t)get_le(sealed.p + 4, 4);
    ret->rest = inside;
    return PL_OK;
}
