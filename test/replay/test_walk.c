/* test/replay/test_walk.c - wherever a walk goes, forward or back, the state there is that of a replay up to there. */
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

#include "journal/snapshot.h"
#include "live.h"
#include "memory/arena.h"
#include "replay/checkpoint.h"
#include "replay/replay.h"
#include "replay/walk.h"
#include "test/journal/memory_disk.h"

#define COMMANDS 60000u
#define NS_PER_COMMAND 1000000u /* live.c */

static struct memory_disk disk;
static struct live live;
static uint64_t seed;
static uint64_t random_state;
static struct pit_digest wanted[COMMANDS + 1]; /* after each command */
static uint32_t warnings;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

/* The event digest after every command; the full one after every hundredth. */
static int begin(void **state)
{
    (void)state;
    random_state = seed * 2 + 1;
    memory_disk_init(&disk, seed);
    live_begin(&live, &disk.disk, seed);
    wanted[live.sequence] = pit_market_full_digest(live.market);
    while (live.sequence < COMMANDS) {
        live_run(&live, 1);
        wanted[live.sequence] = live.sequence % 100 == 0 || live.sequence == COMMANDS
                                    ? pit_market_full_digest(live.market)
                                    : pit_market_event_digest(live.market);
    }
    live_stop(&live, false);
    warnings = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    live_end(&live);
    memory_disk_free(&disk);
    return 0;
}

static void warn(void *context, const char *text)
{
    (void)context;
    (void)text;
    warnings++;
}

static struct pit_walk *open_walk(bool snapshots, size_t bytes)
{
    const struct pit_walk_options options = {.disk = &disk.disk,
                                             .directory = "journal",
                                             .snapshots = snapshots,
                                             .snapshot_worth = 500,
                                             .checkpoint_bytes_max = bytes,
                                             .warn = warn};
    struct pit_walk *walk = NULL;
    struct pit_error error = {0};
    if (pit_walk_open(&walk, &options, &error))
        fail_msg("%s", error.text);
    return walk;
}

static void check_here(struct pit_walk *walk, uint64_t sequence)
{
    assert_int_equal(pit_walk_sequence(walk), sequence);
    assert_int_equal(pit_walk_time_ns(walk), sequence * NS_PER_COMMAND);
    const struct pit_market *market = pit_walk_market(walk);
    struct pit_digest here = pit_market_event_digest(market);
    if (sequence > LIVE_SYMBOLS) {
        assert_int_equal(here.events, wanted[sequence].events);
        assert_int_equal(here.events_count, wanted[sequence].events_count);
    }
    if (sequence % 100 == 0 || sequence == COMMANDS) {
        here = pit_market_full_digest(market);
        assert_memory_equal(&here, &wanted[sequence], sizeof here);
    }
}

static void go(struct pit_walk *walk, uint64_t sequence)
{
    struct pit_error error = {0};
    const int code = pit_walk_to(walk, sequence, &error);
    if (code)
        fail_msg("to %lu: %d %s", sequence, code, error.text);
    check_here(walk, sequence);
}

static void every_place_has_its_state(void **state)
{
    (void)state;
    struct pit_walk *walk = open_walk(false, 0);
    check_here(walk, 0);
    for (int i = 0; i < 150; i++) {
        const uint64_t far = random_below(COMMANDS / 100 + 1) * 100;
        go(walk, far);
        const uint64_t near = random_below(200);
        if (random_below(2))
            go(walk, far > near ? far - near : 0);
        else
            go(walk, far + near < COMMANDS ? far + near : COMMANDS);
    }
    go(walk, COMMANDS);
    const struct pit_walk_statistics statistics = pit_walk_statistics(walk);
    assert_true(statistics.restored > 50 && statistics.loaded == 0);
    assert_true(statistics.checkpoints > 3 && statistics.checkpoint_bytes > 0);
    pit_walk_close(walk);
}

