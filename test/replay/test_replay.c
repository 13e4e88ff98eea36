/* test/replay/test_replay.c - what a journal says is what the run did, event for event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "live.h"
#include "replay/replay.h"
#include "test/journal/memory_disk.h"

#define EVERY PIT_JOURNAL_DIGEST_EVERY

static struct memory_disk disk;
static struct live live;
static uint64_t seed;

static int begin(void **state)
{
    (void)state;
    memory_disk_init(&disk, seed);
    live_begin(&live, &disk.disk, seed);
    return 0;
}

static int end(void **state)
{
    (void)state;
    live_end(&live);
    memory_disk_free(&disk);
    return 0;
}

struct rebuilt {
    struct pit_market *markets[LIVE_SYMBOLS];
    struct pit_replay_options options;
    struct pit_replay_result result;
    struct pit_error error;
};

static void rebuilt_init(struct rebuilt *rebuilt)
{
    struct pit_reserve reserve = live_reserve();
    *rebuilt = (struct rebuilt){0};
    for (uint32_t i = 0; i < LIVE_SYMBOLS; i++)
        rebuilt->markets[i] = pit_market_create(&reserve);
    rebuilt->options = (struct pit_replay_options){.markets = rebuilt->markets, .markets_count = 1, .verify = true};
}

static int rebuild(struct rebuilt *rebuilt)
{
    return pit_replay(&disk.disk, "journal", &rebuilt->options, &rebuilt->result, &rebuilt->error);
}

static void assert_same_digest(struct rebuilt *rebuilt, struct pit_market *market)
{
    struct pit_digest expected = pit_market_full_digest(market);
    struct pit_digest whole = {0};
    for (uint32_t i = 0; i < rebuilt->options.markets_count; i++) {
        struct pit_digest part = pit_market_full_digest(rebuilt->markets[i]);
        pit_digest_add(&whole, &part);
    }
    assert_memory_equal(&whole, &expected, sizeof whole);
    assert_true(whole.orders > 0 && whole.events_count > 0);
}

static void assert_rebuilds(struct rebuilt *rebuilt, uint64_t digests)
{
    int code = rebuild(rebuilt);
    if (code)
        fail_msg("%d: %s", code, rebuilt->error.text);
    assert_int_equal(rebuilt->result.commands, live.sequence);
    assert_int_equal(rebuilt->result.last_sequence, live.sequence);
    assert_int_equal(rebuilt->result.last_time_ns, 1000000 * live.sequence);
    assert_int_equal(rebuilt->result.events, live.sink.next - 1);
    assert_int_equal(rebuilt->result.digests_compared, digests);
    assert_int_equal(rebuilt->result.differs_at, 0);
    assert_int_equal(rebuilt->result.end.sequence, live.sequence);
    assert_false(rebuilt->result.stopped);
    assert_same_digest(rebuilt, live.market);
}

static void replay_of_a_clean_run_gives_its_digests_and_counts(void **state)
{
    (void)state;
    live_run(&live, 3 * EVERY + 100);
    live_stop(&live, false);
    struct rebuilt rebuilt;
    rebuilt_init(&rebuilt);
    assert_rebuilds(&rebuilt, 4);
    uint64_t trades = 0;
    uint64_t rejects = 0;
    for (uint64_t i = 1; i < live.sink.next; i++) {
        trades += live.sink.slots[i].kind == PIT_EVENT_TRADE;
        rejects += live.sink.slots[i].kind == PIT_EVENT_REJECTED;
    }
    assert_true(trades > 1000 && rejects > 1000);
    assert_int_equal(rebuilt.result.trades, trades);
    assert_int_equal(rebuilt.result.rejects, rejects);
    uint64_t kinds = 0;
    for (uint32_t kind = 1; kind <= PIT_COMMAND_STATE; kind++) {
        assert_true(rebuilt.result.kinds[kind] > 0);
        kinds += rebuilt.result.kinds[kind];
    }
    assert_int_equal(kinds, rebuilt.result.commands);
    assert_int_equal(rebuilt.result.kinds[PIT_COMMAND_SYMBOL], LIVE_SYMBOLS);
}

static void digest_journaled_long_after_its_command_is_compared_with_what_was_then(void **state)
{
    (void)state;
    live.digest_lag = EVERY - 1;
    live_run(&live, 3 * EVERY);
    live_stop(&live, false);
    struct rebuilt rebuilt;
    rebuilt_init(&rebuilt);
    assert_rebuilds(&rebuilt, 4);
}

static void killed_run_without_its_last_digests_still_verifies(void **state)
{
    (void)state;
    live.digest_skip = 2 * EVERY;
    live.digest_lag = 10;
    live_run(&live, 4 * EVERY);
    live_kill(&live);
    struct rebuilt rebuilt;
    rebuilt_init(&rebuilt);
    assert_rebuilds(&rebuilt, 2); /* the second was never journaled, the fourth not yet */
}

