/* The recovery contract of docs/durability.md, held case by case: every acknowledged command is there, in order, once;
 * an unacknowledged block is there wholly or not at all; a damaged byte gives a refusal or does no harm. On a disk in
 * memory. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/block.h"
#include "memory_disk.h"

#define SALT 12
#define FIRST DIRECTORY "/00000000000000000001.journal"
#define PAGE PIT_JOURNAL_PAGE_BYTES
#define SECTOR MEMORY_SECTOR_BYTES
#define SKIP (1 + STEP / 4) /* of shapes and the like: 1, more under a sanitizer */
#define BLOCKS_MAX 16u

/* What a block holds: digests before, commands, digests after. */
struct shape {
    uint32_t before, commands, after;
};

/* A journal of some blocks, all acknowledged. */
struct written {
    struct memory_disk memory;
    struct memory_file *file;          /* its first segment */
    uint64_t offset[BLOCKS_MAX + 1];   /* of block i, from 0 */
    uint64_t sequence[BLOCKS_MAX + 1]; /* the last one before block i */
    uint32_t blocks;
};

static void append_digests(struct pit_journal *journal, uint32_t count, uint64_t sequence)
{
    struct pit_digest digest = {.events = sequence * 31, .events_count = sequence * 2, .state = 3, .orders = 4};
    while (count-- > 0)
        assert_true(pit_journal_append_digest(journal, sequence, &digest, count & 1));
}

static void append_shape(struct pit_journal *journal, uint64_t *sequence, const struct shape *shape)
{
    append_digests(journal, shape->before, *sequence - 1);
    for (uint32_t i = 0; i < shape->commands; i++) {
        struct pit_command command = fixture_command(*sequence, SALT);
        assert_true(pit_journal_append(journal, &command));
        ++*sequence;
    }
    append_digests(journal, shape->after, *sequence - 1);
}

static void commit(struct pit_journal *journal, uint64_t sequence)
{
    assert_true(pit_journal_commit(journal));
    assert_int_equal(pit_journal_disk_work(journal), 1);
    assert_int_equal(pit_journal_durable(journal), sequence - 1);
}

