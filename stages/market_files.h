/* stages/market_files.h - the publisher's two files in /dev/shm/pitline-NAME: made out of sight, shown at once.
 *
 * One thread. The bytes are wire/market_data_layout.h's.
 *
 * The directory must be ours: a link, or a directory of another user, is refused. Its file `lock` is held with flock
 * for as long as the process lives, so two living pipelines cannot have one name, and what a killed one left is taken
 * over. The files are prepared as events.new and depth.new and renamed when they are whole: whoever opens a file sees a
 * whole header. Readers of an older run keep their mappings and learn PIT_MD_REPLACED.
 */
#ifndef PIT_STAGES_MARKET_FILES_H
#define PIT_STAGES_MARKET_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "pitline/error.h"
#include "stages/publisher.h"
#include "wire/market_data_layout.h"

struct pit_market_files {
    char path[PIT_MD_PATH_BYTES];
    int directory;
    int lock;
    bool locked;
    bool shown;
    size_t events_bytes;
    size_t depth_bytes;
    struct pit_md_events_header *events;
    struct pit_broadcast_slot *slots;
    struct pit_md_depth_header *depth;
    struct pit_md_symbol_entry *entries;
    struct pit_md_image *images;
};

/* Locks the name and prepares both files: headers whole, status PIT_MD_RUNNING, everything else zero, every page there.
 * The configuration's name, readable_by, event_slots and symbols_max must have been checked. Errors: those of
 * pit_publisher_create; then nothing is left to destroy. */
int pit_market_files_create(struct pit_market_files *files, const struct pit_publisher_config *config,
                            struct pit_error *error);

/* Puts both files in place of what was there and tells the readers of that. 0 or a negative errno. */
int pit_market_files_show(struct pit_market_files *files, struct pit_error *error);

/* Takes the files out of sight again; readers that have them open keep them. For a clean end. */
void pit_market_files_remove(struct pit_market_files *files);

/* Unmaps and unlocks. Files that were shown and not removed stay, as those of a killed pipeline do. */
void pit_market_files_destroy(struct pit_market_files *files);

#endif
