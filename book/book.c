/* book/book.c - one command in, its events out. */
#include "book/book.h"

#include "book/report.h"
#include "book/state.h"

/* Where the parts of a book lie in its block, in bytes from its start. What create writes comes first, so that a symbol
 * nobody trades costs one page. */
struct layout {
    size_t index;
    size_t level;
    size_t order;
    size_t client_id;
    size_t by_order_id;
    size_t by_client_id;
    size_t bytes;
};

static size_t part(size_t *end, size_t bytes)
{
    size_t start = *end;
    *end = (start + bytes + 63) & ~(size_t)63;
    return start;
}

static struct layout layout_of(const struct pit_symbol_definition *definition)
{
    const size_t slots = (size_t)definition->orders_max + 1; /* slot 0 is nobody */
    struct layout layout = {0};
    size_t end = 0;
    part(&end, sizeof(struct pit_book));
    layout.index = part(&end, pit_price_index_bytes(definition->levels_max));
    layout.level = part(&end, sizeof(struct pit_level) * definition->levels_max);
    layout.order = part(&end, sizeof(struct pit_order) * slots);
    layout.client_id = part(&end, sizeof(uint64_t) * slots);
    layout.by_order_id = part(&end, pit_id_table_bytes(definition->orders_max));
    layout.by_client_id = part(&end, pit_id_table_bytes(definition->orders_max));
    layout.bytes = end;
    return layout;
}

size_t pit_book_bytes(const struct pit_symbol_definition *definition)
{
    return layout_of(definition).bytes;
}

struct pit_book *pit_book_create(void *memory, uint32_t symbol, const struct pit_symbol_definition *definition,
                                 uint64_t secret)
{
    PIT_CHECK(pit_symbol_definition_valid(definition));
    const struct layout layout = layout_of(definition);
    uint8_t *at = memory;
    struct pit_book *book = memory;
    book->symbol = symbol;
    book->state = PIT_STATE_OPEN;
    book->definition = *definition;
    book->best_price[PIT_SIDE_BUY] = NO_BID;
    book->best_price[PIT_SIDE_SELL] = NO_ASK;
    book->best[PIT_SIDE_BUY] = book->best[PIT_SIDE_SELL] = PIT_LEVEL_NONE;
    book->level = (struct pit_level *)(at + layout.level);
    book->index = pit_price_index_create(at + layout.index, definition->levels_max);
    book->pool.order = (struct pit_order *)(at + layout.order);
    book->pool.client_id = (uint64_t *)(at + layout.client_id);
    book->pool.orders_max = definition->orders_max;
    pit_id_table_create(&book->by_order_id, at + layout.by_order_id, definition->orders_max, secret);
    pit_id_table_create(&book->by_client_id, at + layout.by_client_id, definition->orders_max, secret);
    return book;
}

/* Rests what an aggressor has left, as a new order. */
static void rest_remainder(struct pit_book *book, const struct pit_command *command,
                           const struct pit_resting_order *aggressor, struct pit_event_sink *sink)
{
    pit_book_rest(book, aggressor);
    pit_report(sink, command, aggressor, PIT_EVENT_RESTED, PIT_REASON_NONE, PIT_EVENT_LAST);
}

static void apply_new(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    const enum pit_reason refusal = pit_admit_new(book, command);
    if (refusal != PIT_REASON_NONE) {
        pit_report_rejected(sink, command, refusal);
        return;
    }
    const bool market = command->flags & PIT_COMMAND_MARKET;
    struct pit_resting_order order = {
        .order_id = command->sequence,
        .client_id = command->client_id,
        .price = market ? 0 : command->price,
        .quantity = command->quantity,
        .account = command->account,
        .side = command->side,
    };
    int64_t limit = order.price;
    if (market)
        limit = command->side == PIT_SIDE_BUY ? PIT_PRICE_MAX : PIT_PRICE_MIN;

    if (command->tif == PIT_TIF_GTC && !pit_book_crosses(book, order.side, limit)) {
        pit_book_rest(book, &order);
        pit_report(sink, command, &order, PIT_EVENT_ACCEPTED, PIT_REASON_NONE, PIT_EVENT_RESTS | PIT_EVENT_LAST);
        return;
    }
    pit_report(sink, command, &order, PIT_EVENT_ACCEPTED, PIT_REASON_NONE, 0);
    if (command->tif == PIT_TIF_FOK && !pit_book_fillable(book, order.side, limit, order.quantity)) {
        pit_report(sink, command, &order, PIT_EVENT_CANCELLED, PIT_REASON_FOK_UNFILLABLE, PIT_EVENT_LAST);
        return;
    }
    pit_book_match(book, command, &order, limit, sink);
    if (!order.quantity)
        return;
    if (command->tif == PIT_TIF_GTC)
        rest_remainder(book, command, &order, sink);
    else
        pit_report(sink, command, &order, PIT_EVENT_CANCELLED, PIT_REASON_IOC_REMAINDER, PIT_EVENT_LAST);
}

static void cancel_whole(struct pit_book *book, const struct pit_command *command, uint32_t slot,
                         struct pit_event_sink *sink)
{
    const struct pit_resting_order order = pit_book_resting(book, slot);
    pit_book_remove(book, slot);
    pit_report(sink, command, &order, PIT_EVENT_CANCELLED, PIT_REASON_REQUESTED, PIT_EVENT_LAST);
}

