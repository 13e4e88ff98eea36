/* journal/snapshot_files.c - the snapshots in a directory: their names, which is the newest good one, and the journal
 * they belong to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/block.h"
#include "journal/snapshot.h"
#include "journal/snapshot_format.h"
#include "journal/snapshot_parts.h"
#include "journal/unpack.h"

#define NAME_START "snapshot-"
#define NAME_END ".pit"
#define DIGITS 20u

uint64_t pit_snapshot_command_digest(const struct pit_command *command)
{
    return XXH3_64bits(command, pit_command_bytes(command));
}

void pit_snapshot_name(char name[PIT_SNAPSHOT_NAME_BYTES], uint64_t sequence)
{
    snprintf(name, PIT_SNAPSHOT_NAME_BYTES, NAME_START "%020lu" NAME_END, sequence);
}

uint64_t pit_snapshot_sequence(const char *name)
{
    const size_t start = sizeof NAME_START - 1;
    if (strncmp(name, NAME_START, start) != 0)
        return 0;
    uint64_t sequence = 0;
    for (size_t i = start; i < start + DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        const uint64_t digit = (uint64_t)(name[i] - '0');
        if (sequence > (UINT64_MAX - digit) / 10)
            return 0;
        sequence = sequence * 10 + digit;
    }
    return strcmp(name + start + DIGITS, NAME_END) == 0 ? sequence : 0;
}

/* Segments. One that is there in two forms is seen twice. */

struct segments {
    uint64_t last[2]; /* the two highest numbers, 0 = none */
};

static void segment_seen(void *context, const char *name)
{
    struct segments *segments = context;
    const uint64_t number = pit_journal_segment_number(name);
    if (number == 0)
        return;
    if (number > segments->last[0]) {
        segments->last[1] = segments->last[0];
        segments->last[0] = number;
    } else if (number > segments->last[1] && number != segments->last[0]) {
        segments->last[1] = number;
    }
}

static int segment_open(const struct pit_disk *disk, const char *directory, uint64_t number)
{
    char path[PIT_JOURNAL_PATH_BYTES], name[PIT_JOURNAL_NAME_BYTES];
    pit_journal_segment_name(name, number);
    if (!pit_journal_path(path, directory, name))
        return -ENAMETOOLONG;
    return disk->open(disk->context, path, PIT_DISK_READ);
}

int pit_snapshot_settle_journal(const struct pit_disk *disk, const char *directory)
{
    struct segments segments = {0};
    int code = disk->list(disk->context, directory, segment_seen, &segments);
    for (int i = 1; i >= 0 && code == 0; i--) {
        if (segments.last[i] == 0)
            continue;
        const int file = segment_open(disk, directory, segments.last[i]);
        if (file < 0)
            return file;
        code = disk->sync(disk->context, file);
        disk->close(disk->context, file);
    }
    return code;
}

/* The first page of a segment. */
static int read_header(const struct pit_disk *disk, const char *directory, uint64_t number,
                       uint8_t page[PIT_JOURNAL_PAGE_BYTES])
{
    const int file = segment_open(disk, directory, number);
    if (file < 0)
        return file;
    const int64_t got = disk->read(disk->context, file, page, PIT_JOURNAL_PAGE_BYTES, 0);
    disk->close(disk->context, file);
    if (got < 0)
        return (int)got;
    return got == PIT_JOURNAL_PAGE_BYTES ? 0 : -EBADMSG;
}

/* What one segment says. */
static int ask_segment(const struct pit_disk *disk, const char *directory, uint64_t number, uint8_t journal_id[16],
                       struct pit_error *error)
{
    _Alignas(64) uint8_t page[PIT_JOURNAL_PAGE_BYTES];
    bool whole = false;
    const int code = read_header(disk, directory, number, page);
    const char *wrong = code ? strerror(-code) : pit_journal_segment_check(page, &whole);
    struct pit_journal_segment_header header;
    memcpy(&header, page, sizeof header);
    if (code == 0 && whole && header.version != PIT_JOURNAL_VERSION)
        return pit_journal_other_version(directory, number, header.version, error);
    if (wrong)
        return pit_error_set(error, code ? code : -EBADMSG, "the journal in %s, segment %lu: %s", directory, number,
                             wrong);
    memcpy(journal_id, header.journal_id, sizeof header.journal_id);
    return 0;
}

/* The last segment, which is always needed; where it was only being begun, the one before. */
static int find_journal_id(const struct pit_disk *disk, const char *directory, uint8_t journal_id[16],
                           struct pit_error *error)
{
    struct segments segments = {0};
    int code = disk->list(disk->context, directory, segment_seen, &segments);
    if (code)
        return pit_error_set(error, code, "cannot list %s: %s", directory, strerror(-code));
    if (segments.last[0] == 0)
        return pit_error_set(error, -ENOENT, "there is no journal in %s", directory);
    code = ask_segment(disk, directory, segments.last[0], journal_id, error);
    if (code && segments.last[1])
        code = ask_segment(disk, directory, segments.last[1], journal_id, error);
    return code;
}

