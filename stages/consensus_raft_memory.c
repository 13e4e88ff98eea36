/* stages/consensus_raft_memory.c - what of the log is in the core's memory.
 *
 *   1 ............. offset | offset + 1 ....... applied | ............ last
 *   on the disk alone      | committed_bytes, bounded   | not committed: bounded by what may be proposed and under way
 *
 * The core forgets entries when it has taken a snapshot. Here a snapshot is empty and complete at once: everything up
 * to the last entry done is on this disk, and the state machine has done it. */
#include <string.h>

#include "stages/consensus_raft.h"

const struct raft_entry *pit_raft_memory_entry(const struct pit_consensus *consensus, uint64_t index)
{
    const struct raft_log *log = &consensus->raft.log;
    size_t count = log->front <= log->back ? log->back - log->front : log->size - log->front + log->back;
    if (index <= log->offset || index > log->offset + count)
        return NULL;
    return &log->entries[(log->front + (index - 1 - log->offset)) % log->size];
}

static uint64_t cost(const struct pit_consensus *consensus, uint64_t index)
{
    const struct raft_entry *entry = pit_raft_memory_entry(consensus, index);
    return entry ? entry->buf.len + PIT_CONSENSUS_ENTRY_OVERHEAD_BYTES : 0;
}

void pit_raft_memory_add(struct pit_consensus *consensus, uint64_t bytes)
{
    consensus->memory_bytes += bytes + PIT_CONSENSUS_ENTRY_OVERHEAD_BYTES;
}

void pit_raft_memory_truncate(struct pit_consensus *consensus, uint64_t index)
{
    for (; pit_raft_memory_entry(consensus, index); index++)
        consensus->memory_bytes -= cost(consensus, index);
}

void pit_raft_memory_committed(struct pit_consensus *consensus, uint64_t index)
{
    while (consensus->counted < index)
        consensus->committed_bytes += cost(consensus, ++consensus->counted);
    if (consensus->committed_bytes > consensus->options.memory_bytes)
        raft_set_snapshot_threshold(&consensus->raft, 1);
}

/* Half of the limit stays, so that this is not done for each entry. */
int pit_raft_memory_snapshot(struct raft_fsm *fsm, struct raft_buffer *buffers[], unsigned *count)
{
    struct pit_consensus *consensus = fsm->data;
    struct raft *raft = &consensus->raft;
    uint64_t stays = 0, bytes = 0;
    *buffers = NULL;
    *count = 0;
    raft_set_snapshot_threshold(raft, UINT32_MAX);
    for (uint64_t index = raft->last_applied; pit_raft_memory_entry(consensus, index); index--) {
        bytes += cost(consensus, index);
        if (bytes > consensus->options.memory_bytes / 2 && index <= consensus->written)
            break;
        stays++;
    }
    raft_set_snapshot_trailing(raft, (unsigned)stays);
    return 0;
}

int pit_raft_memory_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *request,
                        const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb callback)
{
    struct pit_consensus *consensus = io->impl;
    uint64_t end = snapshot->index - trailing;
    for (uint64_t index = consensus->raft.log.offset + 1; index <= end; index++) {
        consensus->memory_bytes -= cost(consensus, index);
        if (index <= consensus->counted)
            consensus->committed_bytes -= cost(consensus, index);
    }
    callback(request, 0);
    return 0;
}

static void drop_entries(struct raft_append_entries *request, uint64_t count)
{
    if (count < request->n_entries) {
        request->n_entries -= (unsigned)count;
        memmove(request->entries, request->entries + count, request->n_entries * sizeof *request->entries);
        return;
    }
    if (request->n_entries > 0) {
        raft_free(request->entries[0].batch);
        raft_free(request->entries);
    }
    request->entries = NULL;
    request->n_entries = 0;
}

/* A request of a right leader that begins before what is known here: late, or sent again, or from the disk. The core
 * would refuse it, time after time, or take what it has forgotten for what it never had. But all that it has forgotten
 * is committed, and of whoever leads in a term that is not past the log has it too. So the request begins for the core
 * where its knowledge begins, and if it ends before, it is one without entries. */
bool pit_raft_memory_overlap(const struct pit_consensus *consensus, struct raft_message *message)
{
    const struct raft *raft = &consensus->raft;
    const struct raft_log *log = &raft->log;
    struct raft_append_entries *request = &message->append_entries;
    uint64_t known = log->snapshot.last_index, first = request->prev_log_index + 1;
    if (log->offset == 0 || request->term < raft->current_term || request->prev_log_index > log->offset ||
        pit_raft_term_of(consensus, request->prev_log_index) != 0)
        return true;
    if (first + request->n_entries > known && request->entries[known - first].term != log->snapshot.last_term)
        return false;
    drop_entries(request, known + 1 - first);
    request->prev_log_index = known;
    request->prev_log_term = log->snapshot.last_term;
    return true;
}
