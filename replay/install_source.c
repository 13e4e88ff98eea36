/* replay/install_source.c - the newest snapshot of a directory, with the entry of the log that its last command is in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/log_image.h"
#include "journal/reader.h"
#include "journal/snapshot.h"
#include "replay/install_parts.h"

#define HASH_BYTES ((size_t)1 << 20) /* in one go */

struct pit_install_source {
    const struct pit_disk *disk;
    int file; /* the snapshot's */
    struct pit_install_offer offer;
    uint64_t block; /* that has the entry */
    struct pit_install_head head;
    size_t front_bytes; /* of what comes before the snapshot: */
    uint8_t *front;     /* head, members, entry's payload */
};

/* The command with the snapshot's sequence, in the entry that has it. */
static bool has_command(const struct pit_log_held *held, const struct pit_snapshot_header *snapshot)
{
    const struct pit_journal_record record = {
        .kind = PIT_JOURNAL_COMMANDS, .payload = held->entry.payload, .bytes = held->entry.bytes};
    const struct pit_command *command;
    uint32_t at = 0;
    while ((command = pit_journal_record_command(&record, &at)))
        if (command->sequence == snapshot->sequence)
            return pit_snapshot_command_digest(command) == snapshot->command;
    return false;
}

static int keep_front(struct pit_install_source *source, const struct pit_log_image *image,
                      const struct pit_log_held *held, const struct pit_snapshot_header *snapshot)
{
    struct pit_install_head *head = &source->head;
    *head = (struct pit_install_head){
        .magic = PIT_INSTALL_HEAD_MAGIC,
        .sequence = snapshot->sequence,
        .index = held->entry.index,
        .term = held->entry.term,
        .previous_term = image->taken_term,
        .first_sequence = held->first_sequence,
        .members_bytes = (uint32_t)image->members_bytes,
        .entry_bytes = held->entry.bytes,
        .snapshot_bytes = snapshot->bytes,
    };
    source->block = held->block;
    source->front_bytes = sizeof *head + head->members_bytes + head->entry_bytes;
    source->front = malloc(source->front_bytes);
    if (!source->front)
        return -ENOMEM;
    memcpy(source->front, head, sizeof *head);
    memcpy(source->front + sizeof *head, image->members, head->members_bytes);
    memcpy(source->front + sizeof *head + head->members_bytes, held->entry.payload, head->entry_bytes);
    return 0;
}

/* Looks at the committed entries. 1: it was found, or is not to come; 0: go on. */
static int look(struct pit_install_source *source, struct pit_log_image *image,
                const struct pit_snapshot_header *snapshot)
{
    const struct pit_log_held *held;
    while ((held = pit_log_image_first(image))) {
        if (held->next_sequence > snapshot->sequence) {
            if (held->first_sequence > snapshot->sequence || !has_command(held, snapshot))
                return -ENOENT;
            const int code = keep_front(source, image, held, snapshot);
            return code ? code : 1;
        }
        pit_log_image_drop_first(image);
    }
    return 0;
}

static int search(struct pit_install_source *source, struct pit_journal_reader *reader,
                  const struct pit_snapshot_header *snapshot, struct pit_error *error)
{
    struct pit_log_image image = {0};
    struct pit_journal_record record;
    int code = 0;
    while (code == 0 && (code = pit_journal_reader_next(reader, &record, error)) == 1) {
        const char *wrong = pit_log_image_take(&image, &record, &code);
        code =
            wrong ? pit_error_set(error, code, "block %lu: %s", record.block, wrong) : look(source, &image, snapshot);
        if (code == -ENOMEM && !wrong)
            pit_error_set(error, code, "no memory to send a snapshot");
    }
    pit_log_image_free(&image);
    if (code == 1)
        return 0;
    return code == 0 || code == -ENOENT
               ? pit_error_set(error, -ENOENT,
                               "the log has no entry with the last command of the snapshot of sequence %lu",
                               snapshot->sequence)
               : code;
}

static int find_entry(struct pit_install_source *source, const char *directory,
                      const struct pit_snapshot_header *snapshot, struct pit_error *error)
{
    struct pit_journal_reader *reader;
    int code = pit_journal_reader_open_log(&reader, source->disk, directory, snapshot->block, error);
    if (code)
        return code;
    code = search(source, reader, snapshot, error);
    pit_journal_reader_close(reader);
    return code;
}

