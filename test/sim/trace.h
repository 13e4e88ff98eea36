/* test/sim/trace.h - what happened in a run, as lines for people and as a hash that two equal runs share. */
#ifndef PIT_TEST_SIM_TRACE_H
#define PIT_TEST_SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct sim_trace {
    uint64_t hash;
    uint64_t step;
    bool print; /* to stdout */
};

/* Adds "what a b c" to the hash, and prints it when asked to. what must be a literal: its text is hashed. */
void sim_trace_note(struct sim_trace *trace, const char *what, uint64_t a, uint64_t b, uint64_t c);

/* A line for people alone. */
__attribute__((format(printf, 2, 3))) void sim_trace_say(const struct sim_trace *trace, const char *format, ...);

#endif
