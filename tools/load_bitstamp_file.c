/* See tools/load_bitstamp.h. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pitline/market_data.h"
#include "tools/load_bitstamp.h"

#define BITSTAMP_BYTES_MAX (UINT64_C(2) << 30) /* unpacked; a longer recording is not read */
#define BITSTAMP_UNPACK_MEMORY (UINT64_C(512) << 20)

enum record_kind { RECORD_CREATED = 1, RECORD_CHANGED, RECORD_DELETED, RECORD_TRADE, RECORD_BOOK };

/* One line. */
struct record {
    uint64_t id;
    int64_t price;  /* BOOK: best bid */
    int64_t amount; /* BOOK: best ask */
    size_t enters;  /* 1 + index of the create that is sent here; 0 = none */
    uint8_t kind;
    uint8_t side;
    bool bid_empty, ask_empty;
};

struct parser {
    struct pit_bitstamp *feed;
    const struct pit_bitstamp_units *units;
    const char *name;
    struct record *records;
    size_t count, room;
};

/* A decimal in a JSON string or number as a whole number of units. A number went through a double, in which
 * 1.78855669 may read 1.7885566900000001: eight decimals are what was meant. */
static int parse_units(const json_t *value, uint32_t mantissa, uint8_t decimals, int64_t *units)
{
    char text[64];
    if (json_is_string(value))
        return pit_decimal_parse(json_string_value(value), mantissa, decimals, units);
    if (json_is_integer(value))
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value) && json_real_value(value) < 1e15 && json_real_value(value) > -1e15)
        snprintf(text, sizeof text, "%.8f", json_real_value(value));
    else
        return -EINVAL;
    return pit_decimal_parse(text, mantissa, decimals, units);
}

static int parse_price(const struct parser *parser, const json_t *value, int64_t *price)
{
    return parse_units(value, parser->units->tick_mantissa, parser->units->tick_decimals, price);
}

static int parse_amount(const struct parser *parser, const json_t *value, int64_t *amount)
{
    int code = parse_units(value, parser->units->lot_mantissa, parser->units->lot_decimals, amount);
    return code == 0 && *amount < 0 ? -ERANGE : code;
}

static int parse_order(const struct parser *parser, const json_t *line, struct record *record)
{
    const json_t *id = json_object_get(line, "id");
    const json_t *side = json_object_get(line, "order_type");
    if (!json_is_integer(id) || json_integer_value(id) <= 0 || !json_is_integer(side) || json_integer_value(side) < 0 ||
        json_integer_value(side) > 1)
        return -EINVAL;
    record->id = (uint64_t)json_integer_value(id);
    record->side = (uint8_t)json_integer_value(side);
    int code = parse_price(parser, json_object_get(line, "price"), &record->price);
    return code != 0 ? code : parse_amount(parser, json_object_get(line, "amount"), &record->amount);
}

static int parse_trade(const struct parser *parser, const json_t *line, struct record *record)
{
    int code = parse_price(parser, json_object_get(line, "price"), &record->price);
    return code != 0 ? code : parse_amount(parser, json_object_get(line, "amount"), &record->amount);
}

/* The best level of a side of an order_book line: its first. */
static int parse_best(const struct parser *parser, const json_t *side, int64_t *price, bool *empty)
{
    if (!json_is_array(side))
        return -EINVAL;
    *empty = json_array_size(side) == 0;
    return *empty ? 0 : parse_price(parser, json_array_get(json_array_get(side, 0), 0), price);
}

static int parse_book(const struct parser *parser, const json_t *line, struct record *record)
{
    int code = parse_best(parser, json_object_get(line, "bids"), &record->price, &record->bid_empty);
    return code != 0 ? code : parse_best(parser, json_object_get(line, "asks"), &record->amount, &record->ask_empty);
}

