/* tools/flow_window.c - the flows whose prices stay in a window: exchange, itch-like, mixed. The orders and books they
 * keep are in tools/flow_model.h; here is what comes next. Passive prices are drawn around the middle of the market,
 * which wanders slowly inside the window. */
#include "tools/flow_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_PRICE_MIN INT64_C(8976) /* ticks */
#define FLOW_QUANTITY_MAX UINT64_C(400)
#define FLOW_SHARES 16384u /* what the shares of a profile add up to */
#define FLOW_STEER_UNIT (INT64_C(1) << 20)
#define FLOW_PRESUMED_AGE 4096u /* operations for each account and a few; about as long as an answer is under way */

#define PER_CENT(x) ((uint16_t)((x)*FLOW_SHARES / 100.0 + 0.5))

/* 1,000 orders spread evenly over 1,640 prices stand on 1640 * (1 - exp(-1000 / 1640)) = 749 of them. */
static const struct flow_profile flow_profiles[] = {
    {.share_gtc = PER_CENT(9),
     .share_ioc = PER_CENT(3),
     .share_cancel = PER_CENT(6),
     .wander = 190,
     .reach = 820,
     .quantity = 100,
     .quantity_ioc = 138},
    {.share_gtc = PER_CENT(45),
     .share_ioc = PER_CENT(5),
     .share_cancel = PER_CENT(45),
     .wander = 400,
     .reach = 600,
     .quantity = 400,
     .quantity_ioc = 40,
     .nearer = 1},
    {.share_gtc = PER_CENT(33),
     .share_ioc = PER_CENT(5),
     .share_fok = PER_CENT(3),
     .share_cancel = PER_CENT(24),
     .share_reduce = PER_CENT(10),
     .wander = 300,
     .reach = 400,
     .quantity = 200,
     .quantity_ioc = 200,
     .nearer = 1,
     .cross = 16,
     .market = 64,
     .post_only = 32},
};

static inline uint64_t flow_random(struct flow_window *flow)
{
    return flow_random_next(&flow->random);
}

static inline int32_t flow_clamp(int32_t level)
{
    return level < 0 ? 0 : level > (int32_t)FLOW_PRICES - 1 ? (int32_t)FLOW_PRICES - 1 : level;
}

/* A price on the side's own half of the market, behind the other side's best. */
static inline int32_t flow_passive(const struct flow_window *flow, const struct flow_symbol *symbol, uint8_t side,
                                   uint64_t random)
{
    uint32_t away = flow_below((uint32_t)random, flow->profile.reach);
    if (flow->profile.nearer) {
        uint32_t second = flow_below((uint32_t)(random >> 32), flow->profile.reach);
        away = second < away ? second : away;
    }
    int32_t level = side == PIT_SIDE_BUY ? symbol->middle - 1 - (int32_t)away : symbol->middle + (int32_t)away;
    int32_t best = flow_best(symbol, side ^ 1u);
    if (best >= 0 && side == PIT_SIDE_BUY && level >= best)
        level = best - 1;
    if (best >= 0 && side == PIT_SIDE_SELL && level <= best)
        level = best + 1;
    return flow_clamp(level);
}

/* A price up to seven ticks through the other side's best. */
static inline int32_t flow_aggressive(const struct flow_symbol *symbol, uint8_t side, uint32_t random)
{
    int32_t best = flow_best(symbol, side ^ 1u);
    if (best < 0)
        best = symbol->middle;
    int32_t through = (int32_t)(random & 7u);
    return flow_clamp(side == PIT_SIDE_BUY ? best + through : best - through);
}

/* One step up or down, the rarer the more orders must be gone before the book follows. */
static inline void flow_wander(const struct flow_window *flow, struct flow_symbol *symbol, uint32_t random)
{
    if (random & flow->wander_mask)
        return;
    int32_t next = symbol->middle + ((random >> 31) ? 1 : -1);
    if (abs(next - FLOW_MIDDLE) <= flow->profile.wander)
        symbol->middle = next;
}

