#include "replay/rejoin.h"

#include <errno.h>
#include <string.h>

#include "replay/install_parts.h"

#define MARK "rejoin"
#define DIFFERS "differs"
#define DAMAGED "damaged-"

static int failed(const char *directory, const char *name, const char *what, int code, struct pit_error *error)
{
    return pit_error_set(error, code, "%s in %s: cannot %s: %s", name, directory, what, strerror(-code));
}

/* Makes a file with a text in it, durable. */
static int write_down(const struct pit_disk *disk, const char *directory, const char *name, const char *text,
                      struct pit_error *error)
{
    const int file = pit_install_open_file(disk, directory, name, PIT_DISK_WRITE | PIT_DISK_CREATE);
    int code = file < 0 ? file : 0;
    if (code == 0 && *text)
        code = disk->write(disk->context, file, text, strlen(text), 0);
    if (code == 0)
        code = disk->sync(disk->context, file);
    if (file >= 0)
        disk->close(disk->context, file);
    if (code == 0)
        code = disk->sync_directory(disk->context, directory);
    return code ? failed(directory, name, "write it", code, error) : 0;
}

static int remove_mark(const struct pit_disk *disk, const char *directory, const char *name, struct pit_error *error)
{
    int code = pit_install_remove(disk, directory, name);
    if (code == 0)
        code = disk->sync_directory(disk->context, directory);
    return code ? failed(directory, name, "remove it", code, error) : 0;
}

int pit_rejoin_mark(const struct pit_disk *disk, const char *directory, struct pit_error *error)
{
    return write_down(disk, directory, MARK, "", error);
}

int pit_rejoin_marked(const struct pit_disk *disk, const char *directory, struct pit_error *error)
{
    const int file = pit_install_open_file(disk, directory, MARK, PIT_DISK_READ);
    if (file >= 0)
        disk->close(disk->context, file);
    if (file < 0 && file != -ENOENT)
        return failed(directory, MARK, "look for it", file, error);
    return file >= 0;
}

int pit_rejoin_done(const struct pit_disk *disk, const char *directory, struct pit_error *error)
{
    return remove_mark(disk, directory, MARK, error);
}

int pit_rejoin_differs(const struct pit_disk *disk, const char *directory, const char *text, struct pit_error *error)
{
    return write_down(disk, directory, DIFFERS, text, error);
}

int pit_rejoin_differed(const struct pit_disk *disk, const char *directory, char text[PIT_REJOIN_TEXT_BYTES],
                        struct pit_error *error)
{
    const int file = pit_install_open_file(disk, directory, DIFFERS, PIT_DISK_READ);
    if (file == -ENOENT)
        return 0;
    const int64_t got = file < 0 ? file : disk->read(disk->context, file, text, PIT_REJOIN_TEXT_BYTES - 1, 0);
    if (file >= 0)
        disk->close(disk->context, file);
    if (got < 0)
        return failed(directory, DIFFERS, "read it", (int)got, error);
    text[got] = 0;
    return 1;
}

int pit_rejoin_forgive(const struct pit_disk *disk, const char *directory, struct pit_error *error)
{
    const int code = pit_rejoin_mark(disk, directory, error);
    return code ? code : remove_mark(disk, directory, DIFFERS, error);
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
