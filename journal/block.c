#include "journal/block.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <isa-l/mem_routines.h>
#include <stdio.h>
#include <string.h>

#include "book/command.h"

/* isa-l's function neither inverts its start value nor its result; CRC-32C does both. */
static uint32_t crc_raw(uint32_t crc, const void *bytes, size_t count)
{
    return crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)count, crc);
}

uint32_t pit_journal_crc(const void *bytes, size_t count)
{
    return ~crc_raw(~UINT32_C(0), bytes, count);
}

uint32_t pit_journal_crc_without(const void *bytes, size_t count, size_t hole)
{
    static const uint8_t zeros[4];
    const uint8_t *from = bytes;
    uint32_t crc = crc_raw(~UINT32_C(0), from, hole);
    crc = crc_raw(crc, zeros, sizeof zeros);
    crc = crc_raw(crc, from + hole + sizeof zeros, count - hole - sizeof zeros);
    return ~crc;
}

void pit_journal_segment_name(char name[PIT_JOURNAL_NAME_BYTES], uint64_t first_block)
{
    snprintf(name, PIT_JOURNAL_NAME_BYTES, "%020lu.journal", first_block);
}

uint64_t pit_journal_segment_number(const char *name)
{
    uint64_t number = 0;
    for (int i = 0; i < 20; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        uint64_t digit = (uint64_t)(name[i] - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    return strcmp(name + 20, ".journal") == 0 ? number : 0;
}

bool pit_journal_path(char path[PIT_JOURNAL_PATH_BYTES], const char *directory, const char *name)
{
    int length = snprintf(path, PIT_JOURNAL_PATH_BYTES, "%s/%s", directory, name);
    return length > 0 && (uint32_t)length < PIT_JOURNAL_PATH_BYTES;
}

void pit_journal_segment_seal(uint8_t page[PIT_JOURNAL_PAGE_BYTES], const struct pit_journal_segment_header *header)
{
    memset(page, 0, PIT_JOURNAL_PAGE_BYTES);
    memcpy(page, header, sizeof *header);
    uint32_t crc =
        pit_journal_crc_without(page, PIT_JOURNAL_PAGE_BYTES, offsetof(struct pit_journal_segment_header, crc));
    memcpy(page + offsetof(struct pit_journal_segment_header, crc), &crc, sizeof crc);
}

const char *pit_journal_segment_check(const uint8_t page[PIT_JOURNAL_PAGE_BYTES], bool *whole)
{
    *whole = false;
    struct pit_journal_segment_header header;
    memcpy(&header, page, sizeof header);
    if (header.magic != PIT_JOURNAL_SEGMENT_MAGIC)
        return pit_journal_zero(page, PIT_JOURNAL_PAGE_BYTES) ? "the segment header is all zeros"
                                                              : "the segment header does not start with PTLNSEG1";
    if (header.crc !=
        pit_journal_crc_without(page, PIT_JOURNAL_PAGE_BYTES, offsetof(struct pit_journal_segment_header, crc)))
        return "the segment header's checksum is wrong";
    *whole = true;
    if (header.version != PIT_JOURNAL_VERSION)
        return "the segment was written in another version of the format";
    if (header.segment_bytes < PIT_JOURNAL_SEGMENT_BYTES_LEAST ||
        header.segment_bytes > PIT_JOURNAL_SEGMENT_BYTES_MAX || header.segment_bytes % PIT_JOURNAL_PAGE_BYTES != 0)
        return "the segment header's size is out of bounds";
    return NULL;
}

int pit_journal_other_version(const char *directory, uint64_t number, uint32_t version, struct pit_error *error)
{
    return pit_error_set(
        error, -ENOTSUP,
        "%s/%020lu.journal is written in version %u of the journal's format, and this pitline, " PIT_VERSION
        ", reads version %u. Nothing was changed. Use the pitline that wrote it, or %s",
        directory, number, version, PIT_JOURNAL_VERSION,
        version > PIT_JOURNAL_VERSION ? "a later one" : "one that still reads that version");
}

uint32_t pit_journal_block_seal(uint8_t *bytes)
{
    struct pit_journal_block_header *header = (struct pit_journal_block_header *)bytes;
    header->bytes = (header->used + PIT_JOURNAL_PAGE_BYTES - 1) & ~(PIT_JOURNAL_PAGE_BYTES - 1);
    memset(bytes + header->used, 0, header->bytes - header->used);
    header->crc = pit_journal_crc_without(bytes, header->bytes, offsetof(struct pit_journal_block_header, crc));
    return header->bytes;
}

uint32_t pit_journal_block_claims(const uint8_t *bytes, uint64_t journal_id, uint64_t room)
{
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)bytes;
    if (header->magic != PIT_JOURNAL_BLOCK_MAGIC || header->journal_id != journal_id)
        return 0;
    if (header->bytes < PIT_JOURNAL_PAGE_BYTES || header->bytes > PIT_JOURNAL_BLOCK_BYTES_MAX ||
        header->bytes % PIT_JOURNAL_PAGE_BYTES != 0 || header->bytes > room)
        return 0;
    return header->bytes;
}

static const char *commands_check(const struct pit_journal_record_header *record, uint64_t *sequence,
                                  uint64_t *last_time_ns)
{
    const uint8_t *payload = (const uint8_t *)(record + 1);
    uint64_t next = *sequence;
    uint32_t at = 0;
    uint32_t count = 0;
    if (record->first_sequence != next)
        return "a record's first sequence does not follow the one before";
    while (at < record->bytes) {
        const struct pit_command *command = (const struct pit_command *)(payload + at);
        if (record->bytes - at < 64 || record->bytes - at < pit_command_bytes(command))
            return "a command reaches beyond its record";
        if (command->sequence != next)
            return "a command's sequence does not follow the one before";
        at += pit_command_bytes(command);
        next++;
        count++;
        *last_time_ns = command->time_ns;
    }
    if (count != record->count || count == 0)
        return "a record's count of commands is wrong";
    *sequence = next;
    return NULL;
}

static bool anchor_whole(const struct pit_journal_record_header *record)
{
    const struct pit_journal_log_anchor *anchor = (const struct pit_journal_log_anchor *)(record + 1);
    return record->bytes >= sizeof *anchor && record->bytes - sizeof *anchor == anchor->members_bytes;
}

static const char *log_check(const struct pit_journal_record_header *record, bool log)
{
    bool payload = record->kind == PIT_JOURNAL_LOG_ENTRY || record->kind == PIT_JOURNAL_LOG_MEMBERS ||
                   record->kind == PIT_JOURNAL_LOG_ANCHOR;
    if (!log)
        return "a record is of a cluster's log, which is not a journal of commands alone";
    if ((record->bytes != 0) != payload || record->bytes % 8 != 0 ||
        (record->kind == PIT_JOURNAL_LOG_ANCHOR && !anchor_whole(record)))
        return "a record of a cluster's log has a wrong length";
    return NULL;
}

static const char *records_check(const uint8_t *bytes, const struct pit_journal_block_header *header, bool log,
                                 uint64_t *last_time_ns)
{
    uint32_t at = sizeof *header;
    uint64_t sequence = header->first_sequence;
    while (at < header->used) {
        const struct pit_journal_record_header *record = (const struct pit_journal_record_header *)(bytes + at);
        uint32_t left = header->used - at;
        if (left < sizeof *record || record->bytes > left - sizeof *record ||
            pit_journal_record_room(record->bytes) > left)
            return "a record reaches beyond its block";
        const char *wrong = NULL;
        if (record->kind == PIT_JOURNAL_COMMANDS && log)
            wrong = "a record is of a single node's journal, in a cluster's log";
        else if (record->kind == PIT_JOURNAL_COMMANDS)
            wrong = commands_check(record, &sequence, last_time_ns);
        else if (record->kind == PIT_JOURNAL_DIGEST)
            wrong = record->bytes == sizeof(struct pit_journal_digest) ? NULL : "a digest record has a wrong length";
        else if (pit_journal_record_of_log(record->kind))
            wrong = log_check(record, log);
        else
            wrong = "a record is of a kind that this version does not know";
        if (wrong)
            return wrong;
        at += pit_journal_record_room(record->bytes);
    }
    if (sequence - header->first_sequence != header->commands)
        return "the block's count of commands is wrong";
    return NULL;
}

const char *pit_journal_block_check(const uint8_t *bytes, uint64_t count, const struct pit_journal_place *place,
                                    uint64_t *last_time_ns)
{
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)bytes;
    if (count < PIT_JOURNAL_PAGE_BYTES)
        return "the file ends here";
    if (header->magic != PIT_JOURNAL_BLOCK_MAGIC)
        return pit_journal_zero(bytes, PIT_JOURNAL_PAGE_BYTES) ? "there are only zeros where a block should start"
                                                               : "a block does not start with PBLK";
    if (pit_journal_block_claims(bytes, header->journal_id, count) == 0)
        return "a block's length is out of bounds";
    if (!pit_journal_block_whole(bytes, header->bytes))
        return "a block's checksum is wrong";
    if (header->journal_id != place->journal_id)
        return "a block belongs to another journal";
    if (header->number != place->number)
        return "a block's number does not follow the one before";
    if (header->previous_crc != place->previous_crc)
        return "a block does not continue the block before (the chain of checksums is broken)";
    if (header->used < sizeof *header || header->used > header->bytes || header->used % 64 != 0)
        return "a block's used bytes are out of bounds";
    if (header->first_sequence != place->sequence)
        return "a block's first sequence does not follow the one before";
    enum pit_journal_sort sort = place->sort ? place->sort : pit_journal_block_sort(bytes);
    return records_check(bytes, header, sort == PIT_JOURNAL_SORT_LOG, last_time_ns);
}

bool pit_journal_zero(const void *bytes, size_t count)
{
    return isal_zero_detect((void *)(uintptr_t)bytes, count) == 0;
}
