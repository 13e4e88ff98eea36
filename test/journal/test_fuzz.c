/* Random mutations of a valid journal: the reader never crashes, and never returns a command that was not written. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "memory_disk.h"

#define SALT 6
#define ROUNDS (STEP == 1 ? 600 : 80)
#define RESEALED_ROUNDS (STEP == 1 ? 1500u : 400u)
#define PAGE PIT_JOURNAL_PAGE_BYTES
#define KEPT_BYTES (150u * PAGE) /* of the second segment, so that a round is quick */

static struct memory_file *segments[2]; /* of the base */

/* Two segments: the first is full of large blocks, the second begins with small ones of all shapes. */
static void write_base(struct memory_disk *memory)
{
    struct pit_digest digest = {.events = 1, .events_count = 2, .state = 3, .orders = 4};
    uint64_t sequence = 1;
    memory_disk_init(memory, 21);
    struct pit_journal *journal = fixture_open(&memory->disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    while (pit_journal_statistics(journal).bytes + (300u << 10) < SEGMENT_BYTES)
        fixture_block(journal, &sequence, 3000, SALT);
    for (uint32_t i = 0; i < 20; i++) {
        if (i % 3 == 0)
            assert_true(pit_journal_append_digest(journal, sequence - 1, &digest, i % 2));
        fixture_block(journal, &sequence, i == 0 ? 4500 : 1 + i * 17 % 90, SALT);
    }
    pit_journal_close(journal);
    for (int i = 0, found = 0; i < MEMORY_FILES_MAX && found < 2; i++)
        if (memory->files[i].exists && strstr(memory->files[i].path, ".journal"))
            segments[found++] = &memory->files[i];
    assert_non_null(segments[1]);
    segments[1]->size = KEPT_BYTES;
}

static uint64_t header_field(uint64_t *seed)
{
    return fixture_random(seed) % 24 * 8;
}

/* Some byte that matters more often than by chance: headers of segment, blocks and records. */
static uint64_t place(uint64_t *seed, uint64_t size)
{
    uint64_t page = fixture_random(seed) % (size / PAGE);
    switch (fixture_random(seed) % 4) {
    case 0:
        return header_field(seed);
    case 1:
        return page * PAGE + header_field(seed);
    default:
        return fixture_random(seed) % size;
    }
}

static void mutate(struct memory_file *file, uint64_t *seed)
{
    static const uint64_t values[] = {0,        1,          63,        64, 4095, 4096, 1u << 20, (1u << 20) + 1,
                                      1u << 31, UINT32_MAX, UINT64_MAX};
    if (file->size < 2 * PAGE)
        return;
    uint64_t at = place(seed, file->size);
    uint64_t count = fixture_random(seed) % (2 * PAGE);
    uint64_t from = fixture_random(seed) % (file->size / PAGE) * PAGE;
    count = at + count > file->size ? file->size - at : count;
    switch (fixture_random(seed) % 8) {
    case 0:
    case 1:
        file->bytes[at] ^= (uint8_t)(1u << (fixture_random(seed) % 8));
        break;
    case 2:
        file->bytes[at] = (uint8_t)fixture_random(seed);
        break;
    case 3:
        memset(file->bytes + at, 0, count);
        break;
    case 4:
        for (uint64_t i = 0; i < count; i++)
            file->bytes[at + i] = (uint8_t)fixture_random(seed);
        break;
    case 5:
        memmove(file->bytes + at / PAGE * PAGE, file->bytes + from, PAGE);
        break;
    case 6:
        file->size = at;
        break;
    default:
        if (at + 8 <= file->size)
            memcpy(file->bytes + at, &values[fixture_random(seed) % (sizeof values / sizeof *values)],
                   fixture_random(seed) % 2 ? 8 : 4);
    }
}

/* The second segment mostly: it holds most of the headers. */
static struct memory_file *some_segment(struct memory_disk *memory, uint64_t *seed)
{
    return memory_disk_file(memory, segments[fixture_random(seed) % 4 ? 1 : 0]->path);
}

static void mutated_journals_never_return_what_was_not_written(void **state)
{
    (void)state;
    static struct memory_disk base;
    static struct memory_disk memory;
    uint64_t seed = fixture_seed();
    uint64_t told = 0;
    write_base(&base);
    for (int round = 0; round < ROUNDS; round++) {
        struct pit_journal_end end;
        struct pit_error error = {0};
        memory_disk_copy(&memory, &base);
        for (uint64_t n = fixture_random(&seed) % 4 + 1; n > 0; n--)
            mutate(some_segment(&memory, &seed), &seed);
        int result = fixture_read(&memory.disk, DIRECTORY, SALT, &end, NULL, &error); /* checks every command */
        assert_true(result == 0 || result == -EBADMSG || result == -ENOTSUP);
        assert_true(result == 0 || strstr(error.text, ".journal") != NULL);
        told += result < 0;
        memory_disk_free(&memory);
    }
    assert_true(told > ROUNDS / 4);
    memory_disk_free(&base);
}

/* Mutations with their checksums and chain made right again: whatever the headers claim, the reader stays within
 * bounds. (The sanitizers look on; the sum makes every byte of every command be read.) */
static void reseal(struct memory_file *file)
{
    struct pit_journal_segment_header header;
    uint32_t previous = 0;
    if (file->size < PAGE)
        return;
    memcpy(&header, file->bytes, sizeof header);
    pit_journal_segment_seal(file->bytes, &header);
    for (uint64_t at = PAGE; at + PAGE <= file->size;) {
        struct pit_journal_block_header *block = (struct pit_journal_block_header *)(file->bytes + at);
        uint32_t bytes = block->bytes;
        if (block->magic != PIT_JOURNAL_BLOCK_MAGIC || bytes < PAGE || bytes % PAGE || bytes > file->size - at)
            return;
        block->previous_crc = previous;
        block->crc = pit_journal_crc_without(block, bytes, offsetof(struct pit_journal_block_header, crc));
        previous = block->crc;
        at += bytes;
    }
}

static void write_small(struct memory_disk *memory)
{
    struct pit_digest digest = {.events = 1, .events_count = 2, .state = 3, .orders = 4};
    uint64_t sequence = 1;
    memory_disk_init(memory, 22);
    struct pit_journal *journal = fixture_open(&memory->disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    for (uint32_t i = 0; i < 12; i++) {
        if (i % 3 == 0)
            assert_true(pit_journal_append_digest(journal, sequence - 1, &digest, i % 2));
        fixture_block(journal, &sequence, 1 + i * 17 % 90, SALT);
    }
    uint64_t bytes = pit_journal_statistics(journal).bytes;
    pit_journal_close(journal);
    segments[0] = memory_disk_file(memory, DIRECTORY "/00000000000000000001.journal");
    segments[0]->size = PAGE + bytes + PAGE;
}

static void resealed_mutations_stay_in_bounds(void **state)
{
    (void)state;
    static struct memory_disk base;
    static struct memory_disk memory;
    uint64_t seed = fixture_seed();
    uint64_t sum = 0;
    uint64_t records = 0;
    write_small(&base);
    for (uint32_t round = 0; round < RESEALED_ROUNDS; round++) {
        struct pit_journal_reader *reader;
        struct pit_journal_record record;
        struct pit_error error = {0};
        memory_disk_copy(&memory, &base);
        struct memory_file *file = memory_disk_file(&memory, segments[0]->path);
        for (uint64_t n = fixture_random(&seed) % 3 + 1; n > 0; n--)
            mutate(file, &seed);
        reseal(file);
        assert_int_equal(pit_journal_reader_open(&reader, &memory.disk, DIRECTORY, &error), 0);
        while (pit_journal_reader_next(reader, &record, &error) == 1) {
            const struct pit_command *command;
            uint32_t at = 0;
            records++;
            while ((command = pit_journal_record_command(&record, &at)))
                sum += pit_journal_crc(command, pit_command_bytes(command));
        }
        pit_journal_reader_close(reader);
        memory_disk_free(&memory);
    }
    assert_true(records > RESEALED_ROUNDS);
    print_message("# %lu records, sum %lu\n", records, sum);
    memory_disk_free(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutated_journals_never_return_what_was_not_written),
        cmocka_unit_test(resealed_mutations_stay_in_bounds),
    };
    return cmocka_run_group_tests_name("journal fuzz", tests, NULL, NULL);
}
