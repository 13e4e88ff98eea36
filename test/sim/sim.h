/* test/sim/sim.h - one run: the pipeline's own stages, called one at a time as a seed says, in a world that is not
 * there: time, disk, network and clients of the simulation's.
 *
 *   plan ──▶ run:  start ─▶ turns of agents, clients and faults ─▶ stop of some kind ─▶ start ─▶ ...  ─▶ clean stop
 *                    │                                               │
 *                    └── checks: what is recovered (check.c)         └── checks: what was told (model.c)
 *
 *   run.c      the run: starts, stops, turns        check.c    what must hold after a start and after a clean stop
 *   model.c    what must be true                    client.c   the clients
 *   disk.c, disk_stop.c, disk_damage.c, network.c, market_files.c    the world
 *   plan.c     what a seed means                    minimise.c makes a failing plan small
 *
 * A whole cluster is cluster.h's.
 */
#ifndef PIT_TEST_SIM_SIM_H
#define PIT_TEST_SIM_SIM_H

#include "client.h"
#include "disk.h"
#include "model.h"
#include "network.h"
#include "plan.h"
#include "stages/pipeline.h"

#define SIM_DIRECTORY "sim"
#define SIM_NAME "sim"

/* What a run has done, for people: a simulation in which nothing happens proves nothing. */
struct sim_figures {
    uint64_t steps;
    uint64_t starts;
    uint64_t refused; /* starts, for damage or an error that was injected */
    uint64_t commands;
    uint64_t acknowledged;
    uint64_t faults; /* that took effect on the disk */
    uint64_t crashes;
    uint64_t clean_stops;
    uint64_t segments;
    uint64_t elections;    /* of clusters: leaders that came to be */
    uint64_t redirects;    /* clients that were told who leads */
    uint64_t repeats;      /* requests that were sent again, and answered with what they had come to */
    uint64_t failures;     /* nodes that ended by themselves */
    uint64_t snapshots;    /* written */
    uint64_t old_segments; /* removed, or compressed */
    uint64_t transfers;    /* snapshots that came from another node, and were whole */
    uint64_t installs;     /* logs that were begun anew with one */
    uint64_t repairs;      /* of them: where a log had been put aside, or a disk lost */
    uint64_t damaged;      /* logs put aside */
};

struct sim_result {
    char violation[1024]; /* empty: the contract held */
    uint64_t hash;        /* of everything that happened */
    uint64_t steps;       /* until then */
    struct sim_figures figures;
};

struct sim {
    const struct sim_plan *plan;
    struct sim_trace trace;
    struct sim_disk disk;
    struct sim_network network;
    struct sim_model model;
    struct sim_clients clients;
    struct sim_figures figures;

    uint64_t monotonic_ns;
    uint64_t utc_ns;
    struct pit_clock clock;
    struct pit_gateway_account accounts[SIM_CLIENTS_MAX];
    struct pit_pipeline_symbol symbols[SIM_SYMBOLS_ROOM];
    uint32_t symbols_count;

    struct pit_pipeline *pipeline; /* NULL: nothing runs */
    uint32_t agents_count;
    uint64_t stalled_until[PIT_AGENTS_MAX]; /* step, by agent */
    uint64_t step;
    uint32_t fault_next; /* in the plan */
    uint32_t action_next;
    uint64_t full_until; /* step at which the disk has room again; 0 = it has */
    uint32_t flips;      /* at the next start */
    uint64_t flips_seed;
    uint64_t mercy; /* sim_disk_mercy before the start */
};

/* Runs a plan from its beginning to its end or to the first violation. */
void sim_run(const struct sim_plan *plan, bool print, struct sim_result *result);

/* What the agent for snapshots has done. */
void sim_count_snapshots(struct sim_figures *figures, const struct pit_pipeline *pipeline);

/* What becomes of old segments from a start on. */
enum pit_old_segments sim_old_segments(const struct sim_plan *plan, uint64_t *random);

/* Of a disk that is full: about what the segment that is prepared takes. A start may find room for no other, or for a
 * part of one. */
uint64_t sim_capacity(const struct sim_disk *disk, const struct sim_plan *plan, uint64_t *random);

/* What a plan says of its symbols and accounts. */
void sim_make_symbol(struct pit_pipeline_symbol *symbol, uint32_t number, const struct sim_plan *plan);
void sim_make_accounts(struct pit_gateway_account accounts[SIM_CLIENTS_MAX], const struct sim_plan *plan);

/* ---- check.c ---- */

/* The pipeline was created: what it recovered, what stands on disk, its books, and the depth of its market data. */
void sim_check_start(struct sim *sim);

/* The pipeline was drained: the digests of this run against a replay of its journal. */
void sim_check_stop(struct sim *sim);

/* What readers of market data have seen by now was acknowledged with it. */
void sim_check_seen(struct sim *sim);

/* The depth images against the books of the plain matcher, when no event is on its way. */
void sim_check_depth(struct sim *sim);

#endif
