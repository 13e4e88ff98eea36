/* book/match.h - an aggressor trades with what rests: best price first, oldest first. For book.c only. */
#ifndef PIT_BOOK_MATCH_H
#define PIT_BOOK_MATCH_H

#include "book/report.h"
#include "book/rest.h"

static inline uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Trades an aggressor with what stands within limit, until aggressor->quantity (what is left of it) is 0 or nothing is
 * within limit. */
static inline void pit_book_match(struct pit_book *book, const struct pit_command *command,
                                  struct pit_resting_order *aggressor, int64_t limit, struct pit_event_sink *sink)
{
    const uint8_t resting_side = aggressor->side ^ 1;
    for (uint32_t number = 0; aggressor->quantity && pit_book_crosses(book, aggressor->side, limit); number++) {
        const uint32_t slot = pit_ladder_level(&book->ladder[resting_side], book->best[resting_side])->head;
        struct pit_resting_order *maker = &book->pool.order[slot].is;
        const uint64_t quantity = smaller(aggressor->quantity, maker->quantity);
        maker->quantity -= quantity;
        aggressor->quantity -= quantity;
        pit_report_trade(sink, command, maker, aggressor, quantity, number);
        if (!maker->quantity)
            pit_book_remove(book, slot);
    }
}

/* True when an order of that side and quantity could trade wholly within limit. One step for each order it would trade
 * with. */
static inline bool pit_book_fillable(const struct pit_book *book, uint8_t side, int64_t limit, uint64_t quantity)
{
    const struct pit_ladder *ladder = &book->ladder[side ^ 1];
    for (int64_t rank = book->best[side ^ 1]; rank + pit_rank(side, limit) >= 0;
         rank = pit_ladder_below(ladder, rank)) {
        for (uint32_t slot = pit_ladder_level(ladder, rank)->head; slot; slot = book->pool.order[slot].next) {
            if (quantity <= book->pool.order[slot].is.quantity)
                return true;
            quantity -= book->pool.order[slot].is.quantity;
        }
    }
    return false;
}

#endif
