/* journal/block.h - the parts of the on-disk format that reader and writer share: checksums, names, headers.
 *
 * Pure functions over the caller's bytes; any thread.
 */
#ifndef PIT_JOURNAL_BLOCK_H
#define PIT_JOURNAL_BLOCK_H

#include <stdbool.h>

#include "journal/format.h"
#include "pitline/error.h"

#define PIT_JOURNAL_PATH_BYTES 4096u
#define PIT_JOURNAL_NAME_BYTES 32u /* "00000000000000000001.journal" and its closing zero */
#define PIT_JOURNAL_NEXT_NAME "next.segment"
#define PIT_JOURNAL_URGENT_NAME "urgent.segment"
#define PIT_JOURNAL_LOCK_NAME "lock"

/* Who writes a large file beside the journal syncs it each time so much is written: one sync at the end would be a
 * burst that the blocks wait behind. */
#define PIT_JOURNAL_SYNC_BESIDE_BYTES (UINT64_C(256) << 10)

/* CRC-32C as everybody computes it ("123456789" gives 0xe3069283). */
uint32_t pit_journal_crc(const void *bytes, size_t count);

/* The same with the four bytes at offset hole (hole + 4 <= count) taken as zero. */
uint32_t pit_journal_crc_without(const void *bytes, size_t count, size_t hole);

/* The name of a segment by the number of its first block, and back (0: not a segment's name). */
void pit_journal_segment_name(char name[PIT_JOURNAL_NAME_BYTES], uint64_t first_block);
uint64_t pit_journal_segment_number(const char *name);

/* directory/name. False when it does not fit. */
bool pit_journal_path(char path[PIT_JOURNAL_PATH_BYTES], const char *directory, const char *name);

/* Lays the header out in a page, with its checksum. */
void pit_journal_segment_seal(uint8_t page[PIT_JOURNAL_PAGE_BYTES], const struct pit_journal_segment_header *header);

/* What is wrong with a segment's first page, for people; NULL = nothing. *whole: its checksum is right, so what is
 * wrong was written so: another version, or a size out of bounds. */
const char *pit_journal_segment_check(const uint8_t page[PIT_JOURNAL_PAGE_BYTES], bool *whole);

/* A whole segment header of another version of the format: error says which, and what to do. Returns -ENOTSUP. */
int pit_journal_other_version(const char *directory, uint64_t number, uint32_t version, struct pit_error *error);

static inline uint64_t pit_journal_id_half(const uint8_t journal_id[16])
{
    uint64_t half;
    __builtin_memcpy(&half, journal_id, sizeof half);
    return half;
}

/* Completes the block in bytes (used of them filled): pads with zeros, sets bytes and crc of its header, whose other
 * fields are filled. Returns the block's bytes. */
uint32_t pit_journal_block_seal(uint8_t *bytes);

/* How many bytes the block whose header page is at bytes says it has, or 0 when that cannot be a block of journal_id:
 * wrong magic or id, or a length out of bounds. room: how many bytes there can be at most. */
uint32_t pit_journal_block_claims(const uint8_t *bytes, uint64_t journal_id, uint64_t room);

enum pit_journal_sort {
    PIT_JOURNAL_SORT_UNKNOWN = 0, /* what stands first says which it is: an anchor, or not */
    PIT_JOURNAL_SORT_COMMANDS = 1,
    PIT_JOURNAL_SORT_LOG = 2, /* of a cluster */
};

/* What a whole block's place in the chain must be. */
struct pit_journal_place {
    uint64_t journal_id;
    uint64_t number;
    uint64_t sequence; /* of the first command in it */
    uint32_t previous_crc;
    enum pit_journal_sort sort;
};

/* What is wrong with the block at bytes (count readable), for people; NULL = nothing: magic, length, checksum, place,
 * every record's bounds and every command's. */
const char *pit_journal_block_check(const uint8_t *bytes, uint64_t count, const struct pit_journal_place *place,
                                    uint64_t *last_time_ns);

/* Padded to whole lines. */
static inline uint32_t pit_journal_record_room(uint32_t payload)
{
    return (uint32_t)sizeof(struct pit_journal_record_header) + ((payload + 63u) & ~63u);
}

/* True when the block that claims bytes_claimed here has the right checksum. */
static inline bool pit_journal_block_whole(const uint8_t *bytes, uint32_t bytes_claimed)
{
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)bytes;
    return header->crc == pit_journal_crc_without(bytes, bytes_claimed, offsetof(struct pit_journal_block_header, crc));
}

/* Which sort a whole block is of, going by its first record. */
static inline enum pit_journal_sort pit_journal_block_sort(const uint8_t *bytes)
{
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)bytes;
    const struct pit_journal_record_header *record = (const struct pit_journal_record_header *)(header + 1);
    return header->used > sizeof *header && record->kind == PIT_JOURNAL_LOG_ANCHOR ? PIT_JOURNAL_SORT_LOG
                                                                                   : PIT_JOURNAL_SORT_COMMANDS;
}

/* True when all count bytes are zero. */
bool pit_journal_zero(const void *bytes, size_t count);

#endif
