/* lib/histlog.h - the history log: what every load and fault tool saw, append-only, for `peal check history`.
 *
 * A file is a 32-byte head (magic "PEALHIST", version 1, zeros) and records of 32 bytes, little-endian:
 *
 *     byte 0 kind | 1-3 epoch name | 4-7 a | 8-15 b | 16-23 c | 24-31 t (monotonic microseconds)
 *
 *     kind      a                b                 c                epoch         meaning
 *     NAME      name number      length in bytes   -                -             the text follows, padded to 32 bytes
 *     SUB       sub number       channel name      client number    -             a subscription that may receive
 *     PUBLISH   channel name     id                -                -             sent; the server may have it from here on
 *     ACK       -                id                offset, 0: none  of the offset the server said yes
 *     DELIVER   sub number       id                offset, 0: none  of the offset handed to the application
 *     GAP       sub number       first missing     last missing     new epoch     the client was told that these will not come
 *     STATE     sub number       pl_hist_state     offset           of the offset life of the subscription
 *
 * Name and sub numbers count from 1 in each file and are declared before use; name 0 is "none". An id is unique over all
 * files of one run: the publisher's number in the upper 32 bits, its own count below; one publisher's messages in one
 * channel are sent in order. A file cut short by a crash is valid up to its last whole record. */
#ifndef PL_LIB_HISTLOG_H
#define PL_LIB_HISTLOG_H

#include <stdio.h>

#include "base/err.h"
#include "base/slice.h"

enum { PL_HIST_RECORD_BYTES = 32, PL_HIST_NAME_BYTES = 4096, PL_HIST_EPOCHS = 1 << 24 };

enum pl_hist_kind {
    PL_HIST_NAME = 1,
    PL_HIST_SUB,
    PL_HIST_PUBLISH,
    PL_HIST_ACK,
    PL_HIST_DELIVER,
    PL_HIST_GAP,
    PL_HIST_STATE,
    PL_HIST_KIND_COUNT
};

/* SUBSCRIBED: c and epoch give the position from which everything is owed. LOST: connection or subscription is away.
 * ENDED: the tool stopped looking, after draining; what is acknowledged later is not owed. */
enum pl_hist_state { PL_HIST_SUBSCRIBED = 1, PL_HIST_LOST, PL_HIST_ENDED };

struct pl_hist_record {
    enum pl_hist_kind kind;
    uint32_t epoch; /* below PL_HIST_EPOCHS */
    uint32_t a;
    uint64_t b, c, t_us;
    struct pl_slice text; /* of NAME when read, borrowed until the next read */
};

/* Writing: buffered by stdio; an error is remembered and returned by close. One thread. */
struct pl_hist_writer {
    FILE *file; /* owned */
    uint32_t n_names, n_subs;
};

/* Creates or truncates `path`. Errors: PL_EIO (errno tells). */
enum pl_err pl_hist_create(const char *path, struct pl_hist_writer *ret) PL_MUST_CHECK;
/* Declares a text of at most PL_HIST_NAME_BYTES (longer ones are cut); the new name's number. The caller interns. */
uint32_t pl_hist_name(struct pl_hist_writer *w, struct pl_slice text);
/* Declares a subscription of `client` to the channel `channel_name`; its number. */
uint32_t pl_hist_sub(struct pl_hist_writer *w, uint32_t channel_name, uint64_t client);
void pl_hist_put(struct pl_hist_writer *w, const struct pl_hist_record *r);
/* Flushes and closes; the writer may be closed again without harm. PL_EIO if any write failed. */
enum pl_err pl_hist_close(struct pl_hist_writer *w) PL_MUST_CHECK;

/* Reading, in order. */
struct pl_hist_reader {
    FILE *file; /* owned */
    uint64_t n_records;
    bool is_cut; /* set at the end: a part of a record was left over */
    uint8_t text[PL_HIST_NAME_BYTES];
};

/* Errors: PL_ENOENT, PL_EIO (errno tells), PL_EPROTO: not a history log, PL_EUNSUP: a later version. */
enum pl_err pl_hist_open(const char *path, struct pl_hist_reader *ret) PL_MUST_CHECK;
/* PL_OK; PL_ECLOSED: the end; PL_EPROTO: record number n_records is damaged; PL_EIO. */
enum pl_err pl_hist_read(struct pl_hist_reader *r, struct pl_hist_record *ret) PL_MUST_CHECK;
void pl_hist_reader_close(struct pl_hist_reader *r);

#endif
