/* stages/consensus_raft.h - C-Raft 0.15.0 behind stages/consensus.h: what its parts share.
 *
 * Used is the core of the library alone, linked statically; its own disk and network layer stays out. The core asks for
 * a struct raft_io, and that is where everything here stands: below it are our tables, above it the core.
 *
 *   consensus_raft.c          open, close, propose, work, state
 *   consensus_raft_storage.c  raft_io's storage: appends under way, when the core may know that one is durable
 *   consensus_raft_network.c  raft_io's network: bytes under way to each node, what is let in
 *   consensus_raft_memory.c   what of the log is in memory, and what is to be done where it is not
 *   consensus_raft_behind.c   entries from the disk, for a node that is behind
 *   consensus_raft_rejoin.c   a node that has lost its log
 *   consensus_raft_transfer.c a leader that hands over
 *   consensus_raft_turn.c     a follower that asks to lead before its time
 *   consensus_raft_codec.c    messages as bytes
 *   consensus_raft_guards.c   what has to stand between this version and its mistakes
 *
 * This version is trusted only as far as these parts have been tested with it: the build asks for it by number.
 */
#ifndef PIT_STAGES_CONSENSUS_RAFT_H
#define PIT_STAGES_CONSENSUS_RAFT_H

#include <raft.h>

#include "ring/check.h"
#include "stages/consensus.h"

#define PIT_RAFT_HEADER_BYTES 64u /* of a message, before its entries */
#define PIT_RAFT_ENTRY_HEADER_BYTES 16u
#define PIT_RAFT_SENT_MAX 64u /* in one call of the core: a few for each node */

/* An append that is not durable, or which the core has not been told to be. */
struct pit_raft_append {
    struct raft_io_append *request; /* NULL: the core has been told */
    uint64_t ticket;
    uint64_t last;  /* index of its last entry */
    uint64_t bytes; /* as memory is counted */
};

/* A send whose end the core has to be told: not from within the call, so after it. */
struct pit_raft_sent {
    struct raft_io_send *request;
    int status;    /* 0, or a RAFT_ code: the core goes back to what was acknowledged */
    uint32_t node; /* of a request with entries; 0 of others */
    uint64_t next; /* the core's place in that node's log when it was sent */
};

struct pit_raft_flight {
    uint64_t before; /* index of the entry before the first in it */
    uint64_t last;   /* of the last */
    uint64_t bytes;
};

struct pit_raft_peer {
    struct pit_raft_flight flights[PIT_CONSENSUS_FLIGHTS_MAX]; /* oldest first, from first on, around */
    uint32_t first, count;
    uint64_t bytes;     /* of all of them */
    bool careful;       /* it has refused something since it acknowledged something */
    uint64_t moved_ns;  /* when the oldest was sent, or something was acknowledged */
    uint64_t heard_ns;  /* when something was sent to it that keeps it from campaigning */
    uint64_t unread;    /* index from which on entries could not be read for it, */
    uint64_t unread_ns; /* then */
    bool held;          /* an acknowledgement waits until it may be counted: */
    struct raft_append_entries_result acknowledgement;
    uint64_t life;      /* of a node that rejoins, the one in which its place in this leader's log was reset, */
    uint64_t life_term; /* in this term */
};

/* A message that is not the core's. */
enum pit_raft_note_kind {
    PIT_RAFT_NOTE_BEGUN = 16,     /* life: "I have lost my log, and begin anew" */
    PIT_RAFT_NOTE_TOLD = 17,      /* life, term, whether it leads and is ready, committed: the answer */
    PIT_RAFT_NOTE_TAKE_OVER = 18, /* term, node: "I lead no more in this term; it is this node's turn" */
};

#define PIT_RAFT_NOTE_WORDS 7u

struct pit_raft_note {
    uint32_t kind;
    uint32_t zero;
    uint64_t words[PIT_RAFT_NOTE_WORDS];
};

/* What a node that has lost its log knows in this life. */
struct pit_raft_rejoin {
    bool active;
    uint64_t life;     /* a random number */
    uint32_t answered; /* bit of each node */
    uint64_t highest;  /* term that anybody is in */
    uint32_t leader;   /* who leads in term, and had committed so much when it was told */
    uint64_t term, committed;
    uint64_t due_ns; /* when it tells next */
};

