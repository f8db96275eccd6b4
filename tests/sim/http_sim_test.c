/* Random schedules over HTTP connections: pipelined requests of every kind, answered at once, later and as streams, while the kernel
 * splits and refuses, clients stall and vanish, and all connections move to a fresh node at random moments. Every client that stays
 * gets exactly its answers, in order. PL_SIM_SEED=n runs one seed; PL_SIM_SEEDS=n as many. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/http1_chunk.h"
#include "codec/http1_resp_parse.h"
#include "http/http.h"
#include "tests/sim/world_sim.h"

enum { CLIENTS = 8, SHARDS = 2, NODES = 4, REQUESTS = 10, STREAM_LIMIT = 700 };

/* ---- the server's handlers ---- */

static struct {
    struct sim *sim;
    unsigned n_jobs;
} run;

/* An answer that comes later, or piece by piece. */
struct job {
    struct pl_timer timer;
    struct pl_handle handle;
    struct pl_buf text; /* owned; what is still to be said */
    bool is_stream;
};

static void job_free(struct pl_shard *s, struct job *j)
{
    pl_timer_stop(s, &j->timer);
    pl_buf_fini(&j->text);
    free(j);
    run.n_jobs--;
}

static void job_closed(struct pl_http *h, void *user)
{
    job_free(pl_http_shard(h), user);
}

static void job_save(struct pl_http *h, void *user, struct pl_rec_out *r)
{
    const struct job *j = user;

    (void)h;
    pl_rec_u64(r, 1, j->is_stream);
    pl_rec_bytes(r, 2, pl_buf_slice(&j->text));
}

static const struct pl_http_watch_ops job_ops = { .on_closed = job_closed, .save = job_save };

static void job_fire(struct pl_shard *s, struct pl_timer *t)
{
    struct job *j = PL_OF(t, struct job, timer);
    struct pl_http *h = pl_http_by_handle(s, j->handle);
    size_t n = 1 + (size_t)sim_rnd(run.sim, 300);

    assert_non_null(h); /* else it had been told */
    if (!j->is_stream) {
        pl_http_answer(h, 200, "text/plain", pl_buf_slice(&j->text), NULL);
        job_free(s, j);
        return;
    }
    if (n > j->text.len)
        n = j->text.len;
    if (n > 0 && pl_http_stream_send(h, pl_slice(j->text.p, n)) == PL_OK)
        pl_buf_consume(&j->text, n);
    if (j->text.len > 0) {
        pl_timer_start(s, t, s->now_ms + sim_rnd(run.sim, 20));
        return;
    }
    pl_http_stream_end(h);
    job_free(s, j);
}

static struct job *job_new(struct pl_http *h, bool is_stream)
{
    struct pl_shard *s = pl_http_shard(h);
    struct job *j = calloc(1, sizeof *j);

    assert_non_null(j);
    run.n_jobs++;
    j->text = pl_buf_init(SIZE_MAX / 2);
    j->is_stream = is_stream;
    j->timer.fire = job_fire;
    j->handle = pl_http_handle(h);
    pl_http_watch(h, &job_ops, j);
    pl_timer_start(s, &j->timer, s->now_ms + sim_rnd(run.sim, 40));
    return j;
}

static enum pl_err on_echo(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    (void)arg;
    pl_http_answer(h, 200, "text/plain", req->method == PL_HTTP_POST ? req->body : req->query, NULL);
    return PL_OK;
}

static enum pl_err on_later(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct job *j = job_new(h, false);

    (void)arg;
    pl_buf_slice_put(&j->text, req->method == PL_HTTP_POST ? req->body : req->query);
    return PL_WAIT;
}

static enum pl_err on_stream(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct job *j = job_new(h, true);

    (void)arg;
    for (int i = 0; i < 30; i++)
        pl_buf_slice_put(&j->text, req->query);
    pl_http_stream_start(h, 200, "text/plain", NULL, STREAM_LIMIT);
    return PL_OK;
}

static enum pl_err on_restore(struct pl_http *h, struct pl_rec_in fields, void *arg)
{
    struct job *j = job_new(h, false);
    struct pl_rec_field f;

