/* replay/follow.h - follows a journal that is being written: applies what has come to a market, a step at a time.
 *
 * One thread, its own; the journal may be written by others meanwhile and is only read. The digests that the live run
 * journaled are compared as they come.
 */
#ifndef PIT_REPLAY_FOLLOW_H
#define PIT_REPLAY_FOLLOW_H

#include "journal/snapshot.h"
#include "pitline/error.h"

struct pit_follower;

/* Begins behind a snapshot that market, past and results hold already (from), or with the first command (from NULL: all
 * are empty). past: PIT_SYMBOLS_MAX of them. direct: the journal is written past the kernel's cache. 0; -ENOENT: there
 * is no journal yet; others as of a reader. */
int pit_follower_open(struct pit_follower **follower, const struct pit_disk *disk, const char *directory,
                      struct pit_market *market, struct pit_snapshot_past *past, struct pit_results *results,
                      const struct pit_snapshot_header *from, bool direct, struct pit_error *error);

/* Goes on by at most count commands, and not past the sequence until. Returns how many it read: 0 = it is there, or the
 * journal ends before. Negative: -ESTALE: the snapshot is not of this journal; -EILSEQ: the market is not what the live
 * run's was; others as of a reader. After an error the follower is of no use. Only as far as the journal is known to
 * reach is asking cheap: at its end the rest of the segment is looked at each time. */
int64_t pit_follower_step(struct pit_follower *follower, uint64_t until, uint32_t count, struct pit_error *error);

/* Where it is: sequence (0: at the beginning), block, time and digest of the last command, for a snapshot's header. */
void pit_follower_position(const struct pit_follower *follower, struct pit_snapshot_header *header);

/* The journal's last block that it has looked at. */
uint64_t pit_follower_block(const struct pit_follower *follower);

void pit_follower_close(struct pit_follower *follower);

#endif
