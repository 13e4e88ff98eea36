/* tools/travel.h - pitline replay --what-if and --step: the parts that move along a journal (replay/walk.h). One
 * thread.
 */
#ifndef PIT_TOOLS_TRAVEL_H
#define PIT_TOOLS_TRAVEL_H

#include <stdbool.h>

#include "replay/walk.h"
#include "tools/json.h"
#include "tools/moment.h"

struct pit_travel_options {
    const char *directory;
    struct pit_moment until; /* where to stand at first; zeros: --step: before the first command; --what-if: the end */
    bool snapshots;          /* use those in the directory, */
    uint64_t snapshot_worth; /* as in struct pit_walk_options */
    size_t checkpoint_bytes_max;
    const char *book; /* NULL: none */
    uint64_t depth;
    bool json;
    /* --what-if */
    const char *what_if; /* the file; "-" = standard input */
    bool go_on;
    uint64_t go_on_from; /* the sequence with which the journal goes on; 0 = the next */
    struct pit_moment go_on_until;
    uint64_t differences; /* how many are printed */
};

/* Each returns the exit status. */
int pit_travel_what_if(const struct pit_travel_options *options);
int pit_travel_step(const struct pit_travel_options *options);

/* What both use. */

/* Opens the walk and moves it to options->until; warnings go to standard error. 0; 1: the journal ends before;
 * negative: error says why, and *walk is NULL. */
int pit_travel_open(struct pit_walk **walk, const struct pit_travel_options *options, struct pit_error *error);

int pit_travel_to(struct pit_walk *walk, const struct pit_moment *moment, struct pit_error *error);

/* The book of a symbol by its name, or NULL. */
const struct pit_book *pit_travel_book(const struct pit_market *market, const char *name);

#endif
