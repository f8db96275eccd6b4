/* tests/sim/watcher.h - somebody who sits in a channel from the beginning and books who comes and goes: a raw WebSocket client of the
 * simulated world. Every join must be of somebody who is not there, every leave of somebody who is. */
#ifndef PL_TESTS_SIM_WATCHER_H
#define PL_TESTS_SIM_WATCHER_H

#include "tests/sim/world_sim.h"

enum { WATCHER_MAX = 128 };

struct watcher {
    struct sim *sim;
    int sock;
    struct pl_buf in;              /* owned; not yet a whole frame */
    bool is_upgraded;
    char there[WATCHER_MAX][37];   /* client ids */
    unsigned n;
    const char *wrong;             /* the first thing that was, in words */
};

void watcher_open(struct watcher *w, struct sim *sim, const char *channel);
bool watcher_pump(struct watcher *w);   /* takes what is there; true if anything was */
void watcher_close(struct watcher *w);

/* A text frame as a client sends it, under a mask that changes nothing; text up to 65535 bytes. */
void watcher_frame(struct pl_buf *out, struct pl_slice text);

#endif
