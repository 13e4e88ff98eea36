/* The journaler stage between rings: on a disk in memory, turn by turn, and with threads on a real directory. */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "journal/space.h"
#include "memory_disk.h"
#include "stages/journaler.h"

#define SALT 8
#define SLOTS 1024u
#define DIGEST_SLOTS 8u
#define MATCHERS 3u

struct bench {
    struct memory_disk memory;
    const struct pit_disk *disk;
    struct pit_journal *journal;
    struct pit_journaler *journaler;
    struct pit_agent agent, disk_agent, preparer;
    struct pit_control control;
    struct pit_sequence durable;
    struct pit_sequence intake;
    struct pit_ring *input;
    struct pit_ring *digests[MATCHERS];
    uint64_t next; /* sequence the gateway puts in next */
};

static struct bench bench;

static struct pit_ring *make_ring(uint32_t slots, uint32_t slot_bytes, uint64_t first)
{
    size_t bytes = pit_ring_bytes(slots, slot_bytes);
    void *memory = aligned_alloc(PIT_SEQUENCE_BYTES, (bytes + 127) / 128 * 128);
    memset(memory, 0, bytes);
    return pit_ring_create(memory, slots, slot_bytes, first);
}

/* Everything from the journal in directory on; matchers of them hand digests over. */
static void start(const struct pit_disk *disk, const char *directory, uint32_t matchers)
{
    struct pit_error error = {0};
    bench.disk = disk;
    bench.journal = fixture_open(disk, directory, SEGMENT_BYTES, PIT_JOURNAL_SYNC_AUTO);
    bench.next = pit_journal_durable(bench.journal) + 1;
    bench.input = make_ring(SLOTS, sizeof(struct pit_command), bench.next);
    for (uint32_t i = 0; i < MATCHERS; i++)
        bench.digests[i] = make_ring(DIGEST_SLOTS, sizeof(struct pit_digest_note), 1);
    pit_sequence_store(&bench.control.phase, PIT_PHASE_RUN);
    struct pit_journaler_config config = {
        .journal = bench.journal,
        .input = bench.input,
        .durable = &bench.durable,
        .intake = &bench.intake,
        .digests = bench.digests,
        .matchers = matchers,
        .control = &bench.control,
    };
    if (pit_journaler_create(&bench.journaler, &config, &error) < 0)
        fail_msg("%s", error.text);
    bench.agent = pit_journaler_agent(bench.journaler);
    bench.disk_agent = pit_journaler_disk_agent(bench.journal);
    bench.preparer = pit_journaler_preparer_agent(bench.journal);
}

static void stop(void)
{
    pit_journaler_destroy(bench.journaler);
    pit_journal_close(bench.journal);
    free(bench.input);
    for (uint32_t i = 0; i < MATCHERS; i++)
        free(bench.digests[i]);
}

static void start_in_memory(uint32_t matchers)
{
    memset(&bench, 0, sizeof bench);
    memory_disk_init(&bench.memory, 31);
    start(&bench.memory.disk, DIRECTORY, matchers);
}

static void stop_in_memory(void)
{
    stop();
    memory_disk_free(&bench.memory);
}

/* The gateway: as many of n commands as there is room for. */
static uint32_t put_commands(uint32_t n)
{
    uint32_t room = pit_ring_room(bench.input, n);
    n = n < room ? n : room;
    if (n == 0)
        return 0;
    uint64_t first = pit_ring_claim(bench.input, n);
    assert_int_equal(first, bench.next);
    for (uint32_t i = 0; i < n; i++) {
        struct pit_command *slot = pit_ring_slot(bench.input, first + i);
        struct pit_command command = fixture_command(first + i, SALT);
        memcpy((uint8_t *)slot + 8, (uint8_t *)&command + 8, sizeof command - 8);
    }
    pit_ring_publish(bench.input, first, n);
    bench.next += n;
    return n;
}

static void put_note(uint32_t matcher, uint64_t command, bool full)
{
    uint64_t sequence = pit_ring_claim(bench.digests[matcher], 1);
    assert_true(sequence != PIT_SEQUENCE_NONE);
    struct pit_digest_note *note = pit_ring_slot(bench.digests[matcher], sequence);
    note->command = command;
    note->events = 100 + matcher;
    note->events_count = 200 + matcher;
    note->state = full ? 300 + matcher : 0;
    note->orders = full ? 400 + matcher : 0;
    note->full = full;
    pit_ring_publish(bench.digests[matcher], sequence, 1);
}

