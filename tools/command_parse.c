/* tools/command_parse.c - see command_parse.h. The fields are those of journal_fields.c. */
#include "tools/command_parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pitline/market_data.h"

struct parser {
    struct pit_command_line *line;
    const struct pit_command_symbols *symbols;
    const struct pit_symbol_definition *definition; /* of the command's symbol, or NULL */
    struct pit_error *error;
    bool failed, missing; /* missing: it failed for what is not there */
    uint64_t used;        /* members that were asked for, a bit each */
};
_Static_assert(PIT_JSON_MEMBERS_MAX <= 64, "a bit for each member");

__attribute__((format(printf, 3, 4))) static void fail(struct parser *parser, const struct pit_json_member *member,
                                                       const char *format, ...)
{
    char text[PIT_ERROR_TEXT_BYTES];
    va_list arguments;
    if (parser->failed)
        return;
    parser->failed = true;
    parser->missing = !member;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (member)
        pit_error_set(parser->error, -EINVAL, "column %u: \"%s\": %.180s", member->column, member->name, text);
    else
        pit_error_set(parser->error, -EINVAL, "%s", text);
}

/* The member with that name, or NULL. */
static const struct pit_json_member *find(struct parser *parser, const char *name)
{
    const struct pit_json_object *object = &parser->line->object;
    for (uint32_t i = 0; i < object->count; i++) {
        if (strcmp(object->members[i].name, name) != 0)
            continue;
        parser->used |= UINT64_C(1) << i;
        return &object->members[i];
    }
    return NULL;
}

static uint64_t number_of(struct parser *parser, const struct pit_json_member *member, uint64_t most)
{
    if (member->type == PIT_JSON_NUMBER && !member->negative && member->number <= most)
        return member->number;
    fail(parser, member, "%s is not a whole number from 0 to %lu", member->text, most);
    return 0;
}

/* A number; absent: 0. */
static uint64_t take_number(struct parser *parser, const char *name, uint64_t most)
{
    const struct pit_json_member *member = find(parser, name);
    return member ? number_of(parser, member, most) : 0;
}

static uint64_t need_number(struct parser *parser, const char *name, uint64_t most)
{
    const struct pit_json_member *member = find(parser, name);
    if (!member)
        fail(parser, NULL, "the field \"%s\" is missing: a whole number from 0 to %lu", name, most);
    return member ? number_of(parser, member, most) : 0;
}

/* A word of a list, or the number of one that has no word; absent: 0. */
static uint64_t take_word(struct parser *parser, const char *name, const char *const words[], uint32_t count,
                          uint64_t most, bool needed)
{
    const struct pit_json_member *member = find(parser, name);
    char known[128] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!words[i])
            continue;
        if (member && member->type == PIT_JSON_TEXT && strcmp(member->text, words[i]) == 0)
            return i;
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", words[i]);
    }
    if (!member) {
        if (needed)
            fail(parser, NULL, "the field \"%s\" is missing: one of %s", name, known);
        return 0;
    }
    if (member->type == PIT_JSON_NUMBER)
        return number_of(parser, member, most);
    fail(parser, member, "'%s' is none of %s", member->text, known);
    return 0;
}

/* True or false; absent: *given stays as it is. */
static bool take_bool(struct parser *parser, const char *name, bool *given)
{
    const struct pit_json_member *member = find(parser, name);
    if (!member)
        return false;
    if (member->type != PIT_JSON_BOOL)
        fail(parser, member, "'%s' is neither true nor false", member->text);
    *given = true;
    return member->number;
}

static void take_hex(struct parser *parser, const char *name, void *bytes, size_t count)
{
    const struct pit_json_member *member = find(parser, name);
    if (!member)
        return;
    bool good = member->type == PIT_JSON_TEXT && strlen(member->text) == 2 * count;
    for (size_t i = 0; good && i < count; i++) {
        unsigned value;
        int end = 0;
        good = sscanf(member->text + 2 * i, "%2x%n", &value, &end) == 1 && end == 2 &&
               strspn(member->text, "0123456789abcdefABCDEF") == 2 * count;
        ((uint8_t *)bytes)[i] = (uint8_t)value;
    }
    if (!good)
        fail(parser, member, "%zu hexadecimal digits are expected", 2 * count);
}

/* Amounts: a decimal, a number of units, or both, which must be the same. */

struct amount {
    const char *name;       /* of the decimal */
    const char *units_name; /* "ticks" */
    const char *unit;       /* "tick" */
    uint32_t mantissa;      /* 0: the unit is not known */
    uint8_t decimals;
    bool is_signed;
    bool needed;
};

