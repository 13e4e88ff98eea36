/* replay/replay.h - rebuilds state from the journal: recovery before a run, verification and time travel after one.
 *
 * The journal is only read. One thread.
 */
#ifndef PIT_REPLAY_REPLAY_H
#define PIT_REPLAY_REPLAY_H

#include <stdbool.h>

#include "book/market.h"
#include "journal/disk.h"
#include "journal/reader.h"
#include "pitline/error.h"

/* Which of the markets keeps a symbol (0 .. markets - 1). */
typedef uint32_t pit_replay_assign(void *context, uint32_t symbol);

struct pit_replay_options {
    struct pit_market **markets; /* at least one; empty, but for from */
    uint32_t markets_count;
    pit_replay_assign *assign; /* NULL: everything to markets[0] */
    void *assign_context;
    /* Each SYMBOL command before assign is asked about it and it is applied, so that an assignment can go by name; NULL
     * where not wanted. */
    void (*defining)(void *context, const struct pit_command *command);
    void *defining_context;
    /* The markets hold the state after this sequence, from a snapshot: the commands up to there are not applied. At
     * most until. 0 = the markets are empty. */
    uint64_t from;
    uint64_t from_command; /* pit_snapshot_command_digest of the command with that sequence */
    uint64_t from_block;   /* that it stands in: reading begins with the segment that holds it. 0 = with the first there
                              is; the command may then be the one before the journal's first */
    uint64_t from_time_ns; /* of it; 0 = not known */
    uint64_t until;        /* stop after this sequence; 0 = at the end */
    uint64_t until_ns;     /* stop after the last command not later than this time; 0 = at the end */
    bool verify;           /* compare with the digests in the journal; a difference ends the replay with -EILSEQ */
    /* Each event with the command that caused it, in order; event->sequence counts them from 1. NULL where not wanted.
     * Return false to stop early: the command in progress is still finished. */
    bool (*event)(void *context, const struct pit_command *command, const struct pit_event *event);
    void *event_context;
    /* Called about every progress_every commands; NULL where not wanted. */
    void (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_total, uint64_t commands);
    void *progress_context;
    uint64_t progress_every;
};

struct pit_replay_result {
    uint64_t commands; /* applied; the counts below are of these */
    uint64_t skipped;  /* not applied, for the markets had them: read, or passed over by segments */
    uint64_t kinds[8]; /* by enum pit_command_kind */
    uint64_t last_sequence;
    uint64_t last_time_ns;
    uint64_t last_command; /* pit_snapshot_command_digest of it */
    uint64_t last_block;   /* that it stands in */
    uint64_t events;
    uint64_t trades;
    uint64_t rejects;
    uint64_t digests_compared;
    uint64_t differs_at; /* the first journaled digest that differs; 0 = none. The cause lies in
                            (differs_after, differs_at] */
    uint64_t differs_after;
    struct pit_journal_end end; /* valid when the whole journal was read */
    bool stopped;               /* by until or by event; end is all zero then */
};

/* 0; -ENOENT: nothing there (result->end is all zero); -EILSEQ: verify found a difference; -ESTALE: the journal ends
 * before from, or has another command there, and nothing was applied: the snapshot is not this journal's; others:
 * damage, also a segment that is missing at the beginning; I/O. */
int pit_replay(const struct pit_disk *disk, const char *directory, const struct pit_replay_options *options,
               struct pit_replay_result *result, struct pit_error *error);

#endif
