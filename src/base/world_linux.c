/* base/world_linux.c - the production world: Linux clocks, epoll, threads and files. Sockets: base/sock_linux.c. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "base/sock_linux.h"

struct pl_poller {
    int epoll;
    int wake; /* eventfd */
};

struct pl_thread {
    pthread_t id;
    void (*fn)(void *arg);
    void *arg;
    int cpu;
    char name[16]; /* the kernel's limit */
};

struct linux_world {
    struct pl_world world;
    struct pl_sock_fds fds;
};

/* ---- clock, entropy ---- */

static uint64_t mono_ns(struct pl_world *w)
{
    struct timespec t;

    (void)w;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t wall_ms(struct pl_world *w)
{
    struct timespec t;

    (void)w;
    (void)clock_gettime(CLOCK_REALTIME, &t); /* same */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void entropy(struct pl_world *w, void *p, size_t n)
{
    uint8_t *at = p;
    ssize_t r;

    (void)w;
    while (n > 0) {
        r = getrandom(at, n, 0);
        if (r < 0 && errno == EINTR)
            continue;
        PL_ASSERT(r > 0);
        at += r;
        n -= (size_t)r;
    }
}

/* ---- sockets ---- */

static enum pl_err sock_listen(struct pl_world *w, const char *at, unsigned flags, int *ret_sock, struct pl_addr *ret_addr,
                               struct pl_buf *err_text)
{
    return pl_sock_listen(&PL_OF(w, struct linux_world, world)->fds, at, flags, ret_sock, ret_addr, err_text);
}

static enum pl_err sock_accept(struct pl_world *w, int listener, int *ret_sock, struct pl_addr *ret_peer)
{
    return pl_sock_accept(&PL_OF(w, struct linux_world, world)->fds, listener, ret_sock, ret_peer);
}

static enum pl_err sock_connect(struct pl_world *w, const char *at, int *ret_sock)
{
    (void)w;
    return pl_sock_connect(at, ret_sock);
}

static enum pl_err sock_recv(struct pl_world *w, int sock, void *p, size_t n, size_t *ret_n)
{
    (void)w;
    return pl_sock_recv(sock, p, n, ret_n);
}

static enum pl_err sock_send(struct pl_world *w, int sock, const void *p, size_t n, size_t *ret_n)
{
    (void)w;
    return pl_sock_send(sock, p, n, ret_n);
}

static void sock_shutdown_write(struct pl_world *w, int sock)
{
    (void)w;
    pl_sock_shutdown_write(sock);
}

static void sock_close(struct pl_world *w, int sock)
{
    (void)w;
    pl_sock_close(sock);
}

static void sock_close_reset(struct pl_world *w, int sock)
{
    (void)w;
    pl_sock_close_reset(sock);
}

static void sock_tune(struct pl_world *w, int sock, size_t sndbuf, size_t notsent_lowat)
{
    (void)w;
    pl_sock_tune(sock, sndbuf, notsent_lowat);
}

/* ---- poller ---- */

static struct pl_poller *poller_new(struct pl_world *w)
{
    struct pl_poller *p = malloc(sizeof *p);
    struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = NULL } }; /* NULL: the wake, which belongs to nobody */

    (void)w;
    PL_ASSERT(p != NULL); /* boot time */
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    PL_ASSERT(p->epoll >= 0 && p->wake >= 0);
    PL_ASSERT(epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->wake, &ev) == 0);
    return p;
}

static void poller_free(struct pl_world *w, struct pl_poller *p)
{
    (void)w;
    close(p->wake);
    close(p->epoll);
    free(p);
}

static enum pl_err poller_set(struct pl_world *w, struct pl_poller *p, int sock, uint32_t events, void *data)
{
    struct epoll_event ev = { .data = { .ptr = data } };
    int r;

    (void)w;
    PL_ASSERT(data != NULL || events == 0);
    if ((events & PL_POLL_IN) != 0)
        ev.events |= EPOLLIN;
    if ((events & PL_POLL_OUT) != 0)
        ev.events |= EPOLLOUT;
    if (events == 0) {
        /* ENOENT: was never set; the outcome is the same */
        return epoll_ctl(p->epoll, EPOLL_CTL_DEL, sock, &ev) == 0 || errno == ENOENT ? PL_OK : PL_EIO;
    }
    r = epoll_ctl(p->epoll, (events & PL_POLL_NEW) != 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, sock, &ev);
    if (r != 0 && (errno == ENOENT || errno == EEXIST))
        r = epoll_ctl(p->epoll, errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, sock, &ev);
    if (r == 0)
        return PL_OK;
    return errno == ENOSPC || errno == ENOMEM ? PL_ENOMEM : PL_EIO; /* ENOSPC: fs.epoll.max_user_watches */
}

static int poller_wait(struct pl_world *w, struct pl_poller *p, struct pl_poll_event *ret_events, int max, int timeout_ms)
{
    enum { BATCH = 256 };
    struct epoll_event evs[BATCH];
    uint64_t count;
    int n, n_out = 0;

    (void)w;
    PL_ASSERT(max > 0);
    do {
        n = epoll_wait(p->epoll, evs, max < BATCH ? max : BATCH, timeout_ms);
    } while (n < 0 && errno == EINTR && timeout_ms < 0);
    for (int i = 0; i < n; i++) {
        uint32_t e = 0;

        if (evs[i].data.ptr == NULL) {
            if (read(p->wake, &count, sizeof count) < 0) /* only to set the counter back */
                PL_ASSERT(errno == EAGAIN);
            continue;
        }
        if ((evs[i].events & EPOLLIN) != 0)
            e |= PL_POLL_IN;
        if ((evs[i].events & EPOLLOUT) != 0)
            e |= PL_POLL_OUT;
        if ((evs[i].events & (EPOLLHUP | EPOLLERR)) != 0)
            e |= PL_POLL_HUP;
        ret_events[n_out++] = (struct pl_poll_event){ evs[i].data.ptr, e };
    }
    return n_out;
}

