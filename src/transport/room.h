/* transport/room.h - what this room keeps per shard. Not for other rooms. */
#ifndef PL_TRANSPORT_ROOM_H
#define PL_TRANSPORT_ROOM_H

#include "base/slab.h"
#include "codec/ws_deflate.h"
#include "shard/shard.h"

struct transport_room {
    struct pl_ws_zip *zip;  /* owned; made at first use */
    struct pl_slab ws_slab; /* struct ws; set up by the first of them */
};

/* The shard's, made at first use; NULL: no memory. */
struct transport_room *transport_room(struct pl_shard *s);

#endif
