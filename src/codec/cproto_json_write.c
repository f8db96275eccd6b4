/* Replies and pushes in JSON. */
#include "codec/cproto_json.h"

#include "codec/json_obj.h"

void pl_cproto_json_uuid(struct pl_buf *b, const uint8_t uuid[16])
{
    char text[36];

    pl_uuid_text(uuid, text);
    pl_buf_byte(b, '"');
    pl_buf_put(b, text, sizeof text);
    pl_buf_byte(b, '"');
}

#define UUID(b, name, v) \
    do { \
        if ((v) != NULL) { \
            PL_JSON_NAME(b, name); \
            pl_cproto_json_uuid(b, v); \
        } \
    } while (0)

static void put_list(struct pl_buf *b, const struct pl_slice *objects, size_t n)
{
    pl_buf_byte(b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i != 0)
            pl_buf_byte(b, ',');
        pl_buf_slice_put(b, objects[i]);
    }
    pl_buf_byte(b, ']');
}

#define LIST(b, name, objects, n) \
    do { \
        if ((n) != 0) { \
            PL_JSON_NAME(b, name); \
            put_list(b, objects, n); \
        } \
    } while (0)

/* --- objects --- */

void pl_cproto_json_client_info(struct pl_buf *b, const struct pl_client_info_view *info)
{
    PL_BUF_LIT(b, "{\"user\":");
    pl_json_put_str(b, info->user);
    PL_JSON_NAME(b, "client");
    pl_cproto_json_uuid(b, info->client);
    if (pl_json_check(info->conn_info) == PL_OK) /* "" is no JSON either */
        PL_JSON_RAW(b, "conn_info", info->conn_info);
    if (pl_json_check(info->chan_info) == PL_OK)
        PL_JSON_RAW(b, "chan_info", info->chan_info);
    pl_buf_byte(b, '}');
}

static bool json_publication(struct pl_buf *b, const struct pl_pub_view *v)
{
    struct pl_json_obj o = pl_json_obj_open(b);

    if (v->data.len != 0 && !v->data_as_text && !v->data_is_json && pl_json_check(v->data) != PL_OK)
        return false;
    if (v->data_as_text)
        PL_JSON_STR(b, "data", v->data);
    else
        PL_JSON_RAW(b, "data", v->data);
    if (v->info != NULL) {
        PL_JSON_NAME(b, "info");
        pl_cproto_json_client_info(b, v->info);
    }
    PL_JSON_U64(b, "offset", v->offset);
    PL_JSON_RAW(b, "tags", v->tags);
    PL_JSON_FLAG(b, "delta", v->delta);
    PL_JSON_STR(b, "channel", v->channel);
    PL_JSON_STR(b, "key", v->key);
    PL_JSON_FLAG(b, "removed", v->removed);
    PL_JSON_STR(b, "epoch", v->epoch);
    PL_JSON_U64(b, "version", v->version);
    pl_json_obj_close(b, o);
    return true;
}

static void put_subscribe_result(struct pl_buf *b, const struct pl_subscribe_result *r)
{
    struct pl_json_obj o = pl_json_obj_open(b);

    PL_JSON_FLAG(b, "expires", r->expires);
    PL_JSON_U64(b, "ttl", r->ttl);
    PL_JSON_FLAG(b, "recoverable", r->recoverable);
    PL_JSON_STR(b, "epoch", r->epoch);
    LIST(b, "publications", r->pubs, r->n_pubs);
    PL_JSON_FLAG(b, "recovered", r->recovered);
    PL_JSON_U64(b, "offset", r->offset);
    PL_JSON_FLAG(b, "positioned", r->positioned);
    PL_JSON_RAW(b, "data", r->data);
    PL_JSON_FLAG(b, "was_recovering", r->was_recovering);
    PL_JSON_FLAG(b, "delta", r->delta);
    PL_JSON_I64(b, "id", r->id);
    PL_JSON_I64(b, "type", r->type);
    PL_JSON_I64(b, "phase", r->phase);
    PL_JSON_STR(b, "cursor", r->cursor);
    LIST(b, "state", r->state, r->n_state);
    PL_JSON_U64(b, "publish_debounce", r->publish_debounce);
    pl_json_obj_close(b, o);
}

