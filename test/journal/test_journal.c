/* The journal on a real directory: what is written is read, restarts go on, the lock holds. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/block.h"

static char directory[256];

static int set_up(void **state)
{
    (void)state;
    fixture_directory_make(directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_directory_remove(directory);
    return 0;
}

static void crc_is_the_crc_32c_everybody_computes(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0};
    assert_int_equal(pit_journal_crc("123456789", 9), 0xe3069283);
    assert_int_equal(pit_journal_crc(zeros, sizeof zeros), 0x8a9136aa); /* RFC 3720, B.4 */
    uint8_t bytes[64];
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + 1);
    uint32_t with_hole = pit_journal_crc_without(bytes, sizeof bytes, 12);
    memset(bytes + 12, 0, 4);
    assert_int_equal(with_hole, pit_journal_crc(bytes, sizeof bytes));
}

static void names_are_twenty_digits(void **state)
{
    (void)state;
    char name[PIT_JOURNAL_NAME_BYTES];
    pit_journal_segment_name(name, 42);
    assert_string_equal(name, "00000000000000000042.journal");
    assert_int_equal(pit_journal_segment_number(name), 42);
    assert_int_equal(pit_journal_segment_number("18446744073709551615.journal"), UINT64_MAX);
    assert_int_equal(pit_journal_segment_number("18446744073709551616.journal"), 0);
    assert_int_equal(pit_journal_segment_number("0000000000000000042.journal"), 0);
    assert_int_equal(pit_journal_segment_number("00000000000000000042.journal.bak"), 0);
    assert_int_equal(pit_journal_segment_number("next.segment"), 0);
    assert_int_equal(pit_journal_segment_number(""), 0);
}

