/* stages/consensus_raft_network.c - raft_io's network on struct pit_consensus_network.
 *
 * The core sends a node everything it does not have yet, however much that is, whenever there is something new. So what
 * is under way to each node is counted here. What does not fit is not sent, and the core is told that the send has
 * failed: it then goes back to what the node has acknowledged, sends from there on at the next acknowledgement or
 * heartbeat, and does not try before.
 */
#include <string.h>

#include "stages/consensus_raft.h"

static uint64_t now_ns(const struct pit_consensus *consensus)
{
    return consensus->options.clock.monotonic_ns(consensus->options.clock.context);
}

static void forget_flights(struct pit_raft_peer *peer)
{
    peer->first = peer->count = 0;
    peer->bytes = 0;
}

/* The request that begins after this entry, and those after it, which cannot be of use without it. Of each request one
 * refusal counts: it brings forth one new request, and a refusal that comes twice none. */
static void forget_refused(struct pit_raft_peer *peer, uint64_t before)
{
    uint32_t stay = 0;
    while (stay < peer->count && peer->flights[(peer->first + stay) % PIT_CONSENSUS_FLIGHTS_MAX].before != before)
        stay++;
    while (peer->count > stay)
        peer->bytes -= peer->flights[(peer->first + --peer->count) % PIT_CONSENSUS_FLIGHTS_MAX].bytes;
}

void pit_raft_network_forget_node(struct pit_consensus *consensus, uint32_t node)
{
    forget_flights(&consensus->peers[node]);
    consensus->peers[node].careful = consensus->peers[node].held = false;
}

void pit_raft_network_forget(struct pit_consensus *consensus)
{
    for (uint32_t node = 1; node <= consensus->options.nodes; node++) {
        forget_flights(&consensus->peers[node]);
        consensus->peers[node].held = false;
    }
    consensus->needs_snapshot = 0;
}

void pit_raft_network_acknowledged(struct pit_consensus *consensus, uint32_t node,
                                   const struct raft_append_entries_result *result)
{
    struct pit_raft_peer *peer = &consensus->peers[node];
    if (result->term != consensus->raft.current_term)
        return;
    if (result->rejected != 0) {
        peer->careful = true;
        if (pit_raft_behind(consensus, node))
            forget_refused(peer, result->rejected);
        else
            forget_flights(peer);
        return;
    }
    while (peer->count > 0 && peer->flights[peer->first].last <= result->last_log_index) {
        peer->bytes -= peer->flights[peer->first].bytes;
        peer->first = (peer->first + 1) % PIT_CONSENSUS_FLIGHTS_MAX;
        peer->count--;
        peer->careful = false;
        peer->moved_ns = now_ns(consensus);
    }
}

/* What is under way may be lost: after an election timeout without an answer it counts as lost. */
static void forget_lost(const struct pit_consensus *consensus, struct pit_raft_peer *peer)
{
    if (peer->count > 0 && now_ns(consensus) - peer->moved_ns >= (uint64_t)consensus->options.election_ms * 1000000)
        forget_flights(peer);
}

/* How many of the request's entries may go now. */
static uint32_t entries_that_fit(struct pit_consensus *consensus, struct pit_raft_peer *peer,
                                 const struct raft_append_entries *request)
{
    if (request->n_entries == 0)
        return 0;
    forget_lost(consensus, peer);
    if (peer->count > 0) {
        uint32_t newest = (peer->first + peer->count - 1) % PIT_CONSENSUS_FLIGHTS_MAX;
        if (request->prev_log_index < peer->flights[newest].last || peer->count == PIT_CONSENSUS_FLIGHTS_MAX)
            return 0; /* it is under way already, or there are too many */
    }
    uint64_t bytes = peer->bytes;
    uint32_t fit = 0;
    for (; fit < request->n_entries && fit < PIT_CONSENSUS_ENTRIES_MAX; fit++) {
        bytes += PIT_RAFT_ENTRY_HEADER_BYTES + request->entries[fit].buf.len;
        if (bytes > consensus->options.flight_bytes && !(fit == 0 && peer->count == 0))
            break;
    }
    return fit;
}

static void take_off(struct pit_consensus *consensus, struct pit_raft_peer *peer, uint64_t before, uint64_t last,
                     uint64_t bytes)
{
    if (peer->count == 0)
        peer->moved_ns = now_ns(consensus);
    uint32_t place = (peer->first + peer->count++) % PIT_CONSENSUS_FLIGHTS_MAX;
    peer->flights[place] = (struct pit_raft_flight){.before = before, .last = last, .bytes = bytes};
    peer->bytes += bytes;
}

