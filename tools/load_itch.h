/* tools/load_itch.h - reads NASDAQ TotalView-ITCH 5.0 in its BinaryFILE form: messages with a two-byte big-endian
 * length in front, plain or gzip. Field offsets are those of the "NASDAQ TotalView-ITCH 5.0" specification.
 *
 * One thread.
 */
#ifndef PIT_TOOLS_LOAD_ITCH_H
#define PIT_TOOLS_LOAD_ITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "pitline/error.h"
#include "tools/load.h"

#define PIT_ITCH_STOCK_BYTES 9u /* eight characters, blanks at the end cut off, zero-ended */
#define PIT_ITCH_PRICE_DECIMALS 4u

/* A message that matters to a book; type is its letter. */
struct pit_itch_message {
    uint64_t reference;     /* A F E C X D: the order; U: the order that ends */
    uint64_t reference_new; /* U */
    uint32_t shares;        /* A F U: of the order; E C: executed; X: taken off */
    uint32_t price;         /* A F U C: in 1/10000 */
    uint16_t locate;        /* the stock's number for the day */
    char type;
    char side;                        /* A F: 'B' or 'S' */
    char stock[PIT_ITCH_STOCK_BYTES]; /* R A F */
};

struct pit_itch_file;

int pit_itch_open(struct pit_itch_file **file, const char *path, struct pit_error *error);
void pit_itch_close(struct pit_itch_file *file);

/* The next message. 1 = *message is filled (of types other than R A F E C X D U only type and locate); 0 = the end;
 * -EPROTO: not ITCH 5.0, or cut off, -EIO: reading or unpacking failed - error says at which byte. */
int pit_itch_next(struct pit_itch_file *file, struct pit_itch_message *message, struct pit_error *error);

/* Bytes of a message of a type by the specification, or 0 when it has no such type. */
uint32_t pit_itch_message_bytes(char type);

/* Messages as requests:
 *
 *   A F   a limit order, GTC. Its client id is its reference number (plus id_base), for life
 *   X     reduces it
 *   D     cancels it
 *   U     replaces price and quantity; the new reference number then means the same order here. (There a replaced order
 *         always goes to the end of the queue; here it keeps its place when only the quantity falls.)
 *   E     an aggressing IOC order of the other side for the executed shares, at the resting order's price
 *   C     the same, at the execution price where that goes further into the book than the resting order's: at a price
 *         that does not reach the order it could not trade with it
 *   R     the stock's name
 *   P     trades of hidden orders: ignored, as are all other types; they are counted
 *
 * An order's requests go over one session, chosen by its reference number; aggressors come over the next one. */
struct pit_itch_orders_options {
    uint64_t id_base;
    uint32_t sessions; /* 1 .. */
    /* The pipeline's symbol for a stock, or NULL: its orders are skipped. */
    const struct pit_client_symbol *(*find)(void *context, const char *stock);
    void *context;
};

struct pit_itch_counts {
    uint64_t messages;
    uint64_t types[256];      /* by letter */
    uint64_t skipped_symbol;  /* orders of stocks that were not found */
    uint64_t skipped_order;   /* messages about orders that were not added here */
    uint64_t skipped_inexact; /* price or shares are no whole number of ticks or lots */
};

struct pit_itch_orders;

int pit_itch_orders_create(struct pit_itch_orders **orders, const struct pit_itch_orders_options *options,
                           struct pit_error *error);
void pit_itch_orders_destroy(struct pit_itch_orders *orders);

/* Takes a message in. 1 = it became a request; 0 = it did not; -ENOMEM. */
int pit_itch_orders_take(struct pit_itch_orders *orders, const struct pit_itch_message *message,
                         struct pit_load_request *request);

const struct pit_itch_counts *pit_itch_orders_counts(const struct pit_itch_orders *orders);

/* Stocks that have orders: the first after locate (start with -1), or -1 when there are no more. *name and *found say
 * which one and whether find knew it. */
int32_t pit_itch_orders_stock(const struct pit_itch_orders *orders, int32_t locate, const char **name, bool *found);

#endif
