/* journal/snapshot_read.c - a file into markets, a chunk at a time, and nothing believed.
 *
 * A chunk's checksum is right before its payload is looked at. The payload is taken apart element by element: each must
 * be of its type and in its range and end within the payload, so no length that it names leads anywhere, and nothing is
 * allocated for it. (msgpack-c's own unpacking allocates what an array says it has.) A file is read twice to be loaded:
 * once to its end and its last checksum, and only then into books.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/snapshot.h"
#include "journal/snapshot_format.h"
#include "ring/check.h"

/* Takes a payload apart. After the first element that is not what was asked for, bad stays set and all is 0. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

struct symbol {
    uint32_t symbol;
    uint8_t state;
    struct pit_symbol_definition definition;
    uint64_t events;
    uint64_t orders;
    struct pit_snapshot_past past;
};

struct reader {
    const struct pit_disk *disk;
    const char *path;
    struct pit_error *error;
    const struct pit_snapshot_target *target; /* NULL: only look */
    struct pit_snapshot_header *header;
    int file;
    uint64_t size;
    uint64_t offset; /* of the next chunk */
    uint64_t begun;  /* offset of the chunk at hand, for people */
    uint32_t number; /* of the next chunk */
    XXH3_state_t hash;
    struct cursor cursor;
    struct symbol symbol; /* the one whose orders come */
    struct pit_market *market;
    struct pit_snapshot_totals seen;
    uint64_t left;                 /* orders still to come of the symbol */
    struct pit_resting_order last; /* the order before, of the same symbol; order_id 0 = none */
    uint64_t version;
    uint32_t account;      /* the one whose results come; 0 = none yet */
    uint64_t results_left; /* still to come of the account */
    uint32_t results_from; /* the least place in the window that the next may have */
    uint8_t chunk[sizeof(struct pit_snapshot_chunk) + PIT_SNAPSHOT_PAYLOAD_BYTES_MAX];
};

/* MessagePack. */

static uint64_t big_endian(struct cursor *cursor, uint32_t width)
{
    if (cursor->bad || (size_t)(cursor->end - cursor->at) < width) {
        cursor->bad = true;
        return 0;
    }
    uint64_t value = 0;
    for (uint32_t i = 0; i < width; i++)
        value = value << 8 | *cursor->at++;
    return value;
}

/* An integer: its 64 bits, and whether they are a negative number. */
static uint64_t integer(struct cursor *cursor, bool *negative)
{
    const uint8_t type = (uint8_t)big_endian(cursor, 1);
    *negative = false;
    if (type <= 0x7f)
        return type;
    if (type >= 0xe0) {
        *negative = true;
        return (uint64_t)(int8_t)type;
    }
    if (type >= 0xcc && type <= 0xcf) /* unsigned of 1, 2, 4, 8 bytes */
        return big_endian(cursor, 1u << (type - 0xcc));
    if (type >= 0xd0 && type <= 0xd3) { /* signed */
        const uint32_t width = 1u << (type - 0xd0), shift = 64 - 8 * width;
        const int64_t value = (int64_t)(big_endian(cursor, width) << shift) >> shift;
        *negative = value < 0;
        return (uint64_t)value;
    }
    cursor->bad = true;
    return 0;
}

static uint64_t take(struct cursor *cursor, uint64_t min, uint64_t max)
{
    bool negative;
    const uint64_t value = integer(cursor, &negative);
    if (negative || value < min || value > max)
        cursor->bad = true;
    return cursor->bad ? 0 : value;
}

static int64_t take_signed(struct cursor *cursor)
{
    bool negative;
    const uint64_t value = integer(cursor, &negative);
    if (!negative && value > INT64_MAX)
        cursor->bad = true;
    return cursor->bad ? 0 : (int64_t)value;
}

