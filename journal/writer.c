/* journal/writer.c - see writer.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/writer_parts.h"
#include "ring/check.h"

/* The lock. */

static int lock_refused(const struct pit_disk *disk, const char *path, const char *directory, struct pit_error *error)
{
    char holder[32] = "";
    int file = disk->open(disk->context, path, PIT_DISK_READ);
    if (file >= 0) {
        int64_t got = disk->read(disk->context, file, holder, sizeof holder - 1, 0);
        holder[got > 0 ? got : 0] = 0;
        holder[strcspn(holder, "\n")] = 0;
        disk->close(disk->context, file);
    }
    return pit_error_set(error, -EWOULDBLOCK,
                         "%s: the directory is in use by another process (pid %s). Stop that one first, or give this "
                         "one another directory",
                         directory, *holder ? holder : "unknown");
}

int pit_journal_lock(const struct pit_disk *disk, const char *directory, struct pit_error *error)
{
    char path[PIT_JOURNAL_PATH_BYTES];
    if (!pit_journal_path(path, directory, PIT_JOURNAL_LOCK_NAME))
        return pit_error_set(error, -ENAMETOOLONG, "%s: the directory's name is too long", directory);
    int result = disk->make_directory(disk->context, directory);
    if (result < 0)
        return pit_error_set(error, result, "%s: cannot make the directory: %s. %s", directory, strerror(-result),
                             result == -ENOENT ? "Make the directory above it, or correct the path"
                                               : "Check the path and who may write there");
    int lock = disk->lock(disk->context, path);
    if (lock == -EWOULDBLOCK)
        return lock_refused(disk, path, directory, error);
    if (lock < 0)
        return pit_error_set(error, lock, "%s: cannot lock: %s. Check who may write there", path, strerror(-lock));
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    result = disk->truncate(disk->context, lock, 0);
    if (result == 0)
        result = disk->write(disk->context, lock, text, (size_t)length, 0);
    if (result == 0 || pit_journal_lacks_space(result)) /* the number is for people; a full disk holds nobody up */
        return lock;
    disk->close(disk->context, lock);
    return pit_error_set(error, result, "%s: cannot write: %s", path, strerror(-result));
}

void pit_journal_unlock(const struct pit_disk *disk, int lock)
{
    disk->close(disk->context, lock);
}

/* Opening. */

static void block_begin(struct pit_journal *journal, uint8_t *bytes)
{
    journal->block = (struct pit_journal_block_header *)bytes;
    *journal->block = (struct pit_journal_block_header){
        .used = sizeof *journal->block,
        .first_sequence = journal->next_sequence,
    };
    journal->record = NULL;
}

static int options_check(const struct pit_journal_options *options, struct pit_error *error)
{
    uint64_t bytes = options->segment_bytes;
    if (bytes < PIT_JOURNAL_SEGMENT_BYTES_LEAST || bytes > PIT_JOURNAL_SEGMENT_BYTES_MAX ||
        bytes % PIT_JOURNAL_PAGE_BYTES != 0)
        return pit_error_set(error, -EINVAL,
                             "the journal's segment size, %lu bytes, must be from %lu to %lu and a "
                             "multiple of %u",
                             bytes, PIT_JOURNAL_SEGMENT_BYTES_LEAST, PIT_JOURNAL_SEGMENT_BYTES_MAX,
                             PIT_JOURNAL_PAGE_BYTES);
    if (strlen(options->directory) >= sizeof(((struct pit_journal_files *)0)->directory))
        return pit_error_set(error, -ENAMETOOLONG, "%s: the directory's name is too long", options->directory);
    return 0;
}

static void method_set(struct pit_journal *journal, enum pit_journal_method method, const char *text)
{
    journal->files.method = method;
    journal->method_text = text;
}

