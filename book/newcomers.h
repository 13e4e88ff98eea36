/* book/newcomers.h - orders with a client id that came to rest a moment ago.
 *
 * Most orders leave soon after they came, and those that have a client id are mostly named by it. So the table of order
 * ids does without them at first. A newcomer's slot stands in a place that its order id names, until another comes
 * whose id names the same: then, if it still rests, the table of order ids takes it in.
 *
 *   place of the order id ──▶ slot ──▶ order: the same id, it rests, and it has no seat in the table
 *
 * Writer:   the owner of the book.
 * Progress: one look.
 */
#ifndef PIT_BOOK_NEWCOMERS_H
#define PIT_BOOK_NEWCOMERS_H

#include <stdbool.h>

#include "book/id_table.h"

#define PIT_NEWCOMERS_LOG2 8u
#define PIT_NEWCOMERS (1u << PIT_NEWCOMERS_LOG2)

struct pit_newcomers {
    uint32_t slot[PIT_NEWCOMERS]; /* 0: nobody; or an order that has gone since, and perhaps another in its slot */
};

/* Order ids are sequences: those of one book may have any distance, so they are mixed. */
static inline uint32_t pit_newcomer_place(uint64_t order_id)
{
    return (uint32_t)(order_id * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PIT_NEWCOMERS_LOG2));
}

/* The slot in an order id's place. */
static inline uint32_t *pit_newcomer_slot(struct pit_newcomers *newcomers, uint64_t order_id)
{
    return &newcomers->slot[pit_newcomer_place(order_id)];
}

/* Whether the order whose slot stands in a place is still the newcomer who was put there: whoever has that slot and
 * that place was put there last. Most often it has gone; one question finds that out, not three. */
static inline bool pit_newcomer_rests(const struct pit_order *order, uint32_t place)
{
    return ((pit_newcomer_place(order->is.order_id) ^ place) | (uint32_t)(order->is.quantity == 0) |
            ~order->seat[PIT_BY_ORDER_ID]) == 0;
}

/* The slot of the newcomer that rests under this id, or 0. */
static inline uint32_t pit_newcomers_find(const struct pit_newcomers *newcomers, const struct pit_order *orders,
                                          uint64_t order_id)
{
    const uint32_t slot = newcomers->slot[pit_newcomer_place(order_id)];
    return orders[slot].is.order_id == order_id && orders[slot].is.quantity != 0 ? slot : 0;
}

#endif
