#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "codec/cproto.h"
#include "codec/json.h"

static const struct pl_cproto_ops *const ops = &pl_cproto_json;

static enum pl_err parse(const char *line, struct pl_scratch *scratch, struct pl_command *ret)
{
    return ops->command(pl_slice_str(line), scratch, ret);
}

static void every_request_is_parsed_with_all_its_fields(void **state)
{
    struct pl_scratch sc = pl_scratch_init(1000);
    struct pl_command c;

    (void)state;
    assert_int_equal(parse("{\"id\":1,\"connect\":{\"token\":\"t\",\"data\":{\"a\":1},\"name\":\"js\",\"version\":\"5\",\"flag\":3,\"subs\":{\"x\":{}},"
                           "\"headers\":{\"h\":\"v\"},\"profile\":\"p\"}}", &sc, &c), PL_OK);
    assert_true(c.id == 1 && c.kind == PL_CMD_CONNECT && pl_slice_eq(c.connect.token, PL_LIT("t")) &&
                pl_slice_eq(c.connect.data, PL_LIT("{\"a\":1}")) && pl_slice_eq(c.connect.name, PL_LIT("js")) &&
                pl_slice_eq(c.connect.version, PL_LIT("5")) && c.connect.flag == 3 && c.connect.subs.len == 8 && c.connect.headers.len == 9);
    assert_int_equal(parse("{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"token\":\"t\",\"recover\":true,\"epoch\":\"e\",\"offset\":18446744073709551615,"
                           "\"data\":[1],\"positioned\":true,\"recoverable\":true,\"join_leave\":true,\"delta\":\"fossil\",\"tf\":{\"op\":\"and\",\"nodes\":"
                           "[{\"key\":\"k\",\"cmp\":\"in\",\"vals\":[\"v\"]}]},\"flag\":2,\"type\":1,\"phase\":2,\"cursor\":\"q\",\"limit\":-5,\"asc\":true}}",
                           &sc, &c), PL_OK);
    assert_true(c.kind == PL_CMD_SUBSCRIBE && c.subscribe.recover && c.subscribe.offset == UINT64_MAX && pl_slice_eq(c.subscribe.epoch, PL_LIT("e")) &&
                c.subscribe.positioned && c.subscribe.recoverable && c.subscribe.join_leave && pl_slice_eq(c.subscribe.delta, PL_LIT("fossil")) &&
                c.subscribe.tf.len == 58 && c.subscribe.flag == 2 && c.subscribe.type == 1 && c.subscribe.phase == 2 &&
                c.subscribe.cursor.len == 1 && c.subscribe.limit == -5 && c.subscribe.asc && pl_slice_eq(c.subscribe.data, PL_LIT("[1]")));
    assert_true(pl_slice_eq(pl_command_channel(&c), PL_LIT("c")));
    assert_int_equal(parse("{\"publish\":{\"channel\":\"c\",\"data\":null,\"type\":1,\"key\":\"k\",\"removed\":true},\"id\":4294967295}", &sc, &c), PL_OK);
    assert_true(c.id == UINT32_MAX && c.kind == PL_CMD_PUBLISH && pl_slice_eq(c.publish.data, PL_LIT("null")) && c.publish.removed &&
                c.publish.type == 1 && c.publish.key.len == 1);
    assert_int_equal(parse("{\"id\":4,\"history\":{\"channel\":\"c\",\"limit\":-1,\"since\":{\"offset\":3,\"epoch\":\"e\"},\"reverse\":true}}", &sc, &c), PL_OK);
    assert_true(c.kind == PL_CMD_HISTORY && c.history.limit == -1 && c.history.since.is_set && c.history.since.offset == 3 &&
                c.history.since.epoch.len == 1 && c.history.reverse);
    assert_int_equal(parse("{\"id\":4,\"rpc\":{\"method\":\"m\",\"data\":0}}", &sc, &c), PL_OK);
    assert_true(c.kind == PL_CMD_RPC && c.rpc.method.len == 1 && c.rpc.data.len == 1);
    assert_int_equal(parse("{\"id\":4,\"refresh\":{\"token\":\"tt\"}}", &sc, &c), PL_OK);
    assert_true(c.kind == PL_CMD_REFRESH && c.refresh.token.len == 2);
    assert_int_equal(parse("{\"id\":4,\"sub_refresh\":{\"channel\":\"c\",\"token\":\"t\",\"type\":2,\"track\":[{\"signature\":\"s\",\"items\":[{\"key\":\"k\","
                           "\"version\":5}]}],\"untrack\":[\"a\"]}}", &sc, &c), PL_OK);
    assert_true(c.kind == PL_CMD_SUB_REFRESH && c.sub_refresh.type == 2 && c.sub_refresh.track.len > 20 && c.sub_refresh.untrack.len == 5);
    assert_int_equal(parse("{\"send\":{\"data\":{}}}", &sc, &c), PL_OK);
    assert_true(c.kind == PL_CMD_SEND && !pl_command_is_pong(&c));
    assert_int_equal(parse("{}", &sc, &c), PL_OK);
    assert_true(pl_command_is_pong(&c));
    assert_int_equal(parse("{\"id\":3,\"ping\":{}}", &sc, &c), PL_OK);
    assert_true(c.kind == PL_CMD_PING);
    assert_int_equal(parse("{\"id\":3,\"presence\":{\"channel\":\"p\"}}", &sc, &c), PL_OK);
    assert_true(c.kind == PL_CMD_PRESENCE && pl_command_channel(&c).len == 1);
    pl_scratch_fini(&sc);
}

