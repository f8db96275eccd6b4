#include "net/conn.h"

#include <stdlib.h>

#include "base/check.h"
#include "net/net.h"

static void on_ready(struct pl_shard *s, struct pl_watch *w, uint32_t events);
static void on_timer(struct pl_shard *s, struct pl_timer *t);

/* ---- life and death ---- */

struct pl_conn *pl_conn_alloc(struct pl_shard *s, int sock)
{
    struct pl_net *net = pl_net_of(s);
    struct pl_conn *c = pl_slab_alloc(&net->slab);

    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    c->watch.on_ready = on_ready;
    c->timer.fire = on_timer;
    c->shard = s;
    c->sock = sock;
    c->in_limit = PL_CONN_IN_LIMIT;
    if (s->world->ops->poller_set(s->world, s->poller, sock, PL_POLL_IN | PL_POLL_NEW, &c->watch) != PL_OK) {
        pl_slab_free(&net->slab, c);
        return NULL;
    }
    c->armed = PL_POLL_IN;
    pl_list_push_back(&net->conns, &c->link);
    net->n_conns++;
    pl_net_metric(s, PL_M_CONNECTIONS, 1);
    return c;
}

static void conn_free(struct pl_shard *s, struct pl_deferred *d)
{
    pl_slab_free(&pl_net_of(s)->slab, PL_OF(d, struct pl_conn, deferred));
}

static void die(struct pl_conn *c)
{
    struct pl_net *net = pl_net_of(c->shard);

    PL_ASSERT(c->state == PL_CONN_CLOSED && (c->flags & (PL_CONN_F_NOTIFY | PL_CONN_F_PENDING)) == 0);
    c->state = PL_CONN_DEAD;
    pl_list_remove(&c->link);
    net->n_conns--;
    atomic_fetch_sub_explicit(&net->load, 1, memory_order_relaxed);
    pl_net_metric(c->shard, PL_M_CONNECTIONS, -1);
    if ((c->flags & PL_CONN_F_COUNTED) != 0)
        pl_admit_give(net->admit, &c->peer);
    c->deferred.free = conn_free;
    pl_shard_defer(c->shard, &c->deferred);
}

void pl_conn_look(struct pl_conn *c)
{
    struct pl_net *net = pl_net_of(c->shard);

    if ((c->flags & PL_CONN_F_PENDING) == 0) {
        c->flags |= PL_CONN_F_PENDING;
        c->deferred.next = NULL;
        if (net->pending != NULL)
            net->pending_last->next = &c->deferred;
        else
            net->pending = &c->deferred;
        net->pending_last = &c->deferred;
    }
    pl_shard_task(c->shard, PL_PHASE_WALK, &net->kick);
}

/* The socket is gone or given away: from here on only on_closed and death. */
static void closed(struct pl_conn *c)
{
    pl_timer_stop(c->shard, &c->timer);
    free(c->tail);
    c->tail = NULL;
    c->tail_len = 0;
    if (c->tls != NULL)
        pl_tls_end(c);
    c->sock = -1;
    c->state = PL_CONN_CLOSED;
    pl_conn_look(c);
}

static bool is_closed(const struct pl_conn *c)
{
    return c->state == PL_CONN_CLOSED || c->state == PL_CONN_DEAD;
}

void pl_conn_fail(struct pl_conn *c, enum pl_conn_end why)
{
    if (is_closed(c))
        return;
    if (c->state != PL_CONN_LINGER) { /* there the reason is known and told, or owed, already */
        c->end = (uint8_t)why;
        c->flags |= PL_CONN_F_NOTIFY;
    }
    c->shard->world->ops->close(c->shard->world, c->sock);
    closed(c);
}

/* ---- interest ---- */

