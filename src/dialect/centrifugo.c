#include "dialect/centrifugo.h"

#include <stdlib.h>

#include "base/check.h"
#include "codec/fossil.h"
#include "codec/json.h"

/* What encoding publications needs: objects in one buffer, slices into it. */
struct pubs {
    struct pl_buf objects;
    struct pl_slice *v;
    size_t n;
    bool ok;
    bool unfit; /* one of them cannot be shown in this encoding */
};

enum { PUBS_BYTES_MAX = 256 << 20, SCRATCH_MAX = 1 << 20 };

static struct pl_client_info_view info_view(const struct pl_client_info *info)
{
    return (struct pl_client_info_view){ pl_str_slice(info->user), info->client, pl_str_slice(info->conn_info),
                                         pl_str_slice(info->chan_info) };
}

/* Whether a patch of prev is of use to who has it: the publisher wants one, and prev is the one just before in the same stream. */
static bool is_patchable(const struct pl_msg *m, const struct pl_msg *prev)
{
    return m->is_delta_wanted && prev != NULL && prev->offset != 0 && m->offset == prev->offset + 1 && pl_str_eq(m->epoch, prev->epoch);
}

/* One Publication object. base: what the patch may start from, NULL for the whole data. False: bytes that are no JSON, for a JSON
 * client; nothing was appended. */
static bool publication(const struct pl_cproto_ops *codec, unsigned render_class, const struct pl_msg *m, const struct pl_msg *base,
                        struct pl_buf *out)
{
    struct pl_buf patch = pl_buf_init(PL_FOSSIL_MAX);
    bool ok;
    struct pl_client_info_view info;
    struct pl_pub_view v = { .data = pl_msg_data(m), .data_is_json = m->is_json, .offset = m->offset, .tags = pl_str_slice(m->tags),
                             .version = m->version };

    if (m->has_info) {
        info = info_view(&m->info);
        v.info = &info;
    }
    v.data_as_text = (render_class & PL_CLASS_DELTA) != 0 && !codec->is_binary;
    if (v.data_as_text && !m->is_json && pl_json_check(v.data) != PL_OK)
        return false; /* what is no JSON is not for JSON clients, as text neither */
    if (m->offset == 1 && !v.data_as_text) /* wire-protocol.md 2.2: only the first of a stream carries the epoch */
        v.epoch = pl_str_slice(m->epoch);
    if (is_patchable(m, base)) {
        struct pl_scratch scratch = pl_scratch_init(4 * PL_FOSSIL_MAX);

        v.delta = pl_fossil_encode(pl_msg_data(base), pl_msg_data(m), v.data_as_text, &scratch, &patch);
        if (v.delta)
            v.data = pl_buf_slice(&patch);
        pl_scratch_fini(&scratch);
    }
    ok = codec->publication(out, &v);
    pl_buf_fini(&patch);
    return ok;
}

/* render_class with PL_CLASS_DELTA: the first whole, then patches. */
static struct pubs encode_pubs(const struct pl_cproto_ops *codec, unsigned render_class, struct pl_msg *const *msgs, size_t n)
{
    struct pubs p = { .objects = pl_buf_init(PUBS_BYTES_MAX), .n = n, .ok = true };
    size_t *ends;

    if (n == 0)
        return p;
    ends = malloc(n * sizeof *ends);
    p.v = malloc(n * sizeof *p.v);
    if (ends == NULL || p.v == NULL) {
        free(ends);
        p.ok = false;
        return p;
    }
    for (size_t i = 0; i < n; i++) {
        const struct pl_msg *base = i != 0 && (render_class & PL_CLASS_DELTA) != 0 ? msgs[i - 1] : NULL;

        p.unfit |= !publication(codec, render_class, msgs[i], base, &p.objects);
        ends[i] = p.objects.len;
    }
    for (size_t i = 0, at = 0; i < n; at = ends[i], i++) /* the buffer stands still now */
        p.v[i] = pl_slice(p.objects.p + at, ends[i] - at);
    p.ok = pl_buf_ok(&p.objects);
    free(ends);
    return p;
}

