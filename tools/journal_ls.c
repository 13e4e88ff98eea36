/* tools/journal_ls.c - pitline journal ls: a journal's segments, by their headers and those of their blocks.
 *
 * Quick, so it reads little: of each block the header, of each segment two blocks whole, for their times. Whether the
 * rest is sound is for pitline journal verify to say.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/disk.h"
#include "journal/log_view.h"
#include "journal/reader.h"
#include "journal/unpack.h"
#include "tools/arguments.h"
#include "tools/journal_tools.h"
#include "tools/json.h"

#define TOOL "pitline journal ls"

struct arguments {
    const char *directory;
    bool json;
};

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "One JSON object a line: each segment, then the totals", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'j':
        arguments->json = true;
        return 0;
    default:
        return pit_argument_directory(state, key, text, &arguments->directory);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "DIR",
    .doc =
        "List the segments of the journal in DIR: first and last sequence, commands, times, bytes in use and of the "
        "file, state. DIR may be in use.\v"
        "States: open, the last segment, where the journal goes on; complete; compressed, one of those; prepared, "
        "zeros for a segment to come; "
        "begun, a segment whose header was being written when everything stopped; damaged. Only headers are looked "
        "at: pitline journal verify reads everything. Of the log of a cluster's node the commands that are known to be "
        "committed are counted; the times are those of the first and last command in a segment.\n\n"
        "Exit status: 0 the segments are listed; 1 one of them is damaged, or there are none; 2 the arguments are "
        "wrong.",
};

enum state { STATE_OPEN, STATE_COMPLETE, STATE_COMPRESSED, STATE_PREPARED, STATE_BEGUN, STATE_DAMAGED };
static const char *const state_names[] = {"open", "complete", "compressed", "prepared", "begun", "damaged"};

struct segment {
    char name[PIT_COMPRESSED_NAME_BYTES];
    uint64_t number; /* of the first block; 0: prepared */
    enum state state;
    const char *why; /* it is damaged; NULL */
    uint64_t bytes;  /* of the file */
    uint64_t used;   /* header and blocks */
    uint64_t blocks;
    uint64_t commands;
    uint64_t first_sequence; /* of the first command here or after */
    uint64_t first_time_ns;  /* with commands: of the first and the last */
    uint64_t last_time_ns;
    struct pit_journal_place after; /* what the next segment must begin with, */
    bool log;                       /* of a cluster's node */
    uint64_t committed;             /* then: sequence of the last command known to be, as far as the segment tells */
};

struct listing {
    const char *directory;
    struct pit_unpack unpack;
    const struct pit_disk *disk; /* on which compressed segments look like others */
    struct segment *segments;
    uint32_t count;
    uint32_t room;
    bool no_memory;
    uint8_t *block; /* PIT_JOURNAL_BLOCK_BYTES_MAX of scratch */
};

/* Which files there are. */

static void list_one(void *context, const char *name)
{
    struct listing *listing = context;
    uint64_t number = pit_journal_segment_number(name);
    if (number == 0 && strcmp(name, PIT_JOURNAL_NEXT_NAME) != 0 && strcmp(name, PIT_JOURNAL_URGENT_NAME) != 0)
        return;
    if (listing->count == listing->room) {
        uint32_t room = listing->room ? 2 * listing->room : 64;
        struct segment *more = realloc(listing->segments, room * sizeof *more);
        if (!more) {
            listing->no_memory = true;
            return;
        }
        listing->segments = more;
        listing->room = room;
    }
    struct segment *segment = &listing->segments[listing->count++];
    *segment = (struct segment){.number = number, .state = number ? STATE_COMPLETE : STATE_PREPARED};
    snprintf(segment->name, sizeof segment->name, "%s", name);
}

/* By number; the prepared ones last. */
static int compare_segments(const void *a, const void *b)
{
    uint64_t left = ((const struct segment *)a)->number - 1;
    uint64_t right = ((const struct segment *)b)->number - 1;
    return left < right ? -1 : left > right;
}

/* What is in one. */

/* Where a block with commands is, and what it must be. */
struct spot {
    uint64_t offset;
    uint32_t bytes; /* 0: there is none */
    struct pit_journal_place place;
};

/* What is known after some blocks. */
struct known {
    uint64_t commands;
    uint64_t committed;
    struct spot last; /* with commands */
};

