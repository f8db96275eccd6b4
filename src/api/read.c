/* history, history_remove, presence, presence_stats, channels, info, rpc. */
#include <stdlib.h>
#include <unistd.h>

#include "api/run.h"
#include "base/check.h"
#include "codec/b64.h"
#include "codec/cproto_json.h"
#include "codec/json_obj.h"
#include "config/channel.h"
#include "hub/hub.h"
#include "session/control.h"

/* The options of the channel a request is about. 0, or the error to answer. */
static unsigned resolve(struct api_run *r, struct pl_slice channel, const struct pl_channel_options **ret)
{
    struct pl_channel_ref ref;

    if (channel.len == 0 || channel.len > UINT16_MAX)
        return API_BAD_REQUEST;
    if (pl_channel_resolve(api_config(r), channel, &ref) != PL_OK)
        return API_UNKNOWN_CHANNEL;
    *ret = ref.opts;
    return 0;
}

static struct pl_client_info_view info_view(const struct pl_client_info *i)
{
    return (struct pl_client_info_view){ pl_str_slice(i->user), i->client, pl_str_slice(i->conn_info), pl_str_slice(i->chan_info) };
}

/* ---- history ---- */

/* Bytes that are no JSON are shown as b64data, as they may be given. */
static void put_publication(struct pl_buf *b, const struct pl_msg *m)
{
    struct pl_pub_view v = { .data = pl_msg_data(m), .data_is_json = m->is_json, .offset = m->offset, .tags = pl_str_slice(m->tags) };
    struct pl_client_info_view info;
    size_t at;

    if (m->has_info) {
        info = info_view(&m->info);
        v.info = &info;
    }
    if (pl_cproto_json.publication(b, &v))
        return;
    PL_BUF_LIT(b, "{\"b64data\":\"");
    pl_b64_encode(b, PL_B64_STD, v.data);
    pl_buf_byte(b, '"');
    at = b->len;
    v.data = pl_slice(NULL, 0);
    (void)pl_cproto_json.publication(b, &v); /* without data it can be shown; an offset is always there */
    if (pl_buf_ok(b))
        b->p[at] = ',';
}

static void history_answer(struct api_run *r, const struct pl_op *op, enum pl_err err)
{
    struct pl_buf *b = &r->out;

    if (err != PL_OK) {
        (void)api_fail(r, api_error_of(err)); /* always PL_OK */
        return;
    }
    api_begin(r);
    PL_BUF_LIT(b, "{\"publications\":[");
    for (uint32_t i = 0; i < op->n_msgs; i++) {
        if (i != 0)
            pl_buf_byte(b, ',');
        put_publication(b, op->msgs[i]);
    }
    PL_BUF_LIT(b, "],\"epoch\":");
    pl_json_put_str(b, pl_str_slice(op->epoch));
    PL_BUF_LIT(b, ",\"offset\":");
    pl_buf_u64(b, op->offset);
    pl_buf_byte(b, '}');
    api_end(r);
}

static void history_done(struct pl_shard *s, struct pl_op *op)
{
    struct api_run *r = op->ctx;

    (void)s;
    history_answer(r, op, op->err);
    pl_op_end(&op);
    api_resume(r);
}

static void remove_answer(struct api_run *r, enum pl_err err)
{
    if (err != PL_OK) {
        (void)api_fail(r, api_error_of(err)); /* always PL_OK */
        return;
    }
    api_begin(r);
    PL_BUF_LIT(&r->out, "{}");
    api_end(r);
}

static void remove_done(struct pl_shard *s, struct pl_op *op)
{
    struct api_run *r = op->ctx;

    (void)s;
    remove_answer(r, op->err);
    pl_op_end(&op);
    api_resume(r);
}

/* Both need a channel with history. */
static unsigned history_op(struct api_run *r, enum pl_op_kind kind, struct pl_slice channel, struct pl_op *op)
{
    const struct pl_channel_options *o;
    unsigned code = resolve(r, channel, &o);

    if (code == 0 && (o->history_size <= 0 || o->history_ttl_ms <= 0))
        code = API_NOT_AVAILABLE;
    if (code == 0 && pl_op_init(op, kind, channel) != PL_OK)
        code = API_INTERNAL;
    if (code != 0)
        return code;
    op->keep = (struct pl_keep){ (uint32_t)o->history_size, (uint32_t)(o->history_ttl_ms / 1000), (uint32_t)(o->history_meta_ttl_ms / 1000) };
    op->ctx = r;
    return 0;
}

enum pl_err api_history(struct api_run *r, const union api_request *q)
{
    const struct api_history *h = &q->history;
    struct pl_op op;
    unsigned code = history_op(r, PL_OP_HISTORY, h->channel, &op);
    enum pl_err err = PL_OK;