static void flow_rest(struct flow_window *flow, const struct pit_flow_operation *operation, int32_t level,
                      uint32_t quantity)
{
    uint32_t index = flow_take(flow);
    struct flow_order *order = &flow->orders[index];
    order->number = operation->order;
    order->symbol = operation->symbol;
    order->account = operation->account;
    order->quantity = quantity;
    order->level = (uint16_t)level;
    order->side = operation->side;
    if (flow->table)
        flow->table[flow_table_place(flow, order->number)] = index;
    flow_link(flow, index);
    flow_live_add(flow, index);
}

static void flow_new(struct flow_window *flow, struct pit_flow_operation *operation, enum pit_tif tif, bool filling)
{
    const struct flow_profile *profile = &flow->profile;
    uint64_t a = flow_random(flow), b = flow_random(flow);
    operation->kind = PIT_FLOW_NEW;
    operation->order = ++flow->number;
    operation->symbol = flow_below((uint32_t)a, flow->symbols_count);
    operation->account = flow_below((uint32_t)(a >> 32), flow->accounts);
    operation->side = (uint8_t)(b & 1u);
    operation->tif = (uint8_t)tif;
    operation->post_only = 0;
    operation->market = 0;
    struct flow_symbol *symbol = &flow->symbols[operation->symbol];
    if (!filling)
        flow_wander(flow, symbol, (uint32_t)(a ^ b));
    uint32_t coin = (uint32_t)(b >> 8) & 0xffu;
    uint32_t most = profile->quantity;
    int32_t level;
    if (tif != PIT_TIF_GTC || (!filling && coin < profile->cross)) {
        level = flow_aggressive(symbol, operation->side, (uint32_t)(b >> 16));
        most = profile->quantity_ioc;
        operation->market = tif != PIT_TIF_GTC && coin < profile->market;
    } else {
        level = flow_passive(flow, symbol, operation->side, flow_random(flow));
        operation->post_only = coin >= 256u - profile->post_only;
    }
    uint32_t quantity = 1u + flow_below((uint32_t)(b >> 32), most);
    operation->quantity = quantity;
    operation->price = operation->market ? 0 : FLOW_PRICE_MIN + level;
    if (operation->market)
        level = operation->side == PIT_SIDE_BUY ? (int32_t)FLOW_PRICES - 1 : 0;
    if (operation->post_only) {
        int32_t best = flow_best(symbol, operation->side ^ 1u);
        if (best >= 0 && (operation->side == PIT_SIDE_BUY ? best <= level : best >= level))
            operation->post_only = 0; /* it would be refused; let it trade */
    }
    if (tif == PIT_TIF_FOK && !flow_fillable(flow, operation->symbol, operation->side, level, quantity))
        return;
    quantity = flow_match(flow, operation->symbol, operation->side, level, quantity);
    if (quantity > 0 && tif == PIT_TIF_GTC)
        flow_rest(flow, operation, level, quantity);
}

static inline void flow_about(struct pit_flow_operation *operation, const struct flow_order *order)
{
    operation->order = order->number;
    operation->symbol = order->symbol;
    operation->account = order->account;
    operation->side = order->side;
    operation->tif = PIT_TIF_GTC;
    operation->market = 0;
    operation->post_only = 0;
    operation->price = 0;
    operation->quantity = 0;
}

static inline uint32_t flow_draw(const struct flow_window *flow, uint32_t which)
{
    return flow->live[flow_below(which, flow->live_count)];
}

static void flow_cancel(struct flow_window *flow, struct pit_flow_operation *operation, uint32_t which)
{
    operation->kind = PIT_FLOW_CANCEL;
    if (flow->table) {
        flow_presumed_trim(flow, 8);
        const struct flow_presumed *first = &flow->presumed[flow->presumed_first & flow->presumed_mask];
        if (flow->presumed_first < flow->presumed_end && first->since + flow->presumed_age < flow->operations &&
            flow->orders[first->order].state == FLOW_PRESUMED && flow->orders[first->order].number == first->number) {
            /* Nobody has said that it filled: it must still rest. */
            flow_about(operation, &flow->orders[first->order]);
            flow_release(flow, first->order);
            flow->presumed_first++;
            return;
        }
    }
    uint32_t index = flow_draw(flow, which);
    flow_about(operation, &flow->orders[index]);
    flow_unlink(flow, index);
    flow_live_remove(flow, index);
    flow_release(flow, index);
}

