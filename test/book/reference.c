/* test/book/reference.c - the plain matcher. */
#include "test/book/reference.h"

#include <stdlib.h>
#include <string.h>

void reference_open(struct reference *reference, const struct pit_symbol_definition *definition)
{
    memset(reference, 0, sizeof *reference);
    if (definition->orders_max > REFERENCE_ORDERS)
        abort();
    reference->definition = *definition;
}

uint32_t reference_orders(const struct reference *reference)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < reference->definition.orders_max; i++)
        count += reference->order[i].live;
    return count;
}

/* How many orders but `except` stand at a price. */
static uint32_t orders_at(const struct reference *reference, int64_t price, const struct reference_order *except)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < reference->definition.orders_max; i++) {
        const struct reference_order *order = &reference->order[i];
        count += order->live && order->price == price && order != except;
    }
    return count;
}

/* How many prices are in use if `except` is left out. */
static uint32_t levels_without(const struct reference *reference, const struct reference_order *except)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < reference->definition.orders_max; i++) {
        if (!reference->order[i].live || &reference->order[i] == except)
            continue;
        bool first = true;
        for (uint32_t j = 0; j < i; j++)
            if (reference->order[j].live && &reference->order[j] != except &&
                reference->order[j].price == reference->order[i].price)
                first = false;
        count += first;
    }
    return count;
}

uint32_t reference_levels(const struct reference *reference)
{
    return levels_without(reference, NULL);
}

const struct reference_order *reference_best(const struct reference *reference, uint8_t side)
{
    const struct reference_order *best = NULL;
    for (uint32_t i = 0; i < reference->definition.orders_max; i++) {
        const struct reference_order *order = &reference->order[i];
        if (!order->live || order->side != side)
            continue;
        if (!best)
            best = order;
        else if (order->price == best->price)
            best = order->arrival < best->arrival ? order : best;
        else if (side == PIT_SIDE_BUY ? order->price > best->price : order->price < best->price)
            best = order;
    }
    return best;
}

static struct reference_order *by_order_id(struct reference *reference, uint64_t order_id)
{
    for (uint32_t i = 0; i < reference->definition.orders_max; i++)
        if (reference->order[i].live && reference->order[i].order_id == order_id)
            return &reference->order[i];
    return NULL;
}

static struct reference_order *by_client_id(struct reference *reference, uint32_t account, uint64_t client_id)
{
    for (uint32_t i = 0; i < reference->definition.orders_max && client_id; i++)
        if (reference->order[i].live && reference->order[i].account == account &&
            reference->order[i].client_id == client_id)
            return &reference->order[i];
    return NULL;
}

static struct reference_order *find(struct reference *reference, const struct pit_command *command)
{
    if (!command->order_id)
        return by_client_id(reference, command->account, command->client_id);
    struct reference_order *order = by_order_id(reference, command->order_id);
    return order && order->account == command->account ? order : NULL;
}

static struct pit_event *emit(struct reference *reference, const struct pit_command *command, uint8_t kind)
{
    struct pit_event *event = &reference->event[reference->events++];
    memset(event, 0, sizeof *event);
    event->kind = kind;
    event->sequence = command->sequence;
    event->time_ns = command->time_ns;
    event->symbol = command->symbol;
    event->request = command->request;
    return event;
}

static struct pit_event *emit_order(struct reference *reference, const struct pit_command *command, uint8_t kind,
                                    const struct reference_order *order)
{
    struct pit_event *event = emit(reference, command, kind);
    event->order_id = order->order_id;
    event->client_id = order->client_id;
    event->price = order->price;
    event->quantity = order->quantity;
    event->account = order->account;
    event->side = order->side;
    return event;
}

static void reject(struct reference *reference, const struct pit_command *command, uint8_t reason)
{
    struct pit_event *event = emit(reference, command, PIT_EVENT_REJECTED);
    event->order_id = command->order_id;
    event->client_id = command->client_id;
    event->price = command->price;
    event->quantity = command->quantity;
    event->account = command->account;
    event->side = command->kind;
    event->reason = reason;
}

