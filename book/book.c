/* book/book.c - one command in, its events out. */
#include "book/book.h"

#include "book/admit.h"
#include "book/match.h"
#include "book/report.h"
#include "book/rest.h"

/* Where the parts of a book lie in its block, in bytes from its start. Of each, what create writes comes first, so that
 * a symbol nobody trades costs two or three pages. */
struct layout {
    size_t ladder[2];
    size_t order;
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
    layout.ladder[PIT_SIDE_BUY] = part(&end, pit_ladder_bytes(definition->levels_max));
    layout.ladder[PIT_SIDE_SELL] = part(&end, pit_ladder_bytes(definition->levels_max));
    layout.order = part(&end, sizeof(struct pit_order) * slots);
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
    for (int side = PIT_SIDE_BUY; side <= PIT_SIDE_SELL; side++) {
        book->best[side] = book->second[side] = PIT_RANK_NONE;
        pit_ladder_create(&book->ladder[side], at + layout.ladder[side], definition->levels_max);
    }
    book->pool.order = (struct pit_order *)(at + layout.order);
    book->pool.orders_max = definition->orders_max;
    pit_id_table_create(&book->by_order_id, at + layout.by_order_id, definition->orders_max, PIT_BY_ORDER_ID,
                        book->pool.order, secret);
    pit_id_table_create(&book->by_client_id, at + layout.by_client_id, definition->orders_max, PIT_BY_CLIENT_ID,
                        book->pool.order, secret);
    return book;
}

__attribute__((noinline)) void pit_book_grow_old(struct pit_book *book, enum pit_id_kind kind, uint32_t slot)
{
    struct pit_id_table *table = kind == PIT_BY_ORDER_ID ? &book->by_order_id : &book->by_client_id;
    pit_newcomers_count_stayed(&book->newcomers[kind], book->rested);
    pit_id_table_insert(table, pit_id_hash_of(table, slot), slot, &book->pool.order[slot].seat[kind]);
}

__attribute__((noinline)) uint32_t pit_book_find_order_id_on(const struct pit_book *book, uint64_t order_id,
                                                             uint32_t hash)
{
    const struct pit_key key = {.orders = book->pool.order, .id = order_id};
    return pit_id_table_find(&book->by_order_id, hash, pit_has_order_id, &key);
}

__attribute__((noinline)) uint32_t pit_book_find_client_id_on(const struct pit_book *book, uint64_t client_id,
                                                              uint32_t account, uint32_t hash)
{
    const struct pit_key key = {.orders = book->pool.order, .id = client_id, .account = account};
    return pit_id_table_find(&book->by_client_id, hash, pit_has_client_id, &key);
}

/* Each kind of command has a function of its own that is not merged with the others, and none that may match is merged
 * with those that cannot: none pays for the registers another needs. */
#define APART static __attribute__((noinline))

/* An aggressor: trades, and rests what it has left, as a new order, where it may. It becomes what is left. */
APART void aggress(struct pit_book *book, const struct pit_command *command, struct pit_resting_order *aggressor,
                   int64_t limit, bool may_rest, struct pit_event_sink *sink)
{
    pit_book_match(book, command, aggressor, limit, sink);
    if (!aggressor->quantity)
        return;
    if (may_rest) {
        pit_book_rest(book, aggressor, pit_book_client_hash(book, aggressor->client_id, aggressor->account));
        pit_report(sink, command, aggressor, PIT_EVENT_RESTED, PIT_REASON_NONE, PIT_EVENT_LAST);
    } else {
        pit_report(sink, command, aggressor, PIT_EVENT_CANCELLED, PIT_REASON_IOC_REMAINDER, PIT_EVENT_LAST);
    }
}

