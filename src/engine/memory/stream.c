#include "engine/memory/stream.h"

#include <stdlib.h>

#include "base/check.h"

enum { EPOCH_LEN = 8, RING_FIRST = 4 };
enum { REC_NAME = 1, REC_EPOCH, REC_TOP, REC_VERSION, REC_VERSION_EPOCH, REC_LIST_LEFT, REC_META_LEFT, REC_MSG };

struct pl_stream *pl_stream_new(struct pl_shard *s, struct pl_slice name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    uint8_t epoch[EPOCH_LEN];
    struct pl_stream *st = calloc(1, sizeof *st);
    bool ok;

    if (st == NULL)
        return NULL;
    s->world->ops->entropy(s->world, epoch, sizeof epoch);
    for (size_t i = 0; i < sizeof epoch; i++)
        epoch[i] = (uint8_t)letters[epoch[i] % (sizeof letters - 1)];
    st->epoch = pl_str_new(pl_slice(epoch, sizeof epoch), &ok);
    if (ok)
        st->name = pl_str_new(name, &ok);
    if (!ok)
        pl_stream_free(&st);
    return st;
}

void pl_stream_free(struct pl_stream **take_st)
{
    struct pl_stream *st = *take_st;

    *take_st = NULL;
    if (st == NULL)
        return;
    PL_ASSERT(!pl_timer_is_on(&st->timer));
    (void)pl_stream_clear(st); /* the caller has settled the bytes */
    free(st->ring);
    pl_str_unref(&st->name);
    pl_str_unref(&st->epoch);
    pl_str_unref(&st->version_epoch);
    free(st);
}

int64_t pl_stream_clear(struct pl_stream *st)
{
    int64_t cost = 0;

    for (uint32_t i = 0; i < st->n; i++) {
        struct pl_msg *m = pl_stream_at(st, i);

        cost += (int64_t)pl_msg_cost(m);
        pl_msg_unref(&m);
    }
    st->head = st->n = 0;
    st->list_due_ms = 0;
    return cost;
}

static int64_t drop_oldest(struct pl_stream *st)
{
    struct pl_msg *m = st->ring[st->head];
    int64_t cost = (int64_t)pl_msg_cost(m);

    st->head = (st->head + 1) % st->cap;
    st->n--;
    pl_msg_unref(&m);
    return cost;
}

static bool ring_grow(struct pl_stream *st, uint32_t size)
{
    uint32_t cap = st->cap == 0 ? RING_FIRST : st->cap * 2;
    struct pl_msg **ring;

    if (cap > size)
        cap = size > st->cap ? size : st->cap + 1;
    ring = malloc(cap * sizeof(struct pl_msg *));
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < st->n; i++)
        ring[i] = pl_stream_at(st, i);
    free(st->ring);
    st->ring = ring;
    st->cap = cap;
    st->head = 0;
    return true;
}

void pl_stream_touch(struct pl_shard *s, struct pl_stream *st, const struct pl_keep *keep)
{
    st->meta_due_ms = keep->meta_ttl_s != 0 ? s->now_ms + (uint64_t)keep->meta_ttl_s * 1000 : 0;
}

enum pl_err pl_stream_append(struct pl_shard *s, struct pl_stream *st, struct pl_msg *m, const struct pl_keep *keep,
                             int64_t *ret_cost_change)
{
    int64_t cost = 0;

    PL_ASSERT(keep->size > 0 && keep->ttl_s > 0);
    if (pl_stream_list_is_over(s, st))
        cost -= pl_stream_clear(st);
    while (st->n >= keep->size) /* also when a reload made the list shorter */
        cost -= drop_oldest(st);
    if (st->n == st->cap && !ring_grow(st, keep->size)) {
        *ret_cost_change = cost;
        return PL_ENOMEM;
    }
    if (!PL_SABOTAGE(offset_reused))
        st->top++;
    m->offset = st->top;
    m->epoch = pl_str_ref(st->epoch);
    st->ring[(st->head + st->n) % st->cap] = pl_msg_ref(m);
    st->n++;
    st->list_due_ms = s->now_ms + (uint64_t)keep->ttl_s * 1000;
    pl_stream_touch(s, st, keep);
    *ret_cost_change = cost + (int64_t)pl_msg_cost(m);
    return PL_OK;
}

