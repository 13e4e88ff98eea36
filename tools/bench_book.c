/* tools/bench_book.c - pitline bench book: how fast one core turns commands into events.
 *
 * The flows are those of `pitline load` (tools/flow.h), made ready in memory beforehand. What is timed is what a
 * matcher does with a batch of durable commands: look ahead, apply, digest, write the events into a ring of slots. What
 * only fills the books at the start is not timed. Every run starts from an empty market, and runs with and without
 * look-ahead take turns, so that both see the same machine.
 */
#include "tools/bench.h"

#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "book/market.h"
#include "ring/check.h"
#include "tools/flow.h"

#define EVENT_SLOTS 16384u
#define AHEAD 8u /* commands */
#define RUNS_MAX 101u
#define MARKET_BYTES ((size_t)2 << 20) /* of a market without its books; more than it takes */

enum { KEY_FLOW = 256, KEY_COUNT, KEY_RUNS, KEY_SYMBOLS, KEY_RESTING, KEY_SEED, KEY_IDS, KEY_HUGE };

static const struct argp_option options[] = {
    {"flow", KEY_FLOW, "NAME", 0, "exchange, itch-like or mixed (default: exchange and itch-like)", 0},
    {"count", KEY_COUNT, "N", 0, "Commands timed in each run (default 1000000)", 0},
    {"runs", KEY_RUNS, "N", 0, "Runs of each kind; the median is printed (default 5)", 0},
    {"symbols", KEY_SYMBOLS, "N", 0, "Symbols that the flow is spread over (default 1)", 0},
    {"resting", KEY_RESTING, "N", 0, "Resting orders over all symbols (default: the flow's own)", 0},
    {"seed", KEY_SEED, "N", 0, "Of the flow (default 1)", 0},
    {"ids", KEY_IDS, "WHOSE", 0, "Orders are named by the exchange's ids or the client's (default: both in turn)", 0},
    {"huge", KEY_HUGE, NULL, 0, "Books on transparent huge pages, where the kernel has them", 0},
    {0},
};

struct arguments {
    const char *flow;
    const char *ids;
    uint64_t count;
    uint64_t runs;
    uint64_t symbols;
    uint64_t resting;
    uint64_t seed;
    bool huge;
};

struct bench {
    struct arguments arguments;
    const char *flow;
    bool client_ids;
    struct pit_command *commands;
    size_t commands_bytes;
    uint64_t filling; /* commands at the start that are not timed */
    uint64_t total;
    uint64_t orders_max; /* of each symbol */
    struct pit_event *slots;
};

struct figures {
    double ns[2][RUNS_MAX]; /* per command; [1] with look-ahead */
    struct pit_digest digest;
    uint64_t rejected;
};

static uint64_t parse_number(struct argp_state *state, const char *option, const char *text, uint64_t max)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || value > max)
        argp_error(state, "--%s: '%s' is not a whole number up to %llu", option, text, (unsigned long long)max);
    return value;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case KEY_FLOW:
        arguments->flow = text;
        return 0;
    case KEY_COUNT:
        arguments->count = parse_number(state, "count", text, UINT64_C(1) << 30);
        return 0;
    case KEY_RUNS:
        arguments->runs = parse_number(state, "runs", text, RUNS_MAX);
        return 0;
    case KEY_SYMBOLS:
        arguments->symbols = parse_number(state, "symbols", text, PIT_SYMBOLS_MAX);
        return 0;
    case KEY_RESTING:
        arguments->resting = parse_number(state, "resting", text, UINT64_C(1) << 27);
        return 0;
    case KEY_SEED:
        arguments->seed = parse_number(state, "seed", text, UINT64_MAX);
        return 0;
    case KEY_IDS:
        if (strcmp(text, "exchange") != 0 && strcmp(text, "client") != 0)
            argp_error(state, "--ids: exchange or client, not '%s'", text);
        arguments->ids = text;
        return 0;
    case KEY_HUGE:
        arguments->huge = true;
        return 0;
    case ARGP_KEY_END:
        if (arguments->count == 0 || arguments->runs == 0 || arguments->symbols == 0)
            argp_error(state, "count, runs and symbols start at 1");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* As many prices as the band has or orders can be at. */