static uint32_t take_array(struct cursor *cursor)
{
    const uint8_t type = (uint8_t)big_endian(cursor, 1);
    if (type >= 0x90 && type <= 0x9f)
        return type & 0xfu;
    if (type == 0xdc)
        return (uint32_t)big_endian(cursor, 2);
    cursor->bad = true;
    return 0;
}

static void take_bytes(struct cursor *cursor, void *to, size_t count)
{
    if (cursor->bad || (size_t)(cursor->end - cursor->at) < count) {
        cursor->bad = true;
        return;
    }
    memcpy(to, cursor->at, count);
    cursor->at += count;
}

/* A string of up to 15 bytes; a longer one would not be a symbol's name. */
static void take_name(struct cursor *cursor, char name[PIT_SYMBOL_NAME_BYTES])
{
    const uint8_t type = (uint8_t)big_endian(cursor, 1);
    const uint32_t length = type & 0x1fu;
    if ((type & 0xe0) != 0xa0 || length >= PIT_SYMBOL_NAME_BYTES)
        cursor->bad = true;
    else
        take_bytes(cursor, name, length);
}

/* What is wrong. */

static int damaged(struct reader *reader, const char *what)
{
    return pit_error_set(reader->error, -EBADMSG,
                         "%s is damaged: %s (chunk at offset %lu); remove it, an older one or the journal alone gives "
                         "the same",
                         reader->path, what, reader->begun);
}

/* Chunks. */

static int read_bytes(struct reader *reader, void *bytes, size_t count)
{
    if (reader->size - reader->offset < count)
        return damaged(reader, "it is cut short");
    const int64_t got = reader->disk->read(reader->disk->context, reader->file, bytes, count, reader->offset);
    if (got < 0)
        return pit_error_set(reader->error, (int)got, "cannot read %s at offset %lu: %s", reader->path, reader->offset,
                             strerror((int)-got));
    if ((uint64_t)got != count)
        return damaged(reader, "it is cut short");
    reader->offset += count;
    return 0;
}

/* Reads the next chunk whole and checks it. Its payload is at the cursor. DONE is not part of what is hashed. */
static int read_chunk(struct reader *reader, uint32_t *kind)
{
    struct pit_snapshot_chunk header;
    reader->begun = reader->offset;
    int code = read_bytes(reader, reader->chunk, sizeof header);
    if (code)
        return code;
    memcpy(&header, reader->chunk, sizeof header);
    if (header.bytes == 0 || header.bytes > PIT_SNAPSHOT_PAYLOAD_BYTES_MAX)
        return damaged(reader, "a chunk's length is out of bounds");
    code = read_bytes(reader, reader->chunk + sizeof header, header.bytes);
    if (code)
        return code;
    const size_t bytes = sizeof header + header.bytes;
    if (header.crc != pit_journal_crc_without(reader->chunk, bytes, offsetof(struct pit_snapshot_chunk, crc)))
        return damaged(reader, "a chunk's checksum is wrong");
    if (header.number != reader->number)
        return damaged(reader, "a chunk is not in its place");
    reader->number++;
    if (header.kind != PIT_SNAPSHOT_DONE)
        XXH3_64bits_update(&reader->hash, reader->chunk, bytes);
    reader->cursor =
        (struct cursor){.at = reader->chunk + sizeof header, .end = reader->chunk + sizeof header + header.bytes};
    *kind = header.kind;
    return 0;
}

