/* peal pub - one publication through the HTTP API. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/flags.h"
#include "codec/json.h"
#include "codec/json_write.h"
#include "lib/load.h"
#include "lib/target.h"

enum { DATA_MAX = 16 << 20 };

struct pub_opts {
    const char *url, *key, *idempotency_key;
    uint32_t timeout_s;
    bool is_text;
};

/* What the answer was; filled by on_answer. */
struct outcome {
    bool is_answered;
    unsigned status;
    struct pl_buf body;
};

static void on_answer(struct pl_post *p, uint64_t tag, unsigned status, struct pl_slice body)
{
    struct outcome *out = p->user;

    (void)tag;
    out->is_answered = true;
    out->status = status;
    pl_buf_slice_put(&out->body, body);
}

static bool read_stdin(struct pl_buf *ret)
{
    uint8_t *at;
    ssize_t n;

    for (;;) {
        at = pl_buf_room(ret, 65536);
        if (at == NULL) {
            fprintf(stderr, "peal: the data on the standard input is over %d bytes\n", DATA_MAX);
            return false;
        }
        n = read(STDIN_FILENO, at, 65536);
        if (n < 0) {
            perror("standard input");
            return false;
        }
        if (n == 0)
            return true;
        ret->len += (size_t)n;
    }
}

/* {"channel":..,"data":..} from the words; false: told. */
static bool make_body(const struct pub_opts *o, const char *channel, const char *data, struct pl_buf *ret)
{
    struct pl_buf in = pl_buf_init(DATA_MAX + 65536);
    struct pl_slice text = pl_slice_str(data);
    bool is_ok = strcmp(data, "-") != 0 || read_stdin(&in);

    if (is_ok && strcmp(data, "-") == 0)
        text = pl_buf_slice(&in);
    if (is_ok && !o->is_text && pl_json_check(text) != PL_OK) {
        fprintf(stderr, "peal: the data is not JSON (--text publishes it as a string): %.*s\n",
                (int)(text.len < 200 ? text.len : 200), (const char *)text.p);
        is_ok = false;
    }
    PL_BUF_LIT(ret, "{\"channel\":");
    pl_json_put_str(ret, pl_slice_str(channel));
    if (o->idempotency_key != NULL) {
        PL_BUF_LIT(ret, ",\"idempotency_key\":");
        pl_json_put_str(ret, pl_slice_str(o->idempotency_key));
    }
    PL_BUF_LIT(ret, ",\"data\":");
    if (o->is_text)
        pl_json_put_str(ret, text);
    else
        pl_buf_slice_put(ret, text);
    PL_BUF_LIT(ret, "}");
    pl_buf_fini(&in);
    return is_ok;
}

static int tell(const struct outcome *out)
{
    struct pl_scratch scratch = pl_scratch_init(65536);
    struct pl_post_result r;
    int code = PL_EXIT_FAILED;

    if (out->status == 0)
        fprintf(stderr, "peal: the connection was closed before an answer came\n");
    else if (out->status == 401)
        fprintf(stderr, "peal: the server refuses this API key (HTTP 401)\n");
    else if (out->status != 200 || pl_post_result_parse(pl_buf_slice(&out->body), &scratch, &r) != PL_OK)
        fprintf(stderr, "peal: the server answers HTTP %u %.*s\n", out->status, (int)(out->body.len < 200 ? out->body.len : 200),
                (const char *)out->body.p);
    else if (r.code != 0)
        fprintf(stderr, "peal: error %" PRIu32 ": %.*s\n", r.code, PL_FMT(r.message));
    else {
        struct pl_buf epoch = pl_buf_init(65536);

        code = PL_EXIT_OK;
        pl_json_put_str(&epoch, r.epoch);
        if (r.offset != 0)
            printf("{\"offset\":%" PRIu64 ",\"epoch\":%.*s}\n", r.offset, PL_FMT(pl_buf_slice(&epoch)));
        else
            printf("{}\n");
        pl_buf_fini(&epoch);
    }
    pl_scratch_fini(&scratch);
    return code;
}

