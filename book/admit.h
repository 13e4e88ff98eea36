/* book/admit.h - whether a command may be carried out, and on which order. For book.c only.
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
#ifndef PIT_BOOK_ADMIT_H
#define PIT_BOOK_ADMIT_H

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

/* True when all levels are in use and none has this price, on either side: an order that takes the other side's last
 * order at its price may rest there. */
static inline bool levels_full(const struct pit_book *book, int64_t price)
{
    return __builtin_expect(pit_book_levels_now(book) == book->definition.levels_max, 0) &&
           !pit_ladder_find(&book->ladder[PIT_SIDE_BUY], pit_rank(PIT_SIDE_BUY, price)) &&
           !pit_ladder_find(&book->ladder[PIT_SIDE_SELL], pit_rank(PIT_SIDE_SELL, price));
}

/* The order a CANCEL, REDUCE or REPLACE names, or 0. Somebody else's order is as good as none. */
static inline uint32_t find_named(const struct pit_book *book, const struct pit_command *command)
{
    if (command->order_id) {
        const uint32_t slot = pit_book_find_order_id(book, command->order_id);
        return slot && book->pool.order[slot].is.account == command->account ? slot : 0;
    }
    if (!command->client_id)
        return 0;
    const uint32_t hash = pit_book_client_hash(book, command->client_id, command->account);
    return pit_book_find_client_id(book, command->client_id, command->account, hash);
}

/* Side, time in force and flags: each in its range, and all of them together a meaning. */
static inline enum pit_reason admit_manner(const struct pit_command *command)
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

/* What a NEW says of itself, against what the symbol allows. */
static __attribute__((noinline)) enum pit_reason admit_new_fields(const struct pit_book *book,
                                                                  const struct pit_command *command)
{
    if (command->account == 0)
        return PIT_REASON_BAD_ACCOUNT;
    const enum pit_reason reason = admit_manner(command);
    if (reason != PIT_REASON_NONE)
        return reason;
    if (!quantity_good(book, command->quantity))
        return PIT_REASON_BAD_QUANTITY;
    if (!(command->flags & PIT_COMMAND_MARKET) && !in_band(book, command->price))
        return PIT_REASON_PRICE_OUT_OF_BAND;
    return book->state == PIT_STATE_OPEN ? PIT_REASON_NONE : PIT_REASON_HALTED;
}

_Static_assert(PIT_SIDE_BUY == 0 && PIT_SIDE_SELL == 1 && PIT_TIF_GTC == 0 && PIT_TIF_IOC == 1,
               "a side is one bit, and so is a time in force that is GTC or IOC");
_Static_assert(offsetof(struct pit_command, side) == offsetof(struct pit_command, kind) + 1 &&
                   offsetof(struct pit_command, tif) == offsetof(struct pit_command, kind) + 2 &&
                   offsetof(struct pit_command, flags) == offsetof(struct pit_command, kind) + 3,
               "kind, side, tif and flags are one word, in this order");

/* True for most NEWs: GTC or IOC without a flag, and nothing wrong with any field. Where it fails, admit_new_fields
 * says what it is, if anything. */
static inline bool pit_plain_and_good(const struct pit_book *book, const struct pit_command *command)
{
    const uint32_t may_be_set = 0xffu /* kind */ | PIT_SIDE_SELL << 8 | PIT_TIF_IOC << 16 | PIT_COMMAND_WIDE << 24;
    uint32_t manner;
    memcpy(&manner, &command->kind, sizeof manner);
    return (manner & ~may_be_set) == 0 && command->account != 0 && quantity_good(book, command->quantity) &&
           in_band(book, command->price) && book->state == PIT_STATE_OPEN;
}

/* Whether a NEW may come to rest. It is refused now if it could not: even when, as it happens, it would trade wholly.
 */
static __attribute__((noinline)) enum pit_reason admit_resting(const struct pit_book *book,
                                                               const struct pit_command *command)
{
    if (command->tif != PIT_TIF_GTC)
        return PIT_REASON_NONE;
    if (command->sequence <= book->newest && pit_book_find_order_id(book, command->sequence))
        return PIT_REASON_DUPLICATE_ID;
    if ((command->flags & PIT_COMMAND_POST_ONLY) && pit_book_crosses(book, command->side, command->price))
        return PIT_REASON_WOULD_TRADE;
    if (book->pool.count == book->pool.orders_max)
        return PIT_REASON_BOOK_FULL;
    if (levels_full(book, command->price))
        return PIT_REASON_LEVELS_FULL;
    return PIT_REASON_NONE;
}

/* False for most NEWs that are plain: they may rest, for nothing that admit_resting refuses can be the case. */
static inline bool resting_needs_a_look(const struct pit_book *book, const struct pit_command *command)
{
    return (command->sequence <= book->newest) | (book->pool.count == book->pool.orders_max) |
           (pit_book_levels_now(book) == book->definition.levels_max);
}

/* client_hash: of (account, client id), if the order has one. plain: pit_plain_and_good has said yes. */
static inline __attribute__((always_inline)) enum pit_reason
pit_admit_new(const struct pit_book *book, const struct pit_command *command, uint32_t client_hash, bool plain)
{
    if (!plain) {
        const enum pit_reason reason = admit_new_fields(book, command);
        if (reason != PIT_REASON_NONE)
            return reason;
    }
    if (command->client_id && pit_book_find_client_id(book, command->client_id, command->account, client_hash))
        return PIT_REASON_DUPLICATE_ID;
    if (!plain || __builtin_expect(resting_needs_a_look(book, command), 0))
        return admit_resting(book, command);
    return PIT_REASON_NONE;
}

static inline enum pit_reason pit_admit_cancel(const struct pit_book *book, const struct pit_command *command,
                                               uint32_t *slot)
{
    if (command->account == 0)
        return PIT_REASON_BAD_ACCOUNT;
    if (flags_of(command))
        return PIT_REASON_BAD_FLAGS;
    *slot = find_named(book, command);
    return *slot ? PIT_REASON_NONE : PIT_REASON_UNKNOWN_ORDER;
}

static inline enum pit_reason pit_admit_reduce(const struct pit_book *book, const struct pit_command *command,
                                               uint32_t *slot)
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

static inline enum pit_reason pit_admit_replace(const struct pit_book *book, const struct pit_command *command,
                                                uint32_t *slot)
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

    const struct pit_resting_order *order = &book->pool.order[*slot].is;
    if ((command->flags & PIT_COMMAND_POST_ONLY) && pit_book_crosses(book, order->side, command->price))
        return PIT_REASON_WOULD_TRADE;
    /* The order's own level is free for its new price when nobody else stands there. */
    if (levels_full(book, command->price)) {
        const struct pit_level *level =
            pit_ladder_level(&book->ladder[order->side], pit_rank(order->side, order->price));
        if (level->head != level->tail)
            return PIT_REASON_LEVELS_FULL;
    }
    return PIT_REASON_NONE;
}

static inline enum pit_reason pit_admit_symbol(const struct pit_book *book, const struct pit_command *command)
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

static inline enum pit_reason pit_admit_state(const struct pit_command *command)
{
    if (flags_of(command))
        return PIT_REASON_BAD_FLAGS;
    return command->quantity <= PIT_STATE_HALTED ? PIT_REASON_NONE : PIT_REASON_BAD_STATE;
}

#endif
