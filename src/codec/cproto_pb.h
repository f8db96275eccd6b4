/* codec/cproto_pb.h - the Protobuf form of the client protocol, behind pl_cproto_protobuf; documented in codec/cproto.h. Field numbers:
 * wire-protocol.md 2. Messages in a frame are each preceded by their length as a varint; a zero length is a ping or pong. */
#ifndef PL_CODEC_CPROTO_PB_H
#define PL_CODEC_CPROTO_PB_H

#include "codec/cproto.h"
#include "codec/pb.h"

PL_MUST_CHECK enum pl_err pl_cproto_pb_split(struct pl_slice *rest, struct pl_slice *ret_one);
PL_MUST_CHECK enum pl_err pl_cproto_pb_command(struct pl_slice one, struct pl_scratch *scratch, struct pl_command *ret);
PL_MUST_CHECK enum pl_err pl_cproto_pb_connect_request(struct pl_slice text, struct pl_scratch *scratch, struct pl_connect_req *ret);
PL_MUST_CHECK enum pl_err pl_cproto_pb_walk_subs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel,
                                                 struct pl_subscribe_req *ret);
PL_MUST_CHECK enum pl_err pl_cproto_pb_walk_pairs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_name,
                                                  struct pl_slice *ret_value);
PL_MUST_CHECK enum pl_err pl_cproto_pb_walk_strs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret);

#endif