/* Takes `n` publications from list index `first` on, in direction step. */
static enum pl_err take(const struct pl_stream *st, struct pl_op *op, uint32_t first, uint32_t n, int step)
{
    if (n == 0)
        return PL_OK;
    op->msgs = malloc(n * sizeof(struct pl_msg *));
    if (op->msgs == NULL)
        return PL_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        op->msgs[i] = pl_msg_ref(pl_stream_at(st, (uint32_t)((int64_t)first + (int64_t)i * step)));
    op->n_msgs = n;
    return PL_OK;
}

static bool epoch_fits(const struct pl_stream *st, const struct pl_op *op)
{
    return op->since_epoch == NULL || pl_str_eq(op->since_epoch, st->epoch);
}

static enum pl_err read_recover_stream(const struct pl_stream *st, struct pl_op *op)
{
    uint64_t missed;

    if (!epoch_fits(st, op) || op->since_offset > st->top)
        return PL_OK;
    missed = st->top - op->since_offset;
    if (PL_SABOTAGE(gap_unseen)) {
        missed = missed > st->n ? st->n : missed;
    } else if (missed > st->n) {
        return PL_OK; /* the list no longer reaches back to the client's position */
    }
    if (op->limit >= 0 && missed > (uint64_t)op->limit)
        return PL_OK;
    op->is_recovered = true;
    return take(st, op, st->n - (uint32_t)missed, (uint32_t)missed, 1);
}

static enum pl_err read_recover_cache(const struct pl_stream *st, struct pl_op *op)
{
    if (op->since_epoch != NULL && pl_str_eq(op->since_epoch, st->epoch) && op->since_offset == st->top) {
        op->is_recovered = true;
        return PL_OK;
    }
    if (st->n == 0)
        return PL_OK;
    op->is_recovered = true;
    return take(st, op, st->n - 1, 1, 1);
}

static enum pl_err read_history(const struct pl_stream *st, struct pl_op *op)
{
    uint64_t oldest = st->top - st->n + 1; /* offset of list index 0 */
    uint32_t first, n;

    if (op->has_since && !epoch_fits(st, op))
        return PL_ENOENT;
    if (op->limit == 0 || st->n == 0)
        return PL_OK;
    if (!op->is_reverse) {
        uint64_t from = op->has_since ? op->since_offset + 1 : oldest;

        if (op->has_since && (op->since_offset >= st->top))
            return PL_OK;
        first = from <= oldest ? 0 : (uint32_t)(from - oldest);
        n = st->n - first;
        if (op->limit > 0 && n > (uint32_t)op->limit)
            n = (uint32_t)op->limit;
        return take(st, op, first, n, 1);
    }
    first = st->n - 1;
    if (op->has_since) {
        if (op->since_offset <= oldest)
            return PL_OK;
        if (op->since_offset - 1 < st->top)
            first = (uint32_t)(op->since_offset - 1 - oldest);
    }
    n = first + 1;
    if (op->limit > 0 && n > (uint32_t)op->limit)
        n = (uint32_t)op->limit;
    return take(st, op, first, n, -1);
}

enum pl_err pl_stream_read(const struct pl_stream *st, struct pl_op *op)
{
    op->offset = st->top;
    pl_str_unref(&op->epoch);
    op->epoch = pl_str_ref(st->epoch);
    if (op->kind == PL_OP_SUBSCRIBE) {
        switch ((enum pl_recover)op->recover) {
        case PL_RECOVER_NO:     return PL_OK;
        case PL_RECOVER_STREAM: return read_recover_stream(st, op);
        case PL_RECOVER_CACHE:  return read_recover_cache(st, op);
        }
    }
    return read_history(st, op);
}

