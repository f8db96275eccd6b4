#include "lib/core.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/check.h"
#include "codec/http1_resp_parse.h"
#include "codec/ws_hand.h"
#include "codec/ws_mask.h"

enum {
    PING_SLACK_MS = 10000,       /* client-library.md 6.4 */
    RESUB_BASE_MS = 500,         /* wait 0.5 s .. 20 s before asking again after a temporary refusal */
    RESUB_CAP_MS = 20000,
    FRAME_BYTES = 32768,         /* of commands in one frame; servers take at least 64 KiB */
    OUT_LIMIT = 16 << 20,
};

static const struct pl_cproto_client_ops *const proto = &pl_cproto_client_json;

/* Close codes that end it for good (wire-protocol.md 7.2), and 1009: our messages will not get smaller. */
static bool code_is_final(uint32_t code)
{
    return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000) || code == PL_WS_C_TOO_BIG;
}

static uint64_t draw(struct pl_client *c)
{
    c->n_drawn++;
    return pl_hash(c->seed, pl_slice(&c->n_drawn, sizeof c->n_drawn));
}

/* The earliest of the state's and the subscriptions' deadlines. */
static void rearm(struct pl_client *c)
{
    c->deadline_ms = c->due_ms;
    if (c->state == PL_CLIENT_CONNECTED)
        for (const struct pl_client_sub *s = c->subs; s != NULL; s = s->next)
            if (s->deadline_ms != 0 && s->deadline_ms < c->deadline_ms)
                c->deadline_ms = s->deadline_ms;
}

static void move(struct pl_client *c, enum pl_client_state state, uint64_t due_ms)
{
    c->state = (uint8_t)state;
    c->due_ms = due_ms;
    rearm(c);
}

/* ---- frames out ---- */

/* A frame is built in place: room for the longest head, then the payload; end puts the real head before it. */
static size_t frame_begin(struct pl_client *c)
{
    size_t mark = c->out.len;

    if (pl_buf_room(&c->out, PL_WS_HEAD_MAX) != NULL)
        c->out.len += PL_WS_HEAD_MAX;
    return mark;
}

static void frame_end(struct pl_client *c, size_t mark, uint8_t opcode)
{
    uint8_t head[PL_WS_HEAD_MAX], mask[4];
    uint64_t random = draw(c);
    size_t head_len, len;

    if (!pl_buf_ok(&c->out)) {
        c->is_over = true;
        return;
    }
    len = c->out.len - mark - PL_WS_HEAD_MAX;
    memcpy(mask, &random, sizeof mask);
    head_len = pl_ws_head_encode_masked(head, opcode, true, false, len, mask);
    memcpy(c->out.p + mark, head, head_len);
    memmove(c->out.p + mark + head_len, c->out.p + mark + PL_WS_HEAD_MAX, len);
    pl_ws_mask(c->out.p + mark + head_len, len, mask, 0);
    c->out.len = mark + head_len + len;
}

static void send_control(struct pl_client *c, uint8_t opcode, struct pl_slice payload)
{
    size_t mark = frame_begin(c);

    pl_buf_slice_put(&c->out, payload);
    frame_end(c, mark, opcode);
}

static void send_close(struct pl_client *c, unsigned code)
{
    uint8_t payload[PL_WS_CONTROL_MAX];

    send_control(c, PL_WS_CLOSE, pl_slice(payload, pl_ws_close_encode(payload, code, pl_slice("", 0))));
}

static uint32_t next_id(struct pl_client *c)
{
    if (++c->next_id == 0)
        c->next_id = 1;
    return c->next_id;
}

/* ---- going away ---- */

static void subs_lose(struct pl_client *c)
{
    for (struct pl_client_sub *s = c->subs; s != NULL; s = s->next) {
        if (s->state != PL_CLIENT_SUB_OFF)
            s->state = PL_CLIENT_SUB_ASKING;
        s->command_id = 0;
        s->deadline_ms = 0;
    }
}