    if (code != 0)
        return api_fail(r, (enum api_error)code);
    op.done = history_done;
    op.is_reverse = h->reverse;
    op.limit = h->limit < 0 ? -1 : h->limit; /* no clamp here: wire-protocol.md 10.3 */
    if (h->since.is_set) {
        op.has_since = true;
        op.since_offset = h->since.offset;
        err = pl_op_set(&op.since_epoch, h->since.epoch);
    }
    if (h->reverse && h->since.is_set && h->since.offset == 0) {
        pl_op_fini(&op);
        return api_fail(r, API_BAD_REQUEST);
    }
    if (err == PL_OK)
        err = pl_hub_run(r->shard, &op);
    if (err == PL_WAIT)
        return PL_WAIT;
    history_answer(r, &op, err);
    pl_op_fini(&op);
    return PL_OK;
}

enum pl_err api_history_remove(struct api_run *r, const union api_request *q)
{
    struct pl_op op;
    unsigned code = history_op(r, PL_OP_HISTORY_REMOVE, q->channel.channel, &op);
    enum pl_err err;

    if (code != 0)
        return api_fail(r, (enum api_error)code);
    op.done = remove_done;
    err = pl_hub_run(r->shard, &op);
    if (err == PL_WAIT)
        return PL_WAIT;
    remove_answer(r, err);
    pl_op_fini(&op);
    return PL_OK;
}

/* ---- presence ---- */

struct presence_call {
    struct pl_presence p;
    struct api_run *run;
};

static void presence_end(struct presence_call *c, enum pl_err err)
{
    struct api_run *r = c->run;
    struct pl_buf *b = &r->out, entries = pl_buf_init(b->limit);

    if (err != PL_OK) {
        (void)api_fail(r, api_error_of(err)); /* always PL_OK */
        goto out;
    }
    pl_presence_count(&c->p);
    api_begin(r);
    if (c->p.stats_only) {
        PL_BUF_LIT(b, "{\"num_clients\":");
        pl_buf_u64(b, c->p.n_clients);
        PL_BUF_LIT(b, ",\"num_users\":");
        pl_buf_u64(b, c->p.n_users);
        pl_buf_byte(b, '}');
    } else {
        for (size_t i = 0; i < c->p.n_entries; i++) {
            struct pl_client_info_view v = info_view(&c->p.entries[i]);

            pl_cproto_json.presence_entry(&entries, &v);
        }
        b->failed |= !pl_buf_ok(&entries);
        PL_BUF_LIT(b, "{\"presence\":{");
        pl_buf_slice_put(b, pl_buf_slice(&entries));
        PL_BUF_LIT(b, "}}");
    }
    api_end(r);
out:
    pl_buf_fini(&entries);
    pl_presence_fini(&c->p);
    free(c);
}

static void presence_done(struct pl_shard *s, struct pl_tour *t)
{
    struct presence_call *c = PL_OF(t, struct presence_call, p.tour);
    struct api_run *r = c->run;

    (void)s;
    presence_end(c, PL_OK);
    api_resume(r);
}

static enum pl_err presence(struct api_run *r, struct pl_slice channel, bool stats_only)
{
    const struct pl_channel_options *o;
    unsigned code = resolve(r, channel, &o);
    struct presence_call *c;
    enum pl_err err;
    bool ok;

    if (code == 0 && !o->presence)
        code = API_NOT_AVAILABLE;
    if (code != 0)
        return api_fail(r, (enum api_error)code);
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return api_fail(r, API_INTERNAL);
    c->run = r;
    c->p.stats_only = stats_only;
    c->p.tour.done = presence_done;
    c->p.channel = pl_str_new(channel, &ok);
    err = ok ? pl_hub_presence(r->shard, &c->p) : PL_ENOMEM;
    if (err == PL_WAIT)
        return PL_WAIT;
    presence_end(c, err);
    return PL_OK;
}

enum pl_err api_presence(struct api_run *r, const union api_request *q)
{
    return presence(r, q->channel.channel, false);
}

enum pl_err api_presence_stats(struct api_run *r, const union api_request *q)
{
    return presence(r, q->channel.channel, true);
}

/* ---- channels ---- */

struct channels_call {
    struct pl_channel_list list;
    struct api_run *run;
};