static int parse_event(const struct parser *parser, const char *event, const json_t *line, struct record *record)
{
    static const struct {
        const char *name;
        enum record_kind kind;
        int (*parse)(const struct parser *, const json_t *, struct record *);
    } events[] = {
        {"order_created", RECORD_CREATED, parse_order}, {"order_changed", RECORD_CHANGED, parse_order},
        {"order_deleted", RECORD_DELETED, parse_order}, {"trade", RECORD_TRADE, parse_trade},
        {"order_book", RECORD_BOOK, parse_book},
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (strcmp(events[i].name, event) == 0) {
            record->kind = (uint8_t)events[i].kind;
            return events[i].parse(parser, line, record);
        }
    }
    return -EINVAL;
}

/* One line, without its end: `milliseconds event JSON`. */
static int parse_line(struct parser *parser, char *line, size_t number, struct pit_error *error)
{
    if (parser->count == parser->room) {
        size_t room = parser->room ? parser->room * 2 : 65536;
        struct record *grown = realloc(parser->records, room * sizeof *grown);
        if (!grown)
            return pit_error_set(error, -ENOMEM, "no memory for %zu lines", room);
        parser->records = grown;
        parser->room = room;
    }
    char *event = strchr(line, ' ');
    char *text = event ? strchr(event + 1, ' ') : NULL;
    if (!text || strspn(line, "0123456789") != (size_t)(event - line))
        return pit_error_set(error, -EINVAL, "%s:%zu: not a line `milliseconds event JSON`", parser->name, number);
    *text++ = 0;
    json_error_t where;
    json_t *json = json_loads(text, 0, &where);
    if (!json)
        return pit_error_set(error, -EINVAL, "%s:%zu: %s at column %d of the JSON", parser->name, number, where.text,
                             where.column);
    struct record *record = &parser->records[parser->count];
    memset(record, 0, sizeof *record);
    int code = parse_event(parser, event + 1, json, record);
    json_decref(json);
    if (code == -ERANGE)
        return pit_error_set(error, code,
                             "%s:%zu: a price or amount is not a whole number of the symbol's ticks or lots",
                             parser->name, number);
    if (code != 0)
        return pit_error_set(error, code, "%s:%zu: '%s' is no event, or lacks a field", parser->name, number,
                             event + 1);
    parser->count++;
    return 0;
}

static int parse_lines(struct parser *parser, char *text, struct pit_error *error)
{
    size_t number = 0;
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        number++;
        if (*line && strcmp(line, "\r") != 0) {
            int code = parse_line(parser, line, number, error);
            if (code != 0)
                return code;
        }
        line = end;
    }
    parser->feed->lines = number;
    return 0;
}

static bool record_about_order(const struct record *record)
{
    return record->kind == RECORD_CREATED || record->kind == RECORD_CHANGED || record->kind == RECORD_DELETED;
}