static uint32_t levels_max(const struct pit_flow_band *band, uint32_t orders_max)
{
    const uint32_t most = orders_max < PIT_LEVELS_MAX ? orders_max : PIT_LEVELS_MAX;
    const uint64_t prices = (uint64_t)(band->price_max - band->price_min) + 1;
    return prices < most ? (uint32_t)prices : most;
}

static void define(struct pit_command *command, uint64_t sequence, uint32_t symbol, uint32_t orders_max,
                   const struct pit_flow_band *band)
{
    *command = (struct pit_command){.sequence = sequence,
                                    .symbol = symbol,
                                    .kind = PIT_COMMAND_SYMBOL,
                                    .flags = PIT_COMMAND_WIDE,
                                    .definition = {
                                        .price_min = band->price_min,
                                        .price_max = band->price_max,
                                        .quantity_max = band->quantity_max,
                                        .orders_max = orders_max,
                                        .levels_max = levels_max(band, orders_max),
                                        .tick_mantissa = 1,
                                        .lot_mantissa = 1,
                                    }};
    snprintf(command->definition.name, sizeof command->definition.name, "B%u", symbol);
}

static void translate(const struct bench *bench, struct pit_command *command, uint64_t sequence,
                      const struct pit_flow_operation *operation, const uint64_t *order_id)
{
    *command = (struct pit_command){
        .sequence = sequence,
        .time_ns = sequence,
        .price = operation->price,
        .quantity = operation->quantity,
        .account = operation->account + 1,
        .symbol = operation->symbol,
        .request = (uint32_t)sequence,
        .kind = operation->kind,
        .side = operation->side,
        .tif = operation->tif,
        .flags = (uint8_t)((operation->market ? PIT_COMMAND_MARKET : 0u) |
                           (operation->post_only ? PIT_COMMAND_POST_ONLY : 0u)),
    };
    if (bench->client_ids)
        command->client_id = operation->order;
    else if (operation->kind != PIT_FLOW_NEW)
        command->order_id = order_id[operation->order];
}

