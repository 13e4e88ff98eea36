/* replay/install_parts.h - what the files that install have in common: names, and bytes. One thread.
 *
 *   install.part:  | page: struct pit_install_page, zeros | stream |
 *   stream:        | struct pit_install_head | members | entry's payload | snapshot file |
 *
 * Integers are little-endian.
 */
#ifndef PIT_REPLAY_INSTALL_PARTS_H
#define PIT_REPLAY_INSTALL_PARTS_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "journal/log.h"
#include "replay/install.h"

#define PIT_INSTALL_PART "install.part"
#define PIT_INSTALL_WHOLE "install.whole"
#define PIT_INSTALL_READY "install.ready"
#define PIT_INSTALL_PLACE "install.place"
#define PIT_INSTALL_DIRECTORY "install"
#define PIT_INSTALL_PAGE_BYTES 4096u
#define PIT_INSTALL_MAGIC UINT64_C(0x31534e494e4c5450)      /* "PTLNINS1" */
#define PIT_INSTALL_HEAD_MAGIC UINT64_C(0x3153544e494c5450) /* "PTLINTS1" */
#define PIT_INSTALL_MEMBERS_BYTES_MAX 4096u

struct pit_install_page {
    uint64_t magic;
    uint32_t crc;      /* CRC-32C of this structure with this field zero */
    uint32_t replaced; /* where the old files go; 0 = not yet known */
    struct pit_install_offer offer;
};
_Static_assert(sizeof(struct pit_install_page) == 56, "no holes");

struct pit_install_head {
    uint64_t magic;
    uint64_t sequence; /* these three as in the offer */
    uint64_t index;
    uint64_t term;
    uint64_t previous_term;  /* of the entry before */
    uint64_t first_sequence; /* of the first command in the entry */
    uint32_t members_bytes;
    uint32_t entry_bytes;
    uint64_t snapshot_bytes;
};
_Static_assert(sizeof(struct pit_install_head) == 64, "no holes");

/* Reads the page of an open file. 0; -EBADMSG: it is none; the disk's. */
int pit_install_page_read(const struct pit_disk *disk, int file, struct pit_install_page *page);

/* Writes it. It is not durable yet. */
int pit_install_page_write(const struct pit_disk *disk, int file, struct pit_install_page *page);

/* Whether this is the stream's hash. */
bool pit_install_right(const struct pit_install_offer *offer, uint64_t hash);

/* Reads the stream of an open file from `from` on; what comes before is in the hash already. 0: the whole has the
 * offer's hash; -EBADMSG: it has not; -ENOMEM; the disk's. */
int pit_install_check(const struct pit_disk *disk, int file, const struct pit_install_offer *offer, XXH3_state_t *hash,
                      uint64_t from);

/* What is wrong with a head, for people; NULL = nothing. */
const char *pit_install_head_check(const struct pit_install_head *head, const struct pit_install_offer *offer);

/* Reads exactly count bytes. 0; -EBADMSG: the file ends before; the disk's. */
int pit_install_read(const struct pit_disk *disk, int file, void *bytes, size_t count, uint64_t offset);

/* Renames within the directory, durable when it returns. */
int pit_install_rename(const struct pit_disk *disk, const char *directory, const char *from, const char *to);

/* Removes a file; one that is not there is fine. */
int pit_install_remove(const struct pit_disk *disk, const char *directory, const char *name);

/* The file opened, or a negative errno. */
int pit_install_open_file(const struct pit_disk *disk, const char *directory, const char *name, uint32_t flags);

/* Names in a directory. */
#define PIT_INSTALL_NAME_BYTES 64u /* more than any that matters has; longer ones are passed over */

struct pit_install_names {
    bool (*wanted)(const char *name);
    char (*at)[PIT_INSTALL_NAME_BYTES]; /* to be freed, also after an error */
    uint32_t count, room;
    bool no_memory;
};

int pit_install_list(const struct pit_disk *disk, const char *directory, bool (*wanted)(const char *name),
                     struct pit_install_names *names);

/* A part of a journal, or a snapshot. */
bool pit_install_of_journal(const char *name);

/* One more than the highest number behind start in a name. */
int pit_install_next_number(const struct pit_disk *disk, const char *directory, const char *start, uint32_t *number);

/* Moves files from one directory to another, durable when it returns. */
int pit_install_move(const struct pit_disk *disk, const char *from, const char *to,
                     const struct pit_install_names *names);

/* Moves all that is of the journal to DIR/STARTNUMBER/, which is made if there is anything. Durable likewise. */
int pit_install_move_aside(const struct pit_disk *disk, const char *directory, const char *start, uint32_t number,
                           uint32_t *moved);

/* Makes a journal and a snapshot of the stream in an open file, in DIR/install/, durable. term and vote: those that the
 * log begins with. 0; -EBADMSG, -EINVAL, -EILSEQ, -ESTALE and the like: the stream is of no use; -ENOMEM; -EIO, -ENOSPC
 * and others: the disk's. */
int pit_install_build(const struct pit_disk *disk, const char *directory, int file,
                      const struct pit_install_offer *offer, uint64_t term, uint64_t vote, uint64_t segment_bytes,
                      struct pit_error *error);

#endif
