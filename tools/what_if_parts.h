/* tools/what_if_parts.h - what the files of pitline replay --what-if share: two worlds since the fork, the journal's
 * and the other one. For what_if.c and what_if_print.c only. One thread.
 */
#ifndef PIT_TOOLS_WHAT_IF_PARTS_H
#define PIT_TOOLS_WHAT_IF_PARTS_H

#include "memory/arena.h"
#include "tools/happening.h"
#include "tools/travel.h"

#define PIT_WHAT_IF_SINK_SLOTS 256u
#define PIT_WHAT_IF_EVENTS_KEPT 256u /* of one command, to be printed; all are compared */

/* The two that are compared. */
enum { PIT_WORLD_JOURNAL, PIT_WORLD_WHAT_IF, PIT_WORLDS };

/* The events of one command. */
struct pit_what_if_outcome {
    uint64_t count;
    uint64_t hash;
    struct pit_event events[PIT_WHAT_IF_EVENTS_KEPT];
};

/* What has happened in a symbol since the fork. */
struct pit_what_if_sums {
    uint64_t trades;
    uint64_t lots;
    uint64_t rejects;
    int64_t last_price;
};

struct pit_what_if {
    struct pit_event_sink sink; /* of the fork; first: aligned with the slots it points to */
    const struct pit_travel_options *options;
    struct pit_walk *walk;
    struct pit_arena *arena;
    struct pit_market *market; /* the fork */
    uint64_t delivered;
    struct pit_what_if_sums *sums[PIT_WORLDS];       /* by symbol */
    struct pit_what_if_outcome outcomes[PIT_WORLDS]; /* of the command in progress */
    struct pit_happening_printer printer;
    struct pit_json json;
    uint64_t fork; /* the sequence after which it is */
    uint64_t injected, left_out, went_on, different;
    uint64_t first_different; /* 0 = none */
    struct pit_event slots[PIT_WHAT_IF_SINK_SLOTS];
};

/* The definition of a symbol in a market, or NULL. */
const struct pit_symbol_definition *pit_what_if_definition(const struct pit_market *market, uint32_t symbol);

/* The events of the command in progress in one of the worlds. indent: what a line for people begins with. */
void pit_what_if_print_outcome(struct pit_what_if *what_if, int world, const struct pit_command *command,
                               const char *indent);

/* A command with another outcome: itself, and its events in both. */
void pit_what_if_print_difference(struct pit_what_if *what_if, const struct pit_command *command);

/* At the end: counts, symbols, books if asked for, digests. Returns the exit status. */
int pit_what_if_tell(struct pit_what_if *what_if);

#endif
