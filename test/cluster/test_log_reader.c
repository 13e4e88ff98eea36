/* test/cluster/test_log_reader.c - a cluster's log as the journal's reader shows it: the commands that are known to be
 * committed, in order, once, from any segment on, and the digests; while it is written, and after any crash. */
#include <errno.h>

#include "test/cluster/log_run.h"

#include "journal/block.h"
#include "journal/reader.h"

struct shown {
    struct pit_journal_reader *reader;
    uint64_t sequence, index, digests, digest_sequence, records;
    uint64_t first_sequence;          /* of the first record */
    uint64_t blocks[ENTRIES_MAX + 1]; /* by record */
};

/* A record against what was asked for. */
static void check_record(const struct run *run, struct shown *shown, const struct pit_journal_record *record)
{
    const struct model *now = &run->now;
    if (record->kind == PIT_JOURNAL_DIGEST) {
        struct pit_journal_digest digest;
        memcpy(&digest, record->payload, sizeof digest);
        assert_true(digest.sequence <= shown->sequence || shown->sequence == 0);
        assert_int_equal(digest.events, digest.sequence * 7);
        assert_int_equal(digest.events_count, digest.sequence + 1);
        assert_int_equal(digest.orders, digest.full ? 3 : 0);
        shown->digests++;
        shown->digest_sequence = digest.sequence;
        return;
    }
    assert_int_equal(record->kind, PIT_JOURNAL_COMMANDS);
    assert_true(record->index > shown->index && record->index <= run->committed);
    if (shown->records == 0)
        shown->first_sequence = record->first_sequence;
    else
        assert_int_equal(record->first_sequence, shown->sequence + 1);
    assert_int_equal(record->term, now->terms[record->index]);
    assert_int_equal(record->first_sequence + record->count - 1, now->sequences[record->index]);
    const struct pit_command *command;
    uint32_t at = 0, count = 0;
    while ((command = pit_journal_record_command(record, &at))) {
        const struct pit_command expected =
            fixture_command(record->first_sequence + count++, now->salts[record->index]);
        assert_memory_equal(command, &expected, pit_command_bytes(&expected));
    }
    assert_int_equal(count, record->count);
    assert_int_equal((uintptr_t)record->payload % 64, 0);
    shown->sequence = record->first_sequence + count - 1;
    shown->index = record->index;
    shown->blocks[shown->records++] = record->block;
}

/* Reads as far as the log goes. */
static void read_on(const struct run *run, struct shown *shown)
{
    struct pit_journal_record record;
    struct pit_error error = {0};
    int more;
    while ((more = pit_journal_reader_next(shown->reader, &record, &error)) == 1)
        check_record(run, shown, &record);
    if (more < 0)
        fail_msg("%s", error.text);
    const struct pit_journal_end end = pit_journal_reader_end(shown->reader);
    assert_true(shown->records == 0 || end.sequence == shown->sequence);
    assert_int_equal(end.time_ns, 1000 * shown->sequence);
}

static void open_at(const struct run *run, struct shown *shown, uint64_t block)
{
    struct pit_error error = {0};
    memset(shown, 0, sizeof *shown);
    if (pit_journal_reader_open_at(&shown->reader, &run->memory->disk, DIRECTORY, block, &error))
        fail_msg("%s", error.text);
}

/* From the first command on: everything that is known to be committed. Returns how far that is. */
static void check_whole(const struct run *run, struct shown *shown)
{
    struct pit_log_extent extent;
    struct model *all = calloc(1, sizeof *all);
    assert_int_equal(pit_log_read_committed(&run->memory->disk, DIRECTORY, run_take_entry, all, &extent, NULL), 0);
    free(all);
    open_at(run, shown, PIT_JOURNAL_FROM_FIRST);
    read_on(run, shown);
    assert_int_equal(shown->sequence, run->now.sequences[extent.committed]);
    assert_true(shown->records == 0 || shown->first_sequence == 1);
    pit_journal_reader_close(shown->reader);
}

