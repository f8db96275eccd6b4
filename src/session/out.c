/* Output of one session: what the kernel takes now goes now, the rest waits in a bounded queue. */
#include <stdlib.h>

#include "base/check.h"
#include "session/room.h"

enum { OUT_FIRST = 240 };

struct pl_buf *sess_message(struct pl_sess *s)
{
    struct pl_buf *b = &room_of(s->shard)->message;

    pl_buf_clear(b);
    return b;
}

void sess_dirty(struct pl_sess *s)
{
    struct sess_room *room = room_of(s->shard);

    if ((s->flags & (PL_SESS_DIRTY | PL_SESS_BLOCKED | PL_SESS_HOLD)) != 0)
        return;
    s->flags |= PL_SESS_DIRTY;
    s->dirty_next = room->dirty;
    room->dirty = s;
    pl_shard_task(s->shard, PL_PHASE_FLUSH, &room->flush);
}

static void out_free(struct pl_out *o)
{
    pl_blob_unref(&o->blob);
    free(o);
}

void sess_out_drop(struct pl_sess *s, bool keep_started)
{
    struct pl_out *o = s->out_head, *next;

    /* A frame that has begun must be finished, or the peer would read the close as its payload. */
    if (keep_started && o != NULL && o->at != 0) {
        next = o->next;
        o->next = NULL;
        s->out_tail = o;
        s->out_bytes = o->len - o->at;
        o = next;
    } else {
        s->out_head = s->out_tail = NULL;
        s->out_bytes = 0;
    }
    for (; o != NULL; o = next) {
        next = o->next;
        out_free(o);
    }
}

void sess_unhold(struct pl_sess *s)
{
    if ((s->flags & PL_SESS_HOLD) == 0)
        return;
    s->flags &= (uint16_t)~PL_SESS_HOLD;
    sess_out_drop(s, false); /* before the reply nothing else was sent */
}

static void out_append(struct pl_sess *s, struct pl_out *o)
{
    o->next = NULL;
    if (s->out_tail != NULL)
        s->out_tail->next = o;
    else
        s->out_head = o;
    s->out_tail = o;
    s->out_bytes += o->len - o->at;
}

/* The bound of every client's queue. False: it was passed, and the session is ending as slow. */
static bool queue_fits(struct pl_sess *s, size_t more)
{
    if (s->out_bytes + more <= cfg_of(s)->client.queue_max_size)
        return true;
    pl_metric_add(s->shard->cells, PL_M_QUEUE_FULL, 1);
    pl_sess_close(s, PL_R_SLOW);
    return false;
}

static struct pl_out *out_own(struct pl_slice bytes)
{
    uint32_t cap = bytes.len > OUT_FIRST ? (uint32_t)bytes.len : OUT_FIRST;
    struct pl_out *o = malloc(sizeof *o + cap);

    if (o == NULL)
        return NULL;
    *o = (struct pl_out){ .len = (uint32_t)bytes.len, .cap = cap };
    memcpy(o->bytes, bytes.p, bytes.len);
    return o;
}

static bool frame_message(struct pl_sess *s)
{
    struct sess_room *room = room_of(s->shard);

    pl_buf_clear(&room->framed);
    if (pl_buf_ok(&room->message))
        s->pipe->ops->frame(s->shard, s->render_class, pl_buf_slice(&room->message), &room->framed);
    if (pl_buf_ok(&room->message) && pl_buf_ok(&room->framed) && room->framed.len <= UINT32_MAX)
        return true;
    pl_sess_close(s, PL_R_INTERNAL);
    return false;
}

void sess_send(struct pl_sess *s)
{
    struct sess_room *room = room_of(s->shard);
    struct pl_slice bytes;
    struct pl_out *t = s->out_tail;

    if (is_over(s) || s->pipe == NULL || !frame_message(s))
        return;
    bytes = pl_buf_slice(&room->framed);
    if (!queue_fits(s, bytes.len))
        return;
    pl_metric_add(s->shard->cells, PL_M_TRANSPORT_SENT + s->pipe->ops->metric, 1);
    if (t != NULL && t->blob == NULL && t->cap - t->len >= bytes.len) {
        memcpy(t->bytes + t->len, bytes.p, bytes.len);
        t->len += (uint32_t)bytes.len;
        s->out_bytes += (uint32_t)bytes.len;
    } else {
        struct pl_out *o = out_own(bytes);

        if (o == NULL) {
            pl_sess_close(s, PL_R_INTERNAL);
            return;
        }
        out_append(s, o);
    }
    sess_dirty(s);
}

void sess_send_first(struct pl_sess *s)
{
    struct sess_room *room = room_of(s->shard);
    struct pl_out *o;

    PL_ASSERT(s->out_head == NULL || s->out_head->at == 0);
    if (is_over(s) || s->pipe == NULL || !frame_message(s) || !queue_fits(s, room->framed.len))
        return;
    o = out_own(pl_buf_slice(&room->framed));
    if (o == NULL) {
        pl_sess_close(s, PL_R_INTERNAL);
        return;
    }
    o->next = s->out_head;
    s->out_head = o;
    if (s->out_tail == NULL)
        s->out_tail = o;
    s->out_bytes += o->len;
    sess_dirty(s);
}

