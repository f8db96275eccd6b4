/* The memory engine: streams and idempotency keys of the channels whose home is this shard. Nothing survives the process but by
 * record (hot upgrade). Bounds: streams, history bytes and keys per shard; reaching one refuses the operation and is counted. */
#include <stdlib.h>

#include "base/check.h"
#include "engine/engine.h"
#include "engine/memory/stream.h"
#include "metrics/metrics.h"

enum {
    STREAMS_MAX = 4 * 1000 * 1000,      /* per shard */
    KEYS_MAX = 1000 * 1000,             /* idempotency keys per shard; the oldest give way */
    KEY_TTL_MS = 5 * 60 * 1000,         /* wire-protocol.md 10.3 */
};
#define HISTORY_BYTES_MAX ((int64_t)8 << 30) /* per shard */

enum { REC_STREAM = 1, REC_KEY };
enum { REC_KEY_NAME = 1, REC_KEY_OFFSET, REC_KEY_EPOCH, REC_KEY_LEFT };

/* A remembered publish: same channel and key within five minutes gets the same answer. */
struct key {
    struct pl_tnode node;
    struct pl_list age;       /* oldest first */
    struct pl_str *name;      /* ref; channel, NUL, key */
    struct pl_str *epoch;     /* ref */
    uint64_t offset;
    uint64_t due_ms;
};

struct memory {
    struct pl_table streams;
    struct pl_table keys;
    struct pl_list keys_by_age;
    struct pl_timer keys_timer;
    int64_t history_bytes;
};

static struct memory *memory_of(struct pl_shard *s)
{
    return s->rooms[PL_ROOM_ENGINE];
}

static void history_bytes_add(struct pl_shard *s, int64_t change)
{
    memory_of(s)->history_bytes += change;
    pl_metric_add(s->cells, PL_M_HISTORY_BYTES, change);
}

/* ---- streams ---- */

static void stream_drop(struct pl_shard *s, struct pl_stream *st)
{
    pl_timer_stop(s, &st->timer);
    pl_table_remove(&memory_of(s)->streams, &st->node);
    history_bytes_add(s, -pl_stream_clear(st));
    pl_metric_add(s->cells, PL_M_STREAMS, -1);
    pl_stream_free(&st);
}

static void stream_timer_set(struct pl_shard *s, struct pl_stream *st)
{
    uint64_t due = st->list_due_ms;

    if (due == 0 || (st->meta_due_ms != 0 && st->meta_due_ms < due))
        due = st->meta_due_ms;
    if (due == 0)
        pl_timer_stop(s, &st->timer);
    else if (!pl_timer_is_on(&st->timer) || st->timer.due_ms > due)
        pl_timer_start(s, &st->timer, due); /* a timer that is early looks again when it fires */
}

static void stream_timer_fire(struct pl_shard *s, struct pl_timer *t)
{
    struct pl_stream *st = PL_OF(t, struct pl_stream, timer);

    if (st->meta_due_ms != 0 && st->meta_due_ms <= s->now_ms) {
        stream_drop(s, st);
        return;
    }
    if (pl_stream_list_is_over(s, st))
        history_bytes_add(s, -pl_stream_clear(st));
    stream_timer_set(s, st);
}

static bool stream_add(struct pl_shard *s, struct pl_stream *st)
{
    struct memory *mem = memory_of(s);

    st->timer.fire = stream_timer_fire;
    if (!pl_table_insert(&mem->streams, &st->node, pl_hash(s->node->hash_key, pl_str_slice(st->name))))
        return false;
    pl_metric_add(s->cells, PL_M_STREAMS, 1);
    return true;
}

/* The live stream of that name; a stream past its meta expiry is as good as gone, however late its timer. */
static struct pl_stream *stream_find(struct pl_shard *s, struct pl_slice name)
{
    struct memory *mem = memory_of(s);
    uint64_t hash = pl_hash(s->node->hash_key, name);

    for (struct pl_tnode *n = pl_table_find(&mem->streams, hash); n != NULL; n = pl_table_same(n)) {
        struct pl_stream *st = PL_OF(n, struct pl_stream, node);

        if (!pl_slice_eq(pl_str_slice(st->name), name))
            continue;
        if (st->meta_due_ms != 0 && st->meta_due_ms <= s->now_ms) {
            stream_drop(s, st);
            return NULL;
        }
        if (pl_stream_list_is_over(s, st))
            history_bytes_add(s, -pl_stream_clear(st));
        return st;
    }
    return NULL;
}

