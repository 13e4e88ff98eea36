#include "journal/log_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t barrier_payload; /* what a barrier has, and no disk keeps */

static struct pit_log_entry *entry_at(const struct pit_log_image *image, uint64_t index)
{
    return &image->entries[index - image->taken - 1];
}

static void drop(struct pit_log_entry *entry)
{
    if (entry->kind != PIT_LOG_BARRIER)
        free((void *)(uintptr_t)entry->payload);
}

void pit_log_image_free(struct pit_log_image *image)
{
    for (uint64_t index = image->taken + 1; index <= image->last; index++)
        drop(entry_at(image, index));
    free(image->entries);
    *image = (struct pit_log_image){0};
}

static const char *add(struct pit_log_image *image, const struct pit_journal_record *record, int *code)
{
    uint64_t before = image->last > image->taken ? entry_at(image, image->last)->term : 0;
    if (record->index != image->last + 1)
        return "an entry's index does not follow the one before";
    if (record->term == 0 || record->term < before || record->term > image->term)
        return "an entry's term cannot be";
    *code = -ENOMEM;
    if (image->last - image->taken == image->room) {
        uint64_t room = image->room ? image->room * 2 : 256;
        struct pit_log_entry *entries = realloc(image->entries, room * sizeof *entries);
        if (!entries)
            return "no memory";
        image->entries = entries;
        image->room = room;
    }
    struct pit_log_entry entry = {
        .index = record->index,
        .term = record->term,
        .kind = PIT_LOG_BARRIER,
        .bytes = sizeof barrier_payload,
        .payload = &barrier_payload,
    };
    if (record->kind != PIT_JOURNAL_LOG_BARRIER) {
        void *payload = malloc(record->bytes);
        if (!payload)
            return "no memory";
        memcpy(payload, record->payload, record->bytes);
        entry.kind = record->kind == PIT_JOURNAL_LOG_ENTRY ? PIT_LOG_COMMANDS : PIT_LOG_MEMBERS;
        entry.bytes = record->bytes;
        entry.payload = payload;
    }
    image->last++;
    *entry_at(image, image->last) = entry;
    return NULL;
}

static const char *truncate_from(struct pit_log_image *image, uint64_t index)
{
    if (index == 0 || index > image->last)
        return "it truncates entries that are not there";
    if (index <= image->committed)
        return "it truncates entries that were committed";
    while (image->last >= index)
        drop(entry_at(image, image->last--));
    return NULL;
}

static const char *vote(struct pit_log_image *image, uint64_t term, uint64_t node)
{
    if (term < image->term)
        return "the term falls";
    if (term == image->term && image->vote != 0 && node != image->vote)
        return "there are two votes in one term";
    image->term = term;
    image->vote = node;
    return NULL;
}

static const char *commit(struct pit_log_image *image, uint64_t index)
{
    if (index > image->last || index < image->committed)
        return "it says that entries are committed which are not there, or no longer";
    image->committed = index;
    return NULL;
}

/* What is wrong with the record, NULL = nothing. */
static const char *take(struct pit_log_image *image, const struct pit_journal_record *record, int *code)
{
    *code = -EBADMSG;
    switch ((int)record->kind) {
    case PIT_JOURNAL_LOG_ENTRY:
    case PIT_JOURNAL_LOG_BARRIER:
    case PIT_JOURNAL_LOG_MEMBERS:
        return add(image, record, code);
    case PIT_JOURNAL_LOG_TRUNCATION:
        return truncate_from(image, record->index);
    case PIT_JOURNAL_LOG_VOTE:
        return vote(image, record->term, record->index);
    case PIT_JOURNAL_LOG_COMMITTED:
        return commit(image, record->index);
    default:
        return "it holds records of a single node: it is no cluster's log";
    }
}

static int give_committed(struct pit_log_image *image, int (*each)(void *argument, const struct pit_log_entry *entry),
                          void *argument)
{
    uint64_t given = 0;
    int code = 0;
    for (; image->taken + given < image->committed && code == 0; given++) {
        struct pit_log_entry *entry = &image->entries[given];
        code = each(argument, entry);
        drop(entry);
    }
    image->taken += given;
    memmove(image->entries, image->entries + given, (image->last - image->taken) * sizeof *image->entries);
    return code;
}

int pit_log_image_read(struct pit_log_image *image, const struct pit_disk *disk, const char *directory,
                       int (*each)(void *argument, const struct pit_log_entry *entry), void *argument,
                       struct pit_journal_end *end, struct pit_error *error)
{
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    *image = (struct pit_log_image){0};
    int code = pit_journal_reader_open(&reader, disk, directory, error);
    if (code < 0)
        return code;
    pit_journal_reader_take_log(reader);
    while ((code = pit_journal_reader_next(reader, &record, error)) == 1) {
        const char *wrong = take(image, &record, &code);
        if (wrong) {
            pit_error_set(error, code, "%s: block %lu: %s. The log cannot be used; nothing was changed", directory,
                          record.block, wrong);
            break;
        }
        if (each && image->committed > image->taken && (code = give_committed(image, each, argument)) != 0)
            break;
    }
    *end = pit_journal_reader_end(reader);
    pit_journal_reader_close(reader);
    return code;
}
