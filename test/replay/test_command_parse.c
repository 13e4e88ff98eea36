/* test/replay/test_command_parse.c - what pitline journal cat prints gives the command back, byte for byte, and what is
 * wrong in a line is told with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/command_parse.h"
#include "tools/journal_tools.h"

#define ROUNDS 30000

static uint64_t seed;
static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static const struct pit_symbol_definition known[2] = {
    {.name = "ABC",
     .price_min = 1,
     .price_max = 100000,
     .quantity_max = 1000,
     .orders_max = 10,
     .levels_max = 10,
     .tick_mantissa = 5,
     .tick_decimals = 2,
     .lot_mantissa = 1},
    {.name = "D\"E\\F",
     .price_min = -PIT_PRICE_MAX,
     .price_max = PIT_PRICE_MAX,
     .quantity_max = PIT_QUANTITY_MAX,
     .orders_max = 10,
     .levels_max = 10,
     .tick_mantissa = 1,
     .tick_decimals = 12,
     .lot_mantissa = 250,
     .lot_decimals = 3},
};

static const struct pit_symbol_definition *find(void *context, uint32_t symbol)
{
    (void)context;
    return symbol < 2 ? &known[symbol] : NULL;
}

static int64_t named(void *context, const char *name)
{
    (void)context;
    for (int i = 0; i < 2; i++)
        if (strcmp(known[i].name, name) == 0)
            return i;
    return -1;
}

static const struct pit_command_symbols symbols = {.find = find, .named = named};

/* Often small, often at a limit, sometimes anything. */
static uint64_t random_number(void)
{
    static const uint64_t limits[] = {0, 1, INT64_MAX, UINT64_MAX, UINT32_MAX, (uint64_t)INT64_MAX + 1};
    switch (random_next() % 4) {
    case 0:
        return limits[random_next() % (sizeof limits / sizeof limits[0])];
    case 1:
        return random_next();
    default:
        return random_next() % 1000;
    }
}

static void random_bytes(void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = random_next() % 3 ? (uint8_t)(random_next() % 96 + 32) : (uint8_t)random_next();
}

static struct pit_symbol_definition random_definition(void)
{
    struct pit_symbol_definition definition = known[random_next() % 2];
    if (random_next() % 3 == 0)
        return definition;
    random_bytes(definition.name, random_next() % 17);
    definition.price_min = (int64_t)random_number();
    definition.price_max = (int64_t)random_number();
    definition.quantity_max = random_number();
    definition.orders_max = (uint32_t)random_number();
    definition.tick_mantissa = (uint32_t)random_number();
    definition.tick_decimals = (uint8_t)(random_next() % 16);
    definition.lot_decimals = (uint8_t)(random_next() % 16);
    if (random_next() % 4 == 0)
        random_bytes(definition.zero, sizeof definition.zero);
    return definition;
}

static struct pit_command random_command(void)
{
    struct pit_command command = {
        .sequence = random_number(),
        .time_ns = random_number(),
        .order_id = random_number(),
        .client_id = random_number(),
        .price = (int64_t)random_number(),
        .quantity = random_number(),
        .account = (uint32_t)random_number(),
        .symbol = random_next() % 5 ? (uint32_t)(random_next() % 3) : (uint32_t)random_number(),
        .request = (uint32_t)random_number(),
        .kind = random_next() % 5 ? (uint8_t)(random_next() % 7) : (uint8_t)random_next(),
        .side = random_next() % 5 ? (uint8_t)(random_next() % 2) : (uint8_t)random_next(),
        .tif = random_next() % 5 ? (uint8_t)(random_next() % 3) : (uint8_t)random_next(),
        .flags = random_next() % 5 ? (uint8_t)(random_next() % 3) : (uint8_t)random_next(),
    };
    if (command.kind == PIT_COMMAND_SYMBOL && random_next() % 4)
        command.flags = PIT_COMMAND_WIDE;
    if (command.flags & PIT_COMMAND_WIDE) {
        if (command.kind == PIT_COMMAND_SYMBOL)
            command.definition = random_definition();
        else
            random_bytes(command.line1, sizeof command.line1);
    }
    return command;
}

static size_t print(const struct pit_command *command, struct pit_json *json)
{
    static struct pit_journal_fields fields;
    pit_journal_command_fields(&fields, command, find(NULL, command->symbol));
    pit_journal_fields_json(json, &fields);
    json->line[json->used++] = '}';
    return json->used;
}

