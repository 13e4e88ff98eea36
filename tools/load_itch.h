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

#endif
