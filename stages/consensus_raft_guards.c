/* stages/consensus_raft_guards.c - what has to stand between C-Raft 0.15.0 and its mistakes. */
#include <errno.h>

#include "stages/consensus_raft.h"

/* 1. A leader may count copies only of an entry of its own term (Ongaro and Ousterhout, "In Search of an Understandable
 *    Consensus Algorithm", 5.4.2); this version counts them of any entry, which can commit one that a later leader
 *    replaces. So a new leader writes a barrier at once, and no acknowledgement reaches the core before that barrier is
 *    on our own disk: the core counts at the last entry that is there, which then is of this term. */

static void barrier_done(struct raft_barrier *request, int status)
{
    struct pit_consensus *consensus = request->data;
    consensus->barrier_busy = false;
    if (status == 0)
        consensus->ready_term = consensus->barrier_term;
}

void pit_raft_guard_leader(struct pit_consensus *consensus)
{
    struct raft *raft = &consensus->raft;
    if (raft->state != RAFT_LEADER || consensus->barrier_term == raft->current_term || consensus->failure.code)
        return;
    PIT_CHECK(!consensus->barrier_busy);
    pit_raft_network_forget(consensus);
    consensus->barrier = (struct raft_barrier){.data = consensus};
    consensus->barrier_busy = true;
    consensus->barrier_term = raft->current_term;
    consensus->barrier_index = raft_last_index(raft) + 1;
    int code = raft_barrier(raft, &consensus->barrier, barrier_done);
    if (code != 0) {
        consensus->barrier_busy = false;
        pit_raft_fail(consensus, -ENOMEM, "a new leader could not write its barrier: %s", raft_strerror(code));
    }
}

bool pit_raft_guard_acknowledgements_wait(const struct pit_consensus *consensus)
{
    return consensus->barrier_term != consensus->raft.current_term ||
           consensus->raft.last_stored < consensus->barrier_index;
}

/* 2. A follower that agrees reports how long its log on disk is, not how far it has been compared with the leader's:
 * what an older leader left behind it would count as a copy. So what is compared is kept here, for the present term,
 * and a claim is cut to that. And to a late request of an older term for the beginning of the log it says no in a way
 * that reads as yes, up to the end of its log, whether that is on disk or not, in the present term: that claims
 * nothing. */

static uint64_t request_end(const struct raft_append_entries *request)
{
    return request->prev_log_index + request->n_entries;
}

uint64_t pit_raft_guard_bound(const struct pit_consensus *consensus)
{
    const struct raft *raft = &consensus->raft;
    uint64_t bound = consensus->compared_term == raft->current_term ? consensus->compared : 0;
    if (consensus->comparing) {
        if (consensus->comparing_term != raft->current_term)
            return 0;
        bound = consensus->comparing_end > bound ? consensus->comparing_end : bound;
    }
    uint64_t there = consensus->written < raft->last_stored ? consensus->written : raft->last_stored;
    return bound < there ? bound : there;
}

void pit_raft_guard_comparing(struct pit_consensus *consensus, const struct raft_append_entries *request)
{
    consensus->comparing = true;
    consensus->comparing_end = request_end(request);
    consensus->comparing_term = request->term;
    consensus->comparing_before_term = request->prev_log_term;
    consensus->rejected = false;
}

void pit_raft_guard_compared(struct pit_consensus *consensus)
{
    uint64_t end = consensus->comparing_end;
    consensus->comparing = false;
    if (consensus->comparing_term != consensus->raft.current_term || consensus->rejected ||
        raft_last_index(&consensus->raft) < end)
        return;
    if (consensus->compared_term != consensus->comparing_term) {
        consensus->compared_term = consensus->comparing_term;
        consensus->compared = 0;
    }
    if (consensus->compared < end)
        consensus->compared = end;
}

/* 3. When a write ends, the core looks whether the entries written still stand in its log, by index and term. If they
 *    were truncated meanwhile and came back, it takes the old write for the new one and acknowledges what is not on the
 *    disk. So a request that truncates is dropped while anything is being written; the leader sends it again. */

bool pit_raft_guard_truncation_waits(const struct pit_consensus *consensus, const struct raft_append_entries *request)
{
    if (consensus->ticket == consensus->durable)
        return false;
    for (unsigned i = 0; i < request->n_entries; i++) {
        uint64_t term = pit_raft_term_of(consensus, request->prev_log_index + 1 + i);
        if (term == 0)
            return false;
        if (term != request->entries[i].term)
            return true;
    }
    return false;
}

