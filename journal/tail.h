/* journal/tail.h - what stands after the point where a journal stops being readable: an unfinished write, or the rest
 * of a damaged journal?
 *
 * Blocks are written one at a time into zeros, and the next only after the last is durable. So an unfinished write
 * leaves non-zero bytes within one block's length of the end and nothing whole after them. And it leaves a sector of
 * its block as it was before, zero, while no line of a block is zero when it is written. Anything else is damage.
 *
 * Pure functions over the caller's bytes and files; any thread.
 */
#ifndef PIT_JOURNAL_TAIL_H
#define PIT_JOURNAL_TAIL_H

#include "journal/block.h"
#include "journal/disk.h"

/* What a disk writes wholly or not at all. A disk with larger sectors leaves a whole number of these. */
#define PIT_JOURNAL_SECTOR_BYTES 512u

struct pit_journal_tail {
    uint64_t extent;       /* offset after the last byte that is not zero; the start when there is none */
    uint64_t block_offset; /* of the first whole block found; 0 = none */
    uint64_t block_number;
};

/* Looks at every page of file from offset from (a multiple of the page size) to its end, stopping at the first whole
 * block of the journal (journal_id 0: of any journal). window: window_bytes (a multiple of the page size) of scratch;
 * block: PIT_JOURNAL_BLOCK_BYTES_MAX of scratch. 0 or the disk's negative errno. */
int pit_journal_tail_scan(const struct pit_disk *disk, int file, uint64_t from, uint64_t journal_id, uint8_t *window,
                          size_t window_bytes, uint8_t *block, struct pit_journal_tail *tail);

/* Is what stands where the block of place was expected, and is not whole, provably an unfinished write of it? bytes:
 * what the file has from there on, count of them, all there are or PIT_JOURNAL_BLOCK_BYTES_MAX, and then zeros to a
 * whole number of pages; left as they were. Returns NULL when it is (or there are only zeros), otherwise what speaks
 * against it, for people. *sequence_last: the last sequence that the block's header claims, 0 when the header is not to
 * be trusted. */
const char *pit_journal_tail_unfinished(uint8_t *bytes, size_t count, const struct pit_journal_place *place,
                                        uint64_t *sequence_last);

#endif
