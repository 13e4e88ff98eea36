/* journal/compressed.c - reads a compressed segment: its seek table, and one frame at a time. */
#include "journal/compressed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "journal/compressed_format.h"

#define FRAMES_MAX (PIT_JOURNAL_SEGMENT_BYTES_MAX / PIT_COMPRESSED_FRAME_BYTES)
#define NO_FRAME UINT32_MAX

struct pit_compressed {
    const struct pit_disk *disk;
    int file;
    uint64_t file_bytes;
    uint64_t segment_bytes;
    uint32_t frames;
    struct pit_compressed_entry *entries; /* by frame */
    uint64_t *offsets;                    /* by frame, in the file */
    ZSTD_DCtx *context;
    uint8_t *packed;   /* a frame as it is in the file */
    uint8_t *frame;    /* the last that was unpacked because only a part of it was wanted */
    uint32_t in_frame; /* which that is, or NO_FRAME */
};

void pit_compressed_name(char name[PIT_COMPRESSED_NAME_BYTES], uint64_t first_block)
{
    pit_journal_segment_name(name, first_block);
    strcat(name, PIT_COMPRESSED_END);
}

uint64_t pit_compressed_number(const char *name)
{
    char plain[PIT_JOURNAL_NAME_BYTES];
    const size_t length = strlen(name), end = strlen(PIT_COMPRESSED_END);
    if (length <= end || length - end >= sizeof plain || strcmp(name + length - end, PIT_COMPRESSED_END) != 0)
        return 0;
    memcpy(plain, name, length - end);
    plain[length - end] = 0;
    return pit_journal_segment_number(plain);
}

/* Reads exactly so many bytes. */
static int read_exactly(const struct pit_compressed *compressed, void *bytes, size_t count, uint64_t offset)
{
    const struct pit_disk *disk = compressed->disk;
    const int64_t got = disk->read(disk->context, compressed->file, bytes, count, offset);
    if (got < 0)
        return (int)got;
    return (size_t)got == count ? 0 : -EBADMSG;
}

/* The table's entries: every frame but the last is a whole one, and together they are the file before the table. */
static int check_entries(struct pit_compressed *compressed, uint64_t table_at)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < compressed->frames; i++) {
        const struct pit_compressed_entry *entry = &compressed->entries[i];
        const bool last = i + 1 == compressed->frames;
        if (entry->packed == 0 || entry->packed > ZSTD_compressBound(PIT_COMPRESSED_FRAME_BYTES) || entry->bytes == 0 ||
            entry->bytes > PIT_COMPRESSED_FRAME_BYTES || (!last && entry->bytes != PIT_COMPRESSED_FRAME_BYTES))
            return -EBADMSG;
        compressed->offsets[i] = at;
        compressed->segment_bytes += entry->bytes;
        at += entry->packed;
    }
    return at == table_at ? 0 : -EBADMSG;
}

static int read_table(struct pit_compressed *compressed)
{
    struct pit_compressed_footer footer;
    struct pit_compressed_skip skip;
    if (compressed->file_bytes < sizeof skip + sizeof footer)
        return -EBADMSG;
    int code = read_exactly(compressed, &footer, sizeof footer, compressed->file_bytes - sizeof footer);
    if (code)
        return code;
    if (footer.magic != PIT_COMPRESSED_FOOTER_MAGIC || footer.descriptor != PIT_COMPRESSED_DESCRIPTOR ||
        footer.frames == 0 || footer.frames > FRAMES_MAX)
        return -EBADMSG;
    const size_t entries_bytes = footer.frames * sizeof *compressed->entries;
    if (compressed->file_bytes < sizeof skip + entries_bytes + sizeof footer)
        return -EBADMSG;
    const uint64_t at = compressed->file_bytes - sizeof skip - entries_bytes - sizeof footer;
    code = read_exactly(compressed, &skip, sizeof skip, at);
    if (code)
        return code;
    if (skip.magic != PIT_COMPRESSED_SKIP_MAGIC || skip.bytes != entries_bytes + sizeof footer)
        return -EBADMSG;
    compressed->frames = footer.frames;
    compressed->entries = malloc(entries_bytes);
    compressed->offsets = malloc(footer.frames * sizeof *compressed->offsets);
    if (!compressed->entries || !compressed->offsets)
        return -ENOMEM;
    code = read_exactly(compressed, compressed->entries, entries_bytes, at + sizeof skip);
    return code ? code : check_entries(compressed, at);
}