/* 4. The core looks for a majority at one index only: the last that it takes to be on the leader's own disk. A leader
 *    whose disk is ahead of its followers' would find none there, time after time. So it learns of its own writes only
 *    as far as enough followers have acknowledged: as many as make a majority together with itself. A follower that is
 *    gone keeps the place it had, so it holds nobody up as long as the others are enough.
 *
 *    And a leader whose disk is behind would hold up what is committed without it (Ongaro, "Consensus: Bridging Theory
 *    and Practice", 10.2.1). So where followers have acknowledged that are a majority without it, the core is told that
 *    the leader has written it, too. That is so for the core alone: what this node claims to others, forgets, and reads
 *    back goes by what is on its disk. */

/* How far so many followers at least have acknowledged in this term; nothing before the barrier is asked for. */
static uint64_t acknowledged_by(const struct pit_consensus *consensus, uint32_t followers)
{
    const struct raft *raft = &consensus->raft;
    uint64_t matches[PIT_CONSENSUS_NODES_MAX];
    uint32_t count = 0;
    for (unsigned i = 0; i < raft->configuration.n && count < PIT_CONSENSUS_NODES_MAX; i++) {
        if (raft->configuration.servers[i].id == raft->id)
            continue;
        uint64_t match = raft->leader_state.progress[i].match_index;
        uint32_t place = count++;
        for (; place > 0 && matches[place - 1] < match; place--)
            matches[place] = matches[place - 1];
        matches[place] = match;
    }
    return matches[followers - 1];
}

static bool counts(const struct pit_consensus *consensus)
{
    return consensus->raft.state == RAFT_LEADER && consensus->barrier_term == consensus->raft.current_term;
}

uint64_t pit_raft_guard_own_disk(const struct pit_consensus *consensus)
{
    if (!counts(consensus))
        return UINT64_MAX;
    uint64_t enough = acknowledged_by(consensus, consensus->options.nodes / 2);
    return enough > consensus->barrier_index ? enough : consensus->barrier_index;
}

uint64_t pit_raft_guard_other_disks(const struct pit_consensus *consensus)
{
    if (!counts(consensus) || consensus->written < consensus->barrier_index)
        return 0;
    return acknowledged_by(consensus, consensus->options.nodes / 2 + 1);
}

/* 5. A node that has lost its log takes part when it cannot break any more what it has promised before:
 *    consensus_raft_rejoin.c says why this is enough. */

bool pit_raft_guard_rejoins(const struct pit_consensus *consensus)
{
    const struct pit_raft_rejoin *rejoin = &consensus->rejoin;
    const struct raft *raft = &consensus->raft;
    uint32_t all = (2u << consensus->options.nodes) - 2;
    return (rejoin->answered | 1u << consensus->options.node) == all && rejoin->leader != 0 &&
           rejoin->term >= rejoin->highest && rejoin->term == raft->current_term &&
           raft->commit_index >= rejoin->committed && consensus->written >= rejoin->committed;
}

/* 6. And a leader finds out anew how far such a node is: once for each of its lives, in each term. What it acknowledges
 *    after that is so. */

#define PROBE 0 /* the first of the core's states of a node's place */

void pit_raft_guard_life(struct pit_consensus *consensus, uint32_t node, uint64_t life)
{
    struct pit_raft_peer *peer = &consensus->peers[node];
    struct raft_progress *progress = pit_raft_progress(consensus, node);
    if (!progress || (peer->life == life && peer->life_term == consensus->raft.current_term))
        return;
    progress->state = PROBE;
    progress->match_index = 0;
    progress->next_index = raft_last_index(&consensus->raft) + 1;
    pit_raft_network_forget_node(consensus, node);
    peer->life = life;
    peer->life_term = consensus->raft.current_term;
}

/* 7. Whoever asks whether it may campaign is answered in the term that it asks for, so it does not learn of a higher
 * one. With a majority of two, one with the longer log and one in the higher term, neither would ever lead. So a
 * refusal says the term it is given in. */

void pit_raft_guard_refusal(const struct pit_consensus *consensus, struct raft_request_vote_result *result)
{
    if (result->pre_vote == raft_tribool_true && !result->vote_granted && result->term < consensus->raft.current_term)
        result->term = consensus->raft.current_term;
}
