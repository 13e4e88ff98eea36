/* tools/bench_book_constant.c - what an operation costs as the book grows: over resting orders, then over prices.
 *
 * The depth flow sends blocks of one kind, and after each round as many orders rest at as many prices as before. A
 * block is timed as a whole, so that the clock costs nothing. A run's figure is that of its median block, and what is
 * shown is the median run's. Every run starts from an empty market; runs with and without look-ahead take turns.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench_book.h"

#define RESTING_MAX UINT64_C(10000000)
#define LEVELS_MAX UINT64_C(1000000)
#define LEVELS_USUAL UINT64_C(1000)
#define RESTING_USUAL UINT64_C(1000000)
#define BLOCK_LEAST 16u /* commands; shorter ones say nothing */

#define COSTS(prefix, title)                                                                                           \
    {prefix "_new_ns", title "new", 8, 1}, {prefix "_cancel_ns", "cancel", 7, 1},                                      \
        {prefix "_replace_ns", "replace", 8, 1},                                                                       \
    {                                                                                                                  \
        prefix "_aggressor_ns", "aggr.", 7, 1                                                                          \
    }

static const struct pit_bench_column columns[] = {
    {"ids", "ids", -9, 0}, {"resting", "resting", 9, 0},         {"levels", "levels", 8, 0},   COSTS("plain", ""),
    COSTS("ahead", "| "),  {"bytes_per_order", "B/order", 9, 0}, {"refused", "refused", 8, 0}, {NULL, NULL, 0, 0},
};

/* Nanoseconds a command of each block, by kind. */
struct blocks {
    double *ns[PIT_BENCH_KINDS];
    uint32_t count[PIT_BENCH_KINDS];
};

static void blocks_free(struct blocks *blocks)
{
    for (uint32_t kind = 0; kind < PIT_BENCH_KINDS; kind++)
        free(blocks->ns[kind]);
}

static int blocks_create(struct blocks *blocks, const struct pit_bench_stream *stream)
{
    memset(blocks, 0, sizeof *blocks);
    for (uint32_t kind = 0; kind < PIT_BENCH_KINDS; kind++) {
        blocks->ns[kind] = calloc(stream->counts[kind] / BLOCK_LEAST + 1, sizeof(double));
        if (!blocks->ns[kind]) {
            blocks_free(blocks);
            return -ENOMEM;
        }
    }
    return 0;
}

/* The first command after a run of one kind. */
static uint64_t block_end(const struct pit_bench_stream *stream, uint64_t first)
{
    uint64_t end = first + 1;
    while (end < stream->total && stream->kinds[end] == stream->kinds[first])
        end++;
    return end;
}

static void blocks_time(struct blocks *blocks, const struct pit_bench_stream *stream, struct pit_bench_market *market,
                        bool ahead)
{
    for (uint64_t first = stream->filling; first < stream->total;) {
        const uint64_t end = block_end(stream, first), start_ns = pit_bench_now_ns();
        pit_bench_market_apply(market, stream->commands + first, stream->commands + end, ahead);
        const double ns = (double)(pit_bench_now_ns() - start_ns) / (double)(end - first);
        const uint32_t kind = stream->kinds[first];
        if (kind < PIT_BENCH_KINDS && end - first >= BLOCK_LEAST)
            blocks->ns[kind][blocks->count[kind]++] = ns;
        first = end;
    }
}

/* The figures of all runs of a row, by kind; a kind of which there was no block has none. */
struct figures {
    double ns[PIT_BENCH_KINDS][PIT_BENCH_RUNS_MAX];
    uint32_t count[PIT_BENCH_KINDS];
};

/* One run from an empty market. */
static int run_once(const struct pit_bench_options *options, const struct pit_bench_stream *stream, bool ahead,
                    struct figures *figures, struct pit_error *error)
{
    struct pit_bench_market market;
    struct blocks blocks;
    int code = pit_bench_market_open(&market, stream, options->huge, error);
    if (code)
        return code;
    if (blocks_create(&blocks, stream) != 0) {
        pit_bench_market_close(&market);
        return pit_error_set(error, -ENOMEM, "no memory for the figures");
    }
    pit_bench_market_apply(&market, stream->commands, stream->commands + stream->filling, true);
    blocks_time(&blocks, stream, &market, ahead);
    for (uint32_t kind = 0; kind < PIT_BENCH_KINDS; kind++) {
        if (blocks.count[kind])
            figures->ns[kind][figures->count[kind]++] = pit_bench_median(blocks.ns[kind], blocks.count[kind]);
    }
    const struct pit_digest digest = pit_market_full_digest(market.market);
    blocks_free(&blocks);
    pit_bench_market_close(&market);
    return memcmp(&digest, &stream->digest, sizeof digest) == 0
               ? 0
               : pit_error_set(error, -EPROTO, "two runs of the same commands gave different digests");
}

