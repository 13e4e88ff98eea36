/* test/stages/test_snapshots.c - the agent that writes snapshots: driven by hand on a disk in memory, and in a whole
 * pipeline. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "journal/compressed.h"
#include "local_run.h"
#include "stages/snapshots.h"
#include "test/journal/memory_disk.h"
#include "test/replay/live.h"

#define SECOND UINT64_C(1000000000)

static struct memory_disk disk;
static struct live live;
static struct pit_control control;
static struct pit_sequence durable;
static struct pit_snapshots *snapshots;
static struct pit_agent agent;
static uint64_t now_ns, seed;

static uint64_t tell_time(void *context)
{
    (void)context;
    return now_ns;
}

static const struct pit_clock test_clock = {.utc_ns = tell_time, .monotonic_ns = tell_time};

static int begin(void **state)
{
    (void)state;
    now_ns = 1000 * SECOND;
    memory_disk_init(&disk, seed);
    live_begin(&live, &disk.disk, seed);
    pit_sequence_store(&control.phase, PIT_PHASE_RUN);
    pit_sequence_store(&durable, 0);
    snapshots = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (snapshots)
        pit_snapshots_destroy(snapshots);
    live_end(&live);
    memory_disk_free(&disk);
    return 0;
}

static void create_retiring(enum pit_old_segments old_segments, uint64_t every, uint64_t seconds, uint32_t keep,
                            uint64_t begun_with)
{
    struct pit_error error = {0};
    const struct pit_snapshots_config config = {
        .disk = &disk.disk,
        .clock = &test_clock,
        .directory = "journal",
        .journal = live.journal,
        .durable = &durable,
        .control = &control,
        .begun_with = begun_with,
        .plan = {.every = every, .seconds = seconds, .keep = keep, .old_segments = old_segments}};
    if (pit_snapshots_create(&snapshots, &config, &error))
        fail_msg("%s", error.text);
    agent = pit_snapshots_agent(snapshots);
}

static void create(uint64_t every, uint64_t seconds, uint32_t keep, uint64_t begun_with)
{
    create_retiring(PIT_OLD_SEGMENTS_KEEP, every, seconds, keep, begun_with);
}

/* Journals some more commands, and says that all but the last lag are durable. */
static void go_on(uint64_t commands, uint64_t lag)
{
    live_run(&live, commands);
    while (!pit_journal_idle(live.journal)) {
        pit_journal_commit(live.journal);
        pit_journal_disk_work(live.journal);
        pit_journal_prepare_work(live.journal);
    }
    pit_sequence_store(&durable, live.sequence - lag);
}

/* Lets the agent work until it has nothing to do. */
static void work(void)
{
    for (uint32_t idle = 0; idle < 3;)
        idle = agent.do_work(agent.state) ? 0 : idle + 1;
}

static struct pit_snapshots_figures figures(void)
{
    return pit_snapshots_figures(snapshots);
}

static bool there(uint64_t sequence)
{
    struct pit_snapshot_header header;
    struct pit_error error;
    return pit_snapshot_check(&disk.disk, "journal", sequence, &header, &error) == 0;
}

struct trades {
    struct pit_snapshot_past past[PIT_SYMBOLS_MAX];
};

static bool count_trade(void *context, const struct pit_command *command, const struct pit_event *event)
{
    struct trades *trades = context;
    (void)command;
    if (event->kind == PIT_EVENT_TRADE) {
        trades->past[event->symbol].trades++;
        trades->past[event->symbol].last_price = event->price;
        trades->past[event->symbol].last_quantity = event->quantity;
    }
    return true;
}