static void turns(uint32_t n)
{
    while (n-- > 0) {
        bench.agent.do_work(bench.agent.state);
        bench.disk_agent.do_work(bench.disk_agent.state);
        bench.preparer.do_work(bench.preparer.state);
    }
}

static void durable_follows_the_disk_and_not_the_ring(void **state)
{
    (void)state;
    start_in_memory(1);
    assert_int_equal(pit_sequence_load(&bench.durable), 0);
    assert_true(pit_journaler_settled(bench.journaler, 0));
    assert_false(pit_journaler_drained(bench.journaler, 0));
    put_commands(10);
    assert_true(bench.agent.do_work(bench.agent.state) >= 10);
    assert_int_equal(pit_ring_slowest(bench.input), 10); /* copied: the slots are free again */
    assert_false(pit_journaler_settled(bench.journaler, 10));
    for (int i = 0; i < 5; i++)
        bench.agent.do_work(bench.agent.state);
    assert_int_equal(pit_sequence_load(&bench.durable), 0); /* nobody has written it */
    assert_int_equal(bench.disk_agent.do_work(bench.disk_agent.state), 1);
    assert_int_equal(pit_sequence_load(&bench.durable), 0); /* the journaler has not looked yet */
    bench.agent.do_work(bench.agent.state);
    assert_int_equal(pit_sequence_load(&bench.durable), 10);
    assert_true(pit_journaler_settled(bench.journaler, 10));
    assert_false(pit_journaler_settled(bench.journaler, 11));
    stop_in_memory();
}

static void what_arrives_during_a_write_is_the_next_write(void **state)
{
    (void)state;
    start_in_memory(0);
    put_commands(3);
    turns(1);
    for (int i = 0; i < 7; i++) {
        put_commands(5);
        bench.agent.do_work(bench.agent.state);
        if (i == 2)
            bench.disk_agent.do_work(bench.disk_agent.state);
    }
    turns(4);
    assert_int_equal(pit_sequence_load(&bench.durable), 38);
    assert_true(pit_journal_statistics(bench.journal).blocks <= 4);
    const struct pit_journaler_counters *counters = pit_journaler_counters(bench.journaler);
    assert_int_equal(pit_word_load_relaxed(&counters->commands), 38);
    assert_int_equal(pit_word_load_relaxed(&counters->commits), pit_journal_statistics(bench.journal).blocks);
    assert_true(pit_journaler_drained(bench.journaler, 38)); /* no matchers, no digest to wait for */
    stop_in_memory();
}

static void a_slow_disk_fills_the_ring_and_nothing_is_lost(void **state)
{
    (void)state;
    struct pit_journal_end end;
    struct pit_error error = {0};
    start_in_memory(0);
    uint32_t idle = 0;
    while (idle < 10) { /* the disk never runs */
        idle = put_commands(SLOTS) ? 0 : idle + 1;
        bench.agent.do_work(bench.agent.state);
    }
    const struct pit_journaler_counters *counters = pit_journaler_counters(bench.journaler);
    assert_true(pit_word_load_relaxed(&counters->stalls) > 0);
    assert_int_equal(pit_ring_room(bench.input, 1), 0);
    uint64_t last = bench.next - 1;
    turns(20);
    assert_true(pit_journaler_settled(bench.journaler, last));
    assert_int_equal(fixture_read(bench.disk, DIRECTORY, SALT, &end, NULL, &error), 0);
    assert_int_equal(end.sequence, last);
    stop_in_memory();
}

/* The digest records in the journal, in order. */
static uint32_t read_digests(struct pit_journal_digest *digests, uint32_t max)
{
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    struct pit_error error = {0};
    uint32_t count = 0;
    assert_int_equal(pit_journal_reader_open(&reader, bench.disk, DIRECTORY, &error), 0);
    while (pit_journal_reader_next(reader, &record, &error) == 1)
        if (record.kind == PIT_JOURNAL_DIGEST && count < max)
            memcpy(&digests[count++], record.payload, sizeof *digests);
    pit_journal_reader_close(reader);
    return count;
}