/* The file is cut pages after the last block: the rest is zeros, and quicker without. */
static void write_shapes(struct written *written, const struct shape *shapes, uint32_t blocks, uint32_t pages)
{
    memset(written, 0, sizeof *written);
    memory_disk_init(&written->memory, 99);
    struct pit_journal *journal = fixture_open(&written->memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    uint64_t sequence = 1;
    for (uint32_t i = 0; i < blocks; i++) {
        written->offset[i] = PAGE + pit_journal_statistics(journal).bytes;
        append_shape(journal, &sequence, &shapes[i]);
        commit(journal, sequence);
        written->sequence[i + 1] = sequence - 1;
    }
    written->offset[blocks] = PAGE + pit_journal_statistics(journal).bytes;
    written->blocks = blocks;
    pit_journal_close(journal);
    written->file = memory_disk_file(&written->memory, FIRST);
    written->file->size = written->offset[blocks] + pages * PAGE;
}

/* Recovery gives exactly the commands up to sequence, or (refusal_fits) refuses and says where. Returns true for the
 * first. The fixture compares every command. */
static bool recovers_exactly(struct memory_disk *memory, uint64_t sequence, bool refusal_fits, const char *what,
                             uint64_t at)
{
    struct pit_journal_end end;
    struct pit_error error = {0};
    int result = fixture_read(&memory->disk, DIRECTORY, SALT, &end, NULL, &error);
    if (result < 0 && !refusal_fits)
        fail_msg("%s at %lu: %s", what, at, error.text);
    if (result < 0 && (result != -EBADMSG || !strstr(error.text, ".journal")))
        fail_msg("%s at %lu: code %d: %s", what, at, result, error.text);
    if (result == 0 && end.sequence != sequence)
        fail_msg("%s at %lu: %lu was acknowledged, %lu is recovered", what, at, sequence, end.sequence);
    return result == 0;
}

static void expect_refusal(struct memory_disk *memory, uint64_t sequence, const char *what, uint64_t at)
{
    if (recovers_exactly(memory, sequence, true, what, at))
        fail_msg("%s at %lu: not noticed", what, at);
}

static struct pit_journal_block_header *header_of(const struct written *written, uint32_t block)
{
    return (struct pit_journal_block_header *)(written->file->bytes + written->offset[block]);
}

/* Damage. */

static const struct shape two_segments[] = {{0, 1, 0}, {1, 30, 0}, {0, 70, 0}, {0, 7, 1},
                                            {0, 5, 0}, {2, 40, 1}, {0, 1, 0},  {0, 20, 0}};
#define TWO_SEGMENTS (sizeof two_segments / sizeof *two_segments)
#define SPLIT 4u

/* Blocks do not know their segment: those from SPLIT on are moved into a second one, which begins where it should. */
static void write_two_segments(struct written *written, struct memory_file *files[2])
{
    struct pit_journal_segment_header header;
    char path[64];
    write_shapes(written, two_segments, TWO_SEGMENTS, 0);
    memcpy(&header, written->file->bytes, sizeof header);
    header.crc = 0;
    header.first_block = SPLIT + 1;
    header.first_sequence = written->sequence[SPLIT] + 1;
    header.previous_crc = header_of(written, SPLIT - 1)->crc;
    snprintf(path, sizeof path, "%s/%020u.journal", DIRECTORY, SPLIT + 1);
    int file = written->memory.disk.open(&written->memory, path, PIT_DISK_WRITE | PIT_DISK_CREATE);
    files[0] = written->file;
    files[1] = &written->memory.files[file];
    uint64_t bytes = written->offset[TWO_SEGMENTS] - written->offset[SPLIT];
    memory_file_resize(files[1], PAGE + bytes + 2 * PAGE);
    pit_journal_segment_seal(files[1]->bytes, &header);
    memcpy(files[1]->bytes + PAGE, files[0]->bytes + written->offset[SPLIT], bytes);
    files[0]->size = written->offset[SPLIT];
}

/* One bit of every byte, every bit of the lines in which headers stand. */
static void every_flipped_byte_of_two_segments_is_detected_or_harmless(void **state)
{
    (void)state;
    struct written written;
    struct memory_file *files[2];
    uint64_t seed = fixture_seed();
    uint64_t harmless = 0;
    uint64_t detected = 0;
    write_two_segments(&written, files);
    const uint64_t last = written.sequence[TWO_SEGMENTS];
    assert_true(recovers_exactly(&written.memory, last, false, "nothing", 0));
    for (int f = 0; f < 2; f++) {
        uint64_t blocks_end = f == 0 ? files[f]->size : files[f]->size - 2 * PAGE;
        for (uint64_t at = fixture_random(&seed) % STEP; at < files[f]->size; at += STEP) {
            bool every = at % PAGE < 192 && at < blocks_end;
            for (uint32_t bit = every ? 0 : fixture_random(&seed) % 8, end = every ? 8 : bit + 1; bit < end; bit++) {
                files[f]->bytes[at] ^= (uint8_t)(1u << bit);
                bool exact = recovers_exactly(&written.memory, last, true, "a flip", at);
                if (exact && at < blocks_end)
                    fail_msg("a flip at %lu of %s: not noticed", at, files[f]->path);
                files[f]->bytes[at] ^= (uint8_t)(1u << bit);
                harmless += exact;
                detected += !exact;
            }
        }
    }
    print_message("# %lu flips told, %lu harmless\n", detected, harmless);
    assert_true(harmless > 0 && detected > 12 * PAGE / STEP);
    memory_disk_free(&written.memory);
}

/* Blocks of all lengths, so that their end meets the end of a sector or a page in every way. */
static bool shape_at(uint32_t i, struct shape *shape)
{
    static const uint32_t lengths[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                       13, 14, 15, 16, 29, 50, 51, 52, 53, 54, 55};
    static const struct shape digests[] = {{0, 0, 0}, {1, 0, 0}, {0, 0, 1}, {1, 0, 1}, {0, 0, 3}, {4, 0, 5}};
    uint32_t kinds = sizeof digests / sizeof *digests;
    if (i >= kinds * sizeof lengths / sizeof *lengths)
        return false;
    *shape = digests[i % kinds];
    shape->commands = lengths[i / kinds];
    return true;
}

/* The lengths a damaged header can claim, and (not for all shapes) every bit of the headers and of the last line, in a
 * block that was the last one acknowledged. None of it may pass for an unfinished write. */
static void damage_of_the_last_block_is_never_taken_for_an_unfinished_write(void **state)
{
    (void)state;
    struct shape shapes[2] = {{0, 3, 0}};
    for (uint32_t i = 0; shape_at(i, &shapes[1]); i += SKIP) {
        struct written written;
        write_shapes(&written, shapes, 2, 5);
        uint64_t last = written.sequence[2];
        struct pit_journal_block_header *header = header_of(&written, 1);
        const struct pit_journal_block_header right = *header;
        uint8_t *bytes = (uint8_t *)header;
        assert_true(recovers_exactly(&written.memory, last, false, "nothing", 0));
        for (uint32_t bit = 0; bit < 8 * 192 && i % (12 * SKIP) == 0; bit += SKIP) {
            uint32_t at = bit / 8 < 128 ? bit / 8 : right.used - 192 + bit / 8;
            bytes[at] ^= (uint8_t)(1u << bit % 8);
            expect_refusal(&written.memory, last, "a flip", at);
            bytes[at] ^= (uint8_t)(1u << bit % 8);
        }
        for (uint32_t used = 0; used <= 5 * PAGE; used += used < 128 ? SKIP : 64 * SKIP) {
            header->used = used;
            header->bytes = (used + PAGE - 1) & ~(PAGE - 1);
            if (used != right.used)
                expect_refusal(&written.memory, last, "a wrong length", used);
            *header = right;
        }
        memory_disk_free(&written.memory);
    }
}

/* The last acknowledged block is damaged while the next one was being written: that one's remains do not hide it. */
static void damage_before_a_torn_block_is_told(void **state)
{
    (void)state;
    static const struct shape shapes[] = {{0, 3, 0}, {0, 30, 1}, {0, 120, 0}};
    struct written written;
    uint8_t kept[16 * PAGE];
    uint64_t seed = fixture_seed();
    for (int how = 0; how < 5; how++) {
        write_shapes(&written, shapes, 3, 2);
        uint8_t *torn = written.file->bytes + written.offset[2];
        uint32_t bytes = header_of(&written, 2)->bytes;
        uint32_t used = header_of(&written, 1)->used;
        assert_true(bytes <= sizeof kept);
        memcpy(kept, torn, bytes);
        memset(torn, 0, bytes);
        for (uint32_t at = 0; at < bytes; at += SECTOR) {
            bool there = how == 0   ? at == 0
                         : how == 1 ? at > 0
                         : how == 2 ? at / SECTOR % 2 == 0
                         : how == 3 ? at < bytes / 2
                                    : fixture_random(&seed) % 3 == 0;
            if (there)
                memcpy(torn + at, kept + at, SECTOR);
        }
        assert_true(recovers_exactly(&written.memory, written.sequence[2], false, "a torn block", 0));
        for (uint32_t at = (uint32_t)(fixture_random(&seed) % STEP); at < used; at += STEP) {
            uint8_t bit = (uint8_t)(1u << fixture_random(&seed) % 8);
            written.file->bytes[written.offset[1] + at] ^= bit;
            expect_refusal(&written.memory, written.sequence[2], "a flip before a torn block", at);
            written.file->bytes[written.offset[1] + at] ^= bit;
        }
        /* Nor when a sector of it is lost: what stands after it shows that it was there. (With its first sector lost
         * only the next one's header can show that.) */
        for (uint32_t at = how == 0 || how == 2 ? 0 : SECTOR; at < used; at += SECTOR) {
            uint8_t sector[SECTOR];
            uint8_t *lost = written.file->bytes + written.offset[1] + at;
            memcpy(sector, lost, SECTOR);
            memset(lost, 0, SECTOR);
            expect_refusal(&written.memory, written.sequence[2], "a lost sector before a torn block", at);
            memcpy(lost, sector, SECTOR);
        }
        memory_disk_free(&written.memory);
    }
}

/* Tears. */

struct tear {
    struct written *written;
    uint8_t *bytes; /* of the last block */
    uint8_t kept[16 * PAGE];
    uint32_t used, length;
    uint64_t recovered, cut;
};

/* The last block with only those sectors of it that there says. */
static void tear(struct tear *tear, bool (*there)(uint32_t sector, uint64_t argument), uint64_t argument, bool go_on)
{
    struct written *written = tear->written;
    uint32_t last = written->blocks - 1;
    bool whole = true;
    memset(tear->bytes, 0, tear->length);
    for (uint32_t at = 0; at < tear->length; at += SECTOR) {
        if (there(at / SECTOR, argument))
            memcpy(tear->bytes + at, tear->kept + at, SECTOR);
        else if (at < tear->used)
            whole = false;
    }
    uint64_t sequence = written->sequence[whole ? last + 1 : last];
    assert_true(recovers_exactly(&written->memory, sequence, false, "a tear", argument));
    tear->recovered += whole;
    tear->cut += !whole;
    if (go_on) {
        struct memory_disk crashed;
        memory_disk_copy(&crashed, &written->memory);
        fixture_goes_on(&crashed.disk, SALT, sequence);
        memory_disk_free(&crashed);
    }
    memcpy(tear->bytes, tear->kept, tear->length);
}

static bool first_ones(uint32_t sector, uint64_t count)
{
    return sector < count;
}

static bool last_ones(uint32_t sector, uint64_t from)
{
    return sector >= from;
}

static bool all_but(uint32_t sector, uint64_t one)
{
    return sector != one;
}

static bool every_other(uint32_t sector, uint64_t which)
{
    return sector % 2 == which;
}

/* Sectors of 512 bytes, or (an odd argument) of 4096. */
static bool by_chance(uint32_t sector, uint64_t argument)
{
    uint64_t random = argument + (argument & 1 ? sector / 8 : sector) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 3; i++)
        fixture_random(&random);
    return random % 5 < 1 + argument / 2 % 4;
}

