#include "shard/shard.h"

#include <stdlib.h>

#include "base/check.h"
#include "shard/priv.h"

enum { MAX_EVENTS = 256, RING_MOST = 4096, RING_LEAST = 512, RING_SUM = 65536, MAX_HANDLES = 1 << PL_HANDLE_SLOT_BITS };

static void count(_Atomic uint64_t *cell, uint64_t n)
{
    /* One writer: no read-modify-write needed. */
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n, memory_order_relaxed);
}

void pl_shard_assert_own(const struct pl_shard *s)
{
#ifdef PL_DEBUG
    PL_ASSERT(!s->priv->has_owner || pthread_equal(s->priv->owner, pthread_self()));
#else
    (void)s;
#endif
}

/* ---- timers, tasks, handles, deferred frees ---- */

void pl_timer_start(struct pl_shard *s, struct pl_timer *t, uint64_t due_ms)
{
    pl_shard_assert_own(s);
    pl_wheel_start(&s->priv->wheel, t, due_ms);
}

void pl_timer_stop(struct pl_shard *s, struct pl_timer *t)
{
    pl_shard_assert_own(s);
    pl_wheel_stop(t);
}

void pl_shard_task(struct pl_shard *s, enum pl_phase phase, struct pl_task *t)
{
    struct pl_task_queue *q = &s->priv->tasks[phase];

    pl_shard_assert_own(s);
    if (t->is_queued)
        return;
    t->is_queued = true;
    t->next = NULL;
    if (q->first != NULL)
        q->last->next = t;
    else
        q->first = t;
    q->last = t;
}

/* Only what stands in the queue now: a task that queues itself again, or another of this phase, runs in the next turn. */
static bool run_phase(struct pl_shard *s, enum pl_phase phase)
{
    struct pl_task *t = s->priv->tasks[phase].first, *next;
    bool any = t != NULL;

    s->priv->tasks[phase].first = NULL;
    for (; t != NULL; t = next) {
        next = t->next;
        t->is_queued = false;
        t->run(s, t);
    }
    return any;
}

enum pl_err pl_handle_new(struct pl_shard *s, const void *kind, void *obj, struct pl_handle *ret)
{
    enum pl_err err;

    pl_shard_assert_own(s);
    err = pl_handles_new(&s->priv->handles, s->index, kind, obj, ret);
    atomic_store_explicit(&s->priv->n_handles, s->priv->handles.n_live, memory_order_relaxed);
    return err;
}

void pl_handle_free(struct pl_shard *s, struct pl_handle h)
{
    pl_shard_assert_own(s);
    pl_handles_free(&s->priv->handles, s->index, h);
    atomic_store_explicit(&s->priv->n_handles, s->priv->handles.n_live, memory_order_relaxed);
}

void *pl_handle_get(struct pl_shard *s, struct pl_handle h, const void *kind)
{
    pl_shard_assert_own(s);
    return pl_handles_get(&s->priv->handles, s->index, h, kind);
}

void pl_shard_defer(struct pl_shard *s, struct pl_deferred *d)
{
    struct pl_shard_priv *p = s->priv;

    pl_shard_assert_own(s);
    d->next = NULL;
    if (p->deferred != NULL)
        p->deferred_last->next = d;
    else
        p->deferred = d;
    p->deferred_last = d;
}

void pl_shard_free_deferred(struct pl_shard *s)
{
    struct pl_deferred *d;

    while ((d = s->priv->deferred) != NULL) { /* a free may defer others */
        s->priv->deferred = d->next;
        d->free(s, d);
    }
}

/* ---- mail ---- */

static struct pl_ring *ring_to(struct pl_shard *s, unsigned to)
{
    PL_ASSERT(to < s->node->n_shards);
    pl_shard_assert_own(s);
    return s->node->shards[to]->priv->in[s->index];
}

static enum pl_err sent(struct pl_shard *s, unsigned to, enum pl_err err)
{
    if (err == PL_OK)
        s->priv->dirty |= 1ull << to;
    else
        count(&s->priv->n_busy, 1);
    return err;
}

