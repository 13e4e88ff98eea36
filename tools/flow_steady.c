/* tools/flow_steady.c - books that stay as they are while orders come and go: old, wide, sweep, depth.
 *
 *   old    each message cancels an order of any age or enters a new one; nothing trades
 *   wide   distances from the market between one tick and the whole range of prices, each power of two as likely
 *   sweep  aggressors that take exactly 1, 2, ... 1,023 orders, twice as many half as often; what was taken comes back
 *   depth  one kind of message at a time, a block of each: cancel (of any age), new, replace, aggressor (takes the best
 *          order), new; after every round the same number of orders rests at every price as before
 *
 * old, sweep and depth use options->levels prices side by side: the lower half for buyers, the upper half for sellers.
 */
#include <errno.h>
#include <stdlib.h>

#include "tools/flow_family.h"
#include "tools/flow_ledger.h"

#define LOWEST INT64_C(9000) /* of the prices side by side */
#define DISTANCE_BITS 61u    /* wide: 1 .. 2^61 - 1 = PIT_PRICE_MAX */
#define QUANTITY 100u
#define QUANTITY_MOST 400u
#define SWEEP_QUANTITY 10u  /* of every resting order */
#define SWEEP_OCTAVES 10u   /* an aggressor takes fewer than 2^10 */
#define WANDER 32u          /* old, wide: so many orders more or fewer than wanted rest at most */
#define PRESUMED_AGE 4096u  /* operations for each account and a few; about as long as an answer is under way */
#define VACATED_ROOM 65536u /* more than any flow takes before it comes back */

enum which { OLD = 0, WIDE = 1, SWEEP = 2, DEPTH = 3 };

struct place {
    int64_t price;
    uint8_t side;
};

struct flow_steady {
    struct pit_flow flow;
    enum which which;
    struct flow_ledger ledger;
    uint64_t random;
    uint64_t number;
    uint32_t accounts;
    uint32_t target;
    uint32_t levels;
    /* sweep, depth: places that orders left and new ones take */
    struct place *vacated;
    uint32_t vacated_count;
    /* depth */
    uint32_t block;
    uint32_t step;    /* 0 .. 5 * block - 1 of the round */
    uint64_t partner; /* the second of two that change places, 0 = none */
    uint32_t partner_entry;
    int64_t partner_price; /* where it goes */
};

static struct flow_steady *steady_of(struct pit_flow *flow)
{
    return (struct flow_steady *)flow;
}

static uint32_t draw(struct flow_steady *steady, uint32_t below)
{
    return flow_below((uint32_t)(flow_random_next(&steady->random) >> 32), below);
}

/* The level'th price of all. */
static struct place place_of_level(const struct flow_steady *steady, uint32_t level)
{
    const uint32_t buyers = (steady->levels + 1) / 2;
    return (struct place){.price = LOWEST + level, .side = level < buyers ? PIT_SIDE_BUY : PIT_SIDE_SELL};
}

static struct place place_wide(struct flow_steady *steady)
{
    const uint64_t random = flow_random_next(&steady->random);
    const uint32_t octave = flow_below((uint32_t)random, DISTANCE_BITS);
    const uint64_t first = UINT64_C(1) << octave;
    const int64_t distance = (int64_t)(first + (flow_random_next(&steady->random) & (first - 1)));
    const uint8_t side = (uint8_t)(random >> 63);
    return (struct place){.price = side == PIT_SIDE_BUY ? -distance : distance, .side = side};
}

static struct place place_any(struct flow_steady *steady)
{
    return steady->which == WIDE ? place_wide(steady) : place_of_level(steady, draw(steady, steady->levels));
}

/* The place an order left, any of them; none: any place. */
static struct place place_vacated(struct flow_steady *steady)
{
    if (steady->vacated_count == 0)
        return place_any(steady);
    struct place *chosen = &steady->vacated[draw(steady, steady->vacated_count)];
    const struct place place = *chosen;
    *chosen = steady->vacated[--steady->vacated_count];
    return place;
}

