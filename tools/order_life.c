/* tools/order_life.c - follows one order through the events; see order_life.h. How a line looks is
 * order_life_print.c's. */
#include "tools/order_life.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/order_life_print.h"

struct pit_order_life {
    struct pit_order_name name;
    struct pit_life_printer printer;
    const struct pit_market *market;
    uint64_t from;
    struct pit_life_order *alive;
    uint32_t count, room;
    uint64_t met; /* orders */
    bool no_memory;
    /* By order id: what the command with that sequence was, when it was no order that was accepted. */
    uint8_t refused_kind; /* enum pit_command_kind; 0 = it was not seen */
    uint8_t refused_reason;
};

bool pit_order_name_parse(const char *text, struct pit_order_name *name)
{
    uint64_t numbers[2] = {0};
    const char *at = text;
    for (int i = 0; i < 2; i++) {
        if (*at < '0' || *at > '9')
            return false;
        for (; *at >= '0' && *at <= '9'; at++) {
            const uint64_t digit = (uint64_t)(*at - '0');
            if (numbers[i] > (UINT64_MAX - digit) / 10)
                return false;
            numbers[i] = numbers[i] * 10 + digit;
        }
        if (*at++ != (i == 0 ? ':' : 0))
            return false;
    }
    *name = (struct pit_order_name){.account = (uint32_t)numbers[0], .client_id = numbers[1]};
    return numbers[0] >= 1 && numbers[0] <= UINT32_MAX && numbers[1] >= 1;
}

struct pit_order_life *pit_order_life_create(const struct pit_order_name *name, bool json, FILE *file)
{
    struct pit_order_life *life = calloc(1, sizeof *life);
    if (!life)
        return NULL;
    life->name = *name;
    life->printer.json = json;
    life->printer.file = file;
    return life;
}

void pit_order_life_destroy(struct pit_order_life *life)
{
    if (!life)
        return;
    free(life->alive);
    free(life);
}

/* Those that live. */

static struct pit_life_order *find(const struct pit_order_life *life, uint64_t order_id)
{
    for (uint32_t i = 0; i < life->count; i++)
        if (life->alive[i].order_id == order_id)
            return &life->alive[i];
    return NULL;
}

static struct pit_life_order *add(struct pit_order_life *life, const struct pit_life_order *order)
{
    if (life->count == life->room) {
        const uint32_t room = life->room ? 2 * life->room : 8;
        struct pit_life_order *more = realloc(life->alive, room * sizeof *more);
        if (!more) {
            life->no_memory = true;
            return NULL;
        }
        life->alive = more;
        life->room = room;
    }
    life->met++;
    life->alive[life->count] = *order;
    return &life->alive[life->count++];
}

static void ended(struct pit_order_life *life, struct pit_life_order *order)
{
    pit_life_print_ended(&life->printer, order);
    *order = life->alive[--life->count];
}

static bool is_named(const struct pit_order_name *name, uint64_t order_id, uint32_t account, uint64_t client_id)
{
    if (name->order_id)
        return order_id == name->order_id;
    return account == name->account && client_id == name->client_id;
}

static const struct pit_symbol_definition *definition_of(const struct pit_order_life *life, uint32_t symbol)
{
    const struct pit_book *book = pit_market_book(life->market, symbol);
    return book ? pit_book_definition(book) : NULL;
}

/* A snapshot's books. */

struct search {
    struct pit_order_life *life;
    uint32_t symbol;
};

static bool search_order(void *context, const struct pit_resting_order *resting)
{
    const struct search *search = context;
    struct pit_order_life *life = search->life;
    if (!is_named(&life->name, resting->order_id, resting->account, resting->client_id))
        return true;
    const struct pit_life_order order = {.order_id = resting->order_id,
                                         .client_id = resting->client_id,
                                         .account = resting->account,
                                         .symbol = search->symbol,
                                         .side = resting->side,
                                         .price = resting->price,
                                         .left = resting->quantity,
                                         .rests = true,
                                         .from_snapshot = true,
                                         .definition = definition_of(life, search->symbol)};
    const struct pit_life_order *added = add(life, &order);
    if (added)
        pit_life_print_known(&life->printer, added);
    return added != NULL;
}

