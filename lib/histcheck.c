#include "lib/histcheck.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "lib/histlog.h"
#include "lib/histtab.h"

/* A frame that was written to a connection shortly before it broke is lost with it, and that is not the server's doing. */
enum { IN_FLIGHT_US = 1000000 };

struct pub {
    uint64_t id, offset, t_pub_us, t_ack_us; /* t_ack_us 0: no answer seen */
    uint32_t chan, epoch;
    uint32_t ordinal; /* within its channel, in the order of the files */
    bool is_seen;     /* by anybody */
};

struct chan {
    uint32_t n_pubs, first; /* its publications: by_chan[first .. first + n_pubs) */
    bool has_subs;
};

/* Offsets from..to of one epoch: missing so far (holes), or announced as missing (told). */
struct range {
    uint64_t from, to;
    uint32_t epoch;
};

struct span {
    uint64_t from_us, to_us;
};

struct order {
    uint32_t publisher, last;
};

struct sub {
    uint32_t chan, start_epoch, epoch, number;
    uint64_t start_offset, next, start_us, end_us, lost_us;
    bool is_started, is_positioned;
    uint8_t *got; /* one bit per ordinal; grows as far as something was delivered */
    size_t got_bytes;
    struct range *holes, *told;
    size_t n_holes, n_told;
    struct span *away;
    size_t n_away;
    struct order *orders;
    size_t n_orders;
};

struct checker {
    struct pl_hist_counts *n;
    struct pl_buf *stories;
    size_t n_stories;
    struct pub *pubs;
    size_t n_pubs, cap_pubs;
    struct pl_histtab by_id, by_position, by_name;
    uint8_t **names; /* length (4 bytes) and text; index is the global name */
    size_t n_names;
    struct chan *chans; /* by global name */
    uint32_t *by_chan;
    uint32_t *locals; /* the current file's name numbers -> global */
    size_t n_locals;
    struct sub *subs; /* the current file's */
    size_t n_subs;
};

static const struct pl_hash_key check_key = { 0x7065616c, 0x68697374 };

uint64_t pl_hist_violations(const struct pl_hist_counts *c)
{
    return c->lost_acked + c->duplicated + c->reordered + c->phantom + c->leaked + c->silent_gaps + c->misplaced;
}

static uint64_t position_hash(uint32_t chan, uint32_t epoch, uint64_t offset)
{
    return pl_hist_mix(pl_hist_mix((uint64_t)chan << 32 | epoch) ^ offset);
}

static uint64_t rehash_id(const void *checker, uint32_t i)
{
    const struct checker *k = checker;

    return pl_hist_mix(k->pubs[i].id);
}

static uint64_t rehash_position(const void *checker, uint32_t i)
{
    const struct checker *k = checker;

    return position_hash(k->pubs[i].chan, k->pubs[i].epoch, k->pubs[i].offset);
}

static struct pl_slice name_text(const struct checker *k, uint32_t name)
{
    uint32_t len;

    memcpy(&len, k->names[name], sizeof len);
    return pl_slice(k->names[name] + sizeof len, len);
}

static uint64_t rehash_name(const void *checker, uint32_t i)
{
    const struct checker *k = checker;

    return pl_hash(check_key, name_text(k, i));
}

static struct pub *pub_find(const struct checker *k, uint64_t id)
{
    uint64_t at = pl_hist_mix(id);

    if (k->by_id.n_slots == 0)
        return NULL;
    for (;;) {
        uint32_t *slot = pl_histtab_probe(&k->by_id, &at);

        if (*slot == 0)
            return NULL;
        if (k->pubs[*slot - 1].id == id)
            return &k->pubs[*slot - 1];
    }
}

static struct pub *pub_at(const struct checker *k, uint32_t chan, uint32_t epoch, uint64_t offset)
{
    uint64_t at = position_hash(chan, epoch, offset);

    if (k->by_position.n_slots == 0)
        return NULL;
    for (;;) {
        uint32_t *slot = pl_histtab_probe(&k->by_position, &at);
        struct pub *p;

        if (*slot == 0)
            return NULL;
        p = &k->pubs[*slot - 1];
        if (p->offset == offset && p->chan == chan && p->epoch == epoch)
            return p;
    }
}

