/* api/run.h - inside the room: one HTTP request under way and the methods it calls.
 *
 * A run is one request: a single call, a batch, or lines of the old-style endpoint. Its commands are carried out one after
 * another; each appends its answer to `out`. A command that has to ask another shard says PL_WAIT and calls api_resume() when its
 * answer is appended; the run then goes on from where it stood. Everything on the shard that took the request. */
#ifndef PL_API_RUN_H
#define PL_API_RUN_H

#include "base/list.h"
#include "codec/json.h"
#include "codec/override.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "shard/shard.h"

/* Errors of the server API (wire-protocol.md 10.1); texts and statuses stand in run.c. */
enum api_error {
    API_INTERNAL = 100,
    API_UNKNOWN_CHANNEL = 102,
    API_NOT_FOUND = 104,
    API_BAD_REQUEST = 107,
    API_NOT_AVAILABLE = 108,
    API_TOO_MANY = 111, /* Peal's: no mailbox slot; worth a retry */
    API_UNRECOVERABLE = 112,
    API_CONFLICT = 113,
};

/* ---- requests: wire-protocol.md 10.2 ---- */

struct api_position {
    bool is_set;
    uint64_t offset;
    struct pl_slice epoch;
};

struct api_publish {
    struct pl_slice channel;         /* publish */
    struct pl_slice channels;        /* broadcast: list of strings */
    struct pl_slice data, b64data;
    bool skip_history, delta;
    struct pl_slice tags;            /* object of strings */
    struct pl_slice idempotency_key;
    uint64_t version;
    struct pl_slice version_epoch;
};

struct api_control {                 /* subscribe, unsubscribe, disconnect, refresh */
    struct pl_slice channel, user, client, session;
    int64_t expire_at;
    struct pl_slice info, b64info, data, b64data;
    struct api_position recover_since;
    struct pl_override override;
    bool expired;
    struct { bool is_set; uint32_t code; struct pl_slice reason; } disconnect;
    struct pl_slice whitelist;       /* list of strings */
};

struct api_history {
    struct pl_slice channel;
    int32_t limit;
    struct api_position since;
    bool reverse;
};

struct api_channel {                 /* presence, presence_stats, history_remove */
    struct pl_slice channel;
};

struct api_channels {
    struct pl_slice pattern;
};

struct api_rpc {
    struct pl_slice method, params;
};

union api_request {
    struct api_publish publish;
    struct api_control control;
    struct api_history history;
    struct api_channel channel;
    struct api_channels channels;
    struct api_rpc rpc;
};

struct api_run;

struct api_method {
    const char *name;
    int number;                      /* in the old-style endpoint */
    int label;                       /* PL_MV_API_ */
    bool keeps_request;              /* goes on reading the request while it waits */
    const struct pl_json_shape *shape;
    /* PL_OK: answered with api_begin/api_end or api_fail. PL_WAIT: api_resume() comes after that. q is gone afterwards. */
    enum pl_err (*start)(struct api_run *r, const union api_request *q);
};

enum { API_N_METHODS = 13 };
extern const struct api_method api_methods[API_N_METHODS];
const struct api_method *api_method_by_name(struct pl_slice name); /* any letter case; NULL unknown */
const struct api_method *api_method_by_number(int64_t number);
/* {"commands":[{"<method>":{...}}],"parallel":bool}; parallel is an offer that we need not take. */
struct api_batch {
    struct pl_slice commands;
    bool parallel;
};
extern const struct pl_json_shape api_batch_shape;
/* One command of a batch: a checked slice per method, in the order of api_methods. */
struct api_command {
    struct pl_slice params[API_N_METHODS];
};
extern const struct pl_json_shape api_command_shape;

/* ---- the run ---- */

enum api_form { API_SINGLE, API_BATCH, API_LINES };

struct api_run {
    struct pl_list all;              /* in the room's list of runs under way, or of spare ones */
    struct pl_shard *shard;
    struct pl_handle http;           /* whom to answer later */
    enum api_form form;
    bool transport_errors;
    bool is_started;                 /* a command of the list was carried out */
    unsigned status;                 /* of the HTTP answer */
    struct pl_walk commands;         /* API_BATCH: those still to do */
    struct pl_slice lines;           /* API_LINES: the same */
    const struct api_method *method; /* the command under way */
    uint32_t line_id;                /* API_LINES: its id, 0 none */
    uint64_t started_ns;
    struct pl_buf body;              /* copy of a request that must outlive its handler */
    struct pl_buf out;
    struct pl_scratch scratch;       /* of the command under way */
};

/* Around the result object that a method appends to r->out. */
void api_begin(struct api_run *r);
void api_end(struct api_run *r);
/* The answer to the command is this error. Gives PL_OK, for `return api_fail(...)`. */
enum pl_err api_fail(struct api_run *r, enum api_error code);
/* {"code":..,"message":..} */
void api_put_error(struct pl_buf *b, enum api_error code);
void api_count_error(struct api_run *r, enum api_error code);
/* What the hub's and the engine's errors mean for the caller. */
enum api_error api_error_of(enum pl_err err);
/* After PL_WAIT: the answer is appended; the run may be gone afterwards. */
void api_resume(struct api_run *r);

const struct pl_config *api_config(const struct api_run *r);
/* data, or the bytes of b64data, which wins; PL_EINVAL bad base64, PL_ENOMEM. *ret_is_json: known to be. */
enum pl_err api_payload(struct api_run *r, struct pl_slice raw, struct pl_slice b64, struct pl_slice *ret, bool *ret_is_json) PL_MUST_CHECK;

enum pl_err api_publish(struct api_run *r, const union api_request *q);
enum pl_err api_broadcast(struct api_run *r, const union api_request *q);
enum pl_err api_subscribe(struct api_run *r, const union api_request *q);
enum pl_err api_unsubscribe(struct api_run *r, const union api_request *q);
enum pl_err api_disconnect(struct api_run *r, const union api_request *q);
enum pl_err api_refresh(struct api_run *r, const union api_request *q);
enum pl_err api_history(struct api_run *r, const union api_request *q);
enum pl_err api_history_remove(struct api_run *r, const union api_request *q);
enum pl_err api_presence(struct api_run *r, const union api_request *q);
enum pl_err api_presence_stats(struct api_run *r, const union api_request *q);
enum pl_err api_info(struct api_run *r, const union api_request *q);
enum pl_err api_channels(struct api_run *r, const union api_request *q);
enum pl_err api_rpc(struct api_run *r, const union api_request *q);

#endif
