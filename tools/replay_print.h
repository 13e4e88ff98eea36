/* tools/replay_print.h - a replay's results for people, and its events for programs. One thread. */
#ifndef PIT_TOOLS_REPLAY_PRINT_H
#define PIT_TOOLS_REPLAY_PRINT_H

#include <stdio.h>

#include "book/market.h"
#include "replay/replay.h"
#include "tools/json.h"

/* Fills json with one event: the members every event has, then those of its kind. sequence is its command's, index its
 * place among that command's events, from 0. definition is the symbol's, NULL where there is none: then ticks and lots
 * stand in the place of price and quantity. */
void pit_event_to_json(struct pit_json *json, uint64_t sequence, uint32_t index, const struct pit_event *event,
                       const struct pit_symbol_definition *definition);

/* Counts, rate, and how the journal ends. until: what was asked for, 0 = nothing. */
void pit_replay_print(FILE *file, const struct pit_replay_result *result, const struct pit_digest *digest,
                      double seconds, uint64_t until);
void pit_replay_verified_print(FILE *file, const struct pit_replay_result *result);

/* The book as a ladder: depth levels of each side (0 = all), each with its total quantity and number of orders. */
void pit_book_print(FILE *file, const struct pit_book *book, uint64_t sequence, uint64_t time_ns, uint64_t depth);

/* The names of the symbols, on one line. */
void pit_symbols_print(FILE *file, const struct pit_market *market);

#endif