static int64_t decimal_of(struct parser *parser, const struct amount *amount, const struct pit_json_member *member)
{
    char unit[PIT_DECIMAL_BYTES];
    int64_t value = 0;
    if (amount->mantissa == 0) {
        fail(parser, member, "the symbol is not known here, so a decimal says nothing: give \"%s\"",
             amount->units_name);
        return 0;
    }
    pit_decimal_format(unit, 1, amount->mantissa, amount->decimals);
    const int code = member->type == PIT_JSON_TEXT
                         ? pit_decimal_parse(member->text, amount->mantissa, amount->decimals, &value)
                         : -EINVAL;
    if (code == -EINVAL)
        fail(parser, member, "'%s' is not a decimal in quotes, like \"%s\"", member->text, unit);
    else if (code)
        fail(parser, member, "'%s' is not a multiple of the %s size, %s", member->text, amount->unit, unit);
    else if (value < 0 && !amount->is_signed)
        fail(parser, member, "'%s' is below zero", member->text);
    return value;
}

/* The units, in two's complement where they may be negative; absent: 0. */
static uint64_t take_amount(struct parser *parser, const struct amount *amount)
{
    const struct pit_json_member *decimal = find(parser, amount->name);
    const struct pit_json_member *units = find(parser, amount->units_name);
    uint64_t value = 0;
    if (!decimal && !units && amount->needed)
        fail(parser, NULL, "the field \"%s\" (or \"%s\") is missing", amount->name, amount->units_name);
    if (units) {
        const uint64_t most = !amount->is_signed ? UINT64_MAX : (uint64_t)INT64_MAX + units->negative;
        if (units->type != PIT_JSON_NUMBER || units->number > most || (units->negative && !amount->is_signed))
            fail(parser, units, "'%s' is not a whole number of %s", units->text, amount->units_name);
        value = units->negative ? 0 - units->number : units->number;
    }
    if (!decimal)
        return value;
    const uint64_t said = (uint64_t)decimal_of(parser, amount, decimal);
    if (units && said != value)
        fail(parser, decimal, "'%s' is %ld %s, and \"%s\" says %s: change both, or leave one out", decimal->text,
             (int64_t)said, amount->units_name, amount->units_name, units->text);
    return said;
}

static int64_t take_price(struct parser *parser, bool needed)
{
    const struct pit_symbol_definition *definition = parser->definition;
    const struct amount amount = {.name = "price",
                                  .units_name = "ticks",
                                  .unit = "tick",
                                  .mantissa = definition ? definition->tick_mantissa : 0,
                                  .decimals = definition ? definition->tick_decimals : 0,
                                  .is_signed = true,
                                  .needed = needed};
    return (int64_t)take_amount(parser, &amount);
}

static uint64_t take_quantity(struct parser *parser, bool needed)
{
    const struct pit_symbol_definition *definition = parser->definition;
    const struct amount amount = {.name = "quantity",
                                  .units_name = "lots",
                                  .unit = "lot",
                                  .mantissa = definition ? definition->lot_mantissa : 0,
                                  .decimals = definition ? definition->lot_decimals : 0,
                                  .needed = needed};
    return take_amount(parser, &amount);
}

/* Definitions. */

static void take_name(struct parser *parser, char name[PIT_SYMBOL_NAME_BYTES])
{
    const struct pit_json_member *member = find(parser, "name");
    if (find(parser, "name_bytes")) {
        take_hex(parser, "name_bytes", name, PIT_SYMBOL_NAME_BYTES);
        return;
    }
    if (!member)
        fail(parser, NULL, "the field \"name\" is missing: the symbol's");
    else if (member->type != PIT_JSON_TEXT || strlen(member->text) > PIT_SYMBOL_NAME_BYTES)
        fail(parser, member, "'%s' is not a text of at most %u characters", member->text, PIT_SYMBOL_NAME_BYTES - 1);
    else
        memcpy(name, member->text, strlen(member->text));
}

/* The size of a unit stands there for people; it must be what mantissa and decimals say. */
static void check_unit(struct parser *parser, const char *name, uint32_t mantissa, uint8_t decimals)
{
    const struct pit_json_member *member = find(parser, name);
    char unit[PIT_DECIMAL_BYTES];
    if (!member)
        return;
    pit_decimal_format(unit, 1, mantissa, decimals);
    if (member->type != PIT_JSON_TEXT || strcmp(member->text, unit) != 0)
        fail(parser, member, "'%s' is not what mantissa and decimals say: %s. Change all, or leave this one out",
             member->text, unit);
}

