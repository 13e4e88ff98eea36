/* stages/replicator_transfer.c - snapshots for nodes that need log which is nowhere any more, and from others for this
 * one.
 */
#include <errno.h>

#include "stages/replicator_parts.h"

_Static_assert(offsetof(struct pit_transfer_message, kind) == offsetof(struct pit_node_message, kind) &&
                   sizeof(((struct pit_transfer_message *)0)->kind) == sizeof(((struct pit_node_message *)0)->kind),
               "a transfer's messages begin as a node's");

int pit_replicator_open_transfer(struct pit_replicator *replicator, const struct pit_cluster_config *cluster,
                                 struct pit_error *error)
{
    const struct pit_replicator_config *config = &replicator->config;
    const struct pit_transfer_options options = {
        .node = replicator->node,
        .nodes = replicator->nodes,
        .directory = config->directory,
        .disk = config->disk,
        .network = pit_peers_network(replicator->peers),
        .clock = replicator->clock,
        .chunk_bytes = cluster->chunk_bytes,
        .hold = config->transfer_hold,
        .disk_bell = config->transfer_bell,
        .bell = config->bell,
        .control = config->control,
    };
    return pit_transfer_open(&replicator->transfer, &options, error);
}

/* Those of the nodes that can be sent something. */
static uint32_t reached(const struct pit_replicator *replicator, uint32_t nodes)
{
    for (uint32_t node = 1; node <= replicator->nodes; node++)
        if ((nodes >> node & 1u) && !pit_peers_reaches(replicator->peers, node))
            nodes &= ~(1u << node);
    return nodes;
}

uint32_t pit_replicator_work_transfer(struct pit_replicator *replicator, const struct pit_consensus_state *state)
{
    const struct pit_transfer_place place = {
        .leads = state->role == PIT_CONSENSUS_LEADER,
        .leader = state->leader,
        .needs = reached(replicator, state->needs_snapshot),
        .committed = state->committed,
    };
    const uint32_t done = pit_transfer_work(replicator->transfer, &place);
    struct pit_install_offer offer;
    if (pit_transfer_installed(replicator->transfer, &offer))
        pit_replicator_fail(replicator, -ESTALE,
                            "the snapshot of sequence %llu has come from another node: this one begins anew with it",
                            (unsigned long long)offer.sequence);
    return done;
}

struct pit_transfer *pit_replicator_transfer(const struct pit_replicator *replicator)
{
    return replicator->transfer;
}
