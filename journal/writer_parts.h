/* journal/writer_parts.h - the inside of a journal being written, shared by the files of its writer; nobody else
 * includes it.
 *
 *   writer.c        lock, opening and closing, the journaler's functions, the questions of any thread
 *   writer_disk.c   the disk and the preparing agent
 */
#ifndef PIT_JOURNAL_WRITER_PARTS_H
#define PIT_JOURNAL_WRITER_PARTS_H

#include "journal/segment.h"
#include "journal/space.h"
#include "journal/writer.h"
#include "ring/sequence.h"

/* The journaler fills one of the two blocks while the disk agent writes the other. handed and done count blocks since
 * the opening: the disk agent owns the block handed over from handed to done, the journaler owns everything else. */
struct pit_journal {
    /* Fixed once open. */
    struct pit_journal_files files;
    struct pit_journal_options options;
    const char *method_text;
    uint8_t journal_id[16];
    uint8_t *blocks[2];
    uint32_t block_max;     /* bytes of a block */
    uint64_t blocks_before; /* the opening */

    /* Hand-over, one writer each. */
    struct pit_sequence handed; /* journaler */
    struct pit_sequence done;   /* disk */
    struct pit_sequence failed; /* disk: 1 = error is filled */
    struct pit_sequence filled; /* disk: bytes in use of the current segment; relaxed, for the preparer's pace */
    struct pit_sequence ready;  /* preparer: blanks finished; one is waiting in blank while ready is taken + 1 */
    struct pit_sequence taken;  /* disk: blanks taken */
    struct pit_sequence left;   /* disk: bytes left in the current segment; before taken */
    struct pit_error error;     /* disk, before failed */

    struct pit_journal_alarm blank_alarm; /* preparer: no space for the next segment */
    struct pit_journal_alarm block_alarm; /* disk: no space for the block, which waits */

    /* Journaler. */
    _Alignas(PIT_SEQUENCE_BYTES) struct pit_journal_block_header *block; /* being filled */
    struct pit_journal_record_header *record; /* in it, still open for commands; NULL = none */
    uint64_t next_sequence;
    uint64_t handed_count;
    uint64_t durable;
    uint64_t writing_last; /* last sequence in the block being written */
    uint64_t ends_at;      /* where the block handed over last ends, in the segment that it is in */
    uint64_t ends_before;  /* and how long that segment is */
    bool writing;
    bool broken;

    /* Disk. */
    _Alignas(PIT_SEQUENCE_BYTES) int file;
    bool stopped;
    uint64_t segment_first_block;
    uint64_t segment_bytes;
    uint64_t offset;
    uint64_t number; /* of the last block written */
    uint64_t sequence;
    uint64_t done_count;
    uint64_t taken_count;
    uint32_t crc; /* of the last block written */
    uint8_t *page;
    struct pit_journal_statistics statistics; /* words */

    /* Preparer; the disk agent's between ready and taken. */
    _Alignas(PIT_SEQUENCE_BYTES) struct pit_journal_blank blank;
    uint64_t ready_count;
    uint64_t retry_below; /* after a failure: try again when filled is below or at least this far */
    uint64_t retry_at;
};

static inline void pit_journal_wake(struct pit_bell *bell)
{
    if (bell)
        pit_bell_ring(bell);
}

/* What has to be free for the next segment. */
static inline uint64_t pit_journal_wanted_bytes(const struct pit_journal *journal)
{
    return journal->options.segment_bytes + journal->options.reserve_bytes;
}

/* Disk: how far the current segment is, for the preparer and for those who ask for room. */
void pit_journal_tell_place(struct pit_journal *journal);

/* Disk: makes a finished blank the current segment. A failure leaves the blank as it was, unless its file is gone from
 * it. */
int pit_journal_roll(struct pit_journal *journal, struct pit_journal_blank *blank, const char *name);

#endif
