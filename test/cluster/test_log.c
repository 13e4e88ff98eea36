/* test/cluster/test_log.c - the journal as a cluster's log, on a disk in memory that tears writes and forgets what was
 * not synced: what was durable is there, what is not committed is not shown, and what cannot be is refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/journal/fixture.h"
#include "test/journal/memory_disk.h"

#include "journal/log.h"
#include "ring/check.h"

#define ENTRIES_MAX 4096u
#define STEPS_MAX 4096u

/* A payload says which entry it is of, and nothing else in it is zero. */
struct payload {
    uint64_t index, term, salt, rest[5];
};

/* What a log holds. */
struct model {
    uint64_t term, vote, last;
    uint64_t terms[ENTRIES_MAX + 1];
    uint64_t salts[ENTRIES_MAX + 1]; /* 0: a barrier; 1: members */
};

struct step {
    enum { APPEND, TRUNCATE, VOTE } what;
    uint64_t index, term, salt;
};

struct run {
    struct memory_disk memories[2]; /* before a crash and after it, in turn */
    struct memory_disk *memory;
    struct pit_log *log;
    uint64_t random;
    struct model at_start; /* when it was opened */
    struct step steps[STEPS_MAX];
    uint64_t step_of_ticket[STEPS_MAX + 1]; /* how many steps it covers */
    uint64_t steps_count, ticket;
    uint64_t durable; /* so many of the steps */
    uint64_t committed;
    struct payload *payloads[STEPS_MAX];
    uint64_t payloads_count;
};

static void give_way(void *context)
{
    struct run *run = context;
    pit_journal_disk_work(pit_log_journal(run->log));
    pit_journal_prepare_work(pit_log_journal(run->log));
}

static struct pit_log_options options(struct run *run)
{
    return (struct pit_log_options){
        .directory = DIRECTORY,
        .segment_bytes = SEGMENT_BYTES,
        .wait = give_way,
        .wait_context = run,
    };
}

static void apply(struct model *model, const struct step *step)
{
    switch (step->what) {
    case APPEND:
        model->last = step->index;
        model->terms[step->index] = step->term;
        model->salts[step->index] = step->salt;
        break;
    case TRUNCATE:
        model->last = step->index - 1;
        break;
    case VOTE:
        model->term = step->term;
        model->vote = step->salt;
        break;
    }
}

static int load_entry(void *argument, const struct pit_log_entry *entry)
{
    struct model *model = argument;
    assert_int_equal(entry->index, model->last + 1);
    uint64_t salt = entry->kind == PIT_LOG_BARRIER ? 0 : 1;
    if (entry->kind == PIT_LOG_COMMANDS) {
        const struct payload *payload = entry->payload;
        assert_true(entry->bytes % sizeof *payload == 0);
        assert_int_equal(payload->index, entry->index);
        assert_int_equal(payload->term, entry->term);
        salt = payload->salt;
    }
    apply(model, &(struct step){APPEND, entry->index, entry->term, salt});
    return 0;
}

static bool same(const struct model *a, const struct model *b)
{
    return a->term == b->term && a->vote == b->vote && a->last == b->last &&
           !memcmp(a->terms, b->terms, (a->last + 1) * sizeof *a->terms) &&
           !memcmp(a->salts, b->salts, (a->last + 1) * sizeof *a->salts);
}

/* The state recovered is one that the steps led through, and not one before what was durable. Returns its place. */
static uint64_t place_of(const struct run *run, const struct model *found)
{
    static struct model model;
    model = run->at_start;
    for (uint64_t i = 0;; i++) {
        if (i >= run->durable && same(&model, found))
            return i;
        if (i == run->steps_count)
            break;
        apply(&model, &run->steps[i]);
    }
    fail_msg("%lu steps, %lu of them durable, led to term %lu, %lu entries; recovered are term %lu, %lu entries",
             run->steps_count, run->durable, model.term, model.last, found->term, found->last);
    return 0;
}

