/* Frames of client commands: any input is taken or refused within its bounds, what is taken keeps its promises, and jansson (the referee)
 * takes nothing that we refuse. */
#include <jansson.h>

#include "base/check.h"
#include "codec/cproto_client.h"
#include "codec/json.h"

static bool within(struct pl_slice in, const struct pl_scratch *scratch, struct pl_slice s)
{
    return s.len == 0 || (s.p >= in.p && s.p + s.len <= in.p + in.len) || scratch->n_bytes > 0;
}

static void walk(const struct pl_command *c, struct pl_scratch *scratch)
{
    struct pl_slice name, value;
    struct pl_subscribe_req sub;
    enum pl_err err = PL_OK;
    struct pl_walk w;

    if (c->kind == PL_CMD_CONNECT) {
        for (w = pl_walk(c->connect.subs); err == PL_OK;)
            err = pl_cproto_json.walk_subs(&w, scratch, &name, &sub);
        PL_ASSERT(err == PL_ENOENT || err == PL_ETOOBIG);
        err = PL_OK;
        for (w = pl_walk(c->connect.headers); err == PL_OK;)
            err = pl_cproto_json.walk_pairs(&w, scratch, &name, &value);
        PL_ASSERT(err == PL_ENOENT || err == PL_ETOOBIG);
        PL_ASSERT(c->connect.data.len == 0 || pl_json_check(c->connect.data) == PL_OK);
    } else if (c->kind == PL_CMD_SUB_REFRESH) {
        for (w = pl_walk(c->sub_refresh.untrack); err == PL_OK;)
            err = pl_cproto_json.walk_strs(&w, scratch, &value);
        PL_ASSERT(err == PL_ENOENT || err == PL_ETOOBIG);
    } else if (c->kind == PL_CMD_PUBLISH) {
        PL_ASSERT(c->publish.data.len == 0 || pl_json_check(c->publish.data) == PL_OK);
    }
}

/* A publication of these bytes, if it can be shown, is valid JSON on one line. */
static void show(struct pl_slice data)
{
    static const uint8_t client[16];
    struct pl_client_info_view info = { data, client, data, data };
    struct pl_buf object = pl_buf_init(16 << 20), b = pl_buf_init(32 << 20);

    if (pl_cproto_json.publication(&object, &(struct pl_pub_view){ .data = data, .info = &info, .key = data })) {
        pl_cproto_json.push_pub(&b, false, data, pl_buf_slice(&object));
        PL_ASSERT(pl_buf_ok(&b) && pl_json_check(pl_buf_slice(&b)) == PL_OK && memchr(b.p, '\n', b.len) == NULL);
    }
    pl_buf_fini(&object);
    pl_buf_fini(&b);
}

/* The same bytes as what a server says. */
static void reply(struct pl_slice in, bool is_uni, struct pl_scratch *scratch)
{
    struct pl_reply_pub pub;
    enum pl_err err = PL_OK;
    struct pl_reply r;
    struct pl_walk w;

    if (pl_cproto_client_json.reply(in, is_uni, scratch, &r) != PL_OK || r.kind != PL_REPLY_RESULT || r.cmd != PL_CMD_HISTORY)
        return;
    for (w = pl_walk(r.history.publications); err == PL_OK;)
        err = pl_cproto_client_json.walk_pubs(&w, scratch, &pub);
    PL_ASSERT(err == PL_ENOENT || err == PL_ETOOBIG);
}

static void referee(struct pl_slice in)
{
    json_t *doc;

    if (in.len == 0 || memchr(in.p, 0, in.len) != NULL) /* jansson takes a zero after the text for the text's end */
        return;
    doc = json_loadb((const char *)in.p, in.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    if (doc == NULL)
        return;
    json_decref(doc);
    if (pl_json_check(in) != PL_OK) { /* deeper than we go? then brackets are many */
        size_t n = 0;

        for (size_t i = 0; i < in.len; i++)
            n += in.p[i] == '[' || in.p[i] == '{';
        PL_ASSERT(n > PL_JSON_DEPTH);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_scratch scratch = pl_scratch_init(4 * size);
    struct pl_slice in = pl_slice(data, size), rest = in, one;

    while (pl_cproto_json.split(&rest, &one) == PL_OK) {
        struct pl_command c;

        PL_ASSERT(one.len > 0 && memchr(one.p, '\n', one.len) == NULL);
        if (pl_cproto_json.command(one, &scratch, &c) == PL_OK) {
            PL_ASSERT(within(one, &scratch, pl_command_channel(&c)));
            walk(&c, &scratch);
        }
        if (rest.len == 0)
            break;
    }
    reply(in, false, &scratch);
    reply(in, true, &scratch);
    referee(in);
    show(in);
    pl_scratch_fini(&scratch);
    return 0;
}