/* A NEW that cannot rest whole as it comes: it trades with what stands within limit, or it must trade at once. */
APART void enter_as_aggressor(struct pit_book *book, const struct pit_command *command, int64_t limit,
                              struct pit_event_sink *sink)
{
    struct pit_resting_order order = {
        .order_id = command->sequence,
        .client_id = command->client_id,
        .price = command->flags & PIT_COMMAND_MARKET ? 0 : command->price,
        .quantity = command->quantity,
        .account = command->account,
        .side = command->side,
    };
    pit_report(sink, command, &order, PIT_EVENT_ACCEPTED, PIT_REASON_NONE, 0);
    if (command->tif == PIT_TIF_FOK && !pit_book_fillable(book, order.side, limit, order.quantity))
        pit_report(sink, command, &order, PIT_EVENT_CANCELLED, PIT_REASON_FOK_UNFILLABLE, PIT_EVENT_LAST);
    else
        aggress(book, command, &order, limit, command->tif == PIT_TIF_GTC, sink);
}

/* plain: see pit_admit_new. */
static inline __attribute__((always_inline)) void enter(struct pit_book *book, const struct pit_command *command,
                                                        bool plain, struct pit_event_sink *sink)
{
    const uint32_t hash = pit_book_client_hash(book, command->client_id, command->account);
    const enum pit_reason refusal = pit_admit_new(book, command, hash, plain);
    if (__builtin_expect(refusal != PIT_REASON_NONE, 0)) {
        pit_report_rejected(sink, command, refusal);
        return;
    }
    int64_t limit = command->price;
    if (!plain && command->flags & PIT_COMMAND_MARKET)
        limit = command->side == PIT_SIDE_BUY ? PIT_PRICE_MAX : PIT_PRICE_MIN;

    /* GTC is 0 and not crossing is 0: one branch decides that it rests whole. */
    if ((command->tif | (uint32_t)pit_book_crosses(book, command->side, limit)) == PIT_TIF_GTC)
        pit_report_block(sink, command, pit_book_rest_whole(book, command, hash), PIT_EVENT_ACCEPTED, PIT_REASON_NONE,
                         PIT_EVENT_RESTS | PIT_EVENT_LAST);
    else
        enter_as_aggressor(book, command, limit, sink);
}

/* A NEW comes in by one of two ways:
 *
 *   plain and good (most)   apply_new ──▶ enter(plain): all fields were checked in one go
 *   any other               apply_new ──▶ apply_new_special ──▶ enter: field by field, to tell what is wrong
 *
 * Admitted, either rests whole (pit_book_rest_whole, one event) or trades first (enter_as_aggressor ──▶ aggress). */

APART void apply_new_special(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    enter(book, command, false, sink);
}

APART void apply_new(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    if (__builtin_expect(pit_plain_and_good(book, command), 1))
        enter(book, command, true, sink);
    else
        apply_new_special(book, command, sink);
}

static inline void cancel_whole(struct pit_book *book, const struct pit_command *command, uint32_t slot,
                                struct pit_event_sink *sink)
{
    pit_report_block(sink, command, &book->pool.order[slot].is, PIT_EVENT_CANCELLED, PIT_REASON_REQUESTED,
                     PIT_EVENT_LAST);
    pit_book_remove(book, slot);
}

APART void apply_cancel(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    uint32_t slot;
    const enum pit_reason refusal = pit_admit_cancel(book, command, &slot);
    if (refusal != PIT_REASON_NONE)
        pit_report_rejected(sink, command, refusal);
    else
        cancel_whole(book, command, slot, sink);
}

APART void apply_reduce(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    uint32_t slot;
    const enum pit_reason refusal = pit_admit_reduce(book, command, &slot);
    if (refusal != PIT_REASON_NONE) {
        pit_report_rejected(sink, command, refusal);
        return;
    }
    struct pit_resting_order *order = &book->pool.order[slot].is;
    const uint64_t before = order->quantity;
    if (command->quantity >= before) {
        cancel_whole(book, command, slot, sink);
        return;
    }
    order->quantity -= command->quantity;
    pit_report_change(sink, command, order, PIT_EVENT_REDUCED, PIT_EVENT_LAST, before, 0);
}

