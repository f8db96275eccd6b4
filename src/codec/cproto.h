/* codec/cproto.h - Centrifugo's client protocol v2 as structs: commands in, replies and pushes out (wire-protocol.md 1.4, 2).
 *
 * One table of functions per encoding (struct pl_cproto_ops): pl_cproto_json here, its Protobuf twin has the same set, and
 * a session holds a pointer to one of them. Parsed structs borrow the input or the scratch. Encoders append to a pl_buf, whose
 * state says whether all went in (pl_buf_ok). Pure functions, any thread.
 *
 * A "message" is one Command, Reply or (unidirectional) Push as it stands in a frame; between two of them in one frame
 * stands ops->separator. The Publication object is the unit of caching: encode it once with ops->publication, embed it in
 * pushes, subscribe results and history as often as needed. */
#ifndef PL_CODEC_CPROTO_H
#define PL_CODEC_CPROTO_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/scratch.h"
#include "codec/walk.h"

/* --- commands --- */

/* In the order that decides when a command carries several requests. */
enum pl_cmd_kind {
    PL_CMD_NONE,
    PL_CMD_CONNECT,
    PL_CMD_SUBSCRIBE,
    PL_CMD_UNSUBSCRIBE,
    PL_CMD_PUBLISH,
    PL_CMD_PRESENCE,
    PL_CMD_PRESENCE_STATS,
    PL_CMD_HISTORY,
    PL_CMD_RPC,
    PL_CMD_SEND,
    PL_CMD_REFRESH,
    PL_CMD_SUB_REFRESH,
    PL_CMD_PING,
    PL_N_CMDS
};

/* "subscribe" and so on: member names, metric labels. NONE gives "". */
const char *pl_cmd_name(enum pl_cmd_kind kind);

enum { PL_SUB_FLAG_COMPACTION = 1, PL_SUB_FLAG_REJECT_UNRECOVERED = 2 }; /* pl_subscribe_req.flag */

/* "raw" below: JSON text as it stood there, or in Protobuf the bytes. Absent: len 0 (a literal null is 4 bytes). Fields marked
 * "walk" are walked with the ops' walk_* functions. */
struct pl_subscribe_req {
    struct pl_slice channel;
    struct pl_slice token;
    struct pl_slice epoch;
    uint64_t offset;
    struct pl_slice data;  /* raw */
    struct pl_slice delta; /* "" or a delta type */
    struct pl_slice tf;    /* raw FilterNode, types checked */
    int64_t flag;
    int32_t type;          /* 0 stream, 1 map, 2 map of clients, 3 map of users, 4 shared poll */
    int32_t phase;
    struct pl_slice cursor;
    int32_t limit;
    bool recover, positioned, recoverable, join_leave, asc;
};

struct pl_connect_req {
    struct pl_slice token;
    struct pl_slice data;    /* raw */
    struct pl_slice subs;    /* walk_subs */
    struct pl_slice name;
    struct pl_slice version;
    struct pl_slice headers; /* walk_pairs */
    int64_t flag;
};

struct pl_publish_req {
    struct pl_slice channel;
    struct pl_slice data; /* raw */
    int32_t type;
    struct pl_slice key;
    bool removed;
};

struct pl_position_req {
    bool is_set;
    uint64_t offset;
    struct pl_slice epoch;
};

struct pl_history_req {
    struct pl_slice channel;
    int32_t limit;
    struct pl_position_req since;
    bool reverse;
};

struct pl_rpc_req {
    struct pl_slice data; /* raw */
    struct pl_slice method;
};

struct pl_sub_refresh_req {
    struct pl_slice channel;
    struct pl_slice token;
    int32_t type;
    struct pl_slice track;   /* raw list of TrackBatch, types checked */
    struct pl_slice untrack; /* walk_strs */
};

struct pl_command {
    uint32_t id;
    enum pl_cmd_kind kind;
    union {
        struct pl_connect_req connect;
        struct pl_subscribe_req subscribe;
        struct { struct pl_slice channel; } unsubscribe, presence, presence_stats;
        struct pl_publish_req publish;
        struct pl_history_req history;
        struct pl_rpc_req rpc;
        struct { struct pl_slice data; } send;
        struct { struct pl_slice token; } refresh;
        struct pl_sub_refresh_req sub_refresh;
    };
};