static void every_command_printed_is_read_back(void **state)
{
    (void)state;
    static struct pit_json json;
    static struct pit_command_line line;
    for (int i = 0; i < ROUNDS; i++) {
        const struct pit_command command = random_command();
        struct pit_error error = {0};
        const size_t bytes = print(&command, &json);
        if (pit_command_parse(&line, &symbols, json.line, bytes, &error))
            fail_msg("%.*s: %s", (int)bytes, json.line, error.text);
        if (memcmp(&line.command, &command, pit_command_bytes(&command)) != 0)
            fail_msg("%.*s", (int)bytes, json.line);
    }
}

/* Any byte changed, left out or put in: read or refused, and never anything else. */
static void damaged_lines_are_read_or_refused(void **state)
{
    (void)state;
    static struct pit_json json;
    static struct pit_command_line line;
    int refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const struct pit_command command = random_command();
        struct pit_error error = {0};
        size_t bytes = print(&command, &json);
        const size_t at = random_next() % bytes;
        const uint64_t what = random_next() % 4;
        if (what == 0)
            bytes = at;
        else if (what == 1)
            memmove(json.line + at, json.line + at + 1, --bytes - at);
        else
            json.line[at] = what == 2 ? "{}\":,\\0u"[random_next() % 8] : (char)random_next();
        char *exact = malloc(bytes); /* its end is where a sanitizer sees it */
        memcpy(exact, json.line, bytes);
        if (pit_command_parse(&line, &symbols, exact, bytes, &error)) {
            refused++;
            assert_true(error.text[0] != 0);
        }
        free(exact);
    }
    assert_true(refused > ROUNDS / 3);
}

static void lines_by_hand_may_say_less(void **state)
{
    (void)state;
    static struct pit_command_line line;
    struct pit_error error = {0};
    static const char text[] = " { \"command\" : \"new\" , \"symbol\":\"ABC\",\"account\":7,\"side\":\"sell\","
                               "\"price\":\"10.05\",\"quantity\":\"3\"} ";
    if (pit_command_parse(&line, &symbols, text, sizeof text - 1, &error))
        fail_msg("%s", error.text);
    const struct pit_command wanted = {.price = 201, .quantity = 3, .account = 7, .kind = 1, .side = 1};
    assert_memory_equal(&line.command, &wanted, 64);
    static const char by_ticks[] =
        "{\"command\":\"reduce\",\"symbol_id\":1,\"account\":1,\"order_id\":18446744073709551615,"
        "\"lots\":2}";
    assert_int_equal(pit_command_parse(&line, &symbols, by_ticks, sizeof by_ticks - 1, &error), 0);
    assert_true(line.command.order_id == UINT64_MAX && line.command.quantity == 2 && line.command.symbol == 1);
}

