/* subscribe, unsubscribe, disconnect, refresh: what the backend does to connections (wire-protocol.md 10.3). */
#include "session/control.h"

#include <stdlib.h>

#include "api/run.h"
#include "codec/cproto.h"
#include "config/channel.h"

enum { REASON_MAX = 123, CODE_MIN = 3000, CODE_MAX = 4999 }; /* RFC 6455 5.5.1, 7.4.2 */

struct control_call {
    struct pl_control c;
    struct api_run *run;
};

static void control_free(struct control_call *call)
{
    pl_control_fini(&call->c);
    free(call);
}

static void control_end(struct control_call *call, enum pl_err err)
{
    struct api_run *r = call->run;

    if (err != PL_OK) {
        (void)api_fail(r, api_error_of(err)); /* always PL_OK */
    } else {
        api_begin(r);
        PL_BUF_LIT(&r->out, "{}");
        api_end(r);
    }
    control_free(call);
}

static void control_done(struct pl_shard *s, struct pl_tour *t)
{
    struct control_call *call = PL_OF(t, struct control_call, c.tour);
    struct api_run *r = call->run;

    (void)s;
    control_end(call, PL_OK);
    api_resume(r);
}

static enum pl_err set(struct pl_str **field, struct pl_slice s)
{
    bool ok;

    *field = pl_str_new(s, &ok);
    return ok ? PL_OK : PL_ENOMEM;
}

static enum pl_err take_whitelist(struct api_run *r, struct pl_control *c, struct pl_slice list)
{
    struct pl_walk w = pl_walk(list);
    struct pl_slice id;
    size_t cap = 0;
    enum pl_err err;

    while ((err = pl_json_walk_str(&w, &r->scratch, &id)) == PL_OK) {
        if (c->n_whitelist == cap) {
            uint8_t(*more)[16];

            cap = cap == 0 ? 8 : cap * 2;
            more = realloc(c->whitelist, cap * sizeof *more);
            if (more == NULL)
                return PL_ENOMEM;
            c->whitelist = more;
        }
        if (pl_uuid_parse(id, c->whitelist[c->n_whitelist]) == PL_OK)
            c->n_whitelist++; /* what is no id spares nobody */
    }
    return err == PL_ENOENT ? PL_OK : PL_ENOMEM;
}

/* Who, and on which channel. *ret_nobody: the client id cannot be anybody's. */
static enum pl_err take_target(struct pl_control *c, const struct api_control *q, bool *ret_nobody)
{
    enum pl_err err = set(&c->user, q->user);

    *ret_nobody = false;
    if (err == PL_OK)
        err = set(&c->session, q->session);
    if (err == PL_OK)
        err = set(&c->channel, q->channel);
    if (err == PL_OK && q->client.len != 0) {
        c->has_client = true;
        *ret_nobody = pl_uuid_parse(q->client, c->client) != PL_OK;
    }
    return err;
}

static enum pl_err take_rest(struct api_run *r, struct pl_control *c, const struct api_control *q)
{
    struct pl_slice info, data;
    bool is_json;
    enum pl_err err = api_payload(r, q->info, q->b64info, &info, &is_json);

    if (err == PL_OK)
        err = set(&c->info, info);
    if (err == PL_OK)
        err = api_payload(r, q->data, q->b64data, &data, &is_json);
    if (err == PL_OK)
        err = set(&c->data, data);
    if (err == PL_OK)
        err = set(&c->reason, q->disconnect.reason);
    if (err == PL_OK && q->recover_since.is_set)
        err = set(&c->since_epoch, q->recover_since.epoch);
    if (err == PL_OK)
        err = take_whitelist(r, c, q->whitelist);
    c->has_info = info.len != 0;
    c->expire_at = q->expire_at;
    c->override = q->override;
    c->has_since = q->recover_since.is_set;
    c->since_offset = q->recover_since.offset;
    c->expired = q->expired;
    c->code = q->disconnect.code;
    return err;
}

static enum pl_err control(struct api_run *r, enum pl_control_kind kind, const struct api_control *q)
{
    struct control_call *call = calloc(1, sizeof *call);
    bool nobody = false;
    enum pl_err err;

    if (call == NULL)
        return api_fail(r, API_INTERNAL);
    call->run = r;
    call->c.kind = kind;
    call->c.tour.done = control_done;
    err = take_target(&call->c, q, &nobody);
    if (err == PL_OK)
        err = take_rest(r, &call->c, q);
    if (err == PL_EINVAL) {
        control_free(call);
        return api_fail(r, API_BAD_REQUEST);
    }
    if (err == PL_OK && !nobody)
        err = pl_control_start(r->shard, &call->c);
    if (err == PL_WAIT)
        return PL_WAIT;
    control_end(call, err);
    return PL_OK;
}

/* 0, or the error to answer. */
static unsigned check_channel(struct api_run *r, struct pl_slice channel)
{
    struct pl_channel_ref ref;

    if (channel.len > UINT16_MAX)
        return API_BAD_REQUEST;
    return pl_channel_resolve(api_config(r), channel, &ref) == PL_OK ? 0 : API_UNKNOWN_CHANNEL;
}

enum pl_err api_subscribe(struct api_run *r, const union api_request *q)
{
    unsigned code = q->control.channel.len == 0 ? API_BAD_REQUEST : check_channel(r, q->control.channel);

    return code != 0 ? api_fail(r, (enum api_error)code) : control(r, PL_CONTROL_SUBSCRIBE, &q->control);
}

enum pl_err api_unsubscribe(struct api_run *r, const union api_request *q)
{
    unsigned code = q->control.channel.len == 0 ? 0 : check_channel(r, q->control.channel);

    return code != 0 ? api_fail(r, (enum api_error)code) : control(r, PL_CONTROL_UNSUBSCRIBE, &q->control);
}

enum pl_err api_disconnect(struct api_run *r, const union api_request *q)
{
    uint32_t code = q->control.disconnect.code;

    /* What a close frame could not carry is refused here rather than bent there. */
    if ((code != 0 && (code < CODE_MIN || code > CODE_MAX)) || q->control.disconnect.reason.len > REASON_MAX)
        return api_fail(r, API_BAD_REQUEST);
    return control(r, PL_CONTROL_DISCONNECT, &q->control);
}

enum pl_err api_refresh(struct api_run *r, const union api_request *q)
{
    return control(r, PL_CONTROL_REFRESH, &q->control);
}
