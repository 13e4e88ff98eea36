/* tools/replay_print.c - see replay_print.h. */
#include "tools/replay_print.h"

#include <stdlib.h>
#include <string.h>

#include "pitline/market_data.h"
#include "tools/journal_tools.h"

#define SYMBOLS_PRINTED_MAX 100u

static const char *const command_names[8] = {"unknown", "new",    "cancel", "reduce",
                                             "replace", "symbol", "state",  "unknown"};

static const char *event_name(uint8_t kind)
{
    static const char *const names[] = {"?",         "accepted", "rejected", "trade",   "rested",
                                        "cancelled", "reduced",  "replaced", "defined", "state"};
    return kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

/* JSON. */

static void add_price(struct pit_json *json, const char *name, int64_t ticks,
                      const struct pit_symbol_definition *definition)
{
    char text[PIT_DECIMAL_BYTES];
    pit_json_text(json, name, pit_decimal_format(text, ticks, definition->tick_mantissa, definition->tick_decimals));
}

/* Quantities of single orders stay below 2^63 (PIT_QUANTITY_MAX); what a refused command asked for may not. */
static void add_quantity(struct pit_json *json, const char *name, uint64_t lots,
                         const struct pit_symbol_definition *definition)
{
    char text[PIT_DECIMAL_BYTES];
    if (lots > INT64_MAX)
        pit_json_unsigned(json, "lots", lots);
    else
        pit_json_text(json, name,
                      pit_decimal_format(text, (int64_t)lots, definition->lot_mantissa, definition->lot_decimals));
}

static void add_common(struct pit_json *json, const struct pit_event *event,
                       const struct pit_symbol_definition *definition)
{
    pit_json_unsigned(json, "time_ns", event->time_ns);
    pit_json_unsigned(json, "symbol_id", event->symbol);
    if (definition)
        pit_json_text(json, "symbol", definition->name);
    pit_json_unsigned(json, "account", event->account);
    pit_json_unsigned(json, "request", event->request);
    pit_json_unsigned(json, "order_id", event->order_id);
    pit_json_unsigned(json, "client_id", event->client_id);
    pit_json_bool(json, "last", event->flags & PIT_EVENT_LAST);
}

static void add_definition(struct pit_json *json, const struct pit_symbol_definition *definition)
{
    add_price(json, "tick_size", 1, definition);
    add_quantity(json, "lot_size", 1, definition);
    add_price(json, "price_min", definition->price_min, definition);
    add_price(json, "price_max", definition->price_max, definition);
    add_quantity(json, "quantity_max", definition->quantity_max, definition);
    pit_json_unsigned(json, "orders_max", definition->orders_max);
    pit_json_unsigned(json, "levels_max", definition->levels_max);
}

static void add_order(struct pit_json *json, const struct pit_event *event,
                      const struct pit_symbol_definition *definition)
{
    if (event->kind == PIT_EVENT_REJECTED) {
        uint8_t kind = pit_event_rejected_kind(event);
        pit_json_text(json, "command", command_names[kind < 8 ? kind : 0]);
    } else {
        pit_json_text(json, "side", pit_side_name(event->side));
    }
    if (definition) {
        add_price(json, "price", event->price, definition);
        add_quantity(json, "quantity", event->quantity, definition);
    } else {
        pit_json_signed(json, "ticks", event->price);
        pit_json_unsigned(json, "lots", event->quantity);
    }
    if (event->kind == PIT_EVENT_REJECTED || event->kind == PIT_EVENT_CANCELLED)
        pit_json_text(json, "reason", pit_reason_name(event->reason));
    if (event->kind == PIT_EVENT_ACCEPTED || event->kind == PIT_EVENT_REPLACED)
        pit_json_bool(json, "rests", event->flags & PIT_EVENT_RESTS);
}

static void add_wide(struct pit_json *json, const struct pit_event *event,
                     const struct pit_symbol_definition *definition)
{
    switch (event->kind) {
    case PIT_EVENT_TRADE:
        pit_json_unsigned(json, "number", event->number); /* as on the wire: (sequence, number) names the trade */
        add_quantity(json, "leaves", event->leaves, definition);
        pit_json_unsigned(json, "taker_order_id", event->taker_order_id);
        pit_json_unsigned(json, "taker_client_id", event->taker_client_id);
        pit_json_unsigned(json, "taker_account", event->taker_account);
        add_quantity(json, "taker_leaves", event->taker_leaves, definition);
        break;
    case PIT_EVENT_REPLACED:
        pit_json_bool(json, "kept", event->flags & PIT_EVENT_KEPT);
        add_price(json, "price_old", event->price_old, definition);
        add_quantity(json, "quantity_old", event->quantity_old, definition);
        break;
    case PIT_EVENT_REDUCED:
        add_quantity(json, "quantity_old", event->quantity_old, definition);
        break;
    default:
        break;
    }
}

void pit_event_to_json(struct pit_json *json, uint64_t sequence, uint32_t index, const struct pit_event *event,
                       const struct pit_symbol_definition *definition)
{
    pit_json_begin(json);
    pit_json_text(json, "event", event_name(event->kind));
    pit_json_unsigned(json, "sequence", sequence);
    pit_json_unsigned(json, "index", index);
    add_common(json, event, definition);
    if (event->kind == PIT_EVENT_DEFINED) {
        add_definition(json, &event->definition);
    } else if (event->kind == PIT_EVENT_STATE) {
        pit_json_text(json, "state", pit_trading_state_name((enum pit_trading_state)event->quantity));
    } else {
        add_order(json, event, definition);
        if (definition && (event->flags & PIT_EVENT_WIDE))
            add_wide(json, event, definition);
    }
}

/* For people. */

static void print_end(FILE *file, const struct pit_journal_end *end)
{
    if (end->blocks == 0 && end->segments == 0)
        return;
    fprintf(file, "journal   %lu block%s in %lu segment%s, ", end->blocks, end->blocks == 1 ? "" : "s", end->segments,
            end->segments == 1 ? "" : "s");
    if (end->torn_bytes)
        fprintf(file, "then %lu bytes of a torn tail: an unfinished write that the next start cuts off\n",
                end->torn_bytes);
    else
        fprintf(file, "whole to its end\n");
}

void pit_replay_print(FILE *file, const struct pit_replay_result *result, const struct pit_digest *digest,
                      double seconds, const struct pit_moment *until)
{
    char text[PIT_JOURNAL_TIME_BYTES];
    print_end(file, &result->end);
    fprintf(file, "commands  %lu", result->commands);
    if (result->last_sequence)
        fprintf(file, ", the last is sequence %lu of %s", result->last_sequence,
                pit_journal_time(text, result->last_time_ns));
    fputs(result->stopped ? "; stopped there\n" : "\n", file);
    if (until->sequence > result->last_sequence)
        fprintf(file, "          the journal ends before sequence %lu\n", until->sequence);
    if (until->time_ns && !result->stopped)
        fputs("          the journal ends before that time, or has no later command yet\n", file);
    if (result->stopped && result->last_sequence == 0)
        fputs("          the first command is later than that time\n", file);
    fputs("         ", file);
    for (uint32_t kind = 1; kind < 7; kind++)
        fprintf(file, " %s %lu%s", command_names[kind], result->kinds[kind], kind < 6 ? "," : "");
    uint64_t unknown = result->kinds[0] + result->kinds[7];
    if (unknown)
        fprintf(file, ", unknown %lu", unknown);
    fprintf(file, "\nevents    %lu, of which trades %lu, rejects %lu\n", result->events, result->trades,
            result->rejects);
    fprintf(file, "resting   %lu orders\n", digest->orders);
    fprintf(file, "rate      %.2f M commands/s (%.3f s)\n",
            seconds > 0 ? (double)result->commands / seconds / 1e6 : 0.0, seconds);
}

void pit_replay_verified_print(FILE *file, const struct pit_replay_result *result)
{
    if (result->digests_compared)
        fprintf(file, "verified  %lu digest%s compared, all equal\n", result->digests_compared,
                result->digests_compared == 1 ? "" : "s");
    else
        fprintf(file, "verified  nothing: the journal has no digest up to here\n");
}

void pit_replay_json_print(FILE *file, struct pit_json *json, const struct pit_replay_result *result,
                           const struct pit_digest *digest, uint64_t from, double seconds)
{
    char text[32];
    pit_json_begin(json);
    pit_json_unsigned(json, "sequence", result->last_sequence);
    pit_json_unsigned(json, "time_ns", result->last_time_ns);
    pit_json_bool(json, "stopped", result->stopped);
    pit_json_unsigned(json, "from_snapshot", from);
    pit_json_unsigned(json, "commands", result->commands);
    pit_json_unsigned(json, "events", result->events);
    pit_json_unsigned(json, "trades", result->trades);
    pit_json_unsigned(json, "rejects", result->rejects);
    pit_json_unsigned(json, "resting", digest->orders);
    pit_json_unsigned(json, "digests_compared", result->digests_compared);
    pit_json_unsigned(json, "torn_bytes", result->end.torn_bytes);
    snprintf(text, sizeof text, "%.3f", seconds);
    pit_json_value(json, "seconds", text);
    snprintf(text, sizeof text, "%016lx", digest->events);
    pit_json_text(json, "events_digest", text);
    snprintf(text, sizeof text, "%016lx", digest->state);
    pit_json_text(json, "state_digest", text);
    pit_json_end(json, file);
}

struct level {
    int64_t price;
    uint64_t quantity;
    uint64_t orders;
};

struct ladder {
    struct level *levels;
    uint64_t count;
    uint64_t room;
    uint64_t depth;
};

/* Orders come best price first: those of one price one after the other. */
static bool ladder_add(void *context, const struct pit_resting_order *order)
{
    struct ladder *ladder = context;
    if (ladder->count == 0 || ladder->levels[ladder->count - 1].price != order->price) {
        if (ladder->count == ladder->depth && ladder->depth)
            return false;
        if (ladder->count == ladder->room) {
            uint64_t room = ladder->room ? 2 * ladder->room : 64;
            struct level *more = realloc(ladder->levels, room * sizeof *more);
            if (!more) {
                fprintf(stderr, "no memory for %lu price levels: the book below is cut\n", room);
                return false;
            }
            ladder->levels = more;
            ladder->room = room;
        }
        ladder->levels[ladder->count++] = (struct level){.price = order->price};
    }
    ladder->levels[ladder->count - 1].quantity += order->quantity;
    ladder->levels[ladder->count - 1].orders++;
    return true;
}

static char *format_lots(char text[PIT_DECIMAL_BYTES], uint64_t lots, const struct pit_symbol_definition *definition)
{
    if (lots <= INT64_MAX)
        return pit_decimal_format(text, (int64_t)lots, definition->lot_mantissa, definition->lot_decimals);
    snprintf(text, PIT_DECIMAL_BYTES, "%lu lots", lots);
    return text;
}

void pit_book_print(FILE *file, const struct pit_book *book, uint64_t sequence, uint64_t time_ns, uint64_t depth)
{
    const struct pit_symbol_definition *definition = pit_book_definition(book);
    struct ladder bids = {.depth = depth};
    struct ladder asks = {.depth = depth};
    char texts[4][PIT_DECIMAL_BYTES];
    char time_text[PIT_JOURNAL_TIME_BYTES];
    pit_book_walk(book, PIT_SIDE_BUY, ladder_add, &bids);
    pit_book_walk(book, PIT_SIDE_SELL, ladder_add, &asks);
    fprintf(file, "\n%s after sequence %lu, %s, %s: %u orders at %u prices\n", definition->name, sequence,
            pit_journal_time(time_text, time_ns), pit_trading_state_name(pit_book_state(book)), pit_book_orders(book),
            pit_book_levels(book));
    fprintf(file, "%7s %18s %16s | %-16s %-18s %-7s\n", "orders", "quantity", "bid", "ask", "quantity", "orders");
    for (uint64_t i = 0; i < bids.count || i < asks.count; i++) {
        if (i < bids.count)
            fprintf(file, "%7lu %18s %16s |", bids.levels[i].orders,
                    format_lots(texts[0], bids.levels[i].quantity, definition),
                    pit_decimal_format(texts[1], bids.levels[i].price, definition->tick_mantissa,
                                       definition->tick_decimals));
        else
            fprintf(file, "%7s %18s %16s |", "", "", "");
        if (i < asks.count)
            fprintf(file, " %-16s %-18s %lu",
                    pit_decimal_format(texts[2], asks.levels[i].price, definition->tick_mantissa,
                                       definition->tick_decimals),
                    format_lots(texts[3], asks.levels[i].quantity, definition), asks.levels[i].orders);
        fputc('\n', file);
    }
    fputc('\n', file);
    free(bids.levels);
    free(asks.levels);
}

static void side_json_print(FILE *file, struct pit_json *json, const struct pit_book *book, enum pit_side side,
                            uint64_t sequence, uint64_t depth, const char *in)
{
    const struct pit_symbol_definition *definition = pit_book_definition(book);
    struct ladder ladder = {.depth = depth};
    char text[PIT_DECIMAL_BYTES];
    pit_book_walk(book, side, ladder_add, &ladder);
    for (uint64_t i = 0; i < ladder.count; i++) {
        pit_json_begin(json);
        pit_json_text(json, "book", definition->name);
        pit_json_unsigned(json, "sequence", sequence);
        pit_json_text(json, "state", pit_trading_state_name(pit_book_state(book)));
        pit_json_text(json, "side", pit_side_name(side));
        add_price(json, "price", ladder.levels[i].price, definition);
        pit_json_text(json, "quantity", format_lots(text, ladder.levels[i].quantity, definition));
        pit_json_unsigned(json, "orders", ladder.levels[i].orders);
        if (in)
            pit_json_text(json, "in", in);
        pit_json_end(json, file);
    }
    free(ladder.levels);
}

void pit_book_json_print(FILE *file, struct pit_json *json, const struct pit_book *book, uint64_t sequence,
                         uint64_t depth, const char *in)
{
    side_json_print(file, json, book, PIT_SIDE_BUY, sequence, depth, in);
    side_json_print(file, json, book, PIT_SIDE_SELL, sequence, depth, in);
}

void pit_symbols_print(FILE *file, const struct pit_market *market)
{
    uint32_t printed = 0;
    for (uint32_t symbol = 0; symbol < pit_market_symbols(market); symbol++) {
        const struct pit_book *book = pit_market_book(market, symbol);
        if (!book)
            continue;
        if (printed == SYMBOLS_PRINTED_MAX) {
            fputs(" ...", file);
            break;
        }
        fprintf(file, "%s%s", printed++ ? " " : "", pit_book_definition(book)->name);
    }
    fputs(printed ? "\n" : "none\n", file);
}
