/* pitline/types.h - the vocabulary shared by books, wire, client and market data: sides, times in force, reasons,
 * limits.
 *
 * The numbers are stable: they stand in journals, on the wire and in shared memory.
 */
#ifndef PITLINE_TYPES_H
#define PITLINE_TYPES_H

#include <stdint.h>

/* Prices are int64 ticks, quantities uint64 lots. The margins keep every sum of two within 64 bits. */
#define PIT_PRICE_MAX (INT64_MAX / 4)
#define PIT_PRICE_MIN (-PIT_PRICE_MAX)
#define PIT_QUANTITY_MAX (UINT64_C(1) << 62)

#define PIT_SYMBOLS_MAX 65536u    /* symbol ids are 0 .. PIT_SYMBOLS_MAX - 1, dense in order of definition */
#define PIT_SYMBOL_NAME_BYTES 16u /* with the closing zero */
#define PIT_ORDERS_MAX (1u << 27) /* resting orders in one symbol */
#define PIT_LEVELS_MAX (1u << 24) /* prices with resting orders in one symbol */
#define PIT_DECIMALS_MAX 12u      /* digits after the point in a tick or lot size */

enum pit_side { PIT_SIDE_BUY = 0, PIT_SIDE_SELL = 1 };

enum pit_tif {
    PIT_TIF_GTC = 0, /* rests until cancelled */
    PIT_TIF_IOC = 1, /* what does not trade at once is cancelled */
    PIT_TIF_FOK = 2, /* trades wholly at once or not at all */
};

enum pit_trading_state {
    PIT_STATE_OPEN = 0,
    PIT_STATE_HALTED = 1, /* new orders and replaces are rejected; cancels and reduces work */
};

/* Why a command was refused or an order left. The numbers are stable: they are on the wire and in journals' digests. */
enum pit_reason {
    PIT_REASON_NONE = 0,
    /* why an order was cancelled */
    PIT_REASON_REQUESTED = 1, /* its owner asked */
    PIT_REASON_IOC_REMAINDER = 2,
    PIT_REASON_FOK_UNFILLABLE = 3,
    /* refused by the book */
    PIT_REASON_UNKNOWN_SYMBOL = 10,
    PIT_REASON_UNKNOWN_ORDER = 11, /* no such live order, or not this account's: the two look the same outside */
    PIT_REASON_DUPLICATE_ID = 12,  /* client_id is live already */
    PIT_REASON_BAD_SIDE = 13,
    PIT_REASON_BAD_TIF = 14,
    PIT_REASON_BAD_FLAGS = 15,    /* unknown bits, or a combination that has no meaning */
    PIT_REASON_BAD_QUANTITY = 16, /* zero, or above the symbol's quantity_max */
    PIT_REASON_PRICE_OUT_OF_BAND = 17,
    PIT_REASON_WOULD_TRADE = 18, /* post-only */
    PIT_REASON_BOOK_FULL = 19,   /* orders_max rest already */
    PIT_REASON_LEVELS_FULL = 20, /* levels_max prices are in use */
    PIT_REASON_HALTED = 21,
    PIT_REASON_BAD_KIND = 22,
    PIT_REASON_BAD_DEFINITION = 23, /* a field out of range, or a change of anything but the price band */
    PIT_REASON_BAD_STATE = 24,
    PIT_REASON_BAD_ACCOUNT = 25, /* account 0 */
    /* refused by the gateway: these never reach the journal */
    PIT_REASON_THROTTLED = 40,
    PIT_REASON_OVERLOADED = 41,    /* the pipeline does not keep up */
    PIT_REASON_NOT_PERMITTED = 42, /* only operators may do that */
    PIT_REASON_SHUTTING_DOWN = 43,
    PIT_REASON_BAD_REQUEST = 44, /* a field out of its range */
    PIT_REASON_DISK_FULL = 45,   /* there is no room in the journal; cancels may still be taken */
    PIT_REASON_NOT_LEADER = 46,  /* another node of the cluster takes orders now */
    /* about a request that was sent again (docs/wire.md, "Exactly once") */
    PIT_REASON_NOT_TAKEN = 47, /* it never entered the pipeline, and its number was passed over */
    PIT_REASON_NOT_KEPT = 48,  /* what became of it is not known any more */
};

/* Request numbers go round: after 4294967295 comes 1, 0 is none. Whether one comes after another (0 = there was none
 * before): it is at most 2147483647 ahead. */
static inline int pit_request_after(uint32_t request, uint32_t before)
{
    return before == 0 || (int32_t)(request - before) > 0;
}

/* The number after a request's. */
static inline uint32_t pit_request_next(uint32_t request)
{
    return request == UINT32_MAX ? 1 : request + 1;
}

#ifdef __cplusplus
extern "C" {
#endif

/* The field's word for each, for people and JSON: "buy", "ioc", "unknown_order". "?" for a number that is none. */
const char *pit_side_name(enum pit_side side);
const char *pit_tif_name(enum pit_tif tif);
const char *pit_trading_state_name(enum pit_trading_state state);
const char *pit_reason_name(enum pit_reason reason);
const char *pit_message_kind_name(uint32_t kind); /* of the wire (docs/wire.md): "new", "replace" */

#ifdef __cplusplus
}
#endif

#endif
