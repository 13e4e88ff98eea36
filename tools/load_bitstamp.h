/* tools/load_bitstamp.h - reads a recorded Bitstamp order feed into the requests to send and the outcomes to compare.
 *
 * A line is `milliseconds event JSON`. How it is read:
 *
 *   order_created   a new limit order, GTC
 *   order_deleted   with an amount above 0 a cancel; with 0 the outcome of a fill: not an input
 *   order_changed, trade, order_book   outcomes
 *
 * The recording begins in mid-session: orders that are never created rest before anything else, oldest (smallest id)
 * first, at the price and amount of their first report. Where that first report is already their end (amount 0) nobody
 * says how much there was, and they rest with one lot: the price is right, and a lot is the least that can be wrong.
 *
 * An order whose reports show another price than its create is a market order: the create shows the touch it started
 * from, the exchange then walked it through the book, for seconds, and reported each price it came to. It is sent as a
 * market order, at the place of the first report with another price.
 *
 * A create that stands after another report of its id is sent at the place of that first report. A delete that stands
 * twice is sent twice.
 */
#ifndef PIT_TOOLS_LOAD_BITSTAMP_H
#define PIT_TOOLS_LOAD_BITSTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pitline/error.h"
#include "pitline/types.h"

/* How prices and amounts become ticks and lots. */
struct pit_bitstamp_units {
    uint32_t tick_mantissa, lot_mantissa;
    uint8_t tick_decimals, lot_decimals;
};

enum pit_bitstamp_step_kind {
    PIT_BITSTAMP_NEW = 1,
    PIT_BITSTAMP_CANCEL = 2,
    PIT_BITSTAMP_BOOK = 3, /* compare: bid and ask */
};

struct pit_bitstamp_step {
    uint64_t id;
    union {
        struct {
            int64_t price;
            uint64_t quantity;
        };
        struct {
            int64_t bid, ask; /* BOOK; a side that the recorded book leaves empty has its flag below */
        };
    };
    uint8_t kind;
    uint8_t side;
    bool market;
    bool bid_empty, ask_empty;
};

struct pit_bitstamp_trade {
    int64_t price;
    uint64_t quantity;
};

struct pit_bitstamp {
    struct pit_bitstamp_step *steps;
    size_t steps_count;
    struct pit_bitstamp_trade *trades; /* recorded, sorted by price and quantity */
    size_t trades_count;
    size_t lines;
    size_t creates;         /* order_created lines */
    size_t opening;         /* orders that rest first */
    size_t opening_unsized; /* of those, with one lot */
    size_t markets;         /* market orders */
    size_t cancels;         /* order_deleted with an amount */
    size_t books;
};

/* Reads a file, unpacking it when it is .xz. 0, or a negative errno with the line that is wrong. */
int pit_bitstamp_read(struct pit_bitstamp *feed, const char *path, const struct pit_bitstamp_units *units,
                      struct pit_error *error);

/* The same from text in memory (changed while it is read). name stands in errors. */
int pit_bitstamp_parse(struct pit_bitstamp *feed, char *text, const char *name, const struct pit_bitstamp_units *units,
                       struct pit_error *error);

void pit_bitstamp_free(struct pit_bitstamp *feed);

/* Sorts trades by price, then quantity. */
void pit_bitstamp_trades_sort(struct pit_bitstamp_trade *trades, size_t count);

/* How many of two sorted lists of trades pair up. */
size_t pit_bitstamp_trades_agree(const struct pit_bitstamp_trade *a, size_t a_count, const struct pit_bitstamp_trade *b,
                                 size_t b_count);

#endif
