/* journal/segment.h - the files a journal being written consists of: blanks of zeros, and how one becomes a segment.
 *
 * A blank is a file of zeros under a temporary name. Blocks overwrite zeros that are on disk already, so that a write
 * changes data alone and its durability costs no more than the data. When a blank gets its header and its number it is
 * a segment.
 *
 * Threads: a blank belongs to one thread at a time. struct pit_journal_files is fixed once the journal is open.
 */
#ifndef PIT_JOURNAL_SEGMENT_H
#define PIT_JOURNAL_SEGMENT_H

#include "journal/block.h"
#include "journal/disk.h"
#include "journal/reader.h"
#include "pitline/error.h"

#define PIT_JOURNAL_SLICE_BYTES ((size_t)1 << 20) /* zeroed in one go */

enum pit_journal_method {
    PIT_JOURNAL_METHOD_DIRECT = 1, /* every write is durable when it returns */
    PIT_JOURNAL_METHOD_DATA = 2,   /* a write, then fdatasync */
    PIT_JOURNAL_METHOD_NEVER = 3,  /* a write */
};

struct pit_journal_files {
    const struct pit_disk *disk;
    char directory[PIT_JOURNAL_PATH_BYTES - 64]; /* leaves room for a file's name */
    enum pit_journal_method method;
    const uint8_t *zeros; /* PIT_JOURNAL_SLICE_BYTES of them, page-aligned */
};

struct pit_journal_blank {
    int file;       /* -1: there is none */
    uint64_t bytes; /* how long it is going to be */
    uint64_t zeroed;
};

/* Writes count bytes at offset, durable when it returns as far as the method says so. What fails for lack of space, be
 * it the write or the sync, may be done again with the same bytes: all of them are written anew. */
int pit_journal_put(const struct pit_journal_files *files, int file, const void *bytes, size_t count, uint64_t offset);

/* Opens an existing file for writing by the method. */
int pit_journal_open_file(const struct pit_journal_files *files, const char *name);

/* Removes a file; one that is not there is fine. */
int pit_journal_remove_file(const struct pit_journal_files *files, const char *name);

/* Begins a blank under name, which must not exist. -EINVAL may mean that the file system refuses O_DIRECT; it may also
 * show with the first slice. */
int pit_journal_blank_begin(const struct pit_journal_files *files, struct pit_journal_blank *blank, const char *name,
                            uint64_t bytes);

/* Zeroes the next slice. 0 or a negative errno. With the last one (zeroed == bytes) everything becomes durable, and the
 * file is open by the method. */
int pit_journal_blank_slice(const struct pit_journal_files *files, struct pit_journal_blank *blank, const char *name);

/* Closes and removes it. */
void pit_journal_blank_drop(const struct pit_journal_files *files, struct pit_journal_blank *blank, const char *name);

/* Gives a finished blank its header and its number. The file is the segment's from then on and the blank is empty, also
 * when only the sync of the directory failed, which cannot be done again: a second one says nothing about the first.
 * page: a page of aligned scratch. */
int pit_journal_blank_use(const struct pit_journal_files *files, struct pit_journal_blank *blank, const char *name,
                          const struct pit_journal_segment_header *header, uint8_t *page);

/* Makes the directory's last segment ready to be written on at end, and makes durable what was read: writes the last
 * block once more, zeros after it as far as an unfinished write can reach, and what is missing of a file cut short.
 * block: PIT_JOURNAL_BLOCK_BYTES_MAX of aligned scratch. Returns the open file. -EINVAL as above. */
int pit_journal_resume(const struct pit_journal_files *files, const struct pit_journal_end *end, uint8_t *block,
                       struct pit_error *error);

/* Removes segments after end that were only being begun. -EEXIST: one of them is whole, so end is not the end. */
int pit_journal_remove_begun(const struct pit_journal_files *files, uint64_t segment_first_block, uint8_t *page,
                             struct pit_error *error);

#endif