static int compare_by_id(const void *a, const void *b, void *context)
{
    const struct record *records = context;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    if (records[x].id != records[y].id)
        return records[x].id < records[y].id ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* The steps of one order: its reports are places[0 .. count - 1], in the order of the file. */
static void plan_order(struct parser *parser, const size_t *places, size_t count)
{
    struct pit_bitstamp *feed = parser->feed;
    const struct record *create = NULL;
    for (size_t i = 0; i < count && !create; i++) {
        if (parser->records[places[i]].kind == RECORD_CREATED)
            create = &parser->records[places[i]];
    }
    if (!create) {
        const struct record *first = &parser->records[places[0]];
        feed->steps[feed->steps_count++] =
            (struct pit_bitstamp_step){.kind = PIT_BITSTAMP_NEW,
                                       .id = first->id,
                                       .side = first->side,
                                       .price = first->price,
                                       .quantity = first->amount ? (uint64_t)first->amount : 1};
        feed->opening++;
        feed->opening_unsized += first->amount == 0;
        return;
    }
    size_t enters = places[0];
    for (size_t i = 0; i < count; i++) {
        if (parser->records[places[i]].price != create->price) {
            enters = places[i];
            break;
        }
    }
    parser->records[enters].enters = (size_t)(create - parser->records) + 1;
}

static void plan_line(struct parser *parser, const struct record *record)
{
    struct pit_bitstamp *feed = parser->feed;
    if (record->enters) {
        const struct record *create = &parser->records[record->enters - 1];
        bool market = record->price != create->price;
        feed->steps[feed->steps_count++] = (struct pit_bitstamp_step){.kind = PIT_BITSTAMP_NEW,
                                                                      .id = create->id,
                                                                      .side = create->side,
                                                                      .price = market ? 0 : create->price,
                                                                      .quantity = (uint64_t)create->amount,
                                                                      .market = market};
        feed->markets += market;
    }
    if (record->kind == RECORD_DELETED && record->amount > 0) {
        feed->steps[feed->steps_count++] =
            (struct pit_bitstamp_step){.kind = PIT_BITSTAMP_CANCEL, .id = record->id, .side = record->side};
        feed->cancels++;
    } else if (record->kind == RECORD_TRADE) {
        feed->trades[feed->trades_count++] =
            (struct pit_bitstamp_trade){.price = record->price, .quantity = (uint64_t)record->amount};
    } else if (record->kind == RECORD_BOOK) {
        feed->steps[feed->steps_count++] = (struct pit_bitstamp_step){.kind = PIT_BITSTAMP_BOOK,
                                                                      .bid = record->price,
                                                                      .ask = record->amount,
                                                                      .bid_empty = record->bid_empty,
                                                                      .ask_empty = record->ask_empty};
        feed->books++;
    } else if (record->kind == RECORD_CREATED) {
        feed->creates++;
    }
}

static int plan(struct parser *parser, struct pit_error *error)
{
    struct pit_bitstamp *feed = parser->feed;
    size_t *places = malloc((parser->count + 1) * sizeof *places), about = 0;
    feed->steps = malloc((2 * parser->count + 1) * sizeof *feed->steps); /* a line is two steps at most */
    feed->trades = malloc((parser->count + 1) * sizeof *feed->trades);
    if (!places || !feed->steps || !feed->trades) {
        free(places);
        return pit_error_set(error, -ENOMEM, "no memory for %zu lines", parser->count);
    }
    for (size_t i = 0; i < parser->count; i++) {
        if (record_about_order(&parser->records[i]))
            places[about++] = i;
    }
    qsort_r(places, about, sizeof *places, compare_by_id, parser->records);
    for (size_t i = 0, next; i < about; i = next) {
        for (next = i + 1; next < about && parser->records[places[next]].id == parser->records[places[i]].id;)
            next++;
        plan_order(parser, &places[i], next - i);
    }
    free(places);
    for (size_t i = 0; i < parser->count; i++)
        plan_line(parser, &parser->records[i]);
    pit_bitstamp_trades_sort(feed->trades, feed->trades_count);
    return 0;
}

int pit_bitstamp_parse(struct pit_bitstamp *feed, char *text, const char *name, const struct pit_bitstamp_units *units,
                       struct pit_error *error)
{
    memset(feed, 0, sizeof *feed);
    struct parser parser = {.feed = feed, .units = units, .name = name};
    int code = parse_lines(&parser, text, error);
    if (code == 0)
        code = plan(&parser, error);
    free(parser.records);
    if (code != 0)
        pit_bitstamp_free(feed);
    return code;
}

/* Unpacks an .xz file in memory; *text is zero-ended. */
static int unpack(const char *path, const uint8_t *packed, size_t bytes, char **text, struct pit_error *error)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&stream, BITSTAMP_UNPACK_MEMORY, LZMA_CONCATENATED) != LZMA_OK)
        return pit_error_set(error, -ENOMEM, "%s: no memory to unpack it", path);
    size_t room = bytes * 24 + 65536, used = 0;
    char *out = malloc(room);
    lzma_ret result = LZMA_OK;
    stream.next_in = packed;
    stream.avail_in = bytes;
    while (out && result == LZMA_OK) {
        if (used + 1 == room) {
            char *grown = room < BITSTAMP_BYTES_MAX ? realloc(out, room *= 2) : NULL;
            if (!grown)
                break;
            out = grown;
        }
        stream.next_out = (uint8_t *)out + used;
        stream.avail_out = room - 1 - used;
        result = lzma_code(&stream, LZMA_FINISH);
        used = room - 1 - stream.avail_out;
    }
    uint64_t offset = stream.total_in;
    lzma_end(&stream);
    if (!out || result != LZMA_STREAM_END) {
        free(out);
        if (!out || result == LZMA_OK || result == LZMA_MEM_ERROR || result == LZMA_MEMLIMIT_ERROR)
            return pit_error_set(error, -ENOMEM, "%s: no memory to unpack it", path);
        return pit_error_set(error, -EINVAL, "%s: %s at byte %" PRIu64, path,
                             result == LZMA_BUF_ERROR ? "the file is cut off" : "damaged .xz file", offset);
    }
    out[used] = 0;
    *text = out;
    return 0;
}

