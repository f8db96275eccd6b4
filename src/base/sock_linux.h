/* base/sock_linux.h - the socket half of the Linux world (base/world_linux.c binds it). A socket is a descriptor. */
#ifndef PL_BASE_SOCK_LINUX_H
#define PL_BASE_SOCK_LINUX_H

#include <stdatomic.h>

#include "base/world.h"

/* The process has one descriptor table, so what is known about its fullness is one object too. Any thread. */
struct pl_sock_fds {
    atomic_int high;      /* first descriptor of the reserve; read from RLIMIT_NOFILE at each listen */
    atomic_bool is_tight; /* an accepted descriptor reached the reserve */
    atomic_int probe;     /* any open descriptor, to be duplicated as a probe; -1 until the first listen */
};

enum pl_err pl_sock_listen(struct pl_sock_fds *fds, const char *at, unsigned flags, int *ret_sock, struct pl_addr *ret_addr,
                           struct pl_buf *err_text) PL_MUST_CHECK;
enum pl_err pl_sock_accept(struct pl_sock_fds *fds, int listener, int *ret_sock, struct pl_addr *ret_peer) PL_MUST_CHECK;
enum pl_err pl_sock_connect(const char *at, int *ret_sock) PL_MUST_CHECK;
enum pl_err pl_sock_recv(int sock, void *p, size_t n, size_t *ret_n) PL_MUST_CHECK;
enum pl_err pl_sock_send(int sock, const void *p, size_t n, size_t *ret_n) PL_MUST_CHECK;
void pl_sock_shutdown_write(int sock);
void pl_sock_close(int sock);
void pl_sock_close_reset(int sock);
void pl_sock_tune(int sock, size_t sndbuf, size_t notsent_lowat);

#endif
