/* journal/log_image.h - a cluster's log as its records leave it, in memory. One thread. */
#ifndef PIT_JOURNAL_LOG_IMAGE_H
#define PIT_JOURNAL_LOG_IMAGE_H

#include "journal/log.h"

struct pit_log_image {
    struct pit_log_entry *entries; /* from taken + 1 on; payloads are the image's */
    uint64_t room;
    uint64_t last;
    uint64_t taken; /* given away already */
    uint64_t committed;
    uint64_t term, vote;
};

void pit_log_image_free(struct pit_log_image *image);

/* Reads everything in the directory. each (may be NULL) gets what is known to be committed as soon as that is known,
 * and the image keeps it no longer. end is the journal's. 0; what each returned; as the journal's reader; -EBADMSG;
 * -ENOMEM. The image is to be freed in any case. */
int pit_log_image_read(struct pit_log_image *image, const struct pit_disk *disk, const char *directory,
                       int (*each)(void *argument, const struct pit_log_entry *entry), void *argument,
                       struct pit_journal_end *end, struct pit_error *error);

#endif
