/* test/sim/plan.h - everything a run is told: made of a seed, and made smaller by the minimiser. */
#ifndef PIT_TEST_SIM_PLAN_H
#define PIT_TEST_SIM_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "journal/writer.h"
#include "stages/cluster.h"
#include "stages/topology.h"
#include "test/sim/disk.h"

#define SIM_CLIENTS_MAX 6u
#define SIM_SYMBOLS_MAX 4u
#define SIM_FAULTS_MAX 64u
#define SIM_ACTIONS_MAX 8192u
#define SIM_STEPS_MAX 1000000u

enum sim_fault_kind {
    SIM_KILL = 0,        /* the process stops */
    SIM_POWER,           /* the machine stops */
    SIM_KILL_IN_DISK,    /* the process stops within an operation of the disk, in a start too */
    SIM_POWER_IN_DISK,   /* likewise the machine */
    SIM_WRITE_EIO,       /* a write fails */
    SIM_SYNC_EIO,        /* a sync fails */
    SIM_READ_EIO,        /* a read of the next start fails */
    SIM_READ_FLIP,       /* a read of the next start has a wrong bit */
    SIM_READ_ELSEWHERE,  /* a read of the next start has a page from elsewhere */
    SIM_WRITE_LOST,      /* a durable write is not there */
    SIM_WRITE_ELSEWHERE, /* a durable write is somewhere else */
    SIM_FLIP,            /* power cut, and bits of the journal are changed before the next start */
    SIM_FULL,            /* the disk is full for a while */
    SIM_SLOW,            /* the disk answers late for a while */
    SIM_STALL,           /* a stage stands still for a while */
    SIM_CLOCK,           /* the time of day jumps, or much time passes at once */
    SIM_STOP,            /* a clean stop, and a start with another configuration */
    SIM_FAULT_KINDS_OF_ONE,
    /* In a cluster there are those of each node, except that no disk lies about a durable write, and: */
    SIM_CUT = SIM_FAULT_KINDS_OF_ONE, /* a node hears nobody, is heard by nobody, or both, for a while */
    SIM_DIVIDE,                       /* the network falls into two parts for a while */
    SIM_BREAK,                        /* connections of a node break */
    SIM_LAG,                          /* the network is slow and takes little, for a while */
    SIM_PAUSE,                        /* a node stands still for a while */
    SIM_DRIFT,                        /* a node's clocks run fast or slow for a while */
    SIM_BLACKOUT,                     /* all nodes lose power */
    SIM_DISK_GONE,                    /* a node loses its disk, and begins with an empty one */
    SIM_HAND_OVER,                    /* an operator has the node that leads hand over to another */
    SIM_AWAY,                         /* a node stops, and stays away for a good part of the run */
    SIM_FAULT_KINDS,
};

enum sim_action_kind {
    SIM_CONNECT = 0, /* and log on */
    SIM_ORDERS,      /* sends some requests */
    SIM_VANISH,      /* is gone without a word */
    SIM_LOGOUT,
    SIM_DEAF,    /* reads nothing for a while */
    SIM_GARBAGE, /* sends bytes that are no message, and is thrown out */
    SIM_ACTION_KINDS,
};

/* At a step. Whatever is left to chance in it comes from its own seed, so that it stays what it is when others go. */
struct sim_fault {
    uint64_t step;
    uint64_t seed;
    enum sim_fault_kind kind;
    uint32_t node; /* of a cluster; 0: the one that leads */
};

struct sim_action {
    uint64_t step;
    uint64_t seed;
    uint32_t client;
    enum sim_action_kind kind;
};

struct sim_plan {
    uint64_t seed;
    uint64_t steps; /* turns of agents while the pipeline runs */
    uint32_t nodes; /* 0: a single node, no cluster */
    uint32_t clients;
    uint32_t symbols;
    uint32_t burst_max;  /* requests of a client at once */
    uint32_t orders_max; /* of each symbol */
    uint32_t input_slots, output_slots;
    uint32_t weights[PIT_AGENTS_MAX]; /* how often each agent gets its turn */
    enum pit_journal_sync sync;
    bool direct_refused; /* by the file system */
    bool rolls;          /* many small blocks, so that segments are filled */
    bool keyed;          /* accounts have keys */
    /* Of a cluster: */
    uint32_t node_weights[PIT_CLUSTER_NODES_MAX + 1]; /* how often each node gets its turns, from 1 on */
    uint32_t turn_ns_max;                             /* time passes so much at most in one turn */
    uint32_t election_ms;
    uint32_t delay_ns;     /* of the network when all is well */
    uint32_t window;       /* bytes that one way of a connection takes */
    uint32_t memory_bytes; /* of entries that an engine keeps in memory; 0: a lot */
    uint64_t segment_bytes;
    uint32_t chunk_bytes; /* of a snapshot that is sent at once; 0: a lot */
    bool retires;         /* snapshots are written often, and segments before them are removed */
    bool resumes;         /* clients ask again for what is unanswered */
    uint32_t haste;       /* of a hundred new leaders so many meet with a fault at once */
    struct sim_fault faults[SIM_FAULTS_MAX];
    uint32_t faults_count;
    struct sim_action actions[SIM_ACTIONS_MAX];
    uint32_t actions_count;
};

/* nodes 0: a single node, otherwise a cluster of so many. steps 0: as the seed says. */
void sim_plan_make(struct sim_plan *plan, uint64_t seed, uint32_t nodes, uint64_t steps);

/* cluster_plan.c: the part of it that is a cluster's. */
void cluster_plan_make(struct sim_plan *plan, uint64_t seed, uint32_t nodes, uint64_t steps);

/* plan.c, for both: what clients do, and faults in the order of their steps. */
void sim_plan_actions(struct sim_plan *plan, uint64_t between, uint64_t *random);
void sim_plan_add_fault(struct sim_plan *plan, uint64_t step, enum sim_fault_kind kind, uint64_t seed, uint32_t node);
void sim_plan_sort(struct sim_plan *plan);

const char *sim_fault_name(enum sim_fault_kind kind);

/* What the disk is to do, of those kinds that are its own. */
enum sim_disk_fault sim_fault_of_disk(enum sim_fault_kind kind);

/* For people: what is in it. */
void sim_plan_print(const struct sim_plan *plan, FILE *to);

#endif
