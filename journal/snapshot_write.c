/* journal/snapshot_write.c - the state of markets into a file, a chunk at a time. */
#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/snapshot.h"
#include "journal/snapshot_format.h"
#include "journal/snapshot_parts.h"
#include "ring/check.h"

struct writer {
    const struct pit_disk *disk;
    int file;
    int code; /* the first failure, 0 = none; after it nothing is written */
    uint64_t offset;
    uint64_t synced; /* up to here */
    uint32_t number;
    uint32_t used; /* of the payload */
    XXH3_state_t hash;
    msgpack_packer packer;
    uint8_t chunk[sizeof(struct pit_snapshot_chunk) + PIT_SNAPSHOT_PAYLOAD_BYTES_MAX];
};

static int payload_write(void *context, const char *bytes, size_t count)
{
    struct writer *writer = context;
    PIT_CHECK(count <= PIT_SNAPSHOT_PAYLOAD_BYTES_MAX - writer->used); /* an item was promised to be small */
    memcpy(writer->chunk + sizeof(struct pit_snapshot_chunk) + writer->used, bytes, count);
    writer->used += (uint32_t)count;
    return 0;
}

static void put(struct writer *writer, const void *bytes, size_t count)
{
    if (writer->code == 0)
        writer->code = writer->disk->write(writer->disk->context, writer->file, bytes, count, writer->offset);
    XXH3_64bits_update(&writer->hash, bytes, count);
    writer->offset += count;
    if (writer->code == 0 && writer->offset - writer->synced >= PIT_JOURNAL_SYNC_BESIDE_BYTES) {
        writer->code = writer->disk->sync(writer->disk->context, writer->file);
        writer->synced = writer->offset;
    }
}

static void chunk_end(struct writer *writer, enum pit_snapshot_chunk_kind kind)
{
    struct pit_snapshot_chunk header = {.kind = kind, .bytes = writer->used, .number = writer->number++};
    const size_t bytes = sizeof header + writer->used;
    memcpy(writer->chunk, &header, sizeof header);
    header.crc = pit_journal_crc_without(writer->chunk, bytes, offsetof(struct pit_snapshot_chunk, crc));
    memcpy(writer->chunk, &header, sizeof header);
    put(writer, writer->chunk, bytes);
    writer->used = 0;
}

/* Before every item of the body: ends the chunk when there may be no room for it. */
static void item_begin(struct writer *writer, uint32_t elements)
{
    if (PIT_SNAPSHOT_PAYLOAD_BYTES_MAX - writer->used < PIT_SNAPSHOT_ITEM_BYTES_MAX)
        chunk_end(writer, PIT_SNAPSHOT_BODY);
    msgpack_pack_array(&writer->packer, elements);
}

static void add(struct writer *writer, uint64_t value)
{
    msgpack_pack_uint64(&writer->packer, value);
}

static void add_signed(struct writer *writer, int64_t value)
{
    msgpack_pack_int64(&writer->packer, value);
}

static void write_head(struct writer *writer, const struct pit_snapshot_header *header)
{
    item_begin(writer, PIT_SNAPSHOT_HEAD_ELEMENTS);
    add(writer, PIT_SNAPSHOT_VERSION);
    msgpack_pack_bin(&writer->packer, sizeof header->journal_id);
    msgpack_pack_bin_body(&writer->packer, header->journal_id, sizeof header->journal_id);
    add(writer, header->sequence);
    add(writer, header->block);
    add(writer, header->time_ns);
    add(writer, header->command);
    add(writer, header->created_ns);
    add(writer, header->symbols);
    add(writer, header->orders);
    chunk_end(writer, PIT_SNAPSHOT_HEAD);
}

static bool write_order(void *context, const struct pit_resting_order *order)
{
    struct writer *writer = context;
    item_begin(writer, PIT_SNAPSHOT_ORDER_ELEMENTS);
    add(writer, order->order_id);
    add(writer, order->client_id);
    add(writer, order->side);
    add_signed(writer, order->price);
    add(writer, order->quantity);
    add(writer, order->account);
    return writer->code == 0;
}

