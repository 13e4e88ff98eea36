/* test/stages/test_pipeline.c - the whole pipeline in this process, with a journal on disk and no sockets. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "memory/arena.h"
#include "replay/replay.h"
#include "stages/pipeline.h"

#define SYMBOLS 3u
#define COMMANDS 40000u /* more than two digests */

static char directory[64];
static struct pit_pipeline_symbol symbols[SYMBOLS + 1];

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/pitline-test-XXXXXX");
    for (uint32_t i = 0; i < SYMBOLS + 1; i++) {
        symbols[i].matcher = PIT_MATCHER_ROUND_ROBIN;
        symbols[i].definition = (struct pit_symbol_definition){.price_min = 1,
                                                               .price_max = 1000000,
                                                               .quantity_max = 1000000,
                                                               .orders_max = 65536,
                                                               .levels_max = 1024,
                                                               .tick_mantissa = 1,
                                                               .lot_mantissa = 1};
        snprintf(symbols[i].definition.name, sizeof symbols[i].definition.name, "S%u", (uint8_t)i);
    }
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The two ends: makes commands from a seed, and keeps what comes out. */
struct ends {
    uint64_t seed;
    uint64_t client_id;
    uint32_t left; /* commands to make; UINT32_MAX: no end */
    /* by the sink's thread */
    uint64_t events, lasts, accepted, traded;
    uint64_t last_order_id;
    bool order_rises;
};

static bool fill(void *context, struct pit_command *command)
{
    struct ends *ends = context;
    if (ends->left == 0)
        return false;
    if (ends->left != UINT32_MAX)
        ends->left--;
    ends->seed = ends->seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t dice = ends->seed >> 33;
    bool cancel = dice % 10 < 3 && ends->client_id > 20;
    command->order_id = 0;
    command->client_id = cancel ? ends->client_id - dice / 64 % 20 : ++ends->client_id;
    command->price = cancel ? 0 : 95 + (int64_t)(dice / 4 % 11);
    command->quantity = cancel ? 0 : 1 + dice / 128 % 9;
    command->account = 1;
    command->symbol = (uint32_t)(command->client_id % SYMBOLS);
    command->request = (uint32_t)ends->client_id;
    command->kind = cancel ? PIT_COMMAND_CANCEL : PIT_COMMAND_NEW;
    command->side = cancel ? 0 : (uint8_t)(dice / 2 % 2);
    command->tif = PIT_TIF_GTC;
    command->flags = 0;
    return true;
}

static void take(void *context, const struct pit_event *event)
{
    struct ends *ends = context;
    ends->events++;
    ends->lasts += (event->flags & PIT_EVENT_LAST) != 0;
    ends->accepted += event->kind == PIT_EVENT_ACCEPTED;
    ends->traded += event->kind == PIT_EVENT_TRADE;
}

struct run {
    struct ends ends;
    struct pit_local_ends local;
    struct pit_pipeline_config config;
    struct pit_pipeline *pipeline;
    char data[96];
};

static void run_prepare(struct run *run, const char *name, enum pit_threads_mode threads, uint32_t commands)
{
    memset(run, 0, sizeof *run);
    run->ends = (struct ends){.seed = 11, .left = commands};
    run->local = (struct pit_local_ends){.fill = fill, .take = take, .context = &run->ends};
    snprintf(run->data, sizeof run->data, "%s/%s", directory, name);
    run->config = (struct pit_pipeline_config){.name = "test",
                                               .directory = run->data,
                                               .symbols = symbols,
                                               .symbols_count = SYMBOLS,
                                               .ends = &run->local,
                                               .threads = threads,
                                               .input_slots = 4096,
                                               .output_slots = 1024,
                                               .segment_bytes = 4 << 20,
                                               .sync = PIT_JOURNAL_SYNC_NEVER};
}

