/* test/market_data/support.h - real books, real output rings, a real publisher on files of a name of their own, and a
 * random flow to drive them. One thread; time stands still unless a test moves it. */
#ifndef PIT_TEST_MARKET_DATA_SUPPORT_H
#define PIT_TEST_MARKET_DATA_SUPPORT_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "book/market.h"
#include "pitline/market_data.h"
#include "stages/publisher.h"
#include "wire/market_data_layout.h"

#define RIG_MATCHERS_MAX 3u
#define RIG_SYMBOLS_MAX 8u
#define RIG_BLOCKS_MAX 64u

struct rig_matcher {
    struct pit_market *market;
    void *ring_memory;
    struct pit_ring *ring;
    struct pit_event_sink sink;
    uint64_t published;
    struct rig *rig;
};

struct rig {
    char name[64];
    struct pit_publisher *publisher; /* NULL: events go nowhere */
    struct pit_agent agent;
    bool shown;
    struct pit_clock clock;
    uint64_t now_ns;
    uint64_t time_ns; /* of the commands */
    uint64_t sequence;
    uint32_t matchers_count;
    struct rig_matcher matchers[RIG_MATCHERS_MAX];
    void *blocks[RIG_BLOCKS_MAX];
    uint32_t blocks_count;
    /* Called with every event of a command, when set. */
    void (*watch)(void *context, const struct pit_event *event);
    void *watch_context;
};

struct rig_options {
    uint32_t matchers;                /* 0 = 1 */
    uint32_t event_slots;             /* 0 = the smallest */
    uint32_t symbols_max;             /* 0 = RIG_SYMBOLS_MAX */
    enum pit_readable_by readable_by; /* 0 = everybody */
    const char *name;                 /* NULL = one of its own */
    bool hidden;                      /* the agent's init is left to the test */
};

/* A rig with its publisher. rig_end stops it as a pipeline would stop; rig_kill as kill -9 would; both free it; the
 * files of a killed one stay (rig_remove). */
struct rig *rig_begin(const struct rig_options *options);
void rig_end(struct rig *rig);
void rig_kill(struct rig *rig);
void rig_remove(const char *name);

/* Without a publisher: books only. */
struct rig *rig_books(void);

struct pit_publisher_config rig_config(struct rig *rig, const struct rig_options *options, struct pit_ring **rings);

struct pit_symbol_definition rig_definition(const char *name, uint32_t levels_max);

/* Give a command to the matcher of its symbol (symbol % matchers); its sequence and time are filled in. The publisher
 * does not run unless an output ring fills up. Return the sequence: the order id of a new order. */
uint64_t rig_command(struct rig *rig, struct pit_command command);
uint64_t rig_define(struct rig *rig, uint32_t symbol, const char *name);
uint64_t rig_order(struct rig *rig, uint32_t symbol, enum pit_side side, int64_t price, uint64_t quantity);
uint64_t rig_cancel(struct rig *rig, uint32_t symbol, uint64_t order_id);

/* Lets the publisher work until it has nothing to do. */
void rig_settle(struct rig *rig);

struct pit_book *rig_book(const struct rig *rig, uint32_t symbol);

/* The account and client id of every order of rig_order: found nowhere in public. */
#define RIG_ACCOUNT 0x7ac0a11fu
#define RIG_CLIENT_ID(sequence) (UINT64_C(0xc11e47a5eed00000) + (sequence))

/* Random numbers. The seed is PIT_SEED or one of the clock's, and printed. */
uint64_t rig_seed(void);
uint64_t rig_random(uint64_t *state);

/* One random command of a symbol: all kinds, prices near 1000, some of it refused. recent holds order ids. */
struct rig_flow {
    uint64_t random;
    uint64_t recent[256];
    uint32_t recent_next;
    int64_t spread; /* bids are 1000 - 1.5 spread .. 1000 + 0.5 spread, asks the mirror image */
};
void rig_flow_step(struct rig *rig, struct rig_flow *flow, uint32_t symbol);

/* Checks a depth image against the book itself: prices, quantities, orders, in order. */
void rig_expect_depth(const struct rig *rig, uint32_t symbol, const struct pit_md_depth *depth);

/* The levels of a book's side, best first; returns how many there are in all (max of them are filled in). */
uint32_t rig_levels(const struct pit_book *book, enum pit_side side, struct pit_md_level *levels, uint32_t max);

#endif
