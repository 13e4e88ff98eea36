/* tools/happening.c - see happening.h. */
#include "tools/happening.h"

#include <string.h>

#include "pitline/market_data.h"
#include "tools/replay_print.h"

static void end_line(struct pit_happening_printer *printer)
{
    if (printer->extra_name)
        pit_json_text(&printer->line, printer->extra_name, printer->extra);
    pit_json_end(&printer->line, printer->file);
}

static bool ends_with(const char *name, const char *end)
{
    const size_t length = strlen(name), end_length = strlen(end);
    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* What a line for people leaves out: what it says at its beginning, what stands there in another form, and what says
 * nothing. */
static bool left_out(const struct pit_journal_field *field, bool known)
{
    static const char *const always[] = {"command", "sequence", "time_ns", "request"};
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        if (strcmp(field->name, always[i]) == 0)
            return true;
    if (known && (strcmp(field->name, "symbol_id") == 0 || strcmp(field->name, "name") == 0 ||
                  ends_with(field->name, "ticks") || ends_with(field->name, "lots")))
        return true;
    return strcmp(field->value, "false") == 0 || strcmp(field->value, "0") == 0;
}

void pit_happening_command(struct pit_happening_printer *printer, const struct pit_command *command,
                           const struct pit_symbol_definition *definition)
{
    pit_journal_command_fields(&printer->fields, command, definition);
    if (printer->json) {
        pit_journal_fields_json(&printer->line, &printer->fields);
        end_line(printer);
        return;
    }
    char time_text[PIT_JOURNAL_TIME_BYTES];
    fprintf(printer->file, "%lu  %s  %s", command->sequence, pit_journal_time(time_text, command->time_ns),
            printer->fields.fields[0].value);
    for (uint32_t i = 0; i < printer->fields.count; i++) {
        const struct pit_journal_field *field = &printer->fields.fields[i];
        if (!left_out(field, definition != NULL))
            fprintf(printer->file, " %s%s%s", field->name, field->quoted || *field->value != 't' ? " " : "",
                    field->quoted || *field->value != 't' ? field->value : "");
    }
    fputc('\n', printer->file);
}

/* Events for people. */

static char *price_text(char text[PIT_DECIMAL_BYTES], int64_t ticks, const struct pit_symbol_definition *definition)
{
    if (definition)
        return pit_decimal_format(text, ticks, definition->tick_mantissa, definition->tick_decimals);
    snprintf(text, PIT_DECIMAL_BYTES, "%ld ticks", ticks);
    return text;
}

static char *lots_text(char text[PIT_DECIMAL_BYTES], uint64_t lots, const struct pit_symbol_definition *definition)
{
    if (definition && lots <= INT64_MAX)
        return pit_decimal_format(text, (int64_t)lots, definition->lot_mantissa, definition->lot_decimals);
    snprintf(text, PIT_DECIMAL_BYTES, "%lu lots", lots);
    return text;
}

static void print_trade(FILE *file, const struct pit_event *event, const struct pit_symbol_definition *definition)
{
    char texts[4][PIT_DECIMAL_BYTES];
    fprintf(file,
            "trade %s at %s: order %lu of account %u (maker, %s left) and order %lu of account %u (taker, %s left)",
            lots_text(texts[0], event->quantity, definition), price_text(texts[1], event->price, definition),
            event->order_id, event->account, lots_text(texts[2], event->leaves, definition), event->taker_order_id,
            event->taker_account, lots_text(texts[3], event->taker_leaves, definition));
}

static void print_replaced(FILE *file, const struct pit_event *event, const struct pit_symbol_definition *definition)
{
    char texts[4][PIT_DECIMAL_BYTES];
    const char *place = "enters the book anew";
    if (event->flags & PIT_EVENT_KEPT)
        place = "keeps its place";
    else if (event->flags & PIT_EVENT_RESTS)
        place = "rests behind all at its price";
    fprintf(file, "replaced order %lu: %s at %s becomes %s at %s, %s", event->order_id,
            lots_text(texts[0], event->quantity_old, definition), price_text(texts[1], event->price_old, definition),
            lots_text(texts[2], event->quantity, definition), price_text(texts[3], event->price, definition), place);
}

static void print_event(FILE *file, const struct pit_event *event, const struct pit_symbol_definition *definition)
{
    char quantity[PIT_DECIMAL_BYTES], price[PIT_DECIMAL_BYTES], old[PIT_DECIMAL_BYTES];
    lots_text(quantity, event->quantity, definition);
    price_text(price, event->price, definition);
    switch (event->kind) {
    case PIT_EVENT_ACCEPTED:
        fprintf(file, "accepted order %lu of account %u: %s %s at %s%s", event->order_id, event->account,
                pit_side_name(event->side), quantity, price, event->flags & PIT_EVENT_RESTS ? ", rests" : "");
        break;
    case PIT_EVENT_REJECTED:
        fprintf(file, "rejected: %s", pit_reason_name(event->reason));
        break;
    case PIT_EVENT_TRADE:
        print_trade(file, event, definition);
        break;
    case PIT_EVENT_RESTED:
        fprintf(file, "rested order %lu: %s %s at %s", event->order_id, pit_side_name(event->side), quantity, price);
        break;
    case PIT_EVENT_CANCELLED:
        fprintf(file, "cancelled order %lu: %s at %s (%s)", event->order_id, quantity, price,
                pit_reason_name(event->reason));
        break;
    case PIT_EVENT_REDUCED:
        fprintf(file, "reduced order %lu from %s to %s at %s", event->order_id,
                lots_text(old, event->quantity_old, definition), quantity, price);
        break;
    case PIT_EVENT_REPLACED:
        print_replaced(file, event, definition);
        break;
    case PIT_EVENT_DEFINED:
        fprintf(file, "defined %s", event->definition.name);
        break;
    case PIT_EVENT_STATE:
        fprintf(file, "trading is %s", pit_trading_state_name((enum pit_trading_state)event->quantity));
        break;
    default:
        fprintf(file, "event %u", event->kind);
        break;
    }
}

void pit_happening_event(struct pit_happening_printer *printer, uint64_t sequence, uint32_t index,
                         const struct pit_event *event, const struct pit_symbol_definition *definition,
                         const char *indent)
{
    if (printer->json) {
        pit_event_to_json(&printer->line, sequence, index, event, definition);
        end_line(printer);
        return;
    }
    fputs(indent, printer->file);
    print_event(printer->file, event, definition);
    fputc('\n', printer->file);
}
