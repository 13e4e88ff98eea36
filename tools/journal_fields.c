/* tools/journal_fields.c - a command taken apart into named fields, and the symbols they need; see journal_tools.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "book/book.h"
#include "pitline/market_data.h"
#include "tools/journal_tools.h"

#define FLAGS_NAMED (PIT_COMMAND_MARKET | PIT_COMMAND_POST_ONLY | PIT_COMMAND_WIDE)

int pit_journal_symbols_begin(struct pit_journal_symbols *symbols)
{
    symbols->definitions = calloc(PIT_SYMBOLS_MAX, sizeof *symbols->definitions);
    return symbols->definitions ? 0 : -ENOMEM;
}

void pit_journal_symbols_end(struct pit_journal_symbols *symbols)
{
    free(symbols->definitions);
    symbols->definitions = NULL;
}

/* A book refuses a definition that is not valid, and a second one that changes more than the band; ticks and lots stay
 * what the first said. */
void pit_journal_symbols_see(struct pit_journal_symbols *symbols, const struct pit_command *command)
{
    if (command->kind != PIT_COMMAND_SYMBOL || !(command->flags & PIT_COMMAND_WIDE) ||
        command->symbol >= PIT_SYMBOLS_MAX || !pit_symbol_definition_valid(&command->definition))
        return;
    struct pit_symbol_definition *known = &symbols->definitions[command->symbol];
    if (known->name[0] == 0)
        *known = command->definition;
}

const struct pit_symbol_definition *pit_journal_symbols_find(const struct pit_journal_symbols *symbols, uint32_t symbol)
{
    if (symbol >= PIT_SYMBOLS_MAX || symbols->definitions[symbol].name[0] == 0)
        return NULL;
    return &symbols->definitions[symbol];
}

static char *add(struct pit_journal_fields *fields, const char *name, bool quoted)
{
    static char beyond[PIT_JOURNAL_FIELD_BYTES]; /* no kind has so many fields */
    if (fields->count == PIT_JOURNAL_FIELDS_MAX)
        return beyond;
    struct pit_journal_field *field = &fields->fields[fields->count++];
    field->name = name;
    field->quoted = quoted;
    return field->value;
}

/* A text longer than a field is cut; none is. */
static void add_text(struct pit_journal_fields *fields, const char *name, const char *text)
{
    char *value = add(fields, name, true);
    size_t bytes = strlen(text);
    if (bytes >= PIT_JOURNAL_FIELD_BYTES)
        bytes = PIT_JOURNAL_FIELD_BYTES - 1;
    memcpy(value, text, bytes);
    value[bytes] = 0;
}

/* By hand: a journal has many numbers, and printf takes five times as long. */
static void put_number(char *value, uint64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = 0;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    memcpy(value, digits + at, sizeof digits - at);
}

static void add_unsigned(struct pit_journal_fields *fields, const char *name, uint64_t value)
{
    put_number(add(fields, name, false), value);
}

