/* journal/unpack.h - a disk on which compressed segments look like segments: for whoever reads a journal.
 *
 * A segment that is there only as NUMBER.journal.zst is listed, opened and read as NUMBER.journal. One that is there in
 * both forms, which a crash may leave, is read as it is; its name is listed twice. Everything else goes to the disk
 * below. One thread.
 */
#ifndef PIT_JOURNAL_UNPACK_H
#define PIT_JOURNAL_UNPACK_H

#include "journal/compressed.h"
#include "journal/disk_layer.h"

#define PIT_UNPACK_FILES_MAX 4u /* compressed ones open at a time; another one is -EMFILE */

struct pit_unpack {
    struct pit_disk_layer layer; /* first; layer.disk is the disk to use */
    struct pit_compressed *files[PIT_UNPACK_FILES_MAX];
};

void pit_unpack_init(struct pit_unpack *unpack, const struct pit_disk *under);

/* Closes what is still open. */
void pit_unpack_end(struct pit_unpack *unpack);

/* The compressed segment that a file opened here is, or NULL. */
const struct pit_compressed *pit_unpack_compressed(const struct pit_unpack *unpack, int file);

#endif
