/* test/cluster/test_log_past.c - entries read back from a cluster's log while it is written: what was committed there,
 * with the term before it, for several who are behind at once. */
#include <errno.h>
#include <pthread.h>

#include "test/cluster/log_run.h"

#include "journal/block.h"
#include "journal/log_past.h"
#include "journal/retention.h"

#define BEHIND 5u /* more than there are cursors */
#define GOT_MAX 64u

/* Checks what came for an index. */
static void check_got(const struct run *run, uint64_t index, const struct pit_log_entry *entries, uint64_t count,
                      uint64_t before_term)
{
    static struct model taken;
    const struct model *now = &run->now;
    assert_int_equal(before_term, now->terms[index - 1]);
    for (uint64_t i = 0; i < count; i++) {
        taken.last = 0;
        taken.sequences[index + i - 1] = now->sequences[index + i - 1];
        assert_int_equal(entries[i].index, index + i);
        run_take_entry(&taken, &entries[i]);
        assert_int_equal(taken.terms[index + i], now->terms[index + i]);
        assert_int_equal(taken.salts[index + i], now->salts[index + i]);
        assert_int_equal(taken.sequences[index + i], now->sequences[index + i]);
    }
}

/* Asks until there is an answer, the reading done here. */
static int ask(struct run *run, uint64_t index, struct pit_log_entry *entries, uint32_t max, uint64_t *before_term)
{
    for (int i = 0; i < 1000; i++) {
        int got = pit_log_read(run->log, index, entries, max, before_term);
        if (got != 0)
            return got;
        pit_log_past_work(run->log);
        run_give_way(run);
        pit_log_durable(run->log);
    }
    fail_msg("entry %lu of %lu committed does not come", index, run->committed);
    return 0;
}

static void begin(struct run *run, uint64_t random, bool large)
{
    run_init(run, random);
    run->large = large;
    run->digests_wanted = true;
    run_open(run);
    run_begin(run);
}

/* And says so in the log. */
static void commit_all(struct run *run)
{
    pit_log_committed(run->log, run->committed = run->now.last);
    while (!pit_log_tell_committed(run->log))
        run_give_way(run);
}

static void those_behind_get_what_was_committed(void **state)
{
    (void)state;
    static struct run run;
    struct pit_log_entry entries[GOT_MAX];
    uint64_t seed = fixture_seed(), before_term, told = 0;
    for (uint64_t round = 0; round < 6 / STEP + 2; round++) {
        uint64_t next[BEHIND] = {1, 1, 1, 1, 1};
        begin(&run, fixture_random(&seed), round % 2 == 1);
        for (uint64_t i = 0; i < 40; i++) {
            assert_true(run_go_on(&run, 1 + fixture_random(&run.random) % 8));
            pit_log_committed(run.log, run.committed);
            for (uint64_t k = 0; k < 8; k++) {
                uint64_t *mine = &next[fixture_random(&run.random) % BEHIND];
                if (fixture_random(&run.random) % 16 == 0 && run.committed)
                    *mine = 1 + fixture_random(&run.random) % run.committed; /* begins anew elsewhere */
                if (*mine > run.committed)
                    continue;
                uint32_t max = 1 + (uint32_t)(fixture_random(&run.random) % GOT_MAX);
                int got = ask(&run, *mine, entries, max, &before_term);
                assert_true(got > 0 && (uint32_t)got <= max);
                check_got(&run, *mine, entries, (uint64_t)got, before_term);
                *mine += (uint64_t)got;
                told += (uint64_t)got;
            }
        }
        run_stop(&run);
        run_free(&run);
    }
    assert_true(told > 0);
}

static void what_was_removed_is_told(void **state)
{
    (void)state;
    static struct run run;
    struct pit_log_entry entries[GOT_MAX];
    struct pit_error error = {0};
    uint64_t before_term, last_block = 0;
    begin(&run, fixture_seed(), true);
    /* More than two segments, and little committed at once: so much that not all of it can be in memory, for what is in
     * memory would be told as ever. */
    for (uint32_t segments = 0; segments < 3;) {
        assert_true(run_go_on(&run, 1));
        commit_all(&run);
        segments = 0;
        for (int i = 0; i < MEMORY_FILES_MAX; i++) {
            const struct memory_file *file = &run.memory->files[i];
            uint64_t number = file->exists ? pit_journal_segment_number(file->path + sizeof DIRECTORY) : 0;
            segments += number > 0;
            last_block = number > last_block ? number : last_block;
        }
    }
    assert_true(run_go_on(&run, 20));
    commit_all(&run);
    run_settle(&run);
    assert_true(ask(&run, 1, entries, GOT_MAX, &before_term) > 0);
    assert_int_equal(pit_retention_step(&run.memory->disk, DIRECTORY, PIT_OLD_SEGMENTS_REMOVE, last_block, &error), 1);
    uint64_t index = 1;
    int got;
    for (uint64_t i = run.committed; i > 1; i--) { /* from the end to where it begins now: -ENODATA from there on */
        got = ask(&run, i, entries, 1, &before_term);
        if (got == -ENODATA) {
            index = i;
            break;
        }
        check_got(&run, i, entries, 1, before_term);
    }
    assert_true(index > 1 && index < run.committed);
    assert_int_equal(ask(&run, 2, entries, 1, &before_term), -ENODATA);
    assert_int_equal(ask(&run, index + 1, entries, 1, &before_term), 1);
    run_stop(&run);
    run_free(&run);
}