static void add_signed(struct pit_journal_fields *fields, const char *name, int64_t value)
{
    char *text = add(fields, name, false);
    if (value < 0)
        *text++ = '-';
    put_number(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void add_bool(struct pit_journal_fields *fields, const char *name, bool value)
{
    strcpy(add(fields, name, false), value ? "true" : "false");
}

static void add_hex(struct pit_journal_fields *fields, const char *name, const void *bytes, size_t count)
{
    char *text = add(fields, name, true);
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
}

/* A byte with a name, or the number where it has none. */
static void add_named(struct pit_journal_fields *fields, const char *name, const char *word, uint64_t value)
{
    if (strcmp(word, "?") == 0)
        add_unsigned(fields, name, value);
    else
        add_text(fields, name, word);
}

static void add_price(struct pit_journal_fields *fields, const char *name, const char *ticks_name, int64_t ticks,
                      const struct pit_symbol_definition *definition)
{
    char text[PIT_DECIMAL_BYTES];
    if (definition)
        add_text(fields, name, pit_decimal_format(text, ticks, definition->tick_mantissa, definition->tick_decimals));
    add_signed(fields, ticks_name, ticks);
}

static void add_quantity(struct pit_journal_fields *fields, const char *name, const char *lots_name, uint64_t lots,
                         const struct pit_symbol_definition *definition)
{
    char text[PIT_DECIMAL_BYTES];
    if (definition && lots <= INT64_MAX) /* no more can be formatted, nor accepted */
        add_text(fields, name,
                 pit_decimal_format(text, (int64_t)lots, definition->lot_mantissa, definition->lot_decimals));
    add_unsigned(fields, lots_name, lots);
}

/* As text if it is one, byte for byte otherwise. */
static void add_name(struct pit_journal_fields *fields, const char name[PIT_SYMBOL_NAME_BYTES])
{
    char text[PIT_SYMBOL_NAME_BYTES + 1] = "";
    size_t length = 0;
    while (length < PIT_SYMBOL_NAME_BYTES && name[length] >= ' ' && name[length] <= '~') {
        text[length] = name[length];
        length++;
    }
    for (size_t i = length; i < PIT_SYMBOL_NAME_BYTES; i++) {
        if (name[i] == 0)
            continue;
        add_hex(fields, "name_bytes", name, PIT_SYMBOL_NAME_BYTES);
        return;
    }
    add_text(fields, "name", text);
}

static void add_definition(struct pit_journal_fields *fields, const struct pit_symbol_definition *definition)
{
    const struct pit_symbol_definition *sound = pit_symbol_definition_valid(definition) ? definition : NULL;
    add_name(fields, definition->name);
    if (sound) {
        char text[PIT_DECIMAL_BYTES];
        add_text(fields, "tick_size", pit_decimal_format(text, 1, sound->tick_mantissa, sound->tick_decimals));
        add_text(fields, "lot_size", pit_decimal_format(text, 1, sound->lot_mantissa, sound->lot_decimals));
    }
    add_price(fields, "price_min", "price_min_ticks", definition->price_min, sound);
    add_price(fields, "price_max", "price_max_ticks", definition->price_max, sound);
    add_quantity(fields, "quantity_max", "quantity_max_lots", definition->quantity_max, sound);
    add_unsigned(fields, "orders_max", definition->orders_max);
    add_unsigned(fields, "levels_max", definition->levels_max);
    add_unsigned(fields, "tick_mantissa", definition->tick_mantissa);
    add_unsigned(fields, "tick_decimals", definition->tick_decimals);
    add_unsigned(fields, "lot_mantissa", definition->lot_mantissa);
    add_unsigned(fields, "lot_decimals", definition->lot_decimals);
    static const uint8_t zeros[sizeof definition->zero];
    if (memcmp(definition->zero, zeros, sizeof zeros) != 0)
        add_hex(fields, "reserved", definition->zero, sizeof zeros);
}

static void add_line1(struct pit_journal_fields *fields, const struct pit_command *command)
{
    if (!(command->flags & PIT_COMMAND_WIDE))
        return;
    if (command->kind == PIT_COMMAND_SYMBOL)
        add_definition(fields, &command->definition);
    else
        add_hex(fields, "line1", command->line1, sizeof command->line1);
}

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {"?", "new", "cancel", "reduce", "replace", "symbol", "state"};
    return kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

/* Which kinds use a field that not every command has. */
enum {
    NEW = 1 << PIT_COMMAND_NEW,
    CANCEL = 1 << PIT_COMMAND_CANCEL,
    REDUCE = 1 << PIT_COMMAND_REDUCE,
    REPLACE = 1 << PIT_COMMAND_REPLACE,
};

static bool among(uint8_t kind, uint32_t kinds)
{
    return kind < 32 && (kinds >> kind & 1u);
}

static void add_order(struct pit_journal_fields *fields, const struct pit_command *command,
                      const struct pit_symbol_definition *definition)
{
    const uint8_t kind = command->kind;
    const bool market = command->flags & PIT_COMMAND_MARKET;
    const bool post_only = command->flags & PIT_COMMAND_POST_ONLY;
    if (among(kind, CANCEL | REDUCE | REPLACE) || command->order_id)
        add_unsigned(fields, "order_id", command->order_id);
    if (among(kind, NEW | CANCEL | REDUCE | REPLACE) || command->client_id)
        add_unsigned(fields, "client_id", command->client_id);
    if (among(kind, NEW) || command->side)
        add_named(fields, "side", pit_side_name((enum pit_side)command->side), command->side);
    if (among(kind, NEW) || command->tif)
        add_named(fields, "tif", pit_tif_name((enum pit_tif)command->tif), command->tif);
    if (among(kind, NEW) || market)
        add_bool(fields, "market", market);
    if (among(kind, NEW | REPLACE) || post_only)
        add_bool(fields, "post_only", post_only);
    const bool wide = command->flags & PIT_COMMAND_WIDE;
    if ((command->flags & ~FLAGS_NAMED) || wide != (kind == PIT_COMMAND_SYMBOL))
        add_unsigned(fields, "flags", command->flags);
    if ((among(kind, NEW | REPLACE) && !market) || command->price)
        add_price(fields, "price", "ticks", command->price, definition);
    if (kind == PIT_COMMAND_STATE)
        add_named(fields, "state",
                  command->quantity <= PIT_STATE_HALTED
                      ? pit_trading_state_name((enum pit_trading_state)command->quantity)
                      : "?",
                  command->quantity);
    else if (among(kind, NEW | REDUCE | REPLACE) || command->quantity)
        add_quantity(fields, "quantity", "lots", command->quantity, definition);
}

void pit_journal_command_fields(struct pit_journal_fields *fields, const struct pit_command *command,
                                const struct pit_symbol_definition *definition)
{
    fields->count = 0;
    add_named(fields, "command", kind_name(command->kind), command->kind);
    add_unsigned(fields, "sequence", command->sequence);
    add_unsigned(fields, "time_ns", command->time_ns);
    add_unsigned(fields, "symbol_id", command->symbol);
    if (definition)
        add_text(fields, "symbol", definition->name);
    add_unsigned(fields, "account", command->account);
    add_unsigned(fields, "request", command->request);
    add_order(fields, command, definition);
    add_line1(fields, command);
}

void pit_journal_fields_json(struct pit_json *json, const struct pit_journal_fields *fields)
{
    pit_json_begin(json);
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct pit_journal_field *field = &fields->fields[i];
        if (field->quoted)
            pit_json_text(json, field->name, field->value);
        else
            pit_json_value(json, field->name, field->value);
    }
}
