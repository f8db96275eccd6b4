#include "base/sock_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"

union any_addr {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
    struct sockaddr_storage room;
};

static void set_int(int sock, int level, int option, int v)
{
    /* Tuning only: a kernel that refuses still serves correctly. */
    (void)setsockopt(sock, level, option, &v, sizeof v);
}

static enum pl_err addr_to_sys(const struct pl_addr *a, const char *path, union any_addr *ret, socklen_t *ret_len)
{
    memset(ret, 0, sizeof *ret);
    switch (a->family) {
    case 4:
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(a->port);
        memcpy(&ret->v4.sin_addr, a->ip, 4);
        *ret_len = sizeof ret->v4;
        return PL_OK;
    case 6:
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons(a->port);
        memcpy(&ret->v6.sin6_addr, a->ip, 16);
        *ret_len = sizeof ret->v6;
        return PL_OK;
    case 1:
        if (strlen(path) >= sizeof ret->un.sun_path)
            return PL_EINVAL;
        ret->un.sun_family = AF_UNIX;
        strcpy(ret->un.sun_path, path); /* length checked above */
        *ret_len = sizeof ret->un;
        return PL_OK;
    }
    return PL_EINVAL;
}

static void addr_from_sys(const union any_addr *u, struct pl_addr *ret)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* ::ffff:a.b.c.d, RFC 4291 2.5.5.2 */

    memset(ret, 0, sizeof *ret);
    if (u->sa.sa_family == AF_INET) {
        ret->family = 4;
        ret->port = ntohs(u->v4.sin_port);
        memcpy(ret->ip, &u->v4.sin_addr, 4);
    } else if (u->sa.sa_family == AF_INET6) {
        ret->port = ntohs(u->v6.sin6_port);
        if (memcmp(&u->v6.sin6_addr, mapped, sizeof mapped) == 0) {
            ret->family = 4;
            memcpy(ret->ip, (const uint8_t *)&u->v6.sin6_addr + sizeof mapped, 4);
        } else {
            ret->family = 6;
            memcpy(ret->ip, &u->v6.sin6_addr, 16);
        }
    } else {
        ret->family = 1;
    }
}

static enum pl_err err_of(int e)
{
    switch (e) {
    case EADDRINUSE:
        return PL_EEXIST;
    case EACCES:
    case EPERM:
        return PL_EPERM;
    case EADDRNOTAVAIL:
    case EINVAL:
    case EAFNOSUPPORT:
        return PL_EINVAL;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return PL_EBUSY;
    }
    return PL_EIO;
}

/* A file left by a process that is gone keeps nobody from listening; any other file does. Returns true if it was removed. */
static bool stale_unix_remove(const char *path, const union any_addr *u, socklen_t len)
{
    struct stat st;
    bool is_stale = false;
    int sock;

    if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return false;
    if (connect(sock, &u->sa, len) != 0 && errno == ECONNREFUSED)
        is_stale = unlink(path) == 0;
    close(sock);
    return is_stale;
}

