#include "engine/op.h"

#include <stdlib.h>

enum pl_err pl_op_set(struct pl_str **field, struct pl_slice s)
{
    bool ok;

    pl_str_unref(field);
    *field = pl_str_new(s, &ok);
    return ok ? PL_OK : PL_ENOMEM;
}

enum pl_err pl_op_init(struct pl_op *op, enum pl_op_kind kind, struct pl_slice channel)
{
    memset(op, 0, sizeof *op);
    op->kind = (uint8_t)kind;
    return pl_op_set(&op->channel, channel);
}

void pl_op_fini(struct pl_op *op)
{
    for (uint32_t i = 0; i < op->n_msgs; i++)
        pl_msg_unref(&op->msgs[i]);
    free(op->msgs);
    op->msgs = NULL;
    op->n_msgs = 0;
    pl_msg_unref(&op->msg);
    pl_msg_unref(&op->event);
    pl_str_unref(&op->channel);
    pl_str_unref(&op->note);
    pl_str_unref(&op->idempotency_key);
    pl_str_unref(&op->version_epoch);
    pl_str_unref(&op->since_epoch);
    pl_str_unref(&op->epoch);
}
