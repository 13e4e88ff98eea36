/* book/price_index.h - from a price to its level, and from a price to the next one in use.
 *
 * Maps ticks (PIT_PRICE_MIN .. PIT_PRICE_MAX) to level slots: small numbers 0 .. levels_max - 1 with which the owner
 * addresses its own arrays (queues in a ladder, totals in a depth image). One index can serve both sides of a market:
 * when it is not crossed, everything below the best bid is a bid and everything above the best ask an ask; so the owner
 * keeps its two best slots and asks `below` or `above` when one of them empties.
 *
 * A radix tree of 64-way nodes with a bitmap each, over the price in order-preserving form. Paths without a branch are
 * left out, so there are fewer nodes than prices and a lone far price costs nothing:
 *
 *   root ──▶ node(shift 6) ──▶ node(shift 0): 64 neighbouring prices ──▶ slot
 *                        └───▶ slot (the only price down there)
 *
 * Exactly levels_max prices always fit, whatever they are: how the tree lies is never visible.
 *
 * Writer:   the owner of the book or image; readers: the same thread.
 * Memory:   the caller's zeroed block, touched only as prices come into use. Nothing is allocated here.
 * Progress: every function but check takes at most 11 steps down the tree, whatever the depth of the book.
 */
#ifndef PIT_BOOK_PRICE_INDEX_H
#define PIT_BOOK_PRICE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pitline/types.h"

#define PIT_LEVEL_NONE UINT32_MAX

/* Nodes of the lowest height remembered by their place: most searches start and end in one, without a step down. */
#define PIT_PRICE_INDEX_NEAR 64u

struct pit_price_node;

/* Open to view for the sake of the one-line functions below; only price_index.c changes it. */
struct pit_price_index {
    uint32_t root; /* a branch */
    uint32_t count;
    uint32_t levels_max;
    uint32_t slots_touched; /* slots below this have been in use; the rest of the block is still untouched */
    uint32_t slot_free;     /* 1 + the slot dropped last, 0 = none; its price is the next one's link */
    uint32_t nodes_touched;
    uint32_t node_free; /* 0 = none */
    uint32_t zero;
    struct pit_price_node *nodes;
    int64_t *price; /* by slot */
    uint64_t zero_end[2];
    uint32_t near[PIT_PRICE_INDEX_NEAR];
};
_Static_assert(offsetof(struct pit_price_index, near) == 64, "what every call reads is one cache line");

/* Bytes for an index of levels_max prices (1 .. PIT_LEVELS_MAX); a multiple of 64. */
size_t pit_price_index_bytes(uint32_t levels_max);

/* Lays out an empty index in zeroed memory, aligned to 64. */
struct pit_price_index *pit_price_index_create(void *memory, uint32_t levels_max);

/* The slot of a price, or PIT_LEVEL_NONE when it is not in use. */
uint32_t pit_price_index_find(const struct pit_price_index *index, int64_t price);

/* Brings a price into use if it is not yet (*added says so; may be NULL) and returns its slot, or PIT_LEVEL_NONE when
 * levels_max others are in use. A slot that was dropped last is handed out first. */
uint32_t pit_price_index_take(struct pit_price_index *index, int64_t price, bool *added);

/* Takes the slot's price out of use. The slot must be in use. */
void pit_price_index_drop(struct pit_price_index *index, uint32_t slot);

/* The slot of the next price in use above (below) `price`, which need not be in use itself, or PIT_LEVEL_NONE. */
uint32_t pit_price_index_above(const struct pit_price_index *index, int64_t price);
uint32_t pit_price_index_below(const struct pit_price_index *index, int64_t price);

/* The price of a slot in use. */
static inline int64_t pit_price_index_price(const struct pit_price_index *index, uint32_t slot)
{
    return index->price[slot];
}

/* Prices in use now, and how many can be. */
static inline uint32_t pit_price_index_count(const struct pit_price_index *index)
{
    return index->count;
}

static inline uint32_t pit_price_index_levels_max(const struct pit_price_index *index)
{
    return index->levels_max;
}

/* Brings what find or take of the price will touch into the cache. Changes nothing. */
void pit_price_index_prefetch(const struct pit_price_index *index, int64_t price);

/* Checks every node. For tests; O(levels). Returns NULL when all is well, otherwise what is not. */
const char *pit_price_index_check(const struct pit_price_index *index);

#endif
