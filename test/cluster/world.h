/* test/cluster/world.h - a whole cluster in one thread, on virtual time, a virtual disk a node and a virtual network.
 *
 * Everything that happens is an event in one queue, ordered by time and then by when it was queued; every choice comes
 * from one seeded generator. So a seed is a run, and runs the same each time. The engine under test is the real one
 * (stages/consensus.h), the state machine the real book (book/market.h).
 *
 *   world.c     time, events, random numbers, the network, the loop
 *   disk.c      a node's disk: what is written, what is durable, what a crash leaves; disk_journal.c: the same with
 *               the real journal
 *   node.c      a node: the engine, the market behind it, what clients ask of it
 *   lives.c     a node that loses its log, or is given another's state
 *   faults.c    what goes wrong, and when it ends
 *   checks.c    what must hold whatever goes wrong
 */
#ifndef PIT_TEST_CLUSTER_WORLD_H
#define PIT_TEST_CLUSTER_WORLD_H

#include "book/market.h"
#include "stages/consensus.h"

#define WORLD_NODES_MAX PIT_CONSENSUS_NODES_MAX
#define WORLD_ENTRIES_MAX 16384u  /* in the log of one run */
#define WORLD_EVENTS_MAX 1000000u /* a run has 7,000 or so; more is messages that bring forth messages */
#define WORLD_TERMS_MAX 16384u
#define WORLD_COMMANDS_MAX 6u /* in one entry */
#define WORLD_MARKET_BYTES (4u << 20)
#define WORLD_ELECTION_MS 150u
#define WORLD_HEARTBEAT_MS 40u

#define MILLISECOND UINT64_C(1000000)
#define MICROSECOND UINT64_C(1000)

/* Disk. */

struct disk_entry {
    uint64_t term;
    uint64_t chain; /* over this entry and all before it */
    uint32_t kind;
    uint32_t bytes;
    void *payload;
};

struct disk_mark {
    uint64_t term, chain;
};

struct disk_write { /* asked for, not durable */
    struct disk_write *next;
    uint64_t ticket;
    uint64_t first;                       /* index; of a truncation: the first that is void */
    uint32_t count;                       /* 0: a truncation */
    uint64_t *chains;                     /* behind the entries */
    struct pit_consensus_entry entries[]; /* payloads are the engine's until then */
};

struct disk {
    struct world *world;
    uint32_t node;
    struct disk_entry
        *entries; /* durable: entry i at i - 1; also those that nobody can read any more, for the checks */
    uint64_t count, room;
    uint64_t base;          /* the engine is told of the entries after it */
    uint64_t first;         /* entries before it are removed */
    uint64_t committed;     /* known to be when it was written last */
    struct disk_mark *lost; /* what was durable before the disk was lost, for the checks */
    uint64_t lost_count;
    bool damaged; /* what is loaded is refused */
    uint64_t term, vote;
    struct disk_write *writes, **writes_end;
    struct disk_mark *log; /* as asked for: entry i at i - 1 */
    uint64_t log_count, log_room;
    uint64_t ticket;  /* durable up to here */
    uint64_t asked;   /* the last one asked for */
    bool busy;        /* a write is under way */
    uint64_t slow_ns; /* added to each write */
    uint64_t fail_in; /* the how-manieth call from now on fails; 0 = none */
    bool full;
    bool failed;
    struct disk_journal *journal; /* NULL: what is above is the disk; otherwise what the journal below must hold */
};

/* Node. */

struct node {
    struct world *world;
    uint32_t number; /* 1 .. */
    struct disk disk;
    struct pit_consensus *consensus; /* NULL: not running */
    uint32_t generation;             /* of running: events of an older one are void */
    uint64_t paused_until_ns;
    uint64_t monotonic_ahead_ns; /* of virtual time; jumps grow it */
    int64_t utc_ahead_ns;
    int64_t drift_ppm;
    uint64_t restart_ns;                 /* when it is to run again; 0 = it runs */
    uint32_t life;                       /* how often it has lost promises */
    uint32_t heard[WORLD_NODES_MAX + 1]; /* the life in which each other was heard last */
    bool unfit;                          /* has lost promises, and has not caught up */
    bool installing;                     /* is about to be given a state */
    /* The state machine. */
    uint8_t *memory;
    size_t memory_used;
    struct pit_market *market;
    struct pit_event_sink sink;
    uint64_t delivered;     /* index of the last committed entry it has done */
    uint64_t sequence;      /* of the last command done */
    uint64_t time_ns;       /* of that command */
    uint64_t proposed_term; /* the term in which the two below count */
    uint64_t proposed_sequence, proposed_time_ns;
    uint64_t committed; /* as the engine said last; */
    bool led;           /* whether it led then */
    uint64_t ahead;     /* appends, as the engine said last, that it took for committed before its own disk had them */
    bool meant_to_stop; /* a fault was made to stop it */
};

