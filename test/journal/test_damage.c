/* Torn tails are cut, damage is told, and what was durable is never lost: on a disk in memory. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "memory_disk.h"

#define SALT 5
#define FIRST DIRECTORY "/00000000000000000001.journal"
#define PAGE PIT_JOURNAL_PAGE_BYTES
#define BLOCKS_MAX 64

/* A journal written block by block, and where each block stands. */
struct written {
    struct memory_disk memory;
    uint64_t sequence[BLOCKS_MAX]; /* last one of each block; [0] = 0 */
    uint64_t offset[BLOCKS_MAX];   /* where block i + 1 starts in the first segment */
    uint32_t blocks;
};

static void write_blocks(struct written *written, const uint32_t *commands, uint32_t blocks)
{
    memset(written, 0, sizeof *written);
    memory_disk_init(&written->memory, 77);
    struct pit_journal *journal = fixture_open(&written->memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    uint64_t sequence = 1;
    written->offset[0] = PAGE;
    for (uint32_t i = 0; i < blocks; i++) {
        uint64_t before = pit_journal_statistics(journal).bytes;
        fixture_block(journal, &sequence, commands[i], SALT);
        written->sequence[i + 1] = sequence - 1;
        written->offset[i + 1] = written->offset[i] + pit_journal_statistics(journal).bytes - before;
    }
    written->blocks = blocks;
    pit_journal_close(journal);
}

static struct memory_file *first_file(struct memory_disk *memory)
{
    struct memory_file *file = memory_disk_file(memory, FIRST);
    assert_non_null(file);
    return file;
}

static uint64_t read_sequence(struct memory_disk *memory, struct pit_journal_end *end)
{
    struct pit_error error = {0};
    int result = fixture_read(&memory->disk, DIRECTORY, SALT, end, NULL, &error);
    if (result < 0)
        fail_msg("%s", error.text);
    return end->sequence;
}

static void expect_damage(struct memory_disk *memory, int code, const char *says)
{
    struct pit_journal_end end;
    struct pit_error error = {0};
    assert_int_equal(fixture_read(&memory->disk, DIRECTORY, SALT, &end, NULL, &error), code);
    if (!strstr(error.text, says))
        fail_msg("expected \"%s\" in: %s", says, error.text);
}

static const uint32_t small[] = {40, 20, 90, 30}; /* the third has two pages */

/* The offset behind the last byte of block i + 1 that is not zero. */
static uint64_t filled_to(const struct written *written, const struct memory_file *file, uint32_t i)
{
    uint64_t at = written->offset[i + 1];
    while (file->bytes[at - 1] == 0)
        at--;
    return at;
}

static void every_truncation_of_the_last_two_blocks_recovers_to_a_prefix(void **state)
{
    (void)state;
    struct written written;
    struct pit_journal_end end;
    write_blocks(&written, small, 4);
    struct memory_file *file = first_file(&written.memory);
    uint64_t whole3 = filled_to(&written, file, 2);
    uint64_t whole4 = filled_to(&written, file, 3);
    for (uint64_t cut = written.offset[4]; cut >= written.offset[2]; cut -= STEP) {
        file->size = cut;
        uint32_t whole = cut >= whole4 ? 4 : cut >= whole3 ? 3 : 2;
        assert_int_equal(read_sequence(&written.memory, &end), written.sequence[whole]);
        assert_int_equal(end.offset, written.offset[whole]);
        assert_int_equal(end.block_offset, written.offset[whole - 1]);
        assert_int_equal(end.blocks, whole);
        assert_int_equal(end.missing_bytes, SEGMENT_BYTES - cut);
        if (cut % 1024 < STEP) {
            struct memory_disk crashed;
            memory_disk_copy(&crashed, &written.memory);
            fixture_goes_on(&crashed.disk, SALT, written.sequence[whole]);
            memory_disk_free(&crashed);
        }
    }
    memory_disk_free(&written.memory);
}

/* From any sector on: an unfinished write. From anywhere else: that, or damage, for no disk writes half a sector. */
static void every_unwritten_end_of_the_last_two_blocks_recovers_to_a_prefix(void **state)
{
    (void)state;
    struct written written;
    struct pit_journal_end end;
    struct pit_error error;
    write_blocks(&written, small, 4);
    struct memory_file *file = first_file(&written.memory);
    memory_file_resize(file, written.offset[4] + 2 * PAGE); /* the rest is zeros: quicker without */
    bool changed3 = false;
    bool changed4 = false;
    uint32_t refused = 0;
    for (uint64_t from = written.offset[4] - 1; from >= written.offset[2]; from--) {
        bool changes = file->bytes[from] != 0;
        file->bytes[from] = 0;
        changed4 |= changes && from >= written.offset[3];
        changed3 |= changes && from < written.offset[3];
        if (from % STEP && from % MEMORY_SECTOR_BYTES)
            continue;
        uint32_t whole = changed3 ? 2 : changed4 ? 3 : 4;
        int result = fixture_read(&written.memory.disk, DIRECTORY, SALT, &end, NULL, &error);
        refused += result < 0;
        if (result < 0 && from % MEMORY_SECTOR_BYTES == 0)
            fail_msg("%s", error.text);
        if (result < 0) {
            assert_int_equal(result, -EBADMSG);
            continue;
        }
        assert_int_equal(end.sequence, written.sequence[whole]);
        assert_int_equal(end.offset, written.offset[whole]);
        if (!changed3 && changed4)
            assert_int_equal(end.torn_bytes > 0, from > written.offset[3]);
    }
    assert_true(changed3 && changed4 && refused > 0);
    memory_disk_free(&written.memory);
}

static void every_choice_of_pages_of_the_last_block_recovers_to_a_prefix(void **state)
{
    (void)state;
    static const uint32_t commands[] = {40, 500};
    struct written written;
    struct pit_journal_end end;
    write_blocks(&written, commands, 2);
    uint64_t from = written.offset[1];
    uint32_t pages = (uint32_t)((written.offset[2] - from) / PAGE);
    assert_true(pages >= 8 && pages <= 10);
    for (uint32_t choice = 0; choice < (1u << pages); choice += choice + STEP < (1u << pages) ? STEP : 1) {
        struct memory_disk crashed;
        bool last = choice == (1u << pages) - 1;
        first_file(&written.memory)->size = written.offset[2];
        memory_disk_copy(&crashed, &written.memory);
        uint8_t *bytes = first_file(&crashed)->bytes;
        for (uint32_t page = 0; page < pages; page++)
            if (!(choice & (1u << page)))
                memset(bytes + from + page * PAGE, 0, PAGE);
        assert_int_equal(read_sequence(&crashed, &end), written.sequence[last ? 2 : 1]);
        if (choice % 97 < STEP)
            fixture_goes_on(&crashed.disk, SALT, written.sequence[last ? 2 : 1]);
        memory_disk_free(&crashed);
    }
    memory_disk_free(&written.memory);
}

/* One bit of each byte, every bit of the headers. */
static void every_flipped_byte_is_detected(void **state)
{
    (void)state;
    struct written written;
    write_blocks(&written, small, 4);
    struct memory_file *file = first_file(&written.memory);
    file->size = written.offset[4];
    for (uint64_t at = 0; at < file->size; at += STEP) {
        bool in_header = at < 128;
        for (uint32_t i = 0; i < 4; i++)
            in_header |= at >= written.offset[i] && at < written.offset[i] + 192;
        for (uint32_t bit = 0; bit < 8; bit++) {
            if (!in_header && bit != at * 7 % 8)
                continue;
            file->bytes[at] ^= (uint8_t)(1u << bit);
            expect_damage(&written.memory, -EBADMSG, FIRST);
            file->bytes[at] ^= (uint8_t)(1u << bit);
        }
    }
    memory_disk_free(&written.memory);
}

static void a_byte_in_the_zeros_is_cut_near_the_end_and_damage_far_from_it(void **state)
{
    (void)state;
    struct written written;
    struct pit_journal_end end;
    write_blocks(&written, small, 4);
    struct memory_file *file = first_file(&written.memory);
    for (uint64_t at = written.offset[4]; at < SEGMENT_BYTES; at += 65537) {
        file->bytes[at] = 1;
        if (at < written.offset[4] + MEMORY_SECTOR_BYTES) {
            expect_damage(&written.memory, -EBADMSG, "not the beginning of that block");
        } else if (at < written.offset[4] + PIT_JOURNAL_BLOCK_BYTES_MAX) {
            assert_int_equal(read_sequence(&written.memory, &end), written.sequence[4]);
            assert_int_equal(end.torn_bytes, at + 1 - written.offset[4]);
        } else {
            expect_damage(&written.memory, -EBADMSG, "more than an unfinished write leaves");
        }
        file->bytes[at] = 0;
    }
    memory_disk_free(&written.memory);
}

static void damage_says_where_and_what_to_do_and_that_works(void **state)
{
    (void)state;
    struct written written;
    struct pit_error error = {0};
    struct pit_journal_end end;
    char expected[128];
    write_blocks(&written, small, 4);
    struct memory_file *file = first_file(&written.memory);
    file->bytes[written.offset[1] + 777] ^= 4;
    assert_int_equal(fixture_read(&written.memory.disk, DIRECTORY, SALT, &end, NULL, &error), -EBADMSG);
    snprintf(expected, sizeof expected, "%s, offset %lu: a block's checksum is wrong (block 2", FIRST,
             written.offset[1]);
    assert_non_null(strstr(error.text, expected));
    assert_non_null(strstr(error.text, "Restore this file from a copy or from a replica"));
    snprintf(expected, sizeof expected,
             "after sequence %lu: keep a copy of the directory, cut this file (truncate -s %lu)", written.sequence[1],
             written.offset[1]);
    assert_non_null(strstr(error.text, expected));
    file->size = written.offset[1]; /* truncate -s */
    assert_int_equal(read_sequence(&written.memory, &end), written.sequence[1]);
    fixture_goes_on(&written.memory.disk, SALT, written.sequence[1]);
    memory_disk_free(&written.memory);
}

/* Several segments: fills until segments exist; returns the last sequence. */
static uint64_t write_segments(struct memory_disk *memory, uint32_t segments)
{
    struct pit_journal *journal = fixture_open(&memory->disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    struct pit_journal_end end;
    uint64_t sequence = 1;
    do {
        for (int i = 0; i < 5; i++) {
            fixture_block(journal, &sequence, 7000, SALT);
            while (pit_journal_prepare_work(journal))
                ;
        }
        read_sequence(memory, &end);
    } while (end.segments < segments);
    pit_journal_close(journal);
    return sequence - 1;
}

/* The path of segment place (0 ..) in order. */
static struct memory_file *segment_file(struct memory_disk *memory, uint32_t place)
{
    uint64_t after = 0;
    struct memory_file *found = NULL;
    for (uint32_t i = 0; i <= place; i++) {
        uint64_t best = UINT64_MAX;
        for (int f = 0; f < MEMORY_FILES_MAX; f++) {
            uint64_t number =
                memory->files[f].exists ? pit_journal_segment_number(memory->files[f].path + strlen(DIRECTORY) + 1) : 0;
            if (number > after && number < best) {
                best = number;
                found = &memory->files[f];
            }
        }
        after = best;
    }
    assert_non_null(found);
    return found;
}

static void missing_segments_are_damage(void **state)
{
    (void)state;
    struct memory_disk memory;
    struct pit_journal_end end;
    memory_disk_init(&memory, 3);
    uint64_t last = write_segments(&memory, 4);
    struct memory_file *middle = segment_file(&memory, 1);
    struct memory_file *third = segment_file(&memory, 2);
    struct memory_file *fourth = segment_file(&memory, 3);
    middle->exists = false;
    expect_damage(&memory, -EBADMSG, third->path + strlen(DIRECTORY) + 1);
    expect_damage(&memory, -EBADMSG, "Restore this file, or the missing one,");
    middle->exists = true;
    assert_int_equal(read_sequence(&memory, &end), last);
    struct memory_file *first = segment_file(&memory, 0);
    first->exists = false;
    expect_damage(&memory, -EBADMSG, "the first segment, 00000000000000000001.journal, is missing");
    first->exists = true;
    /* A lost end cannot be told from a journal that was shorter. */
    fourth->exists = false;
    assert_true(read_sequence(&memory, &end) < last);
    memory_disk_free(&memory);
}

static void damage_before_the_last_segment_is_told(void **state)
{
    (void)state;
    struct memory_disk memory;
    struct pit_journal_end end;
    uint64_t seed = fixture_seed();
    memory_disk_init(&memory, 3);
    uint64_t last = write_segments(&memory, 3);
    struct memory_file *file = segment_file(&memory, 1);
    for (int i = 0; i < 40; i++) {
        uint64_t at = fixture_random(&seed) % (SEGMENT_BYTES - PIT_JOURNAL_BLOCK_BYTES_MAX);
        file->bytes[at] ^= 0x20;
        expect_damage(&memory, -EBADMSG, file->path);
        file->bytes[at] ^= 0x20;
    }
    /* The unused end of a segment that is not the last carries nothing. */
    file->bytes[SEGMENT_BYTES - 1] = 1;
    assert_int_equal(read_sequence(&memory, &end), last);
    /* A segment cut short lacks its last blocks. */
    file->size = SEGMENT_BYTES / 2;
    expect_damage(&memory, -EBADMSG, file->path);
    memory_disk_free(&memory);
}

static void foreign_segments_are_refused(void **state)
{
    (void)state;
    struct memory_disk memory;
    struct memory_disk other;
    memory_disk_init(&memory, 3);
    memory_disk_init(&other, 4);
    write_segments(&memory, 3);
    write_segments(&other, 3);
    struct memory_file *here = segment_file(&memory, 1);
    struct memory_file *there = segment_file(&other, 1);
    assert_string_equal(here->path, there->path);
    memcpy(here->bytes, there->bytes, SEGMENT_BYTES);
    expect_damage(&memory, -EBADMSG, "the segment belongs to another journal");
    memory_disk_free(&memory);
    memory_disk_free(&other);
}

static void a_segment_that_lies_about_its_place_is_damage(void **state)
{
    (void)state;
    static const char *const says[] = {"chain of checksums", "first sequence does not follow", "another number"};
    for (int lie = 0; lie < 3; lie++) {
        struct memory_disk memory;
        struct pit_journal_segment_header header;
        memory_disk_init(&memory, 3);
        write_segments(&memory, 3);
        uint8_t *bytes = segment_file(&memory, 1)->bytes;
        memcpy(&header, bytes, sizeof header);
        header.previous_crc += lie == 0;
        header.first_sequence += lie == 1;
        header.first_block += lie == 2;
        header.crc = 0;
        pit_journal_segment_seal(bytes, &header);
        expect_damage(&memory, -EBADMSG, says[lie]);
        memory_disk_free(&memory);
    }
}

static void another_version_is_named(void **state)
{
    (void)state;
    struct written written;
    struct pit_journal_segment_header header;
    write_blocks(&written, small, 4);
    uint8_t *bytes = first_file(&written.memory)->bytes;
    memcpy(&header, bytes, sizeof header);
    header.version = 2;
    header.crc = 0;
    pit_journal_segment_seal(bytes, &header);
    expect_damage(&written.memory, -ENOTSUP, "is written in version 2 of the journal's format");
    memory_disk_free(&written.memory);
}

static void a_block_that_lies_about_its_place_is_damage(void **state)
{
    (void)state;
    struct written written;
    write_blocks(&written, small, 4);
    struct memory_file *file = first_file(&written.memory);
    /* The third block written over the second one's place: whole, but not the one expected. */
    memmove(file->bytes + written.offset[1], file->bytes + written.offset[2], written.offset[3] - written.offset[2]);
    expect_damage(&written.memory, -EBADMSG, "a block's number does not follow");
    /* The last block lost, an old one found where it should be: nothing but damage leaves a whole block after the end.
     */
    struct written again;
    write_blocks(&again, small, 4);
    file = first_file(&again.memory);
    memset(file->bytes + again.offset[3], 0, again.offset[4] - again.offset[3]);
    memcpy(file->bytes + again.offset[3], file->bytes + again.offset[0], again.offset[1] - again.offset[0]);
    expect_damage(&again.memory, -EBADMSG, "block 1 is whole at offset");
    memory_disk_free(&written.memory);
    memory_disk_free(&again.memory);
}

/* Two runs go on from the same journal, as when a copy is started by mistake: their blocks have the same numbers and
 * sequences, but do not mix. */
static void a_block_from_another_run_breaks_the_chain(void **state)
{
    (void)state;
    struct written written;
    struct memory_disk other;
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    struct pit_error error = {0};
    write_blocks(&written, small, 2);
    memory_disk_copy(&other, &written.memory);
    uint64_t sequence = written.sequence[2] + 1;
    struct pit_journal *journal = fixture_open(&other.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    fixture_block(journal, &sequence, 20, SALT + 1);
    pit_journal_close(journal);
    sequence = written.sequence[2] + 1;
    journal = fixture_open(&written.memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    fixture_block(journal, &sequence, 20, SALT);
    fixture_block(journal, &sequence, 20, SALT);
    pit_journal_close(journal);
    memcpy(first_file(&written.memory)->bytes + written.offset[2], first_file(&other)->bytes + written.offset[2], PAGE);
    assert_int_equal(pit_journal_reader_open(&reader, &written.memory.disk, DIRECTORY, &error), 0);
    int result;
    while ((result = pit_journal_reader_next(reader, &record, &error)) == 1)
        assert_true(record.block <= 3);
    assert_int_equal(result, -EBADMSG);
    assert_non_null(strstr(error.text, "the chain of checksums is broken"));
    pit_journal_reader_close(reader);
    memory_disk_free(&other);
    memory_disk_free(&written.memory);
}

static struct memory_file *add_file(struct memory_disk *memory, const char *path, size_t bytes)
{
    int file = memory->disk.open(memory, path, PIT_DISK_WRITE | PIT_DISK_CREATE);
    assert_true(file >= 0);
    memory_file_resize(&memory->files[file], bytes);
    return &memory->files[file];
}

static void a_segment_just_begun_is_cut(void **state)
{
    (void)state;
    struct written written;
    struct pit_journal_end end;
    char path[64];
    for (int how = 0; how < 3; how++) {
        write_blocks(&written, small, 4);
        snprintf(path, sizeof path, "%s/%020d.journal", DIRECTORY, 5);
        struct memory_file *file = add_file(&written.memory, path, how == 0 ? 0 : SEGMENT_BYTES);
        if (how == 2)
            memcpy(file->bytes, first_file(&written.memory)->bytes, 35); /* half a header, up to a byte that counts */
        add_file(&written.memory, DIRECTORY "/next.segment", 123456);
        assert_int_equal(read_sequence(&written.memory, &end), written.sequence[4]);
        assert_int_equal(end.torn_bytes, how == 2 ? 35 : 0);
        assert_int_equal(end.segment_first_block, 1);
        fixture_goes_on(&written.memory.disk, SALT, written.sequence[4]);
        assert_null(memory_disk_file(&written.memory, path));
        assert_null(memory_disk_file(&written.memory, DIRECTORY "/next.segment"));
        memory_disk_free(&written.memory);
    }
}

/* Only the last segment can be one just begun, and it holds no more than a header that was not finished. */
static void what_was_not_just_begun_is_not_cut(void **state)
{
    (void)state;
    struct written written;
    char path[64];
    write_blocks(&written, small, 4);
    snprintf(path, sizeof path, "%s/%020d.journal", DIRECTORY, 5);
    struct memory_file *file = add_file(&written.memory, path, SEGMENT_BYTES);
    for (uint64_t at = PAGE; at < SEGMENT_BYTES; at = at * 2 + 17) {
        file->bytes[at] = 9;
        expect_damage(&written.memory, -EBADMSG, "nothing is written before the header is");
        file->bytes[at] = 0;
    }
    snprintf(path, sizeof path, "%s/%020d.journal", DIRECTORY, 6);
    add_file(&written.memory, path, SEGMENT_BYTES);
    expect_damage(&written.memory, -EBADMSG, "other segments follow it");
    memory_disk_free(&written.memory);
}

static void a_segment_cut_short_gets_its_zeros_back(void **state)
{
    (void)state;
    struct written written;
    write_blocks(&written, small, 4);
    struct memory_file *file = first_file(&written.memory);
    file->size = written.offset[4] + 5;
    fixture_goes_on(&written.memory.disk, SALT, written.sequence[4]);
    assert_int_equal(file->size, SEGMENT_BYTES);
    memory_disk_free(&written.memory);
}

static void a_first_segment_just_begun_is_an_empty_journal(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= SEGMENT_BYTES; bytes += SEGMENT_BYTES / 2) {
        struct memory_disk memory;
        struct pit_journal_end end;
        memory_disk_init(&memory, 6);
        add_file(&memory, FIRST, bytes);
        assert_int_equal(read_sequence(&memory, &end), 0);
        assert_int_equal(end.segment_first_block, 0);
        fixture_goes_on(&memory.disk, SALT, 0);
        memory_disk_free(&memory);
    }
}

static void a_damaged_first_header_is_not_an_empty_journal(void **state)
{
    (void)state;
    struct written written;
    write_blocks(&written, small, 1);
    memset(first_file(&written.memory)->bytes, 0, PAGE);
    expect_damage(&written.memory, -EBADMSG, "block 1 is whole");
    memory_disk_free(&written.memory);
}

/* A bit of the header and one of each block: no block is whole, and all of them may have been acknowledged. */
static void a_first_segment_damaged_everywhere_is_not_an_empty_journal(void **state)
{
    (void)state;
    struct written written;
    for (uint32_t blocks = 1; blocks <= 4; blocks++) {
        write_blocks(&written, small, blocks);
        first_file(&written.memory)->bytes[1221] ^= 2;
        for (uint32_t i = 0; i < blocks; i++)
            first_file(&written.memory)->bytes[written.offset[i] + 1082] ^= 4;
        expect_damage(&written.memory, -EBADMSG, "nothing is written before the header is");
        memory_disk_free(&written.memory);
    }
}

static void an_empty_segment_is_gone_on_in(void **state)
{
    (void)state;
    struct memory_disk memory;
    struct pit_journal_end end;
    memory_disk_init(&memory, 8);
    pit_journal_close(fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO));
    assert_int_equal(read_sequence(&memory, &end), 0);
    assert_int_equal(end.segment_first_block, 1);
    assert_int_equal(end.offset, PAGE);
    fixture_goes_on(&memory.disk, SALT, 0);
    memory_disk_free(&memory);
}

static void a_segment_is_filled_to_its_last_page_and_no_further(void **state)
{
    (void)state;
    const uint32_t pages = SEGMENT_BYTES / PAGE - 1;
    for (uint32_t missing = 0; missing < 3; missing++) {
        struct memory_disk memory;
        struct pit_journal_end end;
        uint64_t sequence = 1;
        memory_disk_init(&memory, 8);
        struct pit_journal *journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
        for (uint32_t i = missing; i < pages; i++)
            fixture_block(journal, &sequence, 1, SALT);
        read_sequence(&memory, &end);
        assert_int_equal(end.segments, 1);
        assert_int_equal(end.offset, SEGMENT_BYTES - missing * PAGE);
        if (missing == 1) { /* a restart at a segment's end */
            pit_journal_close(journal);
            journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
        }
        fixture_block(journal, &sequence, 60, SALT); /* two pages */
        pit_journal_close(journal);
        assert_int_equal(read_sequence(&memory, &end), sequence - 1);
        assert_int_equal(end.segments, missing < 2 ? 2 : 1);
        assert_int_equal(end.offset, missing < 2 ? 3 * PAGE : SEGMENT_BYTES);
        fixture_goes_on(&memory.disk, SALT, sequence - 1);
        memory_disk_free(&memory);
    }
}

/* Faults of the disk. */

static void o_direct_refused_falls_back_to_fdatasync(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct memory_disk memory;
        struct pit_journal_end end;
        uint64_t sequence = 1;
        memory_disk_init(&memory, 9);
        if (how == 3) { /* a journal begun with O_DIRECT goes on without */
            struct pit_journal *before = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
            fixture_block(before, &sequence, 10, SALT);
            pit_journal_close(before);
        }
        memory.direct_refused_at_open = how == 1 || how == 3;
        memory.direct_refused_at_write = how == 2;
        struct pit_journal *journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
        assert_string_equal(pit_journal_method(journal),
                            how ? "fdatasync (the file system refuses O_DIRECT)" : "O_DIRECT|O_DSYNC");
        uint64_t syncs = memory.syncs;
        fixture_block(journal, &sequence, 100, SALT);
        assert_int_equal(memory.syncs - syncs, how ? 1 : 0);
        pit_journal_close(journal);
        assert_int_equal(read_sequence(&memory, &end), sequence - 1);
        memory_disk_free(&memory);
    }
}

static void a_failed_write_is_final(void **state)
{
    (void)state;
    struct memory_disk memory;
    struct pit_error error = {0};
    struct pit_journal_end end;
    uint64_t sequence = 1;
    memory_disk_init(&memory, 10);
    struct pit_journal *journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    fixture_block(journal, &sequence, 100, SALT);
    assert_false(pit_journal_failed(journal, &error));
    struct pit_command command = fixture_command(sequence, SALT);
    assert_true(pit_journal_append(journal, &command));
    memory.fail_write_in = 1;
    memory.fail_write_code = -EIO;
    assert_true(pit_journal_commit(journal));
    command = fixture_command(sequence + 1, SALT);
    assert_true(pit_journal_append(journal, &command));
    pit_journal_disk_work(journal);
    assert_int_equal(pit_journal_durable(journal), sequence - 1);
    assert_true(pit_journal_failed(journal, &error));
    assert_int_equal(error.code, -EIO);
    assert_non_null(strstr(error.text, DIRECTORY));
    assert_non_null(strstr(error.text, "Input/output error"));
    command = fixture_command(sequence + 2, SALT);
    assert_false(pit_journal_append(journal, &command));
    assert_false(pit_journal_append_digest(journal, 1, &(struct pit_digest){0}, false));
    assert_false(pit_journal_commit(journal));
    assert_int_equal(pit_journal_disk_work(journal), 0);
    assert_int_equal(pit_journal_durable(journal), sequence - 1);
    assert_false(pit_journal_idle(journal));
    pit_journal_close(journal);
    assert_int_equal(read_sequence(&memory, &end), sequence - 1);
    fixture_goes_on(&memory.disk, SALT, sequence - 1);
    memory_disk_free(&memory);
}

static void a_failed_sync_is_final(void **state)
{
    (void)state;
    struct memory_disk memory;
    struct pit_error error = {0};
    memory_disk_init(&memory, 11);
    struct pit_journal *journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_DATA);
    struct pit_command command = fixture_command(1, SALT);
    assert_true(pit_journal_append(journal, &command));
    assert_true(pit_journal_commit(journal));
    memory.fail_sync_code = -EIO;
    pit_journal_disk_work(journal);
    assert_true(pit_journal_failed(journal, &error));
    assert_int_equal(pit_journal_durable(journal), 0);
    pit_journal_close(journal);
    memory_disk_free(&memory);
}

