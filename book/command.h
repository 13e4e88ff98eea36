/* book/command.h - what goes into a book: one command, as it stands in the input ring and in the journal.
 *
 * Line 0 is all that every command but a symbol definition needs; line 1 is present only with PIT_COMMAND_WIDE.
 *
 *   0        8        16        24         32     40        48       52      56       60    61    62   63
 *   sequence time_ns  order_id  client_id  price  quantity  account  symbol  request  kind  side  tif  flags
 *
 * Written by the gateway, once; read by every later stage; never changed. All integers are little-endian in the
 * journal. Every field is checked again where it is used: a journal or a peer may be damaged or hostile.
 */
#ifndef PIT_BOOK_COMMAND_H
#define PIT_BOOK_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "pitline/types.h"

enum pit_command_kind {
    PIT_COMMAND_NEW = 1,     /* a new order: client_id, side, tif, flags, price (unless market), quantity */
    PIT_COMMAND_CANCEL = 2,  /* takes the whole order out */
    PIT_COMMAND_REDUCE = 3,  /* takes quantity lots off, keeps the place in the queue; all of it or more: a cancel */
    PIT_COMMAND_REPLACE = 4, /* new price and new open quantity; keeps the place only if the price stays and the
                                quantity does not rise; otherwise enters the book anew, and may trade */
    PIT_COMMAND_SYMBOL = 5,  /* defines symbol (line 1); again for a known symbol: changes its price band */
    PIT_COMMAND_STATE = 6,   /* trading state of symbol: quantity holds an enum pit_trading_state */
};

/* flags */
#define PIT_COMMAND_MARKET 0x01u    /* NEW: no price limit; tif must be IOC or FOK */
#define PIT_COMMAND_POST_ONLY 0x02u /* NEW (GTC), REPLACE: rejected if it would trade */
#define PIT_COMMAND_WIDE 0x80u      /* line 1 is present */

struct pit_symbol_definition {
    char name[PIT_SYMBOL_NAME_BYTES]; /* printable ASCII without blanks, zero-filled */
    int64_t price_min;                /* ticks: the band; a price outside is rejected */
    int64_t price_max;
    uint64_t quantity_max;  /* lots in one order, 1 .. PIT_QUANTITY_MAX */
    uint32_t orders_max;    /* resting orders, 1 .. PIT_ORDERS_MAX */
    uint32_t levels_max;    /* prices with resting orders, 1 .. PIT_LEVELS_MAX */
    uint32_t tick_mantissa; /* tick size = tick_mantissa / 10^tick_decimals, e.g. 1 and 2 for 0.01 */
    uint32_t lot_mantissa;
    uint8_t tick_decimals; /* 0 .. PIT_DECIMALS_MAX */
    uint8_t lot_decimals;
    uint8_t zero[6];
};
_Static_assert(sizeof(struct pit_symbol_definition) == 64, "a definition is line 1 of a command");

struct pit_command {
    uint64_t sequence;  /* position in the input ring and the journal, from 1 */
    uint64_t time_ns;   /* UTC, nanoseconds since 1970; never falls from one command to the next */
    uint64_t order_id;  /* CANCEL, REDUCE, REPLACE: the order's exchange id, or 0 to go by client_id */
    uint64_t client_id; /* the client's own id for the order, 0 = none; unique among the live orders of the account in
                           the symbol */
    int64_t price;      /* ticks */
    uint64_t quantity;  /* lots */
    uint32_t account;   /* 1 ..; 0 is the exchange itself */
    uint32_t symbol;
    uint32_t request; /* chosen by the client, echoed in every report that answers this command */
    uint8_t kind;     /* enum pit_command_kind */
    uint8_t side;     /* enum pit_side */
    uint8_t tif;      /* enum pit_tif */
    uint8_t flags;
    union {
        struct pit_symbol_definition definition; /* SYMBOL */
        uint64_t line1[8];
    };
};
_Static_assert(sizeof(struct pit_command) == 128, "a command is two cache lines");
_Static_assert(offsetof(struct pit_command, kind) == 60, "kind, side, tif and flags are one word");
_Static_assert(offsetof(struct pit_command, definition) == 64, "line 1 starts on its own cache line");

/* How many of the 128 bytes are in use: 64 or 128. */
static inline uint32_t pit_command_bytes(const struct pit_command *command)
{
    return (command->flags & PIT_COMMAND_WIDE) ? 128u : 64u;
}

#endif
