/* Session ids: how a request that comes beside a session's own connection (POST /emulation, API) finds it.
 *
 * An id is a random UUID v4 drawn until its keyed hash leads to the shard that the session lives on, so any shard knows from the id
 * alone whom to ask, without a table of the node and without telling anything: the key is secret, and of 122 random bits at most
 * log2(shards) are spent. Ids that came in another node's record may lead elsewhere; these few stand in a table of the node
 * (limits.c). */
#include <stdlib.h>

#include "base/check.h"
#include "session/room.h"

static void id_draw(struct pl_shard *shard, uint8_t id[16])
{
    uint64_t tail;

    shard->world->ops->entropy(shard->world, id, 16);
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 4122 4.4: version 4 */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    /* The last seven bytes are counted up, which is cheaper than drawing again. */
    while (pl_home_of(shard->node, pl_slice(id, 16)) != shard->index) {
        memcpy(&tail, id + 8, sizeof tail);
        tail += 1u << 8; /* little-endian: byte 9 first */
        memcpy(id + 9, (const uint8_t *)&tail + 1, 7);
    }
}

static uint64_t hash_of(const struct pl_shard *shard, const uint8_t id[16])
{
    return pl_hash(shard->node->hash_key, pl_slice(id, 16));
}

enum pl_err sess_ticket_new(struct pl_sess *s, const uint8_t *id)
{
    struct sess_ticket *t = calloc(1, sizeof *t);

    if (t == NULL)
        return PL_ENOMEM;
    if (id != NULL)
        memcpy(t->id, id, sizeof t->id);
    else
        id_draw(s->shard, t->id);
    if (pl_sess_by_ticket(s->shard, t->id) != NULL) { /* only a record can say that */
        free(t);
        return PL_EPROTO;
    }
    if (!pl_table_insert(&room_of(s->shard)->tickets, &t->node, hash_of(s->shard, t->id))) {
        free(t);
        return PL_ENOMEM;
    }
    t->sess = s;
    s->rare->ticket = t;
    if (pl_home_of(s->shard->node, pl_slice(t->id, 16)) == s->shard->index)
        return PL_OK;
    t->is_moved = sess_moved_note(s->shard, t->id);
    return t->is_moved ? PL_OK : PL_ENOMEM;
}

void sess_ticket_free(struct pl_sess *s)
{
    struct sess_ticket *t = s->rare->ticket;

    if (t == NULL)
        return;
    s->rare->ticket = NULL;
    if (t->is_moved)
        sess_moved_forget(s->shard->node, t->id);
    pl_table_remove(&room_of(s->shard)->tickets, &t->node);
    free(t);
}

unsigned pl_sess_ticket_shard(struct pl_shard *s, const uint8_t id[16])
{
    unsigned shard;

    if (s->node->n_shards > 1 && !PL_SABOTAGE(ticket_home_only) && sess_moved_find(s->node, id, &shard))
        return shard;
    return pl_home_of(s->node, pl_slice(id, 16));
}

struct pl_sess *pl_sess_by_ticket(struct pl_shard *shard, const uint8_t id[16])
{
    const struct pl_table *tickets = &room_of(shard)->tickets;

    for (struct pl_tnode *n = pl_table_find(tickets, hash_of(shard, id)); n != NULL; n = pl_table_same(n))
        if (memcmp(PL_OF(n, struct sess_ticket, node)->id, id, 16) == 0)
            return PL_OF(n, struct sess_ticket, node)->sess;
    return NULL;
}
