/* replay/walk.h - a place in a journal's past that can be moved, forward and back, with the state as it was there.
 *
 *   journal    ....................................................
 *   snapshots  |               |               |                      (on disk, where there are any)
 *   checkpoints|   |   |   |   |   |   |   |                          (in memory, taken on the way)
 *                                 ^ here
 *
 * Forward means to apply commands. Back means to take the nearest earlier state, a checkpoint, a snapshot or the empty
 * market, and to apply the commands after it.
 *
 * Checkpoints are taken at least PIT_WALK_EVERY_MIN commands apart and at least four commands for each resting order
 * apart, so taking them never costs more than a fraction of applying the commands. Together they take at most
 * checkpoint_bytes_max: when they would take more, every second one is dropped and the distance doubled.
 *
 * The journal is only read, and may be written meanwhile: then its end moves. One thread.
 */
#ifndef PIT_REPLAY_WALK_H
#define PIT_REPLAY_WALK_H

#include <stdbool.h>

#include "book/market.h"
#include "journal/disk.h"
#include "pitline/error.h"

#define PIT_WALK_EVERY_MIN 4096u
#define PIT_WALK_CHECKPOINTS_MAX 256u
#define PIT_WALK_BYTES_DEFAULT ((size_t)256 << 20)
#define PIT_WALK_SNAPSHOT_WORTH 100000u

struct pit_walk;

struct pit_walk_options {
    const struct pit_disk *disk;
    const char *directory;
    bool snapshots;              /* use those in the directory, */
    uint64_t snapshot_worth;     /* when they save so many commands; 0 = PIT_WALK_SNAPSHOT_WORTH */
    size_t checkpoint_bytes_max; /* 0 = PIT_WALK_BYTES_DEFAULT */
    /* A snapshot that is passed over, and why; NULL: nobody is told. */
    void (*warn)(void *context, const char *text);
    void *warn_context;
};

/* Stands before the first command. (Where that has been removed there is no state to stand at: the first move is to be
 * to a later one.) 0; -ENOENT: there is no journal; others. */
int pit_walk_open(struct pit_walk **walk, const struct pit_walk_options *options, struct pit_error *error);
void pit_walk_close(struct pit_walk *walk);

/* Each event of the commands that are applied from now on, with its command; event->sequence counts from 1 at the
 * journal's beginning. NULL: no more. Going back applies commands too: listen for what is wanted only. */
void pit_walk_listen(struct pit_walk *walk,
                     void (*event)(void *context, const struct pit_command *command, const struct pit_event *event),
                     void *context);

/* Where it stands: the last command applied, 0 = none. */
uint64_t pit_walk_sequence(const struct pit_walk *walk);
uint64_t pit_walk_time_ns(const struct pit_walk *walk);

/* The state there. Valid until the place is moved. */
struct pit_market *pit_walk_market(const struct pit_walk *walk);

/* The next command, not applied. 1; 0: there is none (yet); negative: damage, I/O. Valid until the place is moved. */
int pit_walk_peek(struct pit_walk *walk, const struct pit_command **command, struct pit_error *error);

/* Applies the next command. 1; 0: there is none (yet); negative as above. */
int pit_walk_next(struct pit_walk *walk, struct pit_error *error);

/* Moves to after a sequence (0: before the first), forward or back; or to after the last command not later than a time.
 * 0; 1: the journal ends before it, and that is where it stands now; -ERANGE: the journal's beginning has been removed,
 * and there is no snapshot to begin with: it stands where it stood; other negatives as above, and then nothing can be
 * done with it but to close it. */
int pit_walk_to(struct pit_walk *walk, uint64_t sequence, struct pit_error *error);
int pit_walk_to_time(struct pit_walk *walk, uint64_t time_ns, struct pit_error *error);

/* For people and tests. */
struct pit_walk_statistics {
    uint64_t checkpoints;      /* held */
    uint64_t checkpoint_bytes; /* in them */
    uint64_t distance;         /* least commands between two */
    uint64_t applied;          /* commands, in all */
    uint64_t restored;         /* times a checkpoint was */
    uint64_t loaded;           /* times a snapshot was */
};
struct pit_walk_statistics pit_walk_statistics(const struct pit_walk *walk);

/* A second market of the state here, for what did not happen. Memory comes from memory; room as for
 * pit_checkpoint_restore. NULL: no memory, error says so. */
struct pit_market *pit_walk_fork(struct pit_walk *walk, const struct pit_reserve *memory, size_t (*room)(void *context),
                                 void *room_context, struct pit_error *error);

#endif
