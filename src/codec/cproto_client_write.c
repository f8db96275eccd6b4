/* Commands in JSON. */
#include "codec/cproto_client_json.h"
#include "codec/json_obj.h"

/* `{"id":7,"name":`, to be closed with '}'. */
static void begin(struct pl_buf *b, uint32_t id, enum pl_cmd_kind kind)
{
    pl_buf_byte(b, '{');
    if (id != 0) {
        PL_BUF_LIT(b, "\"id\":");
        pl_buf_u64(b, id);
        pl_buf_byte(b, ',');
    }
    pl_buf_byte(b, '"');
    pl_buf_slice_put(b, pl_slice_str(pl_cmd_name(kind)));
    PL_BUF_LIT(b, "\":");
}

static void json_connect(struct pl_buf *b, uint32_t id, const struct pl_connect_req *r)
{
    struct pl_json_obj o;

    begin(b, id, PL_CMD_CONNECT);
    o = pl_json_obj_open(b);
    PL_JSON_STR(b, "token", r->token);
    PL_JSON_RAW(b, "data", r->data);
    PL_JSON_RAW(b, "subs", r->subs);
    PL_JSON_STR(b, "name", r->name);
    PL_JSON_STR(b, "version", r->version);
    PL_JSON_RAW(b, "headers", r->headers);
    PL_JSON_I64(b, "flag", r->flag);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void put_subscribe(struct pl_buf *b, const struct pl_subscribe_req *r)
{
    struct pl_json_obj o = pl_json_obj_open(b);

    PL_JSON_STR(b, "channel", r->channel);
    PL_JSON_STR(b, "token", r->token);
    PL_JSON_FLAG(b, "recover", r->recover);
    PL_JSON_STR(b, "epoch", r->epoch);
    PL_JSON_U64(b, "offset", r->offset);
    PL_JSON_RAW(b, "data", r->data);
    PL_JSON_FLAG(b, "positioned", r->positioned);
    PL_JSON_FLAG(b, "recoverable", r->recoverable);
    PL_JSON_FLAG(b, "join_leave", r->join_leave);
    PL_JSON_STR(b, "delta", r->delta);
    PL_JSON_RAW(b, "tf", r->tf);
    PL_JSON_I64(b, "flag", r->flag);
    PL_JSON_I64(b, "type", r->type);
    PL_JSON_I64(b, "phase", r->phase);
    PL_JSON_STR(b, "cursor", r->cursor);
    PL_JSON_I64(b, "limit", r->limit);
    PL_JSON_FLAG(b, "asc", r->asc);
    pl_json_obj_close(b, o);
}

static void json_subscribe(struct pl_buf *b, uint32_t id, const struct pl_subscribe_req *r)
{
    begin(b, id, PL_CMD_SUBSCRIBE);
    put_subscribe(b, r);
    pl_buf_byte(b, '}');
}

static void put_channel(struct pl_buf *b, uint32_t id, enum pl_cmd_kind kind, struct pl_slice channel)
{
    struct pl_json_obj o;

    begin(b, id, kind);
    o = pl_json_obj_open(b);
    PL_JSON_STR(b, "channel", channel);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_unsubscribe(struct pl_buf *b, uint32_t id, struct pl_slice channel)
{
    put_channel(b, id, PL_CMD_UNSUBSCRIBE, channel);
}

static void json_presence(struct pl_buf *b, uint32_t id, struct pl_slice channel)
{
    put_channel(b, id, PL_CMD_PRESENCE, channel);
}

static void json_presence_stats(struct pl_buf *b, uint32_t id, struct pl_slice channel)
{
    put_channel(b, id, PL_CMD_PRESENCE_STATS, channel);
}

static void json_publish(struct pl_buf *b, uint32_t id, const struct pl_publish_req *r)
{
    struct pl_json_obj o;

    begin(b, id, PL_CMD_PUBLISH);
    o = pl_json_obj_open(b);
    PL_JSON_STR(b, "channel", r->channel);
    PL_JSON_RAW(b, "data", r->data);
    PL_JSON_I64(b, "type", r->type);
    PL_JSON_STR(b, "key", r->key);
    PL_JSON_FLAG(b, "removed", r->removed);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_history(struct pl_buf *b, uint32_t id, const struct pl_history_req *r)
{
    struct pl_json_obj o;

    begin(b, id, PL_CMD_HISTORY);
    o = pl_json_obj_open(b);
    PL_JSON_STR(b, "channel", r->channel);
    PL_JSON_I64(b, "limit", r->limit);
    if (r->since.is_set) {
        struct pl_json_obj since;

        PL_JSON_NAME(b, "since");
        since = pl_json_obj_open(b);
        PL_JSON_U64(b, "offset", r->since.offset);
        PL_JSON_STR(b, "epoch", r->since.epoch);
        pl_json_obj_close(b, since);
    }
    PL_JSON_FLAG(b, "reverse", r->reverse);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_rpc(struct pl_buf *b, uint32_t id, const struct pl_rpc_req *r)
{
    struct pl_json_obj o;

    begin(b, id, PL_CMD_RPC);
    o = pl_json_obj_open(b);
    PL_JSON_RAW(b, "data", r->data);
    PL_JSON_STR(b, "method", r->method);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_send(struct pl_buf *b, struct pl_slice data)
{
    struct pl_json_obj o;

    begin(b, 0, PL_CMD_SEND);
    o = pl_json_obj_open(b);
    PL_JSON_RAW(b, "data", data);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_refresh(struct pl_buf *b, uint32_t id, struct pl_slice token)
{
    struct pl_json_obj o;

    begin(b, id, PL_CMD_REFRESH);
    o = pl_json_obj_open(b);
    PL_JSON_STR(b, "token", token);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_sub_refresh(struct pl_buf *b, uint32_t id, const struct pl_sub_refresh_req *r)
{
    struct pl_json_obj o;

    begin(b, id, PL_CMD_SUB_REFRESH);
    o = pl_json_obj_open(b);
    PL_JSON_STR(b, "channel", r->channel);
    PL_JSON_STR(b, "token", r->token);
    PL_JSON_I64(b, "type", r->type);
    PL_JSON_RAW(b, "track", r->track);
    PL_JSON_RAW(b, "untrack", r->untrack);
    pl_json_obj_close(b, o);
    pl_buf_byte(b, '}');
}

static void json_pong(struct pl_buf *b)
{
    PL_BUF_LIT(b, "{}");
}

static void json_connect_sub(struct pl_buf *entries, struct pl_slice channel, const struct pl_subscribe_req *r)
{
    if (entries->len != 0)
        pl_buf_byte(entries, ',');
    pl_json_put_str(entries, channel);
    pl_buf_byte(entries, ':');
    put_subscribe(entries, r);
}

const struct pl_cproto_client_ops pl_cproto_client_json = {
    .server = &pl_cproto_json,
    .reply = pl_cproto_client_json_reply,
    .walk_pubs = pl_cproto_client_json_walk_pubs,
    .walk_clients = pl_cproto_client_json_walk_clients,
    .walk_subs = pl_cproto_client_json_walk_subs,
    .connect = json_connect,
    .subscribe = json_subscribe,
    .unsubscribe = json_unsubscribe,
    .publish = json_publish,
    .presence = json_presence,
    .presence_stats = json_presence_stats,
    .history = json_history,
    .rpc = json_rpc,
    .send = json_send,
    .refresh = json_refresh,
    .sub_refresh = json_sub_refresh,
    .pong = json_pong,
    .connect_sub = json_connect_sub,
};