static bool reaches(const struct reference_order *order, int64_t limit, bool market, int64_t price)
{
    return market || (order->side == PIT_SIDE_BUY ? limit >= price : limit <= price);
}

static bool would_trade(const struct reference *reference, const struct reference_order *order, bool market)
{
    const struct reference_order *best = reference_best(reference, !order->side);
    return best && reaches(order, order->price, market, best->price);
}

static void trade(struct reference *reference, const struct pit_command *command, struct reference_order *taker,
                  bool market)
{
    for (uint32_t number = 0; taker->quantity && would_trade(reference, taker, market); number++) {
        struct reference_order *maker = (struct reference_order *)reference_best(reference, !taker->side);
        uint64_t quantity = maker->quantity < taker->quantity ? maker->quantity : taker->quantity;
        maker->quantity -= quantity;
        taker->quantity -= quantity;
        maker->live = maker->quantity > 0;
        struct pit_event *event = emit_order(reference, command, PIT_EVENT_TRADE, maker);
        event->quantity = quantity;
        event->side = taker->side;
        event->flags = PIT_EVENT_WIDE | (taker->quantity ? 0 : PIT_EVENT_TAKER_DONE);
        event->command = command->sequence;
        event->leaves = maker->quantity;
        event->taker_order_id = taker->order_id;
        event->taker_client_id = taker->client_id;
        event->taker_leaves = taker->quantity;
        event->taker_account = taker->account;
        event->number = number;
    }
}

static void rest(struct reference *reference, struct reference_order order)
{
    uint32_t i = 0;
    while (reference->order[i].live)
        i++;
    order.live = true;
    order.arrival = reference->arrivals++;
    reference->order[i] = order;
}

/* What the other side offers within the order's limit, counted only until it is enough. */
static bool fillable(const struct reference *reference, const struct reference_order *order, bool market)
{
    uint64_t wanted = order->quantity;
    for (uint32_t i = 0; i < reference->definition.orders_max; i++) {
        const struct reference_order *other = &reference->order[i];
        if (!other->live || other->side == order->side || !reaches(order, order->price, market, other->price))
            continue;
        if (other->quantity >= wanted)
            return true;
        wanted -= other->quantity;
    }
    return false;
}

static uint8_t refuse_new(struct reference *reference, const struct pit_command *command,
                          const struct reference_order *order)
{
    const struct pit_symbol_definition *definition = &reference->definition;
    const bool market = command->flags & PIT_COMMAND_MARKET, post_only = command->flags & PIT_COMMAND_POST_ONLY;
    const uint8_t unknown = command->flags & (uint8_t) ~(PIT_COMMAND_MARKET | PIT_COMMAND_POST_ONLY | PIT_COMMAND_WIDE);
    if (command->account == 0)
        return PIT_REASON_BAD_ACCOUNT;
    if (command->side != PIT_SIDE_BUY && command->side != PIT_SIDE_SELL)
        return PIT_REASON_BAD_SIDE;
    if (command->tif != PIT_TIF_GTC && command->tif != PIT_TIF_IOC && command->tif != PIT_TIF_FOK)
        return PIT_REASON_BAD_TIF;
    if (unknown || (market && post_only) || (post_only && command->tif != PIT_TIF_GTC))
        return PIT_REASON_BAD_FLAGS;
    if (market && command->tif == PIT_TIF_GTC)
        return PIT_REASON_BAD_TIF;
    if (command->quantity == 0 || command->quantity > definition->quantity_max)
        return PIT_REASON_BAD_QUANTITY;
    if (!market && (command->price < definition->price_min || command->price > definition->price_max))
        return PIT_REASON_PRICE_OUT_OF_BAND;
    if (reference->state == PIT_STATE_HALTED)
        return PIT_REASON_HALTED;
    if (by_client_id(reference, command->account, command->client_id))
        return PIT_REASON_DUPLICATE_ID;
    if (command->tif != PIT_TIF_GTC)
        return PIT_REASON_NONE;
    if (by_order_id(reference, command->sequence))
        return PIT_REASON_DUPLICATE_ID;
    if (post_only && would_trade(reference, order, false))
        return PIT_REASON_WOULD_TRADE;
    if (reference_orders(reference) == definition->orders_max)
        return PIT_REASON_BOOK_FULL;
    if (!orders_at(reference, command->price, NULL) && reference_levels(reference) == definition->levels_max)
        return PIT_REASON_LEVELS_FULL;
    return PIT_REASON_NONE;
}

