#include "journal/segment.h"

#include <errno.h>
#include <string.h>

#include "journal/space.h"

/* directory/name always fits: the directory leaves room for every name used here. */
static void path_of(char path[PIT_JOURNAL_PATH_BYTES], const struct pit_journal_files *files, const char *name)
{
    pit_journal_path(path, files->directory, name);
}

int pit_journal_put(const struct pit_journal_files *files, int file, const void *bytes, size_t count, uint64_t offset)
{
    const struct pit_disk *disk = files->disk;
    int result = disk->write(disk->context, file, bytes, count, offset);
    if (result == 0 && files->method == PIT_JOURNAL_METHOD_DATA)
        result = disk->sync(disk->context, file);
    return result;
}

int pit_journal_open_file(const struct pit_journal_files *files, const char *name)
{
    char path[PIT_JOURNAL_PATH_BYTES];
    uint32_t flags = PIT_DISK_WRITE;
    path_of(path, files, name);
    if (files->method == PIT_JOURNAL_METHOD_DIRECT)
        flags |= PIT_DISK_DIRECT;
    return files->disk->open(files->disk->context, path, flags);
}

int pit_journal_remove_file(const struct pit_journal_files *files, const char *name)
{
    char path[PIT_JOURNAL_PATH_BYTES];
    path_of(path, files, name);
    int result = files->disk->unlink(files->disk->context, path);
    return result == -ENOENT ? 0 : result;
}

int pit_journal_blank_begin(const struct pit_journal_files *files, struct pit_journal_blank *blank, const char *name,
                            uint64_t bytes)
{
    char path[PIT_JOURNAL_PATH_BYTES];
    uint32_t flags = PIT_DISK_WRITE | PIT_DISK_CREATE;
    path_of(path, files, name);
    if (files->method == PIT_JOURNAL_METHOD_DIRECT)
        flags |= PIT_DISK_BYPASS;
    int file = files->disk->open(files->disk->context, path, flags);
    if (file < 0)
        return file;
    *blank = (struct pit_journal_blank){.file = file, .bytes = bytes};
    return 0;
}

/* All zeros are written: makes them durable, and opens the file anew as blocks are written to it. */
static int blank_finish(const struct pit_journal_files *files, struct pit_journal_blank *blank, const char *name)
{
    const struct pit_disk *disk = files->disk;
    if (files->method != PIT_JOURNAL_METHOD_DIRECT)
        return 0;
    int result = disk->sync(disk->context, blank->file);
    if (result < 0)
        return result;
    int file = pit_journal_open_file(files, name);
    if (file < 0)
        return file;
    disk->close(disk->context, blank->file);
    blank->file = file;
    return 0;
}

/* Growing a file with every write durable costs a commit of the file system's own journal each, ten times the time of
 * one sync at the end, and makes the blocks wait. Where the page cache is between, one sync at the end is a burst that
 * does the same, so there each slice is synced. */
int pit_journal_blank_slice(const struct pit_journal_files *files, struct pit_journal_blank *blank, const char *name)
{
    const struct pit_disk *disk = files->disk;
    if (files->method == PIT_JOURNAL_METHOD_NEVER) { /* a hole reads as zeros; nobody waits for its blocks */
        int result = disk->truncate(disk->context, blank->file, blank->bytes);
        if (result == 0)
            blank->zeroed = blank->bytes;
        return result;
    }
    uint64_t left = blank->bytes - blank->zeroed;
    size_t count = left < PIT_JOURNAL_SLICE_BYTES ? (size_t)left : PIT_JOURNAL_SLICE_BYTES;
    int result = pit_journal_put(files, blank->file, files->zeros, count, blank->zeroed);
    if (result == 0 && count == left)
        result = blank_finish(files, blank, name);
    if (result == 0)
        blank->zeroed += count;
    return result;
}