/* A snapshot is what a replay up to its sequence is, and says where that is. */
static void assert_true_snapshot(uint64_t sequence)
{
    const struct pit_reserve reserve = live_reserve();
    struct pit_market *replayed = pit_market_create(&reserve), *loaded = pit_market_create(&reserve);
    static struct trades wanted, found;
    struct pit_error error = {0};
    struct pit_snapshot_header header;
    struct pit_replay_result result;
    memset(&wanted, 0, sizeof wanted);
    memset(&found, 0, sizeof found);
    struct pit_replay_options options = {
        .markets = &replayed, .markets_count = 1, .until = sequence, .event = count_trade, .event_context = &wanted};
    const struct pit_snapshot_target target = {.markets = &loaded, .markets_count = 1, .past = found.past};
    if (pit_replay(&disk.disk, "journal", &options, &result, &error) ||
        pit_snapshot_load(&disk.disk, "journal", sequence, &target, &header, &error))
        fail_msg("%s", error.text);
    const struct pit_digest a = pit_market_full_digest(replayed), b = pit_market_full_digest(loaded);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_equal(&wanted, &found, sizeof wanted);
    assert_int_equal(header.sequence, sequence);
    assert_int_equal(header.block, result.last_block);
    assert_int_equal(header.command, result.last_command);
    assert_int_equal(header.time_ns, result.last_time_ns);
}

static void snapshot_is_written_at_each_multiple(void **state)
{
    (void)state;
    create(10000, 0, 100, 0);
    work();
    assert_int_equal(figures().written, 0);
    for (uint64_t k = 1; k <= 20; k++) { /* 13 MB: several segments */
        go_on(k == 1 ? 10000 - live.sequence : 10000, 0);
        work();
        assert_int_equal(figures().written, k);
        assert_int_equal(figures().sequence, 10000 * k);
        assert_true(figures().created_ns > 0 && figures().bytes > 100);
    }
    assert_int_equal(figures().failed, 0);
    for (uint64_t k = 1; k <= 20; k += 6)
        assert_true_snapshot(10000 * k);
}

static void replica_that_is_far_behind_writes_the_last_multiple_only(void **state)
{
    (void)state;
    go_on(55555, 0);
    create(10000, 0, 100, 0);
    work();
    assert_int_equal(figures().written, 1);
    assert_int_equal(figures().sequence, 50000);
    assert_false(there(40000));
    assert_true_snapshot(50000);
}

static void nothing_that_is_not_durable_is_in_a_snapshot(void **state)
{
    (void)state;
    create(10000, 0, 100, 0);
    go_on(20100, 100 + live.sequence + 1); /* 19,999 are durable, more is on disk */
    work();
    assert_int_equal(figures().sequence, 10000);
    assert_int_equal(figures().applied, 10000);
    pit_sequence_store(&durable, 20000);
    work();
    assert_int_equal(figures().sequence, 20000);
    assert_int_equal(figures().applied, 20000);
}

/* A write that fails may be read as if it had not; and a cluster has commands that its leader's disk has not yet. */
static void what_is_not_on_the_disk_is_in_no_snapshot(void **state)
{
    (void)state;
    live_end(&live);
    memory_disk_free(&disk);
    memory_disk_init(&disk, seed);
    disk.direct_refused_at_open = true;
    live_begin(&live, &disk.disk, seed);
    create(1000000, 0, 100, 0);
    go_on(1000, 0);
    pit_snapshots_ask(snapshots, live.sequence);
    work();
    assert_int_equal(figures().sequence, live.sequence);
    const uint64_t before = live.sequence;
    live_run(&live, 100);
    disk.fail_sync_code = -EIO;
    disk.fail_sync_in = 1;
    assert_true(pit_journal_commit(live.journal));
    pit_sequence_store(&durable, live.sequence);
    pit_snapshots_ask(snapshots, live.sequence);
    work();
    assert_int_equal(pit_journal_disk_work(live.journal), 1);
    work();
    assert_int_equal(figures().applied, live.sequence); /* it can be read, */
    assert_int_equal(figures().sequence, before);       /* and is not there */
    assert_true(pit_journal_failed(live.journal, NULL));
}

