/* stages/consensus_raft_transfer.c - a leader hands over to another node.
 *
 * The library's own way can vote twice in a term in this version, so it is not used. Here the leader takes no more
 * proposals, waits until the other has everything, and everything is committed; then it tells all nodes that it leads
 * no more, and whose turn it is, and steps down as it does when it hears from nobody. That node campaigns at once, in
 * an ordinary election; the others only forget that there is a leader, for whose sake they would refuse. Whatever of
 * this gets lost or comes late, all that happens is an election. */
#include <errno.h>

#include "stages/consensus_raft.h"

static uint64_t now_ns(const struct pit_consensus *consensus)
{
    return consensus->options.clock.monotonic_ns(consensus->options.clock.context);
}

static uint64_t election_ns(const struct pit_consensus *consensus)
{
    return (uint64_t)consensus->options.election_ms * 1000000;
}

int pit_raft_transfer_begin(struct pit_consensus *consensus, uint32_t node)
{
    struct pit_raft_transfer *transfer = &consensus->transfer;
    if (node < 1 || node > consensus->options.nodes || node == consensus->options.node)
        return -EINVAL;
    *transfer = (struct pit_raft_transfer){
        .node = node,
        .term = consensus->raft.current_term,
        .until_ns = now_ns(consensus) + election_ns(consensus),
    };
    return 0;
}

bool pit_raft_transfer_pending(const struct pit_consensus *consensus)
{
    return consensus->transfer.node != 0;
}

/* As if an election timeout had gone by without a word from anybody. */
static void step_down(struct pit_consensus *consensus)
{
    struct raft *raft = &consensus->raft;
    for (uint32_t node = 1; node <= consensus->options.nodes; node++)
        pit_raft_progress(consensus, node)->recent_recv = false;
    raft->election_timer_start = consensus->io.time(&consensus->io) - raft->election_timeout;
    consensus->tick(&consensus->io);
    pit_raft_network_settle(consensus);
    PIT_CHECK(raft->state != RAFT_LEADER);
}

void pit_raft_transfer_look(struct pit_consensus *consensus)
{
    struct pit_raft_transfer *transfer = &consensus->transfer;
    struct raft *raft = &consensus->raft;
    if (transfer->node == 0 || consensus->failure.code)
        return;
    const struct raft_progress *progress = pit_raft_progress(consensus, transfer->node);
    if (!progress || raft->current_term != transfer->term || now_ns(consensus) >= transfer->until_ns) {
        transfer->node = 0;
        return;
    }
    uint64_t last = raft_last_index(raft);
    if (progress->match_index < last || raft->commit_index < last)
        return;
    struct pit_raft_note note = {.kind = PIT_RAFT_NOTE_TAKE_OVER, .words = {raft->current_term, transfer->node}};
    for (uint32_t node = 1; node <= consensus->options.nodes; node++) {
        if (node != consensus->options.node)
            pit_raft_network_note(consensus, node, &note);
    }
    transfer->node = 0;
    step_down(consensus);
}

void pit_raft_transfer_told(struct pit_consensus *consensus, uint32_t from, const struct pit_raft_note *note)
{
    struct raft *raft = &consensus->raft;
    if (raft->state != RAFT_FOLLOWER || note->words[0] != raft->current_term || consensus->rejoin.active ||
        raft->follower_state.current_leader.id != from)
        return;
    if (note->words[1] == consensus->options.node) /* the others are to have heard of it, too */
        pit_raft_turn_set(consensus, (uint64_t)consensus->options.heartbeat_ms * 1000000 / 4, false);
    else
        raft->follower_state.current_leader.id = 0;
}