    (void)arg;
    while (pl_rec_next(&fields, &f) == PL_OK) {
        if (f.tag == 1)
            j->is_stream = pl_rec_get_u64(&f) != 0;
        else if (f.tag == 2)
            pl_buf_slice_put(&j->text, f.value);
    }
    return PL_WAIT;
}

static const struct pl_route_ops echo_ops = { .on_request = on_echo },
                                 later_ops = { .on_request = on_later, .on_restore = on_restore },
                                 stream_ops = { .on_request = on_stream, .on_restore = on_restore };

static struct pl_router *router_new(void)
{
    struct pl_router *r = pl_router_new();
    struct pl_route route = { .methods = PL_HTTP_GET | PL_HTTP_POST, .listeners = PL_LISTEN_EXTERNAL, .body_limit = 1000 };

    route.path = "/echo";
    route.ops = &echo_ops;
    assert_int_equal(pl_router_add(r, &route), PL_OK);
    route.path = "/later";
    route.ops = &later_ops;
    assert_int_equal(pl_router_add(r, &route), PL_OK);
    route.path = "/stream";
    route.ops = &stream_ops;
    assert_int_equal(pl_router_add(r, &route), PL_OK);
    return r;
}

/* ---- clients ---- */

struct client {
    int sock;                    /* -1: vanished or done */
    struct pl_buf out, in;       /* what is to be sent, what came */
    size_t out_at;
    unsigned n_wants;
    struct {
        unsigned status;
        size_t from, len;        /* of `texts` */
    } wants[REQUESTS];
    struct pl_buf texts;
};

static void want(struct client *c, unsigned status, struct pl_slice text, unsigned times)
{
    c->wants[c->n_wants].status = status;
    c->wants[c->n_wants].from = c->texts.len;
    for (unsigned i = 0; i < times; i++)
        pl_buf_slice_put(&c->texts, text);
    c->wants[c->n_wants].len = c->texts.len - c->wants[c->n_wants].from;
    c->n_wants++;
}

static void body_put(struct client *c, struct pl_slice text)
{
    const char *expect = sim_rnd(run.sim, 4) == 0 ? "Expect: 100-continue\r\n" : "";

    if (sim_rnd(run.sim, 2) == 0) {
        pl_buf_printf(&c->out, "%sContent-Length: %zu\r\n\r\n", expect, text.len);
        pl_buf_slice_put(&c->out, text);
        return;
    }
    pl_buf_printf(&c->out, "%sTransfer-Encoding: chunked\r\n\r\n", expect);
    while (text.len > 0) {
        size_t n = 1 + (size_t)sim_rnd(run.sim, text.len);

        pl_buf_printf(&c->out, "%zx%s\r\n%.*s\r\n", n, sim_rnd(run.sim, 3) == 0 ? ";ext=\"1\"" : "", (int)n, (const char *)text.p);
        text = pl_slice_from(text, n);
    }
    pl_buf_printf(&c->out, "0\r\n%s\r\n", sim_rnd(run.sim, 3) == 0 ? "X-Sum: 1\r\n" : "");
}

static void request_put(struct client *c, bool is_last)
{
    static const char *const paths[] = { "/echo", "/later", "/stream", "/nothing" };
    uint64_t path = sim_rnd(run.sim, 4);
    bool is_post = path < 2 && sim_rnd(run.sim, 2) == 0;
    char text[400];
    size_t n = (size_t)sim_rnd(run.sim, is_post ? sizeof text : 60);

    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + (i + c->n_wants) % 26);
    pl_buf_printf(&c->out, "%s%s %s?%.*s HTTP/1.1\r\nHost: x\r\n%s", sim_rnd(run.sim, 5) == 0 ? "\r\n" : "", is_post ? "POST" : "GET", paths[path],
                  is_post ? 0 : (int)n, text, is_last ? "Connection: close\r\n" : "");
    if (is_post)
        body_put(c, pl_slice(text, n));
    else
        PL_BUF_LIT(&c->out, "\r\n");
    if (path == 3)
        want(c, 404, PL_LIT("404 page not found\n"), 1);
    else
        want(c, 200, pl_slice(text, n), path == 2 ? 30 : 1);
}

