/* journal/log_view.h - a cluster's log as a journal of commands: what the journal's reader makes of it. One thread.
 *
 * Entries that are known to be committed come out as PIT_JOURNAL_COMMANDS records, in order, once; and the digests
 * between them. What may still be taken back is held until it is one or the other.
 */
#ifndef PIT_JOURNAL_LOG_VIEW_H
#define PIT_JOURNAL_LOG_VIEW_H

#include "journal/log_image.h"

struct pit_log_view {
    struct pit_log_image image;
    bool given;       /* the image's first entry has been given out */
    uint64_t time_ns; /* of the last command given out */
};

void pit_log_view_end(struct pit_log_view *view);

/* The next record that is there. 1; 0: a record of the log has to be taken first; -EBADMSG: *wrong says what. Valid
 * until the next call of any of these. */
int pit_log_view_give(struct pit_log_view *view, struct pit_journal_record *record, const char **wrong);

/* Takes the next record of the log. 1: *record, a digest, is to be given out as it is now; 0; -EBADMSG, -ENOMEM: *wrong
 * says what. */
int pit_log_view_take(struct pit_log_view *view, struct pit_journal_record *record, const char **wrong);

/* Which sequence the first command has or will have that comes out of the log from a block's segment on. 0; as the
 * reader. */
int pit_log_view_beginning(const struct pit_disk *disk, const char *directory, uint64_t block, uint64_t *sequence,
                           struct pit_error *error);

#endif
