/* stages/depth.c - totals by level, found through the price index. */
#include "stages/depth.h"

#include "book/price_index.h"
#include "ring/check.h"

struct depth_level {
    unsigned __int128 quantity; /* PIT_ORDERS_MAX orders of PIT_QUANTITY_MAX do not fit 64 bits */
    uint32_t orders;
    uint32_t side;
    uint64_t zero;
};
_Static_assert(sizeof(struct depth_level) == 32, "two levels in a cache line");

struct pit_depth {
    struct pit_price_index *index;
    struct depth_level *levels; /* by slot of the index */
    uint32_t best[2];           /* by side: a slot, or PIT_LEVEL_NONE */
    uint8_t zero[40];
};
_Static_assert(sizeof(struct pit_depth) == 64, "the index behind it stays aligned");

static size_t levels_bytes(uint32_t levels_max)
{
    return ((size_t)levels_max * sizeof(struct depth_level) + 63) & ~(size_t)63;
}

size_t pit_depth_bytes(const struct pit_symbol_definition *definition)
{
    uint32_t levels_max = definition->levels_max;
    return sizeof(struct pit_depth) + levels_bytes(levels_max) + pit_price_index_bytes(levels_max);
}

struct pit_depth *pit_depth_create(void *memory, const struct pit_symbol_definition *definition)
{
    uint32_t levels_max = definition->levels_max;
    PIT_CHECK(levels_max >= 1 && levels_max <= PIT_LEVELS_MAX);
    uint8_t *bytes = memory;
    struct pit_depth *depth = memory;
    depth->levels = (struct depth_level *)(bytes + sizeof *depth);
    depth->index = pit_price_index_create(bytes + sizeof *depth + levels_bytes(levels_max), levels_max);
    depth->best[PIT_SIDE_BUY] = depth->best[PIT_SIDE_SELL] = PIT_LEVEL_NONE;
    return depth;
}

static bool better(enum pit_side side, int64_t price, int64_t than)
{
    return side == PIT_SIDE_BUY ? price > than : price < than;
}

/* The next level of the side beyond a price. The book is not crossed, so the first one met belongs to the side or the
 * side ends there. */
static uint32_t next_worse(const struct pit_depth *depth, enum pit_side side, int64_t price)
{
    uint32_t slot =
        side == PIT_SIDE_BUY ? pit_price_index_below(depth->index, price) : pit_price_index_above(depth->index, price);
    if (slot != PIT_LEVEL_NONE && depth->levels[slot].side != (uint32_t)side)
        return PIT_LEVEL_NONE;
    return slot;
}

static bool add(struct pit_depth *depth, enum pit_side side, int64_t price, uint64_t quantity)
{
    bool added;
    uint32_t slot = pit_price_index_take(depth->index, price, &added);
    if (slot == PIT_LEVEL_NONE)
        return false;
    struct depth_level *level = &depth->levels[slot];
    if (added) {
        *level = (struct depth_level){.side = (uint32_t)side};
        uint32_t best = depth->best[side];
        if (best == PIT_LEVEL_NONE || better(side, price, pit_price_index_price(depth->index, best)))
            depth->best[side] = slot;
    } else if (level->side != (uint32_t)side) {
        return false;
    }
    level->quantity += quantity;
    level->orders++;
    return true;
}

/* Takes quantity lots and, with orders = 1, one order off a level. */
static bool take_off(struct pit_depth *depth, enum pit_side side, int64_t price, uint64_t quantity, uint32_t orders)
{
    uint32_t slot = pit_price_index_find(depth->index, price);
    if (slot == PIT_LEVEL_NONE)
        return false;
    struct depth_level *level = &depth->levels[slot];
    bool empties = level->orders == orders;
    if (level->side != (uint32_t)side || level->quantity < quantity || level->orders < orders ||
        empties != (level->quantity == quantity))
        return false;
    level->quantity -= quantity;
    level->orders -= orders;
    if (!empties)
        return true;
    pit_price_index_drop(depth->index, slot);
    if (depth->best[side] == slot)
        depth->best[side] = next_worse(depth, side, price);
    return true;
}

static bool change(struct pit_depth *depth, const struct pit_md_event *event)
{
    uint32_t slot = pit_price_index_find(depth->index, event->price);
    if (slot == PIT_LEVEL_NONE)
        return false;
    struct depth_level *level = &depth->levels[slot];
    if (level->side != event->side || level->quantity < event->leaves)
        return false;
    level->quantity = level->quantity - event->leaves + event->quantity;
    return true;
}

bool pit_depth_apply(struct pit_depth *depth, const struct pit_md_event *event)
{
    if (event->side > PIT_SIDE_SELL)
        return false;
    enum pit_side side = (enum pit_side)event->side;
    enum pit_side other = side == PIT_SIDE_BUY ? PIT_SIDE_SELL : PIT_SIDE_BUY;
    switch ((enum pit_md_event_kind)event->kind) {
    case PIT_MD_ADD:
        return event->quantity > 0 && add(depth, side, event->price, event->quantity);
    case PIT_MD_REMOVE:
        return take_off(depth, side, event->price, event->quantity, 1);
    case PIT_MD_TRADE: /* side is the aggressor's: what rested was on the other */
        return take_off(depth, other, event->price, event->quantity, event->leaves == 0 ? 1 : 0);
    case PIT_MD_CHANGE:
        return event->quantity > 0 && change(depth, event);
    case PIT_MD_STATE:
    case PIT_MD_SYMBOL:
        return true;
    default:
        return false;
    }
}

uint32_t pit_depth_best(const struct pit_depth *depth, enum pit_side side, struct pit_md_level *levels, uint32_t max)
{
    uint32_t filled = 0;
    for (uint32_t slot = depth->best[side]; slot != PIT_LEVEL_NONE && filled < max;) {
        const struct depth_level *level = &depth->levels[slot];
        int64_t price = pit_price_index_price(depth->index, slot);
        uint64_t quantity = level->quantity < UINT64_MAX ? (uint64_t)level->quantity : UINT64_MAX;
        levels[filled++] = (struct pit_md_level){price, quantity, level->orders};
        slot = next_worse(depth, side, price);
    }
    return filled;
}

uint32_t pit_depth_levels(const struct pit_depth *depth)
{
    return pit_price_index_count(depth->index);
}
