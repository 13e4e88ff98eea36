/* tools/replay_print.h - a replay's results for people, and its events for programs. One thread. */
#ifndef PIT_TOOLS_REPLAY_PRINT_H
#define PIT_TOOLS_REPLAY_PRINT_H

#include <stdio.h>

#include "book/market.h"
#include "replay/replay.h"
#include "tools/json.h"
#include "tools/moment.h"

/* Fills json with one event: the members every event has, then those of its kind. sequence is its command's, index its
 * place among that command's events, from 0. definition is the symbol's, NULL where there is none: then ticks and lots
 * stand in the place of price and quantity. */
void pit_event_to_json(struct pit_json *json, uint64_t sequence, uint32_t index, const struct pit_event *event,
                       const struct pit_symbol_definition *definition);

/* Counts, rate, and how the journal ends. until: what was asked for, zeros = nothing. */
void pit_replay_print(FILE *file, const struct pit_replay_result *result, const struct pit_digest *digest,
                      double seconds, const struct pit_moment *until);

/* The same as one line of JSON, digests and all. from: the snapshot's sequence, 0 = none. */
void pit_replay_json_print(FILE *file, struct pit_json *json, const struct pit_replay_result *result,
                           const struct pit_digest *digest, uint64_t from, double seconds);
void pit_replay_verified_print(FILE *file, const struct pit_replay_result *result);

/* The book as a ladder: depth levels of each side (0 = all), each with its total quantity and number of orders. */
void pit_book_print(FILE *file, const struct pit_book *book, uint64_t sequence, uint64_t time_ns, uint64_t depth);

/* The same as lines of JSON, one a level: all bids, then all asks, best first. in: of which of several books it is the
 * level, NULL where there is one only. */
void pit_book_json_print(FILE *file, struct pit_json *json, const struct pit_book *book, uint64_t sequence,
                         uint64_t depth, const char *in);

/* The names of the symbols, on one line. */
void pit_symbols_print(FILE *file, const struct pit_market *market);

#endif