__attribute__((format(printf, 3, 4)))
static void violation(struct checker *k, uint64_t *count, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    (*count)++;
    if (k->n_stories++ >= PL_HIST_STORIES)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap); /* a longer one is cut */
    va_end(ap);
    pl_buf_printf(k->stories, "%s\n", line);
}

/* ---- names ---- */

static enum pl_err name_intern(struct checker *k, struct pl_slice text, uint32_t *ret)
{
    uint64_t at;
    uint32_t *slot, len = (uint32_t)text.len;
    uint8_t *copy;
    enum pl_err err = pl_histtab_reserve(&k->by_name, rehash_name, k);

    if (err != PL_OK)
        return err;
    at = pl_hash(check_key, text);
    while (*(slot = pl_histtab_probe(&k->by_name, &at)) != 0)
        if (pl_slice_eq(name_text(k, *slot - 1), text)) {
            *ret = *slot - 1;
            return PL_OK;
        }
    copy = malloc(sizeof len + text.len);
    if (copy == NULL)
        return PL_ENOMEM;
    memcpy(copy, &len, sizeof len);
    if (len > 0)
        memcpy(copy + sizeof len, text.p, len);
    if ((err = pl_hist_grow(&k->names, k->n_names, sizeof *k->names)) != PL_OK
        || (err = pl_hist_grow(&k->chans, k->n_names, sizeof *k->chans)) != PL_OK) {
        free(copy);
        return err;
    }
    k->chans[k->n_names] = (struct chan){ 0 };
    k->names[k->n_names++] = copy;
    k->by_name.n_used++;
    *slot = (uint32_t)k->n_names;
    *ret = (uint32_t)(k->n_names - 1);
    return PL_OK;
}

static enum pl_err name_declare(struct checker *k, const struct pl_hist_record *r)
{
    enum pl_err err;

    if (r->a != k->n_locals)
        return PL_EPROTO;
    if ((err = pl_hist_grow(&k->locals, k->n_locals, sizeof *k->locals)) != PL_OK)
        return err;
    return name_intern(k, r->text, &k->locals[k->n_locals++]);
}

/* A file begins: name 0 is "none", the global name 0. */
static enum pl_err names_restart(struct checker *k)
{
    k->n_locals = 0;
    return name_declare(k, &(struct pl_hist_record){ .a = 0 });
}

/* ---- first pass ---- */

static enum pl_err pub_add(struct checker *k, const struct pl_hist_record *r)
{
    uint64_t at;
    uint32_t *slot, chan;
    enum pl_err err;

    if (r->a == 0 || r->a >= k->n_locals || k->n_pubs >= UINT32_MAX - 1)
        return PL_EPROTO;
    if (pub_find(k, r->b) != NULL) /* a retry under the same id is one publication */
        return PL_OK;
    if ((err = pl_histtab_reserve(&k->by_id, rehash_id, k)) != PL_OK
        || (err = pl_hist_grow(&k->pubs, k->n_pubs, sizeof *k->pubs)) != PL_OK)
        return err;
    chan = k->locals[r->a];
    k->pubs[k->n_pubs] = (struct pub){ .id = r->b, .t_pub_us = r->t_us, .chan = chan,
                                       .ordinal = k->chans[chan].n_pubs++ };
    at = pl_hist_mix(r->b);
    do
        slot = pl_histtab_probe(&k->by_id, &at);
    while (*slot != 0);
    *slot = (uint32_t)++k->n_pubs;
    k->by_id.n_used++;
    k->n->n_published++;
    return PL_OK;
}

static enum pl_err pub_ack(struct checker *k, const struct pl_hist_record *r)
{
    struct pub *p = pub_find(k, r->b), *other;
    uint64_t at;
    uint32_t *slot;
    enum pl_err err;

