/* test/sim/disk.c - files, names, and the table of functions. See disk.h. */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "ring/check.h"

#define ASKED_MAX 2000u /* for the time, in one turn */
#define CLASS_CHANGE (1u << SIM_DISK_KILL | 1u << SIM_DISK_POWER)
#define CLASS_WRITE (CLASS_CHANGE | 1u << SIM_DISK_WRITE_EIO)
#define CLASS_LIE (1u << SIM_DISK_WRITE_LOST | 1u << SIM_DISK_WRITE_ELSEWHERE)
#define CLASS_SYNC (CLASS_CHANGE | 1u << SIM_DISK_SYNC_EIO)
#define CLASS_BLOCK (1u << 31)
#define CLASS_READ (1u << SIM_DISK_READ_EIO | 1u << SIM_DISK_READ_FLIP | 1u << SIM_DISK_READ_ELSEWHERE)

/* Files. */

void sim_inode_resize(struct sim_inode *inode, uint64_t size)
{
    if (size > inode->room) {
        uint64_t room = sim_sectors(size > inode->room * 2 ? size : inode->room * 2) * SIM_SECTOR_BYTES;
        inode->cache = realloc(inode->cache, room);
        inode->medium = realloc(inode->medium, room);
        inode->dirty = realloc(inode->dirty, sim_sectors(room) * sizeof *inode->dirty);
        PIT_CHECK(inode->cache && inode->medium && inode->dirty);
        memset(inode->dirty + sim_sectors(inode->room), 0,
               (sim_sectors(room) - sim_sectors(inode->room)) * sizeof *inode->dirty);
        inode->room = room;
    }
    if (size > inode->size)
        memset(inode->cache + inode->size, 0, size - inode->size);
    inode->size = size;
}

void sim_medium_grow(struct sim_inode *inode, uint64_t size)
{
    if (size <= inode->medium_size)
        return;
    memset(inode->medium + inode->medium_size, 0, size - inode->medium_size);
    inode->medium_size = size;
}

void sim_to_medium(struct sim_inode *inode, uint64_t sector)
{
    uint64_t from = sector * SIM_SECTOR_BYTES;
    if (from >= inode->size)
        return;
    uint64_t count = inode->size - from < SIM_SECTOR_BYTES ? inode->size - from : SIM_SECTOR_BYTES;
    sim_medium_grow(inode, from + count);
    memcpy(inode->medium + from, inode->cache + from, count);
}

static bool is_open(const struct sim_disk *disk, int inode)
{
    for (uint32_t i = 0; i < SIM_HANDLES_MAX; i++)
        if (disk->handles[i].open && disk->handles[i].inode == inode)
            return true;
    return false;
}

/* Files that nobody can come by any more give their places back. */
static void sweep(struct sim_disk *disk)
{
    for (int i = 0; i < (int)SIM_INODES_MAX; i++) {
        struct sim_inode *inode = &disk->inodes[i];
        if (!inode->used || is_open(disk, i) || sim_inode_named(disk, i))
            continue;
        inode->used = false;
        sim_damage_end(disk, i, 0, inode->room);
    }
}

static int unused_inode(const struct sim_disk *disk)
{
    int i = 0;
    while (i < (int)SIM_INODES_MAX && disk->inodes[i].used)
        i++;
    return i < (int)SIM_INODES_MAX ? i : -1;
}

static int new_inode(struct sim_disk *disk)
{
    int number = unused_inode(disk);
    if (number < 0) {
        sweep(disk);
        number = unused_inode(disk);
    }
    if (number < 0)
        return -1;
    struct sim_inode *inode = &disk->inodes[number];
    memset(inode->dirty, 0, sim_sectors(inode->room) * sizeof *inode->dirty);
    inode->used = true;
    inode->diverged = false;
    inode->size = inode->medium_size = 0;
    return number;
}

/* Names. */

static struct sim_name *find(struct sim_disk *disk, const char *path)
{
    for (uint32_t i = 0; i < disk->names_count; i++)
        if (strcmp(disk->names[i].path, path) == 0)
            return &disk->names[i];
    return NULL;
}

