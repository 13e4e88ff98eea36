/* test/load/venue.h - a pipeline without the pipeline: requests straight into a market, its events as the reports that
 * the sessions would get. Account n + 1 is session n. */
#ifndef PIT_TEST_LOAD_VENUE_H
#define PIT_TEST_LOAD_VENUE_H

#include "book/market.h"
#include "tools/load.h"

struct venue;

/* Opens a venue of so many symbols, ids from 0 on, with prices 1 .. 1000000 and room for orders_max orders each. */
struct venue *venue_open(uint32_t symbols, uint32_t orders_max);
/* The same with another price band, and room for so many prices. */
struct venue *venue_open_band(uint32_t symbols, uint32_t orders_max, int64_t price_min, int64_t price_max,
                              uint32_t levels_max);

void venue_close(struct venue *venue);

/* Applies one request of its session and gives every report it causes, to whom and in order, to take. */
void venue_apply(struct venue *venue, const struct pit_load_request *request,
                 void (*take)(void *context, uint32_t session, const struct pit_report *report), void *context);

const struct pit_book *venue_book(const struct venue *venue, uint32_t symbol);

/* A number for random tests: PIT_SEED, or a new one; printed. */
uint64_t venue_seed(const char *test);

#endif
