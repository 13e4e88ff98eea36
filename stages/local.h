/* stages/local.h - stands in for gateway and egress where there are no sockets: commands come from a function, events
 * go to a function. For programs that hold the pipeline in their own process, for benches and for tests.
 *
 * Two agents, each on any thread:
 *   source  the only writer of the input ring (on a node of a cluster: of the intake ring): stamps sequence and time,
 *           start-up commands first. In PIT_PHASE_DRAIN it takes no more and says so.
 *   sink    a gating reader of every output ring. It counts, and measures from a command's time to its last event.
 * Progress: both do_work are bounded and never block, as far as the two functions do not.
 */
#ifndef PIT_STAGES_LOCAL_H
#define PIT_STAGES_LOCAL_H

#include <stdbool.h>

#include "book/event.h"
#include "ring/ring.h"
#include "stages/agent.h"
#include "stages/clock.h"
#include "stages/histogram.h"
#include "stages/links.h"

#define PIT_LOCAL_OUTPUTS_MAX 8u

/* The two functions, each called on the thread of its agent. */
struct pit_local_ends {
    /* Fills every field of the next command but sequence, which readers are looking at, and time_ns (line 1 only with
     * PIT_COMMAND_WIDE). False: there is none for now. */
    bool (*fill)(void *context, struct pit_command *command);
    /* Takes one event, which is valid during the call; NULL where only counting is wanted. */
    void (*take)(void *context, const struct pit_event *event);
    /* A handle that has something to read when fill may have a command, for threads that sleep on handles
     * (stages/agent.h); NULL where fill is to be asked now and then. */
    int (*handle)(void *context);
    void *context;
};

struct pit_local_config {
    struct pit_local_ends ends;
    struct pit_ring *input;            /* of struct pit_command */
    const struct pit_node_board *node; /* of a cluster's node: input is the intake ring, and commands are taken while
                                          the node leads; NULL = no cluster */
    struct pit_intake_board *intake;   /* with node: written by the source */
    struct pit_ring *const *outputs;   /* of lines of struct pit_event; create adds a reader to each */
    uint32_t outputs_count;            /* 1 .. PIT_LOCAL_OUTPUTS_MAX */
    const struct pit_command *startup; /* go first; copied */
    uint32_t startup_count;
    uint64_t time_ns_min; /* no command gets an earlier time */
    const struct pit_clock *clock;
    const struct pit_control *control;
};

/* Relaxed words: commands by the source, the rest by the sink. */
struct pit_local_counters {
    uint64_t commands;
    uint64_t stalls; /* turns of the source that found the input ring full */
    uint64_t events;
    uint64_t answered; /* commands whose last event was taken */
    uint64_t trades;
    uint64_t rejects;
};

struct pit_local;

/* 0; -EINVAL; -ENOMEM. Before any of the rings is written. */
int pit_local_create(struct pit_local **local, const struct pit_local_config *config, struct pit_error *error);
struct pit_agent pit_local_source_agent(struct pit_local *local); /* "source" */
struct pit_agent pit_local_sink_agent(struct pit_local *local);   /* "sink" */
void pit_local_destroy(struct pit_local *local);

/* Any thread. */
const struct pit_local_counters *pit_local_counters(const struct pit_local *local);
const struct pit_histogram *pit_local_latency(const struct pit_local *local);

/* Any thread: the start-up commands are all in the input ring. */
bool pit_local_started(const struct pit_local *local);

/* Any thread: the phase DRAIN was seen, and *last is the last sequence the input ring will ever hold. */
bool pit_local_intake_closed(const struct pit_local *local, uint64_t *last);

#endif
