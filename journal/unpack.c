/* journal/unpack.c - see unpack.h. */
#include "journal/unpack.h"

#include <errno.h>
#include <string.h>

#define FIRST_HANDLE (1 << 24) /* above every number of a file below */

static struct pit_compressed *find(const struct pit_unpack *unpack, int file)
{
    const int place = file - FIRST_HANDLE;
    return place >= 0 && place < (int)PIT_UNPACK_FILES_MAX ? unpack->files[place] : NULL;
}

/* A path that may be a segment's. */
static bool is_segment(const char *path)
{
    const char *name = strrchr(path, '/');
    return pit_journal_segment_number(name ? name + 1 : path) != 0;
}

static int unpack_open(void *context, const char *path, uint32_t flags)
{
    struct pit_unpack *unpack = context;
    const struct pit_disk *disk = unpack->layer.under;
    int file = disk->open(disk->context, path, flags);
    if (file != -ENOENT || (flags & PIT_DISK_WRITE) || !is_segment(path))
        return file;
    char compressed[PIT_JOURNAL_PATH_BYTES];
    int place = 0;
    while (place < (int)PIT_UNPACK_FILES_MAX && unpack->files[place])
        place++;
    if (place == (int)PIT_UNPACK_FILES_MAX)
        return -EMFILE;
    if (strlen(path) + strlen(PIT_COMPRESSED_END) >= sizeof compressed)
        return -ENAMETOOLONG;
    strcpy(compressed, path);
    strcat(compressed, PIT_COMPRESSED_END);
    const int code = pit_compressed_open(&unpack->files[place], disk, compressed);
    return code ? code : FIRST_HANDLE + place;
}

static int unpack_close(void *context, int file)
{
    struct pit_unpack *unpack = context;
    struct pit_compressed *compressed = find(unpack, file);
    if (!compressed)
        return unpack->layer.under->close(unpack->layer.under->context, file);
    pit_compressed_close(compressed);
    unpack->files[file - FIRST_HANDLE] = NULL;
    return 0;
}

static int64_t unpack_read(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    const struct pit_unpack *unpack = context;
    struct pit_compressed *compressed = find(unpack, file);
    if (compressed)
        return pit_compressed_read(compressed, bytes, count, offset);
    return unpack->layer.under->read(unpack->layer.under->context, file, bytes, count, offset);
}

static int64_t unpack_size(void *context, int file)
{
    const struct pit_unpack *unpack = context;
    const struct pit_compressed *compressed = find(unpack, file);
    if (compressed)
        return (int64_t)pit_compressed_segment_bytes(compressed);
    return unpack->layer.under->size(unpack->layer.under->context, file);
}

struct lister {
    void (*each)(void *argument, const char *name);
    void *argument;
};

static void list_one(void *context, const char *name)
{
    const struct lister *lister = context;
    char plain[PIT_JOURNAL_NAME_BYTES];
    const uint64_t number = pit_compressed_number(name);
    if (number)
        pit_journal_segment_name(plain, number);
    lister->each(lister->argument, number ? plain : name);
}

static int unpack_list(void *context, const char *path, void (*each)(void *argument, const char *name), void *argument)
{
    const struct pit_unpack *unpack = context;
    const struct pit_disk *disk = unpack->layer.under;
    struct lister lister = {.each = each, .argument = argument};
    return disk->list(disk->context, path, list_one, &lister);
}

void pit_unpack_init(struct pit_unpack *unpack, const struct pit_disk *under)
{
    memset(unpack, 0, sizeof *unpack);
    pit_disk_layer_init(&unpack->layer, under);
    unpack->layer.disk.open = unpack_open;
    unpack->layer.disk.close = unpack_close;
    unpack->layer.disk.read = unpack_read;
    unpack->layer.disk.size = unpack_size;
    unpack->layer.disk.list = unpack_list;
}

void pit_unpack_end(struct pit_unpack *unpack)
{
    for (uint32_t i = 0; i < PIT_UNPACK_FILES_MAX; i++)
        pit_compressed_close(unpack->files[i]);
    memset(unpack->files, 0, sizeof unpack->files);
}

const struct pit_compressed *pit_unpack_compressed(const struct pit_unpack *unpack, int file)
{
    return find(unpack, file);
}
