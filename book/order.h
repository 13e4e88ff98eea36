/* book/order.h - resting orders: where they lie and how they stand in line.
 *
 * A resting order is a 32-byte node, two to a cache line, linked to its neighbours in the queue of its price. Nodes are
 * named by slots, 1 .. orders_max; slot 0 is nobody. A slot that was freed last is taken first: it is still in cache.
 * What matching does not need, the client's id, lies in an array of its own.
 *
 *   level  | head | tail |        order  | order id | quantity | next | prev | account | level, side, named |
 *             │      └────────────────────────────┐
 *             └──▶ oldest ◀──▶ ... ◀──▶ youngest ◀─┘
 *
 * Writer:   the owner of the book.
 */
#ifndef PIT_BOOK_ORDER_H
#define PIT_BOOK_ORDER_H

#include <stdint.h>

#include "ring/check.h"

struct pit_order {
    uint64_t order_id;
    uint64_t quantity; /* open lots, never 0 while it rests */
    uint32_t next;     /* younger neighbour; of a free node: the next free one */
    uint32_t prev;     /* older neighbour */
    uint32_t account;
    uint32_t place; /* level slot | ORDER_SELL | ORDER_NAMED */
};
_Static_assert(sizeof(struct pit_order) == 32, "two orders share a cache line");

#define ORDER_LEVEL 0x00ffffffu
#define ORDER_SELL 0x01000000u
#define ORDER_NAMED 0x02000000u /* it has a client id */
_Static_assert(PIT_LEVELS_MAX - 1 <= ORDER_LEVEL, "every level slot fits into a place");

struct pit_level {
    uint32_t head; /* oldest */
    uint32_t tail; /* youngest */
};

struct pit_order_pool {
    struct pit_order *order;
    uint64_t *client_id;
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
    uint32_t slot = pool->free;
    if (slot) {
        pool->free = pool->order[slot].next;
        return slot;
    }
    return ++pool->touched;
}

static inline void pit_order_release(struct pit_order_pool *pool, uint32_t slot)
{
    pool->order[slot].next = pool->free;
    pool->order[slot].quantity = 0;
    pool->free = slot;
    pool->count--;
}

static inline uint32_t pit_order_level(const struct pit_order *order)
{
    return order->place & ORDER_LEVEL;
}

static inline uint8_t pit_order_side(const struct pit_order *order)
{
    return order->place & ORDER_SELL ? PIT_SIDE_SELL : PIT_SIDE_BUY;
}

/* Puts an order at the end of a level's queue. */
static inline void pit_level_append(struct pit_level *level, struct pit_order *orders, uint32_t slot)
{
    struct pit_order *order = &orders[slot];
    order->next = 0;
    order->prev = level->tail;
    if (level->tail)
        orders[level->tail].next = slot;
    else
        level->head = slot;
    level->tail = slot;
}

/* Takes an order out of its level's queue, wherever it stands. Leaves head and tail 0 when it was the last. */
static inline void pit_level_unlink(struct pit_level *level, struct pit_order *orders, uint32_t slot)
{
    const struct pit_order *order = &orders[slot];
    if (order->prev)
        orders[order->prev].next = order->next;
    else
        level->head = order->next;
    if (order->next)
        orders[order->next].prev = order->prev;
    else
        level->tail = order->prev;
}

#endif
