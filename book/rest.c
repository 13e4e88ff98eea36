/* book/rest.c - orders come to rest, move, and leave. */
#include "book/state.h"

static inline bool better(uint8_t side, int64_t price, int64_t best_price)
{
    return side == PIT_SIDE_BUY ? price > best_price : price < best_price;
}

/* The level of a price, brought into use if need be. */
static inline uint32_t level_take(struct pit_book *book, uint8_t side, int64_t price)
{
    uint32_t level = pit_price_index_take(book->index, price, NULL);
    PIT_HOT_CHECK(level != PIT_LEVEL_NONE);
    if (better(side, price, book->best_price[side])) {
        book->best_price[side] = price;
        book->best[side] = level;
    }
    return level;
}

/* Takes an empty level out of use; if it was the best, the next one becomes it. */
static inline void level_drop(struct pit_book *book, uint8_t side, uint32_t level)
{
    pit_price_index_drop(book->index, level);
    if (level != book->best[side])
        return;
    const int64_t price = book->best_price[side];
    uint32_t next =
        side == PIT_SIDE_BUY ? pit_price_index_below(book->index, price) : pit_price_index_above(book->index, price);
    book->best[side] = next;
    if (next == PIT_LEVEL_NONE)
        book->best_price[side] = side == PIT_SIDE_BUY ? NO_BID : NO_ASK;
    else
        book->best_price[side] = pit_price_index_price(book->index, next);
}

static inline void order_place(struct pit_order *order, uint32_t level)
{
    order->place = (order->place & ~ORDER_LEVEL) | level;
}

void pit_book_rest(struct pit_book *book, const struct pit_resting_order *resting)
{
    uint32_t slot = pit_order_claim(&book->pool);
    struct pit_order *order = &book->pool.order[slot];
    order->order_id = resting->order_id;
    order->quantity = resting->quantity;
    order->account = resting->account;
    order->place = resting->side == PIT_SIDE_SELL ? ORDER_SELL : 0;
    pit_id_table_insert(&book->by_order_id, pit_id_hash(&book->by_order_id, resting->order_id, 0), slot);
    if (resting->client_id) {
        order->place |= ORDER_NAMED;
        book->pool.client_id[slot] = resting->client_id;
        pit_id_table_insert(&book->by_client_id, pit_id_hash(&book->by_client_id, resting->client_id, resting->account),
                            slot);
    }
    uint32_t level = level_take(book, resting->side, resting->price);
    order_place(order, level);
    pit_level_append(&book->level[level], book->pool.order, slot);
}

void pit_book_remove(struct pit_book *book, uint32_t slot)
{
    const struct pit_order *order = &book->pool.order[slot];
    uint32_t level = pit_order_level(order);
    pit_level_unlink(&book->level[level], book->pool.order, slot);
    if (!book->level[level].head)
        level_drop(book, pit_order_side(order), level);
    pit_id_table_remove(&book->by_order_id, pit_id_hash(&book->by_order_id, order->order_id, 0), slot);
    if (order->place & ORDER_NAMED) {
        uint32_t hash = pit_id_hash(&book->by_client_id, book->pool.client_id[slot], order->account);
        pit_id_table_remove(&book->by_client_id, hash, slot);
    }
    pit_order_release(&book->pool, slot);
}

void pit_book_move(struct pit_book *book, uint32_t slot, int64_t price, uint64_t quantity)
{
    struct pit_order *order = &book->pool.order[slot];
    const uint8_t side = pit_order_side(order);
    uint32_t level = pit_order_level(order);
    order->quantity = quantity;
    pit_level_unlink(&book->level[level], book->pool.order, slot);
    if (price != pit_price_index_price(book->index, level)) {
        /* The old level goes first: when all are in use its place is the one the new price takes. */
        if (!book->level[level].head)
            level_drop(book, side, level);
        level = level_take(book, side, price);
        order_place(order, level);
    }
    pit_level_append(&book->level[level], book->pool.order, slot);
}
