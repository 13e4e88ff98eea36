/* test/journal/test_snapshot.c - a snapshot gives back what was written, or says that it cannot. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fixture.h"
#include "journal/block.h"
#include "journal/snapshot.h"
#include "journal/snapshot_format.h"
#include "memory_disk.h"

/* A market with memory of its own. */
struct place {
    struct pit_market *market;
    struct pit_results *results;
    struct {
        void *at;
        size_t bytes;
    } block[64];
    uint32_t blocks;
    size_t room;
    struct pit_event slots[256];
    struct pit_event_sink sink;
};

static void *take(void *context, size_t bytes, size_t alignment)
{
    struct place *place = context;
    assert_true(alignment <= 4096 && place->blocks < 64);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(at != MAP_FAILED);
    place->block[place->blocks].at = at;
    place->block[place->blocks++].bytes = bytes;
    return at;
}

static size_t room(void *context)
{
    const struct place *place = context;
    return place->blocks < 60 ? place->room : 0;
}

static void make_room(struct pit_event_sink *sink)
{
    struct place *place = sink->context;
    pit_market_fold(place->market, sink);
    sink->limit = sink->next + 256;
}

static struct place *place_open(void)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    const struct pit_reserve memory = {.reserve = take, .context = place};
    place->market = pit_market_create(&memory);
    assert_int_equal(pit_results_create(&place->results, 0, NULL), 0);
    place->room = (size_t)1 << 30;
    place->sink = (struct pit_event_sink){.slots = place->slots,
                                          .mask = 255,
                                          .next = 1,
                                          .limit = 1,
                                          .folded = 1,
                                          .make_room = make_room,
                                          .context = place};
    return place;
}

static void place_close(struct place *place)
{
    for (uint32_t i = 0; i < place->blocks; i++)
        munmap(place->block[i].at, place->block[i].bytes);
    pit_results_destroy(place->results);
    free(place);
}

static void apply(struct place *place, struct pit_command command)
{
    pit_market_apply(place->market, &command, &place->sink);
}

static void keep(struct place *place, uint32_t account, uint32_t request, uint64_t sequence)
{
    static const uint8_t kinds[] = {PIT_EVENT_ACCEPTED, PIT_EVENT_REJECTED, PIT_EVENT_CANCELLED,
                                    PIT_EVENT_REDUCED,  PIT_EVENT_REPLACED, PIT_EVENT_STATE};
    const struct pit_result result = {.sequence = sequence,
                                      .order_id = sequence / 2,
                                      .traded = request % 4 ? request : PIT_QUANTITY_MAX - request,
                                      .open = request % 3 * sequence,
                                      .request = request,
                                      .symbol = request % 5,
                                      .kind = kinds[request % 6],
                                      .reason = (uint8_t)(request % 23)};
    pit_results_keep(place->results, account, &result);
}

/* Symbols with orders at many prices, some with ids of their own, some halted; and a symbol that nobody defined.
 * Returns the last sequence. */
static uint64_t fill(struct place *place, uint32_t symbols, uint32_t orders)
{
    uint64_t sequence = 0;
    for (uint32_t symbol = 0; symbol < symbols; symbol++) {
        struct pit_command command = {.sequence = ++sequence,
                                      .symbol = 3 * symbol,
                                      .kind = PIT_COMMAND_SYMBOL,
                                      .flags = PIT_COMMAND_WIDE,
                                      .definition = {.price_min = -5000000,
                                                     .price_max = 5000000,
                                                     .quantity_max = PIT_QUANTITY_MAX,
                                                     .orders_max = 100000,
                                                     .levels_max = 60000,
                                                     .tick_mantissa = 1,
                                                     .lot_mantissa = 5,
                                                     .tick_decimals = 2,
                                                     .lot_decimals = 3}};
        snprintf(command.definition.name, sizeof command.definition.name, "SYM-%u", symbol);
        apply(place, command);
    }
    for (uint32_t i = 0; i < orders; i++) {
        const uint8_t side = i & 1;
        const int64_t away = 1 + (int64_t)(i * UINT32_C(2654435761) % 20011);
        apply(place, (struct pit_command){.sequence = ++sequence,
                                          .time_ns = 1000 + i,
                                          .symbol = 3 * (i % symbols),
                                          .account = 1 + i % 9,
                                          .kind = PIT_COMMAND_NEW,
                                          .side = side,
                                          .client_id = i % 3 ? UINT64_C(1) << i % 64 | i : 0,
                                          .price = side ? away : -away,
                                          .quantity = i % 50 ? i + 1 : PIT_QUANTITY_MAX - i});
    }
    apply(place, (struct pit_command){.sequence = ++sequence, .symbol = 7000, .kind = PIT_COMMAND_NEW, .account = 1});
    for (uint32_t i = 0; i < orders; i += 3)
        keep(place, 1 + i % 7 * 613566757, i + 1, i + 1);
    if (symbols > 1)
        apply(place, (struct pit_command){
                         .sequence = ++sequence, .symbol = 3, .kind = PIT_COMMAND_STATE, .quantity = PIT_STATE_HALTED});
    return sequence;
}

