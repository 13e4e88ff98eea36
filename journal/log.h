/* journal/log.h - the journal as the log of a cluster: one durable write for each entry, and term and vote beside it.
 *
 * The same directory, segments, blocks and checksums as a journal of commands, with records of its own
 * (docs/journal-format.md): entries with index and term, truncations, votes, how far the entries were known to be
 * committed, and at the beginning of each segment what all records before it come to. What is written stays: a
 * truncation is a record, and whoever reads goes by it.
 *
 * Threads:  one; the journal's two agents (journal/writer.h), to which pit_log_journal leads; and one that reads
 *           the past (pit_log_past_work).
 * Progress: nothing blocks but open, begin, begin_at and keep_vote; the last three wait until what they say is
 *           durable.
 * Order:    everything becomes durable in the order of the calls. A ticket is a number that rises from call to call.
 * Memory:   what is asked for and not yet in a block, 16 bytes for each entry that is not known to be committed, and
 *           until the first change what load gives. With pit_log_read what journal/log_past.h says.
 */
#ifndef PIT_JOURNAL_LOG_H
#define PIT_JOURNAL_LOG_H

#include "journal/writer.h"

#define PIT_LOG_ENTRY_BYTES_MAX (512u << 10)
#define PIT_LOG_REJOINING UINT64_C(255) /* a vote for nobody, which another in the same term may follow */
#define PIT_LOG_MEMBERS_BYTES_MAX 4096u

enum pit_log_kind {
    PIT_LOG_COMMANDS = 1,
    PIT_LOG_BARRIER = 2, /* 8 bytes, all zero; not on the disk */
    PIT_LOG_MEMBERS = 3, /* at most PIT_LOG_MEMBERS_BYTES_MAX */
};

/* In place of a vote: the node has lost its log, and does not vote before it has caught up. A vote may follow it in the
 * same term. */
#define PIT_LOG_REJOINING UINT64_C(255)

struct pit_log_entry {
    uint64_t index; /* 1, 2, 3, ... */
    uint64_t term;
    uint32_t kind;  /* enum pit_log_kind */
    uint32_t bytes; /* a multiple of 8; no 64 bytes of it from a multiple of 64 on are zero */
    const void *payload;
};

/* The last entry that is not given to who loads: it is committed, or before the log's beginning. 0, 0: none. */
struct pit_log_base {
    uint64_t index;
    uint64_t term;
};

#define PIT_LOG_KEEP_ALL UINT64_MAX

struct pit_log_options {
    const char *directory;
    uint64_t segment_bytes;
    enum pit_journal_sync sync;
    uint64_t reserve_bytes;     /* as in struct pit_journal_options */
    uint64_t cancels_bytes;     /* likewise */
    struct pit_bell *disk_bell; /* rung when there is something to write; may be NULL */
    struct pit_bell *log_bell;  /* rung when something is durable; may be NULL */
    struct pit_bell *past_bell; /* rung when there is something for pit_log_past_work; may be NULL */
    bool locked;                /* the caller holds the directory's lock as long as the log is open */
    /* Of the committed entries, load gives the last ones up to so many bytes, payloads and 64 for each. What is not
     * known to be committed it gives in any case. PIT_LOG_KEEP_ALL: everything there is. */
    uint64_t keep_bytes;
    /* Called again and again while begin and keep_vote wait for the disk agent: it gives way, or runs that agent. */
    void (*wait)(void *context);
    /* Whether they shall wait no longer, for a disk that is full, say: they then return -ECANCELED, what they were
     * asked for may or may not become durable, and nothing more is to be done with the log but closing it. NULL: never.
     */
    bool (*leave)(void *context);
    void *wait_context; /* of both */
};

struct pit_log;

/* Takes the directory's lock and reads what is there: the last segment, and those before it that are needed for what
 * load is to give. 0; as pit_journal_lock, pit_journal_open and the reader; -EBADMSG: whole blocks whose records are no
 * log: error names the block. */
int pit_log_open(struct pit_log **log, const struct pit_disk *disk, const struct pit_log_options *options,
                 struct pit_error *error);
void pit_log_close(struct pit_log *log);

/* For its disk and preparing agents. */
struct pit_journal *pit_log_journal(struct pit_log *log);

