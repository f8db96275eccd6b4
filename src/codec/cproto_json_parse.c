/* Commands in JSON. The tables are wire-protocol.md 2.3. */
#include "codec/cproto_json.h"

#include <stddef.h>

#include "base/check.h"


#define SUB(name, kind) PL_JSON_FIELD(struct pl_subscribe_req, name, kind)

static const struct pl_json_shape filter_shape;

struct filter_node {
    struct pl_slice op, key, cmp, val, vals, nodes;
};

static const struct pl_json_field filter_fields[] = {
    PL_JSON_FIELD(struct filter_node, op, PL_J_STR),
    PL_JSON_FIELD(struct filter_node, key, PL_J_STR),
    PL_JSON_FIELD(struct filter_node, cmp, PL_J_STR),
    PL_JSON_FIELD(struct filter_node, val, PL_J_STR),
    PL_JSON_FIELD(struct filter_node, vals, PL_J_STRS),
    PL_JSON_FIELD_OF(struct filter_node, nodes, PL_J_OBJS, &filter_shape),
};
static const struct pl_json_shape filter_shape = PL_JSON_SHAPE(filter_fields);

static const struct pl_json_field subscribe_fields[] = {
    SUB(channel, PL_J_STR),
    SUB(token, PL_J_STR),
    SUB(recover, PL_J_BOOL),
    SUB(offset, PL_J_U64),
    SUB(epoch, PL_J_STR),
    SUB(data, PL_J_RAW),
    SUB(positioned, PL_J_BOOL),
    SUB(recoverable, PL_J_BOOL),
    SUB(join_leave, PL_J_BOOL),
    SUB(delta, PL_J_STR),
    PL_JSON_FIELD_OF(struct pl_subscribe_req, tf, PL_J_CHECKED, &filter_shape),
    SUB(flag, PL_J_I64),
    SUB(type, PL_J_I32),
    SUB(phase, PL_J_I32),
    SUB(cursor, PL_J_STR),
    SUB(limit, PL_J_I32),
    SUB(asc, PL_J_BOOL),
};
static const struct pl_json_shape subscribe_shape = PL_JSON_SHAPE(subscribe_fields);

static const struct pl_json_field connect_fields[] = {
    PL_JSON_FIELD(struct pl_connect_req, token, PL_J_STR),
    PL_JSON_FIELD(struct pl_connect_req, data, PL_J_RAW),
    PL_JSON_FIELD_OF(struct pl_connect_req, subs, PL_J_OBJ_MAP, &subscribe_shape),
    PL_JSON_FIELD(struct pl_connect_req, name, PL_J_STR),
    PL_JSON_FIELD(struct pl_connect_req, version, PL_J_STR),
    PL_JSON_FIELD(struct pl_connect_req, headers, PL_J_STR_MAP),
    PL_JSON_FIELD(struct pl_connect_req, flag, PL_J_I64),
};
static const struct pl_json_shape connect_shape = PL_JSON_SHAPE(connect_fields);

struct channel_req {
    struct pl_slice channel;
};

static const struct pl_json_field channel_fields[] = {
    PL_JSON_FIELD(struct channel_req, channel, PL_J_STR),
};

static const struct pl_json_field publish_fields[] = {
    PL_JSON_FIELD(struct pl_publish_req, channel, PL_J_STR),
    PL_JSON_FIELD(struct pl_publish_req, data, PL_J_RAW),
    PL_JSON_FIELD(struct pl_publish_req, type, PL_J_I32),
    PL_JSON_FIELD(struct pl_publish_req, key, PL_J_STR),
    PL_JSON_FIELD(struct pl_publish_req, removed, PL_J_BOOL),
};

static const struct pl_json_field position_fields[] = {
    PL_JSON_FIELD(struct pl_position_req, offset, PL_J_U64),
    PL_JSON_FIELD(struct pl_position_req, epoch, PL_J_STR),
};
static const struct pl_json_shape position_shape = PL_JSON_SHAPE(position_fields);

static const struct pl_json_field history_fields[] = {
    PL_JSON_FIELD(struct pl_history_req, channel, PL_J_STR),
    PL_JSON_FIELD(struct pl_history_req, limit, PL_J_I32),
    PL_JSON_FIELD_OF(struct pl_history_req, since, PL_J_OBJ, &position_shape),
    PL_JSON_FIELD(struct pl_history_req, reverse, PL_J_BOOL),
};

static const struct pl_json_field rpc_fields[] = {
    PL_JSON_FIELD(struct pl_rpc_req, method, PL_J_STR),
    PL_JSON_FIELD(struct pl_rpc_req, data, PL_J_RAW),
};

struct data_req {
    struct pl_slice data;
};

static const struct pl_json_field send_fields[] = {
    PL_JSON_FIELD(struct data_req, data, PL_J_RAW),
};

struct token_req {
    struct pl_slice token;
};

static const struct pl_json_field refresh_fields[] = {
    PL_JSON_FIELD(struct token_req, token, PL_J_STR),
};

struct keyed_item {
    struct pl_slice key;
    uint64_t version;
};

static const struct pl_json_field item_fields[] = {
    PL_JSON_FIELD(struct keyed_item, key, PL_J_STR),
    PL_JSON_FIELD(struct keyed_item, version, PL_J_U64),
};
static const struct pl_json_shape item_shape = PL_JSON_SHAPE(item_fields);

struct track_batch {
    struct pl_slice signature, items;
};

static const struct pl_json_field track_fields[] = {
    PL_JSON_FIELD(struct track_batch, signature, PL_J_STR),
    PL_JSON_FIELD_OF(struct track_batch, items, PL_J_OBJS, &item_shape),
};
static const struct pl_json_shape track_shape = PL_JSON_SHAPE(track_fields);