static int bound_socket(const struct pl_addr *a, const union any_addr *u, socklen_t len, bool share)
{
    int sock = socket(u->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int e;

    if (sock < 0)
        return -1;
    if (a->family != 1) {
        set_int(sock, SOL_SOCKET, SO_REUSEADDR, 1);
        if (share)
            set_int(sock, SOL_SOCKET, SO_REUSEPORT, 1);
        if (a->family == 6) {
            static const uint8_t any[16];
            set_int(sock, IPPROTO_IPV6, IPV6_V6ONLY, memcmp(a->ip, any, sizeof any) != 0);
        }
    }
    if (bind(sock, &u->sa, len) != 0) {
        e = errno;
        close(sock);
        errno = e;
        return -1;
    }
    return sock;
}

static int bound_somehow(struct pl_addr *a, const char *path, unsigned flags, union any_addr *u, socklen_t *len)
{
    bool share = (flags & PL_LISTEN_REUSEPORT) != 0;
    int sock;

    if ((flags & PL_LISTEN_ALONE) != 0 && share && a->port != 0) {
        /* With REUSEPORT a second server of the same user would silently take half of the clients: bind once without. */
        sock = bound_socket(a, u, *len, false);
        if (sock < 0 && errno == EADDRINUSE)
            return -1;
        if (sock >= 0)
            close(sock);
    }
    sock = bound_socket(a, u, *len, share);
    if (sock < 0 && a->family == 1 && errno == EADDRINUSE) {
        if (stale_unix_remove(path, u, *len))
            sock = bound_socket(a, u, *len, share);
        else
            errno = EADDRINUSE;
    }
    if (sock < 0 && a->family == 6 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        static const uint8_t any[16];
        if (memcmp(a->ip, any, sizeof any) == 0) { /* a kernel without IPv6: "all interfaces" are the IPv4 ones */
            a->family = 4;
            if (addr_to_sys(a, path, u, len) == PL_OK)
                sock = bound_socket(a, u, *len, share);
        }
    }
    return sock;
}

static void fds_measure(struct pl_sock_fds *fds)
{
    struct rlimit lim;
    int none = -1, probe;

    if (getrlimit(RLIMIT_NOFILE, &lim) == 0)
        atomic_store_explicit(&fds->high, (lim.rlim_cur > INT_MAX ? INT_MAX : (int)lim.rlim_cur) - PL_FD_RESERVE,
                              memory_order_relaxed);
    if (atomic_load_explicit(&fds->probe, memory_order_relaxed) >= 0)
        return;
    probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (probe >= 0 && !atomic_compare_exchange_strong(&fds->probe, &none, probe))
        close(probe);
}

enum pl_err pl_sock_listen(struct pl_sock_fds *fds, const char *at, unsigned flags, int *ret_sock, struct pl_addr *ret_addr,
                           struct pl_buf *err_text)
{
    const char *path = NULL;
    struct pl_addr a;
    union any_addr u;
    socklen_t len = 0;
    enum pl_err err;
    int sock;

    err = pl_addr_parse(at, &a, &path);
    if (err == PL_OK)
        err = addr_to_sys(&a, path, &u, &len);
    if (err != PL_OK) {
        pl_buf_printf(err_text, "\"%s\" is no address to listen on: give ip:port, [ip6]:port, :port or unix:/path", at);
        return err;
    }
    sock = bound_somehow(&a, path, flags, &u, &len);
    if (sock < 0)
        goto failed;
    if (a.family != 1)
        set_int(sock, IPPROTO_TCP, TCP_NODELAY, 1); /* inherited by what is accepted */
    if (listen(sock, INT_MAX) != 0) /* the kernel cuts it to net.core.somaxconn */
        goto failed;
    fds_measure(fds);
    len = sizeof u;
    if (a.family != 1 && getsockname(sock, &u.sa, &len) == 0)
        a.port = ntohs(a.family == 4 ? u.v4.sin_port : u.v6.sin6_port);
    *ret_sock = sock;
    *ret_addr = a;
    return PL_OK;

failed:
    err = err_of(errno);
    pl_buf_printf(err_text, "cannot listen on %s: %s", at, strerror(errno));
    if (sock >= 0)
        close(sock);
    return err;
}

/* Once a descriptor fell into the reserve, ask before each accept whether a lower one is free by now. */
static bool fds_are_out(struct pl_sock_fds *fds)
{
    int fd;

    if (!atomic_load_explicit(&fds->is_tight, memory_order_relaxed))
        return false;
    fd = fcntl(atomic_load_explicit(&fds->probe, memory_order_relaxed), F_DUPFD_CLOEXEC, 0); /* the lowest free one */
    if (fd >= 0)
        close(fd);
    if (fd < 0 || fd >= atomic_load_explicit(&fds->high, memory_order_relaxed))
        return true;
    atomic_store_explicit(&fds->is_tight, false, memory_order_relaxed);
    return false;
}

enum pl_err pl_sock_accept(struct pl_sock_fds *fds, int listener, int *ret_sock, struct pl_addr *ret_peer)
{
    union any_addr u;
    socklen_t len;
    int sock;

    if (fds_are_out(fds))
        return PL_EBUSY;
    do {
        len = sizeof u;
        sock = accept4(listener, &u.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (sock < 0 && errno == EINTR);
    if (sock < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return PL_EAGAIN;
        return err_of(errno) == PL_EBUSY ? PL_EBUSY : PL_EIO;
    }
    /* This one is served, the next must wait: descriptors are given out lowest first. */
    if (sock >= atomic_load_explicit(&fds->high, memory_order_relaxed))
        atomic_store_explicit(&fds->is_tight, true, memory_order_relaxed);
    if (len < sizeof u.sa.sa_family)
        u.sa.sa_family = AF_UNIX;
    addr_from_sys(&u, ret_peer);
    *ret_sock = sock;
    return PL_OK;
}

enum pl_err pl_sock_connect(const char *at, int *ret_sock)
{
    const char *path = NULL;
    struct pl_addr a;
    union any_addr u;
    socklen_t len = 0;
    enum pl_err err;
    int sock;

    err = pl_addr_parse(at, &a, &path);
    if (err == PL_OK)
        err = addr_to_sys(&a, path, &u, &len);
    if (err != PL_OK)
        return err;
    sock = socket(u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return err_of(errno);
    if (a.family != 1)
        set_int(sock, IPPROTO_TCP, TCP_NODELAY, 1);
    /* EINTR: the connection goes on in the background like EINPROGRESS. */
    if (connect(sock, &u.sa, len) != 0 && errno != EINPROGRESS && errno != EINTR) {
        err = errno == ENOENT || errno == ECONNREFUSED ? PL_ECLOSED : err_of(errno);
        close(sock);
        return err;
    }
    *ret_sock = sock;
    return PL_OK;
}

enum pl_err pl_sock_recv(int sock, void *p, size_t n, size_t *ret_n)
{
    ssize_t r;

    *ret_n = 0;
    do {
        r = recv(sock, p, n, 0);
    } while (r < 0 && errno == EINTR);
    if (r > 0) {
        *ret_n = (size_t)r;
        return PL_OK;
    }
    if (r == 0)
        return PL_ECLOSED;
    return errno == EAGAIN || errno == EWOULDBLOCK ? PL_EAGAIN : PL_EIO;
}

enum pl_err pl_sock_send(int sock, const void *p, size_t n, size_t *ret_n)
{
    ssize_t r;

    *ret_n = 0;
    do {
        r = send(sock, p, n, MSG_NOSIGNAL);
    } while (r < 0 && errno == EINTR);
    if (r > 0) {
        *ret_n = (size_t)r;
        return PL_OK;
    }
    /* ENOBUFS: the interface's queue is full; as passing as EAGAIN, and the socket stays writable or becomes so */
    return r == 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? PL_EAGAIN : PL_ECLOSED;
}

void pl_sock_shutdown_write(int sock)
{
    (void)shutdown(sock, SHUT_WR); /* fails only if the peer is gone, which the next read tells */
}

void pl_sock_close(int sock)
{
    (void)close(sock); /* Linux frees the descriptor whatever it returns */
}

void pl_sock_close_reset(int sock)
{
    struct linger now = { 1, 0 };

    (void)setsockopt(sock, SOL_SOCKET, SO_LINGER, &now, sizeof now); /* if refused, the peer gets a FIN instead */
    (void)close(sock);
}

void pl_sock_tune(int sock, size_t sndbuf, size_t notsent_lowat)
{
    if (sndbuf != 0)
        set_int(sock, SOL_SOCKET, SO_SNDBUF, (int)(sndbuf > INT_MAX / 2 ? INT_MAX / 2 : sndbuf));
    if (notsent_lowat != 0)
        set_int(sock, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)(notsent_lowat > INT_MAX ? INT_MAX : notsent_lowat));
}
