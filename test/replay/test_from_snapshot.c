/* test/replay/test_from_snapshot.c - a replay that begins with a snapshot comes to what one from the first command on
 * does, or says that the snapshot is not the journal's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/log_anchors.h"
#include "journal/retention.h"
#include "journal/snapshot.h"
#include "live.h"
#include "replay/replay.h"
#include "test/journal/memory_disk.h"

#define EVERY PIT_JOURNAL_DIGEST_EVERY
#define COMMANDS (3 * EVERY + 1000)
#define MARKETS 2u

static struct memory_disk disk;
static struct live live;
static uint64_t seed;

static int begin(void **state)
{
    (void)state;
    memory_disk_init(&disk, seed);
    live_begin(&live, &disk.disk, seed);
    live_run(&live, COMMANDS - live.sequence);
    live_stop(&live, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    live_end(&live);
    memory_disk_free(&disk);
    return 0;
}

static uint32_t by_symbol(void *context, uint32_t symbol)
{
    (void)context;
    return symbol % MARKETS;
}

static uint32_t by_definition(void *context, uint32_t symbol, const struct pit_symbol_definition *definition)
{
    (void)context;
    (void)definition;
    return symbol % MARKETS;
}

struct run {
    struct pit_market *markets[MARKETS];
    struct pit_replay_options options;
    struct pit_replay_result result;
    struct pit_error error;
    uint64_t first_event, events;
};

static bool count_event(void *context, const struct pit_command *command, const struct pit_event *event)
{
    struct run *run = context;
    (void)command;
    if (run->events++ == 0)
        run->first_event = event->sequence;
    return true;
}

static void run_init(struct run *run)
{
    const struct pit_reserve reserve = live_reserve();
    *run = (struct run){0};
    for (uint32_t i = 0; i < MARKETS; i++)
        run->markets[i] = pit_market_create(&reserve);
    run->options = (struct pit_replay_options){.markets = run->markets,
                                               .markets_count = MARKETS,
                                               .assign = by_symbol,
                                               .verify = true,
                                               .event = count_event,
                                               .event_context = run};
}

static int run_replay(struct run *run)
{
    return pit_replay(&disk.disk, "journal", &run->options, &run->result, &run->error);
}

static struct pit_digest run_digest(const struct run *run)
{
    struct pit_digest whole = {0};
    for (uint32_t i = 0; i < MARKETS; i++) {
        const struct pit_digest part = pit_market_full_digest(run->markets[i]);
        pit_digest_add(&whole, &part);
    }
    return whole;
}

/* Replays up to a sequence and writes a snapshot there. */
static struct pit_snapshot_header snapshot_at(uint64_t sequence)
{
    struct run run;
    run_init(&run);
    run.options.until = sequence;
    if (run_replay(&run))
        fail_msg("%s", run.error.text);
    struct pit_snapshot_header header = {.sequence = sequence,
                                         .block = run.result.last_block,
                                         .time_ns = run.result.last_time_ns,
                                         .command = run.result.last_command};
    assert_int_equal(pit_snapshot_journal_id(&disk.disk, "journal", header.journal_id, NULL), 0);
    if (pit_snapshot_write(&disk.disk, "journal", run.markets, MARKETS, NULL, NULL, &header, &run.error))
        fail_msg("%s", run.error.text);
    return header;
}

static void run_load(struct run *run, uint64_t sequence)
{
    const struct pit_snapshot_target target = {
        .markets = run->markets, .markets_count = MARKETS, .assign = by_definition};
    struct pit_snapshot_header header;
    run_init(run);
    if (pit_snapshot_load(&disk.disk, "journal", sequence, &target, &header, &run->error))
        fail_msg("%s", run->error.text);
    run->options.from = header.sequence;
    run->options.from_command = header.command;
}

static void tail_after_a_snapshot_gives_the_whole(void **state)
{
    (void)state;
    static const uint64_t at[] = {1, 2, 100, EVERY - 1, EVERY, EVERY + 1, 2 * EVERY + 777, COMMANDS - 1, COMMANDS};
    const struct pit_digest wanted = pit_market_full_digest(live.market);
    assert_true(wanted.orders > 0 && wanted.events_count > COMMANDS / 2);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        snapshot_at(at[i]);
        struct run run;
        run_load(&run, at[i]);
        const uint64_t events_before = run_digest(&run).events_count;
        if (run_replay(&run))
            fail_msg("from %lu: %s", at[i], run.error.text);
        const struct pit_digest digest = run_digest(&run);
        assert_memory_equal(&digest, &wanted, sizeof digest);
        assert_int_equal(run.result.skipped, at[i]);
        assert_int_equal(run.result.commands, COMMANDS - at[i]);
        assert_int_equal(run.result.last_sequence, COMMANDS);
        assert_int_equal(run.result.events, wanted.events_count - events_before);
        assert_int_equal(run.events, run.result.events);
        if (run.events)
            assert_int_equal(run.first_event, events_before + 1);
        const uint64_t digests = (COMMANDS - 1) / EVERY - (at[i] - 1) / EVERY + 1; /* and the full one */
        assert_int_equal(run.result.digests_compared, digests);
        for (uint32_t k = 0; k < MARKETS; k++)
            for (uint32_t symbol = 0; symbol < pit_market_symbols(run.markets[k]); symbol++) {
                const struct pit_book *book = pit_market_book(run.markets[k], symbol);
                assert_true(!book || pit_book_check(book) == NULL);
            }
    }
}

