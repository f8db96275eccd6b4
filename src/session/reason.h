/* session/reason.h - the table of what peers are told. Static data; any thread. */
#ifndef PL_SESSION_REASON_H
#define PL_SESSION_REASON_H

#include <stdint.h>

enum pl_reason {
#define PL_R(name, reply, temp, close, unsub, http, label, text, bye) PL_R_##name,
#include "session/reason.def"
#undef PL_R
    PL_N_REASONS
};

struct pl_reason_row {
    uint16_t reply;      /* error code in replies, 0: never */
    uint16_t close;      /* disconnect code, 0: never */
    uint16_t unsub;      /* unsubscribe push code, 0: never */
    uint16_t http;       /* status in transport error mode or refused requests */
    uint8_t is_temporary;
    const char *label;   /* metric label */
    const char *text;    /* of the reply */
    const char *bye;     /* of the disconnect or unsubscribe push */
};
const struct pl_reason_row *pl_reason_row(enum pl_reason r);

/* An outcome that may also be an application's own code (proxies, API). code 0: by the table. */
struct pl_outcome {
    enum pl_reason reason;
    uint32_t code;
    const char *text;    /* borrowed; NULL: by the table */
};

#endif