static void verify_names_the_sequence_of_a_wrong_digest(void **state)
{
    (void)state;
    live.digest_spoil = 2 * EVERY;
    live.digest_lag = 777;
    live_run(&live, 3 * EVERY + 1000);
    live_stop(&live, false);
    struct rebuilt rebuilt;
    rebuilt_init(&rebuilt);
    assert_int_equal(rebuild(&rebuilt), -EILSEQ);
    assert_int_equal(rebuilt.result.differs_at, 2 * EVERY);
    assert_int_equal(rebuilt.result.differs_after, EVERY);
    assert_non_null(strstr(rebuilt.error.text, "32768"));
    rebuilt_init(&rebuilt);
    rebuilt.options.verify = false;
    assert_rebuilds(&rebuilt, 0);
}

static void verify_finds_a_wrong_state_at_the_clean_stop(void **state)
{
    (void)state;
    live_run(&live, EVERY + 5);
    live_stop(&live, true);
    struct rebuilt rebuilt;
    rebuilt_init(&rebuilt);
    assert_int_equal(rebuild(&rebuilt), -EILSEQ);
    assert_int_equal(rebuilt.result.differs_at, live.sequence);
    assert_int_equal(rebuilt.result.differs_after, EVERY);
    assert_non_null(strstr(rebuilt.error.text, "state"));
}

static void clean_stop_at_a_digest_sequence_verifies(void **state)
{
    (void)state;
    live_run(&live, 2 * EVERY - LIVE_SYMBOLS);
    live_stop(&live, false);
    assert_int_equal(live.sequence, 2 * EVERY);
    struct rebuilt rebuilt;
    rebuilt_init(&rebuilt);
    assert_rebuilds(&rebuilt, 3);
}

static void until_stops_with_the_state_of_that_sequence(void **state)
{
    (void)state;
    live.digest_lag = 5000;
    live_run(&live, 3 * EVERY);
    live_stop(&live, false);
    const uint64_t untils[] = {1, 5, 500, 501, EVERY, EVERY + 2500, 2 * EVERY + 4999};
    for (size_t u = 0; u < sizeof untils / sizeof untils[0]; u++) {
        struct rebuilt rebuilt;
        struct live part;
        rebuilt_init(&rebuilt);
        rebuilt.options.until = untils[u];
        assert_int_equal(rebuild(&rebuilt), 0);
        assert_true(rebuilt.result.stopped);
        assert_int_equal(rebuilt.result.commands, untils[u]);
        assert_int_equal(rebuilt.result.last_sequence, untils[u]);
        /* Also digests that were journaled after the last command asked for. */
        assert_int_equal(rebuilt.result.digests_compared, untils[u] / EVERY);
        live_begin(&part, NULL, seed);
        live_run(&part, untils[u] > LIVE_SYMBOLS ? untils[u] - LIVE_SYMBOLS : 0);
        struct pit_digest here = pit_market_full_digest(rebuilt.markets[0]);
        struct pit_digest there = pit_market_full_digest(part.market);
        if (untils[u] >= LIVE_SYMBOLS)
            assert_memory_equal(&here, &there, sizeof here);
        live_end(&part);
    }
    struct rebuilt rebuilt;
    rebuilt_init(&rebuilt);
    rebuilt.options.until = live.sequence + 1;
    assert_rebuilds(&rebuilt, 4);
}

struct listener {
    uint64_t seen;
    uint64_t stop_after;
    uint64_t command;
    uint64_t wrong;
};

static bool listen(void *context, const struct pit_command *command, const struct pit_event *event)
{
    struct listener *listener = context;
    const struct pit_event *expected = &live.sink.slots[++listener->seen];
    size_t bytes = (expected->flags & PIT_EVENT_WIDE ? 128u : 64u) - offsetof(struct pit_event, time_ns);
    listener->wrong += memcmp(&event->time_ns, &expected->time_ns, bytes) != 0;
    listener->wrong += event->sequence != listener->seen;
    listener->wrong += command->sequence < listener->command || command->time_ns != event->time_ns;
    listener->command = command->sequence;
    return listener->seen != listener->stop_after;
}