/* Sends the message, of an append only the first entries. */
static bool transmit(struct pit_consensus *consensus, const struct raft_message *message, uint32_t entries,
                     size_t *bytes)
{
    const struct pit_consensus_network *network = &consensus->options.network;
    struct iovec pieces[PIT_CONSENSUS_PIECES_MAX];
    uint32_t count = pit_raft_encode(message, entries, consensus->headers, pieces, bytes);
    PIT_CHECK(*bytes <= PIT_CONSENSUS_MESSAGE_BYTES_MAX);
    return network->send(network->context, (uint32_t)message->server_id, pieces, count, *bytes);
}

/* Sends the first entries of the request. Returns how many; negative: not even the request. */
static int32_t send_first(struct pit_consensus *consensus, struct raft_message *message, uint32_t fit)
{
    struct pit_raft_peer *peer = &consensus->peers[message->server_id];
    struct raft_append_entries *request = &message->append_entries;
    uint64_t end = request->prev_log_index + fit;
    if (request->leader_commit > end)
        request->leader_commit = end;
    size_t bytes;
    if (!transmit(consensus, message, fit, &bytes))
        return -1;
    if (fit > 0)
        take_off(consensus, peer, request->prev_log_index, end, bytes);
    peer->heard_ns = now_ns(consensus);
    return (int32_t)fit;
}

int32_t pit_raft_network_append(struct pit_consensus *consensus, struct raft_message *message)
{
    uint32_t fit = entries_that_fit(consensus, &consensus->peers[message->server_id], &message->append_entries);
    return fit == 0 && message->append_entries.n_entries > 0 ? 0 : send_first(consensus, message, fit);
}

bool pit_raft_network_under_way(struct pit_consensus *consensus, uint32_t node, uint64_t *last, bool *full)
{
    struct pit_raft_peer *peer = &consensus->peers[node];
    forget_lost(consensus, peer);
    *full = peer->count == PIT_CONSENSUS_FLIGHTS_MAX || peer->bytes >= consensus->options.flight_bytes;
    if (peer->count > 0)
        *last = peer->flights[(peer->first + peer->count - 1) % PIT_CONSENSUS_FLIGHTS_MAX].last;
    return peer->count > 0;
}

bool pit_raft_network_note(struct pit_consensus *consensus, uint32_t node, const struct pit_raft_note *note)
{
    const struct pit_consensus_network *network = &consensus->options.network;
    struct iovec piece = {.iov_base = (void *)(uintptr_t)note, .iov_len = sizeof *note};
    return network->send(network->context, node, &piece, 1, sizeof *note);
}

/* Returns what the core is to be told. */
static int send_append(struct pit_consensus *consensus, struct raft_message *message)
{
    if (pit_raft_behind(consensus, (uint32_t)message->server_id))
        return RAFT_NOCONNECTION; /* it is a request for a snapshot, or none that this node could use */
    uint32_t fit = entries_that_fit(consensus, &consensus->peers[message->server_id], &message->append_entries);
    if (send_first(consensus, message, fit) < 0)
        return RAFT_NOCONNECTION;
    if (fit == message->append_entries.n_entries)
        return 0;
    consensus->cut++;
    return RAFT_NOCONNECTION;
}

/* A refusal, because the entry is another one here. Where may the logs meet? Terms do not fall in either. If the entry
 * here is of a higher term than the leader's, then not within the entries of that term here; if of a lower one, not
 * within the leader's of its term, which it sees when nothing less is claimed here. (One entry back at each heartbeat
 * would take long.) What is committed here the leader has. */
static void look_back(const struct pit_consensus *consensus, struct raft_append_entries_result *result)
{
    uint64_t index = result->rejected, term = pit_raft_term_of(consensus, index);
    if (term <= consensus->comparing_before_term)
        return;
    while (index > consensus->raft.commit_index && pit_raft_term_of(consensus, index) == term)
        index--;
    if (result->last_log_index > index)
        result->last_log_index = index;
}

void pit_raft_network_look_back(const struct pit_consensus *consensus, struct raft_append_entries_result *result)
{
    uint64_t index = result->rejected, term = pit_raft_term_of(consensus, index);
    if (term == 0 || result->last_log_index < index)
        return;
    while (pit_raft_term_of(consensus, index) == term)
        index--;
    result->last_log_index = index;
}

static int send_result(struct pit_consensus *consensus, struct raft_message *message)
{
    struct raft_append_entries_result *result = &message->append_entries_result;
    if (result->rejected != 0) {
        consensus->rejected = true;
        look_back(consensus, result);
    } else {
        uint64_t bound = pit_raft_rejoin_claim(consensus, pit_raft_guard_bound(consensus));
        if (result->last_log_index > bound) {
            result->last_log_index = bound;
            consensus->bounded++;
        }
    }
    size_t bytes;
    return transmit(consensus, message, 0, &bytes) ? 0 : RAFT_NOCONNECTION;
}