static void run_start(struct run *run)
{
    struct pit_error error = {0};
    if (pit_pipeline_create(&run->pipeline, &run->config, &error) != 0 ||
        pit_pipeline_start(run->pipeline, &error) != 0)
        fail_msg("%s", error.text);
}

static void run_until_answered(struct run *run, uint64_t commands)
{
    struct pit_pipeline_figures figures;
    struct pit_error error = {0};
    do {
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        pit_pipeline_look(run->pipeline, &figures);
        if (pit_pipeline_failed(run->pipeline, &error))
            fail_msg("%s", error.text);
    } while (figures.answered < commands);
}

static struct pit_digest run_stop(struct run *run)
{
    struct pit_error error = {0};
    if (pit_pipeline_stop(run->pipeline, 60000, &error) != 0)
        fail_msg("%s", error.text);
    struct pit_digest digest = pit_pipeline_digest(run->pipeline);
    pit_pipeline_destroy(run->pipeline);
    return digest;
}

static struct pit_digest run_whole(const char *name, enum pit_threads_mode threads, uint32_t matchers)
{
    struct run run;
    run_prepare(&run, name, threads, COMMANDS);
    run.config.matchers = matchers;
    run_start(&run);
    run_until_answered(&run, COMMANDS + SYMBOLS);
    struct pit_digest digest = run_stop(&run);
    assert_int_equal(run.ends.lasts, COMMANDS + SYMBOLS);
    assert_int_equal(run.ends.events, digest.events_count);
    assert_true(run.ends.traded > 1000);
    assert_true(run.ends.accepted > 1000);
    return digest;
}

/* Replays with verification; returns the digest. */
static struct pit_digest replay(const char *data, struct pit_replay_result *result)
{
    struct pit_arena *arena = NULL;
    struct pit_error error = {0};
    struct pit_arena_options options = {.name = "replay", .node = PIT_ARENA_NODE_ANY};
    assert_int_equal(pit_arena_create(&arena, &options, &error), 0);
    struct pit_reserve reserve = pit_arena_reserve(arena);
    struct pit_market *market = pit_market_create(&reserve);
    struct pit_replay_options replay_options = {.markets = &market, .markets_count = 1, .verify = true};
    memset(result, 0, sizeof *result);
    if (pit_replay(pit_disk_machine(), data, &replay_options, result, &error) != 0)
        fail_msg("%s", error.text);
    struct pit_digest digest = pit_market_full_digest(market);
    pit_arena_destroy(arena);
    return digest;
}

/* Keeps the line about memory. */
static void keep_memory_line(void *context, const char *line)
{
    if (strncmp(line, "memory: ", 8) == 0 && strstr(line, " MiB"))
        snprintf(context, 512, "%s", line);
}

static void pipeline_tells_address_space_from_touched_memory(void **state)
{
    (void)state;
    static const enum pit_prefault ways[] = {PIT_PREFAULT_NONE, PIT_PREFAULT_ALL};
    for (uint32_t i = 0; i < 2; i++) {
        struct run run;
        char line[512] = "";
        size_t space = 0, touched = 0;
        run_prepare(&run, i ? "memory-all" : "memory-none", PIT_THREADS_SHARED, 0);
        run.config.notes = (struct pit_notes){.say = keep_memory_line, .context = line};
        run.config.prefault = ways[i];
        run_start(&run);
        run_stop(&run);
        if (sscanf(line, "memory: %zu MiB of address space set aside, %zu MiB of it touched in advance", &space,
                   &touched) != 2)
            fail_msg("%s", line);
        assert_true(space > 0);
        assert_int_equal(touched, i ? space : 0);
    }
}

