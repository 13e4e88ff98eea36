#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct pit_command fixture_command(uint64_t sequence, uint64_t salt)
{
    struct pit_command command = {
        .sequence = sequence,
        .time_ns = 1000 * sequence,
        .order_id = sequence ^ salt,
        .client_id = sequence * UINT64_C(0x9e3779b97f4a7c15) + salt,
        .price = (int64_t)(sequence % 977) - 400,
        .quantity = sequence % 31 + 1,
        .account = (uint32_t)(sequence % 13 + 1),
        .symbol = (uint32_t)(sequence % 5),
        .request = (uint32_t)sequence,
        .kind = (uint8_t)(sequence % 4 + 1),
        .side = (uint8_t)(sequence & 1),
    };
    if (sequence % 7 == 3) {
        command.flags = PIT_COMMAND_WIDE;
        for (int i = 0; i < 8; i++)
            command.line1[i] = sequence * 8 + (uint64_t)i + salt;
    }
    return command;
}

int fixture_read(const struct pit_disk *disk, const char *directory, uint64_t salt, struct pit_journal_end *found,
                 uint64_t *digests, struct pit_error *error)
{
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    uint64_t sequence = 0;
    uint64_t digests_seen = 0;
    *found = (struct pit_journal_end){0};
    int result = pit_journal_reader_open(&reader, disk, directory, error);
    if (result < 0)
        return result;
    while ((result = pit_journal_reader_next(reader, &record, error)) == 1) {
        const struct pit_command *command;
        uint32_t at = 0;
        digests_seen += record.kind == PIT_JOURNAL_DIGEST;
        while ((command = pit_journal_record_command(&record, &at))) {
            struct pit_command expected = fixture_command(++sequence, salt);
            assert_int_equal((uintptr_t)command % 64, 0);
            assert_memory_equal(command, &expected, pit_command_bytes(&expected));
        }
    }
    *found = pit_journal_reader_end(reader);
    assert_int_equal(found->sequence, sequence);
    assert_int_equal(found->time_ns, 1000 * sequence);
    if (digests)
        *digests = digests_seen;
    pit_journal_reader_close(reader);
    return result;
}

struct pit_journal *fixture_open(const struct pit_disk *disk, const char *directory, uint64_t segment_bytes,
                                 enum pit_journal_sync sync)
{
    struct pit_journal_options options = {.directory = directory, .segment_bytes = segment_bytes, .sync = sync};
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    struct pit_journal_end end = {0};
    struct pit_journal *journal;
    struct pit_error error = {0};
    int result = pit_journal_reader_open(&reader, disk, directory, &error);
    if (result == 0) {
        while ((result = pit_journal_reader_next(reader, &record, &error)) == 1)
            ;
        if (result < 0)
            fail_msg("%s", error.text);
        end = pit_journal_reader_end(reader);
        pit_journal_reader_close(reader);
    } else {
        assert_int_equal(result, -ENOENT);
    }
    if (pit_journal_open(&journal, disk, &options, &end, &error) < 0)
        fail_msg("%s", error.text);
    return journal;
}

void fixture_block(struct pit_journal *journal, uint64_t *sequence, uint32_t commands, uint64_t salt)
{
    for (uint32_t i = 0; i < commands; i++) {
        struct pit_command command = fixture_command(*sequence, salt);
        assert_true(pit_journal_append(journal, &command));
        ++*sequence;
    }
    assert_true(pit_journal_commit(journal));
    assert_int_equal(pit_journal_disk_work(journal), 1);
    struct pit_error error = {0};
    if (pit_journal_failed(journal, &error))
        fail_msg("%s", error.text);
    assert_int_equal(pit_journal_durable(journal), *sequence - 1);
}

void fixture_goes_on(const struct pit_disk *disk, uint64_t salt, uint64_t from)
{
    struct pit_journal_end end;
    struct pit_error error = {0};
    struct pit_journal *journal = fixture_open(disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    uint64_t sequence = from + 1;
    fixture_block(journal, &sequence, 30, salt);
    fixture_block(journal, &sequence, 300, salt);
    pit_journal_close(journal);
    if (fixture_read(disk, DIRECTORY, salt, &end, NULL, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(end.sequence, sequence - 1);
    assert_int_equal(end.torn_bytes, 0);
}

uint64_t fixture_seed(void)
{
    const char *text = getenv("PIT_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;
    print_message("# PIT_SEED=%lu\n", seed);
    return seed | 1;
}

uint64_t fixture_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void fixture_directory_make(char path[256])
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, 256, "%s/pit-journal-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(path));
}

void fixture_directory_remove(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    char file[1024];
    if (!directory)
        return;
    while ((entry = readdir(directory))) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(file);
    }
    closedir(directory);
    rmdir(path);
}
