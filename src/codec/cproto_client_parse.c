/* Replies and pushes in JSON. The tables are wire-protocol.md 2.1 to 2.4. */
#include "codec/cproto_client_json.h"

#include <stddef.h>

static const struct pl_json_field info_fields[] = {
    PL_JSON_FIELD(struct pl_reply_info, user, PL_J_STR),
    PL_JSON_FIELD(struct pl_reply_info, client, PL_J_STR),
    PL_JSON_FIELD(struct pl_reply_info, conn_info, PL_J_RAW),
    PL_JSON_FIELD(struct pl_reply_info, chan_info, PL_J_RAW),
};
static const struct pl_json_shape info_shape = PL_JSON_SHAPE(info_fields);

static const struct pl_json_field pub_fields[] = {
    PL_JSON_FIELD(struct pl_reply_pub, data, PL_J_RAW),
    PL_JSON_FIELD_OF(struct pl_reply_pub, info, PL_J_OBJ, &info_shape),
    PL_JSON_FIELD(struct pl_reply_pub, offset, PL_J_U64),
    PL_JSON_FIELD(struct pl_reply_pub, tags, PL_J_STR_MAP),
    PL_JSON_FIELD(struct pl_reply_pub, delta, PL_J_BOOL),
    PL_JSON_FIELD(struct pl_reply_pub, time, PL_J_I64),
    PL_JSON_FIELD(struct pl_reply_pub, channel, PL_J_STR),
    PL_JSON_FIELD(struct pl_reply_pub, key, PL_J_STR),
    PL_JSON_FIELD(struct pl_reply_pub, removed, PL_J_BOOL),
    PL_JSON_FIELD(struct pl_reply_pub, epoch, PL_J_STR),
    PL_JSON_FIELD(struct pl_reply_pub, version, PL_J_U64),
};
static const struct pl_json_shape pub_shape = PL_JSON_SHAPE(pub_fields);

#define SUB(name, kind) PL_JSON_FIELD(struct pl_reply_subscribe, name, kind)

static const struct pl_json_field subscribe_fields[] = {
    SUB(expires, PL_J_BOOL),
    SUB(ttl, PL_J_U32),
    SUB(recoverable, PL_J_BOOL),
    SUB(epoch, PL_J_STR),
    PL_JSON_FIELD_OF(struct pl_reply_subscribe, publications, PL_J_OBJS, &pub_shape),
    SUB(recovered, PL_J_BOOL),
    SUB(offset, PL_J_U64),
    SUB(positioned, PL_J_BOOL),
    SUB(data, PL_J_RAW),
    SUB(was_recovering, PL_J_BOOL),
    SUB(delta, PL_J_BOOL),
    SUB(id, PL_J_I64),
    SUB(type, PL_J_I32),
    SUB(phase, PL_J_I32),
    SUB(cursor, PL_J_STR),
    PL_JSON_FIELD_OF(struct pl_reply_subscribe, state, PL_J_OBJS, &pub_shape),
};
static const struct pl_json_shape subscribe_shape = PL_JSON_SHAPE(subscribe_fields);

#define CON(name, kind) PL_JSON_FIELD(struct pl_reply_connect, name, kind)

static const struct pl_json_field connect_fields[] = {
    CON(client, PL_J_STR),
    CON(version, PL_J_STR),
    CON(expires, PL_J_BOOL),
    CON(ttl, PL_J_U32),
    CON(data, PL_J_RAW),
    PL_JSON_FIELD_OF(struct pl_reply_connect, subs, PL_J_OBJ_MAP, &subscribe_shape),
    CON(ping, PL_J_U32),
    CON(pong, PL_J_BOOL),
    CON(session, PL_J_STR),
    CON(node, PL_J_STR),
    CON(time, PL_J_I64),
};
static const struct pl_json_shape connect_shape = PL_JSON_SHAPE(connect_fields);

static const struct pl_json_field presence_fields[] = {
    PL_JSON_FIELD_OF(struct pl_reply_presence, presence, PL_J_OBJ_MAP, &info_shape),
};
static const struct pl_json_shape presence_shape = PL_JSON_SHAPE(presence_fields);

static const struct pl_json_field stats_fields[] = {
    PL_JSON_FIELD(struct pl_reply_presence_stats, num_clients, PL_J_U32),
    PL_JSON_FIELD(struct pl_reply_presence_stats, num_users, PL_J_U32),
};
static const struct pl_json_shape stats_shape = PL_JSON_SHAPE(stats_fields);

