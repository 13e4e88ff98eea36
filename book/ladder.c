/* book/ladder.c - the way from one rank to the next, ranks outside the window, and how the window follows the market.
 */
#include "book/ladder.h"

static inline size_t lines(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

_Static_assert(PIT_LADDER_RUNGS_MAX <= 64 * 64 * 64, "a bit of blocks for each word of words");

static uint64_t rungs_for(uint32_t levels_max)
{
    const uint64_t spare = UINT64_C(64) * levels_max;
    const uint64_t wanted = spare < PIT_LADDER_RUNGS_SPARE ? spare : PIT_LADDER_RUNGS_SPARE;
    uint64_t rungs = PIT_LADDER_RUNGS_MIN;
    while (rungs < PIT_LADDER_RUNGS_MAX && (rungs < levels_max || rungs < wanted))
        rungs *= 2;
    return rungs;
}

/* Where the parts lie, in bytes from the start. What is written before there is any order comes first; what serves the
 * window lies together. */
struct layout {
    size_t index;
    size_t words;
    size_t in_use;
    size_t rung;
    size_t far;
    size_t bytes;
};

static struct layout layout_of(uint32_t levels_max)
{
    const uint64_t rungs = rungs_for(levels_max);
    struct layout layout = {0};
    layout.words = layout.index + pit_price_index_bytes(levels_max);
    layout.in_use = layout.words + lines((rungs / 64 + 63) / 64 * sizeof(uint64_t));
    layout.rung = layout.in_use + lines(rungs / 64 * sizeof(uint64_t));
    layout.far = layout.rung + lines(rungs * sizeof(struct pit_level));
    layout.bytes = layout.far + lines(levels_max * sizeof(struct pit_level));
    return layout;
}

size_t pit_ladder_bytes(uint32_t levels_max)
{
    return layout_of(levels_max).bytes;
}

void pit_ladder_create(struct pit_ladder *ladder, void *memory, uint32_t levels_max)
{
    const struct layout layout = layout_of(levels_max);
    uint8_t *at = memory;
    *ladder = (struct pit_ladder){
        .mask = rungs_for(levels_max) - 1,
        .rung = (struct pit_level *)(at + layout.rung),
        .in_use = (uint64_t *)(at + layout.in_use),
        .words = (uint64_t *)(at + layout.words),
        .far = (struct pit_level *)(at + layout.far),
        .index = pit_price_index_create(at + layout.index, levels_max),
    };
}

/* The window: from low up to, not including, its end. */
static inline int64_t window_end(const struct pit_ladder *ladder)
{
    return ladder->low + (int64_t)ladder->span;
}

static void window_set(struct pit_ladder *ladder, int64_t low, int64_t end)
{
    ladder->low = low;
    ladder->span = (uint64_t)(end - low);
}

static inline uint64_t lowest(uint64_t word)
{
    return (uint64_t)__builtin_ctzll(word);
}

static inline uint64_t highest(uint64_t word)
{
    return 63u - (uint64_t)__builtin_clzll(word);
}

/* The way through the bitmaps, in numbers of rungs. rung & 63 is a rung's bit in its word, word & 63 that word's bit in
 * its block. */

#define RUNG_NONE UINT64_MAX

static inline uint64_t bits_below(uint64_t bit)
{
    return (UINT64_C(1) << (bit & 63)) - 1;
}

static inline uint64_t bits_above(uint64_t bit)
{
    return ~UINT64_C(1) << (bit & 63);
}

/* The highest (lowest) rung of a word, of a block, of all; at least one there must be in use. */

static inline uint64_t word_highest(const struct pit_ladder *ladder, uint64_t word)
{
    return word << 6 | highest(ladder->in_use[word]);
}

static inline uint64_t word_lowest(const struct pit_ladder *ladder, uint64_t word)
{
    return word << 6 | lowest(ladder->in_use[word]);
}

static inline uint64_t block_highest(const struct pit_ladder *ladder, uint64_t block)
{
    return word_highest(ladder, block << 6 | highest(ladder->words[block]));
}

static inline uint64_t block_lowest(const struct pit_ladder *ladder, uint64_t block)
{
    return word_lowest(ladder, block << 6 | lowest(ladder->words[block]));
}

static inline uint64_t rung_highest(const struct pit_ladder *ladder)
{
    return block_highest(ladder, highest(ladder->blocks));
}

static inline uint64_t rung_lowest(const struct pit_ladder *ladder)
{
    return block_lowest(ladder, lowest(ladder->blocks));
}

/* The next rung in use below (above) this one, or RUNG_NONE: in its word, else in its block, else in another block. */

static inline uint64_t rung_below(const struct pit_ladder *ladder, uint64_t rung)
{
    const uint64_t word = rung >> 6, block = word >> 6;
    const uint64_t rungs = ladder->in_use[word] & bits_below(rung);
    if (rungs)
        return word << 6 | highest(rungs);
    const uint64_t words = ladder->words[block] & bits_below(word);
    if (words)
        return word_highest(ladder, block << 6 | highest(words));
    const uint64_t blocks = ladder->blocks & bits_below(block);
    return blocks ? block_highest(ladder, highest(blocks)) : RUNG_NONE;
}

static inline uint64_t rung_above(const struct pit_ladder *ladder, uint64_t rung)
{
    const uint64_t word = rung >> 6, block = word >> 6;
    const uint64_t rungs = ladder->in_use[word] & bits_above(rung);
    if (rungs)
        return word << 6 | lowest(rungs);
    const uint64_t words = ladder->words[block] & bits_above(word);
    if (words)
        return word_lowest(ladder, block << 6 | lowest(words));
    const uint64_t blocks = ladder->blocks & bits_above(block);
    return blocks ? block_lowest(ladder, lowest(blocks)) : RUNG_NONE;
}

/* The highest rank in use in the window below `end`, the lowest from `low` on, or PIT_RANK_NONE. Both lie in the window
 * or at its ends. The rungs go around: behind the first comes the last. */

static int64_t near_below(const struct pit_ladder *ladder, int64_t end)
{
    if (!ladder->blocks)
        return PIT_RANK_NONE;
    const uint64_t above = (uint64_t)end & ladder->mask, below = rung_below(ladder, above);
    const uint64_t rung = below != RUNG_NONE ? below : rung_highest(ladder);
    const int64_t rank = end - 1 - (int64_t)((above - 1 - rung) & ladder->mask);
    return rank >= ladder->low ? rank : PIT_RANK_NONE;
}

static int64_t near_from(const struct pit_ladder *ladder, int64_t low)
{
    if (!ladder->blocks)
        return PIT_RANK_NONE;
    const uint64_t below = ((uint64_t)low - 1) & ladder->mask, above = rung_above(ladder, below);
    const uint64_t rung = above != RUNG_NONE ? above : rung_lowest(ladder);
    const int64_t rank = low + (int64_t)((rung - below - 1) & ladder->mask);
    return rank < window_end(ladder) ? rank : PIT_RANK_NONE;
}

static int64_t far_rank(const struct pit_ladder *ladder, uint32_t slot)
{
    return slot == PIT_LEVEL_NONE ? PIT_RANK_NONE : pit_price_index_price(ladder->index, slot);
}

static int64_t far_below(const struct pit_ladder *ladder, int64_t rank)
{
    return far_rank(ladder, pit_price_index_below(ladder->index, rank));
}

static int64_t far_above(const struct pit_ladder *ladder, int64_t rank)
{
    return far_rank(ladder, pit_price_index_above(ladder->index, rank));
}

/* Below any rank, however the window lies. */
static __attribute__((noinline)) int64_t below_anywhere(const struct pit_ladder *ladder, int64_t rank)
{
    const int64_t end = window_end(ladder);
    if (rank > end) {
        const int64_t next = far_below(ladder, rank);
        if (next >= end)
            return next;
        rank = end;
    }
    if (rank > ladder->low) {
        const int64_t next = near_below(ladder, rank);
        if (next != PIT_RANK_NONE)
            return next;
        rank = ladder->low;
    }
    return far_below(ladder, rank);
}

/* Most often both ranks are in the window, and its end does not lie between their rungs. */
int64_t pit_ladder_below(const struct pit_ladder *ladder, int64_t rank)
{
    const uint64_t at = (uint64_t)rank & ladder->mask, rung = rung_below(ladder, at);
    if (rung == RUNG_NONE)
        return below_anywhere(ladder, rank);
    const int64_t next = rank - (int64_t)(at - rung);
    if (__builtin_expect(pit_ladder_near(ladder, rank) && next >= ladder->low, 1))
        return next;
    return below_anywhere(ladder, rank);
}

/* How the window follows the market: its ends move past one level in use, or a stretch without any, at a time. */

/* The level of a rank in the window, which is about to leave it, goes to those outside. */
static void level_leaves(struct pit_ladder *ladder, int64_t rank)
{
    const uint64_t at = (uint64_t)rank & ladder->mask;
    ladder->far[pit_price_index_take(ladder->index, rank, NULL)] = ladder->rung[at];
    ladder->rung[at] = (struct pit_level){0};
    pit_ladder_unmark(ladder, at);
}

/* And one from outside, which has just entered, comes to its rung. */
static void level_enters(struct pit_ladder *ladder, int64_t rank)
{
    const uint64_t at = (uint64_t)rank & ladder->mask;
    const uint32_t slot = pit_price_index_find(ladder->index, rank);
    ladder->rung[at] = ladder->far[slot];
    ladder->far[slot] = (struct pit_level){0};
    pit_price_index_drop(ladder->index, slot);
    pit_ladder_mark(ladder, at);
}

/* Lets one end go back towards the wanted window, past one level at most. False: it is there. */
static bool window_shrink(struct pit_ladder *ladder, int64_t low, int64_t end)
{
    if (ladder->low < low) {
        const int64_t edge = low < window_end(ladder) ? low : window_end(ladder);
        const int64_t rank = near_from(ladder, ladder->low);
        const bool leaves = rank != PIT_RANK_NONE && rank < edge;
        if (leaves)
            level_leaves(ladder, rank);
        window_set(ladder, leaves ? rank + 1 : edge, window_end(ladder));
        return true;
    }
    if (window_end(ladder) > end) { /* nobody stands above the best rank */
        window_set(ladder, ladder->low, end > ladder->low ? end : ladder->low);
        return true;
    }
    return false;
}

/* Lets one end go out to the wanted window, over one level at most: first the one behind which the best prices are, of
 * which there are few. False: it is there. */
static bool window_grow(struct pit_ladder *ladder, int64_t low, int64_t end)
{
    if (window_end(ladder) < end) {
        const int64_t rank = far_above(ladder, window_end(ladder) - 1);
        const bool enters = rank != PIT_RANK_NONE && rank < end;
        window_set(ladder, ladder->low, enters ? rank + 1 : end);
        if (enters)
            level_enters(ladder, rank);
        return true;
    }
    if (ladder->low > low) {
        const int64_t rank = far_below(ladder, ladder->low);
        const bool enters = rank != PIT_RANK_NONE && rank >= low;
        window_set(ladder, enters ? rank : low, window_end(ladder));
        if (enters)
            level_enters(ladder, rank);
        return true;
    }
    return false;
}

/* Brings the window, which ought to have the best rank in its middle, nearer to it, unless it reaches far enough to
 * both sides of it. */
static void window_follow(struct pit_ladder *ladder, int64_t best)
{
    const int64_t enough = (int64_t)(ladder->mask / 4);
    if (ladder->low + enough <= best && best + enough < window_end(ladder))
        return;
    const int64_t low = best - (int64_t)(ladder->mask / 2), end = low + (int64_t)ladder->mask + 1;
    for (uint32_t step = 0; step < PIT_LADDER_STEP; step++) {
        if (!ladder->span)
            window_set(ladder, best, best);
        if (!window_shrink(ladder, low, end) && !window_grow(ladder, low, end))
            return;
    }
}

struct pit_level *pit_ladder_far_find(const struct pit_ladder *ladder, int64_t rank)
{
    const uint32_t slot = pit_price_index_find(ladder->index, rank);
    return slot == PIT_LEVEL_NONE ? NULL : &ladder->far[slot];
}

uint32_t pit_ladder_far_enter(struct pit_ladder *ladder, int64_t rank, int64_t best, struct pit_order *orders,
                              uint32_t slot)
{
    window_follow(ladder, best);
    if (pit_ladder_near(ladder, rank))
        return pit_ladder_enter(ladder, rank, best, orders, slot, false);
    bool added;
    struct pit_level *level = &ladder->far[pit_price_index_take(ladder->index, rank, &added)];
    if (!added)
        return pit_level_append(level, orders, slot);
    ladder->count++;
    *level = (struct pit_level){.head = slot, .tail = slot};
    return 0;
}

void pit_ladder_far_drop(struct pit_ladder *ladder, int64_t rank)
{
    pit_price_index_drop(ladder->index, pit_price_index_find(ladder->index, rank));
}

/* The bitmaps say what the rungs do. Returns how many levels are in use, or -1. */
static int64_t check_rungs(const struct pit_ladder *ladder)
{
    int64_t count = 0;
    for (uint64_t rung = 0; rung <= ladder->mask; rung++) {
        const bool marked = ladder->in_use[rung >> 6] >> (rung & 63) & 1;
        const int64_t rank = ladder->low + (int64_t)((rung - (uint64_t)ladder->low) & ladder->mask);
        if (marked != (ladder->rung[rung].head != 0) || marked != (ladder->rung[rung].tail != 0) ||
            (marked && !pit_ladder_near(ladder, rank)))
            return -1;
        count += marked;
    }
    for (uint64_t word = 0; word <= ladder->mask >> 6; word++)
        if ((ladder->words[word >> 6] >> (word & 63) & 1) != (ladder->in_use[word] != 0))
            return -1;
    for (uint64_t block = 0; block <= ladder->mask >> 12; block++)
        if ((ladder->blocks >> block & 1) != (ladder->words[block] != 0))
            return -1;
    return count;
}

const char *pit_ladder_check(const struct pit_ladder *ladder)
{
    const char *wrong = pit_price_index_check(ladder->index);
    if (wrong)
        return wrong;
    const int64_t near = check_rungs(ladder);
    if (near < 0 || ladder->span > ladder->mask + 1)
        return "ladder: the bitmaps disagree with the levels";
    if ((uint64_t)near + pit_price_index_count(ladder->index) != ladder->count)
        return "ladder: its count is not the number of prices in use";
    uint32_t count = 0;
    for (int64_t rank = pit_ladder_below(ladder, INT64_MAX / 2); rank != PIT_RANK_NONE; count++) {
        if (!pit_ladder_find(ladder, rank))
            return "ladder: a price is in use and nobody stands there";
        if (!pit_ladder_near(ladder, rank) && pit_price_index_find(ladder->index, rank) == PIT_LEVEL_NONE)
            return "ladder: a price outside the window is not in the tree";
        const int64_t next = pit_ladder_below(ladder, rank);
        if (next >= rank || next != below_anywhere(ladder, rank))
            return "ladder: the way down is not the way down";
        rank = next;
    }
    return count == ladder->count ? NULL : "ladder: the way down misses a price in use";
}