struct walk {
    struct known now;
    struct spot first; /* with commands */
    struct spot end;   /* the last block of all, and what was known before it */
    struct known before_end;
};

static void damage(struct segment *segment, const char *why)
{
    segment->state = STATE_DAMAGED;
    segment->why = why;
}

/* Reads a whole block and checks it. NULL: it is sound, and listing->block holds it. */
static const char *read_spot(struct listing *listing, int file, const struct spot *spot, uint64_t *last_time_ns)
{
    int64_t got = listing->disk->read(listing->disk->context, file, listing->block, spot->bytes, spot->offset);
    if (got < 0)
        return strerror((int)-got);
    return pit_journal_block_check(listing->block, (uint64_t)got, &spot->place, last_time_ns);
}

/* Of a cluster's log: from record header to record header. *commands: does the block hold any? Negative: cannot read.
 */
static int walk_records(struct listing *listing, int file, const struct spot *spot, uint32_t used, struct walk *walk,
                        bool *commands)
{
    struct {
        struct pit_journal_record_header header;
        struct pit_journal_log_anchor anchor;
    } record;
    *commands = false;
    for (uint32_t at = sizeof(struct pit_journal_block_header); at < used && at < spot->bytes;
         at += pit_journal_record_room(record.header.bytes)) {
        memset(&record, 0, sizeof record);
        int64_t got = listing->disk->read(listing->disk->context, file, &record, sizeof record, spot->offset + at);
        if (got < 0)
            return (int)got;
        if (record.header.kind == PIT_JOURNAL_LOG_ANCHOR)
            walk->now.committed = record.anchor.committed_sequence;
        if (record.header.kind == PIT_JOURNAL_LOG_COMMITTED)
            walk->now.committed = record.header.first_sequence - 1;
        *commands |= record.header.kind == PIT_JOURNAL_LOG_ENTRY;
        if (record.header.bytes > used)
            break;
    }
    return 0;
}

/* Is it a cluster's log? By the first record. */
static bool is_log(struct listing *listing, int file)
{
    struct {
        struct pit_journal_block_header block;
        struct pit_journal_record_header record;
    } first = {0};
    int64_t got = listing->disk->read(listing->disk->context, file, &first, sizeof first, PIT_JOURNAL_PAGE_BYTES);
    return got == (int64_t)sizeof first && pit_journal_block_sort((const uint8_t *)&first) == PIT_JOURNAL_SORT_LOG;
}

/* From block header to block header, as far as they continue each other. Negative: cannot read. */
static int walk_blocks(struct listing *listing, struct segment *segment, int file, uint64_t segment_bytes,
                       struct walk *walk)
{
    segment->log = is_log(listing, file);
    segment->after.sort = segment->log ? PIT_JOURNAL_SORT_LOG : PIT_JOURNAL_SORT_COMMANDS;
    struct pit_journal_place *place = &segment->after;
    uint64_t offset = PIT_JOURNAL_PAGE_BYTES;
    for (;;) {
        struct pit_journal_block_header header;
        int64_t got = listing->disk->read(listing->disk->context, file, &header, sizeof header, offset);
        if (got < 0)
            return (int)got;
        if ((uint64_t)got < sizeof header || offset >= segment_bytes)
            break;
        uint32_t bytes = pit_journal_block_claims((const uint8_t *)&header, place->journal_id, segment_bytes - offset);
        if (bytes == 0 || header.number != place->number || header.first_sequence != place->sequence ||
            header.previous_crc != place->previous_crc)
            break;
        const struct spot spot = {.offset = offset, .bytes = bytes, .place = *place};
        bool commands = header.commands != 0;
        walk->before_end = walk->now;
        walk->end = spot;
        walk->now.commands += header.commands;
        int result = segment->log ? walk_records(listing, file, &spot, header.used, walk, &commands) : 0;
        if (result < 0)
            return result;
        if (commands) {
            walk->now.last = spot;
            if (walk->first.bytes == 0)
                walk->first = spot;
        }
        segment->blocks++;
        place->number++;
        place->sequence += header.commands;
        place->previous_crc = header.crc;
        offset += bytes;
    }
    segment->used = offset;
    return 0;
}

