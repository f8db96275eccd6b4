/* session/pipe.h - what a session wants of the thing that carries it, and what the carrier tells the session.
 *
 * A transport (WebSocket, later SSE, streams, polls) implements pl_pipe_ops and owns framing, the connection and its close
 * handshake. The session owns the output queue. Text of replies is made by the dialect; the pipe puts frames around it.
 *
 *   bytes in:  conn -> pipe: unframe -> dialect->on_message(session, message)
 *   bytes out: session queue (already framed blobs) -> pipe->send
 *
 * All calls on the session's shard. */
#ifndef PL_SESSION_PIPE_H
#define PL_SESSION_PIPE_H

#include "base/buf.h"
#include "shard/shard.h"

struct pl_pipe;
struct pl_sess;

/* How encoded bytes look on the wire: sessions with equal class share blobs. Bits: */
enum {
    PL_CLASS_PROTOBUF = 1,   /* else JSON */
    PL_CLASS_DEFLATE = 2,    /* permessage-deflate without context takeover */
    PL_CLASS_UNI = 4,        /* unidirectional: bare pushes */
    PL_CLASS_DELTA = 8,      /* of a subscription: JSON data as text, so that it may be a patch */
    PL_CLASS_FRAMING = 0x70, /* one of PL_FRAMING_ */
};
enum { PL_FRAMING_WS = 0x00, PL_FRAMING_SSE = 0x10, PL_FRAMING_STREAM = 0x20, PL_FRAMING_NONE = 0x30 };

struct pl_pipe_ops {
    const char *name;        /* "websocket": as proxies are told */
    int metric;              /* PL_MV_TRANSPORT_ */
    /* Hands already framed bytes to the peer. PL_OK: all went. PL_EAGAIN: *ret_n went, the pipe will call pl_sess_on_writable().
     * PL_ECLOSED: gone, pl_sess_on_gone() follows. */
    enum pl_err (*send)(struct pl_pipe *p, const void *bytes, size_t n, size_t *ret_n);
    /* Frames one message (several replies already joined) of the given class, appended to out. Pure; called for shared blobs too, so
     * it has no pipe. text: the class's encoding decides the opcode. */
    void (*frame)(struct pl_shard *s, unsigned render_class, struct pl_slice message, struct pl_buf *out);
    /* The disconnect push, framed, before close with a code other than 0. NULL: this transport says goodbye by itself. */
    void (*bye)(struct pl_pipe *p, struct pl_slice framed);
    /* Ends the peer's session: WebSocket sends a close frame with code and reason (<= 123 bytes) behind what was sent; other
     * transports end the body. Code 0: no goodbye, just close (see wire-protocol.md 3.1 no. 4). The session is detached
     * (pl_sess_on_gone is not called any more). */
    void (*close)(struct pl_pipe *p, unsigned code, struct pl_slice reason);
    /* Stop / go on reading: set while an operation of the session is in flight. */
    void (*pause)(struct pl_pipe *p);
    void (*resume)(struct pl_pipe *p);
    /* A failed connect of a unidirectional client, by its reply code, answered in the transport's own way (HTTP status). NULL or false: not
     * so; it becomes a disconnect. After true the session ends without a goodbye. */
    bool (*refuse)(struct pl_pipe *p, unsigned code, struct pl_slice text);
    /* A WebSocket control ping (cf_ws_frame_ping_pong, unidirectional WebSocket). NULL where there is none. */
    void (*ping)(struct pl_pipe *p);
};

/* First member of every transport's own struct. */
struct pl_pipe {
    const struct pl_pipe_ops *ops;
    struct pl_sess *sess;    /* NULL when detached */
};

#endif
