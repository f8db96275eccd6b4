/* Commands in Protobuf. Parsed in place: everything is borrowed, the scratch is not needed. A field of another wire type than its own is
 * malformed; one given twice counts by its last (as proto3 says); unknown ones are skipped. */
#include "codec/cproto_pb.h"

enum { CONNECT_SUBS = 3, CONNECT_HEADERS = 6, SUB_REFRESH_UNTRACK = 5, FILTER_DEPTH_MAX = 16 };

/* Rows of a message: what a field number is and where it goes. */
enum kind { K_STR, K_RAW, K_U64, K_I64, K_I32, K_BOOL };
struct row {
    uint8_t number, kind;
    uint16_t at; /* offset in the struct */
};

static enum pl_err fill_one(const struct pl_pb_field *f, const struct row *row, void *ret)
{
    void *at = (char *)ret + row->at;

    switch ((enum kind)row->kind) {
    case K_STR:
        return pl_pb_str(f, at);
    case K_RAW:
        if (f->type != PL_PB_LEN)
            return PL_EPROTO;
        *(struct pl_slice *)at = f->bytes;
        return PL_OK;
    case K_U64:
    case K_I64:
    case K_I32:
    case K_BOOL:
        break;
    }
    if (f->type != PL_PB_VARINT)
        return PL_EPROTO;
    if (row->kind == K_U64)
        *(uint64_t *)at = f->v;
    else if (row->kind == K_I64)
        *(int64_t *)at = (int64_t)f->v;
    else if (row->kind == K_I32)
        *(int32_t *)at = (int32_t)(uint32_t)f->v; /* truncation is proto's own rule */
    else
        *(bool *)at = f->v != 0;
    return PL_OK;
}

static enum pl_err fill(struct pl_slice message, const struct row *rows, size_t n_rows, void *ret)
{
    struct pl_pb_field f;
    enum pl_err err;

    while ((err = pl_pb_next(&message, &f)) == PL_OK) {
        for (size_t i = 0; i < n_rows && err == PL_OK; i++)
            if (rows[i].number == f.number)
                err = fill_one(&f, &rows[i], ret);
        if (err != PL_OK)
            return err;
    }
    return err == PL_ENOENT ? PL_OK : err;
}

#define FILL(message, rows, ret) fill(message, rows, sizeof(rows) / sizeof((rows)[0]), ret)
#define ROW(number, kind, type, member) { number, kind, offsetof(struct type, member) }

static const struct row subscribe_rows[] = {
    ROW(1, K_STR, pl_subscribe_req, channel), ROW(2, K_STR, pl_subscribe_req, token), ROW(3, K_BOOL, pl_subscribe_req, recover),
    ROW(6, K_STR, pl_subscribe_req, epoch), ROW(7, K_U64, pl_subscribe_req, offset), ROW(8, K_RAW, pl_subscribe_req, data),
    ROW(9, K_BOOL, pl_subscribe_req, positioned), ROW(10, K_BOOL, pl_subscribe_req, recoverable),
    ROW(11, K_BOOL, pl_subscribe_req, join_leave), ROW(12, K_STR, pl_subscribe_req, delta), ROW(13, K_RAW, pl_subscribe_req, tf),
    ROW(14, K_I64, pl_subscribe_req, flag), ROW(15, K_I32, pl_subscribe_req, type), ROW(16, K_I32, pl_subscribe_req, phase),
    ROW(17, K_STR, pl_subscribe_req, cursor), ROW(18, K_I32, pl_subscribe_req, limit), ROW(19, K_BOOL, pl_subscribe_req, asc),
};
static const struct row connect_rows[] = {
    ROW(1, K_STR, pl_connect_req, token), ROW(2, K_RAW, pl_connect_req, data), ROW(4, K_STR, pl_connect_req, name),
    ROW(5, K_STR, pl_connect_req, version), ROW(7, K_I64, pl_connect_req, flag),
};
static const struct row publish_rows[] = {
    ROW(1, K_STR, pl_publish_req, channel), ROW(2, K_RAW, pl_publish_req, data), ROW(3, K_I32, pl_publish_req, type),
    ROW(4, K_STR, pl_publish_req, key), ROW(5, K_BOOL, pl_publish_req, removed),
};
struct history_raw {
    struct pl_history_req r;
    struct pl_slice since;
};
static const struct row history_rows[] = {
    { 1, K_STR, offsetof(struct history_raw, r.channel) }, { 7, K_I32, offsetof(struct history_raw, r.limit) },
    { 8, K_RAW, offsetof(struct history_raw, since) }, { 9, K_BOOL, offsetof(struct history_raw, r.reverse) },
};
static const struct row position_rows[] = { ROW(1, K_U64, pl_position_req, offset), ROW(2, K_STR, pl_position_req, epoch) };
static const struct row rpc_rows[] = { ROW(1, K_RAW, pl_rpc_req, data), ROW(2, K_STR, pl_rpc_req, method) };
static const struct row sub_refresh_rows[] = {
    ROW(1, K_STR, pl_sub_refresh_req, channel), ROW(2, K_STR, pl_sub_refresh_req, token), ROW(3, K_I32, pl_sub_refresh_req, type),
};
struct one_slice {
    struct pl_slice v;
};
static const struct row one_str_rows[] = { ROW(1, K_STR, one_slice, v) };
static const struct row one_raw_rows[] = { ROW(1, K_RAW, one_slice, v) };