static struct pit_snapshot_header header_of(uint64_t sequence)
{
    struct pit_snapshot_header header = {
        .sequence = sequence, .block = 1 + sequence / 10, .time_ns = 12345, .command = UINT64_MAX - sequence};
    memcpy(header.journal_id, "sixteen bytes id", 16);
    return header;
}

static struct pit_snapshot_header write_snapshot(const struct pit_disk *disk, struct place *place, uint64_t sequence)
{
    struct pit_snapshot_header header = header_of(sequence);
    struct pit_error error = {0};
    if (pit_snapshot_write(disk, DIRECTORY, &place->market, 1, NULL, place->results, &header, &error))
        fail_msg("%s", error.text);
    return header;
}

static int load(const struct pit_disk *disk, struct place *place, uint64_t sequence, struct pit_error *error)
{
    const struct pit_snapshot_target target = {
        .markets = &place->market, .markets_count = 1, .room = room, .room_context = place, .results = place->results};
    struct pit_snapshot_header header;
    return pit_snapshot_load(disk, DIRECTORY, sequence, &target, &header, error);
}

static struct memory_file *file_of(struct memory_disk *memory, uint64_t sequence)
{
    char path[128], name[PIT_SNAPSHOT_NAME_BYTES];
    pit_snapshot_name(name, sequence);
    snprintf(path, sizeof path, DIRECTORY "/%s", name);
    struct memory_file *file = memory_disk_file(memory, path);
    assert_non_null(file);
    return file;
}

static uint64_t snapshots(struct memory_disk *memory)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < MEMORY_FILES_MAX; i++)
        count += memory->files[i].exists && pit_snapshot_sequence(memory->files[i].path + sizeof DIRECTORY) != 0;
    return count;
}

static bool exists(struct memory_disk *memory, const char *path)
{
    const struct memory_file *file = memory_disk_file(memory, path);
    return file && file->exists;
}

static void sound(const struct place *place)
{
    for (uint32_t symbol = 0; symbol < pit_market_symbols(place->market); symbol++) {
        const struct pit_book *book = pit_market_book(place->market, symbol);
        const char *wrong = book ? pit_book_check(book) : NULL;
        if (wrong)
            fail_msg("symbol %u: %s", symbol, wrong);
    }
}

static void same(const struct pit_digest *a, const struct pit_digest *b)
{
    assert_memory_equal(a, b, sizeof *a);
}

static void same_results(const struct place *a, const struct place *b)
{
    assert_int_equal(pit_results_accounts(a->results), pit_results_accounts(b->results));
    assert_int_equal(pit_results_count(a->results), pit_results_count(b->results));
    assert_true(pit_results_digest(a->results) == pit_results_digest(b->results));
    uint32_t *order = calloc(pit_results_accounts(a->results) + 1, sizeof *order);
    pit_results_order(a->results, order);
    for (uint32_t i = 0; i < pit_results_accounts(a->results); i++) {
        const struct pit_result *window, *result;
        uint32_t count;
        const uint32_t account = pit_results_of(a->results, order[i], &window, &count);
        assert_int_equal(pit_results_last(a->results, account), pit_results_last(b->results, account));
        for (uint32_t at = 0; at < PIT_RESULTS_WINDOW; at++) {
            if (window[at].sequence == 0)
                continue;
            assert_int_equal(pit_results_find(b->results, account, window[at].request, &result), PIT_RESULTS_FOUND);
            assert_memory_equal(&window[at], result, sizeof *result);
        }
    }
    free(order);
}

