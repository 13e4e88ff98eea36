/* tools/bench_ticks.h - a clock fine enough for a single command.
 *
 * On x86 the time stamp counter, read so that everything before it is done; elsewhere CLOCK_MONOTONIC. How long a tick
 * is, is measured against CLOCK_MONOTONIC. Any thread.
 */
#ifndef PIT_TOOLS_BENCH_TICKS_H
#define PIT_TOOLS_BENCH_TICKS_H

#include "tools/bench.h"

static inline uint64_t pit_bench_ticks(void)
{
#if defined(__x86_64__)
    unsigned processor;
    return __builtin_ia32_rdtscp(&processor);
#else
    return pit_bench_now_ns();
#endif
}

/* Nanoseconds a tick; takes 20 ms. */
static inline double pit_bench_tick_ns(void)
{
    const uint64_t start_ns = pit_bench_now_ns(), start = pit_bench_ticks();
    uint64_t now_ns = start_ns;
    while (now_ns - start_ns < 20000000)
        now_ns = pit_bench_now_ns();
    return (double)(now_ns - start_ns) / (double)(pit_bench_ticks() - start);
}

#endif
