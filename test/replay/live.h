/* test/replay/live.h - a live run in small: random commands into markets and into a journal, digests and all. One
 * thread. */
#ifndef PIT_TEST_REPLAY_LIVE_H
#define PIT_TEST_REPLAY_LIVE_H

#include "book/market.h"
#include "journal/writer.h"

#define LIVE_SYMBOLS 3u
#define LIVE_SINK_SLOTS (1u << 20)

struct live {
    struct pit_reserve reserve;
    struct pit_market *market;
    struct pit_event_sink sink; /* keeps every event: runs stay below LIVE_SINK_SLOTS events */
    const struct pit_disk *disk;
    struct pit_journal *journal; /* NULL: nothing is journaled */
    bool as_log;       /* with PIT_LIVE_AS_LOG in the environment: what is journaled ends up as a cluster's log */
    uint64_t sequence; /* of the last command */
    uint64_t random;
    uint64_t digest_lag;     /* a digest is journaled so many commands after its own */
    uint64_t digest_skip;    /* the digest of this sequence is not journaled at all */
    uint64_t digest_spoil;   /* the digest of this sequence is journaled wrong */
    struct pit_digest noted; /* waiting to be journaled */
    uint64_t noted_at;       /* its sequence; 0 = none */
    uint64_t trades, rejects;
};

/* A run on disk (NULL: without a journal). The directory is "journal"; as a log it is there when the run has ended. */
void live_begin(struct live *live, const struct pit_disk *disk, uint64_t seed);

/* Some more random commands, or one given one (its sequence and time are filled in). */
void live_run(struct live *live, uint64_t commands);
void live_command(struct live *live, struct pit_command *command);

/* A clean stop: the full digest, with the state spoiled if asked, then the journal is closed. */
void live_stop(struct live *live, bool spoil_state);

/* A kill: everything appended is durable, no final digest. */
void live_kill(struct live *live);
void live_end(struct live *live);

/* Zeroed memory for a market, freed never: tests end soon. */
struct pit_reserve live_reserve(void);

#endif