#define NEW "{\"command\":\"new\",\"symbol\":\"ABC\",\"account\":7,\"side\":\"buy\",\"quantity\":\"3\""

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *line, *told;
    } cases[] = {
        {"", "column 1: a line is a JSON object"},
        {"{", "column 2: a name in quotes"},
        {"{}", "\"command\" is missing: one of new, cancel, reduce, replace, symbol, state"},
        {"{\"command\":\"buy\"}", "column 12: \"command\": 'buy' is none of new, cancel"},
        {"{\"command\":\"new\" \"a\":1}", "column 18: a comma or a closing }"},
        {"{\"command\":\"new\"} x", "column 19: nothing belongs behind"},
        {"{\"command\":null}", "column 12: a text, a whole number"},
        {"{\"command\":\"new\",\"command\":\"new\"}", "column 18: this field was there before"},
        {"{\"command\":\"new}", "column 12: this text has no closing quote"},
        {"{\"command\":\"\\q\"}", "column 14: there is no such escape"},
        {"{\"command\":\"\\u0100\"}", "column 15: only characters"},
        {"{\"digest\":\"00\",\"sequence\":1}", "print the journal without --digests"},
        {NEW "}", "\"price\" (or \"ticks\") is missing"},
        {NEW ",\"prise\":\"10\"}", "\"prise\": new has no such field"},
        {NEW ",\"price\":10}", "column 81: \"price\": '10' is not a decimal in quotes"},
        {NEW ",\"price\":10.5}", "column 81: a number here is whole"},
        {NEW ",\"price\":\"10.01\"}", "column 81: \"price\": '10.01' is not a multiple of the tick size, 0.05"},
        {NEW ",\"price\":\"x\"}", "'x' is not a decimal"},
        {NEW ",\"price\":\"10.00\",\"ticks\":201}", "'10.00' is 200 ticks, and \"ticks\" says 201: change both"},
        {NEW ",\"ticks\":\"201\"}", "\"ticks\": '201' is not a whole number of ticks"},
        {NEW ",\"ticks\":9223372036854775808}", "is not a whole number of ticks"},
        {NEW ",\"ticks\":18446744073709551616}", "more than 64 bits"},
        {NEW ",\"ticks\":01}", "not a whole number"},
        {NEW ",\"ticks\":1,\"lots\":-3}", "\"lots\": '-3' is not a whole number of lots"},
        {NEW ",\"ticks\":1,\"lots\":4}", "'3' is 3 lots, and \"lots\" says 4"},
        {NEW ",\"ticks\":1,\"tif\":\"day\"}", "\"tif\": 'day' is none of gtc, ioc, fok"},
        {NEW ",\"ticks\":1,\"market\":1}", "\"market\": '1' is neither true nor false"},
        {NEW ",\"ticks\":1,\"market\":true,\"flags\":0}", "\"flags\": 0 does not agree with"},
        {NEW ",\"ticks\":1,\"symbol_id\":1}", "\"symbol\": 'ABC' is symbol 0, and \"symbol_id\" says 1"},
        {NEW ",\"ticks\":1,\"request\":4294967296}", "not a whole number from 0 to 4294967295"},
        {NEW ",\"ticks\":1,\"request\":-1}", "\"request\": -1 is not"},
        {NEW ",\"ticks\":1,\"line1\":\"00\"}", "\"line1\": new has no such field"},
        {NEW ",\"ticks\":1,\"flags\":128,\"line1\":\"0\"}", "\"line1\": 128 hexadecimal digits"},
        {"{\"command\":\"cancel\",\"symbol\":\"ABC\",\"account\":1}", "which order?"},
        {"{\"command\":\"cancel\",\"symbol\":\"ABC\",\"order_id\":1}", "\"account\" is missing"},
        {"{\"command\":\"cancel\",\"symbol\":\"XYZ\",\"order_id\":1,\"account\":1}", "no symbol 'XYZ' at this point"},
        {"{\"command\":\"cancel\",\"order_id\":1,\"account\":1}", "\"symbol\" (or \"symbol_id\") is missing"},
        {"{\"command\":\"new\",\"symbol_id\":5,\"account\":1,\"side\":\"buy\",\"lots\":1,\"price\":\"1\"}",
         "the symbol is not known here, so a decimal says nothing: give \"ticks\""},
        {"{\"command\":\"state\",\"symbol\":\"ABC\",\"state\":\"closed\"}", "'closed' is none of open, halted"},
        {"{\"command\":\"symbol\",\"symbol\":\"NEW\",\"name\":\"NEW\"}", "give it a \"symbol_id\""},
        {"{\"command\":\"symbol\",\"symbol_id\":9,\"name\":\"12345678901234567\"}", "at most 15 characters"},
        {"{\"command\":\"symbol\",\"symbol_id\":9,\"name\":\"NEW\"}", "\"tick_mantissa\" is missing"},
        {"{\"command\":\"symbol\",\"symbol_id\":9,\"name\":\"NEW\",\"tick_mantissa\":1,\"tick_decimals\":2,\"lot_"
         "mantissa\":1,"
         "\"lot_decimals\":0,\"tick_size\":\"0.02\"}",
         "\"tick_size\": '0.02' is not what mantissa and decimals say: 0.01"},
    };
    static struct pit_command_line line;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pit_error error = {0};
        const int code = pit_command_parse(&line, &symbols, cases[i].line, strlen(cases[i].line), &error);
        if (code != -EINVAL || !strstr(error.text, cases[i].told))
            fail_msg("%s\n gives %d: %s\n not: %s", cases[i].line, code, error.text, cases[i].told);
    }
}

int main(void)
{
    const char *given = getenv("PIT_SEED");
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    fprintf(stderr, "# PIT_SEED=%lu\n", seed);
    random_state = seed * 2 + 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_printed_is_read_back),
        cmocka_unit_test(damaged_lines_are_read_or_refused),
        cmocka_unit_test(lines_by_hand_may_say_less),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests_name("command parse", tests, NULL, NULL);
}