static void snapshot_with_another_command_there_is_refused(void **state)
{
    (void)state;
    snapshot_at(20000);
    struct run run;
    run_load(&run, 20000);
    run.options.from_command ^= 1;
    assert_int_equal(run_replay(&run), -ESTALE);
    assert_int_equal(run.result.commands, 0);
    assert_int_equal(run.events, 0);
    assert_non_null(strstr(run.error.text, "20000"));
}

static void snapshot_ahead_of_the_journal_is_refused(void **state)
{
    (void)state;
    snapshot_at(20000);
    struct run run;
    run_load(&run, 20000);
    run.options.from = COMMANDS + 1;
    assert_int_equal(run_replay(&run), -ESTALE);
    assert_int_equal(run.result.commands, 0);
    assert_int_equal(run.result.end.sequence, COMMANDS);
}

static void until_may_be_the_snapshot_itself(void **state)
{
    (void)state;
    snapshot_at(2 * EVERY);
    struct run run;
    run_load(&run, 2 * EVERY);
    const struct pit_digest before = run_digest(&run);
    run.options.until = 2 * EVERY;
    assert_int_equal(run_replay(&run), 0);
    const struct pit_digest after = run_digest(&run);
    assert_memory_equal(&before, &after, sizeof before);
    assert_true(run.result.stopped);
    assert_int_equal(run.result.commands, 0);
    assert_int_equal(run.result.last_sequence, 2 * EVERY);
    assert_int_equal(run.result.digests_compared, 1);
}

static void state_that_is_not_the_snapshots_is_noticed(void **state)
{
    (void)state;
    snapshot_at(20000);
    struct run run;
    run_load(&run, 20000);
    pit_market_restore_strangers(run.markets[1], 1, 0);
    assert_int_equal(run_replay(&run), -EILSEQ);
    assert_int_equal(run.result.differs_at, 2 * EVERY);
    assert_int_equal(run.result.differs_after, 20000);
}

/* A snapshot whose command is in no block: the journal begins with the command after it, or later. */
static void journal_may_begin_right_after_the_snapshot(void **state)
{
    (void)state;
    uint64_t *segments = NULL, block, first;
    struct pit_journal_reader *reader;
    struct pit_error error = {0};
    struct run run;
    const struct pit_digest wanted = pit_market_full_digest(live.market);
    assert_true(pit_journal_segments(&disk.disk, "journal", &segments) > 1);
    assert_int_equal(pit_journal_reader_open_at(&reader, &disk.disk, "journal", segments[1], &error), 0);
    pit_journal_reader_beginning(reader, &block, &first);
    pit_journal_reader_close(reader);
    assert_true(first > 2);
    snapshot_at(first - 2);
    snapshot_at(first - 1);
    assert_int_equal(pit_retention_step(&disk.disk, "journal", PIT_OLD_SEGMENTS_REMOVE, segments[1], &error), 1);
    run_load(&run, first - 1);
    run.options.from_time_ns = 77;
    if (run_replay(&run))
        fail_msg("%s", run.error.text);
    const struct pit_digest digest = run_digest(&run);
    assert_memory_equal(&digest, &wanted, sizeof digest);
    assert_int_equal(run.result.skipped, first - 1);
    assert_int_equal(run.result.last_sequence, live.sequence);
    assert_int_equal(run.result.end.sequence, live.sequence);
    run_load(&run, first - 2);
    assert_int_equal(run_replay(&run), -ESTALE);
    free(segments);
}

static int begin_longer(void **state)
{
    (void)state;
    memory_disk_init(&disk, seed);
    live_begin(&live, &disk.disk, seed);
    live_run(&live, COMMANDS + 2 * EVERY);
    live_stop(&live, false);
    return 0;
}

int main(void)
{
    const char *given = getenv("PIT_SEED");
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    fprintf(stderr, "# PIT_SEED=%lu\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tail_after_a_snapshot_gives_the_whole, begin, end),
        cmocka_unit_test_setup_teardown(snapshot_with_another_command_there_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(snapshot_ahead_of_the_journal_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(until_may_be_the_snapshot_itself, begin, end),
        cmocka_unit_test_setup_teardown(state_that_is_not_the_snapshots_is_noticed, begin, end),
        cmocka_unit_test_setup_teardown(journal_may_begin_right_after_the_snapshot, begin_longer, end),
    };
    return cmocka_run_group_tests_name("from snapshot", tests, NULL, NULL);
}