/* Tests. */

static void what_was_written_is_read(void **state)
{
    (void)state;
    static const struct {
        uint32_t symbols, orders;
    } sizes[] = {{0, 0}, {1, 0}, {1, 1}, {7, 2}, {3, 2000}, {12, 100000}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct memory_disk memory;
        memory_disk_init(&memory, 1);
        struct place *from = place_open(), *to = place_open();
        const uint64_t sequence = fill(from, sizes[i].symbols ? sizes[i].symbols : 1, sizes[i].orders);
        if (sizes[i].symbols == 0) {
            place_close(from);
            from = place_open(); /* not one symbol */
        }
        const struct pit_snapshot_header wrote = write_snapshot(&memory.disk, from, sequence);
        assert_int_equal(wrote.symbols, sizes[i].symbols);
        assert_int_equal(wrote.orders, sizes[i].orders);
        assert_int_equal(wrote.bytes, file_of(&memory, sequence)->size);
        struct pit_snapshot_header header;
        struct pit_error error = {0};
        if (pit_snapshot_check(&memory.disk, DIRECTORY, sequence, &header, &error) ||
            load(&memory.disk, to, sequence, &error))
            fail_msg("%s", error.text);
        assert_memory_equal(&header, &wrote, sizeof header);
        const struct pit_digest a = pit_market_full_digest(from->market), b = pit_market_full_digest(to->market);
        same(&a, &b);
        same_results(from, to);
        assert_int_equal(header.results, pit_results_count(from->results));
        sound(to);
        place_close(from);
        place_close(to);
        memory_disk_free(&memory);
    }
}

static uint32_t by_oddness(void *context, uint32_t symbol, const struct pit_symbol_definition *definition)
{
    uint32_t *asked = context;
    assert_int_equal(symbol, 3 * *asked);
    ++*asked;
    assert_non_null(definition);
    return symbol & 1;
}

static void symbols_go_to_several_markets_and_come_from_several(void **state)
{
    (void)state;
    struct memory_disk memory;
    memory_disk_init(&memory, 1);
    struct place *from = place_open(), *to[2] = {place_open(), place_open()};
    const uint64_t sequence = fill(from, 9, 3000);
    struct pit_snapshot_past *past = calloc(PIT_SYMBOLS_MAX, sizeof *past);
    struct pit_snapshot_past *read = calloc(PIT_SYMBOLS_MAX, sizeof *read);
    past[6] = (struct pit_snapshot_past){.trades = 77, .last_price = -5, .last_quantity = UINT64_MAX};
    struct pit_snapshot_header header = header_of(sequence);
    assert_int_equal(pit_snapshot_write(&memory.disk, DIRECTORY, &from->market, 1, past, NULL, &header, NULL), 0);
    const struct pit_digest wanted = pit_market_full_digest(from->market);

    struct pit_market *markets[2] = {to[0]->market, to[1]->market};
    uint32_t asked = 0;
    const struct pit_snapshot_target target = {
        .markets = markets, .markets_count = 2, .assign = by_oddness, .assign_context = &asked, .past = read};
    assert_int_equal(pit_snapshot_load(&memory.disk, DIRECTORY, sequence, &target, &header, NULL), 0);
    assert_int_equal(asked, 9);
    assert_memory_equal(past, read, PIT_SYMBOLS_MAX * sizeof *past);
    struct pit_digest whole = pit_market_full_digest(markets[0]);
    const struct pit_digest other = pit_market_full_digest(markets[1]);
    assert_true(whole.orders > 1000 && other.orders > 1000);
    pit_digest_add(&whole, &other);
    same(&whole, &wanted);

    /* Back again: written from two markets it is the same. */
    struct place *back = place_open();
    assert_int_equal(pit_snapshot_write(&memory.disk, DIRECTORY, markets, 2, read, NULL, &header, NULL), 0);
    assert_int_equal(load(&memory.disk, back, sequence, NULL), 0);
    whole = pit_market_full_digest(back->market);
    same(&whole, &wanted);
    place_close(back);
    free(past);
    free(read);
    place_close(from);
    place_close(to[0]);
    place_close(to[1]);
    memory_disk_free(&memory);
}

