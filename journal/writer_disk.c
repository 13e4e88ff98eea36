/* journal/writer_disk.c - the two agents that block in the kernel: one writes blocks, one prepares segments. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal/writer_parts.h"
#include "ring/check.h"

#define AHEAD_BYTES (UINT64_C(4) << 20) /* the next segment is zeroed at least this far at once */

/* Disk. */

void pit_journal_tell_place(struct pit_journal *journal)
{
    pit_word_store_relaxed(&journal->filled.value, journal->offset);
    pit_word_store_relaxed(&journal->left.value, journal->segment_bytes - journal->offset);
}

int pit_journal_roll(struct pit_journal *journal, struct pit_journal_blank *blank, const char *name)
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
    pit_journal_tell_place(journal);
    return 0;
}

/* A step of writing a block: what it is, for people, and whether it may be done again after a lack of space. */
struct step {
    const char *what;
    bool again;
};

static int prepare_urgently(struct pit_journal *journal, struct pit_journal_blank *blank)
{
    if (pit_journal_free_bytes(&journal->files) < pit_journal_wanted_bytes(journal))
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
    int result = pit_journal_roll(journal, blank, name);
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
    char after[64] = "in this block or after it"; /* a cluster's log: its blocks know no sequences */
    if (!journal->options.lead)
        snprintf(after, sizeof after, "after sequence %lu", journal->sequence);
    pit_error_set(&journal->error, code,
                  "%s: the journal has stopped: %s failed: %s (block %lu of %u bytes, in segment %020lu.journal at "
                  "offset %lu). Nothing %s is durable or was acknowledged. %s",
                  journal->files.directory, what, strerror(-code), journal->number + 1, bytes,
                  journal->segment_first_block, journal->offset, after, advice);
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
    PIT_CHECK(!journal->options.lead || journal->offset != PIT_JOURNAL_PAGE_BYTES ||
              pit_journal_block_sort((const uint8_t *)block) == PIT_JOURNAL_SORT_LOG);
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
        uint64_t wanted = fits(journal, block->bytes) ? block->bytes : pit_journal_wanted_bytes(journal);
        if (!pit_journal_alarm_raise(&journal->block_alarm, &journal->files, wanted))
            return 1;
    } else if (result < 0) {
        fail(journal, result, step.what, block->bytes);
    } else {
        pit_journal_tell_place(journal);
        pit_journal_alarm_clear(&journal->block_alarm, &journal->files);
        pit_sequence_store(&journal->done, ++journal->done_count);
    }
    pit_journal_wake(journal->options.journaler_bell);
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
        if (pit_journal_alarm_raise(&journal->blank_alarm, &journal->files, pit_journal_wanted_bytes(journal)))
            pit_journal_wake(journal->options.journaler_bell);
        return;
    }
    /* It is not space that is lacking now: a block that waits for it is not to wait any more. */
    if (pit_journal_alarm_clear(&journal->blank_alarm, &journal->files))
        pit_journal_wake(journal->options.journaler_bell);
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
    pit_journal_wake(journal->options.disk_bell);
    if (pit_journal_alarm_clear(&journal->blank_alarm, &journal->files))
        pit_journal_wake(journal->options.journaler_bell);
    return 1;
}
