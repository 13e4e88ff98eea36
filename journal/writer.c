#include "journal/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/segment.h"
#include "journal/space.h"
#include "ring/check.h"
#include "ring/sequence.h"

#define AHEAD_BYTES (UINT64_C(4) << 20) /* the next segment is zeroed at least this far at once */

/* The journaler fills one of the two blocks while the disk agent writes the other. handed and done count blocks since
 * the opening: the disk agent owns the block handed over from handed to done, the journaler owns everything else. */
struct pit_journal {
    /* Fixed once open. */
    struct pit_journal_files files;
    struct pit_journal_options options;
    const char *method_text;
    uint8_t journal_id[16];
    uint8_t *blocks[2];

    /* Hand-over, one writer each. */
    struct pit_sequence handed; /* journaler */
    struct pit_sequence done;   /* disk */
    struct pit_sequence failed; /* disk: 1 = error is filled */
    struct pit_sequence filled; /* disk: bytes in use of the current segment; relaxed, for the preparer's pace */
    struct pit_sequence ready;  /* preparer: blanks finished; one is waiting in blank while ready is taken + 1 */
    struct pit_sequence taken;  /* disk: blanks taken */
    struct pit_sequence left;   /* disk: bytes left in the current segment; before taken */
    struct pit_error error;     /* disk, before failed */

    struct pit_journal_alarm blank_alarm; /* preparer: no space for the next segment */
    struct pit_journal_alarm block_alarm; /* disk: no space for the block, which waits */

    /* Journaler. */
    _Alignas(PIT_SEQUENCE_BYTES) struct pit_journal_block_header *block; /* being filled */
    struct pit_journal_record_header *record; /* in it, still open for commands; NULL = none */
    uint64_t next_sequence;
    uint64_t handed_count;
    uint64_t durable;
    uint64_t writing_last; /* last sequence in the block being written */
    bool writing;
    bool broken;

    /* Disk. */
    _Alignas(PIT_SEQUENCE_BYTES) int file;
    bool stopped;
    uint64_t segment_first_block;
    uint64_t segment_bytes;
    uint64_t offset;
    uint64_t number; /* of the last block written */
    uint64_t sequence;
    uint64_t done_count;
    uint64_t taken_count;
    uint32_t crc; /* of the last block written */
    uint8_t *page;
    struct pit_journal_statistics statistics; /* words */

    /* Preparer; the disk agent's between ready and taken. */
    _Alignas(PIT_SEQUENCE_BYTES) struct pit_journal_blank blank;
    uint64_t ready_count;
    uint64_t retry_below; /* after a failure: try again when filled is below or at least this far */
    uint64_t retry_at;
};

