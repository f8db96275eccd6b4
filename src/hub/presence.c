/* The questions that concern the subscribers of all shards: who is there, and which channels there are. */
#include <stdlib.h>

#include "base/check.h"
#include "codec/glob.h"
#include "hub/room.h"

static bool grow(void **array, size_t *cap, size_t n, size_t item)
{
    size_t want = *cap == 0 ? 16 : *cap * 2;
    void *p;

    if (n < *cap)
        return true;
    p = realloc(*array, want * item);
    if (p == NULL)
        return false;
    *array = p;
    *cap = want;
    return true;
}

static void presence_visit(struct pl_shard *s, struct pl_tour *t)
{
    struct pl_presence *p = PL_OF(t, struct pl_presence, tour);
    struct pl_chan *c = hub_chan_find(s, pl_str_slice(p->channel));

    for (uint32_t i = 0; c != NULL && i < c->n_slots; i++) {
        struct pl_client_info info;

        if (c->subs[i] == NULL || (c->subs[i]->flags & PL_SUB_PRESENCE) == 0)
            continue;
        if (p->n_entries >= PL_PRESENCE_MAX || !grow(p->stats_only ? (void **)&p->users : (void **)&p->entries, &p->cap, p->n_entries,
                                                     p->stats_only ? sizeof *p->users : sizeof *p->entries)) {
            p->is_cut = true;
            return;
        }
        hub_of(s)->sink->info(c->subs[i], &info);
        if (p->stats_only)
            p->users[p->n_entries++] = pl_str_ref(info.user);
        else
            pl_client_info_copy(&p->entries[p->n_entries++], &info);
    }
}

enum pl_err pl_hub_presence(struct pl_shard *s, struct pl_presence *p)
{
    p->tour.visit = presence_visit;
    return pl_tour_start(s, &p->tour);
}

static int slice_cmp(struct pl_slice a, struct pl_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n != 0 ? memcmp(a.p, b.p, n) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int user_cmp(const void *a, const void *b)
{
    return slice_cmp(pl_str_slice(*(struct pl_str *const *)a), pl_str_slice(*(struct pl_str *const *)b));
}

void pl_presence_count(struct pl_presence *p)
{
    struct pl_str **users = p->users, *prev = NULL;

    p->n_clients = (uint32_t)p->n_entries;
    p->n_users = 0;
    if (p->n_entries == 0)
        return;
    if (!p->stats_only) {
        users = malloc(p->n_entries * sizeof(struct pl_str *));
        if (users == NULL)
            return;
        for (size_t i = 0; i < p->n_entries; i++)
            users[i] = p->entries[i].user;
    }
    qsort(users, p->n_entries, sizeof(struct pl_str *), user_cmp);
    for (size_t i = 0; i < p->n_entries; i++) {
        if (i == 0 || !pl_str_eq(users[i], prev))
            p->n_users++;
        prev = users[i];
    }
    if (!p->stats_only)
        free(users);
}

void pl_presence_fini(struct pl_presence *p)
{
    for (size_t i = 0; i < p->n_entries; i++) {
        if (p->stats_only)
            pl_str_unref(&p->users[i]);
        else
            pl_client_info_fini(&p->entries[i]);
    }
    free(p->users);
    free(p->entries);
    pl_str_unref(&p->channel);
    p->users = NULL;
    p->entries = NULL;
    p->n_entries = p->cap = 0;
}

struct list_ctx {
    struct pl_channel_list *list;
};

static void list_chan(struct pl_tnode *n, void *arg)
{
    struct pl_channel_list *l = ((struct list_ctx *)arg)->list;
    struct pl_chan *c = PL_OF(n, struct pl_chan, node);

    if (c->n_subs == 0 || (l->pattern != NULL && !pl_glob_match(pl_str_slice(l->pattern), pl_str_slice(c->name))))
        return;
    if (!grow((void **)&l->items, &l->cap, l->n_items, sizeof *l->items)) {
        l->no_memory = true;
        return;
    }
    l->items[l->n_items].name = pl_str_ref(c->name);
    l->items[l->n_items++].n_clients = c->n_subs;
}

void pl_hub_channels_here(struct pl_shard *s, struct pl_channel_list *l)
{
    struct list_ctx ctx = { l };

    pl_table_each(&hub_of(s)->chans, list_chan, &ctx);
}

static void list_visit(struct pl_shard *s, struct pl_tour *t)
{
    pl_hub_channels_here(s, PL_OF(t, struct pl_channel_list, tour));
}

enum pl_err pl_hub_channels(struct pl_shard *s, struct pl_channel_list *l)
{
    l->tour.visit = list_visit;
    return pl_tour_start(s, &l->tour);
}

static int item_cmp(const void *a, const void *b)
{
    return slice_cmp(pl_str_slice(*(struct pl_str *const *)a), pl_str_slice(*(struct pl_str *const *)b)); /* name comes first */
}

void pl_channel_list_merge(struct pl_channel_list *l)
{
    size_t to = 0;

    if (l->n_items == 0)
        return;
    qsort(l->items, l->n_items, sizeof *l->items, item_cmp);
    for (size_t i = 1; i < l->n_items; i++) {
        if (pl_str_eq(l->items[to].name, l->items[i].name)) {
            l->items[to].n_clients += l->items[i].n_clients;
            pl_str_unref(&l->items[i].name);
        } else {
            l->items[++to] = l->items[i];
        }
    }
    l->n_items = to + 1;
}

void pl_channel_list_fini(struct pl_channel_list *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        pl_str_unref(&l->items[i].name);
    free(l->items);
    pl_str_unref(&l->pattern);
    l->items = NULL;
    l->n_items = l->cap = 0;
}