static void digests_of_all_matchers_add_up_to_one_record(void **state)
{
    (void)state;
    struct pit_journal_digest digests[4];
    start_in_memory(MATCHERS);
    put_commands(20);
    turns(3);
    put_note(2, 16, false);
    put_note(0, 16, false);
    turns(100);
    assert_int_equal(read_digests(digests, 4), 0); /* matcher 1 is not there yet */
    put_note(1, 16, false);
    turns(100); /* no commands come: the digest gets a block of its own */
    assert_int_equal(read_digests(digests, 4), 1);
    assert_int_equal(digests[0].sequence, 16);
    assert_int_equal(digests[0].events, 303);
    assert_int_equal(digests[0].events_count, 603);
    assert_int_equal(digests[0].full, 0);
    assert_false(pit_journaler_drained(bench.journaler, 20));
    stop_in_memory();
}

static void a_digest_rides_with_the_next_commands(void **state)
{
    (void)state;
    struct pit_journal_digest digests[4];
    start_in_memory(1);
    put_commands(20);
    turns(3);
    uint64_t blocks = pit_journal_statistics(bench.journal).blocks;
    put_note(0, 16, false);
    turns(2);
    assert_int_equal(pit_journal_statistics(bench.journal).blocks, blocks);
    put_commands(1);
    turns(3);
    assert_int_equal(pit_journal_statistics(bench.journal).blocks, blocks + 1);
    assert_int_equal(read_digests(digests, 4), 1);
    stop_in_memory();
}

static void drained_means_the_full_digest_is_durable(void **state)
{
    (void)state;
    struct pit_journal_digest digests[4];
    start_in_memory(MATCHERS);
    put_commands(50);
    turns(4);
    pit_sequence_store(&bench.control.phase, PIT_PHASE_DRAIN);
    turns(4);
    assert_true(pit_journaler_settled(bench.journaler, 50));
    assert_false(pit_journaler_drained(bench.journaler, 50));
    for (uint32_t i = 0; i < MATCHERS; i++)
        put_note(i, 50, true);
    bench.agent.do_work(bench.agent.state);
    bench.agent.do_work(bench.agent.state);
    assert_false(pit_journaler_drained(bench.journaler, 50)); /* handed over, not written */
    bench.disk_agent.do_work(bench.disk_agent.state);
    bench.agent.do_work(bench.agent.state);
    assert_true(pit_journaler_drained(bench.journaler, 50));
    assert_true(pit_journal_idle(bench.journal));
    assert_int_equal(read_digests(digests, 4), 1);
    assert_int_equal(digests[0].full, 1);
    assert_int_equal(digests[0].sequence, 50);
    assert_int_equal(digests[0].state, 903);
    assert_int_equal(digests[0].orders, 1203);
    stop_in_memory();
}

static void an_empty_run_drains_too(void **state)
{
    (void)state;
    start_in_memory(1);
    pit_sequence_store(&bench.control.phase, PIT_PHASE_DRAIN);
    put_note(0, 0, true);
    turns(4);
    assert_true(pit_journaler_drained(bench.journaler, 0));
    stop_in_memory();
}

static void matchers_that_disagree_stop_the_journal(void **state)
{
    (void)state;
    struct pit_error error = {0};
    start_in_memory(2);
    put_commands(5);
    turns(3);
    put_note(0, 16, false);
    put_note(1, 32, false);
    turns(2);
    assert_true(pit_journaler_failed(bench.journaler, &error));
    assert_int_equal(error.code, -EPROTO);
    assert_non_null(strstr(error.text, "matcher 1 for command 32"));
    stop_in_memory();
}

static void a_failed_disk_acknowledges_nothing_more_and_says_why(void **state)
{
    (void)state;
    struct pit_error error = {0};
    struct pit_journal_end end;
    start_in_memory(0);
    put_commands(5);
    turns(3);
    assert_int_equal(pit_sequence_load(&bench.durable), 5);
    assert_false(pit_journaler_failed(bench.journaler, &error));
    bench.memory.fail_write_in = 1;
    bench.memory.fail_write_code = -EIO;
    put_commands(5);
    bench.agent.do_work(bench.agent.state);
    bench.disk_agent.do_work(bench.disk_agent.state);
    put_commands(5);
    turns(10);
    assert_true(pit_journaler_failed(bench.journaler, &error));
    assert_non_null(strstr(error.text, "Input/output error"));
    assert_int_equal(pit_sequence_load(&bench.durable), 5);
    assert_int_equal(bench.agent.do_work(bench.agent.state), 0);
    assert_false(pit_journaler_settled(bench.journaler, 10));
    assert_int_equal(fixture_read(bench.disk, DIRECTORY, SALT, &end, NULL, &error), 0);
    assert_int_equal(end.sequence, 5);
    stop_in_memory();
}