/* Rows of /malformed and of wire-protocol.md 2.1. */
static const struct { const char *line; enum pl_err want; uint32_t id; enum pl_cmd_kind kind; const char *channel; } lines[] = {
    { "{\"ID\":2,\"RPC\":{\"method\":\"ping\"}}", PL_OK, 2, PL_CMD_RPC, "" },
    { "{\"\\u0069d\":2,\"subscribe\":{\"channel\":\"\\u0061b\"}}", PL_OK, 2, PL_CMD_SUBSCRIBE, "ab" },
    { "{\"id\":2,\"rpc\":{\"method\":\"ping\"},\"subscribe\":{\"channel\":\"x\"}}", PL_OK, 2, PL_CMD_SUBSCRIBE, "x" },
    { "{\"id\":2,\"subscribe\":{\"channel\":\"x\"},\"rpc\":{\"method\":\"ping\"}}", PL_OK, 2, PL_CMD_SUBSCRIBE, "x" },
    { "{\"id\":2,\"subscribe\":{\"channel\":\"x\"},\"rpc\":{\"method\":5}}", PL_EPROTO, 0, 0, "" },
    { "{\"id\":2,\"subscribe\":null}", PL_OK, 2, PL_CMD_NONE, "" },
    { "{\"id\":2,\"subscribe\":{\"channel\":\"x\"}} trailing", PL_OK, 2, PL_CMD_SUBSCRIBE, "x" },
    { " \t{\"id\":2,\"subscribe\":{\"channel\":\"x\"}}\r", PL_OK, 2, PL_CMD_SUBSCRIBE, "x" },
    { "{\"id\":2,\"publish\":{\"channel\":\"a\"},\"publish\":{\"channel\":\"b\"}}", PL_OK, 2, PL_CMD_PUBLISH, "b" },
    { "{\"id\":2,\"id\":3}", PL_OK, 3, PL_CMD_NONE, "" },
    { "{\"id\":2}", PL_OK, 2, PL_CMD_NONE, "" },
    { "{\"extra\":{\"x\":[1,2]},\"id\":7}", PL_OK, 7, PL_CMD_NONE, "" },
    { "{\"id\":\"2\",\"rpc\":{}}", PL_EPROTO, 0, 0, "" },
    { "{\"id\":2.5,\"rpc\":{}}", PL_EPROTO, 0, 0, "" },
    { "{\"id\":-2,\"rpc\":{}}", PL_EPROTO, 0, 0, "" },
    { "{\"id\":4294967296,\"rpc\":{}}", PL_EPROTO, 0, 0, "" },
    { "{\"id\":2,\"rpc\":", PL_EPROTO, 0, 0, "" },
    { "{\"id\":2,\"rpc\":5}", PL_EPROTO, 0, 0, "" },
    { "{\"id\":2,\"subscribe\":{\"tf\":{\"nodes\":[{\"op\":1}]}}}", PL_EPROTO, 0, 0, "" },
    { "{\"id\":2,\"connect\":{\"subs\":{\"a\":{\"offset\":\"1\"}}}}", PL_EPROTO, 0, 0, "" },
    { "{\"id\":2,\"connect\":{\"headers\":{\"a\":1}}}", PL_EPROTO, 0, 0, "" },
    { "hello", PL_EPROTO, 0, 0, "" },
    { "xx", PL_EPROTO, 0, 0, "" },
    { " ", PL_EPROTO, 0, 0, "" },
    { "[]", PL_EPROTO, 0, 0, "" },
};

