/* test/cluster/log_run.h - a cluster's log driven by dice, on a disk in memory that tears writes and forgets what was
 * not synced, beside a model of what was asked for. One thread.
 */
#ifndef PIT_TEST_CLUSTER_LOG_RUN_H
#define PIT_TEST_CLUSTER_LOG_RUN_H

#include <stdlib.h>
#include <string.h>

#include "test/journal/fixture.h"
#include "test/journal/memory_disk.h"

#include "journal/log.h"
#include "ring/check.h"

#define ENTRIES_MAX 4096u
#define STEPS_MAX 4096u

/* What a log holds. A salt says which of the entries with an index it is: 0: a barrier; 1: members; any other: commands
 * as fixture_command has them with that salt. */
struct model {
    uint64_t term, vote, last;
    uint64_t terms[ENTRIES_MAX + 1];
    uint64_t salts[ENTRIES_MAX + 1];
    uint64_t sequences[ENTRIES_MAX + 1]; /* of the last command up to each */
};

struct step {
    enum { APPEND, TRUNCATE, VOTE } what;
    uint64_t index, term, salt, sequence;
};

struct run {
    struct memory_disk memories[2]; /* before a crash and after it, in turn */
    struct memory_disk *memory;
    struct pit_log *log;
    uint64_t random;
    bool large;            /* entries are, so that segments come to their end */
    struct model at_start; /* when it was opened */
    struct model now;
    struct step steps[STEPS_MAX];
    uint64_t step_of_ticket[STEPS_MAX + 1]; /* how many steps it covers */
    uint64_t steps_count, ticket;
    uint64_t durable; /* so many of the steps */
    uint64_t committed;
    bool digests_wanted;
    bool others_write;        /* the journal's agents have threads of their own */
    uint64_t digests;         /* written since it was opened */
    uint64_t digest_sequence; /* the last of them is of */
    void *payloads[STEPS_MAX];
    uint64_t payloads_count;
};

/* A new, empty disk. */
void run_init(struct run *run, uint64_t random);
void run_free(struct run *run);

/* What run->log is opened with. */
struct pit_log_options run_options(struct run *run);

/* Lets the journal's agents work. */
void run_give_way(void *run);

/* Opens the log, and demands that it holds what the steps led to, up to one not before what was durable; that is the
 * start of the steps to come. */
void run_open(struct run *run);

/* Its first entry. */
void run_begin(struct run *run);

/* Closes the log. */
void run_stop(struct run *run);

/* Closes the log as if the machine, or without a cache the process, had stopped just now. */
void run_crash(struct run *run);

/* So many things happen. False: the disk has failed. */
bool run_go_on(struct run *run, uint64_t steps);

/* Everything asked for is written. */
void run_settle(struct run *run);

/* Adds an entry to a model in the row, checking it against what its salt says. For pit_log_load and the like; argument
 * is the model. Entries of a model that is empty may begin anywhere. */
int run_take_entry(void *argument, const struct pit_log_entry *entry);

#endif
