/* book/ladder.h - one side of a book: from a price to the queue of its orders, and to the next price in use behind it.
 *
 * Prices are ranks here: the higher the better for the side. A buy's rank is its price, a sell's its price with the
 * sign turned, so that both sides are the same code, and which side it is never a branch.
 *
 * Near the market a rank is a rung: levels lie in an array by tick, so that finding one is an addition and a mask. The
 * array shows a window of the ranks and wraps around, so that a window which moves leaves every level where it is:
 *
 *   ranks    ... | far | low ──────── window ──────── low + span | far | ...
 *   rungs        | rank & mask |
 *   bitmaps      one bit a rung in use; one a word of those; one a word of these: a look or two at each leads to the
 *                next rank in use, however far it is
 *
 * Ranks outside the window, which may be anywhere, are found by a radix tree (book/price_index.h). The window follows
 * the market: when an order comes to a rank outside, and the window does not reach a quarter of the rungs to both sides
 * of the best rank, it moves a little, and the levels that it reaches or leaves change places. Nothing of that is
 * visible: the same prices are in use, and an order never knows where its level lies, since it is looked up by rank.
 *
 * Writer:   the owner of the book; readers: the same thread.
 * Memory:   the caller's zeroed block, touched only as prices come into use. Exactly levels_max prices always fit,
 *           whatever they are.
 * Progress: a constant number of steps. A rank outside the window takes those of the tree, and moves at most
 *           PIT_LADDER_STEP levels.
 */
#ifndef PIT_BOOK_LADDER_H
#define PIT_BOOK_LADDER_H

#include "book/order.h"
#include "book/price_index.h"

/* Rungs: a power of two, at least one for each level up to the largest array; a book of few levels has more, so that
 * they need not be side by side. */
#define PIT_LADDER_RUNGS_MIN 64u
#define PIT_LADDER_RUNGS_MAX 65536u
#define PIT_LADDER_RUNGS_SPARE 4096u /* 64 for each level, up to so many */
#define PIT_LADDER_STEP 16u          /* levels that change places at once */

/* The best rank of a side without orders: less than any. Two ranks never overflow a sum. */
#define PIT_RANK_NONE (INT64_MIN / 2)
#define PIT_RANK_UNKNOWN INT64_MAX /* more than any */

/* Any price is safe: a hint looks at prices that nobody has checked yet. */
static inline int64_t pit_rank(uint8_t side, int64_t price)
{
    const uint64_t turned = -(uint64_t)side; /* 0 or all ones */
    return (int64_t)(((uint64_t)price ^ turned) - turned);
}

struct pit_ladder {
    int64_t low;            /* the window's first rank */
    uint64_t span;          /* its ranks, at most the rungs */
    uint64_t mask;          /* rungs - 1 */
    struct pit_level *rung; /* by rank & mask */
    uint64_t *in_use;       /* bitmaps: one bit a rung, */
    uint64_t *words;        /* one a word of in_use, */
    uint64_t blocks;        /* one a word of words */
    uint32_t count;         /* ranks in use, in the window and outside */
    uint32_t zero;
    struct pit_level *far; /* by slot of the index */
    struct pit_price_index *index;
};

/* Bytes for a ladder of levels_max ranks (1 .. PIT_LEVELS_MAX); a multiple of 64. */
size_t pit_ladder_bytes(uint32_t levels_max);

/* Lays out an empty ladder in zeroed memory, aligned to 64. */
void pit_ladder_create(struct pit_ladder *ladder, void *memory, uint32_t levels_max);

/* What the functions below do for a rank outside the window. */
struct pit_level *pit_ladder_far_find(const struct pit_ladder *ladder, int64_t rank);
uint32_t pit_ladder_far_enter(struct pit_ladder *ladder, int64_t rank, int64_t best, struct pit_order *orders,
                              uint32_t slot);
void pit_ladder_far_drop(struct pit_ladder *ladder, int64_t rank);