/* The sync fails once and would not fail again: what it left undone is not acknowledged, and nothing after it. */
static void a_failed_sync_acknowledges_nothing_more(void **state)
{
    (void)state;
    struct pit_error error = {0};
    memset(&bench, 0, sizeof bench);
    memory_disk_init(&bench.memory, 32);
    bench.memory.direct_refused_at_open = true; /* so blocks go through fdatasync */
    start(&bench.memory.disk, DIRECTORY, 0);
    put_commands(5);
    turns(3);
    assert_int_equal(pit_sequence_load(&bench.durable), 5);
    bench.memory.fail_sync_code = -EIO;
    bench.memory.fail_sync_in = 1;
    put_commands(5);
    bench.agent.do_work(bench.agent.state);
    bench.disk_agent.do_work(bench.disk_agent.state);
    put_commands(5);
    uint64_t writes = bench.memory.writes;
    for (int i = 0; i < 10; i++) {
        bench.agent.do_work(bench.agent.state);
        bench.disk_agent.do_work(bench.disk_agent.state);
    }
    assert_int_equal(bench.memory.writes, writes);
    assert_int_equal(bench.memory.fail_sync_code, 0);
    assert_true(pit_journaler_failed(bench.journaler, &error));
    assert_int_equal(error.code, -EIO);
    assert_int_equal(pit_sequence_load(&bench.durable), 5);
    assert_false(pit_journaler_settled(bench.journaler, 10));
    stop_in_memory();
}

static void the_gateway_is_told_before_a_full_disk_has_no_room_left(void **state)
{
    (void)state;
    start_in_memory(0);
    bench.memory.capacity = SEGMENT_BYTES * 3 / 2;
    while (!pit_journal_space(bench.journal).alarm ||
           pit_journal_space(bench.journal).left >= PIT_JOURNAL_LAST_BYTES + SLOTS * 32) {
        put_commands(60);
        turns(3);
        assert_int_equal(pit_sequence_load(&bench.intake), PIT_INTAKE_ALL);
    }
    /* What is published counts before it is written. */
    put_commands(SLOTS);
    for (int i = 0; i < 3; i++)
        bench.agent.do_work(bench.agent.state);
    assert_true(pit_journal_space(bench.journal).left >= PIT_JOURNAL_LAST_BYTES);
    assert_int_equal(pit_sequence_load(&bench.intake), PIT_INTAKE_NONE);
    /* And all of it still fits. */
    turns(20);
    assert_true(pit_journaler_settled(bench.journaler, bench.next - 1));
    assert_false(pit_journal_space(bench.journal).waits);
    assert_int_equal(pit_sequence_load(&bench.intake), PIT_INTAKE_NONE);
    /* Who puts in more nevertheless waits, and is not lost. */
    while (!pit_journal_space(bench.journal).waits) {
        put_commands(SLOTS);
        turns(1);
    }
    uint64_t durable = pit_sequence_load(&bench.durable);
    turns(20);
    assert_int_equal(pit_sequence_load(&bench.durable), durable);
    assert_false(pit_journaler_failed(bench.journaler, NULL));
    bench.memory.capacity = 0;
    bench.memory.clock_ns += PIT_JOURNAL_RETRY_NS;
    turns(20);
    assert_int_equal(pit_sequence_load(&bench.intake), PIT_INTAKE_ALL);
    assert_true(pit_journaler_settled(bench.journaler, bench.next - 1));
    struct pit_journal_end end;
    struct pit_error error = {0};
    assert_int_equal(fixture_read(&bench.memory.disk, DIRECTORY, SALT, &end, NULL, &error), 0);
    assert_int_equal(end.sequence, bench.next - 1);
    stop_in_memory();
}