static void put_connect_result(struct pl_buf *b, const struct pl_connect_result *r)
{
    struct pl_json_obj o = pl_json_obj_open(b);

    UUID(b, "client", r->client);
    PL_JSON_STR(b, "version", r->version);
    PL_JSON_FLAG(b, "expires", r->expires);
    PL_JSON_U64(b, "ttl", r->ttl);
    PL_JSON_RAW(b, "data", r->data);
    if (r->subs.len != 0) {
        PL_JSON_NAME(b, "subs");
        pl_buf_byte(b, '{');
        pl_buf_slice_put(b, r->subs);
        pl_buf_byte(b, '}');
    }
    PL_JSON_U64(b, "ping", r->ping);
    PL_JSON_FLAG(b, "pong", r->pong);
    UUID(b, "session", r->session);
    UUID(b, "node", r->node);
    PL_JSON_I64(b, "time", r->time_ms);
    pl_json_obj_close(b, o);
}

static void put_expiry(struct pl_buf *b, bool expires, uint32_t ttl)
{
    struct pl_json_obj o = pl_json_obj_open(b);

    PL_JSON_FLAG(b, "expires", expires);
    PL_JSON_U64(b, "ttl", ttl);
    pl_json_obj_close(b, o);
}

/* A map entry: a comma unless it is the first, the name, then the value that the caller writes. */
static void put_entry_name(struct pl_buf *b, struct pl_slice name)
{
    if (b->len != 0)
        pl_buf_byte(b, ',');
    pl_json_put_str(b, name);
    pl_buf_byte(b, ':');
}

static void json_connect_sub(struct pl_buf *entries, struct pl_slice channel, const struct pl_subscribe_result *r)
{
    put_entry_name(entries, channel);
    put_subscribe_result(entries, r);
}

static void json_presence_entry(struct pl_buf *entries, const struct pl_client_info_view *info)
{
    char text[36];

    pl_uuid_text(info->client, text);
    put_entry_name(entries, pl_slice(text, sizeof text));
    pl_cproto_json_client_info(entries, info);
}

/* --- replies --- */

/* `{"id":7,"name":`; id 0 is left out as any zero. Ends with '}' by the caller. */
#define REPLY(b, id, name) \
    do { \
        if ((id) != 0) { \
            PL_BUF_LIT(b, "{\"id\":"); \
            pl_buf_u64(b, id); \
            PL_BUF_LIT(b, ",\"" name "\":"); \
        } else { \
            PL_BUF_LIT(b, "{\"" name "\":"); \
        } \
    } while (0)