static void apply_cancel(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    uint32_t slot;
    const enum pit_reason refusal = pit_admit_cancel(book, command, &slot);
    if (refusal != PIT_REASON_NONE)
        pit_report_rejected(sink, command, refusal);
    else
        cancel_whole(book, command, slot, sink);
}

static void apply_reduce(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    uint32_t slot;
    const enum pit_reason refusal = pit_admit_reduce(book, command, &slot);
    if (refusal != PIT_REASON_NONE) {
        pit_report_rejected(sink, command, refusal);
        return;
    }
    struct pit_order *order = &book->pool.order[slot];
    const uint64_t before = order->quantity;
    if (command->quantity >= before) {
        cancel_whole(book, command, slot, sink);
        return;
    }
    order->quantity -= command->quantity;
    const struct pit_resting_order reduced = pit_book_resting(book, slot);
    pit_report_change(sink, command, &reduced, PIT_EVENT_REDUCED, PIT_EVENT_LAST, before, 0);
}

static void apply_replace(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    uint32_t slot;
    const enum pit_reason refusal = pit_admit_replace(book, command, &slot);
    if (refusal != PIT_REASON_NONE) {
        pit_report_rejected(sink, command, refusal);
        return;
    }
    struct pit_resting_order order = pit_book_resting(book, slot);
    const uint64_t quantity_old = order.quantity;
    const int64_t price_old = order.price;
    order.quantity = command->quantity;
    order.price = command->price;

    if (order.price == price_old && order.quantity <= quantity_old) {
        book->pool.order[slot].quantity = order.quantity;
        pit_report_change(sink, command, &order, PIT_EVENT_REPLACED, PIT_EVENT_RESTS | PIT_EVENT_KEPT | PIT_EVENT_LAST,
                          quantity_old, price_old);
    } else if (!pit_book_crosses(book, order.side, order.price)) {
        pit_book_move(book, slot, order.price, order.quantity);
        pit_report_change(sink, command, &order, PIT_EVENT_REPLACED, PIT_EVENT_RESTS | PIT_EVENT_LAST, quantity_old,
                          price_old);
    } else {
        pit_book_remove(book, slot);
        pit_report_change(sink, command, &order, PIT_EVENT_REPLACED, 0, quantity_old, price_old);
        pit_book_match(book, command, &order, order.price, sink);
        if (order.quantity)
            rest_remainder(book, command, &order, sink);
    }
}

static void apply_symbol(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    const enum pit_reason refusal = pit_admit_symbol(book, command);
    if (refusal != PIT_REASON_NONE) {
        pit_report_rejected(sink, command, refusal);
        return;
    }
    book->definition.price_min = command->definition.price_min;
    book->definition.price_max = command->definition.price_max;
    const struct pit_resting_order nobody = {.account = command->account};
    struct pit_event *event =
        pit_report(sink, command, &nobody, PIT_EVENT_DEFINED, PIT_REASON_NONE, PIT_EVENT_WIDE | PIT_EVENT_LAST);
    event->definition = book->definition;
}

static void apply_state(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    const enum pit_reason refusal = pit_admit_state(command);
    if (refusal != PIT_REASON_NONE) {
        pit_report_rejected(sink, command, refusal);
        return;
    }
    book->state = (uint8_t)command->quantity;
    const struct pit_resting_order nobody = {.quantity = command->quantity, .account = command->account};
    pit_report(sink, command, &nobody, PIT_EVENT_STATE, PIT_REASON_NONE, PIT_EVENT_LAST);
}

void pit_book_apply(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    switch (command->kind) {
    case PIT_COMMAND_NEW:
        apply_new(book, command, sink);
        break;
    case PIT_COMMAND_CANCEL:
        apply_cancel(book, command, sink);
        break;
    case PIT_COMMAND_REDUCE:
        apply_reduce(book, command, sink);
        break;
    case PIT_COMMAND_REPLACE:
        apply_replace(book, command, sink);
        break;
    case PIT_COMMAND_SYMBOL:
        apply_symbol(book, command, sink);
        break;
    case PIT_COMMAND_STATE:
        apply_state(book, command, sink);
        break;
    default:
        pit_report_rejected(sink, command, PIT_REASON_BAD_KIND);
        break;
    }
}

/* The order that a command names, by the look of the tables alone. */
static uint32_t guess_named(const struct pit_book *book, const struct pit_command *command)
{
    if (command->order_id)
        return pit_id_table_guess(&book->by_order_id, pit_id_hash(&book->by_order_id, command->order_id, 0));
    return pit_id_table_guess(&book->by_client_id,
                              pit_id_hash(&book->by_client_id, command->client_id, command->account));
}

void pit_book_prefetch(const struct pit_book *book, const struct pit_command *command)
{
    uint32_t slot;
    switch (command->kind) {
    case PIT_COMMAND_NEW:
        pit_id_table_prefetch(&book->by_order_id, pit_id_hash(&book->by_order_id, command->sequence, 0));
        if (command->client_id)
            pit_id_table_prefetch(&book->by_client_id,
                                  pit_id_hash(&book->by_client_id, command->client_id, command->account));
        pit_price_index_prefetch(book->index, command->price);
        break;
    case PIT_COMMAND_REPLACE:
        pit_price_index_prefetch(book->index, command->price);
        /* fall through */
    case PIT_COMMAND_CANCEL:
    case PIT_COMMAND_REDUCE:
        slot = guess_named(book, command);
        __builtin_prefetch(&book->pool.order[slot]);
        __builtin_prefetch(&book->pool.client_id[slot]);
        break;
    default:
        break;
    }
}
