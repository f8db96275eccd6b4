/* net/listen.c - listeners, accepting, and spreading fresh sockets over the shards. Also the room's set-up. */
#include <stdlib.h>

#include "base/check.h"
#include "net/net.h"

/* One listening socket on one shard. */
struct accepter {
    struct pl_watch watch;
    struct pl_list link;      /* net->accepters */
    struct pl_timer pause;
    struct pl_deferred deferred;
    struct pl_shard *shard;
    const struct pl_listener *listener; /* borrowed from the node */
    int sock;                 /* -1: closed, to be freed at the turn's end */
};

/* A fresh socket on its way to another shard. */
struct fresh {
    struct pl_mail mail;
    const struct pl_listener *listener;
    int sock;
    struct pl_addr peer;
};

/* node->rooms[PL_ROOM_NET]: listeners live as long as the node, since connections point to them. */
struct node_net {
    unsigned n_shards; /* initialised */
    struct pl_listener **v;
    size_t n;
    struct pl_admit *admit; /* owned; NULL: no limits */
};

/* ---- which shard ---- */

static atomic_uint *load_of(const struct pl_node *n, unsigned i)
{
    return &pl_net_of(n->shards[i])->load;
}

/* This shard, unless it is more than 10 % over the mean: then the least loaded one. */
static unsigned shard_for(const struct pl_shard *s)
{
    const struct pl_node *n = s->node;
    uint64_t sum = 0;
    unsigned least = s->index, own, least_load;

    if (n->n_shards == 1)
        return s->index;
    own = least_load = atomic_load_explicit(load_of(n, s->index), memory_order_relaxed);
    for (unsigned i = 0; i < n->n_shards; i++) {
        unsigned load = atomic_load_explicit(load_of(n, i), memory_order_relaxed);

        sum += load;
        if (load < least_load) {
            least = i;
            least_load = load;
        }
    }
    return (uint64_t)own * n->n_shards * 10 > sum * 11 ? least : s->index;
}

static void fresh_arrive(struct pl_shard *s, struct pl_mail *m)
{
    struct fresh *f = PL_OF(m, struct fresh, mail);

    pl_conn_accepted(s, f->listener, f->sock, &f->peer);
    free(f);
}

/* Counted at the target before it arrives, so that a burst does not all go there. */
static void place(struct pl_shard *s, const struct pl_listener *l, int sock, const struct pl_addr *peer)
{
    unsigned to = shard_for(s);
    struct fresh *f;

    if (to != s->index) {
        f = malloc(sizeof *f);
        if (f != NULL) {
            *f = (struct fresh){ .mail = { .arrive = fresh_arrive }, .listener = l, .sock = sock, .peer = *peer };
            atomic_fetch_add_explicit(load_of(s->node, to), 1, memory_order_relaxed);
            if (pl_mail_post(s, to, &f->mail) == PL_OK) {
                pl_net_metric(s, PL_M_ACCEPT_HANDED, 1);
                return;
            }
            atomic_fetch_sub_explicit(load_of(s->node, to), 1, memory_order_relaxed);
            free(f); /* the balance can wait */
        }
    }
    atomic_fetch_add_explicit(load_of(s->node, s->index), 1, memory_order_relaxed);
    pl_conn_accepted(s, l, sock, peer);
}

/* ---- accepting ---- */

/* One that cannot be armed tries again after a pause. */
static void accepter_arm(struct accepter *a)
{
    struct pl_world *w = a->shard->world;

    if (w->ops->poller_set(w, a->shard->poller, a->sock, PL_POLL_IN, &a->watch) != PL_OK)
        pl_timer_start(a->shard, &a->pause, a->shard->now_ms + PL_ACCEPT_PAUSE_MS);
}

static void accepter_pause(struct accepter *a)
{
    struct pl_world *w = a->shard->world;

    pl_net_metric(a->shard, PL_M_ACCEPT_PAUSED, 1);
    (void)w->ops->poller_set(w, a->shard->poller, a->sock, 0, NULL); /* removing fails only for what is not there */
    pl_timer_start(a->shard, &a->pause, a->shard->now_ms + PL_ACCEPT_PAUSE_MS);
}

static void on_pause_over(struct pl_shard *s, struct pl_timer *t)
{
    (void)s;
    accepter_arm(PL_OF(t, struct accepter, pause));
}

static void on_acceptable(struct pl_shard *s, struct pl_watch *watch, uint32_t events)
{
    struct accepter *a = PL_OF(watch, struct accepter, watch);
    struct pl_world *w = s->world;
    struct pl_addr peer;
    int sock;

    (void)events;
    /* The budget keeps a storm of new clients from starving those that are in; what waits comes in the next turn. */
    for (int left = PL_ACCEPT_BUDGET; left > 0 && a->sock >= 0; left--) {
        switch (w->ops->accept(w, a->sock, &sock, &peer)) {
        case PL_OK:
            pl_net_metric(s, PL_M_ACCEPTED, 1);
            place(s, a->listener, sock, &peer);
            continue;
        case PL_EAGAIN:
            return;
        case PL_EBUSY:
            accepter_pause(a);
            return;
        default: /* that one client is gone */
            continue;
        }
    }
}

static void accepter_free(struct pl_shard *s, struct pl_deferred *d)
{
    (void)s;
    free(PL_OF(d, struct accepter, deferred));
}

