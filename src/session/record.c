/* A session as a record: everything that its peer could notice if it were missing (design.md 9). Times go over as what is left. */
#include <stdlib.h>

#include "base/check.h"
#include "session/room.h"

enum { REC_ID = 1, REC_STATE, REC_FLAGS, REC_USER, REC_CONN_INFO, REC_META, REC_HEADER_USER, REC_EXPIRE, REC_PING_LEFT, REC_TICK_LEFT,
       REC_CLASS, REC_OUT, REC_OUT_STARTED, REC_SUB, REC_CLOSE_CODE, REC_CLOSE_TEXT, REC_DRAIN_LEFT, REC_TICKET };
enum { REC_SUB_CHANNEL = 1, REC_SUB_FLAGS, REC_SUB_OFFSET, REC_SUB_EPOCH, REC_SUB_INFO, REC_SUB_EXPIRE, REC_SUB_FILTER };

enum { FLAGS_KEPT = PL_SESS_PONG | PL_SESS_WANTS_PONG | PL_SESS_FRAME_PING | PL_SESS_EXPIRES | PL_SESS_COUNTED };

static uint64_t left_of(const struct pl_sess *s, uint64_t due)
{
    if (due == 0)
        return 0;
    return due > s->shard->now_ms ? due - s->shard->now_ms : 1;
}

static void save_sub(const struct pl_sub *sub, struct pl_rec_out *r)
{
    size_t mark = pl_rec_begin(r, REC_SUB);

    pl_rec_bytes(r, REC_SUB_CHANNEL, pl_sub_channel(sub));
    pl_rec_u64(r, REC_SUB_FLAGS, sub->flags);
    pl_rec_u64(r, REC_SUB_OFFSET, sub->offset);
    pl_rec_bytes(r, REC_SUB_EPOCH, pl_str_slice(sub->epoch));
    pl_rec_bytes(r, REC_SUB_INFO, pl_str_slice(sub->chan_info));
    pl_rec_u64(r, REC_SUB_EXPIRE, sub->expire_s);
    if ((sub->flags & PL_SUB_FILTERED) != 0)
        pl_rec_bytes(r, REC_SUB_FILTER, pl_sub_filter_text(sub));
    pl_rec_end(r, mark);
}

/* The queue as bytes; how much of the first frame is sent already matters only to a slow client that is cut off. */
static void save_out(const struct pl_sess *s, struct pl_rec_out *r)
{
    struct pl_buf b = pl_buf_init(UINT32_MAX);

    for (const struct pl_out *o = s->out_head; o != NULL; o = o->next) {
        pl_buf_put(&b, (o->blob != NULL ? o->blob->bytes : o->bytes) + o->at, o->len - o->at);
        if (o == s->out_head && o->at != 0)
            pl_rec_u64(r, REC_OUT_STARTED, o->len - o->at);
    }
    pl_rec_bytes(r, REC_OUT, pl_buf_slice(&b));
    pl_buf_fini(&b);
}

void pl_sess_save(struct pl_sess *s, struct pl_rec_out *r)
{
    PL_ASSERT((s->flags & PL_SESS_BUSY) == 0 && s->state != PL_SESS_CONNECTING && s->state != PL_SESS_DEAD);
    pl_rec_bytes(r, REC_ID, pl_slice(s->id, sizeof s->id));
    pl_rec_u64(r, REC_STATE, s->state);
    pl_rec_u64(r, REC_FLAGS, s->flags & FLAGS_KEPT);
    pl_rec_bytes(r, REC_USER, pl_str_slice(s->user));
    pl_rec_bytes(r, REC_CONN_INFO, pl_str_slice(s->conn_info));
    pl_rec_u64(r, REC_EXPIRE, s->expire_s);
    pl_rec_u64(r, REC_PING_LEFT, left_of(s, s->ping_due));
    pl_rec_u64(r, REC_TICK_LEFT, left_of(s, s->tick_due));
    pl_rec_u64(r, REC_CLASS, s->render_class);
    if (s->rare != NULL) {
        PL_ASSERT(s->rare->rest.len == 0);
        if (s->rare->ticket != NULL)
            pl_rec_bytes(r, REC_TICKET, pl_slice(s->rare->ticket->id, sizeof s->rare->ticket->id));
        pl_rec_bytes(r, REC_META, pl_str_slice(s->rare->meta));
        pl_rec_bytes(r, REC_HEADER_USER, pl_str_slice(s->rare->header_user));
        if (s->state == PL_SESS_DRAINING) {
            pl_rec_u64(r, REC_CLOSE_CODE, s->rare->close_code);
            pl_rec_bytes(r, REC_CLOSE_TEXT, pl_slice(s->rare->close_text, s->rare->close_len));
            pl_rec_u64(r, REC_DRAIN_LEFT, left_of(s, s->timer.due_ms));
        }
    }
    save_out(s, r);
    for (const struct pl_sub *sub = s->subs; sub != NULL; sub = sub->next)
        save_sub(sub, r);
}

