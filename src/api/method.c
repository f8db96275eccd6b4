/* The methods and the shapes of their requests (wire-protocol.md 10.2). */
#include "api/run.h"

#define PUB(name, kind) PL_JSON_FIELD(struct api_publish, name, kind)
#define CTL(name, kind) PL_JSON_FIELD(struct api_control, name, kind)

static const struct pl_json_field position_fields[] = {
    PL_JSON_FIELD(struct api_position, offset, PL_J_U64),
    PL_JSON_FIELD(struct api_position, epoch, PL_J_STR),
};
static const struct pl_json_shape position_shape = PL_JSON_SHAPE(position_fields);

static const struct pl_json_field publish_fields[] = {
    PUB(channel, PL_J_STR),
    PUB(data, PL_J_RAW),
    PUB(b64data, PL_J_STR),
    PUB(skip_history, PL_J_BOOL),
    PUB(tags, PL_J_STR_MAP),
    PUB(idempotency_key, PL_J_STR),
    PUB(delta, PL_J_BOOL),
    PUB(version, PL_J_U64),
    PUB(version_epoch, PL_J_STR),
};
static const struct pl_json_shape publish_shape = PL_JSON_SHAPE(publish_fields);

static const struct pl_json_field broadcast_fields[] = {
    PUB(channels, PL_J_STRS),
    PUB(data, PL_J_RAW),
    PUB(b64data, PL_J_STR),
    PUB(skip_history, PL_J_BOOL),
    PUB(tags, PL_J_STR_MAP),
    PUB(idempotency_key, PL_J_STR),
    PUB(delta, PL_J_BOOL),
    PUB(version, PL_J_U64),
    PUB(version_epoch, PL_J_STR),
};
static const struct pl_json_shape broadcast_shape = PL_JSON_SHAPE(broadcast_fields);

static const struct pl_json_field subscribe_fields[] = {
    CTL(channel, PL_J_STR),
    CTL(user, PL_J_STR),
    CTL(client, PL_J_STR),
    CTL(session, PL_J_STR),
    CTL(expire_at, PL_J_I64),
    CTL(info, PL_J_RAW),
    CTL(b64info, PL_J_STR),
    CTL(data, PL_J_RAW),
    CTL(b64data, PL_J_STR),
    PL_JSON_FIELD_OF(struct api_control, recover_since, PL_J_OBJ, &position_shape),
    PL_JSON_FIELD_OF(struct api_control, override, PL_J_OBJ, &pl_override_shape),
};
static const struct pl_json_shape subscribe_shape = PL_JSON_SHAPE(subscribe_fields);

static const struct pl_json_field unsubscribe_fields[] = {
    CTL(channel, PL_J_STR),
    CTL(user, PL_J_STR),
    CTL(client, PL_J_STR),
    CTL(session, PL_J_STR),
};
static const struct pl_json_shape unsubscribe_shape = PL_JSON_SHAPE(unsubscribe_fields);

struct goodbye { /* the type of api_control.disconnect */
    bool is_set;
    uint32_t code;
    struct pl_slice reason;
};

static const struct pl_json_field goodbye_fields[] = {
    PL_JSON_FIELD(struct goodbye, code, PL_J_U32),
    PL_JSON_FIELD(struct goodbye, reason, PL_J_STR),
};
static const struct pl_json_shape goodbye_shape = PL_JSON_SHAPE(goodbye_fields);
_Static_assert(sizeof(struct goodbye) == sizeof(((struct api_control *)0)->disconnect), "the same layout");

static const struct pl_json_field disconnect_fields[] = {
    CTL(user, PL_J_STR),
    CTL(client, PL_J_STR),
    CTL(session, PL_J_STR),
    CTL(whitelist, PL_J_STRS),
    PL_JSON_FIELD_OF(struct api_control, disconnect, PL_J_OBJ, &goodbye_shape),
};
static const struct pl_json_shape disconnect_shape = PL_JSON_SHAPE(disconnect_fields);

static const struct pl_json_field refresh_fields[] = {
    CTL(user, PL_J_STR),
    CTL(client, PL_J_STR),
    CTL(session, PL_J_STR),
    CTL(expired, PL_J_BOOL),
    CTL(expire_at, PL_J_I64),
    CTL(info, PL_J_RAW),
};
static const struct pl_json_shape refresh_shape = PL_JSON_SHAPE(refresh_fields);

