/* tools/flow_model.h - what a synthetic flow believes: its orders and their books. Part of tools/flow_window.c alone;
 * inline, so that an operation costs tens of nanoseconds.
 *
 * Each symbol has a window of FLOW_PRICES prices with a first-in-first-out list of orders at each and a bitmap a side
 * (32 words and a 32-bit summary of them), so that the best price is two bit scans away. Live orders of all symbols
 * also stand in one dense array, from which a cancel or replace draws.
 *
 * With feedback an order the model fills keeps its slot, as presumed filled, until pit_flow_gone confirms it or it has
 * grown too old to be true.
 */
#ifndef PIT_TOOLS_FLOW_MODEL_H
#define PIT_TOOLS_FLOW_MODEL_H

#include "tools/flow_family.h"

#define FLOW_PRICES 2048u
#define FLOW_WORDS (FLOW_PRICES / 64u)
#define FLOW_MIDDLE ((int32_t)(FLOW_PRICES / 2u))
#define FLOW_NONE UINT32_MAX

/* What makes one flow differ from another. Shares are of FLOW_SHARES. */
struct flow_profile {
    uint16_t share_gtc, share_ioc, share_fok, share_cancel, share_reduce; /* the rest replaces */
    uint16_t wander;                                                      /* the middle stays this near its start */
    uint16_t reach;        /* passive prices lie this far from the middle at most */
    uint16_t quantity;     /* of passive orders: 1 .. this */
    uint16_t quantity_ioc; /* of aggressors: 1 .. this */
    uint8_t nearer;        /* 1: passive prices are denser near the middle */
    uint8_t cross;         /* of 256 GTC orders, this many aggress */
    uint8_t market;        /* of 256 IOC and FOK orders, this many have no price limit */
    uint8_t post_only;     /* of 256 GTC orders, this many are post-only */
};

enum flow_state { FLOW_FREE = 0, FLOW_LIVE = 1, FLOW_PRESUMED = 2 };

struct flow_order {
    uint64_t number;
    uint32_t symbol;
    uint32_t account;
    uint32_t quantity;
    uint32_t next; /* in its level; also links the free list */
    uint32_t previous;
    uint32_t place; /* in live[] */
    uint16_t level;
    uint8_t side;
    uint8_t state; /* enum flow_state */
};

struct flow_level {
    uint32_t head, tail;
};

struct flow_symbol {
    struct flow_level levels[FLOW_PRICES];
    uint64_t bits[2][FLOW_WORDS];
    uint32_t summary[2];
    int32_t middle;
};

/* An order the model filled, while feedback has not confirmed it. */
struct flow_presumed {
    uint64_t number;
    uint64_t since; /* operation */
    uint32_t order;
};

struct flow_window {
    struct pit_flow flow;
    struct flow_profile profile;
    uint64_t random;
    uint64_t operations;
    uint64_t number; /* of the last NEW */
    uint32_t symbols_count;
    uint32_t accounts;
    uint32_t target; /* resting orders */
    uint32_t wander_mask;
    int64_t steer; /* shares a missing order moves, times FLOW_STEER_UNIT */
    uint32_t live_count;
    uint32_t free;
    uint32_t orders_used; /* orders from here on were never taken: memory is touched as the books fill */
    uint32_t orders_count;
    uint32_t *live;
    struct flow_order *orders;
    struct flow_symbol *symbols;
    /* feedback only: number -> order by linear probing, and a queue of presumed fills */
    uint32_t *table;
    uint32_t table_mask;
    struct flow_presumed *presumed;
    uint32_t presumed_mask;
    uint64_t presumed_first, presumed_end;
    uint64_t presumed_age;
};

static inline uint32_t flow_table_place(const struct flow_window *flow, uint64_t number)
{
    uint32_t place = (uint32_t)number & flow->table_mask;
    while (flow->table[place] != FLOW_NONE && flow->orders[flow->table[place]].number != number)
        place = (place + 1) & flow->table_mask;
    return place;
}

/* Linear probing without tombstones: what follows the hole moves into it when its own probe path crosses it. */
static inline void flow_table_remove(struct flow_window *flow, uint64_t number)
{
    uint32_t hole = flow_table_place(flow, number);
    flow->table[hole] = FLOW_NONE;
    for (uint32_t at = (hole + 1) & flow->table_mask; flow->table[at] != FLOW_NONE; at = (at + 1) & flow->table_mask) {
        uint32_t home = (uint32_t)flow->orders[flow->table[at]].number & flow->table_mask;
        if (((at - home) & flow->table_mask) >= ((at - hole) & flow->table_mask)) {
            flow->table[hole] = flow->table[at];
            flow->table[at] = FLOW_NONE;
            hole = at;
        }
    }
}

static inline bool flow_full(const struct flow_window *flow)
{
    return flow->free == FLOW_NONE && flow->orders_used == flow->orders_count;
}

/* The model is not full. */
static inline uint32_t flow_take(struct flow_window *flow)
{
    if (flow->free == FLOW_NONE)
        return flow->orders_used++;
    uint32_t index = flow->free;
    flow->free = flow->orders[index].next;
    return index;
}

static inline void flow_release(struct flow_window *flow, uint32_t index)
{
    struct flow_order *order = &flow->orders[index];
    if (flow->table)
        flow_table_remove(flow, order->number);
    order->state = FLOW_FREE;
    order->next = flow->free;
    flow->free = index;
}

