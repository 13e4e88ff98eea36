#include "journal/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/log_image.h"
#include "ring/check.h"

/* A record that has been asked for and is in no block yet. */
struct waiting {
    struct pit_journal_record_header record;
    const void *payload;
    uint64_t ticket; /* 0: its call asks for more records after it */
};

struct pit_log {
    const struct pit_disk *disk;
    struct pit_log_options options;
    struct pit_journal *journal;
    int lock;
    struct pit_log_image image; /* until something is added to what is there */
    bool changed;
    struct waiting *waiting; /* a ring; room is a power of two */
    uint32_t room, first, count;
    uint64_t filled;  /* the last ticket in the block being filled, or before */
    uint64_t handed;  /* the last in the block being written, or before */
    uint64_t durable; /* the last on the disk */
    uint64_t last;    /* index of the last entry asked for */
    uint64_t committed, committed_told;
};

int pit_log_open(struct pit_log **opened, const struct pit_disk *disk, const struct pit_log_options *options,
                 struct pit_error *error)
{
    struct pit_journal_end end = {0};
    struct pit_log *log = calloc(1, sizeof *log);
    if (!log)
        return pit_error_set(error, -ENOMEM, "no memory for the log");
    log->disk = disk;
    log->options = *options;
    log->lock = pit_journal_lock(disk, options->directory, error);
    int code = log->lock < 0 ? log->lock : 0;
    if (code == 0)
        code = pit_log_image_read(&log->image, disk, options->directory, NULL, NULL, &end, error);
    if (code == -ENOENT) /* nothing is there yet */
        code = 0;
    struct pit_journal_options journal = {
        .directory = options->directory,
        .segment_bytes = options->segment_bytes,
        .sync = options->sync,
        .reserve_bytes = options->reserve_bytes,
        .cancels_bytes = options->cancels_bytes,
        .disk_bell = options->disk_bell,
        .journaler_bell = options->bell,
    };
    if (code == 0)
        code = pit_journal_open(&log->journal, disk, &journal, &end, error);
    if (code < 0) {
        pit_log_close(log);
        return code;
    }
    log->last = log->image.last;
    log->committed = log->committed_told = log->image.committed;
    *opened = log;
    return 0;
}

void pit_log_close(struct pit_log *log)
{
    pit_journal_close(log->journal);
    if (log->lock >= 0)
        pit_journal_unlock(log->disk, log->lock);
    pit_log_image_free(&log->image);
    free(log->waiting);
    free(log);
}

struct pit_journal *pit_log_journal(struct pit_log *log)
{
    return log->journal;
}

int pit_log_load(struct pit_log *log, uint64_t *term, uint64_t *vote,
                 int (*each)(void *argument, const struct pit_log_entry *entry), void *argument)
{
    PIT_CHECK(!log->changed);
    *term = log->image.term;
    *vote = log->image.vote;
    int code = 0;
    for (uint64_t i = 0; i < log->image.last && code == 0; i++)
        code = each(argument, &log->image.entries[i]);
    return code;
}

/* Writing. */

static void change(struct pit_log *log)
{
    if (!log->changed)
        pit_log_image_free(&log->image);
    log->changed = true;
}

static int wait_in_line(struct pit_log *log, const struct waiting *waiting)
{
    if (log->count == log->room) {
        uint32_t room = log->room ? log->room * 2 : 256;
        struct waiting *more = malloc(room * sizeof *more);
        if (!more)
            return -ENOMEM;
        for (uint32_t i = 0; i < log->count; i++)
            more[i] = log->waiting[(log->first + i) & (log->room - 1)];
        free(log->waiting);
        log->waiting = more;
        log->room = room;
        log->first = 0;
    }
    log->waiting[(log->first + log->count++) & (log->room - 1)] = *waiting;
    return 0;
}

/* Fills the block. Returns whether anything was put into it. */
static bool fill(struct pit_log *log)
{
    bool any = false;
    while (log->count > 0) {
        const struct waiting *next = &log->waiting[log->first];
        if (!pit_journal_append_log(log->journal, &next->record, next->payload))
            return any;
        if (next->ticket)
            log->filled = next->ticket;
        log->first = (log->first + 1) & (log->room - 1);
        log->count--;
        any = true;
    }
    return any;
}

static void tell_committed(struct pit_log *log)
{
    struct pit_journal_record_header record = {.kind = PIT_JOURNAL_LOG_COMMITTED, .index = log->committed};
    if (log->committed > log->committed_told && pit_journal_append_log(log->journal, &record, NULL))
        log->committed_told = log->committed;
}

/* Moves everything on as far as it goes now. */
static void pump(struct pit_log *log)
{
    bool any = fill(log);
    if (any && log->count == 0)
        tell_committed(log);
    if (pit_journal_commit(log->journal)) { /* which it does only when the block before is durable */
        log->durable = log->handed;
        log->handed = log->filled;
        fill(log);
    } else if (pit_journal_idle(log->journal)) {
        log->durable = log->handed;
    }
}