/* A small snapshot on a disk of its own. */
static uint64_t small_snapshot(struct memory_disk *memory)
{
    memory_disk_init(memory, 1);
    struct place *place = place_open();
    const uint64_t sequence = fill(place, 2, 24);
    write_snapshot(&memory->disk, place, sequence);
    place_close(place);
    return sequence;
}

static void refused(struct memory_disk *memory, uint64_t sequence, const char *what, size_t at)
{
    struct pit_snapshot_header header;
    struct pit_error error = {0};
    const int code = pit_snapshot_check(&memory->disk, DIRECTORY, sequence, &header, &error);
    if (code != -EBADMSG || !strstr(error.text, "snapshot-"))
        fail_msg("%s %zu: code %d, '%s'", what, at, code, error.text);
}

static void every_flipped_byte_is_noticed(void **state)
{
    (void)state;
    struct memory_disk memory;
    const uint64_t sequence = small_snapshot(&memory);
    uint64_t random = fixture_seed();
    struct memory_file *file = file_of(&memory, sequence);
    assert_in_range(file->size, 500, 4000);
    for (size_t at = 0; at < file->size; at++) {
        const uint8_t was = file->bytes[at];
        for (uint32_t way = 0; way < 3; way++) {
            const uint8_t ways[3] = {(uint8_t)(was ^ 1u << fixture_random(&random) % 8), (uint8_t)~was,
                                     (uint8_t)(was + 1)};
            file->bytes[at] = ways[way];
            refused(&memory, sequence, "byte", at);
        }
        file->bytes[at] = was;
    }
    struct place *place = place_open();
    assert_int_equal(load(&memory.disk, place, sequence, NULL), 0);
    place_close(place);
    memory_disk_free(&memory);
}

static void every_length_but_its_own_is_noticed(void **state)
{
    (void)state;
    struct memory_disk memory;
    const uint64_t sequence = small_snapshot(&memory);
    struct memory_file *file = file_of(&memory, sequence);
    const size_t size = file->size;
    for (size_t length = size; length-- > 0;) {
        file->size = length;
        refused(&memory, sequence, "cut to", length);
    }
    file->size = size;
    memory_file_resize(file, size + 1);
    refused(&memory, sequence, "longer by", 1);
    memory_disk_free(&memory);
}

/* Makes the checksums right again, as somebody would who wants wrong content to be believed. */
static void forge(uint8_t *bytes, size_t size)
{
    size_t at = PIT_SNAPSHOT_MAGIC_BYTES;
    while (at + sizeof(struct pit_snapshot_chunk) <= size) {
        struct pit_snapshot_chunk header;
        memcpy(&header, bytes + at, sizeof header);
        if (header.bytes > size - at - sizeof header)
            return;
        if (header.kind == PIT_SNAPSHOT_DONE) {
            const uint64_t hash = __builtin_bswap64(XXH3_64bits(bytes, at));
            if (header.bytes > 9 && bytes[at + sizeof header + header.bytes - 9] == 0xcf)
                memcpy(bytes + at + sizeof header + header.bytes - 8, &hash, 8);
        }
        header.crc =
            pit_journal_crc_without(bytes + at, sizeof header + header.bytes, offsetof(struct pit_snapshot_chunk, crc));
        memcpy(bytes + at, &header, sizeof header);
        at += sizeof header + header.bytes;
    }
}

static void forged_snapshots_are_refused_or_sound(void **state)
{
    (void)state;
    struct memory_disk memory;
    const uint64_t sequence = small_snapshot(&memory);
    uint64_t random = fixture_seed();
    struct memory_file *file = file_of(&memory, sequence);
    const size_t size = file->size;
    uint8_t *good = malloc(size);
    memcpy(good, file->bytes, size);
    forge(file->bytes, size);
    assert_memory_equal(good, file->bytes, size); /* forging what is right changes nothing */
    uint32_t taken = 0, wrong = 0;
    for (uint32_t round = 0; round < 12000 / STEP; round++) {
        for (uint64_t flips = 1 + fixture_random(&random) % 3; flips; flips--)
            file->bytes[fixture_random(&random) % size] =
                (uint8_t)(fixture_random(&random) % 2 ? fixture_random(&random) : 0xdb + fixture_random(&random) % 5);
        forge(file->bytes, size);
        struct place *place = place_open();
        if (load(&memory.disk, place, sequence, NULL) == 0) {
            sound(place);
            taken++;
        } else {
            wrong++;
        }
        place_close(place);
        memcpy(file->bytes, good, size);
    }
    assert_true(wrong > 100 / STEP);
    assert_true(taken > 0); /* a time or a count of trades is anybody's guess */
    free(good);
    memory_disk_free(&memory);
}

