#include "http/fake_net_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* ---- a world that has a clock and nothing else ---- */

struct fake_world {
    struct pl_world w;
    uint64_t now_ns;
};

static uint64_t mono_ns(struct pl_world *w) { return ((struct fake_world *)w)->now_ns; }
static int64_t wall_ms(struct pl_world *w) { return 784111777000 + (int64_t)(mono_ns(w) / 1000000); }
static void entropy(struct pl_world *w, void *p, size_t n)
{
    (void)w;
    memset(p, 7, n);
}
static struct pl_poller *poller_new(struct pl_world *w) { return (struct pl_poller *)w; }
static void poller_free(struct pl_world *w, struct pl_poller *p)
{
    (void)w;
    (void)p;
}
static int poller_wait(struct pl_world *w, struct pl_poller *p, struct pl_poll_event *ret, int max, int timeout_ms)
{
    (void)w;
    (void)p;
    (void)ret;
    (void)max;
    (void)timeout_ms;
    return 0;
}
static void poller_wake(struct pl_world *w, struct pl_poller *p)
{
    (void)w;
    (void)p;
}

static const struct pl_world_ops world_ops = {
    .mono_ns = mono_ns, .wall_ms = wall_ms, .entropy = entropy, .poller_new = poller_new, .poller_free = poller_free,
    .poller_wait = poller_wait, .poller_wake = poller_wake,
};

struct pl_node *fake_node_new(void)
{
    struct fake_world *w = calloc(1, sizeof *w);

    PL_ASSERT(w != NULL);
    w->w.ops = &world_ops;
    w->now_ns = 1000000000;
    return pl_node_new(&w->w, 1);
}

void fake_node_free(struct pl_node **take_n)
{
    struct pl_world *w = (*take_n)->world;

    pl_node_free(take_n);
    free(w);
}

void fake_pass(struct pl_node *n, uint64_t ms)
{
    ((struct fake_world *)n->world)->now_ns += ms * 1000000;
    (void)pl_shard_turn(n->shards[0], 0); /* whether anything was done is no matter */
}

/* ---- connections ---- */

static void timer_fire(struct pl_shard *s, struct pl_timer *t)
{
    struct pl_conn *c = PL_OF(t, struct pl_conn, timer);

    (void)s;
    c->ops->on_timer(c);
}

struct peer *peer_new(struct pl_node *n, const char *ip, unsigned listener_mask)
{
    struct peer *p = calloc(1, sizeof *p);

    PL_ASSERT(p != NULL);
    p->c.shard = n->shards[0];
    p->c.in_limit = 65536;
    p->c.listener = &p->listener;
    p->c.timer.fire = timer_fire;
    p->c.peer.family = 4;
    PL_ASSERT(sscanf(ip, "%hhu.%hhu.%hhu.%hhu", &p->c.peer.ip[0], &p->c.peer.ip[1], &p->c.peer.ip[2], &p->c.peer.ip[3]) == 4);
    p->listener.opts.mask = listener_mask;
    p->in = p->out = pl_buf_init(SIZE_MAX / 2);
    p->room = SIZE_MAX;
    return p;
}

void peer_free(struct peer **take_p)
{
    struct peer *p = *take_p;

    *take_p = NULL;
    if (!p->is_closed) {
        p->is_closing = true;
        peer_settle(p);
    }
    pl_buf_fini(&p->in);
    pl_buf_fini(&p->out);
    free(p);
}

static bool can_deliver(const struct peer *p)
{
    return p->must_deliver && !p->is_paused && !p->is_closing && !p->is_closed && p->in.len > 0;
}

void peer_settle(struct peer *p)
{
    while (can_deliver(p)) {
        size_t n = p->in.len, taken;
        uint8_t *copy = malloc(n); /* exact, so that a sanitizer sees a step too far */

        PL_ASSERT(copy != NULL);
        memcpy(copy, p->in.p, n);
        p->must_deliver = false;
        taken = p->c.ops->on_bytes(&p->c, copy, n);
        free(copy);
        PL_ASSERT(taken <= n);
        pl_buf_consume(&p->in, taken);
        p->c.tail_len = (uint32_t)p->in.len;
        PL_ASSERT(p->c.tail_len <= p->c.in_limit);
    }
    if (p->is_closing && !p->is_closed) {
        p->is_closed = true;
        pl_timer_stop(p->c.shard, &p->c.timer);
        p->c.ops->on_closed(&p->c, PL_END_LOCAL);
    }
}

void peer_send(struct peer *p, struct pl_slice bytes)
{
    pl_buf_slice_put(&p->in, bytes);
    p->must_deliver = true;
    peer_settle(p);
}

void peer_fin(struct peer *p)
{
    peer_settle(p);
    if (!p->is_closing && !p->is_closed && !p->c.ops->on_eof(&p->c))
        p->is_closing = true;
    peer_settle(p);
}

void peer_leave(struct peer *p)
{
    p->is_closing = true;
    peer_settle(p);
}

void peer_make_room(struct peer *p, size_t n)
{
    p->room += n;
    if (p->wants_room && !p->is_closing) {
        p->wants_room = false;
        p->c.ops->on_writable(&p->c);
    }
    peer_settle(p);
}

void pl_conn_set_user(struct pl_conn *c, const struct pl_conn_ops *ops, void *user)
{
    c->ops = ops;
    c->user = user;
    PL_OF(c, struct peer, c)->must_deliver = true;
}

enum pl_err pl_conn_send(struct pl_conn *c, const void *bytes, size_t n, size_t *ret_n)
{
    struct peer *p = PL_OF(c, struct peer, c);
    size_t take = n < p->room ? n : p->room;

    PL_ASSERT(!p->is_closed && n > 0);
    if (p->is_closing)
        return PL_ECLOSED;
    pl_buf_put(&p->out, bytes, take);
    p->n_sends++;
    if (p->room != SIZE_MAX)
        p->room -= take;
    *ret_n = take;
    p->wants_room = take < n;
    return take < n ? PL_EAGAIN : PL_OK;
}

void pl_conn_pause(struct pl_conn *c)
{
    PL_OF(c, struct peer, c)->is_paused = true;
}

void pl_conn_resume(struct pl_conn *c)
{
    struct peer *p = PL_OF(c, struct peer, c);

    p->is_paused = false;
    p->must_deliver = true;
}

void pl_conn_timer(struct pl_conn *c, uint64_t due_ms)
{
    if (due_ms == 0)
        pl_timer_stop(c->shard, &c->timer);
    else
        pl_timer_start(c->shard, &c->timer, due_ms);
}

void pl_conn_close(struct pl_conn *c, enum pl_close how)
{
    struct peer *p = PL_OF(c, struct peer, c);

    if (p->is_closing)
        return;
    p->is_closing = true;
    p->how = how;
}

bool pl_conn_is_closing(const struct pl_conn *c)
{
    return ((const struct peer *)(const void *)c)->is_closing;
}

bool pl_conn_is_tls(const struct pl_conn *c)
{
    (void)c;
    return false;
}

void pl_net_each(struct pl_shard *s, void (*fn)(struct pl_conn *c, void *arg), void *arg)
{
    (void)s;
    (void)fn;
    (void)arg; /* drained connections are tested one by one */
}