static const struct pl_json_field sub_refresh_fields[] = {
    PL_JSON_FIELD(struct pl_sub_refresh_req, channel, PL_J_STR),
    PL_JSON_FIELD(struct pl_sub_refresh_req, token, PL_J_STR),
    PL_JSON_FIELD(struct pl_sub_refresh_req, type, PL_J_I32),
    PL_JSON_FIELD_OF(struct pl_sub_refresh_req, track, PL_J_OBJS, &track_shape),
    PL_JSON_FIELD(struct pl_sub_refresh_req, untrack, PL_J_STRS),
};

/* By enum pl_cmd_kind. */
static const struct pl_json_shape request_shapes[PL_N_CMDS] = {
    [PL_CMD_NONE] = { NULL, 0 },
    [PL_CMD_CONNECT] = PL_JSON_SHAPE(connect_fields),
    [PL_CMD_SUBSCRIBE] = PL_JSON_SHAPE(subscribe_fields),
    [PL_CMD_UNSUBSCRIBE] = PL_JSON_SHAPE(channel_fields),
    [PL_CMD_PUBLISH] = PL_JSON_SHAPE(publish_fields),
    [PL_CMD_PRESENCE] = PL_JSON_SHAPE(channel_fields),
    [PL_CMD_PRESENCE_STATS] = PL_JSON_SHAPE(channel_fields),
    [PL_CMD_HISTORY] = PL_JSON_SHAPE(history_fields),
    [PL_CMD_RPC] = PL_JSON_SHAPE(rpc_fields),
    [PL_CMD_SEND] = PL_JSON_SHAPE(send_fields),
    [PL_CMD_REFRESH] = PL_JSON_SHAPE(refresh_fields),
    [PL_CMD_SUB_REFRESH] = PL_JSON_SHAPE(sub_refresh_fields),
    [PL_CMD_PING] = { NULL, 0 },
};

/* Members of a Command as a shape, so that names match as everywhere; the requests start at the union, index = kind - 1. */
#define REQUEST(name) { #name, sizeof(#name) - 1, PL_J_RAW, 0, NULL }
static const struct pl_json_field command_fields[] = {
    REQUEST(connect), REQUEST(subscribe), REQUEST(unsubscribe), REQUEST(publish), REQUEST(presence), REQUEST(presence_stats),
    REQUEST(history), REQUEST(rpc), REQUEST(send), REQUEST(refresh), REQUEST(sub_refresh), REQUEST(ping), REQUEST(id),
};
static const struct pl_json_shape command_shape = PL_JSON_SHAPE(command_fields);
enum { FIELD_ID = PL_N_CMDS - 1 };
_Static_assert(sizeof command_fields / sizeof command_fields[0] == PL_N_CMDS, "one field per kind, and the id");

static enum pl_err take_request(struct pl_json *r, enum pl_cmd_kind kind, struct pl_command *c)
{
    void *at = &c->connect;

    if (pl_json_null(r)) /* {"subscribe":null} sets nothing */
        return PL_OK;
    if (c->kind != PL_CMD_NONE && c->kind < kind)
        return pl_json_fill(r, &request_shapes[kind], NULL, NULL); /* a request earlier in the order wins; types still count */
    if (c->kind != kind)
        memset(at, 0, sizeof *c - offsetof(struct pl_command, connect));
    c->kind = kind;
    return pl_json_fill(r, &request_shapes[kind], at, NULL);
}

enum pl_err pl_cproto_json_command(struct pl_slice one, struct pl_scratch *scratch, struct pl_command *ret)
{
    struct pl_json r = pl_json_init(one, scratch);
    struct pl_json_key key = { 0 };
    uint64_t id;

    ret->id = 0;
    ret->kind = PL_CMD_NONE;
    if (!pl_json_open(&r, '{'))
        return r.err;
    while (pl_json_member(&r, &key)) {
        int at = pl_json_find(&command_shape, key.name, false);

        if (at < 0) {
            (void)pl_json_raw(&r, NULL); /* the outcome is r.err */
        } else if (at == FIELD_ID) {
            if (!pl_json_null(&r) && pl_json_u64(&r, UINT32_MAX, &id))
                ret->id = (uint32_t)id;
        } else if (take_request(&r, (enum pl_cmd_kind)(at + 1), ret) != PL_OK) {
            return r.err;
        }
    }
    return r.err; /* what stands behind the object on this line is not looked at: wire-protocol.md 1.4 */
}

enum pl_err pl_cproto_json_connect_request(struct pl_slice text, struct pl_scratch *scratch, struct pl_connect_req *ret)
{
    struct pl_json r = pl_json_init(text, scratch);
    enum pl_err err;

    memset(ret, 0, sizeof *ret);
    err = pl_json_fill(&r, &connect_shape, ret, NULL);
    return err == PL_OK ? pl_json_end(&r) : err;
}

enum pl_err pl_cproto_json_split(struct pl_slice *rest, struct pl_slice *ret_one)
{
    const uint8_t *lf = rest->len > 0 ? memchr(rest->p, '\n', rest->len) : NULL;
    size_t n = lf != NULL ? (size_t)(lf - rest->p) : rest->len;

    if (n == 0 && !PL_SABOTAGE(json_empty_line))
        return PL_EPROTO;
    *ret_one = pl_slice(rest->p, n);
    *rest = pl_slice_from(*rest, lf != NULL ? n + 1 : n);
    return PL_OK;
}

enum pl_err pl_cproto_json_walk_subs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel,
                                     struct pl_subscribe_req *ret)
{
    memset(ret, 0, sizeof *ret);
    return pl_json_walk_named(w, scratch, &subscribe_shape, ret_channel, ret);
}
