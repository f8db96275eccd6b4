#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/world.h"

static void addresses_are_parsed_and_written(void **state)
{
    static const struct { const char *at; enum pl_err want; int family; const char *text; } rows[] = {
        { "127.0.0.1:8000", PL_OK, 4, "127.0.0.1:8000" },
        { "localhost:1", PL_OK, 4, "127.0.0.1:1" },
        { "[::1]:80", PL_OK, 6, "[::1]:80" },
        { ":8000", PL_OK, 6, "[::]:8000" },
        { "*:0", PL_OK, 6, "[::]:0" },
        { "unix:/tmp/x", PL_OK, 1, "unix" },
        { "unix:", PL_EINVAL, 0, NULL },
        { "127.0.0.1", PL_EINVAL, 0, NULL },
        { "127.0.0.1:", PL_EINVAL, 0, NULL },
        { "127.0.0.1:65536", PL_EINVAL, 0, NULL },
        { "127.0.0.1:80x", PL_EINVAL, 0, NULL },
        { "127.0.0.1:-1", PL_EINVAL, 0, NULL },
        { "::1:80", PL_EINVAL, 0, NULL },
        { "[::1:80", PL_EINVAL, 0, NULL },
        { "[]:80", PL_EINVAL, 0, NULL },
        { "example.com:80", PL_EINVAL, 0, NULL },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80", PL_EINVAL, 0, NULL },
        { "", PL_EINVAL, 0, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pl_addr a = { 0 };
        const char *path = NULL;
        char text[PL_ADDR_TEXT];

        assert_int_equal(pl_addr_parse(rows[i].at, &a, &path), rows[i].want);
        if (rows[i].want != PL_OK)
            continue;
        assert_int_equal(a.family, rows[i].family);
        pl_addr_text(&a, true, text);
        assert_string_equal(text, rows[i].text);
    }
}

static int poll_one(struct pl_world *w, struct pl_poller *p, struct pl_poll_event *ev)
{
    int n = 0;

    for (int i = 0; i < 100 && n == 0; i++)
        n = w->ops->poller_wait(w, p, ev, 1, 100);
    return n;
}

static void talk_over(const char *at)
{
    struct pl_world *w = pl_world_linux();
    struct pl_buf why = pl_buf_init(1000);
    struct pl_poller *p = w->ops->poller_new(w);
    struct pl_addr addr, peer;
    struct pl_poll_event ev;
    char here[PL_ADDR_TEXT], in[16], mark_listener, mark_conn;
    size_t n;
    int l, c, s;

    assert_int_equal(w->ops->listen(w, at, 0, &l, &addr, &why), PL_OK);
    assert_int_equal(w->ops->accept(w, l, &s, &peer), PL_EAGAIN);
    assert_int_equal(w->ops->poller_set(w, p, l, PL_POLL_IN | PL_POLL_NEW, &mark_listener), PL_OK);
    pl_addr_text(&addr, true, here);
    if (addr.family == 6) /* dual stack: also IPv4 clients come in, and look like IPv4 */
        snprintf(here, sizeof here, "127.0.0.1:%u", (unsigned)addr.port);
    assert_int_equal(w->ops->connect(w, addr.family == 1 ? at : here, &c), PL_OK);
    assert_int_equal(poll_one(w, p, &ev), 1);
    assert_ptr_equal(ev.data, &mark_listener);
    assert_int_equal(w->ops->accept(w, l, &s, &peer), PL_OK);
    assert_int_equal(peer.family, addr.family == 1 ? 1 : 4);
    assert_int_equal(w->ops->recv(w, s, in, sizeof in, &n), PL_EAGAIN);
    assert_int_equal(w->ops->poller_set(w, p, s, PL_POLL_IN, &mark_conn), PL_OK); /* works without the hint, too */
    assert_int_equal(w->ops->send(w, c, "hello", 5, &n), PL_OK);
    assert_int_equal(n, 5);
    assert_int_equal(poll_one(w, p, &ev), 1);
    assert_ptr_equal(ev.data, &mark_conn);
    assert_int_equal(w->ops->recv(w, s, in, sizeof in, &n), PL_OK);
    assert_int_equal(n, 5);
    w->ops->tune(w, s, 65536, 16384);
    w->ops->shutdown_write(w, c);
    assert_int_equal(poll_one(w, p, &ev), 1);
    assert_int_equal(w->ops->recv(w, s, in, sizeof in, &n), PL_ECLOSED);
    assert_int_equal(w->ops->poller_set(w, p, s, 0, NULL), PL_OK);
    assert_int_equal(w->ops->poller_set(w, p, s, 0, NULL), PL_OK);
    if (addr.family != 1) {
        w->ops->close_reset(w, s);
        assert_int_equal(w->ops->recv(w, c, in, sizeof in, &n), PL_EIO);
    } else {
        w->ops->close(w, s);
    }
    assert_int_equal(w->ops->send(w, c, "x", 1, &n), PL_ECLOSED);
    w->ops->close(w, c);
    w->ops->close(w, l);
    w->ops->poller_free(w, p);
    pl_buf_fini(&why);
}

static void sockets_talk_over_ipv4_dual_stack_and_unix(void **state)
{
    char dir[] = "/tmp/peal-test-XXXXXX", at[128], path[64];
    struct pl_world *w = pl_world_linux();
    struct pl_buf why = pl_buf_init(1000);
    struct pl_addr addr;
    struct stat st;
    int l = -1, file;

    (void)state;
    talk_over("127.0.0.1:0");
    talk_over(":0");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(at, sizeof at, "unix:%s", path);
    talk_over(at);
    assert_int_equal(stat(path, &st), 0);
    talk_over(at); /* the file of one that is gone does not matter */
    assert_int_equal(w->ops->listen(w, at, 0, &l, &addr, &why), PL_OK);
    assert_int_equal(w->ops->listen(w, at, 0, &l, &addr, &why), PL_EEXIST); /* a living one does */
    w->ops->close(w, l);
    unlink(path);
    file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(w->ops->listen(w, at, 0, &l, &addr, &why), PL_EEXIST); /* and so does any other file */
    unlink(path);
    rmdir(dir);
    pl_buf_fini(&why);
}

static void an_address_in_use_is_refused_with_a_sentence(void **state)
{
    struct pl_world *w = pl_world_linux();
    struct pl_buf why = pl_buf_init(1000);
    struct pl_addr addr;
    char at[PL_ADDR_TEXT];
    int l, l2, l3;

    (void)state;
    assert_int_equal(w->ops->listen(w, "127.0.0.1:0", PL_LISTEN_REUSEPORT | PL_LISTEN_ALONE, &l, &addr, &why), PL_OK);
    pl_addr_text(&addr, true, at);
    assert_int_equal(w->ops->listen(w, at, PL_LISTEN_REUSEPORT, &l2, &addr, &why), PL_OK);
    assert_int_equal(why.len, 0);
    assert_int_equal(w->ops->listen(w, at, PL_LISTEN_REUSEPORT | PL_LISTEN_ALONE, &l3, &addr, &why), PL_EEXIST);
    assert_true(why.len > 20);
    pl_buf_clear(&why);
    assert_int_equal(w->ops->listen(w, "nowhere", 0, &l3, &addr, &why), PL_EINVAL);
    assert_true(why.len > 20);
    w->ops->close(w, l);
    w->ops->close(w, l2);
    pl_buf_fini(&why);
}

static void accepting_keeps_a_reserve_of_descriptors(void **state)
{
    struct pl_world *w = pl_world_linux();
    struct pl_buf why = pl_buf_init(1000);
    struct rlimit old, low;
    struct pl_addr addr, peer;
    char at[PL_ADDR_TEXT];
    enum { CLIENTS = 40 };
    int l, s[CLIENTS], c[CLIENTS], n = 0, free_fd;
    enum pl_err err = PL_OK;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    free_fd = dup(0);
    close(free_fd);
    low.rlim_cur = (rlim_t)free_fd + PL_FD_RESERVE + CLIENTS + 10; /* room for all clients and a few of their peers */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(w->ops->listen(w, "127.0.0.1:0", 0, &l, &addr, &why), PL_OK);
    pl_addr_text(&addr, true, at);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(w->ops->connect(w, at, &c[i]), PL_OK);
    while (n < CLIENTS && (err = w->ops->accept(w, l, &s[n], &peer)) == PL_OK)
        n++;
    assert_int_equal(err, PL_EBUSY);
    assert_in_range(n, 1, CLIENTS - 1);
    assert_int_equal(w->ops->accept(w, l, &s[n], &peer), PL_EBUSY);
    free_fd = dup(0); /* others still get descriptors */
    assert_true(free_fd >= 0);
    close(free_fd);
    for (int i = 0; i < 5; i++)
        w->ops->close(w, s[--n]);
    assert_int_equal(w->ops->accept(w, l, &s[n], &peer), PL_OK); /* and accepting goes on when some are free again */
    n++;
    while (n > 0)
        w->ops->close(w, s[--n]);
    for (int i = 0; i < CLIENTS; i++)
        w->ops->close(w, c[i]);
    w->ops->close(w, l);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(w->ops->listen(w, "127.0.0.1:0", 0, &l, &addr, &why), PL_OK); /* reads the limit again */
    w->ops->close(w, l);
    pl_buf_fini(&why);
}

static void wake_it(void *arg)
{
    struct pl_world *w = pl_world_linux();

    w->ops->poller_wake(w, arg);
}

static void a_wake_ends_a_wait_and_reports_nothing(void **state)
{
    struct pl_world *w = pl_world_linux();
    struct pl_poller *p = w->ops->poller_new(w);
    struct pl_thread *t;
    struct pl_poll_event ev;

    (void)state;
    assert_int_equal(w->ops->thread_start(w, wake_it, p, -1, "waker", &t), PL_OK);
    assert_int_equal(w->ops->poller_wait(w, p, &ev, 1, 60000), 0);
    w->ops->thread_join(w, &t);
    assert_null(t);
    assert_int_equal(w->ops->poller_wait(w, p, &ev, 1, 0), 0);
    w->ops->poller_free(w, p);
}

static void files_are_read_whole_or_refused(void **state)
{
    struct pl_world *w = pl_world_linux();
    struct pl_buf b = pl_buf_init(1 << 20);
    char path[] = "/tmp/peal-test-XXXXXX";
    int fd = mkstemp(path), ids[4];
    uint8_t big[40000] = { 7 };

    (void)state;
    assert_true(fd >= 0 && write(fd, big, sizeof big) == (ssize_t)sizeof big);
    close(fd);
    assert_int_equal(w->ops->file_read(w, path, sizeof big, &b), PL_OK);
    assert_true(b.len == sizeof big && b.p[0] == 7);
    assert_int_equal(w->ops->file_read(w, path, sizeof big - 1, &b), PL_ETOOBIG);
    unlink(path);
    assert_int_equal(w->ops->file_read(w, path, 10, &b), PL_ENOENT);
    assert_int_equal(w->ops->file_read(w, "/tmp", 10, &b), PL_EIO);
    pl_buf_fini(&b);
    assert_true(w->ops->cpus(w, ids, 4) >= 1);
    assert_true(w->ops->mono_ns(w) > 0 && w->ops->wall_ms(w) > 1600000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_parsed_and_written),
        cmocka_unit_test(sockets_talk_over_ipv4_dual_stack_and_unix),
        cmocka_unit_test(an_address_in_use_is_refused_with_a_sentence),
        cmocka_unit_test(accepting_keeps_a_reserve_of_descriptors),
        cmocka_unit_test(a_wake_ends_a_wait_and_reports_nothing),
        cmocka_unit_test(files_are_read_whole_or_refused),
    };

    return cmocka_run_group_tests_name("base/world", tests, NULL, NULL);
}