struct pit_raft_proposal {
    union {
        struct raft_apply batch;
        struct raft_barrier barrier;
    };
    struct pit_consensus *consensus;
    uint64_t tag;
    uint64_t bytes;
};

/* A leader that hands over. */
struct pit_raft_transfer {
    uint32_t node; /* 0 = none */
    uint64_t term, until_ns;
};

/* It is this node's turn to ask. */
struct pit_raft_turn {
    uint64_t term; /* in this term, 0 = it is not */
    uint64_t at_ns;
    bool unless_heard; /* of a leader, by then */
};

struct pit_consensus {
    struct raft raft;
    struct raft_io io;
    struct raft_fsm fsm;
    struct pit_consensus_options options;
    struct pit_error failure; /* code 0: works */
    /* Storage. */
    struct pit_raft_append *appends; /* a ring of appends_room, a power of two: */
    uint32_t appends_room, appends_first, appends_count;
    uint32_t appends_told;    /* of the first so many the core has been told, */
    uint32_t appends_durable; /* and so many are durable; one of the two is 0 after each call */
    uint64_t written;         /* index of the last entry that is durable with all before it */
    uint64_t ahead_bytes;     /* of entries that the core takes for durable, and are not on this disk yet */
    uint64_t ticket;          /* the last one given */
    uint64_t durable;         /* the last one durable */
    uint64_t next_index;      /* of the next entry appended */
    uint64_t kept_term;       /* the last one given to keep_vote */
    uint8_t members[256];     /* the first entry, as it must be */
    uint32_t members_bytes;
    /* Memory. */
    uint64_t memory_bytes;    /* of the entries in the core's memory */
    uint64_t committed_bytes; /* of those of them up to counted */
    uint64_t counted;         /* index */
    uint32_t needs_snapshot;
    /* Network. */
    struct pit_raft_peer peers[PIT_CONSENSUS_NODES_MAX + 1];
    struct pit_raft_sent sent[PIT_RAFT_SENT_MAX];
    uint32_t sent_count;
    uint8_t headers[PIT_RAFT_HEADER_BYTES + PIT_CONSENSUS_ENTRIES_MAX * PIT_RAFT_ENTRY_HEADER_BYTES]; /* being sent */
    raft_io_tick_cb tick;
    raft_io_recv_cb receive;
    uint64_t tick_due_ns;
    /* Guards. */
    uint64_t barrier_term;                  /* the term this node leads and has issued a barrier in */
    uint64_t barrier_index;                 /* of that barrier */
    uint64_t ready_term;                    /* the term whose barrier is committed */
    uint64_t compared_term;                 /* follower: in this term, */
    uint64_t compared;                      /* everything up to here is known to be as in the leader's log */
    bool comparing;                         /* a request is being received, */
    uint64_t comparing_end, comparing_term; /* with entries up to here, of this term */
    uint64_t comparing_before_term;         /* of the entry before them */
    bool rejected;                          /* and was answered with no */
    struct raft_barrier barrier;
    bool barrier_busy;
    struct pit_raft_rejoin rejoin;
    struct pit_raft_transfer transfer;
    struct pit_raft_turn turn;
    /* Proposals. */
    uint32_t unanswered;
    uint64_t unanswered_bytes;
    uint64_t refused, waited, bounded, postponed, cut, reread, ahead;
};

/* consensus_raft.c */

/* Stops for good; the first reason stays. Returns RAFT_IOERR. */
__attribute__((format(printf, 3, 4))) int pit_raft_fail(struct pit_consensus *consensus, int code, const char *format,
                                                        ...);

/* The term of the entry at index as far as the core knows it, 0 where it does not: of entries in its memory, and of the
 * last one that it may have forgotten. */
uint64_t pit_raft_term_of(const struct pit_consensus *consensus, uint64_t index);

/* Whether an entry may have this payload: a barrier 8 zero bytes, others as stages/consensus.h says. */
bool pit_raft_payload_fits(uint32_t kind, const void *payload, size_t bytes);

/* What of an entry is written and sent. (A barrier's payload is whatever the core found in its memory.) */
const void *pit_raft_payload(const struct raft_entry *entry);

/* The nodes, as the core has them. 0 or -ENOMEM; close the configuration in any case. */
int pit_raft_members(const struct pit_consensus *consensus, struct raft_configuration *configuration);

