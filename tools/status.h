/* tools/status.h - one line on how a pipeline is doing, for people. One thread. */
#ifndef PIT_TOOLS_STATUS_H
#define PIT_TOOLS_STATUS_H

#include <stdbool.h>

#include "stages/pipeline.h"

#define PIT_STATUS_BYTES 512

struct pit_status {
    const struct pit_pipeline *pipeline;
    struct pit_pipeline_figures before;
    uint64_t started_ns;
    uint64_t before_ns;
    uint64_t alarm_ns;                  /* when the disk was found full; 0 = it is not */
    struct pit_cluster_figures cluster; /* as last told */
    struct pit_cluster_figures links;   /* likewise, of connections between nodes */
    uint64_t links_ns;                  /* when; 0 = never */
};

void pit_status_init(struct pit_status *status, const struct pit_pipeline *pipeline);

/* The disk has filled up, or has space again, since the last call: a line that says so, and what to do. False: neither.
 */
#define PIT_STATUS_ALARM_BYTES 640
bool pit_status_alarm(struct pit_status *status, char line[PIT_STATUS_ALARM_BYTES]);

/* In a cluster another node leads than at the last call, or in another term, or nobody does: a line that says so.
 * False: nothing of that. */
#define PIT_STATUS_CLUSTER_BYTES 160
bool pit_status_cluster(struct pit_status *status, char line[PIT_STATUS_CLUSTER_BYTES]);

/* Something was wrong with connections between nodes since the last such line: one that says what. At most one a
 * minute: junk from a network is not to fill a log. False: nothing, or not yet. */
#define PIT_STATUS_LINKS_BYTES 400
bool pit_status_links(struct pit_status *status, char line[PIT_STATUS_LINKS_BYTES]);

/* The line of the time since the last one (or init). False: nothing happened in it, and the disk is not full. */
bool pit_status_line(struct pit_status *status, char line[PIT_STATUS_BYTES]);

/* The line of the whole time since init. */
void pit_status_whole(const struct pit_status *status, char line[PIT_STATUS_BYTES]);

/* Fills text with a duration in its natural unit: "73 us", "1.4 ms". Returns text. */
#define PIT_STATUS_TIME_BYTES 24
char *pit_status_time(char text[PIT_STATUS_TIME_BYTES], uint64_t ns);

/* Nanoseconds that only run forwards. */
uint64_t pit_status_now_ns(void);

#endif