/* A name that no file has or may have after a power cut. */
static bool is_free(const struct sim_disk *disk, int name)
{
    bool free = disk->names[name].inode < 0 && disk->names[name].medium < 0;
    for (uint32_t i = 0; i < disk->pending_count && free; i++)
        free = disk->pending[i].from != name && disk->pending[i].to != name;
    return free;
}

static struct sim_name *find_or_add(struct sim_disk *disk, const char *path)
{
    struct sim_name *name = find(disk, path);
    if (name)
        return name;
    uint32_t place = 0;
    while (place < disk->names_count && !is_free(disk, (int)place))
        place++;
    PIT_CHECK(place < SIM_NAMES_MAX && strlen(path) < sizeof name->path);
    disk->names_count += place == disk->names_count;
    name = &disk->names[place];
    strcpy(name->path, path);
    name->inode = name->medium = -1;
    return name;
}

void sim_apply_pending(struct sim_disk *disk, const struct sim_pending *change)
{
    if (change->from >= 0) {
        if (disk->names[change->from].medium != change->inode)
            return;
        disk->names[change->from].medium = -1;
    }
    if (change->to >= 0)
        disk->names[change->to].medium = change->inode;
}

static void rename_now(struct sim_disk *disk, int inode, struct sim_name *from, struct sim_name *to)
{
    if (disk->pending_count == SIM_PENDING_MAX) { /* a file system writes its own journal now and then */
        sim_apply_pending(disk, &disk->pending[0]);
        memmove(disk->pending, disk->pending + 1, (SIM_PENDING_MAX - 1) * sizeof *disk->pending);
        disk->pending_count--;
    }
    disk->pending[disk->pending_count++] = (struct sim_pending){
        .inode = inode,
        .from = from ? (int)(from - disk->names) : -1,
        .to = to ? (int)(to - disk->names) : -1,
    };
    if (from)
        from->inode = -1;
    if (to)
        to->inode = inode;
}

/* Faults. */

void sim_disk_arm(struct sim_disk *disk, const struct sim_armed *armed)
{
    if (disk->armed_count < SIM_ARMED_MAX)
        disk->armed[disk->armed_count++] = *armed;
}

/* The header of a segment is about to be written. */
static void begins_segment(struct sim_disk *disk)
{
    for (uint32_t i = 0; i < disk->armed_count; i++)
        disk->armed[i].rolls = false;
}

void sim_disk_disarm(struct sim_disk *disk)
{
    disk->armed_count = 0;
}

/* Does a fault happen in this operation? All that are armed for it come one operation nearer. */
static bool strikes(struct sim_disk *disk, uint32_t class, struct sim_armed *struck)
{
    bool found = false;
    *struck = (struct sim_armed){0};
    for (uint32_t i = 0; i < disk->armed_count && !disk->quiet; i++) {
        struct sim_armed *armed = &disk->armed[i];
        if (armed->rolls || !(class & 1u << armed->fault) || (armed->blocks && !(class & CLASS_BLOCK)))
            continue;
        if (armed->count > 0) {
            armed->count--;
        } else if (!found) {
            found = true;
            *struck = *armed;
            disk->armed[i--] = disk->armed[--disk->armed_count];
        }
    }
    if (found) {
        disk->triggered++;
        sim_trace_note(disk->trace, "disk-fault", struck->fault, 0, 0);
        if (struck->fault == SIM_DISK_KILL)
            disk->stopped = SIM_DISK_KILLED;
        if (struck->fault == SIM_DISK_POWER)
            disk->stopped = SIM_DISK_POWERLESS;
    }
    return found;
}

static void note(struct sim_disk *disk, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    if (!disk->quiet)
        sim_trace_note(disk->trace, what, a, b, c);
}

/* An operation that changes names: false when the process or the machine stops in it, *done says whether before or
 * after. */
static bool change_goes_on(struct sim_disk *disk, bool *done)
{
    struct sim_armed struck;
    *done = true;
    if (!strikes(disk, CLASS_CHANGE, &struck))
        return true;
    *done = struck.seed & 1;
    return false;
}

/* The table. */

