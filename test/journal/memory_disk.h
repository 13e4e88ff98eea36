/* test/journal/memory_disk.h - a disk in memory that fails when told to. One thread. */
#ifndef PIT_TEST_MEMORY_DISK_H
#define PIT_TEST_MEMORY_DISK_H

#include <stdbool.h>

#include "journal/disk.h"

#define MEMORY_FILES_MAX 128
#define MEMORY_SECTOR_BYTES 512u /* written wholly or not at all */

struct memory_file {
    char path[256];
    uint8_t *bytes;
    size_t size;
    size_t room;
    bool exists;
    bool direct;
    /* With a cache: what is on the medium. */
    char medium_path[256];
    uint8_t *medium;
    size_t medium_size;
    bool medium_exists;
    bool *dirty; /* by sector: written and not yet brought to the medium */
    size_t dirty_room;
    bool durable; /* a write goes through the cache: PIT_DISK_DIRECT */
};

struct memory_disk {
    struct pit_disk disk;
    struct memory_file files[MEMORY_FILES_MAX];
    bool cache; /* unsynced writes and names may be lost in memory_disk_crash */
    /* Faults. */
    int fail_write_code;    /* what a failing write returns */
    uint64_t fail_write_in; /* the how-manieth write from now on fails; 0 = none */
    bool torn;              /* a failing write leaves some of its sectors */
    int fail_sync_code;     /* what a failing sync returns; 0 = none fails */
    uint64_t fail_sync_in;  /* the how-manieth sync from now on fails; 0 = all. As on Linux it fails once: what it did
                               not write is taken for written from then on, and reads go on showing it */
    int fail_read_code;
    bool direct_refused_at_open;
    bool direct_refused_at_write;
    int fail_directory_sync_code; /* what every sync of a directory returns; 0 = none fails */
    uint64_t capacity;            /* bytes in all files; more is -ENOSPC; 0 = endless */
    uint64_t clock_ns;            /* added to the clock, which else goes on with the writes alone */
    /* What happened. */
    uint64_t writes;
    uint64_t syncs;
    uint64_t directory_syncs;
    uint64_t random_state;
};

void memory_disk_init(struct memory_disk *memory, uint64_t seed);
void memory_disk_free(struct memory_disk *memory);

struct memory_file *memory_disk_file(struct memory_disk *memory, const char *path);

/* Bytes in all files. */
uint64_t memory_disk_used(const struct memory_disk *memory);

/* What would be found if the machine stopped now: of what was not synced each sector (or each page: some disks have
 * sectors that large) and each name is there or not. Requires cache. */
void memory_disk_crash(struct memory_disk *memory, struct memory_disk *from);

/* A copy of everything in from, as it would be found if the process stopped now. */
void memory_disk_copy(struct memory_disk *memory, const struct memory_disk *from);

void memory_file_resize(struct memory_file *file, size_t size);

#endif
