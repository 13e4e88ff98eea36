/* tools/flow_market.c - five shapes of one market: its price stands, wanders, swings, or falls through and recovers.
 *
 * About half of the messages are new orders. One in seven may only trade at once, and every second of those goes for
 * the other side's best price. The others rest on their own side of the middle, one in five is replaced once, and
 * nearly all are cancelled within a few messages; one in twenty stays, and what stayed is cancelled at random when more
 * rests than should. How far from the middle an order is placed is half a hump eight ticks out, half a power law:
 * twice as far, two fifths as often. What was left behind by the price trades when the price comes back to it.
 *
 * The path of the middle is a deterministic curve over the period plus a random walk of a tick an order that is turned
 * back at its bounds; all of it is integer arithmetic.
 */
#include <errno.h>
#include <stdlib.h>

#include "tools/flow_family.h"
#include "tools/flow_ledger.h"

#define MIDDLE INT64_C(40000) /* ticks */
#define REACH 2048            /* a placement is nearer to the middle than this */
#define THROUGH 8             /* an aggressor's limit is less than this through the best price */
#define QUANTITY 100u
#define YOUNG 64u
#define PRESUMED_AGE 4096u /* operations for each account and a few; about as long as an answer is under way */

enum { PLAN_CANCEL = 1, PLAN_REPLACE = 2 };

/* The middle at a point of the period (per cent of MIDDLE against the start); straight lines between the points. */
struct point {
    uint32_t at; /* per mille of the period */
    int32_t per_cent;
};

struct shape {
    const struct point *path; /* ends with the point at 1000 */
    int32_t wander;           /* the walk keeps within so many ticks; 0 = no walk */
    uint32_t deeper;          /* an order that stays is placed up to so many times as far from the middle */
};

static const struct point standing[] = {{0, 0}, {1000, 0}};
static const struct point swing_25[] = {{0, 0}, {250, 25}, {750, -25}, {1000, 0}};
static const struct point swing_40[] = {{0, 0}, {250, 40}, {750, -40}, {1000, 0}};
static const struct point crash[] = {{0, 0}, {480, 0}, {500, -60}, {600, -8}, {1000, 0}};

static const struct shape shapes[] = {
    {.path = standing, .wander = 0, .deeper = 1},    {.path = standing, .wander = 4000, .deeper = 16},
    {.path = swing_25, .wander = 200, .deeper = 32}, {.path = swing_40, .wander = 200, .deeper = 32},
    {.path = crash, .wander = 200, .deeper = 32},
};

struct flow_market {
    struct pit_flow flow;
    const struct shape *shape;
    struct flow_ledger ledger;
    uint64_t random;
    uint64_t number;
    uint64_t period;
    uint32_t clock; /* new orders so far; orders are due by it */
    uint32_t accounts;
    uint32_t target;
    int32_t walk;
};

static struct flow_market *market_of(struct pit_flow *flow)
{
    return (struct flow_market *)flow;
}

static int64_t path_at(const struct shape *shape, uint64_t operation, uint64_t period)
{
    const struct point *to = shape->path + 1;
    const uint64_t at = operation % period * 1000; /* in 1/1000 of an operation, so that no point is rounded */
    while (to->at * period <= at)
        to++;
    const struct point *from = to - 1;
    const int64_t start = MIDDLE * from->per_cent / 100, rise = MIDDLE * (to->per_cent - from->per_cent) / 100;
    const int64_t gone = (int64_t)(at - from->at * period), span = (int64_t)((to->at - from->at) * period);
    return MIDDLE + start + rise * gone / span;
}

static int64_t middle(const struct flow_market *market)
{
    const uint64_t done = market->ledger.operations - 1;
    return path_at(market->shape, done < market->target ? 0 : done - market->target, market->period) + market->walk;
}

static void walk(struct flow_market *market, uint64_t random)
{
    const int32_t bound = market->shape->wander;
    if (bound == 0 || (random & 6u))
        return;
    market->walk += random & 1u ? 1 : -1;
    if (abs(market->walk) > bound)
        market->walk = market->walk > 0 ? bound - 1 : 1 - bound;
}

/* Ticks from the best that could be, 0 .. REACH - 1, up to so many times as far. */
static uint32_t placement(struct flow_market *market, uint32_t times)
{
    const uint64_t random = flow_random_next(&market->random), more = flow_random_next(&market->random);
    const uint32_t low = (uint32_t)random;
    uint32_t away;
    if (low & 1u) { /* the hump: four dice, 2 .. 14 with the middle the most likely */
        away = 2u + ((low >> 1) & 3u) + ((low >> 3) & 3u) + ((low >> 5) & 3u) + ((low >> 7) & 3u);
    } else {
        uint32_t octave = 0;
        for (uint64_t dice = random >> 9; octave < 11 && (dice & 31u) < 13u; dice >>= 5)
            octave++;
        away = (1u << octave) - 1u + flow_below((uint32_t)more, 1u << octave);
    }
    away += flow_below((uint32_t)(more >> 32), (away + 1) * times - away);
    return away < REACH ? away : REACH - 1;
}

