/* test/sim/disk_damage.c - what a disk does to bytes that were durable, and to reads. See disk.h. */
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "journal/block.h"
#include "journal/snapshot.h"
#include "random.h"
#include "ring/check.h"

static struct sim_damage *damage_at(struct sim_disk *disk, int inode, uint64_t sector)
{
    for (uint32_t i = 0; i < disk->damage_count; i++)
        if (disk->damage[i].inode == inode && disk->damage[i].sector == sector)
            return &disk->damage[i];
    return NULL;
}

void sim_damage_note(struct sim_disk *disk, int inode, uint64_t from, uint64_t count, const uint8_t *ought)
{
    for (uint64_t at = 0; at < count; at += SIM_SECTOR_BYTES) {
        uint64_t sector = (from + at) / SIM_SECTOR_BYTES;
        struct sim_damage *damage = damage_at(disk, inode, sector);
        if (damage)
            continue; /* what ought to be there was known before */
        PIT_CHECK(disk->damage_count < SIM_DAMAGE_MAX);
        damage = &disk->damage[disk->damage_count++];
        damage->inode = inode;
        damage->sector = sector;
        memcpy(damage->ought, ought + at, SIM_SECTOR_BYTES);
    }
}

void sim_damage_end(struct sim_disk *disk, int inode, uint64_t from, uint64_t count)
{
    uint64_t first = from / SIM_SECTOR_BYTES, last = (from + count - 1) / SIM_SECTOR_BYTES;
    for (uint32_t i = 0; i < disk->damage_count; i++) {
        const struct sim_damage *damage = &disk->damage[i];
        if (damage->inode == inode && damage->sector >= first && damage->sector <= last)
            disk->damage[i--] = disk->damage[--disk->damage_count];
    }
}

static bool can_be_healed(const struct sim_disk *disk, const struct sim_lie *lie)
{
    uint64_t found = 0;
    for (uint32_t i = 0; i < disk->damage_count; i++) {
        const struct sim_damage *damage = &disk->damage[i];
        uint64_t at = damage->sector * SIM_SECTOR_BYTES;
        found += damage->inode == lie->inode && at >= lie->offset && at < lie->offset + lie->count;
    }
    return found * SIM_SECTOR_BYTES >= lie->count;
}

void sim_disk_heal(struct sim_disk *disk)
{
    uint64_t mercy = sim_disk_mercy(disk);
    bool lost = disk->mercy != UINT64_MAX;
    for (uint32_t i = 0; i < disk->lies_count; i++)
        lost = lost || !can_be_healed(disk, &disk->lies[i]);
    for (uint32_t i = 0; i < disk->damage_count; i++) {
        const struct sim_damage *damage = &disk->damage[i];
        struct sim_inode *inode = &disk->inodes[damage->inode];
        uint64_t at = damage->sector * SIM_SECTOR_BYTES;
        if (at >= inode->size)
            continue;
        uint64_t count = inode->size - at < SIM_SECTOR_BYTES ? inode->size - at : SIM_SECTOR_BYTES;
        memcpy(inode->cache + at, damage->ought, count);
        if (at + count <= inode->medium_size)
            memcpy(inode->medium + at, damage->ought, count);
    }
    sim_disk_forgive(disk);
    if (lost)
        disk->mercy = mercy;
}

void sim_disk_forgive(struct sim_disk *disk)
{
    disk->damage_count = 0;
    disk->lies_count = 0;
    disk->mercy = UINT64_MAX;
}

/* Both on medium and in the cache: a durable write, or a change while nothing runs. */
static void put(struct sim_inode *inode, const uint8_t *bytes, uint64_t count, uint64_t offset)
{
    memcpy(inode->cache + offset, bytes, count);
    if (offset + count <= inode->medium_size)
        memcpy(inode->medium + offset, bytes, count);
}

void sim_disk_lie(struct sim_disk *disk, int number, const uint8_t *bytes, uint64_t count, uint64_t offset,
                  const struct sim_armed *armed)
{
    struct sim_inode *inode = &disk->inodes[number];
    const struct pit_journal_block_header *block = (const struct pit_journal_block_header *)bytes;
    uint64_t random = armed->seed;
    if (disk->lies_count == sizeof disk->lies / sizeof disk->lies[0] ||
        memcmp(inode->cache + offset, bytes, count) == 0) {
        put(inode, bytes, count, offset); /* there is nothing to lie about */
        sim_damage_end(disk, number, offset, count);
        return;
    }
    sim_damage_end(disk, number, offset, count);
    sim_damage_note(disk, number, offset, count, bytes);
    bool is_block = block->magic == PIT_JOURNAL_BLOCK_MAGIC;
    disk->lies[disk->lies_count++] = (struct sim_lie){.number = is_block ? block->number : 0,
                                                      .first_sequence = is_block ? block->first_sequence : 0,
                                                      .inode = number,
                                                      .offset = offset,
                                                      .count = count};
    if (armed->fault == SIM_DISK_WRITE_LOST)
        return;
    uint64_t places = (inode->size - count) / 4096 + 1;
    bool near = sim_random(&random) & 1;
    uint64_t there = near ? offset + 4096 * (1 + sim_below(&random, 8)) : 4096 * sim_below(&random, places);
    if (there == offset || there + count > inode->size)
        return;
    sim_damage_note(disk, number, there, count, inode->cache + there);
    put(inode, bytes, count, there);
}

