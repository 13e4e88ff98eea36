/* tools/past.h - a journal's state for the tools that look at it: from a snapshot where there is one, and the commands
 * after it. One thread.
 */
#ifndef PIT_TOOLS_PAST_H
#define PIT_TOOLS_PAST_H

#include "journal/snapshot.h"
#include "memory/arena.h"
#include "replay/replay.h"

struct pit_past {
    const char *tool;   /* for what is said on standard error */
    bool from_snapshot; /* false: from the first command */
    uint64_t wanted;    /* the snapshot of this sequence and no other; 0 = the newest good one */
    /* Called when the market is what it is to begin with, before the first command is applied to it; once more when
     * that beginning proves to be of no use and another one takes its place. NULL where not wanted. */
    void (*begun)(void *context);
    void *begun_context;
    struct pit_arena *arena;         /* memory of the market */
    struct pit_market *market;       /* the state; another one after pit_past_replay */
    struct pit_snapshot_past *past;  /* by symbol: as the snapshot has it; whoever counts trades goes on from there */
    struct pit_results *results;     /* likewise; made by who wants them, NULL = nobody */
    struct pit_snapshot_header from; /* the snapshot that was used; sequence 0 = none */
};

/* Makes an empty market. tool, from_snapshot and wanted are set. */
int pit_past_begin(struct pit_past *past, struct pit_error *error);
void pit_past_end(struct pit_past *past);

/* pit_replay, beginning with a snapshot of at most options->until and until_ns. A snapshot that is not good or not of
 * this journal is told on standard error and the next older one is used, or none; unless it was wanted, then that is an
 * error. Of options markets, markets_count, from and from_command are filled in here. */
int pit_past_replay(struct pit_past *past, const char *directory, struct pit_replay_options *options,
                    struct pit_replay_result *result, struct pit_error *error);

#endif
