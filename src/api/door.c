/* POST /api/<method> and POST /api: who may come in, and how the answer leaves. */
#include "api/door.h"

#include <stdlib.h>

#include "api/api.h"
#include "base/check.h"
#include "config/config.h"

enum {
    OUT_MAX = 256 << 20,      /* bytes of an answer */
    SCRATCH_EXTRA = 64 << 10, /* beside what the body can need */
    KEEP_BYTES = 64 << 10,    /* a spare run keeps buffers up to this */
    KEEP_RUNS = 8,
    KEY_MAX = 4096,
};

struct api_room {
    struct pl_list runs;      /* under way */
    struct pl_list spare;
    unsigned n_spare;
};

static struct api_room *room_of(struct pl_shard *s)
{
    return s->rooms[PL_ROOM_API];
}

void pl_api_init(struct pl_shard *s)
{
    struct api_room *room = calloc(1, sizeof *room);

    PL_ASSERT(room != NULL);
    pl_list_init(&room->runs);
    pl_list_init(&room->spare);
    s->rooms[PL_ROOM_API] = room;
}

static void run_free(struct api_run *r)
{
    pl_list_remove(&r->all);
    pl_buf_fini(&r->body);
    pl_buf_fini(&r->out);
    pl_scratch_fini(&r->scratch);
    free(r);
}

void pl_api_fini(struct pl_shard *s)
{
    struct api_room *room = room_of(s);

    if (room == NULL)
        return;
    PL_LIST_EACH_SAFE(it, &room->runs)
        run_free(PL_OF(it, struct api_run, all));
    PL_LIST_EACH_SAFE(it, &room->spare)
        run_free(PL_OF(it, struct api_run, all));
    free(room);
    s->rooms[PL_ROOM_API] = NULL;
}

/* Runs are used again: a publish then costs no allocation here. NULL: memory out. */
static struct api_run *run_begin(struct pl_shard *s, size_t body_len)
{
    struct api_room *room = room_of(s);
    struct api_run *r;

    if (!pl_list_is_empty(&room->spare)) {
        r = PL_OF(room->spare.next, struct api_run, all);
        pl_list_remove(&r->all);
        room->n_spare--;
    } else {
        r = calloc(1, sizeof *r);
        if (r == NULL)
            return NULL;
        pl_list_init(&r->all);
        r->body = pl_buf_init(SIZE_MAX);
        r->out = pl_buf_init(OUT_MAX);
    }
    r->shard = s;
    r->http = (struct pl_handle){ 0 };
    r->form = API_SINGLE;
    r->transport_errors = r->is_started = false;
    r->status = 200;
    r->method = NULL;
    r->line_id = 0;
    r->scratch.limit = 3 * body_len + SCRATCH_EXTRA;
    pl_list_push_back(&room->runs, &r->all);
    return r;
}

static void run_end(struct api_run *r)
{
    struct api_room *room = room_of(r->shard);

    if (room->n_spare >= KEEP_RUNS || r->body.cap > KEEP_BYTES || r->out.cap > KEEP_BYTES) {
        run_free(r);
        return;
    }
    pl_buf_clear(&r->body);
    pl_buf_clear(&r->out);
    pl_scratch_reset(&r->scratch);
    pl_list_remove(&r->all);
    pl_list_push_back(&room->spare, &r->all);
    room->n_spare++;
}

/* ---- who may ---- */

/* "apikey KEY", the scheme in any letter case. */
static struct pl_slice key_of_authorization(struct pl_slice value)
{
    static const struct pl_slice scheme = PL_LIT_INIT("apikey ");

    if (value.len <= scheme.len || !pl_slice_eq_nocase(pl_slice(value.p, scheme.len), scheme))
        return pl_slice(NULL, 0);
    return pl_slice_from(value, scheme.len);
}

static bool may_enter(const struct pl_config *cfg, const struct pl_http_req *req)
{
    struct pl_slice given = pl_http_header(req, "X-API-Key");
    struct pl_buf arena = pl_buf_init(KEY_MAX);
    bool ok;

    if (cfg->http_api.insecure || PL_SABOTAGE(api_no_key))
        return true;
    if (!pl_secret_is_set(cfg->http_api.key))
        return false;
    if (given.len == 0)
        given = key_of_authorization(pl_http_header(req, "Authorization"));
    if (pl_secret_eq(cfg->http_api.key, given))
        return true;
    ok = pl_http_query(req, "api_key", &arena, &given) == PL_OK && pl_secret_eq(cfg->http_api.key, given);
    pl_buf_fini(&arena);
    return ok;
}

static bool wants_transport_errors(const struct pl_config *cfg, const struct pl_http_req *req)
{
    return cfg->http_api.error_mode == PL_ERROR_MODE_TRANSPORT ||
           pl_slice_eq(pl_http_header(req, "X-Centrifugo-Error-Mode"), PL_LIT("transport"));
}

/* ---- answers ---- */

static void answer_bad(struct pl_http *h)
{
    pl_http_answer(h, 400, "text/plain; charset=utf-8", PL_LIT("Bad Request\n"), NULL);
}

static void answer(struct api_run *r, struct pl_http *h)
{
    if (pl_buf_ok(&r->out))
        pl_http_answer(h, r->status, "application/json", pl_buf_slice(&r->out), NULL);
    else
        pl_http_answer(h, 500, NULL, pl_slice(NULL, 0), NULL);
}

