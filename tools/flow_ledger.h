/* tools/flow_ledger.h - what a flow of one symbol at any price believes to rest: part of tools/flow*.c alone.
 *
 * Each side's orders form a pairing heap by price, then arrival (Fredman, Sedgewick, Sleator, Tarjan, "The Pairing
 * Heap", Algorithmica 1986): the best order is the root, an order enters in one step, and leaves in as many as a
 * logarithm in the mean, at any price whatever. The same orders stand in dense lists from which one is drawn at random.
 *
 * With feedback an order the ledger fills keeps its entry, as presumed filled, until it is confirmed gone or has grown
 * too old to be true (flow_ledger_overdue).
 *
 * One thread; nothing is allocated after create.
 */
#ifndef PIT_TOOLS_FLOW_LEDGER_H
#define PIT_TOOLS_FLOW_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "pitline/types.h"

#define FLOW_ENTRY_NONE UINT32_MAX

/* A list is the caller's division: orders that stay, and those that go soon. */
enum flow_list { FLOW_LIST_STANDING = 0, FLOW_LIST_YOUNG = 1, FLOW_LISTS = 2 };

enum flow_entry_state { FLOW_ENTRY_FREE = 0, FLOW_ENTRY_LIVE = 1, FLOW_ENTRY_PRESUMED = 2 };

struct flow_entry {
    uint64_t number;
    int64_t price;
    uint64_t arrival; /* its place in the queue of its price */
    uint32_t quantity;
    uint32_t account;
    uint32_t child, next, previous; /* in the heap; next also links what is free */
    uint32_t place;                 /* in its list */
    uint32_t plan;                  /* the caller's */
    uint32_t due;                   /* the caller's */
    uint8_t side;
    uint8_t list;  /* enum flow_list */
    uint8_t state; /* enum flow_entry_state */
};
_Static_assert(sizeof(struct flow_entry) == 64, "an entry is a cache line");

/* An order that is presumed filled, while nobody has confirmed it. */
struct flow_ledger_presumed {
    uint64_t number;
    uint64_t since; /* flow_ledger.operations then */
    uint32_t entry;
};

struct flow_ledger {
    struct flow_entry *entries;
    uint32_t entries_count;
    uint32_t entries_used; /* entries from here on were never taken: memory is touched as orders rest */
    uint32_t free;
    uint32_t roots[2];
    uint32_t counts[2]; /* live orders of a side */
    uint32_t *lists[FLOW_LISTS];
    uint32_t list_counts[FLOW_LISTS];
    uint32_t list_room[FLOW_LISTS];
    uint64_t arrivals;
    uint64_t operations;                                           /* the caller counts them */
    void (*filled)(void *context, const struct flow_entry *entry); /* the ledger filled it; may be NULL */
    void *context;
    /* feedback only: number -> entry by linear probing, and the queue of the presumed */
    uint32_t *table;
    uint32_t table_mask;
    struct flow_ledger_presumed *presumed;
    uint32_t presumed_mask;
    uint64_t presumed_first, presumed_end;
    uint64_t presumed_age;
};

/* 0 or -ENOMEM (then destroy is still to be called). young: room of that list. age: after so many operations a presumed
 * fill that nobody confirmed is overdue. */
int flow_ledger_create(struct flow_ledger *ledger, uint32_t orders, uint32_t young, bool feedback, uint64_t age);
void flow_ledger_destroy(struct flow_ledger *ledger);

/* The best order of a side, or FLOW_ENTRY_NONE. */
static inline uint32_t flow_ledger_best(const struct flow_ledger *ledger, uint8_t side)
{
    return ledger->roots[side];
}

/* Whether no further order can rest. */
static inline bool flow_ledger_full(const struct flow_ledger *ledger)
{
    return ledger->free == FLOW_ENTRY_NONE && ledger->entries_used == ledger->entries_count;
}

/* Live orders of both sides. */
static inline uint32_t flow_ledger_live(const struct flow_ledger *ledger)
{
    return ledger->counts[0] + ledger->counts[1];
}

/* Rests an order (number, price, quantity, account, side, list, plan, due are read); the ledger is not full. Returns
 * its entry. */
uint32_t flow_ledger_rest(struct flow_ledger *ledger, const struct flow_entry *order);

/* The order is cancelled. Its entry keeps what was in it until the next order rests. */
void flow_ledger_remove(struct flow_ledger *ledger, uint32_t index);

/* The order goes to the end of the queue at a price, or is filled on its way there. Returns what is left. */
uint32_t flow_ledger_move(struct flow_ledger *ledger, uint32_t index, int64_t price, uint32_t quantity);

/* Moves the order to the standing list. */
void flow_ledger_settle(struct flow_ledger *ledger, uint32_t index);

/* Trades as far as limit allows; returns what is left of quantity. */
uint32_t flow_ledger_match(struct flow_ledger *ledger, uint8_t side, int64_t limit, uint32_t quantity);

/* Feedback says that the order is gone. Any number is safe. */
void flow_ledger_gone(struct flow_ledger *ledger, uint64_t number);

/* An order that was presumed filled so long ago that it must still rest, or the oldest of the presumed when there is
 * hardly room for more, or FLOW_ENTRY_NONE (a full ledger then has a live order). It is forgotten with this call; its
 * entry keeps what was in it until the next order rests. */
uint32_t flow_ledger_overdue(struct flow_ledger *ledger);

#endif
