/* test/replay/to_log.h - the commands and digests of a single node's journal as the log of a cluster's node, with what
 * a cluster adds: barriers, votes, and entries that are taken back. One thread. */
#ifndef PIT_TEST_REPLAY_TO_LOG_H
#define PIT_TEST_REPLAY_TO_LOG_H

#include "journal/log.h"

/* Writes the journal in from as a new log in to. */
void to_log(const struct pit_disk *disk, const char *from, const char *to, uint64_t seed, uint64_t segment_bytes);

#endif
