/* publish and broadcast (wire-protocol.md 10.3). */
#include <stdlib.h>

#include "api/run.h"
#include "codec/json_write.h"
#include "config/channel.h"
#include "hub/hub.h"
#include "session/sess.h"

enum { BROADCAST_WINDOW = 256, TAGS_MAX = 64 << 10 };

/* Tags as every encoder may embed them: one compact object, null read as the empty string. PL_ENOMEM. */
static enum pl_err make_tags(struct api_run *r, struct pl_slice tags, struct pl_str **ret)
{
    struct pl_walk w = pl_walk(tags);
    struct pl_slice name, value;
    struct pl_buf b;
    enum pl_err err;
    bool ok;

    *ret = NULL;
    if (tags.len == 0)
        return PL_OK;
    b = pl_buf_init(6 * tags.len + TAGS_MAX); /* a control character in six bytes was six bytes before */
    while ((err = pl_json_walk_pair(&w, &r->scratch, &name, &value)) == PL_OK) {
        pl_buf_byte(&b, b.len == 0 ? '{' : ',');
        pl_json_put_str(&b, name);
        pl_buf_byte(&b, ':');
        pl_json_put_str(&b, value);
    }
    if (b.len != 0)
        pl_buf_byte(&b, '}');
    err = err == PL_ENOENT && pl_buf_ok(&b) ? PL_OK : PL_ENOMEM;
    if (err == PL_OK) {
        *ret = pl_str_new(pl_buf_slice(&b), &ok);
        err = ok ? PL_OK : PL_ENOMEM;
    }
    pl_buf_fini(&b);
    return err;
}

/* What all channels of a call share. */
struct payload {
    struct pl_slice data;
    struct pl_str *tags; /* ref */
    bool is_json;
};

static enum pl_err op_fields(struct pl_op *op, const struct api_publish *q, const struct payload *p,
                             const struct pl_channel_options *o, struct pl_slice channel)
{
    enum pl_err err = pl_op_init(op, PL_OP_PUBLISH, channel);

    if (err == PL_OK && q->idempotency_key.len != 0)
        err = pl_op_set(&op->idempotency_key, q->idempotency_key);
    if (err == PL_OK && q->version_epoch.len != 0)
        err = pl_op_set(&op->version_epoch, q->version_epoch);
    if (err == PL_OK)
        err = pl_msg_new(PL_MSG_PUB, channel, p->data, NULL, p->tags, &op->msg);
    if (err != PL_OK)
        return err;
    op->keep = (struct pl_keep){ (uint32_t)o->history_size, (uint32_t)(o->history_ttl_ms / 1000), (uint32_t)(o->history_meta_ttl_ms / 1000) };
    op->version = q->version;
    op->skip_history = q->skip_history;
    op->msg->is_delta_wanted = q->delta || o->delta_publish;
    op->msg->is_json = p->is_json;
    return PL_OK;
}

/* Makes the op for one channel. 0, or the error to answer; then *op holds nothing. */
static unsigned make_op(struct api_run *r, const struct api_publish *q, const struct payload *p, struct pl_slice channel, struct pl_op *op)
{
    struct pl_channel_ref ref;

    if (channel.len == 0 || channel.len > UINT16_MAX)
        return API_BAD_REQUEST;
    if (pl_channel_resolve(api_config(r), channel, &ref) != PL_OK)
        return API_UNKNOWN_CHANNEL;
    if (ref.opts->subscription_type != PL_SUB_STREAM || !pl_sess_data_ok(ref.opts->publication_data_format, p->data))
        return API_BAD_REQUEST;
    if (op_fields(op, q, p, ref.opts, channel) == PL_OK)
        return 0;
    pl_op_fini(op);
    return API_INTERNAL;
}

static enum api_error make_payload(struct api_run *r, const struct api_publish *q, struct payload *ret)
{
    enum pl_err err = api_payload(r, q->data, q->b64data, &ret->data, &ret->is_json);

    ret->tags = NULL;
    if (err == PL_OK)
        err = make_tags(r, q->tags, &ret->tags);
    return err == PL_OK ? 0 : err == PL_EINVAL ? API_BAD_REQUEST : API_INTERNAL;
}

/* {"offset":..,"epoch":..}, or {} where nothing is kept */
static void put_position(struct pl_buf *b, uint64_t offset, const struct pl_str *epoch)
{
    if (offset == 0) {
        PL_BUF_LIT(b, "{}");
        return;
    }
    PL_BUF_LIT(b, "{\"offset\":");
    pl_buf_u64(b, offset);
    PL_BUF_LIT(b, ",\"epoch\":");
    pl_json_put_str(b, pl_str_slice(epoch));
    pl_buf_byte(b, '}');
}

/* ---- publish ---- */

static void publish_answer(struct api_run *r, const struct pl_op *op, enum pl_err err)
{
    if (err != PL_OK) {
        (void)api_fail(r, api_error_of(err)); /* always PL_OK */
        return;
    }
    api_begin(r);
    put_position(&r->out, op->offset, op->epoch);
    api_end(r);
}

static void publish_done(struct pl_shard *s, struct pl_op *op)
{
    struct api_run *r = op->ctx;

    (void)s;
    publish_answer(r, op, op->err);
    pl_op_end(&op);
    api_resume(r);
}

enum pl_err api_publish(struct api_run *r, const union api_request *q)
{
    struct payload p;
    struct pl_op op;
    unsigned code = make_payload(r, &q->publish, &p);
    enum pl_err err;

