/* journal/snapshot_parts.h - what the snapshot's own files share beyond the format. One thread. */
#ifndef PIT_JOURNAL_SNAPSHOT_PARTS_H
#define PIT_JOURNAL_SNAPSHOT_PARTS_H

#include "journal/disk.h"

/* Makes the last segments durable: a reader may have seen a block before it was, and no snapshot is to stand for a
 * command that a crash could still take back. 0 or a negative errno. */
int pit_snapshot_settle_journal(const struct pit_disk *disk, const char *directory);

#endif