/* Leaves whatever state: WAITING for the next attempt, or ENDED. Tells the user once. */
static void leave(struct pl_client *c, uint64_t now_ms, uint32_t code, struct pl_slice reason, bool is_final)
{
    if (c->state == PL_CLIENT_ENDED || c->state == PL_CLIENT_WAITING)
        return;
    c->is_over = true;
    pl_ws_in_fini(&c->ws);
    pl_buf_fini(&c->head);
    subs_lose(c);
    if (is_final) {
        move(c, PL_CLIENT_ENDED, UINT64_MAX);
    } else {
        move(c, PL_CLIENT_WAITING, now_ms + pl_backoff_ms(&c->setup->backoff, c->attempt, draw(c)));
        if (c->attempt < UINT8_MAX)
            c->attempt++;
    }
    if (c->setup->ops->disconnected != NULL)
        c->setup->ops->disconnected(c, code, reason);
}

static void leave_for(struct pl_client *c, uint64_t now_ms, uint32_t code, const char *why)
{
    leave(c, now_ms, code, pl_slice_str(why), false);
}

/* ---- subscriptions ---- */

static struct pl_client_sub *sub_find(struct pl_client *c, struct pl_slice channel)
{
    for (struct pl_client_sub *s = c->subs; s != NULL; s = s->next)
        if (pl_slice_eq(s->channel, channel))
            return s;
    return NULL;
}

/* Asks for every subscription that waits for it and is due, several in one frame. */
static void subs_ask(struct pl_client *c, uint64_t now_ms)
{
    size_t mark = 0;
    bool is_open = false;

    for (struct pl_client_sub *s = c->subs; s != NULL; s = s->next) {
        if (s->state != PL_CLIENT_SUB_ASKING || s->command_id != 0 || s->deadline_ms > now_ms)
            continue;
        if (is_open && c->out.len - mark > FRAME_BYTES) {
            frame_end(c, mark, PL_WS_TEXT);
            is_open = false;
        }
        if (is_open)
            pl_buf_byte(&c->out, '\n');
        else
            mark = frame_begin(c);
        is_open = true;
        s->command_id = next_id(c);
        s->deadline_ms = now_ms + c->setup->answer_ms;
        proto->subscribe(&c->out, s->command_id, &(struct pl_subscribe_req){
            .channel = s->channel, .token = s->token, .epoch = pl_str_slice(s->epoch), .offset = s->offset,
            .positioned = s->is_recoverable, .recoverable = s->is_recoverable, .recover = s->epoch != NULL });
    }
    if (is_open)
        frame_end(c, mark, PL_WS_TEXT);
    rearm(c);
}

static void sub_forget_position(struct pl_client_sub *s)
{
    pl_str_unref(&s->epoch);
    s->offset = 0;
}

/* The epoch's text becomes the sub's own; false: no memory. */
static bool sub_set_epoch(struct pl_client_sub *s, struct pl_slice epoch)
{
    struct pl_str *str;
    bool is_ok;

    if (pl_slice_eq(pl_str_slice(s->epoch), epoch))
        return true;
    str = pl_str_new(epoch, &is_ok);
    if (!is_ok)
        return false;
    pl_str_unref(&s->epoch);
    s->epoch = str;
    return true;
}

/* Will be asked for again after wait_ms. */
static void sub_retry(struct pl_client *c, struct pl_client_sub *s, uint64_t now_ms, uint64_t wait_ms, uint32_t code,
                      struct pl_slice reason)
{
    s->state = PL_CLIENT_SUB_ASKING;
    s->command_id = 0;
    s->deadline_ms = now_ms + wait_ms;
    rearm(c);
    if (c->setup->ops->unsubscribed != NULL)
        c->setup->ops->unsubscribed(c, s, code, reason);
}