int pit_raft_network_send(struct raft_io *io, struct raft_io_send *request, const struct raft_message *message,
                          raft_io_send_cb callback)
{
    struct pit_consensus *consensus = io->impl;
    /* An answer to a leader that is not known any more. (No other send may fail here: the core would free the entries
     * of a request twice.) */
    if (message->server_id < 1 || message->server_id > consensus->options.nodes)
        return RAFT_NOCONNECTION;
    PIT_CHECK(consensus->sent_count < PIT_RAFT_SENT_MAX);
    struct raft_message copy = *message;
    const struct raft_progress *progress = NULL;
    size_t bytes;
    int status = RAFT_NOCONNECTION; /* also of snapshots and transfers, which are never asked for */
    if (message->type == RAFT_IO_APPEND_ENTRIES)
        progress = pit_raft_progress(consensus, (uint32_t)message->server_id);
    if (consensus->failure.code)
        goto done;
    switch (message->type) {
    case RAFT_IO_APPEND_ENTRIES:
        status = send_append(consensus, &copy);
        break;
    case RAFT_IO_APPEND_ENTRIES_RESULT:
        status = send_result(consensus, &copy);
        break;
    case RAFT_IO_REQUEST_VOTE_RESULT:
        pit_raft_guard_refusal(consensus, &copy.request_vote_result);
        __attribute__((fallthrough));
    case RAFT_IO_REQUEST_VOTE:
        status = transmit(consensus, &copy, 0, &bytes) ? 0 : RAFT_NOCONNECTION;
        break;
    }
done:
    request->cb = callback;
    consensus->sent[consensus->sent_count++] = (struct pit_raft_sent){
        .request = request,
        .status = status,
        .node = progress ? (uint32_t)message->server_id : 0,
        .next = progress ? progress->next_index : 0,
    };
    return 0;
}

/* After a send that failed, the core goes on after what the node has acknowledged. If that is nothing yet, it would
 * compare the whole log from the first entry on; so it keeps the place that it had come to. */
static void keep_place(const struct pit_consensus *consensus, const struct pit_raft_sent *sent)
{
    if (sent->status == 0 || sent->node == 0)
        return;
    struct raft_progress *progress = pit_raft_progress(consensus, sent->node);
    if (progress && progress->match_index == 0)
        progress->next_index = sent->next;
}

void pit_raft_network_settle(struct pit_consensus *consensus)
{
    for (uint32_t i = 0; i < consensus->sent_count; i++) {
        struct pit_raft_sent sent = consensus->sent[i];
        if (sent.request->cb)
            sent.request->cb(sent.request, sent.status);
        keep_place(consensus, &sent);
    }
    consensus->sent_count = 0;
}

static bool admits_append(struct pit_consensus *consensus, struct raft_append_entries *request)
{
    /* There is one leader a term: while we lead, nobody else has anything to append in it. */
    if (request->term == consensus->raft.current_term && consensus->raft.state == RAFT_LEADER)
        return false;
    uint64_t end = request->prev_log_index + request->n_entries;
    if (request->prev_log_index > INT64_MAX || (request->prev_log_index == 0) != (request->prev_log_term == 0))
        return false;
    uint64_t before = request->prev_log_term;
    for (unsigned i = 0; i < request->n_entries; i++) {
        const struct raft_entry *entry = &request->entries[i];
        bool first = request->prev_log_index + i == 0;
        if (entry->term == 0 || entry->term < before || entry->type < RAFT_COMMAND || entry->type > RAFT_CHANGE ||
            first != (entry->type == RAFT_CHANGE))
            return false;
        if (first && (entry->term != 1 || entry->buf.len != consensus->members_bytes ||
                      memcmp(entry->buf.base, consensus->members, entry->buf.len) != 0))
            return false;
        before = entry->term;
    }
    if (before > request->term)
        return false;
    /* Nothing that is compared is committed by it (a right leader never says more). */
    if (request->leader_commit > end)
        request->leader_commit = end;
    return true;
}

bool pit_raft_network_admits(struct pit_consensus *consensus, uint32_t from, struct raft_message *message)
{
    const struct raft *raft = &consensus->raft;
    switch (message->type) {
    case RAFT_IO_APPEND_ENTRIES:
        return message->append_entries.term > 0 && admits_append(consensus, &message->append_entries);
    case RAFT_IO_APPEND_ENTRIES_RESULT:
        return message->append_entries_result.term > 0;
    case RAFT_IO_REQUEST_VOTE:
        return message->request_vote.term > 0 && message->request_vote.candidate_id == from &&
               !message->request_vote.disrupt_leader;
    case RAFT_IO_REQUEST_VOTE_RESULT: {
        const struct raft_request_vote_result *result = &message->request_vote_result;
        return result->term > 0 && !(result->vote_granted && result->term > raft->current_term + 1);
    }
    default:
        return false;
    }
}
