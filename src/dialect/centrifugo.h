/* dialect/centrifugo.h - Centrifugo's client protocol v2 over any pipe: commands in, replies and pushes out. The words are codec/cproto's;
 * here is only what a session needs of them. */
#ifndef PL_DIALECT_CENTRIFUGO_H
#define PL_DIALECT_CENTRIFUGO_H

#include "session/sess.h"

extern const struct pl_dialect_ops pl_dialect_centrifugo_json, pl_dialect_centrifugo_protobuf;
/* The unidirectional half, in JSON: the one message in is a bare ConnectRequest, what goes out are bare pushes. */
extern const struct pl_dialect_ops pl_dialect_centrifugo_uni;

#endif
