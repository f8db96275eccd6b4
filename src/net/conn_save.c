/* net/conn_save.c - a connection's record: what the kernel does not keep for us. Tags are for ever. */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/net.h"

enum { TAG_SOCK = 1, TAG_FLAGS, TAG_IN_LIMIT, TAG_TAIL, TAG_PEER, TAG_TIMER_MS };
enum { SAVED_PAUSED = 1, SAVED_EOF = 2, SAVED_BLOCKED = 4, PEER_BYTES = 19 /* family, port, ip */ };

bool pl_conn_can_save(const struct pl_conn *c)
{
    return c->state == PL_CONN_OPEN && c->tls == NULL && c->ops != NULL && c->ops->save != NULL;
}

void pl_conn_save(struct pl_conn *c, struct pl_rec_out *r)
{
    uint8_t peer[PEER_BYTES];
    uint64_t flags = 0, now_ms = c->shard->now_ms;

    PL_ASSERT(pl_conn_can_save(c));
    flags |= (c->flags & PL_CONN_F_PAUSED) != 0 ? SAVED_PAUSED : 0;
    flags |= (c->flags & PL_CONN_F_EOF) != 0 ? SAVED_EOF : 0;
    flags |= (c->flags & PL_CONN_F_BLOCKED) != 0 ? SAVED_BLOCKED : 0;
    peer[0] = c->peer.family;
    pl_put_be16(peer + 1, c->peer.port);
    memcpy(peer + 3, c->peer.ip, 16);
    pl_rec_u64(r, TAG_SOCK, (uint64_t)c->sock + 1); /* 0 would be left out */
    pl_rec_u64(r, TAG_FLAGS, flags);
    pl_rec_u64(r, TAG_IN_LIMIT, c->in_limit);
    pl_rec_bytes(r, TAG_TAIL, pl_slice(c->tail, c->tail_len));
    pl_rec_bytes(r, TAG_PEER, pl_slice(peer, sizeof peer));
    if (pl_timer_is_on(&c->timer)) /* remaining time: the other process's clock is another one. 0 would be left out */
        pl_rec_u64(r, TAG_TIMER_MS, c->timer.due_ms > now_ms ? c->timer.due_ms - now_ms : 1);
    c->ops->save(c, r);
}

int pl_conn_saved_sock(struct pl_rec_in rec)
{
    struct pl_rec_field f;
    uint64_t v;

    while (pl_rec_next(&rec, &f) == PL_OK) {
        v = f.tag == TAG_SOCK ? pl_rec_get_u64(&f) : 0;
        if (v > 0 && v <= INT32_MAX)
            return (int)(v - 1);
    }
    return -1;
}

static enum pl_err field_load(struct pl_conn *c, const struct pl_rec_field *f, uint64_t *flags)
{
    uint64_t v = pl_rec_get_u64(f);

    switch (f->tag) {
    case TAG_FLAGS:
        *flags = v;
        return PL_OK;
    case TAG_IN_LIMIT:
        if (v > UINT32_MAX)
            return PL_EPROTO;
        c->in_limit = (uint32_t)v;
        return PL_OK;
    case TAG_TAIL:
        if (c->tail != NULL || f->value.len == 0)
            return PL_EPROTO;
        return pl_conn_keep(c, NULL, f->value.p, f->value.len, false) ? PL_OK : PL_ENOMEM;
    case TAG_PEER:
        if (f->value.len != PEER_BYTES)
            return PL_EPROTO;
        c->peer.family = f->value.p[0];
        c->peer.port = pl_be16(f->value.p + 1);
        memcpy(c->peer.ip, f->value.p + 3, 16);
        return PL_OK;
    case TAG_TIMER_MS:
        if (v >> 40 != 0)
            return PL_EPROTO;
        pl_timer_start(c->shard, &c->timer, c->shard->now_ms + v);
        return PL_OK;
    }
    return PL_OK; /* the socket, which the caller has mapped; the user's; a newer version's */
}

enum pl_err pl_conn_load(struct pl_shard *s, const struct pl_listener *l, struct pl_rec_in rec, int sock, struct pl_conn **ret)
{
    struct pl_conn *c;
    struct pl_rec_field f;
    uint64_t flags = 0;
    enum pl_err err;

    c = pl_conn_alloc(s, sock);
    if (c == NULL)
        return PL_ENOMEM;
    atomic_fetch_add_explicit(&pl_net_of(s)->load, 1, memory_order_relaxed);
    c->listener = l;
    c->state = PL_CONN_OPEN;
    while ((err = pl_rec_next(&rec, &f)) == PL_OK) {
        err = field_load(c, &f, &flags);
        if (err != PL_OK)
            break;
    }
    if (err != PL_ENOENT) {
        (void)pl_conn_detach(c); /* sock is the caller's */
        return err;
    }
    if ((flags & SAVED_PAUSED) != 0)
        c->flags |= PL_CONN_F_PAUSED;
    if ((flags & SAVED_EOF) != 0) {
        c->flags |= PL_CONN_F_EOF;
        pl_conn_arm(c, c->armed & ~(uint32_t)PL_POLL_IN);
    }
    if ((flags & SAVED_BLOCKED) != 0) {
        c->flags |= PL_CONN_F_BLOCKED;
        pl_conn_arm(c, c->armed | PL_POLL_OUT);
    }
    if (pl_net_of(s)->admit != NULL && l != NULL && (l->opts.mask & PL_LISTEN_EXTERNAL) != 0) {
        pl_admit_force(pl_net_of(s)->admit, &c->peer);
        c->flags |= PL_CONN_F_COUNTED;
    }
    *ret = c;
    return PL_OK;
}
