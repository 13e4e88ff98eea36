/* journal/disk.h - the disk as the journal sees it: a table of functions, so that a simulation can stand in for it.
 *
 * Files are small non-negative numbers. Every function returns 0 (or what it says) or a negative errno. The calls
 * block; they are made from the journal's own disk and preparing agents, or before and after the pipeline runs.
 */
#ifndef PIT_JOURNAL_DISK_H
#define PIT_JOURNAL_DISK_H

#include <stddef.h>
#include <stdint.h>

#define PIT_DISK_READ 0x1u
#define PIT_DISK_WRITE 0x2u
#define PIT_DISK_CREATE 0x4u
#define PIT_DISK_DIRECT 0x8u  /* O_DIRECT|O_DSYNC: a write is durable when it returns; -EINVAL where refused */
#define PIT_DISK_BYPASS 0x10u /* O_DIRECT alone: durable after sync; -EINVAL where refused */

struct pit_disk {
    void *context;
    int (*open)(void *context, const char *path, uint32_t flags);
    int (*close)(void *context, int file);
    int64_t (*read)(void *context, int file, void *bytes, size_t count, uint64_t offset); /* short only at the end */
    int (*write)(void *context, int file, const void *bytes, size_t count,
                 uint64_t offset); /* all of it, or an error */
    int (*sync)(void *context, int file);
    int (*sync_directory)(void *context, const char *path);
    int64_t (*size)(void *context, int file);
    int (*truncate)(void *context, int file, uint64_t bytes);
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    int (*make_directory)(void *context, const char *path); /* 0 if it exists */
    int (*list)(void *context, const char *path, void (*each)(void *argument, const char *name), void *argument);
    int (*lock)(void *context, const char *path); /* a file held until closed; -EWOULDBLOCK: another process has it */
    int (*random)(void *context, void *bytes, size_t count); /* for a new journal's id */
    uint64_t (*utc_ns)(void *context);                       /* for people: when a segment was made */
    uint64_t (*monotonic_ns)(void *context);                 /* how long a write took; when to try something again */
    int64_t (*free_bytes)(void *context, const char *path);  /* that this process may still fill in path's file system;
                                                                NULL or an error: not known */
};

/* The machine's own disk. */
const struct pit_disk *pit_disk_machine(void);

#endif