static void ring(struct pit_bell *bell)
{
    if (bell)
        pit_bell_ring(bell);
}

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
    if (bytes < PIT_JOURNAL_SEGMENT_BYTES_MIN || bytes > PIT_JOURNAL_SEGMENT_BYTES_MAX ||
        bytes % PIT_JOURNAL_PAGE_BYTES != 0)
        return pit_error_set(error, -EINVAL,
                             "the journal's segment size, %lu bytes, must be from %lu to %lu and a "
                             "multiple of %u",
                             bytes, PIT_JOURNAL_SEGMENT_BYTES_MIN, PIT_JOURNAL_SEGMENT_BYTES_MAX,
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

/* How far the current segment is, for the preparer and for those who ask for room. */
static void tell_place(struct pit_journal *journal)
{
    pit_word_store_relaxed(&journal->filled.value, journal->offset);
    pit_word_store_relaxed(&journal->left.value, journal->segment_bytes - journal->offset);
}

/* Makes a finished blank the current segment. A failure leaves the blank as it was, unless its file is gone from it. */
static int roll(struct pit_journal *journal, struct pit_journal_blank *blank, const char *name)
{
    struct pit_journal_segment_header header = {
        .magic = PIT_JOURNAL_SEGMENT_MAGIC,
        .version = PIT_JOURNAL_VERSION,
        .segment_bytes = blank->bytes,
        .first_block = journal->number + 1,
        .first_sequence = journal->sequence + 1,
        .created_ns = journal->files.disk->utc_ns(journal->files.disk->context),
        .previous_crc = journal->crc,
    };
    memcpy(header.journal_id, journal->journal_id, sizeof header.journal_id);
    const struct pit_disk *disk = journal->files.disk;
    int file = blank->file;
    int result = pit_journal_blank_use(&journal->files, blank, name, &header, journal->page);
    if (result < 0) {
        if (blank->file < 0)
            disk->close(disk->context, file);
        return result;
    }
    if (journal->file >= 0)
        disk->close(disk->context, journal->file);
    journal->file = file;
    journal->segment_first_block = header.first_block;
    journal->segment_bytes = header.segment_bytes;
    journal->offset = PIT_JOURNAL_PAGE_BYTES;
    tell_place(journal);
    return 0;
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
        result = roll(journal, &journal->blank, PIT_JOURNAL_NEXT_NAME);
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

static uint64_t wanted_bytes(const struct pit_journal *journal)
{
    return journal->options.segment_bytes + journal->options.reserve_bytes;
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
        pit_journal_alarm_raise(&journal->blank_alarm, &journal->files, wanted_bytes(journal));
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
    journal->number = end->blocks;
    journal->crc = end->crc;
    journal->sequence = end->sequence;
    journal->durable = end->sequence;
    journal->next_sequence = end->sequence + 1;
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
    tell_place(journal);
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
    if (block->used + need > PIT_JOURNAL_BLOCK_BYTES_MAX || journal->broken)
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
    if (block->used + sizeof record > PIT_JOURNAL_BLOCK_BYTES_MAX || journal->broken)
        return false;
    memcpy((uint8_t *)block + block->used, &record, sizeof record);
    block->used += (uint32_t)sizeof record;
    journal->record = NULL;
    return true;
}

bool pit_journal_commit(struct pit_journal *journal)
{
    if (journal->block->used == sizeof *journal->block || journal->broken || !disk_idle(journal))
        return false;
    uint8_t *other = journal->blocks[(journal->handed_count + 1) % 2];
    journal->writing = true;
    journal->writing_last = journal->next_sequence - 1;
    journal->handed_count++;
    block_begin(journal, other);
    pit_sequence_store(&journal->handed, journal->handed_count);
    ring(journal->options.disk_bell);
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

/* Disk. */

/* A step of writing a block: what it is, for people, and whether it may be done again after a lack of space. */
struct step {
    const char *what;
    bool again;
};

static int prepare_urgently(struct pit_journal *journal, struct pit_journal_blank *blank)
{
    if (pit_journal_free_bytes(&journal->files) < wanted_bytes(journal))
        return -ENOSPC;
    int result =
        pit_journal_blank_begin(&journal->files, blank, PIT_JOURNAL_URGENT_NAME, journal->options.segment_bytes);
    while (result == 0 && blank->zeroed < blank->bytes)
        result = pit_journal_blank_slice(&journal->files, blank, PIT_JOURNAL_URGENT_NAME);
    return result;
}

/* Makes a blank the current segment. The sync of the directory alone is not done again. */
static int begin_segment(struct pit_journal *journal, struct pit_journal_blank *blank, const char *name,
                         struct step *step)
{
    int result = roll(journal, blank, name);
    if (result < 0 && blank->file < 0)
        *step = (struct step){.what = "syncing the directory"};
    return result;
}

/* Moves on to the next segment: the prepared one, or one zeroed here and now, unless the preparer has found no space.
 */
static int next_segment(struct pit_journal *journal, struct step *step)
{
    *step = (struct step){.what = "beginning the next segment", .again = true};
    if (pit_sequence_load(&journal->ready) != journal->taken_count) {
        int result = begin_segment(journal, &journal->blank, PIT_JOURNAL_NEXT_NAME, step);
        if (result == 0)
            pit_sequence_store(&journal->taken, ++journal->taken_count);
        return result;
    }
    if (pit_journal_alarm_on(&journal->blank_alarm))
        return -ENOSPC;
    struct pit_journal_blank blank = {.file = -1};
    int result = prepare_urgently(journal, &blank);
    if (result == 0)
        result = begin_segment(journal, &blank, PIT_JOURNAL_URGENT_NAME, step);
    pit_journal_blank_drop(&journal->files, &blank, PIT_JOURNAL_URGENT_NAME);
    return result;
}

static void fail(struct pit_journal *journal, int code, const char *what, uint32_t bytes)
{
    const char *advice = code == -ENOSPC || code == -EDQUOT
                             ? "Free some space in that file system, then start again: everything acknowledged is there"
                             : "Check the disk (the kernel's log says more), then start again: everything acknowledged "
                               "is there";
    pit_error_set(&journal->error, code,
                  "%s: the journal has stopped: %s failed: %s (block %lu of %u bytes, in segment %020lu.journal at "
                  "offset %lu). Nothing after sequence %lu is durable or was acknowledged. %s",
                  journal->files.directory, what, strerror(-code), journal->number + 1, bytes,
                  journal->segment_first_block, journal->offset, journal->sequence, advice);
    journal->stopped = true;
    pit_sequence_store(&journal->failed, 1);
}

static void count_block(struct pit_journal *journal, uint32_t bytes, uint32_t commands, uint64_t took_ns)
{
    struct pit_journal_statistics *words = &journal->statistics;
    pit_word_store_relaxed(&words->blocks, words->blocks + 1);
    pit_word_store_relaxed(&words->bytes, words->bytes + bytes);
    pit_word_store_relaxed(&words->commands, words->commands + commands);
    pit_word_store_relaxed(&words->write_ns_total, words->write_ns_total + took_ns);
    if (took_ns > words->write_ns_max)
        pit_word_store_relaxed(&words->write_ns_max, took_ns);
}

static bool fits(const struct pit_journal *journal, uint32_t bytes)
{
    return journal->offset + bytes <= journal->segment_bytes;
}

/* Writes the block: 0, or negative with *step saying what failed. */
static int write_block(struct pit_journal *journal, struct pit_journal_block_header *block, struct step *step)
{
    const struct pit_disk *disk = journal->files.disk;
    block->magic = PIT_JOURNAL_BLOCK_MAGIC;
    block->number = journal->number + 1;
    block->journal_id = pit_journal_id_half(journal->journal_id);
    block->previous_crc = journal->crc;
    uint32_t bytes = pit_journal_block_seal((uint8_t *)block);
    PIT_CHECK(block->first_sequence == journal->sequence + 1);
    uint64_t began_ns = disk->monotonic_ns(disk->context);
    if (!fits(journal, bytes)) {
        int result = next_segment(journal, step);
        if (result < 0)
            return result;
    }
    *step = (struct step){.what = "a write", .again = true};
    int result = pit_journal_put(&journal->files, journal->file, block, bytes, journal->offset);
    if (result < 0)
        return result;
    journal->offset += bytes;
    journal->number++;
    journal->sequence += block->commands;
    journal->crc = block->crc;
    count_block(journal, bytes, block->commands, disk->monotonic_ns(disk->context) - began_ns);
    return 0;
}

/* A block waits for space: until the next try is due, or there is a segment for it. */
static bool waits(const struct pit_journal *journal, const struct pit_journal_block_header *block)
{
    if (!pit_journal_alarm_waits(&journal->block_alarm, &journal->files))
        return false;
    return fits(journal, block->bytes) || pit_sequence_load(&journal->ready) == journal->taken_count;
}

uint32_t pit_journal_disk_work(struct pit_journal *journal)
{
    if (pit_sequence_load(&journal->handed) == journal->done_count || journal->stopped)
        return 0;
    struct pit_journal_block_header *block =
        (struct pit_journal_block_header *)journal->blocks[journal->done_count % 2];
    if (waits(journal, block))
        return 0;
    struct step step;
    int result = write_block(journal, block, &step);
    if (pit_journal_lacks_space(result) && step.again) {
        uint64_t wanted = fits(journal, block->bytes) ? block->bytes : wanted_bytes(journal);
        if (!pit_journal_alarm_raise(&journal->block_alarm, &journal->files, wanted))
            return 1;
    } else if (result < 0) {
        fail(journal, result, step.what, block->bytes);
    } else {
        tell_place(journal);
        pit_journal_alarm_clear(&journal->block_alarm, &journal->files);
        pit_sequence_store(&journal->done, ++journal->done_count);
    }
    ring(journal->options.journaler_bell);
    return 1;
}

/* Preparer. */

/* How far the next segment should be zeroed by now: twice as far as the current one is filled, so that it is ready by
 * half of it and the disk is not taken from the blocks all at once. */
static uint64_t prepare_to(const struct pit_journal *journal, uint64_t filled)
{
    uint64_t to = filled * 2 + AHEAD_BYTES;
    return to < journal->options.segment_bytes ? to : journal->options.segment_bytes;
}

/* Nothing to do for now: the next try is not due, or the blank is as far as it should be. Once there was no space, it
 * is made in one go. */
static bool prepared_enough(const struct pit_journal *journal, uint64_t filled)
{
    const struct pit_journal_blank *blank = &journal->blank;
    if (pit_journal_alarm_waits(&journal->blank_alarm, &journal->files))
        return true;
    if (filled >= journal->retry_below && filled < journal->retry_at)
        return true;
    bool hurry = pit_journal_alarm_on(&journal->blank_alarm) || pit_journal_alarm_on(&journal->block_alarm);
    return blank->file >= 0 && blank->zeroed < blank->bytes && blank->zeroed >= prepare_to(journal, filled) && !hurry;
}

/* Begins the blank if need be, and zeroes a slice of it, if that leaves the reserve free when it is done. */
static int prepare_slice(struct pit_journal *journal)
{
    struct pit_journal_blank *blank = &journal->blank;
    uint64_t missing = blank->file < 0 ? journal->options.segment_bytes : blank->bytes - blank->zeroed;
    if (missing == 0)
        return 0; /* the opening has finished it */
    if (pit_journal_free_bytes(&journal->files) < missing + journal->options.reserve_bytes)
        return -ENOSPC;
    int result = 0;
    if (blank->file < 0)
        result = pit_journal_blank_begin(&journal->files, blank, PIT_JOURNAL_NEXT_NAME, missing);
    if (result == 0)
        result = pit_journal_blank_slice(&journal->files, blank, PIT_JOURNAL_NEXT_NAME);
    return result;
}

/* Not final: there is room in the current segment. After a lack of space it is tried again in time; after anything else
 * when there is less room, and the disk agent tries for itself when there is none. */
static void prepare_failed(struct pit_journal *journal, int code, uint64_t filled)
{
    pit_journal_blank_drop(&journal->files, &journal->blank, PIT_JOURNAL_NEXT_NAME);
    if (pit_journal_lacks_space(code)) {
        if (pit_journal_alarm_raise(&journal->blank_alarm, &journal->files, wanted_bytes(journal)))
            ring(journal->options.journaler_bell);
        return;
    }
    journal->retry_below = filled;
    journal->retry_at = filled + journal->options.segment_bytes / 16;
}

uint32_t pit_journal_prepare_work(struct pit_journal *journal)
{
    if (pit_sequence_load(&journal->taken) != journal->ready_count)
        return 0; /* one is waiting */
    uint64_t filled = pit_word_load_relaxed(&journal->filled.value);
    if (prepared_enough(journal, filled))
        return 0;
    int result = prepare_slice(journal);
    if (result < 0) {
        prepare_failed(journal, result, filled);
        return 1;
    }
    journal->retry_at = 0;
    if (journal->blank.zeroed < journal->blank.bytes)
        return 1;
    pit_sequence_store(&journal->ready, ++journal->ready_count);
    ring(journal->options.disk_bell);
    if (pit_journal_alarm_clear(&journal->blank_alarm, &journal->files))
        ring(journal->options.journaler_bell);
    return 1;
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
    if (left < PIT_JOURNAL_LAST_BYTES + ahead_bytes)
        return PIT_JOURNAL_ROOM_NONE;
    if (left < PIT_JOURNAL_LAST_BYTES + ahead_bytes + journal->options.cancels_bytes)
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

const char *pit_journal_method(const struct pit_journal *journal)
{
    return journal->method_text;
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
