/* tools/moment.h - a point in a journal, as people write it: a sequence, or a time.
 *
 *   1234                              the state after the command with this sequence
 *   2026-11-21T09:30:00.123456789Z    after the last command not later than this time (UTC)
 *   2026-11-21T09:30                  the same, shorter: what is left out is zero
 *   @1763717400123456789              the same, as time_ns stands in the output of pitline journal cat
 */
#ifndef PIT_TOOLS_MOMENT_H
#define PIT_TOOLS_MOMENT_H

#include <stdint.h>

struct pit_moment {
    uint64_t sequence; /* 0: by time */
    uint64_t time_ns;  /* 0: by sequence */
};

/* Returns NULL, or what text should have been. */
const char *pit_moment_parse(const char *text, struct pit_moment *moment);

#endif
