#include "lib/post.h"

#include <stdlib.h>

#include "codec/http1_resp_parse.h"
#include "codec/json.h"
#include "codec/json_write.h"

enum { POST_OUT = 64 << 20, POST_ANSWER = 4 << 20, POST_UNDER_WAY = 1 << 20 };

void pl_post_init(struct pl_post *p, const struct pl_post_setup *setup, pl_post_answer_fn *on_answer)
{
    *p = (struct pl_post){ .setup = setup, .on_answer = on_answer, .out = pl_buf_init(POST_OUT),
                           .in = pl_buf_init(POST_ANSWER) };
}

void pl_post_fini(struct pl_post *p)
{
    pl_buf_fini(&p->out);
    pl_buf_fini(&p->in);
    free(p->tags);
    p->tags = NULL;
    p->tags_cap = p->n_tags = 0;
}

static enum pl_err tag_push(struct pl_post *p, uint64_t tag)
{
    uint32_t cap = p->tags_cap == 0 ? 16 : p->tags_cap * 2;
    uint64_t *wider;

    if (p->n_tags == p->tags_cap) {
        if (p->n_tags >= POST_UNDER_WAY || (wider = malloc(cap * sizeof *wider)) == NULL)
            return PL_ENOMEM;
        for (uint32_t i = 0; i < p->n_tags; i++)
            wider[i] = p->tags[(p->tags_at + i) % p->tags_cap];
        free(p->tags);
        p->tags = wider;
        p->tags_cap = cap;
        p->tags_at = 0;
    }
    p->tags[(p->tags_at + p->n_tags++) % p->tags_cap] = tag;
    return PL_OK;
}

static uint64_t tag_pop(struct pl_post *p)
{
    uint64_t tag = p->tags[p->tags_at];

    p->tags_at = (p->tags_at + 1) % p->tags_cap;
    p->n_tags--;
    return tag;
}

static enum pl_err put_end(struct pl_post *p, size_t mark, uint64_t tag)
{
    enum pl_err err = pl_buf_ok(&p->out) ? tag_push(p, tag) : PL_ENOMEM;

    if (err != PL_OK) {
        p->out.len = mark;
        p->out.failed = false;
    }
    return err;
}

static void put_head(struct pl_post *p, const char *method, size_t body_len)
{
    PL_BUF_LIT(&p->out, "POST ");
    pl_buf_slice_put(&p->out, p->setup->prefix);
    PL_BUF_LIT(&p->out, "/");
    pl_buf_slice_put(&p->out, pl_slice_str(method));
    PL_BUF_LIT(&p->out, " HTTP/1.1\r\nHost: ");
    pl_buf_slice_put(&p->out, p->setup->host);
    if (p->setup->key.len > 0) {
        PL_BUF_LIT(&p->out, "\r\nX-API-Key: ");
        pl_buf_slice_put(&p->out, p->setup->key);
    }
    PL_BUF_LIT(&p->out, "\r\nContent-Type: application/json\r\nContent-Length: ");
    pl_buf_u64(&p->out, body_len);
    PL_BUF_LIT(&p->out, "\r\n\r\n");
}

enum pl_err pl_post_put(struct pl_post *p, const char *method, struct pl_slice body, uint64_t tag)
{
    size_t mark = p->out.len;

    put_head(p, method, body.len);
    pl_buf_slice_put(&p->out, body);
    return put_end(p, mark, tag);
}

enum pl_err pl_post_publish(struct pl_post *p, struct pl_slice channel, struct pl_slice data, uint64_t tag)
{
    size_t mark = p->out.len;
    struct pl_buf name = pl_buf_init(8 * channel.len + 16);
    enum pl_err err;

    pl_json_put_str(&name, channel);
    put_head(p, "publish", sizeof "{\"channel\":,\"data\":}" - 1 + name.len + data.len);
    PL_BUF_LIT(&p->out, "{\"channel\":");
    pl_buf_slice_put(&p->out, pl_buf_slice(&name));
    PL_BUF_LIT(&p->out, ",\"data\":");
    pl_buf_slice_put(&p->out, data);
    PL_BUF_LIT(&p->out, "}");
    err = put_end(p, mark, tag);
    pl_buf_fini(&name);
    return err;
}