void pl_conn_arm(struct pl_conn *c, uint32_t want)
{
    struct pl_world *w = c->shard->world;

    if (c->armed == want)
        return;
    if (w->ops->poller_set(w, c->shard->poller, c->sock, want, &c->watch) != PL_OK) {
        pl_conn_fail(c, PL_END_RESET); /* a socket nobody listens to would hang for ever */
        return;
    }
    c->armed = (uint8_t)want;
}

/* ---- input ---- */

bool pl_conn_keep(struct pl_conn *c, uint8_t *old, const uint8_t *p, size_t n, bool is_inside)
{
    uint8_t *mem;

    PL_ASSERT(n <= UINT32_MAX);
    c->tail = NULL;
    c->tail_len = 0;
    if (n == 0) {
        free(old);
        return true;
    }
    if (is_inside) {
        memmove(old, p, n);
        mem = realloc(old, n);
        mem = mem != NULL ? mem : old; /* shrinking failed: the old block does */
    } else {
        free(old);
        mem = malloc(n);
        if (mem == NULL)
            return false;
        memcpy(mem, p, n);
    }
    c->tail = mem;
    c->tail_len = (uint32_t)n;
    return true;
}

/* Hands n bytes at p to the user. `old` (owned) is the block p lies in, or the block that was the tail, or NULL. */
static void deliver(struct pl_conn *c, uint8_t *old, uint8_t *p, size_t n)
{
    size_t taken;

    c->tail = NULL;
    taken = c->ops->on_bytes(c, p, n);
    PL_ASSERT(taken <= n);
    if (c->state != PL_CONN_OPEN) {
        free(old);
        return;
    }
    if (!pl_conn_keep(c, old, p + taken, n - taken, p == old)) {
        pl_conn_fail(c, PL_END_RESET);
        return;
    }
    /* Paused, or about to get a new user: then it did not refuse these bytes, it has not looked at them yet. */
    if (c->tail_len > c->in_limit && (c->flags & (PL_CONN_F_PAUSED | PL_CONN_F_KICK)) == 0) {
        pl_net_metric(c->shard, PL_M_NET_TAIL_FULL, 1);
        if (c->ops->on_overflow != NULL)
            c->ops->on_overflow(c);
        else
            pl_conn_close(c, PL_CLOSE_NOW);
        PL_ASSERT(c->state != PL_CONN_OPEN);
    }
}

static enum pl_err bytes_in(struct pl_conn *c, void *p, size_t n, size_t *ret_n)
{
    if (c->tls != NULL)
        return pl_tls_recv(c, p, n, ret_n);
    return c->shard->world->ops->recv(c->shard->world, c->sock, p, n, ret_n);
}

static void peer_ended(struct pl_conn *c, enum pl_err err)
{
    if (err != PL_ECLOSED) {
        pl_conn_fail(c, err == PL_EPROTO ? PL_END_TLS : PL_END_RESET);
        return;
    }
    c->flags |= PL_CONN_F_EOF;
    pl_conn_arm(c, c->armed & ~(uint32_t)PL_POLL_IN); /* FIN stays readable for ever */
    if (c->state != PL_CONN_OPEN || c->ops->on_eof == NULL || !c->ops->on_eof(c))
        pl_conn_fail(c, PL_END_EOF);
}

/* One read; whatever came goes to the user behind the kept tail. A small tail is put before it in the lent buffer, a large one
 * grows in place. */
