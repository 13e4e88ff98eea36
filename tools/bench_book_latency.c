/* tools/bench_book_latency.c - how long one command takes, by what it does.
 *
 * Every command is timed alone, looking ahead as a matcher does: the look at the command eight further on and the
 * command itself. Reading the clock costs some of what is shown; how much is measured with nothing in between, and
 * said, not taken off.
 */
#include <errno.h>
#include <stdlib.h>

#include "stages/histogram.h"
#include "tools/bench_book.h"
#include "tools/bench_ticks.h"

#define CLOCK_READS 1000000u

static const struct pit_bench_column columns[] = {
    {"flow", "flow", -12, 0},        {"ids", "ids", -9, 0},       {"operation", "operation", -10, 0},
    {"commands", "commands", 10, 0}, {"p50_ns", "p50 ns", 8, 1},  {"p99_ns", "p99 ns", 8, 1},
    {"p999_ns", "p99.9 ns", 9, 1},   {"max_ns", "max ns", 10, 0}, {NULL, NULL, 0, 0},
};

/* Histograms hold ticks here. */
static void record_all(struct pit_bench_market *market, const struct pit_bench_stream *stream,
                       struct pit_histogram *histograms)
{
    struct pit_market *books = market->market;
    struct pit_event_sink *sink = &market->sink;
    for (uint64_t i = stream->filling; i < stream->total; i++) {
        const struct pit_command *command = &stream->commands[i];
        const uint64_t start = pit_bench_ticks();
        pit_market_prefetch(books, command + PIT_BENCH_AHEAD);
        pit_market_apply(books, command, sink);
        const uint64_t end = pit_bench_ticks();
        if (stream->kinds[i] < PIT_BENCH_KINDS)
            pit_histogram_record(&histograms[stream->kinds[i]], end - start);
    }
}

static void record_clock(struct pit_histogram *histogram)
{
    for (uint32_t i = 0; i < CLOCK_READS; i++) {
        const uint64_t start = pit_bench_ticks();
        pit_histogram_record(histogram, pit_bench_ticks() - start);
    }
}

static json_t *row_of(const struct pit_bench_stream *stream, const char *operation, struct pit_histogram *histogram,
                      double tick_ns)
{
    const struct pit_histogram_summary summary = pit_histogram_summarise(histogram);
    return json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f}", "flow", stream->flow, "ids",
                     stream->client_ids ? "client" : "exchange", "operation", operation, "commands",
                     (json_int_t)summary.count, "p50_ns", (double)summary.p50_ns * tick_ns, "p99_ns",
                     (double)summary.p99_ns * tick_ns, "p999_ns", (double)summary.p999_ns * tick_ns, "max_ns",
                     (double)summary.max_ns * tick_ns);
}

int pit_bench_latency(struct pit_bench_report *report, const struct pit_bench_options *options,
                      const struct pit_bench_stream *stream, struct pit_error *error)
{
    struct pit_histogram *histograms = calloc(PIT_BENCH_KINDS + 1, sizeof *histograms); /* the last: the clock's */
    if (!histograms)
        return pit_error_set(error, -ENOMEM, "no memory for histograms");
    struct pit_bench_market market;
    int code = 0;
    for (uint64_t run = 0; run < options->runs && !code; run++) {
        code = pit_bench_market_open(&market, stream, options->huge, error);
        if (code)
            break;
        pit_bench_market_apply(&market, stream->commands, stream->commands + stream->filling, false);
        record_all(&market, stream, histograms);
        pit_bench_market_close(&market);
    }
    const double tick_ns = pit_bench_tick_ns();
    record_clock(&histograms[PIT_BENCH_KINDS]);
    pit_bench_report_table(report, "latency", columns,
                           "each command timed alone, looking ahead, over all runs; reading the clock is in it and"
                           " takes what `clock` says");
    for (uint32_t kind = 0; kind < PIT_BENCH_KINDS && !code; kind++) {
        if (stream->counts[kind])
            pit_bench_report_row(
                report, row_of(stream, pit_bench_kind_name((enum pit_bench_kind)kind), &histograms[kind], tick_ns));
    }
    if (!code)
        pit_bench_report_row(report, row_of(stream, "clock", &histograms[PIT_BENCH_KINDS], tick_ns));
    free(histograms);
    return code;
}