static int read_head(struct reader *reader)
{
    uint8_t magic[PIT_SNAPSHOT_MAGIC_BYTES];
    int code = read_bytes(reader, magic, sizeof magic);
    if (code)
        return code;
    if (memcmp(magic, PIT_SNAPSHOT_MAGIC, sizeof magic) != 0)
        return damaged(reader, "it does not start with " PIT_SNAPSHOT_MAGIC);
    XXH3_64bits_update(&reader->hash, magic, sizeof magic);
    uint32_t kind;
    code = read_chunk(reader, &kind);
    if (code)
        return code;
    struct cursor *cursor = &reader->cursor;
    struct pit_snapshot_header *header = reader->header;
    const uint32_t elements = take_array(cursor);
    const uint64_t version = take(cursor, 0, UINT64_MAX);
    if (kind != PIT_SNAPSHOT_HEAD || cursor->bad)
        return damaged(reader, "it does not begin with a head");
    if (version < PIT_SNAPSHOT_VERSION_MIN || version > PIT_SNAPSHOT_VERSION)
        return pit_error_set(reader->error, -EPROTONOSUPPORT,
                             "%s is written in version %lu of the snapshots' format, and this pitline, " PIT_VERSION
                             ", reads versions %u to %u: use the pitline that wrote it, or do without this snapshot",
                             reader->path, version, PIT_SNAPSHOT_VERSION_MIN, PIT_SNAPSHOT_VERSION);
    reader->version = version;
    if (big_endian(cursor, 1) != 0xc4 || big_endian(cursor, 1) != sizeof header->journal_id)
        cursor->bad = true;
    take_bytes(cursor, header->journal_id, sizeof header->journal_id);
    header->sequence = take(cursor, 1, UINT64_MAX);
    header->block = take(cursor, 0, UINT64_MAX);
    header->time_ns = take(cursor, 0, UINT64_MAX);
    header->command = take(cursor, 0, UINT64_MAX);
    header->created_ns = take(cursor, 0, UINT64_MAX);
    header->symbols = take(cursor, 0, PIT_SYMBOLS_MAX);
    header->orders = take(cursor, 0, UINT64_MAX);
    if (cursor->bad || elements != PIT_SNAPSHOT_HEAD_ELEMENTS || cursor->at != cursor->end)
        return damaged(reader, "its head is not one");
    return 0;
}

/* The body. */

static int place_symbol(struct reader *reader)
{
    const struct pit_snapshot_target *target = reader->target;
    const struct symbol *symbol = &reader->symbol;
    if (!target)
        return 0;
    const size_t bytes = pit_book_bytes(&symbol->definition);
    if (target->room && bytes > target->room(target->room_context))
        return pit_error_set(reader->error, -ENOMEM, "%s: there is no memory for the book of %s (%zu bytes)",
                             reader->path, symbol->definition.name, bytes);
    const uint32_t place =
        target->assign ? target->assign(target->assign_context, symbol->symbol, &symbol->definition) : 0;
    PIT_CHECK(place < target->markets_count);
    reader->market = target->markets[place];
    if (!pit_market_restore_symbol(reader->market, symbol->symbol, &symbol->definition, symbol->state, symbol->events))
        return damaged(reader, "a symbol cannot be restored");
    if (target->past)
        target->past[symbol->symbol] = symbol->past;
    return 0;
}

static int read_symbol(struct reader *reader)
{
    struct cursor *cursor = &reader->cursor;
    const uint32_t least = reader->seen.symbols ? reader->symbol.symbol + 1 : 0; /* they rise */
    struct symbol symbol = {0};
    struct pit_symbol_definition *definition = &symbol.definition;
    if (reader->left)
        return damaged(reader, "a symbol has fewer orders than it says");
    if (reader->account)
        return damaged(reader, "a symbol stands behind the results");
    symbol.symbol = (uint32_t)take(cursor, least, PIT_SYMBOLS_MAX - 1);
    take_name(cursor, definition->name);
    definition->price_min = take_signed(cursor);
    definition->price_max = take_signed(cursor);
    definition->quantity_max = take(cursor, 1, PIT_QUANTITY_MAX);
    definition->orders_max = (uint32_t)take(cursor, 1, PIT_ORDERS_MAX);
    definition->levels_max = (uint32_t)take(cursor, 1, PIT_LEVELS_MAX);
    definition->tick_mantissa = (uint32_t)take(cursor, 1, UINT32_MAX);
    definition->tick_decimals = (uint8_t)take(cursor, 0, PIT_DECIMALS_MAX);
    definition->lot_mantissa = (uint32_t)take(cursor, 1, UINT32_MAX);
    definition->lot_decimals = (uint8_t)take(cursor, 0, PIT_DECIMALS_MAX);
    symbol.state = (uint8_t)take(cursor, 0, PIT_STATE_HALTED);
    symbol.events = take(cursor, 0, UINT64_MAX);
    symbol.orders = take(cursor, 0, definition->orders_max);
    symbol.past.trades = take(cursor, 0, UINT64_MAX);
    symbol.past.last_price = take_signed(cursor);
    symbol.past.last_quantity = take(cursor, 0, UINT64_MAX);
    if (cursor->bad || !pit_symbol_definition_valid(definition))
        return damaged(reader, "a symbol is not one");
    reader->symbol = symbol;
    reader->left = symbol.orders;
    reader->last = (struct pit_resting_order){0};
    reader->seen.symbols++;
    reader->seen.events += symbol.events;
    return place_symbol(reader);
}