static int open_file(struct pit_compressed *compressed, const char *path)
{
    const struct pit_disk *disk = compressed->disk;
    compressed->file = disk->open(disk->context, path, PIT_DISK_READ);
    if (compressed->file < 0)
        return compressed->file;
    const int64_t size = disk->size(disk->context, compressed->file);
    if (size < 0)
        return (int)size;
    compressed->file_bytes = (uint64_t)size;
    compressed->context = ZSTD_createDCtx();
    compressed->packed = malloc(ZSTD_compressBound(PIT_COMPRESSED_FRAME_BYTES));
    compressed->frame = malloc(PIT_COMPRESSED_FRAME_BYTES);
    if (!compressed->context || !compressed->packed || !compressed->frame)
        return -ENOMEM;
    return read_table(compressed);
}

int pit_compressed_open(struct pit_compressed **result, const struct pit_disk *disk, const char *path)
{
    struct pit_compressed *compressed = calloc(1, sizeof *compressed);
    if (!compressed)
        return -ENOMEM;
    compressed->disk = disk;
    compressed->file = -1;
    compressed->in_frame = NO_FRAME;
    const int code = open_file(compressed, path);
    if (code) {
        pit_compressed_close(compressed);
        return code;
    }
    *result = compressed;
    return 0;
}

/* Unpacks a frame to where there is room for all of it. */
static int unpack(struct pit_compressed *compressed, uint32_t frame, uint8_t *to)
{
    const struct pit_compressed_entry *entry = &compressed->entries[frame];
    const int code = read_exactly(compressed, compressed->packed, entry->packed, compressed->offsets[frame]);
    if (code)
        return code;
    const size_t bytes = ZSTD_decompressDCtx(compressed->context, to, entry->bytes, compressed->packed, entry->packed);
    if (ZSTD_isError(bytes) || bytes != entry->bytes || pit_compressed_checksum(to, bytes) != entry->checksum)
        return -EBADMSG;
    return 0;
}

int64_t pit_compressed_read(struct pit_compressed *compressed, void *bytes, size_t count, uint64_t offset)
{
    uint8_t *to = bytes;
    if (offset >= compressed->segment_bytes)
        return 0;
    if (count > compressed->segment_bytes - offset)
        count = (size_t)(compressed->segment_bytes - offset);
    for (size_t done = 0; done < count;) {
        const uint32_t frame = (uint32_t)((offset + done) / PIT_COMPRESSED_FRAME_BYTES);
        const size_t from = (size_t)((offset + done) % PIT_COMPRESSED_FRAME_BYTES);
        const size_t have = compressed->entries[frame].bytes;
        const size_t part = have - from < count - done ? have - from : count - done;
        int code = 0;
        if (part == have) {
            code = unpack(compressed, frame, to + done);
        } else if (compressed->in_frame != frame) {
            compressed->in_frame = NO_FRAME;
            code = unpack(compressed, frame, compressed->frame);
            compressed->in_frame = code ? NO_FRAME : frame;
        }
        if (code)
            return code;
        if (part != have)
            memcpy(to + done, compressed->frame + from, part);
        done += part;
    }
    return (int64_t)count;
}

uint64_t pit_compressed_segment_bytes(const struct pit_compressed *compressed)
{
    return compressed->segment_bytes;
}

uint64_t pit_compressed_file_bytes(const struct pit_compressed *compressed)
{
    return compressed->file_bytes;
}

void pit_compressed_close(struct pit_compressed *compressed)
{
    if (!compressed)
        return;
    if (compressed->file >= 0)
        compressed->disk->close(compressed->disk->context, compressed->file);
    ZSTD_freeDCtx(compressed->context);
    free(compressed->packed);
    free(compressed->frame);
    free(compressed->entries);
    free(compressed->offsets);
    free(compressed);
}
