/* tools/run.h - what `pitline run` and its demo share: a pipeline from start to clean stop. One thread. */
#ifndef PIT_TOOLS_RUN_H
#define PIT_TOOLS_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/config.h"
#include "tools/status.h"

/* Holds back SIGINT and SIGTERM (they are waited for) and ignores SIGPIPE and SIGXFSZ. Before any thread starts. */
void pit_run_hold_signals(void);

/* Waits at most ns for SIGINT or SIGTERM. Returns its number, or 0. */
int pit_run_await_signal(uint64_t ns);

/* Runs until a signal, a failure, or until seconds have passed (0 = no limit): prints the status line each interval.
 * alive (may be NULL) is asked ten times a second: false ends the run. Returns the signal's number, 0 = the time was
 * up or alive said so, or a negative errno with error. */
int pit_run_watch(struct pit_pipeline *pipeline, struct pit_status *status, const struct pit_config *config, bool quiet,
                  uint32_t seconds, bool (*alive)(void *context), void *context, struct pit_error *error);

/* Lines for people, on stdout. */
extern const struct pit_notes pit_run_notes;

/* Tells of a recovery, once a second; context: a uint64_t, 0, for when it last did. False once a signal came. */
bool pit_run_progress(void *context, uint64_t bytes_done, uint64_t bytes_total, uint64_t commands);

/* pitline run --demo[=SECONDS]. Returns the exit status. threads: as on the command line, or NULL. */
struct pit_demo_options {
    uint32_t seconds;
    const char *threads; /* or NULL */
    uint32_t matchers;   /* 0 = 1 */
    const char *sync;    /* or NULL */
    const char *name;    /* of its market data; NULL = "demo" */
};
int pit_demo(const struct pit_demo_options *options);

#endif
