/* codec/cproto_client.h - the client's side of the protocol in codec/cproto.h: commands out, replies and pushes in. For libpeal, the
 * tools and the load generator. The same rules: parsed structs borrow, encoders append to a pl_buf, pure, any thread. Frames are
 * split with pl_cproto_ops.split, messages joined with its separator. */
#ifndef PL_CODEC_CPROTO_CLIENT_H
#define PL_CODEC_CPROTO_CLIENT_H

#include "codec/cproto.h"

/* --- what comes in; "raw" and "walk" as in cproto.h --- */

struct pl_reply_info {
    bool is_set;
    struct pl_slice user, client;         /* text */
    struct pl_slice conn_info, chan_info; /* raw */
};

struct pl_reply_pub {
    struct pl_slice data;  /* raw */
    struct pl_reply_info info;
    uint64_t offset;
    struct pl_slice tags;  /* walk_pairs */
    bool delta;            /* data is a patch */
    int64_t time;          /* ms */
    struct pl_slice channel, key, epoch;
    bool removed;
    uint64_t version;
};

struct pl_reply_error {
    bool is_set;
    uint32_t code;
    struct pl_slice message;
    bool temporary;
};

struct pl_reply_connect {
    struct pl_slice client, version;
    bool expires, pong;
    uint32_t ttl, ping;    /* seconds */
    struct pl_slice data;  /* raw */
    struct pl_slice subs;  /* walk_subs */
    struct pl_slice session, node;
    int64_t time;          /* ms */
};

struct pl_reply_subscribe {
    bool expires, recoverable, recovered, positioned, was_recovering, delta;
    uint32_t ttl;
    struct pl_slice epoch;
    uint64_t offset;
    struct pl_slice publications; /* walk_pubs */
    struct pl_slice data;         /* raw */
    int64_t id;
    int32_t type, phase;
    struct pl_slice cursor;
    struct pl_slice state;        /* walk_pubs */
};

struct pl_reply_presence {
    struct pl_slice presence;     /* walk_clients */
};

struct pl_reply_presence_stats {
    uint32_t num_clients, num_users;
};

struct pl_reply_history {
    struct pl_slice publications; /* walk_pubs */
    struct pl_slice epoch;
    uint64_t offset;
};

struct pl_reply_expiry { /* refresh, sub_refresh */
    bool expires;
    uint32_t ttl;
    struct pl_slice items; /* walk_pubs; sub_refresh only */
};

enum pl_push_kind {
    PL_PUSH_NONE, /* one that we don't know: to be ignored */
    PL_PUSH_PUB,
    PL_PUSH_JOIN,
    PL_PUSH_LEAVE,
    PL_PUSH_UNSUBSCRIBE,
    PL_PUSH_MESSAGE,
    PL_PUSH_SUBSCRIBE,
    PL_PUSH_CONNECT,
    PL_PUSH_DISCONNECT,
    PL_PUSH_REFRESH,
    PL_N_PUSHES
};

struct pl_push {
    enum pl_push_kind kind;
    int64_t id;               /* numeric channel, 0 none */
    struct pl_slice channel;
    union {
        struct pl_reply_pub pub;
        struct { struct pl_reply_info info; } join, leave;
        struct { uint32_t code; struct pl_slice reason; } unsubscribe, disconnect;
        struct { struct pl_slice data; } message;
        struct pl_reply_subscribe subscribe; /* recoverable, epoch, offset, positioned, data */
        struct pl_reply_connect connect;
        struct pl_reply_expiry refresh;
    };
};

enum pl_reply_kind {
    PL_REPLY_PING,   /* {}: answer with pong */
    PL_REPLY_PUSH,
    PL_REPLY_ERROR,
    PL_REPLY_RESULT, /* of `cmd`; NONE: a result that we don't know */
};

struct pl_reply {
    uint32_t id;
    enum pl_reply_kind kind;
    enum pl_cmd_kind cmd;
    union {
        struct pl_push push;
        struct pl_reply_error error;
        struct pl_reply_connect connect;
        struct pl_reply_subscribe subscribe;
        struct pl_reply_presence presence;
        struct pl_reply_presence_stats presence_stats;
        struct pl_reply_history history;
        struct { struct pl_slice data; } rpc;
        struct pl_reply_expiry refresh, sub_refresh;
    };
};

struct pl_cproto_client_ops {
    const struct pl_cproto_ops *server; /* split, separator, walk_pairs, walk_strs, name */

    /* One Reply (or, is_uni, one bare Push). PL_EPROTO, PL_ETOOBIG (scratch full); *ret undefined then. */
    enum pl_err (*reply)(struct pl_slice one, bool is_uni, struct pl_scratch *scratch, struct pl_reply *ret) PL_MUST_CHECK;
    /* As the walks of pl_cproto_ops. */
    enum pl_err (*walk_pubs)(struct pl_walk *w, struct pl_scratch *scratch, struct pl_reply_pub *ret) PL_MUST_CHECK;
    enum pl_err (*walk_clients)(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_client,
                                struct pl_reply_info *ret) PL_MUST_CHECK;
    enum pl_err (*walk_subs)(struct pl_walk *w, struct pl_scratch *scratch, struct pl_slice *ret_channel,
                             struct pl_reply_subscribe *ret) PL_MUST_CHECK;

    /* Commands, each one whole message; id from 1 on. In JSON `subs` and `headers` of a connect are JSON objects as they shall stand there,
     * data and tf valid JSON, untrack and track JSON lists. */
    void (*connect)(struct pl_buf *b, uint32_t id, const struct pl_connect_req *r);
    void (*subscribe)(struct pl_buf *b, uint32_t id, const struct pl_subscribe_req *r);
    void (*unsubscribe)(struct pl_buf *b, uint32_t id, struct pl_slice channel);
    void (*publish)(struct pl_buf *b, uint32_t id, const struct pl_publish_req *r);
    void (*presence)(struct pl_buf *b, uint32_t id, struct pl_slice channel);
    void (*presence_stats)(struct pl_buf *b, uint32_t id, struct pl_slice channel);
    void (*history)(struct pl_buf *b, uint32_t id, const struct pl_history_req *r);
    void (*rpc)(struct pl_buf *b, uint32_t id, const struct pl_rpc_req *r);
    void (*send)(struct pl_buf *b, struct pl_slice data);
    void (*refresh)(struct pl_buf *b, uint32_t id, struct pl_slice token);
    void (*sub_refresh)(struct pl_buf *b, uint32_t id, const struct pl_sub_refresh_req *r);
    void (*pong)(struct pl_buf *b);
    /* One entry of pl_connect_req.subs, collected in a buffer of its own; JSON: the caller puts braces around them. */
    void (*connect_sub)(struct pl_buf *entries, struct pl_slice channel, const struct pl_subscribe_req *r);
};

extern const struct pl_cproto_client_ops pl_cproto_client_json;

#endif