static void flow_reduce(struct flow_window *flow, struct pit_flow_operation *operation, uint32_t which)
{
    uint32_t index = flow_draw(flow, which);
    struct flow_order *order = &flow->orders[index];
    operation->kind = PIT_FLOW_REDUCE;
    flow_about(operation, order);
    if (order->quantity == 1) { /* nothing smaller is left of it */
        flow_unlink(flow, index);
        flow_live_remove(flow, index);
        operation->quantity = 1;
        flow_release(flow, index);
        return;
    }
    uint32_t off = 1u + flow_below((uint32_t)flow_random(flow), order->quantity - 1u);
    operation->quantity = off;
    order->quantity -= off;
}

static void flow_replace(struct flow_window *flow, struct pit_flow_operation *operation, uint32_t which)
{
    uint32_t index = flow_draw(flow, which);
    struct flow_order *order = &flow->orders[index];
    uint64_t random = flow_random(flow);
    struct flow_symbol *symbol = &flow->symbols[order->symbol];
    operation->kind = PIT_FLOW_REPLACE;
    flow_about(operation, order);
    flow_wander(flow, symbol, (uint32_t)(random >> 11));
    uint32_t quantity = 1u + flow_below((uint32_t)(random >> 32), flow->profile.quantity);
    int32_t level = order->level;
    if ((random >> 8) & 7u) /* one in eight changes its quantity only */
        level = flow_passive(flow, symbol, order->side, flow_random(flow));
    operation->price = FLOW_PRICE_MIN + level;
    operation->quantity = quantity;
    if (level == order->level && quantity <= order->quantity) {
        order->quantity = quantity;
        return;
    }
    flow_unlink(flow, index);
    order->quantity = flow_match(flow, order->symbol, order->side, level, quantity);
    order->level = (uint16_t)level;
    flow_link(flow, index); /* also when nothing is left: flow_filled takes it from its level */
    if (order->quantity == 0)
        flow_filled(flow, index);
}

static void window_next(struct pit_flow *base, struct pit_flow_operation *operation)
{
    struct flow_window *flow = (struct flow_window *)base;
    const struct flow_profile *profile = &flow->profile;
    if (flow->operations++ < flow->target) {
        flow_new(flow, operation, PIT_TIF_GTC, true);
        return;
    }
    /* Too few or too many orders rest: some cancels become orders, or the other way; at most one operation in 100. */
    int64_t missing = (int64_t)flow->target - (int64_t)flow->live_count;
    int32_t shift = (int32_t)(missing * flow->steer / FLOW_STEER_UNIT);
    int32_t shift_max = (int32_t)FLOW_SHARES / 100;
    shift = shift < -shift_max ? -shift_max : shift > shift_max ? shift_max : shift;
    uint64_t random = flow_random(flow); /* the upper bits say what comes, the lower ones which order */
    int32_t draw = (int32_t)(random >> 50);
    uint32_t which = (uint32_t)random;
    if (flow->live_count == 0) {
        flow_new(flow, operation, PIT_TIF_GTC, false);
        return;
    }
    if (flow_full(flow)) {
        flow_cancel(flow, operation, which);
        return;
    }
    if ((draw -= profile->share_gtc + shift) < 0)
        flow_new(flow, operation, PIT_TIF_GTC, false);
    else if ((draw -= profile->share_cancel - shift) < 0)
        flow_cancel(flow, operation, which);
    else if ((draw -= profile->share_ioc) < 0)
        flow_new(flow, operation, PIT_TIF_IOC, false);
    else if ((draw -= profile->share_fok) < 0)
        flow_new(flow, operation, PIT_TIF_FOK, false);
    else if ((draw -= profile->share_reduce) < 0)
        flow_reduce(flow, operation, which);
    else
        flow_replace(flow, operation, which);
}

