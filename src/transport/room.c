#include "transport/room.h"

#include <stdlib.h>

#include "codec/cproto.h"
#include "transport/ws_conn.h"

struct transport_room *transport_room(struct pl_shard *s)
{
    if (s->rooms[PL_ROOM_TRANSPORT] == NULL)
        s->rooms[PL_ROOM_TRANSPORT] = calloc(1, sizeof(struct transport_room));
    return s->rooms[PL_ROOM_TRANSPORT];
}

struct pl_ws_zip *pl_wsc_zip(struct pl_shard *s, int level)
{
    struct transport_room *room = transport_room(s);

    if (room == NULL || (room->zip == NULL && pl_ws_zip_new(1, &room->zip) != PL_OK))
        return NULL;
    if (level != 0)
        pl_ws_zip_set_level(room->zip, level);
    return room->zip;
}

void pl_transport_fini(struct pl_shard *s)
{
    struct transport_room *room = s->rooms[PL_ROOM_TRANSPORT];

    if (room == NULL)
        return;
    if (room->ws_slab.obj_size != 0)
        pl_slab_fini(&room->ws_slab);
    pl_ws_zip_free(&room->zip);
    free(room);
    s->rooms[PL_ROOM_TRANSPORT] = NULL;
}

bool transport_line_take(struct pl_slice *rest, struct pl_slice *ret)
{
    const uint8_t *lf;

    if (rest->len == 0)
        return false;
    lf = memchr(rest->p, '\n', rest->len);
    *ret = pl_slice(rest->p, lf != NULL ? (size_t)(lf - rest->p) : rest->len);
    *rest = pl_slice_from(*rest, lf != NULL ? ret->len + 1 : ret->len);
    return true;
}

bool transport_is_connect(struct pl_slice text)
{
    struct pl_scratch scratch = pl_scratch_init(1 << 20);
    struct pl_connect_req r;
    bool is = pl_cproto_json.connect_request(text, &scratch, &r) == PL_OK;

    pl_scratch_fini(&scratch);
    return is;
}