static void snapshot_is_written_by_time_if_there_was_a_command(void **state)
{
    (void)state;
    create(0, 60, 100, 0);
    go_on(777, 0);
    work();
    now_ns += 59 * SECOND;
    work();
    assert_int_equal(figures().written, 0);
    now_ns += SECOND;
    work();
    assert_int_equal(figures().written, 1);
    assert_int_equal(figures().sequence, live.sequence);
    now_ns += 600 * SECOND;
    work();
    assert_int_equal(figures().written, 1);
    go_on(1, 0);
    work();
    assert_int_equal(figures().written, 2);
    assert_true_snapshot(live.sequence);
}

static void snapshot_is_written_when_somebody_asks(void **state)
{
    (void)state;
    create(100000, 0, 3, 0);
    go_on(3000, 0);
    work();
    assert_int_equal(figures().written, 0);
    pit_snapshots_ask(snapshots, live.sequence + 1); /* is not durable yet */
    work();
    assert_int_equal(figures().written, 0);
    go_on(10, 0);
    work();
    assert_int_equal(figures().written, 1);
    assert_int_equal(figures().sequence, live.sequence);
    assert_true_snapshot(live.sequence);
    const uint64_t first = live.sequence;
    go_on(10, 0);
    pit_snapshots_ask(snapshots, first); /* there is one */
    work();
    assert_int_equal(figures().written, 1);
    pit_snapshots_ask(snapshots, live.sequence);
    pit_snapshots_ask(snapshots, live.sequence);
    work();
    assert_int_equal(figures().written, 2);
    assert_int_equal(figures().sequence, live.sequence);
    /* It does not stand in the way of those by count, nor they in its. */
    go_on(100000, 0);
    pit_snapshots_ask(snapshots, live.sequence);
    work();
    assert_int_equal(figures().written, 4);
    assert_true(there(100000) && there(live.sequence));
}

static void count_and_time_go_together(void **state)
{
    (void)state;
    create(1000, 60, 100, 0);
    go_on(1500 - live.sequence, 0);
    work();
    assert_int_equal(figures().sequence, 1000);
    now_ns += 60 * SECOND;
    work();
    assert_int_equal(figures().sequence, 1500);
    go_on(500, 0);
    work();
    assert_int_equal(figures().sequence, 2000);
    assert_int_equal(figures().written, 3);
}

static void only_the_newest_stay_and_others_journals_do_not_count(void **state)
{
    (void)state;
    create(1000, 0, 2, 0);
    struct memory_file *ahead;
    for (uint64_t k = 1; k <= 5; k++) {
        go_on(k == 1 ? 1000 - live.sequence : 1000, 0);
        work();
        if (k == 3) { /* of a journal that was cut since */
            assert_int_equal(disk.disk.rename(disk.disk.context, "journal/snapshot-00000000000000003000.pit",
                                              "journal/snapshot-00000000000000900000.pit"),
                             0);
            ahead = memory_disk_file(&disk, "journal/snapshot-00000000000000900000.pit");
            assert_true(ahead && ahead->exists);
        }
    }
    assert_false(there(1000) || there(2000));
    assert_true(there(4000) && there(5000));
    ahead = memory_disk_file(&disk, "journal/snapshot-00000000000000900000.pit");
    assert_true(ahead && ahead->exists);
}

static void failed_write_is_told_and_the_next_is_tried_when_due(void **state)
{
    (void)state;
    char text[PIT_SNAPSHOTS_WARNING_BYTES];
    static const int codes[] = {-ENOSPC, -EIO};
    create(1000, 0, 100, 0);
    for (uint64_t k = 0; k < 2; k++) {
        go_on(k == 0 ? 1000 - live.sequence : 1000, 0);
        disk.fail_write_code = codes[k];
        disk.fail_write_in = 1;
        assert_false(pit_snapshots_warning(snapshots, text));
        work();
        disk.fail_write_in = 0;
        assert_int_equal(figures().failed, k + 1);
        assert_int_equal(figures().written, 0);
        assert_false(there(1000 * (k + 1)));
        assert_true(pit_snapshots_warning(snapshots, text));
        assert_non_null(strstr(text, strerror(-codes[k])));
        assert_non_null(strstr(text, "Orders are taken as ever"));
        assert_false(pit_snapshots_warning(snapshots, text));
    }
    go_on(1000, 0);
    work();
    assert_int_equal(figures().sequence, 3000);
    assert_true_snapshot(3000);
}