static void odd_lines_are_taken_or_refused_as_centrifugo_does(void **state)
{
    struct pl_scratch sc = pl_scratch_init(1000);

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct pl_command c;
        enum pl_err err = parse(lines[i].line, &sc, &c);

        if (err != lines[i].want)
            fail_msg("%s: %s", lines[i].line, pl_err_text(err));
        if (err == PL_OK && (c.id != lines[i].id || c.kind != lines[i].kind || !pl_slice_eq(pl_command_channel(&c), pl_slice_str(lines[i].channel))))
            fail_msg("%s: id %u kind %u", lines[i].line, c.id, c.kind);
    }
    pl_scratch_fini(&sc);
}

static void a_cut_command_is_never_taken_for_another(void **state)
{
    static const char line[] = "{\"id\":12,\"subscribe\":{\"channel\":\"a\\u0062c\",\"recover\":true,\"offset\":12,\"tf\":{\"nodes\":[{}]},\"data\":{\"x\":[1,2]}}}";
    struct pl_scratch sc = pl_scratch_init(10000);
    struct pl_command c;

    (void)state;
    for (size_t n = 0; n < sizeof line - 1; n++) {
        uint8_t *copy = malloc(n != 0 ? n : 1); /* so that ASan sees a read beyond */

        memcpy(copy, line, n);
        assert_int_equal(ops->command(pl_slice(copy, n), &sc, &c), PL_EPROTO);
        free(copy);
    }
    assert_int_equal(ops->command(pl_slice(line, sizeof line - 1), &sc, &c), PL_OK);
    pl_scratch_fini(&sc);
}

static void a_frame_is_split_at_line_feeds(void **state)
{
    struct pl_slice rest = PL_LIT("{}\n{\"id\":1}\n"), one;

    (void)state;
    assert_int_equal(ops->split(&rest, &one), PL_OK);
    assert_true(pl_slice_eq(one, PL_LIT("{}")));
    assert_int_equal(ops->split(&rest, &one), PL_OK);
    assert_true(pl_slice_eq(one, PL_LIT("{\"id\":1}")) && rest.len == 0);

    rest = PL_LIT("{}\n\n{}");
    assert_int_equal(ops->split(&rest, &one), PL_OK);
    assert_int_equal(ops->split(&rest, &one), PL_EPROTO);
    rest = PL_LIT("\n");
    assert_int_equal(ops->split(&rest, &one), PL_EPROTO);
    rest = pl_slice(NULL, 0);
    assert_int_equal(ops->split(&rest, &one), PL_EPROTO);
}

static void requested_subs_are_walked(void **state)
{
    struct pl_scratch sc = pl_scratch_init(1000);
    struct pl_subscribe_req sub;
    struct pl_slice channel;
    struct pl_command c;
    struct pl_walk w;

    (void)state;
    assert_int_equal(parse("{\"id\":1,\"connect\":{\"subs\":{\"a\":{\"recover\":true,\"offset\":5,\"epoch\":\"e\"},\"\\u0062\":null}}}", &sc, &c), PL_OK);
    w = pl_walk(c.connect.subs);
    assert_int_equal(ops->walk_subs(&w, &sc, &channel, &sub), PL_OK);
    assert_true(pl_slice_eq(channel, PL_LIT("a")) && sub.recover && sub.offset == 5 && pl_slice_eq(sub.epoch, PL_LIT("e")));
    assert_int_equal(ops->walk_subs(&w, &sc, &channel, &sub), PL_OK);
    assert_true(pl_slice_eq(channel, PL_LIT("b")) && !sub.recover && sub.offset == 0);
    assert_int_equal(ops->walk_subs(&w, &sc, &channel, &sub), PL_ENOENT);
    pl_scratch_fini(&sc);
}

