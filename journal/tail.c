#include "journal/tail.h"

#include <string.h>

/* Is there a whole block at offset? page is its first page. */
static int block_at(const struct pit_disk *disk, int file, uint64_t offset, const uint8_t *page, uint64_t journal_id,
                    uint8_t *block, struct pit_journal_tail *tail)
{
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)page;
    uint64_t id = journal_id ? journal_id : header->journal_id;
    uint32_t claims = pit_journal_block_claims(page, id, PIT_JOURNAL_BLOCK_BYTES_MAX);
    if (claims == 0)
        return 0;
    int64_t got = disk->read(disk->context, file, block, claims, offset);
    if (got < 0)
        return (int)got;
    if ((uint64_t)got == claims && pit_journal_block_whole(block, claims)) {
        tail->block_offset = offset;
        tail->block_number = ((const struct pit_journal_block_header *)block)->number;
    }
    return 0;
}

int pit_journal_tail_scan(const struct pit_disk *disk, int file, uint64_t from, uint64_t journal_id, uint8_t *window,
                          size_t window_bytes, uint8_t *block, struct pit_journal_tail *tail)
{
    *tail = (struct pit_journal_tail){.extent = from};
    for (;;) {
        int64_t got = disk->read(disk->context, file, window, window_bytes, from);
        if (got <= 0)
            return (int)got;
        size_t count = (size_t)got;
        size_t whole = (count + PIT_JOURNAL_PAGE_BYTES - 1) & ~(size_t)(PIT_JOURNAL_PAGE_BYTES - 1);
        memset(window + count, 0, whole - count); /* a cut page counts as one that ends in zeros */
        for (size_t at = 0; at < whole; at += PIT_JOURNAL_PAGE_BYTES) {
            const uint8_t *page = window + at;
            if (pit_journal_zero(page, PIT_JOURNAL_PAGE_BYTES))
                continue;
            size_t last = PIT_JOURNAL_PAGE_BYTES;
            while (page[last - 1] == 0)
                last--;
            tail->extent = from + at + last;
            int result = block_at(disk, file, from + at, page, journal_id, block, tail);
            if (result < 0 || tail->block_offset)
                return result;
        }
        if (count < window_bytes)
            return 0;
        from += count;
    }
}
