#include "journal/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define FILE_MODE 0640
#define DIRECTORY_MODE 0750

static int machine_open(void *context, const char *path, uint32_t flags)
{
    (void)context;
    int mode = O_CLOEXEC;
    if ((flags & PIT_DISK_READ) && (flags & PIT_DISK_WRITE))
        mode |= O_RDWR;
    else
        mode |= (flags & PIT_DISK_WRITE) ? O_WRONLY : O_RDONLY;
    if (flags & PIT_DISK_CREATE)
        mode |= O_CREAT;
    if (flags & PIT_DISK_DIRECT)
        mode |= O_DIRECT | O_DSYNC;
    if (flags & PIT_DISK_BYPASS)
        mode |= O_DIRECT;
    int file = open(path, mode, FILE_MODE);
    if (file < 0)
        return -errno;
    if (!(flags & PIT_DISK_WRITE))
        posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint: the kernel reads further ahead */
    return file;
}

static int machine_close(void *context, int file)
{
    (void)context;
    return close(file) == 0 ? 0 : -errno;
}

static int64_t machine_read(void *context, int file, void *bytes, size_t count, uint64_t offset)
{
    (void)context;
    size_t done = 0;
    while (done < count) {
        ssize_t got = pread(file, (char *)bytes + done, count - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static int machine_write(void *context, int file, const void *bytes, size_t count, uint64_t offset)
{
    (void)context;
    size_t done = 0;
    while (done < count) {
        ssize_t put = pwrite(file, (const char *)bytes + done, count - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        if (put == 0)
            return -EIO;
        done += (size_t)put; /* a short write: the next one tells why, or finishes the job */
    }
    return 0;
}

static int machine_sync(void *context, int file)
{
    (void)context;
    return fdatasync(file) == 0 ? 0 : -errno;
}

static int machine_sync_directory(void *context, const char *path)
{
    (void)context;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    int result = fsync(directory) == 0 ? 0 : -errno;
    close(directory);
    return result;
}

static int64_t machine_size(void *context, int file)
{
    (void)context;
    struct stat status;
    return fstat(file, &status) == 0 ? (int64_t)status.st_size : -errno;
}

static int machine_truncate(void *context, int file, uint64_t bytes)
{
    (void)context;
    return ftruncate(file, (off_t)bytes) == 0 ? 0 : -errno;
}

static int machine_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return rename(from, to) == 0 ? 0 : -errno;
}

static int machine_unlink(void *context, const char *path)
{
    (void)context;
    return unlink(path) == 0 ? 0 : -errno;
}

/* The new directory's own name is made durable too: what is durable in a directory that can vanish is not durable. */
static int machine_make_directory(void *context, const char *path)
{
    if (mkdir(path, DIRECTORY_MODE) != 0) {
        if (errno != EEXIST)
            return -errno;
        struct stat status;
        if (stat(path, &status) != 0)
            return -errno;
        return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
    }
    char parent[4096];
    int length = snprintf(parent, sizeof parent, "%s/..", path);
    if (length < 0 || (size_t)length >= sizeof parent)
        return -ENAMETOOLONG;
    return machine_sync_directory(context, parent);
}

static int machine_list(void *context, const char *path, void (*each)(void *argument, const char *name), void *argument)
{
    (void)context;
    DIR *directory = opendir(path);
    if (!directory)
        return -errno;
    int result = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(argument, entry->d_name);
    }
    closedir(directory);
    return result;
}

static int machine_lock(void *context, const char *path)
{
    (void)context;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (file < 0)
        return -errno;
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        int code = errno;
        close(file);
        return code == EAGAIN ? -EWOULDBLOCK : -code;
    }
    return file;
}

static int machine_random(void *context, void *bytes, size_t count)
{
    (void)context;
    size_t done = 0;
    while (done < count) {
        ssize_t got = getrandom((char *)bytes + done, count - done, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0)
            done += (size_t)got;
    }
    return 0;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t machine_utc_ns(void *context)
{
    (void)context;
    return clock_ns(CLOCK_REALTIME);
}

static uint64_t machine_monotonic_ns(void *context)
{
    (void)context;
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t machine_free_bytes(void *context, const char *path)
{
    (void)context;
    struct statvfs status;
    return statvfs(path, &status) == 0 ? (int64_t)(status.f_bavail * status.f_frsize) : -errno;
}

const struct pit_disk *pit_disk_machine(void)
{
    static const struct pit_disk machine = {
        .context = NULL,
        .open = machine_open,
        .close = machine_close,
        .read = machine_read,
        .write = machine_write,
        .sync = machine_sync,
        .sync_directory = machine_sync_directory,
        .size = machine_size,
        .truncate = machine_truncate,
        .rename = machine_rename,
        .unlink = machine_unlink,
        .make_directory = machine_make_directory,
        .list = machine_list,
        .lock = machine_lock,
        .random = machine_random,
        .utc_ns = machine_utc_ns,
        .monotonic_ns = machine_monotonic_ns,
        .free_bytes = machine_free_bytes,
    };
    return &machine;
}