/* Reads it from the disk, opens it for writing, and makes that the start. */
static void open_again(struct run *run)
{
    struct pit_error error = {0};
    struct pit_log_options how = options(run);
    static struct model found;
    memset(&found, 0, sizeof found);
    if (pit_log_open(&run->log, &run->memory->disk, &how, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(pit_log_load(run->log, &found.term, &found.vote, load_entry, &found), 0);
    place_of(run, &found);
    run->at_start = found;
    run->steps_count = run->ticket = run->durable = 0;
    memset(run->step_of_ticket, 0, sizeof run->step_of_ticket);
}

static struct step *remember(struct run *run, struct step step)
{
    PIT_CHECK(run->steps_count < STEPS_MAX);
    run->steps[run->steps_count] = step;
    return &run->steps[run->steps_count++];
}

static int add_entries(struct run *run, const struct model *now, uint64_t count)
{
    struct pit_log_entry entries[16];
    static const uint64_t zero;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index = now->last + 1 + i;
        uint64_t lines = 1 + fixture_random(&run->random) % 40;
        bool barrier = fixture_random(&run->random) % 8 == 0;
        uint64_t salt = barrier ? 0 : fixture_random(&run->random) | 2;
        entries[i] = (struct pit_log_entry){index, now->term, PIT_LOG_BARRIER, 8, &zero};
        if (!barrier) {
            struct payload *payload = calloc(lines, sizeof *payload);
            PIT_CHECK(payload && run->payloads_count < STEPS_MAX);
            run->payloads[run->payloads_count++] = payload;
            for (uint64_t k = 0; k < lines; k++)
                payload[k] = (struct payload){.index = index, .term = now->term, .salt = salt};
            entries[i] = (struct pit_log_entry){index, now->term, PIT_LOG_COMMANDS, (uint32_t)(lines * sizeof *payload),
                                                payload};
        }
        remember(run, (struct step){APPEND, index, now->term, salt});
    }
    run->step_of_ticket[++run->ticket] = run->steps_count;
    return pit_log_append(run->log, run->ticket, entries, (uint32_t)count);
}

static int cut_entries(struct run *run, const struct model *now)
{
    uint64_t index = run->committed + 1 + fixture_random(&run->random) % (now->last - run->committed);
    remember(run, (struct step){TRUNCATE, index, 0, 0});
    run->step_of_ticket[++run->ticket] = run->steps_count;
    return pit_log_truncate(run->log, run->ticket, index);
}

static int change_vote(struct run *run, const struct model *now)
{
    bool again = now->vote == 0 && fixture_random(&run->random) % 2;
    uint64_t term = again ? now->term : now->term + 1 + fixture_random(&run->random) % 3;
    uint64_t vote = fixture_random(&run->random) % 4;
    remember(run, (struct step){VOTE, 0, term, vote});
    int code = pit_log_keep_vote(run->log, term, vote);
    if (code == 0)
        run->durable = run->steps_count; /* and with it everything before */
    return code;
}

static void model_now(const struct run *run, struct model *now)
{
    *now = run->at_start;
    for (uint64_t i = 0; i < run->steps_count; i++)
        apply(now, &run->steps[i]);
}

/* A few things happen. False: the disk has failed. */
static bool go_on(struct run *run, uint64_t steps)
{
    static struct model now;
    for (uint64_t i = 0; i < steps; i++) {
        model_now(run, &now);
        uint64_t dice = fixture_random(&run->random) % 10;
        int code = 0;
        if (dice < 6)
            code = add_entries(run, &now, 1 + fixture_random(&run->random) % 10);
        else if (dice < 7 && now.last > run->committed)
            code = cut_entries(run, &now);
        else if (dice < 8)
            code = change_vote(run, &now);
        else if (dice < 9 && now.last > run->committed)
            pit_log_committed(run->log,
                              run->committed += fixture_random(&run->random) % (now.last - run->committed + 1));
        else
            give_way(run);
        int64_t durable = code < 0 ? code : pit_log_durable(run->log);
        if (durable < 0)
            return false;
        assert_true((uint64_t)durable <= run->ticket);
        uint64_t steps_durable = run->step_of_ticket[durable];
        run->durable = steps_durable > run->durable ? steps_durable : run->durable;
    }
    return true;
}

/* Whoever reads is shown what is committed, as it was asked for, and nothing else. */
static uint64_t check_committed(const struct run *run, const struct pit_disk *disk)
{
    static struct model shown, now;
    struct pit_log_extent extent;
    struct pit_error error = {0};
    memset(&shown, 0, sizeof shown);
    model_now(run, &now);
    if (pit_log_read_committed(disk, DIRECTORY, load_entry, &shown, &extent, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(shown.last, extent.committed);
    assert_true(extent.committed <= run->committed);
    now.term = now.vote = 0;
    now.last = shown.last;
    assert_true(same(&shown, &now));
    return extent.committed;
}

static void stop(struct run *run)
{
    pit_log_close(run->log);
    for (uint64_t i = 0; i < run->payloads_count; i++)
        free(run->payloads[i]);
    run->payloads_count = 0;
}

/* The machine stops, at a write that fails or between two, and the log is opened again, and so on. */
static void what_was_durable_is_there_again(void **state)
{
    (void)state;
    uint64_t seed = fixture_seed();
    static struct run run;
    for (uint64_t round = 0; round < 60 / STEP + 10; round++) {
        memset(&run, 0, sizeof run);
        run.random = fixture_random(&seed) | 1;
        run.memory = run.memories;
        memory_disk_init(run.memory, run.random);
        run.memory->cache = round % 3 != 0;
        run.memory->torn = true;
        run.memory->direct_refused_at_open = round % 2;
        open_again(&run);
        static const uint64_t members[] = {3, 1, 2, 3};
        struct pit_log_entry first = {1, 1, PIT_LOG_MEMBERS, sizeof members, members};
        assert_int_equal(pit_log_begin(run.log, 1, &first), 0);
        run.at_start = (struct model){.term = 1, .last = 1, .terms[1] = 1, .salts[1] = 1};
        for (uint64_t life = 0; life < 6; life++) {
            run.memory->fail_write_code = -EIO;
            run.memory->fail_write_in = fixture_random(&run.random) % 3 ? 0 : 1 + fixture_random(&run.random) % 40;
            go_on(&run, 5 + fixture_random(&run.random) % 60);
            bool cache = run.memory->cache;
            struct memory_disk *after = &run.memories[run.memory == run.memories];
            if (cache)
                memory_disk_crash(after, run.memory);
            else
                memory_disk_copy(after, run.memory);
            stop(&run);
            memory_disk_free(run.memory);
            run.memory = after;
            run.memory->cache = cache;
            run.memory->torn = true;
            check_committed(&run, &run.memory->disk);
            open_again(&run);
            run.committed = run.committed < run.at_start.last ? run.committed : run.at_start.last;
        }
        stop(&run);
        memory_disk_free(run.memory);
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
    const struct pit_journal_record_header cut = {.kind = PIT_JOURNAL_LOG_TRUNCATION, .index = 2};
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

static void a_log_is_no_journal_and_a_journal_is_no_log(void **state)
{
    (void)state;
    static struct run run;
    struct pit_error error = {0};
    struct pit_journal_end end;
    run.memory = run.memories;
    memory_disk_init(run.memory, 1);
    uint64_t sequence = 1;
    struct pit_journal *journal = fixture_open(&run.memory->disk, DIRECTORY, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    fixture_block(journal, &sequence, 3, 0);
    pit_journal_close(journal);
    struct pit_log_options how = options(&run);
    assert_int_equal(pit_log_open(&run.log, &run.memory->disk, &how, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "it is no cluster's log"));
    memory_disk_free(run.memory);

    memset(&run, 0, sizeof run);
    run.memory = run.memories;
    memory_disk_init(run.memory, 1);
    assert_int_equal(pit_log_open(&run.log, &run.memory->disk, &how, &error), 0);
    assert_int_equal(pit_log_keep_vote(run.log, 1, 2), 0);
    stop(&run);
    assert_int_equal(fixture_read(&run.memory->disk, DIRECTORY, 0, &end, NULL, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "a record is of a cluster's log"));
    memory_disk_free(run.memory);
}

static void a_payload_with_a_line_of_zeros_is_not_taken(void **state)
{
    (void)state;
    static struct run run;
    struct pit_error error = {0};
    memset(&run, 0, sizeof run);
    run.memory = run.memories;
    memory_disk_init(run.memory, 1);
    struct pit_log_options how = options(&run);
    assert_int_equal(pit_log_open(&run.log, &run.memory->disk, &how, &error), 0);
    uint64_t payload[16] = {1};
    struct pit_log_entry entry = {1, 1, PIT_LOG_COMMANDS, sizeof payload, payload};
    assert_int_equal(pit_log_append(run.log, 1, &entry, 1), -EINVAL);
    payload[15] = 1;
    assert_int_equal(pit_log_append(run.log, 1, &entry, 1), 0);
    stop(&run);
    memory_disk_free(run.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_durable_is_there_again),
        cmocka_unit_test(records_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_log_is_no_journal_and_a_journal_is_no_log),
        cmocka_unit_test(a_payload_with_a_line_of_zeros_is_not_taken),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