/* Does a page of a later block than number stand anywhere, or a later segment? */
static bool shows_later(const struct sim_disk *disk, uint64_t number)
{
    for (uint32_t i = 0; i < disk->names_count; i++) {
        const struct sim_name *name = &disk->names[i];
        uint64_t first = pit_journal_segment_number(strrchr(name->path, '/') + 1);
        if (first == 0 || name->inode < 0)
            continue;
        if (first > number)
            return true;
        const struct sim_inode *inode = &disk->inodes[name->inode];
        for (uint64_t at = 4096; at + 4096 <= inode->size; at += 4096) {
            const struct pit_journal_block_header *block = (const struct pit_journal_block_header *)(inode->cache + at);
            if (block->magic == PIT_JOURNAL_BLOCK_MAGIC && block->number > number)
                return true;
        }
    }
    return false;
}

uint64_t sim_disk_mercy(const struct sim_disk *disk)
{
    uint64_t mercy = disk->mercy;
    for (uint32_t i = 0; i < disk->lies_count; i++) {
        const struct sim_lie *lie = &disk->lies[i];
        if (lie->number && lie->first_sequence - 1 < mercy && !shows_later(disk, lie->number))
            mercy = lie->first_sequence - 1;
    }
    return mercy;
}

void sim_disk_garble(struct sim_disk *disk, int number, uint8_t *bytes, uint64_t count, const struct sim_armed *armed)
{
    const struct sim_inode *inode = &disk->inodes[number];
    uint64_t random = armed->seed;
    uint64_t used = count;
    while (used > SIM_SECTOR_BYTES && pit_journal_zero(bytes + used - SIM_SECTOR_BYTES, SIM_SECTOR_BYTES))
        used -= SIM_SECTOR_BYTES;
    if (armed->fault == SIM_DISK_READ_FLIP || inode->size < 8192) {
        uint64_t place = sim_below(&random, used);
        bytes[place] ^= (uint8_t)(1u << sim_below(&random, 8));
        return;
    }
    uint64_t page = sim_below(&random, (used + 4095) / 4096) * 4096;
    uint64_t other = sim_below(&random, inode->size / 4096) * 4096;
    for (uint32_t tries = 0; tries < 64 && pit_journal_zero(inode->cache + other, 4096); tries++)
        other = sim_below(&random, inode->size / 4096) * 4096;
    if (page + 4096 <= count && !pit_journal_zero(inode->cache + other, 4096))
        memcpy(bytes + page, inode->cache + other, 4096);
}

/* The end of what is used of a segment. */
static uint64_t used_end(const struct sim_inode *inode)
{
    uint64_t end = inode->size;
    while (end > 4096 && pit_journal_zero(inode->cache + end - 4096, 4096))
        end -= 4096;
    return end;
}

/* Where to flip: in a header, in the blocks, about the end, or anywhere. */
static uint64_t choose_place(const struct sim_inode *inode, uint64_t *random)
{
    uint64_t end = used_end(inode);
    uint64_t about = end > 12288 ? end - 12288 : 0;
    switch (sim_below(random, 8)) {
    case 0:
        return sim_below(random, sim_chance(random, 50) ? 72 : 4096);
    case 1:
    case 2:
        return about + sim_below(random, inode->size - about < 16384 ? inode->size - about : 16384);
    case 3:
        return sim_below(random, inode->size);
    default:
        return sim_below(random, end);
    }
}

/* What a node begins with: its log, its snapshots, and a snapshot that has come from another. */
static bool matters(const struct sim_disk *disk, const struct sim_name *name)
{
    const char *last = strrchr(name->path, '/') + 1;
    if (name->inode < 0 || disk->inodes[name->inode].size == 0 || strstr(name->path, "/damaged-") ||
        strstr(name->path, "/replaced-"))
        return false;
    return pit_journal_segment_number(last) ? disk->inodes[name->inode].size >= 8192
                                            : pit_snapshot_sequence(last) || strcmp(last, "install.whole") == 0;
}

static void flip(struct sim_disk *disk, int number, uint64_t place, uint8_t mask)
{
    struct sim_inode *inode = &disk->inodes[number];
    uint64_t sector = place / SIM_SECTOR_BYTES * SIM_SECTOR_BYTES;
    sim_damage_note(disk, number, sector, SIM_SECTOR_BYTES, inode->cache + sector);
    inode->cache[place] ^= mask;
    if (place < inode->medium_size)
        inode->medium[place] ^= mask;
    disk->triggered++;
    sim_trace_note(disk->trace, "flip", (uint64_t)number, place, mask);
}

void sim_disk_flip(struct sim_disk *disk, uint32_t flips, uint64_t seed)
{
    int files[SIM_NAMES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < disk->names_count; i++)
        if (matters(disk, &disk->names[i]))
            files[count++] = disk->names[i].inode;
    for (uint32_t i = 0; i < flips && count; i++) {
        int number = files[sim_below(&seed, count)];
        const struct sim_inode *inode = &disk->inodes[number];
        uint64_t place = choose_place(inode, &seed) % inode->size;
        flip(disk, number, place, (uint8_t)(1u << sim_below(&seed, 8)));
    }
}

void sim_disk_flip_in(struct sim_disk *disk, const char *path, uint64_t limit, uint64_t seed)
{
    for (uint32_t i = 0; i < disk->names_count; i++) {
        const struct sim_name *name = &disk->names[i];
        if (name->inode < 0 || strcmp(name->path, path) != 0 || disk->inodes[name->inode].size == 0)
            continue;
        uint64_t size = disk->inodes[name->inode].size;
        uint64_t place = sim_below(&seed, size < limit ? size : limit);
        flip(disk, name->inode, place, (uint8_t)(1u << sim_below(&seed, 8)));
    }
}
