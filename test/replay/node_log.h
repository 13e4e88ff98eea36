/* test/replay/node_log.h - the directory of a cluster's node in small: a log with random orders in its entries, the
 * market they lead to, and snapshots of it. One thread. */
#ifndef PIT_TEST_REPLAY_NODE_LOG_H
#define PIT_TEST_REPLAY_NODE_LOG_H

#include "journal/log.h"
#include "journal/results.h"
#include "journal/snapshot.h"
#include "live.h"

#define NODE_LOG_ENTRIES_MAX 512u
#define NODE_LOG_LINES_MAX 2000u /* of an entry */
#define NODE_LOG_LINES 40u       /* of an entry, unless something else is said */
#define NODE_LOG_SEGMENT PIT_JOURNAL_SEGMENT_BYTES_MIN

struct node_log {
    const struct pit_disk *disk;
    const char *directory;
    struct pit_log *log;
    struct live live; /* without a journal: sequence, market and events */
    struct pit_results *results;
    struct pit_result progress;
    uint64_t counted; /* events before this one are in the results */
    struct pit_snapshot_past past[PIT_SYMBOLS_MAX];
    uint64_t past_counted; /* events before this one are in it */
    uint64_t random;
    uint32_t lines;       /* at most in an entry */
    bool rests;           /* no order meets another */
    uint64_t index, term; /* of the last entry */
    uint64_t ticket;
    void *payloads[NODE_LOG_ENTRIES_MAX];
    uint32_t payloads_count;
};

/* A new log, whose first entry says who the nodes are. */
void node_log_begin(struct node_log *node, const struct pit_disk *disk, const char *directory, uint64_t seed);

/* So many entries more, some of them barriers, some of a new term; all are committed and durable in the end. */
void node_log_run(struct node_log *node, uint32_t entries);

/* Entries that are in the log, and not committed. */
void node_log_run_open(struct node_log *node, uint32_t entries);

/* A snapshot of the state after the last command. */
void node_log_snapshot(struct node_log *node);

void node_log_end(struct node_log *node);

/* What a start finds in a directory: the newest good snapshot, the commands after it, and the digest of it all. Fails
 * the test where there is no such start. */
struct node_log_found {
    uint64_t snapshot;                /* its sequence, 0 = none */
    uint64_t results, results_digest; /* in it */
    uint64_t sequence;                /* of the last command */
    struct pit_digest digest;
    uint64_t trades;                                       /* of all symbols, as the snapshot says */
    uint64_t term, vote, base, base_term, last, committed; /* of the log */
};
struct node_log_found node_log_find(const struct pit_disk *disk, const char *directory);

#endif
