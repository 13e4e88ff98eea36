/* test/cluster/solo.h - one engine alone: a test plays its peers, its disk and its clock by hand. One thread. */
#ifndef PIT_TEST_CLUSTER_SOLO_H
#define PIT_TEST_CLUSTER_SOLO_H

#include "stages/consensus_raft.h"

#define SOLO_ENTRIES_MAX 4096u
#define SOLO_SENT_MAX 8192u

struct solo_sent {
    uint32_t to;
    uint32_t entries;
    size_t bytes;
    struct raft_message message; /* its entries are not kept */
};

struct solo {
    struct pit_consensus *consensus;
    uint64_t now_ns;
    /* Disk. */
    uint64_t term, vote;
    uint64_t terms[SOLO_ENTRIES_MAX + 1]; /* as asked for */
    uint64_t count;
    uint8_t first[256];
    uint32_t first_bytes;
    struct pit_consensus_base base; /* told at load; entries after it are not told then */
    uint64_t removed;               /* entries up to here are not there any more */
    bool reading;                   /* read is not done yet */
    uint64_t spoiled_term;          /* read gives it for the entry before; 0 = the right one */
    uint64_t asked;
    bool stalled; /* nothing becomes durable */
    uint64_t durable;
    int fail_append; /* what append returns */
    /* Network. */
    struct solo_sent sent[SOLO_SENT_MAX];
    uint32_t sent_count;
    struct pit_raft_note note; /* the last one it sent */
    bool no_room;
    size_t (*spoil)(uint8_t *bytes, size_t count); /* changes what is heard, and says how much of it is */
    /* Machine. */
    uint64_t committed[SOLO_ENTRIES_MAX + 1]; /* the first word of each payload */
    uint64_t committed_last;
    uint64_t answered, unknown;
};

struct pit_consensus_options solo_options(struct solo *solo, uint32_t node, uint32_t nodes);
void solo_open(struct solo *solo, uint32_t node, uint32_t nodes);
void solo_close(struct solo *solo);

void solo_pass(struct solo *solo, uint64_t milliseconds); /* time, in steps of one */

/* The engine hears. Entries of an append have the given terms; each payload is its index and its term. */
void solo_hear(struct solo *solo, uint32_t from, const struct raft_message *message);
void solo_append(struct solo *solo, uint32_t leader, uint64_t term, uint64_t previous, uint64_t previous_term,
                 uint64_t commit, const uint64_t *terms, uint32_t count);
void solo_acknowledge(struct solo *solo, uint32_t from, uint64_t term, uint64_t last);

/* Makes it lead, with everybody's vote; its barrier is not acknowledged. Returns the term. */
uint64_t solo_elect(struct solo *solo);

/* The last message of a kind that it sent to a node, or NULL. */
const struct solo_sent *solo_last(const struct solo *solo, uint32_t to, unsigned short kind);

#endif