void pit_order_life_begin(struct pit_order_life *life, const struct pit_market *market, uint64_t from, uint64_t from_ns)
{
    life->market = market;
    life->from = from;
    life->printer.sequence = from;
    life->printer.time_ns = from_ns;
    life->count = 0;
    life->met = 0;
    for (uint32_t symbol = 0; symbol < pit_market_symbols(market); symbol++) {
        const struct pit_book *book = pit_market_book(market, symbol);
        struct search search = {.life = life, .symbol = symbol};
        if (!book)
            continue;
        pit_book_walk(book, PIT_SIDE_BUY, search_order, &search);
        pit_book_walk(book, PIT_SIDE_SELL, search_order, &search);
    }
}

/* Events. */

static void accepted(struct pit_order_life *life, const struct pit_command *command, const struct pit_event *event)
{
    const struct pit_life_order order = {.order_id = event->order_id,
                                         .client_id = event->client_id,
                                         .account = event->account,
                                         .symbol = event->symbol,
                                         .side = event->side,
                                         .price = event->price,
                                         .entered = event->quantity,
                                         .left = event->quantity,
                                         .rests = event->flags & PIT_EVENT_RESTS,
                                         .definition = definition_of(life, event->symbol)};
    const struct pit_life_order *added = add(life, &order);
    if (added)
        pit_life_print_entered(&life->printer, added, command, event);
}

static void traded(struct pit_order_life *life, const struct pit_event *event, bool taker)
{
    struct pit_life_order *order = find(life, taker ? event->taker_order_id : event->order_id);
    if (!order)
        return;
    order->trades++;
    order->traded += event->quantity;
    order->left = taker ? event->taker_leaves : event->leaves;
    pit_life_print_traded(&life->printer, order, event, taker);
    if (order->left == 0)
        ended(life, order);
}

static void changed(struct pit_order_life *life, const struct pit_event *event)
{
    struct pit_life_order *order = find(life, event->order_id);
    if (!order)
        return;
    switch (event->kind) {
    case PIT_EVENT_RESTED:
        order->rests = true;
        break;
    case PIT_EVENT_REDUCED:
        order->reduced += event->quantity_old - event->quantity;
        break;
    case PIT_EVENT_REPLACED:
        order->price = event->price;
        order->rests = event->flags & PIT_EVENT_RESTS;
        break;
    default:
        break;
    }
    order->left = event->quantity;
    if (event->kind == PIT_EVENT_CANCELLED) {
        order->cancelled = event->quantity;
        order->left = 0;
    }
    pit_life_print_changed(&life->printer, order, event);
    if (event->kind == PIT_EVENT_CANCELLED)
        ended(life, order);
}

/* Whether a refused command is about the order: it names it by its order id, or by a client id that a live one has.
 * *order_id: the order's, 0 where it is none: a new one that was not let in. */
static bool refusal_is_its(const struct pit_order_life *life, const struct pit_event *event, uint64_t *order_id)
{
    const struct pit_order_name *name = &life->name;
    *order_id = event->order_id;
    if (pit_event_rejected_kind(event) == PIT_COMMAND_NEW)
        return name->order_id == 0 && is_named(name, 0, event->account, event->client_id);
    if (event->order_id)
        return name->order_id ? event->order_id == name->order_id : find(life, event->order_id) != NULL;
    for (uint32_t i = 0; event->client_id && i < life->count; i++) {
        const struct pit_life_order *order = &life->alive[i];
        if (order->client_id != event->client_id || order->account != event->account || order->symbol != event->symbol)
            continue;
        *order_id = order->order_id;
        return true;
    }
    return name->order_id == 0 && is_named(name, 0, event->account, event->client_id);
}

