#include "codec/ws_deflate.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/check.h"

enum {
    INFLATE_STEP = 16 * 1024, /* output between two looks at the limit */
    DEFLATE_STEP = 4 * 1024,
    DEFLATE_MEM = 8,          /* zlib's default */
    RESTARTS_MAX = 16,        /* final blocks inside one message; an honest sender needs at most one */
    SCRATCH_KEEP = 64 * 1024,
    RAW_BITS_MIN = 9,         /* zlib has no raw deflate with a window of 256 bytes */
    SMALL_MAX = 1024,         /* up to here zlib is faster than libdeflate, whose tables are large: 6 us to 16 for 512 bytes */
    SMALL_BITS = 11,          /* zlib's for those: 16 KiB in all, and no distance beyond SMALL_MAX comes up anyway */
    SMALL_MEM = 4
};

/* RFC 7692 7.2.1: what the sender cut off and the receiver puts back, an empty stored block without its header. */
static const uint8_t flush_tail[4] = { 0x00, 0x00, 0xff, 0xff };

struct pl_ws_inflater {
    z_stream z;
    uint8_t bits;
};

struct pl_ws_deflater {
    z_stream z;
    uint8_t bits;
};

struct pl_ws_zip {
    struct libdeflate_compressor *one_shot; /* owned; made at first use */
    z_stream small;                         /* owned if has_small; for messages up to SMALL_MAX */
    bool has_small;
    struct pl_ws_inflater *inflater;        /* owned; made at first use */
    struct pl_buf scratch;
    int level;
};

/* ---- inflate ---- */

enum pl_err pl_ws_inflater_new(unsigned bits, struct pl_ws_inflater **ret)
{
    struct pl_ws_inflater *f;

    PL_ASSERT(bits >= 8 && bits <= 15);
    f = calloc(1, sizeof *f);
    if (f == NULL)
        return PL_ENOMEM;
    f->bits = (uint8_t)bits;
    if (inflateInit2(&f->z, -(int)bits) != Z_OK) {
        free(f);
        return PL_ENOMEM;
    }
    *ret = f;
    return PL_OK;
}

void pl_ws_inflater_free(struct pl_ws_inflater **take_f)
{
    if (*take_f == NULL)
        return;
    (void)inflateEnd(&(*take_f)->z); /* fails on a broken stream struct only */
    free(*take_f);
    *take_f = NULL;
}

void pl_ws_inflater_reset(struct pl_ws_inflater *f)
{
    int rc = inflateReset(&f->z);

    PL_ASSERT(rc == Z_OK);
}

/* A final block ended the deflate stream, the message may go on (7.2.3.4): a new stream over the same window. */
static enum pl_err restart(struct pl_ws_inflater *f)
{
    uint8_t window[PL_WS_WINDOW_MAX];
    size_t n = pl_ws_inflater_window(f, window);

    pl_ws_inflater_reset(f);
    return pl_ws_inflater_set_window(f, pl_slice(window, n));
}

struct inflate_job {
    struct pl_buf *out;
    size_t left;         /* of the limit */
    unsigned n_restarts;
    bool is_at_end;      /* the last thing seen was a final block */
};

static enum pl_err inflate_some(struct pl_ws_inflater *f, struct inflate_job *job, const uint8_t *p, size_t n, int flush)
{
    z_stream *z = &f->z;
    uint8_t spare; /* with the limit used up: does one more byte want to come? */
    enum pl_err err;
    uint8_t *room;
    size_t step;
    int rc;

    PL_ASSERT(n <= UINT32_MAX);
    z->next_in = (z_const Bytef *)p;
    z->avail_in = (uInt)n;
    for (;;) {
        if (job->is_at_end && z->avail_in > 0) {
            if (++job->n_restarts > RESTARTS_MAX)
                return PL_EPROTO;
            err = restart(f);
            if (err != PL_OK)
                return err;
            job->is_at_end = false;
        }
        step = job->left < INFLATE_STEP ? job->left : INFLATE_STEP;
        room = step > 0 ? pl_buf_room(job->out, step) : &spare;
        if (room == NULL)
            return PL_ENOMEM;
        z->next_out = room;
        z->avail_out = step > 0 ? (uInt)step : 1;
        rc = inflate(z, flush);
        if (rc == Z_MEM_ERROR)
            return PL_ENOMEM;
        if (rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END)
            return PL_EPROTO;
        if (step == 0 && z->avail_out == 0)
            return PL_ETOOBIG;
        if (step > 0) {
            job->out->len += step - z->avail_out;
            job->left -= step - z->avail_out;
        }
        job->is_at_end = rc == Z_STREAM_END;
        if (z->avail_in == 0 && (job->is_at_end || z->avail_out > 0))
            return PL_OK;
    }
}

