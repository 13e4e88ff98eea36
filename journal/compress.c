/* journal/compress.c - makes a compressed segment: written, synced, read back, compared, renamed; then the segment
 * goes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "journal/compressed.h"
#include "journal/compressed_format.h"

#define LEVEL 3 /* a command has 64 bytes, many of them zero: higher levels gain little and take far longer */

struct maker {
    const struct pit_disk *disk;
    char segment[PIT_JOURNAL_PATH_BYTES];
    char temporary[PIT_JOURNAL_PATH_BYTES];
    char path[PIT_JOURNAL_PATH_BYTES];
    int from; /* the segment; -1 = not open */
    int to;   /* the temporary file; -1 = not open */
    uint64_t bytes;
    uint64_t written;
    uint64_t synced; /* of that */
    uint32_t frames;
    struct pit_compressed_entry *entries;
    ZSTD_CCtx *context;
    uint8_t *frame;
    uint8_t *other; /* room for a packed frame, and for one that was read back */
};

static size_t frame_bytes(const struct maker *maker, uint32_t frame)
{
    const uint64_t left = maker->bytes - (uint64_t)frame * PIT_COMPRESSED_FRAME_BYTES;
    return left < PIT_COMPRESSED_FRAME_BYTES ? (size_t)left : PIT_COMPRESSED_FRAME_BYTES;
}

static int read_frame(const struct maker *maker, uint32_t frame)
{
    const size_t count = frame_bytes(maker, frame);
    const int64_t got = maker->disk->read(maker->disk->context, maker->from, maker->frame, count,
                                          (uint64_t)frame * PIT_COMPRESSED_FRAME_BYTES);
    if (got < 0)
        return (int)got;
    return (size_t)got == count ? 0 : -EIO;
}

static int put(struct maker *maker, const void *bytes, size_t count)
{
    int code = maker->disk->write(maker->disk->context, maker->to, bytes, count, maker->written);
    maker->written += count;
    if (code == 0 && maker->written - maker->synced >= PIT_JOURNAL_SYNC_BESIDE_BYTES) {
        code = maker->disk->sync(maker->disk->context, maker->to);
        maker->synced = maker->written;
    }
    return code;
}

static int write_frame(struct maker *maker, uint32_t frame)
{
    const size_t bytes = frame_bytes(maker, frame);
    int code = read_frame(maker, frame);
    if (code)
        return code;
    const size_t packed = ZSTD_compress2(maker->context, maker->other, ZSTD_compressBound(PIT_COMPRESSED_FRAME_BYTES),
                                         maker->frame, bytes);
    if (ZSTD_isError(packed))
        return -ENOMEM;
    maker->entries[frame] = (struct pit_compressed_entry){
        .packed = (uint32_t)packed, .bytes = (uint32_t)bytes, .checksum = pit_compressed_checksum(maker->frame, bytes)};
    return put(maker, maker->other, packed);
}

static int write_table(struct maker *maker)
{
    const struct pit_compressed_footer footer = {
        .frames = maker->frames, .descriptor = PIT_COMPRESSED_DESCRIPTOR, .magic = PIT_COMPRESSED_FOOTER_MAGIC};
    const size_t entries_bytes = maker->frames * sizeof *maker->entries;
    const struct pit_compressed_skip skip = {.magic = PIT_COMPRESSED_SKIP_MAGIC,
                                             .bytes = (uint32_t)(entries_bytes + sizeof footer)};
    int code = put(maker, &skip, sizeof skip);
    if (code == 0)
        code = put(maker, maker->entries, entries_bytes);
    return code ? code : put(maker, &footer, sizeof footer);
}

static int open_files(struct maker *maker)
{
    const struct pit_disk *disk = maker->disk;
    maker->from = disk->open(disk->context, maker->segment, PIT_DISK_READ);
    if (maker->from < 0)
        return maker->from;
    const int64_t size = disk->size(disk->context, maker->from);
    if (size < 0)
        return (int)size;
    if (size == 0 || (uint64_t)size > PIT_JOURNAL_SEGMENT_BYTES_MAX)
        return -EFBIG;
    maker->bytes = (uint64_t)size;
    maker->frames = (uint32_t)((maker->bytes + PIT_COMPRESSED_FRAME_BYTES - 1) / PIT_COMPRESSED_FRAME_BYTES);
    maker->entries = calloc(maker->frames, sizeof *maker->entries);
    if (!maker->entries)
        return -ENOMEM;
    const int code = disk->unlink(disk->context, maker->temporary); /* what a crash left */
    if (code && code != -ENOENT)
        return code;
    maker->to = disk->open(disk->context, maker->temporary, PIT_DISK_WRITE | PIT_DISK_CREATE);
    return maker->to < 0 ? maker->to : 0;
}