static void every_tear_of_an_unacknowledged_block_leaves_the_acknowledged(void **state)
{
    (void)state;
    struct shape shapes[2] = {{0, 3, 0}};
    struct tear torn = {.recovered = 0};
    uint64_t seed = fixture_seed();
    for (uint32_t i = 0; shape_at(i, &shapes[1]); i += SKIP) {
        struct written written;
        write_shapes(&written, shapes, 2, 1);
        torn.written = &written;
        torn.bytes = written.file->bytes + written.offset[1];
        torn.used = header_of(&written, 1)->used;
        torn.length = header_of(&written, 1)->bytes;
        assert_true(torn.length <= sizeof torn.kept);
        memcpy(torn.kept, torn.bytes, torn.length);
        uint32_t sectors = (torn.used + SECTOR - 1) / SECTOR;
        for (uint64_t n = 0; n <= sectors; n++) {
            tear(&torn, first_ones, n, false);
            tear(&torn, last_ones, n, false);
            tear(&torn, all_but, n, false);
        }
        tear(&torn, every_other, 0, false);
        tear(&torn, every_other, 1, i % (4 * SKIP) == 0);
        for (int n = 0; n < 20; n++)
            tear(&torn, by_chance, fixture_random(&seed), n == 0 && i % (4 * SKIP) == SKIP);
        memory_disk_free(&written.memory);
    }
    print_message("# %lu torn blocks cut, %lu were whole\n", torn.cut, torn.recovered);
    assert_true(torn.cut > 1000 / SKIP && torn.recovered > 100 / SKIP);
}

