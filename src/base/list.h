/* base/list.h - intrusive doubly linked list with a head that is a node. */
#ifndef PL_BASE_LIST_H
#define PL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct pl_list {
    struct pl_list *next, *prev;
};

#define PL_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define PL_LIST_EACH(it, head) for (struct pl_list *it = (head)->next; it != (head); it = it->next)
/* The current node may be removed in the body. */
#define PL_LIST_EACH_SAFE(it, head) \
    for (struct pl_list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

static inline void pl_list_init(struct pl_list *l) { l->next = l->prev = l; }
static inline bool pl_list_is_empty(const struct pl_list *l) { return l->next == l; }

static inline void pl_list_push_back(struct pl_list *head, struct pl_list *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

static inline void pl_list_push_front(struct pl_list *head, struct pl_list *n)
{
    pl_list_push_back(head->next, n);
}

/* Leaves n linked to itself, so a second removal is harmless. */
static inline void pl_list_remove(struct pl_list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    pl_list_init(n);
}

#endif