/* The median of the runs, of each kind. */
static void figures_add(json_t *row, struct figures *figures, const char *prefix)
{
    for (uint32_t kind = 0; kind < PIT_BENCH_KINDS; kind++) {
        char key[32];
        snprintf(key, sizeof key, "%s_%s_ns", prefix, pit_bench_kind_name((enum pit_bench_kind)kind));
        if (figures->count[kind])
            json_object_set_new(row, key, json_real(pit_bench_median(figures->ns[kind], figures->count[kind])));
    }
}

/* All runs of a row. */
static int run_all(struct pit_bench_report *report, const struct pit_bench_options *options,
                   const struct pit_bench_stream *stream, struct pit_error *error)
{
    struct figures plain = {0}, ahead = {0};
    for (uint64_t run = 0; run < options->runs; run++) {
        int code = run_once(options, stream, false, &plain, error);
        if (!code)
            code = run_once(options, stream, true, &ahead, error);
        if (code)
            return code;
    }
    json_t *row = json_pack("{s:s, s:I, s:I, s:I, s:f}", "ids", stream->client_ids ? "client" : "exchange", "resting",
                            (json_int_t)options->resting, "levels", (json_int_t)options->levels, "refused",
                            (json_int_t)stream->counts[PIT_BENCH_REFUSED], "bytes_per_order",
                            (double)stream->pages.bytes / (double)stream->digest.orders);
    figures_add(row, &plain, "plain");
    figures_add(row, &ahead, "ahead");
    pit_bench_report_row(report, row);
    return 0;
}

/* What a table goes over, in steps of ten: resting orders at so many prices, or prices with so many orders. */
struct steps {
    uint64_t first, most;
    uint64_t resting, levels; /* 0: what it goes over */
};

/* A row; one for which there is no memory is left out with a word. */
static int measure(struct pit_bench_report *report, const struct pit_bench_options *options, uint64_t resting,
                   uint64_t levels, bool client_ids, struct pit_error *error)
{
    struct pit_bench_options one = *options;
    one.resting = resting;
    one.levels = levels;
    struct pit_bench_stream stream;
    int code = pit_bench_stream_make(&stream, &one, "depth", client_ids, error);
    if (code == -ENOMEM) {
        pit_bench_report_note(report, "%llu orders on %llu prices left out: %s", (unsigned long long)resting,
                              (unsigned long long)levels, error->text);
        code = 0;
    } else if (!code) {
        code = run_all(report, &one, &stream, error);
    }
    pit_bench_stream_free(&stream);
    return code;
}

/* The rows of a table, with both kinds of ids or the one that is wanted. */
static int measure_steps(struct pit_bench_report *report, const struct pit_bench_options *options,
                         const struct steps *steps, struct pit_error *error)
{
    int code = 0;
    for (int client = 0; client <= 1; client++) {
        if (!pit_bench_ids_wanted(options, client))
            continue;
        for (uint64_t step = steps->first; step <= steps->most && !code; step *= 10)
            code = measure(report, options, steps->resting ? steps->resting : step,
                           steps->levels ? steps->levels : step, client, error);
    }
    return code;
}

int pit_bench_constant_time(struct pit_bench_report *report, const struct pit_bench_options *options,
                            struct pit_error *error)
{
    const uint64_t resting_most = options->resting ? options->resting : RESTING_MAX;
    const uint64_t levels_most = options->levels ? options->levels : LEVELS_MAX;
    const uint64_t levels = levels_most < LEVELS_USUAL ? levels_most : LEVELS_USUAL;
    const uint64_t resting = resting_most < RESTING_USUAL ? resting_most : RESTING_USUAL;
    const struct steps by_resting = {.first = 1000, .most = resting_most, .levels = levels};
    const struct steps by_levels = {
        .first = 1, .most = levels_most < resting ? levels_most : resting, .resting = resting};
    pit_bench_report_table(report, "by_resting", columns,
                           "ns a command over resting orders, plain | looking ahead; medians of blocks of one kind, "
                           "and of runs");
    const int code = measure_steps(report, options, &by_resting, error);
    if (code)
        return code;
    pit_bench_report_table(report, "by_levels", columns,
                           "ns a command over prices in use, plain | looking ahead; medians of blocks of one kind, "
                           "and of runs");
    return measure_steps(report, options, &by_levels, error);
}
