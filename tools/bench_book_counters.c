/* tools/bench_book_counters.c - what the processor counts while commands are applied, looking ahead: instructions,
 * cycles, cache and branch misses of this thread outside the kernel. A virtual machine often has no such counters. */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/bench_book.h"

static const struct counter {
    const char *key;
    uint64_t config;
} counters[] = {
    {"instructions", PERF_COUNT_HW_INSTRUCTIONS},
    {"cycles", PERF_COUNT_HW_CPU_CYCLES},
    {"cache_misses", PERF_COUNT_HW_CACHE_MISSES},
    {"branch_misses", PERF_COUNT_HW_BRANCH_MISSES},
};

#define COUNTERS (sizeof counters / sizeof *counters)

static const struct pit_bench_column columns[] = {
    {"flow", "flow", -12, 0},
    {"ids", "ids", -9, 0},
    {"instructions", "instructions", 13, 1},
    {"cycles", "cycles", 13, 1},
    {"cache_misses", "cache misses", 13, 3},
    {"branch_misses", "branch misses", 13, 3},
    {NULL, NULL, 0, 0},
};

static int counter_open(const struct counter *counter)
{
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_HARDWARE;
    attributes.config = counter->config;
    attributes.disabled = 1;
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Scaled to the whole time where counters had to share the hardware; NULL when it was not counted at all. */
static json_t *counter_read(int file, uint64_t commands)
{
    struct {
        uint64_t value, enabled, running;
    } counted;
    if (file < 0 || read(file, &counted, sizeof counted) != (ssize_t)sizeof counted || counted.running == 0)
        return json_null();
    const double share = (double)counted.enabled / (double)counted.running;
    return json_real((double)counted.value * share / (double)commands);
}

int pit_bench_counters(struct pit_bench_report *report, const struct pit_bench_options *options,
                       const struct pit_bench_stream *stream, struct pit_error *error)
{
    struct pit_bench_market market;
    const int code = pit_bench_market_open(&market, stream, options->huge, error);
    if (code)
        return code;
    const struct pit_command *timed = stream->commands + stream->filling, *end = stream->commands + stream->total;
    pit_bench_market_apply(&market, stream->commands, timed, false);
    int files[COUNTERS];
    for (size_t i = 0; i < COUNTERS; i++)
        files[i] = counter_open(&counters[i]);
    for (size_t i = 0; i < COUNTERS; i++)
        ioctl(files[i], PERF_EVENT_IOC_ENABLE, 0);
    pit_bench_market_apply(&market, timed, end, true);
    for (size_t i = 0; i < COUNTERS; i++)
        ioctl(files[i], PERF_EVENT_IOC_DISABLE, 0);
    pit_bench_report_table(report, "counters", columns,
                           "counted by the processor a command, looking ahead (\"not counted\": the machine or the"
                           " kernel's perf_event_paranoid does not let this process)");
    json_t *row = json_pack("{s:s, s:s}", "flow", stream->flow, "ids", stream->client_ids ? "client" : "exchange");
    for (size_t i = 0; i < COUNTERS; i++) {
        json_object_set_new(row, counters[i].key, counter_read(files[i], (uint64_t)(end - timed)));
        if (files[i] >= 0)
            close(files[i]);
    }
    pit_bench_report_row(report, row);
    pit_bench_market_close(&market);
    return 0;
}
