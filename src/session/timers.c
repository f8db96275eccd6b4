/* A session's deadlines: stale, ping and pong, the presence tick, expiry. One timer holds the earliest. */
#include "base/check.h"
#include "session/room.h"

enum { LATE_MS = 500, RECHECK_MS = 3600 * 1000, FIRST_PING_MS = 5000 };

static uint64_t not_zero(uint64_t ms)
{
    return ms != 0 ? ms : 1;
}

void sess_timers_new(struct pl_sess *s)
{
    int64_t delay = cfg_of(s)->client.stale_close_delay_ms;

    s->ping_due = 0;
    s->tick_due = delay > 0 ? not_zero(s->shard->now_ms + (uint64_t)delay) : 0;
    sess_timer_set(s);
}

/* Between half and the whole of the interval, so that clients which came together do not stay together (wire-protocol.md 3.3). */
static uint64_t first_of(struct pl_sess *s, int64_t interval_ms)
{
    uint64_t half = (uint64_t)interval_ms / 2;

    return not_zero(s->shard->now_ms + half + sess_random(s->shard, (uint64_t)interval_ms - half + 1));
}

/* Golden-ratio steps around the interval: any number of clients, come together or one by one, lie evenly on it, without the clumps of
 * chance (Weyl sequence). Each shard begins at a random place. */
static uint64_t ping_phase(struct pl_shard *shard, uint64_t interval)
{
    struct sess_room *room = room_of(shard);

    room->ping_phase += 0x9e3779b97f4a7c15u;
    return (uint64_t)((unsigned __int128)room->ping_phase * interval >> 64);
}

void sess_timers_live(struct pl_sess *s)
{
    int64_t interval = cfg_of(s)->client.ping_interval_ms;

    s->tick_due = 0;
    s->ping_due = 0;
    if (interval > 0) {
        /* Spread over a whole interval, so that pings a second are even however the clients came, and begun early enough that no
         * client, which waits ping + 10 s for the first, gives up. */
        uint64_t lead = interval / 2 < FIRST_PING_MS ? (uint64_t)interval / 2 : FIRST_PING_MS;

        s->ping_due = s->shard->now_ms + lead + ping_phase(s->shard, (uint64_t)interval);
    }
    sess_tick_wanted(s);
}

void sess_tick_wanted(struct pl_sess *s)
{
    int64_t interval = cfg_of(s)->client.presence_update_interval_ms;
    bool wanted = false;

    if (s->state != PL_SESS_LIVE)
        return;
    for (const struct pl_sub *sub = s->subs; sub != NULL && !wanted; sub = sub->next)
        wanted = (sub->flags & PL_SUB_EXPIRES) != 0;
    if (!wanted || interval <= 0)
        s->tick_due = 0;
    else if (s->tick_due == 0)
        s->tick_due = first_of(s, interval);
    sess_timer_set(s);
}

static uint64_t expiry_due(const struct pl_sess *s)
{
    int64_t left = ((int64_t)s->expire_s * 1000 + cfg_of(s)->client.expired_close_delay_ms) - s->shard->wall_ms;

    if (left < 0)
        left = 0;
    /* The wall clock may be set meanwhile: look again now and then. */
    return s->shard->now_ms + (uint64_t)(left > RECHECK_MS ? RECHECK_MS : left);
}

void sess_timer_set(struct pl_sess *s)
{
    uint64_t due = s->tick_due;

    if (is_over(s))
        return;
    if (s->ping_due != 0 && (due == 0 || s->ping_due < due))
        due = s->ping_due;
    if ((s->flags & PL_SESS_EXPIRES) != 0 && s->state == PL_SESS_LIVE) {
        uint64_t at = expiry_due(s);

        if (due == 0 || at < due)
            due = at;
    }
    if (due == 0)
        pl_timer_stop(s->shard, &s->timer);
    else if (!pl_timer_is_on(&s->timer) || s->timer.due_ms != due)
        pl_timer_start(s->shard, &s->timer, due);
}

static void send_ping(struct pl_sess *s)
{
    const struct pl_config *cfg = cfg_of(s);
    int64_t timeout = cfg->client.pong_timeout_ms;

    if ((s->flags & PL_SESS_FRAME_PING) != 0) {
        s->pipe->ops->ping(s->pipe);
    } else {
        s->dialect->ping(s, sess_message(s));
        sess_send(s);
        if (!is_over(s) && is_uni(s) && s->pipe->ops->ping != NULL)
            s->pipe->ops->ping(s->pipe); /* the only kind it can answer */
    }
    if (is_over(s))
        return;
    if ((s->flags & PL_SESS_WANTS_PONG) != 0 && timeout > 0) {
        s->flags |= PL_SESS_PONG;
        s->ping_due = s->shard->now_ms + (uint64_t)timeout;
    } else {
        s->ping_due = s->shard->now_ms + (uint64_t)cfg->client.ping_interval_ms;
    }
}

