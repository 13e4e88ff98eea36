/* tools/demo.c - pitline run --demo: a whole pipeline under its own order flow, and the proof by replay.
 *
 * The flow comes from `pitline load` in a process of its own, over a Unix socket, like any client's. Afterwards the
 * journal is replayed, every journaled digest is compared, and the digest of the final state must equal the live one.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/arena.h"
#include "replay/replay.h"
#include "tools/run.h"

#define LOAD_STOP_NS 15000000000u

/* Orders a second. A market in a hurry, but not all that it could do: at full speed the latencies shown would be those
 * of queues, which say how large the queues are and nothing else. */
#define LOAD_RATE "100000"

struct demo {
    const struct pit_demo_options *options;
    char directory[64];
    char data[80], address[96], program[512];
    pid_t load;
    int load_status;
    bool load_ended;
    struct pit_digest live;
    uint64_t last;
};

static int fail(const char *what)
{
    fflush(stdout);
    fprintf(stderr, "pitline run --demo: %s\n", what);
    return 1;
}

static int prepare(struct demo *demo)
{
    const char *temporary = getenv("TMPDIR");
    if (!temporary || strlen(temporary) > 32)
        temporary = "/tmp";
    snprintf(demo->directory, sizeof demo->directory, "%s/pitline-demo-XXXXXX", temporary);
    if (!mkdtemp(demo->directory))
        return fail("no temporary directory can be made");
    snprintf(demo->data, sizeof demo->data, "%s/data", demo->directory);
    snprintf(demo->address, sizeof demo->address, "unix:%s/sock", demo->directory);
    ssize_t length = readlink("/proc/self/exe", demo->program, sizeof demo->program - 1);
    if (length < 0)
        return fail("/proc/self/exe cannot be read");
    demo->program[length] = 0;
    return 0;
}

/* Starts the order flow. Its own summary would only confuse: it goes to a file beside the journal. Spawned, not forked:
 * a fork would make the pipeline copy its pages as it writes to them. A process group of its own, since Ctrl-C is for
 * the demo, which ends the flow in order. */