static void steps_back_cost_little(void **state)
{
    (void)state;
    struct pit_walk *walk = open_walk(false, 0);
    go(walk, COMMANDS);
    const uint64_t before = pit_walk_statistics(walk).applied;
    assert_int_equal(before, COMMANDS);
    for (uint64_t sequence = COMMANDS - 1; sequence > COMMANDS - 10; sequence--)
        go(walk, sequence);
    const struct pit_walk_statistics statistics = pit_walk_statistics(walk);
    uint64_t apart = 4 * wanted[COMMANDS].orders;
    if (apart < PIT_WALK_EVERY_MIN)
        apart = PIT_WALK_EVERY_MIN;
    assert_int_equal(statistics.restored, 9);
    assert_true(statistics.applied - before <= 9 * (apart + 2 * PIT_WALK_EVERY_MIN));
    pit_walk_close(walk);
}

static void checkpoints_stay_within_their_memory(void **state)
{
    (void)state;
    const size_t bytes[] = {1, 20000, 200000, 500000};
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        struct pit_walk *walk = open_walk(false, bytes[i]);
        for (uint64_t sequence = 0; sequence < COMMANDS; sequence += 1000) {
            go(walk, sequence);
            assert_true(pit_walk_statistics(walk).checkpoint_bytes <= bytes[i]);
        }
        for (int k = 0; k < 10; k++)
            go(walk, random_below(COMMANDS / 100) * 100);
        const struct pit_walk_statistics statistics = pit_walk_statistics(walk);
        assert_true(statistics.checkpoint_bytes <= bytes[i]);
        assert_true(i > 0 || (statistics.checkpoints == 0 && statistics.restored == 0));
        if (statistics.checkpoints > most)
            most = statistics.checkpoints;
        pit_walk_close(walk);
    }
    assert_true(most > 1);
}

static void time_is_a_place_too(void **state)
{
    (void)state;
    struct pit_walk *walk = open_walk(false, 0);
    struct pit_error error = {0};
    for (int i = 0; i < 60; i++) {
        const uint64_t sequence = random_below(COMMANDS);
        const uint64_t time_ns = sequence * NS_PER_COMMAND + random_below(NS_PER_COMMAND);
        assert_int_equal(pit_walk_to_time(walk, time_ns, &error), 0);
        check_here(walk, sequence);
    }
    assert_int_equal(pit_walk_to_time(walk, COMMANDS * (uint64_t)NS_PER_COMMAND, &error), 1);
    check_here(walk, COMMANDS);
    pit_walk_close(walk);
}

static void end_is_told(void **state)
{
    (void)state;
    struct pit_walk *walk = open_walk(false, 0);
    struct pit_error error = {0};
    const struct pit_command *command;
    assert_int_equal(pit_walk_to(walk, COMMANDS + 5, &error), 1);
    check_here(walk, COMMANDS);
    assert_int_equal(pit_walk_next(walk, &error), 0);
    assert_int_equal(pit_walk_peek(walk, &command, &error), 0);
    go(walk, COMMANDS - 1);
    assert_int_equal(pit_walk_peek(walk, &command, &error), 1);
    assert_int_equal(command->sequence, COMMANDS);
    check_here(walk, COMMANDS - 1);
    assert_int_equal(pit_walk_next(walk, &error), 1);
    check_here(walk, COMMANDS);
    pit_walk_close(walk);
}

struct heard {
    uint64_t events, first, last, digest;
};

static void hear(void *context, const struct pit_command *command, const struct pit_event *event)
{
    struct heard *heard = context;
    assert_true(command->sequence >= 1);
    if (heard->events++ == 0)
        heard->first = event->sequence;
    heard->last = event->sequence;
    const uint64_t parts[] = {event->order_id, event->quantity, event->kind, event->account, command->sequence};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        heard->digest = heard->digest * 31 + parts[i];
}

static void events_are_heard_again_the_same(void **state)
{
    (void)state;
    struct pit_walk *walk = open_walk(false, 0);
    struct heard heard[2] = {0};
    for (int i = 0; i < 2; i++) {
        go(walk, 40000);
        pit_walk_listen(walk, hear, &heard[i]);
        go(walk, 41000);
        pit_walk_listen(walk, NULL, NULL);
    }
    assert_memory_equal(&heard[0], &heard[1], sizeof heard[0]);
    assert_int_equal(heard[0].first, wanted[40000].events_count + 1);
    assert_int_equal(heard[0].last, wanted[41000].events_count);
    assert_int_equal(heard[0].events, heard[0].last - heard[0].first + 1);
    pit_walk_close(walk);
}

