#include "msg/msg.h"

#include <stdlib.h>

#include "base/check.h"

/* Tags of a message's record. */
enum { REC_KIND = 1, REC_CHANNEL, REC_DATA, REC_OFFSET, REC_EPOCH, REC_TIME, REC_VERSION, REC_TAGS, REC_CLIENT, REC_USER, REC_CONN_INFO,
       REC_CHAN_INFO, REC_DELTA, REC_JSON };

void pl_client_info_copy(struct pl_client_info *to, const struct pl_client_info *from)
{
    *to = *from;
    pl_str_ref(to->user);
    pl_str_ref(to->conn_info);
    pl_str_ref(to->chan_info);
}

void pl_client_info_fini(struct pl_client_info *ci)
{
    pl_str_unref(&ci->user);
    pl_str_unref(&ci->conn_info);
    pl_str_unref(&ci->chan_info);
}

enum pl_err pl_msg_new(enum pl_msg_kind kind, struct pl_slice channel, struct pl_slice data, const struct pl_client_info *info,
                       struct pl_str *tags, struct pl_msg **ret_msg)
{
    struct pl_msg *m;

    PL_ASSERT(channel.len <= UINT16_MAX && data.len <= UINT32_MAX);
    m = malloc(sizeof *m + channel.len + data.len);
    if (m == NULL)
        return PL_ENOMEM;
    memset(m, 0, sizeof *m);
    atomic_init(&m->refs, 1);
    m->kind = (uint8_t)kind;
    m->channel_len = (uint16_t)channel.len;
    m->data_len = (uint32_t)data.len;
    if (channel.len != 0)
        memcpy(m->bytes, channel.p, channel.len);
    if (data.len != 0)
        memcpy(m->bytes + channel.len, data.p, data.len);
    if (info != NULL) {
        m->has_info = true;
        pl_client_info_copy(&m->info, info);
    }
    m->tags = pl_str_ref(tags);
    *ret_msg = m;
    return PL_OK;
}

void pl_msg_unref(struct pl_msg **take_m)
{
    struct pl_msg *m = *take_m;

    *take_m = NULL;
    if (m == NULL)
        return;
    /* release: our reads of the message happen before the free; acquire pairs with it on the freeing thread */
    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    pl_str_unref(&m->epoch);
    pl_str_unref(&m->tags);
    if (m->has_info)
        pl_client_info_fini(&m->info);
    free(m);
}

size_t pl_msg_cost(const struct pl_msg *m)
{
    return sizeof *m + m->channel_len + m->data_len;
}

void pl_msg_save(const struct pl_msg *m, struct pl_rec_out *r)
{
    pl_rec_u64(r, REC_KIND, m->kind);
    pl_rec_bytes(r, REC_CHANNEL, pl_msg_channel(m));
    pl_rec_bytes(r, REC_DATA, pl_msg_data(m));
    pl_rec_u64(r, REC_OFFSET, m->offset);
    pl_rec_bytes(r, REC_EPOCH, pl_str_slice(m->epoch));
    pl_rec_i64(r, REC_TIME, m->time_ms);
    pl_rec_u64(r, REC_VERSION, m->version);
    pl_rec_bytes(r, REC_TAGS, pl_str_slice(m->tags));
    pl_rec_u64(r, REC_DELTA, m->is_delta_wanted);
    pl_rec_u64(r, REC_JSON, m->is_json);
    if (m->has_info) {
        pl_rec_bytes(r, REC_CLIENT, pl_slice(m->info.client, sizeof m->info.client));
        pl_rec_bytes(r, REC_USER, pl_str_slice(m->info.user));
        pl_rec_bytes(r, REC_CONN_INFO, pl_str_slice(m->info.conn_info));
        pl_rec_bytes(r, REC_CHAN_INFO, pl_str_slice(m->info.chan_info));
    }
}

enum pl_err pl_msg_load(struct pl_rec_in rec, struct pl_msg **ret_msg)
{
    struct pl_slice channel = { 0 }, data = { 0 }, epoch = { 0 }, tags = { 0 }, user = { 0 }, conn_info = { 0 }, chan_info = { 0 };
    struct pl_client_info info = { 0 };
    struct pl_rec_field f;
    uint64_t kind = 0, offset = 0, version = 0, delta = 0, is_json = 0;
    int64_t time_ms = 0;
    bool has_info = false, ok = true;
    struct pl_str *tag_str;
    enum pl_err err;

    while ((err = pl_rec_next(&rec, &f)) == PL_OK) {
        switch (f.tag) {
        case REC_KIND:      kind = pl_rec_get_u64(&f); break;
        case REC_CHANNEL:   channel = f.value; break;
        case REC_DATA:      data = f.value; break;
        case REC_OFFSET:    offset = pl_rec_get_u64(&f); break;
        case REC_EPOCH:     epoch = f.value; break;
        case REC_TIME:      time_ms = pl_rec_get_i64(&f); break;
        case REC_VERSION:   version = pl_rec_get_u64(&f); break;
        case REC_TAGS:      tags = f.value; break;
        case REC_DELTA:     delta = pl_rec_get_u64(&f); break;
        case REC_JSON:      is_json = pl_rec_get_u64(&f); break;
        case REC_CLIENT:
            if (f.value.len != sizeof info.client)
                return PL_EPROTO;
            memcpy(info.client, f.value.p, sizeof info.client);
            has_info = true;
            break;
        case REC_USER:      user = f.value; break;
        case REC_CONN_INFO: conn_info = f.value; break;
        case REC_CHAN_INFO: chan_info = f.value; break;
        default:            break; /* written by a newer binary */
        }
    }
    if (err != PL_ENOENT)
        return err;
    if (kind > PL_MSG_LEAVE || channel.len > UINT16_MAX || data.len > UINT32_MAX)
        return PL_EPROTO;
    tag_str = pl_str_new(tags, &ok);
    if (ok && has_info)
        info.user = pl_str_new(user, &ok);
    if (ok && has_info)
        info.conn_info = pl_str_new(conn_info, &ok);
    if (ok && has_info)
        info.chan_info = pl_str_new(chan_info, &ok);
    err = ok ? pl_msg_new((enum pl_msg_kind)kind, channel, data, has_info ? &info : NULL, tag_str, ret_msg) : PL_ENOMEM;
    pl_str_unref(&tag_str);
    pl_client_info_fini(&info);
    if (err != PL_OK)
        return err;
    (*ret_msg)->offset = offset;
    (*ret_msg)->time_ms = time_ms;
    (*ret_msg)->version = version;
    (*ret_msg)->is_delta_wanted = delta != 0;
    (*ret_msg)->is_json = is_json != 0;
    (*ret_msg)->epoch = pl_str_new(epoch, &ok);
    if (!ok) {
        pl_msg_unref(ret_msg);
        return PL_ENOMEM;
    }
    return PL_OK;
}
