#include "codec/cproto.h"

static const char *const cmd_names[PL_N_CMDS] = {
    [PL_CMD_NONE] = "",
    [PL_CMD_CONNECT] = "connect",
    [PL_CMD_SUBSCRIBE] = "subscribe",
    [PL_CMD_UNSUBSCRIBE] = "unsubscribe",
    [PL_CMD_PUBLISH] = "publish",
    [PL_CMD_PRESENCE] = "presence",
    [PL_CMD_PRESENCE_STATS] = "presence_stats",
    [PL_CMD_HISTORY] = "history",
    [PL_CMD_RPC] = "rpc",
    [PL_CMD_SEND] = "send",
    [PL_CMD_REFRESH] = "refresh",
    [PL_CMD_SUB_REFRESH] = "sub_refresh",
    [PL_CMD_PING] = "ping",
};

const char *pl_cmd_name(enum pl_cmd_kind kind)
{
    return (unsigned)kind < PL_N_CMDS ? cmd_names[kind] : "";
}

struct pl_slice pl_command_channel(const struct pl_command *c)
{
    switch (c->kind) {
    case PL_CMD_SUBSCRIBE: return c->subscribe.channel;
    case PL_CMD_UNSUBSCRIBE:
    case PL_CMD_PRESENCE:
    case PL_CMD_PRESENCE_STATS: return c->presence.channel;
    case PL_CMD_PUBLISH: return c->publish.channel;
    case PL_CMD_HISTORY: return c->history.channel;
    case PL_CMD_SUB_REFRESH: return c->sub_refresh.channel;
    case PL_CMD_NONE:
    case PL_CMD_CONNECT:
    case PL_CMD_RPC:
    case PL_CMD_SEND:
    case PL_CMD_REFRESH:
    case PL_CMD_PING:
    case PL_N_CMDS: break;
    }
    return pl_slice(NULL, 0);
}

void pl_uuid_text(const uint8_t uuid[16], char out[36])
{
    static const char hex[] = "0123456789abcdef";
    unsigned at = 0;

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = hex[uuid[i] >> 4];
        out[at++] = hex[uuid[i] & 15];
    }
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum pl_err pl_uuid_parse(struct pl_slice text, uint8_t out[16])
{
    uint8_t id[16];
    unsigned n = 0;

    if (text.len != 36)
        return PL_EINVAL;
    for (unsigned i = 0; i < 36; i++) {
        int high, low;

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text.p[i] != '-')
                return PL_EINVAL;
            continue;
        }
        high = hex_value(text.p[i]);
        low = hex_value(text.p[++i]);
        if (high < 0 || low < 0)
            return PL_EINVAL;
        id[n++] = (uint8_t)(high << 4 | low);
    }
    memcpy(out, id, sizeof id);
    return PL_OK;
}
