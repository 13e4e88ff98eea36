/* test/sim/market_files.c - the publisher's two files, in plain memory: stands in for stages/market_files.c, which
 * needs a file system, a process id and the machine's random numbers. What a reader would see is sim_market_files. */
#include "stages/market_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "market_files.h"
#include "ring/check.h"
#include "ring/sequence.h"

static struct pit_market_files shown[SIM_MARKET_FILES_MAX];

const struct pit_market_files *sim_market_files(const char *name)
{
    for (uint32_t i = 0; i < SIM_MARKET_FILES_MAX; i++)
        if (shown[i].shown && strcmp(shown[i].path, name) == 0)
            return &shown[i];
    return NULL;
}

int pit_market_files_create(struct pit_market_files *files, const struct pit_publisher_config *config,
                            struct pit_error *error)
{
    *files = (struct pit_market_files){.directory = -1, .lock = -1};
    snprintf(files->path, sizeof files->path, "%s", config->name);
    files->events_bytes = pit_md_events_bytes(config->event_slots);
    files->depth_bytes = pit_md_depth_file_bytes(config->symbols_max);
    uint8_t *events = aligned_alloc(4096, (files->events_bytes + 4095) / 4096 * 4096);
    uint8_t *depth = aligned_alloc(4096, (files->depth_bytes + 4095) / 4096 * 4096);
    if (!events || !depth) {
        free(events);
        free(depth);
        return pit_error_set(error, -ENOMEM, "no memory for the market data");
    }
    memset(events, 0, files->events_bytes);
    memset(depth, 0, files->depth_bytes);
    files->events = (struct pit_md_events_header *)events;
    files->slots = (struct pit_broadcast_slot *)(events + PIT_MD_HEADER_BYTES);
    files->depth = (struct pit_md_depth_header *)depth;
    files->entries = (struct pit_md_symbol_entry *)(depth + PIT_MD_HEADER_BYTES);
    files->images = (struct pit_md_image *)(depth + pit_md_images_offset(config->symbols_max));
    files->events->slots = config->event_slots;
    files->depth->symbols_max = config->symbols_max;
    pit_word_store_release(&files->events->status, PIT_MD_RUNNING);
    return 0;
}

int pit_market_files_show(struct pit_market_files *files, struct pit_error *error)
{
    uint32_t place = 0;
    (void)error;
    while (place < SIM_MARKET_FILES_MAX && shown[place].shown)
        place++;
    PIT_CHECK(place < SIM_MARKET_FILES_MAX);
    files->shown = true;
    shown[place] = *files;
    return 0;
}

static void hide(const struct pit_market_files *files)
{
    for (uint32_t i = 0; i < SIM_MARKET_FILES_MAX; i++)
        if (shown[i].events == files->events)
            shown[i].shown = false;
}

void pit_market_files_remove(struct pit_market_files *files)
{
    hide(files);
}

void pit_market_files_destroy(struct pit_market_files *files)
{
    hide(files);
    free(files->events);
    free(files->depth);
    *files = (struct pit_market_files){.directory = -1, .lock = -1};
}
