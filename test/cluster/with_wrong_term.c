/* test/cluster/with_wrong_term.c - linked around what sends entries that are read back: the term before them is said to
 * be that of the first of them. The simulation must notice. */
#include "stages/consensus_raft.h"

int32_t __wrap_pit_raft_network_append(struct pit_consensus *consensus, struct raft_message *message);
int32_t __real_pit_raft_network_append(struct pit_consensus *consensus, struct raft_message *message);

int32_t __wrap_pit_raft_network_append(struct pit_consensus *consensus, struct raft_message *message)
{
    if (message->append_entries.n_entries > 0 && message->append_entries.prev_log_index > 0)
        message->append_entries.prev_log_term = message->append_entries.entries[0].term;
    return __real_pit_raft_network_append(consensus, message);
}