/* 2,000 makers, then one taker that meets them all: far more events than any buffer of the replay. */
static void sweep(void)
{
    for (int i = 0; i < 2000; i++) {
        struct pit_command maker = {
            .kind = PIT_COMMAND_NEW, .account = 1, .side = PIT_SIDE_SELL, .price = 90000 + i % 7, .quantity = 1};
        live_command(&live, &maker);
    }
    struct pit_command taker = {.kind = PIT_COMMAND_NEW,
                                .account = 2,
                                .side = PIT_SIDE_BUY,
                                .tif = PIT_TIF_IOC,
                                .price = 100000,
                                .quantity = 1000000};
    live_command(&live, &taker);
}

static void every_event_is_handed_out_once_and_in_order(void **state)
{
    (void)state;
    live_run(&live, 5000);
    struct pit_command open = {.kind = PIT_COMMAND_STATE, .quantity = PIT_STATE_OPEN};
    live_command(&live, &open);
    uint64_t before = live.sink.next;
    sweep();
    assert_true(live.sink.next - before > 4000);
    live_run(&live, 5000);
    live_stop(&live, false);
    struct rebuilt rebuilt;
    struct listener listener = {0};
    rebuilt_init(&rebuilt);
    rebuilt.options.event = listen;
    rebuilt.options.event_context = &listener;
    assert_rebuilds(&rebuilt, 1);
    assert_int_equal(listener.seen, live.sink.next - 1);
    assert_int_equal(listener.wrong, 0);
}

static void event_function_can_stop_the_replay(void **state)
{
    (void)state;
    live_run(&live, 5000);
    live_stop(&live, false);
    struct rebuilt rebuilt;
    struct listener listener = {.stop_after = 1234};
    rebuilt_init(&rebuilt);
    rebuilt.options.event = listen;
    rebuilt.options.event_context = &listener;
    assert_int_equal(rebuild(&rebuilt), 0);
    assert_true(rebuilt.result.stopped);
    assert_int_equal(listener.seen, 1234);
    assert_int_equal(listener.command, rebuilt.result.last_sequence);
}

struct assignment {
    uint32_t defined; /* symbols whose definition was shown */
    uint32_t early;   /* asked about a symbol of the run before it was defined */
};

static void defining(void *context, const struct pit_command *command)
{
    struct assignment *assignment = context;
    assignment->early += command->definition.name[3] != (char)('0' + command->symbol);
    assignment->defined = command->symbol + 1;
}

static uint32_t assign(void *context, uint32_t symbol)
{
    struct assignment *assignment = context;
    assignment->early += symbol < LIVE_SYMBOLS && symbol >= assignment->defined;
    return (symbol + 1) % LIVE_SYMBOLS;
}

static void several_markets_give_the_digest_of_one(void **state)
{
    (void)state;
    live_run(&live, 2 * EVERY + 3000);
    live_stop(&live, false);
    struct rebuilt rebuilt;
    struct assignment assignment = {0};
    rebuilt_init(&rebuilt);
    rebuilt.options.markets_count = LIVE_SYMBOLS;
    rebuilt.options.assign = assign;
    rebuilt.options.assign_context = &assignment;
    rebuilt.options.defining = defining;
    rebuilt.options.defining_context = &assignment;
    assert_rebuilds(&rebuilt, 3);
    assert_int_equal(assignment.defined, LIVE_SYMBOLS);
    assert_int_equal(assignment.early, 0);
    for (uint32_t symbol = 0; symbol < LIVE_SYMBOLS; symbol++)
        for (uint32_t i = 0; i < LIVE_SYMBOLS; i++)
            assert_true((pit_market_book(rebuilt.markets[i], symbol) != NULL) == (i == (symbol + 1) % LIVE_SYMBOLS));
}

static void missing_journal_is_told_apart(void **state)
{
    (void)state;
    struct rebuilt rebuilt;
    rebuilt_init(&rebuilt);
    struct pit_replay_result zero = {0};
    int code = pit_replay(&disk.disk, "elsewhere", &rebuilt.options, &rebuilt.result, &rebuilt.error);
    assert_int_equal(code, -ENOENT);
    assert_memory_equal(&rebuilt.result, &zero, sizeof zero);
    assert_non_null(strstr(rebuilt.error.text, "elsewhere"));
}