static void pubs_fini(struct pubs *p)
{
    pl_buf_fini(&p->objects);
    free(p->v);
}

static const struct pl_cproto_ops *codec_of(unsigned render_class)
{
    return (render_class & PL_CLASS_PROTOBUF) != 0 ? &pl_cproto_protobuf : &pl_cproto_json;
}

static const struct pl_cproto_ops *codec_for(const struct pl_sess *s)
{
    return codec_of(s->render_class);
}

/* ---- in ---- */

static void on_message(struct pl_sess *s, uint8_t *p, size_t n)
{
    const struct pl_cproto_ops *codec = codec_for(s);
    struct pl_scratch scratch = pl_scratch_init(SCRATCH_MAX);
    struct pl_slice rest = pl_slice(p, n), one;
    enum pl_err err;

    do {
        struct pl_command c;

        err = codec->split(&rest, &one);
        if (err == PL_OK)
            err = codec->command(one, &scratch, &c);
        if (err != PL_OK) {
            if (s->state != PL_SESS_REFUSED)
                pl_sess_close(s, PL_R_BAD_REQUEST);
            break;
        }
        err = pl_sess_command(s, &c);
        if (err == PL_WAIT && rest.len != 0 && pl_sess_keep(s, rest.p, rest.len) != PL_OK)
            pl_sess_close(s, PL_R_INTERNAL);
        pl_scratch_reset(&scratch);
    } while (err == PL_OK && rest.len != 0);
    pl_scratch_fini(&scratch);
}

/* Who only listens says one thing, a bare ConnectRequest; what comes later is not looked at (wire-protocol.md 6.5). */
static void on_message_uni(struct pl_sess *s, uint8_t *p, size_t n)
{
    struct pl_scratch scratch = pl_scratch_init(SCRATCH_MAX);
    struct pl_command c = { .id = 1, .kind = PL_CMD_CONNECT };
    enum pl_err err = PL_OK;

    if (s->state != PL_SESS_NEW)
        return;
    if (codec_for(s)->connect_request(pl_slice(p, n), &scratch, &c.connect) != PL_OK)
        pl_sess_close(s, PL_R_BAD_REQUEST);
    else
        err = pl_sess_command(s, &c);
    PL_ASSERT(err == PL_OK || err == PL_WAIT || err == PL_ECLOSED); /* nothing stands behind it that would have to be kept */
    pl_scratch_fini(&scratch);
}

/* ---- out ---- */

static enum pl_err events(unsigned render_class, struct pl_slice channel, const struct pl_msg *base, struct pl_msg *const *ev, size_t n,
                          struct pl_buf *out)
{
    const struct pl_cproto_ops *codec = codec_of(render_class);
    bool is_uni = (render_class & PL_CLASS_UNI) != 0;
    struct pl_buf object = pl_buf_init(PUBS_BYTES_MAX);
    enum pl_err err = PL_OK;

    for (size_t i = 0; i < n && err == PL_OK; i++) {
        struct pl_client_info_view info = info_view(&ev[i]->info);

        if (i > 0)
            pl_buf_slice_put(out, codec->separator);
        switch ((enum pl_msg_kind)ev[i]->kind) {
        case PL_MSG_PUB:
            pl_buf_clear(&object);
            if (!publication(codec, render_class, ev[i], (render_class & PL_HUB_PATCHES) != 0 ? base : NULL, &object)) {
                err = PL_EUNSUP;
                break;
            }
            codec->push_pub(out, is_uni, channel, pl_buf_slice(&object));
            if (!pl_buf_ok(&object))
                err = PL_ENOMEM;
            base = ev[i];
            break;
        case PL_MSG_JOIN:  codec->push_join(out, is_uni, channel, &info); break;
        case PL_MSG_LEAVE: codec->push_leave(out, is_uni, channel, &info); break;
        }
    }
    pl_buf_fini(&object);
    return err;
}

