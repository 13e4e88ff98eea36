/* book/rest.h - orders come to rest, move, and leave. For book.c only. */
#ifndef PIT_BOOK_REST_H
#define PIT_BOOK_REST_H

#include "book/block.h"
#include "book/state.h"

/* A side's best rank and the second one behind it. The second is mostly the best again soon: orders come in front of
 * all others, alone, and leave. Once the best or the second has left, nobody knows the second until a new best comes:
 * to look for it may be in vain. */

_Static_assert(PIT_RANK_UNKNOWN > PIT_PRICE_MAX, "no rank is above a second that is not known: it stays so");

/* A rank that an order comes to. Above the best, it is the best, and the best is the second; between the two, it is the
 * second. */
static inline void note_rank(struct pit_book *book, uint8_t side, int64_t rank)
{
    const int64_t best = book->best[side], second = book->second[side];
    const bool between = rank < best && rank > second;
    book->second[side] = rank > best ? best : between ? rank : second;
    book->best[side] = rank > best ? rank : best;
}

/* The second rank when the best or the second itself has left. */
static inline int64_t second_after_leaving(const struct pit_ladder *ladder)
{
    return ladder->count > 1 ? PIT_RANK_UNKNOWN : PIT_RANK_NONE;
}

/* A rank that has gone out of use. */
static inline void forget_rank(struct pit_book *book, uint8_t side, int64_t rank)
{
    const struct pit_ladder *ladder = &book->ladder[side];
    const int64_t second = book->second[side];
    if (rank == book->best[side]) {
        book->best[side] = __builtin_expect(second == PIT_RANK_UNKNOWN, 0) ? pit_ladder_below(ladder, rank) : second;
        book->second[side] = second_after_leaving(ladder);
    } else if (rank == second) {
        book->second[side] = second_after_leaving(ladder);
    }
}

/* Puts an order at the end of the queue at its price. Returns its older neighbour. */
static inline uint32_t enter_queue(struct pit_book *book, uint32_t slot, uint8_t side, int64_t price)
{
    const int64_t rank = pit_rank(side, price);
    const bool alone = rank > book->best[side]; /* before all others nobody can stand */
    note_rank(book, side, rank);
    return pit_ladder_enter(&book->ladder[side], rank, book->best[side], book->pool.order, slot, alone);
}

/* Takes an order out of its queue. If it was alone there, the price goes out of use. */
static inline void leave_queue(struct pit_book *book, uint32_t slot)
{
    const struct pit_order *order = &book->pool.order[slot];
    const uint8_t side = order->is.side;
    const int64_t rank = pit_rank(side, order->is.price);
    struct pit_ladder *ladder = &book->ladder[side];
    struct pit_level *level = pit_ladder_level(ladder, rank);
    if (order->next | order->prev) {
        pit_level_unlink(level, book->pool.order, slot);
        return;
    }
    *level = (struct pit_level){0};
    pit_ladder_drop(ladder, rank);
    forget_rank(book, side, rank);
}

/* Enters an order into a table: one in many, a newcomer no more. */
void pit_book_grow_old(struct pit_book *book, enum pit_id_kind kind, uint32_t slot);

/* Makes an order a newcomer. Returns its seat. */
static inline uint32_t join_newcomers(struct pit_book *book, enum pit_id_kind kind, uint32_t place, uint32_t slot)
{
    const uint32_t before = pit_newcomers_join(&book->newcomers[kind], place, slot);
    if (__builtin_expect(before, 0))
        pit_book_grow_old(book, kind, before);
    return pit_newcomer_seat(place);
}

static inline bool goes_straight(const struct pit_book *book, enum pit_id_kind kind)
{
    return __builtin_expect(book->rested < book->newcomers[kind].straight_until, 0);
}

/* An order's seat by each of its ids, as it comes to rest. */

static inline uint32_t seat_by_order_id(struct pit_book *book, uint32_t slot, uint64_t order_id)
{
    if (!goes_straight(book, PIT_BY_ORDER_ID))
        return join_newcomers(book, PIT_BY_ORDER_ID, pit_newcomer_place_of_order_id(order_id), slot);
    uint32_t seat;
    pit_id_table_insert(&book->by_order_id, pit_id_hash(&book->by_order_id, order_id, 0), slot, &seat);
    return seat;
}

