/* book/market.c - commands find their book; events find their digest. */
#include "book/market.h"

#include "book/hash.h"
#include "book/report.h"
#include "book/state.h"
#include "ring/check.h"

struct seat {
    struct pit_book *book; /* NULL: no such symbol here */
    uint64_t events;       /* rolling digest of the book's events */
};

/* A command that is coming: its second step is due when so many more have had their first. */
#define COMING 4u

/* Looking ahead costs up to three tenths of a command's time: in vain where all that it would bring is near anyway.
 * That is so for books in which never more orders rested at one time than this, of markets that have no more symbols.
 */
#define NEAR_ORDERS 32768u
#define NEAR_SYMBOLS 16u

struct coming {
    const struct pit_book *book; /* NULL: nothing is left to do */
    struct pit_book_hint hint;
};

struct pit_market {
    struct pit_reserve memory;
    struct coming coming[COMING];
    uint32_t coming_next;
    struct seat *current; /* of the command in progress; NULL: an unknown symbol's */
    uint64_t events;      /* sum of all seats' digests and of the events of unknown symbols */
    uint64_t events_count;
    uint64_t secret;
    uint32_t symbols;
    struct seat seat[PIT_SYMBOLS_MAX];
};

struct pit_market *pit_market_create(const struct pit_reserve *memory)
{
    struct pit_market *market = memory->reserve(memory->context, sizeof *market, 128);
    market->memory = *memory;
    return market;
}

void pit_market_keep_secret(struct pit_market *market, uint64_t secret)
{
    market->secret = secret;
}

/* What the digests cover of an event: all but its command's sequence and time, which are not the book's and decide
 * nothing. So the same commands on another day give the same digest. */
static inline uint64_t event_digest(const struct pit_event *event, uint64_t seed)
{
    const size_t bytes = (event->flags & PIT_EVENT_WIDE) ? 128 : 64;
    const size_t skip = offsetof(struct pit_event, order_id);
    return XXH3_64bits_withSeed((const uint8_t *)event + skip, bytes - skip, seed);
}

void pit_market_fold(struct pit_market *market, struct pit_event_sink *sink)
{
    struct seat *seat = market->current;
    const uint64_t before = seat ? seat->events : 0;
    uint64_t digest = before;
    uint64_t slot = sink->folded, count = 0;
    for (; slot != sink->next; count++) {
        const struct pit_event *event = pit_event_sink_at(sink, slot);
        slot += pit_event_sink_step(sink, event);
        /* Events of an unknown symbol have no order among themselves: each may come from another matcher. */
        digest = seat ? event_digest(event, digest) : digest + event_digest(event, 0);
    }
    sink->folded = slot;
    market->events_count += count;
    market->events += digest - before;
    if (seat)
        seat->events = digest;
}

static void seat_define(struct pit_market *market, uint32_t symbol, const struct pit_symbol_definition *definition)
{
    struct seat *seat = &market->seat[symbol];
    const size_t bytes = pit_book_bytes(definition);
    void *memory = market->memory.reserve(market->memory.context, bytes, 128);
    seat->book = pit_book_create(memory, symbol, definition, market->secret);
    if (symbol >= market->symbols)
        market->symbols = symbol + 1;
}

/* A first definition makes the book; the book then answers it, as it does any later one. */
static enum pit_reason market_define(struct pit_market *market, const struct pit_command *command)
{
    if (command->symbol >= PIT_SYMBOLS_MAX)
        return PIT_REASON_UNKNOWN_SYMBOL;
    if (market->seat[command->symbol].book)
        return PIT_REASON_NONE;
    if (command->flags != PIT_COMMAND_WIDE)
        return PIT_REASON_BAD_FLAGS;
    if (!pit_symbol_definition_valid(&command->definition))
        return PIT_REASON_BAD_DEFINITION;
    seat_define(market, command->symbol, &command->definition);
    return PIT_REASON_NONE;
}

