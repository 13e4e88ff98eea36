/* journal/log_open.c - reads a cluster's log into an image: all of it, or no more than its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/log_anchors.h"
#include "journal/log_image.h"
#include "journal/unpack.h"

/* Reads from a block's segment on, and calls taken after each record; what that returns ends it, if it is not 0. */
static int read_from(struct pit_log_image *image, const struct pit_disk *disk, const char *directory, uint64_t block,
                     int (*taken)(struct pit_log_image *image, void *argument), void *argument,
                     struct pit_journal_end *end, struct pit_error *error)
{
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    int code = pit_journal_reader_open_log(&reader, disk, directory, block, error);
    if (code < 0)
        return code;
    while ((code = pit_journal_reader_next(reader, &record, error)) == 1) {
        const char *wrong = pit_log_image_take(image, &record, &code);
        if (wrong) {
            pit_error_set(error, code, "%s: block %lu: %s. The log cannot be used; nothing was changed", directory,
                          record.block, wrong);
            break;
        }
        code = taken(image, argument);
        if (code)
            break;
    }
    *end = pit_journal_reader_end(reader);
    pit_journal_reader_close(reader);
    return code;
}

static int drop_committed(struct pit_log_image *image, void *argument)
{
    const uint64_t *keep_bytes = argument;
    while (image->committed_bytes > *keep_bytes && pit_log_image_first(image))
        pit_log_image_drop_first(image);
    return 0;
}

/* The last of the segments behind which everything lies that is to be held. */
static int find_start(const struct pit_disk *disk, const char *directory, uint64_t keep_bytes, uint64_t *block)
{
    uint64_t *numbers = NULL;
    int64_t count = pit_journal_segments(disk, directory, &numbers);
    uint64_t committed = 0, bytes = 0;
    bool found = false;
    int code = 0;
    if (count < 0)
        return (int)count;
    *block = count ? numbers[0] : PIT_JOURNAL_FROM_FIRST;
    for (int64_t i = count - 1; i > 0; i--) {
        struct pit_log_anchor anchor;
        code = pit_log_anchor_read(disk, directory, numbers[i], &anchor);
        if (code < 0)
            break;
        if (code == 0)
            continue;
        if (!found)
            committed = anchor.at.committed; /* the last anchor knows best */
        found = true;
        if (anchor.index <= committed && bytes >= keep_bytes) {
            *block = numbers[i];
            break;
        }
        bytes += (numbers[i] - numbers[i - 1]) * PIT_JOURNAL_PAGE_BYTES; /* at least */
    }
    free(numbers);
    return code < 0 ? code : 0;
}

int pit_log_image_open(struct pit_log_image *image, const struct pit_disk *disk, const char *directory,
                       uint64_t keep_bytes, struct pit_journal_end *end, struct pit_error *error)
{
    struct pit_unpack unpack;
    uint64_t block = PIT_JOURNAL_FROM_FIRST;
    *image = (struct pit_log_image){.next_sequence = 1, .taken_next = 1};
    pit_unpack_init(&unpack, disk);
    int code = find_start(&unpack.layer.disk, directory, keep_bytes, &block);
    pit_unpack_end(&unpack);
    if (code < 0)
        return pit_error_set(error, code, "%s: cannot look for the end of the log: %s", directory, strerror(-code));
    code = read_from(image, disk, directory, block, drop_committed, &keep_bytes, end, error);
    if (code == 0 && end->missing_bytes)
        code = pit_error_set(error, -EBADMSG,
                             "%s/%020lu.journal: the file is %lu bytes shorter than it was made: nobody can tell what "
                             "was in them. The log cannot be used; nothing was changed",
                             directory, end->segment_first_block, end->missing_bytes);
    if (code == 0 && image->taken > image->committed)
        code = pit_error_set(error, -EBADMSG,
                             "%s: the log begins after entry %lu, and only %lu are known to be committed: segments are "
                             "missing. The log cannot be used; nothing was changed",
                             directory, image->taken, image->committed);
    return code;
}

struct give {
    int (*each)(void *argument, const struct pit_log_entry *entry);
    void *argument;
};

static int give_committed(struct pit_log_image *image, void *argument)
{
    const struct give *give = argument;
    const struct pit_log_held *held;
    int code = 0;
    while (code == 0 && (held = pit_log_image_first(image))) {
        code = give->each(give->argument, &held->entry);
        pit_log_image_drop_first(image);
    }
    return code;
}

int pit_log_image_read(struct pit_log_image *image, const struct pit_disk *disk, const char *directory,
                       int (*each)(void *argument, const struct pit_log_entry *entry), void *argument,
                       struct pit_error *error)
{
    struct give give = {each, argument};
    struct pit_journal_end end;
    *image = (struct pit_log_image){.next_sequence = 1, .taken_next = 1};
    return read_from(image, disk, directory, PIT_JOURNAL_FROM_THERE, give_committed, &give, &end, error);
}