static int disk_open(void *context, const char *path, uint32_t flags)
{
    struct sim_disk *disk = context;
    if (disk->stopped)
        return -EIO;
    if (disk->direct_refused && (flags & (PIT_DISK_DIRECT | PIT_DISK_BYPASS)))
        return -EINVAL;
    struct sim_name *name = find(disk, path);
    int inode = name ? name->inode : -1;
    if (inode < 0 && !(flags & PIT_DISK_CREATE))
        return -ENOENT;
    if (inode < 0) {
        bool done;
        bool goes_on = change_goes_on(disk, &done);
        inode = done ? new_inode(disk) : -1;
        if (inode >= 0)
            rename_now(disk, inode, NULL, find_or_add(disk, path));
        note(disk, "create", (uint64_t)inode, 0, 0);
        if (!goes_on || inode < 0)
            return goes_on ? -ENFILE : -EIO;
    }
    for (int i = 0; i < (int)SIM_HANDLES_MAX; i++) {
        if (disk->handles[i].open)
            continue;
        disk->handles[i].open = true;
        disk->handles[i].direct = (flags & PIT_DISK_DIRECT) != 0;
        disk->handles[i].locks = false;
        disk->handles[i].inode = inode;
        return i;
    }
    return -EMFILE;
}

static int disk_close(void *context, int file)
{
    struct sim_disk *disk = context;
    PIT_CHECK(disk->handles[file].open);
    disk->handles[file].open = false;
    return 0;
}

static int64_t disk_read(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    struct sim_disk *disk = context;
    struct sim_armed struck;
    if (disk->stopped)
        return -EIO;
    int inode = disk->handles[file].inode;
    const struct sim_inode *from = &disk->inodes[inode];
    disk->reads++;
    if (offset >= from->size)
        return 0;
    if (count > from->size - offset)
        count = from->size - offset;
    bool strange = count >= SIM_SECTOR_BYTES && strikes(disk, CLASS_READ, &struck);
    if (strange && struck.fault == SIM_DISK_READ_EIO)
        return -EIO;
    memcpy(bytes, from->cache + offset, count);
    if (strange)
        sim_disk_garble(disk, inode, bytes, count, &struck);
    return (int64_t)count;
}

static void put_sector(struct sim_inode *inode, const uint8_t *bytes, uint64_t count, uint64_t offset, bool direct)
{
    memcpy(inode->cache + offset, bytes, count);
    if (direct) {
        sim_medium_grow(inode, offset + count);
        memcpy(inode->medium + offset, bytes, count);
    }
    memset(inode->dirty + offset / SIM_SECTOR_BYTES, !direct, sim_sectors(offset % SIM_SECTOR_BYTES + count));
    inode->diverged = inode->diverged || !direct;
}

/* Some of a write: all or none of it, the beginning, the end, all but a piece, or any choice, by sectors or by pages.
 */
static void put_torn(struct sim_inode *inode, const uint8_t *bytes, uint64_t count, uint64_t offset, bool direct,
                     uint64_t random)
{
    uint64_t unit = sim_chance(&random, 25) ? 4096 : SIM_SECTOR_BYTES;
    uint64_t units = (count + unit - 1) / unit;
    uint64_t pattern = sim_below(&random, 6);
    uint64_t one = sim_below(&random, units), other = one + sim_below(&random, units - one);
    for (uint64_t i = 0; i < units; i++) {
        bool there = pattern == 0   ? false
                     : pattern == 1 ? true
                     : pattern == 2 ? i < one
                     : pattern == 3 ? i >= one
                     : pattern == 4 ? i < one || i > other
                                    : (sim_random(&random) & 1) != 0;
        uint64_t at = i * unit;
        if (there)
            put_sector(inode, bytes + at, count - at < unit ? count - at : unit, offset + at, direct);
    }
}

