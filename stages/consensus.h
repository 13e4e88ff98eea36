/* stages/consensus.h - a few nodes agree on one log of batches. What an engine for that must be able to do; which one
 * does it stands behind this header (stages/consensus_raft.h), so that another can take its place.
 *
 * The log is a row of entries 1, 2, 3, ..., each with the term of the leader that wrote it. An entry is committed when
 * it is on the disks of a majority and can no longer be replaced. Every node learns the same committed entries in the
 * same order. What is not committed may still be taken back (truncate).
 *
 * Thread:   one. Whoever opened an engine calls everything below, and the engine calls the four tables on it. The
 * tables must not call the engine back. Progress: nothing blocks but begin and keep_vote, and those happen at the first
 * start and at elections only. Clock:    monotonic_ns, for time limits alone. Time never gets into the log from here.
 * Nodes:    numbered 1 .. nodes, the same for the whole life of a cluster.
 *
 *   propose ──▶ engine ──▶ storage.append ──▶ disk      storage.durable ──▶ engine ──▶ machine.committed
 *                 │  ▲                                                        │
 *    network.send ▼  │ receive                                                └─────▶ machine.answered
 *               other nodes
 */
#ifndef PIT_STAGES_CONSENSUS_H
#define PIT_STAGES_CONSENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "pitline/error.h"
#include "stages/clock.h"

#define PIT_CONSENSUS_NODES_MAX 5u
#define PIT_CONSENSUS_ENTRY_BYTES_MAX (UINT64_C(512) << 10) /* payload of an entry */
#define PIT_CONSENSUS_ENTRIES_MAX 256u                      /* in one message, and in one append */
#define PIT_CONSENSUS_PIECES_MAX (1u + 2u * PIT_CONSENSUS_ENTRIES_MAX)
#define PIT_CONSENSUS_MESSAGE_BYTES_MAX (UINT64_C(4) << 20)
#define PIT_CONSENSUS_FLIGHT_BYTES_MAX (UINT64_C(3) << 20)
#define PIT_CONSENSUS_FLIGHTS_MAX 64u /* messages with entries under way to one node */
#define PIT_CONSENSUS_TAGS_MAX 4096u  /* proposals without an answer */
/* Of committed entries kept in memory, for nodes that are a little behind; those that are further are read back. */
#define PIT_CONSENSUS_MEMORY_BYTES (UINT64_C(8) << 20)
#define PIT_CONSENSUS_ENTRY_OVERHEAD_BYTES UINT64_C(256) /* counted for each entry in memory, beside its payload */

/* The numbers stand on disks and in messages. */
enum pit_consensus_kind {
    PIT_CONSENSUS_COMMANDS = 1, /* a batch that was proposed */
    PIT_CONSENSUS_BARRIER = 2,  /* written by a new leader, or to confirm that it leads; no commands in it */
    PIT_CONSENSUS_MEMBERS = 3,  /* who the nodes are: always the first entry, and no other */
};

/* In place of a vote: this node has lost its log, and does not take part yet (options.rejoin). */
#define PIT_CONSENSUS_REJOINING UINT64_C(255)

struct pit_consensus_entry {
    uint64_t index; /* 1, 2, 3, ... */
    uint64_t term;
    uint32_t kind;  /* enum pit_consensus_kind */
    uint32_t bytes; /* of the payload: see pit_consensus_propose; of a barrier, 8 zero bytes */
    const void *payload;
};

/* The entry that a log goes on from: it and all before it are committed. {0, 0}: the log begins with entry 1. */
struct pit_consensus_base {
    uint64_t index, term;
};

/* The storage half. Everything is in the order of the calls. A ticket is a number that rises with each call of append
 * and truncate. Each function but durable returns 0 or a negative errno; an error is final: the engine stops, and says
 * nothing to anybody any more. */