/* Buys before sells, each side's best price first. */
static bool follows(const struct pit_resting_order *last, const struct pit_resting_order *order)
{
    if (last->order_id == 0 || order->side != last->side)
        return last->order_id == 0 || order->side > last->side;
    return order->side == PIT_SIDE_BUY ? order->price <= last->price : order->price >= last->price;
}

static int read_order(struct reader *reader)
{
    struct cursor *cursor = &reader->cursor;
    struct pit_resting_order order = {0};
    order.order_id = take(cursor, 1, reader->header->sequence);
    order.client_id = take(cursor, 0, UINT64_MAX);
    order.side = (uint8_t)take(cursor, PIT_SIDE_BUY, PIT_SIDE_SELL);
    order.price = take_signed(cursor);
    order.quantity = take(cursor, 1, PIT_QUANTITY_MAX);
    order.account = (uint32_t)take(cursor, 1, UINT32_MAX);
    if (cursor->bad)
        return damaged(reader, "an order is not one");
    if (reader->left == 0)
        return damaged(reader, "a symbol has more orders than it says");
    if (!follows(&reader->last, &order))
        return damaged(reader, "orders do not stand as in a book");
    if (reader->target && !pit_market_restore_order(reader->market, reader->symbol.symbol, &order))
        return damaged(reader, "an order cannot rest in its book");
    reader->last = order;
    reader->left--;
    reader->seen.orders++;
    return 0;
}

static int read_account(struct reader *reader)
{
    struct cursor *cursor = &reader->cursor;
    if (reader->left)
        return damaged(reader, "a symbol has fewer orders than it says");
    if (reader->results_left)
        return damaged(reader, "an account has fewer results than it says");
    const uint64_t account = take(cursor, (uint64_t)reader->account + 1, UINT32_MAX); /* they rise */
    reader->results_left = take(cursor, 1, PIT_RESULTS_WINDOW);
    if (cursor->bad || reader->version < 2 || reader->seen.accounts == PIT_RESULTS_ACCOUNTS_MAX)
        return damaged(reader, "an account with results is not one");
    reader->account = (uint32_t)account;
    reader->results_from = 0;
    reader->seen.accounts++;
    return 0;
}

static bool is_answer(uint64_t kind)
{
    return kind == PIT_EVENT_ACCEPTED || kind == PIT_EVENT_REJECTED || kind == PIT_EVENT_CANCELLED ||
           kind == PIT_EVENT_REDUCED || kind == PIT_EVENT_REPLACED || kind == PIT_EVENT_STATE;
}

