/* replay/checkpoint.c - a disk with one file, in memory, for the functions that write and read snapshots. */
#include "replay/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/snapshot.h"
#include "ring/check.h"

#define GROW_BYTES_MIN ((size_t)64 << 10)

/* Whatever is opened is that file, or the lock, which is nobody else's. */
struct memory_file {
    struct pit_checkpoint *checkpoint;
    size_t bytes_max;
};

static int open_file(void *context, const char *path, uint32_t flags)
{
    struct memory_file *file = context;
    (void)path;
    if (flags & PIT_DISK_CREATE)
        file->checkpoint->used = 0;
    return 0;
}

static int close_file(void *context, int number)
{
    (void)context;
    (void)number;
    return 0;
}

static int64_t read_file(void *context, int number, void *bytes, size_t count, uint64_t offset)
{
    const struct memory_file *file = context;
    (void)number;
    if (offset >= file->checkpoint->used)
        return 0;
    const size_t left = file->checkpoint->used - (size_t)offset;
    const size_t got = left < count ? left : count;
    memcpy(bytes, file->checkpoint->bytes + offset, got);
    return (int64_t)got;
}

static int write_file(void *context, int number, const void *bytes, size_t count, uint64_t offset)
{
    const struct memory_file *file = context;
    struct pit_checkpoint *checkpoint = file->checkpoint;
    (void)number;
    PIT_CHECK(offset == checkpoint->used); /* a snapshot is written from its beginning to its end */
    if (count > file->bytes_max - checkpoint->used)
        return -ENOSPC;
    if (checkpoint->used + count > checkpoint->room) {
        size_t room = checkpoint->room * 2 > GROW_BYTES_MIN ? checkpoint->room * 2 : GROW_BYTES_MIN;
        if (room < checkpoint->used + count)
            room = checkpoint->used + count;
        uint8_t *more = realloc(checkpoint->bytes, room);
        if (!more)
            return -ENOMEM;
        checkpoint->bytes = more;
        checkpoint->room = room;
    }
    memcpy(checkpoint->bytes + checkpoint->used, bytes, count);
    checkpoint->used += count;
    return 0;
}

static int sync_file(void *context, int number)
{
    return close_file(context, number);
}

static int sync_directory(void *context, const char *path)
{
    (void)context;
    (void)path;
    return 0;
}

static int64_t size_of_file(void *context, int number)
{
    const struct memory_file *file = context;
    (void)number;
    return (int64_t)file->checkpoint->used;
}

static int rename_file(void *context, const char *from, const char *to)
{
    (void)from;
    return sync_directory(context, to);
}

static int list_files(void *context, const char *path, void (*each)(void *argument, const char *name), void *argument)
{
    (void)each;
    (void)argument;
    return sync_directory(context, path);
}

static int lock_file(void *context, const char *path)
{
    return sync_directory(context, path);
}

static uint64_t no_time(void *context)
{
    (void)context;
    return 0;
}

/* What a snapshot does not use is not there. */
static struct pit_disk memory_disk(struct memory_file *file)
{
    return (struct pit_disk){.context = file,
                             .open = open_file,
                             .close = close_file,
                             .read = read_file,
                             .write = write_file,
                             .sync = sync_file,
                             .sync_directory = sync_directory,
                             .size = size_of_file,
                             .rename = rename_file,
                             .unlink = sync_directory,
                             .list = list_files,
                             .lock = lock_file,
                             .utc_ns = no_time,
                             .monotonic_ns = no_time};
}

int pit_checkpoint_take(struct pit_checkpoint *checkpoint, struct pit_market *market, uint64_t sequence,
                        uint64_t time_ns, size_t bytes_max, struct pit_error *error)
{
    struct memory_file file = {.checkpoint = checkpoint, .bytes_max = bytes_max};
    const struct pit_disk disk = memory_disk(&file);
    struct pit_snapshot_header header = {.sequence = sequence, .block = 1, .time_ns = time_ns};
    *checkpoint = (struct pit_checkpoint){.sequence = sequence, .time_ns = time_ns};
    const int code = pit_snapshot_write(&disk, "memory", &market, 1, NULL, NULL, &header, error);
    if (code) {
        pit_checkpoint_free(checkpoint);
        return code;
    }
    uint8_t *exact = realloc(checkpoint->bytes, checkpoint->used);
    if (exact) {
        checkpoint->bytes = exact;
        checkpoint->room = checkpoint->used;
    }
    return 0;
}

int pit_checkpoint_restore(const struct pit_checkpoint *checkpoint, struct pit_market *market,
                           size_t (*room)(void *context), void *room_context, struct pit_error *error)
{
    struct pit_checkpoint kept = *checkpoint; /* is only read */
    struct memory_file file = {.checkpoint = &kept};
    const struct pit_disk disk = memory_disk(&file);
    const struct pit_snapshot_target target = {
        .markets = &market, .markets_count = 1, .room = room, .room_context = room_context};
    struct pit_snapshot_header header;
    return pit_snapshot_load(&disk, "memory", checkpoint->sequence, &target, &header, error);
}

void pit_checkpoint_free(struct pit_checkpoint *checkpoint)
{
    free(checkpoint->bytes);
    *checkpoint = (struct pit_checkpoint){0};
}