struct pit_consensus_storage {
    void *context;
    /* Tells what is on disk: the term, the vote in it as keep_vote got it (0 = for nobody), the base, and then each
     * entry after the base, in order. Entries up to the base are not told: they are known to be committed, and either
     * on this disk, or in what the state machine was started from. each returns 0, or an error that load must return.
     * An empty log: term 0, no base and no entries. */
    int (*load)(void *context, uint64_t *term, uint64_t *vote, struct pit_consensus_base *base,
                int (*each)(void *argument, const struct pit_consensus_entry *entry), void *argument,
                struct pit_error *error);
    /* Begins a new log with its first entry. Durable when it returns; never the entry without the vote. */
    int (*begin)(void *context, uint64_t term, uint64_t vote, const struct pit_consensus_entry *first);
    /* The term, and the vote in it: a node, 0, or PIT_CONSENSUS_REJOINING, which another may follow. Durable when it
     * returns; entries that were appended before need not be. */
    int (*keep_vote)(void *context, uint64_t term, uint64_t vote);
    /* Adds count entries (1 .. PIT_CONSENSUS_ENTRIES_MAX) after those that are there. Payloads stay where they are
     * until durable has returned the ticket, or the engine is closed. */
    int (*append)(void *context, uint64_t ticket, const struct pit_consensus_entry *entries, uint32_t count);
    /* The entries from index on are void. */
    int (*truncate)(void *context, uint64_t ticket, uint64_t index);
    /* The last ticket that is durable with all before it; never falls. Negative errno: the disk has failed for good. */
    int64_t (*durable)(void *context);
    /* Committed entries from the disk, from index on, for a node that is behind. More than 0: so many of them (at most
     * max, and no more than is easily held) are in entries, payloads valid until the next call of read; *before_term is
     * the term of entry index - 1, 0 for index 1. 0: they are being read, ask again. Negative: -ENODATA, the log begins
     * after index now, or another error, they cannot be read. That is tried again, and the node needs a snapshot. */
    int32_t (*read)(void *context, uint64_t index, struct pit_consensus_entry *entries, uint32_t max,
                    uint64_t *before_term);
};

/* The network half. A message may get lost, come late, twice, or in another order; it may not be changed. Once a node
 * has heard one that was sent after its sender has lost its disk, it hears none any more that was sent before. */
struct pit_consensus_network {
    void *context;
    /* Takes a copy of the message, or sends it. False: there is no room or no connection; the message is lost, and what
     * was in it is sent again later. */
    bool (*send)(void *context, uint32_t node, const struct iovec *pieces, uint32_t count, size_t bytes);
};

enum pit_consensus_outcome {
    PIT_CONSENSUS_COMMITTED = 1,
    PIT_CONSENSUS_UNKNOWN = 2, /* this node leads no more: a later leader commits it or replaces it */
};

struct pit_consensus_machine {
    void *context;
    /* Each committed entry of commands, in order, once; beginning with the first after the base after each open. The
     * payload is valid during the call. */
    void (*committed)(void *context, const struct pit_consensus_entry *entry);
    /* What became of a proposal: once for each. With COMMITTED, committed was called for this index just before. */
    void (*answered)(void *context, uint64_t tag, enum pit_consensus_outcome outcome, uint64_t index);
};

struct pit_consensus_options {
    uint32_t node;        /* 1 .. nodes */
    uint32_t nodes;       /* 3 or 5 */
    bool begin;           /* an empty disk is a new cluster. Without this it is refused: a node that has lost its
                             disk must not vote as if it had promised nothing */
    bool rejoin;          /* an empty disk is that of a node which has lost it: it takes part when it has caught up. The
                             others have to be there for that, all of them, and at most a minority may do this at a
                             time. On a disk that is not empty it means nothing */
    uint32_t election_ms; /* silence of the leader after which an election begins (up to twice that). 50 .. 60000 */
    uint32_t heartbeat_ms;     /* at most a third of election_ms */
    uint64_t flight_bytes;     /* sent to one node and not yet acknowledged. 4096 .. PIT_CONSENSUS_FLIGHT_BYTES_MAX;
                                  an entry that is larger travels alone */
    uint64_t unanswered_bytes; /* proposed and not yet answered; more is refused */
    uint64_t memory_bytes;     /* of committed entries kept in memory; 0 = PIT_CONSENSUS_MEMORY_BYTES */
    struct pit_consensus_storage storage;
    struct pit_consensus_network network;
    struct pit_consensus_machine machine;
    struct pit_clock clock;             /* monotonic_ns is used */
    uint64_t (*random)(void *argument); /* 64 random bits, for election timeouts */
    void *random_argument;
};

enum pit_consensus_role {
    PIT_CONSENSUS_FOLLOWER = 1,
    PIT_CONSENSUS_CANDIDATE = 2,
    PIT_CONSENSUS_LEADER = 3,
    PIT_CONSENSUS_STOPPED = 4, /* failed: pit_consensus_failed says why */
};

