#include "memory_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct memory_file *handle(struct memory_disk *memory, int file)
{
    return &memory->files[file];
}

struct memory_file *memory_disk_file(struct memory_disk *memory, const char *path)
{
    for (int i = 0; i < MEMORY_FILES_MAX; i++)
        if (memory->files[i].exists && strcmp(memory->files[i].path, path) == 0)
            return &memory->files[i];
    return NULL;
}

uint64_t memory_disk_used(const struct memory_disk *memory)
{
    uint64_t used = 0;
    for (int i = 0; i < MEMORY_FILES_MAX; i++)
        if (memory->files[i].exists)
            used += memory->files[i].size;
    return used;
}

void memory_file_resize(struct memory_file *file, size_t size)
{
    if (size > file->room) {
        file->bytes = realloc(file->bytes, size);
        file->room = size;
    }
    if (size > file->size)
        memset(file->bytes + file->size, 0, size - file->size);
    file->size = size;
}

static void mark(struct memory_file *file, uint64_t from, size_t count, bool dirty)
{
    size_t sectors = file->room / MEMORY_SECTOR_BYTES + 1;
    if (sectors > file->dirty_room) {
        file->dirty = realloc(file->dirty, sectors * sizeof *file->dirty);
        memset(file->dirty + file->dirty_room, 0, (sectors - file->dirty_room) * sizeof *file->dirty);
        file->dirty_room = sectors;
    }
    uint64_t first = from / MEMORY_SECTOR_BYTES;
    if (count)
        memset(file->dirty + first, dirty,
               ((from + count - 1) / MEMORY_SECTOR_BYTES - first + 1) * sizeof *file->dirty);
}

static bool is_dirty(const struct memory_file *file, uint64_t at)
{
    return at / MEMORY_SECTOR_BYTES < file->dirty_room && file->dirty[at / MEMORY_SECTOR_BYTES];
}

/* Brings what is dirty in [from, from + count) of a file to the medium, and its size. */
static void to_medium(struct memory_file *file, uint64_t from, size_t count)
{
    if (file->size > file->medium_size) {
        file->medium = realloc(file->medium, file->size);
        memset(file->medium + file->medium_size, 0, file->size - file->medium_size);
    }
    file->medium_size = file->size;
    mark(file, 0, 0, false); /* makes room for the marks */
    const bool *end = file->dirty + (from + count + MEMORY_SECTOR_BYTES - 1) / MEMORY_SECTOR_BYTES;
    const bool *sector = file->dirty + from / MEMORY_SECTOR_BYTES;
    while (count && sector < end && (sector = memchr(sector, true, (size_t)(end - sector)))) {
        uint64_t at = (uint64_t)(sector++ - file->dirty) * MEMORY_SECTOR_BYTES;
        size_t part = file->size - at < MEMORY_SECTOR_BYTES ? file->size - at : MEMORY_SECTOR_BYTES;
        memcpy(file->medium + at, file->bytes + at, part);
    }
    mark(file, from, count, false);
}

static int memory_open(void *context, const char *path, uint32_t flags)
{
    struct memory_disk *memory = context;
    if ((flags & (PIT_DISK_DIRECT | PIT_DISK_BYPASS)) && memory->direct_refused_at_open)
        return -EINVAL;
    struct memory_file *file = memory_disk_file(memory, path);
    if (!file && !(flags & PIT_DISK_CREATE))
        return -ENOENT;
    for (int i = 0; !file && i < MEMORY_FILES_MAX; i++)
        if (!memory->files[i].path[0]) /* names are never reused, so that an open file outlives its removal */
            file = &memory->files[i];
    if (!file)
        return -ENFILE;
    if (!file->exists) {
        strncpy(file->path, path, sizeof file->path - 1);
        file->exists = true;
    }
    if (flags & PIT_DISK_WRITE)
        file->durable = (flags & PIT_DISK_DIRECT) != 0;
    if (flags & PIT_DISK_WRITE)
        file->direct = (flags & (PIT_DISK_DIRECT | PIT_DISK_BYPASS)) != 0;
    return (int)(file - memory->files);
}

static int memory_close(void *context, int file)
{
    (void)context;
    (void)file;
    return 0;
}