/* A large block, many times. */
static void seeded_tears_of_a_large_block_leave_the_acknowledged(void **state)
{
    (void)state;
    static const struct shape shapes[] = {{0, 3, 0}, {0, 750, 1}};
    struct written written;
    struct tear torn = {.written = &written};
    uint64_t seed = fixture_seed();
    write_shapes(&written, shapes, 2, 1);
    torn.bytes = written.file->bytes + written.offset[1];
    torn.used = header_of(&written, 1)->used;
    torn.length = header_of(&written, 1)->bytes;
    assert_true(torn.length > 10 * PAGE && torn.length <= sizeof torn.kept);
    memcpy(torn.kept, torn.bytes, torn.length);
    for (uint32_t n = 0; n < 6000 / STEP; n++)
        tear(&torn, by_chance, fixture_random(&seed), n % 1000 == 0);
    assert_true(torn.cut > 100);
    memory_disk_free(&written.memory);
}

/* Failed syncs. */

/* Appends n commands as a block; false: the journal has failed. */
static bool try_block(struct pit_journal *journal, uint64_t *sequence, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct pit_command command = fixture_command(*sequence, SALT);
        *sequence += pit_journal_append(journal, &command);
    }
    pit_journal_commit(journal);
    pit_journal_disk_work(journal);
    return !pit_journal_failed(journal, NULL);
}

