/* stages/consensus_raft_rejoin.c - a node that has lost its log takes part again.
 *
 * Such a node has promised things that it does not know any more: that it has entries, on which their commitment rests;
 * whom it has voted for; that it hears nobody of an older term. Until it has made them good it counts for nothing:
 *
 *   - it looks at no request for a vote, and does not campaign;
 *   - what it acknowledges to a leader is never past what that leader has said to be committed, so no entry gets
 * committed by it.
 *
 * It tells all the others that it begins anew (life is a random number, for this start), again and again. Each answers
 * with the term it is in; whoever leads first forgets what this node had acknowledged. After that nothing which the
 * node said before its loss arrives there any more (the network's promise), so: old acknowledgements that still count,
 * count for entries that are committed already; and old votes that still count have made somebody leader, or candidate,
 * in a term not above that of its answer.
 *
 * It takes part again when
 *   1. everybody else has answered,
 *   2. it follows a leader whose term T is not below any answer, and which was ready when it answered,
 *   3. it has on its disk everything that this leader had committed then,
 * and it has then kept a vote for this leader in T.
 *
 * Why that is safe. Terms: by 1 and 2 no leader or candidate with a vote of the lost life is in a term above T. In T
 * there is one leader, and the vote is kept for it; in older terms this node, which is in T, hears nobody: as if it had
 * kept all its votes. Entries: take one that was committed in a term t while an acknowledgement of the lost life
 * counted. By the above t <= T. If t = T, this leader had committed it when it answered. If t < T, it is in the
 * leader's log: the leader was elected without a vote of this life, so between nodes that kept their promises, as in
 * any election; and as it was ready, its barrier, which comes after that entry, was committed. By 3 this node has the
 * entry either way. So at this moment it is as a node that was away and has lost no promise that anything rests on. A
 * minority may do this at a time, because "elected between nodes that kept their promises" needs a majority of such. */
#include "stages/consensus_raft.h"

static uint64_t now_ns(const struct pit_consensus *consensus)
{
    return consensus->options.clock.monotonic_ns(consensus->options.clock.context);
}

bool pit_raft_rejoin_ignores(const struct pit_consensus *consensus, const struct raft_message *message)
{
    return consensus->rejoin.active &&
           (message->type == RAFT_IO_REQUEST_VOTE || message->type == RAFT_IO_REQUEST_VOTE_RESULT);
}

uint64_t pit_raft_rejoin_claim(const struct pit_consensus *consensus, uint64_t claim)
{
    const struct raft *raft = &consensus->raft;
    return consensus->rejoin.active && claim > raft->commit_index ? raft->commit_index : claim;
}

/* It does not come to a campaign: it has always heard somebody just now. And it tells whoever has to know. */
void pit_raft_rejoin_tick(struct pit_consensus *consensus)
{
    struct pit_raft_rejoin *rejoin = &consensus->rejoin;
    if (!rejoin->active)
        return;
    consensus->raft.election_timer_start = consensus->io.time(&consensus->io);
    if (now_ns(consensus) < rejoin->due_ns)
        return;
    rejoin->due_ns = now_ns(consensus) + (uint64_t)consensus->options.heartbeat_ms * 1000000;
    struct pit_raft_note note = {.kind = PIT_RAFT_NOTE_BEGUN, .words = {rejoin->life}};
    for (uint32_t node = 1; node <= consensus->options.nodes; node++) {
        if (node != consensus->options.node)
            pit_raft_network_note(consensus, node, &note);
    }
}

void pit_raft_rejoin_look(struct pit_consensus *consensus)
{
    struct pit_raft_rejoin *rejoin = &consensus->rejoin;
    if (!rejoin->active || consensus->failure.code || !pit_raft_guard_rejoins(consensus))
        return;
    if (!pit_raft_storage_vote(consensus, rejoin->leader))
        return;
    rejoin->active = false;
    consensus->raft.election_timer_start = consensus->io.time(&consensus->io);
}

void pit_raft_rejoin_begun(struct pit_consensus *consensus, uint32_t from, const struct pit_raft_note *note)
{
    const struct raft *raft = &consensus->raft;
    pit_raft_guard_life(consensus, from, note->words[0]);
    bool leads = raft->state == RAFT_LEADER && consensus->ready_term == raft->current_term;
    struct pit_raft_note answer = {
        .kind = PIT_RAFT_NOTE_TOLD,
        .words =
            {
                note->words[0],
                raft->current_term,
                leads,
                raft->commit_index,
            },
    };
    pit_raft_network_note(consensus, from, &answer);
}

void pit_raft_rejoin_told(struct pit_consensus *consensus, uint32_t from, const struct pit_raft_note *note)
{
    struct pit_raft_rejoin *rejoin = &consensus->rejoin;
    uint64_t term = note->words[1];
    if (!rejoin->active || note->words[0] != rejoin->life)
        return;
    rejoin->answered |= 1u << from;
    if (rejoin->highest < term)
        rejoin->highest = term;
    if (note->words[2] == 0 || term <= rejoin->term)
        return;
    rejoin->leader = from;
    rejoin->term = term;
    rejoin->committed = note->words[3];
}
