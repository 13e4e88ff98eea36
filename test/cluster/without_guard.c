/* test/cluster/without_guard.c - linked in place of one guard (with the linker's --wrap): what is built with it must be
 * found wanting by the simulation, or the simulation's silence means nothing. */
#include "stages/consensus_raft.h"

void __wrap_pit_raft_guard_leader(struct pit_consensus *consensus);
bool __wrap_pit_raft_guard_acknowledgements_wait(const struct pit_consensus *consensus);
uint64_t __wrap_pit_raft_guard_bound(const struct pit_consensus *consensus);
bool __wrap_pit_raft_guard_truncation_waits(const struct pit_consensus *consensus,
                                            const struct raft_append_entries *request);
uint64_t __wrap_pit_raft_guard_own_disk(const struct pit_consensus *consensus);

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
