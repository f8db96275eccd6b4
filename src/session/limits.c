/* Limits that concern the whole node: live connections, their rate, connections of a user. Counters are atomic; the user table has a
 * lock of its own and is touched only where client.user_connection_limit is set, once per connect and disconnect. */
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "session/room.h"

struct user_count {
    struct pl_tnode node;
    struct pl_str *name; /* ref */
    uint32_t n;
};

/* A session id that leads to another shard than the one it lives on. */
struct moved {
    struct pl_tnode node;
    uint8_t id[16];
    unsigned shard;
};

struct node_room {
    atomic_llong n_live;
    atomic_llong n_unauthenticated; /* sessions that have not completed connect */
    atomic_llong bucket_ms;      /* monotonic time at which the rate bucket was (or will be) full */
    pthread_mutex_t user_lock;   /* rank: leaf; guards users */
    struct pl_table users;
    atomic_size_t n_moved;
    pthread_mutex_t moved_lock;  /* rank: leaf; guards moved */
    struct pl_table moved;
};

static struct node_room *node_room_of(struct pl_node *n)
{
    return n->rooms[PL_ROOM_SESSION];
}

void pl_sess_node_init(struct pl_node *n)
{
    struct node_room *r = calloc(1, sizeof *r);

    PL_ASSERT(r != NULL);
    pl_table_init(&r->users);
    PL_ASSERT(pthread_mutex_init(&r->user_lock, NULL) == 0);
    pl_table_init(&r->moved);
    PL_ASSERT(pthread_mutex_init(&r->moved_lock, NULL) == 0);
    n->rooms[PL_ROOM_SESSION] = r;
}

static void free_user(struct pl_tnode *n, void *arg)
{
    struct user_count *u = PL_OF(n, struct user_count, node);

    pl_table_remove(arg, n);
    pl_str_unref(&u->name);
    free(u);
}

void pl_sess_node_fini(struct pl_node *n)
{
    struct node_room *r = node_room_of(n);

    if (r == NULL)
        return;
    pl_table_each(&r->users, free_user, &r->users);
    pl_table_fini(&r->users);
    (void)pthread_mutex_destroy(&r->user_lock); /* nobody holds it: the shards have ended */
    PL_ASSERT(r->moved.n == 0);
    pl_table_fini(&r->moved);
    (void)pthread_mutex_destroy(&r->moved_lock); /* likewise */
    free(r);
    n->rooms[PL_ROOM_SESSION] = NULL;
}

void sess_count_live(struct pl_shard *s, int change)
{
    room_of(s)->n_live += (size_t)(long)change;
    pl_metric_add(s->cells, PL_M_CLIENTS, change);
    atomic_fetch_add_explicit(&node_room_of(s->node)->n_live, change, memory_order_relaxed);
}

void sess_count_unauthenticated(struct pl_shard *s, int change)
{
    pl_metric_add(s->cells, PL_M_UNAUTHENTICATED, change);
    atomic_fetch_add_explicit(&node_room_of(s->node)->n_unauthenticated, change, memory_order_relaxed);
}

/* A bucket of `burst` tokens that refills one a second (wire-protocol.md 1.2), kept as the time at which it is full again: one atomic
 * for all shards. */
static bool rate_take(struct pl_shard *s, int burst)
{
    atomic_llong *at = &node_room_of(s->node)->bucket_ms;
    long long now = (long long)s->now_ms, old = atomic_load_explicit(at, memory_order_relaxed), full;

    do {
        full = old > now ? old : now;
        if (full + 1000 - now > (long long)burst * 1000)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(at, &old, full + 1000, memory_order_relaxed, memory_order_relaxed));
    return true;
}

uint64_t pl_sess_rate_save(struct pl_shard *s)
{
    long long full = atomic_load_explicit(&node_room_of(s->node)->bucket_ms, memory_order_relaxed);

    return full > (long long)s->now_ms ? (uint64_t)full - s->now_ms : 0;
}

void pl_sess_rate_load(struct pl_shard *s, uint64_t left_ms)
{
    if (left_ms < INT32_MAX)
        atomic_store_explicit(&node_room_of(s->node)->bucket_ms, (long long)(s->now_ms + left_ms), memory_order_relaxed);
}

bool pl_sess_admit(struct pl_shard *s)
{
    const struct pl_config *cfg = s->node->config;

    if (cfg->client.connection_limit > 0 &&
        atomic_load_explicit(&node_room_of(s->node)->n_live, memory_order_relaxed) >= cfg->client.connection_limit) {
        pl_metric_add(s->cells, PL_M_CLIENTS_REFUSED + PL_MV_ADMIT_CONNECTION_LIMIT, 1);
        return false;
    }
    if (cfg->client.unauthenticated_limit > 0 &&
        atomic_load_explicit(&node_room_of(s->node)->n_unauthenticated, memory_order_relaxed) >= cfg->client.unauthenticated_limit) {
        pl_metric_add(s->cells, PL_M_CLIENTS_REFUSED + PL_MV_ADMIT_UNAUTHENTICATED, 1);
        return false;
    }
    if (cfg->client.connection_rate_limit > 0 && !rate_take(s, cfg->client.connection_rate_limit)) {
        pl_metric_add(s->cells, PL_M_CLIENTS_REFUSED + PL_MV_ADMIT_RATE, 1);
        return false;
    }
    return true;
}