/* A sync fails once, and the kernel goes on showing what it could not write. The process starts again on the same
 * kernel, goes on, and then the power is lost: nothing acknowledged hangs on a block that the disk never got. */
static void a_block_that_only_the_cache_had_is_written_again_at_the_start(void **state)
{
    (void)state;
    uint64_t seed = fixture_seed();
    for (uint32_t round = 0; round < 40 / SKIP; round++) {
        struct memory_disk memory;
        struct memory_disk crashed;
        struct pit_journal_end end;
        struct pit_error error = {0};
        uint64_t sequence = 1;
        memory_disk_init(&memory, fixture_random(&seed));
        memory.cache = true;
        struct pit_journal *journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_DATA);
        assert_true(try_block(journal, &sequence, 20));
        assert_true(try_block(journal, &sequence, 100));
        memory.fail_sync_code = -EIO;
        memory.fail_sync_in = 1;
        assert_false(try_block(journal, &sequence, 1 + round * 7));
        assert_true(pit_journal_failed(journal, &error));
        assert_int_equal(error.code, -EIO);
        assert_int_equal(pit_journal_durable(journal), 120);
        assert_false(try_block(journal, &sequence, 5)); /* nothing is written after it */
        assert_int_equal(pit_journal_durable(journal), 120);
        pit_journal_close(journal);
        /* The cache shows the block as whole. */
        assert_int_equal(fixture_read(&memory.disk, DIRECTORY, SALT, &end, NULL, &error), 0);
        assert_int_equal(end.sequence, 121 + round * 7);
        sequence = end.sequence + 1;
        enum pit_journal_sync sync = round % 2 ? PIT_JOURNAL_SYNC_DATA : PIT_JOURNAL_SYNC_AUTO;
        journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, sync);
        uint64_t acknowledged = pit_journal_durable(journal);
        if (round % 4 > 1) {
            assert_true(try_block(journal, &sequence, 50));
            acknowledged = pit_journal_durable(journal);
            assert_int_equal(acknowledged, sequence - 1);
        }
        memory_disk_crash(&crashed, &memory);
        pit_journal_close(journal);
        memory_disk_free(&memory);
        assert_true(recovers_exactly(&crashed, acknowledged, false, "power lost after a failed sync", round));
        fixture_goes_on(&crashed.disk, SALT, acknowledged);
        memory_disk_free(&crashed);
    }
}

/* A start cuts a torn block and its sync fails: the disk has the torn block, the cache zeros. The next start reads
 * zeros and nevertheless writes them, or after a power cut the remains would stand behind what it acknowledged. */
static void a_cut_that_only_the_cache_had_is_made_again_at_the_start(void **state)
{
    (void)state;
    uint32_t refused = 0;
    for (uint64_t k = 1; k < 6; k++) {
        struct memory_disk memory;
        struct memory_disk crashed;
        struct pit_journal_options options = {
            .directory = DIRECTORY, .segment_bytes = SEGMENT_BYTES, .sync = PIT_JOURNAL_SYNC_DATA};
        struct pit_journal_end end;
        struct pit_error error = {0};
        uint64_t sequence = 1;
        memory_disk_init(&memory, k);
        memory.cache = true;
        struct pit_journal *journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_DATA);
        assert_true(try_block(journal, &sequence, 20));
        pit_journal_close(journal);
        assert_int_equal(fixture_read(&memory.disk, DIRECTORY, SALT, &end, NULL, &error), 0);
        struct memory_file *file = memory_disk_file(&memory, FIRST);
        memset(file->bytes + end.offset + SECTOR, 0x55, 5 * PAGE);
        memset(file->medium + end.offset + SECTOR, 0x55, 5 * PAGE);
        assert_int_equal(fixture_read(&memory.disk, DIRECTORY, SALT, &end, NULL, &error), 0);
        assert_true(end.torn_bytes > 0);
        memory.fail_sync_code = -EIO;
        memory.fail_sync_in = k;
        if (pit_journal_open(&journal, &memory.disk, &options, &end, &error) == 0)
            pit_journal_close(journal);
        else
            refused++;
        memory.fail_sync_code = 0;
        journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_DATA);
        assert_true(try_block(journal, &sequence, 10));
        memory_disk_crash(&crashed, &memory);
        pit_journal_close(journal);
        memory_disk_free(&memory);
        assert_true(recovers_exactly(&crashed, sequence - 1, false, "power lost after a failed cut", k));
        memory_disk_free(&crashed);
    }
    assert_true(refused >= 3);
}