static enum pl_err stream_get(struct pl_shard *s, struct pl_slice name, const struct pl_keep *keep, struct pl_stream **ret)
{
    struct memory *mem = memory_of(s);
    struct pl_stream *st = stream_find(s, name);

    if (st == NULL) {
        if (mem->streams.n >= STREAMS_MAX) {
            pl_metric_add(s->cells, PL_M_STREAMS_REFUSED, 1);
            return PL_ENOMEM;
        }
        st = pl_stream_new(s, name);
        if (st == NULL || !stream_add(s, st)) {
            pl_stream_free(&st);
            return PL_ENOMEM;
        }
    }
    /* Who does not know the namespace (a refill) leaves the expiry alone. */
    if (keep->size != 0 || keep->meta_ttl_s != 0)
        pl_stream_touch(s, st, keep);
    stream_timer_set(s, st);
    *ret = st;
    return PL_OK;
}

/* ---- idempotency keys ---- */

static void key_drop(struct pl_shard *s, struct key *k)
{
    pl_list_remove(&k->age);
    pl_table_remove(&memory_of(s)->keys, &k->node);
    pl_str_unref(&k->name);
    pl_str_unref(&k->epoch);
    free(k);
}

static void keys_timer_fire(struct pl_shard *s, struct pl_timer *t)
{
    struct memory *mem = memory_of(s);

    while (!pl_list_is_empty(&mem->keys_by_age)) {
        struct key *k = PL_OF(mem->keys_by_age.next, struct key, age);

        if (k->due_ms > s->now_ms) {
            pl_timer_start(s, t, k->due_ms);
            return;
        }
        key_drop(s, k);
    }
}

static struct pl_str *key_name(const struct pl_op *op)
{
    struct pl_slice ch = pl_str_slice(op->channel), key = pl_str_slice(op->idempotency_key);
    struct pl_buf b = pl_buf_init(ch.len + 1 + key.len);
    struct pl_str *name;

    pl_buf_slice_put(&b, ch);
    pl_buf_byte(&b, 0);
    pl_buf_slice_put(&b, key);
    name = pl_buf_ok(&b) ? pl_str_new(pl_buf_slice(&b), NULL) : NULL;
    pl_buf_fini(&b);
    return name;
}

static struct key *key_find(struct pl_shard *s, const struct pl_str *name)
{
    uint64_t hash = pl_hash(s->node->hash_key, pl_str_slice(name));

    for (struct pl_tnode *n = pl_table_find(&memory_of(s)->keys, hash); n != NULL; n = pl_table_same(n)) {
        struct key *k = PL_OF(n, struct key, node);

        if (pl_str_eq(k->name, name))
            return k->due_ms > s->now_ms ? k : NULL;
    }
    return NULL;
}

static enum pl_err key_add(struct pl_shard *s, struct pl_str **take_name, uint64_t offset, struct pl_str *epoch, uint64_t due_ms)
{
    struct memory *mem = memory_of(s);
    struct pl_str *name = *take_name;
    struct key *k;

    *take_name = NULL;
    if (mem->keys.n >= KEYS_MAX) {
        key_drop(s, PL_OF(mem->keys_by_age.next, struct key, age));
        pl_metric_add(s->cells, PL_M_IDEMPOTENCY_KEYS_EVICTED, 1);
    }
    k = calloc(1, sizeof *k);
    if (k == NULL || !pl_table_insert(&mem->keys, &k->node, pl_hash(s->node->hash_key, pl_str_slice(name)))) {
        free(k);
        pl_str_unref(&name);
        return PL_ENOMEM;
    }
    k->name = name;
    k->offset = offset;
    k->epoch = pl_str_ref(epoch);
    k->due_ms = due_ms;
    pl_list_push_back(&mem->keys_by_age, &k->age);
    if (!pl_timer_is_on(&mem->keys_timer))
        pl_timer_start(s, &mem->keys_timer, due_ms);
    return PL_OK;
}

/* ---- the engine's calls ---- */

