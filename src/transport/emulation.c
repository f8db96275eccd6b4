#include "transport/emulation.h"

#include <stdlib.h>

#include "base/check.h"
#include "codec/cproto.h"
#include "codec/json.h"
#include "codec/pb.h"
#include "metrics/metrics.h"
#include "session/sess.h"

enum { NODE = 1, SESSION = 2, DATA = 3 }; /* fields of EmulationRequest */

struct emulation {
    struct pl_slice session, node, data;
};

/* One message on its way to its session's shard and back. */
struct post {
    struct pl_mail mail;
    struct pl_handle http;  /* on the shard that asks */
    uint8_t session[16];
    size_t n;
    uint8_t data[];
};

static enum pl_err parse_json(struct pl_slice body, struct pl_scratch *scratch, struct emulation *ret)
{
    static const struct pl_json_field fields[] = {
        PL_JSON_FIELD(struct emulation, session, PL_J_STR),
        PL_JSON_FIELD(struct emulation, node, PL_J_STR),
        PL_JSON_FIELD(struct emulation, data, PL_J_STR),
    };
    static const struct pl_json_shape shape = PL_JSON_SHAPE(fields);
    struct pl_json r = pl_json_init(body, scratch);
    enum pl_err err = pl_json_fill(&r, &shape, ret, NULL);

    return err == PL_OK ? pl_json_end(&r) : err;
}

static enum pl_err parse_protobuf(struct pl_slice body, struct emulation *ret)
{
    struct pl_pb_field f;
    enum pl_err err;

    while ((err = pl_pb_next(&body, &f)) == PL_OK) {
        if (f.number == NODE)
            err = pl_pb_str(&f, &ret->node);
        else if (f.number == SESSION)
            err = pl_pb_str(&f, &ret->session);
        else if (f.number == DATA && f.type == PL_PB_LEN)
            ret->data = f.bytes;
        else if (f.number == DATA)
            err = PL_EPROTO;
        if (err != PL_OK)
            return err;
    }
    return err == PL_ENOENT ? PL_OK : err;
}

/* On the session's shard. Nobody of that id: the client learns it from its stream (wire-protocol.md 17). */
static void hand_over(struct pl_shard *s, const uint8_t session[16], uint8_t *data, size_t n)
{
    struct pl_sess *sess = pl_sess_by_ticket(s, session);

    if (sess == NULL || (sess->render_class & PL_CLASS_UNI) != 0) /* who only listens, says nothing */
        return;
    pl_metric_add(s->cells, PL_M_TRANSPORT_RECEIVED + sess->pipe->ops->metric, 1);
    pl_metric_add(s->cells, PL_M_TRANSPORT_RECEIVED_BYTES + sess->pipe->ops->metric, (int64_t)n);
    pl_sess_input(sess, data, n);
}

static void post_back(struct pl_shard *s, struct pl_mail *m)
{
    struct post *post = PL_OF(m, struct post, mail);
    struct pl_http *h = pl_http_by_handle(s, post->http);

    free(post);
    if (h != NULL)
        pl_http_answer(h, 204, NULL, pl_slice(NULL, 0), NULL);
}

static void post_arrives(struct pl_shard *s, struct pl_mail *m)
{
    struct post *post = PL_OF(m, struct post, mail);
    unsigned from = m->from;

    hand_over(s, post->session, post->data, post->n);
    m->arrive = post_back;
    pl_mail_reply(s, from, m);
}

static enum pl_err deliver(struct pl_http *h, const uint8_t session[16], struct pl_slice data)
{
    struct pl_shard *s = pl_http_shard(h);
    unsigned to = PL_SABOTAGE(emulation_stays_here) ? s->index : pl_sess_ticket_shard(s, session);
    struct post *post = malloc(sizeof *post + data.len);

    if (post == NULL)
        return PL_ENOMEM;
    *post = (struct post){ .mail.arrive = post_arrives, .n = data.len };
    memcpy(post->session, session, sizeof post->session);
    if (data.len > 0)
        memcpy(post->data, data.p, data.len);
    if (to == s->index) {
        hand_over(s, post->session, post->data, post->n);
        free(post);
        pl_http_answer(h, 204, NULL, pl_slice(NULL, 0), NULL);
        return PL_OK;
    }
    post->http = pl_http_handle(h);
    if (post->http.v == 0 || pl_mail_ask(s, to, &post->mail) != PL_OK) {
        free(post);
        return PL_EBUSY;
    }
    return PL_WAIT;
}

static enum pl_err on_request(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    struct pl_scratch scratch = pl_scratch_init(3 * req->body.len + 1024);
    struct emulation e = { { 0 } };
    uint8_t session[16];
    char node[36];
    enum pl_err err;

    (void)arg;
    pl_uuid_text(pl_http_shard(h)->node->id, node);
    if (pl_slice_eq(pl_http_header(req, "Content-Type"), PL_LIT("application/octet-stream")))
        err = req->body.len > 0 ? parse_protobuf(req->body, &e) : PL_EPROTO;
    else
        err = parse_json(req->body, &scratch, &e);
    if (err != PL_OK) {
        pl_http_answer(h, 400, NULL, pl_slice(NULL, 0), NULL);
        err = PL_OK;
    } else if (!pl_slice_eq(e.node, pl_slice(node, sizeof node))) {
        pl_http_answer(h, 404, NULL, pl_slice(NULL, 0), NULL);
    } else if (pl_uuid_parse(e.session, session) != PL_OK) {
        pl_http_answer(h, 204, NULL, pl_slice(NULL, 0), NULL); /* nobody's, as any unknown one */
    } else {
        err = deliver(h, session, e.data);
        if (err != PL_OK && err != PL_WAIT) {
            pl_http_answer(h, 503, NULL, pl_slice(NULL, 0), "Retry-After: 1\r\n");
            err = PL_OK;
        }
    }
    pl_scratch_fini(&scratch);
    return err;
}

const struct pl_route_ops pl_emulation_route_ops = { .on_request = on_request };
