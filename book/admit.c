/* book/admit.c - whether a command may be carried out.
 *
 * A command is refused for the first of these that applies, in this order (the order is part of the event digest, and
 * so as fixed as the events are):
 *
 *   all       BAD_KIND, BAD_ACCOUNT (not SYMBOL, STATE)
 *   NEW       BAD_SIDE, BAD_TIF, BAD_FLAGS, BAD_QUANTITY, PRICE_OUT_OF_BAND, HALTED, DUPLICATE_ID, WOULD_TRADE,
 *             BOOK_FULL, LEVELS_FULL
 *   CANCEL    BAD_FLAGS, UNKNOWN_ORDER
 *   REDUCE    BAD_FLAGS, BAD_QUANTITY, UNKNOWN_ORDER
 *   REPLACE   BAD_FLAGS, BAD_QUANTITY, PRICE_OUT_OF_BAND, HALTED, UNKNOWN_ORDER, WOULD_TRADE, LEVELS_FULL
 *   SYMBOL    BAD_FLAGS, BAD_DEFINITION
 *   STATE     BAD_FLAGS, BAD_STATE
 *
 * Nothing has changed when a command is refused. A field that a kind of command has no use for is not looked at.
 */
#include <string.h>

#include "book/state.h"

static inline uint32_t flags_of(const struct pit_command *command)
{
    return command->flags & ~PIT_COMMAND_WIDE;
}

static inline bool in_band(const struct pit_book *book, int64_t price)
{
    return price >= book->definition.price_min && price <= book->definition.price_max;
}

static inline bool quantity_good(const struct pit_book *book, uint64_t quantity)
{
    return quantity - 1 < book->definition.quantity_max; /* 0 wraps */
}

/* True when all levels are in use and none has this price. */
static inline bool levels_full(const struct pit_book *book, int64_t price)
{
    return pit_price_index_count(book->index) == pit_price_index_levels_max(book->index) &&
           pit_price_index_find(book->index, price) == PIT_LEVEL_NONE;
}

struct key {
    const struct pit_order_pool *pool;
    uint64_t id;
    uint32_t account;
};

static bool has_order_id(const void *context, uint32_t slot)
{
    const struct key *key = context;
    return key->pool->order[slot].order_id == key->id;
}

static bool has_client_id(const void *context, uint32_t slot)
{
    const struct key *key = context;
    return key->pool->client_id[slot] == key->id && key->pool->order[slot].account == key->account;
}

static inline uint32_t find_order_id(const struct pit_book *book, uint64_t order_id)
{
    const struct key key = {.pool = &book->pool, .id = order_id};
    return pit_id_table_find(&book->by_order_id, pit_id_hash(&book->by_order_id, order_id, 0), has_order_id, &key);
}

static inline uint32_t find_client_id(const struct pit_book *book, uint32_t account, uint64_t client_id)
{
    const struct key key = {.pool = &book->pool, .id = client_id, .account = account};
    return pit_id_table_find(&book->by_client_id, pit_id_hash(&book->by_client_id, client_id, account), has_client_id,
                             &key);
}

/* The order a CANCEL, REDUCE or REPLACE names, or 0. Somebody else's order is as good as none. */
static inline uint32_t find_named(const struct pit_book *book, const struct pit_command *command)
{
    if (command->order_id) {
        uint32_t slot = find_order_id(book, command->order_id);
        return slot && book->pool.order[slot].account == command->account ? slot : 0;
    }
    return command->client_id ? find_client_id(book, command->account, command->client_id) : 0;
}

/* Side, time in force and flags: each in its range, and all of them together a meaning. */
static enum pit_reason admit_manner(const struct pit_command *command)
{
    const uint32_t flags = flags_of(command);
    if (command->side > PIT_SIDE_SELL)
        return PIT_REASON_BAD_SIDE;
    if (command->tif > PIT_TIF_FOK || (command->tif == PIT_TIF_GTC && flags == PIT_COMMAND_MARKET))
        return PIT_REASON_BAD_TIF;
    if (flags == (PIT_COMMAND_MARKET | PIT_COMMAND_POST_ONLY) || flags > PIT_COMMAND_POST_ONLY)
        return PIT_REASON_BAD_FLAGS;
    if (flags == PIT_COMMAND_POST_ONLY && command->tif != PIT_TIF_GTC)
        return PIT_REASON_BAD_FLAGS;
    return PIT_REASON_NONE;
}

enum pit_reason pit_admit_new(const struct pit_book *book, const struct pit_command *command)
{
    if (command->account == 0)
        return PIT_REASON_BAD_ACCOUNT;
    enum pit_reason reason = admit_manner(command);
    if (reason != PIT_REASON_NONE)
        return reason;
    if (!quantity_good(book, command->quantity))
        return PIT_REASON_BAD_QUANTITY;
    if (!(command->flags & PIT_COMMAND_MARKET) && !in_band(book, command->price))
        return PIT_REASON_PRICE_OUT_OF_BAND;
    if (book->state != PIT_STATE_OPEN)
        return PIT_REASON_HALTED;
    if (command->client_id && find_client_id(book, command->account, command->client_id))
        return PIT_REASON_DUPLICATE_ID;
    if (command->tif != PIT_TIF_GTC)
        return PIT_REASON_NONE;

