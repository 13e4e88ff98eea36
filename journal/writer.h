/* journal/writer.h - makes commands durable by group commit.
 *
 * Three threads at most, each with its own functions:
 *   journaler   appends, commits, and looks at what is durable; never blocks
 *   disk        writes one block at a time; blocks in the kernel
 *   preparer    writes zeros into the next segment ahead of need; blocks in the kernel
 * The last two are agents of their own so that a simulation can schedule them.
 *
 * While one block is being written the next is being filled: whatever has arrived since the last write is the next
 * write. Segments are zero-written before use and opened O_DIRECT|O_DSYNC; where that is refused, writes are followed
 * by fdatasync. A failed write is final: the journal reports it and accepts nothing more.
 *
 * But a disk that is full passes. The preparer then gives back what it had of the next segment, raises an alarm, and
 * tries again each second; blocks go on into what is prepared. A block for which there is no space waits in the disk
 * agent, and nothing more becomes durable until there is. Whoever takes commands asks pit_journal_room before.
 */
#ifndef PIT_JOURNAL_WRITER_H
#define PIT_JOURNAL_WRITER_H

#include <stdbool.h>

#include "book/command.h"
#include "book/market.h"
#include "journal/disk.h"
#include "journal/format.h"
#include "journal/reader.h"
#include "pitline/error.h"
#include "ring/wait.h"

enum pit_journal_sync {
    PIT_JOURNAL_SYNC_AUTO = 0,  /* direct if the file system allows it, else fdatasync */
    PIT_JOURNAL_SYNC_DATA = 1,  /* write + fdatasync */
    PIT_JOURNAL_SYNC_NEVER = 2, /* the kernel writes when it likes: for benches and tests only, and said so at start */
};

struct pit_journal_options {
    const char *directory;
    uint64_t segment_bytes;
    enum pit_journal_sync sync;
    uint64_t reserve_bytes;     /* that the next segment leaves free in the file system, for others; 0 = none */
    uint64_t cancels_bytes;     /* of the last prepared segment: for cancels alone while the disk is full; 0 = none */
    struct pit_bell *disk_bell; /* rung when there is a block to write, or a segment for it; may be NULL */
    struct pit_bell *journaler_bell; /* rung when one is durable, and when the room has changed; may be NULL */
    /* journaler, in pit_journal_commit: the block handed over is the first of its segment, and is to begin with this
     * record: at most PIT_JOURNAL_LEAD_BYTES with its payload. NULL: with no particular one. */
    void (*lead)(void *context, struct pit_journal_record_header *record, const void **payload);
    void *lead_context;
};

#define PIT_JOURNAL_LEAD_BYTES 8192u /* left free in each block for it */

/* What there is room for. */
enum pit_journal_room {
    PIT_JOURNAL_ROOM_ALL = 0,     /* there is space for segments */
    PIT_JOURNAL_ROOM_CANCELS = 1, /* no space, and less than cancels_bytes + PIT_JOURNAL_LAST_BYTES left */
    PIT_JOURNAL_ROOM_NONE = 2,    /* no space, and less than PIT_JOURNAL_LAST_BYTES left; or a block waits already */
};

/* Of the last prepared segment: for what was taken already, and for the last digests of a clean stop. In segments that
 * are shorter than PIT_JOURNAL_SEGMENT_BYTES_MIN, a block's longest. */
#define PIT_JOURNAL_LAST_BYTES ((uint64_t)PIT_JOURNAL_BLOCK_BYTES_MAX)

struct pit_journal;

/* Takes the directory's lock (making the directory if need be). Returns a lock handle >= 0; -EWOULDBLOCK names the
 * process that has it. Must be held before reading a journal that is going to be written. */
int pit_journal_lock(const struct pit_disk *disk, const char *directory, struct pit_error *error);
void pit_journal_unlock(const struct pit_disk *disk, int lock);

/* Opens for writing after end (all zero for an empty directory: a new journal begins). Zeroes a torn tail. */
int pit_journal_open(struct pit_journal **journal, const struct pit_disk *disk,
                     const struct pit_journal_options *options, const struct pit_journal_end *end,
                     struct pit_error *error);

/* journaler: adds a command to the block being filled. Sequences rise by one from end.sequence + 1. False: full; commit
 * and try again later. */
bool pit_journal_append(struct pit_journal *journal, const struct pit_command *command);

/* journaler: adds a digest record. False as above. full: state and orders are valid. */
bool pit_journal_append_digest(struct pit_journal *journal, uint64_t sequence, const struct pit_digest *digest,
                               bool full);

/* journaler: adds a record of a cluster's log (journal/log.h): kind, index, term and bytes of record, and its payload,
 * in which no line of 64 bytes is zero. Or a digest record, likewise. False as above. */
bool pit_journal_append_log(struct pit_journal *journal, const struct pit_journal_record_header *record,
                            const void *payload);

/* The longest payload of such a record. */
uint32_t pit_journal_payload_max(const struct pit_journal *journal);

/* journaler: hands the block being filled to the disk agent if that is idle and there is anything in it. Returns true
 * if it did. */
bool pit_journal_commit(struct pit_journal *journal);

/* journaler: the sequence of the last durable command. */
uint64_t pit_journal_durable(struct pit_journal *journal);

/* journaler: nothing is being filled or written. */
bool pit_journal_idle(struct pit_journal *journal);

/* journaler: true once a write has failed for good; error says what. */
bool pit_journal_failed(struct pit_journal *journal, struct pit_error *error);

/* disk: writes the block handed over, if any. Returns 1 if it did. */
uint32_t pit_journal_disk_work(struct pit_journal *journal);

/* preparer: writes a slice of the next segment's zeros, if needed. Returns 1 if it did. */
uint32_t pit_journal_prepare_work(struct pit_journal *journal);

/* The number of the last block that is as durable as options.sync has it. Any thread. */
uint64_t pit_journal_stored(const struct pit_journal *journal);

/* For people: how the journal writes here ("O_DIRECT|O_DSYNC", "fdatasync (the file system refuses O_DIRECT)"). */
const char *pit_journal_method(const struct pit_journal *journal);

/* Writes go past the kernel's cache: O_DIRECT. */
bool pit_journal_direct(const struct pit_journal *journal);

/* Statistics: any thread. */
struct pit_journal_statistics {
    uint64_t blocks, bytes, commands, write_ns_total, write_ns_max;
};
struct pit_journal_statistics pit_journal_statistics(const struct pit_journal *journal);

/* What there is room for once ahead_bytes of commands that are on their way have been written. Any thread. */
enum pit_journal_room pit_journal_room(const struct pit_journal *journal, uint64_t ahead_bytes);

/* True while there is no space for the next segment or for a block. Any thread. */
bool pit_journal_short_of_space(const struct pit_journal *journal);

/* Space, for people: any thread. free and wanted are as the last try found them. */
struct pit_journal_space {
    bool alarm;      /* there is no space for the next segment, or for a block */
    bool waits;      /* a block waits for space: nothing more becomes durable */
    uint64_t left;   /* bytes left in the segment being written */
    uint64_t free;   /* bytes free in the file system; UINT64_MAX = nobody knows */
    uint64_t wanted; /* bytes that would have to be free */
    uint64_t times;  /* how often a segment or a block began to wait for space */
};
struct pit_journal_space pit_journal_space(const struct pit_journal *journal);

/* Closes the files. The journaler has seen pit_journal_idle, and the two agents have stopped. */
void pit_journal_close(struct pit_journal *journal);

#endif
