/* test/replay/bench_replay.c - how fast a journal is replayed on this machine: printed, not asserted.
 *
 * Writes a journal of a synthetic flow into a directory of its own under TMPDIR or /tmp (or the one given), then
 * replays it: plain, with verify, and with every event handed to a function. The file is in the page cache, as it is
 * after a restart of the process; a cold disk adds its own time.
 *
 *   bench_replay [COMMANDS] [FLOW] [DIRECTORY]
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "journal/writer.h"
#include "memory/arena.h"
#include "replay/replay.h"
#include "tools/flow.h"

#define ACCOUNTS 16u

static void stop(const char *what, const struct pit_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    exit(1);
}

static struct pit_arena *arena_make(void)
{
    struct pit_arena *arena;
    struct pit_error error;
    if (pit_arena_create(&arena, &(struct pit_arena_options){.name = "bench", .node = PIT_ARENA_NODE_ANY}, &error))
        stop("memory", &error);
    return arena;
}

struct writing {
    struct pit_journal *journal;
    struct pit_market *market; /* for the digests */
    struct pit_event_sink sink;
    uint64_t sequence;
};

static void sink_room(struct pit_event_sink *sink)
{
    pit_market_fold(sink->context, sink);
    sink->limit = sink->next + sink->mask + 1;
}

static void push(struct pit_journal *journal)
{
    pit_journal_commit(journal);
    pit_journal_disk_work(journal);
    pit_journal_prepare_work(journal);
    pit_journal_durable(journal);
}

static void append(struct writing *writing, struct pit_command *command)
{
    command->sequence = ++writing->sequence;
    command->time_ns = 1700000000000000000u + writing->sequence * 200;
    pit_market_apply(writing->market, command, &writing->sink);
    while (!pit_journal_append(writing->journal, command))
        push(writing->journal);
    if (writing->sequence % 4096 == 0)
        push(writing->journal);
    if (writing->sequence % PIT_JOURNAL_DIGEST_EVERY)
        return;
    struct pit_digest digest = pit_market_event_digest(writing->market);
    while (!pit_journal_append_digest(writing->journal, writing->sequence, &digest, false))
        push(writing->journal);
}

static void write_journal(const char *directory, const char *name, uint64_t commands)
{
    struct pit_error error = {0};
    struct pit_journal_options options = {
        .directory = directory, .segment_bytes = (uint64_t)256 << 20, .sync = PIT_JOURNAL_SYNC_NEVER};
    struct pit_journal_end end = {0};
    struct pit_flow *flow;
    struct writing writing = {0};
    static struct pit_event events[1024];
    struct pit_arena *arena = arena_make();
    struct pit_reserve reserve = pit_arena_reserve(arena);
    if (pit_flow_create(&flow, &(struct pit_flow_options){.name = name, .seed = 1, .symbols = 1, .accounts = ACCOUNTS},
                        &error))
        stop("flow", &error);
    if (pit_journal_open(&writing.journal, pit_disk_machine(), &options, &end, &error))
        stop("journal", &error);
    uint64_t *ids = calloc(commands + 1, sizeof *ids);
    if (!ids)
        abort();
    writing.market = pit_market_create(&reserve);
    writing.sink = (struct pit_event_sink){.slots = events,
                                           .mask = 1023,
                                           .next = 1,
                                           .limit = 1025,
                                           .folded = 1,
                                           .make_room = sink_room,
                                           .context = writing.market};
    struct pit_command symbol = {.kind = PIT_COMMAND_SYMBOL,
                                 .flags = PIT_COMMAND_WIDE,
                                 .definition = {.name = "BENCH",
                                                .price_min = 1,
                                                .price_max = 1000000,
                                                .quantity_max = 1000000,
                                                .orders_max = 1u << 20,
                                                .levels_max = 1u << 16,
                                                .tick_mantissa = 1,
                                                .tick_decimals = 2,
                                                .lot_mantissa = 1}};
    append(&writing, &symbol);
    for (uint64_t i = 0; i < commands; i++) {
        struct pit_flow_operation operation;
        pit_flow_next(flow, &operation);
        struct pit_command command = {
            .kind = operation.kind,
            .symbol = operation.symbol,
            .account = operation.account + 1,
            .price = operation.price,
            .quantity = operation.quantity,
            .side = operation.side,
            .tif = operation.tif,
            .flags = (uint8_t)((operation.market ? PIT_COMMAND_MARKET : 0) |
                               (operation.post_only ? PIT_COMMAND_POST_ONLY : 0)),
            .order_id = operation.kind == PIT_FLOW_NEW ? 0 : ids[operation.order],
            .client_id = operation.kind == PIT_FLOW_NEW ? operation.order : 0,
        };
        append(&writing, &command);
        if (operation.kind == PIT_FLOW_NEW)
            ids[operation.order] = writing.sequence;
    }
    while (!pit_journal_idle(writing.journal))
        push(writing.journal);
    pit_journal_close(writing.journal);
    pit_flow_destroy(flow);
    free(ids);
    pit_arena_destroy(arena);
}

static bool count_event(void *context, const struct pit_command *command, const struct pit_event *event)
{
    uint64_t *sum = context;
    *sum += command->sequence ^ event->order_id;
    return true;
}

static void measure(const char *directory, const char *name, bool verify, bool events)
{
    struct pit_arena *arena = arena_make();
    struct pit_reserve reserve = pit_arena_reserve(arena);
    struct pit_market *market = pit_market_create(&reserve);
    struct pit_replay_result result;
    struct pit_error error = {0};
    uint64_t sum = 0;
    struct pit_replay_options options = {.markets = &market,
                                         .markets_count = 1,
                                         .verify = verify,
                                         .event = events ? count_event : NULL,
                                         .event_context = &sum};
    struct timespec start;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (pit_replay(pit_disk_machine(), directory, &options, &result, &error))
        stop("replay", &error);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
    printf("%-16s %6.2f M commands/s  (%lu commands, %lu events, %lu trades, %lu rejects, %.3f s)\n", name,
           (double)result.commands / seconds / 1e6, result.commands, result.events, result.trades, result.rejects,
           seconds);
    pit_arena_destroy(arena);
}

static void remove_directory(const char *directory)
{
    DIR *list = opendir(directory);
    for (struct dirent *entry; list && (entry = readdir(list));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(list), entry->d_name, 0);
    if (list)
        closedir(list);
    rmdir(directory);
}

int main(int argc, char **argv)
{
    char directory[256];
    uint64_t commands = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
    const char *flow = argc > 2 ? argv[2] : "exchange";
    if (argc > 3) {
        snprintf(directory, sizeof directory, "%s", argv[3]);
    } else {
        snprintf(directory, sizeof directory, "%s/pit-bench-replay-XXXXXX",
                 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        if (!mkdtemp(directory)) {
            perror(directory);
            return 1;
        }
    }
    write_journal(directory, flow, commands);
    measure(directory, "plain", false, false);
    measure(directory, "verify", true, false);
    measure(directory, "verify + events", true, true);
    if (argc <= 3)
        remove_directory(directory);
    return 0;
}
