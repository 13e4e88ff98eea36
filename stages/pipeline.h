/* stages/pipeline.h - the whole: directory, recovery, rings, stages, threads; start and clean stop.
 *
 * One controlling thread calls everything here (pit_pipeline_look and pit_pipeline_failed: any thread).
 *
 *   create   locks the directory, puts the newest good snapshot and the journal after it into the matchers' markets,
 *            opens the journal at its end, makes rings and stages, opens the listeners
 *   start    starts the threads; the start-up commands (new symbols, changed price bands) are the first to go in
 *   stop     DRAIN: intake stops; what was accepted is journaled, matched, reported and published, and the digest of
 *            the final state is journaled. Then STOP: the threads leave, the journal is closed
 *   destroy  gives everything back
 *
 * A journal that fails is final: pit_pipeline_failed says so, and stop then skips the draining. Nothing was
 * acknowledged that is not durable.
 *
 * With a cluster in its configuration it is a node of one (stages/replicator.h stands where the journaler stands, and
 * the journal is the log all nodes agree on). Then start does not wait for the symbols: the node that leads sees to
 * them. stop lets a leader decide what it has accepted, and then leaves the cluster; the others go on.
 */
#ifndef PIT_STAGES_PIPELINE_H
#define PIT_STAGES_PIPELINE_H

#include "journal/writer.h"
#include "stages/cluster.h"
#include "stages/gateway.h"
#include "stages/local.h"
#include "stages/matcher.h"
#include "stages/publisher.h"
#include "stages/runner.h"
#include "stages/snapshots.h"
#include "stages/topology.h"

#define PIT_MATCHER_ROUND_ROBIN (-1)
#define PIT_PIPELINE_DRAIN_MS 10000u

struct pit_pipeline_symbol {
    struct pit_symbol_definition definition;
    int32_t matcher; /* 0 .. matchers - 1, or PIT_MATCHER_ROUND_ROBIN: symbol id % matchers */
};

/* Whether memory is touched at the start, instead of when it is first used: the first touch of a page takes the kernel
 * up to a millisecond, which some order would wait for. */
enum pit_prefault {
    PIT_PREFAULT_AUTO = 0, /* up to PIT_PREFAULT_AUTO_BYTES of each matcher's books and of the rings */
    PIT_PREFAULT_ALL = 1,
    PIT_PREFAULT_NONE = 2,
};
#define PIT_PREFAULT_AUTO_BYTES ((size_t)1 << 30)

/* Everything a pipeline is told; whatever it points at must live until create returns, name and directory until
 * destroy. Zeros mean the default in brackets. */
struct pit_pipeline_config {
    const char *name;      /* of the server and of the market data */
    const char *directory; /* of the journal; made if need be */

    const struct pit_pipeline_symbol *symbols;
    uint32_t symbols_count;
    bool symbols_suggested; /* only for a new journal: an existing one keeps the symbols it has */
    uint32_t matchers;      /* [1] */

    const char *const *addresses; /* where to listen */
    uint32_t addresses_count;
    const struct pit_gateway_account *accounts;
    uint32_t accounts_count;
    struct pit_gateway_limits limits;
    uint32_t outbox_bytes;             /* of one session, [the egress's] */
    uint32_t close_ms;                 /* for a closing session's last reports [the egress's] */
    const struct pit_local_ends *ends; /* instead of sockets; NULL = sockets */

    bool market_data;                 /* publish to shared memory */
    enum pit_readable_by readable_by; /* [world] */

    enum pit_threads_mode threads;
    enum pit_wait_kind wait; /* PIT_WAIT_CHOOSE = the best the CPUs allow */
    bool pin;
    int priority;
    cpu_set_t cpus; /* that may be used; empty = all that the process may use */
    const struct pit_topology_group *groups;
    uint32_t groups_count;

    uint32_t input_slots;   /* rings: powers of two [65536] */
    uint32_t output_slots;  /* of each matcher: lines of 64 bytes, one or two an event [65536] */
    uint32_t session_slots; /* [1024] */
    uint32_t event_slots;   /* of the market data's event ring [65536] */
    bool huge_pages;
    enum pit_prefault prefault;

    uint64_t segment_bytes; /* [64 MiB] */
    enum pit_journal_sync sync;
    uint64_t reserve_bytes;              /* that the journal leaves free in its file system [none] */
    uint64_t cancels_bytes;              /* of the journal, kept for cancels when the disk is full [none] */
    struct pit_snapshots_plan snapshots; /* [none] */

    struct pit_cluster_config cluster; /* what it points at must live until destroy [none: node 0] */

    const struct pit_disk *disk; /* NULL = the machine's, likewise the next two */
    const struct pit_clock *clock;
    const struct pit_network *network;

    struct pit_notes notes; /* lines for people while it starts; may be empty */
    /* During recovery, about every hundredth of a second; NULL where not wanted. Returns false to give up: create then
     * returns -ECANCELED, and the journal is as it was. */
    bool (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_total, uint64_t commands);
    void *progress_context;
};

struct pit_pipeline;

#define PIT_PIPELINE_RINGS_BYTES 160u

/* What the rings of a configuration without zeros take, for people: "33 MiB", with a warning where that is much for
 * this machine. They all fill up in time. Returns text. */