static void apply_new(struct reference *reference, const struct pit_command *command)
{
    const bool market = command->flags & PIT_COMMAND_MARKET;
    struct reference_order order = {
        .order_id = command->sequence,
        .client_id = command->client_id,
        .quantity = command->quantity,
        .price = market ? 0 : command->price,
        .account = command->account,
        .side = command->side,
    };
    const uint8_t reason = refuse_new(reference, command, &order);
    if (reason) {
        reject(reference, command, reason);
        return;
    }
    struct pit_event *accepted = emit_order(reference, command, PIT_EVENT_ACCEPTED, &order);
    if (command->tif == PIT_TIF_GTC && !would_trade(reference, &order, market)) {
        accepted->flags = PIT_EVENT_RESTS;
        rest(reference, order);
        return;
    }
    if (command->tif == PIT_TIF_FOK && !fillable(reference, &order, market)) {
        emit_order(reference, command, PIT_EVENT_CANCELLED, &order)->reason = PIT_REASON_FOK_UNFILLABLE;
        return;
    }
    trade(reference, command, &order, market);
    if (!order.quantity)
        return;
    if (command->tif == PIT_TIF_GTC) {
        emit_order(reference, command, PIT_EVENT_RESTED, &order);
        rest(reference, order);
    } else {
        emit_order(reference, command, PIT_EVENT_CANCELLED, &order)->reason = PIT_REASON_IOC_REMAINDER;
    }
}

static void apply_cancel(struct reference *reference, const struct pit_command *command)
{
    struct reference_order *order = find(reference, command);
    if (command->account == 0) {
        reject(reference, command, PIT_REASON_BAD_ACCOUNT);
    } else if (command->flags & 0x7f) {
        reject(reference, command, PIT_REASON_BAD_FLAGS);
    } else if (command->kind == PIT_COMMAND_REDUCE && !command->quantity) {
        reject(reference, command, PIT_REASON_BAD_QUANTITY);
    } else if (!order) {
        reject(reference, command, PIT_REASON_UNKNOWN_ORDER);
    } else if (command->kind == PIT_COMMAND_CANCEL || command->quantity >= order->quantity) {
        emit_order(reference, command, PIT_EVENT_CANCELLED, order)->reason = PIT_REASON_REQUESTED;
        order->live = false;
    } else {
        const uint64_t before = order->quantity;
        order->quantity -= command->quantity;
        struct pit_event *event = emit_order(reference, command, PIT_EVENT_REDUCED, order);
        event->flags = PIT_EVENT_WIDE;
        event->command = command->sequence;
        event->quantity_old = before;
    }
}

static uint8_t refuse_replace(struct reference *reference, const struct pit_command *command,
                              const struct reference_order *order)
{
    const struct pit_symbol_definition *definition = &reference->definition;
    if (command->account == 0)
        return PIT_REASON_BAD_ACCOUNT;
    if (command->flags & 0x7f & ~PIT_COMMAND_POST_ONLY)
        return PIT_REASON_BAD_FLAGS;
    if (command->quantity == 0 || command->quantity > definition->quantity_max)
        return PIT_REASON_BAD_QUANTITY;
    if (command->price < definition->price_min || command->price > definition->price_max)
        return PIT_REASON_PRICE_OUT_OF_BAND;
    if (reference->state == PIT_STATE_HALTED)
        return PIT_REASON_HALTED;
    if (!order)
        return PIT_REASON_UNKNOWN_ORDER;
    struct reference_order moved = *order;
    moved.price = command->price;
    if ((command->flags & PIT_COMMAND_POST_ONLY) && would_trade(reference, &moved, false))
        return PIT_REASON_WOULD_TRADE;
    if (moved.price != order->price && !orders_at(reference, moved.price, order) &&
        levels_without(reference, order) == definition->levels_max)
        return PIT_REASON_LEVELS_FULL;
    return PIT_REASON_NONE;
}

