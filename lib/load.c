#include "lib/load.h"

#include <stdlib.h>

#include "base/list.h"


enum { LOAD_INPUT = 1 << 18, LOAD_EVENTS = 512, LOAD_DIALING = 200 };
enum { SCAN_US = 50000, SCAN_DIALING_US = 4000 }; /* how often deadlines are looked at */
enum { END_CLIENT, END_POST };

uint64_t pl_load_clock_us(struct pl_load *l)
{
    l->now_us = l->world->ops->mono_ns(l->world) / 1000;
    return l->now_us;
}

enum pl_err pl_load_init(struct pl_load *l, struct pl_world *world, const char *ws_at, const char *post_at)
{
    *l = (struct pl_load){ .world = world, .ws_at = ws_at, .post_at = post_at, .max_dialing = LOAD_DIALING };
    l->input = malloc(LOAD_INPUT);
    l->poller = world->ops->poller_new(world);
    if (l->input == NULL || l->poller == NULL) {
        pl_load_fini(l);
        return PL_ENOMEM;
    }
    world->ops->entropy(world, &l->key, sizeof l->key);
    (void)pl_load_clock_us(l);
    return PL_OK;
}

/* ---- sockets ---- */

static enum pl_err end_watch(struct pl_load_end *e, uint8_t interest)
{
    struct pl_world *w = e->load->world;
    enum pl_err err = PL_OK;

    if (interest != e->interest)
        err = w->ops->poller_set(w, e->load->poller, e->sock, interest | (e->interest == 0 ? PL_POLL_NEW : 0u), e);
    e->interest = interest;
    return err;
}

static void end_close(struct pl_load_end *e, bool is_rude)
{
    struct pl_world *w = e->load->world;

    if (e->sock < 0)
        return;
    if (is_rude)
        w->ops->close_reset(w, e->sock);
    else
        w->ops->close(w, e->sock);
    e->sock = -1;
    e->interest = 0;
}

static enum pl_err end_dial(struct pl_load_end *e, const char *at)
{
    struct pl_world *w = e->load->world;
    enum pl_err err = w->ops->connect(w, at, &e->sock);

    if (err != PL_OK) {
        e->sock = -1;
        return err;
    }
    e->interest = 0;
    err = end_watch(e, PL_POLL_OUT);
    if (err != PL_OK)
        end_close(e, false);
    return err;
}

/* Sends what the kernel takes; waits for more room only while something is left. */
static enum pl_err end_send(struct pl_load_end *e, struct pl_buf *out)
{
    struct pl_world *w = e->load->world;
    enum pl_err err = PL_OK;
    size_t n;

    while (out->len > 0) {
        err = w->ops->send(w, e->sock, out->p, out->len, &n);
        if (err == PL_EAGAIN)
            return end_watch(e, PL_POLL_IN | PL_POLL_OUT);
        if (err != PL_OK)
            return err;
        pl_buf_consume(out, n);
    }
    return end_watch(e, PL_POLL_IN);
}

/* ---- clients ---- */

static bool is_dialing(const struct pl_client *c)
{
    return c->state == PL_CLIENT_DIALING || c->state == PL_CLIENT_UPGRADING || c->state == PL_CLIENT_CONNECTING;
}

static void client_gone(struct pl_load_client *c, bool is_rude)
{
    struct pl_load *l = c->end.load;

    end_close(&c->end, is_rude);
    pl_client_lost(&c->core, l->now_us / 1000);
}

/* After every call of the core: send, and close what is over. */
static void client_flush(struct pl_load_client *c)
{
    if (c->end.sock >= 0 && c->core.state != PL_CLIENT_DIALING && end_send(&c->end, &c->core.out) != PL_OK) {
        client_gone(c, false);
        return;
    }
    if (c->core.out.len == 0)
        pl_buf_fini(&c->core.out); /* idle clients own no buffer */
    if (pl_client_is_over(&c->core))
        client_gone(c, false);
}

