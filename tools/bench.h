/* tools/bench.h - what `pitline bench` can measure, and what its parts share.
 *
 * Each part is one file and one function; it parses its own arguments and returns the exit status (0, 1, 2 as in
 * tools/tools.h).
 */
#ifndef PIT_TOOLS_BENCH_H
#define PIT_TOOLS_BENCH_H

#include <stdint.h>
#include <stdio.h>

int pit_bench_book(int argc, char **argv);
int pit_bench_pipeline(int argc, char **argv);

/* One line on what was measured on: processor, CPUs this process may use, kernel, compiler, build. Every printed
 * figure belongs with it. */
void pit_bench_machine(FILE *out);

/* Nanoseconds that only run forwards. */
uint64_t pit_bench_now_ns(void);

/* Sorts the values and returns the middle one; count is at least 1. */
double pit_bench_median(double *values, uint32_t count);

#endif