enum pl_err pl_mail_post(struct pl_shard *s, unsigned to, struct pl_mail *m)
{
    m->from = (uint16_t)s->index;
    return sent(s, to, pl_ring_put(ring_to(s, to), m));
}

enum pl_err pl_mail_ask(struct pl_shard *s, unsigned to, struct pl_mail *m)
{
    m->from = (uint16_t)s->index;
    return sent(s, to, pl_ring_ask(ring_to(s, to), m));
}

void pl_mail_reply(struct pl_shard *s, unsigned to, struct pl_mail *m)
{
    m->from = (uint16_t)s->index;
    pl_ring_reply(ring_to(s, to), m);
    s->priv->dirty |= 1ull << to;
}

static void control_link(struct pl_shard *to, struct pl_mail *m)
{
    struct pl_mail *old = atomic_load_explicit(&to->priv->control, memory_order_relaxed);

    m->is_reply = false;
    do {
        m->next = old;
        /* release: pairs with the acquire exchange in take_control */
    } while (!atomic_compare_exchange_weak_explicit(&to->priv->control, &old, m, memory_order_release, memory_order_relaxed));
}

/* The other half of going_to_sleep. Returns true if the target has to be woken, to one caller only. */
static bool must_wake(struct pl_shard *to)
{
    return atomic_exchange_explicit(&to->priv->is_asleep, false, memory_order_acq_rel);
}

void pl_mail_control(struct pl_node *n, unsigned to, struct pl_mail *m)
{
    struct pl_shard *target;

    PL_ASSERT(to < n->n_shards);
    target = n->shards[to];
    m->from = UINT16_MAX; /* from no shard */
    control_link(target, m);
    if (must_wake(target))
        n->world->ops->poller_wake(n->world, target->poller);
}

void pl_shard_control_push(struct pl_shard *s, unsigned to, struct pl_mail *m)
{
    m->from = (uint16_t)s->index;
    control_link(s->node->shards[to], m);
    s->priv->dirty |= 1ull << to;
}

static size_t take_control(struct pl_shard *s)
{
    struct pl_mail *m = atomic_exchange_explicit(&s->priv->control, NULL, memory_order_acquire), *fifo = NULL, *next;
    size_t n = 0;

    for (; m != NULL; m = next) { /* newest first: turn it round */
        next = m->next;
        m->next = fifo;
        fifo = m;
    }
    for (m = fifo; m != NULL; m = next, n++) {
        next = m->next;
        m->arrive(s, m);
    }
    return n;
}

static size_t take_mail(struct pl_shard *s)
{
    size_t n = take_control(s);

    for (unsigned from = 0; from < s->node->n_shards; from++) {
        struct pl_ring *r = s->priv->in[from];

        /* Only what is there now: a shard that writes to itself must not keep its turn from ending. */
        for (uint32_t left = pl_ring_len(r); left > 0; left--, n++) {
            struct pl_mail *m = pl_ring_take(r);

            if (m->is_reply)
                s->node->shards[from]->priv->in[s->index]->open_asks--; /* ours: we produce into that ring */
            m->arrive(s, m);
        }
    }
    if (n > 0)
        count(&s->priv->n_in, n);
    return n;
}

static bool has_mail(const struct pl_shard *s)
{
    if (atomic_load_explicit(&s->priv->control, memory_order_acquire) != NULL)
        return true;
    for (unsigned from = 0; from < s->node->n_shards; from++)
        if (pl_ring_len(s->priv->in[from]) > 0)
            return true;
    return false;
}

static void write_wakes(struct pl_shard *s)
{
    uint64_t dirty = s->priv->dirty & ~(1ull << s->index);

    s->priv->dirty = 0;
    for (; dirty != 0; dirty &= dirty - 1) {
        struct pl_shard *to = s->node->shards[__builtin_ctzll(dirty)];

        if (must_wake(to)) {
            s->world->ops->poller_wake(s->world, to->poller);
            count(&s->priv->n_wakes, 1);
        }
    }
}

/* ---- the turn ---- */

static bool has_work(struct pl_shard *s)
{
    for (int phase = 0; phase < PL_N_PHASES; phase++)
        if (s->priv->tasks[phase].first != NULL)
            return true;
    return s->priv->deferred != NULL || s->priv->is_stopping || has_mail(s);
}

