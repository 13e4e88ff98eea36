/* tools/bench_pipeline.c - pitline bench pipeline: all stages in one process, with a journal, without sockets.
 *
 * Commands come from a synthetic flow that is made before the clock starts, so what is measured is the pipeline:
 * sequencing, journal, matching, events to the far end, market data. Then the journal is replayed, timed likewise.
 */
#include <argp.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "memory/arena.h"
#include "replay/replay.h"
#include "tools/arguments.h"
#include "tools/bench.h"
#include "tools/config.h"
#include "tools/flow.h"
#include "tools/run.h"

#define COUNT_DEFAULT 2000000u
#define COUNT_MAX 100000000u
#define ANSWER_SECONDS_MAX 600u

enum {
    KEY_COUNT = 256,
    KEY_FLOW,
    KEY_SEED,
    KEY_SYMBOLS,
    KEY_THREADS,
    KEY_MATCHERS,
    KEY_SYNC,
    KEY_DIRECTORY,
    KEY_SNAPSHOT_EVERY,
    KEY_NO_MD
};

static const struct argp_option options[] = {
    {"count", KEY_COUNT, "N", 0, "Commands [2000000]", 0},
    {"flow", KEY_FLOW, "NAME", 0, "exchange, itch-like or mixed [exchange]", 0},
    {"seed", KEY_SEED, "N", 0, "Of the flow [1]", 0},
    {"symbols", KEY_SYMBOLS, "N", 0, "Symbols [4]", 0},
    {"threads", KEY_THREADS, "MODE", 0, "shared, dedicated, auto [auto]", 0},
    {"matchers", KEY_MATCHERS, "N", 0, "Matchers [1]", 0},
    {"sync", KEY_SYNC, "POLICY", 0, "auto, data, never [auto]", 0},
    {"directory", KEY_DIRECTORY, "DIR", 0,
     "Where the journal is written, in a directory of its own that is removed [.]", 0},
    {"snapshot-every", KEY_SNAPSHOT_EVERY, "N", 0, "Write snapshots on the way, each N commands [0: none]", 0},
    {"no-market-data", KEY_NO_MD, NULL, 0, "Without the publisher", 0},
    {0},
};