void pit_market_apply(struct pit_market *market, const struct pit_command *command, struct pit_event_sink *sink)
{
    enum pit_reason refusal = PIT_REASON_NONE;
    if (command->kind == PIT_COMMAND_SYMBOL)
        refusal = market_define(market, command);
    struct seat *seat = command->symbol < market->symbols ? &market->seat[command->symbol] : NULL;
    market->current = seat && seat->book ? seat : NULL;
    if (market->current)
        pit_book_apply(seat->book, command, sink);
    else
        pit_report_rejected(sink, command, refusal ? refusal : PIT_REASON_UNKNOWN_SYMBOL);
    pit_market_fold(market, sink);
}

void pit_market_prefetch(struct pit_market *market, const struct pit_command *command)
{
    struct coming *coming = &market->coming[market->coming_next++ % COMING];
    if (coming->book)
        pit_book_prefetch_order(coming->book, coming->hint);
    const struct pit_book *book = command->symbol < market->symbols ? market->seat[command->symbol].book : NULL;
    const bool near = market->symbols <= NEAR_SYMBOLS && book && book->pool.touched <= NEAR_ORDERS;
    coming->book = near ? NULL : book;
    if (coming->book)
        coming->hint = pit_book_prefetch(coming->book, command);
}

struct pit_book *pit_market_book(const struct pit_market *market, uint32_t symbol)
{
    return symbol < market->symbols ? market->seat[symbol].book : NULL;
}

uint32_t pit_market_symbols(const struct pit_market *market)
{
    return market->symbols;
}

struct pit_digest pit_market_event_digest(const struct pit_market *market)
{
    return (struct pit_digest){.events = market->events, .events_count = market->events_count};
}

static bool state_fold(void *context, const struct pit_resting_order *order)
{
    uint64_t *digest = context;
    const uint64_t words[5] = {
        order->order_id,
        order->client_id,
        (uint64_t)order->price,
        order->quantity,
        (uint64_t)order->account << 8 | order->side,
    };
    *digest = XXH3_64bits_withSeed(words, sizeof words, *digest);
    return true;
}

/* Over what a book would need to go on: its definition, its trading state, its orders in price-time order. */
static uint64_t state_digest(const struct pit_book *book, uint32_t symbol)
{
    uint64_t digest = XXH3_64bits_withSeed(pit_book_definition(book), sizeof(struct pit_symbol_definition), symbol);
    digest += (uint64_t)pit_book_state(book);
    pit_book_walk(book, PIT_SIDE_BUY, state_fold, &digest);
    pit_book_walk(book, PIT_SIDE_SELL, state_fold, &digest);
    return digest;
}

struct pit_digest pit_market_full_digest(const struct pit_market *market)
{
    struct pit_digest digest = pit_market_event_digest(market);
    for (uint32_t symbol = 0; symbol < market->symbols; symbol++) {
        const struct pit_book *book = market->seat[symbol].book;
        if (!book)
            continue;
        digest.state += state_digest(book, symbol);
        digest.orders += pit_book_orders(book);
    }
    return digest;
}

uint64_t pit_market_symbol_events(const struct pit_market *market, uint32_t symbol)
{
    return symbol < market->symbols ? market->seat[symbol].events : 0;
}

uint64_t pit_market_stranger_events(const struct pit_market *market)
{
    uint64_t events = market->events;
    for (uint32_t symbol = 0; symbol < market->symbols; symbol++)
        events -= market->seat[symbol].events;
    return events;
}

bool pit_market_restore_symbol(struct pit_market *market, uint32_t symbol,
                               const struct pit_symbol_definition *definition, uint8_t state, uint64_t events)
{
    if (symbol >= PIT_SYMBOLS_MAX || market->seat[symbol].book || state > PIT_STATE_HALTED ||
        !pit_symbol_definition_valid(definition))
        return false;
    seat_define(market, symbol, definition);
    market->seat[symbol].events = events;
    market->events += events;
    return pit_book_restore_state(market->seat[symbol].book, state);
}

bool pit_market_restore_order(struct pit_market *market, uint32_t symbol, const struct pit_resting_order *order)
{
    struct pit_book *book = pit_market_book(market, symbol);
    return book && pit_book_restore_order(book, order);
}

void pit_market_restore_strangers(struct pit_market *market, uint64_t events, uint64_t events_count)
{
    market->events += events;
    market->events_count += events_count;
}