static int disk_write(void *context, int file, const void *bytes, size_t count, uint64_t offset)
{
    struct sim_disk *disk = context;
    struct sim_armed struck;
    const uint8_t *from = bytes;
    bool direct = disk->handles[file].direct;
    if (disk->stopped)
        return -EIO;
    int number = disk->handles[file].inode;
    struct sim_inode *inode = &disk->inodes[number];
    disk->writes++;
    if (offset == 0 && count == 4096)
        begins_segment(disk);
    note(disk, "write", (uint64_t)number, offset / SIM_SECTOR_BYTES, sim_sectors(count));
    if (direct && (count % 4096 || offset % 4096 || (uintptr_t)bytes % 4096))
        return -EINVAL;
    if (offset + count > inode->size) {
        if (disk->capacity && sim_disk_used(disk) + (offset + count - inode->size) > disk->capacity) {
            disk->triggered++;
            return -ENOSPC;
        }
        sim_inode_resize(inode, offset + count);
    }
    uint32_t class = CLASS_WRITE | (from[0] != 0 && count % 4096 == 0 ? CLASS_BLOCK : 0);
    if (direct && class & CLASS_BLOCK)
        class |= CLASS_LIE;
    if (strikes(disk, class, &struck)) {
        if (1u << struck.fault & CLASS_LIE) {
            sim_disk_lie(disk, number, from, count, offset, &struck);
            return 0;
        }
        put_torn(inode, from, count, offset, direct, struck.seed);
        return -EIO;
    }
    put_sector(inode, from, count, offset, direct);
    sim_damage_end(disk, number, offset, count);
    return 0;
}

static int disk_sync(void *context, int file)
{
    struct sim_disk *disk = context;
    struct sim_armed struck;
    if (disk->stopped)
        return -EIO;
    struct sim_inode *inode = &disk->inodes[disk->handles[file].inode];
    disk->syncs++;
    note(disk, "sync", (uint64_t)disk->handles[file].inode, 0, 0);
    bool fails = strikes(disk, CLASS_SYNC, &struck);
    if (fails && disk->stopped)
        return -EIO; /* what of it is done, the restart decides */
    const bool *end = inode->dirty + sim_sectors(inode->size);
    for (bool *at = inode->dirty; at < end && (at = memchr(at, true, (size_t)(end - at))); at++) {
        *at = false;
        if (!fails || (sim_random(&struck.seed) & 1))
            sim_to_medium(inode, (uint64_t)(at - inode->dirty));
    }
    if (fails)
        return -EIO;
    sim_medium_grow(inode, inode->size);
    return 0;
}

static int disk_sync_directory(void *context, const char *path)
{
    struct sim_disk *disk = context;
    struct sim_armed struck;
    (void)path;
    if (disk->stopped)
        return -EIO;
    note(disk, "sync-directory", disk->pending_count, 0, 0);
    if (strikes(disk, CLASS_SYNC, &struck))
        return -EIO;
    for (uint32_t i = 0; i < disk->names_count; i++)
        disk->names[i].medium = disk->names[i].inode;
    disk->pending_count = 0;
    return 0;
}

static int64_t disk_size(void *context, int file)
{
    const struct sim_disk *disk = context;
    return disk->stopped ? -EIO : (int64_t)disk->inodes[disk->handles[file].inode].size;
}

static int disk_truncate(void *context, int file, uint64_t bytes)
{
    struct sim_disk *disk = context;
    if (disk->stopped)
        return -EIO;
    struct sim_inode *inode = &disk->inodes[disk->handles[file].inode];
    inode->diverged = true;
    sim_inode_resize(inode, bytes);
    return 0;
}

static int disk_unlink(void *context, const char *path)
{
    struct sim_disk *disk = context;
    if (disk->stopped)
        return -EIO;
    struct sim_name *name = find(disk, path);
    bool done;
    if (!name || name->inode < 0)
        return -ENOENT;
    bool goes_on = change_goes_on(disk, &done);
    note(disk, "unlink", (uint64_t)name->inode, 0, 0);
    if (done)
        rename_now(disk, name->inode, name, NULL);
    return goes_on ? 0 : -EIO;
}

static int disk_rename(void *context, const char *from, const char *to)
{
    struct sim_disk *disk = context;
    if (disk->stopped)
        return -EIO;
    struct sim_name *name = find(disk, from);
    bool done;
    if (!name || name->inode < 0)
        return -ENOENT;
    bool goes_on = change_goes_on(disk, &done);
    note(disk, "rename", (uint64_t)name->inode, 0, 0);
    if (done) {
        struct sim_name *target = find_or_add(disk, to);
        rename_now(disk, name->inode, name, target);
    }
    return goes_on ? 0 : -EIO;
}

