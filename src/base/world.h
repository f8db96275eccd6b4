/* base/world.h - the seam: everything the program wants from outside goes through one struct pl_world.
 *
 * Production binds it to Linux (base/world_linux.c: epoll, threads, getrandom). Tests bind it to one thread, virtual
 * time and a seed (tests/sim/world_sim.c). Rooms never call time(), read(), socket(), getrandom() themselves.
 *
 * A socket is an int handle that means something to its world only (a descriptor on Linux). All calls are
 * non-blocking but poller_wait. Unless said otherwise a call belongs to the shard thread that owns the object. */
#ifndef PL_BASE_WORLD_H
#define PL_BASE_WORLD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* An endpoint address. family: 0 none, 4, 6, or 1 for a unix socket (path kept by the listener only). */
struct pl_addr {
    uint8_t ip[16];  /* IPv4 in the first 4 bytes; a v4-mapped IPv6 peer is given as family 4 */
    uint16_t port;   /* host order */
    uint8_t family;
    uint8_t spare;
};

enum {
    PL_POLL_IN = 1,
    PL_POLL_OUT = 2,
    PL_POLL_HUP = 4, /* reported only: peer closed both ways or error */
    PL_POLL_NEW = 8, /* to poller_set only: this socket was never set before, which saves a system call */
};

struct pl_poll_event {
    void *data;      /* as given to poller_set */
    uint32_t events; /* PL_POLL_ bits */
};

enum {
    PL_LISTEN_REUSEPORT = 1, /* several listeners of this process share the address */
    PL_LISTEN_ALONE = 2,     /* refuse (PL_EEXIST) if anybody listens there already, REUSEPORT or not */
};

struct pl_poller;
struct pl_thread;

struct pl_world {
    const struct pl_world_ops *ops;
};

struct pl_world_ops {
    /* Monotonic clock in nanoseconds, and wall clock in milliseconds since 1970. Any thread. */
    uint64_t (*mono_ns)(struct pl_world *w);
    int64_t (*wall_ms)(struct pl_world *w);
    /* n cryptographically strong bytes (seeded in the simulator). Any thread. Aborts if the system has none. */
    void (*entropy)(struct pl_world *w, void *p, size_t n);

    /* `at`: "127.0.0.1:8000", "[::1]:80", ":8000" (all interfaces, dual stack) or "unix:/path". The real port is in *ret_addr
     * (port 0 asks for a free one). TCP_NODELAY is set on the listener. Errors: PL_EINVAL bad address, PL_EEXIST in use,
     * PL_EPERM, PL_EIO; a human sentence is appended to err_text. */
    enum pl_err (*listen)(struct pl_world *w, const char *at, unsigned flags, int *ret_sock, struct pl_addr *ret_addr,
                          struct pl_buf *err_text);
    /* PL_EAGAIN: none waiting. PL_EBUSY: out of descriptors but for PL_FD_RESERVE, or of memory (pause accepting; what waits
     * stays in the backlog). PL_EIO: that one is gone, go on. */
    enum pl_err (*accept)(struct pl_world *w, int listener, int *ret_sock, struct pl_addr *ret_peer);
    /* Starts a connection to a numeric address; writable or HUP tells how it went. */
    enum pl_err (*connect)(struct pl_world *w, const char *at, int *ret_sock);
    /* PL_OK with *ret_n > 0; PL_EAGAIN; PL_ECLOSED: orderly end; PL_EIO: reset or another error of the socket. */
    enum pl_err (*recv)(struct pl_world *w, int sock, void *p, size_t n, size_t *ret_n);
    /* PL_OK with 0 < *ret_n <= n; PL_EAGAIN: nothing accepted; PL_ECLOSED. */
    enum pl_err (*send)(struct pl_world *w, int sock, const void *p, size_t n, size_t *ret_n);
    void (*shutdown_write)(struct pl_world *w, int sock);
    void (*close)(struct pl_world *w, int sock);
    void (*close_reset)(struct pl_world *w, int sock); /* the peer gets a reset, what was not sent is dropped */
    /* Socket buffer limits in bytes, 0 leaves the system's. */
    void (*tune)(struct pl_world *w, int sock, size_t sndbuf, size_t notsent_lowat);

    struct pl_poller *(*poller_new)(struct pl_world *w);
    void (*poller_free)(struct pl_world *w, struct pl_poller *p);
    /* Level-triggered interest in `events`; 0 removes. data comes back with each event. */
    enum pl_err (*poller_set)(struct pl_world *w, struct pl_poller *p, int sock, uint32_t events, void *data);
    /* Up to `max` events; waits at most timeout_ms (0: not at all, -1: for ever). A wake ends the wait. */
    int (*poller_wait)(struct pl_world *w, struct pl_poller *p, struct pl_poll_event *ret_events, int max, int timeout_ms);
    /* Ends the current or next poller_wait. Any thread. */
    void (*poller_wake)(struct pl_world *w, struct pl_poller *p);

    /* cpu >= 0 pins the thread. The simulator runs shards in turns itself and refuses (PL_EUNSUP). */
    enum pl_err (*thread_start)(struct pl_world *w, void (*fn)(void *arg), void *arg, int cpu, const char *name,
                                struct pl_thread **ret_thread);
    void (*thread_join)(struct pl_world *w, struct pl_thread **take_thread);

    /* The processors this process may use: fills at most max ids and returns how many threads are worth having (affinity mask,
     * capped by the cgroup's quota, at least 1). */
    unsigned (*cpus)(struct pl_world *w, int *ret_ids, unsigned max);

    /* A whole file of at most `limit` bytes, appended to *ret. Errors: PL_ENOENT, PL_EPERM, PL_ETOOBIG, PL_EIO. */
    enum pl_err (*file_read)(struct pl_world *w, const char *path, size_t limit, struct pl_buf *ret);
};

/* The production world; one per process, never freed. */
struct pl_world *pl_world_linux(void);
/* Raises the process's soft limit of descriptors to the hard one: the usual 1024 is there for programs that use select(). Before the
 * first listen. */
void pl_world_linux_raise_limits(void);

/* Descriptors that accepting never touches, for files, outgoing connections and the operator's door. */
enum { PL_FD_RESERVE = 64 };

/* Parses what listen and connect take. A unix socket gives family 1 and its path (borrowed from `at`) in *ret_path. ":80" and
 * "*:80" are all interfaces (family 6, zeros); "localhost:80" is 127.0.0.1. PL_EINVAL otherwise. Pure. */
enum pl_err pl_addr_parse(const char *at, struct pl_addr *ret, const char **ret_path) PL_MUST_CHECK;

/* "1.2.3.4:80", "[::1]:80" or "unix"; out takes at least PL_ADDR_TEXT bytes. */
enum { PL_ADDR_TEXT = 64 };
void pl_addr_text(const struct pl_addr *a, bool with_port, char out[PL_ADDR_TEXT]);

#endif
