/* stages/consensus_raft_behind.c - entries from the disk, for a node that needs such as are not in memory any more.
 *
 * For such a node the core wants to send a snapshot, which comes to nothing (consensus_raft.c), and goes back to
 * probing. Meanwhile requests are made here. Each is one that this leader could send if its memory held the whole log:
 * of its present term, with entries as they stand in its log, committed all of them, and the index and term of the one
 * before. So answers go to the core like all others: it learns how far the node is, or that it has to look further
 * back, and at the next step the node is reached from memory, or again from here. */
#include <errno.h>
#include <string.h>

#include "stages/consensus_raft.h"

#define REQUESTS_MAX 8u /* to one node at a time, before something else gets its turn */

bool pit_raft_behind(const struct pit_consensus *consensus, uint32_t node)
{
    const struct raft_progress *progress = pit_raft_progress(consensus, node);
    if (!progress)
        return false;
    if (progress->next_index == 1)
        return consensus->raft.log.snapshot.last_index > 0;
    return pit_raft_term_of(consensus, progress->next_index - 1) == 0;
}

/* What the disk gives must be the log. */
static bool fits(const struct pit_consensus *consensus, uint64_t index, const struct pit_consensus_entry *entries,
                 uint32_t count, uint64_t before_term)
{
    const struct raft *raft = &consensus->raft;
    if ((index == 1) != (before_term == 0))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct pit_consensus_entry *entry = &entries[i];
        uint64_t known = pit_raft_term_of(consensus, index + i);
        bool first = index + i == 1, members = entry->kind == PIT_CONSENSUS_MEMBERS;
        if (entry->index != index + i || entry->term == 0 || entry->term < before_term ||
            entry->term > raft->current_term || entry->kind < PIT_CONSENSUS_COMMANDS ||
            entry->kind > PIT_CONSENSUS_MEMBERS || first != members || (known != 0 && known != entry->term) ||
            !pit_raft_payload_fits(entry->kind, entry->payload, entry->bytes))
            return false;
        before_term = entry->term;
    }
    return true;
}

/* A request without entries, which compares nothing: prev 0. */
static void keep_calm(struct pit_consensus *consensus, uint32_t node)
{
    struct raft_message message = {.type = RAFT_IO_APPEND_ENTRIES, .server_id = node};
    message.append_entries = (struct raft_append_entries){.term = consensus->raft.current_term};
    pit_raft_network_append(consensus, &message);
}

static int32_t send_entries(struct pit_consensus *consensus, uint32_t node, uint64_t index,
                            const struct pit_consensus_entry *entries, uint32_t count, uint64_t before_term)
{
    struct raft_entry theirs[PIT_CONSENSUS_ENTRIES_MAX];
    for (uint32_t i = 0; i < count; i++)
        theirs[i] = (struct raft_entry){
            .term = entries[i].term,
            .type = (unsigned short)entries[i].kind,
            .buf = {.base = (void *)(uintptr_t)entries[i].payload, .len = entries[i].bytes},
        };
    struct raft_message message = {.type = RAFT_IO_APPEND_ENTRIES, .server_id = node};
    message.append_entries = (struct raft_append_entries){
        .term = consensus->raft.current_term,
        .prev_log_index = index - 1,
        .prev_log_term = before_term,
        .leader_commit = consensus->raft.commit_index,
        .entries = theirs,
        .n_entries = count,
    };
    return pit_raft_network_append(consensus, &message);
}

/* Index of the last entry that the disk may be asked for. */
static uint64_t readable(const struct pit_consensus *consensus)
{
    uint64_t applied = consensus->raft.last_applied;
    return consensus->written < applied ? consensus->written : applied;
}

/* Returns how many entries were sent. */
static uint32_t send_from(struct pit_consensus *consensus, uint32_t node, uint64_t index)
{
    const struct pit_consensus_storage *storage = &consensus->options.storage;
    struct pit_consensus_entry entries[PIT_CONSENSUS_ENTRIES_MAX];
    struct pit_raft_peer *peer = &consensus->peers[node];
    uint64_t now_ns = consensus->options.clock.monotonic_ns(consensus->options.clock.context);
    if (peer->unread == index && now_ns - peer->unread_ns < (uint64_t)consensus->options.heartbeat_ms * 1000000)
        return 0; /* what is not there is not looked for all the time */
    uint64_t before_term = 0, most = readable(consensus) - index + 1;
    if (most > PIT_CONSENSUS_ENTRIES_MAX)
        most = PIT_CONSENSUS_ENTRIES_MAX;
    int32_t count = storage->read(storage->context, index, entries, (uint32_t)most, &before_term);
    peer->unread = count < 0 ? index : 0;
    peer->unread_ns = now_ns;
    if (count < 0)
        consensus->needs_snapshot |= 1u << node;
    if (count <= 0)
        return 0;
    consensus->needs_snapshot &= ~(1u << node);
    if ((uint64_t)count > most || !fits(consensus, index, entries, (uint32_t)count, before_term)) {
        pit_raft_fail(consensus, -EBADMSG, "entries from %llu on are read back as no log has them",
                      (unsigned long long)index);
        return 0;
    }
    int32_t sent = send_entries(consensus, node, index, entries, (uint32_t)count, before_term);
    if (sent <= 0)
        return 0;
    consensus->reread += (uint32_t)sent;
    return (uint32_t)sent;
}

/* One request is under way until it is known where the two logs meet, and after a refusal (of one that came out of
 * order); then as many as may be. */
static uint32_t send_node(struct pit_consensus *consensus, uint32_t node)
{
    const struct raft_progress *progress = pit_raft_progress(consensus, node);
    uint64_t last = 0, next = progress->next_index;
    bool full;
    if (pit_raft_network_under_way(consensus, node, &last, &full)) {
        if (full || consensus->peers[node].careful || progress->match_index + 1 != progress->next_index)
            return 0;
        next = last + 1 > next ? last + 1 : next;
    }
    if (next > readable(consensus))
        return 0;
    return send_from(consensus, node, next);
}

uint32_t pit_raft_behind_send(struct pit_consensus *consensus)
{
    uint64_t now_ns = consensus->options.clock.monotonic_ns(consensus->options.clock.context);
    uint32_t all = 0;
    for (uint32_t node = 1; node <= consensus->options.nodes && !consensus->failure.code; node++) {
        const struct raft_progress *progress = pit_raft_progress(consensus, node);
        if (!progress || node == consensus->options.node)
            continue;
        if (!pit_raft_behind(consensus, node)) {
            consensus->needs_snapshot &= ~(1u << node);
            continue;
        }
        for (uint32_t i = 0; i < REQUESTS_MAX && progress->recent_recv; i++) {
            uint32_t sent = send_node(consensus, node);
            all += sent;
            if (sent == 0)
                break;
        }
        if (now_ns - consensus->peers[node].heard_ns >= (uint64_t)consensus->options.heartbeat_ms * 1000000)
            keep_calm(consensus, node);
    }
    return all;
}