static void take_definition(struct parser *parser, struct pit_symbol_definition *definition)
{
    take_name(parser, definition->name);
    definition->tick_mantissa = (uint32_t)need_number(parser, "tick_mantissa", UINT32_MAX);
    definition->tick_decimals = (uint8_t)need_number(parser, "tick_decimals", UINT8_MAX);
    definition->lot_mantissa = (uint32_t)need_number(parser, "lot_mantissa", UINT32_MAX);
    definition->lot_decimals = (uint8_t)need_number(parser, "lot_decimals", UINT8_MAX);
    check_unit(parser, "tick_size", definition->tick_mantissa, definition->tick_decimals);
    check_unit(parser, "lot_size", definition->lot_mantissa, definition->lot_decimals);
    struct amount amount = {.name = "price_min",
                            .units_name = "price_min_ticks",
                            .unit = "tick",
                            .mantissa = definition->tick_mantissa,
                            .decimals = definition->tick_decimals,
                            .is_signed = true,
                            .needed = true};
    definition->price_min = (int64_t)take_amount(parser, &amount);
    amount.name = "price_max";
    amount.units_name = "price_max_ticks";
    definition->price_max = (int64_t)take_amount(parser, &amount);
    amount = (struct amount){.name = "quantity_max",
                             .units_name = "quantity_max_lots",
                             .unit = "lot",
                             .mantissa = definition->lot_mantissa,
                             .decimals = definition->lot_decimals,
                             .needed = true};
    definition->quantity_max = take_amount(parser, &amount);
    definition->orders_max = (uint32_t)need_number(parser, "orders_max", UINT32_MAX);
    definition->levels_max = (uint32_t)need_number(parser, "levels_max", UINT32_MAX);
    take_hex(parser, "reserved", definition->zero, sizeof definition->zero);
}

/* The command. */

/* By name, by id, or by both, which must be the same. A definition's symbol need not be known. */
static void take_symbol(struct parser *parser, struct pit_command *command)
{
    const struct pit_json_member *id = find(parser, "symbol_id");
    const struct pit_json_member *name = find(parser, "symbol");
    int64_t named = -1;
    if (name && name->type != PIT_JSON_TEXT)
        fail(parser, name, "%s is not a name in quotes", name->text);
    else if (name)
        named = parser->symbols->named(parser->symbols->context, name->text);
    if (id)
        command->symbol = (uint32_t)number_of(parser, id, UINT32_MAX);
    else if (named >= 0)
        command->symbol = (uint32_t)named;
    else if (name)
        fail(parser, name, "there is no symbol '%s' at this point%s", name->text,
             command->kind == PIT_COMMAND_SYMBOL ? ": give it a \"symbol_id\"" : "");
    else
        fail(parser, NULL, "the field \"symbol\" (or \"symbol_id\") is missing");
    parser->definition = parser->symbols->find(parser->symbols->context, command->symbol);
    if (!id || !name || command->kind == PIT_COMMAND_SYMBOL)
        return;
    if (named < 0)
        fail(parser, name, "there is no symbol '%s' at this point", name->text);
    else if (named != command->symbol)
        fail(parser, name, "'%s' is symbol %ld, and \"symbol_id\" says %s: change both, or leave one out", name->text,
             named, id->text);
}

static void take_flags(struct parser *parser, struct pit_command *command)
{
    bool market_given = false, post_only_given = false;
    const bool market = take_bool(parser, "market", &market_given);
    const bool post_only = take_bool(parser, "post_only", &post_only_given);
    const struct pit_json_member *member = find(parser, "flags");
    const uint32_t named = (market ? PIT_COMMAND_MARKET : 0) | (post_only ? PIT_COMMAND_POST_ONLY : 0);
    if (!member) {
        command->flags = (uint8_t)(named | (command->kind == PIT_COMMAND_SYMBOL ? PIT_COMMAND_WIDE : 0));
        return;
    }
    command->flags = (uint8_t)number_of(parser, member, UINT8_MAX);
    if ((market_given && market != !!(command->flags & PIT_COMMAND_MARKET)) ||
        (post_only_given && post_only != !!(command->flags & PIT_COMMAND_POST_ONLY)))
        fail(parser, member, "%s does not agree with \"market\" and \"post_only\": change both, or leave one out",
             member->text);
}

static const char *const kinds[] = {NULL, "new", "cancel", "reduce", "replace", "symbol", "state"};
static const char *const sides[] = {"buy", "sell"};
static const char *const tifs[] = {"gtc", "ioc", "fok"};
static const char *const states[] = {"open", "halted"};