APART void apply_replace(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    uint32_t slot;
    const enum pit_reason refusal = pit_admit_replace(book, command, &slot);
    if (refusal != PIT_REASON_NONE) {
        pit_report_rejected(sink, command, refusal);
        return;
    }
    struct pit_resting_order order = book->pool.order[slot].is;
    const uint64_t quantity_old = order.quantity;
    const int64_t price_old = order.price;
    order.quantity = command->quantity;
    order.price = command->price;

    if (order.quantity <= quantity_old && order.price == price_old) {
        book->pool.order[slot].is.quantity = order.quantity;
        pit_report_change(sink, command, &order, PIT_EVENT_REPLACED, PIT_EVENT_RESTS | PIT_EVENT_KEPT | PIT_EVENT_LAST,
                          quantity_old, price_old);
    } else if (!pit_book_crosses(book, order.side, order.price)) {
        pit_book_move(book, slot, order.price, order.quantity);
        pit_report_change(sink, command, &order, PIT_EVENT_REPLACED, PIT_EVENT_RESTS | PIT_EVENT_LAST, quantity_old,
                          price_old);
    } else {
        pit_book_remove(book, slot);
        pit_report_change(sink, command, &order, PIT_EVENT_REPLACED, 0, quantity_old, price_old);
        aggress(book, command, &order, order.price, true, sink);
    }
}

APART void apply_symbol(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
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

APART void apply_state(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
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

APART void apply_rare(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    if (command->kind == PIT_COMMAND_REDUCE)
        apply_reduce(book, command, sink);
    else if (command->kind == PIT_COMMAND_SYMBOL)
        apply_symbol(book, command, sink);
    else if (command->kind == PIT_COMMAND_STATE)
        apply_state(book, command, sink);
    else
        pit_report_rejected(sink, command, PIT_REASON_BAD_KIND);
}

/* A chain of comparisons, the most frequent first, and too short for a compiler to make a table of it: a jump through
 * one would be a guess each time. */
void pit_book_apply(struct pit_book *book, const struct pit_command *command, struct pit_event_sink *sink)
{
    if (command->kind == PIT_COMMAND_NEW)
        apply_new(book, command, sink);
    else if (command->kind == PIT_COMMAND_CANCEL)
        apply_cancel(book, command, sink);
    else if (command->kind == PIT_COMMAND_REPLACE)
        apply_replace(book, command, sink);
    else
        apply_rare(book, command, sink);
}

/* Asks for a newcomer's order, and for where the table would have it. */
static struct pit_book_hint prefetch_named(const struct pit_book *book, const struct pit_command *command)
{
    if (command->order_id) {
        const uint32_t place = pit_newcomer_place_of_order_id(command->order_id);
        const uint32_t hash = pit_id_hash(&book->by_order_id, command->order_id, 0);
        __builtin_prefetch(&book->pool.order[book->newcomers[PIT_BY_ORDER_ID].slot[place]]);
        pit_id_table_prefetch_bucket(&book->by_order_id, hash);
        return (struct pit_book_hint){.hash = hash, .kind = 1 + PIT_BY_ORDER_ID};
    }
    const uint32_t hash = pit_book_client_hash(book, command->client_id, command->account);
    const uint32_t place = pit_newcomer_place_of_hash(hash);
    __builtin_prefetch(&book->pool.order[book->newcomers[PIT_BY_CLIENT_ID].slot[place]]);
    pit_id_table_prefetch_bucket(&book->by_client_id, hash);
    return (struct pit_book_hint){.hash = hash, .kind = 1 + PIT_BY_CLIENT_ID};
}

struct pit_book_hint pit_book_prefetch(const struct pit_book *book, const struct pit_command *command)
{
    switch (command->kind) {
    case PIT_COMMAND_NEW:
        if (command->client_id)
            pit_id_table_prefetch(&book->by_client_id,
                                  pit_book_client_hash(book, command->client_id, command->account));
        pit_ladder_prefetch(&book->ladder[command->side & 1], pit_rank(command->side & 1, command->price));
        break;
    case PIT_COMMAND_CANCEL:
    case PIT_COMMAND_REDUCE:
    case PIT_COMMAND_REPLACE:
        return prefetch_named(book, command);
    default:
        break;
    }
    return (struct pit_book_hint){0};
}

void pit_book_prefetch_order(const struct pit_book *book, struct pit_book_hint hint)
{
    if (hint.kind == 0)
        return;
    const struct pit_id_table *table = hint.kind == 1 + PIT_BY_ORDER_ID ? &book->by_order_id : &book->by_client_id;
    __builtin_prefetch(&book->pool.order[pit_id_table_guess(table, hint.hash)]);
}