static void pong_overdue(struct pl_sess *s)
{
    uint64_t late = s->shard->now_ms - s->ping_due;

    /* Nobody is timed out for our own lateness, nor while input waits for an operation of ours. */
    if (late > LATE_MS || (s->flags & PL_SESS_BUSY) != 0) {
        s->ping_due = s->shard->now_ms + (uint64_t)cfg_of(s)->client.pong_timeout_ms;
        return;
    }
    if ((s->flags & PL_SESS_FRAME_PING) != 0 || is_uni(s)) {
        struct pl_outcome drop = { PL_R_NONE, 0, NULL }; /* the connection is dropped without a close frame */

        pl_sess_end(s, &drop);
        return;
    }
    pl_sess_close(s, PL_R_NO_PONG);
}

static void tick(struct pl_sess *s)
{
    const struct pl_config *cfg = cfg_of(s);
    int64_t now = unix_now(s->shard), delay = cfg->client.expired_sub_close_delay_ms / 1000;
    struct pl_sub *sub = s->subs;

    s->tick_due = s->shard->now_ms + (uint64_t)cfg->client.presence_update_interval_ms;
    while (sub != NULL) {
        if ((sub->flags & PL_SUB_EXPIRES) == 0 || sub->state != PL_SUB_LIVE || now < (int64_t)sub->expire_s + delay) {
            sub = sub->next;
            continue;
        }
        sess_sub_end(s, sub, PL_R_SUB_EXPIRED);
        if (is_over(s))
            return;
        sub = s->subs; /* its leave may have ended others too */
    }
}

void pl_sess_pong(struct pl_sess *s)
{
    if ((s->flags & PL_SESS_PONG) == 0)
        return;
    s->flags &= (uint16_t)~PL_SESS_PONG;
    pl_metric_observe_ns_at(s->shard->cells, PL_M_PING_PONG_SECONDS, s->pipe->ops->metric,
                            (s->shard->now_ms - (s->ping_due - (uint64_t)cfg_of(s)->client.pong_timeout_ms)) * 1000000);
    /* Back to the rhythm of the pings. ping_due is when this pong would have been overdue. */
    s->ping_due = s->ping_due - (uint64_t)cfg_of(s)->client.pong_timeout_ms + (uint64_t)cfg_of(s)->client.ping_interval_ms;
    if (s->ping_due <= s->shard->now_ms)
        s->ping_due = s->shard->now_ms + 1;
    sess_timer_set(s);
}

void sess_timer_fire(struct pl_shard *shard, struct pl_timer *t)
{
    struct pl_sess *s = PL_OF(t, struct pl_sess, timer);
    uint64_t now = shard->now_ms;

    if (s->state == PL_SESS_DRAINING) { /* the peer did not take the rest in time */
        sess_out_drop(s, false);
        pl_sess_end(s, NULL);
        return;
    }
    if (s->state == PL_SESS_NEW || s->state == PL_SESS_CONNECTING || s->state == PL_SESS_REFUSED) {
        if (s->tick_due != 0 && s->tick_due <= now) {
            if (s->state == PL_SESS_REFUSED && is_on_websocket(s)) {
                struct pl_outcome drop = { PL_R_NONE, 0, NULL };

                pl_sess_end(s, &drop);
            } else {
                pl_sess_close(s, PL_R_STALE);
            }
            return;
        }
        sess_timer_set(s);
        return;
    }
    if (s->ping_due != 0 && s->ping_due <= now) {
        if ((s->flags & PL_SESS_PONG) != 0)
            pong_overdue(s);
        else
            send_ping(s);
    }
    if (!is_over(s) && (s->flags & PL_SESS_EXPIRES) != 0 && expiry_due(s) <= now) {
        struct pl_outcome why = because(PL_R_EXPIRED);

        pl_sess_end(s, &why);
    }
    if (!is_over(s) && s->tick_due != 0 && s->tick_due <= now)
        tick(s);
    if (!is_over(s))
        sess_timer_set(s);
}
