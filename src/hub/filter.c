/* Filters on tags, one object per text and shard: however many subscribers share one, each publication is looked at once. */
#include <stdlib.h>

#include "base/check.h"
#include "hub/room.h"

static struct pl_filter *filter_find(struct pl_shard *s, struct pl_slice text, uint64_t hash)
{
    for (struct pl_tnode *n = pl_table_find(&hub_of(s)->filters, hash); n != NULL; n = pl_table_same(n)) {
        struct pl_filter *f = PL_OF(n, struct pl_filter, node);

        if (pl_slice_eq(pl_str_slice(f->text), text))
            return f;
    }
    return NULL;
}

enum pl_err pl_filter_get(struct pl_shard *s, struct pl_slice text, struct pl_filter **ret)
{
    uint64_t hash = pl_hash(s->node->hash_key, text);
    struct pl_filter *f = filter_find(s, text, hash);
    struct pl_tagfilter_node nodes[PL_TAGFILTER_NODES_MAX];
    size_t n;
    bool ok;

    if (f != NULL) {
        f->refs++;
        *ret = f;
        return PL_OK;
    }
    if (pl_tagfilter_parse(text, nodes, &n) != PL_OK)
        return PL_EINVAL;
    f = calloc(1, sizeof *f + n * sizeof nodes[0]);
    if (f == NULL)
        return PL_ENOMEM;
    f->text = pl_str_new(text, &ok);
    if (!ok || pl_tagfilter_parse(pl_str_slice(f->text), nodes, &n) != PL_OK || !pl_table_insert(&hub_of(s)->filters, &f->node, hash)) {
        pl_str_unref(&f->text);
        free(f);
        return PL_ENOMEM;
    }
    memcpy(f->nodes, nodes, n * sizeof nodes[0]); /* they borrow our own text now */
    f->n = n;
    f->refs = 1;
    f->id = ++hub_of(s)->n_ids;
    *ret = f;
    return PL_OK;
}

void pl_filter_unref(struct pl_shard *s, struct pl_filter **take_f)
{
    struct pl_filter *f = *take_f;

    *take_f = NULL;
    if (f == NULL || --f->refs != 0)
        return;
    pl_table_remove(&hub_of(s)->filters, &f->node);
    pl_str_unref(&f->text);
    free(f);
}

struct pl_slice pl_sub_filter_text(const struct pl_sub *sub)
{
    const struct pl_filter *f = hub_sub_filter(sub);

    return f != NULL ? pl_str_slice(f->text) : pl_slice("", 0);
}

struct pl_sub *pl_sub_new_filtered(struct pl_shard *s, struct pl_filter **take_f)
{
    struct hub_wide_sub *w = calloc(1, sizeof *w); /* few have one: the others' 64 bytes stay 64 */

    if (w == NULL) {
        pl_filter_unref(s, take_f);
        return NULL;
    }
    w->filter = *take_f;
    *take_f = NULL;
    w->sub.flags = PL_SUB_FILTERED;
    return &w->sub;
}

static bool passes(const struct pl_filter *f, const struct pl_msg *m)
{
    return pl_tagfilter_match(f->nodes, f->n, pl_str_slice(m->tags));
}

bool hub_filter_passes(struct pl_filter *f, const struct hub_events *e, uint32_t i)
{
    uint64_t bit = (uint64_t)1 << i % 64;

    if (i >= 64)
        return passes(f, e->ev[i]);
    if (f->log_id != e->id) {
        f->log_id = e->id;
        f->known = f->passed = 0;
    }
    if ((f->known & bit) == 0) {
        f->known |= bit;
        if (passes(f, e->ev[i]))
            f->passed |= bit;
    }
    return (f->passed & bit) != 0;
}

void hub_filter_recovered(const struct pl_filter *f, struct pl_op *op)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < op->n_msgs; i++) {
        if (passes(f, op->msgs[i]))
            op->msgs[n++] = op->msgs[i];
        else
            pl_msg_unref(&op->msgs[i]);
    }
    op->n_msgs = n;
}