/* Keeps n_dialing right around one call. */
static void dialing_update(struct pl_load *l, const struct pl_client *c, bool was)
{
    if (was && !is_dialing(c))
        l->n_dialing--;
    else if (!was && is_dialing(c))
        l->n_dialing++;
}

static void client_tick(struct pl_load *l, struct pl_load_client *c)
{
    bool was = is_dialing(&c->core);

    if (c->core.state == PL_CLIENT_WAITING && l->n_dialing >= l->max_dialing)
        return;
    if (pl_client_tick(&c->core, l->now_us / 1000) == PL_CLIENT_WANTS_DIAL) {
        if (end_dial(&c->end, l->ws_at) != PL_OK)
            pl_client_lost(&c->core, l->now_us / 1000);
    } else {
        client_flush(c);
    }
    dialing_update(l, &c->core, was);
}

static void client_event(struct pl_load *l, struct pl_load_client *c, uint32_t events)
{
    struct pl_world *w = l->world;
    bool was = is_dialing(&c->core);
    enum pl_err err = PL_OK;
    size_t n;

    if (c->core.state == PL_CLIENT_DIALING && (events & PL_POLL_OUT) != 0 && (events & PL_POLL_HUP) == 0)
        pl_client_opened(&c->core, l->now_us / 1000);
    else if ((events & (PL_POLL_IN | PL_POLL_HUP)) != 0) {
        err = w->ops->recv(w, c->end.sock, l->input, LOAD_INPUT, &n);
        if (err == PL_OK)
            pl_client_input(&c->core, l->now_us / 1000, l->input, n);
    }
    if (err != PL_OK && err != PL_EAGAIN)
        client_gone(c, false);
    else
        client_flush(c);
    dialing_update(l, &c->core, was);
}

enum pl_err pl_load_add(struct pl_load *l, struct pl_load_client *c, const struct pl_client_setup *setup,
                        struct pl_slice token)
{
    uint64_t n = (uint64_t)(uintptr_t)c;
    uint32_t cap = l->cap_clients == 0 ? 64 : l->cap_clients * 2;
    struct pl_load_client **wider;
    struct pl_hash_key seed;

    if (l->n_clients == l->cap_clients) {
        wider = realloc(l->clients, cap * sizeof(struct pl_load_client *));
        if (wider == NULL)
            return PL_ENOMEM;
        l->clients = wider;
        l->cap_clients = cap;
    }
    l->key.k1++;
    seed.k0 = pl_hash(l->key, pl_slice(&n, sizeof n));
    l->key.k1++;
    seed.k1 = pl_hash(l->key, pl_slice(&n, sizeof n));
    c->end = (struct pl_load_end){ .load = l, .sock = -1, .kind = END_CLIENT };
    c->at = l->n_clients;
    l->clients[l->n_clients++] = c;
    pl_client_init(&c->core, setup, token, seed);
    pl_client_start(&c->core, l->now_us / 1000);
    return PL_OK;
}

void pl_load_remove(struct pl_load *l, struct pl_load_client *c, bool is_rude)
{
    bool was = is_dialing(&c->core);

    if (!is_rude) {
        pl_client_stop(&c->core);
        if (c->end.sock >= 0 && c->core.out.len > 0)
            (void)end_send(&c->end, &c->core.out); /* a goodbye that cannot be sent is none */
    }
    end_close(&c->end, is_rude);
    l->n_dialing -= was;
    pl_client_fini(&c->core);
    l->clients[c->at] = l->clients[--l->n_clients];
    l->clients[c->at]->at = c->at;
}

void pl_load_cut(struct pl_load *l, struct pl_load_client *c, bool is_rude)
{
    bool was = is_dialing(&c->core);

    client_gone(c, is_rude);
    dialing_update(l, &c->core, was);
}