uint64_t pl_shard_next_ms(struct pl_shard *s)
{
    uint64_t next, now_ms;

    if (has_work(s))
        return 0;
    next = pl_wheel_next(&s->priv->wheel);
    if (next == UINT64_MAX)
        return UINT64_MAX;
    now_ms = s->world->ops->mono_ns(s->world) / 1000000; /* s->now_ms is as old as the last turn was long */
    return next > now_ms ? next - now_ms : 0;
}

/* Says "asleep", then looks for mail once more; senders put mail, then take the flag. Both change the flag by exchange only
 * (acquire and release), and exchanges of one flag stand in one order: either the sender's comes after ours, then it
 * sees "asleep" and wakes us; or ours comes after the sender's, reads what it wrote (through exchanges only, so the release
 * sequence is unbroken), and so the look that follows sees its mail. No fence needed, and ThreadSanitizer understands it. */
static bool going_to_sleep(struct pl_shard *s)
{
    (void)atomic_exchange_explicit(&s->priv->is_asleep, true, memory_order_acq_rel);
    if (!has_mail(s))
        return true;
    (void)atomic_exchange_explicit(&s->priv->is_asleep, false, memory_order_acq_rel);
    return false;
}

static int wait_ms(struct pl_shard *s, int max_wait_ms)
{
    uint64_t next = max_wait_ms == 0 ? 0 : pl_shard_next_ms(s);

    if (max_wait_ms < 0 && next == UINT64_MAX)
        return -1;
    if (max_wait_ms >= 0 && next > (uint64_t)max_wait_ms)
        return max_wait_ms;
    return next > INT32_MAX ? INT32_MAX : (int)next;
}

static void clock_read(struct pl_shard *s, uint64_t mono_ns)
{
    s->now_ms = mono_ns / 1000000;
    s->wall_ms = s->world->ops->wall_ms(s->world);
}

bool pl_shard_turn(struct pl_shard *s, int max_wait_ms)
{
    struct pl_shard_priv *p = s->priv;
    struct pl_world *w = s->world;
    struct pl_poll_event events[MAX_EVENTS];
    int timeout = wait_ms(s, max_wait_ms), n;
    bool any;
    uint64_t begin_ns, took_ns;

    if (timeout != 0 && going_to_sleep(s)) {
        n = w->ops->poller_wait(w, s->poller, events, MAX_EVENTS, timeout);
        (void)atomic_exchange_explicit(&p->is_asleep, false, memory_order_acq_rel);
    } else {
        n = w->ops->poller_wait(w, s->poller, events, MAX_EVENTS, 0);
    }
    begin_ns = w->ops->mono_ns(w);
    clock_read(s, begin_ns);

    any = n > 0;
    for (int i = 0; i < n; i++) {
        struct pl_watch *watch = events[i].data;
        watch->on_ready(s, watch, events[i].events);
    }
    any |= take_mail(s) > 0;
    any |= pl_wheel_advance(&p->wheel, s, s->now_ms) > 0;
    for (int phase = 0; phase < PL_N_PHASES; phase++)
        any |= run_phase(s, (enum pl_phase)phase);
    write_wakes(s);
    any |= p->deferred != NULL;
    pl_shard_free_deferred(s);

    took_ns = w->ops->mono_ns(w) - begin_ns;
    count(&p->n_turns, 1);
    if (took_ns > (uint64_t)PL_SLOW_TURN_MS * 1000000)
        count(&p->n_slow, 1);
    if (took_ns > atomic_load_explicit(&p->max_turn_ns, memory_order_relaxed))
        atomic_store_explicit(&p->max_turn_ns, took_ns, memory_order_relaxed);
    return any;
}

void pl_shard_run(struct pl_shard *s)
{
    s->priv->owner = pthread_self();
    s->priv->has_owner = true;
    while (!s->priv->is_stopping)
        (void)pl_shard_turn(s, -1); /* whether it did something matters to the simulator only */
    s->priv->is_stopping = false;
    s->priv->has_owner = false; /* whoever joined the thread may take the shard apart */
}

