/* tools/bench_book.c - pitline bench book: how fast one core turns commands into events; the options, and which
 * measurement. See tools/bench_book.h for the rest. */
#include "tools/bench_book.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/arguments.h"
#include "tools/flow.h"

enum {
    KEY_FLOW = 256,
    KEY_COUNT,
    KEY_RUNS,
    KEY_SYMBOLS,
    KEY_RESTING,
    KEY_LEVELS,
    KEY_SEED,
    KEY_IDS,
    KEY_HUGE,
    KEY_LATENCY,
    KEY_INSTRUCTIONS,
    KEY_CONSTANT_TIME,
    KEY_JSON,
    KEY_UNDER_CALLGRIND,
};

#define COUNT_MAX (UINT64_C(1) << 30)
#define RESTING_MAX UINT64_C(10000000)
#define SYMBOLS_MAX UINT64_C(10000)

static const struct argp_option options[] = {
    {0, 0, 0, 0, "What is measured (without any of these: commands a second):", 1},
    {"latency", KEY_LATENCY, NULL, 0, "How long each kind of command takes: p50, p99, p99.9, max", 1},
    {"instructions", KEY_INSTRUCTIONS, NULL, 0,
     "What the processor counts a command, where the machine lets it: instructions, cycles, cache and branch misses; "
     "and the instructions of each kind (needs valgrind)",
     1},
    {"constant-time", KEY_CONSTANT_TIME, NULL, 0,
     "What each kind costs over 1,000 to 10,000,000 orders (--resting: at most) and 1 to 1,000,000 prices (--levels)",
     1},
    {0, 0, 0, 0, "On what:", 2},
    {"flow", KEY_FLOW, "NAME,...", 0,
     "exchange, itch-like, mixed, static, normal, swing-25, swing-40, flash-crash, old, wide, sweep, depth (default: "
     "all but mixed and depth); list: only tell the names",
     2},
    {"count", KEY_COUNT, "N", 0, "Commands in each run (default 1000000)", 2},
    {"runs", KEY_RUNS, "N", 0,
     "Runs of each kind, of which the median is printed, with --latency all (default 5); --instructions has one", 2},
    {"symbols", KEY_SYMBOLS, "N", 0, "Symbols, which the commands go round in turn: 1 to 10000 (default 1)", 2},
    {"resting", KEY_RESTING, "N", 0, "Resting orders over all symbols, up to 10000000 (default: the flow's own)", 2},
    {"levels", KEY_LEVELS, "N", 0, "Prices of old, sweep and depth (default 2000)", 2},
    {"seed", KEY_SEED, "N", 0, "Of the flow (default 1)", 2},
    {"ids", KEY_IDS, "WHOSE", 0, "Orders are named by the exchange's ids or the client's (default: both in turn)", 2},
    {"huge", KEY_HUGE, NULL, 0, "Books on transparent huge pages, where the kernel has them", 2},
    {0, 0, 0, 0, "Output:", 3},
    {"json", KEY_JSON, NULL, 0,
     "One JSON object with the same figures; if some could not be measured, \"missing\" says why", 3},
    {"under-callgrind", KEY_UNDER_CALLGRIND, NULL, OPTION_HIDDEN, NULL, 3},
    {0},
};

static const char *const flows_usual[] = {"static",   "normal",    "swing-25", "swing-40", "flash-crash",
                                          "exchange", "itch-like", "old",      "wide",     "sweep"};

/* The names between commas; text is cut up. */
static void parse_flows(struct argp_state *state, struct pit_bench_options *wanted, char *text)
{
    if (strcmp(text, "list") == 0) {
        for (const char *const *name = pit_flow_names; *name; name++)
            printf("%s\n", *name);
        exit(0);
    }
    uint32_t count = 0;
    for (char *name; (name = strsep(&text, ","));) {
        const struct pit_flow_options flow = {.name = name, .symbols = 1, .accounts = 1};
        struct pit_flow_band band;
        struct pit_error error;
        if (pit_flow_band(&flow, &band, &error) != 0)
            argp_error(state, "--flow: %s", error.text);
        if (count == PIT_BENCH_FLOWS_MAX)
            argp_error(state, "--flow: at most %u at once", PIT_BENCH_FLOWS_MAX);
        wanted->flows[count++] = name;
    }
}

