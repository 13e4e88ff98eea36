/* book/newcomers.h - orders that came to rest a moment ago, by one of their ids.
 *
 * Most orders leave soon after they came. So the table of an id (book/id_table.h), which grows with the book and is
 * soon too large for the nearest cache, does without them at first. A newcomer's slot stands in a place that its id
 * names, until it leaves, or another comes whose id names the same: then the table takes it in.
 *
 *   id ──▶ place ──▶ slot ──▶ order: is it this id's?
 *
 * Where orders stay, that is in vain. So when many of those who were followed still rested, the next ones go straight
 * into the table, and after a while it is tried again.
 *
 * Writer:   the owner of the book.
 * Progress: one look.
 */
#ifndef PIT_BOOK_NEWCOMERS_H
#define PIT_BOOK_NEWCOMERS_H

#include <stdbool.h>

#include "book/id_table.h"

#define PIT_NEWCOMERS_LOG2 9u
#define PIT_NEWCOMERS (1u << PIT_NEWCOMERS_LOG2)

/* A newcomer's seat: this and its place. */
#define PIT_ID_SEAT_NEWCOMER 0xc0000000u
/* The seat of an order without that id: in a place that no id names. */
#define PIT_ID_SEAT_NONE (PIT_ID_SEAT_NEWCOMER + PIT_NEWCOMERS)
_Static_assert(PIT_ORDERS_MAX * 8u + PIT_ID_SEAT_BEHIND <= PIT_ID_SEAT_NEWCOMER, "no seat in a table looks like one");

/* If 64 newcomers grow old (the table takes them in) while fewer than 256 orders come to rest, the next 16,384 go
 * straight into the table. */
#define PIT_NEWCOMERS_STAYED 64u
#define PIT_NEWCOMERS_WITHIN 256u
#define PIT_NEWCOMERS_STRAIGHT 16384u

struct pit_newcomers {
    uint32_t slot[PIT_NEWCOMERS + 1]; /* 0: nobody */
    uint32_t stayed;
    uint64_t straight_until; /* orders before this one, counted as they come to rest, go straight into the table */
    uint64_t since;          /* the order with which the counting of those who grow old began */
};

/* One more grew old. count: of the orders that came to rest. */
static inline void pit_newcomers_count_stayed(struct pit_newcomers *newcomers, uint64_t count)
{
    if (++newcomers->stayed < PIT_NEWCOMERS_STAYED)
        return;
    if (count - newcomers->since < PIT_NEWCOMERS_WITHIN)
        newcomers->straight_until = count + PIT_NEWCOMERS_STRAIGHT;
    newcomers->stayed = 0;
    newcomers->since = count;
}

/* The place of an order id. They are sequences: those of one book may have any distance, so they are mixed. */
static inline uint32_t pit_newcomer_place_of_order_id(uint64_t order_id)
{
    return (uint32_t)(order_id * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PIT_NEWCOMERS_LOG2));
}

/* The place of a client id: of its hash in the table. */
static inline uint32_t pit_newcomer_place_of_hash(uint32_t hash)
{
    return hash >> (32 - PIT_NEWCOMERS_LOG2);
}

static inline uint32_t pit_newcomer_seat(uint32_t place)
{
    return PIT_ID_SEAT_NEWCOMER | place;
}

/* True for a seat that is in the table. */
static inline bool pit_seat_in_table(uint32_t seat)
{
    return seat < PIT_ID_SEAT_NEWCOMER;
}

/* Puts an order into a place; its owner gives it the seat. Returns who was there, for the table to take in, or 0. */
static inline uint32_t pit_newcomers_join(struct pit_newcomers *newcomers, uint32_t place, uint32_t slot)
{
    const uint32_t before = newcomers->slot[place];
    newcomers->slot[place] = slot;
    return before;
}

/* Whoever has this seat leaves it. */
static inline void pit_newcomers_leave(struct pit_newcomers *newcomers, uint32_t seat)
{
    newcomers->slot[seat - PIT_ID_SEAT_NEWCOMER] = 0;
}

#endif
