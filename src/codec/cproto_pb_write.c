/* Replies and pushes in Protobuf. */
#include "codec/cproto_pb.h"
#include "codec/json.h"

/* Reply, Push and their parts: field numbers of wire-protocol.md 2. */
enum { REPLY_ID = 1, REPLY_ERROR = 2, REPLY_PUSH = 4, REPLY_CONNECT = 5, REPLY_SUBSCRIBE = 6, REPLY_UNSUBSCRIBE = 7, REPLY_PUBLISH = 8,
       REPLY_PRESENCE = 9, REPLY_PRESENCE_STATS = 10, REPLY_HISTORY = 11, REPLY_RPC = 13, REPLY_REFRESH = 14, REPLY_SUB_REFRESH = 15 };
enum { PUSH_CHANNEL = 2, PUSH_PUB = 4, PUSH_JOIN = 5, PUSH_LEAVE = 6, PUSH_UNSUBSCRIBE = 7, PUSH_MESSAGE = 8, PUSH_SUBSCRIBE = 9,
       PUSH_CONNECT = 10, PUSH_DISCONNECT = 11, PUSH_REFRESH = 12 };

static void put_uuid(struct pl_buf *b, uint32_t number, const uint8_t *uuid)
{
    char text[36];

    if (uuid == NULL)
        return;
    pl_uuid_text(uuid, text);
    pl_pb_put_bytes(b, number, pl_slice(text, sizeof text));
}

static void put_list(struct pl_buf *b, uint32_t number, const struct pl_slice *objects, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pl_pb_put_some(b, number, objects[i]);
}

static void client_info(struct pl_buf *b, uint32_t number, const struct pl_client_info_view *info)
{
    size_t mark = pl_pb_open(b, number);

    pl_pb_put_bytes(b, 1, info->user);
    put_uuid(b, 2, info->client);
    pl_pb_put_bytes(b, 3, info->conn_info);
    pl_pb_put_bytes(b, 4, info->chan_info);
    pl_pb_close(b, mark);
}

/* Tags are kept as a JSON object of strings. */
static void put_tags(struct pl_buf *b, struct pl_slice tags)
{
    struct pl_scratch scratch = pl_scratch_init(tags.len + 1);
    struct pl_walk w = pl_walk(tags);
    struct pl_slice name, value;

    while (tags.len != 0 && pl_json_walk_pair(&w, &scratch, &name, &value) == PL_OK) {
        size_t mark = pl_pb_open(b, 7);

        pl_pb_put_some(b, 1, name);
        pl_pb_put_some(b, 2, value);
        pl_pb_close(b, mark);
    }
    pl_scratch_fini(&scratch);
}

static bool pb_publication(struct pl_buf *b, const struct pl_pub_view *v)
{
    pl_pb_put_bytes(b, 4, v->data);
    if (v->info != NULL)
        client_info(b, 5, v->info);
    pl_pb_put_u64(b, 6, v->offset);
    put_tags(b, v->tags);
    pl_pb_put_u64(b, 8, v->delta);
    pl_pb_put_bytes(b, 10, v->channel);
    pl_pb_put_bytes(b, 11, v->key);
    pl_pb_put_u64(b, 12, v->removed);
    pl_pb_put_bytes(b, 14, v->epoch);
    pl_pb_put_u64(b, 16, v->version);
    return true;
}

static void subscribe_result(struct pl_buf *b, uint32_t number, const struct pl_subscribe_result *r)
{
    size_t mark = pl_pb_open(b, number);

    pl_pb_put_u64(b, 1, r->expires);
    pl_pb_put_u64(b, 2, r->ttl);
    pl_pb_put_u64(b, 3, r->recoverable);
    pl_pb_put_bytes(b, 6, r->epoch);
    put_list(b, 7, r->pubs, r->n_pubs);
    pl_pb_put_u64(b, 8, r->recovered);
    pl_pb_put_u64(b, 9, r->offset);
    pl_pb_put_u64(b, 10, r->positioned);
    pl_pb_put_bytes(b, 11, r->data);
    pl_pb_put_u64(b, 12, r->was_recovering);
    pl_pb_put_u64(b, 13, r->delta);
    pl_pb_put_u64(b, 14, (uint64_t)r->id);
    pl_pb_put_u64(b, 15, (uint64_t)(int64_t)r->type); /* int32 is sign-extended on the wire */
    pl_pb_put_u64(b, 16, (uint64_t)(int64_t)r->phase);
    pl_pb_put_bytes(b, 17, r->cursor);
    put_list(b, 18, r->state, r->n_state);
    pl_pb_put_u64(b, 19, r->publish_debounce);
    pl_pb_close(b, mark);
}

