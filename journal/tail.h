/* journal/tail.h - what stands after the point where a journal stops being readable: an unfinished write, or the rest
 * of a damaged journal?
 *
 * Blocks are written one at a time into zeros, and the next only after the last is durable. So an unfinished write
 * leaves non-zero bytes within one block's length of the end and nothing whole after them. Anything else is damage.
 */
#ifndef PIT_JOURNAL_TAIL_H
#define PIT_JOURNAL_TAIL_H

#include "journal/block.h"
#include "journal/disk.h"

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

#endif
