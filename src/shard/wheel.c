#include "shard/wheel.h"

#include "base/check.h"

enum { DUE_MAX_BITS = 8 * PL_WHEEL_LEVELS };

static void list_push(struct pl_timer *head, struct pl_timer *t)
{
    t->prev = head->prev;
    t->next = head;
    head->prev->next = t;
    head->prev = t;
}

static void list_splice(struct pl_timer *head, struct pl_timer *from)
{
    if (from->next == from)
        return;
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    from->next = from->prev = from;
}

void pl_wheel_init(struct pl_wheel *w, uint64_t now_ms)
{
    memset(w->bits, 0, sizeof w->bits);
    w->now_ms = now_ms;
    w->late.next = w->late.prev = &w->late;
    for (int level = 0; level < PL_WHEEL_LEVELS; level++)
        for (int i = 0; i < PL_WHEEL_SLOTS; i++)
            w->slots[level][i].next = w->slots[level][i].prev = &w->slots[level][i];
}

static void place(struct pl_wheel *w, struct pl_timer *t)
{
    unsigned level, slot;

    if (t->due_ms <= w->now_ms) {
        list_push(&w->late, t);
        return;
    }
    level = (63u - (unsigned)__builtin_clzll(t->due_ms ^ w->now_ms)) / 8;
    slot = (unsigned)(t->due_ms >> (8 * level)) & (PL_WHEEL_SLOTS - 1);
    w->bits[level][slot / 64] |= 1ull << slot % 64;
    list_push(&w->slots[level][slot], t);
}

void pl_wheel_start(struct pl_wheel *w, struct pl_timer *t, uint64_t due_ms)
{
    pl_wheel_stop(t);
    t->due_ms = due_ms < (1ull << DUE_MAX_BITS) ? due_ms : (1ull << DUE_MAX_BITS) - 1;
    place(w, t);
}

void pl_wheel_stop(struct pl_timer *t)
{
    if (t->next == NULL)
        return;
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->next = t->prev = NULL;
}

/* The first occupied slot of the lowest level that has one: nothing else comes earlier. */
static bool first_slot(struct pl_wheel *w, unsigned *ret_level, unsigned *ret_slot)
{
    for (unsigned level = 0; level < PL_WHEEL_LEVELS; level++) {
        for (unsigned word = 0; word < PL_WHEEL_SLOTS / 64; word++) {
            while (w->bits[level][word] != 0) {
                unsigned slot = word * 64 + (unsigned)__builtin_ctzll(w->bits[level][word]);

                if (w->slots[level][slot].next != &w->slots[level][slot]) {
                    *ret_level = level;
                    *ret_slot = slot;
                    return true;
                }
                w->bits[level][word] &= w->bits[level][word] - 1; /* its timers were stopped */
            }
        }
    }
    return false;
}

static uint64_t slot_time(const struct pl_wheel *w, unsigned level, unsigned slot)
{
    uint64_t above = level + 1 == PL_WHEEL_LEVELS ? 0 : w->now_ms >> (8 * (level + 1)) << (8 * (level + 1));

    return above | (uint64_t)slot << (8 * level);
}

uint64_t pl_wheel_next(struct pl_wheel *w)
{
    unsigned level, slot;

    if (w->late.next != &w->late)
        return w->now_ms;
    return first_slot(w, &level, &slot) ? slot_time(w, level, slot) : UINT64_MAX;
}

size_t pl_wheel_advance(struct pl_wheel *w, struct pl_shard *s, uint64_t now_ms)
{
    struct pl_timer due, moving;
    unsigned level, slot;
    size_t n = 0;

    due.next = due.prev = &due;
    moving.next = moving.prev = &moving;
    list_splice(&due, &w->late);
    while (first_slot(w, &level, &slot)) {
        uint64_t at = slot_time(w, level, slot);

        if (at > now_ms)
            break;
        PL_DEBUG_ASSERT(at >= w->now_ms);
        w->now_ms = at;
        w->bits[level][slot / 64] &= ~(1ull << slot % 64);
        if (level == 0) {
            list_splice(&due, &w->slots[0][slot]);
            continue;
        }
        list_splice(&moving, &w->slots[level][slot]);
        while (moving.next != &moving) {
            struct pl_timer *t = moving.next;

            pl_wheel_stop(t);
            place(w, t);
        }
        list_splice(&due, &w->late); /* due at the very first millisecond of the slot */
    }
    if (now_ms > w->now_ms)
        w->now_ms = now_ms;

    while (due.next != &due) {
        struct pl_timer *t = due.next;

        pl_wheel_stop(t);
        n++;
        t->fire(s, t);
    }
    return n;
}
