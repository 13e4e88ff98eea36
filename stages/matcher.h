/* stages/matcher.h - the stage that changes books: takes the durable commands of its own symbols, writes the events.
 *
 * Reads:    the input ring (a gating reader), up to the barrier (what the journal has made durable).
 * Writes:   its output ring (one writer: this stage), its digest ring, its market.
 * Thread:   one, the one that runs do_work; nobody else touches the market while the pipeline runs.
 * Progress: do_work handles at most PIT_MATCHER_BATCH commands. It never blocks, allocates, locks, logs, or calls the
 *           kernel. When the output ring fills up in the midst of a command it publishes what it has and goes through
 *           the relief until readers have made room; PIT_PHASE_STOP ends that wait.
 *
 * A command's events are published before the command is released on the input ring, so whoever sees the cursor pass
 * a command can already see everything the command caused.
 */
#ifndef PIT_STAGES_MATCHER_H
#define PIT_STAGES_MATCHER_H

#include "book/market.h"
#include "ring/ring.h"
#include "stages/agent.h"

#define PIT_MATCHER_BATCH 256u
#define PIT_MATCHERS_MAX 7u /* readers of the input ring, less the journaler */

struct pit_matcher_config {
    const char *name;             /* of the agent: "matcher-0" */
    uint32_t number;              /* this matcher, 0 .. matchers - 1 */
    uint32_t matchers;            /* how many share the symbols, 1 .. PIT_MATCHERS_MAX */
    const uint8_t *owners;        /* owners[symbol] = the matcher of a configured symbol */
    uint32_t owners_count;        /* symbols from here on belong to matcher symbol % matchers */
    struct pit_market *market;    /* already holds what the journal held */
    struct pit_ring_reader input; /* added to the input ring for this matcher */
    struct pit_barrier barrier;   /* what must be reached before a command may be matched */
    struct pit_ring *output;      /* of lines of struct pit_event: runs */
    struct pit_ring *digests;     /* of struct pit_digest_note */
    struct pit_relief relief;     /* run while the output ring is full */
    const struct pit_control *control;
};

/* Written by the matcher (relaxed words), read by anyone. */
struct pit_matcher_counters {
    uint64_t commands;    /* of its own symbols */
    uint64_t events;      /* published */
    uint64_t turns;       /* calls of do_work that found commands */
    uint64_t output_full; /* times the output ring was full in the midst of a command */
    uint64_t digests;     /* notes handed to the journaler */
    uint64_t finished;    /* 1: everything accepted is matched, and the full digest handed over */
};

struct pit_matcher;

/* 0; -EINVAL: a number out of range; -ENOMEM. */
int pit_matcher_create(struct pit_matcher **matcher, const struct pit_matcher_config *config, struct pit_error *error);
struct pit_agent pit_matcher_agent(struct pit_matcher *matcher);
const struct pit_matcher_counters *pit_matcher_counters(const struct pit_matcher *matcher);
void pit_matcher_destroy(struct pit_matcher *matcher);

/* Which matcher a symbol belongs to. */
static inline uint32_t pit_matcher_of(const uint8_t *owners, uint32_t owners_count, uint32_t matchers, uint32_t symbol)
{
    return symbol < owners_count ? owners[symbol] : symbol % matchers;
}

#endif