static void what_one_reads_is_bounded(void **state)
{
    (void)state;
    static struct run run;
    struct pit_log_entry *entries = calloc(ENTRIES_MAX, sizeof *entries);
    uint64_t before_term, all = 0, most = 0, at_once = 0, index = 1, marks[60];
    uint64_t *before = calloc(ENTRIES_MAX + 1, sizeof *before); /* by index: bytes of the entries up to it */
    begin(&run, fixture_seed(), true);
    for (int i = 0; i < 60; i++) {
        assert_true(run_go_on(&run, 6));
        commit_all(&run);
        marks[i] = run.committed;
    }
    run_settle(&run);
    while (index <= run.committed) {
        uint64_t bytes = 0;
        int got = ask(&run, index, entries, ENTRIES_MAX, &before_term);
        assert_true(got > 0);
        check_got(&run, index, entries, (uint64_t)got, before_term);
        for (int i = 0; i < got; i++, index++) {
            bytes += entries[i].bytes + 64;
            before[index] = before[index - 1] + entries[i].bytes + 64;
        }
        all += bytes;
        most = bytes > most ? bytes : most;
    }
    assert_true(all > PIT_LOG_PAST_BYTES);
    for (int i = 0; i < 60; i++) {
        uint64_t bytes = before[marks[i]] - (i > 0 ? before[marks[i - 1]] : 0);
        at_once = bytes > at_once ? bytes : at_once;
    }
    assert_true(most < PIT_LOG_PAST_BYTES + at_once);
    free(entries);
    free(before);
    run_stop(&run);
    run_free(&run);
}

/* With the reading on a thread of its own, on a real disk. */

struct threads {
    struct run run;
    struct pit_sequence stop;
};

static void *read_past(void *argument)
{
    struct threads *threads = argument;
    while (!pit_sequence_load(&threads->stop))
        pit_log_past_work(threads->run.log);
    return NULL;
}

static void *write_blocks(void *argument)
{
    struct threads *threads = argument;
    while (!pit_sequence_load(&threads->stop)) {
        pit_journal_disk_work(pit_log_journal(threads->run.log));
        pit_journal_prepare_work(pit_log_journal(threads->run.log));
    }
    return NULL;
}

static void nothing(void *context)
{
    (void)context;
}

static void reading_has_a_thread_of_its_own(void **state)
{
    (void)state;
    static struct threads threads;
    struct run *run = &threads.run;
    struct pit_log_entry entries[GOT_MAX];
    struct pit_error error = {0};
    pthread_t reader, writer;
    char directory[256];
    uint64_t before_term, index = 1;
    fixture_directory_make(directory);
    struct pit_log_options how = {
        .directory = directory, .segment_bytes = SEGMENT_BYTES, .wait = nothing, .keep_bytes = PIT_LOG_KEEP_ALL};
    run->random = fixture_seed();
    run->others_write = true;
    if (pit_log_open(&run->log, pit_disk_machine(), &how, &error))
        fail_msg("%s", error.text);
    pthread_create(&writer, NULL, write_blocks, &threads);
    pthread_create(&reader, NULL, read_past, &threads);
    run_begin(run);
    while (index < 800) {
        if (run->steps_count < 3000)
            assert_true(run_go_on(run, 3));
        pit_log_committed(run->log, run->committed = run->now.last);
        int got = pit_log_read(run->log, index, entries, GOT_MAX, &before_term);
        assert_true(got >= 0);
        if (got)
            check_got(run, index, entries, (uint64_t)got, before_term);
        index += (uint64_t)got;
        assert_true(pit_log_durable(run->log) >= 0);
    }
    pit_sequence_store(&threads.stop, 1);
    pthread_join(reader, NULL);
    pthread_join(writer, NULL);
    run_stop(run);
    fixture_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_behind_get_what_was_committed),
        cmocka_unit_test(what_was_removed_is_told),
        cmocka_unit_test(what_one_reads_is_bounded),
        cmocka_unit_test(reading_has_a_thread_of_its_own),
    };
    return cmocka_run_group_tests_name("log_past", tests, NULL, NULL);
}
