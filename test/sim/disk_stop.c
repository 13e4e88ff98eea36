/* test/sim/disk_stop.c - what a stop of the process or of the machine leaves of the simulated disk. See disk.h. */
#include <string.h>

#include "disk.h"
#include "random.h"

/* A power cut: of the pending names a first part is there, or any choice of them. */
static void cut_names(struct sim_disk *disk)
{
    bool ordered = !sim_chance(&disk->random, 30);
    uint64_t there = sim_below(&disk->random, disk->pending_count + 1);
    for (uint32_t i = 0; i < disk->pending_count; i++)
        if (ordered ? i < there : (sim_random(&disk->random) & 1) != 0)
            sim_apply_pending(disk, &disk->pending[i]);
    disk->pending_count = 0;
    for (uint32_t i = 0; i < disk->names_count; i++)
        disk->names[i].inode = disk->names[i].medium;
}

/* A power cut: of what is dirty each sector, or each page, is on the medium or not; a new size likewise. */
static void cut_file(struct sim_inode *inode, uint64_t *random)
{
    uint64_t unit = sim_chance(random, 50) ? 4096 / SIM_SECTOR_BYTES : 1;
    uint64_t last = UINT64_MAX;
    bool there = false;
    if (!inode->diverged)
        return;
    bool grown = sim_random(random) & 1;
    const bool *end = inode->dirty + sim_sectors(inode->size);
    for (bool *at = inode->dirty; at < end && (at = memchr(at, true, (size_t)(end - at))); at++) {
        uint64_t sector = (uint64_t)(at - inode->dirty);
        *at = false;
        if (sector / unit != last)
            there = sim_random(random) & 1;
        last = sector / unit;
        if (there)
            sim_to_medium(inode, sector);
    }
    if (grown)
        sim_medium_grow(inode, inode->size);
    inode->size = inode->medium_size;
    memcpy(inode->cache, inode->medium, inode->size);
    inode->diverged = false;
}

bool sim_inode_named(const struct sim_disk *disk, int inode)
{
    for (uint32_t i = 0; i < disk->names_count; i++)
        if (disk->names[i].inode == inode || disk->names[i].medium == inode)
            return true;
    for (uint32_t i = 0; i < disk->pending_count; i++)
        if (disk->pending[i].inode == inode)
            return true;
    return false;
}

void sim_disk_restart(struct sim_disk *disk, bool power)
{
    for (uint32_t i = 0; i < SIM_HANDLES_MAX; i++)
        disk->handles[i].open = false;
    if (power)
        cut_names(disk);
    for (int i = 0; i < (int)SIM_INODES_MAX; i++) {
        struct sim_inode *inode = &disk->inodes[i];
        if (!inode->used)
            continue;
        if (!sim_inode_named(disk, i)) {
            inode->used = false;
            sim_damage_end(disk, i, 0, inode->room);
        } else if (power) {
            cut_file(inode, &disk->random);
        }
    }
    disk->stopped = SIM_DISK_RUNS;
}
