#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/app_test.h"

/* ---- records ---- */

/* The connection goes over to another one of the same node. */
static struct peer *move(struct fixture *f, struct peer *p)
{
    struct pl_buf b = pl_buf_init(1 << 20), copy = pl_buf_init(1 << 20);
    struct pl_rec_out r = { &b };
    struct peer *q = peer_new(f->node, "1.2.3.4", PL_LISTEN_EXTERNAL);

    p->c.ops->save(&p->c, &r);
    assert_true(pl_buf_ok(&b));
    q->is_paused = p->is_paused;
    q->room = p->room;
    pl_buf_slice_put(&q->in, pl_buf_slice(&p->in));
    pl_buf_slice_put(&q->out, pl_buf_slice(&p->out));
    q->c.tail_len = (uint32_t)q->in.len;
    assert_int_equal(pl_http_load(&q->c, (struct pl_rec_in){ pl_buf_slice(&b) }), PL_OK);
    assert_int_equal(q->out.len, p->out.len); /* nothing is sent before the loop runs */

    /* what was written is what is read */
    q->c.ops->save(&q->c, &(struct pl_rec_out){ &copy });
    q->must_deliver = true;
    peer_free(&p);
    fake_pass(f->node, 1);
    peer_settle(q);
    pl_buf_fini(&b);
    pl_buf_fini(&copy);
    return q;
}

static void a_conversation_moved_at_any_byte_goes_on_the_same(void **state)
{
    static const struct pl_slice talk = PL_LIT_INIT(
        GET("/echo?1") "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nthree\r\nPOST /echo HTTP/1.1\r\nHost: a\r\n"
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nfo\r\n2\r\nur\r\n0\r\nX: y\r\n\r\n" GET("/nothing") "\r\n"
        GET("/echo?last") "Connection: close\r\n\r\n");
    struct pl_buf want = pl_buf_init(65536);
    struct fixture *f = set_up();

    (void)state;
    for (size_t cut = 0; cut <= talk.len; cut++) {
        struct peer *p = dial(f, "1.2.3.4");
        bool is_last = cut == talk.len;

        /* byte by byte up to the cut: the 100 is sent in any case, since its body never comes with the head */
        for (size_t i = 0; i < cut; i++)
            peer_send(p, pl_slice(talk.p + i, 1));
        if (!p->is_closed)
            p = move(f, p);
        for (size_t i = cut; i < talk.len; i++)
            peer_send(p, pl_slice(talk.p + i, 1));
        assert_true(p->is_closed);
        if (cut == 0)
            pl_buf_slice_put(&want, pl_buf_slice(&p->out));
        else if (!pl_slice_eq(pl_buf_slice(&want), pl_buf_slice(&p->out)) && !is_last)
            fail_msg("cut at %zu:\n%.*s", cut, PL_FMT(pl_buf_slice(&p->out)));
        peer_free(&p);
        fake_pass(f->node, 0);
    }
    assert_true(want.len > 500);
    pl_buf_fini(&want);
    tear_down(f);
}

static void unsent_answers_move_too(void **state)
{
    struct fixture *f = set_up();

    (void)state;
    for (size_t room = 0; room < 130; room += 7) {
        struct peer *p = dial(f, "1.2.3.4");

        p->room = room;
        peer_send(p, PL_LIT(GET("/echo?1") "\r\n"));
        p = move(f, p);
        peer_make_room(p, SIZE_MAX - 1000);
        peer_send(p, PL_LIT(GET("/echo?2") "\r\n"));
        assert_out(p, OK_HEAD("1") "\r\n1" OK_HEAD("1") "\r\n2");
        peer_free(&p);
        fake_pass(f->node, 0);
    }
    tear_down(f);
}

static void a_waiting_request_is_taken_up_by_its_route(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT(GET("/later") "Origin: https://app.example\r\n\r\n" GET("/echo?2") "\r\n"));
    p = move(f, p);
    assert_int_equal(f->app.n_closed, 1); /* the old half */
    pl_http_answer(pl_http_by_handle(f->node->shards[0], f->app.waiting), 200, "text/plain", PL_LIT("1"), NULL);
    peer_settle(p);
    assert_out(p, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nAccess-Control-Allow-Origin: https://app.example\r\n"
                  "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\nContent-Length: 1\r\n\r\n1" OK_HEAD("1") "\r\n2");
    peer_free(&p);

    /* a stream that nobody takes up is cut, so that the client sees it is not complete */
    p = dial(f, "1.2.3.4");
    peer_send(p, PL_LIT(GET("/stream") "\r\n"));
    p = move(f, p);
    assert_true(p->is_closed);
    peer_free(&p);
    tear_down(f);
}

static void deadlines_move_with_their_remaining_time(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");

    (void)state;
    peer_send(p, PL_LIT("GET /ec"));
    fake_pass(f->node, 8000);
    p = move(f, p);
    fake_pass(f->node, 1900);
    assert_false(p->is_closing);
    fake_pass(f->node, 200);
    assert_true(p->is_closing);
    peer_free(&p);
    tear_down(f);
}

static void damaged_records_are_refused(void **state)
{
    struct fixture *f = set_up();
    struct peer *p = dial(f, "1.2.3.4");
    struct pl_buf b = pl_buf_init(1 << 20);
    struct pl_rec_out r = { &b };

    (void)state;
    peer_send(p, PL_LIT("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nth"));
    p->c.ops->save(&p->c, &r);
    for (size_t i = 0; i < b.len * 8; i++) { /* any one bit: refused, or a state that can be used and freed */
        struct peer *q = peer_new(f->node, "1.2.3.4", PL_LISTEN_EXTERNAL);

        b.p[i / 8] = (uint8_t)(b.p[i / 8] ^ 1u << i % 8);
        if (pl_http_load(&q->c, (struct pl_rec_in){ pl_buf_slice(&b) }) == PL_OK) {
            fake_pass(f->node, 1);
            peer_send(q, PL_LIT("ree" GET("/echo") "\r\n"));
            peer_free(&q);
        } else {
            q->is_closed = true;
            peer_free(&q);
        }
        fake_pass(f->node, 0);
        b.p[i / 8] = (uint8_t)(b.p[i / 8] ^ 1u << i % 8);
    }
    pl_buf_fini(&b);
    peer_free(&p);
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_moved_at_any_byte_goes_on_the_same),
        cmocka_unit_test(unsent_answers_move_too),
        cmocka_unit_test(a_waiting_request_is_taken_up_by_its_route),
        cmocka_unit_test(deadlines_move_with_their_remaining_time),
        cmocka_unit_test(damaged_records_are_refused),
    };

    return cmocka_run_group_tests_name("http/record", tests, NULL, NULL);
}
