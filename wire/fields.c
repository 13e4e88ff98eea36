/* wire/fields.c - the fields of every message with their ranges; docs/wire.md says the same in prose. */
#include "wire/fields.h"

#include <stddef.h>

#include "book/event.h"

_Static_assert(sizeof(enum pit_side) == 4 && sizeof(enum pit_reason) == 4, "enums are stored as 32 bits");
_Static_assert((PIT_REPORT_FLAGS) == (PIT_EVENT_RESTS | PIT_EVENT_LAST | PIT_EVENT_KEPT), "reports carry these flags");

#define AT(member) offsetof(struct pit_message, member)
#define U8(member, least, most)                                                                                        \
    {                                                                                                                  \
#member, least, most, AT(member), PIT_FIELD_U8                                                                 \
    }
#define FLAGS(mask)                                                                                                    \
    {                                                                                                                  \
        "flags", 0, mask, AT(flags), PIT_FIELD_FLAGS                                                                   \
    }
#define U32(member, least, most)                                                                                       \
    {                                                                                                                  \
#member, least, most, AT(member), PIT_FIELD_U32                                                                \
    }
#define U64(member, least, most)                                                                                       \
    {                                                                                                                  \
#member, least, most, AT(member), PIT_FIELD_U64                                                                \
    }

#define REQUEST U32(request, 1, UINT32_MAX)
#define SYMBOL U32(symbol, 0, PIT_SYMBOLS_MAX - 1)
#define ORDER_ID U64(order_id, 0, UINT64_MAX)
#define CLIENT_ID U64(client_id, 0, UINT64_MAX)
#define SIDE U32(side, PIT_SIDE_BUY, PIT_SIDE_SELL)
#define STATE U32(state, PIT_STATE_OPEN, PIT_STATE_HALTED)
#define QUANTITY U64(quantity, 0, PIT_QUANTITY_MAX)
#define PRICE(member)                                                                                                  \
    {                                                                                                                  \
#member, PIT_PRICE_MIN, PIT_PRICE_MAX, AT(member), PIT_FIELD_I64                                               \
    }
#define VERSION U32(version, 0, UINT32_MAX)
#define ACCOUNT U32(account, 1, UINT32_MAX)
#define NAME                                                                                                           \
    {                                                                                                                  \
        "name", 0, PIT_WIRE_NAME_BYTES - 1, AT(name), PIT_FIELD_TEXT                                                   \
    }
#define REASON U32(reason, 0, UINT8_MAX)

#define REPORT                                                                                                         \
    U32(request, 0, UINT32_MAX), U64(sequence, 0, UINT64_MAX), U64(time_ns, 0, UINT64_MAX), SYMBOL, ORDER_ID,          \
        CLIENT_ID, FLAGS(PIT_REPORT_FLAGS)

static const struct pit_field logon[] = {VERSION, ACCOUNT, NAME};
static const struct pit_field proof[] = {{"proof", 0, PIT_WIRE_PROOF_BYTES, AT(proof), PIT_FIELD_BYTES}};
static const struct pit_field new[] = {REQUEST,
                                       SYMBOL,
                                       CLIENT_ID,
                                       SIDE,
                                       U32(tif, PIT_TIF_GTC, PIT_TIF_FOK),
                                       FLAGS(PIT_COMMAND_MARKET | PIT_COMMAND_POST_ONLY),
                                       PRICE(price),
                                       QUANTITY};
static const struct pit_field cancel[] = {REQUEST, SYMBOL, ORDER_ID, CLIENT_ID};
static const struct pit_field reduce[] = {REQUEST, SYMBOL, ORDER_ID, CLIENT_ID, QUANTITY};
static const struct pit_field replace[] = {REQUEST,      SYMBOL,  ORDER_ID, CLIENT_ID, FLAGS(PIT_COMMAND_POST_ONLY),
                                           PRICE(price), QUANTITY};
static const struct pit_field state[] = {REQUEST, SYMBOL, STATE};
static const struct pit_field heartbeat[] = {U64(token, 0, UINT64_MAX)};
static const struct pit_field challenge[] = {
    VERSION, {"nonce", 0, PIT_WIRE_NONCE_BYTES, AT(nonce), PIT_FIELD_BYTES}, FLAGS(PIT_CHALLENGE_PROOF)};
static const struct pit_field welcome[] = {ACCOUNT, U32(symbols, 0, PIT_SYMBOLS_MAX), U32(heartbeat_ms, 0, UINT32_MAX),
                                           U32(rate, 0, UINT32_MAX), NAME};
