/* Session ids: from any shard the id alone leads to the session's shard, also after it came over in a record to another one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/load.h"
#include "dialect/centrifugo.h"
#include "server/server.h"
#include "session/room.h"
#include "tests/sim/world_sim.h"

enum { SHARDS = 4, EACH = 50 };

static enum pl_err pipe_send(struct pl_pipe *p, const void *bytes, size_t n, size_t *ret_n)
{
    (void)p;
    (void)bytes;
    *ret_n = n;
    return PL_OK;
}

static void pipe_frame(struct pl_shard *s, unsigned render_class, struct pl_slice message, struct pl_buf *out)
{
    (void)s;
    (void)render_class;
    pl_buf_slice_put(out, message);
}

static const struct pl_pipe_ops pipe_ops = { .name = "test", .send = pipe_send, .frame = pipe_frame };

static void the_id_leads_to_the_session_from_every_shard(void **state)
{
    static const char text[] = "{\"http_server\":{\"address\":\"127.0.0.1\",\"port\":8000}}";
    struct pl_config_input in = { .world = pl_world_linux(), .file = "test", .text = pl_slice_str(text) };
    struct pl_config_report report = { NULL };
    struct sim *sim = sim_new((struct sim_opts){ .seed = 7 });
    struct pl_buf why = pl_buf_init(1000), record = pl_buf_init(1 << 20);
    struct pl_config *cfg = NULL;
    struct pl_server *server = NULL;
    struct pl_pipe pipe = { &pipe_ops, NULL }, moved_pipe = { &pipe_ops, NULL };
    struct pl_rec_out out = { &record };
    struct pl_sess *s, *moved;
    struct pl_node *n;
    uint8_t id[16];

    (void)state;
    assert_int_equal(pl_config_load(&in, &cfg, &report), PL_OK);
    pl_config_report_fini(&report);
    assert_int_equal(pl_server_new(&(struct pl_server_opts){ .world = sim_world(sim), .config = cfg, .n_shards = SHARDS }, &server, &why), PL_OK);
    n = pl_server_node(server);
    for (unsigned i = 0; i < SHARDS * EACH; i++) {
        struct pl_sess_opts opts = { .dialect = &pl_dialect_centrifugo_json, .pipe = &pipe, .render_class = PL_FRAMING_SSE, .has_ticket = true };
        unsigned at = i % SHARDS, to = (at + 1) % SHARDS;

        assert_int_equal(pl_sess_new(n->shards[at], &opts, &s), PL_OK);
        memcpy(id, sess_ticket_id(s), sizeof id);
        assert_int_equal(id[6] >> 4, 4);
        assert_int_equal(id[8] >> 6, 2);
        for (unsigned from = 0; from < SHARDS; from++)
            assert_int_equal(pl_sess_ticket_shard(n->shards[from], id), at);
        assert_ptr_equal(pl_sess_by_ticket(n->shards[at], id), s);
        assert_null(pl_sess_by_ticket(n->shards[to], id));

        pl_buf_clear(&record);
        pl_sess_save(s, &out);
        pl_sess_on_gone(s, false);
        assert_null(pl_sess_by_ticket(n->shards[at], id));
        assert_int_equal(pl_sess_load(n->shards[to], (struct pl_rec_in){ pl_buf_slice(&record) }, &moved_pipe, &pl_dialect_centrifugo_json,
                                      &moved), PL_OK);
        for (unsigned from = 0; from < SHARDS; from++)
            assert_int_equal(pl_sess_ticket_shard(n->shards[from], id), to);
        assert_ptr_equal(pl_sess_by_ticket(n->shards[to], id), moved);
        pl_sess_on_gone(moved, false);
        assert_null(pl_sess_by_ticket(n->shards[to], id));
        assert_int_equal(pl_sess_ticket_shard(n->shards[0], id), at);
    }
    pl_server_free(&server);
    pl_config_free(&cfg);
    sim_free(&sim);
    pl_buf_fini(&why);
    pl_buf_fini(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_id_leads_to_the_session_from_every_shard) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
