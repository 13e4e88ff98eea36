/* book/match.c - an aggressor trades with what rests: best price first, oldest first. */
#include "book/report.h"
#include "book/state.h"

static inline uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void pit_book_match(struct pit_book *book, const struct pit_command *command, struct pit_resting_order *aggressor,
                    int64_t limit, struct pit_event_sink *sink)
{
    const uint8_t resting_side = aggressor->side ^ 1;
    for (uint32_t number = 0; aggressor->quantity && pit_book_crosses(book, aggressor->side, limit); number++) {
        const uint32_t slot = book->level[book->best[resting_side]].head;
        struct pit_order *order = &book->pool.order[slot];
        const uint64_t quantity = smaller(aggressor->quantity, order->quantity);
        order->quantity -= quantity;
        aggressor->quantity -= quantity;
        const struct pit_resting_order maker = pit_book_resting(book, slot);
        if (!order->quantity)
            pit_book_remove(book, slot);
        pit_report_trade(sink, command, &maker, aggressor, quantity, number);
    }
}

bool pit_book_fillable(const struct pit_book *book, uint8_t side, int64_t limit, uint64_t quantity)
{
    uint32_t level = book->best[side ^ 1];
    while (level != PIT_LEVEL_NONE) {
        const int64_t price = pit_price_index_price(book->index, level);
        if (side == PIT_SIDE_BUY ? price > limit : price < limit)
            break;
        for (uint32_t slot = book->level[level].head; slot; slot = book->pool.order[slot].next) {
            if (quantity <= book->pool.order[slot].quantity)
                return true;
            quantity -= book->pool.order[slot].quantity;
        }
        level = side == PIT_SIDE_BUY ? pit_price_index_above(book->index, price)
                                     : pit_price_index_below(book->index, price);
    }
    return false;
}