static int read_result(struct reader *reader)
{
    struct cursor *cursor = &reader->cursor;
    struct pit_result result = {0};
    result.request = (uint32_t)take(cursor, 1, UINT32_MAX);
    result.sequence = take(cursor, 1, reader->header->sequence);
    result.symbol = (uint32_t)take(cursor, 0, UINT32_MAX);
    result.order_id = take(cursor, 0, UINT64_MAX);
    result.kind = (uint8_t)take(cursor, 0, UINT8_MAX);
    result.reason = (uint8_t)take(cursor, 0, UINT8_MAX);
    result.traded = take(cursor, 0, UINT64_MAX);
    result.open = take(cursor, 0, UINT64_MAX);
    if (cursor->bad || !is_answer(result.kind))
        return damaged(reader, "a result is not one");
    if (reader->results_left == 0)
        return damaged(reader, "an account has more results than it says");
    const uint32_t place = result.request % PIT_RESULTS_WINDOW;
    if (place < reader->results_from)
        return damaged(reader, "results do not stand in order");
    if (reader->target && reader->target->results)
        pit_results_keep(reader->target->results, reader->account, &result);
    reader->results_from = place + 1;
    reader->results_left--;
    reader->seen.results++;
    return 0;
}

static int read_body(struct reader *reader)
{
    while (reader->cursor.at != reader->cursor.end) {
        int code;
        switch (take_array(&reader->cursor)) {
        case PIT_SNAPSHOT_SYMBOL_ELEMENTS:
            code = read_symbol(reader);
            break;
        case PIT_SNAPSHOT_ORDER_ELEMENTS:
            code = read_order(reader);
            break;
        case PIT_SNAPSHOT_ACCOUNT_ELEMENTS:
            code = read_account(reader);
            break;
        case PIT_SNAPSHOT_RESULT_ELEMENTS:
            code = read_result(reader);
            break;
        default:
            code = damaged(reader, "something is neither a symbol, an order, an account nor a result");
        }
        if (code)
            return code;
    }
    return 0;
}

/* The end. */

/* What the books came to, against what the writer's were. */
static int compare_digest(struct reader *reader, const struct pit_snapshot_totals *totals)
{
    const struct pit_snapshot_target *target = reader->target;
    if (!target)
        return 0;
    pit_market_restore_strangers(target->markets[0], totals->strangers, totals->events_count);
    struct pit_digest whole = {0};
    for (uint32_t i = 0; i < target->markets_count; i++) {
        const struct pit_digest part = pit_market_full_digest(target->markets[i]);
        pit_digest_add(&whole, &part);
    }
    if (whole.events != totals->events || whole.events_count != totals->events_count || whole.state != totals->state ||
        whole.orders != totals->orders)
        return damaged(reader, "the books do not have the digest that is written down");
    if (target->results && pit_results_digest(target->results) != totals->results_digest)
        return damaged(reader, "the results do not have the digest that is written down");
    return 0;
}

static int read_done(struct reader *reader)
{
    struct cursor *cursor = &reader->cursor;
    const struct pit_snapshot_totals *seen = &reader->seen;
    struct pit_snapshot_header *header = reader->header;
    const bool with_results = reader->version > 1;
    struct pit_snapshot_totals totals = {0};
    const uint32_t elements = take_array(cursor);
    totals.symbols = take(cursor, 0, UINT64_MAX);
    totals.orders = take(cursor, 0, UINT64_MAX);
    totals.chunks = take(cursor, 0, UINT64_MAX);
    totals.bytes = take(cursor, 0, UINT64_MAX);
    totals.events = take(cursor, 0, UINT64_MAX);
    totals.events_count = take(cursor, 0, UINT64_MAX);
    totals.state = take(cursor, 0, UINT64_MAX);
    totals.strangers = take(cursor, 0, UINT64_MAX);
    if (with_results) {
        totals.accounts = take(cursor, 0, UINT64_MAX);
        totals.results = take(cursor, 0, UINT64_MAX);
        totals.results_digest = take(cursor, 0, UINT64_MAX);
    }
    totals.hash = take(cursor, 0, UINT64_MAX);
    if (cursor->bad || elements != (with_results ? PIT_SNAPSHOT_DONE_ELEMENTS : PIT_SNAPSHOT_DONE_ELEMENTS_1) ||
        cursor->at != cursor->end)
        return damaged(reader, "its end is not one");
    if (totals.hash != XXH3_64bits_digest(&reader->hash))
        return damaged(reader, "the checksum of the whole is wrong");
    if (reader->offset != reader->size)
        return damaged(reader, "it goes on after its end");
    if (reader->left || totals.symbols != seen->symbols || totals.orders != seen->orders ||
        header->symbols != seen->symbols || header->orders != seen->orders || totals.chunks != reader->number - 1 ||
        totals.bytes != reader->begun || reader->results_left || totals.accounts != seen->accounts ||
        totals.results != seen->results)
        return damaged(reader, "something is missing: the counts do not agree");
    if (totals.events != seen->events + totals.strangers)
        return damaged(reader, "the digests do not agree");
    header->accounts = totals.accounts;
    header->results = totals.results;
    header->results_digest = totals.results_digest;
    return compare_digest(reader, &totals);
}

