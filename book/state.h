/* book/state.h - what a book is made of. For the files of book/ only.
 *
 *   | struct pit_book | ladder of bids | of asks | orders | by order id | by client id |
 *
 * A ladder a side gives the level of a price, a level is the queue of its orders, and two tables find an order by the
 * exchange's id or by its client's. The best price of each side stands ready, so that "does it trade?" is one
 * comparison.
 */
#ifndef PIT_BOOK_STATE_H
#define PIT_BOOK_STATE_H

#include "book/book.h"
#include "book/id_table.h"
#include "book/ladder.h"
#include "book/newcomers.h"
#include "book/order.h"

struct pit_book {
    int64_t best[2];   /* by side: the best rank, PIT_RANK_NONE of an empty one */
    int64_t second[2]; /* the next below it, as far as nobody had to look for it: else PIT_RANK_UNKNOWN */
    uint32_t symbol;
    uint8_t state; /* enum pit_trading_state */
    uint8_t zero[3];
    uint64_t newest;             /* no order that rests or rested has a higher order id */
    uint64_t rested;             /* orders that have come to rest */
    struct pit_ladder ladder[2]; /* by side */
    struct pit_order_pool pool;
    struct pit_id_table by_order_id;  /* but for newcomers */
    struct pit_id_table by_client_id; /* orders with a client id: (account, client id); but for newcomers */
    struct pit_symbol_definition definition;
    struct pit_newcomers newcomers[2]; /* by enum pit_id_kind */
};

/* True when an order of `side` that may trade up to (down to) limit meets the best of the other side: their ranks have
 * opposite signs. */
static inline bool pit_book_crosses(const struct pit_book *book, uint8_t side, int64_t limit)
{
    return pit_rank(side, limit) + book->best[side ^ 1] >= 0;
}

struct pit_key {
    const struct pit_order *orders;
    uint64_t id;
    uint32_t account;
};

static inline bool pit_has_order_id(const void *context, uint32_t slot)
{
    const struct pit_key *key = context;
    return key->orders[slot].is.order_id == key->id;
}

static inline bool pit_has_client_id(const void *context, uint32_t slot)
{
    const struct pit_key *key = context;
    return key->orders[slot].is.client_id == key->id && key->orders[slot].is.account == key->account;
}

/* The two functions below beyond the id's own bucket. */
uint32_t pit_book_find_order_id_on(const struct pit_book *book, uint64_t order_id, uint32_t hash);
uint32_t pit_book_find_client_id_on(const struct pit_book *book, uint64_t client_id, uint32_t account, uint32_t hash);

/* The order that rests under an order id, or 0. */
static inline uint32_t pit_book_find_order_id(const struct pit_book *book, uint64_t order_id)
{
    const struct pit_key key = {.orders = book->pool.order, .id = order_id};
    const uint32_t newcomer = book->newcomers[PIT_BY_ORDER_ID].slot[pit_newcomer_place_of_order_id(order_id)];
    if (pit_has_order_id(&key, newcomer))
        return newcomer;
    const uint32_t hash = pit_id_hash(&book->by_order_id, order_id, 0);
    const uint32_t slot = pit_id_table_look(&book->by_order_id, hash, pit_has_order_id, &key);
    if (slot || !pit_id_table_goes_on(&book->by_order_id, hash))
        return slot;
    return pit_book_find_order_id_on(book, order_id, hash);
}

/* The order that rests under a client id, or 0. hash: pit_book_client_hash of the two. */
static inline uint32_t pit_book_find_client_id(const struct pit_book *book, uint64_t client_id, uint32_t account,
                                               uint32_t hash)
{
    const struct pit_key key = {.orders = book->pool.order, .id = client_id, .account = account};
    const uint32_t newcomer = book->newcomers[PIT_BY_CLIENT_ID].slot[pit_newcomer_place_of_hash(hash)];
    if (pit_has_client_id(&key, newcomer))
        return newcomer;
    const uint32_t slot = pit_id_table_look(&book->by_client_id, hash, pit_has_client_id, &key);
    if (slot || !pit_id_table_goes_on(&book->by_client_id, hash))
        return slot;
    return pit_book_find_client_id_on(book, client_id, account, hash);
}

static inline uint32_t pit_book_client_hash(const struct pit_book *book, uint64_t client_id, uint32_t account)
{
    return client_id ? pit_id_hash(&book->by_client_id, client_id, account) : 0;
}

/* Prices in use now. */
static inline uint32_t pit_book_levels_now(const struct pit_book *book)
{
    return book->ladder[PIT_SIDE_BUY].count + book->ladder[PIT_SIDE_SELL].count;
}

#endif