static void sub_off(struct pl_client *c, struct pl_client_sub *s, uint32_t code, struct pl_slice reason)
{
    s->state = PL_CLIENT_SUB_OFF;
    s->command_id = 0;
    s->deadline_ms = 0;
    rearm(c);
    if (c->setup->ops->unsubscribed != NULL)
        c->setup->ops->unsubscribed(c, s, code, reason);
}

/* client-library.md 6.2 */
static void sub_refused(struct pl_client *c, struct pl_client_sub *s, uint64_t now_ms, const struct pl_reply_error *e)
{
    static const struct pl_backoff again = { RESUB_BASE_MS, RESUB_CAP_MS, 100 };

    if (e->code == 112) { /* unrecoverable position: from the top next time */
        sub_forget_position(s);
        sub_retry(c, s, now_ms, 0, e->code, e->message);
        subs_ask(c, now_ms);
    } else if (e->temporary || e->code < 100) {
        uint64_t wait_ms = pl_backoff_ms(&again, s->attempt, draw(c));

        if (s->attempt < UINT8_MAX)
            s->attempt++;
        sub_retry(c, s, now_ms, wait_ms, e->code, e->message);
    } else {
        sub_off(c, s, e->code, e->message);
    }
}

static void sub_publication(struct pl_client *c, struct pl_client_sub *s, uint64_t now_ms, const struct pl_reply_pub *p)
{
    if (p->offset != 0 && s->is_positioned) {
        if (!c->setup->is_raw && p->offset <= s->offset)
            return; /* seen before a reconnect */
        if (!c->setup->is_raw && p->offset != s->offset + 1 && !PL_SABOTAGE(client_gap)) {
            size_t mark = frame_begin(c);

            proto->unsubscribe(&c->out, next_id(c), s->channel);
            frame_end(c, mark, PL_WS_TEXT);
            sub_retry(c, s, now_ms, 0, PL_CLIENT_GAP_SEEN, PL_LIT("gap seen by client"));
            subs_ask(c, now_ms);
            return;
        }
        s->offset = p->offset > s->offset ? p->offset : s->offset;
    }
    if (c->setup->ops->publication != NULL)
        c->setup->ops->publication(c, s, p);
}

static void sub_accepted(struct pl_client *c, struct pl_client_sub *s, uint64_t now_ms, const struct pl_reply_subscribe *r)
{
    struct pl_client_subscribed how = { .was_recovering = s->epoch != NULL && r->was_recovering, .recovered = r->recovered,
                                        .is_positioned = r->positioned || r->recoverable };
    bool is_same = s->epoch != NULL && pl_slice_eq(pl_str_slice(s->epoch), r->epoch);
    struct pl_walk pubs = pl_walk(r->publications);
    struct pl_scratch scratch = pl_scratch_init(c->setup->message_limit);
    struct pl_reply_pub pub;
    enum pl_err err = PL_ENOENT;

    s->state = PL_CLIENT_SUB_ON;
    s->command_id = 0;
    s->deadline_ms = 0;
    s->attempt = 0;
    s->is_positioned = how.is_positioned;
    if (how.was_recovering && !how.recovered) {
        how.missed_from = s->offset + 1;
        how.missed_to = is_same ? r->offset : 0;
    }
    if (!how.is_positioned)
        sub_forget_position(s);
    else if (!how.was_recovering || !how.recovered)
        s->offset = r->offset;
    if (how.is_positioned && !sub_set_epoch(s, r->epoch)) {
        leave_for(c, now_ms, PL_CLIENT_BAD_PROTOCOL, "out of memory");
        return;
    }
    rearm(c);
    if (c->setup->ops->subscribed != NULL)
        c->setup->ops->subscribed(c, s, &how);
    while (s->state == PL_CLIENT_SUB_ON && (err = proto->walk_pubs(&pubs, &scratch, &pub)) == PL_OK)
        sub_publication(c, s, now_ms, &pub);
    pl_scratch_fini(&scratch);
    if (err != PL_OK && err != PL_ENOENT)
        leave_for(c, now_ms, PL_CLIENT_BAD_PROTOCOL, "malformed publications");
}

