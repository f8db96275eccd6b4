#include "session/reason.h"

#include "base/check.h"

static const struct pl_reason_row reason_rows[] = {
#define PL_R(name, reply, temp, close, unsub, http, label, text, bye) \
    [PL_R_##name] = { (reply), (close), (unsub), (http), (temp), (label), (text), (bye) },
#include "session/reason.def"
#undef PL_R
};

const struct pl_reason_row *pl_reason_row(enum pl_reason r)
{
    PL_ASSERT((unsigned)r < PL_N_REASONS);
    return &reason_rows[r];
}