static void client_new(struct client *c, const char *at)
{
    unsigned n = 1 + (unsigned)sim_rnd(run.sim, REQUESTS);

    *c = (struct client){ .sock = sim_connect(run.sim, at, NULL) };
    assert_true(c->sock >= 0);
    c->out = c->in = c->texts = pl_buf_init(SIZE_MAX / 2);
    for (unsigned i = 0; i < n; i++)
        request_put(c, i + 1 == n);
}

/* Takes one answer off *in, an interim 100 left out; its body, freed by the caller, in *ret_body. */
static unsigned answer_take(struct pl_slice *in, struct pl_buf *ret_body)
{
    static struct pl_http1_resp r;
    struct pl_http1_scan scan = { 0 };
    struct pl_http1_chunk chunk = { 0 };
    size_t n_body, used;

    assert_int_equal(pl_http1_resp_parse(*in, false, &scan, &r, NULL), PL_OK);
    *in = pl_slice_from(*in, r.len);
    if (r.status == 100)
        return answer_take(in, ret_body);
    *ret_body = pl_buf_init(SIZE_MAX / 2);
    if (r.framing == PL_HTTP1_LENGTH) {
        assert_true(r.content_length <= in->len);
        pl_buf_put(ret_body, in->p, (size_t)r.content_length);
        *in = pl_slice_from(*in, (size_t)r.content_length);
    } else if (r.framing == PL_HTTP1_CHUNKED) {
        pl_buf_slice_put(ret_body, *in);
        assert_int_equal(pl_http1_chunk_decode(&chunk, ret_body->p, ret_body->len, 1 << 20, &n_body, &used), PL_OK);
        ret_body->len = n_body;
        *in = pl_slice_from(*in, used);
    } else {
        assert_int_equal(r.framing, PL_HTTP1_NO_BODY);
    }
    return r.status;
}

static void client_check(struct client *c)
{
    struct pl_slice in = pl_buf_slice(&c->in);

    assert_false(sim_was_reset(run.sim, c->sock));
    for (unsigned i = 0; i < c->n_wants; i++) {
        struct pl_buf body;

        assert_int_equal(answer_take(&in, &body), c->wants[i].status);
        assert_true(pl_slice_eq(pl_buf_slice(&body), pl_slice(c->texts.p + c->wants[i].from, c->wants[i].len)));
        pl_buf_fini(&body);
    }
    assert_int_equal(in.len, 0);
}

static void client_read(struct client *c)
{
    if (sim_recv(run.sim, c->sock, &c->in))
        return;
    client_check(c);
    sim_close(run.sim, c->sock);
    c->sock = -1;
}

static void client_write(struct client *c)
{
    size_t left = c->out.len - c->out_at, n = left > 0 ? 1 + (size_t)sim_rnd(run.sim, left) : 0;

    if (sim_rnd(run.sim, 3) != 0 && n > 7)
        n = 1 + n % 7;
    c->out_at += sim_send(run.sim, c->sock, c->out.p + c->out_at, n);
}

static void client_step(struct client *c)
{
    if (c->sock < 0)
        return;
    if (sim_rnd(run.sim, 400) == 0) {
        sim_reset(run.sim, c->sock);
        c->sock = -1;
    } else if (sim_rnd(run.sim, 3) == 0) {
        client_read(c);
    } else {
        client_write(c);
    }
}

/* ---- moving house ---- */

static struct pl_node *node_new(const struct pl_router *r)
{
    const struct pl_http_opts opts = { .router = r, .max_head_bytes = 4096, .head_timeout_ms = 60000, .body_timeout_ms = 60000,
                                       .idle_timeout_ms = 60000 };
    struct pl_node *n = pl_node_new(sim_world(run.sim), SHARDS);

    for (int i = 0; i < SHARDS; i++)
        pl_net_init(n->shards[i]);
    pl_http_init(n, &opts);
    sim_add(run.sim, n);
    return n;
}

static void node_end(struct pl_node *n)
{
    for (int i = 0; i < SHARDS; i++)
        pl_net_fini(n->shards[i]);
    sim_remove(run.sim, n);
    pl_http_fini(n);
    pl_node_free(&n);
}

struct moving {
    struct pl_buf records; /* owned */
    int socks[CLIENTS];
    size_t at[CLIENTS + 1];
    unsigned n;
};