static int disk_make_directory(void *context, const char *path)
{
    (void)path;
    return ((struct sim_disk *)context)->stopped ? -EIO : 0;
}

static int disk_list(void *context, const char *path, void (*each)(void *argument, const char *name), void *argument)
{
    struct sim_disk *disk = context;
    size_t length = strlen(path);
    if (disk->stopped)
        return -EIO;
    for (uint32_t i = 0; i < disk->names_count; i++) {
        const struct sim_name *name = &disk->names[i];
        if (name->inode >= 0 && strncmp(name->path, path, length) == 0 && name->path[length] == '/')
            each(argument, name->path + length + 1);
    }
    return 0;
}

static int disk_lock(void *context, const char *path)
{
    struct sim_disk *disk = context;
    int file = disk_open(disk, path, PIT_DISK_READ | PIT_DISK_WRITE | PIT_DISK_CREATE);
    if (file < 0)
        return file;
    for (int i = 0; i < (int)SIM_HANDLES_MAX; i++) {
        if (i != file && disk->handles[i].open && disk->handles[i].locks &&
            disk->handles[i].inode == disk->handles[file].inode) {
            disk_close(disk, file);
            return -EWOULDBLOCK;
        }
    }
    disk->handles[file].locks = true;
    return file;
}

static int disk_random(void *context, void *bytes, size_t count)
{
    struct sim_disk *disk = context;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)sim_random(&disk->random);
    return 0;
}

static uint64_t disk_utc_ns(void *context)
{
    return *((struct sim_disk *)context)->utc_ns;
}

static uint64_t disk_monotonic_ns(void *context)
{
    struct sim_disk *disk = context;
    disk->asked = disk->asked_step == disk->trace->step ? disk->asked + 1 : 0;
    disk->asked_step = disk->trace->step;
    if (disk->patience && disk->asked % ASKED_MAX == ASKED_MAX - 1)
        disk->patience(disk->patience_context);
    return *disk->monotonic_ns;
}

static int64_t disk_free_bytes(void *context, const char *path)
{
    const struct sim_disk *disk = context;
    (void)path;
    uint64_t used = sim_disk_used(disk);
    if (disk->capacity == 0)
        return INT64_MAX / 2;
    return disk->capacity > used ? (int64_t)(disk->capacity - used) : 0;
}

/* The whole. */

void sim_disk_open(struct sim_disk *disk, struct sim_trace *trace, const uint64_t *monotonic_ns, const uint64_t *utc_ns,
                   uint64_t seed)
{
    memset(disk, 0, sizeof *disk);
    disk->trace = trace;
    disk->monotonic_ns = monotonic_ns;
    disk->utc_ns = utc_ns;
    disk->random = seed;
    disk->mercy = UINT64_MAX;
    disk->damage = calloc(SIM_DAMAGE_MAX, sizeof *disk->damage);
    PIT_CHECK(disk->damage);
    for (uint32_t i = 0; i < SIM_INODES_MAX; i++)
        sim_inode_resize(&disk->inodes[i], 1); /* a first room, so that no pointer is NULL */
    disk->table = (struct pit_disk){
        .context = disk,
        .open = disk_open,
        .close = disk_close,
        .read = disk_read,
        .write = disk_write,
        .sync = disk_sync,
        .sync_directory = disk_sync_directory,
        .size = disk_size,
        .truncate = disk_truncate,
        .rename = disk_rename,
        .unlink = disk_unlink,
        .make_directory = disk_make_directory,
        .list = disk_list,
        .lock = disk_lock,
        .random = disk_random,
        .utc_ns = disk_utc_ns,
        .monotonic_ns = disk_monotonic_ns,
        .free_bytes = disk_free_bytes,
    };
}

void sim_disk_close(struct sim_disk *disk)
{
    for (uint32_t i = 0; i < SIM_INODES_MAX; i++) {
        free(disk->inodes[i].cache);
        free(disk->inodes[i].medium);
        free(disk->inodes[i].dirty);
    }
    free(disk->damage);
}

uint64_t sim_disk_used(const struct sim_disk *disk)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < disk->names_count; i++)
        if (disk->names[i].inode >= 0)
            bytes += disk->inodes[disk->names[i].inode].size;
    return bytes;
}
