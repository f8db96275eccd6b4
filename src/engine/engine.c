#include "engine/engine.h"

#include "base/check.h"

const struct pl_engine_ops *pl_engine(const struct pl_node *n)
{
    PL_DEBUG_ASSERT(n->rooms[PL_ROOM_ENGINE] != NULL);
    return n->rooms[PL_ROOM_ENGINE];
}

void pl_engine_choose(struct pl_node *n, const struct pl_engine_ops *ops)
{
    n->rooms[PL_ROOM_ENGINE] = (void *)(uintptr_t)ops; /* the table itself is constant */
}