#define TAKE_WORD(parser, name, words, most, needed)                                                                   \
    take_word(parser, name, words, sizeof(words) / sizeof(words)[0], most, needed)

static bool among(uint8_t kind, enum pit_command_kind a, enum pit_command_kind b, enum pit_command_kind c)
{
    return kind == a || kind == b || kind == c;
}

static void take_order(struct parser *parser, struct pit_command *command)
{
    const uint8_t kind = command->kind;
    const bool is_new = kind == PIT_COMMAND_NEW;
    const bool names_order = among(kind, PIT_COMMAND_CANCEL, PIT_COMMAND_REDUCE, PIT_COMMAND_REPLACE);
    command->order_id = take_number(parser, "order_id", UINT64_MAX);
    command->client_id = take_number(parser, "client_id", UINT64_MAX);
    if (names_order && !find(parser, "order_id") && !find(parser, "client_id"))
        fail(parser, NULL, "which order? The field \"order_id\" (or \"client_id\") is missing");
    command->side = (uint8_t)TAKE_WORD(parser, "side", sides, UINT8_MAX, is_new);
    command->tif = (uint8_t)TAKE_WORD(parser, "tif", tifs, UINT8_MAX, false);
    take_flags(parser, command);
    const bool priced = (is_new || kind == PIT_COMMAND_REPLACE) && !(command->flags & PIT_COMMAND_MARKET);
    command->price = take_price(parser, priced);
    if (kind == PIT_COMMAND_STATE)
        command->quantity = TAKE_WORD(parser, "state", states, UINT64_MAX, true);
    else
        command->quantity =
            take_quantity(parser, among(kind, PIT_COMMAND_NEW, PIT_COMMAND_REDUCE, PIT_COMMAND_REPLACE));
}

static void take_command(struct parser *parser, struct pit_command *command)
{
    *command = (struct pit_command){0};
    if (find(parser, "digest"))
        fail(parser, find(parser, "digest"), "a digest is no command: print the journal without --digests");
    command->kind = (uint8_t)TAKE_WORD(parser, "command", kinds, UINT8_MAX, true);
    command->sequence = take_number(parser, "sequence", UINT64_MAX);
    command->time_ns = take_number(parser, "time_ns", UINT64_MAX);
    take_symbol(parser, command);
    const bool exchange = command->kind == PIT_COMMAND_SYMBOL || command->kind == PIT_COMMAND_STATE;
    command->account =
        (uint32_t)(exchange ? take_number(parser, "account", UINT32_MAX) : need_number(parser, "account", UINT32_MAX));
    command->request = (uint32_t)take_number(parser, "request", UINT32_MAX);
    take_order(parser, command);
    if (!(command->flags & PIT_COMMAND_WIDE))
        return;
    if (command->kind == PIT_COMMAND_SYMBOL)
        take_definition(parser, &command->definition);
    else
        take_hex(parser, "line1", command->line1, sizeof command->line1);
}

int pit_command_parse(struct pit_command_line *line, const struct pit_command_symbols *symbols, const char *text,
                      size_t bytes, struct pit_error *error)
{
    struct parser parser = {.line = line, .symbols = symbols, .error = error};
    const char *wrong = pit_json_object_parse(&line->object, text, bytes);
    if (wrong)
        return pit_error_set(error, -EINVAL, "column %u: %s", line->object.wrong_column, wrong);
    take_command(&parser, &line->command);
    for (uint32_t i = 0; i < line->object.count; i++) {
        if (parser.used >> i & 1)
            continue;
        parser.failed &= !parser.missing; /* what is missing may be misspelt */
        fail(&parser, &line->object.members[i], "%s has no such field",
             line->command.kind < 7 && kinds[line->command.kind] ? kinds[line->command.kind] : "this command");
    }
    return parser.failed ? -EINVAL : 0;
}

/* A market's symbols. */

static const struct pit_symbol_definition *market_find(void *context, uint32_t symbol)
{
    const struct pit_book *book = pit_market_book(context, symbol);
    return book ? pit_book_definition(book) : NULL;
}

static int64_t market_named(void *context, const char *name)
{
    for (uint32_t symbol = 0; symbol < pit_market_symbols(context); symbol++) {
        const struct pit_symbol_definition *definition = market_find(context, symbol);
        if (definition && strncmp(definition->name, name, PIT_SYMBOL_NAME_BYTES) == 0)
            return symbol;
    }
    return -1;
}

struct pit_command_symbols pit_command_symbols_of(struct pit_market *market)
{
    return (struct pit_command_symbols){.find = market_find, .named = market_named, .context = market};
}
