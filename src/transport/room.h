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

/* Several JSON messages of one turn are joined by line feeds, which none of them holds: takes the next. False: none left. */
bool transport_line_take(struct pl_slice *rest, struct pl_slice *ret);

/* Whether text is a bare ConnectRequest in JSON, the one thing unidirectional clients say. */
bool transport_is_connect(struct pl_slice text);

#endif
