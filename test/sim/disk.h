/* test/sim/disk.h - a disk in memory, with a cache, that fails as real ones do and when it is told to. One thread.
 *
 *   file:       cache, what a running machine reads       medium, what a power cut leaves
 *   write       goes to the cache; its sectors are dirty. With PIT_DISK_DIRECT it goes to the medium as well
 *   sync        brings the dirty sectors to the medium
 *   names       likewise: changes of the directory are pending until sync_directory
 *
 * A machine that stops (power) loses any choice of the dirty sectors and of the pending changes of names. A process
 * that stops (kill) loses nothing, but the write it was in may be there in part. While the disk is stopped every call
 * fails and changes nothing.
 *
 * Damage, which is what a disk does to bytes that were durable, is remembered sector by sector with the bytes that
 * ought to be there, so that it can be healed. A proper write to a sector ends the damage.
 */
#ifndef PIT_TEST_SIM_DISK_H
#define PIT_TEST_SIM_DISK_H

#include "journal/disk.h"
#include "trace.h"

#define SIM_SECTOR_BYTES 512u
#define SIM_NAMES_MAX 512u
#define SIM_INODES_MAX 512u
#define SIM_HANDLES_MAX 64u
#define SIM_PENDING_MAX 256u
#define SIM_ARMED_MAX 32u
#define SIM_DAMAGE_MAX 8192u

/* What may be armed: it happens at the count-th operation of its class from then on, once. */
enum sim_disk_fault {
    SIM_DISK_KILL = 1,        /* any operation that changes something: the process stops in it */
    SIM_DISK_POWER,           /* likewise the machine */
    SIM_DISK_WRITE_EIO,       /* a write fails, and some of its sectors are there */
    SIM_DISK_SYNC_EIO,        /* a sync fails; what it did not write is taken for written from then on */
    SIM_DISK_READ_EIO,        /* a read fails */
    SIM_DISK_READ_FLIP,       /* a read gives one wrong bit */
    SIM_DISK_READ_ELSEWHERE,  /* a page of a read is another page of the file */
    SIM_DISK_WRITE_LOST,      /* a durable write reports success, and nothing was written */
    SIM_DISK_WRITE_ELSEWHERE, /* a durable write goes to another place in its file */
};

enum sim_disk_stop { SIM_DISK_RUNS = 0, SIM_DISK_KILLED = 1, SIM_DISK_POWERLESS = 2 };

struct sim_inode {
    bool used;
    uint8_t *cache;
    uint8_t *medium;
    bool *dirty;   /* by sector */
    bool diverged; /* cache and medium may differ */
    uint64_t size;
    uint64_t medium_size;
    uint64_t room; /* of both, whole sectors */
};

struct sim_name {
    char path[64];
    int inode;  /* -1: there is no such file */
    int medium; /* after a power cut, as long as nothing is pending */
};

struct sim_pending {
    int inode;
    int from; /* names; -1: none */
    int to;
};

struct sim_armed {
    enum sim_disk_fault fault;
    uint64_t count;
    uint64_t seed;
    bool rolls;  /* it waits until the next segment is begun, and counts from there */
    bool blocks; /* it counts only writes that are not of zeros */
};

struct sim_damage {
    int inode;
    uint64_t sector;
    uint8_t ought[SIM_SECTOR_BYTES];
};

/* A block that the disk lied about. */
struct sim_lie {
    uint64_t number;         /* of the block; 0: it was none */
    uint64_t first_sequence; /* of its commands */
    int inode;
    uint64_t offset, count;
};

struct sim_disk {
    struct pit_disk table;
    struct sim_trace *trace;
    const uint64_t *monotonic_ns;
    const uint64_t *utc_ns;
    uint64_t random; /* state: what the table hands out as random, and what is left to chance */

    struct sim_inode inodes[SIM_INODES_MAX];
    struct sim_name names[SIM_NAMES_MAX];
    uint32_t names_count;
    struct sim_pending pending[SIM_PENDING_MAX];
    uint32_t pending_count;
    struct {
        bool open;
        bool direct; /* durable when written */
        bool locks;
        int inode;
    } handles[SIM_HANDLES_MAX];