static void pipeline_gives_the_same_digest_however_threads_and_matchers_are_arranged(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum pit_threads_mode threads;
        uint32_t matchers;
    } ways[] = {{"shared-1", PIT_THREADS_SHARED, 1},
                {"dedicated-1", PIT_THREADS_DEDICATED, 1},
                {"shared-3", PIT_THREADS_SHARED, 3},
                {"dedicated-2", PIT_THREADS_DEDICATED, 2}};
    struct pit_digest first = {0};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct pit_digest live = run_whole(ways[i].name, ways[i].threads, ways[i].matchers);
        char data[96];
        struct pit_replay_result result;
        snprintf(data, sizeof data, "%s/%s", directory, ways[i].name);
        struct pit_digest replayed = replay(data, &result);
        assert_int_equal(result.commands, COMMANDS + SYMBOLS);
        assert_true(result.digests_compared >= 3); /* two on the way and the final one */
        assert_memory_equal(&replayed, &live, sizeof live);
        if (i == 0)
            first = live;
        /* Time is not equal between runs, and is part of the events; the state is. */
        assert_int_equal(live.state, first.state);
        assert_int_equal(live.orders, first.orders);
        assert_int_equal(live.events_count, first.events_count);
    }
}

static void pipeline_stop_drains_everything_accepted(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 4; round++) {
        struct run run;
        char name[32];
        snprintf(name, sizeof name, "drain-%u", round);
        run_prepare(&run, name, round % 2 ? PIT_THREADS_DEDICATED : PIT_THREADS_SHARED, UINT32_MAX);
        run_start(&run);
        run_until_answered(&run, 500 * round); /* in the midst of a flow without end */
        struct pit_error error = {0};
        if (pit_pipeline_stop(run.pipeline, 60000, &error) != 0)
            fail_msg("%s", error.text);
        uint64_t last = pit_pipeline_last(run.pipeline);
        struct pit_digest live = pit_pipeline_digest(run.pipeline);
        pit_pipeline_destroy(run.pipeline);
        assert_int_equal(run.ends.lasts, last);
        struct pit_replay_result result;
        struct pit_digest replayed = replay(run.data, &result);
        assert_int_equal(result.last_sequence, last);
        assert_memory_equal(&replayed, &live, sizeof live);
    }
}

static void pipeline_restart_recovers_and_goes_on(void **state)
{
    (void)state;
    struct run run;
    run_prepare(&run, "restart", PIT_THREADS_SHARED, 5000);
    run_start(&run);
    assert_int_equal(pit_pipeline_recovered(run.pipeline)->commands, 0);
    run_until_answered(&run, 5000 + SYMBOLS);
    struct pit_digest before = run_stop(&run);
    struct ends ends = run.ends;

    for (uint32_t round = 1; round <= 2; round++) {
        run_prepare(&run, "restart", round % 2 ? PIT_THREADS_DEDICATED : PIT_THREADS_SHARED, 0);
        run.ends.seed = ends.seed;
        run.ends.client_id = ends.client_id;
        run.ends.left = 5000;
        run.config.matchers = 1 + round; /* other matchers than before: the books move */
        run_start(&run);
        const struct pit_pipeline_recovered *recovered = pit_pipeline_recovered(run.pipeline);
        assert_int_equal(recovered->commands, 5000 * round + SYMBOLS);
        assert_int_equal(recovered->last_sequence, 5000 * round + SYMBOLS);
        assert_int_equal(recovered->symbols, SYMBOLS);
        assert_int_equal(recovered->orders, before.orders);
        run_until_answered(&run, 5000);
        before = run_stop(&run);
        ends = run.ends;
    }
    struct pit_replay_result result;
    struct pit_digest replayed = replay(run.data, &result);
    assert_int_equal(result.commands, 15000 + SYMBOLS);
    assert_memory_equal(&replayed, &before, sizeof before);
}

static void pipeline_of_an_idle_run_keeps_the_state(void **state)
{
    (void)state;
    struct run run;
    run_prepare(&run, "idle", PIT_THREADS_SHARED, 1000);
    run_start(&run);
    run_until_answered(&run, 1000 + SYMBOLS);
    struct pit_digest before = run_stop(&run);
    for (uint32_t round = 0; round < 3; round++) {
        run_prepare(&run, "idle", PIT_THREADS_SHARED, 0);
        run_start(&run);
        struct pit_digest after = run_stop(&run);
        assert_memory_equal(&after, &before, sizeof before);
    }
    struct pit_replay_result result;
    replay(run.data, &result);
    assert_int_equal(result.commands, 1000 + SYMBOLS);
    assert_int_equal(result.digests_compared, 4); /* one of each clean stop */
}