static int read_all(struct reader *reader)
{
    int code = read_head(reader);
    if (code)
        return code;
    for (;;) {
        uint32_t kind;
        code = read_chunk(reader, &kind);
        if (code)
            return code;
        if (kind == PIT_SNAPSHOT_DONE)
            return read_done(reader);
        code = kind == PIT_SNAPSHOT_BODY ? read_body(reader) : damaged(reader, "a chunk is of no known kind");
        if (code)
            return code;
    }
}

static int read_open(struct reader *reader, uint64_t sequence)
{
    const struct pit_disk *disk = reader->disk;
    const int64_t size = disk->size(disk->context, reader->file);
    if (size < 0)
        return pit_error_set(reader->error, (int)size, "cannot tell the size of %s: %s", reader->path,
                             strerror((int)-size));
    reader->size = (uint64_t)size;
    XXH3_64bits_reset(&reader->hash);
    int code = read_all(reader);
    reader->header->bytes = reader->size;
    if (code == 0 && reader->header->sequence != sequence)
        return damaged(reader, "its name is another snapshot's");
    return code;
}

/* One pass over the file. target: NULL = only look. */
static int read_file(const struct pit_disk *disk, const char *directory, uint64_t sequence,
                     const struct pit_snapshot_target *target, struct pit_snapshot_header *header,
                     struct pit_error *error)
{
    char path[PIT_JOURNAL_PATH_BYTES], name[PIT_SNAPSHOT_NAME_BYTES];
    pit_snapshot_name(name, sequence);
    if (!pit_journal_path(path, directory, name))
        return pit_error_set(error, -ENAMETOOLONG, "the directory's name is too long: %s", directory);
    struct reader *reader = aligned_alloc(64, (sizeof *reader + 63) / 64 * 64);
    if (!reader)
        return pit_error_set(error, -ENOMEM, "no memory to read a snapshot");
    memset(reader, 0, sizeof *reader);
    memset(header, 0, sizeof *header);
    reader->disk = disk;
    reader->path = path;
    reader->error = error;
    reader->target = target;
    reader->header = header;
    reader->file = disk->open(disk->context, path, PIT_DISK_READ);
    int code = reader->file;
    if (reader->file < 0) {
        pit_error_set(error, code, "cannot open %s: %s", path, strerror(-code));
    } else {
        code = read_open(reader, sequence);
        disk->close(disk->context, reader->file);
    }
    free(reader);
    return code;
}

int pit_snapshot_check(const struct pit_disk *disk, const char *directory, uint64_t sequence,
                       struct pit_snapshot_header *header, struct pit_error *error)
{
    return read_file(disk, directory, sequence, NULL, header, error);
}

int pit_snapshot_load(const struct pit_disk *disk, const char *directory, uint64_t sequence,
                      const struct pit_snapshot_target *target, struct pit_snapshot_header *header,
                      struct pit_error *error)
{
    PIT_CHECK(target->markets_count >= 1);
    const int code = pit_snapshot_check(disk, directory, sequence, header, error);
    return code ? code : read_file(disk, directory, sequence, target, header, error);
}