static int failure(struct pit_log *log)
{
    struct pit_error error;
    return pit_journal_failed(log->journal, &error) ? error.code : 0;
}

static int flush(struct pit_log *log)
{
    for (;;) {
        pump(log);
        int code = failure(log);
        if (code < 0 || (log->count == 0 && pit_journal_idle(log->journal)))
            return code;
        log->options.wait(log->options.wait_context);
    }
}

static bool carries(const struct pit_log_entry *entry)
{
    const uint8_t *payload = entry->payload;
    if (entry->kind == PIT_LOG_BARRIER)
        return entry->bytes == 8 && pit_journal_zero(payload, 8);
    if (entry->bytes == 0 || entry->bytes % 8 != 0 || entry->bytes > PIT_LOG_ENTRY_BYTES_MAX)
        return false;
    for (uint32_t at = 0; at < entry->bytes; at += 64) {
        if (pit_journal_zero(payload + at, entry->bytes - at < 64 ? entry->bytes - at : 64))
            return false; /* a sector of a block is never zero: journal/tail.h */
    }
    return true;
}

static int append_one(struct pit_log *log, uint64_t ticket, const struct pit_log_entry *entry)
{
    static const uint32_t kinds[] = {
        [PIT_LOG_COMMANDS] = PIT_JOURNAL_LOG_ENTRY,
        [PIT_LOG_BARRIER] = PIT_JOURNAL_LOG_BARRIER,
        [PIT_LOG_MEMBERS] = PIT_JOURNAL_LOG_MEMBERS,
    };
    PIT_CHECK(entry->index == log->last + 1);
    if (entry->kind < PIT_LOG_COMMANDS || entry->kind > PIT_LOG_MEMBERS || !carries(entry))
        return -EINVAL;
    struct waiting waiting = {
        .record =
            {
                .kind = kinds[entry->kind],
                .bytes = entry->kind == PIT_LOG_BARRIER ? 0 : entry->bytes,
                .index = entry->index,
                .term = entry->term,
            },
        .payload = entry->payload,
        .ticket = ticket,
    };
    int code = wait_in_line(log, &waiting);
    log->last += code == 0;
    return code;
}

int pit_log_append(struct pit_log *log, uint64_t ticket, const struct pit_log_entry *entries, uint32_t count)
{
    change(log);
    for (uint32_t i = 0; i < count; i++) {
        int code = append_one(log, i + 1 == count ? ticket : 0, &entries[i]);
        if (code < 0)
            return code;
    }
    pump(log);
    return failure(log);
}

int pit_log_truncate(struct pit_log *log, uint64_t ticket, uint64_t index)
{
    PIT_CHECK(index > log->committed && index <= log->last);
    change(log);
    struct waiting waiting = {
        .record = {.kind = PIT_JOURNAL_LOG_TRUNCATION, .index = index},
        .ticket = ticket,
    };
    int code = wait_in_line(log, &waiting);
    if (code < 0)
        return code;
    log->last = index - 1;
    pump(log);
    return failure(log);
}

int pit_log_keep_vote(struct pit_log *log, uint64_t term, uint64_t vote)
{
    struct waiting waiting = {.record = {.kind = PIT_JOURNAL_LOG_VOTE, .term = term, .index = vote}};
    change(log);
    int code = wait_in_line(log, &waiting);
    return code < 0 ? code : flush(log);
}

int pit_log_begin(struct pit_log *log, uint64_t term, const struct pit_log_entry *first)
{
    struct waiting waiting = {.record = {.kind = PIT_JOURNAL_LOG_VOTE, .term = term}};
    struct pit_journal_end end;
    PIT_CHECK(log->last == 0 && !log->changed);
    int code = wait_in_line(log, &waiting);
    if (code == 0)
        code = append_one(log, 0, first);
    if (code == 0)
        code = flush(log);
    if (code < 0)
        return code;
    pit_log_image_free(&log->image);
    return pit_log_image_read(&log->image, log->disk, log->options.directory, NULL, NULL, &end, NULL);
}

void pit_log_committed(struct pit_log *log, uint64_t index)
{
    PIT_CHECK(index <= log->last);
    if (index > log->committed)
        log->committed = index;
}

int64_t pit_log_durable(struct pit_log *log)
{
    pump(log);
    int code = failure(log);
    return code < 0 ? code : (int64_t)log->durable;
}

bool pit_log_failed(struct pit_log *log, struct pit_error *error)
{
    return pit_journal_failed(log->journal, error);
}

int pit_log_read_committed(const struct pit_disk *disk, const char *directory,
                           int (*each)(void *argument, const struct pit_log_entry *entry), void *argument,
                           struct pit_log_extent *extent, struct pit_error *error)
{
    struct pit_log_image image;
    struct pit_journal_end end;
    int code = pit_log_image_read(&image, disk, directory, each, argument, &end, error);
    *extent = (struct pit_log_extent){.last = image.last, .committed = image.committed, .term = image.term};
    pit_log_image_free(&image);
    return code;
}