static struct pit_journal *journal_allocate(const struct pit_disk *disk, const struct pit_journal_options *options)
{
    struct pit_journal *journal = aligned_alloc(PIT_SEQUENCE_BYTES, sizeof *journal);
    if (!journal)
        return NULL;
    memset(journal, 0, sizeof *journal);
    journal->options = *options;
    journal->block_max = pit_journal_block_max(options->segment_bytes);
    journal->files.disk = disk;
    strcpy(journal->files.directory, options->directory); /* fits: options_check */
    journal->options.directory = journal->files.directory;
    journal->file = -1;
    journal->blank.file = -1;
    uint8_t *zeros = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, PIT_JOURNAL_SLICE_BYTES);
    journal->files.zeros = zeros;
    journal->page = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, PIT_JOURNAL_PAGE_BYTES);
    for (int i = 0; i < 2; i++) {
        journal->blocks[i] = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, PIT_JOURNAL_BLOCK_BYTES_MAX);
        if (journal->blocks[i])
            memset(journal->blocks[i], 0, PIT_JOURNAL_BLOCK_BYTES_MAX); /* first touched here, not in the hot path */
    }
    if (!zeros || !journal->page || !journal->blocks[0] || !journal->blocks[1]) {
        pit_journal_close(journal);
        return NULL;
    }
    memset(zeros, 0, PIT_JOURNAL_SLICE_BYTES);
    return journal;
}

/* Begins the next segment's blank and writes its first slice: the test of whether O_DIRECT works here. */
static int probe_blank(struct pit_journal *journal)
{
    int result = pit_journal_blank_begin(&journal->files, &journal->blank, PIT_JOURNAL_NEXT_NAME,
                                         journal->options.segment_bytes);
    if (result == 0)
        result = pit_journal_blank_slice(&journal->files, &journal->blank, PIT_JOURNAL_NEXT_NAME);
    if (result < 0)
        pit_journal_blank_drop(&journal->files, &journal->blank, PIT_JOURNAL_NEXT_NAME);
    return result;
}

/* The first segment of a new journal, out of the blank that the probe began. */
static int begin_journal(struct pit_journal *journal)
{
    const struct pit_disk *disk = journal->files.disk;
    int result = 0;
    while (result == 0 && pit_journal_id_half(journal->journal_id) == 0)
        result = disk->random(disk->context, journal->journal_id, sizeof journal->journal_id);
    while (result == 0 && journal->blank.zeroed < journal->blank.bytes)
        result = pit_journal_blank_slice(&journal->files, &journal->blank, PIT_JOURNAL_NEXT_NAME);
    if (result == 0)
        result = pit_journal_roll(journal, &journal->blank, PIT_JOURNAL_NEXT_NAME);
    return result;
}

static int no_first_blank(struct pit_journal *journal, int code, struct pit_error *error)
{
    const char *directory = journal->files.directory;
    uint64_t bytes = journal->options.segment_bytes;
    pit_journal_blank_drop(&journal->files, &journal->blank, PIT_JOURNAL_NEXT_NAME);
    uint64_t free_bytes = pit_journal_free_bytes(&journal->files);
    if (!pit_journal_lacks_space(code))
        return pit_error_set(error, code,
                             "%s: cannot prepare a segment of %lu bytes: %s. Check the directory, who may write there, "
                             "and the disk",
                             directory, bytes, strerror(-code));
    if (free_bytes == UINT64_MAX)
        return pit_error_set(error, code,
                             "%s: cannot prepare a segment of %lu bytes: %s. Free some space there, or set a smaller "
                             "segment size",
                             directory, bytes, strerror(-code));
    return pit_error_set(
        error, code,
        "%s: cannot prepare a segment of %lu bytes: %s (%lu bytes are free). Free some space there, or "
        "set a smaller segment size",
        directory, bytes, strerror(-code), free_bytes);
}

/* A new journal cannot do without its first segment. One that goes on has the rest of its last: on a full disk it
 * begins with the alarm. */
static int open_files(struct pit_journal *journal, const struct pit_journal_end *end, struct pit_error *error)
{
    int result = probe_blank(journal);
    if (end->segment_first_block == 0) {
        if (result == 0)
            result = begin_journal(journal);
        return result < 0 ? no_first_blank(journal, result, error) : 0;
    }
    if (pit_journal_lacks_space(result))
        pit_journal_alarm_raise(&journal->blank_alarm, &journal->files, pit_journal_wanted_bytes(journal));
    else if (result < 0)
        return no_first_blank(journal, result, error);
    result = pit_journal_resume(&journal->files, end, journal->blocks[1], error);
    if (result < 0)
        return result;
    journal->file = result;
    return 0;
}

