#include "net/admit.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/table.h"
#include "metrics/metrics.h"

struct origin {
    struct pl_tnode node;
    uint8_t ip[16];
    uint8_t family;
    uint32_t n; /* connections */
};

struct pl_admit {
    struct pl_net_limits limits;
    struct pl_hash_key key;
    pthread_mutex_t lock; /* "admit": guards what is below */
    struct pl_table origins;
    uint32_t n;
    uint64_t full_us;     /* rate: when the bucket is full again */
};

struct pl_admit *pl_admit_new(const struct pl_net_limits *limits, struct pl_hash_key key)
{
    struct pl_admit *a;

    if (limits->connections == 0 && limits->per_address == 0 && limits->rate == 0)
        return NULL;
    a = calloc(1, sizeof *a);
    PL_ASSERT(a != NULL); /* boot time */
    a->limits = *limits;
    a->key = key;
    PL_ASSERT(pthread_mutex_init(&a->lock, NULL) == 0);
    pl_table_init(&a->origins);
    return a;
}

static void origin_free(struct pl_tnode *n, void *arg)
{
    (void)arg;
    free(PL_OF(n, struct origin, node));
}

void pl_admit_free(struct pl_admit **take_a)
{
    if (*take_a == NULL)
        return;
    pl_table_each(&(*take_a)->origins, origin_free, NULL);
    pl_table_fini(&(*take_a)->origins);
    (void)pthread_mutex_destroy(&(*take_a)->lock); /* the shards have ended */
    free(*take_a);
    *take_a = NULL;
}

/* What counts as one address. */
static void key_of(const struct pl_addr *peer, uint8_t ret_ip[16])
{
    memset(ret_ip, 0, 16);
    memcpy(ret_ip, peer->ip, peer->family == 4 ? 4 : 8);
}

static struct origin *find(struct pl_admit *a, const struct pl_addr *peer, uint64_t *ret_hash)
{
    uint8_t ip[16];
    struct pl_tnode *n;

    key_of(peer, ip);
    *ret_hash = pl_hash(a->key, pl_slice(ip, sizeof ip));
    for (n = pl_table_find(&a->origins, *ret_hash); n != NULL; n = pl_table_same(n)) {
        struct origin *o = PL_OF(n, struct origin, node);

        if (o->family == peer->family && memcmp(o->ip, ip, sizeof ip) == 0)
            return o;
    }
    return NULL;
}

static bool is_ip(const struct pl_addr *peer)
{
    return peer->family == 4 || peer->family == 6;
}

/* One more of this address; false: no memory. Only counted where somebody asks. */
static bool origin_add(struct pl_admit *a, const struct pl_addr *peer)
{
    uint64_t hash;
    struct origin *o;

    if (a->limits.per_address == 0 || !is_ip(peer))
        return true;
    o = find(a, peer, &hash);
    if (o == NULL) {
        o = calloc(1, sizeof *o);
        if (o == NULL || !pl_table_insert(&a->origins, &o->node, hash)) {
            free(o);
            return false;
        }
        key_of(peer, o->ip);
        o->family = peer->family;
    }
    o->n++;
    return true;
}

/* A bucket of one second's worth that refills all the time, kept as the moment at which it is full again. */
static bool rate_take(struct pl_admit *a, uint64_t now_us)
{
    uint64_t full = a->full_us > now_us ? a->full_us : now_us, cost = 1000000 / a->limits.rate;

    if (cost == 0)
        cost = 1; /* a million a second is no limit that anybody meets */
    if (full + cost - now_us > 1000000)
        return false;
    a->full_us = full + cost;
    return true;
}

enum pl_err pl_admit_take(struct pl_admit *a, const struct pl_addr *peer, uint64_t now_ms, int *ret_limit)
{
    enum pl_err err = PL_EBUSY;
    struct origin *o = NULL;
    uint64_t hash;

    pthread_mutex_lock(&a->lock);
    if (a->limits.per_address != 0 && is_ip(peer))
        o = find(a, peer, &hash);
    if (a->limits.connections != 0 && a->n >= a->limits.connections) {
        *ret_limit = PL_MV_ACCEPT_CONNECTIONS;
    } else if (o != NULL && o->n >= a->limits.per_address) {
        *ret_limit = PL_MV_ACCEPT_ADDRESS;
    } else if (a->limits.rate != 0 && !rate_take(a, now_ms * 1000)) {
        *ret_limit = PL_MV_ACCEPT_RATE;
    } else if (!origin_add(a, peer)) {
        *ret_limit = PL_MV_ACCEPT_MEMORY;
    } else {
        a->n++;
        err = PL_OK;
    }
    pthread_mutex_unlock(&a->lock);
    return err;
}

void pl_admit_force(struct pl_admit *a, const struct pl_addr *peer)
{
    pthread_mutex_lock(&a->lock);
    a->n++;
    (void)origin_add(a, peer); /* out of memory: this one is not counted against its address */
    pthread_mutex_unlock(&a->lock);
}

void pl_admit_give(struct pl_admit *a, const struct pl_addr *peer)
{
    struct origin *o = NULL;
    uint64_t hash;

    pthread_mutex_lock(&a->lock);
    if (a->n > 0)
        a->n--;
    if (a->limits.per_address != 0 && is_ip(peer))
        o = find(a, peer, &hash);
    if (PL_SABOTAGE(admit_never_given))
        o = NULL;
    if (o != NULL && --o->n == 0) {
        pl_table_remove(&a->origins, &o->node);
        free(o);
    }
    pthread_mutex_unlock(&a->lock);
}