/* In the last segment, the last block may be an unfinished write: then it is not there. */
static void drop_unfinished(struct listing *listing, struct segment *segment, int file, struct walk *walk)
{
    uint64_t time_ns;
    if (walk->end.bytes == 0 || !read_spot(listing, file, &walk->end, &time_ns))
        return;
    segment->blocks--;
    segment->used = walk->end.offset;
    segment->after = walk->end.place;
    walk->now = walk->before_end;
    if (walk->first.offset == walk->end.offset)
        walk->first.bytes = 0;
}

/* The times of the first and the last command of a block that was checked: its records lie within it. */
static void times_in(const uint8_t *block, uint64_t *first_ns, uint64_t *last_ns)
{
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)block;
    bool any = false;
    for (uint32_t at = sizeof *header; at < header->used;) {
        const struct pit_journal_record_header *record = (const struct pit_journal_record_header *)(block + at);
        struct pit_journal_record commands = {
            .kind = PIT_JOURNAL_COMMANDS, .payload = record + 1, .bytes = record->bytes};
        const struct pit_command *command;
        uint32_t in = 0;
        at += pit_journal_record_room(record->bytes);
        if (record->kind != PIT_JOURNAL_COMMANDS && record->kind != PIT_JOURNAL_LOG_ENTRY)
            continue;
        while (commands.bytes - in >= 64 && (command = pit_journal_record_command(&commands, &in))) {
            *first_ns = any ? *first_ns : command->time_ns;
            *last_ns = command->time_ns;
            any = true;
            if (in > commands.bytes)
                break;
        }
    }
}

static void find_times(struct listing *listing, struct segment *segment, int file, const struct walk *walk)
{
    uint64_t time_ns = 0;
    if (walk->first.bytes == 0)
        return;
    const char *wrong = read_spot(listing, file, &walk->now.last, &time_ns);
    if (!wrong) {
        times_in(listing->block, &time_ns, &segment->last_time_ns);
        wrong = read_spot(listing, file, &walk->first, &time_ns);
    }
    if (wrong)
        damage(segment, wrong);
    else
        times_in(listing->block, &segment->first_time_ns, &time_ns);
}

static void look_inside(struct listing *listing, struct segment *segment, int file, bool last)
{
    const struct pit_disk *disk = listing->disk;
    struct pit_journal_segment_header header;
    memset(listing->block, 0, PIT_JOURNAL_PAGE_BYTES);
    int64_t got = disk->read(disk->context, file, listing->block, PIT_JOURNAL_PAGE_BYTES, 0);
    bool whole = false;
    const char *wrong = got < 0 ? strerror((int)-got) : pit_journal_segment_check(listing->block, &whole);
    memcpy(&header, listing->block, sizeof header);
    if (got >= 0 && whole && header.version != PIT_JOURNAL_VERSION)
        wrong = header.version > PIT_JOURNAL_VERSION
                    ? "written in a later version of the format than this pitline reads"
                    : "written in an older version of the format than this pitline reads";
    if (wrong && got >= 0 && last && !whole)
        segment->state = STATE_BEGUN;
    else if (wrong)
        damage(segment, wrong);
    if (wrong)
        return;
    segment->first_sequence = header.first_sequence;
    segment->after = (struct pit_journal_place){.journal_id = pit_journal_id_half(header.journal_id),
                                                .number = header.first_block,
                                                .sequence = header.first_sequence,
                                                .previous_crc = header.previous_crc};
    if (header.first_block != segment->number) {
        damage(segment, "the segment's header says another number than its name");
        return;
    }
    struct walk walk = {0};
    int result = walk_blocks(listing, segment, file, header.segment_bytes, &walk);
    if (result < 0) {
        damage(segment, strerror(-result));
        return;
    }
    if (last) {
        segment->state = STATE_OPEN;
        drop_unfinished(listing, segment, file, &walk);
    }
    segment->commands = walk.now.commands;
    segment->committed = walk.now.committed;
    if (segment->log)
        pit_log_view_beginning(pit_disk_machine(), listing->directory, segment->number, &segment->first_sequence, NULL);
    find_times(listing, segment, file, &walk);
}