/* What is there, before anything but begin is called: term and vote, where it begins, and each entry after that in
 * order (truncated ones not). each returns 0, or what load is to return. */
int pit_log_load(struct pit_log *log, uint64_t *term, uint64_t *vote, struct pit_log_base *base,
                 int (*each)(void *argument, const struct pit_log_entry *entry), void *argument);

/* The longest payload of an entry: what a block has room for, PIT_LOG_ENTRY_BYTES_MAX at most. */
uint32_t pit_log_entry_max(const struct pit_log *log);

/* The payload of the first entry, PIT_LOG_MEMBERS, as long as the log is open; NULL: there is none yet. */
const void *pit_log_members(const struct pit_log *log, uint32_t *bytes);

/* Begins a new log with its first entry, PIT_LOG_MEMBERS. 0; -EINVAL, -ENOMEM; the journal's errno. Durable when it
 * returns. Assumes that the log is empty. */
int pit_log_begin(struct pit_log *log, uint64_t term, uint64_t vote, const struct pit_log_entry *first);

/* Begins a new log after an entry that is committed and not in it, for a snapshot stands for what is before. The next
 * command has first_sequence; term is at least base's; members as pit_log_members gives them. As above; -EEXIST: the
 * log is not empty. */
int pit_log_begin_at(struct pit_log *log, uint64_t term, uint64_t vote, struct pit_log_base base,
                     uint64_t first_sequence, const void *members, uint32_t members_bytes);

/* 0, -ECANCELED (options.leave), or the journal's errno. Durable when it returns 0. */
int pit_log_keep_vote(struct pit_log *log, uint64_t term, uint64_t vote);

/* 0; -EINVAL: a payload that the format does not carry; -ENOMEM; the journal's errno. Payloads stay where they are
 * until durable has returned the ticket, or the log is closed. */
int pit_log_append(struct pit_log *log, uint64_t ticket, const struct pit_log_entry *entries, uint32_t count);
int pit_log_truncate(struct pit_log *log, uint64_t ticket, uint64_t index);

/* Entries up to index are committed: written with the next block of entries, or digest, for those who read. Never
 * falls. */
void pit_log_committed(struct pit_log *log, uint64_t index);

/* The same is written now, though no entries come: for readers of a log in which nothing happens for a while. False:
 * not now, try again later. */
bool pit_log_tell_committed(struct pit_log *log);

/* Adds a digest record, for readers; what is committed is written before it. full: state and orders are valid. False:
 * not now, or the command with that sequence is not in an entry that is known to be committed: try again later. */
bool pit_log_append_digest(struct pit_log *log, uint64_t sequence, const struct pit_digest *digest, bool full);

/* Reads committed entries back from the disk, beginning with index (1 .. the last committed), max (1 ..) of them at
 * most, of all kinds: entries stay valid until the next call. *before_term: of the entry before the first, 0 for
 * index 1. How many there are; 0: they are being read, ask again; -ENODATA: segments that would have to be read are
 * gone; others: they cannot be read, which is tried again when asked again. Several indexes may be asked for in turn.
 */
int pit_log_read(struct pit_log *log, uint64_t index, struct pit_log_entry *entries, uint32_t max,
                 uint64_t *before_term);

/* A thread of its own: reads what was asked for, blocking. Returns 1 if anything was. */
uint32_t pit_log_past_work(struct pit_log *log);

/* Moves things on, and returns the last ticket that is durable with all before it; or, once the journal has failed for
 * good, its negative errno. */
int64_t pit_log_durable(struct pit_log *log);

/* Why it has failed. */
bool pit_log_failed(struct pit_log *log, struct pit_error *error);

/* How far a log in a directory goes. */
struct pit_log_extent {
    uint64_t last;      /* index of the last entry */
    uint64_t committed; /* known to be */
    uint64_t term;
};

/* For readers, while it is written or not: each entry that is known to be committed, in order, from the first that
 * there is; never one that may still be taken back. 0, what each returned, or as the journal's reader. */
int pit_log_read_committed(const struct pit_disk *disk, const char *directory,
                           int (*each)(void *argument, const struct pit_log_entry *entry), void *argument,
                           struct pit_log_extent *extent, struct pit_error *error);

#endif