static void pb_connect_sub(struct pl_buf *entries, struct pl_slice channel, const struct pl_subscribe_result *r)
{
    size_t mark = pl_pb_open(entries, 6); /* ConnectResult.subs */

    pl_pb_put_some(entries, 1, channel);
    subscribe_result(entries, 2, r);
    pl_pb_close(entries, mark);
}

static void connect_result(struct pl_buf *b, uint32_t number, const struct pl_connect_result *r)
{
    size_t mark = pl_pb_open(b, number);

    put_uuid(b, 1, r->client);
    pl_pb_put_bytes(b, 2, r->version);
    pl_pb_put_u64(b, 3, r->expires);
    pl_pb_put_u64(b, 4, r->ttl);
    pl_pb_put_bytes(b, 5, r->data);
    pl_buf_slice_put(b, r->subs); /* whole fields already */
    pl_pb_put_u64(b, 7, r->ping);
    pl_pb_put_u64(b, 8, r->pong);
    put_uuid(b, 9, r->session);
    put_uuid(b, 10, r->node);
    pl_pb_put_u64(b, 11, (uint64_t)r->time_ms);
    pl_pb_close(b, mark);
}

static void pb_presence_entry(struct pl_buf *entries, const struct pl_client_info_view *info)
{
    size_t mark = pl_pb_open(entries, 1); /* PresenceResult.presence */

    put_uuid(entries, 1, info->client);
    client_info(entries, 2, info);
    pl_pb_close(entries, mark);
}

/* ---- replies ---- */

static size_t reply_open(struct pl_buf *b, uint32_t id)
{
    size_t mark = pl_pb_open(b, 0);

    pl_pb_put_u64(b, REPLY_ID, id);
    return mark;
}

static void pb_error(struct pl_buf *b, uint32_t id, uint32_t code, struct pl_slice message, bool is_temporary)
{
    size_t mark = reply_open(b, id), error = pl_pb_open(b, REPLY_ERROR);

    pl_pb_put_u64(b, 1, code);
    pl_pb_put_bytes(b, 2, message);
    pl_pb_put_u64(b, 3, is_temporary);
    pl_pb_close(b, error);
    pl_pb_close(b, mark);
}

static void pb_connect(struct pl_buf *b, uint32_t id, const struct pl_connect_result *r)
{
    size_t mark = reply_open(b, id);

    connect_result(b, REPLY_CONNECT, r);
    pl_pb_close(b, mark);
}

static void pb_subscribe(struct pl_buf *b, uint32_t id, const struct pl_subscribe_result *r)
{
    size_t mark = reply_open(b, id);

    subscribe_result(b, REPLY_SUBSCRIBE, r);
    pl_pb_close(b, mark);
}

static void pb_empty(struct pl_buf *b, uint32_t id, enum pl_cmd_kind kind)
{
    size_t mark = reply_open(b, id);

    pl_pb_put_some(b, kind == PL_CMD_PUBLISH ? REPLY_PUBLISH : REPLY_UNSUBSCRIBE, pl_slice("", 0));
    pl_pb_close(b, mark);
}

static void pb_presence(struct pl_buf *b, uint32_t id, struct pl_slice entries)
{
    size_t mark = reply_open(b, id);

    pl_pb_put_some(b, REPLY_PRESENCE, entries);
    pl_pb_close(b, mark);
}

static void pb_presence_stats(struct pl_buf *b, uint32_t id, uint32_t n_clients, uint32_t n_users)
{
    size_t mark = reply_open(b, id), stats = pl_pb_open(b, REPLY_PRESENCE_STATS);

    pl_pb_put_u64(b, 1, n_clients);
    pl_pb_put_u64(b, 2, n_users);
    pl_pb_close(b, stats);
    pl_pb_close(b, mark);
}

