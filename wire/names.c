/* wire/names.c - the field's words for the numbers of pitline/types.h and of the wire's messages. */
#include <stddef.h>

#include "pitline/types.h"
#include "wire/message.h"

#define NAME_OF(table, number) ((size_t)(number) < sizeof(table) / sizeof(table)[0] ? word(table[number]) : "?")

static const char *word(const char *name)
{
    return name ? name : "?";
}

const char *pit_side_name(enum pit_side side)
{
    static const char *const names[] = {[PIT_SIDE_BUY] = "buy", [PIT_SIDE_SELL] = "sell"};
    return NAME_OF(names, side);
}

const char *pit_tif_name(enum pit_tif tif)
{
    static const char *const names[] = {[PIT_TIF_GTC] = "gtc", [PIT_TIF_IOC] = "ioc", [PIT_TIF_FOK] = "fok"};
    return NAME_OF(names, tif);
}

const char *pit_trading_state_name(enum pit_trading_state state)
{
    static const char *const names[] = {[PIT_STATE_OPEN] = "open", [PIT_STATE_HALTED] = "halted"};
    return NAME_OF(names, state);
}

const char *pit_reason_name(enum pit_reason reason)
{
    static const char *const names[] = {
        [PIT_REASON_NONE] = "none",
        [PIT_REASON_REQUESTED] = "requested",
        [PIT_REASON_IOC_REMAINDER] = "ioc_remainder",
        [PIT_REASON_FOK_UNFILLABLE] = "fok_unfillable",
        [PIT_REASON_UNKNOWN_SYMBOL] = "unknown_symbol",
        [PIT_REASON_UNKNOWN_ORDER] = "unknown_order",
        [PIT_REASON_DUPLICATE_ID] = "duplicate_id",
        [PIT_REASON_BAD_SIDE] = "bad_side",
        [PIT_REASON_BAD_TIF] = "bad_tif",
        [PIT_REASON_BAD_FLAGS] = "bad_flags",
        [PIT_REASON_BAD_QUANTITY] = "bad_quantity",
        [PIT_REASON_PRICE_OUT_OF_BAND] = "price_out_of_band",
        [PIT_REASON_WOULD_TRADE] = "would_trade",
        [PIT_REASON_BOOK_FULL] = "book_full",
        [PIT_REASON_LEVELS_FULL] = "levels_full",
        [PIT_REASON_HALTED] = "halted",
        [PIT_REASON_BAD_KIND] = "bad_kind",
        [PIT_REASON_BAD_DEFINITION] = "bad_definition",
        [PIT_REASON_BAD_STATE] = "bad_state",
        [PIT_REASON_BAD_ACCOUNT] = "bad_account",
        [PIT_REASON_THROTTLED] = "throttled",
        [PIT_REASON_OVERLOADED] = "overloaded",
        [PIT_REASON_NOT_PERMITTED] = "not_permitted",
        [PIT_REASON_SHUTTING_DOWN] = "shutting_down",
        [PIT_REASON_BAD_REQUEST] = "bad_request",
        [PIT_REASON_DISK_FULL] = "disk_full",
        [PIT_REASON_NOT_LEADER] = "not_leader",
        [PIT_REASON_NOT_TAKEN] = "not_taken",
        [PIT_REASON_NOT_KEPT] = "not_kept",
    };
    return NAME_OF(names, reason);
}

const char *pit_message_kind_name(uint32_t kind)
{
    static const char *const names[] = {
        [PIT_MESSAGE_LOGON] = "logon",
        [PIT_MESSAGE_PROOF] = "proof",
        [PIT_MESSAGE_NEW] = "new",
        [PIT_MESSAGE_CANCEL] = "cancel",
        [PIT_MESSAGE_REDUCE] = "reduce",
        [PIT_MESSAGE_REPLACE] = "replace",
        [PIT_MESSAGE_STATE] = "state",
        [PIT_MESSAGE_HEARTBEAT] = "heartbeat",
        [PIT_MESSAGE_LOGOUT] = "logout",
        [PIT_MESSAGE_RESUME] = "resume",
        [PIT_MESSAGE_CHALLENGE] = "challenge",
        [PIT_MESSAGE_WELCOME] = "welcome",
        [PIT_MESSAGE_SYMBOL] = "symbol",
        [PIT_MESSAGE_ACCEPTED] = "accepted",
        [PIT_MESSAGE_REJECTED] = "rejected",
        [PIT_MESSAGE_TRADE] = "trade",
        [PIT_MESSAGE_RESTED] = "rested",
        [PIT_MESSAGE_CANCELLED] = "cancelled",
        [PIT_MESSAGE_REDUCED] = "reduced",
        [PIT_MESSAGE_REPLACED] = "replaced",
        [PIT_MESSAGE_STATE_CHANGED] = "state_changed",
        [PIT_MESSAGE_BYE] = "bye",
        [PIT_MESSAGE_RESUMED] = "resumed",
        [PIT_MESSAGE_RESULT] = "result",
    };
    return NAME_OF(names, kind);
}