void pit_journal_blank_drop(const struct pit_journal_files *files, struct pit_journal_blank *blank, const char *name)
{
    if (blank->file < 0)
        return;
    files->disk->close(files->disk->context, blank->file);
    pit_journal_remove_file(files, name);
    *blank = (struct pit_journal_blank){.file = -1};
}

int pit_journal_blank_use(const struct pit_journal_files *files, struct pit_journal_blank *blank, const char *name,
                          const struct pit_journal_segment_header *header, uint8_t *page)
{
    const struct pit_disk *disk = files->disk;
    char number[PIT_JOURNAL_NAME_BYTES];
    char from[PIT_JOURNAL_PATH_BYTES];
    char to[PIT_JOURNAL_PATH_BYTES];
    pit_journal_segment_name(number, header->first_block);
    path_of(from, files, name);
    path_of(to, files, number);
    pit_journal_segment_seal(page, header);
    /* The header is durable before the name, so a segment that can be seen has its header. */
    int result = pit_journal_put(files, blank->file, page, PIT_JOURNAL_PAGE_BYTES, 0);
    if (result == 0)
        result = disk->rename(disk->context, from, to);
    if (result < 0)
        return result;
    *blank = (struct pit_journal_blank){.file = -1};
    return files->method == PIT_JOURNAL_METHOD_NEVER ? 0 : disk->sync_directory(disk->context, files->directory);
}

/* Zeroes [from, to), whole pages. */
static int zero_range(const struct pit_journal_files *files, int file, uint64_t from, uint64_t to)
{
    while (from < to) {
        size_t count = to - from < PIT_JOURNAL_SLICE_BYTES ? (size_t)(to - from) : PIT_JOURNAL_SLICE_BYTES;
        int result = pit_journal_put(files, file, files->zeros, count, from);
        if (result < 0)
            return result;
        from += count;
    }
    return 0;
}

/* Zeroes what an unfinished write may have left after end, and what is missing of a file cut short. Also where zeros
 * were read: after a failed sync the page cache may show zeros that the disk does not have. */
static int zero_rest(const struct pit_journal_files *files, int file, const struct pit_journal_end *end)
{
    int64_t size = files->disk->size(files->disk->context, file);
    if (size < 0)
        return (int)size;
    uint64_t to = end->offset + PIT_JOURNAL_BLOCK_BYTES_MAX;
    if ((uint64_t)size < end->segment_bytes || to > end->segment_bytes)
        to = end->segment_bytes;
    return zero_range(files, file, end->offset, to);
}

/* Reads the last block as it was when the journal was read. */
static int read_last(const struct pit_journal_files *files, const char *name, const struct pit_journal_end *end,
                     uint8_t *block)
{
    const struct pit_disk *disk = files->disk;
    char path[PIT_JOURNAL_PATH_BYTES];
    uint64_t count = end->offset - end->block_offset;
    if (end->block_offset > end->offset || count < PIT_JOURNAL_PAGE_BYTES || count > PIT_JOURNAL_BLOCK_BYTES_MAX)
        return -EBADMSG;
    path_of(path, files, name);
    int file = disk->open(disk->context, path, PIT_DISK_READ);
    if (file < 0)
        return file;
    int64_t got = disk->read(disk->context, file, block, count, end->block_offset);
    disk->close(disk->context, file);
    if (got < 0)
        return (int)got;
    memset(block + got, 0, count - (uint64_t)got); /* as the reader took a file cut short */
    const struct pit_journal_block_header *header = (const struct pit_journal_block_header *)block;
    bool same = header->number == end->blocks && header->crc == end->crc && header->bytes == count &&
                pit_journal_block_whole(block, header->bytes);
    return same ? 0 : -EBADMSG;
}

/* Writes the last block once more. Of all that was read it alone was perhaps never made durable: every other was before
 * its successor was begun. To sync the file is not enough. When a sync fails, the kernel may drop what it could not
 * write and go on showing it, and no later sync tells. */
