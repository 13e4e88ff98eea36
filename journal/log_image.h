/* journal/log_image.h - what a cluster's log comes to, record by record: which entries there are, how many of them are
 * committed, and the last vote. One thread.
 *
 *   index   1 ............ taken | taken + 1 ....... committed ....... last
 *           not here (given, or      held here, with payloads
 *           never read)
 */
#ifndef PIT_JOURNAL_LOG_IMAGE_H
#define PIT_JOURNAL_LOG_IMAGE_H

#include "journal/log.h"

struct pit_log_held {
    struct pit_log_entry entry; /* the payload is the image's; aligned to 64 bytes */
    uint64_t first_sequence;    /* of the first command in it, or else to come */
    uint64_t next_sequence;     /* of the first command after it */
    uint32_t count;             /* commands in it */
    uint64_t block;             /* it stands in */
};

struct pit_log_image {
    struct pit_log_held *held; /* by index modulo room, a power of two */
    uint64_t room;
    uint64_t taken, taken_term, taken_next; /* of the last entry not held; next: as next_sequence below */
    uint64_t last, last_term;
    uint64_t next_sequence; /* of the first command after the last entry */
    uint64_t committed, committed_sequence;
    uint64_t committed_bytes; /* of entries held that are committed */
    uint64_t term, vote;
    void *members;
    uint64_t members_bytes;
    bool anchored; /* the first record has been taken */
};

void pit_log_image_free(struct pit_log_image *image);

/* Takes the next record. NULL, or what is wrong with it: -EBADMSG or -ENOMEM in *code. */
const char *pit_log_image_take(struct pit_log_image *image, const struct pit_journal_record *record, int *code);

static inline struct pit_log_held *pit_log_image_at(const struct pit_log_image *image, uint64_t index)
{
    return &image->held[index & (image->room - 1)];
}

/* The first entry held, if it is known to be committed; otherwise NULL. Valid until it is dropped. */
const struct pit_log_held *pit_log_image_first(const struct pit_log_image *image);
void pit_log_image_drop_first(struct pit_log_image *image);

/* Reads the log in directory: of its committed entries, those of the last keep_bytes and perhaps some more are held, of
 * the others none; begins with the last segment that allows that. end is the journal's. 0; as the journal's reader;
 * -EBADMSG; -ENOMEM. The image is to be freed in any case. */
int pit_log_image_open(struct pit_log_image *image, const struct pit_disk *disk, const char *directory,
                       uint64_t keep_bytes, struct pit_journal_end *end, struct pit_error *error);

/* Reads all that there is. each gets what is known to be committed as soon as that is known. Otherwise as above. */
int pit_log_image_read(struct pit_log_image *image, const struct pit_disk *disk, const char *directory,
                       int (*each)(void *argument, const struct pit_log_entry *entry), void *argument,
                       struct pit_error *error);

#endif