static inline bool pit_ladder_near(const struct pit_ladder *ladder, int64_t rank)
{
    return (uint64_t)rank - (uint64_t)ladder->low < ladder->span;
}

/* The level of a rank in use. */
static inline struct pit_level *pit_ladder_level(const struct pit_ladder *ladder, int64_t rank)
{
    if (__builtin_expect(pit_ladder_near(ladder, rank), 1))
        return &ladder->rung[(uint64_t)rank & ladder->mask];
    return pit_ladder_far_find(ladder, rank);
}

/* The level of a rank, or NULL when nobody stands there. */
static inline struct pit_level *pit_ladder_find(const struct pit_ladder *ladder, int64_t rank)
{
    struct pit_level *level = pit_ladder_level(ladder, rank);
    return level && level->head ? level : NULL;
}

/* A rung is in use (no more): in the bitmaps only. */

static inline void pit_ladder_mark(struct pit_ladder *ladder, uint64_t at)
{
    ladder->in_use[at >> 6] |= UINT64_C(1) << (at & 63);
    ladder->words[at >> 12] |= UINT64_C(1) << (at >> 6 & 63);
    ladder->blocks |= UINT64_C(1) << (at >> 12);
}

static inline void pit_ladder_unmark(struct pit_ladder *ladder, uint64_t at)
{
    const uint64_t word = ladder->in_use[at >> 6] &= ~(UINT64_C(1) << (at & 63));
    const uint64_t words = ladder->words[at >> 12] &= ~((uint64_t)(word == 0) << (at >> 6 & 63));
    ladder->blocks &= ~((uint64_t)(words == 0) << (at >> 12));
}

/* Puts an order at the end of the queue at a rank, which is brought into use if it is not yet. best: the side's best
 * rank, with that order. alone: it is known that nobody stands there, as before all others, where most orders come:
 * what is only written is not waited for. Elsewhere it is anybody's guess, and no branch asks. Returns the order's
 * older neighbour, as pit_level_append. */
static inline uint32_t pit_ladder_enter(struct pit_ladder *ladder, int64_t rank, int64_t best, struct pit_order *orders,
                                        uint32_t slot, bool alone)
{
    if (__builtin_expect(!pit_ladder_near(ladder, rank), 0))
        return pit_ladder_far_enter(ladder, rank, best, orders, slot);
    const uint64_t at = (uint64_t)rank & ladder->mask;
    if (__builtin_expect(alone, 1)) {
        ladder->count++;
        pit_ladder_mark(ladder, at);
        pit_words_put(&ladder->rung[at].head, slot, slot);
        return 0;
    }
    ladder->count += ladder->rung[at].head == 0;
    pit_ladder_mark(ladder, at);
    return pit_level_append(&ladder->rung[at], orders, slot);
}

/* Takes a rank out of use whose last order is gone. */
static inline void pit_ladder_drop(struct pit_ladder *ladder, int64_t rank)
{
    ladder->count--;
    if (__builtin_expect(pit_ladder_near(ladder, rank), 1))
        pit_ladder_unmark(ladder, (uint64_t)rank & ladder->mask);
    else
        pit_ladder_far_drop(ladder, rank);
}

/* The next rank in use below `rank`, which need not be in use itself, or PIT_RANK_NONE. */
int64_t pit_ladder_below(const struct pit_ladder *ladder, int64_t rank);

/* Brings what enter or find of the rank will touch into the cache. Changes nothing. */
static inline void pit_ladder_prefetch(const struct pit_ladder *ladder, int64_t rank)
{
    if (pit_ladder_near(ladder, rank))
        __builtin_prefetch(&ladder->rung[(uint64_t)rank & ladder->mask]);
    else
        pit_price_index_prefetch(ladder->index, rank);
}

/* Checks the bitmaps, the window and the tree. For tests; O(rungs). Returns NULL when all is well, otherwise what is
 * not. */
const char *pit_ladder_check(const struct pit_ladder *ladder);

#endif