static int write_last_again(const struct pit_journal_files *files, int file, const char *name,
                            const struct pit_journal_end *end, uint8_t *block)
{
    if (end->block_offset == 0)
        return 0; /* it is in the segment before, and this one was begun when it was durable */
    int result = read_last(files, name, end, block);
    if (result < 0)
        return result;
    return pit_journal_put(files, file, block, end->offset - end->block_offset, end->block_offset);
}

/* The rest of what was read may have been read out of the page cache; so may the segment's name. */
static int make_durable(const struct pit_journal_files *files, int file)
{
    const struct pit_disk *disk = files->disk;
    if (files->method == PIT_JOURNAL_METHOD_NEVER)
        return 0;
    int result = disk->sync(disk->context, file);
    return result < 0 ? result : disk->sync_directory(disk->context, files->directory);
}

int pit_journal_resume(const struct pit_journal_files *files, const struct pit_journal_end *end, uint8_t *block,
                       struct pit_error *error)
{
    char name[PIT_JOURNAL_NAME_BYTES];
    pit_journal_segment_name(name, end->segment_first_block);
    int file = pit_journal_open_file(files, name);
    if (file < 0)
        return pit_error_set(error, file, "%s/%s: cannot open for writing: %s", files->directory, name,
                             strerror(-file));
    const char *what = "write the last block once more";
    int result = write_last_again(files, file, name, end, block);
    if (result == 0) {
        result = zero_rest(files, file, end);
        what = "write zeros after the last whole block";
    }
    if (result == 0) {
        result = make_durable(files, file);
        what = "make durable what was found, up to the last whole block";
    }
    if (result == 0)
        return file;
    files->disk->close(files->disk->context, file);
    return pit_error_set(error, result, "%s/%s: cannot %s, at offset %lu: %s. %s, then start again", files->directory,
                         name, what, end->offset, strerror(-result),
                         pit_journal_lacks_space(result) ? "Free some space in that file system"
                                                         : "Check the disk (the kernel's log says more)");
}

struct begun {
    const struct pit_journal_files *files;
    uint64_t after;
    uint8_t *page;
    struct pit_error *error;
    int result;
};

static void remove_one_begun(void *argument, const char *name)
{
    struct begun *begun = argument;
    const struct pit_journal_files *files = begun->files;
    const struct pit_disk *disk = files->disk;
    if (begun->result < 0 || pit_journal_segment_number(name) <= begun->after)
        return;
    char path[PIT_JOURNAL_PATH_BYTES];
    bool whole;
    path_of(path, files, name);
    int file = disk->open(disk->context, path, PIT_DISK_READ);
    int64_t got = file < 0 ? file : disk->read(disk->context, file, begun->page, PIT_JOURNAL_PAGE_BYTES, 0);
    if (file >= 0)
        disk->close(disk->context, file);
    if (got < 0) {
        begun->result = pit_error_set(begun->error, (int)got, "%s: cannot read: %s", path, strerror((int)-got));
        return;
    }
    memset(begun->page + got, 0, PIT_JOURNAL_PAGE_BYTES - (size_t)got);
    pit_journal_segment_check(begun->page, &whole);
    if (whole) {
        begun->result = pit_error_set(begun->error, -EEXIST,
                                      "%s: the segment is part of the journal, which must be read to its end before it "
                                      "is written on",
                                      path);
        return;
    }
    int result = disk->unlink(disk->context, path);
    if (result < 0)
        begun->result = pit_error_set(begun->error, result,
                                      "%s: cannot remove this segment, which was only being "
                                      "begun when the journal stopped: %s",
                                      path, strerror(-result));
}

int pit_journal_remove_begun(const struct pit_journal_files *files, uint64_t segment_first_block, uint8_t *page,
                             struct pit_error *error)
{
    struct begun begun = {files, segment_first_block, page, error, 0};
    int result = files->disk->list(files->disk->context, files->directory, remove_one_begun, &begun);
    if (result < 0)
        return pit_error_set(error, result, "%s: cannot list the journal's directory: %s", files->directory,
                             strerror(-result));
    return begun.result;
}