/* Whatever it carries, a command without id is a pong, unless it is a send (wire-protocol.md 3.1). */
static inline bool pl_command_is_pong(const struct pl_command *c)
{
    return c->id == 0 && c->kind != PL_CMD_SEND;
}

/* The channel a command is about; len 0 if it names none. */
struct pl_slice pl_command_channel(const struct pl_command *c);

/* --- what goes out --- */

struct pl_client_info_view {
    struct pl_slice user;
    const uint8_t *client;      /* 16 bytes, binary UUID */
    struct pl_slice conn_info;  /* raw; len 0 none */
    struct pl_slice chan_info;  /* raw; len 0 none */
};

struct pl_pub_view {
    struct pl_slice data;                    /* raw */
    bool data_is_json;                       /* known to be valid JSON; else the JSON encoder checks it */
    const struct pl_client_info_view *info;  /* NULL: not from a client */
    uint64_t offset;                         /* 0: left out, as every field that is zero or empty */
    struct pl_slice tags;                    /* JSON object of strings */
    struct pl_slice epoch;                   /* the caller sets it on offset 1 only (wire-protocol.md 2.2) */
    struct pl_slice channel;                 /* only when it differs from the subscribed one */
    struct pl_slice key;
    uint64_t version;
    bool removed;
    bool delta;                              /* data is a patch */
    bool data_as_text;                       /* JSON: put data as a JSON string (delta subscribers) */
};

struct pl_subscribe_result {
    bool expires, recoverable, recovered, positioned, was_recovering, delta;
    uint32_t ttl;
    struct pl_slice epoch;
    uint64_t offset;
    const struct pl_slice *pubs; /* encoded Publication objects */
    size_t n_pubs;
    struct pl_slice data;        /* raw */
    int64_t id;
    int32_t type, phase;
    struct pl_slice cursor;
    const struct pl_slice *state; /* encoded Publication objects */
    size_t n_state;
    uint32_t publish_debounce;
};

struct pl_connect_result {
    const uint8_t *client;       /* 16 bytes */
    struct pl_slice version;
    bool expires, pong;
    uint32_t ttl, ping;          /* seconds */
    struct pl_slice data;        /* raw */
    struct pl_slice subs;        /* entries collected with ops->connect_sub */
    const uint8_t *session;      /* 16 bytes or NULL */
    const uint8_t *node;         /* 16 bytes or NULL */
    int64_t time_ms;
};

struct pl_history_result {
    const struct pl_slice *pubs; /* encoded Publication objects */
    size_t n_pubs;
    struct pl_slice epoch;
    uint64_t offset;
};

struct pl_sub_refresh_result {
    bool expires;
    uint32_t ttl;
    const struct pl_slice *items; /* encoded Publication objects */
    size_t n_items;
};

/* The Subscribe push. */
struct pl_subscribe_push {
    bool recoverable, positioned;
    struct pl_slice epoch;
    uint64_t offset;
    struct pl_slice data; /* raw */
};

struct pl_cproto_ops {
    const char *name; /* "json", "protobuf" */
    bool is_binary;
    struct pl_slice separator;

    /* Takes the next message off a frame's payload. Call until rest->len is 0, at least once: a frame without any message is PL_EPROTO,
     * and so is an empty line in JSON. The last message may have no separator behind it. */
    enum pl_err (*split)(struct pl_slice *rest, struct pl_slice *ret_one) PL_MUST_CHECK;
    /* Parses one Command. PL_EPROTO (disconnect 3501), PL_ETOOBIG (scratch full). *ret is undefined on error. */
    enum pl_err (*command)(struct pl_slice one, struct pl_scratch *scratch, struct pl_command *ret) PL_MUST_CHECK;
    /* The bare ConnectRequest of unidirectional transports; empty or blank text is PL_EPROTO. */
    enum pl_err (*connect_request)(struct pl_slice text, struct pl_scratch *scratch, struct pl_connect_req *ret) PL_MUST_CHECK;