static void the_bare_connect_request_wants_one_object_and_nothing_else(void **state)
{
    struct pl_scratch sc = pl_scratch_init(1000);
    struct pl_connect_req req;

    (void)state;
    assert_int_equal(ops->connect_request(PL_LIT(" {\"token\":\"t\"}\n"), &sc, &req), PL_OK);
    assert_int_equal(req.token.len, 1);
    assert_int_equal(ops->connect_request(PL_LIT("{} x"), &sc, &req), PL_EPROTO);
    assert_int_equal(ops->connect_request(PL_LIT(""), &sc, &req), PL_EPROTO);
    pl_scratch_fini(&sc);
}

static const uint8_t uuid[16] = { 0x8f, 0x1c, 0, 1, 2, 3, 0x44, 5, 0x96, 7, 8, 9, 10, 11, 12, 255 };
#define UUID_TEXT "8f1c0001-0203-4405-9607-08090a0b0cff"

/* Compares and empties. */
static void expect(struct pl_buf *b, const char *want)
{
    assert_true(pl_buf_ok(b));
    if (!pl_slice_eq(pl_buf_slice(b), pl_slice_str(want)))
        fail_msg("got %.*s\nnot %s", PL_FMT(pl_buf_slice(b)), want);
    assert_int_equal(pl_json_check(pl_buf_slice(b)), PL_OK);
    assert_null(memchr(b->p, '\n', b->len));
    pl_buf_clear(b);
}

static void replies_leave_out_what_is_zero(void **state)
{
    struct pl_client_info_view info = { PL_LIT("42"), uuid, PL_LIT("{\"i\":\n1}"), { NULL, 0 } };
    struct pl_slice pubs[] = { PL_LIT("{\"data\":1}"), PL_LIT("{\"data\":2}") };
    struct pl_buf b = pl_buf_init(4096), entries = pl_buf_init(4096);

    (void)state;
    ops->error(&b, 4, 103, PL_LIT("permission denied"), false);
    expect(&b, "{\"id\":4,\"error\":{\"code\":103,\"message\":\"permission denied\"}}");
    ops->error(&b, 4, 100, PL_LIT("internal server error"), true);
    expect(&b, "{\"id\":4,\"error\":{\"code\":100,\"message\":\"internal server error\",\"temporary\":true}}");
    ops->empty(&b, 3, PL_CMD_PUBLISH);
    expect(&b, "{\"id\":3,\"publish\":{}}");
    ops->subscribe(&b, 2, &(struct pl_subscribe_result){ 0 });
    expect(&b, "{\"id\":2,\"subscribe\":{}}");
    ops->subscribe(&b, 2, &(struct pl_subscribe_result){ .recoverable = true, .epoch = PL_LIT("Qw3e"), .pubs = pubs, .n_pubs = 2, .recovered = true,
                                                         .offset = 11, .positioned = true, .was_recovering = true });
    expect(&b, "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"epoch\":\"Qw3e\",\"publications\":[{\"data\":1},{\"data\":2}],\"recovered\":true,"
               "\"offset\":11,\"positioned\":true,\"was_recovering\":true}}");
    ops->connect_sub(&entries, PL_LIT("a\""), &(struct pl_subscribe_result){ 0 });
    ops->connect_sub(&entries, PL_LIT("b"), &(struct pl_subscribe_result){ .expires = true, .ttl = 5, .data = PL_LIT("{}") });
    ops->connect(&b, 1, &(struct pl_connect_result){ .client = uuid, .version = PL_LIT("0 OSS"), .expires = true, .ttl = 599, .data = PL_LIT("[1]"),
                                                     .subs = pl_buf_slice(&entries), .ping = 25, .pong = true, .time_ms = 12 });
    expect(&b, "{\"id\":1,\"connect\":{\"client\":\"" UUID_TEXT "\",\"version\":\"0 OSS\",\"expires\":true,\"ttl\":599,\"data\":[1],\"subs\":"
               "{\"a\\\"\":{},\"b\":{\"expires\":true,\"ttl\":5,\"data\":{}}},\"ping\":25,\"pong\":true,\"time\":12}}");
    pl_buf_clear(&entries);
    ops->presence(&b, 3, pl_buf_slice(&entries));
    expect(&b, "{\"id\":3,\"presence\":{\"presence\":{}}}");
    ops->presence_entry(&entries, &info);
    ops->presence(&b, 3, pl_buf_slice(&entries));
    expect(&b, "{\"id\":3,\"presence\":{\"presence\":{\"" UUID_TEXT "\":{\"user\":\"42\",\"client\":\"" UUID_TEXT "\",\"conn_info\":{\"i\":1}}}}}");
    ops->presence_stats(&b, 3, 0, 0);
    expect(&b, "{\"id\":3,\"presence_stats\":{\"num_clients\":0,\"num_users\":0}}");
    ops->history(&b, 3, &(struct pl_history_result){ .epoch = PL_LIT("e") });
    expect(&b, "{\"id\":3,\"history\":{\"publications\":[],\"epoch\":\"e\",\"offset\":0}}");
    ops->rpc(&b, 3, pl_slice(NULL, 0));
    expect(&b, "{\"id\":3,\"rpc\":{}}");
    ops->rpc(&b, 3, PL_LIT("\"x\""));
    expect(&b, "{\"id\":3,\"rpc\":{\"data\":\"x\"}}");
    ops->refresh(&b, 3, true, 300);
    expect(&b, "{\"id\":3,\"refresh\":{\"expires\":true,\"ttl\":300}}");
    ops->sub_refresh(&b, 3, &(struct pl_sub_refresh_result){ 0 });
    expect(&b, "{\"id\":3,\"sub_refresh\":{}}");
    ops->ping(&b);
    expect(&b, "{}");
    pl_buf_fini(&entries);
    pl_buf_fini(&b);
}

