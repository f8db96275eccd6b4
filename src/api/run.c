/* One request from its first command to its answer. */
#include "api/run.h"

#include <stdlib.h>

#include "api/door.h"
#include "base/check.h"
#include "codec/b64.h"
#include "codec/json_write.h"

static const struct { enum api_error code; unsigned status; const char *message; } errors[] = {
    { API_INTERNAL,        500, "internal server error" },
    { API_UNKNOWN_CHANNEL, 404, "unknown channel" },
    { API_NOT_FOUND,       404, "not found" },
    { API_BAD_REQUEST,     400, "bad request" },
    { API_NOT_AVAILABLE,   400, "not available" },
    { API_TOO_MANY,        429, "too many requests" },
    { API_UNRECOVERABLE,   416, "unrecoverable position" },
    { API_CONFLICT,        409, "conflict" },
};

static unsigned row_of(enum api_error code)
{
    unsigned i = 0;

    while (errors[i].code != code)
        PL_ASSERT(++i < sizeof errors / sizeof errors[0]);
    return i;
}

const struct pl_config *api_config(const struct api_run *r)
{
    return r->shard->node->config;
}

enum api_error api_error_of(enum pl_err err)
{
    switch (err) {
    case PL_ENOENT: return API_UNRECOVERABLE;
    case PL_EBUSY:  return API_TOO_MANY;
    default:        return API_INTERNAL; /* all others are ours to look into */
    }
}

enum pl_err api_payload(struct api_run *r, struct pl_slice raw, struct pl_slice b64, struct pl_slice *ret, bool *ret_is_json)
{
    uint8_t *out;
    size_t n;

    *ret = raw;
    *ret_is_json = true;
    if (b64.len == 0)
        return PL_OK;
    out = pl_scratch_bytes(&r->scratch, pl_b64_decoded_max(b64.len));
    if (out == NULL)
        return PL_ENOMEM;
    if (pl_b64_decode(PL_B64_STD, b64, out, &n) != PL_OK)
        return PL_EINVAL;
    *ret = pl_slice(out, n);
    *ret_is_json = false;
    return PL_OK;
}

/* ---- answers ---- */

void api_put_error(struct pl_buf *b, enum api_error code)
{
    PL_BUF_LIT(b, "{\"code\":");
    pl_buf_u64(b, (uint64_t)code);
    PL_BUF_LIT(b, ",\"message\":\"");
    pl_buf_slice_put(b, pl_slice_str(errors[row_of(code)].message));
    PL_BUF_LIT(b, "\"}");
}

void api_count_error(struct api_run *r, enum api_error code)
{
    pl_metric_add2(r->shard->cells, API_ERRORS, r->method->label, pl_metric_reply(code), 1);
}

/* Everything before the value of `name`, which is "result" or "error". */
static void begin(struct api_run *r, const char *name)
{
    switch (r->form) {
    case API_SINGLE:
        pl_buf_byte(&r->out, '{');
        break;
    case API_BATCH:
        pl_buf_slice_put(&r->out, r->is_started ? PL_LIT(",{") : PL_LIT("{"));
        break;
    case API_LINES:
        pl_buf_slice_put(&r->out, r->is_started ? PL_LIT("\n{") : PL_LIT("{"));
        if (r->line_id != 0) {
            PL_BUF_LIT(&r->out, "\"id\":");
            pl_buf_u64(&r->out, r->line_id);
            pl_buf_byte(&r->out, ',');
        }
        break;
    }
    r->is_started = true;
    pl_buf_byte(&r->out, '"');
    pl_buf_slice_put(&r->out, pl_slice_str(name));
    PL_BUF_LIT(&r->out, "\":");
}

void api_begin(struct api_run *r)
{
    begin(r, r->form == API_BATCH ? r->method->name : "result");
}

void api_end(struct api_run *r)
{
    pl_buf_byte(&r->out, '}');
}

enum pl_err api_fail(struct api_run *r, enum api_error code)
{
    if (r->method != NULL)
        api_count_error(r, code);
    if (r->form == API_SINGLE && r->transport_errors) {
        r->status = errors[row_of(code)].status;
        api_put_error(&r->out, code);
        return PL_OK;
    }
    begin(r, "error");
    api_put_error(&r->out, code);
    api_end(r);
    return PL_OK;
}

/* ---- the way through the commands ---- */

static void command_ends(struct api_run *r)
{
    uint64_t now = r->shard->world->ops->mono_ns(r->shard->world);

    pl_metric_observe_ns_at(r->shard->cells, PL_M_API_SECONDS, r->method->label, now - r->started_ns);
    pl_scratch_reset(&r->scratch);
}

static enum pl_err command_start(struct api_run *r, const struct api_method *m, const union api_request *q)
{
    enum pl_err err;

    r->method = m;
    r->started_ns = r->shard->world->ops->mono_ns(r->shard->world);
    err = m->start(r, q);
    if (err == PL_OK)
        command_ends(r);
    return err;
}

static enum pl_err params_start(struct api_run *r, const struct api_method *m, struct pl_slice params)
{
    struct pl_json j = pl_json_init(params, &r->scratch);
    union api_request q = { 0 };