void api_door_answer_late(struct api_run *r)
{
    struct pl_http *h = pl_http_by_handle(r->shard, r->http);

    if (h != NULL) /* else the backend has left; its commands were carried out all the same */
        answer(r, h);
    run_end(r);
}

static enum pl_err finish(struct api_run *r, struct pl_http *h, enum pl_err err)
{
    if (err == PL_WAIT) {
        r->http = pl_http_handle(h);
        return PL_WAIT;
    }
    if (err == PL_OK)
        answer(r, h);
    else
        answer_bad(h);
    run_end(r);
    return PL_OK;
}

/* The request's text for as long as the run lasts. PL_ENOMEM. */
static enum pl_err keep_body(struct api_run *r, struct pl_slice *body)
{
    pl_buf_slice_put(&r->body, *body);
    if (!pl_buf_ok(&r->body))
        return PL_ENOMEM;
    *body = pl_buf_slice(&r->body);
    return PL_OK;
}

static enum pl_err read_body(struct api_run *r, struct pl_slice body, const struct pl_json_shape *shape, void *ret)
{
    struct pl_json j = pl_json_init(body, &r->scratch);

    pl_json_fill(&j, shape, ret, NULL); /* the outcome is j.err */
    return pl_json_end(&j);
}

static enum pl_err run_method(struct api_run *r, const struct api_method *m, struct pl_slice body)
{
    union api_request q = { 0 };

    if (m->keeps_request && keep_body(r, &body) != PL_OK)
        r->out.failed = true;
    else if (read_body(r, body, m->shape, &q) != PL_OK)
        return PL_EPROTO;
    return pl_buf_ok(&r->out) ? api_run_single(r, m, &q) : PL_OK;
}

static enum pl_err run_batch(struct api_run *r, struct pl_slice body)
{
    struct api_batch batch = { 0 };

    if (keep_body(r, &body) != PL_OK) {
        r->out.failed = true;
        return PL_OK;
    }
    if (read_body(r, body, &api_batch_shape, &batch) != PL_OK)
        return PL_EPROTO;
    pl_scratch_reset(&r->scratch);
    return api_run_batch(r, batch.commands);
}

static enum pl_err run_lines(struct api_run *r, struct pl_slice body)
{
    if (keep_body(r, &body) != PL_OK) {
        r->out.failed = true;
        return PL_OK;
    }
    if (api_lines_check(body, &r->scratch) != PL_OK)
        return PL_EPROTO;
    return api_run_lines(r, body);
}

/* What a route serves besides the methods of api_methods. */
static const char batch_route = 0, lines_route = 0;

static enum pl_err on_request(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct pl_shard *s = pl_http_shard(h);
    const struct pl_config *cfg = s->node->config;
    struct api_run *r;
    enum pl_err err;

    if (!may_enter(cfg, req)) {
        pl_metric_add(s->cells, PL_M_API_UNAUTHORIZED, 1);
        pl_http_answer(h, 401, NULL, pl_slice(NULL, 0), NULL);
        return PL_OK;
    }
    r = run_begin(s, req->body.len);
    if (r == NULL)
        return PL_ENOMEM;
    r->transport_errors = wants_transport_errors(cfg, req);
    if (arg == &batch_route)
        err = run_batch(r, req->body);
    else if (arg == &lines_route)
        err = run_lines(r, req->body);
    else
        err = run_method(r, arg, req->body);
    return finish(r, h, err);
}

static const struct pl_route_ops door_ops = { .on_request = on_request };

static enum pl_err add_route(struct pl_router *router, const struct pl_config *cfg, unsigned listeners, const char *name, const void *arg)
{
    const char *prefix = cfg->http_api.at.handler_prefix;
    struct pl_buf path = pl_buf_init(KEY_MAX);
    struct pl_route route = {
        .methods = PL_HTTP_POST,
        .listeners = listeners,
        .body_limit = cfg->http_server.max_body_size,
        .allow = &cfg->http_api.at.access.allow,
        .deny = &cfg->http_api.at.access.deny,
        .ops = &door_ops,
        .arg = (void *)(uintptr_t)arg, /* handed back as it is, never written */
    };
    enum pl_err err = PL_ETOOBIG;

    if (name[0] == '\0' || prefix[1] != '\0') /* "/" stays "/", and before a name it vanishes */
        pl_buf_slice_put(&path, pl_slice_str(prefix));
    if (name[0] != '\0') {
        pl_buf_byte(&path, '/');
        pl_buf_slice_put(&path, pl_slice_str(name));
    }
    pl_buf_byte(&path, '\0');
    if (pl_buf_ok(&path)) {
        route.path = (const char *)path.p;
        err = pl_router_add(router, &route);
    }
    pl_buf_fini(&path);
    return err;
}

enum pl_err pl_api_add_routes(struct pl_router *router, const struct pl_config *cfg, unsigned listeners)
{
    enum pl_err err;

    if (!cfg->http_api.at.enabled)
        return PL_OK;
    err = add_route(router, cfg, listeners, "", &lines_route);
    if (err == PL_OK)
        err = add_route(router, cfg, listeners, "batch", &batch_route);
    for (unsigned i = 0; i < API_N_METHODS && err == PL_OK; i++)
        err = add_route(router, cfg, listeners, api_methods[i].name, &api_methods[i]);
    return err;
}
