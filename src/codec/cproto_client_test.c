/* The two halves of the protocol against each other: what one writes, the other reads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/cproto_client.h"

static const struct pl_cproto_ops *const server = &pl_cproto_json;
static const struct pl_cproto_client_ops *const client = &pl_cproto_client_json;
static const uint8_t uuid[16] = { 0x8f, 0x1c, 0, 1, 2, 3, 0x44, 5, 0x96, 7, 8, 9, 10, 11, 12, 255 };
#define UUID_TEXT "8f1c0001-0203-4405-9607-08090a0b0cff"

struct fixture {
    struct pl_buf b, entries;
    struct pl_scratch scratch;
};

static int setup(void **state)
{
    static struct fixture f;

    f.b = pl_buf_init(65536);
    f.entries = pl_buf_init(65536);
    f.scratch = pl_scratch_init(65536);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pl_buf_fini(&f->b);
    pl_buf_fini(&f->entries);
    pl_scratch_fini(&f->scratch);
    return 0;
}

/* What the client has written, as the server reads it. Borrows f->b until the next command is written. */
static struct pl_command command(struct fixture *f, enum pl_cmd_kind kind)
{
    struct pl_command c;

    assert_true(pl_buf_ok(&f->b));
    assert_int_equal(server->command(pl_buf_slice(&f->b), &f->scratch, &c), PL_OK);
    assert_int_equal(c.kind, kind);
    f->b.len = 0;
    return c;
}

static struct pl_reply reply(struct fixture *f, bool is_uni, enum pl_reply_kind kind)
{
    struct pl_reply r;

    assert_true(pl_buf_ok(&f->b));
    for (size_t n = 0; n < f->b.len; n++)
        assert_int_equal(client->reply(pl_slice(f->b.p, n), is_uni, &f->scratch, &r), PL_EPROTO);
    assert_int_equal(client->reply(pl_buf_slice(&f->b), is_uni, &f->scratch, &r), PL_OK);
    assert_int_equal(r.kind, kind);
    f->b.len = 0;
    return r;
}

static void the_server_reads_every_command_that_the_client_writes(void **state)
{
    struct fixture *f = *state;
    struct pl_command c;

    client->connect_sub(&f->entries, PL_LIT("a\""), &(struct pl_subscribe_req){ .recover = true, .offset = 5, .epoch = PL_LIT("e") });
    client->connect(&f->b, 1, &(struct pl_connect_req){ .token = PL_LIT("t"), .data = PL_LIT("{\"a\":\n1}"), .subs = PL_LIT("{}"),
                                                       .name = PL_LIT("c"), .version = PL_LIT("1"), .headers = PL_LIT("{\"h\":\"v\"}"), .flag = 1 });
    c = command(f, PL_CMD_CONNECT);
    assert_true(c.id == 1 && pl_slice_eq(c.connect.data, PL_LIT("{\"a\":1}")) && c.connect.headers.len == 9 && c.connect.flag == 1);
    client->subscribe(&f->b, 2, &(struct pl_subscribe_req){ .channel = PL_LIT("c\n"), .token = PL_LIT("t"), .recover = true, .offset = UINT64_MAX,
                                                           .epoch = PL_LIT("e"), .data = PL_LIT("1"), .positioned = true, .recoverable = true,
                                                           .join_leave = true, .delta = PL_LIT("fossil"), .flag = 2, .limit = -1 });
    c = command(f, PL_CMD_SUBSCRIBE);
    assert_true(pl_slice_eq(c.subscribe.channel, PL_LIT("c\n")) && c.subscribe.offset == UINT64_MAX && c.subscribe.recover && c.subscribe.positioned &&
                c.subscribe.recoverable && c.subscribe.join_leave && c.subscribe.flag == 2 && c.subscribe.limit == -1);
    client->unsubscribe(&f->b, 3, PL_LIT("c"));
    command(f, PL_CMD_UNSUBSCRIBE);
    client->publish(&f->b, 4, &(struct pl_publish_req){ .channel = PL_LIT("c"), .data = PL_LIT("\"x\"") });
    c = command(f, PL_CMD_PUBLISH);
    assert_true(pl_slice_eq(c.publish.data, PL_LIT("\"x\"")));
    client->presence(&f->b, 5, PL_LIT("c"));
    command(f, PL_CMD_PRESENCE);
    client->presence_stats(&f->b, 6, PL_LIT("c"));
    command(f, PL_CMD_PRESENCE_STATS);
    client->history(&f->b, 7, &(struct pl_history_req){ .channel = PL_LIT("c"), .limit = -1, .since = { true, 0, PL_LIT("e") }, .reverse = true });
    c = command(f, PL_CMD_HISTORY);
    assert_true(c.history.since.is_set && c.history.since.offset == 0 && c.history.since.epoch.len == 1 && c.history.reverse);
    client->rpc(&f->b, 8, &(struct pl_rpc_req){ .method = PL_LIT("m"), .data = PL_LIT("[]") });
    c = command(f, PL_CMD_RPC);
    assert_true(c.rpc.method.len == 1 && c.rpc.data.len == 2);
    client->refresh(&f->b, 9, PL_LIT("t"));
    command(f, PL_CMD_REFRESH);
    client->sub_refresh(&f->b, 10, &(struct pl_sub_refresh_req){ .channel = PL_LIT("c"), .token = PL_LIT("t"), .untrack = PL_LIT("[\"k\"]") });
    c = command(f, PL_CMD_SUB_REFRESH);
    assert_true(c.id == 10 && c.sub_refresh.untrack.len == 5);
    client->send(&f->b, PL_LIT("1"));
    command(f, PL_CMD_SEND);
    client->pong(&f->b);
    c = command(f, PL_CMD_NONE);
    assert_true(pl_command_is_pong(&c));
}

