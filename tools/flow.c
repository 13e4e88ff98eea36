/* See tools/flow.h: which flow is of which family, and what all have in common. */
#include "tools/flow.h"

#include <errno.h>
#include <string.h>

#include "tools/flow_family.h"

#define LEVELS 2000u
#define PERIOD UINT64_C(1000000)
#define PERIOD_MAX (UINT64_C(1) << 40)

enum resting { OVER_ALL, EACH };

/* In the order of pit_flow_names. */
static const struct known {
    int (*create)(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options);
    struct pit_flow_band (*band)(uint32_t which, const struct pit_flow_options *options);
    uint32_t which;
    uint32_t resting;
    enum resting of; /* whether resting is of all symbols together or of each */
    bool in_turn;    /* always */
    bool ids_mixed;
} known[] = {
    {flow_window_create, flow_window_band, 0, 1000, EACH, false, false},
    {flow_window_create, flow_window_band, 1, 100000, OVER_ALL, false, false},
    {flow_window_create, flow_window_band, 2, 2000, EACH, false, false},
    {flow_market_create, flow_market_band, 0, 20000, EACH, true, true},
    {flow_market_create, flow_market_band, 1, 3000, EACH, true, true},
    {flow_market_create, flow_market_band, 2, 1500, EACH, true, true},
    {flow_market_create, flow_market_band, 3, 700, EACH, true, true},
    {flow_market_create, flow_market_band, 4, 250, EACH, true, true},
    {flow_steady_create, flow_steady_band, 0, 100000, OVER_ALL, true, false},
    {flow_steady_create, flow_steady_band, 1, 100000, OVER_ALL, true, false},
    {flow_steady_create, flow_steady_band, 2, 10000, OVER_ALL, true, false},
    {flow_steady_create, flow_steady_band, 3, 10000, OVER_ALL, true, false},
};

const char *const pit_flow_names[] = {"exchange",    "itch-like", "mixed", "static", "normal", "swing-25", "swing-40",
                                      "flash-crash", "old",       "wide",  "sweep",  "depth",  NULL};

_Static_assert(sizeof pit_flow_names / sizeof *pit_flow_names == sizeof known / sizeof *known + 1, "a flow a name");

/* Says which flow the options mean, and fills in what they leave open. */
static int complete(const struct pit_flow_options *options, struct pit_flow_options *whole, const struct known **found,
                    struct pit_error *error)
{
    uint32_t which = 0;
    while (pit_flow_names[which] && strcmp(pit_flow_names[which], options->name) != 0)
        which++;
    if (!pit_flow_names[which])
        return pit_error_set(error, -EINVAL,
                             "there is no flow '%s'; there are exchange, itch-like, mixed, static, normal, swing-25, "
                             "swing-40, flash-crash, old, wide, sweep and depth",
                             options->name);
    if (options->symbols < 1 || options->symbols > PIT_SYMBOLS_MAX || options->accounts < 1)
        return pit_error_set(error, -EINVAL, "a flow needs 1 to %u symbols and at least one account (%u, %u)",
                             PIT_SYMBOLS_MAX, options->symbols, options->accounts);
    if (options->levels > PIT_FLOW_LEVELS_MAX || options->period > PERIOD_MAX)
        return pit_error_set(error, -EINVAL, "a flow has at most %u prices (%u) and a period of 2^40 operations (%llu)",
                             PIT_FLOW_LEVELS_MAX, options->levels, (unsigned long long)options->period);
    uint64_t resting = options->resting;
    if (resting == 0)
        resting = known[which].of == EACH ? (uint64_t)known[which].resting * options->symbols : known[which].resting;
    if (resting > PIT_ORDERS_MAX)
        return pit_error_set(error, -EINVAL, "%llu resting orders are more than a flow keeps (%u)",
                             (unsigned long long)resting, PIT_ORDERS_MAX);
    *found = &known[which];
    *whole = *options;
    whole->resting = (uint32_t)resting;
    whole->levels = options->levels ? options->levels : LEVELS;
    whole->period = options->period ? options->period : PERIOD;
    return 0;
}

int pit_flow_band(const struct pit_flow_options *options, struct pit_flow_band *band, struct pit_error *error)
{
    struct pit_flow_options whole;
    const struct known *found;
    const int code = complete(options, &whole, &found, error);
    if (code == 0)
        *band = found->band(found->which, &whole);
    return code;
}

int pit_flow_create(struct pit_flow **flow, const struct pit_flow_options *options, struct pit_error *error)
{
    struct pit_flow_options whole;
    const struct known *found;
    int code = complete(options, &whole, &found, error);
    if (code != 0)
        return code;
    if (whole.symbols > 1 && (found->in_turn || whole.in_turn))
        code = flow_turns_create(flow, found->which, &whole, found->create);
    else
        code = found->create(flow, found->which, &whole);
    if (code != 0)
        return pit_error_set(error, code, "no memory for a flow of %u resting orders and %u symbols", whole.resting,
                             whole.symbols);
    (*flow)->ids_mixed = found->ids_mixed;
    return 0;
}

void pit_flow_destroy(struct pit_flow *flow)
{
    if (flow)
        flow->family->destroy(flow);
}

void pit_flow_next(struct pit_flow *flow, struct pit_flow_operation *operation)
{
    flow->family->next(flow, operation);
}

void pit_flow_gone(struct pit_flow *flow, uint64_t order)
{
    flow->family->gone(flow, order);
}

uint64_t pit_flow_filling(const struct pit_flow *flow)
{
    return flow->family->filling(flow);
}

uint32_t pit_flow_resting(const struct pit_flow *flow)
{
    return flow->family->resting(flow);
}

/* The mixture of a block of 2^20: multiplication by an odd number and a shift over half the bits, twice; each can be
 * taken back. 0 stays 0, so no order has the id 0. */
#define IDS_MASK ((uint32_t)PIT_FLOW_IDS_BLOCK - 1)
#define IDS_ODD_1 UINT32_C(0x9e3b5)
#define IDS_ODD_2 UINT32_C(0x5bd1d)

/* The number that undoes multiplication by an odd one: each step doubles the bits that are right (Newton). */
static uint32_t inverse(uint32_t odd)
{
    uint32_t undo = odd;
    for (uint32_t bits = 3; bits < 32; bits *= 2)
        undo *= 2 - odd * undo;
    return undo;
}

uint64_t pit_flow_id(const struct pit_flow *flow, uint64_t order)
{
    if (!flow->ids_mixed)
        return order;
    uint32_t low = (uint32_t)order & IDS_MASK;
    low = low * IDS_ODD_1 & IDS_MASK;
    low ^= low >> 10;
    low = low * IDS_ODD_2 & IDS_MASK;
    low ^= low >> 10;
    return (order & ~(uint64_t)IDS_MASK) | low;
}

uint64_t pit_flow_order(const struct pit_flow *flow, uint64_t id)
{
    if (!flow->ids_mixed)
        return id;
    uint32_t low = (uint32_t)id & IDS_MASK;
    low ^= low >> 10;
    low = low * inverse(IDS_ODD_2) & IDS_MASK;
    low ^= low >> 10;
    low = low * inverse(IDS_ODD_1) & IDS_MASK;
    return (id & ~(uint64_t)IDS_MASK) | low;
}
