/* tools/cluster_view.h - what the nodes of a cluster say about themselves, asked at about the same time, and what that
 * comes to. One thread calls; nodes are asked by threads of its own.
 */
#ifndef PIT_TOOLS_CLUSTER_VIEW_H
#define PIT_TOOLS_CLUSTER_VIEW_H

#include "stages/cluster.h"
#include "stages/operator.h"

struct pit_cluster_answer {
    bool asked, reached;
    struct pit_error error; /* why it was not reached */
    struct pit_operator_status status;
    uint64_t behind;       /* entries that the cluster has committed and this node has not, as far as it knows */
    uint32_t differs_from; /* a node with another digest at the same sequence; 0 = none */
};

enum pit_cluster_state {
    PIT_CLUSTER_OK = 1,       /* a leader takes commands, and every node is there and level */
    PIT_CLUSTER_DEGRADED = 2, /* a leader takes commands; something else is not as it should be */
    PIT_CLUSTER_LEADERLESS = 3,
};

struct pit_cluster_view {
    const struct pit_cluster_config *cluster;
    struct pit_cluster_answer of[PIT_CLUSTER_NODES_MAX + 1]; /* from 1 on */
    uint32_t leader;                                         /* that is ready, of the highest term; 0 = none */
    enum pit_cluster_state state;
};

struct pit_cluster_asking {
    const struct pit_cluster_config *cluster;
    uint32_t only; /* 0 = all nodes */
    uint32_t timeout_ms;
    uint64_t behind_max; /* entries that a node may lack and still be level */
};

/* Asks all at once, and judges. */
void pit_cluster_view_take(struct pit_cluster_view *view, const struct pit_cluster_asking *asking);

/* What the answers come to; called by take. */
void pit_cluster_view_judge(struct pit_cluster_view *view, uint64_t behind_max);

/* "follower"; one that does not count yet is "follower, rejoins", a leader that is not ready yet "leader, not ready".
 */
const char *pit_cluster_role_name(const struct pit_operator_status *status);

/* A table and what is not as it should be, for people; or one JSON object. name: of the cluster. (cluster_print.c) */
void pit_cluster_view_print(const struct pit_cluster_view *view, const char *name);
void pit_cluster_view_print_json(const struct pit_cluster_view *view, const char *name);

#endif
