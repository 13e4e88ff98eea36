/* book/rest.h - orders come to rest, move, and leave. For book.c only. */
#ifndef PIT_BOOK_REST_H
#define PIT_BOOK_REST_H

#include "book/state.h"

/* Puts an order that has its price and quantity at the end of the queue there. */
static inline void enter_queue(struct pit_book *book, uint32_t slot)
{
    const struct pit_order *order = &book->pool.order[slot];
    const int64_t rank = pit_rank(order->side, order->price);
    int64_t *best = &book->best[order->side];
    *best = rank > *best ? rank : *best;
    pit_level_append(pit_ladder_take(&book->ladder[order->side], rank, *best), book->pool.order, slot);
}

/* Takes an order out of its queue. If nobody is left there, the price goes out of use; if it was the best, the next one
 * becomes it. */
static inline void leave_queue(struct pit_book *book, uint32_t slot)
{
    const struct pit_order *order = &book->pool.order[slot];
    const int64_t rank = pit_rank(order->side, order->price);
    struct pit_ladder *ladder = &book->ladder[order->side];
    struct pit_level *level = pit_ladder_level(ladder, rank);
    pit_level_unlink(level, book->pool.order, slot);
    if (level->head)
        return;
    pit_ladder_drop(ladder, rank);
    if (rank == book->best[order->side])
        book->best[order->side] = pit_ladder_below(ladder, rank);
}

/* Enters an order that is no newcomer any more into the table of order ids, if it rests and is not in it. */
static inline void let_old_one_in(struct pit_book *book, uint32_t slot)
{
    struct pit_order *order = &book->pool.order[slot];
    if (order->quantity && order->seat[PIT_BY_ORDER_ID] == PIT_ID_SEAT_NONE)
        pit_id_table_insert(&book->by_order_id, pit_id_hash(&book->by_order_id, order->order_id, 0), slot,
                            &order->seat[PIT_BY_ORDER_ID]);
}

/* Lets an order rest, behind everybody at its price. There must be room for it. client_hash: see pit_admit_new. */
static inline __attribute__((always_inline)) void
pit_book_rest(struct pit_book *book, const struct pit_resting_order *resting, uint32_t client_hash)
{
    const uint32_t slot = pit_order_claim(&book->pool);
    struct pit_order *order = &book->pool.order[slot];
    order->order_id = resting->order_id;
    order->client_id = resting->client_id;
    order->price = resting->price;
    order->quantity = resting->quantity;
    order->account = resting->account;
    order->side = resting->side;
    if (__builtin_expect(resting->order_id > book->newest, 1))
        book->newest = resting->order_id;
    if (resting->client_id) {
        pit_id_table_insert(&book->by_client_id, client_hash, slot, &order->seat[PIT_BY_CLIENT_ID]);
        order->seat[PIT_BY_ORDER_ID] = PIT_ID_SEAT_NONE;
        let_old_one_in(book, pit_newcomers_add(&book->newcomers, resting->order_id, slot));
    } else {
        pit_id_table_insert(&book->by_order_id, pit_id_hash(&book->by_order_id, resting->order_id, 0), slot,
                            &order->seat[PIT_BY_ORDER_ID]);
    }
    enter_queue(book, slot);
}

/* Takes a resting order out, with everything that leads to it. */
static inline __attribute__((always_inline)) void pit_book_remove(struct pit_book *book, uint32_t slot)
{
    leave_queue(book, slot);
    const struct pit_order *order = &book->pool.order[slot];
    if (order->seat[PIT_BY_ORDER_ID] != PIT_ID_SEAT_NONE)
        pit_id_table_remove(&book->by_order_id, slot, order->seat[PIT_BY_ORDER_ID]);
    if (order->client_id)
        pit_id_table_remove(&book->by_client_id, slot, order->seat[PIT_BY_CLIENT_ID]);
    pit_order_release(&book->pool, slot);
}

/* Moves a resting order to the end of the queue at another (or its own) price. The old level goes first: when all are
 * in use its place is the one the new price takes. */
static inline void pit_book_move(struct pit_book *book, uint32_t slot, int64_t price, uint64_t quantity)
{
    leave_queue(book, slot);
    book->pool.order[slot].price = price;
    book->pool.order[slot].quantity = quantity;
    enter_queue(book, slot);
}

#endif