static void reply_error(struct pl_sess *s, uint32_t id, const struct pl_outcome *why, struct pl_buf *out)
{
    const struct pl_reason_row *row = pl_reason_row(why->reason);

    codec_for(s)->error(out, id, why->code != 0 ? why->code : row->reply, pl_slice_str(why->text != NULL ? why->text : row->text),
                        row->is_temporary);
}

static void reply_connect(struct pl_sess *s, uint32_t id, const struct pl_connect_result *r, struct pl_buf *out)
{
    if ((s->render_class & PL_CLASS_UNI) != 0)
        codec_for(s)->push_connect(out, true, r);
    else
        codec_for(s)->connect(out, id, r);
}

static struct pl_subscribe_result subscribe_result(const struct pl_sub_result *r, const struct pubs *p)
{
    bool positioned = (r->sub->flags & PL_SUB_POSITIONED) != 0;
    struct pl_subscribe_result out = {
        .expires = r->expires, .ttl = r->ttl_s, .recoverable = (r->sub->flags & PL_SUB_RECOVERABLE) != 0,
        .recovered = r->op->is_recovered, .positioned = positioned, .delta = (r->sub->flags & PL_SUB_DELTA) != 0, .was_recovering = r->was_recovering, .data = r->data,
        .pubs = p->v, .n_pubs = p->n,
    };

    if (positioned) {
        out.epoch = pl_str_slice(r->op->epoch);
        /* Clients count on by the publications they read, so they want back what they sent (wire-protocol.md 4.4). */
        out.offset = r->op->is_recovered ? r->request_offset : r->op->offset;
    }
    return out;
}

static void connect_sub(struct pl_buf *entries, const struct pl_sub_result *r)
{
    const struct pl_cproto_ops *codec = codec_of(r->sub->render_class);
    struct pubs p = encode_pubs(codec, r->sub->render_class, r->op->msgs, r->op->n_msgs);
    struct pl_subscribe_result result = subscribe_result(r, &p);

    if (!p.ok || p.unfit)
        entries->failed = true;
    codec->connect_sub(entries, pl_sub_channel(r->sub), &result);
    pubs_fini(&p);
}

static void reply_subscribe(struct pl_sess *s, uint32_t id, const struct pl_sub_result *r, struct pl_buf *out)
{
    const struct pl_cproto_ops *codec = codec_for(s);
    struct pubs p = encode_pubs(codec, r->sub->render_class, r->op->msgs, r->op->n_msgs);
    struct pl_subscribe_result result = subscribe_result(r, &p);

    if (p.unfit)
        pl_sess_close(s, PL_R_INAPPROPRIATE); /* what follows goes nowhere */
    if (!p.ok)
        out->failed = true;
    codec->subscribe(out, id, &result);
    pubs_fini(&p);
}

static void reply_empty(struct pl_sess *s, uint32_t id, enum pl_cmd_kind kind, struct pl_buf *out)
{
    codec_for(s)->empty(out, id, kind);
}

static void reply_history(struct pl_sess *s, uint32_t id, const struct pl_op *op, struct pl_buf *out)
{
    const struct pl_cproto_ops *codec = codec_for(s);
    struct pubs p = encode_pubs(codec, 0, op->msgs, op->n_msgs);
    struct pl_history_result r = { .pubs = p.v, .n_pubs = p.n, .epoch = pl_str_slice(op->epoch), .offset = op->offset };

    if (p.unfit)
        pl_sess_close(s, PL_R_INAPPROPRIATE); /* what follows goes nowhere */
    if (!p.ok)
        out->failed = true;
    codec->history(out, id, &r);
    pubs_fini(&p);
}

static void reply_presence(struct pl_sess *s, uint32_t id, const struct pl_presence *p, struct pl_buf *out)
{
    const struct pl_cproto_ops *codec = codec_for(s);
    struct pl_buf entries = pl_buf_init(PUBS_BYTES_MAX);

    for (size_t i = 0; i < p->n_entries; i++) {
        struct pl_client_info_view v = info_view(&p->entries[i]);

        codec->presence_entry(&entries, &v);
    }
    if (!pl_buf_ok(&entries))
        out->failed = true;
    codec->presence(out, id, pl_buf_slice(&entries));
    pl_buf_fini(&entries);
}