enum pl_err pl_ws_inflate(struct pl_ws_inflater *f, struct pl_slice payload, size_t limit, struct pl_buf *out)
{
    struct inflate_job job = { out, limit, 0, false };
    enum pl_err err;

    err = inflate_some(f, &job, payload.p, payload.len, Z_SYNC_FLUSH);
    if (err != PL_OK)
        return err;
    if (job.is_at_end) /* a final block without the zero byte behind it: lenient, as Centrifugo is */
        return restart(f);
    err = inflate_some(f, &job, flush_tail, sizeof flush_tail, Z_BLOCK);
    if (err != PL_OK)
        return err;
    /* Between two blocks with no bit left over: else the message was cut short. */
    if ((f->z.data_type & 128) == 0 || (f->z.data_type & 63) != 0)
        return PL_EPROTO;
    return (f->z.data_type & 64) != 0 ? restart(f) : PL_OK; /* 64: the flush block itself was marked final */
}

size_t pl_ws_inflater_window(struct pl_ws_inflater *f, uint8_t out[PL_WS_WINDOW_MAX])
{
    uInt n = 0;
    int rc = inflateGetDictionary(&f->z, out, &n);

    PL_ASSERT(rc == Z_OK && n <= PL_WS_WINDOW_MAX);
    return n;
}

enum pl_err pl_ws_inflater_set_window(struct pl_ws_inflater *f, struct pl_slice window)
{
    if (window.len > (size_t)1 << f->bits)
        return PL_EPROTO;
    if (window.len == 0)
        return PL_OK;
    return inflateSetDictionary(&f->z, window.p, (uInt)window.len) == Z_OK ? PL_OK : PL_ENOMEM;
}

/* ---- deflate ---- */

static enum pl_err deflate_init(z_stream *z, unsigned bits, int level, int mem)
{
    /* A window of 256 bytes: matches of distance 1 only, which any window holds. */
    int strategy = bits < RAW_BITS_MIN ? Z_RLE : Z_DEFAULT_STRATEGY;

    PL_ASSERT(bits >= 8 && bits <= 15 && level >= 1 && level <= 9);
    return deflateInit2(z, level, Z_DEFLATED, -(int)(bits < RAW_BITS_MIN ? RAW_BITS_MIN : bits), mem, strategy) == Z_OK
               ? PL_OK : PL_ENOMEM;
}

/* Everything of `message`, flushed to a byte boundary, without the tail of 4. */
static enum pl_err deflate_all(z_stream *z, struct pl_slice message, struct pl_buf *out)
{
    uint8_t *room;
    int rc;

    if (message.len == 0) { /* zlib makes nothing of a second empty flush; 7.2.3.6: one zero byte */
        pl_buf_byte(out, 0);
        return pl_buf_ok(out) ? PL_OK : PL_ENOMEM;
    }
    PL_ASSERT(message.len <= UINT32_MAX);
    z->next_in = (z_const Bytef *)message.p;
    z->avail_in = (uInt)message.len;
    do {
        room = pl_buf_room(out, DEFLATE_STEP);
        if (room == NULL)
            return PL_ENOMEM;
        z->next_out = room;
        z->avail_out = DEFLATE_STEP;
        rc = deflate(z, Z_SYNC_FLUSH);
        PL_ASSERT(rc == Z_OK || rc == Z_BUF_ERROR); /* the latter: all had gone exactly when the room was full */
        out->len += DEFLATE_STEP - z->avail_out;
    } while (z->avail_out == 0);
    PL_ASSERT(z->avail_in == 0 && out->len >= sizeof flush_tail);
    out->len -= sizeof flush_tail;
    PL_ASSERT(memcmp(out->p + out->len, flush_tail, sizeof flush_tail) == 0);
    return PL_OK;
}

enum pl_err pl_ws_deflater_new(unsigned bits, int level, struct pl_ws_deflater **ret)
{
    struct pl_ws_deflater *d = calloc(1, sizeof *d);

    if (d == NULL)
        return PL_ENOMEM;
    d->bits = (uint8_t)bits;
    if (deflate_init(&d->z, bits, level, DEFLATE_MEM) != PL_OK) {
        free(d);
        return PL_ENOMEM;
    }
    *ret = d;
    return PL_OK;
}

void pl_ws_deflater_free(struct pl_ws_deflater **take_d)
{
    if (*take_d == NULL)
        return;
    (void)deflateEnd(&(*take_d)->z); /* says "data error" when bytes were pending: none are after a flush */
    free(*take_d);
    *take_d = NULL;
}

enum pl_err pl_ws_deflate(struct pl_ws_deflater *d, struct pl_slice message, struct pl_buf *out)
{
    return deflate_all(&d->z, message, out);
}

size_t pl_ws_deflater_window(struct pl_ws_deflater *d, uint8_t out[PL_WS_WINDOW_MAX])
{
    uInt n = 0;
    int rc = deflateGetDictionary(&d->z, out, &n);

    PL_ASSERT(rc == Z_OK && n <= PL_WS_WINDOW_MAX);
    return n;
}

