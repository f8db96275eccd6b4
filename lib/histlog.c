#include "lib/histlog.h"

#include <errno.h>
#include <string.h>

static const uint8_t hist_magic[8] = { 'P', 'E', 'A', 'L', 'H', 'I', 'S', 'T' };
enum { HIST_VERSION = 1 };

static void put_le(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

enum pl_err pl_hist_create(const char *path, struct pl_hist_writer *ret)
{
    uint8_t head[PL_HIST_RECORD_BYTES] = { 0 };
    FILE *file = fopen(path, "wb");

    if (file == NULL)
        return PL_EIO;
    memcpy(head, hist_magic, sizeof hist_magic);
    put_le(head + 8, HIST_VERSION, 4);
    (void)fwrite(head, sizeof head, 1, file); /* an error stays in the stream, close returns it */
    *ret = (struct pl_hist_writer){ .file = file };
    return PL_OK;
}

void pl_hist_put(struct pl_hist_writer *w, const struct pl_hist_record *r)
{
    uint8_t out[PL_HIST_RECORD_BYTES];

    put_le(out, (uint64_t)r->kind | (uint64_t)r->epoch << 8, 4);
    put_le(out + 4, r->a, 4);
    put_le(out + 8, r->b, 8);
    put_le(out + 16, r->c, 8);
    put_le(out + 24, r->t_us, 8);
    (void)fwrite(out, sizeof out, 1, w->file); /* an error stays in the stream, close returns it */
}

uint32_t pl_hist_name(struct pl_hist_writer *w, struct pl_slice text)
{
    static const uint8_t zeros[PL_HIST_RECORD_BYTES];
    size_t len = text.len < PL_HIST_NAME_BYTES ? text.len : PL_HIST_NAME_BYTES;
    size_t pad = (PL_HIST_RECORD_BYTES - len % PL_HIST_RECORD_BYTES) % PL_HIST_RECORD_BYTES;

    w->n_names++;
    pl_hist_put(w, &(struct pl_hist_record){ .kind = PL_HIST_NAME, .a = w->n_names, .b = len });
    if (len > 0)
        (void)fwrite(text.p, len, 1, w->file);
    if (pad > 0)
        (void)fwrite(zeros, pad, 1, w->file);
    return w->n_names;
}

uint32_t pl_hist_sub(struct pl_hist_writer *w, uint32_t channel_name, uint64_t client)
{
    w->n_subs++;
    pl_hist_put(w, &(struct pl_hist_record){ .kind = PL_HIST_SUB, .a = w->n_subs, .b = channel_name, .c = client });
    return w->n_subs;
}

enum pl_err pl_hist_close(struct pl_hist_writer *w)
{
    FILE *file = w->file;
    bool is_bad;

    if (file == NULL)
        return PL_OK;
    w->file = NULL;
    is_bad = ferror(file) != 0;
    if (fclose(file) != 0)
        is_bad = true;
    return is_bad ? PL_EIO : PL_OK;
}

enum pl_err pl_hist_open(const char *path, struct pl_hist_reader *ret)
{
    uint8_t head[PL_HIST_RECORD_BYTES];
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return errno == ENOENT ? PL_ENOENT : PL_EIO;
    if (fread(head, sizeof head, 1, file) != 1 || memcmp(head, hist_magic, sizeof hist_magic) != 0) {
        (void)fclose(file); /* only read from */
        return PL_EPROTO;
    }
    if (get_le(head + 8, 4) != HIST_VERSION) {
        (void)fclose(file);
        return PL_EUNSUP;
    }
    ret->file = file;
    ret->n_records = 0;
    ret->is_cut = false;
    return PL_OK;
}

/* A whole block of n bytes (a multiple of 32), or the end. */
static enum pl_err read_block(struct pl_hist_reader *r, uint8_t *p, size_t n)
{
    size_t got = fread(p, 1, n, r->file);

    if (got == n)
        return PL_OK;
    if (ferror(r->file) != 0)
        return PL_EIO;
    r->is_cut = got > 0;
    return PL_ECLOSED;
}

enum pl_err pl_hist_read(struct pl_hist_reader *r, struct pl_hist_record *ret)
{
    uint8_t in[PL_HIST_RECORD_BYTES];
    enum pl_err err = read_block(r, in, sizeof in);
    uint64_t head;
    size_t padded;

    if (err != PL_OK)
        return err;
    r->n_records++;
    head = get_le(in, 4);
    if ((head & 0xff) < PL_HIST_NAME || (head & 0xff) >= PL_HIST_KIND_COUNT)
        return PL_EPROTO;
    *ret = (struct pl_hist_record){
        .kind = (enum pl_hist_kind)(head & 0xff),
        .epoch = (uint32_t)(head >> 8),
        .a = (uint32_t)get_le(in + 4, 4),
        .b = get_le(in + 8, 8),
        .c = get_le(in + 16, 8),
        .t_us = get_le(in + 24, 8),
    };
    if (ret->kind != PL_HIST_NAME)
        return PL_OK;
    if (ret->b > PL_HIST_NAME_BYTES)
        return PL_EPROTO;
    padded = ((size_t)ret->b + PL_HIST_RECORD_BYTES - 1) / PL_HIST_RECORD_BYTES * PL_HIST_RECORD_BYTES;
    err = read_block(r, r->text, padded);
    if (err == PL_ECLOSED)
        r->is_cut = true;
    ret->text = pl_slice(r->text, (size_t)ret->b);
    return err;
}

void pl_hist_reader_close(struct pl_hist_reader *r)
{
    if (r->file != NULL)
        (void)fclose(r->file); /* only read from */
    r->file = NULL;
}
