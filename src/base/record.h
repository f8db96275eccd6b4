/* base/record.h - records: how an object writes itself down and goes on elsewhere (design.md 9).
 *
 * A record is a run of fields, each: tag (u16), length (u32), value; little-endian. Tags are local to the object kind and
 * never reused for something else. Unknown tags are skipped by readers, missing ones keep their default, so that an older
 * and a newer binary understand each other. Nested objects are fields whose value is a record. The outermost record carries
 * version and checksum (pl_rec_seal / pl_rec_open). Readers never trust lengths. */
#ifndef PL_BASE_RECORD_H
#define PL_BASE_RECORD_H

#include "base/buf.h"

struct pl_rec_out {
    struct pl_buf *buf; /* borrowed */
};

void pl_rec_u64(struct pl_rec_out *r, uint16_t tag, uint64_t v);   /* skipped when 0: 0 is every number's default */
void pl_rec_i64(struct pl_rec_out *r, uint16_t tag, int64_t v);    /* same */
void pl_rec_bytes(struct pl_rec_out *r, uint16_t tag, struct pl_slice v); /* skipped when empty */
/* A nested record: begin gives a mark for end. May be empty. */
size_t pl_rec_begin(struct pl_rec_out *r, uint16_t tag);
void pl_rec_end(struct pl_rec_out *r, size_t mark);

struct pl_rec_in {
    struct pl_slice rest;
};
struct pl_rec_field {
    uint16_t tag;
    struct pl_slice value; /* borrowed from the record */
};

/* PL_OK: next field. PL_ENOENT: end. PL_EPROTO: damaged. */
enum pl_err pl_rec_next(struct pl_rec_in *r, struct pl_rec_field *ret) PL_MUST_CHECK;
uint64_t pl_rec_get_u64(const struct pl_rec_field *f);  /* 0 if the value is not 8 bytes long */
int64_t pl_rec_get_i64(const struct pl_rec_field *f);
static inline struct pl_rec_in pl_rec_nested(const struct pl_rec_field *f) { return (struct pl_rec_in){ f->value }; }

/* Puts magic, version, length and CRC32 around everything in buf from `from` on. */
void pl_rec_seal(struct pl_buf *buf, size_t from, uint32_t version);
/* Checks them; *ret is the inside. PL_EPROTO: not a record or damaged. PL_MORE: truncated. */
enum pl_err pl_rec_open(struct pl_slice sealed, uint32_t *ret_version, struct pl_rec_in *ret) PL_MUST_CHECK;

#endif