void pl_shard_stop(struct pl_shard *s)
{
    pl_shard_assert_own(s);
    s->priv->is_stopping = true;
}

void pl_shard_stats(const struct pl_shard *s, struct pl_shard_stats *ret)
{
    const struct pl_shard_priv *p = s->priv;

    ret->turns = atomic_load_explicit(&p->n_turns, memory_order_relaxed);
    ret->slow_turns = atomic_load_explicit(&p->n_slow, memory_order_relaxed);
    ret->max_turn_ns = atomic_load_explicit(&p->max_turn_ns, memory_order_relaxed);
    ret->mails_in = atomic_load_explicit(&p->n_in, memory_order_relaxed);
    ret->mails_busy = atomic_load_explicit(&p->n_busy, memory_order_relaxed);
    ret->wakes = atomic_load_explicit(&p->n_wakes, memory_order_relaxed);
    ret->handles = atomic_load_explicit(&p->n_handles, memory_order_relaxed);
}

/* ---- node ---- */

static void *boot_alloc(size_t align, size_t n)
{
    size_t rounded = (n + align - 1) / align * align; /* C11 7.22.3.1 wants a multiple */
    void *p = aligned_alloc(align, rounded);

    PL_ASSERT(p != NULL);
    return memset(p, 0, rounded);
}

static struct pl_shard *shard_new(struct pl_node *n, unsigned index)
{
    struct pl_shard *s = boot_alloc(64, sizeof *s);
    uint32_t cap = RING_SUM / n->n_shards;

    s->node = n;
    s->world = n->world;
    s->index = index;
    s->poller = n->world->ops->poller_new(n->world);
    s->rbuf = boot_alloc(64, PL_RBUF);
    s->wbuf = boot_alloc(64, PL_WBUF);
    s->priv = boot_alloc(64, sizeof *s->priv);
    clock_read(s, n->world->ops->mono_ns(n->world));
    pl_wheel_init(&s->priv->wheel, s->now_ms);
    pl_handles_init(&s->priv->handles, MAX_HANDLES);
    cap = cap > RING_MOST ? RING_MOST : cap < RING_LEAST ? RING_LEAST : 1u << (31 - __builtin_clz(cap));
    for (unsigned from = 0; from < n->n_shards; from++) {
        s->priv->in[from] = boot_alloc(64, sizeof *s->priv->in[from]);
        pl_ring_init(s->priv->in[from], cap);
    }
    return s;
}

static void shard_free(struct pl_shard *s)
{
    for (unsigned from = 0; from < s->node->n_shards; from++) {
        pl_ring_fini(s->priv->in[from]);
        free(s->priv->in[from]);
    }
    pl_handles_fini(&s->priv->handles);
    s->world->ops->poller_free(s->world, s->poller);
    free(s->priv);
    free(s->rbuf);
    free(s->wbuf);
    free(s);
}

struct pl_node *pl_node_new(struct pl_world *w, unsigned n_shards)
{
    struct pl_node *n;

    PL_ASSERT(n_shards >= 1 && n_shards <= PL_SHARDS_MAX);
    n = boot_alloc(64, sizeof *n);
    n->world = w;
    n->n_shards = n_shards;
    w->ops->entropy(w, &n->hash_key, sizeof n->hash_key);
    w->ops->entropy(w, n->id, sizeof n->id);
    n->id[6] = (uint8_t)((n->id[6] & 0x0f) | 0x40); /* RFC 9562 5.4: version 4 */
    n->id[8] = (uint8_t)((n->id[8] & 0x3f) | 0x80); /* variant */
    n->started_wall_ms = w->ops->wall_ms(w);
    for (unsigned i = 0; i < n_shards; i++)
        n->shards[i] = shard_new(n, i);
    return n;
}

void pl_node_free(struct pl_node **take_node)
{
    struct pl_node *n = *take_node;

    *take_node = NULL;
    if (n == NULL)
        return;
    for (unsigned i = 0; i < n->n_shards; i++)
        pl_shard_free_deferred(n->shards[i]);
    for (unsigned i = 0; i < n->n_shards; i++)
        shard_free(n->shards[i]);
    free(n);
}