static void about(struct pit_flow_operation *operation, const struct flow_entry *entry)
{
    *operation = (struct pit_flow_operation){
        .order = entry->number, .account = entry->account, .side = entry->side, .tif = PIT_TIF_GTC};
}

static void cancel(struct flow_market *market, struct pit_flow_operation *operation, uint32_t index)
{
    about(operation, &market->ledger.entries[index]);
    operation->kind = PIT_FLOW_CANCEL;
    flow_ledger_remove(&market->ledger, index);
}

static void cancel_standing(struct flow_market *market, struct pit_flow_operation *operation)
{
    struct flow_ledger *ledger = &market->ledger;
    const enum flow_list list = ledger->list_counts[FLOW_LIST_STANDING] ? FLOW_LIST_STANDING : FLOW_LIST_YOUNG;
    const uint32_t which = flow_below((uint32_t)flow_random_next(&market->random), ledger->list_counts[list]);
    cancel(market, operation, ledger->lists[list][which]);
}

/* One lot more, and most times a tick nearer to the market. It goes when its next turn comes, or stays. */
static void replace(struct flow_market *market, struct pit_flow_operation *operation, uint32_t index)
{
    struct flow_ledger *ledger = &market->ledger;
    struct flow_entry *entry = &ledger->entries[index];
    const uint64_t random = flow_random_next(&market->random);
    const bool nudge = flow_below((uint32_t)random, 5) != 0;
    about(operation, entry);
    operation->kind = PIT_FLOW_REPLACE;
    operation->price = entry->price + (!nudge ? 0 : entry->side == PIT_SIDE_BUY ? 1 : -1);
    operation->quantity = entry->quantity + 1u;
    entry->plan = PLAN_CANCEL;
    entry->due = market->clock + 1 + (uint32_t)__builtin_ctzll((random >> 32) | UINT64_C(1) << 31);
    flow_ledger_move(ledger, index, operation->price, (uint32_t)operation->quantity);
}

/* The young order that is due first, or FLOW_ENTRY_NONE when none is due yet. */
static uint32_t due_first(const struct flow_market *market)
{
    const struct flow_ledger *ledger = &market->ledger;
    uint32_t first = FLOW_ENTRY_NONE;
    int32_t first_wait = ledger->list_counts[FLOW_LIST_YOUNG] == YOUNG ? INT32_MAX : 1;
    for (uint32_t i = 0; i < ledger->list_counts[FLOW_LIST_YOUNG]; i++) {
        const uint32_t index = ledger->lists[FLOW_LIST_YOUNG][i];
        const int32_t wait = (int32_t)(ledger->entries[index].due - market->clock);
        if (wait < first_wait) {
            first_wait = wait;
            first = index;
        }
    }
    return first;
}

/* One in twenty stays; more, while too few rest. */
static bool stays(struct flow_market *market)
{
    const bool short_of = flow_ledger_live(&market->ledger) < market->target;
    return flow_below((uint32_t)flow_random_next(&market->random), 1000) < (short_of ? 150u : 50u);
}

/* How long the order lives and what comes then. Deeper orders live longer. */
static void plan(struct flow_market *market, struct flow_entry *order, uint32_t away)
{
    const uint64_t random = flow_random_next(&market->random);
    const uint32_t life = (uint32_t)__builtin_ctzll((random >> 32) | UINT64_C(1) << 31);
    order->list = FLOW_LIST_YOUNG;
    order->plan = flow_below((uint32_t)random, 5) == 0 ? PLAN_REPLACE : PLAN_CANCEL;
    order->due = market->clock + life * (1 + away / 16);
}

static int64_t best_price(const struct flow_market *market, uint8_t side, int64_t otherwise)
{
    const uint32_t best = flow_ledger_best(&market->ledger, side);
    return best == FLOW_ENTRY_NONE ? otherwise : market->ledger.entries[best].price;
}