static void the_client_reads_every_reply_that_the_server_writes(void **state)
{
    struct pl_client_info_view info = { PL_LIT("42"), uuid, PL_LIT("{\"i\":1}"), { NULL, 0 } };
    struct pl_slice pubs[] = { PL_LIT("{\"data\":1,\"offset\":12,\"tags\":{\"a\":\"b\"}}"), PL_LIT("{\"data\":{\"x\":2},\"info\":{\"user\":\"u\",\"client\":\"c\"}}") };
    struct fixture *f = *state;
    struct pl_reply_subscribe sub;
    struct pl_reply_info who;
    struct pl_reply_pub pub;
    struct pl_slice name;
    struct pl_reply r;
    struct pl_walk w;

    server->ping(&f->b);
    reply(f, false, PL_REPLY_PING);
    server->error(&f->b, 4, 100, PL_LIT("internal"), true);
    r = reply(f, false, PL_REPLY_ERROR);
    assert_true(r.id == 4 && r.error.code == 100 && pl_slice_eq(r.error.message, PL_LIT("internal")) && r.error.temporary);
    server->connect_sub(&f->entries, PL_LIT("s"), &(struct pl_subscribe_result){ .epoch = PL_LIT("e"), .offset = 3 });
    server->connect(&f->b, 1, &(struct pl_connect_result){ .client = uuid, .version = PL_LIT("0"), .expires = true, .ttl = 5, .data = PL_LIT("1"),
                                                           .subs = pl_buf_slice(&f->entries), .ping = 25, .pong = true, .session = uuid, .node = uuid,
                                                           .time_ms = 9 });
    r = reply(f, false, PL_REPLY_RESULT);
    assert_true(r.cmd == PL_CMD_CONNECT && pl_slice_eq(r.connect.client, PL_LIT(UUID_TEXT)) && r.connect.expires && r.connect.ttl == 5 &&
                r.connect.ping == 25 && r.connect.pong && r.connect.session.len == 36 && r.connect.node.len == 36 && r.connect.time == 9);
    w = pl_walk(r.connect.subs);
    assert_int_equal(client->walk_subs(&w, &f->scratch, &name, &sub), PL_OK);
    assert_true(pl_slice_eq(name, PL_LIT("s")) && sub.offset == 3 && sub.epoch.len == 1);
    assert_int_equal(client->walk_subs(&w, &f->scratch, &name, &sub), PL_ENOENT);

    server->subscribe(&f->b, 2, &(struct pl_subscribe_result){ .recoverable = true, .epoch = PL_LIT("e"), .pubs = pubs, .n_pubs = 2, .recovered = true,
                                                               .offset = 11, .positioned = true, .was_recovering = true, .expires = true, .ttl = 9 });
    r = reply(f, false, PL_REPLY_RESULT);
    assert_true(r.cmd == PL_CMD_SUBSCRIBE && r.subscribe.recoverable && r.subscribe.recovered && r.subscribe.offset == 11 &&
                r.subscribe.positioned && r.subscribe.was_recovering && r.subscribe.expires && r.subscribe.ttl == 9);
    w = pl_walk(r.subscribe.publications);
    assert_int_equal(client->walk_pubs(&w, &f->scratch, &pub), PL_OK);
    assert_true(pl_slice_eq(pub.data, PL_LIT("1")) && pub.offset == 12 && pub.tags.len == 9 && !pub.info.is_set);
    assert_int_equal(client->walk_pubs(&w, &f->scratch, &pub), PL_OK);
    assert_true(pub.info.is_set && pl_slice_eq(pub.info.user, PL_LIT("u")) && pub.offset == 0);
    assert_int_equal(client->walk_pubs(&w, &f->scratch, &pub), PL_ENOENT);

    server->empty(&f->b, 3, PL_CMD_PUBLISH);
    assert_int_equal(reply(f, false, PL_REPLY_RESULT).cmd, PL_CMD_PUBLISH);
    pl_buf_clear(&f->entries);
    server->presence_entry(&f->entries, &info);
    server->presence(&f->b, 3, pl_buf_slice(&f->entries));
    r = reply(f, false, PL_REPLY_RESULT);
    w = pl_walk(r.presence.presence);
    assert_int_equal(client->walk_clients(&w, &f->scratch, &name, &who), PL_OK);
    assert_true(pl_slice_eq(name, PL_LIT(UUID_TEXT)) && pl_slice_eq(who.client, name) && pl_slice_eq(who.conn_info, PL_LIT("{\"i\":1}")));
    assert_int_equal(client->walk_clients(&w, &f->scratch, &name, &who), PL_ENOENT);
    server->presence_stats(&f->b, 3, 7, 5);
    r = reply(f, false, PL_REPLY_RESULT);
    assert_true(r.presence_stats.num_clients == 7 && r.presence_stats.num_users == 5);
    server->history(&f->b, 3, &(struct pl_history_result){ .pubs = pubs, .n_pubs = 1, .epoch = PL_LIT("e"), .offset = 12 });
    r = reply(f, false, PL_REPLY_RESULT);
    assert_true(r.cmd == PL_CMD_HISTORY && r.history.offset == 12 && r.history.epoch.len == 1);
    server->rpc(&f->b, 3, PL_LIT("{}"));
    assert_int_equal(reply(f, false, PL_REPLY_RESULT).rpc.data.len, 2);
    server->refresh(&f->b, 3, true, 60);
    assert_int_equal(reply(f, false, PL_REPLY_RESULT).refresh.ttl, 60);
}

