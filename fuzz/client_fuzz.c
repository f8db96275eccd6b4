/* Whatever a server sends after its 101, in pieces of any size: the client keeps its promises to the application (offsets go
 * up by one, callbacks fit the state) and always knows when to act next. Byte 0: size of the pieces. */
#include <stdlib.h>

#include "base/check.h"
#include "codec/ws_hand.h"
#include "lib/core.h"

struct probe {
    struct pl_client c;
    struct pl_client_sub subs[2];
    uint64_t offsets[2];
    bool is_connected;
};

static size_t index_of(struct probe *p, const struct pl_client_sub *s)
{
    PL_ASSERT(s == &p->subs[0] || s == &p->subs[1]);
    return (size_t)(s - p->subs);
}

static void on_connected(struct pl_client *c, struct pl_slice id)
{
    struct probe *p = c->user;

    (void)id;
    PL_ASSERT(c->state == PL_CLIENT_CONNECTED && !p->is_connected);
    p->is_connected = true;
}

static void on_disconnected(struct pl_client *c, uint32_t code, struct pl_slice reason)
{
    struct probe *p = c->user;

    (void)code;
    (void)reason;
    PL_ASSERT(c->state == PL_CLIENT_WAITING || c->state == PL_CLIENT_ENDED);
    p->is_connected = false;
}

static void on_subscribed(struct pl_client *c, struct pl_client_sub *s, const struct pl_client_subscribed *how)
{
    struct probe *p = c->user;

    (void)how;
    PL_ASSERT(p->is_connected && s->state == PL_CLIENT_SUB_ON);
    p->offsets[index_of(p, s)] = s->offset;
}

static void on_unsubscribed(struct pl_client *c, struct pl_client_sub *s, uint32_t code, struct pl_slice reason)
{
    (void)c;
    (void)code;
    (void)reason;
    PL_ASSERT(s->state != PL_CLIENT_SUB_ON);
}

static void on_publication(struct pl_client *c, struct pl_client_sub *s, const struct pl_reply_pub *pub)
{
    struct probe *p = c->user;
    size_t i = index_of(p, s);

    PL_ASSERT(p->is_connected && s->state == PL_CLIENT_SUB_ON);
    if (!s->is_positioned || pub->offset == 0)
        return;
    PL_ASSERT(pub->offset == p->offsets[i] + 1 && s->offset == pub->offset);
    p->offsets[i] = pub->offset;
}

static const struct pl_client_ops probe_ops = { on_connected, on_disconnected, on_subscribed, on_unsubscribed, on_publication };

static void upgrade(struct pl_client *c)
{
    struct pl_buf head = pl_buf_init(1024);
    char accept[PL_WS_ACCEPT_LEN + 1];

    PL_ASSERT(pl_client_tick(c, 0) == PL_CLIENT_WANTS_DIAL);
    pl_client_opened(c, 0);
    pl_ws_hand_accept(pl_slice(c->key, sizeof c->key), accept);
    pl_buf_printf(&head, "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    pl_client_input(c, 0, head.p, head.len);
    PL_ASSERT(c->state == PL_CLIENT_CONNECTING);
    pl_buf_fini(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_client_setup setup = pl_client_setup_default(&probe_ops);
    struct probe p = { .subs = { { .channel = PL_LIT("news"), .is_recoverable = true }, { .channel = PL_LIT("b") } } };
    size_t piece = size > 0 && data[0] != 0 ? data[0] : SIZE_MAX;
    uint64_t now_ms = 0;

    setup.message_limit = 4096;
    pl_client_init(&p.c, &setup, PL_LIT("t"), (struct pl_hash_key){ 1, 2 });
    p.c.user = &p;
    pl_client_subscribe(&p.c, &p.subs[0], 0);
    pl_client_subscribe(&p.c, &p.subs[1], 0);
    pl_client_start(&p.c, 0);
    upgrade(&p.c);
    for (size_t at = size > 0 ? 1 : 0; at < size && !pl_client_is_over(&p.c); now_ms += 10) {
        size_t n = size - at < piece ? size - at : piece;
        uint8_t *copy = malloc(n); /* its own block, changed in place */

        PL_ASSERT(copy != NULL);
        memcpy(copy, data + at, n);
        pl_client_input(&p.c, now_ms, copy, n);
        free(copy);
        at += n;
        pl_buf_clear(&p.c.out);
        if (pl_client_deadline(&p.c) <= now_ms)
            PL_ASSERT(pl_client_tick(&p.c, now_ms) == PL_CLIENT_WANTS_NOTHING || p.c.state == PL_CLIENT_DIALING);
    }
    pl_client_lost(&p.c, now_ms);
    PL_ASSERT(p.c.state == PL_CLIENT_ENDED ? pl_client_deadline(&p.c) == UINT64_MAX : pl_client_deadline(&p.c) != UINT64_MAX);
    pl_client_fini(&p.c);
    return 0;
}