/* The core's place in a node's log; NULL: this node does not lead. */
struct raft_progress *pit_raft_progress(const struct pit_consensus *consensus, uint32_t node);

/* consensus_raft_memory.c */

/* The entry in the core's memory, or NULL. */
const struct raft_entry *pit_raft_memory_entry(const struct pit_consensus *consensus, uint64_t index);

/* An entry has come into the core's memory, or those from index on go. */
void pit_raft_memory_add(struct pit_consensus *consensus, uint64_t bytes);
void pit_raft_memory_truncate(struct pit_consensus *consensus, uint64_t index);

/* The entries up to index are committed and done: if they are too many, the core is to forget some when it has done
 * with what it does now. */
void pit_raft_memory_committed(struct pit_consensus *consensus, uint64_t index);

/* The core's snapshots: empty, and complete at once. */
int pit_raft_memory_snapshot(struct raft_fsm *fsm, struct raft_buffer *buffers[], unsigned *count);
int pit_raft_memory_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *request,
                        const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb callback);

/* Follower: of a request, what the core has forgotten is taken out. False: it contradicts what is committed here. */
bool pit_raft_memory_overlap(const struct pit_consensus *consensus, struct raft_message *message);

/* consensus_raft_behind.c */

/* Leader: the node needs entries that are not in the core's memory. */
bool pit_raft_behind(const struct pit_consensus *consensus, uint32_t node);

/* Leader: sends such nodes entries from the disk. Returns how many. */
uint32_t pit_raft_behind_send(struct pit_consensus *consensus);

/* consensus_raft_rejoin.c */

/* Node that rejoins: whether it does not even look at such a message. */
bool pit_raft_rejoin_ignores(const struct pit_consensus *consensus, const struct raft_message *message);

/* Node that rejoins: of a claim, what may count for others. */
uint64_t pit_raft_rejoin_claim(const struct pit_consensus *consensus, uint64_t claim);

/* Node that rejoins: before each tick, and after whatever was heard. */
void pit_raft_rejoin_tick(struct pit_consensus *consensus);
void pit_raft_rejoin_look(struct pit_consensus *consensus);

void pit_raft_rejoin_begun(struct pit_consensus *consensus, uint32_t from, const struct pit_raft_note *note);
void pit_raft_rejoin_told(struct pit_consensus *consensus, uint32_t from, const struct pit_raft_note *note);

/* consensus_raft_transfer.c */

int pit_raft_transfer_begin(struct pit_consensus *consensus, uint32_t node);
bool pit_raft_transfer_pending(const struct pit_consensus *consensus);
void pit_raft_transfer_look(struct pit_consensus *consensus); /* after whatever was heard, or written */
void pit_raft_transfer_told(struct pit_consensus *consensus, uint32_t from, const struct pit_raft_note *note);

/* consensus_raft_turn.c */

/* Follower: there is no leader any more, and after so long this node campaigns; or unless_heard one is heard by then.
 */
void pit_raft_turn_set(struct pit_consensus *consensus, uint64_t wait_ns, bool unless_heard);
void pit_raft_turn_lost(struct pit_consensus *consensus, uint32_t node); /* the connection from a node has ended */
void pit_raft_turn_asked(struct pit_consensus *consensus);               /* before each request for a vote */
void pit_raft_turn_tick(struct pit_consensus *consensus);                /* before each tick */
void pit_raft_turn_ticked(struct pit_consensus *consensus);              /* after it */

/* consensus_raft_storage.c */

int pit_raft_storage_load(struct raft_io *io, raft_term *term, raft_id *voted_for, struct raft_snapshot **snapshot,
                          raft_index *start_index, struct raft_entry *entries[], size_t *entries_count);
int pit_raft_storage_bootstrap(struct raft_io *io, const struct raft_configuration *configuration);
int pit_raft_storage_set_term(struct raft_io *io, raft_term term);
int pit_raft_storage_set_vote(struct raft_io *io, raft_id node);
int pit_raft_storage_append(struct raft_io *io, struct raft_io_append *request, const struct raft_entry entries[],
                            unsigned count, raft_io_append_cb callback);
int pit_raft_storage_truncate(struct raft_io *io, raft_index index);

/* The vote in the present term, kept from outside of the core. False: it has failed. */
bool pit_raft_storage_vote(struct pit_consensus *consensus, uint32_t node);