static void pushes_are_wrapped_unless_unidirectional(void **state)
{
    struct pl_client_info_view anonymous = { { NULL, 0 }, uuid, { NULL, 0 }, PL_LIT("1") };
    struct pl_buf b = pl_buf_init(4096), object = pl_buf_init(4096);

    (void)state;
    ops->publication(&object, &(struct pl_pub_view){ .data = PL_LIT("{\"b\" :\n 1}"), .info = &anonymous, .offset = 1, .tags = PL_LIT("{\"a\":\"b\"}"),
                                                     .epoch = PL_LIT("e"), .version = 5 });
    ops->push_pub(&b, false, PL_LIT("room:\n7"), pl_buf_slice(&object));
    expect(&b, "{\"push\":{\"channel\":\"room:\\n7\",\"pub\":{\"data\":{\"b\" : 1},\"info\":{\"user\":\"\",\"client\":\"" UUID_TEXT "\",\"chan_info\":1},"
               "\"offset\":1,\"tags\":{\"a\":\"b\"},\"epoch\":\"e\",\"version\":5}}}");
    pl_buf_clear(&object);
    ops->publication(&object, &(struct pl_pub_view){ .data = PL_LIT("{\"a\":1}"), .data_as_text = true, .delta = true, .key = PL_LIT("k"), .removed = true });
    ops->push_pub_head(&b, true, PL_LIT("c"), object.len);
    pl_buf_slice_put(&b, pl_buf_slice(&object));
    ops->push_pub_tail(&b, true);
    expect(&b, "{\"channel\":\"c\",\"pub\":{\"data\":\"{\\\"a\\\":1}\",\"delta\":true,\"key\":\"k\",\"removed\":true}}");
    ops->push_join(&b, false, PL_LIT("c"), &anonymous);
    expect(&b, "{\"push\":{\"channel\":\"c\",\"join\":{\"info\":{\"user\":\"\",\"client\":\"" UUID_TEXT "\",\"chan_info\":1}}}}");
    ops->push_leave(&b, true, PL_LIT("c"), &anonymous);
    expect(&b, "{\"channel\":\"c\",\"leave\":{\"info\":{\"user\":\"\",\"client\":\"" UUID_TEXT "\",\"chan_info\":1}}}");
    ops->push_unsubscribe(&b, false, PL_LIT("c"), 2000, PL_LIT("server unsubscribe"));
    expect(&b, "{\"push\":{\"channel\":\"c\",\"unsubscribe\":{\"code\":2000,\"reason\":\"server unsubscribe\"}}}");
    ops->push_subscribe(&b, false, PL_LIT("c"), &(struct pl_subscribe_push){ 0 });
    expect(&b, "{\"push\":{\"channel\":\"c\",\"subscribe\":{}}}");
    ops->push_subscribe(&b, false, PL_LIT("c"), &(struct pl_subscribe_push){ .recoverable = true, .positioned = true, .epoch = PL_LIT("e"), .offset = 4 });
    expect(&b, "{\"push\":{\"channel\":\"c\",\"subscribe\":{\"recoverable\":true,\"epoch\":\"e\",\"offset\":4,\"positioned\":true}}}");
    ops->push_message(&b, false, PL_LIT("1"));
    expect(&b, "{\"push\":{\"message\":{\"data\":1}}}");
    ops->push_connect(&b, true, &(struct pl_connect_result){ .client = uuid, .version = PL_LIT("v"), .ping = 60, .session = uuid });
    expect(&b, "{\"connect\":{\"client\":\"" UUID_TEXT "\",\"version\":\"v\",\"ping\":60,\"session\":\"" UUID_TEXT "\"}}");
    ops->push_disconnect(&b, false, 3012, PL_LIT("no pong"));
    expect(&b, "{\"push\":{\"disconnect\":{\"code\":3012,\"reason\":\"no pong\"}}}");
    ops->push_refresh(&b, true, true, 60);
    expect(&b, "{\"refresh\":{\"expires\":true,\"ttl\":60}}");
    ops->push_refresh(&b, false, false, 0);
    expect(&b, "{\"push\":{\"refresh\":{}}}");
    pl_buf_fini(&object);
    pl_buf_fini(&b);
}