/* What the memory's own shape says is not the record's to change. */
static void put_flags(struct pl_sub *sub, uint64_t flags)
{
    sub->flags = (uint16_t)((sub->flags & PL_SUB_FILTERED) | (flags & ~(uint64_t)PL_SUB_FILTERED));
}

/* The subscription that a record needs: one with a filter is another kind of thing from its beginning. */
static enum pl_err new_sub(struct pl_sess *s, struct pl_rec_in rec, struct pl_sub **ret)
{
    struct pl_filter *filter = NULL;
    struct pl_rec_field f;
    enum pl_err err;

    while ((err = pl_rec_next(&rec, &f)) == PL_OK && f.tag != REC_SUB_FILTER)
        ;
    if (err == PL_ENOENT) {
        *ret = pl_sub_new(s->shard);
    } else if (err == PL_OK) {
        err = pl_filter_get(s->shard, f.value, &filter);
        if (err != PL_OK)
            return err == PL_EINVAL ? PL_EPROTO : err;
        *ret = pl_sub_new_filtered(s->shard, &filter);
    } else {
        return err;
    }
    return *ret != NULL ? PL_OK : PL_ENOMEM;
}

static enum pl_err load_sub(struct pl_sess *s, struct pl_rec_in rec)
{
    struct pl_sub *sub = NULL;
    struct pl_slice channel = { 0 };
    struct pl_rec_field f;
    enum pl_err err;
    bool ok = true;

    err = new_sub(s, rec, &sub);
    if (err != PL_OK)
        return err;
    while (ok && (err = pl_rec_next(&rec, &f)) == PL_OK) {
        switch (f.tag) {
        case REC_SUB_CHANNEL: channel = f.value; break;
        case REC_SUB_FLAGS:   put_flags(sub, PL_SABOTAGE(record_without_sub_flags) ? 0 : pl_rec_get_u64(&f)); break;
        case REC_SUB_OFFSET:  sub->offset = pl_rec_get_u64(&f); break;
        case REC_SUB_EPOCH:   pl_str_unref(&sub->epoch); sub->epoch = pl_str_new(f.value, &ok); break;
        case REC_SUB_INFO:    pl_str_unref(&sub->chan_info); sub->chan_info = pl_str_new(f.value, &ok); break;
        case REC_SUB_EXPIRE:  sub->expire_s = (uint32_t)pl_rec_get_u64(&f); break;
        default:              break;
        }
    }
    sub->sess = s;
    sub->render_class = s->render_class | ((sub->flags & PL_SUB_DELTA) != 0 ? PL_CLASS_DELTA : 0);
    if (!ok)
        err = PL_ENOMEM;
    else if (err == PL_ENOENT)
        err = channel.len != 0 ? pl_hub_adopt(s->shard, sub, channel) : PL_EPROTO;
    if (err != PL_OK) {
        pl_sub_free(s->shard, &sub);
        return err;
    }
    sub->next = s->subs;
    s->subs = sub;
    s->n_subs++;
    return PL_OK;
}

/* Read one after the other and each put in front: turned round, they stand as they stood. Order is what a peer sees when several
 * end at once. */
static void subs_turn(struct pl_sess *s)
{
    struct pl_sub *sub = s->subs, *next;

    s->subs = NULL;
    for (; sub != NULL; sub = next) {
        next = sub->next;
        sub->next = s->subs;
        s->subs = sub;
    }
}

struct loading {
    struct pl_slice out;
    uint64_t state, ping_left, tick_left, drain_left;
    size_t started;
};

static enum pl_err load_field(struct pl_sess *s, const struct pl_rec_field *f, struct loading *l)
{
    bool ok = true;

    switch (f->tag) {
    case REC_ID:
        if (f->value.len != sizeof s->id)
            return PL_EPROTO;
        memcpy(s->id, f->value.p, sizeof s->id);
        break;
    case REC_STATE:       l->state = pl_rec_get_u64(f); break;
    case REC_FLAGS:       s->flags = (uint16_t)(pl_rec_get_u64(f) & FLAGS_KEPT); break;
    case REC_USER:        pl_str_unref(&s->user); s->user = pl_str_new(f->value, &ok); break;
    case REC_CONN_INFO:   pl_str_unref(&s->conn_info); s->conn_info = pl_str_new(f->value, &ok); break;
    case REC_EXPIRE:      s->expire_s = (uint32_t)pl_rec_get_u64(f); break;
    case REC_PING_LEFT:   l->ping_left = pl_rec_get_u64(f); break;
    case REC_TICK_LEFT:   l->tick_left = pl_rec_get_u64(f); break;
    case REC_DRAIN_LEFT:  l->drain_left = pl_rec_get_u64(f); break;
    case REC_OUT:         l->out = f->value; break;
    case REC_OUT_STARTED: l->started = (size_t)pl_rec_get_u64(f); break;
    case REC_META:
    case REC_HEADER_USER:
    case REC_CLOSE_CODE:
    case REC_CLOSE_TEXT:
        if (sess_rare(s) == NULL)
            return PL_ENOMEM;
        if (f->tag == REC_META) {
            s->rare->meta = pl_str_new(f->value, &ok);
        } else if (f->tag == REC_HEADER_USER) {
            s->rare->header_user = pl_str_new(f->value, &ok);
        } else if (f->tag == REC_CLOSE_CODE) {
            s->rare->close_code = (uint32_t)pl_rec_get_u64(f);
        } else {
            if (f->value.len > sizeof s->rare->close_text)
                return PL_EPROTO;
            s->rare->close_len = (uint8_t)f->value.len;
            memcpy(s->rare->close_text, f->value.p, f->value.len);
        }
        break;
    case REC_TICKET:
        return f->value.len == 16 && sess_ticket_id(s) == NULL && sess_rare(s) != NULL ? sess_ticket_new(s, f->value.p) : PL_EPROTO;
    case REC_SUB: return load_sub(s, pl_rec_nested(f));
    default:      break;
    }
    return ok ? PL_OK : PL_ENOMEM;
}

