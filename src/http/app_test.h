/* http/app_test.h - test helper: a node with a few routes, and clients that dial it. */
#ifndef PL_HTTP_APP_TEST_H
#define PL_HTTP_APP_TEST_H

#include "http/fake_net_test.h"
#include "http/room.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"
#define OK_HEAD(n) "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain\r\nContent-Length: " n "\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n"

/* What the handlers saw and keep. */
struct app {
    struct pl_handle waiting;
    unsigned n_requests, n_closed, n_drained;
    struct pl_addr client;
    bool origin_ok, admits;
    struct pl_buf taken; /* bytes that came after an upgrade */
};

struct fixture {
    struct pl_node *node;
    struct pl_router *router;
    struct app app;
    struct pl_metrics *metrics;
    struct pl_cidr nets[2];
    struct pl_cidr_list allow, proxies;
};

/* Routes: /echo (GET: its query, POST: its body), /later and /stream (go on by app.waiting), /fail, /up (upgrades to up_ops),
 * /inner (internal listener), /cors (POST with preflight), /private (10.0.0.0/8 only). 192.168.0.1 is a trusted proxy. */
struct fixture *set_up(void);
void tear_down(struct fixture *f);
struct peer *dial(struct fixture *f, const char *ip);
extern const struct pl_conn_ops up_ops;

unsigned status_of(struct peer *p); /* of the first answer received; 0 none */
/* The peer has received exactly this; forgets it. */
#define assert_out(p, text) assert_out_((p), PL_LIT(text), __LINE__)
void assert_out_(struct peer *p, struct pl_slice want, int line);

#endif
