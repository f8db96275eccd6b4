/* http/fake_net_test.h - test helper: a shard on virtual time, and connections whose peer is the test itself.
 *
 * It implements the functions of net/conn.h that this room calls, by their contract, so that every refusal of the kernel and every
 * cut of the input can be chosen. The linker takes these instead of net's, which are never pulled from the library. */
#ifndef PL_HTTP_FAKE_NET_TEST_H
#define PL_HTTP_FAKE_NET_TEST_H

#include "net/conn.h"

struct peer {
    struct pl_conn c;
    struct pl_listener listener;
    struct pl_buf in;      /* sent by the peer, not taken yet */
    struct pl_buf out;     /* what the peer received */
    size_t room;           /* bytes the kernel still accepts */
    unsigned n_sends;
    bool is_paused, must_deliver, is_closing, is_closed, wants_room;
    enum pl_close how;
};

struct pl_node *fake_node_new(void);
void fake_node_free(struct pl_node **take_n);
/* Virtual time passes, and a turn with its timers and deferred frees. */
void fake_pass(struct pl_node *n, uint64_t ms);

struct peer *peer_new(struct pl_node *n, const char *ip, unsigned listener_mask); /* not accepted yet */
void peer_free(struct peer **take_p);
void peer_send(struct peer *p, struct pl_slice bytes);
void peer_fin(struct peer *p);                    /* half-close */
void peer_leave(struct peer *p);                  /* reset */
void peer_make_room(struct peer *p, size_t n);
void peer_settle(struct peer *p);                 /* what the loop would do now: deliveries and closing */

#endif
