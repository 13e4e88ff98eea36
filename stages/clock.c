/* stages/clock.c - the machine's clocks. */
#include "stages/clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec time;
    clock_gettime(id, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static uint64_t utc_ns(void *context)
{
    (void)context;
    return read_ns(CLOCK_REALTIME);
}

static uint64_t monotonic_ns(void *context)
{
    (void)context;
    return read_ns(CLOCK_MONOTONIC);
}

const struct pit_clock *pit_clock_machine(void)
{
    static const struct pit_clock machine = {.utc_ns = utc_ns, .monotonic_ns = monotonic_ns};
    return &machine;
}