static const struct pl_json_field history_fields[] = {
    PL_JSON_FIELD_OF(struct pl_reply_history, publications, PL_J_OBJS, &pub_shape),
    PL_JSON_FIELD(struct pl_reply_history, epoch, PL_J_STR),
    PL_JSON_FIELD(struct pl_reply_history, offset, PL_J_U64),
};
static const struct pl_json_shape history_shape = PL_JSON_SHAPE(history_fields);

static const struct pl_json_field expiry_fields[] = {
    PL_JSON_FIELD(struct pl_reply_expiry, expires, PL_J_BOOL),
    PL_JSON_FIELD(struct pl_reply_expiry, ttl, PL_J_U32),
    PL_JSON_FIELD_OF(struct pl_reply_expiry, items, PL_J_OBJS, &pub_shape),
};
static const struct pl_json_shape expiry_shape = PL_JSON_SHAPE(expiry_fields);

struct data_body {
    struct pl_slice data;
};

static const struct pl_json_field data_fields[] = {
    PL_JSON_FIELD(struct data_body, data, PL_J_RAW),
};
static const struct pl_json_shape data_shape = PL_JSON_SHAPE(data_fields);

struct info_body {
    struct pl_reply_info info;
};

static const struct pl_json_field info_body_fields[] = {
    PL_JSON_FIELD_OF(struct info_body, info, PL_J_OBJ, &info_shape),
};
static const struct pl_json_shape info_body_shape = PL_JSON_SHAPE(info_body_fields);

struct code_body {
    uint32_t code;
    struct pl_slice reason;
};

static const struct pl_json_field code_fields[] = {
    PL_JSON_FIELD(struct code_body, code, PL_J_U32),
    PL_JSON_FIELD(struct code_body, reason, PL_J_STR),
};
static const struct pl_json_shape code_shape = PL_JSON_SHAPE(code_fields);

static const struct pl_json_field error_fields[] = {
    PL_JSON_FIELD(struct pl_reply_error, code, PL_J_U32),
    PL_JSON_FIELD(struct pl_reply_error, message, PL_J_STR),
    PL_JSON_FIELD(struct pl_reply_error, temporary, PL_J_BOOL),
};
static const struct pl_json_shape error_shape = PL_JSON_SHAPE(error_fields);
static const struct pl_json_shape nothing_shape = { NULL, 0 };

/* A body by its name, before it is known where to put it. */
#define BODY(name) { #name, sizeof(#name) - 1, PL_J_RAW, 0, NULL }

/* Index = kind - 1 with enum pl_push_kind, then channel and id. */
static const struct pl_json_field push_fields[] = {
    BODY(pub), BODY(join), BODY(leave), BODY(unsubscribe), BODY(message), BODY(subscribe), BODY(connect), BODY(disconnect), BODY(refresh),
    BODY(channel), BODY(id),
};
static const struct pl_json_shape push_shape = PL_JSON_SHAPE(push_fields);
enum { PUSH_CHANNEL = PL_N_PUSHES - 1, PUSH_ID };

static const struct pl_json_shape *const push_shapes[PL_N_PUSHES] = {
    [PL_PUSH_NONE] = &nothing_shape,
    [PL_PUSH_PUB] = &pub_shape,
    [PL_PUSH_JOIN] = &info_body_shape,
    [PL_PUSH_LEAVE] = &info_body_shape,
    [PL_PUSH_UNSUBSCRIBE] = &code_shape,
    [PL_PUSH_MESSAGE] = &data_shape,
    [PL_PUSH_SUBSCRIBE] = &subscribe_shape,
    [PL_PUSH_CONNECT] = &connect_shape,
    [PL_PUSH_DISCONNECT] = &code_shape,
    [PL_PUSH_REFRESH] = &expiry_shape,
};

static enum pl_err take_push(struct pl_json *r, struct pl_push *ret)
{
    struct pl_json_key key = { 0 };

    memset(ret, 0, sizeof *ret);
    if (!pl_json_open(r, '{'))
        return r->err;
    while (pl_json_member(r, &key)) {
        int at = pl_json_find(&push_shape, key.name, false);

        if (at < 0 || (at < PUSH_CHANNEL && ret->kind != PL_PUSH_NONE)) {
            (void)pl_json_raw(r, NULL); /* here and below: the outcome is r->err */
        } else if (pl_json_null(r)) {
            continue;
        } else if (at == PUSH_CHANNEL) {
            (void)pl_json_str(r, &ret->channel);
        } else if (at == PUSH_ID) {
            (void)pl_json_i64(r, INT64_MIN, INT64_MAX, &ret->id);
        } else {
            ret->kind = (enum pl_push_kind)(at + 1);
            pl_json_fill(r, push_shapes[ret->kind], &ret->pub, NULL);
        }
    }
    return r->err;
}

