/* tools/tail_print.c - see tail_print.h. */
#include "tools/tail_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/json.h"

#define TIME_BYTES 40u
#define LEVEL_TEXT_BYTES 160u

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {
        [PIT_MD_ADD] = "add",       [PIT_MD_TRADE] = "trade", [PIT_MD_REMOVE] = "remove",
        [PIT_MD_CHANGE] = "change", [PIT_MD_STATE] = "state", [PIT_MD_SYMBOL] = "symbol",
    };
    return kind < sizeof names / sizeof *names && names[kind] ? names[kind] : "?";
}

static const char *price_text(char text[PIT_DECIMAL_BYTES], int64_t price, const struct pit_md_symbol *symbol)
{
    return pit_decimal_format(text, price, symbol->tick_mantissa, symbol->tick_decimals);
}

static const char *lots_text(char text[PIT_DECIMAL_BYTES], uint64_t lots, const struct pit_md_symbol *symbol)
{
    return pit_decimal_format(text, lots < INT64_MAX ? (int64_t)lots : INT64_MAX, symbol->lot_mantissa,
                              symbol->lot_decimals);
}

/* UTC with nanoseconds: "2024-05-06T07:08:09.123456789Z", or from skip on. Events of one second share the work. */
static const char *time_text(uint64_t time_ns)
{
    static char text[TIME_BYTES];
    static uint64_t second_of_text = UINT64_MAX;
    uint64_t second = time_ns / 1000000000u;
    if (second != second_of_text) {
        time_t seconds = (time_t)second;
        struct tm utc;
        if (!gmtime_r(&seconds, &utc) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
            strcpy(text, "0000-00-00T00:00:00");
        second_of_text = second;
    }
    size_t length = strcspn(text, ".");
    snprintf(text + length, sizeof text - length, ".%09uZ", (unsigned)(time_ns % 1000000000u));
    return text;
}

static void json_event(const struct pit_md_event *event, const struct pit_md_symbol *symbol, bool in_depth)
{
    char text[PIT_DECIMAL_BYTES];
    struct pit_json json;
    pit_json_begin(&json);
    pit_json_text(&json, "type", kind_name(event->kind));
    pit_json_unsigned(&json, "sequence", event->sequence);
    pit_json_text(&json, "time", time_text(event->time_ns));
    pit_json_text(&json, "symbol", symbol->name);
    if (event->kind == PIT_MD_STATE) {
        pit_json_text(&json, "state", pit_trading_state_name((enum pit_trading_state)event->quantity));
    } else if (event->kind != PIT_MD_SYMBOL) {
        pit_json_text(&json, "side", pit_side_name((enum pit_side)event->side));
        pit_json_text(&json, "price", price_text(text, event->price, symbol));
        pit_json_text(&json, "quantity", lots_text(text, event->quantity, symbol));
        if (event->kind == PIT_MD_TRADE)
            pit_json_text(&json, "leaves", lots_text(text, event->leaves, symbol));
        if (event->kind == PIT_MD_CHANGE)
            pit_json_text(&json, "quantity_old", lots_text(text, event->leaves, symbol));
        pit_json_unsigned(&json, "order_id", event->order_id);
    }
    pit_json_bool(&json, "last", event->last == 1);
    if (in_depth)
        pit_json_bool(&json, "in_depth", true);
    pit_json_end(&json, stdout);
}

static void text_event(const struct pit_md_event *event, const struct pit_md_symbol *symbol)
{
    char price[PIT_DECIMAL_BYTES], quantity[PIT_DECIMAL_BYTES], leaves[PIT_DECIMAL_BYTES];
    printf("%.18s  %-10s %-6s", time_text(event->time_ns) + sizeof "2024-05-06T" - 1, symbol->name,
           kind_name(event->kind));
    if (event->kind == PIT_MD_STATE) {
        printf("  %s\n", pit_trading_state_name((enum pit_trading_state)event->quantity));
        return;
    }
    if (event->kind == PIT_MD_SYMBOL) {
        printf("  tick %s, lot %s\n", price_text(price, 1, symbol), lots_text(quantity, 1, symbol));
        return;
    }
    printf("  %-4s %s @ %s  order %" PRIu64, pit_side_name((enum pit_side)event->side),
           lots_text(quantity, event->quantity, symbol), price_text(price, event->price, symbol), event->order_id);
    if (event->kind == PIT_MD_TRADE)
        printf(", %s left", lots_text(leaves, event->leaves, symbol));
    if (event->kind == PIT_MD_CHANGE)
        printf(", was %s", lots_text(leaves, event->leaves, symbol));
    putchar('\n');
}

void pit_tail_print_event(enum pit_tail_format format, const struct pit_md_event *event,
                          const struct pit_md_symbol *symbol, bool in_depth)
{
    if (format == PIT_TAIL_JSON)
        json_event(event, symbol, in_depth);
    else
        text_event(event, symbol);
}

static void json_levels(struct pit_json *json, const char *name, const struct pit_md_level *level, uint64_t count,
                        const struct pit_md_symbol *symbol)
{
    char text[PIT_MD_LEVELS * LEVEL_TEXT_BYTES + 3] = "[";
    char price[PIT_DECIMAL_BYTES], quantity[PIT_DECIMAL_BYTES];
    size_t used = 1;
    for (uint64_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s[\"%s\",\"%s\",%" PRIu64 "]", i ? "," : "",
                                 price_text(price, level[i].price, symbol),
                                 lots_text(quantity, level[i].quantity, symbol), level[i].orders);
    snprintf(text + used, sizeof text - used, "]");
    pit_json_value(json, name, text);
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
    return value < most ? value : most;
}

static void json_depth(const struct pit_md_depth *depth, const struct pit_md_symbol *symbol, uint32_t levels)
{
    char text[PIT_DECIMAL_BYTES];
    struct pit_json json;
    pit_json_begin(&json);
    pit_json_text(&json, "type", "depth");
    pit_json_unsigned(&json, "sequence", depth->event_sequence);
    if (depth->time_ns) /* a book that the pipeline found in its journal has none until it changes */
        pit_json_text(&json, "time", time_text(depth->time_ns));
    pit_json_text(&json, "symbol", symbol->name);
    pit_json_text(&json, "state", pit_trading_state_name((enum pit_trading_state)depth->state));
    pit_json_unsigned(&json, "trades", depth->trades);
    if (depth->trades > 0) {
        pit_json_text(&json, "last_price", price_text(text, depth->last_price, symbol));
        pit_json_text(&json, "last_quantity", lots_text(text, depth->last_quantity, symbol));
    }
    json_levels(&json, "bids", depth->bid, at_most(depth->bids, levels), symbol);
    json_levels(&json, "asks", depth->ask, at_most(depth->asks, levels), symbol);
    pit_json_end(&json, stdout);
}

static void text_levels(const char *name, const struct pit_md_level *level, uint64_t count,
                        const struct pit_md_symbol *symbol)
{
    char price[PIT_DECIMAL_BYTES], quantity[PIT_DECIMAL_BYTES];
    printf("  %s", name);
    for (uint64_t i = 0; i < count; i++)
        printf(" %s x %s", price_text(price, level[i].price, symbol), lots_text(quantity, level[i].quantity, symbol));
    if (count == 0)
        printf(" none");
}

void pit_tail_print_depth(enum pit_tail_format format, const struct pit_md_depth *depth,
                          const struct pit_md_symbol *symbol, uint32_t levels)
{
    if (format == PIT_TAIL_JSON) {
        json_depth(depth, symbol, levels);
        return;
    }
    printf("%-18.18s  %-10s depth ",
           depth->time_ns ? time_text(depth->time_ns) + sizeof "2024-05-06T" - 1 : "no event yet", symbol->name);
    text_levels("bids", depth->bid, at_most(depth->bids, levels), symbol);
    text_levels("asks", depth->ask, at_most(depth->asks, levels), symbol);
    putchar('\n');
}

void pit_tail_print_open(const char *name, uint64_t position)
{
    struct pit_json json;
    pit_json_begin(&json);
    pit_json_text(&json, "type", "open");
    pit_json_text(&json, "name", name);
    pit_json_unsigned(&json, "next", position);
    pit_json_end(&json, stdout);
}

void pit_tail_print_lapped(enum pit_tail_format format, uint64_t lost)
{
    if (format == PIT_TAIL_TEXT) {
        printf("lapped: %" PRIu64 " events were lost; the book is now:\n", lost);
        return;
    }
    struct pit_json json;
    pit_json_begin(&json);
    pit_json_text(&json, "type", "lapped");
    pit_json_unsigned(&json, "lost", lost);
    pit_json_end(&json, stdout);
}

static void ladder_side(const struct pit_md_level *level, bool there, bool bid, const struct pit_md_symbol *symbol)
{
    char price[PIT_DECIMAL_BYTES] = "", quantity[PIT_DECIMAL_BYTES] = "", orders[24] = "";
    if (there) {
        price_text(price, level->price, symbol);
        lots_text(quantity, level->quantity, symbol);
        snprintf(orders, sizeof orders, "%" PRIu64, level->orders);
    }
    if (bid)
        printf("%7s %16s %14s", orders, quantity, price);
    else
        printf("%-14s %-16s %-7s", price, quantity, orders);
}

void pit_tail_print_ladder(const struct pit_md_depth *depth, const struct pit_md_symbol *symbol, uint32_t levels,
                           const char *each_end)
{
    char price[PIT_DECIMAL_BYTES], quantity[PIT_DECIMAL_BYTES];
    printf("%s  %s  %s  %" PRIu64 " trades", symbol->name, pit_trading_state_name((enum pit_trading_state)depth->state),
           depth->time_ns ? time_text(depth->time_ns) : "no event yet", depth->trades);
    if (depth->trades > 0)
        printf(", last %s @ %s", lots_text(quantity, depth->last_quantity, symbol),
               price_text(price, depth->last_price, symbol));
    fputs(each_end, stdout);
    printf("%7s %16s %14s | %-14s %-16s %-7s%s", "orders", "quantity", "bid", "ask", "quantity", "orders", each_end);
    for (uint32_t i = 0; i < levels; i++) {
        ladder_side(&depth->bid[i], i < depth->bids, true, symbol);
        fputs(" | ", stdout);
        ladder_side(&depth->ask[i], i < depth->asks, false, symbol);
        fputs(each_end, stdout);
    }
}
