/* test/stages/three_pipelines.h - a cluster of three whole pipelines in this process: on Unix sockets and real journals
 * in a directory of their own. One thread, and the pipelines' own. */
#ifndef PIT_TEST_STAGES_THREE_PIPELINES_H
#define PIT_TEST_STAGES_THREE_PIPELINES_H

#include "pitline/client.h"
#include "stages/pipeline.h"

#define THREE_NODES 3u
#define THREE_SYMBOLS 3u
#define THREE_PATIENCE_MS 30000u /* for each step: it takes a second or so */

struct three_pipelines {
    char root[64];
    struct pit_pipeline_symbol symbols[THREE_SYMBOLS];
    char directories[THREE_NODES + 1][96];
    char addresses[THREE_NODES + 1][112]; /* for nodes */
    char clients[THREE_NODES + 1][112];   /* for clients */
    const char *listen[THREE_NODES + 1];
    struct pit_pipeline_config config[THREE_NODES + 1]; /* may be changed before start */
    struct pit_pipeline *pipelines[THREE_NODES + 1];    /* NULL: not running */
};

/* Makes the directory and configurations of a new cluster. */
void three_prepare(struct three_pipelines *three);

/* Stops what still runs, and removes everything. */
void three_remove(struct three_pipelines *three);

/* Starts a node; from the second start on it is not a new cluster any more. */
void three_start(struct three_pipelines *three, uint32_t node);
void three_start_all(struct three_pipelines *three);

/* Stops a node cleanly. Its digest. */
struct pit_digest three_stop(struct three_pipelines *three, uint32_t node);

/* A node that does not run has lost its disk. */
void three_forget(struct three_pipelines *three, uint32_t node);

/* Waits until a running node leads and takes commands, and returns its number. */
uint32_t three_leader(struct three_pipelines *three);

/* Waits until all running nodes have matched the same commands up to the same sequence, and returns that. */
uint64_t three_settle(struct three_pipelines *three);

/* A client of whoever leads. A busy machine may have a new election any time: then of the next who leads. */
struct pit_client *three_client(struct three_pipelines *three);

/* Sends orders to whoever leads, until so many have got their last report. */
void three_trade(struct three_pipelines *three, uint32_t count, uint64_t seed);

#endif
