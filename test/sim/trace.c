/* test/sim/trace.c - see trace.h. */
#include "trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "random.h"

void sim_trace_note(struct sim_trace *trace, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t hash = trace->hash;
    for (const char *at = what; *at; at++)
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    hash = sim_mix(sim_mix(sim_mix(hash, a), b), c);
    trace->hash = sim_mix(hash, trace->step);
    if (trace->print)
        printf("%8" PRIu64 "  %-22s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", trace->step, what, a, b, c);
}

void sim_trace_say(const struct sim_trace *trace, const char *format, ...)
{
    if (!trace->print)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%8" PRIu64 "  ", trace->step);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}