    if (r->epoch >= k->n_locals)
        return PL_EPROTO;
    if (p == NULL) {
        violation(k, &k->n->phantom, "phantom: id %016" PRIx64 " acknowledged, never published", r->b);
        return PL_OK;
    }
    if (p->t_ack_us != 0) /* the answer to a retry repeats the first */
        return PL_OK;
    p->t_ack_us = r->t_us != 0 ? r->t_us : 1;
    p->offset = r->c;
    p->epoch = k->locals[r->epoch];
    k->n->n_acked++;
    if (p->offset == 0)
        return PL_OK;
    other = pub_at(k, p->chan, p->epoch, p->offset);
    if (other != NULL) {
        violation(k, &k->n->misplaced, "misplaced: offset %" PRIu64 " of %.*s given to id %016" PRIx64 " and to %016" PRIx64,
                  p->offset, PL_FMT(name_text(k, p->chan)), other->id, p->id);
        return PL_OK;
    }
    if ((err = pl_histtab_reserve(&k->by_position, rehash_position, k)) != PL_OK)
        return err;
    at = position_hash(p->chan, p->epoch, p->offset);
    do
        slot = pl_histtab_probe(&k->by_position, &at);
    while (*slot != 0);
    *slot = (uint32_t)(p - k->pubs) + 1;
    k->by_position.n_used++;
    return PL_OK;
}

static enum pl_err first_pass(struct checker *k, const struct pl_hist_record *r)
{
    switch (r->kind) {
    case PL_HIST_NAME:
        return name_declare(k, r);
    case PL_HIST_PUBLISH:
        return pub_add(k, r);
    case PL_HIST_ACK:
        return pub_ack(k, r);
    case PL_HIST_SUB:
    case PL_HIST_DELIVER:
    case PL_HIST_GAP:
    case PL_HIST_STATE:
    case PL_HIST_KIND_COUNT:
        return PL_OK;
    }
    PL_UNREACHABLE();
}

/* Groups the publications by channel, each group in the order of the ordinals. */
static enum pl_err group(struct checker *k)
{
    uint32_t first = 0;

    for (size_t i = 0; i < k->n_names; i++) {
        k->chans[i].first = first;
        first += k->chans[i].n_pubs;
    }
    k->by_chan = malloc((k->n_pubs + 1) * sizeof *k->by_chan);
    if (k->by_chan == NULL)
        return PL_ENOMEM;
    for (size_t i = 0; i < k->n_pubs; i++)
        k->by_chan[k->chans[k->pubs[i].chan].first + k->pubs[i].ordinal] = (uint32_t)i;
    return PL_OK;
}

/* ---- second pass ---- */

static enum pl_err sub_declare(struct checker *k, const struct pl_hist_record *r)
{
    enum pl_err err;

    if (r->a != k->n_subs + 1 || r->b == 0 || r->b >= k->n_locals)
        return PL_EPROTO;
    if ((err = pl_hist_grow(&k->subs, k->n_subs, sizeof *k->subs)) != PL_OK)
        return err;
    k->subs[k->n_subs++] = (struct sub){ .chan = k->locals[r->b], .number = r->a };
    k->chans[k->locals[r->b]].has_subs = true;
    k->n->n_subs++;
    return PL_OK;
}

static struct sub *sub_find(struct checker *k, const struct pl_hist_record *r)
{
    return r->a == 0 || r->a > k->n_subs || r->epoch >= k->n_locals ? NULL : &k->subs[r->a - 1];
}

static enum pl_err range_add(struct range **ranges, size_t *n, struct range r)
{
    enum pl_err err = pl_hist_grow(ranges, *n, sizeof **ranges);

    if (err == PL_OK)
        (*ranges)[(*n)++] = r;
    return err;
}

/* Takes one offset out of the holes: it came late. */
static enum pl_err hole_repair(struct sub *s, uint32_t epoch, uint64_t offset)
{
    for (size_t i = 0; i < s->n_holes; i++) {
        struct range *h = &s->holes[i];
        uint64_t to = h->to;

        if (h->epoch != epoch || offset < h->from || offset > h->to)
            continue;
        if (offset == h->from) {
            if (h->from++ == h->to)
                *h = s->holes[--s->n_holes];
            return PL_OK;
        }
        h->to = offset - 1;
        return offset == to ? PL_OK : range_add(&s->holes, &s->n_holes, (struct range){ offset + 1, to, epoch });
    }
    return PL_OK;
}

/* Marks the ordinal; *ret_was tells if it was marked already. */
static enum pl_err got_mark(struct sub *s, uint32_t ordinal, bool *ret_was)
{
    size_t at = ordinal / 8, n = s->got_bytes != 0 ? s->got_bytes : 16;
    uint8_t bit = (uint8_t)(1u << ordinal % 8), *wider;