static void a_ring_that_does_not_continue_the_journal_is_refused(void **state)
{
    (void)state;
    struct pit_error error = {0};
    struct pit_journaler *journaler;
    start_in_memory(0);
    struct pit_ring *input = make_ring(SLOTS, sizeof(struct pit_command), 2);
    struct pit_journaler_config config = {
        .journal = bench.journal, .input = input, .durable = &bench.durable, .control = &bench.control};
    assert_int_equal(pit_journaler_create(&journaler, &config, &error), -EINVAL);
    config.matchers = PIT_JOURNALER_MATCHERS_MAX + 1;
    assert_int_equal(pit_journaler_create(&journaler, &config, &error), -EINVAL);
    free(input);
    stop_in_memory();
}

/* Threads. */

static void *agent_thread(void *argument)
{
    struct pit_agent *agent = argument;
    while (pit_control_phase(&bench.control) != PIT_PHASE_STOP)
        if (agent->do_work(agent->state) == 0)
            sched_yield();
    return NULL;
}

/* Plays gateway and matchers until last is drained, checking that durable never runs ahead. */
static void drive(uint64_t last)
{
    uint64_t next_digest = PIT_JOURNAL_DIGEST_EVERY;
    while (next_digest < bench.next)
        next_digest += PIT_JOURNAL_DIGEST_EVERY;
    while (pit_sequence_load(&bench.durable) < last) {
        if (bench.next <= last)
            put_commands((uint32_t)(last - bench.next + 1 < 300 ? last - bench.next + 1 : 300));
        uint64_t durable = pit_sequence_load(&bench.durable);
        assert_true(durable < bench.next);
        if (durable >= next_digest && next_digest <= last) {
            put_note(0, next_digest, false);
            put_note(1, next_digest, false);
            next_digest += PIT_JOURNAL_DIGEST_EVERY;
        }
        sched_yield();
    }
    pit_sequence_store(&bench.control.phase, PIT_PHASE_DRAIN);
    put_note(0, last, true);
    put_note(1, last, true);
    while (!pit_journaler_drained(bench.journaler, last) && !pit_journaler_failed(bench.journaler, NULL))
        sched_yield();
}

static void threads_and_restarts_keep_every_command(void **state)
{
    (void)state;
    char directory[256];
    struct pit_journal_end end;
    struct pit_error error = {0};
    fixture_directory_make(directory);
    for (uint64_t run = 1; run <= 3; run++) {
        uint64_t last = run * 60000;
        uint64_t digests = 0;
        pthread_t threads[3];
        memset(&bench, 0, sizeof bench);
        start(pit_disk_machine(), directory, 2);
        pthread_create(&threads[0], NULL, agent_thread, &bench.agent);
        pthread_create(&threads[1], NULL, agent_thread, &bench.disk_agent);
        pthread_create(&threads[2], NULL, agent_thread, &bench.preparer);
        drive(last);
        if (pit_journaler_failed(bench.journaler, &error))
            fail_msg("%s", error.text);
        pit_sequence_store(&bench.control.phase, PIT_PHASE_STOP);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        stop();
        assert_int_equal(fixture_read(pit_disk_machine(), directory, SALT, &end, &digests, &error), 0);
        assert_int_equal(end.sequence, last);
        assert_true(digests >= run);
    }
    assert_true(end.segments > 2);
    fixture_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durable_follows_the_disk_and_not_the_ring),
        cmocka_unit_test(what_arrives_during_a_write_is_the_next_write),
        cmocka_unit_test(a_slow_disk_fills_the_ring_and_nothing_is_lost),
        cmocka_unit_test(digests_of_all_matchers_add_up_to_one_record),
        cmocka_unit_test(a_digest_rides_with_the_next_commands),
        cmocka_unit_test(drained_means_the_full_digest_is_durable),
        cmocka_unit_test(an_empty_run_drains_too),
        cmocka_unit_test(matchers_that_disagree_stop_the_journal),
        cmocka_unit_test(a_failed_disk_acknowledges_nothing_more_and_says_why),
        cmocka_unit_test(a_failed_sync_acknowledges_nothing_more),
        cmocka_unit_test(the_gateway_is_told_before_a_full_disk_has_no_room_left),
        cmocka_unit_test(a_ring_that_does_not_continue_the_journal_is_refused),
        cmocka_unit_test(threads_and_restarts_keep_every_command),
    };
    return cmocka_run_group_tests_name("journaler", tests, NULL, NULL);
}
