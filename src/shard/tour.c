#include "shard/tour.h"

#include "base/check.h"
#include "shard/priv.h"

/* A hop goes by the control lane, which cannot fill: a tour on its way must not fail half-way. The bound is at the start. */
static void tour_arrive(struct pl_shard *s, struct pl_mail *m)
{
    struct pl_tour *t = PL_OF(m, struct pl_tour, mail);

    if (s->index == t->origin) {
        s->priv->tours--;
        t->done(s, t);
        return;
    }
    PL_ASSERT(t->n_left > 0);
    t->visit(s, t);
    t->n_left--;
    pl_shard_control_push(s, (s->index + 1) % s->node->n_shards, m);
}

enum pl_err pl_tour_start(struct pl_shard *s, struct pl_tour *t)
{
    pl_shard_assert_own(s);
    if (s->node->n_shards == 1) {
        t->visit(s, t);
        return PL_OK;
    }
    if (s->priv->tours >= PL_TOURS_MAX)
        return PL_EBUSY;
    s->priv->tours++;
    t->origin = (uint16_t)s->index;
    t->n_left = (uint16_t)(s->node->n_shards - 1);
    t->mail.arrive = tour_arrive;
    t->visit(s, t);
    pl_shard_control_push(s, (s->index + 1) % s->node->n_shards, &t->mail);
    return PL_WAIT;
}