char *pit_pipeline_describe_rings(const struct pit_pipeline_config *config, char text[PIT_PIPELINE_RINGS_BYTES]);

/* The threads that a pipeline of this configuration would have on this machine: for those who check a configuration.
 * 0 or -EINVAL as pit_topology_plan. */
int pit_pipeline_topology(const struct pit_pipeline_config *config, struct pit_topology *topology,
                          struct pit_error *error);

/* 0; -EWOULDBLOCK: another process uses the directory; -EINVAL: the configuration contradicts itself, the machine, or
 * the journal; -ECANCELED: progress gave up; others: damage, disk, network, memory. error says what, where, and what to
 * do. */
int pit_pipeline_create(struct pit_pipeline **pipeline, const struct pit_pipeline_config *config,
                        struct pit_error *error);

/* 0, or the first error of a stage's start. */
int pit_pipeline_start(struct pit_pipeline *pipeline, struct pit_error *error);

/* True when the pipeline cannot go on (the journal failed); error (may be NULL) says why. Then call stop. With -ESTALE
 * nothing is wrong: the node of a cluster has been sent a snapshot. Destroy it, and create it again. */
bool pit_pipeline_failed(const struct pit_pipeline *pipeline, struct pit_error *error);

/* Drains for at most drain_ms and stops. 0: everything accepted is journaled, matched, reported, published, and the
 * final digest is in the journal. -ETIMEDOUT: not all of that; error says what was left. -ENOSPC: neither, because the
 * disk is full. Others: the journal failed. */
int pit_pipeline_stop(struct pit_pipeline *pipeline, uint32_t drain_ms, struct pit_error *error);

void pit_pipeline_destroy(struct pit_pipeline *pipeline);

/* Without threads: a simulation calls the agents itself, between create and destroy, in place of start and stop. First
 * every agent's init, then do_work of whom it likes, on one thread; at the end, if it is to be a clean one, drain, and
 * do_work until nothing is undrained, and every agent's close. */
uint32_t pit_pipeline_agents(const struct pit_pipeline *pipeline);
const struct pit_agent *pit_pipeline_agent(const struct pit_pipeline *pipeline, uint32_t number);

/* The phase is DRAIN from now on. */
void pit_pipeline_drain(struct pit_pipeline *pipeline);

/* After pit_pipeline_drain: NULL when all that was accepted is done with; else what is not. */
const char *pit_pipeline_undrained(struct pit_pipeline *pipeline);

/* What recovery found. */
struct pit_pipeline_recovered {
    uint64_t commands;    /* applied; with last_sequence 0: a new journal */
    uint64_t snapshot;    /* sequence of the snapshot they were applied to; 0 = none, all of them were applied */
    uint64_t snapshot_ns; /* when that was made, UTC */
    uint64_t last_sequence;
    uint64_t bytes;
    uint64_t ns;            /* how long it took */
    uint64_t torn_bytes;    /* of an unfinished write, cut off */
    uint64_t missing_bytes; /* that the last segment's file was shorter than it was made */
    uint32_t symbols;
    uint64_t orders; /* resting */
};
const struct pit_pipeline_recovered *pit_pipeline_recovered(const struct pit_pipeline *pipeline);

/* How it goes, since the start. */
struct pit_pipeline_figures {
    uint64_t commands; /* put into the input ring */
    uint64_t answered; /* commands whose last event has reached the far end */
    uint64_t events;
    uint64_t trades;
    uint64_t rejects;                   /* by the books */
    uint64_t rejects_early;             /* by the gateway */
    uint64_t sessions;                  /* open now */
    uint64_t input_used, input_slots;   /* slots of the input ring that are in use now */
    uint64_t output_used, output_slots; /* of the fullest output ring */
    struct pit_journal_statistics journal;
    struct pit_journal_space space;
    uint64_t matched_max, matched_min; /* commands of the busiest and the idlest matcher */
    struct pit_snapshots_figures snapshots;
    struct pit_histogram latency; /* from a command's time to its last report in the outbox */
};
void pit_pipeline_look(const struct pit_pipeline *pipeline, struct pit_pipeline_figures *figures);

/* How it stands in its cluster; any thread. False: it is in none. */
bool pit_pipeline_cluster(const struct pit_pipeline *pipeline, struct pit_cluster_figures *figures);

/* Whether the disk is full: the alarm. Any thread. */
struct pit_journal_space pit_pipeline_space(const struct pit_pipeline *pipeline);

#define PIT_PIPELINE_SPACE_BYTES 160u

/* What space there is, for people: "3.2 MiB are free in DIR's file system, 128.0 MiB are wanted". Returns text. */
char *pit_pipeline_describe_space(const struct pit_pipeline *pipeline, const struct pit_journal_space *space,
                                  char text[PIT_PIPELINE_SPACE_BYTES]);

/* The controlling thread: something that went wrong beside the pipeline, which goes on, since the last call; for
 * people. False: nothing. */
bool pit_pipeline_warning(struct pit_pipeline *pipeline, char text[PIT_SNAPSHOTS_WARNING_BYTES]);

/* The sequence of the last command in the input ring. Any thread. */
uint64_t pit_pipeline_last(const struct pit_pipeline *pipeline);

/* The digest of a stopped pipeline: every market's, added up. After stop. */
struct pit_digest pit_pipeline_digest(const struct pit_pipeline *pipeline);

#endif