/* False: it is gone, or cannot be opened. */
static bool look(struct listing *listing, struct segment *segment, bool last)
{
    char path[PIT_JOURNAL_PATH_BYTES];
    int file = pit_journal_path(path, listing->directory, segment->name)
                   ? listing->disk->open(listing->disk->context, path, PIT_DISK_READ)
                   : -ENAMETOOLONG;
    if (file == -ENOENT) /* a live journal: what was prepared is in use by now */
        return false;
    if (file < 0) {
        damage(segment, file == -EBADMSG ? "its compressed form cannot be unpacked" : strerror(-file));
        return true;
    }
    const struct pit_compressed *compressed = pit_unpack_compressed(&listing->unpack, file);
    int64_t bytes =
        compressed ? (int64_t)pit_compressed_file_bytes(compressed) : listing->disk->size(listing->disk->context, file);
    segment->bytes = bytes < 0 ? 0 : (uint64_t)bytes;
    if (compressed) {
        pit_compressed_name(segment->name, segment->number);
        segment->state = STATE_COMPRESSED;
    }
    if (segment->number)
        look_inside(listing, segment, file, last);
    listing->disk->close(listing->disk->context, file);
    return true;
}

/* Does each go on where the one before ends? A last segment that was only being begun says nothing about that. */
static void check_order(struct listing *listing)
{
    for (uint32_t i = 0; i + 1 < listing->count; i++) {
        struct segment *segment = &listing->segments[i];
        const struct segment *next = &listing->segments[i + 1];
        if ((segment->state != STATE_COMPLETE && segment->state != STATE_COMPRESSED) || next->number == 0)
            continue;
        if (next->number != segment->after.number)
            damage(segment,
                   "its blocks end before the next segment's first: some are damaged, or a segment is missing");
        else if (next->state == STATE_BEGUN)
            segment->state = STATE_OPEN;
        else if (next->state != STATE_DAMAGED && !next->log && next->first_sequence != segment->after.sequence)
            damage(segment, "the next segment's first sequence does not follow it");
    }
}

/* Of a cluster's log: what is committed in each segment ends where it begins in the next. */
static void count_committed(struct listing *listing)
{
    uint64_t end = 1;
    for (uint32_t i = 0; i < listing->count; i++)
        if (listing->segments[i].log && listing->segments[i].committed + 1 > end)
            end = listing->segments[i].committed + 1;
    for (uint32_t i = listing->count; i-- > 0;) {
        struct segment *segment = &listing->segments[i];
        if (!segment->log)
            continue;
        segment->commands = end > segment->first_sequence ? end - segment->first_sequence : 0;
        end = segment->commands ? segment->first_sequence : end;
    }
}

static int list(struct listing *listing)
{
    int result = listing->disk->list(listing->disk->context, listing->directory, list_one, listing);
    if (result < 0) {
        fprintf(stderr, TOOL ": %s: cannot list it: %s\n", listing->directory, strerror(-result));
        return result;
    }
    listing->block = aligned_alloc(PIT_JOURNAL_PAGE_BYTES, PIT_JOURNAL_BLOCK_BYTES_MAX);
    if (!listing->block || listing->no_memory) {
        fprintf(stderr, TOOL ": no memory\n");
        return -ENOMEM;
    }
    if (listing->count)
        qsort(listing->segments, listing->count, sizeof *listing->segments, compare_segments);
    uint64_t last = 0;
    for (uint32_t i = 0; i < listing->count; i++)
        if (listing->segments[i].number)
            last = listing->segments[i].number;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < listing->count; i++) /* one that is there in both forms is listed twice */
        if ((listing->segments[i].number == 0 || kept == 0 ||
             listing->segments[i].number != listing->segments[kept - 1].number) &&
            look(listing, &listing->segments[i], listing->segments[i].number == last))
            listing->segments[kept++] = listing->segments[i];
    listing->count = kept;
    check_order(listing);
    count_committed(listing);
    if (last)
        return 0;
    fprintf(stderr, TOOL ": %s: there is no journal in it (no file like %020d.journal)\n", listing->directory, 1);
    return -ENOENT;
}

/* Printing. */

struct totals {
    uint64_t segments, commands, used, bytes, first_sequence, last_sequence, damaged;
};

static void print_text(const struct segment *segment)
{
    char times[2][PIT_JOURNAL_TIME_BYTES];
    printf("%-32s ", segment->name);
    if (segment->commands)
        printf("%12lu %12lu %12lu  %-30s  %-30s ", segment->first_sequence,
               segment->first_sequence + segment->commands - 1, segment->commands,
               pit_journal_time(times[0], segment->first_time_ns), pit_journal_time(times[1], segment->last_time_ns));
    else
        printf("%12s %12s %12s  %-30s  %-30s ", "-", "-", segment->number ? "0" : "-", "-", "-");
    printf("%12lu %12lu  %s%s%s\n", segment->used, segment->bytes, state_names[segment->state],
           segment->why ? ": " : "", segment->why ? segment->why : "");
}

