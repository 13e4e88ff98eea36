/* pitline/market_data.h - reads a running pipeline's market data from shared memory. docs/market-data.md is the
 * specification of the bytes.
 *
 * The pipeline writes /dev/shm/pitline-NAME/events (a lossy ring of anonymised order-by-order events) and
 * /dev/shm/pitline-NAME/depth (an image per symbol: best levels of each side, last trade). Readers map both read-only
 * and never slow the writer: one that falls a whole ring behind is lapped, is told so, and goes on from the depth
 * image.
 *
 * A reader belongs to one thread. Nothing here blocks, and no call allocates after pit_md_open.
 */
#ifndef PITLINE_MARKET_DATA_H
#define PITLINE_MARKET_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "pitline/error.h"
#include "pitline/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PIT_MD_VERSION 1u
#define PIT_MD_LEVELS 20u /* levels of each side in a depth image */

enum pit_md_event_kind {
    PIT_MD_ADD = 1,   /* quantity lots rest at price under order_id */
    PIT_MD_TRADE = 2, /* quantity lots of resting order_id traded at price; leaves = what still rests of it; side is the
                         aggressor's */
    PIT_MD_REMOVE = 3, /* order_id left the book; quantity = what rested */
    PIT_MD_CHANGE = 4, /* order_id now has quantity lots, before it had leaves; same price, same place */
    PIT_MD_STATE = 5,  /* quantity = the symbol's new enum pit_trading_state */
    PIT_MD_SYMBOL = 6, /* the symbol was defined (its definition stands in the depth file) */
};

struct pit_md_event {
    uint64_t sequence; /* of the event ring, from 1 on after each start of the pipeline */
    uint64_t time_ns;  /* of the command that caused it */
    uint64_t order_id;
    int64_t price;     /* ticks */
    uint64_t quantity; /* lots */
    uint64_t leaves;
    uint32_t symbol;
    uint8_t kind; /* enum pit_md_event_kind */
    uint8_t side; /* enum pit_side */
    uint8_t last; /* 1: the last event of its command: the book is uncrossed */
    uint8_t zero;
};

struct pit_md_level {
    int64_t price;
    uint64_t quantity; /* of all orders together; UINT64_MAX: that or more */
    uint64_t orders;
};

struct pit_md_symbol {
    char name[PIT_SYMBOL_NAME_BYTES];
    uint32_t tick_mantissa, lot_mantissa;
    uint8_t tick_decimals, lot_decimals;
};

struct pit_md_depth {
    uint64_t event_sequence; /* the image holds every event up to this one */
    uint64_t time_ns;
    uint64_t state;     /* enum pit_trading_state */
    uint64_t trades;    /* since the journal began */
    int64_t last_price; /* valid if trades > 0 */
    uint64_t last_quantity;
    uint64_t bids, asks; /* levels filled in, best first */
    struct pit_md_level bid[PIT_MD_LEVELS];
    struct pit_md_level ask[PIT_MD_LEVELS];
};

enum pit_md_status {
    PIT_MD_RUNNING = 1,
    PIT_MD_STOPPED = 2,  /* the pipeline ended cleanly */
    PIT_MD_SILENT = 3,   /* no sign of life for over PIT_MD_SILENT_MS: it was killed, or hangs */
    PIT_MD_REPLACED = 4, /* a newer pipeline of that name exists: close and open again */
};
#define PIT_MD_SILENT_MS 2000u

struct pit_md;

/* Opens the market data of the pipeline NAME (letters, digits, '.', '_', '-'; at most 64). 0; -ENOENT: no such pipeline
 * yet; -EPROTO: wrong magic or version, or a file that is not what its header says. */
int pit_md_open(struct pit_md **md, const char *name, struct pit_error *error);
void pit_md_close(struct pit_md *md);

/* Takes the next event. 1: *event is filled; 0: nothing newer; negative: -(number of events lost), the reader was
 * lapped and goes on with the oldest event that is still there. */
int64_t pit_md_next(struct pit_md *md, struct pit_md_event *event);

/* Moves the reader to just after the newest event / to the oldest one still in the ring. */
void pit_md_seek_newest(struct pit_md *md);
void pit_md_seek_oldest(struct pit_md *md);

/* The sequence of the event that the reader takes next. */
uint64_t pit_md_position(const struct pit_md *md);

uint32_t pit_md_symbols(const struct pit_md *md);

/* 0, or -ENOENT. pit_md_find returns the id or -ENOENT. */
int pit_md_symbol(const struct pit_md *md, uint32_t symbol, struct pit_md_symbol *definition);
int64_t pit_md_find(const struct pit_md *md, const char *name);

/* A whole image of the symbol's book, never older than the events the reader has skipped (by being lapped or by a
 * seek): the image, then the symbol's events with a sequence above its event_sequence, are the whole book. 0; -ENOENT:
 * no such symbol; -EAGAIN: the writer kept changing it, or has not yet got so far, try again. */
int pit_md_depth(const struct pit_md *md, uint32_t symbol, struct pit_md_depth *depth);

/* Looks at the writer's sign of life and at the file system: call it when idle, not per event. */
enum pit_md_status pit_md_status(const struct pit_md *md);

/* value * mantissa / 10^decimals as decimal text, exact ("236.47", "-0.00000001"). Returns text. */
#define PIT_DECIMAL_BYTES 48
char *pit_decimal_format(char text[PIT_DECIMAL_BYTES], int64_t value, uint32_t mantissa, uint8_t decimals);

/* The other way. 0; -EINVAL: not a decimal number; -ERANGE: not a whole number of units, or too large. */
int pit_decimal_parse(const char *text, uint32_t mantissa, uint8_t decimals, int64_t *value);

#ifdef __cplusplus
}
#endif

#endif
