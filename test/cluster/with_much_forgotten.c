/* test/cluster/with_much_forgotten.c - linked around what the core's snapshots come to: it forgets everything, what is
 * not done too. The simulation must notice. */
#include "stages/consensus_raft.h"

int __wrap_pit_raft_memory_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *request,
                               const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb callback);
int __real_pit_raft_memory_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *request,
                               const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb callback);

int __wrap_pit_raft_memory_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *request,
                               const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb callback)
{
    struct pit_consensus *consensus = io->impl;
    struct raft *raft = &consensus->raft;
    raft->snapshot.trailing = 0;
    raft->snapshot.pending.index = raft_last_index(raft);
    (void)trailing;
    return __real_pit_raft_memory_put(io, 0, request, snapshot, callback);
}