static int open_snapshot(struct pit_install_source *source, const char *directory,
                         const struct pit_snapshot_header *snapshot, struct pit_error *error)
{
    char name[PIT_SNAPSHOT_NAME_BYTES];
    pit_snapshot_name(name, snapshot->sequence);
    source->file = pit_install_open_file(source->disk, directory, name, PIT_DISK_READ);
    return source->file < 0
               ? pit_error_set(error, source->file, "cannot open %s/%s: %s", directory, name, strerror(-source->file))
               : 0;
}

static int hash(struct pit_install_source *source, struct pit_error *error)
{
    uint8_t *buffer = malloc(HASH_BYTES);
    if (!buffer)
        return pit_error_set(error, -ENOMEM, "no memory to send a snapshot");
    XXH3_state_t state __attribute__((aligned(64)));
    XXH3_64bits_reset(&state);
    int64_t got = 0;
    for (uint64_t at = 0; at < source->offer.bytes && got >= 0; at += (uint64_t)got) {
        got = pit_install_source_read(source, buffer, HASH_BYTES, at);
        if (got > 0)
            XXH3_64bits_update(&state, buffer, (size_t)got);
    }
    free(buffer);
    source->offer.hash = XXH3_64bits_digest(&state);
    return got < 0 ? pit_error_set(error, (int)got, "cannot read the snapshot of sequence %lu: %s",
                                   source->offer.sequence, strerror((int)-got))
                   : 0;
}

static int open_newest(struct pit_install_source *source, const char *directory,
                       void (*warn)(void *context, const char *text), void *warn_context, struct pit_error *error)
{
    uint8_t journal_id[16];
    struct pit_snapshot_header snapshot;
    int code = pit_snapshot_journal_id(source->disk, directory, journal_id, error);
    if (code == 0)
        code =
            pit_snapshot_newest(source->disk, directory, journal_id, UINT64_MAX, warn, warn_context, &snapshot, error);
    if (code == 0)
        code = open_snapshot(source, directory, &snapshot, error);
    if (code == 0)
        code = find_entry(source, directory, &snapshot, error);
    if (code)
        return code;
    source->offer = (struct pit_install_offer){.sequence = snapshot.sequence,
                                               .index = source->head.index,
                                               .term = source->head.term,
                                               .bytes = source->front_bytes + snapshot.bytes};
    return hash(source, error);
}

int pit_install_source_open(struct pit_install_source **opened, const struct pit_disk *disk, const char *directory,
                            void (*warn)(void *context, const char *text), void *warn_context, struct pit_error *error)
{
    struct pit_install_source *source = calloc(1, sizeof *source);
    if (!source)
        return pit_error_set(error, -ENOMEM, "no memory to send a snapshot");
    source->disk = disk;
    source->file = -1;
    const int code = open_newest(source, directory, warn, warn_context, error);
    if (code) {
        pit_install_source_close(source);
        return code;
    }
    *opened = source;
    return 0;
}

struct pit_install_offer pit_install_source_offer(const struct pit_install_source *source)
{
    return source->offer;
}

uint64_t pit_install_source_block(const struct pit_install_source *source)
{
    return source->block;
}

int64_t pit_install_source_read(struct pit_install_source *source, void *bytes, size_t count, uint64_t offset)
{
    uint8_t *to = bytes;
    size_t done = 0;
    if (offset >= source->offer.bytes)
        return 0;
    if (count > source->offer.bytes - offset)
        count = (size_t)(source->offer.bytes - offset);
    if (offset < source->front_bytes) {
        done = source->front_bytes - (size_t)offset < count ? source->front_bytes - (size_t)offset : count;
        memcpy(to, source->front + offset, done);
    }
    if (done == count)
        return (int64_t)count;
    const int code =
        pit_install_read(source->disk, source->file, to + done, count - done, offset + done - source->front_bytes);
    return code ? code : (int64_t)count;
}

void pit_install_source_close(struct pit_install_source *source)
{
    if (!source)
        return;
    if (source->file >= 0)
        source->disk->close(source->disk->context, source->file);
    free(source->front);
    free(source);
}
