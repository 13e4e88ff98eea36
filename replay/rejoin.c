#include "replay/rejoin.h"

#include <errno.h>
#include <string.h>

#include "replay/install_parts.h"

#define MARK "rejoin"
#define DAMAGED "damaged-"

static int failed(const char *directory, const char *what, int code, struct pit_error *error)
{
    return pit_error_set(error, code, "%s in %s: cannot %s: %s", MARK, directory, what, strerror(-code));
}

int pit_rejoin_mark(const struct pit_disk *disk, const char *directory, struct pit_error *error)
{
    const int file = pit_install_open_file(disk, directory, MARK, PIT_DISK_WRITE | PIT_DISK_CREATE);
    int code = file < 0 ? file : disk->sync(disk->context, file);
    if (file >= 0)
        disk->close(disk->context, file);
    if (code == 0)
        code = disk->sync_directory(disk->context, directory);
    return code ? failed(directory, "write it", code, error) : 0;
}

int pit_rejoin_marked(const struct pit_disk *disk, const char *directory, struct pit_error *error)
{
    const int file = pit_install_open_file(disk, directory, MARK, PIT_DISK_READ);
    if (file >= 0)
        disk->close(disk->context, file);
    if (file < 0 && file != -ENOENT)
        return failed(directory, "look for it", file, error);
    return file >= 0;
}

int pit_rejoin_done(const struct pit_disk *disk, const char *directory, struct pit_error *error)
{
    int code = pit_install_remove(disk, directory, MARK);
    if (code == 0)
        code = disk->sync_directory(disk->context, directory);
    return code ? failed(directory, "remove it", code, error) : 0;
}

int pit_rejoin_set_aside(const struct pit_disk *disk, const char *directory, uint32_t *number, struct pit_error *error)
{
    uint32_t moved = 0;
    int code = pit_rejoin_mark(disk, directory, error);
    if (code)
        return code;
    code = pit_install_next_number(disk, directory, DAMAGED, number);
    if (code == 0)
        code = pit_install_move_aside(disk, directory, DAMAGED, *number, &moved);
    *number = moved ? *number : 0;
    return code ? pit_error_set(error, code,
                                "cannot put the damaged log in %s aside: %s. It is tried again at the next "
                                "start",
                                directory, strerror(-code))
                : 0;
}
