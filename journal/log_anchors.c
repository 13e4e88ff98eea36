#include "journal/log_anchors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct list {
    uint64_t *numbers;
    uint64_t count, room;
    bool no_memory;
};

static void list_one(void *argument, const char *name)
{
    struct list *list = argument;
    uint64_t number = pit_journal_segment_number(name);
    if (number == 0)
        return;
    if (list->count == list->room) {
        uint64_t room = list->room ? list->room * 2 : 64;
        uint64_t *more = realloc(list->numbers, room * sizeof *more);
        if (!more) {
            list->no_memory = true;
            return;
        }
        list->numbers = more;
        list->room = room;
    }
    list->numbers[list->count++] = number;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

int64_t pit_journal_segments(const struct pit_disk *disk, const char *directory, uint64_t **numbers)
{
    struct list list = {0};
    int code = disk->list(disk->context, directory, list_one, &list);
    if (code == 0 && list.no_memory)
        code = -ENOMEM;
    if (code < 0) {
        free(list.numbers);
        return code;
    }
    if (list.count)
        qsort(list.numbers, list.count, sizeof *list.numbers, compare);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < list.count; i++) /* one that is there in both forms is listed twice */
        if (kept == 0 || list.numbers[i] != list.numbers[kept - 1])
            list.numbers[kept++] = list.numbers[i];
    *numbers = list.numbers;
    return (int64_t)kept;
}

/* Reads the first block behind a whole segment header. 1: block holds it, checked; 0: there is none. */
static int read_first(const struct pit_disk *disk, int file, uint64_t number, uint8_t *block)
{
    struct pit_journal_segment_header header;
    bool whole;
    int64_t got = disk->read(disk->context, file, block, PIT_JOURNAL_PAGE_BYTES, 0);
    if (got < (int64_t)PIT_JOURNAL_PAGE_BYTES)
        return got < 0 ? (int)got : 0;
    if (pit_journal_segment_check(block, &whole))
        return 0;
    memcpy(&header, block, sizeof header);
    if (header.first_block != number)
        return 0;
    got = disk->read(disk->context, file, block, PIT_JOURNAL_PAGE_BYTES, PIT_JOURNAL_PAGE_BYTES);
    struct pit_journal_place place = {
        .journal_id = pit_journal_id_half(header.journal_id),
        .number = number,
        .sequence = header.first_sequence,
        .previous_crc = header.previous_crc,
    };
    uint32_t claims = got < (int64_t)PIT_JOURNAL_PAGE_BYTES
                          ? 0
                          : pit_journal_block_claims(block, place.journal_id, PIT_JOURNAL_BLOCK_BYTES_MAX);
    if (claims)
        got = disk->read(disk->context, file, block, claims, PIT_JOURNAL_PAGE_BYTES);
    if (got < 0)
        return (int)got;
    uint64_t time_ns;
    return claims && !pit_journal_block_check(block, (uint64_t)got, &place, &time_ns);
}

int pit_log_anchor_read(const struct pit_disk *disk, const char *directory, uint64_t number,
                        struct pit_log_anchor *anchor)
{
    char name[PIT_JOURNAL_NAME_BYTES];
    char path[PIT_JOURNAL_PATH_BYTES];
    pit_journal_segment_name(name, number);
    if (!pit_journal_path(path, directory, name))
        return -ENAMETOOLONG;
    uint8_t *block = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, PIT_JOURNAL_BLOCK_BYTES_MAX);
    if (!block)
        return -ENOMEM;
    int file = disk->open(disk->context, path, PIT_DISK_READ);
    int code = file < 0 ? file : read_first(disk, file, number, block);
    if (file >= 0)
        disk->close(disk->context, file);
    if (code == 1 && pit_journal_block_sort(block) != PIT_JOURNAL_SORT_LOG)
        code = 0;
    if (code == 1) {
        const struct pit_journal_record_header *record =
            (const struct pit_journal_record_header *)(block + sizeof(struct pit_journal_block_header));
        *anchor = (struct pit_log_anchor){.block = number, .index = record->index, .term = record->term};
        memcpy(&anchor->at, record + 1, sizeof anchor->at);
    }
    free(block);
    return code;
}