static void pb_history(struct pl_buf *b, uint32_t id, const struct pl_history_result *r)
{
    size_t mark = reply_open(b, id), history = pl_pb_open(b, REPLY_HISTORY);

    put_list(b, 1, r->pubs, r->n_pubs);
    pl_pb_put_bytes(b, 2, r->epoch);
    pl_pb_put_u64(b, 3, r->offset);
    pl_pb_close(b, history);
    pl_pb_close(b, mark);
}

static void pb_rpc(struct pl_buf *b, uint32_t id, struct pl_slice data)
{
    size_t mark = reply_open(b, id), rpc = pl_pb_open(b, REPLY_RPC);

    pl_pb_put_bytes(b, 1, data);
    pl_pb_close(b, rpc);
    pl_pb_close(b, mark);
}

static void pb_refresh(struct pl_buf *b, uint32_t id, bool expires, uint32_t ttl)
{
    size_t mark = reply_open(b, id), refresh = pl_pb_open(b, REPLY_REFRESH);

    pl_pb_put_u64(b, 3, expires);
    pl_pb_put_u64(b, 4, ttl);
    pl_pb_close(b, refresh);
    pl_pb_close(b, mark);
}

static void pb_sub_refresh(struct pl_buf *b, uint32_t id, const struct pl_sub_refresh_result *r)
{
    size_t mark = reply_open(b, id), refresh = pl_pb_open(b, REPLY_SUB_REFRESH);

    pl_pb_put_u64(b, 1, r->expires);
    pl_pb_put_u64(b, 2, r->ttl);
    put_list(b, 3, r->items, r->n_items);
    pl_pb_close(b, refresh);
    pl_pb_close(b, mark);
}

static void pb_ping(struct pl_buf *b)
{
    pl_pb_put_varint(b, 0);
}

/* ---- pushes ---- */

struct push {
    size_t message, push;
    bool is_uni;
};

/* A Push, alone or in a Reply. */
static struct push push_open(struct pl_buf *b, bool is_uni, struct pl_slice channel)
{
    struct push p = { .is_uni = is_uni };

    p.message = pl_pb_open(b, 0);
    if (!is_uni)
        p.push = pl_pb_open(b, REPLY_PUSH);
    pl_pb_put_bytes(b, PUSH_CHANNEL, channel);
    return p;
}

static void push_close(struct pl_buf *b, struct push p)
{
    if (!p.is_uni)
        pl_pb_close(b, p.push);
    pl_pb_close(b, p.message);
}

static void pb_push_pub_head(struct pl_buf *b, bool is_uni, struct pl_slice channel, size_t object_len)
{
    /* All lengths are known, so the object itself can come by reference. Tags take one byte each. */
    size_t channel_len = channel.len != 0 ? 1 + pl_pb_varint_len(channel.len) + channel.len : 0;
    size_t push_len = channel_len + 1 + pl_pb_varint_len(object_len) + object_len;

    if (!is_uni) {
        pl_pb_put_varint(b, 1 + pl_pb_varint_len(push_len) + push_len);
        pl_pb_put_varint(b, REPLY_PUSH << 3 | PL_PB_LEN);
    }
    pl_pb_put_varint(b, push_len);
    pl_pb_put_bytes(b, PUSH_CHANNEL, channel);
    pl_pb_put_varint(b, PUSH_PUB << 3 | PL_PB_LEN);
    pl_pb_put_varint(b, object_len);
}

static void pb_push_pub_tail(struct pl_buf *b, bool is_uni)
{
    (void)b;
    (void)is_uni; /* lengths stand in front, nothing follows */
}

static void pb_push_pub(struct pl_buf *b, bool is_uni, struct pl_slice channel, struct pl_slice publication)
{
    pb_push_pub_head(b, is_uni, channel, publication.len);
    pl_buf_slice_put(b, publication);
}

static void push_info(struct pl_buf *b, bool is_uni, struct pl_slice channel, uint32_t number, const struct pl_client_info_view *info)
{
    struct push p = push_open(b, is_uni, channel);
    size_t mark = pl_pb_open(b, number);

    client_info(b, 1, info);
    pl_pb_close(b, mark);
    push_close(b, p);
}

static void pb_push_join(struct pl_buf *b, bool is_uni, struct pl_slice channel, const struct pl_client_info_view *info)
{
    push_info(b, is_uni, channel, PUSH_JOIN, info);
}

static void pb_push_leave(struct pl_buf *b, bool is_uni, struct pl_slice channel, const struct pl_client_info_view *info)
{
    push_info(b, is_uni, channel, PUSH_LEAVE, info);
}

