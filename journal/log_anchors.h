/* journal/log_anchors.h - where a cluster's log can be read from: its segments, and what each begins with. Any thread;
 * nothing is changed, and the log may be written meanwhile. */
#ifndef PIT_JOURNAL_LOG_ANCHORS_H
#define PIT_JOURNAL_LOG_ANCHORS_H

#include "journal/block.h"
#include "journal/disk.h"

struct pit_log_anchor {
    uint64_t block; /* the segment's first */
    uint64_t index; /* of the last entry before the segment, and its term */
    uint64_t term;
    struct pit_journal_log_anchor at;
};

/* The first block numbers of the segments in directory, rising; freed by the caller. disk: one that unpacks
 * (journal/unpack.h). How many, or negative: -ENOMEM, the disk's. */
int64_t pit_journal_segments(const struct pit_disk *disk, const char *directory, uint64_t **numbers);

/* What a segment begins with. 1; 0: nothing in it is whole yet, or it is no cluster's log: reading it says what it is;
 * negative: -ENOMEM, the disk's (-ENOENT: it is gone). */
int pit_log_anchor_read(const struct pit_disk *disk, const char *directory, uint64_t number,
                        struct pit_log_anchor *anchor);

#endif