static void write_symbol(struct writer *writer, uint32_t symbol, const struct pit_market *market,
                         const struct pit_snapshot_past *past)
{
    const struct pit_book *book = pit_market_book(market, symbol);
    const struct pit_symbol_definition *definition = pit_book_definition(book);
    const size_t length = strnlen(definition->name, sizeof definition->name);
    item_begin(writer, PIT_SNAPSHOT_SYMBOL_ELEMENTS);
    add(writer, symbol);
    msgpack_pack_str(&writer->packer, length);
    msgpack_pack_str_body(&writer->packer, definition->name, length);
    add_signed(writer, definition->price_min);
    add_signed(writer, definition->price_max);
    add(writer, definition->quantity_max);
    add(writer, definition->orders_max);
    add(writer, definition->levels_max);
    add(writer, definition->tick_mantissa);
    add(writer, definition->tick_decimals);
    add(writer, definition->lot_mantissa);
    add(writer, definition->lot_decimals);
    add(writer, (uint64_t)pit_book_state(book));
    add(writer, pit_market_symbol_events(market, symbol));
    add(writer, pit_book_orders(book));
    add(writer, past ? past->trades : 0);
    add_signed(writer, past ? past->last_price : 0);
    add(writer, past ? past->last_quantity : 0);
    pit_book_walk(book, PIT_SIDE_BUY, write_order, writer);
    pit_book_walk(book, PIT_SIDE_SELL, write_order, writer);
}

static const struct pit_market *market_of(struct pit_market *const *markets, uint32_t count, uint32_t symbol)
{
    for (uint32_t i = 0; i < count; i++)
        if (pit_market_book(markets[i], symbol))
            return markets[i];
    return NULL;
}

/* No market has a symbol with this id or a greater one. */
static uint32_t end_of_symbols(struct pit_market *const *markets, uint32_t count)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < count; i++)
        if (pit_market_symbols(markets[i]) > end)
            end = pit_market_symbols(markets[i]);
    return end;
}

static uint64_t count_symbols(struct pit_market *const *markets, uint32_t count)
{
    const uint32_t end = end_of_symbols(markets, count);
    uint64_t symbols = 0;
    for (uint32_t symbol = 0; symbol < end; symbol++)
        symbols += market_of(markets, count, symbol) != NULL;
    return symbols;
}

/* One account and its results, in the order of their places. */
static void write_account(struct writer *writer, const struct pit_results *results, uint32_t order)
{
    const struct pit_result *window;
    uint32_t count;
    const uint32_t account = pit_results_of(results, order, &window, &count);
    item_begin(writer, PIT_SNAPSHOT_ACCOUNT_ELEMENTS);
    add(writer, account);
    add(writer, count);
    for (uint32_t i = 0; i < PIT_RESULTS_WINDOW; i++) {
        const struct pit_result *result = &window[i];
        if (result->sequence == 0)
            continue;
        item_begin(writer, PIT_SNAPSHOT_RESULT_ELEMENTS);
        add(writer, result->request);
        add(writer, result->sequence);
        add(writer, result->symbol);
        add(writer, result->order_id);
        add(writer, result->kind);
        add(writer, result->reason);
        add(writer, result->traded);
        add(writer, result->open);
    }
}

static void write_results(struct writer *writer, const struct pit_results *results, struct pit_snapshot_totals *totals)
{
    totals->accounts = pit_results_accounts(results);
    totals->results = pit_results_count(results);
    totals->results_digest = pit_results_digest(results);
    uint32_t *order = malloc((totals->accounts + 1) * sizeof *order);
    if (!order && writer->code == 0)
        writer->code = -ENOMEM;
    if (!order)
        return;
    pit_results_order(results, order);
    for (uint64_t i = 0; i < totals->accounts && writer->code == 0; i++)
        write_account(writer, results, order[i]);
    free(order);
}

static void write_done(struct writer *writer, const struct pit_snapshot_totals *totals)
{
    msgpack_pack_array(&writer->packer, PIT_SNAPSHOT_DONE_ELEMENTS);
    add(writer, totals->symbols);
    add(writer, totals->orders);
    add(writer, writer->number);
    add(writer, writer->offset);
    add(writer, totals->events);
    add(writer, totals->events_count);
    add(writer, totals->state);
    add(writer, totals->strangers);
    add(writer, totals->accounts);
    add(writer, totals->results);
    add(writer, totals->results_digest);
    add(writer, XXH3_64bits_digest(&writer->hash));
    chunk_end(writer, PIT_SNAPSHOT_DONE);
}

/* All of the file. */
static void write_state(struct writer *writer, struct pit_market *const *markets, uint32_t count,
                        const struct pit_snapshot_past *past, const struct pit_results *results,
                        struct pit_snapshot_header *header)
{
    struct pit_digest whole = {0};
    struct pit_snapshot_totals totals = {.symbols = count_symbols(markets, count)};
    for (uint32_t i = 0; i < count; i++) {
        const struct pit_digest part = pit_market_full_digest(markets[i]);
        pit_digest_add(&whole, &part);
        totals.strangers += pit_market_stranger_events(markets[i]);
    }
    header->symbols = totals.symbols;
    header->orders = totals.orders = whole.orders;
    totals.events = whole.events;
    totals.events_count = whole.events_count;
    totals.state = whole.state;

