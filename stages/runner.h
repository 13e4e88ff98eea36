/* stages/runner.h - gives agents to threads, as a topology says, and starts, wakes and joins those threads.
 *
 * One controlling thread calls everything here but the relief. Each thread calls the do_work of its agents in turn;
 * when none of them had work it goes down its ladder of waiting, and at its foot sleeps on its bell, or in the park of
 * the agent that has one. After a turn with work it rings the bells of those threads that the agent feeds and that may
 * be asleep.
 *
 * Order: create (bells exist), place each agent, say who feeds whom, start, ..., phase STOP, join, destroy.
 */
#ifndef PIT_STAGES_RUNNER_H
#define PIT_STAGES_RUNNER_H

#include "stages/agent.h"
#include "stages/topology.h"

struct pit_runner;

/* Lines for people: what was and what was not possible. */
struct pit_notes {
    void (*say)(void *context, const char *line);
    void *context;
};

/* 0; -ENOMEM. topology is copied; control must outlive the runner. */
int pit_runner_create(struct pit_runner **runner, const struct pit_topology *topology,
                      const struct pit_control *control, struct pit_error *error);

/* The bell of the thread that will run an agent (an index of the topology's request): to be rung by others when there
 * is work for it. */
struct pit_bell *pit_runner_bell(struct pit_runner *runner, uint32_t agent);

/* Says what agent number agent is. Before start. */
void pit_runner_place(struct pit_runner *runner, uint32_t agent, const struct pit_agent *what);

/* What agent number agent is: for whoever calls the agents himself, without threads. */
const struct pit_agent *pit_runner_agent(const struct pit_runner *runner, uint32_t agent);

/* After a turn in which agent had work, the thread of reader is woken if it may be asleep. Before start. Nothing
 * happens when both are on one thread. */
void pit_runner_feeds(struct pit_runner *runner, uint32_t agent, uint32_t reader);

/* What an agent does while it waits for room that readers must make: runs those of the readers (agent numbers, already
 * placed by the time it is used) that share its thread, wakes the others and gives way to them. Valid as long as the
 * runner. One relief per agent. */
struct pit_relief pit_runner_relief(struct pit_runner *runner, uint32_t agent, const uint32_t *readers,
                                    uint32_t readers_count);

/* Starts the threads and runs every init; do_work begins when all have succeeded. notes gets a line for each thing that
 * the machine refused (pinning, SCHED_FIFO). 0; otherwise the first error of an init or of a thread's start: then no
 * thread is left. */
int pit_runner_start(struct pit_runner *runner, const struct pit_notes *notes, struct pit_error *error);

/* After PIT_PHASE_STOP: waits for the threads to leave. 0; -ETIMEDOUT: a thread is still in the kernel (a disk that
 * does not answer); its memory must then stay. */
int pit_runner_join(struct pit_runner *runner, uint32_t timeout_ms, struct pit_error *error);

/* Threads' statistics: turns, turns with work, sleeps; relaxed words. */
struct pit_runner_counters {
    uint64_t turns;
    uint64_t turns_worked;
    uint64_t sleeps;
};
const struct pit_runner_counters *pit_runner_counters(const struct pit_runner *runner, uint32_t thread);

void pit_runner_destroy(struct pit_runner *runner);

#endif