static void read_once(struct pl_conn *c)
{
    enum { STEP = 65536 };
    size_t n, most = c->in_limit > 4096 ? c->in_limit : 4096; /* what a paused user leaves must be kept: never read far ahead */
    size_t had = c->tail_len;
    uint8_t *old = c->tail, *p = c->shard->rbuf;
    bool is_lent = had <= PL_RBUF / 2;
    enum pl_err err;

    if (!is_lent) {
        p = realloc(old, had + STEP);
        if (p == NULL) {
            pl_conn_fail(c, PL_END_RESET);
            return;
        }
        old = c->tail = p;
    }
    if (most > (is_lent ? PL_RBUF - had : (size_t)STEP))
        most = is_lent ? PL_RBUF - had : (size_t)STEP;
    err = bytes_in(c, p + had, most, &n);
    if (err == PL_EAGAIN)
        return;
    if (err != PL_OK) {
        peer_ended(c, err);
        return;
    }
    pl_net_metric(c->shard, PL_M_NET_IN_BYTES, (int64_t)n);
    pl_net_of(c->shard)->turn_bytes += (uint32_t)n;
    pl_shard_task(c->shard, PL_PHASE_WALK, &pl_net_of(c->shard)->kick); /* sets it back */
    if (is_lent && had > 0)
        memcpy(p, old, had);
    deliver(c, old, p, had + n);
    if (c->state == PL_CONN_OPEN && c->tls != NULL && pl_tls_has_pending(c)) { /* the poller will not tell */
        c->flags |= PL_CONN_F_KICK;
        if ((c->flags & PL_CONN_F_PAUSED) == 0)
            pl_conn_look(c);
    }
}

static void kept_deliver(struct pl_conn *c)
{
    c->flags &= (uint8_t)~PL_CONN_F_KICK;
    if (c->tail_len > 0)
        deliver(c, c->tail, c->tail, c->tail_len);
    if (c->state == PL_CONN_OPEN && c->tls != NULL && (c->flags & (PL_CONN_F_PAUSED | PL_CONN_F_EOF)) == 0 && pl_tls_has_pending(c))
        read_once(c);
}

static void readable(struct pl_conn *c, uint32_t events)
{
    if ((c->flags & PL_CONN_F_KICK) != 0 && (c->flags & PL_CONN_F_PAUSED) == 0)
        kept_deliver(c); /* older bytes first, and before the end of input */
    if (c->state != PL_CONN_OPEN)
        return;
    if ((c->flags & (PL_CONN_F_PAUSED | PL_CONN_F_EOF)) == 0) {
        if ((c->flags & PL_CONN_F_KICK) == 0) /* set again just now: the rest comes first */
            read_once(c);
        return;
    }
    if ((events & PL_POLL_HUP) != 0)
        pl_conn_fail(c, PL_END_RESET); /* reported whether wanted or not: nobody is left to talk to */
    else if ((events & PL_POLL_IN) != 0)
        pl_conn_arm(c, c->armed & ~(uint32_t)PL_POLL_IN); /* paused: only now that something came it costs a system call */
}

/* ---- events ---- */

static void writable(struct pl_conn *c)
{
    c->flags &= (uint8_t)~PL_CONN_F_BLOCKED;
    if (c->ops->on_writable != NULL)
        c->ops->on_writable(c);
    if (c->state == PL_CONN_OPEN && (c->flags & PL_CONN_F_BLOCKED) == 0)
        pl_conn_arm(c, c->armed & ~(uint32_t)PL_POLL_OUT);
}

static void linger_on(struct pl_conn *c)
{
    size_t n = 0;
    enum pl_err err = c->shard->world->ops->recv(c->shard->world, c->sock, c->shard->rbuf, PL_RBUF, &n);

    if (err == PL_EAGAIN)
        return;
    if (err != PL_OK || n >= c->in_limit)
        pl_conn_fail(c, PL_END_LOCAL);
    else
        c->in_limit -= (uint32_t)n;
}

