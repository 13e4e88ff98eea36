#include "journal/log_view.h"

#include <errno.h>
#include <string.h>

void pit_log_view_end(struct pit_log_view *view)
{
    pit_log_image_free(&view->image);
}

/* Are an entry's commands what its record says? */
static const char *commands_check(const struct pit_journal_record *record, uint64_t *time_ns)
{
    const struct pit_command *command;
    uint32_t at = 0, count = 0;
    while (record->bytes - at >= 64 && (command = pit_journal_record_command(record, &at))) {
        if (at > record->bytes)
            return "an entry's last command reaches beyond it";
        if (command->sequence != record->first_sequence + count)
            return "a command's sequence does not follow the one before";
        *time_ns = command->time_ns;
        count++;
    }
    return at != record->bytes || count != record->count ? "an entry's count of commands is wrong" : NULL;
}

int pit_log_view_give(struct pit_log_view *view, struct pit_journal_record *record, const char **wrong)
{
    struct pit_log_image *image = &view->image;
    const struct pit_log_held *held;
    if (view->given)
        pit_log_image_drop_first(image);
    view->given = false;
    while ((held = pit_log_image_first(image)) && held->entry.kind != PIT_LOG_COMMANDS)
        pit_log_image_drop_first(image);
    if (!held)
        return 0;
    *record = (struct pit_journal_record){
        .kind = PIT_JOURNAL_COMMANDS,
        .index = held->entry.index,
        .term = held->entry.term,
        .first_sequence = held->first_sequence,
        .count = held->count,
        .payload = held->entry.payload,
        .bytes = held->entry.bytes,
        .block = held->block,
    };
    view->given = true;
    *wrong = commands_check(record, &view->time_ns);
    return *wrong ? -EBADMSG : 1;
}

int pit_log_view_take(struct pit_log_view *view, struct pit_journal_record *record, const char **wrong)
{
    int code;
    int kind = (int)record->kind;
    bool entry = kind >= PIT_JOURNAL_LOG_ENTRY && kind <= PIT_JOURNAL_LOG_MEMBERS;
    if (entry && record->first_sequence != view->image.next_sequence) {
        *wrong = "an entry's first sequence does not follow the one before";
        return -EBADMSG;
    }
    *wrong = pit_log_image_take(&view->image, record, &code);
    if (*wrong)
        return code;
    return kind == PIT_JOURNAL_DIGEST;
}

int pit_log_view_beginning(const struct pit_disk *disk, const char *directory, uint64_t block, uint64_t *sequence,
                           struct pit_error *error)
{
    struct pit_journal_reader *reader;
    struct pit_journal_record record;
    struct pit_log_image image = {0};
    int code = pit_journal_reader_open_log(&reader, disk, directory, block, error);
    if (code < 0)
        return code;
    /* As long as what stands before the segment may still be taken back, something in it may come to stand before. */
    uint64_t before = UINT64_MAX;
    while ((!image.anchored || image.committed < before) &&
           (code = pit_journal_reader_next(reader, &record, error)) == 1) {
        bool first = !image.anchored;
        const char *wrong = pit_log_image_take(&image, &record, &code);
        if (wrong) {
            code = pit_error_set(error, code, "%s: block %lu: %s", directory, record.block, wrong);
            break;
        }
        code = 0;
        before = first ? image.last : before;
        if (image.taken < before)
            before = image.taken;
        if (first || (int)record.kind == PIT_JOURNAL_LOG_TRUNCATION)
            *sequence = image.taken_next;
    }
    pit_log_image_free(&image);
    pit_journal_reader_close(reader);
    return code < 0 ? code : 0;
}