enum pl_err pl_ws_deflater_set_window(struct pl_ws_deflater *d, struct pl_slice window)
{
    if (window.len > PL_WS_WINDOW_MAX)
        return PL_EPROTO;
    if (window.len == 0)
        return PL_OK;
    return deflateSetDictionary(&d->z, window.p, (uInt)window.len) == Z_OK ? PL_OK : PL_EPROTO;
}

/* ---- one per shard ---- */

enum pl_err pl_ws_zip_new(int level, struct pl_ws_zip **ret)
{
    struct pl_ws_zip *z;

    PL_ASSERT(level >= 1 && level <= 9);
    z = calloc(1, sizeof *z);
    if (z == NULL)
        return PL_ENOMEM;
    z->level = level;
    z->scratch = pl_buf_init(0);
    *ret = z;
    return PL_OK;
}

/* Compressors only; the scratch stays, it may be lent. */
static void drop_compressors(struct pl_ws_zip *z)
{
    libdeflate_free_compressor(z->one_shot);
    z->one_shot = NULL;
    if (z->has_small)
        (void)deflateEnd(&z->small); /* nothing pending, as above */
    z->has_small = false;
}

void pl_ws_zip_set_level(struct pl_ws_zip *z, int level)
{
    PL_ASSERT(level >= 1 && level <= 9);
    if (z->level == level)
        return;
    z->level = level;
    drop_compressors(z);
}

void pl_ws_zip_free(struct pl_ws_zip **take_z)
{
    struct pl_ws_zip *z = *take_z;

    if (z == NULL)
        return;
    pl_ws_inflater_free(&z->inflater);
    drop_compressors(z);
    pl_buf_fini(&z->scratch);
    free(z);
    *take_z = NULL;
}

/* Rare: a receiver with a window smaller than the message. */
static enum pl_err zip_small_window(const struct pl_ws_zip *z, struct pl_slice message, unsigned bits, struct pl_buf *out)
{
    z_stream stream = { 0 };
    enum pl_err err = deflate_init(&stream, bits, z->level, DEFLATE_MEM);

    if (err != PL_OK)
        return err;
    err = deflate_all(&stream, message, out);
    (void)deflateEnd(&stream); /* nothing pending, as above */
    return err;
}

static enum pl_err zip_small_message(struct pl_ws_zip *z, struct pl_slice message, struct pl_buf *out)
{
    enum pl_err err;
    int rc;

    if (!z->has_small) {
        z->small = (z_stream){ 0 };
        err = deflate_init(&z->small, SMALL_BITS, z->level, SMALL_MEM);
        if (err != PL_OK)
            return err;
        z->has_small = true;
    }
    rc = deflateReset(&z->small);
    PL_ASSERT(rc == Z_OK);
    return deflate_all(&z->small, message, out);
}

enum pl_err pl_ws_zip_message(struct pl_ws_zip *z, struct pl_slice message, unsigned bits, struct pl_buf *out)
{
    uint8_t *room;
    size_t bound, n;

    PL_ASSERT(bits >= 8 && bits <= 15);
    if (message.len == 0) {
        pl_buf_byte(out, 0);
        return pl_buf_ok(out) ? PL_OK : PL_ETOOBIG;
    }
    if (bits < 15 && message.len > (size_t)1 << bits)
        return zip_small_window(z, message, bits, out);
    if (message.len <= SMALL_MAX)
        return zip_small_message(z, message, out);
    if (z->one_shot == NULL)
        z->one_shot = libdeflate_alloc_compressor(z->level);
    if (z->one_shot == NULL)
        return PL_ENOMEM;
    bound = libdeflate_deflate_compress_bound(z->one_shot, message.len) + 1;
    room = pl_buf_room(out, bound);
    if (room == NULL)
        return PL_ETOOBIG;
    n = libdeflate_deflate_compress(z->one_shot, message.p, message.len, room, bound - 1);
    PL_ASSERT(n > 0 && n < bound);
    room[n] = 0; /* the header of the empty stored block whose rest the receiver puts back */
    out->len += n + 1;
    return PL_OK;
}

struct pl_ws_inflater *pl_ws_zip_inflater(struct pl_ws_zip *z)
{
    if (z->inflater != NULL)
        pl_ws_inflater_reset(z->inflater);
    else if (pl_ws_inflater_new(15, &z->inflater) != PL_OK)
        return NULL;
    return z->inflater;
}

struct pl_buf *pl_ws_zip_scratch(struct pl_ws_zip *z, size_t limit)
{
    if (z->scratch.cap > SCRATCH_KEEP)
        pl_buf_fini(&z->scratch);
    pl_buf_clear(&z->scratch);
    z->scratch.limit = limit;
    return &z->scratch;
}
