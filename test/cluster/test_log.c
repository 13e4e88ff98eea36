/* test/cluster/test_log.c - the journal as a cluster's log, on a disk in memory that tears writes and forgets what was
 * not synced: what was durable is there, what is not committed is not shown, and what cannot be is refused. */
#include <errno.h>

#include "test/cluster/log_run.h"

#include "journal/block.h"

/* Whoever reads is shown what is committed, as it was asked for, and nothing else. */
static void check_committed(struct run *run)
{
    static struct model shown;
    const struct model *now = &run->now;
    struct pit_log_extent extent;
    struct pit_error error = {0};
    memset(&shown, 0, sizeof shown);
    if (pit_log_read_committed(&run->memory->disk, DIRECTORY, run_take_entry, &shown, &extent, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(shown.last, extent.committed);
    assert_true(extent.committed <= run->committed);
    assert_memory_equal(shown.terms, now->terms, (shown.last + 1) * sizeof *now->terms);
    assert_memory_equal(shown.salts, now->salts, (shown.last + 1) * sizeof *now->salts);
}

/* The machine stops, at a write that fails or between two, and the log is opened again, and so on. */
static void what_was_durable_is_there_again(void **state)
{
    (void)state;
    uint64_t seed = fixture_seed();
    static struct run run;
    for (uint64_t round = 0; round < 40 / STEP + 8; round++) {
        run_init(&run, fixture_random(&seed));
        run.large = round % 8 == 1;
        run.memory->cache = round % 3 != 0;
        run.memory->torn = true;
        run.memory->direct_refused_at_open = round % 2;
        run_open(&run);
        run_begin(&run);
        for (uint64_t life = 0; life < 6; life++) {
            run.memory->fail_write_code = -EIO;
            run.memory->fail_write_in = fixture_random(&run.random) % 3 ? 0 : 1 + fixture_random(&run.random) % 40;
            run_go_on(&run, 5 + fixture_random(&run.random) % 60);
            run_crash(&run);
            check_committed(&run);
            run_open(&run);
        }
        run_stop(&run);
        run_free(&run);
    }
}

static int pass_over(void *argument, const struct pit_log_entry *entry)
{
    (void)argument, (void)entry;
    return 0;
}

/* A journal of log records as given, read as a log. */
static int read_records(const struct pit_journal_record_header *records, uint32_t count, struct pit_error *error)
{
    static struct memory_disk memory;
    static const uint64_t payload[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    memory_disk_init(&memory, 1);
    struct pit_journal *journal = fixture_open(&memory.disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    const struct pit_journal_log_anchor at = {.next_sequence = 1};
    const struct pit_journal_record_header anchor = {.kind = PIT_JOURNAL_LOG_ANCHOR, .bytes = sizeof at};
    assert_true(pit_journal_append_log(journal, &anchor, &at));
    for (uint32_t i = 0; i < count; i++)
        assert_true(pit_journal_append_log(journal, &records[i], payload));
    assert_true(pit_journal_commit(journal));
    pit_journal_disk_work(journal);
    pit_journal_close(journal);
    struct pit_log_extent extent;
    int code = pit_log_read_committed(&memory.disk, DIRECTORY, pass_over, NULL, &extent, error);
    memory_disk_free(&memory);
    return code;
}

static void records_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    const struct pit_journal_record_header vote1 = {.kind = PIT_JOURNAL_LOG_VOTE, .term = 1};
    const struct pit_journal_record_header vote2 = {.kind = PIT_JOURNAL_LOG_VOTE, .term = 2, .index = 1};
    const struct pit_journal_record_header other2 = {.kind = PIT_JOURNAL_LOG_VOTE, .term = 2, .index = 3};
    const struct pit_journal_record_header first = {.kind = PIT_JOURNAL_LOG_MEMBERS, .term = 1, .index = 1, .bytes = 8};
    const struct pit_journal_record_header second = {.kind = PIT_JOURNAL_LOG_ENTRY, .term = 2, .index = 2, .bytes = 64};
    const struct pit_journal_record_header third = {.kind = PIT_JOURNAL_LOG_BARRIER, .term = 1, .index = 3};
    const struct pit_journal_record_header committed = {.kind = PIT_JOURNAL_LOG_COMMITTED, .index = 2};
    const struct pit_journal_record_header cut = {.kind = PIT_JOURNAL_LOG_TRUNCATION, .term = 1, .index = 2};
    const struct {
        struct pit_journal_record_header records[6];
        uint32_t count;
        const char *wrong;
    } cases[] = {
        {{vote1, first, vote2, second, committed}, 5, NULL},
        {{vote1, first, vote2, second, cut, second}, 6, NULL},
        {{first}, 1, "an entry's term cannot be"},
        {{vote1, second}, 2, "an entry's index does not follow the one before"},
        {{vote1, first, vote2, second, third}, 5, "an entry's term cannot be"},
        {{vote1, first, vote2, second, committed, cut}, 6, "it truncates entries that were committed"},
        {{vote1, first, cut}, 3, "it truncates entries that are not there"},
        {{vote1, first, committed}, 3, "it says that entries are committed which are not there"},
        {{vote2, vote1}, 2, "the term falls"},
        {{vote2, other2}, 2, "there are two votes in one term"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pit_error error = {0};
        int code = read_records(cases[i].records, cases[i].count, &error);
        assert_int_equal(code, cases[i].wrong ? -EBADMSG : 0);
        if (cases[i].wrong && !strstr(error.text, cases[i].wrong))
            fail_msg("case %zu: %s", i, error.text);
    }
}

static void a_journal_is_no_log_and_a_log_without_commands_has_none(void **state)
{
    (void)state;
    static struct run run;
    struct pit_error error = {0};
    struct pit_journal_end end;
    run_init(&run, 1);
    uint64_t sequence = 1;
    struct pit_journal *journal = fixture_open(&run.memory->disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    fixture_block(journal, &sequence, 3, 0);
    pit_journal_close(journal);
    struct pit_log_options how = run_options(&run);
    assert_int_equal(pit_log_open(&run.log, &run.memory->disk, &how, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "it is no cluster's log"));
    run_free(&run);

    run_init(&run, 1);
    assert_int_equal(pit_log_open(&run.log, &run.memory->disk, &how, &error), 0);
    assert_int_equal(pit_log_keep_vote(run.log, 1, 2), 0);
    run_stop(&run);
    assert_int_equal(fixture_read(&run.memory->disk, DIRECTORY, 0, &end, NULL, &error), 0);
    assert_int_equal(end.sequence, 0);
    run_free(&run);
}

/* After so many looks at the disk nobody wants to wait any longer. */
static uint32_t looks;
static bool leave_now(void *context)
{
    run_give_way(context);
    return ++looks > 1000;
}

static void a_vote_for_which_there_is_no_space_need_not_be_waited_for(void **state)
{
    (void)state;
    static struct run run;
    struct pit_error error = {0};
    uint64_t term = 0, found_term = 0, vote = 0;
    struct pit_log_base base;
    run_init(&run, 1);
    run.memory->capacity = SEGMENT_BYTES * 3 / 2;
    struct pit_log_options how = run_options(&run);
    how.leave = leave_now;
    assert_int_equal(pit_log_open(&run.log, &run.memory->disk, &how, &error), 0);
    int code = 0;
    for (; code == 0 && term < SEGMENT_BYTES / PIT_JOURNAL_PAGE_BYTES; looks = 0)
        code = pit_log_keep_vote(run.log, ++term, 2);
    assert_int_equal(code, -ECANCELED);
    run_stop(&run);

    run.memory->capacity = 0;
    assert_int_equal(pit_log_open(&run.log, &run.memory->disk, &how, &error), 0);
    assert_int_equal(pit_log_load(run.log, &found_term, &vote, &base, run_take_entry, &run.now), 0);
    assert_in_range(found_term, term - 1, term); /* those that were kept are, and of that one nobody was told */
    assert_int_equal(vote, 2);
    assert_int_equal(pit_log_keep_vote(run.log, term + 1, 3), 0);
    run_stop(&run);
    run_free(&run);
}

static void a_payload_with_a_line_of_zeros_is_not_taken(void **state)
{
    (void)state;
    static struct run run;
    struct pit_error error = {0};
    run_init(&run, 1);
    struct pit_log_options how = run_options(&run);
    assert_int_equal(pit_log_open(&run.log, &run.memory->disk, &how, &error), 0);
    uint64_t payload[16] = {1};
    struct pit_log_entry entry = {1, 1, PIT_LOG_COMMANDS, sizeof payload, payload};
    assert_int_equal(pit_log_append(run.log, 1, &entry, 1), -EINVAL);
    payload[15] = 1;
    assert_int_equal(pit_log_append(run.log, 1, &entry, 1), 0);
    run_stop(&run);
    run_free(&run);
}

static uint64_t segment_number(const struct memory_file *file)
{
    return file->exists ? pit_journal_segment_number(file->path + sizeof DIRECTORY) : 0;
}

/* The number of the last segment but rank. */
static uint64_t segment_from_the_end(const struct run *run, uint64_t rank)
{
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        uint64_t later = 0, number = segment_number(&run->memory->files[i]);
        for (int k = 0; k < MEMORY_FILES_MAX; k++)
            later += segment_number(&run->memory->files[k]) > number;
        if (number && later == rank)
            return number;
    }
    return 0;
}

/* Of a long log only the end is looked at when it is opened. */
static void only_the_end_of_a_long_log_is_read(void **state)
{
    (void)state;
    static struct run run;
    static struct model found;
    uint64_t seed = fixture_seed();
    struct pit_error error = {0};
    struct pit_log_base base;
    run_init(&run, seed);
    run.large = true;
    run_open(&run);
    run_begin(&run);
    while (segment_from_the_end(&run, 3) == 0) {
        assert_true(run_go_on(&run, 5));
        pit_log_committed(run.log, run.committed = run.now.last);
    }
    assert_true(run_go_on(&run, 5));
    run_settle(&run);
    run_stop(&run);
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        struct memory_file *file = &run.memory->files[i];
        if (segment_number(file) && segment_number(file) < segment_from_the_end(&run, 1))
            memset(file->bytes, 0x5a, file->size); /* nobody looks there */
    }
    struct pit_log_options how = run_options(&run);
    how.keep_bytes = 0;
    memset(&found, 0, sizeof found);
    if (pit_log_open(&run.log, &run.memory->disk, &how, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(pit_log_load(run.log, &found.term, &found.vote, &base, run_take_entry, &found), 0);
    assert_true(base.index > 1 && base.index <= run.committed);
    assert_int_equal(base.term, run.now.terms[base.index]);
    assert_int_equal(found.term, run.now.term);
    assert_true(found.last == run.now.last || base.index == run.now.last);
    run_stop(&run);
    run_free(&run);
}

/* A log that begins after a snapshot. */
static void a_log_may_begin_at_an_entry(void **state)
{
    (void)state;
    static struct run run;
    static const uint64_t members[] = {3, 1, 2, 3};
    const struct pit_log_base at = {.index = 41, .term = 7};
    struct pit_log_base base;
    run_init(&run, 1);
    run_open(&run);
    assert_int_equal(pit_log_begin_at(run.log, 6, 0, at, 1001, members, sizeof members), -EINVAL);
    assert_int_equal(pit_log_begin_at(run.log, 9, 2, at, 1001, members, sizeof members), 0);
    assert_int_equal(pit_log_begin_at(run.log, 9, 2, at, 1001, members, sizeof members), -EEXIST);
    run.at_start = run.now = (struct model){.term = 9, .vote = 2, .last = 41, .terms[41] = 7, .sequences[41] = 1000};
    run.committed = 41;
    assert_true(run_go_on(&run, 30));
    run_settle(&run);
    for (int again = 0; again < 2; again++) {
        static struct model found;
        uint32_t bytes;
        struct pit_log_options how = run_options(&run);
        struct pit_error error = {0};
        memset(&found, 0, sizeof found);
        run_stop(&run);
        if (pit_log_open(&run.log, &run.memory->disk, &how, &error) != 0)
            fail_msg("%s", error.text);
        assert_int_equal(pit_log_load(run.log, &found.term, &found.vote, &base, run_take_entry, &found), 0);
        assert_int_equal(base.index, 41);
        assert_int_equal(base.term, 7);
        assert_int_equal(found.term, run.now.term);
        assert_int_equal(found.vote, run.now.vote);
        assert_true(found.last == run.now.last || (found.last == 0 && run.now.last == 41));
        if (found.last > 41)
            assert_memory_equal(found.salts + 42, run.now.salts + 42, (found.last - 41) * sizeof *found.salts);
        assert_memory_equal(pit_log_members(run.log, &bytes), members, sizeof members);
        assert_int_equal(bytes, sizeof members);
    }
    run_stop(&run);
    run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_durable_is_there_again),
        cmocka_unit_test(only_the_end_of_a_long_log_is_read),
        cmocka_unit_test(a_log_may_begin_at_an_entry),
        cmocka_unit_test(records_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_journal_is_no_log_and_a_log_without_commands_has_none),
        cmocka_unit_test(a_vote_for_which_there_is_no_space_need_not_be_waited_for),
        cmocka_unit_test(a_payload_with_a_line_of_zeros_is_not_taken),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
