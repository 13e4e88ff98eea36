/* book/market.h - the books one matcher (or one replay) keeps, and their digests.
 *
 * Pure, like the book: memory comes from the caller's reserve function, and only when a symbol is defined.
 *
 * Digests. Every book has a rolling xxHash over its own events in order, all of an event but its time: the time decides
 * nothing, and without it the same commands on another day give the same number. A market's event digest is a sum over
 * its books (and over events of unknown symbols), so the digest of the whole is the sum of the parts' however the
 * symbols are spread over matchers: one thread or many, a live run or a replay, give the same number.
 */
#ifndef PIT_BOOK_MARKET_H
#define PIT_BOOK_MARKET_H

#include "book/book.h"

struct pit_market;

/* The digest of one market; the parts of a whole add up field by field (pit_digest_add). */
struct pit_digest {
    uint64_t events;       /* over every event so far */
    uint64_t events_count; /* how many */
    uint64_t state;        /* over every resting order and trading state (0 where it was not asked for) */
    uint64_t orders;       /* resting now (0 likewise) */
};

static inline void pit_digest_add(struct pit_digest *whole, const struct pit_digest *part)
{
    whole->events += part->events;
    whole->events_count += part->events_count;
    whole->state += part->state;
    whole->orders += part->orders;
}

/* Where a market's memory comes from: zeroed bytes with that alignment, valid as long as the market; never NULL. */
struct pit_reserve {
    void *(*reserve)(void *context, size_t bytes, size_t alignment);
    void *context;
};

/* Creates a market without symbols. */
struct pit_market *pit_market_create(const struct pit_reserve *memory);

/* Gives the books defined from now on a random number to find ids by (0 without this call). Events and digests are the
 * same whatever it is; but a client who knew it could choose ids with which every command takes as many steps as there
 * are orders. */
void pit_market_keep_secret(struct pit_market *market, uint64_t secret);

/* Applies one command: SYMBOL creates a book (ids may come in any order below PIT_SYMBOLS_MAX), the rest goes to its
 * book; an unknown symbol or kind is REJECTED. Folds the events into the digest. */
void pit_market_apply(struct pit_market *market, const struct pit_command *command, struct pit_event_sink *sink);

/* Folds complete events [sink->folded, sink->next) into the digest of the command in progress. pit_market_apply does so
 * at its end; a sink's make_room must do so before it lets those slots be overwritten. */
void pit_market_fold(struct pit_market *market, struct pit_event_sink *sink);

/* Brings what a coming command will touch into the cache, part of it at once and part with one of the next calls: see
 * pit_book_prefetch; where it is near anyway, nothing. To be called some eight commands before each is applied. No
 * event and no digest depends on it. */
void pit_market_prefetch(struct pit_market *market, const struct pit_command *command);

/* The book of a symbol, or NULL. */
struct pit_book *pit_market_book(const struct pit_market *market, uint32_t symbol);

/* One more than the largest symbol id defined here. */
uint32_t pit_market_symbols(const struct pit_market *market);

/* Event digest only: constant time. */
struct pit_digest pit_market_event_digest(const struct pit_market *market);

/* Event and state digest: walks every book. */
struct pit_digest pit_market_full_digest(const struct pit_market *market);

/* What a market is made of, to be put into another: its symbols, each with its book and the digest of its events; and
 * the digest of the events of unknown symbols, which with all of those makes the market's. Over several markets this
 * digest and the number of events add up, as pit_digest_add does. */
uint64_t pit_market_symbol_events(const struct pit_market *market, uint32_t symbol); /* 0: no such symbol */
uint64_t pit_market_stranger_events(const struct pit_market *market);

/* Puts a symbol with an empty book, a resting order of such a symbol, and what strangers left behind into a market. One
 * that has got all of another's goes on as that one would: same events, same digests. The parts may go to several
 * markets, each symbol to one, strangers and count to any. Whatever comes in is safe: false, and nothing has changed,
 * when the symbol is there already (order: is not), the definition is not valid, or as pit_book_restore_order says. */
bool pit_market_restore_symbol(struct pit_market *market, uint32_t symbol,
                               const struct pit_symbol_definition *definition, uint8_t state, uint64_t events);
bool pit_market_restore_order(struct pit_market *market, uint32_t symbol, const struct pit_resting_order *order);
void pit_market_restore_strangers(struct pit_market *market, uint64_t events, uint64_t events_count);

#endif