static inline void flow_link(struct flow_window *flow, uint32_t index)
{
    struct flow_order *order = &flow->orders[index];
    struct flow_symbol *symbol = &flow->symbols[order->symbol];
    struct flow_level *level = &symbol->levels[order->level];
    order->next = FLOW_NONE;
    order->previous = level->tail;
    if (level->tail == FLOW_NONE) {
        level->head = index;
        symbol->bits[order->side][order->level / 64u] |= UINT64_C(1) << (order->level % 64u);
        symbol->summary[order->side] |= 1u << (order->level / 64u);
    } else {
        flow->orders[level->tail].next = index;
    }
    level->tail = index;
}

static inline void flow_unlink(struct flow_window *flow, uint32_t index)
{
    struct flow_order *order = &flow->orders[index];
    struct flow_symbol *symbol = &flow->symbols[order->symbol];
    struct flow_level *level = &symbol->levels[order->level];
    if (order->previous == FLOW_NONE)
        level->head = order->next;
    else
        flow->orders[order->previous].next = order->next;
    if (order->next == FLOW_NONE)
        level->tail = order->previous;
    else
        flow->orders[order->next].previous = order->previous;
    if (level->head == FLOW_NONE) {
        uint64_t *word = &symbol->bits[order->side][order->level / 64u];
        *word &= ~(UINT64_C(1) << (order->level % 64u));
        if (*word == 0)
            symbol->summary[order->side] &= ~(1u << (order->level / 64u));
    }
}

static inline void flow_live_add(struct flow_window *flow, uint32_t index)
{
    flow->orders[index].state = FLOW_LIVE;
    flow->orders[index].place = flow->live_count;
    flow->live[flow->live_count++] = index;
}

static inline void flow_live_remove(struct flow_window *flow, uint32_t index)
{
    uint32_t place = flow->orders[index].place;
    uint32_t last = flow->live[--flow->live_count];
    flow->live[place] = last;
    flow->orders[last].place = place;
}

/* Level of the best price, or -1. */
static inline int32_t flow_best(const struct flow_symbol *symbol, uint8_t side)
{
    uint32_t summary = symbol->summary[side];
    if (summary == 0)
        return -1;
    if (side == PIT_SIDE_BUY) {
        uint32_t word = 31u - (uint32_t)__builtin_clz(summary);
        return (int32_t)(word * 64u + 63u - (uint32_t)__builtin_clzll(symbol->bits[side][word]));
    }
    uint32_t word = (uint32_t)__builtin_ctz(summary);
    return (int32_t)(word * 64u + (uint32_t)__builtin_ctzll(symbol->bits[side][word]));
}

/* Forgets entries of the queue whose orders were confirmed gone. */
static inline void flow_presumed_trim(struct flow_window *flow, uint32_t most)
{
    for (; most > 0 && flow->presumed_first < flow->presumed_end; most--) {
        const struct flow_presumed *first = &flow->presumed[flow->presumed_first & flow->presumed_mask];
        const struct flow_order *order = &flow->orders[first->order];
        if (order->state == FLOW_PRESUMED && order->number == first->number)
            return;
        flow->presumed_first++;
    }
}

/* The model filled a resting order; with feedback it keeps its slot until that is confirmed. */
static inline void flow_filled(struct flow_window *flow, uint32_t index)
{
    struct flow_order *order = &flow->orders[index];
    flow_unlink(flow, index);
    flow_live_remove(flow, index);
    if (!flow->table) {
        flow_release(flow, index);
        return;
    }
    flow_presumed_trim(flow, 4);
    if (flow->presumed_end - flow->presumed_first > flow->presumed_mask) {
        /* Too many unconfirmed: the oldest are taken as filled after all. */
        struct flow_presumed *first = &flow->presumed[flow->presumed_first++ & flow->presumed_mask];
        if (flow->orders[first->order].state == FLOW_PRESUMED && flow->orders[first->order].number == first->number)
            flow_release(flow, first->order);
    }
    order->state = FLOW_PRESUMED;
    flow->presumed[flow->presumed_end++ & flow->presumed_mask] =
        (struct flow_presumed){.number = order->number, .since = flow->operations, .order = index};
}

/* Trades in the model as far as level allows; returns what is left of quantity. */
static inline uint32_t flow_match(struct flow_window *flow, uint32_t symbol_index, uint8_t side, int32_t limit,
                                  uint32_t quantity)
{
    struct flow_symbol *symbol = &flow->symbols[symbol_index];
    uint8_t other = side ^ 1u;
    while (quantity > 0) {
        int32_t best = flow_best(symbol, other);
        if (best < 0 || (side == PIT_SIDE_BUY ? best > limit : best < limit))
            break;
        uint32_t index = symbol->levels[best].head;
        struct flow_order *order = &flow->orders[index];
        if (order->quantity > quantity) {
            order->quantity -= quantity;
            return 0;
        }
        quantity -= order->quantity;
        flow_filled(flow, index);
    }
    return quantity;
}

/* Whether the model holds quantity within the limit, counted over a few orders only. */
static inline bool flow_fillable(const struct flow_window *flow, uint32_t symbol_index, uint8_t side, int32_t limit,
                                 uint32_t quantity)
{
    const struct flow_symbol *symbol = &flow->symbols[symbol_index];
    uint8_t other = side ^ 1u;
    int32_t step = side == PIT_SIDE_BUY ? 1 : -1;
    int32_t level = flow_best(symbol, other);
    for (; level >= 0 && level < (int32_t)FLOW_PRICES && (side == PIT_SIDE_BUY ? level <= limit : level >= limit);
         level += step) {
        for (uint32_t index = symbol->levels[level].head; index != FLOW_NONE; index = flow->orders[index].next) {
            if (flow->orders[index].side != other)
                break;
            if (flow->orders[index].quantity >= quantity)
                return true;
            quantity -= flow->orders[index].quantity;
        }
    }
    return false;
}

#endif
