/* book/restore.c - a book as it was: its trading state and its resting orders are put in, and nothing of what comes in
 * is believed.
 *
 * An order may stand where no new one would be admitted: at a price outside the band, which may have been narrowed
 * since, or in a halted book. It may not stand where none could rest at all.
 */
#include "book/rest.h"

bool pit_book_restore_state(struct pit_book *book, uint8_t state)
{
    if (state > PIT_STATE_HALTED)
        return false;
    book->state = state;
    return true;
}

/* Each field for itself. */
static bool fields_good(const struct pit_book *book, const struct pit_resting_order *order)
{
    return order->order_id != 0 && order->account != 0 && order->side <= PIT_SIDE_SELL &&
           order->price >= PIT_PRICE_MIN && order->price <= PIT_PRICE_MAX && order->quantity != 0 &&
           order->quantity <= book->definition.quantity_max;
}

static bool has_room(const struct pit_book *book, const struct pit_resting_order *order)
{
    if (book->pool.count == book->pool.orders_max)
        return false;
    return pit_book_levels_now(book) < book->definition.levels_max ||
           pit_ladder_find(&book->ladder[order->side], pit_rank(order->side, order->price));
}

bool pit_book_restore_order(struct pit_book *book, const struct pit_resting_order *order)
{
    if (!fields_good(book, order) || !has_room(book, order))
        return false;
    if (pit_book_crosses(book, order->side, order->price))
        return false;
    if (order->order_id <= book->newest && pit_book_find_order_id(book, order->order_id))
        return false;
    const uint32_t hash = pit_book_client_hash(book, order->client_id, order->account);
    if (order->client_id && pit_book_find_client_id(book, order->client_id, order->account, hash))
        return false;
    pit_book_rest(book, order, hash);
    return true;
}
