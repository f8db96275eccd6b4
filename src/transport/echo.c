#include "transport/echo.h"

#include <stdlib.h>

#include "base/check.h"
#include "transport/ws_accept.h"
#include "transport/ws_conn.h"

enum {
    ECHO_LEVEL = 1,                                  /* of compression */
    ECHO_OUT_MAX = PL_ECHO_MESSAGE_MAX + 1024 * 1024 /* one frame: a message that does not compress grows a little */
};

struct echo {
    struct pl_wsc w;                 /* first: the connection's user */
    struct pl_ws_deflate deflate;    /* as agreed on */
    struct pl_ws_deflater *deflater; /* owned; with context takeover, from the first message on */
    struct pl_buf out;               /* owned; a frame of which the bytes from out_at on are not sent yet. Input rests meanwhile */
    size_t out_at;
};

static struct echo *of_wsc(struct pl_wsc *w)
{
    return (struct echo *)(void *)w;
}

/* The payload of a compressed answer, appended. */
static enum pl_err pack(struct echo *e, struct pl_slice message)
{
    struct pl_ws_zip *zip;
    enum pl_err err;

    if (!e->deflate.server_takeover) {
        zip = pl_wsc_zip(e->w.conn->shard, ECHO_LEVEL);
        return zip != NULL ? pl_ws_zip_message(zip, message, e->deflate.server_bits, &e->out) : PL_ENOMEM;
    }
    if (e->deflater == NULL) {
        err = pl_ws_deflater_new(e->deflate.server_bits, ECHO_LEVEL, &e->deflater);
        if (err != PL_OK)
            return err;
    }
    return pl_ws_deflate(e->deflater, message, &e->out);
}

/* One frame with the message into e->out. */
static enum pl_err frame(struct echo *e, uint8_t opcode, struct pl_slice message)
{
    uint8_t head[PL_WS_HEAD_MAX];
    size_t n;
    enum pl_err err;

    if (!e->deflate.is_on) {
        pl_buf_put(&e->out, head, pl_ws_head_encode(head, opcode, true, false, message.len));
        pl_buf_slice_put(&e->out, message);
        return pl_buf_ok(&e->out) ? PL_OK : PL_ENOMEM;
    }
    if (pl_buf_room(&e->out, PL_WS_HEAD_MAX) == NULL)
        return PL_ENOMEM;
    e->out.len = PL_WS_HEAD_MAX; /* its length is known afterwards, so the head stands at the end of this gap */
    err = pack(e, message);
    if (err != PL_OK)
        return err;
    n = pl_ws_head_encode(head, opcode, true, true, e->out.len - PL_WS_HEAD_MAX);
    e->out_at = PL_WS_HEAD_MAX - n;
    memcpy(e->out.p + e->out_at, head, n);
    return PL_OK;
}

static void go_on(struct echo *e)
{
    size_t n = 0;
    enum pl_err err = pl_wsc_send(&e->w, e->out.p + e->out_at, e->out.len - e->out_at, &n);

    e->out_at += n;
    if (err == PL_EAGAIN) {
        pl_wsc_pause(&e->w);
        return;
    }
    pl_buf_fini(&e->out);
    e->out_at = 0;
    pl_wsc_resume(&e->w);
}

static void on_message(struct pl_wsc *w, uint8_t opcode, uint8_t *p, size_t n)
{
    struct echo *e = of_wsc(w);

    PL_ASSERT(e->out.len == 0);
    if (frame(e, opcode, pl_slice(p, n)) != PL_OK) {
        pl_buf_fini(&e->out);
        e->out_at = 0;
        pl_wsc_close(w, PL_WS_C_INTERNAL, PL_LIT("out of memory"));
        return;
    }
    go_on(e);
}

static void on_writable(struct pl_wsc *w)
{
    if (of_wsc(w)->out.len > 0)
        go_on(of_wsc(w));
}

static void on_end(struct pl_wsc *w, bool is_clean)
{
    (void)w; /* nothing to tell anyone: all goes with on_free */
    (void)is_clean;
}

static void on_free(struct pl_wsc *w)
{
    struct echo *e = of_wsc(w);

    pl_ws_deflater_free(&e->deflater);
    pl_buf_fini(&e->out);
    pl_wsc_fini(w);
    free(e);
}

static const struct pl_wsc_ops echo_ops = {
    .on_message = on_message,
    .on_writable = on_writable,
    .on_end = on_end,
    .on_free = on_free,
};

static enum pl_err on_request(struct pl_http *h, const struct pl_http_req *req, void *arg)
{
    static const struct pl_ws_hand_opts opts = { NULL, 0, PL_WS_DEFLATE_FULL };
    struct pl_buf answer = pl_buf_init(PL_WSC_URGENT);
    struct pl_ws_in_opts in;
    struct pl_ws_hand hand;
    struct echo *e;

    (void)arg; /* one kind of echo */
    if (!pl_ws_accept_check(h, req, &opts, &hand))
        return PL_OK;
    in = (struct pl_ws_in_opts){
        .role = PL_WS_SERVER,
        .limit = PL_ECHO_MESSAGE_MAX,
        .inflated_limit = PL_ECHO_MESSAGE_MAX,
        .has_deflate = hand.deflate.is_on,
        .has_takeover = hand.deflate.client_takeover,
        .window_bits = hand.deflate.client_bits,
    };
    e = calloc(1, sizeof *e);
    pl_ws_hand_answer(&hand, pl_slice(NULL, 0), &answer);
    if (e != NULL && pl_buf_ok(&answer)) {
        e->deflate = hand.deflate;
        e->out = pl_buf_init(ECHO_OUT_MAX);
        pl_wsc_init(&e->w, &echo_ops, pl_http_take(h), &in, pl_buf_slice(&answer));
    } else {
        free(e);
        pl_ws_refuse(h, 503, "Out of memory.\n", NULL);
    }
    pl_buf_fini(&answer);
    return PL_OK;
}

const struct pl_route_ops pl_echo_route_ops = { .on_request = on_request };
