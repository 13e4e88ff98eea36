/* book/state.h - what a book is made of. For the files of book/ only.
 *
 *   | struct pit_book | price index | levels | orders | client ids | by order id | by client id |
 *
 * A price index gives the level of a price, a level is the queue of its orders, and two tables find an order by the
 * exchange's id or by its client's. The best price of each side stands ready, so that "does it trade?" is one
 * comparison.
 */
#ifndef PIT_BOOK_STATE_H
#define PIT_BOOK_STATE_H

#include "book/book.h"
#include "book/id_table.h"
#include "book/order.h"
#include "book/price_index.h"

struct pit_book {
    int64_t best_price[2]; /* by side; of an empty side a price that nothing can reach: NO_BID, NO_ASK */
    uint32_t best[2];      /* by side: the best level's slot, PIT_LEVEL_NONE when empty */
    struct pit_level *level;
    struct pit_price_index *index;
    uint32_t symbol;
    uint8_t state; /* enum pit_trading_state */
    uint8_t zero[3];
    struct pit_order_pool pool;
    struct pit_id_table by_order_id;
    struct pit_id_table by_client_id; /* orders with a client id: (account, client id) */
    struct pit_symbol_definition definition;
};

#define NO_BID INT64_MIN
#define NO_ASK INT64_MAX

/* True when an order of `side` that may trade up to (down to) limit meets the best of the other side. */
static inline bool pit_book_crosses(const struct pit_book *book, uint8_t side, int64_t limit)
{
    return side == PIT_SIDE_BUY ? limit >= book->best_price[PIT_SIDE_SELL] : limit <= book->best_price[PIT_SIDE_BUY];
}

/* The whole of a resting order. */
static inline struct pit_resting_order pit_book_resting(const struct pit_book *book, uint32_t slot)
{
    const struct pit_order *order = &book->pool.order[slot];
    return (struct pit_resting_order){
        .order_id = order->order_id,
        .client_id = order->place & ORDER_NAMED ? book->pool.client_id[slot] : 0,
        .price = pit_price_index_price(book->index, pit_order_level(order)),
        .quantity = order->quantity,
        .account = order->account,
        .side = pit_order_side(order),
    };
}

/* book/admit.c: whether a command may be carried out, and on which order. */

/* Why a NEW is refused, or PIT_REASON_NONE. */
enum pit_reason pit_admit_new(const struct pit_book *book, const struct pit_command *command);

/* Why a CANCEL, REDUCE or REPLACE is refused, or PIT_REASON_NONE with *slot = its order. */
enum pit_reason pit_admit_cancel(const struct pit_book *book, const struct pit_command *command, uint32_t *slot);
enum pit_reason pit_admit_reduce(const struct pit_book *book, const struct pit_command *command, uint32_t *slot);
enum pit_reason pit_admit_replace(const struct pit_book *book, const struct pit_command *command, uint32_t *slot);

/* Why a SYMBOL (for this book, again) or STATE is refused, or PIT_REASON_NONE. */
enum pit_reason pit_admit_symbol(const struct pit_book *book, const struct pit_command *command);
enum pit_reason pit_admit_state(const struct pit_command *command);

/* book/rest.c: orders come to rest and leave. */

/* Lets an order rest, behind everybody at its price. There must be room for it. */
void pit_book_rest(struct pit_book *book, const struct pit_resting_order *order);

/* Takes a resting order out, with everything that leads to it. */
void pit_book_remove(struct pit_book *book, uint32_t slot);

/* Moves a resting order to the end of the queue at another (or its own) price. */
void pit_book_move(struct pit_book *book, uint32_t slot, int64_t price, uint64_t quantity);

/* book/match.c */

/* Trades an aggressor with what stands within limit, best price first, oldest first, until aggressor->quantity (what
 * is left of it) is 0 or nothing is within limit. */
void pit_book_match(struct pit_book *book, const struct pit_command *command, struct pit_resting_order *aggressor,
                    int64_t limit, struct pit_event_sink *sink);

/* True when an order of that side and quantity could trade wholly within limit. One step for each order it would trade
 * with. */
bool pit_book_fillable(const struct pit_book *book, uint8_t side, int64_t limit, uint64_t quantity);

#endif
