/* book/book.h - one symbol's order book: price-time matching as a pure function.
 *
 * (book, command) -> (book, events). No clock, no I/O, no allocation, no floating point, and no iteration whose order
 * depends on a hash or an address: the same commands give the same events on every machine, compiler and run.
 *
 * Writer:   one thread (the matcher of the symbol, or a replay).
 * Memory:   the caller's zeroed block of pit_book_bytes, cache-line aligned. It is bounded by the definition's
 *           orders_max and levels_max; when either is reached an order that might rest is refused with that reason,
 *           even if it would trade wholly. Nothing in it can fill before. It is touched only as the book fills.
 * Progress: a cancel, reduce or resting order costs a constant number of steps whatever the depth; an aggressor one
 *           more constant per order it trades with (a FOK one per order it could trade with, before it does).
 *           To find an id is constant on average; the longest run of full buckets at worst (book/id_table.h).
 */
#ifndef PIT_BOOK_BOOK_H
#define PIT_BOOK_BOOK_H

#include <stdbool.h>

#include "book/command.h"
#include "book/event.h"
#include "book/resting_order.h"

struct pit_book;

/* True when every field is in its range. */
bool pit_symbol_definition_valid(const struct pit_symbol_definition *definition);

/* Bytes for a book of a valid definition. */
size_t pit_book_bytes(const struct pit_symbol_definition *definition);

/* Lays out an empty, open book in zeroed memory (aligned to 128). The definition must be valid. secret: see
 * pit_market_keep_secret. */
struct pit_book *pit_book_create(void *memory, uint32_t symbol, const struct pit_symbol_definition *definition,
                                 uint64_t secret);

/* Applies NEW, CANCEL, REDUCE, REPLACE, STATE or a changed price band (SYMBOL) and writes the events. Any bytes are
 * safe: what makes no sense is REJECTED. */
void pit_book_apply(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink);

/* What a coming command will touch is brought into the cache in two steps, some commands apart: what its order is found
 * by, and then, by that, the order. Changes nothing; hints. Any bytes are safe. */
struct pit_book_hint {
    uint32_t hash;
    uint8_t kind; /* 1 + enum pit_id_kind; 0: there is no second step */
};
struct pit_book_hint pit_book_prefetch(const struct pit_book *book, const struct pit_command *command);
void pit_book_prefetch_order(const struct pit_book *book, struct pit_book_hint hint);

const struct pit_symbol_definition *pit_book_definition(const struct pit_book *book);
enum pit_trading_state pit_book_state(const struct pit_book *book);
uint32_t pit_book_orders(const struct pit_book *book); /* resting now */
uint32_t pit_book_levels(const struct pit_book *book); /* prices in use now */

/* Best price of a side. Returns false when the side is empty. */
bool pit_book_best(const struct pit_book *book, enum pit_side side, int64_t *price);

/* Open lots at a price of a side; UINT64_MAX where they are that many or more. One step for each order there. */
uint64_t pit_book_depth(const struct pit_book *book, enum pit_side side, int64_t price);

/* Visits a side's orders, best price first, then oldest first, until visit returns false. */
void pit_book_walk(const struct pit_book *book, enum pit_side side,
                   bool (*visit)(void *context, const struct pit_resting_order *order), void *context);

/* Puts a trading state or a resting order into a book, without events: a book made of the definition, the state and the
 * orders of another, each side in the order of pit_book_walk, answers every further command as that one does. An order
 * goes behind those at its price; its price may be outside the band, which may have changed since it came. Whatever
 * comes in is safe: false, and nothing has changed, when a field is out of range, an id is there already, orders_max or
 * levels_max is reached, or the order would trade. */
bool pit_book_restore_state(struct pit_book *book, uint8_t state);
bool pit_book_restore_order(struct pit_book *book, const struct pit_resting_order *order);

/* Checks every invariant (linked lists, counts, index against orders, uncrossed). For tests and replay; O(orders).
 * Returns NULL when all hold, otherwise what does not. */
const char *pit_book_check(const struct pit_book *book);

#endif
