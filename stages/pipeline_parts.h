/* stages/pipeline_parts.h - the inside of a pipeline, shared by the files that put it together: pipeline.c (start,
 * stop, figures), pipeline_build.c (rings and stages), pipeline_cluster.c (what a node of a cluster has instead),
 * pipeline_memory.c (arenas and nodes), recovery.c (the journal's past).
 */
#ifndef PIT_STAGES_PIPELINE_PARTS_H
#define PIT_STAGES_PIPELINE_PARTS_H

#include "journal/results.h"
#include "memory/arena.h"
#include "replay/replay.h"
#include "stages/egress.h"
#include "stages/journaler.h"
#include "stages/pipeline.h"
#include "stages/replicator.h"
#include "stages/symbol_names.h"

#define PIT_DIGEST_SLOTS 64u

/* Memory of one matcher's market, or of the publisher's depth. Recovery takes what it needs; what the start-up commands
 * will need is set aside before the threads start, so that no stage ever maps memory. */
struct pit_books_memory {
    struct pit_arena *arena;
    uint8_t *aside;
    size_t aside_bytes;
};

struct pit_pipeline_matcher {
    struct pit_books_memory memory;
    struct pit_market *market;
    struct pit_matcher *stage;
    struct pit_ring *output;
    struct pit_ring *digests;
    struct pit_ring_reader input;
    uint32_t agent;
};

struct pit_pipeline {
    struct pit_pipeline_config config;
    const struct pit_disk *disk;
    struct pit_control control;
    struct pit_sequence durable;
    struct pit_sequence intake;

    struct pit_topology_request request;
    struct pit_topology topology;
    struct pit_runner *runner;
    /* Numbers of agents; in a cluster the journaler's is the replicator's. */
    uint32_t front, journaler_agent, back, publisher_agent, disk_agent, preparer_agent;
    uint32_t past_agent, transfer_agent; /* in a cluster alone */
    uint32_t snapshots_agent;

    int lock; /* of the directory; -1 = not held */
    struct pit_journal_end end;
    struct pit_pipeline_recovered recovered;
    uint64_t last_time_ns;
    struct pit_publisher_past *past; /* per symbol, filled by recovery */
    struct pit_results *results;     /* filled by recovery, then egress's */

    struct pit_symbol_names configured;        /* name -> place in config.symbols; only during recovery */
    struct pit_symbol_definition *definitions; /* by id: recovered, then new */
    uint32_t definitions_count;
    uint8_t owners[PIT_SYMBOLS_MAX];
    struct pit_command *startup;
    uint32_t startup_count;

    struct pit_arena *arenas[PIT_AGENTS_MAX]; /* of rings, by node */
    int arena_nodes[PIT_AGENTS_MAX];
    uint32_t arenas_count;
    struct pit_books_memory publisher_memory;

    struct pit_ring *input;
    struct pit_ring *sessions;
    struct pit_journal *journal; /* in a cluster the log's */
    struct pit_journaler *journaler;
    /* In a cluster alone. */
    struct pit_log *log;
    bool rejoins; /* its log was put aside */
    struct pit_replicator *replicator;
    struct pit_ring *intake_ring;
    struct pit_sequence hold;        /* block of the journal from which on another node needs it; 0 = none */
    struct pit_sequence threads_run; /* 1: the runner has the agents */
    _Alignas(PIT_SEQUENCE_BYTES) struct pit_node_board node_board;
    _Alignas(PIT_SEQUENCE_BYTES) struct pit_intake_board intake_board;
    struct pit_pipeline_matcher matchers[PIT_MATCHERS_MAX];
    struct pit_egress *egress;
    struct pit_gateway *gateway;
    struct pit_local *local;
    struct pit_publisher *publisher;
    struct pit_snapshots *snapshots; /* NULL: none are planned */
    bool running;
    bool stuck; /* a thread did not come back: its memory must stay */
};

/* One line for people. */
__attribute__((format(printf, 2, 3))) void pit_pipeline_say(const struct pit_pipeline *pipeline, const char *format,
                                                            ...);

/* pipeline_memory.c */

/* The NUMA node of the CPUs that an agent's thread may use, or PIT_ARENA_NODE_ANY when they are on several. */
int pit_pipeline_node(const struct pit_pipeline *pipeline, uint32_t agent);

/* What the calling thread allocates from here on is placed near an agent's thread; near itself with UINT32_MAX. */
void pit_pipeline_allocate_near(const struct pit_pipeline *pipeline, uint32_t agent);

/* A ring near an agent's thread. NULL with error. */
struct pit_ring *pit_pipeline_ring(struct pit_pipeline *pipeline, uint32_t agent, uint32_t slots, uint32_t slot_bytes,
                                   uint64_t first, struct pit_error *error);

/* An arena near an agent's thread. */
int pit_pipeline_arena(const struct pit_pipeline *pipeline, struct pit_arena **arena, const char *name, uint32_t agent,
                       struct pit_error *error);

/* Arena and empty market of every matcher. */
int pit_pipeline_markets(struct pit_pipeline *pipeline, struct pit_error *error);

/* memory as a market and the publisher see it. */
struct pit_reserve pit_pipeline_reserve(struct pit_books_memory *memory);

/* Sets memory aside for the books and depths that the start-up commands will make. */
int pit_pipeline_set_aside(struct pit_pipeline *pipeline, struct pit_error *error);

/* Says what memory there is. */
void pit_pipeline_describe_memory(const struct pit_pipeline *pipeline);
void pit_pipeline_free_memory(struct pit_pipeline *pipeline);

/* pipeline_cluster.c */

bool pit_pipeline_clustered(const struct pit_pipeline *pipeline);

/* 0 or -EINVAL. */
int pit_pipeline_check_cluster(const struct pit_pipeline_config *config, struct pit_error *error);

/* -EINVAL: what is in the directory is a single node's and this is a cluster's, or the other way round. Changes
 * nothing. */
int pit_pipeline_check_directory(const struct pit_pipeline *pipeline, struct pit_error *error);

/* Opens the log. The directory's lock is held. */
int pit_pipeline_open_log(struct pit_pipeline *pipeline, struct pit_error *error);

/* pipeline_repair.c: a node whose log is not all there. The directory's lock is held. */

/* Before anything is read: finishes what an earlier start had begun to put aside, and puts a snapshot that came from
 * another node in the place of the log. */
int pit_pipeline_install(struct pit_pipeline *pipeline, struct pit_error *error);

/* The log says itself now that this node rejoins. */
int pit_pipeline_rejoined(struct pit_pipeline *pipeline, struct pit_error *error);

/* After reading has found damage: puts the log aside. Returns -ESTALE: the same again, and the node gets everything
 * from the others; or another error. */
int pit_pipeline_set_log_aside(struct pit_pipeline *pipeline, struct pit_error *error);

/* Makes the replicator; bells: the matchers'. */
int pit_pipeline_make_replicator(struct pit_pipeline *pipeline, struct pit_bell *const *bells, uint32_t bells_count,
                                 struct pit_error *error);

/* recovery.c */

/* Locks the directory, replays what is there, and settles which symbols there will be. */
int pit_pipeline_recover(struct pit_pipeline *pipeline, struct pit_error *error);

/* pipeline_build.c */

/* Numbers the agents, plans the threads, makes the runner. */
int pit_pipeline_plan(struct pit_pipeline *pipeline, struct pit_error *error);

/* Journal, rings, stages; each agent placed. */
int pit_pipeline_build(struct pit_pipeline *pipeline, struct pit_error *error);

#endif
