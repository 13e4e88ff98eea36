/* journal/reader.h - reads a journal from its first command to its last, checking everything, changing nothing.
 *
 * A cluster's log (journal/log.h) reads as a journal of the commands that are known to be committed, in order, once,
 * with index and term, and of digests; what may still be taken back is never shown. One record is one entry. Entries
 * that are not committed when the reader comes to them are held in memory until they are, or are taken back.
 *
 * Segments may be compressed (journal/compressed.h). One thread. A live directory may be read: the reader stops at the
 * last whole block. What looks like damage is looked at again for a twentieth of a second before it is called that, for
 * a block that is just being written may look so.
 */
#ifndef PIT_JOURNAL_READER_H
#define PIT_JOURNAL_READER_H

#include <stdbool.h>

#include "book/command.h"
#include "journal/disk.h"
#include "journal/format.h"
#include "pitline/error.h"

/* Where a journal ends: what a writer needs to go on. */
struct pit_journal_end {
    uint8_t journal_id[16];
    uint64_t blocks;              /* number of the last whole block, 0 = empty journal */
    uint64_t sequence;            /* of the last command, 0 = none; in a cluster's log, that is committed */
    uint64_t time_ns;             /* its time, 0 = it was not read */
    uint64_t segment_first_block; /* names the last segment; 0 = there is none */
    uint64_t segment_bytes;
    uint64_t offset;        /* in that segment, where the next block goes */
    uint64_t block_offset;  /* in that segment, where the last block starts; 0 = it has none */
    uint64_t torn_bytes;    /* non-zero bytes after it that are an unfinished write; 0 = the end is clean */
    uint64_t missing_bytes; /* that the segment's file is shorter than it was made */
    uint32_t crc;           /* of the last block */
    uint64_t segments;      /* how many there are */
};

struct pit_journal_record {
    enum pit_journal_record_kind kind;
    uint64_t index;
    uint64_t term;
    uint64_t first_sequence;
    uint32_t count;
    const void *payload; /* valid until the next call; 64-byte aligned */
    uint32_t bytes;
    uint64_t block; /* number of the block it came from */
};

struct pit_journal_reader;

#define PIT_JOURNAL_FROM_FIRST UINT64_C(1) /* as pit_journal_reader_open: a missing first segment is damage */
#define PIT_JOURNAL_FROM_THERE UINT64_C(0) /* the first segment there is, whichever that is */

/* Opens the journal in directory. 0; -ENOENT: no directory, or no segment in it; others with what to do. */
int pit_journal_reader_open(struct pit_journal_reader **reader, const struct pit_disk *disk, const char *directory,
                            struct pit_error *error);

/* The same, beginning with the segment that holds a block: what is before it is not read, and may have been removed.
 * The first record is the first of that segment; the chain of checksums is checked from its header on. Where that
 * header is damaged, with an earlier segment, so that the damage is found as ever. Errors as above. */
int pit_journal_reader_open_at(struct pit_journal_reader **reader, const struct pit_disk *disk, const char *directory,
                               uint64_t block, struct pit_error *error);

/* The same, and a cluster's log is given out as it stands: journal/log_image.h makes sense of it. */
int pit_journal_reader_open_log(struct pit_journal_reader **reader, const struct pit_disk *disk, const char *directory,
                                uint64_t block, struct pit_error *error);

/* Before the first record: from here on read as one that follows the writer closely, with little at a time, and past
 * the kernel's cache where the writer writes past it too (direct). What is read ahead into that cache would be in the
 * writer's way: a write past the cache first throws out the pages that it holds there, and waits for those being read.
 */
void pit_journal_reader_beside(struct pit_journal_reader *reader, bool direct);

/* The next record. 1: *record is filled; 0: the end (see pit_journal_reader_end); negative: damage before the end -
 * error names the segment, the offset and what can be done. A torn tail is an end, not an error. */
int pit_journal_reader_next(struct pit_journal_reader *reader, struct pit_journal_record *record,
                            struct pit_error *error);

/* Walks the commands of a COMMANDS record: *at starts at 0. Returns NULL after the last. The pointer is into the
 * record's payload; line 1 may be read only with PIT_COMMAND_WIDE. */
const struct pit_command *pit_journal_record_command(const struct pit_journal_record *record, uint32_t *at);

/* Where it begins: the number of the first block that is read, and the sequence that its first command has or will
 * have. 1 and 1, unless it was opened at a later segment. */
void pit_journal_reader_beginning(const struct pit_journal_reader *reader, uint64_t *block, uint64_t *sequence);

/* The last block that was looked at. In a cluster's log that may be after what was given out: there it stands that it
 * is committed. */
uint64_t pit_journal_reader_block(const struct pit_journal_reader *reader);

/* Valid after pit_journal_reader_next returned 0. */
struct pit_journal_end pit_journal_reader_end(const struct pit_journal_reader *reader);

/* Bytes read so far and in all segments, for progress. */
void pit_journal_reader_progress(const struct pit_journal_reader *reader, uint64_t *done, uint64_t *total);

void pit_journal_reader_close(struct pit_journal_reader *reader);

#endif