static void window_gone(struct pit_flow *base, uint64_t order)
{
    struct flow_window *flow = (struct flow_window *)base;
    if (!flow->table || order == 0)
        return;
    uint32_t index = flow->table[flow_table_place(flow, order)];
    if (index == FLOW_NONE)
        return;
    if (flow->orders[index].state == FLOW_LIVE) {
        flow_unlink(flow, index);
        flow_live_remove(flow, index);
    }
    flow_release(flow, index);
}

static uint64_t window_filling(const struct pit_flow *flow)
{
    return ((const struct flow_window *)flow)->target;
}

static uint32_t window_resting(const struct pit_flow *flow)
{
    return ((const struct flow_window *)flow)->live_count;
}

static uint32_t flow_power_of_two(uint32_t least)
{
    uint32_t power = 64;
    while (power < least)
        power *= 2;
    return power;
}

static int flow_allocate(struct flow_window *flow, bool feedback)
{
    flow->live = calloc(flow->orders_count, sizeof *flow->live);
    flow->orders = calloc(flow->orders_count, sizeof *flow->orders);
    flow->symbols = calloc(flow->symbols_count, sizeof *flow->symbols);
    if (!flow->live || !flow->orders || !flow->symbols)
        return -ENOMEM;
    flow->free = FLOW_NONE;
    for (uint32_t s = 0; s < flow->symbols_count; s++) {
        memset(flow->symbols[s].levels, 0xff, sizeof flow->symbols[s].levels);
        flow->symbols[s].middle = FLOW_MIDDLE;
    }
    if (!feedback)
        return 0;
    uint32_t table = flow_power_of_two(flow->orders_count * 4u);
    uint32_t presumed = flow_power_of_two(flow->orders_count);
    flow->table = malloc(table * sizeof *flow->table);
    flow->presumed = calloc(presumed, sizeof *flow->presumed);
    if (!flow->table || !flow->presumed)
        return -ENOMEM;
    memset(flow->table, 0xff, table * sizeof *flow->table);
    flow->table_mask = table - 1;
    flow->presumed_mask = presumed - 1;
    return 0;
}

static void window_destroy(struct pit_flow *base)
{
    struct flow_window *flow = (struct flow_window *)base;
    free(flow->presumed);
    free(flow->table);
    free(flow->symbols);
    free(flow->orders);
    free(flow->live);
    free(flow);
}

static const struct flow_family family = {.next = window_next,
                                          .gone = window_gone,
                                          .filling = window_filling,
                                          .resting = window_resting,
                                          .destroy = window_destroy};

int flow_window_create(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options)
{
    const struct flow_profile *profile = &flow_profiles[which];
    struct flow_window *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->flow.family = &family;
    made->profile = *profile;
    made->random = options->seed * UINT64_C(0xd1342543de82ef95) + which;
    made->symbols_count = options->symbols;
    made->accounts = options->accounts;
    made->target = options->resting;
    made->steer = (int64_t)(FLOW_SHARES / 12) * FLOW_STEER_UNIT / made->target;
    made->presumed_age = (options->accounts + UINT64_C(3)) * FLOW_PRESUMED_AGE;
    made->wander_mask = flow_power_of_two(made->target / options->symbols / 16) - 1;
    made->orders_count = made->target + made->target / 2 + 4096;
    if (flow_allocate(made, options->feedback) != 0) {
        window_destroy(&made->flow);
        return -ENOMEM;
    }
    *flow = &made->flow;
    return 0;
}

struct pit_flow_band flow_window_band(uint32_t which, const struct pit_flow_options *options)
{
    (void)which;
    (void)options;
    return (struct pit_flow_band){
        .price_min = FLOW_PRICE_MIN, .price_max = FLOW_PRICE_MIN + FLOW_PRICES - 1, .quantity_max = FLOW_QUANTITY_MAX};
}