static void json_error(struct pl_buf *b, uint32_t id, uint32_t code, struct pl_slice message, bool is_temporary)
{
    struct pl_json_obj o;

    REPLY(b, id, "error");
    o = pl_json_obj_open(b);
    PL_JSON_U64(b, "code", code);
    PL_JSON_STR(b, "message", message);
    PL_JSON_FLAG(b, "temporary", is_temporary);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_connect(struct pl_buf *b, uint32_t id, const struct pl_connect_result *r)
{
    REPLY(b, id, "connect");
    put_connect_result(b, r);
    pl_buf_byte(b, '}');
}

static void json_subscribe(struct pl_buf *b, uint32_t id, const struct pl_subscribe_result *r)
{
    REPLY(b, id, "subscribe");
    put_subscribe_result(b, r);
    pl_buf_byte(b, '}');
}

static void json_empty(struct pl_buf *b, uint32_t id, enum pl_cmd_kind kind)
{
    PL_BUF_LIT(b, "{\"id\":");
    pl_buf_u64(b, id);
    PL_BUF_LIT(b, ",\"");
    pl_buf_slice_put(b, pl_slice_str(pl_cmd_name(kind)));
    PL_BUF_LIT(b, "\":{}}");
}

static void json_presence(struct pl_buf *b, uint32_t id, struct pl_slice entries)
{
    REPLY(b, id, "presence");
    PL_BUF_LIT(b, "{\"presence\":{");
    pl_buf_slice_put(b, entries);
    PL_BUF_LIT(b, "}}}");
}

static void json_presence_stats(struct pl_buf *b, uint32_t id, uint32_t n_clients, uint32_t n_users)
{
    REPLY(b, id, "presence_stats");
    PL_BUF_LIT(b, "{\"num_clients\":");
    pl_buf_u64(b, n_clients);
    PL_BUF_LIT(b, ",\"num_users\":");
    pl_buf_u64(b, n_users);
    PL_BUF_LIT(b, "}}");
}

static void json_history(struct pl_buf *b, uint32_t id, const struct pl_history_result *r)
{
    REPLY(b, id, "history");
    pl_cproto_json_history_result(b, r);
    pl_buf_byte(b, '}');
}

void pl_cproto_json_history_result(struct pl_buf *b, const struct pl_history_result *r)
{
    PL_BUF_LIT(b, "{\"publications\":");
    put_list(b, r->pubs, r->n_pubs);
    PL_JSON_NAME(b, "epoch");
    pl_json_put_str(b, r->epoch);
    PL_JSON_NAME(b, "offset");
    pl_buf_u64(b, r->offset);
    pl_buf_byte(b, '}');
}

static void json_rpc(struct pl_buf *b, uint32_t id, struct pl_slice data)
{
    struct pl_json_obj o;

    REPLY(b, id, "rpc");
    o = pl_json_obj_open(b);
    PL_JSON_RAW(b, "data", data);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_refresh(struct pl_buf *b, uint32_t id, bool expires, uint32_t ttl)
{
    REPLY(b, id, "refresh");
    put_expiry(b, expires, ttl);
    pl_buf_byte(b, '}');
}

static void json_sub_refresh(struct pl_buf *b, uint32_t id, const struct pl_sub_refresh_result *r)
{
    struct pl_json_obj o;

    REPLY(b, id, "sub_refresh");
    o = pl_json_obj_open(b);
    PL_JSON_FLAG(b, "expires", r->expires);
    PL_JSON_U64(b, "ttl", r->ttl);
    LIST(b, "items", r->items, r->n_items);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_ping(struct pl_buf *b)
{
    PL_BUF_LIT(b, "{}");
}

/* --- pushes --- */

/* `{"push":{"channel":"c","name":`, to be closed by push_end. */
static void push_begin(struct pl_buf *b, bool is_uni, struct pl_slice channel, struct pl_slice name)
{
    if (is_uni)
        pl_buf_byte(b, '{');
    else
        PL_BUF_LIT(b, "{\"push\":{");
    if (channel.len != 0) {
        PL_BUF_LIT(b, "\"channel\":");
        pl_json_put_str(b, channel);
        pl_buf_byte(b, ',');
    }
    pl_buf_byte(b, '"');
    pl_buf_slice_put(b, name);
    PL_BUF_LIT(b, "\":");
}

static void push_end(struct pl_buf *b, bool is_uni)
{
    if (is_uni)
        pl_buf_byte(b, '}');
    else
        PL_BUF_LIT(b, "}}");
}

static void json_push_pub_head(struct pl_buf *b, bool is_uni, struct pl_slice channel, size_t object_len)
{
    (void)object_len; /* only Protobuf writes lengths */
    push_begin(b, is_uni, channel, PL_LIT("pub"));
}

static void json_push_pub(struct pl_buf *b, bool is_uni, struct pl_slice channel, struct pl_slice publication)
{
    push_begin(b, is_uni, channel, PL_LIT("pub"));
    pl_buf_slice_put(b, publication);
    push_end(b, is_uni);
}

static void push_info(struct pl_buf *b, bool is_uni, struct pl_slice channel, struct pl_slice name,
                      const struct pl_client_info_view *info)
{
    push_begin(b, is_uni, channel, name);
    PL_BUF_LIT(b, "{\"info\":");
    pl_cproto_json_client_info(b, info);
    pl_buf_byte(b, '}');
    push_end(b, is_uni);
}

static void json_push_join(struct pl_buf *b, bool is_uni, struct pl_slice channel, const struct pl_client_info_view *info)
{
    push_info(b, is_uni, channel, PL_LIT("join"), info);
}

static void json_push_leave(struct pl_buf *b, bool is_uni, struct pl_slice channel, const struct pl_client_info_view *info)
{
    push_info(b, is_uni, channel, PL_LIT("leave"), info);
}

static void put_code(struct pl_buf *b, uint32_t code, struct pl_slice reason)
{
    struct pl_json_obj o = pl_json_obj_open(b);

    PL_JSON_U64(b, "code", code);
    PL_JSON_STR(b, "reason", reason);
    pl_json_obj_close(b, o);
}

static void json_push_unsubscribe(struct pl_buf *b, bool is_uni, struct pl_slice channel, uint32_t code, struct pl_slice reason)
{
    push_begin(b, is_uni, channel, PL_LIT("unsubscribe"));
    put_code(b, code, reason);
    push_end(b, is_uni);
}

static void json_push_subscribe(struct pl_buf *b, bool is_uni, struct pl_slice channel, const struct pl_subscribe_push *s)
{
    struct pl_json_obj o;

    push_begin(b, is_uni, channel, PL_LIT("subscribe"));
    o = pl_json_obj_open(b);
    PL_JSON_FLAG(b, "recoverable", s->recoverable);
    PL_JSON_STR(b, "epoch", s->epoch);
    PL_JSON_U64(b, "offset", s->offset);
    PL_JSON_FLAG(b, "positioned", s->positioned);
    PL_JSON_RAW(b, "data", s->data);
    pl_json_obj_close(b, o);
    push_end(b, is_uni);
}

static void json_push_message(struct pl_buf *b, bool is_uni, struct pl_slice data)
{
    struct pl_json_obj o;

    push_begin(b, is_uni, pl_slice(NULL, 0), PL_LIT("message"));
    o = pl_json_obj_open(b);
    PL_JSON_RAW(b, "data", data);
    pl_json_obj_close(b, o);
    push_end(b, is_uni);
}

static void json_push_connect(struct pl_buf *b, bool is_uni, const struct pl_connect_result *r)
{
    push_begin(b, is_uni, pl_slice(NULL, 0), PL_LIT("connect"));
    put_connect_result(b, r);
    push_end(b, is_uni);
}

static void json_push_disconnect(struct pl_buf *b, bool is_uni, uint32_t code, struct pl_slice reason)
{
    push_begin(b, is_uni, pl_slice(NULL, 0), PL_LIT("disconnect"));
    put_code(b, code, reason);
    push_end(b, is_uni);
}

static void json_push_refresh(struct pl_buf *b, bool is_uni, bool expires, uint32_t ttl)
{
    push_begin(b, is_uni, pl_slice(NULL, 0), PL_LIT("refresh"));
    put_expiry(b, expires, ttl);
    push_end(b, is_uni);
}

const struct pl_cproto_ops pl_cproto_json = {
    .name = "json",
    .is_binary = false,
    .separator = PL_LIT_INIT("\n"),
    .split = pl_cproto_json_split,
    .command = pl_cproto_json_command,
    .connect_request = pl_cproto_json_connect_request,
    .walk_subs = pl_cproto_json_walk_subs,
    .walk_pairs = pl_json_walk_pair,
    .walk_strs = pl_json_walk_str,
    .publication = json_publication,
    .connect_sub = json_connect_sub,
    .presence_entry = json_presence_entry,
    .error = json_error,
    .connect = json_connect,
    .subscribe = json_subscribe,
    .empty = json_empty,
    .presence = json_presence,
    .presence_stats = json_presence_stats,
    .history = json_history,
    .rpc = json_rpc,
    .refresh = json_refresh,
    .sub_refresh = json_sub_refresh,
    .ping = json_ping,
    .push_pub = json_push_pub,
    .push_pub_head = json_push_pub_head,
    .push_pub_tail = push_end,
    .push_join = json_push_join,
    .push_leave = json_push_leave,
    .push_unsubscribe = json_push_unsubscribe,
    .push_subscribe = json_push_subscribe,
    .push_message = json_push_message,
    .push_connect = json_push_connect,
    .push_disconnect = json_push_disconnect,
    .push_refresh = json_push_refresh,
};