static void an_unreadable_disk_is_not_an_end(void **state)
{
    (void)state;
    struct written written;
    write_blocks(&written, small, 4);
    written.memory.fail_read_code = -EIO;
    expect_damage(&written.memory, -EIO, "cannot read at offset 0: Input/output error");
    memory_disk_free(&written.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_of_the_last_two_blocks_recovers_to_a_prefix),
        cmocka_unit_test(every_unwritten_end_of_the_last_two_blocks_recovers_to_a_prefix),
        cmocka_unit_test(every_choice_of_pages_of_the_last_block_recovers_to_a_prefix),
        cmocka_unit_test(every_flipped_byte_is_detected),
        cmocka_unit_test(a_byte_in_the_zeros_is_cut_near_the_end_and_damage_far_from_it),
        cmocka_unit_test(damage_says_where_and_what_to_do_and_that_works),
        cmocka_unit_test(missing_segments_are_damage),
        cmocka_unit_test(damage_before_the_last_segment_is_told),
        cmocka_unit_test(foreign_segments_are_refused),
        cmocka_unit_test(a_segment_that_lies_about_its_place_is_damage),
        cmocka_unit_test(another_version_is_named),
        cmocka_unit_test(a_block_that_lies_about_its_place_is_damage),
        cmocka_unit_test(a_block_from_another_run_breaks_the_chain),
        cmocka_unit_test(a_segment_just_begun_is_cut),
        cmocka_unit_test(what_was_not_just_begun_is_not_cut),
        cmocka_unit_test(a_segment_cut_short_gets_its_zeros_back),
        cmocka_unit_test(a_first_segment_just_begun_is_an_empty_journal),
        cmocka_unit_test(a_damaged_first_header_is_not_an_empty_journal),
        cmocka_unit_test(a_first_segment_damaged_everywhere_is_not_an_empty_journal),
        cmocka_unit_test(an_empty_segment_is_gone_on_in),
        cmocka_unit_test(a_segment_is_filled_to_its_last_page_and_no_further),
        cmocka_unit_test(o_direct_refused_falls_back_to_fdatasync),
        cmocka_unit_test(a_failed_write_is_final),
        cmocka_unit_test(a_failed_sync_is_final),
        cmocka_unit_test(an_unreadable_disk_is_not_an_end),
    };
    return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