/* From any command's block on: that command and all after it. */
static void check_from(const struct run *run, const struct shown *whole, uint64_t record)
{
    static struct shown part;
    uint64_t first_block, first_sequence;
    open_at(run, &part, whole->blocks[record]);
    pit_journal_reader_beginning(part.reader, &first_block, &first_sequence);
    read_on(run, &part);
    pit_journal_reader_close(part.reader);
    assert_true(first_block <= whole->blocks[record] && part.records >= whole->records - record);
    assert_int_equal(part.sequence, whole->sequence);
    assert_int_equal(part.first_sequence, first_sequence);
    assert_memory_equal(part.blocks, whole->blocks + whole->records - part.records, part.records * sizeof *part.blocks);
    assert_true(part.blocks[0] >= first_block);
}

static void committed_commands_are_shown_after_any_crash(void **state)
{
    (void)state;
    static struct run run;
    static struct shown shown;
    uint64_t seed = fixture_seed(), segments = 0;
    for (uint64_t round = 0; round < 12 / STEP + 8; round++) {
        run_init(&run, fixture_random(&seed));
        run.large = round % 4 == 1;
        run.digests_wanted = true;
        run.memory->cache = round % 3 != 0;
        run.memory->torn = true;
        run_open(&run);
        run_begin(&run);
        for (uint64_t life = 0; life < 6; life++) {
            run.memory->fail_write_code = -EIO;
            run.memory->fail_write_in = fixture_random(&run.random) % 3 ? 0 : 1 + fixture_random(&run.random) % 40;
            run_go_on(&run, 5 + fixture_random(&run.random) % 60);
            run_crash(&run);
            check_whole(&run, &shown);
            for (int i = 0; i < 3 && shown.records; i++)
                check_from(&run, &shown, fixture_random(&run.random) % shown.records);
            for (int i = 0; i < MEMORY_FILES_MAX; i++)
                segments += run.memory->files[i].exists &&
                            pit_journal_segment_number(run.memory->files[i].path + sizeof DIRECTORY) > 1;
            run_open(&run);
        }
        run_stop(&run);
        run_free(&run);
    }
    assert_true(segments > 0); /* besides the first */
}

/* A reader that comes along sees each command once, and none that is taken back. */
static void a_reader_that_follows_sees_each_command_once(void **state)
{
    (void)state;
    static struct run run;
    static struct shown follows, whole;
    uint64_t seed = fixture_seed();
    for (uint64_t round = 0; round < 6 / STEP + 2; round++) {
        run_init(&run, fixture_random(&seed));
        run.large = round % 2 == 1;
        run.digests_wanted = true;
        run_open(&run);
        run_begin(&run);
        open_at(&run, &follows, PIT_JOURNAL_FROM_FIRST);
        if (round % 3 == 0)
            pit_journal_reader_beside(follows.reader, true);
        for (uint64_t i = 0; i < 60; i++) {
            assert_true(run_go_on(&run, 1 + fixture_random(&run.random) % 8));
            read_on(&run, &follows);
        }
        pit_log_committed(run.log, run.committed = run.now.last);
        while (!pit_log_tell_committed(run.log))
            run_give_way(&run);
        run_settle(&run);
        read_on(&run, &follows);
        assert_int_equal(follows.sequence, run.now.sequences[run.now.last]);
        assert_int_equal(follows.digests, run.digests);
        assert_int_equal(follows.digest_sequence, run.digest_sequence);
        check_whole(&run, &whole);
        assert_int_equal(whole.records, follows.records);
        pit_journal_reader_close(follows.reader);
        run_stop(&run);
        run_free(&run);
    }
}