static void unread_warning_is_kept_and_later_ones_are_counted(void **state)
{
    (void)state;
    char text[PIT_SNAPSHOTS_WARNING_BYTES];
    create(1000, 0, 100, 0);
    for (uint64_t k = 0; k < 3; k++) {
        go_on(k == 0 ? 1000 - live.sequence : 1000, 0);
        disk.fail_write_code = k ? -EIO : -ENOSPC;
        disk.fail_write_in = 1;
        work();
    }
    disk.fail_write_in = 0;
    assert_int_equal(figures().failed, 3);
    assert_true(pit_snapshots_warning(snapshots, text));
    assert_non_null(strstr(text, strerror(ENOSPC)));
    assert_false(pit_snapshots_warning(snapshots, text));
}

static void replica_that_cannot_read_is_begun_anew_a_minute_later(void **state)
{
    (void)state;
    char text[PIT_SNAPSHOTS_WARNING_BYTES];
    create(10000, 0, 100, 0);
    go_on(10000 - live.sequence, 0);
    work();
    assert_int_equal(figures().written, 1);
    disk.fail_read_code = -EIO;
    go_on(10000, 0);
    work();
    disk.fail_read_code = 0;
    assert_int_equal(figures().failed, 1);
    assert_true(pit_snapshots_warning(snapshots, text));
    assert_non_null(strstr(text, "tried again in a minute"));
    now_ns += 59 * SECOND;
    work();
    assert_int_equal(figures().written, 1);
    now_ns += SECOND;
    work();
    assert_int_equal(figures().written, 2);
    assert_true_snapshot(20000);
}

static void state_that_is_not_the_matchers_is_never_written(void **state)
{
    (void)state;
    char text[PIT_SNAPSHOTS_WARNING_BYTES];
    live.digest_lag = 100;
    live.digest_spoil = 2 * PIT_JOURNAL_DIGEST_EVERY;
    create(20000, 0, 100, 0);
    go_on(20000 - live.sequence, 0);
    work();
    assert_int_equal(figures().written, 1);
    go_on(20000, 0);
    work();
    assert_int_equal(figures().written, 1);
    assert_int_equal(figures().failed, 1);
    assert_true(pit_snapshots_warning(snapshots, text));
    assert_non_null(strstr(text, "the digest at sequence 32768 differs"));
    assert_non_null(strstr(text, "no more snapshots"));
    now_ns += 3600 * SECOND;
    go_on(20000, 0);
    work();
    assert_int_equal(figures().written, 1);
}

static void replica_begins_with_the_snapshot_that_the_pipeline_began_with(void **state)
{
    (void)state;
    create(10000, 0, 100, 0);
    go_on(30000 - live.sequence, 0);
    work();
    go_on(5000, 0);
    pit_snapshots_destroy(snapshots);
    create(20000, 0, 100, 30000);
    assert_true(agent.do_work(agent.state));
    assert_int_equal(figures().applied, 30000);
    assert_int_equal(figures().sequence, 30000);
    assert_int_equal(figures().written, 0);
    go_on(5000, 0);
    work();
    assert_int_equal(figures().sequence, 40000);
    assert_true_snapshot(40000);
}

/* How many segments there are in a form. */
struct forms {
    uint32_t plain, compressed;
    uint64_t first; /* the lowest number of all */
};

static void see(void *context, const char *name)
{
    struct forms *forms = context;
    const uint64_t plain = pit_journal_segment_number(name), compressed = pit_compressed_number(name);
    forms->plain += plain != 0;
    forms->compressed += compressed != 0;
    if (plain + compressed && plain + compressed < forms->first)
        forms->first = plain + compressed;
}