static void pipeline_adds_symbols_and_changes_bands_at_a_restart(void **state)
{
    (void)state;
    struct run run;
    run_prepare(&run, "symbols", PIT_THREADS_SHARED, 1000);
    run_start(&run);
    run_until_answered(&run, 1000 + SYMBOLS);
    run_stop(&run);

    struct pit_pipeline_symbol changed[3] = {symbols[SYMBOLS], symbols[1], symbols[0]};
    changed[1].definition.price_max = 2000000;
    run_prepare(&run, "symbols", PIT_THREADS_SHARED, 100);
    run.config.symbols = changed;
    run.config.symbols_count = 3;
    run_start(&run);
    run_until_answered(&run, 102);
    run_stop(&run);
    struct pit_replay_result result;
    replay(run.data, &result);
    assert_int_equal(result.kinds[PIT_COMMAND_SYMBOL], SYMBOLS + 2);
    assert_int_equal(result.commands, 1100 + SYMBOLS + 2);
}

static void pipeline_refuses_to_change_more_of_a_symbol_than_its_band(void **state)
{
    (void)state;
    struct run run;
    struct pit_error error = {0};
    run_prepare(&run, "frozen", PIT_THREADS_SHARED, 10);
    run_start(&run);
    run_until_answered(&run, 10 + SYMBOLS);
    run_stop(&run);

    struct pit_pipeline_symbol changed = symbols[1];
    run.config.symbols = &changed;
    run.config.symbols_count = 1;
    changed.definition.lot_mantissa = 10;
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -EINVAL);
    assert_non_null(strstr(error.text, "symbol S1: lot size is 1 in the journal"));
    assert_non_null(strstr(error.text, "and 10 in the configuration"));
    changed = symbols[1];
    changed.definition.orders_max++;
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -EINVAL);
    assert_non_null(strstr(error.text, "orders_max is 65536 in the journal"));
    /* the refusal has let go of the directory */
    changed = symbols[1];
    run.ends.left = 1;
    run_start(&run);
    run_until_answered(&run, 1);
    run_stop(&run);
}

static bool give_up(void *context, uint64_t bytes_done, uint64_t bytes_total, uint64_t commands)
{
    uint64_t *asked = context;
    assert_true(bytes_done <= bytes_total && commands > 0);
    return ++*asked < 2;
}

static void pipeline_gives_a_recovery_up_when_told(void **state)
{
    (void)state;
    struct run run;
    run_prepare(&run, "given-up", PIT_THREADS_SHARED, 60000);
    run_start(&run);
    run_until_answered(&run, 60000 + SYMBOLS);
    struct pit_digest before = run_stop(&run);

    uint64_t asked = 0;
    struct pit_error error = {0};
    run_prepare(&run, "given-up", PIT_THREADS_SHARED, 0);
    run.config.progress = give_up;
    run.config.progress_context = &asked;
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -ECANCELED);
    assert_int_equal(asked, 2);

    run.config.progress = NULL;
    run_start(&run);
    struct pit_digest after = run_stop(&run);
    assert_memory_equal(&after, &before, sizeof after);
}

static void pipeline_refuses_a_directory_in_use(void **state)
{
    (void)state;
    struct run run, other;
    struct pit_error error = {0};
    run_prepare(&run, "used", PIT_THREADS_SHARED, 10);
    run_start(&run);
    run_prepare(&other, "used", PIT_THREADS_SHARED, 10);
    assert_int_equal(pit_pipeline_create(&other.pipeline, &other.config, &error), -EWOULDBLOCK);
    assert_non_null(strstr(error.text, run.data));
    run_until_answered(&run, 10 + SYMBOLS);
    run_stop(&run);
}

