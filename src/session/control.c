#include "session/control.h"

#include <stdlib.h>

#include "base/check.h"
#include "session/room.h"

void pl_control_fini(struct pl_control *c)
{
    pl_str_unref(&c->user);
    pl_str_unref(&c->session);
    pl_str_unref(&c->reason);
    pl_str_unref(&c->channel);
    pl_str_unref(&c->info);
    pl_str_unref(&c->data);
    pl_str_unref(&c->since_epoch);
    free(c->whitelist);
    c->whitelist = NULL;
    c->n_whitelist = 0;
}

static bool is_spared(const struct pl_control *c, const struct pl_sess *s)
{
    for (size_t i = 0; i < c->n_whitelist; i++)
        if (memcmp(c->whitelist[i], s->id, sizeof s->id) == 0)
            return true;
    return false;
}

static void disconnect(struct pl_sess *s, const struct pl_control *c)
{
    struct pl_outcome why = because(PL_R_FORCE_DISCONNECT);
    char text[124];

    if (c->code != 0) {
        struct pl_slice reason = pl_str_slice(c->reason);
        size_t n = reason.len < sizeof text - 1 ? reason.len : sizeof text - 1;

        memcpy(text, reason.p, n);
        text[n] = '\0';
        why.code = c->code;
        why.text = text;
    }
    pl_sess_end(s, &why);
}

static void subscribe(struct pl_sess *s, const struct pl_control *c)
{
    struct pl_channel_ref ref;
    struct sub_wish w;

    if (pl_channel_resolve(cfg_of(s), pl_str_slice(c->channel), &ref) != PL_OK)
        return; /* the API has answered 102 already; a reload came in between */
    w = (struct sub_wish){
        .channel = pl_str_slice(c->channel), .opts = ref.opts, .chan_info = pl_str_slice(c->info), .data = pl_str_slice(c->data),
        .expire_at = c->expire_at, .override = c->override, .server_side = true, .recover = c->has_since,
        .offset = c->since_offset, .epoch = pl_str_slice(c->since_epoch),
    };
    sess_subscribe_push(s, &w);
}

static void unsubscribe(struct pl_sess *s, const struct pl_control *c)
{
    if (c->channel != NULL) {
        struct pl_sub *sub = sess_sub_of(s, pl_str_slice(c->channel));

        if (sub != NULL)
            sess_sub_end(s, sub, PL_R_SERVER_UNSUBSCRIBE);
        return;
    }
    /* Pending ones stay, marked; after a live one has gone the list is looked at anew. */
    for (struct pl_sub *sub = s->subs; sub != NULL && !is_over(s);) {
        bool is_pending = sub->state == PL_SUB_PENDING;
        struct pl_sub *next = sub->next;

        sess_sub_end(s, sub, PL_R_SERVER_UNSUBSCRIBE);
        sub = is_pending ? next : s->subs;
    }
}

static void refresh(struct pl_sess *s, const struct pl_control *c)
{
    int64_t left = capped_end(s->shard, c->expire_at) - unix_now(s->shard);
    uint32_t ttl = 0;

    if (c->expired || (c->expire_at > 0 && left <= 0)) {
        pl_sess_close(s, PL_R_EXPIRED);
        return;
    }
    if (c->expire_at > 0) {
        s->flags |= PL_SESS_EXPIRES;
        s->expire_s = (uint32_t)capped_end(s->shard, c->expire_at);
        ttl = (uint32_t)left;
    } else {
        s->flags &= (uint16_t)~PL_SESS_EXPIRES;
    }
    if (c->has_info) {
        pl_str_unref(&s->conn_info);
        s->conn_info = pl_str_ref(c->info);
    }
    sess_timer_set(s);
    s->dialect->push_refresh(s, c->expire_at > 0, ttl, sess_message(s));
    sess_send(s);
}

/* Only emulated and unidirectional connections have a session id. */
static bool has_session(const struct pl_sess *s, struct pl_slice text)
{
    const uint8_t *own = sess_ticket_id(s);
    uint8_t id[16];

    return own != NULL && pl_uuid_parse(text, id) == PL_OK && memcmp(id, own, sizeof id) == 0;
}

static void apply(struct pl_sess *s, struct pl_control *c)
{
    if (s->state != PL_SESS_LIVE || (c->has_client && memcmp(c->client, s->id, sizeof s->id) != 0))
        return;
    if (c->session != NULL && !has_session(s, pl_str_slice(c->session)))
        return;
    c->n_matched++;
    switch (c->kind) {
    case PL_CONTROL_DISCONNECT:
        if (!is_spared(c, s))
            disconnect(s, c);
        return;
    case PL_CONTROL_SUBSCRIBE:   subscribe(s, c); return;
    case PL_CONTROL_UNSUBSCRIBE: unsubscribe(s, c); return;
    case PL_CONTROL_REFRESH:     refresh(s, c); return;
    }
    PL_UNREACHABLE();
}