/* PL_OK, PL_EAGAIN (blocked from here on) or PL_ECLOSED. */
static enum pl_err hand_over(struct pl_sess *s, const uint8_t *p, size_t n, size_t *ret_n)
{
    enum pl_err err = s->pipe->ops->send(s->pipe, p, n, ret_n);

    pl_metric_add(s->shard->cells, PL_M_TRANSPORT_SENT_BYTES + s->pipe->ops->metric, (int64_t)*ret_n);
    if (err == PL_EAGAIN)
        s->flags |= PL_SESS_BLOCKED;
    return err;
}

/* Marks n queued bytes as sent. */
static void out_advance(struct pl_sess *s, size_t n)
{
    s->out_bytes -= (uint32_t)n;
    while (n > 0) {
        struct pl_out *o = s->out_head;
        size_t part = o->len - o->at;

        if (n < part) {
            o->at += (uint32_t)n;
            return;
        }
        n -= part;
        s->out_head = o->next;
        if (s->out_head == NULL)
            s->out_tail = NULL;
        out_free(o);
    }
}

static const uint8_t *out_bytes_of(const struct pl_out *o)
{
    return (o->blob != NULL ? o->blob->bytes : o->bytes) + o->at;
}

void sess_flush(struct pl_sess *s)
{
    while (s->out_head != NULL && (s->flags & (PL_SESS_BLOCKED | PL_SESS_HOLD)) == 0 && s->pipe != NULL) {
        const struct pl_out *o = s->out_head;
        const uint8_t *p = out_bytes_of(o);
        size_t n = o->len - o->at, sent = 0;
        enum pl_err err;

        /* One buffer, one call: copying some KiB costs less than a longer vector (design.md 5). */
        if (o->next != NULL && n < PL_WBUF) {
            n = 0;
            for (; o != NULL && n + (o->len - o->at) <= PL_WBUF; o = o->next) {
                memcpy(s->shard->wbuf + n, out_bytes_of(o), o->len - o->at);
                n += o->len - o->at;
            }
            p = s->shard->wbuf;
        }
        err = hand_over(s, p, n, &sent);
        out_advance(s, sent);
        if (err == PL_ECLOSED) {
            sess_out_drop(s, false); /* pl_sess_on_gone follows from the loop */
            return;
        }
    }
}

void sess_flush_run(struct pl_shard *shard, struct pl_task *t)
{
    struct sess_room *room = room_of(shard);
    struct pl_sess *s = room->dirty, *next;

    (void)t;
    room->dirty = NULL;
    for (; s != NULL; s = next) {
        next = s->dirty_next;
        s->dirty_next = NULL;
        s->flags &= (uint16_t)~PL_SESS_DIRTY;
        if ((s->flags & PL_SESS_FREE_AT_FLUSH) != 0)
            pl_shard_defer(shard, &s->deferred);
        else
            sess_flush(s);
        if (s->state == PL_SESS_DRAINING && s->out_head == NULL)
            pl_sess_end(s, NULL);
    }
}

enum pl_err sess_render(struct pl_shard *shard, unsigned render_class, struct pl_slice channel, const struct pl_msg *base,
                        struct pl_msg *const *events, size_t n, struct pl_buf *out)
{
    struct sess_room *room = room_of(shard);
    enum pl_err err;

    pl_buf_clear(&room->message);
    err = room->dialects[render_class & 7]->events(render_class, channel, base, events, n, &room->message);
    if (err != PL_OK)
        return err;
    if (!pl_buf_ok(&room->message))
        return PL_ENOMEM;
    room->frames[(render_class & PL_CLASS_FRAMING) >> 4](shard, render_class, pl_buf_slice(&room->message), out);
    return PL_OK;
}

void sess_deliver(struct pl_sub *sub, struct pl_blob *blob, unsigned n_events)
{
    struct pl_sess *s = sub->sess;
    size_t sent = 0;
    struct pl_out *o;

    if (is_over(s) || s->pipe == NULL || !queue_fits(s, blob->len))
        return;
    pl_metric_add(s->shard->cells, PL_M_TRANSPORT_SENT + s->pipe->ops->metric, n_events);
    if (s->out_head == NULL && (s->flags & (PL_SESS_BLOCKED | PL_SESS_HOLD)) == 0) {
        enum pl_err err = hand_over(s, blob->bytes, blob->len, &sent);

        if (err == PL_ECLOSED || sent == blob->len)
            return;
    }
    if (PL_SABOTAGE(queued_reference_dropped) && s->out_head != NULL)
        return;
    o = malloc(sizeof *o);
    if (o == NULL) {
        pl_sess_close(s, PL_R_SLOW);
        return;
    }
    *o = (struct pl_out){ .blob = pl_blob_ref(blob), .len = blob->len, .at = (uint32_t)sent };
    out_append(s, o);
    sess_dirty(s);
}

void pl_sess_on_writable(struct pl_sess *s)
{
    s->flags &= (uint16_t)~PL_SESS_BLOCKED;
    sess_flush(s);
    if (s->state == PL_SESS_DRAINING && s->out_head == NULL)
        pl_sess_end(s, NULL);
}