static void enter(struct flow_market *market, struct pit_flow_operation *operation, bool filling)
{
    const uint64_t a = flow_random_next(&market->random), b = flow_random_next(&market->random);
    market->clock++;
    if (!filling)
        walk(market, a >> 40);
    const uint8_t side = a & 1u;
    const bool at_once = !filling && flow_below((uint32_t)b, 7) == 0;
    const bool takes = at_once && (a & 2u);
    const bool standing_order = filling || (!at_once && stays(market));
    const uint32_t away = placement(market, standing_order ? market->shape->deeper : 1);
    const int64_t here = middle(market);
    int64_t price = side == PIT_SIDE_BUY ? here - 1 - (int64_t)away : here + 1 + (int64_t)away;
    if (takes) {
        const int64_t through = (int64_t)((a >> 2) & (THROUGH - 1));
        price = best_price(market, side ^ 1u, here) + (side == PIT_SIDE_BUY ? through : -through);
    }
    *operation = (struct pit_flow_operation){.order = ++market->number,
                                             .price = price,
                                             .quantity = 1u + flow_below((uint32_t)(b >> 32), QUANTITY),
                                             .account = flow_below((uint32_t)(a >> 8), market->accounts),
                                             .kind = PIT_FLOW_NEW,
                                             .side = side,
                                             .tif = at_once ? PIT_TIF_IOC : PIT_TIF_GTC};
    const uint32_t left = flow_ledger_match(&market->ledger, side, price, (uint32_t)operation->quantity);
    if (left == 0 || at_once)
        return;
    struct flow_entry order = {.number = operation->order,
                               .price = price,
                               .quantity = left,
                               .account = operation->account,
                               .side = side,
                               .list = FLOW_LIST_STANDING};
    if (!standing_order)
        plan(market, &order, away);
    flow_ledger_rest(&market->ledger, &order);
}

static void market_next(struct pit_flow *flow, struct pit_flow_operation *operation)
{
    struct flow_market *market = market_of(flow);
    struct flow_ledger *ledger = &market->ledger;
    if (ledger->operations++ < market->target) {
        enter(market, operation, true);
        return;
    }
    const uint32_t overdue = flow_ledger_overdue(ledger), due = due_first(market);
    if (overdue != FLOW_ENTRY_NONE) { /* nobody has said that it filled: it must still rest */
        about(operation, &ledger->entries[overdue]);
        operation->kind = PIT_FLOW_CANCEL;
    } else if (due != FLOW_ENTRY_NONE && ledger->entries[due].plan == PLAN_REPLACE)
        replace(market, operation, due);
    else if (due != FLOW_ENTRY_NONE)
        cancel(market, operation, due);
    else if (flow_ledger_live(ledger) > market->target + market->target / 32u || flow_ledger_full(ledger))
        cancel_standing(market, operation);
    else
        enter(market, operation, false);
}

static void market_gone(struct pit_flow *flow, uint64_t order)
{
    flow_ledger_gone(&market_of(flow)->ledger, order);
}

static uint64_t market_filling(const struct pit_flow *flow)
{
    return ((const struct flow_market *)flow)->target;
}

static uint32_t market_resting(const struct pit_flow *flow)
{
    return flow_ledger_live(&((const struct flow_market *)flow)->ledger);
}

static void market_destroy(struct pit_flow *flow)
{
    flow_ledger_destroy(&market_of(flow)->ledger);
    free(flow);
}

static const struct flow_family family = {.next = market_next,
                                          .gone = market_gone,
                                          .filling = market_filling,
                                          .resting = market_resting,
                                          .destroy = market_destroy};

int flow_market_create(struct pit_flow **flow, uint32_t which, const struct pit_flow_options *options)
{
    struct flow_market *market = calloc(1, sizeof *market);
    if (!market)
        return -ENOMEM;
    market->flow.family = &family;
    market->shape = &shapes[which];
    market->random = options->seed * UINT64_C(0xd1342543de82ef95) + which;
    market->period = options->period;
    market->accounts = options->accounts;
    market->target = options->resting;
    const uint32_t orders = market->target + market->target / 2 + 4096;
    const uint64_t age = (options->accounts + UINT64_C(3)) * PRESUMED_AGE;
    if (flow_ledger_create(&market->ledger, orders, YOUNG, options->feedback, age) != 0) {
        market_destroy(&market->flow);
        return -ENOMEM;
    }
    *flow = &market->flow;
    return 0;
}

struct pit_flow_band flow_market_band(uint32_t which, const struct pit_flow_options *options)
{
    const struct shape *shape = &shapes[which];
    const int64_t margin = shape->wander + REACH + THROUGH + 1; /* 1: a replace */
    int32_t least = 0, most = 0;
    (void)options;
    for (const struct point *point = shape->path; point->at < 1000; point++) {
        least = point->per_cent < least ? point->per_cent : least;
        most = point->per_cent > most ? point->per_cent : most;
    }
    return (struct pit_flow_band){.price_min = MIDDLE + MIDDLE * least / 100 - margin,
                                  .price_max = MIDDLE + MIDDLE * most / 100 + margin,
                                  .quantity_max = QUANTITY + 1}; /* 1: a replace */
}