/* What is known to be committed: of each index what the first node said. */
struct truth {
    uint64_t chain;
    uint64_t events, state; /* digests after it */
    uint64_t sequence;      /* of its last command */
    uint64_t tag;
    bool known;
};

struct event {
    uint64_t at_ns, order;
    void (*happen)(struct world *world, struct event *event);
    struct letter *letter;
    uint32_t node, generation;
    uint64_t value;
};

struct world {
    uint64_t seed, random_state;
    uint32_t nodes;
    uint64_t now_ns, order;
    struct event *events; /* a heap */
    uint32_t events_count, events_room;
    struct node node[WORLD_NODES_MAX + 1];
    /* Network. */
    bool cut[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1]; /* from, to */
    uint32_t loss_permille, twice_permille, late_permille;
    uint64_t delay_ns;
    const char *passed_over; /* a check that does not count; NULL = all do */
    uint32_t haste_permille; /* new leaders that something happens to at once */
    bool vote_flushes;       /* the disk keeps votes in the row of its writes, or apart from them */
    bool journals;           /* the disks hold real journals */
    bool calm;               /* no faults any more */
    bool loaded;             /* clients ask */
    uint64_t client_gap_ns;
    uint32_t commands_most;
    uint64_t keep_bytes;   /* of committed entries that a journal tells at the start */
    uint64_t memory_bytes; /* of the engine's */
    /* What is known. */
    struct truth truth[WORLD_ENTRIES_MAX + 1];
    uint32_t leader_of[WORLD_TERMS_MAX];
    uint64_t highest;  /* index committed anywhere */
    uint64_t next_tag; /* of proposals; tags are 1 .. */
    uint64_t acknowledged, unknown;
    struct matching *matching;
    struct pit_event *slots;
    /* Outcome. */
    uint64_t trace; /* over everything that happened */
    uint64_t happened, delivered, crashes, elections, installed, rejoined, reread, handed, ahead;
    uint32_t heir;       /* whom a leader hands over to */
    char violation[512]; /* the first; empty = none */
    bool telling;        /* print what happens */
};

/* world.c */

void world_begin(struct world *world, uint64_t seed, uint32_t nodes);
void world_end(struct world *world);  /* what it allocated is kept for the next run */
void world_free(struct world *world); /* that too */

/* Lets things happen until a time, or a violation. */
void world_run(struct world *world, uint64_t until_ns);

/* A whole run with faults and a calm end, in which everybody has to agree. */
void world_live(struct world *world);

uint64_t world_random(struct world *world);
uint64_t world_between(struct world *world, uint64_t least, uint64_t most);
bool world_chance(struct world *world, uint32_t permille);

/* Queues an event. */
struct event *world_later(struct world *world, uint64_t at_ns, uint32_t node,
                          void (*happen)(struct world *world, struct event *event));

bool world_send(void *context, uint32_t to, const struct iovec *pieces, uint32_t count, size_t bytes);
void world_heal_network(struct world *world);

__attribute__((format(printf, 2, 3))) void world_violation(struct world *world, const char *format, ...);
__attribute__((format(printf, 2, 3))) void world_tell(struct world *world, const char *format, ...);
void world_note(struct world *world, uint64_t value); /* into the trace */

/* disk.c */

void disk_begin(struct disk *disk, struct world *world, uint32_t node);
void disk_end(struct disk *disk);
struct pit_consensus_storage disk_storage(struct disk *disk);

struct pit_consensus_entry disk_entry(const struct disk *disk, uint64_t index); /* durable */

