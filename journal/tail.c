#include "journal/tail.h"

#include <string.h>

#include "book/command.h"

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

/* Was the sector at offset at written? One that reaches beyond the end of the file was not, or not wholly. */
static bool sector_written(const uint8_t *bytes, size_t count, uint32_t at)
{
    return at + PIT_JOURNAL_SECTOR_BYTES <= count && !pit_journal_zero(bytes + at, PIT_JOURNAL_SECTOR_BYTES);
}

/* What is wrong with the header of a block of which the first sector is there. Apart from crc and commands it says
 * nothing that is not known or said twice. */
static const char *header_check(const struct pit_journal_block_header *header, const struct pit_journal_place *place)
{
    if (header->magic != PIT_JOURNAL_BLOCK_MAGIC || header->journal_id != place->journal_id ||
        header->number != place->number || header->previous_crc != place->previous_crc ||
        header->first_sequence != place->sequence)
        return "what stands there is not the beginning of that block";
    if (header->used < sizeof *header + sizeof(struct pit_journal_record_header) || header->used % 64 != 0 ||
        header->used > PIT_JOURNAL_BLOCK_BYTES_MAX ||
        header->bytes != ((header->used + PIT_JOURNAL_PAGE_BYTES - 1) & ~(PIT_JOURNAL_PAGE_BYTES - 1)))
        return "its header contradicts itself";
    return NULL;
}

/* Follows one record's commands as far as they were written. False: they are not a block's. */
static bool commands_follow(const uint8_t *bytes, uint32_t at, uint32_t end, uint32_t written, uint64_t *sequence)
{
    while (at < end && at < written) {
        const struct pit_command *command = (const struct pit_command *)(bytes + at);
        if (command->sequence != *sequence || pit_command_bytes(command) > end - at)
            return false;
        at += pit_command_bytes(command);
        ++*sequence;
    }
    return true;
}

/* Where the last record ends that begins before written; 0: the records are not a block's. */
static uint32_t records_end(const uint8_t *bytes, uint32_t written)
{
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)bytes;
    uint64_t sequence = header->first_sequence;
    uint32_t at = sizeof *header;
    while (at < written) {
        const struct pit_journal_record_header *record = (const struct pit_journal_record_header *)(bytes + at);
        uint32_t left = header->used - at;
        if (left < sizeof *record || record->bytes > left - sizeof *record ||
            pit_journal_record_room(record->bytes) > left)
            return 0;
        if (record->kind == PIT_JOURNAL_DIGEST && record->bytes != sizeof(struct pit_journal_digest))
            return 0;
        if (record->kind != PIT_JOURNAL_COMMANDS && record->kind != PIT_JOURNAL_DIGEST &&
            !pit_journal_record_of_log(record->kind))
            return 0;
        at += (uint32_t)sizeof *record;
        if (record->kind == PIT_JOURNAL_COMMANDS &&
            (record->first_sequence != sequence || !commands_follow(bytes, at, at + record->bytes, written, &sequence)))
            return 0;
        at += pit_journal_record_room(record->bytes) - (uint32_t)sizeof *record;
    }
    return at;
}

/* Would the block be whole if it were used only up to used? */
static bool whole_when_used(uint8_t *bytes, uint32_t used)
{
    struct pit_journal_block_header *header = (struct pit_journal_block_header *)bytes;
    const struct pit_journal_block_header before = *header;
    header->used = used;
    header->bytes = (used + PIT_JOURNAL_PAGE_BYTES - 1) & ~(PIT_JOURNAL_PAGE_BYTES - 1);
    bool whole = pit_journal_block_whole(bytes, header->bytes);
    *header = before;
    return whole;
}

/* The first sector of the block is not there: nothing says how long it is. */
static const char *headless_check(const uint8_t *bytes, size_t count, const struct pit_journal_place *place)
{
    for (size_t at = PIT_JOURNAL_PAGE_BYTES; at < count; at += PIT_JOURNAL_PAGE_BYTES)
        if (pit_journal_block_claims(bytes + at, place->journal_id, PIT_JOURNAL_BLOCK_BYTES_MAX))
            return "a later block was begun after it";
    return NULL;
}

const char *pit_journal_tail_unfinished(uint8_t *bytes, size_t count, const struct pit_journal_place *place,
                                        uint64_t *sequence_last)
{
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)bytes;
    *sequence_last = 0;
    if (!sector_written(bytes, count, 0))
        return headless_check(bytes, count, place);
    const char *wrong = header_check(header, place);
    if (wrong)
        return wrong;
    if (header->commands && header->commands <= header->used / 64)
        *sequence_last = header->first_sequence + header->commands - 1;
    if (header->used < count && !pit_journal_zero(bytes + header->used, count - header->used))
        return "there is something after its end";
    uint32_t written = PIT_JOURNAL_SECTOR_BYTES;
    while (written < header->used && sector_written(bytes, count, written))
        written += PIT_JOURNAL_SECTOR_BYTES;
    if (written >= header->used)
        return "every sector of it was written, so it may have been acknowledged";
    uint32_t end = records_end(bytes, written);
    if (end == 0)
        return "the part of it that was written contradicts itself";
    /* A record that reaches into the missing sector says the same as the header: there was to be more. Where a record
     * ends with the sector before, the header alone says so, and a header that is wrong in that is found out by the
     * checksum. */
    if (end == written && whole_when_used(bytes, end))
        return "it is whole but for the length in its header";
    return NULL;
}