void pl_load_flush(struct pl_load *l, struct pl_load_client *c)
{
    bool was = is_dialing(&c->core);

    client_flush(c);
    dialing_update(l, &c->core, was);
}

/* ---- publishers ---- */

static void post_gone(struct pl_load_post *p)
{
    end_close(&p->end, false);
    p->is_open = false;
    p->end.load->n_posts_lost++;
    pl_post_lost(&p->core);
}

void pl_load_flush_post(struct pl_load *l, struct pl_load_post *p)
{
    if (p->end.sock < 0 && end_dial(&p->end, l->post_at) != PL_OK) {
        post_gone(p);
        return;
    }
    if (p->is_open && end_send(&p->end, &p->core.out) != PL_OK)
        post_gone(p);
}

static void post_event(struct pl_load *l, struct pl_load_post *p, uint32_t events)
{
    struct pl_world *w = l->world;
    enum pl_err err = PL_OK;
    size_t n;

    if (!p->is_open && (events & PL_POLL_OUT) != 0 && (events & PL_POLL_HUP) == 0)
        p->is_open = true;
    if ((events & (PL_POLL_IN | PL_POLL_HUP)) != 0) {
        err = w->ops->recv(w, p->end.sock, l->input, LOAD_INPUT, &n);
        if (err == PL_OK)
            err = pl_post_input(&p->core, pl_slice(l->input, n));
    }
    if (err != PL_OK && err != PL_EAGAIN)
        post_gone(p);
    else
        pl_load_flush_post(l, p);
}

enum pl_err pl_load_add_post(struct pl_load *l, struct pl_load_post *p, const struct pl_post_setup *setup,
                             pl_post_answer_fn *on_answer)
{
    *p = (struct pl_load_post){ .end = { .load = l, .sock = -1, .kind = END_POST }, .next = l->posts };
    pl_post_init(&p->core, setup, on_answer);
    l->posts = p;
    return end_dial(&p->end, l->post_at);
}

/* ---- turns ---- */

void pl_load_step(struct pl_load *l, int timeout_ms)
{
    struct pl_poll_event events[LOAD_EVENTS];
    uint64_t scan_ms;
    int n;

    (void)pl_load_clock_us(l);
    scan_ms = l->scan_us > l->now_us ? (l->scan_us - l->now_us + 999) / 1000 : 0;
    if (timeout_ms < 0 || (uint64_t)timeout_ms > scan_ms)
        timeout_ms = (int)scan_ms;
    n = l->world->ops->poller_wait(l->world, l->poller, events, LOAD_EVENTS, timeout_ms);
    (void)pl_load_clock_us(l);
    for (int i = 0; i < n; i++) {
        struct pl_load_end *e = events[i].data;

        if (e->sock < 0) /* closed by an earlier event of this turn */
            continue;
        if (e->kind == END_CLIENT)
            client_event(l, PL_OF(e, struct pl_load_client, end), events[i].events);
        else
            post_event(l, PL_OF(e, struct pl_load_post, end), events[i].events);
    }
    if (l->now_us < l->scan_us)
        return;
    for (uint32_t i = 0; i < l->n_clients; i++)
        if (pl_client_deadline(&l->clients[i]->core) <= l->now_us / 1000)
            client_tick(l, l->clients[i]);
    l->scan_us = l->now_us + (l->n_dialing > 0 ? SCAN_DIALING_US : SCAN_US);
}

void pl_load_fini(struct pl_load *l)
{
    for (uint32_t i = 0; i < l->n_clients; i++) {
        end_close(&l->clients[i]->end, false);
        pl_client_fini(&l->clients[i]->core);
    }
    for (struct pl_load_post *p = l->posts; p != NULL; p = p->next) {
        end_close(&p->end, false);
        pl_post_fini(&p->core);
    }
    if (l->poller != NULL)
        l->world->ops->poller_free(l->world, l->poller);
    free(l->clients);
    free(l->input);
    *l = (struct pl_load){ 0 };
}