/* One node for bytes of which `started` belong to a frame that has begun, one for the rest. */
static enum pl_err load_out(struct pl_sess *s, struct pl_slice bytes, size_t started)
{
    if (started > bytes.len)
        return PL_EPROTO;
    for (int part = 0; part < 2; part++) {
        struct pl_slice piece = part == 0 ? pl_slice(bytes.p, started) : pl_slice_from(bytes, started);
        struct pl_out *o;

        if (piece.len == 0)
            continue;
        o = malloc(sizeof *o + piece.len + 1);
        if (o == NULL)
            return PL_ENOMEM;
        *o = (struct pl_out){ .len = (uint32_t)piece.len, .cap = (uint32_t)piece.len };
        memcpy(o->bytes, piece.p, piece.len);
        if (part == 0) { /* a byte in front of it, already sent, keeps the mark */
            memmove(o->bytes + 1, o->bytes, piece.len);
            o->len++;
            o->cap++;
            o->at = 1;
        }
        if (s->out_tail != NULL)
            s->out_tail->next = o;
        else
            s->out_head = o;
        s->out_tail = o;
        s->out_bytes += (uint32_t)piece.len;
    }
    return PL_OK;
}

enum pl_err pl_sess_load(struct pl_shard *shard, struct pl_rec_in rec, struct pl_pipe *pipe, const struct pl_dialect_ops *dialect,
                         struct pl_sess **ret)
{
    struct pl_sess_opts opts = { .dialect = dialect, .pipe = pipe };
    struct pl_rec_in scan = rec;
    struct loading l = { 0 };
    struct pl_rec_field f;
    struct pl_sess *s;
    enum pl_err err;

    /* The class first: subscriptions, which come later in the record, carry it. */
    while ((err = pl_rec_next(&scan, &f)) == PL_OK)
        if (f.tag == REC_CLASS)
            opts.render_class = (unsigned)pl_rec_get_u64(&f) & 0x7f;
    if (err != PL_ENOENT)
        return err;
    err = pl_sess_new(shard, &opts, &s);
    if (err != PL_OK)
        return err;
    while ((err = pl_rec_next(&rec, &f)) == PL_OK) {
        err = load_field(s, &f, &l);
        if (err != PL_OK)
            break;
    }
    if (err == PL_ENOENT)
        err = load_out(s, l.out, l.started);
    if (err == PL_OK && (l.state == PL_SESS_CONNECTING || l.state >= PL_SESS_DEAD || (l.state == PL_SESS_DRAINING && s->rare == NULL)))
        err = PL_EPROTO;
    if (err != PL_OK) {
        s->flags &= (uint16_t)~PL_SESS_COUNTED; /* it was not counted here yet */
        pl_sess_on_gone(s, false);
        return err;
    }
    subs_turn(s);
    s->state = (uint8_t)l.state; /* the only other writer than sess_move: nothing leads here from NEW */
    s->ping_due = l.ping_left != 0 && l.state == PL_SESS_LIVE ? shard->now_ms + l.ping_left : 0;
    s->tick_due = l.tick_left != 0 ? shard->now_ms + l.tick_left : 0;
    pl_timer_stop(shard, &s->timer);
    if (l.state == PL_SESS_DRAINING)
        pl_timer_start(shard, &s->timer, shard->now_ms + l.drain_left);
    else
        sess_timer_set(s);
    sess_user_link(s);
    if ((s->flags & PL_SESS_COUNTED) != 0) {
        sess_count_unauthenticated(shard, -1); /* pl_sess_new took it for a new one */
        sess_count_live(shard, 1);
        (void)sess_user_limit_take(s); /* it had its place there before */
    }
    if (s->out_head != NULL)
        sess_dirty(s);
    *ret = s;
    return PL_OK;
}
