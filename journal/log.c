#include "journal/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/log_image.h"
#include "journal/log_past.h"
#include "ring/check.h"

/* A record that has been asked for and is in no block yet. */
struct waiting {
    struct pit_journal_record_header record;
    const void *payload;
    uint64_t ticket; /* 0: its call asks for more records after it */
};

/* What the log comes to up to an entry. */
struct mark {
    uint64_t term;
    uint64_t next_sequence;
};

/* What the records in blocks come to. */
struct place {
    uint64_t index, term;
    struct pit_journal_log_anchor at;
};

struct pit_log {
    const struct pit_disk *disk;
    struct pit_log_options options;
    struct pit_journal *journal;
    int lock;                   /* -1: the caller's */
    struct pit_log_image image; /* until something is added to what is there */
    bool empty;                 /* no block has been written, or is being filled */
    bool changed;
    struct waiting *waiting; /* a ring; room is a power of two */
    uint32_t room, first, count;
    uint64_t filled;    /* the last ticket in the block being filled, or before */
    uint64_t handed;    /* the last in the block being written, or before */
    uint64_t durable;   /* the last on the disk */
    uint64_t last;      /* index of the last entry asked for */
    struct mark *marks; /* of the entries committed_told .. last, by index modulo marks_room, a power of two */
    uint64_t marks_room;
    uint64_t committed, committed_told;
    struct place now;   /* with the block being filled */
    struct place begun; /* without it: what its segment begins with, if it is the first there */
    struct pit_log_past *past;
    uint8_t *members;
    uint8_t anchor[sizeof(struct pit_journal_log_anchor) + PIT_LOG_MEMBERS_BYTES_MAX];
};

_Static_assert(sizeof(struct pit_journal_record_header) + sizeof(((struct pit_log *)0)->anchor) <=
                   PIT_JOURNAL_LEAD_BYTES,
               "an anchor is not longer than what blocks leave free for it");
_Static_assert(sizeof(struct pit_journal_block_header) + sizeof(struct pit_journal_record_header) +
                       PIT_LOG_ENTRY_BYTES_MAX <=
                   PIT_JOURNAL_BLOCK_BYTES_MAX - PIT_JOURNAL_LEAD_BYTES,
               "an entry fits into a block");

/* Marks. */

static struct mark *mark_at(const struct pit_log *log, uint64_t index)
{
    return &log->marks[index & (log->marks_room - 1)];
}

/* Sets the mark of the entry after the last, which is that one then. */
static int mark(struct pit_log *log, uint64_t index, struct mark what)
{
    if (log->marks_room == 0 || index - log->committed_told >= log->marks_room) {
        uint64_t room = log->marks_room ? log->marks_room * 2 : 256;
        struct mark *marks = malloc(room * sizeof *marks);
        if (!marks)
            return -ENOMEM;
        for (uint64_t i = log->committed_told; log->marks_room && i < index; i++)
            marks[i & (room - 1)] = *mark_at(log, i);
        free(log->marks);
        log->marks = marks;
        log->marks_room = room;
    }
    *mark_at(log, index) = what;
    log->last = index;
    return 0;
}

/* Opening. */

static int keep_members(struct pit_log *log, const void *members, uint64_t bytes)
{
    if (!log->members)
        log->members = malloc(PIT_LOG_MEMBERS_BYTES_MAX);
    if (!log->members)
        return -ENOMEM;
    memcpy(log->members, members, bytes);
    log->now.at.members_bytes = bytes;
    return 0;
}

/* Goes on from what was read. */
static int stand(struct pit_log *log)
{
    const struct pit_log_image *image = &log->image;
    log->committed = log->committed_told = image->committed;
    log->now = log->begun = (struct place){
        .index = image->last,
        .term = image->last_term,
        .at =
            {
                .next_sequence = image->next_sequence,
                .vote_term = image->term,
                .vote = image->vote,
                .committed = image->committed,
                .committed_sequence = image->committed_sequence,
            },
    };
    if (image->members_bytes > PIT_LOG_MEMBERS_BYTES_MAX)
        return -EMSGSIZE;
    int code = image->members_bytes ? keep_members(log, image->members, image->members_bytes) : 0;
    log->begun.at.members_bytes = image->members_bytes;
    for (uint64_t i = image->committed; i <= image->last && code == 0; i++) {
        const struct pit_log_held *held = i > image->taken ? pit_log_image_at(image, i) : NULL;
        struct mark taken = {image->taken_term, image->taken_next};
        code = mark(log, i, held ? (struct mark){held->entry.term, held->next_sequence} : taken);
    }
    return code;
}

