/* tools/bench_book_throughput.c - commands a second, as they come and looking ahead.
 *
 * What only fills the books at the start is not timed, and no run waits for memory from the kernel. Every run starts
 * from an empty market, and runs with and without look-ahead take turns, so that both see the same machine.
 */
#include <errno.h>
#include <string.h>

#include "tools/bench_book.h"

static const struct pit_bench_column columns[] = {
    {"flow", "flow", -12, 0},         {"ids", "ids", -9, 0},
    {"resting", "resting", 9, 0},     {"levels", "levels", 8, 0},
    {"plain_mps", "plain M/s", 9, 2}, {"plain_ns", "ns", 7, 1},
    {"ahead_mps", "ahead M/s", 9, 2}, {"ahead_ns", "ns", 7, 1},
    {"ratio", "ratio", 6, 2},         {"bytes_per_order", "B/order", 8, 0},
    {"refused", "refused", 8, 0},     {NULL, NULL, 0, 0},
};

/* Nanoseconds a command. */
static int run_once(const struct pit_bench_options *options, const struct pit_bench_stream *stream, bool ahead,
                    double *ns, struct pit_error *error)
{
    struct pit_bench_market market;
    const int code = pit_bench_market_open(&market, stream, options->huge, error);
    if (code)
        return code;
    const struct pit_command *timed = stream->commands + stream->filling, *end = stream->commands + stream->total;
    pit_bench_market_apply(&market, stream->commands, timed, false);
    const uint64_t start_ns = pit_bench_now_ns();
    pit_bench_market_apply(&market, timed, end, ahead);
    *ns = (double)(pit_bench_now_ns() - start_ns) / (double)(end - timed);
    const struct pit_digest digest = pit_market_full_digest(market.market);
    pit_bench_market_close(&market);
    if (memcmp(&digest, &stream->digest, sizeof digest) != 0)
        return pit_error_set(error, -EPROTO, "%s: two runs of the same commands gave different digests", stream->flow);
    return 0;
}

int pit_bench_throughput(struct pit_bench_report *report, const struct pit_bench_options *options,
                         const struct pit_bench_stream *stream, struct pit_error *error)
{
    double ns[2][PIT_BENCH_RUNS_MAX]; /* [1]: looking ahead */
    for (uint64_t i = 0; i < 2 * options->runs; i++) {
        const int code = run_once(options, stream, i % 2, &ns[i % 2][i / 2], error);
        if (code)
            return code;
    }
    const double plain = pit_bench_median(ns[0], (uint32_t)options->runs);
    const double ahead = pit_bench_median(ns[1], (uint32_t)options->runs);
    const uint64_t resting = stream->digest.orders;
    pit_bench_report_table(report, "throughput", columns,
                           "commands into events, digests included: as they come (plain) and looking 8 commands ahead;"
                           " medians; memory touched a resting order");
    json_t *row =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I}", "flow", stream->flow, "ids",
                  stream->client_ids ? "client" : "exchange", "commands", (json_int_t)(stream->total - stream->filling),
                  "resting", (json_int_t)resting, "levels", (json_int_t)stream->levels, "plain_mps", 1e3 / plain,
                  "plain_ns", plain, "ahead_mps", 1e3 / ahead, "ahead_ns", ahead, "ratio", plain / ahead, "refused",
                  (json_int_t)stream->counts[PIT_BENCH_REFUSED]);
    if (resting)
        json_object_set_new(row, "bytes_per_order", json_real((double)stream->pages.bytes / (double)resting));
    pit_bench_report_row(report, row);
    return 0;
}