static void pipeline_refuses_configurations_that_contradict_themselves(void **state)
{
    (void)state;
    struct run run;
    struct pit_error error = {0};
    run_prepare(&run, "wrong", PIT_THREADS_SHARED, 0);
    run.config.matchers = PIT_MATCHERS_MAX + 1;
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -EINVAL);
    run.config.matchers = 1;
    run.config.input_slots = 5000;
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -EINVAL);
    assert_non_null(strstr(error.text, "power of two"));
    run.config.input_slots = 0;
    struct pit_pipeline_symbol twice[2] = {symbols[0], symbols[0]};
    run.config.symbols = twice;
    run.config.symbols_count = 2;
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -EINVAL);
    assert_non_null(strstr(error.text, "twice"));
    run.config.symbols_count = 1;
    twice[0].matcher = 1;
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -EINVAL);
    run.config.symbols_count = 0;
    assert_int_equal(pit_pipeline_create(&run.pipeline, &run.config, &error), -EINVAL);
    assert_non_null(strstr(error.text, "no symbol"));
}

static void pipeline_keeps_symbols_on_the_matcher_they_are_given_to_by_name(void **state)
{
    (void)state;
    struct pit_pipeline_symbol placed[SYMBOLS];
    memcpy(placed, symbols, sizeof placed);
    for (uint32_t i = 0; i < SYMBOLS; i++)
        placed[i].matcher = 1;
    for (uint32_t round = 0; round < 2; round++) { /* defined live, then recovered */
        struct run run;
        struct pit_pipeline_figures figures;
        run_prepare(&run, "placed", PIT_THREADS_SHARED, 1000);
        run.config.symbols = placed;
        run.config.matchers = 2;
        run.ends.client_id = round * 1000;
        run_start(&run);
        run_until_answered(&run, 1000 + (round == 0 ? SYMBOLS : 0));
        pit_pipeline_look(run.pipeline, &figures);
        assert_int_equal(figures.matched_min, 0);
        assert_true(figures.matched_max >= 1000);
        run_stop(&run);
        struct pit_replay_result result;
        replay(run.data, &result);
    }
}

/* The machine's disk, until it breaks. */
static uint64_t writes_left; /* word */

static int breaking_write(void *context, int file, const void *bytes, size_t count, uint64_t offset)
{
    (void)context;
    uint64_t left = pit_word_load_relaxed(&writes_left);
    if (left == 0)
        return -EIO;
    pit_word_store_relaxed(&writes_left, left - 1);
    const struct pit_disk *machine = pit_disk_machine();
    return machine->write(machine->context, file, bytes, count, offset);
}

static void pipeline_stops_when_the_disk_breaks_and_shows_nothing_that_is_not_durable(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 4; round++) {
        struct run run;
        struct pit_error error = {0};
        char name[32];
        snprintf(name, sizeof name, "broken-%u", round);
        run_prepare(&run, name, round % 2 ? PIT_THREADS_DEDICATED : PIT_THREADS_SHARED, UINT32_MAX);
        struct pit_disk disk = *pit_disk_machine();
        disk.write = breaking_write;
        run.config.disk = &disk;
        pit_word_store_relaxed(&writes_left, UINT64_MAX);
        run_start(&run);
        run_until_answered(&run, 1000);
        pit_word_store_relaxed(&writes_left, round * 3);
        while (!pit_pipeline_failed(run.pipeline, &error))
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        assert_true(error.text[0] != 0);
        assert_int_equal(pit_pipeline_stop(run.pipeline, 60000, &error), -EIO);
        pit_pipeline_destroy(run.pipeline);
        struct pit_replay_result result;
        replay(run.data, &result);
        assert_true(run.ends.lasts >= 1000);
        assert_true(run.ends.lasts <= result.commands);
    }
}