/* Asks the storage how far it is. False: it has failed. */
bool pit_raft_storage_look(struct pit_consensus *consensus);

/* Tells the core of appends that are durable, as far as it may know now. Returns how many. */
uint32_t pit_raft_storage_complete(struct pit_consensus *consensus);

/* Forgets all appends: the core is told that they are done, after which it is closed. */
void pit_raft_storage_abandon(struct pit_consensus *consensus);

/* consensus_raft_network.c */

int pit_raft_network_send(struct raft_io *io, struct raft_io_send *request, const struct raft_message *message,
                          raft_io_send_cb callback);

/* Sends a node a request, of its entries as many as may go now; if none may, nothing. Returns how many; negative: it
 * could not be sent. */
int32_t pit_raft_network_append(struct pit_consensus *consensus, struct raft_message *message);

/* Whether entries to a node are under way: then *last is the last of them. *full: no more may go. */
bool pit_raft_network_under_way(struct pit_consensus *consensus, uint32_t node, uint64_t *last, bool *full);

/* Tells the core that its sends are done. */
void pit_raft_network_settle(struct pit_consensus *consensus);

/* A message has come in from a node: what of it is no longer under way. */
void pit_raft_network_acknowledged(struct pit_consensus *consensus, uint32_t node,
                                   const struct raft_append_entries_result *result);

/* Leader: of a refusal, where to look next. */
void pit_raft_network_look_back(const struct pit_consensus *consensus, struct raft_append_entries_result *result);

/* A new leader has nothing under way; nor has anybody to a node that has lost it. */
void pit_raft_network_forget(struct pit_consensus *consensus);
void pit_raft_network_forget_node(struct pit_consensus *consensus, uint32_t node);

bool pit_raft_network_note(struct pit_consensus *consensus, uint32_t node, const struct pit_raft_note *note);

/* Whether a right node can have sent this message to us. */
bool pit_raft_network_admits(struct pit_consensus *consensus, uint32_t from, struct raft_message *message);

/* consensus_raft_codec.c */

/* Fills pieces (PIT_CONSENSUS_PIECES_MAX) with the message, its headers in headers; of an append only the first
 * entries. Returns how many pieces. */
uint32_t pit_raft_encode(const struct raft_message *message, uint32_t entries, uint8_t *headers, struct iovec *pieces,
                         size_t *bytes);

/* Whether it is a note: then it is filled. */
bool pit_raft_decode_note(const void *bytes, size_t count, struct pit_raft_note *note);

/* 0: message is filled, and owns its entries (raft_malloc, one batch). -EBADMSG: no message. -ENOMEM. */
int pit_raft_decode(const void *bytes, size_t count, struct raft_message *message);
void pit_raft_discard(struct raft_message *message);

/* consensus_raft_guards.c: each says what it stands against. */

/* After everything that can make this node a leader. */
void pit_raft_guard_leader(struct pit_consensus *consensus);

/* Leader: acknowledgements may not be counted yet. */
bool pit_raft_guard_acknowledgements_wait(const struct pit_consensus *consensus);

/* Follower: the index up to which a success may be claimed now. */
uint64_t pit_raft_guard_bound(const struct pit_consensus *consensus);

/* Follower: before and after a request with entries is given to the core. */
void pit_raft_guard_comparing(struct pit_consensus *consensus, const struct raft_append_entries *request);
void pit_raft_guard_compared(struct pit_consensus *consensus);

/* The request would truncate what is still being written. */
bool pit_raft_guard_truncation_waits(const struct pit_consensus *consensus, const struct raft_append_entries *request);

/* An answer to a request for a vote. */
void pit_raft_guard_refusal(const struct pit_consensus *consensus, struct raft_request_vote_result *result);

/* Node that rejoins: whether it knows enough, and has enough, to take part. */
bool pit_raft_guard_rejoins(const struct pit_consensus *consensus);

/* Leader: a node has lost its log, and says so in this life. */
void pit_raft_guard_life(struct pit_consensus *consensus, uint32_t node, uint64_t life);

/* Leader: the index up to which its own disk may be counted. */
uint64_t pit_raft_guard_own_disk(const struct pit_consensus *consensus);

/* Leader: the index up to which it need not be counted. */
uint64_t pit_raft_guard_other_disks(const struct pit_consensus *consensus);

#endif