    if (at >= s->got_bytes) {
        while (n <= at)
            n *= 2;
        wider = realloc(s->got, n);
        if (wider == NULL)
            return PL_ENOMEM;
        memset(wider + s->got_bytes, 0, n - s->got_bytes);
        s->got = wider;
        s->got_bytes = n;
    }
    *ret_was = (s->got[at] & bit) != 0;
    s->got[at] |= bit;
    return PL_OK;
}

/* Without positions: what one publisher sends into one channel arrives in its order. */
static enum pl_err order_check(struct checker *k, struct sub *s, const struct pub *p)
{
    uint32_t publisher = (uint32_t)(p->id >> 32), count = (uint32_t)p->id;
    enum pl_err err;

    for (size_t i = 0; i < s->n_orders; i++) {
        if (s->orders[i].publisher != publisher)
            continue;
        if (count < s->orders[i].last)
            violation(k, &k->n->reordered, "reordered: subscription %u of %.*s got id %016" PRIx64 " after ...%08x",
                      s->number, PL_FMT(name_text(k, s->chan)), p->id, s->orders[i].last);
        else
            s->orders[i].last = count;
        return PL_OK;
    }
    if ((err = pl_hist_grow(&s->orders, s->n_orders, sizeof *s->orders)) == PL_OK)
        s->orders[s->n_orders++] = (struct order){ publisher, count };
    return err;
}

static enum pl_err position_check(struct checker *k, struct sub *s, const struct pub *p, uint32_t epoch, uint64_t offset)
{
    uint64_t from = s->next;

    if (p->t_ack_us != 0 && (p->offset != offset || p->epoch != epoch))
        violation(k, &k->n->misplaced, "misplaced: id %016" PRIx64 " delivered at offset %" PRIu64 ", acknowledged at %" PRIu64,
                  p->id, offset, p->offset);
    if (epoch != s->epoch) {
        violation(k, &k->n->silent_gaps, "silent gap: subscription %u of %.*s went to another epoch without notice",
                  s->number, PL_FMT(name_text(k, s->chan)));
        s->epoch = epoch;
        s->next = offset + 1;
        return PL_OK;
    }
    if (offset < from) {
        violation(k, &k->n->reordered, "reordered: subscription %u of %.*s got offset %" PRIu64 " after %" PRIu64,
                  s->number, PL_FMT(name_text(k, s->chan)), offset, from - 1);
        return hole_repair(s, epoch, offset);
    }
    s->next = offset + 1;
    return offset == from ? PL_OK : range_add(&s->holes, &s->n_holes, (struct range){ from, offset - 1, epoch });
}

static enum pl_err deliver(struct checker *k, struct sub *s, const struct pl_hist_record *r)
{
    struct pub *p = pub_find(k, r->b);
    bool was;
    enum pl_err err;

    k->n->n_delivered++;
    if (p == NULL) {
        violation(k, &k->n->phantom, "phantom: subscription %u of %.*s got id %016" PRIx64 ", never published", s->number,
                  PL_FMT(name_text(k, s->chan)), r->b);
        return PL_OK;
    }
    if (p->chan != s->chan) {
        violation(k, &k->n->leaked, "leak: subscription %u of %.*s got id %016" PRIx64 ", published to %.*s", s->number,
                  PL_FMT(name_text(k, s->chan)), r->b, PL_FMT(name_text(k, p->chan)));
        return PL_OK;
    }
    p->is_seen = true;
    if ((err = got_mark(s, p->ordinal, &was)) != PL_OK)
        return err;
    if (was && !PL_SABOTAGE(histcheck_duplicates)) {
        violation(k, &k->n->duplicated, "duplicate: subscription %u of %.*s got id %016" PRIx64 " again", s->number,
                  PL_FMT(name_text(k, s->chan)), r->b);
        return PL_OK;
    }
    return r->c != 0 && s->is_positioned ? position_check(k, s, p, k->locals[r->epoch], r->c) : order_check(k, s, p);
}

static enum pl_err notice(struct checker *k, struct sub *s, const struct pl_hist_record *r)
{
    uint32_t epoch = k->locals[r->epoch];
    const struct pub *first = pub_at(k, s->chan, s->epoch, r->b);
    enum pl_err err;
    uint64_t late;

