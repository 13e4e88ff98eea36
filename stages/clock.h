/* stages/clock.h - time as the stages see it: a function in a table, so that a simulation can stand in for it.
 *
 * Only the gateway turns time into data (a command's time_ns). Others use it for time limits and statistics.
 */
#ifndef PIT_STAGES_CLOCK_H
#define PIT_STAGES_CLOCK_H

#include <stdint.h>

struct pit_clock {
    void *context;
    uint64_t (*utc_ns)(void *context);       /* nanoseconds since 1970, may be stepped */
    uint64_t (*monotonic_ns)(void *context); /* never steps back; for intervals */
};

const struct pit_clock *pit_clock_machine(void);

#endif