static inline uint32_t seat_by_client_id(struct pit_book *book, uint32_t slot, uint32_t client_hash)
{
    if (!goes_straight(book, PIT_BY_CLIENT_ID))
        return join_newcomers(book, PIT_BY_CLIENT_ID, pit_newcomer_place_of_hash(client_hash), slot);
    uint32_t seat;
    pit_id_table_insert(&book->by_client_id, client_hash, slot, &seat);
    return seat;
}

/* Gives an order that comes to rest in a slot its seats and its place in the queue. What it shows is written after: it
 * is not looked at before. client_hash: see pit_admit_new. */
static inline __attribute__((always_inline)) void settle(struct pit_book *book, uint32_t slot, uint64_t order_id,
                                                         uint64_t client_id, uint8_t side, int64_t price,
                                                         uint32_t client_hash)
{
    if (order_id > book->newest)
        book->newest = order_id;
    book->rested++;
    const uint32_t by_order_id = seat_by_order_id(book, slot, order_id);
    const uint32_t by_client_id =
        __builtin_expect(client_id != 0, 1) ? seat_by_client_id(book, slot, client_hash) : PIT_ID_SEAT_NONE;
    const uint32_t prev = enter_queue(book, slot, side, price);
    struct pit_order *order = &book->pool.order[slot];
    pit_words_put(&order->next, 0, prev);
    pit_words_put(order->seat, by_order_id, by_client_id);
}

/* Lets an order rest, behind everybody at its price. There must be room for it. */
static inline __attribute__((always_inline)) void
pit_book_rest(struct pit_book *book, const struct pit_resting_order *resting, uint32_t client_hash)
{
    const uint32_t slot = pit_order_claim(&book->pool);
    settle(book, slot, resting->order_id, resting->client_id, resting->side, resting->price, client_hash);
    book->pool.order[slot].is = *resting;
}

/* Lets a NEW with a limit rest whole: what it says of itself is copied as a block. Returns the order. */
static inline __attribute__((always_inline)) const struct pit_resting_order *
pit_book_rest_whole(struct pit_book *book, const struct pit_command *command, uint32_t client_hash)
{
    const uint32_t slot = pit_order_claim(&book->pool), account = command->account, side = command->side;
    const uint64_t order_id = command->sequence;
    settle(book, slot, order_id, command->client_id, (uint8_t)side, command->price, client_hash);
    struct pit_resting_order *order = &book->pool.order[slot].is;
    pit_words_put(&order->account, account, side);
    pit_block_named(&order->order_id, &command->order_id, order_id);
    return order;
}

/* Takes an order out of what finds it by one of its ids. */
static inline void leave_seat(struct pit_book *book, enum pit_id_kind kind, struct pit_id_table *table, uint32_t slot)
{
    const uint32_t seat = book->pool.order[slot].seat[kind];
    if (__builtin_expect(pit_seat_in_table(seat), 0))
        pit_id_table_remove(table, slot, seat);
    else
        pit_newcomers_leave(&book->newcomers[kind], seat);
}

/* Takes a resting order out, with everything that leads to it. */
static inline __attribute__((always_inline)) void pit_book_remove(struct pit_book *book, uint32_t slot)
{
    leave_queue(book, slot);
    leave_seat(book, PIT_BY_ORDER_ID, &book->by_order_id, slot);
    leave_seat(book, PIT_BY_CLIENT_ID, &book->by_client_id, slot);
    pit_order_release(&book->pool, slot);
}

/* Moves a resting order to the end of the queue at another (or its own) price. The old level goes first: when all are
 * in use its place is the one the new price takes. */
static inline void pit_book_move(struct pit_book *book, uint32_t slot, int64_t price, uint64_t quantity)
{
    struct pit_resting_order *order = &book->pool.order[slot].is;
    leave_queue(book, slot);
    order->price = price;
    order->quantity = quantity;
    const uint32_t prev = enter_queue(book, slot, order->side, price);
    pit_words_put(&book->pool.order[slot].next, 0, prev);
}

#endif
