/* The whole node as a record, and a fresh node that goes on from it (design.md 9). What moves: streams and idempotency keys, and plain
 * connections in any state with their sessions. What does not (TLS) stays with the old node, which drains it. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/engine.h"
#include "hub/hub.h"
#include "server/room.h"
#include "session/sess.h"

enum { RECORD_VERSION = 1 };
enum { REC_NODE_ID = 1, REC_STARTED, REC_ENGINE, REC_CONN, REC_RATE_LEFT };
enum { REC_CONN_KIND = 1, REC_CONN_INTERNAL, REC_CONN_BODY };

struct save_ctx {
    struct pl_server *s;
    struct pl_rec_out *r;
};

static void save_conn(struct pl_conn *c, void *arg)
{
    struct save_ctx *ctx = arg;
    size_t mark, body;

    if (!pl_conn_can_save(c))
        return;
    mark = pl_rec_begin(ctx->r, REC_CONN);
    pl_rec_bytes(ctx->r, REC_CONN_KIND, pl_slice_str(c->ops->name));
    pl_rec_u64(ctx->r, REC_CONN_INTERNAL, c->listener != NULL && c->listener == ctx->s->internal);
    body = pl_rec_begin(ctx->r, REC_CONN_BODY);
    pl_conn_save(c, ctx->r);
    pl_rec_end(ctx->r, body);
    pl_rec_end(ctx->r, mark);
}

static void detach_conn(struct pl_conn *c, void *arg)
{
    (void)arg;
    if (pl_conn_can_save(c))
        (void)pl_conn_detach(c); /* its number stands in the record */
}

enum pl_err pl_server_save(struct pl_server *s, struct pl_buf *out)
{
    struct pl_node *n = s->node;
    struct pl_rec_out r = { out };
    struct save_ctx ctx = { s, &r };
    size_t from = out->len;

    for (unsigned i = 0; i < n->n_shards; i++)
        pl_hub_walk_all(n->shards[i]);
    pl_rec_bytes(&r, REC_NODE_ID, pl_slice(n->id, sizeof n->id));
    pl_rec_i64(&r, REC_STARTED, n->started_wall_ms);
    pl_rec_u64(&r, REC_RATE_LEFT, pl_sess_rate_save(n->shards[0]));
    for (unsigned i = 0; i < n->n_shards; i++) {
        size_t mark = pl_rec_begin(&r, REC_ENGINE);

        pl_engine(n)->save(n->shards[i], &r);
        pl_rec_end(&r, mark);
        pl_net_each(n->shards[i], save_conn, &ctx);
    }
    pl_rec_seal(out, from, RECORD_VERSION);
    if (!pl_buf_ok(out))
        return PL_ENOMEM;
    for (unsigned i = 0; i < n->n_shards; i++)
        pl_net_each(n->shards[i], detach_conn, NULL);
    return PL_OK;
}

static enum pl_err load_conn(struct pl_server *s, struct pl_shard *shard, struct pl_rec_in rec, int (*map)(void *arg, int sock), void *arg)
{
    struct pl_slice kind = { 0 };
    struct pl_rec_in body = { { 0 } };
    struct pl_rec_field f;
    struct pl_conn *c;
    bool is_internal = false;
    enum pl_err err;

    while ((err = pl_rec_next(&rec, &f)) == PL_OK) {
        switch (f.tag) {
        case REC_CONN_KIND:     kind = f.value; break;
        case REC_CONN_INTERNAL: is_internal = pl_rec_get_u64(&f) != 0; break;
        case REC_CONN_BODY:     body = pl_rec_nested(&f); break;
        default:                break;
        }
    }
    if (err != PL_ENOENT)
        return err;
    err = pl_conn_load(shard, is_internal ? s->internal : s->external, body, map(arg, pl_conn_saved_sock(body)), &c);
    if (err != PL_OK)
        return err;
    if (pl_slice_eq(kind, PL_LIT("http")))
        return pl_http_load(c, body);
    if (pl_slice_eq(kind, PL_LIT("websocket")))
        return pl_ws_load(c, &s->ws, body);
    return PL_EPROTO;
}

enum pl_err pl_server_load(struct pl_server *s, struct pl_slice sealed, int (*map)(void *arg, int sock), void *arg)
{
    struct pl_node *n = s->node;
    struct pl_rec_in rec, scan;
    struct pl_rec_field f;
    uint32_t version;
    unsigned next = 0;
    enum pl_err err = pl_rec_open(sealed, &version, &rec);

    if (err != PL_OK)
        return err;
    if (version != RECORD_VERSION)
        return PL_EUNSUP;
    /* Streams before subscriptions: positions point into them. */
    for (scan = rec; (err = pl_rec_next(&scan, &f)) == PL_OK;) {
        if (f.tag == REC_NODE_ID && f.value.len == sizeof n->id)
            memcpy(n->id, f.value.p, sizeof n->id);
        else if (f.tag == REC_STARTED)
            n->started_wall_ms = pl_rec_get_i64(&f);
        else if (f.tag == REC_RATE_LEFT)
            pl_sess_rate_load(n->shards[0], pl_rec_get_u64(&f));
        else if (f.tag == REC_ENGINE)
            err = pl_engine(n)->load(n->shards[0], pl_rec_nested(&f));
        if (err != PL_OK)
            return err;
    }
    if (err != PL_ENOENT)
        return err;
    while ((err = pl_rec_next(&rec, &f)) == PL_OK) {
        if (f.tag != REC_CONN)
            continue;
        err = load_conn(s, n->shards[next++ % n->n_shards], pl_rec_nested(&f), map, arg);
        if (err != PL_OK)
            return err;
    }
    return err == PL_ENOENT ? PL_OK : err;
}
