/* stages/snapshots.h - the agent that writes snapshots of a running pipeline: a trailing replica.
 *
 * Reads:    the journal's files, as any reader does, up to what the journaler says is durable.
 * Writes:   books of its own, as large as the matchers', and snapshots into the journal's directory.
 * Thread:   one of its own, that gives way to every other (it blocks in the kernel). create, destroy and the questions
 *           at the end: the controller; figures: any thread.
 * Progress: nobody waits for it. It takes no part in any ring; when it cannot keep up, snapshots come later.
 *
 *   durable ──▶ snapshots ◀── segments        (no line leads from here to a matcher)
 *                   └──▶ snapshot-....pit
 *
 * It begins with the newest good snapshot there is, applies what comes in lumps, and compares its digests with those
 * that the matchers have journaled: a state that is not theirs is never written. Nor is one of which not everything
 * that was read is on the disk: a cluster's node matches what others have on theirs, and a write that has failed may
 * still be read. A failure of the disk is told and counted, and the next snapshot is tried when it is due. When the
 * replica cannot go on (the journal cannot be read, no memory) it is thrown away, and begun anew a minute later; when
 * its digest differs, there are no more snapshots until the next start. In no case does the pipeline stop.
 *
 * When so many snapshots as are kept are there, and the oldest of them is good, the segments before it are dealt with
 * as the plan says, one a turn, when nothing else is to be done.
 */
#ifndef PIT_STAGES_SNAPSHOTS_H
#define PIT_STAGES_SNAPSHOTS_H

#include <stdbool.h>

#include "journal/disk.h"
#include "journal/retention.h"
#include "journal/writer.h"
#include "pitline/error.h"
#include "stages/agent.h"
#include "stages/clock.h"

#define PIT_SNAPSHOTS_KEEP_DEFAULT 3u

/* When, how many, and what then. */
struct pit_snapshots_plan {
    uint64_t every; /* commands between two: at each multiple of it, but not at one when the next is durable by the time
                       the replica looks; 0 = not by count */
    uint64_t seconds; /* between two, if a command came; 0 = not by time. With both 0 there is no agent */
    uint32_t keep;    /* the newest so many stay [PIT_SNAPSHOTS_KEEP_DEFAULT] */
    enum pit_old_segments old_segments; /* what becomes of segments before the oldest of keep snapshots [they stay] */
};

struct pit_snapshots_config {
    const struct pit_disk *disk;
    const struct pit_clock *clock;
    const char *directory;             /* of the journal; valid as long as the agent */
    const struct pit_journal *journal; /* open for writing */
    const struct pit_sequence *durable;
    const struct pit_control *control;
    const struct pit_sequence *hold; /* the segment with this block and those after it are not removed; 0: there is
                                        none. NULL: likewise */
    bool direct;                     /* the journal is written past the kernel's cache */
    uint64_t begun_with;             /* sequence of the snapshot that the pipeline began with; 0 = none */
    uint64_t begun_with_ns;          /* when that was made, UTC */
    struct pit_snapshots_plan plan;
};

/* How it goes. */
struct pit_snapshots_figures {
    uint64_t sequence;   /* of the last snapshot that was written or begun with; 0 = none */
    uint64_t created_ns; /* when that was, UTC */
    uint64_t bytes;      /* of it; 0 = it was begun with */
    uint64_t took_ns;    /* writing it */
    uint64_t applied;    /* the last command the replica has */
    uint64_t written;    /* snapshots */
    uint64_t failed;     /* times that one could not be written, or the replica could not go on */
    uint64_t segments;   /* compressed or removed */
    uint64_t memory;     /* bytes of address space for its books */
};

#define PIT_SNAPSHOTS_WARNING_BYTES 1024u

struct pit_snapshots;

/* 0; -EINVAL: a plan without a time; -ENOMEM. */
int pit_snapshots_create(struct pit_snapshots **snapshots, const struct pit_snapshots_config *config,
                         struct pit_error *error);

/* "snapshots". Blocks in the kernel. */
struct pit_agent pit_snapshots_agent(struct pit_snapshots *snapshots);

/* One thread, beside the agent's: a snapshot that has at least the command of that sequence is due as soon as that is
 * durable, unless there is one. The figures tell when it is there. */
void pit_snapshots_ask(struct pit_snapshots *snapshots, uint64_t sequence);

/* Any thread. */
struct pit_snapshots_figures pit_snapshots_figures(const struct pit_snapshots *snapshots);

/* One thread, the controller's: what went wrong since the last call, for people. False: nothing. When several things
 * did, the first; the figures have their number. */
bool pit_snapshots_warning(struct pit_snapshots *snapshots, char text[PIT_SNAPSHOTS_WARNING_BYTES]);

void pit_snapshots_destroy(struct pit_snapshots *snapshots);

#endif