struct bench {
    struct pit_flow_options flow;
    uint32_t count;
    char *threads, *sync;
    uint32_t matchers;
    uint64_t snapshot_every;
    const char *parent;
    bool market_data;
    char directory[512];
    struct pit_command *commands;
    uint32_t filled; /* by the source's thread */
    struct pit_digest live;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct bench *bench = state->input;
    switch (key) {
    case KEY_COUNT:
        bench->count = (uint32_t)pit_argument_number(state, "count", text, 1, COUNT_MAX);
        return 0;
    case KEY_FLOW:
        bench->flow.name = text;
        return 0;
    case KEY_SEED:
        bench->flow.seed = pit_argument_number(state, "seed", text, 0, UINT64_MAX);
        return 0;
    case KEY_SYMBOLS:
        bench->flow.symbols = (uint32_t)pit_argument_number(state, "symbols", text, 1, 256);
        return 0;
    case KEY_THREADS:
        bench->threads = text;
        return 0;
    case KEY_MATCHERS:
        bench->matchers = (uint32_t)pit_argument_number(state, "matchers", text, 1, PIT_MATCHERS_MAX);
        return 0;
    case KEY_SYNC:
        bench->sync = text;
        return 0;
    case KEY_DIRECTORY:
        bench->parent = text;
        return 0;
    case KEY_SNAPSHOT_EVERY:
        bench->snapshot_every = pit_argument_number(state, "snapshot-every", text, 0, UINT64_MAX);
        return 0;
    case KEY_NO_MD:
        bench->market_data = false;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Measures the pipeline in one process: sequencing, journal, matching, events, market data; no sockets. Then "
           "the replay of the journal it wrote.",
};

static int fail(const char *what)
{
    fprintf(stderr, "pitline bench pipeline: %s\n", what);
    return 1;
}

/* One operation of the flow as a command. Orders go by the client's id: their place in the flow. */
static void to_command(const struct pit_flow_operation *operation, uint32_t request, struct pit_command *command)
{
    bool new_order = operation->kind == PIT_FLOW_NEW;
    uint8_t flags = new_order && operation->market ? PIT_COMMAND_MARKET : 0;
    if (new_order && operation->post_only)
        flags |= PIT_COMMAND_POST_ONLY;
    *command = (struct pit_command){
        .client_id = operation->order,
        .price = operation->kind == PIT_FLOW_NEW || operation->kind == PIT_FLOW_REPLACE ? operation->price : 0,
        .quantity = operation->kind == PIT_FLOW_CANCEL ? 0 : operation->quantity,
        .account = operation->account + 1,
        .symbol = operation->symbol,
        .request = request,
        .kind = operation->kind,
        .side = new_order ? operation->side : 0,
        .tif = new_order ? operation->tif : 0,
        .flags = flags,
    };
}

static int make_commands(struct bench *bench, struct pit_error *error)
{
    struct pit_flow *flow = NULL;
    int code = pit_flow_create(&flow, &bench->flow, error);
    if (code)
        return code;
    bench->commands = calloc(bench->count, 64);
    if (!bench->commands) {
        pit_flow_destroy(flow);
        return pit_error_set(error, -ENOMEM, "no memory for %u commands", bench->count);
    }
    for (uint32_t i = 0; i < bench->count; i++) {
        struct pit_flow_operation operation;
        struct pit_command command;
        pit_flow_next(flow, &operation);
        to_command(&operation, i + 1, &command);
        memcpy((uint8_t *)bench->commands + (size_t)i * 64, &command, 64);
    }
    pit_flow_destroy(flow);
    return 0;
}

static bool fill(void *context, struct pit_command *command)
{
    struct bench *bench = context;
    if (bench->filled == bench->count)
        return false;
    const size_t skip = offsetof(struct pit_command, order_id); /* sequence and time are not ours */
    const uint8_t *from = (const uint8_t *)bench->commands + (size_t)bench->filled++ * 64;
    memcpy((uint8_t *)command + skip, from + skip, 64 - skip);
    return true;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

/* Waits until every command is answered. */
static int await_answers(struct bench *bench, struct pit_pipeline *pipeline, struct pit_pipeline_figures *figures,
                         struct pit_error *error)
{
    uint64_t wanted = bench->count + bench->flow.symbols;
    uint64_t limit = pit_status_now_ns() + UINT64_C(1000000000) * ANSWER_SECONDS_MAX;
    for (;;) {
        pit_pipeline_look(pipeline, figures);
        if (figures->answered >= wanted)
            return 0;
        if (pit_pipeline_failed(pipeline, error))
            return -EIO;
        if (pit_status_now_ns() > limit)
            return pit_error_set(error, -ETIMEDOUT, "no end after %u s", ANSWER_SECONDS_MAX);
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
}

static void print_live(const struct bench *bench, const struct pit_pipeline_figures *figures, double seconds,
                       const struct pit_topology *topology)
{
    struct pit_histogram_summary latency = pit_histogram_summarise(&figures->latency);
    char p50[PIT_STATUS_TIME_BYTES], p99[PIT_STATUS_TIME_BYTES], p999[PIT_STATUS_TIME_BYTES];
    printf(
        "pipeline: %.2f M commands/s (%u commands in %.2f s; %s, %u threads, %u matchers, sync %s, market data %s)\n",
        (double)bench->count / 1e6 / seconds, bench->count, seconds, pit_threads_mode_name(topology->mode),
        topology->threads_count, bench->matchers, bench->sync ? bench->sync : "auto",
        bench->market_data ? "on" : "off");
    printf("  events %llu, trades %llu, rejects %llu; in to out under this load p50 %s, p99 %s, p99.9 %s\n",
           (unsigned long long)figures->events, (unsigned long long)figures->trades,
           (unsigned long long)figures->rejects, pit_status_time(p50, latency.p50_ns),
           pit_status_time(p99, latency.p99_ns), pit_status_time(p999, latency.p999_ns));
    if (bench->snapshot_every)
        printf("  snapshots %llu written, %llu failed; the last of %.1f MB in %.0f ms; replica at command %llu\n",
               (unsigned long long)figures->snapshots.written, (unsigned long long)figures->snapshots.failed,
               (double)figures->snapshots.bytes / 1e6, (double)figures->snapshots.took_ns / 1e6,
               (unsigned long long)figures->snapshots.applied);
    printf("  journal %.1f MB/s, %.0f commands a block, write mean %.0f us, max %.1f ms\n",
           (double)figures->journal.bytes / 1e6 / seconds,
           (double)figures->journal.commands / (double)(figures->journal.blocks ? figures->journal.blocks : 1),
           (double)figures->journal.write_ns_total / 1e3 /
               (double)(figures->journal.blocks ? figures->journal.blocks : 1),
           (double)figures->journal.write_ns_max / 1e6);
}

static void say(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
}

static int run_live(struct bench *bench, struct pit_pipeline_config *config, struct pit_error *error)
{
    struct pit_pipeline *pipeline = NULL;
    struct pit_pipeline_figures figures;
    struct pit_topology topology;
    config->notes.say = say;
    int code = pit_pipeline_topology(config, &topology, error);
    if (code == 0)
        code = pit_pipeline_create(&pipeline, config, error);
    uint64_t begun = pit_status_now_ns();
    if (code == 0)
        code = pit_pipeline_start(pipeline, error);
    if (code == 0)
        code = await_answers(bench, pipeline, &figures, error);
    if (code == 0)
        print_live(bench, &figures, (double)(pit_status_now_ns() - begun) / 1e9, &topology);
    if (code == 0)
        code = pit_pipeline_stop(pipeline, PIT_PIPELINE_DRAIN_MS, error);
    if (code == 0)
        bench->live = pit_pipeline_digest(pipeline);
    pit_pipeline_destroy(pipeline);
    return code;
}

static int run_replay(const struct bench *bench, struct pit_error *error)
{
    struct pit_arena *arena = NULL;
    struct pit_arena_options options_arena = {.name = "replay", .node = PIT_ARENA_NODE_ANY, .huge = true};
    int code = pit_arena_create(&arena, &options_arena, error);
    if (code)
        return code;
    struct pit_reserve reserve = pit_arena_reserve(arena);
    struct pit_market *market = pit_market_create(&reserve);
    struct pit_replay_options replay = {.markets = &market, .markets_count = 1, .verify = true};
    struct pit_replay_result result = {0};
    uint64_t begun = pit_status_now_ns();
    code = pit_replay(pit_disk_machine(), bench->directory, &replay, &result, error);
    double seconds = (double)(pit_status_now_ns() - begun) / 1e9;
    struct pit_digest digest = pit_market_full_digest(market);
    if (code == 0 && (digest.events != bench->live.events || digest.state != bench->live.state))
        code = pit_error_set(error, -EILSEQ, "the replay's digest is not the live run's");
    if (code == 0)
        printf("replay: %.2f M commands/s (%llu commands in %.2f s, one core; %llu digests equal)\n",
               (double)result.commands / 1e6 / seconds, (unsigned long long)result.commands, seconds,
               (unsigned long long)result.digests_compared);
    pit_arena_destroy(arena);
    return code;
}

/* The symbols' names are S0, S1, ... */
static int measure(struct bench *bench, struct pit_error *error)
{
    char names[256][12];
    struct pit_config_symbol symbols[256];
    memset(symbols, 0, sizeof symbols);
    for (uint32_t i = 0; i < bench->flow.symbols; i++) {
        snprintf(names[i], sizeof names[i], "S%u", i);
        symbols[i].name = names[i];
    }
    struct pit_config_text text = {.data = bench->directory,
                                   .symbols = symbols,
                                   .symbols_count = bench->flow.symbols,
                                   .matchers = bench->matchers,
                                   .threads = {.mode = bench->threads},
                                   .journal = {.sync = bench->sync},
                                   .snapshots = {.every = bench->snapshot_every},
                                   .market_data = {.publish = &bench->market_data}};
    struct pit_config config;
    char name[64];
    snprintf(name, sizeof name, "bench-%d", (int)getpid());
    text.name = name;
    int code = pit_config_build(&config, &text, NULL, error);
    if (code)
        return code;
    struct pit_local_ends ends = {.fill = fill, .context = bench};
    config.pipeline.ends = &ends;
    code = make_commands(bench, error);
    if (code == 0)
        code = run_live(bench, &config.pipeline, error);
    if (code == 0)
        code = run_replay(bench, error);
    char shared[96];
    snprintf(shared, sizeof shared, "/dev/shm/pitline-%s", name);
    nftw(shared, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    pit_config_clear(&config);
    return code;
}

int pit_bench_pipeline(int argc, char **argv)
{
    struct bench bench = {.flow = {.name = "exchange", .seed = 1, .symbols = 4, .accounts = 8},
                          .count = COUNT_DEFAULT,
                          .matchers = 1,
                          .parent = ".",
                          .market_data = true};
    argp_parse(&argp, argc, argv, 0, NULL, &bench);
    if ((size_t)snprintf(bench.directory, sizeof bench.directory, "%s/pitline-bench-XXXXXX", bench.parent) >=
        sizeof bench.directory)
        return fail("the directory's name is too long");
    if (!mkdtemp(bench.directory))
        return fail("no directory can be made for the journal");
    pit_bench_machine(stdout);
    printf("flow %s, %u symbols, %u accounts\n", bench.flow.name, bench.flow.symbols, bench.flow.accounts);
    struct pit_error error = {0};
    int code = measure(&bench, &error);
    nftw(bench.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(bench.commands);
    return code ? fail(error.text) : 0;
}