static void on_ready(struct pl_shard *s, struct pl_watch *w, uint32_t events)
{
    struct pl_conn *c = PL_OF(w, struct pl_conn, watch);

    switch ((enum pl_conn_state)c->state) {
    case PL_CONN_DIAL:
        pl_conn_dialled(c, events);
        return;
    case PL_CONN_PROXY:
    case PL_CONN_TLS:
        pl_conn_opening(c);
        return;
    case PL_CONN_OPEN:
        if ((events & PL_POLL_OUT) != 0)
            writable(c);
        /* with TLS room to write may be what reading waited for */
        if (c->state == PL_CONN_OPEN && ((events & (PL_POLL_IN | PL_POLL_HUP)) != 0 || c->tls != NULL) &&
            pl_net_of(s)->turn_bytes < PL_READ_BUDGET)
            readable(c, events);
        return;
    case PL_CONN_LINGER:
        linger_on(c);
        return;
    case PL_CONN_CLOSED: /* ended earlier in this turn */
    case PL_CONN_DEAD:
        return;
    }
    PL_UNREACHABLE();
}

static void on_timer(struct pl_shard *s, struct pl_timer *t)
{
    struct pl_conn *c = PL_OF(t, struct pl_conn, timer);

    (void)s;
    if (c->state == PL_CONN_OPEN || c->state == PL_CONN_DIAL) {
        if (c->ops->on_timer != NULL)
            c->ops->on_timer(c);
    } else {
        pl_conn_fail(c, PL_END_TIMEOUT);
    }
}

static void look_at(struct pl_conn *c)
{
    if ((c->flags & PL_CONN_F_NOTIFY) != 0) {
        const struct pl_conn_ops *ops = c->ops;

        c->flags &= (uint8_t)~PL_CONN_F_NOTIFY;
        if (ops != NULL) /* none: it never got past the handshake */
            ops->on_closed(c, (enum pl_conn_end)c->end);
        c->ops = NULL;
        c->user = NULL;
    }
    if (c->state == PL_CONN_CLOSED)
        die(c);
    else if (c->state == PL_CONN_OPEN && (c->flags & PL_CONN_F_KICK) != 0 && (c->flags & PL_CONN_F_PAUSED) == 0)
        kept_deliver(c);
}

/* Only those that stand there now: a user that keeps resuming itself must not keep the turn from ending. */
static void kick_run(struct pl_shard *s, struct pl_task *t)
{
    struct pl_net *net = PL_OF(t, struct pl_net, kick);
    struct pl_deferred *d = net->pending, *next;

    (void)s;
    net->turn_handshakes = net->turn_bytes = 0;
    net->pending = net->pending_last = NULL;
    for (; d != NULL; d = next) {
        struct pl_conn *c = PL_OF(d, struct pl_conn, deferred);

        next = d->next;
        c->flags &= (uint8_t)~PL_CONN_F_PENDING;
        look_at(c);
    }
}

void pl_conn_kicks_init(struct pl_net *net)
{
    net->kick.run = kick_run;
}

/* ---- the user's calls ---- */

void pl_conn_set_user(struct pl_conn *c, const struct pl_conn_ops *ops, void *user)
{
    pl_shard_assert_own(c->shard);
    c->ops = ops;
    c->user = user;
    c->flags |= PL_CONN_F_KICK; /* also from within on_bytes, whose rest is kept a moment later */
    if (c->state == PL_CONN_OPEN)
        pl_conn_look(c);
}

enum pl_err pl_conn_send(struct pl_conn *c, const void *p, size_t n, size_t *ret_n)
{
    struct pl_world *w = c->shard->world;
    size_t sent = 0, step;
    enum pl_err err = PL_OK;

    pl_shard_assert_own(c->shard);
    *ret_n = 0;
    if (c->state != PL_CONN_OPEN)
        return c->state == PL_CONN_DIAL ? PL_EAGAIN : PL_ECLOSED;
    while (sent < n) {
        if (c->tls != NULL)
            err = pl_tls_send(c, (const uint8_t *)p + sent, n - sent, &step);
        else
            err = w->ops->send(w, c->sock, (const uint8_t *)p + sent, n - sent, &step);
        if (err != PL_OK)
            break;
        sent += step;
        if (c->tls == NULL && sent < n) {
            err = PL_EAGAIN; /* a short write: the buffer is full, asking again costs a call */
            break;
        }
    }
    *ret_n = sent;
    pl_net_metric(c->shard, PL_M_NET_OUT_BYTES, (int64_t)sent);
    if (err == PL_OK)
        return PL_OK;
    if (err == PL_EAGAIN) {
        c->flags |= PL_CONN_F_BLOCKED;
        pl_conn_arm(c, c->armed | PL_POLL_OUT);
        return c->state == PL_CONN_OPEN ? PL_EAGAIN : PL_ECLOSED;
    }
    pl_conn_fail(c, err == PL_EPROTO ? PL_END_TLS : PL_END_RESET);
    return PL_ECLOSED;
}