static int start_load(struct demo *demo)
{
    char log[96];
    snprintf(log, sizeof log, "%s/load.log", demo->directory);
    const char *const arguments[] = {"pitline", "load",    "--address",  demo->address, "--flow",  "mixed",
                                     "--seed",  "1",       "--accounts", "4",           "--count", "0",
                                     "--rate",  LOAD_RATE, "--quiet",    NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0 || posix_spawnattr_init(&attributes) != 0)
        return fail("no memory to start the order flow");
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int code =
        posix_spawn(&demo->load, demo->program, &actions, &attributes, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code == 0 ? 0 : fail("the order flow cannot be started");
}

static bool load_alive(void *context)
{
    struct demo *demo = context;
    if (!demo->load_ended && waitpid(demo->load, &demo->load_status, WNOHANG) == demo->load)
        demo->load_ended = true;
    return !demo->load_ended;
}

/* Lets the flow finish: no new orders, then all answers. Returns false when it did not end well. */
static bool stop_load(struct demo *demo)
{
    bool early = !load_alive(demo);
    if (!early)
        kill(demo->load, SIGINT);
    uint64_t limit = pit_status_now_ns() + LOAD_STOP_NS;
    while (load_alive(demo) && pit_status_now_ns() < limit)
        usleep(5000);
    if (!demo->load_ended) {
        kill(demo->load, SIGKILL);
        waitpid(demo->load, &demo->load_status, 0);
        demo->load_ended = true;
    }
    return !early && WIFEXITED(demo->load_status) && WEXITSTATUS(demo->load_status) == 0;
}

static void show_load_log(const struct demo *demo)
{
    char path[96], line[256];
    snprintf(path, sizeof path, "%s/load.log", demo->directory);
    FILE *file = fopen(path, "re");
    fflush(stdout);
    while (file && fgets(line, sizeof line, file))
        fprintf(stderr, "  load: %s", line);
    if (file)
        fclose(file);
}

/* Everything while the pipeline exists. Returns the exit status so far. */
static int live(struct demo *demo, struct pit_pipeline *pipeline, const struct pit_config *config)
{
    struct pit_error error = {0};
    if (pit_pipeline_start(pipeline, &error) != 0)
        return fail(error.text);
    printf("ready: %s takes orders on %s for %u s; in another terminal: %s tail %s --book\n", config->pipeline.name,
           demo->address, demo->options->seconds, demo->program, config->pipeline.name);
    if (start_load(demo) != 0)
        return 1;
    struct pit_status status;
    pit_status_init(&status, pipeline);
    int code = pit_run_watch(pipeline, &status, config, false, demo->options->seconds, load_alive, demo, &error);
    if (code < 0 && load_alive(demo))
        kill(demo->load, SIGKILL); /* nobody will answer it any more */
    bool flow_ended_well = stop_load(demo);
    char line[PIT_STATUS_BYTES];
    pit_status_whole(&status, line);
    if (code < 0)
        return fail(error.text);
    if (pit_pipeline_stop(pipeline, config->drain_ms, &error) != 0)
        return fail(error.text);
    printf("whole run: %s\n", line);
    if (!flow_ended_well) {
        show_load_log(demo);
        return fail("the order flow ended early");
    }
    demo->live = pit_pipeline_digest(pipeline);
    demo->last = pit_pipeline_last(pipeline);
    if (code > 0)
        printf("ended early on %s\n", strsignal(code));
    return 0;
}

static int replay(struct demo *demo)
{
    struct pit_error error = {0};
    struct pit_arena *arena = NULL;
    struct pit_arena_options options = {.name = "replay", .node = PIT_ARENA_NODE_ANY, .huge = true};
    if (pit_arena_create(&arena, &options, &error) != 0)
        return fail(error.text);
    struct pit_reserve reserve = pit_arena_reserve(arena);
    struct pit_market *market = pit_market_create(&reserve);
    struct pit_replay_options replay = {.markets = &market, .markets_count = 1, .verify = true};
    struct pit_replay_result result = {0};
    uint64_t begun = pit_status_now_ns();
    int code = pit_replay(pit_disk_machine(), demo->data, &replay, &result, &error);
    double seconds = (double)(pit_status_now_ns() - begun) / 1e9;
    int status = 0;
    if (code) {
        status = fail(error.text);
    } else {
        struct pit_digest digest = pit_market_full_digest(market);
        bool equal = digest.events == demo->live.events && digest.events_count == demo->live.events_count &&
                     digest.state == demo->live.state && digest.orders == demo->live.orders &&
                     result.last_sequence == demo->last;
        printf("replay: %llu commands in %.2f s (%.1f million/s), %llu journaled digests compared\n",
               (unsigned long long)result.commands, seconds, (double)result.commands / 1e6 / seconds,
               (unsigned long long)result.digests_compared);
        printf("  live   events %016llx state %016llx, %llu resting orders\n", (unsigned long long)demo->live.events,
               (unsigned long long)demo->live.state, (unsigned long long)demo->live.orders);
        printf("  replay events %016llx state %016llx, %llu resting orders\n", (unsigned long long)digest.events,
               (unsigned long long)digest.state, (unsigned long long)digest.orders);
        if (equal && result.digests_compared > 0)
            printf("digests equal: the journal rebuilds the run bit for bit\n");
        else
            status = fail("the digests are not equal: the journal does not rebuild the run");
    }
    pit_arena_destroy(arena);
    return status;
}

static void print_next(const struct demo *demo)
{
    printf("\nWhat to try next (pitline is %s):\n\n", demo->program);
    printf("  pitline replay %s --verify --book ALFA\n", demo->data);
    printf("      the demo's journal: its digests, and a book at its end; rm -r %s when done\n", demo->directory);
    printf("  pitline run --name mine --data ./mine --symbol ABC\n");
    printf("      a pipeline of your own, until Ctrl-C; and then in other terminals:\n");
    printf("  pitline tail mine --book\n");
    printf("      its market data, live\n");
    printf("  pitline load --address unix:/tmp/pitline-mine.sock --flow exchange --symbols ABC\n");
    printf("      order flow into it, as fast as it takes it\n");
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

int pit_demo(const struct pit_demo_options *options)
{
    struct demo demo = {.options = options};
    if (prepare(&demo) != 0)
        return 1;
    char *address = demo.address;
    struct pit_config_text text = {
        .name = options->name ? (char *)(uintptr_t)options->name : (char *)(uintptr_t) "demo",
        .data = demo.data,
        .listen = &address,
        .listen_count = 1,
        .matchers = options->matchers,
        .threads = {.mode = (char *)(uintptr_t)options->threads},
        .journal = {.sync = (char *)(uintptr_t)options->sync},
    };
    struct pit_config config;
    struct pit_error error = {0};
    if (pit_config_build(&config, &text, NULL, &error) != 0) {
        rmdir(demo.directory);
        fail(error.text);
        return 2;
    }
    config.pipeline.notes = pit_run_notes;
    printf("a pipeline on %s, under its own order flow, " LOAD_RATE " orders a second, for %u s\n", demo.directory,
           options->seconds);
    struct pit_pipeline *pipeline = NULL;
    bool ran = pit_pipeline_create(&pipeline, &config.pipeline, &error) == 0;
    int status = ran ? live(&demo, pipeline, &config) : fail(error.text);
    pit_pipeline_destroy(pipeline);
    if (status == 0)
        status = replay(&demo);
    if (status == 0)
        print_next(&demo);
    else if (!ran)
        nftw(demo.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    else
        printf("what the demo wrote is in %s\n", demo.directory);
    pit_config_clear(&config);
    return status;
}