static error_t parse_what(int key, struct pit_bench_options *wanted)
{
    switch (key) {
    case KEY_LATENCY:
        wanted->latency = true;
        return 0;
    case KEY_INSTRUCTIONS:
        wanted->instructions = true;
        return 0;
    case KEY_CONSTANT_TIME:
        wanted->constant_time = true;
        return 0;
    case KEY_HUGE:
        wanted->huge = true;
        return 0;
    case KEY_JSON:
        wanted->json = true;
        return 0;
    case KEY_UNDER_CALLGRIND:
        wanted->under_callgrind = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct pit_bench_options *wanted = state->input;
    switch (key) {
    case KEY_FLOW:
        parse_flows(state, wanted, text);
        return 0;
    case KEY_COUNT:
        wanted->count = pit_argument_number(state, "count", text, 1, COUNT_MAX);
        return 0;
    case KEY_RUNS:
        wanted->runs = pit_argument_number(state, "runs", text, 1, PIT_BENCH_RUNS_MAX);
        return 0;
    case KEY_SYMBOLS:
        wanted->symbols = pit_argument_number(state, "symbols", text, 1, SYMBOLS_MAX);
        return 0;
    case KEY_RESTING:
        wanted->resting = pit_argument_number(state, "resting", text, 1, RESTING_MAX);
        return 0;
    case KEY_LEVELS:
        wanted->levels = pit_argument_number(state, "levels", text, 1, PIT_FLOW_LEVELS_MAX);
        return 0;
    case KEY_SEED:
        wanted->seed = pit_argument_number(state, "seed", text, 0, UINT64_MAX);
        return 0;
    case KEY_IDS:
        if (strcmp(text, "exchange") != 0 && strcmp(text, "client") != 0)
            argp_error(state, "--ids: exchange or client, not '%s'", text);
        wanted->ids = text;
        return 0;
    default:
        return parse_what(key, wanted);
    }
}

/* A table with rows of every flow. */
struct measurement {
    int (*measure)(struct pit_bench_report *report, const struct pit_bench_options *options,
                   const struct pit_bench_stream *stream, struct pit_error *error);
};

static const struct measurement throughput = {pit_bench_throughput};
static const struct measurement latency = {pit_bench_latency};
static const struct measurement counters = {pit_bench_counters};
static const struct measurement callgrind = {pit_bench_callgrind};
static const struct measurement under_callgrind = {pit_bench_under_callgrind};

/* One measurement of one flow. */
static int measure_flow(struct pit_bench_report *report, const struct pit_bench_options *wanted, const char *flow,
                        bool client_ids, const struct measurement *measurement, struct pit_error *error)
{
    struct pit_bench_stream stream;
    int code = pit_bench_stream_make(&stream, wanted, flow, client_ids, error);
    if (!code)
        code = measurement->measure(report, wanted, &stream, error);
    pit_bench_stream_free(&stream);
    return code;
}

bool pit_bench_ids_wanted(const struct pit_bench_options *wanted, bool client_ids)
{
    return !wanted->ids || client_ids == (strcmp(wanted->ids, "client") == 0);
}

/* One table: every flow, with both kinds of ids. */
static int measure_flows(struct pit_bench_report *report, const struct pit_bench_options *wanted,
                         const struct measurement *measurement, struct pit_error *error)
{
    int code = 0;
    for (uint32_t i = 0; i < PIT_BENCH_FLOWS_MAX && wanted->flows[i] && !code; i++) {
        for (int client = 0; client <= 1 && !code; client++) {
            if (pit_bench_ids_wanted(wanted, client))
                code = measure_flow(report, wanted, wanted->flows[i], client, measurement, error);
        }
    }
    return code;
}

/* Everything that is wanted, a table after the other; last what needs a program that may not be there. */
static int measure_all(struct pit_bench_report *report, const struct pit_bench_options *wanted, struct pit_error *error)
{
    if (wanted->under_callgrind)
        return measure_flows(report, wanted, &under_callgrind, error);
    int code = 0;
    if (!wanted->latency && !wanted->instructions && !wanted->constant_time)
        code = measure_flows(report, wanted, &throughput, error);
    if (!code && wanted->latency)
        code = measure_flows(report, wanted, &latency, error);
    if (!code && wanted->instructions)
        code = measure_flows(report, wanted, &counters, error);
    if (!code && wanted->constant_time)
        code = pit_bench_constant_time(report, wanted, error);
    if (!code && wanted->instructions)
        code = measure_flows(report, wanted, &callgrind, error);
    return code;
}

int pit_bench_book(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Measures how one core turns commands into events, in memory, with digests: how many a second, how long "
               "each takes, with how many instructions, and what that costs in large books.",
    };
    struct pit_bench_options wanted = {.count = 1000000, .runs = 5, .symbols = 1, .seed = 1};
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &wanted))
        return 2;
    if (!wanted.flows[0])
        memcpy(wanted.flows, flows_usual, sizeof flows_usual);
    struct pit_error error = {0};
    struct pit_bench_report *report = pit_bench_report_create(&wanted);
    if (!report) {
        fprintf(stderr, "pitline bench book: no memory\n");
        return 1;
    }
    const int code = measure_all(report, &wanted, &error);
    pit_bench_report_finish(report, code ? error.text : NULL);
    if (code)
        fprintf(stderr, "pitline bench book: %s\n", error.text);
    return code == 0 ? 0 : code == -EINVAL ? 2 : 1;
}
