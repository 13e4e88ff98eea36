/* stages/consensus_raft_turn.c - when a follower asks to lead before its time, and when it stops refusing others for
 * its leader's sake.
 *
 * Nothing that is safe rests on this. Whoever asks is elected as ever: first the others are asked whether they would
 * vote for it, and those that hear their leader say no, so a node that is wrong about the leader disturbs nobody.
 *
 *   - The connection from the leader has ended: its process has, or the way to it. The followers ask one after the
 * other, by their numbers after the leader's, so that their votes do not get split. By then each has noticed.
 *   - The leader says whose turn it is: consensus_raft_transfer.c.
 *   - It has asked whether others would vote for it, and too few have answered: they were just beginning, or still had
 * a leader. It asks again in less than an election timeout, each node after another time; no term has risen meanwhile.
 *   - Nothing was heard of the leader for election_ms. The core lets a follower say no until its own time is over, up
 * to twice that, so that nobody leads before the last follower has given up; here it says no for election_ms. */
#include "stages/consensus_raft.h"

/* Between the turns of two nodes: time to be elected, which takes a few writes to disk. */
#define STEPS_OF_AN_ELECTION 6u

static uint64_t now_ns(const struct pit_consensus *consensus)
{
    return consensus->options.clock.monotonic_ns(consensus->options.clock.context);
}

static void forget_leader(struct pit_consensus *consensus)
{
    consensus->raft.follower_state.current_leader.id = 0;
}

void pit_raft_turn_set(struct pit_consensus *consensus, uint64_t wait_ns, bool unless_heard)
{
    forget_leader(consensus);
    consensus->turn = (struct pit_raft_turn){
        .term = consensus->raft.current_term,
        .at_ns = now_ns(consensus) + wait_ns,
        .unless_heard = unless_heard,
    };
}

void pit_raft_turn_lost(struct pit_consensus *consensus, uint32_t node)
{
    const struct raft *raft = &consensus->raft;
    const struct pit_consensus_options *options = &consensus->options;
    if (raft->state != RAFT_FOLLOWER || consensus->rejoin.active || raft->follower_state.current_leader.id != node)
        return;
    uint64_t place = (options->node + options->nodes - node) % options->nodes; /* 1 .. nodes - 1 */
    pit_raft_turn_set(consensus, place * options->election_ms * 1000000 / STEPS_OF_AN_ELECTION, true);
}

void pit_raft_turn_asked(struct pit_consensus *consensus)
{
    const struct raft *raft = &consensus->raft;
    if (raft->state == RAFT_FOLLOWER &&
        consensus->io.time(&consensus->io) - raft->election_timer_start >= raft->election_timeout)
        forget_leader(consensus);
}

/* Something late from the leader that was may have begun the time anew, so this looks until it campaigns. */
void pit_raft_turn_tick(struct pit_consensus *consensus)
{
    struct raft *raft = &consensus->raft;
    const struct pit_raft_turn turn = consensus->turn;
    if (turn.term == 0 || now_ns(consensus) < turn.at_ns)
        return;
    consensus->turn.term = 0;
    if (raft->state != RAFT_FOLLOWER || raft->current_term != turn.term ||
        (turn.unless_heard && raft->follower_state.current_leader.id != 0))
        return;
    raft->election_timer_start = consensus->io.time(&consensus->io) - raft->follower_state.randomized_election_timeout;
}

void pit_raft_turn_ticked(struct pit_consensus *consensus)
{
    struct raft *raft = &consensus->raft;
    const struct pit_consensus_options *options = &consensus->options;
    unsigned soon = options->election_ms / 2 + options->node * options->election_ms / (2 * STEPS_OF_AN_ELECTION);
    if (raft->state == RAFT_CANDIDATE && raft->candidate_state.in_pre_vote &&
        raft->candidate_state.randomized_election_timeout > soon)
        raft->candidate_state.randomized_election_timeout = soon;
}