void pl_conn_pause(struct pl_conn *c)
{
    c->flags |= PL_CONN_F_PAUSED;
}

void pl_conn_resume(struct pl_conn *c)
{
    if ((c->flags & PL_CONN_F_PAUSED) == 0 || c->state != PL_CONN_OPEN)
        return;
    c->flags &= (uint8_t)~PL_CONN_F_PAUSED;
    c->flags |= PL_CONN_F_KICK; /* also from within on_bytes, whose rest is kept a moment later */
    pl_conn_look(c);
    if ((c->flags & PL_CONN_F_EOF) == 0)
        pl_conn_arm(c, c->armed | PL_POLL_IN);
}

void pl_conn_timer(struct pl_conn *c, uint64_t due_ms)
{
    if (c->state != PL_CONN_OPEN && c->state != PL_CONN_DIAL)
        return;
    if (due_ms == 0)
        pl_timer_stop(c->shard, &c->timer);
    else
        pl_timer_start(c->shard, &c->timer, due_ms);
}

static void linger_begin(struct pl_conn *c)
{
    struct pl_world *w = c->shard->world;

    if (c->tls != NULL)
        pl_tls_bye(c);
    w->ops->shutdown_write(w, c->sock);
    free(c->tail);
    c->tail = NULL;
    c->tail_len = 0;
    c->state = PL_CONN_LINGER;
    c->in_limit = PL_CONN_LINGER_BYTES;
    pl_timer_start(c->shard, &c->timer, c->shard->now_ms + PL_CONN_LINGER_MS);
    pl_conn_arm(c, PL_POLL_IN);
}

void pl_conn_close(struct pl_conn *c, enum pl_close how)
{
    struct pl_world *w = c->shard->world;

    pl_shard_assert_own(c->shard);
    if (is_closed(c) || (c->state == PL_CONN_LINGER && how == PL_CLOSE_LINGER))
        return;
    if (c->state != PL_CONN_LINGER) {
        c->end = PL_END_LOCAL;
        c->flags |= PL_CONN_F_NOTIFY;
        pl_conn_look(c);
        if (how == PL_CLOSE_LINGER && c->state == PL_CONN_OPEN && (c->flags & PL_CONN_F_EOF) == 0) {
            linger_begin(c);
            return;
        }
    }
    if (how == PL_CLOSE_ABORT) {
        w->ops->close_reset(w, c->sock);
    } else {
        if (c->tls != NULL && c->state == PL_CONN_OPEN)
            pl_tls_bye(c);
        w->ops->close(w, c->sock);
    }
    closed(c);
}

bool pl_conn_is_closing(const struct pl_conn *c)
{
    return c->state >= PL_CONN_LINGER;
}

bool pl_conn_is_tls(const struct pl_conn *c)
{
    return c->tls != NULL;
}

int pl_conn_detach(struct pl_conn *c)
{
    struct pl_world *w = c->shard->world;
    int sock = c->sock;

    PL_ASSERT(c->state == PL_CONN_OPEN && c->tls == NULL);
    (void)w->ops->poller_set(w, c->shard->poller, sock, 0, NULL); /* fails only for a socket that is not there */
    c->end = PL_END_MOVED;
    c->flags |= PL_CONN_F_NOTIFY;
    closed(c);
    return sock;
}