    r->method = m;
    if (params.len != 0 && !pl_json_null(&j)) {
        enum pl_err err = pl_json_fill(&j, m->shape, &q, NULL);

        if (err != PL_OK)
            return api_fail(r, err == PL_ETOOBIG ? API_INTERNAL : API_BAD_REQUEST);
    }
    return command_start(r, m, &q);
}

static enum pl_err next_of_batch(struct api_run *r)
{
    struct api_command c = { 0 };
    enum pl_err err = pl_json_walk_obj(&r->commands, &r->scratch, &api_command_shape, &c);

    if (err != PL_OK)
        return err;
    for (unsigned i = 0; i < API_N_METHODS; i++)
        if (c.params[i].len != 0)
            return params_start(r, &api_methods[i], c.params[i]);
    r->method = NULL;
    return api_fail(r, API_NOT_FOUND); /* a command that names no method we know */
}

/* A line of the old-style endpoint. PL_EPROTO: not one. */
static enum pl_err line_parse(struct pl_slice line, struct pl_scratch *scratch, uint32_t *ret_id, const struct api_method **ret_method,
                              struct pl_slice *ret_params)
{
    struct line { uint32_t id; struct pl_slice method, params; } l = { 0 };
    static const struct pl_json_field fields[] = {
        PL_JSON_FIELD(struct line, id, PL_J_U32),
        PL_JSON_FIELD(struct line, method, PL_J_RAW),
        PL_JSON_FIELD(struct line, params, PL_J_RAW),
    };
    static const struct pl_json_shape shape = PL_JSON_SHAPE(fields);
    struct pl_json j = pl_json_init(line, scratch), m;
    struct pl_slice name;
    int64_t number;

    pl_json_fill(&j, &shape, &l, NULL); /* the outcome is j.err */
    if (pl_json_end(&j) != PL_OK)
        return PL_EPROTO;
    m = pl_json_init(l.method, scratch);
    if (pl_json_peek(&m) == '"')
        *ret_method = pl_json_str(&m, &name) ? api_method_by_name(name) : NULL;
    else if (l.method.len == 0 || pl_json_null(&m))
        *ret_method = &api_methods[0]; /* number 0 */
    else
        *ret_method = pl_json_i64(&m, 0, INT32_MAX, &number) ? api_method_by_number(number) : NULL;
    *ret_id = l.id;
    *ret_params = l.params;
    return *ret_method != NULL ? PL_OK : PL_EPROTO;
}

static struct pl_slice next_line(struct pl_slice *rest)
{
    const uint8_t *lf = memchr(rest->p, '\n', rest->len);
    size_t n = lf != NULL ? (size_t)(lf - rest->p) : rest->len;
    struct pl_slice line = pl_slice(rest->p, n);

    *rest = pl_slice_from(*rest, lf != NULL ? n + 1 : n);
    return line;
}

enum pl_err api_lines_check(struct pl_slice body, struct pl_scratch *scratch)
{
    const struct api_method *m;
    struct pl_slice params;
    uint32_t id;

    if (body.len == 0)
        return PL_EPROTO;
    while (body.len != 0)
        if (line_parse(next_line(&body), scratch, &id, &m, &params) != PL_OK)
            return PL_EPROTO;
    pl_scratch_reset(scratch);
    return PL_OK;
}

static enum pl_err next_line_start(struct api_run *r)
{
    const struct api_method *m;
    struct pl_slice params;

    if (r->lines.len == 0)
        return PL_ENOENT;
    if (line_parse(next_line(&r->lines), &r->scratch, &r->line_id, &m, &params) != PL_OK)
        return PL_EPROTO; /* cannot be: api_lines_check() has seen it */
    return params_start(r, m, params);
}

/* PL_OK: all commands are answered. PL_WAIT. */
static enum pl_err go(struct api_run *r)
{
    enum pl_err err = PL_OK;

    while (r->form != API_SINGLE && err == PL_OK)
        err = r->form == API_BATCH ? next_of_batch(r) : next_line_start(r);
    if (err == PL_WAIT)
        return PL_WAIT;
    if (err != PL_OK && err != PL_ENOENT)
        r->out.failed = true; /* answered with 500 */
    if (r->form == API_BATCH && r->is_started)
        PL_BUF_LIT(&r->out, "]}");
    return PL_OK;
}

enum pl_err api_run_single(struct api_run *r, const struct api_method *m, const union api_request *q)
{
    r->form = API_SINGLE;
    return command_start(r, m, q);
}

enum pl_err api_run_batch(struct api_run *r, struct pl_slice commands)
{
    struct pl_json j = pl_json_init(commands, NULL);
    bool is_empty = commands.len == 0 || !pl_json_open(&j, '[') || pl_json_peek(&j) == ']';

    r->form = API_BATCH;
    r->commands = pl_walk(commands);
    if (is_empty) { /* nothing is left out of nothing: {} */
        PL_BUF_LIT(&r->out, "{}");
        return PL_OK;
    }
    PL_BUF_LIT(&r->out, "{\"replies\":[");
    return go(r);
}

enum pl_err api_run_lines(struct api_run *r, struct pl_slice lines)
{
    r->form = API_LINES;
    r->lines = lines;
    return go(r);
}

void api_resume(struct api_run *r)
{
    command_ends(r);
    if (go(r) == PL_OK)
        api_door_answer_late(r);
}
