/* stages/journaler.h - makes the input ring's commands durable and says how far they are.
 *
 * Reads:    the input ring (struct pit_command; one gating reader) and one digest ring per matcher
 *           (struct pit_digest_note; this is their only reader).
 * Writes:   the journal, and config.durable: the last command that is on disk. The matchers' barriers watch it. And
 *           config.intake: what there is room for. The gateway watches that.
 * Thread:   create and destroy by the controller, the agent by one thread, the questions at the end by any thread.
 * Progress: do_work never blocks: the kernel is called by the disk and the preparing agent only.
 *
 *   input ring ═▶ journaler ─ block ─▶ disk agent ─▶ segment
 *   digest rings ═▶    └──── durable ◀─────┘
 *
 * A command's slot is released as soon as the command is copied into the block being filled. Whatever has arrived since
 * the last write is the next write. The notes of all matchers for one command are added up into one digest record; it
 * goes with the next block of commands, or in a block of its own when there are none or in PIT_PHASE_DRAIN.
 *
 * A disk that is full is not: the block being written waits, and durable goes on when there is space again.
 *
 * A failed journal is final: durable stands still from then on, nothing more is taken from the rings, and
 * pit_journaler_failed says why.
 */
#ifndef PIT_STAGES_JOURNALER_H
#define PIT_STAGES_JOURNALER_H

#include <stdbool.h>

#include "journal/writer.h"
#include "pitline/error.h"
#include "ring/ring.h"
#include "ring/wait.h"
#include "stages/agent.h"
#include "stages/links.h"

#define PIT_JOURNALER_MATCHERS_MAX 16u
#define PIT_JOURNALER_BELLS_MAX 16u

struct pit_journaler_config {
    struct pit_journal *journal;       /* open; closed by its owner after this agent has stopped */
    struct pit_ring *input;            /* its first sequence is the one after the journal's end */
    struct pit_sequence *durable;      /* create stores the journal's end in it; from then on only the agent */
    struct pit_sequence *intake;       /* enum pit_intake; create stores ALL in it; NULL where nobody asks */
    struct pit_ring *const *digests;   /* one ring per matcher */
    uint32_t matchers;                 /* 0 .. PIT_JOURNALER_MATCHERS_MAX; 0: no digests are journaled */
    const struct pit_control *control; /* the phase */
    struct pit_bell *const *bells;     /* rung when durable has moved: the matchers'; may be NULL */
    uint32_t bells_count;              /* at most PIT_JOURNALER_BELLS_MAX */
};

/* Written relaxed by the agent; any thread reads them with pit_word_load_relaxed. */
struct pit_journaler_counters {
    uint64_t commands; /* copied into blocks */
    uint64_t commits;  /* blocks handed to the disk agent */
    uint64_t digests;  /* digest records appended */
    uint64_t stalls;   /* turns in which commands waited because both blocks were full */
};

struct pit_journaler;

/* Adds its readers to the input ring and the digest rings: call it before any of their writers publishes. 0; -EINVAL;
 * -ENOMEM; -ENOSPC: a ring has no room for one more reader. */
int pit_journaler_create(struct pit_journaler **journaler, const struct pit_journaler_config *config,
                         struct pit_error *error);

/* "journaler" */
struct pit_agent pit_journaler_agent(struct pit_journaler *journaler);

/* "journal-disk": writes blocks; blocks in the kernel. Its thread may sleep on options.disk_bell of the journal. */
struct pit_agent pit_journaler_disk_agent(struct pit_journal *journal);

/* "journal-next": prepares the next segment; blocks in the kernel. Nothing rings for it: it looks for work each time it
 * is run, and a sleep of some milliseconds between looks is soon enough. */
struct pit_agent pit_journaler_preparer_agent(struct pit_journal *journal);

void pit_journaler_destroy(struct pit_journaler *journaler);

/* Any thread. */

const struct pit_journaler_counters *pit_journaler_counters(const struct pit_journaler *journaler);

/* Every command up to sequence is durable and nothing is being filled or written. */
bool pit_journaler_settled(const struct pit_journaler *journaler, uint64_t sequence);

/* Settled, and the matchers' full digest for sequence is durable too: the journal of a clean stop is complete. sequence
 * is the last one published in the input ring once the gateway takes no more. With no matchers: settled. */
bool pit_journaler_drained(const struct pit_journaler *journaler, uint64_t sequence);

/* True once the journal has failed for good; error (may be NULL) says what happened and what to do. */
bool pit_journaler_failed(const struct pit_journaler *journaler, struct pit_error *error);

#endif