static struct forms look(void)
{
    struct forms forms = {.first = UINT64_MAX};
    disk.disk.list(disk.disk.context, "journal", see, &forms);
    return forms;
}

/* Replays what is there, from a snapshot (0: from the first command). */
static int replay_from(uint64_t sequence, struct pit_error *error)
{
    const struct pit_reserve reserve = live_reserve();
    struct pit_market *market = pit_market_create(&reserve);
    struct pit_replay_options options = {.markets = &market, .markets_count = 1, .verify = true};
    struct pit_replay_result result;
    struct pit_snapshot_header header;
    const struct pit_snapshot_target target = {.markets = &market, .markets_count = 1};
    if (sequence && pit_snapshot_load(&disk.disk, "journal", sequence, &target, &header, error))
        fail_msg("%s", error->text);
    if (sequence) {
        options.from = header.sequence;
        options.from_command = header.command;
        options.from_block = header.block;
    }
    const int code = pit_replay(&disk.disk, "journal", &options, &result, error);
    if (code)
        return code;
    const struct pit_digest wanted = pit_market_full_digest(live.market), found = pit_market_full_digest(market);
    assert_memory_equal(&found, &wanted, sizeof wanted);
    return 0;
}

static void old_segments_are_compressed_and_read_as_ever(void **state)
{
    (void)state;
    struct pit_error error = {0};
    create_retiring(PIT_OLD_SEGMENTS_COMPRESS, 20000, 0, 2, 0);
    go_on(20000 - live.sequence, 0);
    work();
    assert_int_equal(figures().segments, 0); /* one snapshot alone makes nothing old */
    for (uint32_t i = 0; i < 10; i++) {
        go_on(20000, 0);
        work();
    }
    const struct forms forms = look();
    assert_true(forms.compressed >= 1 && forms.plain >= 1);
    assert_int_equal(figures().segments, forms.compressed);
    assert_int_equal(figures().failed, 0);
    assert_int_equal(replay_from(0, &error), 0);
    assert_int_equal(replay_from(200000, &error), 0);
    assert_int_equal(replay_from(220000, &error), 0);
    assert_true_snapshot(220000);
}

static void old_segments_are_removed_and_snapshots_stand_for_them(void **state)
{
    (void)state;
    struct pit_error error = {0};
    create_retiring(PIT_OLD_SEGMENTS_REMOVE, 20000, 0, 2, 0);
    go_on(20000 - live.sequence, 0);
    for (uint32_t i = 0; i < 10; i++) {
        work();
        go_on(20000, 0);
    }
    work();
    assert_true(figures().segments >= 1);
    assert_true(look().first > 1 && look().compressed == 0);
    assert_int_equal(figures().failed, 0);
    assert_int_equal(replay_from(0, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "the first segment, 00000000000000000001.journal, is missing"));
    assert_int_equal(replay_from(200000, &error), 0);
    assert_int_equal(replay_from(220000, &error), 0);
    pit_snapshots_destroy(snapshots); /* and a replica begins where a start does */
    create(20000, 0, 2, 220000);
    go_on(20000, 0);
    work();
    assert_int_equal(figures().sequence, 240000);
    assert_int_equal(figures().failed, 0);
    assert_int_equal(replay_from(240000, &error), 0);
}

static void nothing_is_removed_while_the_oldest_snapshot_is_bad(void **state)
{
    (void)state;
    char text[PIT_SNAPSHOTS_WARNING_BYTES];
    create_retiring(PIT_OLD_SEGMENTS_REMOVE, 70000, 0, 2, 0);
    go_on(70000 - live.sequence, 0);
    work();
    struct memory_file *file = memory_disk_file(&disk, "journal/snapshot-00000000000000070000.pit");
    file->bytes[file->size / 2] ^= 1;
    go_on(70000, 0);
    work();
    assert_int_equal(figures().written, 2);
    assert_int_equal(look().first, 1);
    assert_true(pit_snapshots_warning(snapshots, text));
    assert_non_null(strstr(text, "is damaged"));
    go_on(70000, 0);
    work(); /* the bad one is no longer kept */
    assert_true(look().first > 1);
}