static void poller_wake(struct pl_world *w, struct pl_poller *p)
{
    static const uint64_t one = 1;

    (void)w;
    if (write(p->wake, &one, sizeof one) < 0) /* the counter is full: then it wakes anyway */
        PL_ASSERT(errno == EAGAIN);
}

/* ---- threads ---- */

static void *thread_main(void *arg)
{
    struct pl_thread *t = arg;
    cpu_set_t set;

    (void)pthread_setname_np(pthread_self(), t->name); /* cosmetic */
    if (t->cpu >= 0 && t->cpu < CPU_SETSIZE) {
        CPU_ZERO(&set);
        CPU_SET((size_t)t->cpu, &set);
        (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set); /* a container may forbid it: runs unpinned */
    }
    t->fn(t->arg);
    return NULL;
}

static enum pl_err thread_start(struct pl_world *w, void (*fn)(void *arg), void *arg, int cpu, const char *name,
                                struct pl_thread **ret_thread)
{
    struct pl_thread *t = calloc(1, sizeof *t);

    (void)w;
    if (t == NULL)
        return PL_ENOMEM;
    t->fn = fn;
    t->arg = arg;
    t->cpu = cpu;
    snprintf(t->name, sizeof t->name, "%s", name);
    if (pthread_create(&t->id, NULL, thread_main, t) != 0) {
        free(t);
        return PL_ENOMEM;
    }
    *ret_thread = t;
    return PL_OK;
}

static void thread_join(struct pl_world *w, struct pl_thread **take_thread)
{
    struct pl_thread *t = *take_thread;

    (void)w;
    *take_thread = NULL;
    PL_ASSERT(pthread_join(t->id, NULL) == 0);
    free(t);
}

/* cgroup v2's "max 100000" or "50000 100000": microseconds per period. 0 when there is no limit to be seen. */
static unsigned cgroup_cpus(void)
{
    char line[64] = "";
    unsigned long long quota, period;
    ssize_t n;
    int fd = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    n = read(fd, line, sizeof line - 1);
    close(fd);
    if (n <= 0 || sscanf(line, "%llu %llu", &quota, &period) != 2 || period == 0)
        return 0;
    quota = (quota + period - 1) / period; /* half a processor still needs one thread */
    return quota > 4096 ? 4096 : (unsigned)quota;
}

static unsigned cpus(struct pl_world *w, int *ret_ids, unsigned max)
{
    cpu_set_t set;
    unsigned n = 0, quota = cgroup_cpus();

    (void)w;
    if (max == 0)
        return 0;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int i = 0; i < CPU_SETSIZE && n < max; i++)
            if (CPU_ISSET((size_t)i, &set))
                ret_ids[n++] = i;
    }
    if (n == 0)
        ret_ids[n++] = -1; /* unknown: one thread, not pinned */
    return quota > 0 && quota < n ? quota : n;
}

/* ---- files ---- */

static enum pl_err file_read(struct pl_world *w, const char *path, size_t limit, struct pl_buf *ret)
{
    uint8_t step[16384];
    size_t got = 0;
    enum pl_err err = PL_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)w;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? PL_ENOENT : errno == EACCES || errno == EPERM ? PL_EPERM : PL_EIO;
    for (;;) {
        ssize_t r = read(fd, step, sizeof step);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            err = PL_EIO;
        else if ((size_t)r > limit - got)
            err = PL_ETOOBIG;
        if (r <= 0 || err != PL_OK)
            break;
        pl_buf_put(ret, step, (size_t)r);
        got += (size_t)r;
    }
    close(fd);
    explicit_bzero(step, sizeof step); /* it may have been a key */
    return err == PL_OK && !pl_buf_ok(ret) ? PL_ETOOBIG : err;
}

static const struct pl_world_ops linux_ops = {
    .mono_ns = mono_ns,
    .wall_ms = wall_ms,
    .entropy = entropy,
    .listen = sock_listen,
    .accept = sock_accept,
    .connect = sock_connect,
    .recv = sock_recv,
    .send = sock_send,
    .shutdown_write = sock_shutdown_write,
    .close = sock_close,
    .close_reset = sock_close_reset,
    .tune = sock_tune,
    .poller_new = poller_new,
    .poller_free = poller_free,
    .poller_set = poller_set,
    .poller_wait = poller_wait,
    .poller_wake = poller_wake,
    .thread_start = thread_start,
    .thread_join = thread_join,
    .cpus = cpus,
    .file_read = file_read,
};

/* The one mutable static: it mirrors the process's one descriptor table. */
static struct linux_world the_linux_world = {
    .world = { &linux_ops },
    .fds = { .high = INT32_MAX, .is_tight = false, .probe = -1 },
};

void pl_world_linux_raise_limits(void)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur >= lim.rlim_max)
        return;
    lim.rlim_cur = lim.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &lim); /* then the old limit stays, and accepting pauses before it */
}

struct pl_world *pl_world_linux(void)
{
    return &the_linux_world.world;
}
