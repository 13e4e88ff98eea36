/* The writer's three threads, and readers that follow a journal while it is written. On a real directory. */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "ring/sequence.h"

#define SALT 7
#define COMMANDS_LAST 250000u /* about 18 MB: five segments */

static char directory[256];

struct live {
    struct pit_journal *journal;
    struct pit_sequence stop;
    struct pit_sequence durable;
    struct pit_sequence failed;
    struct pit_error error;
    bool prepare;
};

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

static void *disk_thread(void *argument)
{
    struct live *live = argument;
    while (pit_sequence_load(&live->stop) == 0)
        if (!pit_journal_disk_work(live->journal))
            sched_yield();
    return NULL;
}

static void *preparer_thread(void *argument)
{
    struct live *live = argument;
    while (pit_sequence_load(&live->stop) == 0)
        if (!live->prepare || !pit_journal_prepare_work(live->journal))
            sched_yield();
    return NULL;
}

static void *journaler_thread(void *argument)
{
    struct live *live = argument;
    uint64_t sequence = 1;
    while (pit_journal_durable(live->journal) < COMMANDS_LAST) {
        if (pit_journal_failed(live->journal, &live->error)) {
            pit_sequence_store(&live->failed, 1);
            break;
        }
        struct pit_command command = fixture_command(sequence, SALT);
        bool appended = sequence <= COMMANDS_LAST && pit_journal_append(live->journal, &command);
        sequence += appended;
        if (!pit_journal_commit(live->journal) && !appended)
            sched_yield();
        pit_sequence_store(&live->durable, pit_journal_durable(live->journal));
    }
    return NULL;
}

/* Follows until everything has been read. Every look sees at least what was durable before it. */
static void follow(struct live *live)
{
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    struct pit_error error = {0};
    uint64_t sequence = 0;
    if (pit_journal_reader_open(&reader, pit_disk_machine(), directory, &error) < 0)
        fail_msg("%s", error.text);
    while (sequence < COMMANDS_LAST) {
        uint64_t durable = pit_sequence_load(&live->durable);
        int result;
        while ((result = pit_journal_reader_next(reader, &record, &error)) == 1) {
            const struct pit_command *command;
            uint32_t at = 0;
            while ((command = pit_journal_record_command(&record, &at))) {
                struct pit_command expected = fixture_command(++sequence, SALT);
                assert_memory_equal(command, &expected, pit_command_bytes(&expected));
            }
        }
        if (result < 0)
            fail_msg("%s", error.text);
        assert_true(sequence >= durable);
        assert_int_equal(pit_journal_reader_end(reader).sequence, sequence);
        if (pit_sequence_load(&live->failed))
            fail_msg("%s", live->error.text);
    }
    pit_journal_reader_close(reader);
}

/* Fresh readers, one after another, while it is being written. */
static void look_again_and_again(struct live *live)
{
    struct pit_journal_end end = {0};
    struct pit_error error = {0};
    while (end.sequence < COMMANDS_LAST) {
        uint64_t durable = pit_sequence_load(&live->durable);
        if (fixture_read(pit_disk_machine(), directory, SALT, &end, NULL, &error) < 0)
            fail_msg("%s", error.text);
        if (pit_sequence_load(&live->failed))
            fail_msg("%s", live->error.text);
        assert_true(end.sequence >= durable);
    }
}

static void run(void (*read)(struct live *live), enum pit_journal_sync sync, bool prepare)
{
    static struct live live;
    pthread_t threads[3];
    memset(&live, 0, sizeof live);
    live.journal = fixture_open(pit_disk_machine(), directory, SEGMENT_BYTES, sync);
    live.prepare = prepare;
    pthread_create(&threads[0], NULL, disk_thread, &live);
    pthread_create(&threads[1], NULL, preparer_thread, &live);
    pthread_create(&threads[2], NULL, journaler_thread, &live);
    read(&live);
    pthread_join(threads[2], NULL);
    pit_sequence_store(&live.stop, 1);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_true(pit_journal_idle(live.journal));
    pit_journal_close(live.journal);
    struct pit_journal_end end;
    struct pit_error error = {0};
    assert_int_equal(fixture_read(pit_disk_machine(), directory, SALT, &end, NULL, &error), 0);
    assert_int_equal(end.sequence, COMMANDS_LAST);
    assert_true(end.segments >= 4);
}

static void a_reader_follows_a_live_journal(void **state)
{
    (void)state;
    run(follow, PIT_JOURNAL_SYNC_AUTO, true);
}

static void a_reader_follows_a_live_journal_with_fdatasync(void **state)
{
    (void)state;
    run(follow, PIT_JOURNAL_SYNC_DATA, true);
}

static void fresh_readers_see_whole_prefixes_of_a_live_journal(void **state)
{
    (void)state;
    run(look_again_and_again, PIT_JOURNAL_SYNC_AUTO, true);
}

static void segments_roll_without_a_preparer(void **state)
{
    (void)state;
    run(follow, PIT_JOURNAL_SYNC_NEVER, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reader_follows_a_live_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_follows_a_live_journal_with_fdatasync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fresh_readers_see_whole_prefixes_of_a_live_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segments_roll_without_a_preparer, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("live journal", tests, NULL, NULL);
}