/* Well-formed all the way down? A FilterNode is looked at by the hub only where it is used. */
static enum pl_err check_filter(struct pl_slice message, int depth)
{
    struct pl_pb_field f;
    struct pl_slice s;
    enum pl_err err;

    if (depth == 0)
        return PL_EPROTO;
    while ((err = pl_pb_next(&message, &f)) == PL_OK) {
        if (f.number >= 1 && f.number <= 5)
            err = pl_pb_str(&f, &s);
        else if (f.number == 6)
            err = f.type == PL_PB_LEN ? check_filter(f.bytes, depth - 1) : PL_EPROTO;
        if (err != PL_OK)
            return err;
    }
    return err == PL_ENOENT ? PL_OK : err;
}

static enum pl_err subscribe_request(struct pl_slice message, struct pl_subscribe_req *ret)
{
    enum pl_err err;

    memset(ret, 0, sizeof *ret);
    err = FILL(message, subscribe_rows, ret);
    return err == PL_OK && ret->tf.len != 0 ? check_filter(ret->tf, FILTER_DEPTH_MAX) : err;
}

/* Maps and lists stay where they are: the whole message is walked for their field number. */
static enum pl_err has_field(struct pl_slice message, uint32_t number, struct pl_slice *ret_field)
{
    struct pl_slice rest = message;
    struct pl_pb_field f;
    enum pl_err err;

    while ((err = pl_pb_next(&rest, &f)) == PL_OK) {
        if (f.number != number)
            continue;
        if (f.type != PL_PB_LEN)
            return PL_EPROTO;
        *ret_field = message;
    }
    return err == PL_ENOENT ? PL_OK : err;
}

/* The next value of that field in a message under walk. */
static enum pl_err walk_to(struct pl_walk *w, uint32_t number, struct pl_slice *ret)
{
    struct pl_pb_field f;
    enum pl_err err;

    while ((err = pl_pb_next(&w->rest, &f)) == PL_OK) {
        if (f.number == number && f.type == PL_PB_LEN) {
            *ret = f.bytes;
            return PL_OK;
        }
    }
    return err;
}

static enum pl_err map_entry(struct pl_slice entry, struct pl_slice *ret_key, struct pl_slice *ret_value)
{
    struct pl_pb_field f;
    enum pl_err err;

    *ret_key = *ret_value = pl_slice("", 0);
    while ((err = pl_pb_next(&entry, &f)) == PL_OK) {
        if (f.number == 1)
            err = pl_pb_str(&f, ret_key);
        else if (f.number == 2 && f.type == PL_PB_LEN)
            *ret_value = f.bytes;
        else if (f.number == 2)
            err = PL_EPROTO;
        if (err != PL_OK)
            return err;
    }
    return err == PL_ENOENT ? PL_OK : err;
}

enum pl_err pl_cproto_pb_walk_subs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel,
                                   struct pl_subscribe_req *ret)
{
    struct pl_slice entry, value;
    enum pl_err err = walk_to(w, CONNECT_SUBS, &entry);

    (void)scratch; /* nothing has escapes here */
    if (err == PL_OK)
        err = map_entry(entry, ret_channel, &value);
    return err == PL_OK ? subscribe_request(value, ret) : err;
}

enum pl_err pl_cproto_pb_walk_pairs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_name, struct pl_slice *ret_value)
{
    struct pl_slice entry;
    enum pl_err err = walk_to(w, CONNECT_HEADERS, &entry);

    (void)scratch;
    return err == PL_OK ? map_entry(entry, ret_name, ret_value) : err;
}

enum pl_err pl_cproto_pb_walk_strs(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret)
{
    (void)scratch;
    return walk_to(w, SUB_REFRESH_UNTRACK, ret);
}

enum pl_err pl_cproto_pb_connect_request(struct pl_slice message, struct pl_scratch *scratch, struct pl_connect_req *ret)
{
    struct pl_slice key, value;
    struct pl_subscribe_req sub;
    struct pl_walk w;
    enum pl_err err;

    memset(ret, 0, sizeof *ret);
    err = FILL(message, connect_rows, ret);
    if (err == PL_OK)
        err = has_field(message, CONNECT_SUBS, &ret->subs);
    if (err == PL_OK)
        err = has_field(message, CONNECT_HEADERS, &ret->headers);
    if (err != PL_OK)
        return err;
    /* Checked once here, so that walking later cannot fail for the shape. */
    for (w = pl_walk(ret->subs); (err = pl_cproto_pb_walk_subs(&w, scratch, &key, &sub)) == PL_OK;)
        ;
    if (err != PL_ENOENT)
        return err;
    for (w = pl_walk(ret->headers); (err = pl_cproto_pb_walk_pairs(&w, scratch, &key, &value)) == PL_OK;)
        ;
    return err == PL_ENOENT ? PL_OK : err;
}