static void push_bye(struct pl_buf *b, bool is_uni, struct pl_slice channel, uint32_t number, uint32_t first, uint32_t code,
                     struct pl_slice reason)
{
    struct push p = push_open(b, is_uni, channel);
    size_t mark = pl_pb_open(b, number);

    pl_pb_put_u64(b, first, code);
    pl_pb_put_bytes(b, first + 1, reason);
    pl_pb_close(b, mark);
    push_close(b, p);
}

static void pb_push_unsubscribe(struct pl_buf *b, bool is_uni, struct pl_slice channel, uint32_t code, struct pl_slice reason)
{
    push_bye(b, is_uni, channel, PUSH_UNSUBSCRIBE, 2, code, reason); /* Unsubscribe: 2 code, 3 reason */
}

static void pb_push_disconnect(struct pl_buf *b, bool is_uni, uint32_t code, struct pl_slice reason)
{
    push_bye(b, is_uni, pl_slice("", 0), PUSH_DISCONNECT, 1, code, reason); /* Disconnect: 1 code, 2 reason */
}

static void pb_push_subscribe(struct pl_buf *b, bool is_uni, struct pl_slice channel, const struct pl_subscribe_push *s)
{
    struct push p = push_open(b, is_uni, channel);
    size_t mark = pl_pb_open(b, PUSH_SUBSCRIBE);

    pl_pb_put_u64(b, 1, s->recoverable);
    pl_pb_put_bytes(b, 4, s->epoch);
    pl_pb_put_u64(b, 5, s->offset);
    pl_pb_put_u64(b, 6, s->positioned);
    pl_pb_put_bytes(b, 7, s->data);
    pl_pb_close(b, mark);
    push_close(b, p);
}

static void pb_push_message(struct pl_buf *b, bool is_uni, struct pl_slice data)
{
    struct push p = push_open(b, is_uni, pl_slice("", 0));
    size_t mark = pl_pb_open(b, PUSH_MESSAGE);

    pl_pb_put_bytes(b, 1, data);
    pl_pb_close(b, mark);
    push_close(b, p);
}

static void pb_push_connect(struct pl_buf *b, bool is_uni, const struct pl_connect_result *r)
{
    struct push p = push_open(b, is_uni, pl_slice("", 0));

    connect_result(b, PUSH_CONNECT, r);
    push_close(b, p);
}

static void pb_push_refresh(struct pl_buf *b, bool is_uni, bool expires, uint32_t ttl)
{
    struct push p = push_open(b, is_uni, pl_slice("", 0));
    size_t mark = pl_pb_open(b, PUSH_REFRESH);

    pl_pb_put_u64(b, 1, expires);
    pl_pb_put_u64(b, 2, ttl);
    pl_pb_close(b, mark);
    push_close(b, p);
}

const struct pl_cproto_ops pl_cproto_protobuf = {
    .name = "protobuf",
    .is_binary = true,
    .separator = { (const uint8_t *)"", 0 },
    .split = pl_cproto_pb_split,
    .command = pl_cproto_pb_command,
    .connect_request = pl_cproto_pb_connect_request,
    .walk_subs = pl_cproto_pb_walk_subs,
    .walk_pairs = pl_cproto_pb_walk_pairs,
    .walk_strs = pl_cproto_pb_walk_strs,
    .publication = pb_publication,
    .connect_sub = pb_connect_sub,
    .presence_entry = pb_presence_entry,
    .error = pb_error,
    .connect = pb_connect,
    .subscribe = pb_subscribe,
    .empty = pb_empty,
    .presence = pb_presence,
    .presence_stats = pb_presence_stats,
    .history = pb_history,
    .rpc = pb_rpc,
    .refresh = pb_refresh,
    .sub_refresh = pb_sub_refresh,
    .ping = pb_ping,
    .push_pub = pb_push_pub,
    .push_pub_head = pb_push_pub_head,
    .push_pub_tail = pb_push_pub_tail,
    .push_join = pb_push_join,
    .push_leave = pb_push_leave,
    .push_unsubscribe = pb_push_unsubscribe,
    .push_subscribe = pb_push_subscribe,
    .push_message = pb_push_message,
    .push_connect = pb_push_connect,
    .push_disconnect = pb_push_disconnect,
    .push_refresh = pb_push_refresh,
};