static int64_t memory_read(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    struct memory_disk *memory = context;
    struct memory_file *from = handle(memory, file);
    if (memory->fail_read_code)
        return memory->fail_read_code;
    if (offset >= from->size)
        return 0;
    if (count > from->size - offset)
        count = from->size - offset;
    memcpy(bytes, from->bytes + offset, count);
    return (int64_t)count;
}

static uint64_t next_random(struct memory_disk *memory)
{
    memory->random_state = memory->random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return memory->random_state >> 33;
}

/* Each sector of a write is there or not; or each page, where the first random bit says so. */
static void write_torn(struct memory_disk *memory, struct memory_file *to, const uint8_t *bytes, size_t count,
                       uint64_t offset)
{
    size_t unit = next_random(memory) & 1 ? 4096 : MEMORY_SECTOR_BYTES;
    uint64_t bits = 0;
    if (offset + count > to->size)
        memory_file_resize(to, offset + count);
    for (size_t at = 0; at < count; at += unit) {
        size_t part = count - at < unit ? count - at : unit;
        bits = at / unit % 16 == 0 ? next_random(memory) : bits >> 1;
        if (bits & 1)
            memcpy(to->bytes + offset + at, bytes + at, part);
    }
    mark(to, offset, count, true);
}

static int memory_write(void *context, int file, const void *bytes, size_t count, uint64_t offset)
{
    struct memory_disk *memory = context;
    struct memory_file *to = handle(memory, file);
    memory->writes++;
    if (memory->fail_write_in && --memory->fail_write_in == 0) {
        if (memory->torn)
            write_torn(memory, to, bytes, count, offset);
        return memory->fail_write_code;
    }
    if (to->direct && (memory->direct_refused_at_write || (uintptr_t)bytes % 4096 || count % 4096 || offset % 4096))
        return -EINVAL;
    if (offset + count > to->size) {
        if (memory->capacity && memory_disk_used(memory) + (offset + count - to->size) > memory->capacity)
            return -ENOSPC;
        memory_file_resize(to, offset + count);
    }
    memcpy(to->bytes + offset, bytes, count);
    mark(to, offset, count, true);
    if (memory->cache && to->durable)
        to_medium(to, offset, count);
    return 0;
}

static int memory_sync(void *context, int file)
{
    struct memory_disk *memory = context;
    struct memory_file *what = handle(memory, file);
    memory->syncs++;
    bool once = memory->fail_sync_in != 0;
    if (memory->fail_sync_code && (!once || --memory->fail_sync_in == 0)) {
        int code = memory->fail_sync_code;
        mark(what, 0, what->size, false);
        if (once)
            memory->fail_sync_code = 0;
        return code;
    }
    if (memory->cache)
        to_medium(what, 0, what->size);
    return 0;
}

static int memory_sync_directory(void *context, const char *path)
{
    struct memory_disk *memory = context;
    (void)path;
    memory->directory_syncs++;
    if (memory->fail_directory_sync_code)
        return memory->fail_directory_sync_code;
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        struct memory_file *file = &memory->files[i];
        memcpy(file->medium_path, file->path, sizeof file->path);
        file->medium_exists = file->exists;
    }
    return 0;
}

static int64_t memory_size(void *context, int file)
{
    return (int64_t)handle(context, file)->size;
}

static int memory_truncate(void *context, int file, uint64_t bytes)
{
    memory_file_resize(handle(context, file), bytes);
    return 0;
}

static int memory_unlink(void *context, const char *path)
{
    struct memory_file *file = memory_disk_file(context, path);
    if (!file)
        return -ENOENT;
    file->exists = false;
    return 0;
}

static int memory_rename(void *context, const char *from, const char *to)
{
    struct memory_file *file = memory_disk_file(context, from);
    if (!file)
        return -ENOENT;
    memory_unlink(context, to);
    strncpy(file->path, to, sizeof file->path - 1);
    return 0;
}

static int memory_make_directory(void *context, const char *path)
{
    (void)context;
    (void)path;
    return 0;
}

static int memory_list(void *context, const char *path, void (*each)(void *argument, const char *name), void *argument)
{
    struct memory_disk *memory = context;
    size_t length = strlen(path);
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &memory->files[i];
        if (file->exists && strncmp(file->path, path, length) == 0 && file->path[length] == '/')
            each(argument, file->path + length + 1);
    }
    return 0;
}