static void other_version_is_named(void **state)
{
    (void)state;
    struct memory_disk memory;
    const uint64_t sequence = small_snapshot(&memory);
    struct memory_file *file = file_of(&memory, sequence);
    uint8_t *version = file->bytes + PIT_SNAPSHOT_MAGIC_BYTES + sizeof(struct pit_snapshot_chunk) + 1;
    assert_int_equal(*version, PIT_SNAPSHOT_VERSION);
    *version = PIT_SNAPSHOT_VERSION + 6;
    forge(file->bytes, file->size);
    struct pit_snapshot_header header;
    struct pit_error error = {0};
    assert_int_equal(pit_snapshot_check(&memory.disk, DIRECTORY, sequence, &header, &error), -EPROTONOSUPPORT);
    assert_non_null(strstr(error.text, "version 8"));
    memory_disk_free(&memory);
}

static void book_there_is_no_memory_for_is_refused(void **state)
{
    (void)state;
    struct memory_disk memory;
    const uint64_t sequence = small_snapshot(&memory);
    struct place *place = place_open();
    place->room = 100000;
    struct pit_error error = {0};
    assert_int_equal(load(&memory.disk, place, sequence, &error), -ENOMEM);
    assert_non_null(strstr(error.text, "SYM-0"));
    place_close(place);
    memory_disk_free(&memory);
}

struct warnings {
    uint32_t count;
    char last[PIT_ERROR_TEXT_BYTES];
};

static void warned(void *context, const char *text)
{
    struct warnings *warnings = context;
    warnings->count++;
    snprintf(warnings->last, sizeof warnings->last, "%s", text);
}

static void newest_good_one_is_found_and_bad_ones_are_told(void **state)
{
    (void)state;
    struct memory_disk memory;
    memory_disk_init(&memory, 1);
    struct place *place = place_open();
    const uint64_t last = fill(place, 3, 100);
    for (uint64_t i = 0; i < 4; i++)
        write_snapshot(&memory.disk, place, last + 10 * i);
    struct pit_snapshot_header stranger = header_of(last + 100);
    stranger.journal_id[15]++;
    assert_int_equal(pit_snapshot_write(&memory.disk, DIRECTORY, &place->market, 1, NULL, NULL, &stranger, NULL), 0);
    const struct pit_snapshot_header mine = header_of(last);
    struct pit_snapshot_header header;
    struct warnings warnings = {0};
    const struct pit_disk *disk = &memory.disk;

    assert_int_equal(
        pit_snapshot_newest(disk, DIRECTORY, mine.journal_id, UINT64_MAX, warned, &warnings, &header, NULL), 0);
    assert_int_equal(header.sequence, last + 30);
    assert_int_equal(warnings.count, 1);
    assert_non_null(strstr(warnings.last, "another journal"));
    assert_int_equal(pit_snapshot_newest(disk, DIRECTORY, mine.journal_id, last + 29, warned, &warnings, &header, NULL),
                     0);
    assert_int_equal(header.sequence, last + 20);
    assert_int_equal(warnings.count, 1);

    file_of(&memory, last + 30)->bytes[300] ^= 4;
    memory_file_resize(file_of(&memory, last + 20), 700);
    assert_int_equal(pit_snapshot_newest(disk, DIRECTORY, mine.journal_id, last + 50, warned, &warnings, &header, NULL),
                     0);
    assert_int_equal(header.sequence, last + 10);
    assert_int_equal(warnings.count, 3);
    assert_non_null(strstr(warnings.last, "snapshot-"));
    assert_non_null(strstr(warnings.last, "cut short"));
    assert_int_equal(pit_snapshot_newest(disk, DIRECTORY, mine.journal_id, last - 1, NULL, NULL, &header, NULL),
                     -ENOENT);
    place_close(place);
    memory_disk_free(&memory);
}

