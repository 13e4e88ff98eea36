/* tools/flow_family.h - what the kinds of flows have in common: part of tools/flow*.c alone.
 *
 * A family makes flows of one construction: prices in one window (tools/flow_window.c), a moving market
 * (tools/flow_market.c), a steady book (tools/flow_steady.c), or several flows in turn (tools/flow_turns.c). Its struct
 * opens with a struct pit_flow; tools/flow.c knows which name belongs to which family.
 */
#ifndef PIT_TOOLS_FLOW_FAMILY_H
#define PIT_TOOLS_FLOW_FAMILY_H

#include "tools/flow.h"

/* The functions of tools/flow.h for one family; all are there. */
struct flow_family {
    void (*next)(struct pit_flow *flow, struct pit_flow_operation *operation);
    void (*gone)(struct pit_flow *flow, uint64_t order);
    uint64_t (*filling)(const struct pit_flow *flow);
    uint32_t (*resting)(const struct pit_flow *flow);
    void (*destroy)(struct pit_flow *flow);
};

struct pit_flow {
    const struct flow_family *family;
    bool ids_mixed;
};

/* Each makes the which'th flow of its family; the options are in range and complete. 0 or -ENOMEM, without a word. */
int flow_window_create(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options);
int flow_market_create(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options);
int flow_steady_create(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options);

/* The prices of the which'th flow of the family; likewise. */
struct pit_flow_band flow_window_band(uint32_t which, const struct pit_flow_options *options);
struct pit_flow_band flow_market_band(uint32_t which, const struct pit_flow_options *options);
struct pit_flow_band flow_steady_band(uint32_t which, const struct pit_flow_options *options);

/* One flow a symbol, each made by create for one symbol, taking turns. */
int flow_turns_create(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options,
                      int (*create)(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options));

/* SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. */
static inline uint64_t flow_random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 .. below - 1 from 32 random bits. */
static inline uint32_t flow_below(uint32_t bits, uint32_t below)
{
    return (uint32_t)(((uint64_t)bits * below) >> 32);
}

#endif
