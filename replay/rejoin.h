/* replay/rejoin.h - a node of a cluster puts a log aside that cannot be read, and gets everything from the others
 * again. And what keeps a node that has come to another result than the others from taking part as if nothing were.
 *
 *   DIR/differs      this node has come to another result than the others: a text that says where
 *   DIR/rejoin       what is in the directory is not all there; until there is a log which says that the node rejoins
 *   DIR/damaged-N/   the segments and snapshots of a log that was put aside; nothing of it is deleted
 *
 * The mark is durable before anything is moved: whatever is interrupted, a log of which something is missing is never
 * taken for a whole one. Each call blocks, one thread at a time; the caller has the directory's lock.
 */
#ifndef PIT_REPLAY_REJOIN_H
#define PIT_REPLAY_REJOIN_H

#include <stdbool.h>

#include "journal/disk.h"
#include "pitline/error.h"

/* Makes the mark. 0; the disk's. */
int pit_rejoin_mark(const struct pit_disk *disk, const char *directory, struct pit_error *error);

/* 1: it is there; 0: it is not; negative: the disk's. */
int pit_rejoin_marked(const struct pit_disk *disk, const char *directory, struct pit_error *error);

/* Removes the mark. */
int pit_rejoin_done(const struct pit_disk *disk, const char *directory, struct pit_error *error);

#define PIT_REJOIN_TEXT_BYTES 512u

/* Writes down that this node differs from the others. 0; the disk's. */
int pit_rejoin_differs(const struct pit_disk *disk, const char *directory, const char *text, struct pit_error *error);

/* 1: it does, and text says where; 0: not known to; negative: the disk's. */
int pit_rejoin_differed(const struct pit_disk *disk, const char *directory, char text[PIT_REJOIN_TEXT_BYTES],
                        struct pit_error *error);

/* It gets everything from the others: makes the mark, and forgets that it differed. The log is still there. 0; the
 * disk's. */
int pit_rejoin_forgive(const struct pit_disk *disk, const char *directory, struct pit_error *error);

/* Makes the mark, and puts the log that is there aside. *number: it is in DIR/damaged-number/; 0: there was none. 0;
 * the disk's: the same call later goes on. */
int pit_rejoin_set_aside(const struct pit_disk *disk, const char *directory, uint32_t *number, struct pit_error *error);

#endif