/* What has not been committed has no digest. */
static void a_digest_waits_until_its_commands_are_committed(void **state)
{
    (void)state;
    static struct run run;
    const struct pit_digest digest = {.events = 1};
    run_init(&run, 1);
    run_open(&run);
    run_begin(&run);
    struct pit_command commands[3];
    uint32_t bytes = 0;
    for (uint64_t i = 0; i < 2; i++, bytes += 64)
        commands[i] = fixture_command(i + 1, 5);
    memcpy(commands[0].line1, &commands[1], 64);
    const struct pit_log_entry entry = {2, 1, PIT_LOG_COMMANDS, bytes, commands};
    assert_int_equal(pit_log_append(run.log, 1, &entry, 1), 0);
    assert_false(pit_log_append_digest(run.log, 1, &digest, false));
    pit_log_committed(run.log, 2);
    assert_false(pit_log_append_digest(run.log, 3, &digest, false));
    assert_true(pit_log_append_digest(run.log, 2, &digest, true));
    run_stop(&run);
    run_free(&run);
}

static void begin_later(struct run *run, struct pit_log_base base, uint64_t first_sequence)
{
    static const uint64_t members[] = {3, 1, 2, 3};
    run_init(run, 1);
    run_open(run);
    assert_int_equal(pit_log_begin_at(run->log, 9, 2, base, first_sequence, members, sizeof members), 0);
}

/* A log that begins after a snapshot has nothing before it, and says so. */
static void a_log_that_begins_later_is_read_from_there(void **state)
{
    (void)state;
    static struct run run;
    static struct shown shown;
    struct pit_journal_record record;
    struct pit_error error = {0};
    uint64_t block, sequence;
    begin_later(&run, (struct pit_log_base){41, 7}, 1001);
    open_at(&run, &shown, PIT_JOURNAL_FROM_FIRST);
    assert_int_equal(pit_journal_reader_next(shown.reader, &record, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "begins after entry 41, with sequence 1001"));
    pit_journal_reader_close(shown.reader);
    open_at(&run, &shown, PIT_JOURNAL_FROM_THERE);
    pit_journal_reader_beginning(shown.reader, &block, &sequence);
    assert_int_equal(block, 1);
    assert_int_equal(sequence, 1001);
    assert_int_equal(pit_journal_reader_next(shown.reader, &record, &error), 0);
    assert_int_equal(pit_journal_reader_end(shown.reader).sequence, 1000);
    run.at_start = (struct model){.term = 9, .vote = 2, .last = 41, .terms[41] = 7, .sequences[41] = 1000};
    run.committed = 41;
    assert_true(run_go_on(&run, 30));
    pit_log_committed(run.log, run.committed = run.now.last);
    while (!pit_log_tell_committed(run.log))
        run_give_way(&run);
    run_settle(&run);
    read_on(&run, &shown);
    assert_int_equal(shown.first_sequence, 1001);
    assert_int_equal(shown.sequence, run.now.sequences[run.now.last]);
    pit_journal_reader_close(shown.reader);
    run_stop(&run);
    run_free(&run);
}

/* Entries may come before the first command. */
static void a_log_that_begins_later_and_lacks_no_command_is_whole(void **state)
{
    (void)state;
    static struct run run;
    static struct shown shown;
    struct pit_journal_record record;
    struct pit_error error = {0};
    begin_later(&run, (struct pit_log_base){4, 7}, 1);
    open_at(&run, &shown, PIT_JOURNAL_FROM_FIRST);
    assert_int_equal(pit_journal_reader_next(shown.reader, &record, &error), 0);
    assert_int_equal(pit_journal_reader_end(shown.reader).sequence, 0);
    pit_journal_reader_close(shown.reader);
    run_stop(&run);
    run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_commands_are_shown_after_any_crash),
        cmocka_unit_test(a_reader_that_follows_sees_each_command_once),
        cmocka_unit_test(a_digest_waits_until_its_commands_are_committed),
        cmocka_unit_test(a_log_that_begins_later_is_read_from_there),
        cmocka_unit_test(a_log_that_begins_later_and_lacks_no_command_is_whole),
    };
    return cmocka_run_group_tests_name("log_reader", tests, NULL, NULL);
}