static void apply_replace(struct reference *reference, const struct pit_command *command)
{
    struct reference_order *old = find(reference, command);
    const uint8_t reason = refuse_replace(reference, command, old);
    if (reason) {
        reject(reference, command, reason);
        return;
    }
    const struct reference_order before = *old;
    struct reference_order order = before;
    order.price = command->price;
    order.quantity = command->quantity;
    struct pit_event *replaced = emit_order(reference, command, PIT_EVENT_REPLACED, &order);
    replaced->command = command->sequence;
    replaced->quantity_old = before.quantity;
    replaced->price_old = before.price;
    if (order.price == before.price && order.quantity <= before.quantity) {
        replaced->flags = PIT_EVENT_WIDE | PIT_EVENT_RESTS | PIT_EVENT_KEPT;
        old->quantity = order.quantity;
        return;
    }
    old->live = false;
    if (!would_trade(reference, &order, false)) {
        replaced->flags = PIT_EVENT_WIDE | PIT_EVENT_RESTS;
        rest(reference, order);
        return;
    }
    replaced->flags = PIT_EVENT_WIDE;
    trade(reference, command, &order, false);
    if (order.quantity) {
        emit_order(reference, command, PIT_EVENT_RESTED, &order);
        rest(reference, order);
    }
}

static void apply_symbol(struct reference *reference, const struct pit_command *command)
{
    struct pit_symbol_definition wanted = command->definition;
    if (command->flags != PIT_COMMAND_WIDE) {
        reject(reference, command, PIT_REASON_BAD_FLAGS);
        return;
    }
    const bool band_good =
        wanted.price_min >= PIT_PRICE_MIN && wanted.price_max <= PIT_PRICE_MAX && wanted.price_min <= wanted.price_max;
    wanted.price_min = reference->definition.price_min;
    wanted.price_max = reference->definition.price_max;
    if (!band_good || memcmp(&wanted, &reference->definition, sizeof wanted) != 0) {
        reject(reference, command, PIT_REASON_BAD_DEFINITION);
        return;
    }
    reference->definition = command->definition;
    struct pit_event *event = emit(reference, command, PIT_EVENT_DEFINED);
    event->account = command->account;
    event->flags = PIT_EVENT_WIDE;
    event->definition = command->definition;
}

static void apply_state(struct reference *reference, const struct pit_command *command)
{
    if (command->flags & 0x7f) {
        reject(reference, command, PIT_REASON_BAD_FLAGS);
    } else if (command->quantity != PIT_STATE_OPEN && command->quantity != PIT_STATE_HALTED) {
        reject(reference, command, PIT_REASON_BAD_STATE);
    } else {
        reference->state = command->quantity;
        struct pit_event *event = emit(reference, command, PIT_EVENT_STATE);
        event->account = command->account;
        event->quantity = command->quantity;
    }
}

void reference_apply(struct reference *reference, const struct pit_command *command)
{
    reference->events = 0;
    switch (command->kind) {
    case PIT_COMMAND_NEW:
        apply_new(reference, command);
        break;
    case PIT_COMMAND_CANCEL:
    case PIT_COMMAND_REDUCE:
        apply_cancel(reference, command);
        break;
    case PIT_COMMAND_REPLACE:
        apply_replace(reference, command);
        break;
    case PIT_COMMAND_SYMBOL:
        apply_symbol(reference, command);
        break;
    case PIT_COMMAND_STATE:
        apply_state(reference, command);
        break;
    default:
        reject(reference, command, PIT_REASON_BAD_KIND);
        break;
    }
    reference->event[reference->events - 1].flags |= PIT_EVENT_LAST;
}
