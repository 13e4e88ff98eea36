/* stages/replicator_parts.h - what the files of the replicator share; nobody else includes it.
 *
 *   replicator.c          the agent: links, engine, epochs, figures; create and destroy
 *   replicator_propose.c  from the intake ring to proposals
 *   replicator_deliver.c  from committed entries to the input ring
 *   replicator_transfer.c snapshots to and from other nodes
 *   replicator_digests.c  the matchers' digests: added up, told to the others, compared
 */
#ifndef PIT_STAGES_REPLICATOR_PARTS_H
#define PIT_STAGES_REPLICATOR_PARTS_H

#include "ring/check.h"
#include "stages/consensus_journal.h"
#include "stages/node_message.h"
#include "stages/peers.h"
#include "stages/replicator.h"

#define PIT_REPLICATOR_LINE_BYTES 64u

enum pit_replicator_part { PIT_REPLICATOR_FOLLOWS = 0, PIT_REPLICATOR_DEFINES, PIT_REPLICATOR_LEADS };

/* What all matchers of this node together have come to. */
struct pit_replicator_sum {
    uint64_t sequence;
    struct pit_digest digest;
    bool full;
};

struct pit_replicator {
    struct pit_replicator_config config; /* without cluster, digests, bells, symbols and startup */
    uint32_t node, nodes;
    struct pit_bell *bells[PIT_REPLICATOR_BELLS_MAX];
    struct pit_ring_reader intake;
    struct pit_ring_reader digests[PIT_REPLICATOR_MATCHERS_MAX];
    struct pit_peers *peers;
    struct pit_consensus *consensus;
    struct pit_operators operators;
    struct pit_transfer *transfer;
    struct pit_clock clock;
    bool stopped;
    struct pit_error error; /* before the word failed */

    /* Symbols: what the configuration wants, and whether the log says the same. */
    struct pit_symbol_definition *symbols;
    bool *defined;
    uint32_t symbols_count;

    /* Leading. */
    enum pit_replicator_part part;
    uint64_t epoch;                               /* of the last time that part was not FOLLOWS */
    uint64_t term;                                /* of that */
    uint32_t defining;                            /* DEFINES: the next symbol to look at */
    uint64_t proposed_sequence, proposed_time_ns; /* of the last command proposed */
    uint64_t tag;
    uint32_t in_flight; /* proposals without an answer */
    uint64_t proving;   /* the intake board's asked when the last proof began */
    uint64_t proof;     /* its tag, while there is no answer; 0 = none is under way */
    uint64_t proof_ns;  /* when it began; 0 = there was none */
    uint8_t *batch;     /* PIT_REPLICATOR_BATCH_BYTES */
    uint32_t batch_max; /* bytes of a batch, which the log has room for */

    /* Delivering. */
    uint64_t sequence, time_ns; /* of the last committed command */
    uint64_t delivered;         /* in the input ring, as last told */
    uint8_t *backlog;           /* commands from backlog_first to backlog_end wait */
    size_t backlog_first, backlog_end, backlog_room;

    /* Digests. */
    struct pit_node_digest own[PIT_REPLICATOR_DIGESTS];                                 /* sequence 0: none */
    struct pit_node_digest theirs[PIT_CONSENSUS_NODES_MAX + 1][PIT_REPLICATOR_DIGESTS]; /* as they have told */
    struct pit_node_digest newest;                                                      /* of its own */
    struct pit_node_digest doubt;  /* its own, which is not its leader's; sequence 0: there is none */
    uint32_t doubt_leader;         /* whose is another */
    uint64_t doubt_ns;             /* when that was found */
    struct pit_replicator_sum sum; /* of the matchers' digests */
    bool summed;                   /* it has to be written into the log */
    bool final_digest;             /* that of the end has been */

    uint64_t now_ns;                  /* monotonic, of this turn */
    uint64_t committed, committed_ns; /* index; when that was learned */
    bool committed_told;              /* to those who read the log */
    uint64_t heard_ns[PIT_CONSENSUS_NODES_MAX + 1];
    struct pit_replicator_counters counters;
    /* Answers for other threads. */
    struct pit_sequence finished; /* last sequence + 1; 0 = not yet */
    struct pit_sequence drained;
    struct pit_sequence failed;
    uint64_t shown[64]; /* words of struct pit_cluster_figures */
};
_Static_assert(sizeof(struct pit_cluster_figures) % 8 == 0 &&
                   sizeof(struct pit_cluster_figures) <= sizeof((struct pit_replicator *)0)->shown,
               "the figures are words");

static inline void pit_replicator_count(uint64_t *counter, uint64_t more)
{
    pit_word_store_relaxed(counter, *counter + more);
}

/* ---- replicator.c ---- */

/* Stops for good; the first reason stays. */
__attribute__((format(printf, 3, 4))) void pit_replicator_fail(struct pit_replicator *replicator, int code,
                                                               const char *format, ...);

/* ---- replicator_propose.c ---- */

/* DEFINES: proposes symbols. True when there are no more to propose. */
bool pit_replicator_define(struct pit_replicator *replicator);

/* LEADS: proposes what the intake ring has. Else: drops it. Returns how many commands. */
uint32_t pit_replicator_take(struct pit_replicator *replicator);

/* LEADS: begins to prove that it does, if somebody asks. Returns how much there was to do. */
uint32_t pit_replicator_prove(struct pit_replicator *replicator);

/* The engine's answer. */
void pit_replicator_answered(void *context, uint64_t tag, enum pit_consensus_outcome outcome, uint64_t index);

/* ---- replicator_deliver.c ---- */

/* The engine's committed entries. */
void pit_replicator_committed(void *context, const struct pit_consensus_entry *entry);

/* Puts the backlog into the input ring as far as there is room, and tells the matchers. Returns how many commands. */
uint32_t pit_replicator_deliver(struct pit_replicator *replicator);

static inline size_t pit_replicator_backlog(const struct pit_replicator *replicator)
{
    return replicator->backlog_end - replicator->backlog_first;
}

/* ---- replicator_transfer.c ---- */

int pit_replicator_open_transfer(struct pit_replicator *replicator, const struct pit_cluster_config *cluster,
                                 struct pit_error *error);

/* Offers, asks, sends. Returns how much there was to do. */
uint32_t pit_replicator_work_transfer(struct pit_replicator *replicator, const struct pit_consensus_state *state);

/* ---- replicator_digests.c ---- */

/* Adds up what the matchers have handed over. Returns how many digests. */
uint32_t pit_replicator_add_digests(struct pit_replicator *replicator);

/* Another node's digest. */
void pit_replicator_hear_digest(struct pit_replicator *replicator, uint32_t from, const void *body, size_t bytes);

#endif