static void vacate(void *context, const struct flow_entry *entry)
{
    struct flow_steady *steady = context;
    if (steady->vacated && steady->vacated_count < VACATED_ROOM)
        steady->vacated[steady->vacated_count++] = (struct place){.price = entry->price, .side = entry->side};
}

static void about(struct pit_flow_operation *operation, const struct flow_entry *entry, enum pit_flow_kind kind)
{
    *operation = (struct pit_flow_operation){.order = entry->number,
                                             .account = entry->account,
                                             .kind = (uint8_t)kind,
                                             .side = entry->side,
                                             .tif = PIT_TIF_GTC};
}

static void make(struct flow_steady *steady, struct pit_flow_operation *operation, struct place place,
                 uint32_t quantity, enum pit_tif tif)
{
    *operation = (struct pit_flow_operation){.order = ++steady->number,
                                             .price = place.price,
                                             .quantity = quantity,
                                             .account = draw(steady, steady->accounts),
                                             .kind = PIT_FLOW_NEW,
                                             .side = place.side,
                                             .tif = (uint8_t)tif};
}

static void enter(struct flow_steady *steady, struct pit_flow_operation *operation, struct place place)
{
    const uint32_t quantity = steady->which == SWEEP ? SWEEP_QUANTITY : 1u + draw(steady, QUANTITY);
    make(steady, operation, place, quantity, PIT_TIF_GTC);
    const struct flow_entry order = {.number = operation->order,
                                     .price = place.price,
                                     .quantity = quantity,
                                     .account = operation->account,
                                     .side = place.side,
                                     .list = FLOW_LIST_STANDING};
    flow_ledger_rest(&steady->ledger, &order);
}

static uint32_t any_live(struct flow_steady *steady)
{
    return steady->ledger.lists[FLOW_LIST_STANDING][draw(steady, steady->ledger.list_counts[FLOW_LIST_STANDING])];
}

static void cancel(struct flow_steady *steady, struct pit_flow_operation *operation)
{
    struct flow_ledger *ledger = &steady->ledger;
    const uint32_t index = any_live(steady);
    about(operation, &ledger->entries[index], PIT_FLOW_CANCEL);
    vacate(steady, &ledger->entries[index]);
    flow_ledger_remove(ledger, index);
}

/* Always to the end of a queue: at the same price the quantity rises. */
static void move(struct flow_steady *steady, struct pit_flow_operation *operation, uint32_t index, int64_t price)
{
    const struct flow_entry *entry = &steady->ledger.entries[index];
    uint32_t quantity = 1u + draw(steady, QUANTITY);
    if (entry->price == price)
        quantity = entry->quantity < QUANTITY_MOST ? entry->quantity + 1 : 1;
    about(operation, entry, PIT_FLOW_REPLACE);
    operation->price = price;
    operation->quantity = quantity;
    if (entry->price == price && quantity <= entry->quantity)
        steady->ledger.entries[index].quantity = quantity; /* the one case that keeps its place */
    else
        flow_ledger_move(&steady->ledger, index, price, quantity);
}

/* An immediate-or-cancel order against a side that has orders. */
static void take(struct flow_steady *steady, struct pit_flow_operation *operation, uint8_t side, int64_t limit,
                 uint32_t quantity)
{
    make(steady, operation, (struct place){.price = limit, .side = side}, quantity, PIT_TIF_IOC);
    flow_ledger_match(&steady->ledger, side, limit, quantity);
}

/* The side that an aggressor comes from: by chance, but the other one must have orders. */
static uint8_t taker_side(struct flow_steady *steady)
{
    const uint8_t side = (uint8_t)draw(steady, 2);
    return steady->ledger.counts[side ^ 1u] ? side : side ^ 1u;
}