static int memory_lock(void *context, const char *path)
{
    return memory_open(context, path, PIT_DISK_READ | PIT_DISK_WRITE | PIT_DISK_CREATE);
}

static int memory_random(void *context, void *bytes, size_t count)
{
    struct memory_disk *memory = context;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)next_random(memory);
    return 0;
}

static uint64_t memory_clock(void *context)
{
    const struct memory_disk *memory = context;
    return memory->writes * 1000 + memory->clock_ns;
}

static int64_t memory_free_bytes(void *context, const char *path)
{
    const struct memory_disk *memory = context;
    (void)path;
    if (memory->capacity == 0)
        return INT64_MAX;
    uint64_t used = memory_disk_used(memory);
    return used < memory->capacity ? (int64_t)(memory->capacity - used) : 0;
}

void memory_disk_init(struct memory_disk *memory, uint64_t seed)
{
    memset(memory, 0, sizeof *memory);
    memory->random_state = seed;
    memory->disk = (struct pit_disk){
        .context = memory,
        .open = memory_open,
        .close = memory_close,
        .read = memory_read,
        .write = memory_write,
        .sync = memory_sync,
        .sync_directory = memory_sync_directory,
        .size = memory_size,
        .truncate = memory_truncate,
        .rename = memory_rename,
        .unlink = memory_unlink,
        .make_directory = memory_make_directory,
        .list = memory_list,
        .lock = memory_lock,
        .random = memory_random,
        .utc_ns = memory_clock,
        .monotonic_ns = memory_clock,
        .free_bytes = memory_free_bytes,
    };
}

void memory_disk_free(struct memory_disk *memory)
{
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        free(memory->files[i].bytes);
        free(memory->files[i].medium);
        free(memory->files[i].dirty);
    }
}

void memory_disk_copy(struct memory_disk *memory, const struct memory_disk *from)
{
    memory_disk_init(memory, from->random_state);
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        if (!from->files[i].exists)
            continue;
        memory->files[i] = from->files[i];
        memory->files[i].bytes = malloc(from->files[i].size ? from->files[i].size : 1);
        memory->files[i].room = from->files[i].size;
        if (from->files[i].size)
            memcpy(memory->files[i].bytes, from->files[i].bytes, from->files[i].size);
        memory->files[i].medium = NULL;
        memory->files[i].medium_size = 0;
        memory->files[i].dirty = NULL;
        memory->files[i].dirty_room = 0;
    }
}

void memory_disk_crash(struct memory_disk *memory, struct memory_disk *from)
{
    memory_disk_init(memory, next_random(from));
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *was = &from->files[i];
        struct memory_file *is = &memory->files[i];
        bool named = strcmp(was->path, was->medium_path) == 0 && was->exists == was->medium_exists;
        bool latest = named || (next_random(from) & 1);
        is->exists = latest ? was->exists : was->medium_exists;
        if (!is->exists)
            continue;
        memcpy(is->path, latest ? was->path : was->medium_path, sizeof is->path);
        memory_file_resize(is, next_random(from) & 1 ? was->size : was->medium_size);
        size_t unit = next_random(from) & 1 ? 4096 : MEMORY_SECTOR_BYTES;
        bool cached = false;
        for (size_t at = 0; at < is->size; at += MEMORY_SECTOR_BYTES) {
            size_t end = at + MEMORY_SECTOR_BYTES < is->size ? at + MEMORY_SECTOR_BYTES : is->size;
            cached = at % unit ? cached : (next_random(from) & 1) != 0;
            bool latest_sector = cached && is_dirty(was, at);
            size_t have = latest_sector ? was->size : was->medium_size;
            const uint8_t *bytes = latest_sector ? was->bytes : was->medium;
            if (have > at)
                memcpy(is->bytes + at, bytes + at, (have < end ? have : end) - at);
        }
        /* What is there now is on the medium, name and all. */
        is->medium_exists = true;
        memcpy(is->medium_path, is->path, sizeof is->path);
        is->medium = malloc(is->size ? is->size : 1);
        if (is->size)
            memcpy(is->medium, is->bytes, is->size);
        is->medium_size = is->size;
    }
}
