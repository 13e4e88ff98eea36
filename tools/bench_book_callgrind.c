/* tools/bench_book_callgrind.c - instructions of each kind of command, counted by valgrind's callgrind.
 *
 * This program runs itself again under callgrind. There every command is applied in a function of its kind, callgrind
 * counts only inside of those, and what it wrote down is added up here: the lines of such a function are its own
 * instructions and, after each `calls=` line, those of what it called.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench_book.h"

#define STEP "pit_bench_step_"
#define ARGUMENTS_MAX 24u
#define COMMANDS_MAX UINT64_C(100000) /* that callgrind watches: it is fifty times slower than the processor */

static const struct pit_bench_column columns[] = {
    {"flow", "flow", -12, 0},
    {"ids", "ids", -9, 0},
    {"operation", "operation", -10, 0},
    {"commands", "commands", 10, 0},
    {"instructions", "instructions", 13, 1},
    {NULL, NULL, 0, 0},
};

extern char **environ;

/* One function a kind, so that callgrind tells them apart; each returns its own kind, so that no compiler makes two of
 * them one. Called through a table, they are not inlined. */
#define STEP_OF(name, kind)                                                                                            \
    uint32_t pit_bench_step_##name(struct pit_market *market, const struct pit_command *command,                       \
                                   struct pit_event_sink *sink);                                                       \
    uint32_t pit_bench_step_##name(struct pit_market *market, const struct pit_command *command,                       \
                                   struct pit_event_sink *sink)                                                        \
    {                                                                                                                  \
        pit_market_apply(market, command, sink);                                                                       \
        return kind;                                                                                                   \
    }
STEP_OF(new, PIT_BENCH_NEW)
STEP_OF(cancel, PIT_BENCH_CANCEL)
STEP_OF(reduce, PIT_BENCH_REDUCE)
STEP_OF(replace, PIT_BENCH_REPLACE)
STEP_OF(aggressor, PIT_BENCH_AGGRESSOR)

int pit_bench_under_callgrind(struct pit_bench_report *report, const struct pit_bench_options *options,
                              const struct pit_bench_stream *stream, struct pit_error *error)
{
    (void)report;
    static uint32_t (*const steps[PIT_BENCH_KINDS])(struct pit_market *, const struct pit_command *,
                                                    struct pit_event_sink *) = {
        pit_bench_step_new, pit_bench_step_cancel, pit_bench_step_reduce, pit_bench_step_replace,
        pit_bench_step_aggressor};
    struct pit_bench_market market;
    int code = pit_bench_market_open(&market, stream, options->huge, error);
    if (code)
        return code;
    pit_bench_market_apply(&market, stream->commands, stream->commands + stream->filling, false);
    for (uint64_t i = stream->filling; i < stream->total && !code; i++) {
        const uint32_t kind = stream->kinds[i];
        if (kind >= PIT_BENCH_KINDS)
            pit_market_apply(market.market, &stream->commands[i], &market.sink);
        else if (steps[kind](market.market, &stream->commands[i], &market.sink) != kind)
            code = pit_error_set(error, -EPROTO, "a step is not of its kind");
    }
    pit_bench_market_close(&market);
    return code;
}

/* Adds up the costs in a callgrind file by kind. */
static int costs_read(const char *path, uint64_t *costs, struct pit_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return pit_error_set(error, -errno, "%s: %s", path, strerror(errno));
    char line[1024];
    int kind = -1;
    while (fgets(line, sizeof line, file)) {
        unsigned long long at, cost;
        if (strncmp(line, "fn=", 3) == 0) {
            kind = -1;
            line[strcspn(line, "\n")] = 0;
            for (int i = 0; i < PIT_BENCH_KINDS && strncmp(line + 3, STEP, strlen(STEP)) == 0; i++)
                kind = strcmp(line + 3 + strlen(STEP), pit_bench_kind_name((enum pit_bench_kind)i)) == 0 ? i : kind;
        } else if (kind >= 0 && sscanf(line, "%llu %llu", &at, &cost) == 2) {
            costs[kind] += cost;
        }
    }
    fclose(file);
    return 0;
}