/* The temporary file, durable. */
static int write_temporary(struct maker *maker)
{
    const struct pit_disk *disk = maker->disk;
    int code = open_files(maker);
    for (uint32_t frame = 0; frame < maker->frames && code == 0; frame++)
        code = write_frame(maker, frame);
    if (code == 0)
        code = write_table(maker);
    if (code == 0)
        code = disk->sync(disk->context, maker->to);
    return code;
}

/* Reads the temporary file as every reader will, against the segment. */
static int compare(struct maker *maker)
{
    struct pit_compressed *compressed;
    int code = pit_compressed_open(&compressed, maker->disk, maker->temporary);
    if (code)
        return code;
    if (pit_compressed_segment_bytes(compressed) != maker->bytes)
        code = -EBADMSG;
    for (uint32_t frame = 0; frame < maker->frames && code == 0; frame++) {
        const size_t count = frame_bytes(maker, frame);
        const int64_t got =
            pit_compressed_read(compressed, maker->other, count, (uint64_t)frame * PIT_COMPRESSED_FRAME_BYTES);
        code = got < 0 ? (int)got : read_frame(maker, frame);
        if (code == 0 && ((size_t)got != count || memcmp(maker->other, maker->frame, count) != 0))
            code = -EBADMSG;
    }
    pit_compressed_close(compressed);
    return code;
}

static int make(struct maker *maker, const char *directory, const char **what)
{
    const struct pit_disk *disk = maker->disk;
    *what = "compress it";
    maker->context = ZSTD_createCCtx();
    maker->frame = malloc(PIT_COMPRESSED_FRAME_BYTES);
    maker->other = malloc(ZSTD_compressBound(PIT_COMPRESSED_FRAME_BYTES));
    if (!maker->context || !maker->frame || !maker->other ||
        ZSTD_isError(ZSTD_CCtx_setParameter(maker->context, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(maker->context, ZSTD_c_checksumFlag, 1)))
        return -ENOMEM;
    int code = write_temporary(maker);
    if (code)
        return code;
    *what = "read back what was compressed, the same as it was";
    code = compare(maker);
    if (code)
        return code;
    *what = "put the compressed one in its place";
    code = disk->rename(disk->context, maker->temporary, maker->path);
    if (code == 0)
        code = disk->sync_directory(disk->context, directory);
    if (code)
        return code;
    *what = "remove the segment that is now compressed";
    code = disk->unlink(disk->context, maker->segment);
    return code ? code : disk->sync_directory(disk->context, directory);
}

static void end(struct maker *maker)
{
    const struct pit_disk *disk = maker->disk;
    if (maker->from >= 0)
        disk->close(disk->context, maker->from);
    if (maker->to >= 0)
        disk->close(disk->context, maker->to);
    ZSTD_freeCCtx(maker->context);
    free(maker->entries);
    free(maker->frame);
    free(maker->other);
    free(maker);
}

int pit_compressed_make(const struct pit_disk *disk, const char *directory, uint64_t first_block,
                        struct pit_error *error)
{
    char plain[PIT_JOURNAL_NAME_BYTES], name[PIT_COMPRESSED_NAME_BYTES];
    struct maker *maker = calloc(1, sizeof *maker);
    if (!maker)
        return pit_error_set(error, -ENOMEM, "no memory to compress a segment");
    maker->disk = disk;
    maker->from = maker->to = -1;
    pit_journal_segment_name(plain, first_block);
    pit_compressed_name(name, first_block);
    const char *what = "find it: the directory's name is too long";
    int code = -ENAMETOOLONG;
    if (pit_journal_path(maker->segment, directory, plain) &&
        pit_journal_path(maker->temporary, directory, PIT_COMPRESSED_TEMPORARY_NAME) &&
        pit_journal_path(maker->path, directory, name))
        code = make(maker, directory, &what);
    if (code) {
        disk->unlink(disk->context, maker->temporary);
        pit_error_set(error, code, "%s/%s: cannot %s: %s", directory, plain, what, strerror(-code));
    }
    end(maker);
    return code;
}
