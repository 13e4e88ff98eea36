/* stages/topology.h - which agents run on which threads, on which CPUs, and how those threads wait.
 *
 * A pure function of a request: it looks at nothing but its arguments, so a test can ask for any machine.
 *
 * Two rules hold whatever is asked for. An agent that blocks (the journal's disk and preparing agents) never shares a
 * thread. And a thread that spins has a CPU to itself: two spinners on one CPU take turns of milliseconds, so that is
 * refused when asked for CPU by CPU, and otherwise made threads that sleep, with a note that says so.
 */
#ifndef PIT_STAGES_TOPOLOGY_H
#define PIT_STAGES_TOPOLOGY_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "pitline/error.h"
#include "ring/wait.h"

#define PIT_AGENTS_MAX 16u
#define PIT_THREADS_MAX PIT_AGENTS_MAX
#define PIT_AGENT_NAME_BYTES 16u /* with the closing zero: a thread's name */
#define PIT_CPU_ANY (-1)
#define PIT_WAIT_CHOOSE ((enum pit_wait_kind)0)

enum pit_threads_mode {
    PIT_THREADS_AUTO = 0,      /* dedicated when every stage can have a CPU and one is left over, else shared */
    PIT_THREADS_SHARED = 1,    /* all stages take turns on one thread */
    PIT_THREADS_DEDICATED = 2, /* a thread for each stage */
    PIT_THREADS_GROUPS = 3,    /* as the groups say */
};

struct pit_topology_agent {
    char name[PIT_AGENT_NAME_BYTES]; /* "gateway", "matcher-0" */
    bool blocks;                     /* it may stay in the kernel: always on a thread of its own */
    bool background;                 /* its thread runs only where no other wants to */
};

/* One thread as the user wants it. "matcher" stands for every agent "matcher-N" not named elsewhere. */
struct pit_topology_group {
    char name[PIT_AGENT_NAME_BYTES]; /* of the thread; empty: its first agent's */
    char agents[PIT_AGENTS_MAX][PIT_AGENT_NAME_BYTES];
    uint32_t agents_count;
    int32_t cpu;             /* or PIT_CPU_ANY */
    enum pit_wait_kind wait; /* or PIT_WAIT_CHOOSE */
};

struct pit_topology_request {
    enum pit_threads_mode mode;
    struct pit_topology_agent agents[PIT_AGENTS_MAX];
    uint32_t agents_count;
    cpu_set_t cpus;          /* that may be used */
    enum pit_wait_kind wait; /* of every stage's thread without one of its own; or PIT_WAIT_CHOOSE */
    bool pin;                /* give each spinning thread a CPU of its own */
    int priority;            /* SCHED_FIFO priority of the stages' threads, 1 .. 99; 0 = the ordinary scheduler */
    const struct pit_topology_group *groups; /* PIT_THREADS_GROUPS */
    uint32_t groups_count;
};

struct pit_topology_thread {
    char name[PIT_AGENT_NAME_BYTES];
    uint32_t agents[PIT_AGENTS_MAX]; /* indices into the request's agents, in the order of their turns */
    uint32_t agents_count;
    cpu_set_t cpus; /* it may run on: one, if it is pinned */
    bool pinned;
    bool blocks;     /* it runs an agent that blocks */
    bool background; /* it gives way to every other thread */
    enum pit_wait_kind wait;
    int priority;
};

struct pit_topology {
    enum pit_threads_mode mode; /* what AUTO became */
    struct pit_topology_thread threads[PIT_THREADS_MAX];
    uint32_t threads_count;
    char notes[4][192]; /* what was asked for and not possible, and what was done instead; for people */
    uint32_t notes_count;
};

/* Fills topology. 0; -EINVAL: names an unknown agent, an agent twice or not at all, a CPU that may not be used, or two
 * spinning threads on one CPU; error says which and what to do. */
int pit_topology_plan(struct pit_topology *topology, const struct pit_topology_request *request,
                      struct pit_error *error);

/* The thread that runs an agent. */
uint32_t pit_topology_thread_of(const struct pit_topology *topology, uint32_t agent);

/* "shared", "spin": the words of the configuration. "?" for a number that is none. */
const char *pit_threads_mode_name(enum pit_threads_mode mode);
const char *pit_wait_kind_name(enum pit_wait_kind wait);

/* Fills a line like "pitline: gateway journaler matcher-0 egress publisher (sleeps; CPUs 0-1)". Returns text. */
char *pit_topology_describe(const struct pit_topology *topology, const struct pit_topology_request *request,
                            uint32_t thread, char *text, size_t text_bytes);

#endif
