#include "journal/disk_layer.h"

#include <errno.h>

static const struct pit_disk *below(void *context)
{
    const struct pit_disk_layer *layer = context;
    return layer->under;
}

static int layer_open(void *context, const char *path, uint32_t flags)
{
    return below(context)->open(below(context)->context, path, flags);
}

static int layer_close(void *context, int file)
{
    return below(context)->close(below(context)->context, file);
}

static int64_t layer_read(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    return below(context)->read(below(context)->context, file, bytes, count, offset);
}

static int layer_write(void *context, int file, const void *bytes, size_t count, uint64_t offset)
{
    return below(context)->write(below(context)->context, file, bytes, count, offset);
}

static int layer_sync(void *context, int file)
{
    return below(context)->sync(below(context)->context, file);
}

static int layer_sync_directory(void *context, const char *path)
{
    return below(context)->sync_directory(below(context)->context, path);
}

static int64_t layer_size(void *context, int file)
{
    return below(context)->size(below(context)->context, file);
}

static int layer_truncate(void *context, int file, uint64_t bytes)
{
    return below(context)->truncate(below(context)->context, file, bytes);
}

static int layer_rename(void *context, const char *from, const char *to)
{
    return below(context)->rename(below(context)->context, from, to);
}

static int layer_unlink(void *context, const char *path)
{
    return below(context)->unlink(below(context)->context, path);
}

static int layer_make_directory(void *context, const char *path)
{
    return below(context)->make_directory(below(context)->context, path);
}

static int layer_list(void *context, const char *path, void (*each)(void *argument, const char *name), void *argument)
{
    return below(context)->list(below(context)->context, path, each, argument);
}

static int layer_lock(void *context, const char *path)
{
    return below(context)->lock(below(context)->context, path);
}

static int layer_random(void *context, void *bytes, size_t count)
{
    return below(context)->random(below(context)->context, bytes, count);
}

static uint64_t layer_utc_ns(void *context)
{
    return below(context)->utc_ns(below(context)->context);
}

static uint64_t layer_monotonic_ns(void *context)
{
    return below(context)->monotonic_ns(below(context)->context);
}

static int64_t layer_free_bytes(void *context, const char *path)
{
    const struct pit_disk *under = below(context);
    return under->free_bytes ? under->free_bytes(under->context, path) : -ENOSYS;
}

void pit_disk_layer_init(struct pit_disk_layer *layer, const struct pit_disk *under)
{
    *layer = (struct pit_disk_layer){
        .under = under,
        .disk =
            {
                .context = layer,
                .open = layer_open,
                .close = layer_close,
                .read = layer_read,
                .write = layer_write,
                .sync = layer_sync,
                .sync_directory = layer_sync_directory,
                .size = layer_size,
                .truncate = layer_truncate,
                .rename = layer_rename,
                .unlink = layer_unlink,
                .make_directory = layer_make_directory,
                .list = layer_list,
                .lock = layer_lock,
                .random = layer_random,
                .utc_ns = layer_utc_ns,
                .monotonic_ns = layer_monotonic_ns,
                .free_bytes = layer_free_bytes,
            },
    };
}
