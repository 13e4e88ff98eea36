/* test/market_data/follower.h - a reader that keeps whole books from images and events, as docs/market-data.md says.
 * The books of these tests are never deeper than an image, so an image is all there is to know of a book. */
#ifndef PIT_TEST_MARKET_DATA_FOLLOWER_H
#define PIT_TEST_MARKET_DATA_FOLLOWER_H

#include "stages/depth.h"
#include "support.h"

struct follower {
    struct pit_md *md;
    struct pit_depth *depth[RIG_SYMBOLS_MAX];
    void *memory[RIG_SYMBOLS_MAX];
    uint64_t from[RIG_SYMBOLS_MAX]; /* events up to here are in the image it started from */
    bool known[RIG_SYMBOLS_MAX];
    uint32_t symbols;
    uint64_t seen;
    uint64_t lost;
    uint64_t laps;
};

void follower_begin(struct follower *follower, struct pit_md *md, uint32_t symbols);

/* Reads until nothing is new, or at most max events. */
void follower_read(struct follower *follower, uint64_t max);

/* Compares with the books, once everything is published and read. */
void follower_end(struct follower *follower, const struct rig *rig);

#endif
