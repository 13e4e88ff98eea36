/* stages/replicator.h - the stage of a cluster's node that agrees with the others on every command before it is
 * matched. It stands where the journaler stands on a single node.
 *
 *   gateway ══ intake ring ══▶ replicator ══ input ring ══▶ matchers      digest rings ══▶ replicator
 *                                │   ▲ ▲
 *                                ▼   │ └── other nodes (stages/peers.h)
 *                               log ─┘ journal-disk, journal-next, journal-past
 *
 * Reads:    the intake ring (struct pit_command; its only reader) and board, one digest ring per matcher (their only
 *           reader).
 * Writes:   the input ring (its only writer), config.durable (the last sequence in it: the matchers' barriers watch
 *           that), config.room, the node board, the log.
 * Thread:   create and destroy by the controller, the agent by one thread, the questions at the end by any thread.
 * Progress: do_work does not block, but at an election, when term and vote have to be on the disk first.
 *
 * Leader: takes what the intake ring has, at most PIT_REPLICATOR_BATCH_BYTES at once and PIT_REPLICATOR_FLIGHT such
 * batches under way, a small one alone; gives each command its sequence, sees that time never falls, and proposes the
 * batch. What becomes committed goes into the input ring, on every node alike. A command that was put into the intake
 * ring before its writer had seen the present epoch is dropped; of a batch whose outcome is unknown nothing is said.
 *
 * Asked on the intake board to prove that it leads, it adds an entry without commands, which counts among the batches
 * under way but holds no other up, and says on the node board when that is committed. One proof is for all who have
 * asked before it began.
 *
 * A leader that becomes ready first proposes those symbols of its configuration that the log lacks, or has with another
 * price band. Then the node board says that it leads.
 *
 * Limits: what is committed and finds no room in the input ring waits, and above PIT_REPLICATOR_BACKLOG_BYTES of that
 * the node hears nobody until its matchers have caught up.
 *
 * A node fails for good (pit_replicator_failed) when its disk or its engine fails, when the log says what cannot be, or
 * has other symbols than the configuration. It then says nothing to anybody, and its matchers get nothing more.
 */
#ifndef PIT_STAGES_REPLICATOR_H
#define PIT_STAGES_REPLICATOR_H

#include <stdbool.h>

#include "book/command.h"
#include "journal/disk.h"
#include "journal/log.h"
#include "pitline/error.h"
#include "ring/ring.h"
#include "ring/wait.h"
#include "stages/agent.h"
#include "stages/clock.h"
#include "stages/cluster.h"
#include "stages/links.h"
#include "stages/operators.h"
#include "stages/transfer.h"
#include "wire/network.h"

#define PIT_REPLICATOR_BATCH_BYTES (64u << 10)
#define PIT_REPLICATOR_FLIGHT 4u
/* Of waiting commands: enough for a batch while another one is under way. What is less waits for that one's end, which
 * is soon: a batch costs every node a write and a few switches of threads, however small it is. */
#define PIT_REPLICATOR_ENOUGH_BYTES (8u << 10)
/* Between the beginnings of two proofs: each is written by every node. */
#define PIT_REPLICATOR_PROOF_NS UINT64_C(10000000)
#define PIT_REPLICATOR_BACKLOG_BYTES ((size_t)8 << 20)
#define PIT_REPLICATOR_MATCHERS_MAX 16u
#define PIT_REPLICATOR_BELLS_MAX 16u
#define PIT_REPLICATOR_DIGESTS 64u /* of its own, kept to compare with those of others */