    if (first == NULL && epoch != s->epoch) /* nothing of the old epoch is missing, or nobody knows it */
        first = pub_at(k, s->chan, epoch, 1);
    if (first != NULL && r->t_us > first->t_pub_us) {
        late = r->t_us - first->t_pub_us;
        k->n->notice_us_sum += late;
        k->n->notice_us_max = late > k->n->notice_us_max ? late : k->n->notice_us_max;
    }
    k->n->n_notices++;
    err = range_add(&s->told, &s->n_told, (struct range){ r->b, epoch == s->epoch ? r->c : UINT64_MAX, s->epoch });
    if (err == PL_OK && epoch != s->epoch)
        err = range_add(&s->told, &s->n_told, (struct range){ 1, r->c, epoch });
    s->epoch = epoch;
    s->next = r->c + 1;
    return err;
}

static enum pl_err state(struct checker *k, struct sub *s, const struct pl_hist_record *r)
{
    enum pl_err err;
    uint64_t away;

    switch ((enum pl_hist_state)r->b) {
    case PL_HIST_SUBSCRIBED:
        if (!s->is_started) {
            s->is_started = true;
            s->is_positioned = r->epoch != 0;
            s->start_us = r->t_us;
            s->start_epoch = s->epoch = k->locals[r->epoch];
            s->start_offset = r->c;
            s->next = r->c + 1;
        } else if (s->lost_us != 0) {
            away = r->t_us - s->lost_us;
            k->n->away_us_sum += away;
            k->n->away_us_max = away > k->n->away_us_max ? away : k->n->away_us_max;
            if ((err = pl_hist_grow(&s->away, s->n_away, sizeof *s->away)) != PL_OK)
                return err;
            s->away[s->n_away++] = (struct span){ s->lost_us, r->t_us };
        }
        s->lost_us = 0;
        return PL_OK;
    case PL_HIST_LOST:
        if (s->lost_us == 0)
            s->lost_us = r->t_us;
        return PL_OK;
    case PL_HIST_ENDED:
        s->end_us = r->t_us;
        return PL_OK;
    }
    return PL_EPROTO;
}

static enum pl_err second_pass(struct checker *k, const struct pl_hist_record *r)
{
    struct sub *s;

    switch (r->kind) {
    case PL_HIST_NAME:
        return name_declare(k, r);
    case PL_HIST_SUB:
        return sub_declare(k, r);
    case PL_HIST_DELIVER:
        return (s = sub_find(k, r)) != NULL ? deliver(k, s, r) : PL_EPROTO;
    case PL_HIST_GAP:
        return (s = sub_find(k, r)) != NULL ? notice(k, s, r) : PL_EPROTO;
    case PL_HIST_STATE:
        return (s = sub_find(k, r)) != NULL ? state(k, s, r) : PL_EPROTO;
    case PL_HIST_PUBLISH:
    case PL_HIST_ACK:
    case PL_HIST_KIND_COUNT:
        return PL_OK;
    }
    PL_UNREACHABLE();
}

/* ---- what each subscription was owed ---- */

/* The notice that covers this offset, or NULL. */
static const struct range *told_at(const struct sub *s, uint32_t epoch, uint64_t offset)
{
    for (size_t i = 0; i < s->n_told; i++)
        if (s->told[i].epoch == epoch && offset >= s->told[i].from && offset <= s->told[i].to)
            return &s->told[i];
    return NULL;
}

static bool was_away(const struct sub *s, const struct pub *p)
{
    if (s->lost_us != 0 && p->t_ack_us + IN_FLIGHT_US >= s->lost_us) /* and never came back */
        return true;
    for (size_t i = 0; i < s->n_away; i++)
        if (p->t_ack_us + IN_FLIGHT_US >= s->away[i].from_us && p->t_pub_us <= s->away[i].to_us)
            return true;
    return false;
}

static void owed(struct checker *k, const struct sub *s, const struct pub *p)
{
    bool has_position = s->is_positioned && p->offset != 0;

    if (p->t_ack_us == 0 || p->t_ack_us < s->start_us || (s->end_us != 0 && p->t_ack_us > s->end_us))
        return;
    if (has_position ? p->epoch == s->start_epoch && p->offset <= s->start_offset : p->t_pub_us < s->start_us)
        return;
    if (has_position && told_at(s, p->epoch, p->offset) != NULL)
        k->n->told_missing++;
    else if (!has_position && was_away(s, p))
        k->n->missed_away++;
    else if (has_position && s->lost_us != 0) /* away to the end: it may still ask */
        k->n->missed_away++;
    else
        violation(k, &k->n->lost_acked, "lost: subscription %u of %.*s never got id %016" PRIx64 " (offset %" PRIu64 ")",
                  s->number, PL_FMT(name_text(k, s->chan)), p->id, p->offset);
}