/* ---- messages in ---- */

static void on_push(struct pl_client *c, uint64_t now_ms, const struct pl_push *p)
{
    struct pl_client_sub *s = sub_find(c, p->channel);

    switch (p->kind) {
    case PL_PUSH_PUB:
        if (s != NULL && s->state == PL_CLIENT_SUB_ON)
            sub_publication(c, s, now_ms, &p->pub);
        return;
    case PL_PUSH_UNSUBSCRIBE:
        if (s == NULL || s->state == PL_CLIENT_SUB_OFF)
            return;
        if (p->unsubscribe.code < 2500) {
            sub_off(c, s, p->unsubscribe.code, p->unsubscribe.reason);
            return;
        }
        if (p->unsubscribe.code == 2502) /* state invalidated */
            sub_forget_position(s);
        sub_retry(c, s, now_ms, 0, p->unsubscribe.code, p->unsubscribe.reason);
        subs_ask(c, now_ms);
        return;
    case PL_PUSH_DISCONNECT:
        leave(c, now_ms, p->disconnect.code, p->disconnect.reason, code_is_final(p->disconnect.code));
        return;
    case PL_PUSH_NONE: /* nothing that this client acts on */
    case PL_PUSH_JOIN:
    case PL_PUSH_LEAVE:
    case PL_PUSH_MESSAGE:
    case PL_PUSH_SUBSCRIBE:
    case PL_PUSH_CONNECT:
    case PL_PUSH_REFRESH:
    case PL_N_PUSHES:
        return;
    }
    PL_UNREACHABLE();
}

static void on_connected(struct pl_client *c, uint64_t now_ms, const struct pl_reply *r)
{
    if (r->kind == PL_REPLY_ERROR) { /* 109 needs another token, which is not ours to get */
        send_close(c, PL_WS_C_NORMAL);
        leave(c, now_ms, r->error.code, r->error.message, !r->error.temporary);
        return;
    }
    if (r->kind != PL_REPLY_RESULT || r->cmd != PL_CMD_CONNECT) {
        leave_for(c, now_ms, PL_CLIENT_BAD_PROTOCOL, "another answer to connect");
        return;
    }
    c->attempt = 0;
    c->has_pong = r->connect.pong;
    c->ping_ms = r->connect.ping != 0 ? r->connect.ping * 1000 + PING_SLACK_MS : 0;
    move(c, PL_CLIENT_CONNECTED, c->ping_ms != 0 ? now_ms + c->ping_ms : UINT64_MAX);
    if (c->setup->ops->connected != NULL)
        c->setup->ops->connected(c, r->connect.client);
    if (c->state == PL_CLIENT_CONNECTED)
        subs_ask(c, now_ms);
}

static void on_reply(struct pl_client *c, uint64_t now_ms, const struct pl_reply *r)
{
    if (c->state == PL_CLIENT_CONNECTING) {
        if (r->kind == PL_REPLY_ERROR || r->kind == PL_REPLY_RESULT)
            on_connected(c, now_ms, r);
        return;
    }
    if (r->kind == PL_REPLY_PING) {
        if (c->has_pong) {
            size_t mark = frame_begin(c);

            proto->pong(&c->out);
            frame_end(c, mark, PL_WS_TEXT);
        }
        if (c->ping_ms != 0)
            move(c, PL_CLIENT_CONNECTED, now_ms + c->ping_ms);
        return;
    }
    if (r->kind == PL_REPLY_PUSH) {
        on_push(c, now_ms, &r->push);
        return;
    }
    for (struct pl_client_sub *s = c->subs; s != NULL; s = s->next) {
        if (s->command_id != r->id)
            continue;
        if (r->kind == PL_REPLY_ERROR)
            sub_refused(c, s, now_ms, &r->error);
        else if (r->cmd == PL_CMD_SUBSCRIBE)
            sub_accepted(c, s, now_ms, &r->subscribe);
        else
            leave_for(c, now_ms, PL_CLIENT_BAD_PROTOCOL, "another answer to subscribe");
        return;
    }
}