static void close_files(struct pit_journal *journal)
{
    pit_journal_blank_drop(&journal->files, &journal->blank, PIT_JOURNAL_NEXT_NAME);
    if (journal->file >= 0)
        journal->files.disk->close(journal->files.disk->context, journal->file);
    journal->file = -1;
}

static int clear_directory(struct pit_journal *journal, const struct pit_journal_end *end, struct pit_error *error)
{
    int result = pit_journal_remove_begun(&journal->files, end->segment_first_block, journal->page, error);
    if (result < 0)
        return result;
    result = pit_journal_remove_file(&journal->files, PIT_JOURNAL_NEXT_NAME);
    if (result == 0)
        result = pit_journal_remove_file(&journal->files, PIT_JOURNAL_URGENT_NAME);
    if (result < 0)
        return pit_error_set(error, result, "%s: cannot remove a segment that was being prepared: %s",
                             journal->files.directory, strerror(-result));
    return 0;
}

int pit_journal_open(struct pit_journal **result, const struct pit_disk *disk,
                     const struct pit_journal_options *options, const struct pit_journal_end *end,
                     struct pit_error *error)
{
    int code = options_check(options, error);
    if (code < 0)
        return code;
    struct pit_journal *journal = journal_allocate(disk, options);
    if (!journal)
        return pit_error_set(error, -ENOMEM, "no memory for the journal's blocks");
    memcpy(journal->journal_id, end->journal_id, sizeof journal->journal_id);
    journal->segment_first_block = end->segment_first_block;
    journal->segment_bytes = end->segment_bytes;
    journal->offset = end->offset;
    journal->number = journal->blocks_before = end->blocks;
    journal->crc = end->crc;
    journal->sequence = end->sequence;
    journal->durable = end->sequence;
    journal->next_sequence = end->sequence + 1;
    journal->ends_at = end->segment_first_block ? end->offset : PIT_JOURNAL_PAGE_BYTES;
    journal->ends_before = end->segment_first_block ? end->segment_bytes : options->segment_bytes;
    block_begin(journal, journal->blocks[0]);

    code = clear_directory(journal, end, error);
    if (code == 0) {
        if (options->sync == PIT_JOURNAL_SYNC_AUTO)
            method_set(journal, PIT_JOURNAL_METHOD_DIRECT, "O_DIRECT|O_DSYNC");
        else if (options->sync == PIT_JOURNAL_SYNC_DATA)
            method_set(journal, PIT_JOURNAL_METHOD_DATA, "fdatasync");
        else
            method_set(journal, PIT_JOURNAL_METHOD_NEVER, "no sync: a crash of the machine loses what it likes");
        code = open_files(journal, end, error);
        if (code == -EINVAL && journal->files.method == PIT_JOURNAL_METHOD_DIRECT) {
            close_files(journal);
            method_set(journal, PIT_JOURNAL_METHOD_DATA, "fdatasync (the file system refuses O_DIRECT)");
            code = open_files(journal, end, error);
        }
    }
    if (code < 0) {
        pit_journal_close(journal);
        return code;
    }
    pit_journal_tell_place(journal);
    *result = journal;
    return 0;
}

void pit_journal_close(struct pit_journal *journal)
{
    if (!journal)
        return;
    close_files(journal);
    free((void *)(uintptr_t)journal->files.zeros);
    free(journal->page);
    free(journal->blocks[0]);
    free(journal->blocks[1]);
    free(journal);
}

/* Journaler. */

/* The block handed over last may be durable by now. */
static bool disk_idle(struct pit_journal *journal)
{
    if (!journal->writing)
        return true;
    if (pit_sequence_load(&journal->done) != journal->handed_count)
        return false;
    journal->writing = false;
    journal->durable = journal->writing_last;
    return true;
}

