/* session/control.h - what the backend may do to connections: by user, client or session id, on all shards (a tour).
 *
 * user selects all connections of that user ("" = anonymous ones); client and session narrow the set within that user (wire-protocol.md
 * 10.3). No match is a success. */
#ifndef PL_SESSION_CONTROL_H
#define PL_SESSION_CONTROL_H

#include "session/sess.h"

enum pl_control_kind { PL_CONTROL_DISCONNECT, PL_CONTROL_SUBSCRIBE, PL_CONTROL_UNSUBSCRIBE, PL_CONTROL_REFRESH };

struct pl_control {
    struct pl_tour tour;            /* done set by the caller, if PL_WAIT is to be expected */
    struct pl_handle owner;         /* the caller's */
    uint64_t tag;                   /* the caller's */
    enum pl_control_kind kind;
    struct pl_str *user;            /* refs, all of them; pl_control_fini drops them */
    bool any_user;                  /* only client decides (later issues) */
    bool has_client;
    uint8_t client[16];
    struct pl_str *session;
    /* DISCONNECT */
    uint32_t code;                  /* 0: 3503 force disconnect */
    struct pl_str *reason;
    uint8_t (*whitelist)[16];       /* owned */
    size_t n_whitelist;
    /* SUBSCRIBE, UNSUBSCRIBE (no channel: all) */
    struct pl_str *channel;
    struct pl_str *info, *data;
    int64_t expire_at;              /* also REFRESH; 0: never */
    struct pl_override override;
    bool has_since;
    uint64_t since_offset;
    struct pl_str *since_epoch;
    /* REFRESH */
    bool expired;
    bool has_info;                  /* info replaces conn_info */

    uint32_t n_matched;             /* result */
};

/* PL_OK: all done (one shard). PL_WAIT: tour.done comes. PL_EBUSY. SUBSCRIBE answers when the wishes are with the shards' hubs. */
enum pl_err pl_control_start(struct pl_shard *s, struct pl_control *c) PL_MUST_CHECK;
void pl_control_fini(struct pl_control *c);

/* Counts over all shards for `info`. */
struct pl_node_counts {
    struct pl_tour tour;
    struct pl_handle owner;
    uint64_t tag;
    uint64_t n_clients, n_subs;
    struct pl_str **users;          /* owned: distinct users of each shard */
    size_t n_users, cap_users;
    struct pl_channel_list channels;
    uint32_t n_distinct_users, n_distinct_channels; /* after pl_node_counts_merge */
};
enum pl_err pl_node_counts_start(struct pl_shard *s, struct pl_node_counts *c) PL_MUST_CHECK;
void pl_node_counts_merge(struct pl_node_counts *c);
void pl_node_counts_fini(struct pl_node_counts *c);

#endif