static void write_then_read(enum pit_journal_sync sync)
{
    struct pit_journal *journal = fixture_open(pit_disk_machine(), directory, SEGMENT_BYTES, sync);
    struct pit_digest digest = {.events = 7, .events_count = 8, .state = 9, .orders = 10};
    struct pit_journal_end end;
    struct pit_error error = {0};
    uint64_t sequence = 1;
    uint64_t digests;
    assert_true(pit_journal_idle(journal));
    assert_false(pit_journal_commit(journal));
    for (uint32_t commands = 1; commands < 3000; commands = commands * 3 + 1)
        fixture_block(journal, &sequence, commands, 1);
    assert_true(pit_journal_append_digest(journal, sequence - 1, &digest, true));
    assert_false(pit_journal_idle(journal));
    assert_true(pit_journal_commit(journal));
    assert_int_equal(pit_journal_disk_work(journal), 1);
    assert_int_equal(pit_journal_disk_work(journal), 0);
    assert_true(pit_journal_idle(journal));
    struct pit_journal_statistics statistics = pit_journal_statistics(journal);
    assert_int_equal(statistics.commands, sequence - 1);
    pit_journal_close(journal);
    if (fixture_read(pit_disk_machine(), directory, 1, &end, &digests, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(end.sequence, sequence - 1);
    assert_int_equal(end.blocks, statistics.blocks);
    assert_int_equal(end.offset, PIT_JOURNAL_PAGE_BYTES + statistics.bytes);
    assert_int_equal(end.segments, 1);
    assert_int_equal(end.torn_bytes, 0);
    assert_int_equal(digests, 1);
}

static void journal_reads_back_what_was_written(void **state)
{
    (void)state;
    write_then_read(PIT_JOURNAL_SYNC_AUTO);
}

static void journal_reads_back_what_was_written_with_fdatasync(void **state)
{
    (void)state;
    write_then_read(PIT_JOURNAL_SYNC_DATA);
}

static void journal_reads_back_what_was_written_without_sync(void **state)
{
    (void)state;
    write_then_read(PIT_JOURNAL_SYNC_NEVER);
}

/* Whatever the way of writing, and whether the segment was begun by a start or by the preparer. */
static void segment_prepared_ahead_is_the_next_one(void **state)
{
    (void)state;
    char next[300];
    snprintf(next, sizeof next, "%s/next.segment", directory);
    uint64_t sequence = 1;
    for (uint32_t start = 0; start < 6; start++) {
        struct pit_journal *journal =
            fixture_open(pit_disk_machine(), directory, SEGMENT_BYTES, (enum pit_journal_sync)(start % 3));
        for (uint32_t turns = 0; pit_journal_prepare_work(journal); turns++)
            assert_true(turns < 100);
        assert_int_equal(access(next, F_OK), 0);
        for (uint32_t blocks = 0; access(next, F_OK) == 0 && blocks < 400; blocks++)
            fixture_block(journal, &sequence, 400, 1);
        assert_int_equal(access(next, F_OK), -1); /* the disk side has taken it */
        pit_journal_close(journal);
    }
}

static void restart_goes_on_after_the_last_command(void **state)
{
    (void)state;
    const struct pit_disk *disk = pit_disk_machine();
    struct pit_journal_end end;
    struct pit_error error = {0};
    uint64_t sequence = 1;
    /* Another segment size each time; the existing segment keeps its own. */
    for (uint64_t start = 0; start < 4; start++) {
        struct pit_journal *journal =
            fixture_open(disk, directory, SEGMENT_BYTES + start * 65536, (enum pit_journal_sync)(start % 3));
        for (int i = 0; i < 60; i++)
            fixture_block(journal, &sequence, 400, 2);
        pit_journal_close(journal);
        if (fixture_read(disk, directory, 2, &end, NULL, &error) < 0)
            fail_msg("%s", error.text);
        assert_int_equal(end.sequence, sequence - 1);
    }
    assert_true(end.segments > 1);
    assert_true(end.segment_bytes > SEGMENT_BYTES);
}

/* The machine's disk, watched: is the segment that is open for writing synced, and are the directory's names? */
static struct {
    int segment;
    bool segment_synced;
    bool names_synced;
} watched;

static int watched_open(void *context, const char *path, uint32_t flags)
{
    int file = pit_disk_machine()->open(context, path, flags);
    if ((flags & PIT_DISK_WRITE) && strstr(path, ".journal"))
        watched.segment = file;
    return file;
}

static int watched_sync(void *context, int file)
{
    watched.segment_synced |= file == watched.segment;
    return pit_disk_machine()->sync(context, file);
}

static int watched_sync_directory(void *context, const char *path)
{
    watched.names_synced = true;
    return pit_disk_machine()->sync_directory(context, path);
}

static int watched_unlink(void *context, const char *path)
{
    watched.names_synced &= strstr(path, ".journal") == NULL;
    return pit_disk_machine()->unlink(context, path);
}

/* A process that is killed between a write and its sync leaves a block that reads well and is not on disk; one killed
 * between rename and sync a segment whose name is not. The next one must not build on either. */
static void restart_makes_durable_what_it_found(void **state)
{
    (void)state;
    static const enum pit_journal_sync ways[] = {PIT_JOURNAL_SYNC_AUTO, PIT_JOURNAL_SYNC_DATA};
    struct pit_disk disk = *pit_disk_machine();
    disk.open = watched_open;
    disk.sync = watched_sync;
    disk.sync_directory = watched_sync_directory;
    disk.unlink = watched_unlink;
    uint64_t sequence = 1;
    struct pit_journal *journal = fixture_open(pit_disk_machine(), directory, SEGMENT_BYTES, PIT_JOURNAL_SYNC_NEVER);
    fixture_block(journal, &sequence, 400, 2);
    pit_journal_close(journal);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char begun[300];
        snprintf(begun, sizeof begun, "%s/%020lu.journal", directory, 2ul + i);
        FILE *file = fopen(begun, "w");
        assert_non_null(file);
        fclose(file);
        memset(&watched, 0, sizeof watched);
        journal = fixture_open(&disk, directory, SEGMENT_BYTES, ways[i]);
        assert_true(watched.segment_synced);
        assert_true(watched.names_synced);
        fixture_block(journal, &sequence, 400, 2);
        pit_journal_close(journal);
    }
}

static void empty_directory_is_not_a_journal(void **state)
{
    (void)state;
    struct pit_journal_reader *reader;
    struct pit_error error = {0};
    assert_int_equal(pit_journal_reader_open(&reader, pit_disk_machine(), directory, &error), -ENOENT);
    assert_int_equal(pit_journal_reader_open(&reader, pit_disk_machine(), "/nowhere/at/all", &error), -ENOENT);
}

static void files_are_not_for_everybody(void **state)
{
    (void)state;
    char path[512];
    char below[300];
    struct stat status;
    struct pit_error error = {0};
    snprintf(below, sizeof below, "%s/below", directory);
    int lock = pit_journal_lock(pit_disk_machine(), below, &error);
    assert_true(lock >= 0);
    pit_journal_close(fixture_open(pit_disk_machine(), below, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO));
    assert_int_equal(stat(below, &status), 0);
    assert_int_equal(status.st_mode & 0027, 0);
    snprintf(path, sizeof path, "%s/00000000000000000001.journal", below);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0137, 0);
    assert_int_equal(status.st_size, SEGMENT_BYTES);
    snprintf(path, sizeof path, "%s/next.segment", below);
    assert_int_equal(stat(path, &status), -1);
    pit_journal_unlock(pit_disk_machine(), lock);
    fixture_directory_remove(below);
}