static int read_all(const char *path, char **bytes, size_t *count, struct pit_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return pit_error_set(error, -errno, "%s: %s", path, strerror(errno));
    size_t room = 1u << 20, used = 0, got;
    char *buffer = malloc(room);
    while (buffer && (got = fread(buffer + used, 1, room - 1 - used, file)) > 0) {
        used += got;
        if (used + 1 == room) {
            char *grown = room < BITSTAMP_BYTES_MAX ? realloc(buffer, room *= 2) : NULL;
            if (!grown) {
                free(buffer);
                buffer = NULL;
                break;
            }
            buffer = grown;
        }
    }
    int code = 0;
    if (!buffer)
        code = pit_error_set(error, -ENOMEM, "%s: no memory to read it", path);
    else if (ferror(file))
        code = pit_error_set(error, -EIO, "%s: reading failed: %s", path, strerror(errno));
    fclose(file);
    if (code != 0) {
        free(buffer);
        return code;
    }
    buffer[used] = 0;
    *bytes = buffer;
    *count = used;
    return 0;
}

int pit_bitstamp_read(struct pit_bitstamp *feed, const char *path, const struct pit_bitstamp_units *units,
                      struct pit_error *error)
{
    static const uint8_t magic[] = {0xfd, '7', 'z', 'X', 'Z', 0};
    char *text = NULL;
    size_t count = 0;
    int code = read_all(path, &text, &count, error);
    if (code == 0 && count >= sizeof magic && memcmp(text, magic, sizeof magic) == 0) {
        char *packed = text;
        code = unpack(path, (const uint8_t *)packed, count, &text, error);
        free(packed);
    }
    if (code != 0)
        return code;
    code = pit_bitstamp_parse(feed, text, path, units, error);
    free(text);
    return code;
}

void pit_bitstamp_free(struct pit_bitstamp *feed)
{
    free(feed->steps);
    free(feed->trades);
    memset(feed, 0, sizeof *feed);
}

static int compare_trades(const void *a, const void *b)
{
    const struct pit_bitstamp_trade *x = a, *y = b;
    if (x->price != y->price)
        return x->price < y->price ? -1 : 1;
    return x->quantity < y->quantity ? -1 : x->quantity > y->quantity;
}

void pit_bitstamp_trades_sort(struct pit_bitstamp_trade *trades, size_t count)
{
    if (count > 0)
        qsort(trades, count, sizeof *trades, compare_trades);
}

size_t pit_bitstamp_trades_agree(const struct pit_bitstamp_trade *a, size_t a_count, const struct pit_bitstamp_trade *b,
                                 size_t b_count)
{
    size_t pairs = 0;
    for (size_t i = 0, j = 0; i < a_count && j < b_count;) {
        int order = compare_trades(&a[i], &b[j]);
        pairs += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    return pairs;
}