static void sub_end(struct checker *k, struct sub *s)
{
    const struct chan *c = &k->chans[s->chan];

    if (s->is_started)
        for (uint32_t i = 0; i < c->n_pubs; i++)
            if (i / 8 >= s->got_bytes || (s->got[i / 8] & 1u << i % 8) == 0)
                owed(k, s, &k->pubs[k->by_chan[c->first + i]]);
    for (size_t i = 0; i < s->n_holes; i++) {
        const struct range *h = &s->holes[i];
        const struct range *told;
        uint64_t at = h->from;

        while (at <= h->to && (told = told_at(s, h->epoch, at)) != NULL && told->to != UINT64_MAX)
            at = told->to + 1;
        if (at <= h->to && told_at(s, h->epoch, at) != NULL)
            continue;
        if (at <= h->to)
            violation(k, &k->n->silent_gaps, "silent gap: subscription %u of %.*s, offsets %" PRIu64 "-%" PRIu64, s->number,
                      PL_FMT(name_text(k, s->chan)), at, h->to);
    }
    free(s->got);
    free(s->holes);
    free(s->told);
    free(s->away);
    free(s->orders);
}

/* ---- files ---- */

static enum pl_err file_pass(struct checker *k, const char *path,
                             enum pl_err (*each)(struct checker *, const struct pl_hist_record *), bool *ret_is_cut)
{
    struct pl_hist_reader *r = malloc(sizeof *r);
    struct pl_hist_record rec;
    enum pl_err err;

    if (r == NULL)
        return PL_ENOMEM;
    err = pl_hist_open(path, r);
    if (err != PL_OK) {
        pl_buf_printf(k->stories, "%s: %s\n", path, err == PL_EPROTO ? "not a history log" :
                      err == PL_EUNSUP ? "written by a later version" : strerror(errno));
        free(r);
        return err;
    }
    err = names_restart(k);
    while (err == PL_OK && (err = pl_hist_read(r, &rec)) == PL_OK)
        err = each(k, &rec);
    if (err != PL_OK && err != PL_ECLOSED)
        pl_buf_printf(k->stories, "%s: record %" PRIu64 ": %s\n", path, r->n_records, pl_err_text(err));
    k->n->n_records += r->n_records;
    *ret_is_cut = r->is_cut;
    pl_hist_reader_close(r);
    free(r);
    return err == PL_ECLOSED ? PL_OK : err;
}

enum pl_err pl_hist_check(const char *const *paths, size_t n_paths, struct pl_hist_counts *ret, struct pl_buf *stories)
{
    struct checker k = { .n = ret, .stories = stories };
    enum pl_err err = PL_OK;
    bool is_cut;

    *ret = (struct pl_hist_counts){ .n_files = n_paths };
    for (size_t i = 0; i < n_paths && err == PL_OK; i++)
        err = file_pass(&k, paths[i], first_pass, &is_cut);
    ret->n_records = 0; /* the second pass counts them again */
    if (err == PL_OK)
        err = group(&k);
    for (size_t i = 0; i < n_paths && err == PL_OK; i++) {
        k.n_subs = 0;
        err = file_pass(&k, paths[i], second_pass, &is_cut);
        ret->n_cut_files += err == PL_OK && is_cut;
        for (size_t j = 0; j < k.n_subs; j++)
            sub_end(&k, &k.subs[j]);
    }
    for (size_t i = 0; i < k.n_pubs && err == PL_OK; i++)
        ret->lost_unacked += k.pubs[i].t_ack_us == 0 && !k.pubs[i].is_seen && k.chans[k.pubs[i].chan].has_subs;
    for (size_t i = 0; i < k.n_names; i++)
        free(k.names[i]);
    free(k.names);
    free(k.chans);
    free(k.by_chan);
    free(k.locals);
    free(k.subs);
    free(k.pubs);
    free(k.by_id.slots);
    free(k.by_position.slots);
    free(k.by_name.slots);
    return err;
}