static const struct pl_json_field history_fields[] = {
    PL_JSON_FIELD(struct api_history, channel, PL_J_STR),
    PL_JSON_FIELD(struct api_history, limit, PL_J_I32),
    PL_JSON_FIELD_OF(struct api_history, since, PL_J_OBJ, &position_shape),
    PL_JSON_FIELD(struct api_history, reverse, PL_J_BOOL),
};
static const struct pl_json_shape history_shape = PL_JSON_SHAPE(history_fields);

static const struct pl_json_field channel_fields[] = {
    PL_JSON_FIELD(struct api_channel, channel, PL_J_STR),
};
static const struct pl_json_shape channel_shape = PL_JSON_SHAPE(channel_fields);

static const struct pl_json_field channels_fields[] = {
    PL_JSON_FIELD(struct api_channels, pattern, PL_J_STR),
};
static const struct pl_json_shape channels_shape = PL_JSON_SHAPE(channels_fields);

static const struct pl_json_field rpc_fields[] = {
    PL_JSON_FIELD(struct api_rpc, method, PL_J_STR),
    PL_JSON_FIELD(struct api_rpc, params, PL_J_RAW),
};
static const struct pl_json_shape rpc_shape = PL_JSON_SHAPE(rpc_fields);
static const struct pl_json_shape info_shape = { NULL, 0 };

/* In the order in which a batch command's member is chosen (10.2), by old-style numbers where these are in order anyway. */
const struct api_method api_methods[API_N_METHODS] = {
    { "publish", 0, PL_MV_API_PUBLISH, false, &publish_shape, api_publish },
    { "broadcast", 1, PL_MV_API_BROADCAST, true, &broadcast_shape, api_broadcast },
    { "subscribe", 11, PL_MV_API_SUBSCRIBE, false, &subscribe_shape, api_subscribe },
    { "unsubscribe", 2, PL_MV_API_UNSUBSCRIBE, false, &unsubscribe_shape, api_unsubscribe },
    { "disconnect", 3, PL_MV_API_DISCONNECT, false, &disconnect_shape, api_disconnect },
    { "presence", 4, PL_MV_API_PRESENCE, false, &channel_shape, api_presence },
    { "presence_stats", 5, PL_MV_API_PRESENCE_STATS, false, &channel_shape, api_presence_stats },
    { "history", 6, PL_MV_API_HISTORY, false, &history_shape, api_history },
    { "history_remove", 7, PL_MV_API_HISTORY_REMOVE, false, &channel_shape, api_history_remove },
    { "info", 9, PL_MV_API_INFO, false, &info_shape, api_info },
    { "rpc", 10, PL_MV_API_RPC, false, &rpc_shape, api_rpc },
    { "refresh", 12, PL_MV_API_REFRESH, false, &refresh_shape, api_refresh },
    { "channels", 8, PL_MV_API_CHANNELS, false, &channels_shape, api_channels },
};

#define COMMAND(i, name, shape) { #name, sizeof(#name) - 1, PL_J_CHECKED, (i) * sizeof(struct pl_slice), (shape) }

static const struct pl_json_field command_fields[API_N_METHODS] = {
    COMMAND(0, publish, &publish_shape),
    COMMAND(1, broadcast, &broadcast_shape),
    COMMAND(2, subscribe, &subscribe_shape),
    COMMAND(3, unsubscribe, &unsubscribe_shape),
    COMMAND(4, disconnect, &disconnect_shape),
    COMMAND(5, presence, &channel_shape),
    COMMAND(6, presence_stats, &channel_shape),
    COMMAND(7, history, &history_shape),
    COMMAND(8, history_remove, &channel_shape),
    COMMAND(9, info, &info_shape),
    COMMAND(10, rpc, &rpc_shape),
    COMMAND(11, refresh, &refresh_shape),
    COMMAND(12, channels, &channels_shape),
};
const struct pl_json_shape api_command_shape = PL_JSON_SHAPE(command_fields);

static const struct pl_json_field batch_fields[] = {
    PL_JSON_FIELD_OF(struct api_batch, commands, PL_J_OBJS, &api_command_shape),
    PL_JSON_FIELD(struct api_batch, parallel, PL_J_BOOL),
};
const struct pl_json_shape api_batch_shape = PL_JSON_SHAPE(batch_fields);

const struct api_method *api_method_by_name(struct pl_slice name)
{
    for (unsigned i = 0; i < API_N_METHODS; i++)
        if (pl_slice_eq_nocase(name, pl_slice_str(api_methods[i].name)))
            return &api_methods[i];
    return NULL;
}

const struct api_method *api_method_by_number(int64_t number)
{
    for (unsigned i = 0; i < API_N_METHODS; i++)
        if (api_methods[i].number == number)
            return &api_methods[i];
    return NULL;
}
