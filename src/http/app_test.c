#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "http/app_test.h"

static enum pl_err on_echo(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct app *app = arg;

    app->n_requests++;
    app->client = req->client;
    app->origin_ok = req->origin_ok;
    pl_http_answer(h, 200, "text/plain", req->method == PL_HTTP_POST ? req->body : req->query, NULL);
    return PL_OK;
}

static void watch_closed(struct pl_http *h, void *user)
{
    (void)h;
    ((struct app *)user)->n_closed++;
}

static void watch_drained(struct pl_http *h, void *user)
{
    (void)h;
    ((struct app *)user)->n_drained++;
}

static void watch_save(struct pl_http *h, void *user, struct pl_rec_out *r)
{
    (void)h;
    (void)user;
    pl_rec_u64(r, 1, 42);
}

static const struct pl_http_watch_ops watch_ops = { watch_closed, watch_drained, watch_save };

static enum pl_err on_later(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct app *app = arg;

    (void)req;
    app->n_requests++;
    app->waiting = pl_http_handle(h);
    pl_http_watch(h, &watch_ops, app);
    return PL_WAIT;
}

static enum pl_err on_later_restore(struct pl_http *h, struct pl_rec_in fields, void *arg)
{
    struct pl_rec_field f;

    if (pl_rec_next(&fields, &f) != PL_OK || f.tag != 1 || pl_rec_get_u64(&f) != 42)
        return PL_EPROTO;
    return on_later(h, NULL, arg);
}

static enum pl_err on_stream(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct app *app = arg;

    (void)req;
    app->waiting = pl_http_handle(h);
    pl_http_watch(h, &watch_ops, app);
    pl_http_stream_start(h, 200, "text/event-stream", "X-Extra: 1\r\n", 32);
    return pl_http_stream_send(h, PL_LIT("hello"));
}

static enum pl_err on_fail(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    (void)h;
    (void)req;
    (void)arg;
    return PL_EIO;
}

static size_t up_bytes(struct pl_conn *c, uint8_t *p, size_t n)
{
    pl_buf_put(&((struct app *)c->user)->taken, p, n);
    return n;
}

static void up_closed(struct pl_conn *c, enum pl_conn_end why)
{
    (void)c;
    (void)why;
}

const struct pl_conn_ops up_ops = { .name = "up", .on_bytes = up_bytes, .on_closed = up_closed };

static enum pl_err on_upgrade(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct pl_conn *c;
    size_t n;

    if (req->head->upgrade.len == 0) {
        pl_http_refuse(h, 426, NULL, pl_slice(NULL, 0), "Upgrade: websocket\r\n");
        return PL_OK;
    }
    c = pl_http_take(h);
    assert_int_equal(pl_conn_send(c, "101!", 4, &n), PL_OK);
    pl_conn_set_user(c, &up_ops, arg);
    assert_true(pl_slice_eq(req->path, PL_LIT("/up"))); /* still readable */
    return PL_OK;
}

static bool admit(struct pl_shard *s, const struct pl_http_req *req);

static const struct pl_route_ops echo_ops = { .on_request = on_echo }, fail_ops = { .on_request = on_fail },
                                 later_ops = { .on_request = on_later, .on_restore = on_later_restore },
                                 stream_ops = { .on_request = on_stream }, up_route_ops = { .on_request = on_upgrade };

static const char *const origins[] = { "https://app.example", "https://*.shop.example" };
static struct app *admitting;

static bool admit(struct pl_shard *s, const struct pl_http_req *req)
{
    (void)s;
    (void)req;
    return admitting->admits;
}

struct fixture *set_up(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct pl_route routes[] = {
        { .path = "/echo", .methods = PL_HTTP_GET | PL_HTTP_POST, .listeners = 3, .body_limit = 16, .ops = &echo_ops, .arg = &f->app },
        { .path = "/later", .methods = PL_HTTP_GET | PL_HTTP_POST, .listeners = 3, .body_limit = 16, .flags = PL_ROUTE_CORS, .ops = &later_ops, .arg = &f->app },
        { .path = "/stream", .methods = PL_HTTP_GET, .listeners = 3, .ops = &stream_ops, .arg = &f->app },
        { .path = "/fail", .methods = PL_HTTP_GET, .listeners = 3, .ops = &fail_ops, .arg = &f->app },
        { .path = "/up", .methods = PL_HTTP_GET, .listeners = 3, .ops = &up_route_ops, .arg = &f->app },
        { .path = "/inner", .methods = PL_HTTP_GET, .listeners = PL_LISTEN_INTERNAL, .ops = &echo_ops, .arg = &f->app },
        { .path = "/cors", .methods = PL_HTTP_POST, .listeners = 3, .flags = PL_ROUTE_CORS | PL_ROUTE_PREFLIGHT | PL_ROUTE_CLIENT, .body_limit = 16,
          .ops = &echo_ops, .arg = &f->app },
        { .path = "/private", .methods = PL_HTTP_GET, .listeners = 3, .allow = &f->allow, .ops = &echo_ops, .arg = &f->app },
    };
    struct pl_http_opts opts;

    assert_non_null(f);
    f->node = fake_node_new();
    f->metrics = pl_metrics_new(1);
    assert_non_null(f->metrics);
    f->node->shards[0]->cells = pl_metrics_cells(f->metrics, 0);
    f->router = pl_router_new();
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        assert_int_equal(pl_router_add(f->router, &routes[i]), PL_OK);
    assert_int_equal(pl_router_add(f->router, &routes[5]), PL_EEXIST);
    assert_int_equal(pl_cidr_parse(PL_LIT("10.0.0.0/8"), &f->nets[0]), PL_OK);
    assert_int_equal(pl_cidr_parse(PL_LIT("192.168.0.1"), &f->nets[1]), PL_OK);
    f->allow = (struct pl_cidr_list){ &f->nets[0], 1 };
    f->proxies = (struct pl_cidr_list){ &f->nets[1], 1 };
    f->app.admits = true;
    f->app.taken = pl_buf_init(1000);
    admitting = &f->app;
    opts = (struct pl_http_opts){
        .router = f->router, .allowed_origins = origins, .n_allowed_origins = 2, .trusted_proxies = &f->proxies,
        .max_head_bytes = 1024, .head_timeout_ms = 10000, .body_timeout_ms = 30000, .idle_timeout_ms = 75000, .max_requests = 100,
        .admit = admit,
    };
    pl_http_init(f->node, &opts);
    return f;
}

void tear_down(struct fixture *f)
{
    fake_pass(f->node, 0);
    pl_http_fini(f->node);
    pl_router_free(&f->router);
    fake_node_free(&f->node);
    pl_metrics_free(&f->metrics);
    pl_buf_fini(&f->app.taken);
    free(f);
}

struct peer *dial(struct fixture *f, const char *ip)
{
    struct peer *p = peer_new(f->node, ip, PL_LISTEN_EXTERNAL);

    pl_http_on_accept(&p->c);
    return p;
}

void assert_out_(struct peer *p, struct pl_slice want, int line)
{
    if (!pl_slice_eq(pl_buf_slice(&p->out), want))
        fail_msg("line %d: got\n%.*s\nwanted\n%.*s", line, PL_FMT(pl_buf_slice(&p->out)), PL_FMT(want));
    pl_buf_clear(&p->out);
}

unsigned status_of(struct peer *p)
{
    return p->out.len > 12 ? (unsigned)atoi((const char *)p->out.p + 9) : 0;
}