static void lock_is_refused_to_a_second_process(void **state)
{
    (void)state;
    struct pit_error error = {0};
    char pid[32];
    int lock = pit_journal_lock(pit_disk_machine(), directory, &error);
    assert_true(lock >= 0);
    snprintf(pid, sizeof pid, "pid %d", getpid());
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int result = pit_journal_lock(pit_disk_machine(), directory, &error);
        _exit(result == -EWOULDBLOCK && strstr(error.text, pid) && strstr(error.text, directory) ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    pit_journal_unlock(pit_disk_machine(), lock);
    lock = pit_journal_lock(pit_disk_machine(), directory, &error);
    assert_true(lock >= 0);
    pit_journal_unlock(pit_disk_machine(), lock);
    assert_int_equal(pit_journal_lock(pit_disk_machine(), "/nowhere/at/all", &error), -ENOENT);
}

static void a_journal_is_not_begun_over_another(void **state)
{
    (void)state;
    struct pit_journal_options options = {.directory = directory, .segment_bytes = SEGMENT_BYTES};
    struct pit_journal_end nothing = {0};
    struct pit_journal *journal;
    struct pit_error error = {0};
    uint64_t sequence = 1;
    journal = fixture_open(pit_disk_machine(), directory, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    fixture_block(journal, &sequence, 10, 3);
    pit_journal_close(journal);
    assert_int_equal(pit_journal_open(&journal, pit_disk_machine(), &options, &nothing, &error), -EEXIST);
    struct pit_journal_end end;
    assert_int_equal(fixture_read(pit_disk_machine(), directory, 3, &end, NULL, &error), 0);
    assert_int_equal(end.sequence, 10);
}

static void segment_size_out_of_bounds_is_refused(void **state)
{
    (void)state;
    const uint64_t sizes[] = {0, PIT_JOURNAL_SEGMENT_BYTES_LEAST - 4096, SEGMENT_BYTES + 1,
                              PIT_JOURNAL_SEGMENT_BYTES_MAX + 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pit_journal_options options = {.directory = directory, .segment_bytes = sizes[i]};
        struct pit_journal_end nothing = {0};
        struct pit_journal *journal;
        struct pit_error error = {0};
        assert_int_equal(pit_journal_open(&journal, pit_disk_machine(), &options, &nothing, &error), -EINVAL);
        assert_non_null(strstr(error.text, "segment size"));
    }
}

static void append_refuses_when_the_block_is_full(void **state)
{
    (void)state;
    struct pit_journal *journal = fixture_open(pit_disk_machine(), directory, SEGMENT_BYTES, PIT_JOURNAL_SYNC_NEVER);
    uint64_t sequence = 1;
    uint32_t blocks = 0;
    for (int turn = 0; turn < 12; turn++) {
        struct pit_command command = fixture_command(sequence, 4);
        while (pit_journal_append(journal, &command))
            command = fixture_command(++sequence, 4);
        assert_true(sequence > 1);
        if (pit_journal_commit(journal)) {
            assert_false(pit_journal_commit(journal)); /* nothing in the other block yet */
            blocks++;
        } else {
            pit_journal_disk_work(journal);
        }
    }
    while (!pit_journal_idle(journal)) {
        pit_journal_commit(journal);
        pit_journal_disk_work(journal);
    }
    assert_int_equal(pit_journal_durable(journal), sequence - 1);
    pit_journal_close(journal);
    struct pit_journal_end end;
    struct pit_error error = {0};
    assert_int_equal(fixture_read(pit_disk_machine(), directory, 4, &end, NULL, &error), 0);
    assert_int_equal(end.sequence, sequence - 1);
    assert_true(blocks >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_the_crc_32c_everybody_computes),
        cmocka_unit_test(names_are_twenty_digits),
        cmocka_unit_test_setup_teardown(journal_reads_back_what_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(journal_reads_back_what_was_written_with_fdatasync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(journal_reads_back_what_was_written_without_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segment_prepared_ahead_is_the_next_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(restart_goes_on_after_the_last_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(restart_makes_durable_what_it_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_directory_is_not_a_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_not_for_everybody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lock_is_refused_to_a_second_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_journal_is_not_begun_over_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segment_size_out_of_bounds_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(append_refuses_when_the_block_is_full, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