static void the_client_reads_every_push_in_both_forms(void **state)
{
    struct pl_client_info_view info = { PL_LIT("42"), uuid, { NULL, 0 }, PL_LIT("1") };
    struct fixture *f = *state;
    struct pl_reply r;

    for (int uni = 0; uni < 2; uni++) {
        server->push_pub(&f->b, uni, PL_LIT("c"), PL_LIT("{\"data\":{\"m\":1},\"offset\":13}"));
        r = reply(f, uni, PL_REPLY_PUSH);
        assert_true(r.push.kind == PL_PUSH_PUB && pl_slice_eq(r.push.channel, PL_LIT("c")) && r.push.pub.offset == 13);
        server->push_join(&f->b, uni, PL_LIT("c"), &info);
        r = reply(f, uni, PL_REPLY_PUSH);
        assert_true(r.push.kind == PL_PUSH_JOIN && pl_slice_eq(r.push.join.info.user, PL_LIT("42")));
        server->push_leave(&f->b, uni, PL_LIT("c"), &info);
        assert_int_equal(reply(f, uni, PL_REPLY_PUSH).push.kind, PL_PUSH_LEAVE);
        server->push_unsubscribe(&f->b, uni, PL_LIT("c"), 2500, PL_LIT("insufficient state"));
        r = reply(f, uni, PL_REPLY_PUSH);
        assert_true(r.push.kind == PL_PUSH_UNSUBSCRIBE && r.push.unsubscribe.code == 2500);
        server->push_subscribe(&f->b, uni, PL_LIT("c"), &(struct pl_subscribe_push){ .offset = 4 });
        assert_int_equal(reply(f, uni, PL_REPLY_PUSH).push.subscribe.offset, 4);
        server->push_message(&f->b, uni, PL_LIT("5"));
        assert_int_equal(reply(f, uni, PL_REPLY_PUSH).push.kind, PL_PUSH_MESSAGE);
        server->push_connect(&f->b, uni, &(struct pl_connect_result){ .client = uuid, .ping = 60 });
        assert_int_equal(reply(f, uni, PL_REPLY_PUSH).push.connect.ping, 60);
        server->push_disconnect(&f->b, uni, 3012, PL_LIT("no pong"));
        r = reply(f, uni, PL_REPLY_PUSH);
        assert_true(r.push.kind == PL_PUSH_DISCONNECT && r.push.disconnect.code == 3012);
        server->push_refresh(&f->b, uni, true, 60);
        assert_int_equal(reply(f, uni, PL_REPLY_PUSH).push.refresh.ttl, 60);
        server->ping(&f->b);
        reply(f, uni, PL_REPLY_PING);
    }
}

static void what_is_unknown_is_passed_over_and_what_is_wrong_refused(void **state)
{
    static const char *const bad[] = { "", "1", "{\"id\":-1}", "{\"id\":1,\"error\":[]}", "{\"push\":{\"pub\":{\"offset\":\"1\"}}}", "{} x", "{\"id\":1" };
    struct fixture *f = *state;
    struct pl_reply r;

    assert_int_equal(client->reply(PL_LIT("{\"push\":{\"channel\":\"c\",\"novel\":{}}}"), false, &f->scratch, &r), PL_OK);
    assert_true(r.kind == PL_REPLY_PUSH && r.push.kind == PL_PUSH_NONE);
    assert_int_equal(client->reply(PL_LIT("{\"id\":5,\"novel\":{}}"), false, &f->scratch, &r), PL_OK);
    assert_true(r.kind == PL_REPLY_RESULT && r.cmd == PL_CMD_NONE && r.id == 5);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (client->reply(pl_slice_str(bad[i]), false, &f->scratch, &r) != PL_EPROTO)
            fail_msg("%s", bad[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_server_reads_every_command_that_the_client_writes),
        TEST(the_client_reads_every_reply_that_the_server_writes),
        TEST(the_client_reads_every_push_in_both_forms),
        TEST(what_is_unknown_is_passed_over_and_what_is_wrong_refused),
    };

    return cmocka_run_group_tests_name("codec/cproto_client", tests, NULL, NULL);
}