static void bytes_that_are_no_json_never_reach_a_json_client(void **state)
{
    struct pl_client_info_view info = { PL_LIT("u"), uuid, PL_LIT("\xff{"), PL_LIT("}") };
    struct pl_buf b = pl_buf_init(4096);

    (void)state;
    assert_false(ops->publication(&b, &(struct pl_pub_view){ .data = PL_LIT("\x00\xff\x10") }));
    assert_false(ops->publication(&b, &(struct pl_pub_view){ .data = PL_LIT("1}") }));
    assert_int_equal(b.len, 0);
    assert_true(ops->publication(&b, &(struct pl_pub_view){ .data = PL_LIT("{\"a\":\n1}"), .info = &info }));
    expect(&b, "{\"data\":{\"a\":1},\"info\":{\"user\":\"u\",\"client\":\"" UUID_TEXT "\"}}");
    pl_buf_fini(&b);
}

static void a_reply_that_does_not_fit_marks_the_buffer(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 40; limit++) {
        struct pl_buf b = pl_buf_init(limit);

        ops->error(&b, 4, 103, PL_LIT("permission denied"), false);
        assert_false(pl_buf_ok(&b));
        pl_buf_clear(&b);
        ops->refresh(&b, 4, true, 5);
        assert_int_equal(pl_buf_ok(&b), limit >= sizeof "{\"id\":4,\"refresh\":{\"expires\":true,\"ttl\":5}}" - 1);
        pl_buf_fini(&b);
    }
}

static void a_uuid_goes_to_text_and_back(void **state)
{
    uint8_t back[16];
    char text[36];

    (void)state;
    pl_uuid_text(uuid, text);
    assert_memory_equal(text, UUID_TEXT, sizeof text);
    assert_int_equal(pl_uuid_parse(pl_slice(text, sizeof text), back), PL_OK);
    assert_memory_equal(back, uuid, sizeof back);
    assert_int_equal(pl_uuid_parse(PL_LIT("8F1C0001-0203-4405-9607-08090A0B0CFF"), back), PL_OK);
    assert_int_equal(pl_uuid_parse(PL_LIT("8f1c00010203-4405-9607-08090a0b0cff-"), back), PL_EINVAL);
    assert_int_equal(pl_uuid_parse(PL_LIT("8f1c0001-0203-4405-9607-08090a0b0cfg"), back), PL_EINVAL);
    assert_int_equal(pl_uuid_parse(PL_LIT(""), back), PL_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_is_parsed_with_all_its_fields),
        cmocka_unit_test(odd_lines_are_taken_or_refused_as_centrifugo_does),
        cmocka_unit_test(a_cut_command_is_never_taken_for_another),
        cmocka_unit_test(a_frame_is_split_at_line_feeds),
        cmocka_unit_test(requested_subs_are_walked),
        cmocka_unit_test(the_bare_connect_request_wants_one_object_and_nothing_else),
        cmocka_unit_test(replies_leave_out_what_is_zero),
        cmocka_unit_test(pushes_are_wrapped_unless_unidirectional),
        cmocka_unit_test(bytes_that_are_no_json_never_reach_a_json_client),
        cmocka_unit_test(a_reply_that_does_not_fit_marks_the_buffer),
        cmocka_unit_test(a_uuid_goes_to_text_and_back),
    };

    return cmocka_run_group_tests_name("codec/cproto_json", tests, NULL, NULL);
}