static void lead(void *context, struct pit_journal_record_header *record, const void **payload)
{
    struct pit_log *log = context;
    const struct place *begun = &log->begun;
    *record = (struct pit_journal_record_header){
        .kind = PIT_JOURNAL_LOG_ANCHOR,
        .bytes = (uint32_t)(sizeof begun->at + begun->at.members_bytes),
        .first_sequence = begun->at.next_sequence,
        .index = begun->index,
        .term = begun->term,
    };
    memcpy(log->anchor, &begun->at, sizeof begun->at);
    if (begun->at.members_bytes)
        memcpy(log->anchor + sizeof begun->at, log->members, begun->at.members_bytes);
    *payload = log->anchor;
}

static int open_journal(struct pit_log *log, const struct pit_journal_end *end, struct pit_error *error)
{
    const struct pit_log_options *options = &log->options;
    struct pit_journal_options journal = {
        .directory = options->directory,
        .segment_bytes = options->segment_bytes,
        .sync = options->sync,
        .reserve_bytes = options->reserve_bytes,
        .cancels_bytes = options->cancels_bytes,
        .disk_bell = options->disk_bell,
        .journaler_bell = options->log_bell,
        .lead = lead,
        .lead_context = log,
    };
    log->empty = end->blocks == 0;
    return pit_journal_open(&log->journal, log->disk, &journal, end, error);
}

int pit_log_open(struct pit_log **opened, const struct pit_disk *disk, const struct pit_log_options *options,
                 struct pit_error *error)
{
    struct pit_journal_end end = {0};
    struct pit_log *log = calloc(1, sizeof *log);
    if (!log)
        return pit_error_set(error, -ENOMEM, "no memory for the log");
    log->disk = disk;
    log->options = *options;
    log->lock = options->locked ? -1 : pit_journal_lock(disk, options->directory, error);
    int code = log->lock < 0 && !options->locked ? log->lock : 0;
    if (code == 0)
        code = pit_log_image_open(&log->image, disk, options->directory, options->keep_bytes, &end, error);
    if (code == -ENOENT) /* nothing is there yet */
        code = 0;
    if (code == 0)
        code = open_journal(log, &end, error);
    if (code == 0)
        code = stand(log);
    if (code == 0) {
        log->past = pit_log_past_create(disk, options->directory, pit_journal_direct(log->journal), options->past_bell);
        code = log->past ? 0 : -ENOMEM;
    }
    if (code == -ENOMEM)
        pit_error_set(error, code, "%s: no memory for the log", options->directory);
    if (code < 0) {
        pit_log_close(log);
        return code;
    }
    *opened = log;
    return 0;
}

void pit_log_close(struct pit_log *log)
{
    pit_journal_close(log->journal);
    if (log->lock >= 0)
        pit_journal_unlock(log->disk, log->lock);
    pit_log_past_destroy(log->past);
    pit_log_image_free(&log->image);
    free(log->waiting);
    free(log->marks);
    free(log->members);
    free(log);
}

struct pit_journal *pit_log_journal(struct pit_log *log)
{
    return log->journal;
}

int pit_log_load(struct pit_log *log, uint64_t *term, uint64_t *vote, struct pit_log_base *base,
                 int (*each)(void *argument, const struct pit_log_entry *entry), void *argument)
{
    const struct pit_log_image *image = &log->image;
    PIT_CHECK(!log->changed);
    *term = image->term;
    *vote = image->vote;
    *base = (struct pit_log_base){image->taken, image->taken_term};
    int code = 0;
    for (uint64_t i = image->taken + 1; i <= image->last && code == 0; i++)
        code = each(argument, &pit_log_image_at(image, i)->entry);
    return code;
}

const void *pit_log_members(const struct pit_log *log, uint32_t *bytes)
{
    *bytes = (uint32_t)log->now.at.members_bytes;
    return *bytes ? log->members : NULL;
}

/* Writing. */

