/* book/order.h - resting orders: where they lie and how they stand in line.
 *
 * A resting order is one cache line, linked to its neighbours in the queue of its price. Orders are named by slots,
 * 1 .. orders_max; slot 0 is nobody's. A slot that was freed last is taken first: it is still in cache.
 *
 *   level  | head | tail |        order  | ids | price | quantity | account, side | next | prev | seats |
 *             │      └────────────────────────────┐
 *             └──▶ oldest ◀──▶ ... ◀──▶ youngest ◀─┘
 *
 * Writer:   the owner of the book.
 */
#ifndef PIT_BOOK_ORDER_H
#define PIT_BOOK_ORDER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "book/resting_order.h"
#include "ring/check.h"

/* The two ids an order is found by; each has a table of its own. */
enum pit_id_kind {
    PIT_BY_ORDER_ID = 0,
    PIT_BY_CLIENT_ID = 1,
};

struct pit_order {
    struct pit_resting_order is; /* quantity is never 0 */
    uint32_t next;               /* younger neighbour; of a free slot: the next free one */
    uint32_t prev;               /* older neighbour */
    uint32_t seat[2];            /* where the tables of its ids have it, by enum pit_id_kind (book/id_table.h) */
    uint64_t zero;
};
_Static_assert(sizeof(struct pit_order) == 64, "an order is one cache line");

struct pit_level {
    uint32_t head; /* oldest; 0: nobody stands here */
    uint32_t tail; /* youngest */
};

/* Two neighbouring words as one: a command is as fast as it stores little, for a core has one or two stores a cycle and
 * retires them in order. A load of either word is served from the pending store of both; never load both after storing
 * one. */
static inline void pit_words_put(uint32_t *words, uint32_t first, uint32_t second)
{
    const uint64_t both = first | (uint64_t)second << 32; /* little-endian, as report.h asserts */
    memcpy(words, &both, sizeof both);
}

struct pit_order_pool {
    struct pit_order *order;
    uint32_t count;
    uint32_t orders_max;
    uint32_t free;    /* the slot freed last, 0 = none; the list goes on in next */
    uint32_t touched; /* slots up to this one have been in use; the rest of the block is still untouched */
};

/* A free slot. At most orders_max may be in use. */
static inline uint32_t pit_order_claim(struct pit_order_pool *pool)
{
    PIT_HOT_CHECK(pool->count < pool->orders_max);
    pool->count++;
    const uint32_t slot = pool->free;
    if (__builtin_expect(slot != 0, 1)) {
        pool->free = pool->order[slot].next;
        return slot;
    }
    return ++pool->touched;
}

static inline void pit_order_release(struct pit_order_pool *pool, uint32_t slot)
{
    pool->order[slot].next = pool->free;
    pool->free = slot;
    pool->count--;
}

/* Puts an order at the end of a level's queue. Returns its older neighbour (0: it is alone): the caller writes its next
 * (0) and prev. Slot 0, which is no order's, takes what is written for a neighbour who is not there. */
static inline uint32_t pit_level_append(struct pit_level *level, struct pit_order *orders, uint32_t slot)
{
    const uint32_t head = level->head, tail = level->tail;
    orders[tail].next = slot;
    pit_words_put(&level->head, head ? head : slot, slot);
    return tail;
}

/* Takes an order with a neighbour out of its level's queue. Whether it is the first or the last is anybody's guess, and
 * not asked: slot 0, which is no order's, takes what is written for a neighbour who is not there. */
static inline void pit_level_unlink(struct pit_level *level, struct pit_order *orders, uint32_t slot)
{
    const uint32_t next = orders[slot].next, prev = orders[slot].prev, head = level->head, tail = level->tail;
    orders[prev].next = next;
    orders[next].prev = prev;
    pit_words_put(&level->head, prev ? head : next, next ? tail : prev);
}

#endif
