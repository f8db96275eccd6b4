/* A whole HTTP connection: whatever arrives, in whatever pieces, nothing crashes or leaks, every answer is well-formed, and the
 * answers are the same when the bytes come in other pieces. The first byte chooses the pieces. */
#include "base/check.h"
#include "codec/http1_resp_parse.h"
#include "http/fake_net_test.h"
#include "http/http.h"

static enum pl_err on_echo(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    (void)arg;
    pl_http_answer(h, 200, "text/plain", req->method == PL_HTTP_POST ? req->body : req->path, NULL);
    return PL_OK;
}

static const struct pl_route_ops echo_ops = { .on_request = on_echo };
static const char *const origins[] = { "https://*.example" };

/* Answers one after the other; HEAD requests make bodies unknowable, so the check stops at the first that does not follow on. */
static void answers_check(struct pl_slice out)
{
    while (out.len > 0) {
        static struct pl_http1_resp r;
        struct pl_http1_scan scan = { 0 };

        if (!pl_slice_starts(out, PL_LIT("HTTP/1.1 ")))
            return;
        PL_ASSERT(pl_http1_resp_parse(out, false, &scan, &r, NULL) == PL_OK);
        PL_ASSERT(r.framing != PL_HTTP1_UNTIL_CLOSE && r.framing != PL_HTTP1_CHUNKED);
        out = pl_slice_from(out, r.len);
        if (r.framing == PL_HTTP1_LENGTH)
            out = pl_slice_from(out, r.content_length < out.len ? (size_t)r.content_length : out.len);
    }
}

static struct peer *talk(struct pl_node *n, struct pl_slice in, size_t step)
{
    struct peer *p = peer_new(n, "127.0.0.1", PL_LISTEN_EXTERNAL);

    pl_http_on_accept(&p->c);
    while (in.len > 0 && !p->is_closed) {
        size_t len = in.len < step ? in.len : step;

        peer_send(p, pl_slice(in.p, len));
        in = pl_slice_from(in, len);
    }
    return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct pl_node *n;
    struct pl_router *r;
    struct peer *a, *b;
    const struct pl_route route = { .path = "/echo", .methods = PL_HTTP_GET | PL_HTTP_POST, .listeners = 3, .flags = PL_ROUTE_CORS | PL_ROUTE_PREFLIGHT,
                                    .body_limit = 64, .ops = &echo_ops };

    if (bytes == NULL || len < 2) /* NULL never comes, but gcc under UBSan believes so */
        return 0;
    n = fake_node_new();
    r = pl_router_new();
    PL_ASSERT(pl_router_add(r, &route) == PL_OK);
    pl_http_init(n, &(struct pl_http_opts){ .router = r, .allowed_origins = origins, .n_allowed_origins = 1, .max_head_bytes = 512,
                                            .head_timeout_ms = 1000, .body_timeout_ms = 1000, .idle_timeout_ms = 1000 });
    a = talk(n, pl_slice(bytes + 1, len - 1), len);
    b = talk(n, pl_slice(bytes + 1, len - 1), (size_t)bytes[0] % 32 + 1);
    answers_check(pl_buf_slice(&a->out));
    answers_check(pl_buf_slice(&b->out));
    if (memmem(bytes, len, "xpect", 5) == NULL && memmem(bytes, len, "XPECT", 5) == NULL) /* a 100 depends on what came with the head */
        PL_ASSERT(a->is_closed == b->is_closed && a->out.len == b->out.len);
    peer_free(&a);
    peer_free(&b);
    fake_pass(n, 0);
    pl_http_fini(n);
    pl_router_free(&r);
    fake_node_free(&n);
    return 0;
}