static int commands_make(struct bench *bench, struct pit_error *error)
{
    const struct arguments *arguments = &bench->arguments;
    const uint32_t symbols = (uint32_t)arguments->symbols;
    const struct pit_flow_options flow_options = {.name = bench->flow,
                                                  .seed = arguments->seed,
                                                  .symbols = symbols,
                                                  .accounts = 100,
                                                  .resting = (uint32_t)arguments->resting};
    struct pit_flow *flow;
    struct pit_flow_band band;
    int code = pit_flow_band(&flow_options, &band, error);
    if (!code)
        code = pit_flow_create(&flow, &flow_options, error);
    if (code)
        return code;
    bench->filling = symbols + pit_flow_filling(flow);
    bench->total = bench->filling + arguments->count;
    /* Four times what rests: room for a symbol that is busier than the others. */
    bench->orders_max = 1024 + 4 * (pit_flow_filling(flow) / symbols);
    bench->commands_bytes = (bench->total + AHEAD) * sizeof(struct pit_command);
    bench->commands = mmap(NULL, bench->commands_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t *order_id = calloc(bench->total + 1, sizeof *order_id); /* by the flow's number */
    if (bench->commands == MAP_FAILED || !order_id) {
        bench->commands = NULL;
        free(order_id);
        pit_flow_destroy(flow);
        return pit_error_set(error, -ENOMEM, "no memory for %llu commands: ask for fewer (--count)",
                             (unsigned long long)bench->total);
    }
    for (uint64_t i = 0; i < bench->total; i++) {
        const uint64_t sequence = i + 1;
        if (i < symbols) {
            define(&bench->commands[i], sequence, (uint32_t)i, (uint32_t)bench->orders_max, &band);
            continue;
        }
        struct pit_flow_operation operation;
        pit_flow_next(flow, &operation);
        if (operation.kind == PIT_FLOW_NEW)
            order_id[operation.order] = sequence;
        translate(bench, &bench->commands[i], sequence, &operation, order_id);
    }
    free(order_id);
    pit_flow_destroy(flow);
    return 0;
}

/* The ring's readers are always done: what is folded may be overwritten. */
static void make_room(struct pit_event_sink *sink)
{
    pit_market_fold(sink->context, sink);
    sink->limit = sink->next + sink->mask + 1;
}

static void apply_plain(struct pit_market *market, const struct pit_command *command, const struct pit_command *end,
                        struct pit_event_sink *sink)
{
    for (; command != end; command++)
        pit_market_apply(market, command, sink);
}

static void apply_ahead(struct pit_market *market, const struct pit_command *command, const struct pit_command *end,
                        struct pit_event_sink *sink)
{
    for (; command != end; command++) {
        pit_market_prefetch(market, command + AHEAD); /* past the end: zeros, of no kind */
        pit_market_apply(market, command, sink);
    }
}

/* A command that was refused shows that flow and book disagree, or a limit was met: the figures would mislead. */
static uint64_t count_rejected(struct pit_market *market, const struct bench *bench, struct pit_event_sink *sink)
{
    uint64_t rejected = 0;
    for (uint64_t i = 0; i < bench->total; i++) {
        const uint64_t first = sink->next;
        pit_market_apply(market, &bench->commands[i], sink);
        rejected += sink->slots[first & sink->mask].kind == PIT_EVENT_REJECTED;
    }
    return rejected;
}

/* Memory for one market: address space for all of it at once, touched only as the books fill. */
struct block {
    uint8_t *start;
    size_t bytes;
    size_t used;
};

static void *block_reserve(void *context, size_t bytes, size_t alignment)
{
    struct block *block = context;
    const size_t at = (block->used + alignment - 1) & ~(alignment - 1);
    PIT_CHECK(at + bytes <= block->bytes);
    block->used = at + bytes;
    return block->start + at;
}

static int block_map(struct block *block, const struct bench *bench, struct pit_error *error)
{
    const size_t book_bytes = pit_book_bytes(&bench->commands[0].definition) + 128;
    block->used = 0;
    block->bytes = MARKET_BYTES + bench->arguments.symbols * book_bytes;
    block->start = mmap(NULL, block->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block->start == MAP_FAILED)
        return pit_error_set(
            error, -ENOMEM, "no address space for %zu bytes of books: ask for fewer symbols (--symbols)", block->bytes);
    if (bench->arguments.huge)
        madvise(block->start, block->bytes, MADV_HUGEPAGE);
    return 0;
}

enum run { RUN_PLAIN = 0, RUN_AHEAD = 1, RUN_COUNT = 2 };

/* One run from an empty market. *result is nanoseconds a command, or the number of refused ones for RUN_COUNT. */
static int run_once(const struct bench *bench, enum run run, double *result, struct pit_digest *digest,
                    struct pit_error *error)
{
    struct block block;
    const int code = block_map(&block, bench, error);
    if (code)
        return code;
    const struct pit_reserve memory = {.reserve = block_reserve, .context = &block};
    struct pit_market *market = pit_market_create(&memory);
    struct pit_event_sink sink = {.slots = bench->slots,
                                  .mask = EVENT_SLOTS - 1,
                                  .next = 1,
                                  .limit = 1 + EVENT_SLOTS,
                                  .folded = 1,
                                  .make_room = make_room,
                                  .context = market};
    if (run == RUN_COUNT) {
        *result = (double)count_rejected(market, bench, &sink);
    } else {
        const struct pit_command *timed = bench->commands + bench->filling, *end = bench->commands + bench->total;
        apply_plain(market, bench->commands, timed, &sink);
        const uint64_t start_ns = pit_bench_now_ns();
        (run == RUN_AHEAD ? apply_ahead : apply_plain)(market, timed, end, &sink);
        *result = (double)(pit_bench_now_ns() - start_ns) / (double)(end - timed);
    }
    *digest = pit_market_full_digest(market);
    munmap(block.start, block.bytes);
    return 0;
}

static int measure(const struct bench *bench, struct figures *figures, struct pit_error *error)
{
    double rejected;
    int code = run_once(bench, RUN_COUNT, &rejected, &figures->digest, error);
    figures->rejected = (uint64_t)rejected;
    for (uint64_t i = 0; !code && i < 2 * bench->arguments.runs; i++) {
        struct pit_digest digest;
        code = run_once(bench, i % 2 ? RUN_AHEAD : RUN_PLAIN, &figures->ns[i % 2][i / 2], &digest, error);
        if (!code && memcmp(&digest, &figures->digest, sizeof digest) != 0)
            return pit_error_set(error, -EPROTO, "%s: two runs of the same commands gave different digests",
                                 bench->flow);
    }
    return code;
}

static void print(const struct bench *bench, struct figures *figures)
{
    const uint32_t runs = (uint32_t)bench->arguments.runs;
    const double plain = pit_bench_median(figures->ns[RUN_PLAIN], runs);
    const double ahead = pit_bench_median(figures->ns[RUN_AHEAD], runs);
    printf("%-10s %-9s %9llu %8.2f %8.1f %8.2f %8.1f %7.2f %10llu\n", bench->flow,
           bench->client_ids ? "client" : "exchange", (unsigned long long)figures->digest.orders, 1e3 / plain, plain,
           1e3 / ahead, ahead, plain / ahead, (unsigned long long)figures->rejected);
    fflush(stdout);
}

static int bench_flow(struct bench *bench, struct pit_error *error)
{
    struct figures *figures = calloc(1, sizeof *figures);
    if (!figures)
        return pit_error_set(error, -ENOMEM, "no memory");
    int code = commands_make(bench, error);
    if (!code)
        code = measure(bench, figures, error);
    if (!code)
        print(bench, figures);
    if (bench->commands)
        munmap(bench->commands, bench->commands_bytes);
    bench->commands = NULL;
    free(figures);
    return code;
}

static int bench_flows(struct bench *bench, struct pit_error *error)
{
    static const char *const usual[] = {"exchange", "itch-like", NULL};
    const char *const one[] = {bench->arguments.flow, NULL};
    for (const char *const *flow = bench->arguments.flow ? one : usual; *flow; flow++) {
        for (int client = 0; client <= 1; client++) {
            if (bench->arguments.ids && client != (strcmp(bench->arguments.ids, "client") == 0))
                continue;
            bench->flow = *flow;
            bench->client_ids = client;
            const int code = bench_flow(bench, error);
            if (code)
                return code;
        }
    }
    return 0;
}

int pit_bench_book(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Measures how fast one core turns commands into events, in memory, with digests, with and without "
               "looking ahead.",
    };
    struct bench bench = {.arguments = {.count = 1000000, .runs = 5, .symbols = 1, .seed = 1}};
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &bench.arguments))
        return 2;
    bench.slots = aligned_alloc(128, EVENT_SLOTS * sizeof *bench.slots);
    if (!bench.slots) {
        fprintf(stderr, "pitline bench book: no memory\n");
        return 1;
    }
    memset(bench.slots, 0, EVENT_SLOTS * sizeof *bench.slots);
    pit_bench_machine(stdout);
    printf("%llu commands a run, median of %llu runs, %llu symbol%s, seed %llu\n",
           (unsigned long long)bench.arguments.count, (unsigned long long)bench.arguments.runs,
           (unsigned long long)bench.arguments.symbols, bench.arguments.symbols == 1 ? "" : "s",
           (unsigned long long)bench.arguments.seed);
    printf("%-10s %-9s %9s %8s %8s %8s %8s %7s %10s\n", "flow", "ids", "resting", "M/s", "ns", "M/s", "ns", "ratio",
           "rejected");
    printf("%-10s %-9s %9s %17s %17s\n", "", "", "", "plain", "looking ahead");
    struct pit_error error = {0};
    const int code = bench_flows(&bench, &error);
    free(bench.slots);
    if (code)
        fprintf(stderr, "pitline bench book: %s\n", error.text);
    return code == 0 ? 0 : code == -EINVAL ? 2 : 1;
}