struct pit_replicator_config {
    const struct pit_cluster_config *cluster; /* must live until create returns */
    struct pit_log *log;                      /* open, nothing added; closed by its owner after destroy */
    const char *directory;                    /* of the log; must live as long as the replicator */
    const struct pit_network *network;
    const struct pit_clock *clock;
    const struct pit_disk *disk;                 /* for randomness */
    struct pit_ring *intake;                     /* its first number is 1 */
    struct pit_intake_board *intake_board;       /* the intake ring's writer's */
    struct pit_ring *input;                      /* its first sequence is sequence + 1 */
    struct pit_sequence *durable;                /* create stores sequence in it */
    struct pit_sequence *room;                   /* enum pit_intake */
    struct pit_node_board *board;                /* all zero */
    struct pit_ring *const *digests;             /* one ring per matcher */
    uint32_t matchers;                           /* 1 .. PIT_REPLICATOR_MATCHERS_MAX */
    const struct pit_control *control;           /* the phase */
    struct pit_bell *bell;                       /* its own */
    struct pit_sequence *transfer_hold;          /* block from which on the journal stays for another node, 0 = none */
    struct pit_bell *transfer_bell;              /* of pit_replicator_transfer's disk agent */
    struct pit_bell *const *bells;               /* rung when durable has moved */
    uint32_t bells_count;                        /* at most PIT_REPLICATOR_BELLS_MAX */
    const struct pit_symbol_definition *symbols; /* of the configuration, by id; copied */
    uint32_t symbols_count;
    const struct pit_command *startup; /* SYMBOL commands: what of symbols the log did not have at sequence */
    uint32_t startup_count;
    const char *name; /* of the pipeline, for operators; must live until destroy */
    int (*snapshot)(void *context, bool begin, uint64_t *newest, struct pit_error *error); /* as pit_operator_handler */
    void *snapshot_context;
    uint64_t sequence; /* of the last command that recovery has applied */
    uint64_t time_ns;  /* its time */
};

/* Written relaxed by the agent; any thread reads them with pit_word_load_relaxed. */
struct pit_replicator_counters {
    uint64_t proposed;  /* commands */
    uint64_t dropped;   /* commands of the intake ring that belong to no epoch of this node */
    uint64_t committed; /* commands put into the input ring */
    uint64_t batches;   /* entries that those came in */
    uint64_t unknown;   /* batches of this node whose outcome it did not learn */
    uint64_t delayed;   /* turns in which nobody was heard because of the backlog */
    uint64_t digests;   /* added up */
    uint64_t compared;  /* digests of other nodes that were found equal */
};

struct pit_replicator;

/* Opens the links and the engine; with a new log it waits for the disk. Adds its readers to the intake and digest
 * rings. 0; -EINVAL; -ENOMEM; -ENOSPC: a ring has no room for one more reader; as pit_peers_open and
 * pit_consensus_open. */
int pit_replicator_create(struct pit_replicator **replicator, const struct pit_replicator_config *config,
                          struct pit_error *error);

/* "replicator" */
struct pit_agent pit_replicator_agent(struct pit_replicator *replicator);

/* Snapshots from and to other nodes: for its disk agent, its warnings and figures. */
struct pit_transfer *pit_replicator_transfer(const struct pit_replicator *replicator);

/* Ends it where it stands. */
void pit_replicator_destroy(struct pit_replicator *replicator);

/* Any thread. */

const struct pit_replicator_counters *pit_replicator_counters(const struct pit_replicator *replicator);

void pit_replicator_figures(const struct pit_replicator *replicator, struct pit_cluster_figures *figures);

/* In PIT_PHASE_DRAIN: true when everything in the intake ring is decided, and all that is committed is in the input
 * ring. From then on it takes no part in the cluster; *last is the last sequence there will be. */
bool pit_replicator_finished(const struct pit_replicator *replicator, uint64_t *last);

/* After that: the matchers' final digest has come, and nothing waits to be written. */
bool pit_replicator_drained(const struct pit_replicator *replicator);

/* True once it has failed for good; error (may be NULL) says what happened and what to do. -ESTALE: nothing is wrong: a
 * snapshot of another node is there (replay/install.h), and the node is to begin anew with it. */
bool pit_replicator_failed(const struct pit_replicator *replicator, struct pit_error *error);

#endif