int pit_snapshot_journal_id(const struct pit_disk *disk, const char *directory, uint8_t journal_id[16],
                            struct pit_error *error)
{
    struct pit_unpack unpack; /* the last but one may be compressed */
    pit_unpack_init(&unpack, disk);
    const int code = find_journal_id(&unpack.layer.disk, directory, journal_id, error);
    pit_unpack_end(&unpack);
    return code;
}

/* Snapshots. */

struct below {
    uint64_t limit; /* the highest sequence wanted */
    uint64_t found; /* the highest there is up to it, 0 = none */
};

static void snapshot_seen(void *context, const char *name)
{
    struct below *below = context;
    const uint64_t sequence = pit_snapshot_sequence(name);
    if (sequence <= below->limit && sequence > below->found)
        below->found = sequence;
}

/* The sequence of the newest file with at most that one; 0: there is none. Negative: errno. */
static int find_below(const struct pit_disk *disk, const char *directory, uint64_t limit, uint64_t *found)
{
    struct below below = {.limit = limit};
    const int code = disk->list(disk->context, directory, snapshot_seen, &below);
    *found = below.found;
    return code;
}

int pit_snapshot_newest(const struct pit_disk *disk, const char *directory, const uint8_t journal_id[16],
                        uint64_t at_most, void (*warn)(void *context, const char *text), void *warn_context,
                        struct pit_snapshot_header *header, struct pit_error *error)
{
    for (;;) {
        uint64_t sequence;
        int code = find_below(disk, directory, at_most, &sequence);
        if (code)
            return pit_error_set(error, code, "cannot list %s: %s", directory, strerror(-code));
        if (sequence == 0)
            return pit_error_set(error, -ENOENT, "there is no good snapshot in %s", directory);
        struct pit_error wrong = {0};
        code = pit_snapshot_check(disk, directory, sequence, header, &wrong);
        if (code == -ENOMEM)
            return pit_error_set(error, code, "%s", wrong.text);
        if (code == 0 && memcmp(header->journal_id, journal_id, sizeof header->journal_id) == 0)
            return 0;
        if (code == 0)
            pit_error_set(&wrong, -EBADMSG, "%s/" NAME_START "%020lu" NAME_END " is of another journal", directory,
                          sequence);
        if (warn)
            warn(warn_context, wrong.text);
        at_most = sequence - 1;
    }
}

int pit_snapshot_readable(const struct pit_disk *disk, const char *directory, struct pit_error *error)
{
    for (uint64_t sequence = UINT64_MAX;; sequence--) {
        struct pit_snapshot_header header;
        int code = find_below(disk, directory, sequence, &sequence);
        if (code)
            return pit_error_set(error, code, "cannot list %s: %s", directory, strerror(-code));
        if (sequence == 0)
            return 0;
        code = pit_snapshot_check(disk, directory, sequence, &header, error);
        if (code && code != -EBADMSG && code != -EIO && code != -ENOENT)
            return code;
    }
}

/* Newest first; the first keep are passed over. */
int pit_snapshot_prune_below(const struct pit_disk *disk, const char *directory, uint64_t newest, uint64_t keep,
                             uint64_t *oldest, uint64_t *removed, struct pit_error *error)
{
    uint64_t limit = newest;
    *oldest = 0;
    *removed = 0;
    for (uint64_t seen = 0;; seen++) {
        uint64_t sequence;
        int code = find_below(disk, directory, limit, &sequence);
        if (code)
            return pit_error_set(error, code, "cannot list %s: %s", directory, strerror(-code));
        if (sequence == 0)
            return 0;
        limit = sequence - 1;
        if (seen + 1 == keep)
            *oldest = sequence;
        if (seen < keep || seen == 0)
            continue;
        char path[PIT_JOURNAL_PATH_BYTES], name[PIT_SNAPSHOT_NAME_BYTES];
        pit_snapshot_name(name, sequence);
        code = pit_journal_path(path, directory, name) ? disk->unlink(disk->context, path) : -ENAMETOOLONG;
        if (code && code != -ENOENT)
            return pit_error_set(error, code, "cannot remove %s: %s", path, strerror(-code));
        *removed += code == 0;
    }
}

int pit_snapshot_prune(const struct pit_disk *disk, const char *directory, uint64_t keep, uint64_t *removed,
                       struct pit_error *error)
{
    uint64_t oldest;
    return pit_snapshot_prune_below(disk, directory, UINT64_MAX, keep, &oldest, removed, error);
}
