/* Reading that begins in the midst of a journal: with the segment of a block, and what is before it need not be there.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/block.h"
#include "memory_disk.h"

#define SALT 5
#define SEGMENTS_MIN 4

static struct memory_disk disk;
static uint64_t blocks_last, sequence_last;
static uint64_t first_blocks[16], first_sequences[16]; /* by segment */
static uint32_t segments;

static int make(void **state)
{
    (void)state;
    memory_disk_init(&disk, 3);
    struct pit_journal *journal = fixture_open(&disk.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    uint64_t sequence = 1;
    while (sequence < 200000)
        fixture_block(journal, &sequence, 5000, SALT);
    pit_journal_close(journal);
    struct pit_journal_end end;
    struct pit_error error;
    assert_int_equal(fixture_read(&disk.disk, DIRECTORY, SALT, &end, NULL, &error), 0);
    blocks_last = end.blocks;
    sequence_last = end.sequence;
    for (uint64_t block = 1; block <= blocks_last; block++) {
        char name[PIT_JOURNAL_NAME_BYTES], path[64];
        pit_journal_segment_name(name, block);
        snprintf(path, sizeof path, DIRECTORY "/%s", name);
        const struct memory_file *file = memory_disk_file(&disk, path);
        if (!file || !file->exists)
            continue;
        struct pit_journal_segment_header header;
        memcpy(&header, file->bytes, sizeof header);
        first_blocks[segments] = block;
        first_sequences[segments++] = header.first_sequence;
    }
    assert_true(segments >= SEGMENTS_MIN);
    return 0;
}

static int end(void **state)
{
    (void)state;
    memory_disk_free(&disk);
    return 0;
}

static struct memory_file *segment_file(uint32_t segment)
{
    char name[PIT_JOURNAL_NAME_BYTES], path[64];
    pit_journal_segment_name(name, first_blocks[segment]);
    snprintf(path, sizeof path, DIRECTORY "/%s", name);
    return memory_disk_file(&disk, path);
}

static uint32_t segment_of(uint64_t block)
{
    uint32_t segment = 0;
    while (segment + 1 < segments && first_blocks[segment + 1] <= block)
        segment++;
    return segment;
}

/* Reads to the end from block on; expects to begin with a segment. Returns what next returned last. */
static int read_from(uint64_t block, uint32_t segment, struct pit_error *error)
{
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    uint64_t sequence = first_sequences[segment], number = 0;
    int code = pit_journal_reader_open_at(&reader, &disk.disk, DIRECTORY, block, error);
    if (code)
        return code;
    while ((code = pit_journal_reader_next(reader, &record, error)) == 1) {
        const struct pit_command *command;
        uint32_t at = 0;
        if (number == 0)
            assert_int_equal(record.block, first_blocks[segment]);
        number = record.block;
        while ((command = pit_journal_record_command(&record, &at))) {
            struct pit_command expected = fixture_command(sequence++, SALT);
            assert_memory_equal(command, &expected, pit_command_bytes(&expected));
        }
    }
    if (code == 0) {
        const struct pit_journal_end found = pit_journal_reader_end(reader);
        uint64_t first_block, first_sequence;
        pit_journal_reader_beginning(reader, &first_block, &first_sequence);
        assert_int_equal(first_block, first_blocks[segment]);
        assert_int_equal(first_sequence, first_sequences[segment]);
        assert_int_equal(found.sequence, sequence_last);
        assert_int_equal(sequence, sequence_last + 1);
        assert_int_equal(found.blocks, blocks_last);
        uint64_t done, total;
        pit_journal_reader_progress(reader, &done, &total);
        assert_int_equal(done, total);
    }
    pit_journal_reader_close(reader);
    return code;
}

static void reading_begins_with_the_segment_of_the_block(void **state)
{
    (void)state;
    struct pit_error error = {0};
    for (uint64_t block = 1; block <= blocks_last + 3; block++)
        if (read_from(block, segment_of(block), &error))
            fail_msg("block %lu: %s", block, error.text);
    assert_int_equal(read_from(PIT_JOURNAL_FROM_THERE, 0, &error), 0);
}

static void what_is_before_it_may_be_damaged_or_gone(void **state)
{
    (void)state;
    struct pit_error error = {0};
    struct memory_file *first = segment_file(0);
    first->bytes[9000] ^= 1;
    assert_int_equal(read_from(first_blocks[1], 1, &error), 0);
    assert_int_equal(read_from(first_blocks[1] - 1, 0, &error), -EBADMSG);
    first->bytes[9000] ^= 1;
    first->exists = false;
    assert_int_equal(read_from(first_blocks[1], 1, &error), 0);
    assert_int_equal(read_from(PIT_JOURNAL_FROM_THERE, 1, &error), 0);
    assert_int_equal(read_from(first_blocks[1] - 1, 0, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "the first segment, 00000000000000000001.journal, is missing"));
    first->exists = true;
}

static void damage_from_there_on_is_found(void **state)
{
    (void)state;
    struct pit_error error = {0};
    struct memory_file *third = segment_file(2);
    for (size_t at = 0; at < PIT_JOURNAL_PAGE_BYTES + 64; at += 89 + STEP) {
        third->bytes[at] ^= 0x10; /* of the header: reading begins with the segment before */
        assert_int_equal(read_from(first_blocks[2] + 1, at < PIT_JOURNAL_PAGE_BYTES ? 1 : 2, &error), -EBADMSG);
        third->bytes[at] ^= 0x10;
    }
    third->exists = false;
    assert_int_equal(read_from(first_blocks[2], 1, &error), -EBADMSG);
    assert_int_equal(read_from(first_blocks[3], 3, &error), 0);
    third->exists = true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_begins_with_the_segment_of_the_block),
        cmocka_unit_test(what_is_before_it_may_be_damaged_or_gone),
        cmocka_unit_test(damage_from_there_on_is_found),
    };
    return cmocka_run_group_tests_name("open at", tests, make, end);
}