static enum pl_err history_request(struct pl_slice message, struct pl_history_req *ret)
{
    struct history_raw raw = { .since = { NULL, 0 } };
    enum pl_err err = FILL(message, history_rows, &raw);

    *ret = raw.r;
    if (err != PL_OK || raw.since.p == NULL)
        return err;
    ret->since.is_set = true;
    return FILL(raw.since, position_rows, &ret->since);
}

static enum pl_err sub_refresh_request(struct pl_slice message, struct pl_sub_refresh_req *ret)
{
    enum pl_err err;

    memset(ret, 0, sizeof *ret);
    err = FILL(message, sub_refresh_rows, ret);
    if (err == PL_OK)
        err = has_field(message, 4, &ret->track);
    return err == PL_OK ? has_field(message, SUB_REFRESH_UNTRACK, &ret->untrack) : err;
}

static enum pl_err request(enum pl_cmd_kind kind, struct pl_slice message, struct pl_scratch *scratch, struct pl_command *ret)
{
    struct one_slice one = { { NULL, 0 } };
    enum pl_err err = PL_OK;

    switch (kind) {
    case PL_CMD_CONNECT:   return pl_cproto_pb_connect_request(message, scratch, &ret->connect);
    case PL_CMD_SUBSCRIBE: return subscribe_request(message, &ret->subscribe);
    case PL_CMD_PUBLISH:
        memset(&ret->publish, 0, sizeof ret->publish);
        return FILL(message, publish_rows, &ret->publish);
    case PL_CMD_HISTORY:   return history_request(message, &ret->history);
    case PL_CMD_RPC:
        memset(&ret->rpc, 0, sizeof ret->rpc);
        return FILL(message, rpc_rows, &ret->rpc);
    case PL_CMD_SUB_REFRESH: return sub_refresh_request(message, &ret->sub_refresh);
    case PL_CMD_UNSUBSCRIBE:
    case PL_CMD_PRESENCE:
    case PL_CMD_PRESENCE_STATS:
        err = FILL(message, one_str_rows, &one);
        ret->presence.channel = one.v; /* the three share their shape */
        return err;
    case PL_CMD_SEND:
        err = FILL(message, one_raw_rows, &one);
        ret->send.data = one.v;
        return err;
    case PL_CMD_REFRESH:
        err = FILL(message, one_str_rows, &one);
        ret->refresh.token = one.v;
        return err;
    case PL_CMD_PING:
    case PL_CMD_NONE:
    case PL_N_CMDS: break;
    }
    return PL_OK;
}

enum pl_err pl_cproto_pb_command(struct pl_slice one, struct pl_scratch *scratch, struct pl_command *ret)
{
    /* By field number; the order of enum pl_cmd_kind decides between several (wire-protocol.md 2.1). */
    static const uint8_t kinds[16] = {
        [4] = PL_CMD_CONNECT, [5] = PL_CMD_SUBSCRIBE, [6] = PL_CMD_UNSUBSCRIBE, [7] = PL_CMD_PUBLISH, [8] = PL_CMD_PRESENCE,
        [9] = PL_CMD_PRESENCE_STATS, [10] = PL_CMD_HISTORY, [11] = PL_CMD_PING, [12] = PL_CMD_SEND, [13] = PL_CMD_RPC,
        [14] = PL_CMD_REFRESH, [15] = PL_CMD_SUB_REFRESH,
    };
    struct pl_slice message = { NULL, 0 };
    struct pl_pb_field f;
    enum pl_err err;

    *ret = (struct pl_command){ .kind = PL_CMD_NONE };
    while ((err = pl_pb_next(&one, &f)) == PL_OK) {
        if (f.number == 1) {
            if (f.type != PL_PB_VARINT)
                return PL_EPROTO;
            ret->id = (uint32_t)f.v;
        } else if (f.number < sizeof kinds && kinds[f.number] != PL_CMD_NONE) {
            if (f.type != PL_PB_LEN)
                return PL_EPROTO;
            if (ret->kind == PL_CMD_NONE || kinds[f.number] <= ret->kind) {
                ret->kind = (enum pl_cmd_kind)kinds[f.number];
                message = f.bytes;
            }
        }
    }
    if (err != PL_ENOENT)
        return err;
    return request(ret->kind, message, scratch, ret);
}

enum pl_err pl_cproto_pb_split(struct pl_slice *rest, struct pl_slice *ret_one)
{
    uint64_t len;

    if (pl_pb_varint(rest, &len) != PL_OK || len > rest->len)
        return PL_EPROTO;
    *ret_one = pl_slice(rest->p, (size_t)len);
    *rest = pl_slice_from(*rest, (size_t)len);
    return PL_OK;
}
