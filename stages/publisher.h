/* stages/publisher.h - turns the matchers' events into anonymised market data in shared memory.
 *
 * Reads:    the output ring of every matcher (a gating reader of each; it never waits for anybody, so it gates nobody
 *           for long).
 * Writes:   /dev/shm/pitline-NAME/events and /dev/shm/pitline-NAME/depth (wire/market_data_layout.h has the bytes,
 *           docs/market-data.md the specification). Only the publisher's thread writes them; any process may read them.
 * Progress: do_work never blocks and handles at most PIT_PUBLISHER_BATCH events of each ring.
 * Memory:   the two files, made and filled with zeros in create; the price levels of each symbol, taken from
 *           config.memory when the symbol is defined.
 *
 * Life of a pipeline NAME in /dev/shm:
 *
 *   create   locks the name (a second live pipeline of that name is refused) and prepares both files out of sight
 *   load_*   what recovery rebuilt: symbols, then their resting orders. Same thread as create, before any thread starts
 *   init     writes the images and lets readers see both files at once; readers of older files learn REPLACED
 *   do_work  events, images, sign of life. To be called every half second at least: readers call it silent after two
 *   close    publishes what the rings still hold, says STOPPED, and removes the files; readers that have them open keep
 *            them. (What a killed pipeline leaves there, the next of that name takes over.)
 *   destroy  unmaps, unlocks
 */
#ifndef PIT_STAGES_PUBLISHER_H
#define PIT_STAGES_PUBLISHER_H

#include <stdint.h>

#include "book/market.h"
#include "pitline/error.h"
#include "ring/ring.h"
#include "stages/agent.h"
#include "stages/clock.h"

#define PIT_PUBLISHER_RINGS_MAX 64u
#define PIT_PUBLISHER_BATCH 256u
#define PIT_PUBLISHER_EVENT_SLOTS_MIN 4096u
#define PIT_PUBLISHER_EVENT_SLOTS_MAX (1u << 24)

/* Who may read the files. Nobody but the owner ever writes them. */
enum pit_readable_by {
    PIT_READABLE_BY_OWNER = 1, /* directory 0700, files 0600 */
    PIT_READABLE_BY_GROUP = 2, /* 0750, 0640 */
    PIT_READABLE_BY_WORLD = 3, /* 0755, 0644 */
};

struct pit_publisher_config {
    const char *name; /* letters, digits, '.', '_', '-'; not starting with '.'; at most 64 */
    enum pit_readable_by readable_by;
    uint32_t event_slots; /* of the event ring (64 bytes each): a power of two, EVENT_SLOTS_MIN .. MAX */
    uint32_t symbols_max; /* 1 .. PIT_SYMBOLS_MAX; about 1.2 KB of shared memory each. A symbol id beyond is not
                             published, and counted */
    const struct pit_clock *clock; /* for the sign of life and the pace of images; utc_ns once, for the header */
    struct pit_ring *const *rings; /* the matchers' output rings (of lines of struct pit_event); create adds a reader to
                                      each. Copied */
    uint32_t rings_count;          /* 1 .. PIT_PUBLISHER_RINGS_MAX */
    struct pit_reserve memory;     /* as of a market: called by load_symbol and when a DEFINED event comes,
                                      pit_depth_bytes(definition) (stages/depth.h) each, aligned to 128 */
};

/* Written by the publisher's thread, relaxed; read by any. */
struct pit_publisher_counters {
    uint64_t events;     /* taken from the output rings */
    uint64_t published;  /* written to the event ring */
    uint64_t trades;     /* of those */
    uint64_t images;     /* depth images written */
    uint64_t symbols;    /* known */
    uint64_t dropped;    /* events of symbols beyond symbols_max, or never defined */
    uint64_t mismatched; /* events that do not fit the depth: always 0, or something is broken */
};

struct pit_publisher;

/* 0; -EINVAL: a value out of range; -EEXIST: a live pipeline has that name; -EPERM: the directory is a link, or not
 * ours; -ENOSPC: /dev/shm is too small; others: the file system. */
int pit_publisher_create(struct pit_publisher **publisher, const struct pit_publisher_config *config,
                         struct pit_error *error);

/* What recovery knows about a symbol's past beyond its resting orders. */
struct pit_publisher_past {
    enum pit_trading_state state;
    uint64_t trades; /* since the journal began */
    int64_t last_price;
    uint64_t last_quantity;
};

/* A symbol that exists before the first new command. past may be NULL: open, no trade yet. 0; -EINVAL: the definition
 * is not valid; -EEXIST: loaded already; -ERANGE: symbol >= symbols_max. */
int pit_publisher_load_symbol(struct pit_publisher *publisher, uint32_t symbol,
                              const struct pit_symbol_definition *definition, const struct pit_publisher_past *past,
                              struct pit_error *error);

/* An order that rests in it, as pit_book_walk visits it. Orders may come in any sequence. 0; -ENOENT: no such symbol;
 * -ENOSPC: more levels than the definition's levels_max. */
int pit_publisher_load_order(struct pit_publisher *publisher, uint32_t symbol, const struct pit_resting_order *order,
                             struct pit_error *error);

/* The agent "publisher". */
struct pit_agent pit_publisher_agent(struct pit_publisher *publisher);

const struct pit_publisher_counters *pit_publisher_counters(const struct pit_publisher *publisher);

/* After the agent's close, or without it (then readers never saw anything of this pipeline). NULL is fine. */
void pit_publisher_destroy(struct pit_publisher *publisher);

#endif
