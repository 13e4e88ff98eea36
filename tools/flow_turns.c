/* tools/flow_turns.c - several symbols, each with a flow of its own, taking turns: symbol 0, 1, 2, ..., 0, 1, ...
 *
 * A book is touched again only after all others were, so with many symbols every command finds a cold one. The order
 * numbers of the flows are interleaved: n of symbol s is (n - 1) * symbols + s + 1.
 */
#include <errno.h>
#include <stdlib.h>

#include "tools/flow_family.h"

struct flow_turns {
    struct pit_flow flow;
    struct pit_flow **flows;
    uint32_t count;
    uint32_t turn;
};

static void turns_next(struct pit_flow *flow, struct pit_flow_operation *operation)
{
    struct flow_turns *turns = (struct flow_turns *)flow;
    pit_flow_next(turns->flows[turns->turn], operation);
    operation->order = (operation->order - 1) * turns->count + turns->turn + 1;
    operation->symbol = turns->turn;
    turns->turn = turns->turn + 1 < turns->count ? turns->turn + 1 : 0;
}

static void turns_gone(struct pit_flow *flow, uint64_t order)
{
    const struct flow_turns *turns = (const struct flow_turns *)flow;
    if (order)
        pit_flow_gone(turns->flows[(order - 1) % turns->count], (order - 1) / turns->count + 1);
}

static uint64_t turns_filling(const struct pit_flow *flow)
{
    const struct flow_turns *turns = (const struct flow_turns *)flow;
    return pit_flow_filling(turns->flows[0]) * turns->count;
}

static uint32_t turns_resting(const struct pit_flow *flow)
{
    const struct flow_turns *turns = (const struct flow_turns *)flow;
    uint32_t resting = 0;
    for (uint32_t i = 0; i < turns->count; i++)
        resting += pit_flow_resting(turns->flows[i]);
    return resting;
}

static void turns_destroy(struct pit_flow *flow)
{
    struct flow_turns *turns = (struct flow_turns *)flow;
    for (uint32_t i = 0; turns->flows && i < turns->count; i++)
        pit_flow_destroy(turns->flows[i]);
    free(turns->flows);
    free(turns);
}

static const struct flow_family family = {.next = turns_next,
                                          .gone = turns_gone,
                                          .filling = turns_filling,
                                          .resting = turns_resting,
                                          .destroy = turns_destroy};

int flow_turns_create(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options,
                      int (*create)(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options))
{
    struct flow_turns *turns = calloc(1, sizeof *turns);
    if (!turns)
        return -ENOMEM;
    turns->flow.family = &family;
    turns->count = options->symbols;
    turns->flows = calloc(turns->count, sizeof *turns->flows);
    int code = turns->flows ? 0 : -ENOMEM;
    for (uint32_t i = 0; code == 0 && i < turns->count; i++) {
        struct pit_flow_options one = *options;
        one.symbols = 1;
        one.seed = options->seed * UINT64_C(0xff51afd7ed558ccd) + i;
        one.resting = (options->resting - 1) / turns->count + 1;
        one.period = (options->period - 1) / turns->count + 1;
        code = create(&turns->flows[i], which, &one);
    }
    if (code != 0) {
        turns_destroy(&turns->flow);
        return code;
    }
    *flow = &turns->flow;
    return 0;
}
