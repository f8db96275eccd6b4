/* msg/msg.h - one published message (or join, or leave), shared by every shard that has subscribers.
 *
 * Built by one shard, sealed by its channel's home (offset, epoch, time), then read-only, so any thread may read it without a
 * lock. A shard holds ONE atomic reference however many subscribers it has. It carries what every dialect needs
 * (transports-and-adapters.md 0.1), so no dialect keeps its own copy. */
#ifndef PL_MSG_MSG_H
#define PL_MSG_MSG_H

#include <stdatomic.h>

#include "base/err.h"
#include "base/record.h"
#include "base/str.h"

enum pl_msg_kind { PL_MSG_PUB, PL_MSG_JOIN, PL_MSG_LEAVE };

/* Who: attached to publications by clients, joins, leaves and presence. */
struct pl_client_info {
    uint8_t client[16];            /* connection id, binary UUID */
    struct pl_str *user;           /* ref; NULL: anonymous */
    struct pl_str *conn_info;      /* ref; raw JSON or bytes; NULL none */
    struct pl_str *chan_info;      /* ref */
};
void pl_client_info_copy(struct pl_client_info *to, const struct pl_client_info *from); /* takes references */
void pl_client_info_fini(struct pl_client_info *ci);

struct pl_msg {
    atomic_uint refs;
    uint8_t kind;                  /* enum pl_msg_kind */
    bool has_info;
    bool is_delta_wanted;          /* the publisher asked for delta */
    bool is_json;                  /* data is known to be one JSON value; else JSON clients need a check */
    uint16_t channel_len;
    uint32_t data_len;
    uint64_t offset;               /* 1-based within the epoch; 0: the channel keeps no history */
    int64_t time_ms;               /* wall clock of sealing */
    uint64_t version;
    struct pl_str *epoch;          /* ref; NULL without history */
    struct pl_str *tags;           /* ref; raw JSON object of strings; NULL none */
    struct pl_client_info info;    /* valid if has_info */
    uint8_t bytes[];               /* channel, then data */
};

/* Copies channel (1..65535 bytes) and data (0..limit of the namespace, checked by the caller) into a message with one reference.
 * info and tags may be NULL; references are taken. Errors: PL_ENOMEM. Any thread. */
enum pl_err pl_msg_new(enum pl_msg_kind kind, struct pl_slice channel, struct pl_slice data, const struct pl_client_info *info,
                       struct pl_str *tags, struct pl_msg **ret_msg) PL_MUST_CHECK;
static inline struct pl_msg *pl_msg_ref(struct pl_msg *m)          /* any thread */
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}
void pl_msg_unref(struct pl_msg **take_m);                         /* any thread; last one frees; NULL is fine */
static inline struct pl_slice pl_msg_channel(const struct pl_msg *m) { return pl_slice(m->bytes, m->channel_len); }
static inline struct pl_slice pl_msg_data(const struct pl_msg *m) { return pl_slice(m->bytes + m->channel_len, m->data_len); }
/* What it costs, for budgets and history bytes. */
size_t pl_msg_cost(const struct pl_msg *m);
void pl_msg_save(const struct pl_msg *m, struct pl_rec_out *r);
enum pl_err pl_msg_load(struct pl_rec_in rec, struct pl_msg **ret_msg) PL_MUST_CHECK;

#endif