static bool is_live(const struct pl_client *c)
{
    return c->state == PL_CLIENT_CONNECTING || c->state == PL_CLIENT_CONNECTED;
}

static void on_frame(struct pl_client *c, uint64_t now_ms, struct pl_slice payload)
{
    struct pl_scratch scratch = pl_scratch_init(c->setup->message_limit);
    struct pl_slice one;
    struct pl_reply reply;

    do {
        if (proto->server->split(&payload, &one) != PL_OK || proto->reply(one, false, &scratch, &reply) != PL_OK) {
            send_close(c, PL_WS_C_PROTOCOL);
            leave_for(c, now_ms, PL_CLIENT_BAD_PROTOCOL, "malformed message");
            break;
        }
        on_reply(c, now_ms, &reply);
        pl_scratch_reset(&scratch);
    } while (payload.len > 0 && is_live(c));
    pl_scratch_fini(&scratch);
}

static void on_frames(struct pl_client *c, uint64_t now_ms, struct pl_ws_feed *feed)
{
    struct pl_ws_event ev;

    while (is_live(c) && pl_ws_in_next(&c->ws, NULL, feed, &ev) != PL_WS_EV_MORE) {
        switch (ev.kind) {
        case PL_WS_EV_MESSAGE:
            on_frame(c, now_ms, ev.data);
            break;
        case PL_WS_EV_PING:
            send_control(c, PL_WS_PONG, ev.data);
            break;
        case PL_WS_EV_CLOSE:
            send_close(c, ev.code);
            leave(c, now_ms, ev.code, ev.data, code_is_final(ev.code));
            break;
        case PL_WS_EV_BAD:
            send_close(c, ev.code);
            leave(c, now_ms, ev.code == PL_WS_C_TOO_BIG ? ev.code : PL_CLIENT_BAD_PROTOCOL, ev.data,
                  ev.code == PL_WS_C_TOO_BIG);
            break;
        case PL_WS_EV_PONG:
        case PL_WS_EV_MORE:
            break;
        }
    }
}

/* ---- the upgrade ---- */

