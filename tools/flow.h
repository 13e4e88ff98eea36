/* tools/flow.h - synthetic order flow: an endless, deterministic stream of orders, cancels, reduces and replaces.
 *
 * The same options give the same operations on every machine. The flow keeps its own small price-time book for every
 * symbol, so that what it cancels and replaces is alive, what aggresses finds something, and the number of resting
 * orders stays where it should, without hearing anything back: sent in order to one empty pipeline, no operation is
 * refused. Where the operations go over several sessions their order is not quite the flow's, and now and then another
 * order fills than the flow thought: with feedback on and pit_flow_gone called for each order that is known to be gone
 * it stays in step, and cancels what it wrongly took for filled.
 *
 * The first pit_flow_filling() operations only rest orders; after them comes the mix:
 *
 *   exchange    9 % GTC, 3 % IOC, 6 % cancel, 82 % replace; 1,000 resting orders a symbol on about 750 prices
 *   itch-like   45 % GTC, 5 % IOC, 45 % cancel, 5 % replace; 100,000 resting orders over all symbols
 *   mixed       everything there is: GTC (some post-only), IOC and FOK (some market), cancel, reduce, replace;
 *               2,000 resting orders a symbol
 *
 * GTC and cancel give or take up to one per cent of all operations to hold the number of resting orders. Then markets,
 * where nearly every order is gone a few messages after it came (about 52 % GTC and IOC, 40 % cancel, 8 % replace) and
 * few stay; tools/flow_market.c says more:
 *
 *   static       the price stands; 20,000 resting orders a symbol
 *   normal       it wanders, a tick at a time; 3,000
 *   swing-25     it rises by 25 %, falls to 25 % below where it began, and comes back, once a period; 1,500
 *   swing-40     the same with 40 %; 700
 *   flash-crash  in a fiftieth of a period it falls by 60 %, and recovers most of that in a tenth; 250
 *
 * And books that stay as they are, in tools/flow_steady.c; resting orders are over all symbols:
 *
 *   old    cancels of orders of any age against new ones, on levels prices; 100,000
 *   wide   new, cancel, replace and aggressors anywhere in PIT_PRICE_MIN .. PIT_PRICE_MAX; 100,000
 *   sweep  aggressors that take one to a thousand orders, and new ones in their place, on levels prices; 10,000
 *   depth  blocks of one kind (cancel, new, replace, aggressor, new), on levels prices; 10,000
 *
 * One thread. Nothing is allocated after pit_flow_create; an operation takes constant time in the mean but for an
 * aggressor's one step more an order filled, and a logarithm of the resting orders where any price is allowed.
 */
#ifndef PIT_TOOLS_FLOW_H
#define PIT_TOOLS_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "pitline/error.h"
#include "pitline/types.h"

#define PIT_FLOW_LEVELS_MAX (UINT32_C(1) << 22)
#define PIT_FLOW_DEPTH_BLOCK 256u /* operations of one kind on end in a depth flow that is large enough */

struct pit_flow;

struct pit_flow_options {
    const char *name; /* one of pit_flow_names */
    uint64_t seed;
    uint32_t symbols;  /* 1 .. PIT_SYMBOLS_MAX */
    uint32_t accounts; /* 1 .. */
    uint32_t resting;  /* orders over all symbols; 0 = the flow's own */
    uint32_t levels;   /* old, sweep, depth: prices of a symbol, 1 .. PIT_FLOW_LEVELS_MAX; 0 = 2,000 */
    uint64_t period;   /* swing-25, swing-40, flash-crash: operations (up to 2^40) after which the price is back where
                          it began and the same begins again; 0 = 1,000,000 */
    bool in_turn;      /* exchange, itch-like, mixed: symbol 0, 1, 2, ..., 0, 1, ... each with a flow of its own, as it
                          always is with the others */
    bool feedback;     /* pit_flow_gone will be called for every order that is gone but for its own cancels */
};

enum pit_flow_kind {
    PIT_FLOW_NEW = 1,
    PIT_FLOW_CANCEL = 2,
    PIT_FLOW_REDUCE = 3,
    PIT_FLOW_REPLACE = 4,
};

struct pit_flow_operation {
    uint64_t order;    /* NEW: the next number, 1, 2, ... (symbols in turn: of each symbol, interleaved); others: which
                          of those; never above the operations so far, rounded up to whole turns */
    int64_t price;     /* ticks; NEW (0 with market), REPLACE */
    uint64_t quantity; /* lots; REDUCE: to take off */
    uint32_t symbol;   /* 0 .. symbols - 1 */
    uint32_t account;  /* 0 .. accounts - 1; others than NEW: the one that sent the order */
    uint8_t kind;      /* enum pit_flow_kind; the numbers are those of enum pit_command_kind */
    uint8_t side;      /* enum pit_side, of the order */
    uint8_t tif;       /* enum pit_tif; NEW */
    uint8_t market;    /* NEW: 1 = no price limit */
    uint8_t post_only; /* NEW: 1 */
};

/* The names of the flows; NULL ends them. */
extern const char *const pit_flow_names[];

/* Every price and quantity of a flow lies in these. A symbol whose band does not hold them needs its prices shifted by
 * the caller. */
struct pit_flow_band {
    int64_t price_min, price_max; /* ticks */
    uint64_t quantity_max;        /* lots */
};

/* The band of the flow that these options make. 0, or -EINVAL as pit_flow_create. */
int pit_flow_band(const struct pit_flow_options *options, struct pit_flow_band *band, struct pit_error *error);

/* 0; -EINVAL: no such flow, or a number out of range; -ENOMEM. */
int pit_flow_create(struct pit_flow **flow, const struct pit_flow_options *options, struct pit_error *error);
void pit_flow_destroy(struct pit_flow *flow);

/* The next operation. */
void pit_flow_next(struct pit_flow *flow, struct pit_flow_operation *operation);

/* The order left the real book, or never came into it: filled, refused, or found unknown. Any number is safe. */
void pit_flow_gone(struct pit_flow *flow, uint64_t order);

/* How many operations at the start only fill the books. */
uint64_t pit_flow_filling(const struct pit_flow *flow);

/* Resting orders, as the flow believes. */
uint32_t pit_flow_resting(const struct pit_flow *flow);

/* The client id that suits an order's number, and back: the number itself; where orders go fast a one-to-one mixture
 * within blocks of PIT_FLOW_IDS_BLOCK numbers, so that ids come in no order. */
#define PIT_FLOW_IDS_BLOCK (UINT64_C(1) << 20)
uint64_t pit_flow_id(const struct pit_flow *flow, uint64_t order);
uint64_t pit_flow_order(const struct pit_flow *flow, uint64_t id);

#endif