void pit_order_life_event(struct pit_order_life *life, const struct pit_command *command, const struct pit_event *event)
{
    const struct pit_order_name *name = &life->name;
    const bool named = is_named(name, event->order_id, event->account, event->client_id);
    uint64_t order_id;
    life->printer.sequence = command->sequence;
    life->printer.time_ns = command->time_ns;
    if (command->sequence == name->order_id) {
        life->refused_kind = command->kind;
        life->refused_reason = event->kind == PIT_EVENT_REJECTED ? event->reason : PIT_REASON_NONE;
    }
    switch (event->kind) {
    case PIT_EVENT_ACCEPTED:
        if (named)
            accepted(life, command, event);
        break;
    case PIT_EVENT_TRADE:
        if (named)
            traded(life, event, false);
        if (is_named(name, event->taker_order_id, event->taker_account, event->taker_client_id))
            traded(life, event, true);
        break;
    case PIT_EVENT_RESTED:
    case PIT_EVENT_REDUCED:
    case PIT_EVENT_REPLACED:
    case PIT_EVENT_CANCELLED:
        if (named)
            changed(life, event);
        break;
    case PIT_EVENT_REJECTED:
        if (refusal_is_its(life, event, &order_id))
            pit_life_print_refused(&life->printer, event, order_id, definition_of(life, event->symbol));
        break;
    default:
        break;
    }
}

/* The end. */

struct ahead {
    uint64_t order_id;
    int64_t price;
    uint64_t orders, quantity;
};

static bool count_ahead(void *context, const struct pit_resting_order *order)
{
    struct ahead *ahead = context;
    if (order->order_id == ahead->order_id)
        return false;
    if (order->price == ahead->price) {
        ahead->orders++;
        ahead->quantity += order->quantity;
    }
    return true;
}

static void tell_standing(struct pit_order_life *life, const struct pit_life_order *order)
{
    struct ahead ahead = {.order_id = order->order_id, .price = order->price};
    const struct pit_book *book = pit_market_book(life->market, order->symbol);
    if (book)
        pit_book_walk(book, order->side, count_ahead, &ahead);
    pit_life_print_standing(&life->printer, order, ahead.orders, ahead.quantity);
}

static int say_why_none(const struct pit_order_life *life, uint64_t sequence, struct pit_error *why)
{
    const struct pit_order_name *name = &life->name;
    char what[96], reason[256];
    if (name->order_id)
        snprintf(what, sizeof what, "order %lu", name->order_id);
    else
        snprintf(what, sizeof what, "order of account %u with client id %lu", name->account, name->client_id);
    if (name->order_id > sequence)
        snprintf(reason, sizeof reason,
                 "an order's id is the sequence of the command that made it, and the last one here is %lu", sequence);
    else if (name->order_id && life->refused_kind == PIT_COMMAND_NEW)
        snprintf(reason, sizeof reason, "it was refused (%s)", pit_reason_name(life->refused_reason));
    else if (name->order_id && life->refused_kind)
        snprintf(reason, sizeof reason, "the command with that sequence is a %s, not a new order",
                 pit_life_kind_name(life->refused_kind));
    else if (life->from)
        snprintf(reason, sizeof reason,
                 "it does not rest in the snapshot of sequence %lu%s, so it had ended by then or never was; a replay "
                 "without --from-snapshot tells",
                 life->from, name->order_id ? "" : " nor came after it");
    else
        snprintf(reason, sizeof reason, "no such order was accepted up to sequence %lu", sequence);
    return pit_error_set(why, -ENOENT, "there is no %s: %s", what, reason);
}

int pit_order_life_end(struct pit_order_life *life, uint64_t sequence, struct pit_error *why)
{
    for (uint32_t i = 0; i < life->count; i++)
        tell_standing(life, &life->alive[i]);
    if (life->no_memory)
        return pit_error_set(why, -ENOMEM, "no memory for all the orders asked for: some are not told");
    return life->met ? 0 : say_why_none(life, sequence, why);
}
