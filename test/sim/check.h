/* test/sim/check.h - one pipeline against the model: its journal, its books, its market data. Whatever differs is a
 * violation of the model.
 */
#ifndef PIT_TEST_SIM_CHECK_H
#define PIT_TEST_SIM_CHECK_H

#include "model.h"
#include "stages/market_files.h"
#include "stages/pipeline.h"

struct sim_subject {
    struct sim_model *model;
    const struct pit_disk *disk;
    const struct pit_pipeline *pipeline;
    const struct pit_market_files *files; /* NULL: none are shown */
    bool learns; /* the journal may have commands that the model has not met: they follow those it knows */
};

#define SIM_ALL_THERE_IS UINT64_MAX

/* Replays the journal into one market; where its first commands are gone, from the oldest snapshot that the rest goes
 * on from. Looks at its commands, their events, and the digest of the pipeline, which must have done everything up to
 * last, as the journal has; likewise what is kept of requests. (SIM_ALL_THERE_IS: it may end anywhere; the pipeline is
 * compared if it has done as much.) Returns how many segments there are. */
uint64_t sim_compare_replay(const struct sim_subject *subject, uint64_t last);

/* The books against those of the plain matcher, order by order. Both have done the same commands. */
void sim_compare_books(const struct sim_subject *subject);

/* What egress keeps of requests likewise, if it has read all events. */
void sim_compare_results(const struct sim_subject *subject);

/* The depth images likewise, when no event is on its way. */
void sim_compare_depth(const struct sim_subject *subject);

#endif
