/* Production only: threads and signals around a server. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "server/room.h"

enum { TICK_S = 1, SETTLE_TURNS = 64 };

static void shard_main(void *arg)
{
    struct pl_shard *shard = arg;

    pl_shard_run(shard);
    /* release: pairs with the main thread's acquire, which then frees what this thread wrote */
    atomic_fetch_sub_explicit(&server_of(shard->node)->n_running, 1, memory_order_release);
    (void)kill(getpid(), SIGUSR1); /* to ourselves, blocked everywhere: ends the main thread's wait */
}

static void stop_arrives(struct pl_shard *shard, struct pl_mail *m)
{
    struct pl_server *s = server_of(shard->node);

    (void)m;
    pl_server_drain_shard(s, shard, (uint64_t)s->opts.config->shutdown.timeout_ms);
}

static void kill_arrives(struct pl_shard *shard, struct pl_mail *m)
{
    (void)m;
    pl_shard_stop(shard);
}

static void send_all(struct pl_server *s, struct pl_mail *mails, void (*arrive)(struct pl_shard *, struct pl_mail *))
{
    for (unsigned i = 0; i < s->node->n_shards; i++) {
        mails[i].arrive = arrive;
        pl_mail_control(s->node, i, &mails[i]);
    }
}

/* The i-th core of our affinity mask, for pinning; -1 if there are fewer cores than shards. */
static int core_of(unsigned i, unsigned n)
{
    cpu_set_t set;

    if (n == 1 || sched_getaffinity(0, sizeof set, &set) != 0 || (unsigned)CPU_COUNT(&set) < n)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &set) && i-- == 0)
            return cpu;
    return -1;
}

static bool write_pid(struct pl_server *s)
{
    const char *path = s->opts.config->pid_file;
    FILE *f;

    if (path[0] == '\0')
        return true;
    f = fopen(path, "we");
    if (f == NULL) {
        fprintf(stderr, "peal: pid_file: %s: %s\n", path, strerror(errno));
        return false;
    }
    fprintf(f, "%ld\n", (long)getpid());
    return fclose(f) == 0;
}

/* A shard may have stopped with mail for it under way (the last unsubscribes of the others). All threads are joined: what is left is
 * taken here, so that every mail finds its owner. */
static void settle(struct pl_server *s)
{
    bool any = true;

    for (unsigned round = 0; any && round < SETTLE_TURNS; round++) {
        any = false;
        for (unsigned i = 0; i < s->node->n_shards; i++)
            any |= pl_shard_turn(s->node->shards[i], 0);
    }
}

int pl_server_run(struct pl_server *s)
{
    struct pl_thread *threads[PL_SHARDS_MAX] = { 0 };
    struct pl_world *w = s->opts.world;
    unsigned n = s->node->n_shards, n_stops = 0;
    const struct timespec tick = { TICK_S, 0 };
    sigset_t set;
    int status = 0;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1); /* sent by the last shard that ends */
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* before the threads, which inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    if (!write_pid(s))
        return 1;
    atomic_store_explicit(&s->n_running, n, memory_order_relaxed); /* before the threads are made */
    for (unsigned i = 0; i < n; i++) {
        char name[24];

        (void)snprintf(name, sizeof name, "peal-shard-%u", i); /* fits the kernel's 16: i is below PL_SHARDS_MAX */
        if (w->ops->thread_start(w, shard_main, s->node->shards[i], core_of(i, n), name, &threads[i]) != PL_OK) {
            fprintf(stderr, "peal: cannot start a thread for shard %u\n", i);
            send_all(s, s->kill_mails, kill_arrives);
            status = 1;
            break;
        }
    }
    pl_log(s->node->log, PL_LOG_INFO, "server.started", PL_F_UINT("shards", n), PL_F_INT("pid", getpid()),
           PL_F_STR("version", PEAL_VERSION));
    while (status == 0 && atomic_load_explicit(&s->n_running, memory_order_acquire) != 0) {
        int sig = sigtimedwait(&set, NULL, &tick);

        if (s->node->log != NULL)
            pl_log_tick(s->node->log);
        if (sig == SIGTERM || sig == SIGINT) {
            n_stops++;
            pl_log(s->node->log, PL_LOG_INFO, "server.stopping", PL_F_STR("signal", sig == SIGTERM ? "SIGTERM" : "SIGINT"),
                   PL_F_BOOL("at_once", n_stops > 1));
            /* relaxed: a page that still says healthy for a moment does no harm */
            atomic_store_explicit(&s->is_stopping, true, memory_order_relaxed);
            if (n_stops == 1)
                send_all(s, s->stop_mails, stop_arrives);
            else if (n_stops == 2)
                send_all(s, s->kill_mails, kill_arrives);
        } else if (sig == SIGHUP && s->node->log != NULL) {
            if (pl_log_reopen(s->node->log) != PL_OK)
                pl_log(s->node->log, PL_LOG_ERROR, "log.reopen_failed");
        }
    }
    for (unsigned i = 0; i < n; i++)
        if (threads[i] != NULL)
            w->ops->thread_join(w, &threads[i]);
    settle(s);
    if (s->opts.config->pid_file[0] != '\0')
        (void)unlink(s->opts.config->pid_file); /* gone is as good */
    pl_log(s->node->log, PL_LOG_INFO, "server.stopped");
    return status;
}
