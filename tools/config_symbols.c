/* tools/config_symbols.c - the symbols of a configuration: decimals into ticks and lots. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pitline/market_data.h"
#include "stages/symbol_names.h"
#include "tools/config_parts.h"

#define TICK_DEFAULT "0.01"
#define LOT_DEFAULT "1"
#define ORDERS_MAX_DEFAULT (1u << 18)
#define LEVELS_MAX_DEFAULT (1u << 16)
#define PRICE_MAX_DEFAULT INT64_C(1000000000) /* ticks */
#define QUANTITY_MAX_DEFAULT INT64_C(1000000000000000)

/* What a new pipeline trades when nobody says anything. */
static const char *const suggested[] = {"ALFA", "BRAVO", "CHARLIE", "DELTA"};

struct reading {
    const struct pit_config_build *build;
    const char *prefix; /* "symbols[2]" */
    struct pit_symbol_definition *definition;
};

__attribute__((format(printf, 3, 4))) static int fault(const struct reading *reading, const char *key,
                                                       const char *format, ...)
{
    char path[96], what[512];
    snprintf(path, sizeof path, "%s.%s", reading->prefix, key);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return pit_config_fault(reading->build->file, path, -EINVAL, reading->build->error, "%s", what);
}

static int read_name(const struct reading *reading, const char *name)
{
    size_t length = name ? strlen(name) : 0;
    if (length == 0 || length >= PIT_SYMBOL_NAME_BYTES)
        return fault(reading, "name", "a symbol needs a name of 1 to %u characters", PIT_SYMBOL_NAME_BYTES - 1);
    for (size_t i = 0; i < length; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return fault(reading, "name", "'%s' must be printable ASCII without blanks", name);
    memcpy(reading->definition->name, name, length);
    return 0;
}

static int read_units(const struct reading *reading, const struct pit_config_symbol *text)
{
    struct pit_symbol_definition *definition = reading->definition;
    const char *tick = text->tick ? text->tick : TICK_DEFAULT, *lot = text->lot ? text->lot : LOT_DEFAULT;
    if (pit_config_unit(tick, &definition->tick_mantissa, &definition->tick_decimals) != 0)
        return fault(reading, "tick", "'%s' is no tick size: a decimal above zero with at most %u places, like 0.01",
                     tick, PIT_DECIMALS_MAX);
    if (pit_config_unit(lot, &definition->lot_mantissa, &definition->lot_decimals) != 0)
        return fault(reading, "lot", "'%s' is no lot size: a decimal above zero with at most %u places, like 1", lot,
                     PIT_DECIMALS_MAX);
    return 0;
}

static int read_price(const struct reading *reading, const char *key, const char *text, int64_t *ticks)
{
    char unit[PIT_DECIMAL_BYTES];
    int code =
        text ? pit_decimal_parse(text, reading->definition->tick_mantissa, reading->definition->tick_decimals, ticks)
             : 0;
    pit_decimal_format(unit, 1, reading->definition->tick_mantissa, reading->definition->tick_decimals);
    if (code == -EINVAL)
        return fault(reading, key, "'%s' is no price: write it like 1234.50", text);
    if (code)
        return fault(reading, key, "'%s' is not a whole number of ticks of %s, or too large", text, unit);
    if (*ticks < PIT_PRICE_MIN || *ticks > PIT_PRICE_MAX)
        return fault(reading, key, "'%s' is too far from zero for ticks of %s", text, unit);
    return 0;
}

static int read_quantity(const struct reading *reading, const char *text, uint64_t *lots)
{
    char unit[PIT_DECIMAL_BYTES];
    int64_t value = QUANTITY_MAX_DEFAULT;
    int code =
        text ? pit_decimal_parse(text, reading->definition->lot_mantissa, reading->definition->lot_decimals, &value)
             : 0;
    pit_decimal_format(unit, 1, reading->definition->lot_mantissa, reading->definition->lot_decimals);
    if (code == -EINVAL)
        return fault(reading, "quantity_max", "'%s' is no quantity: write it like 1000", text);
    if (code || value < 1 || (uint64_t)value > PIT_QUANTITY_MAX)
        return fault(reading, "quantity_max", "'%s' must be a whole number of lots of %s, at least one", text, unit);
    *lots = (uint64_t)value;
    return 0;
}

static int read_bounds(const struct reading *reading, const struct pit_config_symbol *text)
{
    char path[96];
    struct pit_symbol_definition *definition = reading->definition;
    snprintf(path, sizeof path, "%s.orders_max", reading->prefix);
    int code = pit_config_number32(reading->build, path, text->orders_max, ORDERS_MAX_DEFAULT, 1, PIT_ORDERS_MAX,
                                   &definition->orders_max);
    if (code)
        return code;
    snprintf(path, sizeof path, "%s.levels_max", reading->prefix);
    return pit_config_number32(reading->build, path, text->levels_max, LEVELS_MAX_DEFAULT, 1, PIT_LEVELS_MAX,
                               &definition->levels_max);
}

static int read_symbol(const struct pit_config_build *build, uint32_t number, const struct pit_config_symbol *text,
                       struct pit_pipeline_symbol *symbol)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "symbols[%u]", number);
    struct reading reading = {.build = build, .prefix = prefix, .definition = &symbol->definition};
    struct pit_symbol_definition *definition = &symbol->definition;
    definition->price_min = 1;
    definition->price_max = PRICE_MAX_DEFAULT;
    symbol->matcher = text->matcher ? *text->matcher : PIT_MATCHER_ROUND_ROBIN;
    int code = read_name(&reading, text->name);
    if (code == 0)
        code = read_units(&reading, text);
    if (code == 0)
        code = read_price(&reading, "price_min", text->price_min, &definition->price_min);
    if (code == 0)
        code = read_price(&reading, "price_max", text->price_max, &definition->price_max);
    if (code == 0)
        code = read_quantity(&reading, text->quantity_max, &definition->quantity_max);
    if (code == 0)
        code = read_bounds(&reading, text);
    if (code)
        return code;
    if (definition->price_min > definition->price_max)
        return fault(&reading, text->price_max ? "price_max" : "price_min",
                     "the price band is empty: price_min is "
                     "above price_max");
    if (text->matcher && (*text->matcher < 0 || (uint32_t)*text->matcher >= build->config->pipeline.matchers))
        return fault(&reading, "matcher", "%d: the matchers are 0 to %u", *text->matcher,
                     build->config->pipeline.matchers - 1);
    if (!pit_symbol_definition_valid(definition))
        return fault(&reading, "name", "the definition of '%s' is not valid", text->name);
    return 0;
}

