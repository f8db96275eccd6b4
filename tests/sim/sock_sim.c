/* tests/sim/sock_sim.c - simulated sockets and pollers. Delivery takes no time; what it takes is somebody's turn. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/sim/sim_priv.h"

static struct sim_sock *sock_at(const struct sim *sim, int number)
{
    PL_ASSERT(number >= 0 && (size_t)number < sim->n_socks && sim->socks[number]->kind != SIM_FREE); /* used after close */
    return sim->socks[number];
}

static struct sim_sock *sock_new(struct sim *sim, enum sim_kind kind)
{
    struct sim_sock *s;
    size_t i;

    for (i = 0; i < sim->n_socks && sim->socks[i]->kind != SIM_FREE; i++) /* lowest first, like descriptors */
        ;
    if (i == sim->n_socks) {
        sim->socks = realloc(sim->socks, (sim->n_socks + 1) * sizeof *sim->socks);
        PL_ASSERT(sim->socks != NULL);
        sim->socks[sim->n_socks++] = malloc(sizeof *s);
    }
    s = sim->socks[i];
    memset(s, 0, sizeof *s);
    s->kind = kind;
    s->number = (int)i;
    s->peer = -1;
    s->rx = pl_buf_init(sim->opts.buffer);
    pl_list_init(&s->ready);
    return s;
}

/* ---- readiness: level-triggered ---- */

static uint32_t readiness(const struct sim *sim, const struct sim_sock *s)
{
    uint32_t e = 0;

    if (s->kind == SIM_LISTENER)
        return s->n_waiting > 0 ? PL_POLL_IN : 0;
    if (s->rx.len > 0 || s->got_fin || s->is_reset)
        e |= PL_POLL_IN;
    if (s->is_reset || (s->peer >= 0 && sock_at(sim, s->peer)->rx.len < sim->opts.buffer) || s->peer < 0)
        e |= PL_POLL_OUT;
    if (s->is_reset || (s->got_fin && s->sent_fin))
        e |= PL_POLL_HUP;
    return e;
}

static void changed(struct sim *sim, struct sim_sock *s)
{
    if (s->poller == NULL || !pl_list_is_empty(&s->ready))
        return;
    if ((readiness(sim, s) & (s->events | PL_POLL_HUP)) != 0)
        pl_list_push_back(&s->poller->ready, &s->ready);
}

struct pl_poller *sim_w_poller_new(struct pl_world *w)
{
    struct pl_poller *p = calloc(1, sizeof *p);

    PL_ASSERT(p != NULL);
    p->sim = sim_of(w);
    pl_list_init(&p->ready);
    return p;
}

void sim_w_poller_free(struct pl_world *w, struct pl_poller *p)
{
    struct sim *sim = sim_of(w);

    for (size_t i = 0; i < sim->n_socks; i++)
        if (sim->socks[i]->kind != SIM_FREE && sim->socks[i]->poller == p) {
            pl_list_remove(&sim->socks[i]->ready);
            sim->socks[i]->poller = NULL;
        }
    free(p);
}

enum pl_err sim_w_poller_set(struct pl_world *w, struct pl_poller *p, int sock, uint32_t events, void *data)
{
    struct sim_sock *s = sock_at(sim_of(w), sock);

    PL_ASSERT(s->poller == NULL || s->poller == p || events != 0);
    pl_list_remove(&s->ready);
    s->poller = events != 0 ? p : NULL;
    s->events = events & (PL_POLL_IN | PL_POLL_OUT);
    s->data = data;
    changed(sim_of(w), s);
    return PL_OK;
}

int sim_w_poller_wait(struct pl_world *w, struct pl_poller *p, struct pl_poll_event *ret_events, int max, int timeout_ms)
{
    struct sim *sim = sim_of(w);
    int n = 0;

    PL_ASSERT(timeout_ms == 0); /* nobody sleeps in virtual time */
    PL_LIST_EACH_SAFE(it, &p->ready) {
        struct sim_sock *s = PL_OF(it, struct sim_sock, ready);
        uint32_t e = readiness(sim, s) & (s->events | PL_POLL_HUP);

        if (e == 0) {
            pl_list_remove(&s->ready);
            continue;
        }
        if (n == max)
            break;
        ret_events[n++] = (struct pl_poll_event){ s->data, e };
    }
    for (int i = n - 1; i > 0; i--) { /* Fisher and Yates: any order may come from a kernel */
        int k = (int)sim_rnd(sim, (uint64_t)i + 1);
        struct pl_poll_event swap = ret_events[i];

        ret_events[i] = ret_events[k];
        ret_events[k] = swap;
    }
    return n;
}

/* ---- listening and connecting ---- */

