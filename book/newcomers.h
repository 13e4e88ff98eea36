/* book/newcomers.h - orders with a client id that came to rest a moment ago.
 *
 * Most orders leave soon after they came, and those that have a client id are mostly named by it. So the table of order
 * ids does without them for a while: it takes them in when PIT_NEWCOMERS others have come after them, if they still
 * rest then; until then this list is looked through.
 *
 * Writer:   the owner of the book.
 * Progress: constant: at most PIT_NEWCOMERS steps to find one, and none but for an order id the table does not have.
 */
#ifndef PIT_BOOK_NEWCOMERS_H
#define PIT_BOOK_NEWCOMERS_H

#include "book/order.h"

#define PIT_NEWCOMERS 64u

struct pit_newcomers {
    uint64_t order_id[PIT_NEWCOMERS]; /* some of them gone */
    uint32_t slot[PIT_NEWCOMERS];
    uint32_t next; /* the oldest's place, and the next one's */
    uint32_t zero;
};

/* Puts an order into the list in place of the oldest, whose slot it returns: 0, or that of an order which may be gone,
 * and another in its slot. */
static inline uint32_t pit_newcomers_add(struct pit_newcomers *newcomers, uint64_t order_id, uint32_t slot)
{
    const uint32_t at = newcomers->next++ % PIT_NEWCOMERS;
    const uint32_t oldest = newcomers->slot[at];
    newcomers->order_id[at] = order_id;
    newcomers->slot[at] = slot;
    return oldest;
}

/* The slot of the order that rests under this id, or 0. */
static inline uint32_t pit_newcomers_find(const struct pit_newcomers *newcomers, const struct pit_order *orders,
                                          uint64_t order_id)
{
    for (uint32_t i = 0; i < PIT_NEWCOMERS; i++) {
        const uint32_t slot = newcomers->slot[i];
        if (newcomers->order_id[i] == order_id && orders[slot].order_id == order_id && orders[slot].quantity)
            return slot;
    }
    return 0;
}

#endif