static void next_old(struct flow_steady *steady, struct pit_flow_operation *operation)
{
    const uint32_t live = flow_ledger_live(&steady->ledger);
    const uint32_t wander = steady->target / 2 < WANDER ? steady->target / 2 : WANDER;
    if (live < steady->target + wander && (live <= steady->target - wander || draw(steady, 2) == 0))
        enter(steady, operation, place_any(steady));
    else
        cancel(steady, operation);
}

/* 4 in 40 take, 6 in 40 move, the rest come and go. */
static void next_wide(struct flow_steady *steady, struct pit_flow_operation *operation)
{
    const uint32_t dice = draw(steady, 40);
    if (dice >= 10) {
        next_old(steady, operation);
    } else if (dice >= 4) {
        const uint32_t index = any_live(steady);
        struct place place = place_wide(steady);
        if (place.side != steady->ledger.entries[index].side)
            place.price = -place.price;
        move(steady, operation, index, place.price);
    } else {
        const uint8_t side = taker_side(steady);
        const int64_t best = steady->ledger.entries[flow_ledger_best(&steady->ledger, side ^ 1u)].price;
        take(steady, operation, side, best, 1u + draw(steady, QUANTITY + QUANTITY / 2));
    }
}

static void next_sweep(struct flow_steady *steady, struct pit_flow_operation *operation)
{
    if (flow_ledger_live(&steady->ledger) < steady->target) {
        enter(steady, operation, place_vacated(steady));
        return;
    }
    const uint8_t side = taker_side(steady);
    const uint32_t octave = (uint32_t)__builtin_ctzll(flow_random_next(&steady->random) | 1u << (SWEEP_OCTAVES - 1));
    uint32_t orders = (1u << octave) + draw(steady, 1u << octave);
    if (orders > steady->ledger.counts[side ^ 1u])
        orders = steady->ledger.counts[side ^ 1u];
    const int64_t limit = side == PIT_SIDE_BUY ? LOWEST + steady->levels - 1 : LOWEST;
    take(steady, operation, side, limit, orders * SWEEP_QUANTITY);
}

/* Two orders of one side change their prices, one after the other. */
static void change_places(struct flow_steady *steady, struct pit_flow_operation *operation)
{
    const struct flow_ledger *ledger = &steady->ledger;
    const uint64_t partner = steady->partner;
    steady->partner = 0;
    const struct flow_entry *entry = &ledger->entries[steady->partner_entry];
    if (partner && entry->state == FLOW_ENTRY_LIVE && entry->number == partner) {
        move(steady, operation, steady->partner_entry, steady->partner_price);
        return;
    }
    const uint32_t first = any_live(steady);
    uint32_t second = any_live(steady);
    for (uint32_t tries = 0; tries < 16 && ledger->entries[second].side != ledger->entries[first].side; tries++)
        second = any_live(steady);
    if (ledger->entries[second].side != ledger->entries[first].side)
        second = first;
    steady->partner = ledger->entries[second].number;
    steady->partner_entry = second;
    steady->partner_price = ledger->entries[first].price;
    move(steady, operation, first, ledger->entries[second].price);
}

static void next_depth(struct flow_steady *steady, struct pit_flow_operation *operation)
{
    const uint32_t phase = steady->step / steady->block;
    steady->step = (steady->step + 1) % (5 * steady->block);
    if (phase == 0) {
        cancel(steady, operation);
    } else if (phase == 2) {
        change_places(steady, operation);
    } else if (phase == 3) {
        const uint8_t side = taker_side(steady);
        const struct flow_entry *best = &steady->ledger.entries[flow_ledger_best(&steady->ledger, side ^ 1u)];
        take(steady, operation, side, best->price, best->quantity);
    } else {
        enter(steady, operation, place_vacated(steady));
    }
}