static struct sim_sock *listener_for(struct sim *sim, const char *at)
{
    struct pl_addr want;
    const char *path = NULL;
    struct sim_sock *found = NULL;
    uint64_t n = 0;
    static const uint8_t any[16];

    if (pl_addr_parse(at, &want, &path) != PL_OK)
        return NULL;
    for (size_t i = 0; i < sim->n_socks; i++) {
        struct sim_sock *s = sim->socks[i];
        bool fits;

        if (s->kind != SIM_LISTENER || (s->addr.family == 1) != (want.family == 1))
            continue;
        if (want.family == 1)
            fits = strcmp(s->at, at) == 0;
        else
            fits = s->addr.port == want.port && (memcmp(s->addr.ip, any, 16) == 0 || memcmp(s->addr.ip, want.ip, 16) == 0);
        if (fits && sim_rnd(sim, ++n) == 0) /* several (SO_REUSEPORT): each with the same chance */
            found = s;
    }
    return found;
}

enum pl_err sim_w_listen(struct pl_world *w, const char *at, unsigned flags, int *ret_sock, struct pl_addr *ret_addr,
                         struct pl_buf *err_text)
{
    struct sim *sim = sim_of(w);
    struct pl_addr a;
    const char *path = NULL;
    struct sim_sock *s;

    if (pl_addr_parse(at, &a, &path) != PL_OK || strlen(at) >= sizeof s->at) {
        pl_buf_printf(err_text, "\"%s\" is no address", at);
        return PL_EINVAL;
    }
    if (((flags & PL_LISTEN_ALONE) != 0 || (flags & PL_LISTEN_REUSEPORT) == 0) && (a.family == 1 || a.port != 0) &&
        listener_for(sim, at) != NULL) {
        pl_buf_printf(err_text, "cannot listen on %s: in use", at);
        return PL_EEXIST;
    }
    if (a.family != 1 && a.port == 0)
        a.port = sim->next_port++;
    s = sock_new(sim, SIM_LISTENER);
    s->addr = a;
    snprintf(s->at, sizeof s->at, "%s", at);
    *ret_sock = s->number;
    *ret_addr = a;
    return PL_OK;
}

int sim_connect(struct sim *sim, const char *at, const char *from)
{
    struct sim_sock *l = listener_for(sim, at), *near, *far;
    struct pl_addr a = { .ip = { 127, 0, 0, 1 }, .family = 4 };
    const char *path;

    if (l == NULL)
        return -1;
    if (from != NULL)
        PL_ASSERT(pl_addr_parse(from, &a, &path) == PL_OK);
    else
        a.port = sim->next_port++;
    if (l->addr.family == 1)
        a = (struct pl_addr){ .family = 1 };
    near = sock_new(sim, SIM_STREAM);
    far = sock_new(sim, SIM_STREAM);
    near->peer = far->number;
    far->peer = near->number;
    far->far = a;
    near->far = l->addr;
    l->waiting = realloc(l->waiting, (l->n_waiting + 1) * sizeof *l->waiting);
    PL_ASSERT(l->waiting != NULL);
    l->waiting[l->n_waiting++] = far->number;
    changed(sim, l);
    return near->number;
}

enum pl_err sim_w_connect(struct pl_world *w, const char *at, int *ret_sock)
{
    int sock = sim_connect(sim_of(w), at, NULL);

    if (sock < 0)
        return PL_ECLOSED;
    *ret_sock = sock;
    return PL_OK;
}

enum pl_err sim_w_accept(struct pl_world *w, int listener, int *ret_sock, struct pl_addr *ret_peer)
{
    struct sim *sim = sim_of(w);
    struct sim_sock *l = sock_at(sim, listener);

    if (l->n_waiting == 0)
        return PL_EAGAIN;
    *ret_sock = l->waiting[0];
    *ret_peer = sock_at(sim, *ret_sock)->far;
    memmove(l->waiting, l->waiting + 1, --l->n_waiting * sizeof *l->waiting);
    return PL_OK;
}

/* ---- bytes ---- */

static size_t part_of(struct sim *sim, size_t most)
{
    if (!sim->opts.split || sim_rnd(sim, 4) == 0)
        return most;
    return 1 + (size_t)sim_rnd(sim, sim_rnd(sim, 2) == 0 && most > 8 ? 8 : most); /* small pieces as often as any */
}

enum pl_err sim_w_recv(struct pl_world *w, int sock, void *p, size_t n, size_t *ret_n)
{
    struct sim *sim = sim_of(w);
    struct sim_sock *s = sock_at(sim, sock);
    size_t take = s->rx.len < n ? s->rx.len : n;