static void channels_end(struct channels_call *c, enum pl_err err)
{
    struct api_run *r = c->run;
    struct pl_buf *b = &r->out;

    if (err == PL_OK && c->list.no_memory)
        err = PL_ENOMEM;
    if (err != PL_OK) {
        (void)api_fail(r, api_error_of(err)); /* always PL_OK */
    } else {
        pl_channel_list_merge(&c->list);
        api_begin(r);
        PL_BUF_LIT(b, "{\"channels\":{");
        for (size_t i = 0; i < c->list.n_items; i++) {
            if (i != 0)
                pl_buf_byte(b, ',');
            pl_json_put_str(b, pl_str_slice(c->list.items[i].name));
            PL_BUF_LIT(b, ":{\"num_clients\":");
            pl_buf_u64(b, c->list.items[i].n_clients);
            pl_buf_byte(b, '}');
        }
        PL_BUF_LIT(b, "}}");
        api_end(r);
    }
    pl_channel_list_fini(&c->list);
    free(c);
}

static void channels_done(struct pl_shard *s, struct pl_tour *t)
{
    struct channels_call *c = PL_OF(t, struct channels_call, list.tour);
    struct api_run *r = c->run;

    (void)s;
    channels_end(c, PL_OK);
    api_resume(r);
}

enum pl_err api_channels(struct api_run *r, const union api_request *q)
{
    struct channels_call *c = calloc(1, sizeof *c);
    enum pl_err err;
    bool ok;

    if (c == NULL)
        return api_fail(r, API_INTERNAL);
    c->run = r;
    c->list.tour.done = channels_done;
    c->list.pattern = pl_str_new(q->channels.pattern, &ok);
    err = ok ? pl_hub_channels(r->shard, &c->list) : PL_ENOMEM;
    if (err == PL_WAIT)
        return PL_WAIT;
    channels_end(c, err);
    return PL_OK;
}

/* ---- info ---- */

struct info_call {
    struct pl_node_counts counts;
    struct api_run *run;
};

static void put_node_name(struct pl_buf *b, const struct pl_config *cfg)
{
    char host[256] = "";

    if (cfg->node.name[0] != '\0') {
        pl_json_put_str(b, pl_slice_str(cfg->node.name));
        return;
    }
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    pl_buf_byte(b, '"');
    pl_json_put_str_part(b, pl_slice_str(host));
    pl_buf_byte(b, '_');
    pl_buf_i64(b, cfg->http_server.port);
    pl_buf_byte(b, '"');
}

static void info_end(struct info_call *c, enum pl_err err)
{
    struct api_run *r = c->run;
    struct pl_node *node = r->shard->node;
    int64_t uptime_s = (r->shard->wall_ms - node->started_wall_ms) / 1000;
    struct pl_buf *b = &r->out;

    if (err != PL_OK) {
        (void)api_fail(r, api_error_of(err)); /* always PL_OK */
    } else {
        pl_node_counts_merge(&c->counts);
        api_begin(r);
        PL_BUF_LIT(b, "{\"nodes\":[{\"uid\":");
        pl_cproto_json_uuid(b, node->id);
        PL_JSON_NAME(b, "name");
        put_node_name(b, node->config);
        PL_BUF_LIT(b, ",\"version\":\"" PEAL_VERSION " Peal\",\"num_clients\":");
        pl_buf_u64(b, c->counts.n_clients);
        PL_JSON_NAME(b, "num_users");
        pl_buf_u64(b, c->counts.n_distinct_users);
        PL_JSON_NAME(b, "num_channels");
        pl_buf_u64(b, c->counts.n_distinct_channels);
        PL_JSON_U64(b, "uptime", (uint64_t)(uptime_s > 0 ? uptime_s : 0));
        PL_JSON_NAME(b, "num_subs");
        pl_buf_u64(b, c->counts.n_subs);
        PL_BUF_LIT(b, "}]}");
        api_end(r);
    }
    pl_node_counts_fini(&c->counts);
    free(c);
}

static void info_done(struct pl_shard *s, struct pl_tour *t)
{
    struct info_call *c = PL_OF(t, struct info_call, counts.tour);
    struct api_run *r = c->run;

    (void)s;
    info_end(c, PL_OK);
    api_resume(r);
}

enum pl_err api_info(struct api_run *r, const union api_request *q)
{
    struct info_call *c = calloc(1, sizeof *c);
    enum pl_err err;

    (void)q; /* has no fields */
    if (c == NULL)
        return api_fail(r, API_INTERNAL);
    c->run = r;
    c->counts.tour.done = info_done;
    err = pl_node_counts_start(r->shard, &c->counts);
    if (err == PL_WAIT)
        return PL_WAIT;
    info_end(c, err);
    return PL_OK;
}

/* ---- rpc ---- */

enum pl_err api_rpc(struct api_run *r, const union api_request *q)
{
    return api_fail(r, q->rpc.method.len == 0 ? API_BAD_REQUEST : API_NOT_FOUND); /* no methods are registered */
}