static struct memory_file *first_segment(void)
{
    struct memory_file *file = memory_disk_file(&disk, "journal/00000000000000000001.journal");
    assert_non_null(file);
    return file;
}

static void damage_is_passed_on_after_what_lies_before_it(void **state)
{
    (void)state;
    live_run(&live, 5000);
    live_stop(&live, false);
    struct memory_file *file = first_segment();
    struct rebuilt rebuilt;
    uint64_t at = 150000;
    for (;; at += 30000) { /* of a cluster's log, what lies before may not be known to be committed there */
        file->bytes[at] ^= 1;
        rebuilt_init(&rebuilt);
        assert_int_equal(rebuild(&rebuilt), -EBADMSG);
        if (rebuilt.result.commands > 0)
            break;
        file->bytes[at] ^= 1;
    }
    assert_non_null(strstr(rebuilt.error.text, "00000000000000000001.journal"));
    assert_true(rebuilt.result.commands < live.sequence);
    assert_int_equal(rebuilt.result.end.blocks, 0);
    const uint64_t last = rebuilt.result.last_sequence;
    rebuilt_init(&rebuilt); /* who wants no more than what lies before it never gets to it */
    rebuilt.options.until = last;
    assert_int_equal(rebuild(&rebuilt), 0);
    assert_int_equal(rebuilt.result.last_sequence, last);
    assert_true(rebuilt.result.stopped);
}

static void torn_tail_is_an_end(void **state)
{
    (void)state;
    live_run(&live, 5000);
    live_kill(&live);
    struct rebuilt rebuilt;
    rebuilt_init(&rebuilt);
    assert_rebuilds(&rebuilt, 0);
    assert_int_equal(rebuilt.result.end.torn_bytes, 0);
    struct memory_file *file = first_segment();
    for (uint64_t i = 512; i < 3000; i++) /* its first sector was not written */
        file->bytes[rebuilt.result.end.offset + i] = (uint8_t)(i * 7 + 1);
    rebuilt_init(&rebuilt);
    assert_rebuilds(&rebuilt, 0);
    assert_true(rebuilt.result.end.torn_bytes > 0);
}

struct progress {
    uint64_t calls, done, commands;
    uint64_t wrong;
};

static void watch(void *context, uint64_t done, uint64_t total, uint64_t commands)
{
    struct progress *progress = context;
    progress->wrong += done < progress->done || done > total || commands < progress->commands + 1000;
    progress->done = done;
    progress->commands = commands;
    progress->calls++;
}

static void progress_rises_and_comes_as_often_as_asked(void **state)
{
    (void)state;
    live_run(&live, 2 * EVERY);
    live_stop(&live, false);
    struct rebuilt rebuilt;
    struct progress progress = {0};
    rebuilt_init(&rebuilt);
    rebuilt.options.progress = watch;
    rebuilt.options.progress_context = &progress;
    rebuilt.options.progress_every = 1000;
    assert_rebuilds(&rebuilt, 3);
    assert_int_equal(progress.wrong, 0);
    assert_true(progress.calls >= 10 && progress.calls <= 33);
}

int main(void)
{
    const char *given = getenv("PIT_SEED");
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("# PIT_SEED=%lu\n", seed);
#define REPLAY_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        REPLAY_TEST(replay_of_a_clean_run_gives_its_digests_and_counts),
        REPLAY_TEST(digest_journaled_long_after_its_command_is_compared_with_what_was_then),
        REPLAY_TEST(killed_run_without_its_last_digests_still_verifies),
        REPLAY_TEST(verify_names_the_sequence_of_a_wrong_digest),
        REPLAY_TEST(verify_finds_a_wrong_state_at_the_clean_stop),
        REPLAY_TEST(clean_stop_at_a_digest_sequence_verifies),
        REPLAY_TEST(until_stops_with_the_state_of_that_sequence),
        REPLAY_TEST(every_event_is_handed_out_once_and_in_order),
        REPLAY_TEST(event_function_can_stop_the_replay),
        REPLAY_TEST(several_markets_give_the_digest_of_one),
        REPLAY_TEST(missing_journal_is_told_apart),
        REPLAY_TEST(damage_is_passed_on_after_what_lies_before_it),
        REPLAY_TEST(torn_tail_is_an_end),
        REPLAY_TEST(progress_rises_and_comes_as_often_as_asked),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