/* Times go over as what is left of them, since the other node's monotonic clock is another. 0 stands for "none". */
static uint64_t time_left(const struct pl_shard *s, uint64_t due_ms)
{
    if (due_ms == 0)
        return 0;
    return due_ms > s->now_ms ? due_ms - s->now_ms : 1;
}

void pl_stream_save(const struct pl_shard *s, const struct pl_stream *st, struct pl_rec_out *r)
{
    pl_rec_bytes(r, REC_NAME, pl_str_slice(st->name));
    pl_rec_bytes(r, REC_EPOCH, pl_str_slice(st->epoch));
    pl_rec_u64(r, REC_TOP, st->top);
    pl_rec_u64(r, REC_VERSION, st->version);
    pl_rec_bytes(r, REC_VERSION_EPOCH, pl_str_slice(st->version_epoch));
    pl_rec_u64(r, REC_LIST_LEFT, time_left(s, st->list_due_ms));
    pl_rec_u64(r, REC_META_LEFT, time_left(s, st->meta_due_ms));
    for (uint32_t i = 0; i < st->n; i++) {
        size_t mark = pl_rec_begin(r, REC_MSG);

        pl_msg_save(pl_stream_at(st, i), r);
        pl_rec_end(r, mark);
    }
}

static enum pl_err load_msg(struct pl_stream *st, struct pl_rec_in rec, int64_t *cost)
{
    struct pl_msg *m = NULL;
    enum pl_err err;

    if (st->n == st->cap && !ring_grow(st, UINT32_MAX / 2))
        return PL_ENOMEM;
    err = pl_msg_load(rec, &m);
    if (err != PL_OK)
        return err;
    st->ring[st->n++] = m;
    *cost += (int64_t)pl_msg_cost(m);
    return PL_OK;
}

enum pl_err pl_stream_load(struct pl_shard *s, struct pl_rec_in rec, struct pl_stream **ret, int64_t *ret_cost)
{
    struct pl_stream *st = calloc(1, sizeof *st);
    struct pl_rec_field f;
    enum pl_err err;
    bool ok = true;

    if (st == NULL)
        return PL_ENOMEM;
    *ret_cost = 0;
    while (ok && (err = pl_rec_next(&rec, &f)) == PL_OK) {
        switch (f.tag) {
        case REC_NAME:          pl_str_unref(&st->name); st->name = pl_str_new(f.value, &ok); break;
        case REC_EPOCH:         pl_str_unref(&st->epoch); st->epoch = pl_str_new(f.value, &ok); break;
        case REC_TOP:           st->top = pl_rec_get_u64(&f); break;
        case REC_VERSION:       st->version = pl_rec_get_u64(&f); break;
        case REC_VERSION_EPOCH: pl_str_unref(&st->version_epoch); st->version_epoch = pl_str_new(f.value, &ok); break;
        case REC_LIST_LEFT:     st->list_due_ms = s->now_ms + pl_rec_get_u64(&f); break;
        case REC_META_LEFT:     st->meta_due_ms = s->now_ms + pl_rec_get_u64(&f); break;
        case REC_MSG:
            err = load_msg(st, pl_rec_nested(&f), ret_cost);
            if (err != PL_OK)
                goto bad;
            break;
        default:
            break;
        }
    }
    if (!ok)
        err = PL_ENOMEM;
    else if (err == PL_ENOENT && (st->epoch == NULL || st->name == NULL || st->top < st->n))
        err = PL_EPROTO; /* a record that cannot have come from a stream */
    else if (err == PL_ENOENT)
        err = PL_OK;
    if (err == PL_OK) {
        *ret = st;
        return PL_OK;
    }
bad:
    pl_stream_free(&st);
    return err;
}
