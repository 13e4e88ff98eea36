/* test/stages/local_run.h - a whole pipeline in this process, without sockets: its directory, its flow, what it comes
 * to. One thread, and the pipeline's own. */
#ifndef PIT_TEST_STAGES_LOCAL_RUN_H
#define PIT_TEST_STAGES_LOCAL_RUN_H

#include "journal/snapshot.h"
#include "replay/replay.h"
#include "stages/pipeline.h"

#define LOCAL_SYMBOLS 3u

struct local_run {
    struct pit_pipeline *pipeline;
    struct pit_pipeline_config config; /* may be changed between prepare and start */
    char data[128];                    /* the journal's directory */
    char said[8192];                   /* what it said while it started */
    /* the flow: made from these */
    uint64_t seed;
    uint64_t client_id;
    uint32_t left; /* commands to make; UINT32_MAX: no end */
    struct pit_local_ends ends;
};

/* A directory for a test program's runs, and its removal: cmocka's group setup and teardown. */
int local_run_directory_make(void **state);
int local_run_directory_remove(void **state);

/* A copy of one run's data under another name, without its lock. */
void local_run_copy(const char *from, const char *to);

/* The path of a file in a run's data. */
const char *local_run_path(const char *name, const char *file);

/* A configuration with a journal of small segments in the directory's part `name`. */
void local_run_prepare(struct local_run *run, const char *name, uint32_t commands);
void local_run_start(struct local_run *run);

/* Waits until so many commands are answered since the start. */
void local_run_answered(const struct local_run *run, uint64_t commands);

/* Stops cleanly, and destroys. The digest of the end. */
struct pit_digest local_run_stop(struct local_run *run);

/* prepare, start, answered, stop: commands beside the start-up's. */
struct pit_digest local_run_whole(const char *name, uint32_t commands, uint64_t seed);

/* A verified replay from the first command up to until (0 = all), into *market (may be NULL). */
struct pit_digest local_run_replay(const char *name, uint64_t until, struct pit_replay_result *result,
                                   struct pit_market **market);

/* Writes the snapshot of a sequence into a run's data. spoil: of a state that is not the live run's. */
void local_run_snapshot(const char *name, uint64_t sequence, bool spoil);

#endif
