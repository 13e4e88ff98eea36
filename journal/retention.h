/* journal/retention.h - what becomes of segments that snapshots stand for: kept, compressed, or removed.
 *
 * Only what lies wholly before a block is touched, and the block is that of the oldest snapshot that is kept: that one,
 * every later one, and a start from any of them need nothing of it. One thread; others may read the journal and write
 * its end meanwhile. A crash between any two steps leaves each segment in one form or in both, and what is removed goes
 * from the journal's beginning on, so what remains has no gap.
 */
#ifndef PIT_JOURNAL_RETENTION_H
#define PIT_JOURNAL_RETENTION_H

#include "journal/disk.h"
#include "pitline/error.h"

enum pit_old_segments {
    PIT_OLD_SEGMENTS_KEEP = 0,
    PIT_OLD_SEGMENTS_COMPRESS = 1, /* journal/compressed.h */
    PIT_OLD_SEGMENTS_REMOVE = 2,
};

/* Does it to the first segment before block that it has not been done to. 1: done; 0: there is none left; negative: the
 * disk's, or memory: the segment is still there. */
int pit_retention_step(const struct pit_disk *disk, const char *directory, enum pit_old_segments what, uint64_t block,
                       struct pit_error *error);

#endif