static struct sess_user *find_user(struct pl_shard *shard, const struct pl_str *name)
{
    struct sess_room *room = room_of(shard);
    uint64_t hash = pl_hash(shard->node->hash_key, pl_str_slice(name));

    for (struct pl_tnode *n = pl_table_find(&room->users, hash); n != NULL; n = pl_table_same(n))
        if (pl_str_eq(PL_OF(n, struct sess_user, node)->name, name))
            return PL_OF(n, struct sess_user, node);
    return NULL;
}

static void control_visit(struct pl_shard *shard, struct pl_tour *t)
{
    struct pl_control *c = PL_OF(t, struct pl_control, tour);
    struct pl_handle *all = NULL;
    size_t n = 0, cap = 0;

    /* By handle, since ending one session may end others and their user with them. */
    if (c->user != NULL && !c->any_user) {
        struct sess_user *u = find_user(shard, c->user);

        if (u == NULL)
            return;
        PL_LIST_EACH(it, &u->sessions)
            cap++;
        all = cap != 0 ? malloc(cap * sizeof *all) : NULL;
        if (all == NULL)
            return;
        PL_LIST_EACH(it, &u->sessions)
            all[n++] = PL_OF(it, struct pl_sess, of_user)->handle;
    } else {
        PL_LIST_EACH(it, &room_of(shard)->all)
            cap++;
        all = cap != 0 ? malloc(cap * sizeof *all) : NULL;
        if (all == NULL)
            return;
        PL_LIST_EACH(it, &room_of(shard)->all) {
            struct pl_sess *s = PL_OF(it, struct pl_sess, all);

            if (c->any_user || is_anonymous(s))
                all[n++] = s->handle;
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct pl_sess *s = pl_sess_by_handle(shard, all[i]);

        if (s != NULL)
            apply(s, c);
    }
    free(all);
}

enum pl_err pl_control_start(struct pl_shard *s, struct pl_control *c)
{
    c->tour.visit = control_visit;
    return pl_tour_start(s, &c->tour);
}

/* ---- counts ---- */

static void count_user(struct pl_tnode *n, void *arg)
{
    struct pl_node_counts *c = arg;

    if (c->n_users == c->cap_users) {
        size_t cap = c->cap_users == 0 ? 64 : c->cap_users * 2;
        struct pl_str **v = realloc(c->users, cap * sizeof(struct pl_str *));

        if (v == NULL)
            return;
        c->users = v;
        c->cap_users = cap;
    }
    c->users[c->n_users++] = pl_str_ref(PL_OF(n, struct sess_user, node)->name);
}

static void counts_visit(struct pl_shard *s, struct pl_tour *t)
{
    struct pl_node_counts *c = PL_OF(t, struct pl_node_counts, tour);

    c->n_clients += room_of(s)->n_live;
    c->n_subs += pl_hub_n_subs(s);
    /* On one shard the numbers are distinct as they are; lists are needed only to merge several. */
    if (s->node->n_shards == 1) {
        c->n_distinct_users = (uint32_t)room_of(s)->users.n;
        c->n_distinct_channels = (uint32_t)pl_hub_n_channels(s);
        return;
    }
    pl_table_each(&room_of(s)->users, count_user, c);
    pl_hub_channels_here(s, &c->channels);
}

enum pl_err pl_node_counts_start(struct pl_shard *s, struct pl_node_counts *c)
{
    c->tour.visit = counts_visit;
    return pl_tour_start(s, &c->tour);
}

static int user_cmp(const void *a, const void *b)
{
    struct pl_slice x = pl_str_slice(*(struct pl_str *const *)a), y = pl_str_slice(*(struct pl_str *const *)b);
    size_t n = x.len < y.len ? x.len : y.len;
    int order = n != 0 ? memcmp(x.p, y.p, n) : 0;

    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

void pl_node_counts_merge(struct pl_node_counts *c)
{
    if (c->n_users != 0) {
        qsort(c->users, c->n_users, sizeof(struct pl_str *), user_cmp);
        for (size_t i = 0; i < c->n_users; i++)
            c->n_distinct_users += i == 0 || !pl_str_eq(c->users[i], c->users[i - 1]);
    }
    if (c->channels.n_items != 0) {
        pl_channel_list_merge(&c->channels);
        c->n_distinct_channels = (uint32_t)c->channels.n_items;
    }
}

void pl_node_counts_fini(struct pl_node_counts *c)
{
    for (size_t i = 0; i < c->n_users; i++)
        pl_str_unref(&c->users[i]);
    free(c->users);
    pl_channel_list_fini(&c->channels);
    c->users = NULL;
    c->n_users = c->cap_users = 0;
}