static void print_json(const struct segment *segment)
{
    struct pit_json json;
    pit_json_begin(&json);
    pit_json_text(&json, "segment", segment->name);
    pit_json_text(&json, "state", state_names[segment->state]);
    if (segment->why)
        pit_json_text(&json, "why", segment->why);
    if (segment->number) {
        pit_json_unsigned(&json, "first_block", segment->number);
        pit_json_unsigned(&json, "blocks", segment->blocks);
        pit_json_unsigned(&json, "commands", segment->commands);
    }
    if (segment->commands) {
        pit_json_unsigned(&json, "first_sequence", segment->first_sequence);
        pit_json_unsigned(&json, "last_sequence", segment->first_sequence + segment->commands - 1);
        pit_json_unsigned(&json, "first_time_ns", segment->first_time_ns);
        pit_json_unsigned(&json, "last_time_ns", segment->last_time_ns);
    }
    pit_json_unsigned(&json, "used", segment->used);
    pit_json_unsigned(&json, "bytes", segment->bytes);
    pit_json_end(&json, stdout);
}

static void add_up(struct totals *totals, const struct segment *segment)
{
    totals->bytes += segment->bytes;
    totals->used += segment->used;
    totals->damaged += segment->state == STATE_DAMAGED;
    totals->segments += segment->number != 0;
    totals->commands += segment->commands;
    if (segment->commands == 0)
        return;
    if (totals->first_sequence == 0)
        totals->first_sequence = segment->first_sequence;
    totals->last_sequence = segment->first_sequence + segment->commands - 1;
}

static void print_totals(const struct totals *totals, bool as_json)
{
    if (as_json) {
        struct pit_json json;
        pit_json_begin(&json);
        pit_json_unsigned(&json, "segments", totals->segments);
        pit_json_unsigned(&json, "damaged", totals->damaged);
        pit_json_unsigned(&json, "commands", totals->commands);
        pit_json_unsigned(&json, "first_sequence", totals->first_sequence);
        pit_json_unsigned(&json, "last_sequence", totals->last_sequence);
        pit_json_unsigned(&json, "used", totals->used);
        pit_json_unsigned(&json, "bytes", totals->bytes);
        pit_json_end(&json, stdout);
        return;
    }
    printf("%lu segment%s, %lu commands", totals->segments, totals->segments == 1 ? "" : "s", totals->commands);
    if (totals->commands)
        printf(", sequence %lu to %lu", totals->first_sequence, totals->last_sequence);
    printf(", %lu of %lu bytes in use", totals->used, totals->bytes);
    if (totals->damaged)
        printf(", %lu damaged", totals->damaged);
    if (totals->first_sequence > 1)
        printf("; what came before was removed, or is missing");
    fputc('\n', stdout);
}

static int print(const struct listing *listing, bool as_json)
{
    struct totals totals = {0};
    if (!as_json)
        printf("%-32s %12s %12s %12s  %-30s  %-30s %12s %12s  %s\n", "segment", "first", "last", "commands",
               "first time", "last time", "used", "bytes", "state");
    int broken = 0;
    for (uint32_t i = 0; i < listing->count && !broken; i++) {
        add_up(&totals, &listing->segments[i]);
        if (as_json)
            print_json(&listing->segments[i]);
        else
            print_text(&listing->segments[i]);
        if (ferror(stdout))
            broken = errno;
    }
    print_totals(&totals, as_json);
    int written = pit_journal_tool_flush(TOOL, broken);
    return totals.damaged == 0 && (written == 0 || written == -EPIPE) ? 0 : 1;
}

int pit_journal_tool_ls(int argc, char **argv)
{
    struct arguments arguments = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return 2;
    pit_journal_tool_ignore_pipe();
    struct listing listing = {.directory = arguments.directory};
    pit_unpack_init(&listing.unpack, pit_disk_machine());
    listing.disk = &listing.unpack.layer.disk;
    int status = list(&listing) < 0 ? 1 : print(&listing, arguments.json);
    pit_unpack_end(&listing.unpack);
    free(listing.segments);
    free(listing.block);
    return status;
}
