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
 * GTC and cancel give or take up to one per cent of all operations to hold the number of resting orders.
 *
 * One thread. Nothing is allocated after pit_flow_create; an operation takes constant time but for an aggressor's one
 * step more an order filled.
 */
#ifndef PIT_TOOLS_FLOW_H
#define PIT_TOOLS_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "pitline/error.h"
#include "pitline/types.h"

/* Every price, in ticks, and quantity, in lots, of every flow lies in these. A symbol whose band does not hold them
 * needs its prices shifted by the caller. */
#define PIT_FLOW_PRICE_MIN INT64_C(8976)
#define PIT_FLOW_PRICE_MAX INT64_C(11023)
#define PIT_FLOW_QUANTITY_MAX UINT64_C(400)

struct pit_flow;

struct pit_flow_options {
    const char *name; /* "exchange", "itch-like", "mixed" */
    uint64_t seed;
    uint32_t symbols;  /* 1 .. PIT_SYMBOLS_MAX */
    uint32_t accounts; /* 1 .. */
    uint32_t resting;  /* orders over all symbols; 0 = the flow's own */
    bool feedback;     /* pit_flow_gone will be called for every order that is gone but for its own cancels */
};

enum pit_flow_kind {
    PIT_FLOW_NEW = 1,
    PIT_FLOW_CANCEL = 2,
    PIT_FLOW_REDUCE = 3,
    PIT_FLOW_REPLACE = 4,
};

struct pit_flow_operation {
    uint64_t order;    /* NEW: the next number, 1, 2, ...; others: which of those */
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

#endif