    if (code == 0)
        code = make_op(r, &q->publish, &p, q->publish.channel, &op);
    pl_str_unref(&p.tags);
    if (code != 0)
        return api_fail(r, (enum api_error)code);
    op.ctx = r;
    op.done = publish_done;
    err = pl_hub_run(r->shard, &op);
    if (err == PL_WAIT)
        return PL_WAIT;
    publish_answer(r, &op, err);
    pl_op_fini(&op);
    return PL_OK;
}

/* ---- broadcast ---- */

struct item {
    unsigned error;       /* enum api_error, 0 none */
    uint64_t offset;
    struct pl_str *epoch; /* ref */
};

struct broadcast {
    struct api_run *run;
    struct api_publish q;  /* slices of the run's copy of the request */
    struct payload payload;
    struct pl_walk walk;   /* over the channels still to do */
    struct pl_slice again; /* a channel that found no mailbox slot */
    bool has_again;
    size_t n, next, n_out; /* channels, started, not back yet */
    struct item items[];
};

static void broadcast_free(struct broadcast *b)
{
    for (size_t i = 0; i < b->next; i++)
        pl_str_unref(&b->items[i].epoch);
    pl_str_unref(&b->payload.tags);
    free(b);
}

static void broadcast_answer(struct broadcast *b)
{
    struct api_run *r = b->run;
    struct pl_buf *out = &r->out;

    api_begin(r);
    PL_BUF_LIT(out, "{\"responses\":[");
    for (size_t i = 0; i < b->n; i++) {
        if (i != 0)
            pl_buf_byte(out, ',');
        if (b->items[i].error != 0) {
            PL_BUF_LIT(out, "{\"error\":");
            api_put_error(out, (enum api_error)b->items[i].error);
            api_count_error(r, (enum api_error)b->items[i].error);
        } else {
            PL_BUF_LIT(out, "{\"result\":");
            put_position(out, b->items[i].offset, b->items[i].epoch);
        }
        pl_buf_byte(out, '}');
    }
    PL_BUF_LIT(out, "]}");
    api_end(r);
}

static void item_take(struct item *it, struct pl_op *op, enum pl_err err)
{
    it->error = err == PL_OK ? 0 : api_error_of(err);
    it->offset = op->offset;
    it->epoch = op->epoch;
    op->epoch = NULL;
}

static void broadcast_done(struct pl_shard *s, struct pl_op *op);

/* Starts as many as may be under way; a full mailbox is tried again when one comes back. */
static void broadcast_pump(struct broadcast *b)
{
    while (b->next < b->n && b->n_out < BROADCAST_WINDOW) {
        struct item *it = &b->items[b->next];
        struct pl_slice channel = b->again;
        struct pl_op op;
        enum pl_err err;

        if (!b->has_again && pl_json_walk_str(&b->walk, &b->run->scratch, &channel) != PL_OK)
            channel = pl_slice(NULL, 0); /* the scratch is full: answered as an empty name */
        b->has_again = false;
        *it = (struct item){ .error = make_op(b->run, &b->q, &b->payload, channel, &op) };
        if (it->error == 0) {
            op.ctx = b;
            op.tag = b->next;
            op.done = broadcast_done;
            err = pl_hub_run(b->run->shard, &op);
            if (err == PL_WAIT) {
                b->n_out++;
            } else if (err == PL_EBUSY && b->n_out != 0) {
                pl_op_fini(&op);
                b->again = channel;
                b->has_again = true;
                return;
            } else {
                item_take(it, &op, err);
                pl_op_fini(&op);
            }
        }
        b->next++;
    }
}

static void broadcast_done(struct pl_shard *s, struct pl_op *op)
{
    struct broadcast *b = op->ctx;
    struct api_run *r = b->run;

    (void)s;
    item_take(&b->items[op->tag], op, op->err);
    pl_op_end(&op);
    b->n_out--;
    broadcast_pump(b);
    if (b->next < b->n || b->n_out != 0)
        return;
    broadcast_answer(b);
    broadcast_free(b);
    api_resume(r);
}

static size_t count_channels(struct pl_slice list)
{
    struct pl_json j = pl_json_init(list, NULL);
    size_t n = 0;

    if (list.len == 0 || !pl_json_open(&j, '['))
        return 0;
    while (pl_json_element(&j, &n))
        (void)pl_json_raw(&j, NULL); /* a checked list */
    return n;
}

enum pl_err api_broadcast(struct api_run *r, const union api_request *q)
{
    size_t n = count_channels(q->publish.channels);
    struct payload p;
    struct broadcast *b;
    unsigned code;

    if (n == 0)
        return api_fail(r, API_BAD_REQUEST);
    code = make_payload(r, &q->publish, &p);
    b = code == 0 ? malloc(sizeof *b + n * sizeof b->items[0]) : NULL;
    if (b == NULL) {
        pl_str_unref(&p.tags);
        return api_fail(r, code != 0 ? (enum api_error)code : API_INTERNAL);
    }
    *b = (struct broadcast){ .run = r, .q = q->publish, .payload = p, .walk = pl_walk(q->publish.channels), .n = n };
    broadcast_pump(b);
    if (b->n_out != 0)
        return PL_WAIT;
    broadcast_answer(b);
    broadcast_free(b);
    return PL_OK;
}