static const struct pit_field symbol[] = {SYMBOL,
                                          {"name", 1, PIT_SYMBOL_NAME_BYTES - 1, AT(name), PIT_FIELD_WORD},
                                          U32(tick_mantissa, 1, UINT32_MAX),
                                          U8(tick_decimals, 0, PIT_DECIMALS_MAX),
                                          U32(lot_mantissa, 1, UINT32_MAX),
                                          U8(lot_decimals, 0, PIT_DECIMALS_MAX),
                                          PRICE(price_min),
                                          PRICE(price_max),
                                          U64(quantity_max, 1, PIT_QUANTITY_MAX)};
static const struct pit_field accepted[] = {REPORT, SIDE, PRICE(price), QUANTITY};
static const struct pit_field rejected[] = {REPORT, U8(rejected_kind, 0, UINT8_MAX), REASON};
static const struct pit_field trade[] = {
    REPORT,   U32(number, 0, UINT32_MAX),      U8(liquidity, 0, 1), SIDE, PRICE(price),
    QUANTITY, U64(leaves, 0, PIT_QUANTITY_MAX)};
static const struct pit_field rested[] = {REPORT, SIDE, PRICE(price), QUANTITY};
static const struct pit_field cancelled[] = {REPORT, SIDE, REASON, PRICE(price), QUANTITY};
static const struct pit_field reduced[] = {REPORT, SIDE, PRICE(price), QUANTITY,
                                           U64(quantity_old, 0, PIT_QUANTITY_MAX)};
static const struct pit_field replaced[] = {
    REPORT, SIDE, PRICE(price), QUANTITY, PRICE(price_old), U64(quantity_old, 0, PIT_QUANTITY_MAX)};
static const struct pit_field state_changed[] = {REPORT, STATE};
static const struct pit_field bye[] = {REASON, {"text", 0, PIT_WIRE_TEXT_BYTES - 1, AT(text), PIT_FIELD_TEXT}};
static const struct pit_field resumed[] = {U32(request, 0, UINT32_MAX), U32(window, 1, UINT32_MAX)};
static const struct pit_field result[] = {REQUEST,
                                          U64(sequence, 0, UINT64_MAX),
                                          SYMBOL,
                                          ORDER_ID,
                                          U8(outcome, 0, PIT_MESSAGE_STATE_CHANGED),
                                          REASON,
                                          U64(traded, 0, PIT_QUANTITY_MAX),
                                          U64(open, 0, PIT_QUANTITY_MAX)};

#define SHAPE(list)                                                                                                    \
    {                                                                                                                  \
        list, sizeof(list) / sizeof(list)[0], true, false                                                              \
    }
#define REQUEST_SHAPE(list)                                                                                            \
    {                                                                                                                  \
        list, sizeof(list) / sizeof(list)[0], true, true                                                               \
    }

const struct pit_shape pit_shapes[PIT_SHAPES] = {
    [PIT_MESSAGE_LOGON] = SHAPE(logon),
    [PIT_MESSAGE_PROOF] = SHAPE(proof),
    [PIT_MESSAGE_NEW] = REQUEST_SHAPE(new),
    [PIT_MESSAGE_CANCEL] = REQUEST_SHAPE(cancel),
    [PIT_MESSAGE_REDUCE] = REQUEST_SHAPE(reduce),
    [PIT_MESSAGE_REPLACE] = REQUEST_SHAPE(replace),
    [PIT_MESSAGE_STATE] = REQUEST_SHAPE(state),
    [PIT_MESSAGE_HEARTBEAT] = SHAPE(heartbeat),
    [PIT_MESSAGE_LOGOUT] = {NULL, 0, true, false},
    [PIT_MESSAGE_RESUME] = {NULL, 0, true, false},
    [PIT_MESSAGE_CHALLENGE] = SHAPE(challenge),
    [PIT_MESSAGE_WELCOME] = SHAPE(welcome),
    [PIT_MESSAGE_SYMBOL] = SHAPE(symbol),
    [PIT_MESSAGE_ACCEPTED] = SHAPE(accepted),
    [PIT_MESSAGE_REJECTED] = SHAPE(rejected),
    [PIT_MESSAGE_TRADE] = SHAPE(trade),
    [PIT_MESSAGE_RESTED] = SHAPE(rested),
    [PIT_MESSAGE_CANCELLED] = SHAPE(cancelled),
    [PIT_MESSAGE_REDUCED] = SHAPE(reduced),
    [PIT_MESSAGE_REPLACED] = SHAPE(replaced),
    [PIT_MESSAGE_STATE_CHANGED] = SHAPE(state_changed),
    [PIT_MESSAGE_BYE] = SHAPE(bye),
    [PIT_MESSAGE_RESUMED] = SHAPE(resumed),
    [PIT_MESSAGE_RESULT] = SHAPE(result),
};