/* The same with the k-th sync of a run, whatever it is for: blocks, zeros, headers, the cut at a start. Before it there
 * was a torn block, so the first start has something to cut. Returns false when no sync failed. */
static bool a_sync_fails(uint64_t k, uint64_t seed)
{
    struct memory_disk memory;
    struct memory_disk crashed;
    struct pit_journal_options options = {
        .directory = DIRECTORY, .segment_bytes = SEGMENT_BYTES, .sync = PIT_JOURNAL_SYNC_DATA};
    struct pit_journal_end end;
    struct pit_error error = {0};
    uint64_t sequence = 1;
    memory_disk_init(&crashed, seed);
    crashed.cache = true;
    struct pit_journal *journal = fixture_open(&crashed.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_DATA);
    assert_true(try_block(journal, &sequence, 20));
    uint64_t acknowledged = pit_journal_durable(journal);
    crashed.fail_write_in = 1;
    crashed.fail_write_code = -EIO;
    crashed.torn = true;
    try_block(journal, &sequence, 300);
    memory_disk_crash(&memory, &crashed);
    pit_journal_close(journal);
    memory_disk_free(&crashed);
    memory.cache = true;
    memory.fail_sync_code = -EIO;
    memory.fail_sync_in = k;
    uint64_t starts = 2 + fixture_random(&seed) % 3;
    for (uint64_t start = 0; start < starts; start++) {
        if (fixture_read(&memory.disk, DIRECTORY, SALT, &end, NULL, &error) < 0)
            fail_msg("sync %lu failed: start %lu: %s", k, start, error.text);
        assert_true(end.sequence >= acknowledged);
        if (pit_journal_open(&journal, &memory.disk, &options, &end, &error) < 0)
            continue; /* the next start tries again */
        acknowledged = pit_journal_durable(journal);
        sequence = acknowledged + 1;
        /* Early on small ones only: what was cut reaches beyond them. */
        uint64_t blocks = k < 6 ? 1 : 1 + fixture_random(&seed) % 5;
        for (uint64_t i = 0; i < blocks && try_block(journal, &sequence, i ? 12000 : 10); i++)
            pit_journal_prepare_work(journal);
        acknowledged = pit_journal_durable(journal);
        pit_journal_close(journal);
    }
    bool failed = memory.fail_sync_code == 0;
    memory_disk_crash(&crashed, &memory);
    memory_disk_free(&memory);
    if (fixture_read(&crashed.disk, DIRECTORY, SALT, &end, NULL, &error) < 0)
        fail_msg("sync %lu failed, then power: %s", k, error.text);
    if (end.sequence < acknowledged)
        fail_msg("sync %lu failed: %lu was acknowledged, %lu is recovered", k, acknowledged, end.sequence);
    fixture_goes_on(&crashed.disk, SALT, end.sequence);
    memory_disk_free(&crashed);
    return failed;
}

static void a_sync_that_fails_once_anywhere_loses_nothing_acknowledged(void **state)
{
    (void)state;
    uint64_t seed = fixture_seed();
    uint64_t failed = 0;
    for (uint64_t i = 0; i < (SKIP > 1 ? 5 : 20); i++) /* of the first start */
        failed += a_sync_fails(1 + i % 5, fixture_random(&seed));
    for (uint64_t k = 6; k < 30; k += SKIP)
        failed += a_sync_fails(k, fixture_random(&seed));
    assert_true(failed >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_byte_of_two_segments_is_detected_or_harmless),
        cmocka_unit_test(damage_of_the_last_block_is_never_taken_for_an_unfinished_write),
        cmocka_unit_test(damage_before_a_torn_block_is_told),
        cmocka_unit_test(every_tear_of_an_unacknowledged_block_leaves_the_acknowledged),
        cmocka_unit_test(seeded_tears_of_a_large_block_leave_the_acknowledged),
        cmocka_unit_test(a_block_that_only_the_cache_had_is_written_again_at_the_start),
        cmocka_unit_test(a_cut_that_only_the_cache_had_is_made_again_at_the_start),
        cmocka_unit_test(a_sync_that_fails_once_anywhere_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests_name("recovery contract", tests, NULL, NULL);
}