static enum pl_err publish_to_stream(struct pl_shard *s, struct pl_op *op)
{
    struct memory *mem = memory_of(s);
    struct pl_stream *st;
    int64_t change;
    enum pl_err err;

    if (mem->history_bytes + (int64_t)pl_msg_cost(op->msg) > HISTORY_BYTES_MAX) {
        pl_metric_add(s->cells, PL_M_HISTORY_REFUSED, 1);
        return PL_ENOMEM;
    }
    err = stream_get(s, pl_str_slice(op->channel), &op->keep, &st);
    if (err != PL_OK)
        return err;
    op->epoch = pl_str_ref(st->epoch);
    if (op->version != 0) {
        bool same = op->version_epoch == NULL || pl_str_eq(op->version_epoch, st->version_epoch);

        if (same && op->version <= st->version) {
            op->offset = st->top;
            return PL_EEXIST;
        }
    }
    err = pl_stream_append(s, st, op->msg, &op->keep, &change);
    history_bytes_add(s, change);
    if (err != PL_OK)
        return err;
    st->version = op->version;
    pl_str_unref(&st->version_epoch);
    st->version_epoch = pl_str_ref(op->version_epoch);
    op->msg->version = op->version;
    op->offset = st->top;
    stream_timer_set(s, st);
    return PL_OK;
}

static enum pl_err memory_publish(struct pl_shard *s, struct pl_op *op)
{
    struct pl_str *name = NULL;
    enum pl_err err = PL_OK;

    if (op->idempotency_key != NULL) {
        struct key *k;

        name = key_name(op);
        if (name == NULL)
            return PL_ENOMEM;
        k = key_find(s, name);
        if (k != NULL) {
            op->offset = k->offset;
            op->epoch = pl_str_ref(k->epoch);
            pl_str_unref(&name);
            return PL_EEXIST;
        }
    }
    op->msg->time_ms = s->wall_ms;
    if (op->keep.size != 0 && op->keep.ttl_s != 0 && !op->skip_history)
        err = publish_to_stream(s, op);
    if (err == PL_OK && name != NULL)
        err = key_add(s, &name, op->offset, op->epoch, s->now_ms + KEY_TTL_MS);
    pl_str_unref(&name);
    return err;
}

static enum pl_err memory_read(struct pl_shard *s, struct pl_op *op)
{
    struct pl_stream *st;
    enum pl_err err = stream_get(s, pl_str_slice(op->channel), &op->keep, &st);

    return err == PL_OK ? pl_stream_read(st, op) : err;
}

static enum pl_err memory_remove(struct pl_shard *s, struct pl_op *op)
{
    struct pl_stream *st = stream_find(s, pl_str_slice(op->channel));

    if (st != NULL)
        history_bytes_add(s, -pl_stream_clear(st));
    return PL_OK;
}

static enum pl_err memory_interest(struct pl_shard *s, struct pl_slice channel, bool is_on)
{
    (void)s;
    (void)channel;
    (void)is_on; /* nobody else publishes */
    return PL_OK;
}

/* ---- records ---- */

struct save_ctx {
    struct pl_shard *s;
    struct pl_rec_out *r;
};

static void save_stream(struct pl_tnode *n, void *arg)
{
    struct save_ctx *c = arg;
    size_t mark = pl_rec_begin(c->r, REC_STREAM);

    pl_stream_save(c->s, PL_OF(n, struct pl_stream, node), c->r);
    pl_rec_end(c->r, mark);
}

static void memory_save(struct pl_shard *s, struct pl_rec_out *r)
{
    struct memory *mem = memory_of(s);
    struct save_ctx c = { s, r };

    pl_table_each(&mem->streams, save_stream, &c);
    PL_LIST_EACH(it, &mem->keys_by_age) {
        struct key *k = PL_OF(it, struct key, age);
        size_t mark;

        if (k->due_ms <= s->now_ms)
            continue;
        mark = pl_rec_begin(r, REC_KEY);
        pl_rec_bytes(r, REC_KEY_NAME, pl_str_slice(k->name));
        pl_rec_u64(r, REC_KEY_OFFSET, k->offset);
        pl_rec_bytes(r, REC_KEY_EPOCH, pl_str_slice(k->epoch));
        pl_rec_u64(r, REC_KEY_LEFT, k->due_ms - s->now_ms);
        pl_rec_end(r, mark);
    }
}

