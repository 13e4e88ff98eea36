/* book/inspect.c - looks at a book without changing it: what it is, who stands in it, whether it is sound. */
#include "book/state.h"

const struct pit_symbol_definition *pit_book_definition(const struct pit_book *book)
{
    return &book->definition;
}

enum pit_trading_state pit_book_state(const struct pit_book *book)
{
    return book->state;
}

uint32_t pit_book_orders(const struct pit_book *book)
{
    return book->pool.count;
}

uint32_t pit_book_levels(const struct pit_book *book)
{
    return pit_price_index_count(book->index);
}

bool pit_book_best(const struct pit_book *book, enum pit_side side, int64_t *price)
{
    if (book->best[side] == PIT_LEVEL_NONE)
        return false;
    *price = book->best_price[side];
    return true;
}

uint64_t pit_book_depth(const struct pit_book *book, enum pit_side side, int64_t price)
{
    if (price < PIT_PRICE_MIN || price > PIT_PRICE_MAX)
        return 0;
    const uint32_t level = pit_price_index_find(book->index, price);
    if (level == PIT_LEVEL_NONE || pit_order_side(&book->pool.order[book->level[level].head]) != side)
        return 0;
    uint64_t quantity = 0;
    for (uint32_t slot = book->level[level].head; slot; slot = book->pool.order[slot].next)
        quantity += book->pool.order[slot].quantity;
    return quantity;
}

/* The next level of a side behind this one. */
static uint32_t level_behind(const struct pit_book *book, enum pit_side side, uint32_t level)
{
    const int64_t price = pit_price_index_price(book->index, level);
    return side == PIT_SIDE_BUY ? pit_price_index_below(book->index, price) : pit_price_index_above(book->index, price);
}

void pit_book_walk(const struct pit_book *book, enum pit_side side,
                   bool (*visit)(void *context, const struct pit_resting_order *order), void *context)
{
    for (uint32_t level = book->best[side]; level != PIT_LEVEL_NONE; level = level_behind(book, side, level)) {
        for (uint32_t slot = book->level[level].head; slot; slot = book->pool.order[slot].next) {
            const struct pit_resting_order order = pit_book_resting(book, slot);
            if (!visit(context, &order))
                return;
        }
    }
}

struct tally {
    uint32_t levels;
    uint32_t orders;
    uint32_t named;
};

static bool is_slot(const void *context, uint32_t slot)
{
    return *(const uint32_t *)context == slot;
}

/* One order: in range, and found by its ids. */
static const char *check_order(const struct pit_book *book, uint32_t slot, enum pit_side side, uint32_t level)
{
    const struct pit_order *order = &book->pool.order[slot];
    if (slot > book->pool.touched)
        return "book: a queue leads to a slot that was never in use";
    if (pit_order_side(order) != side || pit_order_level(order) != level)
        return "book: an order stands in a queue that is not its own";
    if (order->quantity == 0 || order->quantity > book->definition.quantity_max || order->account == 0)
        return "book: an order has a quantity or an account that it could not have come with";
    if (pit_id_table_find(&book->by_order_id, pit_id_hash(&book->by_order_id, order->order_id, 0), is_slot, &slot) !=
        slot)
        return "book: an order is not found by its order id";
    if (!(order->place & ORDER_NAMED))
        return NULL;
    const uint32_t hash = pit_id_hash(&book->by_client_id, book->pool.client_id[slot], order->account);
    if (pit_id_table_find(&book->by_client_id, hash, is_slot, &slot) != slot)
        return "book: an order is not found by its client id";
    return NULL;
}

static const char *check_side(const struct pit_book *book, enum pit_side side, struct tally *tally)
{
    for (uint32_t level = book->best[side]; level != PIT_LEVEL_NONE; level = level_behind(book, side, level)) {
        uint32_t before = 0;
        if (!book->level[level].head)
            return "book: a price is in use and nobody stands there";
        for (uint32_t slot = book->level[level].head; slot; before = slot, slot = book->pool.order[slot].next) {
            const char *wrong = check_order(book, slot, side, level);
            if (wrong)
                return wrong;
            if (book->pool.order[slot].prev != before)
                return "book: a queue's links disagree";
            if (++tally->orders > book->pool.count)
                return "book: more orders stand in line than are counted";
            tally->named += (book->pool.order[slot].place & ORDER_NAMED) != 0;
        }
        if (book->level[level].tail != before)
            return "book: a queue does not end at its tail";
        tally->levels++;
    }
    return NULL;
}

static const char *check_best(const struct pit_book *book)
{
    for (uint8_t side = PIT_SIDE_BUY; side <= PIT_SIDE_SELL; side++) {
        const bool empty = book->best[side] == PIT_LEVEL_NONE;
        const int64_t price =
            empty ? (side == PIT_SIDE_BUY ? NO_BID : NO_ASK) : pit_price_index_price(book->index, book->best[side]);
        if (price != book->best_price[side])
            return "book: the best price is not that of the best level";
    }
    return book->best_price[PIT_SIDE_BUY] >= book->best_price[PIT_SIDE_SELL] ? "book: it is crossed" : NULL;
}

const char *pit_book_check(const struct pit_book *book)
{
    struct tally tally = {0};
    const char *wrong = pit_price_index_check(book->index);
    if (!wrong)
        wrong = check_best(book);
    if (!wrong)
        wrong = check_side(book, PIT_SIDE_BUY, &tally);
    if (!wrong)
        wrong = check_side(book, PIT_SIDE_SELL, &tally);
    if (wrong)
        return wrong;
    if (tally.orders != book->pool.count || tally.levels != pit_price_index_count(book->index))
        return "book: orders or prices are in use that no best price leads to";
    if (tally.orders != book->by_order_id.count || tally.named != book->by_client_id.count)
        return "book: an id table holds an order that does not rest";
    uint32_t free_slots = 0;
    for (uint32_t slot = book->pool.free; slot; slot = book->pool.order[slot].next)
        if (slot > book->pool.touched || ++free_slots > book->pool.touched)
            return "book: the list of free orders is damaged";
    return free_slots + book->pool.count == book->pool.touched ? NULL : "book: an order slot is lost";
}