static void reply_presence_stats(struct pl_sess *s, uint32_t id, const struct pl_presence *p, struct pl_buf *out)
{
    codec_for(s)->presence_stats(out, id, p->n_clients, p->n_users);
}

static void reply_rpc(struct pl_sess *s, uint32_t id, struct pl_slice data, struct pl_buf *out)
{
    codec_for(s)->rpc(out, id, data);
}

static void reply_refresh(struct pl_sess *s, uint32_t id, enum pl_cmd_kind kind, bool expires, uint32_t ttl_s, struct pl_buf *out)
{
    struct pl_sub_refresh_result r = { .expires = expires, .ttl = ttl_s };

    if (kind == PL_CMD_REFRESH)
        codec_for(s)->refresh(out, id, expires, ttl_s);
    else
        codec_for(s)->sub_refresh(out, id, &r);
}

static void ping(struct pl_sess *s, struct pl_buf *out)
{
    codec_for(s)->ping(out);
}

static bool is_uni(const struct pl_sess *s)
{
    return (s->render_class & PL_CLASS_UNI) != 0;
}

static void push_unsubscribe(struct pl_sess *s, struct pl_slice channel, const struct pl_outcome *why, struct pl_buf *out)
{
    const struct pl_reason_row *row = pl_reason_row(why->reason);

    codec_for(s)->push_unsubscribe(out, is_uni(s), channel, why->code != 0 ? why->code : row->unsub,
                                   pl_slice_str(why->text != NULL ? why->text : row->bye));
}

static void push_subscribe(struct pl_sess *s, const struct pl_sub_result *r, struct pl_buf *out)
{
    struct pubs none = { .ok = true };
    struct pl_subscribe_result result = subscribe_result(r, &none);
    struct pl_subscribe_push push = { .recoverable = result.recoverable, .positioned = result.positioned, .epoch = result.epoch,
                                      .offset = result.offset, .data = result.data };

    codec_for(s)->push_subscribe(out, is_uni(s), pl_sub_channel(r->sub), &push);
}

static void push_refresh(struct pl_sess *s, bool expires, uint32_t ttl_s, struct pl_buf *out)
{
    codec_for(s)->push_refresh(out, is_uni(s), expires, ttl_s);
}

static void push_disconnect(unsigned render_class, unsigned code, struct pl_slice reason, struct pl_buf *out)
{
    codec_of(render_class)->push_disconnect(out, (render_class & PL_CLASS_UNI) != 0, code, reason);
}

#define OPS(name_, class_, codec_, on_message_) { \
    .name = name_, \
    .render_class = class_, \
    .codec = codec_, \
    .on_message = on_message_, \
    .events = events, \
    .reply_error = reply_error, \
    .reply_connect = reply_connect, \
    .connect_sub = connect_sub, \
    .reply_subscribe = reply_subscribe, \
    .reply_empty = reply_empty, \
    .reply_history = reply_history, \
    .reply_presence = reply_presence, \
    .reply_presence_stats = reply_presence_stats, \
    .reply_rpc = reply_rpc, \
    .reply_refresh = reply_refresh, \
    .ping = ping, \
    .push_unsubscribe = push_unsubscribe, \
    .push_subscribe = push_subscribe, \
    .push_refresh = push_refresh, \
    .push_disconnect = push_disconnect, \
}

const struct pl_dialect_ops pl_dialect_centrifugo_json = OPS("json", 0, &pl_cproto_json, on_message);
const struct pl_dialect_ops pl_dialect_centrifugo_protobuf = OPS("protobuf", PL_CLASS_PROTOBUF, &pl_cproto_protobuf, on_message);
const struct pl_dialect_ops pl_dialect_centrifugo_uni = OPS("uni", PL_CLASS_UNI, &pl_cproto_json, on_message_uni);