struct pit_consensus_state {
    enum pit_consensus_role role;
    bool ready;      /* leads, and has committed everything its predecessors may have: proposals are taken */
    uint32_t leader; /* 0 = not known */
    uint64_t term;
    uint64_t last;                                 /* index of the last entry in the log */
    uint64_t durable;                              /* of the last known to be on this node's disk */
    uint64_t committed;                            /* of the last known to be committed */
    uint64_t matched[PIT_CONSENSUS_NODES_MAX + 1]; /* leader: of each other node, up to which its log is as ours */
    bool rejoining;                                /* follows, but neither votes nor counts: options.rejoin */
    uint64_t memory_bytes;                         /* of entries in memory, committed or not */
    uint32_t needs_snapshot; /* leader: bits (1 << node) of nodes that need entries which the disk has no more */
    /* Counters since open. */
    uint64_t refused;   /* messages that no right node sends: each was dropped */
    uint64_t waited;    /* acknowledgements that came before a new leader's barrier was on its disk: counted later */
    uint64_t bounded;   /* acknowledgements whose claim was cut to what had been compared */
    uint64_t postponed; /* messages dropped because they truncate what was still being written */
    uint64_t cut;       /* messages shortened, or emptied, for flight_bytes */
    uint64_t reread;    /* entries sent that were read back from the disk */
    uint64_t ahead;     /* leader: appends that a majority of the others had on disk before this node had */
};

struct pit_consensus;

/* Loads the log and takes part from now on. 0, or with error's text: -EINVAL: an option; -ENOMEM; -ENODATA: the disk is
 * empty and begin is not set; -EBADMSG: what is on the disk is no log of this cluster; others: the storage's. */
int pit_consensus_open(struct pit_consensus **consensus, const struct pit_consensus_options *options,
                       struct pit_error *error);

/* Ends it where it stands: nothing is written or sent. Proposals without an answer are answered UNKNOWN. */
void pit_consensus_close(struct pit_consensus *consensus);

/* Asks for a batch (it is copied) to be the next entry. bytes: a multiple of 8, 8 .. PIT_CONSENSUS_ENTRY_BYTES_MAX; no
 * 64 bytes of it from a multiple of 64 on are all zero (commands never are). 0: answered will be called with tag.
 * -EPERM: this node does not lead, or is not ready. -EAGAIN: too much is without an answer. -EMSGSIZE: too long.
 * -EINVAL: no payload. -ENOMEM. -EIO: stopped; if it stopped in this call, what becomes of the batch is not known. */
int pit_consensus_propose(struct pit_consensus *consensus, const void *payload, size_t bytes, uint64_t tag);

/* Asks for an entry without commands. Answered COMMITTED, this node has led at a moment since the call, and all that
 * was committed before that moment has been told: nobody had replaced it unnoticed. Else as propose. */
int pit_consensus_confirm(struct pit_consensus *consensus, uint64_t tag);

/* Hands leadership over to another node. 0: no more proposals are taken (-EPERM), and when that node has everything it
 * is told to lead; then this one follows. If that does not come about within election_ms, this one leads on, and is
 * ready again; if what is said then gets lost, somebody is elected as when a leader has died. -EPERM: this node does
 * not lead, is not ready, or is handing over already. -EINVAL: no such node, or this one. -EIO: stopped. */
int pit_consensus_transfer(struct pit_consensus *consensus, uint32_t node);

/* A message that node from has sent. Whatever the bytes are: what no right node sends is dropped and counted. */
void pit_consensus_receive(struct pit_consensus *consensus, uint32_t from, const void *bytes, size_t count);

/* What node sends cannot come any more on the way it came so far: its end has been closed, as that of a process that
 * has died. Said when all that came on it has been given to receive. A leader's followers then do not wait for
 * election_ms; of a leader that lives they hear again, or the others refuse them. To say it wrongly, or never, harms
 * nothing. */
void pit_consensus_lost(struct pit_consensus *consensus, uint32_t node);

/* Looks at the disk and at the clock. Returns how much there was to do. Call it at least every heartbeat_ms / 4. */
uint32_t pit_consensus_work(struct pit_consensus *consensus);

struct pit_consensus_state pit_consensus_state(const struct pit_consensus *consensus);

/* True once it has stopped for good; error (may be NULL) says why. */
bool pit_consensus_failed(const struct pit_consensus *consensus, struct pit_error *error);

/* "C-Raft 0.15.0" */
const char *pit_consensus_engine(void);

#endif