    /* It may come to rest, and is refused now if it could not: even when, as it happens, it would trade wholly. */
    if (find_order_id(book, command->sequence))
        return PIT_REASON_DUPLICATE_ID;
    if ((command->flags & PIT_COMMAND_POST_ONLY) && pit_book_crosses(book, command->side, command->price))
        return PIT_REASON_WOULD_TRADE;
    if (book->pool.count == book->pool.orders_max)
        return PIT_REASON_BOOK_FULL;
    if (levels_full(book, command->price))
        return PIT_REASON_LEVELS_FULL;
    return PIT_REASON_NONE;
}

enum pit_reason pit_admit_cancel(const struct pit_book *book, const struct pit_command *command, uint32_t *slot)
{
    if (command->account == 0)
        return PIT_REASON_BAD_ACCOUNT;
    if (flags_of(command))
        return PIT_REASON_BAD_FLAGS;
    *slot = find_named(book, command);
    return *slot ? PIT_REASON_NONE : PIT_REASON_UNKNOWN_ORDER;
}

enum pit_reason pit_admit_reduce(const struct pit_book *book, const struct pit_command *command, uint32_t *slot)
{
    if (command->account == 0)
        return PIT_REASON_BAD_ACCOUNT;
    if (flags_of(command))
        return PIT_REASON_BAD_FLAGS;
    if (command->quantity == 0)
        return PIT_REASON_BAD_QUANTITY;
    *slot = find_named(book, command);
    return *slot ? PIT_REASON_NONE : PIT_REASON_UNKNOWN_ORDER;
}

enum pit_reason pit_admit_replace(const struct pit_book *book, const struct pit_command *command, uint32_t *slot)
{
    if (command->account == 0)
        return PIT_REASON_BAD_ACCOUNT;
    if (flags_of(command) & ~PIT_COMMAND_POST_ONLY)
        return PIT_REASON_BAD_FLAGS;
    if (!quantity_good(book, command->quantity))
        return PIT_REASON_BAD_QUANTITY;
    if (!in_band(book, command->price))
        return PIT_REASON_PRICE_OUT_OF_BAND;
    if (book->state != PIT_STATE_OPEN)
        return PIT_REASON_HALTED;
    *slot = find_named(book, command);
    if (!*slot)
        return PIT_REASON_UNKNOWN_ORDER;

    const struct pit_order *order = &book->pool.order[*slot];
    if ((command->flags & PIT_COMMAND_POST_ONLY) && pit_book_crosses(book, pit_order_side(order), command->price))
        return PIT_REASON_WOULD_TRADE;
    /* The order's own level is free for its new price when nobody else stands there. */
    const struct pit_level *level = &book->level[pit_order_level(order)];
    if (level->head != level->tail && levels_full(book, command->price))
        return PIT_REASON_LEVELS_FULL;
    return PIT_REASON_NONE;
}

static bool definition_text_good(const char name[PIT_SYMBOL_NAME_BYTES])
{
    uint32_t length = 0;
    while (length < PIT_SYMBOL_NAME_BYTES && name[length] > ' ' && name[length] <= '~')
        length++;
    if (length == 0)
        return false;
    for (uint32_t i = length; i < PIT_SYMBOL_NAME_BYTES; i++)
        if (name[i] != 0)
            return false;
    return length < PIT_SYMBOL_NAME_BYTES;
}

bool pit_symbol_definition_valid(const struct pit_symbol_definition *definition)
{
    static const uint8_t zero[sizeof definition->zero];
    return definition_text_good(definition->name) && definition->price_min >= PIT_PRICE_MIN &&
           definition->price_min <= definition->price_max && definition->price_max <= PIT_PRICE_MAX &&
           definition->quantity_max >= 1 && definition->quantity_max <= PIT_QUANTITY_MAX &&
           definition->orders_max >= 1 && definition->orders_max <= PIT_ORDERS_MAX && definition->levels_max >= 1 &&
           definition->levels_max <= PIT_LEVELS_MAX && definition->tick_mantissa >= 1 &&
           definition->lot_mantissa >= 1 && definition->tick_decimals <= PIT_DECIMALS_MAX &&
           definition->lot_decimals <= PIT_DECIMALS_MAX && memcmp(definition->zero, zero, sizeof zero) == 0;
}

enum pit_reason pit_admit_symbol(const struct pit_book *book, const struct pit_command *command)
{
    if (command->flags != PIT_COMMAND_WIDE)
        return PIT_REASON_BAD_FLAGS;
    if (!pit_symbol_definition_valid(&command->definition))
        return PIT_REASON_BAD_DEFINITION;
    struct pit_symbol_definition same = command->definition;
    same.price_min = book->definition.price_min;
    same.price_max = book->definition.price_max;
    return memcmp(&same, &book->definition, sizeof same) == 0 ? PIT_REASON_NONE : PIT_REASON_BAD_DEFINITION;
}

enum pit_reason pit_admit_state(const struct pit_command *command)
{
    if (flags_of(command))
        return PIT_REASON_BAD_FLAGS;
    return command->quantity <= PIT_STATE_HALTED ? PIT_REASON_NONE : PIT_REASON_BAD_STATE;
}