/* Writes a snapshot of the state there. */
static void snapshot_at(uint64_t sequence, uint64_t command)
{
    struct pit_walk *walk = open_walk(false, 0);
    struct pit_error error = {0};
    go(walk, sequence - 1);
    const struct pit_command *next;
    assert_int_equal(pit_walk_peek(walk, &next, &error), 1);
    struct pit_snapshot_header header = {.sequence = sequence,
                                         .block = 1,
                                         .time_ns = sequence * NS_PER_COMMAND,
                                         .command = command ? command : pit_snapshot_command_digest(next)};
    assert_int_equal(pit_walk_next(walk, &error), 1);
    struct pit_market *market = pit_walk_market(walk);
    assert_int_equal(pit_snapshot_journal_id(&disk.disk, "journal", header.journal_id, NULL), 0);
    assert_int_equal(pit_snapshot_write(&disk.disk, "journal", &market, 1, NULL, NULL, &header, &error), 0);
    pit_walk_close(walk);
}

static void snapshots_spare_commands(void **state)
{
    (void)state;
    snapshot_at(20000, 0);
    snapshot_at(40000, 0);
    snapshot_at(50000, 7); /* another journal's: this one has another command there */
    struct pit_walk *walk = open_walk(true, 0);
    go(walk, 45000);
    assert_int_equal(pit_walk_statistics(walk).loaded, 1);
    assert_int_equal(pit_walk_statistics(walk).applied, 5000);
    go(walk, 39900);
    assert_int_equal(pit_walk_statistics(walk).loaded, 2);
    go(walk, 19999);
    assert_int_equal(pit_walk_statistics(walk).loaded, 2);
    go(walk, 20001);
    go(walk, 40100);
    assert_int_equal(pit_walk_statistics(walk).loaded, 3);
    assert_int_equal(warnings, 0);
    go(walk, 55000);
    assert_int_equal(warnings, 1);
    struct pit_error error = {0};
    assert_int_equal(pit_walk_to_time(walk, UINT64_C(30000) * NS_PER_COMMAND + 1, &error), 0);
    check_here(walk, 30000);
    pit_walk_close(walk);
}

static size_t room(void *context)
{
    return pit_arena_room(context);
}

static void fork_goes_its_own_way(void **state)
{
    (void)state;
    static const uint64_t places[] = {0, 30000};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct pit_walk *walk = open_walk(false, 0);
        struct pit_error error = {0};
        go(walk, places[i]);
        struct pit_arena *arena;
        const struct pit_arena_options options = {.name = "fork", .node = PIT_ARENA_NODE_ANY};
        assert_int_equal(pit_arena_create(&arena, &options, &error), 0);
        const struct pit_reserve reserve = pit_arena_reserve(arena);
        struct pit_market *fork = pit_walk_fork(walk, &reserve, room, arena, &error);
        assert_non_null(fork);
        const struct pit_digest here = pit_market_full_digest(fork);
        assert_true(places[i] == 0 || memcmp(&here, &wanted[places[i]], sizeof here) == 0);
        struct pit_command command = {.sequence = 1, .kind = PIT_COMMAND_STATE, .quantity = PIT_STATE_HALTED};
        struct pit_event slots[16];
        struct pit_event_sink sink = {.slots = slots, .mask = 15, .next = 1, .limit = 16, .folded = 1};
        pit_market_apply(fork, &command, &sink);
        check_here(walk, places[i]);
        go(walk, places[i] + 100);
        pit_arena_destroy(arena);
        pit_walk_close(walk);
    }
}

int main(void)
{
    const char *given = getenv("PIT_SEED");
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    fprintf(stderr, "# PIT_SEED=%lu\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_place_has_its_state, begin, end),
        cmocka_unit_test_setup_teardown(steps_back_cost_little, begin, end),
        cmocka_unit_test_setup_teardown(checkpoints_stay_within_their_memory, begin, end),
        cmocka_unit_test_setup_teardown(time_is_a_place_too, begin, end),
        cmocka_unit_test_setup_teardown(end_is_told, begin, end),
        cmocka_unit_test_setup_teardown(events_are_heard_again_the_same, begin, end),
        cmocka_unit_test_setup_teardown(snapshots_spare_commands, begin, end),
        cmocka_unit_test_setup_teardown(fork_goes_its_own_way, begin, end),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