static void accepter_close(struct accepter *a)
{
    struct pl_world *w = a->shard->world;

    pl_timer_stop(a->shard, &a->pause);
    w->ops->close(w, a->sock);
    a->sock = -1;
    pl_list_remove(&a->link);
    a->deferred.free = accepter_free;
    pl_shard_defer(a->shard, &a->deferred);
}

static enum pl_err accepter_add(struct pl_shard *s, const struct pl_listener *l, const char *at, unsigned flags,
                                struct pl_addr *ret_addr, struct pl_buf *err_text)
{
    struct pl_net *net = pl_net_of(s);
    struct accepter *a = calloc(1, sizeof *a);
    enum pl_err err;

    PL_ASSERT(a != NULL); /* boot time */
    err = s->world->ops->listen(s->world, at, flags, &a->sock, ret_addr, err_text);
    if (err != PL_OK) {
        free(a);
        return err;
    }
    a->watch.on_ready = on_acceptable;
    a->pause.fire = on_pause_over;
    a->shard = s;
    a->listener = l;
    pl_list_push_back(&net->accepters, &a->link);
    accepter_arm(a);
    return PL_OK;
}

void pl_net_limit(struct pl_node *n, const struct pl_net_limits *limits)
{
    struct node_net *nn = n->rooms[PL_ROOM_NET];

    nn->admit = pl_admit_new(limits, n->hash_key);
    for (unsigned i = 0; i < n->n_shards; i++)
        pl_net_of(n->shards[i])->admit = nn->admit;
}

void pl_net_stop_accepting(struct pl_shard *s)
{
    struct pl_net *net = pl_net_of(s);

    PL_LIST_EACH_SAFE(it, &net->accepters)
        accepter_close(PL_OF(it, struct accepter, link));
}

enum pl_err pl_net_listen(struct pl_node *n, const struct pl_listen_opts *opts, struct pl_listener **ret, struct pl_buf *err_text)
{
    struct node_net *nn = n->rooms[PL_ROOM_NET];
    unsigned shared = n->n_shards > 1 ? PL_LISTEN_REUSEPORT : 0, done = 0;
    struct pl_listener *l = calloc(1, sizeof *l), **v;
    char at[PL_ADDR_TEXT];
    struct pl_addr same;
    enum pl_err err;

    PL_ASSERT(l != NULL && nn != NULL && opts->on_accept != NULL); /* boot time */
    l->opts = *opts;
    err = accepter_add(n->shards[0], l, opts->at, shared | PL_LISTEN_ALONE, &l->addr, err_text);
    if (err == PL_OK)
        done = 1;
    if (err == PL_OK && l->addr.family != 1) {
        pl_addr_text(&l->addr, true, at); /* with the port that was chosen, if any was free to be */
        for (; done < n->n_shards && err == PL_OK; done += err == PL_OK)
            err = accepter_add(n->shards[done], l, at, shared, &same, err_text);
    }
    if (err != PL_OK) {
        while (done-- > 0)
            accepter_close(PL_OF(pl_net_of(n->shards[done])->accepters.prev, struct accepter, link));
        free(l);
        return err;
    }
    v = realloc(nn->v, (nn->n + 1) * sizeof(struct pl_listener *));
    PL_ASSERT(v != NULL);
    nn->v = v;
    nn->v[nn->n++] = l;
    *ret = l;
    return PL_OK;
}

/* ---- the room ---- */

void pl_net_each(struct pl_shard *s, void (*fn)(struct pl_conn *c, void *arg), void *arg)
{
    PL_LIST_EACH_SAFE(it, &pl_net_of(s)->conns) {
        struct pl_conn *c = PL_OF(it, struct pl_conn, link);

        if (c->state == PL_CONN_OPEN)
            fn(c, arg);
    }
}

size_t pl_net_count(const struct pl_shard *s)
{
    return pl_net_of(s)->n_conns;
}

void pl_net_init(struct pl_shard *s)
{
    struct pl_net *net = calloc(1, sizeof *net);
    struct node_net *nn = s->node->rooms[PL_ROOM_NET];

    if (nn == NULL)
        s->node->rooms[PL_ROOM_NET] = nn = calloc(1, sizeof *nn);
    PL_ASSERT(net != NULL && nn != NULL); /* boot time */
    nn->n_shards++;
    net->shard = s;
    pl_list_init(&net->conns);
    pl_list_init(&net->accepters);
    pl_slab_init(&net->slab, sizeof(struct pl_conn));
    pl_conn_kicks_init(net);
    s->rooms[PL_ROOM_NET] = net;
}

void pl_net_fini(struct pl_shard *s)
{
    struct pl_net *net = pl_net_of(s);
    struct node_net *nn = s->node->rooms[PL_ROOM_NET];

    pl_net_stop_accepting(s);
    PL_LIST_EACH_SAFE(it, &net->conns)
        pl_conn_close(PL_OF(it, struct pl_conn, link), PL_CLOSE_NOW);
    while (net->n_conns > 0 || net->slab.n_used > 0) /* on_closed, then the deferred frees */
        (void)pl_shard_turn(s, 0);
    pl_tls_net_fini(net);
    pl_slab_fini(&net->slab);
    s->rooms[PL_ROOM_NET] = NULL;
    free(net);
    if (--nn->n_shards > 0)
        return;
    for (size_t i = 0; i < nn->n; i++)
        free(nn->v[i]);
    free(nn->v);
    pl_admit_free(&nn->admit);
    free(nn);
    s->node->rooms[PL_ROOM_NET] = NULL;
}