static int publish(const struct pub_opts *o, const struct pl_target *t, const char *channel, const char *data)
{
    const struct pl_post_setup setup = { pl_slice_str(t->host), pl_slice_str(o->key), pl_slice_str(t->path) };
    struct outcome out = { .body = pl_buf_init(4 << 20) };
    struct pl_buf body = pl_buf_init(2 * DATA_MAX);
    struct pl_load load;
    struct pl_load_post post;
    uint64_t until_us;
    int code = PL_EXIT_FAILED;

    if (!make_body(o, channel, data, &body)) {
        pl_buf_fini(&body);
        return PL_EXIT_USAGE;
    }
    if (pl_load_init(&load, pl_world_linux(), NULL, t->at) != PL_OK) {
        fprintf(stderr, "peal: out of memory\n");
        pl_buf_fini(&body);
        return PL_EXIT_FAILED;
    }
    until_us = load.now_us + (uint64_t)o->timeout_s * 1000000;
    if (pl_load_add_post(&load, &post, &setup, on_answer) != PL_OK) {
        fprintf(stderr, "peal: no connection to %s\n", t->at);
    } else {
        post.core.user = &out;
        if (!pl_buf_ok(&body) || pl_post_put(&post.core, "publish", pl_buf_slice(&body), 0) != PL_OK)
            fprintf(stderr, "peal: the data is too long\n");
        else {
            while (!out.is_answered && load.now_us < until_us)
                pl_load_step(&load, 100);
            if (!post.is_open && out.status == 0)
                fprintf(stderr, "peal: no connection to %s\n", t->at);
            else if (!out.is_answered)
                fprintf(stderr, "peal: no answer within %" PRIu32 " s\n", o->timeout_s);
            else
                code = tell(&out);
        }
    }
    pl_load_fini(&load);
    pl_buf_fini(&body);
    pl_buf_fini(&out.body);
    return code;
}

int pl_cmd_pub(int argc, char **argv)
{
    struct pub_opts o = { .url = "http://127.0.0.1:8000/api", .key = getenv("PEAL_HTTP_API_KEY"), .timeout_s = 10 };
    const struct pl_flag flags[] = {
        { "--url", 'u', PL_FLAG_TEXT, &o.url, 0, 0, "URL", "HTTP API" },
        { "--key", 'k', PL_FLAG_TEXT, &o.key, 0, 0, "KEY", "API key; better in the environment as PEAL_HTTP_API_KEY" },
        { "--text", 0, PL_FLAG_BOOL, &o.is_text, 0, 0, NULL, "DATA is text, publish it as a JSON string" },
        { "--idempotency-key", 0, PL_FLAG_TEXT, &o.idempotency_key, 0, 0, "K", "publishing again under the same key does nothing" },
        { "--timeout", 0, PL_FLAG_U32, &o.timeout_s, 1, 3600, "S", "for the answer" },
    };
    const struct pl_flag_set set = { "peal pub [flags] CHANNEL DATA",
        "Publishes DATA (JSON, \"-\": the standard input) into CHANNEL and prints its position, if the channel has history.\n"
        "Exit code 0: the server has acknowledged it; 1: not; 2: usage.", flags, sizeof flags / sizeof flags[0] };
    struct pl_target t;
    const char *why;
    int n;

    switch (pl_flags_parse(&set, argc, argv, &n)) {
    case PL_FLAGS_HELP: return PL_EXIT_OK;
    case PL_FLAGS_BAD: return PL_EXIT_USAGE;
    case PL_FLAGS_OK: break;
    }
    if (n != 2) {
        fprintf(stderr, "peal: CHANNEL and DATA are wanted\nusage: %s\n", set.usage);
        return PL_EXIT_USAGE;
    }
    if (pl_target_parse(o.url, "http", "/api", &t, &why) != PL_OK || t.is_tls) {
        fprintf(stderr, "peal: --url %s: %s\n", o.url, why != NULL ? why : "TLS is not supported here yet, use http://");
        return PL_EXIT_USAGE;
    }
    if (strcmp(t.path, "/") == 0)
        memcpy(t.path, "/api", sizeof "/api");
    return publish(&o, &t, argv[1], argv[2]);
}
