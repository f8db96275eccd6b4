/* lib/post.h - one HTTP/1.1 connection to the server's API, pipelined, as a machine without I/O: requests are put into `out`,
 * answers come from input in their order. One owner; no clock: who wants a timeout keeps it himself. */
#ifndef PL_LIB_POST_H
#define PL_LIB_POST_H

#include "base/buf.h"
#include "codec/scratch.h"

/* Shared by many connections; borrowed. */
struct pl_post_setup {
    struct pl_slice host;   /* Host header */
    struct pl_slice key;    /* X-API-Key; empty: none is sent */
    struct pl_slice prefix; /* "/api" */
};

struct pl_post;

/* status 0: the connection was lost before an answer came. body is borrowed. */
typedef void pl_post_answer_fn(struct pl_post *p, uint64_t tag, unsigned status, struct pl_slice body);

struct pl_post {
    const struct pl_post_setup *setup;
    pl_post_answer_fn *on_answer;
    void *user;
    struct pl_buf out;  /* to send; the driver consumes it */
    struct pl_buf in;   /* an unfinished answer */
    uint64_t *tags;     /* owned ring of what is under way */
    uint32_t tags_cap, tags_at, n_tags;
};

void pl_post_init(struct pl_post *p, const struct pl_post_setup *setup, pl_post_answer_fn *on_answer);
void pl_post_fini(struct pl_post *p); /* frees; calls nothing */

/* Puts one request for `method` ("publish") with a JSON body. PL_ENOMEM: nothing was put. */
enum pl_err pl_post_put(struct pl_post *p, const char *method, struct pl_slice body, uint64_t tag) PL_MUST_CHECK;
/* {"channel":C,"data":D}; data is valid JSON. */
enum pl_err pl_post_publish(struct pl_post *p, struct pl_slice channel, struct pl_slice data, uint64_t tag) PL_MUST_CHECK;
static inline uint32_t pl_post_under_way(const struct pl_post *p) { return p->n_tags; }

/* PL_EPROTO: what came is no answer to what was asked; PL_EUNSUP: chunked or endless answer; PL_ECLOSED: the server will
 * close (answers so far were given). On any of them close the socket and call pl_post_lost(). */
enum pl_err pl_post_input(struct pl_post *p, struct pl_slice in) PL_MUST_CHECK;
/* Everything under way is answered with status 0; `out` is dropped; ready for a new connection. */
void pl_post_lost(struct pl_post *p);

/* What the API says to one method: {"result":{"offset":..,"epoch":..}} or {"error":{"code":..,"message":..}}. */
struct pl_post_result {
    uint32_t code;           /* 0: success */
    struct pl_slice message; /* of the error */
    uint64_t offset;
    struct pl_slice epoch;
};

/* PL_EPROTO: not such an answer. Texts are borrowed from body or scratch. */
enum pl_err pl_post_result_parse(struct pl_slice body, struct pl_scratch *scratch, struct pl_post_result *ret)
    PL_MUST_CHECK;

#endif