    PL_ASSERT(s->kind == SIM_STREAM && n > 0);
    *ret_n = 0;
    if (take == 0)
        return s->is_reset ? PL_EIO : s->got_fin ? PL_ECLOSED : PL_EAGAIN;
    take = part_of(sim, take);
    memcpy(p, s->rx.p, take);
    pl_buf_consume(&s->rx, take);
    if (s->rx.len == 0)
        pl_buf_shrink(&s->rx);
    if (s->peer >= 0)
        changed(sim, sock_at(sim, s->peer)); /* it has room to write now */
    *ret_n = take;
    return PL_OK;
}

enum pl_err sim_w_send(struct pl_world *w, int sock, const void *p, size_t n, size_t *ret_n)
{
    struct sim *sim = sim_of(w);
    struct sim_sock *s = sock_at(sim, sock), *peer;
    size_t room;

    PL_ASSERT(s->kind == SIM_STREAM && n > 0);
    *ret_n = 0;
    if (s->is_reset || s->sent_fin)
        return PL_ECLOSED;
    if (s->peer < 0) { /* the kernel takes it, and a reset comes back */
        s->is_reset = true;
        changed(sim, s);
        *ret_n = n;
        return PL_OK;
    }
    peer = sock_at(sim, s->peer);
    room = sim->opts.buffer - peer->rx.len;
    if (room == 0)
        return PL_EAGAIN;
    room = part_of(sim, n < room ? n : room);
    pl_buf_put(&peer->rx, p, room);
    changed(sim, peer);
    *ret_n = room;
    return PL_OK;
}

void sim_w_shutdown_write(struct pl_world *w, int sock)
{
    struct sim *sim = sim_of(w);
    struct sim_sock *s = sock_at(sim, sock);

    s->sent_fin = true;
    changed(sim, s);
    if (s->peer >= 0) {
        sock_at(sim, s->peer)->got_fin = true;
        changed(sim, sock_at(sim, s->peer));
    }
}

static void sock_close(struct sim *sim, struct sim_sock *s, bool reset)
{
    struct sim_sock *peer = s->peer >= 0 ? sock_at(sim, s->peer) : NULL;

    pl_list_remove(&s->ready);
    for (size_t i = 0; i < s->n_waiting; i++) {
        sock_close(sim, sock_at(sim, s->waiting[i]), true);
    }
    free(s->waiting);
    if (peer != NULL) {
        peer->peer = -1;
        if (reset || s->rx.len > 0) /* closing over unread input resets (RFC 2525 2.17) */
            peer->is_reset = true;
        else
            peer->got_fin = true;
        changed(sim, peer);
    }
    pl_buf_fini(&s->rx);
    s->kind = SIM_FREE;
}

void sim_w_close(struct pl_world *w, int sock)
{
    sock_close(sim_of(w), sock_at(sim_of(w), sock), false);
}

void sim_w_close_reset(struct pl_world *w, int sock)
{
    sock_close(sim_of(w), sock_at(sim_of(w), sock), true);
}

void sim_socks_fini(struct sim *sim)
{
    for (size_t i = 0; i < sim->n_socks; i++) {
        if (sim->socks[i]->kind != SIM_FREE) {
            free(sim->socks[i]->waiting);
            pl_buf_fini(&sim->socks[i]->rx);
        }
        free(sim->socks[i]);
    }
    free(sim->socks);
}

/* ---- the far ends ---- */

size_t sim_send(struct sim *sim, int sock, const void *p, size_t n)
{
    size_t sent = 0, step;

    while (sent < n && sim_w_send(&sim->world, sock, (const uint8_t *)p + sent, n - sent, &step) == PL_OK)
        sent += step;
    return sent;
}

bool sim_recv(struct sim *sim, int sock, struct pl_buf *to)
{
    struct sim_sock *s = sock_at(sim, sock);

    pl_buf_slice_put(to, pl_buf_slice(&s->rx));
    pl_buf_clear(&s->rx);
    pl_buf_shrink(&s->rx);
    if (s->peer >= 0)
        changed(sim, sock_at(sim, s->peer));
    return !s->got_fin && !s->is_reset;
}

bool sim_was_reset(struct sim *sim, int sock)
{
    return sock_at(sim, sock)->is_reset;
}

void sim_eof(struct sim *sim, int sock)
{
    sim_w_shutdown_write(&sim->world, sock);
}

void sim_close(struct sim *sim, int sock)
{
    sock_close(sim, sock_at(sim, sock), false);
}

void sim_reset(struct sim *sim, int sock)
{
    sock_close(sim, sock_at(sim, sock), true);
}

size_t sim_open_socks(const struct sim *sim)
{
    size_t n = 0;

    for (size_t i = 0; i < sim->n_socks; i++)
        n += sim->socks[i]->kind != SIM_FREE;
    return n;
}
