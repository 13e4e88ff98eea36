/* stages/agent.h - what a stage is to its runner.
 *
 * An agent is a state and a few functions. The runner gives agents to threads and calls do_work in turn; one binary can
 * so run each stage on its own core, all of them on one thread, or under a simulator's seeded scheduler.
 *
 * do_work never blocks (the journal's disk and preparing agents excepted: they have threads of their own) and returns
 * how much it did, 0 = nothing. It bounds one call (a few hundred items) so that agents sharing a thread stay prompt.
 */
#ifndef PIT_STAGES_AGENT_H
#define PIT_STAGES_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "pitline/error.h"
#include "ring/sequence.h"

struct pit_agent {
    const char *name; /* "gateway", "matcher-0"; at most 15 characters: it becomes the thread's name */
    void *state;
    /* On the thread that will run it, before any do_work of any agent. May be NULL. */
    int (*init)(void *state, struct pit_error *error);
    uint32_t (*do_work)(void *state);
    /* On that thread, after the last do_work. May be NULL. */
    void (*close)(void *state);
    /* Sleeps at most timeout_ns until the agent's own outside world (its sockets) has something. May be NULL. A thread
     * that is idle to the bottom of its ladder and has such an agent sleeps here instead of on its bell. */
    void (*park)(void *state, uint64_t timeout_ns);
    /* With park: one more handle that ends it when it has something to read, and what park sleeps on, as such a handle
     * for others. May be NULL. */
    int (*watch)(void *state, int handle);
    int (*handle)(void *state);
    /* Its thread sleeps as soon as there is nothing to do, and is woken out of a park by its bell too: for agents that
     * mostly wait for others, which may want the same CPUs. */
    bool wakes;
};

/* The pipeline's phases. Written by the controlling thread only, read by every stage in do_work. */
enum pit_phase {
    PIT_PHASE_RUN = 1,
    PIT_PHASE_DRAIN = 2, /* the gateway takes no more commands; everything accepted is finished */
    PIT_PHASE_STOP = 3,  /* leave */
};

struct pit_control {
    struct pit_sequence phase;
    struct pit_sequence intake_end; /* in DRAIN: one past the last sequence the gateway will ever publish; 0 while that
                                       is not known yet */
};

static inline enum pit_phase pit_control_phase(const struct pit_control *control)
{
    return (enum pit_phase)pit_sequence_load(&control->phase);
}

/* 0, or one past the last sequence the input ring will ever hold: whoever has done everything before it is finished. */
static inline uint64_t pit_control_intake_end(const struct pit_control *control)
{
    return pit_sequence_load(&control->intake_end);
}

/* A stage's way to let others on its own thread run while it waits for room downstream (a matcher in the midst of a
 * command that fills its output ring). On a thread of its own, relieve is a spin or a yield. */
struct pit_relief {
    void (*relieve)(void *context);
    void *context;
};

#endif
