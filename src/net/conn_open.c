/* net/conn_open.c - how a connection comes to its user: PROXY header, TLS handshake, dialling. */
#include "base/check.h"
#include "codec/proxyproto.h"
#include "net/net.h"

static void opened(struct pl_conn *c)
{
    pl_timer_stop(c->shard, &c->timer);
    c->state = PL_CONN_OPEN;
    c->listener->opts.on_accept(c);
    PL_ASSERT(c->ops != NULL || c->state != PL_CONN_OPEN);
    if (c->state == PL_CONN_OPEN && (c->tail_len > 0 || (c->tls != NULL && pl_tls_has_pending(c)))) {
        c->flags |= PL_CONN_F_KICK;
        pl_conn_look(c);
    }
}

static void handshake(struct pl_conn *c)
{
    enum pl_err err = pl_tls_handshake(c);

    if (err == PL_EAGAIN)
        return;
    if (err != PL_OK) {
        pl_net_metric(c->shard, PL_M_TLS_FAILURES, 1);
        pl_conn_fail(c, err == PL_EPROTO ? PL_END_TLS : PL_END_RESET);
        return;
    }
    pl_net_metric(c->shard, PL_M_TLS_HANDSHAKES, 1);
    pl_conn_arm(c, PL_POLL_IN);
    opened(c);
}

/* Here the client's address is known and nothing was spent on it yet. */
static bool admit(struct pl_conn *c)
{
    struct pl_admit *a = pl_net_of(c->shard)->admit;
    int limit;

    if (a == NULL || (c->listener->opts.mask & PL_LISTEN_EXTERNAL) == 0)
        return true;
    if (pl_admit_take(a, &c->peer, c->shard->now_ms, &limit) != PL_OK) {
        pl_net_metric(c->shard, PL_M_ACCEPT_REFUSED + limit, 1);
        pl_conn_fail(c, PL_END_RESET);
        return false;
    }
    c->flags |= PL_CONN_F_COUNTED;
    return true;
}

static void after_proxy(struct pl_conn *c)
{
    if (!admit(c))
        return;
    if (c->listener->opts.tls == NULL) {
        opened(c);
        return;
    }
    if (pl_tls_begin(c, c->listener->opts.tls) != PL_OK) {
        pl_conn_fail(c, PL_END_RESET);
        return;
    }
    c->state = PL_CONN_TLS;
    if (c->tail_len > 0) /* what came behind the PROXY header */
        handshake(c);
}

static void proxy_readable(struct pl_conn *c)
{
    uint8_t *p = c->shard->rbuf, *old = c->tail;
    struct pl_proxy_head head;
    size_t n, had = c->tail_len;
    enum pl_err err;

    err = c->shard->world->ops->recv(c->shard->world, c->sock, p + had, PL_PROXY_V2_MAX, &n);
    if (err == PL_EAGAIN)
        return;
    if (err == PL_OK) {
        if (had > 0)
            memcpy(p, old, had);
        err = pl_proxyproto_parse(pl_slice(p, had + n), &head);
        if (err == PL_MORE || err == PL_OK) {
            size_t used = err == PL_OK ? head.len : 0;

            if (!pl_conn_keep(c, old, p + used, had + n - used, false)) {
                pl_conn_fail(c, PL_END_RESET);
                return;
            }
        }
    }
    if (err == PL_MORE)
        return;
    if (err != PL_OK) {
        pl_net_metric(c->shard, PL_M_PROXY_HEADERS_BAD, 1);
        pl_conn_fail(c, PL_END_RESET);
        return;
    }
    if (head.src.family != 0)
        c->peer = head.src;
    after_proxy(c);
}

void pl_conn_opening(struct pl_conn *c)
{
    struct pl_net *net = pl_net_of(c->shard);

    if (c->state == PL_CONN_PROXY) {
        proxy_readable(c);
        return;
    }
    if (net->turn_handshakes >= PL_HANDSHAKE_BUDGET)
        return; /* the poller tells again in the next turn: those who are in come first */
    net->turn_handshakes++;
    pl_shard_task(c->shard, PL_PHASE_WALK, &net->kick); /* sets it back */
    handshake(c);
}

void pl_conn_dialled(struct pl_conn *c, uint32_t events)
{
    if ((events & PL_POLL_HUP) != 0) {
        pl_conn_fail(c, PL_END_RESET);
        return;
    }
    if ((events & PL_POLL_OUT) == 0)
        return;
    c->state = PL_CONN_OPEN;
    pl_conn_arm(c, PL_POLL_IN);
    if (c->state == PL_CONN_OPEN && c->ops->on_writable != NULL)
        c->ops->on_writable(c);
}

void pl_conn_accepted(struct pl_shard *s, const struct pl_listener *l, int sock, const struct pl_addr *peer)
{
    struct pl_conn *c = pl_conn_alloc(s, sock);

    if (c == NULL) {
        atomic_fetch_sub_explicit(&pl_net_of(s)->load, 1, memory_order_relaxed);
        pl_net_metric(s, PL_M_ACCEPT_REFUSED + PL_MV_ACCEPT_MEMORY, 1);
        s->world->ops->close(s->world, sock);
        return;
    }
    c->listener = l;
    c->peer = *peer;
    if (l->opts.sndbuf != 0 || l->opts.notsent_lowat != 0)
        s->world->ops->tune(s->world, sock, l->opts.sndbuf, l->opts.notsent_lowat);
    if (l->opts.proxy_protocol == NULL && l->opts.tls == NULL) {
        if (admit(c))
            opened(c);
        return;
    }
    pl_timer_start(s, &c->timer, s->now_ms + PL_CONN_HANDSHAKE_MS);
    if (l->opts.proxy_protocol != NULL && pl_cidr_match(l->opts.proxy_protocol, peer))
        c->state = PL_CONN_PROXY;
    else
        after_proxy(c);
}

enum pl_err pl_conn_dial(struct pl_shard *s, const char *at, const struct pl_conn_ops *ops, void *user, struct pl_conn **ret)
{
    struct pl_conn *c;
    struct pl_addr peer;
    const char *path;
    enum pl_err err;
    int sock;

    err = pl_addr_parse(at, &peer, &path);
    if (err == PL_OK)
        err = s->world->ops->connect(s->world, at, &sock);
    if (err != PL_OK)
        return err;
    c = pl_conn_alloc(s, sock);
    if (c == NULL) {
        s->world->ops->close(s->world, sock);
        return PL_ENOMEM;
    }
    atomic_fetch_add_explicit(&pl_net_of(s)->load, 1, memory_order_relaxed);
    c->state = PL_CONN_DIAL;
    c->ops = ops;
    c->user = user;
    c->peer = peer;
    pl_conn_arm(c, PL_POLL_OUT);
    *ret = c;
    return PL_OK;
}