/* One answer at the start of `in`; *ret_len of it is taken. */
static enum pl_err answer(struct pl_post *p, struct pl_slice in, size_t *ret_len)
{
    struct pl_http1_scan scan = { 0 };
    struct pl_http1_resp resp;
    enum pl_err err = pl_http1_resp_parse(in, false, &scan, &resp, NULL);
    size_t body_len;

    if (err != PL_OK)
        return err;
    if (resp.framing == PL_HTTP1_CHUNKED || resp.framing == PL_HTTP1_UNTIL_CLOSE)
        return PL_EUNSUP;
    if (resp.framing == PL_HTTP1_LENGTH && resp.content_length > POST_ANSWER)
        return PL_ETOOBIG;
    body_len = resp.framing == PL_HTTP1_LENGTH ? (size_t)resp.content_length : 0;
    if (in.len - resp.len < body_len)
        return PL_MORE;
    *ret_len = resp.len + body_len;
    if (resp.status < 200) /* 100 Continue: the real one follows */
        return PL_OK;
    if (p->n_tags == 0)
        return PL_EPROTO;
    p->on_answer(p, tag_pop(p), resp.status, pl_slice(in.p + resp.len, body_len));
    return resp.keep_alive ? PL_OK : PL_ECLOSED;
}

enum pl_err pl_post_input(struct pl_post *p, struct pl_slice in)
{
    bool is_kept = p->in.len > 0;
    enum pl_err err = PL_OK;
    size_t at = 0, len = 0;

    if (is_kept) {
        pl_buf_slice_put(&p->in, in);
        if (!pl_buf_ok(&p->in))
            return PL_ETOOBIG;
        in = pl_buf_slice(&p->in);
    }
    while (at < in.len && (err = answer(p, pl_slice_from(in, at), &len)) == PL_OK)
        at += len;
    if (err != PL_OK && err != PL_MORE)
        return err;
    if (is_kept)
        pl_buf_consume(&p->in, at);
    else
        pl_buf_slice_put(&p->in, pl_slice_from(in, at));
    if (p->in.len == 0)
        pl_buf_shrink(&p->in);
    return PL_OK;
}

void pl_post_lost(struct pl_post *p)
{
    pl_buf_clear(&p->out);
    pl_buf_clear(&p->in);
    while (p->n_tags > 0)
        p->on_answer(p, tag_pop(p), 0, pl_slice("", 0));
}

struct error_shape {
    bool is_set;
    uint32_t code;
    struct pl_slice message;
};
struct result_shape {
    bool is_set;
    uint64_t offset;
    struct pl_slice epoch;
};
struct answer_shape {
    struct error_shape error;
    struct result_shape result;
};

static const struct pl_json_field error_fields[] = {
    PL_JSON_FIELD(struct error_shape, code, PL_J_U32),
    PL_JSON_FIELD(struct error_shape, message, PL_J_STR),
};
static const struct pl_json_shape error_shape = PL_JSON_SHAPE(error_fields);
static const struct pl_json_field result_fields[] = {
    PL_JSON_FIELD(struct result_shape, offset, PL_J_U64),
    PL_JSON_FIELD(struct result_shape, epoch, PL_J_STR),
};
static const struct pl_json_shape result_shape = PL_JSON_SHAPE(result_fields);
static const struct pl_json_field answer_fields[] = {
    PL_JSON_FIELD_OF(struct answer_shape, error, PL_J_OBJ, &error_shape),
    PL_JSON_FIELD_OF(struct answer_shape, result, PL_J_OBJ, &result_shape),
};
static const struct pl_json_shape answer_shape = PL_JSON_SHAPE(answer_fields);

enum pl_err pl_post_result_parse(struct pl_slice body, struct pl_scratch *scratch, struct pl_post_result *ret)
{
    struct answer_shape a = { 0 };
    struct pl_json r = pl_json_init(body, scratch);
    enum pl_err err = pl_json_fill(&r, &answer_shape, &a, NULL);

    if (err != PL_OK)
        return err;
    if (!a.error.is_set && !a.result.is_set)
        return PL_EPROTO;
    *ret = (struct pl_post_result){ a.error.is_set ? a.error.code : 0, a.error.message, a.result.offset, a.result.epoch };
    if (a.error.is_set && ret->code == 0)
        ret->code = 100;
    return PL_OK;
}