static void failed_write_leaves_older_snapshots_and_nothing_else(void **state)
{
    (void)state;
    struct place *place = place_open();
    const uint64_t last = fill(place, 3, 20000); /* several chunks */
    uint64_t writes = 1;
    for (bool failed = true; failed; writes++) {
        struct memory_disk memory;
        memory_disk_init(&memory, 1);
        write_snapshot(&memory.disk, place, last);
        memory.fail_write_code = -ENOSPC;
        memory.fail_write_in = writes;
        memory.torn = true;
        struct pit_snapshot_header header = header_of(last + 1);
        struct pit_error error = {0};
        const int code = pit_snapshot_write(&memory.disk, DIRECTORY, &place->market, 1, NULL, NULL, &header, &error);
        failed = code != 0;
        assert_int_equal(code, failed ? -ENOSPC : 0);
        assert_int_equal(snapshots(&memory), failed ? 1 : 2);
        assert_false(exists(&memory, DIRECTORY "/snapshot.tmp"));
        assert_int_equal(pit_snapshot_check(&memory.disk, DIRECTORY, last, &header, NULL), 0);
        if (failed)
            assert_non_null(strstr(error.text, "snapshot.tmp"));
        memory_disk_free(&memory);
    }
    assert_in_range(writes, 5, 100);

    struct memory_disk memory;
    memory_disk_init(&memory, 1);
    memory.fail_sync_code = -EIO;
    struct pit_snapshot_header header = header_of(last);
    assert_int_equal(pit_snapshot_write(&memory.disk, DIRECTORY, &place->market, 1, NULL, NULL, &header, NULL), -EIO);
    assert_int_equal(snapshots(&memory), 0);
    memory_disk_free(&memory);
    place_close(place);
}

static void temporary_file_of_a_crash_is_ignored_and_replaced(void **state)
{
    (void)state;
    struct memory_disk memory;
    memory_disk_init(&memory, 1);
    struct place *place = place_open();
    const uint64_t last = fill(place, 2, 10);
    const int file = memory.disk.open(&memory, DIRECTORY "/snapshot.tmp", PIT_DISK_WRITE | PIT_DISK_CREATE);
    uint8_t rubbish[9000];
    memset(rubbish, 0xee, sizeof rubbish);
    assert_int_equal(memory.disk.write(&memory, file, rubbish, sizeof rubbish, 0), 0);
    memory.disk.close(&memory, file);
    struct pit_snapshot_header header = header_of(last);
    assert_int_equal(
        pit_snapshot_newest(&memory.disk, DIRECTORY, header.journal_id, UINT64_MAX, NULL, NULL, &header, NULL),
        -ENOENT);
    write_snapshot(&memory.disk, place, last);
    assert_false(exists(&memory, DIRECTORY "/snapshot.tmp"));
    assert_int_equal(pit_snapshot_check(&memory.disk, DIRECTORY, last, &header, NULL), 0);
    place_close(place);
    memory_disk_free(&memory);
}

/* Whatever a crash takes back of what was not synced: a snapshot under its name is whole. */
static void crash_leaves_whole_snapshots_only(void **state)
{
    (void)state;
    const uint64_t seed = fixture_seed();
    struct place *place = place_open();
    const uint64_t last = fill(place, 3, 3000);
    for (uint64_t round = 0; round < 200 / STEP; round++) {
        struct memory_disk memory, after;
        memory_disk_init(&memory, seed + round);
        memory.cache = true;
        write_snapshot(&memory.disk, place, last);
        memory.fail_sync_code = round % 2 ? -EIO : 0;
        struct pit_snapshot_header header = header_of(last + 1);
        (void)pit_snapshot_write(&memory.disk, DIRECTORY, &place->market, 1, NULL, NULL, &header, NULL);
        memory_disk_crash(&after, &memory);
        struct warnings warnings = {0};
        assert_int_equal(pit_snapshot_newest(&after.disk, DIRECTORY, header_of(last).journal_id, UINT64_MAX, warned,
                                             &warnings, &header, NULL),
                         0);
        assert_int_equal(warnings.count, 0);
        assert_int_equal(header.sequence, round % 2 ? last : last + 1);
        memory_disk_free(&memory);
        memory_disk_free(&after);
    }
    place_close(place);
}