bool pit_journal_append(struct pit_journal *journal, const struct pit_command *command)
{
    struct pit_journal_block_header *block = journal->block;
    uint32_t bytes = pit_command_bytes(command);
    uint32_t need = bytes + (journal->record ? 0 : (uint32_t)sizeof *journal->record);
    if (block->used + need > journal->block_max || journal->broken)
        return false;
    PIT_CHECK(command->sequence == journal->next_sequence);
    /* A sector of a block is never zero: journal/tail.h. */
    PIT_CHECK(bytes == 64 || !pit_journal_zero(command->line1, sizeof command->line1));
    if (!journal->record) {
        journal->record = (struct pit_journal_record_header *)((uint8_t *)block + block->used);
        *journal->record = (struct pit_journal_record_header){
            .kind = PIT_JOURNAL_COMMANDS,
            .first_sequence = command->sequence,
        };
        block->used += (uint32_t)sizeof *journal->record;
    }
    memcpy((uint8_t *)block + block->used, command, bytes);
    journal->record->bytes += bytes;
    journal->record->count++;
    block->used += bytes;
    block->commands++;
    journal->next_sequence++;
    return true;
}

bool pit_journal_append_digest(struct pit_journal *journal, uint64_t sequence, const struct pit_digest *digest,
                               bool full)
{
    struct pit_journal_block_header *block = journal->block;
    struct {
        struct pit_journal_record_header header;
        struct pit_journal_digest digest;
    } record = {
        .header =
            {
                .kind = PIT_JOURNAL_DIGEST,
                .bytes = sizeof record.digest,
                .first_sequence = journal->next_sequence,
            },
        .digest =
            {
                .sequence = sequence,
                .events = digest->events,
                .events_count = digest->events_count,
                .state = full ? digest->state : 0,
                .orders = full ? digest->orders : 0,
                .full = full,
            },
    };
    if (block->used + sizeof record > journal->block_max || journal->broken)
        return false;
    memcpy((uint8_t *)block + block->used, &record, sizeof record);
    block->used += (uint32_t)sizeof record;
    journal->record = NULL;
    return true;
}

static void put_record(uint8_t *place, const struct pit_journal_record_header *record, const void *payload)
{
    uint32_t end = (uint32_t)sizeof *record + record->bytes;
    memcpy(place, record, sizeof *record);
    if (record->bytes)
        memcpy(place + sizeof *record, payload, record->bytes);
    memset(place + end, 0, pit_journal_record_room(record->bytes) - end);
}

bool pit_journal_append_log(struct pit_journal *journal, const struct pit_journal_record_header *record,
                            const void *payload)
{
    struct pit_journal_block_header *block = journal->block;
    uint32_t room = pit_journal_record_room(record->bytes);
    if (room > journal->block_max - PIT_JOURNAL_LEAD_BYTES - block->used || journal->broken)
        return false;
    PIT_CHECK(pit_journal_record_of_log(record->kind) || record->kind == PIT_JOURNAL_DIGEST);
    put_record((uint8_t *)block + block->used, record, payload);
    block->used += room;
    journal->record = NULL;
    return true;
}

uint32_t pit_journal_payload_max(const struct pit_journal *journal)
{
    return journal->block_max - PIT_JOURNAL_LEAD_BYTES -
           (uint32_t)(sizeof(struct pit_journal_block_header) + sizeof(struct pit_journal_record_header));
}

/* Puts a record before those of the block. */
static void lead(struct pit_journal *journal)
{
    struct pit_journal_block_header *block = journal->block;
    struct pit_journal_record_header record;
    const void *payload = NULL;
    journal->options.lead(journal->options.lead_context, &record, &payload);
    uint32_t room = pit_journal_record_room(record.bytes);
    PIT_CHECK(room <= PIT_JOURNAL_LEAD_BYTES && block->used + room <= journal->block_max);
    uint8_t *first = (uint8_t *)(block + 1);
    memmove(first + room, first, block->used - sizeof *block);
    put_record(first, &record, payload);
    block->used += room;
}

static uint32_t pages(uint32_t bytes)
{
    return (bytes + PIT_JOURNAL_PAGE_BYTES - 1) & ~(PIT_JOURNAL_PAGE_BYTES - 1);
}

/* Where the block that is filled will end, by the rule by which the disk agent places it. */
static void place_block(struct pit_journal *journal)
{
    bool begins = journal->ends_at == PIT_JOURNAL_PAGE_BYTES;
    if (journal->ends_at + pages(journal->block->used) > journal->ends_before) {
        begins = true;
        journal->ends_at = PIT_JOURNAL_PAGE_BYTES;
        journal->ends_before = journal->options.segment_bytes;
    }
    if (begins && journal->options.lead)
        lead(journal);
    journal->ends_at += pages(journal->block->used);
}