/* Before a start: entries up to some that is known to be committed are not told any more, older ones are removed. */
void disk_choose_base(struct disk *disk);

/* Removes some of the committed entries. */
void disk_remove(struct disk *disk);

/* The disk is empty; or it holds, up to base, what another has, without entries before or after. */
void disk_lose(struct disk *disk);
void disk_install(struct disk *disk, const struct disk *donor, uint64_t base);

/* The machine stops: of what was not durable some may be there. Call it before the engine is closed. */
void disk_crash(struct disk *disk);

/* Of what was asked for, the oldest becomes durable, of an append the first entries; or all of it. */
void disk_settle(struct disk *disk, uint32_t entries);
void disk_settle_all(struct disk *disk);

/* disk_journal.c: the real journal (journal/log.h) on a disk in memory. Whatever is asked for goes to both, and what is
 * found after a crash must be what was asked for up to some point, not before what was durable. */

void disk_journal_create(struct disk *disk);
void disk_journal_destroy(struct disk *disk);
void disk_journal_crash(struct disk *disk);
void disk_journal_lose(struct disk *disk);
void disk_journal_install(struct disk *disk, uint64_t first_sequence); /* what is above is installed */
uint64_t disk_journal_base(struct disk *disk);
int32_t disk_journal_read(struct disk *disk, uint64_t index, struct pit_consensus_entry *entries, uint32_t max,
                          uint64_t *before_term);
void disk_journal_fail(struct disk *disk, uint64_t writes); /* so many from now on, one fails */
uint64_t disk_journal_turn(struct disk *disk);              /* a block is written. Returns what is durable */
int disk_journal_load(struct disk *disk, uint64_t *term, uint64_t *vote, struct pit_consensus_base *base,
                      int (*each)(void *argument, const struct pit_consensus_entry *entry), void *argument,
                      struct pit_error *error);
int disk_journal_begin(struct disk *disk, uint64_t term, uint64_t vote, const struct pit_consensus_entry *first);
int disk_journal_keep_vote(struct disk *disk, uint64_t term, uint64_t vote);
int disk_journal_append(struct disk *disk, uint64_t ticket, const struct pit_consensus_entry *entries, uint32_t count);
int disk_journal_truncate(struct disk *disk, uint64_t ticket, uint64_t index);
void disk_journal_committed(struct disk *disk, uint64_t index);

/* node.c */

void node_start(struct node *node);
void node_stop(struct node *node, uint64_t restart_ns); /* at once, as a power cut does */
void node_lost(struct node *node); /* others notice that the connections from it have ended, rightly or not */
void node_end(struct node *node);
void node_attend(struct node *node);              /* after whatever the engine did */
uint32_t node_leading(const struct world *world); /* the one of the highest term, 0 = none */
void node_clients(struct world *world, struct event *event);
uint64_t node_utc_ns(const struct node *node);

/* lives.c */

void lives_damage(struct world *world, struct node *node, uint64_t down_ms); /* the longest it is down */
bool lives_may_damage(const struct node *node);
void lives_lose(struct node *node);
void lives_attend(struct node *leader, const struct pit_consensus_state *state);

/* faults.c */

void faults_begin(struct world *world, uint64_t until_ns);
void faults_elected(struct node *node); /* what waits for new leaders: entries of theirs stay alone on their disks */
void faults_end(struct world *world);   /* all of them, and everybody runs */

/* checks.c */

void checks_begin(struct world *world);
void checks_end(struct world *world);
uint64_t checks_chain(uint64_t before, const struct pit_consensus_entry *entry);
void checks_written(struct disk *disk, uint64_t index, uint64_t term, uint64_t chain);
void checks_truncated(struct disk *disk, uint64_t index);
void checks_voted(struct disk *disk, uint64_t term, uint64_t vote);
void checks_committed(struct node *node, const struct pit_consensus_entry *entry, uint64_t tag);
void checks_answered(struct node *node, uint64_t tag, enum pit_consensus_outcome outcome, uint64_t index);
void checks_state(struct node *node, const struct pit_consensus_state *state);
void checks_agreed(struct world *world); /* at the end: all there, all the same */

#endif