static void only_the_newest_are_kept(void **state)
{
    (void)state;
    struct memory_disk memory;
    memory_disk_init(&memory, 1);
    struct place *place = place_open();
    const uint64_t last = fill(place, 1, 5);
    for (uint64_t i = 0; i < 6; i++)
        write_snapshot(&memory.disk, place, last + i);
    uint64_t removed;
    assert_int_equal(pit_snapshot_prune(&memory.disk, DIRECTORY, 6, &removed, NULL), 0);
    assert_int_equal(removed, 0);
    assert_int_equal(pit_snapshot_prune(&memory.disk, DIRECTORY, 2, &removed, NULL), 0);
    assert_int_equal(removed, 4);
    struct pit_snapshot_header header;
    assert_int_equal(pit_snapshot_check(&memory.disk, DIRECTORY, last + 5, &header, NULL), 0);
    assert_int_equal(pit_snapshot_check(&memory.disk, DIRECTORY, last + 4, &header, NULL), 0);
    assert_int_equal(pit_snapshot_check(&memory.disk, DIRECTORY, last + 3, &header, NULL), -ENOENT);
    place_close(place);
    memory_disk_free(&memory);
}

static void names_are_read_as_they_are_written(void **state)
{
    (void)state;
    char name[PIT_SNAPSHOT_NAME_BYTES];
    pit_snapshot_name(name, 1000000);
    assert_string_equal(name, "snapshot-00000000000001000000.pit");
    assert_int_equal(pit_snapshot_sequence(name), 1000000);
    pit_snapshot_name(name, UINT64_MAX);
    assert_true(pit_snapshot_sequence(name) == UINT64_MAX);
    static const char *const others[] = {"",
                                         "snapshot-",
                                         "snapshot.tmp",
                                         "snapshot-0000000000000100000.pit",
                                         "snapshot-00000000000001000000.pit~",
                                         "snapshot-00000000000001000000.tmp",
                                         "snapshot-99999999999999999999.pit",
                                         "snapshot-0000000000000100000x.pit",
                                         "00000000000000000001.journal"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(pit_snapshot_sequence(others[i]), 0);
}

static void one_process_at_a_time_writes(void **state)
{
    (void)state;
    char path[256], lock_path[300];
    fixture_directory_make(path);
    struct place *place = place_open();
    const uint64_t last = fill(place, 1, 5);
    snprintf(lock_path, sizeof lock_path, "%s/snapshot.lock", path);
    const struct pit_disk *disk = pit_disk_machine();
    const int lock = disk->lock(disk->context, lock_path);
    assert_true(lock >= 0);
    struct pit_snapshot_header header = header_of(last);
    struct pit_error error = {0};
    assert_int_equal(pit_snapshot_write(disk, path, &place->market, 1, NULL, NULL, &header, &error), -EWOULDBLOCK);
    assert_non_null(strstr(error.text, "another process"));
    disk->close(disk->context, lock);
    assert_int_equal(pit_snapshot_write(disk, path, &place->market, 1, NULL, NULL, &header, NULL), 0);
    assert_int_equal(pit_snapshot_check(disk, path, last, &header, NULL), 0);
    place_close(place);
    fixture_directory_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(symbols_go_to_several_markets_and_come_from_several),
        cmocka_unit_test(every_flipped_byte_is_noticed),
        cmocka_unit_test(every_length_but_its_own_is_noticed),
        cmocka_unit_test(forged_snapshots_are_refused_or_sound),
        cmocka_unit_test(other_version_is_named),
        cmocka_unit_test(book_there_is_no_memory_for_is_refused),
        cmocka_unit_test(newest_good_one_is_found_and_bad_ones_are_told),
        cmocka_unit_test(failed_write_leaves_older_snapshots_and_nothing_else),
        cmocka_unit_test(temporary_file_of_a_crash_is_ignored_and_replaced),
        cmocka_unit_test(crash_leaves_whole_snapshots_only),
        cmocka_unit_test(only_the_newest_are_kept),
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(one_process_at_a_time_writes),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