    struct sim_armed armed[SIM_ARMED_MAX];
    uint32_t armed_count;
    struct sim_damage *damage;
    uint32_t damage_count;
    struct sim_lie lies[8];
    uint32_t lies_count;
    uint64_t mercy;    /* of lies that cannot be healed any more: see sim_disk_mercy */
    uint64_t capacity; /* bytes of all files; 0 = endless */
    /* Somebody waits within one turn for a disk that is full, and asks for the time again and again: time is to pass,
     * and there is to be room. NULL: nobody does. */
    void (*patience)(void *context);
    void *patience_context;
    uint64_t asked_step, asked; /* for the time, in this step */
    enum sim_disk_stop stopped;
    bool direct_refused;
    bool quiet;         /* the checks are looking: no fault happens, nothing is traced */
    uint64_t triggered; /* faults that happened, refusals for want of space included */
    uint64_t writes, syncs, reads;
};

void sim_disk_open(struct sim_disk *disk, struct sim_trace *trace, const uint64_t *monotonic_ns, const uint64_t *utc_ns,
                   uint64_t seed);
void sim_disk_close(struct sim_disk *disk);

/* Arms a fault: count 0 = the next operation. */
void sim_disk_arm(struct sim_disk *disk, const struct sim_armed *armed);
void sim_disk_disarm(struct sim_disk *disk);

/* The process or the machine has stopped and starts again: what is found then. */
void sim_disk_restart(struct sim_disk *disk, bool power);

/* Changes bytes that are durable, while nothing runs: flips times a bit of a segment (where: see disk_damage.c). */
void sim_disk_flip(struct sim_disk *disk, uint32_t flips, uint64_t seed);

/* A bit of one file, if it is there, before limit. */
void sim_disk_flip_in(struct sim_disk *disk, const char *path, uint64_t limit, uint64_t seed);

/* Puts back what damage took, where nothing else has been written since. */
void sim_disk_heal(struct sim_disk *disk);

/* The damage that is there was found harmless: it is no more called damage. */
void sim_disk_forgive(struct sim_disk *disk);

/* The last sequence that a disk which lies cannot be blamed to have taken: below the first command of a block it lied
 * about, when that was the last thing written and so nothing shows that it is missing; otherwise UINT64_MAX. */
uint64_t sim_disk_mercy(const struct sim_disk *disk);

/* Bytes of all files. */
uint64_t sim_disk_used(const struct sim_disk *disk);

/* ---- disk.c, disk_stop.c and disk_damage.c share ---- */

static inline uint64_t sim_sectors(uint64_t bytes)
{
    return (bytes + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;
}

void sim_inode_resize(struct sim_inode *inode, uint64_t size);

/* The medium has room for the first size bytes of the file from now on. */
void sim_medium_grow(struct sim_inode *inode, uint64_t size);

/* Brings a sector to the medium. */
void sim_to_medium(struct sim_inode *inode, uint64_t sector);

/* Whether a name leads to it, or may after a power cut. */
bool sim_inode_named(const struct sim_disk *disk, int inode);

/* One change of the directory, for what is found after a power cut. */
void sim_apply_pending(struct sim_disk *disk, const struct sim_pending *change);

void sim_damage_note(struct sim_disk *disk, int inode, uint64_t from, uint64_t count, const uint8_t *ought);
void sim_damage_end(struct sim_disk *disk, int inode, uint64_t from, uint64_t count);
/* A durable write that goes elsewhere, or nowhere. */
void sim_disk_lie(struct sim_disk *disk, int inode, const uint8_t *bytes, uint64_t count, uint64_t offset,
                  const struct sim_armed *armed);
/* Changes what a read gave. */
void sim_disk_garble(struct sim_disk *disk, int inode, uint8_t *bytes, uint64_t count, const struct sim_armed *armed);

#endif