bool pit_journal_commit(struct pit_journal *journal)
{
    if (journal->block->used == sizeof *journal->block || journal->broken || !disk_idle(journal))
        return false;
    uint8_t *other = journal->blocks[(journal->handed_count + 1) % 2];
    place_block(journal);
    journal->writing = true;
    journal->writing_last = journal->next_sequence - 1;
    journal->handed_count++;
    block_begin(journal, other);
    pit_sequence_store(&journal->handed, journal->handed_count);
    pit_journal_wake(journal->options.disk_bell);
    return true;
}

uint64_t pit_journal_durable(struct pit_journal *journal)
{
    disk_idle(journal);
    return journal->durable;
}

bool pit_journal_idle(struct pit_journal *journal)
{
    return disk_idle(journal) && journal->block->used == sizeof *journal->block;
}

bool pit_journal_failed(struct pit_journal *journal, struct pit_error *error)
{
    if (!journal->broken && pit_sequence_load(&journal->failed) == 0)
        return false;
    journal->broken = true;
    if (error)
        *error = journal->error;
    return true;
}

/* Everybody. */

bool pit_journal_short_of_space(const struct pit_journal *journal)
{
    return pit_journal_alarm_on(&journal->block_alarm) || pit_journal_alarm_on(&journal->blank_alarm);
}

/* While the preparer's alarm is on no blank waits, so what is left is what the current segment has left. */
enum pit_journal_room pit_journal_room(const struct pit_journal *journal, uint64_t ahead_bytes)
{
    if (pit_journal_alarm_on(&journal->block_alarm))
        return PIT_JOURNAL_ROOM_NONE;
    if (!pit_journal_alarm_on(&journal->blank_alarm))
        return PIT_JOURNAL_ROOM_ALL;
    uint64_t left = pit_word_load_relaxed(&journal->left.value);
    if (left < journal->block_max + ahead_bytes)
        return PIT_JOURNAL_ROOM_NONE;
    if (left < journal->block_max + ahead_bytes + journal->options.cancels_bytes)
        return PIT_JOURNAL_ROOM_CANCELS;
    return PIT_JOURNAL_ROOM_ALL;
}

struct pit_journal_space pit_journal_space(const struct pit_journal *journal)
{
    bool waits = pit_journal_alarm_on(&journal->block_alarm);
    bool short_of_blank = pit_journal_alarm_on(&journal->blank_alarm);
    const struct pit_journal_alarm *alarm = waits && !short_of_blank ? &journal->block_alarm : &journal->blank_alarm;
    return (struct pit_journal_space){
        .alarm = waits || short_of_blank,
        .waits = waits,
        .left = pit_word_load_relaxed(&journal->left.value),
        .free = pit_word_load_relaxed(&alarm->free),
        .wanted = pit_word_load_relaxed(&alarm->wanted),
        .times =
            pit_word_load_relaxed(&journal->blank_alarm.times) + pit_word_load_relaxed(&journal->block_alarm.times),
    };
}

uint64_t pit_journal_stored(const struct pit_journal *journal)
{
    return journal->blocks_before + pit_sequence_load(&journal->done);
}

const char *pit_journal_method(const struct pit_journal *journal)
{
    return journal->method_text;
}

bool pit_journal_direct(const struct pit_journal *journal)
{
    return journal->files.method == PIT_JOURNAL_METHOD_DIRECT;
}

struct pit_journal_statistics pit_journal_statistics(const struct pit_journal *journal)
{
    const struct pit_journal_statistics *words = &journal->statistics;
    return (struct pit_journal_statistics){
        .blocks = pit_word_load_relaxed(&words->blocks),
        .bytes = pit_word_load_relaxed(&words->bytes),
        .commands = pit_word_load_relaxed(&words->commands),
        .write_ns_total = pit_word_load_relaxed(&words->write_ns_total),
        .write_ns_max = pit_word_load_relaxed(&words->write_ns_max),
    };
}