/* Index = kind with enum pl_cmd_kind for results; NONE's place is the error. */
static const struct pl_json_field reply_fields[] = {
    BODY(error), BODY(connect), BODY(subscribe), BODY(unsubscribe), BODY(publish), BODY(presence), BODY(presence_stats), BODY(history),
    BODY(rpc), BODY(send), BODY(refresh), BODY(sub_refresh), BODY(ping), BODY(push), BODY(id),
};
static const struct pl_json_shape reply_shape = PL_JSON_SHAPE(reply_fields);
enum { REPLY_ERROR = PL_CMD_NONE, REPLY_PUSH = PL_N_CMDS, REPLY_ID };

static const struct pl_json_shape *const result_shapes[PL_N_CMDS] = {
    [PL_CMD_NONE] = &error_shape,
    [PL_CMD_CONNECT] = &connect_shape,
    [PL_CMD_SUBSCRIBE] = &subscribe_shape,
    [PL_CMD_UNSUBSCRIBE] = &nothing_shape,
    [PL_CMD_PUBLISH] = &nothing_shape,
    [PL_CMD_PRESENCE] = &presence_shape,
    [PL_CMD_PRESENCE_STATS] = &stats_shape,
    [PL_CMD_HISTORY] = &history_shape,
    [PL_CMD_RPC] = &data_shape,
    [PL_CMD_SEND] = &nothing_shape,
    [PL_CMD_REFRESH] = &expiry_shape,
    [PL_CMD_SUB_REFRESH] = &expiry_shape,
    [PL_CMD_PING] = &nothing_shape,
};

static void take_body(struct pl_json *r, int at, struct pl_reply *ret)
{
    if (ret->kind != PL_REPLY_PING) { /* a reply has one body */
        (void)pl_json_raw(r, NULL);   /* the outcome is r->err */
        return;
    }
    if (at == REPLY_PUSH) {
        ret->kind = PL_REPLY_PUSH;
        (void)take_push(r, &ret->push); /* the same */
        return;
    }
    ret->kind = at == REPLY_ERROR ? PL_REPLY_ERROR : PL_REPLY_RESULT;
    ret->cmd = (enum pl_cmd_kind)at;
    memset(&ret->push, 0, sizeof *ret - offsetof(struct pl_reply, push));
    pl_json_fill(r, result_shapes[at], &ret->push, NULL);
}

static void take_reply(struct pl_json *r, struct pl_reply *ret)
{
    struct pl_json_key key = { 0 };
    uint64_t id;

    if (!pl_json_open(r, '{'))
        return;
    while (pl_json_member(r, &key)) {
        int at = pl_json_find(&reply_shape, key.name, false);

        if (at < 0)
            (void)pl_json_raw(r, NULL); /* the outcome is r->err */
        else if (pl_json_null(r))
            continue;
        else if (at != REPLY_ID)
            take_body(r, at, ret);
        else if (pl_json_u64(r, UINT32_MAX, &id))
            ret->id = (uint32_t)id;
    }
    if (ret->kind == PL_REPLY_PING && ret->id != 0) /* an answer of a kind that we don't know */
        ret->kind = PL_REPLY_RESULT;
}

enum pl_err pl_cproto_client_json_reply(struct pl_slice one, bool is_uni, struct pl_scratch *scratch, struct pl_reply *ret)
{
    struct pl_json r = pl_json_init(one, scratch);

    ret->id = 0;
    ret->kind = PL_REPLY_PING;
    ret->cmd = PL_CMD_NONE;
    if (is_uni) {
        struct pl_json probe = r;

        ret->kind = PL_REPLY_PUSH;
        if (pl_json_open(&probe, '{') && pl_json_peek(&probe) == '}')
            ret->kind = PL_REPLY_PING;
        (void)take_push(&r, &ret->push); /* the outcome is r.err */
    } else {
        take_reply(&r, ret);
    }
    return pl_json_end(&r);
}

enum pl_err pl_cproto_client_json_walk_pubs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_reply_pub *ret)
{
    memset(ret, 0, sizeof *ret);
    return pl_json_walk_obj(w, scratch, &pub_shape, ret);
}

enum pl_err pl_cproto_client_json_walk_clients(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_client,
                                               struct pl_reply_info *ret)
{
    memset(ret, 0, sizeof *ret);
    return pl_json_walk_named(w, scratch, &info_shape, ret_client, ret);
}

enum pl_err pl_cproto_client_json_walk_subs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel,
                                            struct pl_reply_subscribe *ret)
{
    memset(ret, 0, sizeof *ret);
    return pl_json_walk_named(w, scratch, &subscribe_shape, ret_channel, ret);
}