static int check_names(const struct pit_config_build *build)
{
    const struct pit_pipeline_symbol *symbols = build->config->symbols;
    uint32_t count = build->config->pipeline.symbols_count;
    struct pit_symbol_names names;
    if (pit_symbol_names_create(&names, count) != 0)
        return pit_error_set(build->error, -ENOMEM, "no memory for the names of %u symbols", count);
    int code = 0;
    for (uint32_t i = 0; i < count && code == 0; i++) {
        if (pit_symbol_names_add(&names, symbols[i].definition.name, i) == PIT_SYMBOL_NAMES_NONE)
            continue;
        char path[64];
        snprintf(path, sizeof path, "symbols[%u].name", i);
        code = pit_config_fault(build->file, path, -EINVAL, build->error, "a second symbol '%s'",
                                symbols[i].definition.name);
    }
    pit_symbol_names_destroy(&names);
    return code;
}

int pit_config_symbols(struct pit_config_build *build)
{
    const struct pit_config_text *text = build->text;
    struct pit_pipeline_config *pipeline = &build->config->pipeline;
    uint32_t count = text->symbols_count;
    pipeline->symbols_suggested = count == 0;
    if (count == 0)
        count = sizeof suggested / sizeof suggested[0];
    if (count > PIT_SYMBOLS_MAX)
        return pit_config_fault(build->file, "symbols", -EINVAL, build->error, "%u symbols; there can be %u", count,
                                PIT_SYMBOLS_MAX);
    build->config->symbols = calloc(count, sizeof *build->config->symbols);
    if (!build->config->symbols)
        return pit_error_set(build->error, -ENOMEM, "no memory for %u symbols", count);
    for (uint32_t i = 0; i < count; i++) {
        struct pit_config_symbol own = {.name = (char *)(uintptr_t)suggested[i % 4]};
        int code =
            read_symbol(build, i, pipeline->symbols_suggested ? &own : &text->symbols[i], &build->config->symbols[i]);
        if (code)
            return code;
    }
    pipeline->symbols = build->config->symbols;
    pipeline->symbols_count = count;
    return check_names(build);
}