/* Runs valgrind with these arguments, silently, and waits for its end. */
static int valgrind_run(char *const *arguments, struct pit_error *error)
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const int code = posix_spawnp(&child, "valgrind", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (code == ENOENT)
        return pit_error_set(error, -ENOENT,
                             "instructions are counted by valgrind, which is not installed (Debian: apt install "
                             "valgrind)");
    if (code)
        return pit_error_set(error, -code, "valgrind: %s", strerror(code));
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return pit_error_set(error, -errno, "valgrind: %s", strerror(errno));
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return pit_error_set(error, -EIO,
                             "valgrind ended with %s %d; if it could not read the debug information, build with "
                             "-gdwarf-4 (-Dc_args=-gdwarf-4)",
                             WIFEXITED(status) ? "status" : "signal",
                             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return 0;
}

/* This program's measurement of the stream under callgrind, which writes to path. */
static int watch(const struct pit_bench_options *options, const struct pit_bench_stream *stream, const char *path,
                 struct pit_error *error)
{
    char self[4096], out[128], numbers[5][32];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return pit_error_set(error, -errno, "/proc/self/exe: %s", strerror(errno));
    self[length] = 0;
    snprintf(out, sizeof out, "--callgrind-out-file=%s", path);
    const uint64_t values[] = {options->count, options->symbols, options->resting, options->levels, options->seed};
    static const char *const names[] = {"--count", "--symbols", "--resting", "--levels", "--seed"};
    const char *arguments[ARGUMENTS_MAX] = {"valgrind",
                                            "-q",
                                            "--tool=callgrind",
                                            "--toggle-collect=" STEP "*",
                                            "--compress-strings=no",
                                            "--compress-pos=no",
                                            out,
                                            self,
                                            "bench",
                                            "book",
                                            "--under-callgrind",
                                            "--flow",
                                            stream->flow,
                                            "--ids",
                                            stream->client_ids ? "client" : "exchange"};
    uint32_t count = 15;
    for (uint32_t i = 0; i < 5; i++) {
        if (values[i] == 0)
            continue;
        snprintf(numbers[i], sizeof numbers[i], "%s=%llu", names[i], (unsigned long long)values[i]);
        arguments[count++] = numbers[i];
    }
    return valgrind_run((char *const *)arguments, error);
}

static int watch_and_read(const struct pit_bench_options *options, const struct pit_bench_stream *stream,
                          uint64_t *costs, struct pit_error *error)
{
    const char *directory = getenv("TMPDIR");
    char path[96];
    if ((size_t)snprintf(path, sizeof path, "%s/pitline-callgrind-XXXXXX", directory ? directory : "/tmp") >=
        sizeof path)
        return pit_error_set(error, -ENAMETOOLONG, "TMPDIR: too long a name: %s", directory);
    const int file = mkstemp(path);
    if (file < 0)
        return pit_error_set(error, -errno, "%s: %s", path, strerror(errno));
    close(file);
    int code = watch(options, stream, path, error);
    if (!code)
        code = costs_read(path, costs, error);
    unlink(path);
    return code;
}

int pit_bench_callgrind(struct pit_bench_report *report, const struct pit_bench_options *options,
                        const struct pit_bench_stream *stream, struct pit_error *error)
{
    struct pit_bench_options fewer = *options;
    if (fewer.count > COMMANDS_MAX)
        fewer.count = COMMANDS_MAX;
    struct pit_bench_stream watched;
    uint64_t costs[PIT_BENCH_KINDS] = {0};
    int code = pit_bench_stream_make(&watched, &fewer, stream->flow, stream->client_ids, error);
    if (!code)
        code = watch_and_read(&fewer, &watched, costs, error);
    if (!code)
        pit_bench_report_table(report, "instructions", columns,
                               "instructions of a command, digests included, without looking ahead (callgrind)");
    for (uint32_t kind = 0; kind < PIT_BENCH_KINDS && !code; kind++) {
        const uint64_t commands = watched.counts[kind];
        if (commands && costs[kind] == 0)
            code = pit_error_set(error, -EPROTO, "callgrind saw no %s", pit_bench_kind_name((enum pit_bench_kind)kind));
        else if (commands)
            pit_bench_report_row(report, json_pack("{s:s, s:s, s:s, s:I, s:f}", "flow", watched.flow, "ids",
                                                   watched.client_ids ? "client" : "exchange", "operation",
                                                   pit_bench_kind_name((enum pit_bench_kind)kind), "commands",
                                                   (json_int_t)commands, "instructions",
                                                   (double)costs[kind] / (double)commands));
    }
    pit_bench_stream_free(&watched);
    return code;
}