    /* Over a "walk" field, from pl_walk(field). PL_OK: the next entry. PL_ENOENT: none left. PL_ETOOBIG: scratch full. A name given twice comes twice. */
    enum pl_err (*walk_subs)(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel,
                             struct pl_subscribe_req *ret) PL_MUST_CHECK;
    enum pl_err (*walk_pairs)(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_name,
                              struct pl_slice *ret_value) PL_MUST_CHECK;
    enum pl_err (*walk_strs)(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret) PL_MUST_CHECK;

    /* Objects that others embed. False: the data cannot be shown in this encoding (no JSON: disconnect 3506), nothing was appended. Client info
     * that is no JSON is left out for JSON clients: it came from a token or a proxy in a form they were never meant to see. */
    bool (*publication)(struct pl_buf *b, const struct pl_pub_view *v);
    /* One entry of pl_connect_result.subs, collected in a buffer of its own. */
    void (*connect_sub)(struct pl_buf *entries, struct pl_slice channel, const struct pl_subscribe_result *r);
    /* One entry of a presence result, collected in a buffer of its own. */
    void (*presence_entry)(struct pl_buf *entries, const struct pl_client_info_view *info);

    /* Replies, each one whole message. */
    void (*error)(struct pl_buf *b, uint32_t id, uint32_t code, struct pl_slice message, bool is_temporary);
    void (*connect)(struct pl_buf *b, uint32_t id, const struct pl_connect_result *r);
    void (*subscribe)(struct pl_buf *b, uint32_t id, const struct pl_subscribe_result *r);
    void (*empty)(struct pl_buf *b, uint32_t id, enum pl_cmd_kind kind); /* unsubscribe, publish */
    void (*presence)(struct pl_buf *b, uint32_t id, struct pl_slice entries);
    void (*presence_stats)(struct pl_buf *b, uint32_t id, uint32_t n_clients, uint32_t n_users);
    void (*history)(struct pl_buf *b, uint32_t id, const struct pl_history_result *r);
    void (*rpc)(struct pl_buf *b, uint32_t id, struct pl_slice data);
    void (*refresh)(struct pl_buf *b, uint32_t id, bool expires, uint32_t ttl);
    void (*sub_refresh)(struct pl_buf *b, uint32_t id, const struct pl_sub_refresh_result *r);
    void (*ping)(struct pl_buf *b);

    /* Pushes, each one whole message; is_uni: without the Reply around it. */
    void (*push_pub)(struct pl_buf *b, bool is_uni, struct pl_slice channel, struct pl_slice publication);
    /* The same in pieces for output by reference: head, the object of object_len bytes, tail. */
    void (*push_pub_head)(struct pl_buf *b, bool is_uni, struct pl_slice channel, size_t object_len);
    void (*push_pub_tail)(struct pl_buf *b, bool is_uni);
    void (*push_join)(struct pl_buf *b, bool is_uni, struct pl_slice channel, const struct pl_client_info_view *info);
    void (*push_leave)(struct pl_buf *b, bool is_uni, struct pl_slice channel, const struct pl_client_info_view *info);
    void (*push_unsubscribe)(struct pl_buf *b, bool is_uni, struct pl_slice channel, uint32_t code, struct pl_slice reason);
    void (*push_subscribe)(struct pl_buf *b, bool is_uni, struct pl_slice channel, const struct pl_subscribe_push *s);
    void (*push_message)(struct pl_buf *b, bool is_uni, struct pl_slice data);
    void (*push_connect)(struct pl_buf *b, bool is_uni, const struct pl_connect_result *r);
    void (*push_disconnect)(struct pl_buf *b, bool is_uni, uint32_t code, struct pl_slice reason);
    void (*push_refresh)(struct pl_buf *b, bool is_uni, bool expires, uint32_t ttl);
};

extern const struct pl_cproto_ops pl_cproto_json, pl_cproto_protobuf;

/* Text form of a 16-byte UUID: 36 characters. */
void pl_uuid_text(const uint8_t uuid[16], char out[36]);
/* The other way; PL_EINVAL if `text` is not in that form (any letter case). */
PL_MUST_CHECK enum pl_err pl_uuid_parse(struct pl_slice text, uint8_t out[16]);

#endif
