/* test/sim/apart.h - a run in a process of its own: one that breaks off, or hangs, is a result like any other. */
#ifndef PIT_TEST_SIM_APART_H
#define PIT_TEST_SIM_APART_H

#include "sim.h"

#define SIM_SECONDS_MAX 120u /* of one run: then it hangs */

/* As sim_run. A violation says so when the process died or took too long. */
void sim_run_apart(const struct sim_plan *plan, bool print, struct sim_result *result);

/* Runs the seeds from .. to one after the other in a process, as sim_run_apart does one, and says each result to each,
 * which returns false to end it. Ends after a violation too. */
void sim_run_seeds(uint64_t from, uint64_t to, uint32_t nodes, uint64_t steps,
                   bool (*each)(void *context, uint64_t seed, const struct sim_result *result), void *context);

/* Makes a plan that fails smaller, as long as it fails: fewer steps, faults, clients and actions. *result is the last
 * failure's. Runs it at most runs_max times; returns how often it did. */
uint32_t sim_minimise(struct sim_plan *plan, uint32_t runs_max, struct sim_result *result);

#endif
