/* journal/disk_layer.h - a disk on top of another one: every call goes down, but for those that the layer's owner puts
 * functions of its own in place of.
 *
 * A function of the owner gets the layer as its context: make struct pit_disk_layer the first member of a larger
 * structure to find that. Threads as the disk below.
 */
#ifndef PIT_JOURNAL_DISK_LAYER_H
#define PIT_JOURNAL_DISK_LAYER_H

#include "journal/disk.h"

struct pit_disk_layer {
    struct pit_disk disk; /* what is handed on; its functions may be replaced after init */
    const struct pit_disk *under;
};

void pit_disk_layer_init(struct pit_disk_layer *layer, const struct pit_disk *under);

#endif
