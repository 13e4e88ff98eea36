/* journal/retention.c - see retention.h. */
#include "journal/retention.h"

#include <errno.h>
#include <string.h>

#include "journal/compressed.h"

/* A segment before the block is one that another, which begins no later than the block, follows. */
struct search {
    uint64_t block;
    uint64_t last;       /* the highest number up to block: this one stays */
    uint64_t plain;      /* the lowest of a segment that is not compressed; UINT64_MAX = none */
    uint64_t compressed; /* likewise */
};

static void see(void *context, const char *name)
{
    struct search *search = context;
    const uint64_t plain = pit_journal_segment_number(name);
    const uint64_t compressed = plain ? 0 : pit_compressed_number(name);
    const uint64_t number = plain + compressed;
    if (number == 0 || number > search->block)
        return;
    if (number > search->last)
        search->last = number;
    if (plain && plain < search->plain)
        search->plain = plain;
    if (compressed && compressed < search->compressed)
        search->compressed = compressed;
}

static int unlink_in(const struct pit_disk *disk, const char *directory, const char *name)
{
    char path[PIT_JOURNAL_PATH_BYTES];
    const int code = pit_journal_path(path, directory, name) ? disk->unlink(disk->context, path) : -ENAMETOOLONG;
    return code == -ENOENT ? 0 : code;
}

static int remove_segment(const struct pit_disk *disk, const char *directory, uint64_t number, struct pit_error *error)
{
    char plain[PIT_JOURNAL_NAME_BYTES], compressed[PIT_COMPRESSED_NAME_BYTES];
    pit_journal_segment_name(plain, number);
    pit_compressed_name(compressed, number);
    int code = unlink_in(disk, directory, plain);
    if (code == 0)
        code = unlink_in(disk, directory, compressed);
    if (code == 0)
        code = disk->sync_directory(disk->context, directory); /* before the next one goes */
    return code ? pit_error_set(error, code, "%s/%s: cannot remove this segment: %s", directory, plain, strerror(-code))
                : 1;
}

int pit_retention_step(const struct pit_disk *disk, const char *directory, enum pit_old_segments what, uint64_t block,
                       struct pit_error *error)
{
    struct search search = {.block = block, .plain = UINT64_MAX, .compressed = UINT64_MAX};
    if (what == PIT_OLD_SEGMENTS_KEEP)
        return 0;
    const int code = disk->list(disk->context, directory, see, &search);
    if (code)
        return pit_error_set(error, code, "cannot list %s: %s", directory, strerror(-code));
    if (what == PIT_OLD_SEGMENTS_COMPRESS) {
        if (search.plain >= search.last)
            return 0;
        const int made = pit_compressed_make(disk, directory, search.plain, error);
        return made ? made : 1;
    }
    const uint64_t first = search.plain < search.compressed ? search.plain : search.compressed;
    return first < search.last ? remove_segment(disk, directory, first, error) : 0;
}
