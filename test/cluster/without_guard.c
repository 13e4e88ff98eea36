/* test/cluster/without_guard.c - linked in place of one guard (with the linker's --wrap): what is built with it must be
 * found wanting by the simulation, or the simulation's silence means nothing. */
#include "stages/consensus_raft.h"

void __wrap_pit_raft_guard_leader(struct pit_consensus *consensus);
bool __wrap_pit_raft_guard_acknowledgements_wait(const struct pit_consensus *consensus);
uint64_t __wrap_pit_raft_guard_bound(const struct pit_consensus *consensus);
bool __wrap_pit_raft_guard_truncation_waits(const struct pit_consensus *consensus,
                                            const struct raft_append_entries *request);
uint64_t __wrap_pit_raft_guard_own_disk(const struct pit_consensus *consensus);
uint64_t __wrap_pit_raft_guard_other_disks(const struct pit_consensus *consensus);
bool __wrap_pit_raft_guard_rejoins(const struct pit_consensus *consensus);
void __wrap_pit_raft_guard_refusal(const struct pit_consensus *consensus, struct raft_request_vote_result *result);
void __wrap_pit_raft_guard_life(struct pit_consensus *consensus, uint32_t node, uint64_t life);
bool __wrap_pit_raft_rejoin_ignores(const struct pit_consensus *consensus, const struct raft_message *message);
uint64_t __wrap_pit_raft_rejoin_claim(const struct pit_consensus *consensus, uint64_t claim);
bool __wrap_pit_raft_memory_overlap(const struct pit_consensus *consensus, struct raft_message *message);
uint32_t __wrap_pit_raft_behind_send(struct pit_consensus *consensus);

void __wrap_pit_raft_guard_leader(struct pit_consensus *consensus)
{
    /* No barrier: it counts what it has, and takes proposals at once. */
    if (consensus->raft.state == RAFT_LEADER && consensus->barrier_term != consensus->raft.current_term) {
        pit_raft_network_forget(consensus);
        consensus->barrier_term = consensus->ready_term = consensus->raft.current_term;
        consensus->barrier_index = 0;
    }
}

bool __wrap_pit_raft_guard_acknowledgements_wait(const struct pit_consensus *consensus)
{
    (void)consensus;
    return false;
}

uint64_t __wrap_pit_raft_guard_bound(const struct pit_consensus *consensus)
{
    (void)consensus;
    return UINT64_MAX;
}

bool __wrap_pit_raft_guard_truncation_waits(const struct pit_consensus *consensus,
                                            const struct raft_append_entries *request)
{
    (void)consensus, (void)request;
    return false;
}

uint64_t __wrap_pit_raft_guard_own_disk(const struct pit_consensus *consensus)
{
    (void)consensus;
    return UINT64_MAX;
}

/* One follower fewer than a majority is enough. */
uint64_t __wrap_pit_raft_guard_other_disks(const struct pit_consensus *consensus)
{
    uint64_t enough = pit_raft_guard_own_disk(consensus);
    return enough == UINT64_MAX ? 0 : enough;
}

/* It takes part as soon as it has heard of a leader, and has what that had committed. */
bool __wrap_pit_raft_guard_rejoins(const struct pit_consensus *consensus)
{
    return consensus->rejoin.leader != 0 && consensus->rejoin.term == consensus->raft.current_term &&
           consensus->raft.commit_index >= consensus->rejoin.committed;
}

void __wrap_pit_raft_guard_life(struct pit_consensus *consensus, uint32_t node, uint64_t life)
{
    (void)consensus, (void)node, (void)life;
}

bool __wrap_pit_raft_rejoin_ignores(const struct pit_consensus *consensus, const struct raft_message *message)
{
    (void)consensus, (void)message;
    return false;
}

uint64_t __wrap_pit_raft_rejoin_claim(const struct pit_consensus *consensus, uint64_t claim)
{
    (void)consensus;
    return claim;
}

bool __wrap_pit_raft_memory_overlap(const struct pit_consensus *consensus, struct raft_message *message)
{
    (void)consensus, (void)message;
    return true;
}

uint32_t __wrap_pit_raft_behind_send(struct pit_consensus *consensus)
{
    (void)consensus;
    return 0;
}

void __wrap_pit_raft_guard_refusal(const struct pit_consensus *consensus, struct raft_request_vote_result *result)
{
    (void)consensus, (void)result;
}
