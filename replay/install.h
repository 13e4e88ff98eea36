/* replay/install.h - a node whose missing log is nowhere any more begins anew from another node's snapshot.
 *
 * What travels is one stream, and an offer names it: the snapshot's file as it is, and the entry of the log in which
 * its last command stands. A snapshot belongs to a journal, so the receiver makes a journal of its own for it: one
 * whose log begins behind the entry before, with that entry in it, committed.
 *
 *   stream:  | head | members | entry's payload | snapshot file |
 *
 *   DIR/install.part     a stream being received: one page that names it, and its bytes so far
 *   DIR/install.whole    one that is complete and has the right hash
 *   DIR/install/         the new journal and its snapshot being made from it, while nobody uses the directory
 *   DIR/install.ready    (the same file, renamed) they are made: the old files are to go to DIR/replaced-N/
 *   DIR/install.place    (renamed again) those are there: the new files are to come into DIR
 *
 * Each step can be done again, so a crash anywhere leaves a directory that is the old one, the new one, or one that
 * pit_install_finish makes the new one. Nothing of the old journal is deleted.
 *
 * Source and receiver block and have one thread at a time; they only add or read files that nobody else writes. finish
 * is called while nobody uses the directory: its caller has the directory's lock.
 */
#ifndef PIT_REPLAY_INSTALL_H
#define PIT_REPLAY_INSTALL_H

#include <stdbool.h>

#include "journal/disk.h"
#include "pitline/error.h"

#define PIT_INSTALL_SYNC_BYTES (UINT64_C(1) << 20) /* of a stream: at each multiple all before it is made durable */
#define PIT_INSTALL_BYTES_MAX (UINT64_C(1) << 44)  /* of a stream */

/* Names a stream. Two with the same offer are the same, whoever sends them. */
struct pit_install_offer {
    uint64_t sequence; /* of the snapshot's last command */
    uint64_t index;    /* of the entry that has this command */
    uint64_t term;     /* of that entry */
    uint64_t bytes;    /* of the stream */
    uint64_t hash;     /* XXH3, 64 bits, of the stream */
};

static inline bool pit_install_offer_same(const struct pit_install_offer *a, const struct pit_install_offer *b)
{
    return a->sequence == b->sequence && a->index == b->index && a->term == b->term && a->bytes == b->bytes &&
           a->hash == b->hash;
}

/* The sender. */

struct pit_install_source;

/* Takes the newest good snapshot of the directory's journal and finds its entry in the log. Those that are not good are
 * told to warn (NULL: nobody). 0; -ENOENT: there is no snapshot whose entry is there; others: the disk's, the
 * reader's. */
int pit_install_source_open(struct pit_install_source **source, const struct pit_disk *disk, const char *directory,
                            void (*warn)(void *context, const char *text), void *warn_context, struct pit_error *error);
struct pit_install_offer pit_install_source_offer(const struct pit_install_source *source);

/* The block of this node's journal that has the entry: whoever gets the stream needs the log from there on. */
uint64_t pit_install_source_block(const struct pit_install_source *source);

/* Bytes of the stream from offset on. Returns how many: count, fewer at its end. Negative: the disk's; -EBADMSG: the
 * file is shorter than it was. */
int64_t pit_install_source_read(struct pit_install_source *source, void *bytes, size_t count, uint64_t offset);
void pit_install_source_close(struct pit_install_source *source);

/* The receiver. */

struct pit_install;

/* Begins to receive the stream, or goes on where it was left; one that was begun before and is another is thrown away.
 * 0; the disk's. */
int pit_install_open(struct pit_install **install, const struct pit_disk *disk, const char *directory,
                     const struct pit_install_offer *offer, struct pit_error *error);

/* How much of it is there: the next bytes are those from here on. */
uint64_t pit_install_offset(const struct pit_install *install);

/* Takes the next bytes: at pit_install_offset, and not beyond the stream's end. 0; the disk's: it may be tried again.
 */
int pit_install_put(struct pit_install *install, const void *bytes, size_t count, struct pit_error *error);

/* When all of it is there: looks at the hash, a piece with each call. 1: there is more to look at; 0: it is right, the
 * stream is durable, and the next pit_install_finish uses it; -EBADMSG: it is not, and was thrown away; the disk's. */
int pit_install_verify(struct pit_install *install, struct pit_error *error);

/* What was received stays. */
void pit_install_close(struct pit_install *install);

/* At each start of a node. */

struct pit_install_outcome {
    uint64_t sequence; /* of the snapshot that the directory begins with now; 0 = nothing was installed */
    uint64_t index;    /* its entry's; both are of what was found, also when it was dropped */
    uint32_t replaced; /* the old files are in DIR/replaced-N/; 0 = there were none */
    bool dropped;      /* a stream was complete, but the log that is there has its entry already */
    bool bad;          /* a stream was complete, but is of no use: error says why. It was thrown away */
};

/* Installs what was received, if it is complete; goes on with what an earlier call had begun. segment_bytes: of the new
 * journal's segments. 0: outcome says what was done; the node goes on with what is in the directory now. Others: the
 * disk's, memory: the same call later goes on. */
int pit_install_finish(const struct pit_disk *disk, const char *directory, uint64_t segment_bytes,
                       struct pit_install_outcome *outcome, struct pit_error *error);

#endif
