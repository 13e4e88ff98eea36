/* journal/compressed.h - a segment that is not written any more, compressed.
 *
 *   DIR/00000000000000000001.journal.zst   the segment of that number
 *   DIR/compress.tmp                       one being made; left behind by a crash it means nothing
 *
 *   file:   | zstd frame: 1 MiB of the segment | zstd frame | ... | seek table |
 *
 * Frames follow each other as `zstd` writes and reads them: `zstd -d` gives the segment back, byte for byte. The seek
 * table at the end is zstd's own (its "seekable format"), so that a reader need not begin with the first frame.
 * docs/journal-format.md has every byte.
 *
 * One thread for each open file, or call.
 */
#ifndef PIT_JOURNAL_COMPRESSED_H
#define PIT_JOURNAL_COMPRESSED_H

#include "journal/block.h"
#include "journal/disk.h"
#include "pitline/error.h"

#define PIT_COMPRESSED_FRAME_BYTES ((size_t)1 << 20) /* of the segment, in each frame but the last */
#define PIT_COMPRESSED_END ".zst"
#define PIT_COMPRESSED_NAME_BYTES (PIT_JOURNAL_NAME_BYTES + 4u)
#define PIT_COMPRESSED_TEMPORARY_NAME "compress.tmp"

/* The name of a compressed segment by the number of its first block, and back (0: not one's name). */
void pit_compressed_name(char name[PIT_COMPRESSED_NAME_BYTES], uint64_t first_block);
uint64_t pit_compressed_number(const char *name);

/* One that is open for reading. */
struct pit_compressed;

/* 0; -ENOENT; -EBADMSG: its seek table is damaged; -ENOMEM; others: the disk's. */
int pit_compressed_open(struct pit_compressed **compressed, const struct pit_disk *disk, const char *path);

/* Bytes of the segment, as of a file: short only at its end. -EBADMSG: a frame is damaged; others: the disk's. */
int64_t pit_compressed_read(struct pit_compressed *compressed, void *bytes, size_t count, uint64_t offset);

/* How many bytes the segment has, and the file. */
uint64_t pit_compressed_segment_bytes(const struct pit_compressed *compressed);
uint64_t pit_compressed_file_bytes(const struct pit_compressed *compressed);

void pit_compressed_close(struct pit_compressed *compressed);

/* Puts a compressed segment in the place of one that is no longer written: writes it under a temporary name, makes it
 * durable, reads it back and compares every byte, gives it its name, makes that durable, and only then removes the
 * segment itself. Whenever that stops, the segment is there in one form or in both. 0; -EBADMSG: what was written is
 * not what was read; others: memory, the disk's. After an error the segment is as it was. */
int pit_compressed_make(const struct pit_disk *disk, const char *directory, uint64_t first_block,
                        struct pit_error *error);

#endif