static uint64_t disk_is_full;

static int64_t full_free_bytes(void *context, const char *path)
{
    const struct pit_disk *machine = pit_disk_machine();
    (void)context;
    return pit_word_load_relaxed(&disk_is_full) ? 1000000 : machine->free_bytes(machine->context, path);
}

static void run_until_it_waits_for_space(struct run *run)
{
    struct pit_pipeline_figures figures;
    struct pit_error error = {0};
    do {
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        pit_pipeline_look(run->pipeline, &figures);
        if (pit_pipeline_failed(run->pipeline, &error))
            fail_msg("%s", error.text);
    } while (!figures.space.waits || figures.input_used < figures.input_slots);
    assert_true(figures.space.alarm);
    assert_int_equal(figures.space.free, 1000000);
    assert_int_equal(figures.space.wanted, 5 << 20);
}

/* The rings fill up behind a journal that waits for space. */
static void pipeline_waits_for_a_full_disk_and_goes_on_or_stops_with_what_is_durable(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 4; round++) {
        struct run run;
        struct pit_error error = {0};
        char name[32];
        snprintf(name, sizeof name, "full-%u", round);
        run_prepare(&run, name, round % 2 ? PIT_THREADS_DEDICATED : PIT_THREADS_SHARED, UINT32_MAX);
        struct pit_disk disk = *pit_disk_machine();
        disk.free_bytes = full_free_bytes;
        run.config.disk = &disk;
        run.config.reserve_bytes = 1 << 20;
        pit_word_store_relaxed(&disk_is_full, 0);
        run_start(&run);
        run_until_answered(&run, 1000);
        pit_word_store_relaxed(&disk_is_full, 1);
        run_until_it_waits_for_space(&run);
        bool goes_on = round < 2;
        if (goes_on) {
            uint64_t last = pit_pipeline_last(run.pipeline);
            pit_word_store_relaxed(&disk_is_full, 0);
            run_until_answered(&run, last + 1000);
            if (pit_pipeline_stop(run.pipeline, 60000, &error) != 0)
                fail_msg("%s", error.text);
        } else {
            assert_int_equal(pit_pipeline_stop(run.pipeline, 50, &error), -ENOSPC);
            assert_non_null(strstr(error.text, "the disk is full (1.0 MiB are free in "));
            assert_non_null(strstr(error.text, "5.0 MiB are wanted"));
        }
        uint64_t last = pit_pipeline_last(run.pipeline);
        pit_pipeline_destroy(run.pipeline);
        struct pit_replay_result result;
        replay(run.data, &result);
        assert_int_equal(run.ends.lasts, result.commands);
        assert_true(goes_on ? result.last_sequence == last : result.last_sequence < last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipeline_tells_address_space_from_touched_memory),
        cmocka_unit_test(pipeline_gives_the_same_digest_however_threads_and_matchers_are_arranged),
        cmocka_unit_test(pipeline_stop_drains_everything_accepted),
        cmocka_unit_test(pipeline_restart_recovers_and_goes_on),
        cmocka_unit_test(pipeline_of_an_idle_run_keeps_the_state),
        cmocka_unit_test(pipeline_adds_symbols_and_changes_bands_at_a_restart),
        cmocka_unit_test(pipeline_refuses_to_change_more_of_a_symbol_than_its_band),
        cmocka_unit_test(pipeline_gives_a_recovery_up_when_told),
        cmocka_unit_test(pipeline_refuses_a_directory_in_use),
        cmocka_unit_test(pipeline_refuses_configurations_that_contradict_themselves),
        cmocka_unit_test(pipeline_keeps_symbols_on_the_matcher_they_are_given_to_by_name),
        cmocka_unit_test(pipeline_stops_when_the_disk_breaks_and_shows_nothing_that_is_not_durable),
        cmocka_unit_test(pipeline_waits_for_a_full_disk_and_goes_on_or_stops_with_what_is_durable),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