static struct user_count *user_find(struct node_room *r, uint64_t hash, const struct pl_str *name)
{
    for (struct pl_tnode *n = pl_table_find(&r->users, hash); n != NULL; n = pl_table_same(n))
        if (pl_str_eq(PL_OF(n, struct user_count, node)->name, name))
            return PL_OF(n, struct user_count, node);
    return NULL;
}

bool sess_user_limit_take(struct pl_sess *s)
{
    int limit = cfg_of(s)->client.user_connection_limit;
    struct node_room *r = node_room_of(s->shard->node);
    struct user_count *u;
    uint64_t hash;
    bool ok = false;

    if (limit <= 0 || is_anonymous(s))
        return true;
    hash = pl_hash(s->shard->node->hash_key, pl_str_slice(s->user));
    pthread_mutex_lock(&r->user_lock);
    u = user_find(r, hash, s->user);
    if (u == NULL) {
        u = calloc(1, sizeof *u);
        if (u != NULL && !pl_table_insert(&r->users, &u->node, hash)) {
            free(u);
            u = NULL;
        }
        if (u != NULL)
            u->name = pl_str_ref(s->user);
    }
    if (u != NULL && u->n < (uint32_t)limit) {
        u->n++;
        ok = true;
        s->flags |= PL_SESS_USER_COUNTED;
    }
    pthread_mutex_unlock(&r->user_lock);
    return ok;
}

void sess_user_limit_give(struct pl_sess *s)
{
    struct node_room *r = node_room_of(s->shard->node);
    struct user_count *u;

    if ((s->flags & PL_SESS_USER_COUNTED) == 0)
        return;
    s->flags &= (uint16_t)~PL_SESS_USER_COUNTED;
    pthread_mutex_lock(&r->user_lock);
    u = user_find(r, pl_hash(s->shard->node->hash_key, pl_str_slice(s->user)), s->user);
    PL_ASSERT(u != NULL && u->n > 0);
    if (--u->n == 0)
        free_user(&u->node, &r->users);
    pthread_mutex_unlock(&r->user_lock);
}

/* ---- session ids that came from another node (ticket.c) ---- */

static struct moved *moved_of(struct node_room *r, uint64_t hash, const uint8_t id[16])
{
    for (struct pl_tnode *n = pl_table_find(&r->moved, hash); n != NULL; n = pl_table_same(n))
        if (memcmp(PL_OF(n, struct moved, node)->id, id, 16) == 0)
            return PL_OF(n, struct moved, node);
    return NULL;
}

static void moved_lock(struct node_room *r)
{
    PL_ASSERT(pthread_mutex_lock(&r->moved_lock) == 0);
}

static void moved_unlock(struct node_room *r)
{
    PL_ASSERT(pthread_mutex_unlock(&r->moved_lock) == 0);
}

bool sess_moved_note(struct pl_shard *s, const uint8_t id[16])
{
    struct node_room *r = node_room_of(s->node);
    struct moved *m = calloc(1, sizeof *m);
    bool ok;

    if (m == NULL)
        return false;
    memcpy(m->id, id, sizeof m->id);
    m->shard = s->index;
    moved_lock(r);
    ok = pl_table_insert(&r->moved, &m->node, pl_hash(s->node->hash_key, pl_slice(id, 16)));
    moved_unlock(r);
    if (ok)
        atomic_fetch_add_explicit(&r->n_moved, 1, memory_order_release); /* pairs with acquire in sess_moved_find */
    else
        free(m);
    return ok;
}

void sess_moved_forget(struct pl_node *n, const uint8_t id[16])
{
    struct node_room *r = node_room_of(n);
    struct moved *m;

    moved_lock(r);
    m = moved_of(r, pl_hash(n->hash_key, pl_slice(id, 16)), id);
    if (m != NULL)
        pl_table_remove(&r->moved, &m->node);
    moved_unlock(r);
    if (m != NULL)
        atomic_fetch_sub_explicit(&r->n_moved, 1, memory_order_release); /* as above */
    free(m);
}

bool sess_moved_find(struct pl_node *n, const uint8_t id[16], unsigned *ret_shard)
{
    struct node_room *r = node_room_of(n);
    struct moved *m;

    if (atomic_load_explicit(&r->n_moved, memory_order_acquire) == 0) /* nearly always: no lock then */
        return false;
    moved_lock(r);
    m = moved_of(r, pl_hash(n->hash_key, pl_slice(id, 16)), id);
    if (m != NULL)
        *ret_shard = m->shard;
    moved_unlock(r);
    return m != NULL;
}
