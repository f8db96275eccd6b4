/* codec/pb.h - the wire format of Protocol Buffers (protobuf.dev "Encoding"): varints and length-delimited fields. What no message of
 * ours uses (groups) is refused; unknown fields are skipped by their wire type. Pure; any thread. */
#ifndef PL_CODEC_PB_H
#define PL_CODEC_PB_H

#include "base/buf.h"
#include "base/err.h"

enum { PL_PB_VARINT = 0, PL_PB_I64 = 1, PL_PB_LEN = 2, PL_PB_I32 = 5 };

struct pl_pb_field {
    uint32_t number;       /* 1.. */
    uint32_t type;         /* PL_PB_ */
    uint64_t v;            /* varint */
    struct pl_slice bytes; /* length-delimited; borrowed */
};

/* Takes an unsigned varint of at most 10 bytes off the front. PL_MORE: it is cut. PL_EPROTO: too long. */
enum pl_err pl_pb_varint(struct pl_slice *rest, uint64_t *ret) PL_MUST_CHECK;
/* The next field. PL_ENOENT: end of the message. PL_EPROTO: malformed, cut, or a group. */
enum pl_err pl_pb_next(struct pl_slice *rest, struct pl_pb_field *ret) PL_MUST_CHECK;
/* A string field's bytes: PL_EPROTO if it is no string field or no UTF-8. */
enum pl_err pl_pb_str(const struct pl_pb_field *f, struct pl_slice *ret) PL_MUST_CHECK;

/* Writers leave out zero, false and empty, as proto3 does. */
void pl_pb_put_varint(struct pl_buf *b, uint64_t v);
void pl_pb_put_u64(struct pl_buf *b, uint32_t number, uint64_t v);
void pl_pb_put_bytes(struct pl_buf *b, uint32_t number, struct pl_slice v);
/* A length-delimited field that is there even if empty. */
void pl_pb_put_some(struct pl_buf *b, uint32_t number, struct pl_slice v);
/* A nested message of unknown length: open gives a mark for close, which puts the length in front of what was appended since.
 * number 0: no tag, only the length (the frame around a message). */
size_t pl_pb_open(struct pl_buf *b, uint32_t number);
void pl_pb_close(struct pl_buf *b, size_t mark);
/* Bytes that pl_pb_put_varint(v) takes. */
size_t pl_pb_varint_len(uint64_t v);

#endif