static void send_upgrade(struct pl_client *c)
{
    uint64_t nonce[2] = { draw(c), draw(c) };
    unsigned char key[PL_WS_KEY_LEN + 1];

    (void)EVP_EncodeBlock(key, (const unsigned char *)nonce, sizeof nonce); /* always 24 characters and a NUL */
    memcpy(c->key, key, sizeof c->key);
    PL_BUF_LIT(&c->out, "GET ");
    pl_buf_slice_put(&c->out, c->setup->target);
    PL_BUF_LIT(&c->out, " HTTP/1.1\r\nHost: ");
    pl_buf_slice_put(&c->out, c->setup->host);
    PL_BUF_LIT(&c->out, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Protocol: centrifuge-json\r\nSec-WebSocket-Key: ");
    pl_buf_put(&c->out, c->key, sizeof c->key);
    PL_BUF_LIT(&c->out, "\r\n\r\n");
}

/* 4xx will not get better by asking again, but for timeouts, "too early" and "too many". */
static bool status_is_final(unsigned status)
{
    return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
}

/* The answer to the upgrade, whole in `in`; *ret_len of it is taken. False: the client left. */
static bool on_upgraded(struct pl_client *c, uint64_t now_ms, struct pl_slice in, size_t *ret_len)
{
    struct pl_http1_scan scan = { 0 };
    struct pl_http1_resp resp;
    const struct pl_http1_field *accept;
    char want[PL_WS_ACCEPT_LEN + 1], why[64];
    const char *words;
    enum pl_err err = pl_http1_resp_parse(in, false, &scan, &resp, &words);
    size_t mark;

    *ret_len = 0;
    if (err == PL_MORE)
        return true;
    if (err != PL_OK) {
        leave_for(c, now_ms, PL_CLIENT_BAD_PROTOCOL, words);
        return false;
    }
    if (resp.status != 101) {
        (void)snprintf(why, sizeof why, "HTTP status %u instead of 101", resp.status); /* fits */
        leave(c, now_ms, PL_CLIENT_BAD_PROTOCOL, pl_slice_str(why), status_is_final(resp.status));
        return false;
    }
    accept = pl_http1_field_find(resp.fields, resp.n_fields, PL_LIT("sec-websocket-accept"));
    pl_ws_hand_accept(pl_slice(c->key, sizeof c->key), want);
    if (accept == NULL || !pl_slice_eq(accept->value, pl_slice_str(want))) {
        leave_for(c, now_ms, PL_CLIENT_BAD_PROTOCOL, "wrong Sec-WebSocket-Accept");
        return false;
    }
    *ret_len = resp.len;
    pl_ws_in_init(&c->ws, &(struct pl_ws_in_opts){ .role = PL_WS_CLIENT, .limit = c->setup->message_limit });
    move(c, PL_CLIENT_CONNECTING, c->due_ms);
    mark = frame_begin(c);
    proto->connect(&c->out, next_id(c), &(struct pl_connect_req){ .token = c->token, .name = c->setup->name });
    frame_end(c, mark, PL_WS_TEXT);
    return true;
}

/* Collects the answer when it comes in pieces; gives what stands behind it on. */
static void on_head(struct pl_client *c, uint64_t now_ms, struct pl_ws_feed *feed)
{
    struct pl_slice in = pl_slice(feed->p, feed->len);
    size_t len, had = c->head.len;

    if (had > 0) {
        pl_buf_slice_put(&c->head, in);
        in = pl_buf_slice(&c->head);
        if (!pl_buf_ok(&c->head)) {
            leave_for(c, now_ms, PL_CLIENT_BAD_PROTOCOL, "answer to the upgrade too long");
            return;
        }
    }
    if (!on_upgraded(c, now_ms, in, &len))
        return;
    if (len == 0) {
        if (had == 0)
            pl_buf_slice_put(&c->head, in);
        feed->len = 0;
        return;
    }
    feed->p += len - had; /* a head that was whole before would have been taken then */
    feed->len -= len - had;
    pl_buf_fini(&c->head);
}

/* ---- from outside ---- */

struct pl_client_setup pl_client_setup_default(const struct pl_client_ops *ops)
{
    return (struct pl_client_setup){ .ops = ops, .host = PL_LIT("localhost"), .target = PL_LIT("/connection/websocket"),
                                     .backoff = { 1000, 30000, 30 }, .message_limit = 1 << 20, .answer_ms = 5000 };
}

void pl_client_init(struct pl_client *c, const struct pl_client_setup *setup, struct pl_slice token,
                    struct pl_hash_key seed)
{
    *c = (struct pl_client){ .setup = setup, .token = token, .seed = seed, .out = pl_buf_init(OUT_LIMIT),
                             .head = pl_buf_init(PL_HTTP1_HEAD_BYTES + 65536), .due_ms = UINT64_MAX,
                             .deadline_ms = UINT64_MAX, .state = PL_CLIENT_ENDED };
}

void pl_client_fini(struct pl_client *c)
{
    if (is_live(c))
        pl_ws_in_fini(&c->ws);
    while (c->subs != NULL) {
        struct pl_client_sub *s = c->subs;

        c->subs = s->next;
        pl_client_sub_fini(s);
    }
    pl_buf_fini(&c->out);
    pl_buf_fini(&c->head);
    c->state = PL_CLIENT_ENDED;
}

void pl_client_start(struct pl_client *c, uint64_t now_ms)
{
    PL_ASSERT(c->state == PL_CLIENT_ENDED);
    c->attempt = 0;
    move(c, PL_CLIENT_WAITING, now_ms);
}

void pl_client_stop(struct pl_client *c)
{
    if (is_live(c)) {
        send_close(c, PL_WS_C_NORMAL);
        pl_ws_in_fini(&c->ws);
    }
    pl_buf_fini(&c->head);
    subs_lose(c);
    c->is_over = true;
    move(c, PL_CLIENT_ENDED, UINT64_MAX);
}

enum pl_client_want pl_client_tick(struct pl_client *c, uint64_t now_ms)
{
    if (c->deadline_ms > now_ms)
        return PL_CLIENT_WANTS_NOTHING;
    switch ((enum pl_client_state)c->state) {
    case PL_CLIENT_ENDED:
        break;
    case PL_CLIENT_WAITING:
        move(c, PL_CLIENT_DIALING, now_ms + c->setup->answer_ms);
        return PL_CLIENT_WANTS_DIAL;
    case PL_CLIENT_DIALING:
    case PL_CLIENT_UPGRADING:
    case PL_CLIENT_CONNECTING:
        leave_for(c, now_ms, PL_CLIENT_TIMEOUT, "no answer to connect");
        break;
    case PL_CLIENT_CONNECTED:
        if (c->due_ms <= now_ms) {
            leave_for(c, now_ms, PL_CLIENT_NO_PING, "no ping");
            break;
        }
        for (struct pl_client_sub *s = c->subs; s != NULL; s = s->next)
            if (s->command_id != 0 && s->deadline_ms <= now_ms) {
                send_close(c, PL_WS_C_NORMAL);
                leave_for(c, now_ms, PL_CLIENT_TIMEOUT, "no answer to subscribe");
                return PL_CLIENT_WANTS_NOTHING;
            }
        subs_ask(c, now_ms);
        break;
    }
    return PL_CLIENT_WANTS_NOTHING;
}

void pl_client_opened(struct pl_client *c, uint64_t now_ms)
{
    (void)now_ms; /* the answer to dial, upgrade and connect is due at one time, set when dialing began */
    if (c->state != PL_CLIENT_DIALING)
        return;
    c->is_over = false;
    c->next_id = 0;
    pl_buf_clear(&c->out);
    pl_buf_clear(&c->head);
    send_upgrade(c);
    move(c, PL_CLIENT_UPGRADING, c->due_ms);
}

void pl_client_input(struct pl_client *c, uint64_t now_ms, uint8_t *p, size_t n)
{
    struct pl_ws_feed feed = { p, n };

    if (c->state == PL_CLIENT_UPGRADING)
        on_head(c, now_ms, &feed);
    if (is_live(c))
        on_frames(c, now_ms, &feed);
}

void pl_client_lost(struct pl_client *c, uint64_t now_ms)
{
    leave_for(c, now_ms, PL_CLIENT_TRANSPORT_CLOSED, "transport closed");
    c->is_over = false;
    pl_buf_fini(&c->out);
}

void pl_client_subscribe(struct pl_client *c, struct pl_client_sub *s, uint64_t now_ms)
{
    PL_ASSERT(s->state == PL_CLIENT_SUB_OFF && sub_find(c, s->channel) == NULL);
    s->next = c->subs;
    c->subs = s;
    s->state = PL_CLIENT_SUB_ASKING;
    s->command_id = 0;
    s->deadline_ms = 0;
    if (c->state == PL_CLIENT_CONNECTED)
        subs_ask(c, now_ms);
}

void pl_client_unsubscribe(struct pl_client *c, struct pl_client_sub *s)
{
    struct pl_client_sub **at = &c->subs;
    size_t mark;

    while (*at != NULL && *at != s)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    *at = s->next;
    s->next = NULL;
    if (c->state == PL_CLIENT_CONNECTED && s->state != PL_CLIENT_SUB_OFF) {
        mark = frame_begin(c);
        proto->unsubscribe(&c->out, next_id(c), s->channel);
        frame_end(c, mark, PL_WS_TEXT);
    }
    s->state = PL_CLIENT_SUB_OFF;
    rearm(c);
}

void pl_client_sub_fini(struct pl_client_sub *s)
{
    pl_str_unref(&s->epoch);
}
