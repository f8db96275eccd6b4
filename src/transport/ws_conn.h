/* transport/ws_conn.h - one side of a WebSocket on a connection: messages in, framed bytes out, control frames, the close
 * handshake. What the messages mean is the owner's (ws.c: a session; echo.c: sends them back).
 *
 * Control frames go ahead of whatever the owner has queued, but never into the middle of a frame that is partly out: so the
 * owner gives framed bytes to pl_wsc_send() in whole frames, and after PL_EAGAIN goes on exactly where it stopped. Pings are
 * answered here. All calls on the connection's shard. */
#ifndef PL_TRANSPORT_WS_CONN_H
#define PL_TRANSPORT_WS_CONN_H

#include "codec/ws_in.h"
#include "net/conn.h"

struct pl_wsc;

struct pl_wsc_ops {
    /* A whole message; the bytes are mutable and lent until return. May send, pause and close. */
    void (*on_message)(struct pl_wsc *w, uint8_t opcode, uint8_t *p, size_t n);
    void (*on_pong)(struct pl_wsc *w);                /* NULL: nobody wants to know */
    void (*on_writable)(struct pl_wsc *w);            /* there is room again after PL_EAGAIN */
    /* The peer said goodbye (is_clean), broke a rule or vanished: nothing more comes in, nothing more can be sent. At most
     * once, and not after pl_wsc_close(). */
    void (*on_end)(struct pl_wsc *w, bool is_clean);
    void (*on_free)(struct pl_wsc *w);                /* the last call: the connection is closed; calls pl_wsc_fini and frees */
    void (*save)(struct pl_wsc *w, struct pl_rec_out *r); /* owner's fields, tags from 200 up */
};

/* First member of the owner's struct; members are private. */
struct pl_wsc {
    const struct pl_wsc_ops *ops;
    struct pl_conn *conn;       /* the connection's user is this */
    struct wsc_urgent *urgent;  /* owned; control bytes that the kernel has not taken; NULL if none */
    struct pl_ws_in in;
    uint32_t frame_left;        /* bytes the owner must still send before a control frame may go */
    uint8_t state;              /* ws_conn.c */
    bool is_paused;
};
_Static_assert(sizeof(struct pl_wsc) <= 56, "part of every connection");

/* Takes over a connection that has just left HTTP; `first` (the 101 answer, at most PL_WSC_URGENT bytes) is sent ahead. */
enum { PL_WSC_URGENT = 2048 };
void pl_wsc_init(struct pl_wsc *w, const struct pl_wsc_ops *ops, struct pl_conn *c, const struct pl_ws_in_opts *in,
                 struct pl_slice first);
void pl_wsc_fini(struct pl_wsc *w);

/* Whole frames, or the rest of those of the last call that came back PL_EAGAIN (then *ret_n < n went, and on_writable
 * follows). PL_ECLOSED: closing or gone. */
enum pl_err pl_wsc_send(struct pl_wsc *w, const void *p, size_t n, size_t *ret_n) PL_MUST_CHECK;
void pl_wsc_ping(struct pl_wsc *w);

/* No messages until resume; the kernel's buffer pushes back. */
void pl_wsc_pause(struct pl_wsc *w);
void pl_wsc_resume(struct pl_wsc *w);

/* Sends a close frame and waits at most 5 s for the peer's; code 0: closes without one. If a frame of the owner is partly out,
 * no close frame can follow it, and TCP is just closed. on_free comes from the loop. */
void pl_wsc_close(struct pl_wsc *w, unsigned code, struct pl_slice reason);

static inline bool pl_wsc_is_open(const struct pl_wsc *w) { return w->state == 0; } /* neither side has said goodbye */

/* The shard's compressor and scratch; made at first use, NULL: no memory. level: of what is compressed next, 0 as it is. */
struct pl_ws_zip *pl_wsc_zip(struct pl_shard *s, int level);
/* Frees what the room keeps for the shard. */
void pl_transport_fini(struct pl_shard *s);

/* Goes on from a record (pl_conn_ops.save wrote it); owner's fields (tags >= 200) are skipped. PL_EPROTO, PL_ENOMEM: nothing
 * to fini, the connection is still the caller's. */
enum pl_err pl_wsc_load(struct pl_wsc *w, const struct pl_wsc_ops *ops, struct pl_conn *c, const struct pl_ws_in_opts *in,
                        struct pl_rec_in r) PL_MUST_CHECK;

/* Whether the connection of that record had permessage-deflate: for `in` of pl_wsc_load. */
bool pl_wsc_record_has_deflate(struct pl_rec_in r);

#endif
