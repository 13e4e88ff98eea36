/* stages/market_files.c - directory, lock, and the two mapped files. */
#include "stages/market_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/sequence.h"

#define ENTER_TRIES 10
#define EVENTS_NEW PIT_MD_EVENTS_FILE ".new"
#define DEPTH_NEW PIT_MD_DEPTH_FILE ".new"

static mode_t file_mode(enum pit_readable_by readable_by)
{
    return readable_by == PIT_READABLE_BY_WORLD ? 0644 : readable_by == PIT_READABLE_BY_GROUP ? 0640 : 0600;
}

static mode_t directory_mode(enum pit_readable_by readable_by)
{
    return readable_by == PIT_READABLE_BY_WORLD ? 0755 : readable_by == PIT_READABLE_BY_GROUP ? 0750 : 0700;
}

static int open_directory(struct pit_market_files *files, mode_t mode, struct pit_error *error)
{
    if (mkdir(files->path, 0700) != 0 && errno != EEXIST)
        return pit_error_set(error, -errno, "cannot make %s: %s", files->path, strerror(errno));
    files->directory = open(files->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (files->directory < 0 && (errno == ELOOP || errno == ENOTDIR))
        return pit_error_set(error, -EPERM,
                             "%s is a link or a file where the market data's directory should be: remove it, or give "
                             "the pipeline another name",
                             files->path);
    if (files->directory < 0)
        return pit_error_set(error, -errno, "cannot open %s: %s", files->path, strerror(errno));
    struct stat is;
    if (fstat(files->directory, &is) != 0)
        return pit_error_set(error, -errno, "cannot look at %s: %s", files->path, strerror(errno));
    if (is.st_uid != geteuid())
        return pit_error_set(error, -EPERM,
                             "%s belongs to user %u, not to %u who runs this: remove it, or give the pipeline another "
                             "name",
                             files->path, is.st_uid, geteuid());
    if (fchmod(files->directory, mode) != 0)
        return pit_error_set(error, -errno, "cannot set the mode of %s: %s", files->path, strerror(errno));
    return 0;
}

/* Readers cannot open the lock, so that none of them can hold it and keep the pipeline from starting. */
static int take_lock(struct pit_market_files *files, const char *name, struct pit_error *error)
{
    files->lock =
        openat(files->directory, PIT_MD_LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat is;
    if (files->lock < 0 || fstat(files->lock, &is) != 0)
        return pit_error_set(error, -errno, "cannot open %s/" PIT_MD_LOCK_FILE ": %s", files->path, strerror(errno));
    if (!S_ISREG(is.st_mode) || is.st_uid != geteuid() || fchmod(files->lock, 0600) != 0)
        return pit_error_set(error, -EPERM, "%s/" PIT_MD_LOCK_FILE " is not a file of ours: remove %s", files->path,
                             files->path);
    char pid[24] = {0};
    if (flock(files->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return pit_error_set(error, -errno, "cannot lock %s: %s", files->path, strerror(errno));
        ssize_t read = pread(files->lock, pid, sizeof pid - 1, 0);
        return pit_error_set(error, -EEXIST,
                             "a pipeline named \"%s\" is running (pid %ld): stop it, or give this one another name",
                             name, read > 0 ? strtol(pid, NULL, 10) : -1L);
    }
    int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(files->lock, 0) != 0 || pwrite(files->lock, pid, (size_t)length, 0) != length)
        return pit_error_set(error, -errno, "cannot write %s/" PIT_MD_LOCK_FILE ": %s", files->path, strerror(errno));
    return 0;
}

/* A pipeline that ends cleanly removes its directory: whoever had opened it just before holds the lock of nothing. */
static bool still_there(const struct pit_market_files *files)
{
    struct stat path, directory, lock;
    return lstat(files->path, &path) == 0 && fstat(files->directory, &directory) == 0 &&
           fstat(files->lock, &lock) == 0 && path.st_ino == directory.st_ino && path.st_dev == directory.st_dev &&
           lock.st_nlink == 1;
}

static void leave_directory(struct pit_market_files *files)
{
    if (files->lock >= 0)
        close(files->lock); /* unlocks */
    if (files->directory >= 0)
        close(files->directory);
    files->lock = files->directory = -1;
}

static int enter_directory(struct pit_market_files *files, const struct pit_publisher_config *config,
                           struct pit_error *error)
{
    for (int i = 0; i < ENTER_TRIES; i++) {
        int result = open_directory(files, directory_mode(config->readable_by), error);
        if (result == 0)
            result = take_lock(files, config->name, error);
        if (result != 0 && result != -ENOENT)
            return result;
        if (result == 0 && still_there(files)) {
            files->locked = true;
            return 0;
        }
        leave_directory(files);
    }
    return pit_error_set(error, -EAGAIN, "%s appears and disappears: does another pipeline come and go?", files->path);
}

/* A new file of bytes zeros, mapped, with memory behind every page: a full /dev/shm is an error here and not a signal
 * later. */
static int make_file(void **mapped, const struct pit_market_files *files, const char *name, mode_t mode, size_t bytes,
                     struct pit_error *error)
{
    if (unlinkat(files->directory, name, 0) != 0 && errno != ENOENT)
        return pit_error_set(error, -errno, "cannot remove %s/%s: %s", files->path, name, strerror(errno));
    int fd = openat(files->directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return pit_error_set(error, -errno, "cannot make %s/%s: %s", files->path, name, strerror(errno));
    int result = -posix_fallocate(fd, 0, (off_t)bytes);
    if (result != 0)
        pit_error_set(error, result,
                      "cannot have %zu bytes for %s/%s: %s (fewer event slots or symbols need less; `df " PIT_MD_ROOT
                      "` says what is free)",
                      bytes, files->path, name, strerror(-result));
    else if (fchmod(fd, mode) != 0)
        result = pit_error_set(error, -errno, "cannot set the mode of %s/%s: %s", files->path, name, strerror(errno));
    if (result == 0) {
        *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (*mapped == MAP_FAILED) {
            *mapped = NULL;
            result = pit_error_set(error, -errno, "cannot map %s/%s: %s", files->path, name, strerror(errno));
        }
    }
    close(fd);
    return result;
}

static int fill_headers(struct pit_market_files *files, const struct pit_publisher_config *config,
                        struct pit_error *error)
{
    uint64_t instance = 0;
    while (instance == 0)
        if (getrandom(&instance, sizeof instance, 0) != (ssize_t)sizeof instance && errno != EINTR)
            return pit_error_set(error, -errno, "no random numbers: %s", strerror(errno));
    struct pit_md_events_header *events = files->events;
    events->magic = PIT_MD_EVENTS_MAGIC;
    events->version = PIT_MD_VERSION;
    events->header_bytes = PIT_MD_HEADER_BYTES;
    events->instance = instance;
    events->slots = config->event_slots;
    events->slot_bytes = PIT_BROADCAST_SLOT_BYTES;
    events->pid = (uint64_t)getpid();
    events->started_ns = config->clock->utc_ns(config->clock->context);
    strncpy(events->name, config->name, PIT_MD_NAME_MAX);
    struct pit_md_depth_header *depth = files->depth;
    depth->magic = PIT_MD_DEPTH_MAGIC;
    depth->version = PIT_MD_VERSION;
    depth->header_bytes = PIT_MD_HEADER_BYTES;
    depth->instance = instance;
    depth->symbols_max = config->symbols_max;
    depth->entry_bytes = sizeof(struct pit_md_symbol_entry);
    depth->image_bytes = sizeof(struct pit_md_image);
    depth->levels = PIT_MD_LEVELS;
    depth->entries_offset = PIT_MD_HEADER_BYTES;
    depth->images_offset = pit_md_images_offset(config->symbols_max);
    pit_word_store_release(&events->status, PIT_MD_RUNNING);
    return 0;
}

int pit_market_files_create(struct pit_market_files *files, const struct pit_publisher_config *config,
                            struct pit_error *error)
{
    *files = (struct pit_market_files){.directory = -1, .lock = -1};
    pit_md_directory(files->path, config->name);
    files->events_bytes = pit_md_events_bytes(config->event_slots);
    files->depth_bytes = pit_md_depth_file_bytes(config->symbols_max);
    mode_t mode = file_mode(config->readable_by);
    void *events = NULL;
    void *depth = NULL;
    int result = enter_directory(files, config, error);
    if (result == 0)
        result = make_file(&events, files, EVENTS_NEW, mode, files->events_bytes, error);
    files->events = events;
    if (result == 0)
        result = make_file(&depth, files, DEPTH_NEW, mode, files->depth_bytes, error);
    files->depth = depth;
    if (result == 0)
        result = fill_headers(files, config, error);
    if (result != 0) {
        pit_market_files_destroy(files);
        return result;
    }
    uint8_t *depth_bytes = depth;
    files->slots = (struct pit_broadcast_slot *)((uint8_t *)events + PIT_MD_HEADER_BYTES);
    files->entries = (struct pit_md_symbol_entry *)(depth_bytes + PIT_MD_HEADER_BYTES);
    files->images = (struct pit_md_image *)(depth_bytes + pit_md_images_offset(config->symbols_max));
    return 0;
}

/* The first page of the events file that is there now, if it is one of ours that can be told something. */
static struct pit_md_events_header *map_older(const struct pit_market_files *files)
{
    int fd = openat(files->directory, PIT_MD_EVENTS_FILE, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct stat is;
    void *page = MAP_FAILED;
    if (fstat(fd, &is) == 0 && S_ISREG(is.st_mode) && is.st_uid == geteuid() &&
        is.st_size >= (off_t)PIT_MD_HEADER_BYTES)
        page = mmap(NULL, PIT_MD_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED)
        return NULL;
    struct pit_md_events_header *older = page;
    if (older->magic == PIT_MD_EVENTS_MAGIC && older->version == PIT_MD_VERSION)
        return older;
    munmap(page, PIT_MD_HEADER_BYTES);
    return NULL;
}

int pit_market_files_show(struct pit_market_files *files, struct pit_error *error)
{
    struct pit_md_events_header *older = map_older(files);
    int result = 0;
    /* The depth first: a reader that finds events finds the depth of the same run, or sees that they differ. */
    if (renameat(files->directory, DEPTH_NEW, files->directory, PIT_MD_DEPTH_FILE) != 0 ||
        renameat(files->directory, EVENTS_NEW, files->directory, PIT_MD_EVENTS_FILE) != 0)
        result =
            pit_error_set(error, -errno, "cannot put the market data in place in %s: %s", files->path, strerror(errno));
    files->shown = result == 0;
    if (older) {
        if (result == 0)
            pit_word_store_release(&older->status, PIT_MD_REPLACED);
        munmap(older, PIT_MD_HEADER_BYTES);
    }
    return result;
}

void pit_market_files_remove(struct pit_market_files *files)
{
    if (!files->shown || !still_there(files))
        return;
    unlinkat(files->directory, PIT_MD_EVENTS_FILE, 0);
    unlinkat(files->directory, PIT_MD_DEPTH_FILE, 0);
    unlinkat(files->directory, PIT_MD_LOCK_FILE, 0);
    rmdir(files->path); /* not if somebody keeps something of his own in it */
}

void pit_market_files_destroy(struct pit_market_files *files)
{
    if (files->locked && !files->shown) {
        unlinkat(files->directory, EVENTS_NEW, 0);
        unlinkat(files->directory, DEPTH_NEW, 0);
        if (faccessat(files->directory, PIT_MD_EVENTS_FILE, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && still_there(files)) {
            unlinkat(files->directory, PIT_MD_LOCK_FILE, 0); /* nothing was here before */
            rmdir(files->path);
        }
    }
    if (files->events)
        munmap(files->events, files->events_bytes);
    if (files->depth)
        munmap(files->depth, files->depth_bytes);
    leave_directory(files);
    *files = (struct pit_market_files){.directory = -1, .lock = -1};
}