static void change(struct pit_log *log)
{
    if (!log->changed)
        pit_log_image_free(&log->image);
    log->changed = true;
    log->empty = false;
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

/* A record has gone into the block. */
static void note(struct pit_log *log, const struct pit_journal_record_header *record)
{
    struct place *now = &log->now;
    switch (record->kind) {
    case PIT_JOURNAL_LOG_VOTE:
        now->at.vote_term = record->term;
        now->at.vote = record->index;
        return;
    case PIT_JOURNAL_LOG_TRUNCATION:
        now->index = record->index - 1;
        break;
    default:
        now->index = record->index;
        break;
    }
    now->term = record->term;
    now->at.next_sequence = record->first_sequence + record->count;
}

/* Fills the block. Returns whether anything was put into it. */
static bool fill(struct pit_log *log)
{
    bool any = false;
    while (log->count > 0) {
        const struct waiting *next = &log->waiting[log->first];
        if (!pit_journal_append_log(log->journal, &next->record, next->payload))
            return any;
        note(log, &next->record);
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
    struct place *now = &log->now;
    if (log->committed == log->committed_told)
        return;
    struct pit_journal_record_header record = {
        .kind = PIT_JOURNAL_LOG_COMMITTED,
        .index = log->committed,
        .first_sequence = mark_at(log, log->committed)->next_sequence,
    };
    if (!pit_journal_append_log(log->journal, &record, NULL))
        return;
    log->committed_told = log->committed;
    now->at.committed = log->committed;
    now->at.committed_sequence = record.first_sequence - 1;
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
        log->begun = log->now;
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
        if (log->options.leave && log->options.leave(log->options.wait_context))
            return -ECANCELED;
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

/* Which commands are in it. */
static void look_at_commands(struct pit_journal_record_header *record, const uint8_t *payload)
{
    for (uint32_t at = 0; record->bytes - at >= 64;) {
        const struct pit_command *command = (const struct pit_command *)(payload + at);
        if (record->count++ == 0)
            record->first_sequence = command->sequence;
        if (pit_command_bytes(command) > record->bytes - at)
            return;
        at += pit_command_bytes(command);
    }
}

uint32_t pit_log_entry_max(const struct pit_log *log)
{
    const uint32_t room = pit_journal_payload_max(log->journal);
    return room < PIT_LOG_ENTRY_BYTES_MAX ? room : PIT_LOG_ENTRY_BYTES_MAX;
}

static int append_one(struct pit_log *log, uint64_t ticket, const struct pit_log_entry *entry)
{
    static const uint32_t kinds[] = {
        [PIT_LOG_COMMANDS] = PIT_JOURNAL_LOG_ENTRY,
        [PIT_LOG_BARRIER] = PIT_JOURNAL_LOG_BARRIER,
        [PIT_LOG_MEMBERS] = PIT_JOURNAL_LOG_MEMBERS,
    };
    PIT_CHECK(entry->index == log->last + 1);
    if (entry->kind < PIT_LOG_COMMANDS || entry->kind > PIT_LOG_MEMBERS || !carries(entry) ||
        entry->bytes > pit_log_entry_max(log))
        return -EINVAL;
    if (entry->kind == PIT_LOG_MEMBERS && (entry->index != 1 || entry->bytes > PIT_LOG_MEMBERS_BYTES_MAX))
        return -EINVAL;
    struct waiting waiting = {
        .record =
            {
                .kind = kinds[entry->kind],
                .bytes = entry->kind == PIT_LOG_BARRIER ? 0 : entry->bytes,
                .first_sequence = mark_at(log, log->last)->next_sequence,
                .index = entry->index,
                .term = entry->term,
            },
        .payload = entry->payload,
        .ticket = ticket,
    };
    if (entry->kind == PIT_LOG_COMMANDS)
        look_at_commands(&waiting.record, entry->payload);
    int code = entry->kind == PIT_LOG_MEMBERS ? keep_members(log, entry->payload, entry->bytes) : 0;
    if (code == 0)
        code = wait_in_line(log, &waiting);
    if (code < 0)
        return code;
    const struct pit_journal_record_header *record = &waiting.record;
    return mark(log, entry->index, (struct mark){record->term, record->first_sequence + record->count});
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
        .record =
            {
                .kind = PIT_JOURNAL_LOG_TRUNCATION,
                .first_sequence = mark_at(log, index - 1)->next_sequence,
                .index = index,
                .term = mark_at(log, index - 1)->term,
            },
        .ticket = ticket,
    };
    int code = wait_in_line(log, &waiting);
    if (code < 0)
        return code;
    log->last = index - 1;
    pump(log);
    return failure(log);
}

/* Writes a vote twice, in two blocks. A last block that has turned into zeros looks as if its write had never come to
 * its end, and nothing after it says otherwise; a vote that was given must not be lost that way. */
static int write_vote(struct pit_log *log, uint64_t term, uint64_t vote, const struct pit_log_entry *first)
{
    const struct waiting waiting = {.record = {.kind = PIT_JOURNAL_LOG_VOTE, .term = term, .index = vote}};
    int code = wait_in_line(log, &waiting);
    if (code == 0 && first)
        code = append_one(log, 0, first);
    if (code == 0)
        code = flush(log);
    if (code == 0)
        code = wait_in_line(log, &waiting);
    return code < 0 ? code : flush(log);
}

int pit_log_keep_vote(struct pit_log *log, uint64_t term, uint64_t vote)
{
    change(log);
    return write_vote(log, term, vote, NULL);
}

/* What has just been begun is there to be loaded. */
static int read_again(struct pit_log *log)
{
    struct pit_journal_end end;
    pit_log_image_free(&log->image);
    log->changed = false;
    return pit_log_image_open(&log->image, log->disk, log->options.directory, log->options.keep_bytes, &end, NULL);
}

int pit_log_begin(struct pit_log *log, uint64_t term, uint64_t vote, const struct pit_log_entry *first)
{
    PIT_CHECK(log->last == 0 && !log->changed);
    if (first->kind != PIT_LOG_MEMBERS)
        return -EINVAL;
    int code = write_vote(log, term, vote, first);
    return code < 0 ? code : read_again(log);
}

int pit_log_begin_at(struct pit_log *log, uint64_t term, uint64_t vote, struct pit_log_base base,
                     uint64_t first_sequence, const void *members, uint32_t members_bytes)
{
    const struct pit_log_entry first = {1, base.term, PIT_LOG_MEMBERS, members_bytes, members};
    if (!log->empty)
        return -EEXIST; /* and with that nothing has been asked for */
    if (base.index == 0 || base.term == 0 || term < base.term || first_sequence == 0 || !carries(&first) ||
        members_bytes > PIT_LOG_MEMBERS_BYTES_MAX)
        return -EINVAL;
    int code = keep_members(log, members, members_bytes);
    log->committed = log->committed_told = base.index;
    if (code == 0)
        code = mark(log, base.index, (struct mark){base.term, first_sequence});
    if (code < 0)
        return code;
    log->now.index = base.index;
    log->now.term = base.term;
    log->now.at.next_sequence = first_sequence;
    log->now.at.committed = base.index;
    log->now.at.committed_sequence = first_sequence - 1;
    log->now.at.vote_term = term;
    log->now.at.vote = vote;
    log->begun = log->now;
    log->empty = false;
    code = write_vote(log, term, vote, NULL);
    return code < 0 ? code : read_again(log);
}

void pit_log_committed(struct pit_log *log, uint64_t index)
{
    PIT_CHECK(index <= log->last);
    if (index > log->committed)
        log->committed = index;
}

bool pit_log_tell_committed(struct pit_log *log)
{
    if (log->count == 0)
        tell_committed(log);
    pump(log);
    return log->committed_told == log->committed;
}

bool pit_log_append_digest(struct pit_log *log, uint64_t sequence, const struct pit_digest *digest, bool full)
{
    const struct pit_journal_digest payload = {
        .sequence = sequence,
        .events = digest->events,
        .events_count = digest->events_count,
        .state = full ? digest->state : 0,
        .orders = full ? digest->orders : 0,
        .full = full,
    };
    change(log);
    if (log->count == 0)
        tell_committed(log);
    const struct pit_journal_record_header record = {
        .kind = PIT_JOURNAL_DIGEST,
        .bytes = sizeof payload,
        .first_sequence = log->now.at.committed_sequence + 1,
    };
    bool done = sequence <= log->now.at.committed_sequence && pit_journal_append_log(log->journal, &record, &payload);
    pump(log);
    return done;
}

int pit_log_read(struct pit_log *log, uint64_t index, struct pit_log_entry *entries, uint32_t max,
                 uint64_t *before_term)
{
    if (index > log->committed)
        return 0; /* nobody has said so yet */
    if (index > log->committed_told)
        pit_log_tell_committed(log); /* nobody takes for committed what the disk does not call so */
    return pit_log_past_ask(log->past, index, entries, max, before_term);
}

uint32_t pit_log_past_work(struct pit_log *log)
{
    return pit_log_past_work_on(log->past);
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
    int code = pit_log_image_read(&image, disk, directory, each, argument, error);
    *extent = (struct pit_log_extent){.last = image.last, .committed = image.committed, .term = image.term};
    pit_log_image_free(&image);
    return code;
}