static void nothing_is_done_when_the_pipeline_drains(void **state)
{
    (void)state;
    create(1000, 0, 100, 0);
    go_on(1000 - live.sequence, 0);
    pit_sequence_store(&control.phase, PIT_PHASE_DRAIN);
    work();
    assert_int_equal(figures().written, 0);
    assert_int_equal(figures().applied, 0);
}

static void running_pipeline_writes_snapshots_and_starts_from_them(void **state)
{
    (void)state;
    struct pit_pipeline_figures now;
    struct local_run run;
    uint64_t taken = 0;
    for (uint32_t round = 0; round < 3; round++) {
        local_run_prepare(&run, "running", 50000);
        run.seed = run.client_id = 1000000 * round;
        run.config.matchers = 1 + round % 2;
        run.config.threads = round % 2 ? PIT_THREADS_DEDICATED : PIT_THREADS_SHARED;
        run.config.snapshots = (struct pit_snapshots_plan){.every = 20000, .old_segments = PIT_OLD_SEGMENTS_COMPRESS};
        local_run_start(&run);
        const uint64_t begun_with = pit_pipeline_recovered(run.pipeline)->snapshot;
        assert_int_equal(begun_with, taken);
        local_run_answered(&run, 50000);
        char text[PIT_SNAPSHOTS_WARNING_BYTES];
        do {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            pit_pipeline_look(run.pipeline, &now);
            if (pit_pipeline_warning(run.pipeline, text))
                fail_msg("%s", text);
        } while (now.snapshots.sequence < pit_pipeline_last(run.pipeline) / 20000 * 20000);
        taken = now.snapshots.sequence;
        struct pit_digest live_digest = local_run_stop(&run);
        struct pit_replay_result result;
        struct pit_digest replayed = local_run_replay("running", 0, &result, NULL);
        assert_memory_equal(&replayed, &live_digest, sizeof replayed);
    }
    assert_int_equal(taken, 140000);
}

static int make_directory_first(void **state)
{
    return local_run_directory_make(state);
}

int main(void)
{
    const char *given = getenv("PIT_SEED");
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    fprintf(stderr, "# PIT_SEED=%lu\n", seed);
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(snapshot_is_written_at_each_multiple),
        TEST(replica_that_is_far_behind_writes_the_last_multiple_only),
        TEST(nothing_that_is_not_durable_is_in_a_snapshot),
        TEST(what_is_not_on_the_disk_is_in_no_snapshot),
        TEST(snapshot_is_written_by_time_if_there_was_a_command),
        TEST(snapshot_is_written_when_somebody_asks),
        TEST(count_and_time_go_together),
        TEST(only_the_newest_stay_and_others_journals_do_not_count),
        TEST(failed_write_is_told_and_the_next_is_tried_when_due),
        TEST(unread_warning_is_kept_and_later_ones_are_counted),
        TEST(replica_that_cannot_read_is_begun_anew_a_minute_later),
        TEST(state_that_is_not_the_matchers_is_never_written),
        TEST(replica_begins_with_the_snapshot_that_the_pipeline_began_with),
        TEST(old_segments_are_compressed_and_read_as_ever),
        TEST(old_segments_are_removed_and_snapshots_stand_for_them),
        TEST(nothing_is_removed_while_the_oldest_snapshot_is_bad),
        TEST(nothing_is_done_when_the_pipeline_drains),
        cmocka_unit_test(running_pipeline_writes_snapshots_and_starts_from_them),
    };
    return cmocka_run_group_tests_name("snapshots", tests, make_directory_first, local_run_directory_remove);
}