    put(writer, PIT_SNAPSHOT_MAGIC, PIT_SNAPSHOT_MAGIC_BYTES);
    write_head(writer, header);
    const uint32_t end = end_of_symbols(markets, count);
    for (uint32_t symbol = 0; symbol < end && writer->code == 0; symbol++) {
        const struct pit_market *market = market_of(markets, count, symbol);
        if (market)
            write_symbol(writer, symbol, market, past ? &past[symbol] : NULL);
    }
    if (results)
        write_results(writer, results, &totals);
    if (writer->used)
        chunk_end(writer, PIT_SNAPSHOT_BODY);
    write_done(writer, &totals);
    header->bytes = writer->offset;
    header->accounts = totals.accounts;
    header->results = totals.results;
    header->results_digest = totals.results_digest;
}

/* The file under its temporary name, durable. */
static int write_temporary(struct writer *writer, const char *path, struct pit_market *const *markets, uint32_t count,
                           const struct pit_snapshot_past *past, const struct pit_results *results,
                           struct pit_snapshot_header *header)
{
    const struct pit_disk *disk = writer->disk;
    int code = disk->unlink(disk->context, path); /* what a crash left */
    if (code && code != -ENOENT)
        return code;
    writer->file = disk->open(disk->context, path, PIT_DISK_WRITE | PIT_DISK_CREATE);
    if (writer->file < 0)
        return writer->file;
    XXH3_64bits_reset(&writer->hash);
    msgpack_packer_init(&writer->packer, writer, payload_write);
    write_state(writer, markets, count, past, results, header);
    code = writer->code;
    if (code == 0)
        code = disk->sync(disk->context, writer->file);
    const int closed = disk->close(disk->context, writer->file);
    return code ? code : closed;
}

static int write_locked(struct writer *writer, const char *directory, struct pit_market *const *markets, uint32_t count,
                        const struct pit_snapshot_past *past, const struct pit_results *results,
                        struct pit_snapshot_header *header, struct pit_error *error)
{
    const struct pit_disk *disk = writer->disk;
    char temporary[PIT_JOURNAL_PATH_BYTES], path[PIT_JOURNAL_PATH_BYTES], name[PIT_SNAPSHOT_NAME_BYTES];
    pit_snapshot_name(name, header->sequence);
    if (!pit_journal_path(temporary, directory, PIT_SNAPSHOT_TEMPORARY_NAME) ||
        !pit_journal_path(path, directory, name))
        return pit_error_set(error, -ENAMETOOLONG, "the directory's name is too long: %s", directory);
    int code = write_temporary(writer, temporary, markets, count, past, results, header);
    if (code) {
        disk->unlink(disk->context, temporary);
        return pit_error_set(error, code, "cannot write %s: %s; there is no new snapshot, older ones are as they were",
                             temporary, strerror(-code));
    }
    code = pit_snapshot_settle_journal(disk, directory);
    if (code == 0)
        code = disk->rename(disk->context, temporary, path);
    if (code == 0)
        code = disk->sync_directory(disk->context, directory);
    return code ? pit_error_set(error, code, "cannot make the snapshot %s durable: %s", path, strerror(-code)) : 0;
}

int pit_snapshot_write(const struct pit_disk *disk, const char *directory, struct pit_market *const *markets,
                       uint32_t markets_count, const struct pit_snapshot_past *past, const struct pit_results *results,
                       struct pit_snapshot_header *header, struct pit_error *error)
{
    PIT_CHECK(header->sequence > 0);
    char path[PIT_JOURNAL_PATH_BYTES];
    if (!pit_journal_path(path, directory, PIT_SNAPSHOT_LOCK_NAME))
        return pit_error_set(error, -ENAMETOOLONG, "the directory's name is too long: %s", directory);
    struct writer *writer = aligned_alloc(64, (sizeof *writer + 63) / 64 * 64);
    if (!writer)
        return pit_error_set(error, -ENOMEM, "no memory to write a snapshot");
    memset(writer, 0, sizeof *writer);
    const int lock = disk->lock(disk->context, path);
    int code = lock;
    if (lock == -EWOULDBLOCK) {
        pit_error_set(error, code, "another process is writing a snapshot in %s: wait for it", directory);
    } else if (lock < 0) {
        pit_error_set(error, code, "cannot lock %s: %s", path, strerror(-lock));
    } else {
        writer->disk = disk;
        header->created_ns = disk->utc_ns(disk->context);
        code = write_locked(writer, directory, markets, markets_count, past, results, header, error);
        disk->close(disk->context, lock);
    }
    free(writer);
    return code;
}