static void steady_next(struct pit_flow *flow, struct pit_flow_operation *operation)
{
    struct flow_steady *steady = steady_of(flow);
    struct flow_ledger *ledger = &steady->ledger;
    const uint64_t done = ledger->operations++;
    const uint32_t overdue = flow_ledger_overdue(ledger);
    if (done < steady->target && steady->which == WIDE) {
        enter(steady, operation, place_wide(steady));
    } else if (done < steady->target) { /* the same number at every price; neighbours in time far apart in price */
        const uint64_t level = done * UINT64_C(2654435761) % steady->levels;
        enter(steady, operation, place_of_level(steady, (uint32_t)level));
    } else if (overdue != FLOW_ENTRY_NONE) { /* nobody has said that it filled: it must still rest */
        about(operation, &ledger->entries[overdue], PIT_FLOW_CANCEL);
    } else if (flow_ledger_full(ledger)) {
        cancel(steady, operation);
    } else if (flow_ledger_live(ledger) == 0) {
        enter(steady, operation, place_vacated(steady));
    } else {
        static void (*const next[])(struct flow_steady *, struct pit_flow_operation *) = {next_old, next_wide,
                                                                                          next_sweep, next_depth};
        next[steady->which](steady, operation);
    }
}

static void steady_gone(struct pit_flow *flow, uint64_t order)
{
    flow_ledger_gone(&steady_of(flow)->ledger, order);
}

static uint64_t steady_filling(const struct pit_flow *flow)
{
    return ((const struct flow_steady *)flow)->target;
}

static uint32_t steady_resting(const struct pit_flow *flow)
{
    return flow_ledger_live(&((const struct flow_steady *)flow)->ledger);
}

static void steady_destroy(struct pit_flow *flow)
{
    struct flow_steady *steady = steady_of(flow);
    flow_ledger_destroy(&steady->ledger);
    free(steady->vacated);
    free(steady);
}

static const struct flow_family family = {.next = steady_next,
                                          .gone = steady_gone,
                                          .filling = steady_filling,
                                          .resting = steady_resting,
                                          .destroy = steady_destroy};

int flow_steady_create(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options)
{
    struct flow_steady *steady = calloc(1, sizeof *steady);
    if (!steady)
        return -ENOMEM;
    steady->flow.family = &family;
    steady->which = (enum which)which;
    steady->random = options->seed * UINT64_C(0xd1342543de82ef95) + 16 + which;
    steady->accounts = options->accounts;
    steady->levels = options->levels;
    steady->target = options->resting;
    const uint32_t quarter = steady->target / 4;
    steady->block = quarter < 2 ? 2 : quarter > PIT_FLOW_DEPTH_BLOCK ? PIT_FLOW_DEPTH_BLOCK : quarter & ~1u;
    const uint32_t orders = steady->target + steady->target / 2 + 4096;
    const uint64_t age = (options->accounts + UINT64_C(3)) * PRESUMED_AGE;
    int code = flow_ledger_create(&steady->ledger, orders, 0, options->feedback, age);
    steady->ledger.filled = vacate;
    steady->ledger.context = steady;
    if (which == SWEEP || which == DEPTH) {
        steady->vacated = calloc(VACATED_ROOM, sizeof *steady->vacated);
        code = steady->vacated ? code : -ENOMEM;
    }
    if (code != 0) {
        steady_destroy(&steady->flow);
        return -ENOMEM;
    }
    *flow = &steady->flow;
    return 0;
}

struct pit_flow_band flow_steady_band(uint32_t which, const struct pit_flow_options *options)
{
    const uint64_t quantity_max = which == SWEEP ? SWEEP_QUANTITY * ((1u << SWEEP_OCTAVES) - 1) : QUANTITY_MOST;
    if (which == WIDE)
        return (struct pit_flow_band){
            .price_min = PIT_PRICE_MIN, .price_max = PIT_PRICE_MAX, .quantity_max = quantity_max};
    return (struct pit_flow_band){
        .price_min = LOWEST, .price_max = LOWEST + options->levels - 1, .quantity_max = quantity_max};
}