static void conn_out(struct pl_conn *c, void *arg)
{
    struct moving *m = arg;
    struct pl_rec_out r = { &m->records };

    if (!pl_conn_can_save(c)) /* it lingers: its last answer is out */
        return;
    assert_true(m->n < CLIENTS);
    pl_conn_save(c, &r);
    m->at[m->n + 1] = m->records.len;
    m->socks[m->n] = pl_conn_detach(c);
    m->n++;
}

static void move_all(struct pl_node *from, struct pl_node *to)
{
    static const struct pl_listener listener = { .opts = { .mask = PL_LISTEN_EXTERNAL } };
    struct moving m = { .records = pl_buf_init(SIZE_MAX / 2) };

    for (int i = 0; i < SHARDS; i++)
        pl_net_each(from->shards[i], conn_out, &m);
    for (unsigned i = 0; i < m.n; i++) {
        struct pl_rec_in rec = { pl_slice(m.records.p + m.at[i], m.at[i + 1] - m.at[i]) };
        struct pl_conn *c;

        assert_int_equal(pl_conn_load(to->shards[sim_rnd(run.sim, SHARDS)], &listener, rec, m.socks[i], &c), PL_OK);
        assert_int_equal(pl_http_load(c, rec), PL_OK);
    }
    pl_buf_fini(&m.records);
}

static void one_run(uint64_t seed)
{
    struct pl_router *router = router_new();
    struct pl_node *nodes[NODES];
    unsigned n_nodes = 1, n_left;
    const struct pl_listen_opts opts = { .at = "127.0.0.1:80", .mask = PL_LISTEN_EXTERNAL, .on_accept = pl_http_on_accept };
    struct client clients[CLIENTS];
    struct pl_buf why = pl_buf_init(100);
    struct pl_listener *l;

    run.sim = sim_new((struct sim_opts){ .seed = seed, .buffer = 50 + seed * 37 % 3000, .split = seed % 4 != 0 });
    nodes[0] = node_new(router);
    assert_int_equal(pl_net_listen(nodes[0], &opts, &l, &why), PL_OK);
    for (int i = 0; i < CLIENTS; i++)
        client_new(&clients[i], "127.0.0.1:80");
    sim_run(run.sim);
    for (int step = 0; step < 20000; step++) {
        client_step(&clients[sim_rnd(run.sim, CLIENTS)]);
        if (sim_rnd(run.sim, 3) == 0)
            sim_run(run.sim);
        if (sim_rnd(run.sim, 10) == 0)
            sim_advance(run.sim, sim_rnd(run.sim, 30));
        if (n_nodes < NODES && sim_rnd(run.sim, 250) == 0) {
            sim_run(run.sim);
            nodes[n_nodes] = node_new(router);
            move_all(nodes[n_nodes - 1], nodes[n_nodes]);
            n_nodes++;
        }
        n_left = 0;
        for (int i = 0; i < CLIENTS; i++)
            n_left += clients[i].sock >= 0;
        if (n_left == 0)
            break;
    }
    assert_int_equal(n_left, 0);
    sim_advance(run.sim, 5000);
    for (unsigned i = 0; i < n_nodes; i++) {
        for (int k = 0; k < SHARDS; k++)
            assert_int_equal(pl_http_count(nodes[i]->shards[k]), 0);
        node_end(nodes[i]);
    }
    assert_int_equal(run.n_jobs, 0);
    assert_int_equal(sim_open_socks(run.sim), 0);
    for (int i = 0; i < CLIENTS; i++) {
        pl_buf_fini(&clients[i].in);
        pl_buf_fini(&clients[i].out);
        pl_buf_fini(&clients[i].texts);
    }
    sim_free(&run.sim);
    pl_router_free(&router);
    pl_buf_fini(&why);
}

static void every_client_gets_its_answers_over_random_schedules_and_moves(void **state)
{
    const char *one = getenv("PL_SIM_SEED"), *many = getenv("PL_SIM_SEEDS");
    uint64_t n = many != NULL ? strtoull(many, NULL, 10) : 60;

    (void)state;
    if (one != NULL) {
        one_run(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= n; seed++) {
        printf("seed %llu\r", (unsigned long long)seed); /* what a failure leaves on the screen */
        fflush(stdout);
        one_run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_gets_its_answers_over_random_schedules_and_moves),
    };

    return cmocka_run_group_tests_name("sim/http", tests, NULL, NULL);
}