static enum pl_err load_key(struct pl_shard *s, struct pl_rec_in rec)
{
    struct pl_slice name = { 0 }, epoch_text = { 0 };
    struct pl_str *name_str, *epoch = NULL;
    struct pl_rec_field f;
    uint64_t offset = 0, left = 0;
    const uint8_t *channel;
    enum pl_err err;
    bool ok;

    while ((err = pl_rec_next(&rec, &f)) == PL_OK) {
        switch (f.tag) {
        case REC_KEY_NAME:   name = f.value; break;
        case REC_KEY_OFFSET: offset = pl_rec_get_u64(&f); break;
        case REC_KEY_EPOCH:  epoch_text = f.value; break;
        case REC_KEY_LEFT:   left = pl_rec_get_u64(&f); break;
        default:             break;
        }
    }
    if (err != PL_ENOENT)
        return err;
    if (name.len == 0)
        return PL_EPROTO;
    name_str = pl_str_new(name, &ok);
    if (ok)
        epoch = pl_str_new(epoch_text, &ok);
    channel = memchr(name.p, 0, name.len);
    if (channel == NULL)
        err = PL_EPROTO;
    s = s->node->shards[pl_home_of(s->node, pl_slice(name.p, channel != NULL ? (size_t)(channel - name.p) : 0))];
    if (err == PL_ENOENT)
        err = ok ? key_add(s, &name_str, offset, epoch, s->now_ms + left) : PL_ENOMEM;
    pl_str_unref(&name_str);
    pl_str_unref(&epoch);
    return err;
}

static enum pl_err memory_load(struct pl_shard *s, struct pl_rec_in rec)
{
    struct pl_rec_field f;
    enum pl_err err;

    while ((err = pl_rec_next(&rec, &f)) == PL_OK) {
        if (f.tag == REC_STREAM) {
            struct pl_stream *st;
            struct pl_shard *home;
            int64_t cost;

            err = pl_stream_load(s, pl_rec_nested(&f), &st, &cost);
            if (err != PL_OK)
                return err;
            /* The hash key and the number of shards may be others than in the node that wrote this. */
            home = s->node->shards[pl_home_of(s->node, pl_str_slice(st->name))];
            if (!stream_add(home, st)) {
                pl_stream_free(&st);
                return PL_ENOMEM;
            }
            history_bytes_add(home, cost);
            stream_timer_set(home, st);
        } else if (f.tag == REC_KEY) {
            err = load_key(s, pl_rec_nested(&f));
            if (err != PL_OK)
                return err;
        }
    }
    return err == PL_ENOENT ? PL_OK : err;
}

static void memory_init(struct pl_shard *s, const struct pl_feed_ops *feed)
{
    struct memory *mem = calloc(1, sizeof *mem);

    (void)feed; /* nothing arrives by itself */
    PL_ASSERT(mem != NULL);
    pl_table_init(&mem->streams);
    pl_table_init(&mem->keys);
    pl_list_init(&mem->keys_by_age);
    mem->keys_timer.fire = keys_timer_fire;
    s->rooms[PL_ROOM_ENGINE] = mem;
}

static void fini_stream(struct pl_tnode *n, void *arg)
{
    stream_drop(arg, PL_OF(n, struct pl_stream, node));
}

static void memory_fini(struct pl_shard *s)
{
    struct memory *mem = memory_of(s);

    if (mem == NULL)
        return;
    pl_table_each(&mem->streams, fini_stream, s);
    while (!pl_list_is_empty(&mem->keys_by_age))
        key_drop(s, PL_OF(mem->keys_by_age.next, struct key, age));
    pl_timer_stop(s, &mem->keys_timer);
    pl_table_fini(&mem->streams);
    pl_table_fini(&mem->keys);
    free(mem);
    s->rooms[PL_ROOM_ENGINE] = NULL;
}

const struct pl_engine_ops pl_engine_memory = {
    .name = "memory",
    .publish = memory_publish,
    .read = memory_read,
    .remove = memory_remove,
    .interest = memory_interest,
    .save = memory_save,
    .load = memory_load,
    .init = memory_init,
    .fini = memory_fini,
};
