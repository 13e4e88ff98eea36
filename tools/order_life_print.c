/* tools/order_life_print.c - see order_life_print.h. */
#include "tools/order_life_print.h"

#include "pitline/market_data.h"
#include "tools/journal_tools.h"

const char *pit_life_kind_name(uint8_t kind)
{
    static const char *const names[] = {"?", "new", "cancel", "reduce", "replace", "symbol", "state"};
    return kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

/* Texts of amounts: what people read, and what stands in JSON. */
struct texts {
    char price[PIT_DECIMAL_BYTES];
    char quantity[PIT_DECIMAL_BYTES];
    char other_price[PIT_DECIMAL_BYTES];
    char other_quantity[PIT_DECIMAL_BYTES];
};

static char *price_text(char text[PIT_DECIMAL_BYTES], int64_t ticks, const struct pit_symbol_definition *definition)
{
    return pit_decimal_format(text, ticks, definition->tick_mantissa, definition->tick_decimals);
}

/* Sums of many trades may be more than a decimal of lots can say. */
static char *lots_text(char text[PIT_DECIMAL_BYTES], uint64_t lots, const struct pit_symbol_definition *definition)
{
    if (lots <= INT64_MAX)
        return pit_decimal_format(text, (int64_t)lots, definition->lot_mantissa, definition->lot_decimals);
    snprintf(text, PIT_DECIMAL_BYTES, "%lu lots", lots);
    return text;
}

/* What every line begins with. */
static void begin(struct pit_life_printer *printer, const struct pit_life_order *order, const char *what)
{
    struct pit_json *line = &printer->line;
    if (printer->json) {
        pit_json_begin(line);
        pit_json_unsigned(line, "order_id", order->order_id);
        pit_json_text(line, "what", what);
        pit_json_unsigned(line, "sequence", printer->sequence);
        pit_json_unsigned(line, "time_ns", printer->time_ns);
        pit_json_unsigned(line, "symbol_id", order->symbol);
        if (order->definition)
            pit_json_text(line, "symbol", order->definition->name);
        pit_json_unsigned(line, "account", order->account);
        pit_json_unsigned(line, "client_id", order->client_id);
    } else {
        char time_text[PIT_JOURNAL_TIME_BYTES];
        char id_text[24] = "-";
        if (order->order_id)
            snprintf(id_text, sizeof id_text, "%lu", order->order_id);
        fprintf(printer->file, "%10lu  %s  order %s  %-9s  ", printer->sequence,
                pit_journal_time(time_text, printer->time_ns), id_text, what);
    }
}

static void end(struct pit_life_printer *printer)
{
    if (printer->json)
        pit_json_end(&printer->line, printer->file);
    else
        fputc('\n', printer->file);
}

static void order_text(struct texts *texts, const struct pit_life_order *order, uint64_t lots)
{
    price_text(texts->price, order->price, order->definition);
    lots_text(texts->quantity, lots, order->definition);
}

static void add_order(struct pit_json *line, const struct pit_life_order *order, const struct texts *texts)
{
    pit_json_text(line, "side", pit_side_name(order->side));
    pit_json_text(line, "price", texts->price);
    pit_json_text(line, "quantity", texts->quantity);
}

void pit_life_print_known(struct pit_life_printer *printer, const struct pit_life_order *order)
{
    struct texts texts;
    order_text(&texts, order, order->left);
    begin(printer, order, "known");
    if (printer->json)
        add_order(&printer->line, order, &texts);
    else
        fprintf(printer->file,
                "rests in the snapshot, account %u, client id %lu, %s: %s %s at %s; what it did before is not "
                "told",
                order->account, order->client_id, order->definition->name, pit_side_name(order->side), texts.quantity,
                texts.price);
    end(printer);
}

void pit_life_print_entered(struct pit_life_printer *printer, const struct pit_life_order *order,
                            const struct pit_command *command, const struct pit_event *event)
{
    struct texts texts;
    const bool market = command->flags & PIT_COMMAND_MARKET;
    const bool post_only = command->flags & PIT_COMMAND_POST_ONLY;
    order_text(&texts, order, order->entered);
    begin(printer, order, "entered");
    if (printer->json) {
        add_order(&printer->line, order, &texts);
        pit_json_text(&printer->line, "tif", pit_tif_name(command->tif));
        pit_json_bool(&printer->line, "market", market);
        pit_json_bool(&printer->line, "post_only", post_only);
        pit_json_bool(&printer->line, "rests", order->rests);
        pit_json_unsigned(&printer->line, "request", event->request);
    } else {
        fprintf(printer->file, "account %u, client id %lu, %s: %s %s at %s, %s%s%s", order->account, order->client_id,
                order->definition->name, pit_side_name(order->side), texts.quantity, market ? "any price" : texts.price,
                pit_tif_name(command->tif), post_only ? ", post only" : "", order->rests ? "; rests" : "");
    }
    end(printer);
}

void pit_life_print_traded(struct pit_life_printer *printer, const struct pit_life_order *order,
                           const struct pit_event *event, bool taker)
{
    struct texts texts;
    const uint64_t other = taker ? event->order_id : event->taker_order_id;
    const uint32_t other_account = taker ? event->account : event->taker_account;
    price_text(texts.price, event->price, order->definition);
    lots_text(texts.quantity, event->quantity, order->definition);
    lots_text(texts.other_quantity, order->left, order->definition);
    begin(printer, order, "traded");
    if (printer->json) {
        pit_json_text(&printer->line, "role", taker ? "taker" : "maker");
        pit_json_text(&printer->line, "price", texts.price);
        pit_json_text(&printer->line, "quantity", texts.quantity);
        pit_json_text(&printer->line, "left", texts.other_quantity);
        pit_json_unsigned(&printer->line, "number", event->number);
        pit_json_unsigned(&printer->line, "other_order_id", other);
        pit_json_unsigned(&printer->line, "other_account", other_account);
    } else {
        fprintf(printer->file, "%s at %s as %s, with order %lu of account %u; %s left", texts.quantity, texts.price,
                taker ? "taker" : "maker", other, other_account, texts.other_quantity);
    }
    end(printer);
}

static void replaced(struct pit_life_printer *printer, const struct pit_event *event, const struct texts *texts)
{
    const char *place = "and enters the book anew";
    if (event->flags & PIT_EVENT_KEPT)
        place = "and keeps its place";
    else if (event->flags & PIT_EVENT_RESTS)
        place = "and rests behind all at its price";
    if (printer->json) {
        pit_json_text(&printer->line, "price_old", texts->other_price);
        pit_json_text(&printer->line, "quantity_old", texts->other_quantity);
        pit_json_bool(&printer->line, "kept", event->flags & PIT_EVENT_KEPT);
        pit_json_bool(&printer->line, "rests", event->flags & PIT_EVENT_RESTS);
    } else {
        fprintf(printer->file, "%s at %s becomes %s at %s, %s", texts->other_quantity, texts->other_price,
                texts->quantity, texts->price, place);
    }
}

void pit_life_print_changed(struct pit_life_printer *printer, const struct pit_life_order *order,
                            const struct pit_event *event)
{
    static const char *const names[] = {
        [PIT_EVENT_RESTED] = "rested",
        [PIT_EVENT_CANCELLED] = "cancelled",
        [PIT_EVENT_REDUCED] = "reduced",
        [PIT_EVENT_REPLACED] = "replaced",
    };
    struct texts texts = {0};
    const bool wide = event->kind == PIT_EVENT_REDUCED || event->kind == PIT_EVENT_REPLACED;
    order_text(&texts, order, event->quantity);
    if (wide)
        lots_text(texts.other_quantity, event->quantity_old, order->definition);
    if (event->kind == PIT_EVENT_REPLACED)
        price_text(texts.other_price, event->price_old, order->definition);
    begin(printer, order, names[event->kind]);
    if (printer->json)
        add_order(&printer->line, order, &texts);
    switch (event->kind) {
    case PIT_EVENT_REPLACED:
        replaced(printer, event, &texts);
        break;
    case PIT_EVENT_REDUCED:
        if (printer->json)
            pit_json_text(&printer->line, "quantity_old", texts.other_quantity);
        else
            fprintf(printer->file, "from %s to %s", texts.other_quantity, texts.quantity);
        break;
    case PIT_EVENT_CANCELLED:
        if (printer->json)
            pit_json_text(&printer->line, "reason", pit_reason_name(event->reason));
        else
            fprintf(printer->file, "%s (%s)", texts.quantity, pit_reason_name(event->reason));
        break;
    default:
        if (!printer->json)
            fprintf(printer->file, "%s at %s", texts.quantity, texts.price);
        break;
    }
    end(printer);
}

void pit_life_print_refused(struct pit_life_printer *printer, const struct pit_event *event, uint64_t order_id,
                            const struct pit_symbol_definition *definition)
{
    const struct pit_life_order named = {.order_id = order_id,
                                         .client_id = event->client_id,
                                         .account = event->account,
                                         .symbol = event->symbol,
                                         .definition = definition};
    const uint8_t kind = pit_event_rejected_kind(event);
    begin(printer, &named, "refused");
    if (printer->json) {
        pit_json_text(&printer->line, "command", pit_life_kind_name(kind));
        pit_json_text(&printer->line, "reason", pit_reason_name(event->reason));
    } else {
        fprintf(printer->file, "%s by account %u in %s (%s)", pit_life_kind_name(kind), event->account,
                definition ? definition->name : "an unknown symbol", pit_reason_name(event->reason));
    }
    end(printer);
}

/* How much was traded in how many trades, and what became of the rest. */
static void add_sums(struct pit_life_printer *printer, const struct pit_life_order *order)
{
    struct texts texts;
    lots_text(texts.quantity, order->traded, order->definition);
    lots_text(texts.other_quantity, order->cancelled, order->definition);
    if (printer->json) {
        pit_json_text(&printer->line, "traded", texts.quantity);
        pit_json_unsigned(&printer->line, "trades", order->trades);
        pit_json_text(&printer->line, "cancelled", texts.other_quantity);
        pit_json_bool(&printer->line, "from_snapshot", order->from_snapshot);
    } else {
        fprintf(printer->file, "%s traded in %lu trade%s%s", texts.quantity, order->trades,
                order->trades == 1 ? "" : "s", order->from_snapshot ? " after the snapshot" : "");
        if (order->cancelled)
            fprintf(printer->file, ", %s cancelled", texts.other_quantity);
    }
}

void pit_life_print_ended(struct pit_life_printer *printer, const struct pit_life_order *order)
{
    begin(printer, order, "ended");
    if (printer->json)
        pit_json_text(&printer->line, "left", "0");
    else
        fputs("nothing left; ", printer->file);
    add_sums(printer, order);
    end(printer);
}

void pit_life_print_standing(struct pit_life_printer *printer, const struct pit_life_order *order, uint64_t orders,
                             uint64_t quantity)
{
    struct texts texts;
    order_text(&texts, order, order->left);
    lots_text(texts.other_quantity, quantity, order->definition);
    begin(printer, order, "stands");
    if (printer->json) {
        pit_json_text(&printer->line, "side", pit_side_name(order->side));
        pit_json_text(&printer->line, "price", texts.price);
        pit_json_text(&printer->line, "left", texts.quantity);
        pit_json_unsigned(&printer->line, "orders_before", orders);
        pit_json_text(&printer->line, "quantity_before", texts.other_quantity);
    } else {
        fprintf(printer->file, "%s left, to %s at %s, ", texts.quantity, pit_side_name(order->side), texts.price);
        if (orders)
            fprintf(printer->file, "behind %lu order%s with %s; ", orders, orders == 1 ? "" : "s",
                    texts.other_quantity);
        else
            fputs("the first at its price; ", printer->file);
    }
    add_sums(printer, order);
    end(printer);
}
