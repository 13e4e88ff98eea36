/* tools/cluster_view.c - see cluster_view.h. */
#include "tools/cluster_view.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

struct asker {
    const struct pit_cluster_asking *asking;
    struct pit_cluster_answer *answer;
    uint32_t node;
    pthread_t thread;
    bool runs;
};

static void *ask(void *argument)
{
    struct asker *asker = argument;
    struct pit_cluster_answer *answer = asker->answer;
    struct pit_operator *link;
    if (pit_operator_connect(&link, asker->asking->cluster, asker->node, asker->asking->timeout_ms, &answer->error) < 0)
        return NULL;
    answer->reached = pit_operator_status(link, &answer->status, &answer->error) == 0;
    pit_operator_close(link);
    return NULL;
}

void pit_cluster_view_take(struct pit_cluster_view *view, const struct pit_cluster_asking *asking)
{
    struct asker askers[PIT_CLUSTER_NODES_MAX + 1] = {0};
    memset(view, 0, sizeof *view);
    view->cluster = asking->cluster;
    for (uint32_t node = 1; node <= asking->cluster->nodes; node++) {
        if (asking->only && node != asking->only)
            continue;
        struct asker *asker = &askers[node];
        *asker = (struct asker){.asking = asking, .answer = &view->of[node], .node = node};
        view->of[node].asked = true;
        asker->runs = pthread_create(&asker->thread, NULL, ask, asker) == 0;
        if (!asker->runs)
            ask(asker);
    }
    for (uint32_t node = 1; node <= asking->cluster->nodes; node++)
        if (askers[node].runs)
            pthread_join(askers[node].thread, NULL);
    pit_cluster_view_judge(view, asking->behind_max);
}

static bool leads(const struct pit_cluster_answer *answer)
{
    return answer->reached && answer->status.role == PIT_CLUSTER_LEADER && answer->status.ready;
}

static uint64_t committed_most(const struct pit_cluster_view *view)
{
    uint64_t most = 0;
    for (uint32_t node = 1; node <= view->cluster->nodes; node++)
        if (view->of[node].reached && view->of[node].status.committed > most)
            most = view->of[node].status.committed;
    return most;
}

static uint32_t differs_from(const struct pit_cluster_view *view, uint32_t node)
{
    const struct pit_operator_status *own = &view->of[node].status;
    for (uint32_t other = 1; other <= view->cluster->nodes; other++) {
        const struct pit_operator_status *theirs = &view->of[other].status;
        if (view->of[other].reached && theirs->digest_sequence > 0 && theirs->digest_sequence == own->digest_sequence &&
            theirs->digest_events != own->digest_events)
            return other;
    }
    return 0;
}

/* Is there, follows or leads, and has what the others have. */
static bool good(const struct pit_cluster_view *view, uint32_t node, uint64_t behind_max)
{
    const struct pit_cluster_answer *answer = &view->of[node];
    if (!answer->reached || answer->behind > behind_max || answer->differs_from || answer->status.rejoining)
        return false;
    if (node == view->leader)
        return true;
    bool reached = view->of[view->leader].status.peers[node].reached;
    return answer->status.role == PIT_CLUSTER_FOLLOWER && answer->status.leader == view->leader && reached;
}

void pit_cluster_view_judge(struct pit_cluster_view *view, uint64_t behind_max)
{
    uint32_t nodes = view->cluster->nodes;
    uint64_t most = committed_most(view);
    view->leader = 0;
    for (uint32_t node = 1; node <= nodes; node++)
        if (leads(&view->of[node]) &&
            (!view->leader || view->of[node].status.term > view->of[view->leader].status.term))
            view->leader = node;
    view->state = view->leader ? PIT_CLUSTER_OK : PIT_CLUSTER_LEADERLESS;
    for (uint32_t node = 1; node <= nodes; node++) {
        struct pit_cluster_answer *answer = &view->of[node];
        if (answer->reached) {
            answer->behind = most - answer->status.committed;
            answer->differs_from = differs_from(view, node);
        }
        if (view->leader && answer->asked && !good(view, node, behind_max))
            view->state = PIT_CLUSTER_DEGRADED;
    }
}

const char *pit_cluster_role_name(const struct pit_operator_status *status)
{
    switch (status->role) {
    case PIT_CLUSTER_FOLLOWER:
        return status->rejoining ? "follower, rejoins" : "follower";
    case PIT_CLUSTER_CANDIDATE:
        return "candidate";
    case PIT_CLUSTER_LEADER:
        return status->ready ? "leader" : "leader, not ready";
    case PIT_CLUSTER_STOPPED:
        return "stopped";
    default:
        return "unknown";
    }
}
